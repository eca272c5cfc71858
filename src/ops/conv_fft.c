/* Convolution by the Fourier transform: pays for filters of about the picture's size. See
 * cl/fft.cl. */
#include "ops/conv.h"
#include "ops/fft.h"

#include <math.h>

typedef struct fft_conv {
  lcl_lower *lw;
  lcl_conv_sizes s;
  const lcl_conv_attr *a;
  int64_t f0, f1, pairs;
  char label[224];
} fft_conv;

static fft_conv prepare(lcl_lower *lw, const lcl_node *node) {
  fft_conv c = { .lw = lw, .s = lcl_conv_sizes_of(node), .a = node->attr };
  c.f0 = lcl_fft_size(c.s.h + c.a->pad[0] + c.a->pad[1]);
  c.f1 = lcl_fft_size(c.s.w + c.a->pad[2] + c.a->pad[3]);
  c.pairs = (c.s.n + 1) / 2;
  return c;
}

/* A transform's operation is worth this many of an implicit product, with clFFT and with own
 * passes; figures from PoCL on two AVX-512 cores. */
enum { CLFFT_COST = 10, OWN_COST = 25 };

bool lcl_conv_fft_can(const lcl_node *node) {
  const lcl_conv_attr *a = node->attr;
  const lcl_conv_sizes s = lcl_conv_sizes_of(node);
  return a->stride[0] == 1 && a->stride[1] == 1 && s.kh * s.kw >= 25 &&
         lcl_shape_count(node->out[0].shape) > 0;
}

bool lcl_conv_fft_pays(const lcl_caps *caps, const lcl_node *node) {
  const fft_conv c = prepare(NULL, node);
  if (c.a->stride[0] != 1 || c.a->stride[1] != 1 || c.s.kh * c.s.kw < 256) return false;
  const double bins = (double)(c.f0 * c.f1), channels = (double)(c.s.c / c.a->groups);
  const double transforms = (double)(c.pairs * c.s.c) + (double)c.s.o * channels +
                            (double)(c.pairs * c.s.o);
  const double spectral = 8 * (double)(c.pairs * c.s.o) * channels * bins;
  const double cost = caps->clfft ? CLFFT_COST : OWN_COST;
  return lcl_conv_flops(node) > cost * (5 * transforms * bins * log2(bins + 1) + spectral);
}

static int64_t chunk_of(const fft_conv *c, int64_t total) {
  const lcl_caps *caps = lcl_lower_caps(c->lw);
  return caps->panel ? LCL_MAX(256, total / (8 * (int64_t)caps->compute_units) + 1) : 1;
}

/* Emits a kernel of fft.cl over `total` elements, appending total and chunk to the arguments. */
static lcl_status emit(const fft_conv *c, const char *kernel, const lcl_arg *args, int n_args,
                       int64_t total, double bytes) {
  lcl_arg all[24];
  const int64_t chunk = chunk_of(c, total);
  memcpy(all, args, sizeof *args * (size_t)n_args);
  all[n_args] = lcl_i32(total);
  all[n_args + 1] = lcl_i32(chunk);
  return lcl_emit(c->lw, &(lcl_launch) { .label = c->label,
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
  return lcl_fft_lower(c->lw, &(lcl_fft_desc) { c->label, c->f0, c->f1, batch, inverse }, *data,
                       data);
}

lcl_status lcl_conv_fft_lower_fused(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e) {
  fft_conv c = prepare(lw, node);
  const lcl_conv_sizes *s = &c.s;
  const lcl_conv_attr *a = c.a;
  const lcl_arg y = lcl_out(lw, e->out);
  if (lcl_shape_count(node->out[0].shape) == 0) return LCL_OK;
  char t0[96], t1[96];
  snprintf(c.label, sizeof c.label, "conv2d %s %s fft", lcl_shape_string(node->in[0]->shape, t0),
           lcl_shape_string(node->in[1]->shape, t1));
  const int64_t bins = c.f0 * c.f1, per = s->c / a->groups;
  const int64_t n_z = c.pairs * s->c * bins, n_w = s->o * per * bins, n_y = c.pairs * s->o * bins;
  int z = lcl_scratch(lw, 8 * (size_t)n_z), w = lcl_scratch(lw, 8 * (size_t)n_w),
      p = lcl_scratch(lw, 8 * (size_t)n_y);
  if (per > 0) {
    LCL_TRY(EMIT(&c, "fft_pad_pictures", n_z, 8.0 * (double)n_z, lcl_in(lw, node->in[0]),
                 lcl_scratch_arg(lw, z, LCL_WRITE), lcl_i32(s->n), lcl_i32(s->c), lcl_i32(s->h),
                 lcl_i32(s->w), lcl_i32(c.f0), lcl_i32(c.f1), lcl_i32(a->pad[0]),
                 lcl_i32(a->pad[2])));
    LCL_TRY(transform(&c, c.pairs * s->c, false, &z));
    LCL_TRY(EMIT(&c, "fft_pad_filter", n_w, 8.0 * (double)n_w, lcl_in(lw, node->in[1]),
                 lcl_scratch_arg(lw, w, LCL_WRITE), lcl_i32(s->kh), lcl_i32(s->kw),
                 lcl_i32(a->dilation[0]), lcl_i32(a->dilation[1]), lcl_i32(c.f0), lcl_i32(c.f1)));
    LCL_TRY(transform(&c, s->o * per, false, &w));
  }
  LCL_TRY(EMIT(&c, "fft_multiply", n_y, 8.0 * (double)(n_z + n_w + n_y),
               lcl_scratch_arg(lw, z, LCL_READ), lcl_scratch_arg(lw, w, LCL_READ),
               lcl_scratch_arg(lw, p, LCL_WRITE), lcl_i32(s->c), lcl_i32(s->o), lcl_i32(a->groups),
               lcl_i32(bins)));
  LCL_TRY(transform(&c, c.pairs * s->o, true, &p));
  const int64_t n_out = s->n * s->o * s->oh * s->ow;
  return EMIT(&c, "fft_crop", n_out, 8.0 * (double)n_y, lcl_scratch_arg(lw, p, LCL_READ), y,
              e->bias ? lcl_in(lw, e->bias) : lcl_scratch_arg(lw, p, LCL_READ), lcl_i32(s->o),
              lcl_i32(s->oh), lcl_i32(s->ow), lcl_i32(c.f0), lcl_i32(c.f1), lcl_i32(a->stride[0]),
              lcl_i32(a->stride[1]), lcl_f32(1.0f / (float)bins), lcl_i32(e->bias != NULL),
              lcl_i32(e->act), lcl_f32(e->slope));
}
