/* Proves the ops of a device against the references: `latentcl check` and the tests. */
#ifndef LCL_CHECK_H
#define LCL_CHECK_H

#include "reference/spec.h"

typedef struct lcl_check_desc {
  lcl_context *ctx;
  const lcl_spec *spec; /* NULL: all */
  uint64_t seed;
  uint64_t first; /* number of the first case */
  uint64_t cases; /* an op */
  bool small;
  bool half;      /* values that half precision holds, products with such operands */
  double seconds; /* start no case of a second or later round after this time; 0: no limit */
  /* Called after every case; failure is NULL or the message. false stops. */
  bool (*seen)(void *user, const lcl_spec *spec, uint64_t done, uint64_t total,
               const char *failure);
  void *user;
} lcl_check_desc;

/* One random case of desc->spec on the device: forward, gradient, every other pair of cases with
 * guard bands, now and then twice for the same bits. LCL_ERR_NUMERIC (or what went wrong) with a
 * message that ends in the command that repeats it. worst (may be NULL): largest error as a part of
 * what is allowed. */
lcl_status lcl__check_case(const lcl_check_desc *desc, uint64_t number, double *worst);

typedef struct lcl_check_report {
  size_t ops;
  uint64_t cases, failures;
  uint64_t skipped; /* that the algorithms asked for cannot compute; not among the cases */
  bool complete;    /* every case was run */
} lcl_check_report;

/* Round by round: case 0 of every op, then case 1, ... so that a limit of time cuts all alike.
 * Failures are counted and reported through seen; another status is a reason to stop (a lost
 * device). */
lcl_status lcl__check_run(const lcl_check_desc *desc, lcl_check_report *report);

#endif
