/* latentcl reproduce: published tables, ours beside them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli.h"
#include "commit.h"
#include "latentcl/train.h"

static int list_tables(bool json) {
  cJSON *all = cJSON_CreateArray();
  for (size_t i = 0; i < lcl_reproduce_count(); i++) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(all, o);
    cJSON_AddStringToObject(o, "name", lcl_reproduce_name(i));
    cJSON_AddStringToObject(o, "title", lcl_reproduce_title(i));
    if (!json) printf("%-40s %s\n", lcl_reproduce_name(i), lcl_reproduce_title(i));
  }
  if (json) return cli_print_json(all);
  cJSON_Delete(all);
  return CLI_OK;
}

/* What is in table.json. */
static int print_table_json(const lcl_reproduce_desc *d) {
  char path[1200];
  void *text;
  size_t n;
  snprintf(path, sizeof path, "%s%s/table.json", d->out ? "" : "runs/", d->out ? d->out : d->table);
  if (lcl__file_read(path, 64 << 20, &text, &n) != LCL_OK) return cli_error();
  cJSON *table = lcl__json_parse(text, n);
  lcl__free(text);
  return table ? cli_print_json(table) : cli_fail("%s is no JSON", path);
}

static int reproduce(const char *device, const lcl_reproduce_desc *d, bool json) {
  lcl_context *ctx;
  char *text = NULL;
  if (lcl_context_create(&(lcl_context_desc) { .device = device }, &ctx) != LCL_OK)
    return cli_error();
  cli_catch_stop();
  lcl_status s = lcl_reproduce(ctx, d, &text);
  if (text && !json) fputs(text, stdout);
  free(text);
  int code = s == LCL_OK ? CLI_OK : cli_error();
  if (code == CLI_OK && json) code = print_table_json(d);
  lcl_context_destroy(ctx);
  return s == LCL_ERR_INTERRUPTED ? cli_stop_code() : code;
}

static int run(int argc, char **argv) {
  const char *device = NULL;
  static cli_list set;
  int64_t trials = 3;
  lcl_reproduce_desc d = { 0 };
  bool json = false;
  set.n = 0;
  const cli_option options[] = {
    { "columns", CLI_STRING, &d.columns, "A,B", "only these columns, e.g. 10,100,1k (all)" },
    { "rows", CLI_STRING, &d.rows, "A,B", "only these rows (all)" },
    { "trials", CLI_INT, &trials, NULL, "runs a cell", "[1,64]" },
    { "quick", CLI_FLAG, &d.quick, NULL, "the table's small version: shorter training" },
    { "data", CLI_STRING, &d.data, "DIR", "data set (the built-in synthetic digits)" },
    { "out", CLI_STRING, &d.out, "DIR", "where results are kept (runs/TABLE)" },
    { "set", CLI_LIST, &set, "NAME=VALUE", "an option for every cell; may be repeated" },
    CLI_DEVICE(&device),
    { "json", CLI_FLAG, &json, NULL, "JSON: the list, or what table.json holds" },
    { 0 },
  };
  int argi, code = cli_parse(argc, argv, options,
                             "reproduce TABLE [--columns A,B] [--rows A,B] [--trials N] [--quick]",
                             "Runs a published table and prints ours beside it; writes table.md "
                             "and table.json. Results of\n"
                             "each cell are kept, so that an interrupted table goes on where it "
                             "stopped. Without TABLE: the "
                             "list.",
                             &argi);
  if (code >= 0) return code;
  if (argi >= argc) return list_tables(json);
  d.table = argv[argi++];
  if (argi < argc) return cli_usage("reproduce: unexpected argument '%s'", argv[argi]);
  bool known = false;
  for (size_t i = 0; i < lcl_reproduce_count(); i++)
    known = known || strcmp(lcl_reproduce_name(i), d.table) == 0;
  if (!known) return cli_usage("there is no table '%s'; `latentcl reproduce` lists them", d.table);
  d.trials = (int)trials;
  d.set = set.item;
  d.n_set = set.n;
  d.commit = LATENTCL_COMMIT;
  d.interrupted = cli_stopped;
  return reproduce(device, &d, json);
}

const struct lcl_command cmd_reproduce = { "reproduce", "run a published table again", run };
