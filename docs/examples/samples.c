/* Images from a checkpoint: opens a run of a generative model and writes a grid of samples.
 *
 *   cc samples.c -o samples $(pkg-config --cflags --libs latentcl)
 *   ./samples runs/vae samples.png */
#include <latentcl/latentcl.h>
#include <stdio.h>

static lcl_status sample(lcl_context *ctx, const char *folder, const char *png) {
  lcl_run_folder *run;
  LCL_TRY(lcl_run_open(ctx, folder, NULL, &run));
  lcl_status status = lcl_run_sample(run, &(lcl_sample_request) { .count = 40, .seed = 1 }, png);
  lcl_run_close(run);
  return status;
}

int main(int argc, char **argv) {
  lcl_context *ctx;
  if (argc != 3) return fprintf(stderr, "usage: samples RUN FILE.png\n"), 2;
  lcl_status status = lcl_context_create(NULL, &ctx);
  if (status == LCL_OK) {
    status = sample(ctx, argv[1], argv[2]);
    lcl_context_destroy(ctx);
  }
  if (status != LCL_OK) fprintf(stderr, "samples: %s\n", lcl_error_message());
  return status != LCL_OK;
}
