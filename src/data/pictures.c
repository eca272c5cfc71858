/* Folders of PNG and JPEG images: one folder a class, or files named CLASS.NUMBER.jpg. */
#include <ctype.h>

#include "base/parallel.h"
#include "base/philox.h"
#include "data/data_internal.h"
#include "data/image.h"

#define PICTURE_MAX_BYTES ((size_t)256 << 20)

typedef struct picture_file {
  char *path;
  int32_t label;
} picture_file;

typedef struct picture_list {
  struct {
    picture_file *data;
    size_t n, cap;
  } files;
  lcl_names classes;
} picture_list;

static void list_free(picture_list *l) {
  for (size_t i = 0; i < l->files.n; i++) lcl_free(l->files.data[i].path);
  lcl_free(l->files.data);
  lcl_names_free(&l->classes);
}

static bool is_picture(const char *name) {
  return lcl_name_ends(name, ".png") || lcl_name_ends(name, ".jpg") || lcl_name_ends(name, ".jpeg");
}

/* Number of the class called name (n characters), added where it is new; -1 when out of memory. */
static int32_t class_number(picture_list *l, const char *name, size_t n) {
  for (size_t i = 0; i < l->classes.n; i++)
    if (strlen(l->classes.data[i]) == n && strncmp(l->classes.data[i], name, n) == 0)
      return (int32_t)i;
  char *copy = lcl_alloc(n + 1);
  if (!copy) return -1;
  memcpy(copy, name, n);
  if (LCL_PUSH(&l->classes, copy)) return (int32_t)l->classes.n - 1;
  lcl_free(copy);
  return -1;
}

static lcl_status add_file(picture_list *l, const char *folder, const char *name,
                           const char *class_name, size_t n) {
  int32_t label = class_number(l, class_name, n);
  lcl_str path = { 0 };
  lcl_str_add(&path, "%s/%s", folder, name);
  picture_file f = { path.data, label };
  if (label >= 0 && lcl_str_ok(&path) && LCL_PUSH(&l->files, f)) return LCL_OK;
  lcl_str_free(&path);
  return LCL_ERR_HOST_MEMORY;
}

static lcl_status list_class_folder(picture_list *l, const char *folder, const char *name) {
  lcl_str path = { 0 };
  lcl_names files = { 0 };
  lcl_str_add(&path, "%s/%s", folder, name);
  lcl_status status = lcl_str_ok(&path) ? lcl_list_folder(path.data, LCL_ENTRY_FILE, &files)
                                        : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < files.n && status == LCL_OK; i++)
    if (is_picture(files.data[i]))
      status = add_file(l, path.data, files.data[i], name, strlen(name));
  lcl_names_free(&files);
  lcl_str_free(&path);
  return status;
}

/* CLASS.NUMBER.jpg: the class is what stands before the first dot; names without a second dot have
 * none. */
static lcl_status list_named_files(picture_list *l, const char *folder) {
  lcl_names files;
  LCL_TRY(lcl_list_folder(folder, LCL_ENTRY_FILE, &files));
  lcl_status status = LCL_OK;
  for (size_t i = 0; i < files.n && status == LCL_OK; i++) {
    const char *name = files.data[i], *dot = strchr(name, '.');
    if (!is_picture(name) || !dot || dot == name || !strchr(dot + 1, '.')) continue;
    status = add_file(l, folder, name, name, (size_t)(dot - name));
  }
  lcl_names_free(&files);
  return status;
}

static lcl_status list_pictures(picture_list *l, const char *folder) {
  lcl_names folders;
  LCL_TRY(lcl_list_folder(folder, LCL_ENTRY_FOLDER, &folders));
  lcl_status status = LCL_OK;
  for (size_t i = 0; i < folders.n && status == LCL_OK; i++)
    status = list_class_folder(l, folder, folders.data[i]);
  lcl_names_free(&folders);
  if (status == LCL_OK && !l->files.n) status = list_named_files(l, folder);
  return status;
}

/* ---- decoding, on all CPUs ---- */

typedef struct decode_job {
  const picture_list *list;
  int side;
  bool grey;
  uint8_t *pixels;
  lcl_status *status; /* of each file; failures are told again by reading the file once more in the
                         caller's thread */
} decode_job;

static lcl_status decode_one(const decode_job *j, int64_t i) {
  const char *path = j->list->files.data[i].path;
  size_t n, each = (size_t)(j->grey ? 1 : 3) * (size_t)j->side * (size_t)j->side;
  void *data;
  lcl_image image = { 0 };
  LCL_TRY(lcl_file_read(path, PICTURE_MAX_BYTES, &data, &n));
  lcl_status status = lcl_image_decode(data, n, j->side, &image);
  if (status == LCL_OK)
    status = lcl_image_square(&image, j->side, j->grey, j->pixels + (size_t)i * each);
  if (status != LCL_OK) lcl_fail_prefix(status, "%s", path);
  lcl_image_free(&image);
  lcl_free(data);
  return status;
}

static void decode_range(void *user, int64_t begin, int64_t end) {
  decode_job *j = user;
  for (int64_t i = begin; i < end; i++) j->status[i] = decode_one(j, i);
}

static lcl_status decode_all(const lcl_data_desc *desc, picture_list *l, const char *name,
                             lcl_dataset **out) {
  int side = desc->image_size > 0 ? desc->image_size : 48;
  size_t n = l->files.n, each = (size_t)(desc->grey ? 1 : 3) * (size_t)side * (size_t)side;
  if (side > 4096)
    return lcl_fail(LCL_ERR_ARGUMENT, "images can be scaled to at most 4096, not %d", side);
  lcl_raw raw = { (int64_t)n,
                  desc->grey ? 1 : 3,
                  side,
                  side,
                  lcl_alloc(n * each),
                  NULL,
                  lcl_alloc(n * sizeof(int32_t)),
                  (int)l->classes.n,
                  NULL };
  decode_job j = { l, side, desc->grey, raw.pixels, lcl_alloc(n * sizeof(lcl_status)) };
  lcl_status status = raw.pixels && raw.labels && j.status ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) lcl_parallel_for((int64_t)n, 16, decode_range, &j);
  for (size_t i = 0; i < n && status == LCL_OK; i++) {
    raw.labels[i] = l->files.data[i].label;
    if (j.status[i] != LCL_OK) status = decode_one(&j, (int64_t)i);
  }
  lcl_free(j.status);
  if (status != LCL_OK) {
    raw.classes = 0;
    lcl_raw_free(&raw);
    return status;
  }
  raw.class_names = l->classes.data;
  memset(&l->classes, 0, sizeof l->classes);
  return lcl_raw_to_dataset(&raw, name, out);
}

static lcl_status open_part(const lcl_data_desc *desc, const char *folder, const char *part,
                            lcl_dataset **out) {
  picture_list list = { 0 };
  *out = NULL;
  lcl_status status = list_pictures(&list, folder);
  if (status == LCL_OK && list.files.n) status = decode_all(desc, &list, part, out);
  list_free(&list);
  return status;
}

/* The names that the folder of a part may have. */
static const char *const part_names[3][4] = { { "train", "training" },
                                              { "valid", "val", "validation" },
                                              { "test", "testing" } };

/* Which of folders is that of a part; NULL: none. Two that mean the same are an error. */
static lcl_status part_folder(const lcl_data_desc *desc, const lcl_names *folders, int part,
                              const char **out) {
  *out = NULL;
  for (size_t i = 0; i < folders->n; i++) {
    for (int k = 0; k < 4 && part_names[part][k]; k++) {
      if (strcmp(folders->data[i], part_names[part][k]) != 0) continue;
      if (*out)
        return lcl_fail(LCL_ERR_FORMAT, "%s holds %s and %s, which mean the same part: keep one",
                        desc->path, *out, folders->data[i]);
      *out = folders->data[i];
    }
  }
  return LCL_OK;
}

/* A folder beside train that is no part would go unnoticed. */
static void name_unused(const lcl_data_desc *desc, const lcl_names *folders, const char *used[3]) {
  for (size_t i = 0; i < folders->n; i++) {
    bool known = false;
    for (int p = 0; p < 3; p++) known |= used[p] && strcmp(folders->data[i], used[p]) == 0;
    if (!known)
      lcl_logf(LCL_LOG_WARN, "%s/%s is not used: a part is called train, valid or test", desc->path,
               folders->data[i]);
  }
}

static lcl_status open_sub(const lcl_data_desc *desc, const char *folder, const char *part,
                           lcl_dataset **out) {
  lcl_str path = { 0 };
  *out = NULL;
  if (!folder) return LCL_OK;
  lcl_str_add(&path, "%s/%s", desc->path, folder);
  lcl_status status = lcl_str_ok(&path) ? open_part(desc, path.data, part, out)
                                        : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK && !*out)
    lcl_logf(LCL_LOG_WARN, "%s holds no picture of a class and is not used", path.data);
  lcl_str_free(&path);
  return status;
}

/* Folders train, valid and test where there is a train (or training), else one part. */
static lcl_status open_parts(const lcl_data_desc *desc, const lcl_names *folders, lcl_splits *out) {
  const char *used[3];
  for (int p = 0; p < 3; p++) LCL_TRY(part_folder(desc, folders, p, &used[p]));
  LCL_TRY(open_sub(desc, used[0], "train", &out->train));
  if (!out->train) return open_part(desc, desc->path, "train", &out->train);
  name_unused(desc, folders, used);
  LCL_TRY(open_sub(desc, used[1], "valid", &out->valid));
  return open_sub(desc, used[2], "test", &out->test);
}

lcl_status lcl_open_pictures(const lcl_data_desc *desc, lcl_splits *out, bool *found) {
  lcl_names folders;
  LCL_TRY(lcl_list_folder(desc->path, LCL_ENTRY_FOLDER, &folders));
  lcl_status status = open_parts(desc, &folders, out);
  lcl_names_free(&folders);
  if (status != LCL_OK || !out->train) return status;
  *found = true;
  out->format = "pictures";
  return out->test ? LCL_OK : lcl_hold_test_out(desc, out);
}
