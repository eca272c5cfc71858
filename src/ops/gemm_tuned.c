/* The parameters of a GEMM: what a tuner measured for it, else the cost model's choice. */
#include "ops/gemm.h"
#include "ops/tuning.h"

void lcl_gemm_watch(lcl_context *ctx, lcl_gemm_watch_fn fn, void *user) {
  lcl_watch *w = lcl_tuning_watch(ctx, LCL_WATCH_GEMM);
  if (w) *w = (lcl_watch) { (void (*)(void))fn, user };
}

void lcl_gemm_key(const lcl_gemm *g, char key[160]) {
  const lcl_patches *p = &g->patches;
  int n = snprintf(key, 160, "gemm %lldx%lldx%lld b%lld a%c", (long long)g->m, (long long)g->n,
                   (long long)g->k, (long long)g->batch, g->a_rs == 1 ? 't' : 'n');
  if (g->source == LCL_GEMM_MATRIX)
    snprintf(key + n, 160 - (size_t)n, " b%c", g->csb == 1 ? 'n' : 't');
  else
    n += snprintf(key + n, 160 - (size_t)n,
                  " %s %lldx%lldx%lldx%lld taps %lldx%lld step %lld,%lld dilation %lld,%lld",
                  g->source == LCL_GEMM_PATCHES ? "patches" : "patches_t", (long long)p->pictures,
                  (long long)p->channels, (long long)p->h, (long long)p->w, (long long)p->ta,
                  (long long)p->tb, (long long)p->sh, (long long)p->sw, (long long)p->dh,
                  (long long)p->dw);
  if (LCL_MAX(p->fh, p->fw) > 1)
    snprintf(key + n, 160 - (size_t)n, " parts %lld,%lld", (long long)p->fh, (long long)p->fw);
}

bool lcl_gemm_legal(const lcl_caps *caps, const lcl_gemm *g, const lcl_gemm_params *p) {
  bool splits = p->splits >= 1 && (int64_t)p->splits <= LCL_MAX(g->k, 1);
  if (LCL_MAX(g->patches.fh, g->patches.fw) > 1 && p->algorithm != LCL_GEMM_ROWS) return false;
  switch (p->algorithm) {
  case LCL_GEMM_DIRECT:
    return caps->panel && g->source == LCL_GEMM_PATCHES && g->patches.sw == 1 &&
           g->m <= LCL_GEMM_DIRECT_ROWS && (p->vec == 8 || p->vec == 16);
  case LCL_GEMM_PANEL:
    return splits && (p->vec == 8 || p->vec == 16) &&
           (p->kc_max == 128 || p->kc_max == 256 || p->kc_max == 512) && p->kc >= 1 &&
           p->kc <= p->kc_max && p->panels_n >= 1 && p->panels_m >= 1 &&
           (size_t)(p->kc_max * 2 * p->vec) * sizeof(float) <= caps->local_mem;
  case LCL_GEMM_ROWS:
    return (p->vec == 8 || p->vec == 16) &&
           (p->kc_max == 128 || p->kc_max == 256 || p->kc_max == 512) && p->panels_n >= 1 &&
           p->panels_m >= 1 && lcl_gemm_rows_can(caps, g, p);
  case LCL_GEMM_TILED:
    return splits && (p->group == 8 || p->group == 16) &&
           (size_t)(p->group * p->group) <= caps->max_work_group && (p->nv == 1 || p->nv == 2);
  case LCL_GEMM_CLBLAST: return lcl_gemm_clblast_can(caps, g);
  default: return false;
  }
}

lcl_gemm_params lcl_gemm_tuned(lcl_lower *lw, const lcl_gemm *g) {
  lcl_context *ctx = lcl_lower_context(lw);
  const lcl_caps *caps = lcl_lower_caps(lw);
  char key[160];
  int v[LCL_TUNING_VALUES];
  const lcl_watch *w = lcl_tuning_watch(ctx, LCL_WATCH_GEMM);
  if (w && w->fn) ((lcl_gemm_watch_fn)w->fn)(w->user, lw, g);
  lcl_gemm_key(g, key);
  if (lcl_tuning_find(ctx, key, v)) {
    lcl_gemm_params p = { v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8], v[9] };
    if (lcl_gemm_legal(caps, g, &p)) return p;
    lcl_logf(LCL_LOG_DEBUG, "tuned parameters of %s do not fit this device", key);
  }
  return lcl_gemm_choose(caps, g);
}
