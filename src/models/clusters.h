/* What the models that look for clusters share: their data and their score. */
#ifndef LCL_MODELS_CLUSTERS_H
#define LCL_MODELS_CLUSTERS_H

#include "latentcl/model.h"

/* Rows of an option table: a set made of copies, as IMSAT's Omniglot. */
#define LCL_CLUSTER_OPTIONS                                                                        \
  { "types", LCL_OPTION_INT, "0",                                                                  \
    "only so many classes of the training part, chosen by data_seed (Omniglot: 100); 0: all",      \
    "[0,1e5]" },                                                                                   \
      { "copies", LCL_OPTION_INT, "1",                                                             \
        "each image so often, the others turned, scaled and moved a little (Omniglot: 20)",        \
        "[1,10000]" },                                                                             \
      { "parts", LCL_OPTION_CHOICE, "",                                                            \
        "which parts of the data: all; with types (Omniglot: characters of both halves) the "      \
        "training part alone",                                                                     \
        "train|test|all" },                                                                        \
  {                                                                                                \
    "reduce", LCL_OPTION_INT, "1", "sides of the images over this (Omniglot, from 105x105: 5)",    \
        "[1,64]"                                                                                   \
  }

/* Everything there is, without labels; with these options. */
void lcl__cluster_data(const lcl_options *o, lcl_data_desc *d);
/* Number of clusters: option clusters, or the data's classes. */
int64_t lcl__cluster_count(const lcl_options *o, const lcl_model_data *d);
/* Metric accuracy_percent, under the best assignment of clusters to classes; none without labels or
 * predictions. */
lcl_status lcl__cluster_score(const lcl_model *m, const lcl_model_table *t, lcl_metrics *metrics);
/* Metrics map_percent, precision_500_percent and precision_r2_percent (IMSAT's) of one code of
 * `bits` bits an example, over random queries of each class by t's seed; t: n and labels. queries:
 * of each class; 0: the model's option queries, else 100. */
lcl_status lcl__code_score(const lcl_model *m, const lcl_model_table *t, const uint64_t *codes,
                           int bits, int queries, lcl_metrics *metrics);

#endif
