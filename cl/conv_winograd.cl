/* conv_winograd.cl: 3x3 convolutions (stride and dilation 1) by minimal filtering, one work-item at
 * a time: Winograd's F(2x2, 3x3) (Lavin and Gray 2016).
 *
 * A tile of 2x2 outputs from 4x4 inputs d and a 3x3 filter g is
 *   At ((G g Gt) * (Bt d B)) A
 * with an elementwise product, summed over the channels: 16 GEMMs, one a position.
 *
 * Buffers (f32; args.h has the fields; MR, NR and vectors as in packed.cl):
 *   w   filters: element (i,k) is the 3x3 at i*rs + k*ks, read backwards when flip is 1
 *   u   transformed filters [position][panel][k][NR], panels of NR filters, and a vector more from
 *       position to position
 *   x   images, channels-last (N,h,w,cl), and one more pixel of zeros; tile (n,ty,tx) begins at row
 *       2*ty + h0, column 2*tx + w0
 *   y   (N,m,oh,ow)
 *
 * Tunables:
 *   VEC  floats in a vector: 16 or 8
 *   KT   tiles that winograd_filter_grad transforms at a time
 *   KB   channels of a tile that lie side by side for winograd
 */
#ifndef KT
#define KT 32
#endif
#ifndef KB
#define KB 64
#endif

#include "args.h"
#include "packed.cl"

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

/* Bt of column z of the four rows of pixels under a row of tiles; from: where those begin, or the
 * zeros behind the images for a row outside. */
static void transform_column(global const float *const *restrict from, global const float *zeros,
                             floatv c[4], int z, int cl, int w) {
  const int in = z >= 0 && z < w;
  const size_t at = in ? (size_t)z * cl : 0;
  const floatv d0 = GLOAD(in && from[0] != zeros ? from[0] + at : zeros),
               d1 = GLOAD(in && from[1] != zeros ? from[1] + at : zeros),
               d2 = GLOAD(in && from[2] != zeros ? from[2] + at : zeros),
               d3 = GLOAD(in && from[3] != zeros ? from[3] + at : zeros);
  for (int r = 0; r < 4; r++) PREFETCH(from[r] + at + 8 * cl);
  c[0] = d0 - d2, c[1] = d1 + d2, c[2] = d2 - d1, c[3] = d1 - d3;
}

/* Bt d B of VEC channels, which x begins with, of `count` tiles from j0 on: position e of tile l
 * goes to to[e*step + l*pitch]. Neighbours in a row share two of their four columns. */
static void transform_tiles(global const float *restrict x, local float *restrict to, int step,
                            int pitch, int j0, int count, const winograd_tiles s) {
  global const float *zeros = x + (size_t)(s.tiles / (s.th * s.tw)) * s.h * s.w * s.cl, *from[4];
  tile_at t = find_tile(j0, s);
  floatv a[4], b[4], c[4], d[4];
  for (int l = 0; l < count; l++, t = next_tile(t, s), to += pitch) {
    const int z = 2 * t.x + s.w0;
    if (l == 0 || t.x == 0) {
      for (int r = 0; r < 4; r++) {
        const int y = 2 * t.y + s.h0 + r;
        from[r] = y >= 0 && y < s.h ? x + (size_t)(t.n * s.h + y) * s.w * s.cl : zeros;
      }
      transform_column(from, zeros, a, z, s.cl, s.w);
      transform_column(from, zeros, b, z + 1, s.cl, s.w);
    } else {
      for (int r = 0; r < 4; r++) a[r] = c[r], b[r] = d[r];
    }
    transform_column(from, zeros, c, z + 2, s.cl, s.w);
    transform_column(from, zeros, d, z + 3, s.cl, s.w);
    for (int r = 0; r < 4; r++) {
      LSTORE(a[r] - c[r], to + (4 * r) * step);
      LSTORE(b[r] + c[r], to + (4 * r + 1) * step);
      LSTORE(c[r] - b[r], to + (4 * r + 2) * step);
      LSTORE(b[r] - d[r], to + (4 * r + 3) * step);
    }
  }
}

/* ---- forward and input gradient ---- */

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

/* G g Gt of the filters of a panel. Groups: 0 panels, 1 `chunk` values of k. */
kernel ONE_ITEM void winograd_filter(global const float *restrict w, global float *restrict u,
                                     int m, int k_all, int chunk, int rs, int ks, int flip) {
  const int panel = get_group_id(0);
  const int begin = get_group_id(1) * chunk, end = min(k_all, begin + chunk);
  const size_t step = (size_t)get_num_groups(0) * k_all * NR + VEC;
  global const float *stop = w + (size_t)m * k_all * 9;
  for (int k = begin; k < end; k++) {
    for (int side = 0; side < NR; side += VEC) {
      const int i0 = panel * NR + side, rows = min(VEC, m - i0);
      global float *to = u + ((size_t)panel * k_all + k) * NR + side;
      floatv g[9], a[12]; /* G g, 4 x 3 */
      for (int t = 0; t < 9; t++) g[t] = (floatv)(0.0f);
      if (rows > 0) load_filters(w + (size_t)i0 * rs + (size_t)k * ks, stop, g, rows, rs);
      for (int x = 0; x < 3; x++) {
        const floatv g0 = g[flip ? 8 - x : x], g1 = g[flip ? 5 - x : 3 + x];
        const floatv g2 = g[flip ? 2 - x : 6 + x];
        a[x] = g0;
        a[3 + x] = 0.5f * (g0 + g1 + g2);
        a[6 + x] = 0.5f * (g0 - g1 + g2);
        a[9 + x] = g2;
      }
      for (int y = 0; y < 4; y++, to += 4 * step) {
        const floatv g0 = a[3 * y], g1 = a[3 * y + 1], g2 = a[3 * y + 2];
        GSTORE(g0, to);
        GSTORE(0.5f * (g0 + g1 + g2), to + step);
        GSTORE(0.5f * (g0 - g1 + g2), to + 2 * step);
        GSTORE(g2, to + 3 * step);
      }
    }
  }
}

/* v is [position][block of KB channels][tile][KB]. One vector more from position to position: at
 * multiples of 4 KiB they would fall on the same lines of a cache.
 *
 * Multiply: t[N][NR] = the first N tiles of v at a position, blocks of channels `block` floats
 * apart, times k rows of a panel of filters. */
#define TILE_OF_TILES(NAME, N)                                                                     \
  static void NAME(local const float *restrict v, int block, global const float *restrict u,       \
                   int k, float *restrict t) {                                                     \
    floatv c[N], d[N];                                                                             \
    for (int r = 0; r < N; r++) c[r] = d[r] = (floatv)(0.0f);                                      \
    for (; k > 0; k -= KB, v += block, u += KB * NR)                                               \
      for (size_t e = 0, n = min(k, KB); e < n; e++) {                                             \
        const floatv u0 = GLOAD(u + e * NR), u1 = GLOAD(u + e * NR + VEC);                         \
        PREFETCH(u + (e + 8) * NR);                                                                \
        PREFETCH(u + (e + 8) * NR + VEC);                                                          \
        _Pragma("unroll") for (int r = 0; r < N; r++) {                                            \
          const floatv a = (floatv)(v[r * KB + e]);                                                \
          c[r] = fma(a, u0, c[r]);                                                                 \
          d[r] = fma(a, u1, d[r]);                                                                 \
        }                                                                                          \
      }                                                                                            \
    for (int r = 0; r < N; r++) PSTORE(c[r], t + r * NR), PSTORE(d[r], t + r * NR + VEC);          \
  }
TILE_OF_TILES(tiles_large, MR)
TILE_OF_TILES(tiles_medium, ROWS_MEDIUM)
TILE_OF_TILES(tiles_small, ROWS_SMALL)

/* Neighbouring tiles of a row, `n` outputs wide: from output `from` of the group's first row of
 * outputs on, to `at` in a plane of y; `below`: there is a second row. */
typedef struct run {
  int from, at, n, below;
} run;

/* The runs of `count` <= MR tiles from j0 on, and how many. */
static int find_runs(run *restrict runs, int j0, int count, const winograd_tiles s) {
  tile_at t = find_tile(j0, s);
  int n = 0;
  for (int l = 0, tiles; l < count; l += tiles, n++) {
    tiles = min(count - l, s.tw - t.x);
    runs[n] = (run) { 2 * l, (t.n * s.m * s.oh + 2 * t.y) * s.ow + 2 * t.x,
                      min(2 * tiles, s.ow - 2 * t.x), 2 * t.y + 1 < s.oh };
    t.x = 0;
    if (++t.y == s.th) t.y = 0, t.n++;
  }
  return n;
}

/* Copies n <= 2*MR floats: the last vector of each width ends where they end. */
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

/* Outputs of a group of tiles that lie side by side, in rows of vectors. */
#define OUT ((2 * MR + VEC - 1) / VEC * VEC)

/* At m A of VEC filters of `count` tiles, plus a bias a filter, activated, to out[row][OUT][VEC].
 * t: the sums at position 0, positions MR*NR apart. */
static void transform_outputs(const float *restrict t, float *restrict out, floatv bias, int count,
                              int act, float slope) {
  for (int l = 0; l < count; l++, t += NR, out += 2 * VEC) {
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
      PSTORE(o0, out + a * OUT * VEC);
      PSTORE(o1, out + a * OUT * VEC + VEC);
    }
  }
}

/* out[row][OUT][VEC] -> planes[filter][row][OUT]. */
static void transpose_outputs(const float *restrict out, float *restrict planes) {
  for (int p = 0; p < 2 * OUT; p += VEC) {
#define LOAD_ROW(l) floatv v##l = PLOAD(out + (p + l) * VEC), w##l;
    ROWS_ALL(LOAD_ROW)
    TRANSPOSE(v, w);
#define STORE_ROW(l) PSTORE(v##l, planes + l * 2 * OUT + p);
    ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
  }
}

/* y = convolution of x with the transformed filters u, plus a bias a filter (bias_kind 2),
 * activated. Groups: 0 `block` tiles, a multiple of MR. v: local memory of 16*block floats for
 * every channel, rounded up to KB, and 16 vectors. */
kernel ONE_ITEM void winograd(global const float *restrict u, global const float *restrict x,
                              global float *restrict y, global const float *restrict bias,
                              local float *v, const winograd_tiles s, int block, int bias_kind,
                              int act, float slope) {
  float t[16 * MR * NR] __attribute__((aligned(128)));
  float out[2 * OUT * VEC] __attribute__((aligned(128)));
  float planes[2 * OUT * VEC] __attribute__((aligned(128)));
  run runs[MR];
  const int begin = get_group_id(0) * block, count = min(block, s.tiles - begin);
  const int step = (s.channels + KB - 1) / KB * KB * block + VEC, panels = (s.m + NR - 1) / NR;
  const size_t filters_step = (size_t)panels * s.channels * NR + VEC;
  for (int e = 0; e < 2 * OUT * VEC; e++) out[e] = 0.0f;
  for (int c = 0; c < s.channels; c += VEC)
    transform_tiles(x + c, v + c / KB * KB * block + c % KB, step, KB, begin, count, s);

  for (int i0 = 0; i0 < s.m; i0 += NR) {
    floatv offset[2] = { (floatv)(0.0f), (floatv)(0.0f) };
    if (bias_kind) {
      float b[NR] __attribute__((aligned(128)));
      for (int r = 0; r < NR; r++) b[r] = i0 + r < s.m ? bias[i0 + r] : 0.0f;
      offset[0] = PLOAD(b), offset[1] = PLOAD(b + VEC);
    }
    for (int j = 0; j < count; j += MR) {
      const int tiles = min(MR, count - j), n_runs = find_runs(runs, begin + j, tiles, s);
      for (int e = 0; e < 16; e++) {
        global const float *b = u + e * filters_step + (size_t)i0 * s.channels;
        local const float *a = v + e * step + j * KB;
        if (tiles > ROWS_MEDIUM) tiles_large(a, KB * block, b, s.channels, t + e * MR * NR);
        else if (tiles > ROWS_SMALL) tiles_medium(a, KB * block, b, s.channels, t + e * MR * NR);
        else tiles_small(a, KB * block, b, s.channels, t + e * MR * NR);
      }
      for (int side = 0; side < NR && i0 + side < s.m; side += VEC) {
        const int filters = min(VEC, s.m - i0 - side);
        transform_outputs(t + side, out, offset[side / VEC], tiles, act, slope);
        transpose_outputs(out, planes);
        for (int f = 0; f < filters; f++) {
          global float *plane = y + (size_t)(i0 + side + f) * s.oh * s.ow;
          for (int r = 0; r < n_runs; r++) {
            const float *from = planes + f * 2 * OUT + runs[r].from;
            copy_run(from, plane + runs[r].at, runs[r].n);
            if (runs[r].below) copy_run(from + OUT, plane + runs[r].at + s.ow, runs[r].n);
          }
        }
      }
    }
  }
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
  for (int r = 0; r < 2; r++) {
    PREFETCH(from + (r * s.ow + 8) * yl);
    PREFETCH(from + (r * s.ow + 9) * yl);
  }
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
 * panels_o*MR*panels_c*NR + 3*VEC) floats. */
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
    for (int i = 0; i < vectors; i++)
      transform_tiles(x + c_begin + i * VEC, r.v + i / 2 * KT * NR + (i & 1) * VEC, r.step_v, NR,
                      t0, kt, s);
    for (int k = 0; k < kt; k++, t = next_tile(t, s))
      for (int o = 0; o < filters; o += MR)
        pack_gradient(gy + o_begin + o, r.u + (o / MR * KT + k) * VEC, r.step_u, t, b.yl, s);
    multiply_tiles(r, kt, filters, panels, b.panels_c);
  }

  part += ((size_t)get_group_id(0) * s.m + o_begin) * 9 * s.cl + c_begin;
  for (int o = 0; o < filters; o++, part += 9 * s.cl)
    for (int i = 0; i < vectors; i++)
      store_filter(r.sums + ((o / MR * b.panels_c + i / 2) * MR + o % MR) * NR + (i & 1) * VEC,
                   part + i * VEC, r.step_s, s.cl);
}
