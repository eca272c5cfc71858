/* Preprocessing as JSON and arrays, and the check that data lie where a model expects them. */
#include <math.h>

#include "base/json.h"
#include "data/prep.h"

static const char *const colours[] = { "keep", "grey", "yuv" };
static const char *const contrasts[] = { "none", "standardise", "local_y",
                                         "gcn",  "max_abs",     "unit_norm" };
static const char *const centres[] = { "none", "mean_image", "channel", "chroma", "zca" };
static const char *const mirrors[] = { "none", "each", "half_batch" };

/* Of augmentation; those of 0 are not written. */
static const char *const strengths[] = { "augment_shift", "augment_rotate", "augment_scale",
                                         "augment_crop", "augment_cutout" };

static double strength(const lcl_prep_desc *d, size_t i) {
  const double all[] = { d->augment_shift, d->augment_rotate, d->augment_scale, d->augment_crop,
                         d->augment_cutout };
  return all[i];
}

lcl_status lcl_prep_to_json(const lcl_prep *prep, char **json) {
  LCL_NEED(prep, json);
  const lcl_prep_desc *d = &prep->desc;
  int shape[3] = { prep->in_c, prep->in_h, prep->in_w };
  *json = NULL;
  cJSON *o = cJSON_CreateObject();
  bool ok = o && cJSON_AddItemToObject(o, "shape", cJSON_CreateIntArray(shape, 3)) &&
            cJSON_AddStringToObject(o, "colour", colours[d->colour]) &&
            cJSON_AddStringToObject(o, "contrast", contrasts[d->contrast]) &&
            cJSON_AddStringToObject(o, "centre", centres[d->centre]) &&
            cJSON_AddNumberToObject(o, "gcn_scale", d->gcn_scale) &&
            cJSON_AddNumberToObject(o, "zca_eps", d->zca_eps) &&
            cJSON_AddNumberToObject(o, "gain", d->gain) &&
            cJSON_AddNumberToObject(o, "shift", d->shift) &&
            cJSON_AddNumberToObject(o, "crop", d->crop) &&
            cJSON_AddStringToObject(o, "mirror", mirrors[d->mirror]);
  for (size_t i = 0; ok && i < LCL_COUNT(strengths); i++) {
    const double v = strength(d, i);
    ok = v == 0 || cJSON_AddNumberToObject(o, strengths[i], v);
  }
  char *text = ok ? lcl__json_print(o, false) : NULL;
  cJSON_Delete(o);
  if (!text)
    return lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory while writing the preprocessing down");
  *json = lcl__strdup(text);
  cJSON_free(text);
  return *json ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

int lcl_prep_arrays(const lcl_prep *prep, lcl_prep_array out[4]) {
  if (!prep) return 0;
  int n = 0;
  bool image = prep->desc.centre == LCL_CENTRE_MEAN_IMAGE || prep->desc.centre == LCL_CENTRE_ZCA;
  int64_t all = (int64_t)lcl__prep_elements(prep);
  if (prep->mean && image)
    out[n++] = (lcl_prep_array) { "prep.mean", prep->mean, 3, { prep->c, prep->h, prep->w } };
  else if (prep->mean)
    out[n++] = (lcl_prep_array) { "prep.mean", prep->mean, 1, { prep->c } };
  if (prep->deviation)
    out[n++] = (lcl_prep_array) { "prep.deviation", prep->deviation, 1, { prep->c } };
  if (prep->zca) out[n++] = (lcl_prep_array) { "prep.zca", prep->zca, 2, { all, all } };
  return n;
}

static lcl_status read_name(const cJSON *o, const char *key, const char *const *names, int n,
                            int *out) {
  const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
  for (int i = 0; text && i < n; i++) {
    if (strcmp(text, names[i]) == 0) {
      *out = i;
      return LCL_OK;
    }
  }
  return lcl__fail(LCL_ERR_FORMAT, "preprocessing: '%s' is missing or unknown (%s)", key,
                   text ? text : "no text");
}

static lcl_status read_number(const cJSON *o, const char *key, float *out) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
  if (!cJSON_IsNumber(v) || !isfinite(v->valuedouble))
    return lcl__fail(LCL_ERR_FORMAT, "preprocessing: '%s' is missing or not a number", key);
  *out = (float)v->valuedouble;
  return LCL_OK;
}

static lcl_status read_desc(const cJSON *o, lcl_prep_desc *d, int shape[3]) {
  int colour = 0, contrast = 0, centre = 0, mirror = 0;
  float crop = 0;
  const cJSON *s = cJSON_GetObjectItemCaseSensitive(o, "shape");
  for (int i = 0; i < 3; i++) {
    const cJSON *v = cJSON_GetArrayItem(s, i);
    if (!cJSON_IsNumber(v) || v->valuedouble < 1 || v->valuedouble > 1 << 24)
      return lcl__fail(LCL_ERR_FORMAT, "preprocessing: 'shape' is not three sizes");
    shape[i] = v->valueint;
  }
  LCL_TRY(read_name(o, "colour", colours, LCL_COUNT(colours), &colour));
  LCL_TRY(read_name(o, "contrast", contrasts, LCL_COUNT(contrasts), &contrast));
  LCL_TRY(read_name(o, "centre", centres, LCL_COUNT(centres), &centre));
  LCL_TRY(read_name(o, "mirror", mirrors, LCL_COUNT(mirrors), &mirror));
  LCL_TRY(read_number(o, "gcn_scale", &d->gcn_scale));
  LCL_TRY(read_number(o, "zca_eps", &d->zca_eps));
  LCL_TRY(read_number(o, "gain", &d->gain));
  LCL_TRY(read_number(o, "shift", &d->shift));
  LCL_TRY(read_number(o, "crop", &crop));
  if (crop < 0 || crop > 1 << 24)
    return lcl__fail(LCL_ERR_FORMAT, "preprocessing: crop is %g", (double)crop);
  d->colour = (lcl_colour)colour;
  d->contrast = (lcl_contrast)contrast;
  d->centre = (lcl_centre)centre;
  d->mirror = (lcl_mirror)mirror;
  d->crop = (int)crop;
  float cutout = 0, *const to[] = { &d->augment_shift, &d->augment_rotate, &d->augment_scale,
                                    &d->augment_crop, &cutout };
  for (size_t i = 0; i < LCL_COUNT(strengths); i++)
    if (cJSON_GetObjectItemCaseSensitive(o, strengths[i]))
      LCL_TRY(read_number(o, strengths[i], to[i]));
  if (cutout < 0 || cutout > 1 << 24)
    return lcl__fail(LCL_ERR_FORMAT, "preprocessing: augment_cutout is %g", (double)cutout);
  d->augment_cutout = (int)cutout;
  return LCL_OK;
}

static lcl_status take_array(const lcl_prep_array *arrays, int n, const char *name, size_t count,
                             float **out) {
  for (int i = 0; i < n; i++) {
    if (strcmp(arrays[i].name, name) != 0) continue;
    size_t have = 1;
    for (int k = 0; k < arrays[i].rank && k < 3; k++) have *= (size_t)arrays[i].dim[k];
    if (have != count)
      return lcl__fail(LCL_ERR_SHAPE, "preprocessing: array '%s' has %zu elements, %zu are needed",
                       name, have, count);
    *out = lcl__alloc(count * sizeof **out);
    if (!*out) return LCL_ERR_HOST_MEMORY;
    memcpy(*out, arrays[i].data, count * sizeof **out);
    return LCL_OK;
  }
  return lcl__fail(LCL_ERR_FORMAT, "preprocessing: array '%s' is missing", name);
}

static lcl_status take_arrays(lcl_prep *p, const lcl_prep_array *arrays, int n) {
  size_t all = lcl__prep_elements(p), c = (size_t)p->c;
  switch (p->desc.centre) {
  case LCL_CENTRE_NONE: return LCL_OK;
  case LCL_CENTRE_MEAN_IMAGE: return take_array(arrays, n, "prep.mean", all, &p->mean);
  case LCL_CENTRE_ZCA:
    LCL_TRY(take_array(arrays, n, "prep.mean", all, &p->mean));
    return take_array(arrays, n, "prep.zca", all * all, &p->zca);
  default:
    LCL_TRY(take_array(arrays, n, "prep.mean", c, &p->mean));
    return take_array(arrays, n, "prep.deviation", c, &p->deviation);
  }
}

lcl_status lcl_prep_from_json(const char *json, const lcl_prep_array *arrays, int n,
                              lcl_prep **out) {
  LCL_NEED(json, out);
  lcl_prep_desc desc = { 0 };
  int shape[3];
  *out = NULL;
  cJSON *o = lcl__json_parse(json, strlen(json));
  lcl_status status = o ? read_desc(o, &desc, shape)
                        : lcl__fail(LCL_ERR_FORMAT, "preprocessing: not valid JSON");
  cJSON_Delete(o);
  LCL_TRY(status);
  LCL_TRY(lcl__prep_new(&desc, shape[0], shape[1], shape[2], out));
  status = take_arrays(*out, arrays, n);
  if (status != LCL_OK) {
    lcl_prep_destroy(*out);
    *out = NULL;
  }
  return status;
}

/* ---- range guard ---- */

static lcl_status judge_range(float a, float b, float lo, float hi, const char *what) {
  float span = hi - lo, tolerance = 1e-3f * span;
  if (isinf(span)) return LCL_OK;
  if (!(a >= lo - tolerance && b <= hi + tolerance)) {
    bool bytes = a >= 0 && b > 1.5f * hi && b <= 255;
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "%s: values go from %g to %g, but %g to %g is expected here%s", what,
                     (double)a, (double)b, (double)lo, (double)hi,
                     bytes ? "; they look like bytes 0..255 that were not divided by 255" : "");
  }
  if (b - a < span / 50)
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "%s: values fill only %g to %g of the expected %g to %g; was the scaling applied twice?",
        what, (double)a, (double)b, (double)lo, (double)hi);
  return LCL_OK;
}

lcl_status lcl_range_check_values(const float *x, size_t n, float lo, float hi, const char *what) {
  LCL_NEED(x);
  float a = INFINITY, b = -INFINITY;
  for (size_t i = 0; i < n; i++) {
    if (!isfinite(x[i]))
      return lcl__fail(LCL_ERR_NUMERIC, "%s: value %zu is not a finite number", what, i);
    a = LCL_MIN(a, x[i]);
    b = LCL_MAX(b, x[i]);
  }
  return n ? judge_range(a, b, lo, hi, what) : LCL_OK;
}

lcl_status lcl_range_check(const lcl_dataset *ds, const lcl_prep *prep, float lo, float hi,
                           const char *what) {
  LCL_NEED(ds);
  size_t n_in = lcl_dataset_elements(ds), n = n_in;
  if (prep) {
    int c, h, w;
    lcl_prep_shape(prep, &c, &h, &w);
    n = (size_t)c * (size_t)h * (size_t)w;
  }
  int64_t count = LCL_MIN(ds->count, 1000), step = LCL_MAX(ds->count / 1000, 1);
  float *in = lcl__alloc(n_in * sizeof *in),
        *x = lcl__alloc((size_t)LCL_MAX(count, 1) * n * sizeof *x);
  lcl_status status = in && x ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < count && status == LCL_OK; i++) {
    float *to = x + (size_t)i * n;
    status = lcl_dataset_example(ds, i * step, prep ? in : to);
    if (status == LCL_OK && prep) status = lcl_prep_apply(prep, in, to);
  }
  if (status == LCL_OK && ds->any_range)
    lo = -INFINITY, hi = INFINITY; /* only numbers have to be numbers */
  if (status == LCL_OK) status = lcl_range_check_values(x, (size_t)count * n, lo, hi, what);
  lcl__free(in);
  lcl__free(x);
  return status;
}
