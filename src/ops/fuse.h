/* Generated kernels: how element-wise nodes and reductions are lowered (lcl_op.lower_group). */
#ifndef LCL_OPS_FUSE_H
#define LCL_OPS_FUSE_H

#include "graph/graph.h"

/* Nodes with lcl_map_attr (map_code.h), or pads: lcl_slice_attr (attributes.h). */
lcl_status lcl__lower_map_group(lcl_lower *lw, const lcl_space *space, lcl_node *const *nodes,
                                int n);

typedef enum lcl_reduce_kind { LCL_REDUCE_SUM, LCL_REDUCE_MAX, LCL_REDUCE_MIN } lcl_reduce_kind;
/* Attributes of a reduction. The result keeps every axis, reduced ones with size 1. */
typedef struct lcl_reduce_attr {
  int32_t kind;
  uint32_t axes;
  float factor; /* a sum is multiplied by it: 1/n makes a mean */
} lcl_reduce_attr;
/* The same and nodes with lcl_reduce_attr. */
lcl_status lcl__lower_reduce_group(lcl_lower *lw, const lcl_space *space, lcl_node *const *nodes,
                                   int n);
/* lcl_op.whole_results. */
bool lcl__whole_results(const lcl_caps *caps, const lcl_space *space);
/* The axes of x in the set, #LCL_ALL_AXES for each; one that x has not is an error of the graph. */
unsigned lcl__axes_of(const lcl_tensor *x, unsigned axes, const char *op);

#endif
