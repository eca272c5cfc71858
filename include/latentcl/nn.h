/* Blocks: layers, perturbations and losses written with graph.h and ops.h only. Shapes in comments.
 * Every variable is named "<name>.<part>", so that a second call with the same name (another graph,
 * another path) shares it. */
#ifndef LATENTCL_NN_H
#define LATENTCL_NN_H

#include "latentcl/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- layers (src/nn/layers.c) ---- */

typedef struct lcl_linear_desc {
  lcl_init weight; /* zero: He normal */
  lcl_init bias;   /* zero: 0 */
  bool no_bias;
} lcl_linear_desc;
/* x (N,I) -> (N,out): x W^T + b, variables name.weight (out,I), name.bias (out). desc may be NULL.
 */
LCL_API lcl_tensor *lcl_linear(lcl_tensor *x, const char *name, int64_t out,
                               const lcl_linear_desc *desc);
/* The weight alone, for tied decoders. */
LCL_API lcl_tensor *lcl_linear_weight(lcl_graph *g, const char *name, int64_t out, int64_t in,
                                      const lcl_linear_desc *desc);
/* v (N,O), w (O,I), bias name.bias (I) -> v W + c: the transposed (tied) layer. */
LCL_API lcl_tensor *lcl_linear_tied(lcl_tensor *v, lcl_tensor *w, const char *bias_name);

typedef struct lcl_conv_block_desc {
  int64_t out;
  int kernel[2];
  lcl_conv_desc conv;
  lcl_init weight; /* zero: He normal */
  bool no_bias;
} lcl_conv_block_desc;
/* x (N,C,H,W) -> (N,out,OH,OW); variables name.weight (out,C/groups,KH,KW), name.bias (out). */
LCL_API lcl_tensor *lcl_conv(lcl_tensor *x, const char *name, const lcl_conv_block_desc *desc);
LCL_API lcl_tensor *lcl_conv_weight(lcl_graph *g, const char *name, int64_t in_channels,
                                    const lcl_conv_block_desc *desc);
/* The data gradient of that convolution applied to v, plus a bias a channel (bias_name.bias; NULL:
 * none). */
LCL_API lcl_tensor *lcl_conv_tied(lcl_tensor *v, lcl_tensor *w, lcl_shape in_shape,
                                  const lcl_conv_desc *conv, const char *bias_name);
/* x (N,...) -> (N,F). */
LCL_API lcl_tensor *lcl_flatten(lcl_tensor *x);
/* x (N,C,H,W) + b (C); also x (N,F) + b (F). */
LCL_API lcl_tensor *lcl_add_bias(lcl_tensor *x, const char *name);

typedef enum lcl_bn_mode {
  LCL_BN_TRAIN,     /* batch statistics; running ones updated */
  LCL_BN_NO_UPDATE, /* batch statistics; running ones left alone (VAT's inner passes) */
  LCL_BN_EVAL       /* running statistics */
} lcl_bn_mode;
typedef struct lcl_bn_desc {
  lcl_bn_mode mode;
  float eps;      /* default 1e-5 */
  float momentum; /* weight of the new statistic (default 0.1) */
  bool unbiased;  /* running variance with the factor m/(m-1) */
  bool no_gamma, no_beta;
  float gamma; /* initial gamma (0 means 1) */
} lcl_bn_desc;
/* Batch norm over every axis but 1: x (N,F) or (N,C,H,W). Variables name.gamma, name.beta,
 * name.mean, name.var. */
LCL_API lcl_tensor *lcl_batch_norm(lcl_tensor *x, const char *name, const lcl_bn_desc *desc);
/* (x - mean)/sqrt(var + eps) with the batch's statistics; they may be NULL, or receive (1,C[,1,1])
 * tensors. */
LCL_API lcl_tensor *lcl_normalise(lcl_tensor *x, float eps, lcl_tensor **mean, lcl_tensor **var);

/* ---- perturbations (src/nn/perturb.c) ---- */

/* x + std*N(0,I). */
LCL_API lcl_tensor *lcl_gaussian_noise(lcl_tensor *x, float std);
/* Min-max scaled Gaussian perturbation, b (N,K): b + std*(max b - min b)*N(0,I), per row. The range
 * is a constant for the gradient unless range_grad. "Semantic Noise Modeling for Better
 * Representation Learning" (2016), section 3. */
LCL_API lcl_tensor *lcl_minmax_noise(lcl_tensor *b, float std, bool range_grad);
/* z + decode(y') - decode(y) with y' = lcl_minmax_noise(y): the same paper, equation 9. zr:
 * decode(y) if it exists already, else NULL. */
typedef lcl_tensor *(*lcl_block_fn)(void *user, lcl_tensor *x);
LCL_API lcl_tensor *lcl_semantic_noise(lcl_tensor *z, lcl_tensor *y, lcl_tensor *zr,
                                       lcl_block_fn decode, void *user, float std, bool range_grad);
/* x/||x||_2 per row of (N,...), guarded against a zero norm; a constant for the gradient. */
LCL_API lcl_tensor *lcl_unit_rows(lcl_tensor *x);
/* Random perturbation of length radius (N,1) or (1): radius*d/||d||, d ~ N(0,I); a constant for the
 * gradient. */
LCL_API lcl_tensor *lcl_random_direction(lcl_tensor *x, lcl_tensor *radius);
/* Divergence of two outputs of a network, mean over the batch: p is a constant, logits_q carries
 * the gradient. */
typedef lcl_tensor *(*lcl_divergence_fn)(void *user, lcl_tensor *logits_p, lcl_tensor *logits_q);
/* Virtual adversarial direction (Miyato et al. 2015): d random unit; `iterations` times d <- unit
 * of the gradient of D(f(x), f(x + xi*d)) with respect to d. Result radius*d, a constant for the
 * gradient. The net callback must use batch statistics without update (LCL_BN_NO_UPDATE) and the
 * same noise masks in every call. */
LCL_API lcl_tensor *lcl_vat_direction(lcl_tensor *x, lcl_tensor *radius, float xi, int iterations,
                                      lcl_block_fn net, lcl_divergence_fn divergence, void *user);

/* ---- lateral and vertical signals (src/nn/combine.c) ---- */

typedef enum lcl_combinator {
  /* mu(u) = a1*sigmoid(a2*u + a3) + a4*u + a5, v(u) the same with a6..a10: (z - mu)*v + mu.
   * a2 = a7 = 1, others 0. */
  LCL_COMBINE_GAUSS,
  /* a1 + a2*z + a3*u + a4*z*u + b1*sigmoid(c1 + c2*z + c3*u + c4*z*u). a2 = b1 = c2 = 1, others 0.
   */
  LCL_COMBINE_SIG,
  /* a1*z + a2*sigmoid(a3*z + a4) + a5, each a_j = c_j*u + d_j. d1 = d2 = d3 = 1, others 0. */
  LCL_COMBINE_ADHOC,
  LCL_COMBINE_LINEAR, /* w*z + b; u may be NULL */
  LCL_COMBINE_AMLP /* a perceptron for each unit on (z, u, z*u), leaky ReLU 0.1 between its layers
                    */
} lcl_combinator;
typedef struct lcl_combine_desc {
  lcl_combinator kind;
  int hidden[4]; /* AMLP: widths of the hidden layers, up to the first 0 */
  float std;     /* AMLP: of the initial weights (default 0.125) */
} lcl_combine_desc;
/* Denoising function of a Ladder layer, unit by unit: z, u (N,F) -> (N,F). Variables name.a1, ...
 * (F). */
LCL_API lcl_tensor *lcl_combine(lcl_tensor *z, lcl_tensor *u, const char *name,
                                const lcl_combine_desc *desc);

/* ---- losses (src/nn/losses.c): "rows" give one number an example (N); the others their batch mean
 * (scalar) ---- */

/* -log softmax(logits)_label: logits (N,K), label i32 or u8 (N). */
LCL_API lcl_tensor *lcl_cross_entropy_rows(lcl_tensor *logits, lcl_tensor *label);
LCL_API lcl_tensor *lcl_cross_entropy(lcl_tensor *logits, lcl_tensor *label);
/* softplus(a) - x*a, summed over each example: logits and x (N,...). */
LCL_API lcl_tensor *lcl_bce_logits_rows(lcl_tensor *logits, lcl_tensor *x);
LCL_API lcl_tensor *lcl_bce_logits(lcl_tensor *logits, lcl_tensor *x);
typedef enum lcl_l2_mode { LCL_L2_SUM, LCL_L2_HALF_SUM, LCL_L2_MEAN } lcl_l2_mode;
/* Squared error of each example: sum, half the sum, or mean over its elements. a and b (N,...). */
LCL_API lcl_tensor *lcl_l2_rows(lcl_tensor *a, lcl_tensor *b, lcl_l2_mode mode);
LCL_API lcl_tensor *lcl_l2(lcl_tensor *a, lcl_tensor *b, lcl_l2_mode mode);
/* KL(N(mu, exp(logvar)) || N(0,I)) summed over each example: 0.5*sum(exp(s) + mu^2 - 1 - s). */
LCL_API lcl_tensor *lcl_kl_gauss_rows(lcl_tensor *mu, lcl_tensor *logvar);
LCL_API lcl_tensor *lcl_kl_gauss(lcl_tensor *mu, lcl_tensor *logvar);
/* sum_k p log((p + tiny)/(q + tiny)), p = softmax(logits_p) a constant. (N,K). */
LCL_API lcl_tensor *lcl_kl_categorical_rows(lcl_tensor *logits_p, lcl_tensor *logits_q);
LCL_API lcl_tensor *lcl_kl_categorical(lcl_tensor *logits_p, lcl_tensor *logits_q);
/* Entropy of softmax(logits), per row (N). */
LCL_API lcl_tensor *lcl_entropy_rows(lcl_tensor *logits);
/* Entropy of the batch's mean distribution: -sum_k pbar_k log(pbar_k + tiny), a scalar. */
LCL_API lcl_tensor *lcl_marginal_entropy(lcl_tensor *probabilities, float tiny);
/* mu + exp(logvar/2)*N(0,I). */
LCL_API lcl_tensor *lcl_reparameterise(lcl_tensor *mu, lcl_tensor *logvar);
/* f32 (N): 1 where arg max over axis 1 equals label. */
LCL_API lcl_tensor *lcl_correct_rows(lcl_tensor *logits, lcl_tensor *label);

/* ---- information of Bernoulli units (src/nn/information.c): p (N,D) probabilities of 1 ---- */

/* sum_d KL(Bernoulli(p_d) || Bernoulli(q_d)), p = sigmoid(logits_p) a constant: rows (N), and their
 * mean. */
LCL_API lcl_tensor *lcl_kl_bernoulli_rows(lcl_tensor *logits_p, lcl_tensor *logits_q);
LCL_API lcl_tensor *lcl_kl_bernoulli(lcl_tensor *logits_p, lcl_tensor *logits_q);
/* sum_d h(p_d), h(a) = -a log a - (1-a) log(1-a), per row (N). */
LCL_API lcl_tensor *lcl_bernoulli_entropy_rows(lcl_tensor *p);
/* sum_d h(mean_n p_nd), a scalar. */
LCL_API lcl_tensor *lcl_bernoulli_marginal_entropy(lcl_tensor *p);
/* sum over pairs d < e of the mutual information of bits d and e under the batch's mean joint
 * distribution. */
LCL_API lcl_tensor *lcl_pairwise_information(lcl_tensor *p);

/* ---- class outputs (src/nn/classify.c) ---- */

/* Both Bernoulli terms on top of a softmax, p = softmax(logits): -sum_k y_k log p_k + (1-y_k)
 * log(1-p_k), per row (N) of logits and onehot (N,K). 1 - p is kept at or above 1e-7. Zumer,
 * "Influencing the Properties of Latent Representations" (2016), equation 5.1. */
LCL_API lcl_tensor *lcl_bernoulli_softmax_rows(lcl_tensor *logits, lcl_tensor *onehot);
/* Independent sigmoid units as a distribution: log of sigmoid(a_k)/sum_j sigmoid(a_j), (N,K) ->
 * (N,K). */
LCL_API lcl_tensor *lcl_log_sigmoid_share(lcl_tensor *logits);

#ifdef __cplusplus
}
#endif
#endif
