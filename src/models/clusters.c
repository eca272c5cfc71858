/* Data and score of the models that look for clusters. */
#include "models/clusters.h"

#include "base/base.h"
#include "nn/evaluate.h"

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
