/* Contexts: one device, its queues, and what hangs on them; ours or wrapped around the caller's
 * handles. */
#include "base/text.h"
#include "device/internal.h"

static lcl_status wrap_foreign(lcl_context *ctx, const lcl_context_desc *desc) {
  cl_context cl = desc->cl_context;
  cl_device_id device = desc->cl_device;
  size_t bytes = 0;
  cl_int err = clGetContextInfo(cl, CL_CONTEXT_DEVICES, 0, NULL, &bytes);
  if (err != CL_SUCCESS) return lcl__cl_fail(NULL, err, "wrapping a cl_context");
  cl_device_id *ids = lcl__alloc(bytes);
  if (!ids) return LCL_ERR_HOST_MEMORY;
  err = clGetContextInfo(cl, CL_CONTEXT_DEVICES, bytes, ids, NULL);
  bool member = false;
  size_t n = bytes / sizeof *ids;
  if (err == CL_SUCCESS && !device && n == 1) device = ids[0];
  for (size_t i = 0; err == CL_SUCCESS && i < n; i++) member |= ids[i] == device;
  lcl__free(ids);
  if (err != CL_SUCCESS) return lcl__cl_fail(NULL, err, "wrapping a cl_context");
  if (!member)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "wrapping a cl_context: cl_device has to be one of its %zu devices", n);
  err = clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof ctx->platform, &ctx->platform, NULL);
  if (err == CL_SUCCESS) err = clRetainContext(cl);
  if (err != CL_SUCCESS) return lcl__cl_fail(NULL, err, "wrapping a cl_context");
  ctx->cl = cl;
  ctx->device = device;
  return lcl__caps_read(&ctx->caps, ctx->platform, device);
}

static lcl_status open_selected(lcl_context *ctx, const lcl_context_desc *desc) {
  lcl_device_info *rows;
  size_t n, at = 0;
  LCL_TRY(lcl__devices(&rows, &n));
  const char *selector = desc->device && *desc->device ? desc->device : getenv("LATENTCL_DEVICE");
  lcl_status status = lcl__device_select(rows, n, selector, &at);
  if (status == LCL_OK) {
    ctx->platform = rows[at].platform;
    ctx->device = rows[at].device;
    ctx->caps = rows[at].caps;
  }
  lcl__free(rows);
  if (status != LCL_OK) return status;
  cl_int err;
  cl_context_properties properties[] = { CL_CONTEXT_PLATFORM, (cl_context_properties)ctx->platform,
                                         0 };
  ctx->cl = clCreateContext(properties, 1, &ctx->device, NULL, NULL, &err);
  return err == CL_SUCCESS ? LCL_OK : lcl__cl_fail(ctx, err, "creating an OpenCL context");
}

static lcl_status add_foreign_queue(lcl_context *ctx, cl_command_queue queue, bool profile) {
  cl_context cl = NULL;
  cl_device_id device = NULL;
  cl_command_queue_properties properties = 0;
  cl_int err = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof cl, &cl, NULL);
  if (err == CL_SUCCESS)
    err = clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL);
  if (err == CL_SUCCESS)
    err = clGetCommandQueueInfo(queue, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
  if (err != CL_SUCCESS) return lcl__cl_fail(ctx, err, "wrapping a cl_command_queue");
  if (cl != ctx->cl || device != ctx->device)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "wrapping a cl_command_queue: it belongs to another context or device");
  if (profile && !(properties & CL_QUEUE_PROFILING_ENABLE))
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "profiling needs a cl_command_queue that was created with CL_QUEUE_PROFILING_ENABLE");
  err = clRetainCommandQueue(queue);
  if (err != CL_SUCCESS) return lcl__cl_fail(ctx, err, "wrapping a cl_command_queue");
  ctx->in_order[ctx->n_queues] = !(properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
  ctx->queue[ctx->n_queues++] = queue;
  return LCL_OK;
}

lcl_status lcl__queues_parse(const char *text, const char *name, int *queues) {
  int64_t n = 0;
  const bool automatic = !text || !*text || strcmp(text, "auto") == 0;
  if (!automatic && (!lcl__parse_whole(text, &n) || n < 1 || n > LCL_MAX_QUEUES))
    return lcl__fail(LCL_ERR_ARGUMENT, "%s: expected auto or 1 to %d, not '%s'", name,
                     LCL_MAX_QUEUES, text);
  *queues = (int)n;
  return LCL_OK;
}

enum { MOST_OPEN = 4 }; /* queues where their number is measured */

static lcl_status add_queues(lcl_context *ctx, const lcl_context_desc *desc) {
  if (desc->queues < 0 || desc->queues > LCL_MAX_QUEUES || desc->n_cl_queues > LCL_MAX_QUEUES)
    return lcl__fail(LCL_ERR_ARGUMENT, "a context has 1 to %d queues, not %d", LCL_MAX_QUEUES,
                     desc->queues < 0 ? desc->queues : LCL_MAX(desc->queues, desc->n_cl_queues));
  if (desc->cl_queues)
    for (int i = 0; i < desc->n_cl_queues; i++)
      LCL_TRY(add_foreign_queue(ctx, desc->cl_queues[i], desc->profile));
  int asked = desc->queues;
  if (!asked && !ctx->n_queues)
    LCL_TRY(lcl__queues_parse(getenv("LATENTCL_QUEUES"), "LATENTCL_QUEUES", &asked));
  ctx->queues_open = !asked && !ctx->n_queues;
  const int want = ctx->n_queues ? ctx->n_queues : asked ? asked : MOST_OPEN;
  while (ctx->n_queues < want) {
    cl_int err;
    cl_command_queue q = clCreateCommandQueue(ctx->cl, ctx->device,
                                              desc->profile ? CL_QUEUE_PROFILING_ENABLE : 0, &err);
    if (err != CL_SUCCESS) return lcl__cl_fail(ctx, err, "creating a command queue");
    ctx->in_order[ctx->n_queues] = true;
    ctx->queue[ctx->n_queues++] = q;
  }
  return LCL_OK;
}

static lcl_status fill(lcl_context *ctx, const lcl_context_desc *desc) {
  if (desc->cl_context)
    LCL_TRY(wrap_foreign(ctx, desc));
  else
    LCL_TRY(open_selected(ctx, desc));
  lcl_enabled enabled;
  LCL_TRY(lcl__enable_parse(getenv("LATENTCL_ENABLE"), "LATENTCL_ENABLE", &enabled));
  LCL_TRY(lcl__caps_disable(&ctx->caps, getenv("LATENTCL_DISABLE"), "LATENTCL_DISABLE"));
  LCL_TRY(lcl__caps_disable(&ctx->caps, desc->disable, "disable"));
  LCL_TRY(add_queues(ctx, desc));
  ctx->pool.limit = desc->memory_limit ? desc->memory_limit : ctx->caps.global_mem;
  if (ctx->caps.packed) LCL_TRY(lcl__family_choose(ctx, enabled.family));
  if (ctx->caps.overlap) ctx->uploads = enabled.overlap ? LCL_UPLOADS_OVERLAP : LCL_UPLOADS_UNKNOWN;
  ctx->profiles = desc->profile;
  if (desc->profile) LCL_TRY(lcl__profile_create(ctx, &ctx->profile));
  return LCL_OK;
}

lcl_status lcl_context_create(const lcl_context_desc *desc, lcl_context **out) {
  LCL_NEED(out);
  *out = NULL;
  lcl_context *ctx = lcl__alloc(sizeof *ctx);
  if (!ctx) return LCL_ERR_HOST_MEMORY;
  atomic_store(&ctx->owners, 1);
  static const lcl_context_desc defaults = { 0 };
  lcl_status status = fill(ctx, desc ? desc : &defaults);
  if (status != LCL_OK) {
    lcl__context_release(ctx);
    return status;
  }
  enum { COMPILER = 512 }; /* MiB: what PoCL's takes for a model */
  if (!lcl__room_for(COMPILER))
    lcl__logf(LCL_LOG_WARN,
              "less than %d MiB of address space are left (ulimit -v): a driver's compiler that is "
              "out of memory ends the process",
              COMPILER);
  char selector[24];
  lcl__logf(LCL_LOG_INFO, "using %s %s (%s)", lcl__caps_selector(&ctx->caps, selector),
            ctx->caps.name, ctx->caps.platform);
  *out = ctx;
  return LCL_OK;
}

lcl_context *lcl__context_retain(lcl_context *ctx) {
  atomic_fetch_add(&ctx->owners, 1);
  return ctx;
}

lcl_status lcl__context_enter(lcl_context *ctx) {
  static _Thread_local char self; /* its address names the thread */
  uintptr_t inside = 0, me = (uintptr_t)&self;
  if (!atomic_compare_exchange_strong(&ctx->inside, &inside, me) && inside != me)
    return lcl__fail(LCL_ERR_ARGUMENT, "the context is in use by another thread: one thread at a "
                                       "time may use a context and what is made from it");
  ctx->depth++;
  if (!atomic_load(&ctx->destroyed)) return LCL_OK;
  return lcl__context_leave(
      ctx, lcl__fail(LCL_ERR_ARGUMENT, "the context was destroyed before what was made from it"));
}

lcl_status lcl__context_leave(lcl_context *ctx, lcl_status status) {
  if (--ctx->depth == 0) atomic_store(&ctx->inside, 0);
  return status;
}

void lcl_context_destroy(lcl_context *ctx) {
  if (!ctx) return;
  lcl_context_finish(ctx);
  atomic_store(&ctx->destroyed, true);
  lcl__context_release(ctx);
}

void lcl__context_release(lcl_context *ctx) {
  if (atomic_fetch_sub(&ctx->owners, 1) > 1) return;
  for (int i = 0; i < ctx->n_queues; i++) lcl__queue_finish(ctx->queue[i]);
  for (int i = 0; i < LCL_ATTACHMENTS; i++)
    if (ctx->attachment[i]) ctx->attachment_free[i](ctx->attachment[i]);
  lcl__staging_free(ctx);
  lcl__free(ctx->spreads.data);
  lcl__profile_destroy(ctx->profile);
  lcl__pool_trim(ctx);
  lcl__free(ctx->pool.idle.data);
  lcl__programs_free(&ctx->programs);
  if (ctx->transfer) clReleaseCommandQueue(ctx->transfer);
  for (int i = 0; i < ctx->n_queues; i++) clReleaseCommandQueue(ctx->queue[i]);
  if (ctx->cl) clReleaseContext(ctx->cl);
  lcl__free(ctx);
}

void **lcl__context_attachment(lcl_context *ctx, int which, void (*free_fn)(void *)) {
  ctx->attachment_free[which] = free_fn;
  return &ctx->attachment[which];
}

void *lcl_context_cl_context(lcl_context *ctx) {
  if (!ctx) return NULL;
  return ctx->cl;
}
void *lcl_context_cl_device(lcl_context *ctx) {
  if (!ctx) return NULL;
  return ctx->device;
}
void *lcl_context_cl_queue(lcl_context *ctx, int index) {
  return ctx && index >= 0 && index < ctx->n_queues ? ctx->queue[index] : NULL;
}
const char *lcl_context_device_name(const lcl_context *ctx) {
  if (!ctx) return NULL;
  return ctx->caps.name;
}
const lcl_caps *lcl__context_caps(const lcl_context *ctx) {
  return &ctx->caps;
}
cl_command_queue lcl__context_queue(lcl_context *ctx) {
  return ctx->queue[0];
}
lcl_memory_use lcl_context_memory(const lcl_context *ctx) {
  if (!ctx) return (lcl_memory_use) { 0 };
  return (lcl_memory_use) { ctx->pool.current, ctx->pool.peak, ctx->pool.buffers };
}
