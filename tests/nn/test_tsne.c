/* t-SNE: affinities, the device's sums, a step and the divergence against their definitions in
 * double precision; a whole run has to keep clouds apart. */
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

/* p_j|i of an example's k neighbours, the nearest first: exp(-beta d^2), normalised, with the beta
 * whose entropy is that of so many equal ones. */
static void conditional(const float *distance, int k, double perplexity, double *p) {
  double low = 0, high = 1e6;
  for (int round = 0; round < 200; round++) {
    const double beta = (low + high) / 2;
    double sum = 0, entropy = 0;
    for (int j = 0; j < k; j++) {
      const double farther = pow((double)distance[j], 2) - pow((double)distance[0], 2);
      sum += p[j] = exp(-beta * farther);
    }
    for (int j = 0; j < k; j++) p[j] /= sum;
    for (int j = 0; j < k; j++) entropy -= p[j] > 0 ? p[j] * log(p[j]) : 0;
    if (entropy > log(perplexity))
      low = beta;
    else
      high = beta;
  }
}

enum { POINTS = 120, WIDTH = 4, NEIGHBOURS = 30 };

/* The affinities of all pairs, by the definition. */
static void all_affinities(const int32_t *index, const float *distance, double perplexity,
                           double dense[POINTS][POINTS]) {
  memset(dense, 0, sizeof(double[POINTS][POINTS]));
  for (int i = 0; i < POINTS; i++) {
    double p[NEIGHBOURS];
    conditional(distance + i * NEIGHBOURS, NEIGHBOURS, perplexity, p);
    for (int j = 0; j < NEIGHBOURS; j++) {
      dense[i][index[i * NEIGHBOURS + j]] += p[j] / (2 * POINTS);
      dense[index[i * NEIGHBOURS + j]][i] += p[j] / (2 * POINTS);
    }
  }
}

static void check_affinities(const int32_t *index, const float *distance, double perplexity) {
  static double want[POINTS][POINTS];
  lcl_affinities a;
  all_affinities(index, distance, perplexity, want);
  assert_int_equal(lcl__affinities_create(index, distance, POINTS, NEIGHBOURS, perplexity, &a),
                   LCL_OK);
  for (int i = 0; i < POINTS; i++) {
    int64_t others = 0;
    for (int64_t e = a.start[i]; e < a.start[i + 1]; e++) {
      if (e > a.start[i]) assert_true(a.column[e] > a.column[e - 1]);
      assert_true(fabs((double)a.p[e] - want[i][a.column[e]]) <= 1e-3 * want[i][a.column[e]]);
    }
    for (int j = 0; j < POINTS; j++) others += want[i][j] > 0;
    assert_int_equal(a.start[i + 1] - a.start[i], others);
    assert_true(want[i][i] == 0);
  }
  lcl__affinities_free(&a);
}

static void affinities(void **state) {
  (void)state;
  static float x[POINTS * WIDTH], distance[POINTS * NEIGHBOURS];
  static int32_t index[POINTS * NEIGHBOURS];
  lcl_affinities a;
  lcl__philox_normal(3, 3, 3, x, POINTS * WIDTH);
  assert_int_equal(lcl__nearest(ctx, x, POINTS, WIDTH, NEIGHBOURS, index, distance), LCL_OK);
  check_affinities(index, distance, 10);
  check_affinities(index, distance, 25);
  assert_int_equal(lcl__affinities_create(index, distance, POINTS, NEIGHBOURS, 31, &a),
                   LCL_ERR_ARGUMENT);
  /* Equal distances: every neighbour has the same share, and the bisection ends all the same. */
  for (int i = 0; i < POINTS * NEIGHBOURS; i++) distance[i] = 2;
  check_affinities(index, distance, 10);
}

/* The divergence of a map, by the definition. */
static double divergence_of(double p[POINTS][POINTS], const float *y, double z) {
  double sum = 0;
  for (int i = 0; i < POINTS; i++)
    for (int j = 0; j < POINTS; j++) {
      const double dx = (double)y[2 * i] - y[2 * j], dy = (double)y[2 * i + 1] - y[2 * j + 1];
      if (p[i][j] > 0) sum += p[i][j] * log(p[i][j] * z * (1 + dx * dx + dy * dy));
    }
  return sum;
}

static double z_of(const float *y) {
  double z = 0;
  for (int i = 0; i < POINTS; i++)
    for (int j = 0; j < POINTS; j++)
      if (i != j)
        z += 1 / (1 + pow((double)y[2 * i] - y[2 * j], 2) +
                  pow((double)y[2 * i + 1] - y[2 * j + 1], 2));
  return z;
}

/* The first step goes against the gradient, with a gain of 1.2 where it is positive and 0.8 where
 * it is not, and to a mean of zero; after the last one the divergence is told. */
static void a_step(void **state) {
  (void)state;
  static float x[POINTS * WIDTH], distance[POINTS * NEIGHBOURS], y[POINTS * 2], got[POINTS * 2];
  static int32_t index[POINTS * NEIGHBOURS];
  static double p[POINTS][POINTS], want[POINTS * 2];
  double mean[2] = { 0 }, divergence;
  lcl_tsne_desc desc = { .perplexity = NEIGHBOURS / 3, .rounds = 1, .rate = 1000, .seed = 3 };
  lcl__philox_normal(3, 3, 3, x, POINTS * WIDTH);
  assert_int_equal(lcl__nearest(ctx, x, POINTS, WIDTH, NEIGHBOURS, index, distance), LCL_OK);
  all_affinities(index, distance, desc.perplexity, p);
  lcl__philox_normal(3, lcl__philox_stream("tsne.start"), 0, y, POINTS * 2);
  for (int k = 0; k < POINTS * 2; k++) y[k] *= 1e-4f;
  const double z = z_of(y);
  for (int i = 0; i < POINTS; i++) {
    double g[2] = { 0 };
    for (int j = 0; j < POINTS; j++) {
      const double d[2] = { (double)y[2 * i] - y[2 * j], (double)y[2 * i + 1] - y[2 * j + 1] },
                   q = 1 / (1 + d[0] * d[0] + d[1] * d[1]);
      for (int k = 0; k < 2; k++) g[k] += (p[i][j] - q / z) * q * d[k];
    }
    for (int k = 0; k < 2; k++) {
      want[2 * i + k] = (double)y[2 * i + k] - desc.rate * (g[k] > 0 ? 1.2 : 0.8) * g[k];
      mean[k] += want[2 * i + k] / POINTS;
    }
  }
  assert_int_equal(lcl__tsne(ctx, x, POINTS, WIDTH, &desc, got, &divergence), LCL_OK);
  for (int k = 0; k < POINTS * 2; k++)
    assert_true(fabs((double)got[k] - (want[k] - mean[k % 2])) <= 1e-6); /* of 1e-3 */
  desc.rounds = 100;
  assert_int_equal(lcl__tsne(ctx, x, POINTS, WIDTH, &desc, got, &divergence), LCL_OK);
  const double told = divergence_of(p, got, z_of(got));
  ASSERT_BETWEEN(divergence, 0.999 * told, 1.001 * told);
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
    cmocka_unit_test(a_step),
    cmocka_unit_test(clouds_stay_apart),
  };
  return cmocka_run_group_tests_name("tsne", tests, open_device, close_device);
}
