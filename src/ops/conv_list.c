/* The list of convolution implementations, and the choice among them. See conv.h. */
#include "ops/conv.h"

extern const lcl_conv_implementation lcl__conv_fft, lcl__conv_winograd, lcl__conv_few,
    lcl__conv_direct, lcl__conv_nhwc, lcl__conv_im2col_clblast, lcl__conv_implicit_gemm;

/* The last one can compute everything. */
const lcl_conv_implementation *const lcl__conv_list[] = {
  &lcl__conv_fft,  &lcl__conv_winograd,       &lcl__conv_few,           &lcl__conv_direct,
  &lcl__conv_nhwc, &lcl__conv_im2col_clblast, &lcl__conv_implicit_gemm, NULL
};

static const lcl_conv_implementation *typed(const lcl_implementation *im) {
  return (const lcl_conv_implementation *)im; /* whose first member it is */
}

const lcl_conv_implementation *lcl__conv_implementation_of(const lcl_choice *c) {
  return typed(c->implementation);
}

const lcl_implementation *lcl__conv_find(const char *name) {
  for (int i = 0; lcl__conv_list[i]; i++)
    if (strcmp(lcl__conv_list[i]->base.name, name) == 0) return &lcl__conv_list[i]->base;
  return NULL;
}

bool lcl__conv_supported(const lcl_implementation *im, const lcl_caps *caps,
                         const lcl_conv_problem *p) {
  const lcl_conv_implementation *t = typed(im);
  return (t->passes & p->pass) && !(t->mixes_taps && p->masked) && t->supported(caps, p);
}

lcl_choice lcl__conv_start(const lcl_implementation *im, const lcl_caps *caps,
                           const lcl_conv_problem *p) {
  lcl_choice c = { .implementation = im };
  if (typed(im)->choose) typed(im)->choose(caps, p, &c.params);
  return c;
}

static bool preferred(const lcl_conv_implementation *im, const lcl_caps *caps,
                      const lcl_conv_problem *p) {
  return im->profitable && lcl__conv_supported(&im->base, caps, p) && im->profitable(caps, p);
}

lcl_choice lcl__conv_default(const lcl_caps *caps, const lcl_conv_problem *p) {
  const lcl_conv_implementation *const *im = lcl__conv_list;
  while (!preferred(*im, caps, p)) im++;
  return lcl__conv_start(&(*im)->base, caps, p);
}

bool lcl__conv_legal(const lcl_caps *caps, const lcl_conv_problem *p, const lcl_choice *c) {
  const lcl_conv_implementation *im = typed(c->implementation);
  return lcl__conv_supported(c->implementation, caps, p) &&
         (!im->legal || im->legal(caps, p, &c->params));
}

void lcl__conv_key(const lcl_conv_problem *p, char key[160]) {
  const lcl_conv_attr *a = &p->a;
  const lcl_conv_sizes *s = &p->s;
  snprintf(key, 160,
           "%s %lldx%lldx%lldx%lld %lldx%lldx%lld step %lld,%lld pad %lld,%lld,%lld,%lld dilation "
           "%lld,%lld "
           "groups %lld",
           lcl__conv_op(p->pass)->name, (long long)s->n, (long long)s->c, (long long)s->h,
           (long long)s->w, (long long)s->o, (long long)s->kh, (long long)s->kw,
           (long long)a->stride[0], (long long)a->stride[1], (long long)a->pad[0],
           (long long)a->pad[1], (long long)a->pad[2], (long long)a->pad[3],
           (long long)a->dilation[0], (long long)a->dilation[1], (long long)a->groups);
}

void lcl__conv_watch(lcl_context *ctx, lcl_conv_watch_fn fn, void *user) {
  lcl_watch *w = lcl__tuning_watch(ctx, LCL_WATCH_CONV);
  if (w) *w = (lcl_watch) { (void (*)(void))fn, user };
}

static lcl_choice choice_of(lcl_lower *lw, const lcl_conv_problem *p) {
  lcl_context *ctx = lcl__lower_context(lw);
  const lcl_caps *caps = lcl__lower_caps(lw);
  char key[160];
  lcl_choice c;
  if (p->a.fft && (lcl__conv_fft.passes & p->pass))
    return lcl__conv_start(&lcl__conv_fft.base, caps, p);
  const lcl_watch *w = lcl__tuning_watch(ctx, LCL_WATCH_CONV);
  if (w && w->fn) ((lcl_conv_watch_fn)w->fn)(w->user, lw, p);
  lcl__conv_key(p, key);
  if (lcl__tuning_find(ctx, key, lcl__conv_find, &c)) {
    if (lcl__conv_legal(caps, p, &c)) return c;
    lcl__logf(LCL_LOG_DEBUG, "tuned choice for %s does not fit this device", key);
  }
  return lcl__conv_default(caps, p);
}

lcl_status lcl__conv_lower(lcl_lower *lw, const lcl_conv_problem *p) {
  lcl_shape shapes[3];
  lcl__conv_shapes(p, shapes);
  if (lcl_shape_count(shapes[2]) == 0) return LCL_OK;
  const lcl_choice c = choice_of(lw, p);
  return typed(c.implementation)->lower(lw, p, &c.params);
}
