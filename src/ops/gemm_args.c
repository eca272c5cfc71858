/* What the lowerings of GEMMs share: the argument structs of cl/args.h, and the sum of split-K
 * partial sums. */
#include "ops/gemm_args.h"

int lcl__gemm_splits(const lcl_gemm *g, int split_k, int64_t longest) {
  enum { MOST = 60000 /* groups in a dimension, rounds of a loop */ };
  if (g->source != LCL_GEMM_MATRIX || g->k <= LCL_GEMM_LONG || g->m == 0 || g->n == 0)
    return split_k;
  const double room = (double)g->k * (double)(g->m + g->n) / ((double)g->m * (double)g->n);
  const int64_t wanted = LCL_MIN(lcl__ceil_div(g->k, longest), MOST);
  return (double)wanted <= room ? (int)LCL_MAX(wanted, split_k) : split_k;
}

double lcl__gemm_bytes(const lcl_gemm *g) {
  const lcl_patches *p = &g->patches;
  const double b = g->source == LCL_GEMM_MATRIX
                       ? (double)g->k * (double)g->n
                       : (double)(p->images * p->channels) * (double)(p->h * p->w);
  const double operand = g->half ? 2 : 4;
  return (double)g->batch * (operand * ((double)g->m * (double)g->k + b) +
                             (g->half_c ? 2 : 4) * (double)g->m * (double)g->n);
}

lcl_status lcl__gemm_sum_parts(lcl_lower *lw, const lcl_gemm *g, int splits, int part,
                               int64_t pitch, int64_t cl) {
  const lcl_caps *caps = lcl__lower_caps(lw);
  const lcl_patches *x = &g->patches;
  const int64_t taps = LCL_MAX(x->ta * x->tb, 1), total = g->batch * g->m * g->n;
  const int run = !cl && !caps->packed && g->n % 4 == 0 && pitch % 4 == 0 ? 4 : 1;
  const int64_t pieces = cl ? g->batch * g->m * lcl__ceil_div(g->n / taps, 8) : total / run;
  const int64_t chunk = lcl__share(caps, pieces, cl ? 32 : 256);
  const size_t group = lcl__group_size(caps);
  const bool pixels = g->source == LCL_GEMM_PATCHES;
  const lcl_gemm_target own = { g->c, g->c_base, g->c_batch, 0, g->ldc, -1 };
  if (!caps->packed && !cl && !pixels && !g->bias_kind && !g->act && !g->half_c && !g->c_base &&
      pitch == g->n && g->ldc == g->n && (g->batch == 1 || g->c_batch == g->m * g->n))
    return lcl__sum_parts(lw, lcl__scratch_arg(lw, part, LCL_READ), g->c, total, splits, 1);
  lcl_arg_list l = { .n = 0 };
  char label[128], options[64];
  const bool smooth = g->act == LCL_ACT_SIGMOID || g->act == LCL_ACT_TANH;
  snprintf(options, sizeof options, "%s%s%s%s", lcl__gemm_half_c_option(g),
           cl ? " -DCHANNELS_LAST=1" : "", run == 4 ? " -DRUN=4" : "",
           run == 4 && smooth ? " -DSMOOTH=1" : "");
  if (splits > 1)
    snprintf(label, sizeof label, "%s sum of %d", g->label, splits);
  else
    snprintf(label, sizeof label, "%s epilogue", g->label);
  enum { C = 1, BIAS = 2 };
  lcl__args_add(&l, lcl__scratch_arg(lw, part, LCL_READ));
  lcl__args_add(&l, g->c);
  lcl__args_add(&l, g->bias_kind ? g->bias : lcl__scratch_arg(lw, part, LCL_READ));
  LCL_ADD_INTS(&l, splits, g->batch, g->m, g->n, pitch, taps, cl, chunk, pixels ? x->gq : 0,
               pixels ? x->gr : 0);
  lcl__args_add(&l, lcl__gemm_c_arg(lw, g, &own));
  LCL_TRY(lcl__emit(
      lw, &(lcl_launch) { .label = label,
                          .source = { .file = "gemm_reduce.cl", .options = options },
                          .kernel = "gemm_reduce",
                          .args = l.a,
                          .n_args = l.n,
                          .dims = 1,
                          .global = { lcl__round_up((size_t)lcl__ceil_div(pieces, chunk), group) },
                          .local = { group },
                          .bytes = 4.0 * (double)(total * (splits + 1)) }));
  if (caps->packed) lcl__gemm_may_add(lw, g, C, BIAS, l.n - 1);
  return LCL_OK;
}

void lcl__gemm_may_add(lcl_lower *lw, const lcl_gemm *g, int c, int bias, int args) {
  if (!g->bias_kind && !g->act && !g->half_c)
    lcl__may_add(lw, c, bias, args, offsetof(gemm_c, bias_kind), LCL_BIAS_ELEMENT);
}

lcl_gemm_target lcl__gemm_choose_target(lcl_lower *lw, const lcl_gemm *g, int splits, int64_t cl) {
  if (splits == 1 && cl == 0)
    return (lcl_gemm_target) { g->c, g->c_base, g->c_batch, 0, g->ldc, -1 };
  return lcl__gemm_part_target(lw, g, splits, cl);
}

lcl_gemm_target lcl__gemm_part_target(lcl_lower *lw, const lcl_gemm *g, int splits, int64_t cl) {
  const int64_t pitch = cl ? cl * g->patches.ta * g->patches.tb : g->n, batch = g->m * pitch;
  const int part = lcl__scratch(lw, sizeof(float) * (size_t)(splits * g->batch * batch));
  return (lcl_gemm_target) {
    lcl__scratch_arg(lw, part, LCL_WRITE), 0, batch, g->batch * batch, pitch, part
  };
}

lcl_arg lcl__gemm_sizes_arg(lcl_lower *lw, const lcl_gemm *g, int64_t n, int64_t splits) {
  const gemm_sizes args = { .m = lcl__int(lw, g->m),
                            .n = lcl__int(lw, n),
                            .k = lcl__int(lw, g->k),
                            .splits = lcl__int(lw, splits),
                            .k_split = lcl__int(lw, lcl__ceil_div(g->k, splits)) };
  return LCL_STRUCT(args);
}

gemm_a lcl__gemm_a_of(lcl_lower *lw, const lcl_gemm *g) {
  return (gemm_a) { .base = lcl__int(lw, g->a_base),
                    .batch = lcl__int(lw, g->a_batch),
                    .rs = lcl__int(lw, g->a_rs),
                    .len = lcl__int(lw, LCL_MAX(g->a_len, 1)),
                    .tb = lcl__int(lw, LCL_MAX(g->a_tb, 1)),
                    .sa = lcl__int(lw, g->a_sa),
                    .sb = lcl__int(lw, g->a_sb),
                    .s1 = lcl__int(lw, g->a_s1) };
}

lcl_arg lcl__gemm_b_arg(lcl_lower *lw, const lcl_gemm *g, int64_t batch) {
  const bool matrix = g->source == LCL_GEMM_MATRIX;
  const gemm_b args = { .base = lcl__int(lw, matrix ? g->b_base : 0),
                        .batch = lcl__int(lw, matrix ? g->b_batch : batch),
                        .rs = lcl__int(lw, matrix ? g->rsb : 0),
                        .cs = lcl__int(lw, matrix ? g->csb : 0) };
  return LCL_STRUCT(args);
}

lcl_arg lcl__gemm_a_arg(lcl_lower *lw, const lcl_gemm *g) {
  const gemm_a args = lcl__gemm_a_of(lw, g);
  return LCL_STRUCT(args);
}

lcl_arg lcl__gemm_c_arg(lcl_lower *lw, const lcl_gemm *g, const lcl_gemm_target *t) {
  const bool apply = t->part < 0;
  const gemm_c args = { .base = lcl__int(lw, t->base),
                        .batch = lcl__int(lw, t->batch),
                        .split = lcl__int(lw, t->split),
                        .ldc = lcl__int(lw, t->ldc),
                        .yn = lcl__int(lw, g->yn),
                        .yrow = lcl__int(lw, g->yrow),
                        .ycol = lcl__int(lw, g->ycol),
                        .bias_kind = lcl__int(lw, apply ? g->bias_kind : LCL_BIAS_NONE),
                        .act = lcl__int(lw, apply ? (int)g->act : 0),
                        .slope = g->slope };
  return LCL_STRUCT(args);
}

patches lcl__gemm_patches_of(lcl_lower *lw, const lcl_patches *x) {
  return (patches) { .channels = lcl__int(lw, LCL_MAX(x->channels, 1)),
                     .h = lcl__int(lw, x->h),
                     .w = lcl__int(lw, x->w),
                     .gq = lcl__int(lw, x->gq),
                     .gr = lcl__int(lw, x->gr),
                     .sh = lcl__int(lw, x->sh),
                     .sw = lcl__int(lw, x->sw),
                     .h0 = lcl__int(lw, x->h0),
                     .w0 = lcl__int(lw, x->w0),
                     .ta = lcl__int(lw, LCL_MAX(x->ta, 1)),
                     .tb = lcl__int(lw, LCL_MAX(x->tb, 1)),
                     .dh = lcl__int(lw, x->dh),
                     .dw = lcl__int(lw, x->dw) };
}

lcl_arg lcl__gemm_patches_arg(lcl_lower *lw, const lcl_gemm *g, int64_t cl) {
  const lcl_patches *x = &g->patches;
  const int64_t plane = x->h * x->w;
  patches args = { { 0 } };
  if (g->source != LCL_GEMM_MATRIX) {
    args = lcl__gemm_patches_of(lw, x);
    args.total = lcl__int(lw, x->images * x->all_channels * plane);
    args.image = lcl__int(lw, cl ? plane * cl : x->all_channels * plane);
    args.cl = lcl__int(lw, cl);
  }
  return LCL_STRUCT(args);
}
