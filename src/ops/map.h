/* The element-wise expression node: the compiler fuses chains of these (fuse.c). */
#ifndef LCL_OPS_MAP_H
#define LCL_OPS_MAP_H

#include "graph/graph.h"
#include "latentcl/ops.h"

typedef struct lcl_map_attr {
  int32_t code; /* lcl_map_code */
  float p;
  int32_t dtype; /* of the result */
} lcl_map_attr;

extern const lcl_op lcl_op_map;

const char *lcl_map_name(lcl_map_code code);
/* OpenCL expression of a code with operands a, b, c and parameter p as text; T is the (vector)
 * float type's name. */
void lcl_map_expression(lcl_str *s, lcl_map_code code, const char *a, const char *b, const char *c,
                        const char *p);
/* The shape two operands broadcast to (NumPy rules); false when they do not fit. */
bool lcl_broadcast_shape(lcl_shape a, lcl_shape b, lcl_shape *out);
/* Sums t over what broadcasting from shape to t's shape repeated: the adjoint of broadcasting. */
lcl_tensor *lcl_sum_to_shape(lcl_tensor *t, lcl_shape shape);

#endif
