/* Augmented convolution: J. Zumer, "Influencing the Properties of Latent Representations" (2016),
 * chapter 5. A square fully-connected layer between two convolution stages may send any feature to
 * any place; does that help?
 *
 *   stack (MNIST)    conv valid + ReLU + max pool 2x2 per stage, a slot after every stage but the
 * last, softmax baseline: slots empty;  fc: n -> n + ReLU;  conv: wide "same" convolution + ReLU
 *   vgg (CIFAR-10)   five groups of 3x3 convolutions with batch norm and dropout, head 512-512-10
 *                    square layers of fc_layers = 1: after group 3;  2: after 3 and 4;  3: after 3,
 * 4 and 5
 *
 * Convolutions carry no bias. Loss (Eq. 5.1): both Bernoulli terms on the softmax output, or plain
 * cross-entropy. */
#include "base/base.h"
#include "latentcl/nn.h"
#include "models/build.h"
#include "models/registry.h"
#include "models/vae_parts.h"

enum { MAX_STAGES = 6 };

static const lcl_option options[] = {
  { "arch", LCL_OPTION_CHOICE, "auto",
    "stack: convolution and pooling stages (MNIST); vgg: 13 convolutions with batch norm; auto: "
    "vgg for colour",
    "auto|stack|vgg" },
  { "variant", LCL_OPTION_CHOICE, "fc",
    "what is inserted between stages: nothing, square fully-connected layers, or wide "
    "convolutions (stack only)",
    "baseline|fc|conv" },
  { "fc_layers", LCL_OPTION_INT, "2", "number of square layers", "[0,3]", "arch=vgg, variant=fc" },
  { "ce_mode", LCL_OPTION_CHOICE, "",
    "loss: both Bernoulli terms on the softmax, or categorical (default: categorical for the vgg "
    "baseline only)",
    "bernoulli_on_softmax|categorical" },
  { "maps", LCL_OPTION_INTS, "20,40,80", "output maps of the stages", "[1,4096]", "arch=stack" },
  { "kernels", LCL_OPTION_INTS, "5,5,3", "filter sides of the stages", "[1,4096]", "arch=stack" },
  { "wide_kernels", LCL_OPTION_INTS, "11,3", "odd filter sides of the inserted convolutions",
    "[1,4096]", "arch=stack, variant=conv" },
  { "width", LCL_OPTION_INT, "64",
    "maps of the first group (128, 256, 512, 512 follow in proportion)", "[1,1024]", "arch=vgg" },
  { "dropout", LCL_OPTION_FLOAT, "1", "factor on the dropout rates (0.3, 0.4, 0.5); 0: none",
    "[0,2)", "arch=vgg" },
  { "batch_norm", LCL_OPTION_BOOL, "true",
    "batch norm before each ReLU (the source: without it training fails)", NULL, "arch=vgg" },
  { "wd_mode", LCL_OPTION_CHOICE, "gradient",
    "weight decay in the gradient, or times the rate after the step", "gradient|after",
    "arch=vgg" },
  { "prep", LCL_OPTION_CHOICE, "",
    "standardise: per image and channel; cifar_torch: local contrast of luma, colour planes "
    "standardised over the training set; plain: values in [0,1] (default: standardise in YUV for "
    "colour, else plain)",
    "plain|standardise|cifar_torch" },
};

/* ---- what the options ask for ---- */

typedef struct plan {
  bool vgg, train, bernoulli, plain; /* plain: no batch norm */
  const char *variant;
  int stages, maps[MAX_STAGES], kernel[MAX_STAGES], wide[MAX_STAGES];
  int fc_layers, width;
  float dropout;
} plan;

static const char *automatic(const char *option, const lcl_model_data *d) {
  (void)option; /* arch is the only one */
  return d->channels == 3 ? "vgg" : "stack";
}

static bool is_vgg(const lcl_options *o, const lcl_model_data *d) {
  const char *arch = lcl_option_text(o, "arch");
  return strcmp(strcmp(arch, "auto") == 0 ? automatic("arch", d) : arch, "vgg") == 0;
}

static lcl_status read_lists(const lcl_options *o, plan *p) {
  static const char *const names[] = { "maps", "kernels", "wide_kernels" };
  int *const lists[] = { p->maps, p->kernel, p->wide };
  int n[3];
  for (int i = 0; i < 3; i++)
    if ((n[i] = lcl__parse_ints(lcl_option_text(o, names[i]), lists[i], MAX_STAGES)) < 0)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "option %s: expected 1 to %d whole numbers like 20,40,80, got \"%s\"",
                       names[i], MAX_STAGES, lcl_option_text(o, names[i]));
  p->stages = n[0];
  if (n[1] != n[0])
    return lcl__fail(LCL_ERR_ARGUMENT, "options maps and kernels: %d stages but %d filter sides",
                     n[0], n[1]);
  if (strcmp(p->variant, "conv") != 0) return LCL_OK;
  if (n[2] < n[0] - 1)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "option wide_kernels: %d stages have %d slots between them, got %d sides",
                     n[0], n[0] - 1, n[2]);
  for (int i = 0; i < n[0] - 1; i++)
    if (p->wide[i] % 2 == 0)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "option wide_kernels: sides must be odd to keep the size, got %d",
                       p->wide[i]);
  return LCL_OK;
}

static lcl_status read_plan(const lcl_options *o, const lcl_model_data *d, plan *p) {
  memset(p, 0, sizeof *p);
  p->vgg = is_vgg(o, d);
  p->plain = !lcl_option_bool(o, "batch_norm");
  p->variant = lcl_option_text(o, "variant");
  p->fc_layers = strcmp(p->variant, "fc") == 0 ? (int)lcl_option_int(o, "fc_layers") : 0;
  p->width = (int)lcl_option_int(o, "width");
  p->dropout = (float)lcl_option_float(o, "dropout");
  p->bernoulli = lcl_option_given(o, "ce_mode")
                     ? lcl_option_is(o, "ce_mode", "bernoulli_on_softmax")
                     : !p->vgg || p->fc_layers > 0;
  if (!p->vgg) return read_lists(o, p);
  if (strcmp(p->variant, "conv") == 0)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "option variant: the vgg network has no conv variant; choose baseline or fc");
  return LCL_OK;
}

/* ---- stack ---- */

static lcl_tensor *max_pool(lcl_tensor *x) {
  return lcl_max_pool2d(x, &(lcl_pool_desc) { .kernel = { 2, 2 }, .ceil = false }, NULL);
}

/* Any feature to any place: n -> n on the flattened map, shaped back. */
static lcl_tensor *square_layer(lcl_tensor *x, const char *name, const lcl_linear_desc *desc) {
  lcl_tensor *flat = lcl_flatten(x);
  return lcl_linear(flat, name, lcl_tensor_shape(flat).dim[1], desc);
}

static lcl_tensor *slot(const plan *p, lcl_tensor *x, int i) {
  char name[16];
  snprintf(name, sizeof name, "slot%d", i + 1);
  if (strcmp(p->variant, "fc") == 0)
    return lcl_reshape(lcl_relu(square_layer(x, name, NULL)), lcl_tensor_shape(x));
  if (strcmp(p->variant, "conv") != 0) return x;
  return lcl_relu(lcl_conv(x, name,
                           &(lcl_conv_block_desc) { .out = lcl_tensor_shape(x).dim[1],
                                                    .kernel = { p->wide[i], p->wide[i] },
                                                    .conv = { .same = true },
                                                    .no_bias = true }));
}

static lcl_tensor *stack(const plan *p, lcl_tensor *x) {
  char name[16];
  for (int i = 0; i < p->stages; i++) {
    snprintf(name, sizeof name, "conv%d", i + 1);
    lcl_conv_block_desc d = { .out = p->maps[i],
                              .kernel = { p->kernel[i], p->kernel[i] },
                              .no_bias = true };
    x = max_pool(lcl_relu(lcl_conv(x, name, &d)));
    if (i < p->stages - 1) x = slot(p, x, i);
  }
  return lcl_flatten(x);
}

/* ---- vgg ---- */

static lcl_tensor *bn_relu(const plan *p, lcl_tensor *x, const char *name) {
  char bn[32];
  if (p->plain) return lcl_relu(x);
  snprintf(bn, sizeof bn, "%s.bn", name);
  return lcl_relu(lcl_batch_norm(x, bn,
                                 &(lcl_bn_desc) { .mode = p->train ? LCL_BN_TRAIN : LCL_BN_EVAL,
                                                  .eps = 1e-3f,
                                                  .unbiased = true }));
}

static lcl_tensor *drop(const plan *p, lcl_tensor *x, float rate) {
  rate *= p->dropout;
  return p->train && rate > 0 ? lcl_dropout(x, rate) : x;
}

static lcl_tensor *vgg_conv(const plan *p, lcl_tensor *x, const char *name, int64_t out) {
  /* cifar.torch: N(0, 2/(9*out)), the fan-out of a 3x3 filter. */
  lcl_conv_block_desc d = { .out = out,
                            .kernel = { 3, 3 },
                            .conv = { .pad = { 1, 1, 1, 1 } },
                            .weight = { .kind = LCL_INIT_HE_NORMAL, .fan_in = 9 * out },
                            .no_bias = true };
  return bn_relu(p, lcl_conv(x, name, &d), name);
}

static lcl_tensor *vgg_square(const plan *p, lcl_tensor *x, const char *name) {
  lcl_tensor *y = bn_relu(p, square_layer(x, name, NULL), name);
  return lcl_reshape(drop(p, y, 0.5f), lcl_tensor_shape(x));
}

static lcl_tensor *vgg(const plan *p, lcl_tensor *x) {
  static const struct {
    int layers, factor;
    float rate;
  } groups[] = { { 2, 1, 0.3f }, { 2, 2, 0.4f }, { 3, 4, 0.4f }, { 3, 8, 0.4f }, { 3, 8, 0.4f } };
  char name[24];
  for (int k = 0; k < (int)LCL_COUNT(groups); k++) {
    for (int i = 0; i < groups[k].layers; i++) {
      snprintf(name, sizeof name, "group%d.conv%d", k + 1, i + 1);
      x = vgg_conv(p, x, name, (int64_t)p->width * groups[k].factor);
      if (i < groups[k].layers - 1) x = drop(p, x, groups[k].rate);
    }
    x = lcl_max_pool2d(x, &(lcl_pool_desc) { .kernel = { 2, 2 }, .ceil = true }, NULL);
    if (k >= 2 && k - 2 < p->fc_layers) {
      snprintf(name, sizeof name, "slot%d", k - 1);
      x = vgg_square(p, x, name);
    }
  }
  x = lcl_linear(drop(p, lcl_flatten(x), 0.5f), "head", (int64_t)p->width * 8, NULL);
  return drop(p, bn_relu(p, x, "head"), 0.5f);
}

/* ---- graphs ---- */

static lcl_tensor *logits_of(lcl_build *b, const plan *p) {
  lcl_tensor *x = lcl_build_image(b), *h = p->vgg ? vgg(p, x) : stack(p, x);
  if (lcl_build_mode(b) == LCL_MODE_EVAL) lcl_build_features(b, h);
  return lcl_linear(h, "logits", lcl_build_model(b)->data.classes,
                    &(lcl_linear_desc) { .weight = { .kind = LCL_INIT_GLOROT_UNIFORM } });
}

static lcl_tensor *loss_rows(const plan *p, lcl_tensor *logits, lcl_tensor *label) {
  if (!p->bernoulli) return lcl_cross_entropy_rows(logits, label);
  return lcl_bernoulli_softmax_rows(logits, lcl_one_hot(label, lcl_tensor_shape(logits).dim[1]));
}

static void build(lcl_build *b) {
  const lcl_model *m = lcl_build_model(b);
  lcl_model_mode mode = lcl_build_mode(b);
  plan p;
  if ((mode != LCL_MODE_TRAIN && mode != LCL_MODE_EVAL) ||
      read_plan(m->options, &m->data, &p) != LCL_OK)
    return;
  p.train = mode == LCL_MODE_TRAIN;
  lcl_tensor *logits = logits_of(b, &p), *label = lcl_build_label(b),
             *rows = loss_rows(&p, logits, label);
  if (p.train) {
    lcl_build_loss(b, lcl_mean(lcl_build_weigh(b, rows), LCL_ALL_AXES, false));
    lcl_build_term(b, "nll", lcl_cross_entropy(logits, label));
    lcl_build_correct(b, lcl_correct_rows(logits, label));
    return;
  }
  lcl_build_example(b, "loss", rows);
  lcl_build_example(b, "nll", lcl_cross_entropy_rows(logits, label));
  lcl__build_scores(b, logits, label);
  lcl_build_prediction(b, lcl_argmax(logits, 1, false));
}

/* ---- settings ---- */

static void data(const lcl_options *o, lcl_data_desc *d) {
  (void)o;
  d->split_random = true;
}

static void preprocess(const lcl_options *o, bool colour, lcl_prep_desc *p) {
  bool given = lcl_option_given(o, "prep"), torch = lcl_option_is(o, "prep", "cifar_torch");
  if (colour) p->colour = LCL_COLOUR_YUV;
  if (torch) {
    p->contrast = LCL_CONTRAST_LOCAL_Y;
    p->centre = LCL_CENTRE_CHROMA;
  } else if (given ? lcl_option_is(o, "prep", "standardise") : colour) {
    p->contrast = LCL_CONTRAST_STANDARDISE;
  }
  if (colour && lcl_option_is(o, "prep", "plain")) p->colour = LCL_COLOUR_KEEP;
}

/* The sides that the stack needs; a clear refusal before any graph is built. */
static lcl_status check_sides(const plan *p, const lcl_model_data *d) {
  int64_t h = d->height, w = d->width;
  for (int i = 0; i < p->stages; i++) {
    h = (h - p->kernel[i] + 1) / 2;
    w = (w - p->kernel[i] + 1) / 2;
    if (h < 1 || w < 1)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "images of %lldx%lld are too small for %d stages (options maps and kernels)",
                       (long long)d->height, (long long)d->width, p->stages);
  }
  return LCL_OK;
}

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  plan p;
  bool synthetic = strcmp(d->name, "synthetic") == 0;
  LCL_TRY(lcl__need_classes(d));
  LCL_TRY(read_plan(o, d, &p));
  preprocess(o, d->channels == 3, &s->prep);
  s->batch = 128;
  s->select = "error_percent";
  if (!p.vgg) {
    LCL_TRY(check_sides(&p, d));
    s->epochs = synthetic ? 20 : 100;
    s->patience = 10;
    s->optimiser = lcl__adam();
    s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_EXPONENTIAL, .lr = 0.001, .factor = 0.99 };
    return LCL_OK;
  }
  if (LCL_MIN(d->height, d->width) < 17) /* five poolings by 2, rounded up, the last of them of 2 */
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "the vgg network needs images of at least 17x17, not %lldx%lld",
                     (long long)d->height, (long long)d->width);
  if (lcl_option_is(o, "wd_mode", "after") && lcl_option_given(o, "weight_decay"))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "option wd_mode: what is decayed after the step is set by l2, half of it "
                     "(0.00025); weight_decay is in the gradient");
  s->epochs = 250;
  s->prep.mirror = LCL_MIRROR_HALF_BATCH;
  s->optimiser = (lcl_optimiser_desc) { .kind = LCL_MOMENTUM, .beta1 = 0.9f, .damping = 0.9f };
  if (lcl_option_is(o, "wd_mode", "after"))
    s->optimiser.l2 = 0.5f * 5e-4f; /* the update takes 2*rate*l2 */
  else
    s->optimiser.weight_decay = 5e-4f;
  s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_STEP, .lr = 1, .factor = 2, .every = 25 };
  return LCL_OK;
}

const lcl_model_class lcl__model_augconv = {
  .name = "augconv",
  .summary = "classifier with square fully-connected or wide convolution layers between "
             "convolution stages",
  .reference = "Zumer, Influencing the Properties of Latent Representations, 2016, chapter 5",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = data,
  .defaults = defaults,
  .build = build,
  .can = LCL_CAN_CLASSIFY,
  .automatic = automatic,
};
