/* What the tests of readers share: a folder of files made here, and what opening it says. */
#ifndef TEST_READERS_H
#define TEST_READERS_H

#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/npy.h"
#include "data/data_internal.h"
#include "data/tempdir.h"
#include "test.h"

static char dir[256];

static inline int make_dir(void **state) {
  (void)state;
  temp_make(dir);
  return 0;
}

static inline int remove_dir(void **state) {
  (void)state;
  temp_remove(dir);
  return 0;
}

static inline void put32(uint8_t *p, uint32_t v) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* An IDX file of n images 2x3 (byte k of image i: 10 i + k) under name, gzipped or not. */
static inline void write_images(const char *name, int n, bool gz) {
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

static inline void write_labels(const char *name, int n) {
  uint8_t file[8 + 64] = { 0, 0, 8, 1 };
  put32(file + 4, (uint32_t)n);
  for (int i = 0; i < n; i++) file[8 + i] = (uint8_t)(i % 4);
  temp_write(dir, name, file, 8 + (size_t)n);
}

/* A 16-bit WAV file with two channels, n frames; left is +v, right is 0. */
static inline size_t make_wav(uint8_t *p, int n, int rate, int16_t v) {
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

static inline void collect(lcl_log_level level, const char *text, void *user) {
  (void)level;
  snprintf(user, 1000, "%s", text);
}

/* Opens dir and wants this warning (NULL: none), and parts of these sizes. */
static inline void expect_parts(const char *warning, int64_t train, int64_t valid, int64_t test) {
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

static inline void expect_no_training(const char *word) {
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), word));
  assert_non_null(strstr(lcl_error_message(), "but no training part"));
}

static inline void expect_refused(const char *words) {
  lcl_splits s;
  assert_int_not_equal(lcl_data_open(&(lcl_data_desc) { .path = dir }, &s), LCL_OK);
  assert_non_null(strstr(lcl_error_message(), words));
}

static inline const char *path_of(const char *name) {
  static char path[600];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  return path;
}

static inline void remove_file(const char *name) {
  assert_int_equal(unlink(path_of(name)), 0);
}

static inline void make_fifo(const char *name) {
  assert_int_equal(mkfifo(path_of(name), 0600), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

#endif
