/* Device memory: counted, limited, and pooled so that making a buffer in a loop does not go to the
 * driver. */
#include <sys/mman.h>

#include "device/internal.h"

static size_t granule(const lcl_context *ctx) {
  return LCL_MAX(ctx->caps.base_align, (size_t)256);
}

void lcl__pool_trim(lcl_context *ctx) {
  lcl_pool *pool = &ctx->pool;
  for (size_t i = 0; i < pool->idle.n; i++) {
    clReleaseMemObject(pool->idle.data[i].mem);
    pool->held -= pool->idle.data[i].bytes;
  }
  pool->idle.n = 0;
}

/* The smallest idle block that fits without wasting more than an eighth. */
static cl_mem take_idle(lcl_pool *pool, size_t bytes, size_t *allocated) {
  size_t best = SIZE_MAX;
  for (size_t i = 0; i < pool->idle.n; i++) {
    size_t have = pool->idle.data[i].bytes;
    if (have >= bytes && have - bytes <= bytes / 8 &&
        (best == SIZE_MAX || have < pool->idle.data[best].bytes))
      best = i;
  }
  if (best == SIZE_MAX) return NULL;
  cl_mem mem = pool->idle.data[best].mem;
  *allocated = pool->idle.data[best].bytes;
  pool->idle.data[best] = pool->idle.data[--pool->idle.n];
  return mem;
}

static lcl_status too_large(const lcl_context *ctx, size_t bytes, size_t limit, const char *which) {
  return lcl__fail(
      LCL_ERR_DEVICE_MEMORY,
      "%s cannot give a buffer of %.1f MiB: %s is %.1f MiB, %.1f MiB are in use; use a smaller "
      "batch or model",
      ctx->caps.name, (double)bytes / 1048576.0, which, (double)limit / 1048576.0,
      (double)ctx->pool.current / 1048576.0);
}

static void CL_CALLBACK free_host(cl_mem mem, void *host) {
  (void)mem;
  lcl__free(host);
}

/* The memory lives as long as the buffer. In large pages, where it is large: MPI asks the kernel
 * for every page of what it sends to another process. */
static cl_mem create_in_host_memory(cl_context cl, size_t bytes, cl_int *err) {
  const uintptr_t page = bytes >= 4 << 20 ? 2 << 20 : 4096;
  char *host = lcl__alloc(bytes + page);
  *err = CL_OUT_OF_HOST_MEMORY;
  if (!host) return NULL;
  char *start = host + (page - (uintptr_t)host % page) % page;
  if (page > 4096) madvise(start, bytes, MADV_HUGEPAGE);
  cl_mem mem = clCreateBuffer(cl, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, bytes, start, err);
  if (*err == CL_SUCCESS &&
      (*err = clSetMemObjectDestructorCallback(mem, free_host, host)) == CL_SUCCESS)
    return mem;
  if (mem) clReleaseMemObject(mem);
  lcl__free(host);
  return NULL;
}

static cl_mem create(const lcl_context *ctx, size_t bytes, lcl_memory where, cl_int *err) {
  if (where == LCL_IN_HOST_MEMORY) return create_in_host_memory(ctx->cl, bytes, err);
  return clCreateBuffer(ctx->cl, CL_MEM_READ_WRITE, bytes, NULL, err);
}

static lcl_status allocate(lcl_context *ctx, size_t bytes, lcl_memory where, cl_mem *mem,
                           size_t *allocated) {
  lcl_pool *pool = &ctx->pool;
  if (bytes > SIZE_MAX - granule(ctx))
    return too_large(ctx, bytes, ctx->caps.max_alloc, "the largest single buffer");
  size_t rounded = LCL_MAX((bytes + granule(ctx) - 1) / granule(ctx), (size_t)1) * granule(ctx);
  if (where == LCL_IN_DEVICE_MEMORY && (*mem = take_idle(pool, rounded, allocated))) return LCL_OK;
  if (bytes > ctx->caps.max_alloc)
    return too_large(ctx, bytes, ctx->caps.max_alloc, "the largest single buffer");
  if (pool->limit && rounded > pool->limit - LCL_MIN(pool->held, pool->limit)) lcl__pool_trim(ctx);
  if (pool->limit && rounded > pool->limit - LCL_MIN(pool->held, pool->limit))
    return too_large(ctx, bytes, pool->limit, "the limit");
  cl_int err;
  *mem = create(ctx, rounded, where, &err);
  if (err != CL_SUCCESS && pool->idle.n) {
    lcl__pool_trim(ctx);
    *mem = create(ctx, rounded, where, &err);
  }
  if (err == CL_MEM_OBJECT_ALLOCATION_FAILURE || err == CL_OUT_OF_RESOURCES ||
      err == CL_INVALID_BUFFER_SIZE)
    return too_large(ctx, bytes, ctx->caps.global_mem, "its memory");
  if (err != CL_SUCCESS) return lcl__cl_fail(ctx, err, "creating a buffer");
  pool->held += rounded;
  *allocated = rounded;
  return LCL_OK;
}

lcl_status lcl_buffer_create(lcl_context *ctx, size_t bytes, lcl_buffer **out) {
  return lcl__buffer_create_in(ctx, bytes, LCL_IN_DEVICE_MEMORY, out);
}

lcl_status lcl__buffer_create_in(lcl_context *ctx, size_t bytes, lcl_memory where,
                                 lcl_buffer **out) {
  LCL_NEED(ctx, out);
  *out = NULL;
  LCL_TRY(lcl__context_enter(ctx));
  lcl_buffer *b = lcl__alloc(sizeof *b);
  lcl_status status = b ? allocate(ctx, bytes, where, &b->mem, &b->allocated) : LCL_ERR_HOST_MEMORY;
  if (lcl__context_leave(ctx, status) != LCL_OK) return lcl__free(b), status;
  b->ctx = lcl__context_retain(ctx);
  b->bytes = bytes;
  b->where = where;
  b->root = b->mem;
  b->references = 1;
  ctx->pool.current += b->allocated;
  ctx->pool.peak = LCL_MAX(ctx->pool.peak, ctx->pool.current);
  ctx->pool.buffers++;
  *out = b;
  return LCL_OK;
}

lcl_status lcl_buffer_wrap(lcl_context *ctx, void *cl_mem_handle, lcl_buffer **out) {
  LCL_NEED(ctx, cl_mem_handle, out);
  *out = NULL;
  cl_mem mem = cl_mem_handle, whole = NULL;
  cl_context owner = NULL;
  cl_mem_object_type type = CL_MEM_OBJECT_BUFFER;
  size_t bytes = 0, offset = 0;
  cl_int err = clGetMemObjectInfo(mem, CL_MEM_TYPE, sizeof type, &type, NULL);
  if (err == CL_SUCCESS) err = clGetMemObjectInfo(mem, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
  if (err == CL_SUCCESS) err = clGetMemObjectInfo(mem, CL_MEM_CONTEXT, sizeof owner, &owner, NULL);
  if (err == CL_SUCCESS)
    err = clGetMemObjectInfo(mem, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof whole, &whole, NULL);
  if (err == CL_SUCCESS && whole)
    err = clGetMemObjectInfo(mem, CL_MEM_OFFSET, sizeof offset, &offset, NULL);
  if (err != CL_SUCCESS) return lcl__cl_fail(ctx, err, "wrapping a cl_mem");
  if (owner != ctx->cl)
    return lcl__fail(LCL_ERR_ARGUMENT, "wrapping a cl_mem: it belongs to another cl_context");
  if (type != CL_MEM_OBJECT_BUFFER)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "wrapping a cl_mem: it must be a buffer, not an image or pipe");
  lcl_buffer *b = lcl__alloc(sizeof *b);
  if (!b) return LCL_ERR_HOST_MEMORY;
  err = clRetainMemObject(mem);
  if (err != CL_SUCCESS) return lcl__free(b), lcl__cl_fail(ctx, err, "wrapping a cl_mem");
  *b =
      (lcl_buffer) { .ctx = lcl__context_retain(ctx), .mem = mem, .bytes = bytes, .references = 1 };
  b->root = whole ? whole : mem;
  b->root_offset = offset;
  *out = b;
  return LCL_OK;
}

lcl_status lcl__buffer_sub(lcl_buffer *parent, size_t offset, size_t bytes, lcl_buffer **out) {
  *out = NULL;
  if (offset > parent->bytes || bytes > parent->bytes - offset)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "a part of %zu bytes at %zu is outside a buffer of %zu bytes", bytes, offset,
                     parent->bytes);
  /* OpenCL has no parts of parts and no empty parts. */
  lcl_buffer *whole = parent->parent ? parent->parent : parent;
  size_t at = parent->offset + offset, align = parent->ctx->caps.base_align;
  if (at % align) /* not every driver looks */
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "a part of a buffer has to start at a multiple of %zu bytes on %s, not at %zu",
                     align, parent->ctx->caps.name, at);
  lcl_buffer *b = lcl__alloc(sizeof *b);
  if (!b) return LCL_ERR_HOST_MEMORY;
  cl_int err;
  cl_buffer_region region = { at, LCL_MAX(bytes, (size_t)1) };
  b->mem = clCreateSubBuffer(whole->mem, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region,
                             &err);
  if (err != CL_SUCCESS)
    return lcl__free(b), lcl__cl_fail(whole->ctx, err, "creating a sub-buffer");
  b->ctx = whole->ctx;
  b->bytes = bytes;
  b->parent = whole;
  b->offset = at;
  b->root = whole->root;
  b->root_offset = whole->root_offset + at;
  b->references = 1;
  whole->references++;
  *out = b;
  return LCL_OK;
}

/* Keeps the memory for the next buffer; an in-order queue 0 makes reuse safe while old commands
 * still run. */
static void recycle(lcl_context *ctx, cl_mem mem, size_t bytes, lcl_memory where) {
  ctx->pool.current -= bytes;
  ctx->pool.buffers--;
  if (where == LCL_IN_DEVICE_MEMORY &&
      LCL_PUSH(&ctx->pool.idle, ((struct lcl_pool_block) { mem, bytes })))
    return;
  clReleaseMemObject(mem);
  ctx->pool.held -= bytes;
}

void lcl_buffer_destroy(lcl_buffer *b) {
  while (b && --b->references == 0) {
    lcl_buffer *parent = b->parent;
    lcl_context *ctx = parent ? NULL : b->ctx; /* a part stands on its parent */
    if (b->allocated)
      recycle(b->ctx, b->mem, b->allocated, b->where);
    else
      clReleaseMemObject(b->mem);
    lcl__free(b);
    if (ctx) lcl__context_release(ctx);
    b = parent;
  }
}

size_t lcl_buffer_size(const lcl_buffer *b) {
  if (!b) return 0;
  return b->bytes;
}
void *lcl_buffer_cl_mem(lcl_buffer *b) {
  if (!b) return NULL;
  return b->mem;
}
lcl_buffer *lcl__buffer_retain(lcl_buffer *b) {
  b->references++;
  return b;
}
lcl_context *lcl__buffer_context(const lcl_buffer *b) {
  return b->ctx;
}
cl_mem lcl__buffer_mem(const lcl_buffer *b) {
  return b->mem;
}
