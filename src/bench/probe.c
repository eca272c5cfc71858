/* Properties of the device itself: peak arithmetic, bandwidth, transfers, launch cost. */
#include "bench/bench.h"
#include "bench/launch.h"

typedef struct probe {
  lcl_context *ctx;
  lcl_list *list;
  lcl_buffer *a, *b;
} probe;

static void probe_free(probe *p) {
  lcl_list_destroy(p->list);
  lcl_buffer_destroy(p->a);
  lcl_buffer_destroy(p->b);
}

static lcl_status run_list(void *user) { return lcl_list_run(((probe *)user)->list, NULL); }

/* Adds a kernel of probe.cl with two buffer ranges and the given arguments (clSetKernelArg style). */
typedef struct arg {
  size_t bytes;
  const void *value;
} arg;

static lcl_status add_kernel(probe *p, const char *options, const char *kernel, const arg *args, int n, size_t global, size_t local) {
  lcl_source source = { .file = "probe.cl", .options = options };
  cl_kernel k;
  LCL_TRY(lcl_kernel_create(p->ctx, &source, kernel, &k));
  for (int i = 0; i < n; i++) {
    cl_int err = clSetKernelArg(k, (cl_uint)i, args[i].bytes, args[i].value);
    if (err != CL_SUCCESS) {
      clReleaseKernel(k);
      return lcl_cl_fail(p->ctx, err, "clSetKernelArg");
    }
  }
  lcl_range ranges[2] = { { p->a, 0, lcl_buffer_size(p->a), true }, { p->b, 0, p->b ? lcl_buffer_size(p->b) : 0, true } };
  return lcl_list_add(p->list, &(lcl_launch){ .kind = LCL_LAUNCH_KERNEL, .label = kernel, .kernel = k, .dims = 1, .global = { global },
                                              .local = { local }, .ranges = ranges, .n_ranges = p->b ? 2 : 1 });
}

static size_t items(const lcl_caps *caps, size_t *local) {
  *local = caps->panel ? 1 : LCL_MIN((size_t)128, caps->max_work_group);
  return caps->panel ? caps->compute_units * 4 : caps->compute_units * 2048;
}

static lcl_status flops_of(lcl_context *ctx, int vec, bool half, int rounds, lcl_bench_desc *desc, lcl_bench_row *row, double *rate) {
  enum { CHAINS = 12 };
  probe p = { .ctx = ctx };
  size_t local, n = items(lcl_context_caps(ctx), &local);
  char options[96];
  snprintf(options, sizeof options, "-DVEC=%d -DCHAINS=%d -DREAL=%s%s", vec, CHAINS, half ? "half" : "float", half ? " -DUSE_FP16" : "");
  lcl_status st = lcl_list_create(ctx, &p.list);
  if (st == LCL_OK) st = lcl_buffer_create(ctx, n * 64, &p.a);
  cl_mem mem = p.a ? lcl_buffer_mem(p.a) : NULL;
  float a = 0.999f, b = 0.001f;
  uint16_t ha = 0x3bfe, hb = 0x1419; /* the same in half precision */
  arg args[4] = { { sizeof mem, &mem }, { sizeof rounds, &rounds }, { 4, &a }, { 4, &b } };
  if (half) {
    args[2] = (arg){ 2, &ha };
    args[3] = (arg){ 2, &hb };
  }
  if (st == LCL_OK) st = add_kernel(&p, options, "fma_peak", args, 4, n, local);
  if (st == LCL_OK) st = lcl_list_seal(p.list);
  if (st == LCL_OK) st = lcl_bench_time_fn(ctx, run_list, &p, desc, row);
  row->flops = 2.0 * (double)n * vec * CHAINS * rounds;
  *rate = st == LCL_OK ? row->flops / row->best : 0;
  probe_free(&p);
  return st;
}

/* As many rounds as take some hundredths of a second: a simulated GPU is a thousand times slower than a real one. */
static lcl_status measure_flops(lcl_context *ctx, int vec, bool half, lcl_bench_desc *desc, lcl_bench_row *row, double *rate) {
  enum { FEW = 20, MANY = 20000 };
  lcl_bench_desc once = { .seconds = 1e-6 };
  LCL_TRY(flops_of(ctx, vec, half, FEW, &once, row, rate));
  double rounds = FEW * 0.02 / LCL_MAX(row->best, 1e-6);
  return flops_of(ctx, vec, half, rounds > MANY ? MANY : rounds < FEW ? FEW : (int)rounds, desc, row, rate);
}

/* kind: 0 read, 1 copy, 2 local. */
static lcl_status measure_bandwidth(lcl_context *ctx, int kind, lcl_bench_desc *desc, lcl_bench_row *row, double *rate) {
  const lcl_caps *caps = lcl_context_caps(ctx);
  probe p = { .ctx = ctx };
  size_t local, n = items(caps, &local), vectors = LCL_MIN((size_t)128 << 20, caps->max_alloc / 2) / 64;
  int per = (int)(vectors / n) & ~1, chunked = caps->panel, rounds = 1 << 16;
  size_t bytes = n * (size_t)per * 64;
  lcl_status st = lcl_list_create(ctx, &p.list);
  if (st == LCL_OK) st = lcl_buffer_create(ctx, bytes, &p.a);
  if (st == LCL_OK) st = lcl_buffer_create(ctx, kind == 1 ? bytes : n * 64, &p.b);
  cl_mem a = p.a ? lcl_buffer_mem(p.a) : NULL, b = p.b ? lcl_buffer_mem(p.b) : NULL;
  if (kind == 2) {
    if (local == 1) local = n = 64;
    const arg args[3] = { { sizeof a, &a }, { local * 4, NULL }, { sizeof rounds, &rounds } };
    if (st == LCL_OK) st = add_kernel(&p, NULL, "local_sum", args, 3, n, local);
    row->bytes = (double)n * rounds * 4;
  } else {
    const arg args[4] = { { sizeof a, &a }, { sizeof b, &b }, { sizeof per, &per }, { sizeof chunked, &chunked } };
    if (st == LCL_OK) st = lcl_list_add(p.list, &(lcl_launch){ .kind = LCL_LAUNCH_FILL, .label = "fill",
                                                               .ranges = &(lcl_range){ p.a, 0, bytes, true }, .n_ranges = 1 });
    if (st == LCL_OK) st = lcl_list_seal(p.list);
    if (st == LCL_OK) st = lcl_list_run(p.list, NULL);
    if (st == LCL_OK) st = lcl_context_finish(ctx);
    lcl_list_destroy(p.list);
    p.list = NULL;
    if (st == LCL_OK) st = lcl_list_create(ctx, &p.list);
    if (st == LCL_OK) st = add_kernel(&p, NULL, kind ? "copy" : "read_sum", args, 4, n, local);
    row->bytes = (double)bytes * (kind ? 2 : 1);
  }
  if (st == LCL_OK) st = lcl_list_seal(p.list);
  if (st == LCL_OK) st = lcl_bench_time_fn(ctx, run_list, &p, desc, row);
  *rate = st == LCL_OK ? row->bytes / row->best : 0;
  probe_free(&p);
  return st;
}

lcl_status lcl_probe_flops(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc, lcl_bench_row *row) {
  bool half = w->variant < 0;
  double rate = 0;
  snprintf(row->unit, sizeof row->unit, "GFLOP/s");
  if (half && !lcl_context_caps(ctx)->fp16) return LCL_OK; /* value stays -1: the device has no halves */
  LCL_TRY(measure_flops(ctx, half ? 8 : w->variant, half, desc, row, &rate));
  row->value = rate * 1e-9;
  return LCL_OK;
}

lcl_status lcl_probe_bandwidth(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc, lcl_bench_row *row) {
  double rate = 0;
  snprintf(row->unit, sizeof row->unit, "GB/s");
  LCL_TRY(measure_bandwidth(ctx, w->variant, desc, row, &rate));
  row->value = rate * 1e-9;
  return LCL_OK;
}

typedef struct transfer {
  lcl_context *ctx;
  lcl_buffer *buffer;
  char *host;
  size_t bytes;
  bool up;
} transfer;

static lcl_status run_transfer(void *user) {
  transfer *t = user;
  return t->up ? lcl_upload(t->ctx, t->buffer, 0, t->host, t->bytes) : lcl_download(t->ctx, t->buffer, 0, t->host, t->bytes);
}

lcl_status lcl_probe_transfer(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc, lcl_bench_row *row) {
  transfer t = { .ctx = ctx, .bytes = (size_t)16 << 20, .up = w->variant == 0 };
  t.host = lcl_alloc(t.bytes);
  lcl_status st = t.host ? lcl_buffer_create(ctx, t.bytes, &t.buffer) : LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK) st = lcl_buffer_write(t.buffer, 0, t.host, t.bytes);
  if (st == LCL_OK) st = lcl_bench_time_fn(ctx, run_transfer, &t, desc, row);
  row->bytes = (double)t.bytes;
  snprintf(row->unit, sizeof row->unit, "GB/s");
  if (st == LCL_OK) row->value = row->bytes / row->best * 1e-9;
  lcl_buffer_destroy(t.buffer);
  lcl_free(t.host);
  return st;
}

/* variant: 0 a wait on an idle queue; 1 a kernel enqueued by hand; 2 in a list; 3 list / by hand; 4 in a command buffer. */
lcl_status lcl_probe_launch(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc, lcl_bench_row *row) {
  lcl_launch_times t;
  (void)desc;
  LCL_TRY(lcl_bench_launch(ctx, 1000, 15, &t));
  const double each[] = { t.finish * 1e6, t.raw / 1000 * 1e6, t.replay / 1000 * 1e6, t.replay / t.raw,
                          t.command_buffer > 0 ? t.command_buffer / 1000 * 1e6 : -1 };
  snprintf(row->unit, sizeof row->unit, "%s", w->variant == 3 ? "times" : "us");
  row->value = each[w->variant];
  return LCL_OK;
}

/* variant 0: fifty kernels with an empty cache of ours; 1: again, warm. */
lcl_status lcl_probe_start(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc, lcl_bench_row *row) {
  const lcl_caps *caps = lcl_context_caps(ctx);
  lcl_start_times t;
  char device[32];
  (void)desc;
  snprintf(device, sizeof device, "%d:%d", caps->platform_index, caps->device_index);
  LCL_TRY(lcl_bench_start(device, 50, &t));
  snprintf(row->unit, sizeof row->unit, "s");
  row->value = w->variant ? t.warm : t.cold;
  return LCL_OK;
}

lcl_status lcl_bench_measure_peaks(lcl_context *ctx, lcl_bench_peaks *out) {
  lcl_bench_desc brief = { .seconds = 0.15 };
  lcl_bench_row row;
  const int widths[] = { 16, 4, 1 };
  *out = (lcl_bench_peaks){ 0 };
  for (size_t i = 0; i < LCL_COUNT(widths); i++) {
    double rate = 0;
    LCL_TRY(measure_flops(ctx, widths[i], false, &brief, &row, &rate));
    out->flops = LCL_MAX(out->flops, rate);
  }
  return measure_bandwidth(ctx, 1, &brief, &row, &out->bandwidth);
}
