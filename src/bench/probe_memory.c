/* Memory of the device: bandwidth of working sets that fit its caches and of one that does not,
 * latency, local memory. */
#include "bench/probe.h"

/* Memory that was never written may not be there yet. */
static lcl_status zero(lcl_context *ctx, lcl_buffer *b) {
  lcl_list *list;
  LCL_TRY(lcl__list_create(ctx, &list));
  lcl_status st = lcl__list_add(list, &(lcl_launch) { .kind = LCL_LAUNCH_FILL,
                                                      .label = "fill",
                                                      LCL_ARGS(lcl__memory(b, LCL_WRITE)) });
  if (st == LCL_OK) st = lcl__list_seal(list);
  if (st == LCL_OK) st = lcl__list_run(list, NULL);
  if (st == LCL_OK) st = lcl_context_finish(ctx);
  lcl__list_destroy(list);
  return st;
}

/* One launch of `rounds` rounds. */
static lcl_status stream_once(lcl_context *ctx, bool copy, size_t bytes, int rounds, double budget,
                              double *seconds) {
  const lcl_caps *caps = lcl__context_caps(ctx);
  lcl_probe p = { .ctx = ctx };
  const int n = (int)(bytes / 64 / (copy ? 2 : 1)), chunked = caps->packed;
  size_t local, items = lcl__probe_items(caps, &local);
  items = LCL_MAX((size_t)1, LCL_MIN(items, (size_t)n / 2));
  int per = LCL_MAX(2, (int)((size_t)n / items) & ~1);
  if (items % local) local = 1;
  lcl_status st = lcl_buffer_create(ctx, (size_t)n * 64, &p.a);
  if (st == LCL_OK) st = lcl_buffer_create(ctx, LCL_MAX(copy ? (size_t)n : 0, items) * 64, &p.b);
  if (st == LCL_OK) st = zero(ctx, p.a);
  if (st == LCL_OK) st = zero(ctx, p.b);
  const lcl_arg args[6] = { lcl__memory(p.a, LCL_READ_WRITE),
                            lcl__memory(p.b, LCL_READ_WRITE),
                            lcl__i32(n),
                            lcl__i32(per),
                            lcl__i32(rounds),
                            lcl__i32(chunked) };
  if (st == LCL_OK)
    st = lcl__probe_kernel(&p, NULL, copy ? "copy" : "read_sum", args, 6, items, local);
  if (st == LCL_OK) st = lcl__probe_best(&p, budget, seconds);
  lcl__probe_free(&p);
  *seconds *= (double)n / ((double)items * per); /* of exactly n vectors */
  return st;
}

/* Launches of some milliseconds; but llvmpipe silently ends loops after 65535 rounds in all. */
lcl_status lcl__probe_stream(lcl_context *ctx, bool copy, size_t bytes, double budget,
                             double *rate) {
  double seconds;
  const lcl_caps *caps = lcl__context_caps(ctx);
  size_t local, items = lcl__probe_items(caps, &local),
                loops = caps->packed ? (size_t)1 << 24 : 60000;
  const int most = (int)LCL_MAX((size_t)1, loops / LCL_MAX(bytes / 64 / items, (size_t)2));
  int rounds = 1;
  LCL_TRY(stream_once(ctx, copy, bytes, 1, 0, &seconds));
  if (seconds < 0.002 && most > 1) {
    rounds = (int)LCL_MIN((double)most, 0.003 / LCL_MAX(seconds, 1e-6) + 1);
    LCL_TRY(stream_once(ctx, copy, bytes, rounds, budget, &seconds));
  }
  *rate = (double)bytes * rounds / seconds;
  return LCL_OK;
}

/* Sizes that end in the first-level caches, the second, the third, and in none, of most devices. */
static const size_t sizes[LCL_BENCH_LEVELS] = { (size_t)128 << 10, (size_t)1 << 20, (size_t)8 << 20,
                                                (size_t)128 << 20 };

/* variant: size * 2 + copying. */
lcl_status lcl__probe_bandwidth(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                                lcl_bench_row *row) {
  const size_t bytes = sizes[w->variant / 2];
  double rate = 0;
  snprintf(row->unit, sizeof row->unit, "GB/s");
  if (bytes > lcl__context_caps(ctx)->max_alloc) return LCL_OK;
  LCL_TRY(lcl__probe_stream(ctx, w->variant % 2, bytes, desc->seconds, &rate));
  row->value = rate * 1e-9;
  return LCL_OK;
}

lcl_status lcl__probe_local(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                            lcl_bench_row *row) {
  lcl_probe p = { .ctx = ctx };
  const int rounds = 1 << 15;
  size_t local, n = lcl__probe_items(lcl__context_caps(ctx), &local);
  double seconds = 1;
  (void)w;
  if (local == 1) local = n = 64;
  lcl_status st = lcl_buffer_create(ctx, n * 4, &p.a);
  const lcl_arg args[3] = { lcl__memory(p.a, LCL_READ_WRITE), lcl__local(local * 4),
                            lcl__i32(rounds) };
  if (st == LCL_OK) st = lcl__probe_kernel(&p, NULL, "local_sum", args, 3, n, local);
  if (st == LCL_OK) st = lcl__probe_best(&p, desc->seconds, &seconds);
  lcl__probe_free(&p);
  snprintf(row->unit, sizeof row->unit, "GB/s");
  row->value = (double)n * rounds * 4 / seconds * 1e-9;
  return st;
}

/* A chain that visits every cache line of n integers once, in an order that no prefetcher guesses
 * (a full-period congruential generator over the lines). */
static lcl_status upload_chain(lcl_buffer *to, size_t lines) {
  enum { LINE = 16 };
  int *next = lcl__alloc(lines * LINE * sizeof *next);
  if (!next) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0, at = 0; i < lines; i++) {
    const size_t to_line = (at * 1664525u + 1013904223u) & (lines - 1);
    next[at * LINE] = (int)(to_line * LINE);
    at = to_line;
  }
  lcl_status st = lcl_buffer_write(to, 0, next, lines * LINE * sizeof *next);
  lcl__free(next);
  return st;
}

/* variant: index of the working set's size. */
lcl_status lcl__probe_latency(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                              lcl_bench_row *row) {
  lcl_probe p = { .ctx = ctx };
  const size_t bytes = LCL_MIN(sizes[w->variant], (size_t)64 << 20);
  const int steps = 30000;
  double seconds = 1;
  lcl_status st = lcl_buffer_create(ctx, bytes, &p.a);
  if (st == LCL_OK) st = lcl_buffer_create(ctx, 4, &p.b);
  if (st == LCL_OK) st = upload_chain(p.a, bytes / 64);
  const lcl_arg args[3] = { lcl__memory(p.a, LCL_READ), lcl__memory(p.b, LCL_WRITE),
                            lcl__i32(steps) };
  if (st == LCL_OK) st = lcl__probe_kernel(&p, NULL, "chase", args, 3, 1, 1);
  if (st == LCL_OK) st = lcl__probe_best(&p, desc->seconds, &seconds);
  lcl__probe_free(&p);
  snprintf(row->unit, sizeof row->unit, "ns");
  row->value = seconds / steps * 1e9;
  return st;
}

/* ---- the roofline ---- */

/* Raises what is there: a shared machine measures low, never high. */
lcl_status lcl__bench_raise_peaks(lcl_context *ctx, lcl_bench_peaks *peaks) {
  const int widths[] = { 16, 4, 1 };
  for (size_t i = 0; i < LCL_COUNT(widths); i++) {
    double rate = 0;
    LCL_TRY(lcl__probe_arithmetic(ctx, widths[i], false, 0.1, &rate));
    peaks->flops = LCL_MAX(peaks->flops, rate);
  }
  for (int i = 0; i < LCL_BENCH_LEVELS; i++) {
    double read = 0, copy = 0;
    if (sizes[i] > lcl__context_caps(ctx)->max_alloc) break;
    if (i > 0 && (double)sizes[i] / peaks->level[i - 1].rate > 0.3)
      break; /* so slow that memory is not what limits it */
    LCL_TRY(lcl__probe_stream(ctx, false, sizes[i], 0.05, &read));
    LCL_TRY(lcl__probe_stream(ctx, true, sizes[i], 0.05, &copy));
    peaks->level[i].bytes = (double)sizes[i];
    peaks->level[i].rate = LCL_MAX(peaks->level[i].rate, LCL_MAX(read, copy));
    peaks->n_levels = LCL_MAX(peaks->n_levels, i + 1);
  }
  /* What a larger set reaches, a smaller one does too. */
  for (int i = peaks->n_levels - 1; i > 0; i--)
    peaks->level[i - 1].rate = LCL_MAX(peaks->level[i - 1].rate, peaks->level[i].rate);
  peaks->bandwidth = peaks->level[peaks->n_levels - 1].rate;
  return LCL_OK;
}

lcl_status lcl_bench_measure_peaks(lcl_context *ctx, lcl_bench_peaks *out) {
  LCL_NEED(ctx, out);
  *out = (lcl_bench_peaks) { 0 };
  return lcl__bench_raise_peaks(ctx, out);
}
