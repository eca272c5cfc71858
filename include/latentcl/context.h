/** @file
 * Devices, contexts and buffers.
 *
 * A context owns one OpenCL device, its queues, its compiled kernels and its buffers. A context and
 * everything made from it is used by one thread at a time; different contexts may be used by
 * different threads at once. */
#ifndef LATENTCL_CONTEXT_H
#define LATENTCL_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "latentcl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What a device says of itself. */
typedef struct lcl_device {
  char selector[32];      /**< for #lcl_context_desc: "1:0" */
  char name[256];         /**< e.g. "NVIDIA H100" */
  char vendor[128];       /**< of the device */
  char platform[128];     /**< of its driver */
  char driver[128];       /**< its version */
  char kind[16];          /**< "GPU", "CPU" or "accelerator" */
  unsigned compute_units; /**< how many */
  uint64_t memory;        /**< bytes of global memory */
  bool chosen;            /**< LATENTCL_DEVICE selects it or, without that, "auto" does */
} lcl_device;

/** Devices of all OpenCL platforms.
 *
 * @param devices  receives the first `room` of them
 * @param room     0: only count
 * @param n        receives how many there are
 * @return #LCL_OK, also without any device */
LCL_API lcl_status lcl_devices(lcl_device *devices, size_t room, size_t *n);

/** One OpenCL device and all that LatentCL keeps on it. */
typedef struct lcl_context lcl_context;

/** What a context is made from. Zero everywhere is a good default.
 *
 * Handles of the caller are given as the OpenCL types cast to void*, so that this header needs no
 * OpenCL header; they are retained while the context lives. */
typedef struct lcl_context_desc {
  /** Selector: "1:0" (platform and device), "gpu", "cpu", "accelerator", "auto", or part of a name,
   * vendor, platform or version ("pocl", "nvidia"). NULL: LATENTCL_DEVICE, then "auto". */
  const char *device;
  /** Features to do without, comma separated, beside those of LATENTCL_DISABLE; NULL: none. */
  const char *disable;
  int queues;   /**< compute queues, 1 to 8; 0: what LATENTCL_QUEUES says, by default as many as
                     are fastest, which the first runs of a program measure */
  bool profile; /**< record the device time of every launch */
  size_t memory_limit; /**< bytes of device memory that the context may hold (0: the device's) */
  void *cl_context;    /**< the caller's cl_context to wrap; NULL: create one */
  void *cl_device;     /**< the device of it; NULL: its only one */
  void **cl_queues;    /**< its cl_command_queues to use, at most 8; NULL: create them */
  int n_cl_queues;     /**< how many there are in cl_queues */
} lcl_context_desc;

/** Opens a device.
 *
 * @param desc  what to open; NULL: all defaults
 * @param out   receives the context, NULL on failure; lcl_context_destroy() ends it
 * @return #LCL_ERR_NO_DEVICE with the list of devices when none matches; #LCL_ERR_ARGUMENT for an
 *   unknown feature, a number of queues outside 0 to 8, or a device that is not in cl_context */
LCL_API lcl_status lcl_context_create(const lcl_context_desc *desc, lcl_context **out);

/** Waits for what is running and frees the context. Everything that was made from it (buffers,
 * stores, graphs, programs) has to be destroyed before.
 *
 * @param ctx  the context; NULL is allowed */
LCL_API void lcl_context_destroy(lcl_context *ctx);

/** Waits until everything that this context was asked to do is done, and what was enqueued on queue
 * 0.
 *
 * @param ctx  the context
 * @return #LCL_ERR_OPENCL when a queue reports an error */
LCL_API lcl_status lcl_context_finish(lcl_context *ctx);

/** The cl_context behind a context.
 *
 * @param ctx  the context
 * @return a cl_context cast to void*, owned by ctx */
LCL_API void *lcl_context_cl_context(lcl_context *ctx);

/** The OpenCL device behind a context.
 *
 * @param ctx  the context
 * @return a cl_device_id cast to void* */
LCL_API void *lcl_context_cl_device(lcl_context *ctx);

/** A compute queue of a context. Queue 0 orders transfers and runs.
 *
 * @param ctx    the context
 * @param index  0 to the number of queues - 1
 * @return a cl_command_queue cast to void*, owned by ctx; NULL: there is no such queue */
LCL_API void *lcl_context_cl_queue(lcl_context *ctx, int index);

/** Device memory of a context. */
typedef struct lcl_memory_use {
  size_t current; /**< bytes in use now */
  size_t peak;    /**< the most bytes that were in use at once */
  size_t buffers; /**< live buffers that the context allocated (not wrapped ones) */
} lcl_memory_use;

/** Device memory in use, and the most there ever was.
 *
 * @param ctx  the context
 * @return the numbers of this moment */
LCL_API lcl_memory_use lcl_context_memory(const lcl_context *ctx);

/** Name of the device as its driver gives it, e.g. "NVIDIA H100".
 *
 * @param ctx  the context
 * @return text that is valid while ctx lives */
LCL_API const char *lcl_context_device_name(const lcl_context *ctx);

/** Device memory that programs or the caller use. */
typedef struct lcl_buffer lcl_buffer;

/** Allocates device memory. Its content is undefined.
 *
 * @param ctx    the context, which has to outlive the buffer
 * @param bytes  size
 * @param out    receives the buffer, NULL on failure; lcl_buffer_destroy() ends it
 * @return #LCL_ERR_DEVICE_MEMORY when the device, its largest allocation or memory_limit is too
 *   small */
LCL_API lcl_status lcl_buffer_create(lcl_context *ctx, size_t bytes, lcl_buffer **out);

/** Makes a buffer of the caller's device memory, without a copy.
 *
 * @param ctx     a context that wraps the cl_context of cl_mem
 * @param cl_mem  a cl_mem (a buffer or a part of one) cast to void*; retained while the buffer
 * lives
 * @param out     receives the buffer, NULL on failure; lcl_buffer_destroy() ends it
 * @return #LCL_ERR_ARGUMENT when cl_mem belongs to another cl_context or is no buffer */
LCL_API lcl_status lcl_buffer_wrap(lcl_context *ctx, void *cl_mem, lcl_buffer **out);

/** Gives a buffer back. Work that was enqueued on it still finishes.
 *
 * @param buf  the buffer; NULL is allowed */
LCL_API void lcl_buffer_destroy(lcl_buffer *buf);

/** Size of a buffer.
 *
 * @param buf  the buffer
 * @return bytes, as asked for or as the cl_mem has */
LCL_API size_t lcl_buffer_size(const lcl_buffer *buf);

/** The cl_mem behind a buffer. It may be larger than the buffer.
 *
 * @param buf  the buffer
 * @return a cl_mem cast to void*, owned by buf */
LCL_API void *lcl_buffer_cl_mem(lcl_buffer *buf);

/** Copies from the host, after everything enqueued before. Returns when the data are there.
 *
 * @param buf     the buffer to write
 * @param offset  bytes from its start
 * @param data    bytes bytes of the host
 * @param bytes   how many
 * @return #LCL_ERR_ARGUMENT when the range lies outside the buffer */
LCL_API lcl_status lcl_buffer_write(lcl_buffer *buf, size_t offset, const void *data, size_t bytes);

/** Copies to the host, after everything enqueued before. Returns when the data are there.
 *
 * @param buf     the buffer to read
 * @param offset  bytes from its start
 * @param data    receives the bytes
 * @param bytes   how many
 * @return #LCL_ERR_ARGUMENT when the range lies outside the buffer */
LCL_API lcl_status lcl_buffer_read(lcl_buffer *buf, size_t offset, void *data, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
