/* A run folder opened again: evaluation, report. */
#include "train/report.h"

struct lcl_run_folder {
  char *folder;
  lcl_session *s;
  lcl_evaluator *eval;
  lcl_tensor_file *weights;
};

static lcl_status read_weights(lcl_run_folder *r) {
  static const char *const names[] = { "best.safetensors", "last.safetensors" };
  for (size_t i = 0; i < LCL_COUNT(names); i++) {
    char *path = lcl__path_join(r->folder, names[i]);
    if (!path) return LCL_ERR_HOST_MEMORY;
    bool there = lcl__file_exists(path);
    lcl_status st = there ? lcl_tensor_file_read(path, &r->weights) : LCL_OK;
    lcl__free(path);
    if (there) return st;
  }
  return lcl__fail(LCL_ERR_IO, "%s has no checkpoint (best.safetensors or last.safetensors)",
                   r->folder);
}

static lcl_status open_session(lcl_run_folder *r, lcl_context *ctx, const lcl_run_config *c,
                               lcl_session_desc *d) {
  const lcl_model_class *cls;
  d->model = c->model;
  d->seed = c->seed;
  if (!d->data) d->data = c->data;
  LCL_TRY(read_weights(r));
  d->checkpoint = r->weights;
  LCL_TRY(lcl__run_config_class(c, &cls));
  LCL_TRY(lcl__run_config_options(c, cls, &d->options));
  return lcl__session_open(ctx, d, &r->s);
}

/* What config.json says of the run's own data. */
static lcl_status read_trained_on(const lcl_run_folder *r, const lcl_run_config *c,
                                  lcl_trained_on *on, const char ***names) {
  const cJSON *data = lcl__json_child(c->json, "data"), *name,
              *list = lcl__json_child(data, "class_names");
  const double classes = cJSON_GetNumberValue(lcl__json_child(data, "classes"));
  const int n = cJSON_GetArraySize(list);
  *on = (lcl_trained_on) { .format = lcl__json_word(data, "format") };
  if (!(classes >= 0 && classes <= 65536) || (n && n != (int)classes))
    return lcl__fail(LCL_ERR_FORMAT,
                     "%s/config.json: \"classes\" and \"class_names\" in \"data\" must be a "
                     "number and as many texts",
                     r->folder);
  on->classes = (int)classes;
  if (n && !(on->class_names = *names = lcl__alloc((size_t)n * sizeof **names)))
    return LCL_ERR_HOST_MEMORY;
  int k = 0;
  cJSON_ArrayForEach(
      name,
      list) if (!((*names)[k++] =
                      cJSON_GetStringValue(
                          name))) return lcl__fail(LCL_ERR_FORMAT,
                                                   "%s/config.json: \"class_names\" must be texts",
                                                   r->folder);
  return LCL_OK;
}

static lcl_status open_on_others(lcl_run_folder *r, lcl_context *ctx, const lcl_run_config *c,
                                 lcl_session_desc *d) {
  lcl_trained_on on;
  const char **names = NULL;
  lcl_status s = read_trained_on(r, c, &on, &names);
  d->trained_on = &on;
  if (s == LCL_OK) s = open_session(r, ctx, c, d);
  lcl__free(names);
  return s;
}

static lcl_status open_run(lcl_context *ctx, const char *folder, const char *data, bool others,
                           lcl_run_folder **out) {
  lcl_run_config config;
  lcl_session_desc d = { .data = data };
  *out = NULL;
  LCL_TRY(lcl__read_config(folder, &config));
  lcl_run_folder *r = lcl__alloc(sizeof *r);
  lcl_status s = r && (r->folder = lcl__strdup(folder)) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (s == LCL_OK)
    s = others ? open_on_others(r, ctx, &config, &d) : open_session(r, ctx, &config, &d);
  lcl__run_config_free(&config);
  if (s != LCL_OK) {
    lcl_run_close(r);
    return s;
  }
  *out = r;
  return LCL_OK;
}

lcl_status lcl_run_open(lcl_context *ctx, const char *folder, const char *data,
                        lcl_run_folder **out) {
  LCL_NEED(ctx, folder, out);
  return open_run(ctx, folder, data, false, out);
}

lcl_status lcl_run_open_on(lcl_context *ctx, const char *folder, const char *data,
                           lcl_run_folder **out) {
  LCL_NEED(ctx, folder, data, out);
  return open_run(ctx, folder, data, true, out);
}

void lcl_run_close(lcl_run_folder *r) {
  if (!r) return;
  lcl__evaluator_destroy(r->eval);
  lcl__session_close(r->s);
  lcl_tensor_file_destroy(r->weights);
  lcl__free(r->folder);
  lcl__free(r);
}

lcl_status lcl_run_evaluate(lcl_run_folder *r, const char *split, lcl_metrics *metrics) {
  LCL_NEED(r, split, metrics);
  lcl_dataset *ds;
  LCL_TRY(lcl__session_split(r->s, split, &ds));
  if (!r->eval) LCL_TRY(lcl__evaluator_create(r->s, NULL, &r->eval));
  /* Each time: with the noise of the first time. */
  LCL_TRY(lcl__session_load(r->s, r->weights, false));
  return lcl__evaluate(r->eval, ds, split, metrics, NULL);
}

lcl_session *lcl__run_session(lcl_run_folder *r) {
  return r->s;
}

const lcl_tensor_file *lcl__run_weights(const lcl_run_folder *r) {
  return r->weights;
}

const char *lcl__run_path(const lcl_run_folder *r) {
  return r->folder;
}

lcl_status lcl__run_check_weights(const lcl_run_folder *r) {
  const lcl_status s = lcl__tensor_file_finite(r->weights);
  return s == LCL_OK ? s : lcl__fail_prefix(s, "the weights of %s cannot be used", r->folder);
}

lcl_status lcl__run_load(lcl_run_folder *r) {
  LCL_TRY(lcl__run_check_weights(r));
  return lcl__session_load(r->s, r->weights, false);
}

lcl_status lcl__run_outputs(lcl_run_folder *r, const lcl_dataset *ds, const char *features,
                            lcl_outputs *out) {
  lcl_evaluator *e;
  LCL_TRY(lcl__evaluator_create(r->s, features, &e));
  lcl_status s = lcl__run_load(r);
  if (s == LCL_OK) s = lcl__evaluate_outputs(e, ds, out);
  lcl__evaluator_destroy(e);
  return s;
}

lcl_status lcl_run_report(lcl_run_folder *r) {
  LCL_NEED(r);
  return lcl__report_write(r->s, r->weights, r->folder);
}
