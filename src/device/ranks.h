/* Layer 1: exchange among the processes that work together. MPI is known to ranks.c alone.
 *
 * A thread of the process speaks to the others: it starts what was asked for in order, each as soon
 * as its data are there, and sees it through while the queues go on. So all ranks have to ask in
 * the same order; what is asked for by launch lists and by the host is one sequence. Every function
 * works alone (r is NULL), where nothing is exchanged. */
#ifndef LCL_DEVICE_RANKS_H
#define LCL_DEVICE_RANKS_H

#include "device/device.h"
#include "latentcl/ranks.h"

/* What becomes of numbers that launch lists exchange. */
typedef enum lcl_exchange_kind {
  LCL_EXCHANGE_MEAN,   /* sum over the ranks of weight*from[i] */
  LCL_EXCHANGE_MOMENTS /* the first half are means of the ranks' parts, the second their variances:
                          become those of the whole */
} lcl_exchange_kind;

/* Starts it: n numbers from `from`, which others may read meanwhile, to `to`; for moments both have
 * room for one more. The weights of all ranks add up to 1. Begins once `ready` is complete, sets
 * the user event `done`; both are retained until then. Large means are a sequence of their own. */
lcl_status lcl__ranks_exchange(lcl_ranks *r, lcl_exchange_kind kind, float *from, float *to,
                               size_t n, float weight, cl_event ready, cl_event done);

/* The following wait until it is done on this rank. */

/* buf[i] becomes the sum over the ranks. */
void lcl__ranks_sum_doubles(lcl_ranks *r, double *buf, size_t n);
void lcl__ranks_sum_floats(lcl_ranks *r, float *buf, size_t n);
void lcl__ranks_sum_ints(lcl_ranks *r, int32_t *buf, size_t n);
/* buf becomes that of rank 0. */
void lcl__ranks_broadcast(lcl_ranks *r, void *buf, size_t bytes);
/* Everybody fails when one does: with the message of the first that did, and its number in front
 * where not all failed alike. */
lcl_status lcl__ranks_agree(lcl_ranks *r, lcl_status status);
/* LCL_ERR_ARGUMENT on every rank unless all have the same text; what: "data", for the message. */
lcl_status lcl__ranks_same(lcl_ranks *r, const char *what, const char *text);
/* Whether any rank said yes two calls ago: an answer that is the same everywhere, and for which
 * nobody waits. */
bool lcl__ranks_vote(lcl_ranks *r, bool yes);

/* After a failure between two exchanges that the others may wait for: where they failed too, the
 * status; else the whole job is ended, and this rank's message says why. */
lcl_status lcl__ranks_fail(lcl_ranks *r, lcl_status status);

/* What launch lists exchanged so far. */
typedef struct lcl_ranks_stats {
  size_t sums, bytes;
  double seconds; /* during which at least one sum was on its way */
} lcl_ranks_stats;
lcl_ranks_stats lcl__ranks_stats(lcl_ranks *r);

#endif
