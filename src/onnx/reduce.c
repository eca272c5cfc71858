/* Reductions. */
#include "onnx/internal.h"

/* Of whole numbers that the file tells, over all axes (the size of a shape). */
static lcl_status host_reduce(onnx_node *n, unsigned axes, bool keepdims) {
  const onnx_value *v = n->in[0];
  int64_t r = n->code == OP_R_PROD ? 1 : 0;
  const int64_t count = lcl_shape_count(v->shape);
  bool fits = n->code != OP_R_MAX && n->code != OP_R_MIN ? true : count > 0;
  if (axes != (1u << v->shape.rank) - 1 || (n->code > OP_R_MIN && n->code != OP_R_PROD) ||
      n->code == OP_R_MEAN)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "whole numbers are reduced over all axes, by sum, product, max and min");
  for (int64_t i = 0; i < count; i++) {
    const int64_t x = v->ints[i];
    if (n->code == OP_R_SUM) fits &= !__builtin_add_overflow(r, x, &r);
    if (n->code == OP_R_PROD) fits &= !__builtin_mul_overflow(r, x, &r);
    if (n->code == OP_R_MAX) r = i == 0 || x > r ? x : r;
    if (n->code == OP_R_MIN) r = i == 0 || x < r ? x : r;
  }
  if (!fits || (v->type == ONNX_INT32 && (r < INT32_MIN || r > INT32_MAX)) ||
      (v->type != ONNX_INT32 && v->type != ONNX_INT64))
    return lcl__onnx_fail(n, LCL_ERR_NUMERIC, "the result is no %s", lcl__onnx_type_name(v->type));
  int64_t *y = lcl__onnx_room(n, 1, sizeof *y);
  if (!y) return LCL_ERR_HOST_MEMORY;
  *y = r;
  lcl_shape s = { .rank = keepdims ? v->shape.rank : 0 };
  for (int i = 0; i < s.rank; i++) s.dim[i] = 1;
  return lcl__onnx_give_ints(n, 0, v->type, s, y);
}

static lcl_tensor *squares(lcl_tensor *x, unsigned axes, bool keepdims) {
  return lcl_sum(lcl_square(x), axes, keepdims);
}

/* log sum exp, shifted by the largest: no overflow. An infinite largest is not subtracted. */
static lcl_tensor *log_sum_exp(onnx_node *n, lcl_tensor *x, unsigned axes, bool keepdims) {
  lcl_tensor *most = lcl_max(x, axes, true), *zero = lcl_const(n->g, 0),
             *infinite = lcl_equal(lcl_abs(most), lcl_const(n->g, __builtin_inff())),
             *shift = lcl_select(infinite, zero, most),
             *y = lcl_add(lcl_log(lcl_sum(lcl_exp(lcl_sub(x, shift)), axes, true)), shift);
  return keepdims ? y : lcl_sum(y, axes, false);
}

static lcl_tensor *reduce(onnx_node *n, lcl_tensor *x, unsigned axes, bool keepdims) {
  switch (n->code) {
  case OP_R_SUM: return lcl_sum(x, axes, keepdims);
  case OP_R_MEAN: return lcl_mean(x, axes, keepdims);
  case OP_R_MAX: return lcl_max(x, axes, keepdims);
  case OP_R_MIN: return lcl_min(x, axes, keepdims);
  case OP_R_L1: return lcl_sum(lcl_abs(x), axes, keepdims);
  case OP_R_L2: return lcl_sqrt(squares(x, axes, keepdims));
  case OP_R_SUM_SQUARE: return squares(x, axes, keepdims);
  case OP_R_LOG_SUM: return lcl_log(lcl_sum(x, axes, keepdims));
  default: return log_sum_exp(n, x, axes, keepdims);
  }
}

/* Axes: an input from operator set 18 on (ReduceSum: 13), an attribute before. None given: all, or
 * with noop_with_empty_axes the input itself goes through the element-wise part. */
static lcl_status read_axes(onnx_node *n, int rank, unsigned *axes) {
  const bool by_input = n->opset >= 18 || (n->code == OP_R_SUM && n->opset >= 13);
  int64_t list[LCL_MAX_RANK], noop = 0;
  const int64_t *from = list;
  int count = -1;
  if (by_input) {
    LCL_TRY(lcl__onnx_int(n, "noop_with_empty_axes", 0, &noop));
    if (lcl__onnx_given(n, 1)) LCL_TRY(lcl__onnx_known_ints(n, 1, "axes", &from, &count));
  } else {
    LCL_TRY(lcl__onnx_ints(n, "axes", list, LCL_MAX_RANK, &count));
  }
  if (count > 0) return lcl__onnx_axes(n, from, count, rank, axes);
  if (noop && n->code > OP_R_MIN)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "noop_with_empty_axes is not supported here");
  *axes = noop ? 0 : (1u << rank) - 1;
  return LCL_OK;
}

lcl_status lcl__onnx_reduce(onnx_node *n) {
  lcl_tensor *x;
  int64_t keepdims;
  unsigned axes = 0;
  LCL_TRY(lcl__onnx_int(n, "keepdims", 1, &keepdims));
  LCL_TRY(read_axes(n, n->in[0]->shape.rank, &axes));
  if (n->in[0]->ints) return host_reduce(n, axes, keepdims != 0);
  if (n->code == OP_R_PROD)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "products are supported of whole numbers that the file tells");
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  return lcl__onnx_give(n, 0, reduce(n, x, axes, keepdims != 0), ONNX_FLOAT);
}

/* Position of the largest or smallest. */
lcl_status lcl__onnx_arg(onnx_node *n) {
  lcl_tensor *x;
  int64_t axis, keepdims, last = 0;
  int a;
  LCL_TRY(lcl__onnx_int(n, "axis", 0, &axis));
  LCL_TRY(lcl__onnx_int(n, "keepdims", 1, &keepdims));
  if (n->opset >= 12) LCL_TRY(lcl__onnx_int(n, "select_last_index", 0, &last));
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  const lcl_shape s = lcl_tensor_shape(x);
  LCL_TRY(lcl__onnx_axis(n, axis, s.rank, &a));
  if (n->code == OP_ARGMIN) x = lcl_neg(x);
  if (last) x = lcl_flip(x, LCL_AXIS(a));
  lcl_tensor *y = lcl_argmax(x, a, keepdims != 0);
  if (last) { /* counted from the end; exact below 2^24 */
    if (s.dim[a] > 1 << 24)
      return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                            "select_last_index over %lld elements is not "
                            "supported",
                            (long long)s.dim[a]);
    y = lcl_cast(lcl_sub(lcl_const(n->g, (float)(s.dim[a] - 1)), lcl_cast(y, LCL_F32)), LCL_I32);
  }
  return lcl__onnx_give(n, 0, y, ONNX_INT64);
}
