/* Lowering of products to the kernels of cl/matmul_panel.cl, cl/matmul_tiled.cl, cl/conv_direct.cl
 * and cl/conv_rows.cl. */
#include "ops/gemm.h"

#define PANEL_OPTIONS "-DSOURCE=%d -DVEC=%d -DKC=%d"

static double bytes_of(const lcl_gemm *g) {
  const lcl_patches *p = &g->patches;
  const double b = g->source == LCL_GEMM_MATRIX
                       ? (double)g->k * (double)g->n
                       : (double)(p->pictures * p->channels) * (double)(p->h * p->w);
  return 4.0 * (double)g->batch * ((double)g->m * (double)g->k + b + (double)g->m * (double)g->n);
}

lcl_status lcl_gemm_sum_parts(lcl_lower *lw, const lcl_gemm *g, int splits, int part, int64_t pitch,
                              int64_t cl) {
  const lcl_caps *caps = lcl_lower_caps(lw);
  const int64_t taps = LCL_MAX(g->patches.ta * g->patches.tb, 1), total = g->batch * g->m * g->n;
  const int64_t pieces = cl ? g->batch * g->m * lcl_ceil_div(g->n / taps, 8) : total;
  const int64_t chunk =
      !caps->panel ? 1
                   : LCL_MAX(cl ? 32 : 256,
                             lcl_ceil_div(pieces, 4 * LCL_MAX((int64_t)caps->compute_units, 1)));
  lcl_arg_list l = { .n = 0 };
  char label[128];
  snprintf(label, sizeof label, "%s sum of %d", g->label, splits);
  lcl_args_add(&l, lcl_scratch_arg(lw, part, LCL_READ));
  lcl_args_add(&l, g->c);
  lcl_args_add(&l, g->bias_kind ? g->bias : lcl_scratch_arg(lw, part, LCL_READ));
  LCL_ADD_INTS(&l, splits, g->batch, g->m, g->n, pitch, taps, cl, chunk, g->bias_kind, g->act);
  lcl_args_add(&l, lcl_f32(g->slope));
  return lcl_emit(lw, &(lcl_launch) { .label = label,
                                      .source = { .file = "matmul_reduce.cl" },
                                      .kernel = "matmul_reduce",
                                      .args = l.a,
                                      .n_args = l.n,
                                      .dims = 1,
                                      .global = { (size_t)lcl_ceil_div(pieces, chunk) },
                                      .bytes = 4.0 * (double)(total * (splits + 1)) });
}

/* Where the kernel writes: C itself with the epilogue, or parts that lcl_gemm_sum_parts finishes.
 */
typedef struct target {
  lcl_arg c;
  int64_t base, batch, split, ldc;
  int part; /* -1: C itself */
} target;

static target choose_target(lcl_lower *lw, const lcl_gemm *g, const lcl_gemm_params *p,
                            int64_t cl) {
  if (p->splits == 1 && cl == 0) return (target) { g->c, g->c_base, g->c_batch, 0, g->ldc, -1 };
  const int64_t pitch = cl ? cl * g->patches.ta * g->patches.tb : g->n, batch = g->m * pitch;
  const int part = lcl_scratch(lw, sizeof(float) * (size_t)(p->splits * g->batch * batch));
  return (target) { lcl_scratch_arg(lw, part, LCL_WRITE), 0, batch, g->batch * batch, pitch, part };
}

static lcl_arg sizes_arg(lcl_lower *lw, const lcl_gemm *g, int64_t n, int64_t splits) {
  const gemm_sizes args = { .m = lcl_int(lw, g->m),
                            .n = lcl_int(lw, n),
                            .k = lcl_int(lw, g->k),
                            .splits = lcl_int(lw, splits),
                            .k_split = lcl_int(lw, lcl_ceil_div(g->k, splits)) };
  return LCL_STRUCT(args);
}

static gemm_a a_of(lcl_lower *lw, const lcl_gemm *g) {
  return (gemm_a) { .base = lcl_int(lw, g->a_base),
                    .batch = lcl_int(lw, g->a_batch),
                    .rs = lcl_int(lw, g->a_rs),
                    .len = lcl_int(lw, LCL_MAX(g->a_len, 1)),
                    .tb = lcl_int(lw, LCL_MAX(g->a_tb, 1)),
                    .sa = lcl_int(lw, g->a_sa),
                    .sb = lcl_int(lw, g->a_sb),
                    .s1 = lcl_int(lw, g->a_s1) };
}

/* A matrix, or images of which a batch's next product uses those `batch` floats further on. */
static lcl_arg b_arg(lcl_lower *lw, const lcl_gemm *g, int64_t batch) {
  const bool matrix = g->source == LCL_GEMM_MATRIX;
  const gemm_b args = { .base = lcl_int(lw, matrix ? g->b_base : 0),
                        .batch = lcl_int(lw, matrix ? g->b_batch : batch),
                        .rs = lcl_int(lw, matrix ? g->rsb : 0),
                        .cs = lcl_int(lw, matrix ? g->csb : 0) };
  return LCL_STRUCT(args);
}

static lcl_arg a_arg(lcl_lower *lw, const lcl_gemm *g) {
  const gemm_a args = a_of(lw, g);
  return LCL_STRUCT(args);
}

static lcl_arg c_arg(lcl_lower *lw, const lcl_gemm *g, const target *t) {
  const bool apply = t->part < 0;
  const gemm_c args = { .base = lcl_int(lw, t->base),
                        .batch = lcl_int(lw, t->batch),
                        .split = lcl_int(lw, t->split),
                        .ldc = lcl_int(lw, t->ldc),
                        .yn = lcl_int(lw, g->yn),
                        .yrow = lcl_int(lw, g->yrow),
                        .ycol = lcl_int(lw, g->ycol),
                        .bias_kind = lcl_int(lw, apply ? g->bias_kind : LCL_BIAS_NONE),
                        .act = lcl_int(lw, apply ? (int)g->act : 0),
                        .slope = g->slope };
  return LCL_STRUCT(args);
}

/* All but where in memory images lie. */
static patches patches_of(lcl_lower *lw, const lcl_patches *x) {
  return (patches) { .channels = lcl_int(lw, LCL_MAX(x->channels, 1)),
                     .h = lcl_int(lw, x->h),
                     .w = lcl_int(lw, x->w),
                     .gq = lcl_int(lw, x->gq),
                     .gr = lcl_int(lw, x->gr),
                     .sh = lcl_int(lw, x->sh),
                     .sw = lcl_int(lw, x->sw),
                     .h0 = lcl_int(lw, x->h0),
                     .w0 = lcl_int(lw, x->w0),
                     .ta = lcl_int(lw, LCL_MAX(x->ta, 1)),
                     .tb = lcl_int(lw, LCL_MAX(x->tb, 1)),
                     .dh = lcl_int(lw, x->dh),
                     .dw = lcl_int(lw, x->dw) };
}

/* cl: channels a pixel of the channels-last copy, or 0. All zero for a matrix. */
static lcl_arg patches_arg(lcl_lower *lw, const lcl_gemm *g, int64_t cl) {
  const lcl_patches *x = &g->patches;
  const int64_t plane = x->h * x->w;
  patches args = { { 0 } };
  if (g->source != LCL_GEMM_MATRIX) {
    args = patches_of(lw, x);
    args.total = lcl_int(lw, x->pictures * x->all_channels * plane);
    args.image = lcl_int(lw, cl ? plane * cl : x->all_channels * plane);
    args.cl = lcl_int(lw, cl);
  }
  return LCL_STRUCT(args);
}

/* ---- panels
 * -------------------------------------------------------------------------------------------- */

static lcl_status emit_pack(lcl_lower *lw, const lcl_gemm *g, const lcl_gemm_params *p,
                            const char *options, int packed, int64_t mr, int64_t pitch,
                            int64_t batch) {
  const int64_t panels = lcl_ceil_div(g->m, mr);
  int64_t len = LCL_MAX(g->a_len, 1), s1 = g->a_s1, perm_t = 1, perm_c = g->k;
  if (len < g->k && g->a_tb <= 1 && g->a_sa == 1 &&
      s1 == g->k / len) { /* a filter: contiguous as (c,t), wanted as (t,c) */
    perm_t = s1, perm_c = len;
    len = g->k, s1 = 1;
  }
  const bool by_inner = s1 != 1 && g->a_rs != 1 && len < g->k;
  const int64_t along = by_inner ? len : g->k, total = panels * g->k * batch;
  const int64_t wanted = LCL_MIN(total / 512, 8 * (int64_t)lcl_lower_caps(lw)->compute_units);
  const int64_t chunks = LCL_MAX(1, lcl_ceil_div(wanted, panels * batch));
  const int64_t chunk = LCL_MAX(1, (lcl_ceil_div(along, chunks) + p->vec - 1) / p->vec * p->vec);
  gemm_a from = a_of(lw, g);
  from.len = lcl_int(lw, len);
  from.s1 = lcl_int(lw, s1);
  const pack_sizes to = { .mr = lcl_int(lw, mr),
                          .m = lcl_int(lw, g->m),
                          .k = lcl_int(lw, g->k),
                          .pitch = lcl_int(lw, pitch),
                          .chunk = lcl_int(lw, chunk),
                          .by_inner = lcl_int(lw, by_inner),
                          .perm_t = lcl_int(lw, perm_t),
                          .perm_c = lcl_int(lw, perm_c) };
  char label[128];
  snprintf(label, sizeof label, "%s pack", g->label);
  return lcl_emit(
      lw,
      &(lcl_launch) {
          .label = label,
          .source = { .file = "matmul_panel.cl", .options = options },
          .kernel = "panel_pack",
          LCL_ARGS(g->a, lcl_scratch_arg(lw, packed, LCL_WRITE), LCL_STRUCT(from), LCL_STRUCT(to)),
          .dims = 3,
          .global = { (size_t)panels, (size_t)lcl_ceil_div(along, chunk), (size_t)batch },
          .local = { 1, 1, 1 },
          .bytes = 8.0 * (double)(g->m * g->k * batch) });
}

lcl_status lcl_gemm_channels_last(lcl_lower *lw, const lcl_gemm *g, const lcl_gemm_params *p,
                                  int *copy) {
  const lcl_patches *x = &g->patches;
  const int64_t pixels = x->h * x->w,
                cl = (int64_t)lcl_round_up((size_t)x->channels, (size_t)p->vec);
  *copy = g->channels_last ? *g->channels_last : -1;
  if (*copy >= 0) return LCL_OK;
  *copy = lcl_scratch(lw, sizeof(float) * (size_t)((g->batch * x->pictures * pixels + 1) * cl));
  if (g->channels_last) *g->channels_last = *copy;
  lcl_arg_list l = { .n = 0 };
  char options[64], label[128];
  snprintf(options, sizeof options, PANEL_OPTIONS, 0, p->vec, p->kc_max);
  snprintf(label, sizeof label, "%s channels last", g->label);
  lcl_args_add(&l, g->b);
  lcl_args_add(&l, lcl_scratch_arg(lw, *copy, LCL_WRITE));
  LCL_ADD_INTS(&l, x->all_channels, x->channels, cl, pixels);
  return lcl_emit(lw, &(lcl_launch) { .label = label,
                                      .source = { .file = "matmul_panel.cl", .options = options },
                                      .kernel = "channels_last",
                                      .args = l.a,
                                      .n_args = l.n,
                                      .dims = 3,
                                      .global = { (size_t)lcl_ceil_div(pixels, p->vec),
                                                  (size_t)x->pictures, (size_t)g->batch },
                                      .local = { 1, 1, 1 },
                                      .bytes = 4.0 * (double)(g->batch * x->pictures * pixels *
                                                              (x->channels + cl)) });
}

/* Whether A's panels are read where they lie. Packing pays where A is read many times or from far
 * away, or where its rows would fall on the same lines of a cache. */
static bool reads_as_is(const lcl_gemm *g, int mr) {
  const int64_t page = 4096 / (int64_t)sizeof(float);
  const bool rows = g->a_s1 == 1 && g->a_rs > 1 && g->a_rs % page != 0,
             columns = g->a_rs == 1 && g->a_s1 > 1;
  return g->source == LCL_GEMM_MATRIX && g->a_len >= g->k && g->m >= mr && g->n <= page &&
         g->m * g->k <= 64 * page && (rows || columns);
}

static lcl_status lower_panel(lcl_lower *lw, const lcl_gemm *g, const lcl_gemm_params *p) {
  const int mr = lcl_panel_rows(p->vec), nr = 2 * p->vec;
  const lcl_patches *x = &g->patches;
  const bool matrix = g->source == LCL_GEMM_MATRIX, transposed = g->source == LCL_GEMM_PATCHES_T;
  char pack_options[64], options[64], label[128];
  snprintf(pack_options, sizeof pack_options, PANEL_OPTIONS, 0, p->vec, p->kc_max);
  snprintf(options, sizeof options, PANEL_OPTIONS, (int)g->source, p->vec, p->kc_max);
  snprintf(label, sizeof label, "%s panel", g->label);

  const int64_t panels = lcl_ceil_div(g->m, mr);
  const bool shared = g->batch > 1 && g->a_batch == 0;
  const int64_t a_batch = shared ? 1 : g->batch;
  /* Blocks of neighbouring panels must not fall on the same lines of a cache: an odd number of 4
   * KiB apart.
   */
  const int64_t page = 4096 / (int64_t)sizeof(float) / p->vec;
  const int64_t pitch = g->k <= p->kc ? g->k : (lcl_ceil_div(g->k, page) | 1) * page;
  const bool as_is = reads_as_is(g, mr);
  if (as_is) strcat(options, " -DAS_IS=1");
  lcl_arg a = g->a;
  if (!as_is) {
    const int packed = lcl_scratch(lw, sizeof(float) * (size_t)(a_batch * panels * pitch * p->vec));
    LCL_TRY(emit_pack(lw, g, p, pack_options, packed, mr, pitch, a_batch));
    a = lcl_scratch_arg(lw, packed, LCL_READ);
  }

  const int64_t cl = !matrix && p->channels_last
                         ? (int64_t)lcl_round_up((size_t)x->channels, (size_t)p->vec)
                         : 0;
  const int64_t plane = x->h * x->w;
  lcl_arg b = g->b;
  if (cl) {
    int copy;
    LCL_TRY(lcl_gemm_channels_last(lw, g, p, &copy));
    b = lcl_scratch_arg(lw, copy, LCL_READ);
  }
  const int64_t n = transposed && cl ? cl * x->ta * x->tb : g->n;
  const target t = choose_target(lw, g, p, transposed ? cl : 0);
  const panel_blocks blocks = { .pitch = lcl_int(lw, pitch),
                                .kc = lcl_int(lw, p->kc),
                                .panels_n = lcl_int(lw, p->panels_n),
                                .panels_m = lcl_int(lw, p->panels_m),
                                .a_shared = lcl_int(lw, shared) };
  LCL_TRY(lcl_emit(
      lw,
      &(lcl_launch) { .label = label,
                      .source = { .file = "matmul_panel.cl", .options = options },
                      .kernel = "panel_gemm",
                      LCL_ARGS(a, b, t.c, g->bias_kind && t.part < 0 ? g->bias : a,
                               sizes_arg(lw, g, n, p->splits), LCL_STRUCT(blocks), a_arg(lw, g),
                               b_arg(lw, g, cl ? x->pictures * plane * cl : x->channels * plane),
                               c_arg(lw, g, &t), patches_arg(lw, g, cl)),
                      .dims = 3,
                      .global = { (size_t)lcl_ceil_div(lcl_ceil_div(n, nr), p->panels_n),
                                  (size_t)lcl_ceil_div(panels, p->panels_m),
                                  (size_t)(g->batch * p->splits) },
                      .local = { 1, 1, 1 },
                      .flops = g->flops,
                      .bytes = bytes_of(g) }));
  return t.part < 0 ? LCL_OK
                    : lcl_gemm_sum_parts(lw, g, p->splits, t.part, t.ldc, transposed ? cl : 0);
}

static lcl_status lower_direct(lcl_lower *lw, const lcl_gemm *g, const lcl_gemm_params *p) {
  const lcl_patches *x = &g->patches;
  const int64_t all = x->pictures * x->gq,
                units = LCL_MAX(1, (int64_t)lcl_lower_caps(lw)->compute_units);
  const int64_t rows = LCL_MAX(1, lcl_ceil_div(all * g->batch, 16 * units));
  char options[32], label[128];
  snprintf(options, sizeof options, "-DVEC=%d", p->vec);
  snprintf(label, sizeof label, "%s direct", g->label);
  const target t = { g->c, g->c_base, g->c_batch, 0, g->ldc, -1 };
  return lcl_emit(
      lw, &(lcl_launch) { .label = label,
                          .source = { .file = "conv_direct.cl", .options = options },
                          .kernel = "conv_direct",
                          LCL_ARGS(g->a, g->b, g->c, g->bias_kind ? g->bias : g->a,
                                   sizes_arg(lw, g, g->n, 1), a_arg(lw, g),
                                   b_arg(lw, g, x->channels * x->h * x->w), c_arg(lw, g, &t),
                                   patches_arg(lw, g, 0), lcl_i32(all), lcl_i32(rows)),
                          .dims = 2,
                          .global = { (size_t)lcl_ceil_div(all, rows), (size_t)g->batch },
                          .local = { 1, 1 },
                          .flops = g->flops,
                          .bytes = bytes_of(g) });
}

static int64_t gcd(int64_t a, int64_t b) {
  return b ? gcd(b, a % b) : a;
}

/* Panels of `vec` filters are the vectors, numbers of the pictures their factors. */
static lcl_status lower_rows(lcl_lower *lw, const lcl_gemm *g, const lcl_gemm_params *p) {
  const lcl_patches *x = &g->patches;
  const lcl_gemm_rows r = lcl_gemm_rows_of(g, p);
  const int64_t panels = lcl_ceil_div(g->m, p->vec), fh = LCL_MAX(x->fh, 1), fw = LCL_MAX(x->fw, 1);
  char options[64], label[128];
  snprintf(options, sizeof options, PANEL_OPTIONS, 0, p->vec, p->kc_max);
  snprintf(label, sizeof label, "%s rows", g->label);
  const int packed = lcl_scratch(lw, sizeof(float) * (size_t)(panels * g->k * p->vec));
  LCL_TRY(emit_pack(lw, g, p, options, packed, p->vec, g->k, 1));
  snprintf(options, sizeof options, "-DVEC=%d", p->vec);
  const lcl_arg ap = lcl_scratch_arg(lw, packed, LCL_READ);
  const target t = { g->c, g->c_base, g->c_batch, 0, g->ldc, -1 };
  const patches taps = patches_of(lw, x);
  const rows_window window = { .m = lcl_int(lw, g->m),
                               .images = lcl_int(lw, x->pictures),
                               .channels = lcl_int(lw, x->channels),
                               .cl = lcl_int(lw, r.cl),
                               .pics = lcl_int(lw, r.pics),
                               .rows = lcl_int(lw, r.rows),
                               .pairs = lcl_int(lw, p->panels_m),
                               .h_low = lcl_int(lw, r.h_low),
                               .w_low = lcl_int(lw, r.w_low),
                               .wh = lcl_int(lw, r.wh),
                               .ww = lcl_int(lw, r.ww),
                               .fh = lcl_int(lw, fh),
                               .fw = lcl_int(lw, fw),
                               .step_h = lcl_int(lw, fh / gcd(fh, llabs(x->dh))),
                               .step_w = lcl_int(lw, fw / gcd(fw, llabs(x->dw))) };
  return lcl_emit(
      lw,
      &(lcl_launch) {
          .label = label,
          .source = { .file = "conv_rows.cl", .options = options },
          .kernel = "conv_rows",
          LCL_ARGS(ap, g->b, g->c, g->bias_kind ? g->bias : ap, lcl_local((size_t)r.local),
                   LCL_STRUCT(window), LCL_STRUCT(taps), c_arg(lw, g, &t)),
          .dims = 2,
          .global = { (size_t)r.items, (size_t)lcl_ceil_div(lcl_ceil_div(panels, 2), p->panels_m) },
          .local = { 1, 1 },
          .flops = g->flops,
          .bytes = bytes_of(g) });
}

/* ---- tiles
 * --------------------------------------------------------------------------------------------- */

static lcl_status lower_tiled(lcl_lower *lw, const lcl_gemm *g, const lcl_gemm_params *p) {
  const lcl_patches *x = &g->patches;
  const int64_t side = 4 * p->nv * p->group;
  char options[64], label[128];
  snprintf(options, sizeof options, "-DSOURCE=%d -DGROUP=%d -DNV=%d", (int)g->source, p->group,
           p->nv);
  snprintf(label, sizeof label, "%s tiled", g->label);
  const target t = choose_target(lw, g, p, 0);
  LCL_TRY(lcl_emit(
      lw, &(lcl_launch) { .label = label,
                          .source = { .file = "matmul_tiled.cl", .options = options },
                          .kernel = "matmul_tiled",
                          LCL_ARGS(g->a, g->b, t.c, g->bias_kind && t.part < 0 ? g->bias : g->a,
                                   sizes_arg(lw, g, g->n, p->splits), a_arg(lw, g),
                                   b_arg(lw, g, x->channels * x->h * x->w), c_arg(lw, g, &t),
                                   patches_arg(lw, g, 0)),
                          .dims = 3,
                          .global = { (size_t)(lcl_ceil_div(g->n, side) * p->group),
                                      (size_t)(lcl_ceil_div(g->m, side) * p->group),
                                      (size_t)(g->batch * p->splits) },
                          .local = { (size_t)p->group, (size_t)p->group, 1 },
                          .flops = g->flops,
                          .bytes = bytes_of(g) }));
  return t.part < 0 ? LCL_OK : lcl_gemm_sum_parts(lw, g, p->splits, t.part, t.ldc, 0);
}

lcl_status lcl_gemm_lower(lcl_lower *lw, const lcl_gemm *g) {
  if (g->m == 0 || g->n == 0 || g->batch == 0) return LCL_OK;
  lcl_gemm_params p = lcl_gemm_tuned(lw, g);
  if (g->source == LCL_GEMM_PATCHES)
    p.splits = 1; /* the parts of a split product are dense matrices */
  switch ((lcl_gemm_algorithm)p.algorithm) {
  case LCL_GEMM_PANEL: return lower_panel(lw, g, &p);
  case LCL_GEMM_DIRECT: return lower_direct(lw, g, &p);
  case LCL_GEMM_ROWS: return lower_rows(lw, g, &p);
  case LCL_GEMM_CLBLAST:
    if (lcl_gemm_clblast_can(lcl_lower_caps(lw), g)) return lcl_gemm_lower_clblast(lw, g);
    break;
  case LCL_GEMM_TILED: break;
  }
  return lower_tiled(lw, g, &p);
}
