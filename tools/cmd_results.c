/* latentcl results: figures of finished runs kept as data, and tables of them. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "train/results.h"
#include "train/results_file.h"

/* Where a checkout keeps them. */
static const char usual[] = "docs/results";

static int add(lcl_results_add_desc *d, bool json) {
  if (!d->out && lcl__file_exists(usual)) d->out = usual;
  if (!d->out)
    return cli_usage("results add: there is no folder %s here; say which (--out DIR)", usual);
  if (d->n_runs == 0) return cli_usage("results add: which run?");
  if (!d->name != !d->title) return cli_usage("results add: --name and --title go together");
  if (d->name && d->cell) return cli_usage("results add: --name is for runs of no cell");
  if (d->metric && !d->name)
    return cli_usage("results add: --metric is for runs of no cell (--name)");
  lcl_results_cell cell;
  if (d->cell && lcl__results_find_cell(d->cell, &cell) != LCL_OK)
    return cli_usage("results add: %s", lcl_error_message());
  if (lcl__mkdirs(d->out) != LCL_OK) return cli_error();
  cJSON *files = cJSON_CreateArray();
  int code = lcl__results_add(d, files) == LCL_OK ? CLI_OK : cli_error();
  cJSON *all = cJSON_CreateArray();
  const cJSON *file;
  cJSON_ArrayForEach(file, files) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddItemToArray(all, o);
    cJSON_AddStringToObject(o, "file", file->valuestring);
    if (!json) cli_print("%s/%s\n", d->out, file->valuestring);
  }
  cJSON_Delete(files);
  if (code == CLI_OK && json) return cli_print_json(all);
  cJSON_Delete(all);
  return code;
}

static int table(const char *folder, const char *only, bool missing, bool json) {
  lcl_str text = { 0 };
  cJSON *rows = cJSON_CreateArray();
  int code = lcl__results_tables(folder, only, missing, &text, rows) == LCL_OK ? CLI_OK
                                                                               : cli_error();
  if (code == CLI_OK && json) {
    code = cli_print_json(rows);
    rows = NULL;
  } else if (code == CLI_OK) {
    fputs(text.data, stdout);
  }
  cJSON_Delete(rows);
  lcl__str_free(&text);
  return code;
}

static int run(int argc, char **argv) {
  lcl_results_add_desc d = { 0 };
  const char *only = NULL;
  bool missing = false, json = false;
  const cli_option options[] = {
    { "out", CLI_STRING, &d.out, "DIR",
      "add: folder of the files (docs/results where there is one)" },
    { "cell", CLI_STRING, &d.cell, "CELL",
      "add: the cell it stands for, \"TABLE ROW COLUMN\" (the one whose options it has)" },
    { "name", CLI_STRING, &d.name, "NAME", "add: of the file of a run of no cell" },
    { "title", CLI_STRING, &d.title, "TEXT", "add: what such a run is" },
    { "metric", CLI_STRING, &d.metric, "NAME",
      "add: its figure (the test's first after n and loss)" },
    { "note", CLI_STRING, &d.note, "TEXT", "add: what a reader has to know of it" },
    { "commit", CLI_STRING, &d.commit, "TEXT", "add: of a run that does not say it itself" },
    { "driver", CLI_STRING, &d.driver, "TEXT", "add: of a run that does not say it itself" },
    { "only", CLI_STRING, &only, "A,B", "table: of these files alone (names without .json)" },
    { "missing", CLI_FLAG, &missing, NULL, "table: also which published cells have no figure yet" },
    { "json", CLI_FLAG, &json, NULL, "JSON: the files that were written, or the table's rows" },
    { 0 },
  };
  int at,
      code = cli_parse(argc, argv, options, "results add|table [RUN...|DIR] [--out DIR] [--json]",
                       "`results add RUN...` puts the test figures of finished runs into JSON "
                       "files, one for each cell of\n"
                       "the published tables (`latentcl reproduce`): several seeds of a cell "
                       "gather in its file, with what\n"
                       "was run, on which device, and how much of the published schedule. A run "
                       "that is there already is\n"
                       "replaced. `results table [DIR]` prints the tables of such a folder as "
                       "markdown: ours, published,\n"
                       "their difference in published deviations, the schedule, and the command "
                       "that repeats it.\n\n"
                       "  latentcl results add runs/imsat-1 runs/imsat-2 --out results\n"
                       "  latentcl results table results",
                       &at);
  if (code >= 0) return code;
  if (argc == at) return cli_usage("results: one of add or table is wanted");
  const char *action = argv[at++];
  if (strcmp(action, "add") == 0) {
    if (only || missing) return cli_usage("results add: --only and --missing are for table");
    d.runs = (const char *const *)(argv + at);
    d.n_runs = (size_t)(argc - at);
    return add(&d, json);
  }
  if (strcmp(action, "table") != 0)
    return cli_usage("results: unknown action '%s'; it is add or table", action);
  if (d.out || d.cell || d.name || d.title || d.metric || d.note || d.commit || d.driver)
    return cli_usage("results table: of the options only --only, --missing and --json are for it");
  if (missing && (only || json))
    return cli_usage("results table: --missing is of a whole folder's tables, not of --only or "
                     "--json");
  if (argc - at > 1) return cli_usage("results table: one folder, not %d", argc - at);
  return table(argc > at ? argv[at] : usual, only, missing, json);
}

const struct lcl_command cmd_results = { "results",
                                         "keep figures of runs as data, and print tables of them",
                                         run };
