/* Guard bands, for `latentcl check` and tests: every intermediate, input and constant of the
 * program is followed by bytes that nothing may write. They hold NaNs, and so does everything that
 * a run has not computed yet: a kernel that reads past an end or before a value is there shows it
 * in its result. */
#include "graph/compile.h"

static const uint32_t nan_pattern = 0x7fc0a5a5;

/* Every slot has its own place, so that its band is still there after the run. */
lcl_status lcl__guard_plan(lcl_lower *lw, size_t *arena_bytes, size_t *sum_bytes) {
  const size_t align = lw->caps->base_align;
  size_t top = lcl__round_up(LCL_GUARD_BYTES, align);
  for (size_t i = 0; i < lw->slots.n; i++) {
    lcl_slot *s = &lw->slots.data[i];
    if (s->kind != LCL_SLOT_TEMP || s->bytes == 0) continue;
    s->offset = top;
    top += lcl__round_up(s->bytes + LCL_GUARD_BYTES, align);
  }
  *arena_bytes = top;
  *sum_bytes = top;
  return LCL_OK;
}

static uint8_t pattern_byte(size_t offset) {
  return (uint8_t)(nan_pattern >> offset % 4 * 8);
}

static lcl_status fill(lcl_context *ctx, lcl_buffer *buffer, size_t from, size_t bytes) {
  uint8_t *host = lcl__alloc(bytes);
  if (!host) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < bytes; i++) host[i] = pattern_byte(from + i);
  const lcl_status st = lcl__upload(ctx, buffer, from, host, bytes);
  lcl__free(host);
  return st;
}

static bool guarded_fixed(const lcl_slot *s) {
  return s->kind == LCL_SLOT_FIXED && s->own &&
         lcl_buffer_size(s->buffer) == s->bytes + LCL_GUARD_BYTES;
}

lcl_status lcl__guard_fill(lcl_program *p) {
  if (p->memory) LCL_TRY(fill(p->ctx, p->memory, 0, lcl_buffer_size(p->memory)));
  for (size_t i = 0; i < p->n_slots; i++)
    if (guarded_fixed(&p->slots[i]))
      LCL_TRY(fill(p->ctx, p->slots[i].buffer, p->slots[i].bytes, LCL_GUARD_BYTES));
  return LCL_OK;
}

/* bytes [from, to) of a buffer whose first byte is host[0] at offset `base`. */
static lcl_status intact(const uint8_t *host, size_t base, size_t from, size_t to,
                         const char *where, const char *what) {
  for (size_t i = from; i < to; i++)
    if (host[i - base] != pattern_byte(i))
      return lcl__fail(LCL_ERR_NUMERIC,
                       "a kernel wrote outside its buffers: byte %zu %s %s is overwritten",
                       i - from, where, what ? what : "an input");
  return LCL_OK;
}

static lcl_status check_memory(lcl_program *p, const uint8_t *host) {
  size_t first = SIZE_MAX;
  for (size_t i = 0; i < p->n_slots; i++) {
    const lcl_slot *s = &p->slots[i];
    if (s->kind != LCL_SLOT_TEMP || s->bytes == 0) continue;
    first = LCL_MIN(first, s->offset);
    LCL_TRY(intact(host, 0, s->offset + s->bytes, s->offset + s->bytes + LCL_GUARD_BYTES,
                   "behind the result of", s->what));
  }
  return first == SIZE_MAX ? LCL_OK : intact(host, 0, 0, first, "before", "the first intermediate");
}

lcl_status lcl__guard_check(lcl_program *p) {
  const size_t bytes = p->memory ? lcl_buffer_size(p->memory) : 0;
  uint8_t *host = lcl__alloc(LCL_MAX(bytes, LCL_GUARD_BYTES));
  if (!host) return LCL_ERR_HOST_MEMORY;
  lcl_status st = bytes ? lcl__download(p->ctx, p->memory, 0, host, bytes) : LCL_OK;
  if (st == LCL_OK && bytes) st = check_memory(p, host);
  for (size_t i = 0; i < p->n_slots && st == LCL_OK; i++) {
    const lcl_slot *s = &p->slots[i];
    if (!guarded_fixed(s)) continue;
    st = lcl__download(p->ctx, s->buffer, s->bytes, host, LCL_GUARD_BYTES);
    if (st == LCL_OK)
      st = intact(host, s->bytes, s->bytes, s->bytes + LCL_GUARD_BYTES, "behind", s->what);
  }
  lcl__free(host);
  return st;
}
