/* One step of an optimiser in plain double precision. */
#ifndef LCL_REFERENCE_UPDATE_H
#define LCL_REFERENCE_UPDATE_H

#include "latentcl/ops.h"

typedef struct lcl_ref_update {
  const lcl_optimiser_desc *desc; /* lr is not read */
  double rate;
  int step;  /* from 1 on */
  int64_t n; /* elements of all parameters, whose gradients are clipped together */
  const double *gradient;
  double *p, *slot[2]; /* n each; slots are zero before the first step */
} lcl_ref_update;
void lcl__ref_update(const lcl_ref_update *u);

#endif
