/* Convolutions of images with few channels, and their gradients, for CPUs. See cl/conv_few.cl. */
#include "ops/conv_gemm.h"
#include "ops/gemm_args.h"

/* Most local memory to use: it is the L2 cache. */
enum { MOST_LOCAL = 512 << 10 };

/* Tiles of the kernels: filters of the forward pass, filters of the filter gradient. */
enum { FORWARD_ROWS = 4, GRAD_ROWS = 3 };

/* Taps of a tile of the gradients. */
static int grad_taps(int64_t vec) {
  return vec == 16 ? 9 : 3;
}

/* A filter gradient in which images and gradients change places. With gy as the image and x as the
 * gradient, the taps of the filter come in the other order, and gw[o,c] as [c,o]: columns are made
 * of gy, which has fewer channels, and vectors are full of x. */
static bool swaps(const lcl_conv_problem *p) {
  const lcl_conv_attr *a = &p->a;
  const int64_t kernel[] = { p->s.kh, p->s.kw };
  if (p->pass != LCL_CONV_FILTER_GRAD || 2 * p->s.o > p->s.c) return false;
  for (int i = 0; i < 2; i++)
    if (a->stride[i] != 1 || a->dilation[i] != 1 || a->pad[2 * i] >= kernel[i] ||
        a->pad[2 * i + 1] >= kernel[i])
      return false;
  return true;
}

static lcl_conv_problem swapped(const lcl_conv_problem *p) {
  lcl_conv_problem t = *p;
  const lcl_conv_sizes s = p->s;
  t.s = (lcl_conv_sizes) { s.n, s.o, s.oh, s.ow, s.c, s.kh, s.kw, s.h, s.w };
  for (int i = 0; i < 4; i++) t.a.pad[i] = (i < 2 ? s.kh : s.kw) - 1 - p->a.pad[i];
  t.in[0] = p->in[1];
  t.in[1] = p->in[0];
  return t;
}

/* How a convolution is divided, and what its kernel keeps in local memory, in numbers. */
typedef struct plan {
  lcl_conv_sizes s;
  int64_t vec;
  int64_t taps;           /* c*kh*kw */
  int64_t blocks, rows;   /* of output rows; padded rows of an image that the largest reads */
  int64_t wide, pitch;    /* layouts of pad and col */
  int64_t rest, pad, col; /* rest: weights, or sums */
  int64_t units, items;   /* units a work-item does; work-items */
} plan;

static void finish_plan(plan *p, int64_t all, int64_t wanted) {
  p->units = LCL_MAX(1, lcl__ceil_div(all, wanted));
  p->items = lcl__ceil_div(all, p->units);
}

static plan plan_of(const lcl_caps *caps, const lcl_conv_problem *problem) {
  const lcl_conv_attr *a = &problem->a;
  const lcl_conv_sizes s = problem->s;
  const int64_t vec = lcl__packed_vec(caps), units = lcl__units(caps);
  plan p = { .s = s, .vec = vec, .taps = s.c * s.kh * s.kw };
  const size_t v = (size_t)vec;
  const int64_t tiled_taps = lcl__ceil_div(p.taps, grad_taps(vec)) * grad_taps(vec);
  if (problem->pass == LCL_CONV_INPUT_GRAD) {
    p.wide = (int64_t)lcl__round_up((size_t)lcl__ceil_div(s.w, a->stride[1]), v);
    p.pitch = ((int64_t)lcl__round_up((size_t)(s.oh * s.ow), v) + vec) | vec;
    p.pad = 2 * a->stride[1] * p.wide + s.h * s.kh +
            a->stride[1] * s.kw; /* a row, tables of outputs */
    p.col = tiled_taps * p.pitch + 2 * vec;
    p.rest = tiled_taps * s.o;
    finish_plan(&p, s.n, 8 * units);
    return p;
  }
  /* Columns of a block: forward they should stay in the L1 cache; the sums of a filter
   * gradient are taken up again for each block. */
  const bool forward = problem->pass == LCL_CONV_FORWARD;
  const int64_t pixels = forward ? LCL_MAX(8 * vec, (32 << 10) / 4 / LCL_MAX(p.taps, 1))
                                 : (128 << 10) / 4 / LCL_MAX(p.taps, 1);
  const int64_t most_rows = LCL_MAX(1, LCL_MIN(s.oh, pixels / LCL_MAX(s.ow, 1)));
  for (p.blocks = lcl__ceil_div(s.oh, most_rows); p.blocks > 1 && s.oh / p.blocks * s.ow < vec;)
    p.blocks--;
  const int64_t rows = lcl__ceil_div(s.oh, LCL_MAX(p.blocks, 1));
  p.rows = (rows - 1) * a->stride[0] + (s.kh - 1) * a->dilation[0] + 1;
  const int64_t reach = (s.kw - 1) * a->dilation[1] +
                        a->stride[1] * (int64_t)lcl__round_up((size_t)s.ow, v);
  p.wide = (int64_t)lcl__round_up((size_t)LCL_MAX(reach, a->pad[2] + s.w), v);
  p.pitch = ((int64_t)lcl__round_up((size_t)(rows * s.ow), v) + vec) | vec;
  p.pad = s.c * p.rows * p.wide;
  const int64_t tile = forward ? FORWARD_ROWS : GRAD_ROWS,
                filters = lcl__ceil_div(s.o, tile) * tile;
  p.col = (forward ? p.taps : tiled_taps) * p.pitch;
  p.rest = forward ? filters * (p.taps + 1) : filters * tiled_taps * vec;
  finish_plan(&p, s.n * p.blocks, forward ? 8 * units : 4 * units);
  return p;
}

static bool supported(const lcl_caps *caps, const lcl_conv_problem *given) {
  const lcl_conv_problem other = swapped(given), *problem = swaps(given) ? &other : given;
  const lcl_conv_sizes s = problem->s;
  const int64_t vec = lcl__packed_vec(caps);
  if (!caps->packed || problem->a.groups != 1 || s.n == 0 || s.o == 0 || s.oh * s.ow < vec ||
      s.c * s.kh * s.kw == 0 || s.c * s.kh * s.kw > 1024)
    return false;
  const plan p = plan_of(caps, problem);
  return (p.pad + p.col + p.rest) * (int64_t)sizeof(float) <=
         (int64_t)LCL_MIN(caps->local_mem, (size_t)MOST_LOCAL);
}

/* Measured on two AVX-512 cores against everything else there is. Tiles are wide: small planes
 * leave much of them to the slower narrow ones, for which many channels are too slow. */
static bool profitable(const lcl_caps *caps, const lcl_conv_problem *problem) {
  const lcl_conv_sizes s = swaps(problem) ? swapped(problem).s : problem->s;
  (void)caps;
  if (problem->pass == LCL_CONV_INPUT_GRAD) return s.c == 1 || (s.c <= 20 && s.o >= 8);
  return s.c * s.kh * s.kw <= 256 && (s.c <= 4 || (s.c <= 8 && s.oh * s.ow >= 128));
}

/* What follows the buffers of all three kernels. */
static void add_plan(lcl_lower *lw, lcl_arg_list *l, const lcl_conv_problem *problem,
                     const plan *p) {
  const int64_t sizes[] = { p->rest, p->pad, p->col };
  for (int i = 0; i < 3; i++) lcl__args_add(l, lcl__local((size_t)sizes[i] * sizeof(float)));
  lcl__args_add(l, lcl__conv_shape_arg(lw, problem));
  const few_blocks blocks = { .share = lcl__int(lw, p->units),
                              .blocks = lcl__int(lw, p->blocks),
                              .rows = lcl__int(lw, p->rows),
                              .wide = lcl__int(lw, p->wide),
                              .pitch = lcl__int(lw, p->pitch) };
  lcl__args_add(l, LCL_STRUCT(blocks));
}

static lcl_status emit(lcl_lower *lw, const lcl_conv_problem *problem, const plan *p,
                       const char *kernel, const lcl_arg_list *l) {
  const lcl_conv_sizes *s = &p->s;
  char options[128], name[256];
  snprintf(options, sizeof options,
           "-DVEC=%d -DFORWARD_ROWS=%d -DFORWARD_WIDE=%d -DGRAD_ROWS=%d -DGRAD_TAPS=%d",
           (int)p->vec, FORWARD_ROWS, p->vec == 16 ? 6 : 3, GRAD_ROWS, grad_taps(p->vec));
  snprintf(name, sizeof name, "%s few-channel", problem->label);
  return lcl__emit(lw, &(lcl_launch) { .label = name,
                                       .source = { .file = "conv_few.cl", .options = options },
                                       .kernel = kernel,
                                       .args = l->a,
                                       .n_args = l->n,
                                       .dims = 1,
                                       .global = { (size_t)p->items },
                                       .local = { 1 },
                                       .flops = problem->flops,
                                       .bytes = 4.0 * (double)(s->n * (s->c * s->h * s->w +
                                                                       s->o * s->oh * s->ow) +
                                                               s->o * p->taps) });
}

static lcl_status lower_images(lcl_lower *lw, const lcl_conv_problem *problem) {
  const plan p = plan_of(lcl__lower_caps(lw), problem);
  const bool forward = problem->pass == LCL_CONV_FORWARD;
  lcl_arg_list l = { .n = 0 };
  lcl__args_add(&l, problem->in[0]);
  lcl__args_add(&l, problem->in[1]);
  lcl__args_add(&l, problem->out);
  lcl__args_add(&l, problem->bias);
  add_plan(lw, &l, problem, &p);
  LCL_ADD_INTS(&l, problem->has_bias, problem->act);
  lcl__args_add(&l, lcl__f32(problem->slope));
  return emit(lw, problem, &p, forward ? "few_forward" : "few_input_grad", &l);
}

/* Each work-item gives a partial sum. */
static lcl_status lower_filter_grad(lcl_lower *lw, const lcl_conv_problem *given) {
  const bool swap = swaps(given);
  const lcl_conv_problem other = swapped(given), *problem = swap ? &other : given;
  const plan p = plan_of(lcl__lower_caps(lw), problem);
  const lcl_gemm g = lcl__conv_gemm_of(given);
  const int part = lcl__scratch(lw, sizeof(float) * (size_t)(p.items * p.s.o * p.taps));
  lcl_arg_list l = { .n = 0 };
  lcl__args_add(&l, problem->in[0]);
  lcl__args_add(&l, problem->in[1]);
  lcl__args_add(&l, lcl__scratch_arg(lw, part, LCL_WRITE));
  add_plan(lw, &l, problem, &p);
  lcl__args_add(&l, lcl__i32(swap));
  LCL_TRY(emit(lw, problem, &p, "few_filter_grad", &l));
  return lcl__gemm_sum_parts(lw, &g, (int)p.items, part, g.n, 0);
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *none) {
  (void)none;
  return p->pass == LCL_CONV_FILTER_GRAD ? lower_filter_grad(lw, p) : lower_images(lw, p);
}

const lcl_conv_implementation lcl__conv_few = { .base = { .name = "few-channel" },
                                                .passes = LCL_CONV_FORWARD | LCL_CONV_INPUT_GRAD |
                                                          LCL_CONV_FILTER_GRAD,
                                                .supported = supported,
                                                .profitable = profitable,
                                                .lower = lower };
