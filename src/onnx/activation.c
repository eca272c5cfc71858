/* Activations, softmax and dropout. */
#include <math.h>

#include "onnx/internal.h"

static lcl_tensor *num(onnx_node *n, float x) {
  return lcl_const(n->g, x);
}

/* e^x - 1 for x <= 0, where e^x is near 1 by its series: no cancellation. */
static lcl_tensor *expm1_negative(onnx_node *n, lcl_tensor *x) {
  static const float terms[] = {
    1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1
  };
  lcl_tensor *low = lcl_minimum(x, num(n, 0)), *s = num(n, terms[0]);
  for (size_t i = 1; i < LCL_COUNT(terms); i++) s = lcl_shift(lcl_mul(s, low), terms[i]);
  return lcl_select(lcl_greater(low, num(n, -0.5f)), lcl_mul(s, low), lcl_shift(lcl_exp(low), -1));
}

/* scale * (x where x > 0, else alpha * (e^(x/width) - 1)) */
static lcl_tensor *elu(onnx_node *n, lcl_tensor *x, float alpha, float width, float scale) {
  lcl_tensor *below = lcl_scale(expm1_negative(n, lcl_scale(x, 1 / width)), alpha);
  /* A NaN is not greater than 0, nor does the minimum keep it. */
  lcl_tensor *y = lcl_select(lcl_greater(x, num(n, 0)), x, below);
  return lcl_scale(lcl_select(lcl_equal(x, x), y, x), scale);
}

static lcl_tensor *clamp01(onnx_node *n, lcl_tensor *x) {
  lcl_tensor *y = lcl_minimum(lcl_maximum(x, num(n, 0)), num(n, 1));
  return lcl_select(lcl_equal(x, x), y, x);
}

/* 0.5 x (1 + erf(x/sqrt 2)), or its approximation with tanh. */
static lcl_status gelu(onnx_node *n, lcl_tensor *x, lcl_tensor **out) {
  const char *how;
  LCL_TRY(lcl__onnx_text(n, "approximate", "none", &how));
  if (strcmp(how, "tanh") == 0) {
    lcl_tensor *cube = lcl_mul(x, lcl_square(x)),
               *inner = lcl_scale(lcl_add(x, lcl_scale(cube, 0.044715f)), 0.79788456f);
    *out = lcl_mul(lcl_scale(x, 0.5f), lcl_shift(lcl_tanh(inner), 1));
    return LCL_OK;
  }
  if (strcmp(how, "none") != 0)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "approximate=\"%s\" is not supported", how);
  *out = lcl_mul(lcl_scale(x, 0.5f), lcl_shift(lcl__onnx_erf(lcl_scale(x, 0.70710678f)), 1));
  return LCL_OK;
}

static lcl_status with_alpha(onnx_node *n, lcl_tensor *x, lcl_tensor **out) {
  float alpha, beta;
  switch (n->code) {
  case OP_ELU:
    LCL_TRY(lcl__onnx_float(n, "alpha", 1, &alpha));
    *out = elu(n, x, alpha, 1, 1);
    return LCL_OK;
  case OP_SELU:
    LCL_TRY(lcl__onnx_float(n, "alpha", 1.67326319217681884765625f, &alpha));
    LCL_TRY(lcl__onnx_float(n, "gamma", 1.05070102214813232421875f, &beta));
    *out = elu(n, x, alpha, 1, beta);
    return LCL_OK;
  case OP_CELU:
    LCL_TRY(lcl__onnx_float(n, "alpha", 1, &alpha));
    if (!(alpha > 0)) return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "alpha must be positive");
    *out = elu(n, x, alpha, alpha, 1);
    return LCL_OK;
  case OP_LEAKY:
    LCL_TRY(lcl__onnx_float(n, "alpha", 0.01f, &alpha));
    *out = lcl_leaky_relu(x, alpha);
    return LCL_OK;
  case OP_HARD_SIGMOID:
    LCL_TRY(lcl__onnx_float(n, "alpha", 0.2f, &alpha));
    LCL_TRY(lcl__onnx_float(n, "beta", 0.5f, &beta));
    *out = clamp01(n, lcl_shift(lcl_scale(x, alpha), beta));
    return LCL_OK;
  case OP_THRESHOLDED:
    LCL_TRY(lcl__onnx_float(n, "alpha", 1, &alpha));
    *out = lcl_select(lcl_greater(x, num(n, alpha)), x, num(n, 0));
    return LCL_OK;
  case OP_SHRINK:
    LCL_TRY(lcl__onnx_float(n, "lambd", 0.5f, &alpha));
    LCL_TRY(lcl__onnx_float(n, "bias", 0, &beta));
    *out = lcl_select(lcl_less(x, num(n, -alpha)), lcl_shift(x, beta),
                      lcl_select(lcl_greater(x, num(n, alpha)), lcl_shift(x, -beta), num(n, 0)));
    return LCL_OK;
  default: /* OP_SWISH */
    LCL_TRY(lcl__onnx_float(n, "alpha", 1, &alpha));
    *out = lcl_mul(x, lcl_sigmoid(lcl_scale(x, alpha)));
    return LCL_OK;
  }
}

lcl_status lcl__onnx_activation(onnx_node *n) {
  lcl_tensor *x, *y = NULL;
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  switch (n->code) {
  case OP_HARD_SWISH: y = lcl_mul(x, clamp01(n, lcl_shift(lcl_scale(x, 1.0f / 6), 0.5f))); break;
  case OP_SOFTSIGN: y = lcl_div(x, lcl_shift(lcl_abs(x), 1)); break;
  case OP_MISH: y = lcl_mul(x, lcl_tanh(lcl_softplus(x))); break;
  case OP_GELU: LCL_TRY(gelu(n, x, &y)); break;
  default: LCL_TRY(with_alpha(n, x, &y));
  }
  return lcl__onnx_give(n, 0, y, ONNX_FLOAT);
}

lcl_status lcl__onnx_prelu(onnx_node *n) {
  lcl_tensor *x, *slope;
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  LCL_TRY(lcl__onnx_in(n, 1, &slope));
  lcl_tensor *y = lcl_select(lcl_less(x, num(n, 0)), lcl_mul(x, slope), x);
  if (!lcl_shape_equal(lcl_tensor_shape(y), lcl_tensor_shape(x)))
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "its slope has more elements than its input");
  return lcl__onnx_give(n, 0, y, ONNX_FLOAT);
}

static lcl_tensor *soft(onnx_node *n, lcl_tensor *x, int axis) {
  if (n->code == OP_LOG_SOFTMAX) return lcl_log_softmax(x, axis);
  if (n->code == OP_SOFTMAX) return lcl_softmax(x, axis);
  const lcl_shape s = lcl_tensor_shape(x);
  int perm[LCL_MAX_RANK], back[LCL_MAX_RANK];
  for (int i = 0, k = 0; i < s.rank; i++)
    if (i != axis) perm[k++] = i;
  perm[s.rank - 1] = axis;
  for (int i = 0; i < s.rank; i++) back[perm[i]] = i;
  lcl_tensor *last = lcl_transpose(x, perm);
  const lcl_shape moved = lcl_tensor_shape(last);
  const int64_t width = s.dim[axis], rows = width ? lcl_shape_count(s) / width : 0;
  lcl_tensor *hot = lcl_one_hot(lcl_argmax(lcl_reshape(last, LCL_SHAPE(rows, width)), 1, false),
                                width);
  return lcl_transpose(lcl_reshape(hot, moved), back);
}

/* Before operator set 13 over all axes from `axis` on, taken as one. */
lcl_status lcl__onnx_softmax(onnx_node *n) {
  lcl_tensor *x;
  int64_t axis;
  int a;
  LCL_TRY(lcl__onnx_int(n, "axis", n->opset < 13 ? 1 : -1, &axis));
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  const lcl_shape s = lcl_tensor_shape(x);
  if (s.rank == 0) return lcl__onnx_fail(n, LCL_ERR_SHAPE, "it does not take a single number");
  LCL_TRY(lcl__onnx_axis(n, axis, s.rank, &a));
  if (n->opset >= 13) return lcl__onnx_give(n, 0, soft(n, x, a), ONNX_FLOAT);
  int64_t rows = 1;
  for (int i = 0; i < a; i++) rows *= s.dim[i];
  lcl_tensor *flat = lcl_reshape(x, LCL_SHAPE(rows, rows ? lcl_shape_count(s) / rows : 0));
  return lcl__onnx_give(n, 0, lcl_reshape(soft(n, flat, 1), s), ONNX_FLOAT);
}

/* Of a trained network: the input itself. */
lcl_status lcl__onnx_dropout(onnx_node *n) {
  float ratio;
  int64_t seed;
  LCL_TRY(lcl__onnx_float(n, "ratio", 0.5f, &ratio));
  LCL_TRY(lcl__onnx_int(n, "seed", 0, &seed));
  if (lcl__onnx_given(n, 2)) {
    double training;
    LCL_TRY(lcl__onnx_known_number(n, 2, "training_mode", &training));
    if (training != 0) return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "training is not supported");
  }
  LCL_TRY(lcl__onnx_pass(n, 0, 0));
  if (n->n_out < 2 || !n->out[1]) return LCL_OK;
  return lcl__onnx_give(n, 1, lcl_broadcast(lcl_const(n->g, 1), n->in[0]->shape), ONNX_BOOL);
}
