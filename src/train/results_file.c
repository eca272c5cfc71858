/* Files of results, one a cell. */
#include <math.h>

#include "base/text.h"
#include "train/results_file.h"
#include "train/session.h"

lcl_status lcl__results_find_cell(const char *text, lcl_results_cell *out) {
  char table[128] = "", row[128] = "", column[128] = "";
  if (sscanf(text, "%127s %127s %127s", table, row, column) != 3)
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "a cell is \"TABLE ROW COLUMN\", as \"imsat/clusters imsat-vat mnist\", not \"%s\"", text);
  LCL_TRY(lcl__table_find(table, &out->table));
  out->row = lcl__table_row_index(out->table, row);
  out->column = lcl__table_column_index(out->table, column);
  if (out->row >= 0 && out->column >= 0) return LCL_OK;
  lcl_str names = { 0 };
  for (int i = 0; i < out->table->n_rows; i++)
    lcl__str_add(&names, "%s%s", i ? ", " : "", out->table->rows[i].key);
  for (int i = 0; i < out->table->n_columns; i++)
    lcl__str_add(&names, "%s%s", i ? ", " : "; columns: ", out->table->columns[i].key);
  const lcl_status s = lcl__fail(LCL_ERR_ARGUMENT, "%s has no cell \"%s %s\"; rows: %s", table, row,
                                 column, names.data ? names.data : "");
  lcl__str_free(&names);
  return s;
}

lcl_table_cell lcl__results_published(const lcl_results_cell *c) {
  return c->table->rows[c->row].cell[c->column];
}

double lcl__results_printed(float v) {
  char text[32];
  double d = v;
  lcl__snprintf(text, sizeof text, "%.6g", d);
  return lcl__parse_number(text, &d) ? d : v;
}

void lcl__results_cell_json(cJSON *file, const lcl_results_cell *c) {
  cJSON *cell = cJSON_AddObjectToObject(file, "cell");
  cJSON_AddStringToObject(cell, "table", c->table->name);
  cJSON_AddStringToObject(cell, "row", c->table->rows[c->row].key);
  cJSON_AddStringToObject(cell, "column", c->table->columns[c->column].key);
  const lcl_table_cell p = lcl__results_published(c);
  if (p.mean < 0) return;
  cJSON *published = cJSON_AddObjectToObject(file, "published");
  cJSON_AddNumberToObject(published, "mean", lcl__results_printed(p.mean));
  if (p.std > 0) cJSON_AddNumberToObject(published, "std", lcl__results_printed(p.std));
  cJSON_AddStringToObject(published, "source", c->table->source);
}

void lcl__results_file_name(const lcl_results_cell *c, const char *name, char out[256]) {
  if (c->table)
    snprintf(out, 256, "%s.%s.%s.json", c->table->name, c->table->rows[c->row].key,
             c->table->columns[c->column].key);
  else
    snprintf(out, 256, "%s.json", name);
  for (char *p = out; *p; p++)
    if (*p == '/') *p = '-';
}

static const lcl_json_field file_fields[] = {
  { "schema", LCL_JSON_TEXT, true }, { "cell", LCL_JSON_TEXTS },
  { "title", LCL_JSON_TEXT },        { "model", LCL_JSON_TEXT, true },
  { "metric", LCL_JSON_TEXT, true }, { "unit", LCL_JSON_TEXT, true },
  { "published", LCL_JSON_SCALARS }, { "runs", LCL_JSON_ROWS, true },
};
static const lcl_json_field run_fields[] = {
  { "from", LCL_JSON_TEXT, true },
  { "created", LCL_JSON_TEXT },
  { "commit", LCL_JSON_TEXT },
  { "device", LCL_JSON_TEXT },
  { "driver", LCL_JSON_TEXT },
  { "seed", LCL_JSON_TEXT },
  { "subset", LCL_JSON_WHOLE, false, 0, 1e9 },
  { "data", LCL_JSON_TEXT, true },
  { "examples", LCL_JSON_WHOLE, false, 0, 1e15 },
  { "set", LCL_JSON_TEXTS },
  { "method", LCL_JSON_TEXT },
  { "note", LCL_JSON_TEXT },
  { "epochs", LCL_JSON_WHOLE, true, 0, 1e7 },
  { "schedule", LCL_JSON_WHOLE, true, 0, 1e7 },
  { "stopped_early", LCL_JSON_BOOL },
  { "value", LCL_JSON_NUMBER, true },
  { "count", LCL_JSON_WHOLE, false, 1, 1e6 }, /* of runs whose mean and deviation alone were kept */
  { "deviation", LCL_JSON_NUMBER, false, 0, 1e30 },
  { "values", LCL_JSON_NUMBERS },
};

static lcl_status check_file(const cJSON *file, const char *name) {
  const cJSON *run;
  if (strcmp(lcl__json_word(file, "schema"), LCL_RESULTS_SCHEMA) != 0)
    return lcl__fail(LCL_ERR_FORMAT, "%s: the schema must be \"%s\", not \"%s\"", name,
                     LCL_RESULTS_SCHEMA, lcl__json_word(file, "schema"));
  if (!lcl__json_child(file, "cell") && !lcl__json_child(file, "title"))
    return lcl__fail(LCL_ERR_FORMAT, "%s: results of no cell need a title", name);
  cJSON_ArrayForEach(run, lcl__json_items(file, "runs")) {
    LCL_TRY(lcl__json_check(run, name, run_fields, LCL_COUNT(run_fields)));
    if (isnan(lcl__json_number(run, "value")))
      return lcl__fail(LCL_ERR_FORMAT, "%s: the value of a run is no number", name);
  }
  if (cJSON_GetArraySize(lcl__json_child(file, "runs")) > 0) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT, "%s: there are no runs", name);
}

lcl_status lcl__results_read(const char *folder, const char *name, cJSON **out) {
  char *path = lcl__path_join(folder, name);
  *out = NULL;
  if (!path) return LCL_ERR_HOST_MEMORY;
  lcl_status s = lcl__json_file(path, 16 << 20, file_fields, LCL_COUNT(file_fields), out);
  if (*out) s = check_file(*out, path);
  lcl__free(path);
  if (s == LCL_OK) return s;
  cJSON_Delete(*out);
  *out = NULL;
  return s;
}
