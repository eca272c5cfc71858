/* Which family of kernels suits a device: packed or tiled. A small GEMM is run in the way of each
 * when the device is met for the first time, and the faster way is remembered with the driver's
 * version, so that a device never changes its family. */
#include "device/internal.h"

/* Rows and columns of the GEMM; depths at first and where the device is not too slow for more. */
enum { SIDE = 96, SHALLOW = 8, DEEP = 512 };

enum { MOST = 100 }; /* rounds */

/* Seconds: a device that takes longer for the first GEMM is a simulator; for all rounds, where one
 * family is clearly faster and where not. */
static const double slow = 0.05, usual = 0.02, longest = 0.5;

/* Packed kernels have to be this much faster. Measured: 5 to 8 times on PoCL and Intel's runtime,
 * 0.8 to 1.7 times on llvmpipe. */
static const double lead = 2;

typedef struct gemm {
  lcl_context *ctx;
  lcl_buffer *a, *b, *c;
} gemm;

/* ---- measuring ---- */

static lcl_status add_gemm(const gemm *g, bool packed, int k, lcl_list *list) {
  const bool wide = g->ctx->caps.preferred_float >= 16;
  const size_t rows = wide ? 12 : 6, columns = wide ? 32 : 16; /* of a work-item of family_packed */
  return lcl__list_add(
      list, &(lcl_launch) {
                .label = packed ? "packed GEMM" : "tiled GEMM",
                .source = { .file = "family.cl", .options = wide ? "-DVEC=16" : "-DVEC=8" },
                .kernel = packed ? "family_packed" : "family_tiled",
                LCL_ARGS(lcl__memory(g->a, LCL_READ), lcl__memory(g->b, LCL_READ),
                         lcl__memory(g->c, LCL_WRITE), lcl__i32(SIDE), lcl__i32(SIDE), lcl__i32(k)),
                .dims = 2,
                .global = { SIDE / (packed ? rows : 4), SIDE / (packed ? columns : 4) },
                .local = { packed ? 1 : 8, packed ? 1 : 8 } });
}

static lcl_status time_once(lcl_context *ctx, lcl_list *list, double *seconds) {
  const double start = lcl__now();
  LCL_TRY(lcl__list_run(list, NULL));
  LCL_TRY(lcl_context_finish(ctx));
  *seconds = lcl__now() - start;
  return LCL_OK;
}

/* So far apart that the load of the machine cannot be the reason. */
static bool is_clear(const double best[2]) {
  return 2 * lead * best[1] < best[0] || best[1] > 2 * lead * best[0];
}

/* The shortest of some rounds each, in turns, after one that is not counted: drivers compile late,
 * and other processes take their share of the time. */
static lcl_status time_rounds(lcl_context *ctx, lcl_list *const lists[2], double best[2]) {
  double start = 0;
  for (int round = 0; round <= MOST; round++) {
    for (int i = 0; i < 2; i++) {
      double seconds;
      LCL_TRY(time_once(ctx, lists[i], &seconds));
      best[i] = round <= 1 ? seconds : LCL_MIN(best[i], seconds);
    }
    if (round == 0) start = lcl__now();
    const double passed = lcl__now() - start;
    if (round > 0 && passed > (is_clear(best) ? usual : longest)) break;
  }
  return LCL_OK;
}

static lcl_status time_both(const gemm *g, int k, double best[2]) {
  lcl_list *lists[2] = { NULL, NULL };
  lcl_status status = LCL_OK;
  for (int i = 0; i < 2 && status == LCL_OK; i++) {
    status = lcl__list_create(g->ctx, &lists[i]);
    if (status == LCL_OK) status = add_gemm(g, i, k, lists[i]);
    if (status == LCL_OK) status = lcl__list_seal(lists[i]);
  }
  if (status == LCL_OK) status = time_rounds(g->ctx, lists, best);
  for (int i = 0; i < 2; i++) lcl__list_destroy(lists[i]);
  return status;
}

static lcl_status fill(lcl_buffer *buffer, size_t n) {
  float *values = lcl__alloc(n * sizeof *values);
  if (!values) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < n; i++) values[i] = 1;
  const lcl_status status = lcl__upload(lcl__buffer_context(buffer), buffer, 0, values,
                                        n * sizeof *values);
  lcl__free(values);
  return status;
}

static lcl_status measure(lcl_context *ctx, bool *packed) {
  const size_t n = (size_t)SIDE * DEEP, bytes = n * sizeof(float);
  gemm g = { .ctx = ctx };
  double seconds[2] = { 0 };
  lcl_status status = lcl_buffer_create(ctx, bytes, &g.a);
  if (status == LCL_OK) status = lcl_buffer_create(ctx, bytes, &g.b);
  if (status == LCL_OK) status = lcl_buffer_create(ctx, (size_t)SIDE * SIDE * sizeof(float), &g.c);
  if (status == LCL_OK) status = fill(g.a, n);
  if (status == LCL_OK) status = fill(g.b, n);
  if (status == LCL_OK) status = time_both(&g, SHALLOW, seconds);
  if (status == LCL_OK && LCL_MIN(seconds[0], seconds[1]) < slow)
    status = time_both(&g, DEEP, seconds);
  lcl_buffer_destroy(g.a);
  lcl_buffer_destroy(g.b);
  lcl_buffer_destroy(g.c);
  if (status != LCL_OK) return status;
  *packed = lead * seconds[1] < seconds[0];
  lcl__logf(LCL_LOG_INFO, "a small GEMM takes %.3f ms packed, %.3f ms tiled: %s kernels",
            1e3 * seconds[1], 1e3 * seconds[0], *packed ? "packed" : "tiled");
  return LCL_OK;
}

/* Tiled kernels ask least of a device: they serve where nothing could be measured. */
static lcl_question question = LCL_QUESTION("kernel family", "packed", "tiled", measure);

lcl_status lcl__family_choose(lcl_context *ctx, lcl_family wanted) {
  bool packed = wanted == LCL_FAMILY_PACKED;
  if (wanted == LCL_FAMILY_MEASURED) LCL_TRY(lcl__question_ask(ctx, &question, &packed));
  ctx->caps.packed = packed;
  return LCL_OK;
}
