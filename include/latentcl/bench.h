/* The benchmark: named workloads measured in one way on any device. `latentcl bench` is made of
 * this. */
#ifndef LATENTCL_BENCH_H
#define LATENTCL_BENCH_H

#include "latentcl/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One workload measured. Times in seconds; a negative number means "not measured". */
typedef struct lcl_bench_row {
  char name[64], suite[16];
  char algorithm[96];  /* label of the launch that does most of the arithmetic */
  double cold_compile; /* compilation and first run in a new process whose caches are all empty, and
                          again in one that */
  double cached_compile; /* finds them full: filled by `latentcl bench`, which starts them */
  double compile;        /* in this process, with the caches as they were */
  double first_run;
  double median, spread, best; /* steady state; spread is the median absolute deviation */
  double enqueue;              /* host time to enqueue one run */
  double device;               /* sum of device times of the launches of one run */
  long runs;
  double flops,
      bytes; /* useful arithmetic (a multiply-add is 2) and bytes that must move, of one run */
  double roofline; /* best possible time on this device as a part of the median, 0..1; see
                      lcl_bench_peaks */
  size_t memory;   /* bytes of intermediates and variables */
  size_t launches;
  int verified; /* 1: equals the double-precision reference within its bound; -1: wrong; 0: not
                   looked at */
  bool verified_parts; /* no reference computes it as a whole: each distinct product and convolution
                          was compared with the reference, and a training step with the same step
                          without fusion */
  double error;        /* largest error as a part of what is allowed */
  char unit[16];       /* of `value`, for readings that are no time ("GFLOP/s", "GB/s", "us") */
  double value;
} lcl_bench_row;

/* What the device can do, measured in the same process: the roofline that rows are compared with.
 * The best time of a row is the sum over its launches of max(flops / peak, bytes / bandwidth of a
 * working set of so many bytes), since what fits a cache may come from there. */
enum { LCL_BENCH_LEVELS = 4 };
typedef struct lcl_bench_peaks {
  double flops; /* f32 multiply-adds x 2 a second */
  double
      bandwidth; /* bytes a second, read + written, of the largest working set that was measured */
  int n_levels;
  struct {
    double bytes, rate;
  } level[LCL_BENCH_LEVELS]; /* bandwidth by size of the working set, smallest first */
} lcl_bench_peaks;

/* What the times were taken with. */
#define LCL_BENCH_CLOCK                                                                            \
  "host: CLOCK_MONOTONIC around work that is waited for; device: OpenCL event profiling"

typedef struct lcl_bench_desc {
  double seconds; /* time to spend on the steady state of a workload (default 1; at least 5 runs);
                     negative: the first run only */
  bool verify;
  bool device_time; /* also run with the profiler: the sum of the launches' device times */
  bool
      no_roofline; /* leave out the roofline, and the second or two it takes to measure the peaks */
  lcl_bench_peaks peaks; /* zero: measured when first needed, and kept here */
} lcl_bench_desc;

/* A workload of the table: name, suite, and what it is, in words. */
typedef struct lcl_bench_info {
  const char *name, *suite, *description;
} lcl_bench_info;
LCL_API size_t lcl_bench_count(void);
LCL_API lcl_bench_info lcl_bench_at(size_t index);
/* LCL_ERR_ARGUMENT when there is none. */
LCL_API lcl_status lcl_bench_find(const char *name, size_t *index);

/* Measures one workload. ctx should have been made with .profile = false. */
LCL_API lcl_status lcl_bench_run(lcl_context *ctx, size_t index, lcl_bench_desc *desc,
                                 lcl_bench_row *row);
LCL_API lcl_status lcl_bench_measure_peaks(lcl_context *ctx, lcl_bench_peaks *out);

/* {"schema": "latentcl-bench-1", "device": {...}, "results": [{"name", "seconds": {"median", ...},
 * ...}]}; the caller frees *text with free(). */
LCL_API lcl_status lcl_bench_json(lcl_context *ctx, const lcl_bench_desc *desc,
                                  const lcl_bench_row *rows, size_t n, char **text);

#ifdef __cplusplus
}
#endif
#endif
