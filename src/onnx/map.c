/* Element by element: arithmetic, comparisons, truth values, casts. Of values that the file tells
 * the result is computed here, whole numbers exactly; the graph computes in f32. */
#include <math.h>

#include "onnx/internal.h"
#include "ops/map.h"

/* ---- numbers that the file tells ---- */

/* Larger ones are left to the graph, and what may be trained. */
enum { HOST_MOST = 1 << 16 };

static bool on_host(const onnx_node *n, int inputs) {
  for (int i = 0; i < inputs; i++)
    if (!lcl__onnx_given(n, i) || !lcl__onnx_known(n->in[i]) || n->in[i]->type == ONNX_FLOAT16 ||
        lcl__onnx_is_variable(n->in[i]))
      return false;
  for (int i = 0; i < inputs; i++) {
    if (n->in[i]->ints) return true; /* the graph could not */
    if (lcl_shape_count(n->in[i]->shape) > HOST_MOST) return false;
  }
  return true;
}

static bool in_range(onnx_type type, int64_t x) {
  switch (type) {
  case ONNX_UINT8: return x >= 0 && x <= UINT8_MAX;
  case ONNX_INT8: return x >= INT8_MIN && x <= INT8_MAX;
  case ONNX_UINT16: return x >= 0 && x <= UINT16_MAX;
  case ONNX_INT16: return x >= INT16_MIN && x <= INT16_MAX;
  case ONNX_INT32: return x >= INT32_MIN && x <= INT32_MAX;
  case ONNX_UINT32: return x >= 0 && x <= UINT32_MAX;
  case ONNX_BOOL: return x == 0 || x == 1;
  default: return true;
  }
}

/* What whole-number arithmetic gives; false: no number of the type. */
static bool whole(int code, onnx_type type, int64_t a, int64_t b, int64_t *out) {
  switch (code) {
  case LCL_MAP_ADD:
    if (__builtin_add_overflow(a, b, out)) return false;
    break;
  case LCL_MAP_SUB:
    if (__builtin_sub_overflow(a, b, out)) return false;
    break;
  case LCL_MAP_MUL:
    if (__builtin_mul_overflow(a, b, out)) return false;
    break;
  case LCL_MAP_DIV: /* towards zero */
    if (b == 0 || (a == INT64_MIN && b == -1)) return false;
    *out = a / b;
    break;
  case LCL_MAP_MAX: *out = LCL_MAX(a, b); break;
  case LCL_MAP_MIN: *out = LCL_MIN(a, b); break;
  default: return false;
  }
  return in_range(type, *out);
}

static float number(int code, float a, float b) {
  switch (code) {
  case LCL_MAP_ADD: return a + b;
  case LCL_MAP_SUB: return a - b;
  case LCL_MAP_MUL: return a * b;
  case LCL_MAP_DIV: return a / b;
  case LCL_MAP_MAX: return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
  default: return isnan(a) || isnan(b) ? NAN : a < b ? a : b;
  }
}

/* Positions of both operands for every element of the result. */
static lcl_status broadcast(onnx_node *n, const onnx_value *a, const onnx_value *b, lcl_shape *out,
                            int64_t **ia, int64_t **ib) {
  char sa[96], sb[96];
  if (!lcl__broadcast_shape(a->shape, b->shape, out))
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "shapes %s and %s do not broadcast",
                          lcl_shape_string(a->shape, sa), lcl_shape_string(b->shape, sb));
  const int64_t count = lcl_shape_count(*out);
  if (count > INT64_C(1) << 24)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "constants of %s are too large",
                          lcl_shape_string(*out, sa));
  const onnx_value *of[2] = { a, b };
  int64_t **index[2] = { ia, ib };
  for (int k = 0; k < 2; k++) {
    int64_t *at = *index[k] = lcl__onnx_room(n, count, sizeof *at), stride[LCL_MAX_RANK];
    if (!at) return LCL_ERR_HOST_MEMORY;
    lcl__onnx_strides(of[k]->shape, stride);
    const int lead = out->rank - of[k]->shape.rank;
    for (int64_t i = 0; i < count; i++) {
      int64_t rest = i, pos = 0;
      for (int d = out->rank - 1; d >= 0; d--) {
        const int64_t where = rest % out->dim[d];
        rest /= out->dim[d];
        if (d >= lead && of[k]->shape.dim[d - lead] != 1) pos += where * stride[d - lead];
      }
      at[i] = pos;
    }
  }
  return LCL_OK;
}

static lcl_status host_binary(onnx_node *n, onnx_value *out, const onnx_value *a,
                              const onnx_value *b) {
  int64_t *ia, *ib;
  lcl_shape shape;
  LCL_TRY(broadcast(n, a, b, &shape, &ia, &ib));
  const int64_t count = lcl_shape_count(shape);
  int64_t *ints = a->ints ? lcl__onnx_room(n, count, sizeof *ints) : NULL;
  float *floats = a->ints ? NULL : lcl__onnx_room(n, count, sizeof *floats);
  if (!ints && !floats) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < count; i++) {
    if (floats)
      floats[i] = number(n->code, a->floats[ia[i]], b->floats[ib[i]]);
    else if (!whole(n->code, a->type, a->ints[ia[i]], b->ints[ib[i]], &ints[i]))
      return lcl__onnx_fail(n, LCL_ERR_NUMERIC, "of %lld and %lld no %s comes",
                            (long long)a->ints[ia[i]], (long long)b->ints[ib[i]],
                            lcl__onnx_type_name(a->type));
  }
  *out = (onnx_value) {
    .name = out->name, .type = a->type, .shape = shape, .ints = ints, .floats = floats
  };
  return LCL_OK;
}

static lcl_status same_type(onnx_node *n, int from) {
  for (int i = from + 1; i < n->n_in; i++)
    if (n->in[i] && n->in[from] && n->in[i]->type != n->in[from]->type)
      return lcl__onnx_fail(n, LCL_ERR_TYPE, "its inputs are of one type, got %s and %s",
                            lcl__onnx_type_name(n->in[from]->type),
                            lcl__onnx_type_name(n->in[i]->type));
  return LCL_OK;
}

/* ---- arithmetic ---- */

static lcl_status give_value(onnx_node *n, const onnx_value *v) {
  return v->ints ? lcl__onnx_give_ints(n, 0, v->type, v->shape, v->ints)
                 : lcl__onnx_give_floats(n, 0, v->shape, v->floats);
}

lcl_status lcl__onnx_binary(onnx_node *n) {
  lcl_tensor *a, *b;
  LCL_TRY(same_type(n, 0));
  if (on_host(n, 2)) {
    onnx_value v = { 0 };
    LCL_TRY(host_binary(n, &v, n->in[0], n->in[1]));
    return give_value(n, &v);
  }
  LCL_TRY(lcl__onnx_in(n, 0, &a));
  LCL_TRY(lcl__onnx_in(n, 1, &b));
  return lcl__onnx_give(n, 0, lcl_binary((lcl_map_code)n->code, a, b), ONNX_FLOAT);
}

/* The larger, NaN where one is, as ONNX and NumPy have it: the graph's functions give the other. */
static lcl_tensor *extreme(lcl_map_code code, lcl_tensor *a, lcl_tensor *b) {
  lcl_tensor *y = lcl_binary(code, a, b), *sum = lcl_add(a, b);
  /* a + b is NaN for a NaN, but for inf - inf too. */
  lcl_tensor *whole_a = lcl_equal(a, a), *whole_b = lcl_equal(b, b);
  return lcl_select(lcl_mul(whole_a, whole_b), y, sum);
}

/* Sum, Mean, Max and Min of one or more. */
lcl_status lcl__onnx_variadic(onnx_node *n) {
  const lcl_map_code code = n->code == OP_MEAN ? LCL_MAP_ADD : (lcl_map_code)n->code;
  const bool order = code == LCL_MAP_MAX || code == LCL_MAP_MIN;
  lcl_tensor *sum, *x;
  LCL_TRY(same_type(n, 0));
  if (n->code != OP_MEAN && on_host(n, n->n_in)) {
    onnx_value v = *n->in[0];
    for (int i = 1; i < n->n_in; i++) LCL_TRY(host_binary(n, &v, &v, n->in[i]));
    return give_value(n, &v);
  }
  LCL_TRY(lcl__onnx_in(n, 0, &sum));
  for (int i = 1; i < n->n_in; i++) {
    LCL_TRY(lcl__onnx_in(n, i, &x));
    sum = order ? extreme(code, sum, x) : lcl_add(sum, x);
  }
  if (n->code == OP_MEAN) sum = lcl_div(sum, lcl_const(n->g, (float)n->n_in));
  return lcl__onnx_give(n, 0, sum, ONNX_FLOAT);
}

/* Codes of the graph, and what is made of them. */
static lcl_tensor *round_half_even(lcl_tensor *x) {
  lcl_tensor *down = lcl_unary(LCL_MAP_FLOOR, x, 0), *rest = lcl_sub(x, down),
             *odd = lcl_sub(down, lcl_scale(lcl_unary(LCL_MAP_FLOOR, lcl_scale(down, 0.5f), 0), 2)),
             *half = lcl_const(lcl_tensor_graph(x), 0.5f),
             *up = lcl_maximum(lcl_greater(rest, half), lcl_mul(lcl_equal(rest, half), odd));
  /* Infinite and NaN stay what they are: their rest is none. */
  return lcl_select(lcl_equal(rest, rest), lcl_add(down, up), x);
}

/* A rational approximation of erf on [-4,4], beyond which it is 1 in f32 (the one of Eigen and
 * XLA): within some units of the last place. */
lcl_tensor *lcl__onnx_erf(lcl_tensor *x) {
  static const float over[] = { -2.72614225801306e-10f, 2.77068142495902e-08f,
                                -2.10102402082508e-06f, -5.69250639462346e-05f,
                                -7.34990630326855e-04f, -2.95459980854025e-03f,
                                -1.60960333262415e-02f },
                     under[] = { -1.45660718464996e-05f, -2.13374055278905e-04f,
                                 -1.68282697438203e-03f, -7.37332916720468e-03f,
                                 -1.42647390514189e-02f };
  lcl_graph *g = lcl_tensor_graph(x);
  lcl_tensor *c = lcl_maximum(lcl_minimum(x, lcl_const(g, 4)), lcl_const(g, -4)),
             *s = lcl_square(c), *p = lcl_const(g, over[0]), *q = lcl_const(g, under[0]);
  for (size_t i = 1; i < LCL_COUNT(over); i++) p = lcl_shift(lcl_mul(p, s), over[i]);
  for (size_t i = 1; i < LCL_COUNT(under); i++) q = lcl_shift(lcl_mul(q, s), under[i]);
  /* A NaN must not vanish in the clamp. */
  return lcl_select(lcl_equal(x, x), lcl_div(lcl_mul(c, p), q), x);
}

static lcl_tensor *unary(int code, lcl_tensor *x) {
  lcl_tensor *e;
  switch (code) {
  case OP_CEIL: return lcl_neg(lcl_unary(LCL_MAP_FLOOR, lcl_neg(x), 0));
  case OP_ROUND: return round_half_even(x);
  case OP_ERF: return lcl__onnx_erf(x);
  case OP_TAN: return lcl_div(lcl_unary(LCL_MAP_SIN, x, 0), lcl_unary(LCL_MAP_COS, x, 0));
  case OP_COSH: /* exp(|x|-log 2): no overflow before the result's */
    e = lcl_exp(lcl_shift(lcl_abs(x), -0.69314718f));
    return lcl_add(e, lcl_div(lcl_const(lcl_tensor_graph(x), 0.25f), e));
  default: return lcl_unary((lcl_map_code)code, x, 0);
  }
}

static bool host_unary(int code, float x, float *out) {
  switch (code) {
  case LCL_MAP_NEG: *out = -x; return true;
  case LCL_MAP_ABS: *out = fabsf(x); return true;
  case LCL_MAP_SQRT: *out = sqrtf(x); return true;
  case LCL_MAP_FLOOR: *out = floorf(x); return true;
  case LCL_MAP_RECIP: *out = 1 / x; return true;
  case OP_CEIL: *out = ceilf(x); return true;
  case OP_ROUND: *out = rintf(x); return true;
  default: return false;
  }
}

lcl_status lcl__onnx_unary(onnx_node *n) {
  lcl_tensor *x;
  float ignored;
  if (on_host(n, 1) && n->in[0]->ints && (n->code == LCL_MAP_NEG || n->code == LCL_MAP_ABS)) {
    const int64_t count = lcl_shape_count(n->in[0]->shape);
    int64_t *y = lcl__onnx_room(n, count, sizeof *y);
    if (!y) return LCL_ERR_HOST_MEMORY;
    for (int64_t i = 0; i < count; i++) {
      const int64_t v = n->in[0]->ints[i];
      if (v == INT64_MIN || !in_range(n->in[0]->type, -v))
        return lcl__onnx_fail(n, LCL_ERR_NUMERIC, "%lld has no negative", (long long)v);
      y[i] = n->code == LCL_MAP_NEG || v < 0 ? -v : v;
    }
    return lcl__onnx_give_ints(n, 0, n->in[0]->type, n->in[0]->shape, y);
  }
  if (on_host(n, 1) && n->in[0]->floats && host_unary(n->code, 0, &ignored)) {
    const int64_t count = lcl_shape_count(n->in[0]->shape);
    float *y = lcl__onnx_room(n, count, sizeof *y);
    if (!y) return LCL_ERR_HOST_MEMORY;
    for (int64_t i = 0; i < count; i++) host_unary(n->code, n->in[0]->floats[i], &y[i]);
    return lcl__onnx_give_floats(n, 0, n->in[0]->shape, y);
  }
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  return lcl__onnx_give(n, 0, unary(n->code, x), ONNX_FLOAT);
}

/* x^p for a p that the file tells: by products for small whole numbers, else exp(p log x), which is
 * NaN below 0 as it has to be for other p. */
static lcl_status power(onnx_node *n, lcl_tensor *x, double p, lcl_tensor **out) {
  if (p == 0.5) return *out = lcl_sqrt(x), LCL_OK;
  if (p == -0.5) return *out = lcl_rsqrt(x), LCL_OK;
  if (p != floor(p)) return *out = lcl_exp(lcl_scale(lcl_log(x), (float)p)), LCL_OK;
  if (fabs(p) > 64)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "whole exponents up to 64 are supported, not %g",
                          p);
  lcl_tensor *y = NULL, *square = x;
  for (int k = (int)fabs(p); k; k >>= 1) {
    if (k & 1) y = y ? lcl_mul(y, square) : square;
    if (k > 1) square = lcl_square(square);
  }
  if (!y) y = lcl_add(lcl_scale(lcl_sub(x, x), 0), lcl_const(n->g, 1));
  *out = p < 0 ? lcl_recip(y) : y;
  return LCL_OK;
}

lcl_status lcl__onnx_pow(onnx_node *n) {
  lcl_tensor *x, *y = NULL;
  double p;
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  LCL_TRY(lcl__onnx_known_number(n, 1, "exponent", &p));
  if (n->in[1]->shape.rank > n->in[0]->shape.rank)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "an exponent of more dimensions is not supported");
  if (p == 0) return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "an exponent of 0 is not supported");
  LCL_TRY(power(n, x, p, &y));
  return lcl__onnx_give(n, 0, y, ONNX_FLOAT);
}

/* Of whole numbers that the file tells. */
lcl_status lcl__onnx_mod(onnx_node *n) {
  int64_t fmod, *ia, *ib;
  lcl_shape shape;
  LCL_TRY(lcl__onnx_int(n, "fmod", 0, &fmod));
  LCL_TRY(same_type(n, 0));
  if (!on_host(n, 2) || !n->in[0]->ints)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "it is supported for whole numbers that the file tells");
  LCL_TRY(broadcast(n, n->in[0], n->in[1], &shape, &ia, &ib));
  const int64_t count = lcl_shape_count(shape);
  int64_t *y = lcl__onnx_room(n, count, sizeof *y);
  if (!y) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < count; i++) {
    const int64_t a = n->in[0]->ints[ia[i]], b = n->in[1]->ints[ib[i]];
    if (b == 0) return lcl__onnx_fail(n, LCL_ERR_NUMERIC, "the remainder by 0 does not exist");
    y[i] = b == -1 ? 0 : a % b;
    if (!fmod && y[i] && (y[i] < 0) != (b < 0)) y[i] += b; /* as Python: the divisor's sign */
  }
  return lcl__onnx_give_ints(n, 0, n->in[0]->type, shape, y);
}

/* ---- comparisons and truth values: f32, 0 or 1, in the graph ---- */

static bool holds(int code, double a, double b) {
  switch (code) {
  case LCL_MAP_GREATER: return a > b;
  case LCL_MAP_LESS: return a < b;
  case LCL_MAP_EQUAL: return a == b;
  case OP_GREATER_EQUAL: return a >= b;
  default: return a <= b;
  }
}

static bool holds_whole(int code, int64_t a, int64_t b) {
  switch (code) {
  case LCL_MAP_GREATER: return a > b;
  case LCL_MAP_LESS: return a < b;
  case LCL_MAP_EQUAL: return a == b;
  case OP_GREATER_EQUAL: return a >= b;
  default: return a <= b;
  }
}

lcl_status lcl__onnx_compare(onnx_node *n) {
  lcl_tensor *a, *b, *y;
  LCL_TRY(same_type(n, 0));
  if (on_host(n, 2)) {
    int64_t *ia, *ib;
    lcl_shape shape;
    LCL_TRY(broadcast(n, n->in[0], n->in[1], &shape, &ia, &ib));
    int64_t *out = lcl__onnx_room(n, lcl_shape_count(shape), sizeof *out);
    if (!out) return LCL_ERR_HOST_MEMORY;
    for (int64_t i = 0; i < lcl_shape_count(shape); i++)
      out[i] = n->in[0]->ints ? holds_whole(n->code, n->in[0]->ints[ia[i]], n->in[1]->ints[ib[i]])
                              : holds(n->code, n->in[0]->floats[ia[i]], n->in[1]->floats[ib[i]]);
    return lcl__onnx_give_ints(n, 0, ONNX_BOOL, shape, out);
  }
  if (n->in[0]->type == ONNX_BOOL) {
    LCL_TRY(lcl__onnx_in_any(n, 0, &a));
    LCL_TRY(lcl__onnx_in_any(n, 1, &b));
  } else {
    LCL_TRY(lcl__onnx_in(n, 0, &a));
    LCL_TRY(lcl__onnx_in(n, 1, &b));
  }
  if (n->code == OP_GREATER_EQUAL)
    y = lcl_maximum(lcl_greater(a, b), lcl_equal(a, b));
  else if (n->code == OP_LESS_EQUAL)
    y = lcl_maximum(lcl_less(a, b), lcl_equal(a, b));
  else
    y = lcl_binary((lcl_map_code)n->code, a, b);
  return lcl__onnx_give(n, 0, y, ONNX_BOOL);
}

lcl_status lcl__onnx_logic(onnx_node *n) {
  lcl_tensor *a, *b = NULL, *y;
  for (int i = 0; i < n->n_in; i++)
    if (n->in[i]->type != ONNX_BOOL)
      return lcl__onnx_fail(n, LCL_ERR_TYPE, "it takes bool, got %s",
                            lcl__onnx_type_name(n->in[i]->type));
  LCL_TRY(lcl__onnx_in_any(n, 0, &a));
  if (n->code != OP_NOT) LCL_TRY(lcl__onnx_in_any(n, 1, &b));
  if (n->code == OP_NOT)
    y = lcl_sub(lcl_const(n->g, 1), a);
  else if (n->code == OP_AND)
    y = lcl_mul(a, b);
  else if (n->code == OP_OR)
    y = lcl_maximum(a, b);
  else
    y = lcl_abs(lcl_sub(a, b));
  return lcl__onnx_give(n, 0, y, ONNX_BOOL);
}

static lcl_status host_where(onnx_node *n) {
  const onnx_value *c = n->in[0], *a = n->in[1], *b = n->in[2];
  lcl_shape ab;
  int64_t *ia, *ib, *ic, *iab;
  LCL_TRY(broadcast(n, a, b, &ab, &ia, &ib));
  const onnx_value both = { .shape = ab };
  lcl_shape shape;
  LCL_TRY(broadcast(n, c, &both, &shape, &ic, &iab));
  const int64_t count = lcl_shape_count(shape);
  int64_t *ints = a->ints ? lcl__onnx_room(n, count, sizeof *ints) : NULL;
  float *floats = a->ints ? NULL : lcl__onnx_room(n, count, sizeof *floats);
  if (!ints && !floats) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < count; i++) {
    const bool first = c->ints[ic[i]] != 0;
    const onnx_value *from = first ? a : b;
    const int64_t at = first ? ia[iab[i]] : ib[iab[i]];
    if (ints)
      ints[i] = from->ints[at];
    else
      floats[i] = from->floats[at];
  }
  if (ints) return lcl__onnx_give_ints(n, 0, a->type, shape, ints);
  return lcl__onnx_give_floats(n, 0, shape, floats);
}

lcl_status lcl__onnx_where(onnx_node *n) {
  lcl_tensor *c, *a, *b;
  if (n->in[0]->type != ONNX_BOOL)
    return lcl__onnx_fail(n, LCL_ERR_TYPE, "its condition is bool, got %s",
                          lcl__onnx_type_name(n->in[0]->type));
  LCL_TRY(same_type(n, 1));
  if (on_host(n, 3)) return host_where(n);
  LCL_TRY(lcl__onnx_in_any(n, 0, &c));
  const bool truth = n->in[1]->type == ONNX_BOOL;
  LCL_TRY(truth ? lcl__onnx_in_any(n, 1, &a) : lcl__onnx_in(n, 1, &a));
  LCL_TRY(truth ? lcl__onnx_in_any(n, 2, &b) : lcl__onnx_in(n, 2, &b));
  return lcl__onnx_give(n, 0, lcl_select(c, a, b), n->in[1]->type);
}

lcl_status lcl__onnx_is(onnx_node *n) {
  int64_t negative = 1, positive = 1;
  lcl_tensor *x, *y, *inf = lcl_const(n->g, INFINITY);
  if (n->code == OP_IS_INF) {
    LCL_TRY(lcl__onnx_int(n, "detect_negative", 1, &negative));
    LCL_TRY(lcl__onnx_int(n, "detect_positive", 1, &positive));
  }
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  if (n->code == OP_IS_NAN)
    y = lcl_sub(lcl_const(n->g, 1), lcl_equal(x, x));
  else if (negative && positive)
    y = lcl_equal(lcl_abs(x), inf);
  else if (negative || positive)
    y = lcl_equal(positive ? x : lcl_neg(x), inf);
  else
    y = lcl_broadcast(lcl_const(n->g, 0), lcl_tensor_shape(x));
  return lcl__onnx_give(n, 0, y, ONNX_BOOL);
}

/* ---- others ---- */

/* A bound: an attribute before operator set 11, then an input of one number. */
static lcl_status clip_bound(onnx_node *n, int i, const char *name, lcl_tensor **out) {
  float v;
  *out = NULL;
  if (n->opset < 11) {
    const bool there = lcl__onnx_has(n, name);
    LCL_TRY(lcl__onnx_float(n, name, 0, &v));
    if (there) *out = lcl_const(n->g, v);
    return LCL_OK;
  }
  if (!lcl__onnx_given(n, i)) return LCL_OK;
  LCL_TRY(lcl__onnx_in(n, i, out));
  if (lcl_shape_count(n->in[i]->shape) != 1)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "its bounds must be numbers");
  *out = lcl_reshape(*out, LCL_SCALAR);
  return LCL_OK;
}

lcl_status lcl__onnx_clip(onnx_node *n) {
  lcl_tensor *x, *lo, *hi;
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  LCL_TRY(clip_bound(n, 1, "min", &lo));
  LCL_TRY(clip_bound(n, 2, "max", &hi));
  if (lo) x = extreme(LCL_MAP_MAX, x, lo);
  if (hi) x = extreme(LCL_MAP_MIN, x, hi); /* the upper bound wins where they cross */
  return lcl__onnx_give(n, 0, x, ONNX_FLOAT);
}

static lcl_status host_cast(onnx_node *n, onnx_type to) {
  const onnx_value *v = n->in[0];
  const int64_t count = lcl_shape_count(v->shape);
  int64_t *ints = lcl__onnx_is_int(to) ? lcl__onnx_room(n, count, sizeof *ints) : NULL;
  float *floats = ints ? NULL : lcl__onnx_room(n, count, sizeof *floats);
  if (!ints && !floats) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < count; i++) {
    const double x = lcl__onnx_number(v, i);
    if (floats)
      floats[i] = v->ints ? (float)v->ints[i] : v->floats[i];
    else if (to == ONNX_BOOL)
      ints[i] = v->ints ? v->ints[i] != 0 : x != 0;
    else if (!v->ints && !(fabs(x) < 9e18))
      return lcl__onnx_fail(n, LCL_ERR_NUMERIC, "%g is no %s", x, lcl__onnx_type_name(to));
    else
      ints[i] = v->ints ? v->ints[i] : (int64_t)x;
    if (ints && !in_range(to, ints[i]))
      return lcl__onnx_fail(n, LCL_ERR_NUMERIC, "%lld is no %s", (long long)ints[i],
                            lcl__onnx_type_name(to));
  }
  if (floats) return lcl__onnx_give_floats(n, 0, v->shape, floats);
  return lcl__onnx_give_ints(n, 0, to, v->shape, ints);
}

lcl_status lcl__onnx_cast(onnx_node *n) {
  int64_t to, saturate;
  lcl_tensor *x, *y;
  lcl_dtype dtype;
  const char *mode;
  if (n->code == OP_CAST_LIKE) {
    to = n->in[1]->type;
  } else {
    LCL_TRY(lcl__onnx_int(n, "to", 0, &to));
  }
  LCL_TRY(lcl__onnx_int(n, "saturate", 1, &saturate)); /* of types that are not supported */
  LCL_TRY(lcl__onnx_text(n, "round_mode", "up", &mode));
  const onnx_type from = n->in[0]->type, into = (onnx_type)to;
  if (from == into) return lcl__onnx_pass(n, 0, 0);
  if (lcl__onnx_known(n->in[0]) && (into == ONNX_FLOAT || lcl__onnx_is_int(into)))
    return host_cast(n, into);
  if (!lcl__onnx_dtype(into, &dtype))
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "a cast to %s is not supported",
                          lcl__onnx_type_name((int)to));
  LCL_TRY(lcl__onnx_in_any(n, 0, &x));
  const bool whole_numbers = lcl__onnx_is_int(from) && from != ONNX_BOOL;
  if (into == ONNX_BOOL)
    y = lcl_sub(lcl_const(n->g, 1), lcl_equal(lcl_cast(x, LCL_F32), lcl_const(n->g, 0)));
  else if (into == ONNX_FLOAT || into == ONNX_FLOAT16)
    y = lcl_cast(x, dtype);
  else if (whole_numbers && (into == ONNX_INT32 || into == ONNX_INT64))
    y = lcl_cast(x, LCL_I32); /* 32 bits hold what there is of int64 */
  else if (from == ONNX_BOOL || (from == ONNX_FLOAT && into != ONNX_UINT8))
    y = lcl_cast(x, dtype);
  else
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "a cast from %s to %s is not supported",
                          lcl__onnx_type_name(from), lcl__onnx_type_name((int)to));
  return lcl__onnx_give(n, 0, y, into);
}
