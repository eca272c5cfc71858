/* Convolutional variational autoencoder with a latent laid out like an image: J. Zumer,
 * "Influencing the Properties of Latent Representations" (2016), section 5.1. Does a
 * fully-connected layer between the sample and the first decoder convolution help?
 *
 *   encoder   conv 5x5 valid + ReLU, twice; 1x1 convolutions to mean and log-variance of z, a map
 *   decoder   [fc n -> n + ReLU] - conv 5x5 full + ReLU - conv 5x5 full: Bernoulli logits
 *   latent=point: a plain autoencoder, BCE(x; p(x|mean)) alone
 *   loss      BCE(x; p(x|z)) + KL(q(z|x) || N(0,I)), one sample of z: the negative of the evidence
 *             bound, in nats */
#include "base/base.h"
#include "models/registry.h"
#include "models/vae_parts.h"

enum { KERNEL = 5 };

static const lcl_option options[] = {
  { "decoder_fc", LCL_OPTION_BOOL, "true",
    "square fully-connected layer between the sample and the decoder", NULL },
  { "n_interspersed_fc", LCL_OPTION_INT, "0",
    "more square layers: 1: between the convolutions of both paths; 2: also after the encoder's "
    "second and after decoder_fc",
    "[0,2]" },
  { "maps", LCL_OPTION_INT, "16", "maps of the convolutions", "[1,1024]" },
  { "latent", LCL_OPTION_CHOICE, "normal",
    "what an image becomes: a normal distribution, or a point (a plain autoencoder, without the "
    "KL; there is nothing to "
    "sample from)",
    "normal|point" },
  { "kl_form", LCL_OPTION_CHOICE, "exact",
    "KL of a normal to N(0,I): exact, or as the thesis prints it (mu^2 without its half)",
    "exact|as_printed" },
  { "binarise", LCL_OPTION_CHOICE, "dynamic",
    "images: a fresh Bernoulli sample at each showing, one fixed sample, threshold at 1/2, or grey "
    "values",
    "dynamic|fixed|threshold|none" },
};

typedef struct net {
  lcl_graph *g;
  const lcl_options *o;
  int64_t maps, channels, zh, zw; /* z is one map of zh x zw */
  int interspersed;
  bool decoder_fc;
} net;

/* ---- network ---- */

static lcl_tensor *conv(lcl_tensor *x, const char *name, int64_t out, int kernel, bool full) {
  int pad = full ? kernel - 1 : 0;
  return lcl_conv(x, name,
                  &(lcl_conv_block_desc) { .out = out,
                                           .kernel = { kernel, kernel },
                                           .conv = { .pad = { pad, pad, pad, pad } } });
}

static lcl_tensor *square_relu(lcl_tensor *x, const char *name) {
  lcl_tensor *flat = lcl_flatten(x);
  return lcl_reshape(lcl_relu(lcl_linear(flat, name, lcl_tensor_shape(flat).dim[1], NULL)),
                     lcl_tensor_shape(x));
}

/* x (N,C,H,W) -> mean and log-variance (N, zh*zw). */
static void encode(const net *n, lcl_tensor *x, lcl_tensor **mu, lcl_tensor **logvar) {
  lcl_tensor *h = lcl_relu(conv(x, "enc.conv1", n->maps, KERNEL, false));
  if (n->interspersed > 0) h = square_relu(h, "enc.fc1");
  h = lcl_relu(conv(h, "enc.conv2", n->maps, KERNEL, false));
  if (n->interspersed > 1) h = square_relu(h, "enc.fc2");
  *mu = lcl_flatten(conv(h, "enc.mu", 1, 1, false));
  *logvar = lcl_flatten(conv(h, "enc.logvar", 1, 1, false));
}

/* z (N, zh*zw) -> logits (N,C,H,W). */
static lcl_tensor *decode(const net *n, lcl_tensor *z) {
  lcl_tensor *v = lcl_reshape(z, LCL_SHAPE(lcl_tensor_shape(z).dim[0], 1, n->zh, n->zw));
  if (n->decoder_fc) v = square_relu(v, "dec.fc1");
  if (n->interspersed > 1) v = square_relu(v, "dec.fc2");
  v = lcl_relu(conv(v, "dec.conv1", n->maps, KERNEL, true));
  if (n->interspersed > 0) v = square_relu(v, "dec.fc3");
  return conv(v, "dec.conv2", n->channels, KERNEL, true);
}

static net make_net(lcl_build *b) {
  const lcl_model *m = lcl_build_model(b);
  return (net) { .g = lcl_build_graph(b),
                 .o = m->options,
                 .maps = lcl_option_int(m->options, "maps"),
                 .channels = m->data.channels,
                 .zh = m->data.height - 2 * (KERNEL - 1),
                 .zw = m->data.width - 2 * (KERNEL - 1),
                 .interspersed = (int)lcl_option_int(m->options, "n_interspersed_fc"),
                 .decoder_fc = lcl_option_bool(m->options, "decoder_fc") };
}

/* ---- graphs ---- */

/* The two terms of the bound, per example (N). */
static void bound(const net *n, lcl_tensor *x, lcl_tensor **recon, lcl_tensor **kl,
                  lcl_tensor **mean) {
  lcl_tensor *mu, *logvar;
  encode(n, x, &mu, &logvar);
  *recon = lcl_bce_logits_rows(decode(n, lcl_reparameterise(mu, logvar)), x);
  *kl = lcl__vae_kl_rows(mu, logvar, n->o);
  if (mean) *mean = mu;
}

static bool plain(const net *n) {
  return lcl_option_is(n->o, "latent", "point");
}

/* A plain autoencoder's one term, per example (N). */
static lcl_tensor *point_rows(const net *n, lcl_tensor *x, lcl_tensor **mean) {
  lcl_tensor *logvar;
  encode(n, x, mean, &logvar);
  return lcl_bce_logits_rows(decode(n, *mean), x);
}

static void build_point(lcl_build *b, const net *n) {
  lcl_tensor *mean, *rows = point_rows(n, lcl_build_image(b), &mean);
  if (lcl_build_mode(b) == LCL_MODE_TRAIN) {
    lcl_build_loss(b, lcl_mean(rows, LCL_ALL_AXES, false));
    return;
  }
  lcl_build_example(b, "loss", rows);
  lcl_build_features(b, mean);
}

static void build_train(lcl_build *b, const net *n) {
  lcl_tensor *recon, *kl;
  lcl_objective ob = { .build = b };
  bound(n, lcl_build_image(b), &recon, &kl, NULL);
  lcl__objective_add(&ob, "recon", lcl_mean(recon, LCL_ALL_AXES, false), 1);
  lcl__objective_add(&ob, "kl", lcl_mean(kl, LCL_ALL_AXES, false), 1);
  lcl_build_loss(b, ob.total);
}

static void build_eval(lcl_build *b, const net *n) {
  lcl_tensor *recon, *kl, *mean;
  bound(n, lcl_build_image(b), &recon, &kl, &mean);
  lcl_build_example(b, "loss", lcl_add(recon, kl));
  lcl_build_example(b, "recon", recon);
  lcl_build_example(b, "kl", kl);
  lcl_build_features(b, mean);
}

static lcl_tensor *image_of(const net *n, lcl_tensor *z) {
  return lcl_sigmoid(decode(n, z));
}

static void build_reconstruct(lcl_build *b, const net *n) {
  lcl_tensor *x = lcl_build_image(b), *mu, *logvar;
  encode(n, x, &mu, &logvar);
  lcl_build_output(b, "original", x);
  lcl_build_output(b, "reconstruction", image_of(n, mu));
  if (!plain(n))
    lcl_build_output(b, "of a sampled latent", image_of(n, lcl_reparameterise(mu, logvar)));
  for (int i = 1; i <= 3; i++) {
    char caption[40];
    snprintf(caption, sizeof caption, "%d/4 to the next latent", i);
    lcl_build_output(b, caption, image_of(n, lcl__vae_towards_next(mu, 0.25f * (float)i)));
  }
}

static void build_sample(lcl_build *b, const net *n) {
  int64_t rows = lcl_build_batch(b), width = n->zh * n->zw;
  lcl_build_output(b, "samples", image_of(n, lcl_random_normal(n->g, LCL_SHAPE(rows, width))));
  lcl_build_output(b, "interpolation", image_of(n, lcl__vae_row_walks(n->g, rows, width)));
}

static void build(lcl_build *b) {
  net n = make_net(b);
  const lcl_model_mode mode = lcl_build_mode(b);
  if (plain(&n) && mode == LCL_MODE_SAMPLE) return;
  if (plain(&n) && (mode == LCL_MODE_TRAIN || mode == LCL_MODE_EVAL)) {
    build_point(b, &n);
    return;
  }
  switch (mode) {
  case LCL_MODE_TRAIN: build_train(b, &n); break;
  case LCL_MODE_EVAL: build_eval(b, &n); break;
  case LCL_MODE_RECONSTRUCT: build_reconstruct(b, &n); break;
  case LCL_MODE_SAMPLE: build_sample(b, &n); break;
  default: break;
  }
}

/* ---- settings ---- */

static void data(const lcl_options *o, lcl_data_desc *d) {
  d->grey = true;
  d->split_random = true;
  lcl__vae_binarise(o, d);
}

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  (void)o;
  if (d->height < 2 * KERNEL - 1 || d->width < 2 * KERNEL - 1)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "images of %lldx%lld are too small for two 5x5 convolutions (9x9 at least)",
                     (long long)d->height, (long long)d->width);
  s->epochs = strcmp(d->name, "synthetic") == 0 ? 20 : 100;
  s->batch = 100;
  s->optimiser =
      (lcl_optimiser_desc) { .kind = LCL_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f };
  s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_CONSTANT, .lr = 0.001 };
  s->range_lo = 0;
  s->range_hi = 1;
  s->select = "loss";
  return LCL_OK;
}

const lcl_model_class lcl__model_vae = {
  .name = "vae",
  .summary = "convolutional variational autoencoder with an image-like latent",
  .reference = "Zumer, Influencing the Properties of Latent Representations, 2016, section 5.1",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = data,
  .defaults = defaults,
  .build = build,
  .can = LCL_CAN_SAMPLE | LCL_CAN_RECONSTRUCT,
};
