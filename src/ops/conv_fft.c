/* Convolution by the Fourier transform: profitable for filters of about the image's size. See
 * cl/fft.cl. */
#include "device/divide.h"
#include "ops/conv.h"
#include "ops/fft.h"

#include <math.h>

typedef struct fft_conv {
  lcl_lower *lw;
  lcl_conv_sizes s;
  const lcl_conv_attr *a;
  int64_t f0, f1, pairs;
  char label[232];
} fft_conv;

static fft_conv prepare(lcl_lower *lw, const lcl_conv_problem *p) {
  fft_conv c = { .lw = lw, .s = p->s, .a = &p->a };
  c.f0 = lcl__fft_size(c.s.h + c.a->pad[0] + c.a->pad[1]);
  c.f1 = lcl__fft_size(c.s.w + c.a->pad[2] + c.a->pad[3]);
  c.pairs = (c.s.n + 1) / 2;
  return c;
}

/* A transform's operation is worth this many of implicit GEMM, with clFFT and with own
 * passes; figures from PoCL on two AVX-512 cores. */
enum { CLFFT_COST = 10, OWN_COST = 25 };

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p) {
  (void)caps;
  return p->a.stride[0] == 1 && p->a.stride[1] == 1 && p->s.kh * p->s.kw >= 25;
}

static bool profitable(const lcl_caps *caps, const lcl_conv_problem *p) {
  const fft_conv c = prepare(NULL, p);
  if (c.s.kh * c.s.kw < 256) return false;
  const double bins = (double)(c.f0 * c.f1), channels = (double)(c.s.c / c.a->groups);
  const double transforms = (double)(c.pairs * c.s.c) + (double)c.s.o * channels +
                            (double)(c.pairs * c.s.o);
  const double spectral = 8 * (double)(c.pairs * c.s.o) * channels * bins;
  const double cost = caps->clfft ? CLFFT_COST : OWN_COST;
  return p->flops > cost * (5 * transforms * bins * log2(bins + 1) + spectral);
}

/* Unit roundoff times some steps of the transforms. */
static double tolerance(const lcl_conv_problem *p) {
  return 0x1p-24 * 8 * log2((double)(p->s.h * p->s.w) + 2);
}

/* Emits a kernel of fft.cl over `total` elements, appending total and chunk to the arguments. */
static lcl_status emit(const fft_conv *c, const char *kernel, const lcl_arg *args, int n_args,
                       int64_t total, double bytes) {
  lcl_arg all[24];
  const int64_t chunk = lcl__share(lcl__lower_caps(c->lw), total, 256);
  memcpy(all, args, sizeof *args * (size_t)n_args);
  all[n_args] = lcl__i32(total);
  all[n_args + 1] = lcl__i32(chunk);
  return lcl__emit(c->lw, &(lcl_launch) { .label = c->label,
                                          .source = { .file = "fft.cl" },
                                          .kernel = kernel,
                                          .args = all,
                                          .n_args = n_args + 2,
                                          .dims = 1,
                                          .global = { (size_t)((total + chunk - 1) / chunk) },
                                          .bytes = bytes });
}
#define EMIT(c, kernel, total, bytes, ...)                                                         \
  emit(c, kernel, (lcl_arg[]) { __VA_ARGS__ },                                                     \
       (int)(sizeof((lcl_arg[]) { __VA_ARGS__ }) / sizeof(lcl_arg)), total, bytes)

static lcl_status transform(const fft_conv *c, int64_t batch, bool inverse, int *data) {
  return lcl__fft_lower(c->lw, &(lcl_fft_desc) { c->label, c->f0, c->f1, batch, inverse }, *data,
                        data);
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *problem,
                        const lcl_kernel_params *none) {
  (void)none;
  fft_conv c = prepare(lw, problem);
  const lcl_conv_sizes *s = &c.s;
  const lcl_conv_attr *a = c.a;
  snprintf(c.label, sizeof c.label, "%s fft", problem->label);
  const int64_t bins = c.f0 * c.f1, per = s->c / a->groups;
  const int64_t n_z = c.pairs * s->c * bins, n_w = s->o * per * bins, n_y = c.pairs * s->o * bins;
  int z = lcl__scratch(lw, 8 * (size_t)n_z), w = lcl__scratch(lw, 8 * (size_t)n_w),
      p = lcl__scratch(lw, 8 * (size_t)n_y);
  if (per > 0) {
    LCL_TRY(EMIT(&c, "fft_pad_images", n_z, 8.0 * (double)n_z, problem->in[0],
                 lcl__scratch_arg(lw, z, LCL_WRITE), lcl__i32(s->n), lcl__i32(s->c), lcl__i32(s->h),
                 lcl__i32(s->w), lcl__i32(c.f0), lcl__i32(c.f1), lcl__i32(a->pad[0]),
                 lcl__i32(a->pad[2])));
    LCL_TRY(transform(&c, c.pairs * s->c, false, &z));
    LCL_TRY(EMIT(&c, "fft_pad_filter", n_w, 8.0 * (double)n_w, problem->in[1],
                 lcl__scratch_arg(lw, w, LCL_WRITE), lcl__i32(s->kh), lcl__i32(s->kw),
                 lcl__i32(a->dilation[0]), lcl__i32(a->dilation[1]), lcl__i32(c.f0),
                 lcl__i32(c.f1)));
    LCL_TRY(transform(&c, s->o * per, false, &w));
  }
  LCL_TRY(EMIT(&c, "fft_multiply", n_y, 8.0 * (double)(n_z + n_w + n_y),
               lcl__scratch_arg(lw, z, LCL_READ), lcl__scratch_arg(lw, w, LCL_READ),
               lcl__scratch_arg(lw, p, LCL_WRITE), lcl__i32(s->c), lcl__i32(s->o),
               lcl__i32(a->groups), lcl__i32(bins)));
  LCL_TRY(transform(&c, c.pairs * s->o, true, &p));
  const int64_t n_out = s->n * s->o * s->oh * s->ow;
  return EMIT(&c, "fft_crop", n_out, 8.0 * (double)n_y, lcl__scratch_arg(lw, p, LCL_READ),
              problem->out, problem->bias, lcl__i32(s->o), lcl__i32(s->oh), lcl__i32(s->ow),
              lcl__i32(c.f0), lcl__i32(c.f1), lcl__i32(a->stride[0]), lcl__i32(a->stride[1]),
              lcl__f32(1.0f / (float)bins), lcl__i32(problem->has_bias), lcl__i32(problem->act),
              lcl__f32(problem->slope));
}

const lcl_conv_implementation lcl__conv_fft = { .base = { .name = "fft" },
                                                .passes = LCL_CONV_FORWARD,
                                                .mixes_taps = true,
                                                .supported = supported,
                                                .profitable = profitable,
                                                .lower = lower,
                                                .tolerance = tolerance };
