/* The tuning database; see tuning.h. */
#include "base/json.h"
#include "ops/panel.h"
#include "ops/tuning.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

typedef struct table {
  struct {
    lcl_tuning_entry *data;
    size_t n, cap;
  } rows;
} table;

/* What hangs on a context. */
typedef struct tuning {
  table set, user, shipped;
  bool loaded;
  lcl_watch watch[LCL_WATCHED];
} tuning;

static void tuning_free(void *p) {
  tuning *t = p;
  lcl_free(t->set.rows.data);
  lcl_free(t->user.rows.data);
  lcl_free(t->shipped.rows.data);
  lcl_free(t);
}

static lcl_tuning_entry *find(table *t, const char *key) {
  for (size_t i = 0; i < t->rows.n; i++)
    if (strcmp(t->rows.data[i].key, key) == 0) return &t->rows.data[i];
  return NULL;
}

static lcl_status put(table *t, const lcl_tuning_entry *e) {
  lcl_tuning_entry *old = find(t, e->key);
  if (old)
    *old = *e;
  else if (!LCL_PUSH(&t->rows, *e))
    return LCL_ERR_HOST_MEMORY;
  return LCL_OK;
}

/* ---- files ---- */

bool lcl_tuning_path(lcl_context *ctx, lcl_str *path) {
  const char *own = getenv("LATENTCL_TUNING"), *xdg = getenv("XDG_DATA_HOME"),
             *home = getenv("HOME");
  const lcl_caps *caps = lcl_context_caps(ctx);
  char who[1024], hex[33];
  if (own && strcmp(own, "off") == 0) return false;
  if (own && *own)
    lcl_str_add(path, "%s", own);
  else if (xdg && *xdg)
    lcl_str_add(path, "%s/latentcl/tuning", xdg);
  else if (home && *home)
    lcl_str_add(path, "%s/.local/share/latentcl/tuning", home);
  else
    return false;
  snprintf(who, sizeof who, "%s|%s|%s|%u", caps->platform, caps->name, caps->driver,
           caps->compute_units);
  lcl_hash_hex(who, strlen(who), hex);
  lcl_str_add(path, "/%.16s.json", hex);
  return lcl_str_ok(path);
}

/* Entries that are not what they should be are skipped: a stale or edited file costs speed, never a
 * wrong result. */
static lcl_status parse(const char *text, table *t) {
  cJSON *root = lcl_json_parse(text, strlen(text));
  const cJSON *schema = cJSON_GetObjectItemCaseSensitive(root, "schema"),
              *entries = cJSON_GetObjectItemCaseSensitive(root, "entries"), *e;
  lcl_status st = LCL_OK;
  if (cJSON_IsString(schema) && strcmp(schema->valuestring, "latentcl-tuning-1") == 0 &&
      cJSON_IsObject(entries)) {
    cJSON_ArrayForEach(e, entries) {
      const cJSON *values = cJSON_GetObjectItemCaseSensitive(e, "values"),
                  *seconds = cJSON_GetObjectItemCaseSensitive(e, "seconds");
      lcl_tuning_entry row = { .seconds = cJSON_IsNumber(seconds) ? seconds->valuedouble : 0 };
      if (!cJSON_IsArray(values) || cJSON_GetArraySize(values) != LCL_TUNING_VALUES ||
          strlen(e->string) >= sizeof row.key)
        continue;
      snprintf(row.key, sizeof row.key, "%s", e->string);
      for (int i = 0; i < LCL_TUNING_VALUES; i++)
        row.values[i] = cJSON_GetArrayItem(values, i)->valueint;
      if (st == LCL_OK) st = put(t, &row);
    }
  } else {
    st = lcl_fail(LCL_ERR_FORMAT, "not a tuning file (schema latentcl-tuning-1)");
  }
  cJSON_Delete(root);
  return st;
}

static lcl_status load(const char *path, table *t) {
  void *data;
  size_t n;
  if (!lcl_file_exists(path)) return LCL_OK;
  const char *slash = strrchr(path, '/');
  lcl_str folder = { 0 };
  lcl_str_append(&folder, path, (size_t)(slash - path));
  if (!lcl_str_ok(&folder)) return LCL_ERR_HOST_MEMORY;
  lcl_status read = lcl_file_read_private(folder.data, slash + 1, (size_t)16 << 20, &data, &n);
  lcl_str_free(&folder);
  LCL_TRY(read);
  lcl_status st = parse(data, t);
  lcl_free(data);
  return st == LCL_OK ? st : lcl_fail_prefix(st, "%s", path);
}

static char *print(lcl_context *ctx, const table *t) {
  const lcl_caps *caps = lcl_context_caps(ctx);
  cJSON *root = cJSON_CreateObject(), *device = cJSON_CreateObject(),
        *entries = cJSON_CreateObject();
  cJSON_AddStringToObject(root, "schema", "latentcl-tuning-1");
  cJSON_AddStringToObject(device, "name", caps->name);
  cJSON_AddStringToObject(device, "driver", caps->driver);
  cJSON_AddStringToObject(device, "platform", caps->platform);
  cJSON_AddNumberToObject(device, "compute_units", caps->compute_units);
  cJSON_AddItemToObject(root, "device", device);
  for (size_t i = 0; i < t->rows.n; i++) {
    const lcl_tuning_entry *r = &t->rows.data[i];
    cJSON *e = cJSON_CreateObject();
    cJSON_AddItemToObject(e, "values", cJSON_CreateIntArray(r->values, LCL_TUNING_VALUES));
    cJSON_AddNumberToObject(e, "seconds", r->seconds);
    cJSON_AddItemToObject(entries, r->key, e);
  }
  cJSON_AddItemToObject(root, "entries", entries);
  char *text = lcl_json_print(root, true);
  cJSON_Delete(root);
  return text;
}

static lcl_status merge_locked(lcl_context *ctx, const char *path, const lcl_tuning_entry *entries,
                               size_t n) {
  table t = { 0 };
  lcl_status st = load(path, &t);
  if (st == LCL_ERR_FORMAT) { /* a damaged file is replaced */
    lcl_logf(LCL_LOG_WARN, "%s; it is written anew", lcl_error_message());
    t.rows.n = 0;
    st = LCL_OK;
  }
  for (size_t i = 0; st == LCL_OK && i < n; i++) st = put(&t, &entries[i]);
  char *text = st == LCL_OK ? print(ctx, &t) : NULL;
  if (st == LCL_OK)
    st = text ? lcl_file_write_atomic(path, text, strlen(text))
              : lcl_fail(LCL_ERR_HOST_MEMORY, "out of memory");
  if (st == LCL_OK) lcl_keep_others_out(path);
  cJSON_free(text);
  lcl_free(t.rows.data);
  return st;
}

lcl_status lcl_tuning_save(lcl_context *ctx, const lcl_tuning_entry *entries, size_t n) {
  lcl_str path = { 0 }, lock = { 0 };
  lcl_status st = LCL_OK;
  if (!lcl_tuning_path(ctx, &path))
    st = lcl_fail(LCL_ERR_IO, "there is no folder for tuning results: set LATENTCL_TUNING");
  if (st == LCL_OK) {
    char *slash = strrchr(path.data, '/');
    *slash = 0;
    st = lcl_folder_make_private(path.data);
    *slash = '/';
  }
  lcl_str_add(&lock, "%s.lock", path.data ? path.data : "");
  int fd = st == LCL_OK && lcl_str_ok(&lock) ? open(lock.data, O_CREAT | O_RDWR | O_CLOEXEC, 0644)
                                             : -1;
  if (st == LCL_OK && fd < 0)
    st = lcl_fail(LCL_ERR_IO, "cannot make %s", lock.data ? lock.data : "a lock file");
  if (st == LCL_OK) {
    flock(fd, LOCK_EX);
    st = merge_locked(ctx, path.data, entries, n);
  }
  if (fd >= 0) close(fd);
  lcl_str_free(&path);
  lcl_str_free(&lock);
  return st;
}

/* ---- look-up ---- */

/* Shipped choices go by what a device is, in the terms of the kernels. */
static const char *shipped_name(const lcl_caps *caps) {
  if (caps->panel) return lcl_panel_vec(caps) == 16 ? "panel16.json" : "panel8.json";
  return caps->type & CL_DEVICE_TYPE_GPU ? "tiled-gpu.json" : "tiled-cpu.json";
}

static tuning *of_context(lcl_context *ctx) {
  void **slot = lcl_context_attachment(ctx, LCL_ATTACH_TUNING, tuning_free);
  if (!*slot) *slot = lcl_alloc(sizeof(tuning));
  tuning *t = *slot;
  if (!t || t->loaded) return t;
  t->loaded = true;
  lcl_str path = { 0 };
  if (lcl_tuning_path(ctx, &path) && load(path.data, &t->user) != LCL_OK)
    lcl_logf(LCL_LOG_WARN, "%s; it is not used", lcl_error_message());
  const char *own = getenv("LATENTCL_TUNING"),
             *text = lcl_embedded_source(shipped_name(lcl_context_caps(ctx)));
  if (text && !(own && strcmp(own, "off") == 0)) parse(text, &t->shipped);
  lcl_str_free(&path);
  return t;
}

bool lcl_tuning_find(lcl_context *ctx, const char *key, int values[LCL_TUNING_VALUES]) {
  tuning *t = of_context(ctx);
  const lcl_tuning_entry *e = t ? find(&t->set, key) : NULL;
  if (t && !e) e = find(&t->user, key);
  if (t && !e) e = find(&t->shipped, key);
  if (e) memcpy(values, e->values, sizeof e->values);
  return e != NULL;
}

bool lcl_tuning_measured(lcl_context *ctx, const char *key) {
  tuning *t = of_context(ctx);
  return t && find(&t->user, key);
}

lcl_status lcl_tuning_set(lcl_context *ctx, const char *key, const int *values) {
  tuning *t = of_context(ctx);
  lcl_tuning_entry e = { .seconds = 0 };
  if (!t) return LCL_ERR_HOST_MEMORY;
  snprintf(e.key, sizeof e.key, "%s", key);
  if (values) {
    memcpy(e.values, values, sizeof e.values);
    return put(&t->set, &e);
  }
  lcl_tuning_entry *old = find(&t->set, key);
  if (old) *old = t->set.rows.data[--t->set.rows.n];
  return LCL_OK;
}

lcl_watch *lcl_tuning_watch(lcl_context *ctx, lcl_watched what) {
  tuning *t = of_context(ctx);
  return t ? &t->watch[what] : NULL;
}
