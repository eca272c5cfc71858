/* Semi-supervised learning by inverting the network: Balestriero, Roger, Glotin, Baraniuk,
 * "Semi-Supervised Learning via New Deep Network Inversion" (2017). A network of convolutions,
 * ReLU, pooling and skips is affine around each input, f(x) = A[x] x + b[x]; its inverse is xhat =
 * A[x]^T f(x), the vector-Jacobian product of the logits with themselves.
 *
 *   R(x) = ||xhat - x||^2,  E(x) = entropy of softmax f(x)
 *   loss = alpha CE (labelled) + (1 - alpha) (beta R + (1 - beta) E) (all) equations 8 to 10
 *
 * Each term is the mean over the rows it is for. The gradient goes through the inverse: a second
 * derivative.
 */
#include "base/text.h"
#include "graph/graph.h"
#include "latentcl/nn.h"
#include "models/build.h"
#include "models/registry.h"
#include "nn/evaluate.h"
#include "nn/nn.h"

enum { MAX_INNER = 24 };

static const lcl_option options[] = {
  { "arch", LCL_OPTION_CHOICE, "small-cnn", "network",
    "small-cnn|large-cnn|resnet2-32|resnet3-16|bird10" },
  { "pooling", LCL_OPTION_CHOICE, "", "pooling (default mean)", "mean|max", "arch!=bird10" },
  { "inhibitor", LCL_OPTION_BOOL, "false",
    "no biases, and relu(u - mean of u over channels) for relu: our own reading of the paper's U "
    "networks, whose definition is not public",
    NULL },
  { "alpha", LCL_OPTION_FLOAT, "",
    "weight of the cross-entropy; 1: supervised only (default 0.3; small-cnn and resnet3-16 "
    "0.6)",
    "[0,1]" },
  { "beta", LCL_OPTION_FLOAT, "0.5", "weight of reconstruction against entropy, with alpha below 1",
    "[0,1]" },
  { "layer_weights", LCL_OPTION_FLOATS, "1",
    "weights of the reconstructions of the image, the first activation, the second, ... (equations "
    "11 and "
    "12), as 0.2,0,1",
    "[0,1e30]" },
  { "recon", LCL_OPTION_CHOICE, "l2",
    "reconstruction cost: squared error, or 1 - cosine similarity", "l2|cosine" },
  { "weights", LCL_OPTION_CHOICE, "fixed",
    "alpha and beta: fixed; linear: to alpha_to and beta_to over weights_over steps (equation 13); "
    "learned: by "
    "gradient descent at weights_rate, in [0,1] (equations 14 and 15)",
    "fixed|linear|learned" },
  { "alpha_to", LCL_OPTION_FLOAT, "", "the last alpha (default: alpha)", "[0,1]",
    "weights=linear" },
  { "beta_to", LCL_OPTION_FLOAT, "", "the last beta (default: beta)", "[0,1]", "weights=linear" },
  { "weights_over", LCL_OPTION_INT, "10000", "steps until then", "[1,1e7]", "weights=linear" },
  { "weights_rate", LCL_OPTION_FLOAT, "0.0001", "rate", "(0,inf)", "weights=learned" },
  { "template_norm", LCL_OPTION_FLOAT, "0",
    "the theory's bound on the squared norm of each class's template d f_c/d x; 0: none",
    "[0,inf)" },
  { "w_template", LCL_OPTION_FLOAT, "1",
    "weight of what is above that bound, a mean over rows and classes", "[0,inf)",
    "template_norm!=0" },
  { "l2_mode", LCL_OPTION_CHOICE, "mean", "squared error over an example's elements",
    "sum|half_sum|mean", "recon=l2" },
  { "unit_norm", LCL_OPTION_BOOL, "false", "scale each image to length 1, as the theory has it",
    NULL, "arch!=bird10" },
  { "global_mean", LCL_OPTION_BOOL, "false", "average the maps before the last layer", NULL,
    "arch=large-cnn" },
};

/* ---- networks ---- */

typedef struct net {
  lcl_graph *g;
  const lcl_options *o;
  bool max_pool, inhibitor, training;
  int64_t classes;
  int layers;                   /* named so far */
  lcl_tensor *inner[MAX_INNER]; /* activations, in the order of the network */
  int n_inner;
} net;

static const lcl_init glorot = { .kind = LCL_INIT_GLOROT_UNIFORM };

typedef struct conv {
  int64_t out;
  int kernel[2], stride[2];
  int pad; /* on every side */
  bool no_bias;
} conv;

static int64_t channels(lcl_tensor *x) {
  lcl_shape s = lcl_tensor_shape(x);
  return s.rank == 4 ? s.dim[1] : 1;
}

static lcl_tensor *convolve(net *n, lcl_tensor *x, conv c) {
  char name[24];
  snprintf(name, sizeof name, "conv%d", ++n->layers);
  return lcl_conv(x, name,
                  &(lcl_conv_block_desc) { .out = c.out,
                                           .kernel = { c.kernel[0], c.kernel[1] },
                                           .conv = { .stride = { c.stride[0], c.stride[1] },
                                                     .pad = { c.pad, c.pad, c.pad, c.pad } },
                                           .weight = glorot,
                                           .no_bias = c.no_bias || n->inhibitor });
}

static lcl_tensor *activate(const net *n, lcl_tensor *u) {
  if (n->inhibitor) u = lcl_sub(u, lcl_mean(u, LCL_AXIS(1), true));
  return lcl_relu(u);
}

static lcl_tensor *keep(net *n, lcl_tensor *h) {
  if (n->n_inner < MAX_INNER) n->inner[n->n_inner++] = h;
  return h;
}

/* A square convolution with its activation. */
static lcl_tensor *conv_relu(net *n, lcl_tensor *x, int64_t out, int kernel, int pad) {
  return keep(
      n,
      activate(n, convolve(n, x, (conv) { .out = out, .kernel = { kernel, kernel }, .pad = pad })));
}

static lcl_tensor *halve(const net *n, lcl_tensor *x) {
  lcl_pool_desc d = { .kernel = { 2, 2 } };
  return n->max_pool ? lcl_max_pool2d(x, &d, NULL) : lcl_avg_pool2d(x, &d);
}

static lcl_tensor *global_mean(lcl_tensor *x) {
  return lcl_mean(x, LCL_AXIS(2) | LCL_AXIS(3), false);
}

static lcl_tensor *top(const net *n, lcl_tensor *h, bool bias) {
  return lcl_linear(lcl_flatten(h), "top", n->classes,
                    &(lcl_linear_desc) { .weight = glorot, .no_bias = !bias || n->inhibitor });
}

static lcl_tensor *small_cnn(net *n, lcl_tensor *x) {
  lcl_tensor *h = halve(n, conv_relu(n, x, 32, 3, 0));
  h = halve(n, conv_relu(n, h, 64, 3, 0));
  h = halve(n, conv_relu(n, h, 128, 1, 0));
  return top(n, h, false);
}

static lcl_tensor *large_cnn(net *n, lcl_tensor *x) {
  static const struct {
    int out, kernel, pad;
    bool pool;
  } layers[] = { { 96, 3, 1, false },  { 96, 3, 2, false },  { 96, 3, 2, true },
                 { 192, 3, 0, false }, { 192, 3, 2, false }, { 192, 3, 0, true },
                 { 192, 3, 0, false }, { 192, 1, 0, true } };
  lcl_tensor *h = x;
  for (size_t i = 0; i < LCL_COUNT(layers); i++) {
    h = conv_relu(n, h, layers[i].out, layers[i].kernel, layers[i].pad);
    bool last = i + 1 == LCL_COUNT(layers);
    if (layers[i].pool && !(last && lcl_option_bool(n->o, "global_mean"))) h = halve(n, h);
  }
  return top(n, lcl_option_bool(n->o, "global_mean") ? global_mean(h) : h, false);
}

/* shortcut(x) + conv(relu(conv(x))), without an activation of the sum. */
static lcl_tensor *block(net *n, lcl_tensor *x, int64_t out) {
  lcl_tensor *h = conv_relu(n, x, out, 3, 1);
  h = convolve(n, h, (conv) { .out = out, .kernel = { 3, 3 }, .pad = 1, .no_bias = true });
  if (channels(x) != out)
    x = convolve(n, x, (conv) { .out = out, .kernel = { 1, 1 }, .no_bias = true });
  return lcl_add(x, h);
}

static lcl_tensor *resnet(net *n, lcl_tensor *x, int depth, int64_t width) {
  lcl_tensor *h = convolve(n, x, (conv) { .out = width, .kernel = { 3, 3 }, .pad = 1 });
  for (int i = 0; i < depth; i++) h = block(n, h, width);
  for (int stage = 0; stage < 2; stage++) {
    width *= 2;
    h = halve(n, block(n, h, width));
    for (int i = 1; i < depth; i++) h = block(n, h, width);
  }
  return top(n, global_mean(h), false);
}

/* Sound, (N,1,1,samples). */
static lcl_tensor *bird10(net *n, lcl_tensor *x) {
  lcl_tensor *h = keep(
      n, activate(
             n, convolve(n, x, (conv) { .out = 42, .kernel = { 1, 1024 }, .stride = { 1, 512 } })));
  h = lcl_max_pool2d(h, &(lcl_pool_desc) { .kernel = { 1, 4 }, .stride = { 1, 2 } }, NULL);
  h = keep(
      n, activate(n, convolve(n, h, (conv) { .out = 42, .kernel = { 1, 3 }, .stride = { 1, 2 } })));
  h = keep(
      n, activate(n, lcl_linear(lcl_flatten(h), "dense", 32,
                                &(lcl_linear_desc) { .weight = glorot, .no_bias = n->inhibitor })));
  return top(n, n->training ? lcl_dropout(h, 0.5f) : h, true);
}

static lcl_tensor *logits_of(net *n, lcl_tensor *x) {
  const char *arch = lcl_option_text(n->o, "arch");
  n->layers = n->n_inner = 0;
  if (strcmp(arch, "large-cnn") == 0) return large_cnn(n, x);
  if (strcmp(arch, "resnet2-32") == 0) return resnet(n, x, 2, 32);
  if (strcmp(arch, "resnet3-16") == 0) return resnet(n, x, 3, 16);
  if (strcmp(arch, "bird10") == 0) return bird10(n, x);
  return small_cnn(n, x);
}

static net make_net(lcl_build *b) {
  const lcl_model *m = lcl_build_model(b);
  return (net) { .g = lcl_build_graph(b),
                 .o = m->options,
                 .max_pool = lcl_option_is(m->options, "pooling", "max"),
                 .inhibitor = lcl_option_bool(m->options, "inhibitor"),
                 .training = lcl_build_mode(b) == LCL_MODE_TRAIN,
                 .classes = m->data.classes };
}

/* A[x]^T f(x): the logits pulled back through the network's own slope. */
static lcl_tensor *inverse(lcl_tensor *logits, lcl_tensor *x) {
  lcl_tensor *xhat;
  lcl_vjp(logits, logits, &x, 1, &xhat);
  return xhat;
}

/* ---- objective ---- */

static float alpha_of(const lcl_options *o) {
  const char *arch = lcl_option_text(o, "arch");
  const bool high = strcmp(arch, "small-cnn") == 0 || strcmp(arch, "resnet3-16") == 0;
  return lcl_option_float_or(o, "alpha", high ? 0.6f : 0.3f);
}

/* Without the cross-entropy (alpha = 0) the classes are clusters. */
static bool finds_clusters(const lcl_options *o) {
  return alpha_of(o) == 0 && !lcl_option_is(o, "weights", "learned") &&
         (!lcl_option_is(o, "weights", "linear") || lcl_option_float(o, "alpha_to") == 0);
}

static lcl_l2_mode l2_mode(const lcl_options *o) {
  if (lcl_option_is(o, "l2_mode", "half_sum")) return LCL_L2_HALF_SUM;
  return lcl_option_is(o, "l2_mode", "mean") ? LCL_L2_MEAN : LCL_L2_SUM;
}

/* The list of layer_weights; how many, -1 where it is none. */
static int read_weights(const lcl_options *o, float *weight) {
  const char *p = lcl_option_text(o, "layer_weights");
  int n = 0;
  for (char *end;; p = end + 1) {
    const double v = lcl__strtod(p, &end);
    if (end == p || !(v >= 0 && v <= 1e30) || n > MAX_INNER) return -1;
    weight[n++] = (float)v;
    if (!*end) return n;
    if (*end != ',') return -1;
  }
}

/* 1 - cosine of the angle between each row of a and that of b. */
static lcl_tensor *cosine_rows(lcl_tensor *a, lcl_tensor *b) {
  a = lcl_flatten(a), b = lcl_flatten(b);
  lcl_tensor *product = lcl_sum(lcl_mul(a, b), LCL_AXIS(1), false);
  lcl_tensor *size = lcl_mul(lcl_sum(lcl_square(a), LCL_AXIS(1), false),
                             lcl_sum(lcl_square(b), LCL_AXIS(1), false));
  return lcl_shift(lcl_neg(lcl_div(product, lcl_sqrt(lcl_shift(size, 1e-12f)))), 1);
}

/* R of each row. */
static lcl_tensor *apart_rows(const lcl_options *o, lcl_tensor *back, lcl_tensor *layer) {
  return lcl_option_is(o, "recon", "cosine") ? cosine_rows(back, layer)
                                             : lcl_l2_rows(back, layer, l2_mode(o));
}

/* sum_l w_l R_l: each layer through the transpose of what the network computes from there on. */
static lcl_tensor *reconstruction_cost(const net *n, lcl_tensor *x, lcl_tensor *logits) {
  float weight[MAX_INNER + 1] = { 1 };
  const int count = LCL_MAX(read_weights(n->o, weight), 1);
  if (count > n->n_inner + 1)
    return lcl__graph_error(n->g, LCL_ERR_ARGUMENT, "option layer_weights",
                            "%d weights; with the image this network has %d", count,
                            n->n_inner + 1);
  lcl_tensor *layer[MAX_INNER + 1] = { x }, *back[MAX_INNER + 1], *sum = NULL;
  memcpy(layer + 1, n->inner, (size_t)n->n_inner * sizeof *layer);
  lcl_vjp(logits, logits, layer, count, back);
  for (int l = 0; l < count; l++) {
    if (weight[l] == 0) continue;
    lcl_tensor *cost = lcl_mean(apart_rows(n->o, back[l], layer[l]), LCL_ALL_AXES, false);
    if (weight[l] != 1) cost = lcl_scale(cost, weight[l]);
    sum = sum ? lcl_add(sum, cost) : cost;
  }
  return sum ? sum : lcl_const(n->g, 0);
}

/* Mean over rows and classes of what ||d f_c/d x||^2 is above the bound. */
static lcl_tensor *template_cost(const net *n, lcl_tensor *x, lcl_tensor *logits) {
  const int64_t rows = lcl_tensor_shape(logits).dim[0], classes = n->classes;
  const float bound = (float)lcl_option_float(n->o, "template_norm");
  lcl_tensor *sum = NULL;
  for (int32_t c = 0; c < classes; c++) {
    lcl_tensor *slope;
    lcl_tensor *class_of = lcl_const_data(n->g, LCL_I32, LCL_SHAPE(1), &c);
    lcl_tensor *seed = lcl_broadcast(lcl_one_hot(class_of, classes), LCL_SHAPE(rows, classes));
    lcl_vjp(logits, seed, &x, 1, &slope);
    lcl_tensor *norm = lcl_sum(lcl_square(lcl_flatten(slope)), LCL_AXIS(1), false);
    lcl_tensor *over = lcl_mean(lcl_relu(lcl_shift(norm, -bound)), LCL_ALL_AXES, false);
    sum = sum ? lcl_add(sum, over) : over;
  }
  return lcl__nn_share(lcl_scale(sum, 1 / (float)classes));
}

/* The weights of the terms, as numbers or, where they change, as tensors. */
typedef struct mix {
  lcl_tensor *alpha, *beta; /* NULL: fixed */
  float fixed_alpha, fixed_beta;
} mix;

static lcl_tensor *state_of(const net *n, const char *name, float value) {
  return lcl_state(n->g, name, LCL_F32, LCL_SCALAR,
                   (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = value });
}

/* from + (to - from) t */
static lcl_tensor *between(const net *n, const char *option, float from, lcl_tensor *t) {
  const float to = lcl_option_float_or(n->o, option, from);
  return lcl_shift(lcl_scale(t, to - from), from);
}

static mix weights_of(const net *n) {
  mix m = { .fixed_alpha = alpha_of(n->o), .fixed_beta = (float)lcl_option_float(n->o, "beta") };
  if (lcl_option_is(n->o, "weights", "learned")) {
    m.alpha = state_of(n, "train.alpha", m.fixed_alpha);
    m.beta = state_of(n, "train.beta", m.fixed_beta);
  }
  if (lcl_option_is(n->o, "weights", "linear")) {
    lcl_tensor *step = state_of(n, "train.weights_step", 0);
    lcl_assign(step, lcl_shift(step, 1));
    lcl_tensor *t = lcl_minimum(lcl_scale(step, 1 / (float)lcl_option_int(n->o, "weights_over")),
                                lcl_const(n->g, 1));
    m.alpha = between(n, "alpha_to", m.fixed_alpha, t);
    m.beta = between(n, "beta_to", m.fixed_beta, t);
  }
  return m;
}

/* a share + b (1 - share) */
static lcl_tensor *blend(lcl_tensor *share, float fixed, lcl_tensor *a, lcl_tensor *b) {
  if (!share) return lcl_add(lcl_scale(a, fixed), lcl_scale(b, 1 - fixed));
  return lcl_add(lcl_mul(a, share), lcl_mul(b, lcl_shift(lcl_neg(share), 1)));
}

/* Equation 15: against the gradient of the loss, within [0,1]. */
static void descend(const net *n, lcl_tensor *weight, lcl_tensor *slope) {
  const float rate = (float)lcl_option_float(n->o, "weights_rate");
  lcl_tensor *next = lcl_sub(weight,
                             lcl_scale(lcl_mean_over_ranks(lcl_stop_gradient(slope)), rate));
  lcl_assign(weight, lcl_maximum(lcl_minimum(next, lcl_const(n->g, 1)), lcl_const(n->g, 0)));
}

/* beta R + (1 - beta) E over all rows of x. */
static lcl_tensor *unsupervised_cost(const net *n, lcl_build *b, const mix *m, lcl_tensor *x,
                                     lcl_tensor *logits, lcl_tensor **beta_slope) {
  lcl_tensor *reconstruction = lcl__nn_share(reconstruction_cost(n, x, logits));
  lcl_tensor *entropy = lcl__nn_share(lcl_mean(lcl_entropy_rows(logits), LCL_ALL_AXES, false));
  lcl_build_term(b, "reconstruction", reconstruction);
  lcl_build_term(b, "entropy", entropy);
  *beta_slope = lcl_sub(reconstruction, entropy);
  return blend(m->beta, m->fixed_beta, reconstruction, entropy);
}

static lcl_tensor *whole_loss(const net *n, lcl_build *b, lcl_tensor *nll, lcl_tensor *x,
                              lcl_tensor *logits) {
  const mix m = weights_of(n);
  lcl_tensor *beta_slope, *other = unsupervised_cost(n, b, &m, x, logits, &beta_slope);
  lcl_tensor *loss = blend(m.alpha, m.fixed_alpha, nll, other);
  if (lcl_option_is(n->o, "weights", "learned")) {
    descend(n, m.alpha, lcl_sub(nll, other));
    descend(n, m.beta, lcl_mul(lcl_shift(lcl_neg(m.alpha), 1), beta_slope));
  }
  if (m.alpha) lcl_build_term(b, "alpha", m.alpha);
  if (m.beta) lcl_build_term(b, "beta", m.beta);
  return loss;
}

static bool supervised(const lcl_options *o) {
  return alpha_of(o) >= 1 && lcl_option_is(o, "weights", "fixed");
}

/* One pass over labelled and unlabelled rows together: nothing in these networks mixes rows. */
static void build_train(lcl_build *b) {
  net n = make_net(b);
  const bool alone = supervised(n.o);
  int64_t rows = lcl_build_batch(b), free_rows = alone ? 0 : lcl_build_unlabelled_batch(b);
  lcl_tensor *x = lcl_build_image(b), *label = lcl_build_label(b);
  if (free_rows) lcl__graph_rows(n.g, LCL_ROWS_BOTH);
  if (free_rows) x = lcl_concat((lcl_tensor *[]) { x, lcl_build_unlabelled(b) }, 2, 0);
  lcl_tensor *logits = logits_of(&n, x);
  lcl_tensor *labelled = free_rows ? lcl_slice_axis(logits, 0, 0, rows) : logits;
  lcl_tensor *nll = lcl__build_cross_entropy(b, labelled, label);
  lcl_build_term(b, "nll", nll);
  lcl_tensor *loss = alone ? nll : whole_loss(&n, b, nll, x, logits);
  if (lcl_option_float(n.o, "template_norm") > 0) {
    lcl_tensor *over = template_cost(&n, x, logits);
    lcl_build_term(b, "template_norm", over);
    loss = lcl_add(loss, lcl_scale(over, (float)lcl_option_float(n.o, "w_template")));
  }
  lcl_build_loss(b, loss);
  if (!finds_clusters(n.o)) lcl_build_correct(b, lcl_correct_rows(labelled, label));
}

static void build_eval(lcl_build *b) {
  net n = make_net(b);
  lcl_tensor *x = lcl_build_image(b), *label = lcl_build_label(b), *logits = logits_of(&n, x);
  const bool clusters = finds_clusters(n.o);
  lcl_build_example(b, "loss",
                    clusters ? lcl_entropy_rows(logits) : lcl_cross_entropy_rows(logits, label));
  lcl_build_example(b, "reconstruction", apart_rows(n.o, inverse(logits, x), x));
  if (!clusters) lcl__build_scores(b, logits, label);
  lcl_build_prediction(b, lcl_argmax(logits, 1, false));
  lcl_build_features(b, logits);
}

static void build_reconstruct(lcl_build *b) {
  net n = make_net(b);
  lcl_tensor *x = lcl_build_image(b);
  lcl_build_output(b, "original", x);
  lcl_build_output(b, "inverse", inverse(logits_of(&n, x), x));
}

static void build(lcl_build *b) {
  switch (lcl_build_mode(b)) {
  case LCL_MODE_TRAIN: build_train(b); break;
  case LCL_MODE_EVAL: build_eval(b); break;
  case LCL_MODE_RECONSTRUCT:
    if (!lcl_option_is(lcl_build_model(b)->options, "arch", "bird10")) build_reconstruct(b);
    break;
  default: break;
  }
}

/* ---- settings ---- */

static void data(const lcl_options *o, lcl_data_desc *d) {
  if (lcl_option_is(o, "arch", "bird10"))
    d->test_share = -1; /* the paper has 80 and 20 % of the recordings */
  else
    d->valid = 5000;
}

/* Samples that leave eight windows of the first layer, three of the pooling, one of the second. */
enum { SHORTEST_SOUND = 1024 + 7 * 512 };

static lcl_status check(const lcl_options *o, const lcl_model_data *d, bool bird) {
  LCL_TRY(lcl__need_classes(d));
  bool sound = d->channels == 1 && d->height == 1;
  if (bird && (!sound || d->width < SHORTEST_SOUND))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "arch=bird10 is for sound of at least %d samples an example (a folder of WAV "
                     "files by class)",
                     SHORTEST_SOUND);
  if (bird && lcl_option_is(o, "pooling", "mean"))
    return lcl__fail(LCL_ERR_ARGUMENT, "arch=bird10 has pooling=max alone");
  if (bird && lcl_option_bool(o, "unit_norm"))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "arch=bird10 scales sound by its largest value: no unit_norm");
  if (!bird && (d->height < 22 || d->width < 22))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "these networks need images of at least 22x22, not %lldx%lld",
                     (long long)d->height, (long long)d->width);
  return LCL_OK;
}

static lcl_status score(const lcl_model *m, const lcl_model_table *t, lcl_metrics *metrics) {
  double accuracy;
  if (!finds_clusters(m->options)) return LCL_OK;
  if (!t->labels || !t->prediction) return LCL_OK;
  LCL_TRY(lcl__cluster_accuracy(t->labels, t->prediction, t->n, m->data.classes, m->data.classes,
                                &accuracy, NULL));
  lcl_metrics_set(metrics, "accuracy_percent", 100 * accuracy);
  return LCL_OK;
}

static lcl_status check_weights(const lcl_options *o) {
  float weight[MAX_INNER + 1];
  if (read_weights(o, weight) >= 1) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT,
                   "option layer_weights: expected up to %d weights that are not negative, as "
                   "1,0.5,0, got \"%s\"",
                   MAX_INNER + 1, lcl_option_text(o, "layer_weights"));
}

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  bool bird = lcl_option_is(o, "arch", "bird10"), small = lcl_option_is(o, "arch", "small-cnn");
  LCL_TRY(check(o, d, bird));
  LCL_TRY(check_weights(o));
  s->optimiser = lcl__adam();
  s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_CONSTANT,
                                 .lr = bird    ? 0.001
                                       : small ? 0.01
                                               : 0.01 / 3 };
  /* At the full rate the first steps can throw ResNet2-32 so far off (R = 31,000) that it never
   * comes back. */
  if (!bird && !small) s->schedule.warmup = 200;
  s->batch = 50;
  s->epochs = bird ? 300 : strcmp(d->name, "synthetic") ? 100 : 5;
  s->unlabelled = LCL_UNLABELLED_REST;
  if (finds_clusters(o)) s->select = "last"; /* no epoch's clusters are named by the labels */
  if (bird) {
    s->prep.contrast = LCL_CONTRAST_MAX_ABS;
    s->select_last = 100; /* the best of the last 100 epochs */
    return LCL_OK;
  }
  s->unlabelled_batch = 50;
  s->labels_per_class = 5;
  if (lcl_option_bool(o, "unit_norm")) s->prep.contrast = LCL_CONTRAST_UNIT_NORM;
  return LCL_OK;
}

const lcl_model_class lcl__model_inversion = {
  .name = "inversion",
  .summary = "semi-supervised classifier that reconstructs its input through its own inverse",
  .reference = "Balestriero et al., Semi-Supervised Learning via New Deep Network Inversion, 2017",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = data,
  .defaults = defaults,
  .build = build,
  .score = score,
  .can = LCL_CAN_CLASSIFY | LCL_CAN_CLUSTER | LCL_CAN_RECONSTRUCT | LCL_CAN_SEMI_SUPERVISED,
};
