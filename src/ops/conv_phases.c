/* The input gradient of a strided convolution, with tiled kernels: positions of one phase see the
 * same taps of the filter, so each phase is a GEMM of its own, and one launch has them all. See
 * cl/gemm_tiled.cl. */
#include "ops/conv_gemm.h"
#include "ops/gemm_args.h"

static int64_t down(const lcl_conv_problem *p) {
  return LCL_MIN(p->a.stride[0], p->s.h);
}
static int64_t across(const lcl_conv_problem *p) {
  return LCL_MIN(p->a.stride[1], p->s.w);
}

/* A GEMM with as many columns and rounds as any phase has: what launches are made for. */
static lcl_gemm largest(const lcl_conv_problem *p) {
  lcl_gemm most = lcl__conv_gemm_phase(p, 0, 0);
  const int64_t n = most.n;
  for (int64_t ph = 0; ph < down(p); ph++)
    for (int64_t pw = 0; pw < across(p); pw++) {
      const lcl_gemm g = lcl__conv_gemm_phase(p, ph, pw);
      if (g.k > most.k) most = g;
    }
  most.n = n;
  most.flops = p->flops;
  return most;
}

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p) {
  return !caps->packed && down(p) * across(p) > 1 && largest(p).k > 0;
}

static bool profitable(const lcl_caps *caps, const lcl_conv_problem *p) {
  (void)p;
  return caps->unit_lanes >= 64; /* others have no registers for what differs */
}

/* All phases as a batch. */
static lcl_gemm together(const lcl_conv_problem *p) {
  lcl_gemm g = largest(p);
  g.batch *= down(p) * across(p);
  return g;
}

static void choose(const lcl_caps *caps, const lcl_conv_problem *p, lcl_kernel_params *params) {
  const lcl_gemm g = together(p);
  lcl__gemm_tiled_choose(caps, &g, 1, params);
  /* What differs from phase to phase takes instructions of each round: no tile that reads most for
   * what it multiplies. */
  if (params->tile_m + params->tile_n < 96 * params->vectors) params->tile_n *= 2;
}

static double expected(const lcl_caps *caps, const lcl_conv_problem *p,
                       const lcl_kernel_params *params) {
  const lcl_gemm g = together(p);
  lcl_kernel_params whole = *params;
  whole.split_k = 1;
  return lcl__gemm_tiled_expected(caps, &g, &whole);
}

static bool legal(const lcl_caps *caps, const lcl_conv_problem *p,
                  const lcl_kernel_params *params) {
  (void)p;
  return lcl__gemm_tiled_fits(caps, params);
}

static int64_t step(const lcl_conv_attr *a, int side) {
  return a->stride[side] / lcl__gcd(a->stride[side], a->dilation[side]);
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *params) {
  const lcl_conv_attr *a = &p->a;
  const lcl_conv_sizes *s = &p->s;
  lcl_gemm g = largest(p);
  const gemm_phases phases = { .images = lcl__int(lw, s->n),
                               .batch = lcl__int(lw, g.batch),
                               .across = lcl__int(lw, across(p)),
                               .h = lcl__int(lw, s->h),
                               .w = lcl__int(lw, s->w),
                               .kh = lcl__int(lw, s->kh),
                               .kw = lcl__int(lw, s->kw),
                               .sh = lcl__int(lw, a->stride[0]),
                               .sw = lcl__int(lw, a->stride[1]),
                               .top = lcl__int(lw, a->pad[0]),
                               .left = lcl__int(lw, a->pad[2]),
                               .dh = lcl__int(lw, a->dilation[0]),
                               .dw = lcl__int(lw, a->dilation[1]),
                               .step_h = lcl__int(lw, step(a, 0)),
                               .step_w = lcl__int(lw, step(a, 1)) };
  g.a_base = g.c_base = 0; /* the phases' own are added */
  return lcl__gemm_tiled_phases(lw, &g, params, LCL_STRUCT(phases), down(p) * across(p));
}

static const lcl_kernel_param tunables[] = { LCL_KERNEL_PARAM(tile_m, 32, 64, 128),
                                             LCL_KERNEL_PARAM(tile_n, 32, 64, 128),
                                             LCL_KERNEL_PARAM(vectors, 1, 2) };

const lcl_conv_implementation lcl__conv_phases = { .base = LCL_IMPLEMENTATION("phases", tunables),
                                                   .passes = LCL_CONV_INPUT_GRAD,
                                                   .halves = true,
                                                   .supported = supported,
                                                   .profitable = profitable,
                                                   .choose = choose,
                                                   .expected = expected,
                                                   .legal = legal,
                                                   .lower = lower };
