/* Network inversion: weights of its terms that change, and clusters without the cross-entropy. */
#include "context.h"

#include <math.h>

#include "graph/graph.h"
#include "models/build.h"

enum { ROWS = 3, SIDE = 22, STEPS = 6 };
enum { NLL, RECONSTRUCTION, ENTROPY, ALPHA, BETA, LOSS, N_VALUES };

static const lcl_model_data data = {
  .name = "test", .channels = 1, .height = SIDE, .width = SIDE, .classes = 4, .train = 100
};

static lcl_model *create(const char *const *set, size_t n) {
  const lcl_model_class *cls;
  lcl_options *o;
  lcl_model *m;
  ASSERT_OK(lcl_model_find("inversion", &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  for (size_t i = 0; i < n; i++) ASSERT_OK(lcl_options_set_pair(o, set[i]));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  lcl_options_destroy(o);
  return m;
}

/* The terms and the loss of some steps without training: only the weights move. */
static void run_steps(const char *const *set, size_t n, float value[STEPS][N_VALUES]) {
  static const char *const names[] = { "nll", "reconstruction", "entropy", "alpha", "beta" };
  lcl_model *m = create(set, n);
  lcl_store *store;
  lcl_graph *g;
  lcl_build b;
  lcl_program *p;
  float x[2][ROWS * SIDE * SIDE];
  const int32_t label[ROWS] = { 0, 3, 1 };
  lcl_tensor *fetch[N_VALUES] = { NULL };
  for (int i = 0; i < ROWS * SIDE * SIDE; i++) {
    x[0][i] = (float)((i * 37) % 23) / 23;
    x[1][i] = (float)((i * 29) % 19) / 19;
  }
  ASSERT_OK(lcl_store_create(ctx, 3, &store));
  ASSERT_OK(lcl_graph_create(store, "train", &g));
  ASSERT_OK(lcl__build_init(&b, m, g, LCL_MODE_TRAIN, ROWS, ROWS));
  for (int k = 0; k < LOSS; k++)
    for (int i = 0; i < b.n_terms; i++)
      if (strcmp(b.terms[i].name, names[k]) == 0) fetch[k] = b.terms[i].t;
  fetch[LOSS] = b.loss;
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = N_VALUES }, &p));
  ASSERT_OK(lcl_feed(p, "image", x[0], sizeof x[0]));
  ASSERT_OK(lcl_feed(p, "unlabelled", x[1], sizeof x[1]));
  ASSERT_OK(lcl_feed(p, "label", label, sizeof label));
  for (int step = 0; step < STEPS; step++) {
    ASSERT_OK(lcl_run(p));
    for (int k = 0; k < N_VALUES; k++) {
      char name[8];
      snprintf(name, sizeof name, "#%d", k);
      ASSERT_OK(lcl_fetch(p, name, &value[step][k], sizeof(float)));
    }
    const float *v = value[step];
    const double other = (double)v[BETA] * (double)v[RECONSTRUCTION] +
                         (1 - (double)v[BETA]) * (double)v[ENTROPY];
    assert_float_equal(v[LOSS], (double)v[ALPHA] * (double)v[NLL] + (1 - (double)v[ALPHA]) * other,
                       1e-5);
  }
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_model_destroy(m);
}

static void linear_weights(void **state) {
  (void)state;
  static const char *const set[] = { "weights=linear", "alpha=0.2",   "alpha_to=0.8",
                                     "beta=1",         "beta_to=0.4", "weights_over=4" };
  float v[STEPS][N_VALUES];
  run_steps(set, LCL_COUNT(set), v);
  for (int step = 0; step < STEPS; step++) {
    const double t = fmin(step / 4.0, 1);
    assert_float_equal(v[step][ALPHA], 0.2 + 0.6 * t, 1e-6);
    assert_float_equal(v[step][BETA], 1 - 0.6 * t, 1e-6);
  }
}

/* Each step moves a weight against its gradient, and not out of [0,1]. */
static void learned_weights(void **state) {
  (void)state;
  static const char *const set[] = { "weights=learned", "alpha=0.5", "beta=0.5",
                                     "weights_rate=0.2" };
  float v[STEPS][N_VALUES];
  bool low = false;
  run_steps(set, LCL_COUNT(set), v);
  for (int step = 0; step + 1 < STEPS; step++) {
    const double alpha = (double)v[step][ALPHA], beta = (double)v[step][BETA],
                 r = (double)v[step][RECONSTRUCTION], e = (double)v[step][ENTROPY],
                 other = beta * r + (1 - beta) * e;
    const double next_alpha = fmax(0, fmin(1, alpha - 0.2 * ((double)v[step][NLL] - other)));
    const double next_beta = fmax(0, fmin(1, beta - 0.2 * (1 - alpha) * (r - e)));
    assert_float_equal(v[step + 1][ALPHA], next_alpha, 1e-5);
    assert_float_equal(v[step + 1][BETA], next_beta, 1e-5);
    low = low || next_alpha == 0 || next_beta == 1;
  }
  assert_true(low); /* the limit was met */
}

/* The graph of evaluation and its values of some rows; names that it lacks stay NaN. */
static void evaluate(const lcl_model *m, const char *const *names, int n, double *mean) {
  lcl_store *store;
  lcl_graph *g;
  lcl_build b;
  float x[ROWS * SIDE * SIDE], value[ROWS];
  const int32_t label[ROWS] = { 0, 3, 1 };
  for (int i = 0; i < ROWS * SIDE * SIDE; i++) x[i] = (float)((i * 37) % 23) / 23;
  ASSERT_OK(lcl_store_create(ctx, 3, &store));
  ASSERT_OK(lcl_graph_create(store, "eval", &g));
  ASSERT_OK(lcl__build_init(&b, m, g, LCL_MODE_EVAL, ROWS, 0));
  for (int k = 0; k < n; k++) {
    mean[k] = (double)NAN;
    for (int i = 0; i < b.n_examples; i++) {
      lcl_program *p;
      if (strcmp(b.examples[i].name, names[k]) != 0) continue;
      ASSERT_OK(lcl_compile(
          g, &(lcl_compile_desc) { .fetch = &b.examples[i].t, .n_fetch = 1, .only_fetch = true },
          &p));
      ASSERT_OK(lcl_feed(p, "image", x, sizeof x));
      if (lcl__program_reads(p, "label")) ASSERT_OK(lcl_feed(p, "label", label, sizeof label));
      ASSERT_OK(lcl_run(p));
      ASSERT_OK(lcl_fetch(p, "#0", value, sizeof value));
      mean[k] = 0;
      for (int r = 0; r < ROWS; r++) mean[k] += (double)value[r] / ROWS;
      lcl_program_destroy(p);
    }
  }
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* Evaluation measures the reconstruction as training does: of cosines, at most 2. */
static void same_measure(void **state) {
  (void)state;
  static const char *const name = "reconstruction";
  double by[3];
  static const char *const costs[] = { "recon=cosine", "l2_mode=sum", "l2_mode=half_sum" };
  for (int i = 0; i < 3; i++) {
    lcl_model *m = create(&costs[i], 1);
    evaluate(m, &name, 1, &by[i]);
    lcl_model_destroy(m);
  }
  assert_true(by[0] >= 0 && by[0] <= 2);
  assert_true(by[1] > 10);
  assert_float_equal(by[2], by[1] / 2, by[1] * 1e-6);
}

/* With alpha = 0 throughout the prediction is a cluster: the best assignment counts, and neither an
 * error nor a cross-entropy with labels is told; else the assignment is not asked for. */
static void clusters(void **state) {
  (void)state;
  static const int32_t label[] = { 0, 0, 1, 1, 2, 3 }, prediction[] = { 2, 2, 0, 0, 1, 1 };
  static const struct {
    const char *set[3];
    bool clusters;
  } cases[] = { { { "alpha=0", "beta=0.5", "weights=fixed" }, true },
                { { "alpha=0", "beta_to=1", "weights=linear" }, true },
                { { "alpha=0", "alpha_to=0.5", "weights=linear" }, false },
                { { "alpha=0", "beta=0.5", "weights=learned" }, false },
                { { "alpha=0.5", "beta=0.5", "weights=fixed" }, false } };
  static const char *const names[] = { "correct", "loss" };
  const lcl_model_table t = { .split = "all", .n = 6, .labels = label, .prediction = prediction };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    lcl_model *m = create(cases[i].set, 3);
    lcl_metrics metrics = { 0 };
    double value[2];
    ASSERT_OK(m->cls->score(m, &t, &metrics));
    const double *accuracy = lcl_metrics_get(&metrics, "accuracy_percent");
    assert_true((accuracy != NULL) == cases[i].clusters);
    if (accuracy) assert_float_equal(*accuracy, 100 * 5 / 6.0, 1e-9);
    assert_string_equal(m->settings.select, cases[i].clusters ? "last" : "error_percent");
    evaluate(m, names, 2, value);
    assert_true(isnan(value[0]) == cases[i].clusters);
    if (cases[i].clusters) ASSERT_BETWEEN(value[1], 0, log(4) + 1e-6);
    lcl_model_destroy(m);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(linear_weights),
    cmocka_unit_test(learned_weights),
    cmocka_unit_test(same_measure),
    cmocka_unit_test(clusters),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
