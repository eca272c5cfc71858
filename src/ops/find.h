/* The find step: at the first use of a problem, the implementations that can compute it are
 * measured and the fastest is kept in the user's tuning file. */
#ifndef LCL_OPS_FIND_H
#define LCL_OPS_FIND_H

#include "latentcl/algorithm.h"
#include "ops/trial.h"
#include "ops/tuning.h"

/* A problem to measure, and the arithmetic of all its uses. */
typedef struct lcl_unmeasured {
  lcl_trial_problem p;
  double flops;
} lcl_unmeasured;

/* What a context still may measure, and what waits for it. */
typedef struct lcl_finder {
  lcl_find mode;
  double left;  /* seconds */
  bool running; /* a trial's own problems are not measured in turn */
  bool said;
  struct {
    lcl_unmeasured *data;
    size_t n, cap;
  } waiting;
} lcl_finder;
lcl_finder lcl__finder(lcl_find mode);
/* "off", "quick" or "full" into mode; false: it is none of them. */
bool lcl__find_mode(const char *word, lcl_find *mode);

/* Lets p wait to be measured, unless `known`, the record that there is (or NULL), settles it or
 * there is nothing to choose. Whether it waits. */
bool lcl__find_wait(lcl_finder *f, lcl_lower *lw, const lcl_problem *p, const lcl_record *known);
/* Measures what waits, the heaviest first, and keeps the results as records. */
void lcl__find_all(lcl_finder *f, lcl_context *ctx);

/* From now on nothing is said before sizes are measured. */
void lcl__find_quietly(void);

#endif
