/* Losses and their per-example forms. */
#include <float.h>

#include "graph/graph.h"
#include "nn/nn.h"

/* Guard of logarithms of probabilities, as in the IMSAT code. */
static const float tiny = 1e-8f;

static lcl_tensor *batch_mean(lcl_tensor *rows) {
  return lcl_mean(rows, LCL_ALL_AXES, false);
}

static lcl_tensor *row_sum(lcl_tensor *x) {
  return lcl_sum(x, lcl__nn_row_axes(x), false);
}

static lcl_tensor *zero_of(lcl_tensor *x) {
  return lcl_const(lcl_tensor_graph(x), 0);
}

lcl_tensor *lcl__nn_infinite(lcl_tensor *x) {
  return lcl_greater(lcl_abs(x), lcl_const(lcl_tensor_graph(x), FLT_MAX));
}

lcl_tensor *lcl__nn_weigh(lcl_tensor *weight, lcl_tensor *x) {
  lcl_tensor *zero = zero_of(x);
  lcl_tensor *void_ = lcl_mul(lcl_equal(weight, zero), lcl__nn_infinite(x));
  return lcl_mul(weight, lcl_select(void_, zero, x));
}

lcl_tensor *lcl_cross_entropy_rows(lcl_tensor *logits, lcl_tensor *label) {
  lcl_shape s = lcl_tensor_shape(logits), t = lcl_tensor_shape(label);
  char a[96], b[96];
  if (s.rank != 2 || t.rank != 1 || t.dim[0] != s.dim[0])
    return lcl__graph_error(lcl_tensor_graph(logits), LCL_ERR_SHAPE, "cross_entropy",
                            "logits (N,K) and labels (N) were expected, got %s and %s",
                            lcl_shape_string(s, a), lcl_shape_string(t, b));
  lcl_tensor *hot = lcl_one_hot(label, s.dim[1]);
  /* Selected, not multiplied: a class of probability 0 has the logarithm -inf. */
  return lcl_neg(row_sum(lcl_select(hot, lcl_log_softmax(logits, 1), zero_of(logits))));
}

lcl_tensor *lcl_cross_entropy(lcl_tensor *logits, lcl_tensor *label) {
  return batch_mean(lcl_cross_entropy_rows(logits, label));
}

/* The loss of an infinite logit: its distance from the target's side times |logit|, 0 where the
 * target is that side. */
static lcl_tensor *bce_infinite(lcl_tensor *logits, lcl_tensor *x) {
  lcl_tensor *side = lcl_greater(logits, zero_of(logits));
  return lcl__nn_weigh(lcl_abs(lcl_sub(side, x)), lcl_abs(logits));
}

lcl_tensor *lcl_bce_logits_rows(lcl_tensor *logits, lcl_tensor *x) {
  lcl_tensor *infinite = lcl__nn_infinite(logits);
  lcl_tensor *a = lcl_select(infinite, zero_of(logits), logits);
  lcl_tensor *loss = lcl_sub(lcl_softplus(a), lcl_mul(x, a));
  return row_sum(lcl_select(infinite, bce_infinite(logits, x), loss));
}

lcl_tensor *lcl_bce_logits(lcl_tensor *logits, lcl_tensor *x) {
  return batch_mean(lcl_bce_logits_rows(logits, x));
}

lcl_tensor *lcl_l2_rows(lcl_tensor *a, lcl_tensor *b, lcl_l2_mode mode) {
  lcl_tensor *sum = row_sum(lcl_square(lcl_sub(a, b)));
  if (mode == LCL_L2_HALF_SUM) return lcl_scale(sum, 0.5f);
  if (mode == LCL_L2_SUM) return sum;
  lcl_shape s = lcl_tensor_shape(a);
  int64_t n = s.rank ? s.dim[0] : 1;
  return lcl_scale(sum, (float)((double)n / (double)LCL_MAX(lcl_shape_count(s), 1)));
}

lcl_tensor *lcl_l2(lcl_tensor *a, lcl_tensor *b, lcl_l2_mode mode) {
  return batch_mean(lcl_l2_rows(a, b, mode));
}

lcl_tensor *lcl_kl_gauss_rows(lcl_tensor *mu, lcl_tensor *logvar) {
  /* Beside exp(inf), inf itself is nothing. */
  lcl_tensor *huge = lcl_greater(logvar, lcl_const(lcl_tensor_graph(logvar), FLT_MAX));
  lcl_tensor *beside = lcl_shift(lcl_select(huge, zero_of(logvar), logvar), 1);
  lcl_tensor *terms = lcl_sub(lcl_add(lcl_exp(logvar), lcl_square(mu)), beside);
  return lcl_scale(row_sum(terms), 0.5f);
}

lcl_tensor *lcl_kl_gauss(lcl_tensor *mu, lcl_tensor *logvar) {
  return batch_mean(lcl_kl_gauss_rows(mu, logvar));
}

lcl_tensor *lcl_kl_categorical_rows(lcl_tensor *logits_p, lcl_tensor *logits_q) {
  lcl_tensor *p = lcl_stop_gradient(lcl_softmax(logits_p, 1));
  lcl_tensor *q = lcl_softmax(logits_q, 1);
  return row_sum(lcl_mul(p, lcl_sub(lcl_log(lcl_shift(p, tiny)), lcl_log(lcl_shift(q, tiny)))));
}

lcl_tensor *lcl_kl_categorical(lcl_tensor *logits_p, lcl_tensor *logits_q) {
  return batch_mean(lcl_kl_categorical_rows(logits_p, logits_q));
}

lcl_tensor *lcl_entropy_rows(lcl_tensor *logits) {
  lcl_tensor *log_p = lcl_log_softmax(logits, 1);
  return lcl_neg(row_sum(lcl__nn_weigh(lcl_exp(log_p), log_p)));
}

lcl_tensor *lcl_marginal_entropy(lcl_tensor *probabilities, float floor_) {
  lcl_tensor *mean = lcl_batch_mean(probabilities, LCL_AXIS(0), false);
  lcl_tensor *guarded = lcl_shift(mean, floor_);
  if (floor_ == 0) /* 0 log 0 is 0, and so is its share of the gradient */
    guarded = lcl_select(mean, mean, lcl_const(lcl_tensor_graph(mean), 1));
  return lcl_neg(lcl_sum(lcl_mul(mean, lcl_log(guarded)), LCL_ALL_AXES, false));
}

lcl_tensor *lcl_reparameterise(lcl_tensor *mu, lcl_tensor *logvar) {
  lcl_tensor *eps = lcl_random_normal(lcl_tensor_graph(mu), lcl_tensor_shape(mu));
  return lcl_add(mu, lcl_mul(lcl_exp(lcl_scale(logvar, 0.5f)), eps));
}

lcl_tensor *lcl_correct_rows(lcl_tensor *logits, lcl_tensor *label) {
  lcl_tensor *predicted = lcl_cast(lcl_argmax(logits, 1, false), LCL_F32);
  return lcl_equal(predicted, lcl_cast(label, LCL_F32));
}
