/* latentcl sample: samples images from a run. */
#include <stdio.h>

#include "cli_run.h"
#include "train/arrays.h"

/* out: the grid, .npy and CSV, or NULL; all are tried before any work. */
static lcl_status sample(const cli_run_args *a, const lcl_sample_request *request,
                         const char *const out[3]) {
  lcl_tensor_file *f;
  LCL_TRY(lcl__arrays_check_files(a->run, out[0], out[1], out[2]));
  if (request->given && lcl__file_exists(request->given))
    LCL_TRY(lcl__check_outputs(out, 3, &request->given, 1));
  LCL_TRY(lcl_run_samples(a->run, request, out[0], &f));
  lcl_status s = lcl__arrays_write_npy(f, "samples", out[1]);
  if (s == LCL_OK) s = lcl__arrays_write_csv(f, "samples", 1, out[2]);
  lcl_tensor_file_destroy(f);
  return s;
}

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const char *out[3] = { NULL }, *kind = NULL;
  int64_t count = 64, seed = 1, rows = 0;
  double temperature = 0;
  const char *given = NULL;
  const cli_option own[] = {
    { "out", CLI_STRING, &out[0], "FILE.png", "where to write the grid", ".png" },
    { "npy", CLI_STRING, &out[1], "FILE.npy", "float32 (count, C, H, W) in [0,1]", ".npy" },
    { "csv", CLI_STRING, &out[2], "FILE.csv",
      "a line a sample: index, label where there is one, pixels", ".csv" },
    { "kind", CLI_STRING, &kind, "NAME",
      "what to sample, e.g. samples, analogies, interpolation, means (the model's first)" },
    { "count", CLI_INT, &count, NULL, "images to sample", "[1,10000]" },
    { "n", CLI_INT, &count, NULL, "the same as --count", "[1,10000]" },
    { "seed", CLI_INT, &seed, NULL, "of the samples", "[0,inf)" },
    { "temperature", CLI_FLOAT, &temperature, NULL,
      "divides the logits of models that sample pixel by pixel; 0: as trained", "[0,1e9]" },
    { "given", CLI_STRING, &given, "SPLIT|FILE.npy",
      "images to complete: train, validation, test, or an array (N,C,H,W)" },
    { "rows", CLI_INT, &rows, NULL, "with --given: rows of each image that are kept" },
    { 0 },
  };
  int code = cli_run_parse(
      argc, argv, own,
      "sample RUN --out FILE.png [--npy FILE] [--csv FILE] [--kind NAME] [--count N] [--seed N]",
      "Samples images from a generative model. With --given, models that sample pixel by pixel "
      "keep the\n"
      "first rows of each image and sample the rest:\n"
      "\n"
      "  latentcl sample runs/pixelrnn --n 16 --given test --rows 14 --out completed.png",
      &a);
  if (code >= 0) return code;
  if (!out[0] && !out[1] && !out[2])
    return cli_usage("sample: where to? (--out FILE.png, --npy FILE.npy or --csv FILE.csv)");
  if (rows && !given) return cli_usage("sample: --rows of which images? (--given SPLIT|FILE.npy)");
  if ((code = cli_run_open(&a)) >= 0) return code;
  const lcl_sample_request request = { .kind = kind,
                                       .count = (int)count,
                                       .seed = (uint64_t)seed,
                                       .temperature = (float)temperature,
                                       .given = given,
                                       .rows = (int)rows };
  code = sample(&a, &request, out) == LCL_OK ? CLI_OK : cli_error();
  cli_run_close(&a);
  return code;
}

const struct lcl_command cmd_sample = { "sample", "sample images from a run", run };
