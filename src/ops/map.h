/* Broadcasting of element-wise operands. */
#ifndef LCL_OPS_MAP_H
#define LCL_OPS_MAP_H

#include "graph/graph.h"

/* The shape two operands broadcast to (NumPy rules); false when they do not fit. */
bool lcl__broadcast_shape(lcl_shape a, lcl_shape b, lcl_shape *out);
/* Sums t over what broadcasting from shape to t's shape repeated: the adjoint of broadcasting. */
lcl_tensor *lcl__sum_to_shape(lcl_tensor *t, lcl_shape shape);
/* An operand of a product, in the precision of its graph (lcl_graph_precision()). */
lcl_tensor *lcl__operand(lcl_tensor *t);
/* Both f32 or both f16. */
lcl_status lcl__check_operands(const lcl_node *node);
/* Indices as kernels take them: u8 becomes i32. */
lcl_tensor *lcl__wide_index(lcl_tensor *index);

#endif
