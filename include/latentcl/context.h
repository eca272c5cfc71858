/* Devices and contexts.
 *
 * A context owns one OpenCL device, its queues, its compiled kernels and its buffers. It is used by
 * one thread at a time; different contexts may be used by different threads at once. */
#ifndef LATENTCL_CONTEXT_H
#define LATENTCL_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "latentcl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lcl_context lcl_context;

/* What a context is made from. Zero everywhere is a good default. Handles of the caller are given
 * as the OpenCL types cast to void* so that this header needs no OpenCL header; they are retained
 * while the context lives. */
typedef struct lcl_context_desc {
  const char *device;  /* selector: "1:0", "gpu", "cpu", part of a name ("pocl", "nvidia"), NULL:
                          LATENTCL_DEVICE, then "auto" */
  const char *disable; /* features to switch off, comma separated, added to LATENTCL_DISABLE */
  int queues;          /* compute queues to create (default 1) */
  bool profile;        /* keep per-launch device times */
  size_t memory_limit; /* bytes of device memory the context may hold (0: what the device has) */
  void *cl_context;    /* wrap the caller's cl_context ... */
  void *cl_device;     /* ... this device of it ... */
  void **cl_queues;    /* ... and these queues (n_cl_queues; NULL: create our own) */
  int n_cl_queues;
} lcl_context_desc;

LCL_API lcl_status lcl_context_create(const lcl_context_desc *desc, lcl_context **out);
/* Waits for what is running. Everything that was made from the context (buffers, graphs, programs)
 * is destroyed before. */
LCL_API void lcl_context_destroy(lcl_context *ctx);

/* Waits until everything that was enqueued is done. */
LCL_API lcl_status lcl_context_finish(lcl_context *ctx);

/* Interop: the OpenCL handles behind a context, cast to void*; still owned by the context. */
LCL_API void *lcl_context_cl_context(lcl_context *ctx);
LCL_API void *lcl_context_cl_device(lcl_context *ctx);
LCL_API void *lcl_context_cl_queue(lcl_context *ctx, int index);

/* Bytes of device memory in use now, and the most there ever were. */
typedef struct lcl_memory_use {
  size_t current, peak;
  size_t buffers;
} lcl_memory_use;
LCL_API lcl_memory_use lcl_context_memory(const lcl_context *ctx);

/* Device name of the context, e.g. "NVIDIA H100". Valid while the context lives. */
LCL_API const char *lcl_context_device_name(const lcl_context *ctx);

/* Buffers: device memory that programs or the caller use. */
typedef struct lcl_buffer lcl_buffer;
LCL_API lcl_status lcl_buffer_create(lcl_context *ctx, size_t bytes,
                                     lcl_buffer **out); /* content is undefined */
LCL_API lcl_status lcl_buffer_wrap(lcl_context *ctx, void *cl_mem,
                                   lcl_buffer **out); /* retains cl_mem */
LCL_API void lcl_buffer_destroy(lcl_buffer *buf);
LCL_API size_t lcl_buffer_size(const lcl_buffer *buf);
LCL_API void *lcl_buffer_cl_mem(lcl_buffer *buf);
LCL_API lcl_status lcl_buffer_write(lcl_buffer *buf, size_t offset, const void *data,
                                    size_t bytes); /* blocking */
LCL_API lcl_status lcl_buffer_read(lcl_buffer *buf, size_t offset, void *data,
                                   size_t bytes); /* blocking */

#ifdef __cplusplus
}
#endif
#endif
