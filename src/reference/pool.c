/* Max and average pooling, and their adjoints. */
#include <math.h>

#include "reference/reference.h"

/* The part of window o that lies inside an image of `size`: first .. last-1. */
static void window(int64_t o, int64_t stride, int64_t kernel, int64_t before, int64_t size,
                   int64_t *first, int64_t *last) {
  const int64_t start = o * stride - before;
  *first = LCL_MAX(start, 0);
  *last = LCL_MIN(start + kernel, size);
}

/* A NaN wins. */
static bool beats(double x, double best) {
  return x > best || (isnan(x) && !isnan(best));
}

void lcl__ref_max_pool2d(const lcl_ref_pool *d, const double *x, double *y, int32_t *indices) {
  for (int64_t p = 0; p < d->planes; p++)
    for (int64_t i = 0; i < d->oh; i++)
      for (int64_t j = 0; j < d->ow; j++) {
        int64_t y0, y1, x0, x1, best = -1;
        window(i, d->stride_y, d->kernel_y, d->top, d->h, &y0, &y1);
        window(j, d->stride_x, d->kernel_x, d->left, d->w, &x0, &x1);
        const double *image = x + p * d->h * d->w;
        for (int64_t iy = y0; iy < y1; iy++)
          for (int64_t ix = x0; ix < x1; ix++)
            if (best < 0 || beats(image[iy * d->w + ix], image[best])) best = iy * d->w + ix;
        const int64_t out = (p * d->oh + i) * d->ow + j;
        if (y) y[out] = best < 0 ? 0 : image[best];
        if (indices) indices[out] = (int32_t)best;
      }
}

void lcl__ref_max_unpool2d(int64_t planes, int64_t in_plane, int64_t out_plane, const double *v,
                           const int32_t *indices, double *gx) {
  for (int64_t i = 0; i < planes * in_plane; i++) gx[i] = 0;
  for (int64_t p = 0; p < planes; p++)
    for (int64_t i = 0; i < out_plane; i++) {
      const int32_t at = indices[p * out_plane + i];
      if (at >= 0) gx[p * in_plane + at] += v[p * out_plane + i];
    }
}

void lcl__ref_argmax_gather2d(int64_t planes, int64_t in_plane, int64_t out_plane, const double *x,
                              const int32_t *indices, double *y) {
  for (int64_t p = 0; p < planes; p++)
    for (int64_t i = 0; i < out_plane; i++) {
      const int32_t at = indices[p * out_plane + i];
      y[p * out_plane + i] = at < 0 ? 0 : x[p * in_plane + at];
    }
}

/* Elements the average of output (i,j) divides by: those inside the image, or those inside the
 * padded image. */
static double divisor(const lcl_ref_pool *d, int64_t i, int64_t j) {
  int64_t y0, y1, x0, x1;
  if (d->count_include_pad) {
    window(i, d->stride_y, d->kernel_y, 0, d->top + d->h + d->bottom, &y0, &y1);
    window(j, d->stride_x, d->kernel_x, 0, d->left + d->w + d->right, &x0, &x1);
  } else {
    window(i, d->stride_y, d->kernel_y, d->top, d->h, &y0, &y1);
    window(j, d->stride_x, d->kernel_x, d->left, d->w, &x0, &x1);
  }
  return (double)LCL_MAX((y1 - y0) * (x1 - x0), 1);
}

void lcl__ref_avg_pool2d(const lcl_ref_pool *d, const double *x, double *y) {
  for (int64_t p = 0; p < d->planes; p++)
    for (int64_t i = 0; i < d->oh; i++)
      for (int64_t j = 0; j < d->ow; j++) {
        int64_t y0, y1, x0, x1;
        window(i, d->stride_y, d->kernel_y, d->top, d->h, &y0, &y1);
        window(j, d->stride_x, d->kernel_x, d->left, d->w, &x0, &x1);
        double sum = 0;
        for (int64_t iy = y0; iy < y1; iy++)
          for (int64_t ix = x0; ix < x1; ix++) sum += x[(p * d->h + iy) * d->w + ix];
        y[(p * d->oh + i) * d->ow + j] = sum / divisor(d, i, j);
      }
}

void lcl__ref_avg_unpool2d(const lcl_ref_pool *d, const double *gy, double *gx) {
  for (int64_t i = 0; i < d->planes * d->h * d->w; i++) gx[i] = 0;
  for (int64_t p = 0; p < d->planes; p++)
    for (int64_t i = 0; i < d->oh; i++)
      for (int64_t j = 0; j < d->ow; j++) {
        int64_t y0, y1, x0, x1;
        window(i, d->stride_y, d->kernel_y, d->top, d->h, &y0, &y1);
        window(j, d->stride_x, d->kernel_x, d->left, d->w, &x0, &x1);
        const double share = gy[(p * d->oh + i) * d->ow + j] / divisor(d, i, j);
        for (int64_t iy = y0; iy < y1; iy++)
          for (int64_t ix = x0; ix < x1; ix++) gx[(p * d->h + iy) * d->w + ix] += share;
      }
}
