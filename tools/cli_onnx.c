#include "cli_onnx.h"

#include <stdio.h>
#include <string.h>

bool cli_is_onnx(const char *name) {
  const size_t n = strlen(name);
  return n > 5 && strcmp(name + n - 5, ".onnx") == 0;
}

int cli_onnx_needed(void) {
  if (LCL_HAVE_ONNX) return -1;
  return lcl_onnx_load(NULL, NULL, NULL, NULL) == LCL_OK ? CLI_FAILED : cli_error();
}

int cli_onnx_workloads(int argc, char *const *argv, const cli_list *dims) {
  size_t ignored, files = 0;
  for (int a = 0; a < argc; a++)
    if (cli_is_onnx(argv[a]) && lcl_bench_find(argv[a], &ignored) != LCL_OK) {
      const int code = cli_onnx_needed();
      if (code >= 0) return code;
      if (lcl_bench_add_onnx(argv[a], dims->item, dims->n, &ignored) != LCL_OK) return cli_error();
      files++;
    }
  if (dims->n && !files) return cli_usage("--dim belongs to a file MODEL.onnx, which is not given");
  return CLI_OK;
}

int cli_onnx_open(const char *path, const char *device, const lcl_onnx_desc *desc, cli_onnx *out) {
  if (cli_onnx_needed() >= 0) return CLI_FAILED;
  if (lcl_context_create(&(lcl_context_desc) { .device = device }, &out->ctx) != LCL_OK ||
      lcl_store_create(out->ctx, 1, &out->store) != LCL_OK ||
      lcl_graph_create(out->store, "onnx", &out->graph) != LCL_OK ||
      lcl_onnx_load(out->graph, path, desc, &out->onnx) != LCL_OK)
    return cli_error();
  const char *assumed = lcl_onnx_assumed(out->onnx);
  if (*assumed) fprintf(stderr, "latentcl: taken as 1: %s (--dim NAME=N)\n", assumed);
  return CLI_OK;
}

void cli_onnx_close(cli_onnx *m) {
  lcl_onnx_close(m->onnx);
  lcl_graph_destroy(m->graph);
  lcl_store_destroy(m->store);
  lcl_context_destroy(m->ctx);
}
