/* Layer 6, internal: the table of workloads and how each kind is measured. */
#ifndef LCL_BENCH_INTERNAL_H
#define LCL_BENCH_INTERNAL_H

#include "device/device.h"
#include "graph/graph.h"
#include "latentcl/bench.h"

typedef enum lcl_workload_kind {
  LCL_WORK_OP,    /* an op of the reference table on given shapes */
  LCL_WORK_STEP,  /* a training step of a model */
  LCL_WORK_PROBE, /* a property of the device */
  LCL_WORK_FILE,  /* a network from an ONNX file */
  LCL_WORK_CUSTOM /* its own function */
} lcl_workload_kind;

typedef struct lcl_workload lcl_workload;
struct lcl_workload {
  const char *name, *suite, *description;
  lcl_workload_kind kind;
  /* OP */
  const char *op, *attrs; /* "stride=2 pad=1" */
  const char *shapes;     /* "32x64x32x32 64x64x3x3", one an input; "-": absent */
  int gradient;           /* 0: forward; i + 1: the gradient of input i */
  bool half;              /* operands in half precision, which holds their values */
  /* STEP */
  const char *model, *options; /* "layers=1 hidden=16" */
  int batch, unlabelled_batch; /* batch 0: the model's own */
  int channels, height, width;
  /* FILE */
  const char *path;
  const char *const *dims; /* "batch=32" */
  size_t n_dims;
  /* FILE, STEP, PROBE, CUSTOM */
  lcl_status (*run)(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                    lcl_bench_row *row);
  int variant;
};

extern const lcl_workload lcl__workloads[];
extern const size_t lcl__n_workloads;
/* Of the table, then those that were added; NULL: there is none. */
const lcl_workload *lcl__bench_workload(size_t index);

lcl_status lcl__bench_file(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                           lcl_bench_row *row);
/* Runs the network as it is timed and without fusion in guarded memory. error: how far the outputs
 * lie apart, as a part of what is allowed. */
lcl_status lcl__bench_file_verify(lcl_context *ctx, const lcl_workload *w, double *error);

lcl_status lcl__bench_op(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                         lcl_bench_row *row);
lcl_status lcl__bench_sample(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                             lcl_bench_row *row);
/* What folders in /tmp begin with; a process number follows. */
#define LCL_BENCH_FOLDER "latentcl-bench-"
/* A new one; false: it cannot be made. */
bool lcl__bench_folder(char path[48]);
lcl_status lcl__bench_epoch(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                            lcl_bench_row *row);
lcl_status lcl__bench_step(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                           lcl_bench_row *row);
/* Runs one step as it is timed and one without fusion in guarded memory, from the same beginning.
 * error: how far the loss, the optimiser's moments and the running statistics lie apart, as a part
 * of what is allowed. */
lcl_status lcl__bench_step_verify(lcl_context *ctx, const lcl_workload *w, double *error);

/* Compiles the graph and fills the row's compile time, arithmetic, memory and algorithm. */
lcl_status lcl__bench_compile(lcl_graph *g, const lcl_compile_desc *how, lcl_program **out,
                              lcl_bench_row *row);
/* First run, warm-up, then the steady state. Short programs run several times between two waits, as
 * a training loop would. */
lcl_status lcl__bench_time(lcl_context *ctx, lcl_program *p, lcl_bench_desc *desc,
                           lcl_bench_row *row);
/* The same for any work: run enqueues it once. */
typedef lcl_status (*lcl_bench_fn)(void *user);
lcl_status lcl__bench_time_fn(lcl_context *ctx, lcl_bench_fn run, void *user,
                              const lcl_bench_desc *desc, lcl_bench_row *row);
double lcl__bench_median(double *values, size_t n); /* sorts values */

/* probe.c, probe_memory.c */
lcl_status lcl__probe_flops(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                            lcl_bench_row *row);
lcl_status lcl__probe_bandwidth(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                                lcl_bench_row *row);
lcl_status lcl__probe_local(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                            lcl_bench_row *row);
lcl_status lcl__probe_latency(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                              lcl_bench_row *row);
lcl_status lcl__probe_transfer(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                               lcl_bench_row *row);
lcl_status lcl__probe_start(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                            lcl_bench_row *row);
lcl_status lcl__probe_launch(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                             lcl_bench_row *row);
/* Measures the peaks again and keeps what is larger. */
lcl_status lcl__bench_raise_peaks(lcl_context *ctx, lcl_bench_peaks *peaks);

/* roofline.c: bytes a second of a working set, and the best possible time of one run. */
double lcl__bench_bandwidth(const lcl_bench_peaks *peaks, double bytes);
double lcl__bench_best_time(const lcl_bench_peaks *peaks, const lcl_program *p);

#endif
