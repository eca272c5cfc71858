/* What `latentcl tune --show` prints. */
#ifndef LCL_TUNE_SHOW_H
#define LCL_TUNE_SHOW_H

#include "base/json.h"
#include "bench/tune.h"

/* Problems of several workloads, each once. */
typedef struct tune_table {
  lcl_context *ctx;
  struct {
    lcl_trial_problem *data;
    size_t n, cap;
  } problems;
} tune_table;

/* Adds those of a workload or a model. */
lcl_status tune_table_add(tune_table *t, const char *name);
/* The choice for each problem, where it comes from and what is known of its time; then those for
 * which the choice without a record was more than a tenth slower than what was measured to be
 * fastest. */
void tune_table_print(const tune_table *t);
/* The same as a list of objects. */
cJSON *tune_table_json(const tune_table *t);
void tune_table_free(tune_table *t);

#endif
