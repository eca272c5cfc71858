/* Opening a data set: which format, which parts, what is split for validation and test, how it is
 * binarised. */
#include <sys/stat.h>

#include "data/array.h"
#include "data/data_internal.h"
#include "base/philox.h"

void lcl_splits_close(lcl_splits *splits) {
  if (!splits) return;
  lcl_dataset_close(splits->train);
  lcl_dataset_close(splits->valid);
  lcl_dataset_close(splits->test);
  memset(splits, 0, sizeof *splits);
}

/* "synthetic:objects", "synthetic"; NULL: the digits. */
static bool is_synthetic(const char *path) {
  return !path || strcmp(path, "synthetic") == 0 || strncmp(path, "synthetic:", 10) == 0;
}

static lcl_status open_folder(const lcl_data_desc *desc, lcl_splits *out) {
  static lcl_status (*const readers[])(const lcl_data_desc *, lcl_splits *,
                                       bool *) = { lcl__open_idx, lcl__open_cifar, lcl__open_npy,
                                                   lcl__open_sound, lcl__open_images };
  struct stat st;
  if (stat(desc->path, &st) != 0) return lcl__fail(LCL_ERR_IO, "there is no folder %s", desc->path);
  if (!S_ISDIR(st.st_mode))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "%s is a file; give the folder that holds the data set (a table of numbers as "
                     "features.npy)",
                     desc->path);
  bool found = false;
  for (size_t i = 0; i < LCL_COUNT(readers) && !found; i++) LCL_TRY(readers[i](desc, out, &found));
  if (found) return LCL_OK;
  return lcl__fail(
      LCL_ERR_FORMAT,
      "no data set recognised in %s: expected IDX files (train-images-idx3-ubyte[.gz], "
      "...), CIFAR .bin "
      "files, features.npy (a table of numbers; CSV is not read), or a folder of images or WAV "
      "files for each class",
      desc->path);
}

/* The choice does not depend on the run's seed: every run is measured on the same examples. */
lcl_status lcl__split_test(const lcl_data_desc *desc, lcl_splits *s) {
  if (desc->test_share < 0) return LCL_OK;
  double share = desc->test_share > 0 ? desc->test_share : 0.2;
  int64_t n = (int64_t)((double)s->train->count * share);
  lcl_dataset *part, *rest;
  if (n < 1 || n >= s->train->count) return LCL_OK;
  /* Before the two share a storage. */
  LCL_TRY(lcl__dataset_match_classes((lcl_dataset *[]) { s->train, s->valid }, 2));
  LCL_TRY(lcl_dataset_split(s->train, n, true, 0x7e57, &part, &rest));
  lcl_dataset_close(s->train);
  s->train = part;
  s->test = rest;
  return LCL_OK;
}

/* Splits the validation part from the training part, unless the set brings one. */
static lcl_status split_validation(const lcl_data_desc *desc, lcl_splits *s) {
  if (s->valid && desc->valid > 0 && desc->valid != s->valid->count)
    lcl__logf(LCL_LOG_WARN,
              "the set's own validation part of %lld examples is used, not %lld of the training "
              "part",
              (long long)s->valid->count, (long long)desc->valid);
  if (s->valid || desc->valid < 0) return LCL_OK;
  int64_t n = desc->valid ? desc->valid : LCL_MIN(s->train->count / 5, 10000);
  /* Images and feature tables often come sorted by class: the last ones would all be of one. */
  bool random = !desc->split_last && (desc->split_random || strcmp(s->format, "images") == 0 ||
                                      strcmp(s->format, "npy") == 0);
  if (n < 1 || n >= s->train->count)
    return lcl__fail(LCL_ERR_ARGUMENT, "cannot split %lld of %lld training examples for validation",
                     (long long)n, (long long)s->train->count);
  lcl_dataset *part, *rest;
  LCL_TRY(lcl_dataset_split(s->train, n, random, desc->seed, &part, &rest));
  lcl_dataset_close(s->train);
  s->train = part;
  s->valid = rest;
  return LCL_OK;
}

/* All parts speak of the same classes on the same scale. */
static lcl_status unify(const lcl_data_desc *desc, lcl_splits *s) {
  lcl_dataset *part[] = { s->train, s->valid, s->test };
  const lcl_dataset *a = s->train;
  int classes = 0;
  float lo = a->raw_min, hi = a->raw_max;
  LCL_TRY(lcl__dataset_match_classes(part, 3));
  for (int i = 0; i < 3; i++) {
    if (!part[i]) continue;
    if (part[i]->channels != a->channels || part[i]->height != a->height ||
        part[i]->width != a->width)
      return lcl__fail(LCL_ERR_SHAPE, "the training examples are %dx%dx%d, the %s ones %dx%dx%d",
                       a->channels, a->height, a->width, part[i]->name, part[i]->channels,
                       part[i]->height, part[i]->width);
    if (!part[i]->labels != !a->labels)
      return lcl__fail(LCL_ERR_FORMAT,
                       "the training part has %s, the %s part has %s: labels of every part were "
                       "expected (-1 where one is not known)",
                       a->labels ? "labels" : "no labels", part[i]->name,
                       a->labels ? "none" : "some");
    if (!part[i]->pixels != !a->pixels)
      return lcl__fail(LCL_ERR_TYPE, "the training examples are %s, the %s ones %s",
                       a->pixels ? "bytes" : "numbers", part[i]->name,
                       part[i]->pixels ? "bytes" : "numbers");
    classes = LCL_MAX(classes, part[i]->classes);
    lo = LCL_MIN(lo, part[i]->raw_min);
    hi = LCL_MAX(hi, part[i]->raw_max);
  }
  /* IDX integers wider than a byte (USPS: -1000..1000) are stretched to [0,1]. */
  bool stretch = a->values && !a->any_range && strcmp(s->format, "idx") == 0 &&
                 (lo < 0 || hi > 1) && hi > lo;
  if (stretch && desc->whole)
    return lcl__fail(LCL_ERR_UNSUPPORTED,
                     "%s: values go from %g to %g, and how far those of the model's own data went "
                     "is not known; bytes, or numbers in [0,1] were expected",
                     desc->path, (double)lo, (double)hi);
  /* The files of images say that 255 is white, however dark these are. */
  const bool bytes = hi > 1 || strcmp(s->format, "images") == 0;
  for (int i = 0; i < 3; i++) {
    if (!part[i]) continue;
    lcl__dataset_set_classes(part[i], classes);
    if (part[i]->pixels) part[i]->scale = bytes ? 1.0f / 255 : 1;
    if (stretch) {
      part[i]->scale = 1 / (hi - lo);
      part[i]->bias = -lo / (hi - lo);
    }
  }
  return LCL_OK;
}

static void warn_class(const lcl_dataset *train, const char *part, int c, int more) {
  char number[16], others[48] = "";
  snprintf(number, sizeof number, "%d", c);
  if (more) snprintf(others, sizeof others, ", nor have %d more", more);
  lcl__logf(LCL_LOG_WARN, "%s: class %s has no training example%s", part,
            train->class_names ? train->class_names[c] : number, others);
}

/* A name that only another part has, such as Cat beside cat, is a class that nothing learns. */
static lcl_status warn_untrained(const lcl_splits *s) {
  const lcl_dataset *train = s->train, *part[] = { s->valid, s->test };
  const size_t bytes = (size_t)LCL_MAX(train->classes, 1) * sizeof(int64_t);
  int64_t *here = lcl__alloc(bytes), *there = lcl__alloc(bytes);
  lcl_status status = here && there ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (int i = 0; i < 2 && status == LCL_OK && train->labels; i++) {
    if (!part[i] || !part[i]->labels) continue;
    status = lcl_dataset_class_counts(train, here);
    if (status == LCL_OK) status = lcl_dataset_class_counts(part[i], there);
    int n = 0, first = 0;
    for (int c = train->classes - 1; c >= 0 && status == LCL_OK; c--)
      if (there[c] && !here[c]) n++, first = c;
    if (n) warn_class(train, part[i]->name, first, n - 1);
  }
  lcl__free(here);
  lcl__free(there);
  return status;
}

static lcl_status replace_binarised(lcl_dataset **ds, bool threshold, uint64_t seed,
                                    const char *stream) {
  if (!*ds) return LCL_OK;
  lcl_dataset *binary;
  LCL_TRY(lcl__dataset_binarised(*ds, threshold, seed, lcl__philox_stream(stream), &binary));
  lcl_dataset_close(*ds);
  *ds = binary;
  return LCL_OK;
}

lcl_status lcl__check_intensities(const lcl_dataset *ds) {
  if (!ds) return LCL_OK;
  const float lo = ds->raw_min * ds->scale + ds->bias, hi = ds->raw_max * ds->scale + ds->bias;
  if (lo >= 0 && hi <= 1) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT,
                   "%s: values go from %g to %g; bytes, or numbers in [0,1] were expected",
                   ds->name, (double)lo, (double)hi);
}

static bool is_binary(const lcl_dataset *ds) {
  size_t n = lcl_dataset_elements(ds);
  for (int64_t i = 0; i < ds->count; i++) {
    for (size_t k = 0; k < n; k++) {
      float v = ds->pixels ? ds->pixels[ds->offset[i] + (int64_t)k]
                           : ds->values[ds->offset[i] + (int64_t)k];
      v = v * ds->scale + ds->bias;
      if (v != 0 && v != 1) return false;
    }
  }
  return true;
}

static lcl_status check_binary(const lcl_dataset *ds) {
  if (!ds || is_binary(ds)) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT,
                   "static binarisation needs files of zeros and ones (the fixed binarized "
                   "MNIST); %s goes "
                   "from %g to %g. Make others binary by a fixed sample, by dynamic ones or by a "
                   "threshold",
                   ds->name, (double)ds->raw_min, (double)ds->raw_max);
}

static lcl_status binarise(const lcl_data_desc *desc, lcl_splits *s) {
  const lcl_dataset *part[] = { s->train, s->valid, s->test };
  bool threshold = desc->binarise == LCL_BINARISE_THRESHOLD;
  if (desc->binarise == LCL_BINARISE_NONE) return LCL_OK;
  for (int i = 0; i < 3 && desc->binarise == LCL_BINARISE_STATIC; i++)
    LCL_TRY(check_binary(part[i]));
  if (desc->binarise == LCL_BINARISE_STATIC) return LCL_OK;
  for (int i = 0; i < 3; i++) LCL_TRY(lcl__check_intensities(part[i]));
  if (desc->binarise == LCL_BINARISE_DYNAMIC && !desc->whole)
    s->train->bernoulli = true;
  else
    LCL_TRY(replace_binarised(&s->train, threshold, desc->seed,
                              desc->whole ? "binarise.test" : "binarise.train"));
  LCL_TRY(replace_binarised(&s->valid, threshold, desc->seed, "binarise.valid"));
  return replace_binarised(&s->test, threshold, desc->seed, "binarise.test");
}

lcl_status lcl__open_array(const char *path, const lcl_data_desc *desc, lcl_dataset **out) {
  lcl_raw raw = { 0 };
  *out = NULL;
  lcl_status status = lcl__npy_examples(path, &raw);
  if (status != LCL_OK) {
    lcl__raw_free(&raw);
    return status;
  }
  LCL_TRY(lcl__raw_to_dataset(&raw, path, out));
  if (desc->binarise == LCL_BINARISE_STATIC)
    status = check_binary(*out);
  else if (desc->binarise != LCL_BINARISE_NONE)
    status = lcl__check_intensities(*out);
  if (status == LCL_OK && desc->binarise > LCL_BINARISE_STATIC)
    status = replace_binarised(out, desc->binarise == LCL_BINARISE_THRESHOLD, desc->seed,
                               "binarise.test");
  if (status == LCL_OK) return LCL_OK;
  lcl_dataset_close(*out);
  *out = NULL;
  return status;
}

static lcl_status name_part(lcl_dataset *ds, const lcl_data_desc *desc, const char *part) {
  if (!ds) return LCL_OK;
  const char *path = !is_synthetic(desc->path)               ? desc->path
                     : desc->path && strchr(desc->path, ':') ? desc->path
                                                             : "synthetic digits";
  size_t end = strlen(path), begin;
  while (end > 1 && path[end - 1] == '/') end--;
  for (begin = is_synthetic(desc->path) ? 0 : end; begin > 0 && path[begin - 1] != '/'; begin--) {
  }
  lcl_str name = { 0 };
  lcl__str_add(&name, "%.*s %s", (int)(end - begin), path + begin, part);
  lcl_status status = lcl__str_ok(&name) ? lcl__dataset_rename(ds, name.data) : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&name);
  return status;
}

static lcl_status merge_all(lcl_splits *s) {
  const lcl_dataset *part[3];
  int n = 0;
  part[n++] = s->train;
  if (s->valid) part[n++] = s->valid;
  if (s->test) part[n++] = s->test;
  if (n == 1) return LCL_OK;
  lcl_dataset *all;
  bool bernoulli = s->train->bernoulli;
  LCL_TRY(lcl_dataset_concat(part, n, s->train->name, &all));
  all->bernoulli = bernoulli;
  lcl_dataset_close(s->train);
  s->train = all;
  return LCL_OK;
}

static lcl_status copy_part(const lcl_data_desc *desc, lcl_dataset **part) {
  lcl_dataset *copies;
  if (!*part) return LCL_OK;
  LCL_TRY(lcl__dataset_copies(*part, desc, &copies));
  lcl_dataset_close(*part);
  *part = copies;
  return LCL_OK;
}

static lcl_status make_copies(const lcl_data_desc *desc, lcl_splits *s) {
  lcl_data_desc other = *desc;
  if (desc->types <= 0 && desc->copies <= 1 && desc->reduce <= 1) return LCL_OK;
  if (desc->types > 0) { /* the other parts would keep the old numbers */
    if (desc->parts && strcmp(desc->parts, "all") == 0) LCL_TRY(merge_all(s));
    lcl_dataset_close(s->valid);
    lcl_dataset_close(s->test);
    s->valid = s->test = NULL;
  }
  if (!desc->merge) other.copies = 1;
  LCL_TRY(copy_part(desc, &s->train));
  LCL_TRY(copy_part(&other, &s->valid));
  return copy_part(&other, &s->test);
}

/* desc->parts. */
static lcl_status choose_parts(const lcl_data_desc *desc, lcl_splits *s) {
  if (!desc->parts || strcmp(desc->parts, "all") == 0) return LCL_OK;
  const bool test = strcmp(desc->parts, "test") == 0;
  if (!test && strcmp(desc->parts, "train") != 0)
    return lcl__fail(LCL_ERR_ARGUMENT, "parts of the data are train, test or all, not \"%s\"",
                     desc->parts);
  if (test && !s->test)
    return lcl__fail(LCL_ERR_ARGUMENT, "%s has no test part",
                     desc->path ? desc->path : "synthetic");
  lcl_dataset_close(test ? s->train : s->test);
  lcl_dataset_close(s->valid);
  if (test) s->train = s->test;
  s->valid = s->test = NULL;
  return LCL_OK;
}

/* What the training part is made of. */
static const char *training_name(const lcl_data_desc *desc) {
  if (!desc->merge) return desc->parts && strcmp(desc->parts, "test") == 0 ? "test" : "train";
  if (desc->parts) return desc->parts;
  return desc->types > 0 ? "train" : "all";
}

static lcl_status prepare(const lcl_data_desc *desc, lcl_splits *s) {
  LCL_TRY(unify(desc, s));
  LCL_TRY(choose_parts(desc, s));
  if (desc->only) LCL_TRY(lcl__only_classes(desc, s));
  LCL_TRY(make_copies(desc, s));
  LCL_TRY(split_validation(desc, s));
  LCL_TRY(name_part(s->train, desc, training_name(desc)));
  LCL_TRY(name_part(s->valid, desc, "valid"));
  LCL_TRY(name_part(s->test, desc, "test"));
  if (desc->classes > 0)
    LCL_TRY(lcl__dataset_adopt_classes((lcl_dataset *[]) { s->train, s->valid, s->test }, 3,
                                       desc->class_names, desc->classes));
  if (!desc->merge) LCL_TRY(warn_untrained(s));
  LCL_TRY(binarise(desc, s));
  return desc->merge ? merge_all(s) : LCL_OK;
}

lcl_status lcl_data_open(const lcl_data_desc *desc, lcl_splits *out) {
  LCL_NEED(desc, out);
  memset(out, 0, sizeof *out);
  lcl_data_desc d = *desc;
  if (d.whole) { /* nothing of it is split off or left out */
    d.merge = true;
    d.valid = -1;
    d.test_share = -1;
    d.only = d.parts = NULL;
    d.types = d.copies = 0;
  }
  lcl_status status = is_synthetic(d.path) ? lcl__open_synthetic(&d, out) : open_folder(&d, out);
  if (status == LCL_OK) status = prepare(&d, out);
  if (status != LCL_OK) lcl_splits_close(out);
  return status;
}

void lcl_data_free(void *p) {
  lcl__free(p);
}
