/* Class losses that are not plain cross-entropy, and class probabilities from sigmoid units. */
#include "nn/nn.h"

/* Guard of log(1 - p), as the source's clamp of p to [1e-7, 1 - 1e-7]. */
static const float floor_ = 1e-7f;

static lcl_tensor *class_sum(lcl_tensor *x) {
  return lcl_sum(x, LCL_AXIS(1), false);
}

lcl_tensor *lcl_bernoulli_softmax_rows(lcl_tensor *logits, lcl_tensor *onehot) {
  lcl_tensor *p = lcl_softmax(logits, 1),
             *floor_value = lcl_const(lcl_tensor_graph(logits), floor_);
  lcl_tensor *other = lcl_log(lcl_maximum(lcl_shift(lcl_neg(p), 1), floor_value));
  lcl_tensor *hit = lcl__nn_weigh(onehot, lcl_log_softmax(logits, 1));
  lcl_tensor *miss = lcl_mul(lcl_shift(lcl_neg(onehot), 1), other);
  return lcl_neg(class_sum(lcl_add(hit, miss)));
}

lcl_tensor *lcl_log_sigmoid_share(lcl_tensor *logits) {
  return lcl_log_softmax(lcl_neg(lcl_softplus(lcl_neg(logits))), 1);
}
