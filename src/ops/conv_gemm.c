/* Convolutions as GEMMs, and the implementation that computes them as such: patches of images are
 * gathered while they are packed, and never written out (implicit GEMM). */
#include "ops/conv_gemm.h"

/* 1x1, no stride, no padding: rows do not matter, an image is one long row. */
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

/* What all three have in common. */
static lcl_gemm with_epilogue(const lcl_conv_problem *p, lcl_gemm g) {
  g.label = p->label;
  g.half = p->half;
  g.half_c = p->half_out;
  g.batch = p->a.groups;
  g.b = p->in[0];
  g.a = p->in[1];
  g.c = p->out;
  g.bias = p->bias;
  g.bias_kind = p->has_bias ? LCL_BIAS_ROW : LCL_BIAS_NONE;
  g.act = p->act;
  g.slope = p->slope;
  return g;
}

/* Patches of x under a filter, for the forward pass and the filter gradient. */
static lcl_patches patches_of(const lcl_conv_attr *a, const lcl_conv_sizes *s) {
  return (lcl_patches) { .images = s->n,
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

/* y[o, pixel] = sum over (tap, channel) of w[o, (channel, tap)] * x[channel, pixel + tap] */
static lcl_gemm forward(const lcl_conv_problem *p) {
  const lcl_conv_sizes s = flatten(&p->a, p->s);
  const int64_t taps = s.kh * s.kw, channels = s.c / p->a.groups, filters = s.o / p->a.groups,
                plane = s.oh * s.ow;
  return with_epilogue(p, (lcl_gemm) { .m = filters,
                                       .n = s.n * plane,
                                       .k = taps * channels,
                                       .a_batch = filters * channels * taps,
                                       .a_rs = channels * taps,
                                       .a_len = channels,
                                       .a_tb = 1,
                                       .a_sa = 1,
                                       .a_s1 = taps,
                                       .source = LCL_GEMM_PATCHES,
                                       .patches = patches_of(&p->a, &s),
                                       .c_batch = filters * plane,
                                       .ldc = plane,
                                       .yn = s.o * plane,
                                       .yrow = s.ow,
                                       .ycol = 1,
                                       .flops = p->flops });
}

/* w[o,c,tap] gradient = sum over pixels of gy[o, pixel] * x[c, pixel + tap] */
static lcl_gemm filter_grad(const lcl_conv_problem *p) {
  const lcl_conv_sizes s = flatten(&p->a, p->s);
  const int64_t columns = s.c / p->a.groups * s.kh * s.kw, filters = s.o / p->a.groups,
                plane = s.oh * s.ow;
  return with_epilogue(p, (lcl_gemm) { .m = filters,
                                       .n = columns,
                                       .k = s.n * plane,
                                       .a_batch = filters * plane,
                                       .a_rs = plane,
                                       .a_len = plane,
                                       .a_tb = 1,
                                       .a_sa = s.o * plane,
                                       .a_s1 = 1,
                                       .source = LCL_GEMM_PATCHES_T,
                                       .patches = patches_of(&p->a, &s),
                                       .c_batch = filters * columns,
                                       .ldc = columns,
                                       .flops = p->flops });
}

/* x[c, position] gradient = sum over (tap, filter) of w[(filter), c, tap] * gy[filter, (position +
 * pad - tap*dilation)/stride] where that divides: what does not depend on the positions. */
static lcl_gemm input_grad(const lcl_conv_problem *p, const lcl_conv_sizes *s) {
  const int64_t taps = s->kh * s->kw, channels = s->c / p->a.groups, filters = s->o / p->a.groups,
                plane = s->h * s->w;
  return with_epilogue(p, (lcl_gemm) { .m = channels,
                                       .a_batch = filters * channels * taps,
                                       .a_rs = taps,
                                       .a_len = filters,
                                       .a_s1 = channels * taps,
                                       .source = LCL_GEMM_PATCHES,
                                       .c_batch = channels * plane,
                                       .ldc = plane,
                                       .yn = s->c * plane,
                                       .patches = { .images = s->n,
                                                    .all_channels = s->o,
                                                    .channels = filters,
                                                    .h = s->oh,
                                                    .w = s->ow,
                                                    .sh = 1,
                                                    .sw = 1 } });
}

lcl_gemm lcl__conv_gemm_fractional(const lcl_conv_problem *p) {
  const lcl_conv_attr *a = &p->a;
  const lcl_conv_sizes s = flatten(a, p->s);
  lcl_gemm g = input_grad(p, &s);
  lcl_patches *x = &g.patches;
  g.n = s.n * s.h * s.w;
  g.k = s.kh * s.kw * g.a_len;
  g.a_tb = g.a_sa = g.ycol = 1;
  g.yrow = s.w;
  g.flops = p->flops;
  x->gq = s.h, x->gr = s.w;
  x->h0 = a->pad[0], x->w0 = a->pad[2];
  x->ta = s.kh, x->tb = s.kw;
  x->dh = -a->dilation[0], x->dw = -a->dilation[1];
  x->fh = a->stride[0], x->fw = a->stride[1];
  return g;
}

/* One dimension of the input gradient, restricted to positions phase, phase + stride, ...: those
 * see taps first, first + step, ... of the filter, and position q of the phase with tap number t
 * reads gy[q + start + t*move]. */
typedef struct phase {
  int64_t count, taps, first, step, start, move;
} phase;

int64_t lcl__gcd(int64_t a, int64_t b) {
  return b ? lcl__gcd(b, a % b) : a;
}

static phase phase_of(const lcl_conv_attr *a, int side, int64_t number, int64_t in,
                      int64_t kernel) {
  const int64_t s = a->stride[side], d = a->dilation[side], before = a->pad[2 * side],
                step = s / lcl__gcd(s, d);
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

lcl_gemm lcl__conv_gemm_phase(const lcl_conv_problem *p, int64_t ph, int64_t pw) {
  const lcl_conv_attr *a = &p->a;
  const lcl_conv_sizes s = flatten(a, p->s);
  const phase y = phase_of(a, 0, ph, s.h, s.kh), x = phase_of(a, 1, pw, s.w, s.kw);
  lcl_gemm g = input_grad(p, &s);
  g.n = s.n * y.count * x.count;
  g.k = y.taps * x.taps * g.a_len;
  g.a_base = y.first * s.kw + x.first;
  g.a_tb = LCL_MAX(x.taps, 1);
  g.a_sa = y.step * s.kw;
  g.a_sb = x.step;
  g.c_base = ph * s.w + pw;
  g.yrow = a->stride[0] * s.w;
  g.ycol = a->stride[1];
  g.flops = 2.0 * (double)(g.m * g.batch) * (double)g.n * (double)g.k;
  g.patches.gq = y.count, g.patches.gr = x.count;
  g.patches.h0 = y.start, g.patches.w0 = x.start;
  g.patches.ta = y.taps, g.patches.tb = x.taps;
  g.patches.dh = y.move, g.patches.dw = x.move;
  return g;
}

lcl_gemm lcl__conv_gemm_of(const lcl_conv_problem *p) {
  return p->pass == LCL_CONV_FORWARD      ? forward(p)
         : p->pass == LCL_CONV_INPUT_GRAD ? lcl__conv_gemm_phase(p, 0, 0)
                                          : filter_grad(p);
}

lcl_status lcl__conv_gemm_each(lcl_lower *lw, const lcl_conv_problem *p,
                               lcl_status (*lower)(lcl_lower *lw, const lcl_gemm *g)) {
  const bool phases = p->pass == LCL_CONV_INPUT_GRAD;
  const lcl_conv_sizes s = flatten(&p->a, p->s);
  int copy = -1; /* of the images, which all phases share */
  for (int64_t ph = 0; ph < (phases ? LCL_MIN(p->a.stride[0], s.h) : 1); ph++) {
    for (int64_t pw = 0; pw < (phases ? LCL_MIN(p->a.stride[1], s.w) : 1); pw++) {
      lcl_gemm g = phases ? lcl__conv_gemm_phase(p, ph, pw) : lcl__conv_gemm_of(p);
      g.channels_last = &copy;
      LCL_TRY(lower(lw, &g));
    }
  }
  return LCL_OK;
}

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p) {
  (void)caps;
  (void)p;
  return true;
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *none) {
  (void)none;
  return lcl__conv_gemm_each(lw, p, lcl__gemm_lower);
}

const lcl_conv_implementation lcl__conv_implicit_gemm = { .base = { .name = "implicit-gemm" },
                                                          .passes = LCL_CONV_FORWARD |
                                                                    LCL_CONV_INPUT_GRAD |
                                                                    LCL_CONV_FILTER_GRAD,
                                                          .halves = true,
                                                          .supported = supported,
                                                          .profitable = supported,
                                                          .lower = lower };
