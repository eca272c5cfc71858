/* A loop over all CPUs of the host. */
#ifndef LCL_PARALLEL_H
#define LCL_PARALLEL_H

#include <stdint.h>

/* fn(user, begin, end) over [0,n) in pieces of at most `piece`, on all CPUs, in any order;
 * ends when all are done. Threads that cannot be had leave their share to the others. */
void lcl__parallel_for(int64_t n, int64_t piece, void (*fn)(void *user, int64_t begin, int64_t end),
                       void *user);

#endif
