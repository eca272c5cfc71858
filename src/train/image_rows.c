/* Reconstructions and samples as grids of images. */
#include <math.h>

#include "train/image_rows.h"

#include "data/array.h"

void lcl__image_rows_free(lcl_image_rows *p) {
  lcl__free(p->data);
  lcl__free(p->label);
  lcl__free(p->index);
  p->data = NULL;
  p->label = p->index = NULL;
}

static lcl_grid_desc grid_of(const lcl_image_rows *p, int n, int zoom) {
  return (lcl_grid_desc) { .n = n,
                           .columns = p->columns,
                           .channels = p->channels,
                           .height = p->height,
                           .width = p->width,
                           .pad = 2,
                           .zoom = zoom,
                           .background = 96 };
}

static size_t image_size(const lcl_image_rows *p) {
  return (size_t)p->channels * (size_t)p->height * (size_t)p->width;
}

lcl_status lcl__image_rows_grid(const lcl_image_rows *p, int zoom, lcl_image *out) {
  lcl_grid_desc d = grid_of(p, p->count, zoom);
  const char *captions[LCL_BUILD_MAX];
  for (int r = 0; r < LCL_MIN(p->rows, LCL_BUILD_MAX); r++) captions[r] = p->caption[r];
  d.title = p->title;
  d.captions = p->rows <= LCL_BUILD_MAX ? captions : NULL; /* rows of samples have none */
  return lcl__image_grid(&d, p->data, out);
}

lcl_status lcl__image_row(const lcl_image_rows *p, int row, lcl_image *out) {
  const lcl_grid_desc d = grid_of(p, LCL_MIN(p->columns, p->count - row * p->columns), 1);
  return lcl__image_grid(&d, p->data + (size_t)row * (size_t)p->columns * image_size(p), out);
}

static lcl_status allocate(lcl_session *s, int rows, int columns, lcl_image_rows *out) {
  memset(out, 0, sizeof *out);
  lcl_prep_shape(s->prep, &out->channels, &out->height, &out->width);
  out->rows = rows;
  out->columns = columns;
  out->count = rows * columns;
  size_t n;
  if (!lcl__mul_size((size_t)rows * (size_t)columns, (size_t)out->channels * (size_t)out->height,
                     &n) ||
      !lcl__mul_size(n, (size_t)out->width * sizeof(float), &n))
    return lcl__fail(LCL_ERR_ARGUMENT, "%d x %d images are too many", rows, columns);
  out->data = lcl__alloc(n);
  return out->data ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* Prepared values to images, in place of the row. */
static lcl_status show_row(lcl_session *s, const float *prepared, lcl_image_rows *p, int row) {
  size_t n = image_size(p);
  for (int c = 0; c < p->columns; c++)
    LCL_TRY(lcl_prep_to_image(s->prep, prepared + (size_t)c * n,
                              p->data + ((size_t)row * (size_t)p->columns + (size_t)c) * n));
  return LCL_OK;
}

/* One example of each class in turn; without labels the first ones. */
static lcl_status choose(lcl_session *s, const lcl_dataset *ds, int columns, float *x,
                         int32_t *labels, int32_t *index) {
  int c, h, w;
  lcl_prep_shape(s->prep, &c, &h, &w);
  int64_t from = 0;
  for (int k = 0; k < columns; k++) {
    int64_t i = from;
    if (ds->labels && ds->classes > 0) {
      int want = k % ds->classes;
      for (int64_t tried = 0; tried < ds->count && ds->labels[i] != want; tried++)
        i = (i + 1) % ds->count;
    }
    labels[k] = ds->labels ? ds->labels[i] : -1;
    index[k] = (int32_t)i;
    LCL_TRY(lcl__session_examples(s, ds, i, 1, x + (size_t)k * (size_t)c * (size_t)h * (size_t)w));
    from = (i + 1) % ds->count;
  }
  return LCL_OK;
}

static lcl_status keep_outputs(void *user, lcl_compiled *compiled) {
  lcl_build *b = &compiled->build;
  (void)user;
  for (int i = 0; i < b->n_outputs; i++) compiled->fetch[compiled->n_fetch++] = b->outputs[i].t;
  return lcl_graph_status(compiled->graph);
}

static lcl_status run_outputs(lcl_session *s, lcl_compiled *compiled, const float *x,
                              const int32_t *labels, lcl_image_rows *out) {
  lcl_build *b = &compiled->build;
  size_t row = (size_t)out->columns * image_size(out) * sizeof(float);
  if (b->image) LCL_TRY(lcl_feed(compiled->program, "image", x, row));
  if (b->label)
    LCL_TRY(lcl_feed(compiled->program, "label", labels, (size_t)b->batch * sizeof(int32_t)));
  LCL_TRY(lcl_run(compiled->program));
  float *prepared = lcl__alloc(row);
  if (!prepared) return LCL_ERR_HOST_MEMORY;
  lcl_status st = LCL_OK;
  for (int i = 0; i < b->n_outputs && st == LCL_OK; i++) {
    char name[32];
    snprintf(name, sizeof name, "#%d", i);
    snprintf(out->caption[i], sizeof out->caption[i], "%s", b->outputs[i].name);
    st = lcl_fetch(compiled->program, name, prepared, row);
    if (st == LCL_OK) st = show_row(s, prepared, out, i);
  }
  lcl__free(prepared);
  return st;
}

lcl_status lcl__session_reconstruct(lcl_session *s, const lcl_tensor_file *weights,
                                    const lcl_dataset *ds, int columns, uint64_t seed,
                                    lcl_image_rows *out) {
  lcl_compiled compiled;
  char name[48];
  memset(out, 0, sizeof *out);
  if (columns < 1 || columns > 1000)
    return lcl__fail(LCL_ERR_ARGUMENT, "%d columns: 1 to 1000 are possible", columns);
  if (ds->count < 1) return lcl__fail(LCL_ERR_ARGUMENT, "there are no examples to reconstruct");
  snprintf(name, sizeof name, "reconstruct-%llu", (unsigned long long)seed);
  LCL_TRY(lcl__compiled_create(
      s,
      &(lcl_compiled_desc) {
          .mode = LCL_MODE_RECONSTRUCT, .name = name, .batch = columns, .extend = keep_outputs },
      &compiled));
  lcl_status st = weights ? lcl__session_load(s, weights, false) : LCL_OK;
  if (st == LCL_OK) st = lcl__session_restart(s, name);
  if (st == LCL_OK) st = allocate(s, compiled.build.n_outputs, columns, out);
  float *x = NULL;
  int32_t *labels = NULL;
  if (st == LCL_OK) {
    x = lcl__alloc((size_t)columns * image_size(out) * sizeof(float));
    labels = lcl__alloc((size_t)columns * sizeof *labels);
    out->index = lcl__alloc((size_t)columns * sizeof *out->index);
    st = x && labels && out->index ? choose(s, ds, columns, x, labels, out->index)
                                   : LCL_ERR_HOST_MEMORY;
  }
  if (st == LCL_OK) st = run_outputs(s, &compiled, x, labels, out);
  snprintf(out->title, sizeof out->title, "%s", s->cls->name);
  lcl__free(x);
  if (ds->labels)
    out->label = labels;
  else
    lcl__free(labels);
  lcl__compiled_destroy(&compiled);
  if (st != LCL_OK) lcl__image_rows_free(out);
  return st;
}

/* Images to complete from a .npy file, prepared; n x image. */
static lcl_status given_from_file(lcl_session *s, const char *path, int64_t n, float *out) {
  const lcl_dataset *like = s->splits.train;
  lcl_dataset *ds;
  LCL_TRY(lcl__open_array(path, &s->data_desc, &ds));
  lcl_status st = LCL_OK;
  /* Rows of numbers are read in the data's order; other images are not. */
  const bool row = ds->channels * ds->height == 1, same = ds->channels == like->channels &&
                                                          ds->height == like->height &&
                                                          ds->width == like->width;
  if (ds->count < n || lcl_dataset_elements(ds) != lcl_dataset_elements(like) || !(same || row))
    st = lcl__fail(LCL_ERR_SHAPE, "%s: expected at least %lld images of %dx%dx%d values", path,
                   (long long)n, like->channels, like->height, like->width);
  else if (!like->any_range)
    st = lcl__check_intensities(ds);
  if (st == LCL_OK) st = lcl__session_examples(s, ds, 0, n, out);
  lcl_dataset_close(ds);
  return st;
}

static lcl_status load_given(lcl_session *s, const char *given, int64_t n, float *out) {
  const size_t length = strlen(given);
  if (length > 4 && strcmp(given + length - 4, ".npy") == 0)
    return given_from_file(s, given, n, out);
  lcl_dataset *ds;
  LCL_TRY(lcl__session_split(s, given, &ds));
  if (ds->count < n)
    return lcl__fail(LCL_ERR_ARGUMENT, "%lld images to complete, %s has %lld", (long long)n, given,
                     (long long)ds->count);
  return lcl__session_examples(s, ds, 0, n, out);
}

/* Samples by the class's own hook. */
static lcl_status sample_by_hook(lcl_session *s, const lcl_tensor_file *weights,
                                 const lcl_sample_request *request, lcl_image_rows *out) {
  /* The evaluation graph brings the variables into the store. */
  lcl_evaluator *e;
  char name[48]; /* as pixelrnn calls its graph */
  const size_t n = (size_t)out->count, all = (size_t)out->rows * (size_t)out->columns;
  LCL_TRY(lcl__evaluator_create(s, NULL, &e));
  lcl_status st = weights ? lcl__session_load(s, weights, false) : LCL_OK;
  float *x = lcl__alloc(2 * all * image_size(out) * sizeof(float)), *given = NULL;
  if (st == LCL_OK && !x) st = LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK && request->given) {
    given = x + all * image_size(out);
    st = load_given(s, request->given, (int64_t)n, given);
  }
  const lcl_sample_desc d = { .n = (int64_t)n,
                              .seed = request->seed,
                              .temperature = request->temperature,
                              .given = given,
                              .given_rows = request->rows };
  snprintf(name, sizeof name, "sample-%llu", (unsigned long long)request->seed);
  if (st == LCL_OK) st = lcl__session_restart(s, name);
  if (st == LCL_OK) st = s->cls->sample(s->model, s->store, &d, x);
  for (int r = 0; r < out->rows && st == LCL_OK; r++)
    st = show_row(s, x + (size_t)r * (size_t)out->columns * image_size(out), out, r);
  lcl__free(x);
  lcl__evaluator_destroy(e);
  return st;
}

/* Notes the kinds of samples and finds the wanted one. */
static lcl_status find_kind(const lcl_build *b, const char *kind, lcl_image_rows *out, int *index) {
  lcl_str names = { 0 };
  *index = kind ? -1 : 0;
  out->n_kinds = b->n_outputs;
  for (int i = 0; i < b->n_outputs; i++) {
    snprintf(out->kind[i], sizeof out->kind[i], "%s", b->outputs[i].name);
    if (kind && strcmp(kind, b->outputs[i].name) == 0) *index = i;
    lcl__str_add(&names, "%s%s", i ? ", " : "", b->outputs[i].name);
  }
  lcl_status st = *index >= 0
                      ? LCL_OK
                      : lcl__fail(LCL_ERR_ARGUMENT, "this model has no samples \"%s\"; it has: %s",
                                  kind, names.data ? names.data : "none");
  lcl__str_free(&names);
  return st;
}

static lcl_status sample_by_graph(lcl_session *s, const lcl_tensor_file *weights, const char *kind,
                                  int n, uint64_t seed, lcl_image_rows *out) {
  lcl_compiled compiled;
  int index;
  char name[48];
  snprintf(name, sizeof name, "sample-%llu", (unsigned long long)seed);
  LCL_TRY(lcl__compiled_create(
      s,
      &(lcl_compiled_desc) {
          .mode = LCL_MODE_SAMPLE, .name = name, .batch = n, .extend = keep_outputs },
      &compiled));
  lcl_status st = find_kind(&compiled.build, kind, out, &index);
  if (st == LCL_OK && weights) st = lcl__session_load(s, weights, false);
  if (st == LCL_OK) st = lcl__session_restart(s, name);
  size_t size = (size_t)n * image_size(out);
  float *x = lcl__alloc(size * sizeof(float));
  int32_t *labels = lcl__alloc((size_t)n * sizeof *labels);
  if (st == LCL_OK && (!x || !labels)) st = LCL_ERR_HOST_MEMORY;
  for (int i = 0; i < n && st == LCL_OK; i++) labels[i] = i % LCL_MAX(s->model->data.classes, 1);
  if (st == LCL_OK && compiled.build.label)
    st = lcl_feed(compiled.program, "label", labels, (size_t)n * sizeof *labels);
  if (st == LCL_OK) st = lcl_run(compiled.program);
  snprintf(name, sizeof name, "#%d", index);
  if (st == LCL_OK) st = lcl_fetch(compiled.program, name, x, size * sizeof(float));
  for (int r = 0; r < out->rows && st == LCL_OK; r++)
    st = show_row(s, x + (size_t)r * (size_t)out->columns * image_size(out), out, r);
  lcl__free(x);
  if (compiled.build.label)
    out->label = labels;
  else
    lcl__free(labels);
  lcl__compiled_destroy(&compiled);
  return st;
}

lcl_status lcl__session_sample(lcl_session *s, const lcl_tensor_file *weights,
                               const lcl_sample_request *request, lcl_image_rows *out) {
  const int count = request->count;
  memset(out, 0, sizeof *out);
  if (!(s->cls->can & LCL_CAN_SAMPLE))
    return lcl__fail(LCL_ERR_UNSUPPORTED, "%s does not sample", s->cls->name);
  if (count < 1 || count > 10000)
    return lcl__fail(LCL_ERR_ARGUMENT, "%d samples: 1 to 10000 are possible", count);
  const char *kind = request->kind;
  if (s->cls->sample && kind && strcmp(kind, "samples") != 0)
    return lcl__fail(LCL_ERR_ARGUMENT, "this model has no samples \"%s\"; it has: samples", kind);
  if (!s->cls->sample && (request->given || request->temperature != 0))
    return lcl__fail(LCL_ERR_UNSUPPORTED, "%s neither completes images nor has a temperature",
                     s->cls->name);
  if (!(request->temperature >= 0 && isfinite(request->temperature)))
    return lcl__fail(LCL_ERR_ARGUMENT, "a temperature of %g: it must be above 0",
                     (double)request->temperature);
  if (!request->given && request->rows)
    return lcl__fail(LCL_ERR_ARGUMENT, "%d rows kept: of which images? (given)", request->rows);
  if (request->given && (request->rows < 0 || request->rows > s->model->data.height))
    return lcl__fail(LCL_ERR_ARGUMENT, "%d rows kept: images have %lld", request->rows,
                     (long long)s->model->data.height);
  int columns = s->cls->sample && count % 8 == 0 && count % 10 != 0 ? 8 : LCL_MIN(count, 10);
  LCL_TRY(allocate(s, (count + columns - 1) / columns, columns, out));
  out->count = count;
  lcl_status st = s->cls->sample
                      ? sample_by_hook(s, weights, request, out)
                      : sample_by_graph(s, weights, kind, out->rows * columns, request->seed, out);
  snprintf(out->title, sizeof out->title, "%s: %s, seed %llu", s->cls->name,
           kind            ? kind
           : *out->kind[0] ? out->kind[0]
                           : "samples",
           (unsigned long long)request->seed);
  if (st != LCL_OK) lcl__image_rows_free(out);
  return st;
}
