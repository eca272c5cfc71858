/* Layer 1: devices, programs, buffers, launch lists, profiler. Internal; include/latentcl/context.h
 * is the public part. */
#ifndef LCL_DEVICE_H
#define LCL_DEVICE_H

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>

#include "base/base.h"
#include "latentcl/context.h"

/* ---- what a device can do (device/caps.c) ---- */

/* Read from the device once, then narrowed by LATENTCL_DISABLE / lcl_context_desc.disable.
 * Everything above this layer decides by these, never by a name. */
typedef struct lcl_caps {
  char name[256], vendor[128], driver[128], version[128], platform[128];
  cl_device_type type;
  int platform_index, device_index;
  unsigned compute_units;
  unsigned clock;        /* MHz, at most; 0: unknown */
  size_t max_work_group; /* work-items in a group */
  size_t max_work_item[3];
  size_t local_mem; /* bytes; can be lowered with local_mem=32k */
  size_t global_mem, max_alloc;
  size_t base_align;         /* bytes, of a sub-buffer's origin */
  unsigned preferred_float;  /* native vector width of float */
  size_t preferred_multiple; /* preferred work-group size multiple of a trivial kernel (warp, wave,
                                SIMD) */
  unsigned unit_lanes;  /* work-items that a compute unit computes in a cycle, as far as known */
  bool local_is_global; /* CL_GLOBAL local memory: staging in it buys nothing (CPU drivers) */
  bool unified_memory;  /* as the driver says */
  bool fp16, fp64, subgroups, out_of_order, command_buffer;
  bool host_memory; /* buffers may lie in memory that the host uses too: a device that computes with
                       the host's cores. lcl__host_memory_ask says whether they can. */
  bool clblast, clfft; /* built in and not disabled */
  bool overlap; /* uploads may go beside kernels: a context measures whether that is faster, unless
                   LATENTCL_ENABLE or LATENTCL_DISABLE decides */
  bool packed;  /* packed kernels (one work-item a group, wide vectors), else tiled ones. A context
                  knows which: it measures, unless LATENTCL_ENABLE or LATENTCL_DISABLE decides. */
} lcl_caps;

/* All devices of all platforms. */
typedef struct lcl_device_info {
  cl_platform_id platform;
  cl_device_id device; /* NULL: this row is a platform without a device */
  lcl_caps caps;
} lcl_device_info;
lcl_status lcl__devices(lcl_device_info **rows, size_t *n); /* lcl__free(rows) */
/* How a device is called wherever one is named by its place: "1:0" into buf; returns buf. */
const char *lcl__caps_selector(const lcl_caps *caps, char buf[24]);
bool lcl__room_for(size_t mib); /* of address space, at this moment */
/* Whether PoCL cannot write where it keeps what it compiled, into path: it shows no device then. */
bool lcl__pocl_is_locked_out(char *path, size_t size);
/* Index into rows for a selector; LCL_ERR_NO_DEVICE with the list of what exists in the message. */
lcl_status lcl__device_select(const lcl_device_info *rows, size_t n, const char *selector,
                              size_t *index);

/* Narrows caps by a list of features to switch off ("fp16,local_mem=32k"); where names the origin
 * in the message. */
lcl_status lcl__caps_disable(lcl_caps *caps, const char *list, const char *where);
/* Reads LATENTCL_ENABLE's list, which may force a family of kernels and uploads that overlap; where
 * names the origin in the message. */
typedef enum lcl_family { LCL_FAMILY_MEASURED, LCL_FAMILY_PACKED, LCL_FAMILY_TILED } lcl_family;
typedef struct lcl_enabled {
  lcl_family family;
  bool overlap;
} lcl_enabled;
lcl_status lcl__enable_parse(const char *list, const char *where, lcl_enabled *enabled);

const lcl_caps *lcl__context_caps(const lcl_context *ctx);
cl_command_queue lcl__context_queue(lcl_context *ctx); /* compute queue 0 */
const char *lcl__cl_error_name(cl_int err);            /* "CL_OUT_OF_RESOURCES" */
lcl_status lcl__cl_fail(lcl_context *ctx, cl_int err,
                        const char *what); /* picks the status, names the device */

/* A context lives until the caller destroyed it and nothing stands on it any more: buffers, lists,
 * stores, programs. */
lcl_context *lcl__context_retain(lcl_context *ctx);
void lcl__context_release(lcl_context *ctx);
/* Around every public call that uses the device: fails when the caller destroyed the context, or
 * another thread is inside. Calls of one thread may nest. leave returns status. */
lcl_status lcl__context_enter(lcl_context *ctx);
lcl_status lcl__context_leave(lcl_context *ctx, lcl_status status);

/* What upper layers keep with the context; freed with it. */
enum { LCL_ATTACH_TUNING, LCL_ATTACH_CHOOSER, LCL_ATTACH_GENERATED, LCL_ATTACHMENTS };
void **lcl__context_attachment(lcl_context *ctx, int which, void (*free_fn)(void *));

/* ---- programs (device/program.c, device/cache.c) ---- */

/* A program is named by a file of cl/ (embedded, or read from LATENTCL_KERNELS) or by generated
 * source, plus options
 * ("-DTILE=4 -DVEC=8"). cl/common.cl is put in front of either, with #line so that a compile error
 * names the file. The same (source, options) is built once per context; binaries are cached on
 * disk. */
typedef struct lcl_source {
  const char *file;    /* "matmul.cl", or NULL */
  const char *text;    /* generated source when file is NULL */
  const char *options; /* may be NULL */
} lcl_source;

/* Builds what is not built yet, in parallel on host threads. The first failure is reported; a
 * kernel that the driver refused before (remembered on disk too) fails at once with LCL_ERR_BUILD.
 */
lcl_status lcl__programs_build(lcl_context *ctx, const lcl_source *sources, size_t n);
/* A new kernel object (arguments are not shared with other users); clReleaseKernel when done.
 * Builds if needed. */
lcl_status lcl__kernel_create(lcl_context *ctx, const lcl_source *source, const char *kernel,
                              cl_kernel *out);
/* How many programs this context compiled from source / loaded from the cache / found already
 * built. */
typedef struct lcl_build_stats {
  size_t compiled, loaded, reused;
  double seconds;
} lcl_build_stats;
lcl_build_stats lcl__context_build_stats(const lcl_context *ctx);

/* The cache's key of `what` where it depends on the device and its driver with its version. False:
 * out of memory. */
bool lcl__driver_key(const lcl_context *ctx, const char *what, char key[33]);

/* Sources embedded at build time: text of cl/<file>, NULL if there is none; and the list of names.
 */
const char *lcl__embedded_source(const char *file);
extern const char *const lcl__embedded_names[]; /* NULL-terminated */

/* ---- buffers (device/buffer.c) ---- */

/* A part of a buffer as a buffer of its own (clCreateSubBuffer); offset must be a multiple of
 * caps.base_align. */
lcl_status lcl__buffer_sub(lcl_buffer *parent, size_t offset, size_t bytes, lcl_buffer **out);

/* Where a buffer lies. What lies in host memory, the host may use too while no command does. */
typedef enum lcl_memory { LCL_IN_DEVICE_MEMORY, LCL_IN_HOST_MEMORY } lcl_memory;
/* lcl_buffer_create there; in host memory only where lcl__host_memory_ask said so. */
lcl_status lcl__buffer_create_in(lcl_context *ctx, size_t bytes, lcl_memory where,
                                 lcl_buffer **out);
/* Where it costs least to exchange a buffer's data with the host (device/host_memory.c). */
lcl_status lcl__host_memory_ask(lcl_context *ctx, lcl_memory *where);
/* Whether the device goes through LCL_LONG_LOOP rounds of a loop (device/loops.c). Where it does
 * not, LCL_SHORT_LOOP rounds of all a work-item's loops together are right. */
enum { LCL_LONG_LOOP = 100000, LCL_SHORT_LOOP = 60000 };
lcl_status lcl__loops_ask(lcl_context *ctx, bool *whole);
/* Of a buffer in host memory or a part of one; NULL: it lies in the device's. */
void *lcl__host_pointer(cl_mem mem);

cl_mem lcl__buffer_mem(const lcl_buffer *buf);
lcl_context *lcl__buffer_context(const lcl_buffer *buf);
lcl_buffer *lcl__buffer_retain(lcl_buffer *buf); /* another owner; each destroys it once */

/* ---- launches (device/launch.c) ---- */

/* One description of a launch serves from the op to the queue. An op fills it in over memory slots
 * of the graph's compiler; the compiler binds the slots to buffers; a list places it on a queue. */

/* A memory argument is also a range that the launch reads or writes: hazards come from these. */
typedef enum lcl_arg_kind {
  LCL_ARG_I32,
  LCL_ARG_F32,
  LCL_ARG_LOCAL,
  LCL_ARG_BYTES,
  LCL_ARG_MEMORY,
  LCL_ARG_BAD
} lcl_arg_kind;
enum { LCL_READ = 1, LCL_WRITE = 2, LCL_READ_WRITE = 3 };
enum { LCL_ARG_MAX_BYTES = 64 };
typedef struct lcl_arg {
  lcl_arg_kind kind;
  int access;    /* MEMORY: LCL_READ, LCL_WRITE */
  int slot;      /* MEMORY: the compiler's slot, until it is bound */
  bool in_place; /* MEMORY: read, each element last where a written argument that is in_place gets
                    that element: this may take the memory of the other */
  lcl_buffer *buffer;
  size_t offset, bytes; /* MEMORY: the range of buffer that is touched; a kernel gets all of it */
  union {
    int32_t i32;
    float f32;
    size_t local_bytes;
    struct {
      uint8_t data[LCL_ARG_MAX_BYTES];
      size_t n;
    } bytes; /* a struct of cl/args.h or an int8, by value */
  } u;
} lcl_arg;

lcl_arg lcl__i32(int64_t value); /* a value beyond 31 bits makes the launch fail */
lcl_arg lcl__f32(float value);
lcl_arg lcl__local(size_t bytes);
lcl_arg lcl__bytes(const void *value, size_t bytes); /* at most LCL_ARG_MAX_BYTES, by value */
lcl_arg lcl__int8(const int64_t *values, int n);     /* n values, the rest 0, as an OpenCL int8 */
/* A field of the structs of cl/args.h: a struct of its own, so that no size becomes one unchecked.
 */
typedef struct arg_int {
  int32_t value;
} arg_int;
/* Such a struct as an argument; does not compile where it is too large. */
#define LCL_STRUCT(s)   lcl__bytes(&(s), LCL_ARG_SIZE(s))
#define LCL_ARG_SIZE(s) (sizeof(s) * sizeof(char[sizeof(s) <= LCL_ARG_MAX_BYTES ? 1 : -1]))
lcl_arg lcl__memory(lcl_buffer *buffer, int access); /* all of it */
lcl_arg lcl__memory_part(lcl_buffer *buffer, size_t offset, size_t bytes, int access);

typedef enum lcl_launch_kind {
  LCL_LAUNCH_KERNEL,
  LCL_LAUNCH_CALL, /* a library (CLBlast, clFFT) or host work that enqueues on the queue it is given
                    */
  LCL_LAUNCH_COPY, /* args[0] read -> args[1] written, same bytes */
  LCL_LAUNCH_FILL  /* args[0] filled with a pattern of 4 bytes */
} lcl_launch_kind;

/* Enqueues work on queue after the wait events. mem: the memory arguments in their order. *done
 * gets an event that the scheduler releases (done is NULL: no event is wanted). */
typedef lcl_status (*lcl_call_fn)(void *user, cl_command_queue queue, const cl_mem *mem,
                                  cl_uint n_wait, const cl_event *wait, cl_event *done);

typedef struct lcl_launch {
  lcl_launch_kind kind;
  const char *label; /* "conv2d 32x1x28x28 packed" */
  lcl_source source; /* KERNEL: where it is, and its name */
  const char *kernel;
  const lcl_arg *args;
  int n_args;
  int dims;
  size_t global[3], local[3]; /* local[0] == 0: lcl__emit() chooses, and may round the
                                 global size up: the kernel checks its bounds. A global size of 0
                                 makes the launch a no-op. */
  lcl_call_fn call;
  void *user;
  void (*user_free)(void *user);
  uint32_t pattern;
  double flops, bytes; /* for the profile */
} lcl_launch;
#define LCL_ARGS(...)                                                                              \
  .args = (lcl_arg[]) { __VA_ARGS__ },                                                             \
  .n_args = (int)(sizeof((lcl_arg[]) { __VA_ARGS__ }) / sizeof(lcl_arg))

/* ---- launch lists (device/list.c, place.c, run.c) ---- */

typedef struct lcl_list lcl_list;
lcl_status lcl__list_create(lcl_context *ctx, lcl_list **out);
/* Makes the kernel and sets its arguments. Everything is copied; user belongs to the list once
 * added. */
lcl_status lcl__list_add(lcl_list *list, const lcl_launch *launch);
/* Derives the hazards (RAW, WAR, WAW) and places the launches on the context's queues. After this
 * only run. */
lcl_status lcl__list_seal(lcl_list *list);
/* What is enqueued on queue 0 from now on, runs of lists included, comes after n events. */
lcl_status lcl__queue_wait(lcl_context *ctx, cl_uint n, const cl_event *events);
/* Enqueues the whole list; returns without waiting. Runs of lists on one context are ordered after
 * each other. done (may be NULL) receives an event of the end, released by the caller. A failure
 * names the launch's label. */
lcl_status lcl__list_run(lcl_list *list, cl_event *done);
/* How many runs it takes until the number of queues is settled; 0: it is. */
int lcl__list_unsettled(const lcl_list *list);
/* The measured seconds of a run on one queue, on two, on four (placement 0 to 2); 0: not measured.
 */
double lcl__list_seconds(const lcl_list *list, int placement);
/* Which queue the launch goes to, and a line on the queues for people: how many are used, and why.
 */
int lcl__list_queue(const lcl_list *list, size_t launch);
void lcl__list_describe(const lcl_list *list, lcl_str *out);
/* "auto" (0 queues: their number is measured) or 1 to 8; NULL and "" are auto. */
lcl_status lcl__queues_parse(const char *text, const char *name, int *queues);
void lcl__list_destroy(lcl_list *list);
/* For tests and --check-numerics: run launch i only, and wait for it. */
lcl_status lcl__list_run_one(lcl_list *list, size_t i);

/* Transfers. Writes copy the host data before returning; both are ordered with list runs. */
lcl_status lcl__upload(lcl_context *ctx, lcl_buffer *dst, size_t offset, const void *data,
                       size_t bytes);
lcl_status lcl__download(lcl_context *ctx, lcl_buffer *src, size_t offset, void *data,
                         size_t bytes); /* waits */
/* Enqueues a copy of the first bytes of src into dst. */
lcl_status lcl__copy(lcl_context *ctx, lcl_buffer *src, lcl_buffer *dst, size_t offset,
                     size_t bytes);

/* ---- profile (device/profile.c) ---- */

/* Device time of every launch since the context was created (contexts with .profile). */
typedef struct lcl_profile_row {
  const char *label;
  size_t calls;
  double seconds, flops, bytes; /* sums over the calls */
} lcl_profile_row;
lcl_status lcl__profile_rows(lcl_context *ctx, lcl_profile_row **rows,
                             size_t *n); /* by label, most time first; lcl__free */
bool lcl__context_profiles(const lcl_context *ctx);
/* What runs from now on is recorded by `profile` (NULL: not); returns what recorded until now, to
 * be put back. The context must have no list that was sealed under another one and runs meanwhile.
 */
typedef struct lcl_profile lcl_profile;
lcl_profile *lcl__profile_set_aside(lcl_context *ctx, lcl_profile *profile);
/* Keeps the start and end of each launch from now on (24 bytes each); without it only the sums. */
lcl_status lcl__profile_start_trace(lcl_context *ctx);
/* What was kept, as Chrome trace events with a lane a queue. */
lcl_status lcl__profile_write_trace(lcl_context *ctx, const char *path);

#endif
