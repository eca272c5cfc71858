#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "cli_run.h"
#include "train/arrays.h"

int cli_print_metrics(const char *what, const lcl_metrics *m, bool json) {
  if (json) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "split", what);
    for (int i = 0; i < m->n; i++) cJSON_AddNumberToObject(o, m->item[i].name, m->item[i].value);
    return cli_print_json(o);
  }
  const double *n = lcl_metrics_get(m, "n");
  lcl_str s = { 0 };
  lcl__str_add(&s, "%s: %.0f example%s", what, n ? *n : 0, n && *n == 1 ? "" : "s");
  for (int i = 0; i < m->n; i++) {
    if (strcmp(m->item[i].name, "n") == 0) continue;
    lcl__str_add(&s, ", ");
    lcl__metric_text(&m->item[i], &s);
  }
  if (!lcl__str_ok(&s)) return cli_fail("out of memory");
  cli_print("%s\n", s.data);
  lcl__str_free(&s);
  return CLI_OK;
}

int cli_print_assignment(const cli_run_args *a, const lcl_assignment_desc *desc, const char *name,
                         const lcl_metrics *m, bool json) {
  char prefix[LCL_PREFIX];
  int code = cli_print_metrics(desc->split, m, json);
  if (code != CLI_OK || json) return code;
  if (lcl__assignment_prefix(a->run, desc, name, prefix) != LCL_OK) return cli_error();
  cli_print("%s written to %s.npy and %s.csv\n", name, prefix, prefix);
  return CLI_OK;
}
