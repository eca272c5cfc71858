/* Assignment, confusion, retrieval and hashing against what the definitions say, by brute force. */
#include <math.h>
#include <stdint.h>

#include "base/philox.h"
#include "nn/evaluate.h"
#include "test.h"

/* Smallest total over all orders of the columns from `row` on. */
static double best_total(const double *cost, int n, int row, bool *used) {
  if (row == n) return 0;
  double best = INFINITY;
  for (int j = 0; j < n; j++) {
    if (used[j]) continue;
    used[j] = true;
    best = fmin(best, cost[row * n + j] + best_total(cost, n, row + 1, used));
    used[j] = false;
  }
  return best;
}

static void assignment_is_the_cheapest(void **state) {
  (void)state;
  for (int n = 1; n <= 7; n++) {
    for (int trial = 0; trial < 30; trial++) {
      double cost[49], total = 0;
      float g[49];
      int column[7];
      bool used[7] = { false };
      lcl__philox_normal(1, (uint32_t)n, (uint64_t)trial, g, 49);
      /* whole numbers, so that sums are exact and ties happen */
      for (int i = 0; i < n * n; i++) cost[i] = floor(g[i] * (trial < 15 ? 2 : 1000));
      assert_int_equal(lcl__assign_rows(cost, n, column), LCL_OK);
      for (int i = 0; i < n; i++) {
        assert_false(used[column[i]]);
        used[column[i]] = true;
        total += cost[i * n + column[i]];
      }
      bool none[7] = { false };
      assert_true(total == best_total(cost, n, 0, none));
    }
  }
  double bad[4] = { 0, NAN, 0, 0 };
  int column[2];
  assert_int_equal(lcl__assign_rows(bad, 2, column), LCL_ERR_NUMERIC);
  static double large[100 * 100]; /* a hidden permutation */
  static int found[100];
  for (int i = 0; i < 10000; i++) large[i] = 1 + i % 7;
  for (int i = 0; i < 100; i++) large[i * 100 + (i * 37 + 5) % 100] = 0;
  assert_int_equal(lcl__assign_rows(large, 100, found), LCL_OK);
  for (int i = 0; i < 100; i++) assert_int_equal(found[i], (i * 37 + 5) % 100);
}

static void cluster_accuracy(void **state) {
  (void)state;
  const int32_t truth[] = { 0, 0, 0, 1, 1, 1, 2, 2, 2, -1 };
  const int32_t cluster[] = { 3, 3, 1, 0, 0, 0, 1, 1, 3, 2 };
  double accuracy;
  int class_of[4];
  assert_int_equal(lcl__cluster_accuracy(truth, cluster, 10, 3, 4, &accuracy, class_of), LCL_OK);
  assert_float_equal(accuracy, 7.0 / 9, 1e-12);
  const int want[] = { 1, 2, -1, 0 };
  assert_memory_equal(class_of, want, sizeof want);
  /* Fewer clusters than classes: one class stays without. */
  const int32_t two[] = { 0, 0, 0, 1, 1, 1, 1, 1, 1, 0 };
  assert_int_equal(lcl__cluster_accuracy(truth, two, 10, 3, 2, &accuracy, NULL), LCL_OK);
  assert_float_equal(accuracy, 6.0 / 9, 1e-12);
  int64_t table[12];
  lcl__confusion(truth, cluster, 10, 3, 4, table);
  const int64_t counts[12] = { 0, 1, 0, 2, 3, 0, 0, 0, 0, 2, 0, 1 };
  assert_memory_equal(table, counts, sizeof counts);
}

/* ---- retrieval ---- */

enum { N = 300, CLASSES = 3, BITS = 6, AT = 50 };

typedef struct hit {
  int distance;
  bool relevant;
} hit;

static int by_distance(const void *a, const void *b) {
  return ((const hit *)a)->distance - ((const hit *)b)->distance;
}

/* All three metrics of one query from its sorted list. */
static void judge(hit *list, int n, double *trapezoid, double *step, double *at, double *radius) {
  qsort(list, (size_t)n, sizeof *list, by_distance);
  double total = 0, found = 0, recall = 0, precision = 1, near = 0, near_relevant = 0;
  *trapezoid = *step = *at = 0;
  for (int i = 0; i < n; i++) total += list[i].relevant;
  for (int i = 0; i < n;) {
    int end = i;
    double here = 0;
    while (end < n && list[end].distance == list[i].distance) here += list[end++].relevant;
    double share = here / (end - i);
    for (int k = i; k < end; k++)
      *at += k < AT ? share / AT : 0; /* the expected value within a tie */
    found += here;
    if (recall < 1) {
      *trapezoid += (found / total - recall) * (found / end + precision) / 2;
      *step += (found / total - recall) * found / end;
      recall = found / total;
      precision = found / end;
    }
    if (list[i].distance <= 2) {
      near += end - i;
      near_relevant += here;
    }
    i = end;
  }
  *radius = near > 0 ? near_relevant / near : 0;
}

static void retrieval(void **state) {
  (void)state;
  uint64_t codes[N];
  int32_t labels[N];
  uint8_t query[N];
  for (int i = 0; i < N; i++) {
    labels[i] = i % CLASSES;
    codes[i] = (uint64_t[]) { 0, 21, 63 }[labels[i]];
    for (int b = 0; b < BITS; b++) /* each bit wrong with probability 1/4 */
      codes[i] ^= (uint64_t)(lcl__philox_bits(8, 1, (uint64_t)i, (uint64_t)b) < 1u << 30) << b;
  }
  assert_int_equal(lcl__choose_queries(labels, N, CLASSES, 7, 3, query), LCL_OK);
  double want[4] = { 0 };
  int chosen[CLASSES] = { 0 };
  for (int q = 0; q < N; q++) {
    hit list[N];
    int n = 0;
    double trapezoid, step, at, radius;
    if (!query[q]) continue;
    chosen[labels[q]]++;
    for (int i = 0; i < N; i++)
      if (!query[i])
        list[n++] = (hit) { __builtin_popcountll(codes[q] ^ codes[i]), labels[i] == labels[q] };
    judge(list, n, &trapezoid, &step, &at, &radius);
    want[0] += trapezoid / 21;
    want[1] += step / 21;
    want[2] += at / 21;
    want[3] += radius / 21;
  }
  for (int c = 0; c < CLASSES; c++) assert_int_equal(chosen[c], 7);
  lcl_retrieval got;
  assert_int_equal(lcl__hamming_retrieval(codes, labels, query, N, BITS, AT, &got), LCL_OK);
  assert_true(fabs(got.map_trapezoid - want[0]) < 1e-12);
  assert_true(fabs(got.map_step - want[1]) < 1e-12);
  assert_true(fabs(got.precision_at - want[2]) < 1e-12);
  assert_true(fabs(got.precision_radius - want[3]) < 1e-12);
  ASSERT_BETWEEN(got.map_step, 0.4, 1); /* far better than the third that chance gives */
  assert_int_equal(lcl__choose_queries(labels, N, CLASSES, 100, 3, query), LCL_ERR_ARGUMENT);
  /* Other data may have some of the classes. */
  int of_first = 0;
  for (int i = 0; i < N; i++) labels[i] = labels[i] == 0 ? 0 : 2;
  assert_int_equal(lcl__choose_queries(labels, N, CLASSES, 7, 3, query), LCL_OK);
  for (int i = 0; i < N; i++) of_first += query[i] && labels[i] == 0;
  assert_int_equal(of_first, 7);
}

static void perfect_codes_retrieve_perfectly(void **state) {
  (void)state;
  uint64_t codes[100];
  int32_t labels[100];
  uint8_t query[100];
  for (int i = 0; i < 100; i++) {
    labels[i] = i % 2;
    codes[i] = i % 2 ? 0xffff : 0;
    query[i] = i < 10;
  }
  lcl_retrieval r;
  assert_int_equal(lcl__hamming_retrieval(codes, labels, query, 100, 16, 45, &r), LCL_OK);
  assert_float_equal(r.map_trapezoid, 1, 1e-12);
  assert_float_equal(r.map_step, 1, 1e-12);
  assert_float_equal(r.precision_at, 1, 1e-12);
  assert_float_equal(r.precision_radius, 1, 1e-12);
  for (int i = 10; i < 40; i++) { /* without a label: neither right nor wrong, wherever they are */
    labels[i] = -1;
    codes[i] ^= 1;
  }
  assert_int_equal(lcl__hamming_retrieval(codes, labels, query, 100, 16, 45, &r), LCL_OK);
  assert_float_equal(r.map_step, 1, 1e-12);
  assert_float_equal(r.precision_at, 30. / 45, 1e-12);
  assert_float_equal(r.precision_radius, 1, 1e-12);
  for (int i = 10; i < 100; i++) {
    labels[i] = i % 2;
    codes[i] = i % 2 ? 0xffff : 0;
  }
  for (int i = 10; i < 100; i++)
    codes[i] ^= 0xff; /* everything 8 away from the queries, nothing within 2 */
  assert_int_equal(lcl__hamming_retrieval(codes, labels, query, 100, 16, 45, &r), LCL_OK);
  assert_float_equal(r.precision_radius, 0, 0);
  assert_float_equal(r.map_trapezoid, 0.75,
                     1e-12); /* precision from 1 to 1/2 over the whole recall */
}

/* ---- hashing ---- */

static void packing(void **state) {
  (void)state;
  const float x[6] = { 0.6f, 0.4f, 0.5f, 1, 0, 2 };
  uint64_t codes[2];
  lcl__pack_codes(x, 2, 3, 0.5f, codes);
  assert_int_equal(codes[0], 1);
  assert_int_equal(codes[1], 5);
}

static void principal_axes(void **state) {
  (void)state;
  enum { M = 2000, D = 5 };
  static float x[M * D];
  double mean[D], axes[2 * D], variance[2];
  lcl__philox_normal(3, 3, 3, x, M * D);
  for (int i = 0; i < M;
       i++) { /* deviations 3 along (0.6, 0.8, 0...), 2 along the fourth, 0.1 elsewhere */
    float *r = x + i * D, a = 3 * r[0], b = 0.1f * r[1];
    r[0] = 0.6f * a - 0.8f * b + 7;
    r[1] = 0.8f * a + 0.6f * b;
    r[2] *= 0.1f;
    r[3] *= 2;
    r[4] *= 0.1f;
  }
  assert_int_equal(lcl__principal_axes(x, M, D, 2, mean, axes, variance), LCL_OK);
  assert_true(fabs(mean[0] - 7) < 5 * 1.8 / sqrt(M));
  assert_true(fabs(fabs(axes[0] * 0.6 + axes[1] * 0.8) - 1) < 1e-3);
  assert_true(fabs(fabs(axes[D + 3]) - 1) < 1e-2);
  assert_true(fabs(variance[0] - 9) < 5 * 9 * sqrt(2.0 / M) &&
              fabs(variance[1] - 4) < 5 * 4 * sqrt(2.0 / M));
}

/* Of fewer examples than numbers: what the same examples give with each of them many times, where
 * there is variance; behind that any axes that are orthogonal. */
static void principal_axes_of_few(void **state) {
  (void)state;
  enum { FEW = 6, D = 9, K = 8, TIMES = 3 };
  static float few[FEW * D], many[TIMES * FEW * D];
  double mean[2][D], axes[2][K * D], variance[2][K];
  lcl__philox_normal(4, 4, 4, few, FEW * D);
  for (int i = 0; i < FEW; i++) few[i * D + 2] = 3 * few[i * D] + 1; /* one direction less */
  memcpy(few + 5 * D, few + 4 * D, D * sizeof *few);                 /* an example twice */
  for (int t = 0; t < TIMES; t++) memcpy(many + t * FEW * D, few, sizeof few);
  assert_int_equal(lcl__principal_axes(few, FEW, D, K, mean[0], axes[0], variance[0]), LCL_OK);
  assert_int_equal(lcl__principal_axes(many, TIMES * FEW, D, K, mean[1], axes[1], variance[1]),
                   LCL_OK);
  for (int a = 0; a < K; a++) {
    assert_true(fabs(variance[0][a] - variance[1][a]) < 1e-12 * variance[1][0]);
    assert_true((variance[0][a] > 0) == (a < 4)); /* five different examples */
    for (int b = 0; b < K; b++) {
      double same = 0, other = 0;
      for (int i = 0; i < D; i++) {
        same += axes[0][a * D + i] * axes[0][b * D + i];
        other += axes[0][a * D + i] * axes[1][b * D + i];
      }
      assert_true(fabs(same - (a == b)) < 1e-12);
      if (a < 4) assert_true(fabs(fabs(other) - (a == b)) < 1e-9);
    }
  }
  assert_int_equal(lcl__principal_axes(few, 1, D, 2, mean[0], axes[0], variance[0]), LCL_OK);
  assert_true(variance[0][0] == 0 && variance[0][1] == 0);
}

/* Four clouds on the corners of a square, turned by an angle at which the axes' signs cut through
 * them: ITQ must find the turn back, so that the two bits name the corner. */
static void itq_finds_the_turn(void **state) {
  (void)state;
  enum { M = 400 };
  static float x[M * 2];
  uint64_t codes[M];
  lcl__philox_normal(5, 5, 5, x, M * 2);
  for (int i = 0; i < M; i++) {
    double a = (i & 1 ? 1.0 : -1.0) + 0.1 * x[2 * i], b = (i & 2 ? 1.0 : -1.0) + 0.1 * x[2 * i + 1],
           angle = 0.7;
    x[2 * i] = (float)(cos(angle) * a - sin(angle) * b);
    x[2 * i + 1] = (float)(sin(angle) * a + cos(angle) * b);
  }
  assert_int_equal(lcl__pca_itq(x, M, 2, 2, 1, codes), LCL_OK);
  for (int i = 4; i < M; i++) assert_int_equal(codes[i], codes[i % 4]);
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < i; k++) assert_int_not_equal(codes[i], codes[k]);
  assert_int_equal(lcl__pca_itq(x, M, 2, 3, 1, codes), LCL_ERR_ARGUMENT);
}

/* Eight clouds on the corners of a cube, turned about two axes. In space, unlike in the plane, a
 * turn and the turn back are of different kinds: a rotation that is taken the wrong way round never
 * settles. */
static void itq_finds_the_turn_in_space(void **state) {
  (void)state;
  enum { M = 800 };
  static float x[M * 3];
  const double c = cos(0.7), s = sin(0.7), d = cos(0.5), t = sin(0.5);
  uint64_t codes[M];
  lcl__philox_normal(5, 5, 6, x, M * 3);
  for (int i = 0; i < M; i++) {
    double p[3];
    for (int k = 0; k < 3; k++) p[k] = (i >> k & 1 ? 1.0 : -1.0) + 0.1 * x[3 * i + k];
    const double y = s * p[0] + c * p[1];
    x[3 * i] = (float)(c * p[0] - s * p[1]);
    x[3 * i + 1] = (float)(d * y - t * p[2]);
    x[3 * i + 2] = (float)(t * y + d * p[2]);
  }
  assert_int_equal(lcl__pca_itq(x, M, 3, 3, 1, codes), LCL_OK);
  for (int i = 8; i < M; i++) assert_int_equal(codes[i], codes[i % 8]);
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < i; k++) assert_int_not_equal(codes[i], codes[k]);
}

/* Uniform along a long axis and a short one: the slowest waves are the first two of the long axis
 * (length 4), then the first of the short one (length 1.5; 1/1.5 > 2/4). */
static void spectral_hash(void **state) {
  (void)state;
  enum { M = 4000 };
  static float x[M * 3], u[M * 2];
  uint64_t codes[M];
  lcl__philox_uniform(6, 6, 6, u, M * 2);
  for (int i = 0; i < M; i++) {
    x[3 * i] = 4 * u[2 * i];
    x[3 * i + 1] = 1.5f * u[2 * i + 1];
    x[3 * i + 2] = 0.001f * u[2 * i];
  }
  assert_int_equal(lcl__spectral_hash(x, M, 3, 3, codes), LCL_OK);
  int wrong[3] = { 0 };
  for (int i = 0; i < M; i++) {
    double t = u[2 * i], s = u[2 * i + 1];
    /* cos(pi t) > 0, cos(2 pi t) > 0, cos(pi s) > 0, whichever end counts as the lower one */
    wrong[0] += ((codes[i] & 1) != 0) != (t < 0.5);
    wrong[1] += ((codes[i] & 2) != 0) != (t < 0.25 || t > 0.75);
    wrong[2] += ((codes[i] & 4) != 0) != (s < 0.5);
  }
  assert_true(wrong[0] < 20 || wrong[0] > M - 20);
  assert_true(wrong[1] < 20);
  assert_true(wrong[2] < 100 || wrong[2] > M - 100);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(assignment_is_the_cheapest),
    cmocka_unit_test(cluster_accuracy),
    cmocka_unit_test(retrieval),
    cmocka_unit_test(perfect_codes_retrieve_perfectly),
    cmocka_unit_test(packing),
    cmocka_unit_test(principal_axes),
    cmocka_unit_test(principal_axes_of_few),
    cmocka_unit_test(itq_finds_the_turn),
    cmocka_unit_test(itq_finds_the_turn_in_space),
    cmocka_unit_test(spectral_hash),
  };
  return cmocka_run_group_tests_name("evaluate", tests, NULL, NULL);
}
