/** @file
 * The benchmark: named workloads measured in one way on any device. `latentcl bench` is made of
 * this.
 *
 * Threads: the functions with a context belong to the context's thread; the others may be called by
 * any thread. */
#ifndef LATENTCL_BENCH_H
#define LATENTCL_BENCH_H

#include "latentcl/context.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One workload measured. Times in seconds; a negative number means "not measured". */
typedef struct lcl_bench_row {
  char name[64];         /**< of the workload */
  char suite[16];        /**< it belongs to */
  char algorithm[96];    /**< label of the launch that does most of the arithmetic */
  double cold_compile;   /**< compilation and first run in a new process whose caches are empty;
                            filled by `latentcl bench`, which starts the processes */
  double cached_compile; /**< the same in one that finds the caches full */
  double compile;        /**< in this process, with the caches as they were */
  double first_run;      /**< first run after compilation */
  double median;         /**< steady state: median of the runs */
  double spread;         /**< their median absolute deviation */
  double best;           /**< their minimum */
  double enqueue;        /**< host time to enqueue one run */
  double device;         /**< sum of the device times of the launches of one run */
  long runs;             /**< runs in the steady state */
  double flops;          /**< useful arithmetic of one run; an FMA is 2 */
  double bytes;          /**< bytes that one run must move */
  double roofline;    /**< best possible time on this device as a share of the median, 0 to 1; see
                         #lcl_bench_peaks */
  size_t memory;      /**< bytes of intermediates and variables */
  size_t host_memory; /**< most bytes that this process had resident meanwhile; a device that
                         computes in the host's memory is in it. 0: not known */
  size_t launches;    /**< of one run */
  int verified; /**< 1: equals the double-precision reference within its bound; -1: wrong; 0: not
                   checked */
  bool verified_parts; /**< no reference computes it as a whole: each distinct GEMM and convolution
                          was compared with the reference, and a training step with the same step
                          without fusion */
  double error;        /**< largest error as a share of what is allowed */
  char unit[16];       /**< of value, for readings that are no time: "GFLOP/s", "GB/s", "us" */
  double value;        /**< such a reading */
} lcl_bench_row;

/** Working sets whose bandwidth is measured, at most. */
enum { LCL_BENCH_LEVELS = 4 /**< levels of lcl_bench_peaks.level */ };

/** Bandwidth of one working set. */
typedef struct lcl_bench_level {
  double bytes; /**< size of the working set */
  double rate;  /**< bytes a second, read and written */
} lcl_bench_level;

/** What the device can do, measured in the same process: the roofline that rows are compared with.
 * The best time of a row is the sum over its launches of max(flops / peak, bytes / bandwidth of a
 * working set of so many bytes), since what fits a cache may come from there (Williams et al.
 * 2009). */
typedef struct lcl_bench_peaks {
  double flops;                            /**< f32 FMA x 2 a second */
  double bandwidth;                        /**< bytes a second of the largest working set */
  int n_levels;                            /**< working sets measured */
  lcl_bench_level level[LCL_BENCH_LEVELS]; /**< smallest first */
} lcl_bench_peaks;

/** What the times were taken with. */
#define LCL_BENCH_CLOCK                                                                            \
  "host: CLOCK_MONOTONIC around work that is waited for; device: OpenCL event profiling"

/** How to measure. Zero everywhere is a good default. */
typedef struct lcl_bench_desc {
  double seconds;   /**< to spend on the steady state of a workload (0: 1; at least 5 runs);
                       negative: the first run only */
  bool verify;      /**< compare with the double-precision reference */
  bool device_time; /**< also run with the profiler, for lcl_bench_row.device */
  bool no_roofline; /**< leave out the roofline, and the seconds it takes to measure the peaks */
  lcl_bench_peaks peaks; /**< zero: measured when first needed, and kept here */
  const char *commit;    /**< what lcl_bench_json() says the program was built from; may be NULL */
} lcl_bench_desc;

/** A workload of the table. */
typedef struct lcl_bench_info {
  const char *name;        /**< "gemm-1024", ... */
  const char *suite;       /**< "gemm", ... */
  const char *description; /**< what it is, in words */
} lcl_bench_info;

/** Workloads that there are.
 *
 * @return how many */
LCL_API size_t lcl_bench_count(void);

/** A workload by position.
 *
 * @param index  0 to lcl_bench_count() - 1
 * @return constants */
LCL_API lcl_bench_info lcl_bench_at(size_t index);

/** A workload by name.
 *
 * @param name   of the workload, or the path of a file that lcl_bench_add_onnx() took
 * @param index  receives its position
 * @return #LCL_ERR_ARGUMENT when there is none */
LCL_API lcl_status lcl_bench_find(const char *name, size_t *index);

/** Adds a network from an ONNX file (onnx.h) to the workloads, as the last of the suite "onnx". It
 * is loaded when it is measured. A file that is there already is measured with these sizes from now
 * on. Do so before other threads use the benchmark.
 *
 * @param path    of the file; its last 63 bytes are the workload's name
 * @param dims    n_dims sizes of dimensions that the file leaves open, "batch=32"; others are 1
 * @param n_dims  how many
 * @param index   receives the workload's position
 * @return #LCL_ERR_ARGUMENT for a name that another workload has */
LCL_API lcl_status lcl_bench_add_onnx(const char *path, const char *const *dims, size_t n_dims,
                                      size_t *index);

/** Measures a workload.
 *
 * @param ctx    the device, opened without lcl_context_desc.profile
 * @param index  0 to lcl_bench_count() - 1
 * @param desc   how to measure; its peaks may be filled in
 * @param row    receives the readings
 * @return the statuses of compiling and running; a reading that the device does not have (halves)
 * is no error and stays -1 */
LCL_API lcl_status lcl_bench_run(lcl_context *ctx, size_t index, lcl_bench_desc *desc,
                                 lcl_bench_row *row);

/** Measures the peaks of the roofline, in a second or two.
 *
 * @param ctx  the device
 * @param out  receives them
 * @return the statuses of compiling and running */
LCL_API lcl_status lcl_bench_measure_peaks(lcl_context *ctx, lcl_bench_peaks *out);

/** The results as JSON: {"schema": "latentcl-bench-1", "device": {...}, "results": [{"name",
 * "seconds": {"median", ...}, ...}]}.
 *
 * @param ctx   the device
 * @param desc  what lcl_bench_run() was called with
 * @param rows  n results
 * @param n     how many
 * @param text  receives the text, for free()
 * @return #LCL_OK or #LCL_ERR_HOST_MEMORY */
LCL_API lcl_status lcl_bench_json(lcl_context *ctx, const lcl_bench_desc *desc,
                                  const lcl_bench_row *rows, size_t n, char **text);

#ifdef __cplusplus
}
#endif
#endif
