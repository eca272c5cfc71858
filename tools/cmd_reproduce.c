/* latentcl reproduce: published tables, ours beside them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli.h"
#include "cli_ranks.h"
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

/* A line or an object each, numbered as --cell takes them. */
static int list_jobs(const lcl_reproduce_desc *d, bool json) {
  size_t n;
  if (lcl_reproduce_jobs(d, NULL, 0, &n) != LCL_OK) return cli_error();
  lcl_reproduce_job *jobs = calloc(n ? n : 1, sizeof *jobs);
  if (!jobs) return cli_fail("out of memory");
  int code = lcl_reproduce_jobs(d, jobs, n, &n) == LCL_OK ? CLI_OK : cli_error();
  cJSON *all = cJSON_CreateArray();
  for (size_t i = 0; code == CLI_OK && i < n; i++) {
    const lcl_reproduce_job *job = &jobs[i];
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(all, o);
    cJSON_AddNumberToObject(o, "cell", (double)i + 1);
    cJSON_AddStringToObject(o, "row", job->row);
    cJSON_AddStringToObject(o, "column", job->column);
    cJSON_AddNumberToObject(o, "trial", job->trial);
    cJSON_AddNumberToObject(o, "figures", job->runs);
    cJSON_AddBoolToObject(o, "done", job->done);
    if (!json)
      printf("%4zu  %s, %s, trial %d%s%s\n", i + 1, job->row, job->column, job->trial,
             job->runs > 1 ? " and what shares its runs" : "", job->done ? "  (done)" : "");
  }
  free(jobs);
  if (json && code == CLI_OK) return cli_print_json(all);
  cJSON_Delete(all);
  return code;
}

static int reproduce(lcl_context *ctx, const lcl_reproduce_desc *d, bool json) {
  char *text = NULL;
  cli_catch_stop();
  lcl_status s = lcl_reproduce(ctx, d, &text);
  if (text && !json) fputs(text, stdout);
  free(text);
  int code = s == LCL_OK ? CLI_OK : cli_error();
  if (code == CLI_OK && json && cli_speaks() && !d->job) code = print_table_json(d);
  return s == LCL_ERR_INTERRUPTED ? cli_stop_code() : code;
}

static int run(int argc, char **argv) {
  const char *device = NULL;
  static cli_list set;
  int64_t trials = 3;
  lcl_reproduce_desc d = { 0 };
  bool json = false, list = false;
  int64_t cell = 0;
  cli_ranks ranks = { 0 };
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
    { "devices", CLI_STRING, &ranks.devices, "A,B",
      "a process on each of these devices, which share the cells, as 0:0,0:1" CLI_WITHOUT_MPI },
    { "list-cells", CLI_FLAG, &list, NULL,
      "list what one process can do by itself, for jobs of a cluster; trains nothing" },
    { "cell", CLI_INT, &cell, NULL,
      "only this one of them, and no table: that is made by a last call without (0: all)" },
    { "json", CLI_FLAG, &json, NULL, "JSON: the list, or what table.json holds" },
    { 0 },
  };
  cli_ranks_begin();
  int argi, code = cli_parse(argc, argv, options,
                             "reproduce TABLE [--columns A,B] [--rows A,B] [--trials N] [--quick]",
                             "Runs a published table and prints ours beside it; writes table.md "
                             "and table.json. Results of\n"
                             "each cell are kept, so that an interrupted table goes on where it "
                             "stopped. Without TABLE: the "
                             "list. With mpirun the processes share the cells.",
                             &argi);
  if (code >= 0) return code;
  if (argi >= argc && (d.rows || d.columns || d.quick || d.data || d.out || set.n || list || cell))
    return cli_usage("reproduce: of which table? `latentcl reproduce` lists them");
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
  d.job = (int)cell;
  size_t n;
  const lcl_status names = lcl_reproduce_jobs(&d, NULL, 0, &n);
  if (names == LCL_ERR_ARGUMENT) return cli_usage("%s", lcl_error_message());
  if (list && cell) return cli_usage("reproduce: --list-cells lists; --cell does not go with it");
  if (list) return list_jobs(&d, json);
  if (cell && json) return cli_usage("reproduce: --cell makes no table: no --json");
  if (cell && ranks.devices) return cli_usage("reproduce: --cell is for one device");
  lcl_context *ctx;
  code = cli_ranks_join(&ranks, argc, argv, &(lcl_context_desc) { .device = device }, &ctx);
  if (code >= 0) return code;
  d.ranks = ranks.ranks;
  code = reproduce(ctx, &d, json);
  lcl_context_destroy(ctx);
  cli_ranks_leave(&ranks);
  return code;
}

const struct lcl_command cmd_reproduce = { "reproduce", "run a published table again", run };
