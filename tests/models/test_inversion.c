/* Network inversion: weights of its terms that change, and clusters without the cross-entropy. */
#include "context.h"

#include <math.h>

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

/* With alpha = 0 the prediction is a cluster: the best assignment counts; else it is not asked for.
 */
static void clusters(void **state) {
  (void)state;
  static const int32_t label[] = { 0, 0, 1, 1, 2, 3 }, prediction[] = { 2, 2, 0, 0, 1, 1 };
  static const char *const cases[] = { "alpha=0", "alpha=0.5" };
  const lcl_model_table t = { .split = "all", .n = 6, .labels = label, .prediction = prediction };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    lcl_model *m = create(&cases[i], 1);
    lcl_metrics metrics = { 0 };
    ASSERT_OK(m->cls->score(m, &t, &metrics));
    const double *accuracy = lcl_metrics_get(&metrics, "accuracy_percent");
    assert_true((accuracy != NULL) == (i == 0));
    if (accuracy) assert_float_equal(*accuracy, 100 * 5 / 6.0, 1e-9);
    lcl_model_destroy(m);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(linear_weights),
    cmocka_unit_test(learned_weights),
    cmocka_unit_test(clusters),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
