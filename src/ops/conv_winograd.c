/* 3x3 convolutions and their gradients by Winograd's minimal filtering, for CPUs: F(2x2,3x3) takes
 * 16 multiplications where a direct one takes 36, F(4x4,3x3) 36 for 144, at the price of
 * transforms. See cl/conv_winograd.cl. */
#include <math.h>

#include "ops/conv_winograd.h"
#include "ops/gemm_args.h"

typedef lcl_winograd_view view;

lcl_winograd_view lcl__winograd_view_of(const lcl_conv_problem *p) {
  const int64_t taps = 9;
  view w = { .g = lcl__conv_gemm_of(p), .row = p->s.c * taps, .inner = taps, .channels = p->s.c };
  if (p->pass == LCL_CONV_INPUT_GRAD) { /* a convolution with the filter read backwards */
    w.row = taps;
    w.inner = p->s.c * taps;
    w.channels = p->s.o;
    w.flip = true;
    w.g.patches.h0 -= 2, w.g.patches.w0 -= 2;
    w.g.patches.dh = w.g.patches.dw = 1;
  }
  return w;
}

lcl_winograd_grid lcl__winograd_grid_of(const lcl_gemm *g, int outs) {
  const lcl_patches *x = &g->patches;
  const int64_t th = lcl__ceil_div(x->gq, outs), tw = lcl__ceil_div(x->gr, outs);
  return (lcl_winograd_grid) { th, tw, x->images * th * tw };
}

/* Channels of a tile that lie side by side. */
enum { CHANNELS = 64 };

#define NAME2 "winograd"
#define NAME4 "winograd-4x4"

static const char *name_of(int outs) {
  return outs == 2 ? NAME2 : NAME4;
}

/* F(outs x outs, 3x3): tiles of outs x outs outputs, and the kernels' tiles of GEMMs: mr rows by nr
 * columns. kc channels' filters, or kt tiles for a filter gradient, are transformed at a time. */
typedef struct grid {
  int outs, positions, vec, nr, mr, kc, kt;
  int64_t tiles;
} grid;

enum { MOST_LOCAL = 1 << 20 };

static int64_t room_of(const lcl_caps *caps) {
  return (int64_t)LCL_MIN(caps->local_mem, (size_t)MOST_LOCAL);
}

static grid grid_of(const lcl_caps *caps, const lcl_gemm *g, int outs, int vec) {
  return (grid) { .outs = outs,
                  .positions = (outs + 2) * (outs + 2),
                  .vec = vec,
                  .nr = 2 * vec,
                  .mr = lcl__packed_rows(vec),
                  .kc = room_of(caps) < 256 << 10 ? 8 : 32,
                  .kt = outs == 2 ? 40 : 32,
                  .tiles = lcl__winograd_grid_of(g, outs).tiles };
}

static lcl_source source_of(const grid *g, char options[64]) {
  snprintf(options, 64, "-DVEC=%d -DOUTS=%d -DKB=%d -DKC=%d -DKT=%d", g->vec, g->outs, CHANNELS,
           g->kc, g->kt);
  return (lcl_source) { .file = "conv_winograd.cl", .options = options };
}

winograd_tiles lcl__winograd_tiles_of(lcl_lower *lw, const lcl_gemm *g, int outs, int64_t channels,
                                      int64_t cl) {
  const lcl_patches *x = &g->patches;
  const lcl_winograd_grid t = lcl__winograd_grid_of(g, outs);
  return (winograd_tiles) { .m = lcl__int(lw, g->m),
                            .channels = lcl__int(lw, channels),
                            .cl = lcl__int(lw, cl),
                            .h = lcl__int(lw, x->h),
                            .w = lcl__int(lw, x->w),
                            .h0 = lcl__int(lw, x->h0),
                            .w0 = lcl__int(lw, x->w0),
                            .oh = lcl__int(lw, x->gq),
                            .ow = lcl__int(lw, x->gr),
                            .th = lcl__int(lw, t.th),
                            .tw = lcl__int(lw, t.tw),
                            .tiles = lcl__int(lw, t.tiles) };
}

/* ---- forward and input gradient ---- */

/* A work-group has `block` tiles; streamed: and one panel of filters, which it transforms in
 * passing, while else a launch of its own has transformed all filters. */
typedef struct tiling {
  grid g;
  bool streamed;
  int64_t block, local;
} tiling;

/* At least n tiles, as many as the kernels' tiles of GEMMs fill (MR, ROWS_MEDIUM and ROWS_SMALL of
 * cl/packed.cl). */
static int64_t fill(const grid *g, int64_t n) {
  const int medium = g->vec == 16 ? 8 : 4, few = medium / 2;
  const int64_t whole = n / g->mr * g->mr, rest = n - whole;
  return whole + (rest > medium ? g->mr : rest > few ? medium : rest > 0 ? few : 0);
}

static tiling tiling_of(const lcl_caps *caps, const view *w, int outs,
                        const lcl_kernel_params *params) {
  tiling t = { .g = grid_of(caps, &w->g, outs, params->vector), .streamed = params->stream };
  const int64_t channels = (int64_t)lcl__round_up((size_t)w->channels, CHANNELS);
  t.block = fill(&t.g, LCL_MIN(params->tiles, t.g.tiles));
  const int64_t floats = t.streamed ? t.g.nr * (t.g.kc + t.block) : t.block * (channels + t.g.nr);
  t.local = (int64_t)sizeof(float) * t.g.positions * (floats + 2 * t.g.vec);
  return t;
}

/* Transformed filters that few tiles need are not worth writing down. Else blocks of tiles leave
 * room in the L2 cache for the filters beside them, and there are enough for all compute units. */
static void choose_tiling(const lcl_caps *caps, const view *w, int outs,
                          lcl_kernel_params *params) {
  const grid g = grid_of(caps, &w->g, outs, params->vector);
  const int64_t most = outs == 2 ? 64 : 32, enough = g.tiles / (8 * lcl__units(caps) * g.mr);
  params->stream = g.tiles <= 128;
  if (params->stream)
    params->tiles = (int)fill(&g, lcl__ceil_div(g.tiles, lcl__ceil_div(g.tiles, most)));
  else
    params->tiles = (int)LCL_MAX(1, LCL_MIN(outs == 2 ? 4 : 1, enough)) * g.mr;
  while (params->tiles > 1 && tiling_of(caps, w, outs, params).local > room_of(caps))
    params->tiles = (int)fill(&g, params->tiles / 2);
}

/* Filters are transformed by a launch of their own. */
static lcl_status lower_whole(lcl_lower *lw, const view *w, const tiling *t, int images,
                              const winograd_tiles *tiles) {
  const lcl_gemm *g = &w->g;
  const lcl_patches *x = &g->patches;
  const int64_t panels = lcl__ceil_div(g->m, t->g.nr),
                chunks = LCL_MAX(1, lcl__ceil_div(8 * lcl__units(lcl__lower_caps(lw)), panels)),
                chunk = lcl__ceil_div(w->channels, chunks);
  char options[64], label[160];
  snprintf(label, sizeof label, "%s filter transform", g->label);
  const int u = lcl__scratch(
      lw, sizeof(float) * (size_t)(t->g.positions * (panels * w->channels * t->g.nr + t->g.vec)));
  LCL_TRY(lcl__emit(
      lw, &(lcl_launch) { .label = label,
                          .source = source_of(&t->g, options),
                          .kernel = "winograd_filter",
                          LCL_ARGS(g->a, lcl__scratch_arg(lw, u, LCL_WRITE), lcl__i32(g->m),
                                   lcl__i32(w->channels), lcl__i32(chunk), lcl__i32(w->row),
                                   lcl__i32(w->inner), lcl__i32(w->flip)),
                          .dims = 2,
                          .global = { (size_t)panels, (size_t)lcl__ceil_div(w->channels, chunk) },
                          .local = { 1, 1 },
                          .bytes = 4.0 * (9 + t->g.positions) * (double)(g->m * w->channels) }));
  snprintf(label, sizeof label, "%s %s", g->label, name_of(t->g.outs));
  return lcl__emit(
      lw, &(lcl_launch) {
              .label = label,
              .source = source_of(&t->g, options),
              .kernel = "winograd",
              LCL_ARGS(lcl__scratch_arg(lw, u, LCL_READ), lcl__scratch_arg(lw, images, LCL_READ),
                       g->c, g->bias_kind ? g->bias : lcl__scratch_arg(lw, u, LCL_READ),
                       lcl__local((size_t)t->local), LCL_STRUCT(*tiles), lcl__i32(t->block),
                       lcl__i32(g->bias_kind), lcl__i32(g->act), lcl__f32(g->slope)),
              .dims = 1,
              .global = { (size_t)lcl__ceil_div(t->g.tiles, t->block) },
              .local = { 1 },
              .flops = g->flops,
              .bytes = 4.0 *
                       (double)(x->images * (w->channels * x->h * x->w + g->m * x->gq * x->gr)) });
}

/* Inputs are transformed by a launch of their own, filters in passing. */
static lcl_status lower_streamed(lcl_lower *lw, const view *w, const tiling *t, int images,
                                 const winograd_tiles *tiles) {
  const lcl_gemm *g = &w->g;
  const lcl_patches *x = &g->patches;
  const int64_t vectors = lcl__ceil_div(w->channels, t->g.vec),
                parts = LCL_MAX(1, lcl__ceil_div(8 * lcl__units(lcl__lower_caps(lw)), vectors)),
                part = lcl__ceil_div(t->g.tiles, parts);
  const int64_t floats = (int64_t)lcl__round_up((size_t)w->channels, CHANNELS) * t->g.tiles;
  const winograd_filters filters = { .rs = lcl__int(lw, w->row),
                                     .ks = lcl__int(lw, w->inner),
                                     .flip = lcl__int(lw, w->flip) };
  char options[64], label[160];
  snprintf(label, sizeof label, "%s input transform", g->label);
  /* The last tile of a GEMM may read beyond the last tile. */
  const int v = lcl__scratch(
      lw, sizeof(float) * (size_t)(t->g.positions * (floats + t->g.vec) + t->g.mr * CHANNELS));
  LCL_TRY(lcl__emit(
      lw, &(lcl_launch) { .label = label,
                          .source = source_of(&t->g, options),
                          .kernel = "winograd_inputs",
                          LCL_ARGS(lcl__scratch_arg(lw, images, LCL_READ),
                                   lcl__scratch_arg(lw, v, LCL_WRITE), LCL_STRUCT(*tiles),
                                   lcl__i32(part)),
                          .dims = 2,
                          .global = { (size_t)lcl__ceil_div(t->g.tiles, part), (size_t)vectors },
                          .local = { 1, 1 },
                          .bytes = 4.0 * (double)(x->images * w->channels * x->h * x->w +
                                                  t->g.positions * floats) }));
  snprintf(label, sizeof label, "%s %s", g->label, name_of(t->g.outs));
  return lcl__emit(
      lw,
      &(lcl_launch) { .label = label,
                      .source = source_of(&t->g, options),
                      .kernel = "winograd_panel",
                      LCL_ARGS(g->a, lcl__scratch_arg(lw, v, LCL_READ), g->c,
                               g->bias_kind ? g->bias : lcl__scratch_arg(lw, v, LCL_READ),
                               lcl__local((size_t)t->local), LCL_STRUCT(*tiles),
                               LCL_STRUCT(filters), lcl__i32(t->block), lcl__i32(g->bias_kind),
                               lcl__i32(g->act), lcl__f32(g->slope)),
                      .dims = 2,
                      .global = { (size_t)lcl__ceil_div(g->m, t->g.nr),
                                  (size_t)lcl__ceil_div(t->g.tiles, t->block) },
                      .local = { 1, 1 },
                      .flops = g->flops,
                      .bytes = 4.0 * (double)(x->images * g->m * x->gq * x->gr +
                                              9 * g->m * w->channels + t->g.positions * floats) });
}

static lcl_status lower_images(lcl_lower *lw, const view *w, int outs,
                               const lcl_kernel_params *params) {
  const tiling t = tiling_of(lcl__lower_caps(lw), w, outs, params);
  const int64_t cl = (int64_t)lcl__round_up((size_t)w->channels, (size_t)t.g.vec);
  const winograd_tiles tiles = lcl__winograd_tiles_of(lw, &w->g, outs, w->channels, cl);
  int images;
  LCL_TRY(lcl__gemm_channels_last(lw, &w->g, t.g.vec, &images));
  return (t.streamed ? lower_streamed : lower_whole)(lw, w, &t, images, &tiles);
}

/* ---- filter gradient ---- */

typedef struct grad_tiling {
  grid g;
  int64_t share, splits, block_o, block_c, local;
} grad_tiling;

static int64_t grad_local(const grad_tiling *t) {
  return t->g.positions * (int64_t)sizeof(float) *
         (t->g.kt * (t->block_c * t->g.nr + t->block_o * t->g.vec) +
          t->block_o * t->g.mr * t->block_c * t->g.nr + 3 * t->g.vec);
}

/* Blocks of at most 70 filters by 64 channels, whose sums and a round's transforms stay in the L2
 * cache. */
static grad_tiling grad_tiling_of(const lcl_caps *caps, const lcl_gemm *g, int outs, int vec) {
  const int64_t units = lcl__units(caps), most_c = outs == 2 ? 2 : 1;
  grad_tiling t = { .g = grid_of(caps, g, outs, vec) };
  const int64_t panels_o = lcl__ceil_div(g->m, t.g.mr),
                panels_c = lcl__ceil_div(g->patches.channels, t.g.nr);
  t.block_o = LCL_MIN(5, panels_o);
  t.block_c = LCL_MIN(most_c, panels_c);
  while (grad_local(&t) > room_of(caps) && t.g.kt > 1) {
    if (t.g.kt >= 16)
      t.g.kt /= 2;
    else if (t.block_c > 1)
      t.block_c--;
    else if (t.block_o > 1)
      t.block_o--;
    else
      t.g.kt /= 2;
  }
  const int64_t blocks = lcl__ceil_div(panels_o, t.block_o) * lcl__ceil_div(panels_c, t.block_c);
  t.splits = LCL_MAX(1, LCL_MIN(lcl__ceil_div(4 * units, blocks), t.g.tiles / (4 * t.g.kt)));
  t.share = lcl__ceil_div(lcl__ceil_div(t.g.tiles, t.splits), t.g.kt) * t.g.kt;
  t.splits = lcl__ceil_div(t.g.tiles, t.share);
  t.local = grad_local(&t);
  return t;
}

static lcl_status lower_filter_grad(lcl_lower *lw, const lcl_gemm *g, int outs, int vec) {
  const lcl_patches *x = &g->patches;
  const lcl_caps *caps = lcl__lower_caps(lw);
  const grad_tiling t = grad_tiling_of(caps, g, outs, vec);
  const lcl_gemm gradient = { .label = g->label,
                              .batch = 1,
                              .b = g->a,
                              .patches = { .images = x->images,
                                           .all_channels = g->m,
                                           .channels = g->m,
                                           .h = x->gq,
                                           .w = x->gr } };
  const int64_t xl = (int64_t)lcl__round_up((size_t)x->channels, (size_t)t.g.vec),
                yl = (int64_t)lcl__round_up((size_t)g->m, (size_t)t.g.vec);
  const winograd_tiles tiles = lcl__winograd_tiles_of(lw, g, outs, x->channels, xl);
  const winograd_blocks blocks = { .share = lcl__int(lw, t.share),
                                   .panels_o = lcl__int(lw, t.block_o),
                                   .panels_c = lcl__int(lw, t.block_c),
                                   .yl = lcl__int(lw, yl) };
  int images, gradients;
  LCL_TRY(lcl__gemm_channels_last(lw, g, t.g.vec, &images));
  LCL_TRY(lcl__gemm_channels_last(lw, &gradient, t.g.vec, &gradients));
  const int part = lcl__scratch(lw, sizeof(float) * (size_t)(t.splits * g->m * 9 * xl));
  char options[64], label[160];
  snprintf(label, sizeof label, "%s %s", g->label, name_of(t.g.outs));
  LCL_TRY(lcl__emit(
      lw,
      &(lcl_launch) {
          .label = label,
          .source = source_of(&t.g, options),
          .kernel = "winograd_filter_grad",
          LCL_ARGS(lcl__scratch_arg(lw, images, LCL_READ),
                   lcl__scratch_arg(lw, gradients, LCL_READ), lcl__scratch_arg(lw, part, LCL_WRITE),
                   lcl__local((size_t)t.local), LCL_STRUCT(tiles), LCL_STRUCT(blocks)),
          .dims = 3,
          .global = { (size_t)t.splits,
                      (size_t)lcl__ceil_div(lcl__ceil_div(g->m, t.g.mr), t.block_o),
                      (size_t)lcl__ceil_div(lcl__ceil_div(x->channels, t.g.nr), t.block_c) },
          .local = { 1, 1, 1 },
          .flops = g->flops,
          .bytes = 4.0 *
                   (double)(x->images * (x->channels * x->h * x->w + g->m * x->gq * x->gr)) }));
  return lcl__gemm_sum_parts(lw, g, (int)t.splits, part, 9 * xl, xl);
}

/* ---- all three ---- */

/* What a choice leaves open (0), as older records do, filled in. */
static lcl_kernel_params complete(const lcl_caps *caps, const lcl_conv_problem *p, int outs,
                                  const lcl_kernel_params *params) {
  lcl_kernel_params all = params ? *params : (lcl_kernel_params) { 0 };
  const view w = lcl__winograd_view_of(p);
  if (!all.vector) all.vector = lcl__packed_vec(caps);
  if (!all.tiles && p->pass != LCL_CONV_FILTER_GRAD) choose_tiling(caps, &w, outs, &all);
  return all;
}

static bool legal(const lcl_caps *caps, const lcl_conv_problem *p, int outs,
                  const lcl_kernel_params *params) {
  const lcl_kernel_params all = complete(caps, p, outs, params);
  const view w = lcl__winograd_view_of(p);
  if (all.vector != 8 && all.vector != 16) return false;
  const int64_t local = p->pass == LCL_CONV_FILTER_GRAD
                            ? grad_tiling_of(caps, &w.g, outs, all.vector).local
                            : tiling_of(caps, &w, outs, &all).local;
  return local <= room_of(caps);
}

/* Fewer channels or filters are no gain for F(4x4,3x3); and sums of whole numbers over up to 33, as
 * check has them, stay exact. */
enum { LEAST_CHANNELS_4 = 40 };

bool lcl__winograd_serves(const lcl_conv_problem *p, int outs) {
  const lcl_conv_attr *a = &p->a;
  const lcl_conv_sizes *s = &p->s;
  if (outs == 4 && LCL_MIN(s->c, s->o) < LEAST_CHANNELS_4) return false;
  return a->groups == 1 && s->kh == 3 && s->kw == 3 && a->stride[0] == 1 && a->stride[1] == 1 &&
         a->dilation[0] == 1 && a->dilation[1] == 1 && s->n * s->c * s->h * s->w * s->o > 0;
}

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p, int outs) {
  return caps->packed && lcl__winograd_serves(p, outs) && legal(caps, p, outs, NULL);
}

/* Multiplications of a filter and a channel. */
static double products_of(const grid *g) {
  return (double)g->positions * (double)g->tiles;
}

static bool profitable(const lcl_caps *caps, const lcl_conv_problem *p, int outs) {
  const view w = lcl__winograd_view_of(p);
  const grid g = grid_of(caps, &w.g, outs, lcl__packed_vec(caps)),
             small = grid_of(caps, &w.g, 2, g.vec);
  if (p->s.c < 32 || p->s.o < 32 || w.g.patches.gq < 2 || w.g.patches.gr < 2) return false;
  if (outs > 2 && products_of(&g) > 0.8 * products_of(&small)) return false; /* many are outside */
  return p->pass == LCL_CONV_FILTER_GRAD ? g.tiles >= (outs == 2 ? 4 : 1) * g.kt
                                         : g.tiles >= 2 * g.mr;
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *params,
                        int outs) {
  const view w = lcl__winograd_view_of(p);
  const lcl_kernel_params all = complete(lcl__lower_caps(lw), p, outs, params);
  return p->pass == LCL_CONV_FILTER_GRAD ? lower_filter_grad(lw, &w.g, outs, all.vector)
                                         : lower_images(lw, &w, outs, &all);
}

/* F(4x4,3x3) multiplies by sixths, which round even where all terms are integers, and by numbers
 * that grow. A rounding at each position, all of one sign: 400 is the largest of
 *   sum over positions |A| |G| |B|, with the norms of the rows of G and B
 * in both dimensions, for outputs and for filters. A filter's gradient adds up images; its
 * operands' norms are those of all channels. */
double lcl__winograd_tolerance4(const lcl_conv_problem *p) {
  const double images = (double)p->s.n / sqrt((double)(p->s.c * p->s.o));
  return 0x1p-24 * 400 * (p->pass == LCL_CONV_FILTER_GRAD ? images : 1);
}

static const lcl_kernel_param params[] = { LCL_KERNEL_PARAM(tiles, 14, 28, 32, 56, 64),
                                           LCL_KERNEL_PARAM(stream, 0, 1),
                                           LCL_KERNEL_PARAM(vector, 8, 16) };

/* lcl__conv_winogradOUTS: F(OUTS x OUTS, 3x3). */
#define METHOD(OUTS)                                                                               \
  static bool supported##OUTS(const lcl_caps *caps, const lcl_conv_problem *p) {                   \
    return supported(caps, p, OUTS);                                                               \
  }                                                                                                \
  static bool profitable##OUTS(const lcl_caps *caps, const lcl_conv_problem *p) {                  \
    return profitable(caps, p, OUTS);                                                              \
  }                                                                                                \
  static void choose##OUTS(const lcl_caps *caps, const lcl_conv_problem *p,                        \
                           lcl_kernel_params *k) {                                                 \
    *k = complete(caps, p, OUTS, NULL);                                                            \
  }                                                                                                \
  static bool legal##OUTS(const lcl_caps *caps, const lcl_conv_problem *p,                         \
                          const lcl_kernel_params *k) {                                            \
    return legal(caps, p, OUTS, k);                                                                \
  }                                                                                                \
  static lcl_status lower##OUTS(lcl_lower *lw, const lcl_conv_problem *p,                          \
                                const lcl_kernel_params *k) {                                      \
    return lower(lw, p, k, OUTS);                                                                  \
  }                                                                                                \
  const lcl_conv_implementation lcl__conv_winograd##OUTS = {                                       \
    .base = LCL_IMPLEMENTATION(NAME##OUTS, params),                                                \
    .passes = LCL_CONV_FORWARD | LCL_CONV_INPUT_GRAD | LCL_CONV_FILTER_GRAD,                       \
    .mixes_taps = true,                                                                            \
    .supported = supported##OUTS,                                                                  \
    .profitable = profitable##OUTS,                                                                \
    .choose = choose##OUTS,                                                                        \
    .legal = legal##OUTS,                                                                          \
    .lower = lower##OUTS,                                                                          \
    .tolerance = TOLERANCE##OUTS                                                                   \
  };
#define TOLERANCE2 NULL
#define TOLERANCE4 lcl__winograd_tolerance4
METHOD(2)
METHOD(4)
