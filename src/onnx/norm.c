/* Normalisations, as a trained network computes them. */
#include <math.h>

#include "onnx/internal.h"

/* (C) as (C,1,1) beside (N,C,H,W). */
static lcl_tensor *along_channels(lcl_tensor *v, int rank) {
  lcl_shape s = { .rank = LCL_MAX(rank - 1, 1) };
  s.dim[0] = lcl_shape_count(lcl_tensor_shape(v));
  for (int i = 1; i < s.rank; i++) s.dim[i] = 1;
  return lcl_reshape(v, s);
}

static lcl_tensor *normalised(lcl_tensor *x, unsigned axes, float epsilon) {
  lcl_tensor *mean, *var;
  lcl_moments(x, axes, &mean, &var);
  return lcl_mul(lcl_sub(x, mean), lcl_rsqrt(lcl_shift(var, epsilon)));
}

static lcl_status channels_of(onnx_node *n, lcl_shape s) {
  if (s.rank < 2) return lcl__onnx_fail(n, LCL_ERR_SHAPE, "it takes (N,C,...)");
  for (int i = 1; i < n->n_in; i++)
    if (lcl_shape_count(n->in[i]->shape) != s.dim[1])
      return lcl__onnx_fail(n, LCL_ERR_SHAPE,
                            "input %d has not one number for each of %lld channels", i,
                            (long long)s.dim[1]);
  return LCL_OK;
}

lcl_status lcl__onnx_batch_norm(onnx_node *n) {
  lcl_tensor *x, *p[4];
  float epsilon, momentum;
  int64_t training = 0, spatial = 1;
  LCL_TRY(lcl__onnx_float(n, "epsilon", 1e-5f, &epsilon));
  LCL_TRY(lcl__onnx_float(n, "momentum", 0.9f, &momentum)); /* of training */
  if (n->opset >= 14) LCL_TRY(lcl__onnx_int(n, "training_mode", 0, &training));
  if (n->opset < 9) LCL_TRY(lcl__onnx_int(n, "spatial", 1, &spatial));
  if (training || spatial != 1)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "%s is not supported",
                          training ? "training_mode" : "spatial=0");
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  const lcl_shape s = lcl_tensor_shape(x);
  LCL_TRY(channels_of(n, s));
  for (int i = 0; i < 4; i++) {
    LCL_TRY(lcl__onnx_in(n, i + 1, &p[i]));
    p[i] = along_channels(p[i], s.rank);
  }
  lcl_tensor *factor = lcl_mul(p[0], lcl_rsqrt(lcl_shift(p[3], epsilon)));
  return lcl__onnx_give(n, 0, lcl_add(lcl_mul(lcl_sub(x, p[2]), factor), p[1]), ONNX_FLOAT);
}

lcl_status lcl__onnx_instance_norm(onnx_node *n) {
  lcl_tensor *x, *scale, *b;
  float epsilon;
  LCL_TRY(lcl__onnx_float(n, "epsilon", 1e-5f, &epsilon));
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  LCL_TRY(lcl__onnx_in(n, 1, &scale));
  LCL_TRY(lcl__onnx_in(n, 2, &b));
  const lcl_shape s = lcl_tensor_shape(x);
  LCL_TRY(channels_of(n, s));
  if (s.rank < 3)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "it takes (N,C,...) with at least one more axis");
  const unsigned axes = ((1u << s.rank) - 1) & ~(LCL_AXIS(0) | LCL_AXIS(1));
  lcl_tensor *y = lcl_mul(normalised(x, axes, epsilon), along_channels(scale, s.rank));
  return lcl__onnx_give(n, 0, lcl_add(y, along_channels(b, s.rank)), ONNX_FLOAT);
}

/* Rows of the elements of a group, then one factor and addend a channel (operator set 21). */
lcl_status lcl__onnx_group_norm(onnx_node *n) {
  lcl_tensor *x, *scale, *b;
  float epsilon;
  int64_t groups, stash;
  LCL_TRY(lcl__onnx_float(n, "epsilon", 1e-5f, &epsilon));
  LCL_TRY(lcl__onnx_int(n, "num_groups", 0, &groups));
  LCL_TRY(lcl__onnx_int(n, "stash_type", 1, &stash)); /* f32 is what there is */
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  LCL_TRY(lcl__onnx_in(n, 1, &scale));
  LCL_TRY(lcl__onnx_in(n, 2, &b));
  const lcl_shape s = lcl_tensor_shape(x);
  LCL_TRY(channels_of(n, s));
  if (stash != 1 || groups < 1 || s.dim[1] % groups)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%lld channels are not %lld groups",
                          (long long)s.dim[1], (long long)groups);
  const int64_t rows = s.dim[0] * groups;
  lcl_tensor *flat = lcl_reshape(x, LCL_SHAPE(rows, rows ? lcl_shape_count(s) / rows : 0)),
             *y = lcl_reshape(normalised(flat, LCL_AXIS(1), epsilon), s);
  y = lcl_add(lcl_mul(y, along_channels(scale, s.rank)), along_channels(b, s.rank));
  return lcl__onnx_give(n, 0, y, ONNX_FLOAT);
}

/* LayerNormalization and RMSNormalization over the axes from `axis` on. */
lcl_status lcl__onnx_layer_norm(onnx_node *n) {
  lcl_tensor *x, *scale, *b, *y, *mean = NULL, *var;
  float epsilon;
  int64_t axis, stash;
  int a;
  LCL_TRY(lcl__onnx_float(n, "epsilon", 1e-5f, &epsilon));
  LCL_TRY(lcl__onnx_int(n, "axis", -1, &axis));
  LCL_TRY(lcl__onnx_int(n, "stash_type", 1, &stash));
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  LCL_TRY(lcl__onnx_in(n, 1, &scale));
  const lcl_shape s = lcl_tensor_shape(x);
  LCL_TRY(lcl__onnx_axis(n, axis, s.rank, &a));
  if (stash != 1) return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "only stash_type 1 is supported");
  const unsigned axes = ((1u << s.rank) - 1) & ~((1u << a) - 1);
  if (n->code == OP_RMS_NORM)
    var = lcl_mean(lcl_square(x), axes, true);
  else
    lcl_moments(x, axes, &mean, &var);
  lcl_tensor *inverse = lcl_rsqrt(lcl_shift(var, epsilon));
  y = lcl_mul(lcl_mul(mean ? lcl_sub(x, mean) : x, inverse), scale);
  if (n->code == OP_LAYER_NORM && lcl__onnx_given(n, 2)) {
    LCL_TRY(lcl__onnx_in(n, 2, &b));
    y = lcl_add(y, b);
  }
  if (lcl_graph_status(n->g) == LCL_OK && !lcl_shape_equal(lcl_tensor_shape(y), s))
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "its scale or bias has more elements than its input");
  LCL_TRY(lcl__onnx_give(n, 0, y, ONNX_FLOAT));
  if (mean) LCL_TRY(lcl__onnx_give(n, 1, mean, ONNX_FLOAT));
  return lcl__onnx_give(n, 2, inverse, ONNX_FLOAT);
}

lcl_status lcl__onnx_lp_norm(onnx_node *n) {
  lcl_tensor *x;
  int64_t axis, p;
  int a;
  LCL_TRY(lcl__onnx_int(n, "axis", -1, &axis));
  LCL_TRY(lcl__onnx_int(n, "p", 2, &p));
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  LCL_TRY(lcl__onnx_axis(n, axis, lcl_tensor_shape(x).rank, &a));
  if (p != 1 && p != 2)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "p is 1 or 2, not %lld", (long long)p);
  lcl_tensor *size = p == 1 ? lcl_sum(lcl_abs(x), LCL_AXIS(a), true)
                            : lcl_sqrt(lcl_sum(lcl_square(x), LCL_AXIS(a), true)),
             *zero = lcl_const(n->g, 0);
  /* Nothing but zeros stays so. */
  lcl_tensor *none = lcl_equal(size, zero);
  lcl_tensor *y = lcl_div(x, lcl_select(none, lcl_const(n->g, 1), size));
  return lcl__onnx_give(n, 0, y, ONNX_FLOAT);
}

/* x / (bias + alpha/size * sum of the squares of `size` neighbouring channels)^beta. */
lcl_status lcl__onnx_lrn(onnx_node *n) {
  lcl_tensor *x;
  float alpha, beta, bias;
  int64_t size;
  LCL_TRY(lcl__onnx_float(n, "alpha", 1e-4f, &alpha));
  LCL_TRY(lcl__onnx_float(n, "beta", 0.75f, &beta));
  LCL_TRY(lcl__onnx_float(n, "bias", 1, &bias));
  LCL_TRY(lcl__onnx_int(n, "size", 0, &size));
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  const lcl_shape s = lcl_tensor_shape(x);
  if (s.rank < 2 || size < 1 || size > 1024)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "it takes (N,C,...) and a size of 1 to 1024");
  int64_t before[LCL_MAX_RANK] = { 0 }, after[LCL_MAX_RANK] = { 0 };
  before[1] = (size - 1) / 2;
  after[1] = size - 1 - before[1];
  lcl_tensor *squares = lcl_pad(lcl_square(x), before, after), *sum = NULL;
  for (int64_t i = 0; i < size; i++) {
    lcl_tensor *part = lcl_slice_axis(squares, 1, i, i + s.dim[1]);
    sum = sum ? lcl_add(sum, part) : part;
  }
  lcl_tensor *base = lcl_shift(lcl_scale(sum, alpha / (float)size), bias);
  return lcl__onnx_give(n, 0, lcl_mul(x, lcl_exp(lcl_scale(lcl_log(base), -beta))), ONNX_FLOAT);
}

lcl_status lcl__onnx_mean_variance(onnx_node *n) {
  lcl_tensor *x, *mean, *var;
  int64_t list[LCL_MAX_RANK] = { 0, 2, 3 };
  int count;
  unsigned axes = 0;
  LCL_TRY(lcl__onnx_ints(n, "axes", list, LCL_MAX_RANK, &count));
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  if (count < 0) list[0] = 0, list[1] = 2, list[2] = 3, count = 3;
  LCL_TRY(lcl__onnx_axes(n, list, count, lcl_tensor_shape(x).rank, &axes));
  lcl_moments(x, axes, &mean, &var);
  /* The definition adds 1e-9 to the standard deviation. */
  return lcl__onnx_give(n, 0, lcl_div(lcl_sub(x, mean), lcl_shift(lcl_sqrt(var), 1e-9f)),
                        ONNX_FLOAT);
}
