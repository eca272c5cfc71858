/* Device times of launches: sums by label, and a trace for Perfetto (Chrome trace events). */
#include "base/json.h"
#include "device/internal.h"

enum {
  MAX_PENDING = 16384,  /* events kept before their times are read */
  MAX_RECORDS = 1 << 20 /* launches in a trace; later ones only count in the sums */
};

typedef struct pending {
  size_t row;
  int queue;
  cl_event event;
} pending;

typedef struct record {
  uint32_t row;
  int32_t queue;
  uint64_t start, end; /* device nanoseconds */
} record;

struct lcl_profile {
  lcl_context *ctx;
  lcl_arena *labels;
  struct {
    lcl_profile_row *data;
    size_t n, cap;
  } rows;
  struct {
    pending *data;
    size_t n, cap;
  } pending;
  bool tracing; /* keeps records */
  struct {
    record *data;
    size_t n, cap;
  } records;
};

lcl_status lcl__profile_create(lcl_context *ctx, lcl_profile **out) {
  lcl_profile *p = lcl__alloc(sizeof *p);
  if (!p) return LCL_ERR_HOST_MEMORY;
  p->ctx = ctx;
  if (!(p->labels = lcl__arena_create())) return lcl__free(p), LCL_ERR_HOST_MEMORY;
  *out = p;
  return LCL_OK;
}

static void drop_pending(lcl_profile *p) {
  for (size_t i = 0; i < p->pending.n; i++) clReleaseEvent(p->pending.data[i].event);
  p->pending.n = 0;
}

void lcl__profile_destroy(lcl_profile *p) {
  if (!p) return;
  drop_pending(p);
  lcl__free(p->rows.data);
  lcl__free(p->pending.data);
  lcl__free(p->records.data);
  lcl__arena_destroy(p->labels);
  lcl__free(p);
}

lcl_status lcl__profile_intern(lcl_profile *p, const char *label, size_t *row) {
  for (size_t i = p->rows.n; i--;) /* a list's labels are near each other, newest last */
    if (strcmp(p->rows.data[i].label, label) == 0) return *row = i, LCL_OK;
  lcl_profile_row fresh = { .label = lcl__arena_strdup(p->labels, label) };
  if (!fresh.label || !LCL_PUSH(&p->rows, fresh)) return LCL_ERR_HOST_MEMORY;
  *row = p->rows.n - 1;
  return LCL_OK;
}

/* Reads the times of everything that was enqueued. */
static lcl_status drain(lcl_profile *p) {
  LCL_TRY(lcl_context_finish(p->ctx));
  if (p->ctx->transfer) lcl__queue_finish(p->ctx->transfer);
  for (size_t i = 0; i < p->pending.n; i++) {
    const pending *e = &p->pending.data[i];
    cl_ulong start = 0, end = 0;
    if (clGetEventProfilingInfo(e->event, CL_PROFILING_COMMAND_START, sizeof start, &start, NULL) !=
            CL_SUCCESS ||
        clGetEventProfilingInfo(e->event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL) !=
            CL_SUCCESS)
      continue;
    p->rows.data[e->row].seconds += 1e-9 * (double)(end - LCL_MIN(start, end));
    if (p->tracing && p->records.n < MAX_RECORDS &&
        !LCL_PUSH(&p->records,
                  ((record) { (uint32_t)e->row, e->queue, start, LCL_MAX(start, end) })))
      break;
  }
  drop_pending(p);
  return LCL_OK;
}

lcl_status lcl__profile_take(lcl_profile *p, size_t row, double flops, double bytes, int queue,
                             cl_event event) {
  if (p->pending.n >= MAX_PENDING) {
    lcl_status status = drain(p);
    if (status != LCL_OK) return clReleaseEvent(event), status;
  }
  if (!LCL_PUSH(&p->pending, ((pending) { row, queue, event })))
    return clReleaseEvent(event), LCL_ERR_HOST_MEMORY;
  p->rows.data[row].calls++;
  p->rows.data[row].flops += flops;
  p->rows.data[row].bytes += bytes;
  return LCL_OK;
}

lcl_profile *lcl__profile_set_aside(lcl_context *ctx, lcl_profile *profile) {
  lcl_profile *before = ctx->profile;
  ctx->profile = profile;
  return before;
}

bool lcl__context_profiles(const lcl_context *ctx) {
  return ctx->profile != NULL;
}

static lcl_status need_profile(lcl_context *ctx) {
  if (ctx->profile) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT,
                   "the context was created without profiling (lcl_context_desc.profile)");
}

static int most_time_first(const void *a, const void *b) {
  const lcl_profile_row *x = a, *y = b;
  return x->seconds != y->seconds ? (x->seconds > y->seconds ? -1 : 1) : strcmp(x->label, y->label);
}

lcl_status lcl__profile_rows(lcl_context *ctx, lcl_profile_row **rows, size_t *n) {
  *rows = NULL;
  *n = 0;
  LCL_TRY(need_profile(ctx));
  LCL_TRY(drain(ctx->profile));
  const lcl_profile *p = ctx->profile;
  if (!(*rows = lcl__alloc(LCL_MAX(p->rows.n, (size_t)1) * sizeof **rows)))
    return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < p->rows.n; i++)
    if (p->rows.data[i].calls) (*rows)[(*n)++] = p->rows.data[i];
  qsort(*rows, *n, sizeof **rows, most_time_first);
  return LCL_OK;
}

/* ---- trace ---- */

lcl_status lcl__profile_start_trace(lcl_context *ctx) {
  LCL_TRY(need_profile(ctx));
  LCL_TRY(drain(ctx->profile)); /* what ran before is not part of it */
  ctx->profile->tracing = true;
  return LCL_OK;
}

static void add_lane_names(const lcl_context *ctx, lcl_str *s) {
  lcl__str_add(s, "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":0,\"args\":{\"name\":");
  lcl__str_json_text(s, ctx->caps.name);
  lcl__str_add(s, "}}");
  for (int q = 0; q <= ctx->n_queues; q++) {
    bool transfer = q == ctx->n_queues;
    if (transfer && !ctx->transfer) break;
    lcl__str_add(
        s,
        ",\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":0,\"tid\":%d,\"args\":{\"name\":"
        "\"%s %d\"}}",
        transfer ? LCL_MAX_QUEUES : q, transfer ? "transfer queue" : "compute queue",
        transfer ? 0 : q);
  }
}

lcl_status lcl__profile_write_trace(lcl_context *ctx, const char *path) {
  LCL_TRY(need_profile(ctx));
  LCL_TRY(drain(ctx->profile));
  const lcl_profile *p = ctx->profile;
  uint64_t origin = UINT64_MAX;
  for (size_t i = 0; i < p->records.n; i++) origin = LCL_MIN(origin, p->records.data[i].start);
  lcl_str s = { 0 };
  lcl__str_add(&s, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
  add_lane_names(ctx, &s);
  for (size_t i = 0; i < p->records.n; i++) {
    const record *r = &p->records.data[i];
    lcl__str_add(&s, ",\n{\"ph\":\"X\",\"pid\":0,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f,\"name\":",
                 r->queue, 1e-3 * (double)(r->start - origin), 1e-3 * (double)(r->end - r->start));
    lcl__str_json_text(&s, p->rows.data[r->row].label);
    lcl__str_add(&s, "}");
  }
  lcl__str_add(&s, "\n]}\n");
  lcl_status status = lcl__str_ok(&s) ? lcl__file_write_atomic(path, s.data, s.n)
                                      : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&s);
  return status;
}
