/* The tuner's half that touches the device: GEMMs and convolutions of a workload, candidates for
 * one, and what a candidate takes. */
#ifndef LCL_BENCH_TUNE_H
#define LCL_BENCH_TUNE_H

#include "bench/bench.h"
#include "ops/conv.h"
#include "ops/gemm.h"
#include "ops/tuning.h"

/* A GEMM or a convolution as a workload asks for it, without its epilogue, which costs the same
 * everywhere. */
typedef struct lcl_tune_problem {
  char key[160];
  bool is_conv;
  lcl_conv_problem conv; /* is_conv */
  lcl_gemm g;            /* else */
  double work;           /* FLOP */
  size_t a_bytes, b_bytes, c_bytes;
  lcl_choice usual; /* what is taken where nothing was measured */
} lcl_tune_problem;

/* Every distinct problem of a workload (by its name) or of a model's training step (by the model's
 * name), most arithmetic first, those without a choice left out. lcl__free(*problems). */
lcl_status lcl__tune_collect(lcl_context *ctx, const char *name, lcl_tune_problem **problems,
                             size_t *n);

/* An implementation of the GEMM or the convolution by its name, or NULL. */
const lcl_implementation *lcl__tune_find(const char *name);
/* The other implementations that support the problem, with their own best parameters; at most
 * `most`. Returns how many. */
size_t lcl__tune_starts(const lcl_caps *caps, const lcl_tune_problem *p, lcl_choice *out,
                        size_t most);
/* Choices around `from`: each differs from it in one parameter. At most `most`; returns how many.
 * The problem or the device may not permit all of them: lcl__tune_measure says so. */
size_t lcl__tune_neighbours(const lcl_choice *from, lcl_choice *out, size_t most);

/* Runs the problem this way on small integers, where every order of summation gives the same bits,
 * and checks the whole result against the definition. LCL_ERR_UNSUPPORTED: not possible here;
 * LCL_ERR_NUMERIC: the result is wrong. */
lcl_status lcl__tune_measure(lcl_context *ctx, const lcl_tune_problem *p, const lcl_choice *c,
                             double *seconds);
/* Checks every problem of a workload in the way it is computed here. n: how many there are;
 * LCL_ERR_NUMERIC: one is wrong. */
lcl_status lcl__tune_verify(lcl_context *ctx, const char *name, size_t *n);

/* tune_check.c: the result c of operands a and b, which hold integers of at most 2, against the
 * definition. */
lcl_status lcl__tune_check_gemm(const lcl_gemm *g, const float *a, const float *b, const float *c);
lcl_status lcl__tune_check_conv(const lcl_conv_problem *p, const lcl_choice *choice, const float *a,
                                const float *b, const float *c);

#endif
