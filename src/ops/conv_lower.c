/* Lowering of the convolutions to implicit products. */
#include "ops/conv.h"
#include "ops/gemm.h"

double lcl_conv_flops(const lcl_node *node) {
  const lcl_conv_sizes s = lcl_conv_sizes_of(node);
  const lcl_conv_attr *a = node->attr;
  return 2.0 * (double)(s.n * s.o) * (double)(s.oh * s.ow) * (double)(s.c / a->groups) *
         (double)(s.kh * s.kw);
}

static void label_of(const lcl_node *node, char *out, size_t n) {
  char a[96], b[96];
  snprintf(out, n, "%s %s %s", node->op->name, lcl_shape_string(node->in[0]->shape, a),
           lcl_shape_string(node->in[1]->shape, b));
}

/* 1x1, no stride, no padding: rows do not matter, a picture is one long row. */
static bool pointwise(const lcl_conv_attr *a, const lcl_conv_sizes *s) {
  return s->kh == 1 && s->kw == 1 && a->stride[0] == 1 && a->stride[1] == 1 && s->h == s->oh &&
         s->w == s->ow && a->pad[0] == 0 && a->pad[2] == 0;
}

static lcl_conv_sizes flatten(const lcl_conv_attr *a, lcl_conv_sizes s) {
  if (pointwise(a, &s)) {
    s.w *= s.h;
    s.ow *= s.oh;
    s.h = s.oh = 1;
  }
  return s;
}

static void set_epilogue(lcl_lower *lw, lcl_gemm *g, const lcl_epilogue *e) {
  g->c = lcl_out(lw, e->out);
  g->act = e->act;
  g->slope = e->slope;
  if (e->bias) {
    g->bias = lcl_in(lw, e->bias);
    g->bias_kind = LCL_BIAS_ROW;
  }
}

/* Patches of x under a filter, for the forward pass and the filter gradient. */
static lcl_patches patches_of(const lcl_conv_attr *a, const lcl_conv_sizes *s) {
  return (lcl_patches) { .pictures = s->n,
                         .all_channels = s->c,
                         .channels = s->c / a->groups,
                         .h = s->h,
                         .w = s->w,
                         .gq = s->oh,
                         .gr = s->ow,
                         .sh = a->stride[0],
                         .sw = a->stride[1],
                         .h0 = -a->pad[0],
                         .w0 = -a->pad[2],
                         .ta = s->kh,
                         .tb = s->kw,
                         .dh = a->dilation[0],
                         .dw = a->dilation[1] };
}

/* Pixels under masked weights must not influence a result even by rounding: no sums that mix taps.
 */
static bool masked(const lcl_node *node) {
  return node->in[1]->node->op->flags & LCL_OP_MASKED;
}

/* Whether outputs may be computed from sums that mix neighbouring taps of a 3x3 filter. */
static bool may_regroup(const lcl_node *node, const lcl_conv_attr *a) {
  return !masked(node) && a->groups == 1 && a->dilation[0] == 1 && a->dilation[1] == 1 &&
         a->stride[0] == 1 && a->stride[1] == 1;
}

/* The algorithms that can compute a convolution, and the one taken where the tuner has not
 * measured. */
typedef struct choice {
  unsigned possible;
  lcl_conv_algorithm standard;
} choice;

static const choice only_product = { LCL_CONV_BIT(LCL_CONV_PRODUCT), LCL_CONV_PRODUCT };

/* In order of preference: the first that pays is the standard one. */
static void offer(choice *c, lcl_conv_algorithm algorithm, bool can, bool pays) {
  if (!can) return;
  c->possible |= LCL_CONV_BIT(algorithm);
  if (pays && c->standard == LCL_CONV_PRODUCT) c->standard = algorithm;
}

/* y[o, pixel] = sum over (tap, channel) of w[o, (channel, tap)] * x[channel, pixel + tap] */
lcl_status lcl_conv_lower_fused(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e) {
  const lcl_conv_attr *a = node->attr;
  if (a->fft) return lcl_conv_fft_lower_fused(lw, node, e);
  const lcl_conv_sizes s = flatten(a, lcl_conv_sizes_of(node));
  const int64_t taps = s.kh * s.kw, channels = s.c / a->groups, filters = s.o / a->groups,
                plane = s.oh * s.ow;
  char label[224];
  label_of(node, label, sizeof label);
  lcl_gemm g = { .label = label,
                 .m = filters,
                 .n = s.n * plane,
                 .k = taps * channels,
                 .batch = a->groups,
                 .a = lcl_in(lw, node->in[1]),
                 .a_batch = filters * channels * taps,
                 .a_rs = channels * taps,
                 .a_len = channels,
                 .a_tb = 1,
                 .a_sa = 1,
                 .a_s1 = taps,
                 .b = lcl_in(lw, node->in[0]),
                 .source = LCL_GEMM_PATCHES,
                 .patches = patches_of(a, &s),
                 .c_batch = filters * plane,
                 .ldc = plane,
                 .yn = s.o * plane,
                 .yrow = s.ow,
                 .ycol = 1,
                 .flops = lcl_conv_flops(node) };
  set_epilogue(lw, &g, e);
  const lcl_winograd fast = { &g, channels * taps, taps, channels, false };
  const lcl_caps *caps = lcl_lower_caps(lw);
  const bool free = !masked(node), wino = free && may_regroup(node, a);
  choice c = only_product;
  offer(&c, LCL_CONV_FFT, free && lcl_conv_fft_can(node), lcl_conv_fft_pays(caps, node));
  offer(&c, LCL_CONV_WINOGRAD, wino && lcl_winograd_can(caps, &fast),
        lcl_winograd_pays(caps, &fast));
  offer(&c, LCL_CONV_THIN, lcl_conv_thin_can(caps, node), lcl_conv_thin_pays(caps, node));
  offer(&c, LCL_CONV_CLBLAST, free && lcl_conv_clblast_can(caps, node, e), false);
  switch (lcl_conv_choose(lw, node, c.possible, c.standard)) {
  case LCL_CONV_WINOGRAD: return lcl_winograd_lower(lw, &fast);
  case LCL_CONV_FFT: return lcl_conv_fft_lower_fused(lw, node, e);
  case LCL_CONV_CLBLAST: return lcl_conv_lower_clblast(lw, node, e);
  case LCL_CONV_THIN: return lcl_conv_thin_lower(lw, node, e, label);
  default: return lcl_gemm_lower(lw, &g);
  }
}

/* w[o,c,tap] gradient = sum over pixels of gy[o, pixel] * x[c, pixel + tap] */
lcl_status lcl_conv_filter_grad_lower(lcl_lower *lw, lcl_node *node) {
  const lcl_conv_attr *a = node->attr;
  const lcl_conv_sizes s = flatten(a, lcl_conv_sizes_of(node));
  const int64_t columns = s.c / a->groups * s.kh * s.kw, filters = s.o / a->groups,
                plane = s.oh * s.ow;
  char label[224];
  label_of(node, label, sizeof label);
  const lcl_gemm g = { .label = label,
                       .m = filters,
                       .n = columns,
                       .k = s.n * plane,
                       .batch = a->groups,
                       .a = lcl_in(lw, node->in[1]),
                       .a_batch = filters * plane,
                       .a_rs = plane,
                       .a_len = plane,
                       .a_tb = 1,
                       .a_sa = s.o * plane,
                       .a_s1 = 1,
                       .b = lcl_in(lw, node->in[0]),
                       .source = LCL_GEMM_PATCHES_T,
                       .patches = patches_of(a, &s),
                       .c = lcl_out(lw, &node->out[0]),
                       .c_batch = filters * columns,
                       .ldc = columns,
                       .flops = lcl_conv_flops(node) };
  const lcl_caps *caps = lcl_lower_caps(lw);
  choice c = only_product;
  offer(&c, LCL_CONV_WINOGRAD, lcl_winograd_filter_grad_can(caps, &g),
        lcl_winograd_filter_grad_pays(caps, &g));
  offer(&c, LCL_CONV_THIN, lcl_conv_thin_can(caps, node), lcl_conv_thin_pays(caps, node));
  offer(&c, LCL_CONV_ROWS, lcl_conv_rows_filter_grad_can(caps, node),
        lcl_conv_rows_filter_grad_pays(caps, node));
  switch (lcl_conv_choose(lw, node, c.possible, c.standard)) {
  case LCL_CONV_WINOGRAD: return lcl_winograd_filter_grad_lower(lw, &g);
  case LCL_CONV_THIN: return lcl_conv_thin_lower_filter_grad(lw, node, &g);
  case LCL_CONV_ROWS: return lcl_conv_rows_lower_filter_grad(lw, node, &g);
  default: return lcl_gemm_lower(lw, &g);
  }
}

/* One dimension of the input gradient, restricted to positions phase, phase + stride, ...: those
 * see taps first, first + step, ... of the filter, and position q of the phase with tap number t
 * looks at gy[q + start
 * + t*move]. */
typedef struct phase {
  int64_t count, taps, first, step, start, move;
} phase;

static int64_t gcd(int64_t a, int64_t b) {
  return b ? gcd(b, a % b) : a;
}

static phase phase_of(const lcl_conv_attr *a, int side, int64_t number, int64_t in,
                      int64_t kernel) {
  const int64_t s = a->stride[side], d = a->dilation[side], before = a->pad[2 * side],
                step = s / gcd(s, d);
  phase p = { .count = (in - number + s - 1) / s, .step = step, .move = -(step * d / s) };
  for (p.first = 0; p.first < LCL_MIN(step, kernel); p.first++)
    if ((number + before - p.first * d) % s == 0) break;
  if (p.first < LCL_MIN(step, kernel)) {
    p.taps = (kernel - 1 - p.first) / step + 1;
    p.start = (number + before - p.first * d) / s;
  } else {
    p.first = 0;
  }
  return p;
}

/* The input gradient as one product over pixels that are parts of gy's. */
static lcl_gemm all_phases(const lcl_gemm *one, const lcl_conv_attr *a, const lcl_conv_sizes *s) {
  lcl_gemm g = *one;
  g.n = s->n * s->h * s->w;
  g.k = s->kh * s->kw * g.a_len;
  g.a_tb = g.a_sa = g.ycol = 1;
  g.yrow = s->w;
  g.flops = 2.0 * (double)(g.m * g.batch * g.k) * (double)(s->n * s->oh * s->ow);
  g.patches = (lcl_patches) { .pictures = s->n,
                              .all_channels = s->o,
                              .channels = g.a_len,
                              .h = s->oh,
                              .w = s->ow,
                              .gq = s->h,
                              .gr = s->w,
                              .sh = 1,
                              .sw = 1,
                              .h0 = a->pad[0],
                              .w0 = a->pad[2],
                              .ta = s->kh,
                              .tb = s->kw,
                              .dh = -a->dilation[0],
                              .dw = -a->dilation[1],
                              .fh = a->stride[0],
                              .fw = a->stride[1] };
  return g;
}

/* The part of g that a phase decides: positions (ph + stride*q, pw + stride*r). */
static void phase_product(lcl_gemm *g, const lcl_conv_attr *a, const lcl_conv_sizes *s, int64_t ph,
                          int64_t pw) {
  const phase y = phase_of(a, 0, ph, s->h, s->kh), x = phase_of(a, 1, pw, s->w, s->kw);
  const int64_t filters = s->o / a->groups;
  g->n = s->n * y.count * x.count;
  g->k = y.taps * x.taps * filters;
  g->a_base = y.first * s->kw + x.first;
  g->a_tb = LCL_MAX(x.taps, 1);
  g->a_sa = y.step * s->kw;
  g->a_sb = x.step;
  g->c_base = ph * s->w + pw;
  g->flops = 2.0 * (double)(g->m * g->batch) * (double)g->n * (double)g->k;
  g->patches = (lcl_patches) { .pictures = s->n,
                               .all_channels = s->o,
                               .channels = filters,
                               .h = s->oh,
                               .w = s->ow,
                               .gq = y.count,
                               .gr = x.count,
                               .sh = 1,
                               .sw = 1,
                               .h0 = y.start,
                               .w0 = x.start,
                               .ta = y.taps,
                               .tb = x.taps,
                               .dh = y.move,
                               .dw = x.move };
}

/* x[c, position] gradient = sum over (tap, filter) of w[(filter), c, tap] * gy[filter, (position +
 * pad - tap*dilation)/stride] where that divides: a convolution of gy for each phase of the stride,
 * unless cl/conv_rows.cl takes them all at once. */
lcl_status lcl_conv_input_grad_lower_fused(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e) {
  const lcl_conv_attr *a = node->attr;
  const lcl_conv_sizes s = flatten(a, lcl_conv_sizes_of(node));
  const int64_t taps = s.kh * s.kw, channels = s.c / a->groups, filters = s.o / a->groups,
                plane = s.h * s.w;
  char label[224];
  label_of(node, label, sizeof label);
  lcl_gemm g = { .label = label,
                 .m = channels,
                 .batch = a->groups,
                 .a = lcl_in(lw, node->in[1]),
                 .a_batch = filters * channels * taps,
                 .a_rs = taps,
                 .a_len = filters,
                 .a_s1 = channels * taps,
                 .b = lcl_in(lw, node->in[0]),
                 .source = LCL_GEMM_PATCHES,
                 .c_batch = channels * plane,
                 .ldc = plane,
                 .yn = s.c * plane,
                 .yrow = a->stride[0] * s.w,
                 .ycol = a->stride[1] };
  int copy = -1;
  g.channels_last = &copy;
  set_epilogue(lw, &g, e);
  const lcl_gemm whole = all_phases(&g, a, &s);
  phase_product(&g, a, &s, 0, 0);
  const lcl_caps *caps = lcl_lower_caps(lw);
  lcl_gemm forward = g; /* with stride 1, a convolution with the filter read backwards */
  forward.patches.h0 -= 2, forward.patches.w0 -= 2;
  forward.patches.dh = forward.patches.dw = 1;
  const lcl_winograd fast = { &forward, taps, channels * taps, filters, true };
  const bool wino = may_regroup(node, a) && s.kh == 3 && s.kw == 3;
  choice c = only_product;
  offer(&c, LCL_CONV_THIN, lcl_conv_thin_can(caps, node), lcl_conv_thin_pays(caps, node));
  offer(&c, LCL_CONV_WINOGRAD, wino && lcl_winograd_can(caps, &fast),
        lcl_winograd_pays(caps, &fast));
  switch (lcl_conv_choose(lw, node, c.possible, c.standard)) {
  case LCL_CONV_WINOGRAD: return lcl_winograd_lower(lw, &fast);
  case LCL_CONV_THIN: return lcl_conv_thin_lower(lw, node, e, label);
  default: break;
  }
  if (LCL_MAX(a->stride[0], a->stride[1]) > 1 && s.n && plane &&
      lcl_gemm_choose(caps, &whole).algorithm == LCL_GEMM_ROWS)
    return lcl_gemm_lower(lw, &whole);
  for (int64_t ph = 0; ph < LCL_MIN(a->stride[0], s.h); ph++) {
    for (int64_t pw = 0; pw < LCL_MIN(a->stride[1], s.w); pw++) {
      phase_product(&g, a, &s, ph, pw);
      LCL_TRY(lcl_gemm_lower(lw, &g));
    }
  }
  return LCL_OK;
}
