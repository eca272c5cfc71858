/* Direct convolution on images whose channels are copied to local memory as vectors (direct NHWC),
 * for CPUs: all three passes. See cl/conv_nhwc.cl. */
#include "ops/conv_gemm.h"
#include "ops/gemm_args.h"

/* ---- forward and input gradient: panels of filters are the vectors ---- */

#define PIXELS(vec) ((vec) == 16 ? 12 : 6) /* of a tile */

/* How the work is divided: a work-item takes `pics` images by `rows` rows of each phase, for which
 * it holds wh x ww pixels of x from row h_low and column w_low of it, cl floats each. */
typedef struct share {
  int64_t pics, rows, items, h_low, w_low, wh, ww, cl;
  int64_t local; /* bytes of local memory */
} share;

static int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

/* First and last pixel (times the fractional stride) of one dimension that positions 0..count-1
 * read. */
static int64_t reach(int64_t count, int64_t step, int64_t start, int64_t taps, int64_t move,
                     bool last) {
  const int64_t far = (taps - 1) * move;
  return last ? (count - 1) * step + start + LCL_MAX(far, 0) : start + LCL_MIN(far, 0);
}

static share share_of(const lcl_gemm *g, const lcl_kernel_params *p) {
  const lcl_patches *x = &g->patches;
  const int64_t fh = LCL_MAX(x->fh, 1), fw = LCL_MAX(x->fw, 1), gq = lcl__ceil_div(x->gq, fh),
                gr = lcl__ceil_div(x->gr, fw), wanted = p->tiles * PIXELS(p->vector);
  share r = { .pics = LCL_MAX(1, LCL_MIN(wanted / (gq * gr), x->images)),
              .rows = LCL_MIN(lcl__ceil_div(wanted, gr), gq),
              .h_low = floor_div(reach(1, x->sh, x->h0, x->ta, x->dh, false), fh),
              .w_low = floor_div(reach(1, x->sw, x->w0, x->tb, x->dw, false), fw),
              .cl = (int64_t)lcl__round_up((size_t)x->channels, (size_t)p->vector) };
  r.w_low = LCL_MIN(r.w_low, 0); /* rows of x are copied as a whole */
  r.wh = floor_div(reach(r.rows * fh, x->sh, x->h0, x->ta, x->dh, true), fh) - r.h_low + 1;
  r.ww = LCL_MAX(floor_div(reach(gr * fw, x->sw, x->w0, x->tb, x->dw, true), fw), x->w - 1) -
         r.w_low + 1;
  r.items = lcl__ceil_div(gq, r.rows) * lcl__ceil_div(x->images, r.pics);
  r.local = (int64_t)sizeof(float) *
            (r.pics * r.wh * r.ww * r.cl + (r.pics * r.rows * fh * x->gr + 1) * 2 * p->vector);
  return r;
}

static bool fits(const lcl_caps *caps, const lcl_gemm *g, const lcl_kernel_params *p) {
  return share_of(g, p).local <= (int64_t)caps->local_mem;
}

static lcl_gemm gemm_of(const lcl_conv_problem *p) {
  const bool strided = LCL_MAX(p->a.stride[0], p->a.stride[1]) > 1;
  return p->pass == LCL_CONV_INPUT_GRAD && strided ? lcl__conv_gemm_fractional(p)
                                                   : lcl__conv_gemm_of(p);
}

/* Where filters fill half of a vector, those of a phase for a pair of panels stay in the L2 cache,
 * and the images are better read channels last or at least for several taps. */
static bool worth_it(const lcl_gemm *g, int vec) {
  const lcl_patches *x = &g->patches;
  const int64_t fh = LCL_MAX(x->fh, 1), fw = LCL_MAX(x->fw, 1),
                k = lcl__ceil_div(x->ta, fh) * lcl__ceil_div(x->tb, fw) * x->channels;
  return 2 * LCL_MIN(g->m, x->channels) >= vec &&
         (x->ta * x->tb * fh * fw > 1 || lcl__gemm_wants_channels_last(g, vec)) &&
         k * 2 * vec * (int64_t)sizeof(float) <= 512 << 10;
}

/* Work-items whose tiles are full, whose number suits the compute units, and that share few rows
 * of x. 0: none fits. */
static int best_tiles(const lcl_caps *caps, const lcl_gemm *g, int vec) {
  const lcl_patches *x = &g->patches;
  const int64_t fw = LCL_MAX(x->fw, 1), panels = lcl__ceil_div(g->m, vec), pixels = PIXELS(vec),
                units = lcl__units(caps), room = LCL_MIN((int64_t)caps->local_mem, 512 << 10);
  int64_t least = INT64_MAX;
  int best = 0;
  for (lcl_kernel_params p = { .vector = vec, .tiles = 1 }; p.tiles <= 64; p.tiles++) {
    const share r = share_of(g, &p);
    if (r.local > room || (best && r.items < 4 * units)) break;
    const int64_t tiles = lcl__ceil_div(r.pics * r.rows * lcl__ceil_div(x->gr, fw), pixels);
    const int64_t cost = lcl__ceil_div(r.items, units) *
                         (tiles * panels * g->k * pixels / 2 + r.pics * r.wh * r.ww * r.cl / 2);
    if (cost >= least) continue;
    least = cost;
    best = p.tiles;
  }
  return best;
}

/* Panels of `vec` filters are the vectors, numbers of the images their factors. */
static lcl_status lower_gemm(lcl_lower *lw, const lcl_gemm *g, const lcl_kernel_params *p) {
  const lcl_patches *x = &g->patches;
  const share r = share_of(g, p);
  const int64_t panels = lcl__ceil_div(g->m, p->vector), fh = LCL_MAX(x->fh, 1),
                fw = LCL_MAX(x->fw, 1);
  char options[64], label[128];
  snprintf(label, sizeof label, "%s direct-nhwc", g->label);
  int packed;
  LCL_TRY(lcl__gemm_pack_a(lw, g, p->vector, &packed, p->vector, g->k, 1));
  snprintf(options, sizeof options, "-DVEC=%d", p->vector);
  const lcl_arg ap = lcl__scratch_arg(lw, packed, LCL_READ);
  const lcl_gemm_target t = lcl__gemm_choose_target(lw, g, 1, 0);
  const patches taps = lcl__gemm_patches_of(lw, x);
  const nhwc_window window = { .m = lcl__int(lw, g->m),
                               .images = lcl__int(lw, x->images),
                               .channels = lcl__int(lw, x->channels),
                               .cl = lcl__int(lw, r.cl),
                               .pics = lcl__int(lw, r.pics),
                               .rows = lcl__int(lw, r.rows),
                               .pairs = lcl__int(lw, p->filter_pairs),
                               .h_low = lcl__int(lw, r.h_low),
                               .w_low = lcl__int(lw, r.w_low),
                               .wh = lcl__int(lw, r.wh),
                               .ww = lcl__int(lw, r.ww),
                               .fh = lcl__int(lw, fh),
                               .fw = lcl__int(lw, fw),
                               .step_h = lcl__int(lw, fh / lcl__gcd(fh, llabs(x->dh))),
                               .step_w = lcl__int(lw, fw / lcl__gcd(fw, llabs(x->dw))) };
  return lcl__emit(
      lw, &(lcl_launch) {
              .label = label,
              .source = { .file = "conv_nhwc.cl", .options = options },
              .kernel = "conv_nhwc",
              LCL_ARGS(ap, g->b, g->c, g->bias_kind ? g->bias : ap, lcl__local((size_t)r.local),
                       LCL_STRUCT(window), LCL_STRUCT(taps), lcl__gemm_c_arg(lw, g, &t)),
              .dims = 2,
              .global = { (size_t)r.items,
                          (size_t)lcl__ceil_div(lcl__ceil_div(panels, 2), p->filter_pairs) },
              .local = { 1, 1 },
              .flops = g->flops,
              .bytes = lcl__gemm_bytes(g) });
}

/* ---- filter gradient: channels are the vectors ---- */

/* Most local memory to use, of which images and gradients may have a part: it is the L2 cache. */
enum { MOST_LOCAL = 640 << 10, MOST_IMAGES = 128 << 10 };

typedef struct plan {
  lcl_conv_sizes s;
  int64_t vec, cl, yl, wh, ww; /* as in the kernel */
  int64_t pics, share, items, local;
} plan;

static plan plan_of(const lcl_caps *caps, const lcl_conv_problem *problem) {
  const lcl_conv_attr *a = &problem->a;
  const lcl_conv_sizes s = problem->s;
  const int64_t units = lcl__units(caps);
  plan p = { .s = s, .vec = lcl__packed_vec(caps) };
  const int64_t mr = lcl__packed_rows(p.vec), rows = lcl__ceil_div(s.o, mr) * mr,
                plane = s.oh * s.ow;
  p.cl = (int64_t)lcl__round_up((size_t)s.c, (size_t)(2 * p.vec));
  p.yl = (int64_t)lcl__round_up((size_t)rows, (size_t)p.vec);
  p.wh = LCL_MAX((s.oh - 1) * a->stride[0] + (s.kh - 1) * a->dilation[0] + 1, a->pad[0] + s.h);
  p.ww = LCL_MAX((s.ow - 1) * a->stride[1] + (s.kw - 1) * a->dilation[1] + 1, a->pad[2] + s.w);
  const int64_t one = (p.wh * p.ww * p.cl + plane * (p.yl + 1)) * (int64_t)sizeof(float);
  p.share = LCL_MAX(1, lcl__ceil_div(s.n, 2 * units));
  p.items = lcl__ceil_div(s.n, p.share);
  p.pics = LCL_MAX(1, LCL_MIN(p.share, MOST_IMAGES / LCL_MAX(one, 1)));
  p.local = p.pics * one + rows * s.kh * s.kw * p.cl * (int64_t)sizeof(float);
  return p;
}

static lcl_status lower_filter_grad(lcl_lower *lw, const lcl_conv_problem *problem) {
  const lcl_gemm gemm = lcl__conv_gemm_of(problem), *g = &gemm;
  const plan p = plan_of(lcl__lower_caps(lw), problem);
  const lcl_conv_sizes *s = &p.s;
  const int64_t pitch = s->kh * s->kw * p.cl;
  const int part = lcl__scratch(lw, sizeof(float) * (size_t)(p.items * s->o * pitch));
  const nhwc_grad grad = { .share = lcl__int(lw, p.share),
                           .pics = lcl__int(lw, p.pics),
                           .wh = lcl__int(lw, p.wh),
                           .ww = lcl__int(lw, p.ww),
                           .cl = lcl__int(lw, p.cl),
                           .yl = lcl__int(lw, p.yl) };
  char options[32], label[256];
  snprintf(options, sizeof options, "-DVEC=%d", (int)p.vec);
  snprintf(label, sizeof label, "%s direct-nhwc", g->label);
  LCL_TRY(lcl__emit(
      lw,
      &(lcl_launch) {
          .label = label,
          .source = { .file = "conv_nhwc.cl", .options = options },
          .kernel = "conv_nhwc_filter_grad",
          LCL_ARGS(g->b, g->a, lcl__scratch_arg(lw, part, LCL_WRITE), lcl__local((size_t)p.local),
                   lcl__conv_shape_arg(lw, problem), LCL_STRUCT(grad)),
          .dims = 1,
          .global = { (size_t)p.items },
          .local = { 1 },
          .flops = g->flops,
          .bytes = 4.0 *
                   (double)(s->n * (s->c * s->h * s->w + s->o * s->oh * s->ow) + s->o * pitch) }));
  return lcl__gemm_sum_parts(lw, g, (int)p.items, part, pitch, p.cl);
}

/* ---- all three ---- */

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p) {
  const lcl_conv_sizes *s = &p->s;
  if (!caps->packed || p->a.groups != 1 || s->n * s->c * s->h * s->w * s->o == 0) return false;
  if (p->pass == LCL_CONV_FILTER_GRAD)
    return plan_of(caps, p).local <= (int64_t)LCL_MIN(caps->local_mem, (size_t)MOST_LOCAL);
  const lcl_gemm g = gemm_of(p);
  return fits(caps, &g, &(lcl_kernel_params) { .vector = lcl__packed_vec(caps), .tiles = 1 });
}

static bool profitable(const lcl_caps *caps, const lcl_conv_problem *p) {
  const lcl_conv_sizes *s = &p->s;
  if (p->pass == LCL_CONV_FILTER_GRAD) /* vectors and tiles are mostly full */
    return 4 * s->c >= 3 * plan_of(caps, p).cl && s->o >= 8 && s->kh * s->kw > 1;
  const lcl_gemm g = gemm_of(p);
  const int vec = lcl__packed_vec(caps);
  return worth_it(&g, vec) && best_tiles(caps, &g, vec) > 0;
}

static void choose(const lcl_caps *caps, const lcl_conv_problem *p, lcl_kernel_params *params) {
  if (p->pass == LCL_CONV_FILTER_GRAD) return;
  const lcl_gemm g = gemm_of(p);
  params->vector = lcl__packed_vec(caps);
  params->tiles = LCL_MAX(1, best_tiles(caps, &g, params->vector));
  params->filter_pairs = (int)lcl__ceil_div(lcl__ceil_div(g.m, params->vector), 2);
}

static bool legal(const lcl_caps *caps, const lcl_conv_problem *p,
                  const lcl_kernel_params *params) {
  if (p->pass == LCL_CONV_FILTER_GRAD) return true;
  const lcl_gemm g = gemm_of(p);
  return (params->vector == 8 || params->vector == 16) && params->tiles >= 1 &&
         params->filter_pairs >= 1 && fits(caps, &g, params);
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *params) {
  if (p->pass == LCL_CONV_FILTER_GRAD) return lower_filter_grad(lw, p);
  const lcl_gemm g = gemm_of(p);
  return lower_gemm(lw, &g, params);
}

static const lcl_kernel_param params[] = { LCL_KERNEL_PARAM(tiles, 1, 2, 4, 8, 16, 32, 64),
                                           LCL_KERNEL_PARAM(filter_pairs, 1, 2, 4, 8),
                                           LCL_KERNEL_PARAM(vector, 8, 16) };

const lcl_conv_implementation lcl__conv_nhwc = { .base = LCL_IMPLEMENTATION("direct-nhwc", params),
                                                 .passes = LCL_CONV_FORWARD | LCL_CONV_INPUT_GRAD |
                                                           LCL_CONV_FILTER_GRAD,
                                                 .supported = supported,
                                                 .profitable = profitable,
                                                 .choose = choose,
                                                 .legal = legal,
                                                 .lower = lower };
