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
#include "base/base.h"
#include "graph/graph.h"
#include "latentcl/nn.h"
#include "models/build.h"
#include "models/registry.h"
#include "nn/nn.h"

static const lcl_option options[] = {
  { "arch", LCL_OPTION_CHOICE, "small-cnn", "network",
    "small-cnn|large-cnn|resnet2-32|resnet3-16|bird10" },
  { "pooling", LCL_OPTION_CHOICE, "mean", "pooling (of bird10: always max)", "mean|max" },
  { "inhibitor", LCL_OPTION_BOOL, "false",
    "no biases, and relu(u - mean of u over channels) for relu: our own reading of the paper's U "
    "networks, whose definition is not public",
    NULL },
  { "alpha", LCL_OPTION_FLOAT, "",
    "weight of the cross-entropy; 1: supervised only (default 0.3; small-cnn and resnet3-16 "
    "0.6)",
    "[0,1]" },
  { "beta", LCL_OPTION_FLOAT, "0.5", "weight of reconstruction against entropy", "[0,1]" },
  { "l2_mode", LCL_OPTION_CHOICE, "mean", "squared error over an example's elements",
    "sum|half_sum|mean" },
  { "unit_norm", LCL_OPTION_BOOL, "false", "scale each image to length 1, as the theory has it",
    NULL },
  { "global_mean", LCL_OPTION_BOOL, "false", "large-cnn: average the maps before the last layer",
    NULL },
};

/* ---- networks ---- */

typedef struct net {
  lcl_graph *g;
  const lcl_options *o;
  bool max_pool, inhibitor, training;
  int64_t classes;
  int layers; /* named so far */
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

/* A square convolution with its activation. */
static lcl_tensor *conv_relu(net *n, lcl_tensor *x, int64_t out, int kernel, int pad) {
  return activate(n,
                  convolve(n, x, (conv) { .out = out, .kernel = { kernel, kernel }, .pad = pad }));
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
  lcl_tensor *h = activate(
      n, convolve(n, x, (conv) { .out = 42, .kernel = { 1, 1024 }, .stride = { 1, 512 } }));
  h = lcl_max_pool2d(h, &(lcl_pool_desc) { .kernel = { 1, 4 }, .stride = { 1, 2 } }, NULL);
  h = activate(n, convolve(n, h, (conv) { .out = 42, .kernel = { 1, 3 }, .stride = { 1, 2 } }));
  h = activate(n, lcl_linear(lcl_flatten(h), "dense", 32,
                             &(lcl_linear_desc) { .weight = glorot, .no_bias = n->inhibitor }));
  return top(n, n->training ? lcl_dropout(h, 0.5f) : h, true);
}

static lcl_tensor *logits_of(net *n, lcl_tensor *x) {
  const char *arch = lcl_option_text(n->o, "arch");
  n->layers = 0;
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

static lcl_l2_mode l2_mode(const lcl_options *o) {
  if (lcl_option_is(o, "l2_mode", "half_sum")) return LCL_L2_HALF_SUM;
  return lcl_option_is(o, "l2_mode", "mean") ? LCL_L2_MEAN : LCL_L2_SUM;
}

/* beta R + (1 - beta) E over all rows of x. */
static lcl_tensor *unsupervised_cost(const net *n, lcl_build *b, lcl_tensor *x,
                                     lcl_tensor *logits) {
  float beta = (float)lcl_option_float(n->o, "beta");
  lcl_tensor *reconstruction = lcl__nn_share(lcl_l2(inverse(logits, x), x, l2_mode(n->o)));
  lcl_tensor *entropy = lcl__nn_share(lcl_mean(lcl_entropy_rows(logits), LCL_ALL_AXES, false));
  lcl_build_term(b, "reconstruction", reconstruction);
  lcl_build_term(b, "entropy", entropy);
  return lcl_add(lcl_scale(reconstruction, beta), lcl_scale(entropy, 1 - beta));
}

/* One pass over labelled and unlabelled rows together: nothing in these networks mixes rows. */
static void build_train(lcl_build *b) {
  net n = make_net(b);
  float alpha = alpha_of(n.o);
  int64_t rows = lcl_build_batch(b), free_rows = alpha < 1 ? lcl_build_unlabelled_batch(b) : 0;
  lcl_tensor *x = lcl_build_image(b), *label = lcl_build_label(b);
  if (free_rows) lcl__graph_rows(n.g, LCL_ROWS_BOTH);
  if (free_rows) x = lcl_concat((lcl_tensor *[]) { x, lcl_build_unlabelled(b) }, 2, 0);
  lcl_tensor *logits = logits_of(&n, x);
  lcl_tensor *labelled = free_rows ? lcl_slice_axis(logits, 0, 0, rows) : logits;
  lcl_tensor *nll = lcl__build_cross_entropy(b, labelled, label), *loss = lcl_scale(nll, alpha);
  lcl_build_term(b, "nll", nll);
  if (alpha < 1) loss = lcl_add(loss, lcl_scale(unsupervised_cost(&n, b, x, logits), 1 - alpha));
  lcl_build_loss(b, loss);
  lcl_build_correct(b, lcl_correct_rows(labelled, label));
}

static void build_eval(lcl_build *b) {
  net n = make_net(b);
  lcl_tensor *x = lcl_build_image(b), *label = lcl_build_label(b), *logits = logits_of(&n, x);
  lcl_build_example(b, "loss", lcl_cross_entropy_rows(logits, label));
  lcl_build_example(b, "reconstruction", lcl_l2_rows(inverse(logits, x), x, l2_mode(n.o)));
  lcl_build_example(b, "correct", lcl_correct_rows(logits, label));
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
  if (!lcl_option_is(o, "arch", "bird10")) d->valid = 5000;
}

static lcl_status check(const lcl_model_data *d, bool bird) {
  if (d->classes < 2)
    return lcl__fail(LCL_ERR_ARGUMENT, "this model needs labels; the data have none");
  bool sound = d->channels == 1 && d->height == 1;
  if (bird && (!sound || d->width < 1024 + 5 * 512))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "arch=bird10 is for sound of at least %d samples an example (a folder of WAV "
                     "files by class)",
                     1024 + 5 * 512);
  if (!bird && (d->height < 22 || d->width < 22))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "these networks need images of at least 22x22, not %lldx%lld",
                     (long long)d->height, (long long)d->width);
  return LCL_OK;
}

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  bool bird = lcl_option_is(o, "arch", "bird10"), small = lcl_option_is(o, "arch", "small-cnn");
  LCL_TRY(check(d, bird));
  s->optimiser =
      (lcl_optimiser_desc) { .kind = LCL_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f };
  s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_CONSTANT,
                                 .lr = bird    ? 0.001
                                       : small ? 0.01
                                               : 0.01 / 3 };
  /* At the full rate the first steps can throw ResNet2-32 so far off (R = 31,000) that it never
   * comes back. */
  if (!bird && !small) s->schedule.warmup = 200;
  s->batch = 50;
  s->epochs = bird ? 300 : strcmp(d->name, "synthetic") ? 100 : 5;
  if (bird) {
    s->prep.contrast = LCL_CONTRAST_MAX_ABS;
    return LCL_OK;
  }
  s->unlabelled_batch = 50;
  s->unlabelled = LCL_UNLABELLED_REST;
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
  .can = LCL_CAN_CLASSIFY | LCL_CAN_RECONSTRUCT | LCL_CAN_SEMI_SUPERVISED,
};
