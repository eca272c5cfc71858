/* 3x3 convolutions and their gradients by Winograd's F(4x4,3x3), for GPUs: both operands are
 * transformed, a batched GEMM multiplies them at each of 36 positions, what it makes is transformed
 * back. A quarter of the multiplications, for two launches and their traffic more. See
 * cl/conv_winograd_tiled.cl. */
#include "ops/conv_winograd.h"
#include "ops/gemm_args.h"

#define NAME "winograd-4x4-tiled"

enum { OUTS = 4, POSITIONS = 36, PAIR = 9 /* numbers of a filter */, MOST_PARTS = 8 };

/* The tiles are divided into `parts` of `share`, a multiple of 4 for reads of four neighbours. A
 * filter gradient adds up the parts; else there is one. */
typedef struct plan {
  lcl_winograd_view w;
  bool gradient;
  int64_t parts, share, pairs;
  int64_t first, inputs, products; /* floats of what is transformed and multiplied */
} plan;

static plan plan_of(const lcl_conv_problem *p, int64_t parts) {
  plan t = { .w = lcl__winograd_view_of(p), .gradient = p->pass == LCL_CONV_FILTER_GRAD };
  const int64_t m = t.w.g.m, tiles = lcl__winograd_grid_of(&t.w.g, OUTS).tiles;
  t.share = (int64_t)lcl__round_up((size_t)lcl__ceil_div(tiles, parts), 4);
  t.parts = lcl__ceil_div(tiles, t.share);
  t.pairs = m * t.w.channels;
  t.first = POSITIONS * (t.gradient ? m * t.share * t.parts : t.pairs);
  t.inputs = POSITIONS * t.w.channels * t.share * t.parts;
  t.products = POSITIONS * (t.gradient ? t.pairs * t.parts : m * t.share);
  return t;
}

/* The GEMM: C[position][filter][tile] = U[position][filter][channel] V[position][channel][tile], or
 * C[part, position][filter][channel] = U[..][filter][tile] V[..][channel][tile] transposed. */
static lcl_gemm gemm_of(const plan *t) {
  const lcl_gemm *g = &t->w.g;
  const int64_t channels = t->w.channels;
  lcl_gemm y = { .label = g->label,
                 .m = g->m,
                 .batch = POSITIONS * t->parts,
                 .a_tb = 1,
                 .source = LCL_GEMM_MATRIX,
                 .b_batch = channels * t->share,
                 .flops = g->flops };
  if (t->gradient) {
    y.n = channels, y.k = t->share;
    y.a_batch = g->m * t->share, y.a_rs = t->share, y.a_s1 = 1;
    y.rsb = 1, y.csb = t->share;
  } else {
    y.n = t->share, y.k = channels;
    y.a_batch = t->pairs, y.a_rs = t->w.row / PAIR, y.a_s1 = t->w.inner / PAIR;
    y.rsb = t->share, y.csb = 1;
  }
  y.a_len = y.k;
  y.c_batch = y.m * y.n, y.ldc = y.n;
  return y;
}

/* ---- when ---- */

static int64_t most_bytes(const plan *t) {
  return (int64_t)sizeof(float) * LCL_MAX(LCL_MAX(t->first, t->inputs), t->products);
}

static bool legal(const lcl_caps *caps, const lcl_conv_problem *p, const lcl_kernel_params *k) {
  const int most = p->pass == LCL_CONV_FILTER_GRAD ? MOST_PARTS : 1;
  if (k->split_k < 1 || k->split_k > most) return false;
  const plan t = plan_of(p, k->split_k);
  const int64_t bytes = most_bytes(&t);
  return bytes / (int64_t)sizeof(float) < INT32_MAX && (size_t)bytes <= caps->max_alloc;
}

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p) {
  return !caps->packed && lcl__winograd_serves(p, OUTS) &&
         legal(caps, p, &(lcl_kernel_params) { .split_k = 1 });
}

/* Cycles of all three launches, the first not counted; 0: not known of this device. */
static double cycles(const lcl_caps *caps, const lcl_conv_problem *p, int64_t parts) {
  const lcl_conv_sizes *s = &p->s;
  const plan t = plan_of(p, parts);
  const lcl_gemm g = gemm_of(&t);
  lcl_kernel_params tile = { 0 };
  const int64_t x = s->n * s->c * s->h * s->w, y = s->n * s->o * s->oh * s->ow,
                w = PAIR * s->o * s->c;
  const double multiply = lcl__gemm_tiled_choose(caps, &g, 1, &tile),
               moved = 4.0 * (double)(x + y + w + t.first + t.inputs + t.products);
  return multiply > 0 ? multiply + lcl__gemm_tiled_launch_cycles(caps, 0) +
                            lcl__gemm_tiled_launch_cycles(caps, moved)
                      : 0;
}

static double expected(const lcl_caps *caps, const lcl_conv_problem *p,
                       const lcl_kernel_params *params) {
  return lcl__gemm_tiled_seconds(caps, cycles(caps, p, params->split_k));
}

static void choose(const lcl_caps *caps, const lcl_conv_problem *p, lcl_kernel_params *params) {
  enum { LEAST = 32 /* tiles of a part */ };
  const int64_t tiles = plan_of(p, 1).share;
  double best = cycles(caps, p, 1);
  params->split_k = 1;
  if (p->pass != LCL_CONV_FILTER_GRAD) return;
  for (int parts = 2; parts <= MOST_PARTS && parts * LEAST <= tiles; parts *= 2) {
    const double c = cycles(caps, p, parts);
    if (c >= best) continue;
    best = c;
    params->split_k = parts;
  }
}

/* Where it takes much less time: it is less accurate and needs memory. */
static bool profitable(const lcl_caps *caps, const lcl_conv_problem *p) {
  const double enough = 0.7;
  lcl_kernel_params own, tile = { 0 };
  choose(caps, p, &own);
  const plan t = plan_of(p, own.split_k);
  const double here = cycles(caps, p, own.split_k),
               there = lcl__gemm_tiled_choose(caps, &t.w.g, 128, &tile);
  return here > 0 && here < enough * there && (size_t)most_bytes(&t) <= caps->global_mem / 64;
}

/* ---- launches ---- */

static lcl_source source_of(const plan *t, char options[64]) {
  const lcl_gemm *g = &t->w.g;
  const bool smooth = g->act == LCL_ACT_SIGMOID || g->act == LCL_ACT_TANH;
  snprintf(options, 64, "%s%s%s", t->gradient ? " -DGRADIENT=1" : "", t->w.flip ? " -DFLIP=1" : "",
           smooth ? " -DSMOOTH=1" : "");
  return (lcl_source) { .file = "conv_winograd_tiled.cl", .options = options };
}

static lcl_status transform_operands(lcl_lower *lw, const plan *t, const winograd_tiles *tiles,
                                     int first, int inputs) {
  const lcl_gemm *g = &t->w.g;
  const lcl_patches *x = &g->patches;
  const int64_t group = (int64_t)lcl__group_size(lcl__lower_caps(lw)),
                groups = lcl__ceil_div(t->gradient ? t->first / POSITIONS : t->pairs, group);
  const winograd_parts parts = { .groups = lcl__int(lw, groups),
                                 .parts = lcl__int(lw, t->parts),
                                 .share = lcl__int(lw, t->share) };
  const double w = t->gradient ? (double)g->m * (double)(x->images * x->gq * x->gr)
                               : (double)(PAIR * t->pairs);
  char options[64], label[160];
  snprintf(label, sizeof label, "%s transforms", g->label);
  return lcl__emit(
      lw,
      &(lcl_launch) {
          .label = label,
          .source = source_of(t, options),
          .kernel = "winograd_operands",
          LCL_ARGS(g->a, lcl__scratch_arg(lw, first, LCL_WRITE), g->b,
                   lcl__scratch_arg(lw, inputs, LCL_WRITE), LCL_STRUCT(*tiles), LCL_STRUCT(parts)),
          .dims = 1,
          .global = { (size_t)((groups + lcl__ceil_div(t->inputs / POSITIONS, group)) * group) },
          .local = { (size_t)group },
          .bytes = 4.0 * ((double)(t->first + t->inputs) + w +
                          (double)(x->images * t->w.channels * x->h * x->w)) });
}

static lcl_status transform_outputs(lcl_lower *lw, const plan *t, const winograd_tiles *tiles,
                                    int products) {
  const lcl_gemm *g = &t->w.g;
  const size_t group = lcl__group_size(lcl__lower_caps(lw));
  char options[64], label[160];
  snprintf(label, sizeof label, "%s outputs", g->label);
  return lcl__emit(
      lw,
      &(lcl_launch) { .label = label,
                      .source = source_of(t, options),
                      .kernel = "winograd_outputs",
                      LCL_ARGS(lcl__scratch_arg(lw, products, LCL_READ), g->c,
                               g->bias_kind ? g->bias : lcl__scratch_arg(lw, products, LCL_READ),
                               LCL_STRUCT(*tiles), lcl__i32(t->share), lcl__i32(g->bias_kind),
                               lcl__i32(g->act), lcl__f32(g->slope)),
                      .dims = 1,
                      .global = { lcl__round_up((size_t)(g->m * t->share), group) },
                      .local = { group },
                      .bytes = 4.0 * (double)(t->products + g->m * g->n) });
}

static const lcl_sum_kernel filter_grads = { "conv_winograd_tiled.cl", "winograd_filter_grads",
                                             "filter gradients", POSITIONS, PAIR };

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *params) {
  const plan t = plan_of(p, params->split_k);
  const winograd_tiles tiles = lcl__winograd_tiles_of(lw, &t.w.g, OUTS, t.w.channels, t.w.channels);
  const int first = lcl__scratch(lw, sizeof(float) * (size_t)t.first),
            inputs = lcl__scratch(lw, sizeof(float) * (size_t)t.inputs),
            products = lcl__scratch(lw, sizeof(float) * (size_t)t.products);
  char label[160];
  lcl_gemm g = gemm_of(&t);
  snprintf(label, sizeof label, "%s winograd-4x4", g.label);
  g.label = label;
  LCL_TRY(transform_operands(lw, &t, &tiles, first, inputs));
  g.a = g.bias = lcl__scratch_arg(lw, first, LCL_READ);
  g.b = lcl__scratch_arg(lw, inputs, LCL_READ);
  g.c = lcl__scratch_arg(lw, products, LCL_WRITE);
  LCL_TRY(lcl__gemm_lower(lw, &g));
  if (t.gradient)
    return lcl__sum_parts_by(lw, &filter_grads, lcl__scratch_arg(lw, products, LCL_READ), p->out,
                             t.pairs, t.parts, 1);
  return transform_outputs(lw, &t, &tiles, products);
}

static const lcl_kernel_param tunables[] = { LCL_KERNEL_PARAM(split_k, 1, 2, 4, MOST_PARTS) };

const lcl_conv_implementation lcl__conv_winograd4_tiled = {
  .base = LCL_IMPLEMENTATION(NAME, tunables),
  .passes = LCL_CONV_FORWARD | LCL_CONV_INPUT_GRAD | LCL_CONV_FILTER_GRAD,
  .mixes_taps = true,
  .supported = supported,
  .profitable = profitable,
  .choose = choose,
  .expected = expected,
  .legal = legal,
  .lower = lower,
  .tolerance = lcl__winograd_tolerance4
};
