/* PixelRNN as a whole: what the sampler computes pixel by pixel is what the full forward pass
 * gives; nothing flows back from later pixels or channels; gradients through the whole network
 * against central differences in double precision. */
#include "test.h"

#include <math.h>

#include "base/philox.h"
#include "device/device.h"
#include "nn/pixelrnn.h"
#include "reference/reference.h"

/* One context for all networks: what several of them need is compiled once. */
static lcl_context *chosen;

/* A network with random parameters on a device. */
typedef struct net {
  lcl_store *store;
  lcl_pixelrnn_desc d;
  int64_t n; /* images */
} net;

static int logits_of(const lcl_pixelrnn_desc *d) {
  return d->levels == 2 ? 1 : d->levels;
}
static size_t values_of(const net *t) {
  return (size_t)(t->n * t->d.height * t->d.width * t->d.channels);
}

static float *floats(size_t n) {
  float *p = lcl__alloc(n * sizeof *p);
  assert_non_null(p);
  return p;
}

static lcl_graph *new_graph(const net *t, const char *name) {
  lcl_graph *g;
  ASSERT_OK(lcl_graph_create(t->store, name, &g));
  return g;
}

/* Every parameter sampled anew, so that biases, initial states and running statistics are not zero
 * or one. */
static void randomise(const net *t) {
  for (size_t i = 0; i < lcl_store_count(t->store); i++) {
    const lcl_var_info v = lcl_store_info(t->store, i);
    const size_t n = (size_t)lcl_shape_count(v.shape);
    if (v.dtype != LCL_F32) continue;
    float *x = floats(n);
    lcl__philox_normal(9, (uint32_t)i, 0, x, n);
    const bool var = strstr(v.name, ".var") != NULL;
    for (size_t k = 0; k < n; k++) x[k] = var ? 0.5f + x[k] * x[k] : 0.4f * x[k];
    ASSERT_OK(lcl_store_write(t->store, v.name, x, n * sizeof *x));
    lcl__free(x);
  }
}

/* Compiles "x" -> logits, which also brings the parameters into the store. */
static lcl_program *forward_program(const net *t) {
  lcl_graph *g = new_graph(t, "forward");
  lcl_tensor *x = lcl_input(g, "x", LCL_F32,
                            LCL_SHAPE(t->n, t->d.channels, t->d.height, t->d.width));
  lcl_tensor *const fetch[] = { lcl__pixelrnn_logits(x, &t->d, LCL_BN_EVAL) };
  lcl_program *p;
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 1 }, &p));
  lcl_graph_destroy(g);
  return p;
}

static net net_create(lcl_context *ctx, const lcl_pixelrnn_desc *d) {
  net t = { .d = *d, .n = 2 };
  ASSERT_OK(lcl_store_create(ctx, 3, &t.store));
  lcl_program_destroy(forward_program(&t));
  randomise(&t);
  return t;
}

static void net_destroy(net *t) {
  lcl_store_destroy(t->store);
}

/* Random values on the levels, (N,H,W,C). */
static float *random_images(const net *t) {
  float *x = floats(values_of(t));
  lcl__philox_uniform(4, 5, 6, x, values_of(t));
  for (size_t i = 0; i < values_of(t); i++)
    x[i] = floorf(x[i] * (float)t->d.levels) / (float)(t->d.levels - 1);
  return x;
}

static float *run_forward(const net *t, lcl_program *p, const float *channels_last) {
  const int64_t plane = t->d.height * t->d.width, c = t->d.channels;
  float *x = floats(values_of(t)), *logits = floats(values_of(t) * (size_t)logits_of(&t->d));
  for (int64_t i = 0; i < t->n * plane * c; i++)
    x[(i / (plane * c) * c + i % c) * plane + i / c % plane] = channels_last[i];
  ASSERT_OK(lcl_feed(p, "x", x, values_of(t) * sizeof *x));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", logits, values_of(t) * (size_t)logits_of(&t->d) * sizeof *logits));
  lcl__free(x);
  return logits;
}

/* log p of value v under its logits, in double. */
static double log_p_of(const float *logits, int n, float v) {
  if (n == 1) {
    const double a = (double)(v > 0.5f ? -logits[0] : logits[0]);
    return -(fmax(a, 0) + log1p(exp(-fabs(a))));
  }
  double top = (double)logits[0], sum = 0;
  for (int k = 1; k < n; k++) top = fmax(top, (double)logits[k]);
  for (int k = 0; k < n; k++) sum += exp((double)logits[k] - top);
  return (double)logits[(int)lrintf(v * (float)(n - 1))] - top - log(sum);
}

static void run_sampler(const net *t, const char *name, int given_rows, float temperature,
                        const float *given, float *out, float *log_p) {
  lcl_graph *g = new_graph(t, name);
  const lcl_shape shape = LCL_SHAPE(t->n, t->d.height, t->d.width, t->d.channels);
  lcl_tensor *fetch[2];
  lcl_pixelrnn_sample_desc from = { .uniform = lcl_random_uniform(g, shape),
                                    .given = lcl_input(g, "given", LCL_F32, shape),
                                    .given_rows = given_rows,
                                    .temperature = temperature,
                                    .log_p = &fetch[1] };
  fetch[0] = lcl__pixelrnn_sampler(g, &t->d, &from);
  lcl_program *p;
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 2 }, &p));
  ASSERT_OK(lcl_feed(p, "given", given, values_of(t) * sizeof *given));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", out, values_of(t) * sizeof *out));
  ASSERT_OK(lcl_fetch(p, "#1", log_p, values_of(t) * sizeof *log_p));
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
}

/* Roundings on the way from a pixel to a logit, and what they can amount to in a log-probability:
 * each layer's sums, twice (both sides round), with values of order one. */
static double rounding(const net *t, float largest_logit) {
  const lcl_pixelrnn_desc *d = &t->d;
  const double sums = 49.0 * d->channels + d->layers * 6.0 * d->hidden + 2.0 * d->hidden +
                      d->head_layers * d->head_width;
  return 2 * sums * 0x1p-24 * (1 + (double)largest_logit);
}

/* The log-probability of every value of images that the sampler is given, or sampled itself,
 * against the full pass. */
static void check_equal_in(lcl_context *ctx, const lcl_pixelrnn_desc *d) {
  net t = net_create(ctx, d);
  lcl_program *p = forward_program(&t);
  float *given = random_images(&t), *out = floats(values_of(&t)), *log_p = floats(values_of(&t));
  const int k = logits_of(d);
  const int rows[] = { (int)d->height, 0, 2 };
  for (size_t pass = 0; pass < LCL_COUNT(rows); pass++) {
    run_sampler(&t, "sampler", rows[pass], 1, given, out, log_p);
    const int64_t row = d->width * d->channels;
    for (int64_t i = 0; i < (int64_t)values_of(&t); i++)
      if (i / row % d->height < rows[pass]) assert_true(out[i] == given[i]);
    float *logits = run_forward(&t, p, out), largest = 0;
    for (size_t i = 0; i < values_of(&t) * (size_t)k; i++)
      largest = fmaxf(largest, fabsf(logits[i]));
    for (size_t i = 0; i < values_of(&t); i++) {
      const double expected = log_p_of(logits + i * (size_t)k, k, out[i]);
      if (!(fabs((double)log_p[i] - expected) <= rounding(&t, largest)))
        fail_msg("value %zu of pass %zu: log p %.9g, full pass %.9g, allowed %.3g", i, pass,
                 (double)log_p[i], expected, rounding(&t, largest));
    }
    lcl__free(logits);
  }
  lcl__free(given);
  lcl__free(out);
  lcl__free(log_p);
  lcl_program_destroy(p);
  net_destroy(&t);
}

static const lcl_pixelrnn_desc binary = { .height = 5,
                                          .width = 6,
                                          .channels = 1,
                                          .levels = 2,
                                          .layers = 2,
                                          .hidden = 4,
                                          .head_layers = 2,
                                          .head_width = 8,
                                          .learned_state = true,
                                          .residual = true };
static const lcl_pixelrnn_desc normed = { .height = 4,
                                          .width = 5,
                                          .channels = 1,
                                          .levels = 2,
                                          .layers = 2,
                                          .hidden = 16,
                                          .head_layers = 1,
                                          .head_width = 32,
                                          .batch_norm = true,
                                          .residual = true };
static const lcl_pixelrnn_desc colour = { .height = 3,
                                          .width = 3,
                                          .channels = 3,
                                          .levels = 256,
                                          .layers = 1,
                                          .hidden = 7,
                                          .head_layers = 1,
                                          .head_width = 9,
                                          .learned_state = true,
                                          .residual = true };
static const lcl_pixelrnn_desc single = {
  .height = 1, .width = 1, .channels = 1, .levels = 256, .layers = 1, .hidden = 1, .residual = true
};

static const lcl_pixelrnn_desc tiny = { .height = 3,
                                        .width = 2,
                                        .channels = 1,
                                        .levels = 2,
                                        .layers = 2,
                                        .hidden = 2,
                                        .head_layers = 1,
                                        .head_width = 2,
                                        .learned_state = true,
                                        .residual = true };

/* More rounds of loops than llvmpipe gives a work-item: in all, and with the width of the model's
 * own head for 256 levels, of which one value has half as many. */
static const lcl_pixelrnn_desc longer = { .height = 12,
                                          .width = 12,
                                          .channels = 1,
                                          .levels = 2,
                                          .layers = 2,
                                          .hidden = 16,
                                          .head_layers = 1,
                                          .head_width = 32,
                                          .learned_state = true,
                                          .residual = true };
static const lcl_pixelrnn_desc wide = { .height = 2,
                                        .width = 2,
                                        .channels = 1,
                                        .levels = 256,
                                        .layers = 1,
                                        .hidden = 3,
                                        .head_layers = 2,
                                        .head_width = 1024,
                                        .learned_state = true,
                                        .residual = true };

/* The other side of every switch, in a few networks. */
static lcl_pixelrnn_desc plain_frozen(void) {
  lcl_pixelrnn_desc d = binary;
  d.residual = false, d.pad = LCL_PAD_FREEZE;
  return d;
}
static lcl_pixelrnn_desc normed_bias(void) {
  lcl_pixelrnn_desc d = normed;
  d.pad = LCL_PAD_EVOLVE_BIAS;
  return d;
}
static lcl_pixelrnn_desc colour_plain_bias(void) {
  lcl_pixelrnn_desc d = colour;
  d.residual = false, d.interleaved = true, d.pad = LCL_PAD_EVOLVE_BIAS, d.layers = 2;
  return d;
}
static lcl_pixelrnn_desc tiny_other(lcl_pixelrnn_pad pad) {
  lcl_pixelrnn_desc d = tiny;
  d.residual = false, d.pad = pad;
  return d;
}

/* Simulators are some thousand times slower than devices: they get the smallest network. */
static void for_each_network(void (*check)(const lcl_pixelrnn_desc *d), bool simulator) {
  const lcl_pixelrnn_desc small[] = { tiny, tiny_other(LCL_PAD_FREEZE),
                                      tiny_other(LCL_PAD_EVOLVE_BIAS) };
  const lcl_pixelrnn_desc large[] = { binary,         normed,        colour,
                                      plain_frozen(), normed_bias(), colour_plain_bias() };
  for (size_t i = 0; i < LCL_COUNT(small); i++) check(&small[i]);
  for (size_t i = 0; i < LCL_COUNT(large) && !simulator; i++) check(&large[i]);
}

static void check_equal(const lcl_pixelrnn_desc *d) {
  check_equal_in(chosen, d);
}

static void incremental_equals_full(void **state) {
  (void)state;
  for_each_network(check_equal, device_is("oclgrind"));
  if (device_is("oclgrind")) return;
  check_equal(&single);
  check_equal(&longer);
  check_equal(&wide);
}

/* Where loops are cut short and one value takes more rounds, there is a message and no sample. */
static void too_wide(void **state) {
  (void)state;
  bool whole = true;
  if (!device_is("oclgrind")) ASSERT_OK(lcl__loops_ask(chosen, &whole));
  if (whole) skip();
  lcl_pixelrnn_desc d = wide;
  d.head_width = 2048;
  net t = { .d = d, .n = 2 };
  ASSERT_OK(lcl_store_create(chosen, 3, &t.store));
  lcl_graph *g = new_graph(&t, "sampler");
  const lcl_shape shape = LCL_SHAPE(t.n, d.height, d.width, d.channels);
  lcl_pixelrnn_sample_desc from = { .uniform = lcl_random_uniform(g, shape),
                                    .given = lcl_input(g, "given", LCL_F32, shape),
                                    .temperature = 1 };
  lcl_tensor *out = lcl__pixelrnn_sampler(g, &d, &from);
  lcl_program *p;
  assert_int_equal(lcl_compile(g, &(lcl_compile_desc) { .fetch = &out, .n_fetch = 1 }, &p),
                   LCL_ERR_UNSUPPORTED);
  assert_non_null(strstr(lcl_error_message(), "narrower layers"));
  lcl_graph_destroy(g);
  net_destroy(&t);
}

/* Where the tiled kernels are not what was chosen above. */
static void tiled_sampler(void **state) {
  (void)state;
  if (!lcl__context_caps(chosen)->packed) return;
  lcl_context *tiled;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .disable = "packed" }, &tiled));
  check_equal_in(tiled, &tiny);
  check_equal_in(tiled, &colour);
  lcl_context_destroy(tiled);
}

/* A network that has lost its numbers says so of every value that it samples. */
static void check_lost(lcl_context *ctx, const lcl_pixelrnn_desc *d) {
  net t = net_create(ctx, d);
  const size_t n = values_of(&t), maps = (size_t)(2 * d->hidden);
  float *bias = floats(maps), *given = floats(n), *out = floats(n), *log_p = floats(n);
  for (size_t i = 0; i < maps; i++) bias[i] = NAN;
  ASSERT_OK(lcl_store_write(t.store, "input.bias", bias, maps * sizeof *bias));
  run_sampler(&t, "lost", 0, 1, given, out, log_p);
  for (size_t i = 0; i < n; i++)
    if (!isnan(log_p[i])) fail_msg("%d levels: log p %zu is %g", d->levels, i, (double)log_p[i]);
  lcl__free(bias), lcl__free(given), lcl__free(out), lcl__free(log_p);
  net_destroy(&t);
}

static void lost(void **state) {
  (void)state;
  lcl_context *tiled;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .disable = "packed" }, &tiled));
  check_lost(chosen, &tiny);
  check_lost(tiled, &tiny);
  if (!device_is("oclgrind")) check_lost(tiled, &colour);
  lcl_context_destroy(tiled);
}

/* A value changes the logits of none before it in reading order, nor its own, nor another image's:
 * exactly. */
static void check_causal(const lcl_pixelrnn_desc *d) {
  net t = net_create(chosen, d);
  lcl_program *p = forward_program(&t);
  float *x = random_images(&t);
  const size_t k = (size_t)logits_of(d), last = values_of(&t) / 2 - 1;
  float *before = run_forward(&t, p, x);
  for (size_t at = 0; at <= last; at += 4) {
    const float old = x[at];
    x[at] = 1 - x[at];
    float *after = run_forward(&t, p, x);
    for (size_t i = 0; i < values_of(&t) * k; i++)
      if (i < (at + 1) * k || i >= (last + 1) * k) assert_true(before[i] == after[i]);
    /* The last row is few values, which may all have no unit that is on. */
    bool felt = at + (size_t)(d->width * d->channels) > last;
    for (size_t i = (at + 1) * k; i < (last + 1) * k; i++) felt |= before[i] != after[i];
    assert_true(felt);
    x[at] = old;
    lcl__free(after);
  }
  lcl__free(before);
  lcl__free(x);
  lcl_program_destroy(p);
  net_destroy(&t);
}

static void causality(void **state) {
  (void)state;
  for_each_network(check_causal, device_is("oclgrind"));
}

/* The same seed samples the same images, another does not; a low temperature samples what is
 * likely.
 */
static void samples(void **state) {
  (void)state;
  net t = net_create(chosen, device_is("oclgrind") ? &tiny : &binary);
  const size_t n = values_of(&t), bytes = n * sizeof(float);
  float *given = floats(n), *a = floats(n), *b = floats(n), *log_p = floats(n);
  run_sampler(&t, "sample-1", 0, 1, given, a, log_p);
  for (size_t i = 0; i < n; i++) assert_true(a[i] == 0 || a[i] == 1);
  run_sampler(&t, "sample-2", 0, 1, given, b, log_p);
  assert_memory_not_equal(a, b, bytes);
  run_sampler(&t, "sample-1", 0, 1e-4f, given, b, log_p);
  for (size_t i = 0; i < n; i++) assert_true(log_p[i] > -0.70f); /* never the less likely of two */
  lcl__free(given), lcl__free(a), lcl__free(b), lcl__free(log_p);
  net_destroy(&t);
}

/* ---- gradients ---- */

/* The network in double precision: the parameters by their names, and the loss. */
enum { MAX_VARS = 40 };
typedef struct reference {
  lcl_pixelrnn_desc d;
  int64_t n;
  int vars;
  struct {
    char name[64];
    int64_t count;
    double *value;
  } var[MAX_VARS];
  const double *x; /* (N,channels,H,W) */
} reference;

static double *doubles(int64_t n) {
  double *p = lcl__alloc((size_t)n * sizeof *p);
  assert_non_null(p);
  return p;
}

static const double *value_of(const reference *r, const char *block, const char *part) {
  char name[80];
  snprintf(name, sizeof name, "%s.%s", block, part);
  for (int i = 0; i < r->vars; i++)
    if (strcmp(r->var[i].name, name) == 0) return r->var[i].value;
  fail_msg("no parameter %s", name);
  return NULL;
}

/* Image channel of map k: parts of all/channels after a first one that has the remainder too, or in
 * turn. */
static int image_channel_of(int64_t k, int64_t all, int channels, bool interleaved) {
  int c = 0;
  if (interleaved) return (int)(k % channels);
  for (int64_t end = all / channels + all % channels; k >= end; end += all / channels) c++;
  return c;
}

/* y (rows,out) = x (rows,in) w^T + b, with the masks of type B; b may be NULL. The channels of the
 * output count within each of `gates` parts; those of logits are contiguous. */
static double *dense(const reference *r, const double *x, int64_t in, int64_t out, const double *w,
                     const double *b, int gates, bool logits) {
  const int channels = r->d.channels;
  const int64_t rows = r->n * r->d.height * r->d.width, part = out / gates;
  double *y = doubles(rows * out), *kept = doubles(out * in);
  for (int64_t o = 0; o < out; o++)
    for (int64_t i = 0; i < in; i++)
      if (image_channel_of(o % part, part, channels, r->d.interleaved && !logits) >=
          image_channel_of(i, in, channels, r->d.interleaved))
        kept[o * in + i] = w[o * in + i];
  lcl__ref_matmul(rows, out, in, x, false, kept, true, y);
  for (int64_t i = 0; b && i < rows * out; i++) y[i] += b[i % out];
  lcl__free(kept);
  return y;
}

/* Width of the maps. */
static int64_t maps_of(const lcl_pixelrnn_desc *d) {
  return d->residual ? 2 * d->hidden : d->hidden;
}

static void normalise(double *s, int64_t rows, int64_t n, const double *gamma, const double *beta) {
  for (int64_t c = 0; c < n; c++) {
    double mean = 0, var = 0;
    for (int64_t r = 0; r < rows; r++) mean += s[r * n + c] / (double)rows;
    for (int64_t r = 0; r < rows; r++)
      var += (s[r * n + c] - mean) * (s[r * n + c] - mean) / (double)rows;
    for (int64_t r = 0; r < rows; r++)
      s[r * n + c] = gamma[c] * (s[r * n + c] - mean) / sqrt(var + 1e-5) + beta[c];
  }
}

/* Rows of `all` channels to (N,C,H,W) of the `n` channels from `first` on, or back (adds). */
static double *planes_of(const reference *r, const double *rows, int64_t all, int64_t first,
                         int64_t n) {
  const int64_t plane = r->d.height * r->d.width;
  double *out = doubles(r->n * n * plane);
  for (int64_t i = 0; i < r->n * plane; i++)
    for (int64_t c = 0; c < n; c++)
      out[(i / plane * n + c) * plane + i % plane] = rows[i * all + first + c];
  return out;
}

static double *rows_of(const reference *r, const double *planes, int64_t n) {
  const int64_t plane = r->d.height * r->d.width;
  double *out = doubles(r->n * n * plane);
  for (int64_t i = 0; i < r->n * plane; i++)
    for (int64_t c = 0; c < n; c++)
      out[i * n + c] = planes[(i / plane * n + c) * plane + i % plane];
  return out;
}

static double *input_rows(const reference *r) {
  const int64_t C = maps_of(&r->d), channels = r->d.channels, H = r->d.height, W = r->d.width;
  const lcl_ref_conv conv = { .n = r->n,
                              .c = channels,
                              .h = H,
                              .w = W,
                              .o = C,
                              .kh = 7,
                              .kw = 7,
                              .oh = H,
                              .ow = W,
                              .stride_y = 1,
                              .stride_x = 1,
                              .top = 3,
                              .left = 3,
                              .dilation_y = 1,
                              .dilation_x = 1,
                              .groups = 1 };
  const int64_t taps = C * channels * 49, values = r->n * channels * H * W;
  double *mask = doubles(taps), *y = doubles(r->n * C * H * W), *x = doubles(values);
  lcl__ref_conv_mask(C, channels, 7, 7, false, (int)channels, 1, r->d.interleaved, mask);
  for (int64_t i = 0; i < taps; i++) mask[i] *= value_of(r, "input", "weight")[i];
  for (int64_t i = 0; i < values; i++) x[i] = r->x[i] - (r->d.levels > 2 ? 0.5 : 0);
  lcl__ref_conv2d(&conv, x, mask, value_of(r, "input", "bias"), y);
  double *rows = rows_of(r, y, C);
  lcl__free(mask);
  lcl__free(y);
  lcl__free(x);
  return rows;
}

/* The maps after a layer; takes x. */
static double *layer_of(const reference *r, int index, double *x) {
  const int64_t h = r->d.hidden, C = maps_of(&r->d), rows = r->n * r->d.height * r->d.width;
  char name[32], bn[32];
  snprintf(name, sizeof name, "layer%d", index);
  snprintf(bn, sizeof bn, "layer%d.bn", index);
  const double *bias = r->d.batch_norm ? NULL : value_of(r, name, "is.bias");
  double *s = dense(r, x, C, 8 * h, value_of(r, name, "is.weight"), bias, 8, false);
  if (r->d.batch_norm) normalise(s, rows, 8 * h, value_of(r, bn, "gamma"), value_of(r, bn, "beta"));
  double *left = planes_of(r, s, 8 * h, 0, 4 * h), *right = planes_of(r, s, 8 * h, 4 * h, 4 * h);
  double *y = doubles(rows * h);
  lcl_ref_bilstm b = { .n = r->n,
                       .hidden = h,
                       .height = r->d.height,
                       .width = r->d.width,
                       .s = { left, right },
                       .k = { value_of(r, name, "ss_left"), value_of(r, name, "ss_right") },
                       .freeze = r->d.pad == LCL_PAD_FREEZE };
  if (r->d.pad == LCL_PAD_EVOLVE_BIAS) b.pad = bias ? bias : value_of(r, bn, "beta");
  if (r->d.learned_state) {
    b.h0[0] = value_of(r, name, "h0_left"), b.h0[1] = value_of(r, name, "h0_right");
    b.c0[0] = value_of(r, name, "c0_left"), b.c0[1] = value_of(r, name, "c0_right");
  }
  ASSERT_OK(lcl__ref_diagonal_bilstm(&b, y));
  double *out = rows_of(r, y, h);
  if (r->d.residual) {
    double *up = dense(r, out, h, C, value_of(r, name, "up.weight"), value_of(r, name, "up.bias"),
                       1, false);
    lcl__free(out);
    out = up;
    for (int64_t i = 0; i < rows * C; i++) out[i] += x[i];
  }
  lcl__free(s), lcl__free(left), lcl__free(right), lcl__free(y), lcl__free(x);
  return out;
}

/* -log p of value v (of image row i and channel c) under its k logits. */
static double nll_of(const double *logits, int k, double v) {
  if (k == 1) return fmax(logits[0], 0) + log1p(exp(-fabs(logits[0]))) - v * logits[0];
  double top = logits[0], sum = 0;
  for (int i = 1; i < k; i++) top = fmax(top, logits[i]);
  for (int i = 0; i < k; i++) sum += exp(logits[i] - top);
  return top + log(sum) - logits[lrint(v * (k - 1))];
}

static double loss_of(const reference *r) {
  const int k = logits_of(&r->d), channels = r->d.channels;
  const int64_t plane = r->d.height * r->d.width, rows = r->n * plane;
  int64_t width = maps_of(&r->d);
  double *x = input_rows(r), loss = 0;
  for (int i = 0; i < r->d.layers; i++) x = layer_of(r, i, x);
  for (int i = 0; i <= r->d.head_layers; i++) {
    char name[32];
    snprintf(name, sizeof name, "head%d", i);
    for (int64_t e = 0; e < rows * width; e++) x[e] = fmax(x[e], 0);
    const bool last = i == r->d.head_layers;
    const int64_t out = last ? (int64_t)k * channels : r->d.head_width;
    double *y = dense(r, x, width, out, value_of(r, name, "weight"), value_of(r, name, "bias"), 1,
                      last);
    lcl__free(x);
    x = y, width = out;
  }
  for (int64_t i = 0; i < rows; i++)
    for (int c = 0; c < channels; c++)
      loss += nll_of(x + (i * channels + c) * k, k,
                     r->x[(i / plane * channels + c) * plane + i % plane]);
  lcl__free(x);
  return loss / (double)r->n;
}

/* Some elements of every parameter's gradient on the device against central differences of the
 * double loss. */
static void check_gradients(const lcl_pixelrnn_desc *d) {
  net t = net_create(chosen, d);
  lcl_graph *g = new_graph(&t, "training");
  lcl_tensor *x = lcl_input(g, "x", LCL_F32, LCL_SHAPE(t.n, d->channels, d->height, d->width)),
             *wrt[MAX_VARS], *grad[MAX_VARS];
  lcl_tensor *nll = lcl__pixelrnn_nll_rows(x, lcl__pixelrnn_logits(x, d, LCL_BN_NO_UPDATE), d);
  lcl_tensor *loss = lcl_mean(nll, LCL_ALL_AXES, false);
  reference r = { .d = *d, .n = t.n };
  for (size_t i = 0; i < lcl_store_count(t.store); i++) {
    const lcl_var_info v = lcl_store_info(t.store, i);
    if (!v.trainable) continue;
    assert_true(r.vars < MAX_VARS - 1);
    r.var[r.vars].count = lcl_shape_count(v.shape);
    snprintf(r.var[r.vars].name, sizeof r.var[0].name, "%s", v.name);
    wrt[r.vars++] = lcl_param(g, v.name, v.shape, (lcl_init) { 0 });
  }
  lcl_gradients(loss, wrt, r.vars, grad);
  grad[r.vars] = loss;
  lcl_program *p;
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = grad, .n_fetch = r.vars + 1 }, &p));
  float *image = random_images(&t), device_loss;
  double *xd = doubles((int64_t)values_of(&t));
  for (size_t i = 0; i < values_of(&t); i++) xd[i] = (double)image[i];
  r.x = xd;
  ASSERT_OK(lcl_feed(p, "x", image, values_of(&t) * sizeof *image));
  ASSERT_OK(lcl_run(p));
  float *got[MAX_VARS];
  for (int i = 0; i <= r.vars; i++) {
    char output[16];
    const size_t n = i < r.vars ? (size_t)r.var[i].count : 1;
    snprintf(output, sizeof output, "#%d", i);
    got[i] = floats(n);
    ASSERT_OK(lcl_fetch(p, output, got[i], n * sizeof(float)));
    if (i == r.vars) break;
    r.var[i].value = doubles((int64_t)n);
    float *w = floats(n);
    ASSERT_OK(lcl_store_read(t.store, r.var[i].name, w, n * sizeof *w));
    for (size_t e = 0; e < n; e++) r.var[i].value[e] = (double)w[e];
    lcl__free(w);
  }
  device_loss = got[r.vars][0];
  const double expected_loss = loss_of(&r);
  assert_true(fabs((double)device_loss - expected_loss) <=
              rounding(&t, 4) * (double)(d->height * d->width));
  for (int i = 0; i < r.vars; i++) {
    float largest = 0;
    for (int64_t e = 0; e < r.var[i].count; e++) largest = fmaxf(largest, fabsf(got[i][e]));
    for (int64_t e = i % 3; e < r.var[i].count; e += 1 + r.var[i].count / 6) {
      const double step = 1e-5, kept = r.var[i].value[e];
      r.var[i].value[e] = kept + step;
      const double up = loss_of(&r);
      r.var[i].value[e] = kept - step;
      const double numeric = (up - loss_of(&r)) / (2 * step);
      r.var[i].value[e] = kept;
      /* Rounding of the device relative to the parameter's largest gradient, and the differences'
       * own: step^2 of a third derivative and the loss's rounding over the step. */
      const double allowed = 4 * rounding(&t, 4) * (1 + (double)largest) + 1e-8 +
                             1e-14 * fabs(expected_loss) / step;
      if (!(fabs((double)got[i][e] - numeric) <= allowed))
        fail_msg("%s[%lld]: gradient %.8g, difference quotient %.8g, allowed %.3g", r.var[i].name,
                 (long long)e, (double)got[i][e], numeric, allowed);
    }
  }
  for (int i = 0; i <= r.vars; i++) lcl__free(got[i]);
  for (int i = 0; i < r.vars; i++) lcl__free(r.var[i].value);
  lcl__free(image), lcl__free(xd);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  net_destroy(&t);
}

static void gradients(void **state) {
  (void)state;
  for_each_network(check_gradients, device_is("oclgrind"));
  if (!device_is("oclgrind")) check_gradients(&wide);
}

static int open_context(void **state) {
  (void)state;
  ASSERT_OK(lcl_context_create(NULL, &chosen));
  return 0;
}

static int close_context(void **state) {
  (void)state;
  lcl_context_destroy(chosen);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(incremental_equals_full),
    cmocka_unit_test(too_wide),
    cmocka_unit_test(tiled_sampler),
    cmocka_unit_test(lost),
    cmocka_unit_test(causality),
    cmocka_unit_test(samples),
    cmocka_unit_test(gradients),
  };
  return cmocka_run_group_tests(tests, open_context, close_context);
}
