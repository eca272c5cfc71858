/* Transfers between host and device.
 *
 * An upload copies the caller's data into a staging buffer and returns. Where that was measured to
 * be faster (overlap.c), the data travel over the bus on the transfer queue while the compute
 * queues work, into the buffer's device side; a copy on queue 0, which waits for that transfer
 * only, then puts it in its place. So the order of uploads and runs is kept although the bus works
 * at the same time. Elsewhere a plain write on queue 0 serves. */
#include "device/internal.h"

/* Larger uploads happen once (a whole data set): they are written straight from the caller's
 * memory, waiting. */
enum { MAX_STAGING = 32 << 20 };

/* A smaller upload does not ask which way is faster: labels, learning rates. */
enum { WORTH_ASKING = 64 << 10 };

static lcl_status check(const lcl_buffer *b, size_t offset, size_t bytes, const char *what) {
  if (offset <= b->bytes && bytes <= b->bytes - offset) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, "%s of %zu bytes at %zu is outside a buffer of %zu bytes",
                   what, bytes, offset, b->bytes);
}

static lcl_status wait_for(lcl_context *ctx, lcl_staging *staging) {
  if (!staging->busy) return LCL_OK;
  cl_int err = clWaitForEvents(1, &staging->busy);
  clReleaseEvent(staging->busy);
  staging->busy = NULL;
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "waiting for an upload");
}

static void free_staging(lcl_context *ctx, lcl_staging *staging) {
  if (staging->busy) {
    clWaitForEvents(1, &staging->busy);
    clReleaseEvent(staging->busy);
  }
  if (staging->device) clReleaseMemObject(staging->device);
  if (staging->pinned) {
    clEnqueueUnmapMemObject(ctx->transfer, staging->pinned, staging->host, 0, NULL, NULL);
    clFinish(ctx->transfer);
    clReleaseMemObject(staging->pinned);
  } else {
    lcl__free(staging->host);
  }
  *staging = (lcl_staging) { 0 };
}

void lcl__staging_free(lcl_context *ctx) {
  for (int i = 0; i < LCL_STAGING; i++) free_staging(ctx, &ctx->staging[i]);
}

/* Host memory that the driver has pinned: only from such memory does the bus fetch by itself. */
static void *pin(lcl_context *ctx, lcl_staging *staging, size_t room) {
  cl_int err;
  staging->pinned = clCreateBuffer(ctx->cl, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, room, NULL,
                                   &err);
  if (err != CL_SUCCESS) return staging->pinned = NULL;
  void *host = clEnqueueMapBuffer(ctx->transfer, staging->pinned, CL_TRUE, CL_MAP_WRITE, 0, room, 0,
                                  NULL, NULL, &err);
  if (err == CL_SUCCESS) return host;
  clReleaseMemObject(staging->pinned);
  return staging->pinned = NULL;
}

static lcl_status prepare_device_side(lcl_context *ctx, lcl_staging *staging, size_t room) {
  cl_int err;
  if (!ctx->transfer) {
    ctx->transfer = clCreateCommandQueue(ctx->cl, ctx->device,
                                         ctx->profiles ? CL_QUEUE_PROFILING_ENABLE : 0, &err);
    if (err != CL_SUCCESS)
      return ctx->transfer = NULL, lcl__cl_fail(ctx, err, "creating the transfer queue");
  }
  staging->device = clCreateBuffer(ctx->cl, CL_MEM_READ_ONLY, room, NULL, &err);
  if (err != CL_SUCCESS)
    return staging->device = NULL, lcl__cl_fail(ctx, err, "creating a staging buffer");
  staging->host = pin(ctx, staging, room);
  return LCL_OK;
}

/* Room for the upload in a staging buffer that is not in use. */
static lcl_status prepare(lcl_context *ctx, lcl_staging *staging, size_t bytes) {
  LCL_TRY(wait_for(ctx, staging));
  if (staging->bytes >= bytes) return LCL_OK;
  free_staging(ctx, staging);
  size_t room = (bytes + 4095) & ~(size_t)4095;
  if (ctx->uploads == LCL_UPLOADS_OVERLAP) LCL_TRY(prepare_device_side(ctx, staging, room));
  if (!staging->host && !(staging->host = lcl__alloc(room))) return LCL_ERR_HOST_MEMORY;
  staging->bytes = room;
  return LCL_OK;
}

static cl_int write_staged(lcl_context *ctx, lcl_staging *staging, lcl_buffer *dst, size_t offset,
                           size_t bytes, cl_event *sent) {
  if (!staging->device)
    return clEnqueueWriteBuffer(ctx->queue[0], dst->mem, CL_FALSE, offset, bytes, staging->host, 0,
                                NULL, &staging->busy);
  cl_int err = clEnqueueWriteBuffer(ctx->transfer, staging->device, CL_FALSE, 0, bytes,
                                    staging->host, 0, NULL, sent);
  if (err != CL_SUCCESS) return err;
  err = clFlush(ctx->transfer);
  if (err == CL_SUCCESS)
    err = clEnqueueCopyBuffer(ctx->queue[0], staging->device, dst->mem, 0, offset, bytes, 1, sent,
                              &staging->busy);
  if (err != CL_SUCCESS)
    lcl__queue_finish(ctx->transfer); /* the buffer may be used again at once */
  return err;
}

/* An out-of-order queue 0 (the caller's) gets a barrier wherever order matters. */
static cl_int keep_order(lcl_context *ctx) {
  return ctx->in_order[0] ? CL_SUCCESS : clEnqueueBarrierWithWaitList(ctx->queue[0], 0, NULL, NULL);
}

/* What was enqueued starts now, and is done before what comes after it. */
static cl_int send_off(lcl_context *ctx) {
  const cl_int err = keep_order(ctx);
  return err == CL_SUCCESS ? clFlush(ctx->queue[0]) : err;
}

static lcl_status note(lcl_context *ctx, const char *label, int queue, cl_event event,
                       size_t bytes) {
  size_t row;
  if (!ctx->profile || !event) return LCL_OK;
  LCL_TRY(lcl__profile_intern(ctx->profile, label, &row));
  cl_int err = clRetainEvent(event);
  if (err != CL_SUCCESS) return lcl__cl_fail(ctx, err, "keeping the event of a transfer");
  return lcl__profile_take(ctx->profile, row, 0, (double)bytes, queue, event);
}

static lcl_status upload_staged(lcl_context *ctx, lcl_buffer *dst, size_t offset, const void *data,
                                size_t bytes) {
  if (ctx->uploads == LCL_UPLOADS_UNKNOWN && bytes >= WORTH_ASKING) {
    LCL_TRY(lcl__overlap_choose(ctx));
    lcl__staging_free(ctx); /* of the other way */
  }
  lcl_staging *staging = &ctx->staging[ctx->next_staging];
  LCL_TRY(prepare(ctx, staging, bytes));
  ctx->next_staging = (ctx->next_staging + 1) % LCL_STAGING;
  memcpy(staging->host, data, bytes);
  cl_event sent = NULL;
  cl_int err = keep_order(ctx);
  if (err == CL_SUCCESS) err = write_staged(ctx, staging, dst, offset, bytes, &sent);
  if (err == CL_SUCCESS) err = send_off(ctx);
  lcl_status status = err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "uploading");
  if (status == LCL_OK && sent) status = note(ctx, "upload", LCL_MAX_QUEUES, sent, bytes);
  if (status == LCL_OK)
    status = note(ctx, sent ? "upload, placing" : "upload", 0, staging->busy, bytes);
  if (sent) clReleaseEvent(sent);
  return status;
}

static lcl_status write_waiting(lcl_context *ctx, lcl_buffer *dst, size_t offset, const void *data,
                                size_t bytes) {
  cl_event event = NULL;
  cl_int err = keep_order(ctx);
  if (err == CL_SUCCESS)
    err = clEnqueueWriteBuffer(ctx->queue[0], dst->mem, CL_TRUE, offset, bytes, data, 0, NULL,
                               ctx->profile ? &event : NULL);
  if (err != CL_SUCCESS) return lcl__cl_fail(ctx, err, "writing a buffer");
  lcl_status status = note(ctx, "upload", 0, event, bytes);
  if (event) clReleaseEvent(event);
  return status;
}

lcl_status lcl__upload(lcl_context *ctx, lcl_buffer *dst, size_t offset, const void *data,
                       size_t bytes) {
  LCL_TRY(check(dst, offset, bytes, "an upload"));
  if (!bytes) return LCL_OK;
  return bytes <= MAX_STAGING ? upload_staged(ctx, dst, offset, data, bytes)
                              : write_waiting(ctx, dst, offset, data, bytes);
}

lcl_status lcl__download(lcl_context *ctx, lcl_buffer *src, size_t offset, void *data,
                         size_t bytes) {
  LCL_TRY(check(src, offset, bytes, "a download"));
  if (!bytes) return LCL_OK;
  cl_event event = NULL;
  cl_int err = keep_order(ctx);
  if (err == CL_SUCCESS)
    err = clEnqueueReadBuffer(ctx->queue[0], src->mem, CL_TRUE, offset, bytes, data, 0, NULL,
                              ctx->profile ? &event : NULL);
  if (err != CL_SUCCESS) return lcl__cl_fail(ctx, err, "reading a buffer");
  lcl_status status = note(ctx, "download", 0, event, bytes);
  if (event) clReleaseEvent(event);
  return status;
}

lcl_status lcl__copy(lcl_context *ctx, lcl_buffer *src, lcl_buffer *dst, size_t offset,
                     size_t bytes) {
  LCL_TRY(check(src, 0, bytes, "a copy"));
  LCL_TRY(check(dst, offset, bytes, "a copy"));
  if (!bytes) return LCL_OK;
  cl_event event = NULL;
  cl_int err = keep_order(ctx);
  if (err == CL_SUCCESS)
    err = clEnqueueCopyBuffer(ctx->queue[0], src->mem, dst->mem, 0, offset, bytes, 0, NULL,
                              ctx->profile ? &event : NULL);
  if (err == CL_SUCCESS) err = send_off(ctx);
  lcl_status status = err == CL_SUCCESS ? note(ctx, "copy", 0, event, bytes)
                                        : lcl__cl_fail(ctx, err, "copying a buffer");
  if (event) clReleaseEvent(event);
  return status;
}

lcl_status lcl_buffer_write(lcl_buffer *b, size_t offset, const void *data, size_t bytes) {
  LCL_NEED(b);
  LCL_TRY(check(b, offset, bytes, "a write"));
  if (!bytes) return LCL_OK;
  LCL_NEED(data);
  LCL_TRY(lcl__context_enter(b->ctx));
  return lcl__context_leave(b->ctx, write_waiting(b->ctx, b, offset, data, bytes));
}

lcl_status lcl_buffer_read(lcl_buffer *b, size_t offset, void *data, size_t bytes) {
  LCL_NEED(b);
  if (bytes) LCL_NEED(data);
  LCL_TRY(lcl__context_enter(b->ctx));
  return lcl__context_leave(b->ctx, lcl__download(b->ctx, b, offset, data, bytes));
}
