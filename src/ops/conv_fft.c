/* Convolution by the Fourier transform: profitable for filters of about the image's size. See
 * cl/fft.cl. */
#include <math.h>

#include "device/divide.h"
#include "ops/conv.h"
#include "ops/fft.h"

#include "cl/args.h"

typedef struct fft_conv {
  lcl_lower *lw;
  const lcl_conv_problem *p;
  lcl_conv_sizes s;
  int64_t f0, f1, bins, pairs;
  int64_t planes; /* of all filters: one for each channel of their groups */
  char label[232];
} fft_conv;

static fft_conv prepare(lcl_lower *lw, const lcl_conv_problem *p) {
  fft_conv c = { .lw = lw, .p = p, .s = p->s };
  c.f0 = lcl__fft_size(c.s.h + p->a.pad[0] + p->a.pad[1]);
  c.f1 = lcl__fft_size(c.s.w + p->a.pad[2] + p->a.pad[3]);
  c.bins = c.f0 * c.f1;
  c.pairs = (c.s.n + 1) / 2;
  c.planes = c.s.o * (c.s.c / p->a.groups);
  snprintf(c.label, sizeof c.label, "%s fft", p->label);
  return c;
}

/* A transform's operation is worth this many of implicit GEMM, with clFFT and with own
 * passes; figures from PoCL on two AVX-512 cores. */
enum { CLFFT_COST = 10, OWN_COST = 25 };

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p) {
  (void)caps;
  return p->s.kh * p->s.kw >= 25; /* of less nobody would choose it */
}

static bool profitable(const lcl_caps *caps, const lcl_conv_problem *p) {
  const fft_conv c = prepare(NULL, p);
  if (c.s.kh * c.s.kw < 256) return false;
  const double bins = (double)c.bins, transforms = (double)(c.pairs * (c.s.c + c.s.o) + c.planes);
  const double spectral = 8 * (double)(c.pairs * c.planes) * bins;
  const double cost = caps->clfft ? CLFFT_COST : OWN_COST;
  return p->flops > cost * (5 * transforms * bins * log2(bins + 1) + spectral);
}

/* Unit roundoff times some steps of the transforms; a gradient adds up filters, whose norms are
 * those of single ones, or images. */
static double tolerance(const lcl_conv_problem *p) {
  const double terms = p->pass == LCL_CONV_INPUT_GRAD    ? sqrt((double)p->s.o)
                       : p->pass == LCL_CONV_FILTER_GRAD ? (double)p->s.n
                                                         : 1;
  return 0x1p-24 * 8 * log2((double)(p->s.h * p->s.w) + 2) * terms;
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

/* Where images lie in padded planes. */
static fft_place place(const fft_conv *c, int64_t channels, int64_t h, int64_t w, int64_t top,
                       int64_t left, int64_t s0, int64_t s1) {
  lcl_lower *lw = c->lw;
  return (fft_place) { .channels = lcl__int(lw, channels),
                       .h = lcl__int(lw, h),
                       .w = lcl__int(lw, w),
                       .f0 = lcl__int(lw, c->f0),
                       .f1 = lcl__int(lw, c->f1),
                       .top = lcl__int(lw, top),
                       .left = lcl__int(lw, left),
                       .s0 = lcl__int(lw, s0),
                       .s1 = lcl__int(lw, s1) };
}

static fft_place place_of_images(const fft_conv *c) {
  const lcl_conv_attr *a = &c->p->a;
  return place(c, c->s.c, c->s.h, c->s.w, a->pad[0], a->pad[2], 1, 1);
}

static fft_place place_of_results(const fft_conv *c) {
  const lcl_conv_attr *a = &c->p->a;
  return place(c, c->s.o, c->s.oh, c->s.ow, 0, 0, a->stride[0], a->stride[1]);
}

/* The taps of all filters, as one image. */
static fft_place place_of_taps(const fft_conv *c) {
  const lcl_conv_attr *a = &c->p->a;
  return place(c, c->planes, c->s.kh, c->s.kw, 0, 0, a->dilation[0], a->dilation[1]);
}

/* The transform of `images` images of `channels` channels, two in one. */
static lcl_status transform_images(const fft_conv *c, lcl_arg x, int64_t images, int64_t channels,
                                   fft_place at, int *z) {
  const int64_t planes = (images + 1) / 2 * channels, n = planes * c->bins;
  *z = lcl__scratch(c->lw, 8 * (size_t)n);
  if (n == 0) return LCL_OK;
  LCL_TRY(EMIT(c, "fft_pad_images", n, 8.0 * (double)n, x, lcl__scratch_arg(c->lw, *z, LCL_WRITE),
               lcl__i32(images), LCL_STRUCT(at)));
  return transform(c, planes, false, z);
}

/* `planes` sums of products of the transforms a and b, transformed back. */
static lcl_status multiply(const fft_conv *c, const char *kernel, int a, int b, int64_t planes,
                           int *product) {
  const double bytes = 8.0 * (double)((c->pairs * (c->s.c + c->s.o) + c->planes) * c->bins);
  const int64_t n = planes * c->bins;
  *product = lcl__scratch(c->lw, 8 * (size_t)n);
  LCL_TRY(EMIT(c, kernel, n, bytes, lcl__scratch_arg(c->lw, a, LCL_READ),
               lcl__scratch_arg(c->lw, b, LCL_READ), lcl__scratch_arg(c->lw, *product, LCL_WRITE),
               lcl__i32(c->pairs), lcl__i32(c->s.c), lcl__i32(c->s.o), lcl__i32(c->p->a.groups),
               lcl__i32(c->bins)));
  return transform(c, planes, true, product);
}

/* The result: what lies in its place of the product. */
static lcl_status crop(const fft_conv *c, int product, int64_t elements, fft_place at) {
  const lcl_conv_problem *p = c->p;
  return EMIT(c, "fft_crop", elements, 12.0 * (double)elements,
              lcl__scratch_arg(c->lw, product, LCL_READ), p->out, p->bias, LCL_STRUCT(at),
              lcl__f32(1.0f / (float)c->bins), lcl__i32(p->has_bias), lcl__i32(p->act),
              lcl__f32(p->slope));
}

static lcl_status lower_forward(const fft_conv *c) {
  const lcl_conv_sizes *s = &c->s;
  int z, w, y;
  LCL_TRY(transform_images(c, c->p->in[0], s->n, s->c, place_of_images(c), &z));
  LCL_TRY(transform_images(c, c->p->in[1], 1, c->planes, place_of_taps(c), &w));
  LCL_TRY(multiply(c, "fft_multiply", z, w, c->pairs * s->o, &y));
  return crop(c, y, s->n * s->o * s->oh * s->ow, place_of_results(c));
}

static lcl_status lower_input_grad(const fft_conv *c) {
  const lcl_conv_sizes *s = &c->s;
  int y, w, z;
  LCL_TRY(transform_images(c, c->p->in[0], s->n, s->o, place_of_results(c), &y));
  LCL_TRY(transform_images(c, c->p->in[1], 1, c->planes, place_of_taps(c), &w));
  LCL_TRY(multiply(c, "fft_multiply_input_grad", y, w, c->pairs * s->c, &z));
  return crop(c, z, s->n * s->c * s->h * s->w, place_of_images(c));
}

static lcl_status lower_filter_grad(const fft_conv *c) {
  const lcl_conv_sizes *s = &c->s;
  int z, y, w;
  LCL_TRY(transform_images(c, c->p->in[0], s->n, s->c, place_of_images(c), &z));
  LCL_TRY(transform_images(c, c->p->in[1], s->n, s->o, place_of_results(c), &y));
  LCL_TRY(multiply(c, "fft_multiply_filter_grad", z, y, c->planes, &w));
  return crop(c, w, c->planes * s->kh * s->kw, place_of_taps(c));
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *none) {
  (void)none;
  const fft_conv c = prepare(lw, p);
  return p->pass == LCL_CONV_FORWARD      ? lower_forward(&c)
         : p->pass == LCL_CONV_INPUT_GRAD ? lower_input_grad(&c)
                                          : lower_filter_grad(&c);
}

const lcl_conv_implementation lcl__conv_fft = { .base = { .name = "fft" },
                                                .passes = LCL_CONV_FORWARD | LCL_CONV_INPUT_GRAD |
                                                          LCL_CONV_FILTER_GRAD,
                                                .mixes_taps = true,
                                                .supported = supported,
                                                .profitable = profitable,
                                                .lower = lower,
                                                .tolerance = tolerance };
