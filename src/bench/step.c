/* Training steps of models on device-resident data: forward, every loss term, backward, optimiser.
 */
#include <math.h>

#include "bench/bench.h"
#include "latentcl/model.h"
#include "models/build.h"

/* Sums in another order, and the few ReLUs and maxima that rounding turns, move a gradient by less
 * than this. */
static const double TOLERANCE = 1e-4;

/* Any 0..1 numbers do: the time of a step does not depend on them. */
static lcl_status feed_tensor(lcl_program *p, const char *name, const lcl_tensor *t, int classes) {
  if (!t) return LCL_OK;
  int64_t n = lcl_shape_count(lcl_tensor_shape(t));
  float *f = lcl__alloc((size_t)LCL_MAX(n, 1) * 4);
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
  lcl__free(f);
  return st;
}

typedef struct step_state {
  lcl_options *options;
  lcl_model *model;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  float *side;
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
  lcl_model_examples some = {
    .n = 512, .size = w->channels * w->height * w->width
  }; /* for per-example numbers */
  float *images = lcl__alloc((size_t)(some.n * some.size) * sizeof *images);
  if (!images) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < some.n * some.size; i++) images[i] = (float)(i * 7919 % 1009) / 1009;
  some.images = images;
  lcl_status st = cls->prepare(s->model, ctx, &some);
  lcl__free(images);
  return st;
}

/* plain: each op a launch of its own, in memory that holds NaN until it is written. */
static lcl_status step_build(lcl_context *ctx, const lcl_workload *w, bool plain, step_state *s,
                             lcl_bench_row *row) {
  lcl_build b;
  LCL_TRY(open_model(ctx, w, s));
  LCL_TRY(lcl_graph_create(s->store, "train", &s->g));
  const lcl_settings *own = &s->model->settings;
  LCL_TRY(lcl__build_init(&b, s->model, s->g, LCL_MODE_TRAIN, w->batch ? w->batch : own->batch,
                          w->batch ? w->unlabelled_batch : own->unlabelled_batch));
  lcl_optimiser_desc optimiser = b.optimiser;
  optimiser.lr = lcl_input(s->g, "lr", LCL_F32, LCL_SCALAR);
  lcl_minimise(b.loss, &optimiser);
  lcl_compile_desc how = {
    .fetch = &b.loss, .n_fetch = 1, .only_fetch = true, .no_fusion = plain, .guard_bands = plain
  };
  LCL_TRY(lcl__bench_compile(s->g, &how, &s->p, row));
  LCL_TRY(feed_tensor(s->p, "image", b.image, 0));
  LCL_TRY(feed_tensor(s->p, "label", b.label, 10));
  LCL_TRY(feed_tensor(s->p, "unlabelled", b.unlabelled, 0));
  if (b.side) LCL_TRY(feed_tensor(s->p, "side", b.side, 0));
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

lcl_status lcl__bench_step(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                           lcl_bench_row *row) {
  step_state s = { 0 };
  lcl_status st = step_build(ctx, w, false, &s, row);
  if (st == LCL_OK) st = lcl__bench_time(ctx, s.p, desc, row);
  step_free(&s);
  return st;
}

/* ---- a step held against its plain form ---- */

typedef struct difference {
  double apart, size; /* sums of squares of a - b and of b */
  double n;
} difference;

static difference differ(const float *a, const float *b, size_t n) {
  difference d = { .n = (double)n };
  for (size_t i = 0; i < n; i++) {
    d.apart += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    d.size += (double)b[i] * b[i];
  }
  return d;
}

/* Compared is what a first step leaves, but not the parameters: where a gradient is near 0, Adam's
 * first step goes one way or the other by rounding. The gradient itself stands in the optimiser's
 * moments. */
static lcl_status differ_var(const step_state *a, const step_state *b, size_t index,
                             difference *d) {
  const lcl_var_info v = lcl_store_info(a->store, index);
  const size_t n = (size_t)lcl_shape_count(v.shape);
  *d = (difference) { 0 };
  if (v.trainable || v.dtype != LCL_F32 || !n) return LCL_OK;
  float *x = lcl__alloc(2 * n * sizeof *x);
  if (!x) return LCL_ERR_HOST_MEMORY;
  lcl_status st = lcl_store_read(a->store, v.name, x, n * sizeof *x);
  if (st == LCL_OK) st = lcl_store_read(b->store, v.name, x + n, n * sizeof *x);
  if (st == LCL_OK) *d = differ(x, x + n, n);
  lcl__free(x);
  return st;
}

/* Variables of one kind end alike: "fc1.weight.m", "fc1.bias.m". */
static bool same_kind(const char *a, const char *b) {
  a = strrchr(a, '.');
  b = strrchr(b, '.');
  return a && b && strcmp(a, b) == 0;
}

/* How far a variable's root mean square error is from 0, beside its root mean square, or a tenth of
 * that of all variables of its kind if that is more: the gradient of a bias before a batch norm is
 * nothing but rounding. */
static lcl_status furthest_var(const step_state *a, const step_state *b, double *most) {
  const size_t count = lcl_store_count(a->store);
  difference *d = lcl__alloc(LCL_MAX(count, 1) * sizeof *d);
  lcl_status st = d ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; st == LCL_OK && i < count; i++) st = differ_var(a, b, i, &d[i]);
  for (size_t i = 0; st == LCL_OK && i < count; i++) {
    const char *name = lcl_store_info(a->store, i).name;
    double size = 0, n = 0;
    for (size_t k = 0; k < count; k++)
      if (same_kind(name, lcl_store_info(a->store, k).name)) {
        size += d[k].size;
        n += d[k].n;
      }
    const double scale = n > 0 ? LCL_MAX(d[i].size, 0.01 * size * d[i].n / n) : d[i].size;
    const double e = d[i].apart == 0 ? 0 : sqrt(d[i].apart / scale);
    if (!(e <= TOLERANCE))
      lcl__logf(LCL_LOG_WARN, "%s: %g away from the step without fusion", name, e);
    *most = isfinite(e) ? LCL_MAX(*most, e) : INFINITY;
  }
  lcl__free(d);
  return st;
}

lcl_status lcl__bench_step_verify(lcl_context *ctx, const lcl_workload *w, double *error) {
  step_state s[2] = { 0 };
  lcl_bench_row ignored;
  float loss[2] = { 0 };
  lcl_status st = LCL_OK;
  for (int i = 0; i < 2 && st == LCL_OK; i++) {
    st = step_build(ctx, w, i == 1, &s[i], &ignored);
    if (st == LCL_OK) st = lcl_run(s[i].p);
  }
  for (int i = 0; i < 2 && st == LCL_OK; i++)
    st = lcl_fetch(s[i].p, "#0", &loss[i], sizeof loss[i]);
  *error = loss[0] == loss[1] ? 0 : fabs((double)loss[0] / loss[1] - 1);
  if (!isfinite(*error)) *error = INFINITY;
  if (st == LCL_OK) st = furthest_var(&s[0], &s[1], error);
  *error /= TOLERANCE;
  step_free(&s[0]);
  step_free(&s[1]);
  return st;
}
