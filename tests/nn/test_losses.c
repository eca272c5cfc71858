/* Divergences and entropies against double precision, at certain and saturated probabilities too:
 * values, and gradients by which a constant target gets none. */
#include "context.h"

#include <float.h>
#include <math.h>

#include "latentcl/nn.h"

enum { ROWS = 6, K = 4 };

/* Equal, ordinary, nearly certain, certain, and so far apart that the smaller is zero. */
static const float logits[2][ROWS][K] = {
  { { 0, 0, 0, 0 },
    { 1, -2, 0.5f, 0 },
    { 20, 0, 0, 0 },
    { 0, 0, 200, -200 },
    { -60, 60, 0, 1 },
    { 3, 3, -100, -0.0f } },
  { { 0, 0, 0, 0 },
    { -1, 0, 2, 0.25f },
    { 0, 20, 0, 0 },
    { 200, 0, 0, 0 },
    { 60, -60, 0, 1 },
    { -100, 3, 3, 0 } },
};
static const double tiny = 1e-8;

static void softmax(const float *x, double p[K]) {
  double top = -INFINITY, sum = 0;
  for (int k = 0; k < K; k++) top = fmax(top, (double)x[k]);
  for (int k = 0; k < K; k++) sum += p[k] = exp((double)x[k] - top);
  for (int k = 0; k < K; k++) p[k] /= sum;
}

/* As the device has it: in single precision. */
static double sigmoid(float x) {
  return (double)(float)(1 / (1 + exp(-(double)x)));
}

static double guarded(double p) {
  return log(p + tiny);
}

static double categorical(const float *a, const float *b) {
  double p[K], q[K], sum = 0;
  softmax(a, p);
  softmax(b, q);
  for (int k = 0; k < K; k++) sum += p[k] * (guarded(p[k]) - guarded(q[k]));
  return sum;
}

static double bernoulli(const float *a, const float *b) {
  double sum = 0;
  for (int k = 0; k < K; k++) {
    const double p = sigmoid(a[k]), q = sigmoid(b[k]);
    sum += p * (guarded(p) - guarded(q)) + (1 - p) * (guarded(1 - p) - guarded(1 - q));
  }
  return sum;
}

static double entropy(const float *a) {
  double p[K], sum = 0;
  softmax(a, p);
  for (int k = 0; k < K; k++) sum -= p[k] > 0 ? p[k] * log(p[k]) : 0;
  return sum;
}

static double binary(double p) {
  return -p * guarded(p) - (1 - p) * guarded(1 - p);
}

static void near(const char *what, int row, double got, double want) {
  if (!(fabs(got - want) <= 2e-5 * (1 + fabs(want))))
    fail_msg("%s, row %d: got %.9g, expected %.9g", what, row, got, want);
}

static void divergences(void **state) {
  (void)state;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  lcl_tensor *a = lcl_input(g, "a", LCL_F32, LCL_SHAPE(ROWS, K)),
             *b = lcl_input(g, "b", LCL_F32, LCL_SHAPE(ROWS, K)), *probability = lcl_sigmoid(a);
  lcl_tensor *fetch[] = { lcl_kl_categorical_rows(a, b),
                          lcl_kl_bernoulli_rows(a, b),
                          lcl_entropy_rows(a),
                          lcl_bernoulli_entropy_rows(probability),
                          lcl_marginal_entropy(lcl_softmax(a, 1), 0.125f),
                          lcl_bernoulli_marginal_entropy(probability),
                          lcl_pairwise_information(probability),
                          NULL,
                          NULL,
                          NULL,
                          NULL };
  for (int i = 0; i < 2; i++)
    lcl_gradients(lcl_mean(fetch[i], LCL_ALL_AXES, false), (lcl_tensor *[]) { a, b }, 2,
                  &fetch[7 + 2 * i]);
  ASSERT_OK(
      lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = LCL_COUNT(fetch) }, &p));
  ASSERT_OK(lcl_feed(p, "a", logits[0], sizeof logits[0]));
  ASSERT_OK(lcl_feed(p, "b", logits[1], sizeof logits[1]));
  ASSERT_OK(lcl_run(p));
  float got[LCL_COUNT(fetch)][ROWS * K];
  for (int i = 0; i < (int)LCL_COUNT(fetch); i++) {
    char name[16];
    snprintf(name, sizeof name, "#%d", i);
    ASSERT_OK(lcl_fetch(p, name, got[i],
                        (size_t)lcl_shape_count(lcl_tensor_shape(fetch[i])) * sizeof(float)));
  }
  double mean[K] = { 0 }, on[K] = { 0 }, both[K][K] = { { 0 } };
  for (int r = 0; r < ROWS; r++) {
    const float *x = logits[0][r], *y = logits[1][r];
    double q[K], bits = 0;
    near("categorical", r, (double)got[0][r], categorical(x, y));
    near("Bernoulli", r, (double)got[1][r], bernoulli(x, y));
    near("entropy", r, (double)got[2][r], entropy(x));
    softmax(x, q);
    for (int k = 0; k < K; k++) {
      bits += binary(sigmoid(x[k]));
      mean[k] += q[k] / ROWS;
      on[k] += sigmoid(x[k]) / ROWS;
      for (int e = 0; e < K; e++) both[k][e] += sigmoid(x[k]) * sigmoid(x[e]) / ROWS;
    }
    near("bits", r, (double)got[3][r], bits);
  }
  double marginal = 0, bits = 0, shared = 0;
  for (int k = 0; k < K; k++) {
    marginal -= mean[k] * log(mean[k] + 0.125);
    bits += binary(on[k]);
    for (int e = 0; e < k; e++) {
      const double m[4] = { both[k][e], on[k] - both[k][e], on[e] - both[k][e],
                            1 - on[k] - on[e] + both[k][e] },
                   f[4] = { on[k] * on[e], on[k] * (1 - on[e]), (1 - on[k]) * on[e],
                            (1 - on[k]) * (1 - on[e]) };
      for (int i = 0; i < 4; i++) shared += m[i] * (guarded(m[i]) - guarded(f[i]));
    }
  }
  near("marginal entropy", 0, (double)got[4][0], marginal);
  near("marginal bits", 0, (double)got[5][0], bits);
  near("pairs", 0, (double)got[6][0], shared);
  for (int i = 0; i < ROWS * K; i++) {
    near("gradient of the target", i, (double)got[7][i], 0);
    near("gradient of the target", i, (double)got[9][i], 0);
    assert_true(isfinite(got[8][i]) && isfinite(got[10][i]));
  }
  for (int r = 0; r < 2; r++) /* where logarithms are smooth: d KL / d b = q - p */
    for (int k = 0; k < K; k++) {
      double s[K], t[K];
      softmax(logits[0][r], s);
      softmax(logits[1][r], t);
      near("categorical gradient", r, (double)got[8][r * K + k], (t[k] - s[k]) / ROWS);
      near("Bernoulli gradient", r, (double)got[10][r * K + k],
           (sigmoid(logits[1][r][k]) - sigmoid(logits[0][r][k])) / ROWS);
    }
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* Mean and deviation of what is sampled around 1 with deviation 3. */
static void noise(void **state) {
  (void)state;
  enum { N = 20000 };
  static float x[N];
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "noise", &g));
  lcl_tensor *one = lcl_broadcast(lcl_const(g, 1), LCL_SHAPE(N)),
             *logvar = lcl_broadcast(lcl_const(g, 2 * logf(3)), LCL_SHAPE(N));
  lcl_tensor *const fetch[] = { lcl_gaussian_noise(one, 3), lcl_reparameterise(one, logvar) };
  assert_ptr_equal(lcl_gaussian_noise(one, 0), one);
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 2 }, &p));
  ASSERT_OK(lcl_run(p));
  for (int k = 0; k < 2; k++) {
    double sum = 0, square = 0;
    ASSERT_OK(lcl_fetch(p, k ? "#1" : "#0", x, sizeof x));
    for (int i = 0; i < N; i++) sum += x[i];
    for (int i = 0; i < N; i++) square += (x[i] - sum / N) * (x[i] - sum / N);
    ASSERT_BETWEEN(sum / N, 1 - 0.13, 1 + 0.13); /* six standard errors */
    ASSERT_BETWEEN(sqrt(square / N), 3 - 0.1, 3 + 0.1);
  }
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(divergences), cmocka_unit_test(noise) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
