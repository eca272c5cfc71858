/* latentcl reproduce: published tables, ours beside them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "latentcl/train.h"

static void list_tables(void) {
  for (size_t i = 0; i < lcl_reproduce_count(); i++)
    printf("%-40s %s\n", lcl_reproduce_name(i), lcl_reproduce_title(i));
}

static int reproduce(const char *device, const lcl_reproduce_desc *d) {
  lcl_context *ctx;
  char *text = NULL;
  if (lcl_context_create(&(lcl_context_desc) { .device = device }, &ctx) != LCL_OK)
    return cli_error();
  cli_catch_stop();
  lcl_status s = lcl_reproduce(ctx, d, &text);
  if (text) fputs(text, stdout);
  free(text);
  int code = s == LCL_OK ? CLI_OK : cli_error();
  lcl_context_destroy(ctx);
  return s == LCL_ERR_INTERRUPTED ? cli_stop_code() : code;
}

static int run(int argc, char **argv) {
  const char *device = NULL;
  static cli_list set;
  int64_t trials = 3;
  lcl_reproduce_desc d = { 0 };
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
  if (argi >= argc) return list_tables(), CLI_OK;
  d.table = argv[argi++];
  if (argi < argc) return cli_usage("reproduce: unexpected argument '%s'", argv[argi]);
  bool known = false;
  for (size_t i = 0; i < lcl_reproduce_count(); i++)
    known = known || strcmp(lcl_reproduce_name(i), d.table) == 0;
  if (!known) return cli_usage("there is no table '%s'; `latentcl reproduce` lists them", d.table);
  d.trials = (int)trials;
  d.set = set.item;
  d.n_set = set.n;
  d.interrupted = cli_stopped;
  return reproduce(device, &d);
}

const struct lcl_command cmd_reproduce = { "reproduce", "run a published table again", run };
