/* Convolution and its two adjoints, from the one definition: a walk over all (output, filter tap)
 * pairs. */
#include "reference/reference.h"

/* Calls are many; the walk is one. `what` chooses which of the three arrays is the sum. */
typedef enum conv_part { CONV_FORWARD, CONV_INPUT_GRAD, CONV_FILTER_GRAD } conv_part;

static void conv_walk(const lcl_ref_conv *d, conv_part what, double *x, double *f, double *y) {
  const int64_t in_group = d->c / d->groups, out_group = d->o / d->groups;
  for (int64_t n = 0; n < d->n; n++)
    for (int64_t o = 0; o < d->o; o++)
      for (int64_t c = 0; c < in_group; c++)
        for (int64_t p = 0; p < d->kh; p++)
          for (int64_t q = 0; q < d->kw; q++) {
            const int64_t channel = o / out_group * in_group + c;
            const int64_t tap = ((o * in_group + c) * d->kh + p) * d->kw + q;
            for (int64_t i = 0; i < d->oh; i++) {
              const int64_t iy = i * d->stride_y + p * d->dilation_y - d->top;
              if (iy < 0 || iy >= d->h) continue;
              for (int64_t j = 0; j < d->ow; j++) {
                const int64_t ix = j * d->stride_x + q * d->dilation_x - d->left;
                if (ix < 0 || ix >= d->w) continue;
                const int64_t in = ((n * d->c + channel) * d->h + iy) * d->w + ix;
                const int64_t out = ((n * d->o + o) * d->oh + i) * d->ow + j;
                if (what == CONV_FORWARD) y[out] += f[tap] * x[in];
                if (what == CONV_INPUT_GRAD) x[in] += f[tap] * y[out];
                if (what == CONV_FILTER_GRAD) f[tap] += x[in] * y[out];
              }
            }
          }
}

void lcl__ref_conv2d(const lcl_ref_conv *d, const double *x, const double *f, const double *b,
                     double *y) {
  const int64_t plane = d->oh * d->ow;
  for (int64_t i = 0; i < d->n * d->o * plane; i++) y[i] = b ? b[i / plane % d->o] : 0;
  conv_walk(d, CONV_FORWARD, (double *)x, (double *)f, y);
}

void lcl__ref_conv2d_input_grad(const lcl_ref_conv *d, const double *gy, const double *f,
                                double *gx) {
  for (int64_t i = 0; i < d->n * d->c * d->h * d->w; i++) gx[i] = 0;
  conv_walk(d, CONV_INPUT_GRAD, gx, (double *)f, (double *)gy);
}

void lcl__ref_conv2d_filter_grad(const lcl_ref_conv *d, const double *x, const double *gy,
                                 double *gf) {
  for (int64_t i = 0; i < d->o * (d->c / d->groups) * d->kh * d->kw; i++) gf[i] = 0;
  conv_walk(d, CONV_FILTER_GRAD, (double *)x, gf, (double *)gy);
}

void lcl__ref_bias_grad(int64_t n, int64_t o, int64_t plane, const double *gy, double *gb) {
  for (int64_t k = 0; k < o; k++) gb[k] = 0;
  for (int64_t i = 0; i < n * o * plane; i++) gb[i / plane % o] += gy[i];
}

/* The image channel that channel k of `count` belongs to: contiguous parts, the remainder goes to
 * the first; or in turn. */
static int64_t image_channel_of(int64_t k, int64_t count, int image_channels, bool interleaved) {
  if (interleaved) return k % image_channels;
  const int64_t part = count / image_channels, rest = count % image_channels;
  if (part == 0 || k < rest) return 0;
  return (k - rest) / part;
}

void lcl__ref_conv_mask(int64_t o, int64_t c, int64_t kh, int64_t kw, bool type_b,
                        int image_channels, int gates, bool interleaved, double *mask) {
  const int64_t per_gate = gates > 1 ? o / gates : o;
  for (int64_t i = 0; i < o; i++)
    for (int64_t j = 0; j < c; j++)
      for (int64_t p = 0; p < kh; p++)
        for (int64_t q = 0; q < kw; q++) {
          const int64_t dy = p - kh / 2, dx = q - kw / 2;
          const int64_t to = image_channel_of(i % per_gate, per_gate, image_channels, interleaved);
          const int64_t from = image_channel_of(j, c, image_channels, interleaved);
          const bool before = dy < 0 || (dy == 0 && dx < 0), centre = dy == 0 && dx == 0;
          mask[((i * c + j) * kh + p) * kw + q] = before ||
                                                  (centre && (type_b ? to >= from : to > from));
        }
}
