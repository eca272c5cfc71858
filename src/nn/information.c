/* Information measures of Bernoulli units. Hu et al., "Learning Discrete Representations via
 * Information Maximizing Self-Augmented Training" (2017), section 3.3. Every logarithm is guarded
 * by tiny = 1e-8, as in the authors' code. */
#include "nn/nn.h"

static const float tiny = 1e-8f;

static lcl_tensor *guarded_log(lcl_tensor *p) {
  return lcl_log(lcl_shift(p, tiny));
}

static lcl_tensor *complement(lcl_tensor *p) {
  return lcl_shift(lcl_neg(p), 1);
}

/* h(p) = -p log p - (1-p) log(1-p), element by element. */
static lcl_tensor *binary_entropy(lcl_tensor *p) {
  lcl_tensor *q = complement(p);
  return lcl_neg(lcl_add(lcl_mul(p, guarded_log(p)), lcl_mul(q, guarded_log(q))));
}

lcl_tensor *lcl_kl_bernoulli_rows(lcl_tensor *logits_p, lcl_tensor *logits_q) {
  lcl_tensor *p = lcl_stop_gradient(lcl_sigmoid(logits_p)), *q = lcl_sigmoid(logits_q);
  lcl_tensor *p0 = complement(p), *q0 = complement(q);
  lcl_tensor *one = lcl_mul(p, lcl_sub(guarded_log(p), guarded_log(q)));
  lcl_tensor *zero = lcl_mul(p0, lcl_sub(guarded_log(p0), guarded_log(q0)));
  return lcl_sum(lcl_add(one, zero), lcl__nn_row_axes(logits_q), false);
}

lcl_tensor *lcl_kl_bernoulli(lcl_tensor *logits_p, lcl_tensor *logits_q) {
  return lcl_mean(lcl_kl_bernoulli_rows(logits_p, logits_q), LCL_ALL_AXES, false);
}

lcl_tensor *lcl_bernoulli_entropy_rows(lcl_tensor *p) {
  return lcl_sum(binary_entropy(p), lcl__nn_row_axes(p), false);
}

lcl_tensor *lcl_bernoulli_marginal_entropy(lcl_tensor *p) {
  return lcl_sum(binary_entropy(lcl_batch_mean(p, LCL_AXIS(0), false)), LCL_ALL_AXES, false);
}

/* M log((M + tiny)/(a*b + tiny)). */
static lcl_tensor *joint_term(lcl_tensor *joint, lcl_tensor *a, lcl_tensor *b) {
  return lcl_mul(joint, lcl_sub(guarded_log(joint), guarded_log(lcl_mul(a, b))));
}

/* Sum of the mutual information of all pairs with margins a and b (of 1) and joint probability m11
 * of (1,1). The other cells follow from the margins; rounding must not take them below zero. */
static lcl_tensor *information(lcl_tensor *m11, lcl_tensor *a, lcl_tensor *b) {
  lcl_tensor *zero = lcl_const(lcl_tensor_graph(m11), 0), *a0 = complement(a), *b0 = complement(b);
  lcl_tensor *m10 = lcl_maximum(lcl_sub(a, m11), zero), *m01 = lcl_maximum(lcl_sub(b, m11), zero);
  lcl_tensor *m00 = lcl_maximum(lcl_add(lcl_sub(a0, b), m11), zero);
  lcl_tensor *cells = lcl_add(lcl_add(joint_term(m11, a, b), joint_term(m10, a, b0)),
                              lcl_add(joint_term(m01, a0, b), joint_term(m00, a0, b0)));
  return lcl_sum(cells, LCL_ALL_AXES, false);
}

lcl_tensor *lcl_pairwise_information(lcl_tensor *p) {
  lcl_shape s = lcl_tensor_shape(p);
  int64_t n = s.rank == 2 && s.dim[0] ? s.dim[0] : 1, d = s.rank == 2 ? s.dim[1] : 1;
  lcl_tensor *mean = lcl_batch_mean(p, LCL_AXIS(0), false);
  lcl_tensor *a = lcl_reshape(mean, LCL_SHAPE(d, 1)), *b = lcl_reshape(mean, LCL_SHAPE(1, d));
  lcl_tensor *joint = lcl_mean_over_ranks(
      lcl_scale(lcl_matmul(p, p, true, false), 1.0f / (float)n));
  /* Each pair is there twice, and each bit with itself once. */
  lcl_tensor *self = information(lcl_batch_mean(lcl_square(p), LCL_AXIS(0), false), mean, mean);
  return lcl_scale(lcl_sub(information(joint, a, b), self), 0.5f);
}
