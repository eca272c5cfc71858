/* Data sets made from data sets: splits, class-balanced subsets, joined and binarised copies. */
#include "data/array.h"
#include "data/data_internal.h"
#include "base/philox.h"

static lcl_status permutation(int64_t n, uint64_t seed, const char *what, uint64_t step,
                              uint32_t **out) {
  *out = NULL;
  if (n > UINT32_MAX)
    return lcl__fail(LCL_ERR_UNSUPPORTED,
                     "a data set of more than 2^32 examples cannot be shuffled");
  uint32_t *perm = lcl__alloc((size_t)LCL_MAX(n, 1) * sizeof *perm);
  if (!perm) return LCL_ERR_HOST_MEMORY;
  lcl__philox_permutation(seed, lcl__philox_stream(what), step, perm, (uint32_t)n);
  *out = perm;
  return LCL_OK;
}

/* Marks n_rest examples with 1. */
static lcl_status choose_rest(const lcl_dataset *ds, int64_t n_rest, bool random, uint64_t seed,
                              uint8_t *mark) {
  if (!random) {
    memset(mark + (ds->count - n_rest), 1, (size_t)n_rest);
    return LCL_OK;
  }
  uint32_t *perm;
  LCL_TRY(permutation(ds->count, seed, "data.split", 0, &perm));
  for (int64_t i = 0; i < n_rest; i++) mark[perm[i]] = 1;
  lcl__free(perm);
  return LCL_OK;
}

lcl_status lcl_dataset_split(const lcl_dataset *ds, int64_t n_rest, bool random, uint64_t seed,
                             lcl_dataset **part, lcl_dataset **rest) {
  LCL_NEED(ds, part, rest);
  *part = *rest = NULL;
  if (n_rest < 1 || n_rest >= ds->count)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "cannot split %lld of the %lld examples of '%s': choose 1 to %lld",
                     (long long)n_rest, (long long)ds->count, ds->name, (long long)ds->count - 1);
  uint8_t *mark = lcl__alloc((size_t)ds->count);
  int64_t *index = lcl__alloc((size_t)ds->count * sizeof *index);
  lcl_status status = mark && index ? choose_rest(ds, n_rest, random, seed, mark)
                                    : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    int64_t keep = 0, to = ds->count - n_rest;
    for (int64_t i = 0; i < ds->count; i++) index[mark[i] ? to++ : keep++] = i;
    status = lcl__dataset_view(ds, ds->name, index, ds->count - n_rest, part);
    if (status == LCL_OK)
      status = lcl__dataset_view(ds, ds->name, index + (ds->count - n_rest), n_rest, rest);
    if (status != LCL_OK) {
      lcl_dataset_close(*part);
      *part = NULL;
    }
  }
  lcl__free(mark);
  lcl__free(index);
  return status;
}

lcl_status lcl_dataset_per_class(const lcl_dataset *ds, int64_t n_per_class, uint64_t seed,
                                 uint32_t choice, lcl_dataset **out) {
  LCL_NEED(ds, out);
  *out = NULL;
  if (!ds->labels)
    return lcl__fail(LCL_ERR_ARGUMENT, "'%s' has no labels to choose examples by", ds->name);
  if (n_per_class < 1 || n_per_class > ds->count)
    return lcl__fail(LCL_ERR_ARGUMENT, "examples per class must be 1 to %lld, not %lld",
                     (long long)ds->count, (long long)n_per_class);
  int64_t *taken = lcl__alloc((size_t)ds->classes * sizeof *taken);
  int64_t *index = lcl__alloc((size_t)ds->count * sizeof *index);
  uint32_t *perm = NULL;
  lcl_status status = taken && index ? permutation(ds->count, seed, "data.per_class", choice, &perm)
                                     : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    int64_t n = 0;
    for (int64_t i = 0; i < ds->count; i++) {
      int32_t label = ds->labels[perm[i]];
      if (label < 0 || taken[label] == n_per_class) continue;
      taken[label]++;
      index[n++] = perm[i];
    }
    for (int c = 0; c < ds->classes && status == LCL_OK; c++) {
      char name[16];
      if (taken[c] < n_per_class)
        status = lcl__fail(
            LCL_ERR_ARGUMENT,
            "'%s' has only %lld example%s of class %s; %lld per class were asked for", ds->name,
            (long long)taken[c], taken[c] == 1 ? "" : "s", lcl__class_name(ds, c, name),
            (long long)n_per_class);
    }
    if (status == LCL_OK) status = lcl__dataset_view(ds, ds->name, index, n, out);
  }
  lcl__free(taken);
  lcl__free(index);
  lcl__free(perm);
  return status;
}

/* A new raw block of the shape of ds with count examples, bytes or floats; labels if asked for. */
static lcl_status raw_like(const lcl_dataset *ds, int64_t count, bool bytes, bool labelled,
                           lcl_raw *raw) {
  *raw =
      (lcl_raw) { count, ds->channels, ds->height, ds->width, NULL, NULL, NULL, ds->classes, NULL };
  size_t n;
  if (!lcl__mul_size(lcl_dataset_elements(ds), (size_t)count, &n) ||
      !lcl__mul_size(n, sizeof(float), &n))
    return lcl__fail(LCL_ERR_HOST_MEMORY, "a copy of '%s' does not fit into memory", ds->name);
  if (bytes)
    raw->pixels = lcl__alloc(n / sizeof(float));
  else
    raw->values = lcl__alloc(n);
  if (labelled) raw->labels = lcl__alloc((size_t)count * sizeof *raw->labels);
  bool ok = (raw->pixels || raw->values) && (!labelled || raw->labels);
  if (ok && lcl__raw_copy_names(ds, NULL, raw) == LCL_OK) return LCL_OK;
  lcl__raw_free(raw);
  return LCL_ERR_HOST_MEMORY;
}

static lcl_status concat_check(const lcl_dataset *const *sets, int n, int64_t *total,
                               bool *labelled, bool *bytes) {
  if (n < 1) return lcl__fail(LCL_ERR_ARGUMENT, "joining data sets needs at least one");
  const lcl_dataset *a = sets[0];
  *total = 0;
  *labelled = *bytes = true;
  for (int k = 0; k < n; k++) {
    const lcl_dataset *b = sets[k];
    if (b->channels != a->channels || b->height != a->height || b->width != a->width ||
        b->classes != a->classes)
      return lcl__fail(LCL_ERR_SHAPE,
                       "cannot join '%s' (%dx%dx%d, %d classes) and '%s' (%dx%dx%d, %d classes)",
                       a->name, a->channels, a->height, a->width, a->classes, b->name, b->channels,
                       b->height, b->width, b->classes);
    *total += b->count;
    *labelled = *labelled && b->labels;
    *bytes = *bytes && b->pixels && b->scale == a->scale && b->bias == a->bias;
  }
  return LCL_OK;
}

lcl_status lcl_dataset_concat(const lcl_dataset *const *sets, int n, const char *name,
                              lcl_dataset **out) {
  LCL_NEED(sets, out);
  *out = NULL;
  int64_t total = 0, at = 0;
  bool labelled = false, bytes = false;
  LCL_TRY(concat_check(sets, n, &total, &labelled, &bytes));
  lcl_raw raw;
  LCL_TRY(raw_like(sets[0], total, bytes, labelled, &raw));
  size_t each = lcl_dataset_elements(sets[0]);
  lcl_status s = LCL_OK;
  for (int k = 0; k < n; k++) {
    for (int64_t i = 0; i < sets[k]->count; i++, at++) {
      if (bytes)
        memcpy(raw.pixels + (size_t)at * each, sets[k]->pixels + sets[k]->offset[i], each);
      else
        lcl_dataset_example(sets[k], i, raw.values + (size_t)at * each);
      if (labelled) raw.labels[at] = sets[k]->labels[i];
      if (s == LCL_OK) s = lcl__raw_copy_file(sets[k], i, &raw, at);
    }
  }
  if (s == LCL_OK) s = lcl__raw_to_dataset(&raw, name, out);
  lcl__raw_free(&raw);
  LCL_TRY(s);
  if (bytes) {
    (*out)->scale = sets[0]->scale;
    (*out)->bias = sets[0]->bias;
  }
  (*out)->any_range = sets[0]->any_range;
  (*out)->bernoulli = true;
  for (int k = 0; k < n; k++) (*out)->bernoulli &= sets[k]->bernoulli;
  return LCL_OK;
}

lcl_status lcl_dataset_shrink(const lcl_dataset *ds, int factor, lcl_dataset **out) {
  LCL_NEED(ds, out);
  *out = NULL;
  if (factor < 1) return lcl__fail(LCL_ERR_ARGUMENT, "images cannot be reduced by %d", factor);
  return lcl__dataset_copies(ds, &(lcl_data_desc) { .reduce = factor }, out);
}

lcl_status lcl__dataset_binarised(const lcl_dataset *ds, bool threshold, uint64_t seed,
                                  uint32_t stream, lcl_dataset **out) {
  *out = NULL;
  size_t each = lcl_dataset_elements(ds);
  float *value = lcl__alloc(each * sizeof *value), *uniform = lcl__alloc(each * sizeof *uniform);
  lcl_raw raw = { 0 };
  lcl_status status = value && uniform ? raw_like(ds, ds->count, true, ds->labels != NULL, &raw)
                                       : LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < ds->count && status == LCL_OK; i++) {
    uint8_t *to = raw.pixels + (size_t)i * each;
    lcl_dataset_example(ds, i, value);
    if (!threshold) lcl__philox_uniform(seed, stream, (uint64_t)i, uniform, each);
    for (size_t k = 0; k < each; k++) to[k] = value[k] > (threshold ? 0.5f : uniform[k]);
    if (ds->labels) raw.labels[i] = ds->labels[i];
    status = lcl__raw_copy_file(ds, i, &raw, i);
  }
  lcl__free(value);
  lcl__free(uniform);
  if (status == LCL_OK) status = lcl__raw_to_dataset(&raw, ds->name, out);
  lcl__raw_free(&raw);
  if (status == LCL_OK) (*out)->bernoulli = false;
  return status;
}
