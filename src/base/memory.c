/* Heap, arena, growing arrays and strings. Tests make the n-th allocation fail and count what is
 * still alive. */
#include "base/text.h"

#include <stdatomic.h>

static atomic_llong fail_in = -1; /* allocations until the one that fails; below zero: none does */
static atomic_llong live, count;

void lcl__test_fail_alloc(int64_t nth) {
  atomic_store(&fail_in, nth);
}
int64_t lcl__test_alloc_count(void) {
  return atomic_load(&count);
}

int64_t lcl__test_alloc_live(void) {
  return atomic_load(&live);
}

static bool made_to_fail(void) {
  atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
  if (atomic_load_explicit(&fail_in, memory_order_relaxed) < 0) return false;
  return atomic_fetch_sub(&fail_in, 1) == 0;
}

static void *out_of_memory(size_t bytes) {
  lcl__fail(LCL_ERR_HOST_MEMORY, "out of host memory: %zu bytes were asked for", bytes);
  return NULL;
}

void *lcl__alloc(size_t bytes) {
  void *p = made_to_fail() ? NULL : calloc(1, bytes ? bytes : 1);
  if (!p) return out_of_memory(bytes);
  atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
  return p;
}

void *lcl__realloc(void *old, size_t bytes) {
  void *p = made_to_fail() ? NULL : realloc(old, bytes ? bytes : 1);
  if (!p) return out_of_memory(bytes);
  if (!old) atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
  return p;
}

char *lcl__strdup(const char *s) {
  size_t n = strlen(s) + 1;
  char *copy = lcl__alloc(n);
  if (copy) memcpy(copy, s, n);
  return copy;
}

void lcl__free(void *p) {
  if (!p) return;
  atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
  free(p);
}

/* ---- arena ---- */

typedef struct chunk {
  struct chunk *next;
  size_t used, size;
  _Alignas(16) unsigned char data[];
} chunk;

struct lcl_arena {
  chunk *head;
};

enum { CHUNK_BYTES = 32 * 1024 };

lcl_arena *lcl__arena_create(void) {
  return lcl__alloc(sizeof(lcl_arena));
}

void *lcl__arena_alloc(lcl_arena *a, size_t bytes) {
  if (bytes > SIZE_MAX / 2) return out_of_memory(bytes);
  bytes = (bytes + 15) & ~(size_t)15;
  if (!bytes) bytes = 16;
  if (!a->head || a->head->size - a->head->used < bytes) {
    size_t size = LCL_MAX((size_t)CHUNK_BYTES, bytes);
    chunk *c = lcl__alloc(sizeof *c + size);
    if (!c) return NULL;
    c->size = size;
    c->next = a->head;
    a->head = c;
  }
  void *p = a->head->data + a->head->used;
  a->head->used += bytes;
  return p;
}

char *lcl__arena_strdup(lcl_arena *a, const char *s) {
  size_t n = strlen(s) + 1;
  char *copy = lcl__arena_alloc(a, n);
  if (copy) memcpy(copy, s, n);
  return copy;
}

void lcl__arena_destroy(lcl_arena *a) {
  if (!a) return;
  for (chunk *c = a->head, *next; c; c = next) {
    next = c->next;
    lcl__free(c);
  }
  lcl__free(a);
}

/* ---- growing array and string ---- */

bool lcl__mul_size(size_t a, size_t b, size_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}

bool lcl__grow(void **data, size_t *cap, size_t need, size_t elem) {
  if (need <= *cap) return true;
  size_t room = LCL_MAX(need, *cap < SIZE_MAX / 2 ? *cap * 2 : need), bytes;
  room = LCL_MAX(room, (size_t)8);
  if (!lcl__mul_size(room, elem, &bytes)) return out_of_memory(SIZE_MAX), false;
  void *p = lcl__realloc(*data, bytes);
  if (!p) return false;
  *data = p;
  *cap = room;
  return true;
}

void lcl__str_append(lcl_str *s, const char *bytes, size_t n) {
  if (s->failed) return;
  if (!lcl__grow((void **)&s->data, &s->cap, s->n + n + 1, 1)) {
    s->failed = true;
    return;
  }
  if (n) memcpy(s->data + s->n, bytes, n);
  s->n += n;
  s->data[s->n] = 0;
}

void lcl__str_add(lcl_str *s, const char *fmt, ...) {
  if (s->failed) return;
  va_list args;
  va_start(args, fmt);
  int n = lcl__vsnprintf(NULL, 0, fmt, args);
  va_end(args);
  if (n < 0 || !lcl__grow((void **)&s->data, &s->cap, s->n + (size_t)n + 1, 1)) {
    s->failed = true;
    return;
  }
  va_start(args, fmt);
  lcl__vsnprintf(s->data + s->n, (size_t)n + 1, fmt, args);
  va_end(args);
  s->n += (size_t)n;
}

bool lcl__str_ok(const lcl_str *s) {
  return !s->failed;
}

void lcl__str_free(lcl_str *s) {
  lcl__free(s->data);
  *s = (lcl_str) { 0 };
}
