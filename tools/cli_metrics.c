#include <stdio.h>
#include <string.h>

#include "cli_run.h"

void cli_print_metrics(const char *what, const lcl_metrics *m, bool json) {
  if (json) {
    printf("{\"split\": \"%s\"", what);
    for (int i = 0; i < m->n; i++) printf(", \"%s\": %.9g", m->item[i].name, m->item[i].value);
    printf("}\n");
    return;
  }
  const double *n = lcl_metrics_get(m, "n");
  printf("%s: %.0f examples", what, n ? *n : 0);
  for (int i = 0; i < m->n; i++) {
    if (strcmp(m->item[i].name, "n") == 0) continue;
    if (strcmp(m->item[i].name, "error_percent") == 0)
      printf(", error %.2f %%", m->item[i].value);
    else
      printf(", %s %.4g", m->item[i].name, m->item[i].value);
  }
  printf("\n");
}
