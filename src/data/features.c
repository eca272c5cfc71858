/* Feature tables and tensors in NumPy's format: features.npy with labels.npy, or train_...,
 * valid_... and test_... . */
#include "base/npy.h"
#include "data/data_internal.h"

static lcl_status read_array(const char *folder, const char *part, const char *what, lcl_npy *out,
                             bool *there) {
  lcl_str path = { 0 };
  lcl_str_add(&path, "%s/%s%s%s.npy", folder, part, *part ? "_" : "", what);
  lcl_status status = lcl_str_ok(&path) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  *there = status == LCL_OK && lcl_file_exists(path.data);
  if (*there) status = lcl_npy_read(path.data, out);
  lcl_str_free(&path);
  return status;
}

/* (N,F), (N,H,W) or (N,C,H,W): u8 stays bytes, other types become floats. */
static lcl_status take_features(lcl_npy *a, lcl_raw *raw) {
  if (a->rank < 2 || a->rank > 4 || !a->count)
    return lcl_fail(
        LCL_ERR_SHAPE,
        "features.npy must be (N,F), (N,H,W) or (N,C,H,W) and not empty; its rank is %d", a->rank);
  for (int i = 1; i < a->rank; i++) {
    if (a->dim[i] > 1 << 24)
      return lcl_fail(LCL_ERR_SHAPE, "features.npy: dimension %d is %lld, at most 2^24 is read", i,
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
  raw->values = lcl_alloc(a->count * sizeof *raw->values);
  if (!raw->values) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < a->count; i++) raw->values[i] = (float)lcl_npy_get(a, i);
  return LCL_OK;
}

static lcl_status take_labels(const lcl_npy *a, lcl_raw *raw) {
  if (a->rank != 1 || a->dim[0] != raw->count)
    return lcl_fail(LCL_ERR_SHAPE, "labels.npy must hold one label for each of the %lld examples",
                    (long long)raw->count);
  raw->labels = lcl_alloc((size_t)raw->count * sizeof *raw->labels);
  if (!raw->labels) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < raw->count; i++) {
    double v = lcl_npy_get(a, (size_t)i);
    if (!(v >= -1 && v < 65536) || v != (double)(int32_t)v)
      return lcl_fail(
          LCL_ERR_FORMAT,
          "labels.npy: label %lld is %g; labels are whole numbers, -1 (unknown) or 0..65535",
          (long long)i, v);
    raw->labels[i] = (int32_t)v;
    raw->classes = LCL_MAX(raw->classes, raw->labels[i] + 1);
  }
  return LCL_OK;
}

static lcl_status open_part(const char *folder, const char *part, const char *name,
                            lcl_dataset **out) {
  lcl_npy features = { 0 }, labels = { 0 };
  lcl_raw raw = { 0 };
  bool there, labelled = false;
  *out = NULL;
  lcl_status status = read_array(folder, part, "features", &features, &there);
  if (status == LCL_OK && there) {
    status = take_features(&features, &raw);
    if (status == LCL_OK) status = read_array(folder, part, "labels", &labels, &labelled);
    if (status == LCL_OK && labelled) status = take_labels(&labels, &raw);
    if (status == LCL_OK) status = lcl_raw_to_dataset(&raw, name, out);
    if (status != LCL_OK) lcl_fail_prefix(status, "%s", folder);
    if (status == LCL_OK)
      (*out)->any_range = (*out)->values && (*out)->channels * (*out)->height == 1;
  }
  lcl_raw_free(&raw);
  lcl_npy_free(&features);
  lcl_npy_free(&labels);
  return status;
}

lcl_status lcl_open_npy(const lcl_data_desc *desc, lcl_splits *out, bool *found) {
  LCL_TRY(open_part(desc->path, "train", "train", &out->train));
  if (out->train) {
    LCL_TRY(open_part(desc->path, "valid", "valid", &out->valid));
    LCL_TRY(open_part(desc->path, "test", "test", &out->test));
  } else {
    LCL_TRY(open_part(desc->path, "", "train", &out->train));
    if (out->train) LCL_TRY(lcl_hold_test_out(desc, out));
  }
  *found = out->train != NULL;
  if (*found) out->format = "npy";
  return LCL_OK;
}
