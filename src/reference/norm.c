/* Batch norm with the batch's statistics (Ioffe and Szegedy 2015). */
#include <math.h>

#include "latentcl/nn.h"
#include "reference/ball.h"
#include "reference/families.h"

static lcl_status norm_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                             lcl_tensor **out) {
  const lcl_shape s = c->in[0].shape;
  lcl_shape channel = s;
  char a[96], b[96];
  (void)g;
  if (s.rank < 2)
    return lcl__fail(LCL_ERR_SHAPE, "x (N,C) or (N,C,H,W) was expected, got %s",
                     lcl_shape_string(s, a));
  for (int i = 0; i < s.rank; i++)
    if (i != 1) channel.dim[i] = 1;
  for (int k = 1; k < 3; k++)
    if (c->in[k].shape.rank != 1 || c->in[k].shape.dim[0] != s.dim[1])
      return lcl__fail(LCL_ERR_SHAPE, "%s of %lld elements was expected for x %s, got %s",
                       c->spec->in[k].name, (long long)s.dim[1], lcl_shape_string(s, a),
                       lcl_shape_string(c->in[k].shape, b));
  if (!(c->attr[0].f > 0))
    return lcl__fail(LCL_ERR_ARGUMENT, "eps=%g: a number above 0 was expected", c->attr[0].f);
  lcl_tensor *xh = lcl_normalise(in[0], (float)c->attr[0].f, NULL, NULL);
  out[0] = lcl_add(lcl_mul(xh, lcl_reshape(in[1], channel)), lcl_reshape(in[2], channel));
  return LCL_OK;
}

/* The elements of a channel: m of them, the i-th at channel_at(c, channel, i). */
typedef struct layout {
  int64_t channels, plane, m;
} layout;

static layout layout_of(const lcl_case *c) {
  const lcl_shape s = c->in[0].shape;
  layout l = { .channels = s.dim[1], .plane = 1 };
  for (int i = 2; i < s.rank; i++) l.plane *= s.dim[i];
  l.m = s.dim[0] * l.plane;
  return l;
}

static int64_t element(const layout *l, int64_t channel, int64_t i) {
  return (i / l->plane * l->channels + channel) * l->plane + i % l->plane;
}

static double epsilon(const lcl_case *c) {
  return (float)c->attr[0].f;
}

static void statistics(const lcl_case *c, const layout *l, int64_t channel, double *mean,
                       double *inverse_deviation) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < l->m; i++) sum += c->in[0].data[element(l, channel, i)];
  *mean = sum / (double)l->m;
  for (int64_t i = 0; i < l->m; i++) {
    const double d = c->in[0].data[element(l, channel, i)] - *mean;
    squares += d * d;
  }
  *inverse_deviation = 1 / sqrt(squares / (double)l->m + epsilon(c));
}

static lcl_status norm_forward(lcl_case *c) {
  const layout l = layout_of(c);
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->out[0]));
  for (int64_t k = 0; k < l.channels; k++) {
    double mean, inverse;
    statistics(c, &l, k, &mean, &inverse);
    for (int64_t i = 0; i < l.m; i++) {
      const int64_t at = element(&l, k, i);
      c->out[0].data[at] = (c->in[0].data[at] - mean) * inverse * c->in[1].data[k] +
                           c->in[2].data[k];
    }
  }
  return LCL_OK;
}

/* With xh = (x - mean)/deviation and gh = gamma g: gx = (gh - mean gh - xh mean(gh xh))/deviation.
 */
static lcl_status norm_backward(lcl_case *c) {
  const layout l = layout_of(c);
  const double *x = c->in[0].data, *g = c->grad_out[0].data;
  for (int k = 0; k < 3; k++) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_in[k]));
  for (int64_t k = 0; k < l.channels; k++) {
    double mean, inverse, sum_g = 0, sum_gx = 0;
    statistics(c, &l, k, &mean, &inverse);
    for (int64_t i = 0; i < l.m; i++) {
      const int64_t at = element(&l, k, i);
      sum_g += g[at];
      sum_gx += g[at] * (x[at] - mean) * inverse;
    }
    for (int64_t i = 0; i < l.m; i++) {
      const int64_t at = element(&l, k, i);
      const double xh = (x[at] - mean) * inverse;
      c->grad_in[0].data[at] = c->in[1].data[k] * inverse *
                               (g[at] - sum_g / (double)l.m - xh * sum_gx / (double)l.m);
    }
    c->grad_in[1].data[k] = sum_gx;
    c->grad_in[2].data[k] = sum_g;
  }
  return LCL_OK;
}

/* ---- bound ---- */

static lcl_ball centred(const lcl_case *c, int64_t at, lcl_ball mean) {
  return ball_sub(ball_exact(c->in[0].data[at]), mean);
}

/* The same two passes with errors. */
static void ball_statistics(const lcl_case *c, const layout *l, int64_t channel, lcl_ball *mean,
                            lcl_ball *inverse) {
  lcl_ball_sum sum = { 0 }, squares = { 0 };
  const lcl_ball m = ball_exact((double)l->m);
  for (int64_t i = 0; i < l->m; i++)
    ball_sum_add(&sum, ball_exact(c->in[0].data[element(l, channel, i)]));
  *mean = ball_div(ball_sum_get(&sum), m);
  for (int64_t i = 0; i < l->m; i++) {
    const lcl_ball d = centred(c, element(l, channel, i), *mean);
    ball_sum_add(&squares, ball_mul(d, d));
  }
  *inverse = ball_rsqrt(ball_add(ball_div(ball_sum_get(&squares), m), ball_exact(epsilon(c))));
}

static void channel_bound(lcl_case *c, const layout *l, int64_t k) {
  const double *g = c->grad_out[0].data;
  const lcl_ball gamma = ball_exact(c->in[1].data[k]), beta = ball_exact(c->in[2].data[k]),
                 m = ball_exact((double)l->m);
  lcl_ball mean, inverse;
  lcl_ball_sum sum_g = { 0 }, sum_gx = { 0 };
  ball_statistics(c, l, k, &mean, &inverse);
  for (int64_t i = 0; i < l->m; i++) {
    const int64_t at = element(l, k, i);
    const lcl_ball xh = ball_mul(centred(c, at, mean), inverse);
    c->out_bound[0].data[at] = ball_allowed(ball_add(ball_mul(xh, gamma), beta));
    if (!g) continue;
    ball_sum_add(&sum_g, ball_exact(g[at]));
    ball_sum_add(&sum_gx, ball_mul(ball_exact(g[at]), xh));
  }
  if (!g) return;
  const lcl_ball total_g = ball_sum_get(&sum_g), total_gx = ball_sum_get(&sum_gx);
  for (int64_t i = 0; i < l->m; i++) {
    const int64_t at = element(l, k, i);
    const lcl_ball xh = ball_mul(centred(c, at, mean), inverse), factor = ball_mul(gamma, inverse);
    const lcl_ball rest = ball_add(ball_div(total_g, m), ball_mul(xh, ball_div(total_gx, m)));
    c->grad_bound[0].data[at] = ball_allowed(ball_mul(factor, ball_sub(ball_exact(g[at]), rest)));
  }
  c->grad_bound[1].data[k] = ball_allowed(total_gx);
  c->grad_bound[2].data[k] = ball_allowed(total_g);
}

static lcl_status norm_bound(lcl_case *c) {
  const layout l = layout_of(c);
  LCL_TRY(lcl__array_new(c, LCL_F32, c->out[0].shape, &c->out_bound[0]));
  for (int k = 0; k < 3 && c->grad_in[0].data; k++)
    LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_bound[k]));
  for (int64_t k = 0; k < l.channels; k++) channel_bound(c, &l, k);
  return LCL_OK;
}

static void norm_random(lcl_case *c, lcl_rng *r) {
  const lcl_shape s = lcl__rng_shape(r, lcl__rng_chance(r, 50) ? 2 : 4, c->small ? 400 : 10000);
  c->in[0].shape = s;
  c->in[1].shape = c->in[2].shape = LCL_SHAPE(s.dim[1]);
  c->attr[0].f = lcl__rng_chance(r, 50) ? 1e-5 : 1e-3;
}

const lcl_spec lcl__norm_specs[] = {
  { .name = "batch_norm",
    .summary = "gamma*(x - mean)/sqrt(variance + eps) + beta with the batch's statistics",
    .notes = "x (N,C) or (N,C,H,W), gamma and beta (C). Mean and (biased) variance are taken over "
             "every axis "
             "but C.",
    .in = { { .name = "x" }, { .name = "gamma" }, { .name = "beta" } },
    .out = { "y" },
    .attr = { { "eps", LCL_ATTR_FLOAT, "1e-5", "added to the variance", NULL } },
    .flags = LCL_SPEC_GENERATED | LCL_SPEC_FINITE,
    .build = norm_build,
    .forward = norm_forward,
    .backward = norm_backward,
    .bound = norm_bound,
    .random = norm_random },
};
const size_t lcl__norm_spec_count = LCL_COUNT(lcl__norm_specs);
