/* Several processes that train one model: what they have to have in common, and what rank 0 does
 * for all. */
#include "device/ranks.h"

#include "graph/graph.h"
#include "latentcl/version.h"
#include "train/trainer.h"

lcl_status lcl__trainer_same_folder(lcl_trainer *t, lcl_status status) {
  LCL_TRY(lcl__ranks_agree(t->ranks, status));
  lcl__ranks_broadcast(t->ranks, t->folder, sizeof t->folder);
  return LCL_OK;
}

/* ---- the same everywhere ---- */

static void add_hash(lcl_str *out, const char *what, const void *data, size_t bytes) {
  char hex[33];
  lcl__hash_hex(data, bytes, hex);
  lcl__str_add(out, "%s%s %.8s", out->n ? ", " : "", what, hex);
}

static lcl_status same(const lcl_trainer *t, const char *what, lcl_str *text) {
  lcl_status s = lcl__str_ok(text) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  s = lcl__ranks_agree(t->ranks, s);
  if (s == LCL_OK) s = lcl__ranks_same(t->ranks, what, text->data ? text->data : "");
  lcl__str_free(text);
  return s;
}

static lcl_status same_build(const lcl_trainer *t) {
  lcl_str all = { 0 }, text = { 0 };
  for (size_t i = 0; lcl__embedded_names[i]; i++)
    lcl__str_add(&all, "%s", lcl__embedded_source(lcl__embedded_names[i]));
  lcl__str_add(&text, "%s%s%s", LCL_VERSION_STRING, t->d->commit ? ", commit " : "",
               t->d->commit ? t->d->commit : "");
  add_hash(&text, "kernels", all.data, all.n);
  lcl__str_free(&all);
  return same(t, "LatentCL", &text);
}

static lcl_status same_options(const lcl_trainer *t) {
  const lcl_options *o = t->s->options;
  lcl_str all = { 0 }, text = { 0 };
  for (size_t i = 0; i < lcl_options_count(o); i++) {
    const char *name = lcl_options_at(o, i)->name;
    lcl__str_add(&all, "%s=%s\n", name, lcl_option_text(o, name));
  }
  lcl__str_add(&text, "%s, seed %llu", t->s->cls->name, (unsigned long long)t->s->seed);
  add_hash(&text, "options", all.data, all.n);
  lcl__str_free(&all);
  return same(t, "model", &text);
}

/* A set's size and labels, and some of its examples. */
static lcl_status describe(const lcl_dataset *ds, lcl_str *text) {
  enum { EXAMPLES = 64 };
  const size_t n = lcl_dataset_elements(ds);
  float *x = lcl__alloc(LCL_MAX(n, 1) * EXAMPLES * sizeof *x);
  if (!x) return LCL_ERR_HOST_MEMORY;
  lcl_status s = LCL_OK;
  for (int64_t i = 0; i < EXAMPLES && s == LCL_OK; i++)
    s = lcl_dataset_example(ds, i * ds->count / EXAMPLES, x + (size_t)i * n);
  lcl__str_add(text, "%s%lld examples of %dx%dx%d", text->n ? ", " : "", (long long)ds->count,
               ds->channels, ds->height, ds->width);
  if (ds->labels) add_hash(text, "labels", ds->labels, (size_t)ds->count * sizeof *ds->labels);
  add_hash(text, "values", x, n * EXAMPLES * sizeof *x);
  lcl__free(x);
  return s;
}

static lcl_status same_data(const lcl_trainer *t) {
  lcl_str text = { 0 };
  lcl_status s = describe(t->s->labelled, &text);
  if (s == LCL_OK && t->s->unlabelled) s = describe(t->s->unlabelled, &text);
  s = lcl__ranks_agree(t->ranks, s);
  if (s != LCL_OK) {
    lcl__str_free(&text);
    return s;
  }
  return same(t, "training set", &text);
}

/* Devices that differ in how tensors lie, or join other nodes into one launch, may exchange other
 * things. */
static lcl_status same_exchanges(const lcl_trainer *t) {
  lcl_str all = { 0 }, text = { 0 };
  const char *label;
  double flops, bytes;
  int n = 0;
  for (size_t i = 0; (label = lcl__program_launch(t->compiled.program, i, &flops, &bytes)); i++)
    if (strncmp(label, "mean over ranks", 15) == 0) lcl__str_add(&all, "%s\n", label), n++;
  lcl__str_add(&text, "%d launches", n);
  add_hash(&text, "sizes", all.data, all.n);
  lcl__str_free(&all);
  return same(t, "device, with another plan of what is exchanged", &text);
}

/* ---- the same numbers ---- */

static lcl_status send_variables(lcl_trainer *t) {
  lcl_store *store = t->s->store;
  for (size_t i = 0; i < t->n_shared; i++) {
    const lcl_var_info v = lcl_store_info(store, i);
    const size_t bytes = (size_t)lcl_shape_count(v.shape) * lcl_dtype_size(v.dtype);
    void *data = lcl__alloc(LCL_MAX(bytes, 1));
    lcl_status s = data ? lcl_store_read(store, v.name, data, bytes) : LCL_ERR_HOST_MEMORY;
    if (s == LCL_OK) {
      lcl__ranks_broadcast(t->ranks, data, bytes);
      if (!t->leads) s = lcl_store_write(store, v.name, data, bytes);
    }
    lcl__free(data);
    LCL_TRY(s);
  }
  return LCL_OK;
}

lcl_status lcl__trainer_send_variables(lcl_trainer *t, lcl_status status) {
  status = lcl__ranks_agree(t->ranks, status);
  if (!t->ranks || status != LCL_OK) return status;
  return lcl__ranks_agree(t->ranks, send_variables(t));
}

lcl_status lcl__trainer_compare(lcl_trainer *t) {
  if (!t->ranks) return LCL_OK;
  const lcl_model *m = t->s->model;
  LCL_TRY(same_build(t));
  LCL_TRY(same_options(t));
  LCL_TRY(same_data(t));
  LCL_TRY(same_exchanges(t));
  if (m->side)
    lcl__ranks_broadcast(t->ranks, (void *)m->side,
                         (size_t)(t->s->labelled->count * m->side_width) * sizeof(float));
  return LCL_OK;
}

/* ---- evaluation ---- */

/* Where the ranks have their own running statistics, or random numbers are drawn in the order of
 * the examples, rank 0 does it alone. */
lcl_status lcl__trainer_open_evaluation(lcl_trainer *t) {
  LCL_TRY(lcl__evaluator_create(t->s, NULL, &t->eval));
  t->evaluate_together = t->ranks && !t->d->local_norm && !lcl__evaluator_samples(t->eval);
  if (t->leads || t->evaluate_together) return LCL_OK;
  lcl__evaluator_destroy(t->eval);
  t->eval = NULL;
  return LCL_OK;
}

lcl_status lcl__trainer_evaluate(lcl_trainer *t, const lcl_dataset *ds, const char *split,
                                 lcl_metrics *out) {
  lcl_status s = LCL_OK;
  if (t->evaluate_together) lcl__evaluator_share(t->eval, t->ranks);
  if (t->leads || t->evaluate_together) s = lcl__evaluate(t->eval, ds, split, out, NULL);
  if (t->eval) lcl__evaluator_share(t->eval, NULL);
  s = lcl__ranks_agree(t->ranks, s);
  if (s == LCL_OK) lcl__ranks_broadcast(t->ranks, out, sizeof *out);
  return s;
}
