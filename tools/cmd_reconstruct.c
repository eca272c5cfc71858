/* latentcl reconstruct: a grid of reconstructions of a run. */
#include <stdio.h>

#include "cli_run.h"

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const char *out = NULL, *split = "test";
  int64_t columns = 10, seed = 1;
  const cli_option own[] = {
    { "out", CLI_STRING, &out, "FILE.png", "where to write the grid" },
    { "split", CLI_STRING, &split, "NAME", "train, validation, test or all" },
    { "columns", CLI_INT, &columns, NULL, "examples, classes in turn", "[1,1000]" },
    { "seed", CLI_INT, &seed, NULL, "of the perturbations", "[0,inf)" },
    { 0 },
  };
  int code = cli_run_open(
      argc, argv, own, "reconstruct RUN --out FILE.png [--columns N] [--split NAME]",
      "Writes a grid of images: originals, reconstructions, and those of perturbed latents.", &a);
  if (code >= 0) return code;
  if (!out)
    code = cli_usage("reconstruct: where to? (--out FILE.png)");
  else if (lcl_run_reconstruct(a.run, split, (int)columns, (uint64_t)seed, out) != LCL_OK)
    code = cli_error();
  cli_run_close(&a);
  return code < 0 ? CLI_OK : code;
}

const struct lcl_command cmd_reconstruct = { "reconstruct", "image grid of a run's reconstructions",
                                             run };
