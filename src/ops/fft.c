/* Own Fourier transform: Stockham passes of radix 5, 4, 3 and 2 along each axis. */
#include "device/divide.h"
#include "ops/fft.h"

int64_t lcl__fft_size(int64_t n) {
  for (int64_t size = LCL_MAX(n, 1);; size++) {
    int64_t rest = size;
    for (int p = 2; p <= 5; p++)
      while (rest % p == 0) rest /= p;
    if (rest == 1) return size;
  }
}

/* Baking a plan of clFFT's takes seconds on CPU drivers: not for less points than this. */
enum { CLFFT_POINTS = 1 << 17 };

static size_t bytes_of(const lcl_fft_desc *d) {
  return (size_t)(d->batch * d->f0 * d->f1) * 2 * sizeof(float);
}

/* All passes along one axis: (outer, len, inner). data and spare change places after each. */
static lcl_status lower_axis(lcl_lower *lw, const lcl_fft_desc *d, int64_t len, int64_t inner,
                             int *data, int *spare) {
  static const int radices[] = { 5, 4, 3, 2 };
  if (len == 1) return LCL_OK;
  const lcl_caps *caps = lcl__lower_caps(lw);
  const int table = lcl__scratch(lw, (size_t)len * 2 * sizeof(float));
  LCL_TRY(
      lcl__emit(lw, &(lcl_launch) { .label = "fft table",
                                    .source = { .file = "fft.cl" },
                                    .kernel = "fft_table",
                                    LCL_ARGS(lcl__scratch_arg(lw, table, LCL_WRITE), lcl__i32(len)),
                                    .dims = 1,
                                    .global = { (size_t)len } }));
  int64_t ns = 1;
  for (int64_t rest = len; rest > 1;) {
    int radix = 2;
    for (size_t i = 0; i < LCL_COUNT(radices); i++)
      if (rest % radices[i] == 0) {
        radix = radices[i];
        break;
      }
    const int64_t total = d->batch * d->f0 * d->f1 / radix;
    const int64_t chunk = lcl__share(caps, total, 256);
    LCL_TRY(lcl__emit(
        lw, &(lcl_launch) { .label = d->label,
                            .source = { .file = "fft.cl" },
                            .kernel = "fft_pass",
                            LCL_ARGS(lcl__scratch_arg(lw, *data, LCL_READ),
                                     lcl__scratch_arg(lw, *spare, LCL_WRITE),
                                     lcl__scratch_arg(lw, table, LCL_READ), lcl__i32(len),
                                     lcl__i32(inner), lcl__i32(ns), lcl__i32(radix),
                                     lcl__i32(d->inverse), lcl__i32(total), lcl__i32(chunk)),
                            .dims = 1,
                            .global = { (size_t)((total + chunk - 1) / chunk) },
                            .flops = 8.0 * radix * (double)total,
                            .bytes = 2.0 * (double)bytes_of(d) }));
    const int other = *data;
    *data = *spare;
    *spare = other;
    ns *= radix;
    rest /= radix;
  }
  return LCL_OK;
}

lcl_status lcl__fft_lower(lcl_lower *lw, const lcl_fft_desc *d, int data, int *result) {
  *result = data;
  if (d->batch * d->f0 * d->f1 >= CLFFT_POINTS) {
    const lcl_status st = lcl__fft_lower_clfft(lw, d, data);
    if (st != LCL_ERR_UNSUPPORTED) return st;
  }
  int spare = lcl__scratch(lw, bytes_of(d));
  LCL_TRY(lower_axis(lw, d, d->f1, 1, result, &spare));
  return lower_axis(lw, d, d->f0, d->f1, result, &spare);
}
