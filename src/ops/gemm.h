/* The GEMM behind matmul and the convolutions: C = act(A B + bias), batched, where B is a matrix or
 * the patches of images that are never written out; and the list of its implementations. */
#ifndef LCL_OPS_GEMM_H
#define LCL_OPS_GEMM_H

#include "ops/packed.h"
#include "ops/kind.h"

typedef enum lcl_gemm_source {
  LCL_GEMM_MATRIX,   /* B[k,j] at b_base + z*b_batch + k*rsb + j*csb */
  LCL_GEMM_PATCHES,  /* k = (tap a, tap b, channel), j = (image, q, r): convolution */
  LCL_GEMM_PATCHES_T /* k = (image, q, r), j = (channel, tap a, tap b): filter gradient */
} lcl_gemm_source;

/* Images x (images, all_channels, h, w); GEMM z of the batch uses channels z*channels...
 * Pixel (q,r) of a gq x gr grid with tap (a,b), a < ta, b < tb, is x[q*sh + h0 + a*dh, r*sw + w0 +
 * b*dw], zero outside. With fh or fw above 1 the stride is fractional: x[(q*sh + h0 + a*dh)/fh,
 * ...], zero where that does not divide (the input gradient of a strided convolution; no
 * implementation of the GEMM computes it, see conv_nhwc.c). */
typedef struct lcl_patches {
  int64_t images, all_channels, channels, h, w;
  int64_t gq, gr, sh, sw, h0, w0;
  int64_t ta, tb, dh, dw;
  int64_t fh, fw; /* 0 stands for 1 */
} lcl_patches;

enum { LCL_BIAS_NONE, LCL_BIAS_COLUMN, LCL_BIAS_ROW, LCL_BIAS_ELEMENT };

typedef struct lcl_gemm {
  const char *label; /* "conv2d 32x3x32x32" */
  const char *op;    /* by which a user can ask for an algorithm; NULL: part of a convolution */
  int64_t m, n, k, batch;
  bool half, half_c; /* A and B, and C are stored in half precision */
  /* A[i,k] with k = (l0, l1), l1 < a_len: a_base + z*a_batch + i*a_rs + (l0/a_tb)*a_sa +
   * (l0%a_tb)*a_sb + l1*a_s1 */
  lcl_arg a;
  int64_t a_base, a_batch, a_rs, a_len, a_tb, a_sa, a_sb, a_s1;
  lcl_arg b;
  lcl_gemm_source source;
  int64_t b_base, b_batch, rsb, csb; /* matrix */
  lcl_patches patches;
  /* C[i,j] at c_base + z*c_batch + i*ldc + j; for PATCHES j = (n,q,r) is at n*yn + q*yrow + r*ycol
   * instead.
   */
  lcl_arg c;
  int64_t c_base, c_batch, ldc, yn, yrow, ycol;
  lcl_arg bias; /* with bias_kind other than NONE: a number a column, or a row z*m + i */
  int bias_kind;
  lcl_act act;
  float slope;
  double flops;
  /* Scratch with b's channels-last copy, to share among GEMMs with the same b: -1 until one of
   * them made it. */
  int *channels_last;
} lcl_gemm;

/* A way to compute a GEMM. */
typedef struct lcl_gemm_implementation {
  lcl_implementation base;
  bool halves; /* it can read operands in half precision */
  /* Whether it can compute g on this device. */
  bool (*supported)(const lcl_caps *caps, const lcl_gemm *g);
  /* Whether it may be taken where nothing was measured: the first such of the list is. NULL: no. */
  bool (*profitable)(const lcl_caps *caps, const lcl_gemm *g);
  /* The parameters that are expected to be fastest. NULL: it has none. */
  void (*choose)(const lcl_caps *caps, const lcl_gemm *g, lcl_kernel_params *p);
  /* Whether g can be computed with these parameters, whoever wrote them down. NULL: it has none. */
  bool (*legal)(const lcl_caps *caps, const lcl_gemm *g, const lcl_kernel_params *p);
  /* Seconds by a cost model, see lcl_kind. NULL: there is none. */
  double (*expected)(const lcl_caps *caps, const lcl_gemm *g, const lcl_kernel_params *p);
  lcl_status (*lower)(lcl_lower *lw, const lcl_gemm *g, const lcl_kernel_params *p);
} lcl_gemm_implementation;

extern const lcl_kind lcl__gemm_kind;
/* g as a problem, which must not outlive it. */
lcl_problem lcl__gemm_as_problem(const lcl_gemm *g);

/* Emits the launches of the chosen implementation. Sizes beyond 31 bits are an error of lcl__emit.
 */
lcl_status lcl__gemm_lower(lcl_lower *lw, const lcl_gemm *g);

#endif
