/* The strided copy that pad, concat, skew and dense copies of views share. */
#ifndef LCL_OPS_SHAPE_H
#define LCL_OPS_SHAPE_H

#include "graph/graph.h"

/* Emits: out[to.offset + sum i_k*to.stride_k] = x[i] for every index i of x. */
lcl_status lcl_lower_copy(lcl_lower *lw, const char *what, lcl_tensor *x, lcl_tensor *out,
                          const lcl_view *to);

#endif
