/* Tables of results: files of one cell each, ours beside the published figures. */
#include <dirent.h>
#include <errno.h>
#include <math.h>

#include "base/text.h"
#include "train/results.h"
#include "train/results_file.h"
#include "train/session.h"

/* ---- all files of a folder, in their order ---- */

typedef struct entry {
  char name[256];
  cJSON *file;
  lcl_results_cell cell;
  size_t table; /* position; the number of tables: of none */
} entry;

typedef struct entries {
  entry *data;
  size_t n, cap;
} entries;

static int by_place(const void *a, const void *b) {
  const entry *x = a, *y = b;
  if (x->table != y->table) return x->table < y->table ? -1 : 1;
  if (x->cell.row != y->cell.row) return x->cell.row - y->cell.row;
  if (x->cell.column != y->cell.column) return x->cell.column - y->cell.column;
  return strcmp(x->name, y->name);
}

/* The published figure that stands in the file is that of the table today. */
static lcl_status check_published(const entry *e) {
  const lcl_table_cell p = lcl__results_published(&e->cell);
  const cJSON *published = lcl__json_child(e->file, "published");
  const double mean = published ? lcl__json_number(published, "mean") : -1,
               std = published ? lcl__json_number(published, "std") : NAN;
  if (mean == (p.mean < 0 ? -1 : lcl__results_printed(p.mean)) &&
      (isnan(std) ? p.std <= 0 : std == lcl__results_printed(p.std)))
    return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT,
                   "%s: the published figure is %g (%g) in the file and %g (%g) in `reproduce`",
                   e->name, mean, std, (double)p.mean, (double)p.std);
}

static lcl_status check_runs(const entry *e) {
  const cJSON *run;
  cJSON_ArrayForEach(run, lcl__json_items(e->file, "runs"))
      LCL_TRY(lcl__results_check_run(&e->cell, e->name, e->file, run));
  return LCL_OK;
}

static lcl_status place(entry *e) {
  const cJSON *cell = lcl__json_child(e->file, "cell");
  char text[512];
  e->table = lcl__table_count;
  if (!cell) return LCL_OK;
  snprintf(text, sizeof text, "%s %s %s", lcl__json_word(cell, "table"),
           lcl__json_word(cell, "row"), lcl__json_word(cell, "column"));
  lcl_status s = lcl__results_find_cell(text, &e->cell);
  if (s != LCL_OK) return lcl__fail_prefix(LCL_ERR_FORMAT, "%s", e->name);
  for (size_t i = 0; i < lcl__table_count; i++)
    if (lcl__tables[i] == e->cell.table) e->table = i;
  LCL_TRY(check_published(e));
  return check_runs(e);
}

/* Whether that is the file of the results whose name begins at p. */
static bool is_file_of(const char *file, const char *p, size_t n) {
  return strncmp(file, p, n) == 0 && strcmp(file + n, ".json") == 0;
}

static bool listed(const char *only, const char *file) {
  for (const char *p = only; p && *p;) {
    const size_t m = strcspn(p, ",");
    if (is_file_of(file, p, m)) return true;
    p += m + (p[m] == ',');
  }
  return !only;
}

static lcl_status add_entry(const char *folder, const char *name, entries *all) {
  entry e = { 0 };
  if (strlen(name) >= sizeof e.name)
    return lcl__fail(LCL_ERR_FORMAT, "%s: the name is too long", name);
  snprintf(e.name, sizeof e.name, "%s", name);
  LCL_TRY(lcl__results_read(folder, name, &e.file));
  lcl_status s = place(&e);
  if (s == LCL_OK && !LCL_PUSH(all, e)) s = LCL_ERR_HOST_MEMORY;
  if (s != LCL_OK) cJSON_Delete(e.file);
  return s;
}

/* Every name of the list was there. */
static lcl_status check_only(const char *folder, const char *only, const entries *all) {
  for (const char *p = only; p && *p;) {
    const size_t n = strcspn(p, ",");
    bool found = n == 0;
    for (size_t i = 0; i < all->n && !found; i++) found = is_file_of(all->data[i].name, p, n);
    if (!found) return lcl__fail(LCL_ERR_IO, "%s has no results \"%.*s\"", folder, (int)n, p);
    p += n + (p[n] == ',');
  }
  return LCL_OK;
}

static lcl_status read_folder(const char *folder, const char *only, entries *all) {
  DIR *dir = opendir(folder);
  if (!dir) return lcl__fail(LCL_ERR_IO, "cannot read the folder %s: %s", folder, strerror(errno));
  lcl_status s = LCL_OK;
  for (struct dirent *e; s == LCL_OK && (e = readdir(dir));) {
    const char *end = strrchr(e->d_name, '.');
    if (*e->d_name != '.' && end && strcmp(end, ".json") == 0 && listed(only, e->d_name))
      s = add_entry(folder, e->d_name, all);
  }
  closedir(dir);
  if (s != LCL_OK) return s;
  if (all->n == 0)
    return lcl__fail(LCL_ERR_IO, "%s has no results%s", folder, only ? " of these names" : "");
  LCL_TRY(check_only(folder, only, all));
  qsort(all->data, all->n, sizeof *all->data, by_place);
  return LCL_OK;
}

/* ---- runs that differ by seed and subset alone ---- */

enum { MAX_RUNS = 256 };

typedef struct group {
  const cJSON *run[MAX_RUNS];
  int n;
  int count;        /* of runs: more than n where only their mean and deviation were kept */
  double mean, std; /* population deviation, as published */
} group;

static bool same_text(const cJSON *a, const cJSON *b, const char *name) {
  return strcmp(lcl__json_word(a, name), lcl__json_word(b, name)) == 0;
}

static double number_or(const cJSON *run, const char *name, double otherwise) {
  const double v = lcl__json_number(run, name);
  return isnan(v) ? otherwise : v;
}

static bool early(const cJSON *run) {
  return cJSON_IsTrue(lcl__json_child(run, "stopped_early"));
}

static bool same_number(const cJSON *a, const cJSON *b, const char *name) {
  return number_or(a, name, -1) == number_or(b, name, -1);
}

static bool together(const cJSON *a, const cJSON *b) {
  const bool length = early(a) ? early(b)
                               : !early(b) &&
                                     lcl__json_number(a, "epochs") == lcl__json_number(b, "epochs");
  const cJSON *x = lcl__json_child(a, "set"), *y = lcl__json_child(b, "set");
  return length && same_number(a, b, "schedule") && same_number(a, b, "examples") &&
         same_text(a, b, "data") && same_text(a, b, "note") && same_text(a, b, "method") &&
         (x && y ? cJSON_Compare(x, y, true) : x == y);
}

static void moments(group *g) {
  double n = 0, sum = 0, square = 0;
  for (int i = 0; i < g->n; i++) {
    const double count = number_or(g->run[i], "count", 1);
    n += count;
    sum += count * lcl__json_number(g->run[i], "value");
  }
  g->count = (int)n;
  g->mean = sum / LCL_MAX(n, 1);
  for (int i = 0; i < g->n; i++) {
    const double off = lcl__json_number(g->run[i], "value") - g->mean,
                 within = number_or(g->run[i], "deviation", 0);
    square += number_or(g->run[i], "count", 1) * (off * off + within * within);
  }
  g->std = sqrt(square / LCL_MAX(n, 1));
}

/* The runs of a file from the first that is in no group yet (taken). False: there is none. */
static bool next_group(const cJSON *runs, bool *taken, group *g) {
  g->n = 0;
  for (int i = 0; i < LCL_MIN(cJSON_GetArraySize(runs), MAX_RUNS); i++) {
    const cJSON *run = cJSON_GetArrayItem(runs, i);
    if (taken[i] || (g->n && !together(g->run[0], run))) continue;
    taken[i] = true;
    g->run[g->n++] = run;
  }
  moments(g);
  return g->n > 0;
}

/* ---- markdown ---- */

/* A text in a cell of a table. */
static void cell_text(lcl_str *o, const char *text) {
  for (const char *p = text; *p; p++)
    lcl__str_add(o, "%s%c", *p == '|' ? "\\" : "", *p == '\n' ? ' ' : *p);
}

static void add_what(lcl_str *o, const entry *e, const group *g) {
  const char *note = lcl__json_word(g->run[0], "note");
  if (e->cell.table) {
    const lcl_table *t = e->cell.table;
    cell_text(o, t->rows[e->cell.row].label);
    if (t->n_columns > 1) lcl__str_add(o, ", ");
    if (t->n_columns > 1) cell_text(o, t->columns[e->cell.column].label);
  } else {
    cell_text(o, lcl__json_word(e->file, "title"));
  }
  if (*note) lcl__str_add(o, " (");
  cell_text(o, note);
  if (*note) lcl__str_add(o, ")");
}

static void add_figures(lcl_str *o, const entry *e, const group *g) {
  const cJSON *published = lcl__json_child(e->file, "published");
  const double mean = lcl__json_number(published, "mean"), std = lcl__json_number(published, "std");
  const char *unit = lcl__json_word(e->file, "unit");
  lcl__str_add(o, " | **%.2f**", g->mean);
  if (g->count > 1) lcl__str_add(o, " (%.2f), %d runs", g->std, g->count);
  if (isnan(mean)) {
    lcl__str_add(o, " | |");
    return;
  }
  lcl__str_add(o, " | %.2f", mean);
  if (!isnan(std)) lcl__str_add(o, " (%.2f)", std);
  if (!isnan(std))
    lcl__str_add(o, " | %+.1f σ", (g->mean - mean) / std);
  else
    lcl__str_add(o, " | %+.2f %s", g->mean - mean, unit);
}

static void add_schedule(lcl_str *o, const group *g) {
  const int schedule = (int)lcl__json_number(g->run[0], "schedule"),
            done = (int)lcl__json_number(g->run[0], "epochs");
  const double share = 100.0 * done / LCL_MAX(schedule, 1);
  if (schedule == 0)
    lcl__str_add(o, " |");
  else if (early(g->run[0]))
    lcl__str_add(o, " | whole: patience ended it before %d epochs", schedule);
  else if (done == schedule)
    lcl__str_add(o, " | whole, %d epochs", schedule);
  else
    lcl__str_add(o, " | %d of %d epochs (%.0f %%)", done, schedule,
                 done < schedule ? fmin(share, 99) : share);
}

static bool all_alike(const group *g, const char *(*text)(const cJSON *run, char buf[32])) {
  char a[32], b[32];
  for (int i = 1; i < g->n; i++)
    if (strcmp(text(g->run[0], a), text(g->run[i], b)) != 0) return false;
  return true;
}

static const char *seed_of(const cJSON *run, char buf[32]) {
  snprintf(buf, 32, "%.31s", lcl__json_word(run, "seed"));
  return buf;
}

static const char *subset_of(const cJSON *run, char buf[32]) {
  snprintf(buf, 32, "%.0f", number_or(run, "subset", 0));
  return buf;
}

/* "--seed 2" inside the command where all runs have it, else ", seeds 1, 2" behind. */
static void add_number(lcl_str *command, lcl_str *behind, const group *g, const char *option,
                       const char *(*text)(const cJSON *run, char buf[32])) {
  char buf[32];
  if (all_alike(g, text)) {
    const char *same = text(g->run[0], buf);
    if (*same && strcmp(same, "0") != 0) lcl__str_add(command, " --%s %s", option, same);
    return;
  }
  lcl__str_add(behind, ", %ss ", option);
  for (int i = 0; i < g->n; i++) lcl__str_add(behind, "%s%s", i ? ", " : "", text(g->run[i], buf));
}

/* Options of a run that are not as in its cell; cell NULL: all. */
static void add_options(lcl_str *o, const cJSON *run, const lcl_options *cell) {
  const cJSON *item;
  cJSON_ArrayForEach(item, lcl__json_members(run, "set")) {
    if (!cell || strcmp(lcl_option_text(cell, item->string), item->valuestring) != 0)
      lcl__str_add(o, " --set %s=%s", item->string, item->valuestring);
  }
}

/* What repeats the runs: `train`, or `reproduce` where there is more to do than to train. */
static void add_command(lcl_str *o, const entry *e, const group *g) {
  const lcl_table *t = e->cell.table;
  const lcl_table_row *row = t ? &t->rows[e->cell.row] : NULL;
  const lcl_model_class *cls;
  lcl_options *cell = NULL;
  lcl_str behind = { 0 };
  lcl__str_add(o, " | `latentcl ");
  if (t && lcl__results_by_reproduce(&e->cell)) {
    const lcl_table_column *c = &t->columns[e->cell.column];
    lcl__str_add(o, "reproduce %s --rows %s --columns %s --trials %d --data DIR", t->name, row->key,
                 c->key, g->count);
    if (lcl_model_find(lcl__json_word(e->file, "model"), &cls) == LCL_OK)
      lcl__results_cell_options(&e->cell, cls, &cell);
    add_options(o, g->run[0], cell);
    lcl_options_destroy(cell);
  } else {
    lcl__str_add(o, "train %s --data DIR", lcl__json_word(e->file, "model"));
    add_options(o, g->run[0], NULL);
    add_number(o, &behind, g, "subset", subset_of);
    add_number(o, &behind, g, "seed", seed_of);
  }
  lcl__str_add(o, "`%s |\n", behind.data ? behind.data : "");
  lcl__str_free(&behind);
}

static void add_head(lcl_str *o, const entry *e, bool first) {
  const lcl_table *t = e->cell.table;
  if (t)
    lcl__str_add(o, "%s### %s\n\n%s (`%s`), %s. Published: %s.\n", first ? "" : "\n", t->title,
                 t->data, t->name, t->unit, t->source);
  else
    lcl__str_add(o, "%s### Of no published cell\n", first ? "" : "\n");
  lcl__str_add(
      o,
      "\n| | ours | published | difference | schedule | again by |\n|---|---|---|---|---|---|\n");
}

static cJSON *row_json(const entry *e, const group *g) {
  cJSON *o = cJSON_CreateObject(), *values = cJSON_AddArrayToObject(o, "values");
  lcl_str what = { 0 };
  add_what(&what, e, g);
  cJSON_AddStringToObject(o, "file", e->name);
  cJSON_AddStringToObject(o, "what", what.data ? what.data : "");
  for (int i = 0; i < g->n; i++)
    cJSON_AddItemToArray(values, cJSON_CreateNumber(lcl__json_number(g->run[i], "value")));
  cJSON_AddNumberToObject(o, "runs", g->count);
  cJSON_AddNumberToObject(o, "mean", g->mean);
  cJSON_AddNumberToObject(o, "std", g->std);
  cJSON_AddNumberToObject(o, "published_mean",
                          lcl__json_number(lcl__json_child(e->file, "published"), "mean"));
  cJSON_AddNumberToObject(o, "published_std",
                          lcl__json_number(lcl__json_child(e->file, "published"), "std"));
  cJSON_AddStringToObject(o, "unit", lcl__json_word(e->file, "unit"));
  cJSON_AddNumberToObject(o, "epochs", lcl__json_number(g->run[0], "epochs"));
  cJSON_AddNumberToObject(o, "schedule", lcl__json_number(g->run[0], "schedule"));
  lcl__str_free(&what);
  return o;
}

/* ---- published cells without a figure ---- */

static bool has_figure(const entries *all, const lcl_results_cell *cell) {
  for (size_t i = 0; i < all->n; i++) {
    const lcl_results_cell *c = &all->data[i].cell;
    if (c->table == cell->table && c->row == cell->row && c->column == cell->column) return true;
  }
  return false;
}

/* How many published cells of the table have no figure; their names go to `names`. */
static int missing_of(const entries *all, const lcl_table *t, lcl_str *names, int *published) {
  int missing = 0;
  *published = 0;
  for (int r = 0; r < t->n_rows; r++) {
    bool first = true;
    for (int c = 0; c < t->n_columns; c++) {
      const lcl_results_cell cell = { t, r, c };
      if (lcl__results_published(&cell).mean < 0) continue;
      ++*published;
      if (has_figure(all, &cell)) continue;
      if (first) lcl__str_add(names, "%s`%s`", missing ? "; " : "", t->rows[r].key);
      if (t->n_columns > 1) lcl__str_add(names, "%s %s", first ? "" : ",", t->columns[c].key);
      first = false;
      missing++;
    }
  }
  return missing;
}

/* Under a table's rows. */
static void add_missing(lcl_str *o, const entries *all, const lcl_table *t) {
  lcl_str names = { 0 };
  int published;
  const int missing = missing_of(all, t, &names, &published);
  if (missing)
    lcl__str_add(o, "\n%d of %d published cells have a figure; none yet: %s.\n",
                 published - missing, published, names.data ? names.data : "");
  o->failed |= names.failed;
  lcl__str_free(&names);
}

static void add_without(lcl_str *o, const entries *all) {
  bool first = true;
  for (size_t k = 0; k < lcl__table_count; k++) {
    const lcl_table *t = lcl__tables[k];
    lcl_str names = { 0 };
    int published;
    const int missing = missing_of(all, t, &names, &published);
    o->failed |= names.failed;
    lcl__str_free(&names);
    if (!published || missing < published) continue;
    lcl__str_add(o, "%s- %s (`%s`): %d cell%s\n",
                 first ? "\n### Published and not run yet\n\n" : "", t->title, t->name, published,
                 published == 1 ? "" : "s");
    first = false;
  }
}

static lcl_status write_table(const entries *all, bool missing, lcl_str *md, cJSON *rows) {
  for (size_t i = 0; i < all->n; i++) {
    const entry *e = &all->data[i];
    const cJSON *runs = lcl__json_child(e->file, "runs");
    bool taken[MAX_RUNS] = { false };
    group g;
    if (cJSON_GetArraySize(runs) > MAX_RUNS)
      return lcl__fail(LCL_ERR_FORMAT, "%s has more than %d runs", e->name, MAX_RUNS);
    if (i == 0 || e->table != all->data[i - 1].table) add_head(md, e, i == 0);
    while (next_group(runs, taken, &g)) {
      lcl__str_add(md, "| ");
      add_what(md, e, &g);
      add_figures(md, e, &g);
      add_schedule(md, &g);
      add_command(md, e, &g);
      cJSON_AddItemToArray(rows, row_json(e, &g));
    }
    const bool ends = i + 1 == all->n || e->table != all->data[i + 1].table;
    if (missing && ends && e->cell.table) add_missing(md, all, e->cell.table);
  }
  if (missing) add_without(md, all);
  return lcl__str_ok(md) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

lcl_status lcl__results_tables(const char *folder, const char *only, bool missing,
                               lcl_str *markdown, cJSON *rows) {
  entries all = { 0 };
  lcl_status s = read_folder(folder, only, &all);
  if (s == LCL_OK) s = write_table(&all, missing, markdown, rows);
  for (size_t i = 0; i < all.n; i++) cJSON_Delete(all.data[i].file);
  lcl__free(all.data);
  return s;
}
