/* A problem on its own, and what an implementation takes for it: for the find step and the tuner.
 */
#ifndef LCL_OPS_TRIAL_H
#define LCL_OPS_TRIAL_H

#include "ops/conv.h"
#include "ops/gemm.h"

/* A GEMM or a convolution as a program asks for it, without its epilogue, which costs the same
 * everywhere. */
typedef struct lcl_trial_problem {
  const lcl_kind *kind;
  char key[160];
  union {
    lcl_conv_problem conv; /* lcl__conv_kind */
    lcl_gemm gemm;         /* lcl__gemm_kind */
  } as;
  double flops;
  size_t bytes[3];  /* of the operands and the result */
  lcl_choice usual; /* what is taken where nothing was measured */
} lcl_trial_problem;

lcl_trial_problem lcl__trial_problem_of(lcl_lower *lw, const lcl_problem *p);

/* A problem with operands of integers from -2 to 2, where every order of summation gives the same
 * bits. */
typedef struct lcl_trial {
  lcl_context *ctx;
  const lcl_trial_problem *p;
  float *a, *b, *c; /* operands, result */
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
} lcl_trial;

/* p must outlive the trial; lcl__trial_close() it, also after a failure. */
lcl_status lcl__trial_open(lcl_context *ctx, const lcl_trial_problem *p, lcl_trial *t);
/* Computes it this way, once, and fetches the result. LCL_ERR_UNSUPPORTED: not possible here. */
lcl_status lcl__trial_compute(lcl_trial *t, const lcl_choice *c);
/* The shortest of some more runs of what was computed last, 3 to 200, none begun after `most`
 * seconds; fewer once it takes twice `enough`. */
lcl_status lcl__trial_time(lcl_trial *t, double most, double enough, double *seconds);
/* What rounding may make of an element of the result: 0 but for implementations that say so. */
double lcl__trial_bound(const lcl_trial *t, const lcl_choice *c);
void lcl__trial_close(lcl_trial *t);

#endif
