/* Training steps of models on device-resident data: forward, every loss term, backward, optimiser. */
#include "bench/bench.h"
#include "latentcl/model.h"
#include "models/build.h"

/* Any 0..1 numbers do: the time of a step does not depend on them. */
static lcl_status feed_tensor(lcl_program *p, const char *name, const lcl_tensor *t, int classes) {
  if (!t) return LCL_OK;
  int64_t n = lcl_shape_count(lcl_tensor_shape(t));
  float *f = lcl_alloc((size_t)LCL_MAX(n, 1) * 4);
  int32_t *i32 = (int32_t *)f;
  if (!f) return LCL_ERR_HOST_MEMORY;
  uint64_t seed = 17;
  for (int64_t i = 0; i < n; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    if (lcl_tensor_dtype(t) == LCL_I32)
      i32[i] = (int32_t)((seed >> 33) % (uint64_t)LCL_MAX(classes, 1));
    else
      f[i] = (float)(seed >> 40) / (float)(1 << 24);
  }
  lcl_status st = lcl_feed(p, name, f, (size_t)n * 4);
  lcl_free(f);
  return st;
}

typedef struct step_state {
  lcl_options *options;
  lcl_model *model;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  float *extra;
} step_state;

static lcl_status set_options(const lcl_workload *w, lcl_options *o) {
  char pair[96];
  for (const char *p = w->options; *p;) {
    size_t n = strcspn(p, " ");
    snprintf(pair, sizeof pair, "%.*s", (int)n, p);
    LCL_TRY(lcl_options_set_pair(o, pair));
    p += n + strspn(p + n, " ");
  }
  return LCL_OK;
}

/* The model and its store. */
static lcl_status open_model(lcl_context *ctx, const lcl_workload *w, step_state *s) {
  const lcl_model_class *cls;
  lcl_model_data data = {
    .channels = w->channels, .height = w->height, .width = w->width, .classes = 10, .train = 50000
  };
  snprintf(data.name, sizeof data.name, "%s", w->channels == 3 ? "cifar10" : "idx");
  LCL_TRY(lcl_model_find(w->model, &cls));
  LCL_TRY(lcl_model_options(cls, &s->options));
  LCL_TRY(set_options(w, s->options));
  LCL_TRY(lcl_model_create(cls, s->options, &data, &s->model));
  LCL_TRY(lcl_store_create(ctx, 1, &s->store));
  if (!cls->prepare) return LCL_OK;
  lcl_model_examples some = { .n = 512,
                              .size = w->channels * w->height * w->width }; /* for per-example numbers */
  float *images = lcl_alloc((size_t)(some.n * some.size) * sizeof *images);
  if (!images) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < some.n * some.size; i++) images[i] = (float)(i * 7919 % 1009) / 1009;
  some.images = images;
  lcl_status st = cls->prepare(s->model, ctx, &some);
  lcl_free(images);
  return st;
}

static lcl_status step_build(lcl_context *ctx, const lcl_workload *w, step_state *s, lcl_bench_row *row) {
  lcl_build b;
  LCL_TRY(open_model(ctx, w, s));
  LCL_TRY(lcl_graph_create(s->store, "train", &s->g));
  const lcl_settings *own = &s->model->settings;
  LCL_TRY(lcl_build_init(&b, s->model, s->g, LCL_MODE_TRAIN, w->batch ? w->batch : own->batch,
                         w->batch ? w->unlabelled_batch : own->unlabelled_batch));
  lcl_optimiser_desc optimiser = b.optimiser;
  optimiser.lr = lcl_input(s->g, "lr", LCL_F32, LCL_SCALAR);
  lcl_minimise(b.loss, &optimiser);
  LCL_TRY(lcl_bench_compile(ctx, s->g, &b.loss, 1, &s->p, row));
  LCL_TRY(feed_tensor(s->p, "image", b.image, 0));
  LCL_TRY(feed_tensor(s->p, "label", b.label, 10));
  LCL_TRY(feed_tensor(s->p, "unlabelled", b.unlabelled, 0));
  if (b.extra) LCL_TRY(feed_tensor(s->p, "extra", b.extra, 0));
  float lr = 1e-4f;
  return lcl_feed(s->p, "lr", &lr, sizeof lr);
}

static void step_free(step_state *s) {
  lcl_program_destroy(s->p);
  lcl_graph_destroy(s->g);
  lcl_store_destroy(s->store);
  lcl_model_destroy(s->model);
  lcl_options_destroy(s->options);
}

lcl_status lcl_bench_step(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc, lcl_bench_row *row) {
  step_state s = { 0 };
  lcl_status st = step_build(ctx, w, &s, row);
  if (st == LCL_OK) st = lcl_bench_time(ctx, s.p, desc, row);
  step_free(&s);
  return st;
}
