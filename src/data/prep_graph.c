/* Preprocessing as a part of a graph: what prep.c does on the host, for networks that leave
 * LatentCL. */
#include <math.h>

#include "base/base.h"
#include "data/prep.h"
#include "latentcl/ops.h"

static lcl_tensor *constant(lcl_graph *g, const float *x, lcl_shape shape) {
  return lcl_const_data(g, LCL_F32, shape, x);
}

/* As lcl__colour_convert(): a filter of one pixel. */
static lcl_tensor *colour(const lcl_prep *p, lcl_tensor *x) {
  static const float matrix[9] = { .299f, .587f, .114f,    -.14713f, -.28886f,
                                   .436f, .615f, -.51499f, -.10001f };
  if (p->desc.colour == LCL_COLOUR_KEEP || p->in_c != 3) return x;
  const int64_t rows = p->desc.colour == LCL_COLOUR_GREY ? 1 : 3;
  lcl_tensor *w = constant(lcl_tensor_graph(x), matrix, LCL_SHAPE(rows, 3, 1, 1));
  return lcl_conv2d(x, w, NULL, NULL);
}

/* Zeros where there is nothing to divide by: what rounding leaves of a flat example, a part of
 * `whole`, is nothing. */
static lcl_tensor *divided(lcl_tensor *x, lcl_tensor *by, lcl_tensor *whole) {
  return lcl_select(lcl_greater(by, lcl_scale(whole, 2e-6f)), lcl_div(x, by),
                    lcl_const(lcl_tensor_graph(x), 0));
}

static lcl_tensor *norm(lcl_tensor *x, unsigned axes) {
  return lcl_sqrt(lcl_sum(lcl_square(x), axes, true));
}

enum { TAPS = 7 }; /* of local contrast */

/* The filter's weight within the image at every pixel, and the filter. */
static void gaussian(int height, int width, float *share, float *filter) {
  float line[TAPS], sum = 0;
  for (int k = 0; k < TAPS; k++) {
    const float d = ((float)k - TAPS / 2) / 1.75f;
    sum += line[k] = expf(-0.5f * d * d);
  }
  for (int k = 0; k < TAPS * TAPS; k++) filter[k] = line[k / TAPS] * line[k % TAPS] / (sum * sum);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      float *at = &share[y * width + x];
      for (int k = 0; k < TAPS * TAPS; k++) {
        const int yy = y + k / TAPS - TAPS / 2, xx = x + k % TAPS - TAPS / 2;
        if (yy >= 0 && yy < height && xx >= 0 && xx < width) *at += filter[k];
      }
    }
}

/* m = (k*x)/(k*1), x1 = x - m, s = sqrt(k*x1^2)/(k*1), x1/max(s, 1e-4), of the first channel. */
static lcl_status local_contrast(const lcl_prep *p, lcl_tensor *x, lcl_tensor **out) {
  lcl_graph *g = lcl_tensor_graph(x);
  const lcl_conv_desc same = { .pad = { TAPS / 2, TAPS / 2, TAPS / 2, TAPS / 2 } };
  float filter[TAPS * TAPS], *inside = lcl__alloc((size_t)(p->h * p->w) * sizeof *inside);
  if (!inside) return LCL_ERR_HOST_MEMORY;
  gaussian(p->h, p->w, inside, filter);
  lcl_tensor *share = constant(g, inside, LCL_SHAPE(p->h, p->w)),
             *k = constant(g, filter, LCL_SHAPE(1, 1, TAPS, TAPS)),
             *first = lcl_slice_axis(x, 1, 0, 1),
             *centred = lcl_sub(first, lcl_div(lcl_conv2d(first, k, NULL, &same), share)),
             *power = lcl_conv2d(lcl_square(centred), k, NULL, &same),
             *s = lcl_maximum(lcl_div(lcl_sqrt(power), share), lcl_const(g, 1e-4f)),
             *y = lcl_div(centred, s);
  lcl__free(inside);
  *out = p->c == 1 ? y : lcl_concat((lcl_tensor *[]) { y, lcl_slice_axis(x, 1, 1, p->c) }, 2, 1);
  return LCL_OK;
}

/* As lcl__contrast_apply(), but for local contrast. */
static lcl_tensor *contrast(const lcl_prep *p, lcl_tensor *x) {
  const unsigned planes = LCL_AXIS(2) | LCL_AXIS(3), all = planes | LCL_AXIS(1);
  lcl_tensor *mean, *var, *centred;
  switch (p->desc.contrast) {
  case LCL_CONTRAST_STANDARDISE:
    lcl_moments(x, planes, &mean, &var);
    return lcl_div(lcl_sub(x, mean),
                   lcl_maximum(lcl_sqrt(var), lcl_const(lcl_tensor_graph(x), 1e-4f)));
  case LCL_CONTRAST_GCN:
    centred = lcl_sub(x, lcl_mean(x, all, true));
    return divided(lcl_scale(centred, p->desc.gcn_scale), norm(centred, all), norm(x, all));
  case LCL_CONTRAST_MAX_ABS:
    centred = lcl_sub(x, lcl_mean(x, all, true));
    return divided(centred, lcl_max(lcl_abs(centred), all, true), lcl_max(lcl_abs(x), all, true));
  case LCL_CONTRAST_UNIT_NORM: return divided(x, norm(x, all), lcl_const(lcl_tensor_graph(x), 0));
  default: return x;
  }
}

static lcl_tensor *centre(const lcl_prep *p, lcl_tensor *x) {
  lcl_graph *g = lcl_tensor_graph(x);
  const lcl_shape image = LCL_SHAPE(p->c, p->h, p->w), channels = LCL_SHAPE(p->c, 1, 1);
  const int64_t n = lcl_shape_count(image);
  switch (p->desc.centre) {
  case LCL_CENTRE_NONE: return x;
  case LCL_CENTRE_MEAN_IMAGE: return lcl_sub(x, constant(g, p->mean, image));
  case LCL_CENTRE_CHANNEL:
  case LCL_CENTRE_CHROMA:
    return lcl_div(lcl_sub(x, constant(g, p->mean, channels)), constant(g, p->deviation, channels));
  case LCL_CENTRE_ZCA: break;
  }
  const lcl_shape whole = lcl_tensor_shape(x);
  lcl_tensor *rows = lcl_reshape(lcl_sub(x, constant(g, p->mean, image)),
                                 LCL_SHAPE(whole.dim[0], n));
  return lcl_reshape(lcl_matmul(rows, constant(g, p->zca, LCL_SHAPE(n, n)), false, true), whole);
}

lcl_status lcl__prep_graph(const lcl_prep *p, lcl_tensor *image, lcl_tensor **out) {
  lcl_tensor *x = colour(p, image);
  if (p->desc.contrast == LCL_CONTRAST_LOCAL_Y)
    LCL_TRY(local_contrast(p, x, &x));
  else
    x = contrast(p, x);
  x = centre(p, x);
  x = lcl_shift(lcl_scale(x, p->desc.gain), p->desc.shift);
  const int top = (p->h - p->out_h) / 2, left = (p->w - p->out_w) / 2;
  x = lcl_slice_axis(lcl_slice_axis(x, 2, top, top + p->out_h), 3, left, left + p->out_w);
  *out = x;
  return lcl_graph_status(lcl_tensor_graph(image));
}
