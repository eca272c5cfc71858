/* Readers of WAV files. */
#include <math.h>

#include "data/readers.h"

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
  temp_write(dir, "0 notes/cover.txt", "x", 1); /* no class: no label is left out for it */
  lcl_splits s;
  lcl_data_desc desc = { .path = dir };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_string_equal(s.format, "sound");
  assert_int_equal(s.train->classes, 2);
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
  desc.test_share = -1;
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_int_equal(s.train->count, 2 * 4 * 21);
  assert_int_equal(s.valid->count, 2 * 1 * 21);
  assert_null(s.test);
  lcl_splits_close(&s);
  desc.test_share = 0;
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
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

/* A header that counts half of the samples, as that of a recording which was not finished. */
static void unfinished_recordings(void **state) {
  (void)state;
  uint8_t file[44 + 4 * 240];
  char name[64];
  const size_t half = 44 + 4 * 120, all = make_wav(file, 240, 200, 5);
  for (int k = 0; k < 2; k++) {
    file[4 + k] = (uint8_t)((half - 8) >> (8 * k));
    file[40 + k] = (uint8_t)((half - 44) >> (8 * k));
  }
  for (int i = 0; i < 3; i++) {
    snprintf(name, sizeof name, "bird/%d.wav", i);
    temp_write(dir, name, file, half);
  }
  expect_parts(NULL, 3, 3, 3);
  temp_write(dir, "bird/2.wav", file, all);
  expect_refused("bird/2.wav: WAV file: 524 bytes announced, but more follow that are no chunk");
  memcpy(file + half, "TAG\1", 4);
  temp_write(dir, "bird/2.wav", file, all);
  expect_parts(NULL, 3, 3, 3);
}

/* Without a recording of its own, validation would take the last class of the training part. */
static void few_recordings(void **state) {
  (void)state;
  uint8_t file[44 + 4 * 120];
  char name[64];
  lcl_splits s;
  for (int i = 0; i < 4; i++) {
    snprintf(name, sizeof name, "bird%d/%d.wav", i / 2, i);
    temp_write(dir, name, file, make_wav(file, 120, 200, 5));
  }
  expect_refused("no recording is left for validation: three of a class");
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = dir, .valid = -1 }, &s), LCL_OK);
  assert_null(s.valid);
  assert_int_equal(s.train->count, s.test->count);
  lcl_splits_close(&s);
  temp_write(dir, "bird1/5.wav", file, make_wav(file, 120, 200, 5));
  expect_parts(NULL, 6, 3, 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(sound_folder),          TEST(wav_damage),       TEST(wav_widths),
    TEST(sound_layouts),         TEST(short_recordings), TEST(few_recordings),
    TEST(unfinished_recordings),
  };
  return cmocka_run_group_tests_name("readers_sound", tests, NULL, NULL);
}
