/* latentcl encode: the features of every example. */
#include "cli_run.h"

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const char *out = NULL, *split = "test";
  bool json = false;
  const cli_option own[] = {
    { "out", CLI_STRING, &out, "PREFIX", "writes PREFIX.npy and PREFIX.csv (RUN/features)" },
    { "split", CLI_STRING, &split, "NAME", "train, validation, test or all" },
    { "json", CLI_FLAG, &json, NULL, "one JSON object instead of a line" },
    { 0 },
  };
  int code = cli_run_open(
      argc, argv, own, "encode RUN [--out PREFIX] [--split NAME]",
      "Writes the features of every example, without noise: PREFIX.npy (examples, features) as\n"
      "numpy.load() takes it, and PREFIX.csv with index, prediction and label. For example:\n\n"
      "  latentcl encode RUN --split train --out features",
      &a);
  if (code >= 0) return code;
  lcl_metrics m;
  if (lcl_run_encode(a.run, &(lcl_assignment_desc) { .split = split, .prefix = out }, &m) == LCL_OK)
    cli_print_metrics(split, &m, json);
  else
    code = cli_error();
  cli_run_close(&a);
  return code < 0 ? CLI_OK : code;
}

const struct lcl_command cmd_encode = { "encode", "features of every example as .npy and CSV",
                                        run };
