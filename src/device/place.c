/* Hazards and placement: which queue a launch goes to, and which launches of other queues it waits
 * for.
 *
 * A hazard is a pair of launches that touch common bytes, at least one of them writing (read after
 * write, write after read, write after write). Launches on one in-order queue are ordered already;
 * an edge between queues costs an event. A vector clock per launch -- for every queue, how many of
 * its launches are known to be done -- leaves out each edge that others imply, so for a given
 * placement no event is superfluous. */
#include "device/list.h"

typedef struct access {
  size_t item;
  lcl_span span;
  size_t previous; /* earlier access of the same memory object, or NONE */
} access;

typedef struct memory {
  cl_mem root;
  size_t last; /* newest access, or NONE */
} memory;

typedef size_t clock_row[LCL_MAX_QUEUES];

typedef struct placer {
  const lcl_list *list;
  lcl_placement *placement;
  struct {
    access *data;
    size_t n, cap;
  } accesses;
  struct {
    memory *data;
    size_t n, cap;
  } memories;
  struct {
    size_t *data;
    size_t n, cap;
  } edges;          /* predecessors of the launch at hand, ascending, no doubles */
  clock_row *known; /* per item: launches of each queue that are done when it is done */
  size_t *position; /* per item: its place in its queue, from 1 */
  size_t count[LCL_MAX_QUEUES], tail[LCL_MAX_QUEUES];
} placer;

#define NONE SIZE_MAX

static memory *memory_of(placer *p, cl_mem root) {
  for (size_t i = 0; i < p->memories.n; i++)
    if (p->memories.data[i].root == root) return &p->memories.data[i];
  if (!LCL_PUSH(&p->memories, ((memory) { root, NONE }))) return NULL;
  return &p->memories.data[p->memories.n - 1];
}

static bool add_edge(placer *p, size_t from) {
  for (size_t i = 0; i < p->edges.n; i++)
    if (p->edges.data[i] == from) return true;
  return LCL_PUSH(&p->edges, from);
}

/* Walks the earlier accesses, newest first. An earlier write that covers the span ends the walk:
 * whatever came before it is ordered before that write, hence before us. */
static lcl_status find_hazards(placer *p, size_t item, const lcl_span *span) {
  if (span->begin == span->end) return LCL_OK;
  memory *m = memory_of(p, span->root);
  if (!m) return LCL_ERR_HOST_MEMORY;
  for (size_t at = m->last; at != NONE; at = p->accesses.data[at].previous) {
    const access *a = &p->accesses.data[at];
    bool overlap = a->span.begin < span->end && span->begin < a->span.end;
    if (!overlap || a->item == item || !(a->span.write || span->write)) continue;
    if (!add_edge(p, a->item)) return LCL_ERR_HOST_MEMORY;
    if (a->span.write && a->span.begin <= span->begin && span->end <= a->span.end) break;
  }
  return LCL_OK;
}

static lcl_status record(placer *p, size_t item, const lcl_span *span) {
  memory *m = memory_of(p, span->root);
  if (!m || !LCL_PUSH(&p->accesses, ((access) { item, *span, m->last })))
    return LCL_ERR_HOST_MEMORY;
  m->last = p->accesses.n - 1;
  return LCL_OK;
}

/* Continues the queue whose newest launch is a predecessor (no event is needed then); else the
 * shortest queue. */
static int choose_queue(const placer *p) {
  int n = p->placement->n_queues, best = -1;
  for (int q = 0; q < n; q++) {
    if (!p->count[q]) continue;
    for (size_t e = 0; e < p->edges.n; e++)
      if (p->edges.data[e] == p->tail[q] && (best < 0 || p->tail[q] > p->tail[best])) best = q;
  }
  if (best >= 0) return best;
  best = 0;
  for (int q = 1; q < n; q++)
    if (p->count[q] < p->count[best]) best = q;
  return best;
}

static lcl_status order_newest_first(placer *p) {
  for (size_t i = 1; i < p->edges.n; i++) /* insertion sort: a launch has few predecessors */
    for (size_t j = i; j && p->edges.data[j] > p->edges.data[j - 1]; j--) {
      size_t swap = p->edges.data[j];
      p->edges.data[j] = p->edges.data[j - 1];
      p->edges.data[j - 1] = swap;
    }
  return LCL_OK;
}

static void learn(clock_row into, const clock_row from) {
  for (int q = 0; q < LCL_MAX_QUEUES; q++) into[q] = LCL_MAX(into[q], from[q]);
}

static lcl_status place_one(placer *p, size_t i) {
  const lcl_list *list = p->list;
  const lcl_item *item = &list->items.data[i];
  lcl_placement *to = p->placement;
  lcl_place *place = &to->place[i];
  place->first_wait = to->waits.n;
  if (item->nothing) return LCL_OK;
  p->edges.n = 0;
  for (size_t r = 0; r < item->n_spans; r++) LCL_TRY(find_hazards(p, i, &item->spans[r]));
  for (size_t r = 0; r < item->n_spans; r++) LCL_TRY(record(p, i, &item->spans[r]));
  int q = place->queue = choose_queue(p);
  bool in_order = list->ctx->in_order[q];
  if (in_order && p->count[q]) learn(p->known[i], p->known[p->tail[q]]);
  LCL_TRY(order_newest_first(p));
  for (size_t e = 0; e < p->edges.n; e++) {
    size_t from = p->edges.data[e];
    lcl_place *before = &to->place[from];
    bool implied = list->ctx->in_order[before->queue]
                       ? p->known[i][before->queue] >= p->position[from]
                       : false;
    if (implied) continue;
    if (!LCL_PUSH(&to->waits, from)) return LCL_ERR_HOST_MEMORY;
    before->signals = true;
    learn(p->known[i], p->known[from]);
  }
  place->n_wait = to->waits.n - place->first_wait;
  p->position[i] = ++p->count[q];
  p->tail[q] = i;
  if (in_order) p->known[i][q] = p->position[i];
  to->used[q] = true;
  return LCL_OK;
}

lcl_status lcl__list_place(const lcl_list *list, lcl_placement *to) {
  const lcl_context *ctx = list->ctx;
  const size_t n = list->items.n, room = LCL_MAX(n, (size_t)1);
  to->used[0] = true;
  if (!(to->place = lcl__alloc(room * sizeof *to->place))) return LCL_ERR_HOST_MEMORY;
  if (to->n_queues == 1 && ctx->in_order[0]) return LCL_OK; /* the queue keeps every order */
  placer p = { .list = list, .placement = to };
  p.known = lcl__alloc(room * sizeof *p.known);
  p.position = lcl__alloc(room * sizeof *p.position);
  lcl_status status = p.known && p.position ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; status == LCL_OK && i < n; i++) status = place_one(&p, i);
  for (int q = 0; q < to->n_queues; q++) to->joins |= to->used[q] && (q > 0 || !ctx->in_order[q]);
  lcl__free(p.known);
  lcl__free(p.position);
  lcl__free(p.accesses.data);
  lcl__free(p.memories.data);
  lcl__free(p.edges.data);
  return status;
}

void lcl__placement_free(lcl_placement *p) {
  lcl__free(p->place);
  lcl__free(p->waits.data);
  *p = (lcl_placement) { 0 };
}
