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
