/* Preprocessing: learning its statistics and applying it. */
#include "data/prep.h"

#include <math.h>

#include "base/base.h"
#include "data/augment.h"

size_t lcl__prep_elements(const lcl_prep *p) {
  return (size_t)p->c * (size_t)p->h * (size_t)p->w;
}

void lcl_prep_destroy(lcl_prep *prep) {
  if (!prep) return;
  lcl__free(prep->mean);
  lcl__free(prep->deviation);
  lcl__free(prep->zca);
  lcl__free(prep);
}

lcl_prep_desc lcl_prep_describe(const lcl_prep *prep) {
  if (!prep) return (lcl_prep_desc) { 0 };
  return prep->desc;
}

void lcl_prep_shape(const lcl_prep *prep, int *channels, int *height, int *width) {
  if (channels) *channels = prep ? prep->c : 0;
  if (height) *height = prep ? prep->out_h : 0;
  if (width) *width = prep ? prep->out_w : 0;
}

static void apply_centre(const lcl_prep *p, float *x, float *scratch) {
  size_t n = lcl__prep_elements(p), plane = (size_t)p->h * (size_t)p->w;
  switch (p->desc.centre) {
  case LCL_CENTRE_NONE: break;
  case LCL_CENTRE_MEAN_IMAGE:
    for (size_t i = 0; i < n; i++) x[i] -= p->mean[i];
    break;
  case LCL_CENTRE_CHANNEL:
  case LCL_CENTRE_CHROMA:
    for (size_t i = 0; i < n; i++) x[i] = (x[i] - p->mean[i / plane]) / p->deviation[i / plane];
    break;
  case LCL_CENTRE_ZCA:
    for (size_t i = 0; i < n; i++) scratch[i] = x[i] - p->mean[i];
    for (size_t i = 0; i < n; i++) {
      double sum = 0;
      for (size_t k = 0; k < n; k++) sum += (double)p->zca[i * n + k] * scratch[k];
      x[i] = (float)sum;
    }
    break;
  }
}

void lcl__prep_values(const lcl_prep *p, const float *in, float *out, float *scratch) {
  size_t n = lcl__prep_elements(p);
  lcl__colour_convert(p->desc.colour, in, p->in_c, (size_t)p->h * (size_t)p->w, out);
  lcl__contrast_apply(&p->desc, out, p->c, p->h, p->w, scratch);
  apply_centre(p, out, scratch);
  if (p->desc.gain != 1 || p->desc.shift != 0)
    for (size_t i = 0; i < n; i++) out[i] = out[i] * p->desc.gain + p->desc.shift;
}

void lcl__prep_window(const lcl_prep *p, const float *full, int top, int left, bool mirror,
                      float *out) {
  for (int c = 0; c < p->c; c++) {
    for (int y = 0; y < p->out_h; y++) {
      const float *from = full + ((size_t)c * (size_t)p->h + (size_t)(y + top)) * (size_t)p->w +
                          (size_t)left;
      if (mirror) {
        for (int x = 0; x < p->out_w; x++) out[x] = from[p->out_w - 1 - x];
      } else {
        memcpy(out, from, (size_t)p->out_w * sizeof *out);
      }
      out += p->out_w;
    }
  }
}

lcl_status lcl_prep_apply(const lcl_prep *prep, const float *in, float *out) {
  LCL_NEED(prep, in, out);
  size_t n = lcl__prep_elements(prep);
  float *work = lcl__alloc(3 * n * sizeof *work);
  if (!work) return LCL_ERR_HOST_MEMORY;
  lcl__prep_values(prep, in, work, work + n);
  lcl__prep_window(prep, work, (prep->h - prep->out_h) / 2, (prep->w - prep->out_w) / 2, false,
                   out);
  lcl__free(work);
  return LCL_OK;
}

/* ---- learning the statistics ---- */

/* Sums over the training part, after colour and contrast, per element (sum) and of squares; about:
 * a number of each channel that is subtracted first, or NULL. */
static lcl_status sum_examples(const lcl_prep *p, const lcl_dataset *train, const float *about,
                               double *sum, double *squares) {
  size_t n = lcl__prep_elements(p), n_in = lcl_dataset_elements(train),
         plane = (size_t)p->h * (size_t)p->w;
  float *in = lcl__alloc(n_in * sizeof *in), *x = lcl__alloc(3 * n * sizeof *x);
  lcl_status status = in && x ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < train->count && status == LCL_OK; i++) {
    status = lcl_dataset_example(train, i, in);
    lcl__colour_convert(p->desc.colour, in, p->in_c, (size_t)p->h * (size_t)p->w, x);
    lcl__contrast_apply(&p->desc, x, p->c, p->h, p->w, x + n);
    for (size_t k = 0; k < n; k++) {
      const double v = (double)x[k] - (about ? about[k / plane] : 0);
      sum[k] += v;
      squares[k] += v * v;
    }
  }
  lcl__free(in);
  lcl__free(x);
  return status;
}

/* Covariance of the prepared examples around p->mean, upper triangle mirrored. */
static lcl_status covariance(const lcl_prep *p, const lcl_dataset *train, double *cov) {
  size_t n = lcl__prep_elements(p), n_in = lcl_dataset_elements(train);
  float *in = lcl__alloc(n_in * sizeof *in), *x = lcl__alloc(3 * n * sizeof *x);
  lcl_status status = in && x ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < train->count && status == LCL_OK; i++) {
    status = lcl_dataset_example(train, i, in);
    lcl__colour_convert(p->desc.colour, in, p->in_c, (size_t)p->h * (size_t)p->w, x);
    lcl__contrast_apply(&p->desc, x, p->c, p->h, p->w, x + n);
    for (size_t k = 0; k < n; k++) x[k] -= p->mean[k];
    for (size_t a = 0; a < n; a++) {
      double xa = x[a];
      if (xa == 0) continue;
      for (size_t b = a; b < n; b++) cov[a * n + b] += xa * x[b];
    }
  }
  for (size_t a = 0; a < n; a++)
    for (size_t b = a; b < n; b++) cov[b * n + a] = cov[a * n + b] /= (double)train->count;
  lcl__free(in);
  lcl__free(x);
  return status;
}

static lcl_status fit_zca(lcl_prep *p, const lcl_dataset *train) {
  size_t n = lcl__prep_elements(p);
  if (n > 4096)
    return lcl__fail(LCL_ERR_UNSUPPORTED,
                     "whitening of %zu elements an example is too large; at most 4096", n);
  double *cov = lcl__alloc(n * n * sizeof *cov), trace = 0;
  p->zca = lcl__alloc(n * n * sizeof *p->zca);
  lcl_status status = cov && p->zca ? covariance(p, train, cov) : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < n && status == LCL_OK; i++) trace += cov[i * n + i];
  double eps = p->desc.zca_eps > 0 ? p->desc.zca_eps : 1e-2 * trace / (double)n;
  if (status == LCL_OK) status = lcl__zca_matrix(cov, (int)n, eps > 0 ? eps : 1e-8, p->zca);
  lcl__free(cov);
  return status;
}

/* Mean and variance of channel c of what was summed over count examples. */
static void moments(const lcl_prep *p, const double *sum, const double *squares, int64_t count,
                    int c, double *mean, double *variance) {
  const size_t plane = (size_t)p->h * (size_t)p->w;
  const double n = (double)count * (double)plane;
  double total = 0, total2 = 0;
  for (size_t k = (size_t)c * plane; k < (size_t)(c + 1) * plane; k++) {
    total += sum[k];
    total2 += squares[k];
  }
  *mean = total / n;
  *variance = LCL_MAX(total2 / n - *mean * *mean, 0.0);
}

/* Of channels far from zero the squares' sum is almost all the mean's square: they are summed
 * again, about the means. */
static lcl_status fit_channels(lcl_prep *p, const lcl_dataset *train, double *sum,
                               double *squares) {
  const size_t bytes = lcl__prep_elements(p) * sizeof *sum;
  const int first = p->desc.centre == LCL_CENTRE_CHROMA;
  double mean, variance;
  bool far = false;
  if (first) p->deviation[0] = 1;
  for (int c = first; c < p->c; c++) {
    moments(p, sum, squares, train->count, c, &mean, &variance);
    p->mean[c] = (float)mean;
    p->deviation[c] = (float)LCL_MAX(sqrt(variance), 1e-8);
    far |= variance < 1e-6 * mean * mean;
  }
  if (!far) return LCL_OK;
  memset(sum, 0, bytes);
  memset(squares, 0, bytes);
  LCL_TRY(sum_examples(p, train, p->mean, sum, squares));
  for (int c = first; c < p->c; c++) {
    moments(p, sum, squares, train->count, c, &mean, &variance);
    p->deviation[c] = (float)LCL_MAX(sqrt(variance), 1e-8);
  }
  return LCL_OK;
}

static lcl_status fit_centre(lcl_prep *p, const lcl_dataset *train) {
  if (p->desc.centre == LCL_CENTRE_NONE) return LCL_OK;
  size_t n = lcl__prep_elements(p);
  bool image = p->desc.centre == LCL_CENTRE_MEAN_IMAGE || p->desc.centre == LCL_CENTRE_ZCA;
  double *sum = lcl__alloc(n * sizeof *sum), *squares = lcl__alloc(n * sizeof *squares);
  p->mean = lcl__alloc((image ? n : (size_t)p->c) * sizeof *p->mean);
  p->deviation = image ? NULL : lcl__alloc((size_t)p->c * sizeof *p->deviation);
  bool ok = sum && squares && p->mean && (image || p->deviation);
  lcl_status status = ok ? sum_examples(p, train, NULL, sum, squares) : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK && image) {
    for (size_t k = 0; k < n; k++) p->mean[k] = (float)(sum[k] / (double)train->count);
  } else if (status == LCL_OK) {
    status = fit_channels(p, train, sum, squares);
  }
  lcl__free(sum);
  lcl__free(squares);
  if (status == LCL_OK && p->desc.centre == LCL_CENTRE_ZCA) status = fit_zca(p, train);
  return status;
}

/* Fills in shapes and defaults; refuses what cannot be. */
lcl_status lcl__prep_new(const lcl_prep_desc *desc, int channels, int height, int width,
                         lcl_prep **out) {
  *out = NULL;
  if (desc->colour == LCL_COLOUR_YUV && channels != 3)
    return lcl__fail(LCL_ERR_ARGUMENT, "YUV needs images of 3 channels; these have %d", channels);
  if (desc->colour == LCL_COLOUR_GREY && channels != 3 && channels != 1)
    return lcl__fail(LCL_ERR_ARGUMENT, "luma needs images of 1 or 3 channels; these have %d",
                     channels);
  if (desc->crop < 0 || (desc->crop > 0 && (desc->crop > height || desc->crop > width)))
    return lcl__fail(LCL_ERR_ARGUMENT, "a crop of %d does not fit into %dx%d", desc->crop, height,
                     width);
  LCL_TRY(lcl__augment_check(desc, height, width));
  lcl_prep *p = lcl__alloc(sizeof *p);
  if (!p) return LCL_ERR_HOST_MEMORY;
  p->desc = *desc;
  if (p->desc.gain == 0) p->desc.gain = 1;
  if (p->desc.gcn_scale == 0) p->desc.gcn_scale = 55;
  p->in_c = channels;
  p->in_h = p->h = height;
  p->in_w = p->w = width;
  p->c = desc->colour == LCL_COLOUR_GREY ? 1 : channels;
  p->out_h = desc->crop ? desc->crop : height;
  p->out_w = desc->crop ? desc->crop : width;
  *out = p;
  return LCL_OK;
}

lcl_status lcl_prep_fit(const lcl_prep_desc *desc, const lcl_dataset *train, lcl_prep **out) {
  LCL_NEED(desc, train, out);
  LCL_TRY(lcl__prep_new(desc, train->channels, train->height, train->width, out));
  lcl_status status = fit_centre(*out, train);
  if (status != LCL_OK) {
    lcl_prep_destroy(*out);
    *out = NULL;
  }
  return status;
}

bool lcl_prep_range(const lcl_prep *prep, float *lo, float *hi) {
  if (!prep || !lo || !hi) return false;
  const lcl_prep_desc *d = &prep->desc;
  bool signed_colour = d->colour == LCL_COLOUR_YUV;
  bool bounded = d->contrast == LCL_CONTRAST_NONE || d->contrast == LCL_CONTRAST_MAX_ABS;
  if (signed_colour || !bounded ||
      (d->centre != LCL_CENTRE_NONE && d->centre != LCL_CENTRE_MEAN_IMAGE))
    return false;
  float a = d->centre == LCL_CENTRE_MEAN_IMAGE || d->contrast == LCL_CONTRAST_MAX_ABS ? -1 : 0,
        b = 1;
  if (d->contrast == LCL_CONTRAST_MAX_ABS && d->centre == LCL_CENTRE_MEAN_IMAGE) a = -2, b = 2;
  a = a * d->gain + d->shift;
  b = b * d->gain + d->shift;
  *lo = LCL_MIN(a, b);
  *hi = LCL_MAX(a, b);
  return true;
}

/* ---- back to an image ---- */

/* Undoes gain, shift and centre of the centre window, in place. */
static void undo_linear(const lcl_prep *p, float *x) {
  int top = (p->h - p->out_h) / 2, left = (p->w - p->out_w) / 2;
  size_t i = 0;
  for (int c = 0; c < p->c; c++) {
    for (int y = 0; y < p->out_h; y++) {
      for (int k = 0; k < p->out_w; k++, i++) {
        size_t at = ((size_t)c * (size_t)p->h + (size_t)(y + top)) * (size_t)p->w +
                    (size_t)(k + left);
        x[i] = (x[i] - p->desc.shift) / p->desc.gain;
        if (p->deviation)
          x[i] = x[i] * p->deviation[c] + p->mean[c];
        else if (p->mean)
          x[i] += p->mean[at];
      }
    }
  }
}

static void yuv_to_rgb(float *x, size_t plane) {
  for (size_t i = 0; i < plane; i++) {
    float y = x[i], u = x[plane + i], v = x[2 * plane + i];
    x[i] = y + 1.13983f * v;
    x[plane + i] = y - 0.39465f * u - 0.58060f * v;
    x[2 * plane + i] = y + 2.03211f * u;
  }
}

static void stretch(float *x, size_t n) {
  float lo = x[0], hi = x[0];
  for (size_t i = 0; i < n; i++) {
    lo = LCL_MIN(lo, x[i]);
    hi = LCL_MAX(hi, x[i]);
  }
  for (size_t i = 0; i < n; i++) x[i] = hi > lo ? (x[i] - lo) / (hi - lo) : 0;
}

lcl_status lcl_prep_to_image(const lcl_prep *prep, const float *prepared, float *image) {
  LCL_NEED(prep, prepared, image);
  size_t plane = (size_t)prep->out_h * (size_t)prep->out_w, n = (size_t)prep->c * plane;
  memcpy(image, prepared, n * sizeof *image);
  if (prep->desc.centre != LCL_CENTRE_ZCA) undo_linear(prep, image);
  if (prep->desc.contrast != LCL_CONTRAST_NONE || prep->desc.centre == LCL_CENTRE_ZCA)
    stretch(image, n);
  if (prep->desc.colour == LCL_COLOUR_YUV && prep->desc.contrast == LCL_CONTRAST_NONE)
    yuv_to_rgb(image, plane);
  for (size_t i = 0; i < n; i++) image[i] = LCL_MIN(LCL_MAX(image[i], 0.0f), 1.0f);
  return LCL_OK;
}
