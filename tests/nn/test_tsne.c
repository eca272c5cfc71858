/* t-SNE: affinities, the device's sums against plain double sums, the gradient against differences
 * of the divergence through a whole run that must separate clouds. */
#include <math.h>
#include <stdint.h>

#include "base/philox.h"
#include "nn/tsne.h"
#include "test.h"

static lcl_context *ctx;

static int open_device(void **state) {
  (void)state;
  return lcl_context_create(&(lcl_context_desc) { 0 }, &ctx) == LCL_OK ? 0 : -1;
}

static int close_device(void **state) {
  (void)state;
  lcl_context_destroy(ctx);
  return 0;
}

static void repulsion(void **state) {
  (void)state;
  const int sizes[] = { 1, 63, 64, 65, 300, 8300 }; /* the last: two launches on GPUs */
  for (size_t s = 0; s < LCL_COUNT(sizes); s++) {
    int n = sizes[s];
    static float y[16600], force[16600];
    double z, want_z = 0;
    lcl_repulsion *r;
    lcl__philox_normal(1, 2, (uint64_t)n, y, 16600);
    for (int k = 0; k < 2 * n; k++) y[k] *= 5;
    assert_int_equal(lcl__repulsion_create(ctx, n, &r), LCL_OK);
    for (int again = 0; again < 2; again++)
      assert_int_equal(lcl__repulsion_run(r, y, force, &z), LCL_OK);
    lcl__repulsion_destroy(r);
    for (int i = 0; i < n; i++) {
      double fx = 0, fy = 0, size = 0;
      for (int j = 0; j < n; j++) {
        double dx = (double)y[2 * i] - y[2 * j], dy = (double)y[2 * i + 1] - y[2 * j + 1];
        double q = 1 / (1 + dx * dx + dy * dy);
        if (i != j) want_z += q;
        fx += q * q * dx;
        fy += q * q * dy;
        size += q * q * (fabs(dx) + fabs(dy)) + q;
      }
      /* n additions and a dozen roundings for each term, half of the type's epsilon each */
      double bound = (n + 12) * 6e-8 * size;
      assert_true(fabs(force[2 * i] - fx) <= bound && fabs(force[2 * i + 1] - fy) <= bound);
    }
    assert_true(fabs(z - want_z) <= (n + 12) * 6e-8 * (want_z + n));
  }
}

static void affinities(void **state) {
  (void)state;
  enum { N = 120, D = 4, K = 30 };
  static float x[N * D], distance[N * K];
  static int32_t index[N * K];
  static double dense[N][N];
  lcl_affinities a;
  lcl__philox_normal(3, 3, 3, x, N * D);
  assert_int_equal(lcl__nearest(ctx, x, N, D, K, index, distance), LCL_OK);
  assert_int_equal(lcl__affinities_create(index, distance, N, K, 10, &a), LCL_OK);
  double total = 0;
  memset(dense, 0, sizeof dense);
  for (int i = 0; i < N; i++) {
    for (int64_t e = a.start[i]; e < a.start[i + 1]; e++) {
      if (e > a.start[i]) assert_true(a.column[e] > a.column[e - 1]);
      assert_int_not_equal(a.column[e], i);
      dense[i][a.column[e]] = a.p[e];
      total += a.p[e];
    }
  }
  assert_float_equal(total, 1, 1e-5);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) assert_true(fabs(dense[i][j] - dense[j][i]) < 1e-9);
  lcl__affinities_free(&a);
  assert_int_equal(lcl__affinities_create(index, distance, N, K, 31, &a), LCL_ERR_ARGUMENT);
  /* Equal distances: every neighbour has the same share, and the bisection ends all the same. */
  for (int i = 0; i < N * K; i++) distance[i] = 2;
  assert_int_equal(lcl__affinities_create(index, distance, N, K, 10, &a), LCL_OK);
  lcl__affinities_free(&a);
}

static int reports;
static void count_reports(void *user, int round, int rounds, double divergence) {
  (void)user;
  assert_true(round < rounds && isfinite(divergence));
  reports++;
}

static void clouds_stay_apart(void **state) {
  (void)state;
  enum { N = 240, D = 10 };
  static float x[N * D], y[N * 2], again[N * 2], near[N];
  static int32_t index[N];
  double divergence, early;
  lcl__philox_normal(4, 4, 4, x, N * D);
  for (int i = 0; i < N; i++) x[i * D + i % 4] += 15;
  lcl_tsne_desc desc = { .perplexity = 15, .rounds = 300, .seed = 1, .progress = count_reports };
  assert_int_equal(lcl__tsne(ctx, x, N, D, &desc, y, &divergence), LCL_OK);
  assert_int_equal(reports, 6);
  assert_int_equal(lcl__nearest(ctx, y, N, 2, 1, index, near), LCL_OK);
  for (int i = 0; i < N; i++) assert_int_equal(index[i] % 4, i % 4);
  assert_int_equal(lcl__tsne(ctx, x, N, D, &desc, again, NULL), LCL_OK);
  assert_memory_equal(y, again, sizeof y);
  desc.rounds = 40;
  assert_int_equal(lcl__tsne(ctx, x, N, D, &desc, again, &early), LCL_OK);
  assert_true(divergence < early && divergence > 0);
  desc.perplexity = 100;
  assert_int_equal(lcl__tsne(ctx, x, N, D, &desc, again, &early), LCL_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(repulsion),
    cmocka_unit_test(affinities),
    cmocka_unit_test(clouds_stay_apart),
  };
  return cmocka_run_group_tests_name("tsne", tests, open_device, close_device);
}
