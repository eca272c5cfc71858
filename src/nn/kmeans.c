/* k-means: Lloyd's rounds from k-means++ starts. Dot products with the centres on the device, sums
 * on the host. */
#include <math.h>

#include "base/parallel.h"
#include "base/philox.h"
#include "nn/evaluate.h"

#define ROWS 4096 /* examples a GEMM, where not all stay on the device */

typedef struct clustering {
  const float *x;
  int64_t n;
  int d, k;
  float *centres;            /* k x d */
  double *centre_norm;       /* k */
  float *norm;               /* n: squared distance to the mean */
  float *nearest;            /* n: squared distance to the nearest centre */
  int32_t *cluster, *before; /* now and a round ago; -1: none */
  const float *product;      /* rows x k of the rows first.. */
  int64_t rows, first;
  double *sums; /* k x d */
  int64_t *count;
  lcl_row_products *products;
} clustering;

static double squared_distance(const float *a, const float *b, int d) {
  double sum = 0;
  for (int k = 0; k < d; k++) {
    double diff = (double)a[k] - b[k];
    sum += diff * diff;
  }
  return sum;
}

static const float *row(const clustering *c, int64_t i) {
  return c->x + (size_t)i * (size_t)c->d;
}

/* ---- k-means++ ---- */

typedef struct closer_job {
  clustering *c;
  const float *centre;
  bool first;
} closer_job;

static void closer(void *user, int64_t begin, int64_t end) {
  closer_job *j = user;
  for (int64_t i = begin; i < end; i++) {
    float d2 = (float)squared_distance(row(j->c, i), j->centre, j->c->d);
    if (j->first || d2 < j->c->nearest[i]) j->c->nearest[i] = d2;
  }
}

/* Each further centre is an example, sampled with a probability in proportion to its squared
 * distance. */
static void start(clustering *c, uint64_t seed, int restart) {
  uint32_t stream = lcl__philox_stream("kmeans.start");
  for (int k = 0; k < c->k; k++) {
    double u = (lcl__philox_bits(seed, stream, (uint64_t)restart, (uint64_t)k) + 0.5) * 0x1p-32,
           total = 0;
    int64_t pick = (int64_t)(u * (double)c->n);
    if (k > 0) {
      for (int64_t i = 0; i < c->n; i++) total += c->nearest[i];
      double want = u * total;
      pick = c->n - 1;
      for (int64_t i = 0; i < c->n && total > 0; i++) {
        want -= c->nearest[i];
        if (want < 0) {
          pick = i;
          break;
        }
      }
    }
    memcpy(c->centres + (size_t)k * (size_t)c->d, row(c, pick), (size_t)c->d * sizeof *c->centres);
    closer_job j = { c, c->centres + (size_t)k * (size_t)c->d, k == 0 };
    lcl__parallel_for(c->n, 1000, closer, &j);
  }
}

/* ---- Lloyd's rounds ---- */

static void pick_nearest(void *user, int64_t begin, int64_t end) {
  clustering *c = user;
  for (int64_t r = begin; r < end; r++) {
    const float *p = c->product + (size_t)r * (size_t)c->k;
    int best = 0;
    double best_score = INFINITY;
    for (int k = 0; k < c->k; k++) {
      double score = c->centre_norm[k] - 2.0 * p[k];
      if (score < best_score) {
        best = k;
        best_score = score;
      }
    }
    c->cluster[c->first + r] = best;
    c->nearest[c->first + r] = (float)fmax(c->norm[c->first + r] + best_score, 0);
  }
}

/* Nearest centre of every example; *changed: whether any moved. buffer: rows x k. */
static lcl_status assign_all(clustering *c, float *buffer, bool *changed) {
  memcpy(c->before, c->cluster, (size_t)c->n * sizeof *c->before);
  for (int k = 0; k < c->k; k++)
    c->centre_norm[k] = lcl__row_products_norm(c->products, c->centres + (size_t)k * (size_t)c->d);
  LCL_TRY(lcl__row_products_set_b(c->products, c->centres, c->k));
  for (c->first = 0; c->first < c->n; c->first += c->rows) {
    int64_t rows = LCL_MIN(c->rows, c->n - c->first);
    if (c->rows != c->n) LCL_TRY(lcl__row_products_set_a(c->products, row(c, c->first), rows));
    LCL_TRY(lcl__row_products_run(c->products, buffer));
    c->product = buffer;
    lcl__parallel_for(rows, 512, pick_nearest, c);
  }
  *changed = memcmp(c->before, c->cluster, (size_t)c->n * sizeof *c->before) != 0;
  return LCL_OK;
}

/* Columns begin..end of the sums: examples that changed their cluster leave one and join another.
 */
static void move_columns(void *user, int64_t begin, int64_t end) {
  clustering *c = user;
  for (int64_t i = 0; i < c->n; i++) {
    if (c->cluster[i] == c->before[i]) continue;
    const float *x = row(c, i);
    double *joins = c->sums + (size_t)c->cluster[i] * (size_t)c->d;
    for (int64_t k = begin; k < end; k++) joins[k] += x[k];
    if (c->before[i] < 0) continue;
    double *leaves = c->sums + (size_t)c->before[i] * (size_t)c->d;
    for (int64_t k = begin; k < end; k++) leaves[k] -= x[k];
  }
}

/* Centres become means; an empty cluster gets the example that is farthest from its centre. */
static void move_centres(clustering *c) {
  memset(c->count, 0, (size_t)c->k * sizeof *c->count);
  for (int64_t i = 0; i < c->n; i++) c->count[c->cluster[i]]++;
  lcl__parallel_for(c->d, 128, move_columns, c);
  for (int k = 0; k < c->k; k++) {
    float *centre = c->centres + (size_t)k * (size_t)c->d;
    if (c->count[k]) {
      for (int i = 0; i < c->d; i++)
        centre[i] = (float)(c->sums[(size_t)k * (size_t)c->d + (size_t)i] / (double)c->count[k]);
      continue;
    }
    int64_t far = 0;
    for (int64_t i = 1; i < c->n; i++)
      if (c->nearest[i] > c->nearest[far]) far = i;
    memcpy(centre, row(c, far), (size_t)c->d * sizeof *centre);
    c->nearest[far] = 0;
  }
}

static int restarts_of(const lcl_kmeans_desc *desc) {
  return desc->restarts > 0 ? desc->restarts : 10;
}

static lcl_status one_restart(clustering *c, const lcl_kmeans_desc *desc, int restart,
                              float *buffer, double *inertia) {
  int rounds = desc->max_rounds > 0 ? desc->max_rounds : 300;
  start(c, desc->seed, restart);
  memset(c->cluster, 0xff, (size_t)c->n * sizeof *c->cluster);
  memset(c->sums, 0, (size_t)c->k * (size_t)c->d * sizeof *c->sums);
  bool changed = true;
  int round = 0;
  for (; round < rounds && changed; round++) {
    if (round) move_centres(c);
    LCL_TRY(assign_all(c, buffer, &changed));
  }
  *inertia = 0;
  for (int64_t i = 0; i < c->n; i++)
    *inertia += squared_distance(row(c, i), c->centres + (size_t)c->cluster[i] * (size_t)c->d,
                                 c->d);
  if (desc->progress) desc->progress(desc->user, restart + 1, restarts_of(desc), round, *inertia);
  return LCL_OK;
}

static bool allocate(clustering *c, float **buffer) {
  size_t n = (size_t)c->n, k = (size_t)c->k, kd = k * (size_t)c->d;
  c->centres = lcl__alloc(kd * sizeof *c->centres);
  c->centre_norm = lcl__alloc(k * sizeof *c->centre_norm);
  c->norm = lcl__alloc(n * sizeof *c->norm);
  c->nearest = lcl__alloc(n * sizeof *c->nearest);
  c->cluster = lcl__alloc(n * sizeof *c->cluster);
  c->sums = lcl__alloc(kd * sizeof *c->sums);
  c->count = lcl__alloc(k * sizeof *c->count);
  c->before = lcl__alloc(n * sizeof *c->before);
  *buffer = lcl__alloc((size_t)c->rows * k * sizeof **buffer);
  return c->centres && c->centre_norm && c->norm && c->nearest && c->cluster && c->sums &&
         c->count && c->before && *buffer;
}

static void release(clustering *c) {
  lcl__row_products_destroy(c->products);
  lcl__free(c->centres);
  lcl__free(c->centre_norm);
  lcl__free(c->norm);
  lcl__free(c->nearest);
  lcl__free(c->cluster);
  lcl__free(c->before);
  lcl__free(c->sums);
  lcl__free(c->count);
}

lcl_status lcl__kmeans(lcl_context *ctx, const float *x, int64_t n, int d,
                       const lcl_kmeans_desc *desc, int32_t *cluster, float *centres,
                       double *inertia) {
  if (desc->k < 1 || desc->k > n || d < 1)
    return lcl__fail(LCL_ERR_ARGUMENT, "k-means: %d clusters of %lld examples cannot be made",
                     desc->k, (long long)n);
  clustering c = { .x = x, .n = n, .d = d, .k = desc->k };
  const int64_t resident = desc->resident > 0 ? desc->resident : 1 << 28;
  c.rows = n <= resident / (int64_t)sizeof *x / d ? n : ROWS;
  float *buffer = NULL;
  double best = INFINITY;
  lcl_status status = allocate(&c, &buffer) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK)
    status = lcl__row_products_create(ctx, x, n, c.norm, c.rows, desc->k, d, &c.products);
  if (status == LCL_OK && c.rows == n) status = lcl__row_products_set_a(c.products, x, n);
  for (int r = 0; r < restarts_of(desc) && status == LCL_OK; r++) {
    double now;
    status = one_restart(&c, desc, r, buffer, &now);
    if (status != LCL_OK || !(now < best)) continue;
    best = now;
    memcpy(cluster, c.cluster, (size_t)n * sizeof *cluster);
    if (centres) memcpy(centres, c.centres, (size_t)desc->k * (size_t)d * sizeof *centres);
  }
  if (status == LCL_OK && inertia) *inertia = best;
  lcl__free(buffer);
  release(&c);
  return status;
}
