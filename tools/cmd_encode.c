/* latentcl encode: the features of every example. */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "cli_run.h"

static cJSON *layers_json(const lcl_layer *layers, size_t n) {
  cJSON *all = cJSON_CreateArray();
  for (size_t i = 0; i < n; i++) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(all, o);
    cJSON_AddStringToObject(o, "name", layers[i].name);
    cJSON *shape = cJSON_AddArrayToObject(o, "shape");
    for (int d = 0; d < layers[i].shape.rank; d++)
      cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)layers[i].shape.dim[d]));
    cJSON_AddBoolToObject(o, "features", layers[i].features);
  }
  return all;
}

static int print_layers(lcl_run_folder *run, bool json) {
  size_t n;
  if (lcl_run_layers(run, NULL, 0, &n) != LCL_OK) return cli_error();
  lcl_layer *layers = malloc((n + 1) * sizeof *layers);
  if (!layers) return cli_fail("out of memory");
  int code = lcl_run_layers(run, layers, n, &n) == LCL_OK ? CLI_OK : cli_error();
  if (code == CLI_OK && json) code = cli_print_json(layers_json(layers, n));
  for (size_t i = 0; i < n && code == CLI_OK && !json; i++) {
    char shape[96];
    cli_print("%-32s %-14s%s\n", layers[i].name, lcl_shape_string(layers[i].shape, shape),
              layers[i].features ? "  <- what encode writes without --layer" : "");
  }
  free(layers);
  return code;
}

static int run(int argc, char **argv) {
  cli_run_args a = { 0 };
  const char *out = NULL, *split = "test", *layer = NULL;
  bool json = false, layers = false;
  const cli_option own[] = {
    { "out", CLI_STRING, &out, "PREFIX", "writes PREFIX.npy and PREFIX.csv (RUN/features)" },
    CLI_SPLIT(&split),
    { "layer", CLI_STRING, &layer, "NAME", "what this layer gives (the model's features)" },
    { "layers", CLI_FLAG, &layers, NULL, "list the layers with the shape of an example, no more" },
    { "json", CLI_FLAG, &json, NULL, "JSON: an object of split, n, width; or the layers" },
    { 0 },
  };
  int code = cli_run_parse(
      argc, argv, own, "encode RUN [--layer NAME] [--out PREFIX] [--split NAME]",
      "Writes the features of every example, without noise: PREFIX.npy (examples, features) as\n"
      "numpy.load() takes it, and PREFIX.csv with index, prediction and label. For example:\n\n"
      "  latentcl encode RUN --split train --out features\n"
      "  latentcl encode RUN --layers\n"
      "  latentcl encode RUN --layer enc.conv2.relu --out conv2",
      &a);
  if (code >= 0) return code;
  if (layers && (layer || out))
    return cli_usage("encode: --layers lists; --layer and --out do not go with it");
  if ((code = cli_run_open(&a)) >= 0) return code;
  lcl_metrics m;
  const lcl_assignment_desc d = { .split = split, .prefix = out, .layer = layer };
  if (layers)
    code = print_layers(a.run, json);
  else if (lcl_run_encode(a.run, &d, &m) == LCL_OK)
    code = cli_print_assignment(&a, &d, "features", &m, json);
  else
    code = cli_error();
  cli_run_close(&a);
  return code;
}

const struct lcl_command cmd_encode = { "encode", "features of every example as .npy and CSV",
                                        run };
