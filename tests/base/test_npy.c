/* .npy files: round trips, Fortran order, byte order, and files that must be refused. */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/npy.h"

/* A .npy in memory: version 1.0, this dictionary, these elements. */
static size_t make(unsigned char *to, const char *dictionary, const void *data, size_t bytes) {
  const size_t n = strlen(dictionary);
  memcpy(to, "\x93NUMPY\x01\x00", 8);
  to[8] = (unsigned char)(n & 255), to[9] = (unsigned char)(n >> 8);
  memcpy(to + 10, dictionary, n);
  if (bytes) memcpy(to + 10 + n, data, bytes);
  return 10 + n + bytes;
}

static void written_arrays_come_back(void **state) {
  (void)state;
  char path[] = "/tmp/latentcl-npy-XXXXXX";
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  const float values[] = { 1, -2, 3.5f, 4, 5, 6 };
  for (int rank = 0; rank <= 3; rank++) {
    const int64_t shapes[4][3] = { { 0 }, { 6 }, { 2, 3 }, { 3, 1, 2 } };
    lcl_npy a;
    ASSERT_OK(lcl__npy_write(path, LCL_NPY_F32, rank, shapes[rank], values));
    ASSERT_OK(lcl__npy_read(path, &a));
    assert_int_equal(a.type, LCL_NPY_F32);
    assert_int_equal(a.rank, rank);
    assert_int_equal(a.count, rank ? 6 : 1);
    for (int i = 0; i < rank; i++) assert_int_equal(a.dim[i], shapes[rank][i]);
    assert_memory_equal(a.data, values, a.count * sizeof(float));
    lcl__npy_free(&a);
  }
  const int64_t empty[] = { 0, 5 };
  lcl_npy a;
  ASSERT_OK(lcl__npy_write(path, LCL_NPY_I64, 2, empty, values));
  ASSERT_OK(lcl__npy_read(path, &a));
  assert_int_equal(a.count, 0);
  lcl__npy_free(&a);
  unlink(path);
}

static void fortran_order_is_reordered(void **state) {
  (void)state;
  unsigned char file[256];
  const int32_t columns[] = { 1, 4, 2, 5, 3, 6 }; /* [[1,2,3],[4,5,6]] by columns */
  lcl_npy a;
  const size_t n = make(file, "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }\n",
                        columns, sizeof columns);
  ASSERT_OK(lcl__npy_parse(file, n, "f.npy", &a));
  for (size_t i = 0; i < 6; i++) assert_int_equal(lcl__npy_get(&a, i), i + 1);
  lcl__npy_free(&a);
}

static void types_and_byte_order(void **state) {
  (void)state;
  unsigned char file[256];
  lcl_npy a;
  const unsigned char big[] = {
    0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18
  }; /* pi, big-endian */
  size_t n = make(file, "{'descr': '>f8', 'fortran_order': False, 'shape': (), }", big, sizeof big);
  ASSERT_OK(lcl__npy_parse(file, n, "pi.npy", &a));
  assert_true(lcl__npy_get(&a, 0) == 3.141592653589793);
  lcl__npy_free(&a);
  const unsigned char bools[] = { 0, 1, 7 };
  n = make(file, "{\"descr\": \"|b1\", \"fortran_order\": False, \"shape\": (3,)}", bools,
           sizeof bools);
  ASSERT_OK(lcl__npy_parse(file, n, "b.npy", &a));
  assert_int_equal(a.type, LCL_NPY_BOOL);
  assert_true(lcl__npy_get(&a, 0) == 0 && lcl__npy_get(&a, 1) == 1 && lcl__npy_get(&a, 2) == 1);
  lcl__npy_free(&a);
  const int64_t wide[] = { -5, INT64_C(1) << 40 };
  n = make(file, "{'shape': (2L,), 'fortran_order': False, 'descr': '<i8'}", wide, sizeof wide);
  ASSERT_OK(lcl__npy_parse(file, n, "w.npy", &a));
  assert_true(lcl__npy_get(&a, 0) == -5 && lcl__npy_get(&a, 1) == 0x1p40);
  lcl__npy_free(&a);
}

static void broken_files_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *dictionary;
    size_t bytes;
    lcl_status status;
  } wrong[] = {
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", 15, LCL_ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", 17, LCL_ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", 16,
      LCL_ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904, 4), }", 0,
      LCL_ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", 0,
      LCL_ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 0,
      LCL_ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", 4, LCL_ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4,
      LCL_ERR_FORMAT },
    { "{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }", 4, LCL_ERR_TYPE },
    { "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", 8, LCL_ERR_TYPE },
    { "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8, LCL_ERR_TYPE },
    { "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4, LCL_ERR_TYPE },
    { "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,), }", 4, LCL_ERR_FORMAT },
    { "{'descr': '<f4', 'shape': (1,), }", 4, LCL_ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'extra': 1}", 4, LCL_ERR_FORMAT },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (1", 4, LCL_ERR_FORMAT },
    { "", 0, LCL_ERR_FORMAT },
  };
  unsigned char file[512], zeros[64] = { 0 };
  lcl_npy a;
  for (size_t i = 0; i < LCL_COUNT(wrong); i++) {
    const size_t n = make(file, wrong[i].dictionary, zeros, wrong[i].bytes);
    ASSERT_STATUS(lcl__npy_parse(file, n, "wrong.npy", &a), wrong[i].status);
    assert_non_null(strstr(lcl_error_message(), "wrong.npy"));
    assert_null(strchr(lcl_error_message(), '\n'));
    const bool deep = strstr(wrong[i].dictionary, "1,1,1,1"),
               fields = strstr(wrong[i].dictionary, "'a'");
    assert_true(deep == !!strstr(lcl_error_message(), "more than 8 dimensions"));
    assert_true(fields == !!strstr(lcl_error_message(), "structured array"));
  }
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* A file far larger than its header says is refused by its size: no memory is asked for. */
static void headers_come_first(void **state) {
  (void)state;
  char path[] = "/tmp/latentcl-npy-XXXXXX";
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  const float values[2] = { 1, 2 };
  lcl_npy a;
  ASSERT_OK(lcl__npy_write(path, LCL_NPY_F32, 1, (int64_t[]) { 2 }, values));
  assert_int_equal(truncate(path, (off_t)20 << 30), 0);
  struct rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  ASSERT_STATUS(lcl__npy_read(path, &a), LCL_ERR_FORMAT);
  getrusage(RUSAGE_SELF, &after);
  assert_non_null(strstr(lcl_error_message(), "bytes of elements, the header's shape needs 8"));
  assert_true(after.ru_maxrss - before.ru_maxrss < 8 << 10); /* KiB */
  close(fd);
  unlink(path);
}

/* Whole numbers and others take turns in the place of a file until *stop. */
typedef struct changing {
  const char *path;
  atomic_bool stop;
  atomic_int n;
} changing;

static void *change(void *user) {
  changing *c = user;
  unsigned char file[2][256];
  static const char *const type[] = { "<f4", "<i4" };
  const float ones[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };
  const int32_t sevens[8] = { 7, 7, 7, 7, 7, 7, 7, 7 };
  size_t n = 0;
  for (int i = 0; i < 2; i++) {
    char dictionary[100];
    snprintf(dictionary, sizeof dictionary,
             "{'descr': '%s', 'fortran_order': False, 'shape': (8,), }\n", type[i]);
    n = make(file[i], dictionary, i ? (const void *)sevens : ones, sizeof ones);
  }
  for (int i = 0; !c->stop; i++, c->n++) (void)lcl__file_replace(c->path, file[i % 2], n);
  return NULL;
}

/* A file that another takes the place of while it is read: one or the other, never the elements of
 * one by the header of the other. */
static void files_that_are_replaced(void **state) {
  (void)state;
  char path[] = "/tmp/latentcl-npy-XXXXXX";
  const int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  changing c = { .path = path };
  pthread_t thread;
  lcl_npy a;
  int wrong = 0;
  assert_int_equal(pthread_create(&thread, NULL, change, &c), 0);
  while (c.n < 1) usleep(1000);
  for (int i = 0; i < 20000 || c.n < 2000; i++) {
    if (lcl__npy_read(path, &a) != LCL_OK) {
      wrong++;
      continue;
    }
    wrong += lcl__npy_get(&a, 0) != (a.type == LCL_NPY_F32 ? 1 : 7);
    lcl__npy_free(&a);
  }
  c.stop = true;
  pthread_join(thread, NULL);
  unlink(path);
  assert_int_equal(wrong, 0);
}

/* Every prefix of a good file, and every byte of it changed, is refused or read; memory stays in
 * order. */
static void every_cut_and_change_is_survived(void **state) {
  (void)state;
  unsigned char good[128], file[128];
  const float values[] = { 1, 2, 3, 4 };
  lcl_npy a;
  const size_t n = make(good, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }\n",
                        values, sizeof values);
  for (size_t cut = 0; cut < n; cut++)
    ASSERT_STATUS(lcl__npy_parse(good, cut, "cut.npy", &a), LCL_ERR_FORMAT);
  for (size_t at = 0; at < n; at++)
    for (int change = 1; change < 256; change += 7) {
      memcpy(file, good, n);
      file[at] = (unsigned char)(file[at] + change);
      if (lcl__npy_parse(file, n, "changed.npy", &a) == LCL_OK) lcl__npy_free(&a);
    }
  assert_int_equal(lcl__test_alloc_live(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(written_arrays_come_back), cmocka_unit_test(fortran_order_is_reordered),
    cmocka_unit_test(types_and_byte_order),     cmocka_unit_test(broken_files_are_refused),
    cmocka_unit_test(headers_come_first),       cmocka_unit_test(every_cut_and_change_is_survived),
    cmocka_unit_test(files_that_are_replaced),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
