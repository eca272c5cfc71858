/* A loop over all CPUs. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/parallel.h"

#include "base/base.h"

#define MAX_THREADS 64

typedef struct job {
  void (*fn)(void *user, int64_t begin, int64_t end);
  void *user;
  int64_t n, piece;
  atomic_llong next;
} job;

static void *work(void *p) {
  job *j = p;
  for (;;) {
    int64_t begin = atomic_fetch_add(&j->next, j->piece);
    if (begin >= j->n) return NULL;
    j->fn(j->user, begin, LCL_MIN(begin + j->piece, j->n));
  }
}

void lcl__parallel_for(int64_t n, int64_t piece, void (*fn)(void *user, int64_t begin, int64_t end),
                       void *user) {
  job j = { fn, user, n, LCL_MAX(piece, 1), 0 };
  pthread_t thread[MAX_THREADS];
  int started = 0;
  int64_t want = LCL_MIN((int64_t)sysconf(_SC_NPROCESSORS_ONLN), (n + j.piece - 1) / j.piece) - 1;
  /* Where a thread cannot be had, the others do its share. */
  while (started < LCL_MIN(want, MAX_THREADS) &&
         pthread_create(&thread[started], NULL, work, &j) == 0)
    started++;
  work(&j);
  while (started > 0) pthread_join(thread[--started], NULL);
}
