/* Models and their builds: bookkeeping between a class and the training loop. */
#include "base/text.h"
#include "graph/graph.h"
#include "latentcl/nn.h"
#include "models/build.h"

lcl_status lcl_model_options(const lcl_model_class *cls, lcl_options **out) {
  LCL_NEED(cls, out);
  size_t n_common;
  const lcl_option *common = lcl_common_options(&n_common);
  *out = NULL;
  lcl_option *all = lcl__alloc((cls->n_options + n_common) * sizeof *all);
  if (!all) return LCL_ERR_HOST_MEMORY;
  if (cls->n_options) memcpy(all, cls->options, cls->n_options * sizeof *all);
  memcpy(all + cls->n_options, common, n_common * sizeof *all);
  lcl_status s = lcl_options_create(all, cls->n_options + n_common, out);
  lcl__free(all);
  return s;
}

lcl_status lcl__model_settings(const lcl_model_class *cls, const lcl_options *o,
                               const lcl_model_data *data, lcl_settings *s) {
  *s = (lcl_settings) { 0 };
  LCL_TRY(cls->defaults(o, data, s));
  return lcl_settings_apply(s, o);
}

lcl_status lcl_model_create(const lcl_model_class *cls, const lcl_options *o,
                            const lcl_model_data *data, lcl_model **out) {
  LCL_NEED(cls, o, data, out);
  *out = NULL;
  lcl_model *m = lcl__alloc(sizeof *m);
  if (!m) return LCL_ERR_HOST_MEMORY;
  m->cls = cls;
  m->data = *data;
  lcl_options *copy = NULL;
  lcl_status s = lcl_options_copy(o, &copy);
  m->options = copy;
  if (s == LCL_OK) s = lcl__model_settings(cls, copy, data, &m->settings);
  if (s != LCL_OK) {
    lcl_model_destroy(m);
    return lcl__fail_prefix(s, "%s", cls->name);
  }
  const lcl_prep_desc *p = &m->settings.prep;
  if (p->colour == LCL_COLOUR_GREY) m->data.channels = 1;
  if (p->crop) m->data.height = m->data.width = p->crop;
  *out = m;
  return LCL_OK;
}

void lcl_model_destroy(lcl_model *m) {
  if (!m) return;
  if (m->cls->destroy) m->cls->destroy(m);
  lcl_options_destroy((lcl_options *)m->options);
  free(m->side);
  lcl__free(m);
}

const lcl_model *lcl_build_model(const lcl_build *b) {
  if (!b) return NULL;
  return b->model;
}
lcl_graph *lcl_build_graph(const lcl_build *b) {
  if (!b) return NULL;
  return b->graph;
}
lcl_model_mode lcl_build_mode(const lcl_build *b) {
  if (!b) return (lcl_model_mode) { 0 };
  return b->mode;
}
int64_t lcl_build_batch(const lcl_build *b) {
  if (!b) return 0;
  return b->batch;
}
int64_t lcl_build_unlabelled_batch(const lcl_build *b) {
  if (!b) return 0;
  return b->unlabelled_batch;
}

bool lcl__build_same_batches(const lcl_build *b) {
  const lcl_graph_shares *s = lcl__graph_shares(b->graph);
  return s ? s->rows[0].all == s->rows[1].all : b->batch == b->unlabelled_batch;
}

lcl_tensor *lcl_build_image(lcl_build *b) {
  if (!b) return lcl_const(NULL, 0); /* an error wherever it is used */
  const lcl_model_data *d = &b->model->data;
  if (!b->image)
    b->image = lcl_input(b->graph, "image", LCL_F32,
                         LCL_SHAPE(b->batch, d->channels, d->height, d->width));
  return b->image;
}

lcl_tensor *lcl_build_label(lcl_build *b) {
  if (!b) return lcl_const(NULL, 0); /* an error wherever it is used */
  if (!b->label) b->label = lcl_input(b->graph, "label", LCL_I32, LCL_SHAPE(b->batch));
  return b->label;
}

lcl_tensor *lcl_build_unlabelled(lcl_build *b) {
  if (!b) return lcl_const(NULL, 0); /* an error wherever it is used */
  const lcl_model_data *d = &b->model->data;
  if (!b->unlabelled)
    b->unlabelled = lcl_input(b->graph, "unlabelled", LCL_F32,
                              LCL_SHAPE(b->unlabelled_batch, d->channels, d->height, d->width));
  return b->unlabelled;
}

lcl_tensor *lcl_build_side(lcl_build *b) {
  if (!b) return lcl_const(NULL, 0); /* an error wherever it is used */
  if (!b->side)
    b->side = lcl_input(b->graph, "side", LCL_F32, LCL_SHAPE(b->batch, b->model->side_width));
  return b->side;
}

lcl_tensor *lcl_build_clean(lcl_build *b) {
  if (!b) return lcl_const(NULL, 0); /* an error wherever it is used */
  const lcl_model_data *d = &b->model->data;
  if (!b->clean)
    b->clean = lcl_input(b->graph, "clean", LCL_F32,
                         LCL_SHAPE(b->batch, d->channels, d->height, d->width));
  return b->clean;
}

lcl_tensor *lcl_build_weigh(lcl_build *b, lcl_tensor *rows) {
  if (!b || !b->model) return lcl_const(NULL, 0); /* an error wherever it is used */
  if (b->mode != LCL_MODE_TRAIN || !b->model->settings.class_weights) return rows;
  if (!b->weight) b->weight = lcl_input(b->graph, "weight", LCL_F32, LCL_SHAPE(b->batch));
  return lcl_mul(rows, b->weight);
}

lcl_tensor *lcl__build_cross_entropy(lcl_build *b, lcl_tensor *logits, lcl_tensor *label) {
  return lcl_mean(lcl_build_weigh(b, lcl_cross_entropy_rows(logits, label)), LCL_ALL_AXES, false);
}

lcl_status lcl__need_classes(const lcl_model_data *d) {
  if (d->classes > 1) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, d->classes
                                         ? "this model tells classes apart; the data have one"
                                         : "this model needs labels; the data have none");
}

void lcl__build_scores(lcl_build *b, lcl_tensor *logits, lcl_tensor *label) {
  const int64_t k = lcl_option_int(b->model->options, "top_k"),
                classes = lcl_tensor_shape(logits).dim[1];
  char name[32];
  lcl_build_example(b, "correct", lcl_correct_rows(logits, label));
  if (k <= 0) return;
  lcl_tensor *own = lcl_sum(lcl_mul(logits, lcl_one_hot(label, classes)), LCL_AXIS(1), true);
  lcl_tensor *before = lcl_sum(lcl_greater(logits, own), LCL_AXIS(1), false);
  snprintf(name, sizeof name, "top%lld_correct", (long long)k);
  lcl_build_example(b, name, lcl_greater(lcl_const(b->graph, (float)k - 0.5f), before));
}

static void add_item(lcl_build *b, lcl_build_item *items, int *n, const char *prefix,
                     const char *name, lcl_tensor *t) {
  if (*n == LCL_BUILD_MAX) {
    b->too_many = true;
    return;
  }
  lcl_build_item *it = &items[(*n)++];
  snprintf(it->name, sizeof it->name, "%s%s", prefix, name);
  it->t = t;
}

void lcl_build_fail(lcl_build *b, lcl_status status, const char *fmt, ...) {
  char text[512];
  va_list args;
  if (!b || !fmt) return;
  va_start(args, fmt);
  lcl__vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  lcl__graph_error(b->graph, status == LCL_OK ? LCL_ERR_ARGUMENT : status, "build", "%s", text);
}

void lcl_build_loss(lcl_build *b, lcl_tensor *scalar) {
  if (b) b->loss = scalar;
}
void lcl_build_correct(lcl_build *b, lcl_tensor *rows) {
  if (b) b->correct = rows;
}
void lcl_build_prediction(lcl_build *b, lcl_tensor *rows) {
  if (b) b->prediction = rows;
}
void lcl_build_features(lcl_build *b, lcl_tensor *rows) {
  if (b) b->features = rows;
}

void lcl_build_term(lcl_build *b, const char *name, lcl_tensor *scalar) {
  if (b && name) add_item(b, b->terms, &b->n_terms, "", name, scalar);
}

void lcl_build_example(lcl_build *b, const char *name, lcl_tensor *rows) {
  if (b && name) add_item(b, b->examples, &b->n_examples, "", name, rows);
}

void lcl_build_output(lcl_build *b, const char *caption, lcl_tensor *images) {
  if (b && caption) add_item(b, b->outputs, &b->n_outputs, "", caption, images);
}

void lcl_build_latent(lcl_build *b, const char *caption, lcl_tensor *rows) {
  if (b && caption) add_item(b, b->latents, &b->n_latents, "", caption, rows);
}

static lcl_status check_rows(const char *what, const char *name, lcl_tensor *t, int64_t batch) {
  char buf[96];
  lcl_shape s = lcl_tensor_shape(t);
  if (s.rank >= 1 && s.dim[0] == batch) return LCL_OK;
  return lcl__fail(LCL_ERR_SHAPE, "%s \"%s\" must have one row an example (%lld), its shape is %s",
                   what, name, (long long)batch, lcl_shape_string(s, buf));
}

static bool scores_top(const lcl_build *b) {
  for (int i = 0; i < b->n_examples; i++)
    if (strncmp(b->examples[i].name, "top", 3) == 0) return true;
  return false;
}

static lcl_status check_declared(const lcl_build *b) {
  if (b->too_many)
    return lcl__fail(LCL_ERR_ARGUMENT, "more than %d terms, example values or images",
                     LCL_BUILD_MAX);
  if (b->mode == LCL_MODE_TRAIN && !b->loss)
    return lcl__fail(LCL_ERR_ARGUMENT, "the training graph has no loss");
  if (b->mode == LCL_MODE_TRAIN && b->model->settings.class_weights && !b->weight)
    return lcl__fail(LCL_ERR_UNSUPPORTED,
                     "class_weights: the loss has no cross-entropy with labels to weigh");
  if (b->mode == LCL_MODE_EVAL && lcl_option_int(b->model->options, "top_k") > 0 && !scores_top(b))
    return lcl__fail(LCL_ERR_UNSUPPORTED, "top_k: there is no most likely class to score");
  if ((b->mode == LCL_MODE_RECONSTRUCT || b->mode == LCL_MODE_SAMPLE) && b->n_outputs == 0)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "this model has nothing to %s",
                     b->mode == LCL_MODE_SAMPLE ? "sample from" : "reconstruct with");
  for (int i = 0; i < b->n_examples; i++)
    LCL_TRY(check_rows("example value", b->examples[i].name, b->examples[i].t, b->batch));
  for (int i = 0; i < b->n_outputs; i++)
    LCL_TRY(check_rows("output image", b->outputs[i].name, b->outputs[i].t, b->batch));
  for (int i = 0; i < b->n_latents; i++)
    LCL_TRY(check_rows("latent", b->latents[i].name, b->latents[i].t, b->batch));
  return LCL_OK;
}

static lcl_status run_build(lcl_build *b) {
  b->model->cls->build(b);
  lcl_status s = lcl_graph_status(b->graph);
  if (s == LCL_OK) s = check_declared(b);
  return s == LCL_OK ? LCL_OK : lcl__fail_prefix(s, "%s", b->model->cls->name);
}

lcl_status lcl__build_init(lcl_build *b, const lcl_model *m, lcl_graph *g, lcl_model_mode mode,
                           int64_t batch, int64_t unlabelled_batch) {
  memset(b, 0, sizeof *b);
  b->model = m;
  b->graph = g;
  b->mode = mode;
  b->batch = batch;
  b->unlabelled_batch = unlabelled_batch;
  b->optimiser = m->settings.optimiser;
  return run_build(b);
}

lcl_status lcl__build_on(lcl_build *b, const lcl_model *m, lcl_tensor *image, lcl_model_mode mode) {
  *b = (lcl_build) { .model = m,
                     .graph = lcl_tensor_graph(image),
                     .mode = mode,
                     .batch = lcl_tensor_shape(image).dim[0],
                     .optimiser = m->settings.optimiser,
                     .image = image };
  return run_build(b);
}
