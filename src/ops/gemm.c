/* The list of GEMM implementations, and the choice among them. See gemm.h. */
#include "ops/gemm.h"

extern const lcl_gemm_implementation lcl__gemm_packed, lcl__gemm_tiled, lcl__gemm_clblast;

const lcl_gemm_implementation *const lcl__gemm_list[] = { &lcl__gemm_packed, &lcl__gemm_tiled,
                                                          &lcl__gemm_clblast, NULL };

static const lcl_gemm_implementation *typed(const lcl_implementation *im) {
  return (const lcl_gemm_implementation *)im; /* whose first member it is */
}

const lcl_implementation *lcl__gemm_find(const char *name) {
  for (int i = 0; lcl__gemm_list[i]; i++)
    if (strcmp(lcl__gemm_list[i]->base.name, name) == 0) return &lcl__gemm_list[i]->base;
  return NULL;
}

lcl_choice lcl__gemm_start(const lcl_implementation *im, const lcl_caps *caps, const lcl_gemm *g) {
  lcl_choice c = { .implementation = im };
  if (typed(im)->choose) typed(im)->choose(caps, g, &c.params);
  return c;
}

lcl_choice lcl__gemm_default(const lcl_caps *caps, const lcl_gemm *g) {
  const lcl_gemm_implementation *const *im = lcl__gemm_list;
  while (!(*im)->profitable || !(*im)->supported(caps, g) || !(*im)->profitable(caps, g)) im++;
  return lcl__gemm_start(&(*im)->base, caps, g);
}

bool lcl__gemm_legal(const lcl_caps *caps, const lcl_gemm *g, const lcl_choice *c) {
  const lcl_gemm_implementation *im = typed(c->implementation);
  return im->supported(caps, g) && (!im->legal || im->legal(caps, g, &c->params));
}

void lcl__gemm_key(const lcl_gemm *g, char key[160]) {
  const lcl_patches *p = &g->patches;
  const int n = snprintf(key, 160, "gemm %lldx%lldx%lld b%lld a%c", (long long)g->m,
                         (long long)g->n, (long long)g->k, (long long)g->batch,
                         g->a_rs == 1 ? 't' : 'n');
  if (g->source == LCL_GEMM_MATRIX)
    snprintf(key + n, 160 - (size_t)n, " b%c", g->csb == 1 ? 'n' : 't');
  else
    snprintf(key + n, 160 - (size_t)n,
             " %s %lldx%lldx%lldx%lld taps %lldx%lld step %lld,%lld dilation %lld,%lld",
             g->source == LCL_GEMM_PATCHES ? "patches" : "patches_t", (long long)p->images,
             (long long)p->channels, (long long)p->h, (long long)p->w, (long long)p->ta,
             (long long)p->tb, (long long)p->sh, (long long)p->sw, (long long)p->dh,
             (long long)p->dw);
}

void lcl__gemm_watch(lcl_context *ctx, lcl_gemm_watch_fn fn, void *user) {
  lcl_watch *w = lcl__tuning_watch(ctx, LCL_WATCH_GEMM);
  if (w) *w = (lcl_watch) { (void (*)(void))fn, user };
}

static lcl_choice choice_of(lcl_lower *lw, const lcl_gemm *g) {
  lcl_context *ctx = lcl__lower_context(lw);
  const lcl_caps *caps = lcl__lower_caps(lw);
  char key[160];
  lcl_choice c;
  lcl__gemm_key(g, key);
  if (lcl__tuning_find(ctx, key, lcl__gemm_find, &c)) {
    if (lcl__gemm_legal(caps, g, &c)) return c;
    lcl__logf(LCL_LOG_DEBUG, "tuned parameters of %s do not fit this device", key);
  }
  return lcl__gemm_default(caps, g);
}

lcl_status lcl__gemm_lower(lcl_lower *lw, const lcl_gemm *g) {
  if (g->m == 0 || g->n == 0 || g->batch == 0) return LCL_OK;
  const lcl_watch *w = lcl__tuning_watch(lcl__lower_context(lw), LCL_WATCH_GEMM);
  if (w && w->fn) ((lcl_gemm_watch_fn)w->fn)(w->user, lw, g);
  const lcl_choice c = choice_of(lw, g);
  return typed(c.implementation)->lower(lw, g, &c.params);
}
