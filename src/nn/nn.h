/* Floor 4, internal: names of variables. */
#ifndef LCL_NN_H
#define LCL_NN_H

#include "base/base.h"
#include "latentcl/nn.h"

#define LCL_NN_NAME 160

/* "name.part" into buf; returns buf. A name that does not fit is cut: the graph then reports the
 * clash. */
static inline const char *lcl_nn_name(char buf[LCL_NN_NAME], const char *name, const char *part) {
  snprintf(buf, LCL_NN_NAME, "%s.%s", name, part);
  return buf;
}

/* Every axis but the first: what one example spans. */
static inline unsigned lcl_nn_row_axes(lcl_tensor *x) {
  unsigned axes = 0;
  for (int i = 1; i < lcl_tensor_shape(x).rank; i++) axes |= LCL_AXIS(i);
  return axes;
}

#endif
