/* latentcl tsne: a map of what a run's network makes of the examples. */
#include <stdio.h>

#include "cli_run.h"
#include "ops/find.h"
#include "train/arrays.h"

static void progress(void *user, int round, int rounds, double divergence) {
  const bool *quiet = user;
  if (!*quiet) fprintf(stderr, "round %d/%d  divergence %.4f\n", round, rounds, divergence);
}

/* All outputs are tried before any work. */
static lcl_status make_map(const cli_run_args *a, const lcl_tsne_map_desc *d, const char *npy,
                           lcl_metrics *m) {
  lcl_tensor_file *f;
  LCL_TRY(lcl__arrays_check_files(a->run, d->png, npy, d->csv));
  LCL_TRY(lcl_run_map(a->run, d, m, &f));
  const lcl_status s = lcl__arrays_write_npy(f, "places", npy);
  lcl_tensor_file_destroy(f);
  return s;
}

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const char *out = NULL, *csv = NULL, *npy = NULL, *split = "test", *marked = NULL;
  int64_t points = -1, marks = -1, rounds = 1000, seed = 0;
  double perplexity = 30;
  bool quiet = false, json = false;
  const cli_option own[] = {
    { "out", CLI_STRING, &out, "FILE.png", "where to write the map", ".png" },
    { "npy", CLI_STRING, &npy, "FILE.npy", "coordinates: float32 (points, 2)", ".npy" },
    { "csv", CLI_STRING, &csv, "FILE.csv", "coordinates: index, label, kind, x, y", ".csv" },
    CLI_SPLIT(&split),
    { "points", CLI_INT, &points, NULL,
      "examples on the map, evenly chosen; 0: all (at most 10000)", "[0,inf)" },
    { "marked", CLI_STRING, &marked, "CLASSES",
      "whose examples are also shown perturbed, where the model perturbs (0,1,9); each: an image "
      "for each class, "
      "FILE-CLASS.png",
      "each|[0,2147483647]..." },
    { "marks", CLI_INT, &marks, NULL, "examples of each of those; 0: none (at most 100)",
      "[0,1000]" },
    { "perplexity", CLI_FLOAT, &perplexity, NULL, "effective number of neighbours", "[1,1e6]" },
    { "rounds", CLI_INT, &rounds, NULL, "steps of gradient descent", "[1,1000000]" },
    { "seed", CLI_INT, &seed, NULL, "of the first positions", "[0,inf)" },
    { "quiet", CLI_FLAG, &quiet, NULL,
      "print nothing but errors, warnings and what --json asks for" },
    { "json", CLI_FLAG, &json, NULL, "one JSON object instead of a line" },
    { 0 },
  };
  int code = cli_run_parse(
      argc, argv, own, "tsne RUN --out FILE.png [--points N] [--split NAME]",
      "Writes a t-SNE map (exact repulsion) of the run's features, a colour for each class, and "
      "beside it one for each kind of perturbation the model has, perturbed latents as rings.",
      &a);
  if (code >= 0) return code;
  if (!out && !csv && !npy)
    return cli_usage("tsne: where to? (--out FILE.png, --npy FILE.npy or --csv FILE.csv)");
  if ((code = cli_run_open(&a)) >= 0) return code;
  if (quiet) lcl__find_quietly();
  lcl_metrics m;
  lcl_tsne_map_desc d = { .split = split,
                          .points = points < 0 ? 0
                                    : points   ? points
                                               : -1,
                          .marked = marked,
                          .marks = marks < 0 ? 0
                                   : marks   ? (int)marks
                                             : -1,
                          .perplexity = perplexity,
                          .rounds = (int)rounds,
                          .seed = (uint64_t)seed,
                          .png = out,
                          .csv = csv,
                          .progress = progress,
                          .user = &quiet };
  if (make_map(&a, &d, npy, &m) != LCL_OK)
    code = cli_error();
  else if ((!quiet || json) && !cli_is_stdout(out) && !cli_is_stdout(csv) && !cli_is_stdout(npy))
    code = cli_print_metrics(split, &m, json);
  cli_run_close(&a);
  return code < 0 ? CLI_OK : code;
}

const struct lcl_command cmd_tsne = { "tsne", "map of a run's features", run };
