/* Feature tables and tensors in NumPy's format: features.npy with labels.npy, or train_...,
 * valid_... (val_..., validation_...) and test_... . */
#include <math.h>

#include "base/npy.h"
#include "data/data_internal.h"

/* Whole numbers that floats cannot tell apart would be one value. */
static lcl_status check_whole(const lcl_npy *a, const char *path) {
  for (size_t i = 0; i < a->count; i++)
    if (fabs(lcl__npy_get(a, i)) > 1 << 24)
      return lcl__fail(LCL_ERR_TYPE,
                       "%s: element %zu is %.0f; whole numbers beyond 2^24 have no float of their "
                       "own (save float32 if rounding them is right)",
                       path, i, lcl__npy_get(a, i));
  return LCL_OK;
}

/* (N,F), (N,H,W) or (N,C,H,W): u8 stays bytes, other types become floats. */
static lcl_status take_features(lcl_npy *a, const char *path, lcl_raw *raw) {
  if (a->rank < 2 || a->rank > 4 || !a->count)
    return lcl__fail(LCL_ERR_SHAPE,
                     "%s must be (N,F), (N,H,W) or (N,C,H,W) and not empty; its rank is %d", path,
                     a->rank);
  for (int i = 1; i < a->rank; i++) {
    if (a->dim[i] > 1 << 24)
      return lcl__fail(LCL_ERR_SHAPE, "%s: dimension %d is %lld, at most 2^24 is read", path, i,
                       (long long)a->dim[i]);
  }
  raw->count = a->dim[0];
  raw->channels = a->rank == 4 ? (int)a->dim[1] : 1;
  raw->height = a->rank >= 3 ? (int)a->dim[a->rank - 2] : 1;
  raw->width = (int)a->dim[a->rank - 1];
  if (a->type == LCL_NPY_U8 || a->type == LCL_NPY_F32) {
    if (a->type == LCL_NPY_U8)
      raw->pixels = a->data;
    else
      raw->values = a->data;
    a->data = NULL;
    return LCL_OK;
  }
  raw->values = lcl__alloc(a->count * sizeof *raw->values);
  if (!raw->values) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < a->count; i++) raw->values[i] = (float)lcl__npy_get(a, i);
  return a->type == LCL_NPY_F64 ? LCL_OK : check_whole(a, path);
}

lcl_status lcl__npy_examples(const char *path, lcl_raw *raw) {
  lcl_npy a;
  LCL_TRY(lcl__npy_read(path, &a));
  const lcl_status status = take_features(&a, path, raw);
  lcl__npy_free(&a);
  return status;
}

static lcl_status take_labels(const lcl_npy *a, const char *path, lcl_raw *raw) {
  if (a->rank != 1 || a->dim[0] != raw->count)
    return lcl__fail(LCL_ERR_SHAPE, "%s must hold one label for each of the %lld examples", path,
                     (long long)raw->count);
  raw->labels = lcl__alloc((size_t)raw->count * sizeof *raw->labels);
  if (!raw->labels) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < raw->count; i++) {
    double v = lcl__npy_get(a, (size_t)i);
    if (!(v >= -1 && v < 65536) || v != (double)(int32_t)v)
      return lcl__fail(LCL_ERR_FORMAT,
                       "%s: label %lld is %g; labels are whole numbers, -1 (unknown) or 0..65535",
                       path, (long long)i, v);
    raw->labels[i] = (int32_t)v;
    raw->classes = LCL_MAX(raw->classes, raw->labels[i] + 1);
  }
  return LCL_OK;
}

static lcl_status read_labels(const char *path, lcl_raw *raw) {
  lcl_npy a;
  LCL_TRY(lcl__npy_read(path, &a));
  const lcl_status status = take_labels(&a, path, raw);
  lcl__npy_free(&a);
  return status;
}

/* folder/PREFIXwhat.npy, noted as used; NULL in *path where it is not there. */
static lcl_status find_file(const char *folder, const char *prefix, const char *what,
                            lcl_names *used, char **path) {
  lcl_str s = { 0 };
  *path = NULL;
  lcl__str_add(&s, "%s/%s%s.npy", folder, prefix, what);
  if (!lcl__str_ok(&s)) return LCL_ERR_HOST_MEMORY;
  if (!lcl__file_exists(s.data)) {
    lcl__str_free(&s);
    return LCL_OK;
  }
  *path = s.data;
  return lcl__names_add(used, "", s.data + strlen(folder) + 1) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static lcl_status read_part(const char *features, const char *labels, const char *name,
                            lcl_dataset **out) {
  lcl_raw raw = { 0 };
  lcl_status status = lcl__npy_examples(features, &raw);
  if (status == LCL_OK && labels) status = read_labels(labels, &raw);
  if (status != LCL_OK) {
    lcl__raw_free(&raw);
    return status;
  }
  status = lcl__raw_to_dataset(&raw, name, out);
  if (status != LCL_OK) return lcl__fail_prefix(status, "%s", features);
  (*out)->any_range = (*out)->values && (*out)->channels * (*out)->height == 1;
  return LCL_OK;
}

static lcl_status open_files(const char *folder, const char *prefix, const char *features,
                             const char *labels, const char *name, lcl_dataset **out) {
  if (!features && (!labels || !prefix[0])) return LCL_OK;
  if (!features)
    return lcl__fail(LCL_ERR_FORMAT, "%s: the examples are missing (%s/%sfeatures.npy)", labels,
                     folder, prefix);
  if (*out)
    return lcl__fail(LCL_ERR_FORMAT, "%s: another file is the same part: keep one", features);
  return read_part(features, labels, name, out);
}

static lcl_status open_part(const char *folder, const char *prefix, const char *name,
                            lcl_names *used, lcl_dataset **out) {
  char *features, *labels = NULL;
  lcl_status status = find_file(folder, prefix, "features", used, &features);
  if (status == LCL_OK) status = find_file(folder, prefix, "labels", used, &labels);
  if (status == LCL_OK) status = open_files(folder, prefix, features, labels, name, out);
  lcl__free(features);
  lcl__free(labels);
  return status;
}

static lcl_status open_parts(const lcl_data_desc *desc, lcl_names *used, lcl_splits *out) {
  static const char *const prefix[] = { "train_",      "training_", "valid_",  "val_",
                                        "validation_", "test_",     "testing_" };
  static const char *const name[] = { "train", "valid", "test" };
  lcl_dataset **part[] = { &out->train, &out->valid, &out->test };
  for (size_t i = 0; i < LCL_COUNT(prefix); i++) {
    const int p = lcl__part_named(prefix[i], strlen(prefix[i]) - 1);
    LCL_TRY(open_part(desc->path, prefix[i], name[p], used, part[p]));
  }
  const bool one = !out->train;
  if (one) LCL_TRY(open_part(desc->path, "", "train", used, &out->train));
  lcl__first_part(desc, out);
  if (out->train) LCL_TRY(lcl__warn_unused(desc->path, used));
  if (out->train) return one && !out->test ? lcl__split_test(desc, out) : LCL_OK;
  if (!used->n) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT,
                   "%s holds %s but no training part (train_features.npy or features.npy)",
                   desc->path, used->data[0]);
}

lcl_status lcl__open_npy(const lcl_data_desc *desc, lcl_splits *out, bool *found) {
  lcl_names used = { 0 };
  const lcl_status status = open_parts(desc, &used, out);
  lcl__names_free(&used);
  *found = status == LCL_OK && out->train;
  if (*found) out->format = "npy";
  return status;
}
