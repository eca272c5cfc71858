/* Nearest neighbours: dot products of rows on the device, the choice among them on the host. */
#include <math.h>

#include "base/parallel.h"
#include "device/cache.h"
#include "nn/evaluate.h"

/* More candidates are kept than asked for: rounding may order close ones wrongly before they are
 * computed again. */
#define SLACK 8
#define BLOCK 2048
/* Dot products read together: most strips hold nothing near enough, which a loop without branches
 * finds out. */
#define STRIP 64

typedef struct candidate {
  float distance; /* squared */
  int32_t index;
} candidate;

typedef struct search {
  const float *x;
  int64_t n;
  int d, k, keep;
  float *norm;
  candidate *list; /* n x keep, ascending */
  int *filled;
  float *worst; /* the last of a full list; infinite before */
  /* Dot products of rows_a examples from first_a with rows_b from first_b; rows of block numbers.
   */
  const float *product;
  int64_t first_a, rows_a, first_b, rows_b, block;
  int32_t *index;
  float *distance;
} search;

/* Where equal, the smaller index comes first, so that the order of blocks does not matter. */
static bool before(candidate a, candidate b) {
  return a.distance < b.distance || (a.distance == b.distance && a.index < b.index);
}

static void insert(candidate *list, int *filled, int keep, candidate c) {
  int at = *filled < keep ? (*filled)++ : keep - 1;
  while (at > 0 && before(c, list[at - 1])) {
    list[at] = list[at - 1];
    at--;
  }
  list[at] = c;
}

static void offer(search *s, int64_t to, int64_t other, float distance) {
  candidate c = { distance, (int32_t)other }, *list = s->list + (size_t)to * (size_t)s->keep;
  if (to == other || (s->filled[to] == s->keep && !before(c, list[s->keep - 1]))) return;
  insert(list, &s->filled[to], s->keep, c);
  if (s->filled[to] == s->keep) s->worst[to] = list[s->keep - 1].distance;
}

/* Offers the examples of b to those of a. */
static void scan_rows(void *user, int64_t begin, int64_t end) {
  search *s = user;
  const float *norm_b = s->norm + s->first_b;
  for (int64_t r = begin; r < end; r++) {
    int64_t self = s->first_a + r;
    const float *p = s->product + (size_t)r * (size_t)s->block, norm = s->norm[self];
    for (int64_t b = 0; b < s->rows_b; b += STRIP) {
      int64_t m = LCL_MIN((int64_t)STRIP, s->rows_b - b);
      float worst = s->worst[self];
      int near = m < STRIP;
      if (!near)
        for (int i = 0; i < STRIP; i++) near |= !(norm + norm_b[b + i] - 2 * p[b + i] > worst);
      for (int64_t i = b; near && i < b + m; i++)
        offer(s, self, s->first_b + i, norm + norm_b[i] - 2 * p[i]);
    }
  }
}

/* Offers the examples of a to those of b: [begin,end) counts strips of b. */
static void scan_columns(void *user, int64_t begin, int64_t end) {
  search *s = user;
  const float *norm_b = s->norm + s->first_b, *worst = s->worst + s->first_b;
  for (int64_t b = begin * STRIP; b < LCL_MIN(end * STRIP, s->rows_b); b += STRIP) {
    int64_t m = LCL_MIN((int64_t)STRIP, s->rows_b - b);
    for (int64_t r = 0; r < s->rows_a; r++) {
      const float *p = s->product + (size_t)r * (size_t)s->block, norm = s->norm[s->first_a + r];
      int near = m < STRIP;
      if (!near)
        for (int i = 0; i < STRIP; i++)
          near |= !(norm + norm_b[b + i] - 2 * p[b + i] > worst[b + i]);
      for (int64_t i = b; near && i < b + m; i++)
        offer(s, s->first_b + i, s->first_a + r, norm + norm_b[i] - 2 * p[i]);
    }
  }
}

/* Distances from the differences, and the final order. */
static void refine_rows(void *user, int64_t begin, int64_t end) {
  search *s = user;
  for (int64_t r = begin; r < end; r++) {
    candidate *list = s->list + (size_t)r * (size_t)s->keep;
    const float *a = s->x + (size_t)r * (size_t)s->d;
    int filled = 0;
    for (int c = 0; c < s->filled[r]; c++) {
      const float *b = s->x + (size_t)list[c].index * (size_t)s->d;
      double sum = 0;
      for (int i = 0; i < s->d; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
      candidate exact = { (float)sum, list[c].index };
      insert(list, &filled, c + 1, exact); /* positions before c are already sorted again */
    }
    size_t to = (size_t)r * (size_t)s->k;
    for (int c = 0; c < s->k; c++) {
      s->distance[to + (size_t)c] = sqrtf(list[c].distance);
      if (s->index) s->index[to + (size_t)c] = list[c].index;
    }
  }
}

/* Blocks on and above the diagonal: each dot product serves both of its examples. */
static lcl_status search_block(search *s, lcl_row_products *products, float *product) {
  s->rows_a = LCL_MIN(s->block, s->n - s->first_a);
  LCL_TRY(lcl__row_products_set_a(products, s->x + (size_t)s->first_a * (size_t)s->d, s->rows_a));
  for (s->first_b = s->first_a; s->first_b < s->n; s->first_b += s->block) {
    s->rows_b = LCL_MIN(s->block, s->n - s->first_b);
    LCL_TRY(lcl__row_products_set_b(products, s->x + (size_t)s->first_b * (size_t)s->d, s->rows_b));
    LCL_TRY(lcl__row_products_run(products, product));
    s->product = product;
    lcl__parallel_for(s->rows_a, 64, scan_rows, s);
    if (s->first_b > s->first_a)
      lcl__parallel_for((s->rows_b + STRIP - 1) / STRIP, 4, scan_columns, s);
  }
  return LCL_OK;
}

lcl_status lcl__nearest(lcl_context *ctx, const float *x, int64_t n, int d, int k, int32_t *index,
                        float *distance) {
  if (k < 1 || k >= n || n > INT32_MAX || d < 1)
    return lcl__fail(LCL_ERR_ARGUMENT, "%d neighbours cannot be found among %lld examples", k,
                     (long long)n);
  search s = { .x = x, .n = n, .d = d, .k = k, .index = index, .distance = distance };
  s.keep = (int)LCL_MIN((int64_t)k + SLACK, n - 1);
  s.block = LCL_MIN((int64_t)BLOCK, n);
  s.norm = lcl__alloc((size_t)n * sizeof *s.norm);
  s.worst = lcl__alloc((size_t)n * sizeof *s.worst);
  s.list = lcl__alloc((size_t)n * (size_t)s.keep * sizeof *s.list);
  s.filled = lcl__alloc((size_t)n * sizeof *s.filled);
  float *product = lcl__alloc((size_t)(s.block * s.block) * sizeof *product);
  lcl_row_products *products = NULL;
  lcl_status status = s.norm && s.worst && s.list && s.filled && product ? LCL_OK
                                                                         : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK)
    status = lcl__row_products_create(ctx, x, n, s.norm, s.block, s.block, d, &products);
  for (int64_t i = 0; i < n && status == LCL_OK; i++) s.worst[i] = INFINITY;
  for (s.first_a = 0; s.first_a < n && status == LCL_OK; s.first_a += s.block)
    status = search_block(&s, products, product);
  if (status == LCL_OK) lcl__parallel_for(n, 64, refine_rows, &s);
  lcl__row_products_destroy(products);
  lcl__free(s.norm);
  lcl__free(s.worst);
  lcl__free(s.list);
  lcl__free(s.filled);
  lcl__free(product);
  return status;
}

/* ---- kept distances ---- */

/* Names what is searched, not the device: its rounding is gone from the result. */
static bool distances_key(const float *x, int64_t n, int d, int k, char key[33]) {
  char data[33];
  lcl_str what = { 0 };
  lcl__hash_hex(x, (size_t)n * (size_t)d * sizeof *x, data);
  lcl__str_add(&what, "distance to a neighbour, format 1: %lld x %d, neighbour %d, data %s",
               (long long)n, d, k, data);
  bool ok = lcl__str_ok(&what);
  if (ok) lcl__hash_hex(what.data, what.n, key);
  lcl__str_free(&what);
  return ok;
}

static bool kept_distances(const char *key, size_t bytes, float *out) {
  size_t n;
  void *data = lcl__cache_note(key, &n);
  const bool ok = data && n == bytes;
  if (ok) memcpy(out, data, bytes);
  lcl__free(data);
  return ok;
}

lcl_status lcl__neighbour_distance(lcl_context *ctx, const float *x, int64_t n, int d, int k,
                                   float *out) {
  char key[33];
  size_t bytes = (size_t)n * sizeof *out;
  if (!distances_key(x, n, d, k, key)) return LCL_ERR_HOST_MEMORY;
  if (kept_distances(key, bytes, out)) return LCL_OK;
  float *all = lcl__alloc((size_t)n * (size_t)LCL_MAX(k, 1) * sizeof *all);
  lcl_status s = all ? lcl__nearest(ctx, x, n, d, k, NULL, all) : LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; s == LCL_OK && i < n; i++) out[i] = all[i * k + k - 1];
  lcl__free(all);
  if (s == LCL_OK) lcl__cache_put(key, LCL_CACHE_NOTE, out, bytes);
  return s;
}
