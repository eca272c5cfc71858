/* The spec arrays of the op families; families.c joins them. */
#ifndef LCL_FAMILIES_H
#define LCL_FAMILIES_H

#include "reference/spec.h"

#define LCL_FAMILY(name)                                                                           \
  extern const lcl_spec lcl__##name##_specs[];                                                     \
  extern const size_t lcl__##name##_spec_count

LCL_FAMILY(matmul);
LCL_FAMILY(conv);
LCL_FAMILY(pool);
LCL_FAMILY(map);
LCL_FAMILY(reduce);
LCL_FAMILY(softmax);
LCL_FAMILY(norm);
LCL_FAMILY(shape);
LCL_FAMILY(recurrent);
LCL_FAMILY(random);

#endif
