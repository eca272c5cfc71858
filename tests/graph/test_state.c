/* State over time: random tensors and steps all differ and are right, running statistics follow
 * their definition, variables begin as they should, and fetched values survive the groups they are
 * fused into. */
#include <math.h>

#include "base/philox.h"
#include "latentcl/nn.h"
#include "latentcl/ops.h"
#include "context.h"

static lcl_program *compile(lcl_graph *g, lcl_tensor *const *fetch, int n) {
  lcl_program *p;
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = n }, &p));
  return p;
}

static void fetch(lcl_program *p, int index, float *out, size_t n) {
  char name[16];
  snprintf(name, sizeof name, "#%d", index);
  ASSERT_OK(lcl_fetch(p, name, out, n * sizeof *out));
}

static void near(double got, double want, double bound) {
  if (!(fabs(got - want) <= bound))
    fail_msg("got %.9g, expected %.9g within %.3g", got, want, bound);
}

/* ---- random tensors ---- */

enum { SAMPLES = 4096, TENSORS = 7, STEPS = 3 };

/* Mean and variance within five standard errors, and no correlation with another tensor. */
static void check_moments(const float *x, double mean, double var, double fourth) {
  double m = 0, v = 0;
  for (int i = 0; i < SAMPLES; i++) m += (double)x[i] / SAMPLES;
  for (int i = 0; i < SAMPLES; i++) v += ((double)x[i] - mean) * ((double)x[i] - mean) / SAMPLES;
  near(m, mean, 5 * sqrt(var / SAMPLES));
  near(v, var, 5 * sqrt((fourth - var * var) / SAMPLES));
}

static void check_unrelated(const float *a, const float *b) {
  double sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0;
  for (int i = 0; i < SAMPLES; i++)
    sum_a += (double)a[i] / SAMPLES, sum_b += (double)b[i] / SAMPLES;
  for (int i = 0; i < SAMPLES; i++) {
    aa += ((double)a[i] - sum_a) * ((double)a[i] - sum_a);
    bb += ((double)b[i] - sum_b) * ((double)b[i] - sum_b);
    ab += ((double)a[i] - sum_a) * ((double)b[i] - sum_b);
  }
  near(ab / sqrt(aa * bb), 0, 5 / sqrt(SAMPLES));
}

/* The tensors of a graph: two normal, two uniform, a Bernoulli and two masks of dropout. */
static lcl_program *random_graph(lcl_store *store, const char *name, lcl_graph **g) {
  float p[SAMPLES];
  for (int i = 0; i < SAMPLES; i++) p[i] = 0.25f;
  ASSERT_OK(lcl_graph_create(store, name, g));
  const lcl_shape s = LCL_SHAPE(SAMPLES);
  lcl_tensor *one = lcl_broadcast(lcl_const(*g, 1), s);
  lcl_tensor *all[TENSORS] = { lcl_random_normal(*g, s),
                               lcl_random_normal(*g, s),
                               lcl_random_uniform(*g, s),
                               lcl_random_uniform(*g, s),
                               lcl_random_bernoulli(lcl_const_data(*g, LCL_F32, s, p)),
                               lcl_dropout(one, 0.25f),
                               lcl_dropout(one, 0.25f) };
  return compile(*g, all, TENSORS);
}

static float sampled[3][STEPS][TENSORS][SAMPLES];

/* Tensor k of a step is stream k of that step, as the host's generator has it. */
static void check_streams(uint64_t seed, uint64_t step, float (*x)[SAMPLES]) {
  static float want[SAMPLES];
  for (int k = 0; k < TENSORS; k++) {
    if (k < 2)
      lcl__philox_normal(seed, (uint32_t)k, step, want, SAMPLES);
    else
      lcl__philox_uniform(seed, (uint32_t)k, step, want, SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
      const double u = (double)want[i];
      near((double)x[k][i], k < 4 ? u : k == 4 ? u < 0.25 : (u < 0.75) / 0.75, k < 2 ? 2e-5 : 1e-6);
    }
  }
}

static void random_streams(void **state) {
  (void)state;
  static const char *const names[] = { "train", "eval", "train" };
  for (int run = 0; run < 3; run++) { /* another graph, and another seed */
    lcl_store *store;
    lcl_graph *g;
    uint32_t before[4], after[4];
    ASSERT_OK(lcl_store_create(ctx, run == 2 ? 8 : 7, &store));
    lcl_program *p = random_graph(store, names[run], &g);
    char rng[32];
    snprintf(rng, sizeof rng, "%s.rng", names[run]);
    ASSERT_OK(lcl_store_read(store, rng, before, sizeof before));
    for (int step = 0; step < STEPS; step++) {
      ASSERT_OK(lcl_run(p));
      for (int k = 0; k < TENSORS; k++) fetch(p, k, sampled[run][step][k], SAMPLES);
      check_streams(before[0] | (uint64_t)before[1] << 32, (uint64_t)step, sampled[run][step]);
    }
    ASSERT_OK(lcl_store_read(store, rng, after, sizeof after));
    assert_int_equal(after[2], STEPS);
    /* A state that is put back samples the same numbers. */
    static float again[SAMPLES];
    before[2] = 1;
    ASSERT_OK(lcl_store_write(store, rng, before, sizeof before));
    ASSERT_OK(lcl_run(p));
    fetch(p, 1, again, SAMPLES);
    assert_memory_equal(again, sampled[run][1][1], sizeof again);
    lcl_program_destroy(p);
    lcl_graph_destroy(g);
    lcl_store_destroy(store);
  }
  float(*all)[SAMPLES] = &sampled[0][0][0];
  for (int a = 0; a < 3 * STEPS * TENSORS; a++) {
    const int k = a % TENSORS;
    if (k < 2)
      check_moments(all[a], 0, 1, 3);
    else if (k < 4)
      check_moments(all[a], 0.5, 1.0 / 12, 1.0 / 80);
    else if (k == 4)
      check_moments(all[a], 0.25, 0.1875, 0.25 * 0.3164 + 0.75 * 0.0039);
    else
      check_moments(all[a], 1, 1.0 / 3, 0.75 / 81 + 0.25);
    for (int b = 0; b < a; b++) check_unrelated(all[a], all[b]);
  }
}

/* ---- running statistics ---- */

enum { ROWS = 6, MAPS = 3, PIXELS = 4 };

static void batch(int step, float *x) {
  for (int i = 0; i < ROWS * MAPS * PIXELS; i++)
    x[i] = (float)((i * 37 + step * 11) % 23 - 9) / 7 + (float)(i / PIXELS % MAPS);
}

/* Three steps of a batch norm, then its evaluation, against the definition in double precision. */
static void check_batch_norm(float momentum, bool unbiased) {
  const double weight = momentum > 0 ? (double)momentum : 0.1, m = ROWS * PIXELS;
  const lcl_shape s = LCL_SHAPE(ROWS, MAPS, 2, PIXELS / 2);
  double mean[MAPS] = { 0 }, var[MAPS] = { 1, 1, 1 };
  float x[ROWS * MAPS * PIXELS], y[ROWS * MAPS * PIXELS], got[2][MAPS];
  lcl_store *store;
  ASSERT_OK(lcl_store_create(ctx, 7, &store));
  for (int eval = 0; eval < 2; eval++) {
    lcl_graph *g;
    ASSERT_OK(lcl_graph_create(store, eval ? "eval" : "train", &g));
    lcl_bn_desc d = { .mode = eval ? LCL_BN_EVAL : LCL_BN_TRAIN,
                      .momentum = momentum,
                      .unbiased = unbiased };
    lcl_tensor *out = lcl_batch_norm(lcl_input(g, "x", LCL_F32, s), "bn", &d);
    lcl_program *p = compile(g, &out, 1);
    for (int step = 0; step < (eval ? 1 : 3); step++) {
      batch(step, x);
      ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
      ASSERT_OK(lcl_run(p));
      for (int c = 0; c < MAPS && !eval; c++) {
        double sum = 0, square = 0;
        for (int i = 0; i < ROWS * MAPS * PIXELS; i++)
          if (i / PIXELS % MAPS == c) sum += (double)x[i];
        for (int i = 0; i < ROWS * MAPS * PIXELS; i++)
          if (i / PIXELS % MAPS == c) square += pow((double)x[i] - sum / m, 2);
        mean[c] += weight * (sum / m - mean[c]);
        var[c] += weight * (square / (unbiased ? m - 1 : m) - var[c]);
      }
    }
    fetch(p, 0, y, LCL_COUNT(y));
    lcl_program_destroy(p);
    lcl_graph_destroy(g);
  }
  ASSERT_OK(lcl_store_read(store, "bn.mean", got[0], sizeof got[0]));
  ASSERT_OK(lcl_store_read(store, "bn.var", got[1], sizeof got[1]));
  for (int c = 0; c < MAPS; c++) {
    near((double)got[0][c], mean[c], 1e-6);
    near((double)got[1][c], var[c], 1e-6);
  }
  for (int i = 0; i < ROWS * MAPS * PIXELS; i++) {
    const int c = i / PIXELS % MAPS;
    near((double)y[i], ((double)x[i] - mean[c]) / sqrt(var[c] + 1e-5), 1e-5);
  }
  lcl_store_destroy(store);
}

static void running_statistics(void **state) {
  (void)state;
  check_batch_norm(0, false);
  check_batch_norm(0.3f, false);
  check_batch_norm(0.3f, true);
}

/* ---- initial values ---- */

enum { VALUES = 20000 };

/* Mean, and deviation within five standard errors; all within the limits, and near them. */
static void check_distribution(const lcl_init *init, const float *x, bool uniform,
                               double deviation) {
  double m = 0, v = 0, low = INFINITY, high = -INFINITY;
  for (int i = 0; i < VALUES; i++) {
    const double d = (double)x[i] - (double)init->value;
    m += d / VALUES, v += d * d / VALUES;
    low = fmin(low, d), high = fmax(high, d);
  }
  const double fourth = uniform ? 1.8 : 3, most = uniform ? deviation * sqrt(3) : 6 * deviation;
  near(m, 0, 5 * deviation / sqrt(VALUES));
  near(v, deviation * deviation, 5 * deviation * deviation * sqrt((fourth - 1) / VALUES));
  ASSERT_BETWEEN(low, -1.000001 * most, uniform ? -0.998 * most : -3 * deviation);
  ASSERT_BETWEEN(high, uniform ? 0.998 * most : 3 * deviation, 1.000001 * most);
}

/* Every distribution, of a matrix and of filters: the fan-in is all but the first size, the fan-out
 * of filters has their area too; given ones count instead. */
static void initial_values(void **state) {
  (void)state;
  static const struct {
    lcl_init init;
    bool filters; /* (100,50,2,2), else (100,200) */
    bool uniform;
    double deviation;
  } cases[] = {
    { { LCL_INIT_NORMAL, 0, 0, 0, 0 }, false, false, 1 },
    { { LCL_INIT_NORMAL, 2, 0.5f, 0, 0 }, false, false, 0.5 },
    { { LCL_INIT_UNIFORM, 0, 0, 0, 0 }, false, true, 0.577350 },
    { { LCL_INIT_UNIFORM, -1, 0.25f, 0, 0 }, true, true, 0.144338 },
    { { LCL_INIT_HE_NORMAL, 0, 0, 0, 0 }, false, false, 0.1 },        /* sqrt(2/200) */
    { { LCL_INIT_HE_NORMAL, 0, 2, 0, 0 }, true, false, 0.2 },         /* 2 sqrt(2/(50*4)) */
    { { LCL_INIT_HE_NORMAL, 0, 0, 50, 7 }, true, false, 0.2 },        /* sqrt(2/50) */
    { { LCL_INIT_FAN_IN_NORMAL, 0, 0, 0, 0 }, true, false, 0.07071 }, /* 1/sqrt(200) */
    { { LCL_INIT_FAN_IN_NORMAL, 0, 3, 36, 0 }, false, false, 0.5 },   /* 3/sqrt(36) */
    { { LCL_INIT_FAN_IN_UNIFORM, 0, 0, 0, 0 }, false, true, 0.07071 },
    { { LCL_INIT_FAN_IN_UNIFORM, 0, 2, 16, 0 }, true, true, 0.5 },
    { { LCL_INIT_GLOROT_UNIFORM, 0, 0, 0, 0 }, false, true, 0.081650 }, /* sqrt(2/(200+100)) */
    { { LCL_INIT_GLOROT_UNIFORM, 0, 0, 0, 0 }, true, true, 0.057735 },  /* sqrt(2/(200+100*4)) */
    { { LCL_INIT_GLOROT_UNIFORM, 0, 3, 8, 64 }, true, true, 0.5 },      /* 3 sqrt(2/72) */
    { { LCL_INIT_GLOROT_UNIFORM, 0, 0, 28, 0 }, true, true, 0.068359 }, /* sqrt(2/(28+400)) */
  };
  static float x[2][VALUES], other[VALUES];
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const lcl_shape shape = cases[i].filters ? LCL_SHAPE(100, 50, 2, 2) : LCL_SHAPE(100, 200);
    for (int seed = 0; seed < 2; seed++) {
      lcl_store *store;
      lcl_graph *g;
      ASSERT_OK(lcl_store_create(ctx, 7 + (uint64_t)seed, &store));
      ASSERT_OK(lcl_graph_create(store, "test", &g));
      if (seed) lcl_param(g, "before", LCL_SHAPE(3), (lcl_init) { .kind = LCL_INIT_NORMAL });
      lcl_param(g, "w", shape, cases[i].init);
      lcl_param(g, "other", shape, cases[i].init);
      ASSERT_OK(lcl_store_read(store, "w", x[seed], sizeof x[seed]));
      ASSERT_OK(lcl_store_read(store, "other", other, sizeof other));
      check_distribution(&cases[i].init, x[seed], cases[i].uniform, cases[i].deviation);
      assert_memory_not_equal(x[seed], other, sizeof other);
      lcl_graph_destroy(g);
      lcl_store_destroy(store);
    }
    assert_memory_not_equal(x[0], x[1], sizeof other);
  }
}

/* Constants of every type, and what counts as a parameter. */
static void constants_and_counts(void **state) {
  (void)state;
  lcl_store *store;
  lcl_graph *g;
  float f[6];
  int32_t whole[5];
  uint8_t bytes[7];
  const lcl_init three = { .kind = LCL_INIT_CONSTANT, .value = 3 };
  ASSERT_OK(lcl_store_create(ctx, 7, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  lcl_param(g, "f", LCL_SHAPE(2, 3), three);
  lcl_state(g, "whole", LCL_I32, LCL_SHAPE(5), three);
  lcl_state(g, "bytes", LCL_U8, LCL_SHAPE(7), three);
  assert_int_equal(lcl_store_count(store), 3);
  assert_int_equal(lcl_store_param_count(store), 6); /* state is none */
  ASSERT_OK(lcl_store_read(store, "f", f, sizeof f));
  ASSERT_OK(lcl_store_read(store, "whole", whole, sizeof whole));
  ASSERT_OK(lcl_store_read(store, "bytes", bytes, sizeof bytes));
  for (int i = 0; i < 6; i++) assert_true(f[i] == 3);
  for (int i = 0; i < 5; i++) assert_int_equal(whole[i], 3);
  for (int i = 0; i < 7; i++) assert_int_equal(bytes[i], 3);
  ASSERT_STATUS(lcl_store_read(store, "f", f, sizeof f - 4), LCL_ERR_SHAPE);
  ASSERT_STATUS(lcl_store_read(store, "g", f, sizeof f), LCL_ERR_ARGUMENT);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* ---- fetched values ---- */

/* Each value inside a fused group is also fetched: with fusion it is what it is without. */
static void fetched_inside_groups(void **state) {
  (void)state;
  enum { A = 5, B = 7, ALL = 8 };
  static float got[2][ALL][A * B];
  float x[A * B];
  for (int i = 0; i < A * B; i++) x[i] = (float)(i * 29 % 31 - 15) / 8;
  for (int plain = 0; plain < 2; plain++) {
    lcl_store *store;
    lcl_graph *g;
    lcl_program *p;
    ASSERT_OK(lcl_store_create(ctx, 7, &store));
    ASSERT_OK(lcl_graph_create(store, "test", &g));
    lcl_tensor *in = lcl_input(g, "x", LCL_F32, LCL_SHAPE(A, B));
    lcl_tensor *w = lcl_param(g, "w", LCL_SHAPE(B, B), (lcl_init) { .kind = LCL_INIT_HE_NORMAL });
    lcl_tensor *b = lcl_param(g, "b", LCL_SHAPE(B),
                              (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = 0.5f });
    lcl_tensor *all[ALL];
    all[0] = lcl_matmul(in, w, false, true);
    all[1] = lcl_add(all[0], b);
    all[2] = lcl_relu(all[1]);
    all[3] = lcl_exp(lcl_neg(all[2]));
    all[4] = lcl_square(all[3]);
    all[5] = lcl_sum(all[4], LCL_AXIS(1), false);
    all[6] = lcl_mul(all[4], all[2]);
    all[7] = lcl_max(lcl_tanh(all[6]), LCL_AXIS(0), false);
    ASSERT_OK(lcl_compile(
        g, &(lcl_compile_desc) { .fetch = all, .n_fetch = ALL, .no_fusion = plain }, &p));
    ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
    ASSERT_OK(lcl_run(p));
    for (int k = 0; k < ALL; k++)
      fetch(p, k, got[plain][k], (size_t)lcl_shape_count(lcl_tensor_shape(all[k])));
    lcl_program_destroy(p);
    lcl_graph_destroy(g);
    lcl_store_destroy(store);
  }
  for (int k = 0; k < ALL; k++)
    for (int i = 0; i < (k == 5 ? A : k == 7 ? B : A * B); i++)
      near((double)got[0][k][i], (double)got[1][k][i], 1e-5);
  for (int i = 0; i < A * B; i++) {
    near((double)got[0][2][i], fmax((double)got[0][1][i], 0), 0);
    near((double)got[0][1][i], (double)got[0][0][i] + 0.5, 1e-6);
  }
}

/* Without updates a program neither changes a variable nor asks for what only an update reads. */
static void without_updates(void **state) {
  (void)state;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  const lcl_init zero = { .kind = LCL_INIT_ZERO };
  const float x[4] = { 1, 2, 3, 4 };
  float got[4];
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  lcl_tensor *in = lcl_input(g, "x", LCL_F32, LCL_SHAPE(4));
  lcl_tensor *var = lcl_state(g, "v", LCL_F32, LCL_SHAPE(4), zero);
  lcl_assign(var, lcl_add(var, lcl_exp(lcl_input(g, "of the update", LCL_F32, LCL_SHAPE(4)))));
  lcl_tensor *twice = lcl_scale(in, 2);
  ASSERT_OK(lcl_compile(
      g, &(lcl_compile_desc) { .fetch = &twice, .n_fetch = 1, .no_updates = true }, &p));
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  ASSERT_OK(lcl_run(p));
  fetch(p, 0, got, 4);
  for (int i = 0; i < 4; i++) assert_true(got[i] == 2 * x[i]);
  ASSERT_OK(lcl_store_read(store, "v", got, sizeof got));
  for (int i = 0; i < 4; i++) assert_true(got[i] == 0);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* Variables that lie next to each other are assigned in one copy: also a value that lies elsewhere
 * already, and where the order is not that of the variables; of two assignments the later counts.
 */
static void assigned_together(void **state) {
  (void)state;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  const lcl_init one = { .kind = LCL_INIT_CONSTANT, .value = 1 };
  float x[70], got[70];
  for (int i = 0; i < 70; i++) x[i] = (float)i / 4;
  for (int all = 0; all < 2; all++) {
    ASSERT_OK(lcl_store_create(ctx, 1, &store));
    ASSERT_OK(lcl_graph_create(store, "test", &g));
    lcl_tensor *in = lcl_input(g, "x", LCL_F32, LCL_SHAPE(70));
    lcl_tensor *a = lcl_state(g, "a", LCL_F32, LCL_SHAPE(5), one),
               *b = lcl_state(g, "b", LCL_F32, LCL_SHAPE(3), one),
               *c = lcl_state(g, "c", LCL_F32, LCL_SHAPE(70), one);
    lcl_assign(c, lcl_scale(in, 2));
    lcl_assign(b, lcl_shift(b, 6));
    lcl_assign(a, all ? lcl_slice_axis(in, 0, 2, 7) : lcl_neg(a));
    if (all) lcl_assign(b, lcl_scale(b, 3));
    ASSERT_OK(lcl_compile(g, NULL, &p));
    if (!all) assert_int_equal(lcl_program_get_stats(p).launches, 3 + 1);
    ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
    ASSERT_OK(lcl_run(p));
    ASSERT_OK(lcl_store_read(store, "a", got, 5 * sizeof *got));
    for (int i = 0; i < 5; i++) assert_true(got[i] == (all ? x[i + 2] : -1));
    ASSERT_OK(lcl_store_read(store, "b", got, 3 * sizeof *got));
    for (int i = 0; i < 3; i++) assert_true(got[i] == (all ? 3 : 7));
    ASSERT_OK(lcl_store_read(store, "c", got, sizeof got));
    for (int i = 0; i < 70; i++) assert_true(got[i] == 2 * x[i]);
    lcl_program_destroy(p);
    lcl_graph_destroy(g);
    lcl_store_destroy(store);
  }
}

/* Assignments and optimiser steps of one variable happen in the order of creation. */
static void order_of_updates(void **state) {
  (void)state;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  const lcl_init one = { .kind = LCL_INIT_CONSTANT, .value = 1 };
  float before, after;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  lcl_tensor *u = lcl_param(g, "before", LCL_SHAPE(1), one),
             *v = lcl_param(g, "after", LCL_SHAPE(1), one);
  lcl_assign(u, lcl_scale(u, 10));
  lcl_minimise(lcl_sum(lcl_add(lcl_scale(u, 2), lcl_scale(v, 3)), LCL_ALL_AXES, false),
               &(lcl_optimiser_desc) { .kind = LCL_SGD, .rate = 1 });
  lcl_assign(v, lcl_scale(v, 5));
  ASSERT_OK(lcl_compile(g, NULL, &p));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_store_read(store, "before", &before, sizeof before));
  ASSERT_OK(lcl_store_read(store, "after", &after, sizeof after));
  assert_true(before == 10 - 2 && after == 5);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* An update reads what its value shows of a variable as it was before the run, also through views
 * of all of it, and of elements that do not fill words. */
static void views_of_variables(void **state) {
  (void)state;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  const lcl_init one = { .kind = LCL_INIT_CONSTANT, .value = 1 }, none = { 0 };
  const uint8_t bytes[5] = { 1, 2, 3, 4, 5 };
  uint8_t skewed[6];
  float got[4];
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  lcl_tensor *a = lcl_param(g, "a", LCL_SHAPE(4), one),
             *in = lcl_input(g, "in", LCL_U8, LCL_SHAPE(1, 1, 1, 5));
  lcl_assign(a, lcl_scale(a, 10));
  lcl_assign(lcl_state(g, "same", LCL_F32, LCL_SHAPE(4), none), lcl_stop_gradient(a));
  lcl_assign(lcl_state(g, "square", LCL_F32, LCL_SHAPE(2, 2), none),
             lcl_reshape(a, LCL_SHAPE(2, 2)));
  lcl_assign(lcl_state(g, "row", LCL_U8, LCL_SHAPE(1, 1, 1, 5), none), lcl_skew(in));
  lcl_assign(lcl_state(g, "skewed", LCL_U8, LCL_SHAPE(1, 1, 2, 3), none),
             lcl_skew(lcl_reshape(lcl_slice_axis(in, 3, 0, 4), LCL_SHAPE(1, 1, 2, 2))));
  ASSERT_OK(lcl_compile(g, NULL, &p));
  ASSERT_OK(lcl_feed(p, "in", bytes, sizeof bytes));
  ASSERT_OK(lcl_run(p));
  static const char *const names[] = { "a", "same", "square" };
  for (int k = 0; k < 3; k++) {
    ASSERT_OK(lcl_store_read(store, names[k], got, sizeof got));
    for (int i = 0; i < 4; i++) assert_true(got[i] == (k ? 1 : 10));
  }
  ASSERT_OK(lcl_store_read(store, "row", skewed, 5));
  assert_memory_equal(skewed, bytes, 5);
  ASSERT_OK(lcl_store_read(store, "skewed", skewed, 6));
  assert_memory_equal(skewed, ((const uint8_t[]) { 1, 2, 0, 0, 3, 4 }), 6);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(random_streams),        cmocka_unit_test(running_statistics),
    cmocka_unit_test(initial_values),        cmocka_unit_test(constants_and_counts),
    cmocka_unit_test(fetched_inside_groups), cmocka_unit_test(without_updates),
    cmocka_unit_test(assigned_together),     cmocka_unit_test(order_of_updates),
    cmocka_unit_test(views_of_variables)
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
