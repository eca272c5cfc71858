/* fft.cl: convolution by the Fourier transform, for large filters, with a small transform of its
 * own.
 *
 *   y[n,o] = sum_c x[n,c] (*) w[o,c]      (*): correlation,      F(x (*) w) = F(x) conj(F(w))
 *                                         for a real w
 *
 * Two images go as the real and the imaginary part of one, z = x[2p] + i x[2p+1]: as w is real
 * they come apart again at the end. Images are padded to f0 x f1, products of 2, 3 and 5 that
 * hold the padded image, so nothing wraps into the part that is kept.
 * Layouts: z, its transform (pairs, C, f0, f1); w and its transform (O, C/groups, f0, f1); product
 * (pairs, O, f0, f1); complex numbers are float2. Every kernel is 1-D: work-item i does elements
 * i*chunk .. i*chunk + chunk - 1 of `total`.
 */
static float2 cmul(float2 a, float2 b) {
  return (float2)(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}

/* table[m] = exp(-2 pi i m / len) */
kernel void fft_table(global float2 *restrict table, int len) {
  const int m = get_global_id(0);
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

/* z (pairs, channels, f0, f1) from x (images, channels, h, w), moved by top and left, zeros
 * around it. */
kernel void fft_pad_images(global const float *restrict x, global float2 *restrict z,
                             int images, int channels, int h, int w, int f0, int f1, int top,
                             int left, int total, int chunk) {
  const int begin = get_global_id(0) * chunk, end = min(total, begin + chunk);
  for (int e = begin; e < end; e++) {
    const int j = e % f1 - left, i = e / f1 % f0 - top, plane = e / (f0 * f1),
              pair = plane / channels;
    float2 v = (float2)(0.0f);
    if (i >= 0 && i < h && j >= 0 && j < w) {
      const size_t at = ((size_t)(pair * channels + plane) * h + i) * w + j;
      v.x = x[at];
      if (2 * pair + 1 < images) v.y = x[at + (size_t)channels * h * w];
    }
    z[e] = v;
  }
}

/* out (planes, f0, f1) from w (planes, kh, kw): tap (a,b) at (a*d0, b*d1). */
kernel void fft_pad_filter(global const float *restrict w, global float2 *restrict out, int kh,
                           int kw, int d0, int d1, int f0, int f1, int total, int chunk) {
  const int begin = get_global_id(0) * chunk, end = min(total, begin + chunk);
  for (int e = begin; e < end; e++) {
    const int j = e % f1, i = e / f1 % f0, plane = e / (f0 * f1), a = i / d0, b = j / d1;
    const int tap = a < kh && b < kw && a * d0 == i && b * d1 == j;
    out[e] = (float2)(tap ? w[(plane * kh + a) * kw + b] : 0.0f, 0.0f);
  }
}

/* y[p,o,f] = sum over the channels c of o's group of z[p,c,f] conj(w[o,c,f]), f over f0*f1 bins. */
kernel void fft_multiply(global const float2 *restrict z, global const float2 *restrict w,
                         global float2 *restrict y, int channels, int filters, int groups, int bins,
                         int total, int chunk) {
  const int begin = get_global_id(0) * chunk, end = min(total, begin + chunk);
  const int per = channels / groups;
  for (int e = begin; e < end; e++) {
    const int f = e % bins, o = e / bins % filters, p = e / bins / filters,
              group = o / (filters / groups);
    global const float2 *a = z + (size_t)(p * channels + group * per) * bins + f;
    global const float2 *b = w + (size_t)o * per * bins + f;
    float2 s = (float2)(0.0f);
    for (int c = 0; c < per; c++) {
      const float2 v = b[(size_t)c * bins];
      s += cmul(a[(size_t)c * bins], (float2)(v.x, -v.y));
    }
    y[e] = s;
  }
}

/* y (images, filters, oh, ow): every s0-th row and s1-th column of the inverse transform, scaled;
 * bias a number a filter (with bias_kind), activation as lcl_act. */
kernel void fft_crop(global const float2 *restrict z, global float *restrict y,
                     global const float *restrict bias, int filters, int oh, int ow, int f0, int f1,
                     int s0, int s1, float scale, int bias_kind, int act, float slope, int total,
                     int chunk) {
  const int begin = get_global_id(0) * chunk, end = min(total, begin + chunk);
  for (int e = begin; e < end; e++) {
    const int j = e % ow, i = e / ow % oh, o = e / (oh * ow) % filters, n = e / (oh * ow) / filters;
    const float2 v = z[((size_t)(n / 2 * filters + o) * f0 + i * s0) * f1 + j * s1];
    float s = (n % 2 ? v.y : v.x) * scale;
    if (bias_kind) s += bias[o];
    y[e] = lcl_activate(s, act, slope);
  }
}
