/* Element-wise operations by code, as nodes hold them and as text of generated kernels. */
#ifndef LCL_OPS_MAP_CODE_H
#define LCL_OPS_MAP_CODE_H

#include "base/base.h"
#include "latentcl/ops.h"

/* Attributes of an element-wise node. */
typedef struct lcl_map_attr {
  int32_t code; /* lcl_map_code */
  float p;
  int32_t dtype; /* of the result */
} lcl_map_attr;

/* Number of operands of a code: 1, 2 or 3. */
int lcl__map_arity(lcl_map_code code);
const char *lcl__map_name(lcl_map_code code);
/* Whether it is an instruction or two. */
bool lcl__map_is_cheap(lcl_map_code code);
/* OpenCL expression of a code with operands a, b, c and parameter p as text; T is the (vector)
 * float type's name. */
void lcl__map_expression(lcl_str *s, lcl_map_code code, const char *a, const char *b, const char *c,
                         const char *p);

#endif
