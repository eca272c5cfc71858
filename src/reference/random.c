/* Random ops: the host's Philox (base/philox.h) says which numbers a device has to generate. */
#include <float.h>
#include <math.h>

#include "base/philox.h"
#include "latentcl/ops.h"
#include "reference/families.h"

typedef enum random_kind { UNIFORM, NORMAL, BERNOULLI, DROPOUT } random_kind;

static lcl_status random_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                               lcl_tensor **out) {
  const lcl_shape s = lcl__attr_shape(lcl__case_attr(c, "shape"));
  const double rate = lcl__case_attr(c, "rate")->f;
  switch ((random_kind)c->spec->variant) {
  case UNIFORM: out[0] = lcl_random_uniform(g, s); break;
  case NORMAL: out[0] = lcl_random_normal(g, s); break;
  case BERNOULLI: out[0] = lcl_random_bernoulli(in[0]); break;
  case DROPOUT:
    if (!(rate >= 0 && rate < 1))
      return lcl__fail(LCL_ERR_ARGUMENT, "rate=%g: a number in [0,1) was expected", rate);
    out[0] = lcl_dropout(in[0], (float)rate);
    break;
  }
  return LCL_OK;
}

/* The case's numbers: stream 0 (the graph's first random op). */
static lcl_status sample(const lcl_case *c, int64_t n, bool normal, float **out) {
  *out = lcl__arena_alloc(c->arena, ((size_t)n + 1) * sizeof **out);
  if (!*out) return LCL_ERR_HOST_MEMORY;
  (normal ? lcl__philox_normal : lcl__philox_uniform)(c->rng_seed, 0, c->rng_step, *out, (size_t)n);
  return LCL_OK;
}

static lcl_status random_forward(lcl_case *c) {
  const random_kind kind = (random_kind)c->spec->variant;
  const bool from_input = kind == BERNOULLI || kind == DROPOUT;
  const lcl_shape s = from_input ? c->in[0].shape : lcl__attr_shape(lcl__case_attr(c, "shape"));
  const double keep = 1 - (double)(float)lcl__case_attr(c, "rate")->f;
  float *u;
  LCL_TRY(sample(c, lcl_shape_count(s), kind == NORMAL, &u));
  LCL_TRY(lcl__array_new(c, LCL_F32, s, &c->out[0]));
  for (int64_t i = 0; i < lcl_shape_count(s); i++) {
    c->out[0].data[i] = u[i];
    if (kind == BERNOULLI) c->out[0].data[i] = u[i] < c->in[0].data[i];
    if (kind == DROPOUT) c->out[0].data[i] = u[i] < (float)keep ? c->in[0].data[i] / keep : 0;
  }
  return LCL_OK;
}

/* Dropout's gradient goes through the same mask. */
static lcl_status dropout_backward(lcl_case *c) {
  const double keep = 1 - (double)(float)lcl__case_attr(c, "rate")->f;
  float *u;
  LCL_TRY(sample(c, lcl__array_count(&c->in[0]), false, &u));
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->grad_in[0]));
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++)
    c->grad_in[0].data[i] = u[i] < (float)keep ? c->grad_out[0].data[i] / keep : 0;
  return LCL_OK;
}

/* Uniform numbers and choices are exact. Normal: sqrt(-2 log u) cos(2 pi v): 3 ulps each of log and
 * sqrt, 4 of cos, whose argument carries an absolute error of a few roundings of 2 pi. Dropout: a
 * division or a product with 1/keep. */
static lcl_status random_bound(lcl_case *c) {
  const int64_t n = lcl__array_count(&c->out[0]);
  const random_kind kind = (random_kind)c->spec->variant;
  LCL_TRY(lcl__array_new(c, LCL_F32, c->out[0].shape, &c->out_bound[0]));
  for (int64_t i = 0; i < n; i++) {
    const double y = fabs(c->out[0].data[i]);
    if (kind == NORMAL)
      c->out_bound[0].data[i] = LCL_UNIT_ROUNDOFF * (24 * y + 6 * 2 * 3.15 * 5.8) + FLT_MIN;
    if (kind == DROPOUT) c->out_bound[0].data[i] = LCL_UNIT_ROUNDOFF * 8 * y;
  }
  if (!c->grad_in[0].data) return LCL_OK;
  LCL_TRY(lcl__array_new(c, LCL_F32, c->out[0].shape, &c->grad_bound[0]));
  for (int64_t i = 0; i < n; i++)
    c->grad_bound[0].data[i] = LCL_UNIT_ROUNDOFF * 8 * fabs(c->grad_in[0].data[i]);
  return LCL_OK;
}

static void random_random(lcl_case *c, lcl_rng *r) {
  const lcl_shape s = lcl__rng_shape(r, 1 + (int)lcl__rng_below(r, 4), c->small ? 400 : 8000);
  lcl_attr *shape = (lcl_attr *)lcl__case_attr(c, "shape"),
           *seed = (lcl_attr *)lcl__case_attr(c, "seed");
  seed->n = 1, seed->i[0] = (int64_t)(lcl__rng_next(r) >> 1);
  if (c->spec->variant == BERNOULLI || c->spec->variant == DROPOUT) {
    c->in[0].shape = s;
    if (c->spec->variant == DROPOUT)
      ((lcl_attr *)lcl__case_attr(c, "rate"))->f = lcl__rng_real(r, 0, 0.9);
    return;
  }
  shape->n = s.rank;
  memcpy(shape->i, s.dim, sizeof s.dim);
}

#define SEED                                                                                       \
  { "seed", LCL_ATTR_INT, "0", "the same seed gives the same numbers on every device", NULL }
#define SAMPLED(kind)                                                                              \
  .out = { "y" }, .variant = kind, .flags = LCL_SPEC_RANDOM | LCL_SPEC_EMPTY | LCL_SPEC_FINITE,    \
  .build = random_build, .forward = random_forward, .bound = random_bound, .random = random_random

const lcl_spec lcl__random_specs[] = {
  { .name = "random_normal",
    .summary = "independent normal numbers, mean 0 and deviation 1",
    .attr = { { "shape", LCL_ATTR_LIST, NULL, "shape of the result", NULL }, SEED },
    SAMPLED(NORMAL) },
  { .name = "random_uniform",
    .summary = "independent uniform numbers of [0,1)",
    .attr = { { "shape", LCL_ATTR_LIST, NULL, "shape of the result", NULL }, SEED },
    SAMPLED(UNIFORM) },
  { .name = "random_bernoulli",
    .summary = "1 with probability p, else 0",
    .in = { { .name = "p", .domain = LCL_UNIT } },
    .attr = { SEED },
    SAMPLED(BERNOULLI) },
  { .name = "dropout",
    .summary = "x/(1-rate) with probability 1-rate, else 0",
    .in = { { .name = "x" } },
    .attr = { { "rate", LCL_ATTR_FLOAT, "0.5", "share of elements set to 0", NULL }, SEED },
    .backward = dropout_backward,
    SAMPLED(DROPOUT) },
};
const size_t lcl__random_spec_count = LCL_COUNT(lcl__random_specs);
