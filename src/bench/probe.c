/* Properties of the device itself: peak arithmetic, transfers, launch cost; memory is in
 * probe_memory.c. */
#include "bench/probe.h"

#include "bench/launch.h"

/* ---- one kernel ---- */

void lcl__probe_free(lcl_probe *p) {
  lcl__list_destroy(p->list);
  lcl_buffer_destroy(p->a);
  lcl_buffer_destroy(p->b);
}

lcl_status lcl__probe_run(void *probe) {
  return lcl__list_run(((lcl_probe *)probe)->list, NULL);
}

lcl_status lcl__probe_kernel(lcl_probe *p, const char *options, const char *kernel,
                             const lcl_arg *args, int n, size_t global, size_t local) {
  LCL_TRY(lcl__list_create(p->ctx, &p->list));
  LCL_TRY(
      lcl__list_add(p->list, &(lcl_launch) { .label = kernel,
                                             .source = { .file = "probe.cl", .options = options },
                                             .kernel = kernel,
                                             .args = args,
                                             .n_args = n,
                                             .dims = 1,
                                             .global = { global },
                                             .local = { local } }));
  return lcl__list_seal(p->list);
}

size_t lcl__probe_items(const lcl_caps *caps, size_t *local) {
  *local = caps->packed ? 1 : LCL_MIN((size_t)128, caps->max_work_group);
  return caps->packed ? caps->compute_units * 8 : caps->compute_units * 2048;
}

lcl_status lcl__probe_best(lcl_probe *p, double budget, double *seconds) {
  double end = lcl__now() + budget;
  *seconds = 1e30;
  for (int i = 0; i < 3 || lcl__now() < end; i++) {
    double t = lcl__now();
    LCL_TRY(lcl__probe_run(p));
    LCL_TRY(lcl_context_finish(p->ctx));
    if (i > 0) *seconds = LCL_MIN(*seconds, lcl__now() - t);
  }
  return LCL_OK;
}

/* ---- arithmetic ---- */

/* Accumulators of the kernel: 12 hide what an FMA takes; the narrow processors of some GPUs have
 * registers for 32 numbers, which is enough for their width. */
static int chains_of(const lcl_caps *caps, int vec) {
  const bool narrow = caps->type & CL_DEVICE_TYPE_GPU && caps->unit_lanes < 64;
  return narrow ? LCL_MIN(12, 32 / vec) : 12;
}

static lcl_status flops_of(lcl_context *ctx, int vec, bool half, int rounds, double budget,
                           double *flops, double *seconds) {
  const lcl_caps *caps = lcl__context_caps(ctx);
  const int chains = chains_of(caps, vec);
  lcl_probe p = { .ctx = ctx };
  size_t local, n = lcl__probe_items(caps, &local);
  char options[80];
  snprintf(options, sizeof options, "-DVEC=%d -DCHAINS=%d -DFUSED=%d -DREAL=%s%s", vec, chains,
           caps->packed, half ? "half" : "float", half ? " -DUSE_FP16" : "");
  lcl_status st = lcl_buffer_create(ctx, n * 64, &p.a);
  const uint16_t a = 0x3bfe, b = 0x1419; /* 0.999 and 0.001 in half precision */
  const lcl_arg args[4] = { lcl__memory(p.a, LCL_READ_WRITE), lcl__i32(rounds),
                            half ? lcl__bytes(&a, sizeof a) : lcl__f32(0.999f),
                            half ? lcl__bytes(&b, sizeof b) : lcl__f32(0.001f) };
  if (st == LCL_OK) st = lcl__probe_kernel(&p, options, "fma_peak", args, 4, n, local);
  if (st == LCL_OK) st = lcl__probe_best(&p, budget, seconds);
  *flops = 2.0 * (double)n * vec * chains * rounds;
  lcl__probe_free(&p);
  return st;
}

lcl_status lcl__probe_arithmetic(lcl_context *ctx, int vec, bool half, double budget,
                                 double *rate) {
  enum { FEW = 20, MANY = 50000 }; /* llvmpipe ends loops after 65535 rounds */
  double flops, seconds;
  /* Some hundred times: a machine that does other things delays a few of them. */
  LCL_TRY(flops_of(ctx, vec, half, FEW, 0.01, &flops, &seconds));
  /* As many rounds as take some milliseconds: a simulated device is a thousand times slower than a
   * real one. Short enough to run undisturbed once in a while on a machine that does other things.
   */
  for (double rounds = FEW; seconds < 0.001 && rounds < MANY;) {
    rounds = LCL_MIN((double)MANY, LCL_MAX(2 * rounds, rounds * 0.003 / LCL_MAX(seconds, 1e-6)));
    LCL_TRY(flops_of(ctx, vec, half, (int)rounds, budget, &flops, &seconds));
  }
  *rate = flops / seconds;
  return LCL_OK;
}

lcl_status lcl__probe_flops(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                            lcl_bench_row *row) {
  bool half = w->variant < 0;
  double rate = 0;
  snprintf(row->unit, sizeof row->unit, "GFLOP/s");
  if (half && !lcl__context_caps(ctx)->fp16)
    return LCL_OK; /* value stays -1: the device has no halves */
  LCL_TRY(lcl__probe_arithmetic(ctx, half ? 8 : w->variant, half, desc->seconds, &rate));
  row->value = rate * 1e-9;
  return LCL_OK;
}

/* ---- transfers and launches ---- */

typedef struct transfer {
  lcl_context *ctx;
  lcl_buffer *buffer;
  char *host;
  size_t bytes;
  bool up;
} transfer;

static lcl_status run_transfer(void *user) {
  transfer *t = user;
  return t->up ? lcl__upload(t->ctx, t->buffer, 0, t->host, t->bytes)
               : lcl__download(t->ctx, t->buffer, 0, t->host, t->bytes);
}

/* variant: 0 16 MB up, 1 down (bandwidth); 2 four bytes up and waited for, 3 down (latency). */
lcl_status lcl__probe_transfer(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                               lcl_bench_row *row) {
  const bool latency = w->variant >= 2;
  transfer t = { .ctx = ctx, .bytes = latency ? 4 : (size_t)16 << 20, .up = w->variant % 2 == 0 };
  t.host = lcl__alloc(t.bytes);
  lcl_status st = t.host ? lcl_buffer_create(ctx, t.bytes, &t.buffer) : LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK) st = lcl_buffer_write(t.buffer, 0, t.host, t.bytes);
  if (st == LCL_OK) st = lcl__bench_time_fn(ctx, run_transfer, &t, desc, row);
  row->bytes = (double)t.bytes;
  snprintf(row->unit, sizeof row->unit, "%s", latency ? "us" : "GB/s");
  if (st == LCL_OK) row->value = latency ? row->median * 1e6 : row->bytes / row->best * 1e-9;
  lcl_buffer_destroy(t.buffer);
  lcl__free(t.host);
  return st;
}

/* variant: 0 a wait on an idle queue; 1 a kernel enqueued by hand; 2 in a list; 3 list / by hand; 4
 * in a command buffer. */
lcl_status lcl__probe_launch(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                             lcl_bench_row *row) {
  lcl_launch_times t;
  (void)desc;
  LCL_TRY(lcl__bench_launch(ctx, 1000, 15, &t));
  const double each[] = { t.finish * 1e6, t.raw / 1000 * 1e6, t.replay / 1000 * 1e6,
                          t.replay / t.raw,
                          t.command_buffer > 0 ? t.command_buffer / 1000 * 1e6 : -1 };
  snprintf(row->unit, sizeof row->unit, "%s", w->variant == 3 ? "times" : "us");
  row->value = each[w->variant];
  return LCL_OK;
}

/* variant 0: fifty kernels with an empty cache of ours; 1: again, warm. */
lcl_status lcl__probe_start(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                            lcl_bench_row *row) {
  const lcl_caps *caps = lcl__context_caps(ctx);
  lcl_start_times t;
  char device[24];
  (void)desc;
  LCL_TRY(lcl__bench_start(lcl__caps_selector(caps, device), 50, &t));
  snprintf(row->unit, sizeof row->unit, "s");
  row->value = w->variant ? t.warm : t.cold;
  return LCL_OK;
}
