/* Layer 4, internal: names of variables. */
#ifndef LCL_NN_H
#define LCL_NN_H

#include "base/base.h"
#include "latentcl/nn.h"

#define LCL_NN_NAME 160

/* "name.part" into buf; returns buf. A name that does not fit is cut: the graph then reports the
 * clash. */
static inline const char *lcl__nn_name(char buf[LCL_NN_NAME], const char *name, const char *part) {
  if (!name) return NULL; /* lcl_param and lcl_state say so */
  snprintf(buf, LCL_NN_NAME, "%s.%s", name, part);
  return buf;
}

/* Every axis but the first: what one example spans. */
static inline unsigned lcl__nn_row_axes(lcl_tensor *x) {
  unsigned axes = 0;
  for (int i = 1; i < lcl_tensor_shape(x).rank; i++) axes |= LCL_AXIS(i);
  return axes;
}

/* 1 where |x| is infinite; 0 for NaN. */
lcl_tensor *lcl__nn_infinite(lcl_tensor *x);
/* weight*x, and 0 where the weight is 0 and x infinite: what 0 log 0 and a hopeless class of
 * probability 0 contribute to a sum. */
lcl_tensor *lcl__nn_weigh(lcl_tensor *weight, lcl_tensor *x);

/* A mean over the rows that are built now, with the weight that they have among the ranks
 * (lcl__graph_rows); itself where nothing is shared. */
lcl_tensor *lcl__nn_share(lcl_tensor *mean);

#endif
