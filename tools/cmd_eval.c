/* latentcl eval: evaluates the best checkpoint of a run. */
#include <stdio.h>

#include "cli_run.h"
#include "train/arrays.h"

/* PREFIX.npy and PREFIX.csv; the names are tried before any work. */
static lcl_status evaluate(const cli_run_args *a, const char *split, const char *prefix,
                           lcl_metrics *m) {
  lcl_tensor_file *f = NULL;
  char npy[1200], csv[1200];
  if (!prefix) return lcl_run_evaluate(a->run, split, m);
  if (snprintf(npy, sizeof npy, "%s.npy", prefix) >= (int)sizeof npy)
    return lcl_fail(LCL_ERR_ARGUMENT, "the name of the output is too long");
  snprintf(csv, sizeof csv, "%s.csv", prefix);
  LCL_TRY(lcl__arrays_check_files(a->run, NULL, npy, csv));
  LCL_TRY(lcl_run_evaluate(a->run, split, m));
  LCL_TRY(lcl_run_predictions(a->run, split, &f));
  lcl_status s = LCL_OK;
  if (!lcl_tensor_file_find(f, "prediction"))
    s = lcl_fail(LCL_ERR_UNSUPPORTED,
                 "this model predicts neither classes nor clusters: there is nothing to write");
  if (s == LCL_OK) s = lcl__arrays_write_npy(f, "prediction", npy);
  if (s == LCL_OK) s = lcl__arrays_write_predictions(a->run, split, f, csv);
  lcl_tensor_file_destroy(f);
  return s;
}

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  bool json = false;
  const char *split = "test", *predictions = NULL;
  const cli_option own[] = {
    CLI_SPLIT(&split),
    { "predictions", CLI_STRING, &predictions, "PREFIX",
      "writes PREFIX.npy, the class or cluster of every example, and PREFIX.csv with the files of "
      "images, labels and losses too" },
    { "json", CLI_FLAG, &json, NULL, "one JSON object: split, n, loss, error_percent, ..." },
    { 0 },
  };
  int code = cli_run_parse(
      argc, argv, own,
      "eval RUN [--data DIR | --on DIR] [--split NAME] [--predictions PREFIX] [--json]",
      "Evaluates the best checkpoint of a run, without perturbation. For example:\n\n"
      "  latentcl eval RUN --split test --predictions predicted\n"
      "  latentcl eval RUN --on photographs --predictions predicted",
      &a);
  if (code >= 0 || (code = cli_run_open(&a)) >= 0) return code;
  lcl_metrics m = { 0 };
  code = evaluate(&a, split, predictions, &m) == LCL_OK ? cli_print_metrics(split, &m, json)
                                                        : cli_error();
  if (code == CLI_OK && !json && predictions)
    cli_print("predictions written to %s.npy and %s.csv\n", predictions, predictions);
  const double *n = lcl_metrics_get(&m, "n"), *unlabelled = lcl_metrics_get(&m, "unlabelled");
  if (code == CLI_OK && !json && !predictions && n && unlabelled && *n == *unlabelled)
    printf("no example has a label to compare with: --predictions writes what the model says\n");
  cli_run_close(&a);
  return code;
}

const struct lcl_command cmd_eval = { "eval", "evaluate a run", run };
