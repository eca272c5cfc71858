/* Random tensors whose examples do not lie along the first axis. */
#ifndef LCL_OPS_RANDOM_H
#define LCL_OPS_RANDOM_H

#include "graph/graph.h"

/* As lcl_random_normal(), the examples of the batch along this axis: it matters where ranks share
 * the graph. */
lcl_tensor *lcl__random_normal_along(lcl_graph *g, lcl_shape shape, int axis);

#endif
