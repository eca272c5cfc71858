/* Products of rows on the device, and the nearest neighbours that come out of them. */
#include <math.h>

#include "base/parallel.h"
#include "nn/evaluate.h"
#include "latentcl/ops.h"

/* ---- products of rows ---- */

struct lcl_row_products {
  lcl_store *store;
  lcl_graph *graph;
  lcl_program *program;
  int64_t rows_a, rows_b, d;
  float *part; /* a block that is not full, with zeros behind it */
};

lcl_status lcl_row_products_create(lcl_context *ctx, int64_t rows_a, int64_t rows_b, int64_t d,
                                   lcl_row_products **out) {
  *out = NULL;
  lcl_row_products *p = lcl_alloc(sizeof *p);
  if (!p) return LCL_ERR_HOST_MEMORY;
  p->rows_a = rows_a;
  p->rows_b = rows_b;
  p->d = d;
  p->part = lcl_alloc((size_t)(LCL_MAX(rows_a, rows_b) * d) * sizeof *p->part);
  lcl_status status = p->part ? lcl_store_create(ctx, 0, &p->store) : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) status = lcl_graph_create(p->store, "products", &p->graph);
  if (status == LCL_OK) {
    lcl_tensor *a = lcl_input(p->graph, "a", LCL_F32, LCL_SHAPE(rows_a, d));
    lcl_tensor *b = lcl_input(p->graph, "b", LCL_F32, LCL_SHAPE(rows_b, d));
    lcl_output(lcl_matmul(a, b, false, true), "product");
    status = lcl_compile(p->graph, &(lcl_compile_desc) { 0 }, &p->program);
  }
  if (status != LCL_OK) {
    lcl_row_products_destroy(p);
    return status;
  }
  *out = p;
  return LCL_OK;
}

void lcl_row_products_destroy(lcl_row_products *p) {
  if (!p) return;
  lcl_program_destroy(p->program);
  lcl_graph_destroy(p->graph);
  lcl_store_destroy(p->store);
  lcl_free(p->part);
  lcl_free(p);
}

static lcl_status set_block(lcl_row_products *p, const char *name, const float *rows, int64_t n,
                            int64_t full) {
  size_t used = (size_t)(n * p->d) * sizeof *rows, all = (size_t)(full * p->d) * sizeof *rows;
  if (n == full) return lcl_feed(p->program, name, rows, all);
  memcpy(p->part, rows, used);
  memset((char *)p->part + used, 0, all - used);
  return lcl_feed(p->program, name, p->part, all);
}

lcl_status lcl_row_products_set_a(lcl_row_products *p, const float *a, int64_t n) {
  return set_block(p, "a", a, n, p->rows_a);
}

lcl_status lcl_row_products_set_b(lcl_row_products *p, const float *b, int64_t n) {
  return set_block(p, "b", b, n, p->rows_b);
}

lcl_status lcl_row_products_run(lcl_row_products *p, float *out) {
  LCL_TRY(lcl_run(p->program));
  return lcl_fetch(p->program, "product", out, (size_t)(p->rows_a * p->rows_b) * sizeof *out);
}

/* ---- nearest neighbours ---- */

/* More candidates are kept than asked for: rounding may order close ones wrongly before they are computed
 * again. */
#define SLACK 8
#define BLOCK 2048

typedef struct candidate {
  float distance; /* squared */
  int32_t index;
} candidate;

typedef struct search {
  const float *x;
  int64_t n;
  int d, k, keep;
  float *norm;
  candidate *list; /* BLOCK x keep, ascending */
  int *filled;
  const float *product; /* BLOCK x block */
  int64_t first_a, first_b, rows_b, block;
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

static void scan_rows(void *user, int64_t begin, int64_t end) {
  search *s = user;
  for (int64_t r = begin; r < end; r++) {
    const float *p = s->product + (size_t)r * (size_t)s->block;
    candidate *list = s->list + (size_t)r * (size_t)s->keep;
    int64_t self = s->first_a + r;
    for (int64_t b = 0; b < s->rows_b; b++) {
      candidate c = { s->norm[self] + s->norm[s->first_b + b] - 2 * p[b], (int32_t)(s->first_b + b) };
      if (c.index == self) continue;
      if (s->filled[r] < s->keep || before(c, list[s->keep - 1])) insert(list, &s->filled[r], s->keep, c);
    }
  }
}

/* Distances from the differences, and the final order. */
static void refine_rows(void *user, int64_t begin, int64_t end) {
  search *s = user;
  for (int64_t r = begin; r < end; r++) {
    candidate *list = s->list + (size_t)r * (size_t)s->keep;
    const float *a = s->x + (size_t)(s->first_a + r) * (size_t)s->d;
    int filled = 0;
    for (int c = 0; c < s->filled[r]; c++) {
      const float *b = s->x + (size_t)list[c].index * (size_t)s->d;
      double sum = 0;
      for (int i = 0; i < s->d; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
      candidate exact = { (float)sum, list[c].index };
      insert(list, &filled, c + 1, exact); /* positions before c are already sorted again */
    }
    size_t to = (size_t)(s->first_a + r) * (size_t)s->k;
    for (int c = 0; c < s->k; c++) {
      s->distance[to + (size_t)c] = sqrtf(list[c].distance);
      if (s->index) s->index[to + (size_t)c] = list[c].index;
    }
  }
}

static lcl_status search_block(search *s, lcl_row_products *products, float *product) {
  int64_t rows_a = LCL_MIN(s->block, s->n - s->first_a);
  LCL_TRY(lcl_row_products_set_a(products, s->x + (size_t)s->first_a * (size_t)s->d, rows_a));
  memset(s->filled, 0, (size_t)s->block * sizeof *s->filled);
  for (s->first_b = 0; s->first_b < s->n; s->first_b += s->block) {
    s->rows_b = LCL_MIN(s->block, s->n - s->first_b);
    LCL_TRY(lcl_row_products_set_b(products, s->x + (size_t)s->first_b * (size_t)s->d, s->rows_b));
    LCL_TRY(lcl_row_products_run(products, product));
    s->product = product;
    lcl_parallel_for(rows_a, 64, scan_rows, s);
  }
  lcl_parallel_for(rows_a, 64, refine_rows, s);
  return LCL_OK;
}

lcl_status lcl_nearest(lcl_context *ctx, const float *x, int64_t n, int d, int k, int32_t *index,
                       float *distance) {
  if (k < 1 || k >= n || n > INT32_MAX || d < 1)
    return lcl_fail(LCL_ERR_ARGUMENT, "%d neighbours cannot be found among %lld examples", k, (long long)n);
  search s = { .x = x, .n = n, .d = d, .k = k, .index = index, .distance = distance };
  s.keep = (int)LCL_MIN((int64_t)k + SLACK, n - 1);
  s.block = LCL_MIN((int64_t)BLOCK, n);
  s.norm = lcl_alloc((size_t)n * sizeof *s.norm);
  s.list = lcl_alloc((size_t)s.block * (size_t)s.keep * sizeof *s.list);
  s.filled = lcl_alloc((size_t)s.block * sizeof *s.filled);
  float *product = lcl_alloc((size_t)(s.block * s.block) * sizeof *product);
  lcl_row_products *products = NULL;
  lcl_status status = s.norm && s.list && s.filled && product ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) status = lcl_row_products_create(ctx, s.block, s.block, d, &products);
  for (int64_t i = 0; i < n && status == LCL_OK; i++) {
    double sum = 0;
    for (int c = 0; c < d; c++)
      sum += (double)x[(size_t)i * (size_t)d + (size_t)c] * x[(size_t)i * (size_t)d + (size_t)c];
    s.norm[i] = (float)sum;
  }
  for (s.first_a = 0; s.first_a < n && status == LCL_OK; s.first_a += s.block)
    status = search_block(&s, products, product);
  lcl_row_products_destroy(products);
  lcl_free(s.norm);
  lcl_free(s.list);
  lcl_free(s.filled);
  lcl_free(product);
  return status;
}
