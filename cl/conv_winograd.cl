/* conv_winograd.cl: 3x3 convolutions (stride and dilation 1) by minimal filtering, one work-item at
 * a time: Winograd's F(2x2, 3x3) (Lavin and Gray 2016).
 *
 * A tile of 2x2 outputs from 4x4 inputs d and a 3x3 filter g is
 *   At ((G g Gt) * (Bt d B)) A
 * with an elementwise product, summed over the channels: 16 GEMMs, one a position.
 *
 * Buffers (f32; args.h has the fields; MR, NR and vectors as in packed.cl):
 *   w   filters: element (i,k) of A is the 3x3 at i*rs + k*ks, read backwards when flip is 1
 *   u   transformed filters [position][panel][k][VEC], panels of MR filters
 *   x   images, channels-last (N,h,w,cl); tile (n,ty,tx) begins at row 2*ty + h0, column 2*tx + w0
 *   y   (N,m,oh,ow)
 *
 * Tunables:
 *   VEC  floats in a vector: 16 or 8
 *   KT   tiles that winograd_filter_grad transforms at a time
 */
#ifndef KT
#define KT 32
#endif

#include "args.h"
#include "packed.cl"

TILES
TILE(more_large, MR, local, local, LLOAD, VEC)
TILE(more_medium, ROWS_MEDIUM, local, local, LLOAD, VEC)
TILE(more_small, ROWS_SMALL, local, local, LLOAD, VEC)

/* A tile: image, row and column of tiles. */
typedef struct tile_at {
  int n, y, x;
} tile_at;

static tile_at find_tile(int j, const winograd_tiles s) {
  const int n = j / (s.th * s.tw), y = (j - n * s.th * s.tw) / s.tw;
  return (tile_at) { n, y, j - n * s.th * s.tw - y * s.tw };
}

static tile_at next_tile(tile_at t, const winograd_tiles s) {
  if (++t.x == s.tw) {
    t.x = 0;
    if (++t.y == s.th) t.y = 0, t.n++;
  }
  return t;
}

/* Load: the 4x4 inputs d under tile t, zeros outside; x from the vector's first channel on, cl
 * floats a pixel. */
static void load_tile(global const float *restrict x, floatv d[16], const tile_at t, int cl,
                      const winograd_tiles s) {
  for (int a = 0; a < 4; a++)
    for (int b = 0; b < 4; b++) {
      const int y = 2 * t.y + s.h0 + a, z = 2 * t.x + s.w0 + b;
      d[4 * a + b] = (floatv)(0.0f);
      if (y >= 0 && y < s.h && z >= 0 && z < s.w)
        d[4 * a + b] = GLOAD(x + ((size_t)(t.n * s.h + y) * s.w + z) * cl);
    }
}

/* Bt d B in place. */
static void transform_input(floatv d[16]) {
  for (int b = 0; b < 4; b++) {
    const floatv d0 = d[b], d1 = d[4 + b], d2 = d[8 + b], d3 = d[12 + b];
    d[b] = d0 - d2, d[4 + b] = d1 + d2, d[8 + b] = d2 - d1, d[12 + b] = d1 - d3;
  }
  for (int a = 0; a < 16; a += 4) {
    const floatv d0 = d[a], d1 = d[a + 1], d2 = d[a + 2], d3 = d[a + 3];
    d[a] = d0 - d2, d[a + 1] = d1 + d2, d[a + 2] = d2 - d1, d[a + 3] = d1 - d3;
  }
}

/* G g Gt of the filters of a panel. Groups: 0 panels, 1 `chunk` values of k. */
kernel ONE_ITEM void winograd_filter(global const float *restrict w, global float *restrict u,
                                     int m, int k_all, int chunk, int rs, int ks, int flip) {
  const int panel = get_group_id(0), panels = get_num_groups(0);
  const int i0 = panel * MR, rows = min(MR, m - i0);
  const int begin = get_group_id(1) * chunk, end = min(k_all, begin + chunk);
  float g[9 * VEC] __attribute__((aligned(64)));
  for (int e = 0; e < 9 * VEC; e++) g[e] = 0.0f;
  for (int k = begin; k < end; k++) {
    for (int r = 0; r < rows; r++) {
      global const float *s = w + (size_t)(i0 + r) * rs + (size_t)k * ks;
      for (int t = 0; t < 9; t++) g[t * VEC + r] = s[flip ? 8 - t : t];
    }
    floatv a[12]; /* G g, 4 x 3 */
    for (int x = 0; x < 3; x++) {
      const floatv g0 = PLOAD(g + x * VEC), g1 = PLOAD(g + (3 + x) * VEC);
      const floatv g2 = PLOAD(g + (6 + x) * VEC);
      a[x] = g0;
      a[3 + x] = 0.5f * (g0 + g1 + g2);
      a[6 + x] = 0.5f * (g0 - g1 + g2);
      a[9 + x] = g2;
    }
    for (int y = 0; y < 4; y++) {
      const floatv g0 = a[3 * y], g1 = a[3 * y + 1], g2 = a[3 * y + 2];
      global float *to = u + (((size_t)(4 * y) * panels + panel) * k_all + k) * VEC;
      const size_t step = (size_t)panels * k_all * VEC;
      GSTORE(g0, to);
      GSTORE(0.5f * (g0 + g1 + g2), to + step);
      GSTORE(0.5f * (g0 - g1 + g2), to + 2 * step);
      GSTORE(g2, to + 3 * step);
    }
  }
}

/* ---- forward and input gradient ---- */

/* Pack: transformed inputs of VEC tiles from j0, all channels, to v[position][channel][NR],
 * positions `step` floats apart. */
static void pack_tiles(global const float *restrict x, local float *restrict v, int step, int j0,
                       const winograd_tiles s) {
  float room[16 * VEC * VEC] __attribute__((aligned(64)));
  for (int c = 0; c < s.channels; c += VEC) {
    tile_at t = find_tile(j0, s);
    for (int l = 0; l < VEC; l++, t = next_tile(t, s)) {
      floatv d[16];
      if (j0 + l < s.tiles) {
        load_tile(x + c, d, t, s.cl, s);
      } else {
        for (int p = 0; p < 16; p++) d[p] = (floatv)(0.0f);
      }
      transform_input(d);
      for (int p = 0; p < 16; p++) PSTORE(d[p], room + (p * VEC + l) * VEC);
    }
    const int left = s.channels - c;
    for (int p = 0; p < 16; p++) {
      const float *from = room + p * VEC * VEC;
      local float *to = v + p * step + c * NR;
#define LOAD_ROW(l) floatv v##l = PLOAD(from + l * VEC), w##l;
      ROWS_ALL(LOAD_ROW)
      TRANSPOSE(v, w);
#define STORE_ROW(l)                                                                               \
  if (l < left) LSTORE(v##l, to + l * NR);
      ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
    }
  }
}

/* Multiply: the tile of MR filters by NR tiles of every position, t[position][MR][NR]. */
static void multiply(global const float *restrict u, local const float *restrict v,
                     float *restrict t, int p, int rows, int step, const winograd_tiles s) {
  const int panels = (s.m + MR - 1) / MR;
  for (int e = 0; e < 16; e++) {
    global const float *a = u + ((size_t)e * panels + p) * s.channels * VEC;
    float *to = t + e * MR * NR;
    if (rows > ROWS_MEDIUM) tile_large(a, VEC, v + e * step, s.channels, to);
    else if (rows > ROWS_SMALL) tile_medium(a, VEC, v + e * step, s.channels, to);
    else tile_small(a, VEC, v + e * step, s.channels, to);
  }
}

/* Where outputs of NR tiles go in a plane of y, and their edges: 1 no second column, 2 no second
 * row. */
typedef struct outputs {
  int at[NR], edge[NR];
} outputs;

static void find_outputs(outputs *restrict o, int j0, int count, const winograd_tiles s) {
  tile_at t = find_tile(j0, s);
  for (int l = 0; l < count; l++, t = next_tile(t, s)) {
    o->at[l] = (t.n * s.m * s.oh + 2 * t.y) * s.ow + 2 * t.x;
    o->edge[l] = (2 * t.x + 1 >= s.ow) | (2 * t.y + 1 >= s.oh) << 1;
  }
}

/* At m A of VEC tiles, with bias and activation: out[row of outputs][2*VEC]. t: the filter's sums
 * at position 0. */
static void transform_output(const float *restrict t, float *restrict out, float bias, int act,
                             float slope) {
  floatv s[8]; /* At m, 2 x 4 */
  for (int b = 0; b < 4; b++) {
    const float *from = t + b * MR * NR;
    const floatv m1 = PLOAD(from + 4 * MR * NR), m2 = PLOAD(from + 8 * MR * NR);
    s[b] = PLOAD(from) + m1 + m2;
    s[4 + b] = m1 - m2 - PLOAD(from + 12 * MR * NR);
  }
  for (int a = 0; a < 2; a++) {
    floatv o0 = s[4 * a] + s[4 * a + 1] + s[4 * a + 2] + bias;
    floatv o1 = s[4 * a + 1] - s[4 * a + 2] - s[4 * a + 3] + bias;
    if (act) o0 = activate(o0, act, slope), o1 = activate(o1, act, slope);
    PSTORE(ZIP_LO(o0, o1), out + 2 * a * VEC);
    PSTORE(ZIP_HI(o0, o1), out + (2 * a + 1) * VEC);
  }
}

/* Store: the outputs of `count` tiles to a plane of y. */
static void store_outputs(const float *restrict out, global float *restrict y,
                          const int *restrict at, const int *restrict edge, int count, int ow) {
  for (int l = 0; l < count; l++) {
    global float *to = y + at[l];
    if (edge[l] == 0) {
      vstore2(vload2(l, out), 0, to);
      vstore2(vload2(l, out + 2 * VEC), 0, to + ow);
    } else {
      to[0] = out[2 * l];
      if (!(edge[l] & 1)) to[1] = out[2 * l + 1];
      if (!(edge[l] & 2)) to[ow] = out[2 * VEC + 2 * l];
    }
  }
}

/* y = convolution of x with the transformed filters u, plus a bias a filter (bias_kind 2),
 * activated. Groups: 0 panels_n runs of NR tiles. v: local memory of 16*panels_n*channels*NR
 * floats. */
kernel ONE_ITEM void winograd(global const float *restrict u, global const float *restrict x,
                              global float *restrict y, global const float *restrict bias,
                              local float *v, const winograd_tiles s, int panels_n, int bias_kind,
                              int act, float slope) {
  float t[16 * MR * NR] __attribute__((aligned(128)));
  float out[4 * VEC] __attribute__((aligned(64)));
  const int begin = get_group_id(0) * panels_n * NR, step = panels_n * s.channels * NR;
  const int runs = min(panels_n, (s.tiles - begin + NR - 1) / NR);
  for (int jp = 0; jp < runs; jp++)
    for (int side = 0; side < NR; side += VEC)
      pack_tiles(x, v + jp * s.channels * NR + side, step, begin + jp * NR + side, s);

  for (int i0 = 0; i0 < s.m; i0 += MR) {
    const int rows = min(MR, s.m - i0);
    for (int jp = 0; jp < runs; jp++) {
      const int j0 = begin + jp * NR, count = min(NR, s.tiles - j0);
      outputs o;
      multiply(u, v + jp * s.channels * NR, t, i0 / MR, rows, step, s);
      find_outputs(&o, j0, count, s);
      for (int r = 0; r < rows; r++) {
        const float offset = bias_kind ? bias[i0 + r] : 0.0f;
        for (int side = 0; side < NR; side += VEC) {
          transform_output(t + r * NR + side, out, offset, act, slope);
          store_outputs(out, y + (size_t)(i0 + r) * s.oh * s.ow, o.at + side, o.edge + side,
                        min(VEC, count - side), s.ow);
        }
      }
    }
  }
}

/* ---- filter gradient ---- */

/* Blocks of winograd_filter_grad in local memory, [position][...]: inputs v [panel][KT][NR],
 * gradients u [panel][KT][VEC] and sums [panel of filters][panel of channels][MR][NR]. */
typedef struct grad_room {
  local float *v, *u, *sums;
  int step_v, step_u, step_s; /* from position to position */
} grad_room;

static grad_room room_of(local float *room, const winograd_blocks b) {
  grad_room r = { .step_v = b.panels_c * KT * NR,
                  .step_u = b.panels_o * KT * VEC,
                  .step_s = b.panels_o * b.panels_c * MR * NR };
  r.v = room, r.u = r.v + 16 * r.step_v, r.sums = r.u + 16 * r.step_u;
  return r;
}

/* Pack: A e At of tile t, e being its 2x2 output gradients, for MR filters; gy from the first. */
static void pack_gradient(global const float *restrict gy, local float *restrict u, int step,
                          const tile_at t, int yl, const winograd_tiles s) {
  const int right = 2 * t.x + 1 < s.ow, below = 2 * t.y + 1 < s.oh;
  const floatv none = (floatv)(0.0f);
  global const float *from = gy + ((size_t)(t.n * s.oh + 2 * t.y) * s.ow + 2 * t.x) * yl;
  const floatv e0 = GLOAD(from), e1 = right ? GLOAD(from + yl) : none;
  const floatv f0 = below ? GLOAD(from + s.ow * yl) : none;
  const floatv f1 = right && below ? GLOAD(from + (s.ow + 1) * yl) : none;
  const floatv a[8] = { e0, e1, e0 + f0, e1 + f1, e0 - f0, e1 - f1, -f0, -f1 }; /* A e, 4 x 2 */
  for (int r = 0; r < 4; r++) {
    LSTORE(a[2 * r], u + (4 * r) * step);
    LSTORE(a[2 * r] + a[2 * r + 1], u + (4 * r + 1) * step);
    LSTORE(a[2 * r] - a[2 * r + 1], u + (4 * r + 2) * step);
    LSTORE(-a[2 * r + 1], u + (4 * r + 3) * step);
  }
}

/* Multiply: kt tiles of the work-item's filters and channels onto the sums. */
static void multiply_tiles(const grad_room r, int kt, int filters, int panels_c, int block_c) {
  for (int e = 0; e < 16; e++) {
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
  floatv s[12]; /* Gt m, 3 x 4 */
  for (int b = 0; b < 4; b++) {
    const floatv m1 = LLOAD(sums + (4 + b) * step), m2 = LLOAD(sums + (8 + b) * step);
    s[b] = LLOAD(sums + b * step) + 0.5f * (m1 + m2);
    s[4 + b] = 0.5f * (m1 - m2);
    s[8 + b] = 0.5f * (m1 + m2) + LLOAD(sums + (12 + b) * step);
  }
  for (int a = 0; a < 3; a++) {
    const floatv m1 = s[4 * a + 1], m2 = s[4 * a + 2];
    GSTORE(s[4 * a] + 0.5f * (m1 + m2), part + (3 * a) * xl);
    GSTORE(0.5f * (m1 - m2), part + (3 * a + 1) * xl);
    GSTORE(0.5f * (m1 + m2) + s[4 * a + 3], part + (3 * a + 2) * xl);
  }
}

/* The filter gradient, the adjoint of the above in g:
 *   Gt ( sum over the tiles of (A e At) * (Bt d B) ) G
 * Groups: 0 `share` tiles, of which KT are transformed at a time; 1 panels_o panels of MR filters,
 * 2 panels_c panels of NR channels. x has s.cl floats a pixel, gy (N,oh,ow,yl) is channels-last
 * too; part[group 0][filter][3*3][cl]. room: local memory of 16*(panels_c*NR*KT + panels_o*VEC*KT +
 * panels_o*MR*panels_c*NR) floats. */
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
  clear(r.sums, 16 * r.step_s);
  if (vectors & 1) /* half a panel */
    for (int e = 0; e < 16; e++)
      for (int k = 0; k < KT; k++)
        LSTORE((floatv)(0.0f), r.v + e * r.step_v + ((panels - 1) * KT + k) * NR + VEC);

  tile_at t = find_tile(begin, s);
  for (int t0 = begin; t0 < end; t0 += KT) {
    const int kt = min(KT, end - t0);
    for (int k = 0; k < kt; k++, t = next_tile(t, s)) {
      for (int i = 0; i < vectors; i++) {
        local float *to = r.v + ((i / 2) * KT + k) * NR + (i & 1) * VEC;
        floatv d[16];
        load_tile(x + c_begin + i * VEC, d, t, s.cl, s);
        transform_input(d);
        for (int e = 0; e < 16; e++) LSTORE(d[e], to + e * r.step_v);
      }
      for (int o = 0; o < filters; o += MR)
        pack_gradient(gy + o_begin + o, r.u + (o / MR * KT + k) * VEC, r.step_u, t, b.yl, s);
    }
    multiply_tiles(r, kt, filters, panels, b.panels_c);
  }

  part += ((size_t)get_group_id(0) * s.m + o_begin) * 9 * s.cl + c_begin;
  for (int o = 0; o < filters; o++, part += 9 * s.cl)
    for (int i = 0; i < vectors; i++)
      store_filter(r.sums + ((o / MR * b.panels_c + i / 2) * MR + o % MR) * NR + (i & 1) * VEC,
                   part + i * VEC, r.step_s, s.cl);
}
