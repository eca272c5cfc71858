/* Readers of data files, on good files made here and on every way to damage them. */
#include <math.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/npy.h"
#include "data/data_internal.h"
#include "data/image.h"
#include "data/tempdir.h"
#include "test.h"

static char dir[256];

static int make_dir(void **state) {
  (void)state;
  temp_make(dir);
  return 0;
}

static int remove_dir(void **state) {
  (void)state;
  temp_remove(dir);
  return 0;
}

static void put32(uint8_t *p, uint32_t v) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* An IDX file of n images 2x3 (byte k of image i: 10 i + k) under name, gzipped or not. */
static void write_images(const char *name, int n, bool gz) {
  uint8_t file[16 + 6 * 64] = { 0, 0, 8, 3 };
  put32(file + 4, (uint32_t)n);
  put32(file + 8, 2);
  put32(file + 12, 3);
  for (int i = 0; i < n; i++)
    for (int k = 0; k < 6; k++) file[16 + 6 * i + k] = (uint8_t)(10 * i + k);
  char path[600];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  if (!gz) {
    temp_write(dir, name, file, 16 + 6 * (size_t)n);
    return;
  }
  gzFile f = gzopen(path, "wb");
  assert_int_equal(gzwrite(f, file, (unsigned)(16 + 6 * n)), 16 + 6 * n);
  gzclose(f);
}

static void write_labels(const char *name, int n) {
  uint8_t file[8 + 64] = { 0, 0, 8, 1 };
  put32(file + 4, (uint32_t)n);
  for (int i = 0; i < n; i++) file[8 + i] = (uint8_t)(i % 4);
  temp_write(dir, name, file, 8 + (size_t)n);
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

/* CIFAR-10's five training files: the first of n records, the others of more. */
static void write_batches(const uint8_t *records, size_t n, size_t more) {
  char name[32];
  for (int i = 1; i <= 5; i++) {
    snprintf(name, sizeof name, "data_batch_%d.bin", i);
    temp_write(dir, name, records, (i == 1 ? n : more) * 3073);
  }
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

/* A 16-bit WAV file with two channels, n frames; left is +v, right is 0. */
static size_t make_wav(uint8_t *p, int n, int rate, int16_t v) {
  const uint8_t head[] = { 'R', 'I', 'F', 'F', 0,  0, 0,   0,   'W', 'A', 'V', 'E', 'f', 'm', 't',
                           ' ', 16,  0,   0,   0,  1, 0,   2,   0,   0,   0,   0,   0,   0,   0,
                           0,   0,   4,   0,   16, 0, 'd', 'a', 't', 'a', 0,   0,   0,   0 };
  memcpy(p, head, sizeof head);
  for (int i = 0; i < 4; i++) {
    p[24 + i] = (uint8_t)(rate >> (8 * i));
    p[40 + i] = (uint8_t)((4 * n) >> (8 * i));
  }
  for (int i = 0; i < n; i++) {
    p[44 + 4 * i] = (uint8_t)v;
    p[45 + 4 * i] = (uint8_t)((uint16_t)v >> 8);
    p[46 + 4 * i] = p[47 + 4 * i] = 0;
  }
  return 44 + 4 * (size_t)n;
}

static void sound_folder(void **state) {
  (void)state;
  uint8_t file[44 + 4 * 400];
  char name[64];
  for (int c = 0; c < 2; c++) {
    for (int i = 0; i < 5; i++) {
      size_t n = make_wav(file, 300, 200, (int16_t)(1000 * (c * 5 + i + 1)));
      snprintf(name, sizeof name, "bird%d/%d.wav", c, i);
      temp_write(dir, name, file, n);
    }
  }
  lcl_splits s;
  lcl_data_desc desc = { .path = dir };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_string_equal(s.format, "sound");
  assert_int_equal(s.train->width,
                   100); /* 500 ms of 200 samples a second, hop 10: 21 segments a recording */
  assert_int_equal(s.train->count, 2 * 3 * 21);
  assert_int_equal(s.valid->count, 2 * 1 * 21);
  assert_int_equal(s.test->count, 2 * 1 * 21);
  assert_string_equal(s.train->class_names[1], "bird1");
  float x[100];
  bool used[11] = { false };
  for (int64_t i = 0; i < s.train->count; i++) { /* no recording is in two parts, labels fit */
    lcl_dataset_example(s.train, i, x);
    int which = (int)lrintf((2 * x[0] - 1) * 2 * 32768 / 1000);
    assert_int_equal((which - 1) / 5, s.train->labels[i]);
    used[which] = true;
  }
  for (int64_t i = 0; i < s.test->count; i++) {
    lcl_dataset_example(s.test, i, x);
    assert_false(used[lrintf((2 * x[0] - 1) * 2 * 32768 / 1000)]);
  }
  lcl_splits_close(&s);
  temp_write(dir, "bird1/9.wav", file, make_wav(file, 300, 100, 5));
  assert_int_equal(lcl_data_open(&desc, &s), LCL_ERR_FORMAT); /* another rate */
}

static void wav_damage(void **state) {
  (void)state;
  uint8_t file[44 + 40];
  lcl_wav wav;
  size_t n = make_wav(file, 10, 8000, 100);
  for (size_t cut = 0; cut < n; cut++) {
    assert_int_not_equal(lcl__wav_parse(file, cut, &wav), LCL_OK);
    assert_null(wav.samples);
  }
  file[34] = 12; /* bits */
  assert_int_equal(lcl__wav_parse(file, n, &wav), LCL_ERR_UNSUPPORTED);
  file[34] = 16;
  file[32] = 8; /* 16 bits of 32 */
  assert_int_equal(lcl__wav_parse(file, n, &wav), LCL_ERR_UNSUPPORTED);
  file[32] = 4;
  file[40] = 20; /* half of the samples */
  assert_int_equal(lcl__wav_parse(file, n, &wav), LCL_ERR_FORMAT);
  memcpy(file + 44 + 20, "data\14\0\0", 8);
  assert_int_equal(lcl__wav_parse(file, n, &wav), LCL_ERR_UNSUPPORTED);
  memcpy(file + 44 + 20, "LIST", 4);
  assert_int_equal(lcl__wav_parse(file, n, &wav), LCL_OK);
  assert_int_equal(wav.n, 5);
  lcl__free(wav.samples);
}

/* A square image of one colour as PNG. */
static void write_png(const char *name, int width, int height, uint8_t r, uint8_t g, uint8_t b) {
  lcl_image im = { width, height, 3, malloc((size_t)(width * height * 3)) };
  for (int i = 0; i < width * height; i++) {
    im.data[3 * i] = r;
    im.data[3 * i + 1] = g;
    im.data[3 * i + 2] = b;
  }
  uint8_t *data;
  size_t n;
  assert_int_equal(lcl__png_encode(&im, &data, &n), LCL_OK);
  temp_write(dir, name, data, n);
  lcl__free(data);
  free(im.data);
}

static void image_folders(void **state) {
  (void)state;
  char name[64];
  for (int i = 0; i < 10; i++) {
    snprintf(name, sizeof name, "cat/%d.png", i);
    write_png(name, 40, 20, 200, 100, 50);
    snprintf(name, sizeof name, "dog/%d.png", i);
    write_png(name, 20, 60, 10, 20, 30);
  }
  lcl_splits s;
  lcl_data_desc desc = { .path = dir, .image_size = 16 };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_string_equal(s.format, "images");
  assert_int_equal(s.test->count, 4);
  assert_int_equal(s.train->count + s.valid->count, 16);
  assert_string_equal(s.train->class_names[1], "dog");
  assert_int_equal(s.train->channels, 3);
  assert_int_equal(s.train->height, 16);
  for (int64_t i = 0; i < s.train->count; i++) {
    const uint8_t *p = s.train->pixels + s.train->offset[i];
    assert_int_equal(p[0], s.train->labels[i] ? 10 : 200);
    assert_int_equal(p[2 * 256 + 255], s.train->labels[i] ? 30 : 50);
  }
  lcl_splits_close(&s);
  desc.grey = true;
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_int_equal(s.train->channels, 1);
  lcl_splits_close(&s);
  temp_write(dir, "dog/bad.png", "\x89PNG\r\n\x1a\nxxxx", 12);
  assert_int_equal(lcl_data_open(&desc, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "bad.png"));
}

static void image_names_and_parts(void **state) {
  (void)state;
  char name[64];
  for (int i = 0; i < 6; i++) {
    snprintf(name, sizeof name, "train/cat.%d.png", i);
    write_png(name, 8, 8, 1, 1, 1);
    snprintf(name, sizeof name, "train/dog.%d.png", i);
    write_png(name, 8, 8, 2, 2, 2);
  }
  write_png("test/1.png", 8, 8, 3, 3, 3); /* no class in the name: not used */
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .image_size = 8, .valid = 4 }, &s),
                   LCL_OK);
  assert_int_equal(s.train->classes, 2);
  assert_int_equal(s.train->count + s.valid->count + s.test->count, 12);
  assert_int_equal(s.valid->count, 4);
  lcl_splits_close(&s);
}

static void classes_have_the_same_number_in_every_part(void **state) {
  (void)state;
  char name[64];
  static const char *const file[] = { "train/cat", "train/dog", "train/eel", "val/eel",
                                      "test/ape",  "test/cat",  "test/eel" };
  for (size_t k = 0; k < sizeof file / sizeof *file; k++)
    for (int i = 0; i < (k < 3 ? 4 : 10); i++) {
      snprintf(name, sizeof name, "%s/%d.png", file[k], i);
      write_png(name, 8, 8, 1, 1, 1);
    }
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .image_size = 8 }, &s), LCL_OK);
  assert_int_equal(s.train->count, 12);
  assert_int_equal(s.valid->count, 10); /* val is the validation part */
  const lcl_dataset *part[3] = { s.train, s.valid, s.test };
  static const int expected[3][4] = { { 4, 4, 4, 0 }, { 0, 0, 10, 0 }, { 10, 0, 10, 10 } };
  static const char *const names[4] = { "cat", "dog", "eel", "ape" };
  for (int p = 0; p < 3; p++) {
    int count[4] = { 0 };
    assert_int_equal(part[p]->classes, 4);
    for (int64_t i = 0; i < part[p]->count; i++) count[part[p]->labels[i]]++;
    for (int c = 0; c < 4; c++) {
      assert_int_equal(count[c], expected[p][c]);
      assert_string_equal(part[p]->class_names[c], names[c]);
    }
  }
  lcl_splits_close(&s);
  write_png("valid/cat/1.png", 8, 8, 1, 1, 1);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .image_size = 8 }, &s),
                   LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "holds val and valid"));
}

/* Also where the test part is split from train. */
static void classes_of_a_validation_part_alone(void **state) {
  (void)state;
  char name[64];
  static const char *const file[] = { "train/cat", "train/dog", "train/eel", "val/cat", "val/eel" };
  for (size_t k = 0; k < sizeof file / sizeof *file; k++)
    for (int i = 0; i < 10; i++) {
      snprintf(name, sizeof name, "%s/%d.png", file[k], i);
      write_png(name, 8, 8, 1, 1, 1);
    }
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .image_size = 8 }, &s), LCL_OK);
  int count[3] = { 0 };
  assert_int_equal(s.valid->classes, 3);
  for (int64_t i = 0; i < s.valid->count; i++) count[s.valid->labels[i]]++;
  assert_int_equal(count[0], 10);
  assert_int_equal(count[1], 0);
  assert_int_equal(count[2], 10);
  assert_int_equal(s.test->count + s.train->count, 30);
  lcl_splits_close(&s);
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
  labels[3] = -2;
  assert_int_equal(lcl__npy_write(path, LCL_NPY_I64, 1, dims, labels), LCL_OK);
  assert_int_equal(lcl_data_open(&desc, &s), LCL_ERR_FORMAT);
  dims[0] = 19;
  assert_int_equal(lcl__npy_write(path, LCL_NPY_I64, 1, dims, labels), LCL_OK);
  assert_int_equal(lcl_data_open(&desc, &s), LCL_ERR_SHAPE);
}

static void collect(lcl_log_level level, const char *text, void *user) {
  (void)level;
  snprintf(user, 1000, "%s", text);
}

/* Opens dir and wants this warning (NULL: none), and parts of these sizes. */
static void expect_parts(const char *warning, int64_t train, int64_t valid, int64_t test) {
  char got[1000] = "", want[1000] = "";
  lcl_splits s;
  lcl_log_set(collect, got);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .image_size = 8 }, &s), LCL_OK);
  lcl_log_set(NULL, NULL);
  if (warning) snprintf(want, sizeof want, "%s: not used: %s", dir, warning);
  assert_string_equal(got, want);
  assert_int_equal(s.train->count, train);
  assert_int_equal(s.valid->count, valid);
  assert_int_equal(s.test ? s.test->count : 0, test);
  lcl_splits_close(&s);
}

static void expect_no_training(const char *word) {
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), word));
  assert_non_null(strstr(lcl_error_message(), "but no training part"));
}

static void expect_refused(const char *words) {
  lcl_splits s;
  assert_int_not_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_OK);
  assert_non_null(strstr(lcl_error_message(), words));
}

static const char *path_of(const char *name) {
  static char path[600];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return path;
}

static void remove_file(const char *name) {
  assert_int_equal(unlink(path_of(name)), 0);
}

static void make_fifo(const char *name) {
  assert_int_equal(mkfifo(path_of(name), 0600), 0);
}

static void write_npy(const char *name, int64_t n, const void *labels) {
  char path[600];
  const float zeros[64] = { 0, 1 };
  snprintf(path, sizeof path, "%s/%s.npy", dir, name);
  if (labels)
    assert_int_equal(lcl__npy_write(path, LCL_NPY_U8, 1, &n, labels), LCL_OK);
  else
    assert_int_equal(lcl__npy_write(path, LCL_NPY_F32, 2, (int64_t[]) { n, 2 }, zeros), LCL_OK);
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
  remove_file("batches.meta.txt");
  remove_file("data_batch_3.bin");
  expect_refused("holds data_batch_1.bin but not data_batch_3.bin");
  make_fifo("data_batch_3.bin");
  expect_refused("data_batch_3.bin: it is not a regular file");
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

static void image_layouts(void **state) {
  (void)state;
  char name[64];
  for (int i = 0; i < 10; i++) {
    snprintf(name, sizeof name, "val/cat/%d.png", i);
    write_png(name, 8, 8, 1, 1, 1);
  }
  expect_no_training("val/cat/0.png");
  for (int i = 0; i < 10; i++) {
    snprintf(name, sizeof name, "train/cat/%d.png", i);
    write_png(name, 8, 8, 1, 1, 1);
  }
  expect_parts(NULL, 8, 10, 2);
  write_png("cat.1.png", 8, 8, 1, 1, 1);
  write_png("train/dog.1.png", 8, 8, 1, 1, 1);
  temp_write(dir, "train/cat/a.gif", "x", 1);
  temp_write(dir, "train/cat/deep/a.png", "x", 1);
  write_png("evaluate/cat/1.png", 8, 8, 1, 1, 1);
  expect_parts("cat.1.png, evaluate/, train/dog.1.png, train/cat/a.gif, train/cat/deep/", 8, 10, 2);
}

/* Folders of parts are found in any case; they are no classes. */
static void images_without_classes(void **state) {
  (void)state;
  char name[64];
  for (int i = 0; i < 10; i++) {
    snprintf(name, sizeof name, "Train/%d.png", i);
    write_png(name, 8, 8, 1, 1, 1);
    snprintf(name, sizeof name, "TEST/%d.png", i);
    write_png(name, 8, 8, 1, 1, 1);
  }
  expect_refused("TEST/0.png holds images that have no class");
  for (int i = 0; i < 10; i++) {
    snprintf(name, sizeof name, "Train/cat/%d.png", i);
    write_png(name, 8, 8, 1, 1, 1);
    snprintf(name, sizeof name, "TEST/cat/%d.png", i);
    write_png(name, 8, 8, 1, 1, 1);
  }
  expect_parts("TEST/0.png, TEST/1.png, TEST/2.png, TEST/3.png, TEST/4.png and 15 more", 8, 2, 10);
  assert_int_equal(symlink("nowhere", path_of("Train/cat/a.png")), 0);
  expect_refused("cannot open");
}

static void sound_layouts(void **state) {
  (void)state;
  uint8_t file[44 + 4 * 120];
  char name[64];
  lcl_splits s;
  for (int i = 0; i < 5; i++) {
    snprintf(name, sizeof name, "bird/%d.wav", i);
    temp_write(dir, name, file, make_wav(file, 100, 200, 5));
  }
  temp_write(dir, "bird/5.mp3", "x", 1);
  temp_write(dir, "a.wav", file, make_wav(file, 100, 200, 5));
  expect_parts("a.wav, bird/5.mp3", 3, 1, 1);
  static const char *const part[] = { "train/a.wav", "test/bird/a.wav" };
  for (int i = 0; i < 2; i++) {
    char path[300];
    temp_write(dir, part[i], file, make_wav(file, 100, 200, 5));
    assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
    assert_non_null(strstr(lcl_error_message(), "is no class"));
    snprintf(path, sizeof path, "%s/%s", dir, i ? "test" : "train");
    temp_remove(path);
  }
}

/* Recordings that are too short for a segment are counted. */
static void short_recordings(void **state) {
  (void)state;
  uint8_t file[44 + 4 * 120];
  char name[64], got[1000] = "";
  lcl_splits s;
  for (int i = 0; i < 6; i++) {
    snprintf(name, sizeof name, "bird/%d.wav", i);
    temp_write(dir, name, file, make_wav(file, i ? 100 : 99, 200, 5));
  }
  lcl_log_set(collect, got);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_OK);
  lcl_log_set(NULL, NULL);
  lcl_splits_close(&s);
  assert_non_null(
      strstr(got, "not used: 1 of 6 recordings, which are shorter than a segment of 100"));
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
}

/* Samples of every width, channels averaged, behind a chunk of odd length. */
static void wav_widths(void **state) {
  (void)state;
  static const struct {
    uint8_t code, channels, bits, samples[8], bytes;
    float want[2];
  } cases[] = {
    { 1, 1, 8, { 0, 192 }, 2, { -1, 0.5f } },
    { 1, 1, 16, { 0, 0x80, 0, 0x40 }, 4, { -1, 0.5f } },
    { 1, 1, 24, { 0, 0, 0x80, 0, 0, 0x40 }, 6, { -1, 0.5f } },
    { 1, 1, 32, { 0, 0, 0, 0x80, 0, 0, 0, 0x40 }, 8, { -1, 0.5f } },
    { 3, 1, 32, { 0, 0, 0x80, 0xBF, 0, 0, 0, 0x3F }, 8, { -1, 0.5f } },
    { 1, 2, 16, { 0, 0x80, 0, 0x40, 0, 0x40, 0, 0x40 }, 8, { -0.25f, 0.5f } },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    uint8_t file[64] = "RIFF\0\0\0\0WAVEodd \3\0\0\0abc\0fmt \20";
    uint8_t *format = file + 12 + 12 + 8, *data = format + 16;
    lcl_wav wav;
    format[0] = cases[i].code;
    format[2] = cases[i].channels;
    format[4] = 100;
    format[14] = cases[i].bits;
    memcpy(data, "data", 4);
    format[12] = (uint8_t)(cases[i].channels * cases[i].bits / 8);
    data[4] = cases[i].bytes;
    memcpy(data + 8, cases[i].samples, cases[i].bytes);
    assert_int_equal(lcl__wav_parse(file, (size_t)(data - file) + 8 + cases[i].bytes, &wav),
                     LCL_OK);
    assert_int_equal(wav.n, 2);
    for (int k = 0; k < 2; k++) assert_float_equal(wav.samples[k], cases[i].want[k], 1e-7);
    lcl__free(wav.samples);
  }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(idx_folder),
    TEST(idx_own_validation_and_no_labels),
    TEST(idx_shorts_are_stretched),
    TEST(idx_damage),
    TEST(gzip_damage),
    TEST(cifar_folder),
    TEST(sound_folder),
    TEST(wav_damage),
    TEST(idx_types),
    TEST(cifar_fine_labels),
    TEST(idx_choice_of_files),
    TEST(wav_widths),
    TEST(image_folders),
    TEST(image_names_and_parts),
    TEST(classes_have_the_same_number_in_every_part),
    TEST(classes_of_a_validation_part_alone),
    TEST(npy_folder),
    TEST(nothing_there),
    TEST(idx_layouts),
    TEST(cifar_layouts),
    TEST(npy_layouts),
    TEST(image_layouts),
    TEST(sound_layouts),
    TEST(idx_labels),
    TEST(images_without_classes),
    TEST(short_recordings),
    TEST(arrays_that_are_not_what_they_seem),
    TEST(numbers_are_finite),
    TEST(heads_come_first),
    TEST(last_examples_are_split),
  };
  return cmocka_run_group_tests_name("readers", tests, NULL, NULL);
}
