/* conv_winograd.cl: 3x3 convolutions (stride and dilation 1) by minimal filtering, one work-item at
 * a time: Winograd's F(2x2, 3x3) and F(4x4, 3x3) (Lavin and Gray 2016).
 *
 * A tile of OUTS x OUTS outputs from SPAN x SPAN inputs d and a 3x3 filter g is
 *   At ((G g Gt) * (Bt d B)) A
 * with an elementwise product, summed over the channels: SPAN*SPAN GEMMs, one a position.
 *
 * Buffers (f32; args.h has the fields; MR, NR and vectors as in packed.cl):
 *   w   filters: element (i,k) is the 3x3 at i*rs + k*ks, read backwards when flip is 1
 *   u   transformed filters [position][panel][k][NR], panels of NR filters, and a vector more from
 *       position to position
 *   x   images, channels-last (N,h,w,cl), and one more pixel of zeros; tile (n,ty,tx) begins at row
 *       OUTS*ty + h0, column OUTS*tx + w0
 *   v   transformed inputs [position][block of KB channels][tile][KB], and a vector more from
 *       position to position: at multiples of 4 KiB they would fall on the same lines of a cache
 *   y   (N,m,oh,ow)
 *
 * Tunables:
 *   VEC   floats in a vector: 16 or 8
 *   OUTS  2 or 4
 *   KT    tiles that winograd_filter_grad transforms at a time
 *   KB    channels of a tile that lie side by side for winograd
 *   KC    channels whose filters winograd_panel transforms at a time; KB is a multiple
 */
#ifndef OUTS
#define OUTS 2
#endif
#ifndef KT
#define KT 32
#endif
#ifndef KB
#define KB 64
#endif
#ifndef KC
#define KC 32
#endif

#include "args.h"
#include "packed.cl"
#include "winograd.cl"

TILE(more_large, MR, local, local, LLOAD, VEC)
TILE(more_medium, ROWS_MEDIUM, local, local, LLOAD, VEC)
TILE(more_small, ROWS_SMALL, local, local, LLOAD, VEC)

/* ---- inputs ---- */

static tile_at next_tile(tile_at t, const winograd_tiles s) {
  if (++t.x == s.tw) {
    t.x = 0;
    if (++t.y == s.th) t.y = 0, t.n++;
  }
  return t;
}

/* Bt of column z of the rows of pixels under a row of tiles; from: where those begin, or the zeros
 * behind the images for a row outside. */
static void transform_column(global const float *const *restrict from, global const float *zeros,
                             floatv v[SPAN], int z, int cl, int w) {
  const int in = z >= 0 && z < w;
  const size_t at = in ? (size_t)z * cl : 0;
  floatv d[SPAN];
  UNROLL for (int r = 0; r < SPAN; r++) {
    d[r] = GLOAD(in && from[r] != zeros ? from[r] + at : zeros);
    PREFETCH(from[r] + at + 8 * cl);
  }
  transform_input(d, v);
}

/* TRANSFORM_TILES defines a function: Bt d B of VEC channels, which x begins with, of `count` tiles
 * from j0 on: position e of tile l goes to to[e*step + l*pitch]. Neighbours in a row share two of
 * their columns. */
#define TRANSFORM_TILES(NAME, SPACE, STORE)                                                        \
  static void NAME(global const float *restrict x, SPACE float *restrict to, int step, int pitch,  \
                   int j0, int count, const winograd_tiles s) {                                    \
    global const float *zeros = x + (size_t)(s.tiles / (s.th * s.tw)) * s.h * s.w * s.cl;          \
    global const float *from[SPAN];                                                                \
    tile_at t = find_tile(j0, s);                                                                  \
    floatv c[SPAN][SPAN]; /* [column][row] */                                                      \
    for (int l = 0; l < count; l++, t = next_tile(t, s), to += pitch) {                            \
      const int z = OUTS * t.x + s.w0;                                                             \
      if (l == 0 || t.x == 0) {                                                                    \
        UNROLL for (int r = 0; r < SPAN; r++) {                                                    \
          const int y = OUTS * t.y + s.h0 + r;                                                     \
          from[r] = y >= 0 && y < s.h ? x + (size_t)(t.n * s.h + y) * s.w * s.cl : zeros;          \
        }                                                                                          \
        transform_column(from, zeros, c[0], z, s.cl, s.w);                                         \
        transform_column(from, zeros, c[1], z + 1, s.cl, s.w);                                     \
      } else {                                                                                     \
        UNROLL for (int r = 0; r < SPAN; r++) c[0][r] = c[OUTS][r], c[1][r] = c[OUTS + 1][r];      \
      }                                                                                            \
      UNROLL for (int b = 2; b < SPAN; b++) transform_column(from, zeros, c[b], z + b, s.cl, s.w); \
      UNROLL for (int r = 0; r < SPAN; r++) {                                                      \
        floatv d[SPAN], v[SPAN];                                                                   \
        UNROLL for (int b = 0; b < SPAN; b++) d[b] = c[b][r];                                      \
        transform_input(d, v);                                                                     \
        UNROLL for (int b = 0; b < SPAN; b++) STORE(v[b], to + (SPAN * r + b) * step);             \
      }                                                                                            \
    }                                                                                              \
  }
TRANSFORM_TILES(transform_tiles, local, LSTORE)
TRANSFORM_TILES(transform_tiles_global, global, GSTORE)

/* v of `block` tiles a group. Groups: 0 blocks of tiles, 1 vectors of channels. */
kernel ONE_ITEM void winograd_inputs(global const float *restrict x, global float *restrict v,
                                     const winograd_tiles s, int block) {
  const int begin = get_group_id(0) * block, c = get_group_id(1) * VEC;
  const int step = (s.channels + KB - 1) / KB * KB * s.tiles + VEC;
  transform_tiles_global(x + c, v + c / KB * KB * s.tiles + begin * KB + c % KB, step, KB, begin,
                         min(block, s.tiles - begin), s);
}

/* ---- filters ---- */

/* The 3x3 filters of `rows` <= VEC rows rs apart, from w on: g[t] has a lane a row, those beyond
 * are zero. More than the nine numbers of a row are read where they lie before `end`. */
static void load_filters(global const float *restrict w, global const float *end, floatv g[9],
                         int rows, int rs) {
  if (w + (size_t)(rows - 1) * rs + VEC > end) {
    float room[9 * VEC] __attribute__((aligned(64)));
    for (int e = 0; e < 9 * VEC; e++) room[e] = 0.0f;
    for (int r = 0; r < rows; r++)
      for (int t = 0; t < 9; t++) room[t * VEC + r] = w[(size_t)r * rs + t];
    for (int t = 0; t < 9; t++) g[t] = PLOAD(room + t * VEC);
    return;
  }
#define LOAD_ROW(r)                                                                                \
  floatv v##r = (floatv)(0.0f), w##r;                                                              \
  if (r < rows) v##r = GLOAD(w + (size_t)r * rs);
  ROWS_ALL(LOAD_ROW)
#undef LOAD_ROW
#if VEC == 8
  floatv last = (floatv)(0.0f);
  for (int r = 0; r < rows; r++) last[r] = w[(size_t)r * rs + 8];
  g[8] = last;
#endif
  TRANSPOSE(v, w);
  g[0] = v0, g[1] = v1, g[2] = v2, g[3] = v3, g[4] = v4, g[5] = v5, g[6] = v6, g[7] = v7;
#if VEC == 16
  g[8] = v8;
#endif
}

/* TRANSFORM_FILTERS defines a function: G g Gt of `rows` rows of filters, position e to
 * to[e*step]. */
#define TRANSFORM_FILTERS(NAME, SPACE, STORE)                                                      \
  static void NAME(global const float *restrict w, global const float *end,                        \
                   SPACE float *restrict to, size_t step, int rows, int rs, int flip) {            \
    floatv g[9], a[3][SPAN]; /* G g, [column][row] */                                              \
    for (int t = 0; t < 9; t++) g[t] = (floatv)(0.0f);                                             \
    if (rows > 0) load_filters(w, end, g, rows, rs);                                               \
    UNROLL for (int x = 0; x < 3; x++) {                                                           \
      const floatv column[3] = { g[flip ? 8 - x : x], g[flip ? 5 - x : 3 + x],                     \
                                 g[flip ? 2 - x : 6 + x] };                                        \
      transform_filter(column, a[x]);                                                              \
    }                                                                                              \
    UNROLL for (int r = 0; r < SPAN; r++, to += SPAN * step) {                                     \
      const floatv row[3] = { a[0][r], a[1][r], a[2][r] };                                         \
      floatv u[SPAN];                                                                              \
      transform_filter(row, u);                                                                    \
      UNROLL for (int b = 0; b < SPAN; b++) STORE(u[b], to + b * step);                            \
    }                                                                                              \
  }
TRANSFORM_FILTERS(transform_filters, local, LSTORE)
TRANSFORM_FILTERS(transform_filters_global, global, GSTORE)

/* G g Gt of the filters of a panel. Groups: 0 panels, 1 `chunk` values of k. */
kernel ONE_ITEM void winograd_filter(global const float *restrict w, global float *restrict u,
                                     int m, int k_all, int chunk, int rs, int ks, int flip) {
  const int panel = get_group_id(0);
  const int begin = get_group_id(1) * chunk, end = min(k_all, begin + chunk);
  const size_t step = (size_t)get_num_groups(0) * k_all * NR + VEC;
  global const float *stop = w + (size_t)m * k_all * 9;
  for (int k = begin; k < end; k++)
    for (int side = 0; side < NR; side += VEC) {
      const int i0 = panel * NR + side;
      transform_filters_global(w + (size_t)i0 * rs + (size_t)k * ks, stop,
                               u + ((size_t)panel * k_all + k) * NR + side, step,
                               min(VEC, m - i0), rs, flip);
    }
}

/* ---- forward and input gradient ---- */

/* TILE_OF_TILES defines a function: t[N][NR] becomes FROM(t) plus the first N tiles of v at a
 * position, blocks of channels `block` floats apart, times k rows of a panel of filters. */
#define TILE_OF_TILES(NAME, N, V_SPACE, U_SPACE, FROM)                                             \
  static void NAME(V_SPACE const float *restrict v, int block, U_SPACE const float *restrict u,    \
                   int k, local float *restrict t) {                                               \
    floatv c[N], d[N];                                                                             \
    for (int r = 0; r < N; r++) c[r] = FROM(t + r * NR), d[r] = FROM(t + r * NR + VEC);            \
    for (; k > 0; k -= KB, v += block, u += KB * NR)                                               \
      for (size_t e = 0, n = min(k, KB); e < n; e++) {                                             \
        const floatv u0 = *(U_SPACE const floatu *)(u + e * NR);                                   \
        const floatv u1 = *(U_SPACE const floatu *)(u + e * NR + VEC);                             \
        PREFETCH(u + (e + 8) * NR);                                                                \
        PREFETCH(u + (e + 8) * NR + VEC);                                                          \
        _Pragma("unroll") for (int r = 0; r < N; r++) {                                            \
          const floatv a = (floatv)(v[r * KB + e]);                                                \
          c[r] = fma(a, u0, c[r]);                                                                 \
          d[r] = fma(a, u1, d[r]);                                                                 \
        }                                                                                          \
      }                                                                                            \
    for (int r = 0; r < N; r++) LSTORE(c[r], t + r * NR), LSTORE(d[r], t + r * NR + VEC);          \
  }
TILE_OF_TILES(tiles_large, MR, local, global, ZERO)
TILE_OF_TILES(tiles_medium, ROWS_MEDIUM, local, global, ZERO)
TILE_OF_TILES(tiles_small, ROWS_SMALL, local, global, ZERO)
TILE_OF_TILES(panel_large, MR, global, local, LLOAD)
TILE_OF_TILES(panel_medium, ROWS_MEDIUM, global, local, LLOAD)
TILE_OF_TILES(panel_small, ROWS_SMALL, global, local, LLOAD)

/* Tiles whose outputs are stored together, two vectors a row of outputs side by side. */
#define SIDE (2 * VEC / OUTS)
#define OUT  (OUTS * SIDE)

/* Neighbouring tiles of a row, `n` outputs wide: from output `from` of the group's first row of
 * outputs on, to `at` in a plane of y, `rows` rows. */
typedef struct run {
  int from, at, n, rows;
} run;

/* The runs of `count` <= SIDE tiles from j0 on, and how many. */
static int find_runs(run *restrict runs, int j0, int count, const winograd_tiles s) {
  tile_at t = find_tile(j0, s);
  int n = 0;
  for (int l = 0, tiles; l < count; l += tiles, n++) {
    tiles = min(count - l, s.tw - t.x);
    runs[n] = (run) { OUTS * l, (t.n * s.m * s.oh + OUTS * t.y) * s.ow + OUTS * t.x,
                      min(OUTS * tiles, s.ow - OUTS * t.x), min(OUTS, s.oh - OUTS * t.y) };
    t.x = 0;
    if (++t.y == s.th) t.y = 0, t.n++;
  }
  return n;
}

/* Copies n <= 2*VEC floats: the last vector of each width ends where they end. */
static void copy_run(const float *restrict from, global float *restrict to, int n) {
#if VEC == 16
  if (n >= 16) {
    vstore16(vload16(0, from), 0, to);
    vstore16(vload16(0, from + n - 16), 0, to + n - 16);
  } else
#endif
  if (n >= 8) {
    vstore8(vload8(0, from), 0, to);
    vstore8(vload8(0, from + n - 8), 0, to + n - 8);
  } else if (n >= 4) {
    vstore4(vload4(0, from), 0, to);
    vstore4(vload4(0, from + n - 4), 0, to + n - 4);
  } else {
    for (int i = 0; i < n; i++) to[i] = from[i];
  }
}

/* At m A of VEC filters of `count` tiles, plus a bias a filter, activated, to out[row][OUT][VEC].
 * t: the sums at position 0, positions `step` apart. */
static void transform_outputs(local const float *restrict t, int step, float *restrict out,
                              floatv bias, int count, int act, float slope) {
  for (int l = 0; l < count; l++, t += NR, out += OUTS * VEC) {
    TRANSFORM_BOTH(
        SPAN, OUTS, transform_output, LLOAD(t + (r * SPAN + b) * step),
        UNROLL for (int b = 0; b < OUTS; b++) {
          to[b] += bias;
          if (act) to[b] = activate(to[b], act, slope);
          PSTORE(to[b], out + (r * OUT + b) * VEC);
        })
  }
}

/* out[row][OUT][VEC] -> planes[filter][row][OUT]. */
static void transpose_outputs(const float *restrict out, float *restrict planes) {
  for (int p = 0; p < OUTS * OUT; p += VEC) {
#define LOAD_ROW(l) floatv v##l = PLOAD(out + (p + l) * VEC), w##l;
    ROWS_ALL(LOAD_ROW)
    TRANSPOSE(v, w);
#define STORE_ROW(l) PSTORE(v##l, planes + l * OUTS * OUT + p);
    ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
  }
}

/* Epilogue: what is added to the outputs, and the function of the result. */
typedef struct epilogue {
  global const float *bias; /* NULL: none */
  int act;
  float slope;
} epilogue;

/* Outputs of a panel of filters, the first of which is i0, and of `count` tiles from j0 on; t: sums
 * of the first tile at position 0, tiles NR and positions `step` apart. */
static void store_outputs(local const float *restrict t, int step, global float *restrict y, int i0,
                          int j0, int count, const winograd_tiles s, const epilogue e) {
  float out[OUTS * OUT * VEC] __attribute__((aligned(128)));
  float planes[OUTS * OUT * VEC] __attribute__((aligned(128)));
  float b[NR] __attribute__((aligned(128)));
  run runs[SIDE];
  for (int i = 0; i < OUTS * OUT * VEC; i++) out[i] = 0.0f;
  for (int r = 0; r < NR; r++) b[r] = e.bias && i0 + r < s.m ? e.bias[i0 + r] : 0.0f;
  for (int j = 0; j < count; j += SIDE, t += SIDE * NR) {
    const int tiles = min(SIDE, count - j), n_runs = find_runs(runs, j0 + j, tiles, s);
    for (int side = 0; side < NR && i0 + side < s.m; side += VEC) {
      const int filters = min(VEC, s.m - i0 - side);
      transform_outputs(t + side, step, out, PLOAD(b + side), tiles, e.act, e.slope);
      transpose_outputs(out, planes);
      for (int f = 0; f < filters; f++) {
        global float *plane = y + (size_t)(i0 + side + f) * s.oh * s.ow;
        for (int r = 0; r < n_runs; r++)
          for (int q = 0; q < runs[r].rows; q++)
            copy_run(planes + (f * OUTS + q) * OUT + runs[r].from, plane + runs[r].at + q * s.ow,
                     runs[r].n);
      }
    }
  }
}

/* y = convolution of x with the transformed filters u, plus a bias a filter (bias_kind 2),
 * activated. Groups: 0 `block` tiles. room: local memory of POSITIONS * (block * (channels, rounded
 * up to KB, + NR) + 2*VEC) floats. */
kernel ONE_ITEM void winograd(global const float *restrict u, global const float *restrict x,
                              global float *restrict y, global const float *restrict bias,
                              local float *room, const winograd_tiles s, int block, int bias_kind,
                              int act, float slope) {
  const epilogue e = { bias_kind ? bias : 0, act, slope };
  const int begin = get_group_id(0) * block, count = min(block, s.tiles - begin);
  const int step = (s.channels + KB - 1) / KB * KB * block + VEC, panels = (s.m + NR - 1) / NR;
  const int step_t = block * NR + VEC;
  const size_t filters_step = (size_t)panels * s.channels * NR + VEC;
  local float *v = room, *t = room + POSITIONS * step;
  for (int c = 0; c < s.channels; c += VEC)
    transform_tiles(x + c, v + c / KB * KB * block + c % KB, step, KB, begin, count, s);

  for (int i0 = 0; i0 < s.m; i0 += NR) {
    for (int p = 0; p < POSITIONS; p++) {
      global const float *b = u + p * filters_step + (size_t)i0 * s.channels;
      for (int j = 0; j < count; j += MR) {
        local const float *a = v + p * step + j * KB;
        local float *to = t + p * step_t + j * NR;
        if (count - j > ROWS_MEDIUM) tiles_large(a, KB * block, b, s.channels, to);
        else if (count - j > ROWS_SMALL) tiles_medium(a, KB * block, b, s.channels, to);
        else tiles_small(a, KB * block, b, s.channels, to);
      }
    }
    store_outputs(t, step_t, y, i0, begin, count, s, e);
  }
}

/* The same from transformed inputs v, where filters are many and tiles few: filters are transformed
 * in passing. Groups: 0 panels of filters, 1 `block` tiles. room: local memory of
 * POSITIONS * ((KC + block) * NR + 2*VEC) floats. */
kernel ONE_ITEM void winograd_panel(global const float *restrict w, global const float *restrict v,
                                    global float *restrict y, global const float *restrict bias,
                                    local float *room, const winograd_tiles s,
                                    const winograd_filters f, int block, int bias_kind, int act,
                                    float slope) {
  const epilogue e = { bias_kind ? bias : 0, act, slope };
  const int i0 = get_group_id(0) * NR;
  const int begin = get_group_id(1) * block, count = min(block, s.tiles - begin);
  const int step = (s.channels + KB - 1) / KB * KB * s.tiles + VEC;
  const int step_u = KC * NR + VEC, step_t = block * NR + VEC;
  global const float *stop = w + (size_t)s.m * s.channels * 9;
  local float *u = room, *t = room + POSITIONS * step_u;
  clear(t, POSITIONS * step_t);
  for (int c = 0; c < s.channels; c += KC) {
    const int n = min(KC, s.channels - c);
    for (int side = 0; side < NR; side += VEC)
      for (int k = 0; k < n; k++)
        transform_filters(w + (size_t)(i0 + side) * f.rs + (size_t)(c + k) * f.ks, stop,
                          u + k * NR + side, step_u, min(VEC, s.m - i0 - side), f.rs, f.flip);
    for (int p = 0; p < POSITIONS; p++) {
      global const float *a = v + p * step + c / KB * KB * s.tiles + begin * KB + c % KB;
      local const float *b = u + p * step_u;
      local float *to = t + p * step_t;
      for (int j = 0; j < count; j += MR, a += MR * KB, to += MR * NR) {
        if (count - j > ROWS_MEDIUM) panel_large(a, 0, b, n, to);
        else if (count - j > ROWS_SMALL) panel_medium(a, 0, b, n, to);
        else panel_small(a, 0, b, n, to);
      }
    }
  }
  store_outputs(t, step_t, y, i0, begin, count, s, e);
}

/* ---- filter gradient ---- */

/* Blocks of winograd_filter_grad in local memory, [position][...] with a vector more a position:
 * inputs v [panel][KT][NR], gradients u [panel][KT][VEC] and sums [panel of filters][panel of
 * channels][MR][NR]. */
typedef struct grad_room {
  local float *v, *u, *sums;
  int step_v, step_u, step_s; /* from position to position */
} grad_room;

static grad_room room_of(local float *room, const winograd_blocks b) {
  grad_room r = { .step_v = b.panels_c * KT * NR + VEC,
                  .step_u = b.panels_o * KT * VEC + VEC,
                  .step_s = b.panels_o * b.panels_c * MR * NR + VEC };
  r.v = room, r.u = r.v + POSITIONS * r.step_v, r.sums = r.u + POSITIONS * r.step_u;
  return r;
}

/* Pack: A e At of tile t, e being its output gradients, for MR filters from the o-th on. */
static void pack_gradient(global const float *restrict gy, int o, local float *restrict u, int step,
                          const tile_at t, int yl, const winograd_tiles s) {
  const int rows = s.oh - OUTS * t.y, columns = s.ow - OUTS * t.x; /* that are left */
  global const float *zeros = gy + (size_t)(s.tiles / (s.th * s.tw)) * s.oh * s.ow * yl;
  global const float *from = gy + ((size_t)(t.n * s.oh + OUTS * t.y) * s.ow + OUTS * t.x) * yl + o;
  floatv a[OUTS][SPAN]; /* A e, [column][row] */
  UNROLL for (int b = 0; b < OUTS; b++) {
    floatv e[OUTS];
    UNROLL for (int r = 0; r < OUTS; r++) {
      e[r] = GLOAD(r < rows && b < columns ? from + (r * s.ow + b) * yl : zeros);
      PREFETCH(from + (r * s.ow + b + 8) * yl);
    }
    transform_gradient(e, a[b]);
  }
  UNROLL for (int r = 0; r < SPAN; r++) {
    floatv e[OUTS], to[SPAN];
    UNROLL for (int b = 0; b < OUTS; b++) e[b] = a[b][r];
    transform_gradient(e, to);
    UNROLL for (int b = 0; b < SPAN; b++) LSTORE(to[b], u + (r * SPAN + b) * step);
  }
}

/* Multiply: kt tiles of the work-item's filters and channels onto the sums. */
static void multiply_tiles(const grad_room r, int kt, int filters, int panels_c, int block_c) {
  for (int e = 0; e < POSITIONS; e++) {
    for (int q = 0; q < panels_c; q++) {
      local const float *b = r.v + e * r.step_v + q * KT * NR;
      for (int o = 0; o < filters; o += MR) {
        local const float *a = r.u + e * r.step_u + o / MR * KT * VEC;
        local float *to = r.sums + e * r.step_s + (o / MR * block_c + q) * MR * NR;
        const int rows = filters - o;
        if (rows > ROWS_MEDIUM) more_large(a, VEC, b, kt, to);
        else if (rows > ROWS_SMALL) more_medium(a, VEC, b, kt, to);
        else more_small(a, VEC, b, kt, to);
      }
    }
  }
}

/* Store: Gt m G of VEC channels of a filter, taps xl apart. */
static void store_filter(local const float *restrict sums, global float *restrict part, int step,
                         int xl) {
  TRANSFORM_BOTH(SPAN, 3, transform_sums, LLOAD(sums + (r * SPAN + b) * step),
                 UNROLL for (int b = 0; b < 3; b++) GSTORE(to[b], part + (3 * r + b) * xl))
}

/* The filter gradient, the adjoint of the above in g:
 *   Gt ( sum over the tiles of (A e At) * (Bt d B) ) G
 * Groups: 0 `share` tiles, of which KT are transformed at a time; 1 panels_o panels of MR filters,
 * 2 panels_c panels of NR channels. x has s.cl floats a pixel, gy (N,oh,ow,yl) is channels-last
 * too; part[group 0][filter][3*3][cl]. room: local memory of POSITIONS * (panels_c*NR*KT +
 * panels_o*VEC*KT + panels_o*MR*panels_c*NR + 3*VEC) floats. */
kernel ONE_ITEM void winograd_filter_grad(global const float *restrict x,
                                          global const float *restrict gy,
                                          global float *restrict part, local float *restrict room,
                                          const winograd_tiles s, const winograd_blocks b) {
  const int begin = get_group_id(0) * b.share, end = min(s.tiles, begin + b.share);
  const int o_begin = get_group_id(1) * b.panels_o * MR;
  const int c_begin = get_group_id(2) * b.panels_c * NR;
  const int filters = min(b.panels_o * MR, s.m - o_begin);
  const int vectors = min(2 * b.panels_c, (s.cl - c_begin) / VEC), panels = (vectors + 1) / 2;
  const grad_room r = room_of(room, b);
  clear(r.sums, POSITIONS * r.step_s);
  if (vectors & 1) /* half a panel */
    for (int e = 0; e < POSITIONS; e++)
      for (int k = 0; k < KT; k++)
        LSTORE((floatv)(0.0f), r.v + e * r.step_v + ((panels - 1) * KT + k) * NR + VEC);

  tile_at t = find_tile(begin, s);
  for (int t0 = begin; t0 < end; t0 += KT) {
    const int kt = min(KT, end - t0);
    for (int i = 0; i < vectors; i++)
      transform_tiles(x + c_begin + i * VEC, r.v + i / 2 * KT * NR + (i & 1) * VEC, r.step_v, NR,
                      t0, kt, s);
    for (int k = 0; k < kt; k++, t = next_tile(t, s))
      for (int o = 0; o < filters; o += MR)
        pack_gradient(gy, o_begin + o, r.u + (o / MR * KT + k) * VEC, r.step_u, t, b.yl, s);
    multiply_tiles(r, kt, filters, panels, b.panels_c);
  }

  part += ((size_t)get_group_id(0) * s.m + o_begin) * 9 * s.cl + c_begin;
  for (int o = 0; o < filters; o++, part += 9 * s.cl)
    for (int i = 0; i < vectors; i++)
      store_filter(r.sums + ((o / MR * b.panels_c + i / 2) * MR + o % MR) * NR + (i & 1) * VEC,
                   part + i * VEC, r.step_s, s.cl);
}
