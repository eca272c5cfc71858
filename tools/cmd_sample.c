/* latentcl sample: samples images from a run. */
#include <stdio.h>

#include "cli_run.h"

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const char *out = NULL, *kind = NULL;
  int64_t count = 64, seed = 1, rows = 0;
  double temperature = 0;
  const char *given = NULL;
  const cli_option own[] = {
    { "out", CLI_STRING, &out, "FILE.png", "where to write the grid" },
    { "kind", CLI_STRING, &kind, "NAME",
      "what to sample, e.g. samples, analogies, interpolation, means (the model's first)" },
    { "count", CLI_INT, &count, NULL, "images to sample", "[1,1000000]" },
    { "n", CLI_INT, &count, NULL, "the same", "[1,1000000]" },
    { "seed", CLI_INT, &seed, NULL, "of the samples", "[0,inf)" },
    { "temperature", CLI_FLOAT, &temperature, NULL,
      "divides the logits of models that sample pixel by pixel; 0: as trained", "[0,1e9]" },
    { "given", CLI_STRING, &given, "SPLIT|FILE.npy",
      "images to complete: train, validation, test, or an array (N,C,H,W)" },
    { "rows", CLI_INT, &rows, NULL, "with --given: rows of each image that are kept" },
    { 0 },
  };
  int code = cli_run_open(
      argc, argv, own,
      "sample RUN --out FILE.png [--kind NAME] [--count N] [--seed N] [--given SPLIT --rows K]",
      "Samples images from a generative model. With --given, models that sample pixel by pixel "
      "keep the\n"
      "first rows of each image and sample the rest:\n"
      "\n"
      "  latentcl sample runs/pixelrnn --n 16 --given test --rows 14 --out completed.png",
      &a);
  if (code >= 0) return code;
  if (!out)
    code = cli_usage("sample: where to? (--out FILE.png)");
  else {
    const lcl_sample_request request = { .kind = kind,
                                         .count = (int)count,
                                         .seed = (uint64_t)seed,
                                         .temperature = (float)temperature,
                                         .given = given,
                                         .rows = (int)rows };
    if (lcl_run_sample(a.run, &request, out) != LCL_OK) code = cli_error();
  }
  cli_run_close(&a);
  return code < 0 ? CLI_OK : code;
}

const struct lcl_command cmd_sample = { "sample", "sample images from a run", run };
