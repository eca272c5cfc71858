/* Buffers in memory that the host uses too. A CPU's driver computes in the memory that it is given,
 * so the host may read and write there between commands, and nothing has to be copied. OpenCL
 * allows a driver to keep a copy of its own instead: whether this one does is looked at when the
 * device is met for the first time, and remembered with the driver's version. */
#include "device/internal.h"

enum { NUMBERS = 16 << 10, ROUNDS = 3 };

typedef struct probe {
  lcl_buffer *whole, *part, *other; /* part: the second half of whole */
  int32_t *there, *seen;            /* what the host finds in part, and what commands do */
} probe;

static lcl_status open_probe(lcl_context *ctx, probe *p) {
  const size_t bytes = NUMBERS * sizeof *p->there;
  LCL_TRY(lcl__buffer_create_in(ctx, 2 * bytes, LCL_IN_HOST_MEMORY, &p->whole));
  LCL_TRY(lcl__buffer_sub(p->whole, bytes, bytes, &p->part));
  LCL_TRY(lcl_buffer_create(ctx, bytes, &p->other));
  p->seen = lcl__alloc(bytes);
  p->there = lcl__host_pointer(lcl__buffer_mem(p->part));
  return p->seen ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static bool all_are(const int32_t *x, int32_t value) {
  for (int i = 0; i < NUMBERS; i++)
    if (x[i] != value) return false;
  return true;
}

/* Whether the host sees what a command writes, and a command what the host writes. */
static lcl_status look(lcl_context *ctx, const probe *p, int32_t value, bool *same) {
  const size_t bytes = NUMBERS * sizeof value;
  const cl_command_queue queue = lcl__context_queue(ctx);
  cl_int err = clEnqueueFillBuffer(queue, lcl__buffer_mem(p->part), &value, sizeof value, 0, bytes,
                                   0, NULL, NULL);
  if (err == CL_SUCCESS) err = lcl__queue_finish(queue);
  if (err != CL_SUCCESS) return lcl__cl_fail(ctx, err, "filling a buffer in host memory");
  *same = all_are(p->there, value);
  for (int i = 0; i < NUMBERS; i++) p->there[i] = ~value;
  err = clEnqueueCopyBuffer(queue, lcl__buffer_mem(p->part), lcl__buffer_mem(p->other), 0, 0, bytes,
                            0, NULL, NULL);
  if (err == CL_SUCCESS)
    err = clEnqueueReadBuffer(queue, lcl__buffer_mem(p->other), CL_TRUE, 0, bytes, p->seen, 0, NULL,
                              NULL);
  if (err != CL_SUCCESS) return lcl__cl_fail(ctx, err, "copying a buffer in host memory");
  *same = *same && all_are(p->seen, ~value);
  return LCL_OK;
}

static lcl_status measure(lcl_context *ctx, bool *yes) {
  probe p = { 0 };
  lcl_status s = open_probe(ctx, &p);
  *yes = s == LCL_OK && p.there;
  for (int32_t i = 0; i < ROUNDS && s == LCL_OK && *yes; i++) s = look(ctx, &p, 1 + i, yes);
  lcl_buffer_destroy(p.part);
  lcl_buffer_destroy(p.whole);
  lcl_buffer_destroy(p.other);
  lcl__free(p.seen);
  return s;
}

static lcl_question question = LCL_QUESTION("host memory", "in place", "a copy", measure);

lcl_status lcl__host_memory_ask(lcl_context *ctx, lcl_memory *where) {
  bool yes = false;
  if (ctx->caps.host_memory) LCL_TRY(lcl__question_ask(ctx, &question, &yes));
  *where = yes ? LCL_IN_HOST_MEMORY : LCL_IN_DEVICE_MEMORY;
  return LCL_OK;
}

void *lcl__host_pointer(cl_mem mem) {
  void *p = NULL;
  return clGetMemObjectInfo(mem, CL_MEM_HOST_PTR, sizeof p, &p, NULL) == CL_SUCCESS ? p : NULL;
}
