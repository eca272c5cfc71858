/* Folders of PNG and JPEG images: one folder a class, or files named CLASS.NUMBER.jpg. */

#include "base/parallel.h"
#include "base/philox.h"
#include "data/data_internal.h"
#include "data/image.h"

#define IMAGE_MAX_BYTES ((size_t)256 << 20)

typedef struct image_file {
  char *path;
  int32_t label;
} image_file;

typedef struct image_list {
  struct {
    image_file *data;
    size_t n, cap;
  } files;
  lcl_names classes;
} image_list;

static void list_free(image_list *l) {
  for (size_t i = 0; i < l->files.n; i++) lcl__free(l->files.data[i].path);
  lcl__free(l->files.data);
  lcl__names_free(&l->classes);
}

static bool is_image(const char *name) {
  return lcl__name_ends(name, ".png") || lcl__name_ends(name, ".jpg") ||
         lcl__name_ends(name, ".jpeg");
}

/* Number of the class called name (n characters), added where it is new; -1 when out of memory. */
static int32_t class_number(image_list *l, const char *name, size_t n) {
  for (size_t i = 0; i < l->classes.n; i++)
    if (strlen(l->classes.data[i]) == n && strncmp(l->classes.data[i], name, n) == 0)
      return (int32_t)i;
  char *copy = lcl__alloc(n + 1);
  if (!copy) return -1;
  memcpy(copy, name, n);
  if (LCL_PUSH(&l->classes, copy)) return (int32_t)l->classes.n - 1;
  lcl__free(copy);
  return -1;
}

static lcl_status add_file(image_list *l, const char *folder, const char *name, int32_t label) {
  lcl_str path = { 0 };
  lcl__str_add(&path, "%s/%s", folder, name);
  image_file f = { path.data, label };
  if (lcl__str_ok(&path) && LCL_PUSH(&l->files, f)) return LCL_OK;
  lcl__str_free(&path);
  return LCL_ERR_HOST_MEMORY;
}

static lcl_status add_named(image_list *l, const char *folder, const char *name,
                            const char *class_name, size_t n) {
  const int32_t label = class_number(l, class_name, n);
  return label >= 0 ? add_file(l, folder, name, label) : LCL_ERR_HOST_MEMORY;
}

static lcl_status list_class_folder(image_list *l, const char *folder, const char *name) {
  lcl_str path = { 0 };
  lcl_names files = { 0 };
  lcl__str_add(&path, "%s/%s", folder, name);
  lcl_status status = lcl__str_ok(&path) ? lcl__list_folder(path.data, LCL_ENTRY_FILE, &files)
                                         : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < files.n && status == LCL_OK; i++)
    if (is_image(files.data[i]))
      status = add_named(l, path.data, files.data[i], name, strlen(name));
  lcl__names_free(&files);
  lcl__str_free(&path);
  return status;
}

/* CLASS.NUMBER.jpg: the class is what stands before the first dot; names without a second dot have
 * none. */
static lcl_status list_named_files(image_list *l, const char *folder) {
  lcl_names files;
  LCL_TRY(lcl__list_folder(folder, LCL_ENTRY_FILE, &files));
  lcl_status status = LCL_OK;
  for (size_t i = 0; i < files.n && status == LCL_OK; i++) {
    const char *name = files.data[i], *dot = strchr(name, '.');
    if (!is_image(name) || !dot || dot == name || !strchr(dot + 1, '.')) continue;
    status = add_named(l, folder, name, name, (size_t)(dot - name));
  }
  lcl__names_free(&files);
  return status;
}

/* All image files of the folder, of no class. */
static lcl_status list_unnamed_files(image_list *l, const char *folder) {
  lcl_names files;
  LCL_TRY(lcl__list_folder(folder, LCL_ENTRY_FILE, &files));
  lcl_status status = LCL_OK;
  for (size_t i = 0; i < files.n && status == LCL_OK; i++)
    if (is_image(files.data[i])) status = add_file(l, folder, files.data[i], -1);
  lcl__names_free(&files);
  return status;
}

/* unnamed: also where no image has a class. */
static lcl_status list_images(image_list *l, const char *folder, bool unnamed) {
  lcl_names folders;
  LCL_TRY(lcl__list_folder(folder, LCL_ENTRY_FOLDER, &folders));
  lcl_status status = LCL_OK;
  for (size_t i = 0; i < folders.n && status == LCL_OK; i++)
    status = list_class_folder(l, folder, folders.data[i]);
  lcl__names_free(&folders);
  if (status == LCL_OK && !l->files.n) status = list_named_files(l, folder);
  if (status == LCL_OK && !l->files.n && unnamed) status = list_unnamed_files(l, folder);
  return status;
}

static const char *in_folder(const lcl_data_desc *desc, const image_file *f) {
  return f->path + strlen(desc->path) + 1;
}

/* ---- decoding, on all CPUs ---- */

typedef struct decode_job {
  const image_list *list;
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
  LCL_TRY(lcl__file_read(path, IMAGE_MAX_BYTES, &data, &n));
  lcl_status status = lcl__image_decode(data, n, j->side, &image);
  if (status == LCL_OK)
    status = lcl__image_square(&image, j->side, j->grey, j->pixels + (size_t)i * each);
  if (status != LCL_OK) lcl__fail_prefix(status, "%s", path);
  lcl__image_free(&image);
  lcl__free(data);
  return status;
}

static void decode_range(void *user, int64_t begin, int64_t end) {
  decode_job *j = user;
  for (int64_t i = begin; i < end; i++) j->status[i] = decode_one(j, i);
}

static lcl_status decode_all(const lcl_data_desc *desc, image_list *l, const char *name,
                             lcl_dataset **out) {
  int side = desc->image_size > 0 ? desc->image_size : 48;
  size_t n = l->files.n, each = (size_t)(desc->grey ? 1 : 3) * (size_t)side * (size_t)side;
  if (side > 4096)
    return lcl__fail(LCL_ERR_ARGUMENT, "images can be scaled to at most 4096, not %d", side);
  lcl_raw raw = { (int64_t)n,
                  desc->grey ? 1 : 3,
                  side,
                  side,
                  lcl__alloc(n * each),
                  NULL,
                  l->classes.n ? lcl__alloc(n * sizeof(int32_t)) : NULL,
                  (int)l->classes.n,
                  NULL,
                  lcl__alloc(n * sizeof(char *)) };
  decode_job j = { l, side, desc->grey, raw.pixels, lcl__alloc(n * sizeof(lcl_status)) };
  const bool room = raw.pixels && (raw.labels || !l->classes.n) && raw.files && j.status;
  lcl_status status = room ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) lcl__parallel_for((int64_t)n, 16, decode_range, &j);
  for (size_t i = 0; i < n && status == LCL_OK; i++) {
    if (raw.labels) raw.labels[i] = l->files.data[i].label;
    if (j.status[i] != LCL_OK) status = decode_one(&j, (int64_t)i);
    if (status == LCL_OK && !(raw.files[i] = lcl__strdup(in_folder(desc, &l->files.data[i]))))
      status = LCL_ERR_HOST_MEMORY;
  }
  lcl__free(j.status);
  if (status != LCL_OK) {
    raw.classes = 0;
    lcl__raw_free(&raw);
    return status;
  }
  raw.class_names = l->classes.data;
  memset(&l->classes, 0, sizeof l->classes);
  return lcl__raw_to_dataset(&raw, name, out);
}

/* Whether all that would be classes are named as parts are. */
static bool parts_as_classes(const image_list *l) {
  for (size_t i = 0; i < l->classes.n; i++)
    if (lcl__part_named(l->classes.data[i], strlen(l->classes.data[i])) < 0) return false;
  return l->classes.n > 0;
}

/* Opens the folder's images as a part; their paths in desc->path go to used. Of a whole, folders
 * named as parts are not classes. */
static lcl_status open_part(const lcl_data_desc *desc, const char *folder, const char *part,
                            lcl_names *used, lcl_dataset **out) {
  image_list list = { 0 };
  *out = NULL;
  lcl_status status = list_images(&list, folder, desc->whole);
  if (status == LCL_OK && desc->whole && parts_as_classes(&list)) {
    list_free(&list);
    return LCL_OK;
  }
  for (size_t i = 0; i < list.files.n && status == LCL_OK; i++)
    if (!lcl__names_add(used, "", in_folder(desc, &list.files.data[i])))
      status = LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK && parts_as_classes(&list))
    status = lcl__fail(LCL_ERR_FORMAT,
                       "%s holds images that have no class: a folder for each class was expected, "
                       "or names such as CLASS.1.png",
                       list.files.data[0].path);
  if (status == LCL_OK && list.files.n) status = decode_all(desc, &list, part, out);
  list_free(&list);
  return status;
}

/* The folders of the parts; NULL: none. Two that mean the same are an error. */
static lcl_status part_folders(const lcl_data_desc *desc, const lcl_names *folders,
                               const char *out[3]) {
  for (size_t i = 0; i < folders->n; i++) {
    const char *name = folders->data[i];
    const int p = lcl__part_named(name, strlen(name));
    if (p < 0) continue;
    if (out[p])
      return lcl__fail(LCL_ERR_FORMAT, "%s holds %s and %s, which mean the same part: keep one",
                       desc->path, out[p], name);
    out[p] = name;
  }
  return LCL_OK;
}

static lcl_status open_sub(const lcl_data_desc *desc, const char *folder, const char *part,
                           lcl_names *used, lcl_dataset **out) {
  lcl_str path = { 0 };
  *out = NULL;
  if (!folder) return LCL_OK;
  lcl__str_add(&path, "%s/%s", desc->path, folder);
  lcl_status status = lcl__str_ok(&path) ? open_part(desc, path.data, part, used, out)
                                         : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&path);
  return status;
}

/* Folders train, valid and test where there is a train (or training), else one part. */
static lcl_status open_parts(const lcl_data_desc *desc, const lcl_names *folders, lcl_names *used,
                             lcl_splits *out) {
  const char *part[3] = { NULL };
  LCL_TRY(part_folders(desc, folders, part));
  LCL_TRY(open_sub(desc, part[0], "train", used, &out->train));
  if (out->train) {
    LCL_TRY(open_sub(desc, part[1], "valid", used, &out->valid));
    return open_sub(desc, part[2], "test", used, &out->test);
  }
  LCL_TRY(open_part(desc, desc->path, "train", used, &out->train));
  if (out->train) return LCL_OK;
  LCL_TRY(open_sub(desc, part[1], "valid", used, &out->valid));
  LCL_TRY(open_sub(desc, part[2], "test", used, &out->test));
  lcl__first_part(desc, out);
  if (out->train || !used->n) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT, "%s holds %s but no training part (a folder train)", desc->path,
                   used->data[0]);
}

lcl_status lcl__open_images(const lcl_data_desc *desc, lcl_splits *out, bool *found) {
  lcl_names folders, used = { 0 };
  LCL_TRY(lcl__list_folder(desc->path, LCL_ENTRY_FOLDER, &folders));
  lcl_status status = open_parts(desc, &folders, &used, out);
  if (status == LCL_OK && out->train) status = lcl__warn_unused(desc->path, &used);
  lcl__names_free(&folders);
  lcl__names_free(&used);
  if (status != LCL_OK || !out->train) return status;
  *found = true;
  out->format = "images";
  return out->test ? LCL_OK : lcl__split_test(desc, out);
}
