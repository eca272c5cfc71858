/* PixelRNN (van den Oord et al. 2016): masked 7x7 convolution, Diagonal BiLSTM layers with or
 * without residual connections, 1x1 head.
 *
 * After the first convolution everything is a matrix of rows, one a pixel: 1x1 convolutions are
 * GEMMs, and one GEMM gives the input-to-state maps of both directions as the recurrent kernels
 * want them. */
#include "nn/pixelrnn.h"

#include "ops/pixel_sampler.h"

enum { TAPS = 7 };
#define BN_EPS 1e-5f

/* ---- masks ---- */

/* How one side of a GEMM is divided among the image channels: `gates` equal parts, in each of which
 * maps belong to them in turn (interleaved) or in contiguous thirds, the remainder to the first. */
typedef struct side {
  int64_t channels;
  int gates;
  bool interleaved;
} side;

static int64_t image_channel_of(const side *s, int64_t k, int image_channels) {
  const int64_t all = s->channels / s->gates, part = all / image_channels,
                rest = all % image_channels;
  k %= all;
  if (s->interleaved) return k % image_channels;
  return k < rest + part ? 0 : (k - rest) / part;
}

/* w (out,in[,7,7]) where the mask lets it through, else 0 whatever it holds. Type B sees the
 * pixel's own channel, type A only those before it. */
static lcl_tensor *masked(lcl_tensor *w, int channels, const side *out, const side *in,
                          lcl_mask_type type) {
  const lcl_shape s = lcl_tensor_shape(w);
  const int64_t taps = s.rank == 4 ? s.dim[2] * s.dim[3] : 1;
  float *mask = lcl__alloc(sizeof *mask * (size_t)lcl_shape_count(s));
  if (!mask)
    return lcl__graph_error(lcl_tensor_graph(w), LCL_ERR_HOST_MEMORY, "masked weight",
                            "out of memory");
  for (int64_t o = 0, at = 0; o < s.dim[0]; o++)
    for (int64_t i = 0; i < s.dim[1]; i++)
      for (int64_t tap = 0; tap < taps; tap++, at++) {
        const int64_t to = image_channel_of(out, o, channels),
                      from = image_channel_of(in, i, channels);
        const bool centre = tap == taps / 2, allowed = type == LCL_MASK_A ? to > from : to >= from;
        mask[at] = tap < taps / 2 || (centre && allowed);
      }
  lcl_tensor *m = lcl_const_data(lcl_tensor_graph(w), LCL_F32, s, mask);
  lcl__free(mask);
  return lcl_select(m, w, lcl_const(lcl_tensor_graph(w), 0));
}

/* The weight of a 1x1 masked-B convolution; with one channel nothing is masked. The logits'
 * channels are contiguous. */
static lcl_tensor *masked_rows(lcl_tensor *w, const lcl_pixelrnn_desc *d, int gates,
                               bool to_logits) {
  const lcl_shape s = lcl_tensor_shape(w);
  const side out = { s.dim[0], gates, d->interleaved && !to_logits },
             in = { s.dim[1], 1, d->interleaved };
  return d->channels > 1 ? masked(w, d->channels, &out, &in, LCL_MASK_B) : w;
}

/* ---- parameters ---- */

static lcl_tensor *param(lcl_graph *g, const char *block, const char *part, lcl_shape shape,
                         lcl_init init) {
  char full[LCL_NN_NAME];
  return lcl_param(g, lcl__nn_name(full, block, part), shape, init);
}

static lcl_init uniform_init(float scale, int64_t fan_in) {
  return (lcl_init) { .kind = LCL_INIT_FAN_IN_UNIFORM, .scale = scale, .fan_in = fan_in };
}
static const lcl_init zero = { .kind = LCL_INIT_ZERO };

typedef struct layer {
  lcl_tensor *is, *is_bias; /* (8h,C), (8h); is_bias NULL with batch norm */
  lcl_tensor *k_left, *k_right;
  lcl_bilstm_state state;
  lcl_tensor *up, *up_bias; /* (C,h), (C); NULL without residual connections */
} layer;

/* Width C of the maps between layers. */
static int64_t maps_of(const lcl_pixelrnn_desc *d) {
  return d->residual ? 2 * (int64_t)d->hidden : d->hidden;
}

static char *bn_name(char name[32], int index) {
  snprintf(name, 32, "layer%d.bn", index);
  return name;
}

static layer layer_params(lcl_graph *g, const lcl_pixelrnn_desc *d, int index) {
  const int64_t h = d->hidden, C = maps_of(d);
  char name[32], bn[32];
  snprintf(name, sizeof name, "layer%d", index);
  layer l = {
    .is = masked_rows(param(g, name, "is.weight", LCL_SHAPE(8 * h, C), uniform_init(1, 0)), d, 8,
                      false),
    .k_left = param(g, name, "ss_left", LCL_SHAPE(2, 4 * h, h), uniform_init(1, 2 * h)),
    .k_right = param(g, name, "ss_right", LCL_SHAPE(2, 4 * h, h), uniform_init(1, 2 * h))
  };
  if (d->residual) {
    l.up = masked_rows(param(g, name, "up.weight", LCL_SHAPE(C, h), uniform_init(1, 0)), d, 1,
                       false);
    l.up_bias = param(g, name, "up.bias", LCL_SHAPE(C), zero);
  }
  if (!d->batch_norm) l.is_bias = param(g, name, "is.bias", LCL_SHAPE(8 * h), zero);
  if (d->learned_state) {
    lcl_tensor **const states[] = { &l.state.h0_left, &l.state.c0_left, &l.state.h0_right,
                                    &l.state.c0_right };
    static const char *const parts[] = { "h0_left", "c0_left", "h0_right", "c0_right" };
    for (int i = 0; i < 4; i++)
      *states[i] = param(g, name, parts[i], LCL_SHAPE(h, d->height), zero);
  }
  l.state.freeze = d->pad == LCL_PAD_FREEZE;
  if (d->pad == LCL_PAD_EVOLVE_BIAS)
    l.state.pad = d->batch_norm ? param(g, bn_name(bn, index), "beta", LCL_SHAPE(8 * h), zero)
                                : l.is_bias;
  return l;
}

typedef struct dense {
  lcl_tensor *weight, *bias;
} dense;

static int logits_of(const lcl_pixelrnn_desc *d) {
  return d->levels == 2 ? 1 : d->levels;
}

/* The head's layer `index`; the last one gives the logits. */
static dense head_params(lcl_graph *g, const lcl_pixelrnn_desc *d, int index) {
  const int64_t in = index ? d->head_width : maps_of(d);
  const int64_t out = index < d->head_layers ? d->head_width : d->channels * logits_of(d);
  char name[32];
  snprintf(name, sizeof name, "head%d", index);
  lcl_tensor *w = param(g, name, "weight", LCL_SHAPE(out, in), uniform_init(1.41421356f, 0));
  return (dense) { masked_rows(w, d, 1, index == d->head_layers),
                   param(g, name, "bias", LCL_SHAPE(out), zero) };
}

static dense input_params(lcl_graph *g, const lcl_pixelrnn_desc *d) {
  const int64_t C = maps_of(d);
  return (dense) { param(g, "input", "weight", LCL_SHAPE(C, d->channels, TAPS, TAPS),
                         uniform_init(1.41421356f, 0)),
                   param(g, "input", "bias", LCL_SHAPE(C), zero) };
}

/* ---- the network ---- */

/* Levels are centred; zeros and ones stay as they are. */
static float shift_of(const lcl_pixelrnn_desc *d) {
  return d->levels == 2 ? 0.0f : -0.5f;
}

static lcl_tensor *rows_of(lcl_tensor *maps) {
  const lcl_shape s = lcl_tensor_shape(maps);
  return lcl_reshape(lcl_transpose(maps, (const int[]) { 0, 2, 3, 1 }),
                     LCL_SHAPE(-1, s.rank == 4 ? s.dim[1] : 1));
}

static lcl_tensor *layer_forward(lcl_tensor *x, int64_t n, const lcl_pixelrnn_desc *d, int index,
                                 lcl_bn_mode mode) {
  const layer l = layer_params(lcl_tensor_graph(x), d, index);
  const int64_t h = d->hidden;
  lcl_tensor *s = lcl_matmul(x, l.is, false, true);
  if (d->batch_norm) {
    char name[32];
    s = lcl_batch_norm(s, bn_name(name, index), &(lcl_bn_desc) { .mode = mode, .eps = BN_EPS });
  } else {
    s = lcl_add(s, l.is_bias);
  }
  s = lcl_reshape(s, LCL_SHAPE(n, d->height, d->width, 8 * h));
  lcl_tensor *y = lcl_diagonal_bilstm_nhwc(s, l.k_left, l.k_right, &l.state);
  y = lcl_reshape(y, LCL_SHAPE(-1, h));
  return d->residual ? lcl_add(lcl_add(x, lcl_matmul(y, l.up, false, true)), l.up_bias) : y;
}

lcl_tensor *lcl__pixelrnn_logits(lcl_tensor *x, const lcl_pixelrnn_desc *d, lcl_bn_mode mode) {
  lcl_graph *g = lcl_tensor_graph(x);
  const int64_t n = lcl_tensor_shape(x).dim[0];
  const dense in = input_params(g, d);
  if (shift_of(d) != 0) x = lcl_shift(x, shift_of(d));
  const lcl_conv_desc conv = { .pad = { TAPS / 2, TAPS / 2, TAPS / 2, TAPS / 2 } };
  const lcl_mask_desc mask = { .type = LCL_MASK_A,
                               .image_channels = d->channels,
                               .interleaved = d->interleaved };
  lcl_tensor *rows = rows_of(lcl_masked_conv2d(x, in.weight, in.bias, &mask, &conv));
  for (int i = 0; i < d->layers; i++) rows = layer_forward(rows, n, d, i, mode);
  for (int i = 0; i <= d->head_layers; i++) {
    const dense p = head_params(g, d, i);
    rows = lcl_add(lcl_matmul(lcl_relu(rows), p.weight, false, true), p.bias);
  }
  return rows;
}

lcl_tensor *lcl__pixelrnn_nll_rows(lcl_tensor *x, lcl_tensor *logits, const lcl_pixelrnn_desc *d) {
  const int64_t n = lcl_tensor_shape(x).dim[0], pixels = d->height * d->width;
  if (d->levels == 2)
    return lcl_bce_logits_rows(lcl_reshape(logits, LCL_SHAPE(n, pixels)),
                               lcl_reshape(x, LCL_SHAPE(n, pixels)));
  lcl_tensor *level = lcl_unary(LCL_MAP_FLOOR,
                                lcl_shift(lcl_scale(rows_of(x), (float)(d->levels - 1)), 0.5f), 0);
  level = lcl_cast(lcl_reshape(level, LCL_SHAPE(-1)), LCL_I32);
  lcl_tensor *each = lcl_cross_entropy_rows(lcl_reshape(logits, LCL_SHAPE(-1, d->levels)), level);
  return lcl_sum(lcl_reshape(each, LCL_SHAPE(n, pixels * d->channels)), LCL_AXIS(1), false);
}

/* ---- sampling ---- */

typedef struct pieces {
  lcl_tensor *item[256];
  int n;
} pieces;

static void add_flat(pieces *p, lcl_tensor *t) {
  if (p->n < (int)LCL_COUNT(p->item)) p->item[p->n++] = lcl_reshape(t, LCL_SHAPE(-1));
}

/* [out][in] to [in][out]. */
static void add_transposed(pieces *p, lcl_tensor *w) {
  add_flat(p, lcl_transpose(w, (const int[]) { 1, 0 }));
}

/* Input-to-state with the running statistics folded in: gamma (W x - mean)/sd + beta. */
static dense folded(lcl_graph *g, const lcl_pixelrnn_desc *d, const layer *l, int index) {
  if (!d->batch_norm) return (dense) { l->is, l->is_bias };
  const lcl_shape s = LCL_SHAPE(8 * d->hidden);
  const lcl_init one = { .kind = LCL_INIT_CONSTANT, .value = 1 };
  char name[32], full[LCL_NN_NAME];
  bn_name(name, index);
  lcl_tensor *mean = lcl_state(g, lcl__nn_name(full, name, "mean"), LCL_F32, s, zero);
  lcl_tensor *var = lcl_state(g, lcl__nn_name(full, name, "var"), LCL_F32, s, one);
  lcl_tensor *scale = lcl_mul(param(g, name, "gamma", s, one), lcl_rsqrt(lcl_shift(var, BN_EPS)));
  lcl_tensor *bias = lcl_sub(param(g, name, "beta", s, zero), lcl_mul(mean, scale));
  return (dense) { lcl_mul(l->is, lcl_reshape(scale, LCL_SHAPE(8 * d->hidden, 1))), bias };
}

lcl_tensor *lcl__pixelrnn_sampler(lcl_graph *g, const lcl_pixelrnn_desc *d,
                                  const lcl_pixelrnn_sample_desc *from) {
  const int64_t C = maps_of(d);
  const side maps = { C, 1, d->interleaved }, image = { d->channels, 1, false };
  pieces weights = { .n = 0 }, margins = { .n = 0 };
  /* Six pieces a layer; far beyond any network that was ever trained. */
  if (d->layers > 40 || d->head_layers > 6)
    return lcl__graph_error(g, LCL_ERR_UNSUPPORTED, "pixelrnn sampler",
                            "%d layers and %d head layers, at most 40 and 6", d->layers,
                            d->head_layers);
  const dense in = input_params(g, d);
  add_transposed(&weights, lcl_reshape(masked(in.weight, d->channels, &maps, &image, LCL_MASK_A),
                                       LCL_SHAPE(C, (int64_t)d->channels * TAPS * TAPS)));
  add_flat(&weights, in.bias);
  for (int i = 0; i < d->layers; i++) {
    const layer l = layer_params(g, d, i);
    const dense is = folded(g, d, &l, i);
    add_transposed(&weights, is.weight);
    add_flat(&weights, is.bias);
    add_flat(&weights, lcl_transpose(l.k_left, (const int[]) { 0, 2, 1 }));
    add_flat(&weights, lcl_transpose(l.k_right, (const int[]) { 0, 2, 1 }));
    if (d->residual) add_transposed(&weights, l.up), add_flat(&weights, l.up_bias);
    margins.item[margins.n++] = lcl__bilstm_margin(l.k_left, l.k_right, &l.state, d->height);
  }
  for (int i = 0; i <= d->head_layers; i++) {
    const dense p = head_params(g, d, i);
    add_transposed(&weights, p.weight);
    add_flat(&weights, p.bias);
  }
  const lcl_pixel_sampler_desc desc = { .layers = d->layers,
                                        .hidden = d->hidden,
                                        .head_layers = d->head_layers,
                                        .head_width = d->head_layers ? d->head_width : 0,
                                        .logits = logits_of(d),
                                        .states = d->learned_state || d->pad == LCL_PAD_EVOLVE_BIAS,
                                        .residual = d->residual,
                                        .given_rows = from->given_rows,
                                        .shift = shift_of(d),
                                        .temperature = from->temperature != 0 ? from->temperature
                                                                              : 1 };
  return lcl__pixel_sampler(from->uniform, from->given, lcl_concat(weights.item, weights.n, 0),
                            margins.n == 1 ? margins.item[0]
                                           : lcl_concat(margins.item, margins.n, 0),
                            &desc, from->log_p);
}
