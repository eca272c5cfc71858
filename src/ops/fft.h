/* Batched complex 2-D Fourier transforms of scratch memory: clFFT where it is there and proves
 * right, else own passes. */
#ifndef LCL_OPS_FFT_H
#define LCL_OPS_FFT_H

#include "graph/graph.h"

/* The smallest product of 2, 3 and 5 that is at least n. */
int64_t lcl__fft_size(int64_t n);

/* Transforms `batch` arrays (f0, f1) of float2 in scratch `data`, in place or not: *result is the
 * scratch that holds the transform afterwards. The inverse comes without its factor 1/(f0*f1). */
typedef struct lcl_fft_desc {
  const char *label;
  int64_t f0, f1, batch;
  bool inverse;
} lcl_fft_desc;
lcl_status lcl__fft_lower(lcl_lower *lw, const lcl_fft_desc *d, int data, int *result);

/* fft_clfft.c: the same with clFFT, in place. LCL_ERR_UNSUPPORTED: not built in, switched off,
 * refused or wrong. */
lcl_status lcl__fft_lower_clfft(lcl_lower *lw, const lcl_fft_desc *d, int data);

#endif
