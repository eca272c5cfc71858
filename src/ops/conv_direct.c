/* Convolutions to few channels and their input gradients, without packing: each work-item computes
 * rows of all of them. See cl/conv_direct.cl. */
#include "ops/conv_gemm.h"
#include "ops/gemm_args.h"

enum { MOST_ROWS = 4 }; /* of the filter matrix: sums that stay in registers */

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p) {
  const lcl_gemm g = lcl__conv_gemm_of(p);
  return caps->packed && g.m <= MOST_ROWS && g.patches.sw == 1;
}

static bool profitable(const lcl_caps *caps, const lcl_conv_problem *p) {
  return 2 * lcl__conv_gemm_of(p).patches.gr >= lcl__packed_vec(caps);
}

static lcl_status lower_gemm(lcl_lower *lw, const lcl_gemm *g) {
  if (g->n == 0) return LCL_OK;
  const lcl_patches *x = &g->patches;
  const int vec = lcl__packed_vec(lcl__lower_caps(lw));
  const int64_t all = x->images * x->gq, units = lcl__units(lcl__lower_caps(lw));
  const int64_t rows = LCL_MAX(1, lcl__ceil_div(all * g->batch, 16 * units));
  char options[32], label[128];
  snprintf(options, sizeof options, "-DVEC=%d", vec);
  snprintf(label, sizeof label, "%s direct", g->label);
  const lcl_gemm_target t = lcl__gemm_choose_target(lw, g, 1, 0);
  return lcl__emit(
      lw, &(lcl_launch) { .label = label,
                          .source = { .file = "conv_direct.cl", .options = options },
                          .kernel = "conv_direct",
                          LCL_ARGS(g->a, g->b, g->c, g->bias, lcl__gemm_sizes_arg(lw, g, g->n, 1),
                                   lcl__gemm_a_arg(lw, g),
                                   lcl__gemm_b_arg(lw, g, x->channels * x->h * x->w),
                                   lcl__gemm_c_arg(lw, g, &t), lcl__gemm_patches_arg(lw, g, 0),
                                   lcl__i32(all), lcl__i32(rows)),
                          .dims = 2,
                          .global = { (size_t)lcl__ceil_div(all, rows), (size_t)g->batch },
                          .local = { 1, 1 },
                          .flops = g->flops,
                          .bytes = lcl__gemm_bytes(g) });
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *none) {
  (void)none;
  return lcl__conv_gemm_each(lw, p, lower_gemm);
}

const lcl_conv_implementation lcl__conv_direct = { .base = { .name = "direct" },
                                                   .passes = LCL_CONV_FORWARD | LCL_CONV_INPUT_GRAD,
                                                   .supported = supported,
                                                   .profitable = profitable,
                                                   .lower = lower };
