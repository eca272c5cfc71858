/* What can be made of a run as arrays: features of any layer, predictions, samples,
 * reconstructions; and those as .npy and CSV. */
#include "train/arrays.h"

#include "base/npy.h"
#include "base/text.h"
#include "train/image_rows.h"
#include "train/layers.h"

lcl_status lcl__arrays_begin(lcl_tensor_file **out) {
  *out = NULL;
  return lcl_tensor_file_create(out);
}

lcl_status lcl__arrays_end(lcl_tensor_file **out, lcl_status st) {
  if (st == LCL_OK) return LCL_OK;
  lcl_tensor_file_destroy(*out);
  *out = NULL;
  return st;
}

lcl_status lcl__arrays_add(lcl_tensor_file *f, const char *name, lcl_dtype dtype, lcl_shape shape,
                           const void *data) {
  const size_t bytes = (size_t)lcl_shape_count(shape) * lcl_dtype_size(dtype);
  return lcl_tensor_file_add(f, &(lcl_tensor_entry) { name, dtype, shape, data, bytes });
}

/* ---- features and predictions ---- */

lcl_status lcl_run_layers(lcl_run_folder *run, lcl_layer *layers, size_t room, size_t *n) {
  LCL_NEED(run, n);
  lcl_layers all;
  if (room) LCL_NEED(layers);
  LCL_TRY(lcl__session_layers(lcl__run_session(run), &all));
  if (layers && room) memcpy(layers, all.at, LCL_MIN(room, all.n) * sizeof *layers);
  *n = all.n;
  lcl__layers_free(&all);
  return LCL_OK;
}

static lcl_status add_predictions(lcl_tensor_file *f, const lcl_dataset *ds, const lcl_outputs *o) {
  const lcl_shape rows = LCL_SHAPE(o->n);
  if (o->prediction) LCL_TRY(lcl__arrays_add(f, "prediction", LCL_I32, rows, o->prediction));
  return ds->labels ? lcl__arrays_add(f, "label", LCL_I32, rows, ds->labels) : LCL_OK;
}

static lcl_status add_features(lcl_tensor_file *f, const lcl_outputs *o) {
  lcl_shape shape = { .rank = o->row.rank + 1, .dim = { o->n } };
  for (int d = 0; d < o->row.rank; d++) shape.dim[d + 1] = o->row.dim[d];
  return lcl__arrays_add(f, "features", LCL_F32, shape, o->features);
}

static lcl_status features(lcl_run_folder *run, const char *split, const char *layer,
                           lcl_tensor_file *f) {
  lcl_session *s = lcl__run_session(run);
  lcl_dataset *ds;
  lcl_outputs o;
  LCL_TRY(lcl__session_split(s, split, &ds));
  if (layer && !*layer) return lcl__fail(LCL_ERR_ARGUMENT, "the name of a layer is empty");
  LCL_TRY(lcl__run_outputs(run, ds, layer ? layer : "", &o));
  lcl_status st = o.features ? add_features(f, &o)
                             : lcl__fail(LCL_ERR_UNSUPPORTED, "%s gives no features", s->cls->name);
  if (st == LCL_OK) st = add_predictions(f, ds, &o);
  lcl__outputs_free(&o);
  return st;
}

lcl_status lcl_run_features(lcl_run_folder *run, const char *split, const char *layer,
                            lcl_tensor_file **out) {
  LCL_NEED(run, split, out);
  LCL_TRY(lcl__arrays_begin(out));
  return lcl__arrays_end(out, features(run, split, layer, *out));
}

static lcl_status predictions(lcl_run_folder *run, const char *split, lcl_tensor_file *f) {
  lcl_dataset *ds;
  lcl_outputs o;
  LCL_TRY(lcl__session_split(lcl__run_session(run), split, &ds));
  LCL_TRY(lcl__run_outputs(run, ds, NULL, &o));
  lcl_status st = add_predictions(f, ds, &o);
  for (int i = 0; st == LCL_OK && i < o.n_values; i++)
    st = lcl__arrays_add(f, o.value_name[i], LCL_F32, LCL_SHAPE(o.n), o.values + i * o.n);
  lcl__outputs_free(&o);
  return st;
}

lcl_status lcl_run_predictions(lcl_run_folder *run, const char *split, lcl_tensor_file **out) {
  LCL_NEED(run, split, out);
  LCL_TRY(lcl__arrays_begin(out));
  return lcl__arrays_end(out, predictions(run, split, *out));
}

/* ---- images ---- */

static lcl_status write_png(const lcl_image_rows *p, const char *path) {
  lcl_image image;
  LCL_TRY(lcl__image_rows_grid(p, p->height < 64 ? 2 : 1, &image));
  const lcl_status s = lcl__png_write(path, &image);
  lcl__image_free(&image);
  return s;
}

static lcl_status add_images(lcl_tensor_file *f, const lcl_image_rows *p) {
  const lcl_shape columns = LCL_SHAPE(p->columns);
  char key[24];
  LCL_TRY(lcl__arrays_add(f, "images", LCL_F32,
                          LCL_SHAPE(p->rows, p->columns, p->channels, p->height, p->width),
                          p->data));
  for (int r = 0; r < p->rows; r++) {
    lcl__snprintf(key, sizeof key, "caption.%d", r);
    LCL_TRY(lcl_tensor_file_set_meta(f, key, p->caption[r]));
  }
  LCL_TRY(lcl__arrays_add(f, "index", LCL_I32, columns, p->index));
  return p->label ? lcl__arrays_add(f, "label", LCL_I32, columns, p->label) : LCL_OK;
}

static lcl_status reconstruct(lcl_run_folder *run, const char *split, int columns, uint64_t seed,
                              const char *png, lcl_tensor_file *arrays) {
  lcl_session *s = lcl__run_session(run);
  lcl_dataset *ds;
  lcl_image_rows p;
  LCL_TRY(lcl__arrays_check_files(run, png, NULL, NULL));
  LCL_TRY(lcl__run_check_weights(run));
  LCL_TRY(lcl__session_split(s, split, &ds));
  if (columns > ds->count)
    return lcl__fail(LCL_ERR_ARGUMENT, "%d examples (columns) were asked for; %s has %lld", columns,
                     split, (long long)ds->count);
  LCL_TRY(lcl__session_reconstruct(s, lcl__run_weights(run), ds, columns, seed, &p));
  lcl_status st = png ? write_png(&p, png) : LCL_OK;
  if (st == LCL_OK && arrays) st = add_images(arrays, &p);
  lcl__image_rows_free(&p);
  return st;
}

lcl_status lcl_run_reconstruct(lcl_run_folder *run, const char *split, int columns, uint64_t seed,
                               const char *png) {
  LCL_NEED(run, split, png);
  return reconstruct(run, split, columns, seed, png, NULL);
}

lcl_status lcl_run_reconstructions(lcl_run_folder *run, const char *split, int columns,
                                   uint64_t seed, const char *png, lcl_tensor_file **out) {
  LCL_NEED(run, split, out);
  LCL_TRY(lcl__arrays_begin(out));
  return lcl__arrays_end(out, reconstruct(run, split, columns, seed, png, *out));
}

/* The grid may have filled its last row. */
static lcl_status add_samples(lcl_tensor_file *f, const lcl_image_rows *p, int64_t count) {
  LCL_TRY(lcl__arrays_add(f, "samples", LCL_F32, LCL_SHAPE(count, p->channels, p->height, p->width),
                          p->data));
  return p->label ? lcl__arrays_add(f, "label", LCL_I32, LCL_SHAPE(count), p->label) : LCL_OK;
}

static lcl_status sample(lcl_run_folder *run, const lcl_sample_request *request, const char *png,
                         lcl_tensor_file *arrays) {
  lcl_image_rows p;
  const char *given = request->given;
  LCL_TRY(lcl__arrays_check_files(run, png, NULL, NULL));
  if (given && lcl__file_exists(given)) LCL_TRY(lcl__check_outputs(&png, 1, &given, 1));
  LCL_TRY(lcl__run_check_weights(run));
  LCL_TRY(lcl__session_sample(lcl__run_session(run), lcl__run_weights(run), request, &p));
  lcl_status st = png ? write_png(&p, png) : LCL_OK;
  if (st == LCL_OK && arrays) st = add_samples(arrays, &p, request->count);
  lcl__image_rows_free(&p);
  return st;
}

lcl_status lcl_run_sample(lcl_run_folder *run, const lcl_sample_request *request, const char *png) {
  LCL_NEED(run, request, png);
  return sample(run, request, png, NULL);
}

lcl_status lcl_run_samples(lcl_run_folder *run, const lcl_sample_request *request, const char *png,
                           lcl_tensor_file **out) {
  LCL_NEED(run, request, out);
  LCL_TRY(lcl__arrays_begin(out));
  return lcl__arrays_end(out, sample(run, request, png, *out));
}

/* ---- files ---- */

lcl_status lcl__arrays_check_files(lcl_run_folder *run, const char *png, const char *npy,
                                   const char *csv) {
  const char *const out[] = { png, npy, csv }, *folder = lcl__run_path(run);
  LCL_TRY(lcl__check_ending(png, ".png"));
  LCL_TRY(lcl__check_ending(npy, ".npy"));
  LCL_TRY(lcl__check_ending(csv, ".csv"));
  return lcl__check_run_outputs(out, LCL_COUNT(out), &folder, 1, lcl__run_session(run));
}

lcl_status lcl__arrays_write_npy(const lcl_tensor_file *f, const char *name, const char *path) {
  const lcl_tensor_entry *e = lcl_tensor_file_find(f, name);
  if (!path) return LCL_OK;
  return lcl__npy_write(path, e->dtype == LCL_F32 ? LCL_NPY_F32 : LCL_NPY_I32, e->shape.rank,
                        e->shape.dim, e->data);
}

static bool is_column(const lcl_tensor_entry *e, const char *values) {
  return e->shape.rank == 1 && !(values && strcmp(e->name, values) == 0);
}

static void add_number(lcl_str *s, const lcl_tensor_entry *e, int64_t i) {
  if (e->dtype == LCL_I32)
    lcl__str_add(s, ",%d", (int)((const int32_t *)e->data)[i]);
  else
    lcl__str_add(s, ",%.9g", (double)((const float *)e->data)[i]);
}

void lcl__csv_example(lcl_str *csv, const lcl_dataset *ds, int64_t i) {
  const char *file = lcl_dataset_file(ds, i);
  lcl__str_add(csv, "%lld%s", (long long)i, lcl_dataset_file(ds, 0) ? "," : "");
  if (file) lcl__str_csv(csv, file);
}

void lcl__csv_example_head(lcl_str *csv, const lcl_dataset *ds) {
  lcl__str_add(csv, lcl_dataset_file(ds, 0) ? "index,file" : "index");
}

void lcl__csv_class(lcl_str *csv, const lcl_dataset *ds, int32_t c) {
  lcl__str_add(csv, ",%d", (int)c);
  if (!ds || !ds->class_names) return;
  lcl__str_add(csv, ",");
  if (c >= 0 && c < ds->classes) lcl__str_csv(csv, ds->class_names[c]);
}

void lcl__csv_class_head(lcl_str *csv, const lcl_dataset *ds, const char *column) {
  lcl__str_add(csv, ",%s", column);
  if (ds && ds->class_names) lcl__str_add(csv, ",%s_class", column);
}

const lcl_dataset *lcl__csv_predicted(const lcl_session *s, const lcl_dataset *ds) {
  return s->cls->can & LCL_CAN_CLUSTER ? NULL : ds;
}

/* Numbers of a line's values, lines, and lines of one caption. */
typedef struct table {
  const lcl_tensor_file *f;
  const lcl_dataset *ds, *predicted; /* whose files and classes are named; NULL: none */
  const char *values;
  const lcl_tensor_entry *e; /* of values, or NULL */
  int64_t width, lines, each;
  bool captions;
} table;

/* What the numbers of a column are classes of; false: they are none that have names. */
static bool classes_of(const table *t, const lcl_tensor_entry *e, const lcl_dataset **ds) {
  const bool label = strcmp(e->name, "label") == 0;
  *ds = label ? t->ds : t->predicted;
  return *ds && (label || strcmp(e->name, "prediction") == 0);
}

static void add_head(lcl_str *s, const table *t) {
  const lcl_dataset *ds;
  if (t->captions)
    lcl__str_add(s, "caption,column");
  else
    lcl__csv_example_head(s, t->ds);
  for (size_t k = 0; k < lcl_tensor_file_count(t->f); k++) {
    const lcl_tensor_entry *e = lcl_tensor_file_at(t->f, k);
    if (!is_column(e, t->values)) continue;
    if (classes_of(t, e, &ds)) {
      lcl__csv_class_head(s, ds, e->name);
      continue;
    }
    lcl__str_add(s, ",");
    lcl__str_csv(s, e->name);
  }
  for (int64_t i = 0; i < t->width; i++) lcl__str_add(s, ",%s.%lld", t->values, (long long)i);
  lcl__str_add(s, "\n");
}

static void add_line(lcl_str *s, const table *t, int64_t line) {
  const int64_t at = line % t->each;
  const lcl_dataset *ds;
  char key[24];
  if (t->captions) {
    lcl__snprintf(key, sizeof key, "caption.%lld", (long long)(line / t->each));
    lcl__str_csv(s, lcl_tensor_file_meta(t->f, key));
    lcl__str_add(s, ",");
  }
  lcl__csv_example(s, t->ds, at);
  for (size_t k = 0; k < lcl_tensor_file_count(t->f); k++) {
    const lcl_tensor_entry *e = lcl_tensor_file_at(t->f, k);
    if (!is_column(e, t->values)) continue;
    if (classes_of(t, e, &ds))
      lcl__csv_class(s, ds, ((const int32_t *)e->data)[at]);
    else
      add_number(s, e, at);
  }
  for (int64_t i = 0; i < t->width; i++) add_number(s, t->e, line * t->width + i);
  lcl__str_add(s, "\n");
}

static lcl_status write_csv(table t, int lead, const char *path) {
  lcl_str s = { 0 };
  t.captions = lead == 2;
  t.e = t.values ? lcl_tensor_file_find(t.f, t.values) : NULL;
  const lcl_tensor_entry *first = t.e ? t.e : lcl_tensor_file_at(t.f, 0);
  t.each = first->shape.dim[lead - 1];
  t.lines = lead == 2 ? first->shape.dim[0] * t.each : t.each;
  t.width = t.e ? lcl_shape_count(first->shape) / LCL_MAX(t.lines, 1) : 0;
  add_head(&s, &t);
  for (int64_t line = 0; line < t.lines; line++) add_line(&s, &t, line);
  const lcl_status st = lcl__str_ok(&s) ? lcl__file_write_atomic(path, s.data, s.n)
                                        : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&s);
  return st;
}

lcl_status lcl__arrays_write_csv(const lcl_tensor_file *f, const char *values, int lead,
                                 const char *path) {
  return path ? write_csv((table) { .f = f, .values = values }, lead, path) : LCL_OK;
}

lcl_status lcl__arrays_write_predictions(lcl_run_folder *run, const char *split,
                                         const lcl_tensor_file *f, const char *path) {
  lcl_session *s = lcl__run_session(run);
  lcl_dataset *ds;
  LCL_TRY(lcl__session_split(s, split, &ds));
  const table t = { .f = f, .ds = ds, .predicted = lcl__csv_predicted(s, ds) };
  return write_csv(t, 1, path);
}
