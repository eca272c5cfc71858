/* Published tables run again, cell by cell. */
#include <limits.h>
#include <math.h>

#include "base/folder.h"
#include "device/ranks.h"
#include "latentcl/version.h"
#include "models/build.h"
#include "models/tables.h"
#include "train/results_file.h"
#include "train/session.h"

enum { MAX_TRIALS = 64, MAX_PAIRS = 256 };

typedef struct cell {
  double value[MAX_TRIALS], held_out[MAX_TRIALS]; /* held_out: of the validation part, or NAN */
  int n;
} cell;

typedef struct job {
  lcl_context *ctx;
  const lcl_reproduce_desc *d;
  const lcl_table *table;
  char folder[1024];
  cell *cells; /* rows x columns */
  lcl_progress progress;
} job;

size_t lcl_reproduce_count(void) {
  return lcl__table_count;
}
const char *lcl_reproduce_name(size_t i) {
  return i < lcl__table_count ? lcl__tables[i]->name : NULL;
}
const char *lcl_reproduce_title(size_t i) {
  return i < lcl__table_count ? lcl__tables[i]->title : NULL;
}

/* ---- choosing rows and columns ---- */

static bool listed(const char *list, const char *key) {
  size_t n = strlen(key);
  if (!list) return true;
  for (const char *p = list; *p;) {
    size_t m = strcspn(p, ",");
    if (m == n && strncmp(p, key, n) == 0) return true;
    p += m;
    if (*p == ',') p++;
  }
  return false;
}

typedef const char *(*key_at)(const lcl_table *t, int i);
/* NULL: a step of other rows, which is no row to ask for. */
static const char *row_key(const lcl_table *t, int i) {
  return t->rows[i].step ? NULL : t->rows[i].key;
}
static const char *column_key(const lcl_table *t, int i) {
  return t->columns[i].key;
}

/* Every name of the list must exist. */
static lcl_status check_list(const lcl_table *t, const char *list, const char *what, key_at key,
                             int n) {
  for (const char *p = list; p && *p;) {
    size_t m = strcspn(p, ",");
    bool found = false;
    for (int i = 0; i < n && !found; i++)
      found = key(t, i) && strlen(key(t, i)) == m && strncmp(p, key(t, i), m) == 0;
    if (!found) {
      lcl_str names = { 0 };
      for (int i = 0; i < n; i++)
        if (key(t, i)) lcl__str_add(&names, "%s%s", names.n ? ", " : "", key(t, i));
      lcl_status s = lcl__fail(LCL_ERR_ARGUMENT, "%s has no %s \"%.*s\"; it has: %s", t->name, what,
                               (int)m, p, names.data ? names.data : "");
      lcl__str_free(&names);
      return s;
    }
    p += m;
    if (*p == ',') p++;
  }
  return LCL_OK;
}

static bool wanted(const job *j, int row, int column) {
  return listed(j->d->rows, j->table->rows[row].key) && !j->table->rows[row].step &&
         listed(j->d->columns, j->table->columns[column].key);
}

static int trials_of(const job *j, int column) {
  int own = j->table->columns[column].trials, asked = j->d->trials > 0 ? j->d->trials : 3;
  return LCL_MIN(own > 0 ? own : asked, MAX_TRIALS);
}

/* ---- one cell ---- */

typedef struct pairs {
  const char *item[MAX_PAIRS];
  size_t n;
} pairs;

static void add_pairs(pairs *p, const char *const *set, size_t most) {
  for (size_t i = 0; i < most && set[i] && p->n + 1 < LCL_COUNT(p->item); i++)
    p->item[p->n++] = set[i];
}

/* Which run of the table. */
typedef struct place {
  int row, column, trial;
} place;

static void run_folder(const job *j, place p, char out[1400]) {
  const lcl_table_column *c = &j->table->columns[p.column];
  snprintf(out, 1400, "%s/%s/%s/%d%s", j->folder, j->table->rows[p.row].key,
           c->run ? c->run : c->key, p.trial + 1, j->d->quick ? "-quick" : "");
}

/* What a finished run recorded; false: not finished. */
static bool finished(const job *j, place p, const char *folder, double *value, double *held_out) {
  const char *metric = lcl__table_metric(j->table, p.column);
  cJSON *json;
  if (lcl__read_result(folder, &json) != LCL_OK || !json) return false;
  *value = lcl__json_number(json, metric);
  *held_out = lcl__json_number(lcl__json_child(json, "validation"), metric);
  const bool done = j->table->rows[p.row].step || !isnan(*value);
  cJSON_Delete(json);
  return done;
}

static lcl_status record(const char *folder, const char *method, const lcl_train_result *r) {
  cJSON *json = cJSON_CreateObject();
  for (int i = 0; i < r->test.n; i++)
    cJSON_AddNumberToObject(json, r->test.item[i].name, r->test.item[i].value);
  cJSON_AddNumberToObject(json, "best_epoch", r->best_epoch);
  cJSON_AddNumberToObject(json, "seconds", r->seconds);
  if (method) cJSON_AddStringToObject(json, "method", method);
  if (r->validation.n) lcl__json_metrics(json, "validation", &r->validation);
  char *text = lcl__json_print(json, true), *path = lcl__path_join(folder, "result.json");
  cJSON_Delete(json);
  lcl_status s = text && path ? lcl__file_write_atomic(path, text, strlen(text))
                              : LCL_ERR_HOST_MEMORY;
  free(text);
  lcl__free(path);
  return s;
}

static lcl_status check_data(const job *j, const char *folder, const lcl_run_config *c) {
  char full[PATH_MAX];
  const char *wanted = j->d->data;
  if (wanted && realpath(wanted, full)) wanted = full;
  const bool same = wanted && c->data ? strcmp(wanted, c->data) == 0 : !wanted && !c->data;
  return same ? LCL_OK
              : lcl__fail(LCL_ERR_ARGUMENT, "%s was trained on %s, not on %s: give another --out",
                          folder, c->data ? c->data : "the built-in digits",
                          wanted ? wanted : "the built-in digits");
}

static const char *model_of(const job *j, place at) {
  const char *own = j->table->rows[at.row].model;
  return own ? own : j->table->model;
}

/* Whether an option for every cell changes anything in those of a row; an error for what the row's
 * model refuses. */
static lcl_status changes_row(const job *j, int row, const char *pair, bool *changes) {
  const lcl_table *t = j->table;
  const lcl_model_data data = {
    .channels = t->shape[0], .height = t->shape[1], .width = t->shape[2], .classes = t->classes
  };
  const lcl_model_class *cls;
  lcl_options *o;
  LCL_TRY(lcl_model_find(model_of(j, (place) { .row = row }), &cls));
  LCL_TRY(lcl__results_cell_options(&(lcl_results_cell) { t, row, 0 }, cls, &o));
  lcl_status s = LCL_OK;
  for (size_t i = 0; s == LCL_OK && i < j->d->n_set; i++) s = lcl_options_set_pair(o, j->d->set[i]);
  if (s == LCL_OK) {
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(pair, "="), pair);
    *changes = lcl__check_option_used(cls, o, &data, name) == LCL_OK;
  } else {
    lcl__fail_prefix(s, "%s", cls->name);
  }
  lcl_options_destroy(o);
  return s;
}

/* All that a run is told, option with the trial's; of the options for every cell what changes
 * anything here. */
static void pairs_of(const job *j, place at, char option[64], pairs *p) {
  const lcl_table *t = j->table;
  p->n = lcl__table_pairs(t, at.row, at.column, p->item);
  if (j->d->quick) add_pairs(p, t->quick, LCL_TABLE_SET);
  for (size_t i = 0; i < j->d->n_set; i++) {
    bool changes = true;
    if (changes_row(j, at.row, j->d->set[i], &changes) != LCL_OK || changes)
      add_pairs(p, &j->d->set[i], 1);
  }
  snprintf(option, 64, "%s=%d", t->trial_option ? t->trial_option : "subset", at.trial);
  p->item[p->n++] = option;
}

/* done: the run is at its end; else its length may be given anew. */
static lcl_status compare_options(const char *folder, const lcl_options *had,
                                  const lcl_options *wanted, bool done) {
  for (size_t i = 0; i < lcl_options_count(wanted); i++) {
    const char *name = lcl_options_at(wanted, i)->name, *was = lcl_option_text(had, name),
               *is = lcl_option_text(wanted, name);
    const bool anew = !done && lcl__is_length(name) && lcl_option_given(wanted, name);
    if (strcmp(was, is) != 0 && !anew)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "%s was trained with %s=\"%s\", not \"%s\": give another --out", folder,
                       name, was, is);
  }
  return LCL_OK;
}

/* A run that is there already must be of the same data and options. */
static lcl_status check_run(const job *j, place at, const char *folder, bool done) {
  char option[64];
  pairs p;
  lcl_run_config c;
  const lcl_model_class *cls;
  lcl_options *had = NULL, *wanted = NULL;
  pairs_of(j, at, option, &p);
  LCL_TRY(lcl__read_config(folder, &c));
  lcl_status s = check_data(j, folder, &c);
  if (s == LCL_OK) s = lcl_model_find(model_of(j, at), &cls);
  if (s == LCL_OK) s = lcl__run_config_options(&c, cls, &had);
  if (s == LCL_OK) s = lcl_model_options(cls, &wanted);
  for (size_t i = 0; i < p.n && s == LCL_OK; i++) s = lcl_options_set_pair(wanted, p.item[i]);
  if (s == LCL_OK) s = compare_options(folder, had, wanted, done);
  lcl_options_destroy(had);
  lcl_options_destroy(wanted);
  lcl__run_config_free(&c);
  return s;
}

static lcl_status train_run(job *j, place at, const char *folder, const char *start, bool resume,
                            lcl_train_result *result) {
  const lcl_table_row *r = &j->table->rows[at.row];
  char option[64];
  pairs p;
  pairs_of(j, at, option, &p);
  lcl_train_desc d = { .model = model_of(j, at),
                       .set = p.item,
                       .n_set = p.n,
                       .data = j->d->data,
                       .out = folder,
                       .start = resume ? NULL : start, /* its own weights are ahead of those */
                       .seed = (uint64_t)at.trial + 1,
                       .resume = resume,
                       .quiet = true,
                       .test = !r->method && !r->step,
                       .max_steps = lcl__table_untrained(r->method) ? 1 : 0,
                       .commit = j->d->commit,
                       .interrupted = j->d->interrupted };
  return lcl_train(j->ctx, &d, result);
}

/* A baseline's figures take the place of the test's. Those of codes have the model's bits. */
static lcl_status run_method(job *j, place at, const char *folder, lcl_metrics *m) {
  lcl_run_folder *run;
  lcl_assignment_desc d = { .split = "all",
                            .method = j->table->rows[at.row].method,
                            .seed = (uint64_t)at.trial };
  LCL_TRY(lcl_run_open(j->ctx, folder, j->d->data, &run));
  lcl_status s;
  if (strncmp(d.method, "k-means", 7) == 0) {
    s = lcl_run_cluster(run, &d, m);
  } else {
    d.k = (int)lcl_option_int(lcl__run_session(run)->options, "bits");
    s = lcl_run_hash(run, &d, m);
  }
  lcl_run_close(run);
  return s;
}

static void say_value(job *j, place at, double value, const lcl_train_result *result) {
  const lcl_table *t = j->table;
  char line[256], time[32];
  lcl__format_duration(result->seconds, time);
  lcl__snprintf(line, sizeof line, "%s, %s, trial %d: %.2f %s (epoch %d, %s)",
                t->rows[at.row].label, t->columns[at.column].label, at.trial + 1, value, t->unit,
                result->best_epoch, time);
  lcl__progress_line(&j->progress, line);
}

static lcl_status measure(job *j, place at, const char *start, double *value, double *held_out) {
  const lcl_table_row *r = &j->table->rows[at.row];
  const char *metric = lcl__table_metric(j->table, at.column);
  char folder[1400];
  lcl_train_result result;
  run_folder(j, at, folder);
  char *config = lcl__path_join(folder, "config.json");
  const bool resume = config && lcl__file_exists(config);
  lcl__free(config);
  const bool done = finished(j, at, folder, value, held_out);
  if (resume || done) LCL_TRY(check_run(j, at, folder, done));
  if (done) return LCL_OK;
  LCL_TRY(train_run(j, at, folder, start, resume, &result));
  if (r->method) LCL_TRY(run_method(j, at, folder, &result.test));
  const double *v = lcl_metrics_get(&result.test, metric);
  const double *h = lcl_metrics_get(&result.validation, metric);
  if (r->step) return record(folder, NULL, &result);
  if (!v)
    return lcl__fail(LCL_ERR_ARGUMENT, "%s: the test gave no \"%s\" (no test split, no labels?)",
                     folder, metric);
  *value = *v;
  *held_out = h ? *h : NAN;
  say_value(j, at, *value, &result);
  return record(folder, r->method, &result);
}

/* A row that begins with another one's weights lets that be trained first. */
static lcl_status measure_cell(job *j, place at, double *value, double *held_out) {
  int chain[LCL_TABLE_CHAIN] = { at.row }, n = 1;
  char before[1400];
  const lcl_table_row *rows = j->table->rows;
  while (n < LCL_TABLE_CHAIN && rows[chain[n - 1]].start) {
    chain[n] = lcl__table_row_index(j->table, rows[chain[n - 1]].start);
    n++;
  }
  for (int i = n - 1; i >= 0; i--) {
    const place here = { chain[i], at.column, at.trial };
    if (i + 1 < n) run_folder(j, (place) { chain[i + 1], at.column, at.trial }, before);
    LCL_TRY(measure(j, here, i + 1 < n ? before : NULL, value, held_out));
  }
  return LCL_OK;
}

/* ---- the table's files ---- */

/* Mean and population standard deviation, as published. */
static void moments(const cell *c, double *mean, double *std) {
  double sum = 0, square = 0;
  for (int i = 0; i < c->n; i++) sum += c->value[i];
  *mean = c->n ? sum / c->n : NAN;
  for (int i = 0; i < c->n; i++) square += (c->value[i] - *mean) * (c->value[i] - *mean);
  *std = c->n ? sqrt(square / c->n) : NAN;
}

static void markdown_cell(lcl_str *o, const cell *c, lcl_table_cell published) {
  double mean, std;
  moments(c, &mean, &std);
  if (c->n == 0)
    lcl__str_add(o, " -");
  else if (c->n == 1)
    lcl__str_add(o, " **%.2f**", mean);
  else
    lcl__str_add(o, " **%.2f** (%.2f)", mean, std);
  if (published.mean >= 0 && published.std > 0)
    lcl__str_add(o, " / %.2f (%.2f) |", published.mean, published.std);
  else if (published.mean >= 0)
    lcl__str_add(o, " / %.2f |", published.mean);
  else
    lcl__str_add(o, " |");
}

static bool any_in_column(const job *j, int column) {
  for (int r = 0; r < j->table->n_rows; r++)
    if (j->cells[r * j->table->n_columns + column].n) return true;
  return false;
}

/* ---- a search: which cell is the best ---- */

typedef struct found {
  int row, column;
  double held_out, test; /* means over the trials */
} found;

static double mean_of(const double *v, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += v[i];
  return sum / n;
}

/* The cell whose figure is smallest, that of the held-out part or that of the test part. False: no
 * cell has one. */
static bool best_cell(const job *j, bool by_test, found *best) {
  bool any = false;
  for (int r = 0; r < j->table->n_rows; r++) {
    for (int c = 0; c < j->table->n_columns; c++) {
      const cell *x = &j->cells[r * j->table->n_columns + c];
      if (!x->n) continue;
      const found f = { r, c, mean_of(x->held_out, x->n), mean_of(x->value, x->n) };
      const double figure = by_test ? f.test : f.held_out,
                   so_far = by_test ? best->test : best->held_out;
      if (isnan(figure) || (any && figure >= so_far)) continue;
      *best = f;
      any = true;
    }
  }
  return any;
}

/* Whoever chooses by the test part reports a figure that nothing new will have: the two are told
 * apart. */
static void search_text(lcl_str *o, const job *j) {
  static const char *const chosen[] = { "the held-out part", "the test part itself" };
  for (int by_test = 0; j->table->search && by_test < 2; by_test++) {
    found f;
    if (best_cell(j, by_test, &f))
      lcl__str_add(o, "\nChosen by %s: %s, %s: test %.2f %s, held-out %.2f %s.\n", chosen[by_test],
                   j->table->rows[f.row].label, j->table->columns[f.column].label, f.test,
                   j->table->unit, f.held_out, j->table->unit);
  }
}

static void search_json(cJSON *root, const job *j) {
  static const char *const keys[] = { "chosen_by_held_out", "chosen_by_test" };
  for (int by_test = 0; j->table->search && by_test < 2; by_test++) {
    found f;
    if (!best_cell(j, by_test, &f)) continue;
    cJSON *o = cJSON_AddObjectToObject(root, keys[by_test]);
    cJSON_AddStringToObject(o, "row", j->table->rows[f.row].key);
    cJSON_AddStringToObject(o, "column", j->table->columns[f.column].key);
    cJSON_AddNumberToObject(o, "test", f.test);
    cJSON_AddNumberToObject(o, "held_out", f.held_out);
  }
}

/* ---- the whole table ---- */

static void markdown(lcl_str *o, const job *j) {
  const lcl_table *t = j->table;
  lcl__str_add(
      o,
      "%s, %s. **Ours** / published (%s): mean (standard deviation) over the trials. Device: %s.%s",
      t->title, t->unit, t->source, lcl_context_device_name(j->ctx),
      j->d->quick ? " Quick version: shorter training." : "");
  const char *data = j->d->data ? j->d->data : "the built-in synthetic digits";
  if (!j->d->data || strncmp(data, "synthetic", 9) == 0)
    lcl__str_add(o, " Ours on %s, not on the published data: only the order of the rows compares.",
                 data);
  else
    lcl__str_add(o, " Data: %s.", data);
  lcl__str_add(o, "\n\n| |");
  for (int c = 0; c < t->n_columns; c++)
    if (any_in_column(j, c)) lcl__str_add(o, " %s |", t->columns[c].label);
  lcl__str_add(o, "\n|---|");
  for (int c = 0; c < t->n_columns; c++)
    if (any_in_column(j, c)) lcl__str_add(o, "---|");
  for (int r = 0; r < t->n_rows; r++) {
    if (!listed(j->d->rows, t->rows[r].key) || t->rows[r].step) continue;
    lcl__str_add(o, "\n| %s |", t->rows[r].label);
    for (int c = 0; c < t->n_columns; c++)
      if (any_in_column(j, c))
        markdown_cell(o, &j->cells[r * t->n_columns + c], t->rows[r].cell[c]);
  }
  lcl__str_add(o, "\n");
  search_text(o, j);
}

static cJSON *json_table(const job *j) {
  const lcl_table *t = j->table;
  cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "cells");
  cJSON_AddStringToObject(root, "table", t->name);
  cJSON_AddStringToObject(root, "source", t->source);
  cJSON_AddStringToObject(root, "metric", t->metric);
  cJSON_AddStringToObject(root, "latentcl", LCL_VERSION_STRING);
  cJSON_AddStringToObject(root, "device", lcl_context_device_name(j->ctx));
  cJSON_AddStringToObject(root, "data", j->d->data ? j->d->data : "synthetic");
  cJSON_AddBoolToObject(root, "quick", j->d->quick);
  for (int r = 0; r < t->n_rows; r++) {
    for (int c = 0; c < t->n_columns; c++) {
      const cell *x = &j->cells[r * t->n_columns + c];
      lcl_table_cell published = t->rows[r].cell[c];
      double mean, std;
      if (x->n == 0) continue;
      moments(x, &mean, &std);
      cJSON *o = cJSON_CreateObject();
      cJSON_AddStringToObject(o, "row", t->rows[r].key);
      cJSON_AddStringToObject(o, "column", t->columns[c].key);
      cJSON_AddItemToObject(o, "values", cJSON_CreateDoubleArray(x->value, x->n));
      cJSON_AddNumberToObject(o, "mean", mean);
      cJSON_AddNumberToObject(o, "std", std);
      if (published.mean >= 0)
        cJSON_AddNumberToObject(o, "published_mean", lcl__results_printed(published.mean));
      if (published.std > 0)
        cJSON_AddNumberToObject(o, "published_std", lcl__results_printed(published.std));
      if (t->columns[c].metric) cJSON_AddStringToObject(o, "metric", t->columns[c].metric);
      cJSON_AddItemToArray(list, o);
    }
  }
  search_json(root, j);
  return root;
}

static lcl_status write_files(const job *j, char **text) {
  lcl_str md = { 0 };
  cJSON *json = json_table(j);
  char *printed = lcl__json_print(json, true), *md_path = lcl__path_join(j->folder, "table.md"),
       *json_path = lcl__path_join(j->folder, "table.json");
  cJSON_Delete(json);
  markdown(&md, j);
  lcl_status s = printed && md_path && json_path && lcl__str_ok(&md) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (s == LCL_OK) s = lcl__file_write_atomic(json_path, printed, strlen(printed));
  if (s == LCL_OK) s = lcl__file_write_atomic(md_path, md.data, md.n);
  if (s == LCL_OK && text) {
    free(*text);
    *text = strdup(md.data);
    if (!*text) s = LCL_ERR_HOST_MEMORY;
  }
  free(printed);
  lcl__free(md_path);
  lcl__free(json_path);
  lcl__str_free(&md);
  return s;
}

static lcl_status run_cells(job *j, char **text) {
  const lcl_table *t = j->table;
  for (int c = 0; c < t->n_columns; c++) {
    for (int r = 0; r < t->n_rows; r++) {
      cell *x = &j->cells[r * t->n_columns + c];
      for (int k = 0; wanted(j, r, c) && k < trials_of(j, c); k++) {
        LCL_TRY(measure_cell(j, (place) { r, c, k }, &x->value[k], &x->held_out[k]));
        x->n = k + 1;
        LCL_TRY(write_files(j, text));
      }
    }
  }
  return LCL_OK;
}

/* ---- jobs: what one process has to do as a whole ---- */

typedef struct unit {
  place first; /* of its cells, in the table's order */
  int root;    /* row with which its chains begin */
  int column;  /* whose runs they are */
  int cells, open;
  double seconds; /* that other trials took; 0: unknown */
} unit;

typedef struct units {
  unit *data;
  size_t n, cap;
} units;

static int root_of(const lcl_table *t, int row) {
  for (int i = 0; i < LCL_TABLE_CHAIN && t->rows[row].start; i++)
    row = lcl__table_row_index(t, t->rows[row].start);
  return row;
}

static int runs_of(const lcl_table *t, int column) {
  const char *run = t->columns[column].run;
  return run ? lcl__table_column_index(t, run) : column;
}

/* Two processes never train the same run: cells that share one are in one unit. */
static unit *unit_of(const job *j, units *all, place p) {
  const int root = root_of(j->table, p.row), column = runs_of(j->table, p.column);
  for (size_t i = 0; i < all->n; i++) {
    unit *u = &all->data[i];
    if (u->root == root && u->column == column && u->first.trial == p.trial) return u;
  }
  const unit fresh = { .first = p, .root = root, .column = column };
  return LCL_PUSH(all, fresh) ? &all->data[all->n - 1] : NULL;
}

/* Seconds that a finished run took, 0: not known. */
static double seconds_of(const job *j, place p) {
  char folder[1400];
  cJSON *json;
  run_folder(j, p, folder);
  if (lcl__read_result(folder, &json) != LCL_OK || !json) return 0;
  const double seconds = lcl__json_number(json, "seconds");
  cJSON_Delete(json);
  return isnan(seconds) ? 0 : seconds;
}

static lcl_status find_units(const job *j, units *all) {
  const lcl_table *t = j->table;
  for (int c = 0; c < t->n_columns; c++)
    for (int r = 0; r < t->n_rows; r++)
      for (int k = 0; wanted(j, r, c) && k < trials_of(j, c); k++) {
        const place p = { r, c, k };
        char folder[1400];
        double value, held_out;
        unit *u = unit_of(j, all, p);
        if (!u) return LCL_ERR_HOST_MEMORY;
        run_folder(j, p, folder);
        u->cells++;
        u->open += !finished(j, p, folder, &value, &held_out);
      }
  for (size_t i = 0; i < all->n; i++)
    for (int k = 0; k < trials_of(j, all->data[i].column); k++)
      all->data[i].seconds = LCL_MAX(
          all->data[i].seconds,
          seconds_of(j, (place) { all->data[i].first.row, all->data[i].column, k }));
  return LCL_OK;
}

static lcl_status run_unit(job *j, const unit *u) {
  const lcl_table *t = j->table;
  for (int c = 0; c < t->n_columns; c++)
    for (int r = 0; r < t->n_rows; r++) {
      const place p = { r, c, u->first.trial };
      double value, held_out;
      if (!wanted(j, r, c) || u->first.trial >= trials_of(j, c) || root_of(t, r) != u->root ||
          runs_of(t, c) != u->column)
        continue;
      LCL_TRY(measure_cell(j, p, &value, &held_out));
    }
  return LCL_OK;
}

/* Dearest first: by the time of other trials, else the longest, else the last column of the table,
 * which has the most data. */
static int dearest(const void *a, const void *b) {
  const unit *x = a, *y = b;
  if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
  if (x->cells != y->cells) return y->cells - x->cells;
  if (x->column != y->column) return y->column - x->column;
  if (x->root != y->root) return x->root - y->root;
  return x->first.trial - y->first.trial;
}

/* This rank's part of what is open: each in turn takes the dearest that is left. */
static lcl_status run_share(job *j, units *all) {
  const int count = lcl_ranks_count(j->d->ranks), rank = lcl_ranks_rank(j->d->ranks);
  int turn = 0;
  qsort(all->data, all->n, sizeof *all->data, dearest);
  for (size_t i = 0; i < all->n; i++) {
    if (!all->data[i].open) continue;
    if (turn == rank) LCL_TRY(run_unit(j, &all->data[i]));
    turn = (turn + 1) % count;
  }
  return LCL_OK;
}

static lcl_status check_job(const job *j, const units *all) {
  if (j->d->job <= (int)all->n) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT,
                   "%s has the cells 1 to %zu with these rows, columns and trials, not %d",
                   j->table->name, all->n, j->d->job);
}

/* Whether runs of the row are wanted, for its cells or for those that begin with them. */
static bool is_trained(const job *j, int row) {
  const lcl_table *t = j->table;
  for (int r = 0; r < t->n_rows; r++)
    for (int at = listed(j->d->rows, t->rows[r].key) ? r : -1; at >= 0;
         at = t->rows[at].start ? lcl__table_row_index(t, t->rows[at].start) : -1)
      if (at == row) return true;
  return false;
}

/* The options for every cell, as far as they alone tell: no model of a wanted row refuses them, and
 * each changes something in one of them. */
static lcl_status check_set(const job *j) {
  for (size_t i = 0; i < j->d->n_set; i++) {
    bool somewhere = false;
    for (int r = 0; r < j->table->n_rows; r++) {
      bool here = false;
      if (is_trained(j, r)) LCL_TRY(changes_row(j, r, j->d->set[i], &here));
      somewhere |= here;
    }
    if (!somewhere)
      return lcl__fail(LCL_ERR_ARGUMENT, "option %s would change nothing in these rows of %s",
                       j->d->set[i], j->table->name);
  }
  return LCL_OK;
}

static lcl_status open_table(job *j, const lcl_reproduce_desc *d) {
  j->d = d;
  LCL_TRY(lcl__table_find(d->table, &j->table));
  LCL_TRY(check_list(j->table, d->rows, "row", row_key, j->table->n_rows));
  LCL_TRY(check_list(j->table, d->columns, "column", column_key, j->table->n_columns));
  LCL_TRY(check_set(j));
  if (d->out)
    snprintf(j->folder, sizeof j->folder, "%s", d->out);
  else
    snprintf(j->folder, sizeof j->folder, "runs/%s", d->table);
  return LCL_OK;
}

lcl_status lcl_reproduce_jobs(const lcl_reproduce_desc *d, lcl_reproduce_job *jobs, size_t room,
                              size_t *n) {
  LCL_NEED(d, n);
  LCL_NEED(d->table);
  job j = { 0 };
  units all = { 0 };
  *n = 0;
  LCL_TRY(open_table(&j, d));
  lcl_status s = find_units(&j, &all);
  if (s == LCL_OK) s = check_job(&j, &all);
  for (size_t i = 0; s == LCL_OK && jobs && i < all.n && i < room; i++) {
    const unit *u = &all.data[i];
    jobs[i] = (lcl_reproduce_job) { j.table->rows[u->first.row].key,
                                    j.table->columns[u->first.column].key, u->first.trial + 1,
                                    u->cells, u->open == 0 };
  }
  if (s == LCL_OK) *n = all.n;
  lcl__free(all.data);
  return s;
}

/* The cells of several processes, then the table by one. */
static lcl_status run_shared(job *j, bool leads, char **text) {
  units all = { 0 };
  lcl_status s = find_units(j, &all);
  s = lcl__ranks_agree(j->d->ranks, s); /* what is open is known before anybody begins */
  if (s == LCL_OK) s = lcl__ranks_agree(j->d->ranks, run_share(j, &all));
  lcl__free(all.data);
  return s == LCL_OK && leads ? run_cells(j, text) : s;
}

static lcl_status run_one_job(job *j) {
  units all = { 0 };
  lcl_status s = find_units(j, &all);
  if (s == LCL_OK) s = check_job(j, &all);
  if (s == LCL_OK) s = run_unit(j, &all.data[j->d->job - 1]);
  lcl__free(all.data);
  return s;
}

/* A process that does one job leaves the folder to others. */
static lcl_status run_locked(job *j, bool leads, char **text) {
  int lock = -1;
  const bool alone = leads && j->d->job <= 0;
  lcl_status s = leads ? lcl__mkdirs(j->folder) : LCL_OK;
  if (s == LCL_OK && alone) s = lcl__folder_lock(j->folder, &lock);
  s = lcl__ranks_agree(j->d->ranks, s);
  if (s == LCL_OK && j->d->job > 0)
    s = run_one_job(j);
  else if (s == LCL_OK)
    s = lcl_ranks_count(j->d->ranks) > 1 ? run_shared(j, leads, text) : run_cells(j, text);
  if (alone) lcl__folder_unlock(lock);
  return s;
}

lcl_status lcl_reproduce(lcl_context *ctx, const lcl_reproduce_desc *d, char **text) {
  LCL_NEED(ctx, d);
  LCL_NEED(d->table);
  job j = { .ctx = ctx };
  if (text) *text = NULL;
  LCL_TRY(open_table(&j, d));
  lcl__progress_init(&j.progress, false, d->progress, d->user);
  j.cells = lcl__alloc((size_t)(j.table->n_rows * j.table->n_columns) * sizeof *j.cells);
  if (!j.cells) return LCL_ERR_HOST_MEMORY;
  const lcl_status s = run_locked(&j, lcl_ranks_rank(d->ranks) == 0, text);
  lcl__free(j.cells);
  return s;
}
