/* The list of convolution implementations. See conv.h. */
#include "ops/choose.h"
#include "ops/conv.h"

extern const lcl_conv_implementation lcl__conv_fft, lcl__conv_winograd2, lcl__conv_winograd4,
    lcl__conv_winograd4_tiled, lcl__conv_few, lcl__conv_direct, lcl__conv_nhwc,
    lcl__conv_im2col_clblast, lcl__conv_phases, lcl__conv_implicit_gemm;

/* The last one can compute everything. */
static const lcl_implementation *const list[] = { &lcl__conv_fft.base,
                                                  &lcl__conv_winograd4.base,
                                                  &lcl__conv_winograd2.base,
                                                  &lcl__conv_winograd4_tiled.base,
                                                  &lcl__conv_few.base,
                                                  &lcl__conv_direct.base,
                                                  &lcl__conv_nhwc.base,
                                                  &lcl__conv_im2col_clblast.base,
                                                  &lcl__conv_phases.base,
                                                  &lcl__conv_implicit_gemm.base,
                                                  NULL };

const lcl_conv_implementation *lcl__conv_implementation_of(const lcl_implementation *im) {
  return (const lcl_conv_implementation *)im; /* whose first member it is */
}

#define TYPED(im) lcl__conv_implementation_of(im)

static bool supported(const lcl_implementation *im, const lcl_caps *caps, const void *problem) {
  const lcl_conv_problem *p = problem;
  return (TYPED(im)->passes & p->pass) && !(TYPED(im)->mixes_taps && p->masked) &&
         (TYPED(im)->halves || !p->half) && TYPED(im)->supported(caps, p);
}

static bool profitable(const lcl_implementation *im, const lcl_caps *caps, const void *p) {
  return TYPED(im)->profitable && TYPED(im)->profitable(caps, p);
}

static void start(const lcl_implementation *im, const lcl_caps *caps, const void *p,
                  lcl_kernel_params *params) {
  if (TYPED(im)->choose) TYPED(im)->choose(caps, p, params);
}

static bool legal(const lcl_caps *caps, const void *p, const lcl_choice *c) {
  const lcl_conv_implementation *im = TYPED(c->implementation);
  return !im->legal || im->legal(caps, p, &c->params);
}

static double expected(const lcl_caps *caps, const void *p, const lcl_choice *c) {
  const lcl_conv_implementation *im = TYPED(c->implementation);
  return im->expected ? im->expected(caps, p, &c->params) : 0;
}

static lcl_status lower(lcl_lower *lw, const void *p, const lcl_choice *c) {
  return TYPED(c->implementation)->lower(lw, p, &c->params);
}

const lcl_kind lcl__conv_kind = { .list = list,
                                  .supported = supported,
                                  .profitable = profitable,
                                  .start = start,
                                  .expected = expected,
                                  .legal = legal,
                                  .lower = lower };

static void write_key(const lcl_conv_problem *p, char key[160]) {
  const lcl_conv_attr *a = &p->a;
  const lcl_conv_sizes *s = &p->s;
  snprintf(
      key, 160,
      "%s%s %lldx%lldx%lldx%lld %lldx%lldx%lld step %lld,%lld pad %lld,%lld,%lld,%lld dilation "
      "%lld,%lld "
      "groups %lld",
      lcl__conv_op(p->pass)->name, p->half ? " f16" : "", (long long)s->n, (long long)s->c,
      (long long)s->h, (long long)s->w, (long long)s->o, (long long)s->kh, (long long)s->kw,
      (long long)a->stride[0], (long long)a->stride[1], (long long)a->pad[0], (long long)a->pad[1],
      (long long)a->pad[2], (long long)a->pad[3], (long long)a->dilation[0],
      (long long)a->dilation[1], (long long)a->groups);
}

lcl_problem lcl__conv_as_problem(const lcl_conv_problem *conv) {
  lcl_problem p = { .kind = &lcl__conv_kind,
                    .p = conv,
                    .op = lcl__conv_op(conv->pass)->name,
                    .label = conv->label,
                    .flops = conv->flops };
  write_key(conv, p.key);
  return p;
}

lcl_status lcl__conv_lower(lcl_lower *lw, const lcl_conv_problem *conv) {
  lcl_shape shapes[3];
  lcl__conv_shapes(conv, shapes);
  if (lcl_shape_count(shapes[2]) == 0) return LCL_OK;
  if (conv->a.fft && conv->pass == LCL_CONV_FORWARD) /* the op asks for it */
    return lcl__conv_fft.lower(lw, conv, NULL);
  const lcl_problem p = lcl__conv_as_problem(conv);
  return lcl__choose_and_lower(lw, &p);
}
