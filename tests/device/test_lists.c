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

/* More launches than the profile keeps events of at a time: each counts once, in the sums and in
 * the trace. */
static void more_than_are_pending(void **state) {
  (void)state;
  enum { LAUNCHES = 100, RUNS = 170 };
  lcl_context *ctx;
  lcl_buffer *b;
  lcl_list *list;
  lcl_profile_row *rows;
  size_t n, bytes, kept = 0;
  void *written;
  char path[64];
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .queues = 1, .profile = true }, &ctx));
  ASSERT_OK(lcl_buffer_create(ctx, 4, &b));
  ASSERT_OK(lcl__list_create(ctx, &list));
  for (int i = 0; i < LAUNCHES; i++)
    ASSERT_OK(lcl__list_add(list, &(lcl_launch) { .kind = LCL_LAUNCH_FILL,
                                                  .label = "fill",
                                                  LCL_ARGS(lcl__memory(b, LCL_WRITE)) }));
  ASSERT_OK(lcl__list_seal(list));
  ASSERT_OK(lcl__profile_start_trace(ctx));
  for (int run = 0; run < RUNS; run++) ASSERT_OK(lcl__list_run(list, NULL));
  ASSERT_OK(lcl__profile_rows(ctx, &rows, &n));
  assert_int_equal(n, 1);
  assert_int_equal(rows[0].calls, LAUNCHES * RUNS);
  lcl__free(rows);
  snprintf(path, sizeof path, "/tmp/latentcl-trace-%ld.json", (long)getpid());
  ASSERT_OK(lcl__profile_write_trace(ctx, path));
  ASSERT_OK(lcl__file_read(path, 1 << 24, &written, &bytes));
  for (const char *at = written; (at = strstr(at, "\"fill\"")) != NULL; at++) kept++;
  assert_int_equal(kept, LAUNCHES * RUNS);
  lcl__free(written);
  unlink(path);
  lcl__list_destroy(list);
  lcl_buffer_destroy(b);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* A launch that would touch memory outside its buffers, or is no launch, is refused where it is
 * added; the largest that fits is not. */
static void launches_that_cannot_be(void **state) {
  (void)state;
  enum { BYTES = 1024, PART = 512 };
  lcl_context *ctx;
  lcl_buffer *b, *part;
  lcl_list *list;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  ASSERT_OK(lcl_buffer_create(ctx, 2 * BYTES, &b));
  ASSERT_OK(lcl__buffer_sub(b, BYTES, PART, &part));
  ASSERT_OK(lcl__list_create(ctx, &list));
  enum { R = LCL_READ, W = LCL_WRITE };
  const struct {
    const char *wrong; /* part of the message; NULL: it is right */
    lcl_launch_kind kind;
    int n_args;
    lcl_arg args[3];
  } cases[] = {
    { NULL, LCL_LAUNCH_FILL, 1, { lcl__memory_part(part, 0, PART, W) } },
    { NULL, LCL_LAUNCH_FILL, 1, { lcl__memory_part(part, PART - 4, 4, W) } },
    { NULL, LCL_LAUNCH_FILL, 1, { lcl__memory_part(part, PART, 0, W) } },
    { "outside its buffer", LCL_LAUNCH_FILL, 1, { lcl__memory_part(part, 0, PART + 4, W) } },
    { "outside its buffer", LCL_LAUNCH_FILL, 1, { lcl__memory_part(part, PART - 4, 8, W) } },
    { "outside its buffer", LCL_LAUNCH_FILL, 1, { lcl__memory_part(part, PART + 4, 0, W) } },
    { "outside its buffer", LCL_LAUNCH_FILL, 1, { lcl__memory_part(part, SIZE_MAX - 3, 8, W) } },
    { "outside its buffer", LCL_LAUNCH_FILL, 1, { lcl__memory_part(NULL, 0, 4, W) } },
    { "4-byte words", LCL_LAUNCH_FILL, 1, { lcl__memory_part(part, 2, 4, W) } },
    { "4-byte words", LCL_LAUNCH_FILL, 1, { lcl__memory_part(part, 4, 6, W) } },
    { "4-byte words", LCL_LAUNCH_FILL, 1, { lcl__memory_part(part, 0, 4, R) } },
    { "4-byte words",
      LCL_LAUNCH_FILL,
      2,
      { lcl__memory_part(part, 0, 4, W), lcl__memory_part(part, 4, 4, W) } },
    { "4-byte words", LCL_LAUNCH_FILL, 0, { { 0 } } },
    { NULL,
      LCL_LAUNCH_COPY,
      2,
      { lcl__memory_part(part, 0, 8, R), lcl__memory_part(b, 2 * BYTES - 8, 8, W) } },
    { "argument 1",
      LCL_LAUNCH_COPY,
      2,
      { lcl__memory_part(part, 0, 8, R), lcl__memory_part(b, 2 * BYTES - 4, 8, W) } },
    { "same size",
      LCL_LAUNCH_COPY,
      2,
      { lcl__memory_part(part, 0, 8, R), lcl__memory_part(b, 0, 4, W) } },
    { "same size",
      LCL_LAUNCH_COPY,
      2,
      { lcl__memory_part(part, 0, 8, W), lcl__memory_part(b, 0, 8, W) } },
    { "same size",
      LCL_LAUNCH_COPY,
      2,
      { lcl__memory_part(part, 0, 8, R), lcl__memory_part(b, 0, 8, R) } },
    { "same size", LCL_LAUNCH_COPY, 1, { lcl__memory_part(part, 0, 8, R) } },
    { "needs a kernel", LCL_LAUNCH_KERNEL, 0, { { 0 } } },
    { "needs a function", LCL_LAUNCH_CALL, 0, { { 0 } } },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const lcl_launch launch = {
      .label = "it", .kind = cases[i].kind, .args = cases[i].args, .n_args = cases[i].n_args
    };
    const lcl_status got = lcl__list_add(list, &launch);
    if (got != (cases[i].wrong ? LCL_ERR_ARGUMENT : LCL_OK))
      fail_msg("case %d: status %d: %s", (int)i, (int)got, lcl_error_message());
    if (cases[i].wrong && !strstr(lcl_error_message(), cases[i].wrong))
      fail_msg("case %d: %s", (int)i, lcl_error_message());
  }
  for (int dims = 0; dims < 5; dims += 4) {
    lcl_launch launch = {
      .label = "it", .source = { .text = text }, .kernel = "add", .dims = dims, .global = { 1 }
    };
    ASSERT_STATUS(lcl__list_add(list, &launch), LCL_ERR_ARGUMENT);
  }
  const lcl_launch fill = { .kind = LCL_LAUNCH_FILL, LCL_ARGS(lcl__memory_part(b, 0, 4, W)) };
  ASSERT_STATUS(lcl__list_add(list, &fill), LCL_ERR_ARGUMENT); /* no label */
  ASSERT_OK(lcl__list_seal(list));
  ASSERT_OK(lcl__list_run(list, NULL));
  ASSERT_STATUS(lcl__list_add(list, &fill), LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "sealed"));
  lcl__list_destroy(list);
  lcl_buffer_destroy(part);
  lcl_buffer_destroy(b);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(chain),
                                      cmocka_unit_test(more_than_are_pending),
                                      cmocka_unit_test(launches_that_cannot_be) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
