/* Readers of IDX and CIFAR, on good files made here and on every way to damage them. */
#include "data/readers.h"

/* CIFAR-10's five training files: the first of n records, the others of more. */
static void write_batches(const uint8_t *records, size_t n, size_t more) {
  char name[32];
  for (int i = 1; i <= 5; i++) {
    snprintf(name, sizeof name, "data_batch_%d.bin", i);
    temp_write(dir, name, records, (i == 1 ? n : more) * 3073);
  }
}

static void idx_folder(void **state) {
  (void)state;
  lcl_splits s;
  write_images("train-images-idx3-ubyte.gz", 12, true);
  write_labels("train-labels-idx1-ubyte", 12);
  write_images("t10k-images-idx3-ubyte", 5, false);
  write_labels("t10k-labels-idx1-ubyte", 5);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .valid = 3 }, &s), LCL_OK);
  assert_string_equal(s.format, "idx");
  assert_int_equal(s.train->count, 9);
  assert_int_equal(s.valid->count, 3);
  assert_int_equal(s.test->count, 5);
  assert_int_equal(s.train->classes, 4);
  float x[6];
  assert_int_equal(lcl_dataset_example(s.valid, 2, x), LCL_OK);
  assert_float_equal(x[5], 115 / 255.0f, 1e-7f);
  assert_int_equal(s.valid->labels[2], 3);
  lcl_splits_close(&s);
  /* Labels that are one too few. */
  write_labels("t10k-labels-idx1-ubyte", 4);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_SHAPE);
}

static void idx_own_validation_and_no_labels(void **state) {
  (void)state;
  lcl_splits s;
  write_images("train-images-idx3-ubyte", 12, false);
  write_images("valid-images-idx3-ubyte", 4, false);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_OK);
  assert_int_equal(s.train->count, 12);
  assert_int_equal(s.valid->count, 4);
  assert_null(s.test);
  assert_null(s.train->labels);
  assert_int_equal(s.train->classes, 0);
  lcl_splits_close(&s);
}

static void idx_shorts_are_stretched(void **state) {
  (void)state;
  uint8_t file[16 + 4] = {
    0, 0, 0x0B, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0xFC, 0x18, 0x03, 0xE8
  };
  temp_write(dir, "train-images-idx3-short", file, sizeof file);
  lcl_splits s;
  float x;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .valid = -1 }, &s), LCL_OK);
  assert_float_equal(s.train->raw_min, -1000, 0);
  assert_float_equal(s.train->raw_max, 1000, 0);
  assert_int_equal(lcl_dataset_example(s.train, 0, &x), LCL_OK);
  assert_float_equal(x, 0, 1e-6f);
  assert_int_equal(lcl_dataset_example(s.train, 1, &x), LCL_OK);
  assert_float_equal(x, 1, 1e-6f);
  lcl_splits_close(&s);
}

static void idx_damage(void **state) {
  (void)state;
  static const struct {
    uint8_t bytes[20];
    size_t n;
  } bad
      [] = {
        { { 0 }, 0 },
        { { 0, 0, 8 }, 3 },
        { { 1, 0, 8, 1, 0, 0, 0, 1, 5 }, 9 },     /* magic */
        { { 0, 0, 7, 1, 0, 0, 0, 1, 5 }, 9 },     /* type */
        { { 0, 0, 8, 0 }, 4 },                    /* rank 0 */
        { { 0, 0, 8, 5, 0, 0, 0, 1 }, 8 },        /* rank 5 */
        { { 0, 0, 8, 1, 0, 0, 0 }, 7 },           /* header cut */
        { { 0, 0, 8, 1, 0, 0, 0, 0 }, 8 },        /* empty */
        { { 0, 0, 8, 1, 0, 0, 0, 2, 5 }, 9 },     /* data cut */
        { { 0, 0, 8, 1, 0, 0, 0, 1, 5, 6 }, 10 }, /* data too long */
        { { 0,   0,   8,   4,   255, 255, 255, 255, 255, 255,
            255, 255, 255, 255, 255, 255, 255, 255, 255, 255 },
          20 },
      };
  for (size_t i = 0; i < LCL_COUNT(bad); i++) {
    lcl_idx idx;
    assert_int_equal(lcl__idx_parse(bad[i].bytes, bad[i].n, &idx), LCL_ERR_FORMAT);
    assert_null(idx.bytes);
    assert_null(idx.values);
  }
}

/* Numbers of every element type, big-endian. */
static void idx_types(void **state) {
  (void)state;
  static const struct {
    uint8_t bytes[8 + 16];
    size_t n;
    float want[2];
  } cases[] = {
    { { 0, 0, 0x09, 1, 0, 0, 0, 2, 0xFF, 0x7F }, 10, { -1, 127 } },
    { { 0, 0, 0x0B, 1, 0, 0, 0, 2, 0xFF, 0xFE, 1, 2 }, 12, { -2, 258 } },
    { { 0, 0, 0x0C, 1, 0, 0, 0, 2, 0xFF, 0xFF, 0xFF, 0xFD, 0, 1, 0, 0 }, 16, { -3, 65536 } },
    { { 0, 0, 0x0D, 1, 0, 0, 0, 2, 0x3F, 0xC0, 0, 0, 0xC0, 0, 0, 0 }, 16, { 1.5f, -2 } },
    { { 0, 0, 0x0E, 1, 0, 0, 0, 2, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0, 0xC0 }, 24, { 1.5f, -2 } },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    lcl_idx idx;
    assert_int_equal(lcl__idx_parse(cases[i].bytes, cases[i].n, &idx), LCL_OK);
    assert_int_equal(idx.count, 2);
    for (int k = 0; k < 2; k++) assert_float_equal(idx.values[k], cases[i].want[k], 0);
    lcl__idx_free(&idx);
  }
  /* 2^24 + 1 is no float. */
  static const uint8_t large[] = { 0, 0, 0x0C, 1, 0, 0, 0, 1, 1, 0, 0, 1 };
  lcl_idx idx;
  assert_int_equal(lcl__idx_parse(large, sizeof large, &idx), LCL_ERR_TYPE);
  assert_null(idx.values);
}

/* Vectors of floating-point numbers are features: no range is asked of them, and none is made. */
static void idx_features(void **state) {
  (void)state;
  /* 2x2 numbers: 0, 3, -1, 0.5 */
  uint8_t file[12 + 16] = { 0, 0, 0x0D, 2,    0,    0, 0, 2,    0,    0, 0, 2,   0,
                            0, 0, 0,    0x40, 0x40, 0, 0, 0xBF, 0x80, 0, 0, 0x3F };
  static const float want[] = { 0, 3, -1, 0.5f };
  float x[2];
  lcl_splits s;
  temp_write(dir, "train-images-idx2-float", file, sizeof file);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .valid = -1 }, &s), LCL_OK);
  assert_true(s.train->any_range);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(lcl_dataset_example(s.train, i, x), LCL_OK);
    assert_true(x[0] == want[2 * i] && x[1] == want[2 * i + 1]);
  }
  lcl_splits_close(&s);
  memset(file + 12, 0, 16); /* whole numbers are intensities */
  file[2] = 0x0C;
  file[15] = 7;
  temp_write(dir, "train-images-idx2-float", file, sizeof file);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .valid = -1 }, &s), LCL_OK);
  assert_false(s.train->any_range);
  lcl_splits_close(&s);
}

static void expect_labels(const lcl_dataset *ds, int classes, const char *labels) {
  assert_int_equal(ds->count, strlen(labels));
  assert_int_equal(ds->classes, classes);
  for (int64_t i = 0; i < ds->count; i++) assert_int_equal(ds->labels[i], labels[i] - '0');
}

/* Omniglot: the halves have characters of their own, which both count from 0. */
static void idx_omniglot(void **state) {
  (void)state;
  lcl_splits s;
  lcl_data_desc d = { .path = dir, .valid = -1, .merge = true };
  write_images("background-images-idx3-ubyte", 4, false);
  write_labels("background-labels-idx1-ubyte", 4);
  write_images("evaluation-images-idx3-ubyte", 3, false);
  write_labels("evaluation-labels-idx1-ubyte", 3);
  assert_int_equal(lcl_data_open(&d, &s), LCL_OK);
  expect_labels(s.train, 7, "0123456");
  lcl_splits_close(&s);
  d.parts = "test";
  assert_int_equal(lcl_data_open(&d, &s), LCL_OK);
  expect_labels(s.train, 7, "456");
  assert_non_null(strstr(s.train->name, " test"));
  lcl_splits_close(&s);
  d.types = 6; /* more than either half has */
  d.parts = "all";
  assert_int_equal(lcl_data_open(&d, &s), LCL_OK);
  assert_int_equal(s.train->count, 6);
  assert_int_equal(s.train->classes, 6);
  assert_null(s.test);
  lcl_splits_close(&s);
  d.parts = NULL;
  assert_int_equal(lcl_data_open(&d, &s), LCL_ERR_ARGUMENT);
  d.types = 4;
  assert_int_equal(lcl_data_open(&d, &s), LCL_OK);
  assert_int_equal(s.train->count, 4);
  assert_non_null(strstr(s.train->name, " train"));
  lcl_splits_close(&s);
  d.parts = "both";
  assert_int_equal(lcl_data_open(&d, &s), LCL_ERR_ARGUMENT);
}

static void only_some_classes(void **state) {
  (void)state;
  lcl_splits s;
  lcl_data_desc d = { .path = dir, .valid = -1, .only = "3,1" };
  float x[6];
  write_images("train-images-idx3-ubyte", 8, false);
  write_labels("train-labels-idx1-ubyte", 8);
  write_images("t10k-images-idx3-ubyte", 3, false);
  write_labels("t10k-labels-idx1-ubyte", 3);
  assert_int_equal(lcl_data_open(&d, &s), LCL_OK);
  expect_labels(s.train, 2, "1010");
  expect_labels(s.test, 2, "1");
  assert_string_equal(s.train->class_names[0], "3");
  assert_int_equal(lcl_dataset_example(s.train, 2, x), LCL_OK); /* the file's sixth image */
  assert_float_equal(x[0], 50 / 255.0f, 1e-7f);
  lcl_splits_close(&s);
  static const char *const wrong[] = { "4", "1,1", "x", "" };
  for (size_t i = 0; i < LCL_COUNT(wrong); i++) {
    d.only = wrong[i];
    assert_int_equal(lcl_data_open(&d, &s), LCL_ERR_ARGUMENT);
  }
  d.only = "0,3"; /* the test part has no 3, but a 0 */
  assert_int_equal(lcl_data_open(&d, &s), LCL_OK);
  lcl_splits_close(&s);
  d.only = "3";
  assert_int_equal(lcl_data_open(&d, &s), LCL_ERR_ARGUMENT);
}

/* Of several files of images the smallest is taken, or the one that is preferred. */
static void idx_choice_of_files(void **state) {
  (void)state;
  write_images("train-a-images-idx3-ubyte", 9, false);
  write_images("train-b-images-idx3-ubyte", 5, false);
  write_images("train-c-images-idx3-ubyte", 7, false);
  static const char *const prefer[] = { NULL, "-c-" };
  static const int count[] = { 5, 7 };
  for (int i = 0; i < 2; i++) {
    lcl_splits s;
    assert_int_equal(
        lcl_data_open(&(lcl_data_desc) { .path = dir, .valid = -1, .prefer = prefer[i] }, &s),
        LCL_OK);
    assert_int_equal(s.train->count, count[i]);
    lcl_splits_close(&s);
  }
  char got[1000] = "";
  lcl_splits s;
  lcl_log_set(collect, got);
  assert_int_equal(
      lcl_data_open(&(lcl_data_desc) { .path = dir, .valid = -1, .prefer = "-d-" }, &s), LCL_OK);
  lcl_log_set(NULL, NULL);
  lcl_splits_close(&s);
  assert_non_null(strstr(got, "no image file has \"-d-\" in its name; train-b-images"));
}

/* Of two sets in one folder, the labels are those of the images. */
static void idx_labels_of_the_images(void **state) {
  (void)state;
  static const char *const name[] = { "train-a", "train-b" };
  static const char *const want[] = { "00000", "11111" };
  for (int i = 0; i < 2; i++) {
    char file[64];
    uint8_t labels[8 + 5] = { 0, 0, 8, 1, 0, 0, 0, 5, i, i, i, i, i };
    snprintf(file, sizeof file, "%s-images-idx3-ubyte", name[i]);
    write_images(file, 5, false);
    snprintf(file, sizeof file, "%s-labels-idx1-ubyte", name[i]);
    temp_write(dir, file, labels, sizeof labels);
  }
  for (int i = 0; i < 2; i++) {
    lcl_splits s;
    const lcl_data_desc desc = { .path = dir, .valid = -1, .prefer = name[i] };
    assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
    expect_labels(s.train, i + 1, want[i]);
    lcl_splits_close(&s);
  }
}

/* In every format: nothing that lies beside the data goes unnoticed, but for text about them; a
 * set without a training part is said to be that. */
static void idx_layouts(void **state) {
  (void)state;
  write_images("t10k-images-idx3-ubyte", 3, false);
  expect_no_training("t10k-images-idx3-ubyte");
  write_images("train-images-idx3-ubyte", 9, false);
  write_images("val-images-idx3-ubyte", 4, false);
  temp_write(dir, "README", "x", 1);
  temp_write(dir, "notes.txt", "x", 1);
  expect_parts(NULL, 9, 4, 3);
  write_labels("more-labels-idx1-ubyte", 9);
  write_images("train-images-idx3-ubyte.gz.old", 60, false);
  temp_write(dir, "extra/cat.1.png", "x", 1);
  expect_parts("more-labels-idx1-ubyte, train-images-idx3-ubyte.gz.old, extra/", 9, 4, 3);
  for (int i = 0; i < 9; i++) {
    char name[32];
    snprintf(name, sizeof name, "a%d", i);
    temp_write(dir, name, "x", 1);
  }
  expect_parts("a0, a1, a2, a3, a4 and 7 more", 9, 4, 3);
}

/* Labels that are missing, or that cannot be read, are not the same as none. */
static void idx_labels(void **state) {
  (void)state;
  const uint8_t half[] = { 0, 0, 0x0D, 1, 0, 0, 0, 1, 0x3F, 0, 0, 0 };
  write_images("train-images-idx3-ubyte", 9, false);
  write_labels("train-labels-idx1-ubyte", 9);
  write_labels("t10k-labels-idx1-ubyte", 3);
  expect_refused("holds t10k-labels-idx1-ubyte, but no images that go with them");
  write_images("t10k-images-idx3-ubyte", 3, false);
  remove_file("t10k-labels-idx1-ubyte");
  expect_refused("the training part has labels, the test part has none");
  make_fifo("t10k-labels-idx1-ubyte");
  expect_refused("t10k-labels-idx1-ubyte: it is not a regular file");
  remove_file("t10k-labels-idx1-ubyte");
  assert_int_equal(symlink("nowhere", path_of("t10k-labels-idx1-ubyte")), 0);
  expect_refused("cannot open");
  remove_file("t10k-labels-idx1-ubyte");
  write_images("t10k-images-idx3-ubyte", 1, false);
  temp_write(dir, "t10k-labels-idx1-ubyte", half, sizeof half);
  expect_refused("label 0 is 0.5; labels are whole numbers");
  write_labels("t10k-labels-idx1-ubyte", 1);
  remove_file("train-labels-idx1-ubyte");
  expect_refused("the training part has no labels, the test part has some");
}

static void gzip_damage(void **state) {
  (void)state;
  lcl_splits s;
  uint8_t *data;
  size_t n;
  char path[600];
  write_images("train-images-idx3-ubyte.gz", 60, true);
  snprintf(path, sizeof path, "%s/train-images-idx3-ubyte.gz", dir);
  void *whole;
  assert_int_equal(lcl__file_read(path, 1 << 20, &whole, &n), LCL_OK);
  temp_write(dir, "train-images-idx3-ubyte.gz", whole, n - 6); /* cut */
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "train-images-idx3-ubyte.gz"));
  ((uint8_t *)whole)[n / 2] ^= 0x55; /* a wrong byte */
  temp_write(dir, "train-images-idx3-ubyte.gz", whole, n);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  lcl__free(whole);
  assert_int_equal(lcl__gz_read("/nonexistent/file", 100, &data, &n), LCL_ERR_IO);
  write_images("big", 60, false);
  snprintf(path, sizeof path, "%s/big", dir);
  assert_int_equal(lcl__gz_read(path, 100, &data, &n), LCL_ERR_FORMAT);
}

static void cifar_folder(void **state) {
  (void)state;
  uint8_t *file = calloc(4, 3073);
  for (int i = 0; i < 4; i++) {
    file[i * 3073] = (uint8_t)(9 - i);
    for (int k = 0; k < 3072; k++) file[i * 3073 + 1 + k] = (uint8_t)(k / 1024 * 50 + i);
  }
  const char names[] = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n";
  lcl_splits s;
  write_batches(file, 4, 1);
  temp_write(dir, "test_batch.bin", file, 1 * 3073);
  temp_write(dir, "batches.meta.txt", names, sizeof names - 1);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .valid = 2 }, &s), LCL_OK);
  assert_string_equal(s.format, "cifar10");
  assert_int_equal(s.train->count, 6);
  assert_int_equal(s.valid->count, 2);
  assert_int_equal(s.test->count, 1);
  assert_int_equal(s.train->labels[3], 6);
  assert_int_equal(s.valid->labels[1], 9);
  assert_string_equal(s.train->class_names[9], "j");
  assert_int_equal(s.train->pixels[s.train->offset[2] + 2048], 102);
  lcl_splits_close(&s);
  file[0] = 10; /* no such class */
  temp_write(dir, "test_batch.bin", file, 3073);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  file[0] = 1;
  temp_write(dir, "test_batch.bin", file, 3072);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  free(file);
}

/* CIFAR-100's second label byte is the class. */
static void cifar_fine_labels(void **state) {
  (void)state;
  static uint8_t records[2 * 3074];
  lcl_raw raw = { 0 };
  for (int i = 0; i < 2; i++) {
    records[i * 3074] = 3;
    records[i * 3074 + 1] = (uint8_t)(40 + i);
    records[i * 3074 + 2] = (uint8_t)(90 + i);
  }
  assert_int_equal(lcl__cifar_parse(records, sizeof records, 2, 100, &raw), LCL_OK);
  assert_int_equal(raw.count, 2);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(raw.labels[i], 40 + i);
    assert_int_equal(raw.pixels[i * 3072], 90 + i);
  }
  lcl__raw_free(&raw);
}

static void cifar_layouts(void **state) {
  (void)state;
  static uint8_t records[10 * 3073];
  temp_write(dir, "test_batch.bin", records, 3 * 3073);
  expect_no_training("test_batch.bin");
  write_batches(records, 2, 2);
  temp_write(dir, "data_batch_7.bin", records, 3073);
  expect_parts("data_batch_7.bin", 8, 2, 3);
  temp_write(dir, "batches.meta.txt", "a\n", 2);
  expect_refused("batches.meta.txt holds 1 names; one for each of 10 classes was expected");
  temp_write(dir, "batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nb\ni\nj\n", 20);
  expect_refused("batches.meta.txt names two classes b");
  remove_file("batches.meta.txt");
  remove_file("data_batch_3.bin");
  expect_refused("holds data_batch_1.bin but not data_batch_3.bin");
  make_fifo("data_batch_3.bin");
  expect_refused("data_batch_3.bin: it is not a regular file");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(idx_folder),
    TEST(idx_own_validation_and_no_labels),
    TEST(idx_shorts_are_stretched),
    TEST(idx_damage),
    TEST(idx_types),
    TEST(idx_features),
    TEST(idx_omniglot),
    TEST(only_some_classes),
    TEST(idx_choice_of_files),
    TEST(idx_labels_of_the_images),
    TEST(idx_layouts),
    TEST(idx_labels),
    TEST(gzip_damage),
    TEST(cifar_folder),
    TEST(cifar_fine_labels),
    TEST(cifar_layouts),
  };
  return cmocka_run_group_tests_name("readers_idx", tests, NULL, NULL);
}
