/* Data and score of the models that look for clusters. */
#include "models/clusters.h"

#include "base/base.h"
#include "nn/evaluate.h"

enum { QUERIES = 100, NEAREST = 500 };

void lcl__cluster_data(const lcl_options *o, lcl_data_desc *d) {
  d->merge = true;
  d->valid = -1;
  d->types = (int)lcl_option_int(o, "types");
  d->copies = (int)lcl_option_int(o, "copies");
  d->reduce = (int)lcl_option_int(o, "reduce");
  if (lcl_option_given(o, "parts")) d->parts = lcl_option_text(o, "parts");
  if (d->reduce > 1) d->prefer = "images105"; /* Omniglot's files as drawn */
}

int64_t lcl__cluster_count(const lcl_options *o, const lcl_model_data *d) {
  int64_t clusters = lcl_option_int(o, "clusters");
  return clusters > 0 ? clusters : d->classes;
}

lcl_status lcl__cluster_score(const lcl_model *m, const lcl_model_table *t, lcl_metrics *metrics) {
  double accuracy;
  if (!t->labels || !t->prediction) return LCL_OK;
  LCL_TRY(lcl__cluster_accuracy(t->labels, t->prediction, t->n, m->data.classes,
                                (int)lcl__cluster_count(m->options, &m->data), &accuracy, NULL));
  lcl_metrics_set(metrics, "accuracy_percent", 100 * accuracy);
  return LCL_OK;
}

lcl_status lcl__code_score(const lcl_model *m, const lcl_model_table *t, const uint64_t *codes,
                           int bits, int queries, lcl_metrics *metrics) {
  const lcl_options *o = m->options;
  const bool step = lcl_option_given(o, "ap_mode") && lcl_option_is(o, "ap_mode", "step");
  lcl_retrieval r;
  if (queries < 1)
    queries = lcl_option_given(o, "queries") ? (int)lcl_option_int(o, "queries") : QUERIES;
  uint8_t *is_query = lcl__alloc((size_t)LCL_MAX(t->n, 1));
  lcl_status s = is_query ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (s == LCL_OK)
    s = lcl__choose_queries(t->labels, t->n, m->data.classes, queries, t->seed, is_query);
  if (s == LCL_OK) s = lcl__hamming_retrieval(codes, t->labels, is_query, t->n, bits, NEAREST, &r);
  lcl__free(is_query);
  LCL_TRY(s);
  lcl_metrics_set(metrics, "map_percent", 100 * (step ? r.map_step : r.map_trapezoid));
  lcl_metrics_set(metrics, "precision_500_percent", 100 * r.precision_at);
  lcl_metrics_set(metrics, "precision_r2_percent", 100 * r.precision_radius);
  return LCL_OK;
}
