/* latentcl eval: evaluates the best checkpoint of a run. */
#include "cli_run.h"

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
  if (s == LCL_OK)
    cli_print_metrics(split, &m, json);
  else
    code = cli_error();
  cli_run_close(&a);
  return code < 0 ? CLI_OK : code;
}

const struct lcl_command cmd_eval = { "eval", "evaluate a run", run };
