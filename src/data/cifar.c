/* CIFAR-10 and CIFAR-100, the binary versions: records of label byte(s) and 3x32x32 pixels, plane
 * by plane. */
#include "data/data_internal.h"

#define CIFAR_PIXELS 3072

lcl_status lcl_cifar_parse(const uint8_t *data, size_t n, int label_bytes, int classes,
                           lcl_raw *raw) {
  size_t record = (size_t)label_bytes + CIFAR_PIXELS, count = n / record;
  if (!count || n % record)
    return lcl_fail(LCL_ERR_FORMAT,
                    "%zu bytes are not a whole number of CIFAR records of %zu bytes", n, record);
  size_t total = (size_t)raw->count + count;
  uint8_t *pixels = lcl_realloc(raw->pixels, total * CIFAR_PIXELS);
  if (pixels) raw->pixels = pixels;
  int32_t *labels = lcl_realloc(raw->labels, total * sizeof *labels);
  if (labels) raw->labels = labels;
  if (!pixels || !labels) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < count; i++) {
    const uint8_t *from = data + i * record;
    int label = from[label_bytes - 1];
    if (label >= classes)
      return lcl_fail(LCL_ERR_FORMAT, "record %zu has label %d; a CIFAR-%d label is below %d", i,
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

/* Appends folder/name or folder/name.gz to raw; *there says whether either exists. */
static lcl_status append_file(const char *folder, const char *name, int label_bytes, int classes,
                              lcl_raw *raw, bool *there) {
  *there = false;
  for (int gz = 0; gz < 2 && !*there; gz++) {
    lcl_str path = { 0 };
    lcl_str_add(&path, "%s/%s%s", folder, name, gz ? ".gz" : "");
    lcl_status status = lcl_str_ok(&path) ? LCL_OK : LCL_ERR_HOST_MEMORY;
    if (status == LCL_OK && lcl_file_exists(path.data)) {
      uint8_t *data = NULL;
      size_t n = 0;
      *there = true;
      status = lcl_gz_read(path.data, LCL_DATA_MAX_BYTES, &data, &n);
      if (status == LCL_OK) {
        status = lcl_cifar_parse(data, n, label_bytes, classes, raw);
        if (status != LCL_OK) lcl_fail_prefix(status, "%s", path.data);
      }
      lcl_free(data);
    }
    lcl_str_free(&path);
    LCL_TRY(status);
  }
  return LCL_OK;
}

/* One name a line; ignored unless there are exactly as many lines as classes. */
static lcl_status read_class_names(const char *folder, const char *name, lcl_raw *raw) {
  lcl_str path = { 0 };
  uint8_t *text = NULL;
  size_t n = 0;
  lcl_str_add(&path, "%s/%s", folder, name);
  lcl_status status = lcl_str_ok(&path) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK && lcl_file_exists(path.data))
    status = lcl_gz_read(path.data, 1 << 20, &text, &n);
  lcl_str_free(&path);
  if (status != LCL_OK || !text) return status;
  raw->class_names = lcl_alloc((size_t)raw->classes * sizeof *raw->class_names);
  int found = 0;
  bool ok = raw->class_names != NULL;
  char *save = NULL;
  for (char *line = strtok_r((char *)text, "\r\n", &save); ok && line;
       line = strtok_r(NULL, "\r\n", &save)) {
    if (found < raw->classes) ok = (raw->class_names[found] = lcl_strdup(line)) != NULL;
    found++;
  }
  if (raw->class_names && found != raw->classes) {
    for (int i = 0; i < raw->classes; i++) lcl_free(raw->class_names[i]);
    lcl_free(raw->class_names);
    raw->class_names = NULL;
  }
  lcl_free(text);
  return ok ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static lcl_status open_part(const char *folder, const char *const *files, int label_bytes,
                            int classes, const char *meta, const char *name, lcl_dataset **out) {
  lcl_raw raw = { 0 };
  lcl_status status = LCL_OK;
  bool there;
  *out = NULL;
  for (int i = 0; files[i] && status == LCL_OK; i++)
    status = append_file(folder, files[i], label_bytes, classes, &raw, &there);
  if (status == LCL_OK && raw.count) status = read_class_names(folder, meta, &raw);
  if (status == LCL_OK && raw.count) return lcl_raw_to_dataset(&raw, name, out);
  lcl_raw_free(&raw);
  return status;
}

lcl_status lcl_open_cifar(const lcl_data_desc *desc, lcl_splits *out, bool *found) {
  static const char *const train10[] = { "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                         "data_batch_4.bin", "data_batch_5.bin", NULL };
  static const char *const test10[] = { "test_batch.bin", NULL };
  static const char *const train100[] = { "train.bin", NULL };
  static const char *const test100[] = { "test.bin", NULL };
  LCL_TRY(open_part(desc->path, train10, 1, 10, "batches.meta.txt", "train", &out->train));
  if (out->train) {
    *found = true;
    out->format = "cifar10";
    return open_part(desc->path, test10, 1, 10, "batches.meta.txt", "test", &out->test);
  }
  LCL_TRY(open_part(desc->path, train100, 2, 100, "fine_label_names.txt", "train", &out->train));
  if (!out->train) return LCL_OK;
  *found = true;
  out->format = "cifar100";
  return open_part(desc->path, test100, 2, 100, "fine_label_names.txt", "test", &out->test);
}
