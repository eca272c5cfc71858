/* Generated kernels: how element-wise nodes and reductions are lowered (lcl_op.lower_group). */
#ifndef LCL_OPS_FUSE_H
#define LCL_OPS_FUSE_H

#include "graph/graph.h"

lcl_status lcl_lower_map_group(lcl_lower *lw, lcl_node *const *nodes, int n);
lcl_status lcl_lower_reduce_group(lcl_lower *lw, lcl_node *const *nodes, int n);

#endif
