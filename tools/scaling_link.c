/* A link between ranks of one machine, for tools/scaling: loaded before MPI, it lets no all-reduce
 * end sooner than it would over a network, and writes down when each began.
 *
 * An all-reduce of b bytes over R ranks whose links give B bytes a second with a latency of l takes
 *   min(2 l + 2 (R-1)/R b/B, ceil(log2 R) (l + b/B)),
 * a ring or recursive doubling, whichever is faster. It begins when the last rank has called it and
 * the one before it is over: a link carries one message after the other.
 *
 * SCALING_GBIT, SCALING_US: bandwidth and latency; without them nothing is delayed. Of several
 * bandwidths, 0,10,1, each is that of SCALING_STEPS steps in turn, so that all are measured on a
 * machine in the same mood; a step ends with a vote, of integers. SCALING_LOG: a file for rank 0's
 * calls, a line each: when it began, when it ended, the bytes, kind, which of the bandwidths,
 * seconds of CPU that the thread that speaks had taken when it began. */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 4096 };
typedef struct call {
  MPI_Request request, joined; /* the real all-reduce, and that of its beginning */
  double begun, last;          /* here, and on the last rank */
  double cpu;                  /* that the thread had taken when it began */
  double cost, over;           /* seconds on the link; when it is done, 0: not known */
  int bytes, turn;
  char kind;
} call;

static call calls[MOST];
static unsigned first, end; /* those under way, numbered on */
static double link_free, gbits[8], microseconds;
static int turns, steps, votes;
static FILE *out;

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void) { /* the same on all ranks of a machine */
  return seconds(CLOCK_MONOTONIC);
}

static double number(const char *name) {
  const char *text = getenv(name);
  return text ? atof(text) : 0;
}

static double cost_of(double gbit, int bytes, int ranks) {
  if (gbit <= 0 || ranks < 2) return 0;
  const double latency = 1e-6 * microseconds, wire = bytes / (gbit * 1.25e8);
  const double ring = 2 * (ranks - 1) * (latency + wire / ranks);
  const double doubling = ceil(log2(ranks)) * (latency + wire);
  return ring < doubling ? ring : doubling;
}

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided) {
  const int err = PMPI_Init_thread(argc, argv, required, provided);
  int rank = 0;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const char *list = getenv("SCALING_GBIT");
  for (char *rest; list && *list && turns < 8; list = *rest ? rest + 1 : rest)
    gbits[turns++] = strtod(list, &rest);
  steps = (int)fmax(1, number("SCALING_STEPS"));
  microseconds = number("SCALING_US");
  if (rank == 0 && getenv("SCALING_LOG")) out = fopen(getenv("SCALING_LOG"), "w");
  return err;
}

int MPI_Iallreduce(const void *from, void *to, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
                   MPI_Request *request) {
  int size = 0, ranks = 1;
  if (end - first == MOST) MPI_Abort(comm, 1);
  call *c = &calls[end++ % MOST];
  PMPI_Type_size(type, &size);
  PMPI_Comm_size(comm, &ranks);
  *c = (call) { .begun = now(), .cpu = seconds(CLOCK_THREAD_CPUTIME_ID), .bytes = n * size };
  c->kind = type == MPI_FLOAT ? 'm' : type == MPI_INT32_T ? 'v' : type == MPI_DOUBLE ? 'd' : 's';
  votes += c->kind == 'v';
  c->turn = turns ? votes / steps % turns : 0;
  c->cost = cost_of(gbits[c->turn], c->bytes, ranks);
  const int err = PMPI_Iallreduce(from, to, n, type, op, comm, request);
  PMPI_Iallreduce(&c->begun, &c->last, 1, MPI_DOUBLE, MPI_MAX, comm, &c->joined);
  c->request = *request;
  return err;
}

/* When the link is done with call i; 0: that is not known yet. Ranks may call in other orders: what
 * another has not begun holds up nobody. */
static double over(unsigned i) {
  for (unsigned k = first; k != i + 1; k++) {
    call *c = &calls[k % MOST];
    int known = 0;
    if (c->over > 0) continue;
    PMPI_Test(&c->joined, &known, MPI_STATUS_IGNORE);
    if (!known) continue;
    c->over = link_free = fmax(c->last, link_free) + c->cost;
  }
  return calls[i % MOST].over;
}

int MPI_Test(MPI_Request *request, int *flag, MPI_Status *status) {
  unsigned i = first;
  while (i != end && calls[i % MOST].request != *request) i++;
  if (i == end) return PMPI_Test(request, flag, status);
  call *c = &calls[i % MOST];
  const double until = over(i), t = now();
  *flag = 0;
  if (until == 0 || t < until) { /* what is real goes on meanwhile */
    int done = 0;
    return PMPI_Request_get_status(*request, &done, MPI_STATUS_IGNORE);
  }
  const int err = PMPI_Test(request, flag, status);
  if (!*flag) return err;
  c->request = MPI_REQUEST_NULL;
  if (out)
    fprintf(out, "%.7f %.7f %d %c %d %.6f\n", c->begun, t, c->bytes, c->kind, c->turn, c->cpu);
  while (first != end && calls[first % MOST].request == MPI_REQUEST_NULL) first++;
  return err;
}

int MPI_Finalize(void) {
  if (out) fclose(out);
  return PMPI_Finalize();
}
