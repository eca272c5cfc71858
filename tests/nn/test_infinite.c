/* Losses of infinite logits: 0 times infinity is no NaN where the limit is 0, forward and gradient.
 */
#include <math.h>

#include "latentcl/nn.h"
#include "test.h"

enum { N = 2, K = 3 };

typedef lcl_tensor *(*loss_fn)(lcl_tensor *a, lcl_tensor *b);

static bool same(double got, double want) {
  return got == want || fabs(got - want) < 1e-5 || (isnan(got) && isnan(want));
}

/* loss(a, b) summed, and its gradient with respect to a. */
static void check(loss_fn loss, const float *a, const float *b, double want,
                  const float *gradient) {
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  float got, grad[N * K];
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  lcl_tensor *x = lcl_input(g, "a", LCL_F32, LCL_SHAPE(N, K));
  lcl_tensor *y = lcl_input(g, "b", LCL_F32, LCL_SHAPE(N, K)), *gx;
  lcl_tensor *sum = lcl_sum(loss(x, y), LCL_ALL_AXES, false);
  lcl_gradients(sum, &x, 1, &gx);
  lcl_tensor *fetch[] = { sum, gx, lcl_output(lcl_sum(y, LCL_ALL_AXES, false), "keeps b alive") };
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 3 }, &p));
  ASSERT_OK(lcl_feed(p, "a", a, sizeof grad));
  ASSERT_OK(lcl_feed(p, "b", b, sizeof grad));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", &got, sizeof got));
  ASSERT_OK(lcl_fetch(p, "#1", grad, sizeof grad));
  if (!same(got, want)) fail_msg("loss %g, not %g", got, want);
  for (int i = 0; i < N * K; i++)
    if (!same(grad[i], gradient[i])) fail_msg("gradient %d is %g, not %g", i, grad[i], gradient[i]);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_context_destroy(ctx);
}

#define INF INFINITY
static const float hopeless[N * K] = { -INF, 0, 0, 0, -INF, -INF };

static lcl_tensor *cross_entropy(lcl_tensor *a, lcl_tensor *b) {
  return lcl_cross_entropy(a, lcl_argmax(b, 1, false));
}

static lcl_tensor *entropy(lcl_tensor *a, lcl_tensor *b) {
  (void)b;
  return lcl_entropy_rows(a);
}

static lcl_tensor *marginal_entropy(lcl_tensor *a, lcl_tensor *b) {
  (void)b;
  return lcl_marginal_entropy(lcl_softmax(a, 1), 0);
}

static lcl_tensor *most(lcl_tensor *a, lcl_tensor *b) {
  return lcl_mul(lcl_max(a, LCL_AXIS(1), false), lcl_max(b, LCL_AXIS(1), false));
}

static void class_losses(void **state) {
  (void)state;
  const float hot[N * K] = { 0, 1, 0, 1, 0, 0 }, ones[N * K] = { 1, 1, 1, 1, 1, 1 };
  check(cross_entropy, hopeless, hot, 0.5 * log(2), (float[]) { 0, -0.25f, 0.25f, 0, 0, 0 });
  check(entropy, hopeless, ones, log(2), (float[]) { 0, 0, 0, 0, 0, 0 });
  /* 1 - p is kept at 1e-7 or above where p is 1, and the gradient ends there. */
  check(lcl_bernoulli_softmax_rows, hopeless, hot, 2 * log(2), (float[]) { 0, -1, 1, 0, 0, 0 });
}

static void marginal(void **state) {
  (void)state;
  const float never[N * K] = { -INF, 0, 0, -INF, 0, 0 }, ones[N * K] = { 1, 1, 1, 1, 1, 1 };
  check(marginal_entropy, never, ones, log(2), (float[]) { 0, 0, 0, 0, 0, 0 });
}

static void binary_losses(void **state) {
  (void)state;
  const float a[N * K] = { -INF, INF, -INF, INF, 0, 0 }, b[N * K] = { 0, 1, 0, 1, 0, 1 };
  check(lcl_bce_logits, a, b, log(2), (float[]) { 0, 0, 0, 0, 0.25f, -0.25f });
  const float soft[N * K] = { 0, 1, 0.25f, 1, 0, 1 };
  check(lcl_bce_logits, a, soft, INF, (float[]) { 0, 0, -0.125f, 0, 0.25f, -0.25f });
}

/* exp(inf) outweighs inf, and exp(-inf) is nothing beside it. */
static lcl_tensor *kl_gauss(lcl_tensor *logvar, lcl_tensor *mu) {
  return lcl_kl_gauss(mu, logvar);
}
static void gaussians(void **state) {
  (void)state;
  const float mu[N * K] = { 0, 0, 0, 1, 1, 1 };
  const float wide[N * K] = { INF, 0, 0, 0, 0, 0 }, narrow[N * K] = { -INF, 0, 0, 0, 0, 0 };
  check(kl_gauss, wide, mu, INF, (float[]) { INF, 0, 0, 0, 0, 0 });
  check(kl_gauss, narrow, mu, INF, (float[]) { -0.25f, 0, 0, 0, 0, 0 });
}

/* An infinite gradient reaches the maximum alone. */
static void maxima(void **state) {
  (void)state;
  const float a[N * K] = { 1, 3, 2, 6, 5, 4 }, b[N * K] = { 1, INF, 1, 1, 2, 1 };
  check(most, a, b, INF, (float[]) { 0, INF, 0, 2, 0, 0 });
}

static lcl_tensor *softmax(lcl_tensor *a, lcl_tensor *b) {
  (void)b;
  return lcl_softmax(a, 1);
}
static lcl_tensor *log_softmax(lcl_tensor *a, lcl_tensor *b) {
  (void)b;
  return lcl_log_softmax(a, 1);
}

/* One +inf, or nothing but -inf, leaves no share that is a number. */
static void undecided(void **state) {
  (void)state;
  const loss_fn fn[] = { softmax, log_softmax, cross_entropy };
  const float rows[][N * K] = { { INF, 0, 0, 0, 0, INF }, { -INF, -INF, -INF, -INF, -INF, -INF } };
  const float hot[N * K] = { 1, 0, 0, 1, 0, 0 };
  const float nan_everywhere[N * K] = { NAN, NAN, NAN, NAN, NAN, NAN };
  for (int f = 0; f < 3; f++)
    for (int r = 0; r < 2; r++) check(fn[f], rows[r], hot, NAN, nan_everywhere);
}

/* 1 for each element that is dropped, 0 for each infinite one. */
static lcl_tensor *dropped(lcl_tensor *a, lcl_tensor *b) {
  (void)b;
  return lcl_recip(lcl_shift(lcl_dropout(a, 0.5f), 1));
}

static void dropout_of_infinity(void **state) {
  (void)state;
  const float a[N * K] = { INF, INF, INF, INF, INF, INF }, none[N * K] = { 0 };
  check(dropped, a, a, 2, none);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(class_losses),
    cmocka_unit_test(marginal),
    cmocka_unit_test(binary_losses),
    cmocka_unit_test(gaussians),
    cmocka_unit_test(maxima),
    cmocka_unit_test(undecided),
    cmocka_unit_test(dropout_of_infinity),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
