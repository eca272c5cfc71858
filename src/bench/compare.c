/* Results files side by side: reading, the table, regressions. */
#include "bench/compare.h"

#include <math.h>

#include "base/json.h"
#include "base/text.h"

static double num(const cJSON *o, const char *name, double otherwise) {
  const double v = lcl__json_number(o, name);
  return isnan(v) ? otherwise : v;
}

enum { MAX_RESULTS = 4096 }; /* of a file: many times what the benchmark has */

static const lcl_json_field row_fields[] = {
  { "name", LCL_JSON_TEXT, true },
  { "unit", LCL_JSON_TEXT },
  { "algorithm", LCL_JSON_TEXT },
  { "seconds", LCL_JSON_OBJECT },
  { "value", LCL_JSON_NUMBER, false, 0, 1e15 },
  { "gflops", LCL_JSON_NUMBER, false, 0, 1e9 },
  { "gbps", LCL_JSON_NUMBER, false, 0, 1e9 },
  { "gflop", LCL_JSON_NUMBER, false, 0, 1e12 },
  { "mbytes", LCL_JSON_NUMBER, false, 0, 1e12 },
  { "roofline_percent", LCL_JSON_NUMBER, false, 0, 1e9 },
  { "verified", LCL_JSON_BOOL },
};
static const lcl_json_field second_fields[] = {
  { "median", LCL_JSON_NUMBER, false, 1e-12, 1e9 },
  { "mad", LCL_JSON_NUMBER, false, 0, 1e9 },
};
static const lcl_json_field device_fields[] = {
  { "name", LCL_JSON_TEXT },
  { "platform", LCL_JSON_TEXT },
  { "driver", LCL_JSON_TEXT },
  { "clock", LCL_JSON_TEXT },
};
static const lcl_json_field root_fields[] = {
  { "version", LCL_JSON_TEXT },
  { "commit", LCL_JSON_TEXT },
  { "date", LCL_JSON_TEXT },
};
static const lcl_json_field peak_fields[] = {
  { "gflops", LCL_JSON_NUMBER, false, 0, 1e9 },
  { "gbps", LCL_JSON_NUMBER, false, 0, 1e9 },
  { "levels", LCL_JSON_ROWS },
};

/* Quotients of what is measured are numbers. */
static lcl_status check_tiny(const cJSON *row, const char *where) {
  static const char *const names[] = { "value", "gflops", "gbps", "gflop", "mbytes" };
  for (size_t i = 0; i < LCL_COUNT(names); i++) {
    const double v = num(row, names[i], 0);
    if (v > 0 && v < 1e-12)
      return lcl__fail(LCL_ERR_FORMAT, "%s: \"%s\" must be 0 or a number in [1e-12,1e15], not %g",
                       where, names[i], v);
  }
  return LCL_OK;
}

static lcl_status read_row(const cJSON *row, const char *path, lcl_result *r) {
  const cJSON *seconds = lcl__json_child(row, "seconds");
  char where[256];
  LCL_TRY(lcl__json_check(row, path, row_fields, LCL_COUNT(row_fields)));
  snprintf(r->name, sizeof r->name, "%s", lcl__json_word(row, "name"));
  snprintf(r->unit, sizeof r->unit, "%s", lcl__json_word(row, "unit"));
  snprintf(r->algorithm, sizeof r->algorithm, "%s", lcl__json_word(row, "algorithm"));
  if (!r->name[0]) return lcl__fail(LCL_ERR_FORMAT, "%s: a result has no name", path);
  snprintf(where, sizeof where, "%.128s: %s", path, r->name);
  LCL_TRY(check_tiny(row, where));
  if (seconds) LCL_TRY(lcl__json_check(seconds, where, second_fields, LCL_COUNT(second_fields)));
  r->seconds = num(seconds, "median", -1);
  r->spread = num(seconds, "mad", -1);
  r->value = num(row, "value", -1);
  r->gflops = num(row, "gflops", 0);
  r->gbps = num(row, "gbps", 0);
  r->roofline = num(row, "roofline_percent", -1);
  const double bytes = num(row, "mbytes", 0) * 1e6;
  r->gflop = num(row, "gflop", 0);
  r->intensity = bytes > 0 ? r->gflop * 1e9 / bytes : 0;
  const cJSON *verified = lcl__json_child(row, "verified");
  r->verified = cJSON_IsFalse(verified) ? -1 : cJSON_IsTrue(verified);
  return LCL_OK;
}

static lcl_status read_rows(const cJSON *list, const char *path, lcl_result_file *out) {
  const int n = cJSON_GetArraySize(list);
  if (n == 0) return lcl__fail(LCL_ERR_FORMAT, "%s: no results to compare", path);
  if (n > MAX_RESULTS)
    return lcl__fail(LCL_ERR_FORMAT, "%s: %d results; at most %d are compared", path, n,
                     MAX_RESULTS);
  out->rows = lcl__alloc((size_t)LCL_MAX(n, 1) * sizeof *out->rows);
  if (!out->rows) return LCL_ERR_HOST_MEMORY;
  const cJSON *row;
  cJSON_ArrayForEach(row, list) {
    lcl_result *r = &out->rows[out->n];
    LCL_TRY(read_row(row, path, r));
    if (lcl__result_find(out, r->name)) /* the second could hide behind the first */
      return lcl__fail(LCL_ERR_FORMAT, "%s: the result \"%s\" appears twice", path, r->name);
    out->n++;
  }
  return LCL_OK;
}

static lcl_status read_device(const cJSON *root, const char *path, lcl_result_files *out) {
  const cJSON *list = lcl__json_child(root, "results"), *device = lcl__json_child(root, "device");
  const cJSON *peaks = lcl__json_child(root, "peaks");
  lcl_result_file f = { 0 };
  if (!cJSON_IsArray(list) || !cJSON_IsObject(device) ||
      strcmp(lcl__json_word(root, "schema"), "latentcl-bench-1") != 0)
    return lcl__fail(LCL_ERR_FORMAT,
                     "%s: expected results of `latentcl bench --json` (schema latentcl-bench-1)",
                     path);
  LCL_TRY(lcl__json_check(root, path, root_fields, LCL_COUNT(root_fields)));
  LCL_TRY(lcl__json_check(device, path, device_fields, LCL_COUNT(device_fields)));
  if (peaks) LCL_TRY(lcl__json_check(peaks, path, peak_fields, LCL_COUNT(peak_fields)));
  const cJSON *fastest = cJSON_GetArrayItem(lcl__json_items(peaks, "levels"), 0);
  if (fastest) LCL_TRY(lcl__json_check(fastest, path, peak_fields, 2));
  snprintf(f.path, sizeof f.path, "%s", path);
  snprintf(f.device, sizeof f.device, "%s", lcl__json_word(device, "name"));
  snprintf(f.driver, sizeof f.driver, "%s %s", lcl__json_word(device, "platform"),
           lcl__json_word(device, "driver"));
  snprintf(f.version, sizeof f.version, "%s", lcl__json_word(root, "version"));
  snprintf(f.commit, sizeof f.commit, "%s", lcl__json_word(root, "commit"));
  snprintf(f.date, sizeof f.date, "%s", lcl__json_word(root, "date"));
  snprintf(f.clock, sizeof f.clock, "%s", lcl__json_word(device, "clock"));
  f.peak_gflops = num(peaks, "gflops", 0);
  f.peak_gbps = num(peaks, "gbps", 0);
  f.cache_gbps = num(fastest, "gbps", 0);
  lcl_status st = read_rows(list, path, &f);
  if (st == LCL_OK && !LCL_PUSH(out, f)) st = LCL_ERR_HOST_MEMORY;
  if (st != LCL_OK) lcl__free(f.rows);
  return st;
}

static lcl_status parse(const char *text, size_t n, const char *path, lcl_result_files *out) {
  cJSON *root = lcl__json_parse(text, n);
  const cJSON *runs = lcl__json_child(root, "runs"), *run;
  lcl_status st = LCL_OK;
  if (strcmp(lcl__json_word(root, "schema"), "latentcl-bench-set-1") == 0 && cJSON_IsArray(runs)) {
    cJSON_ArrayForEach(run, runs) {
      if (st == LCL_OK) st = read_device(run, path, out);
    }
  } else {
    st = read_device(root, path, out);
  }
  cJSON_Delete(root);
  return st;
}

lcl_status lcl__results_parse(const char *text, const char *path, lcl_result_files *out) {
  return parse(text, strlen(text), path, out);
}

lcl_status lcl__results_load(const char *path, lcl_result_files *out) {
  void *data;
  size_t n;
  LCL_TRY(lcl__file_read(path, (size_t)64 << 20, &data, &n));
  lcl_status st = parse(data, n, path, out);
  lcl__free(data);
  return st;
}

lcl_status lcl__results_join(char *const *texts, size_t n, char **set) {
  cJSON *root = cJSON_CreateObject(), *runs = cJSON_CreateArray();
  cJSON_AddStringToObject(root, "schema", "latentcl-bench-set-1");
  for (size_t i = 0; i < n; i++)
    cJSON_AddItemToArray(runs, lcl__json_parse(texts[i], strlen(texts[i])));
  cJSON_AddItemToObject(root, "runs", runs);
  *set = lcl__json_print(root, true);
  cJSON_Delete(root);
  return *set ? LCL_OK : lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
}

void lcl__results_free(lcl_result_files *files) {
  for (size_t i = 0; i < files->n; i++) lcl__free(files->data[i].rows);
  lcl__free(files->data);
  *files = (lcl_result_files) { 0 };
}

const lcl_result *lcl__result_find(const lcl_result_file *f, const char *name) {
  for (size_t i = 0; i < f->n; i++)
    if (strcmp(f->rows[i].name, name) == 0) return &f->rows[i];
  return NULL;
}

bool lcl__result_other_work(const lcl_result *a, const lcl_result *b) {
  return a->gflop > 0 && b->gflop > 0 &&
         fabs(a->gflop - b->gflop) > 1e-5 * fmax(a->gflop, b->gflop);
}

double lcl__result_speedup(const lcl_result *a, const lcl_result *b) {
  if (!a || !b || strcmp(a->unit, b->unit) != 0 || lcl__result_other_work(a, b)) return -1;
  if (a->unit[0]) {
    if (a->value <= 0 || b->value <= 0) return -1;
    return strchr(a->unit, '/') ? b->value / a->value : a->value / b->value;
  }
  return a->seconds > 0 && b->seconds > 0 ? a->seconds / b->seconds : -1;
}

static void figure(const lcl_result *r, char out[32]) {
  if ((r->unit[0] ? r->value : r->seconds) < 0)
    lcl__snprintf(out, 32, "not there");
  else if (r->unit[0])
    lcl__snprintf(out, 32, "%.2f %s", r->value, r->unit);
  else if (r->seconds < 1e-3)
    lcl__snprintf(out, 32, "%.2f us", r->seconds * 1e6);
  else
    lcl__snprintf(out, 32, "%.3f ms", r->seconds * 1e3);
}

/* Whether the last file's result b (NULL: missing) is a regression beside the first file's, a.
 * Where there is no time to compare nothing has been shown, so it is; but a reading that a device
 * does not give, a unit without a value, is none. */
static bool worse(const lcl_result *a, const lcl_result *b, double threshold) {
  if (b && b->verified < 0) return true;
  if (threshold <= 0 || (a->unit[0] && a->value <= 0)) return false;
  const double r = lcl__result_speedup(a, b);
  return r < 0 || r < 1 / (1 + threshold);
}

static char letter(size_t i) {
  return (char)('A' + (i < 26 ? i : 25));
}

lcl_status lcl__results_table(const lcl_result_files *files, double threshold, lcl_str *s,
                              size_t *regressions) {
  const lcl_result_file *first = files->data;
  const size_t n = files->n;
  *regressions = 0;
  for (size_t f = 0; f < n; f++)
    lcl__str_visible(s, "%c: %s, %s (%s)\n", letter(f), first[f].device, first[f].driver,
                     first[f].path);
  lcl__str_visible(s, "%-36s %14s", "workload", "A");
  for (size_t f = 1; f < n; f++) lcl__str_visible(s, " %13s%c", "x faster: ", letter(f));
  lcl__str_visible(s, "\n");
  for (size_t i = 0; i < first->n; i++) {
    const lcl_result *a = &first->rows[i];
    char text[32];
    figure(a, text);
    lcl__str_visible(s, "%-36s %14s%s", a->name, text, a->verified < 0 ? " WRONG" : "");
    for (size_t f = 1; f < n; f++) {
      const lcl_result *b = lcl__result_find(&first[f], a->name);
      double r = lcl__result_speedup(a, b);
      if (r < 0)
        lcl__str_visible(s, " %14s", b && lcl__result_other_work(a, b) ? "other work" : "-");
      else
        lcl__str_visible(s, r < 0.1 ? " %14.2g" : " %14.2f", r);
      if (b && b->verified < 0) lcl__str_visible(s, " WRONG");
    }
    const bool slower = n > 1 && worse(a, lcl__result_find(&first[n - 1], a->name), threshold);
    if (slower) ++*regressions;
    lcl__str_visible(s, "%s\n", slower ? "  <- regression" : "");
  }
  return lcl__str_ok(s) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}
