/* The find step: at the first use of a problem, the implementations that can compute it are
 * measured and the fastest is kept in the user's tuning file. */
#ifndef LCL_OPS_FIND_H
#define LCL_OPS_FIND_H

#include "latentcl/algorithm.h"
#include "ops/tuning.h"

/* What a context still may measure. */
typedef struct lcl_finder {
  lcl_find mode;
  double left;  /* seconds */
  bool running; /* a trial's own problems are not measured in turn */
  bool said;
} lcl_finder;
lcl_finder lcl__finder(lcl_find mode);
/* "off", "quick" or "full" into mode; false: it is none of them. */
bool lcl__find_mode(const char *word, lcl_find *mode);

/* Measures p unless `known`, the record that there is (or NULL), settles it. True: found and kept;
 * *found is the record (may be the same as `known`). */
bool lcl__find(lcl_lower *lw, const lcl_problem *p, lcl_finder *f, const lcl_record *known,
               lcl_record *found);

#endif
