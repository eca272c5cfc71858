/* Nearest neighbours and k-means on the device against brute force on the host. */
#include <math.h>
#include <stdint.h>

#include <dirent.h>
#include <unistd.h>

#include "base/philox.h"
#include "device/cache.h"
#include "nn/evaluate.h"
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

static double distance(const float *a, const float *b, int d) {
  double sum = 0;
  for (int k = 0; k < d; k++) sum += ((double)a[k] - b[k]) * ((double)a[k] - b[k]);
  return sqrt(sum);
}

static void nearest(void **state) {
  (void)state;
  enum { N = 300, D = 13, K = 11 };
  static float x[N * D], got[N * K];
  static int32_t index[N * K];
  lcl__philox_normal(1, 1, 1, x, N * D);
  for (int k = 0; k < D; k++) x[7 * D + k] = x[3 * D + k]; /* twins */
  assert_int_equal(lcl__nearest(ctx, x, N, D, K, index, got), LCL_OK);
  assert_int_equal(index[7 * K], 3);
  assert_float_equal(got[7 * K], 0, 0);
  for (int i = 0; i < N; i++) {
    double last = 0;
    for (int k = 0; k < K; k++) {
      const float *a = x + i * D, *b = x + index[i * K + k] * D;
      assert_int_not_equal(index[i * K + k], i);
      assert_true(fabs(got[i * K + k] - distance(a, b, D)) <= 1e-6 * (1 + distance(a, b, D)));
      assert_true(got[i * K + k] >= last);
      last = got[i * K + k];
    }
    int nearer = 0; /* no other example is nearer than the last of the list */
    for (int j = 0; j < N; j++) nearer += j != i && distance(x + i * D, x + j * D, D) < last - 1e-5;
    assert_true(nearer <= K - 1);
  }
  assert_int_equal(lcl__nearest(ctx, x, 5, D, 5, index, got), LCL_ERR_ARGUMENT);
}

/* More than one block: distances on a line are known. */
static void nearest_in_blocks(void **state) {
  (void)state;
  enum { N = 2500 };
  static float x[N], got[N * 3];
  static int32_t index[N * 3];
  for (int i = 0; i < N; i++) x[(i * 1009) % N] = (float)i * 0.5f;
  assert_int_equal(lcl__nearest(ctx, x, N, 1, 3, index, got), LCL_OK);
  for (int i = 0; i < N; i++) {
    bool end = x[i] == 0 || x[i] == (N - 1) * 0.5f;
    assert_float_equal(got[3 * i], 0.5f, 0);
    assert_float_equal(got[3 * i + 1], end ? 1 : 0.5f, 0);
  }
}

/* Blocks that are not full, and both sides of a block of dot products: some examples against brute
 * force. */
static void nearest_across_blocks(void **state) {
  (void)state;
  enum { N = 4200, D = 3, K = 6 };
  static float x[N * D], got[N * K];
  static int32_t index[N * K];
  lcl__philox_normal(4, 1, 1, x, N * D);
  assert_int_equal(lcl__nearest(ctx, x, N, D, K, index, got), LCL_OK);
  for (int i = 0; i < N; i += 59) {
    int nearer = 0;
    double last = got[i * K + K - 1];
    for (int j = 0; j < N; j++) nearer += j != i && distance(x + i * D, x + j * D, D) < last - 1e-6;
    assert_true(nearer <= K - 1);
    for (int k = 0; k < K; k++)
      assert_true(fabs(got[i * K + k] - distance(x + i * D, x + index[i * K + k] * D, D)) <= 1e-6);
  }
}

/* Finds the one file of the folder. */
static bool only_entry(const char *dir, char *path, size_t size) {
  DIR *d = opendir(dir);
  int n = 0;
  for (struct dirent *e; d && (e = readdir(d));)
    if (strstr(e->d_name, ".lclbin")) n++, snprintf(path, size, "%s/%s", dir, e->d_name);
  if (d) closedir(d);
  return n == 1;
}

/* A second search reads the file of the first; a damaged file, other data and another k are
 * searched again. */
static void kept_distances(void **state) {
  (void)state;
  enum { N = 200, D = 5 };
  static float x[N * D], first[N], again[N];
  char dir[] = "/tmp/lcl-test-XXXXXX", path[300], *whole;
  size_t n;
  assert_non_null(mkdtemp(dir));
  const char *was = getenv("LATENTCL_CACHE");
  char *old = was ? strdup(was) : NULL;
  setenv("LATENTCL_CACHE", dir, 1);
  lcl__philox_normal(3, 1, 1, x, N * D);
  assert_int_equal(lcl__neighbour_distance(ctx, x, N, D, 4, first), LCL_OK);
  for (int i = 0; i < N; i++) {
    int nearer = 0;
    for (int j = 0; j < N; j++)
      nearer += j != i && distance(x + i * D, x + j * D, D) < first[i] - 1e-5;
    assert_int_equal(nearer, 3);
  }
  assert_int_equal(lcl__neighbour_distance(NULL, x, N, D, 4, again),
                   LCL_OK); /* no device is asked */
  assert_memory_equal(first, again, sizeof first);
  assert_true(only_entry(dir, path, sizeof path));
  assert_int_equal(lcl__file_read(path, 1 << 20, (void **)&whole, &n), LCL_OK);
  whole[n - 1] ^= 1;
  assert_int_equal(lcl__file_write_atomic(path, whole, n), LCL_OK);
  memset(again, 0, sizeof again);
  assert_int_equal(lcl__neighbour_distance(ctx, x, N, D, 4, again), LCL_OK);
  assert_memory_equal(first, again, sizeof first);
  assert_int_equal(lcl__neighbour_distance(ctx, x, N, D, 3, again), LCL_OK);
  assert_true(again[0] < first[0]);
  x[0] += 1;
  assert_int_equal(lcl__neighbour_distance(ctx, x, N, D, 4, again), LCL_OK);
  assert_true(again[0] != first[0]);
  lcl__free(whole);
  size_t removed;
  assert_int_equal(lcl__cache_clear(&removed), LCL_OK);
  assert_true(removed >= 3);
  rmdir(dir);
  old ? setenv("LATENTCL_CACHE", old, 1) : unsetenv("LATENTCL_CACHE");
  free(old);
}

/* A centre is the mean of its cluster. */
static void check_means(const float *x, int n, int d, const int32_t *cluster, const float *centres,
                        int k) {
  for (int a = 0; a < k; a++)
    for (int c = 0; c < d; c++) {
      double sum = 0, count = 0;
      for (int i = 0; i < n; i++)
        if (cluster[i] == a) sum += x[i * d + c], count++;
      assert_float_equal(centres[a * d + c], sum / count, 1e-5f);
    }
}

/* Without clouds most examples change their cluster several times before nothing moves. */
static void kmeans_of_one_cloud(void **state) {
  (void)state;
  enum { N = 700, D = 3, K = 9 };
  static float x[N * D], centres[K * D];
  static int32_t cluster[N];
  double inertia;
  lcl__philox_uniform(2, 3, 2, x, N * D);
  lcl_kmeans_desc desc = { .k = K, .restarts = 1, .seed = 4 };
  assert_int_equal(lcl__kmeans(ctx, x, N, D, &desc, cluster, centres, &inertia), LCL_OK);
  check_means(x, N, D, cluster, centres, K);
  const double once = inertia; /* other starts find something better */
  desc.restarts = 8;
  assert_int_equal(lcl__kmeans(ctx, x, N, D, &desc, cluster, centres, &inertia), LCL_OK);
  assert_true(inertia < once);
  check_means(x, N, D, cluster, centres, K);
}

static void kmeans(void **state) {
  (void)state;
  enum { N = 600, D = 7, K = 5 };
  static float x[N * D], centres[K * D];
  static int32_t cluster[N], again[N];
  double inertia, accuracy;
  int32_t truth[N];
  lcl__philox_normal(2, 2, 2, x, N * D);
  for (int i = 0; i < N; i++) {
    truth[i] = i % K;
    x[i * D + truth[i]] += 12; /* clouds far apart */
  }
  lcl_kmeans_desc desc = { .k = K, .restarts = 3, .seed = 9 };
  assert_int_equal(lcl__kmeans(ctx, x, N, D, &desc, cluster, centres, &inertia), LCL_OK);
  assert_int_equal(lcl__cluster_accuracy(truth, cluster, N, K, K, &accuracy, NULL), LCL_OK);
  assert_float_equal(accuracy, 1, 0);
  double total = 0;
  for (int i = 0; i < N; i++) {
    double own = distance(x + i * D, centres + cluster[i] * D, D);
    for (int k = 0; k < K; k++) assert_true(own <= distance(x + i * D, centres + k * D, D) + 1e-5);
    total += own * own;
  }
  assert_true(fabs(total - inertia) < 1e-6 * total);
  check_means(x, N, D, cluster, centres, K);
  desc.resident = 1; /* block by block */
  assert_int_equal(lcl__kmeans(ctx, x, N, D, &desc, again, NULL, NULL), LCL_OK);
  assert_memory_equal(cluster, again, sizeof cluster);
  desc.k = N + 1;
  assert_int_equal(lcl__kmeans(ctx, x, N, D, &desc, again, NULL, NULL), LCL_ERR_ARGUMENT);
}

/* Starts are far from each other: one run finds the few examples that are far from the many. */
static void kmeans_starts_apart(void **state) {
  (void)state;
  enum { N = 400, D = 5, K = D + 1, FAR = 4 };
  static float x[N * D];
  static int32_t cluster[N];
  lcl__philox_normal(2, 4, 2, x, N * D);
  for (int i = 0; i < D * FAR; i++) x[i * D + i / FAR] += 300;
  for (uint64_t seed = 0; seed < 5; seed++) {
    double inertia;
    const lcl_kmeans_desc desc = { .k = K, .restarts = 1, .seed = seed };
    assert_int_equal(lcl__kmeans(ctx, x, N, D, &desc, cluster, NULL, &inertia), LCL_OK);
    assert_true(inertia < 2.0 * N * D);
  }
}

/* Clouds far from zero, beside which they are small: squares lose what tells them apart. */
static void far_from_zero(void **state) {
  (void)state;
  enum { N = 200, D = 6, K = 4 };
  static float x[N * D], got[N];
  static int32_t truth[N], cluster[N], index[N];
  double inertia, accuracy;
  lcl__philox_normal(2, 6, 2, x, N * D);
  for (int i = 0; i < N; i++) {
    truth[i] = i % K;
    x[i * D + truth[i]] += 20;
    for (int k = 0; k < D; k++) x[i * D + k] += 30000;
  }
  const lcl_kmeans_desc desc = { .k = K, .restarts = 3, .seed = 9 };
  assert_int_equal(lcl__kmeans(ctx, x, N, D, &desc, cluster, NULL, &inertia), LCL_OK);
  assert_int_equal(lcl__cluster_accuracy(truth, cluster, N, K, K, &accuracy, NULL), LCL_OK);
  assert_float_equal(accuracy, 1, 0);
  assert_int_equal(lcl__nearest(ctx, x, N, D, 1, index, got), LCL_OK);
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++)
      assert_true(j == i || got[i] <= 1.0001 * distance(x + i * D, x + j * D, D));
}

/* Fewer different examples than clusters: nothing breaks. */
static void kmeans_of_twins(void **state) {
  (void)state;
  float x[20 * 2];
  int32_t cluster[20];
  double inertia;
  for (int i = 0; i < 20; i++) x[2 * i] = x[2 * i + 1] = i < 10 ? 1 : 2;
  lcl_kmeans_desc desc = { .k = 4, .restarts = 2 };
  assert_int_equal(lcl__kmeans(ctx, x, 20, 2, &desc, cluster, NULL, &inertia), LCL_OK);
  assert_float_equal(inertia, 0, 0);
  assert_int_not_equal(cluster[0], cluster[10]);
  for (int i = 0; i < 40; i++) x[i] = i % 3 * 1e25f; /* its square is no float */
  assert_int_equal(lcl__kmeans(ctx, x, 20, 2, &desc, cluster, NULL, NULL), LCL_ERR_NUMERIC);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(nearest),
    cmocka_unit_test(nearest_in_blocks),
    cmocka_unit_test(nearest_across_blocks),
    cmocka_unit_test(kept_distances),
    cmocka_unit_test(kmeans),
    cmocka_unit_test(kmeans_of_one_cloud),
    cmocka_unit_test(kmeans_starts_apart),
    cmocka_unit_test(far_from_zero),
    cmocka_unit_test(kmeans_of_twins),
  };
  return cmocka_run_group_tests_name("neighbours", tests, open_device, close_device);
}
