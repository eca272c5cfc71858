/* latentcl sample: draws pictures from a run. */
#include <stdio.h>

#include "cli_run.h"

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const char *out = NULL, *kind = NULL;
  int64_t count = 64, seed = 1;
  const cli_option own[] = {
    { "out", CLI_STRING, &out, "FILE.png", "where to write the grid" },
    { "kind", CLI_STRING, &kind, "NAME",
      "what to draw, e.g. samples, analogies, interpolation, means (the model's first)" },
    { "count", CLI_INT, &count, NULL, "pictures to draw" },
    { "seed", CLI_INT, &seed, NULL, "of the draws" },
    { 0 },
  };
  int code = cli_run_open(argc, argv, own, "sample RUN --out FILE.png [--kind NAME] [--count N] [--seed N]",
                          "Draws pictures from a generative model.", &a);
  if (code >= 0) return code;
  if (!out)
    code = cli_usage("sample: where to? (--out FILE.png)");
  else if (lcl_run_sample(a.run, kind, (int)count, (uint64_t)seed, out) != LCL_OK)
    code = cli_error();
  cli_run_close(&a);
  return code < 0 ? CLI_OK : code;
}

const struct lcl_command cmd_sample = { "sample", "draw pictures from a run", run };
