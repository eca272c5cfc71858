/* The tuning database; see tuning.h. */
#include "ops/packed.h"
#include "ops/tuning.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define SCHEMA     "latentcl-tuning-2"
#define OLD_SCHEMA "latentcl-tuning-1"

/* Values of parameters are small; what is beyond is not from a tuner, and could overflow where a
 * kernel computes with it. */
enum { MOST = 1 << 16 };

/* What hangs on a context: records by key, as JSON objects. */
typedef struct tuning {
  cJSON *set, *user, *shipped;
  bool loaded;
} tuning;

static void tuning_free(void *p) {
  tuning *t = p;
  cJSON_Delete(t->set);
  cJSON_Delete(t->user);
  cJSON_Delete(t->shipped);
  lcl__free(t);
}

/* ---- choices ---- */

cJSON *lcl__choice_to_json(const lcl_choice *c) {
  lcl_kernel_params params = c->params;
  cJSON *record = cJSON_CreateObject();
  bool ok = cJSON_AddStringToObject(record, "algorithm", c->implementation->name);
  for (int i = 0; i < c->implementation->n_params; i++) {
    const lcl_kernel_param *p = &c->implementation->params[i];
    ok &= cJSON_AddNumberToObject(record, p->name, *lcl__kernel_param_in(&params, p)) != NULL;
  }
  if (ok) return record;
  cJSON_Delete(record);
  return NULL;
}

static const lcl_kernel_param *param_of(const lcl_implementation *im, const char *name) {
  for (int i = 0; i < im->n_params; i++)
    if (strcmp(im->params[i].name, name) == 0) return &im->params[i];
  return NULL;
}

/* Members of a record beside the parameters. */
static bool about_measuring(const char *name) {
  static const char *const names[] = { "algorithm",     "seconds",   "by",
                                       "usual_seconds", "runner_up", "runner_up_seconds" };
  for (size_t i = 0; i < LCL_COUNT(names); i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

bool lcl__choice_from_json(cJSON *record, const lcl_kind *kind, lcl_choice *c) {
  *c = (lcl_choice) { .implementation = lcl__kind_find(kind, lcl__json_word(record, "algorithm")) };
  if (!c->implementation) return false;
  for (cJSON *member = record->child, *next; member; member = next) {
    next = member->next;
    if (about_measuring(member->string)) continue;
    const lcl_kernel_param *p = param_of(c->implementation, member->string);
    const double v = cJSON_IsNumber(member) ? member->valuedouble : -1;
    if (!p) {
      lcl__logf(LCL_LOG_WARN, "tuning: %s has no parameter \"%s\"; it is ignored",
                c->implementation->name, member->string);
      cJSON_Delete(cJSON_DetachItemViaPointer(record, member));
    } else if (v >= 0 && v <= MOST && v == (int)v) {
      *lcl__kernel_param_in(&c->params, p) = (int)v;
    } else {
      return false;
    }
  }
  return true;
}

static const char *const measured_by[] = {
  [LCL_RECORD_TUNE] = "tune", [LCL_RECORD_FIND] = "find", [LCL_RECORD_DEFAULT] = "default"
};

static cJSON *record_to_json(const lcl_record *r) {
  cJSON *json = lcl__choice_to_json(&r->choice);
  bool ok = json && cJSON_AddStringToObject(json, "by", measured_by[r->source]);
  if (r->seconds > 0) ok = ok && cJSON_AddNumberToObject(json, "seconds", r->seconds);
  if (r->usual_seconds > 0)
    ok = ok && cJSON_AddNumberToObject(json, "usual_seconds", r->usual_seconds);
  if (*r->runner_up && r->other_seconds > 0)
    ok = ok && cJSON_AddStringToObject(json, "runner_up", r->runner_up) &&
         cJSON_AddNumberToObject(json, "runner_up_seconds", r->other_seconds);
  if (ok) return json;
  cJSON_Delete(json);
  return NULL;
}

/* All but the choice. */
static void read_measuring(const cJSON *json, lcl_record *r) {
  const double seconds = lcl__json_number(json, "seconds"),
               usual = lcl__json_number(json, "usual_seconds"),
               other = lcl__json_number(json, "runner_up_seconds");
  r->source = LCL_RECORD_TUNE;
  for (int i = LCL_RECORD_TUNE; i <= LCL_RECORD_DEFAULT; i++)
    if (strcmp(lcl__json_word(json, "by"), measured_by[i]) == 0) r->source = (lcl_record_source)i;
  r->seconds = seconds > 0 ? seconds : 0;
  r->usual_seconds = usual > 0 ? usual : 0;
  r->other_seconds = other > 0 ? other : 0;
  snprintf(r->runner_up, sizeof r->runner_up, "%s", lcl__json_word(json, "runner_up"));
}

/* ---- files ---- */

bool lcl__tuning_path(lcl_context *ctx, lcl_str *path) {
  const char *own = getenv("LATENTCL_TUNING"), *xdg = getenv("XDG_DATA_HOME"),
             *home = getenv("HOME");
  const lcl_caps *caps = lcl__context_caps(ctx);
  char who[1024], hex[33];
  if (own && strcmp(own, "off") == 0) return false;
  if (own && *own)
    lcl__str_add(path, "%s", own);
  else if (xdg && *xdg)
    lcl__str_add(path, "%s/latentcl/tuning", xdg);
  else if (home && *home)
    lcl__str_add(path, "%s/.local/share/latentcl/tuning", home);
  else
    return false;
  snprintf(who, sizeof who, "%s|%s|%s|%u", caps->platform, caps->name, caps->driver,
           caps->compute_units);
  lcl__hash_hex(who, strlen(who), hex);
  lcl__str_add(path, "/%.16s.json", hex);
  return lcl__str_ok(path);
}

/* The records of a file's text. old: whether they were of the schema before this one. */
static lcl_status parse(const char *text, size_t n, cJSON **entries, bool *old) {
  cJSON *root = lcl__json_parse(text, n);
  const char *schema = lcl__json_word(root, "schema");
  lcl_status st = LCL_OK;
  *old = strcmp(schema, OLD_SCHEMA) == 0;
  if ((*old || strcmp(schema, SCHEMA) == 0) && lcl__json_members(root, "entries")) {
    *entries = cJSON_DetachItemFromObjectCaseSensitive(root, "entries");
    if (*old) st = lcl__tuning_convert(*entries);
    lcl__tuning_convert_tiles(*entries);
  } else {
    st = lcl__fail(LCL_ERR_FORMAT, "not a tuning file (schema " SCHEMA ")");
  }
  cJSON_Delete(root);
  return st;
}

/* No file: no records, which is no error. */
static lcl_status load(const char *path, cJSON **entries, bool *old) {
  void *data;
  size_t n;
  *old = false;
  if (!lcl__file_exists(path)) return LCL_OK;
  const char *slash = strrchr(path, '/');
  lcl_str folder = { 0 };
  lcl__str_append(&folder, path, (size_t)(slash - path));
  if (!lcl__str_ok(&folder)) return LCL_ERR_HOST_MEMORY;
  lcl_status read = lcl__file_read_private(folder.data, slash + 1, (size_t)16 << 20, &data, &n);
  lcl__str_free(&folder);
  LCL_TRY(read);
  lcl_status st = parse(data, n, entries, old);
  lcl__free(data);
  return st == LCL_OK ? st : lcl__fail_prefix(st, "%s", path);
}

/* Takes over `entries`. */
static char *print(lcl_context *ctx, cJSON *entries) {
  const lcl_caps *caps = lcl__context_caps(ctx);
  cJSON *root = cJSON_CreateObject(), *device = cJSON_CreateObject();
  cJSON_AddStringToObject(root, "schema", SCHEMA);
  cJSON_AddStringToObject(device, "name", caps->name);
  cJSON_AddStringToObject(device, "driver", caps->driver);
  cJSON_AddStringToObject(device, "platform", caps->platform);
  cJSON_AddNumberToObject(device, "compute_units", caps->compute_units);
  cJSON_AddItemToObject(root, "device", device);
  cJSON_AddItemToObject(root, "entries", entries);
  char *text = lcl__json_print(root, true);
  cJSON_Delete(root);
  return text;
}

/* Takes over `record`. */
static lcl_status put(cJSON **entries, const char *key, cJSON *record) {
  if (!*entries) *entries = cJSON_CreateObject();
  cJSON_DeleteItemFromObjectCaseSensitive(*entries, key);
  if (record && cJSON_AddItemToObject(*entries, key, record)) return LCL_OK;
  cJSON_Delete(record);
  return lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
}

static bool measured(const cJSON *record) {
  return record && strcmp(lcl__json_word(record, "by"), measured_by[LCL_RECORD_DEFAULT]) != 0;
}

/* The records of the file, with `record` (taken over; NULL: none) among them, or without it where
 * there is a measured one already that has to be kept. */
static lcl_status merged(const char *path, const char *key, cJSON *record, bool keep,
                         cJSON **entries) {
  bool old;
  lcl_status st = load(path, entries, &old);
  if (st == LCL_ERR_FORMAT) { /* a damaged file is replaced */
    lcl__logf(LCL_LOG_WARN, "%s; it is written anew", lcl_error_message());
    st = LCL_OK;
  }
  if (st == LCL_OK && record &&
      !(keep && measured(cJSON_GetObjectItemCaseSensitive(*entries, key))))
    return put(entries, key, record);
  cJSON_Delete(record);
  return st;
}

static lcl_status merge_locked(lcl_context *ctx, const char *path, const char *key, cJSON *record,
                               bool keep, cJSON **entries) {
  lcl_status st = merged(path, key, record, keep, entries);
  cJSON *copy = st == LCL_OK ? cJSON_Duplicate(*entries, true) : NULL;
  char *text = st == LCL_OK ? print(ctx, copy) : NULL;
  if (st == LCL_OK)
    st = text ? lcl__file_write_atomic(path, text, strlen(text))
              : lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
  if (st == LCL_OK) lcl__keep_others_out(path);
  cJSON_free(text);
  return st;
}

/* The user's file, in a folder that is made if it is not there. */
static lcl_status own_file(lcl_context *ctx, lcl_str *path) {
  if (!lcl__tuning_path(ctx, path))
    return lcl__fail(LCL_ERR_IO, "there is no folder for tuning results: set LATENTCL_TUNING");
  char *slash = strrchr(path->data, '/');
  *slash = 0;
  const lcl_status st = lcl__folder_make_private(path->data);
  *slash = '/';
  return st;
}

lcl_status lcl__tuning_check(lcl_context *ctx) {
  lcl_str path = { 0 };
  cJSON *entries = NULL;
  lcl_status st = own_file(ctx, &path);
  if (st == LCL_OK) st = lcl__check_output(path.data);
  if (st == LCL_OK) st = merged(path.data, NULL, NULL, false, &entries);
  cJSON_Delete(entries);
  lcl__str_free(&path);
  return st;
}

/* Writes the user's file with `record` (taken over; NULL: in today's schema only). entries: what it
 * holds then, cJSON_Delete() them. */
static lcl_status merge(lcl_context *ctx, const char *key, cJSON *record, bool keep,
                        cJSON **entries) {
  lcl_str path = { 0 }, lock = { 0 };
  lcl_status st = own_file(ctx, &path);
  lcl__str_add(&lock, "%s.lock", path.data ? path.data : "");
  int fd = st == LCL_OK && lcl__str_ok(&lock) ? open(lock.data, O_CREAT | O_RDWR | O_CLOEXEC, 0644)
                                              : -1;
  if (st == LCL_OK && fd < 0)
    st = lcl__fail(LCL_ERR_IO, "cannot make %s", lock.data ? lock.data : "a lock file");
  if (st == LCL_OK) {
    flock(fd, LOCK_EX);
    st = merge_locked(ctx, path.data, key, record, keep, entries);
  } else {
    cJSON_Delete(record);
  }
  if (fd >= 0) close(fd);
  lcl__str_free(&path);
  lcl__str_free(&lock);
  return st;
}

/* ---- look-up ---- */

/* Shipped choices go by what a device is, in the terms of the kernels. */
static const char *shipped_name(const lcl_caps *caps) {
  if (caps->packed) return lcl__packed_vec(caps) == 16 ? "packed16.json" : "packed8.json";
  return caps->type & CL_DEVICE_TYPE_GPU ? "tiled-gpu.json" : "tiled-cpu.json";
}

static tuning *of_context(lcl_context *ctx) {
  void **slot = lcl__context_attachment(ctx, LCL_ATTACH_TUNING, tuning_free);
  if (!*slot) *slot = lcl__alloc(sizeof(tuning));
  tuning *t = *slot;
  if (!t || t->loaded) return t;
  t->loaded = true;
  lcl_str path = { 0 };
  bool old = false;
  if (lcl__tuning_path(ctx, &path) && load(path.data, &t->user, &old) != LCL_OK)
    lcl__logf(LCL_LOG_WARN, "%s; it is not used", lcl_error_message());
  cJSON *rewritten = NULL;
  if (old && merge(ctx, NULL, NULL, false, &rewritten) != LCL_OK)
    lcl__logf(LCL_LOG_WARN, "%s cannot be rewritten: %s", path.data, lcl_error_message());
  cJSON_Delete(rewritten);
  const char *own = getenv("LATENTCL_TUNING"),
             *text = lcl__embedded_source(shipped_name(lcl__context_caps(ctx)));
  if (text && !(own && strcmp(own, "off") == 0)) parse(text, strlen(text), &t->shipped, &old);
  lcl__str_free(&path);
  return t;
}

/* A record that is not what it should be costs speed, never a wrong result; one warning each. */
static bool find_in(cJSON *entries, const char *key, const lcl_kind *kind, lcl_record *r) {
  cJSON *json = cJSON_GetObjectItemCaseSensitive(entries, key);
  *r = (lcl_record) { 0 };
  if (!json) return false;
  read_measuring(json, r);
  if (lcl__choice_from_json(json, kind, &r->choice)) return true;
  lcl__logf(LCL_LOG_WARN, "tuning: the record of %s is ignored: no such algorithm or parameters",
            key);
  cJSON_DeleteItemFromObjectCaseSensitive(entries, key);
  return false;
}

bool lcl__tuning_find(lcl_context *ctx, const char *key, const lcl_kind *kind, lcl_record *r) {
  tuning *t = of_context(ctx);
  if (!t) return false;
  if (find_in(t->set, key, kind, r)) return r->source = LCL_RECORD_SET, true;
  if (find_in(t->user, key, kind, r)) return true;
  if (find_in(t->shipped, key, kind, r)) return r->source = LCL_RECORD_SHIPPED, true;
  return false;
}

bool lcl__tuning_tuned(lcl_context *ctx, const char *key) {
  tuning *t = of_context(ctx);
  const cJSON *json = t ? cJSON_GetObjectItemCaseSensitive(t->user, key) : NULL;
  lcl_record r;
  if (json) read_measuring(json, &r);
  return json && r.source == LCL_RECORD_TUNE;
}

lcl_status lcl__tuning_save(lcl_context *ctx, const char *key, const lcl_record *r) {
  tuning *t = of_context(ctx);
  cJSON *json = record_to_json(r), *entries = NULL;
  if (!t || !json) {
    cJSON_Delete(json);
    return lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
  }
  const lcl_status st = merge(ctx, key, json, r->source != LCL_RECORD_TUNE, &entries);
  if (st != LCL_OK) {
    cJSON_Delete(entries);
    return st;
  }
  cJSON_Delete(t->user);
  t->user = entries;
  return LCL_OK;
}

lcl_status lcl__tuning_set(lcl_context *ctx, const char *key, const lcl_choice *c) {
  tuning *t = of_context(ctx);
  if (!t) return LCL_ERR_HOST_MEMORY;
  if (c) return put(&t->set, key, lcl__choice_to_json(c));
  cJSON_DeleteItemFromObjectCaseSensitive(t->set, key);
  return LCL_OK;
}
