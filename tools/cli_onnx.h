/* What the commands about ONNX files share. */
#ifndef LCL_CLI_ONNX_H
#define LCL_CLI_ONNX_H

#include "cli.h"
#include "latentcl/bench.h"
#include "latentcl/onnx.h"
#include "lcl_config.h"

/* At the end of what --help says of commands that read or write ONNX files. */
#if LCL_HAVE_ONNX
#define CLI_WITHOUT_ONNX ""
#else
#define CLI_WITHOUT_ONNX                                                                           \
  "\n\nThis LatentCL was built without ONNX (protobuf-c, the meson option onnx): files "           \
  "MODEL.onnx "                                                                                    \
  "can be neither read nor written."
#endif

/* A file's graph on a device. */
typedef struct cli_onnx {
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *graph;
  lcl_onnx_model *onnx;
} cli_onnx;

/* -1; or in a build without ONNX, which is said, CLI_FAILED. */
int cli_onnx_needed(void);
/* Whether an argument names an ONNX file. */
bool cli_is_onnx(const char *name);
/* Those of the arguments that name ONNX files join the benchmark's workloads, with these sizes of
 * open dimensions. CLI_OK, or an exit code after a message. */
int cli_onnx_workloads(int argc, char *const *argv, const cli_list *dims);
/* CLI_OK, or an exit code after a message; what is open has to be closed either way. Open
 * dimensions that became 1 are said on stderr. */
int cli_onnx_open(const char *path, const char *device, const lcl_onnx_desc *desc, cli_onnx *out);
void cli_onnx_close(cli_onnx *m);

#endif
