#include "bench/launch.h"

#include <CL/cl_ext.h>
#include <time.h>

static const char text[] = "__kernel void tick(__global int *x) { x[get_global_id(0)] += 1; }\n";
enum { ITEMS = 16, MAX_ROUNDS = 101 };

/* ---- recorded command buffers, by the extension's own functions ---- */

typedef void *command_buffer;
typedef command_buffer(CL_API_CALL *create_fn)(cl_uint, const cl_command_queue *, const cl_ulong *,
                                               cl_int *);
typedef cl_int(CL_API_CALL *buffer_fn)(command_buffer);
typedef cl_int(CL_API_CALL *enqueue_fn)(cl_uint, cl_command_queue *, command_buffer, cl_uint,
                                        const cl_event *, cl_event *);
typedef cl_int(CL_API_CALL *kernel_fn)(command_buffer, cl_command_queue, const cl_ulong *,
                                       cl_kernel, cl_uint, const size_t *, const size_t *,
                                       const size_t *, cl_uint, const cl_uint *, cl_uint *,
                                       void **);

typedef struct recorder {
  create_fn create;
  buffer_fn finalize, release;
  enqueue_fn enqueue;
  kernel_fn kernel;
  command_buffer buffer;
} recorder;

typedef struct lab {
  lcl_context *ctx;
  cl_command_queue queue;
  cl_kernel kernel;
  lcl_buffer *buf;
  lcl_list *list;
  recorder rec;
  size_t launches;
} lab;

static void *extension(lab *l, const char *name) {
  cl_platform_id platform = NULL;
  if (clGetDeviceInfo(lcl_context_cl_device(l->ctx), CL_DEVICE_PLATFORM, sizeof platform, &platform,
                      NULL) != CL_SUCCESS)
    return NULL;
  return clGetExtensionFunctionAddressForPlatform(platform, name);
}

/* Leaves l->rec.buffer NULL where the device has no command buffers. */
static lcl_status record(lab *l) {
  recorder *r = &l->rec;
  if (!lcl__context_caps(l->ctx)->command_buffer) return LCL_OK;
  *(void **)&r->create = extension(l, "clCreateCommandBufferKHR");
  *(void **)&r->finalize = extension(l, "clFinalizeCommandBufferKHR");
  *(void **)&r->release = extension(l, "clReleaseCommandBufferKHR");
  *(void **)&r->enqueue = extension(l, "clEnqueueCommandBufferKHR");
  *(void **)&r->kernel = extension(l, "clCommandNDRangeKernelKHR");
  if (!r->create || !r->finalize || !r->release || !r->enqueue || !r->kernel) return LCL_OK;
  cl_int err;
  size_t items = ITEMS;
  r->buffer = r->create(1, &l->queue, NULL, &err);
  for (size_t i = 0; err == CL_SUCCESS && i < l->launches; i++)
    err = r->kernel(r->buffer, NULL, NULL, l->kernel, 1, NULL, &items, NULL, 0, NULL, NULL, NULL);
  if (err == CL_SUCCESS) err = r->finalize(r->buffer);
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(l->ctx, err, "recording a command buffer");
}

/* ---- the ways ---- */

static lcl_status run_raw(lab *l) {
  size_t items = ITEMS;
  cl_int err = CL_SUCCESS;
  for (size_t i = 0; err == CL_SUCCESS && i < l->launches; i++)
    err = clEnqueueNDRangeKernel(l->queue, l->kernel, 1, NULL, &items, NULL, 0, NULL, NULL);
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(l->ctx, err, "enqueueing");
}

static lcl_status run_list(lab *l) {
  return lcl__list_run(l->list, NULL);
}

static lcl_status run_recorded(lab *l) {
  cl_int err = l->rec.enqueue(0, NULL, l->rec.buffer, 0, NULL, NULL);
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(l->ctx, err, "enqueueing a command buffer");
}

static lcl_status run_nothing(lab *l) {
  (void)l;
  return LCL_OK;
}

static lcl_status timed(lab *l, lcl_status (*way)(lab *), double *seconds) {
  double start = lcl__now();
  LCL_TRY(way(l));
  LCL_TRY(lcl_context_finish(l->ctx));
  *seconds = lcl__now() - start;
  return LCL_OK;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static lcl_status fill_list(lab *l) {
  const lcl_launch tick = { .label = "tick",
                            .source = { .text = text },
                            .kernel = "tick",
                            LCL_ARGS(lcl__memory(l->buf, LCL_READ_WRITE)),
                            .dims = 1,
                            .global = { ITEMS } };
  for (size_t i = 0; i < l->launches; i++) LCL_TRY(lcl__list_add(l->list, &tick));
  return lcl__list_seal(l->list);
}

static lcl_status prepare(lab *l) {
  l->queue = lcl__context_queue(l->ctx);
  LCL_TRY(lcl_buffer_create(l->ctx, ITEMS * 4, &l->buf));
  LCL_TRY(lcl__kernel_create(l->ctx, &(lcl_source) { .text = text }, "tick", &l->kernel));
  cl_mem mem = lcl__buffer_mem(l->buf);
  cl_int err = clSetKernelArg(l->kernel, 0, sizeof mem, &mem);
  if (err != CL_SUCCESS) return lcl__cl_fail(l->ctx, err, "setting an argument");
  LCL_TRY(lcl__list_create(l->ctx, &l->list));
  LCL_TRY(fill_list(l));
  return record(l);
}

static lcl_status measure(lab *l, int rounds, lcl_launch_times *out) {
  lcl_status (*const ways[])(lab *) = { run_raw, run_list, run_nothing, run_recorded };
  double times[LCL_COUNT(ways)][MAX_ROUNDS], median[LCL_COUNT(ways)] = { 0 };
  size_t n = l->rec.buffer ? 4 : 3;
  for (int r = -1; r < rounds; r++) /* round -1 warms up */
    for (size_t w = 0; w < n; w++) LCL_TRY(timed(l, ways[w], &times[w][LCL_MAX(r, 0)]));
  for (size_t w = 0; w < n; w++) {
    qsort(times[w], (size_t)rounds, sizeof(double), by_size);
    median[w] = times[w][rounds / 2];
  }
  *out = (lcl_launch_times) { l->launches, median[0], median[1], median[3], median[2] };
  return LCL_OK;
}

lcl_status lcl__bench_launch(lcl_context *ctx, size_t launches, int rounds, lcl_launch_times *out) {
  if (rounds < 1 || rounds > MAX_ROUNDS || launches < 1)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "the launch benchmark wants 1 to %d rounds and at least one launch",
                     MAX_ROUNDS);
  lab l = { .ctx = ctx, .launches = launches };
  lcl_status status = prepare(&l);
  if (status == LCL_OK) status = measure(&l, rounds, out);
  if (l.rec.buffer) l.rec.release(l.rec.buffer);
  if (l.kernel) clReleaseKernel(l.kernel);
  lcl__list_destroy(l.list);
  lcl_buffer_destroy(l.buf);
  return status;
}

/* ---- start-up ---- */

enum { PER_SOURCE = 10 };

/* Kernels with a loop and some arithmetic; `salt` makes them new to every cache, the driver's too.
 */
static void write_source(lcl_str *s, size_t first, size_t n, unsigned salt) {
  for (size_t k = first; k < first + n; k++)
    lcl__str_add(
        s,
        "__kernel void k%zu(__global const float *x, __global float *y, int n) {\n"
        "  int i = get_global_id(0);\n"
        "  float sum = 0.0f;\n"
        "  for (int j = 0; j < n; j++) sum = mad(x[(i + j * %zu) %% n], %u.5f, sum) * 0.5f;\n"
        "  if (i < n) y[i] = sum > 0.0f ? exp(-sum) : tanh(sum);\n"
        "}\n",
        k, k + 1, salt % 100000);
}

static lcl_status start_once(const char *device, const lcl_source *sources, size_t kernels,
                             double *seconds) {
  lcl_context *ctx;
  size_t n = (kernels + PER_SOURCE - 1) / PER_SOURCE;
  LCL_TRY(lcl_context_create(&(lcl_context_desc) { .device = device }, &ctx));
  double start = lcl__now();
  lcl_status status = lcl__programs_build(ctx, sources, n);
  for (size_t k = 0; status == LCL_OK && k < kernels; k++) {
    char name[32];
    cl_kernel kernel;
    snprintf(name, sizeof name, "k%zu", k);
    status = lcl__kernel_create(ctx, &sources[k / PER_SOURCE], name, &kernel);
    if (status == LCL_OK) clReleaseKernel(kernel);
  }
  *seconds = lcl__now() - start;
  lcl_context_destroy(ctx);
  return status;
}

lcl_status lcl__bench_start(const char *device, size_t kernels, lcl_start_times *out) {
  size_t n = (kernels + PER_SOURCE - 1) / PER_SOURCE;
  lcl_source *sources = lcl__alloc(LCL_MAX(n, (size_t)1) * sizeof *sources);
  lcl_str *texts = lcl__alloc(LCL_MAX(n, (size_t)1) * sizeof *texts);
  lcl_status status = sources && texts ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; status == LCL_OK && i < n; i++) {
    write_source(&texts[i], i * PER_SOURCE, LCL_MIN((size_t)PER_SOURCE, kernels - i * PER_SOURCE),
                 (unsigned)time(NULL));
    if (!lcl__str_ok(&texts[i])) status = LCL_ERR_HOST_MEMORY;
    sources[i].text = texts[i].data;
  }
  out->kernels = kernels;
  if (status == LCL_OK) status = start_once(device, sources, kernels, &out->cold);
  if (status == LCL_OK) status = start_once(device, sources, kernels, &out->warm);
  for (size_t i = 0; texts && i < n; i++) lcl__str_free(&texts[i]);
  lcl__free(texts);
  lcl__free(sources);
  return status;
}
