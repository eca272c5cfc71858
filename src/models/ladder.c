/* The Ladder network: Rasmus et al., "Semi-Supervised Learning with Ladder Networks" (2015). A
 * corrupted encoder gives the prediction that is trained on labels; a decoder denoises every layer
 * of it, and is compared with a clean encoder:
 *
 *   encoders   a_l = W_l h_{l-1},  z_l = (a_l - mu_l)/sd_l [+ noise],  h_l = act(gamma_l (z_l +
 * beta_l)) decoder    u_L = BN(softmax),  u_l = BN(V_l zhat_{l+1}),  zhat_l = g(z~_l, u_l) C =
 * NLL(corrupted prediction, t) + sum_l lambda_l/m_l ||z_l - (zhat_l - mu_l)/sd_l||^2
 *
 * Labelled and unlabelled rows have batch statistics of their own; the costs of the decoder are on
 * unlabelled rows. Tests use statistics of the clean labelled rows. */
#include <math.h>

#include "base/text.h"
#include "graph/graph.h"
#include "latentcl/nn.h"
#include "models/build.h"
#include "models/registry.h"
#include "nn/nn.h"
#include "ops/random.h"

enum { MAX_LAYERS = 8 };
static const float eps = 1e-10f;

static const lcl_option options[] = {
  { "variant", LCL_OPTION_CHOICE, "full",
    "which layers have a denoising cost: all, the image only, the prediction only, none "
    "(supervised)",
    "full|bottom|gamma|baseline" },
  { "widths", LCL_OPTION_INTS, "1000-500-250-250-250", "units of the hidden layers", "[1,65536]" },
  { "lambda", LCL_OPTION_FLOATS, "",
    "denoising weights from the image to the prediction, as in 1000,10,.1,.1,.1,.1,.1 (the last "
    "number repeats); by default the paper's for the variant and the number of labels",
    "[0,3e38]" },
  { "noise", LCL_OPTION_FLOATS, "",
    "standard deviation of the corruption from the image up, as in 0.3 or 0.3,0.5 (the last number "
    "repeats)",
    "[0,3e38]" },
  { "g", LCL_OPTION_CHOICE, "gauss", "denoising function", "gauss|sig|adhoc|linear|amlp" },
  { "amlp_hidden", LCL_OPTION_INTS, "2-2-2", "its hidden units", "[1,64]", "g=amlp" },
  { "zbn_div", LCL_OPTION_CHOICE, "std",
    "divide them by the standard deviation, by the variance (as a public code does), or leave "
    "them as they are",
    "std|var|none" },
  { "zbn_stats", LCL_OPTION_CHOICE, "clean", "whose statistics normalise the denoised values",
    "clean|corrupted", "zbn_div!=none" },
  { "bn_test", LCL_OPTION_CHOICE, "calibrate",
    "statistics for tests: exact ones over the labelled images at the end, a running mean over "
    "some 10 steps, or an exponential one (0.99)",
    "calibrate|running|ema" },
  { "unlabelled_source", LCL_OPTION_CHOICE, "all",
    "images without labels: all, or the labelled subset only", "all|labelled_only" },
};

/* ---- options ---- */

/* Numbers separated by commas or dashes into out[0..want); the last one repeats when there are
 * fewer, and with fixed == false *n says how many there were instead. */
static lcl_status read_list(const char *name, const char *text, const char *separator, float *out,
                            int want, int *n) {
  int count = 0;
  for (const char *p = text; *p; count++) {
    char *end;
    const float v = (float)lcl__strtod(p, &end);
    if (end == p || !isfinite(v) || v < 0 || (*end && (!strchr(separator, *end) || !end[1])) ||
        count == want)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "option %s: expected up to %d numbers that are not negative, got \"%s\"",
                       name, want, text);
    out[count] = v;
    p = *end ? end + 1 : end;
  }
  if (count == 0)
    return lcl__fail(LCL_ERR_ARGUMENT, "option %s: there is no number in \"%s\"", name, text);
  if (n) *n = count;
  for (int i = count; !n && i < want; i++) out[i] = out[count - 1];
  return LCL_OK;
}

typedef struct ladder {
  lcl_build *b;
  lcl_graph *g;
  const lcl_options *o;
  int layers; /* L */
  int64_t width[MAX_LAYERS + 1];
  float lambda[MAX_LAYERS + 1], noise[MAX_LAYERS + 1];
  int lowest; /* the decoder goes down to this layer; layers + 1: there is none */
  lcl_combine_desc combine;
} ladder;

/* The weights and noise of the authors' command lines, by the number of labelled images (0: all).
 */
static void presets(ladder *n, const char *variant, int64_t labels) {
  static const float full[4][3] = {
    { 2000, 20, 0.1f }, { 1000, 10, 0.1f }, { 2000, 20, 0.1f }, { 1000, 1, 0.01f }
  };
  static const float bottom[4] = { 5000, 5000, 2000, 2000 }, top[4] = { 0.5f, 0.5f, 10, 2 };
  int k = labels == 0 || labels > 5000 ? 3 : labels > 300 ? 2 : labels > 75 ? 1 : 0;
  for (int l = 0; l <= n->layers; l++) {
    n->lambda[l] = 0;
    n->noise[l] = 0.3f;
    if (strcmp(variant, "full") == 0) {
      n->lambda[l] = full[k][LCL_MIN(l, 2)];
      if (k == 2 && l > 0) n->noise[l] = 0.2f;
    }
    if (strcmp(variant, "baseline") == 0 && l > 0) n->noise[l] = 0.5f;
  }
  if (strcmp(variant, "bottom") == 0) n->lambda[0] = bottom[k];
  if (strcmp(variant, "gamma") == 0) n->lambda[n->layers] = top[k];
}

static lcl_status read_widths(ladder *n, const lcl_model_data *d) {
  float hidden[MAX_LAYERS - 1];
  int count = 0;
  LCL_TRY(
      read_list("widths", lcl_option_text(n->o, "widths"), "-,", hidden, MAX_LAYERS - 1, &count));
  n->layers = count + 1;
  n->width[0] = d->channels * d->height * d->width;
  for (int l = 1; l <= count; l++) {
    n->width[l] = (int64_t)hidden[l - 1];
    if (n->width[l] < 1 || n->width[l] > 65536)
      return lcl__fail(LCL_ERR_ARGUMENT, "option widths: a layer has 1 to 65536 units");
  }
  n->width[n->layers] = d->classes;
  return LCL_OK;
}

static lcl_status read_combine(ladder *n) {
  static const char *const names[] = { "gauss", "sig", "adhoc", "linear", "amlp" };
  float hidden[LCL_COUNT(n->combine.hidden)];
  int count = 0;
  for (size_t i = 0; i < LCL_COUNT(names); i++)
    if (lcl_option_is(n->o, "g", names[i])) n->combine.kind = (lcl_combinator)i;
  LCL_TRY(read_list("amlp_hidden", lcl_option_text(n->o, "amlp_hidden"), "-,", hidden,
                    LCL_COUNT(hidden), &count));
  for (int i = 0; i < count; i++) {
    if (hidden[i] < 1 || hidden[i] > 64)
      return lcl__fail(LCL_ERR_ARGUMENT, "option amlp_hidden: a layer has 1 to 64 units");
    n->combine.hidden[i] = (int)hidden[i];
  }
  return LCL_OK;
}

/* Everything that options say; labels: number of labelled images, 0 for all. */
static lcl_status read_ladder(ladder *n, const lcl_options *o, const lcl_model_data *d,
                              int64_t labels) {
  n->o = o;
  LCL_TRY(read_widths(n, d));
  LCL_TRY(read_combine(n));
  presets(n, lcl_option_text(o, "variant"), labels);
  const char *lambda = lcl_option_text(o, "lambda"), *noise = lcl_option_text(o, "noise");
  if (*lambda) LCL_TRY(read_list("lambda", lambda, ",", n->lambda, n->layers + 1, NULL));
  if (*noise) LCL_TRY(read_list("noise", noise, ",", n->noise, n->layers + 1, NULL));
  n->lowest = 0;
  while (n->lowest <= n->layers && n->lambda[n->lowest] == 0) n->lowest++;
  return LCL_OK;
}

/* defaults() has checked the options. */
static ladder make_ladder(lcl_build *b) {
  const lcl_model *m = lcl_build_model(b);
  ladder n = { .b = b, .g = lcl_build_graph(b) };
  if (read_ladder(&n, m->options, &m->data, m->settings.labels_per_class * m->data.classes) !=
      LCL_OK)
    n.layers = 0;
  return n;
}

/* ---- encoder ---- */

/* The encoder for several groups of rows at once: one GEMM a layer, while each group has its own
 * statistics. Tensors are (groups, rows, width); the first `noisy` groups are corrupted. */
typedef struct stack {
  int64_t groups, noisy, rows;
  lcl_tensor *z[MAX_LAYERS + 1];
  lcl_tensor *mean[MAX_LAYERS + 1], *var[MAX_LAYERS + 1]; /* (groups, 1, width), of layers 1 .. L */
  lcl_tensor *logits;
} stack;

static lcl_tensor *corrupt(const ladder *n, const stack *s, lcl_tensor *x, int layer) {
  if (n->noise[layer] == 0 || s->noisy == 0) return x;
  lcl_tensor *e = lcl__random_normal_along(n->g, LCL_SHAPE(s->noisy, s->rows, n->width[layer]), 1);
  e = lcl_scale(e, n->noise[layer]);
  const int64_t none[3] = { 0 }, clean[3] = { s->groups - s->noisy, 0, 0 };
  return lcl_add(x, clean[0] ? lcl_pad(e, none, clean) : e);
}

static lcl_tensor *standardise(lcl_tensor *x, lcl_tensor *mean, lcl_tensor *var) {
  return lcl_mul(lcl_sub(x, mean), lcl_rsqrt(lcl_shift(var, eps)));
}

static lcl_tensor *weighted(const ladder *n, const stack *s, lcl_tensor *h, int layer) {
  char name[24];
  snprintf(name, sizeof name, "enc%d", layer);
  lcl_linear_desc d = { .weight = { .kind = LCL_INIT_FAN_IN_NORMAL }, .no_bias = true };
  lcl_tensor *a = lcl_linear(lcl_reshape(h, LCL_SHAPE(s->groups * s->rows, n->width[layer - 1])),
                             name, n->width[layer], &d);
  return lcl_reshape(a, LCL_SHAPE(s->groups, s->rows, n->width[layer]));
}

static lcl_tensor *unit_param(const ladder *n, int layer, const char *part, float value) {
  char name[32];
  snprintf(name, sizeof name, "enc%d.%s", layer, part);
  return lcl_param(n->g, name, LCL_SHAPE(n->width[layer]),
                   (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = value });
}

/* Scaling before a ReLU is redundant, so only the prediction has gamma. Returns h of the layer, or
 * the logits. */
static lcl_tensor *activate(const ladder *n, lcl_tensor *z, int layer) {
  lcl_tensor *h = lcl_add(z, unit_param(n, layer, "beta", 0));
  return layer < n->layers ? lcl_relu(h) : lcl_mul(h, unit_param(n, layer, "gamma", 1));
}

static void encode(const ladder *n, stack *s, lcl_tensor *x) {
  lcl_tensor *h = s->z[0] = corrupt(n, s, x, 0);
  for (int l = 1; l <= n->layers; l++) {
    lcl_tensor *a = weighted(n, s, h, l);
    lcl_batch_moments(a, LCL_AXIS(1), &s->mean[l], &s->var[l]);
    s->z[l] = corrupt(n, s, standardise(a, s->mean[l], s->var[l]), l);
    h = activate(n, s->z[l], l);
  }
  s->logits = h;
}

static lcl_tensor *group(lcl_tensor *t, int64_t i) {
  lcl_shape s = lcl_tensor_shape(t);
  if (s.rank != 3) return t;
  return lcl_reshape(lcl_slice_axis(t, 0, i, i + 1), LCL_SHAPE(s.dim[1], s.dim[2]));
}

static lcl_tensor *rows_of(const ladder *n, lcl_tensor *image) {
  lcl_shape s = lcl_tensor_shape(image);
  return lcl_reshape(image, LCL_SHAPE(1, s.rank ? s.dim[0] : 1, n->width[0]));
}

/* ---- decoder ---- */

static lcl_tensor *vertical(const ladder *n, const stack *s, int64_t dirty, lcl_tensor *above,
                            int layer) {
  if (layer == n->layers)
    return lcl_normalise(lcl_softmax(group(s->logits, dirty), 1), eps, NULL, NULL);
  char name[24];
  snprintf(name, sizeof name, "dec%d", layer);
  lcl_linear_desc d = { .weight = { .kind = LCL_INIT_FAN_IN_NORMAL }, .no_bias = true };
  return lcl_normalise(lcl_linear(above, name, n->width[layer], &d), eps, NULL, NULL);
}

/* zhat of the layers lowest .. L, from the corrupted group `dirty`. */
static void decode(const ladder *n, const stack *s, int64_t dirty, lcl_tensor **zhat) {
  for (int l = n->layers; l >= n->lowest; l--) {
    char name[24];
    snprintf(name, sizeof name, "g%d", l);
    lcl_tensor *u = vertical(n, s, dirty, l < n->layers ? zhat[l + 1] : NULL, l);
    zhat[l] = lcl_combine(group(s->z[l], dirty), u, name, &n->combine);
  }
}

/* The denoised values in the scale of the clean ones; pixels stay as they are. */
static lcl_tensor *rescaled(const ladder *n, const stack *s, int64_t dirty, int64_t clean,
                            lcl_tensor *zhat, int layer) {
  if (layer == 0 || lcl_option_is(n->o, "zbn_div", "none")) return zhat;
  int64_t from = lcl_option_is(n->o, "zbn_stats", "corrupted") ? dirty : clean;
  lcl_tensor *mean = group(s->mean[layer], from), *var = group(s->var[layer], from);
  if (lcl_option_is(n->o, "zbn_div", "var"))
    return lcl_div(lcl_sub(zhat, mean), lcl_shift(var, eps));
  return standardise(zhat, mean, var);
}

/* Adds the weighted denoising costs to the loss and logs each. */
static lcl_tensor *denoising(const ladder *n, const stack *s, int64_t dirty, int64_t clean,
                             lcl_tensor *loss) {
  lcl_tensor *zhat[MAX_LAYERS + 1];
  decode(n, s, dirty, zhat);
  for (int l = n->lowest; l <= n->layers; l++) {
    if (n->lambda[l] == 0) continue;
    char name[24];
    snprintf(name, sizeof name, "denoise%d", l);
    lcl_tensor *cost = lcl__nn_share(
        lcl_l2(group(s->z[l], clean), rescaled(n, s, dirty, clean, zhat[l], l), LCL_L2_MEAN));
    lcl_build_term(n->b, name, cost);
    loss = lcl_add(loss, lcl_scale(cost, n->lambda[l]));
  }
  return loss;
}

/* ---- statistics for tests ---- */

static lcl_tensor *statistic(const ladder *n, int layer, const char *part, float value) {
  char name[32];
  snprintf(name, sizeof name, "enc%d.%s", layer, part);
  return lcl_state(n->g, name, LCL_F32, LCL_SHAPE(n->width[layer]),
                   (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = value });
}

static lcl_tensor *counter(const ladder *n, const char *name) {
  lcl_tensor *c = lcl_state(n->g, name, LCL_F32, LCL_SHAPE(1),
                            (lcl_init) { .kind = LCL_INIT_ZERO });
  lcl_tensor *next = lcl_shift(c, 1);
  lcl_assign(c, next);
  return next;
}

static void follow(lcl_tensor *state, lcl_tensor *value, lcl_tensor *weight) {
  value = lcl_reshape(value, lcl_tensor_shape(state));
  lcl_assign(state, lcl_add(state, lcl_mul(weight, lcl_sub(value, state))));
}

/* Moves the statistics towards those of the clean labelled rows; weight of the new ones: 1/steps
 * with steps counted up to `most` (0: without end), or 0.01 for an exponential mean. */
static void track(const ladder *n, const stack *s, const char *count, float most,
                  bool exponential) {
  double m = (double)s->rows / lcl__graph_weight(n->g);
  lcl_tensor *weight = lcl_const(n->g, 0.01f);
  if (!exponential) {
    lcl_tensor *steps = counter(n, count);
    weight = lcl_recip(most > 0 ? lcl_minimum(steps, lcl_const(n->g, most)) : steps);
  }
  for (int l = 1; l <= n->layers; l++) {
    lcl_tensor *var = s->var[l];
    if (!exponential && m > 1) var = lcl_scale(var, (float)(m / (m - 1)));
    follow(statistic(n, l, "mean", 0), lcl_stop_gradient(s->mean[l]), weight);
    follow(statistic(n, l, "var", 1), lcl_stop_gradient(var), weight);
  }
}

/* ---- graphs ---- */

/* The clean encoder on the labelled rows, which only the statistics need. */
static stack clean_pass(const ladder *n, lcl_tensor *labelled) {
  stack s = { .groups = 1, .rows = lcl_build_batch(n->b) };
  encode(n, &s, labelled);
  return s;
}

static void build_train(ladder *n) {
  lcl_tensor *x = rows_of(n, lcl_build_image(n->b)), *label = lcl_build_label(n->b);
  int64_t rows = lcl_build_batch(n->b), free_rows = lcl_build_unlabelled_batch(n->b);
  bool decoder = n->lowest <= n->layers, joined = decoder && lcl__build_same_batches(n->b);
  stack labelled = { .groups = 1, .noisy = 1, .rows = rows },
        both = { .groups = 2, .noisy = 1, .rows = free_rows };
  lcl_tensor *u = decoder ? rows_of(n, lcl_build_unlabelled(n->b)) : NULL;
  if (joined) {
    both = (stack) { .groups = 3, .noisy = 2, .rows = rows };
    encode(n, &both, lcl_concat((lcl_tensor *[]) { x, u, u }, 3, 0));
  } else {
    encode(n, &labelled, x);
    lcl__graph_rows(n->g, LCL_ROWS_SECOND);
    if (decoder) encode(n, &both, lcl_concat((lcl_tensor *[]) { u, u }, 2, 0));
  }
  lcl_tensor *logits = group(joined ? both.logits : labelled.logits, 0);
  lcl_tensor *nll = lcl__build_cross_entropy(n->b, logits, label);
  lcl_build_term(n->b, "nll", nll);
  int64_t dirty = joined ? 1 : 0;
  lcl_build_loss(n->b, decoder ? denoising(n, &both, dirty, dirty + 1, nll) : nll);
  lcl_build_correct(n->b, lcl_correct_rows(logits, label));
  lcl__graph_rows(n->g, LCL_ROWS_FIRST);
  stack clean = clean_pass(n, x);
  track(n, &clean, "bn.steps", 10, lcl_option_is(n->o, "bn_test", "ema"));
}

static void build_calibrate(ladder *n) {
  stack clean = clean_pass(n, rows_of(n, lcl_build_image(n->b)));
  track(n, &clean, "bn.calibration", 0, false);
}

static void build_eval(ladder *n) {
  lcl_tensor *h = rows_of(n, lcl_build_image(n->b)), *label = lcl_build_label(n->b), *features = h;
  stack s = { .groups = 1, .rows = lcl_build_batch(n->b) };
  for (int l = 1; l <= n->layers; l++) {
    features = h;
    h = activate(
        n,
        standardise(weighted(n, &s, h, l), statistic(n, l, "mean", 0), statistic(n, l, "var", 1)),
        l);
  }
  lcl_tensor *logits = group(h, 0);
  lcl_build_example(n->b, "loss", lcl_cross_entropy_rows(logits, label));
  lcl__build_scores(n->b, logits, label);
  lcl_build_prediction(n->b, lcl_argmax(logits, 1, false));
  lcl_build_features(n->b, group(features, 0));
}

/* The decoder's batch norm uses the statistics of the images shown. */
static void build_reconstruct(ladder *n) {
  if (n->lowest != 0) return; /* the image was never denoised */
  lcl_tensor *image = lcl_build_image(n->b), *x = rows_of(n, image), *zhat[MAX_LAYERS + 1];
  lcl_shape shape = lcl_tensor_shape(image);
  stack s = { .groups = 1, .noisy = 1, .rows = lcl_build_batch(n->b) };
  encode(n, &s, x);
  decode(n, &s, 0, zhat);
  lcl_build_output(n->b, "original", image);
  lcl_build_output(n->b, "corrupted", lcl_reshape(s.z[0], shape));
  lcl_build_output(n->b, "denoised", lcl_reshape(zhat[0], shape));
}

static void build(lcl_build *b) {
  ladder n = make_ladder(b);
  if (n.layers == 0) return;
  switch (lcl_build_mode(b)) {
  case LCL_MODE_TRAIN: build_train(&n); break;
  case LCL_MODE_EVAL: build_eval(&n); break;
  case LCL_MODE_RECONSTRUCT: build_reconstruct(&n); break;
  case LCL_MODE_CALIBRATE: build_calibrate(&n); break;
  default: break;
  }
}

/* ---- settings ---- */

/* All training images serve as unlabelled ones, so nothing is split unless asked for. */
static void data(const lcl_options *o, lcl_data_desc *d) {
  (void)o;
  d->valid = -1;
}

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  ladder n = { 0 };
  LCL_TRY(lcl__need_classes(d));
  LCL_TRY(read_ladder(&n, o, d, 0));
  if (n.lowest <= n.layers && lcl_option_given(o, "unlabelled_batch") &&
      lcl_option_int(o, "unlabelled_batch") == 0)
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "option unlabelled_batch: unlabelled examples are what is denoised, at least 1 "
        "a step (variant=baseline denoises none)");
  /* The authors train 150 epochs; the built-in digits are easier and there to be quick. */
  s->epochs = strcmp(d->name, "synthetic") ? 150 : 20;
  s->batch = s->unlabelled_batch = 100;
  s->labels_per_class = 10;
  bool subset = lcl_option_is(o, "unlabelled_source", "labelled_only");
  s->unlabelled = subset ? LCL_UNLABELLED_LABELLED : LCL_UNLABELLED_ALL;
  s->optimiser = lcl__adam();
  s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_LINEAR,
                                 .lr = 0.002,
                                 .from = (s->epochs * 67 + 50) / 100,
                                 .until = s->epochs };
  s->range_lo = 0;
  s->range_hi = 1;
  s->calibrate = lcl_option_is(o, "bn_test", "calibrate");
  s->select = "last";
  return LCL_OK;
}

const lcl_model_class lcl__model_ladder = {
  .name = "ladder",
  .summary = "semi-supervised classifier that denoises every layer (and its bottom, gamma and "
             "supervised variants)",
  .reference = "Rasmus et al., Semi-Supervised Learning with Ladder Networks, 2015",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = data,
  .defaults = defaults,
  .build = build,
  .can = LCL_CAN_CLASSIFY | LCL_CAN_RECONSTRUCT | LCL_CAN_SEMI_SUPERVISED,
};
