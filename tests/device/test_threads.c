/* The scheduler and the program builder under ThreadSanitizer.
 *
 * Launches are host functions (native kernels) that work on plain arrays: the driver runs them on
 * its own threads, so a hazard that the scheduler forgot is a data race, and ThreadSanitizer
 * reports it. Without it the results are checked. */
#include <pthread.h>

#include "device/device.h"
#include "test.h"

enum { ARRAYS = 4, WORDS = 64, LAUNCHES = 80 };

typedef struct step {
  uint32_t *dst;
  const uint32_t *src;
  int n;
  uint32_t k;
} step;

static void CL_CALLBACK work(void *arg) {
  const step *s = arg;
  for (int i = 0; i < s->n; i++) s->dst[i] = s->dst[i] * 1664525u + s->src[i] + s->k;
}

static lcl_status call(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                       const cl_event *wait, cl_event *done) {
  (void)mem;
  cl_int err = clEnqueueNativeKernel(queue, work, user, sizeof(step), 0, NULL, NULL, n_wait,
                                     n_wait ? wait : NULL, done);
  return err == CL_SUCCESS ? LCL_OK : lcl__fail(LCL_ERR_OPENCL, "%s", lcl__cl_error_name(err));
}

static uint32_t next(uint32_t *seed, uint32_t n) {
  *seed = *seed * 1664525u + 1013904223u;
  return (*seed >> 8) % n;
}

/* The arrays stand for buffers of the device: the scheduler sees the buffers' ranges, the launches
 * touch the arrays. */
static void random_lists(const lcl_context_desc *desc, uint32_t seed) {
  lcl_context *ctx;
  static _Thread_local uint32_t arrays[ARRAYS][WORDS], expected[ARRAYS][WORDS];
  static _Thread_local step steps[LAUNCHES];
  lcl_buffer *buffers[ARRAYS];
  lcl_list *list;
  ASSERT_OK(lcl_context_create(desc, &ctx));
  for (int a = 0; a < ARRAYS; a++) ASSERT_OK(lcl_buffer_create(ctx, WORDS * 4, &buffers[a]));
  ASSERT_OK(lcl__list_create(ctx, &list));
  memset(arrays, 0, sizeof arrays);
  memset(expected, 0, sizeof expected);
  uint32_t to[LAUNCHES], from[LAUNCHES], at[LAUNCHES];
  for (int i = 0; i < LAUNCHES; i++) {
    to[i] = next(&seed, ARRAYS);
    from[i] = (to[i] + 1 + next(&seed, ARRAYS - 1)) % ARRAYS;
    at[i] = next(&seed, WORDS / 2);
    int n = 1 + (int)next(&seed, WORDS / 2);
    steps[i] = (step) { arrays[to[i]] + at[i], arrays[from[i]] + at[i], n, (uint32_t)i };
    size_t first = at[i] * 4, bytes = (size_t)n * 4;
    ASSERT_OK(lcl__list_add(
        list,
        &(lcl_launch) { .kind = LCL_LAUNCH_CALL,
                        .label = "step",
                        .call = call,
                        .user = &steps[i],
                        LCL_ARGS(lcl__memory_part(buffers[to[i]], first, bytes, LCL_WRITE),
                                 lcl__memory_part(buffers[from[i]], first, bytes, LCL_READ)) }));
  }
  ASSERT_OK(lcl__list_seal(list));
  for (int run = 0; run < 5; run++) {
    ASSERT_OK(lcl__list_run(list, NULL));
    for (int i = 0; i < LAUNCHES; i++) {
      step s = { expected[to[i]] + at[i], expected[from[i]] + at[i], steps[i].n, steps[i].k };
      work(&s);
    }
  }
  ASSERT_OK(lcl_context_finish(ctx));
  assert_memory_equal(arrays, expected, sizeof arrays);
  lcl__list_destroy(list);
  for (int a = 0; a < ARRAYS; a++) lcl_buffer_destroy(buffers[a]);
  lcl_context_destroy(ctx);
}

static bool native_kernels(void) {
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  cl_device_exec_capabilities can = 0;
  clGetDeviceInfo(lcl_context_cl_device(ctx), CL_DEVICE_EXECUTION_CAPABILITIES, sizeof can, &can,
                  NULL);
  lcl_context_destroy(ctx);
  return can & CL_EXEC_NATIVE_KERNEL;
}

static void lists(void **state) {
  (void)state;
  if (!native_kernels()) skip();
  for (int queues = 1; queues <= 4; queues++)
    for (uint32_t seed = 0; seed < 5; seed++)
      random_lists(&(lcl_context_desc) { .queues = queues }, seed);
  random_lists(&(lcl_context_desc) { .queues = 3, .profile = true }, 99);
}

static void *lists_in_a_thread(void *arg) {
  for (uint32_t seed = 0; seed < 3; seed++)
    random_lists(&(lcl_context_desc) { .queues = 2 }, *(uint32_t *)arg + seed);
  return arg;
}

/* Different contexts may be used by different threads at once. */
static void contexts_in_threads(void **state) {
  (void)state;
  if (!native_kernels()) skip();
  pthread_t threads[3];
  uint32_t seeds[3] = { 10, 20, 30 };
  for (int i = 0; i < 3; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, lists_in_a_thread, &seeds[i]), 0);
  for (int i = 0; i < 3; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* Programs are built on several threads; every second one is wrong. */
static void parallel_builds(void **state) {
  (void)state;
  enum { N = 8 };
  char text[N][120];
  lcl_source sources[N];
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  for (int i = 0; i < N; i++) {
    snprintf(text[i], sizeof text[i], "__kernel void k(__global int *x) { x[0] = %s%d; }",
             i % 2 ? "undeclared + " : "", i);
    sources[i] = (lcl_source) { .text = text[i] };
  }
  ASSERT_STATUS(lcl__programs_build(ctx, sources, N), LCL_ERR_BUILD);
  for (int i = 0; i < N; i++) {
    cl_kernel k;
    ASSERT_STATUS(lcl__kernel_create(ctx, &sources[i], "k", &k), i % 2 ? LCL_ERR_BUILD : LCL_OK);
    if (k) clReleaseKernel(k);
  }
  lcl_context_destroy(ctx);
}

static int nothing_left(void **state) {
  (void)state;
  return lcl__test_alloc_live() == 0 ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_teardown(lists, nothing_left),
    cmocka_unit_test_teardown(contexts_in_threads, nothing_left),
    cmocka_unit_test_teardown(parallel_builds, nothing_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
