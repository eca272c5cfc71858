/* conv_direct.cl: implicit-GEMM convolutions with few output channels, in panel shape, without packing anything.
 *
 *   C[i, (n,q,r)] = act( sum_k A[i,k] x[n, c, q*sh+h0+a*dh, r+w0+b*dw] + bias )      i < m <= 4, k = (a,b,c), for every z
 *
 * Layouts are those of matmul_panel.cl with SOURCE 1 and sw = 1: VEC neighbours of an output row look at neighbours in a
 * row of x, so that they are loaded as they lie. A work-item does `rows` output rows (n,q) of one z.
 *
 * Tunables:
 *   VEC  floats in a vector: 16 or 8
 */
#include "panel.cl"

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

kernel ONE_ITEM void
conv_direct(global const float *restrict a, global const float *restrict x, global float *restrict c,
            global const float *restrict bias, int m, int pictures, int rows, int a_base, int a_batch, int rs,
            int tb_a, int sa, int sb, int s1, int x_batch, int c_base, int c_batch, int ldc, int bias_kind, int act,
            float slope, int x_total, int channels, int xn, int h, int w, int gq, int gr, int sh, int h0, int w0,
            int ta, int tb, int dh, int dw, int yn, int yrow, int ycol) {
  const int z = get_group_id(1), first = get_group_id(0) * rows, end = min(pictures * gq, first + rows);
  const int plane = h * w, total = x_total - z * x_batch;
  a += a_base + z * a_batch;
  x += (size_t)z * x_batch;
  c += c_base + (size_t)z * c_batch;
  for (int row = first; row < end; row++) {
    const int pic = row / gq, q = row - pic * gq;
    for (int r = 0; r < gr; r += VEC) {
      floatv s0 = (floatv)(0.0f), s1v = s0, s2 = s0, s3 = s0;
      for (int t = 0; t < ta * tb; t++) {
        const int ia = t / tb, ih = q * sh + h0 + ia * dh, iw = r + w0 + (t - ia * tb) * dw;
        if (ih < 0 || ih >= h || iw >= w || iw + VEC <= 0) continue;
        int at = pic * xn + ih * w + iw;
        global const float *f = a + (t / tb_a) * sa + (t % tb_a) * sb;
        for (int ch = 0; ch < channels; ch++, at += plane, f += s1) {
          const floatv v = load_masked(x, at, iw, w, total);
          s0 = fma(v, (floatv)(f[0]), s0);
          if (m > 1) s1v = fma(v, (floatv)(f[rs]), s1v);
          if (m > 2) s2 = fma(v, (floatv)(f[2 * rs]), s2);
          if (m > 3) s3 = fma(v, (floatv)(f[3 * rs]), s3);
        }
      }
      for (int i = 0; i < m; i++) {
        floatv s = i == 0 ? s0 : i == 1 ? s1v : i == 2 ? s2 : s3;
        global float *to = c + (size_t)i * ldc + pic * yn + q * yrow + r * ycol;
        if (bias_kind) s += bias[z * m + i];
        if (act) s = activate(s, act, slope);
        if (ycol == 1 && r + VEC <= gr) {
          *(global floatu *)to = s;
        } else {
          float v[VEC] __attribute__((aligned(64)));
          *(floatv *)v = s;
          for (int l = 0; l < min(VEC, gr - r); l++) to[l * ycol] = v[l];
        }
      }
    }
  }
}
