/* A run folder opened again: evaluation, images, report. */
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

static lcl_status open_run(lcl_run_folder *r, lcl_context *ctx, const lcl_run_config *c,
                           const char *data) {
  const lcl_model_class *cls;
  lcl_session_desc d = { .model = c->model, .seed = c->seed, .data = data ? data : c->data };
  LCL_TRY(read_weights(r));
  LCL_TRY(lcl__run_config_class(c, &cls));
  LCL_TRY(lcl__run_config_options(c, cls, &d.options));
  d.checkpoint = r->weights;
  return lcl__session_open(ctx, &d, &r->s);
}

lcl_status lcl_run_open(lcl_context *ctx, const char *folder, const char *data,
                        lcl_run_folder **out) {
  LCL_NEED(ctx, folder, out);
  lcl_run_config config;
  *out = NULL;
  LCL_TRY(lcl__read_config(folder, &config));
  lcl_run_folder *r = lcl__alloc(sizeof *r);
  lcl_status s = r && (r->folder = lcl__strdup(folder)) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (s == LCL_OK) s = open_run(r, ctx, &config, data);
  lcl__run_config_free(&config);
  if (s != LCL_OK) {
    lcl_run_close(r);
    return s;
  }
  *out = r;
  return LCL_OK;
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
  LCL_NEED(r);
  lcl_dataset *ds;
  LCL_TRY(lcl__session_split(r->s, split, &ds));
  if (!r->eval) {
    LCL_TRY(lcl__evaluator_create(r->s, false, &r->eval));
    LCL_TRY(lcl__session_load(r->s, r->weights, false));
  }
  return lcl__evaluate(r->eval, ds, split, metrics, NULL);
}

lcl_session *lcl__run_session(lcl_run_folder *r) {
  return r->s;
}

const char *lcl__run_path(const lcl_run_folder *r) {
  return r->folder;
}

/* Nothing is made of weights that are not numbers; lcl_run_evaluate shows what they score. */
static lcl_status check_weights(const lcl_run_folder *r) {
  const lcl_status s = lcl__tensor_file_finite(r->weights);
  return s == LCL_OK ? s : lcl__fail_prefix(s, "the weights of %s cannot be used", r->folder);
}

lcl_status lcl__run_load(lcl_run_folder *r) {
  LCL_TRY(check_weights(r));
  return lcl__session_load(r->s, r->weights, false);
}

lcl_status lcl__run_outputs(lcl_run_folder *r, const lcl_dataset *ds, lcl_outputs *out) {
  lcl_evaluator *e;
  LCL_TRY(lcl__evaluator_create(r->s, true, &e));
  lcl_status s = lcl__run_load(r);
  if (s == LCL_OK) s = lcl__evaluate_outputs(e, ds, out);
  lcl__evaluator_destroy(e);
  return s;
}

static lcl_status check_output(const lcl_run_folder *r, const char *path) {
  const char *folder = r->folder;
  return lcl__check_run_outputs(&path, 1, &folder, 1, r->s);
}

static lcl_status write_png(lcl_image_rows *p, const char *path) {
  lcl_image image;
  lcl_status s = lcl__image_rows_grid(p, p->height < 64 ? 2 : 1, &image);
  lcl__image_rows_free(p);
  LCL_TRY(s);
  s = lcl__png_write(path, &image);
  lcl__image_free(&image);
  return s;
}

lcl_status lcl_run_reconstruct(lcl_run_folder *r, const char *split, int columns, uint64_t seed,
                               const char *png) {
  LCL_NEED(r);
  lcl_dataset *ds;
  lcl_image_rows p;
  LCL_TRY(lcl__check_ending(png, ".png"));
  LCL_TRY(check_output(r, png));
  LCL_TRY(check_weights(r));
  LCL_TRY(lcl__session_split(r->s, split, &ds));
  if (columns > ds->count)
    return lcl__fail(LCL_ERR_ARGUMENT, "%d examples (columns) were asked for; %s has %lld", columns,
                     split, (long long)ds->count);
  LCL_TRY(lcl__session_reconstruct(r->s, r->weights, ds, columns, seed, &p));
  return write_png(&p, png);
}

lcl_status lcl_run_sample(lcl_run_folder *r, const lcl_sample_request *request, const char *png) {
  LCL_NEED(r, request);
  lcl_image_rows p;
  LCL_TRY(lcl__check_ending(png, ".png"));
  const char *given = request->given;
  LCL_TRY(check_output(r, png));
  if (given && lcl__file_exists(given)) LCL_TRY(lcl__check_outputs(&png, 1, &given, 1));
  LCL_TRY(check_weights(r));
  LCL_TRY(lcl__session_sample(r->s, r->weights, request, &p));
  return write_png(&p, png);
}

lcl_status lcl_run_report(lcl_run_folder *r) {
  LCL_NEED(r);
  return lcl__report_write(r->s, r->weights, r->folder);
}
