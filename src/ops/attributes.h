/* Attributes of the nodes that have no header of their own, for those who read a graph: plain data,
 * compared with memcmp. */
#ifndef LCL_OPS_ATTRIBUTES_H
#define LCL_OPS_ATTRIBUTES_H

#include "graph/graph.h"

/* reshape, broadcast */
typedef struct lcl_shape_attr {
  lcl_shape shape;
} lcl_shape_attr;

/* transpose: axis i of the result is axis perm[i] of the input */
typedef struct lcl_perm_attr {
  int32_t perm[LCL_MAX_RANK];
} lcl_perm_attr;

/* slice; pad: zeros before and after */
typedef struct lcl_slice_attr {
  int64_t start[LCL_MAX_RANK], stop[LCL_MAX_RANK];
} lcl_slice_attr;

/* flip: a set of axes; concat: one axis, its number */
typedef struct lcl_axes_attr {
  uint32_t axes;
} lcl_axes_attr;

/* argmax */
typedef struct lcl_axis_attr {
  int32_t axis;
} lcl_axis_attr;

/* matmul */
typedef struct lcl_matmul_attr {
  int32_t transpose_a, transpose_b;
} lcl_matmul_attr;

/* pooling and its adjoints */
typedef struct lcl_pool_attr {
  int32_t kernel[2], stride[2], pad[4];
  int32_t ceil, include_pad;
  int32_t known;      /* unpool: the geometry above is that of the indices' windows */
  int32_t in_h, in_w; /* adjoints: the input plane */
} lcl_pool_attr;

#endif
