/* conv_direct.cl: implicit-GEMM convolutions with few output channels, one work-item at a time,
 * without packing anything.
 *
 *   C[i,(n,q,r)] = act( sum_k A[i,k] x[n, c, q*sh+h0+a*dh, r+w0+b*dw] + bias )
 *                                            i < m <= 4, k = (a,b,c), for every z of a batch
 *
 * Buffers are those of gemm_packed.cl with SOURCE 1, sw = 1 and cl = 0, and A as gemm_a says: VEC
 * neighbours of an output row read neighbours in a row of x, loaded as they lie.
 *
 * Tunables:
 *   VEC  floats in a vector: 16 or 8
 */
#include "args.h"
#include "packed.cl"

/* x[at + l] where 0 <= col + l < w, else 0. */
static floatv load_masked(global const float *restrict x, int at, int col, int w, int total) {
  if (col >= 0 && col + VEC <= w) return GLOAD(x + at);
  const intv lane = LANES + col;
  if (at >= 0 && at + VEC <= total)
    return select((floatv)(0.0f), GLOAD(x + at), lane >= 0 && lane < w);
  float v[VEC] __attribute__((aligned(64)));
  for (int l = 0; l < VEC; l++) v[l] = col + l >= 0 && col + l < w ? x[at + l] : 0.0f;
  return *(const floatv *)v;
}

/* Multiply: the sums of VEC pixels (q,r..) of an image, rows 0 to 3 of C. */
static void multiply(floatv sum[4], global const float *restrict a, global const float *restrict x,
                     int image, int q, int r, int total, const gemm_sizes s, const gemm_a la,
                     const patches g) {
  const int taps = s.k ? g.ta * g.tb : 0;
  for (int t = 0; t < taps; t++) {
    const int ia = t / g.tb, ih = q * g.sh + g.h0 + ia * g.dh;
    const int iw = r + g.w0 + (t - ia * g.tb) * g.dw;
    if (ih < 0 || ih >= g.h || iw >= g.w || iw + VEC <= 0) continue;
    int at = image * g.image + ih * g.w + iw;
    global const float *f = a + (t / la.tb) * la.sa + (t % la.tb) * la.sb;
    for (int c = 0; c < g.channels; c++, at += g.h * g.w, f += la.s1) {
      const floatv v = load_masked(x, at, iw, g.w, total);
      sum[0] = fma(v, (floatv)(f[0]), sum[0]);
      if (s.m > 1) sum[1] = fma(v, (floatv)(f[la.rs]), sum[1]);
      if (s.m > 2) sum[2] = fma(v, (floatv)(f[2 * la.rs]), sum[2]);
      if (s.m > 3) sum[3] = fma(v, (floatv)(f[3 * la.rs]), sum[3]);
    }
  }
}

/* Store: up to VEC pixels of a row of C, `count` of them inside. */
static void store(floatv sum, global float *restrict c, float bias, int count, const gemm_c lc) {
  if (lc.bias_kind) sum += bias;
  if (lc.act) sum = activate(sum, lc.act, lc.slope);
  if (lc.ycol == 1 && count >= VEC) {
    GSTORE(sum, c);
    return;
  }
  float v[VEC] __attribute__((aligned(64)));
  PSTORE(sum, v);
  for (int l = 0; l < min(VEC, count); l++) c[l * lc.ycol] = v[l];
}

/* Groups: 0 `rows` of the `lines` output rows (n,q), 1 z. */
kernel ONE_ITEM void conv_direct(global const float *restrict a, global const float *restrict x,
                                 global float *restrict c, global const float *restrict bias,
                                 const gemm_sizes s, const gemm_a la, const gemm_b lb,
                                 const gemm_c lc, const patches g, int lines, int rows) {
  const int z = get_group_id(1), first = get_group_id(0) * rows, end = min(lines, first + rows);
  const int total = g.total - z * lb.batch;
  a += la.base + z * la.batch;
  x += (size_t)z * lb.batch;
  c += lc.base + (size_t)z * lc.batch;
  for (int line = first; line < end; line++) {
    const int image = line / g.gq, q = line - image * g.gq;
    for (int r = 0; r < g.gr; r += VEC) {
      floatv sum[4] = { (floatv)(0.0f), (floatv)(0.0f), (floatv)(0.0f), (floatv)(0.0f) };
      multiply(sum, a, x, image, q, r, total, s, la, g);
      global float *to = c + image * lc.yn + q * lc.yrow + r * lc.ycol;
      for (int i = 0; i < s.m; i++, to += lc.ldc) {
        const floatv v = i == 0 ? sum[0] : i == 1 ? sum[1] : i == 2 ? sum[2] : sum[3];
        store(v, to, lc.bias_kind ? bias[z * s.m + i] : 0.0f, g.gr - r, lc);
      }
    }
  }
}
