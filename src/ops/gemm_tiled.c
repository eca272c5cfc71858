/* The tiled GEMM: for GPUs, work-groups that share tiles of A and B in local memory. See
 * cl/gemm_tiled.cl. */
#include "ops/gemm_args.h"

static bool supported(const lcl_caps *caps, const lcl_gemm *g) {
  (void)caps;
  (void)g;
  return true;
}

static void choose(const lcl_caps *caps, const lcl_gemm *g, lcl_kernel_params *p) {
  p->group = caps->max_work_group >= 256 ? 16 : 8;
  /* Half of a tile of 64 rows would be empty; measured on llvmpipe: 1.4 to 2.4 times faster. */
  if (caps->local_is_global && g->m <= 32) p->group = 8;
  p->vectors = 1;
  const int64_t units = lcl__units(caps);
  const int64_t large = lcl__ceil_div(g->m, 128) * lcl__ceil_div(g->n, 128) * g->batch;
  /* 64 sums a work-item need registers that only GPUs have: on llvmpipe they make it three times
   * slower. */
  if (p->group == 16 && !caps->local_is_global && caps->local_mem >= 24 << 10 && g->m >= 96 &&
      g->n >= 96 && large >= 2 * units)
    p->vectors = 2;
  const int64_t side = 4 * p->vectors * p->group;
  const int64_t tiles = LCL_MAX(1,
                                lcl__ceil_div(g->m, side) * lcl__ceil_div(g->n, side) * g->batch);
  p->split_k = 1;
  if (g->source != LCL_GEMM_PATCHES && tiles < 2 * units && g->k >= 1024)
    p->split_k = (int)LCL_MIN(lcl__ceil_div(2 * units, tiles), g->k / 512);
}

static bool legal(const lcl_caps *caps, const lcl_gemm *g, const lcl_kernel_params *p) {
  return (p->group == 8 || p->group == 16) &&
         (size_t)p->group * (size_t)p->group <= caps->max_work_group &&
         (p->vectors == 1 || p->vectors == 2) && lcl__gemm_split_legal(g, p->split_k);
}

static lcl_status lower(lcl_lower *lw, const lcl_gemm *g, const lcl_kernel_params *p) {
  const lcl_patches *x = &g->patches;
  const int64_t side = 4 * p->vectors * p->group;
  char options[64], label[128];
  snprintf(options, sizeof options, "-DSOURCE=%d -DGROUP=%d -DNV=%d%s", (int)g->source, p->group,
           p->vectors, lcl__gemm_half_option(g));
  snprintf(label, sizeof label, "%s tiled", g->label);
  const int splits = lcl__gemm_splits(g, p->split_k, 128);
  const lcl_gemm_target t = lcl__gemm_choose_target(lw, g, splits, 0);
  if (t.part < 0) strcat(options, lcl__gemm_half_c_option(g));
  LCL_TRY(lcl__emit(
      lw, &(lcl_launch) { .label = label,
                          .source = { .file = "gemm_tiled.cl", .options = options },
                          .kernel = "gemm_tiled",
                          LCL_ARGS(g->a, g->b, t.c, g->bias_kind && t.part < 0 ? g->bias : g->a,
                                   lcl__gemm_sizes_arg(lw, g, g->n, splits), lcl__gemm_a_arg(lw, g),
                                   lcl__gemm_b_arg(lw, g, x->channels * x->h * x->w),
                                   lcl__gemm_c_arg(lw, g, &t), lcl__gemm_patches_arg(lw, g, 0)),
                          .dims = 3,
                          .global = { (size_t)(lcl__ceil_div(g->n, side) * p->group),
                                      (size_t)(lcl__ceil_div(g->m, side) * p->group),
                                      (size_t)(g->batch * splits) },
                          .local = { (size_t)p->group, (size_t)p->group, 1 },
                          .flops = g->flops,
                          .bytes = lcl__gemm_bytes(g) }));
  return t.part < 0 ? LCL_OK : lcl__gemm_sum_parts(lw, g, splits, t.part, t.ldc, 0);
}

static const lcl_kernel_param params[] = { LCL_KERNEL_PARAM(split_k, 1, 2, 3, 4, 6, 8),
                                           LCL_KERNEL_PARAM(group, 8, 16),
                                           LCL_KERNEL_PARAM(vectors, 1, 2) };

const lcl_gemm_implementation lcl__gemm_tiled = { .base = LCL_IMPLEMENTATION("tiled", params),
                                                  .halves = true,
                                                  .supported = supported,
                                                  .profitable = supported,
                                                  .choose = choose,
                                                  .legal = legal,
                                                  .lower = lower };
