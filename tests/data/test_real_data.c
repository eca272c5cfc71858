/* The published files, where they are: LATENTCL_DATA names the folder that holds mnist/, cifar10/,
 * ... Without it, or without one of them, its tests are skipped and say so. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "base/base.h"
#include "latentcl/data.h"
#include "test.h"

static bool path_of(const char *name, char path[600]) {
  const char *root = getenv("LATENTCL_DATA");
  snprintf(path, 600, "%s/%s", root ? root : "", name);
  if (root && *root && lcl__file_exists(path)) return true;
  printf("[  SKIPPED ] no %s: LATENTCL_DATA is %s\n", name, root && *root ? root : "not set");
  return false;
}

/* Mean and deviation of channel c over all examples. */
static void moments(const lcl_dataset *ds, int c, double *mean, double *deviation) {
  size_t n = lcl_dataset_elements(ds), plane = (size_t)ds->height * (size_t)ds->width;
  float *x = malloc(n * sizeof *x);
  double sum = 0, squares = 0, count = (double)ds->count * (double)plane;
  for (int64_t i = 0; i < ds->count; i++) {
    lcl_dataset_example(ds, i, x);
    for (size_t k = (size_t)c * plane; k < (size_t)(c + 1) * plane; k++) {
      sum += x[k];
      squares += (double)x[k] * x[k];
    }
  }
  free(x);
  *mean = sum / count;
  *deviation = sqrt(squares / count - *mean * *mean);
}

static void check(const lcl_dataset *ds, int c, double mean, double deviation, double tolerance) {
  double m, d;
  moments(ds, c, &m, &d);
  assert_true(fabs(m - mean) <= tolerance);
  assert_true(fabs(d - deviation) <= tolerance);
}

static void check_counts(const lcl_dataset *ds, const int64_t want[10]) {
  int64_t counts[10];
  assert_int_equal(ds->classes, 10);
  assert_int_equal(lcl_dataset_class_counts(ds, counts), LCL_OK);
  for (int k = 0; k < 10; k++) assert_int_equal(counts[k], want[k]);
}

static void mnist(void **state) {
  (void)state;
  char path[600];
  if (!path_of("mnist", path)) skip();
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = path, .valid = -1 }, &s), LCL_OK);
  assert_int_equal(s.train->count, 60000);
  assert_int_equal(s.test->count, 10000);
  check(s.train, 0, 0.1307, 0.3081, 5e-5);
  check(s.test, 0, 0.1325, 0.3105, 5e-5);
  check_counts(s.train,
               (const int64_t[]) { 5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949 });
  check_counts(s.test, (const int64_t[]) { 980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009 });
  assert_int_equal(s.train->labels[0], 5); /* the first training digits: 5 0 4 1 9 */
  assert_int_equal(s.train->labels[4], 9);
  lcl_splits_close(&s);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = path }, &s), LCL_OK);
  assert_int_equal(s.train->count, 50000);
  assert_int_equal(s.valid->count, 10000);
  lcl_splits_close(&s);
}

static void binarized_mnist(void **state) {
  (void)state;
  char path[600];
  if (!path_of("binarized_mnist", path)) skip();
  lcl_splits s;
  double mean, deviation;
  assert_int_equal(
      lcl_data_open(&(lcl_data_desc) { .path = path, .binarise = LCL_BINARISE_STATIC }, &s),
      LCL_OK);
  assert_int_equal(s.train->count, 50000);
  assert_int_equal(s.valid->count, 10000);
  assert_null(s.train->labels);
  const lcl_dataset *part[] = { s.train, s.valid, s.test };
  const double want[] = { 0.130562, 0.131127, 0.132512 };
  for (int i = 0; i < 3; i++) {
    moments(part[i], 0, &mean, &deviation);
    assert_true(fabs(mean - want[i]) <= 5e-7);
  }
  lcl_splits_close(&s);
}

static void cifar10(void **state) {
  (void)state;
  char path[600];
  if (!path_of("cifar10", path)) skip();
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = path, .valid = -1 }, &s), LCL_OK);
  assert_int_equal(s.train->count % 10000, 0);
  const double mean[] = { 0.49421, 0.48513, 0.45041 }, deviation[] = { 0.24665, 0.24289, 0.26159 };
  for (int c = 0; c < 3; c++) check(s.test, c, mean[c], deviation[c], 1e-5);
  check_counts(s.test,
               (const int64_t[]) { 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000 });
  assert_string_equal(s.train->class_names[9], "truck");
  lcl_splits_close(&s);
}

static void usps(void **state) {
  (void)state;
  char path[600];
  if (!path_of("usps", path)) skip();
  for (int shorts = 0; shorts < 2; shorts++) {
    lcl_splits s;
    lcl_data_desc desc = { .path = path, .valid = -1, .prefer = shorts ? "short" : NULL };
    assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
    assert_int_equal(s.train->count, 7291);
    assert_int_equal(s.test->count, 2007);
    assert_int_equal(s.train->values != NULL, shorts);
    check_counts(s.test, (const int64_t[]) { 359, 264, 198, 166, 200, 160, 170, 147, 166, 177 });
    float x[256];
    assert_int_equal(lcl_dataset_example(s.train, 0, x), LCL_OK);
    bool found = false; /* ... -0.631 0.862 -0.167 ... on the scale -1..1 */
    for (int k = 0; k + 2 < 256; k++)
      found |= fabsf(2 * x[k] - 1 + 0.631f) < 0.005f && fabsf(2 * x[k + 1] - 1 - 0.862f) < 0.005f &&
               fabsf(2 * x[k + 2] - 1 + 0.167f) < 0.005f;
    assert_true(found);
    lcl_splits_close(&s);
  }
}

static void omniglot(void **state) {
  (void)state;
  char path[600];
  if (!path_of("omniglot", path)) skip();
  lcl_splits s;
  lcl_dataset *small;
  lcl_data_desc desc = { .path = path, .valid = -1, .prefer = "images105" };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  /* Either the small background half or most of the large one. */
  const bool large = s.train->count != 4840;
  assert_int_equal(s.train->count, large ? 16833 : 4840);
  assert_int_equal(s.test->count, 13180);
  assert_int_equal(s.test->classes, (large ? 964 : 242) + 659); /* of both halves */
  assert_int_equal(s.test->width, 105);
  assert_int_equal(lcl_dataset_shrink(s.train, 5, &small), LCL_OK);
  assert_int_equal(small->height, 21);
  assert_float_equal(small->raw_max, 1, 0);
  lcl_dataset_close(small);
  lcl_splits_close(&s);
  desc = (lcl_data_desc) { .path = path, .merge = true, .valid = -1, .prefer = "images105" };
  desc.types = 100, desc.copies = 20, desc.reduce = 5; /* the IMSAT paper's set */
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_int_equal(s.train->classes, 100);
  assert_int_equal(s.train->width, 21);
  int64_t of[100], all = 0;
  assert_int_equal(lcl_dataset_class_counts(s.train, of), LCL_OK);
  for (int c = 0; c < 100; c++) { /* 20 copies of each drawing; the large half has 12 to 20 */
    assert_in_range(of[c], large ? 12 * 20 : 400, 400);
    assert_int_equal(of[c] % 20, 0);
    all += of[c];
  }
  assert_int_equal(s.train->count, all);
  lcl_splits_close(&s);
}

int main(void) {
  const char *root = getenv("LATENTCL_DATA");
  if (!root || !*root) {
    printf("skipped: LATENTCL_DATA does not name the folder of the published data sets\n");
    return 77; /* meson's sign for a skip */
  }
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(mnist), cmocka_unit_test(binarized_mnist), cmocka_unit_test(cifar10),
    cmocka_unit_test(usps),  cmocka_unit_test(omniglot),
  };
  return cmocka_run_group_tests_name("real data", tests, NULL, NULL);
}
