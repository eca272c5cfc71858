/* nullcl.c: an OpenCL driver that computes nothing. It stands in for libOpenCL by LD_PRELOAD,
 * claims to be the GPU that NULLCL_DEVICE names, "builds" programs by writing them to NULLCL_DIR,
 * and writes down every kernel launch. With it a program takes the decisions it would take on that
 * GPU, on a machine that has none and no other driver either.
 *
 *   NULLCL_DEVICE  h100, a100, rtx3060, rx7900 (gfx1100), rx6800 (gfx1030), mi50 (gfx906), a770
 * (Intel) NULLCL_DIR     folder for the record: programs/HASH.cl and HASH.opt   text and options of
 * each program launches.jsonl                  one line a launch, copy, fill or wait, in order
 *   NULLCL_MOST    lines of launches.jsonl at most (100000)
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

typedef struct gpu {
  const char *key, *name, *vendor, *platform, *driver;
  cl_uint units;
  size_t local, warp, group;
  cl_uint vendor_query; /* the vendor's query for the width of a warp, if any */
  const char *extensions;
} gpu;
#define NVIDIA "cl_khr_byte_addressable_store cl_khr_fp64 cl_nv_device_attribute_query"
#define AMD    "cl_khr_byte_addressable_store cl_khr_fp16 cl_khr_fp64 cl_amd_device_attribute_query"
#define INTEL                                                                                      \
  "cl_khr_byte_addressable_store cl_khr_fp16 cl_khr_subgroups cl_intel_subgroups "                 \
  "cl_intel_required_subgroup_size"
static const gpu gpus[] = {
  { "h100", "NVIDIA H100 80GB HBM3", "NVIDIA Corporation", "NVIDIA CUDA", "550.00", 132, 48 << 10,
    32, 1024, 0x4003, NVIDIA },
  { "a100", "NVIDIA A100-SXM4-80GB", "NVIDIA Corporation", "NVIDIA CUDA", "550.00", 108, 48 << 10,
    32, 1024, 0x4003, NVIDIA },
  { "rtx3060", "NVIDIA GeForce RTX 3060", "NVIDIA Corporation", "NVIDIA CUDA", "550.00", 28,
    48 << 10, 32, 1024, 0x4003, NVIDIA },
  { "rx7900", "gfx1100", "Advanced Micro Devices, Inc.", "AMD Accelerated Parallel Processing",
    "3600.0", 48, 64 << 10, 32, 256, 0x4043, AMD },
  { "rx6800", "gfx1030", "Advanced Micro Devices, Inc.", "AMD Accelerated Parallel Processing",
    "3600.0", 30, 64 << 10, 32, 256, 0x4043, AMD },
  { "mi50", "gfx906:sramecc+:xnack-", "Advanced Micro Devices, Inc.",
    "AMD Accelerated Parallel Processing", "3600.0", 60, 64 << 10, 64, 256, 0x4043, AMD },
  { "a770", "Intel(R) Arc(TM) A770 Graphics", "Intel(R) Corporation", "Intel(R) OpenCL HD Graphics",
    "23.00", 512, 64 << 10, 32, 1024, 0, INTEL },
};

static const gpu *chosen(void) {
  const char *want = getenv("NULLCL_DEVICE");
  for (size_t i = 0; want && i < sizeof gpus / sizeof *gpus; i++)
    if (strcmp(gpus[i].key, want) == 0) return &gpus[i];
  return &gpus[0];
}

/* Every handle starts with its count of references. Nothing is ever freed but buffers: runs are
 * short. */
struct _cl_platform_id {
  atomic_int refs;
};
struct _cl_device_id {
  atomic_int refs;
};
struct _cl_context {
  atomic_int refs;
};
struct _cl_command_queue {
  atomic_int refs;
  cl_context context;
  cl_command_queue_properties properties;
};
struct _cl_mem {
  atomic_int refs;
  cl_mem parent;
  size_t offset, bytes;
  unsigned char *data;
};
struct _cl_program {
  atomic_int refs;
  char *text, *options, hash[17];
};
struct _cl_event {
  atomic_int refs;
  cl_ulong time;
};
typedef struct argument {
  int kind;
  size_t bytes;
  unsigned char value[64];
  cl_mem mem;
} argument;
struct _cl_kernel {
  atomic_int refs;
  cl_program program;
  char name[96];
  argument arg[96];
  int n;
};

static struct _cl_platform_id platform = { 1 };
static struct _cl_device_id device = { 1 };

/* ---- the record ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *record;
static long lines, most;

static const char *folder(void) {
  const char *d = getenv("NULLCL_DIR");
  return d && *d ? d : NULL;
}

static void open_record(void) {
  if (record || !folder()) return;
  char path[4096];
  mkdir(folder(), 0777);
  snprintf(path, sizeof path, "%s/programs", folder());
  mkdir(path, 0777);
  snprintf(path, sizeof path, "%s/launches.jsonl", folder());
  record = fopen(path, "w");
  const char *limit = getenv("NULLCL_MOST");
  most = limit ? atol(limit) : 100000;
}

/* Takes the lock and returns whether a line may be written. */
static int begin_line(void) {
  pthread_mutex_lock(&lock);
  open_record();
  if (record && lines < most) return lines++, 1;
  pthread_mutex_unlock(&lock);
  return 0;
}
static void end_line(void) {
  fflush(record);
  pthread_mutex_unlock(&lock);
}

static void write_simple(const char *what, size_t bytes) {
  if (!begin_line()) return;
  fprintf(record, "{\"what\":\"%s\",\"bytes\":%zu}\n", what, bytes);
  end_line();
}

static void write_text(const char *hash, const char *ending, const char *text) {
  char path[4096];
  if (!folder()) return;
  snprintf(path, sizeof path, "%s/programs/%s.%s", folder(), hash, ending);
  FILE *f = fopen(path, "w");
  if (!f) return;
  fputs(text, f);
  fclose(f);
}

static void hash_of(const char *a, const char *b, char out[17]) {
  uint64_t h = 14695981039346656037u;
  for (; *a; a++) h = (h ^ (unsigned char)*a) * 1099511628211u;
  for (; b && *b; b++) h = (h ^ (unsigned char)*b) * 1099511628211u;
  snprintf(out, 17, "%016" PRIx64, h);
}

static cl_ulong now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (cl_ulong)t.tv_sec * 1000000000u + (cl_ulong)t.tv_nsec;
}
static void make_event(cl_event *event) {
  if (!event) return;
  *event = calloc(1, sizeof **event);
  (*event)->refs = 1;
  (*event)->time = now();
}

/* ---- platforms and devices ---- */

cl_int clGetPlatformIDs(cl_uint n, cl_platform_id *ids, cl_uint *count) {
  if (ids && n) ids[0] = &platform;
  if (count) *count = 1;
  return CL_SUCCESS;
}

static cl_int answer(const void *value, size_t bytes, size_t size, void *out, size_t *need) {
  if (need) *need = bytes;
  if (!out) return CL_SUCCESS;
  if (size < bytes) return CL_INVALID_VALUE;
  memcpy(out, value, bytes);
  return CL_SUCCESS;
}
#define TEXT(s)        answer(s, strlen(s) + 1, size, out, need)
#define VALUE(type, v) answer(&(type) { v }, sizeof(type), size, out, need)

cl_int clGetPlatformInfo(cl_platform_id p, cl_platform_info what, size_t size, void *out,
                         size_t *need) {
  (void)p;
  switch (what) {
  case CL_PLATFORM_NAME: return TEXT(chosen()->platform);
  case CL_PLATFORM_VENDOR: return TEXT(chosen()->vendor);
  case CL_PLATFORM_VERSION: return TEXT("OpenCL 3.0 null");
  case CL_PLATFORM_PROFILE: return TEXT("FULL_PROFILE");
  case CL_PLATFORM_EXTENSIONS: return TEXT("");
  default: return CL_INVALID_VALUE;
  }
}

cl_int clGetDeviceIDs(cl_platform_id p, cl_device_type type, cl_uint n, cl_device_id *ids,
                      cl_uint *count) {
  (void)p;
  if (!(type & (CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_DEFAULT))) return CL_DEVICE_NOT_FOUND;
  if (ids && n) ids[0] = &device;
  if (count) *count = 1;
  return CL_SUCCESS;
}

cl_int clGetDeviceInfo(cl_device_id d, cl_device_info what, size_t size, void *out, size_t *need) {
  const gpu *g = chosen();
  (void)d;
  if (what == g->vendor_query) return VALUE(cl_uint, (cl_uint)g->warp);
  switch (what) {
  case CL_DEVICE_NAME: return TEXT(g->name);
  case CL_DEVICE_VENDOR: return TEXT(g->vendor);
  case CL_DRIVER_VERSION: return TEXT(g->driver);
  case CL_DEVICE_VERSION: return TEXT("OpenCL 3.0 null");
  case CL_DEVICE_OPENCL_C_VERSION: return TEXT("OpenCL C 1.2");
  case CL_DEVICE_PROFILE: return TEXT("FULL_PROFILE");
  case CL_DEVICE_EXTENSIONS: return TEXT(g->extensions);
  case CL_DEVICE_TYPE: return VALUE(cl_device_type, CL_DEVICE_TYPE_GPU);
  case CL_DEVICE_VENDOR_ID: return VALUE(cl_uint, 1);
  case CL_DEVICE_MAX_COMPUTE_UNITS: return VALUE(cl_uint, g->units);
  case CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS: return VALUE(cl_uint, 3);
  case CL_DEVICE_MAX_WORK_GROUP_SIZE: return VALUE(size_t, g->group);
  case CL_DEVICE_MAX_WORK_ITEM_SIZES: {
    const size_t items[3] = { g->group, g->group, g->group < 64 ? g->group : 64 };
    return answer(items, sizeof items, size, out, need);
  }
  case 0x1067: return VALUE(size_t, g->warp); /* CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE */
  case CL_DEVICE_MAX_CLOCK_FREQUENCY: return VALUE(cl_uint, 1700);
  case CL_DEVICE_LOCAL_MEM_TYPE: return VALUE(cl_uint, CL_LOCAL);
  case CL_DEVICE_LOCAL_MEM_SIZE: return VALUE(cl_ulong, g->local);
  case CL_DEVICE_GLOBAL_MEM_SIZE: return VALUE(cl_ulong, (cl_ulong)16 << 30);
  case CL_DEVICE_GLOBAL_MEM_CACHE_SIZE: return VALUE(cl_ulong, (cl_ulong)4 << 20);
  case CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE: return VALUE(cl_uint, 128);
  case CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE: return VALUE(cl_ulong, 65536);
  case CL_DEVICE_MAX_MEM_ALLOC_SIZE: return VALUE(cl_ulong, (cl_ulong)4 << 30);
  case CL_DEVICE_MEM_BASE_ADDR_ALIGN: return VALUE(cl_uint, 4096);
  case CL_DEVICE_ADDRESS_BITS: return VALUE(cl_uint, 64);
  case CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT:
  case CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT: return VALUE(cl_uint, 1);
  case CL_DEVICE_HOST_UNIFIED_MEMORY:
  case CL_DEVICE_ERROR_CORRECTION_SUPPORT: return VALUE(cl_bool, CL_FALSE);
  case CL_DEVICE_AVAILABLE:
  case CL_DEVICE_COMPILER_AVAILABLE:
  case CL_DEVICE_LINKER_AVAILABLE:
  case CL_DEVICE_ENDIAN_LITTLE: return VALUE(cl_bool, CL_TRUE);
  case CL_DEVICE_QUEUE_PROPERTIES:
    return VALUE(cl_command_queue_properties,
                 CL_QUEUE_PROFILING_ENABLE | CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  case CL_DEVICE_PLATFORM: return VALUE(cl_platform_id, &platform);
  case CL_DEVICE_SINGLE_FP_CONFIG:
    return VALUE(cl_device_fp_config, CL_FP_FMA | CL_FP_ROUND_TO_NEAREST | CL_FP_INF_NAN);
  default: return CL_INVALID_VALUE;
  }
}

void *clGetExtensionFunctionAddressForPlatform(cl_platform_id p, const char *name) {
  (void)p, (void)name;
  return NULL;
}

/* ---- contexts, queues, events ---- */

#define RETAIN(kind, Kind)                                                                         \
  cl_int clRetain##Kind(kind x) {                                                                  \
    x->refs++;                                                                                     \
    return CL_SUCCESS;                                                                             \
  }
#define RELEASE(kind, Kind)                                                                        \
  cl_int clRelease##Kind(kind x) {                                                                 \
    x->refs--;                                                                                     \
    return CL_SUCCESS;                                                                             \
  }
RETAIN(cl_context, Context)
RELEASE(cl_context, Context)
RETAIN(cl_command_queue, CommandQueue)
RELEASE(cl_command_queue, CommandQueue)
RETAIN(cl_program, Program)
RELEASE(cl_program, Program)
RETAIN(cl_kernel, Kernel)
RELEASE(cl_kernel, Kernel)
RETAIN(cl_event, Event)
RETAIN(cl_mem, MemObject)
cl_int clReleaseEvent(cl_event e) {
  if (--e->refs == 0) free(e);
  return CL_SUCCESS;
}
static void live_remove(cl_mem m);
cl_int clReleaseMemObject(cl_mem m) {
  if (--m->refs == 0) {
    live_remove(m);
    if (m->parent)
      clReleaseMemObject(m->parent);
    else
      free(m->data);
    free(m);
  }
  return CL_SUCCESS;
}

cl_context clCreateContext(const cl_context_properties *p, cl_uint n, const cl_device_id *ids,
                           void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *),
                           void *user, cl_int *err) {
  (void)p, (void)n, (void)ids, (void)notify, (void)user;
  cl_context c = calloc(1, sizeof *c);
  c->refs = 1;
  if (err) *err = CL_SUCCESS;
  return c;
}
cl_int clGetContextInfo(cl_context c, cl_context_info what, size_t size, void *out, size_t *need) {
  (void)c;
  if (what == CL_CONTEXT_DEVICES) return VALUE(cl_device_id, &device);
  if (what == CL_CONTEXT_NUM_DEVICES) return VALUE(cl_uint, 1);
  return CL_INVALID_VALUE;
}
cl_command_queue clCreateCommandQueue(cl_context c, cl_device_id d, cl_command_queue_properties p,
                                      cl_int *err) {
  (void)d;
  cl_command_queue q = calloc(1, sizeof *q);
  q->refs = 1;
  q->context = c;
  q->properties = p;
  if (err) *err = CL_SUCCESS;
  return q;
}
cl_int clGetCommandQueueInfo(cl_command_queue q, cl_command_queue_info what, size_t size, void *out,
                             size_t *need) {
  if (what == CL_QUEUE_CONTEXT) return VALUE(cl_context, q->context);
  if (what == CL_QUEUE_DEVICE) return VALUE(cl_device_id, &device);
  if (what == CL_QUEUE_PROPERTIES) return VALUE(cl_command_queue_properties, q->properties);
  return CL_INVALID_VALUE;
}
cl_int clFlush(cl_command_queue q) {
  (void)q;
  return CL_SUCCESS;
}
cl_int clFinish(cl_command_queue q) {
  (void)q;
  write_simple("wait", 0);
  return CL_SUCCESS;
}
cl_int clWaitForEvents(cl_uint n, const cl_event *e) {
  (void)n, (void)e;
  write_simple("wait", 0);
  return CL_SUCCESS;
}
cl_int clGetEventInfo(cl_event e, cl_event_info what, size_t size, void *out, size_t *need) {
  (void)e;
  if (what == CL_EVENT_COMMAND_EXECUTION_STATUS) return VALUE(cl_int, CL_COMPLETE);
  return CL_INVALID_VALUE;
}
cl_int clGetEventProfilingInfo(cl_event e, cl_profiling_info what, size_t size, void *out,
                               size_t *need) {
  (void)what;
  return VALUE(cl_ulong, e->time);
}
cl_int clEnqueueMarkerWithWaitList(cl_command_queue q, cl_uint n, const cl_event *w,
                                   cl_event *event) {
  (void)q, (void)n, (void)w;
  make_event(event);
  return CL_SUCCESS;
}
cl_int clEnqueueBarrierWithWaitList(cl_command_queue q, cl_uint n, const cl_event *w,
                                    cl_event *event) {
  return clEnqueueMarkerWithWaitList(q, n, w, event);
}

/* ---- memory ---- */

/* Live buffers, so that a launch's arguments can be told apart. */
static cl_mem live[1 << 16];
static int n_live;
static void live_add(cl_mem m) {
  pthread_mutex_lock(&lock);
  if (n_live < (int)(sizeof live / sizeof *live)) live[n_live++] = m;
  pthread_mutex_unlock(&lock);
}
static void live_remove(cl_mem m) {
  pthread_mutex_lock(&lock);
  for (int i = n_live - 1; i >= 0; i--)
    if (live[i] == m) {
      live[i] = live[--n_live];
      break;
    }
  pthread_mutex_unlock(&lock);
}
static cl_mem live_find(const argument *a) {
  cl_mem m;
  if (a->kind != 'v' || a->bytes != sizeof m) return NULL;
  memcpy(&m, a->value, sizeof m);
  for (int i = 0; i < n_live; i++)
    if (live[i] == m) return m;
  return NULL;
}

cl_mem clCreateBuffer(cl_context c, cl_mem_flags flags, size_t bytes, void *host, cl_int *err) {
  (void)c, (void)flags;
  cl_mem m = calloc(1, sizeof *m);
  m->refs = 1;
  m->bytes = bytes;
  m->data = calloc(1, bytes + 64);
  if (host && m->data) memcpy(m->data, host, bytes);
  live_add(m);
  if (err) *err = m->data ? CL_SUCCESS : CL_MEM_OBJECT_ALLOCATION_FAILURE;
  return m;
}
cl_mem clCreateSubBuffer(cl_mem parent, cl_mem_flags flags, cl_buffer_create_type type,
                         const void *info, cl_int *err) {
  const cl_buffer_region *r = info;
  (void)flags, (void)type;
  cl_mem m = calloc(1, sizeof *m);
  clRetainMemObject(parent);
  m->refs = 1;
  m->parent = parent;
  m->offset = r->origin;
  m->bytes = r->size;
  m->data = parent->data + r->origin;
  live_add(m);
  if (err) *err = CL_SUCCESS;
  return m;
}
cl_int clGetMemObjectInfo(cl_mem m, cl_mem_info what, size_t size, void *out, size_t *need) {
  if (what == CL_MEM_SIZE) return VALUE(size_t, m->bytes);
  if (what == CL_MEM_ASSOCIATED_MEMOBJECT) return VALUE(cl_mem, m->parent);
  if (what == CL_MEM_OFFSET) return VALUE(size_t, m->offset);
  if (what == CL_MEM_TYPE) return VALUE(cl_mem_object_type, CL_MEM_OBJECT_BUFFER);
  return CL_INVALID_VALUE;
}
cl_int clEnqueueReadBuffer(cl_command_queue q, cl_mem m, cl_bool block, size_t at, size_t bytes,
                           void *to, cl_uint n, const cl_event *w, cl_event *event) {
  (void)q, (void)n, (void)w, (void)block;
  memcpy(to, m->data + at, bytes);
  write_simple("read", bytes);
  make_event(event);
  return CL_SUCCESS;
}
cl_int clEnqueueWriteBuffer(cl_command_queue q, cl_mem m, cl_bool block, size_t at, size_t bytes,
                            const void *from, cl_uint n, const cl_event *w, cl_event *event) {
  (void)q, (void)n, (void)w, (void)block;
  memcpy(m->data + at, from, bytes);
  write_simple("write", bytes);
  make_event(event);
  return CL_SUCCESS;
}
cl_int clEnqueueCopyBuffer(cl_command_queue q, cl_mem a, cl_mem b, size_t from, size_t to,
                           size_t bytes, cl_uint n, const cl_event *w, cl_event *event) {
  (void)q, (void)n, (void)w;
  memmove(b->data + to, a->data + from, bytes);
  write_simple("copy", bytes);
  make_event(event);
  return CL_SUCCESS;
}
cl_int clEnqueueFillBuffer(cl_command_queue q, cl_mem m, const void *pattern, size_t size,
                           size_t at, size_t bytes, cl_uint n, const cl_event *w, cl_event *event) {
  (void)q, (void)n, (void)w;
  int same = 1;
  for (size_t i = 1; i < size; i++)
    same &= ((const char *)pattern)[i] == ((const char *)pattern)[0];
  if (same)
    memset(m->data + at, ((const unsigned char *)pattern)[0], bytes);
  else
    for (size_t i = 0; i + size <= bytes; i += size) memcpy(m->data + at + i, pattern, size);
  write_simple("fill", bytes);
  make_event(event);
  return CL_SUCCESS;
}
void *clEnqueueMapBuffer(cl_command_queue q, cl_mem m, cl_bool block, cl_map_flags flags, size_t at,
                         size_t bytes, cl_uint n, const cl_event *w, cl_event *event, cl_int *err) {
  (void)q, (void)block, (void)flags, (void)bytes, (void)n, (void)w;
  make_event(event);
  if (err) *err = CL_SUCCESS;
  return m->data + at;
}
cl_int clEnqueueUnmapMemObject(cl_command_queue q, cl_mem m, void *p, cl_uint n, const cl_event *w,
                               cl_event *event) {
  (void)q, (void)m, (void)p, (void)n, (void)w;
  make_event(event);
  return CL_SUCCESS;
}

/* ---- programs and kernels ---- */

cl_program clCreateProgramWithSource(cl_context c, cl_uint n, const char **texts,
                                     const size_t *sizes, cl_int *err) {
  (void)c;
  cl_program p = calloc(1, sizeof *p);
  size_t all = 1, at = 0;
  for (cl_uint i = 0; i < n; i++) all += sizes && sizes[i] ? sizes[i] : strlen(texts[i]);
  p->refs = 1;
  p->text = calloc(1, all);
  for (cl_uint i = 0; i < n; i++) {
    const size_t len = sizes && sizes[i] ? sizes[i] : strlen(texts[i]);
    memcpy(p->text + at, texts[i], len);
    at += len;
  }
  if (err) *err = CL_SUCCESS;
  return p;
}
cl_program clCreateProgramWithBinary(cl_context c, cl_uint n, const cl_device_id *d,
                                     const size_t *sizes, const unsigned char **bytes,
                                     cl_int *status, cl_int *err) {
  (void)c, (void)n, (void)d, (void)sizes, (void)bytes;
  if (status) *status = CL_INVALID_BINARY;
  if (err) *err = CL_INVALID_BINARY;
  return NULL;
}
cl_int clBuildProgram(cl_program p, cl_uint n, const cl_device_id *d, const char *options,
                      void(CL_CALLBACK *notify)(cl_program, void *), void *user) {
  (void)n, (void)d;
  p->options = strdup(options ? options : "");
  hash_of(p->text, p->options, p->hash);
  pthread_mutex_lock(&lock);
  open_record();
  write_text(p->hash, "cl", p->text);
  write_text(p->hash, "opt", p->options);
  pthread_mutex_unlock(&lock);
  if (notify) notify(p, user);
  return CL_SUCCESS;
}
cl_int clGetProgramInfo(cl_program p, cl_program_info what, size_t size, void *out, size_t *need) {
  (void)p;
  if (what == CL_PROGRAM_BINARY_SIZES) return VALUE(size_t, 0);
  if (what == CL_PROGRAM_NUM_DEVICES) return VALUE(cl_uint, 1);
  return CL_INVALID_VALUE;
}
cl_int clGetProgramBuildInfo(cl_program p, cl_device_id d, cl_program_build_info what, size_t size,
                             void *out, size_t *need) {
  (void)p, (void)d;
  if (what == CL_PROGRAM_BUILD_STATUS) return VALUE(cl_build_status, CL_BUILD_SUCCESS);
  return TEXT("");
}
cl_int clCreateKernelsInProgram(cl_program p, cl_uint n, cl_kernel *k, cl_uint *count) {
  (void)p, (void)n, (void)k;
  if (count) *count = 0;
  return CL_SUCCESS;
}
cl_kernel clCreateKernel(cl_program p, const char *name, cl_int *err) {
  cl_kernel k = calloc(1, sizeof *k);
  k->refs = 1;
  k->program = p;
  snprintf(k->name, sizeof k->name, "%s", name);
  if (err) *err = CL_SUCCESS;
  return k;
}
cl_int clSetKernelArg(cl_kernel k, cl_uint index, size_t bytes, const void *value) {
  if (index >= sizeof k->arg / sizeof *k->arg) return CL_INVALID_ARG_INDEX;
  argument *a = &k->arg[index];
  *a = (argument) { .kind = value ? 'v' : 'l', .bytes = bytes };
  if (value) memcpy(a->value, value, bytes < sizeof a->value ? bytes : sizeof a->value);
  if ((int)index >= k->n) k->n = (int)index + 1;
  return CL_SUCCESS;
}
cl_int clGetKernelWorkGroupInfo(cl_kernel k, cl_device_id d, cl_kernel_work_group_info what,
                                size_t size, void *out, size_t *need) {
  (void)k, (void)d;
  if (what == CL_KERNEL_WORK_GROUP_SIZE) return VALUE(size_t, chosen()->group);
  if (what == CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE) return VALUE(size_t, chosen()->warp);
  if (what == CL_KERNEL_LOCAL_MEM_SIZE || what == CL_KERNEL_PRIVATE_MEM_SIZE)
    return VALUE(cl_ulong, 0);
  return CL_INVALID_VALUE;
}

static void write_sizes(const char *what, const size_t *v, cl_uint dims) {
  fprintf(record, ",\"%s\":[", what);
  for (cl_uint i = 0; i < dims; i++) fprintf(record, "%s%zu", i ? "," : "", v ? v[i] : 0);
  fputs("]", record);
}

cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dims, const size_t *offset,
                              const size_t *global, const size_t *local, cl_uint n,
                              const cl_event *w, cl_event *event) {
  (void)q, (void)offset, (void)n, (void)w;
  make_event(event);
  if (!begin_line()) return CL_SUCCESS;
  fprintf(record, "{\"what\":\"kernel\",\"program\":\"%s\",\"kernel\":\"%s\"", k->program->hash,
          k->name);
  write_sizes("global", global, dims);
  write_sizes("local", local, dims);
  fputs(",\"args\":[", record);
  for (int i = 0; i < k->n; i++) {
    const argument *a = &k->arg[i];
    cl_mem m = live_find(a);
    if (m) {
      fprintf(record, "%s\"m%zu:%p+%zu\"", i ? "," : "", m->bytes,
              (void *)(m->parent ? m->parent : m), m->offset);
      continue;
    }
    fprintf(record, "%s\"%c%zu:", i ? "," : "", a->kind ? a->kind : '?', a->bytes);
    for (size_t b = 0; a->kind == 'v' && b < a->bytes && b < sizeof a->value; b++)
      fprintf(record, "%02x", a->value[b]);
    fputs("\"", record);
  }
  fputs("]}\n", record);
  end_line();
  return CL_SUCCESS;
}
