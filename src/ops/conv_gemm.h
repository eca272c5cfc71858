/* A convolution as a GEMM of the filter and the patches of images. */
#ifndef LCL_OPS_CONV_GEMM_H
#define LCL_OPS_CONV_GEMM_H

#include "ops/conv.h"
#include "ops/gemm.h"

/* The forward pass or the filter gradient; the input gradient at the positions of phase (0, 0),
 * which are all where the strides are 1. p must outlive the result. */
lcl_gemm lcl__conv_gemm_of(const lcl_conv_problem *p);
/* The input gradient at positions (ph + stride*q, pw + stride*r). */
lcl_gemm lcl__conv_gemm_phase(const lcl_conv_problem *p, int64_t ph, int64_t pw);
/* The whole input gradient, with fractional strides. */
lcl_gemm lcl__conv_gemm_fractional(const lcl_conv_problem *p);

/* Greatest common divisor: every lcl__gcd(stride, dilation)-th tap lies on the grid of a stride. */
int64_t lcl__gcd(int64_t a, int64_t b);

/* Calls lower with the GEMM of the forward pass or the filter gradient, or with that of every phase
 * of the input gradient. */
lcl_status lcl__conv_gemm_each(lcl_lower *lw, const lcl_conv_problem *p,
                               lcl_status (*lower)(lcl_lower *lw, const lcl_gemm *g));

#endif
