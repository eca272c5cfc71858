/* latentcl eval: evaluates the best checkpoint of a run. */
#include <stdio.h>
#include <string.h>

#include "cli_run.h"

static void print_json(const char *split, const lcl_metrics *m) {
  printf("{\"split\": \"%s\"", split);
  for (int i = 0; i < m->n; i++) printf(", \"%s\": %.9g", m->item[i].name, m->item[i].value);
  printf("}\n");
}

static void print_text(const char *split, const lcl_metrics *m) {
  const double *n = lcl_metrics_get(m, "n");
  printf("%s: %.0f examples", split, n ? *n : 0);
  for (int i = 0; i < m->n; i++) {
    if (strcmp(m->item[i].name, "n") == 0) continue;
    if (strcmp(m->item[i].name, "error_percent") == 0)
      printf(", error %.2f %%", m->item[i].value);
    else
      printf(", %s %.4g", m->item[i].name, m->item[i].value);
  }
  printf("\n");
}

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  bool json = false;
  const char *split = "test";
  const cli_option own[] = {
    { "split", CLI_STRING, &split, "NAME", "train, validation, test or all" },
    { "json", CLI_FLAG, &json, NULL, "one JSON object: split, n, loss, error_percent, ..." },
    { 0 },
  };
  int code = cli_run_open(argc, argv, own, "eval RUN [--data DIR] [--split NAME] [--json]",
                          "Evaluates the best checkpoint of a run, without perturbation.", &a);
  if (code >= 0) return code;
  lcl_metrics m;
  lcl_status s = lcl_run_evaluate(a.run, split, &m);
  if (s == LCL_OK && json)
    print_json(split, &m);
  else if (s == LCL_OK)
    print_text(split, &m);
  else
    code = cli_error();
  cli_run_close(&a);
  return code < 0 ? CLI_OK : code;
}

const struct lcl_command cmd_eval = { "eval", "evaluate a run", run };
