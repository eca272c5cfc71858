#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli_run.h"

int cli_print_metrics(const char *what, const lcl_metrics *m, bool json) {
  if (json) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "split", what);
    for (int i = 0; i < m->n; i++) cJSON_AddNumberToObject(o, m->item[i].name, m->item[i].value);
    return cli_print_json(o);
  }
  const double *n = lcl_metrics_get(m, "n");
  cli_print("%s: %.0f examples", what, n ? *n : 0);
  for (int i = 0; i < m->n; i++) {
    if (strcmp(m->item[i].name, "n") == 0) continue;
    if (strcmp(m->item[i].name, "error_percent") == 0)
      printf(", error %.2f %%", m->item[i].value);
    else
      cli_print(", %s %.4g", m->item[i].name, m->item[i].value);
  }
  printf("\n");
  return CLI_OK;
}
