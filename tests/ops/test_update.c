/* Every optimiser rule, with its clipping and penalties, and moving averages, for a few steps on
 * parameters of random shapes against the rule in double precision.
 *
 * The loss is sum(a p^2)/2 over all parameters but the last, whose gradient is a*p, plus the sum of
 * the last, whose gradient is 1. Parameters keep away from zero, where the sign in the l1 penalty
 * jumps. Bound: a step rounds some ten times (2^-24 each, relative to values around 1) and the
 * power in Adam's correction loses up to 1e-3 of a step of 0.01; six steps stay below 1e-5
 * together. */
#include <math.h>

#include "latentcl/ops.h"
#include "reference/spec.h"
#include "reference/update.h"
#include "test.h"

enum { STEPS = 6, PARAMS = 4, MOST = 5003 };

/* Parameters one behind another: values, weights a of their gradients (0: the gradient is 1),
 * slots. */
typedef struct model {
  int n_params, n, at[PARAMS + 1]; /* parameter k is elements at[k]..at[k + 1] */
  lcl_shape shape[PARAMS];
  float a[PARAMS * MOST];
  double p[PARAMS * MOST], s[2][PARAMS * MOST];
} model;

static bool simulator(void) {
  return device_is("oclgrind");
}

static void random_model(model *m, lcl_rng *r) {
  memset(m, 0, sizeof *m);
  m->n_params = 2 + (int)lcl__rng_below(r, PARAMS - 1);
  for (int k = 0; k < m->n_params; k++) {
    m->shape[k] = lcl__rng_shape(r, 1 + (int)lcl__rng_below(r, 3), simulator() ? 70 : MOST);
    m->at[k + 1] = m->at[k] + (int)lcl_shape_count(m->shape[k]);
  }
  m->n = m->at[m->n_params];
  for (int i = 0; i < m->n; i++) {
    m->p[i] = (float)lcl__rng_real(r, 0.5, 1.5) * (lcl__rng_chance(r, 50) ? 1 : -1);
    m->a[i] = i < m->at[m->n_params - 1] ? (float)lcl__rng_real(r, 0.2, 1.2) : 0;
  }
}

static double gradient(const model *m, int i) {
  return m->a[i] > 0 ? (double)m->a[i] * m->p[i] : 1;
}

static void step(const lcl_optimiser_desc *d, model *m, int t) {
  static double g[PARAMS * MOST];
  for (int i = 0; i < m->n; i++) g[i] = gradient(m, i);
  lcl__ref_update(&(lcl_ref_update) { .desc = d,
                                      .rate = d->rate,
                                      .step = t,
                                      .n = m->n,
                                      .gradient = g,
                                      .p = m->p,
                                      .slot = { m->s[0], m->s[1] } });
}

/* ---- the same on the device ---- */

static const char *const names[PARAMS] = { "p0", "p1", "p2", "p3" }, *const weights[PARAMS] = {
  "a0", "a1", "a2", "a3"
};

static lcl_tensor *build_loss(lcl_graph *g, const model *m) {
  lcl_tensor *loss = NULL;
  for (int k = 0; k < m->n_params; k++) {
    lcl_tensor *p = lcl_param(g, names[k], m->shape[k], (lcl_init) { LCL_INIT_ZERO, 0, 0, 0, 0 }),
               *term;
    if (k + 1 < m->n_params)
      term = lcl_scale(lcl_mul(lcl_square(p), lcl_input(g, weights[k], LCL_F32, m->shape[k])),
                       0.5f);
    else
      term = p;
    term = lcl_sum(term, LCL_ALL_AXES, false);
    loss = loss ? lcl_add(loss, term) : term;
  }
  return loss;
}

static void compare(lcl_store *store, const model *m, const char *what, const double *want) {
  static float got[PARAMS * MOST];
  for (int k = 0; k < m->n_params; k++)
    ASSERT_OK(lcl_store_read(store, names[k], got + m->at[k],
                             (size_t)(m->at[k + 1] - m->at[k]) * sizeof *got));
  for (int i = 0; i < m->n; i++)
    if (!(fabs(got[i] - want[i]) <= 1e-5))
      fail_msg("%s, %d parameters, element %d of %d: %.8g, not %.8g", what, m->n_params, i, m->n,
               got[i], want[i]);
}

static void write_all(lcl_store *store, lcl_program *program, const model *m) {
  static float p[PARAMS * MOST];
  for (int i = 0; i < m->n; i++) p[i] = (float)m->p[i];
  for (int k = 0; k < m->n_params; k++) {
    size_t bytes = (size_t)(m->at[k + 1] - m->at[k]) * sizeof *p;
    ASSERT_OK(lcl_store_write(store, names[k], p + m->at[k], bytes));
    if (k + 1 < m->n_params) ASSERT_OK(lcl_feed(program, weights[k], m->a + m->at[k], bytes));
  }
}

static void check_rule(lcl_context *ctx, const lcl_optimiser_desc *d, model *m) {
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  char what[32];
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "train", &g));
  lcl_minimise(build_loss(g, m), d);
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .guard_bands = true }, &program));
  write_all(store, program, m);
  for (int t = 1; t <= STEPS; t++) {
    ASSERT_OK(lcl_run(program));
    step(d, m, t);
  }
  snprintf(what, sizeof what, "rule %d", (int)d->kind);
  compare(store, m, what, m->p);
  lcl_program_destroy(program);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

static void rules(void **state) {
  (void)state;
  static model m;
  lcl_context *ctx;
  lcl_rng r = { .state = 11 };
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  static const lcl_optimiser_desc cases[] = {
    { .kind = LCL_SGD, .rate = 0.05f },
    { .kind = LCL_SGD, .rate = 0.05f, .weight_decay = 0.1f, .l1 = 0.02f, .l2 = 0.03f },
    { .kind = LCL_SGD, .rate = 0.05f, .clip_value = 0.3f },
    { .kind = LCL_SGD, .rate = 0.05f, .clip_norm = 20.0f },
    { .kind = LCL_MOMENTUM, .rate = 0.02f },
    { .kind = LCL_MOMENTUM, .rate = 0.05f, .beta1 = 0.8f, .damping = 0.9f },
    { .kind = LCL_NESTEROV, .rate = 0.02f, .l2 = 0.01f },
    { .kind = LCL_RMSPROP, .rate = 0.01f },
    { .kind = LCL_RMSPROP,
      .rate = 0.003f,
      .beta1 = 0.5f,
      .beta2 = 0.95f,
      .eps = 1e-4f,
      .eps_outside = true },
    { .kind = LCL_ADAM, .rate = 0.01f, .clip_norm = 5.0f },
    { .kind = LCL_ADAM, .rate = 0.01f, .beta1 = 0.5f, .beta2 = 0.9f, .eps = 1e-6f },
    { .kind = LCL_ADADELTA, .rate = 1.0f },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++)
    for (int k = 0; k < (simulator() ? 1 : 17); k++) { /* some 200 shapes in all */
      random_model(&m, &r);
      check_rule(ctx, &cases[i], &m);
    }
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* A gradient that is NaN or infinite is not made harmless: NaN reaches the parameter under every
 * rule and clipping, and no other parameter; infinity does where values are not clipped. */
static void gradients_that_are_no_numbers(void **state) {
  (void)state;
  enum { N = 37, BAD = 20 };
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  for (int kind = LCL_SGD; kind <= LCL_ADADELTA; kind++)
    for (int c = 0; c < 4; c++) {
      const bool clip = c % 2, infinite = c / 2;
      const lcl_optimiser_desc d = { .kind = (lcl_optimiser_kind)kind,
                                     .rate = 0.1f,
                                     .clip_value = clip ? 0.5f : 0 };
      lcl_store *store;
      lcl_graph *g;
      lcl_program *program;
      float weight[N], p[N];
      for (int i = 0; i < N; i++) weight[i] = i == BAD ? (infinite ? INFINITY : NAN) : 1;
      ASSERT_OK(lcl_store_create(ctx, 1, &store));
      ASSERT_OK(lcl_graph_create(store, "train", &g));
      lcl_tensor *x = lcl_param(g, "p", LCL_SHAPE(N), (lcl_init) { LCL_INIT_ZERO, 0, 0, 0, 0 });
      lcl_tensor *w = lcl_input(g, "w", LCL_F32, LCL_SHAPE(N));
      lcl_minimise(lcl_sum(lcl_mul(x, w), LCL_ALL_AXES, false), &d);
      ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .guard_bands = true }, &program));
      ASSERT_OK(lcl_feed(program, "w", weight, sizeof weight));
      ASSERT_OK(lcl_run(program));
      ASSERT_OK(lcl_store_read(store, "p", p, sizeof p));
      for (int i = 0; i < N; i++)
        if (isfinite(p[i]) != (i != BAD || (infinite && clip)))
          fail_msg("rule %d, clipping %d: the gradient %g gives %g", kind, clip, weight[i], p[i]);
      lcl_program_destroy(program);
      lcl_graph_destroy(g);
      lcl_store_destroy(store);
    }
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* Two parameters with one gradient: both move by it. */
static void shared_gradient(void **state) {
  (void)state;
  enum { N = 9 };
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  float weight[N], p[N];
  const lcl_init zero = { .kind = LCL_INIT_ZERO };
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "train", &g));
  lcl_tensor *sum = lcl_add(lcl_param(g, "p", LCL_SHAPE(N), zero),
                            lcl_param(g, "q", LCL_SHAPE(N), zero));
  lcl_tensor *loss = lcl_mul(sum, lcl_input(g, "w", LCL_F32, LCL_SHAPE(N)));
  lcl_minimise(lcl_sum(loss, LCL_ALL_AXES, false),
               &(lcl_optimiser_desc) { .kind = LCL_SGD, .rate = 0.5f });
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .guard_bands = true }, &program));
  for (int i = 0; i < N; i++) weight[i] = (float)(i + 1);
  ASSERT_OK(lcl_feed(program, "w", weight, sizeof weight));
  ASSERT_OK(lcl_run(program));
  for (int k = 0; k < 2; k++) {
    ASSERT_OK(lcl_store_read(store, k ? "q" : "p", p, sizeof p));
    for (int i = 0; i < N; i++) assert_float_equal(p[i], -0.5 * (i + 1), 0);
  }
  lcl_program_destroy(program);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* Parameters that do not lie side by side: the one between them stays as it is under weight decay,
 * and the norm that is clipped is of both. */
static void parameters_apart(void **state) {
  (void)state;
  enum { N = 100 };
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  float w[N], p[N];
  double square = 0;
  const lcl_init one = { .kind = LCL_INIT_CONSTANT, .value = 1 };
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "train", &g));
  lcl_tensor *a = lcl_param(g, "p0", LCL_SHAPE(N), one), *b = lcl_param(g, "p1", LCL_SHAPE(N), one),
             *c = lcl_param(g, "p2", LCL_SHAPE(N), one);
  lcl_tensor *in = lcl_input(g, "w", LCL_F32, LCL_SHAPE(N));
  lcl_tensor *sum = lcl_add(lcl_mul(a, in), lcl_add(b, lcl_mul(c, lcl_scale(in, 3))));
  lcl_tensor *const ends[] = { a, c };
  lcl_minimise(lcl_sum(sum, LCL_ALL_AXES, false), &(lcl_optimiser_desc) { .kind = LCL_SGD,
                                                                          .rate = 0.5f,
                                                                          .weight_decay = 0.25f,
                                                                          .clip_norm = 2,
                                                                          .params = ends,
                                                                          .n_params = 2 });
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .guard_bands = true }, &program));
  for (int i = 0; i < N; i++) {
    w[i] = 0.25f * (float)(i % 7);
    square += 10 * (double)w[i] * (double)w[i];
  }
  ASSERT_OK(lcl_feed(program, "w", w, sizeof w));
  ASSERT_OK(lcl_run(program));
  for (int k = 0; k < 3; k++) {
    ASSERT_OK(lcl_store_read(store, names[k], p, sizeof p));
    for (int i = 0; i < N; i++) {
      const double gradient = (k ? 3 : 1) * w[i] * 2 / sqrt(square) + 0.25;
      assert_float_equal(p[i], k == 1 ? 1 : 1 - 0.5 * gradient, 1e-6);
    }
  }
  lcl_program_destroy(program);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* A second graph trains one parameter more: the momentum of the first's goes on, that of the other
 * begins at zero. */
static void another_graph_trains_more(void **state) {
  (void)state;
  enum { N = 70 };
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g[2];
  lcl_program *program[2];
  float p[N];
  const lcl_init zero = { .kind = LCL_INIT_ZERO };
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  for (int k = 0; k < 2; k++) {
    ASSERT_OK(lcl_graph_create(store, k ? "both" : "one", &g[k]));
    lcl_tensor *const params[] = { lcl_param(g[k], "p0", LCL_SHAPE(N), zero),
                                   lcl_param(g[k], "p1", LCL_SHAPE(N), zero) };
    lcl_tensor *sum = k ? lcl_add(params[0], params[1]) : params[0];
    lcl_minimise(
        lcl_sum(sum, LCL_ALL_AXES, false),
        &(lcl_optimiser_desc) {
            .kind = LCL_MOMENTUM, .rate = 1, .beta1 = 0.5f, .params = params, .n_params = k + 1 });
    ASSERT_OK(lcl_compile(g[k], NULL, &program[k]));
    for (int step = 0; step < 2; step++) ASSERT_OK(lcl_run(program[k]));
  }
  for (int k = 0; k < 2; k++) { /* 1, 1.5, 1.75, 1.875 in all, and 1, 1.5 */
    ASSERT_OK(lcl_store_read(store, names[k], p, sizeof p));
    for (int i = 0; i < N; i++) assert_float_equal(p[i], k ? -2.5 : -6.125, 0);
  }
  for (int k = 0; k < 2; k++) {
    lcl_program_destroy(program[k]);
    lcl_graph_destroy(g[k]);
  }
  lcl_store_destroy(store);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* Moving averages of variables of random shapes: decay*average + (1 - decay)*value at the end of
 * each run. */
static void moving_averages(void **state) {
  (void)state;
  static model m;
  lcl_context *ctx;
  lcl_rng r = { .state = 13 };
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  for (int k = 0; k < (simulator() ? 2 : 67); k++) { /* 200 shapes */
    const float decay = (float)lcl__rng_real(&r, 0, 1);
    lcl_store *store;
    lcl_graph *g;
    lcl_program *program;
    random_model(&m, &r);
    ASSERT_OK(lcl_store_create(ctx, 1, &store));
    ASSERT_OK(lcl_graph_create(store, "train", &g));
    for (int j = 0; j < m.n_params; j++) {
      lcl_tensor *p = lcl_state(g, names[j], LCL_F32, m.shape[j],
                                (lcl_init) { LCL_INIT_ZERO, 0, 0, 0, 0 });
      lcl_ema(p,
              j + 1 < m.n_params ? lcl_input(g, weights[j], LCL_F32, m.shape[j])
                                 : lcl_scale(p, 0.5f),
              decay);
    }
    ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .guard_bands = true }, &program));
    write_all(store, program, &m);
    for (int t = 0; t < STEPS; t++) {
      ASSERT_OK(lcl_run(program));
      for (int i = 0; i < m.n; i++)
        m.p[i] = decay * m.p[i] + (1 - (double)decay) * (m.a[i] > 0 ? m.a[i] : 0.5 * m.p[i]);
    }
    compare(store, &m, "moving average", m.p);
    lcl_program_destroy(program);
    lcl_graph_destroy(g);
    lcl_store_destroy(store);
  }
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* Parameters without elements are legal, alone and beside others. */
static void empty_parameters(void **state) {
  (void)state;
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  for (int kind = LCL_SGD; kind <= LCL_ADADELTA; kind++)
    for (int beside = 0; beside < 2; beside++) {
      const lcl_optimiser_desc d = { .kind = (lcl_optimiser_kind)kind,
                                     .rate = 0.5f,
                                     .clip_norm = 1 };
      const lcl_init zero = { .kind = LCL_INIT_ZERO };
      lcl_store *store;
      lcl_graph *g;
      lcl_program *program;
      ASSERT_OK(lcl_store_create(ctx, 1, &store));
      ASSERT_OK(lcl_graph_create(store, "train", &g));
      lcl_tensor *none = lcl_param(g, "none", LCL_SHAPE(0, 3), zero),
                 *loss = lcl_sum(none, LCL_ALL_AXES, false);
      if (beside)
        loss = lcl_add(loss, lcl_sum(lcl_param(g, "one", LCL_SHAPE(1), zero), LCL_ALL_AXES, false));
      lcl_ema(lcl_state(g, "average", LCL_F32, LCL_SHAPE(0, 3), zero), none, 0.5f);
      lcl_minimise(loss, &d);
      ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .guard_bands = true }, &program));
      ASSERT_OK(lcl_run(program));
      float one = -1;
      if (beside) ASSERT_OK(lcl_store_read(store, "one", &one, sizeof one));
      assert_true(one < 0);
      lcl_program_destroy(program);
      lcl_graph_destroy(g);
      lcl_store_destroy(store);
    }
  lcl_context_destroy(ctx);
}

/* A value that decays below the normal numbers is zero at once on PoCL, whose kernels would crawl
 * through the denormal ones; other drivers may keep it. */
static void decays_to_zero(void **state) {
  (void)state;
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  float value = 2e-38f;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "train", &g));
  lcl_tensor *p = lcl_state(g, "p", LCL_F32, (lcl_shape) { 1, { 1 } },
                            (lcl_init) { .kind = LCL_INIT_ZERO });
  lcl_ema(p, lcl_scale(p, 0), 0.25f);
  ASSERT_OK(lcl_compile(g, NULL, &program));
  ASSERT_OK(lcl_store_write(store, "p", &value, sizeof value));
  ASSERT_OK(lcl_run(program));
  ASSERT_OK(lcl_store_read(store, "p", &value, sizeof value));
  assert_true(value == 0 || (value == 0.25f * 2e-38f && !device_is("pocl")));
  lcl_program_destroy(program);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_context_destroy(ctx);
}

/* ---- scaled losses ---- */

enum { SCALED = 37 };

/* p minimises sum(p w): its gradient is w. */
typedef struct scaled_rig {
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
} scaled_rig;

static scaled_rig scaled_open(lcl_context *ctx, const lcl_optimiser_desc *d) {
  scaled_rig s;
  ASSERT_OK(lcl_store_create(ctx, 1, &s.store));
  ASSERT_OK(lcl_graph_create(s.store, "train", &s.g));
  lcl_tensor *p = lcl_param(s.g, "p", LCL_SHAPE(SCALED),
                            (lcl_init) { LCL_INIT_NORMAL, 0, 1, 0, 0 });
  lcl_tensor *w = lcl_input(s.g, "w", LCL_F32, LCL_SHAPE(SCALED));
  lcl_minimise(lcl_sum(lcl_mul(p, w), LCL_ALL_AXES, false), d);
  ASSERT_OK(lcl_compile(s.g, &(lcl_compile_desc) { .guard_bands = true }, &s.program));
  return s;
}

static void scaled_close(scaled_rig *s) {
  lcl_program_destroy(s->program);
  lcl_graph_destroy(s->g);
  lcl_store_destroy(s->store);
}

/* A step with gradients of this size; p afterwards. */
static void scaled_step(const scaled_rig *s, float size, float p[SCALED]) {
  float w[SCALED];
  for (int i = 0; i < SCALED; i++) w[i] = size * (0.3f + (float)(i * 7 % 5));
  ASSERT_OK(lcl_feed(s->program, "w", w, sizeof w));
  ASSERT_OK(lcl_run(s->program));
  ASSERT_OK(lcl_store_read(s->store, "p", p, SCALED * sizeof *p));
}

static float factor_of(const scaled_rig *s) {
  float f;
  ASSERT_OK(lcl_store_read(s->store, "train.optimiser0.loss_scale", &f, sizeof f));
  return f;
}

static int32_t counter_of(const scaled_rig *s, const char *name) {
  int32_t n;
  ASSERT_OK(lcl_store_read(s->store, name, &n, sizeof n));
  return n;
}

/* A factor that is a power of two changes no bit of any rule, with and without clipping. */
static void scaled_as_without(void **state) {
  (void)state;
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  for (int kind = LCL_SGD; kind <= LCL_ADADELTA; kind++)
    for (int clip = 0; clip < 2; clip++) {
      lcl_optimiser_desc d = { .kind = (lcl_optimiser_kind)kind,
                               .rate = 0.1f,
                               .weight_decay = 0.1f,
                               .clip_norm = clip ? 1.5f : 0 };
      float plain[SCALED], scaled[SCALED];
      scaled_rig a = scaled_open(ctx, &d);
      d.loss_scale = 1024;
      scaled_rig b = scaled_open(ctx, &d);
      for (int t = 0; t < 3; t++) scaled_step(&a, 1, plain), scaled_step(&b, 1, scaled);
      assert_memory_equal(plain, scaled, sizeof plain);
      assert_float_equal(factor_of(&b), 1024, 0);
      assert_int_equal(counter_of(&b, "train.optimiser0.steady"), 3);
      scaled_close(&a);
      scaled_close(&b);
    }
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* 1e36 times the factor is infinite until that has come down to 128: those steps leave no trace
 * under any rule. */
static void steps_left_out(void **state) {
  (void)state;
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  for (int kind = LCL_SGD; kind <= LCL_ADADELTA; kind++) {
    const lcl_optimiser_desc d = {
      .kind = (lcl_optimiser_kind)kind, .rate = 0.1f, .clip_value = 1, .loss_scale = 512
    };
    float before[SCALED], p[SCALED], direct[SCALED];
    scaled_rig s = scaled_open(ctx, &d), other = scaled_open(ctx, &d);
    scaled_step(&s, 1, before);
    scaled_step(&other, 1, direct);
    scaled_step(&s, 1e36f, p);
    assert_memory_equal(before, p, sizeof p);
    assert_float_equal(factor_of(&s), 256, 0);
    assert_int_equal(counter_of(&s, "train.optimiser0.steady"), 0);
    assert_int_equal(counter_of(&s, "train.optimiser0.step"), 1);
    scaled_step(&s, 1, p); /* as if it had not been */
    scaled_step(&other, 1, direct);
    assert_memory_equal(direct, p, sizeof p);
    assert_int_equal(counter_of(&s, "train.optimiser0.step"), 2);
    scaled_close(&s);
    scaled_close(&other);
  }
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* The factor grows after 2000 steps in a row, not after 1999; at 1 nothing is hidden. */
static void factor_between_its_ends(void **state) {
  (void)state;
  lcl_context *ctx;
  float p[SCALED];
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  const lcl_optimiser_desc d = { .kind = LCL_SGD, .rate = 0.1f, .loss_scale = 2 };
  scaled_rig s = scaled_open(ctx, &d);
  const int32_t steady = 1998;
  ASSERT_OK(lcl_store_write(s.store, "train.optimiser0.steady", &steady, sizeof steady));
  scaled_step(&s, 1, p);
  assert_float_equal(factor_of(&s), 2, 0);
  assert_int_equal(counter_of(&s, "train.optimiser0.steady"), 1999);
  scaled_step(&s, 1, p);
  assert_float_equal(factor_of(&s), 4, 0);
  assert_int_equal(counter_of(&s, "train.optimiser0.steady"), 0);
  scaled_step(&s, INFINITY, p);
  scaled_step(&s, INFINITY, p);
  assert_float_equal(factor_of(&s), 1, 0);
  for (int i = 0; i < SCALED; i++) assert_true(isfinite(p[i]));
  scaled_step(&s, INFINITY, p);
  assert_float_equal(factor_of(&s), 1, 0);
  for (int i = 0; i < SCALED; i++) assert_false(isfinite(p[i]));
  scaled_close(&s);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(rules),
                                      cmocka_unit_test(gradients_that_are_no_numbers),
                                      cmocka_unit_test(shared_gradient),
                                      cmocka_unit_test(parameters_apart),
                                      cmocka_unit_test(another_graph_trains_more),
                                      cmocka_unit_test(decays_to_zero),
                                      cmocka_unit_test(moving_averages),
                                      cmocka_unit_test(empty_parameters),
                                      cmocka_unit_test(scaled_as_without),
                                      cmocka_unit_test(steps_left_out),
                                      cmocka_unit_test(factor_between_its_ends) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
