/* Results as data: finished runs into files of one published cell each. */
#include "train/results.h"

#include <math.h>

#include "models/tables.h"
#include "train/report.h"
#include "train/results_file.h"

/* ---- what a run says of itself ---- */

typedef struct facts {
  const char *folder;
  lcl_run_config config;
  lcl_history history;
  const lcl_model_class *cls;
  lcl_options *set;      /* as they were given */
  lcl_settings usual;    /* what such a run has where nothing is given */
  lcl_settings settings; /* what this one had */
  cJSON *result;         /* what `reproduce` measured besides, or NULL */
  const cJSON *metrics;
  const char *method; /* of a baseline, or NULL */
  lcl_model_data data;
} facts;

static void free_facts(facts *f) {
  lcl__run_config_free(&f->config);
  lcl__history_free(&f->history);
  lcl_options_destroy(f->set);
  cJSON_Delete(f->result);
}

/* The baseline's figures where the run is one, else its test's. */
static lcl_status find_metrics(facts *f) {
  const char *method = f->result ? lcl__json_word(f->result, "method") : "";
  f->method = *method ? method : NULL;
  f->metrics = f->method ? f->result : lcl__json_child(f->history.test, "metrics");
  if (cJSON_IsObject(f->metrics)) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT,
                   "%s has no test figures: let it train to its end, with a test part "
                   "(latentcl train --resume --out %s)",
                   f->folder, f->folder);
}

static void describe_data(facts *f) {
  const cJSON *d = lcl__json_child(f->config.json, "data"), *shape = lcl__json_child(d, "shape");
  int64_t side[3] = { 1, 1, 1 };
  for (int i = 0; i < 3 && i < cJSON_GetArraySize(shape); i++)
    side[i] = (int64_t)cJSON_GetNumberValue(cJSON_GetArrayItem(shape, i));
  const double classes = lcl__json_number(d, "classes"), train = lcl__json_number(d, "train");
  f->data = (lcl_model_data) { .channels = side[0],
                               .height = side[1],
                               .width = side[2],
                               .classes = isnan(classes) ? 0 : (int)classes,
                               .train = isnan(train) ? 0 : (int64_t)train };
  snprintf(f->data.name, sizeof f->data.name, "%s", lcl__json_word(d, "format"));
}

static lcl_status read_facts(const char *folder, facts *f) {
  *f = (facts) { .folder = folder };
  LCL_TRY(lcl__read_config(folder, &f->config));
  LCL_TRY(lcl__history_read(folder, &f->history));
  LCL_TRY(lcl__read_result(folder, &f->result));
  LCL_TRY(find_metrics(f));
  LCL_TRY(lcl__run_config_class(&f->config, &f->cls));
  LCL_TRY(lcl__run_config_options(&f->config, f->cls, &f->set));
  describe_data(f);
  LCL_TRY(f->cls->defaults(f->set, &f->data, &f->usual));
  return lcl__model_settings(f->cls, f->set, &f->data, &f->settings);
}

/* ---- which cells a run is of ---- */

static bool built_in(const facts *f) {
  return !f->config.data || strncmp(f->config.data, "synthetic", 9) == 0;
}

/* The text of one of the model's own options, as the run recorded it. An option that was not there
 * yet had no effect. */
static const char *recorded(const facts *f, const lcl_option *o) {
  const cJSON *text = lcl__json_child(lcl__json_child(f->config.json, "options"), o->name);
  return cJSON_IsString(text) ? text->valuestring : o->value;
}

static bool same_text(const char *a, const char *b) {
  return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Whether the run began with another one's weights. */
static bool started(const facts *f) {
  return *lcl__json_word(f->config.json, "start") || *lcl__json_word(f->history.start, "start");
}

/* The run's own options, classes, labels and beginning are those of the cell. What changes the
 * training alone (schedule, batch, ...) does not make another experiment of it: it is recorded. */
static lcl_status is_cell(const facts *f, lcl_results_cell cell, bool *is) {
  const lcl_table *t = cell.table;
  const lcl_table_row *r = &t->rows[cell.row];
  lcl_settings settings;
  lcl_options *o;
  *is = false;
  if (r->step || !same_text(r->model ? r->model : t->model, f->cls->name) ||
      !same_text(r->method, f->method) || started(f) != (r->start != NULL))
    return LCL_OK;
  if (t->shape[0] != f->data.channels || t->shape[1] != f->data.height ||
      t->shape[2] != f->data.width || built_in(f) ||
      (t->classes && t->classes != f->data.classes) ||
      (t->examples && t->examples != f->data.train))
    return LCL_OK;
  LCL_TRY(lcl__results_cell_options(&cell, f->cls, &o));
  lcl_status s = LCL_OK;
  bool same = same_text(lcl_option_text(o, "only_classes"),
                        lcl_option_text(f->set, "only_classes"));
  for (size_t i = 0; i < f->cls->n_options; i++) {
    const lcl_option *own = &f->cls->options[i];
    same = same && same_text(lcl_option_text(o, own->name), recorded(f, own));
  }
  if (same) s = lcl__model_settings(f->cls, o, &f->data, &settings);
  *is = s == LCL_OK && same && settings.labels_per_class == f->settings.labels_per_class;
  lcl_options_destroy(o);
  return s;
}

/* Epochs of the published schedule: the cell's, or the model's own. */
static lcl_status published_epochs(const facts *f, const lcl_results_cell *cell, int *epochs) {
  lcl_settings settings;
  lcl_options *o;
  *epochs = f->usual.epochs;
  if (!cell->table) return LCL_OK;
  LCL_TRY(lcl__results_cell_options(cell, f->cls, &o));
  const lcl_status s = lcl__model_settings(f->cls, o, &f->data, &settings);
  if (s == LCL_OK) *epochs = settings.epochs;
  lcl_options_destroy(o);
  return s;
}

/* ---- one run as JSON ---- */

/* What the setting would be if it had not been given; "": no setting, or not known. */
static const char *text_without(const facts *f, const char *name, char text[32]) {
  lcl_settings settings;
  lcl_options *others = NULL;
  lcl_status s = lcl_model_options(f->cls, &others);
  for (size_t i = 0; i < lcl_options_count(f->set) && s == LCL_OK; i++) {
    const char *other = lcl_options_at(f->set, i)->name;
    if (lcl_option_given(f->set, other) && strcmp(other, name) != 0)
      s = lcl_options_set(others, other, lcl_option_text(f->set, other));
  }
  if (s == LCL_OK) s = lcl__model_settings(f->cls, others, &f->data, &settings);
  lcl_options_destroy(others);
  return s == LCL_OK ? lcl__setting_text(&settings, name, text) : "";
}

/* What was given and is not so anyway: what a command has to say to train it again. Subset and seed
 * stand apart. */
static cJSON *given(const facts *f) {
  cJSON *set = cJSON_CreateObject();
  const cJSON *item;
  cJSON_ArrayForEach(item, lcl__json_members(f->config.json, "set")) {
    const char *name = item->string, *text = item->valuestring;
    char usual[32];
    const lcl_option *o = NULL;
    for (size_t i = 0; i < lcl_options_count(f->set); i++)
      if (same_text(lcl_options_at(f->set, i)->name, name)) o = lcl_options_at(f->set, i);
    const bool labels = same_text(name, "labels_per_class") && f->usual.labels_per_class > 0;
    bool plain = o && *o->value && same_text(o->value, text) && !labels;
    plain = plain || same_text(text_without(f, name, usual), text);
    if (!plain && !same_text(name, "subset")) cJSON_AddStringToObject(set, name, text);
  }
  return set;
}

static void add_text(cJSON *o, const char *name, const char *text, const char *otherwise) {
  if (text && *text)
    cJSON_AddStringToObject(o, name, text);
  else if (otherwise && *otherwise)
    cJSON_AddStringToObject(o, name, otherwise);
}

static int epochs_done(const facts *f) {
  const size_t n = f->history.epochs.n;
  return n ? (int)lcl__json_number(f->history.epochs.data[n - 1], "epoch") : 0;
}

static cJSON *values_of(const facts *f) {
  cJSON *values = cJSON_CreateObject();
  const cJSON *item;
  cJSON_ArrayForEach(item, f->metrics) {
    if (cJSON_IsNumber(item) && strcmp(item->string, "seconds") != 0 &&
        strcmp(item->string, "best_epoch") != 0)
      cJSON_AddNumberToObject(values, item->string, item->valuedouble);
  }
  return values;
}

static cJSON *run_json(const lcl_results_add_desc *d, const facts *f, int schedule, double value) {
  const cJSON *config = f->config.json;
  const char *data = f->config.data ? strrchr(f->config.data, '/') : NULL;
  cJSON *o = cJSON_CreateObject();
  cJSON_AddStringToObject(o, "from", "run");
  add_text(o, "created", lcl__json_word(config, "created"), NULL);
  add_text(o, "commit", lcl__json_word(config, "commit"), d->commit);
  add_text(o, "device", lcl__json_word(config, "device"), NULL);
  add_text(o, "driver", lcl__json_word(config, "driver"), d->driver);
  cJSON_AddStringToObject(o, "seed", lcl__json_word(config, "seed"));
  cJSON_AddNumberToObject(o, "subset", (double)lcl_option_int(f->set, "subset"));
  add_text(o, "data", data ? data + 1 : f->config.data, "built-in digits");
  cJSON_AddNumberToObject(o, "examples", (double)f->data.train);
  cJSON_AddItemToObject(o, "set", given(f));
  add_text(o, "method", f->method, NULL);
  add_text(o, "note", d->note, NULL);
  cJSON_AddNumberToObject(o, "epochs", epochs_done(f));
  cJSON_AddNumberToObject(o, "schedule", schedule);
  cJSON_AddBoolToObject(o, "stopped_early", f->history.stop != NULL);
  cJSON_AddNumberToObject(o, "value", value);
  cJSON_AddItemToObject(o, "values", values_of(f));
  return o;
}

/* ---- into the files ---- */

/* Every option of a is one of b, but for those that a resume may change. */
static bool options_within(const cJSON *a, const cJSON *b) {
  const cJSON *o;
  cJSON_ArrayForEach(o, lcl__json_members(a, "set")) {
    if (lcl__is_length(o->string)) continue;
    if (!same_text(o->valuestring, lcl__json_word(lcl__json_child(b, "set"), o->string)))
      return false;
  }
  return true;
}

static bool same_run(const cJSON *a, const cJSON *b) {
  const char *created = lcl__json_word(a, "created");
  return *created && same_text(created, lcl__json_word(b, "created")) &&
         same_text(lcl__json_word(a, "seed"), lcl__json_word(b, "seed")) &&
         same_text(lcl__json_word(a, "data"), lcl__json_word(b, "data")) &&
         same_text(lcl__json_word(a, "method"), lcl__json_word(b, "method")) &&
         lcl__json_number(a, "examples") == lcl__json_number(b, "examples") &&
         lcl__json_number(a, "subset") == lcl__json_number(b, "subset") && options_within(a, b) &&
         options_within(b, a);
}

/* In the place of what the same run gave before, else at the end. */
static void put_run(cJSON *file, cJSON *run) {
  cJSON *runs = cJSON_GetObjectItemCaseSensitive(file, "runs");
  for (int i = 0; i < cJSON_GetArraySize(runs); i++) {
    if (!same_run(cJSON_GetArrayItem(runs, i), run)) continue;
    cJSON_ReplaceItemInArray(runs, i, run);
    return;
  }
  cJSON_AddItemToArray(runs, run);
}

static cJSON *new_file(const lcl_results_add_desc *d, const facts *f, const lcl_results_cell *cell,
                       const char *metric) {
  cJSON *file = cJSON_CreateObject();
  cJSON_AddStringToObject(file, "schema", LCL_RESULTS_SCHEMA);
  if (cell->table)
    lcl__results_cell_json(file, cell);
  else
    cJSON_AddStringToObject(file, "title", d->title);
  cJSON_AddStringToObject(file, "model", f->cls->name);
  cJSON_AddStringToObject(file, "metric", metric);
  cJSON_AddStringToObject(file, "unit",
                          cell->table                  ? cell->table->unit
                          : strstr(metric, "_percent") ? "%"
                          : strcmp(metric, "nll") == 0 ? "nats"
                                                       : "");
  cJSON_AddArrayToObject(file, "runs");
  return file;
}

/* The first metric that is none of every evaluation's. */
static const char *first_metric(const facts *f) {
  const cJSON *item;
  cJSON_ArrayForEach(item, f->metrics) {
    if (cJSON_IsNumber(item) && strcmp(item->string, "n") != 0 && strcmp(item->string, "loss") != 0)
      return item->string;
  }
  return "loss";
}

static lcl_status write_file(const char *folder, const char *name, const cJSON *file) {
  char *path = lcl__path_join(folder, name), *text = lcl__json_print(file, true);
  lcl_str s = { 0 };
  if (text) lcl__str_add(&s, "%s\n", text);
  const lcl_status st = path && text && lcl__str_ok(&s) ? lcl__file_write_atomic(path, s.data, s.n)
                                                        : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&s);
  lcl__free(path);
  free(text);
  return st;
}

static bool noted(const cJSON *files, const char *name) {
  const cJSON *item;
  cJSON_ArrayForEach(item, files) {
    if (same_text(item->valuestring, name)) return true;
  }
  return false;
}

static lcl_status add_to(const lcl_results_add_desc *d, const facts *f, lcl_results_cell cell,
                         cJSON *files) {
  const char *metric = cell.table  ? lcl__table_metric(cell.table, cell.column)
                       : d->metric ? d->metric
                                   : first_metric(f);
  const double value = lcl__json_number(f->metrics, metric);
  char name[256];
  int schedule = 0;
  cJSON *file = NULL;
  if (isnan(value))
    return lcl__fail(LCL_ERR_ARGUMENT, "the test figures of %s have no \"%s\"", f->folder, metric);
  lcl__results_file_name(&cell, d->name, name);
  LCL_TRY(published_epochs(f, &cell, &schedule));
  if (lcl__table_untrained(f->method)) schedule = 0;
  LCL_TRY(lcl__results_read(d->out, name, &file));
  if (!file) file = new_file(d, f, &cell, metric);
  lcl_status s = LCL_OK;
  if (!same_text(lcl__json_word(file, "model"), f->cls->name) ||
      !same_text(lcl__json_word(file, "metric"), metric))
    s = lcl__fail(LCL_ERR_ARGUMENT, "%s in %s is of %s by %s, not of %s by %s: give another --name",
                  name, d->out, lcl__json_word(file, "model"), lcl__json_word(file, "metric"),
                  f->cls->name, metric);
  if (s == LCL_OK && !cell.table && lcl__json_child(file, "cell"))
    s = lcl__fail(LCL_ERR_ARGUMENT, "%s in %s is a published cell's: give another --name", name,
                  d->out);
  if (s == LCL_OK && !cell.table && !same_text(lcl__json_word(file, "title"), d->title))
    s = lcl__fail(LCL_ERR_ARGUMENT, "%s in %s has the title \"%s\": give that or another --name",
                  name, d->out, lcl__json_word(file, "title"));
  cJSON *run = run_json(d, f, schedule, value);
  if (s == LCL_OK) s = lcl__results_check_run(&cell, name, file, run);
  if (s == LCL_OK)
    put_run(file, run);
  else
    cJSON_Delete(run);
  if (s == LCL_OK) s = write_file(d->out, name, file);
  if (s == LCL_OK && !noted(files, name)) cJSON_AddItemToArray(files, cJSON_CreateString(name));
  cJSON_Delete(file);
  return s;
}

static lcl_status add_run(const lcl_results_add_desc *d, const facts *f, cJSON *files) {
  lcl_results_cell cell = { 0 };
  int found = 0;
  if (d->cell) {
    LCL_TRY(lcl__results_find_cell(d->cell, &cell));
    return add_to(d, f, cell, files);
  }
  for (size_t i = 0; i < lcl__table_count && !d->name; i++) {
    for (int k = 0; k < lcl__tables[i]->n_rows * lcl__tables[i]->n_columns; k++) {
      const int columns = lcl__tables[i]->n_columns;
      bool is;
      cell = (lcl_results_cell) { lcl__tables[i], k / columns, k % columns };
      LCL_TRY(is_cell(f, cell, &is));
      if (is) LCL_TRY(add_to(d, f, cell, files));
      found += is;
    }
  }
  if (found) return LCL_OK;
  if (d->name && d->title) return add_to(d, f, (lcl_results_cell) { 0 }, files);
  return lcl__fail(
      LCL_ERR_ARGUMENT,
      "%s has the options or the data of no cell of `latentcl reproduce`: say which it stands for "
      "(--cell \"TABLE ROW COLUMN\"), or what it is (--name and --title)",
      f->folder);
}

lcl_status lcl__results_add(const lcl_results_add_desc *desc, cJSON *files) {
  enum { NAME = 250 }; /* .json has to follow in a file's name */
  if (desc->name && (desc->name[0] == '.' || strlen(desc->name) > NAME))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "a name of results begins with no point and has at most %d characters", NAME);
  for (size_t i = 0; i < desc->n_runs; i++) {
    facts f;
    lcl_status s = read_facts(desc->runs[i], &f);
    if (s == LCL_OK) s = add_run(desc, &f, files);
    free_facts(&f);
    LCL_TRY(s);
  }
  return LCL_OK;
}
