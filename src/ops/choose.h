/* Which implementation computes a problem.
 *
 * Order of the choice: what this process set (a tuner's candidate), what the user asked for
 * (latentcl/algorithm.h), the records of the device (tuning.h), what a find step measures (find.h),
 * the first profitable of the list. */
#ifndef LCL_OPS_CHOOSE_H
#define LCL_OPS_CHOOSE_H

#include "ops/tuning.h"

/* Chooses, emits the choice's launches, and leaves a note for `explain`. LCL_ERR_UNSUPPORTED: what
 * the user asked for cannot compute this problem; LCL_ERR_ARGUMENT: LATENTCL_ALGORITHM or
 * LATENTCL_FIND is wrong. */
lcl_status lcl__choose_and_lower(lcl_lower *lw, const lcl_problem *p);

/* Whether algorithms were asked for by name: then lcl_compile() refuses (LCL_ERR_UNSUPPORTED) what
 * they cannot compute. */
bool lcl__choice_asked(lcl_context *ctx);

/* The record of a problem that can be used on the context's device, else (false) what is taken
 * where nothing was measured. */
bool lcl__choice_recorded(lcl_context *ctx, const lcl_kind *kind, const char *key,
                          const void *problem, lcl_record *r);
/* Where a choice comes from, in a word: set, tuned, found (both measured on this device), shipped
 * (measured on another of its class), model (the cost model of its class) or rule. */
const char *lcl__choice_origin(const lcl_kind *kind, const lcl_caps *caps, const void *problem,
                               const lcl_record *r);

/* Called with every problem before it is chosen for, while it is set (fn NULL: stop). */
typedef void (*lcl_watch_fn)(void *user, lcl_lower *lw, const lcl_problem *p);
lcl_status lcl__choose_watch(lcl_context *ctx, lcl_watch_fn fn, void *user);

#endif
