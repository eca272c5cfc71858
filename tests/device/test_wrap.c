/* The caller's handles inside, ours outside: contexts, queues and memory objects. */
#include <pthread.h>
#include <unistd.h>

#include "device/device.h"
#include "test.h"

static lcl_context *owner(void) {
  lcl_context *ctx = NULL;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  return ctx;
}

/* Handles of the caller are retained: releasing them while they are wrapped changes nothing. */
static void caller_may_release_early(void **state) {
  (void)state;
  lcl_context *device = owner(), *ctx;
  cl_device_id id = lcl_context_cl_device(device);
  cl_int err;
  cl_context cl = clCreateContext(NULL, 1, &id, NULL, NULL, &err);
  assert_int_equal(err, CL_SUCCESS);
  void *queue = clCreateCommandQueue(cl, id, 0, &err);
  assert_int_equal(err, CL_SUCCESS);
  cl_mem mem = clCreateBuffer(cl, CL_MEM_READ_WRITE, 4096, NULL, &err);
  assert_int_equal(err, CL_SUCCESS);
  ASSERT_OK(lcl_context_create(
      &(lcl_context_desc) { .cl_context = cl, .cl_queues = &queue, .n_cl_queues = 1 }, &ctx));
  lcl_buffer *buf;
  ASSERT_OK(lcl_buffer_wrap(ctx, mem, &buf));
  assert_ptr_equal(lcl_context_cl_context(ctx), cl);
  assert_ptr_equal(lcl_context_cl_queue(ctx, 0), queue);
  assert_null(lcl_context_cl_queue(ctx, 1));
  assert_ptr_equal(lcl_buffer_cl_mem(buf), mem);
  assert_int_equal(lcl_buffer_size(buf), 4096);
  assert_int_equal(lcl_context_memory(ctx).current,
                   0); /* the caller's memory is not ours to count */
  clReleaseMemObject(mem);
  clReleaseCommandQueue(queue);
  clReleaseContext(cl);
  char in[4096], out[4096] = { 0 };
  for (int i = 0; i < 4096; i++) in[i] = (char)(i * 7);
  ASSERT_OK(lcl_buffer_write(buf, 0, in, sizeof in));
  ASSERT_OK(lcl_buffer_read(buf, 0, out, sizeof out));
  assert_memory_equal(in, out, sizeof in);
  lcl_buffer_destroy(buf);
  lcl_context_destroy(ctx);
  lcl_context_destroy(device);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* The peak stays where it was when buffers go; the pool's rounding is less than a page. */
static void peak_of_memory(void **state) {
  (void)state;
  lcl_context *ctx = owner();
  lcl_buffer *a, *b;
  const size_t mib = 1 << 20;
  const lcl_memory_use before = lcl_context_memory(ctx);
  ASSERT_OK(lcl_buffer_create(ctx, 3 * mib, &a));
  ASSERT_OK(lcl_buffer_create(ctx, 2 * mib, &b));
  lcl_buffer_destroy(a);
  ASSERT_OK(lcl_buffer_create(ctx, mib, &a));
  const lcl_memory_use now = lcl_context_memory(ctx);
  assert_in_range(now.peak - before.current, 5 * mib, 5 * mib + 8192);
  assert_in_range(now.current - before.current, 3 * mib, 3 * mib + 8192);
  assert_int_equal(now.buffers - before.buffers, 2);
  lcl_buffer_destroy(a);
  lcl_buffer_destroy(b);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* What the caller writes through his handle is what we read through ours, and the other way round.
 */
static void memory_is_shared_both_ways(void **state) {
  (void)state;
  lcl_context *ctx = owner();
  lcl_buffer *buf, *part, *foreign;
  ASSERT_OK(lcl_buffer_create(ctx, 8192, &buf));
  const size_t align = lcl__context_caps(ctx)->base_align;
  ASSERT_OK(lcl__buffer_sub(buf, align, 1024, &part));
  ASSERT_OK(lcl_buffer_wrap(ctx, lcl_buffer_cl_mem(part), &foreign));
  int x = 1234, y = 0;
  cl_int err = clEnqueueWriteBuffer(lcl__context_queue(ctx), lcl_buffer_cl_mem(buf), CL_TRUE,
                                    align + 8, 4, &x, 0, NULL, NULL);
  assert_int_equal(err, CL_SUCCESS);
  ASSERT_OK(lcl_buffer_read(part, 8, &y, 4));
  assert_int_equal(y, 1234);
  ASSERT_OK(lcl_buffer_read(foreign, 8, &y, 4));
  assert_int_equal(y, 1234);
  x = 77;
  ASSERT_OK(lcl__upload(ctx, foreign, 12, &x, 4));
  err = clEnqueueReadBuffer(lcl__context_queue(ctx), lcl_buffer_cl_mem(buf), CL_TRUE, align + 12, 4,
                            &y, 0, NULL, NULL);
  assert_int_equal(err, CL_SUCCESS);
  assert_int_equal(y, 77);
  ASSERT_STATUS(lcl_buffer_write(part, 1020, &x, 8), LCL_ERR_ARGUMENT);
  ASSERT_STATUS(lcl__upload(ctx, part, SIZE_MAX, &x, 4), LCL_ERR_ARGUMENT);
  ASSERT_STATUS(lcl_buffer_read(part, 1025, &x, 0), LCL_ERR_ARGUMENT);
  lcl_buffer *odd = (lcl_buffer *)1;
  ASSERT_STATUS(lcl__buffer_sub(buf, 8000, 193, &odd), LCL_ERR_ARGUMENT);
  assert_null(odd);
  ASSERT_STATUS(lcl__buffer_sub(buf, align / 2 + 1, 4, &odd), LCL_ERR_ARGUMENT);
  lcl_buffer_destroy(foreign);
  lcl_buffer_destroy(buf);
  lcl_buffer_destroy(part);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

static void *open_gate(void *gate) {
  usleep(50000);
  clSetUserEventStatus(gate, CL_COMPLETE);
  return NULL;
}

enum { WORDS = 1024 };
typedef enum transfer { UPLOAD, WRITE, READ, UPLOAD_AND_READ, TRANSFERS } transfer;

/* The caller's command waits for a gate that opens after ours was enqueued; or, for
 * UPLOAD_AND_READ, comes after an upload that waits for it. */
static void transfer_in_order(lcl_context *ctx, transfer what) {
  int32_t first[WORDS], second[WORDS], got[WORDS] = { 0 };
  for (int i = 0; i < WORDS; i++) {
    first[i] = i;
    second[i] = -1 - i;
  }
  lcl_buffer *buf;
  cl_int err;
  cl_event read = NULL;
  pthread_t thread;
  cl_command_queue queue = lcl_context_cl_queue(ctx, 0);
  ASSERT_OK(lcl_buffer_create(ctx, sizeof first, &buf));
  ASSERT_OK(lcl_buffer_write(buf, 0, got, sizeof got));
  cl_event gate = clCreateUserEvent(lcl_context_cl_context(ctx), &err);
  assert_int_equal(err, CL_SUCCESS);
  err = what == UPLOAD_AND_READ ? clEnqueueMarkerWithWaitList(queue, 1, &gate, NULL)
                                : clEnqueueWriteBuffer(queue, lcl_buffer_cl_mem(buf), CL_FALSE, 0,
                                                       sizeof first, first, 1, &gate, NULL);
  assert_int_equal(err, CL_SUCCESS);
  assert_int_equal(pthread_create(&thread, NULL, open_gate, gate), 0);
  lcl_status status = what == READ    ? lcl_buffer_read(buf, 0, got, sizeof got)
                      : what == WRITE ? lcl_buffer_write(buf, 0, second, sizeof second)
                                      : lcl__upload(ctx, buf, 0, second, sizeof second);
  if (what == UPLOAD_AND_READ)
    err = clEnqueueReadBuffer(queue, lcl_buffer_cl_mem(buf), CL_FALSE, 0, sizeof got, got, 0, NULL,
                              &read);
  if (read) clWaitForEvents(1, &read);
  pthread_join(thread, NULL);
  ASSERT_OK(status);
  assert_int_equal(err, CL_SUCCESS);
  ASSERT_OK(lcl_context_finish(ctx));
  if (what == UPLOAD || what == WRITE) ASSERT_OK(lcl_buffer_read(buf, 0, got, sizeof got));
  const int32_t *want = what == READ ? first : second;
  if (memcmp(got, want, sizeof got) != 0)
    fail_msg("transfer %d: %d, not %d", what, got[1], want[1]);
  if (read) clReleaseEvent(read);
  clReleaseEvent(gate);
  lcl_buffer_destroy(buf);
}

/* An out-of-order queue of the caller: a transfer runs after what was enqueued before it and before
 * what is enqueued after it. */
static void out_of_order_queue_keeps_transfers_in_order(void **state) {
  (void)state;
  lcl_context *device = owner(), *ctx;
  cl_device_id id = lcl_context_cl_device(device);
  cl_int err;
  cl_context cl = clCreateContext(NULL, 1, &id, NULL, NULL, &err);
  assert_int_equal(err, CL_SUCCESS);
  void *queue = clCreateCommandQueue(cl, id, CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &err);
  lcl_context_destroy(device);
  if (err == CL_SUCCESS) {
    ASSERT_OK(lcl_context_create(
        &(lcl_context_desc) { .cl_context = cl, .cl_queues = &queue, .n_cl_queues = 1 }, &ctx));
    for (transfer t = 0; t < TRANSFERS; t++) transfer_in_order(ctx, t);
    lcl_context_destroy(ctx);
    clReleaseCommandQueue(queue);
  }
  clReleaseContext(cl);
  assert_int_equal(lcl__test_alloc_live(), 0);
  if (err != CL_SUCCESS) skip();
}

static void wrong_handles_are_refused(void **state) {
  (void)state;
  lcl_context *a = owner(), *b = owner(), *ctx = NULL;
  lcl_buffer *buf, *foreign;
  ASSERT_OK(lcl_buffer_create(a, 64, &buf));
  ASSERT_STATUS(lcl_buffer_wrap(b, lcl_buffer_cl_mem(buf), &foreign), LCL_ERR_ARGUMENT);
  cl_int err;
  cl_mem image = clCreateImage(
      lcl_context_cl_context(a), CL_MEM_READ_WRITE, &(cl_image_format) { CL_RGBA, CL_FLOAT },
      &(cl_image_desc) { .image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 2, .image_height = 2 },
      NULL, &err);
  if (err == CL_SUCCESS) { /* devices need not have images */
    ASSERT_STATUS(lcl_buffer_wrap(a, image, &foreign), LCL_ERR_ARGUMENT);
    assert_non_null(strstr(lcl_error_message(), "must be a buffer, not an image"));
    clReleaseMemObject(image);
  }
  void *queue = lcl_context_cl_queue(b, 0);
  lcl_context_desc desc = { .cl_context = lcl_context_cl_context(a),
                            .cl_queues = &queue,
                            .n_cl_queues = 1 };
  ASSERT_STATUS(lcl_context_create(&desc, &ctx), LCL_ERR_ARGUMENT);
  queue = lcl_context_cl_queue(a, 0);
  desc.profile = true; /* that queue keeps no times */
  ASSERT_STATUS(lcl_context_create(&desc, &ctx), LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "CL_QUEUE_PROFILING_ENABLE"));
  ASSERT_STATUS(lcl_context_create(&(lcl_context_desc) { .queues = 99 }, &ctx), LCL_ERR_ARGUMENT);
  ASSERT_STATUS(lcl_context_create(&(lcl_context_desc) { .disable = "magic" }, &ctx),
                LCL_ERR_ARGUMENT);
  ASSERT_STATUS(lcl_context_create(&(lcl_context_desc) { .device = "no such thing" }, &ctx),
                LCL_ERR_NO_DEVICE);
  assert_null(ctx);
  lcl_buffer_destroy(buf);
  lcl_context_destroy(a);
  lcl_context_destroy(b);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(caller_may_release_early),
    cmocka_unit_test(peak_of_memory),
    cmocka_unit_test(memory_is_shared_both_ways),
    cmocka_unit_test(out_of_order_queue_keeps_transfers_in_order),
    cmocka_unit_test(wrong_handles_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
