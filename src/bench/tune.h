/* The tuner's half that touches the device: products of a workload, candidates for one, and what a candidate
 * takes. */
#ifndef LCL_BENCH_TUNE_H
#define LCL_BENCH_TUNE_H

#include "bench/bench.h"
#include "ops/tuning.h"

/* A product as a workload asks for it, without its epilogue, which costs the same everywhere. */
typedef struct lcl_tune_problem {
  char key[160];
  lcl_gemm g;
  size_t a_bytes, b_bytes, c_bytes;
  int standard[LCL_TUNING_VALUES]; /* the cost model's choice */
} lcl_tune_problem;

/* Every distinct product of a workload (by its name) or of a model's training step (by the model's name),
 * most arithmetic first. lcl_free(*problems). */
lcl_status lcl_tune_collect(lcl_context *ctx, const char *name, lcl_tune_problem **problems, size_t *n);

/* What lcl_tune_neighbours and _starts need to know of a problem, from its key. */
lcl_status lcl_tune_shape(const char *key, const int standard[LCL_TUNING_VALUES], lcl_tune_problem *out);
/* Candidates around `from`: each differs from it in one parameter. At most `most`; `from` not among them. The
 * device may not be able to run all of them: lcl_tune_measure says so. */
size_t lcl_tune_neighbours(const lcl_tune_problem *p, const int from[LCL_TUNING_VALUES],
                           int (*out)[LCL_TUNING_VALUES], size_t most);

/* The other algorithms' starting points. */
size_t lcl_tune_starts(const lcl_caps *caps, const lcl_tune_problem *p, int (*out)[LCL_TUNING_VALUES],
                       size_t most);

/* Runs the problem with these values on small integers, where every order of summation gives the same bits,
 * and compares elements of the result with the product's definition. LCL_ERR_NUMERIC: the result is wrong. */
lcl_status lcl_tune_measure(lcl_context *ctx, const lcl_tune_problem *p, const int values[LCL_TUNING_VALUES],
                            double *seconds);

#endif
