/** @file
 * Several processes that train one model together, over MPI: ranks.
 *
 * Each rank has a context on a device of its own, builds the graph for its share of every batch
 * (lcl_ranks_share(), lcl_graph_share()) and runs it as if it were alone. What the whole batch
 * decides is exchanged inside the graph: lcl_mean_over_ranks(), which batch norm, the losses that
 * look at a batch as a whole and lcl_minimise() use by themselves. lcl_train() does all that where
 * #lcl_train_desc.ranks is set. */
#ifndef LATENTCL_RANKS_H
#define LATENTCL_RANKS_H

#include <stdint.h>

#include "latentcl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** This process among those that work together. */
typedef struct lcl_ranks lcl_ranks;

/** Joins the other processes. All of them have to call it, and to make the same calls that
 * exchange something, in the same order, from one thread each.
 *
 * Where MPI is not initialised yet, it is, and lcl_ranks_destroy() finalises it. A caller who
 * initialises it asks for MPI_THREAD_SERIALIZED at least, and leaves MPI alone between the two
 * calls: a thread of the library speaks for the process.
 *
 * @param communicator  address of the MPI_Comm of the processes, which is duplicated; NULL:
 *   MPI_COMM_WORLD
 * @param out           destroy it with lcl_ranks_destroy(), after every graph and program that uses
 *   it
 * @return #LCL_ERR_UNSUPPORTED: this build has no MPI, or the MPI no threads */
LCL_API lcl_status lcl_ranks_create(const void *communicator, lcl_ranks **out);

/** Leaves the others.
 *
 * @param r  NULL is allowed */
LCL_API void lcl_ranks_destroy(lcl_ranks *r);

/** The number of this process, from 0.
 *
 * @param r  the ranks; NULL: a process alone
 * @return 0 to lcl_ranks_count() - 1 */
LCL_API int lcl_ranks_rank(const lcl_ranks *r);

/** How many processes there are.
 *
 * @param r  the ranks; NULL: a process alone
 * @return 1 or more */
LCL_API int lcl_ranks_count(const lcl_ranks *r);

/** The number of this process among those of its machine, to choose a device by.
 *
 * @param r  the ranks; NULL: a process alone
 * @return 0 or more */
LCL_API int lcl_ranks_local(const lcl_ranks *r);

/** This rank's part of n things in a row: all parts follow each other in the order of the ranks,
 * and their sizes differ by one at most.
 *
 * @param r      the ranks; NULL: a process alone
 * @param n      how many there are in all
 * @param first  receives the number of the first of this rank; NULL is allowed
 * @return how many are this rank's */
LCL_API int64_t lcl_ranks_share(const lcl_ranks *r, int64_t n, int64_t *first);

#ifdef __cplusplus
}
#endif

#endif
