/* What all readers share: folders that hold no data, numbers that are none, files without an end.
 */
#include <math.h>
#include <sys/resource.h>

#include "data/readers.h"

static void nothing_there(void **state) {
  (void)state;
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "no data set recognised"));
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = "/nonexistent" }, &s), LCL_ERR_IO);
  temp_write(dir, "file", "x", 1);
  char path[600];
  snprintf(path, sizeof path, "%s/file", dir);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = path }, &s), LCL_ERR_ARGUMENT);
}

/* The element that is no number is named with its file. */
static void numbers_are_finite(void **state) {
  (void)state;
  const float bad[4] = { 0, 1, NAN, 1 };
  char path[600];
  lcl_splits s;
  snprintf(path, sizeof path, "%s/features.npy", dir);
  assert_int_equal(lcl__npy_write(path, LCL_NPY_F32, 2, (int64_t[]) { 2, 2 }, bad), LCL_OK);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "features.npy"));
  assert_non_null(strstr(lcl_error_message(), "element 2 is not a finite number"));
  unlink(path);
  uint8_t file[64] = "RIFF\70\0\0\0WAVEfmt \20\0\0\0\3\0\1\0\144\0\0\0\0\0\0\0\4\0\40\0data\10";
  file[48] = file[49] = file[50] = file[51] = 0xFF;
  temp_write(dir, "bird/one.wav", file, 52);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "bird/one.wav: sample 1 is not a finite number"));
  temp_remove(dir);
  temp_make(dir);
  uint8_t idx[16] = { 0, 0, 0x0D, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0x7F, 0x80 };
  temp_write(dir, "train-images-idx2", idx, sizeof idx);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "train-images-idx2"));
}

/* Heads tell how much to read: files, and streams of gzip, that go on for ever cost no memory. */
static void heads_come_first(void **state) {
  (void)state;
  struct rusage before, after;
  char path[600], *zeros = calloc(1, 1 << 20);
  uint8_t file[44 + 4 * 100];
  lcl_splits s;
  getrusage(RUSAGE_SELF, &before);
  write_images("train-images-idx3-ubyte", 60, false);
  snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", dir);
  assert_int_equal(truncate(path, (off_t)20 << 30), 0);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "but more than 360 bytes follow"));
  unlink(path);
  write_images("train-images-idx3-ubyte.gz", 60, true);
  strcat(path, ".gz");
  gzFile gz = gzopen(path, "ab1");
  for (int i = 0; i < 200; i++) assert_int_equal(gzwrite(gz, zeros, 1 << 20), 1 << 20);
  gzclose(gz);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "but more than 360 bytes follow"));
  unlink(path);
  for (int i = 0; i < 3; i++) {
    char name[32];
    snprintf(name, sizeof name, "bird/%d.wav", i);
    size_t n = make_wav(file, 100, 200, 5);
    for (int k = 0; k < 4; k++) file[4 + k] = (uint8_t)((n - 8) >> (8 * k));
    temp_write(dir, name, file, n);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(truncate(path, (off_t)3 << 30), 0);
  }
  expect_parts(NULL, 1, 1, 1);
  getrusage(RUSAGE_SELF, &after);
  assert_true(after.ru_maxrss - before.ru_maxrss < 16 << 10); /* KiB */
  free(zeros);
}

/* validation_random=false takes the last examples also of arrays. */
static void last_examples_are_split(void **state) {
  (void)state;
  float x[40];
  char path[600];
  lcl_splits s;
  for (int i = 0; i < 40; i++) x[i] = (float)(i / 2);
  snprintf(path, sizeof path, "%s/train_features.npy", dir);
  assert_int_equal(lcl__npy_write(path, LCL_NPY_F32, 2, (int64_t[]) { 20, 2 }, x), LCL_OK);
  for (int last = 0; last < 2; last++) {
    bool in_order = true;
    const lcl_data_desc d = { .path = dir, .valid = 5, .split_last = last };
    assert_int_equal(lcl_data_open(&d, &s), LCL_OK);
    for (int64_t i = 0; i < 5; i++) {
      float row[2];
      assert_int_equal(lcl_dataset_example(s.valid, i, row), LCL_OK);
      in_order &= row[0] == (float)(15 + i);
    }
    assert_true(in_order == last);
    lcl_splits_close(&s);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(nothing_there),
    TEST(numbers_are_finite),
    TEST(heads_come_first),
    TEST(last_examples_are_split),
  };
  return cmocka_run_group_tests_name("readers", tests, NULL, NULL);
}
