/* Readers of NumPy arrays. */
#include "data/readers.h"

static void write_npy(const char *name, int64_t n, const void *labels) {
  char path[600];
  const float zeros[64] = { 0, 1 };
  snprintf(path, sizeof path, "%s/%s.npy", dir, name);
  if (labels)
    assert_int_equal(lcl__npy_write(path, LCL_NPY_U8, 1, &n, labels), LCL_OK);
  else
    assert_int_equal(lcl__npy_write(path, LCL_NPY_F32, 2, (int64_t[]) { n, 2 }, zeros), LCL_OK);
}

static void npy_folder(void **state) {
  (void)state;
  float x[20 * 3];
  int64_t labels[20], dims[2] = { 20, 3 };
  char path[600];
  for (int i = 0; i < 60; i++) x[i] = (float)i - 10;
  for (int i = 0; i < 20; i++) labels[i] = i / 7;
  snprintf(path, sizeof path, "%s/features.npy", dir);
  assert_int_equal(lcl__npy_write(path, LCL_NPY_F32, 2, dims, x), LCL_OK);
  snprintf(path, sizeof path, "%s/labels.npy", dir);
  assert_int_equal(lcl__npy_write(path, LCL_NPY_I64, 1, dims, labels), LCL_OK);
  lcl_splits s;
  lcl_data_desc desc = { .path = dir, .valid = 4, .merge = true };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_string_equal(s.format, "npy");
  assert_true(s.train->any_range);      /* numbers, not images */
  assert_int_equal(s.train->count, 20); /* merged */
  assert_int_equal(s.valid->count, 4);
  assert_int_equal(s.test->count, 4);
  assert_int_equal(s.train->width, 3);
  assert_int_equal(s.train->classes, 3);
  for (int64_t i = 0; i < 20; i++) { /* values as they are, and labels that belong to them */
    float row[3];
    lcl_dataset_example(s.train, i, row);
    assert_int_equal(s.train->labels[i], ((int)row[0] + 10) / 3 / 7);
  }
  lcl_splits_close(&s);
  desc.types = 2;
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_true(s.train->any_range); /* those of some classes too */
  assert_int_equal(s.train->classes, 2);
  lcl_splits_close(&s);
  desc.types = 0;
  labels[3] = -2;
  assert_int_equal(lcl__npy_write(path, LCL_NPY_I64, 1, dims, labels), LCL_OK);
  assert_int_equal(lcl_data_open(&desc, &s), LCL_ERR_FORMAT);
  dims[0] = 19;
  assert_int_equal(lcl__npy_write(path, LCL_NPY_I64, 1, dims, labels), LCL_OK);
  assert_int_equal(lcl_data_open(&desc, &s), LCL_ERR_SHAPE);
}

static void npy_layouts(void **state) {
  (void)state;
  static const uint8_t labels[32] = { 0, 1 };
  write_npy("validation_features", 6, NULL);
  expect_no_training("validation_features.npy");
  write_npy("train_features", 10, NULL);
  write_npy("train_labels", 10, labels);
  write_npy("validation_labels", 6, labels);
  write_npy("testing_features", 5, NULL);
  expect_refused("the training part has labels, the test part has none");
  write_npy("testing_labels", 5, labels);
  expect_parts(NULL, 10, 6, 5);
  write_npy("features", 7, NULL);
  expect_parts("features.npy", 10, 6, 5);
  write_npy("test_labels", 5, labels);
  expect_refused("test_labels.npy: the examples are missing");
  remove_file("test_labels.npy");
  write_npy("val_features", 3, NULL);
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "features.npy: another file is the same part"));
}

/* Numbers of elements that a float cannot hold apart, and images with their channels last. */
static void arrays_that_are_not_what_they_seem(void **state) {
  (void)state;
  static const float zeros[10 * 8 * 8 * 3];
  const int64_t ids[2] = { 16777216, 16777217 }, nhwc[4] = { 10, 8, 8, 3 };
  char got[1000] = "";
  lcl_splits s;
  assert_int_equal(
      lcl__npy_write(path_of("features.npy"), LCL_NPY_I64, 2, (int64_t[]) { 2, 1 }, ids), LCL_OK);
  expect_refused("element 1 is 16777217; whole numbers beyond 2^24");
  assert_int_equal(lcl__npy_write(path_of("features.npy"), LCL_NPY_F32, 4, nhwc, zeros), LCL_OK);
  lcl_log_set(collect, got);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_OK);
  lcl_log_set(NULL, NULL);
  assert_false(s.train->any_range); /* images go from 0 to 1 */
  lcl_splits_close(&s);
  assert_non_null(strstr(got, "read as images of 8 channels, 8 x 3"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(npy_folder),
    TEST(npy_layouts),
    TEST(arrays_that_are_not_what_they_seem),
  };
  return cmocka_run_group_tests_name("readers_arrays", tests, NULL, NULL);
}
