/* Memory plan: every intermediate gets an offset in one buffer, so that two whose lives overlap
 * never share a byte. */
#include "graph/compile.h"

typedef struct block {
  size_t offset, bytes;
} block;

typedef struct free_list {
  block *data;
  size_t n, cap;
  size_t top; /* end of what was ever used */
} free_list;

/* Best fit; the arena grows at its end when nothing fits. */
static bool take(free_list *f, size_t bytes, size_t *offset) {
  size_t best = SIZE_MAX;
  for (size_t i = 0; i < f->n; i++)
    if (f->data[i].bytes >= bytes && (best == SIZE_MAX || f->data[i].bytes < f->data[best].bytes))
      best = i;
  if (best == SIZE_MAX) {
    /* A free block at the very end is extended rather than left. */
    if (f->n && f->data[f->n - 1].offset + f->data[f->n - 1].bytes == f->top)
      f->top = f->data[--f->n].offset;
    *offset = f->top;
    f->top += bytes;
    return true;
  }
  *offset = f->data[best].offset;
  f->data[best].offset += bytes;
  f->data[best].bytes -= bytes;
  if (f->data[best].bytes == 0) {
    memmove(f->data + best, f->data + best + 1, (f->n - best - 1) * sizeof *f->data);
    f->n--;
  }
  return true;
}

/* Keeps the list sorted by offset and neighbours merged. */
static bool give(free_list *f, size_t offset, size_t bytes) {
  if (!LCL_PUSH(f, ((block) { offset, bytes }))) return false;
  size_t i = f->n - 1;
  for (; i > 0 && f->data[i - 1].offset > offset; i--) f->data[i] = f->data[i - 1];
  f->data[i] = (block) { offset, bytes };
  if (i + 1 < f->n && offset + bytes == f->data[i + 1].offset) {
    f->data[i].bytes += f->data[i + 1].bytes;
    memmove(f->data + i + 1, f->data + i + 2, (f->n - i - 2) * sizeof *f->data);
    f->n--;
  }
  if (i > 0 && f->data[i - 1].offset + f->data[i - 1].bytes == f->data[i].offset) {
    f->data[i - 1].bytes += f->data[i].bytes;
    memmove(f->data + i, f->data + i + 1, (f->n - i - 1) * sizeof *f->data);
    f->n--;
  }
  return true;
}

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
static bool read_in_place(const lcl_launch *l, int slot) {
  bool is = false;
  for (int i = 0; i < l->n_args; i++) {
    const lcl_arg *a = &l->args[i];
    if (a->kind != LCL_ARG_MEMORY || a->slot != slot) continue;
    if (!a->in_place || a->access != LCL_READ) return false;
    is = true;
  }
  return is;
}

/* An operand that dies in this launch and whose place the result, an argument of it, can take. */
static int dying_operand(const lcl_lower *lw, size_t r, const lcl_arg *result, size_t bytes,
                         const bool *taken) {
  const lcl_launch *l = &lw->launches.data[r];
  for (int i = 0; result->in_place && i < l->n_args; i++) {
    const lcl_arg *a = &l->args[i];
    if (a->kind != LCL_ARG_MEMORY || a->access != LCL_READ) continue;
    const lcl_slot *s = &lw->slots.data[a->slot];
    if (s->kind == LCL_SLOT_TEMP && s->last == (int)r && s->first < (int)r && !taken[a->slot] &&
        s->bytes == bytes && read_in_place(l, a->slot))
      return a->slot;
  }
  return -1;
}

lcl_status lcl__plan_memory(lcl_lower *lw, size_t *arena_bytes, size_t *sum_bytes) {
  if (lw->guard) return lcl__guard_plan(lw, arena_bytes, sum_bytes);
  size_t align = lw->caps->base_align;
  free_list f = { 0 };
  bool *taken = lcl__alloc(LCL_MAX(lw->slots.n, 1) * sizeof *taken);
  lcl_status st = taken ? LCL_OK : LCL_ERR_HOST_MEMORY;
  *sum_bytes = 0;
  find_lives(lw);
  for (size_t r = 0; st == LCL_OK && r < lw->launches.n; r++) {
    const lcl_launch *l = &lw->launches.data[r];
    for (int i = 0; st == LCL_OK && i < l->n_args; i++) { /* places for what this launch makes */
      if (l->args[i].kind != LCL_ARG_MEMORY) continue;
      lcl_slot *s = &lw->slots.data[lcl__root_slot(lw, l->args[i].slot)];
      if (s->kind != LCL_SLOT_TEMP || s->first != (int)r || s->bytes == 0 || s->offset != SIZE_MAX)
        continue;
      size_t bytes = lcl__round_up(s->bytes, align);
      int from = dying_operand(lw, r, &l->args[i], s->bytes, taken);
      *sum_bytes += bytes;
      if (from >= 0) {
        s->offset = lw->slots.data[from].offset;
        taken[from] = true;
      } else if (!take(&f, bytes, &s->offset)) {
        st = LCL_ERR_HOST_MEMORY;
      }
    }
    for (int i = 0; st == LCL_OK && i < l->n_args; i++) { /* what is read here for the last time */
      if (l->args[i].kind != LCL_ARG_MEMORY) continue;
      int root = lcl__root_slot(lw, l->args[i].slot);
      lcl_slot *s = &lw->slots.data[root];
      if (s->kind != LCL_SLOT_TEMP || s->last != (int)r || taken[root]) continue;
      taken[root] = true;
      if (!give(&f, s->offset, lcl__round_up(s->bytes, align))) st = LCL_ERR_HOST_MEMORY;
    }
  }
  *arena_bytes = f.top;
  lcl__free(f.data);
  lcl__free(taken);
  return st;
}
