/* latentcl cluster: the cluster of every example. */
#include <stdio.h>

#include "cli_run.h"
#include "ops/find.h"

static void progress(void *user, int restart, int restarts, int rounds, double inertia) {
  const bool *quiet = user;
  if (!*quiet)
    fprintf(stderr, "restart %d/%d  %d rounds  inertia %.6g\n", restart, restarts, rounds, inertia);
}

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const char *out = NULL, *split = "all", *method = "model";
  int64_t k = 0, seed = 0;
  bool quiet = false, json = false;
  const cli_option own[] = {
    { "out", CLI_STRING, &out, "PREFIX",
      "writes PREFIX.npy and PREFIX.csv (RUN/clusters; RUN/clusters-METHOD for a baseline)" },
    CLI_SPLIT(&split),
    { "method", CLI_STRING, &method, "NAME",
      "model, or a baseline: k-means on the examples, k-means-features on what the network makes "
      "of them",
      "model|k-means|k-means-features" },
    { "clusters", CLI_INT, &k, NULL, "of k-means; 0: the classes of the data", "[0,100000]" },
    { "seed", CLI_INT, &seed, NULL, "of a baseline's random choices", "[0,inf)" },
    { "quiet", CLI_FLAG, &quiet, NULL,
      "print nothing but errors, warnings and what --json asks for" },
    { "json", CLI_FLAG, &json, NULL, "one JSON object instead of a line" },
    { 0 },
  };
  int code = cli_run_parse(
      argc, argv, own, "cluster RUN [--out PREFIX] [--split NAME] [--method NAME]",
      "Writes the cluster of every example, and says how well the clusters match the "
      "classes (best one-to-one assignment).",
      &a);
  if (code >= 0 || (code = cli_run_open(&a)) >= 0) return code;
  if (quiet) lcl__find_quietly();
  lcl_metrics m;
  lcl_assignment_desc d = { .split = split,
                            .prefix = out,
                            .method = method,
                            .k = (int)k,
                            .seed = (uint64_t)seed,
                            .progress = progress,
                            .user = &quiet };
  if (lcl_run_cluster(a.run, &d, &m) != LCL_OK)
    code = cli_error();
  else if (!quiet || json)
    code = cli_print_assignment(&a, &d, "clusters", &m, json);
  cli_run_close(&a);
  return code < 0 ? CLI_OK : code;
}

const struct lcl_command cmd_cluster = { "cluster", "clusters of every example, and their accuracy",
                                         run };
