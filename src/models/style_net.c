/* Network and graphs of the generative classifiers m2 and two-head. */
#include <math.h>

#include "base/base.h"
#include "graph/graph.h"
#include "models/build.h"
#include "models/style_net.h"
#include "models/vae_parts.h"
#include "nn/nn.h"

enum { KERNEL = 7 };
#define LOG_2_PI 1.8378770664f

static const lcl_linear_desc glorot = { .weight = { .kind = LCL_INIT_GLOROT_UNIFORM } };

/* ---- network ---- */

static int64_t side(int64_t full, int convs) {
  return full - (int64_t)convs * (KERNEL - 1);
}

/* An affine layer of a map onto its own size, linear. */
static lcl_tensor *square_affine(lcl_tensor *x, const char *name) {
  lcl_tensor *flat = lcl_flatten(x);
  return lcl_reshape(lcl_linear(flat, name, lcl_tensor_shape(flat).dim[1], &glorot),
                     lcl_tensor_shape(x));
}

static lcl_tensor *conv(lcl_tensor *x, const char *name, int64_t out, bool full) {
  int pad = full ? KERNEL - 1 : 0;
  return lcl_conv(x, name,
                  &(lcl_conv_block_desc) { .out = out,
                                           .kernel = { KERNEL, KERNEL },
                                           .conv = { .pad = { pad, pad, pad, pad } } });
}

/* What is explained of images (N,C,H,W): they themselves, or (N,latent1) of M1. */
static lcl_tensor *explained(const lcl_style_net *n, lcl_tensor *x, bool sampled) {
  lcl_tensor *mu, *logvar;
  if (!n->on_m1) return x;
  lcl__m1_encode(&n->m1, x, &mu, &logvar);
  return lcl_stop_gradient(sampled ? lcl_reparameterise(mu, logvar) : mu);
}

/* x, as explained() gives it -> (N, maps*h*w) or (N,units). */
static lcl_tensor *root_of(const lcl_style_net *n, lcl_tensor *x) {
  if (n->on_m1) return lcl_softplus(lcl_linear(x, "root.hidden", n->units, &glorot));
  lcl_tensor *h = lcl_relu(conv(square_affine(x, "root.affine1"), "root.conv1", n->maps[0], false));
  if (n->mid_affine) h = square_affine(h, "root.affine2");
  return lcl_flatten(lcl_relu(conv(h, "root.conv2", n->maps[1], false)));
}

/* The weight (latent, root [+ classes]) of the mean; columns behind the root's belong to the
 * classes. */
static lcl_tensor *mean_weight(const lcl_style_net *n, int64_t root) {
  return lcl_linear_weight(n->g, "q.mu", n->latent, root + (n->y_in_encoder ? n->classes : 0),
                           &glorot);
}

/* Mean of q(z|x,.) before the class has its say: (N,latent), bias included. */
static lcl_tensor *mean_from_root(const lcl_style_net *n, lcl_tensor *root) {
  int64_t width = lcl_tensor_shape(root).dim[1];
  lcl_tensor *w = mean_weight(n, width);
  if (n->y_in_encoder) w = lcl_slice_axis(w, 1, 0, width);
  return lcl_add_bias(lcl_matmul(root, w, false, true), "q.mu");
}

/* What class y adds to the mean: onehot (M,K) -> (M,latent); NULL when the encoder does not see y.
 */
static lcl_tensor *mean_from_class(const lcl_style_net *n, lcl_tensor *root, lcl_tensor *onehot) {
  if (!n->y_in_encoder) return NULL;
  int64_t width = lcl_tensor_shape(root).dim[1];
  return lcl_matmul(onehot, lcl_slice_axis(mean_weight(n, width), 1, width, width + n->classes),
                    false, true);
}

static lcl_tensor *log_variance(const lcl_style_net *n, lcl_tensor *root) {
  return lcl_linear(root, "q.logvar", n->latent, &glorot);
}

/* Logits of the class units (N,K) from x, as explained() gives it, and its root; two classes with
 * sigmoid output share one unit: its logit against 0. */
static lcl_tensor *class_logits(const lcl_style_net *n, lcl_tensor *x, lcl_tensor *root) {
  int64_t visible = lcl_shape_count(n->image);
  lcl_tensor *h = root;
  if (n->on_m1) {
    h = lcl_softplus(lcl_linear(x, "cls.hidden", n->units, &glorot));
  } else {
    h = lcl_relu(lcl_linear(h, "cls.fc1", LCL_MAX(visible / 5, 1), NULL));
    h = lcl_relu(lcl_linear(h, "cls.fc2", LCL_MAX(visible / 10, 1), NULL));
  }
  if (n->softmax || n->classes != 2) return lcl_linear(h, "cls.out", n->classes, &glorot);
  lcl_tensor *one = lcl_linear(h, "cls.out", 1, &glorot);
  return lcl_concat((lcl_tensor *[]) { lcl_scale(one, 0), one }, 2, 1);
}

static bool distribution_is_softmax(const lcl_style_net *n) {
  return n->softmax || n->classes == 2;
}

/* log q(y|x), (N,K). */
static lcl_tensor *class_log_probability(const lcl_style_net *n, lcl_tensor *logits) {
  return distribution_is_softmax(n) ? lcl_log_softmax(logits, 1) : lcl_log_sigmoid_share(logits);
}

static lcl_tensor *class_loss_rows(const lcl_style_net *n, lcl_tensor *logits, lcl_tensor *label) {
  if (distribution_is_softmax(n)) return lcl_cross_entropy_rows(logits, label);
  return lcl_bce_logits_rows(logits, lcl_one_hot(label, n->classes));
}

/* z (M,latent), onehot (M,K) -> Bernoulli logits (M,C,H,W); of M1's latent, means and behind them
 * log-variances (M,2*latent1). */
static lcl_tensor *decode(const lcl_style_net *n, lcl_tensor *z, lcl_tensor *onehot) {
  int64_t rows = lcl_tensor_shape(z).dim[0], h = n->image.dim[2], w = n->image.dim[3];
  lcl_tensor *in = lcl_concat((lcl_tensor *[]) { z, onehot }, 2, 1);
  if (n->on_m1) {
    lcl_tensor *hidden = lcl_softplus(lcl_linear(in, "p.hidden", n->units, &glorot));
    lcl_tensor *parts[] = { lcl_linear(hidden, "p.mean", n->m1.latent, &glorot),
                            lcl_linear(hidden, "p.spread", n->m1.latent, &glorot) };
    return lcl_concat(parts, 2, 1);
  }
  lcl_tensor *v = lcl_linear(in, "dec.affine1", n->maps[1] * side(h, 2) * side(w, 2), &glorot);
  v = lcl_reshape(v, LCL_SHAPE(rows, n->maps[1], side(h, 2), side(w, 2)));
  v = lcl_relu(conv(v, "dec.conv1", n->maps[0], true));
  if (n->mid_affine) v = square_affine(v, "dec.affine2");
  return conv(v, "dec.conv2", n->image.dim[1], true);
}

/* ---- losses ---- */

/* -log p(x|y,z) of what decode() gave for k classes of each example, (N,k), or (N) for k = 0: for
 * the one class of each. */
static lcl_tensor *recon_rows(const lcl_style_net *n, lcl_tensor *out, lcl_tensor *x, int64_t k) {
  const int64_t rows = lcl_tensor_shape(x).dim[0],
                width = lcl_shape_count(lcl_tensor_shape(x)) / rows;
  if (!n->on_m1 && k == 0) return lcl_bce_logits_rows(out, x);
  const int64_t each = LCL_MAX(k, 1);
  lcl_tensor *seen = lcl_reshape(x, LCL_SHAPE(rows, 1, width)), *cost;
  if (n->on_m1) {
    out = lcl_reshape(out, LCL_SHAPE(rows, each, 2 * width));
    lcl_tensor *mean = lcl_slice_axis(out, 2, 0, width),
               *spread = lcl_slice_axis(out, 2, width, 2 * width);
    lcl_tensor *apart = lcl_mul(lcl_square(lcl_sub(seen, mean)), lcl_exp(lcl_neg(spread)));
    cost = lcl_scale(lcl_shift(lcl_add(spread, apart), LOG_2_PI), 0.5f);
  } else {
    out = lcl_reshape(out, LCL_SHAPE(rows, each, width));
    cost = lcl_sub(lcl_softplus(out), lcl_mul(seen, out));
  }
  cost = lcl_sum(cost, LCL_AXIS(2), false);
  return k ? cost : lcl_reshape(cost, LCL_SHAPE(rows));
}

/* Terms of one labelled batch, each (N); z is sampled once. */
typedef struct labelled_terms {
  lcl_tensor *kl, *recon, *cls, *logits;
} labelled_terms;

static labelled_terms labelled(const lcl_style_net *n, lcl_tensor *x, lcl_tensor *label) {
  lcl_tensor *root = root_of(n, x), *onehot = lcl_one_hot(label, n->classes);
  lcl_tensor *mu = mean_from_root(n, root), *logvar = log_variance(n, root);
  lcl_tensor *shift = mean_from_class(n, root, onehot);
  if (shift) mu = lcl_add(mu, shift);
  labelled_terms t = { .logits = class_logits(n, x, root) };
  t.kl = lcl__vae_kl_rows(mu, logvar, n->o);
  t.recon = recon_rows(n, decode(n, lcl_reparameterise(mu, logvar), onehot), x, 0);
  t.cls = class_loss_rows(n, t.logits, label);
  return t;
}

/* sum_y q(y|x) (KL_y + BCE_y + log K) + sum_y q log q for unlabelled x, per example (N): every
 * class is tried on every image, N*K decodings (Eq. 4.35). */
static lcl_tensor *unlabelled_rows(const lcl_style_net *n, lcl_tensor *x) {
  int64_t rows = lcl_tensor_shape(x).dim[0], k = n->classes, d = n->latent;
  lcl_tensor *root = root_of(n, x), *all = lcl__vae_every_class(n->g, k); /* (K,K) identity */
  lcl_tensor *mu = lcl_reshape(mean_from_root(n, root), LCL_SHAPE(rows, 1, d));
  lcl_tensor *shift = mean_from_class(n, root, all);
  if (shift) mu = lcl_add(mu, lcl_reshape(shift, LCL_SHAPE(1, k, d)));
  lcl_tensor *each_mu = lcl_reshape(lcl_broadcast(mu, LCL_SHAPE(rows, k, d)),
                                    LCL_SHAPE(rows * k, d));
  lcl_tensor *logvar = lcl_reshape(log_variance(n, root), LCL_SHAPE(rows, 1, d));
  logvar = lcl_reshape(lcl_broadcast(logvar, LCL_SHAPE(rows, k, d)), LCL_SHAPE(rows * k, d));
  lcl_tensor *onehot = lcl_reshape(
      lcl_broadcast(lcl_reshape(all, LCL_SHAPE(1, k, k)), LCL_SHAPE(rows, k, k)),
      LCL_SHAPE(rows * k, k));
  lcl_tensor *out = decode(n, lcl_reparameterise(each_mu, logvar), onehot);
  lcl_tensor *recon = recon_rows(n, out, x, k);
  lcl_tensor *kl = lcl_reshape(lcl__vae_kl_rows(each_mu, logvar, n->o), LCL_SHAPE(rows, k));
  lcl_tensor *cost = lcl_shift(lcl_add(recon, kl), logf((float)k));
  lcl_tensor *log_q = class_log_probability(n, class_logits(n, x, root));
  return lcl_sum(lcl_mul(lcl_exp(log_q), lcl_add(cost, log_q)), LCL_AXIS(1), false);
}

static lcl_tensor *mean_of(lcl_tensor *rows) {
  return lcl_mean(rows, LCL_ALL_AXES, false);
}

static void build_train(lcl_build *b, const lcl_style_net *n) {
  lcl_tensor *label = lcl_build_label(b);
  labelled_terms t = labelled(n, explained(n, lcl_build_image(b), true), label);
  lcl_objective ob = { .build = b };
  const float w_l = (float)lcl_option_float(n->o, "w_l");
  lcl__objective_add(&ob, "recon", mean_of(t.recon), w_l);
  lcl__objective_add(&ob, "kl", mean_of(t.kl), w_l);
  lcl__objective_add(&ob, "cls", mean_of(lcl_build_weigh(b, t.cls)),
                     (float)lcl_option_float(n->o, "w_c"));
  lcl__graph_rows(n->g, LCL_ROWS_SECOND);
  if (lcl_build_unlabelled_batch(b) > 0)
    lcl__objective_add(
        &ob, "unlabelled",
        lcl__nn_share(mean_of(unlabelled_rows(n, explained(n, lcl_build_unlabelled(b), true)))), 1);
  lcl__graph_rows(n->g, LCL_ROWS_FIRST);
  /* -log p(y) of the labelled part, uniform over the classes: a constant that makes the bound a
   * bound. */
  lcl_build_loss(b, ob.total ? lcl_shift(ob.total, w_l * logf((float)n->classes)) : NULL);
  lcl_build_correct(b, lcl_correct_rows(t.logits, label));
  if (!n->on_m1) return;
  b->begins_with = LCL_M1_RUN;
  /* The decoder's parameters are kept, for images. */
  lcl__m1_decode(&n->m1, explained(n, lcl_build_image(b), false));
}

static void build_eval(lcl_build *b, const lcl_style_net *n) {
  lcl_tensor *label = lcl_build_label(b);
  labelled_terms t = labelled(n, explained(n, lcl_build_image(b), false), label);
  lcl_tensor *bound = lcl_shift(lcl_add(t.recon, t.kl), logf((float)n->classes));
  lcl_build_example(b, "loss",
                    lcl_add(lcl_scale(bound, (float)lcl_option_float(n->o, "w_l")),
                            lcl_scale(t.cls, (float)lcl_option_float(n->o, "w_c"))));
  lcl_build_example(b, "recon", t.recon);
  lcl_build_example(b, "kl", t.kl);
  lcl_build_example(b, "cls", t.cls);
  lcl__build_scores(b, t.logits, label);
  lcl_build_prediction(b, lcl_argmax(t.logits, 1, false));
}

/* ---- images ---- */

static lcl_tensor *image_of(const lcl_style_net *n, lcl_tensor *z, lcl_tensor *onehot) {
  lcl_tensor *out = decode(n, z, onehot);
  if (n->on_m1) out = lcl__m1_decode(&n->m1, lcl_slice_axis(out, 1, 0, n->m1.latent));
  return lcl_sigmoid(out);
}

/* Style of each image (the mean of q, with its own label), shown as itself, as every class in turn
 * (analogies), and on the way to its right neighbour's style (interpolation). */
static void build_reconstruct(lcl_build *b, const lcl_style_net *n) {
  lcl_tensor *x = lcl_build_image(b), *onehot = lcl_one_hot(lcl_build_label(b), n->classes);
  lcl_tensor *root = root_of(n, explained(n, x, false)), *z = mean_from_root(n, root),
             *shift = mean_from_class(n, root, onehot);
  if (shift) z = lcl_add(z, shift);
  lcl_build_output(b, "original", x);
  lcl_build_output(b, "reconstruction", image_of(n, z, onehot));
  for (int k = 0; k < LCL_MIN(n->classes, 10); k++) {
    char caption[40];
    snprintf(caption, sizeof caption, "style, class %d", k);
    lcl_build_output(b, caption,
                     image_of(n, z, lcl__vae_one_class(n->g, lcl_build_batch(b), n->classes, k)));
  }
  for (int i = 1; i <= 3; i++) {
    char caption[40];
    snprintf(caption, sizeof caption, "%d/4 to the next style", i);
    lcl_build_output(b, caption, image_of(n, lcl__vae_towards_next(z, 0.25f * (float)i), onehot));
  }
}

static void build_sample(lcl_build *b, const lcl_style_net *n) {
  int64_t rows = lcl_build_batch(b), k = n->classes, trials = lcl_option_int(n->o, "sample_trials");
  lcl_tensor *label = lcl_build_label(b), *onehot = lcl_one_hot(label, k);
  lcl_build_output(b, "samples",
                   image_of(n, lcl_random_normal(n->g, LCL_SHAPE(rows, n->latent)), onehot));
  lcl_build_output(b, "analogies", image_of(n, lcl__vae_row_styles(n->g, rows, n->latent), onehot));
  lcl_build_output(
      b, "interpolation",
      image_of(n, lcl__vae_row_walks(n->g, rows, n->latent), lcl__vae_row_classes(n->g, rows, k)));
  lcl_tensor *classes = lcl__vae_every_class(n->g, k);
  classes = lcl_reshape(
      lcl_broadcast(lcl_reshape(classes, LCL_SHAPE(k, 1, k)), LCL_SHAPE(k, trials, k)),
      LCL_SHAPE(k * trials, k));
  lcl_tensor *samples = image_of(n, lcl_random_normal(n->g, LCL_SHAPE(k * trials, n->latent)),
                                 classes);
  lcl_shape s = n->image;
  samples = lcl_reshape(samples, LCL_SHAPE(k, trials, s.dim[1], s.dim[2], s.dim[3]));
  lcl_build_output(b, "means", lcl_gather(lcl_mean(samples, LCL_AXIS(1), false), label));
}

/* Whether the decoder is trained: by labelled or by unlabelled images. */
static bool decodes(const lcl_model *m) {
  return lcl_option_float(m->options, "w_l") > 0 || m->settings.unlabelled_batch > 0;
}

void lcl__style_build(lcl_build *b, bool y_in_encoder) {
  const lcl_model *m = lcl_build_model(b);
  lcl_style_net n;
  if (lcl__style_net_init(&n, m->options, &m->data, y_in_encoder) != LCL_OK) return;
  n.g = lcl_build_graph(b);
  switch (lcl_build_mode(b)) {
  case LCL_MODE_TRAIN: build_train(b, &n); break;
  case LCL_MODE_EVAL: build_eval(b, &n); break;
  case LCL_MODE_RECONSTRUCT:
    if (decodes(m)) build_reconstruct(b, &n);
    break;
  case LCL_MODE_SAMPLE:
    if (decodes(m)) build_sample(b, &n);
    break;
  default: break;
  }
}

/* ---- settings ---- */

static bool wants_mid_affine(const lcl_options *o, const lcl_model_data *d) {
  if (lcl_option_is(o, "mid_affine", "auto")) return d->height <= 32 && d->width <= 32;
  return lcl_option_is(o, "mid_affine", "true");
}

lcl_status lcl__style_net_init(lcl_style_net *n, const lcl_options *o, const lcl_model_data *d,
                               bool y_in_encoder) {
  int maps[2];
  if (lcl__parse_ints(lcl_option_text(o, "maps"), maps, 2) != 2)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "option maps: expected two whole numbers like 4,8, got \"%s\"",
                     lcl_option_text(o, "maps"));
  *n = (lcl_style_net) { .o = o,
                         .classes = d->classes,
                         .latent = lcl_option_int(o, "latent"),
                         .maps = { maps[0], maps[1] },
                         .image = LCL_SHAPE(1, d->channels, d->height, d->width),
                         .mid_affine = wants_mid_affine(o, d),
                         .y_in_encoder = y_in_encoder,
                         .softmax = lcl_option_is(o, "cls_out", "softmax"),
                         .on_m1 = lcl_option_is(o, "input", "m1"),
                         .units = lcl_option_int(o, "units") };
  LCL_TRY(lcl__need_classes(d));
  if (n->on_m1) return lcl__m1_read(&n->m1, o, "m1_hidden", "m1_latent_size", d);
  if (side(d->height, 2) < 1 || side(d->width, 2) < 1)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "images of %lldx%lld are too small for two 7x7 convolutions (13x13 at least)",
                     (long long)d->height, (long long)d->width);
  return LCL_OK;
}

void lcl__style_data(const lcl_options *o, lcl_data_desc *d) {
  d->grey = true;
  d->split_random = true;
  lcl__vae_binarise(o, d);
}

lcl_status lcl__style_settings(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  bool synthetic = strcmp(d->name, "synthetic") == 0;
  s->epochs = synthetic ? 20 : 200;
  s->batch = 100;
  s->unlabelled = LCL_UNLABELLED_REST;
  if (lcl_option_int(o, "labels_per_class") > 0) s->unlabelled_batch = 100;
  s->optimiser = lcl__adam();
  s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_CONSTANT, .lr = 3e-4 };
  s->range_lo = 0;
  s->range_hi = 1;
  s->select = "error_percent";
  return LCL_OK;
}
