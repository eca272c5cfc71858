/* VAE-Ladder hybrid: J. Zumer, "Influencing the Properties of Latent Representations" (2016),
 * section 6.4, Eqs. 6.12-6.16. A ladder whose lateral paths are normal distributions: every encoder
 * layer l = 1..L-1 gives a mean, which feeds the next layer, and a sample z_l, which goes sideways
 * to the decoder.
 *
 *   encoder   a_l = BN(W_l h_{l-1}), mu_l = gamma_l (a_l + beta_l), h_l = relu(mu_l)
 *             s_l = min(S_l h_{l-1} + b_l, most_logvar), z_l = mu_l + exp(s_l/2) eps_l
 *   class     yhat = softmax(gamma_L (BN(W_L h_{L-1}) + beta_L))
 *   decoder   c_{L-1} sampled from a normal with mean relu(D yhat + d), log-variance E yhat + e
 *             zhat_l = g(z_l, c_l); c_l for l < L-1 from zhat_{l+1} the same way
 *             xhat = sigmoid(D_0 zhat_1 + d_0), no lateral path at the image
 *   loss      w_r Rec(x, xhat) + sum_l w_l KL(q(z_l) || N(0,I)) + w_c BCE(y, yhat)
 *
 * g: the Ladder's ad-hoc function, a small perceptron over the layer, or one for each unit. "ztop"
 * keeps the KL of the top layer alone. Evaluation takes means instead of samples and running
 * statistics. */
#include "base/base.h"
#include "models/build.h"
#include "models/registry.h"
#include "models/vae_parts.h"

enum { MAX_LAYERS = 8 };

static const lcl_option options[] = {
  { "variant", LCL_OPTION_CHOICE, "mlp-ztop",
    "adhoc: ad-hoc lateral function; mlp: perceptron; mlp-ztop: perceptron, KL of the top layer "
    "only",
    "adhoc|mlp|mlp-ztop" },
  { "lateral", LCL_OPTION_CHOICE, "", "lateral function, if not the variant's",
    "adhoc|bottleneck_mlp|amlp" },
  { "layers", LCL_OPTION_INTS, "1000,500,250,250,250", "widths of the hidden layers", "[1,4096]" },
  { "recon", LCL_OPTION_CHOICE, "l2",
    "reconstruction cost: l2 (classification) or bce (generation)", "l2|bce" },
  { "w_r", LCL_OPTION_FLOAT, "1", "weight of the reconstruction", "[0,inf)" },
  { "w_kl", LCL_OPTION_FLOAT, "1", "weight of each layer's KL", "[0,inf)" },
  { "w_c", LCL_OPTION_FLOAT, "10", "weight of the class cost", "[0,inf)" },
  { "most_logvar", LCL_OPTION_FLOAT, "5",
    "log-variances are cut at this: without a KL to hold them they grow until exp() overflows",
    "[-20,40]" },
  { "noise", LCL_OPTION_FLOAT, "0",
    "deviation of the Gaussian noise on the images that are encoded in training (the Ladder "
    "network's: 0.3)",
    "[0,inf)" },
  { "kl_form", LCL_OPTION_CHOICE, "exact",
    "KL of a normal to N(0,I): exact, or as the thesis prints it (mu^2 without its half)",
    "exact|as_printed" },
  { "binarise", LCL_OPTION_CHOICE, "none",
    "images: grey values, a fresh Bernoulli sample at each showing, one fixed sample, or threshold "
    "at 1/2",
    "none|dynamic|fixed|threshold" },
};

typedef enum lateral { ADHOC, BOTTLENECK, AMLP } lateral;

typedef struct net {
  lcl_graph *g;
  const lcl_options *o;
  int n, width[MAX_LAYERS]; /* hidden layers 1..n; the class layer is n + 1 */
  int classes;
  lateral lateral;
  bool top_only; /* KL of the top layer alone */
  lcl_bn_mode bn;
  bool sample; /* samples instead of means */
  /* Of hidden layer l at [l]: lateral distributions and the samples. */
  lcl_tensor *mu[MAX_LAYERS + 1], *logvar[MAX_LAYERS + 1], *z[MAX_LAYERS + 1];
} net;

static const lcl_linear_desc linear_glorot = { .weight = { .kind = LCL_INIT_GLOROT_UNIFORM } };
static const lcl_linear_desc log_variance = { .weight = { .kind = LCL_INIT_GLOROT_UNIFORM },
                                              .bias = { .kind = LCL_INIT_CONSTANT, .value = -2 } };

/* ---- network ---- */

/* gamma*(BN(W h) + beta), W without a bias (Eq. 3.5). */
static lcl_tensor *normed_layer(const net *n, lcl_tensor *h, int l, int64_t out) {
  char name[24], bn[32], beta[32], gamma[32];
  snprintf(name, sizeof name, "enc%d", l);
  snprintf(bn, sizeof bn, "enc%d.bn", l);
  snprintf(beta, sizeof beta, "enc%d.beta", l);
  snprintf(gamma, sizeof gamma, "enc%d.gamma", l);
  lcl_tensor *a = lcl_linear(h, name, out, &(lcl_linear_desc) { .no_bias = true });
  a = lcl_batch_norm(a, bn, &(lcl_bn_desc) { .mode = n->bn, .no_gamma = true, .no_beta = true });
  lcl_tensor *b = lcl_param(n->g, beta, LCL_SHAPE(out), (lcl_init) { .kind = LCL_INIT_ZERO });
  lcl_tensor *c = lcl_param(n->g, gamma, LCL_SHAPE(out),
                            (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = 1 });
  return lcl_mul(c, lcl_add(a, b));
}

/* Log-variances from h, small (-2) in the beginning, and cut off: nothing else holds them in below
 * the top layer of mlp-ztop or in the decoder, where each layer's come from the samples of the one
 * above. They overflow within an epoch of MNIST. */
static lcl_tensor *log_variance_of(const net *n, lcl_tensor *h, const char *name, int64_t out) {
  return lcl_minimum(lcl_linear(h, name, out, &log_variance),
                     lcl_const(n->g, (float)lcl_option_float(n->o, "most_logvar")));
}

static lcl_tensor *sampled(const net *n, lcl_tensor *mu, lcl_tensor *logvar) {
  return n->sample ? lcl_reparameterise(mu, logvar) : mu;
}

/* Fills mu, logvar and z; returns the class logits. */
static lcl_tensor *encode(net *n, lcl_tensor *x) {
  char name[24];
  lcl_tensor *h = lcl_flatten(x);
  for (int l = 1; l <= n->n; l++) {
    snprintf(name, sizeof name, "enc%d.logvar", l);
    n->mu[l] = normed_layer(n, h, l, n->width[l - 1]);
    n->logvar[l] = log_variance_of(n, h, name, n->width[l - 1]);
    n->z[l] = sampled(n, n->mu[l], n->logvar[l]);
    h = lcl_relu(n->mu[l]);
  }
  return normed_layer(n, h, n->n + 1, n->classes);
}

/* g(z, c) of one layer. */
static lcl_tensor *lateral_function(const net *n, lcl_tensor *z, lcl_tensor *c, int l) {
  char name[24], in[32], out[32];
  int64_t width = n->width[l - 1];
  snprintf(name, sizeof name, "lat%d", l);
  if (n->lateral == ADHOC)
    return lcl_combine(z, c, name, &(lcl_combine_desc) { .kind = LCL_COMBINE_ADHOC });
  if (n->lateral == AMLP)
    return lcl_combine(z, c, name,
                       &(lcl_combine_desc) { .kind = LCL_COMBINE_AMLP, .hidden = { 4 } });
  snprintf(in, sizeof in, "lat%d.in", l);
  snprintf(out, sizeof out, "lat%d.out", l);
  lcl_tensor *pair = lcl_concat((lcl_tensor *[]) { z, c }, 2, 1);
  return lcl_linear(lcl_relu(lcl_linear(pair, in, LCL_MAX(10, width / 10), NULL)), out, width,
                    &linear_glorot);
}

/* From class probabilities (or a one-hot class) and the lateral samples z to the logits of the
 * image (N,pixels). */
static lcl_tensor *decode(const net *n, lcl_tensor *yhat, int64_t pixels) {
  char mean[24], logvar[24];
  lcl_tensor *above = yhat;
  for (int l = n->n; l >= 1; l--) {
    snprintf(mean, sizeof mean, "dec%d", l);
    snprintf(logvar, sizeof logvar, "dec%d.logvar", l);
    lcl_tensor *m = lcl_relu(lcl_linear(above, mean, n->width[l - 1], NULL));
    lcl_tensor *c = n->sample ? sampled(n, m, log_variance_of(n, above, logvar, n->width[l - 1]))
                              : m;
    above = lateral_function(n, n->z[l], c, l);
  }
  return lcl_linear(above, "dec0", pixels, &linear_glorot);
}

static int read_layers(const lcl_options *o, int *width) {
  return lcl__parse_ints(lcl_option_text(o, "layers"), width, MAX_LAYERS - 1);
}

static net make_net(lcl_build *b) {
  const lcl_model *m = lcl_build_model(b);
  const lcl_options *o = m->options;
  bool train = lcl_build_mode(b) == LCL_MODE_TRAIN;
  net n = { .g = lcl_build_graph(b),
            .o = o,
            .classes = m->data.classes,
            .lateral = lcl_option_is(o, "variant", "adhoc") ? ADHOC : BOTTLENECK,
            .top_only = lcl_option_is(o, "variant", "mlp-ztop"),
            .bn = train ? LCL_BN_TRAIN : LCL_BN_EVAL,
            .sample = train };
  n.n = read_layers(o, n.width);
  if (lcl_option_is(o, "lateral", "adhoc")) n.lateral = ADHOC;
  if (lcl_option_is(o, "lateral", "bottleneck_mlp")) n.lateral = BOTTLENECK;
  if (lcl_option_is(o, "lateral", "amlp")) n.lateral = AMLP;
  return n;
}

/* ---- graphs ---- */

static lcl_tensor *reconstruction_rows(const net *n, lcl_tensor *x, lcl_tensor *logits) {
  if (lcl_option_is(n->o, "recon", "bce")) return lcl_bce_logits_rows(logits, x);
  return lcl_l2_rows(x, lcl_sigmoid(logits), LCL_L2_SUM);
}

static lcl_tensor *batch_mean(lcl_tensor *rows) {
  return lcl_mean(rows, LCL_ALL_AXES, false);
}

static int64_t pixels_of(lcl_tensor *x) {
  lcl_shape s = lcl_tensor_shape(x);
  return lcl_shape_count(s) / LCL_MAX(s.dim[0], 1);
}

static void build_train(lcl_build *b, net *n) {
  const float noise = (float)lcl_option_float(n->o, "noise");
  lcl_tensor *x = lcl_build_image(b), *label = lcl_build_label(b);
  lcl_tensor *logits = encode(n, noise > 0 ? lcl_gaussian_noise(x, noise) : x);
  lcl_tensor *image = decode(n, lcl_softmax(logits, 1), pixels_of(x));
  lcl_objective ob = { .build = b };
  lcl__objective_add(&ob, "cls",
                     batch_mean(lcl_build_weigh(
                         b, lcl_bernoulli_softmax_rows(logits, lcl_one_hot(label, n->classes)))),
                     (float)lcl_option_float(n->o, "w_c"));
  lcl__objective_add(&ob, "recon", batch_mean(reconstruction_rows(n, lcl_flatten(x), image)),
                     (float)lcl_option_float(n->o, "w_r"));
  for (int l = 1; l <= n->n; l++) {
    char name[16];
    snprintf(name, sizeof name, "kl%d", l);
    float weight = n->top_only && l < n->n ? 0 : (float)lcl_option_float(n->o, "w_kl");
    lcl__objective_add(&ob, name, batch_mean(lcl__vae_kl_rows(n->mu[l], n->logvar[l], n->o)),
                       weight);
  }
  lcl_build_loss(b, ob.total);
  lcl_build_correct(b, lcl_correct_rows(logits, label));
}

static void build_eval(lcl_build *b, net *n) {
  lcl_tensor *x = lcl_build_image(b), *label = lcl_build_label(b), *logits = encode(n, x);
  lcl_tensor *image = decode(n, lcl_softmax(logits, 1), pixels_of(x));
  lcl_build_example(b, "loss", lcl_bernoulli_softmax_rows(logits, lcl_one_hot(label, n->classes)));
  lcl_build_example(b, "recon", reconstruction_rows(n, lcl_flatten(x), image));
  lcl__build_scores(b, logits, label);
  lcl_build_prediction(b, lcl_argmax(logits, 1, false));
  lcl_build_features(b, n->mu[n->n]);
}

static lcl_tensor *image_of(const net *n, lcl_tensor *yhat, lcl_shape s) {
  return lcl_reshape(lcl_sigmoid(decode(n, yhat, lcl_shape_count(s) / LCL_MAX(s.dim[0], 1))), s);
}

static void build_reconstruct(lcl_build *b, net *n) {
  lcl_tensor *x = lcl_build_image(b), *yhat = lcl_softmax(encode(n, x), 1);
  lcl_shape s = lcl_tensor_shape(x);
  lcl_build_output(b, "original", x);
  lcl_build_output(b, "reconstruction", image_of(n, yhat, s));
  for (int k = 0; k < LCL_MIN(n->classes, 10); k++) {
    char caption[40];
    snprintf(caption, sizeof caption, "as class %d", k);
    lcl_build_output(b, caption, image_of(n, lcl__vae_one_class(n->g, s.dim[0], n->classes, k), s));
  }
}

/* Every lateral path from its prior, the class given. */
static void build_sample(lcl_build *b, net *n) {
  const lcl_model_data *d = &lcl_build_model(b)->data;
  int64_t rows = lcl_build_batch(b);
  lcl_shape s = LCL_SHAPE(rows, d->channels, d->height, d->width);
  lcl_tensor *onehot = lcl_one_hot(lcl_build_label(b), n->classes);
  n->sample = true;
  for (int l = 1; l <= n->n; l++)
    n->z[l] = lcl_random_normal(n->g, LCL_SHAPE(rows, n->width[l - 1]));
  lcl_build_output(b, "samples", image_of(n, onehot, s));
  n->sample = false;
  for (int l = 1; l <= n->n; l++) n->z[l] = lcl__vae_row_styles(n->g, rows, n->width[l - 1]);
  lcl_build_output(b, "analogies", image_of(n, onehot, s));
  for (int l = 1; l <= n->n; l++) n->z[l] = lcl__vae_row_walks(n->g, rows, n->width[l - 1]);
  lcl_build_output(b, "interpolation",
                   image_of(n, lcl__vae_row_classes(n->g, rows, n->classes), s));
}

/* Whether the decoder is trained. */
static bool decodes(const net *n) {
  return lcl_option_float(n->o, "w_r") > 0;
}

static void build(lcl_build *b) {
  net n = make_net(b);
  switch (lcl_build_mode(b)) {
  case LCL_MODE_TRAIN: build_train(b, &n); break;
  case LCL_MODE_EVAL: build_eval(b, &n); break;
  case LCL_MODE_RECONSTRUCT:
    if (decodes(&n)) build_reconstruct(b, &n);
    break;
  case LCL_MODE_SAMPLE:
    if (decodes(&n)) build_sample(b, &n);
    break;
  default: break;
  }
}

/* ---- settings ---- */

static void data(const lcl_options *o, lcl_data_desc *d) {
  d->grey = true;
  lcl__vae_binarise(o, d);
}

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  int width[MAX_LAYERS];
  LCL_TRY(lcl__need_classes(d));
  if (read_layers(o, width) < 1)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "option layers: expected 1 to %d widths like 1000,500,250, got \"%s\"",
                     MAX_LAYERS - 1, lcl_option_text(o, "layers"));
  /* The schedule of the Ladder: 100 epochs of 150 at the full rate. */
  int third = strcmp(d->name, "synthetic") == 0 ? 7 : 50;
  s->epochs = 3 * third;
  s->batch = 100;
  s->optimiser = lcl__adam();
  s->schedule = (lcl_schedule) {
    .kind = LCL_SCHEDULE_LINEAR, .lr = 0.002, .from = 2 * third, .until = 3 * third
  };
  s->range_lo = 0;
  s->range_hi = 1;
  s->select = "error_percent";
  return LCL_OK;
}

const lcl_model_class lcl__model_vae_ladder = {
  .name = "vae-ladder",
  .summary = "ladder whose lateral paths are normal distributions, as a variational autoencoder's",
  .reference = "Zumer, Influencing the Properties of Latent Representations, 2016, section 6.4",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = data,
  .defaults = defaults,
  .build = build,
  .can = LCL_CAN_CLASSIFY | LCL_CAN_SAMPLE | LCL_CAN_RECONSTRUCT,
};
