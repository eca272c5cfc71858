/* matmul_tiled.cl: products and implicit-GEMM convolutions in tiled shape, for devices that run many work-items at once.
 *
 *   C[i,j] = act( sum_k A[i,k] B[k,j] + bias )            i < m, j < n, k < k_all, for every z of a batch
 *
 * A work-group of GROUP x GROUP owns a square tile of C of 4*NV*GROUP rows and columns, each work-item 4*NV x 4*NV of it:
 * NV runs of 4 neighbours, a quarter tile apart when NV is 2. The inner dimension goes through local memory TK at a time.
 * Of `splits` parts of it each writes a C of its own, summed by matmul_reduce.cl.
 * A and C are as in matmul_panel.cl, and so is B:
 * SOURCE 0 a matrix, 1 taps under output pixels with k = (a,b,c), 2 the same transposed, k = (n,q,r), j = (c,a,b); x is
 * (N,C,H,W).
 *
 * Tunables:
 *   GROUP   side of the work-group: 16 or 8
 *   NV      vectors of 4 a work-item has in each direction: 1 or 2
 *   TK      depth of a tile; local memory is 8*TK*(4*NV*GROUP + 4) bytes
 *   SOURCE  see above
 */
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

typedef struct a_layout {
  int rs, len, tb, sa, sb, s1;
} a_layout;

static int a_offset(int i, int k, const a_layout g) {
  const int l0 = k / g.len;
  return i * g.rs + (l0 / g.tb) * g.sa + (l0 % g.tb) * g.sb + (k - l0 * g.len) * g.s1;
}

#if SOURCE != 0
typedef struct geometry {
  int channels, xn, h, w;
  int gq, gr, sh, sw, h0, w0;
  int ta, tb, dh, dw;
} geometry;

/* Offset in x, row and column that an output pixel or a tap contributes: an element is at the sum of both. */
static int4 pixel(int p, const geometry g) {
  const int pixels = g.gq * g.gr, pic = p / pixels, rest = p - pic * pixels, q = rest / g.gr;
  const int ih = q * g.sh + g.h0, iw = (rest - q * g.gr) * g.sw + g.w0;
  return (int4)(pic * g.xn + ih * g.w + iw, ih, iw, 0);
}
static int4 tap(int k, const geometry g) {
#if SOURCE == 1
  const int t = k / g.channels, c = k - t * g.channels;
#else
  const int taps = g.ta * g.tb, c = k / taps, t = k - c * taps;
#endif
  const int a = t / g.tb * g.dh, b = t % g.tb * g.dw;
  return (int4)(c * g.h * g.w + a * g.w + b, a, b, 0);
}
static float element(global const float *restrict x, int4 p, int4 t, const geometry g) {
  const int ih = p.y + t.y, iw = p.z + t.z;
  return ih >= 0 && ih < g.h && iw >= 0 && iw < g.w ? x[p.x + t.x] : 0.0f;
}
#endif

static float activate(float v, int act, float slope) {
  if (act == 1) return v <= 0.0f ? 0.0f : v;
  if (act == 2) return v <= 0.0f ? v * slope : v;
  if (act == 3) return 1.0f / (1.0f + exp(-v));
  return tanh(v);
}

kernel __attribute__((reqd_work_group_size(GROUP, GROUP, 1))) void
matmul_tiled(global const float *restrict a, global const float *restrict b, global float *restrict c,
             global const float *restrict bias, int m, int n, int k_all, int splits, int k_split, int a_base,
             int a_batch, int rs, int len, int tb_a, int sa, int sb, int s1, int b_base, int b_batch, int c_base, int c_batch,
             int c_split, int ldc, int bias_kind, int act, float slope,
#if SOURCE == 0
             int rsb, int csb
#else
             int channels, int xn, int h, int w, int gq, int gr, int sh, int sw, int h0, int w0, int ta, int tb,
             int dh, int dw
#endif
#if SOURCE == 1
             ,
             int yn, int yrow, int ycol
#endif
) {
  local float as[TK * PITCH] __attribute__((aligned(16)));
  local float bs[TK * PITCH] __attribute__((aligned(16)));
  const int tx = get_local_id(0), ty = get_local_id(1), id = ty * GROUP + tx;
  const int i0 = get_group_id(1) * SIDE, j0 = get_group_id(0) * SIDE;
  const int z = get_group_id(2) / splits, split = get_group_id(2) - z * splits;
  const int k_begin = split * k_split, k_end = min(k_all, k_begin + k_split);
  const a_layout al = { rs, len, tb_a, sa, sb, s1 };
  a += a_base + z * a_batch;
  b += b_base + (size_t)z * b_batch;
#if SOURCE != 0
  const geometry g = { channels, xn, h, w, gq, gr, sh, sw, h0, w0, ta, tb, dh, dw };
#endif
  /* Neighbouring work-items read neighbouring addresses, whichever index that is. */
  const int a_by_k = s1 == 1;
#if SOURCE == 0
  const int b_by_k = csb != 1;
#else
  const int b_by_k = SOURCE == 2;
#endif
  float4 sum[4 * NV][NV];
#pragma unroll
  for (int r = 0; r < 4 * NV; r++)
#pragma unroll
    for (int v = 0; v < NV; v++) sum[r][v] = (float4)(0.0f);

  for (int k0 = k_begin; k0 < k_end; k0 += TK) {
    for (int e = id; e < SIDE * TK; e += ITEMS) {
      const int r = a_by_k ? e / TK : e % SIDE, k = a_by_k ? e % TK : e / SIDE;
      as[k * PITCH + r] = i0 + r < m && k0 + k < k_end ? a[a_offset(i0 + r, k0 + k, al)] : 0.0f;
    }
    for (int e = id; e < SIDE * TK; e += ITEMS) {
      const int col = b_by_k ? e / TK : e % SIDE, k = b_by_k ? e % TK : e / SIDE;
      float v = 0.0f;
      if (j0 + col < n && k0 + k < k_end) {
#if SOURCE == 0
        v = b[(size_t)(k0 + k) * rsb + (size_t)(j0 + col) * csb];
#elif SOURCE == 1
        v = element(b, pixel(j0 + col, g), tap(k0 + k, g), g);
#else
        v = element(b, pixel(k0 + k, g), tap(j0 + col, g), g);
#endif
      }
      bs[k * PITCH + col] = v;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int k = 0; k < TK; k++) {
      float4 bv[NV];
#pragma unroll
      for (int v = 0; v < NV; v++) bv[v] = *(local const float4 *)(bs + k * PITCH + v * 4 * GROUP + tx * 4);
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
    barrier(CLK_LOCAL_MEM_FENCE);
  }

  c += c_base + (size_t)z * c_batch + (size_t)split * c_split;
#pragma unroll
  for (int v = 0; v < NV; v++) {
    for (int e = 0; e < 4; e++) {
      const int j = j0 + v * 4 * GROUP + tx * 4 + e;
      if (j >= n) continue;
#if SOURCE == 1
      const int pixels = gq * gr, pic = j / pixels, p = j - pic * pixels, q = p / gr;
      const int at = pic * yn + q * yrow + (p - q * gr) * ycol;
#else
      const int at = j;
#endif
#pragma unroll
      for (int r = 0; r < 4 * NV; r++) {
        const int i = i0 + (r / 4) * 4 * GROUP + ty * 4 + r % 4;
        if (i >= m) continue;
        const float4 s4 = sum[r][v];
        float s = e == 0 ? s4.x : e == 1 ? s4.y : e == 2 ? s4.z : s4.w;
        if (bias_kind) s += bias_kind == 2 ? bias[z * m + i] : bias[j];
        if (act) s = activate(s, act, slope);
        c[(size_t)i * ldc + at] = s;
      }
    }
  }
}
