/* 3x3 convolutions and their gradients by Winograd's minimal filtering F(2x2,3x3): 16
 * multiplications where a direct one takes 36, at the price of transforms; for CPUs. See
 * cl/conv_winograd.cl. */
#include "ops/conv_gemm.h"
#include "ops/gemm_args.h"

/* A forward convolution, or an input gradient as one: the GEMM says in gq, gr, h0, w0 where outputs
 * read; filters are 3x3 at i*row + k*inner of its a, backwards if flip. */
typedef struct view {
  lcl_gemm g;
  int64_t row, inner, channels;
  bool flip;
} view;

static view view_of(const lcl_conv_problem *p) {
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

/* Tiles that a filter gradient transforms at a time; channels of a tile that lie side by side. */
enum { GRAD_TILES = 40, CHANNELS = 64 };

static void kernel_options(int vec, char options[32]) {
  snprintf(options, 32, "-DVEC=%d -DKT=%d -DKB=%d", vec, GRAD_TILES, CHANNELS);
}

/* Tiles of 2x2 outputs, and the kernels' tiles of GEMMs: mr rows by nr columns. */
typedef struct grid {
  int vec, nr, mr;
  int64_t th, tw, tiles;
} grid;

static grid grid_of(const lcl_caps *caps, const lcl_gemm *g) {
  const lcl_patches *x = &g->patches;
  const int vec = lcl__packed_vec(caps);
  const int64_t th = lcl__ceil_div(x->gq, 2), tw = lcl__ceil_div(x->gr, 2);
  return (grid) { vec, 2 * vec, lcl__packed_rows(vec), th, tw, x->images * th * tw };
}

enum { MOST_LOCAL = 1 << 20 };

typedef struct tiling {
  grid g;
  int64_t block, local;
} tiling;

/* Blocks of tiles whose transformed inputs share local memory with room to spare for the filters
 * beside them in the L2 cache, but enough of them for all compute units. */
static tiling tiling_of(const lcl_caps *caps, const view *w) {
  tiling t = { .g = grid_of(caps, &w->g) };
  const int64_t one = 16 * (int64_t)lcl__round_up((size_t)w->channels, CHANNELS) * t.g.mr *
                      (int64_t)sizeof(float),
                room = (int64_t)LCL_MIN(caps->local_mem, (size_t)MOST_LOCAL);
  const int64_t all = lcl__ceil_div(t.g.tiles, t.g.mr), units = lcl__units(caps);
  const int64_t groups = LCL_MAX(1, LCL_MIN(LCL_MIN(8, room / LCL_MAX(one, 1)), all / (8 * units)));
  t.block = groups * t.g.mr;
  t.local = one * groups + 16 * t.g.vec * (int64_t)sizeof(float);
  return t;
}

static winograd_tiles tiles_of(lcl_lower *lw, const lcl_gemm *g, const grid *t, int64_t channels,
                               int64_t cl) {
  const lcl_patches *x = &g->patches;
  return (winograd_tiles) { .m = lcl__int(lw, g->m),
                            .channels = lcl__int(lw, channels),
                            .cl = lcl__int(lw, cl),
                            .h = lcl__int(lw, x->h),
                            .w = lcl__int(lw, x->w),
                            .h0 = lcl__int(lw, x->h0),
                            .w0 = lcl__int(lw, x->w0),
                            .oh = lcl__int(lw, x->gq),
                            .ow = lcl__int(lw, x->gr),
                            .th = lcl__int(lw, t->th),
                            .tw = lcl__int(lw, t->tw),
                            .tiles = lcl__int(lw, t->tiles) };
}

static lcl_status lower_images(lcl_lower *lw, const view *w) {
  const lcl_gemm *g = &w->g;
  const lcl_patches *x = &g->patches;
  const lcl_caps *caps = lcl__lower_caps(lw);
  const tiling t = tiling_of(caps, w);
  const int64_t panels = lcl__ceil_div(g->m, t.g.nr),
                chunks = LCL_MAX(1, lcl__ceil_div(8 * lcl__units(caps), panels));
  const int64_t chunk = lcl__ceil_div(w->channels, chunks),
                cl = (int64_t)lcl__round_up((size_t)w->channels, (size_t)t.g.vec);
  char options[32], label[160];
  kernel_options(t.g.vec, options);
  snprintf(label, sizeof label, "%s filter transform", g->label);
  const int u = lcl__scratch(lw, sizeof(float) *
                                     (size_t)(16 * (panels * w->channels * t.g.nr + t.g.vec)));
  LCL_TRY(lcl__emit(
      lw, &(lcl_launch) { .label = label,
                          .source = { .file = "conv_winograd.cl", .options = options },
                          .kernel = "winograd_filter",
                          LCL_ARGS(g->a, lcl__scratch_arg(lw, u, LCL_WRITE), lcl__i32(g->m),
                                   lcl__i32(w->channels), lcl__i32(chunk), lcl__i32(w->row),
                                   lcl__i32(w->inner), lcl__i32(w->flip)),
                          .dims = 2,
                          .global = { (size_t)panels, (size_t)lcl__ceil_div(w->channels, chunk) },
                          .local = { 1, 1 },
                          .bytes = 4.0 * 25 * (double)(g->m * w->channels) }));
  const winograd_tiles tiles = tiles_of(lw, g, &t.g, w->channels, cl);
  int copy;
  LCL_TRY(lcl__gemm_channels_last(lw, g, t.g.vec, &copy));
  snprintf(label, sizeof label, "%s winograd", g->label);
  return lcl__emit(
      lw, &(lcl_launch) {
              .label = label,
              .source = { .file = "conv_winograd.cl", .options = options },
              .kernel = "winograd",
              LCL_ARGS(lcl__scratch_arg(lw, u, LCL_READ), lcl__scratch_arg(lw, copy, LCL_READ),
                       g->c, g->bias_kind ? g->bias : lcl__scratch_arg(lw, u, LCL_READ),
                       lcl__local((size_t)t.local), LCL_STRUCT(tiles), lcl__i32(t.block),
                       lcl__i32(g->bias_kind), lcl__i32(g->act), lcl__f32(g->slope)),
              .dims = 1,
              .global = { (size_t)lcl__ceil_div(t.g.tiles, t.block) },
              .local = { 1 },
              .flops = g->flops,
              .bytes = 4.0 *
                       (double)(x->images * (w->channels * x->h * x->w + g->m * x->gq * x->gr)) });
}

/* ---- filter gradient ---- */

typedef struct grad_tiling {
  grid g;
  int64_t share, splits, block_o, block_c, local;
} grad_tiling;

/* Blocks of at most 70 filters by 64 channels: their sums and a round's transforms stay in the
 * L2 cache. */
static grad_tiling grad_tiling_of(const lcl_caps *caps, const lcl_gemm *g) {
  const lcl_patches *x = &g->patches;
  const int64_t units = lcl__units(caps);
  grad_tiling t = { .g = grid_of(caps, g) };
  t.block_o = LCL_MIN(5, lcl__ceil_div(g->m, t.g.mr));
  t.block_c = LCL_MIN(2, lcl__ceil_div(x->channels, t.g.nr));
  const int64_t blocks = lcl__ceil_div(lcl__ceil_div(g->m, t.g.mr), t.block_o) *
                         lcl__ceil_div(lcl__ceil_div(x->channels, t.g.nr), t.block_c);
  t.splits = LCL_MAX(1, LCL_MIN(lcl__ceil_div(4 * units, blocks), t.g.tiles / (4 * GRAD_TILES)));
  t.share = lcl__ceil_div(lcl__ceil_div(t.g.tiles, t.splits), GRAD_TILES) * GRAD_TILES;
  t.splits = lcl__ceil_div(t.g.tiles, t.share);
  t.local = 16 * (int64_t)sizeof(float) *
            (GRAD_TILES * (t.block_c * t.g.nr + t.block_o * t.g.vec) +
             t.block_o * t.g.mr * t.block_c * t.g.nr + 3 * t.g.vec);
  return t;
}

static lcl_status lower_filter_grad(lcl_lower *lw, const lcl_gemm *g) {
  const lcl_patches *x = &g->patches;
  const lcl_caps *caps = lcl__lower_caps(lw);
  const grad_tiling t = grad_tiling_of(caps, g);
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
  const winograd_tiles tiles = tiles_of(lw, g, &t.g, x->channels, xl);
  const winograd_blocks blocks = { .share = lcl__int(lw, t.share),
                                   .panels_o = lcl__int(lw, t.block_o),
                                   .panels_c = lcl__int(lw, t.block_c),
                                   .yl = lcl__int(lw, yl) };
  int images, gradients;
  LCL_TRY(lcl__gemm_channels_last(lw, g, t.g.vec, &images));
  LCL_TRY(lcl__gemm_channels_last(lw, &gradient, t.g.vec, &gradients));
  const int part = lcl__scratch(lw, sizeof(float) * (size_t)(t.splits * g->m * 9 * xl));
  char options[32], label[160];
  kernel_options(t.g.vec, options);
  snprintf(label, sizeof label, "%s winograd", g->label);
  LCL_TRY(lcl__emit(
      lw,
      &(lcl_launch) {
          .label = label,
          .source = { .file = "conv_winograd.cl", .options = options },
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

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p) {
  const lcl_conv_attr *a = &p->a;
  const lcl_conv_sizes *s = &p->s;
  if (!caps->packed || a->groups != 1 || s->kh != 3 || s->kw != 3 ||
      LCL_MAX(a->stride[0], a->stride[1]) > 1 || LCL_MAX(a->dilation[0], a->dilation[1]) > 1 ||
      s->n * s->c * s->h * s->w * s->o == 0)
    return false;
  const view w = view_of(p);
  const int64_t local = p->pass == LCL_CONV_FILTER_GRAD ? grad_tiling_of(caps, &w.g).local
                                                        : tiling_of(caps, &w).local;
  return local <= (int64_t)LCL_MIN(caps->local_mem, (size_t)MOST_LOCAL);
}

static bool profitable(const lcl_caps *caps, const lcl_conv_problem *p) {
  const view w = view_of(p);
  if (p->s.c < 32 || p->s.o < 32) return false;
  if (p->pass == LCL_CONV_FILTER_GRAD) return grad_tiling_of(caps, &w.g).g.tiles >= 4 * GRAD_TILES;
  const tiling t = tiling_of(caps, &w);
  return w.g.patches.gq >= 3 && w.g.patches.gr >= 3 && t.g.tiles >= 2 * t.g.nr * lcl__units(caps);
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *none) {
  const view w = view_of(p);
  (void)none;
  return p->pass == LCL_CONV_FILTER_GRAD ? lower_filter_grad(lw, &w.g) : lower_images(lw, &w);
}

const lcl_conv_implementation lcl__conv_winograd = { .base = { .name = "winograd" },
                                                     .passes = LCL_CONV_FORWARD |
                                                               LCL_CONV_INPUT_GRAD |
                                                               LCL_CONV_FILTER_GRAD,
                                                     .mixes_taps = true,
                                                     .supported = supported,
                                                     .profitable = profitable,
                                                     .lower = lower };
