/* Memory plan: every intermediate gets an offset in one buffer, so that two whose lives overlap
 * never share a byte. */
#include "graph/compile.h"

static void find_lives(lcl_lower *lw) {
  for (size_t r = 0; r < lw->launches.n; r++)
    for (int i = 0; i < lw->launches.data[r].n_args; i++) {
      const lcl_arg *a = &lw->launches.data[r].args[i];
      if (a->kind != LCL_ARG_MEMORY) continue;
      lcl_slot *s = &lw->slots.data[lcl__root_slot(lw, a->slot)];
      if (s->first < 0) s->first = (int)r;
      s->last = (int)r;
    }
  for (size_t i = 0; i < lw->slots.n; i++) {
    lcl_slot *s = &lw->slots.data[i];
    if (s->keep && s->first >= 0) s->last = (int)lw->launches.n;
  }
}

/* Whether launch r reads the slot, all of it, only in place. */
static bool read_in_place(const lcl_lower *lw, const lcl_launch *l, int slot) {
  bool is = false;
  for (int i = 0; i < l->n_args; i++) {
    const lcl_arg *a = &l->args[i];
    if (a->kind != LCL_ARG_MEMORY || lcl__root_slot(lw, a->slot) != slot) continue;
    if (!a->in_place || a->access != LCL_READ || a->slot != slot) return false;
    is = true;
  }
  return is;
}

/* An operand that dies in this launch and whose place the result, an argument of it, can take. */
static int dying_operand(const lcl_lower *lw, size_t r, const lcl_arg *result, size_t bytes,
                         const int *heir) {
  const lcl_launch *l = &lw->launches.data[r];
  for (int i = 0; result->in_place && i < l->n_args; i++) {
    const lcl_arg *a = &l->args[i];
    if (a->kind != LCL_ARG_MEMORY || a->access != LCL_READ) continue;
    const lcl_slot *s = &lw->slots.data[a->slot];
    if (s->kind == LCL_SLOT_TEMP && s->last == (int)r && s->first < (int)r && heir[a->slot] < 0 &&
        s->bytes == bytes && read_in_place(lw, l, a->slot))
      return a->slot;
  }
  return -1;
}

/* Slots in one place, one after the other: a result follows the operand whose place it takes. */
typedef struct place {
  int slot; /* the first */
  size_t bytes, offset;
  int first, last;
} place;

/* The slot that takes over each slot's place, or -1. */
static void find_heirs(const lcl_lower *lw, int *heir, bool *inherits) {
  for (size_t i = 0; i < lw->slots.n; i++) heir[i] = -1;
  for (size_t r = 0; r < lw->launches.n; r++) {
    const lcl_launch *l = &lw->launches.data[r];
    for (int i = 0; i < l->n_args; i++) {
      if (l->args[i].kind != LCL_ARG_MEMORY) continue;
      const int slot = lcl__root_slot(lw, l->args[i].slot);
      const lcl_slot *s = &lw->slots.data[slot];
      if (s->kind != LCL_SLOT_TEMP || s->first != (int)r || inherits[slot]) continue;
      const int from = dying_operand(lw, r, &l->args[i], s->bytes, heir);
      if (from < 0) continue;
      heir[from] = slot;
      inherits[slot] = true;
    }
  }
}

static int largest_first(const void *a, const void *b) {
  const place *x = a, *y = b;
  if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
  return x->slot - y->slot;
}

/* The lowest offset where p is clear of all places that were given and live at the same time. */
static void settle(place *p, const place *given, size_t n) {
  bool moved = true;
  p->offset = 0;
  while (moved) {
    moved = false;
    for (size_t i = 0; i < n; i++) {
      const place *q = &given[i];
      if (q->last < p->first || p->last < q->first || q->offset >= p->offset + p->bytes ||
          p->offset >= q->offset + q->bytes)
        continue;
      p->offset = q->offset + q->bytes;
      moved = true;
    }
  }
}

/* Largest first: what is small finds room beside what is large, not the other way round. */
static size_t settle_all(const lcl_lower *lw, const int *heir, const bool *inherits, place *places,
                         size_t *sum) {
  const size_t align = lw->caps->base_align;
  size_t n = 0, top = 0;
  for (size_t i = 0; i < lw->slots.n; i++) {
    const lcl_slot *s = &lw->slots.data[i];
    if (s->kind != LCL_SLOT_TEMP || s->first < 0 || s->bytes == 0) continue;
    *sum += lcl__round_up(s->bytes, align);
    if (inherits[i]) continue;
    place p = { (int)i, lcl__round_up(s->bytes, align), 0, s->first, s->last };
    for (int next = heir[i]; next >= 0; next = heir[next]) p.last = lw->slots.data[next].last;
    places[n++] = p;
  }
  qsort(places, n, sizeof *places, largest_first);
  for (size_t i = 0; i < n; i++) {
    settle(&places[i], places, i);
    top = LCL_MAX(top, places[i].offset + places[i].bytes);
    for (int slot = places[i].slot; slot >= 0; slot = heir[slot])
      lw->slots.data[slot].offset = places[i].offset;
  }
  return top;
}

lcl_status lcl__plan_memory(lcl_lower *lw, size_t *arena_bytes, size_t *sum_bytes) {
  if (lw->guard) return lcl__guard_plan(lw, arena_bytes, sum_bytes);
  const size_t n = LCL_MAX(lw->slots.n, 1);
  int *heir = lcl__alloc(n * sizeof *heir);
  bool *inherits = lcl__alloc(n * sizeof *inherits);
  place *places = lcl__alloc(n * sizeof *places);
  const lcl_status st = heir && inherits && places ? LCL_OK : LCL_ERR_HOST_MEMORY;
  *sum_bytes = 0;
  find_lives(lw);
  if (st == LCL_OK) {
    find_heirs(lw, heir, inherits);
    *arena_bytes = settle_all(lw, heir, inherits, places, sum_bytes);
  }
  lcl__free(heir);
  lcl__free(inherits);
  lcl__free(places);
  return st;
}
