/* CIFAR-10 and CIFAR-100, the binary versions: records of label byte(s) and 3x32x32 pixels, plane
 * by plane. */
#include "data/data_internal.h"

#define CIFAR_PIXELS 3072
/* Twice the largest file of the original: streams that go on have an end. */
#define CIFAR_MAX_BYTES ((size_t)100000 * (2 + CIFAR_PIXELS))

lcl_status lcl__cifar_parse(const uint8_t *data, size_t n, int label_bytes, int classes,
                            lcl_raw *raw) {
  size_t record = (size_t)label_bytes + CIFAR_PIXELS, count = n / record;
  if (!count || n % record)
    return lcl__fail(LCL_ERR_FORMAT,
                     "%zu bytes are not a whole number of CIFAR records of %zu bytes", n, record);
  size_t total = (size_t)raw->count + count;
  uint8_t *pixels = lcl__realloc(raw->pixels, total * CIFAR_PIXELS);
  if (pixels) raw->pixels = pixels;
  int32_t *labels = lcl__realloc(raw->labels, total * sizeof *labels);
  if (labels) raw->labels = labels;
  if (!pixels || !labels) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < count; i++) {
    const uint8_t *from = data + i * record;
    int label = from[label_bytes - 1];
    if (label >= classes)
      return lcl__fail(LCL_ERR_FORMAT, "record %zu has label %d; a CIFAR-%d label is below %d", i,
                       label, classes, classes);
    labels[(size_t)raw->count + i] = label;
    memcpy(pixels + ((size_t)raw->count + i) * CIFAR_PIXELS, from + label_bytes, CIFAR_PIXELS);
  }
  raw->count = (int64_t)total;
  raw->channels = 3;
  raw->height = raw->width = 32;
  raw->classes = classes;
  return LCL_OK;
}

/* Appends folder/name or folder/name.gz to raw, where either exists (*there). */
static lcl_status append_file(const char *folder, const char *name, int label_bytes, int classes,
                              lcl_raw *raw, lcl_names *used, bool *there) {
  *there = false;
  for (int gz = 0; gz < 2 && !*there; gz++) {
    lcl_str path = { 0 };
    lcl__str_add(&path, "%s/%s%s", folder, name, gz ? ".gz" : "");
    lcl_status status = lcl__str_ok(&path) ? LCL_OK : LCL_ERR_HOST_MEMORY;
    if (status == LCL_OK && lcl__file_exists(path.data)) {
      uint8_t *data = NULL;
      size_t n = 0;
      *there = true;
      status = lcl__gz_read(path.data, CIFAR_MAX_BYTES, &data, &n);
      if (status == LCL_OK) {
        status = lcl__cifar_parse(data, n, label_bytes, classes, raw);
        if (status != LCL_OK) lcl__fail_prefix(status, "%s", path.data);
      }
      lcl__free(data);
      if (status == LCL_OK && !lcl__names_add(used, "", path.data + strlen(folder) + 1))
        status = LCL_ERR_HOST_MEMORY;
    }
    lcl__str_free(&path);
    LCL_TRY(status);
  }
  return LCL_OK;
}

/* One name a line, as many as classes. */
static lcl_status read_class_names(const char *folder, const char *name, lcl_raw *raw) {
  lcl_str path = { 0 };
  uint8_t *text = NULL;
  size_t n = 0;
  lcl__str_add(&path, "%s/%s", folder, name);
  lcl_status status = lcl__str_ok(&path) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK && lcl__file_exists(path.data))
    status = lcl__gz_read(path.data, 1 << 20, &text, &n);
  lcl__str_free(&path);
  if (status != LCL_OK || !text) return status;
  raw->class_names = lcl__alloc((size_t)raw->classes * sizeof *raw->class_names);
  int found = 0;
  bool ok = raw->class_names != NULL;
  char *save = NULL;
  for (char *line = strtok_r((char *)text, "\r\n", &save); ok && line;
       line = strtok_r(NULL, "\r\n", &save)) {
    if (found < raw->classes) ok = (raw->class_names[found] = lcl__strdup(line)) != NULL;
    found++;
  }
  lcl__free(text);
  if (!ok) return LCL_ERR_HOST_MEMORY;
  if (found != raw->classes)
    return lcl__fail(LCL_ERR_FORMAT,
                     "%s/%s holds %d names; one for each of %d classes was expected", folder, name,
                     found, raw->classes);
  for (int a = 0; a < found; a++) /* the parts' classes are matched by name */
    for (int b = 0; b < a; b++)
      if (strcmp(raw->class_names[a], raw->class_names[b]) == 0)
        return lcl__fail(LCL_ERR_FORMAT,
                         "%s/%s names two classes %s: names of their own were expected", folder,
                         name, raw->class_names[a]);
  return LCL_OK;
}

/* The files and classes of CIFAR-10 and CIFAR-100. */
typedef struct kind {
  const char *format, *train[6], *test[2], *names;
  int label_bytes, classes;
} kind;

static const kind kinds[] = {
  { "cifar10",
    { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
      "data_batch_5.bin" },
    { "test_batch.bin" },
    "batches.meta.txt",
    1,
    10 },
  { "cifar100", { "train.bin" }, { "test.bin" }, "fine_label_names.txt", 2, 100 },
};

static lcl_status open_part(const char *folder, const char *const *files, const kind *k,
                            const char *name, lcl_names *used, lcl_dataset **out) {
  lcl_raw raw = { 0 };
  lcl_status status = LCL_OK;
  const char *missing = NULL;
  *out = NULL;
  for (int i = 0; files[i] && status == LCL_OK; i++) {
    bool there;
    status = append_file(folder, files[i], k->label_bytes, k->classes, &raw, used, &there);
    if (!there && !missing) missing = files[i];
  }
  if (status == LCL_OK && raw.count && missing)
    status = lcl__fail(LCL_ERR_FORMAT, "%s holds %s but not %s[.gz], which is part of the set",
                       folder, used->data[0], missing);
  if (status == LCL_OK && raw.count) status = read_class_names(folder, k->names, &raw);
  if (status == LCL_OK && raw.count) return lcl__raw_to_dataset(&raw, name, out);
  lcl__raw_free(&raw);
  return status;
}

static lcl_status open_kind(const lcl_data_desc *desc, const kind *k, lcl_names *used,
                            lcl_splits *out) {
  LCL_TRY(open_part(desc->path, k->train, k, "train", used, &out->train));
  LCL_TRY(open_part(desc->path, k->test, k, "test", used, &out->test));
  lcl__first_part(desc, out);
  if (out->train) return lcl__warn_unused(desc->path, used);
  if (!out->test) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT, "%s holds %s but no training part (%s[.gz])", desc->path,
                   used->data[0], k->train[0]);
}

lcl_status lcl__open_cifar(const lcl_data_desc *desc, lcl_splits *out, bool *found) {
  lcl_status status = LCL_OK;
  for (size_t i = 0; i < LCL_COUNT(kinds) && status == LCL_OK && !*found; i++) {
    lcl_names used = { 0 };
    status = open_kind(desc, &kinds[i], &used, out);
    lcl__names_free(&used);
    *found = status == LCL_OK && out->train;
    if (*found) out->format = kinds[i].format;
  }
  return status;
}
