/* The choice of algorithm and kernel parameters for a product. */
#include "ops/gemm.h"

/* Whether patches are better read from a channels-last copy: neighbouring output pixels rarely are
 * neighbours in a row, and there are enough channels to fill vectors. */
static bool wants_channels_last(const lcl_gemm *g, int vec) {
  const lcl_patches *p = &g->patches;
  const int64_t padded = lcl_ceil_div(p->channels, vec) * vec;
  /* The filter gradient then comes out in another order and takes one more pass over it. */
  if (g->source == LCL_GEMM_PATCHES_T) return 4 * p->channels >= 3 * padded && g->k > 2 * g->m;
  const bool rows = p->sw == 1 && (p->gr % vec == 0 || p->gr >= 4 * vec);
  return g->source == LCL_GEMM_PATCHES && !rows && 2 * p->channels >= vec;
}

static int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

/* First and last pixel (in parts) of one dimension that positions 0..count-1 look at. */
static int64_t reach(int64_t count, int64_t step, int64_t start, int64_t taps, int64_t move,
                     bool last) {
  const int64_t far = (taps - 1) * move;
  return last ? (count - 1) * step + start + LCL_MAX(far, 0) : start + LCL_MIN(far, 0);
}

lcl_gemm_rows lcl_gemm_rows_of(const lcl_gemm *g, const lcl_gemm_params *p) {
  const lcl_patches *x = &g->patches;
  const int64_t fh = LCL_MAX(x->fh, 1), fw = LCL_MAX(x->fw, 1), gq = lcl_ceil_div(x->gq, fh),
                gr = lcl_ceil_div(x->gr, fw), wanted = p->panels_n * LCL_GEMM_ROWS_PIXELS(p->vec);
  lcl_gemm_rows r = { .pics = LCL_MAX(1, LCL_MIN(wanted / (gq * gr), x->pictures)),
                      .rows = LCL_MIN(lcl_ceil_div(wanted, gr), gq),
                      .h_low = floor_div(reach(1, x->sh, x->h0, x->ta, x->dh, false), fh),
                      .w_low = floor_div(reach(1, x->sw, x->w0, x->tb, x->dw, false), fw),
                      .cl = (int64_t)lcl_round_up((size_t)x->channels, (size_t)p->vec) };
  r.w_low = LCL_MIN(r.w_low, 0); /* rows of x are copied as a whole */
  r.wh = floor_div(reach(r.rows * fh, x->sh, x->h0, x->ta, x->dh, true), fh) - r.h_low + 1;
  r.ww = LCL_MAX(floor_div(reach(gr * fw, x->sw, x->w0, x->tb, x->dw, true), fw), x->w - 1) -
         r.w_low + 1;
  r.items = lcl_ceil_div(gq, r.rows) * lcl_ceil_div(x->pictures, r.pics);
  r.local = (int64_t)sizeof(float) *
            (r.pics * r.wh * r.ww * r.cl + (r.pics * r.rows * fh * x->gr + 1) * 2 * p->vec);
  return r;
}

bool lcl_gemm_rows_can(const lcl_caps *caps, const lcl_gemm *g, const lcl_gemm_params *p) {
  const bool whole = g->c_base == 0 && g->ycol == 1 && g->yrow == g->patches.gr;
  return caps->panel && g->source == LCL_GEMM_PATCHES && g->batch == 1 && g->k > 0 && whole &&
         lcl_gemm_rows_of(g, p).local <= (int64_t)caps->local_mem;
}

/* Filters as vectors, where they fill half of one, those of a phase for a pair of panels stay in
 * the second cache, and the pictures are better read channels last or at least for several taps. */
static bool choose_rows(const lcl_caps *caps, const lcl_gemm *g, lcl_gemm_params *p) {
  const lcl_patches *x = &g->patches;
  const int64_t fh = LCL_MAX(x->fh, 1), fw = LCL_MAX(x->fw, 1), panels = lcl_ceil_div(g->m, p->vec),
                units = LCL_MAX(1, (int64_t)caps->compute_units);
  p->panels_n = 1;
  if (!lcl_gemm_rows_can(caps, g, p) || 2 * LCL_MIN(g->m, x->channels) < p->vec) return false;
  if (x->ta * x->tb * fh * fw == 1 && !wants_channels_last(g, p->vec)) return false;
  const int64_t k = lcl_ceil_div(x->ta, fh) * lcl_ceil_div(x->tb, fw) * x->channels;
  if (k * 2 * p->vec * (int64_t)sizeof(float) > 512 << 10) return false;
  /* Work-items whose tiles are full, whose number suits the compute units, and that share few rows
   * of x. */
  const int64_t pixels = LCL_GEMM_ROWS_PIXELS(p->vec),
                room = LCL_MIN((int64_t)caps->local_mem, 512 << 10);
  int64_t least = INT64_MAX;
  int best = 0;
  for (p->panels_n = 1; p->panels_n <= 64; p->panels_n++) {
    const lcl_gemm_rows r = lcl_gemm_rows_of(g, p);
    if (r.local > room || (best && r.items < 4 * units)) break;
    const int64_t tiles = lcl_ceil_div(r.pics * r.rows * lcl_ceil_div(x->gr, fw), pixels);
    const int64_t cost = lcl_ceil_div(r.items, units) *
                         (tiles * panels * g->k * pixels / 2 + r.pics * r.wh * r.ww * r.cl / 2);
    if (cost >= least) continue;
    least = cost;
    best = p->panels_n;
  }
  p->algorithm = best ? LCL_GEMM_ROWS : LCL_GEMM_PANEL;
  p->kc_max = 512;
  p->panels_n = best;
  p->panels_m = (int)lcl_ceil_div(panels, 2);
  return best > 0;
}

/* Few work-items that each reuse a packed block of B for many panels of A, but enough of them to
 * keep every compute unit busy to the end; where columns do not suffice, rows or the inner
 * dimension are split. */
static void choose_panel(const lcl_caps *caps, const lcl_gemm *g, lcl_gemm_params *p) {
  p->algorithm = LCL_GEMM_PANEL;
  p->vec = lcl_panel_vec(caps);
  if (g->source == LCL_GEMM_PATCHES && g->m <= LCL_GEMM_DIRECT_ROWS && g->patches.sw == 1 &&
      2 * g->patches.gr >= p->vec) {
    p->algorithm = LCL_GEMM_DIRECT;
    return;
  }
  if (choose_rows(caps, g, p)) return;
  const int mr = lcl_panel_rows(p->vec), nr = 2 * p->vec;
  for (p->kc_max = 512;
       p->kc_max > 128 && (size_t)(p->kc_max * nr) * sizeof(float) > caps->local_mem;)
    p->kc_max /= 2;
  p->channels_last = wants_channels_last(g, p->vec);
  const int64_t n = g->source == LCL_GEMM_PATCHES_T && p->channels_last
                        ? lcl_ceil_div(g->patches.channels, p->vec) * p->vec * g->patches.ta *
                              g->patches.tb
                        : g->n;
  const int64_t all_n = lcl_ceil_div(n, nr), all_m = lcl_ceil_div(g->m, mr),
                units = LCL_MAX(1, (int64_t)caps->compute_units);
  const int64_t wanted = 8 * units, items = all_n * g->batch;
  p->panels_n = (int)LCL_MIN(8, LCL_MAX(1, items / wanted));
  p->panels_m = (int)all_m;
  p->splits = 1;
  const int64_t have = lcl_ceil_div(all_n, p->panels_n) * g->batch;
  if (have < 4 * units) {
    const int64_t missing = lcl_ceil_div(4 * units, LCL_MAX(have, 1));
    if (g->source != LCL_GEMM_PATCHES && g->k >= 1024)
      p->splits = (int)LCL_MIN(missing, LCL_MAX(1, g->k / 512));
    else
      p->panels_m = (int)LCL_MAX(LCL_MIN(4, all_m), lcl_ceil_div(all_m, missing));
  }
  const int64_t k = lcl_ceil_div(g->k, p->splits);
  const int64_t blocks = LCL_MAX(1, lcl_ceil_div(k, p->kc_max));
  p->kc = (int)LCL_MAX(1, LCL_MIN((int64_t)p->kc_max, (lcl_ceil_div(k, blocks) + 15) / 16 * 16));
}

static void choose_tiled(const lcl_caps *caps, const lcl_gemm *g, lcl_gemm_params *p) {
  p->algorithm = LCL_GEMM_TILED;
  p->group = caps->max_work_group >= 256 ? 16 : 8;
  /* Half of a tile of 64 rows would be empty; measured on llvmpipe: 1.4 to 2.4 times faster. */
  if (caps->local_is_global && g->m <= 32) p->group = 8;
  p->nv = 1;
  const int64_t units = LCL_MAX(1, (int64_t)caps->compute_units);
  const int64_t large = lcl_ceil_div(g->m, 128) * lcl_ceil_div(g->n, 128) * g->batch;
  /* 64 sums a work-item need registers that only GPUs have: on llvmpipe they make it three times
   * slower. */
  if (p->group == 16 && !caps->local_is_global && caps->local_mem >= 24 << 10 && g->m >= 96 &&
      g->n >= 96 && large >= 2 * units)
    p->nv = 2;
  const int64_t side = 4 * p->nv * p->group;
  const int64_t tiles = LCL_MAX(1, lcl_ceil_div(g->m, side) * lcl_ceil_div(g->n, side) * g->batch);
  p->splits = 1;
  if (g->source != LCL_GEMM_PATCHES && tiles < 2 * units && g->k >= 1024)
    p->splits = (int)LCL_MIN(lcl_ceil_div(2 * units, tiles), g->k / 512);
}

lcl_gemm_params lcl_gemm_choose(const lcl_caps *caps, const lcl_gemm *g) {
  lcl_gemm_params p = { 0 };
  if (caps->panel)
    choose_panel(caps, g, &p);
  else
    choose_tiled(caps, g, &p);
  return p;
}
