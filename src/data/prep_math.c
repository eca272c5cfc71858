/* The arithmetic of preprocessing: colour, contrast, whitening. */
#include <math.h>

#include "base/base.h"
#include "base/linalg.h"
#include "data/prep.h"

void lcl__colour_convert(lcl_colour colour, const float *in, int channels, size_t plane,
                         float *out) {
  if (colour == LCL_COLOUR_KEEP || channels != 3) {
    memcpy(out, in, (size_t)channels * plane * sizeof *out);
    return;
  }
  for (size_t i = 0; i < plane; i++) {
    float r = in[i], g = in[plane + i], b = in[2 * plane + i];
    out[i] = .299f * r + .587f * g + .114f * b;
    if (colour == LCL_COLOUR_GREY) continue;
    out[plane + i] = -.14713f * r - .28886f * g + .436f * b;
    out[2 * plane + i] = .615f * r - .51499f * g - .10001f * b;
  }
}

static double mean_of(const float *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += x[i];
  return sum / (double)n;
}

static double norm_of(const float *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
  return sqrt(sum);
}

/* (x - shift)/divisor; a divisor of zero leaves zeros. */
static void shift_divide(float *x, size_t n, double shift, double divisor) {
  double f = divisor > 0 ? 1 / divisor : 0;
  for (size_t i = 0; i < n; i++) x[i] = (float)((x[i] - shift) * f);
}

#define LCN_TAPS 7

/* k * x with zero padding, along x or y. */
static void filter_line(const float *in, float *out, int height, int width, const float *kernel,
                        bool vertical) {
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) {
      float sum = 0;
      for (int k = 0; k < LCN_TAPS; k++) {
        int yy = vertical ? y + k - LCN_TAPS / 2 : y, xx = vertical ? x : x + k - LCN_TAPS / 2;
        if (yy >= 0 && yy < height && xx >= 0 && xx < width)
          sum += kernel[k] * in[(size_t)yy * (size_t)width + (size_t)xx];
      }
      out[(size_t)y * (size_t)width + (size_t)x] = sum;
    }
  }
}

/* Share of the kernel's weight that falls inside the image at position i of a line of n. */
static float inside(const float *kernel, int i, int n) {
  float sum = 0;
  for (int k = 0; k < LCN_TAPS; k++)
    if (i + k - LCN_TAPS / 2 >= 0 && i + k - LCN_TAPS / 2 < n) sum += kernel[k];
  return sum;
}

/* torch's SpatialContrastiveNormalization: m = (k*x)/(k*1), x1 = x - m, s = sqrt(k*x1^2)/(k*1),
 * x1/max(s, 1e-4). scratch: 2 planes. */
static void local_contrast(float *x, int height, int width, float *scratch) {
  float kernel[LCN_TAPS], sum = 0;
  size_t plane = (size_t)height * (size_t)width;
  float *a = scratch, *b = scratch + plane;
  for (int k = 0; k < LCN_TAPS; k++) {
    float d = ((float)k - LCN_TAPS / 2) / 1.75f;
    sum += kernel[k] = expf(-0.5f * d * d);
  }
  for (int k = 0; k < LCN_TAPS; k++) kernel[k] /= sum;
  for (int pass = 0; pass < 2; pass++) {
    for (size_t i = 0; i < plane; i++) a[i] = pass ? x[i] * x[i] : x[i];
    filter_line(a, b, height, width, kernel, false);
    filter_line(b, a, height, width, kernel, true);
    for (int y = 0; y < height; y++) {
      for (int col = 0; col < width; col++) {
        size_t i = (size_t)y * (size_t)width + (size_t)col;
        float share = inside(kernel, y, height) * inside(kernel, col, width);
        if (pass == 0)
          x[i] -= a[i] / share;
        else
          x[i] /= LCL_MAX(sqrtf(a[i]) / share, 1e-4f);
      }
    }
  }
}

void lcl__contrast_apply(const lcl_prep_desc *desc, float *x, int channels, int height, int width,
                         float *scratch) {
  size_t plane = (size_t)height * (size_t)width, n = (size_t)channels * plane;
  switch (desc->contrast) {
  case LCL_CONTRAST_NONE: break;
  case LCL_CONTRAST_STANDARDISE:
    for (int c = 0; c < channels; c++) {
      float *p = x + (size_t)c * plane;
      shift_divide(p, plane, mean_of(p, plane), 1);
      shift_divide(p, plane, 0, LCL_MAX(norm_of(p, plane) / sqrt((double)plane), 1e-4));
    }
    break;
  case LCL_CONTRAST_LOCAL_Y: local_contrast(x, height, width, scratch); break;
  case LCL_CONTRAST_GCN:
    shift_divide(x, n, mean_of(x, n), 1);
    shift_divide(x, n, 0, norm_of(x, n) / desc->gcn_scale);
    break;
  case LCL_CONTRAST_MAX_ABS: {
    float top = 0;
    shift_divide(x, n, mean_of(x, n), 1);
    for (size_t i = 0; i < n; i++) top = LCL_MAX(top, fabsf(x[i]));
    shift_divide(x, n, 0, top);
    break;
  }
  case LCL_CONTRAST_UNIT_NORM: shift_divide(x, n, 0, norm_of(x, n)); break;
  }
}

lcl_status lcl__zca_matrix(double *cov, int n, double eps, float *out) {
  double *value = lcl__alloc((size_t)n * sizeof *value);
  if (!value) return LCL_ERR_HOST_MEMORY;
  lcl_status status = lcl__eigen_symmetric(cov, value, n);
  size_t m = (size_t)n;
  double *row = lcl__alloc(m * sizeof *row);
  if (!row) status = status == LCL_OK ? LCL_ERR_HOST_MEMORY : status;
  /* Row i of V diag(f) V^T; eigenvector k is row k of cov, so the sum over k walks rows. */
  for (size_t i = 0; i < m && status == LCL_OK; i++) {
    memset(row, 0, m * sizeof *row);
    for (size_t k = 0; k < m; k++) {
      double f = cov[k * m + i] / sqrt(LCL_MAX(value[k], 0.0) + eps);
      for (size_t j = 0; j < m; j++) row[j] += f * cov[k * m + j];
    }
    for (size_t j = 0; j < m; j++) out[i * m + j] = (float)row[j];
  }
  lcl__free(row);
  lcl__free(value);
  return status;
}
