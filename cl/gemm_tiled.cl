/* gemm_tiled.cl: tiled GEMM and implicit-GEMM convolution, for devices that run many work-items
 * at once.
 *
 *   C[i,j] = act( sum_k A[i,k] B[k,j] + bias )    i < m, j < n, k < k_all, for every z of a batch
 *
 * A work-group of GROUP x GROUP owns a square tile of C of 4*NV*GROUP rows and columns, each
 * work-item 4*NV x 4*NV of it: NV runs of 4 neighbours, a quarter tile apart when NV is 2. In turn,
 * TK values of k at a time:
 *   load      TK columns of A and TK rows of B to local memory, as[k][row] and bs[k][column]
 *   multiply  sums in registers
 * and at the end
 *   store     bias, activation, C. With split-K each part writes a C of its own, summed by
 *             gemm_reduce.cl.
 *
 * Buffers (f32, with HALF a and b f16; args.h has the fields):
 *   a     gemm_a
 *   b     by SOURCE: 0 a matrix, 1 taps under output pixels with k = (a,b,c), 2 the same
 *         transposed, k = (n,q,r), j = (c,a,b); patches are of x (N,C,H,W)
 *   c     gemm_c
 *   bias  a number a column or a row
 *
 * Tunables:
 *   GROUP   side of the work-group: 16 or 8
 *   NV      vectors of 4 a work-item has in each direction: 1 or 2
 *   TK      depth of a tile; local memory is 8*TK*(4*NV*GROUP + 4) bytes
 *   SOURCE  see above
 *   HALF    1: a and b are stored in half precision
 *   HALF_C  1: c is
 */
#include "args.h"

#ifndef GROUP
#define GROUP 16
#endif
#ifndef NV
#define NV 1
#endif
#ifndef TK
#define TK 16
#endif
#ifndef SOURCE
#define SOURCE 0
#endif

#define SIDE  (4 * NV * GROUP) /* of the tile */
#define PITCH (SIDE + 4)       /* keeps columns in different banks, rows aligned to 16 bytes */
#define ITEMS (GROUP * GROUP)

static int a_offset(int i, int k, const gemm_a g) {
  const int l0 = k / g.len;
  return i * g.rs + (l0 / g.tb) * g.sa + (l0 % g.tb) * g.sb + (k - l0 * g.len) * g.s1;
}

#if SOURCE != 0
/* Offset in x, row and column that an output pixel or a tap contributes: an element is at the sum
 * of both. */
static int4 pixel(int p, const patches g) {
  const int pixels = g.gq * g.gr, image = p / pixels, rest = p - image * pixels, q = rest / g.gr;
  const int ih = q * g.sh + g.h0, iw = (rest - q * g.gr) * g.sw + g.w0;
  return (int4)(image * g.image + ih * g.w + iw, ih, iw, 0);
}
static int4 tap(int k, const patches g) {
#if SOURCE == 1
  const int t = k / g.channels, c = k - t * g.channels;
#else
  const int taps = g.ta * g.tb, c = k / taps, t = k - c * taps;
#endif
  const int a = t / g.tb * g.dh, b = t % g.tb * g.dw;
  return (int4)(c * g.h * g.w + a * g.w + b, a, b, 0);
}
static float element(global const stored *restrict x, int4 p, int4 t, const patches g) {
  const int ih = p.y + t.y, iw = p.z + t.z;
  return ih >= 0 && ih < g.h && iw >= 0 && iw < g.w ? STORED(x, p.x + t.x) : 0.0f;
}
#endif

/* ---- phases of gemm_tiled: without restrict, whose scopes Oclgrind does not know ---- */

/* Load: rows i0.. of A, columns k0.. (before k_end). Neighbouring work-items read neighbouring
 * addresses, whichever index that is. */
static void load_a(global const stored *a, local float *as, int id, int i0, int k0,
                   int k_end, const gemm_sizes s, const gemm_a la) {
  const int by_k = la.s1 == 1;
  for (int e = id; e < SIDE * TK; e += ITEMS) {
    const int r = by_k ? e / TK : e % SIDE, k = by_k ? e % TK : e / SIDE;
    const int inside = i0 + r < s.m && k0 + k < k_end;
    as[k * PITCH + r] = inside ? STORED(a, a_offset(i0 + r, k0 + k, la)) : 0.0f;
  }
}

/* Load: columns j0.. of B, rows k0.. (before k_end). */
static void load_b(global const stored *b, local float *bs, int id, int j0, int k0,
                   int k_end, const gemm_sizes s, const gemm_b lb, const patches g) {
#if SOURCE == 0
  const int by_k = lb.cs != 1;
#else
  const int by_k = SOURCE == 2;
#endif
  for (int e = id; e < SIDE * TK; e += ITEMS) {
    const int col = by_k ? e / TK : e % SIDE, k = by_k ? e % TK : e / SIDE;
    float v = 0.0f;
    if (j0 + col < s.n && k0 + k < k_end) {
#if SOURCE == 0
      v = STORED(b, (size_t)(k0 + k) * lb.rs + (size_t)(j0 + col) * lb.cs);
#elif SOURCE == 1
      v = element(b, pixel(j0 + col, g), tap(k0 + k, g), g);
#else
      v = element(b, pixel(k0 + k, g), tap(j0 + col, g), g);
#endif
    }
    bs[k * PITCH + col] = v;
  }
}

/* Multiply: what is in local memory, onto the sums. */
static void multiply(local const float *as, local const float *bs, int tx, int ty,
                     float4 sum[4 * NV][NV]) {
  for (int k = 0; k < TK; k++) {
    float4 bv[NV];
#pragma unroll
    for (int v = 0; v < NV; v++)
      bv[v] = *(local const float4 *)(bs + k * PITCH + v * 4 * GROUP + tx * 4);
#pragma unroll
    for (int u = 0; u < NV; u++) {
      const float4 av = *(local const float4 *)(as + k * PITCH + u * 4 * GROUP + ty * 4);
#pragma unroll
      for (int v = 0; v < NV; v++) {
        sum[4 * u][v] = mad((float4)(av.x), bv[v], sum[4 * u][v]);
        sum[4 * u + 1][v] = mad((float4)(av.y), bv[v], sum[4 * u + 1][v]);
        sum[4 * u + 2][v] = mad((float4)(av.z), bv[v], sum[4 * u + 2][v]);
        sum[4 * u + 3][v] = mad((float4)(av.w), bv[v], sum[4 * u + 3][v]);
      }
    }
  }
}

/* Offset of column j in a row of C. */
static int column_at(int j, const gemm_c lc, const patches g) {
#if SOURCE == 1
  const int pixels = g.gq * g.gr, image = j / pixels, p = j - image * pixels, q = p / g.gr;
  return image * lc.yn + q * lc.yrow + (p - q * g.gr) * lc.ycol;
#else
  return j;
#endif
}

/* Store: column e of the v-th run of neighbours, with bias and activation. */
static void store_column(global result *c, global const float *bias, int i0, int j,
                         int at, int e, int v, int z, float4 sum[4 * NV][NV], const gemm_sizes s,
                         const gemm_c lc) {
#pragma unroll
  for (int r = 0; r < 4 * NV; r++) {
    const int i = i0 + (r / 4) * 4 * GROUP + r % 4;
    if (i >= s.m) continue;
    const float4 s4 = sum[r][v];
    float x = e == 0 ? s4.x : e == 1 ? s4.y : e == 2 ? s4.z : s4.w;
    if (lc.bias_kind) x += lc.bias_kind == 2 ? bias[z * s.m + i] : bias[j];
    if (lc.act) x = lcl_activate(x, lc.act, lc.slope);
    STORE(x, c, (size_t)i * lc.ldc + at);
  }
}

/* Groups: 0 tiles of columns, 1 tiles of rows, 2 z*splits + part of k. */
kernel __attribute__((reqd_work_group_size(GROUP, GROUP, 1))) void
gemm_tiled(global const stored *restrict a, global const stored *restrict b,
             global result *restrict c, global const float *restrict bias, const gemm_sizes s,
             const gemm_a la, const gemm_b lb, const gemm_c lc, const patches g) {
  local float as[TK * PITCH] __attribute__((aligned(16)));
  local float bs[TK * PITCH] __attribute__((aligned(16)));
  const int tx = get_local_id(0), ty = get_local_id(1), id = ty * GROUP + tx;
  const int i0 = get_group_id(1) * SIDE, j0 = get_group_id(0) * SIDE;
  const int z = get_group_id(2) / s.splits, part = get_group_id(2) - z * s.splits;
  const int k_begin = part * s.k_split, k_end = min(s.k, k_begin + s.k_split);
  a += la.base + z * la.batch;
  b += lb.base + (size_t)z * lb.batch;
  c += lc.base + (size_t)z * lc.batch + (size_t)part * lc.split;

  float4 sum[4 * NV][NV];
#pragma unroll
  for (int r = 0; r < 4 * NV; r++)
#pragma unroll
    for (int v = 0; v < NV; v++) sum[r][v] = (float4)(0.0f);

  for (int k0 = k_begin; k0 < k_end; k0 += TK) {
    load_a(a, as, id, i0, k0, k_end, s, la);
    load_b(b, bs, id, j0, k0, k_end, s, lb, g);
    barrier(CLK_LOCAL_MEM_FENCE);
    multiply(as, bs, tx, ty, sum);
    barrier(CLK_LOCAL_MEM_FENCE);
  }

#pragma unroll
  for (int v = 0; v < NV; v++) {
    for (int e = 0; e < 4; e++) {
      const int j = j0 + v * 4 * GROUP + tx * 4 + e;
      if (j < s.n)
        store_column(c, bias, i0 + ty * 4, j, column_at(j, lc, g), e, v, z, sum, s, lc);
    }
  }
}
