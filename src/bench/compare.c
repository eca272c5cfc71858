/* Results files side by side: reading, the table, regressions. */
#include "base/json.h"
#include "base/text.h"
#include "bench/compare.h"

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
    const cJSON *verified = cJSON_GetObjectItemCaseSensitive(row, "verified"),
                *seconds = cJSON_GetObjectItemCaseSensitive(row, "seconds");
    snprintf(r->name, sizeof r->name, "%s", text_of(row, "name"));
    snprintf(r->unit, sizeof r->unit, "%s", text_of(row, "unit"));
    snprintf(r->algorithm, sizeof r->algorithm, "%s", text_of(row, "algorithm"));
    if (!r->name[0]) return lcl_fail(LCL_ERR_FORMAT, "%s: result %zu has no name", path, out->n);
    r->seconds = num(seconds, "median", -1);
    r->spread = num(seconds, "mad", -1);
    r->value = num(row, "value", -1);
    r->gflops = num(row, "gflops", 0);
    r->gbps = num(row, "gbps", 0);
    r->roofline = num(row, "roofline_percent", -1);
    double bytes = num(row, "mbytes", 0) * 1e6;
    r->intensity = bytes > 0 ? num(row, "gflop", 0) * 1e9 / bytes : 0;
    r->verified = cJSON_IsFalse(verified) ? -1 : cJSON_IsTrue(verified);
    out->n++;
  }
  return LCL_OK;
}

static lcl_status read_device(const cJSON *root, const char *path, lcl_result_files *out) {
  const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "results"),
              *device = cJSON_GetObjectItemCaseSensitive(root, "device");
  const cJSON *peaks = cJSON_GetObjectItemCaseSensitive(root, "peaks");
  lcl_result_file f = { 0 };
  if (!cJSON_IsArray(list) || !cJSON_IsObject(device) ||
      strcmp(text_of(root, "schema"), "latentcl-bench-1") != 0)
    return lcl_fail(LCL_ERR_FORMAT,
                    "%s: expected results of `latentcl bench --json` (schema latentcl-bench-1)",
                    path);
  snprintf(f.path, sizeof f.path, "%s", path);
  snprintf(f.device, sizeof f.device, "%s", text_of(device, "name"));
  snprintf(f.driver, sizeof f.driver, "%s %s", text_of(device, "platform"),
           text_of(device, "driver"));
  snprintf(f.clock, sizeof f.clock, "%s", text_of(device, "clock"));
  f.peak_gflops = num(peaks, "gflops", 0);
  f.peak_gbps = num(peaks, "gbps", 0);
  f.cache_gbps = num(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(peaks, "levels"), 0),
                     "gbps", 0);
  lcl_status st = read_rows(list, path, &f);
  if (st == LCL_OK && !LCL_PUSH(out, f)) st = LCL_ERR_HOST_MEMORY;
  if (st != LCL_OK) lcl_free(f.rows);
  return st;
}

lcl_status lcl_results_parse(const char *text, const char *path, lcl_result_files *out) {
  cJSON *root = lcl_json_parse(text, strlen(text));
  const cJSON *runs = cJSON_GetObjectItemCaseSensitive(root, "runs"), *run;
  lcl_status st = LCL_OK;
  if (strcmp(text_of(root, "schema"), "latentcl-bench-set-1") == 0 && cJSON_IsArray(runs)) {
    cJSON_ArrayForEach(run, runs) {
      if (st == LCL_OK) st = read_device(run, path, out);
    }
  } else {
    st = read_device(root, path, out);
  }
  cJSON_Delete(root);
  return st;
}

lcl_status lcl_results_load(const char *path, lcl_result_files *out) {
  void *data;
  size_t n;
  LCL_TRY(lcl_file_read(path, (size_t)64 << 20, &data, &n));
  lcl_status st = lcl_results_parse(data, path, out);
  lcl_free(data);
  return st;
}

lcl_status lcl_results_join(char *const *texts, size_t n, char **set) {
  cJSON *root = cJSON_CreateObject(), *runs = cJSON_CreateArray();
  cJSON_AddStringToObject(root, "schema", "latentcl-bench-set-1");
  for (size_t i = 0; i < n; i++)
    cJSON_AddItemToArray(runs, lcl_json_parse(texts[i], strlen(texts[i])));
  cJSON_AddItemToObject(root, "runs", runs);
  *set = lcl_json_print(root, true);
  cJSON_Delete(root);
  return *set ? LCL_OK : lcl_fail(LCL_ERR_HOST_MEMORY, "out of memory");
}

void lcl_results_free(lcl_result_files *files) {
  for (size_t i = 0; i < files->n; i++) lcl_free(files->data[i].rows);
  lcl_free(files->data);
  *files = (lcl_result_files) { 0 };
}

const lcl_result *lcl_result_find(const lcl_result_file *f, const char *name) {
  for (size_t i = 0; i < f->n; i++)
    if (strcmp(f->rows[i].name, name) == 0) return &f->rows[i];
  return NULL;
}

double lcl_result_speedup(const lcl_result *a, const lcl_result *b) {
  if (!a || !b) return -1;
  if (a->unit[0]) {
    if (a->value <= 0 || b->value <= 0) return -1;
    return strchr(a->unit, '/') ? b->value / a->value : a->value / b->value;
  }
  return a->seconds > 0 && b->seconds > 0 ? a->seconds / b->seconds : -1;
}

static void figure(const lcl_result *r, char out[32]) {
  if (r->unit[0] && r->value < 0)
    lcl_snprintf(out, 32, "not there");
  else if (r->unit[0])
    lcl_snprintf(out, 32, "%.2f %s", r->value, r->unit);
  else if (r->seconds < 1e-3)
    lcl_snprintf(out, 32, "%.2f us", r->seconds * 1e6);
  else
    lcl_snprintf(out, 32, "%.3f ms", r->seconds * 1e3);
}

static char letter(size_t i) {
  return (char)('A' + (i < 26 ? i : 25));
}

lcl_status lcl_results_table(const lcl_result_files *files, double threshold, lcl_str *s,
                             size_t *regressions) {
  const lcl_result_file *first = files->data;
  const size_t n = files->n;
  *regressions = 0;
  for (size_t f = 0; f < n; f++)
    lcl_str_add(s, "%c: %s, %s (%s)\n", letter(f), first[f].device, first[f].driver, first[f].path);
  lcl_str_add(s, "%-36s %14s", "workload", "A");
  for (size_t f = 1; f < n; f++) lcl_str_add(s, " %13s%c", "x faster: ", letter(f));
  lcl_str_add(s, "\n");
  for (size_t i = 0; i < first->n; i++) {
    const lcl_result *a = &first->rows[i];
    char text[32];
    bool slower = false;
    figure(a, text);
    lcl_str_add(s, "%-36s %14s%s", a->name, text, a->verified < 0 ? " WRONG" : "");
    for (size_t f = 1; f < n; f++) {
      const lcl_result *b = lcl_result_find(&first[f], a->name);
      double r = lcl_result_speedup(a, b);
      if (r < 0)
        lcl_str_add(s, " %14s", "-");
      else
        lcl_str_add(s, r < 0.1 ? " %14.2g" : " %14.2f", r);
      if (f == n - 1 && b)
        slower = b->verified < 0 || (threshold > 0 && r > 0 && r < 1 / (1 + threshold));
      if (b && b->verified < 0) lcl_str_add(s, " WRONG");
    }
    if (slower) ++*regressions;
    lcl_str_add(s, "%s\n", slower ? "  <- regression" : "");
  }
  return lcl_str_ok(s) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}
