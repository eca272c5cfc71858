/* Cells of published tables as options of their model, and whether a kept run is of its cell. */
#include "models/build.h"
#include "train/results_file.h"

bool lcl__results_by_reproduce(const lcl_results_cell *cell) {
  const lcl_table_row *row = &cell->table->rows[cell->row];
  return row->method || row->start;
}

lcl_status lcl__results_cell_options(const lcl_results_cell *cell, const lcl_model_class *cls,
                                     lcl_options **out) {
  const char *pairs[3 * LCL_TABLE_SET];
  const size_t n = lcl__table_pairs(cell->table, cell->row, cell->column, pairs);
  LCL_TRY(lcl_model_options(cls, out));
  lcl_status s = LCL_OK;
  for (size_t i = 0; i < n && s == LCL_OK; i++) s = lcl_options_set_pair(*out, pairs[i]);
  if (s == LCL_OK) return s;
  lcl_options_destroy(*out);
  *out = NULL;
  return s;
}

/* ---- a run against its cell ---- */

static lcl_status run_options(const cJSON *run, const lcl_model_class *cls, lcl_options **out) {
  const cJSON *item;
  LCL_TRY(lcl_model_options(cls, out));
  cJSON_ArrayForEach(item, lcl__json_members(run, "set")) {
    const lcl_status s = lcl_options_set(*out, item->string, item->valuestring);
    if (s == LCL_OK) continue;
    lcl_options_destroy(*out);
    *out = NULL;
    return s;
  }
  return LCL_OK;
}

/* What the command says of the model itself is what the cell says, in those options that the cell
 * gives. The run may have others: the command gives them too. */
static lcl_status same_option(const char *name, const lcl_options *cell, const lcl_options *own) {
  const char *text = lcl_option_text(own, name);
  if (!lcl_option_given(cell, name) || strcmp(lcl_option_text(cell, name), text) == 0)
    return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT, "%s would be \"%s\"; the cell has \"%s\"", name, text,
                   lcl_option_text(cell, name));
}

static lcl_status same_model(const lcl_model_class *cls, const lcl_options *cell,
                             const lcl_options *own) {
  for (size_t i = 0; i < cls->n_options; i++) LCL_TRY(same_option(cls->options[i].name, cell, own));
  return same_option("only_classes", cell, own);
}

static lcl_status same_training(const lcl_results_cell *cell, const lcl_model_class *cls,
                                const lcl_options *of_cell, const lcl_options *own,
                                const cJSON *run) {
  const lcl_table *t = cell->table;
  const lcl_model_data data = { .name = "files",
                                .channels = t->shape[0],
                                .height = t->shape[1],
                                .width = t->shape[2],
                                .classes = t->classes,
                                .train = t->examples };
  const double epochs = lcl__json_number(run, "epochs");
  lcl_settings a, b;
  LCL_TRY(lcl__model_settings(cls, of_cell, &data, &a));
  LCL_TRY(lcl__model_settings(cls, own, &data, &b));
  LCL_TRY(lcl__check_options_used(cls, own, own, &data));
  if (a.labels_per_class != b.labels_per_class)
    return lcl__fail(LCL_ERR_FORMAT, "labels_per_class would be %lld; the cell has %lld",
                     (long long)b.labels_per_class, (long long)a.labels_per_class);
  if (cJSON_IsTrue(lcl__json_child(run, "stopped_early")) || b.epochs == epochs) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT, "epochs would be %d; the run had %.0f", b.epochs, epochs);
}

lcl_status lcl__results_check_run(const lcl_results_cell *cell, const char *name, const cJSON *file,
                                  const cJSON *run) {
  if (!cell->table) return LCL_OK;
  const lcl_table *t = cell->table;
  const char *model = t->rows[cell->row].model, *method = t->rows[cell->row].method,
             *had = lcl__json_word(run, "method");
  const lcl_model_class *cls;
  lcl_options *of_cell = NULL, *own = NULL;
  if (!model) model = t->model;
  lcl_status s = lcl_model_find(lcl__json_word(file, "model"), &cls);
  if (s == LCL_OK && strcmp(cls->name, model) != 0)
    s = lcl__fail(LCL_ERR_FORMAT, "the model would be %s; the cell has %s", cls->name, model);
  if (s == LCL_OK && strcmp(had, method ? method : "") != 0)
    s = lcl__fail(LCL_ERR_FORMAT, "the method would be \"%s\"; the run had \"%s\"",
                  method ? method : "", had);
  if (s == LCL_OK && !lcl__results_by_reproduce(cell)) {
    s = lcl__results_cell_options(cell, cls, &of_cell);
    if (s == LCL_OK) s = run_options(run, cls, &own);
    if (s == LCL_OK) s = same_model(cls, of_cell, own);
    if (s == LCL_OK) s = same_training(cell, cls, of_cell, own, run);
  }
  lcl_options_destroy(of_cell);
  lcl_options_destroy(own);
  if (s == LCL_OK) return s;
  return lcl__fail_prefix(s == LCL_ERR_HOST_MEMORY ? s : LCL_ERR_FORMAT,
                          "%s: the command that repeats a run would not give its cell", name);
}
