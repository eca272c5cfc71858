/* A larger set of smaller images: some classes, each example several times a little differently,
 * reduced. So the Omniglot set of the IMSAT paper came about: 100 characters x 20 drawings x 20
 * copies, 21x21. */
#include "base/parallel.h"
#include "base/philox.h"
#include "data/data_internal.h"
#include "data/warp.h"

/* Largest changes of a copy, as the paper does not say: angle in radians, scale, share of the side.
 */
static const float turn = 0.17f, stretch = 0.1f, move = 0.05f;

typedef struct work {
  const lcl_dataset *from;
  const lcl_data_desc *desc;
  const int64_t *index; /* the chosen examples */
  int copies, factor;
  lcl_raw *to;
  _Atomic bool failed;
} work;

/* ---- which examples ---- */

/* number[class]: its place among the chosen ones, or -1. Only classes with examples count. */
static lcl_status number_types(const lcl_dataset *ds, int types, uint64_t seed, int64_t *count,
                               uint32_t *order, int32_t *number) {
  int chosen = 0;
  LCL_TRY(lcl_dataset_class_counts(ds, count));
  lcl__philox_permutation(seed, lcl__philox_stream("data.types"), 0, order, (uint32_t)ds->classes);
  for (int c = 0; c < ds->classes; c++)
    number[order[c]] = count[order[c]] > 0 && chosen < types ? chosen++ : -1;
  if (chosen == types) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, "%d classes were asked for; '%s' has %d", types, ds->name,
                   chosen);
}

static lcl_status choose_types(const lcl_dataset *ds, int types, uint64_t seed, int32_t **number) {
  size_t n = (size_t)LCL_MAX(ds->classes, 1);
  if (!ds->labels)
    return lcl__fail(LCL_ERR_ARGUMENT, "'%s' has no labels to choose classes by", ds->name);
  int64_t *count = lcl__alloc(n * sizeof *count);
  uint32_t *order = lcl__alloc(n * sizeof *order);
  *number = lcl__alloc(n * sizeof **number);
  lcl_status s = count && order && *number ? number_types(ds, types, seed, count, order, *number)
                                           : LCL_ERR_HOST_MEMORY;
  lcl__free(count);
  lcl__free(order);
  return s;
}

/* ---- one copy ---- */

/* Turned, scaled and moved about the middle; u: five numbers in [0,1). */
static void distort(const float *in, int h, int w, const float *u, float *out) {
  const lcl_warp how = { .angle = turn * (2 * u[0] - 1),
                         .sy = 1 + stretch * (2 * u[1] - 1),
                         .sx = 1 + stretch * (2 * u[2] - 1),
                         .my = (float)h * move * (2 * u[3] - 1),
                         .mx = (float)w * move * (2 * u[4] - 1) };
  lcl__warp(in, h, w, &how, false, out);
}

static void reduce(const float *plane, int h, int w, int factor, float *out) {
  for (int y = 0; y < h / factor; y++)
    for (int x = 0; x < w / factor; x++) {
      float sum = 0;
      for (int k = 0; k < factor * factor; k++)
        sum += plane[(y * factor + k / factor) * w + x * factor + k % factor];
      *out++ = sum / (float)(factor * factor);
    }
}

static void make_copies(void *user, int64_t begin, int64_t end) {
  work *k = user;
  const lcl_dataset *ds = k->from;
  size_t plane = (size_t)ds->height * (size_t)ds->width;
  size_t small = plane / (size_t)(k->factor * k->factor) * (size_t)ds->channels;
  float *in = lcl__alloc(lcl_dataset_elements(ds) * sizeof *in),
        *moved = lcl__alloc(plane * sizeof *moved), u[5];
  if (!in || !moved) k->failed = true;
  for (int64_t i = begin; i < end && in && moved; i++) {
    lcl_dataset_example(ds, k->index[i], in);
    for (int c = 0; c < k->copies; c++) {
      int64_t to = i * k->copies + c;
      lcl__philox_uniform(k->desc->seed, lcl__philox_stream("data.copies"), (uint64_t)to, u, 5);
      for (int p = 0; p < ds->channels; p++) {
        const float *from = in + (size_t)p * plane;
        if (c > 0) distort(from, ds->height, ds->width, u, moved);
        reduce(c > 0 ? moved : from, ds->height, ds->width, k->factor,
               k->to->values + (size_t)to * small + (size_t)p * (small / (size_t)ds->channels));
      }
    }
  }
  lcl__free(in);
  lcl__free(moved);
}

/* ---- the set ---- */

static lcl_status fill(work *k, const int32_t *number, lcl_raw *raw, int64_t *index) {
  const lcl_dataset *ds = k->from;
  int64_t n = 0;
  for (int64_t i = 0; i < ds->count; i++)
    if (!number || (ds->labels[i] >= 0 && number[ds->labels[i]] >= 0)) index[n++] = i;
  *raw = (lcl_raw) { .count = n * k->copies,
                     .channels = ds->channels,
                     .height = ds->height / k->factor,
                     .width = ds->width / k->factor,
                     .classes = number ? k->desc->types : ds->classes };
  size_t bytes;
  if (!lcl__mul_size((size_t)raw->count, lcl_dataset_elements(ds) * sizeof(float), &bytes))
    return lcl__fail(LCL_ERR_HOST_MEMORY, "so many copies do not fit into memory");
  raw->values = lcl__alloc(bytes / (size_t)(k->factor * k->factor));
  if (ds->labels) raw->labels = lcl__alloc((size_t)LCL_MAX(raw->count, 1) * sizeof *raw->labels);
  if (!raw->values || (ds->labels && !raw->labels)) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < raw->count && ds->labels; i++) {
    int32_t label = ds->labels[index[i / k->copies]];
    raw->labels[i] = number ? number[label] : label;
  }
  LCL_TRY(lcl__raw_copy_names(ds, number, raw));
  for (int64_t i = 0; i < raw->count; i++)
    LCL_TRY(lcl__raw_copy_file(ds, index[i / k->copies], raw, i));
  lcl__parallel_for(n, 16, make_copies, k);
  return k->failed ? LCL_ERR_HOST_MEMORY : LCL_OK;
}

lcl_status lcl__dataset_copies(const lcl_dataset *ds, const lcl_data_desc *desc,
                               lcl_dataset **out) {
  lcl_raw raw = { 0 };
  work k = { .from = ds,
             .desc = desc,
             .copies = LCL_MAX(desc->copies, 1),
             .factor = LCL_MAX(desc->reduce, 1),
             .to = &raw };
  *out = NULL;
  if (ds->height % k.factor || ds->width % k.factor)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "images of %dx%d cannot be reduced by %d: sides must be divisible", ds->height,
                     ds->width, k.factor);
  int32_t *number = NULL;
  int64_t *index = lcl__alloc((size_t)LCL_MAX(ds->count, 1) * sizeof *index);
  lcl_status s = index ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (s == LCL_OK && desc->types > 0) s = choose_types(ds, desc->types, desc->seed, &number);
  k.index = index;
  if (s == LCL_OK) s = fill(&k, number, &raw, index);
  if (s == LCL_OK) s = lcl__raw_to_dataset(&raw, ds->name, out);
  if (s == LCL_OK) {
    (*out)->any_range = ds->any_range;
    (*out)->bernoulli = ds->bernoulli;
  }
  lcl__raw_free(&raw);
  lcl__free(number);
  lcl__free(index);
  return s;
}
