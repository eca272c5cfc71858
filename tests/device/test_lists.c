/* Launch lists: runs in order, upload and download, a failed launch names itself. */
#include <unistd.h>

#include "device/device.h"
#include "test.h"

static const char text[] =
    "__kernel void add(__global const float *a, __global float *b, float k, int n) {\n"
    "  int i = get_global_id(0);\n"
    "  if (i < n) b[i] = a[i] + k;\n"
    "}\n";

static void chain(void **state) {
  (void)state;
  enum { N = 1000, LINKS = 20 };
  lcl_context *ctx;
  if (lcl_context_create(&(lcl_context_desc) { .profile = true }, &ctx) != LCL_OK)
    fail_msg("%s", lcl_error_message());
  lcl_buffer *a, *b;
  assert_int_equal(lcl_buffer_create(ctx, N * sizeof(float), &a), LCL_OK);
  assert_int_equal(lcl_buffer_create(ctx, N * sizeof(float), &b), LCL_OK);
  lcl_list *list;
  assert_int_equal(lcl__list_create(ctx, &list), LCL_OK);
  for (int i = 0; i < LINKS; i++) {
    lcl_buffer *from = i % 2 ? b : a, *to = i % 2 ? a : b;
    const lcl_launch launch = { .label = "add one",
                                .source = { .text = text },
                                .kernel = "add",
                                LCL_ARGS(lcl__memory(from, LCL_READ), lcl__memory(to, LCL_WRITE),
                                         lcl__f32(1), lcl__i32(N)),
                                .dims = 1,
                                .global = { N } };
    assert_int_equal(lcl__list_add(list, &launch), LCL_OK);
  }
  assert_int_equal(lcl__list_seal(list), LCL_OK);
  float x[N];
  for (int i = 0; i < N; i++) x[i] = (float)i;
  assert_int_equal(lcl__upload(ctx, a, 0, x, sizeof x), LCL_OK);
  if (lcl__list_run(list, NULL) != LCL_OK) fail_msg("%s", lcl_error_message());
  assert_int_equal(lcl__list_run(list, NULL), LCL_OK);
  assert_int_equal(lcl__download(ctx, a, 0, x, sizeof x), LCL_OK);
  for (int i = 0; i < N; i++) assert_true(x[i] == (float)(i + 2 * LINKS));
  lcl_profile_row *rows;
  size_t n;
  assert_int_equal(lcl__profile_rows(ctx, &rows, &n), LCL_OK);
  size_t calls = 0;
  for (size_t i = 0; i < n; i++)
    if (strcmp(rows[i].label, "add one") == 0) calls = rows[i].calls;
  assert_in_range(n, 2, 8);
  for (size_t i = 1; i < n; i++) assert_true(rows[i - 1].seconds >= rows[i].seconds);
  assert_int_equal(calls, 2 * LINKS);
  lcl__free(rows);
  /* Launches are kept one by one only from where a trace is asked for: the run before it is not
   * part of it, nor are those that wait to be read. */
  static const char event[] = "\"ph\":\"X\"";
  char path[64];
  snprintf(path, sizeof path, "/tmp/latentcl-trace-%ld.json", (long)getpid());
  for (int traced = 0; traced < 2; traced++) {
    void *written;
    if (traced) {
      assert_int_equal(lcl__list_run(list, NULL), LCL_OK);
      assert_int_equal(lcl__profile_start_trace(ctx), LCL_OK);
    }
    assert_int_equal(lcl__list_run(list, NULL), LCL_OK);
    assert_int_equal(lcl__profile_write_trace(ctx, path), LCL_OK);
    assert_int_equal(lcl__file_read(path, 1 << 24, &written, &n), LCL_OK);
    assert_int_equal(strstr(written, event) != NULL, traced);
    int kept = 0;
    for (const char *at = written; (at = strstr(at, "\"add one\"")); at++) kept++;
    assert_int_equal(kept, traced ? LINKS : 0);
    lcl__free(written);
  }
  unlink(path);
  lcl__list_destroy(list);
  lcl_buffer_destroy(a);
  lcl_buffer_destroy(b);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(chain) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
