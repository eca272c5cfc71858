/* Optimisers: the rules as their papers give them. */
#include "reference/update.h"

#include <math.h>

/* The desc with the documented values where it says 0. */
static lcl_optimiser_desc with_defaults(const lcl_optimiser_desc *given) {
  static const struct {
    float beta1, beta2, eps;
  } of[] = {
    [LCL_SGD] = { 0 },
    [LCL_MOMENTUM] = { 0.9f, 0, 0 },
    [LCL_NESTEROV] = { 0.9f, 0, 0 },
    [LCL_RMSPROP] = { 0, 0.9f, 1e-8f },
    [LCL_ADAM] = { 0.9f, 0.999f, 1e-8f },
    [LCL_ADADELTA] = { 0, 0.95f, 1e-6f },
  };
  lcl_optimiser_desc d = *given;
  if (d.beta1 == 0) d.beta1 = of[d.kind].beta1;
  if (d.beta2 == 0) d.beta2 = of[d.kind].beta2;
  if (d.eps == 0) d.eps = of[d.kind].eps;
  return d;
}

static double norm_scale(const lcl_optimiser_desc *d, const lcl_ref_update *u) {
  double sum = 0;
  for (int64_t i = 0; i < u->n; i++) sum += u->gradient[i] * u->gradient[i];
  return d->clip_norm > 0 && sqrt(sum) > d->clip_norm ? d->clip_norm / sqrt(sum) : 1;
}

static double clipped(const lcl_optimiser_desc *d, double g) {
  return d->clip_value > 0 ? fmin(fmax(g, -(double)d->clip_value), (double)d->clip_value) : g;
}

/* What is subtracted from the parameter, by rate. */
static double move(const lcl_optimiser_desc *d, int t, double g, double *s0, double *s1) {
  const double b1 = d->beta1, b2 = d->beta2, eps = d->eps;
  switch (d->kind) {
  case LCL_SGD: return g;
  case LCL_MOMENTUM:
  case LCL_NESTEROV:
    *s0 = t == 1 && d->damping != 0 ? g : b1 * *s0 + (1 - (double)d->damping) * g;
    return d->kind == LCL_NESTEROV ? g + b1 * *s0 : *s0;
  case LCL_RMSPROP:
    *s0 = b2 * *s0 + (1 - b2) * g * g;
    *s1 = b1 * *s1 + (d->eps_outside ? g / (sqrt(*s0) + eps) : g / sqrt(*s0 + eps));
    return *s1;
  case LCL_ADAM:
    *s0 = b1 * *s0 + (1 - b1) * g;
    *s1 = b2 * *s1 + (1 - b2) * g * g;
    return sqrt(1 - pow(b2, t)) / (1 - pow(b1, t)) * *s0 / (sqrt(*s1) + eps);
  case LCL_ADADELTA: {
    *s0 = b2 * *s0 + (1 - b2) * g * g;
    const double step = sqrt(*s1 + eps) / sqrt(*s0 + eps) * g;
    *s1 = b2 * *s1 + (1 - b2) * step * step;
    return step;
  }
  }
  return NAN;
}

void lcl__ref_update(const lcl_ref_update *u) {
  const lcl_optimiser_desc d = with_defaults(u->desc);
  const double scale = norm_scale(&d, u);
  for (int64_t i = 0; i < u->n; i++) {
    const double g = clipped(&d, scale * u->gradient[i]) + (double)d.weight_decay * u->p[i];
    double p = u->p[i] - u->rate * move(&d, u->step, g, &u->slot[0][i], &u->slot[1][i]);
    p -= u->rate * (double)d.l1 * ((p > 0) - (p < 0));
    u->p[i] = p - 2 * u->rate * (double)d.l2 * p;
  }
}
