/* Data sets: shared storage and views on it. */
#include <math.h>
#include <stdatomic.h>

#include "data/array.h"
#include "data/data_internal.h"
#include "base/philox.h"

typedef struct lcl_storage {
  atomic_int refs;
  uint8_t *pixels;
  float *values;
  char **class_names;
  int n_names;
  char **files; /* see lcl_raw */
  int64_t n_files;
} lcl_storage;

typedef struct lcl_dataset_impl {
  lcl_dataset pub;
  lcl_storage *storage;
  int64_t *offset;
  int32_t *labels;
  char *name;
} lcl_dataset_impl;

static void free_names(char **names, int64_t n) {
  for (int64_t i = 0; names && i < n; i++) lcl__free(names[i]);
  lcl__free(names);
}

void lcl__raw_free(lcl_raw *raw) {
  lcl__free(raw->pixels);
  lcl__free(raw->values);
  lcl__free(raw->labels);
  free_names(raw->class_names, raw->classes);
  free_names(raw->files, raw->count);
  memset(raw, 0, sizeof *raw);
}

lcl_status lcl__raw_copy_names(const lcl_dataset *ds, const int32_t *number, lcl_raw *raw) {
  if (!ds->class_names || raw->classes < 1) return LCL_OK;
  raw->class_names = lcl__alloc((size_t)raw->classes * sizeof *raw->class_names);
  if (!raw->class_names) return LCL_ERR_HOST_MEMORY;
  for (int c = 0; c < ds->classes; c++) {
    const int to = number ? number[c] : c;
    if (to >= 0 && !(raw->class_names[to] = lcl__strdup(ds->class_names[c])))
      return LCL_ERR_HOST_MEMORY;
  }
  return LCL_OK;
}

lcl_status lcl__raw_copy_file(const lcl_dataset *ds, int64_t i, lcl_raw *raw, int64_t at) {
  const char *file = lcl_dataset_file(ds, i);
  if (!file) return LCL_OK;
  if (!raw->files) raw->files = lcl__alloc((size_t)raw->count * sizeof *raw->files);
  return raw->files && (raw->files[at] = lcl__strdup(file)) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static void storage_release(lcl_storage *s) {
  if (!s || atomic_fetch_sub(&s->refs, 1) != 1) return;
  lcl__free(s->pixels);
  lcl__free(s->values);
  free_names(s->class_names, s->n_names);
  free_names(s->files, s->n_files);
  lcl__free(s);
}

void lcl_dataset_close(lcl_dataset *ds) {
  if (!ds) return;
  lcl_dataset_impl *d = ds->impl;
  storage_release(d->storage);
  lcl__free(d->offset);
  lcl__free(d->labels);
  lcl__free(d->name);
  lcl__free(d);
}

const char *lcl__class_name(const lcl_dataset *ds, int32_t c, char number[16]) {
  if (ds->class_names) return ds->class_names[c];
  snprintf(number, 16, "%d", (int)c);
  return number;
}

const char *lcl_dataset_file(const lcl_dataset *ds, int64_t i) {
  if (!ds || i < 0 || i >= ds->count) return NULL;
  const lcl_storage *s = ((const lcl_dataset_impl *)ds->impl)->storage;
  return s->files ? s->files[ds->offset[i] / (int64_t)lcl_dataset_elements(ds)] : NULL;
}

size_t lcl_dataset_elements(const lcl_dataset *ds) {
  if (!ds) return 0;
  return (size_t)ds->channels * (size_t)ds->height * (size_t)ds->width;
}

/* Takes a reference to storage when it succeeds. */
static lcl_dataset_impl *dataset_new(lcl_storage *storage, const char *name, int64_t count,
                                     bool labelled) {
  lcl_dataset_impl *d = lcl__alloc(sizeof *d);
  if (!d) return NULL;
  size_t slots = (size_t)LCL_MAX(count, 1);
  d->name = lcl__strdup(name);
  d->offset = lcl__alloc(slots * sizeof *d->offset);
  d->labels = labelled ? lcl__alloc(slots * sizeof *d->labels) : NULL;
  if (!d->name || !d->offset || (labelled && !d->labels)) {
    lcl__free(d->name);
    lcl__free(d->offset);
    lcl__free(d->labels);
    lcl__free(d);
    return NULL;
  }
  atomic_fetch_add(&storage->refs, 1);
  d->storage = storage;
  d->pub = (lcl_dataset) { .name = d->name,
                           .count = count,
                           .class_names = (const char *const *)storage->class_names,
                           .pixels = storage->pixels,
                           .values = storage->values,
                           .offset = d->offset,
                           .labels = d->labels,
                           .scale = 1,
                           .impl = d };
  return d;
}

static void find_range(lcl_dataset *ds, size_t n) {
  float lo = INFINITY, hi = -INFINITY;
  if (ds->pixels) {
    uint8_t a = 255, b = 0;
    for (size_t i = 0; i < n; i++) {
      a = LCL_MIN(a, ds->pixels[i]);
      b = LCL_MAX(b, ds->pixels[i]);
    }
    lo = a, hi = b;
  } else {
    for (size_t i = 0; i < n; i++) {
      lo = LCL_MIN(lo, ds->values[i]);
      hi = LCL_MAX(hi, ds->values[i]);
    }
  }
  ds->raw_min = n ? lo : 0;
  ds->raw_max = n ? hi : 0;
}

static lcl_status check_labels(const lcl_raw *raw, const char *name) {
  for (int64_t i = 0; raw->labels && i < raw->count; i++) {
    if (raw->labels[i] < -1 || raw->labels[i] >= raw->classes)
      return lcl__fail(LCL_ERR_FORMAT, "%s: example %lld has label %d, outside 0..%d", name,
                       (long long)i, (int)raw->labels[i], raw->classes - 1);
  }
  return LCL_OK;
}

static lcl_status check_finite(const lcl_raw *raw, const char *name, size_t n) {
  for (size_t i = 0; raw->values && i < n; i++) {
    if (!isfinite(raw->values[i]))
      return lcl__fail(LCL_ERR_FORMAT, "%s: element %zu is not a finite number (of float32)", name,
                       i);
  }
  return LCL_OK;
}

/* Images whose channels come last would be read as narrow ones of many channels. */
static void warn_channels_last(const lcl_raw *raw, const char *name) {
  const bool few = raw->width == 1 || raw->width == 3 || raw->width == 4;
  if (few && raw->channels > 4 && raw->height > 4)
    lcl__logf(
        LCL_LOG_WARN,
        "%s: read as images of %d channels, %d x %d; where they are %d x %d with %d channels, "
        "(N,C,H,W) was expected",
        name, raw->channels, raw->height, raw->width, raw->channels, raw->height, raw->width);
}

lcl_status lcl__raw_to_dataset(lcl_raw *raw, const char *name, lcl_dataset **out) {
  *out = NULL;
  size_t each = (size_t)raw->channels * (size_t)raw->height * (size_t)raw->width;
  lcl_status status = check_labels(raw, name);
  if (status == LCL_OK) status = check_finite(raw, name, each * (size_t)raw->count);
  lcl_storage *s = status == LCL_OK ? lcl__alloc(sizeof *s) : NULL;
  lcl_dataset_impl *d = s ? dataset_new(s, name, raw->count, raw->labels != NULL) : NULL;
  if (!d) {
    lcl__free(s);
    lcl__raw_free(raw);
    return status == LCL_OK ? LCL_ERR_HOST_MEMORY : status;
  }
  s->pixels = raw->pixels;
  s->values = raw->values;
  s->class_names = raw->class_names;
  s->n_names = raw->classes;
  s->files = raw->files;
  s->n_files = raw->count;
  warn_channels_last(raw, name);
  d->pub.pixels = raw->pixels;
  d->pub.values = raw->values;
  d->pub.class_names = (const char *const *)raw->class_names;
  d->pub.channels = raw->channels;
  d->pub.height = raw->height;
  d->pub.width = raw->width;
  d->pub.classes = raw->labels ? raw->classes : 0;
  for (int64_t i = 0; i < raw->count; i++) d->offset[i] = i * (int64_t)each;
  if (raw->labels) memcpy(d->labels, raw->labels, (size_t)raw->count * sizeof *d->labels);
  find_range(&d->pub, each * (size_t)raw->count);
  d->pub.scale = raw->pixels && d->pub.raw_max > 1 ? 1.0f / 255 : 1;
  lcl__free(raw->labels);
  memset(raw, 0, sizeof *raw);
  *out = &d->pub;
  return LCL_OK;
}

/* ---- classes by name ---- */

typedef struct name_list {
  char **data;
  size_t n, cap;
} name_list;

/* Index of name, added where it is new; -1: out of memory. */
static int name_index(name_list *l, const char *name) {
  for (size_t i = 0; i < l->n; i++)
    if (strcmp(l->data[i], name) == 0) return (int)i;
  char *copy = lcl__strdup(name);
  if (copy && LCL_PUSH(l, copy)) return (int)l->n - 1;
  lcl__free(copy);
  return -1;
}

/* Gives a storage a copy of these names (NULL: none), which are those of all views on it. */
static lcl_status set_names(lcl_storage *s, const char *const *names, int n_names) {
  name_list copy = { 0 };
  for (int k = 0; names && k < n_names; k++) {
    char *name = lcl__strdup(names[k]);
    if (name && LCL_PUSH(&copy, name)) continue;
    lcl__free(name);
    free_names(copy.data, (int)copy.n);
    return LCL_ERR_HOST_MEMORY;
  }
  free_names(s->class_names, s->n_names);
  s->class_names = copy.data;
  s->n_names = (int)copy.n;
  return LCL_OK;
}

/* Gives d's labels the numbers of all, and its storage a copy of those names. */
static lcl_status take_names(lcl_dataset_impl *d, name_list *all) {
  lcl_storage *s = d->storage;
  for (int64_t i = 0; d->labels && i < d->pub.count; i++)
    if (d->labels[i] >= 0) d->labels[i] = name_index(all, s->class_names[d->labels[i]]);
  LCL_TRY(set_names(s, (const char *const *)all->data, (int)all->n));
  d->pub.class_names = (const char *const *)s->class_names;
  d->pub.classes = s->n_names;
  return LCL_OK;
}

lcl_status lcl__dataset_match_classes(lcl_dataset *const *part, int n) {
  name_list all = { 0 };
  lcl_status status = LCL_OK;
  for (int i = 0; i < n && status == LCL_OK; i++) {
    if (!part[i]) continue;
    const lcl_dataset_impl *d = part[i]->impl;
    if (!d->labels || !d->storage->class_names || atomic_load(&d->storage->refs) != 1) goto done;
    for (int c = 0; c < d->storage->n_names && status == LCL_OK; c++)
      if (name_index(&all, d->storage->class_names[c]) < 0) status = LCL_ERR_HOST_MEMORY;
  }
  for (int i = 0; i < n && status == LCL_OK; i++)
    if (part[i]) status = take_names(part[i]->impl, &all);
done:
  free_names(all.data, (int)all.n);
  return status;
}

static lcl_status adopt_numbers(const lcl_dataset *ds, const char *const *names, int n_names) {
  if (ds->labels && names)
    lcl__logf(LCL_LOG_WARN, "%s: its classes have no names; 0 is taken for %s, and so on", ds->name,
              names[0]);
  if (!ds->labels || ds->classes <= n_names) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, "%s has labels up to %d; the model's %d classes are 0 to %d",
                   ds->name, ds->classes - 1, n_names, n_names - 1);
}

/* The class of this name, or of this number where there are no names; -1: none. */
static int find_name(const char *name, const char *const *names, int n_names) {
  char number[16];
  for (int k = 0; k < n_names; k++) {
    snprintf(number, sizeof number, "%d", k);
    if (strcmp(name, names ? names[k] : number) == 0) return k;
  }
  return -1;
}

static lcl_status adopt_names(lcl_dataset_impl *d, const char *const *names, int n_names) {
  const lcl_storage *s = d->storage;
  if (!d->labels) return LCL_OK;
  int *number = lcl__alloc((size_t)LCL_MAX(s->n_names, 1) * sizeof *number);
  if (!number) return LCL_ERR_HOST_MEMORY;
  lcl_status status = LCL_OK;
  for (int c = 0; c < s->n_names; c++) number[c] = find_name(s->class_names[c], names, n_names);
  for (int64_t i = 0; i < d->pub.count && status == LCL_OK; i++) {
    const int32_t c = d->labels[i];
    if (c < 0) continue;
    d->labels[i] = number[c];
    if (number[c] < 0)
      status = lcl__fail(LCL_ERR_ARGUMENT, "%s has the class \"%s\", which the model does not know",
                         d->pub.name, s->class_names[c]);
  }
  lcl__free(number);
  return status;
}

lcl_status lcl__dataset_adopt_classes(lcl_dataset *const *part, int n, const char *const *names,
                                      int n_names) {
  for (int i = 0; i < n; i++) { /* before the first storage's names change */
    if (!part[i]) continue;
    lcl_dataset_impl *d = part[i]->impl;
    LCL_TRY(d->storage->class_names ? adopt_names(d, names, n_names)
                                    : adopt_numbers(part[i], names, n_names));
  }
  for (int i = 0; i < n; i++) {
    if (!part[i]) continue;
    lcl_dataset_impl *d = part[i]->impl;
    LCL_TRY(set_names(d->storage, names, n_names));
    d->pub.classes = d->labels ? n_names : 0;
  }
  for (int i = 0; i < n; i++)
    if (part[i])
      part[i]->class_names =
          (const char *const *)((lcl_dataset_impl *)part[i]->impl)->storage->class_names;
  return LCL_OK;
}

static void copy_shape(lcl_dataset *to, const lcl_dataset *from) {
  to->channels = from->channels;
  to->height = from->height;
  to->width = from->width;
  to->classes = from->classes;
  to->scale = from->scale;
  to->bias = from->bias;
  to->raw_min = from->raw_min;
  to->raw_max = from->raw_max;
  to->bernoulli = from->bernoulli;
  to->any_range = from->any_range;
}

lcl_status lcl__dataset_view(const lcl_dataset *ds, const char *name, const int64_t *index,
                             int64_t n, lcl_dataset **out) {
  *out = NULL;
  for (int64_t i = 0; i < n; i++) {
    if (index[i] < 0 || index[i] >= ds->count)
      return lcl__fail(LCL_ERR_ARGUMENT, "subset of '%s': index %lld is outside its %lld examples",
                       ds->name, (long long)index[i], (long long)ds->count);
  }
  lcl_dataset_impl *d = dataset_new(((lcl_dataset_impl *)ds->impl)->storage, name, n,
                                    ds->labels != NULL);
  if (!d) return LCL_ERR_HOST_MEMORY;
  copy_shape(&d->pub, ds);
  for (int64_t i = 0; i < n; i++) {
    d->offset[i] = ds->offset[index[i]];
    if (ds->labels) d->labels[i] = ds->labels[index[i]];
  }
  *out = &d->pub;
  return LCL_OK;
}

lcl_status lcl_dataset_subset(const lcl_dataset *ds, const int64_t *index, int64_t n,
                              lcl_dataset **out) {
  LCL_NEED(ds, out);
  *out = NULL;
  if (!ds || !index || n < 1)
    return lcl__fail(LCL_ERR_ARGUMENT, "a subset needs a data set and at least one index");
  return lcl__dataset_view(ds, ds->name, index, n, out);
}

lcl_status lcl__dataset_windows(const lcl_dataset *ds, const char *name, const int64_t *offset,
                                const int32_t *labels, int64_t n, int width, lcl_dataset **out) {
  *out = NULL;
  lcl_dataset_impl *d = dataset_new(((lcl_dataset_impl *)ds->impl)->storage, name, n,
                                    labels != NULL);
  if (!d) return LCL_ERR_HOST_MEMORY;
  copy_shape(&d->pub, ds);
  d->pub.width = width;
  memcpy(d->offset, offset, (size_t)n * sizeof *offset);
  if (labels) memcpy(d->labels, labels, (size_t)n * sizeof *labels);
  *out = &d->pub;
  return LCL_OK;
}

lcl_status lcl__dataset_rename(lcl_dataset *ds, const char *name) {
  lcl_dataset_impl *d = ds->impl;
  char *copy = lcl__strdup(name);
  if (!copy) return LCL_ERR_HOST_MEMORY;
  lcl__free(d->name);
  d->name = copy;
  d->pub.name = copy;
  return LCL_OK;
}

void lcl__dataset_set_classes(lcl_dataset *ds, int classes) {
  lcl_dataset_impl *d = ds->impl;
  if (ds->labels && classes > ds->classes) {
    ds->classes = classes;
    if (d->storage->n_names < classes) ds->class_names = NULL;
  }
}

void lcl__dataset_shift_classes(lcl_dataset *ds, int first) {
  lcl_dataset_impl *d = ds->impl;
  for (int64_t i = 0; ds->labels && i < ds->count; i++)
    if (d->labels[i] >= 0) d->labels[i] += first;
  if (ds->labels) ds->classes += first;
}

lcl_status lcl_dataset_example(const lcl_dataset *ds, int64_t i, float *out) {
  LCL_NEED(ds, out);
  if (i < 0 || i >= ds->count)
    return lcl__fail(LCL_ERR_ARGUMENT, "data set '%s' has %lld examples; there is no number %lld",
                     ds->name, (long long)ds->count, (long long)i);
  size_t n = lcl_dataset_elements(ds);
  if (ds->pixels) {
    const uint8_t *p = ds->pixels + ds->offset[i];
    for (size_t k = 0; k < n; k++) out[k] = (float)p[k] * ds->scale + ds->bias;
  } else {
    const float *p = ds->values + ds->offset[i];
    for (size_t k = 0; k < n; k++) out[k] = p[k] * ds->scale + ds->bias;
  }
  return LCL_OK;
}

lcl_status lcl_dataset_class_counts(const lcl_dataset *ds, int64_t *counts) {
  LCL_NEED(ds, counts);
  if (!ds->labels) return lcl__fail(LCL_ERR_ARGUMENT, "data set '%s' has no labels", ds->name);
  for (int c = 0; c < ds->classes; c++) counts[c] = 0;
  for (int64_t i = 0; i < ds->count; i++)
    if (ds->labels[i] >= 0) counts[ds->labels[i]]++;
  return LCL_OK;
}

static lcl_status from_memory(const char *name, const void *data, bool bytes, const int32_t *labels,
                              int64_t count, int channels, int height, int width, int classes,
                              lcl_dataset **out) {
  *out = NULL;
  if (!name || !data || count < 1 || channels < 1 || height < 1 || width < 1 || classes < 0)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "a data set needs a name, data and sizes of at least 1; got %lld of %dx%dx%d",
                     (long long)count, channels, height, width);
  size_t n, wide = bytes ? 1 : sizeof(float);
  if (!lcl__mul_size((size_t)channels, (size_t)height, &n) ||
      !lcl__mul_size(n, (size_t)width, &n) || !lcl__mul_size(n, (size_t)count, &n) ||
      !lcl__mul_size(n, wide, &n))
    return lcl__fail(LCL_ERR_HOST_MEMORY, "data set '%s' is larger than the address space", name);
  lcl_raw raw = { count, channels, height, width, NULL, NULL, NULL, classes, NULL };
  void *copy = lcl__alloc(n);
  if (labels) raw.labels = lcl__alloc((size_t)count * sizeof *labels);
  if (!copy || (labels && !raw.labels)) {
    lcl__free(copy);
    lcl__raw_free(&raw);
    return LCL_ERR_HOST_MEMORY;
  }
  memcpy(copy, data, n);
  if (bytes)
    raw.pixels = copy;
  else
    raw.values = copy;
  if (labels) memcpy(raw.labels, labels, (size_t)count * sizeof *labels);
  return lcl__raw_to_dataset(&raw, name, out);
}

lcl_status lcl_dataset_from_u8(const char *name, const uint8_t *pixels, const int32_t *labels,
                               int64_t count, int channels, int height, int width, int classes,
                               lcl_dataset **out) {
  LCL_NEED(pixels, out);
  return from_memory(name, pixels, true, labels, count, channels, height, width, classes, out);
}

lcl_status lcl_dataset_from_f32(const char *name, const float *values, const int32_t *labels,
                                int64_t count, int channels, int height, int width, int classes,
                                lcl_dataset **out) {
  LCL_NEED(out);
  return from_memory(name, values, false, labels, count, channels, height, width, classes, out);
}
