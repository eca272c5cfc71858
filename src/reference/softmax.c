/* Softmax, losses and divergences. Each formula is there twice: in plain double, and as a running
 * error analysis (ball.h) for the bound. */
#include <math.h>

#include "latentcl/nn.h"
#include "reference/ball.h"
#include "reference/families.h"

typedef enum soft_kind { SOFTMAX, LOG_SOFTMAX } soft_kind;
typedef enum loss_kind { CROSS_ENTROPY, BCE, MSE } loss_kind;
typedef enum divergence_kind { GAUSSIAN, CATEGORICAL } divergence_kind;

/* Guard of the categorical divergence's logarithms, as the device holds it. */
static const double tiny = 1e-8f;

/* ---- softmax along an axis ---- */

/* Row k of the softmax axis: element j lies at first + j*step. */
typedef struct row {
  int64_t n, step, first;
} row;

static row row_of(const lcl_case *c, int64_t k) {
  const lcl_shape s = c->in[0].shape;
  int axis = 0;
  lcl__attr_axis(lcl__case_attr(c, "axis"), s.rank, &axis);
  row r = { .n = s.dim[axis], .step = 1 };
  for (int i = axis + 1; i < s.rank; i++) r.step *= s.dim[i];
  r.first = k / r.step * r.step * r.n + k % r.step;
  return r;
}

static int64_t rows(const lcl_case *c) {
  const int64_t n = row_of(c, 0).n;
  return n ? lcl__array_count(&c->in[0]) / n : 0;
}

static lcl_status softmax_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                                lcl_tensor **out) {
  int axis;
  (void)g;
  LCL_TRY(lcl__attr_axis(lcl__case_attr(c, "axis"), c->in[0].shape.rank, &axis));
  out[0] = c->spec->variant == SOFTMAX ? lcl_softmax(in[0], axis) : lcl_log_softmax(in[0], axis);
  return LCL_OK;
}

static double row_max(const double *x, row r) {
  double most = -HUGE_VAL;
  for (int64_t j = 0; j < r.n; j++) most = fmax(most, x[r.first + j * r.step]);
  return most;
}

/* log sum exp, by way of the largest element. */
static double row_lse(const double *x, row r) {
  const double most = row_max(x, r);
  double sum = 0;
  for (int64_t j = 0; j < r.n; j++) sum += exp(x[r.first + j * r.step] - most);
  return most + log(sum);
}

static lcl_status softmax_forward(lcl_case *c) {
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->out[0]));
  const double *x = c->in[0].data;
  for (int64_t k = 0; k < rows(c); k++) {
    const row r = row_of(c, k);
    const double lse = row_lse(x, r);
    for (int64_t j = 0; j < r.n; j++) {
      const double y = x[r.first + j * r.step] - lse;
      c->out[0].data[r.first + j * r.step] = c->spec->variant == SOFTMAX ? exp(y) : y;
    }
  }
  return LCL_OK;
}

/* softmax: y (g - sum g y); log-softmax: g - exp(y) sum g. */
static lcl_status softmax_backward(lcl_case *c) {
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->grad_in[0]));
  const double *y = c->out[0].data, *g = c->grad_out[0].data;
  const bool logarithm = c->spec->variant == LOG_SOFTMAX;
  for (int64_t k = 0; k < rows(c); k++) {
    const row r = row_of(c, k);
    double sum = 0;
    for (int64_t j = 0; j < r.n; j++) {
      const int64_t at = r.first + j * r.step;
      sum += logarithm ? g[at] : g[at] * y[at];
    }
    for (int64_t j = 0; j < r.n; j++) {
      const int64_t at = r.first + j * r.step;
      c->grad_in[0].data[at] = logarithm ? g[at] - exp(y[at]) * sum : y[at] * (g[at] - sum);
    }
  }
  return LCL_OK;
}

/* Difference to the largest element, and the sum of exponentials of these differences. */
static lcl_ball ball_shifted(double x, double most) {
  return ball_sub(ball_exact(x), ball_exact(most));
}

static lcl_ball ball_row_sum(const double *x, row r, double most) {
  lcl_ball_sum sum = { 0 };
  for (int64_t j = 0; j < r.n; j++)
    ball_sum_add(&sum, ball_exp(ball_shifted(x[r.first + j * r.step], most)));
  return ball_sum_get(&sum);
}

static void softmax_row_bound(lcl_case *c, row r, lcl_ball *y) {
  const double *x = c->in[0].data, *g = c->grad_out[0].data;
  const bool logarithm = c->spec->variant == LOG_SOFTMAX;
  const double most = row_max(x, r);
  const lcl_ball total = ball_row_sum(x, r, most);
  lcl_ball_sum sum = { 0 };
  for (int64_t j = 0; j < r.n; j++) {
    const int64_t at = r.first + j * r.step;
    const lcl_ball shifted = ball_shifted(x[at], most);
    y[j] = logarithm ? ball_sub(shifted, ball_log(total)) : ball_div(ball_exp(shifted), total);
    c->out_bound[0].data[at] = ball_allowed(y[j]);
    if (g) ball_sum_add(&sum, logarithm ? ball_exact(g[at]) : ball_mul(ball_exact(g[at]), y[j]));
  }
  for (int64_t j = 0; j < r.n && g; j++) {
    const lcl_ball gj = ball_exact(g[r.first + j * r.step]), s = ball_sum_get(&sum);
    const lcl_ball gx = logarithm ? ball_sub(gj, ball_mul(ball_exp(y[j]), s))
                                  : ball_mul(y[j], ball_sub(gj, s));
    c->grad_bound[0].data[r.first + j * r.step] = ball_allowed(gx);
  }
}

static lcl_status softmax_bound(lcl_case *c) {
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->out_bound[0]));
  if (c->grad_in[0].data) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->grad_bound[0]));
  lcl_ball *y = lcl__arena_alloc(c->arena, ((size_t)row_of(c, 0).n + 1) * sizeof *y);
  if (!y) return LCL_ERR_HOST_MEMORY;
  for (int64_t k = 0; k < rows(c); k++) softmax_row_bound(c, row_of(c, k), y);
  return LCL_OK;
}

static void softmax_random(lcl_case *c, lcl_rng *r) {
  const int rank = 1 + (int)lcl__rng_below(r, 4);
  c->in[0].shape = lcl__rng_shape(r, rank, c->small ? 400 : 8000);
  c->attr[0].n = 1;
  c->attr[0].i[0] = lcl__rng_below(r, 2 * rank) - rank;
}

/* ---- losses: a mean over n terms ---- */

/* Means over every element; the library's are means over the batch of sums over an example. */
static lcl_status loss_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                             lcl_tensor **out) {
  const lcl_shape s = c->in[0].shape, t = c->in[1].shape;
  char a[96], b[96];
  (void)g;
  if (c->spec->variant == CROSS_ENTROPY) {
    out[0] = lcl_cross_entropy(in[0], in[1]);
    return LCL_OK;
  }
  if (!lcl_shape_equal(s, t))
    return lcl__fail(LCL_ERR_SHAPE, "equal shapes were expected, got %s and %s",
                     lcl_shape_string(s, a), lcl_shape_string(t, b));
  if (c->spec->variant == MSE) {
    out[0] = lcl_l2(in[0], in[1], LCL_L2_MEAN);
    return LCL_OK;
  }
  const double example = s.rank ? (double)s.dim[0] / (double)lcl_shape_count(s) : 1;
  out[0] = lcl_scale(lcl_bce_logits(in[0], in[1]), (float)example);
  return LCL_OK;
}

static double loss_terms(const lcl_case *c) {
  return (double)(c->spec->variant == CROSS_ENTROPY ? c->in[0].shape.dim[0]
                                                    : lcl__array_count(&c->in[0]));
}

static row matrix_row(const lcl_case *c, int64_t k) {
  const int64_t classes = c->in[0].shape.dim[1];
  return (row) { .n = classes, .step = 1, .first = k * classes };
}

/* The loss of an infinite logit is its distance from the target's side times infinity, and 0 where
 * the target is that side. */
static double bce(double logit, double target) {
  if (isinf(logit)) return target == (logit > 0) ? 0 : HUGE_VAL;
  return fmax(logit, 0) + log1p(exp(-fabs(logit))) - target * logit;
}

static lcl_status loss_forward(lcl_case *c) {
  LCL_TRY(lcl__array_new(c, LCL_F32, LCL_SCALAR, &c->out[0]));
  const double *a = c->in[0].data, *b = c->in[1].data;
  double sum = 0;
  for (int64_t i = 0; i < (int64_t)loss_terms(c); i++) switch ((loss_kind)c->spec->variant) {
    case CROSS_ENTROPY: {
      const row r = matrix_row(c, i);
      sum += row_lse(a, r) - a[r.first + (int64_t)b[i]];
      break;
    }
    case BCE: sum += bce(a[i], b[i]); break;
    case MSE: sum += (a[i] - b[i]) * (a[i] - b[i]); break;
    }
  c->out[0].data[0] = sum / loss_terms(c);
  return LCL_OK;
}

static lcl_status loss_backward(lcl_case *c) {
  const double *a = c->in[0].data, *b = c->in[1].data, g = c->grad_out[0].data[0] / loss_terms(c);
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->grad_in[0]));
  double *ga = c->grad_in[0].data;
  if (c->spec->variant == CROSS_ENTROPY) {
    for (int64_t k = 0; k < c->in[0].shape.dim[0]; k++) {
      const row r = matrix_row(c, k);
      const double lse = row_lse(a, r);
      for (int64_t j = 0; j < r.n; j++)
        ga[r.first + j] = g * (exp(a[r.first + j] - lse) - (j == (int64_t)b[k]));
    }
    return LCL_OK;
  }
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[1].shape, &c->grad_in[1]));
  for (int64_t i = 0; i < (int64_t)loss_terms(c); i++)
    if (c->spec->variant == MSE) {
      ga[i] = 2 * g * (a[i] - b[i]);
      c->grad_in[1].data[i] = -ga[i];
    } else {
      ga[i] = g * (1 / (1 + exp(-a[i])) - b[i]);
      c->grad_in[1].data[i] = isinf(a[i]) && bce(a[i], b[i]) == 0 ? 0 : -g * a[i];
    }
  return LCL_OK;
}

/* Term i of the loss. */
static lcl_ball loss_ball(const lcl_case *c, int64_t i) {
  const double *a = c->in[0].data, *b = c->in[1].data;
  if (c->spec->variant == MSE) {
    const lcl_ball d = ball_sub(ball_exact(a[i]), ball_exact(b[i]));
    return ball_mul(d, d);
  }
  if (c->spec->variant == BCE && isinf(a[i])) return ball_exact(bce(a[i], b[i]));
  if (c->spec->variant == BCE)
    return ball_sub(ball_round(fmax(a[i], 0) + log1p(exp(-fabs(a[i]))), 0, 6),
                    ball_mul(ball_exact(b[i]), ball_exact(a[i])));
  const row r = matrix_row(c, i);
  const double most = row_max(a, r);
  return ball_sub(ball_log(ball_row_sum(a, r, most)),
                  ball_shifted(a[r.first + (int64_t)b[i]], most));
}

static lcl_status loss_bound(lcl_case *c) {
  const double *a = c->in[0].data, *b = c->in[1].data;
  const lcl_ball n = ball_exact(loss_terms(c));
  lcl_ball_sum sum = { 0 };
  LCL_TRY(lcl__array_new(c, LCL_F32, LCL_SCALAR, &c->out_bound[0]));
  for (int64_t i = 0; i < (int64_t)n.v; i++) ball_sum_add(&sum, loss_ball(c, i));
  c->out_bound[0].data[0] = ball_allowed(ball_div(ball_sum_get(&sum), n));
  if (!c->grad_in[0].data) return LCL_OK;
  const lcl_ball g = ball_div(ball_exact(c->grad_out[0].data[0]), n);
  for (int k = 0; k < 2; k++)
    if (c->grad_in[k].data) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_bound[k]));
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++) {
    lcl_ball d = { 0 };
    if (c->spec->variant == CROSS_ENTROPY) {
      const int64_t classes = c->in[0].shape.dim[1];
      const row r = matrix_row(c, i / classes);
      const double most = row_max(a, r);
      /* the probability by way of its logarithm, times the sum of the incoming gradients (one g) */
      const lcl_ball log_p = ball_sub(ball_shifted(a[i], most), ball_log(ball_row_sum(a, r, most)));
      d = ball_mul(ball_exp(log_p), ball_exact(1));
      d = ball_sub(d, ball_exact(i % classes == (int64_t)b[i / classes]));
    } else if (c->spec->variant == MSE) {
      d = ball_mul(ball_exact(2), ball_sub(ball_exact(a[i]), ball_exact(b[i])));
      c->grad_bound[1].data[i] = ball_allowed(ball_mul(g, d));
    } else {
      d = ball_sub(ball_sigmoid(ball_exact(a[i])), ball_exact(b[i]));
      c->grad_bound[1].data[i] = ball_allowed(ball_mul(g, ball_exact(a[i])));
    }
    c->grad_bound[0].data[i] = ball_allowed(ball_mul(g, d));
  }
  return LCL_OK;
}

static int64_t classes_limit(const lcl_case *c) {
  return c->in[0].shape.rank == 2 ? c->in[0].shape.dim[1] : INT32_MAX;
}

static void loss_random(lcl_case *c, lcl_rng *r) {
  if (c->spec->variant == CROSS_ENTROPY) {
    c->in[0].shape = lcl__rng_shape(r, 2, c->small ? 400 : 8000);
    c->in[1].shape = LCL_SHAPE(c->in[0].shape.dim[0]);
    c->in[1].dtype = c->in[0].shape.dim[1] < 256 && lcl__rng_chance(r, 50) ? LCL_U8 : LCL_I32;
  } else {
    c->in[0].shape = lcl__rng_shape(r, lcl__rng_rank(r, 4), c->small ? 400 : 8000);
    c->in[1].shape = c->in[0].shape;
  }
}

/* ---- divergences: a mean over the batch of sums over an example ---- */

static double batch_of(const lcl_case *c) {
  return (double)c->in[0].shape.dim[0];
}

static lcl_status divergence_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                                   lcl_tensor **out) {
  const bool gauss = c->spec->variant == GAUSSIAN;
  const lcl_shape s = c->in[0].shape, t = c->in[1].shape;
  char a[96], b[96];
  (void)g;
  if (!lcl_shape_equal(s, t) || s.rank < 1 || (!gauss && s.rank != 2))
    return lcl__fail(LCL_ERR_SHAPE, "%s and %s of one shape %s were expected, got %s and %s",
                     c->spec->in[0].name, c->spec->in[1].name, gauss ? "(N,...)" : "(N,K)",
                     lcl_shape_string(s, a), lcl_shape_string(t, b));
  out[0] = gauss ? lcl_kl_gauss(in[0], in[1]) : lcl_kl_categorical(in[0], in[1]);
  return LCL_OK;
}

/* x where it counts beside exp(x). */
static double beside_exp(double x) {
  return x == HUGE_VAL ? 0 : x;
}

static lcl_status gaussian_forward(lcl_case *c) {
  const double *mean = c->in[0].data, *log_var = c->in[1].data;
  double sum = 0;
  LCL_TRY(lcl__array_new(c, LCL_F32, LCL_SCALAR, &c->out[0]));
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++)
    sum += 0.5 * (exp(log_var[i]) + mean[i] * mean[i] - 1 - beside_exp(log_var[i]));
  c->out[0].data[0] = sum / batch_of(c);
  return LCL_OK;
}

static lcl_status gaussian_backward(lcl_case *c) {
  const double g = c->grad_out[0].data[0] / batch_of(c);
  for (int k = 0; k < 2; k++) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_in[k]));
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++) {
    c->grad_in[0].data[i] = g * c->in[0].data[i];
    c->grad_in[1].data[i] = 0.5 * g * (exp(c->in[1].data[i]) - 1);
  }
  return LCL_OK;
}

static lcl_status gaussian_bound(lcl_case *c) {
  const lcl_ball n = ball_exact(batch_of(c)), half = ball_exact(0.5), one = ball_exact(1);
  lcl_ball_sum sum = { 0 };
  LCL_TRY(lcl__array_new(c, LCL_F32, LCL_SCALAR, &c->out_bound[0]));
  for (int k = 0; k < 2; k++)
    if (c->grad_in[k].data) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_bound[k]));
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++) {
    const lcl_ball mean = ball_exact(c->in[0].data[i]), log_var = ball_exact(c->in[1].data[i]);
    const lcl_ball var = ball_exp(log_var), beside = ball_exact(beside_exp(log_var.v));
    ball_sum_add(&sum, ball_sub(ball_add(var, ball_mul(mean, mean)), ball_add(beside, one)));
    if (!c->grad_in[0].data) continue;
    const lcl_ball g = ball_mul(ball_div(ball_exact(c->grad_out[0].data[0]), n), half);
    c->grad_bound[0].data[i] = ball_allowed(ball_mul(g, ball_mul(ball_exact(2), mean)));
    c->grad_bound[1].data[i] = ball_allowed(ball_sub(ball_mul(g, var), g));
  }
  c->out_bound[0].data[0] = ball_allowed(ball_div(ball_mul(ball_sum_get(&sum), half), n));
  return LCL_OK;
}

static lcl_status categorical_forward(lcl_case *c) {
  const double *p = c->in[0].data, *q = c->in[1].data;
  double sum = 0;
  LCL_TRY(lcl__array_new(c, LCL_F32, LCL_SCALAR, &c->out[0]));
  for (int64_t k = 0; k < c->in[0].shape.dim[0]; k++) {
    const row r = matrix_row(c, k);
    const double lse_p = row_lse(p, r), lse_q = row_lse(q, r);
    for (int64_t j = r.first; j < r.first + r.n; j++) {
      const double pj = exp(p[j] - lse_p), qj = exp(q[j] - lse_q);
      sum += pj * (log(pj + tiny) - log(qj + tiny));
    }
  }
  c->out[0].data[0] = sum / batch_of(c);
  return LCL_OK;
}

/* By q_j: -p_j/(q_j + tiny), then through the softmax of q. p is a constant. */
static lcl_status categorical_backward(lcl_case *c) {
  const double *p = c->in[0].data, *q = c->in[1].data, g = c->grad_out[0].data[0] / batch_of(c);
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[1].shape, &c->grad_in[1]));
  for (int64_t k = 0; k < c->in[0].shape.dim[0]; k++) {
    const row r = matrix_row(c, k);
    const double lse_p = row_lse(p, r), lse_q = row_lse(q, r);
    double sum = 0;
    for (int pass = 0; pass < 2; pass++)
      for (int64_t j = r.first; j < r.first + r.n; j++) {
        const double qj = exp(q[j] - lse_q), by_q = -g * exp(p[j] - lse_p) / (qj + tiny);
        if (pass == 0)
          sum += by_q * qj;
        else
          c->grad_in[1].data[j] = qj * (by_q - sum);
      }
  }
  return LCL_OK;
}

static void categorical_row_bound(lcl_case *c, row r, lcl_ball_sum *total) {
  const double *p = c->in[0].data, *q = c->in[1].data, most_p = row_max(p, r),
               most_q = row_max(q, r);
  const lcl_ball sum_p = ball_row_sum(p, r, most_p), sum_q = ball_row_sum(q, r, most_q),
                 guard = ball_exact(tiny);
  lcl_ball_sum sum = { 0 };
  for (int pass = 0; pass < 2; pass++)
    for (int64_t j = r.first; j < r.first + r.n; j++) {
      const lcl_ball pj = ball_div(ball_exp(ball_shifted(p[j], most_p)), sum_p),
                     qj = ball_div(ball_exp(ball_shifted(q[j], most_q)), sum_q),
                     ratio = ball_sub(ball_log(ball_add(pj, guard)), ball_log(ball_add(qj, guard)));
      if (pass == 0) ball_sum_add(total, ball_mul(pj, ratio));
      if (!c->grad_in[1].data) continue;
      const lcl_ball g = ball_div(ball_exact(c->grad_out[0].data[0]), ball_exact(batch_of(c)));
      const lcl_ball by_q = ball_div(ball_mul(g, pj), ball_add(qj, guard));
      if (pass == 0)
        ball_sum_add(&sum, ball_mul(by_q, qj));
      else
        c->grad_bound[1].data[j] = ball_allowed(ball_mul(qj, ball_sub(by_q, ball_sum_get(&sum))));
    }
}

static lcl_status categorical_bound(lcl_case *c) {
  lcl_ball_sum sum = { 0 };
  LCL_TRY(lcl__array_new(c, LCL_F32, LCL_SCALAR, &c->out_bound[0]));
  if (c->grad_in[1].data) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[1].shape, &c->grad_bound[1]));
  for (int64_t k = 0; k < c->in[0].shape.dim[0]; k++)
    categorical_row_bound(c, matrix_row(c, k), &sum);
  c->out_bound[0].data[0] = ball_allowed(ball_div(ball_sum_get(&sum), ball_exact(batch_of(c))));
  return LCL_OK;
}

static void divergence_random(lcl_case *c, lcl_rng *r) {
  const int rank = c->spec->variant == GAUSSIAN ? 1 + (int)lcl__rng_below(r, 4) : 2;
  c->in[0].shape = c->in[1].shape = lcl__rng_shape(r, rank, c->small ? 400 : 8000);
}

/* ---- table ---- */

#define SOFT(op_name, kind, text)                                                                  \
  {                                                                                                \
    .name = op_name, .summary = text, .in = { { .name = "x", .range = 8 } }, .out = { "y" },       \
    .attr = { { "axis", LCL_ATTR_INT, "-1", "the axis that sums to 1", NULL } }, .variant = kind,  \
    .flags = LCL_SPEC_GENERATED, .build = softmax_build, .forward = softmax_forward,               \
    .backward = softmax_backward, .bound = softmax_bound, .random = softmax_random                 \
  }
#define LOSS(kind)                                                                                 \
  .out = { "loss" }, .variant = kind, .flags = LCL_SPEC_GENERATED, .build = loss_build,            \
  .forward = loss_forward, .backward = loss_backward, .bound = loss_bound, .random = loss_random

const lcl_spec lcl__softmax_specs[] = {
  SOFT("softmax", SOFTMAX, "exp(x)/sum exp(x) along an axis"),
  SOFT("log_softmax", LOG_SOFTMAX, "x - log sum exp(x) along an axis"),
  { .name = "cross_entropy",
    .summary = "mean over the batch of -log softmax(logits)[label]",
    .notes = "logits (N,K), labels (N) of 0..K-1 -> a scalar.",
    .in = { { .name = "logits", .range = 8 }, { .name = "labels", .domain = LCL_INDEX } },
    .limit = classes_limit,
    LOSS(CROSS_ENTROPY) },
  { .name = "bce_with_logits",
    .summary = "mean over all elements of softplus(x) - target*x",
    .notes = "x and target of one shape -> a scalar.",
    .in = { { .name = "x", .range = 12 }, { .name = "target", .domain = LCL_UNIT } },
    LOSS(BCE) },
  { .name = "mse",
    .summary = "mean over all elements of (a - b)^2",
    .notes = "a and b of one shape -> a scalar.",
    .in = { { .name = "a" }, { .name = "b" } },
    LOSS(MSE) },
  { .name = "gaussian_kl",
    .summary = "mean over the batch of KL(N(mean, exp(log_var)) || N(0, 1)) summed over an example",
    .notes = "mean and log_var (N,...) -> a scalar: sum of (exp(log_var) + mean^2 - 1 - "
             "log_var)/2, divided by N.",
    .in = { { .name = "mean" }, { .name = "log_var" } },
    .out = { "kl" },
    .variant = GAUSSIAN,
    .flags = LCL_SPEC_GENERATED,
    .build = divergence_build,
    .forward = gaussian_forward,
    .backward = gaussian_backward,
    .bound = gaussian_bound,
    .random = divergence_random },
  { .name = "categorical_kl",
    .summary = "mean over the batch of KL(softmax(logits_p) || softmax(logits_q))",
    .notes = "logits_p and logits_q (N,K) -> a scalar: sum of p log((p + 1e-8)/(q + 1e-8)), "
             "divided by N. p is a "
             "constant:\n"
             "no gradient flows into logits_p.",
    .in = { { .name = "logits_p", .range = 8 }, { .name = "logits_q", .range = 8 } },
    .out = { "kl" },
    .variant = CATEGORICAL,
    .flags = LCL_SPEC_GENERATED,
    .build = divergence_build,
    .forward = categorical_forward,
    .backward = categorical_backward,
    .bound = categorical_bound,
    .random = divergence_random },
};
const size_t lcl__softmax_spec_count = LCL_COUNT(lcl__softmax_specs);
