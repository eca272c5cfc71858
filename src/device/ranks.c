/* Ranks over MPI: a thread that starts exchanges in order and sees them through. See ranks.h. */
#include "device/ranks.h"

#include "lcl_config.h"

int64_t lcl_ranks_share(const lcl_ranks *r, int64_t n, int64_t *first) {
  const int64_t count = lcl_ranks_count(r), rank = lcl_ranks_rank(r);
  if (first) *first = rank * (n / count) + LCL_MIN(rank, n % count);
  return n / count + (rank < n % count ? 1 : 0);
}

#if LCL_HAVE_MPI

#include <mpi.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/status_line.h"
#include "base/text.h"

typedef enum request_kind { MEAN, MOMENTS, SUM, BROADCAST, OR, GATHER, GATHER_APART } request_kind;

/* Large means travel in pieces that stay in the caches while MPI copies and adds, so many at a time
 * and in a line of their own: what stops a step, as batch norm's statistics do, does not wait for
 * all that was asked for before it. */
enum { LARGE = 64 << 10, PIECE = 2 << 20, PIECES = 4 };

/* Room for a piece; those that nobody uses are a list. */
typedef union block {
  union block *next;
  float x[PIECE / sizeof(float)];
} block;

typedef struct request {
  request_kind kind;
  void *buf;         /* GATHER: room for every rank's bytes, this rank's own in its place */
  float *to;         /* MEAN, MOMENTS: what it becomes */
  size_t n;          /* elements; bytes for the last three */
  MPI_Datatype type; /* SUM: of the elements */
  float weight;
  block *scaled;        /* MEAN: what is sent while it is on its way */
  cl_event ready, done; /* NULL: none */
  bool large, more;     /* MEAN: a piece; another one of the same follows, which sets `done` */
  bool waited;          /* somebody waits for it, and takes it back */
  bool finished;
  MPI_Request mpi;
  struct request *next;
} request;

/* What wakes the thread. Callbacks of events that never complete, of a queue that broke, hold it
 * when the ranks are gone. */
typedef struct bell {
  pthread_mutex_t lock;
  pthread_cond_t ring;
  bool rung;
  int holders;
} bell;

/* The last votes: OR of what each rank said. */
enum { VOTES = 2 };
typedef struct vote {
  int32_t yes;
  request *request;
} vote;

struct lcl_ranks {
  MPI_Op join_moments;
  MPI_Comm comm, apart; /* apart: for what may be said while the others exchange something */
  MPI_Comm pieces[2];   /* in turn for pieces, with the ranks in order and in reverse: the first of
                           few ranks adds up for all */
  int turn;
  MPI_Errhandler handler;
  bool initialised; /* MPI, by us */
  int rank, count, local;
  pthread_t thread;
  bool running, stop;
  bell *bell;
  pthread_mutex_t lock;
  pthread_cond_t done;
  request *first, **last; /* asked for, in order */
  request *active, **end; /* on their way, in order; the thread's own */
  int under_way;          /* pieces of them */
  request *unused;
  block *blocks; /* unused; the thread's own */
  vote votes[VOTES];
  int next_vote;
  lcl_ranks_stats stats;
  double since; /* when the sums that are on their way began; 0: none is */
};

/* Open MPI asks its error handlers without our pointers. */
static int rank_for_messages;

static void end_job(MPI_Comm comm, const char *message) {
  lcl__status_line_end();
  fprintf(stderr, "latentcl: rank %d: %s; this ends the job\n", rank_for_messages, message);
  fflush(stderr);
  MPI_Abort(comm, 1);
}

static void on_error(MPI_Comm *comm, int *code, ...) {
  char text[MPI_MAX_ERROR_STRING];
  int n = 0;
  MPI_Error_string(*code, text, &n);
  end_job(*comm, text);
}

/* ---- the bell ---- */

static bell *bell_new(void) {
  bell *b = lcl__alloc(sizeof *b);
  pthread_condattr_t attr;
  if (!b) return NULL;
  b->holders = 1;
  pthread_mutex_init(&b->lock, NULL);
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&b->ring, &attr);
  pthread_condattr_destroy(&attr);
  return b;
}

/* Takes it for a callback, or gives it back. */
static void bell_hold(bell *b, int by) {
  pthread_mutex_lock(&b->lock);
  b->holders += by;
  const bool over = b->holders == 0;
  pthread_mutex_unlock(&b->lock);
  if (!over) return;
  pthread_mutex_destroy(&b->lock);
  pthread_cond_destroy(&b->ring);
  lcl__free(b);
}

static void bell_ring(bell *b) {
  pthread_mutex_lock(&b->lock);
  b->rung = true;
  pthread_cond_signal(&b->ring);
  pthread_mutex_unlock(&b->lock);
}

/* Until it was rung since the last time, or for so many nanoseconds. */
static void bell_wait(bell *b, long nanoseconds) {
  struct timespec until;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_nsec += nanoseconds;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  int late = 0;
  pthread_mutex_lock(&b->lock);
  while (!b->rung && !late) late = pthread_cond_timedwait(&b->ring, &b->lock, &until);
  b->rung = false;
  pthread_mutex_unlock(&b->lock);
}

static void CL_CALLBACK on_ready(cl_event event, cl_int state, void *b) {
  (void)event;
  (void)state;
  bell_ring(b);
  bell_hold(b, -1);
}

/* ---- moments ---- */

/* Joins two parts (Chan, Golub and LeVeque 1983): without the cancellation that sums of squares
 * have, and the same bits whichever comes first. Each is n means, n variances and the weight. */
static void join_moments(void *one, void *two, int *count, MPI_Datatype *type) {
  int bytes = 0;
  MPI_Type_size(*type, &bytes);
  const size_t each = (size_t)bytes / sizeof(float), n = (each - 1) / 2;
  for (int k = 0; k < *count; k++) {
    const float *a = (const float *)one + (size_t)k * each;
    float *b = (float *)two + (size_t)k * each;
    const double w = a[2 * n], v = b[2 * n], p = w / (w + v), q = v / (w + v);
    for (size_t i = 0; i < n; i++) {
      const double d = (double)a[i] - b[i];
      b[n + i] = (float)(p * a[n + i] + q * b[n + i] + p * q * (d * d));
      b[i] = (float)(p * a[i] + q * b[i]);
    }
    b[2 * n] = (float)(w + v);
  }
}

static void start_moments(lcl_ranks *r, request *q) {
  float *from = q->buf;
  MPI_Datatype whole;
  from[q->n] = q->weight;
  MPI_Type_contiguous((int)q->n + 1, MPI_FLOAT, &whole);
  MPI_Type_commit(&whole);
  MPI_Iallreduce(from, q->to, 1, whole, r->join_moments, r->comm, &q->mpi);
  MPI_Type_free(&whole); /* once the exchange is over */
}

/* ---- the thread ---- */

static void take_active(lcl_ranks *r, request **link) {
  request *q = *link;
  *link = q->next;
  if (!*link) r->end = link;
  if (q->scaled) {
    q->scaled->next = r->blocks;
    r->blocks = q->scaled;
    q->scaled = NULL;
  }
  r->under_way -= q->large;
  q->next = NULL;
  pthread_mutex_lock(&r->lock);
  q->finished = true;
  if (!q->waited) {
    q->next = r->unused;
    r->unused = q;
  }
  pthread_cond_broadcast(&r->done);
  pthread_mutex_unlock(&r->lock);
}

/* Asked for by a launch list. */
static bool of_list(const request *q) {
  return q->kind == MEAN || q->kind == MOMENTS;
}

static void finish(lcl_ranks *r, request **link) {
  request *q = *link;
  bool more = false;
  for (const request *o = r->active; o; o = o->next) more |= o != q && of_list(o);
  if (of_list(q)) {
    pthread_mutex_lock(&r->lock);
    r->stats.sums += !q->more;
    r->stats.bytes += q->n * sizeof(float);
    if (!more) r->stats.seconds += lcl__now() - r->since;
    pthread_mutex_unlock(&r->lock);
    if (!more) r->since = 0;
  }
  if (q->done) {
    clSetUserEventStatus(q->done, CL_COMPLETE);
    clReleaseEvent(q->done);
  }
  if (q->ready) clReleaseEvent(q->ready);
  take_active(r, link);
}

/* Not in its place: kernels may still read the gradients. */
static const float *scale(lcl_ranks *r, request *q) {
  const float *from = q->buf;
  block *b = r->blocks ? r->blocks : lcl__alloc(sizeof *b);
  if (!b) end_job(r->comm, lcl_error_message());
  if (b == r->blocks) r->blocks = b->next;
  for (size_t i = 0; i < q->n; i++) b->x[i] = from[i] * q->weight;
  q->scaled = b;
  return b->x;
}

static void start(lcl_ranks *r, request *q) {
  const int n = (int)q->n;
  if (of_list(q) && r->since == 0) r->since = lcl__now();
  switch (q->kind) {
  case MEAN: /* not in place: Open MPI has its better algorithms only for two buffers */
    MPI_Iallreduce(scale(r, q), q->to, n, MPI_FLOAT, MPI_SUM,
                   q->large ? r->pieces[r->turn] : r->comm, &q->mpi);
    if (q->large) r->turn = !r->turn, r->under_way++;
    break;
  case MOMENTS: start_moments(r, q); break;
  case SUM: MPI_Iallreduce(MPI_IN_PLACE, q->buf, n, q->type, MPI_SUM, r->comm, &q->mpi); break;
  case OR: MPI_Iallreduce(MPI_IN_PLACE, q->buf, n, MPI_INT32_T, MPI_MAX, r->comm, &q->mpi); break;
  case BROADCAST: MPI_Ibcast(q->buf, n, MPI_BYTE, 0, r->comm, &q->mpi); break;
  case GATHER:
  case GATHER_APART:
    MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, q->buf, n, MPI_BYTE,
                   q->kind == GATHER ? r->comm : r->apart, &q->mpi);
    break;
  }
}

/* Whether the data are there; a queue that broke never gives them, and its rank says so. */
static bool is_ready(const request *q) {
  cl_int state = CL_COMPLETE;
  if (!q->ready) return true;
  return clGetEventInfo(q->ready, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL) ==
             CL_SUCCESS &&
         state == CL_COMPLETE;
}

static bool may_start(const lcl_ranks *r, const request *q) {
  return is_ready(q) && (!q->large || r->under_way < PIECES);
}

/* Starts what can start: the first of each line, and what does not stand in line. */
static bool start_some(lcl_ranks *r) {
  bool any = false, head[2] = { true, true };
  pthread_mutex_lock(&r->lock);
  for (request **link = &r->first; *link;) {
    request *q = *link;
    const bool now = q->kind == GATHER_APART || (head[q->large] && may_start(r, q));
    if (!now) {
      head[q->large] = false;
      link = &q->next;
      continue;
    }
    *link = q->next;
    if (!*link) r->last = link;
    q->next = NULL;
    *r->end = q;
    r->end = &q->next;
    pthread_mutex_unlock(&r->lock);
    start(r, q);
    pthread_mutex_lock(&r->lock);
    any = true;
    link = &r->first;
    head[0] = head[1] = true;
  }
  pthread_mutex_unlock(&r->lock);
  return any;
}

/* Pieces in their order, so that all are over when the last one is. */
static bool finish_some(lcl_ranks *r) {
  bool any = false, piece_left = false;
  for (request **link = &r->active; *link;) {
    const bool piece = (*link)->large;
    int over = 0;
    if (!piece || !piece_left) MPI_Test(&(*link)->mpi, &over, MPI_STATUS_IGNORE);
    piece_left |= piece && !over;
    if (over)
      finish(r, link), any = true;
    else
      link = &(*link)->next;
  }
  return any;
}

/* Sleeps while there is nothing to do. What is on its way goes on only while MPI is asked about it:
 * soon after it began, then more and more seldom, since that takes the cores from who computes. */
static void *speak(void *p) {
  lcl_ranks *r = p;
  const long shortest = 5000, longest = 200000, idle = 20000000; /* nanoseconds */
  long nap = shortest;
  prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
  for (;;) {
    pthread_mutex_lock(&r->lock);
    const bool over = r->stop && !r->active && (!r->first || !is_ready(r->first));
    pthread_mutex_unlock(&r->lock);
    if (over) return NULL;
    const bool started = start_some(r), finished = finish_some(r);
    if (started || finished) {
      nap = shortest;
      continue;
    }
    bell_wait(r->bell, r->active ? nap : idle);
    nap = LCL_MIN(nap * 3 / 2, longest);
  }
}

/* ---- asking ---- */

/* A copy of *q in line; NULL: out of memory. */
static request *ask(lcl_ranks *r, const request *q) {
  pthread_mutex_lock(&r->lock);
  request *own = r->unused;
  if (own) r->unused = own->next;
  pthread_mutex_unlock(&r->lock);
  if (!own && !(own = lcl__alloc(sizeof *own))) return NULL;
  *own = *q;
  own->next = NULL;
  pthread_mutex_lock(&r->lock);
  *r->last = own;
  r->last = &own->next;
  pthread_mutex_unlock(&r->lock);
  bell_ring(r->bell);
  return own;
}

/* False: it is not over after so many seconds (0: however long it takes), and goes on. */
static bool wait_for(lcl_ranks *r, request *q, double seconds) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += (time_t)seconds;
  int late = 0;
  pthread_mutex_lock(&r->lock);
  while (!q->finished && !late)
    late = seconds > 0 ? pthread_cond_timedwait(&r->done, &r->lock, &until)
                       : pthread_cond_wait(&r->done, &r->lock);
  const bool over = q->finished;
  if (over) {
    q->next = r->unused;
    r->unused = q;
  }
  pthread_mutex_unlock(&r->lock);
  return over;
}

static void ask_and_wait(lcl_ranks *r, request q) {
  q.waited = true;
  request *own = r ? ask(r, &q) : NULL;
  if (own) wait_for(r, own, 0);
  if (r && !own) end_job(r->comm, lcl_error_message());
}

lcl_status lcl__ranks_exchange(lcl_ranks *r, lcl_exchange_kind kind, float *from, float *to,
                               size_t n, float weight, cl_event ready, cl_event done) {
  if (n >= INT32_MAX)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "%zu numbers to exchange: at most %d", n, INT32_MAX - 1);
  bell_hold(r->bell, 1);
  const cl_int err = clSetEventCallback(ready, CL_COMPLETE, on_ready, r->bell);
  if (err != CL_SUCCESS) {
    bell_hold(r->bell, -1);
    return lcl__fail(LCL_ERR_OPENCL, "waiting for an event: %s", lcl__cl_error_name(err));
  }
  request q = { .kind = kind == LCL_EXCHANGE_MEAN ? MEAN : MOMENTS,
                .weight = weight,
                .ready = ready };
  q.large = q.kind == MEAN && n * sizeof *from >= LARGE;
  const size_t each = q.large ? PIECE / sizeof *from : n;
  for (size_t at = 0; at < n; at += each) {
    q.buf = from + at;
    q.to = to + at;
    q.n = LCL_MIN(each, n - at);
    q.more = at + q.n < n;
    if (!q.more) clRetainEvent(q.done = done);
    clRetainEvent(ready);
    if (!ask(r, &q)) return LCL_ERR_HOST_MEMORY;
  }
  return LCL_OK;
}

static const size_t most = 1u << 30; /* MPI counts in ints */

static void sum(lcl_ranks *r, void *buf, size_t n, MPI_Datatype type, size_t size) {
  for (size_t at = 0; r && at < n; at += most)
    ask_and_wait(r, (request) { .kind = SUM,
                                .buf = (char *)buf + at * size,
                                .n = LCL_MIN(most, n - at),
                                .type = type });
}

void lcl__ranks_sum_doubles(lcl_ranks *r, double *buf, size_t n) {
  sum(r, buf, n, MPI_DOUBLE, sizeof *buf);
}

void lcl__ranks_sum_floats(lcl_ranks *r, float *buf, size_t n) {
  sum(r, buf, n, MPI_FLOAT, sizeof *buf);
}

void lcl__ranks_sum_ints(lcl_ranks *r, int32_t *buf, size_t n) {
  sum(r, buf, n, MPI_INT32_T, sizeof *buf);
}

void lcl__ranks_broadcast(lcl_ranks *r, void *buf, size_t bytes) {
  for (size_t at = 0; r && at < bytes; at += most)
    ask_and_wait(
        r,
        (request) { .kind = BROADCAST, .buf = (char *)buf + at, .n = LCL_MIN(most, bytes - at) });
}

bool lcl__ranks_vote(lcl_ranks *r, bool yes) {
  if (!r) return yes;
  vote *v = &r->votes[r->next_vote];
  r->next_vote = (r->next_vote + 1) % VOTES;
  bool before = false;
  if (v->request) {
    wait_for(r, v->request, 0);
    before = v->yes != 0;
  }
  v->yes = yes;
  v->request = ask(r, &(request) { .kind = OR, .buf = &v->yes, .n = 1, .waited = true });
  if (!v->request) end_job(r->comm, lcl_error_message());
  return before;
}

lcl_ranks_stats lcl__ranks_stats(lcl_ranks *r) {
  lcl_ranks_stats s = { 0 };
  if (!r) return s;
  pthread_mutex_lock(&r->lock);
  s = r->stats;
  pthread_mutex_unlock(&r->lock);
  return s;
}

/* ---- agreeing ---- */

typedef struct opinion {
  int32_t status;
  char text[1020];
} opinion;

/* Everybody's opinion; NULL: out of memory, or too late. */
static opinion *gather(lcl_ranks *r, const opinion *own, request_kind kind, double seconds) {
  opinion *all = lcl__alloc((size_t)r->count * sizeof *all);
  if (!all) return NULL;
  all[r->rank] = *own;
  request *q = ask(r, &(request) { .kind = kind, .buf = all, .n = sizeof *all, .waited = true });
  if (q && wait_for(r, q, seconds)) return all;
  if (!q) lcl__free(all); /* else it may still be written to: the job ends */
  return NULL;
}

static opinion opinion_of(lcl_status status) {
  opinion o = { .status = (int32_t)status };
  if (status != LCL_OK) lcl__snprintf(o.text, sizeof o.text, "%s", lcl_error_message());
  return o;
}

/* The first failure of all ranks, which is everybody's. */
static lcl_status judge(const lcl_ranks *r, const opinion *all) {
  int first = 0, alike = 0;
  while (first < r->count && all[first].status == LCL_OK) first++;
  if (first == r->count) return LCL_OK;
  const opinion *o = &all[first];
  for (int i = 0; i < r->count; i++)
    alike += all[i].status == o->status && strcmp(all[i].text, o->text) == 0;
  if (alike == r->count) return lcl__fail((lcl_status)o->status, "%s", o->text);
  return lcl__fail((lcl_status)o->status, "rank %d of %d: %s", first, r->count, o->text);
}

lcl_status lcl__ranks_agree(lcl_ranks *r, lcl_status status) {
  if (!r || r->count == 1) return status;
  const opinion own = opinion_of(status);
  opinion *all = gather(r, &own, GATHER, 0);
  if (!all) end_job(r->comm, lcl_error_message());
  const lcl_status s = all ? judge(r, all) : status;
  lcl__free(all);
  return s;
}

lcl_status lcl__ranks_fail(lcl_ranks *r, lcl_status status) {
  const double patience = 3;
  if (!r || r->count == 1 || status == LCL_OK) return status;
  const opinion own = opinion_of(status);
  opinion *all = gather(r, &own, GATHER_APART, patience);
  if (!all) end_job(r->comm, own.text);
  const lcl_status s = all ? judge(r, all) : status;
  lcl__free(all);
  return s;
}

lcl_status lcl__ranks_same(lcl_ranks *r, const char *what, const char *text) {
  if (!r || r->count == 1) return LCL_OK;
  opinion own = { 0 };
  lcl__snprintf(own.text, sizeof own.text, "%s", text);
  opinion *all = gather(r, &own, GATHER, 0);
  if (!all) end_job(r->comm, lcl_error_message());
  lcl_status s = LCL_OK;
  for (int i = 1; all && i < r->count && s == LCL_OK; i++)
    if (strcmp(all[i].text, all[0].text) != 0)
      s = lcl__fail(LCL_ERR_ARGUMENT,
                    "rank %d has another %s than rank 0, where all have to have the same: %s, "
                    "not %s",
                    i, what, all[i].text, all[0].text);
  lcl__free(all);
  return s;
}

/* ---- joining and leaving ---- */

static lcl_status initialise(lcl_ranks *r) {
  int there = 0, level = MPI_THREAD_SINGLE;
  MPI_Initialized(&there);
  if (there)
    MPI_Query_thread(&level);
  else
    MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
  r->initialised = !there;
  if (level >= MPI_THREAD_SERIALIZED) return LCL_OK;
  return lcl__fail(LCL_ERR_UNSUPPORTED,
                   "MPI was initialised without threads: MPI_THREAD_SERIALIZED was expected");
}

static lcl_status join(lcl_ranks *r, const MPI_Comm *communicator) {
  LCL_TRY(initialise(r));
  MPI_Comm_dup(communicator ? *communicator : MPI_COMM_WORLD, &r->comm);
  MPI_Comm_rank(r->comm, &r->rank);
  MPI_Comm_size(r->comm, &r->count);
  rank_for_messages = r->rank;
  MPI_Comm_create_errhandler(on_error, &r->handler);
  MPI_Comm_set_errhandler(r->comm, r->handler);
  MPI_Comm_dup(r->comm, &r->apart);
  for (int i = 0; i < 2; i++) MPI_Comm_split(r->comm, 0, i ? -r->rank : r->rank, &r->pieces[i]);
  MPI_Op_create(join_moments, 1, &r->join_moments);
  MPI_Comm machine;
  MPI_Comm_split_type(r->comm, MPI_COMM_TYPE_SHARED, r->rank, MPI_INFO_NULL, &machine);
  MPI_Comm_rank(machine, &r->local);
  MPI_Comm_free(&machine);
  r->running = pthread_create(&r->thread, NULL, speak, r) == 0;
  return r->running ? LCL_OK : lcl__fail(LCL_ERR_HOST_MEMORY, "cannot start a thread");
}

lcl_status lcl_ranks_create(const void *communicator, lcl_ranks **out) {
  LCL_NEED(out);
  *out = NULL;
  lcl_ranks *r = lcl__alloc(sizeof *r);
  if (!r) return LCL_ERR_HOST_MEMORY;
  r->comm = r->apart = r->pieces[0] = r->pieces[1] = MPI_COMM_NULL;
  r->join_moments = MPI_OP_NULL;
  r->last = &r->first;
  r->end = &r->active;
  r->count = 1;
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->done, NULL);
  r->bell = bell_new();
  const lcl_status s = r->bell ? join(r, communicator) : LCL_ERR_HOST_MEMORY;
  if (s == LCL_OK)
    *out = r;
  else
    lcl_ranks_destroy(r);
  return s;
}

static void free_all(request *q) {
  for (request *next; q; q = next) {
    next = q->next;
    lcl__free(q);
  }
}

void lcl_ranks_destroy(lcl_ranks *r) {
  if (!r) return;
  for (int i = 0; i < VOTES; i++)
    if (r->votes[i].request) wait_for(r, r->votes[i].request, 0);
  if (r->running) {
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_mutex_unlock(&r->lock);
    bell_ring(r->bell);
    pthread_join(r->thread, NULL);
  }
  if (r->join_moments != MPI_OP_NULL) MPI_Op_free(&r->join_moments);
  if (r->apart != MPI_COMM_NULL) MPI_Comm_free(&r->apart);
  for (int i = 0; i < 2; i++)
    if (r->pieces[i] != MPI_COMM_NULL) MPI_Comm_free(&r->pieces[i]);
  if (r->comm != MPI_COMM_NULL) {
    MPI_Comm_free(&r->comm);
    MPI_Errhandler_free(&r->handler);
  }
  if (r->initialised) MPI_Finalize();
  free_all(r->first);
  free_all(r->unused);
  for (block *next; r->blocks; r->blocks = next) {
    next = r->blocks->next;
    lcl__free(r->blocks);
  }
  if (r->bell) bell_hold(r->bell, -1);
  pthread_mutex_destroy(&r->lock);
  pthread_cond_destroy(&r->done);
  lcl__free(r);
}

int lcl_ranks_rank(const lcl_ranks *r) {
  return r ? r->rank : 0;
}
int lcl_ranks_count(const lcl_ranks *r) {
  return r ? r->count : 1;
}
int lcl_ranks_local(const lcl_ranks *r) {
  return r ? r->local : 0;
}

#else /* no MPI: nobody is there but this process */

lcl_status lcl_ranks_create(const void *communicator, lcl_ranks **out) {
  LCL_NEED(out);
  (void)communicator;
  *out = NULL;
  return lcl__fail(
      LCL_ERR_UNSUPPORTED,
      "this build has no MPI, so one process trains alone: build it with -Dmpi=enabled "
      "(Debian: libopenmpi-dev)");
}
void lcl_ranks_destroy(lcl_ranks *r) {
  (void)r;
}
int lcl_ranks_rank(const lcl_ranks *r) {
  (void)r;
  return 0;
}
int lcl_ranks_count(const lcl_ranks *r) {
  (void)r;
  return 1;
}
int lcl_ranks_local(const lcl_ranks *r) {
  (void)r;
  return 0;
}
lcl_status lcl__ranks_exchange(lcl_ranks *r, lcl_exchange_kind kind, float *from, float *to,
                               size_t n, float weight, cl_event ready, cl_event done) {
  (void)r, (void)kind, (void)from, (void)to, (void)n, (void)weight, (void)ready, (void)done;
  return lcl__fail(LCL_ERR_UNSUPPORTED, "this build has no MPI");
}
void lcl__ranks_sum_doubles(lcl_ranks *r, double *buf, size_t n) {
  (void)r, (void)buf, (void)n;
}
void lcl__ranks_sum_floats(lcl_ranks *r, float *buf, size_t n) {
  (void)r, (void)buf, (void)n;
}
void lcl__ranks_sum_ints(lcl_ranks *r, int32_t *buf, size_t n) {
  (void)r, (void)buf, (void)n;
}
void lcl__ranks_broadcast(lcl_ranks *r, void *buf, size_t bytes) {
  (void)r, (void)buf, (void)bytes;
}
lcl_status lcl__ranks_agree(lcl_ranks *r, lcl_status status) {
  (void)r;
  return status;
}
lcl_status lcl__ranks_same(lcl_ranks *r, const char *what, const char *text) {
  (void)r, (void)what, (void)text;
  return LCL_OK;
}
bool lcl__ranks_vote(lcl_ranks *r, bool yes) {
  (void)r;
  return yes;
}
lcl_status lcl__ranks_fail(lcl_ranks *r, lcl_status status) {
  (void)r;
  return status;
}
lcl_ranks_stats lcl__ranks_stats(lcl_ranks *r) {
  (void)r;
  return (lcl_ranks_stats) { 0 };
}

#endif
