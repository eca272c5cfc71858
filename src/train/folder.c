/* The run folder's config.json: what was asked for and what it resolved to. */
#include <errno.h>
#include <limits.h>
#include <math.h>

#include "data/array.h"
#include "device/device.h"
#include "latentcl/version.h"
#include "models/registry.h"
#include "train/session.h"

char *lcl__path_join(const char *folder, const char *file) {
  size_t n = strlen(folder), m = strlen(file);
  char *p = lcl__alloc(n + m + 2);
  if (!p) return NULL;
  memcpy(p, folder, n);
  if (n && p[n - 1] != '/') p[n++] = '/';
  memcpy(p + n, file, m + 1);
  return p;
}

static lcl_status check_run(const char *const *paths, size_t n, const char *folder) {
  static const char *const names[] = { "config.json",      "log.jsonl",    "last.safetensors",
                                       "best.safetensors", "profile.json", "report.html" };
  char *file[LCL_COUNT(names)];
  bool ok = true;
  for (size_t i = 0; i < LCL_COUNT(names); i++)
    ok = (file[i] = lcl__path_join(folder, names[i])) != NULL && ok;
  const lcl_status st = ok ? lcl__check_outputs(paths, n, (const char *const *)file,
                                                LCL_COUNT(names))
                           : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < LCL_COUNT(names); i++) lcl__free(file[i]);
  return st;
}

lcl_status lcl__check_run_outputs(const char *const *paths, size_t n, const char *const *folders,
                                  size_t n_folders, const lcl_session *s) {
  for (size_t i = 0; i < n_folders; i++)
    if (folders[i]) LCL_TRY(check_run(paths, n, folders[i]));
  for (size_t i = 0; i < n && s; i++)
    if (paths[i]) LCL_TRY(lcl__data_check_output(s->data_path, s->splits.format, paths[i]));
  return LCL_OK;
}

static void add_settings(cJSON *root, const lcl_settings *s) {
  cJSON *j = cJSON_AddObjectToObject(root, "settings");
  char text[32];
  cJSON_AddNumberToObject(j, "epochs", s->epochs);
  cJSON_AddNumberToObject(j, "batch", s->batch);
  if (s->unlabelled_batch) cJSON_AddNumberToObject(j, "unlabelled_batch", s->unlabelled_batch);
  cJSON_AddNumberToObject(j, "labels_per_class", (double)s->labels_per_class);
  cJSON_AddStringToObject(j, "optimiser", lcl__setting_text(s, "optimiser", text));
  cJSON_AddNumberToObject(j, "lr", s->schedule.lr);
  cJSON_AddStringToObject(j, "lr_schedule", lcl__setting_text(s, "lr_schedule", text));
  if (s->schedule.kind != LCL_SCHEDULE_CONSTANT) {
    cJSON_AddNumberToObject(j, "lr_factor", s->schedule.factor);
    cJSON_AddNumberToObject(j, "lr_every", s->schedule.every);
    cJSON_AddNumberToObject(j, "lr_from", s->schedule.from);
    cJSON_AddNumberToObject(j, "lr_until", s->schedule.until);
  }
  if (s->schedule.warmup) cJSON_AddNumberToObject(j, "lr_warmup", s->schedule.warmup);
  if (s->validate_every > 1) cJSON_AddNumberToObject(j, "validate_every", s->validate_every);
  cJSON_AddNumberToObject(j, "patience", s->patience);
  cJSON_AddStringToObject(j, "select", s->select ? s->select : "");
}

static void add_options(cJSON *root, const lcl_options *o) {
  cJSON *given = cJSON_AddObjectToObject(root, "set"),
        *all = cJSON_AddObjectToObject(root, "options");
  for (size_t i = 0; i < lcl_options_count(o); i++) {
    const char *name = lcl_options_at(o, i)->name;
    const char *text = lcl_option_text(o, name);
    if (lcl_option_given(o, name)) cJSON_AddStringToObject(given, name, text);
    if (*text) cJSON_AddStringToObject(all, name, text);
  }
}

enum { PARTS = 4 };
static const char *const part_names[PARTS] = { "train", "unlabelled", "validation", "test" };

/* Their examples; -1: of a model that has no such part. */
static void count_parts(const lcl_session *s, int64_t count[PARTS]) {
  count[0] = s->labelled->count;
  count[1] = s->unlabelled ? s->unlabelled->count : -1;
  count[2] = s->splits.valid ? s->splits.valid->count : 0;
  count[3] = s->splits.test ? s->splits.test->count : 0;
}

lcl_status lcl__run_config_same_data(const lcl_run_config *c, const lcl_session *s,
                                     const char *folder) {
  int64_t count[PARTS];
  count_parts(s, count);
  for (int i = 0; i < PARTS; i++) {
    const double had = lcl__json_number(lcl__json_child(c->json, "data"), part_names[i]);
    if (!isnan(had) && had != (double)LCL_MAX(count[i], 0))
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "the run in %s began with %.0f examples (%s); the data now have %lld",
                       folder, had, part_names[i], (long long)LCL_MAX(count[i], 0));
  }
  return LCL_OK;
}

static void add_data(cJSON *root, const lcl_session *s) {
  int64_t count[PARTS];
  cJSON *d = cJSON_AddObjectToObject(root, "data");
  char full[PATH_MAX];
  if (s->data_path)
    cJSON_AddStringToObject(d, "path", realpath(s->data_path, full) ? full : s->data_path);
  else
    cJSON_AddNullToObject(d, "path");
  cJSON_AddStringToObject(d, "format", s->splits.format ? s->splits.format : "");
  count_parts(s, count);
  for (int i = 0; i < PARTS; i++)
    if (count[i] >= 0) cJSON_AddNumberToObject(d, part_names[i], (double)count[i]);
  cJSON_AddNumberToObject(d, "classes", s->labelled->classes);
  if (s->labelled->class_names && s->labelled->classes > 0)
    cJSON_AddItemToObject(d, "class_names",
                          cJSON_CreateStringArray(s->labelled->class_names, s->labelled->classes));
  cJSON *shape = cJSON_AddArrayToObject(d, "shape");
  const lcl_model_data *m = &s->model->data;
  cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)m->channels));
  cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)m->height));
  cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)m->width));
}

/* What stays as it was when the run began: a resume writes the file again. */
static lcl_status add_beginning(cJSON *root, const char *folder, const char *path,
                                const char *start) {
  char date[24], full[PATH_MAX];
  const char *created = date;
  lcl_run_config before = { 0 };
  lcl__utc_now(date);
  if (start && realpath(start, full)) start = full;
  if (lcl__file_exists(path)) {
    LCL_TRY(lcl__read_config(folder, &before));
    created = lcl__json_word(before.json, "created");
    start = lcl__json_word(before.json, "start");
  }
  cJSON_AddStringToObject(root, "created", created);
  if (start && *start) cJSON_AddStringToObject(root, "start", start);
  lcl__run_config_free(&before);
  return LCL_OK;
}

lcl_status lcl__write_config(lcl_session *s, const char *commit, const char *start,
                             const char *folder) {
  const lcl_caps *caps = lcl__context_caps(s->ctx);
  cJSON *root = cJSON_CreateObject();
  char seed[24], driver[320], *path = lcl__path_join(folder, "config.json");
  snprintf(driver, sizeof driver, "%s, %s", caps->platform, caps->driver);
  snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->seed);
  cJSON_AddStringToObject(root, "latentcl", LCL_VERSION_STRING);
  lcl_status st = path ? add_beginning(root, folder, path, start) : LCL_ERR_HOST_MEMORY;
  cJSON_AddStringToObject(root, "model", s->cls->name);
  if (lcl__model_plugin(s->cls)) cJSON_AddStringToObject(root, "plugin", lcl__model_plugin(s->cls));
  cJSON_AddStringToObject(root, "reference", s->cls->reference);
  cJSON_AddStringToObject(root, "seed", seed); /* a text: 64 bits do not fit a JSON number */
  cJSON_AddStringToObject(root, "device", lcl_context_device_name(s->ctx));
  cJSON_AddStringToObject(root, "driver", driver);
  if (commit) cJSON_AddStringToObject(root, "commit", commit);
  cJSON_AddNumberToObject(root, "parameters", (double)lcl_store_param_count(s->store));
  add_data(root, s);
  add_options(root, s->options);
  add_settings(root, &s->model->settings);
  char *text = lcl__json_print(root, true);
  cJSON_Delete(root);
  if (st == LCL_OK)
    st = text ? lcl__file_write_atomic(path, text, strlen(text)) : LCL_ERR_HOST_MEMORY;
  free(text);
  lcl__free(path);
  return st;
}

static const lcl_json_field config_fields[] = {
  { "model", LCL_JSON_TEXT, true },
  { "seed", LCL_JSON_TEXT, true },
  { "latentcl", LCL_JSON_TEXT },
  { "created", LCL_JSON_TEXT },
  { "start", LCL_JSON_TEXT },
  { "plugin", LCL_JSON_TEXT },
  { "reference", LCL_JSON_TEXT },
  { "device", LCL_JSON_TEXT },
  { "parameters", LCL_JSON_WHOLE, false, 0, 1e15 },
  { "driver", LCL_JSON_TEXT },
  { "commit", LCL_JSON_TEXT },
  { "data", LCL_JSON_SCALARS },
  { "set", LCL_JSON_TEXTS },
  { "options", LCL_JSON_TEXTS },
  { "settings", LCL_JSON_SCALARS },
};

static lcl_status read_seed(lcl_run_config *c, const char *path) {
  const char *text = lcl__json_word(c->json, "seed");
  char *end;
  errno = 0;
  c->seed = strtoull(text, &end, 10);
  if (*text >= '0' && *text <= '9' && !*end && !errno) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT, "%s: \"seed\" must be a whole number as a text, not \"%s\"",
                   path, text);
}

static const lcl_json_field data_fields[] = {
  { "format", LCL_JSON_TEXT },
  { "train", LCL_JSON_WHOLE, false, 0, 1e15 },
  { "classes", LCL_JSON_WHOLE, false, 0, 1e9 },
};

static bool is_shape(const cJSON *shape) {
  const cJSON *side;
  cJSON_ArrayForEach(side, shape) {
    if (!cJSON_IsNumber(side) || !(side->valuedouble >= 1 && side->valuedouble <= INT32_MAX) ||
        side->valuedouble != floor(side->valuedouble))
      return false;
  }
  return !shape || (cJSON_IsArray(shape) && cJSON_GetArraySize(shape) == 3);
}

/* null: the built-in digits. They are not what a path that cannot be read stands for. */
static lcl_status read_data(lcl_run_config *c, const char *path) {
  const cJSON *all = lcl__json_child(c->json, "data"), *data = lcl__json_child(all, "path");
  c->data = cJSON_GetStringValue(data);
  if (!c->data && !cJSON_IsNull(data))
    return lcl__fail(LCL_ERR_FORMAT, "%s: \"path\" in \"data\" must be a text or null", path);
  LCL_TRY(lcl__json_check(all, path, data_fields, LCL_COUNT(data_fields)));
  if (is_shape(lcl__json_child(all, "shape"))) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT, "%s: \"shape\" in \"data\" must be channels, height and width",
                   path);
}

bool lcl__is_length(const char *option) {
  return strcmp(option, "epochs") == 0 || strcmp(option, "patience") == 0;
}

lcl_status lcl__read_config(const char *folder, lcl_run_config *out) {
  memset(out, 0, sizeof *out);
  char *path = lcl__path_join(folder, "config.json");
  if (!path) return LCL_ERR_HOST_MEMORY;
  lcl_status st = lcl__json_file(path, 1 << 24, config_fields, LCL_COUNT(config_fields),
                                 &out->json);
  if (st == LCL_OK && !out->json)
    st = lcl__fail(LCL_ERR_IO, "%s is not a run folder: it has no config.json", folder);
  if (st == LCL_OK) st = read_seed(out, path);
  if (st == LCL_OK) st = read_data(out, path);
  if (st == LCL_OK) out->model = lcl__json_word(out->json, "model");
  if (st != LCL_OK) lcl__run_config_free(out);
  lcl__free(path);
  return st;
}

lcl_status lcl__read_result(const char *folder, cJSON **out) {
  char *path = lcl__path_join(folder, "result.json");
  if (!path) return LCL_ERR_HOST_MEMORY;
  const lcl_status s = lcl__json_file(path, 1 << 20, NULL, 0, out);
  lcl__free(path);
  return s;
}

void lcl__run_config_free(lcl_run_config *c) {
  cJSON_Delete(c->json);
  memset(c, 0, sizeof *c);
}

lcl_status lcl__run_config_class(const lcl_run_config *c, const lcl_model_class **out) {
  const char *plugin = cJSON_GetStringValue(lcl__json_child(c->json, "plugin"));
  lcl_status s = lcl_model_find(c->model, out);
  if (s == LCL_OK || !plugin) return s;
  if (!*plugin)
    return lcl__fail(s,
                     "the run is of the model \"%s\", which the program that trained it registered "
                     "itself: open it there, or load a plug-in with this model",
                     c->model);
  return lcl__fail(s,
                   "the run is of the model \"%s\", which the plug-in %s brings: load it "
                   "(--plugin FILE, LATENTCL_PLUGINS or lcl_plugin_load())",
                   c->model, plugin);
}

lcl_status lcl__run_config_options(const lcl_run_config *c, const lcl_model_class *cls,
                                   lcl_options **out) {
  LCL_TRY(lcl_model_options(cls, out));
  const cJSON *item;
  cJSON_ArrayForEach(item, lcl__json_members(c->json, "set")) {
    lcl_status s = lcl_options_set(*out, item->string, item->valuestring);
    if (s == LCL_OK) continue;
    lcl_options_destroy(*out);
    *out = NULL;
    return s;
  }
  return LCL_OK;
}
