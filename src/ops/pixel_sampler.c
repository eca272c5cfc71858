/* PixelRNN's sampler (cl/pixelrnn.cl): one launch samples a batch of images, or, where the device
 * ends long loops, as many as it takes. */
#include "ops/pixel_sampler.h"

#include <math.h>

#include "cl/args.h"
#include "device/divide.h"

/* As struct net and its functions in cl/pixelrnn.cl. */
static int64_t weights_count(const lcl_pixel_sampler_desc *d, int64_t channels) {
  const int64_t h = d->hidden, maps = d->residual ? 2 * h : h;
  const int64_t layer = (maps + 1) * 8 * h + 16 * h * h + (d->residual ? (h + 1) * maps : 0);
  int64_t n = (channels * 49 + 1) * maps + d->layers * layer, in = maps;
  for (int i = 0; i < d->head_layers; i++) {
    n += (in + 1) * d->head_width;
    in = d->head_width;
  }
  return n + (in + 1) * channels * d->logits;
}

static int64_t margin_count(const lcl_pixel_sampler_desc *d, int64_t height) {
  return 8 * (int64_t)d->hidden + (d->states ? 2 * height * height * 6 * d->hidden : 0);
}

static int64_t scratch_count(const lcl_pixel_sampler_desc *d, int64_t width) {
  return 2 * (int64_t)d->hidden + 2 * (int64_t)d->head_width + d->logits +
         d->layers * (9 * width * d->hidden + d->hidden);
}

static lcl_status want_count(const lcl_tensor *t, int64_t n, const char *what) {
  char text[96];
  if (t->dtype != LCL_F32 || t->shape.rank != 1 || t->shape.dim[0] != n)
    return lcl__fail(LCL_ERR_SHAPE, "%s must be %lld f32 numbers, got %s %s", what, (long long)n,
                     lcl_dtype_name(t->dtype), lcl_shape_string(t->shape, text));
  return LCL_OK;
}

static lcl_status infer(lcl_node *node) {
  const lcl_pixel_sampler_desc *d = node->attr;
  const lcl_shape s = node->in[0]->shape;
  char text[96], other[96];
  if (s.rank != 4 || !lcl_shape_equal(s, node->in[1]->shape) || lcl_shape_count(s) > INT32_MAX)
    return lcl__fail(LCL_ERR_SHAPE,
                     "uniform and given must both be (N,H,W,channels), got %s and %s",
                     lcl_shape_string(s, text), lcl_shape_string(node->in[1]->shape, other));
  if (d->layers < 1 || d->hidden < 1 || d->head_layers < 0 || (d->logits != 1 && d->logits != 256))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "%d layers of %d units, %d head layers and %d logits are not a network",
                     d->layers, d->hidden, d->head_layers, d->logits);
  if (!(d->temperature > 0))
    return lcl__fail(LCL_ERR_ARGUMENT, "the temperature must be above 0, got %g",
                     (double)d->temperature);
  LCL_TRY(want_count(node->in[2], weights_count(d, s.dim[3]), "weights"));
  LCL_TRY(want_count(node->in[3], d->layers * margin_count(d, s.dim[1]), "margins"));
  node->n_out = 2;
  for (int i = 0; i < 2; i++) {
    node->out[i].dtype = LCL_F32;
    node->out[i].shape = s;
  }
  return LCL_OK;
}

static int vector_width(const lcl_caps *caps, const lcl_pixel_sampler_desc *d) {
  static const int widths[] = { 16, 8, 4 };
  for (size_t i = 0; caps->packed && i < LCL_COUNT(widths); i++)
    if (widths[i] <= (int)caps->preferred_float && d->hidden % widths[i] == 0 &&
        d->head_width % widths[i] == 0)
      return widths[i];
  return 1;
}

static double flops(const lcl_node *node) {
  const lcl_pixel_sampler_desc *d = node->attr;
  const lcl_shape s = node->in[0]->shape;
  return 2.0 * (double)lcl_shape_count(s) * (double)weights_count(d, s.dim[3]);
}

/* Rounds of a loop of n, with the look that ends it; of one over n jobs of `group` work-items. */
static int64_t loop(int64_t n, int64_t inside) {
  return n * (1 + inside) + 1;
}
static int64_t jobs(int64_t n, int64_t group, int64_t inside) {
  return loop(lcl__ceil_div(n, group), inside);
}

/* Most rounds of loops that a work-item goes through in one step of cl/pixelrnn.cl. */
static int64_t rounds_of_step(const lcl_pixel_sampler_desc *d, int64_t channels, int64_t group) {
  const int64_t h = d->hidden, maps = d->residual ? 2 * h : h, g = group,
                cell = loop(4, 2 * loop(h, 0));
  const int64_t layer = jobs(2 * h, g, loop(4, loop(maps, 0)) + cell) +
                        jobs(maps, g, 2 * loop(h, 0));
  int64_t value = jobs(maps, g, loop(25, loop(channels, 0))) + loop(d->layers, layer), in = maps;
  for (int i = 0; i < d->head_layers; i++) {
    value += jobs(d->head_width, g, loop(in, 0));
    in = d->head_width;
  }
  value += jobs(d->logits, g, loop(in, 0)) + 3 * jobs(d->logits, g, 0) + 2 * loop(g, 0);
  return LCL_MAX(value, jobs(d->layers * h, g, loop(4, 0) + cell));
}

/* How all steps are divided: work-items of a group, and steps of a launch. */
static lcl_status divide(lcl_lower *lw, const lcl_node *node, int64_t all, size_t *group,
                         int64_t *steps) {
  enum { MOST = 64 }; /* work-items, as in cl/pixelrnn.cl */
  const lcl_pixel_sampler_desc *d = node->attr;
  const lcl_caps *caps = lcl__lower_caps(lw);
  const lcl_shape s = node->in[0]->shape;
  const size_t most = caps->packed ? 1 : LCL_MIN(caps->max_work_group, (size_t)MOST);
  bool whole;
  LCL_TRY(lcl__loops_ask(lcl__lower_context(lw), &whole));
  /* One hardware vector of work-items an image: its barriers cost next to nothing. */
  *group = LCL_MIN(most, LCL_MAX(caps->preferred_multiple, (size_t)1));
  *steps = all;
  if (whole) return LCL_OK;
  *group = most;
  const int64_t items = (int64_t)most, step = 4 + rounds_of_step(d, s.dim[3], items),
                cleared = jobs(s.dim[1] * s.dim[2] * s.dim[3], items, 0);
  *steps = (LCL_SHORT_LOOP - cleared) / step;
  if (*steps > 0) return LCL_OK;
  return lcl__fail(LCL_ERR_UNSUPPORTED,
                   "the device ends loops before %d rounds, and one value of this network takes "
                   "%lld: use narrower layers or another device",
                   LCL_LONG_LOOP, (long long)step);
}

static lcl_status lower(lcl_lower *lw, lcl_node *node) {
  const lcl_pixel_sampler_desc *d = node->attr;
  const lcl_shape s = node->in[0]->shape;
  sampler_sizes sizes = { .layers = lcl__int(lw, d->layers),
                          .hidden = lcl__int(lw, d->hidden),
                          .channels = lcl__int(lw, s.dim[3]),
                          .logits = lcl__int(lw, d->logits),
                          .height = lcl__int(lw, s.dim[1]),
                          .width = lcl__int(lw, s.dim[2]),
                          .head_layers = lcl__int(lw, d->head_layers),
                          .head_width = lcl__int(lw, d->head_width),
                          .residual = lcl__int(lw, d->residual),
                          .edges = lcl__int(lw, d->states),
                          .margin_size = lcl__int(lw, margin_count(d, s.dim[1])),
                          .given_rows = lcl__int(lw, d->given_rows) };
  const int scratch = lcl__scratch(lw,
                                   (size_t)(s.dim[0] * scratch_count(d, s.dim[2])) * sizeof(float));
  char label[160], options[32];
  snprintf(label, sizeof label, "pixelrnn_sample %lldx%lldx%lld, %d layers of %d",
           (long long)s.dim[0], (long long)s.dim[1], (long long)s.dim[2], d->layers, d->hidden);
  snprintf(options, sizeof options, "-DSAMPLER_V=%d", vector_width(lcl__lower_caps(lw), d));
  const int64_t all = s.dim[1] * (s.dim[2] * s.dim[3] + s.dim[2]);
  size_t group;
  int64_t steps;
  LCL_TRY(divide(lw, node, all, &group, &steps));
  for (int64_t begin = 0; begin < all; begin += steps) {
    const int64_t end = LCL_MIN(begin + steps, all);
    sizes.begin = lcl__int(lw, begin);
    sizes.end = lcl__int(lw, end);
    LCL_TRY(lcl__emit(
        lw, &(lcl_launch) { .label = label,
                            .source = { .file = "pixelrnn.cl", .options = options },
                            .kernel = "pixelrnn_sample",
                            LCL_ARGS(lcl__in(lw, node->in[2]), lcl__in(lw, node->in[3]),
                                     lcl__in(lw, node->in[0]), lcl__in(lw, node->in[1]),
                                     lcl__out(lw, &node->out[0]), lcl__out(lw, &node->out[1]),
                                     lcl__scratch_arg(lw, scratch, LCL_WRITE), LCL_STRUCT(sizes),
                                     lcl__f32(d->shift), lcl__f32(1 / d->temperature)),
                            .dims = 1,
                            .global = { (size_t)s.dim[0] * group },
                            .local = { group },
                            .flops = flops(node) * (double)(end - begin) / (double)all }));
  }
  return LCL_OK;
}

static const lcl_op op_sampler = { .name = "pixelrnn_sample",
                                   .attr_size = sizeof(lcl_pixel_sampler_desc),
                                   .infer = infer,
                                   .lower = lower,
                                   .flops = flops,
                                   .flags = LCL_OP_NO_GRAD };

lcl_tensor *lcl__pixel_sampler(lcl_tensor *uniform, lcl_tensor *given, lcl_tensor *weights,
                               lcl_tensor *margins, const lcl_pixel_sampler_desc *desc,
                               lcl_tensor **log_p) {
  lcl_tensor *out = lcl__node_new(uniform->node->graph, &op_sampler,
                                  LCL_IN(uniform, given, weights, margins), desc, 2);
  if (log_p) *log_p = lcl__node_out(out, 1);
  return out;
}
