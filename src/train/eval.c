/* Evaluation of a split: per-example numbers from the device, summed on the host in double
 * precision. */
#include "device/ranks.h"
#include "graph/graph.h"
#include "graph/store.h"
#include "train/layers.h"

enum { EVAL_BATCH = 250 };

struct lcl_evaluator {
  lcl_session *s;
  lcl_ranks *ranks; /* that each take a part of every data set; NULL: this process alone */
  lcl_compiled compiled;
  const char *features; /* NULL: only for the class's score; "": the model's; else a layer's name */
  int rows;             /* how many numbers an example has (prediction last) */
  int64_t batch, width; /* width of features; 0: none wanted */
  lcl_shape row;        /* their shape, of one example */
  float *values;        /* rows x batch */
  bool by_label[LCL_BUILD_MAX]; /* the example's number depends on its label */
  float *side;                  /* batch x side_width of zeros: evaluation has no table */
};

/* Whether t depends on the input; nodes are numbered in a topological order. */
static lcl_status depends(const lcl_tensor *t, const lcl_tensor *input, bool *out) {
  const lcl_graph *g = t->node->graph;
  bool *reached = lcl__alloc((size_t)LCL_MAX(lcl__graph_node_count(g), 1) * sizeof *reached);
  if (!reached) return LCL_ERR_HOST_MEMORY;
  reached[input->node->id] = true;
  for (int id = input->node->id + 1; id <= t->node->id; id++) {
    const lcl_node *node = lcl__graph_node((lcl_graph *)g, id);
    for (int k = 0; k < node->n_in; k++) reached[id] |= reached[node->in[k]->node->id];
  }
  *out = reached[t->node->id];
  lcl__free(reached);
  return LCL_OK;
}

/* What is to be fetched of each example beside its numbers. */
static lcl_status want_features(lcl_evaluator *e, lcl_compiled *compiled) {
  const lcl_build *b = &compiled->build;
  lcl_tensor *rows = e->features || e->s->cls->score ? b->features : NULL;
  if (e->features && *e->features && !lcl__graph_broken(compiled->graph))
    LCL_TRY(lcl__session_layer(e->s, b, e->features, &rows, &e->row));
  if (!rows) return LCL_OK;
  e->width = lcl_shape_count(lcl_tensor_shape(rows)) / LCL_MAX(b->batch, 1);
  if (rows == b->features) e->row = LCL_SHAPE(e->width);
  compiled->fetch[compiled->n_fetch++] = lcl_reshape(rows, LCL_SHAPE(b->batch, e->width));
  return LCL_OK;
}

/* All per-example numbers in one tensor, so that a batch costs one read. */
static lcl_status join_rows(void *user, lcl_compiled *compiled) {
  lcl_evaluator *e = user;
  lcl_build *b = &compiled->build;
  lcl_tensor *parts[LCL_BUILD_MAX + 1];
  int n = 0;
  for (int i = 0; i < b->n_examples; i++)
    parts[n++] = lcl_reshape(b->examples[i].t, LCL_SHAPE(1, b->batch));
  for (int i = 0; i < b->n_examples && b->label && !lcl__graph_broken(compiled->graph); i++)
    LCL_TRY(depends(b->examples[i].t, b->label, &e->by_label[i]));
  if (b->prediction)
    parts[n++] = lcl_cast(lcl_reshape(b->prediction, LCL_SHAPE(1, b->batch)), LCL_F32);
  e->rows = n;
  if (n > 0) compiled->fetch[compiled->n_fetch++] = n > 1 ? lcl_concat(parts, n, 0) : parts[0];
  LCL_TRY(want_features(e, compiled));
  if (compiled->n_fetch == 0)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "%s has nothing to evaluate", e->s->cls->name);
  return lcl_graph_status(compiled->graph);
}

lcl_status lcl__evaluator_create(lcl_session *s, const char *features, lcl_evaluator **out) {
  *out = NULL;
  lcl_evaluator *e = lcl__alloc(sizeof *e);
  if (!e) return LCL_ERR_HOST_MEMORY;
  e->s = s;
  e->features = features;
  e->batch = EVAL_BATCH;
  lcl_status st = lcl__compiled_create(s,
                                       &(lcl_compiled_desc) { .mode = LCL_MODE_EVAL,
                                                              .name = "eval",
                                                              .batch = e->batch,
                                                              .extend = join_rows,
                                                              .user = e },
                                       &e->compiled);
  if (st == LCL_OK && e->rows > 0 &&
      !(e->values = lcl__alloc((size_t)e->rows * (size_t)e->batch * sizeof(float))))
    st = LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK && e->compiled.build.side) {
    e->side = lcl__alloc((size_t)(e->batch * s->model->side_width) * sizeof(float));
    if (!e->side) st = LCL_ERR_HOST_MEMORY;
  }
  if (st != LCL_OK) {
    lcl__evaluator_destroy(e);
    return st;
  }
  *out = e;
  return LCL_OK;
}

bool lcl__evaluator_samples(const lcl_evaluator *e) {
  return lcl__store_find(e->s->store, "eval.rng") != NULL;
}

void lcl__evaluator_share(lcl_evaluator *e, lcl_ranks *ranks) {
  e->ranks = ranks;
}

void lcl__evaluator_destroy(lcl_evaluator *e) {
  if (!e) return;
  lcl__compiled_destroy(&e->compiled);
  lcl__free(e->values);
  lcl__free(e->side);
  lcl__free(e);
}

/* What one pass over a data set collects. */
typedef struct tally {
  double sum[LCL_BUILD_MAX];
  int32_t *prediction; /* n */
  float *features;     /* n x width */
  float *values;       /* numbers of each example: n_examples x n, or NULL: not wanted */
  int64_t n, done;
} tally;

static lcl_status run_batch(lcl_evaluator *e, const lcl_batch *b, tally *t) {
  lcl_program *p = e->compiled.program;
  lcl_build *bd = &e->compiled.build;
  size_t n = (size_t)e->batch;
  if (bd->image)
    LCL_TRY(lcl_feed(p, "image", b->x,
                     (size_t)lcl_shape_count(lcl_tensor_shape(bd->image)) * sizeof(float)));
  if (bd->label) LCL_TRY(lcl_feed(p, "label", b->label, n * sizeof(int32_t)));
  if (bd->side)
    LCL_TRY(lcl_feed(p, "side", e->side, n * (size_t)e->s->model->side_width * sizeof(float)));
  LCL_TRY(lcl_run(p));
  if (e->rows > 0) LCL_TRY(lcl_fetch(p, "#0", e->values, (size_t)e->rows * n * sizeof(float)));
  for (int r = 0; r < bd->n_examples; r++)
    for (int i = 0; i < b->valid; i++) t->sum[r] += e->values[(size_t)r * n + (size_t)i];
  for (int r = 0; t->values && r < bd->n_examples; r++)
    memcpy(t->values + r * t->n + t->done, e->values + (size_t)r * n,
           (size_t)b->valid * sizeof(float));
  if (bd->prediction)
    for (int i = 0; i < b->valid; i++)
      t->prediction[t->done + i] = (int32_t)e->values[(size_t)(e->rows - 1) * n + (size_t)i];
  if (e->width > 0) {
    float *rows = lcl__alloc(n * (size_t)e->width * sizeof(float));
    if (!rows) return LCL_ERR_HOST_MEMORY;
    lcl_status st = lcl_fetch(p, e->rows > 0 ? "#1" : "#0", rows,
                              n * (size_t)e->width * sizeof(float));
    if (st == LCL_OK)
      memcpy(t->features + t->done * e->width, rows,
             (size_t)b->valid * (size_t)e->width * sizeof(float));
    lcl__free(rows);
    LCL_TRY(st);
  }
  t->done += b->valid;
  return LCL_OK;
}

static lcl_status run_all(lcl_evaluator *e, const lcl_dataset *ds, tally *t) {
  lcl_batcher *batches;
  LCL_TRY(lcl_batcher_create(&(lcl_batcher_desc) { .data = ds,
                                                   .prep = e->s->prep,
                                                   .batch = (int)e->batch,
                                                   .mode = LCL_BATCH_SEQUENTIAL,
                                                   .seed = e->s->seed,
                                                   .stream = 100 },
                             &batches));
  int64_t first;
  const int64_t n = lcl_ranks_share(e->ranks, lcl_batcher_steps(batches), &first);
  lcl_batch_state at = lcl_batcher_state(batches);
  at.step = first;
  t->done = first * e->batch;
  lcl_status st = n > 0 ? lcl_batcher_seek(batches, at) : LCL_OK;
  for (int64_t i = 0; i < n && st == LCL_OK; i++) {
    lcl_batch b;
    st = lcl_batcher_next(batches, &b);
    if (st == LCL_OK) st = run_batch(e, &b, t);
  }
  lcl_batcher_destroy(batches);
  return st;
}

static void count_confusion(const lcl_dataset *ds, const tally *t, int64_t *confusion) {
  for (int64_t i = 0; i < t->done && ds->labels && t->prediction; i++) {
    int32_t label = ds->labels[i], p = t->prediction[i];
    if (label >= 0 && label < ds->classes && p >= 0 && p < ds->classes)
      confusion[(int64_t)label * ds->classes + p]++;
  }
}

static void mean_metrics(const lcl_build *b, const tally *t, lcl_metrics *out) {
  double n = (double)LCL_MAX(t->done, 1);
  for (int i = 0; i < b->n_examples; i++) {
    char name[64];
    const char *correct = strstr(b->examples[i].name, "correct");
    if (correct && strcmp(correct, "correct") == 0 &&
        (correct == b->examples[i].name || correct[-1] == '_')) {
      snprintf(name, sizeof name, "%.*serror_percent", (int)(correct - b->examples[i].name),
               b->examples[i].name);
      lcl_metrics_set(out, name, 100.0 * (n - t->sum[i]) / n);
    } else
      lcl_metrics_set(out, b->examples[i].name, t->sum[i] / n);
  }
}

static void tally_free(tally *t) {
  lcl__free(t->prediction);
  lcl__free(t->features);
  lcl__free(t->values);
}

/* Every rank gets what each found in its part; what the others have is zero here. */
static lcl_status join(lcl_evaluator *e, tally *t, lcl_status status) {
  if (!e->ranks) return status;
  LCL_TRY(lcl__ranks_agree(e->ranks, status));
  lcl__ranks_sum_doubles(e->ranks, t->sum, LCL_BUILD_MAX);
  if (t->prediction) lcl__ranks_sum_ints(e->ranks, t->prediction, (size_t)t->n);
  if (t->features) lcl__ranks_sum_floats(e->ranks, t->features, (size_t)(t->n * e->width));
  t->done = t->n;
  return LCL_OK;
}

/* One pass with room for everything the graph gives, and for the numbers of each example where they
 * are wanted; tally_free() also after a failure. */
static lcl_status make_room(const lcl_evaluator *e, bool values, tally *t) {
  const int n_values = e->compiled.build.n_examples;
  const size_t n = (size_t)LCL_MAX(t->n, 1);
  if (values && n_values) {
    t->values = lcl__alloc(n * (size_t)n_values * sizeof *t->values);
    if (!t->values) return LCL_ERR_HOST_MEMORY;
  }
  if (e->compiled.build.prediction) {
    t->prediction = lcl__alloc(n * sizeof *t->prediction);
    if (!t->prediction) return LCL_ERR_HOST_MEMORY;
  }
  if (e->width > 0) {
    t->features = lcl__alloc(n * (size_t)e->width * sizeof *t->features);
    if (!t->features) return LCL_ERR_HOST_MEMORY;
  }
  return LCL_OK;
}

static lcl_status collect(lcl_evaluator *e, const lcl_dataset *ds, bool values, tally *t) {
  *t = (tally) { .n = ds->count };
  lcl_status s = make_room(e, values, t);
  if (s == LCL_OK) s = run_all(e, ds, t);
  return join(e, t, s);
}

static lcl_status evaluate(lcl_evaluator *e, const lcl_dataset *ds, const char *split,
                           lcl_metrics *out, int64_t *confusion) {
  tally t;
  lcl_status st = collect(e, ds, false, &t);
  if (st == LCL_OK) {
    lcl_metrics_set(out, "n", (double)t.done);
    mean_metrics(&e->compiled.build, &t, out);
    if (confusion) count_confusion(ds, &t, confusion);
    lcl_model_table table = { .split = split,
                              .n = t.done,
                              .labels = lcl__session_known(ds) ? ds->labels : NULL,
                              .prediction = t.prediction,
                              .features = t.features,
                              .width = e->width,
                              .seed = e->s->seed };
    if (e->s->cls->score && lcl_ranks_rank(e->ranks) == 0)
      st = e->s->cls->score(e->s->model, &table, out);
  }
  tally_free(&t);
  return st;
}

/* What no label is needed for, over all examples. */
static lcl_status average_all(lcl_evaluator *e, const lcl_dataset *ds, lcl_metrics *out) {
  const lcl_build *b = &e->compiled.build;
  tally t;
  lcl_status st = collect(e, ds, false, &t);
  for (int i = 0; i < b->n_examples && st == LCL_OK; i++)
    if (!e->by_label[i])
      lcl_metrics_set(out, b->examples[i].name, t.sum[i] / (double)LCL_MAX(t.done, 1));
  tally_free(&t);
  return st;
}

/* What is compared with labels is averaged over the examples that have one, everything else over
 * all; those without a label are counted. Only a classifier needs one. */
lcl_status lcl__evaluate(lcl_evaluator *e, const lcl_dataset *ds, const char *split,
                         lcl_metrics *out, int64_t *confusion) {
  lcl_dataset *labelled = NULL;
  const int64_t known = lcl__session_known(ds);
  const bool classify = e->s->cls->can & LCL_CAN_CLASSIFY, score = e->s->cls->score != NULL;
  memset(out, 0, sizeof *out);
  if (classify && !ds->labels) {
    lcl_metrics_set(out, "n", (double)ds->count);
    lcl_metrics_set(out, "unlabelled", (double)ds->count);
    return average_all(e, ds, out);
  }
  if (classify || (score && known)) LCL_TRY(lcl__session_labelled(ds, &labelled));
  lcl_status st = evaluate(e, labelled ? labelled : ds, split, out, confusion);
  bool others = false;
  for (int i = 0; i < e->compiled.build.n_examples; i++) others |= !e->by_label[i];
  if (st == LCL_OK && labelled && others) st = average_all(e, ds, out);
  if (st == LCL_OK && (classify || score) && ds->labels && known < ds->count)
    lcl_metrics_set(out, "unlabelled", (double)(ds->count - known));
  lcl_dataset_close(labelled);
  return st;
}

lcl_status lcl__evaluate_outputs(lcl_evaluator *e, const lcl_dataset *ds, lcl_outputs *out) {
  const lcl_build *b = &e->compiled.build;
  tally t;
  lcl_status st = collect(e, ds, true, &t);
  *out = (lcl_outputs) { .n = t.done,
                         .prediction = t.prediction,
                         .features = t.features,
                         .width = e->width,
                         .row = e->row,
                         .values = t.values };
  for (int i = 0; i < b->n_examples && st == LCL_OK; i++) {
    if (e->by_label[i] && !ds->labels) continue;
    const int k = out->n_values++;
    lcl__snprintf(out->value_name[k], sizeof out->value_name[k], "%s", b->examples[i].name);
    if (k < i) memmove(t.values + k * t.n, t.values + i * t.n, (size_t)t.n * sizeof *t.values);
  }
  if (st != LCL_OK) lcl__outputs_free(out);
  return st;
}

void lcl__outputs_free(lcl_outputs *o) {
  lcl__free(o->prediction);
  lcl__free(o->features);
  lcl__free(o->values);
  memset(o, 0, sizeof *o);
}
