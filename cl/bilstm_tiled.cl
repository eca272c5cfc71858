/* bilstm_tiled.cl: the Diagonal BiLSTM on GPUs: see bilstm.cl for what is computed and for the
 * layouts of s, records, margin and k. A work-group walks one image in one direction. What a column
 * needs of the one before (forward h and c, backward the gradients that wait) stays in local
 * memory, and so does K where it fits; what a column needs of global memory is read while the one
 * before is computed.
 *
 * The margin belongs to the walk: rows that have not entered the image yet run in every image's
 * walk, from the initial states, and image 0 writes their records. A walk of width 0 is the margin
 * alone.
 *
 * A work-item has a unit of BILSTM_R consecutive rows from the first column to the last, so that a
 * column moves its pointers by a constant, and what only it reads stays in registers.
 *
 * Layouts besides (f32, h hidden units):
 *   dp_margin (N,H,H,8h)           backward: the margin's part of gs, for cell i of column t
 *   edges     (N,2,H,2,h)          per image: gradients of the states that a row starts from, h, c
 *   partial   (P,2,8hh + 4h)       per part of the cells: gradient of k, then of pad
 *
 * Tunables:
 *   BILSTM_H     hidden units
 *   BILSTM_KEEP  1: K in local memory
 *   BILSTM_R     rows of a work-item */
#ifndef BILSTM_H
#define BILSTM_H 16
#endif
#ifndef BILSTM_KEEP
#define BILSTM_KEEP 1
#endif
#ifndef BILSTM_R
#define BILSTM_R 2
#endif

#define BILSTM_V 1
#include "bilstm_walk.cl"

#define UNITS  BILSTM_H
#define UNITS4 ((BILSTM_H + 3) / 4) /* vectors of a state in local memory */

/* The four gates at p, which lie `step` apart. */
static float4 quad(cptr p, int step) {
  return (float4)(p[0], p[step], p[2 * step], p[3 * step]);
}

/* Where a work-item's cells are: rows row .. row+BILSTM_R-1 of unit u. Cell x of a row, at column
 * t = i+x, is pixel start + r*rows + t*step of the image. */
typedef struct place {
  int row, u;
  int start, rows, step;
} place;
static void place_of(place *p, const walk *w, int item) {
  p->row = item / UNITS * BILSTM_R, p->u = item % UNITS;
  p->step = w->d ? -1 : 1;
  p->rows = w->W - p->step;
  p->start = p->row * p->rows + (w->d ? w->W - 1 : 0);
}
/* Whether row i runs at column t, and whether its cell is in the image. */
static bool runs(const walk *w, int evolve, int t, int i) {
  return i < w->H && t - i < w->W && (evolve || t >= i);
}
static bool in_image(const walk *w, int t, int i) {
  return i < w->H && t - i < w->W && t >= i;
}
/* Whether any of the work-item's rows runs. */
static bool works(const walk *w, const place *p, int evolve, int t) {
  return p->row < w->H && t - (p->row + BILSTM_R - 1) < w->W && (evolve || t >= p->row);
}

/* ---- forward ---- */

/* s of the work-item's cells at column t; map: this image and direction's. Beside the image: pad.
 */
static void load_s(const walk *w, const place *at, cptr map, float4 pad, int t,
                   float4 p[BILSTM_R]) {
  const int pixel0 = at->start + t * at->step;
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++)
    p[r] = in_image(w, t, at->row + r)
               ? quad(map + (pixel0 + r * at->rows) * 8 * UNITS + at->u, UNITS)
               : pad;
}

/* keep[b][k][u] = the four gates' K_b of unit u for state k; zeros up to a whole vector of k. */
static void keep_forward(cptr k, __local float4 *keep) {
#if BILSTM_KEEP
  for (int e = (int)get_local_id(0); e < 2 * 4 * UNITS4 * UNITS; e += (int)get_local_size(0)) {
    const int b = e / (4 * UNITS4 * UNITS), state = e / UNITS % (4 * UNITS4), u = e % UNITS;
    keep[e] = state < UNITS ? quad(k + ((size_t)b * 4 * UNITS + u) * UNITS + state, UNITS * UNITS)
                            : (float4)(0.0f);
  }
#endif
}

/* K_b's gates of unit u for state k: from local memory, or from k transposed (bilstm_pack). */
#if BILSTM_KEEP
#define FORWARD_K(b, k) keep[((b)*4 * UNITS4 + (k)) * UNITS + u]
#else
#define FORWARD_K(b, k)                                                                            \
  ((k) < UNITS ? quad(kt + ((size_t)(b)*UNITS + (k)) * 4 * UNITS + u, UNITS) : (float4)(0.0f))
#endif

/* p += K0 h" + K1 h'. before: h of the row above the first, in the column before. */
static void multiply_forward(__local const float4 *keep, cptr kt, __local const float4 *before,
                             int u, float4 p[BILSTM_R]) {
#pragma unroll 2
  for (int k4 = 0; k4 < UNITS4; k4++) {
    float4 v[BILSTM_R + 1];
#pragma unroll
    for (int r = 0; r <= BILSTM_R; r++) v[r] = before[r * UNITS4 + k4];
#define TERM(e)                                                                                    \
  {                                                                                                \
    const float4 a = FORWARD_K(0, 4 * k4 + e), b = FORWARD_K(1, 4 * k4 + e);                       \
    _Pragma("unroll") for (int r = 0; r < BILSTM_R; r++)                                           \
        p[r] = mad(b, (float4)(v[r + 1].s##e), mad(a, (float4)(v[r].s##e), p[r]));                 \
  }
    TERM(0) TERM(1) TERM(2) TERM(3)
#undef TERM
  }
}

/* What rows start from: h in both buffers of state, and c; zeros without initial states. Image 0
 * writes the margin's zeros and first records. */
static void start(const walk *w, const place *at, cptr h0, cptr c0, int evolve, int writes,
                  gptr zeros, __local float *state, int buffer, float c[BILSTM_R]) {
  const int items = (int)get_local_size(0);
  for (int e = (int)get_local_id(0); e < 2 * buffer; e += items) state[e] = 0.0f;
  barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++) {
    const int i = at->row + r, to = (i + 1) * 4 * UNITS4 + at->u;
    c[r] = 0.0f;
    if (!w->init || i >= w->H) continue;
    const float h_start = h0[at->u * w->H + i];
    c[r] = c0[at->u * w->H + i];
    state[to] = h_start;
    state[buffer + to] = h_start;
    if (!writes) continue;
    gptr rec = w->margin + ((evolve ? 0 : i) * w->H + i) * 6 * UNITS + at->u;
    rec[4 * UNITS] = c[r];
    rec[5 * UNITS] = h_start;
  }
  if (writes && w->d == 0)
    for (int e = (int)get_local_id(0); e < 8 * UNITS; e += items) zeros[e] = 0.0f;
}

/* Gates, c and h of a cell from p; all to its record, if there is one. Returns h. */
static float forward_cell(float4 p, float *c, gptr rec) {
  float gate[4] = { p.x, p.y, p.z, p.w };
  gates(gate);
  *c = mad(gate[1], *c, gate[2] * gate[3]);
  const float out = gate[0] * tanh_fast(*c);
  if (rec) {
    rec[0] = gate[0];
    rec[UNITS] = gate[1];
    rec[2 * UNITS] = gate[2];
    rec[3 * UNITS] = gate[3];
    rec[4 * UNITS] = *c;
    rec[5 * UNITS] = out;
  }
  return out;
}

/* Group: image id/2, direction id%2; at least ceil(H/BILSTM_R) h work-items. kt: k transposed,
 * without BILSTM_KEEP. Local memory: keep (2,4*UNITS4,h) float4; state (2, H+BILSTM_R, UNITS4), row
 * i at i+1. */
__kernel void bilstm_forward_tiled(cptr restrict s, cptr restrict k_left, cptr restrict k_right,
                                   cptr restrict kt, cptr restrict h0_left, cptr restrict c0_left,
                                   cptr restrict h0_right, cptr restrict c0_right,
                                   cptr restrict pad, gptr restrict margin, gptr restrict records,
                                   const bilstm_sizes z, __local float4 *restrict keep,
                                   __local float4 *restrict state) {
  const int image = (int)get_group_id(0) / 2, d = (int)get_group_id(0) % 2;
  walk w;
  walk_of(&w, margin, records, image, d, z, 0);
  w.h = UNITS; /* what the compiler knows */
  place at;
  place_of(&at, &w, (int)get_local_id(0));
  const int buffer = (w.H + BILSTM_R) * UNITS4, n_columns = w.H + w.W - 1, u = at.u;
  cptr map = s + image_at(z, image, 8 * UNITS) + d * 4 * UNITS;
  const float4 beside = z.pad ? quad(pad + d * 4 * UNITS + u, UNITS) : (float4)(0.0f);
  kt += (size_t)d * 8 * UNITS * UNITS;
  float4 p[BILSTM_R], next[BILSTM_R];
  float c[BILSTM_R];
  load_s(&w, &at, map, beside, 0, next);
  keep_forward(d ? k_right : k_left, keep);
  start(&w, &at, d ? h0_right : h0_left, d ? c0_right : c0_left, z.evolve, image == 0, margin,
        (__local float *)state, 4 * buffer, c);
  barrier(CLK_LOCAL_MEM_FENCE);

  for (int t = 0; t < n_columns; t++) {
    __local const float4 *before = state + (t & 1) * buffer + at.row * UNITS4;
    __local float *to = (__local float *)(state + (~t & 1) * buffer + (at.row + 1) * UNITS4) + u;
#pragma unroll
    for (int r = 0; r < BILSTM_R; r++) p[r] = next[r];
    load_s(&w, &at, map, beside, t + 1, next); /* arrives while this column is computed */
    if (works(&w, &at, z.evolve, t)) {
      multiply_forward(keep, kt, before, u, p);
#pragma unroll
      for (int r = 0; r < BILSTM_R; r++) {
        const int i = at.row + r, pixel = at.start + r * at.rows + t * at.step;
        if (!runs(&w, z.evolve, t, i)) continue;
        gptr rec = t >= i       ? w.rec + pixel * 6 * UNITS + u
                   : image == 0 ? record_at(&w, t, i) + u
                                : 0;
        to[r * 4 * UNITS4] = forward_cell(p[r], &c[r], rec);
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}

/* ---- backward ---- */

/* keep[b][w][u] = the four gates of unit w for state u. */
static void keep_backward(cptr k, __local float4 *keep) {
#if BILSTM_KEEP
  for (int e = (int)get_local_id(0); e < 2 * UNITS * UNITS; e += (int)get_local_size(0))
    keep[e] = quad(k + (size_t)(e / (UNITS * UNITS)) * 4 * UNITS * UNITS + e % (UNITS * UNITS),
                   UNITS * UNITS);
#endif
}
#if BILSTM_KEEP
#define BACKWARD_K(b, w) keep[((b)*UNITS + (w)) * UNITS + u]
#else
#define BACKWARD_K(b, w) quad(k + ((size_t)(b)*4 * UNITS + (w)) * UNITS + u, UNITS * UNITS)
#endif

/* What a job's cells were, and the gradient that reaches them from y. */
typedef struct cell {
  float o, f, i, g, c, c_before, gy;
} cell;

static void load_cells(const walk *w, const place *at, int evolve, cptr gy, int t,
                       cell cells[BILSTM_R]) {
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++) {
    const int i = at->row + r, pixel = at->start + r * at->rows + t * at->step;
    if (t < 0 || !runs(w, evolve, t, i)) continue;
    cptr rec = (t < i ? (cptr)record_at(w, t, i) : w->rec + pixel * 6 * UNITS) + at->u;
    cells[r].o = rec[0];
    cells[r].f = rec[UNITS];
    cells[r].i = rec[2 * UNITS];
    cells[r].g = rec[3 * UNITS];
    cells[r].c = rec[4 * UNITS];
    cptr before = t > i ? w->rec + (pixel - at->step) * 6 * UNITS : neighbour(w, t - 1, i);
    cells[r].c_before = before[4 * UNITS + at->u];
    /* The right direction's map was moved down by one row: its row i was seen at row i+1. */
    cells[r].gy = t >= i && i + w->d < w->H ? gy[(pixel + w->d * w->W) * UNITS + at->u] : 0.0f;
  }
}

/* dp of a cell with gradient gh of its output; gc: of its c, becomes that of the c before. */
static float4 backward_cell(const cell *v, float gh, float *gc) {
  const float tc = tanh_fast(v->c), now = mad(gh * v->o, mad(-tc, tc, 1.0f), *gc);
  *gc = now * v->f;
  return (float4)(gh * tc * v->o * (1.0f - v->o), now * v->c_before * v->f * (1.0f - v->f),
                  now * v->g * v->i * (1.0f - v->i), now * v->i * mad(-v->g, v->g, 1.0f));
}

/* What K makes of the gates' gradients dp of the work-item's rows: for each, the gradients of h of
 * the cell before it and of the one above that. */
static void multiply_backward(__local const float4 *keep, cptr k, __local const float4 *dp, int u,
                              float same[BILSTM_R], float above[BILSTM_R]) {
  float4 to_same[BILSTM_R], to_above[BILSTM_R];
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++) to_same[r] = to_above[r] = (float4)(0.0f);
#pragma unroll 4
  for (int v = 0; v < UNITS; v++) {
    const float4 k0 = BACKWARD_K(0, v), k1 = BACKWARD_K(1, v);
#pragma unroll
    for (int r = 0; r < BILSTM_R; r++) {
      const float4 g = dp[r * UNITS + v];
      to_above[r] = mad(k0, g, to_above[r]);
      to_same[r] = mad(k1, g, to_same[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++) {
    const float4 x = to_same[r], y = to_above[r];
    same[r] = x.x + x.y + (x.z + x.w);
    above[r] = y.x + y.y + (y.z + y.w);
  }
}

/* Group: as in the forward pass. Local memory: keep (2,h,h) float4; dp (H+BILSTM_R, h) float4;
 * below (H+BILSTM_R, h): the gradient of h that row i left for row i-1 in the column before, at i.
 */
__kernel void bilstm_backward_tiled(cptr restrict gy, cptr restrict k_left, cptr restrict k_right,
                                    gptr margin, gptr records, gptr restrict gs,
                                    gptr restrict dp_margin, gptr restrict edges,
                                    const bilstm_sizes z, __local float4 *restrict keep,
                                    __local float4 *restrict dp, __local float *restrict below) {
  const int image = (int)get_group_id(0) / 2, d = (int)get_group_id(0) % 2, H = z.height;
  const int item = (int)get_local_id(0), items = (int)get_local_size(0);
  walk w;
  walk_of(&w, margin, records, image, d, z, 0);
  w.h = UNITS; /* what the compiler knows */
  place at;
  place_of(&at, &w, item);
  const int u = at.u, mine = at.row * UNITS + u;
  cptr k = d ? k_right : k_left;
  gy += image_at(z, image, UNITS);
  gs += image_at(z, image, 8 * UNITS) + d * 4 * UNITS + u;
  dp_margin += (size_t)image * H * H * 8 * UNITS + d * 4 * UNITS + u;
  cell cells[BILSTM_R], next[BILSTM_R];
  float same[BILSTM_R], dc[BILSTM_R];
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++) same[r] = dc[r] = 0.0f;
  load_cells(&w, &at, z.evolve, gy, H + w.W - 2, next);
  keep_backward(k, keep);
  for (int e = item; e < (H + BILSTM_R) * UNITS; e += items) below[e] = 0.0f, dp[e] = 0.0f;
  barrier(CLK_LOCAL_MEM_FENCE);

  for (int t = H + w.W - 2; t >= 0; t--) {
    const int work = works(&w, &at, z.evolve, t);
#pragma unroll
    for (int r = 0; r < BILSTM_R; r++) cells[r] = next[r];
    load_cells(&w, &at, z.evolve, gy, t - 1, next); /* arrives while this column is computed */
    if (work) {
#pragma unroll
      for (int r = 0; r < BILSTM_R; r++) {
        const int i = at.row + r, pixel = at.start + r * at.rows + t * at.step;
        if (!runs(&w, z.evolve, t, i)) continue;
        const float4 v = backward_cell(
            &cells[r], cells[r].gy + same[r] + below[mine + (r + 1) * UNITS], &dc[r]);
        dp[mine + r * UNITS] = v;
        gptr to = t >= i ? gs + pixel * 8 * UNITS : dp_margin + (t * H + i) * 8 * UNITS;
        to[0] = v.x;
        to[UNITS] = v.y;
        to[2 * UNITS] = v.z;
        to[3 * UNITS] = v.w;
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (work) {
      float to_same[BILSTM_R], to_above[BILSTM_R];
      multiply_backward(keep, k, dp + at.row * UNITS, u, to_same, to_above);
#pragma unroll
      for (int r = 0; r < BILSTM_R; r++) {
        if (!runs(&w, z.evolve, t, at.row + r)) continue;
        same[r] = to_same[r];
        below[mine + r * UNITS] = to_above[r];
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (!z.init) return;
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++) {
    const int i = at.row + r;
    if (i >= H) break;
    gptr edge = edges + ((size_t)(image * 2 + d) * H + i) * 2 * UNITS + u;
    edge[0] = same[r] + (z.evolve ? below[mine + (r + 1) * UNITS] : 0.0f);
    edge[UNITS] = dc[r];
  }
}

/* ---- gradients of K and pad ---- */

#define GATES   64 /* a group's tile: gates by columns of [h", h'] */
#define COLUMNS 32
#define CELLS   16 /* taken at a time */
#define SPARE   4  /* keeps a column of tiles out of one bank */

/* Where something of cell (t,i) begins: at a place >= 0 of the image's array, or at ~place of the
 * margin's. */
static int place_in(int in_image, int image_place, int margin_place) {
  return in_image ? image_place : ~margin_place;
}
static cptr at_place(cptr image, cptr margin, int place) {
  return place >= 0 ? image + place : margin + ~place;
}

/* The places of the cells x0, x0+1, ... of row i: of their dp, of h above and of h' before them. An
 * item finds one; cells past the row have that of its last. */
static void find_places(const walk *w, int i, int x0, __local int *dp, __local int *above,
                        __local int *before) {
  const int item = (int)get_local_id(0), cell = item % CELLS, what = item / CELLS;
  const int x = min(x0 + cell, w->W - 1), H = w->H;
  const int pixel0 = i * w->W + (w->d ? w->W - 1 - x : x), back = w->d ? 1 : -1;
  if (what == 0) dp[cell] = place_in(x >= 0, pixel0 * 8 * UNITS, ((x + i) * H + i) * 8 * UNITS);
  if (what == 1)
    above[cell] = place_in(x >= 0, (pixel0 - w->W) * 6 * UNITS, ((x + i) * H + i - 1) * 6 * UNITS);
  if (what == 2)
    before[cell] = place_in(x >= 1, (pixel0 + back) * 6 * UNITS, ((x + i) * H + i) * 6 * UNITS);
}

/* gk = sum of dp (x) [h", h'] over the cells of a part: of image part/Q (Q = parts/images) the rows
 * that are part%Q modulo Q. Group (tile, part*2 + direction) of GATES*COLUMNS/16 items, 4x4 sums
 * each. */
__kernel __attribute__((reqd_work_group_size(GATES * COLUMNS / 16, 1, 1))) void
bilstm_kernel_grad(gptr margin, gptr records, cptr restrict gs, cptr restrict dp_margin,
                   gptr restrict partial, const bilstm_sizes z) {
  __local float4 dp[CELLS][(GATES + SPARE) / 4], state[CELLS][(COLUMNS + SPARE) / 4];
  __local int dp_places[CELLS], above_places[CELLS], before_places[CELLS];
  enum { ITEMS = GATES * COLUMNS / 16 };
  const int part = (int)get_group_id(1) / 2, d = (int)get_group_id(1) % 2, H = z.height;
  const int share = z.parts / z.images, image = part / share, item = (int)get_local_id(0);
  const int wide = (4 * UNITS + GATES - 1) / GATES, tile = (int)get_group_id(0);
  const int gate0 = tile % wide * GATES, column0 = tile / wide * COLUMNS;
  const int my_gate = item % (GATES / 4), my_column = item / (GATES / 4);
  walk w;
  walk_of(&w, margin, records, image, d, z, 0);
  w.h = UNITS; /* what the compiler knows */
  /* What the item loads: a gate of some cells, and a column. */
  const int gate = gate0 + item % GATES, column = column0 + item % COLUMNS;
  const int is_above = column < UNITS, unit = is_above ? column : column - UNITS;
  gs += image_at(z, image, 8 * UNITS) + d * 4 * UNITS + gate;
  dp_margin += (size_t)image * H * H * 8 * UNITS + d * 4 * UNITS + gate;
  cptr h_image = w.rec + 5 * UNITS + unit, h_margin = w.margin + 5 * UNITS + unit;
  float4 sum[4] = { 0.0f, 0.0f, 0.0f, 0.0f };
  float pad = 0.0f;
  for (int i = part % share; i < H; i += share) {
    const int left = z.evolve ? -i : 0; /* x of the row's first cell */
    for (int x0 = left; x0 < w.W; x0 += CELLS) {
      find_places(&w, i, x0, dp_places, above_places, before_places);
      barrier(CLK_LOCAL_MEM_FENCE);
      __local const int *places = is_above ? above_places : before_places;
#pragma unroll
      for (int r = 0; r < CELLS * GATES / ITEMS; r++) {
        const int e = item / GATES + r * (ITEMS / GATES);
        ((__local float *)dp[e])[item % GATES] = x0 + e < w.W && gate < 4 * UNITS
                                                     ? *at_place(gs, dp_margin, dp_places[e])
                                                     : 0.0f;
      }
#pragma unroll
      for (int r = 0; r < CELLS * COLUMNS / ITEMS; r++) {
        const int e = item / COLUMNS + r * (ITEMS / COLUMNS), place = places[e];
        const bool there = column < 2 * UNITS && (i > 0 || !is_above) && (place >= 0 || z.init);
        ((__local float *)state[e])[item % COLUMNS] = there ? *at_place(h_image, h_margin, place)
                                                            : 0.0f;
      }
      barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 4
      for (int e = 0; e < CELLS; e++) {
        const float4 g = dp[e][my_gate], v = state[e][my_column];
        sum[0] = mad((float4)(g.x), v, sum[0]);
        sum[1] = mad((float4)(g.y), v, sum[1]);
        sum[2] = mad((float4)(g.z), v, sum[2]);
        sum[3] = mad((float4)(g.w), v, sum[3]);
      }
      if (item < GATES)
        for (int e = 0; e < CELLS && x0 + e < 0; e++) pad += ((__local float *)dp[e])[item];
      barrier(CLK_LOCAL_MEM_FENCE);
    }
  }
  gptr to = partial + (size_t)get_group_id(1) * (8 * UNITS + 4) * UNITS;
#pragma unroll
  for (int q = 0; q < 4; q++) {
    const int row = gate0 + my_gate * 4 + q, first = column0 + my_column * 4;
    const float v[4] = { sum[q].x, sum[q].y, sum[q].z, sum[q].w };
#pragma unroll
    for (int e = 0; e < 4; e++)
      if (row < 4 * UNITS && first + e < 2 * UNITS) {
        const int b = first + e >= UNITS;
        to[(b * 4 * UNITS + row) * UNITS + first + e - b * UNITS] = v[e];
      }
  }
  if (item < GATES && column0 == 0 && gate0 + item < 4 * UNITS)
    to[8 * UNITS * UNITS + gate0 + item] = pad;
}

/* The gradients of k, pad and the initial states: sums over the parts, and over the images' edges.
 * Local size (32 s): s items share a sum. Global size ((outputs of a direction) s, 2). */
__kernel void bilstm_sum_grads(cptr restrict partial, cptr restrict edges, gptr restrict gk_left,
                               gptr restrict gk_right, gptr restrict h0_left, gptr restrict c0_left,
                               gptr restrict h0_right, gptr restrict c0_right, gptr restrict gpad,
                               const bilstm_sizes z, __local float *restrict sums) {
  enum { KERNEL = 8 * UNITS * UNITS, PART = KERNEL + 4 * UNITS, LANES = 32 };
  const int d = (int)get_global_id(1), lane = (int)get_local_id(0) % LANES;
  const int slice = (int)get_local_id(0) / LANES, slices = (int)get_local_size(0) / LANES;
  const int e = (int)get_group_id(0) * LANES + lane, edge = e - PART, H = z.height;
  const int of_k = e < PART, size = of_k ? PART : 2 * H * UNITS, n = of_k ? z.parts : z.images;
  const int real = of_k ? e < KERNEL || z.pad : z.init && edge < 2 * H * UNITS;
  cptr from = of_k ? partial + (size_t)d * PART + e : edges + (size_t)d * 2 * H * UNITS + edge;
  float sum = 0.0f;
  if (real)
#pragma unroll 4
    for (int p = slice; p < n; p += slices) sum += from[(size_t)p * 2 * size];
  sums[get_local_id(0)] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (slice || !real) return;
  for (int p = 1; p < slices; p++) sum += sums[p * LANES + lane];
  if (e < KERNEL) {
    gptr gk = d ? gk_right : gk_left;
    gk[e] = sum;
  } else if (of_k) {
    gpad[d * 4 * UNITS + e - KERNEL] = sum;
  } else {
    const int i = edge / (2 * UNITS), u = edge % UNITS, of_c = edge / UNITS % 2;
    gptr to = of_c ? (d ? c0_right : c0_left) : (d ? h0_right : h0_left);
    to[u * H + i] = sum;
  }
}
