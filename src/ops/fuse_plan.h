/* How the work of a reduction is divided. */
#ifndef LCL_OPS_FUSE_PLAN_H
#define LCL_OPS_FUSE_PLAN_H

#include "graph/graph.h"

enum { LCL_FOLD_GROUP = 64 }; /* work-items of a tiled reduction's group */

typedef struct lcl_fold_plan {
  int64_t outputs; /* results; with a kept innermost dimension: rows of results */
  int64_t inner, n_reduced;
  int64_t splits;
  int64_t k_step, k_length, j_step,
      j_length;    /* split i covers k_length rows from i*k_step, j_length columns from i*j_step */
  int64_t columns; /* tiled, innermost kept: results of a work-group, a power of 2 */
  bool inner_reduced;
  bool partial; /* a result has a part from every split, to be folded */
} lcl_fold_plan;

/* whole: no partial results, whatever the device would like. */
lcl_fold_plan lcl__plan_fold(const lcl_caps *caps, int rank, const int64_t *dim,
                             const bool *reduced, bool whole);
/* Whether results (kept of them side by side) are to be neighbours although a reduced dimension
 * lies innermost: since too little of a row (all that makes one result) does, or since that is how
 * operands are contiguous. */
bool lcl__results_innermost(const lcl_caps *caps, bool contiguous, int64_t inner, int64_t row,
                            int64_t kept);

#endif
