/* t-SNE's input affinities: perplexity by bisection, made symmetric, sparse. */
#include <math.h>

#include "base/parallel.h"
#include "nn/tsne.h"

typedef struct edge {
  int32_t column;
  float p;
} edge;

typedef struct job {
  const float *distance;
  int k;
  double log_perplexity;
  float *p; /* n x k: p_j|i */
  lcl_affinities *a;
  edge *edges;
  int64_t *length; /* of each row after equal columns were added up */
} job;

/* Entropy of the row's distribution with precision beta; distances are measured from the nearest,
 * which changes nothing but keeps the exponentials in range. */
static double row_entropy(const float *d, int k, double beta, float *p) {
  double sum = 0, weighted = 0, nearest = (double)d[0] * d[0];
  for (int j = 0; j < k; j++) {
    double e = (double)d[j] * d[j] - nearest, w = exp(-beta * e);
    p[j] = (float)w;
    sum += w;
    weighted += w * e;
  }
  for (int j = 0; j < k; j++) p[j] = (float)(p[j] / sum);
  return log(sum) + beta * weighted / sum;
}

static void fit_rows(void *user, int64_t begin, int64_t end) {
  const job *j = user;
  for (int64_t i = begin; i < end; i++) {
    const float *d = j->distance + (size_t)i * (size_t)j->k;
    double low = 0, high = INFINITY, beta = 1;
    for (int step = 0; step < 200; step++) {
      double off = row_entropy(d, j->k, beta, j->p + (size_t)i * (size_t)j->k) - j->log_perplexity;
      if (fabs(off) < 1e-5) break;
      if (off > 0)
        low = beta; /* too flat: narrower */
      else
        high = beta;
      beta = isinf(high) ? beta * 2 : (low + high) / 2;
    }
  }
}

static int by_column(const void *a, const void *b) {
  int32_t x = ((const edge *)a)->column, y = ((const edge *)b)->column;
  return x < y ? -1 : x > y;
}

/* Sorts each row and adds up the two shares of a pair that both know each other. */
static void merge_rows(void *user, int64_t begin, int64_t end) {
  const job *j = user;
  for (int64_t i = begin; i < end; i++) {
    edge *row = j->edges + j->a->start[i];
    int64_t n = j->a->start[i + 1] - j->a->start[i], kept = 0;
    qsort(row, (size_t)n, sizeof *row, by_column);
    for (int64_t e = 0; e < n; e++) {
      if (kept && row[kept - 1].column == row[e].column)
        row[kept - 1].p += row[e].p;
      else
        row[kept++] = row[e];
    }
    j->length[i] = kept;
  }
}

/* Every edge in the rows of both its ends. */
static lcl_status collect(job *j, const int32_t *index) {
  int64_t n = j->a->n, *fill = lcl__alloc((size_t)n * sizeof *fill);
  size_t all = 2 * (size_t)n * (size_t)j->k;
  j->edges = lcl__alloc(all * sizeof *j->edges);
  if (!fill || !j->edges) {
    lcl__free(fill);
    return LCL_ERR_HOST_MEMORY;
  }
  for (int64_t i = 0; i < n; i++) j->a->start[i + 1] = j->k;
  for (size_t e = 0; e < all / 2; e++) j->a->start[index[e] + 1]++;
  for (int64_t i = 0; i < n; i++) {
    j->a->start[i + 1] += j->a->start[i];
    fill[i] = j->a->start[i];
  }
  for (int64_t i = 0; i < n; i++) {
    for (int c = 0; c < j->k; c++) {
      size_t e = (size_t)i * (size_t)j->k + (size_t)c;
      float p = (float)(j->p[e] / (2.0 * (double)n));
      j->edges[fill[i]++] = (edge) { index[e], p };
      j->edges[fill[index[e]]++] = (edge) { (int32_t)i, p };
    }
  }
  lcl__free(fill);
  return LCL_OK;
}

/* Closes the gaps that merging left. */
static lcl_status pack(job *j) {
  int64_t total = 0, at = 0;
  for (int64_t i = 0; i < j->a->n; i++) total += j->length[i];
  j->a->column = lcl__alloc((size_t)total * sizeof *j->a->column);
  j->a->p = lcl__alloc((size_t)total * sizeof *j->a->p);
  if (!j->a->column || !j->a->p) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < j->a->n; i++) {
    const edge *row = j->edges + j->a->start[i];
    j->a->start[i] = at;
    for (int64_t e = 0; e < j->length[i]; e++, at++) {
      j->a->column[at] = row[e].column;
      j->a->p[at] = row[e].p;
    }
  }
  j->a->start[j->a->n] = at;
  return LCL_OK;
}

lcl_status lcl__affinities_create(const int32_t *index, const float *distance, int64_t n, int k,
                                  double perplexity, lcl_affinities *out) {
  *out = (lcl_affinities) { .n = n };
  if (!(perplexity >= 1 && perplexity < k))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "a perplexity of %g needs more than the %d neighbours there are", perplexity,
                     k);
  job j = { .distance = distance, .k = k, .log_perplexity = log(perplexity), .a = out };
  j.p = lcl__alloc((size_t)n * (size_t)k * sizeof *j.p);
  j.length = lcl__alloc((size_t)n * sizeof *j.length);
  out->start = lcl__alloc(((size_t)n + 1) * sizeof *out->start);
  lcl_status status = j.p && j.length && out->start ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    lcl__parallel_for(n, 256, fit_rows, &j);
    status = collect(&j, index);
  }
  if (status == LCL_OK) {
    lcl__parallel_for(n, 256, merge_rows, &j);
    status = pack(&j);
  }
  lcl__free(j.p);
  lcl__free(j.length);
  lcl__free(j.edges);
  if (status != LCL_OK) lcl__affinities_free(out);
  return status;
}

void lcl__affinities_free(lcl_affinities *a) {
  lcl__free(a->start);
  lcl__free(a->column);
  lcl__free(a->p);
  memset(a, 0, sizeof *a);
}
