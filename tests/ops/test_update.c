/* Every optimiser rule, with its clipping and penalties, for a few steps against the rule in double precision.
 *
 * The loss is sum(a p^2)/2, so the gradient is a*p. Parameters keep away from zero, where the sign in the l1 penalty
 * jumps. Bound: a step rounds some ten times (2^-24 each, relative to values around 1) and the power in Adam's correction
 * loses up to 1e-3 of a step of 0.01; six steps stay below 1e-5 together. */
#include <math.h>

#include "latentcl/ops.h"
#include "test.h"

enum { BIG = 5003, SMALL = 37, N = BIG + SMALL, STEPS = 6 };

typedef struct model {
  double p[N], s[2][N]; /* parameters and slots */
} model;

static double clipped(const lcl_optimiser_desc *d, double g, double scale) {
  g *= scale;
  if (d->clip_value > 0) g = fmin(fmax(g, -(double)d->clip_value), (double)d->clip_value);
  return g;
}

static double norm_scale(const lcl_optimiser_desc *d, const model *m, const float *a) {
  double sum = 0;
  for (int i = 0; i < N; i++) sum += (a[i] * m->p[i]) * (a[i] * m->p[i]);
  return d->clip_norm > 0 && sqrt(sum) > d->clip_norm ? d->clip_norm / sqrt(sum) : 1;
}

/* What is subtracted from the parameter, by rate; desc has its defaults filled in. */
static double move(const lcl_optimiser_desc *d, model *m, int i, int t, double g) {
  double *s0 = &m->s[0][i], *s1 = &m->s[1][i], b1 = d->beta1, b2 = d->beta2, eps = d->eps;
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
    double step = sqrt(*s1 + eps) / sqrt(*s0 + eps) * g;
    *s1 = b2 * *s1 + (1 - b2) * step * step;
    return step;
  }
  }
  return NAN;
}

static void step(const lcl_optimiser_desc *d, model *m, const float *a, int t) {
  double scale = norm_scale(d, m, a), rate = d->rate;
  for (int i = 0; i < N; i++) {
    double g = clipped(d, a[i] * m->p[i], scale) + (double)d->weight_decay * m->p[i];
    double p = m->p[i] - rate * move(d, m, i, t, g);
    p -= rate * (double)d->l1 * (p > 0 ? 1 : -1);
    m->p[i] = p - 2 * rate * (double)d->l2 * p;
  }
}

static lcl_tensor *half_squares(lcl_graph *g, const char *name, const char *weight, int n) {
  lcl_tensor *p = lcl_param(g, name, LCL_SHAPE(n), (lcl_init){ LCL_INIT_ZERO, 0, 0, 0, 0 });
  lcl_tensor *a = lcl_input(g, weight, LCL_F32, LCL_SHAPE(n));
  return lcl_scale(lcl_sum(lcl_mul(lcl_square(p), a), LCL_ALL_AXES, false), 0.5f);
}

/* given: as a user writes it; full: the same with the documented defaults. */
static void compare(lcl_context *ctx, const lcl_optimiser_desc *given, const lcl_optimiser_desc *full) {
  static float p[N], a[N], got[N];
  static model m;
  memset(&m, 0, sizeof m);
  for (int i = 0; i < N; i++) {
    p[i] = (i % 2 ? 1.0f : -1.0f) * (0.5f + (float)(i * 37 % 101) / 101.0f);
    a[i] = 0.2f + (float)(i * 53 % 97) / 97.0f;
    m.p[i] = p[i];
  }
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "train", &g));
  lcl_minimise(lcl_add(half_squares(g, "big", "a", BIG), half_squares(g, "small", "b", SMALL)), given);
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc){ .guard_bands = true }, &program));
  ASSERT_OK(lcl_store_write(store, "big", p, BIG * sizeof *p));
  ASSERT_OK(lcl_store_write(store, "small", p + BIG, SMALL * sizeof *p));
  ASSERT_OK(lcl_feed(program, "a", a, BIG * sizeof *a));
  ASSERT_OK(lcl_feed(program, "b", a + BIG, SMALL * sizeof *a));
  for (int t = 1; t <= STEPS; t++) {
    ASSERT_OK(lcl_run(program));
    step(full, &m, a, t);
  }
  ASSERT_OK(lcl_store_read(store, "big", got, BIG * sizeof *got));
  ASSERT_OK(lcl_store_read(store, "small", got + BIG, SMALL * sizeof *got));
  for (int i = 0; i < N; i++)
    if (!(fabs(got[i] - m.p[i]) <= 1e-5)) fail_msg("kind %d, parameter %d: %.8g, not %.8g", (int)given->kind, i, got[i], m.p[i]);
  lcl_program_destroy(program);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

static void rules(void **state) {
  (void)state;
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  static const struct {
    lcl_optimiser_desc given;
    float beta1, beta2, eps; /* the defaults that apply where given has none */
  } cases[] = {
    { { .kind = LCL_SGD, .rate = 0.05f }, 0, 0, 0 },
    { { .kind = LCL_SGD, .rate = 0.05f, .weight_decay = 0.1f, .l1 = 0.02f, .l2 = 0.03f }, 0, 0, 0 },
    { { .kind = LCL_SGD, .rate = 0.05f, .clip_value = 0.3f }, 0, 0, 0 },
    { { .kind = LCL_SGD, .rate = 0.05f, .clip_norm = 20.0f }, 0, 0, 0 },
    { { .kind = LCL_MOMENTUM, .rate = 0.02f }, 0.9f, 0, 0 },
    { { .kind = LCL_MOMENTUM, .rate = 0.05f, .beta1 = 0.8f, .damping = 0.9f }, 0, 0, 0 },
    { { .kind = LCL_NESTEROV, .rate = 0.02f, .l2 = 0.01f }, 0.9f, 0, 0 },
    { { .kind = LCL_RMSPROP, .rate = 0.01f }, 0, 0.9f, 1e-8f },
    { { .kind = LCL_RMSPROP, .rate = 0.003f, .beta1 = 0.5f, .beta2 = 0.95f, .eps = 1e-4f, .eps_outside = true }, 0, 0, 0 },
    { { .kind = LCL_ADAM, .rate = 0.01f, .clip_norm = 5.0f }, 0.9f, 0.999f, 1e-8f },
    { { .kind = LCL_ADAM, .rate = 0.01f, .beta1 = 0.5f, .beta2 = 0.9f, .eps = 1e-6f }, 0, 0, 0 },
    { { .kind = LCL_ADADELTA, .rate = 1.0f }, 0, 0.95f, 1e-6f },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    lcl_optimiser_desc full = cases[i].given;
    if (full.beta1 == 0) full.beta1 = cases[i].beta1;
    if (full.beta2 == 0) full.beta2 = cases[i].beta2;
    if (full.eps == 0) full.eps = cases[i].eps;
    compare(ctx, &cases[i].given, &full);
  }
  lcl_context_destroy(ctx);
  assert_int_equal(lcl_test_alloc_live(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(rules) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
