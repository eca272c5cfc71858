/* Which way uploads go: on a queue of their own while kernels run, or on queue 0 behind them. On a
 * device behind a bus the first hides the transfer; where the host's cores compute or copy it costs
 * a copy more. So both are timed when a device is met for the first time, with steps that each
 * compute for about as long as the transfer takes, and what was faster is remembered with the
 * driver's version. The bits are the same either way. */
#include "device/internal.h"

/* Bytes of an upload, steps of a round, rounds, and launches of a step at most. */
enum { BYTES = 1 << 20, STEPS = 4, ROUNDS = 7, MOST = 64 };

/* Seconds: a device where one launch takes longer is a simulator. */
static const double slow = 0.05;

/* The queue of its own has to be this much faster. */
static const double lead = 0.9;

enum { DEPTH = 8 }; /* additions of a work-item */

static const char source[] =
    "kernel void overlap_work(global const float *a, global float *b, int depth) {\n"
    "  const int i = get_global_id(0);\n"
    "  float x = a[i];\n"
    "  for (int k = 0; k < depth; k++) x = x * 0.999f + a[(i + k) & 255];\n"
    "  b[i] = x;\n"
    "}\n";

/* ---- measuring, in contexts of their own on the same device: one for each way ---- */

typedef struct way {
  lcl_context *ctx;
  lcl_buffer *in, *out;
  lcl_list *work;
} way;

static void close_way(way *w) {
  lcl__list_destroy(w->work);
  lcl_buffer_destroy(w->in);
  lcl_buffer_destroy(w->out);
  lcl_context_destroy(w->ctx);
}

static lcl_status open_way(lcl_context *of, bool overlap, way *w) {
  LCL_TRY(lcl_context_create(
      &(lcl_context_desc) {
          .cl_context = of->cl, .cl_device = of->device, .queues = 1, .disable = "packed,overlap" },
      &w->ctx));
  w->ctx->uploads = overlap ? LCL_UPLOADS_OVERLAP : LCL_UPLOADS_IN_ORDER;
  LCL_TRY(lcl_buffer_create(w->ctx, BYTES, &w->in));
  LCL_TRY(lcl_buffer_create(w->ctx, BYTES, &w->out));
  LCL_TRY(lcl__list_create(w->ctx, &w->work));
  LCL_TRY(lcl__list_add(w->work,
                        &(lcl_launch) { .label = "work beside an upload",
                                        .source = { .text = source },
                                        .kernel = "overlap_work",
                                        LCL_ARGS(lcl__memory(w->in, LCL_READ),
                                                 lcl__memory(w->out, LCL_WRITE), lcl__i32(DEPTH)),
                                        .dims = 1,
                                        .global = { BYTES / sizeof(float) } }));
  return lcl__list_seal(w->work);
}

/* Seconds of STEPS times `launches` launches and an upload for the next step. */
static lcl_status time_steps(const way *w, const void *data, int launches, double *seconds) {
  LCL_TRY(lcl_context_finish(w->ctx));
  const double start = lcl__now();
  for (int step = 0; step < STEPS; step++) {
    for (int k = 0; k < launches; k++) LCL_TRY(lcl__list_run(w->work, NULL));
    LCL_TRY(lcl__upload(w->ctx, w->in, 0, data, BYTES));
  }
  LCL_TRY(lcl_context_finish(w->ctx));
  *seconds = lcl__now() - start;
  return LCL_OK;
}

/* How many launches take as long as an upload; 0: one takes too long to measure anything. */
static lcl_status balance(const way *w, const void *data, int *launches) {
  double work = slow, upload = slow, t;
  *launches = 0;
  for (int i = 0; i < 3; i++) { /* the first compiles */
    LCL_TRY(lcl_context_finish(w->ctx));
    const double start = lcl__now();
    LCL_TRY(lcl__list_run(w->work, NULL));
    LCL_TRY(lcl_context_finish(w->ctx));
    t = lcl__now() - start;
    if (i) work = LCL_MIN(work, t);
    if (i && t > slow) return LCL_OK;
    LCL_TRY(time_steps(w, data, 0, &t));
    upload = LCL_MIN(upload, t / STEPS);
  }
  *launches = (int)LCL_MAX(1, LCL_MIN(MOST, upload / work));
  return LCL_OK;
}

/* The shortest of some rounds of each way, in turns, after one that is not counted. */
static lcl_status time_ways(const way ways[2], const void *data, double best[2]) {
  int launches;
  LCL_TRY(balance(&ways[0], data, &launches));
  for (int round = 0; launches && round <= ROUNDS; round++)
    for (int i = 0; i < 2; i++) {
      double seconds;
      LCL_TRY(time_steps(&ways[i], data, launches, &seconds));
      best[i] = round <= 1 ? seconds : LCL_MIN(best[i], seconds);
    }
  return LCL_OK;
}

static lcl_status measure(lcl_context *ctx, bool *overlap) {
  way ways[2] = { { 0 } };
  double best[2] = { 0 };
  float *data = lcl__alloc(BYTES); /* zeros */
  lcl_status status = data ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (int i = 0; i < 2 && status == LCL_OK; i++) status = open_way(ctx, i == 1, &ways[i]);
  if (status == LCL_OK) status = time_ways(ways, data, best);
  for (int i = 0; i < 2; i++) close_way(&ways[i]);
  lcl__free(data);
  if (status != LCL_OK) return status;
  *overlap = best[1] < lead * best[0];
  lcl__logf(LCL_LOG_INFO,
            "%d steps with uploads take %.3f ms on one queue, %.3f ms with a queue for uploads: %s",
            STEPS, 1e3 * best[0], 1e3 * best[1], *overlap ? "they overlap" : "one queue");
  return LCL_OK;
}

static lcl_question question = LCL_QUESTION("uploads", "overlap", "in order", measure);

lcl_status lcl__overlap_choose(lcl_context *ctx) {
  bool overlap;
  LCL_TRY(lcl__question_ask(ctx, &question, &overlap));
  ctx->uploads = overlap ? LCL_UPLOADS_OVERLAP : LCL_UPLOADS_IN_ORDER;
  return LCL_OK;
}
