/* latentcl explain: what a model compiles to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli_onnx.h"
#include "cli_run.h"

static lcl_model_mode mode_of(const char *name) {
  static const struct {
    const char *name;
    lcl_model_mode mode;
  } modes[] = {
    { "train", LCL_MODE_TRAIN },
    { "eval", LCL_MODE_EVAL },
    { "reconstruct", LCL_MODE_RECONSTRUCT },
    { "sample", LCL_MODE_SAMPLE },
    { "calibrate", LCL_MODE_CALIBRATE },
  };
  size_t i = 0;
  while (i + 1 < sizeof modes / sizeof *modes && strcmp(modes[i].name, name) != 0) i++;
  return modes[i].mode;
}

static int format_of(bool dot, bool json, lcl_explain_format *out) {
  if (dot && json) return cli_usage("explain: --dot and --json are two formats; one is possible");
  *out = json ? LCL_EXPLAIN_JSON : dot ? LCL_EXPLAIN_DOT : LCL_EXPLAIN_TEXT;
  return -1;
}

/* And frees it. */
static void print_text(char *text, bool json) {
  if (text) printf("%s%s", text, json ? "\n" : "");
  free(text);
}

static int explain_file(int argc, char **argv) {
  const char *device = NULL;
  cli_list dims = { 0 };
  bool dot = false, json = false;
  const cli_option table[] = {
    CLI_DIM(&dims, "size of a dimension that the file leaves open (1)"),
    { "dot", CLI_FLAG, &dot, NULL, "Graphviz instead of text" },
    { "json", CLI_FLAG, &json, NULL, "one JSON object instead of text" },
    CLI_DEVICE(&device),
    CLI_CHOICES,
    { 0 },
  };
  int at,
      code = cli_parse(
          argc, argv, table, "explain MODEL.onnx [--dim NAME=N] [--dot]",
          "Prints what a network from an ONNX file compiles to on a device." CLI_WITHOUT_ONNX, &at);
  if (code >= 0) return code;
  if (argc - at != 1) return cli_usage("explain: one MODEL.onnx is expected");
  lcl_explain_format format = LCL_EXPLAIN_TEXT;
  if ((code = format_of(dot, json, &format)) >= 0) return code;
  const lcl_onnx_desc d = { .dims = dims.item, .n_dims = dims.n };
  const lcl_compile_desc how = { .no_updates = true };
  cli_onnx m = { 0 };
  lcl_program *p = NULL;
  char *text = NULL;
  code = cli_onnx_open(argv[at], device, &d, &m);
  if (code == CLI_OK &&
      (lcl_compile(m.graph, &how, &p) != LCL_OK || lcl_program_explain(p, format, &text) != LCL_OK))
    code = cli_error();
  print_text(text, json);
  lcl_program_destroy(p);
  cli_onnx_close(&m);
  return code;
}

static int run(int argc, char **argv) {
  for (int i = 1; i < argc; i++)
    if (cli_is_onnx(argv[i])) return explain_file(argc, argv);
  cli_model_args m = { 0 };
  const char *mode_name = "train";
  bool dot = false, json = false;
  const cli_option own[] = {
    { "mode", CLI_STRING, &mode_name, "NAME", "train, eval, reconstruct, sample or calibrate",
      "train|eval|reconstruct|sample|calibrate" },
    { "dot", CLI_FLAG, &dot, NULL, "Graphviz instead of text" },
    { "json", CLI_FLAG, &json, NULL, "one JSON object instead of text" },
    { 0 },
  };
  int code = cli_model_parse(
      argc, argv, own, "explain MODEL [--mode NAME] [--dot] [OPTIONS]",
      "Prints what a model's graph compiles to on a device: launches, algorithms, FLOPs, memory.\n"
      "A network from an ONNX file: explain MODEL.onnx [--dim NAME=N] [--dot]." CLI_WITHOUT_ONNX,
      &m);
  if (code >= 0) return code;
  if (!m.model) return cli_usage("explain: which model? `latentcl models` lists them");
  lcl_explain_format format = LCL_EXPLAIN_TEXT;
  if ((code = format_of(dot, json, &format)) >= 0) return code;
  lcl_context *ctx;
  if (lcl_context_create(&(lcl_context_desc) { .device = m.device }, &ctx) != LCL_OK)
    return cli_error();
  lcl_train_desc d = {
    .model = m.model, .set = m.set, .n_set = m.n_set, .data = m.data, .seed = (uint64_t)m.seed
  };
  char *text = NULL;
  code = lcl_explain(ctx, &d, mode_of(mode_name), format, &text) == LCL_OK ? CLI_OK : cli_error();
  print_text(text, json);
  lcl_context_destroy(ctx);
  return code;
}

const struct lcl_command cmd_explain = { "explain", "what a model compiles to", run };
