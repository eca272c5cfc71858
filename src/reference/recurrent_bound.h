/* How far single precision may be from the references of recurrent.c: the same formulas as a
 * running error analysis. */
#ifndef LCL_RECURRENT_BOUND_H
#define LCL_RECURRENT_BOUND_H

#include "reference/reference.h"

/* Sizes and inputs as of lcl__ref_lstm_cell and lcl__ref_lstm_cell_grad; results are what is
 * allowed. gh, gc, gp and gc_prev may be NULL together. */
void lcl__lstm_cell_bound(int64_t n, int64_t h, int64_t cells, const double *p,
                          const double *c_prev, const double *gh, const double *gc, double *h_out,
                          double *c_out, double *gp, double *gc_prev);

/* gy may be NULL: no gradients. */
lcl_status lcl__diagonal_bilstm_bound(const lcl_ref_bilstm *d, const double *gy, double *y,
                                      const lcl_ref_bilstm_grad *out);

#endif
