/* "Semantic Noise Modeling for Better Representation Learning" (2016): a classifier whose latent z
 * is moved along what the decoder says a changed prediction would mean. With f1: x -> z, f2: z -> y
 * (logits) and tied decoders g1: z -> x_R, g2: y -> z_R, the variants minimise (batch means, L2 as
 * chosen by l2_mode):
 *
 *   feed-forward      NLL(y,t)                                                     (Eq. 10)
 *   recon-one         lambda1 L2(x,x_R) + NLL(y,t)                                 (Eq. 11)
 *   recon-all         lambda1 L2(x,x_R) + sum_j lambda1 L2(h_j,h_jR) + NLL(y,t)    (Eq. 12)
 *   base              lambda1 (L2(x,x_R) + L2(z,z_R)) + NLL(y,t)                   (Eq. 6)
 *   perturb-random    base with lambda2 NLL(y,t), + NLL(f2(z'),t)                  (Eq. 8)
 *   perturb-semantic  the same with z' = z + g2(y') - g2(y)                        (Eq. 9)
 *
 * where y' (z' of perturb-random) is y (z) plus Gaussian noise scaled by its own range. A decoder's
 * inner layers have the encoder's ReLU; its last one, to x_R or z_R, is linear. */
#include "base/base.h"
#include "latentcl/nn.h"
#include "models/build.h"
#include "models/registry.h"

enum {
  MAX_LAYERS = 8,
  SAMPLES = 5,
  LATENT_SAMPLES = 3
}; /* as the paper's figures 5 and 6 have them */

typedef struct layer {
  int kernel; /* 0: fully connected */
  int stride, out;
} layer;

typedef struct architecture {
  const char *name;
  int n; /* hidden layers; the last is z */
  layer layers[MAX_LAYERS];
  bool flat;
} architecture;

static const architecture architectures[] = {
  { "conv", 4, { { 3, 2, 32 }, { 3, 2, 64 }, { 3, 2, 96 }, { 0, 0, 128 } }, false },
  { "mlp", 4, { { 0, 0, 512 }, { 0, 0, 256 }, { 0, 0, 256 }, { 0, 0, 128 } }, true },
  { "cifar",
    6,
    { { 5, 1, 64 }, { 3, 2, 64 }, { 3, 2, 64 }, { 3, 2, 96 }, { 0, 0, 128 }, { 0, 0, 128 } },
    false },
  { "ladder",
    5,
    { { 0, 0, 1000 }, { 0, 0, 500 }, { 0, 0, 250 }, { 0, 0, 250 }, { 0, 0, 250 } },
    true },
};

static const lcl_option options[] = {
  { "variant", LCL_OPTION_CHOICE, "perturb-semantic", "objective, as in the paper's table",
    "feed-forward|recon-one|recon-all|base|perturb-random|perturb-semantic" },
  { "arch", LCL_OPTION_CHOICE, "auto",
    "conv: 3 strided convolutions and 128 units; mlp: 512-256-256-128 on the flat image; cifar: 4 "
    "convolutions and 128-128; "
    "ladder: 1000-500-250-250-250; auto: cifar for colour, else conv",
    "auto|conv|mlp|cifar|ladder" },
  { "lambda1", LCL_OPTION_FLOAT, "",
    "weight of the reconstruction terms (default 0.03; cifar 0.01)", "[0,inf)",
    "variant!=feed-forward" },
  { "lambda2", LCL_OPTION_FLOAT, "1", "weight of the clean path's NLL beside the perturbed one's",
    "[0,inf)", "variant=perturb-random|perturb-semantic" },
  { "perturb_std", LCL_OPTION_FLOAT, "0.2",
    "standard deviation of the perturbation, in units of the range (variants that do not train "
    "with it: of the images that are shown)",
    "[0,inf)", "variant!=feed-forward" },
  { "perturb_range_grad", LCL_OPTION_BOOL, "true",
    "let the gradient flow through that range; without it the noise only ever "
    "calls for larger logits, and with many labels their scale runs away",
    NULL, "variant!=feed-forward" },
  { "l2_mode", LCL_OPTION_CHOICE, "sum", "squared error over an example's elements",
    "sum|half_sum|mean", "variant!=feed-forward" },
  { "recon_target_sg", LCL_OPTION_BOOL, "false",
    "stop the gradient through the targets of reconstruction", NULL,
    "variant!=feed-forward|recon-one" },
  { "dec_act_z", LCL_OPTION_CHOICE, "linear",
    "activation of z_R, which the paper leaves open (relu does not come "
    "to its figures)",
    "linear|relu", "variant=base|perturb-random|perturb-semantic" },
  { "init", LCL_OPTION_CHOICE, "glorot",
    "initial weights, which the paper leaves open: glorot: uniform of variance 2/(fan-in + "
    "fan-out); unit: uniform of variance 1/fan-in; he: normal of variance 2/fan-in",
    "glorot|unit|he" },
  { "denoise_std", LCL_OPTION_FLOAT, "0",
    "noise on the encoder's input while training (the paper's variants: 0.1)", "[0,inf)" },
  { "denoise_where", LCL_OPTION_CHOICE, "input", "where that noise enters", "input|every_layer",
    "denoise_std!=0" },
  { "denoise_target", LCL_OPTION_CHOICE, "clean_pass",
    "what inner reconstructions are compared with when denoising", "clean_pass|noisy_pass",
    "denoise_std!=0, variant!=feed-forward|recon-one" },
};

/* ---- network ---- */

/* What one graph needs again and again. */
typedef struct net {
  lcl_graph *g;
  const lcl_options *o;
  const architecture *arch;
  int classes;
  lcl_shape shape[MAX_LAYERS + 1]; /* of h_0 = x .. h_n = z */
} net;

static const architecture *choose(const lcl_options *o, const lcl_model_data *d) {
  const char *name = lcl_option_text(o, "arch");
  if (strcmp(name, "auto") == 0) name = d->channels > 1 ? "cifar" : "conv";
  for (size_t i = 0; i < LCL_COUNT(architectures); i++)
    if (strcmp(architectures[i].name, name) == 0) return &architectures[i];
  return &architectures[0];
}

static const char *layer_name(const architecture *a, int i, char buf[32]) {
  snprintf(buf, 32, "enc.%s%d", a->layers[i].kernel ? "conv" : "fc", i + 1);
  return buf;
}

static lcl_init weight_init(const net *n) {
  return (lcl_init) { .kind = lcl_option_is(n->o, "init", "he")     ? LCL_INIT_HE_NORMAL
                              : lcl_option_is(n->o, "init", "unit") ? LCL_INIT_FAN_IN_UNIFORM
                                                                    : LCL_INIT_GLOROT_UNIFORM };
}

static lcl_conv_block_desc conv_desc(const net *n, const layer *l) {
  return (lcl_conv_block_desc) { .out = l->out,
                                 .kernel = { l->kernel, l->kernel },
                                 .weight = weight_init(n),
                                 .conv = { .stride = { l->stride, l->stride }, .same = true } };
}

static lcl_linear_desc linear_desc(const net *n) {
  return (lcl_linear_desc) { .weight = weight_init(n) };
}

/* h[0] = x .. h[n] = z; noise > 0 is added to every layer's output but z's when the option says so.
 */
static void encode(net *n, lcl_tensor *x, float layer_noise, lcl_tensor **h) {
  char name[32];
  h[0] = x;
  n->shape[0] = lcl_tensor_shape(x);
  for (int i = 0; i < n->arch->n; i++) {
    const layer *l = &n->arch->layers[i];
    const lcl_conv_block_desc c = conv_desc(n, l);
    const lcl_linear_desc f = linear_desc(n);
    layer_name(n->arch, i, name);
    lcl_tensor *in = h[i];
    if (i > 0 && layer_noise > 0) in = lcl_gaussian_noise(in, layer_noise);
    h[i + 1] = lcl_relu(l->kernel ? lcl_conv(in, name, &c)
                                  : lcl_linear(lcl_flatten(in), name, l->out, &f));
    n->shape[i + 1] = lcl_tensor_shape(h[i + 1]);
  }
}

static lcl_tensor *classify(net *n, lcl_tensor *z) {
  const lcl_linear_desc d = linear_desc(n);
  return lcl_linear(z, "enc.logits", n->classes, &d);
}

/* g2: y -> z_R, an lcl_block_fn. */
static lcl_tensor *decode_top(void *user, lcl_tensor *y) {
  net *n = user;
  const lcl_linear_desc d = linear_desc(n);
  lcl_tensor *w = lcl_linear_weight(n->g, "enc.logits", n->classes, n->shape[n->arch->n].dim[1],
                                    &d);
  lcl_tensor *z = lcl_linear_tied(y, w, "dec.z");
  return lcl_option_is(n->o, "dec_act_z", "relu") ? lcl_relu(z) : z;
}

/* g1: r[n] = z down to r[0] = x_R; linear at the image because the mean-subtracted image takes both
 * signs. */
static void decode(net *n, lcl_tensor *z, lcl_tensor **r) {
  char name[32], bias[32];
  r[n->arch->n] = z;
  for (int i = n->arch->n - 1; i >= 0; i--) {
    const layer *l = &n->arch->layers[i];
    lcl_shape in = n->shape[i];
    const lcl_conv_block_desc c = conv_desc(n, l);
    const lcl_linear_desc f = linear_desc(n);
    layer_name(n->arch, i, name);
    lcl_tensor *u;
    if (l->kernel) {
      u = lcl_conv_tied(r[i + 1], lcl_conv_weight(n->g, name, in.dim[1], &c), in, &c.conv, NULL);
    } else {
      int64_t width = lcl_shape_count(in) / in.dim[0];
      u = lcl_linear_tied(r[i + 1], lcl_linear_weight(n->g, name, l->out, width, &f), NULL);
      u = lcl_reshape(u, in);
    }
    snprintf(bias, sizeof bias, i ? "dec.h%d" : "dec.x", i);
    u = lcl_add_bias(u, bias);
    r[i] = i ? lcl_relu(u) : u;
  }
}

static net make_net(lcl_build *b) {
  const lcl_model *m = lcl_build_model(b);
  return (net) { .g = lcl_build_graph(b),
                 .o = m->options,
                 .arch = choose(m->options, &m->data),
                 .classes = m->data.classes };
}

static lcl_tensor *input_image(lcl_build *b, const net *n) {
  lcl_tensor *x = lcl_build_image(b);
  return n->arch->flat ? lcl_flatten(x) : x;
}

/* ---- training ---- */

static float lambda1(const net *n) {
  return lcl_option_float_or(n->o, "lambda1", strcmp(n->arch->name, "cifar") == 0 ? 0.01f : 0.03f);
}

static lcl_l2_mode l2_mode(const lcl_options *o) {
  if (lcl_option_is(o, "l2_mode", "half_sum")) return LCL_L2_HALF_SUM;
  return lcl_option_is(o, "l2_mode", "mean") ? LCL_L2_MEAN : LCL_L2_SUM;
}

typedef struct objective {
  lcl_build *b;
  lcl_tensor *total;
} objective;

/* Logs the term and adds weight times it to the loss. */
static void add_term(objective *ob, const char *name, lcl_tensor *term, float weight) {
  lcl_build_term(ob->b, name, term);
  lcl_tensor *weighted = weight == 1 ? term : lcl_scale(term, weight);
  ob->total = ob->total ? lcl_add(ob->total, weighted) : weighted;
}

/* Targets of the inner reconstructions: the encoder's own values, or those of a clean pass beside a
 * noisy one. */
static void inner_targets(net *n, lcl_tensor *x, lcl_tensor *const *h, bool noisy,
                          lcl_tensor **target) {
  int top = n->arch->n;
  bool stop = lcl_option_bool(n->o, "recon_target_sg");
  if (noisy && lcl_option_is(n->o, "denoise_target", "clean_pass")) {
    encode(n, x, 0, target);
    stop = true;
  } else {
    memcpy(target, h, (size_t)(top + 1) * sizeof *target);
  }
  target[0] = x;
  for (int i = 1; i <= top && stop; i++) target[i] = lcl_stop_gradient(target[i]);
}

static lcl_tensor *perturbed_latent(net *n, lcl_tensor *z, lcl_tensor *y, lcl_tensor *zr,
                                    bool semantic) {
  float std = (float)lcl_option_float(n->o, "perturb_std");
  bool range_grad = lcl_option_bool(n->o, "perturb_range_grad");
  return semantic ? lcl_semantic_noise(z, y, zr, decode_top, n, std, range_grad)
                  : lcl_minmax_noise(z, std, range_grad);
}

static void build_train(lcl_build *b) {
  net n = make_net(b);
  const char *variant = lcl_option_text(n.o, "variant");
  bool forward = strcmp(variant, "feed-forward") == 0, all = strcmp(variant, "recon-all") == 0;
  bool proposed = strcmp(variant, "base") == 0 || strncmp(variant, "perturb", 7) == 0;
  bool perturb = strncmp(variant, "perturb", 7) == 0;
  float noise = (float)lcl_option_float(n.o, "denoise_std"), weight = lambda1(&n);
  lcl_l2_mode mode = l2_mode(n.o);
  lcl_tensor *x = input_image(b, &n), *label = lcl_build_label(b);
  lcl_tensor *h[MAX_LAYERS + 1], *r[MAX_LAYERS + 1], *target[MAX_LAYERS + 1];
  int top = n.arch->n;

  encode(&n, lcl_gaussian_noise(x, noise),
         lcl_option_is(n.o, "denoise_where", "every_layer") ? noise : 0, h);
  lcl_tensor *z = h[top], *y = classify(&n, z), *zr = NULL;
  objective ob = { .b = b };
  add_term(&ob, "nll", lcl__build_cross_entropy(b, y, label),
           perturb ? (float)lcl_option_float(n.o, "lambda2") : 1);
  if (!forward) {
    inner_targets(&n, x, h, noise > 0, target);
    decode(&n, z, r);
    add_term(&ob, "recon_x", lcl_l2(target[0], r[0], mode), weight);
    for (int i = 1; i < top && all; i++) {
      char name[16];
      snprintf(name, sizeof name, "recon_h%d", i);
      add_term(&ob, name, lcl_l2(target[i], r[i], mode), weight);
    }
  }
  if (proposed) {
    zr = decode_top(&n, y);
    add_term(&ob, "recon_z", lcl_l2(target[top], zr, mode), weight);
  }
  if (perturb) {
    lcl_tensor *moved = perturbed_latent(&n, z, y, zr, strcmp(variant, "perturb-semantic") == 0);
    add_term(&ob, "nll_perturbed", lcl__build_cross_entropy(b, classify(&n, moved), label), 1);
  }
  lcl_build_loss(b, ob.total);
  lcl_build_correct(b, lcl_correct_rows(y, label));
}

/* ---- evaluation and images ---- */

static void build_eval(lcl_build *b) {
  net n = make_net(b);
  lcl_tensor *h[MAX_LAYERS + 1], *label = lcl_build_label(b);
  encode(&n, input_image(b, &n), 0, h);
  lcl_tensor *y = classify(&n, h[n.arch->n]);
  lcl_build_example(b, "loss", lcl_cross_entropy_rows(y, label));
  lcl__build_scores(b, y, label);
  lcl_build_prediction(b, lcl_argmax(y, 1, false));
  lcl_build_features(b, h[n.arch->n]);
}

static lcl_tensor *image_of(net *n, lcl_tensor *z, lcl_shape image) {
  lcl_tensor *r[MAX_LAYERS + 1];
  decode(n, z, r);
  return lcl_reshape(r[0], image);
}

/* Perturbed latents, and the images that they decode to. */
static void show_samples(lcl_build *b, net *n, lcl_tensor *z, lcl_tensor *y, bool semantic,
                         lcl_shape image) {
  const char *caption = semantic ? "semantic noise" : "random noise";
  for (int i = 0; i < SAMPLES; i++) {
    lcl_tensor *moved = perturbed_latent(n, z, y, NULL, semantic);
    lcl_build_output(b, caption, image_of(n, moved, image));
    if (i < LATENT_SAMPLES) lcl_build_latent(b, caption, moved);
  }
}

static void build_reconstruct(lcl_build *b) {
  net n = make_net(b);
  const char *variant = lcl_option_text(n.o, "variant");
  if (strcmp(variant, "feed-forward") == 0 || lambda1(&n) == 0)
    return; /* the decoder was never trained */
  bool proposed = strcmp(variant, "base") == 0 || strncmp(variant, "perturb", 7) == 0;
  lcl_tensor *h[MAX_LAYERS + 1];
  lcl_tensor *image = lcl_build_image(b);
  lcl_shape shape = lcl_tensor_shape(image);
  encode(&n, input_image(b, &n), 0, h);
  lcl_tensor *z = h[n.arch->n], *y = classify(&n, z);
  lcl_build_output(b, "original", image);
  lcl_build_output(b, "reconstruction", image_of(&n, z, shape));
  show_samples(b, &n, z, y, false, shape);
  if (proposed) show_samples(b, &n, z, y, true, shape);
}

static void build(lcl_build *b) {
  switch (lcl_build_mode(b)) {
  case LCL_MODE_TRAIN: build_train(b); break;
  case LCL_MODE_EVAL: build_eval(b); break;
  case LCL_MODE_RECONSTRUCT: build_reconstruct(b); break;
  default: break;
  }
}

/* ---- settings ---- */

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  const architecture *a = choose(o, d);
  bool cifar = strcmp(a->name, "cifar") == 0, synthetic = strcmp(d->name, "synthetic") == 0;
  LCL_TRY(lcl__need_classes(d));
  /* The paper trains 160 epochs of real data; the built-in digits are easier and there to be quick.
   */
  int quarter = synthetic ? 10 : 40;
  s->epochs = 4 * quarter;
  s->batch = 100;
  s->optimiser = lcl__adam();
  s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_STEP,
                                 .lr = cifar     ? 0.002
                                       : a->flat ? 0.001
                                                 : 0.005,
                                 .factor = 5,
                                 .every = quarter,
                                 .until = 3 * quarter };
  s->prep.centre = LCL_CENTRE_MEAN_IMAGE;
  if (cifar) {
    s->prep.mirror = LCL_MIRROR_EACH;
    if (d->height == 32 && d->width == 32) s->prep.crop = 24;
  }
  s->select = "error_percent";
  return LCL_OK;
}

const lcl_model_class lcl__model_semantic_noise = {
  .name = "semantic-noise",
  .summary = "classifier with tied decoders and semantic perturbation of the latent (and its five "
             "baselines)",
  .reference = "Kim et al., Semantic Noise Modeling for Better Representation Learning, 2016",
  .options = options,
  .n_options = LCL_COUNT(options),
  .defaults = defaults,
  .build = build,
  .can = LCL_CAN_CLASSIFY | LCL_CAN_RECONSTRUCT,
};
