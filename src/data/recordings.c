/* Recordings joined to one signal; examples are overlapping windows of it, dealt to the parts by
 * recording. */
#include <math.h>

#include "base/philox.h"
#include "data/recordings.h"

void lcl__recordings_free(lcl_recordings *c) {
  lcl__free(c->list.data);
  lcl__free(c->signal);
  memset(c, 0, sizeof *c);
}

lcl_status lcl__recordings_add(lcl_recordings *c, const float *samples, int64_t n, int32_t label) {
  if (!lcl__grow((void **)&c->signal, &c->cap, c->n + (size_t)n, sizeof *c->signal))
    return LCL_ERR_HOST_MEMORY;
  memcpy(c->signal + c->n, samples, (size_t)n * sizeof *c->signal);
  lcl_recording r = { (int64_t)c->n, n, label };
  c->n += (size_t)n;
  return LCL_PUSH(&c->list, r) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* part[i]: 0 train, 1 valid, 2 test; in each class the recordings are dealt out in a random order.
 */
static lcl_status deal(const lcl_recordings *c, int classes, double test, double valid,
                       uint64_t seed, uint8_t *part) {
  uint32_t n = (uint32_t)c->list.n, *order = lcl__alloc(n * sizeof *order);
  if (!order) return LCL_ERR_HOST_MEMORY;
  lcl__philox_permutation(seed, lcl__philox_stream("data.recordings"), 0, order, n);
  for (int k = 0; k < classes; k++) {
    int64_t total = 0, seen = 0;
    for (uint32_t i = 0; i < n; i++) total += c->list.data[i].label == k;
    int64_t n_test = llrint((double)total * test), n_valid = llrint((double)total * valid);
    if (test > 0 && n_test == 0 && total > 1) n_test = 1;
    if (valid > 0 && n_valid == 0 && total - n_test > 1) n_valid = 1;
    for (uint32_t i = 0; i < n; i++) {
      if (c->list.data[order[i]].label != k) continue;
      part[order[i]] = seen < n_test ? 2 : seen < n_test + n_valid ? 1 : 0;
      seen++;
    }
  }
  lcl__free(order);
  return LCL_OK;
}

static lcl_status cut(const lcl_recordings *c, const lcl_dataset *all, const uint8_t *part,
                      uint8_t which, const char *name, int width, int hop, lcl_dataset **out) {
  struct {
    int64_t *data;
    size_t n, cap;
  } start = { 0 };
  struct {
    int32_t *data;
    size_t n, cap;
  } label = { 0 };
  bool ok = true;
  for (size_t i = 0; i < c->list.n; i++) {
    const lcl_recording *r = &c->list.data[i];
    if (part[i] != which) continue;
    for (int64_t at = 0; at + width <= r->n && ok; at += hop)
      ok = LCL_PUSH(&start, r->start + at) && LCL_PUSH(&label, r->label);
  }
  lcl_status status = ok ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (ok && start.n)
    status = lcl__dataset_windows(all, name, start.data, label.data, (int64_t)start.n, width, out);
  lcl__free(start.data);
  lcl__free(label.data);
  return status;
}

static void warn_short(const lcl_recordings *c, int width, const char *path) {
  size_t n = 0;
  for (size_t i = 0; i < c->list.n; i++) n += c->list.data[i].n < width;
  if (n)
    lcl__logf(LCL_LOG_WARN,
              "%s: not used: %zu of %zu recordings, which are shorter than a segment of %d samples",
              path, n, c->list.n, width);
}

lcl_status lcl__recordings_parts(const lcl_data_desc *desc, lcl_recordings *c, lcl_names *classes,
                                 lcl_splits *out) {
  double overlap = desc->overlap > 0 ? desc->overlap : 0.9;
  double test = desc->test_share < 0 ? 0 : desc->test_share > 0 ? desc->test_share : 0.2;
  int width = (int)lrint(c->rate * (desc->segment_ms > 0 ? desc->segment_ms : 500) / 1000.0);
  int hop = (int)LCL_MAX(lrint(width * (1 - overlap)), 1L);
  if (overlap >= 1 || test >= 1 || width < 1)
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "sound: overlap and test share must be below 1 and segments at least 1 sample");
  if (c->n > INT32_MAX)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "sound: more than 2^31 samples in all");
  /* The joined signal is one long example; the parts are windows on it. */
  lcl_raw raw = { 1, 1, 1, (int)c->n, NULL, c->signal, NULL, (int)classes->n, classes->data };
  c->signal = NULL;
  memset(classes, 0, sizeof *classes);
  raw.labels = lcl__alloc(sizeof *raw.labels);
  uint8_t *part = lcl__alloc(c->list.n);
  int n_classes = raw.classes;
  lcl_dataset *all = NULL;
  lcl_status status = LCL_ERR_HOST_MEMORY;
  if (raw.labels && part)
    status = lcl__raw_to_dataset(&raw, "sound", &all);
  else
    lcl__raw_free(&raw);
  if (all) all->scale = all->bias = 0.5f; /* samples lie in [-1,1] */
  double valid = desc->valid < 0 ? 0 : (1 - test) / 5;
  if (status == LCL_OK) status = deal(c, n_classes, test, valid, desc->seed, part);
  if (status == LCL_OK) status = cut(c, all, part, 0, "train", width, hop, &out->train);
  if (status == LCL_OK) status = cut(c, all, part, 1, "valid", width, hop, &out->valid);
  if (status == LCL_OK) status = cut(c, all, part, 2, "test", width, hop, &out->test);
  if (status == LCL_OK && !out->train)
    status = lcl__fail(LCL_ERR_FORMAT, "%s: no recording is as long as a segment of %d samples",
                       desc->path, width);
  /* Segments split off the training part would be of the recordings, and of the class, that it ends
   * with. */
  if (status == LCL_OK && valid > 0 && !out->valid)
    status = lcl__fail(LCL_ERR_FORMAT,
                       "%s: no recording is left for validation: three of a class, each as long as "
                       "a segment of %d samples, were expected (-1 examples: no such part)",
                       desc->path, width);
  if (status == LCL_OK) warn_short(c, width, desc->path);
  lcl_dataset_close(all);
  lcl__free(part);
  return status;
}
