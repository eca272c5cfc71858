/* A trained run as an ONNX file: the graph of its evaluation, with the preprocessing in front. */
#include "data/prep.h"
#include "graph/graph.h"
#include "latentcl/onnx.h"
#include "latentcl/version.h"
#include "train/session.h"

/* A prime that no size of a model has: what it divides is the batch. */
enum { OPEN_BATCH = 65537 };

typedef struct export_job {
  lcl_run_folder *run;
  lcl_session *s;
  lcl_graph *g;
  lcl_tensor *image;
  lcl_build eval;
  lcl_onnx_name out[2], in[1];
  size_t n_out, n_in;
} export_job;

/* The model's graph of a mode on the prepared image. */
static lcl_status build_mode(export_job *j, lcl_model_mode mode, lcl_tensor *image, lcl_build *b) {
  const lcl_status st = lcl__build_on(b, j->s->model, image, mode);
  if (st != LCL_OK) return st;
  return b->side
             ? lcl__fail(LCL_ERR_UNSUPPORTED, "%s reads a table of its examples", j->s->cls->name)
             : LCL_OK;
}

static lcl_status begin(export_job *j, int64_t batch) {
  const lcl_prep *p = j->s->prep;
  lcl_tensor *prepared;
  LCL_TRY(lcl_graph_create(j->s->store, "export", &j->g));
  j->image = lcl_input(j->g, "image", LCL_F32, LCL_SHAPE(batch, p->in_c, p->in_h, p->in_w));
  LCL_TRY(lcl__prep_graph(p, j->image, &prepared));
  return build_mode(j, LCL_MODE_EVAL, prepared, &j->eval);
}

/* What the prediction is the largest of. */
static lcl_tensor *scores_of(lcl_tensor *prediction) {
  const lcl_node *node = lcl__view_source(prediction)->node;
  return strcmp(node->op->name, "argmax") == 0 ? node->in[0] : NULL;
}

static lcl_status classifier(export_job *j) {
  if (!j->eval.prediction)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "%s predicts no class", j->s->cls->name);
  lcl_tensor *scores = scores_of(j->eval.prediction);
  if (scores) j->out[j->n_out++] = (lcl_onnx_name) { scores, "scores" };
  j->out[j->n_out++] = (lcl_onnx_name) { j->eval.prediction, "prediction" };
  return LCL_OK;
}

static lcl_status encoder(export_job *j) {
  if (!j->eval.features)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "%s has no features", j->s->cls->name);
  j->out[j->n_out++] = (lcl_onnx_name) { j->eval.features, "features" };
  return LCL_OK;
}

/* Whether t depends on `on` by a way that does not lead through `cut`. */
static lcl_status depends(export_job *j, const lcl_tensor *t, const lcl_tensor *on,
                          const lcl_tensor *cut, bool *out) {
  const int count = lcl__graph_node_count(j->g);
  bool *seen = lcl__alloc((size_t)count + 1);
  if (!seen) return LCL_ERR_HOST_MEMORY;
  seen[t->node->id] = true;
  for (int id = count - 1; id >= 0; id--) {
    const lcl_node *node = lcl__graph_node(j->g, id);
    for (int i = 0; seen[id] && node != cut->node && i < node->n_in; i++)
      seen[node->in[i]->node->id] = true;
  }
  *out = seen[on->node->id];
  lcl__free(seen);
  return LCL_OK;
}

/* The reconstruction as a function of the features: equal nodes of the two modes are one. */
static lcl_status decoder(export_job *j) {
  static const char *const captions[] = { "reconstruction", "denoised" };
  lcl_build b;
  lcl_tensor *image = NULL;
  bool other = true;
  if (!(j->s->cls->can & LCL_CAN_RECONSTRUCT) || !j->eval.features)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "%s does not reconstruct from features", j->s->cls->name);
  LCL_TRY(build_mode(j, LCL_MODE_RECONSTRUCT, j->eval.image, &b));
  for (size_t c = 0; c < LCL_COUNT(captions) && !image; c++)
    for (int i = 0; i < b.n_outputs; i++)
      if (strcmp(b.outputs[i].name, captions[c]) == 0) image = b.outputs[i].t;
  if (image) LCL_TRY(depends(j, image, j->image, j->eval.features, &other));
  if (other)
    return lcl__fail(LCL_ERR_UNSUPPORTED,
                     "the reconstruction of %s is not a function of its features alone",
                     j->s->cls->name);
  j->in[j->n_in++] = (lcl_onnx_name) { j->eval.features, "features" };
  j->out[j->n_out++] = (lcl_onnx_name) { image, "image" };
  return LCL_OK;
}

static lcl_status choose_part(export_job *j, const char **part) {
  static const struct {
    const char *name;
    lcl_status (*add)(export_job *j);
  } parts[] = { { "classifier", classifier }, { "encoder", encoder }, { "decoder", decoder } };
  if (!*part) *part = j->eval.prediction ? "classifier" : "encoder";
  for (size_t i = 0; i < LCL_COUNT(parts); i++)
    if (strcmp(parts[i].name, *part) == 0) return parts[i].add(j);
  return lcl__fail(LCL_ERR_ARGUMENT, "the part is classifier, encoder or decoder, not \"%s\"",
                   *part);
}

/* ---- metadata ---- */

enum { OWN_METADATA = 6 };

static lcl_status write_file(export_job *j, const lcl_export_desc *d, const char *part) {
  char *classes = NULL;
  LCL_TRY(lcl__session_classes(j->s, &classes));
  const struct {
    const char *key, *value;
  } own[OWN_METADATA] = {
    { "model", j->s->cls->name },
    { "part", part },
    { "run", lcl__run_path(j->run) },
    { "classes", classes },
    { "version", lcl_version() },
    { "input", j->s->splits.train->bernoulli ? "0 or 1, without preprocessing"
                                             : "as the data, without preprocessing" },
  };
  lcl_str text[OWN_METADATA] = { { 0 } };
  const char **all = lcl__alloc((OWN_METADATA + d->n_metadata) * sizeof *all);
  lcl_status st = all ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; st == LCL_OK && i < OWN_METADATA; i++) {
    lcl__str_add(&text[i], "%s=%s", own[i].key, own[i].value ? own[i].value : "");
    if (!lcl__str_ok(&text[i])) st = LCL_ERR_HOST_MEMORY;
    all[i] = text[i].data;
  }
  for (size_t i = 0; st == LCL_OK && i < d->n_metadata; i++) all[OWN_METADATA + i] = d->metadata[i];
  if (st == LCL_OK)
    st = lcl_onnx_save(d->path,
                       &(lcl_onnx_save_desc) { .outputs = j->out,
                                               .n_outputs = j->n_out,
                                               .inputs = j->in,
                                               .n_inputs = j->n_in,
                                               .batch = d->batch ? 0 : OPEN_BATCH,
                                               .metadata = all,
                                               .n_metadata = OWN_METADATA + d->n_metadata });
  for (size_t i = 0; i < OWN_METADATA; i++) lcl__str_free(&text[i]);
  lcl__free(all);
  lcl__free(classes);
  return st;
}

lcl_status lcl_run_export(lcl_run_folder *run, const lcl_export_desc *desc) {
  LCL_NEED(run, desc);
  export_job j = { .run = run, .s = lcl__run_session(run) };
  const char *part = desc->part;
  if (!desc->path) return lcl__fail(LCL_ERR_ARGUMENT, "the path of the file is NULL");
  if (desc->batch < 0 || desc->batch > 1 << 20 || (desc->n_metadata && !desc->metadata))
    return lcl__fail(LCL_ERR_ARGUMENT, "a batch of 0 to 2^20 is expected, got %lld",
                     (long long)desc->batch);
  const char *folder = lcl__run_path(run);
  LCL_TRY(lcl__check_ending(desc->path, ".onnx"));
  LCL_TRY(lcl__check_run_outputs(&desc->path, 1, &folder, 1, j.s));
  lcl_status st = begin(&j, desc->batch ? desc->batch : OPEN_BATCH);
  if (st == LCL_OK) st = choose_part(&j, &part);
  if (st == LCL_OK) st = lcl__run_load(run);
  if (st == LCL_OK) st = write_file(&j, desc, part);
  lcl_graph_destroy(j.g);
  return st;
}
