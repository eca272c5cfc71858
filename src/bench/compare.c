/* Results files side by side: reading, the table, regressions. */
#include "bench/compare.h"

#include <cjson/cJSON.h>

static double num(const cJSON *o, const char *name, double otherwise) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
  return cJSON_IsNumber(v) ? v->valuedouble : otherwise;
}

static const char *text_of(const cJSON *o, const char *name) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
  return cJSON_IsString(v) ? v->valuestring : "";
}

static lcl_status read_rows(const cJSON *list, const char *path, lcl_result_file *out) {
  size_t n = (size_t)cJSON_GetArraySize(list);
  out->rows = lcl_alloc(LCL_MAX(n, 1) * sizeof *out->rows);
  if (!out->rows) return LCL_ERR_HOST_MEMORY;
  const cJSON *row;
  cJSON_ArrayForEach(row, list) {
    lcl_result *r = &out->rows[out->n];
    const cJSON *verified = cJSON_GetObjectItemCaseSensitive(row, "verified");
    snprintf(r->name, sizeof r->name, "%s", text_of(row, "name"));
    snprintf(r->unit, sizeof r->unit, "%s", text_of(row, "unit"));
    if (!r->name[0]) return lcl_fail(LCL_ERR_FORMAT, "%s: result %zu has no name", path, out->n);
    r->seconds = num(cJSON_GetObjectItemCaseSensitive(row, "seconds"), "median", -1);
    r->value = num(row, "value", -1);
    r->gflops = num(row, "gflops", 0);
    double bytes = num(row, "mbytes", 0) * 1e6;
    r->intensity = bytes > 0 ? num(row, "gflop", 0) * 1e9 / bytes : 0;
    r->wrong = cJSON_IsFalse(verified);
    out->n++;
  }
  return LCL_OK;
}

lcl_status lcl_results_parse(const char *text, const char *path, lcl_result_file *out) {
  *out = (lcl_result_file){ 0 };
  cJSON *root = cJSON_Parse(text);
  const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "results"), *device = cJSON_GetObjectItemCaseSensitive(root, "device");
  const cJSON *peaks = cJSON_GetObjectItemCaseSensitive(root, "peaks");
  lcl_status st = LCL_OK;
  if (!root || !cJSON_IsArray(list) || !cJSON_IsObject(device) || strcmp(text_of(root, "schema"), "latentcl-bench-1") != 0)
    st = lcl_fail(LCL_ERR_FORMAT, "%s: expected results of `latentcl bench --json` (schema latentcl-bench-1)", path);
  if (st == LCL_OK) {
    snprintf(out->device, sizeof out->device, "%s", text_of(device, "name"));
    out->peak_gflops = num(peaks, "gflops", 0);
    out->peak_gbps = num(peaks, "gbps", 0);
    st = read_rows(list, path, out);
  }
  cJSON_Delete(root);
  if (st != LCL_OK) lcl_results_free(out);
  return st;
}

lcl_status lcl_results_load(const char *path, lcl_result_file *out) {
  void *data;
  size_t n;
  LCL_TRY(lcl_file_read(path, (size_t)64 << 20, &data, &n));
  lcl_status st = lcl_results_parse(data, path, out);
  lcl_free(data);
  return st;
}

void lcl_results_compile_times(const char *text, double *compile, double *first) {
  cJSON *root = cJSON_Parse(text);
  const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(root, "results"), 0), "seconds");
  *compile = num(seconds, "compile", -1);
  *first = num(seconds, "first", -1);
  cJSON_Delete(root);
}

void lcl_results_free(lcl_result_file *f) {
  lcl_free(f->rows);
  *f = (lcl_result_file){ 0 };
}

static const lcl_result *find_row(const lcl_result_file *f, const char *name) {
  for (size_t i = 0; i < f->n; i++)
    if (strcmp(f->rows[i].name, name) == 0) return &f->rows[i];
  return NULL;
}

/* How many times faster b is than a; < 0 where one is missing. */
static double speedup(const lcl_result *a, const lcl_result *b) {
  if (!a || !b) return -1;
  if (a->unit[0]) {
    if (a->value <= 0 || b->value <= 0) return -1;
    return strchr(a->unit, '/') ? b->value / a->value : a->value / b->value;
  }
  return a->seconds > 0 && b->seconds > 0 ? a->seconds / b->seconds : -1;
}

static void figure(const lcl_result *r, char out[32]) {
  if (r->unit[0]) snprintf(out, 32, "%.2f %s", r->value, r->unit);
  else if (r->seconds < 1e-3) snprintf(out, 32, "%.2f us", r->seconds * 1e6);
  else snprintf(out, 32, "%.3f ms", r->seconds * 1e3);
}

lcl_status lcl_results_table(const lcl_result_file *files, size_t n, double threshold, lcl_str *s, size_t *regressions) {
  *regressions = 0;
  for (size_t f = 0; f < n; f++) lcl_str_add(s, "%c: %s\n", (char)('A' + (f < 26 ? f : 25)), files[f].device);
  lcl_str_add(s, "%-34s %14s", "workload", "A");
  for (size_t f = 1; f < n; f++) lcl_str_add(s, " %13s%c", "x faster: ", (char)('A' + (f < 26 ? f : 25)));
  lcl_str_add(s, "\n");
  for (size_t i = 0; i < files[0].n; i++) {
    const lcl_result *a = &files[0].rows[i];
    char text[32];
    bool slower = false;
    figure(a, text);
    lcl_str_add(s, "%-34s %14s", a->name, text);
    for (size_t f = 1; f < n; f++) {
      const lcl_result *b = find_row(&files[f], a->name);
      double r = speedup(a, b);
      if (r < 0) lcl_str_add(s, " %14s", "-");
      else lcl_str_add(s, " %14.2f", r);
      if (f == n - 1 && b) slower = b->wrong || (threshold > 0 && r > 0 && r < 1 / (1 + threshold));
      if (b && b->wrong) lcl_str_add(s, " WRONG");
    }
    if (slower) ++*regressions;
    lcl_str_add(s, "%s\n", slower ? "  <- regression" : "");
  }
  return lcl_str_ok(s) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}
