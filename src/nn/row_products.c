/* Dot products of rows on the device, block by block: what distances are made of. */
#include <math.h>

#include "latentcl/ops.h"
#include "nn/evaluate.h"

struct lcl_row_products {
  lcl_store *store;
  lcl_graph *graph;
  lcl_program *program;
  int64_t rows_a, rows_b, d;
  float *mean; /* d */
  float *part; /* a block, with zeros behind it where it is not full */
};

static lcl_status find_mean(lcl_row_products *p, const float *x, int64_t n, float *norm) {
  double *sum = lcl__alloc((size_t)p->d * sizeof *sum);
  if (!sum) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < n; i++)
    for (int64_t c = 0; c < p->d; c++) sum[c] += x[i * p->d + c];
  for (int64_t c = 0; c < p->d; c++) p->mean[c] = (float)(sum[c] / (double)n);
  lcl__free(sum);
  for (int64_t i = 0; i < n; i++) {
    norm[i] = (float)lcl__row_products_norm(p, x + i * p->d);
    if (!isfinite(norm[i]))
      return lcl__fail(LCL_ERR_NUMERIC,
                       "distances: the square of example %lld is not a finite number",
                       (long long)i);
  }
  return LCL_OK;
}

lcl_status lcl__row_products_create(lcl_context *ctx, const float *x, int64_t n, float *norm,
                                    int64_t rows_a, int64_t rows_b, int64_t d,
                                    lcl_row_products **out) {
  *out = NULL;
  lcl_row_products *p = lcl__alloc(sizeof *p);
  if (!p) return LCL_ERR_HOST_MEMORY;
  p->rows_a = rows_a;
  p->rows_b = rows_b;
  p->d = d;
  p->part = lcl__alloc((size_t)(LCL_MAX(rows_a, rows_b) * d) * sizeof *p->part);
  p->mean = lcl__alloc((size_t)d * sizeof *p->mean);
  lcl_status status = p->part && p->mean ? find_mean(p, x, n, norm) : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) status = lcl_store_create(ctx, 0, &p->store);
  if (status == LCL_OK) status = lcl_graph_create(p->store, "products", &p->graph);
  if (status == LCL_OK) {
    lcl_tensor *a = lcl_input(p->graph, "a", LCL_F32, LCL_SHAPE(rows_a, d));
    lcl_tensor *b = lcl_input(p->graph, "b", LCL_F32, LCL_SHAPE(rows_b, d));
    lcl_output(lcl_matmul(a, b, false, true), "product");
    status = lcl_compile(p->graph, &(lcl_compile_desc) { 0 }, &p->program);
  }
  if (status != LCL_OK) {
    lcl__row_products_destroy(p);
    return status;
  }
  *out = p;
  return LCL_OK;
}

void lcl__row_products_destroy(lcl_row_products *p) {
  if (!p) return;
  lcl_program_destroy(p->program);
  lcl_graph_destroy(p->graph);
  lcl_store_destroy(p->store);
  lcl__free(p->mean);
  lcl__free(p->part);
  lcl__free(p);
}

static lcl_status set_block(lcl_row_products *p, const char *name, const float *rows, int64_t n,
                            int64_t full) {
  size_t used = (size_t)(n * p->d) * sizeof *rows, all = (size_t)(full * p->d) * sizeof *rows;
  for (int64_t i = 0; i < n; i++)
    for (int64_t c = 0; c < p->d; c++) p->part[i * p->d + c] = rows[i * p->d + c] - p->mean[c];
  memset((char *)p->part + used, 0, all - used);
  return lcl_feed(p->program, name, p->part, all);
}

double lcl__row_products_norm(const lcl_row_products *p, const float *row) {
  double sum = 0;
  for (int64_t c = 0; c < p->d; c++) {
    const float v = row[c] - p->mean[c];
    sum += (double)v * v;
  }
  return sum;
}

lcl_status lcl__row_products_set_a(lcl_row_products *p, const float *a, int64_t n) {
  return set_block(p, "a", a, n, p->rows_a);
}

lcl_status lcl__row_products_set_b(lcl_row_products *p, const float *b, int64_t n) {
  return set_block(p, "b", b, n, p->rows_b);
}

lcl_status lcl__row_products_run(lcl_row_products *p, float *out) {
  LCL_TRY(lcl_run(p->program));
  return lcl_fetch(p->program, "product", out, (size_t)(p->rows_a * p->rows_b) * sizeof *out);
}
