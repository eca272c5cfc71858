/* The n-th OpenCL call, and the n-th allocation, made to fail, for every n: each time a clean
 * status with a message (or a right result, where the library knows a way round), nothing leaks,
 * and the next try works. */
#include <time.h>
#include <unistd.h>

#include "device/cache.h"
#include "device/device.h"
#include "fail_cl.h"
#include "test.h"

enum { N = 256 };

static char trace_path[] = "/tmp/latentcl-trace-XXXXXX";

static const char *const texts[] = {
  "__kernel void add(__global int *x, int k) { x[get_global_id(0)] += k; }\n",
  "__kernel void times(__global int *x, int k) { x[get_global_id(0)] *= k; }\n",
};

typedef struct things {
  lcl_context *ctx, *wrapped;
  lcl_buffer *a, *b, *part, *foreign;
  lcl_list *list;
  cl_kernel kernel; /* made, not yet the list's */
  cl_event done;
  lcl_profile_row *rows;
  int result[N];
} things;

static lcl_status add_kernel(things *t, const char *text, const char *name, lcl_buffer *buf,
                             int k) {
  return lcl__list_add(t->list,
                       &(lcl_launch) { .label = name,
                                       .source = { .text = text },
                                       .kernel = name,
                                       LCL_ARGS(lcl__memory(buf, LCL_READ_WRITE), lcl__i32(k)),
                                       .dims = 1,
                                       .global = { lcl_buffer_size(buf) / 4 } });
}

static lcl_status call(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                       const cl_event *wait, cl_event *done) {
  int *one = user; /* an event is left out on purpose: the scheduler has to make one */
  cl_int err = clEnqueueFillBuffer(queue, mem[0], one, sizeof *one, 0, sizeof *one, n_wait,
                                   n_wait ? wait : NULL, NULL);
  if (done) *done = NULL;
  return err == CL_SUCCESS ? LCL_OK : lcl__fail(LCL_ERR_LIBRARY, "the library says no");
}

static lcl_status build_list(things *t) {
  static int one = 1;
  LCL_TRY(lcl__list_create(t->ctx, &t->list));
  LCL_TRY(lcl__list_add(t->list, &(lcl_launch) { .kind = LCL_LAUNCH_FILL,
                                                 .label = "fill",
                                                 .pattern = 5,
                                                 LCL_ARGS(lcl__memory(t->a, LCL_WRITE)) }));
  LCL_TRY(add_kernel(t, texts[0], "add", t->a, 2));
  LCL_TRY(add_kernel(t, texts[1], "times", t->part, 3));
  LCL_TRY(lcl__list_add(t->list, &(lcl_launch) { .kind = LCL_LAUNCH_COPY,
                                                 .label = "copy",
                                                 LCL_ARGS(lcl__memory(t->a, LCL_READ),
                                                          lcl__memory(t->b, LCL_WRITE)) }));
  LCL_TRY(
      lcl__list_add(t->list, &(lcl_launch) { .kind = LCL_LAUNCH_CALL,
                                             .label = "call",
                                             .call = call,
                                             .user = &one,
                                             LCL_ARGS(lcl__memory_part(t->b, 0, 4, LCL_WRITE)) }));
  LCL_TRY(add_kernel(t, texts[0], "add", t->b, 1));
  return lcl__list_seal(t->list);
}

/* Everything the device layer offers, once. */
static lcl_status use_all(things *t, const lcl_context_desc *desc) {
  LCL_TRY(lcl_context_create(desc, &t->ctx));
  lcl_source sources[] = { { .text = texts[0] }, { .text = texts[1] } };
  LCL_TRY(lcl__programs_build(t->ctx, sources, 2));
  if (desc->profile) LCL_TRY(lcl__profile_start_trace(t->ctx));
  lcl_memory where;
  LCL_TRY(lcl__host_memory_ask(t->ctx, &where));
  LCL_TRY(lcl__buffer_create_in(t->ctx, N * 4, where, &t->a));
  LCL_TRY(lcl_buffer_create(t->ctx, N * 4, &t->b));
  LCL_TRY(lcl__buffer_sub(t->a, 512, N * 4 - 512, &t->part));
  LCL_TRY(build_list(t));
  int zeros[N] = { 0 };
  for (int i = 0; i < 6; i++) LCL_TRY(lcl__upload(t->ctx, t->a, 0, zeros, sizeof zeros));
  LCL_TRY(lcl_buffer_write(t->b, 0, zeros, sizeof zeros));
  LCL_TRY(lcl__list_run(t->list, &t->done));
  LCL_TRY(lcl__list_run(t->list, NULL));
  LCL_TRY(lcl__download(t->ctx, t->b, 0, t->result, sizeof t->result));
  LCL_TRY(lcl__copy(t->ctx, t->b, t->a, 512, 512));
  if (desc->profile) {
    size_t n;
    LCL_TRY(lcl__profile_rows(t->ctx, &t->rows, &n));
    LCL_TRY(lcl__profile_write_trace(t->ctx, trace_path));
  }
  void *queue = lcl_context_cl_queue(t->ctx, 0);
  lcl_context_desc wrap = { .cl_context = lcl_context_cl_context(t->ctx),
                            .cl_device = lcl_context_cl_device(t->ctx),
                            .cl_queues = &queue,
                            .n_cl_queues = 1 };
  LCL_TRY(lcl_context_create(&wrap, &t->wrapped));
  LCL_TRY(lcl_buffer_wrap(t->wrapped, lcl_buffer_cl_mem(t->a), &t->foreign));
  return lcl_context_finish(t->wrapped);
}

static int right_result(int i) {
  return i == 0 ? 2 : i < 512 / 4 ? 8 : 22;
}

static void clean_up(things *t) {
  if (t->kernel) clReleaseKernel(t->kernel);
  if (t->done) clReleaseEvent(t->done);
  lcl__free(t->rows);
  lcl__list_destroy(t->list);
  lcl_buffer_destroy(t->foreign);
  lcl_buffer_destroy(t->a);
  lcl_buffer_destroy(t->part);
  lcl_buffer_destroy(t->b);
  lcl_context_destroy(t->wrapped);
  lcl_context_destroy(t->ctx);
}

/* Only as far as kernels: for the many runs that have to compile. */
static lcl_status use_compiler(things *t, const lcl_context_desc *desc) {
  LCL_TRY(lcl_context_create(desc, &t->ctx));
  lcl_source sources[] = { { .text = texts[0] }, { .text = texts[1] } };
  LCL_TRY(lcl__programs_build(t->ctx, sources, 2));
  LCL_TRY(lcl__kernel_create(t->ctx, &sources[1], "times", &t->kernel));
  for (int i = 0; i < N; i++) t->result[i] = right_result(i);
  return LCL_OK;
}

typedef lcl_status (*use_fn)(things *, const lcl_context_desc *);

/* Returns whether everything was right; a wrong result with a good status fails the test. */
static bool try(use_fn use, const lcl_context_desc *desc, const char *what, int64_t nth) {
  things t = { 0 };
  lcl__fail(LCL_OK, "%s", "");
  lcl_status status = use(&t, desc);
  const char *blame = fail_cl_happened() ? fail_cl_happened() : what;
  lcl__test_fail_alloc(-1);
  fail_cl(-1);
  if (status == LCL_OK)
    for (int i = 0; i < N; i++) {
      int right = right_result(i);
      if (t.result[i] != right)
        fail_msg("%s %d: word %d is %d, not %d", blame, (int)nth, i, t.result[i], right);
    }
  else if (!*lcl_error_message())
    fail_msg("%s %d: status %d without a message", blame, (int)nth, (int)status);
  clean_up(&t);
  /* A driver gives memory of the host back when its last command is over, in a thread of its own.
   */
  for (int i = 0; i < 500 && lcl__test_alloc_live(); i++)
    nanosleep(&(struct timespec) { .tv_nsec = 10000000 }, NULL);
  if (lcl__test_alloc_live())
    fail_msg("%s %d: %d allocations leak", blame, (int)nth, (int)lcl__test_alloc_live());
  if (fail_cl_live())
    fail_msg("%s %d: %d OpenCL objects leak", blame, (int)nth, (int)fail_cl_live());
  return status == LCL_OK;
}

/* Counts the calls of a run without faults, then fails each of them in turn. */
static void every(use_fn use, const lcl_context_desc *desc, const char *what,
                  void (*inject)(int64_t), int64_t (*count)(void)) {
  assert_true(try(use, desc, "nothing", -1)); /* also fills the cache, where it is on */
  int64_t before = count();
  assert_true(try(use, desc, "nothing", -1));
  int64_t calls = count() - before, failures = 0;
  assert_true(calls > 30);
  for (int64_t n = 0; n < calls; n++) {
    inject(n);
    failures += !try(use, desc, what, n);
  }
  assert_true(failures > 5); /* of many calls others take the place: a build is tried twice */
  assert_true(try(use, desc, "nothing", -1));
}

static const lcl_context_desc variants[] = {
  { .queues = 1 }, { .queues = 3, .profile = true }, /* with the transfer queue */
};

static void with_cache_off(void **state) {
  (void)state;
  char *dir = strdup(getenv("LATENTCL_CACHE"));
  setenv("LATENTCL_CACHE", "off", 1);
  every(use_compiler, &variants[0], "OpenCL call", fail_cl, fail_cl_count);
  every(use_compiler, &variants[0], "allocation", lcl__test_fail_alloc, lcl__test_alloc_count);
  setenv("LATENTCL_CACHE", dir, 1);
  free(dir);
}

static void with_cache_on(void **state) {
  (void)state;
  char *family = strdup(getenv("LATENTCL_ENABLE")), both[64];
  snprintf(both, sizeof both, "%s,overlap", family);
  every(use_all, &variants[0], "OpenCL call", fail_cl, fail_cl_count);
  setenv("LATENTCL_ENABLE", both, 1);
  every(use_all, &variants[1], "OpenCL call", fail_cl, fail_cl_count);
  every(use_all, &variants[1], "allocation", lcl__test_fail_alloc, lcl__test_alloc_count);
  setenv("LATENTCL_ENABLE", family, 1);
  free(family);
}

/* A compiler that fails for a moment is not taken at its word: it is asked again, and nothing is
 * remembered. */
static void momentary_refusals_are_forgotten(void **state) {
  (void)state;
  size_t failures = 0;
  for (int64_t n = 0; n < 200; n++) {
    things t = { 0 };
    size_t removed;
    ASSERT_OK(lcl__cache_clear(&removed));
    ASSERT_OK(lcl_context_create(NULL, &t.ctx));
    lcl_source source = { .text = texts[1] };
    fail_cl(n);
    lcl_status status = lcl__kernel_create(t.ctx, &source, "times", &t.kernel);
    bool build = fail_cl_happened() && strcmp(fail_cl_happened(), "clBuildProgram") == 0;
    bool happened = fail_cl_happened() != NULL;
    fail_cl(-1);
    if (build) {
      ASSERT_OK(status);
      lcl_cache_use use;
      ASSERT_OK(lcl__cache_stat(&use));
      assert_true(use.refused <= 1); /* what saving a binary costs, not a refusal of the source */
      failures++;
    }
    clean_up(&t);
    if (!happened) break;
  }
  assert_true(failures >= 1);
}

/* A wrong source is refused for good only when the compiler works at that moment: the one build
 * that asks whether it does is made to fail, and nothing is remembered. */
static void broken_compiler_blames_no_source(void **state) {
  (void)state;
  size_t builds = 0, forgotten = 0;
  for (int64_t n = 0; n < 200; n++) {
    things t = { 0 };
    size_t removed;
    ASSERT_OK(lcl__cache_clear(&removed));
    ASSERT_OK(lcl_context_create(NULL, &t.ctx));
    lcl_source source = { .text = "__kernel void wrong(__global int *x) { x[0] = nothing; }\n" };
    fail_cl(n);
    const lcl_status status = lcl__kernel_create(t.ctx, &source, "wrong", &t.kernel);
    const char *failed = fail_cl_happened();
    fail_cl(-1);
    lcl_cache_use use;
    ASSERT_OK(lcl__cache_stat(&use));
    if (failed && strcmp(failed, "clBuildProgram") == 0) {
      ASSERT_STATUS(status, LCL_ERR_BUILD);
      builds++;
      forgotten += use.refused == 0;
    }
    clean_up(&t);
    if (!failed) {
      ASSERT_STATUS(status, LCL_ERR_BUILD);
      assert_int_equal(use.refused, 1);
      break;
    }
  }
  assert_int_equal(builds, 3);    /* the source twice, then the other */
  assert_int_equal(forgotten, 2); /* made to fail, the second gives no reason */
}

/* A launch that the driver refuses stops the list and names itself; the next run works. */
static void failed_launch_names_itself(void **state) {
  (void)state;
  for (size_t v = 0; v < LCL_COUNT(variants); v++) {
    things t = { 0 };
    ASSERT_OK(use_all(&t, &variants[v]));
    bool named = false;
    for (int64_t n = 0; n < 40; n++) {
      fail_cl(n);
      lcl_status status = lcl__list_run(t.list, NULL);
      bool kernel = fail_cl_happened() && strcmp(fail_cl_happened(), "clEnqueueNDRangeKernel") == 0;
      fail_cl(-1);
      if (!kernel) continue;
      assert_int_equal(status, LCL_ERR_OPENCL);
      if (strncmp(lcl_error_message(), "times: ", 7) == 0) named = true;
    }
    assert_true(named);
    ASSERT_OK(lcl__list_run(t.list, NULL));
    ASSERT_OK(lcl__download(t.ctx, t.b, 0, t.result, sizeof t.result));
    for (int i = 1; i < N; i++) assert_int_equal(t.result[i], right_result(i));
    clean_up(&t);
  }
}

/* Too much memory is a status with sizes, and what was there stays usable. */
static void out_of_device_memory(void **state) {
  (void)state;
  lcl_context *ctx;
  lcl_buffer *a, *b, *c;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .memory_limit = 1 << 20 }, &ctx));
  ASSERT_OK(lcl_buffer_create(ctx, 600 << 10, &a));
  ASSERT_STATUS(lcl_buffer_create(ctx, 600 << 10, &b), LCL_ERR_DEVICE_MEMORY);
  assert_null(b);
  assert_non_null(strstr(lcl_error_message(), "0.6 MiB"));
  assert_non_null(strstr(lcl_error_message(), "1.0 MiB"));
  ASSERT_STATUS(lcl_buffer_create(ctx, SIZE_MAX, &b), LCL_ERR_DEVICE_MEMORY);
  ASSERT_STATUS(lcl_buffer_create(ctx, SIZE_MAX / 2, &b), LCL_ERR_DEVICE_MEMORY);
  ASSERT_OK(lcl_buffer_create(ctx, 300 << 10, &b));
  lcl_memory_use use = lcl_context_memory(ctx);
  assert_int_equal(use.buffers, 2);
  assert_int_equal(use.current, 900 << 10);
  lcl_buffer_destroy(a);
  ASSERT_OK(lcl_buffer_create(ctx, 700 << 10, &c)); /* idle memory is given back to make room */
  lcl_buffer_destroy(b);
  lcl_buffer_destroy(c);
  use = lcl_context_memory(ctx);
  assert_int_equal(use.current, 0);
  assert_int_equal(use.peak, 1000 << 10);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
  assert_int_equal(fail_cl_live(), 0);
}

/* Each queue that is asked costs a driver for CPUs some 20 us. */
static void waiting_takes_one_queue(void **state) {
  (void)state;
  int64_t calls[2];
  for (int i = 0; i < 2; i++) {
    lcl_context *ctx;
    ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .queues = i ? 4 : 1 }, &ctx));
    calls[i] = fail_cl_count();
    ASSERT_OK(lcl_context_finish(ctx));
    calls[i] = fail_cl_count() - calls[i];
    lcl_context_destroy(ctx);
  }
  assert_true(calls[0] > 0);
  assert_int_equal(calls[1], calls[0]);
}

int main(void) {
  char cache[] = "/tmp/latentcl-failures-XXXXXX"; /* its own: made-up refusals end up in it */
  if (mkstemp(trace_path) < 0 || !mkdtemp(cache)) return 1;
  setenv("LATENTCL_CACHE", cache, 1);
  lcl_log_set_level(LCL_LOG_OFF);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(with_cache_off),
    cmocka_unit_test(with_cache_on),
    cmocka_unit_test(momentary_refusals_are_forgotten),
    cmocka_unit_test(broken_compiler_blames_no_source),
    cmocka_unit_test(failed_launch_names_itself),
    cmocka_unit_test(out_of_device_memory),
    cmocka_unit_test(waiting_takes_one_queue),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(trace_path);
  size_t removed;
  if (lcl__cache_clear(&removed) == LCL_OK) rmdir(cache);
  return failed;
}
