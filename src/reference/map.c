/* Element-wise ops, with NumPy broadcasting of the operands. */
#include <float.h>
#include <math.h>

#include "latentcl/ops.h"
#include "reference/families.h"

/* ---- one operand ---- */

/* y = f(x), dy/dx = d(x); p: the parameter of leaky_relu, scale, shift. Errors allowed of single
 * precision: `ulps` units in the last place of y; `d_ulps` of the derivative's product with the
 * incoming gradient g, and, where the derivative is a difference that can cancel, d_abs roundings
 * of g. Function errors are OpenCL 1.2's, section 7.4. */
typedef struct unary {
  lcl_map_code code;
  double (*f)(double x, double p), (*d)(double x, double p);
  double ulps, d_ulps, d_abs;
} unary;

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}
static double one(double x, double p) {
  return (void)x, (void)p, 1;
}
static double zero(double x, double p) {
  return (void)x, (void)p, 0;
}
static double f_neg(double x, double p) {
  return (void)p, -x;
}
static double d_neg(double x, double p) {
  return (void)x, (void)p, -1;
}
static double f_abs(double x, double p) {
  return (void)p, fabs(x);
}
static double f_sign(double x, double p) {
  return (void)p, (x > 0) - (x < 0);
}
static double f_exp(double x, double p) {
  return (void)p, exp(x);
}
static double f_log(double x, double p) {
  return (void)p, log(x);
}
static double d_log(double x, double p) {
  return (void)p, 1 / x;
}
static double f_sqrt(double x, double p) {
  return (void)p, sqrt(x);
}
static double d_sqrt(double x, double p) {
  return (void)p, 0.5 / sqrt(x);
}
static double f_rsqrt(double x, double p) {
  return (void)p, 1 / sqrt(x);
}
static double d_rsqrt(double x, double p) {
  return (void)p, -0.5 / (x * sqrt(x));
}
static double f_square(double x, double p) {
  return (void)p, x * x;
}
static double d_square(double x, double p) {
  return (void)p, 2 * x;
}
static double f_recip(double x, double p) {
  return (void)p, 1 / x;
}
static double d_recip(double x, double p) {
  return (void)p, -1 / (x * x);
}
static double f_relu(double x, double p) {
  return (void)p, x < 0 ? 0 : x;
}
static double d_relu(double x, double p) {
  return (void)p, x > 0;
}
static double f_leaky(double x, double p) {
  return x > 0 ? x : (double)(float)p * x;
}
static double d_leaky(double x, double p) {
  return x > 0 ? 1 : (double)(float)p;
}
static double f_sigmoid(double x, double p) {
  return (void)p, sigmoid(x);
}
static double d_sigmoid(double x, double p) {
  return (void)p, sigmoid(x) * sigmoid(-x);
}
static double f_tanh(double x, double p) {
  return (void)p, tanh(x);
}
static double d_tanh(double x, double p) {
  return (void)p, 1 / (cosh(x) * cosh(x));
}
static double f_softplus(double x, double p) {
  return (void)p, fmax(x, 0) + log1p(exp(-fabs(x)));
}
static double f_sin(double x, double p) {
  return (void)p, sin(x);
}
static double f_cos(double x, double p) {
  return (void)p, cos(x);
}
static double d_cos(double x, double p) {
  return (void)p, -sin(x);
}
static double f_floor(double x, double p) {
  return (void)p, floor(x);
}
static double f_scale(double x, double p) {
  return (double)(float)p * x;
}
static double d_scale(double x, double p) {
  return (void)x, (double)(float)p;
}
static double f_shift(double x, double p) {
  return x + (double)(float)p;
}

static const unary unaries[] = {
  { LCL_MAP_NEG, f_neg, d_neg, 0, 0, 0 },
  { LCL_MAP_ABS, f_abs, f_sign, 0, 0, 0 },
  { LCL_MAP_SIGN, f_sign, zero, 0, 0, 0 },
  { LCL_MAP_EXP, f_exp, f_exp, 3, 4, 0 },
  { LCL_MAP_LOG, f_log, d_log, 3, 4, 0 },
  { LCL_MAP_SQRT, f_sqrt, d_sqrt, 3, 8, 0 },
  { LCL_MAP_RSQRT, f_rsqrt, d_rsqrt, 6, 20, 0 },
  { LCL_MAP_SQUARE, f_square, d_square, 0.5, 1, 0 },
  { LCL_MAP_RECIP, f_recip, d_recip, 2.5, 7, 0 },
  { LCL_MAP_RELU, f_relu, d_relu, 0, 0, 0 },
  { LCL_MAP_LEAKY_RELU, f_leaky, d_leaky, 0.5, 0.5, 0 },
  { LCL_MAP_SIGMOID, f_sigmoid, d_sigmoid, 6.5, 8, 14 }, /* y(1-y) */
  { LCL_MAP_TANH, f_tanh, d_tanh, 5, 2, 24 },            /* 1-y^2 */
  { LCL_MAP_SOFTPLUS, f_softplus, f_sigmoid, 6, 8, 0 },
  { LCL_MAP_SIN, f_sin, f_cos, 4, 5, 0 },
  { LCL_MAP_COS, f_cos, d_cos, 4, 5, 0 },
  { LCL_MAP_FLOOR, f_floor, zero, 0, 0, 0 },
  { LCL_MAP_SCALE, f_scale, d_scale, 0.5, 0.5, 0 },
  { LCL_MAP_SHIFT, f_shift, one, 0.5, 0, 0 },
};

static const unary *unary_of(const lcl_case *c) {
  for (size_t i = 0; i < LCL_COUNT(unaries); i++)
    if ((int)unaries[i].code == c->spec->variant) return &unaries[i];
  return NULL;
}

/* The attribute, if the op has one, is its only. */
static double parameter(const lcl_case *c) {
  return lcl__spec_attrs(c->spec) ? c->attr[0].f : 0;
}

static lcl_status unary_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                              lcl_tensor **out) {
  (void)g;
  out[0] = lcl_unary((lcl_map_code)c->spec->variant, in[0], (float)parameter(c));
  return LCL_OK;
}

static lcl_status unary_forward(lcl_case *c) {
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->out[0]));
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++)
    c->out[0].data[i] = unary_of(c)->f(c->in[0].data[i], parameter(c));
  return LCL_OK;
}

static lcl_status unary_backward(lcl_case *c) {
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->grad_in[0]));
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++)
    c->grad_in[0].data[i] = c->grad_out[0].data[i] * unary_of(c)->d(c->in[0].data[i], parameter(c));
  return LCL_OK;
}

static lcl_status unary_bound(lcl_case *c) {
  const unary *u = unary_of(c);
  const double unit = LCL_UNIT_ROUNDOFF;
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->out_bound[0]));
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++)
    c->out_bound[0].data[i] = u->ulps > 0 ? 2 * u->ulps * unit * fabs(c->out[0].data[i]) + FLT_MIN
                                          : 0;
  if (!c->grad_in[0].data) return LCL_OK;
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->grad_bound[0]));
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++) {
    const double g = fabs(c->grad_out[0].data[i]), gx = fabs(c->grad_in[0].data[i]);
    c->grad_bound[0].data[i] = unit * (2 * u->d_ulps * gx + u->d_abs * g) +
                               (u->d_ulps > 0 ? 4 * FLT_MIN * (1 + g) : 0);
  }
  return LCL_OK;
}

static void unary_random(lcl_case *c, lcl_rng *r) {
  c->in[0].shape = lcl__rng_shape(r, lcl__rng_rank(r, 4), c->small ? 300 : 5000);
  if (!lcl__spec_attrs(c->spec)) return;
  c->attr[0].f = (float)lcl__rng_real(r, -2, 2);
  if (c->integers) c->attr[0].f = (double)lcl__rng_below(r, 5) - 2;
}

/* ---- two operands ---- */

typedef struct binary {
  lcl_map_code code;
  double (*f)(double a, double b), (*da)(double a, double b), (*db)(double a, double b);
  double ulps, da_ulps, db_ulps; /* as for one operand */
} binary;

static double b_one(double a, double b) {
  return (void)a, (void)b, 1;
}
static double b_minus(double a, double b) {
  return (void)a, (void)b, -1;
}
static double b_zero(double a, double b) {
  return (void)a, (void)b, 0;
}
static double b_first(double a, double b) {
  return (void)b, a;
}
static double b_second(double a, double b) {
  return (void)a, b;
}
static double b_add(double a, double b) {
  return a + b;
}
static double b_sub(double a, double b) {
  return a - b;
}
static double b_mul(double a, double b) {
  return a * b;
}
static double b_div(double a, double b) {
  return a / b;
}
static double b_recip(double a, double b) {
  return (void)a, 1 / b;
}
static double b_div_db(double a, double b) {
  return -a / (b * b);
}
/* A NaN wins. */
static double b_max(double a, double b) {
  return a >= b || isnan(a) ? a : b;
}
static double b_min(double a, double b) {
  return a <= b || isnan(a) ? a : b;
}
static double b_greater(double a, double b) {
  return a > b;
}
static double b_not_less(double a, double b) {
  return !(a < b);
}
static double b_less(double a, double b) {
  return a < b;
}
static double b_not_greater(double a, double b) {
  return !(a > b);
}
static double b_equal(double a, double b) {
  return a == b;
}

/* Ties of maximum and minimum, and NaNs, send the gradient to a. */
static const binary binaries[] = {
  { LCL_MAP_ADD, b_add, b_one, b_one, 0.5, 0, 0 },
  { LCL_MAP_SUB, b_sub, b_one, b_minus, 0.5, 0, 0 },
  { LCL_MAP_MUL, b_mul, b_second, b_first, 0.5, 0.5, 0.5 },
  { LCL_MAP_DIV, b_div, b_recip, b_div_db, 2.5, 4, 8 },
  { LCL_MAP_MAX, b_max, b_not_less, b_less, 0, 0, 0 },
  { LCL_MAP_MIN, b_min, b_not_greater, b_greater, 0, 0, 0 },
  { LCL_MAP_GREATER, b_greater, b_zero, b_zero, 0, 0, 0 },
  { LCL_MAP_LESS, b_less, b_zero, b_zero, 0, 0, 0 },
  { LCL_MAP_EQUAL, b_equal, b_zero, b_zero, 0, 0, 0 },
};

static const binary *binary_of(const lcl_case *c) {
  for (size_t i = 0; i < LCL_COUNT(binaries); i++)
    if ((int)binaries[i].code == c->spec->variant) return &binaries[i];
  return NULL;
}

/* NumPy's rule: shapes are aligned at the right, a missing or single dimension is repeated. */
static lcl_shape broadcast_shape(const lcl_case *c, int n_in) {
  lcl_shape s = { 0 };
  for (int k = 0; k < n_in; k++) s.rank = LCL_MAX(s.rank, c->in[k].shape.rank);
  for (int i = 0; i < s.rank; i++) {
    s.dim[i] = 1;
    for (int k = 0; k < n_in; k++) {
      const int j = i - (s.rank - c->in[k].shape.rank);
      if (j >= 0 && c->in[k].shape.dim[j] != 1) s.dim[i] = c->in[k].shape.dim[j];
    }
  }
  return s;
}

static lcl_status binary_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                               lcl_tensor **out) {
  (void)g;
  out[0] = lcl_binary((lcl_map_code)c->spec->variant, in[0], in[1]);
  return LCL_OK;
}

static lcl_status binary_forward(lcl_case *c) {
  const lcl_shape s = broadcast_shape(c, 2);
  LCL_TRY(lcl__array_new(c, LCL_F32, s, &c->out[0]));
  for (int64_t i = 0; i < lcl_shape_count(s); i++)
    c->out[0].data[i] = binary_of(c)->f(c->in[0].data[lcl__broadcast_index(s, c->in[0].shape, i)],
                                        c->in[1].data[lcl__broadcast_index(s, c->in[1].shape, i)]);
  return LCL_OK;
}

static lcl_status binary_backward(lcl_case *c) {
  const binary *op = binary_of(c);
  const lcl_shape s = c->out[0].shape;
  for (int k = 0; k < 2; k++) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_in[k]));
  for (int64_t i = 0; i < lcl_shape_count(s); i++) {
    const int64_t ia = lcl__broadcast_index(s, c->in[0].shape, i),
                  ib = lcl__broadcast_index(s, c->in[1].shape, i);
    const double a = c->in[0].data[ia], b = c->in[1].data[ib], g = c->grad_out[0].data[i];
    c->grad_in[0].data[ia] += g * op->da(a, b);
    c->grad_in[1].data[ib] += g * op->db(a, b);
  }
  return LCL_OK;
}

/* Each term of a repeated operand's sum has its own rounding, then the sum has one an addition. */
static lcl_status binary_bound(lcl_case *c) {
  const binary *op = binary_of(c);
  const lcl_shape s = c->out[0].shape;
  LCL_TRY(lcl__array_new(c, LCL_F32, s, &c->out_bound[0]));
  for (int64_t i = 0; i < lcl_shape_count(s); i++)
    c->out_bound[0].data[i] =
        op->ulps > 0 ? 2 * op->ulps * LCL_UNIT_ROUNDOFF * fabs(c->out[0].data[i]) + FLT_MIN : 0;
  for (int k = 0; k < 2 && c->grad_in[0].data; k++) {
    const double repeats = (double)lcl_shape_count(s) /
                           (double)LCL_MAX(lcl__array_count(&c->in[k]), 1);
    const double roundings = 2 * (k ? op->db_ulps : op->da_ulps) +
                             (repeats > 1 ? lcl__sum_roundings(repeats) : 0);
    LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_bound[k]));
    for (int64_t i = 0; i < lcl_shape_count(s) && roundings > 0; i++) {
      const int64_t ia = lcl__broadcast_index(s, c->in[0].shape, i),
                    ib = lcl__broadcast_index(s, c->in[1].shape, i);
      const double a = c->in[0].data[ia], b = c->in[1].data[ib], g = c->grad_out[0].data[i];
      c->grad_bound[k].data[k ? ib : ia] +=
          roundings * (LCL_UNIT_ROUNDOFF * fabs(g * (k ? op->db(a, b) : op->da(a, b))) + FLT_MIN);
    }
  }
  return LCL_OK;
}

/* An operand that broadcasts to s: leading dimensions dropped, some dimensions 1. */
static lcl_shape random_operand(lcl_shape s, lcl_rng *r) {
  const int drop = lcl__rng_chance(r, 30) ? (int)lcl__rng_below(r, s.rank + 1) : 0;
  lcl_shape out = { .rank = s.rank - drop };
  for (int i = 0; i < out.rank; i++)
    out.dim[i] = lcl__rng_chance(r, 25) && !r->empty ? 1 : s.dim[i + drop];
  return out;
}

static void binary_random(lcl_case *c, lcl_rng *r) {
  const lcl_shape s = lcl__rng_shape(r, lcl__rng_rank(r, 4), c->small ? 300 : 5000);
  const int whole = (int)lcl__rng_below(r, 3); /* 2: both may be repeated */
  c->in[0].shape = whole == 0 ? s : random_operand(s, r);
  c->in[1].shape = whole == 1 ? s : random_operand(s, r);
}

/* ---- select ---- */

static lcl_status select_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                               lcl_tensor **out) {
  (void)c, (void)g;
  out[0] = lcl_select(in[0], in[1], in[2]);
  return LCL_OK;
}

static lcl_status select_forward(lcl_case *c) {
  const lcl_shape s = broadcast_shape(c, 3);
  LCL_TRY(lcl__array_new(c, LCL_F32, s, &c->out[0]));
  for (int64_t i = 0; i < lcl_shape_count(s); i++) {
    const int from = c->in[0].data[lcl__broadcast_index(s, c->in[0].shape, i)] != 0 ? 1 : 2;
    c->out[0].data[i] = c->in[from].data[lcl__broadcast_index(s, c->in[from].shape, i)];
  }
  return LCL_OK;
}

static lcl_status select_backward(lcl_case *c) {
  const lcl_shape s = c->out[0].shape;
  for (int k = 0; k < 3; k++)
    LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_in[k])); /* 0 for cond */
  for (int64_t i = 0; i < lcl_shape_count(s); i++) {
    const int to = c->in[0].data[lcl__broadcast_index(s, c->in[0].shape, i)] != 0 ? 1 : 2;
    c->grad_in[to].data[lcl__broadcast_index(s, c->in[to].shape, i)] += c->grad_out[0].data[i];
  }
  return LCL_OK;
}

/* The result is a copy; a repeated operand's gradient is a sum. */
static lcl_status select_bound(lcl_case *c) {
  const lcl_shape s = c->out[0].shape;
  LCL_TRY(lcl__array_new(c, LCL_F32, s, &c->out_bound[0]));
  for (int k = 0; k < 3 && c->grad_in[0].data; k++) {
    const double repeats = (double)lcl_shape_count(s) /
                           (double)LCL_MAX(lcl__array_count(&c->in[k]), 1);
    LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_bound[k]));
    for (int64_t i = 0; i < lcl_shape_count(s) && k > 0 && repeats > 1; i++) {
      const bool first = c->in[0].data[lcl__broadcast_index(s, c->in[0].shape, i)] != 0;
      if (first == (k == 1))
        c->grad_bound[k].data[lcl__broadcast_index(s, c->in[k].shape, i)] +=
            lcl__sum_roundings(repeats) * LCL_UNIT_ROUNDOFF * fabs(c->grad_out[0].data[i]);
    }
  }
  return LCL_OK;
}

static void select_random(lcl_case *c, lcl_rng *r) {
  const lcl_shape s = lcl__rng_shape(r, 1 + (int)lcl__rng_below(r, 4), c->small ? 300 : 5000);
  const int64_t whole = lcl__rng_below(r, 3);
  for (int k = 0; k < 3; k++) c->in[k].shape = k == whole ? s : random_operand(s, r);
}

/* ---- table ---- */

#define UNARY(op_name, code, text, in_domain, in_range, more)                                      \
  {                                                                                                \
    .name = op_name, .summary = text,                                                              \
    .in = { { .name = "x", .domain = in_domain, .range = in_range } }, .out = { "y" },             \
    .variant = code, .build = unary_build, .forward = unary_forward, .backward = unary_backward,   \
    .bound = unary_bound, .random = unary_random, .flags = LCL_SPEC_EMPTY | (more)                 \
  }
#define PARAMETER(op_name, code, text, attr_name, attr_default, attr_help)                         \
  {                                                                                                \
    .name = op_name, .summary = text, .in = { { .name = "x" } }, .out = { "y" }, .variant = code,  \
    .attr = { { attr_name, LCL_ATTR_FLOAT, attr_default, attr_help, NULL } },                      \
    .build = unary_build, .forward = unary_forward, .backward = unary_backward,                    \
    .bound = unary_bound, .random = unary_random, .flags = LCL_SPEC_EXACT | LCL_SPEC_EMPTY         \
  }
#define BINARY(op_name, code, text, b_domain, back, more)                                          \
  {                                                                                                \
    .name = op_name, .summary = text, .notes = "Shapes broadcast as in NumPy.",                    \
    .in = { { .name = "a" }, { .name = "b", .domain = b_domain } }, .out = { "y" },                \
    .variant = code, .build = binary_build, .forward = binary_forward, .backward = back,           \
    .bound = binary_bound, .random = binary_random,                                                \
    .flags = LCL_SPEC_GENERATED | LCL_SPEC_EMPTY | (more)                                          \
  }

const lcl_spec lcl__map_specs[] = {
  UNARY("relu", LCL_MAP_RELU, "max(x, 0); derivative 0 at 0", LCL_ANY, 0, LCL_SPEC_EXACT),
  PARAMETER("leaky_relu", LCL_MAP_LEAKY_RELU, "x where x > 0, else slope*x", "slope", "0.01",
            "factor of negative x"),
  UNARY("sigmoid", LCL_MAP_SIGMOID, "1/(1 + exp(-x))", LCL_ANY, 30, 0),
  UNARY("tanh", LCL_MAP_TANH, "hyperbolic tangent", LCL_ANY, 12, 0),
  UNARY("softplus", LCL_MAP_SOFTPLUS, "log(1 + exp(x)), stable", LCL_ANY, 60, 0),
  UNARY("exp", LCL_MAP_EXP, "exponential", LCL_ANY, 20, 0),
  UNARY("log", LCL_MAP_LOG, "natural logarithm", LCL_POSITIVE, 8, 0),
  UNARY("sqrt", LCL_MAP_SQRT, "square root", LCL_POSITIVE, 8, 0),
  UNARY("rsqrt", LCL_MAP_RSQRT, "1/sqrt(x)", LCL_POSITIVE, 8, 0),
  UNARY("abs", LCL_MAP_ABS, "absolute value; derivative 0 at 0", LCL_ANY, 0, LCL_SPEC_EXACT),
  UNARY("sign", LCL_MAP_SIGN, "-1, 0 or 1; derivative 0", LCL_ANY, 0, LCL_SPEC_EXACT),
  UNARY("square", LCL_MAP_SQUARE, "x*x", LCL_ANY, 0, LCL_SPEC_EXACT),
  UNARY("neg", LCL_MAP_NEG, "-x", LCL_ANY, 0, LCL_SPEC_EXACT),
  UNARY("recip", LCL_MAP_RECIP, "1/x", LCL_NONZERO, 0, 0),
  UNARY("floor", LCL_MAP_FLOOR, "largest integer not above x; derivative 0", LCL_ANY, 9,
        LCL_SPEC_EXACT),
  UNARY("sin", LCL_MAP_SIN, "sine", LCL_ANY, 10, 0),
  UNARY("cos", LCL_MAP_COS, "cosine", LCL_ANY, 10, 0),
  PARAMETER("scale", LCL_MAP_SCALE, "factor*x", "factor", NULL, "the factor"),
  PARAMETER("shift", LCL_MAP_SHIFT, "x + addend", "addend", NULL, "the addend"),
  BINARY("add", LCL_MAP_ADD, "a + b", LCL_ANY, binary_backward, LCL_SPEC_EXACT),
  BINARY("sub", LCL_MAP_SUB, "a - b", LCL_ANY, binary_backward, LCL_SPEC_EXACT),
  BINARY("mul", LCL_MAP_MUL, "a*b", LCL_ANY, binary_backward, LCL_SPEC_EXACT),
  BINARY("div", LCL_MAP_DIV, "a/b", LCL_NONZERO, binary_backward, 0),
  BINARY("maximum", LCL_MAP_MAX, "the larger of a and b; the gradient of equals goes to a", LCL_ANY,
         binary_backward, LCL_SPEC_EXACT),
  BINARY("minimum", LCL_MAP_MIN, "the smaller of a and b; the gradient of equals goes to a",
         LCL_ANY, binary_backward, LCL_SPEC_EXACT),
  BINARY("greater", LCL_MAP_GREATER, "1 where a > b, else 0", LCL_ANY, NULL, LCL_SPEC_EXACT),
  BINARY("less", LCL_MAP_LESS, "1 where a < b, else 0", LCL_ANY, NULL, LCL_SPEC_EXACT),
  BINARY("equal", LCL_MAP_EQUAL, "1 where a equals b, else 0", LCL_ANY, NULL, LCL_SPEC_EXACT),
  { .name = "select",
    .summary = "a where cond is not 0, else b",
    .notes = "Shapes broadcast as in NumPy. cond has no gradient.",
    .in = { { .name = "cond", .domain = LCL_UNIT }, { .name = "a" }, { .name = "b" } },
    .out = { "y" },
    .flags = LCL_SPEC_EXACT | LCL_SPEC_GENERATED | LCL_SPEC_EMPTY,
    .build = select_build,
    .forward = select_forward,
    .backward = select_backward,
    .bound = select_bound,
    .random = select_random },
};
const size_t lcl__map_spec_count = LCL_COUNT(lcl__map_specs);
