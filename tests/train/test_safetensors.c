/* Tensor files: what is written is read back, and whatever is wrong with a file is refused with a
 * word about it. */
#include "test.h"

#include <sys/resource.h>
#include <unistd.h>

#include "latentcl/train.h"

static lcl_tensor_file *sample(void) {
  static const float w[6] = { 1, -2, 3, 0.5f, 1e-30f, 7 };
  static const int32_t i[2] = { -1, 2147483647 };
  static const uint8_t u[3] = { 0, 128, 255 };
  lcl_tensor_file *f;
  ASSERT_OK(lcl_tensor_file_create(&f));
  ASSERT_OK(lcl_tensor_file_add(
      f, &(lcl_tensor_entry) { "a.weight", LCL_F32, LCL_SHAPE(2, 3), w, sizeof w }));
  ASSERT_OK(
      lcl_tensor_file_add(f, &(lcl_tensor_entry) { "b", LCL_I32, LCL_SHAPE(2), i, sizeof i }));
  ASSERT_OK(lcl_tensor_file_add(
      f, &(lcl_tensor_entry) { "c \"quoted\"", LCL_U8, LCL_SHAPE(3), u, sizeof u }));
  ASSERT_OK(lcl_tensor_file_add(f, &(lcl_tensor_entry) { "scalar", LCL_F32, LCL_SCALAR, w, 4 }));
  ASSERT_OK(
      lcl_tensor_file_add(f, &(lcl_tensor_entry) { "empty", LCL_F32, LCL_SHAPE(0, 5), w, 0 }));
  ASSERT_OK(lcl_tensor_file_set_meta(f, "epoch", "3"));
  ASSERT_OK(lcl_tensor_file_set_meta(f, "epoch", "4"));
  return f;
}

static void path_of(char path[64]) {
  snprintf(path, 64, "/tmp/latentcl-tensors-%ld", (long)getpid());
}

static void round_trip(void **state) {
  (void)state;
  char path[64];
  path_of(path);
  lcl_tensor_file *f = sample(), *g;
  ASSERT_OK(lcl_tensor_file_write(f, path));
  ASSERT_OK(lcl_tensor_file_read(path, &g));
  assert_int_equal(lcl_tensor_file_count(g), lcl_tensor_file_count(f));
  for (size_t i = 0; i < lcl_tensor_file_count(f); i++) {
    const lcl_tensor_entry *a = lcl_tensor_file_at(f, i), *b = lcl_tensor_file_find(g, a->name);
    assert_non_null(b);
    assert_int_equal(a->dtype, b->dtype);
    assert_true(lcl_shape_equal(a->shape, b->shape));
    assert_int_equal(a->bytes, b->bytes);
    assert_memory_equal(a->data, b->data, a->bytes);
  }
  assert_string_equal(lcl_tensor_file_meta(g, "epoch"), "4");
  assert_null(lcl_tensor_file_meta(g, "other"));
  lcl_tensor_file_destroy(f);
  lcl_tensor_file_destroy(g);
  unlink(path);
}

/* The data begin at a multiple of 8 bytes, however long the header is. */
static void aligned(void **state) {
  (void)state;
  char path[64];
  path_of(path);
  for (int length = 1; length <= 16; length++) {
    lcl_tensor_file *f;
    unsigned char *bytes;
    const float x = 1.5f;
    char name[20];
    size_t n;
    snprintf(name, sizeof name, "%0*d", length, 0);
    ASSERT_OK(lcl_tensor_file_create(&f));
    ASSERT_OK(lcl_tensor_file_add(f, &(lcl_tensor_entry) { name, LCL_F32, LCL_SHAPE(1), &x, 4 }));
    ASSERT_OK(lcl_tensor_file_write(f, path));
    lcl_tensor_file_destroy(f);
    ASSERT_OK(lcl__file_read(path, 1 << 20, (void **)&bytes, &n));
    assert_int_equal((n - sizeof x) % 8, 0);
    assert_int_equal(bytes[0] + 256 * bytes[1] + 8, n - sizeof x);
    assert_memory_equal(bytes + n - sizeof x, &x, sizeof x);
    lcl__free(bytes);
  }
  unlink(path);
}

static void making(void **state) {
  (void)state;
  lcl_tensor_file *f = sample();
  float x[4] = { 0 };
  ASSERT_STATUS(
      lcl_tensor_file_add(f, &(lcl_tensor_entry) { "a.weight", LCL_F32, LCL_SHAPE(4), x, 16 }),
      LCL_ERR_FORMAT);
  ASSERT_STATUS(lcl_tensor_file_add(f, &(lcl_tensor_entry) { "d", LCL_F32, LCL_SHAPE(5), x, 16 }),
                LCL_ERR_SHAPE);
  lcl_tensor_file_destroy(f);
}

/* A file with this header and n data bytes. */
static lcl_status parse(const char *header, size_t n_data, lcl_tensor_file **out) {
  size_t n = strlen(header);
  unsigned char *bytes = calloc(1, 8 + n + n_data);
  for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)n >> (8 * i));
  memcpy(bytes + 8, header, n);
  lcl_status s = lcl_tensor_file_parse(bytes, 8 + n + n_data, "file", out);
  free(bytes);
  return s;
}

static void refused(void **state) {
  (void)state;
  static const struct {
    const char *header;
    size_t data;
    const char *word; /* the message must have it */
  } bad[] = {
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4, "truncated" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 12, "end" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "need 12" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "need 4" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "before" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,4]}}", 8, "lies" },
    { "{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "F64" },
    { "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "type" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
      "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
      "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "shape" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "offsets" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\","
      "\"shape\":[1]"
      ","
      "\"data_offsets\":[4,8]}}",
      8, "twice" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\","
      "\"shape\":[2]"
      ","
      "\"data_offsets\":[4,12]}}",
      12, "overlaps" },
    { "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\","
      "\"shape\":[1]"
      ","
      "\"data_offsets\":[8,12]}}",
      12, "no tensor" },
    { "{\"__metadata__\":{\"k\":1}}", 0, "text" },
    { "{\"__metadata__\":[]}", 0, "object" },
    { "{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice" },
    { "{\"__metadata__\":{\"k\":\"1\",\"j\":\"\",\"k\":\"2\"}}", 0,
      "metadata \"k\" appears twice" },
    { "[]", 0, "JSON" },
    { "{\"a\":3}", 0, "object" },
    { "{", 0, "JSON" },
    { "{} x", 0, "JSON" },
    { "", 0, "JSON" },
  };
  for (size_t i = 0; i < LCL_COUNT(bad); i++) {
    lcl_tensor_file *f;
    lcl_status s = parse(bad[i].header, bad[i].data, &f);
    if (s != LCL_ERR_FORMAT) fail_msg("accepted: %s", bad[i].header);
    assert_null(f);
    if (!strstr(lcl_error_message(), bad[i].word))
      fail_msg("\"%s\" lacks \"%s\"", lcl_error_message(), bad[i].word);
  }
  lcl_tensor_file *f;
  static const unsigned char huge[16] = { 0, 0, 0, 0, 0, 0, 0, 1 }, past[8] = { 200 };
  ASSERT_STATUS(lcl_tensor_file_parse(huge, sizeof huge, "file", &f), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "allowed"));
  ASSERT_STATUS(lcl_tensor_file_parse(past, sizeof past, "file", &f), LCL_ERR_FORMAT);
  ASSERT_STATUS(lcl_tensor_file_parse(past, 3, "file", &f), LCL_ERR_FORMAT);
  ASSERT_OK(parse("{}   ", 0, &f));
  lcl_tensor_file_destroy(f);
}

/* Names are not each held against all others: that would take minutes. */
static void many_names(void **state) {
  (void)state;
  enum { NAMES = 400000 };
  lcl_str header = { 0 };
  lcl_tensor_file *f;
  lcl__str_add(&header, "{\"__metadata__\":{");
  for (int i = 0; i < NAMES; i++)
    lcl__str_add(&header, "%s\"a name that is as long as any other, number %d\":\"\"", i ? "," : "",
                 i);
  lcl__str_add(&header, "}}");
  assert_true(lcl__str_ok(&header));
  ASSERT_OK(parse(header.data, 0, &f));
  assert_string_equal(lcl_tensor_file_meta(f, "a name that is as long as any other, number 399999"),
                      "");
  lcl_tensor_file_destroy(f);
  lcl__str_free(&header);
}

/* Every truncation is refused; flipped bytes are refused or give a file whose tensors lie inside
 * it. */
static void damaged(void **state) {
  (void)state;
  char path[64];
  void *bytes;
  size_t n;
  path_of(path);
  lcl_tensor_file *f = sample();
  ASSERT_OK(lcl_tensor_file_write(f, path));
  lcl_tensor_file_destroy(f);
  ASSERT_OK(lcl__file_read(path, 1 << 20, &bytes, &n));
  unlink(path);
  for (size_t k = 0; k < n; k++)
    ASSERT_STATUS(lcl_tensor_file_parse(bytes, k, "file", &f), LCL_ERR_FORMAT);
  unsigned char *copy = malloc(n);
  uint32_t x = 1;
  for (int round = 0; round < 20000; round++) {
    memcpy(copy, bytes, n);
    for (int k = 0; k < 1 + round % 3; k++) {
      x = x * 1664525u + 1013904223u;
      copy[(x >> 8) % n] = (unsigned char)(x >> 24);
    }
    if (lcl_tensor_file_parse(copy, n, "file", &f) != LCL_OK) continue;
    double sum = 0;
    for (size_t i = 0; i < lcl_tensor_file_count(f); i++) {
      const lcl_tensor_entry *e = lcl_tensor_file_at(f, i);
      for (size_t b = 0; b < e->bytes; b++) sum += ((const unsigned char *)e->data)[b];
    }
    assert_true(sum >= 0);
    lcl_tensor_file_destroy(f);
  }
  free(copy);
  lcl__free(bytes);
}

/* A file far larger than its header says, and one whose header is, are refused by the sizes. */
static void headers_come_first(void **state) {
  (void)state;
  char path[64];
  struct rusage before, after;
  lcl_tensor_file *f = sample();
  path_of(path);
  ASSERT_OK(lcl_tensor_file_write(f, path));
  lcl_tensor_file_destroy(f);
  assert_int_equal(truncate(path, (off_t)20 << 30), 0);
  getrusage(RUSAGE_SELF, &before);
  ASSERT_STATUS(lcl_tensor_file_read(path, &f), LCL_ERR_FORMAT);
  getrusage(RUSAGE_SELF, &after);
  assert_non_null(strstr(lcl_error_message(), "bytes at the end belong to no tensor"));
  assert_true(after.ru_maxrss - before.ru_maxrss < 8 << 10); /* KiB */
  for (off_t cut = 12; cut >= 0; cut--) {
    assert_int_equal(truncate(path, cut), 0);
    ASSERT_STATUS(lcl_tensor_file_read(path, &f), LCL_ERR_FORMAT);
    assert_non_null(strstr(lcl_error_message(), "truncated?"));
  }
  unlink(path);
}

static void no_leaks(void **state) {
  (void)state;
  assert_int_equal(lcl__test_alloc_live(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(round_trip), cmocka_unit_test(aligned), cmocka_unit_test(making),
    cmocka_unit_test(refused),    cmocka_unit_test(damaged), cmocka_unit_test(headers_come_first),
    cmocka_unit_test(many_names), cmocka_unit_test(no_leaks)
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
