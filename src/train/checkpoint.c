/* Variables to and from tensor files; what a session puts into a checkpoint. */
#include <math.h>

#include "graph/graph.h"
#include "train/session.h"

static bool is_prep(const char *name) {
  return strncmp(name, "prep.", 5) == 0;
}

/* Only training needs it: optimiser slots, "train.sums", "train.rng", "train.optimiser0.step". */
static bool for_training(const lcl_store *store, size_t i) {
  const lcl_var_info v = lcl_store_info(store, i);
  return lcl__store_is_slot(store, i) || (!v.trainable && strncmp(v.name, "train.", 6) == 0);
}

static lcl_status save_store(lcl_store *store, bool training, lcl_tensor_file *into) {
  for (size_t i = 0; i < lcl_store_count(store); i++) {
    lcl_var_info v = lcl_store_info(store, i);
    if (!training && for_training(store, i)) continue;
    size_t bytes = (size_t)lcl_shape_count(v.shape) * lcl_dtype_size(v.dtype);
    void *data = lcl__alloc(LCL_MAX(bytes, 1));
    if (!data) return LCL_ERR_HOST_MEMORY;
    lcl_status s = lcl_store_read(store, v.name, data, bytes);
    if (s == LCL_OK)
      s = lcl_tensor_file_add(into, &(lcl_tensor_entry) { v.name, v.dtype, v.shape, data, bytes });
    lcl__free(data);
    LCL_TRY(s);
  }
  return LCL_OK;
}

lcl_status lcl_store_save(lcl_store *store, lcl_tensor_file *into) {
  LCL_NEED(store, into);
  return save_store(store, true, into);
}

static lcl_status check_fits(const lcl_var_info *v, const lcl_tensor_entry *e) {
  char a[96], b[96];
  if (!e) return lcl__fail(LCL_ERR_FORMAT, "the checkpoint lacks \"%s\"", v->name);
  if (e->dtype == v->dtype && lcl_shape_equal(e->shape, v->shape)) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT, "\"%s\" is %s %s in the checkpoint, the model needs %s %s",
                   v->name, lcl_dtype_name(e->dtype), lcl_shape_string(e->shape, a),
                   lcl_dtype_name(v->dtype), lcl_shape_string(v->shape, b));
}

lcl_status lcl_store_load(lcl_store *store, const lcl_tensor_file *from, bool partial) {
  LCL_NEED(store, from);
  size_t n = lcl_store_count(store), used = 0, extra = 0;
  for (size_t i = 0; i < n; i++) { /* everything is checked before anything changes */
    lcl_var_info v = lcl_store_info(store, i);
    const lcl_tensor_entry *e = lcl_tensor_file_find(from, v.name);
    if (!e && partial && !v.trainable) continue;
    LCL_TRY(check_fits(&v, e));
    used++;
  }
  for (size_t i = 0; i < lcl_tensor_file_count(from); i++)
    extra += is_prep(lcl_tensor_file_at(from, i)->name);
  if (!partial && used + extra < lcl_tensor_file_count(from))
    return lcl__fail(LCL_ERR_FORMAT,
                     "the checkpoint has %zu tensors that the model does not have: other options?",
                     lcl_tensor_file_count(from) - used - extra);
  for (size_t i = 0; i < n; i++) {
    lcl_var_info v = lcl_store_info(store, i);
    const lcl_tensor_entry *e = lcl_tensor_file_find(from, v.name);
    if (e) LCL_TRY(lcl_store_write(store, v.name, e->data, e->bytes));
  }
  return LCL_OK;
}

static bool ends_with(const char *name, const char *end) {
  size_t n = strlen(name), m = strlen(end);
  return n >= m && strcmp(name + n - m, end) == 0;
}

/* Weights and running statistics; not the optimiser's and the loop's own variables. */
static bool can_start(const lcl_var_info *v) {
  return v->trainable || ends_with(v->name, ".mean") || ends_with(v->name, ".var");
}

lcl_status lcl_store_start(lcl_store *store, const lcl_tensor_file *from) {
  LCL_NEED(store, from);
  size_t used = 0;
  for (size_t i = 0; i < lcl_store_count(store); i++) {
    lcl_var_info v = lcl_store_info(store, i);
    const lcl_tensor_entry *e = can_start(&v) ? lcl_tensor_file_find(from, v.name) : NULL;
    if (!e) continue;
    LCL_TRY(check_fits(&v, e));
    LCL_TRY(lcl_store_write(store, v.name, e->data, e->bytes));
    used++;
  }
  if (used) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, "the run to start from has no weight that this model has");
}

lcl_status lcl__tensor_file_set_number(lcl_tensor_file *f, const char *key, double value) {
  char buf[40];
  lcl__snprintf(buf, sizeof buf, "%.17g", value);
  return lcl_tensor_file_set_meta(f, key, buf);
}

lcl_status lcl__tensor_file_number(const lcl_tensor_file *f, const char *key, const char *range,
                                   bool whole, double *value) {
  const char *text = lcl_tensor_file_meta(f, key);
  if (!text)
    return lcl__fail(LCL_ERR_FORMAT, "the checkpoint does not say \"%s\": it cannot be resumed",
                     key);
  if (lcl__parse_number(text, value) && lcl__inside(range, *value) &&
      (!whole || *value == floor(*value)))
    return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT, "the checkpoint says \"%s\" is \"%s\": expected a%s number%s%s",
                   key, text, whole ? " whole" : "", range ? " in " : "", range ? range : "");
}

static lcl_status add_prep(lcl_session *s, lcl_tensor_file *f) {
  char *json;
  LCL_TRY(lcl_prep_to_json(s->prep, &json));
  lcl_status st = lcl_tensor_file_set_meta(f, "prep", json);
  lcl_data_free(json);
  LCL_TRY(st);
  lcl_prep_array arrays[4];
  int n = lcl_prep_arrays(s->prep, arrays);
  for (int i = 0; i < n; i++) {
    lcl_tensor_entry e = { .name = arrays[i].name, .dtype = LCL_F32, .data = arrays[i].data };
    for (int d = 0; d < arrays[i].rank; d++) e.shape.dim[e.shape.rank++] = arrays[i].dim[d];
    e.bytes = (size_t)lcl_shape_count(e.shape) * sizeof(float);
    LCL_TRY(lcl_tensor_file_add(f, &e));
  }
  return LCL_OK;
}

static lcl_status add_classes(lcl_session *s, lcl_tensor_file *f) {
  char *names;
  LCL_TRY(lcl__session_classes(s, &names));
  const lcl_status st = *names ? lcl_tensor_file_set_meta(f, "classes", names) : LCL_OK;
  lcl__free(names);
  return st;
}

static bool finite_at(const lcl_tensor_entry *e, size_t i) {
  float f;
  uint16_t h;
  if (e->dtype == LCL_F32) return memcpy(&f, (const char *)e->data + 4 * i, 4), isfinite(f);
  if (e->dtype == LCL_F16)
    return memcpy(&h, (const char *)e->data + 2 * i, 2), (h & 0x7c00) != 0x7c00;
  return true;
}

lcl_status lcl__tensor_file_finite(const lcl_tensor_file *f) {
  for (size_t k = 0; k < lcl_tensor_file_count(f); k++) {
    const lcl_tensor_entry *e = lcl_tensor_file_at(f, k);
    const bool sums = strcmp(e->name, "train.sums") == 0; /* the first is the loss; others may be
                                                             terms that are only shown */
    const size_t n = sums ? LCL_MIN(e->bytes / 4, (size_t)1) : e->bytes / lcl_dtype_size(e->dtype);
    for (size_t i = 0; i < n; i++)
      if (!finite_at(e, i))
        return sums ? lcl__fail(LCL_ERR_NUMERIC, "the loss is not finite")
                    : lcl__fail(LCL_ERR_NUMERIC, "\"%s\" holds NaN or Inf", e->name);
  }
  return LCL_OK;
}

lcl_status lcl__session_save(lcl_session *s, bool training, lcl_tensor_file **out) {
  lcl_tensor_file *f;
  *out = NULL;
  LCL_TRY(lcl_tensor_file_create(&f));
  lcl_status st = lcl_tensor_file_set_meta(f, "format", "latentcl 1");
  if (st == LCL_OK) st = lcl_tensor_file_set_meta(f, "model", s->cls->name);
  if (st == LCL_OK) st = save_store(s->store, training, f);
  if (st == LCL_OK) st = lcl__tensor_file_finite(f);
  if (st == LCL_OK) st = add_prep(s, f);
  if (st == LCL_OK) st = add_classes(s, f);
  if (st != LCL_OK) {
    lcl_tensor_file_destroy(f);
    return st;
  }
  *out = f;
  return LCL_OK;
}

lcl_status lcl__session_load(lcl_session *s, const lcl_tensor_file *f, bool strict) {
  const char *model = lcl_tensor_file_meta(f, "model");
  if (!model || strcmp(model, s->cls->name) != 0)
    return lcl__fail(LCL_ERR_FORMAT, "the checkpoint is of the model \"%s\", not of \"%s\"",
                     model ? model : "(none)", s->cls->name);
  return lcl_store_load(s->store, f, !strict);
}
