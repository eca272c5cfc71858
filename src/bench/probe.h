/* What the probes of a device share: a launch list with one kernel of cl/probe.cl and its buffers.
 */
#ifndef LCL_BENCH_PROBE_H
#define LCL_BENCH_PROBE_H

#include "bench/bench.h"

typedef struct lcl_probe {
  lcl_context *ctx;
  lcl_list *list;
  lcl_buffer *a, *b;
} lcl_probe;

/* Makes the list of one kernel and seals it. */
lcl_status lcl__probe_kernel(lcl_probe *p, const char *options, const char *kernel,
                             const lcl_arg *args, int n, size_t global, size_t local);
lcl_status lcl__probe_run(void *probe); /* an lcl_bench_fn */
void lcl__probe_free(lcl_probe *p);
/* Work-items that keep the whole device busy, and how many of them a work-group has. */
size_t lcl__probe_items(const lcl_caps *caps, size_t *local);

/* Seconds of one run: the shortest of several within about `budget` seconds (at least two, after
 * one to warm up). */
lcl_status lcl__probe_best(lcl_probe *p, double budget, double *seconds);
/* Bytes a second when reading (or copying) `bytes` over and over. */
lcl_status lcl__probe_stream(lcl_context *ctx, bool copy, size_t bytes, double budget,
                             double *rate);
/* The best arithmetic in vectors of this width. */
lcl_status lcl__probe_arithmetic(lcl_context *ctx, int vec, bool half, double budget, double *rate);

#endif
