/* fft.cl: convolution by the Fourier transform, for large filters, with a small transform of its
 * own.
 *
 *   y[n,o] = sum_c x[n,c] (*) w[o,c]      (*): correlation,      F(x (*) w) = F(x) conj(F(w))
 *                                         for a real w
 *
 * and its gradients: x's is a sum of convolutions, F(y) F(w), w's one of correlations of x and y.
 *
 * Two images go as the real and the imaginary part of one, z = x[2p] + i x[2p+1]: as w is real
 * they come apart again at the end. Images are padded to f0 x f1, products of 2, 3 and 5 that
 * hold the padded image, so nothing wraps into the part that is kept.
 * Layouts: z, its transform (pairs, C, f0, f1); w and its transform (O, C/groups, f0, f1); product
 * (pairs, O, f0, f1); complex numbers are float2. Every kernel is 1-D: work-item i does elements
 * i*chunk .. i*chunk + chunk - 1 of `total`.
 */
#include "args.h"

static float2 cmul(float2 a, float2 b) {
  return (float2)(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

/* table[m] = exp(-2 pi i m / len) */
kernel void fft_table(global float2 *restrict table, int len) {
  const int m = get_global_id(0);
  if (m >= len) return;
  const float at = -2.0f * (float)m / (float)len;
  table[m] = (float2)(cospi(at), sinpi(at));
}

/* One pass of Stockham's transform along the middle axis of (batch, len, inner): groups of `ns`
 * that are transformed already become groups of ns*radix. inverse: 1 for the inverse without its
 * factor 1/len. total counts butterflies. */
kernel void fft_pass(global const float2 *restrict in, global float2 *restrict out,
                     global const float2 *restrict table, int len, int inner, int ns, int radix,
                     int inverse, int total, int chunk) {
  const int begin = get_global_id(0) * chunk, end = min(total, begin + chunk), per = len / radix;
  for (int e = begin; e < end; e++) {
    const int i = e % inner, rest = e / inner, j = rest % per, b = rest / per, k = j % ns;
    global const float2 *from = in + (size_t)b * len * inner + i;
    global float2 *to = out + (size_t)b * len * inner + i;
    float2 v[5];
    for (int r = 0; r < radix; r++) {
      float2 t = table[k * r * (len / (ns * radix))];
      if (inverse) t.y = -t.y;
      v[r] = cmul(from[(j + r * per) * inner], t);
    }
    const int first = (j / ns) * ns * radix + k;
    for (int q = 0; q < radix; q++) {
      float2 s = v[0];
      for (int r = 1; r < radix; r++) {
        float2 t = table[(r * q % radix) * per];
        if (inverse) t.y = -t.y;
        s += cmul(v[r], t);
      }
      to[(first + q * ns) * inner] = s;
    }
  }
}

/* z (pairs, channels, f0, f1) from x (images, channels, h, w), zeros around its pixels. */
kernel void fft_pad_images(global const float *restrict x, global float2 *restrict z, int images,
                           const fft_place p, int total, int chunk) {
  const int begin = get_global_id(0) * chunk, end = min(total, begin + chunk);
  for (int e = begin; e < end; e++) {
    const int j = e % p.f1 - p.left, i = e / p.f1 % p.f0 - p.top, plane = e / (p.f0 * p.f1),
              pair = plane / p.channels, row = i / p.s0, column = j / p.s1;
    float2 v = (float2)(0.0f);
    if (i >= 0 && row < p.h && row * p.s0 == i && j >= 0 && column < p.w && column * p.s1 == j) {
      const size_t at = ((size_t)(pair * p.channels + plane) * p.h + row) * p.w + column;
      v.x = x[at];
      if (2 * pair + 1 < images) v.y = x[at + (size_t)p.channels * p.h * p.w];
    }
    z[e] = v;
  }
}

/* Sum of n products, of a and the conjugate of b (conjugate: -1) or of a and b (1); from one term
 * to the next a is at and b is bt further. */
static float2 sum_of_products(global const float2 *a, size_t at, global const float2 *b, size_t bt,
                              int n, float conjugate) {
  float2 s = (float2)(0.0f);
  for (int k = 0; k < n; k++) {
    const float2 v = b[k * bt];
    s += cmul(a[k * at], (float2)(v.x, conjugate * v.y));
  }
  return s;
}

/* The three passes, f over f0*f1 bins; per: channels a group.
 *   y[p,o,f]  = sum over the channels c of o's group of z[p,c,f] conj(w[o,c,f]) */
kernel void fft_multiply(global const float2 *restrict z, global const float2 *restrict w,
                         global float2 *restrict y, int pairs, int channels, int filters,
                         int groups, int bins, int total, int chunk) {
  const int begin = get_global_id(0) * chunk, end = min(total, begin + chunk);
  const int per = channels / groups;
  for (int e = begin; e < end; e++) {
    const int f = e % bins, o = e / bins % filters, p = e / bins / filters,
              c = o / (filters / groups) * per;
    y[e] = sum_of_products(z + (size_t)(p * channels + c) * bins + f, bins,
                           w + (size_t)o * per * bins + f, bins, per, -1.0f);
  }
}

/*   z[p,c,f]  = sum over the filters o of c's group of y[p,o,f] w[o,c,f] */
kernel void fft_multiply_input_grad(global const float2 *restrict y,
                                    global const float2 *restrict w, global float2 *restrict z,
                                    int pairs, int channels, int filters, int groups, int bins,
                                    int total, int chunk) {
  const int begin = get_global_id(0) * chunk, end = min(total, begin + chunk);
  const int per = channels / groups, n = filters / groups;
  for (int e = begin; e < end; e++) {
    const int f = e % bins, c = e / bins % channels, p = e / bins / channels, o = c / per * n;
    z[e] = sum_of_products(y + (size_t)(p * filters + o) * bins + f, bins,
                           w + (size_t)(o * per + c % per) * bins + f, (size_t)per * bins, n, 1.0f);
  }
}

/*   w[o,c,f]  = sum over the pairs p of z[p,c,f] conj(y[p,o,f]), whose real part is that of both
 *   images */
kernel void fft_multiply_filter_grad(global const float2 *restrict z,
                                     global const float2 *restrict y, global float2 *restrict w,
                                     int pairs, int channels, int filters, int groups, int bins,
                                     int total, int chunk) {
  const int begin = get_global_id(0) * chunk, end = min(total, begin + chunk);
  const int per = channels / groups;
  for (int e = begin; e < end; e++) {
    const int f = e % bins, plane = e / bins, o = plane / per,
              c = o / (filters / groups) * per + plane % per;
    w[e] = sum_of_products(z + (size_t)c * bins + f, (size_t)channels * bins,
                           y + (size_t)o * bins + f, (size_t)filters * bins, pairs, -1.0f);
  }
}

/* y (images, channels, h, w): what lies in its place of the inverse transform, scaled; bias a
 * number a channel (with bias_kind), activation as lcl_act. */
kernel void fft_crop(global const float2 *restrict z, global float *restrict y,
                     global const float *restrict bias, const fft_place p, float scale,
                     int bias_kind, int act, float slope, int total, int chunk) {
  const int begin = get_global_id(0) * chunk, end = min(total, begin + chunk);
  for (int e = begin; e < end; e++) {
    const int j = p.left + e % p.w * p.s1, i = p.top + e / p.w % p.h * p.s0,
              c = e / (p.h * p.w) % p.channels, n = e / (p.h * p.w) / p.channels;
    const float2 v = z[((size_t)(n / 2 * p.channels + c) * p.f0 + i) * p.f1 + j];
    float s = (n % 2 ? v.y : v.x) * scale;
    if (bias_kind) s += bias[c];
    y[e] = lcl_activate(s, act, slope);
  }
}
