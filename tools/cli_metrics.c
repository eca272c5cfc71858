#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli_run.h"

void cli_print_metrics(const char *what, const lcl_metrics *m, bool json) {
  if (json) {
    lcl_str s = { 0 };
    lcl__str_add(&s, "{\"split\": ");
    lcl__str_json_text(&s, what);
    for (int i = 0; i < m->n; i++) {
      lcl__str_add(&s, ", ");
      lcl__str_json_text(&s, m->item[i].name);
      lcl__str_add(&s, ": ");
      lcl__str_json_number(&s, m->item[i].value);
    }
    printf("%s}\n", s.data ? s.data : "");
    lcl__str_free(&s);
    return;
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
}
