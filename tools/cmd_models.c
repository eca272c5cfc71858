/* latentcl models: lists the models. */
#include <stdio.h>

#include "cli_run.h"

static const struct {
  unsigned can;
  const char *word;
} abilities[] = {
  { LCL_CAN_CLASSIFY, "classify" },
  { LCL_CAN_CLUSTER, "cluster" },
  { LCL_CAN_HASH, "hash" },
  { LCL_CAN_SAMPLE, "sample" },
  { LCL_CAN_RECONSTRUCT, "reconstruct" },
  { LCL_CAN_SEMI_SUPERVISED, "semi-supervised" },
};

static int run(int argc, char **argv) {
  static const cli_option options[] = { CLI_PLUGINS, { 0 } };
  int code = cli_parse(argc, argv, options, "models [--plugin FILE]",
                       "Lists the models. `latentcl train MODEL --help` tells the options of one.",
                       NULL);
  if (code >= 0) return code;
  for (size_t i = 0; i < lcl_model_count(); i++) {
    const lcl_model_class *c = lcl_model_at(i);
    printf("%-20s %s\n%-20s %s\n%-20s can: ", c->name, c->summary, "", c->reference, "");
    const char *comma = "";
    for (size_t k = 0; k < sizeof abilities / sizeof *abilities; k++) {
      if (!(c->can & abilities[k].can)) continue;
      printf("%s%s", comma, abilities[k].word);
      comma = ", ";
    }
    printf("\n");
  }
  return CLI_OK;
}

const struct lcl_command cmd_models = { "models", "list the models", run };
