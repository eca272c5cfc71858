#define _GNU_SOURCE
#pragma GCC diagnostic ignored                                                                     \
    "-Wpedantic" /* dlsym gives functions as void*, which POSIX allows and C does not */
#include "fail_cl.h"

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_llong fail_in = -1, live, calls;
static _Atomic(const char *) happened;

void fail_cl(int64_t nth) {
  atomic_store(&happened, NULL);
  atomic_store(&fail_in, nth);
}
const char *fail_cl_happened(void) {
  return atomic_load(&happened);
}
int64_t fail_cl_live(void) {
  return atomic_load(&live);
}
int64_t fail_cl_count(void) {
  return atomic_load(&calls);
}

static int now(const char *name) {
  atomic_fetch_add(&calls, 1);
  if (atomic_load(&fail_in) < 0 || atomic_fetch_sub(&fail_in, 1) != 0) return 0;
  atomic_store(&happened, name);
  return 1;
}

static void *real(const char *name) {
  /* By handle: a linker that leaves out unneeded libraries sees no need for this one. */
  static _Atomic(void *) library;
  if (!atomic_load(&library)) atomic_store(&library, dlopen("libOpenCL.so.1", RTLD_NOW));
  void *f = atomic_load(&library) ? dlsym(atomic_load(&library), name) : NULL;
  if (!f) abort();
  return f;
}

static void count_event(cl_int err, cl_event *event) {
  if (err == CL_SUCCESS && event) atomic_fetch_add(&live, 1);
}

/* A function that returns a status and makes nothing. */
#define STATUS(name, parameters, arguments, code)                                                  \
  cl_int name parameters {                                                                         \
    if (now(#name)) return code;                                                                   \
    cl_int(*f) parameters = real(#name);                                                           \
    return f arguments;                                                                            \
  }
/* One that waits: it does so even when it is made to fail, or the caller could not know when memory
 * is free. */
#define WAITING(name, parameters, arguments, code)                                                 \
  cl_int name parameters {                                                                         \
    int fails = now(#name);                                                                        \
    cl_int(*f) parameters = real(#name);                                                           \
    cl_int err = f arguments;                                                                      \
    return fails ? code : err;                                                                     \
  }
/* One that may make an event. */
#define ENQUEUE(name, parameters, arguments, code)                                                 \
  cl_int name parameters {                                                                         \
    if (now(#name)) return code;                                                                   \
    cl_int(*f) parameters = real(#name);                                                           \
    cl_int result = f arguments;                                                                   \
    count_event(result, event);                                                                    \
    return result;                                                                                 \
  }
/* One that makes an object. */
#define CREATE(type, name, parameters, arguments, code)                                            \
  type name parameters {                                                                           \
    if (now(#name)) {                                                                              \
      if (err) *err = code;                                                                        \
      return NULL;                                                                                 \
    }                                                                                              \
    type(*f) parameters = real(#name);                                                             \
    type made = f arguments;                                                                       \
    if (made) atomic_fetch_add(&live, 1);                                                          \
    return made;                                                                                   \
  }
#define RETAIN(name, type)                                                                         \
  cl_int name(type object) {                                                                       \
    if (now(#name)) return CL_OUT_OF_RESOURCES;                                                    \
    cl_int (*f)(type) = real(#name);                                                               \
    atomic_fetch_add(&live, 1);                                                                    \
    return f(object);                                                                              \
  }
#define RELEASE(name, type)                                                                        \
  cl_int name(type object) {                                                                       \
    cl_int (*f)(type) = real(#name);                                                               \
    atomic_fetch_sub(&live, 1);                                                                    \
    return f(object);                                                                              \
  }

STATUS(clGetPlatformIDs, (cl_uint n, cl_platform_id *ids, cl_uint *out), (n, ids, out),
       CL_OUT_OF_HOST_MEMORY)
STATUS(clGetPlatformInfo, (cl_platform_id p, cl_platform_info i, size_t n, void *v, size_t *out),
       (p, i, n, v, out), CL_OUT_OF_HOST_MEMORY)
STATUS(clGetDeviceIDs,
       (cl_platform_id p, cl_device_type t, cl_uint n, cl_device_id *ids, cl_uint *out),
       (p, t, n, ids, out), CL_OUT_OF_RESOURCES)
STATUS(clGetDeviceInfo, (cl_device_id d, cl_device_info i, size_t n, void *v, size_t *out),
       (d, i, n, v, out), CL_OUT_OF_RESOURCES)
STATUS(clGetContextInfo, (cl_context c, cl_context_info i, size_t n, void *v, size_t *out),
       (c, i, n, v, out), CL_OUT_OF_RESOURCES)
STATUS(clGetCommandQueueInfo,
       (cl_command_queue q, cl_command_queue_info i, size_t n, void *v, size_t *out),
       (q, i, n, v, out), CL_OUT_OF_RESOURCES)
STATUS(clGetMemObjectInfo, (cl_mem m, cl_mem_info i, size_t n, void *v, size_t *out),
       (m, i, n, v, out), CL_OUT_OF_RESOURCES)
STATUS(clSetMemObjectDestructorCallback, (cl_mem m, void(CL_CALLBACK *cb)(cl_mem, void *), void *u),
       (m, cb, u), CL_OUT_OF_HOST_MEMORY)
STATUS(clGetProgramInfo, (cl_program p, cl_program_info i, size_t n, void *v, size_t *out),
       (p, i, n, v, out), CL_OUT_OF_RESOURCES)
STATUS(clGetProgramBuildInfo,
       (cl_program p, cl_device_id d, cl_program_build_info i, size_t n, void *v, size_t *out),
       (p, d, i, n, v, out), CL_OUT_OF_RESOURCES)
STATUS(clGetEventProfilingInfo, (cl_event e, cl_profiling_info i, size_t n, void *v, size_t *out),
       (e, i, n, v, out), CL_PROFILING_INFO_NOT_AVAILABLE)
STATUS(clBuildProgram,
       (cl_program p, cl_uint n, const cl_device_id *d, const char *o,
        void(CL_CALLBACK *cb)(cl_program, void *), void *u),
       (p, n, d, o, cb, u), CL_BUILD_PROGRAM_FAILURE)
STATUS(clSetKernelArg, (cl_kernel k, cl_uint i, size_t n, const void *v), (k, i, n, v),
       CL_OUT_OF_RESOURCES)
STATUS(clFlush, (cl_command_queue q), (q), CL_OUT_OF_RESOURCES)
WAITING(clFinish, (cl_command_queue q), (q), CL_OUT_OF_RESOURCES)
WAITING(clWaitForEvents, (cl_uint n, const cl_event *e), (n, e),
        CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)

ENQUEUE(clEnqueueNDRangeKernel,
        (cl_command_queue q, cl_kernel k, cl_uint d, const size_t *o, const size_t *g,
         const size_t *l, cl_uint n, const cl_event *w, cl_event *event),
        (q, k, d, o, g, l, n, w, event), CL_OUT_OF_RESOURCES)
ENQUEUE(clEnqueueCopyBuffer,
        (cl_command_queue q, cl_mem a, cl_mem b, size_t x, size_t y, size_t z, cl_uint n,
         const cl_event *w, cl_event *event),
        (q, a, b, x, y, z, n, w, event), CL_MEM_OBJECT_ALLOCATION_FAILURE)
ENQUEUE(clEnqueueFillBuffer,
        (cl_command_queue q, cl_mem a, const void *p, size_t x, size_t y, size_t z, cl_uint n,
         const cl_event *w, cl_event *event),
        (q, a, p, x, y, z, n, w, event), CL_MEM_OBJECT_ALLOCATION_FAILURE)
ENQUEUE(clEnqueueReadBuffer,
        (cl_command_queue q, cl_mem a, cl_bool b, size_t x, size_t y, void *z, cl_uint n,
         const cl_event *w, cl_event *event),
        (q, a, b, x, y, z, n, w, event), CL_OUT_OF_RESOURCES)
ENQUEUE(clEnqueueWriteBuffer,
        (cl_command_queue q, cl_mem a, cl_bool b, size_t x, size_t y, const void *z, cl_uint n,
         const cl_event *w, cl_event *event),
        (q, a, b, x, y, z, n, w, event), CL_OUT_OF_RESOURCES)
ENQUEUE(clEnqueueMarkerWithWaitList,
        (cl_command_queue q, cl_uint n, const cl_event *w, cl_event *event), (q, n, w, event),
        CL_OUT_OF_HOST_MEMORY)
ENQUEUE(clEnqueueBarrierWithWaitList,
        (cl_command_queue q, cl_uint n, const cl_event *w, cl_event *event), (q, n, w, event),
        CL_OUT_OF_HOST_MEMORY)

CREATE(cl_context, clCreateContext,
       (const cl_context_properties *p, cl_uint n, const cl_device_id *d,
        void(CL_CALLBACK *cb)(const char *, const void *, size_t, void *), void *u, cl_int *err),
       (p, n, d, cb, u, err), CL_DEVICE_NOT_AVAILABLE)
CREATE(cl_command_queue, clCreateCommandQueue,
       (cl_context c, cl_device_id d, cl_command_queue_properties p, cl_int *err), (c, d, p, err),
       CL_OUT_OF_RESOURCES)
CREATE(cl_mem, clCreateBuffer, (cl_context c, cl_mem_flags f1, size_t n, void *h, cl_int *err),
       (c, f1, n, h, err), CL_MEM_OBJECT_ALLOCATION_FAILURE)
CREATE(cl_mem, clCreateSubBuffer,
       (cl_mem m, cl_mem_flags f1, cl_buffer_create_type t, const void *i, cl_int *err),
       (m, f1, t, i, err), CL_OUT_OF_RESOURCES)
CREATE(cl_program, clCreateProgramWithSource,
       (cl_context c, cl_uint n, const char **s, const size_t *l, cl_int *err), (c, n, s, l, err),
       CL_OUT_OF_HOST_MEMORY)
CREATE(cl_program, clCreateProgramWithBinary,
       (cl_context c, cl_uint n, const cl_device_id *d, const size_t *l, const unsigned char **b,
        cl_int *s, cl_int *err),
       (c, n, d, l, b, s, err), CL_INVALID_BINARY)
CREATE(cl_kernel, clCreateKernel, (cl_program p, const char *s, cl_int *err), (p, s, err),
       CL_OUT_OF_RESOURCES)

void *clEnqueueMapBuffer(cl_command_queue q, cl_mem m, cl_bool b, cl_map_flags fl, size_t x,
                         size_t y, cl_uint n, const cl_event *w, cl_event *event, cl_int *err) {
  if (now("clEnqueueMapBuffer")) {
    *err = CL_MAP_FAILURE;
    return NULL;
  }
  void *(*f)(cl_command_queue, cl_mem, cl_bool, cl_map_flags, size_t, size_t, cl_uint,
             const cl_event *, cl_event *, cl_int *) = real("clEnqueueMapBuffer");
  return f(q, m, b, fl, x, y, n, w, event, err);
}

cl_int clCreateKernelsInProgram(cl_program p, cl_uint n, cl_kernel *kernels, cl_uint *out) {
  if (now("clCreateKernelsInProgram")) return CL_OUT_OF_RESOURCES;
  cl_int (*f)(cl_program, cl_uint, cl_kernel *, cl_uint *) = real("clCreateKernelsInProgram");
  cl_int err = f(p, n, kernels, out);
  if (err == CL_SUCCESS && kernels) atomic_fetch_add(&live, n);
  return err;
}

RETAIN(clRetainContext, cl_context)
RETAIN(clRetainCommandQueue, cl_command_queue)
RETAIN(clRetainMemObject, cl_mem)
RETAIN(clRetainEvent, cl_event)
RELEASE(clReleaseContext, cl_context)
RELEASE(clReleaseCommandQueue, cl_command_queue)
RELEASE(clReleaseMemObject, cl_mem)
RELEASE(clReleaseEvent, cl_event)
RELEASE(clReleaseProgram, cl_program)
RELEASE(clReleaseKernel, cl_kernel)
