/* latentcl export: a run as an ONNX file. */
#include <stdio.h>

#include "cli_onnx.h"
#include "cli_run.h"
#include "commit.h"

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const char *onnx = NULL, *part = NULL;
  int64_t batch = 0;
  const cli_option own[] = {
    { "onnx", CLI_STRING, &onnx, "FILE.onnx", "where to write the file", ".onnx" },
    { "part", CLI_STRING, &part, "NAME",
      "classifier, encoder or decoder (classifier, or encoder where no class is predicted)",
      "classifier|encoder|decoder" },
    { "batch", CLI_INT, &batch, "N", "examples at a time; 0: the file leaves it open",
      "[0,1048576]" },
    { 0 },
  };
  int code = cli_run_parse(
      argc, argv, own, "export RUN --onnx FILE.onnx [--part NAME] [--batch N]",
      "Writes a trained run as an ONNX file: the network of its evaluation with the preprocessing\n"
      "in front. A classifier takes \"image\" and gives \"scores\" and \"prediction\", an encoder "
      "gives\n"
      "\"features\", a decoder makes \"image\" of them. For example:\n\n"
      "  latentcl export runs/first --onnx digits.onnx\n"
      "  latentcl run digits.onnx --in images.npy --out prediction=labels.npy" CLI_WITHOUT_ONNX,
      &a);
  if (code >= 0) return code;
  if (!onnx) return cli_usage("export: where to? (--onnx FILE.onnx)");
  if ((code = cli_onnx_needed()) >= 0 || (code = cli_run_open(&a)) >= 0) return code;
  const char *metadata[] = { "commit=" LATENTCL_COMMIT };
  code = lcl_run_export(a.run, &(lcl_export_desc) { .path = onnx,
                                                    .part = part,
                                                    .batch = batch,
                                                    .metadata = metadata,
                                                    .n_metadata = 1 }) == LCL_OK
             ? CLI_OK
             : cli_error();
  cli_run_close(&a);
  return code;
}

const struct lcl_command cmd_export = { "export", "write a run as an ONNX file", run };
