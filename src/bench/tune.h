/* The tuner's half that touches the device: products of a workload, candidates for one, and what a
 * candidate takes. */
#ifndef LCL_BENCH_TUNE_H
#define LCL_BENCH_TUNE_H

#include "bench/bench.h"
#include "ops/conv.h"
#include "ops/gemm.h"
#include "ops/tuning.h"

/* A product as a workload asks for it, without its epilogue, which costs the same everywhere; or,
 * with `conv`, a convolution that has a choice of algorithm: values are then the algorithm and the
 * set of those that are possible. */
typedef struct lcl_tune_problem {
  char key[160];
  lcl_gemm g;
  const lcl_op *conv;
  lcl_conv_attr conv_attr;
  lcl_shape in[2];
  double work; /* FLOP */
  size_t a_bytes, b_bytes, c_bytes;
  int standard[LCL_TUNING_VALUES]; /* the cost model's choice */
} lcl_tune_problem;

/* Every distinct problem of a workload (by its name) or of a model's training step (by the model's
 * name), most arithmetic first. lcl_free(*problems). */
lcl_status lcl_tune_collect(lcl_context *ctx, const char *name, lcl_tune_problem **problems,
                            size_t *n);

/* What lcl_tune_neighbours and _starts need to know of a problem, from its key. */
lcl_status lcl_tune_shape(const char *key, const int standard[LCL_TUNING_VALUES],
                          lcl_tune_problem *out);
/* Candidates around `from`: each differs from it in one parameter. At most `most`; `from` not among
 * them. The device may not be able to run all of them: lcl_tune_measure says so. */
size_t lcl_tune_neighbours(const lcl_tune_problem *p, const int from[LCL_TUNING_VALUES],
                           int (*out)[LCL_TUNING_VALUES], size_t most);

/* The other algorithms' starting points. */
size_t lcl_tune_starts(const lcl_caps *caps, const lcl_tune_problem *p,
                       int (*out)[LCL_TUNING_VALUES], size_t most);

/* Runs the problem with these values on small integers, where every order of summation gives the
 * same bits, and compares elements of the result with the product's definition. LCL_ERR_NUMERIC:
 * the result is wrong. */
lcl_status lcl_tune_measure(lcl_context *ctx, const lcl_tune_problem *p,
                            const int values[LCL_TUNING_VALUES], double *seconds);
/* Checks every problem of a workload in the way it is computed here. n: how many there are;
 * LCL_ERR_NUMERIC: one is wrong. */
lcl_status lcl_tune_verify(lcl_context *ctx, const char *name, size_t *n);

/* tune_conv.c */
void lcl_tune_conv_problem(const lcl_node *node, unsigned possible, lcl_conv_algorithm standard,
                           lcl_tune_problem *out);
size_t lcl_tune_conv_starts(const int standard[LCL_TUNING_VALUES], int (*out)[LCL_TUNING_VALUES],
                            size_t most);
lcl_status lcl_tune_conv_check(const lcl_tune_problem *p, const lcl_node *node, int algorithm,
                               const float *a, const float *b, const float *c);

#endif
