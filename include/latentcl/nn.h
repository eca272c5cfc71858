/** @file
 * Blocks: layers, perturbations and losses, written with graph.h and ops.h only.
 *
 * Every variable is named "NAME.PART", so that a second call with the same name (another graph,
 * another path) shares it. Tensors are f32 unless a comment says otherwise. As all graph building,
 * these functions are sticky: after an error they return a poison tensor, and lcl_compile() reports
 * the first error (graph.h). */
#ifndef LATENTCL_NN_H
#define LATENTCL_NN_H

#include "latentcl/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- layers (src/nn/layers.c) ---- */

/** Options of a linear layer. */
typedef struct lcl_linear_desc {
  lcl_init weight; /**< zero: He normal */
  lcl_init bias;   /**< zero: 0 */
  bool no_bias;    /**< x W^T only */
} lcl_linear_desc;

/** Linear layer x W^T + b.
 *
 * @param x     (N,I)
 * @param name  of the variables name.weight (out,I) and name.bias (out)
 * @param out   features of the result
 * @param desc  options; NULL: defaults
 * @return (N,out) */
LCL_API lcl_tensor *lcl_linear(lcl_tensor *x, const char *name, int64_t out,
                               const lcl_linear_desc *desc);

/** The weight of a linear layer alone, for tied decoders.
 *
 * @param g     the graph
 * @param name  of the variable name.weight
 * @param out   features out
 * @param in    features in
 * @param desc  options; NULL: defaults
 * @return (out,in) */
LCL_API lcl_tensor *lcl_linear_weight(lcl_graph *g, const char *name, int64_t out, int64_t in,
                                      const lcl_linear_desc *desc);

/** The transposed (tied) linear layer v W + c.
 *
 * @param v          (N,O)
 * @param w          (O,I)
 * @param bias_name  of the variable bias_name.bias (I); NULL: none
 * @return (N,I) */
LCL_API lcl_tensor *lcl_linear_tied(lcl_tensor *v, lcl_tensor *w, const char *bias_name);

/** A convolutional layer. */
typedef struct lcl_conv_block_desc {
  int64_t out;        /**< output channels */
  int kernel[2];      /**< KH, KW */
  lcl_conv_desc conv; /**< stride, padding, dilation, groups */
  lcl_init weight;    /**< zero: He normal */
  bool no_bias;       /**< without name.bias */
} lcl_conv_block_desc;

/** Convolutional layer with a bias for each channel.
 *
 * @param x     (N,C,H,W)
 * @param name  of the variables name.weight (out,C/groups,KH,KW) and name.bias (out)
 * @param desc  the layer
 * @return (N,out,OH,OW) as lcl_conv2d() */
LCL_API lcl_tensor *lcl_conv(lcl_tensor *x, const char *name, const lcl_conv_block_desc *desc);

/** The filter of a convolutional layer alone, for tied decoders.
 *
 * @param g            the graph
 * @param name         of the variable name.weight
 * @param in_channels  C
 * @param desc         the layer
 * @return (out,C/groups,KH,KW) */
LCL_API lcl_tensor *lcl_conv_weight(lcl_graph *g, const char *name, int64_t in_channels,
                                    const lcl_conv_block_desc *desc);

/** The transposed (tied) convolution: lcl_conv2d_input_grad() of v, plus a bias for each channel.
 *
 * @param v          (N,O,OH,OW)
 * @param w          (O,C/groups,KH,KW)
 * @param in_shape   (N,C,H,W) of the result
 * @param conv       as in the forward layer
 * @param bias_name  of the variable bias_name.bias (C); NULL: none
 * @return (N,C,H,W) */
LCL_API lcl_tensor *lcl_conv_tied(lcl_tensor *v, lcl_tensor *w, lcl_shape in_shape,
                                  const lcl_conv_desc *conv, const char *bias_name);

/** One row for each example.
 *
 * @param x  (N,...)
 * @return (N,F) */
LCL_API lcl_tensor *lcl_flatten(lcl_tensor *x);

/** Adds a bias for each channel.
 *
 * @param x     (N,F) or (N,C,H,W)
 * @param name  of the variable name.bias, (F) or (C), which starts at 0
 * @return the shape of x */
LCL_API lcl_tensor *lcl_add_bias(lcl_tensor *x, const char *name);

/** Which statistics batch norm takes. */
typedef enum lcl_bn_mode {
  LCL_BN_TRAIN,     /**< the batch's; running ones are updated */
  LCL_BN_NO_UPDATE, /**< the batch's; running ones stay (VAT's inner passes) */
  LCL_BN_EVAL       /**< running ones */
} lcl_bn_mode;

/** Options of batch norm. */
typedef struct lcl_bn_desc {
  lcl_bn_mode mode; /**< which statistics */
  float eps;        /**< added to the variance (0: 1e-5) */
  float momentum;   /**< weight of the new statistic in the running one (0: 0.1) */
  bool unbiased;    /**< running variance with the factor m/(m-1), m values a channel */
  bool no_gamma;    /**< without scale */
  bool no_beta;     /**< without shift */
  float gamma;      /**< initial scale (0: 1) */
} lcl_bn_desc;

/** The mean over axes that hold the examples of the batch, for what is not linear in it: over the
 * whole batch also where ranks share it (lcl_graph_share()).
 *
 * @param x         a tensor with examples along one of the axes
 * @param axes      as of lcl_mean()
 * @param keepdims  the axes stay, with size 1
 * @return the shape of x without the axes, or with 1 in their place */
LCL_API lcl_tensor *lcl_batch_mean(lcl_tensor *x, unsigned axes, bool keepdims);

/** Mean and variance of the batch, likewise: as lcl_moments(). Where each rank is to take those of
 * its own examples (#lcl_train_desc.local_norm), it does.
 *
 * @param x     a tensor with examples along one of the axes
 * @param axes  those over which they are taken
 * @param mean  receives the mean; the axes stay, with size 1
 * @param var   receives the variance (divided by n), likewise */
LCL_API void lcl_batch_moments(lcl_tensor *x, unsigned axes, lcl_tensor **mean, lcl_tensor **var);

/** Batch norm over every axis but 1 (Ioffe and Szegedy 2015).
 *
 * @param x     (N,F) or (N,C,H,W)
 * @param name  of the variables name.gamma, name.beta, name.mean and name.var, (F) or (C)
 * @param desc  options; NULL: defaults
 * @return the shape of x */
LCL_API lcl_tensor *lcl_batch_norm(lcl_tensor *x, const char *name, const lcl_bn_desc *desc);

/** (x - mean)/sqrt(var + eps) with the batch's mean and biased variance.
 *
 * @param x     (N,F) or (N,C,H,W)
 * @param eps   added to the variance
 * @param mean  receives the mean, (1,C) or (1,C,1,1); NULL: not wanted
 * @param var   receives the variance, likewise
 * @return the shape of x */
LCL_API lcl_tensor *lcl_normalise(lcl_tensor *x, float eps, lcl_tensor **mean, lcl_tensor **var);

/* ---- perturbations (src/nn/perturb.c) ---- */

/** x + std*N(0,I).
 *
 * @param x    any shape
 * @param std  standard deviation; 0: x itself
 * @return the shape of x */
LCL_API lcl_tensor *lcl_gaussian_noise(lcl_tensor *x, float std);

/** Min-max scaled Gaussian perturbation b + std*(max b - min b)*N(0,I), the range being each row's.
 * "Semantic Noise Modeling for Better Representation Learning" (2016), section 3.
 *
 * @param b           (N,K)
 * @param std         in units of the range
 * @param range_grad  the gradient flows through the range too; false: the range is a constant
 * @return (N,K) */
LCL_API lcl_tensor *lcl_minmax_noise(lcl_tensor *b, float std, bool range_grad);

/** A part of a network, as a function of the graph. user is passed through. */
typedef lcl_tensor *(*lcl_block_fn)(void *user, lcl_tensor *x);

/** Semantic noise z + decode(y') - decode(y) with y' = lcl_minmax_noise(y). "Semantic Noise
 * Modeling for Better Representation Learning" (2016), equation 9.
 *
 * @param z           the latent, of the shape that decode gives
 * @param y           (N,K), the input of decode
 * @param zr          decode(y) if it exists already; NULL: it is made
 * @param decode      called once or twice
 * @param user        passed to decode
 * @param std         as lcl_minmax_noise()
 * @param range_grad  as lcl_minmax_noise()
 * @return the shape of z */
LCL_API lcl_tensor *lcl_semantic_noise(lcl_tensor *z, lcl_tensor *y, lcl_tensor *zr,
                                       lcl_block_fn decode, void *user, float std, bool range_grad);

/** x/||x||_2 of each row, guarded against a zero norm; a constant for the gradient.
 *
 * @param x  (N,...)
 * @return the shape of x */
LCL_API lcl_tensor *lcl_unit_rows(lcl_tensor *x);

/** A random perturbation of given length: radius*d/||d|| with d ~ N(0,I); a constant for the
 * gradient. "Learning Discrete Representations via Information Maximizing Self-Augmented Training"
 * (2017), section 3.2.
 *
 * @param x       (N,...)
 * @param radius  length, one number or (N,1)
 * @return the shape of x */
LCL_API lcl_tensor *lcl_random_direction(lcl_tensor *x, lcl_tensor *radius);

/** Divergence of two outputs of a network, mean over the batch: logits_p is a constant, logits_q
 * carries the gradient. user is passed through. */
typedef lcl_tensor *(*lcl_divergence_fn)(void *user, lcl_tensor *logits_p, lcl_tensor *logits_q);

/** Virtual adversarial direction (Miyato et al. 2015): d is random of length 1; `iterations` times
 * d becomes the unit gradient of D(f(x), f(x + xi*d)) with respect to d. The result is radius*d, a
 * constant for the gradient.
 *
 * @param x           (N,...)
 * @param radius      length, one number or (N,1)
 * @param xi          length of the probe
 * @param iterations  power iterations; 0: a random direction
 * @param net         f; has to use batch statistics without update (#LCL_BN_NO_UPDATE) and the same
 *   noise in every call
 * @param divergence  D
 * @param user        passed to net and divergence
 * @return the shape of x */
LCL_API lcl_tensor *lcl_vat_direction(lcl_tensor *x, lcl_tensor *radius, float xi, int iterations,
                                      lcl_block_fn net, lcl_divergence_fn divergence, void *user);

/* ---- lateral and vertical signals (src/nn/combine.c) ---- */

/** How a Ladder decoder joins the lateral signal z and the vertical signal u of a unit: Rasmus et
 * al. (2015), equation 2; Pezeshki et al. (2016) for the perceptron. */
typedef enum lcl_combinator {
  /** (z - mu)*v + mu with mu(u) = a1*sigmoid(a2*u + a3) + a4*u + a5, v(u) the same with a6 to a10;
   * at first a2 = a7 = 1, others 0. */
  LCL_COMBINE_GAUSS,
  /** a1 + a2*z + a3*u + a4*z*u + b1*sigmoid(c1 + c2*z + c3*u + c4*z*u); at first a2 = b1 = c2 = 1,
   * others 0. */
  LCL_COMBINE_SIG,
  /** a1*z + a2*sigmoid(a3*z + a4) + a5, each a_j = c_j*u + d_j; at first d1 = d2 = d3 = 1, others
   * 0.
   */
  LCL_COMBINE_ADHOC,
  LCL_COMBINE_LINEAR, /**< w*z + b; u may be NULL; at first w = 1, b = 0 */
  LCL_COMBINE_AMLP /**< a perceptron for each unit on (z, u, z*u), leaky ReLU 0.1 between layers */
} lcl_combinator;

/** Options of a combinator. */
typedef struct lcl_combine_desc {
  lcl_combinator kind; /**< which function */
  int hidden[4];       /**< #LCL_COMBINE_AMLP: widths of the hidden layers, up to the first 0 */
  float std;           /**< #LCL_COMBINE_AMLP: of the initial weights (0: 0.125) */
} lcl_combine_desc;

/** Denoising function of a Ladder layer, unit by unit.
 *
 * @param z     (N,F), lateral
 * @param u     (N,F), vertical
 * @param name  of the variables name.a1, ... (F)
 * @param desc  which function
 * @return (N,F) */
LCL_API lcl_tensor *lcl_combine(lcl_tensor *z, lcl_tensor *u, const char *name,
                                const lcl_combine_desc *desc);

/* ---- losses (src/nn/losses.c): "rows" give one number an example, the others their batch mean
 * ----
 */

/** Cross-entropy -log softmax(logits)_label of each example.
 *
 * @param logits  (N,K)
 * @param label   i32 or u8 (N), 0 to K - 1
 * @return (N) */
LCL_API lcl_tensor *lcl_cross_entropy_rows(lcl_tensor *logits, lcl_tensor *label);

/** Batch mean of lcl_cross_entropy_rows().
 *
 * @param logits  (N,K)
 * @param label   i32 or u8 (N), 0 to K - 1
 * @return a scalar */
LCL_API lcl_tensor *lcl_cross_entropy(lcl_tensor *logits, lcl_tensor *label);

/** Binary cross-entropy softplus(a) - x*a of sigmoid units, summed over each example.
 *
 * @param logits  (N,...)
 * @param x       targets in [0,1], same shape
 * @return (N) */
LCL_API lcl_tensor *lcl_bce_logits_rows(lcl_tensor *logits, lcl_tensor *x);

/** Batch mean of lcl_bce_logits_rows().
 *
 * @param logits  (N,...)
 * @param x       targets in [0,1], same shape
 * @return a scalar */
LCL_API lcl_tensor *lcl_bce_logits(lcl_tensor *logits, lcl_tensor *x);

/** What a squared error is over the elements of an example. */
typedef enum lcl_l2_mode {
  LCL_L2_SUM,      /**< their sum */
  LCL_L2_HALF_SUM, /**< half their sum */
  LCL_L2_MEAN      /**< their mean */
} lcl_l2_mode;

/** Squared error of each example.
 *
 * @param a     (N,...)
 * @param b     same shape
 * @param mode  sum, half the sum, or mean over its elements
 * @return (N) */
LCL_API lcl_tensor *lcl_l2_rows(lcl_tensor *a, lcl_tensor *b, lcl_l2_mode mode);

/** Batch mean of lcl_l2_rows().
 *
 * @param a     (N,...)
 * @param b     same shape
 * @param mode  sum, half the sum, or mean over the elements of an example
 * @return a scalar */
LCL_API lcl_tensor *lcl_l2(lcl_tensor *a, lcl_tensor *b, lcl_l2_mode mode);

/** KL(N(mu, exp(s)) || N(0,I)) = 0.5*sum(exp(s) + mu^2 - 1 - s) of each example (Kingma and Welling
 * 2014, appendix B).
 *
 * @param mu      (N,...)
 * @param logvar  s, same shape
 * @return (N) */
LCL_API lcl_tensor *lcl_kl_gauss_rows(lcl_tensor *mu, lcl_tensor *logvar);

/** Batch mean of lcl_kl_gauss_rows().
 *
 * @param mu      (N,...)
 * @param logvar  same shape
 * @return a scalar */
LCL_API lcl_tensor *lcl_kl_gauss(lcl_tensor *mu, lcl_tensor *logvar);

/** sum_k p log((p + 1e-8)/(q + 1e-8)), p = softmax(logits_p) a constant for the gradient.
 *
 * @param logits_p  (N,K)
 * @param logits_q  (N,K)
 * @return (N) */
LCL_API lcl_tensor *lcl_kl_categorical_rows(lcl_tensor *logits_p, lcl_tensor *logits_q);

/** Batch mean of lcl_kl_categorical_rows().
 *
 * @param logits_p  (N,K)
 * @param logits_q  (N,K)
 * @return a scalar */
LCL_API lcl_tensor *lcl_kl_categorical(lcl_tensor *logits_p, lcl_tensor *logits_q);

/** Entropy of softmax(logits) of each example, in nats.
 *
 * @param logits  (N,K)
 * @return (N) */
LCL_API lcl_tensor *lcl_entropy_rows(lcl_tensor *logits);

/** Entropy of the batch's mean distribution: -sum_k m_k log(m_k + tiny), in nats.
 *
 * @param probabilities  (N,K)
 * @param tiny           guard of the logarithm
 * @return a scalar */
LCL_API lcl_tensor *lcl_marginal_entropy(lcl_tensor *probabilities, float tiny);

/** The reparameterisation trick mu + exp(logvar/2)*N(0,I) (Kingma and Welling 2014).
 *
 * @param mu      any shape
 * @param logvar  same shape
 * @return the shape of mu */
LCL_API lcl_tensor *lcl_reparameterise(lcl_tensor *mu, lcl_tensor *logvar);

/** Where the largest logit is the label's.
 *
 * @param logits  (N,K)
 * @param label   i32 or u8 (N)
 * @return (N): 1 or 0, without gradient */
LCL_API lcl_tensor *lcl_correct_rows(lcl_tensor *logits, lcl_tensor *label);

/* ---- information of Bernoulli units (src/nn/information.c): p (N,D) probabilities of 1. Hu et
 * al., "Learning Discrete Representations via Information Maximizing Self-Augmented Training"
 * (2017), section 3.3 ---- */

/** sum_d KL(Bernoulli(p_d) || Bernoulli(q_d)) of each example, p = sigmoid(logits_p) a constant for
 * the gradient.
 *
 * @param logits_p  (N,D)
 * @param logits_q  (N,D)
 * @return (N) */
LCL_API lcl_tensor *lcl_kl_bernoulli_rows(lcl_tensor *logits_p, lcl_tensor *logits_q);

/** Batch mean of lcl_kl_bernoulli_rows().
 *
 * @param logits_p  (N,D)
 * @param logits_q  (N,D)
 * @return a scalar */
LCL_API lcl_tensor *lcl_kl_bernoulli(lcl_tensor *logits_p, lcl_tensor *logits_q);

/** sum_d h(p_d), h(a) = -a log a - (1-a) log(1-a), of each example, in nats.
 *
 * @param p  (N,D)
 * @return (N) */
LCL_API lcl_tensor *lcl_bernoulli_entropy_rows(lcl_tensor *p);

/** sum_d h(mean_n p_nd), in nats.
 *
 * @param p  (N,D)
 * @return a scalar */
LCL_API lcl_tensor *lcl_bernoulli_marginal_entropy(lcl_tensor *p);

/** Mutual information of bits d and e under the batch's mean joint distribution, summed over pairs
 * d < e, in nats.
 *
 * @param p  (N,D)
 * @return a scalar */
LCL_API lcl_tensor *lcl_pairwise_information(lcl_tensor *p);

/* ---- class outputs (src/nn/classify.c) ---- */

/** Both Bernoulli terms on top of a softmax, p = softmax(logits): -sum_k y_k log p_k + (1-y_k)
 * log(1-p_k), where 1 - p is kept at or above 1e-7. Zumer, "Influencing the Properties of Latent
 * Representations" (2016), equation 5.1.
 *
 * @param logits  (N,K)
 * @param onehot  y, (N,K)
 * @return (N) */
LCL_API lcl_tensor *lcl_bernoulli_softmax_rows(lcl_tensor *logits, lcl_tensor *onehot);

/** Independent sigmoid units as a distribution: log of sigmoid(a_k)/sum_j sigmoid(a_j).
 *
 * @param logits  a, (N,K)
 * @return (N,K) */
LCL_API lcl_tensor *lcl_log_sigmoid_share(lcl_tensor *logits);

#ifdef __cplusplus
}
#endif
#endif
