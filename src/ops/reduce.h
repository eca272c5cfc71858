/* The reduction node, which the compiler joins with the element-wise chain before it
 * (fuse.c). */
#ifndef LCL_OPS_REDUCE_H
#define LCL_OPS_REDUCE_H

#include "graph/graph.h"

typedef enum lcl_reduce_kind { LCL_REDUCE_SUM, LCL_REDUCE_MAX, LCL_REDUCE_MIN } lcl_reduce_kind;
typedef struct lcl_reduce_attr {
  int32_t kind;
  uint32_t axes;
  float factor; /* a sum is multiplied by it: 1/n makes a mean */
} lcl_reduce_attr;

/* The result keeps every axis, reduced ones with size 1. */
extern const lcl_op lcl_op_reduce;

#endif
