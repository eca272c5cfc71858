/* Resampling of images: separable triangle filter, as wide as the reduction, so that nothing
 * aliases. */
#include <math.h>

#include "data/image.h"

/* Weights of the input samples first..first+n-1 for one output sample. */
typedef struct taps {
  int first, n;
  float *weight;
} taps;

static void make_taps(taps *t, int out_i, int in_size, int out_size) {
  double scale = (double)in_size / out_size, support = LCL_MAX(scale, 1.0);
  double centre = (out_i + 0.5) * scale - 0.5, sum = 0;
  int first = (int)ceil(centre - support), last = (int)floor(centre + support);
  t->first = LCL_MAX(first, 0);
  t->n = LCL_MIN(last, in_size - 1) - t->first + 1;
  for (int k = 0; k < t->n; k++) {
    double w = 1 - fabs(t->first + k - centre) / support;
    t->weight[k] = (float)LCL_MAX(w, 0.0);
    sum += t->weight[k];
  }
  for (int k = 0; k < t->n; k++) t->weight[k] = (float)(t->weight[k] / sum);
}

/* Resamples along an axis: `lines` independent lines of in_size samples, `step` floats apart within
 * a line. in holds for sample i of line (a,b) the element a*in_size*step + i*step + b, with b <
 * step. */
static lcl_status resample(const float *in, float *out, int outer, int in_size, int out_size,
                           int step) {
  double scale = (double)in_size / out_size;
  taps t = { .weight = lcl__alloc(((size_t)ceil(2 * LCL_MAX(scale, 1.0)) + 3) * sizeof(float)) };
  if (!t.weight) return LCL_ERR_HOST_MEMORY;
  for (int i = 0; i < out_size; i++) {
    make_taps(&t, i, in_size, out_size);
    for (int a = 0; a < outer; a++) {
      float *to = out + ((size_t)a * (size_t)out_size + (size_t)i) * (size_t)step;
      const float *from = in + ((size_t)a * (size_t)in_size + (size_t)t.first) * (size_t)step;
      for (int b = 0; b < step; b++) {
        float sum = 0;
        for (int k = 0; k < t.n; k++)
          sum += t.weight[k] * from[(size_t)k * (size_t)step + (size_t)b];
        to[b] = sum;
      }
    }
  }
  lcl__free(t.weight);
  return LCL_OK;
}

lcl_status lcl__image_resize(const lcl_image *in, int width, int height, lcl_image *out) {
  memset(out, 0, sizeof *out);
  if (width < 1 || height < 1 || width > 16384 || height > 16384)
    return lcl__fail(LCL_ERR_ARGUMENT, "cannot resize an image to %dx%d", width, height);
  size_t c = (size_t)in->channels, n_in = (size_t)in->width * (size_t)in->height * c;
  size_t n_mid = (size_t)width * (size_t)in->height * c, n_out = (size_t)width * (size_t)height * c;
  float *a = lcl__alloc(n_in * sizeof *a), *b = lcl__alloc(n_mid * sizeof *b),
        *r = lcl__alloc(n_out * sizeof *r);
  uint8_t *bytes = lcl__alloc(n_out);
  lcl_status status = a && b && r && bytes ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    for (size_t i = 0; i < n_in; i++) a[i] = in->data[i];
    status = resample(a, b, in->height, in->width, width, in->channels);
  }
  if (status == LCL_OK) status = resample(b, r, 1, in->height, height, width * in->channels);
  if (status == LCL_OK) {
    for (size_t i = 0; i < n_out; i++)
      bytes[i] = (uint8_t)lrintf(LCL_MIN(LCL_MAX(r[i], 0.0f), 255.0f));
    *out = (lcl_image) { width, height, in->channels, bytes };
    bytes = NULL;
  }
  lcl__free(a);
  lcl__free(b);
  lcl__free(r);
  lcl__free(bytes);
  return status;
}

/* Pixel (y,x) of a grey or RGB image, as a luma or as colour c. */
static uint8_t pick(const lcl_image *im, int y, int x, int c, bool grey) {
  const uint8_t *p = im->data + ((size_t)y * (size_t)im->width + (size_t)x) * (size_t)im->channels;
  if (im->channels == 1) return p[0];
  if (!grey) return p[c];
  return (uint8_t)lrintf(.299f * p[0] + .587f * p[1] + .114f * p[2]);
}

lcl_status lcl__image_square(const lcl_image *in, int side, bool grey, uint8_t *out) {
  int shorter = LCL_MIN(in->width, in->height);
  int width = (int)lrint((double)in->width * side / shorter),
      height = (int)lrint((double)in->height * side / shorter);
  lcl_image small;
  LCL_TRY(lcl__image_resize(in, LCL_MAX(width, side), LCL_MAX(height, side), &small));
  int top = (small.height - side) / 2, left = (small.width - side) / 2;
  for (int c = 0; c < (grey ? 1 : 3); c++)
    for (int y = 0; y < side; y++)
      for (int x = 0; x < side; x++) *out++ = pick(&small, top + y, left + x, c, grey);
  lcl__image_free(&small);
  return LCL_OK;
}
