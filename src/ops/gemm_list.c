/* The list of GEMM implementations. See gemm.h. */
#include "ops/choose.h"
#include "ops/gemm.h"

extern const lcl_gemm_implementation lcl__gemm_packed, lcl__gemm_tiled, lcl__gemm_clblast;

static const lcl_implementation *const list[] = { &lcl__gemm_packed.base, &lcl__gemm_tiled.base,
                                                  &lcl__gemm_clblast.base, NULL };

static const lcl_gemm_implementation *typed(const lcl_implementation *im) {
  return (const lcl_gemm_implementation *)im; /* whose first member it is */
}

static bool supported(const lcl_implementation *im, const lcl_caps *caps, const void *g) {
  return (typed(im)->halves || !((const lcl_gemm *)g)->half) && typed(im)->supported(caps, g);
}

static bool profitable(const lcl_implementation *im, const lcl_caps *caps, const void *g) {
  return typed(im)->profitable && typed(im)->profitable(caps, g);
}

static void start(const lcl_implementation *im, const lcl_caps *caps, const void *g,
                  lcl_kernel_params *params) {
  if (typed(im)->choose) typed(im)->choose(caps, g, params);
}

static bool legal(const lcl_caps *caps, const void *g, const lcl_choice *c) {
  const lcl_gemm_implementation *im = typed(c->implementation);
  return !im->legal || im->legal(caps, g, &c->params);
}

static double expected(const lcl_caps *caps, const void *p, const lcl_choice *c) {
  const lcl_gemm_implementation *im = typed(c->implementation);
  return im->expected ? im->expected(caps, p, &c->params) : 0;
}

static lcl_status lower(lcl_lower *lw, const void *p, const lcl_choice *c) {
  return typed(c->implementation)->lower(lw, p, &c->params);
}

const lcl_kind lcl__gemm_kind = { .list = list,
                                  .supported = supported,
                                  .profitable = profitable,
                                  .start = start,
                                  .expected = expected,
                                  .legal = legal,
                                  .lower = lower };

static void write_key(const lcl_gemm *g, char key[160]) {
  const lcl_patches *p = &g->patches;
  const int n = snprintf(key, 160, "gemm%s %lldx%lldx%lld b%lld a%c", g->half ? " f16" : "",
                         (long long)g->m, (long long)g->n, (long long)g->k, (long long)g->batch,
                         g->a_rs == 1 ? 't' : 'n');
  if (g->source == LCL_GEMM_MATRIX)
    snprintf(key + n, 160 - (size_t)n, " b%c", g->csb == 1 ? 'n' : 't');
  else
    snprintf(key + n, 160 - (size_t)n,
             " %s %lldx%lldx%lldx%lld taps %lldx%lld step %lld,%lld dilation %lld,%lld",
             g->source == LCL_GEMM_PATCHES ? "patches" : "patches_t", (long long)p->images,
             (long long)p->channels, (long long)p->h, (long long)p->w, (long long)p->ta,
             (long long)p->tb, (long long)p->sh, (long long)p->sw, (long long)p->dh,
             (long long)p->dw);
}

lcl_problem lcl__gemm_as_problem(const lcl_gemm *g) {
  lcl_problem p = { .kind = &lcl__gemm_kind,
                    .p = g,
                    .op = g->op,
                    .label = g->label,
                    .flops = 2.0 * (double)g->m * (double)g->n * (double)g->k * (double)g->batch };
  write_key(g, p.key);
  return p;
}

lcl_status lcl__gemm_lower(lcl_lower *lw, const lcl_gemm *g) {
  if (g->m == 0 || g->n == 0 || g->batch == 0) return LCL_OK;
  const lcl_problem p = lcl__gemm_as_problem(g);
  return lcl__choose_and_lower(lw, &p);
}
