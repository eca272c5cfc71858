/* latentcl models: lists the models. */
#include <stdio.h>

#include "base/json.h"
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

static cJSON *option_json(const lcl_option *o) {
  static const char *const types[] = { "int", "float", "bool", "choice", "text", "ints", "floats" };
  cJSON *j = cJSON_CreateObject();
  cJSON_AddStringToObject(j, "name", o->name);
  cJSON_AddStringToObject(j, "type", types[o->type]);
  cJSON_AddStringToObject(j, "default", o->value);
  cJSON_AddStringToObject(j, "help", o->help);
  cJSON_AddItemToObject(j, "allowed",
                        o->allowed ? cJSON_CreateString(o->allowed) : cJSON_CreateNull());
  cJSON_AddItemToObject(j, "when", o->when ? cJSON_CreateString(o->when) : cJSON_CreateNull());
  return j;
}

static cJSON *model_json(const lcl_model_class *c) {
  cJSON *j = cJSON_CreateObject();
  cJSON_AddStringToObject(j, "name", c->name);
  cJSON_AddStringToObject(j, "summary", c->summary);
  cJSON_AddStringToObject(j, "reference", c->reference);
  cJSON *can = cJSON_AddArrayToObject(j, "can");
  for (size_t k = 0; k < sizeof abilities / sizeof *abilities; k++)
    if (c->can & abilities[k].can) cJSON_AddItemToArray(can, cJSON_CreateString(abilities[k].word));
  cJSON *options = cJSON_AddArrayToObject(j, "options");
  for (size_t i = 0; i < c->n_options; i++)
    cJSON_AddItemToArray(options, option_json(&c->options[i]));
  return j;
}

static int print_models_json(void) {
  cJSON *all = cJSON_CreateArray();
  for (size_t i = 0; i < lcl_model_count(); i++)
    cJSON_AddItemToArray(all, model_json(lcl_model_at(i)));
  return cli_print_json(all);
}

static int run(int argc, char **argv) {
  bool json = false;
  const cli_option options[] = {
    CLI_PLUGINS,
    { "json", CLI_FLAG, &json, NULL, "JSON, with the options of each model" },
    { 0 },
  };
  int code = cli_parse(argc, argv, options, "models [--plugin FILE] [--json]",
                       "Lists the models. `latentcl train MODEL --help` tells the options of one.",
                       NULL);
  if (code >= 0) return code;
  if (json) return print_models_json();
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
