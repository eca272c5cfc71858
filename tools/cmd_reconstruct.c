/* latentcl reconstruct: reconstructions of a run as a grid and as numbers. */
#include <stdio.h>

#include "cli_run.h"
#include "train/arrays.h"

/* out: the grid, .npy and CSV, or NULL; all are tried before any work. */
static lcl_status reconstruct(const cli_run_args *a, const char *split, int columns, uint64_t seed,
                              const char *const out[3]) {
  lcl_tensor_file *f;
  LCL_TRY(lcl__arrays_check_files(a->run, out[0], out[1], out[2]));
  LCL_TRY(lcl_run_reconstructions(a->run, split, columns, seed, out[0], &f));
  lcl_status s = lcl__arrays_write_npy(f, "images", out[1]);
  if (s == LCL_OK) s = lcl__arrays_write_csv(f, "images", 2, out[2]);
  lcl_tensor_file_destroy(f);
  return s;
}

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const char *out[3] = { NULL }, *split = "test";
  int64_t columns = 10, seed = 1;
  const cli_option own[] = {
    { "out", CLI_STRING, &out[0], "FILE.png", "where to write the grid", ".png" },
    { "npy", CLI_STRING, &out[1], "FILE.npy", "float32 (rows, columns, C, H, W) in [0,1]", ".npy" },
    { "csv", CLI_STRING, &out[2], "FILE.csv",
      "a line an image: caption, column, index, label, pixels", ".csv" },
    CLI_SPLIT(&split),
    { "columns", CLI_INT, &columns, NULL, "examples, classes in turn", "[1,1000]" },
    { "seed", CLI_INT, &seed, NULL, "of the perturbations", "[0,inf)" },
    { 0 },
  };
  int code = cli_run_parse(
      argc, argv, own, "reconstruct RUN --out FILE.png [--npy FILE] [--csv FILE] [--columns N]",
      "Writes images as a grid, as an array or as a table: originals, reconstructions, and those "
      "of\n"
      "perturbed latents. For example:\n\n"
      "  latentcl reconstruct RUN --out grid.png --npy images.npy --columns 100",
      &a);
  if (code >= 0) return code;
  if (!out[0] && !out[1] && !out[2])
    return cli_usage("reconstruct: where to? (--out FILE.png, --npy FILE.npy or --csv FILE.csv)");
  if ((code = cli_run_open(&a)) >= 0) return code;
  code = reconstruct(&a, split, (int)columns, (uint64_t)seed, out) == LCL_OK ? CLI_OK : cli_error();
  cli_run_close(&a);
  return code;
}

const struct lcl_command cmd_reconstruct = { "reconstruct",
                                             "a run's reconstructions as a grid, .npy or CSV",
                                             run };
