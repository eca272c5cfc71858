/* PixelRNN with Diagonal BiLSTM layers (van den Oord, Kalchbrenner, Kavukcuoglu, "Pixel Recurrent
 * Neural Networks", 2016), on zeros and ones or on 256 levels, grey or RGB; optionally with batch
 * norm on input-to-state (Zumer, "Influencing the Properties of Latent Representations", 2016,
 * chapter 7).
 *
 *   X = maskedA7x7(x);  each layer: X += U BiLSTM(W X + b)  (residual=false: X = BiLSTM(W X + b))
 *   logits = (ReLU, 1x1) x head_layers, ReLU, 1x1
 *   loss = mean over images of -log p(x) = sum over pixels and channels of -log p(x_i | x_<i),
 * nats */
#include "base/base.h"
#include "models/registry.h"
#include "nn/pixelrnn.h"

#include <math.h>

static const lcl_option options[] = {
  { "layers", LCL_OPTION_INT, "1", "Diagonal BiLSTM layers (papers: 1 and 7)", "[1,40]" },
  { "hidden", LCL_OPTION_INT, "16",
    "hidden units h of a direction; maps are 2h wide (residual=false: h)", "[1,1024]" },
  { "residual", LCL_OPTION_BOOL, "true", "layers add to their input; false: they replace it",
    NULL },
  { "batch_norm", LCL_OPTION_BOOL, "false", "batch norm of the input-to-state maps", NULL },
  { "levels", LCL_OPTION_CHOICE, "2",
    "2: Bernoulli pixels; 256: a softmax over the levels of each pixel and channel", "2|256" },
  { "colours", LCL_OPTION_CHOICE, "auto", "grey turns colour images into their luma",
    "auto|grey|rgb" },
  { "binarise", LCL_OPTION_CHOICE, "fixed",
    "how images become zeros and ones: fixed: one Bernoulli sample with p = value "
    "(data that are binary stay as they are); dynamic: a new sample each time in training; "
    "threshold: value > 1/2; static: only binary files are taken",
    "fixed|dynamic|threshold|static", "levels=2" },
  { "head_layers", LCL_OPTION_INT, "2", "(ReLU, 1x1) layers before the logits", "[0,6]" },
  { "head_width", LCL_OPTION_INT, "", "their width (default 32; 256 levels: 1024)", "[1,4096]",
    "head_layers!=0" },
  { "learned_state", LCL_OPTION_BOOL, "true", "initial states are parameters, not zero", NULL },
  { "pad_cells", LCL_OPTION_CHOICE, "evolve",
    "cells left of the image, where each row begins: evolve: run from the initial state with an "
    "input of zero; freeze: keep the initial state; evolve_bias: run with the input-to-state bias "
    "(batch norm: beta)",
    "evolve|freeze|evolve_bias" },
  { "mask_groups", LCL_OPTION_CHOICE, "thirds",
    "which maps may see which channels: contiguous thirds, or map k the channels up to k mod "
    "3",
    "thirds|modulo", "colours=rgb" },
};

static lcl_pixelrnn_desc desc_of(const lcl_model *m) {
  const lcl_options *o = m->options;
  const int levels = (int)lcl_option_int(o, "levels");
  return (lcl_pixelrnn_desc) {
    .height = m->data.height,
    .width = m->data.width,
    .channels = (int)m->data.channels,
    .levels = levels,
    .layers = (int)lcl_option_int(o, "layers"),
    .hidden = (int)lcl_option_int(o, "hidden"),
    .head_layers = (int)lcl_option_int(o, "head_layers"),
    .head_width = lcl_option_given(o, "head_width") ? (int)lcl_option_int(o, "head_width")
                  : levels == 2                     ? 32
                                                    : 1024,
    .batch_norm = lcl_option_bool(o, "batch_norm"),
    .learned_state = lcl_option_bool(o, "learned_state"),
    .residual = lcl_option_bool(o, "residual"),
    .interleaved = lcl_option_is(o, "mask_groups", "modulo"),
    .pad = lcl_option_is(o, "pad_cells", "freeze")   ? LCL_PAD_FREEZE
           : lcl_option_is(o, "pad_cells", "evolve") ? LCL_PAD_EVOLVE
                                                     : LCL_PAD_EVOLVE_BIAS,
  };
}

static const char *automatic(const char *option, const lcl_model_data *d) {
  (void)option; /* colours is the only one */
  return d->channels == 3 ? "rgb" : "grey";
}

static void data(const lcl_options *o, lcl_data_desc *d) {
  static const struct {
    const char *name;
    lcl_binarise binarise;
  } modes[] = { { "fixed", LCL_BINARISE_FIXED },
                { "dynamic", LCL_BINARISE_DYNAMIC },
                { "threshold", LCL_BINARISE_THRESHOLD },
                { "static", LCL_BINARISE_STATIC } };
  d->binarise = LCL_BINARISE_NONE;
  for (size_t i = 0; i < LCL_COUNT(modes); i++)
    if (lcl_option_is(o, "levels", "2") && lcl_option_is(o, "binarise", modes[i].name))
      d->binarise = modes[i].binarise;
}

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  const bool grey = lcl_option_is(o, "colours", "grey");
  const int64_t channels = grey ? 1 : d->channels;
  if (lcl_option_is(o, "colours", "rgb") && d->channels != 3)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "colours=rgb needs images of three channels, these have %lld",
                     (long long)d->channels);
  if (channels != 1 && channels != 3)
    return lcl__fail(LCL_ERR_ARGUMENT, "images must have one or three channels, these have %lld",
                     (long long)channels);
  if (channels == 3 && lcl_option_is(o, "levels", "2"))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "levels=2 needs images of one channel: give colours=grey, or levels=256");
  if (channels == 3 && lcl_option_int(o, "hidden") < 3)
    return lcl__fail(LCL_ERR_ARGUMENT, "option hidden: three channels need at least 3 units");
  if (channels == 3 && lcl_option_given(o, "head_width") && lcl_option_int(o, "head_width") < 3)
    return lcl__fail(LCL_ERR_ARGUMENT, "option head_width: three channels need at least 3 maps");
  s->epochs = 100;
  s->batch = 16;
  s->prep.colour = grey && d->channels == 3 ? LCL_COLOUR_GREY : LCL_COLOUR_KEEP;
  s->range_lo = 0;
  s->range_hi = 1;
  s->optimiser =
      (lcl_optimiser_desc) { .kind = LCL_RMSPROP, .beta2 = 0.9f, .eps = 1e-8f, .clip_value = 1 };
  s->schedule =
      (lcl_schedule) { .kind = LCL_SCHEDULE_PLATEAU, .lr = 1e-3, .factor = 10, .every = 5 };
  s->select = "nll";
  return LCL_OK;
}

static void build(lcl_build *b) {
  const lcl_pixelrnn_desc d = desc_of(lcl_build_model(b));
  const lcl_model_mode mode = lcl_build_mode(b);
  /* Sampling is the class's own sample(); there is nothing to reconstruct. */
  if (mode != LCL_MODE_TRAIN && mode != LCL_MODE_EVAL) return;
  lcl_tensor *x = lcl_build_image(b);
  lcl_tensor *logits = lcl__pixelrnn_logits(x, &d,
                                            mode == LCL_MODE_TRAIN ? LCL_BN_TRAIN : LCL_BN_EVAL);
  lcl_tensor *nll = lcl__pixelrnn_nll_rows(x, logits, &d);
  if (mode == LCL_MODE_TRAIN) {
    lcl_build_loss(b, lcl_mean(nll, LCL_ALL_AXES, false));
    return;
  }
  lcl_build_example(b, "nll", nll);
  const double dimensions = (double)d.height * (double)d.width * d.channels;
  if (d.levels > 2)
    lcl_build_example(b, "bits_per_dim", lcl_scale(nll, (float)(1 / (dimensions * log(2)))));
}

/* ---- sampling ---- */

/* Between (N,C,H,W) of the loop and (N,H,W,C) of the sampler. */
static void move_channels(const lcl_pixelrnn_desc *d, int64_t n, bool to_last, const float *from,
                          float *to) {
  const int64_t plane = d->height * d->width;
  for (int64_t i = 0; i < n; i++)
    for (int64_t c = 0; c < d->channels; c++)
      for (int64_t p = 0; p < plane; p++) {
        const int64_t first = (i * d->channels + c) * plane + p,
                      last = (i * plane + p) * d->channels + c;
        to[to_last ? last : first] = from[to_last ? first : last];
      }
}

static lcl_status run_sampler(lcl_graph *g, const lcl_pixelrnn_desc *d, const lcl_sample_desc *s,
                              float *x) {
  const lcl_shape shape = LCL_SHAPE(s->n, d->height, d->width, d->channels);
  const size_t bytes = (size_t)lcl_shape_count(shape) * sizeof(float);
  const bool completes = s->given && s->given_rows > 0;
  lcl_pixelrnn_sample_desc from = { .uniform = lcl_random_uniform(g, shape),
                                    .temperature = s->temperature };
  from.given = completes ? lcl_input(g, "given", LCL_F32, shape) : from.uniform;
  from.given_rows = completes ? (int)LCL_MIN(s->given_rows, d->height) : 0;
  lcl_tensor *out = lcl__pixelrnn_sampler(g, d, &from);
  lcl_program *p;
  LCL_TRY(lcl_compile(g, &(lcl_compile_desc) { .fetch = &out, .n_fetch = 1 }, &p));
  lcl_status st = LCL_OK;
  if (completes) {
    move_channels(d, s->n, true, s->given, x);
    st = lcl_feed(p, "given", x, bytes);
  }
  float *last = lcl__alloc(bytes);
  if (!last) st = LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK) st = lcl_run(p);
  if (st == LCL_OK) st = lcl_fetch(p, "#0", last, bytes);
  if (st == LCL_OK) move_channels(d, s->n, false, last, x);
  lcl__free(last);
  lcl_program_destroy(p);
  return st;
}

static lcl_status sample(const lcl_model *m, lcl_store *store, const lcl_sample_desc *desc,
                         float *images) {
  const lcl_pixelrnn_desc d = desc_of(m);
  char name[48];
  lcl_graph *g;
  /* The seed of the samples comes from the graph's name. */
  snprintf(name, sizeof name, "sample-%llu", (unsigned long long)desc->seed);
  LCL_TRY(lcl_graph_create(store, name, &g));
  const lcl_status st = run_sampler(g, &d, desc, images);
  lcl_graph_destroy(g);
  return st;
}

const lcl_model_class lcl__model_pixelrnn = {
  .name = "pixelrnn",
  .summary =
      "autoregressive images: masked convolution and Diagonal BiLSTM layers; likelihood, sampling, "
      "completion",
  .reference = "van den Oord, Kalchbrenner, Kavukcuoglu: Pixel Recurrent Neural Networks (2016); "
               "Zumer: Influencing the Properties of Latent Representations (2016), chapter 7",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = data,
  .defaults = defaults,
  .build = build,
  .sample = sample,
  .can = LCL_CAN_SAMPLE,
  .automatic = automatic,
};
