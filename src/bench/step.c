/* Training steps of models on device-resident data: forward, every loss term, backward, optimiser.
 */
#include <math.h>

#include "bench/bench.h"
#include "latentcl/model.h"
#include "models/build.h"
#include "reference/update.h"

/* Sums in another order, and the few ReLUs and maxima that rounding turns, move a gradient by less
 * than this. */
static const double TOLERANCE = 1e-4;
/* Of the step that is verified: large beside the rounding of a parameter near 1. */
static const float RATE = 1e-2f;

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
  lcl_optimiser_desc optimiser;
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

/* The gradients of all parameters, in the store's order; how many. out: room for each variable
 * twice. */
static int add_gradients(const step_state *s, lcl_tensor *loss, lcl_tensor **out) {
  lcl_tensor **wrt = out + lcl_store_count(s->store);
  int n = 0;
  for (size_t i = 0; i < lcl_store_count(s->store); i++) {
    const lcl_var_info v = lcl_store_info(s->store, i);
    if (v.trainable) wrt[n++] = lcl_param(s->g, v.name, v.shape, (lcl_init) { 0 });
  }
  lcl_gradients(loss, wrt, n, out);
  return n;
}

static lcl_status feed_rate(const step_state *s, float rate) {
  return lcl_feed(s->p, "lr", &rate, sizeof rate);
}

/* plain: each op a launch of its own, in memory that holds NaN until it is written; the gradients
 * are fetched after the loss. */
static lcl_status step_build(lcl_context *ctx, const lcl_workload *w, bool plain, step_state *s,
                             lcl_bench_row *row) {
  lcl_build b;
  LCL_TRY(open_model(ctx, w, s));
  LCL_TRY(lcl_graph_create(s->store, "train", &s->g));
  const lcl_settings *own = &s->model->settings;
  LCL_TRY(lcl_graph_precision(s->g, own->precision));
  LCL_TRY(lcl__build_init(&b, s->model, s->g, LCL_MODE_TRAIN, w->batch ? w->batch : own->batch,
                          w->batch ? w->unlabelled_batch : own->unlabelled_batch));
  s->optimiser = b.optimiser;
  s->optimiser.lr = lcl_input(s->g, "lr", LCL_F32, LCL_SCALAR);
  lcl_tensor **fetch = lcl__alloc((1 + 2 * lcl_store_count(s->store)) * sizeof *fetch);
  if (!fetch) return LCL_ERR_HOST_MEMORY;
  fetch[0] = b.loss;
  const int gradients = plain ? add_gradients(s, b.loss, fetch + 1) : 0;
  lcl_minimise(b.loss, &s->optimiser);
  lcl_compile_desc how = { .fetch = fetch,
                           .n_fetch = 1 + gradients,
                           .only_fetch = true,
                           .no_fusion = plain,
                           .guard_bands = plain };
  const lcl_status st = lcl__bench_compile(s->g, &how, &s->p, row);
  lcl__free(fetch);
  LCL_TRY(st);
  LCL_TRY(feed_tensor(s->p, "image", b.image, 0));
  LCL_TRY(feed_tensor(s->p, "label", b.label, 10));
  LCL_TRY(feed_tensor(s->p, "unlabelled", b.unlabelled, 0));
  if (b.clean) LCL_TRY(feed_tensor(s->p, "clean", b.clean, 0));
  if (b.side) LCL_TRY(feed_tensor(s->p, "side", b.side, 0));
  return feed_rate(s, 1e-4f);
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

/* What a first step leaves beside the parameters: running statistics, the optimiser's slots. */
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

/* All parameters one behind another, in the store's order. */
typedef struct parameters {
  int64_t n;
  double *start, *gradient, *expected, *slot[2];
} parameters;

static lcl_status parameters_create(const step_state *s, parameters *p) {
  for (size_t i = 0; i < lcl_store_count(s->store); i++) {
    const lcl_var_info v = lcl_store_info(s->store, i);
    if (v.trainable) p->n += lcl_shape_count(v.shape);
  }
  double *all = lcl__alloc((5 * (size_t)p->n + 1) * sizeof *all);
  if (!all) return LCL_ERR_HOST_MEMORY;
  p->start = all;
  p->gradient = all + p->n;
  p->expected = all + 2 * p->n;
  p->slot[0] = all + 3 * p->n;
  p->slot[1] = all + 4 * p->n;
  return LCL_OK;
}

/* The parameters of s, or their gradients in its run. */
static lcl_status read_all(const step_state *s, bool gradients, double *out) {
  int k = 0;
  for (size_t i = 0; i < lcl_store_count(s->store); i++) {
    const lcl_var_info v = lcl_store_info(s->store, i);
    const size_t n = (size_t)lcl_shape_count(v.shape);
    char name[16];
    if (!v.trainable) continue;
    snprintf(name, sizeof name, "#%d", ++k);
    float *x = lcl__alloc((n + 1) * sizeof *x);
    if (!x) return LCL_ERR_HOST_MEMORY;
    const lcl_status st = gradients ? lcl_fetch(s->p, name, x, n * sizeof *x)
                                    : lcl_store_read(s->store, v.name, x, n * sizeof *x);
    for (size_t e = 0; st == LCL_OK && e < n; e++) *out++ = x[e];
    lcl__free(x);
    LCL_TRY(st);
  }
  return LCL_OK;
}

/* Where the parameters of a are, and where the rule in double precision leads with the gradient of
 * b. Compared is gradient * move: where a gradient is near 0, Adam's first step goes one way or the
 * other by rounding. Ten times the tolerance is allowed: the power in Adam's correction loses up to
 * 1e-3 of a step. d: of every variable of the store. */
static lcl_status differ_parameters(const step_state *a, const step_state *b, parameters *p,
                                    difference *d) {
  LCL_TRY(read_all(b, true, p->gradient));
  memcpy(p->expected, p->start, (size_t)p->n * sizeof *p->expected);
  lcl__ref_update(&(lcl_ref_update) { .desc = &a->optimiser,
                                      .rate = RATE,
                                      .step = 1,
                                      .n = p->n,
                                      .gradient = p->gradient,
                                      .p = p->expected,
                                      .slot = { p->slot[0], p->slot[1] } });
  double *got = p->slot[0]; /* not needed any more */
  LCL_TRY(read_all(a, false, got));
  int64_t at = 0;
  for (size_t i = 0; i < lcl_store_count(a->store); i++) {
    const lcl_var_info v = lcl_store_info(a->store, i);
    if (!v.trainable) continue;
    d[i].n = (double)lcl_shape_count(v.shape);
    for (const int64_t end = at + lcl_shape_count(v.shape); at < end; at++) {
      const double apart = p->gradient[at] * (got[at] - p->expected[at]),
                   size = p->gradient[at] * (p->expected[at] - p->start[at]);
      d[i].apart += 0.01 * apart * apart;
      d[i].size += size * size;
    }
  }
  return LCL_OK;
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
static lcl_status furthest_var(const step_state *a, const step_state *b, parameters *p,
                               double *most) {
  const size_t count = lcl_store_count(a->store);
  difference *d = lcl__alloc(LCL_MAX(count, 1) * sizeof *d);
  lcl_status st = d ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; st == LCL_OK && i < count; i++) st = differ_var(a, b, i, &d[i]);
  if (st == LCL_OK) st = differ_parameters(a, b, p, d);
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
  parameters p = { 0 };
  lcl_status st = LCL_OK;
  for (int i = 0; i < 2 && st == LCL_OK; i++) {
    st = step_build(ctx, w, i == 1, &s[i], &ignored);
    if (st == LCL_OK && i == 0) st = parameters_create(&s[0], &p);
    if (st == LCL_OK && i == 0) st = read_all(&s[0], false, p.start);
    if (st == LCL_OK) st = feed_rate(&s[i], RATE);
    if (st == LCL_OK) st = lcl_run(s[i].p);
  }
  for (int i = 0; i < 2 && st == LCL_OK; i++)
    st = lcl_fetch(s[i].p, "#0", &loss[i], sizeof loss[i]);
  *error = loss[0] == loss[1] ? 0 : fabs((double)loss[0] / loss[1] - 1);
  if (!isfinite(*error)) *error = INFINITY;
  if (st == LCL_OK) st = furthest_var(&s[0], &s[1], &p, error);
  *error /= TOLERANCE;
  lcl__free(p.start);
  step_free(&s[0]);
  step_free(&s[1]);
  return st;
}
