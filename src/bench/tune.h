/* The tuner's half that touches the device: GEMMs and convolutions of a workload, candidates for
 * one, and what a candidate takes. */
#ifndef LCL_BENCH_TUNE_H
#define LCL_BENCH_TUNE_H

#include "bench/bench.h"
#include "ops/trial.h"
#include "ops/tuning.h"

/* Every distinct problem of a workload (by its name) or of a model's training step (by the model's
 * name), most arithmetic first, those without a choice left out. lcl__free(*problems). */
lcl_status lcl__tune_collect(lcl_context *ctx, const char *name, lcl_trial_problem **problems,
                             size_t *n);

/* The kind that has an implementation of this name. */
const lcl_kind *lcl__tune_kind(const char *implementation);
/* The other implementations that support the problem, with their own best parameters; at most
 * `most`. Returns how many. */
size_t lcl__tune_starts(const lcl_caps *caps, const lcl_trial_problem *p, lcl_choice *out,
                        size_t most);
/* Choices around `from`: each differs from it in one parameter. At most `most`; returns how many.
 * The problem or the device may not permit all of them: lcl__tune_measure says so. */
size_t lcl__tune_neighbours(const lcl_choice *from, lcl_choice *out, size_t most);

/* Runs the problem this way on small integers, where every order of summation gives the same bits,
 * and checks the whole result against the definition. LCL_ERR_UNSUPPORTED: not possible here;
 * LCL_ERR_NUMERIC: the result is wrong. */
lcl_status lcl__tune_measure(lcl_context *ctx, const lcl_trial_problem *p, const lcl_choice *c,
                             double *seconds);
/* Checks every problem of a workload in the way it is computed here. n: how many there are;
 * LCL_ERR_NUMERIC: one is wrong. */
lcl_status lcl__tune_verify(lcl_context *ctx, const char *name, size_t *n);

/* tune_check.c: the result of a trial against the definition; LCL_ERR_NUMERIC: it is wrong. */
lcl_status lcl__tune_check(const lcl_trial *t, const lcl_choice *choice);

#endif
