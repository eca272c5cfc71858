/* Retrieval by hash codes: what share of the nearest codes is of the query's class. */
#include <math.h>

#include "base/parallel.h"
#include "base/philox.h"
#include "nn/evaluate.h"

#define MAX_BITS 64

void lcl__pack_codes(const float *features, int64_t n, int bits, float threshold, uint64_t *codes) {
  for (int64_t i = 0; i < n; i++) {
    codes[i] = 0;
    for (int b = 0; b < bits; b++)
      codes[i] |= (uint64_t)(features[(size_t)i * (size_t)bits + (size_t)b] > threshold) << b;
  }
}

lcl_status lcl__choose_queries(const int32_t *labels, int64_t n, int classes, int per_class,
                               uint64_t seed, uint8_t *is_query) {
  if (n > UINT32_MAX || n < 1)
    return lcl__fail(LCL_ERR_ARGUMENT, "queries need 1 to 2^32 examples");
  uint32_t *order = lcl__alloc((size_t)n * sizeof *order);
  int64_t *taken = lcl__alloc((size_t)classes * sizeof *taken),
          *seen = lcl__alloc((size_t)classes * sizeof *seen);
  lcl_status status = order && taken && seen ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    lcl__philox_permutation(seed, lcl__philox_stream("retrieval.queries"), 0, order, (uint32_t)n);
    memset(is_query, 0, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
      int32_t label = labels[order[i]];
      if (label < 0 || label >= classes) continue;
      seen[label]++;
      if (taken[label] == per_class) continue;
      taken[label]++;
      is_query[order[i]] = 1;
    }
    for (int c = 0; c < classes && status == LCL_OK; c++) {
      if (seen[c] && seen[c] <= per_class)
        status = lcl__fail(LCL_ERR_ARGUMENT,
                           "class %d has %lld examples; %d queries and a gallery need more", c,
                           (long long)seen[c], per_class);
    }
  }
  lcl__free(order);
  lcl__free(taken);
  lcl__free(seen);
  return status;
}

/* How many of the gallery, and how many relevant ones, lie at each distance. */
typedef struct histogram {
  int64_t all[MAX_BITS + 1], relevant[MAX_BITS + 1];
} histogram;

static lcl_retrieval judge(const histogram *h, int bits, int at) {
  lcl_retrieval r = { 0 };
  int64_t total = 0;
  for (int d = 0; d <= bits; d++) total += h->relevant[d];
  double found = 0, seen = 0, recall = 0, precision = 1;
  bool at_known = false;
  for (int d = 0; d <= bits; d++) {
    if (!h->all[d]) continue;
    double all = (double)h->all[d], relevant = (double)h->relevant[d];
    if (!at_known &&
        seen + all >= at) { /* the border falls into this distance: the expected share of it */
      r.precision_at = (found + (at - seen) * relevant / all) / at;
      at_known = true;
    }
    found += relevant;
    seen += all;
    if (total && recall < 1) {
      double next = found / (double)total;
      r.map_trapezoid += (next - recall) * (found / seen + precision) / 2;
      r.map_step += (next - recall) * found / seen;
      recall = next;
      precision = found / seen;
    }
    if (d <= 2) r.precision_radius = found / seen;
  }
  if (!at_known && seen > 0) r.precision_at = found / seen; /* the gallery is smaller than `at` */
  return r;
}

typedef struct job {
  const uint64_t *codes;
  const int32_t *labels;
  const uint8_t *is_query;
  int64_t n;
  int bits, at;
  const int64_t *query;
  lcl_retrieval *result;
} job;

static void run_queries(void *user, int64_t begin, int64_t end) {
  const job *j = user;
  for (int64_t q = begin; q < end; q++) {
    histogram h = { 0 };
    uint64_t code = j->codes[j->query[q]];
    int32_t label = j->labels[j->query[q]];
    for (int64_t i = 0; i < j->n; i++) {
      if (j->is_query[i] || j->labels[i] < 0) continue; /* -1: neither relevant nor not */
      int distance = __builtin_popcountll(code ^ j->codes[i]);
      h.all[distance]++;
      h.relevant[distance] += j->labels[i] == label;
    }
    j->result[q] = judge(&h, j->bits, j->at);
  }
}

lcl_status lcl__hamming_retrieval(const uint64_t *codes, const int32_t *labels,
                                  const uint8_t *is_query, int64_t n, int bits, int at,
                                  lcl_retrieval *out) {
  int64_t queries = 0;
  *out = (lcl_retrieval) { 0 };
  for (int64_t i = 0; i < n; i++) queries += is_query[i] != 0;
  if (!queries || queries == n || bits < 1 || bits > MAX_BITS || at < 1)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "retrieval needs queries, a gallery, and codes of 1 to %d bits", MAX_BITS);
  int64_t *query = lcl__alloc((size_t)queries * sizeof *query);
  lcl_retrieval *result = lcl__alloc((size_t)queries * sizeof *result);
  if (!query || !result) {
    lcl__free(query);
    lcl__free(result);
    return LCL_ERR_HOST_MEMORY;
  }
  int64_t q = 0;
  for (int64_t i = 0; i < n; i++)
    if (is_query[i]) query[q++] = i;
  job j = { codes, labels, is_query, n, bits, at, query, result };
  lcl__parallel_for(queries, 16, run_queries, &j);
  for (q = 0; q < queries; q++) {
    out->map_trapezoid += result[q].map_trapezoid / (double)queries;
    out->map_step += result[q].map_step / (double)queries;
    out->precision_at += result[q].precision_at / (double)queries;
    out->precision_radius += result[q].precision_radius / (double)queries;
  }
  lcl__free(query);
  lcl__free(result);
  return LCL_OK;
}
