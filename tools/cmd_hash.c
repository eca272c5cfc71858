/* latentcl hash: the hash code of every example. */
#include "cli_run.h"

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const char *out = NULL, *split = "all", *method = "model";
  int64_t k = 0, seed = 0, queries = 0;
  bool json = false;
  const cli_option own[] = {
    { "out", CLI_STRING, &out, "PREFIX",
      "writes PREFIX.npy and PREFIX.csv (RUN/codes; RUN/codes-METHOD for a baseline)" },
    CLI_SPLIT(&split),
    { "method", CLI_STRING, &method, "NAME", "model, or a baseline: pca-itq, spectral",
      "model|pca-itq|spectral" },
    { "bits", CLI_INT, &k, NULL, "of a baseline's code; 0: 16", "[0,64]" },
    { "queries", CLI_INT, &queries, NULL,
      "of each class; the other examples are searched; 0: those of the training, else 100",
      "[0,1000000]" },
    { "seed", CLI_INT, &seed, NULL, "of a baseline's random choices", "[0,inf)" },
    { "json", CLI_FLAG, &json, NULL, "one JSON object instead of a line" },
    { 0 },
  };
  int code = cli_run_parse(
      argc, argv, own, "hash RUN [--out PREFIX] [--split NAME] [--method NAME]",
      "Writes the hash code of every example, and says how well neighbours by Hamming "
      "distance share their class.",
      &a);
  if (code >= 0 || (code = cli_run_open(&a)) >= 0) return code;
  lcl_metrics m;
  lcl_assignment_desc d = { .split = split,
                            .prefix = out,
                            .method = method,
                            .k = (int)k,
                            .seed = (uint64_t)seed,
                            .queries = (int)queries };
  if (lcl_run_hash(a.run, &d, &m) == LCL_OK)
    code = cli_print_assignment(&a, &d, "codes", &m, json);
  else
    code = cli_error();
  cli_run_close(&a);
  return code < 0 ? CLI_OK : code;
}

const struct lcl_command cmd_hash = { "hash",
                                      "hash codes of every example, and how well they retrieve",
                                      run };
