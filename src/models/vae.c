/* Variational autoencoders. arch=conv has convolutions and a latent laid out like an image: J.
 * Zumer, "Influencing the Properties of Latent Representations" (2016), section 5.1. Does a
 * fully-connected layer between the sample and the first decoder convolution help? arch=mlp is the
 * latent-feature model of m1_net.h.
 *
 *   encoder   conv 5x5 valid + ReLU, twice; 1x1 convolutions to mean and log-variance of z, a map
 *   decoder   [fc n -> n + ReLU] - conv 5x5 full + ReLU - conv 5x5 full: Bernoulli logits
 *   loss      BCE(x; p(x|z)) + KL(q(z|x) || N(0,I)), one sample of z: the negative of the evidence
 *             bound, in nats
 *   latent=point: a plain autoencoder, BCE(x; p(x|mean)) alone
 *   latent=hamiltonian: Salimans, Kingma and Welling, "Markov Chain Monte Carlo and Variational
 *             Inference: Bridging the Gap" (2015). A sample z0 of q(z|x) gets a momentum v0 of
 *             q(v) = N(0, exp(s)) and moves by leapfrog steps of learned length towards where
 *             log p(x,z) is high, to (z,v). The steps keep volume, so with r(v|x,z), a normal of a
 *             network's mean and log-variance, the loss is
 *             BCE(x; p(x|z)) - log p(z) + log q(z0|x) + log q(v0) - log r(v|x,z) */
#include "base/base.h"
#include "models/m1_net.h"
#include "models/registry.h"
#include "models/vae_parts.h"

enum { KERNEL = 5 };

static const lcl_option options[] = {
  { "arch", LCL_OPTION_CHOICE, "conv",
    "convolutions with an image-like latent, or fully-connected layers (the latent-feature model "
    "that m1 and m2 with input=m1 start from)",
    "conv|mlp" },
  { "hidden", LCL_OPTION_INTS, "600,600", "widths of the encoder; the decoder mirrors them",
    "[1,4096]", "arch=mlp" },
  { "latent_size", LCL_OPTION_INT, "50", "dimensions of the latent", "[1,4096]", "arch=mlp" },
  { "decoder_fc", LCL_OPTION_BOOL, "true",
    "square fully-connected layer between the sample and the decoder", NULL, "arch=conv" },
  { "n_interspersed_fc", LCL_OPTION_INT, "0",
    "more square layers: 1: between the convolutions of both paths; 2: also after the "
    "encoder's "
    "second and after decoder_fc",
    "[0,2]", "arch=conv" },
  { "maps", LCL_OPTION_INT, "16", "maps of the convolutions", "[1,1024]", "arch=conv" },
  { "latent", LCL_OPTION_CHOICE, "normal",
    "what an image becomes: a normal distribution, one whose samples leapfrog steps move on "
    "(Hamiltonian variational inference), or a point (a plain autoencoder: no KL, no samples)",
    "normal|hamiltonian|point" },
  { "leapfrog", LCL_OPTION_INT, "1", "leapfrog steps", "[1,32]", "latent=hamiltonian" },
  { "kl_form", LCL_OPTION_CHOICE, "exact",
    "KL to N(0,I): exact, or as the thesis prints it (mu^2 without its half)", "exact|as_printed",
    "latent=normal" },
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
  bool decoder_fc, mlp;
  lcl_m1_net m1; /* arch=mlp */
  int64_t width; /* numbers of z */
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

/* What the encoder makes of x (N,C,H,W): its last layer, (N,maps,zh,zw) or (N,units), and the mean
 * and log-variance (N,width) that are computed from it. */
typedef struct code {
  lcl_tensor *last, *mu, *logvar;
} code;

static code encode(const net *n, lcl_tensor *x) {
  if (n->mlp) {
    code c;
    c.last = lcl__m1_encode(&n->m1, x, &c.mu, &c.logvar);
    return c;
  }
  lcl_tensor *h = lcl_relu(conv(x, "enc.conv1", n->maps, KERNEL, false));
  if (n->interspersed > 0) h = square_relu(h, "enc.fc1");
  h = lcl_relu(conv(h, "enc.conv2", n->maps, KERNEL, false));
  if (n->interspersed > 1) h = square_relu(h, "enc.fc2");
  return (code) { .last = h,
                  .mu = lcl_flatten(conv(h, "enc.mu", 1, 1, false)),
                  .logvar = lcl_flatten(conv(h, "enc.logvar", 1, 1, false)) };
}

static lcl_tensor *as_map(const net *n, lcl_tensor *z) {
  return lcl_reshape(z, LCL_SHAPE(lcl_tensor_shape(z).dim[0], 1, n->zh, n->zw));
}

/* z (N,width) -> logits (N,C,H,W). */
static lcl_tensor *decode(const net *n, lcl_tensor *z) {
  if (n->mlp) return lcl__m1_decode(&n->m1, z);
  lcl_tensor *v = as_map(n, z);
  if (n->decoder_fc) v = square_relu(v, "dec.fc1");
  if (n->interspersed > 1) v = square_relu(v, "dec.fc2");
  v = lcl_relu(conv(v, "dec.conv1", n->maps, KERNEL, true));
  if (n->interspersed > 0) v = square_relu(v, "dec.fc3");
  return conv(v, "dec.conv2", n->channels, KERNEL, true);
}

static lcl_status read_net(net *n, const lcl_options *o, const lcl_model_data *d) {
  *n = (net) { .o = o,
               .maps = lcl_option_int(o, "maps"),
               .channels = d->channels,
               .zh = d->height - 2 * (KERNEL - 1),
               .zw = d->width - 2 * (KERNEL - 1),
               .interspersed = (int)lcl_option_int(o, "n_interspersed_fc"),
               .decoder_fc = lcl_option_bool(o, "decoder_fc"),
               .mlp = lcl_option_is(o, "arch", "mlp") };
  n->width = n->mlp ? lcl_option_int(o, "latent_size") : n->zh * n->zw;
  if (n->mlp) return lcl__m1_read(&n->m1, o, "hidden", "latent_size", d);
  if (n->zh < 1 || n->zw < 1)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "images of %lldx%lld are too small for two 5x5 convolutions (9x9 at least)",
                     (long long)d->height, (long long)d->width);
  return LCL_OK;
}

/* ---- Hamiltonian inference ---- */

/* A vector over the latent that all examples share, (1,width). */
static lcl_tensor *shared(const net *n, const char *name, float value) {
  lcl_tensor *t = lcl_param(n->g, name, LCL_SHAPE(n->width),
                            (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = value });
  return lcl_reshape(t, LCL_SHAPE(1, n->width));
}

/* -log p(x,z) of each example but for a constant; recon receives its part -log p(x|z). */
static lcl_tensor *energy_rows(const net *n, lcl_tensor *x, lcl_tensor *z, lcl_tensor **recon) {
  lcl_tensor *rows = lcl_bce_logits_rows(decode(n, z), x);
  if (recon) *recon = rows;
  return lcl_add(rows, lcl_scale(lcl_sum(lcl_square(z), LCL_AXIS(1), false), 0.5f));
}

static lcl_tensor *energy_slope(const net *n, lcl_tensor *x, lcl_tensor *z) {
  lcl_tensor *slope;
  lcl_gradients(lcl_sum(energy_rows(n, x, z, NULL), LCL_ALL_AXES, false), &z, 1, &slope);
  return slope;
}

/* The pair after so many leapfrog steps; the half steps of the momentum between two of them are
 * made as a whole one. */
static void move(const net *n, lcl_tensor *x, lcl_tensor **z, lcl_tensor **v) {
  const int steps = (int)lcl_option_int(n->o, "leapfrog");
  lcl_tensor *length = lcl_exp(shared(n, "hmc.log_step", -3));
  for (int i = 0; i <= steps; i++) {
    const float share = i == 0 || i == steps ? 0.5f : 1;
    *v = lcl_sub(*v, lcl_mul(lcl_scale(length, share), energy_slope(n, x, *z)));
    if (i < steps) *z = lcl_add(*z, lcl_mul(length, *v));
  }
}

/* Mean or log-variance of r(v|x,z), of zeros at first: r begins as N(0,I), as q(v) does. */
static lcl_tensor *reverse_part(const net *n, lcl_tensor *h, const char *name) {
  const lcl_init zero = { .kind = LCL_INIT_CONSTANT };
  if (n->mlp) return lcl_linear(h, name, n->width, &(lcl_linear_desc) { .weight = zero });
  return lcl_flatten(
      lcl_conv(h, name, &(lcl_conv_block_desc) { .out = 1, .kernel = { 1, 1 }, .weight = zero }));
}

/* -log r(v|x,z) of each example but for the constant of v0's. */
static lcl_tensor *reverse_rows(const net *n, const code *c, lcl_tensor *z, lcl_tensor *v) {
  lcl_tensor *in = lcl_concat((lcl_tensor *[]) { c->last, n->mlp ? z : as_map(n, z) }, 2, 1);
  lcl_tensor *h = lcl_relu(n->mlp ? lcl_linear(in, "hmc.hidden", n->m1.hidden[0], NULL)
                                  : conv(in, "hmc.hidden", n->maps, 1, false));
  lcl_tensor *mean = reverse_part(n, h, "hmc.mean"), *spread = reverse_part(n, h, "hmc.spread");
  lcl_tensor *apart = lcl_mul(lcl_square(lcl_sub(v, mean)), lcl_exp(lcl_neg(spread)));
  return lcl_scale(lcl_sum(lcl_add(spread, apart), LCL_AXIS(1), false), 0.5f);
}

/* Sum over the latent of -(1 + s)/2: the mean of log N(m, exp(s)) over its own samples, but for the
 * constant that the other densities lack too. */
static lcl_tensor *mean_log_density(lcl_tensor *logvar) {
  return lcl_scale(lcl_sum(lcl_shift(logvar, 1), LCL_AXIS(1), false), -0.5f);
}

/* ---- graphs ---- */

/* Terms of the bound, per example (N), and the latent that was sampled. */
typedef struct bound {
  lcl_tensor *recon, *kl, *momentum; /* momentum: NULL, or log q(v0) - log r(v|x,z) */
  lcl_tensor *z;
} bound;

static bound bound_of(const net *n, lcl_tensor *x, const code *c) {
  bound b = { .z = lcl_reparameterise(c->mu, c->logvar) };
  if (!lcl_option_is(n->o, "latent", "hamiltonian")) {
    b.recon = lcl_bce_logits_rows(decode(n, b.z), x);
    b.kl = lcl__vae_kl_rows(c->mu, c->logvar, n->o);
    return b;
  }
  lcl_tensor *s = shared(n, "hmc.logvar.bias", 0);
  lcl_tensor *v = lcl_mul(lcl_exp(lcl_scale(s, 0.5f)),
                          lcl_random_normal(n->g, lcl_tensor_shape(c->mu)));
  move(n, x, &b.z, &v);
  lcl_tensor *energy = energy_rows(n, x, b.z, &b.recon);
  b.kl = lcl_add(lcl_sub(energy, b.recon), mean_log_density(c->logvar));
  b.momentum = lcl_add(reverse_rows(n, c, b.z, v), mean_log_density(s));
  return b;
}

static bool plain(const net *n) {
  return lcl_option_is(n->o, "latent", "point");
}

/* A plain autoencoder's one term, per example (N). */
static lcl_tensor *point_rows(const net *n, lcl_tensor *x, const code *c) {
  return lcl_bce_logits_rows(decode(n, c->mu), x);
}

static lcl_tensor *mean_of(lcl_tensor *rows) {
  return lcl_mean(rows, LCL_ALL_AXES, false);
}

static void build_train(lcl_build *b, const net *n) {
  lcl_tensor *x = lcl_build_image(b);
  const code c = encode(n, x);
  if (plain(n)) {
    lcl_build_loss(b, mean_of(point_rows(n, x, &c)));
    return;
  }
  lcl_objective ob = { .build = b };
  const bound t = bound_of(n, x, &c);
  lcl__objective_add(&ob, "recon", mean_of(t.recon), 1);
  lcl__objective_add(&ob, "kl", mean_of(t.kl), 1);
  if (t.momentum) lcl__objective_add(&ob, "momentum", mean_of(t.momentum), 1);
  lcl_build_loss(b, ob.total);
}

static void build_eval(lcl_build *b, const net *n) {
  lcl_tensor *x = lcl_build_image(b);
  const code c = encode(n, x);
  lcl_build_features(b, c.mu);
  if (plain(n)) {
    lcl_tensor *rows = point_rows(n, x, &c);
    lcl_build_example(b, "loss", rows);
    lcl_build_example(b, "recon", rows);
    return;
  }
  const bound t = bound_of(n, x, &c);
  lcl_tensor *sum = lcl_add(t.recon, t.kl);
  lcl_build_example(b, "loss", t.momentum ? lcl_add(sum, t.momentum) : sum);
  lcl_build_example(b, "recon", t.recon);
  lcl_build_example(b, "kl", t.kl);
  if (t.momentum) lcl_build_example(b, "momentum", t.momentum);
}

static lcl_tensor *image_of(const net *n, lcl_tensor *z) {
  return lcl_sigmoid(decode(n, z));
}

static void build_reconstruct(lcl_build *b, const net *n) {
  lcl_tensor *x = lcl_build_image(b);
  const code c = encode(n, x);
  lcl_build_output(b, "original", x);
  lcl_build_output(b, "reconstruction", image_of(n, c.mu));
  if (!plain(n)) lcl_build_output(b, "of a sampled latent", image_of(n, bound_of(n, x, &c).z));
  for (int i = 1; i <= 3; i++) {
    char caption[40];
    snprintf(caption, sizeof caption, "%d/4 to the next latent", i);
    lcl_build_output(b, caption, image_of(n, lcl__vae_towards_next(c.mu, 0.25f * (float)i)));
  }
}

static void build_sample(lcl_build *b, const net *n) {
  int64_t rows = lcl_build_batch(b), width = n->width;
  lcl_build_output(b, "samples", image_of(n, lcl_random_normal(n->g, LCL_SHAPE(rows, width))));
  lcl_build_output(b, "interpolation", image_of(n, lcl__vae_row_walks(n->g, rows, width)));
}

static void build(lcl_build *b) {
  const lcl_model *m = lcl_build_model(b);
  net n;
  if (read_net(&n, m->options, &m->data) != LCL_OK)
    return; /* defaults() has refused such options */
  n.g = lcl_build_graph(b);
  switch (lcl_build_mode(b)) {
  case LCL_MODE_TRAIN: build_train(b, &n); break;
  case LCL_MODE_EVAL: build_eval(b, &n); break;
  case LCL_MODE_RECONSTRUCT: build_reconstruct(b, &n); break;
  case LCL_MODE_SAMPLE:
    if (!plain(&n)) build_sample(b, &n);
    break;
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
  if (lcl_option_is(o, "kl_form", "as_printed") && !lcl_option_is(o, "latent", "normal"))
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "option kl_form: latent=%s has no KL of a normal to N(0,I) (latent=normal has)",
        lcl_option_text(o, "latent"));
  net n;
  LCL_TRY(read_net(&n, o, d));
  lcl__vae_settings(d, s);
  s->select = "loss";
  return LCL_OK;
}

const lcl_model_class lcl__model_vae = {
  .name = "vae",
  .summary =
      "variational autoencoder: of convolutions with an image-like latent, or fully connected",
  .reference = "Zumer, Influencing the Properties of Latent Representations, 2016, section 5.1",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = data,
  .defaults = defaults,
  .build = build,
  .can = LCL_CAN_SAMPLE | LCL_CAN_RECONSTRUCT,
};
