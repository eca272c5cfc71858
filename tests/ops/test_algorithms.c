/* The choice among algorithms: by name, by the find step, and what a user is told about it. */
#include "bench/bench.h"
#include "bench/tune.h"
#include "data/tempdir.h"
#include "latentcl/algorithm.h"
#include "latentcl/model.h"
#include "latentcl/ops.h"
#include "models/build.h"
#include "ops/choose.h"
#include "ops/find.h"
#include "ops/trial.h"
#include "plant.h"
#include "test.h"

static char root[256];
static char said[8192]; /* warnings and what is below them, since `listen` */

static void hear(lcl_log_level level, const char *message, void *user) {
  (void)level;
  (void)user;
  const size_t n = strlen(said);
  snprintf(said + n, sizeof said - n, "%s\n", message);
}

/* Every test has a tuning folder of its own. */
static int setup(void **state) {
  (void)state;
  temp_make(root);
  setenv("LATENTCL_TUNING", root, 1);
  setenv("LATENTCL_FIND", "off", 1);
  said[0] = 0;
  lcl_log_set(hear, NULL);
  lcl_log_set_level(LCL_LOG_INFO);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  unsetenv("LATENTCL_ALGORITHM");
  unsetenv("LATENTCL_KERNELS");
  temp_remove(root);
  return 0;
}

static lcl_context *open_context(void) {
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  return ctx;
}

/* ---- one convolution and its gradients, or a GEMM, as a program ---- */

enum { IMAGES = 4, CHANNELS = 20, FILTERS = 24, SIDE = 12, TAPS = 5 };

typedef struct work {
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  float *result;
  size_t n;
  char *text; /* explain */
} work;

static float *numbers(size_t n) {
  float *x = malloc(n * sizeof *x);
  uint32_t seed = 5;
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (float)(seed >> 8) / (1 << 24) - 0.5f;
  }
  return x;
}

static void feed(work *w, const char *name, lcl_shape s) {
  const size_t n = (size_t)lcl_shape_count(s);
  float *x = numbers(n);
  ASSERT_OK(lcl_feed(w->p, name, x, n * sizeof *x));
  free(x);
}

static lcl_status build(lcl_context *ctx, lcl_shape a, lcl_shape b, lcl_shape bias, int pass,
                        work *w) {
  const lcl_conv_desc d = { .stride = { 1, 1 } };
  *w = (work) { 0 };
  ASSERT_OK(lcl_store_create(ctx, 1, &w->store));
  ASSERT_OK(lcl_graph_create(w->store, "work", &w->g));
  lcl_tensor *x = lcl_input(w->g, "a", LCL_F32, a), *y = lcl_input(w->g, "b", LCL_F32, b),
             *z = NULL;
  if (pass == 0) z = lcl_matmul(x, y, false, false);
  if (pass == LCL_CONV_FORWARD) z = lcl_conv2d(x, y, NULL, &d);
  if (pass == LCL_CONV_INPUT_GRAD)
    z = lcl_conv2d_input_grad(x, y, LCL_SHAPE(IMAGES, CHANNELS, SIDE, SIDE), &d);
  if (pass == LCL_CONV_FILTER_GRAD)
    z = lcl_conv2d_filter_grad(x, y, LCL_SHAPE(FILTERS, CHANNELS, TAPS, TAPS), &d);
  if (bias.rank) z = lcl_relu(lcl_add(z, lcl_input(w->g, "bias", LCL_F32, bias)));
  w->n = (size_t)lcl_shape_count(lcl_tensor_shape(z));
  return lcl_compile(w->g, &(lcl_compile_desc) { .fetch = &z, .n_fetch = 1 }, &w->p);
}

static void run(work *w, lcl_shape a, lcl_shape b, lcl_shape bias) {
  feed(w, "a", a);
  feed(w, "b", b);
  if (bias.rank) feed(w, "bias", bias);
  ASSERT_OK(lcl_run(w->p));
  w->result = malloc(w->n * sizeof(float));
  ASSERT_OK(lcl_fetch(w->p, "#0", w->result, w->n * sizeof(float)));
  ASSERT_OK(lcl_program_explain(w->p, LCL_EXPLAIN_TEXT, &w->text));
}

static void drop(work *w) {
  lcl_program_destroy(w->p);
  lcl_graph_destroy(w->g);
  lcl_store_destroy(w->store);
  free(w->result);
  free(w->text);
  *w = (work) { 0 };
}

/* Operands of a pass of the convolution. */
static void conv_shapes(int pass, lcl_shape s[2]) {
  const int64_t out = SIDE - TAPS + 1;
  const lcl_shape x = LCL_SHAPE(IMAGES, CHANNELS, SIDE, SIDE),
                  f = LCL_SHAPE(FILTERS, CHANNELS, TAPS, TAPS),
                  y = LCL_SHAPE(IMAGES, FILTERS, out, out);
  s[0] = pass == LCL_CONV_INPUT_GRAD ? y : x;
  s[1] = pass == LCL_CONV_FILTER_GRAD ? y : f;
}

static lcl_status build_conv(lcl_context *ctx, int pass, work *w) {
  lcl_shape s[2];
  conv_shapes(pass, s);
  return build(ctx, s[0], s[1], (lcl_shape) { 0 }, pass, w);
}

static void run_conv(work *w, int pass) {
  lcl_shape s[2];
  conv_shapes(pass, s);
  run(w, s[0], s[1], (lcl_shape) { 0 });
}

static void expect_near(const float *got, const float *want, size_t n, double bound,
                        const char *what) {
  for (size_t i = 0; i < n; i++)
    if (!(fabs((double)got[i] - want[i]) <= bound))
      fail_msg("%s: element %zu is %g, not %g", what, i, (double)got[i], (double)want[i]);
}

/* ---- names ---- */

static void wrong_names(void **state) {
  (void)state;
  static const struct {
    const char *text, *says;
  } wrong[] = {
    { "conv2d=foo", "winograd" },
    { "conv2d=winograd//auto", "no algorithm ''" },
    { "conv2d=", "implicit-gemm" },
    { "matmul=winograd", "packed, tiled, clblast, auto" },
    { "conv3d=auto", "conv2d_filter" },
    { "conv2d", "OP=ALGORITHM" },
    { "matmul=packed,=auto", "matmul" },
    { "conv2d=auto/auto/auto/auto/auto/auto/auto/auto/auto", "at most 8" },
  };
  for (size_t i = 0; i < LCL_COUNT(wrong); i++) {
    ASSERT_STATUS(lcl_algorithm_force(NULL, wrong[i].text), LCL_ERR_ARGUMENT);
    if (!strstr(lcl_error_message(), wrong[i].says))
      fail_msg("%s: '%s' lacks '%s'", wrong[i].text, lcl_error_message(), wrong[i].says);
  }
  ASSERT_STATUS(lcl_algorithm_force(NULL, NULL), LCL_ERR_ARGUMENT);
  ASSERT_OK(lcl_algorithm_force(NULL, ""));
  ASSERT_OK(lcl_algorithm_force(NULL, "conv2d=winograd/direct-nhwc/auto,matmul=clblast"));
  lcl_context *ctx = open_context();
  ASSERT_STATUS(lcl_algorithm_find(ctx, (lcl_find)3), LCL_ERR_ARGUMENT);
  ASSERT_STATUS(lcl_algorithm_find(NULL, LCL_FIND_OFF), LCL_ERR_ARGUMENT);
  lcl_context_destroy(ctx);
}

/* The environment's word is read when a program is compiled. */
static void wrong_environment(void **state) {
  (void)state;
  static const char *const names[] = { "LATENTCL_ALGORITHM", "LATENTCL_FIND" };
  for (int i = 0; i < 2; i++) {
    work w;
    setenv(names[i], "conv2d=quantum", 1);
    lcl_context *ctx = open_context();
    ASSERT_STATUS(build_conv(ctx, LCL_CONV_FORWARD, &w), LCL_ERR_ARGUMENT);
    assert_non_null(strstr(lcl_error_message(), names[i]));
    drop(&w);
    lcl_context_destroy(ctx);
    setenv(names[i], i ? "off" : "", 1);
  }
}

/* What cannot be had is refused with what can, and never ignored. */
static void refused(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  work w;
  ASSERT_OK(lcl_algorithm_force(ctx, "conv2d=winograd"));
  ASSERT_STATUS(build_conv(ctx, LCL_CONV_FORWARD, &w), LCL_ERR_UNSUPPORTED); /* 5x5 */
  assert_non_null(strstr(lcl_error_message(), "winograd cannot"));
  assert_non_null(strstr(lcl_error_message(), "implicit-gemm can"));
  assert_non_null(strstr(lcl_error_message(), "conv2d=winograd/auto"));
  drop(&w);
  ASSERT_OK(lcl_algorithm_force(ctx, "conv2d=winograd/auto"));
  ASSERT_OK(build_conv(ctx, LCL_CONV_FORWARD, &w));
  drop(&w);
  lcl_context_destroy(ctx);
}

/* The first choice's workspace is what the program holds beside the result. */
static void expect_workspace(const work *w, const char *algorithm) {
  const double want = (double)(lcl_program_get_stats(w->p).sum_memory - w->n * sizeof(float));
  double megabytes = NAN;
  const char *line = strstr(w->text, algorithm);
  assert_non_null(line);
  assert_int_equal(sscanf(line, "%*s forced %lf MB", &megabytes), 1);
  ASSERT_BETWEEN(megabytes * 1e6, want - 5100, want + 5100);
}

/* Every algorithm that can compute a pass is taken when asked for, and said. conv2d stands for its
 * gradients unless they are named themselves. (test_conv.c holds their results against the
 * reference.) */
static void forced_convolutions(void **state) {
  (void)state;
  static const char *const ops[] = { "conv2d", "conv2d_input_grad", "conv2d_filter_grad" };
  lcl_context *ctx = open_context();
  for (int i = 0; i < 3; i++) {
    int taken = 0;
    for (const lcl_implementation *const *im = lcl__conv_kind.list; *im; im++) {
      work w;
      char text[128];
      snprintf(text, sizeof text, i == 2 ? "conv2d=fft,%s=%s" : "conv2d=%s%s", i == 2 ? ops[i] : "",
               (*im)->name);
      ASSERT_OK(lcl_algorithm_force(ctx, text));
      const lcl_status st = build_conv(ctx, 1 << i, &w);
      if (st == LCL_ERR_UNSUPPORTED) {
        drop(&w);
        continue;
      }
      ASSERT_OK(st);
      ASSERT_OK(lcl_program_explain(w.p, LCL_EXPLAIN_TEXT, &w.text));
      snprintf(text, sizeof text, "%-15s forced", (*im)->name);
      if (!strstr(w.text, text)) fail_msg("%s is not in\n%s", text, w.text);
      expect_workspace(&w, text);
      taken++;
      drop(&w);
    }
    ASSERT_BETWEEN(taken, 2, 7);
  }
  lcl_context_destroy(ctx);
}

/* CLBlast computes products with epilogues, batches and transposed operands. */
static void forced_products(void **state) {
  (void)state;
  static const struct {
    lcl_shape a, b, bias;
  } cases[] = {
    { { 2, { 33, 47 } }, { 2, { 47, 20 } }, { 1, { 20 } } },
    { { 3, { 3, 17, 9 } }, { 3, { 3, 9, 12 } }, { 1, { 12 } } },
    { { 2, { 1, 30 } }, { 2, { 30, 1 } }, { 1, { 1 } } },
  };
  lcl_context *ctx = open_context();
  const bool library = lcl__context_caps(ctx)->clblast;
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    work usual, w;
    ASSERT_OK(lcl_algorithm_force(ctx, NULL));
    ASSERT_OK(build(ctx, cases[i].a, cases[i].b, cases[i].bias, 0, &usual));
    run(&usual, cases[i].a, cases[i].b, cases[i].bias);
    for (const lcl_implementation *const *im = lcl__gemm_kind.list; *im; im++) {
      char text[64];
      snprintf(text, sizeof text, "matmul=%s", (*im)->name);
      ASSERT_OK(lcl_algorithm_force(ctx, text));
      const lcl_status st = build(ctx, cases[i].a, cases[i].b, cases[i].bias, 0, &w);
      if (st == LCL_ERR_UNSUPPORTED && (strcmp((*im)->name, "clblast") != 0 || !library)) {
        drop(&w);
        continue;
      }
      ASSERT_OK(st);
      run(&w, cases[i].a, cases[i].b, cases[i].bias);
      expect_near(w.result, usual.result, w.n, 1e-5, text);
      if (strcmp((*im)->name, "clblast") == 0) assert_non_null(strstr(w.text, "CLBlast"));
      drop(&w);
    }
    drop(&usual);
  }
  lcl_context_destroy(ctx);
}

/* ---- models ---- */

/* What a model's first step leaves in the optimiser's moments, which hold the gradient, and its
 * loss at the end. */
typedef struct step {
  float *v;
  size_t n;
  char *text;
} step;

static void read_moments(lcl_store *store, step *s) {
  for (size_t i = 0; i < lcl_store_count(store); i++) {
    const lcl_var_info v = lcl_store_info(store, i);
    const size_t n = (size_t)lcl_shape_count(v.shape);
    if (v.trainable || v.dtype != LCL_F32) continue;
    s->v = realloc(s->v, (s->n + n + 1) * sizeof(float));
    ASSERT_OK(lcl_store_read(store, v.name, s->v + s->n, n * sizeof(float)));
    s->n += n;
  }
}

static void feed_step(lcl_program *p, const char *name, const lcl_tensor *t) {
  if (!t) return;
  const size_t n = (size_t)lcl_shape_count(lcl_tensor_shape(t));
  float *x = numbers(n);
  for (size_t i = 0; i < n; i++) {
    x[i] += 0.5f;
    if (lcl_tensor_dtype(t) == LCL_I32) ((int32_t *)x)[i] = (int32_t)(i % 10);
  }
  ASSERT_OK(lcl_feed(p, name, x, n * sizeof *x));
  free(x);
}

/* False: the model cannot do without its preparation, or the algorithms without another. */
static bool train_once(lcl_context *ctx, const lcl_model_class *cls, step *s) {
  const lcl_model_data data = {
    .name = "idx", .channels = 1, .height = 28, .width = 28, .classes = 10, .train = 1000
  };
  lcl_options *o;
  lcl_model *m = NULL;
  lcl_store *store;
  lcl_graph *g;
  lcl_build b;
  lcl_program *p = NULL;
  *s = (step) { 0 };
  ASSERT_OK(lcl_model_options(cls, &o));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "train", &g));
  m->side_width = 1;
  ASSERT_OK(lcl__build_init(&b, m, g, LCL_MODE_TRAIN, 4, m->settings.unlabelled_batch ? 4 : 0));
  lcl_minimise(b.loss, &b.optimiser);
  const lcl_status st = lcl_compile(
      g, &(lcl_compile_desc) { .fetch = &b.loss, .n_fetch = 1, .only_fetch = true }, &p);
  if (st == LCL_OK) {
    feed_step(p, "image", b.image);
    feed_step(p, "label", b.label);
    feed_step(p, "unlabelled", b.unlabelled);
    if (b.side) feed_step(p, "side", b.side);
    if (b.clean) feed_step(p, "clean", b.clean);
    ASSERT_OK(lcl_run(p));
    read_moments(store, s);
    s->v = realloc(s->v, (s->n + 1) * sizeof(float));
    ASSERT_OK(lcl_fetch(p, "#0", &s->v[s->n++], sizeof(float)));
    ASSERT_OK(lcl_program_explain(p, LCL_EXPLAIN_TEXT, &s->text));
  } else if (st != LCL_ERR_UNSUPPORTED) {
    fail_msg("%s: %s", cls->name, lcl_error_message());
  }
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_model_destroy(m);
  lcl_options_destroy(o);
  return st == LCL_OK;
}

static void step_free(step *s) {
  free(s->v);
  free(s->text);
}

static void expect_same_step(const char *what, const step *got, const step *want) {
  double apart = 0, size = 0;
  assert_int_equal(got->n, want->n);
  for (size_t i = 0; i < got->n; i++) {
    apart += ((double)got->v[i] - want->v[i]) * ((double)got->v[i] - want->v[i]);
    size += (double)want->v[i] * want->v[i];
  }
  if (!(apart <= 1e-8 * size))
    fail_msg("%s: %g away from the usual step", what, sqrt(apart / size));
}

/* A model's training step with every algorithm, where it can compute what the model asks for: a
 * model with convolutions and one without. LATENTCL_TEST_MODELS=all: every model, which takes
 * minutes. */
static bool is_tested(const char *model) {
  const char *all = getenv("LATENTCL_TEST_MODELS");
  return (all && strcmp(all, "all") == 0) || strcmp(model, "augconv") == 0 ||
         strcmp(model, "imsat") == 0;
}

static void models(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  int ran = 0;
  for (size_t k = 0; k < lcl_model_count(); k++) {
    const lcl_model_class *cls = lcl_model_at(k);
    if (!is_tested(cls->name)) continue;
    const lcl_kind *const kinds[] = { &lcl__conv_kind, &lcl__gemm_kind };
    static const char *const ops[] = { "conv2d", "matmul" };
    step usual, s;
    ASSERT_OK(lcl_algorithm_force(ctx, NULL));
    if (!train_once(ctx, cls, &usual)) fail_msg("%s: %s", cls->name, lcl_error_message());
    for (int i = 0; i < 2; i++)
      for (const lcl_implementation *const *im = kinds[i]->list; *im; im++) {
        char text[96];
        snprintf(text, sizeof text, "\n  %s ", ops[i]);
        if (!strstr(usual.text, text)) break; /* the model has no such op */
        snprintf(text, sizeof text, "%s=%s/auto", ops[i], (*im)->name);
        ASSERT_OK(lcl_algorithm_force(ctx, text));
        assert_true(train_once(ctx, cls, &s));
        char what[160];
        snprintf(what, sizeof what, "%s, %s", cls->name, text);
        expect_same_step(what, &s, &usual);
        ran += strstr(s.text, "forced") != NULL;
        step_free(&s);
      }
    step_free(&usual);
  }
  assert_true(ran >= 10);
  lcl_context_destroy(ctx);
}

/* ---- the find step ---- */

static void key_of(int pass, char key[160]) {
  lcl_shape s[2];
  lcl_conv_problem p = { .pass = (lcl_conv_pass)pass,
                         .s = { IMAGES, CHANNELS, SIDE, SIDE, FILTERS, TAPS, TAPS, SIDE - TAPS + 1,
                                SIDE - TAPS + 1 },
                         .a = { .stride = { 1, 1 }, .dilation = { 1, 1 }, .groups = 1 } };
  conv_shapes(pass, s);
  snprintf(key, 160, "%s", lcl__conv_as_problem(&p).key);
}

static lcl_record record_of(lcl_context *ctx, int pass) {
  lcl_record r = { 0 };
  char key[160];
  key_of(pass, key);
  lcl__tuning_find(ctx, key, &lcl__conv_kind, &r);
  return r;
}

/* Records of convolutions that differ in anything are different records. */
static void keys(void **state) {
  (void)state;
  const lcl_conv_problem base = {
    .pass = LCL_CONV_FORWARD,
    .s = { 1, 2, 3, 4, 5, 6, 7, 8, 9 },
    .a = { .stride = { 1, 1 }, .pad = { 1, 1, 1, 1 }, .dilation = { 1, 1 }, .groups = 1 }
  };
  lcl_conv_problem others[32];
  int n = 0;
  others[n++] = base;
  for (int pass = 2; pass <= 4; pass *= 2) others[n] = base, others[n++].pass = (lcl_conv_pass)pass;
  for (int i = 0; i < 7; i++) others[n] = base, ((int64_t *)&others[n++].s)[i] += 10;
  for (int i = 0; i < 2; i++) others[n] = base, others[n++].a.stride[i] = 2;
  for (int i = 0; i < 4; i++) others[n] = base, others[n++].a.pad[i] = 2;
  for (int i = 0; i < 2; i++) others[n] = base, others[n++].a.dilation[i] = 2;
  others[n] = base, others[n++].a.groups = 2;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < i; k++)
      assert_string_not_equal(lcl__conv_as_problem(&others[i]).key,
                              lcl__conv_as_problem(&others[k]).key);
}

/* CLBlast's kernels compile for long. */
static lcl_context *without_library(void) {
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .disable = "clblast" }, &ctx));
  return ctx;
}

/* At first use the algorithms are measured, the result is kept, and later contexts take it. */
static void found(void **state) {
  (void)state;
  work w;
  lcl_context *ctx = without_library();
  ASSERT_OK(build_conv(ctx, LCL_CONV_FORWARD, &w));
  assert_null(record_of(ctx, LCL_CONV_FORWARD).choice.implementation); /* off */
  run_conv(&w, LCL_CONV_FORWARD);
  work usual = w;
  ASSERT_OK(lcl_algorithm_find(ctx, LCL_FIND_FULL));
  ASSERT_OK(build_conv(ctx, LCL_CONV_FORWARD, &w));
  run_conv(&w, LCL_CONV_FORWARD);
  expect_near(w.result, usual.result, w.n, 2e-4, "found");
  assert_non_null(strstr(usual.text, " rule "));
  assert_non_null(strstr(w.text, " found "));
  assert_non_null(strstr(said, "measuring"));
  drop(&w);
  drop(&usual);
  const lcl_record r = record_of(ctx, LCL_CONV_FORWARD);
  assert_int_equal(r.source, LCL_RECORD_FIND);
  ASSERT_BETWEEN(r.seconds, 1e-7, 10);
  ASSERT_BETWEEN(r.other_seconds, 1e-7, 10);
  assert_true(*r.runner_up && strcmp(r.runner_up, r.choice.implementation->name) != 0);
  lcl_context_destroy(ctx);
  said[0] = 0;
  ctx = without_library();
  ASSERT_OK(lcl_algorithm_find(ctx, LCL_FIND_FULL));
  ASSERT_OK(build_conv(ctx, LCL_CONV_FORWARD, &w));
  run_conv(&w, LCL_CONV_FORWARD);
  assert_non_null(strstr(w.text, r.choice.implementation->name));
  assert_null(strstr(said, "measuring"));
  drop(&w);
  lcl_record tuned = r;
  char key[160];
  tuned.source = LCL_RECORD_TUNE;
  key_of(LCL_CONV_FORWARD, key);
  ASSERT_OK(lcl__tuning_save(ctx, key, &tuned));
  ASSERT_OK(build_conv(ctx, LCL_CONV_FORWARD, &w));
  run_conv(&w, LCL_CONV_FORWARD);
  assert_non_null(strstr(w.text, " tuned "));
  drop(&w);
  lcl_context_destroy(ctx);
}

/* Problems whose operands and result are in half precision are tried with those of single
 * precision. */
static void found_in_half_precision(void **state) {
  (void)state;
  work w = { 0 };
  lcl_context *ctx = open_context();
  const lcl_shape a = LCL_SHAPE(120, 300), b = LCL_SHAPE(300, 150), bias = LCL_SHAPE(150);
  ASSERT_OK(lcl_algorithm_find(ctx, LCL_FIND_FULL));
  ASSERT_OK(lcl_store_create(ctx, 1, &w.store));
  ASSERT_OK(lcl_graph_create(w.store, "work", &w.g));
  ASSERT_OK(lcl_graph_precision(w.g, LCL_F16));
  lcl_tensor *z = lcl_matmul(lcl_input(w.g, "a", LCL_F32, a), lcl_input(w.g, "b", LCL_F32, b),
                             false, false);
  z = lcl_relu(lcl_add(z, lcl_input(w.g, "bias", LCL_F32, bias)));
  z = lcl_sum(lcl_cast(z, LCL_F16), LCL_AXIS(0), false);
  w.n = 150;
  ASSERT_OK(lcl_compile(w.g, &(lcl_compile_desc) { .fetch = &z, .n_fetch = 1 }, &w.p));
  run(&w, a, b, bias);
  assert_non_null(strstr(w.text, "matmul + add + relu + cast"));
  assert_non_null(strstr(w.text, "found"));
  assert_non_null(strstr(said, "measuring"));
  assert_null(strstr(said, "is not used"));
  drop(&w);
  lcl_context_destroy(ctx);
}

/* A candidate that does not compile, and one whose result is wrong, cost only themselves. */
static void broken_candidates(void **state) {
  (void)state;
  static const fault faults[] = {
    { "conv_im2col.cl", "const int at = r * s.sw + j;", "const int at = r * s.sw + j + 1;" },
    { "conv_nhwc.cl", "#include \"args.h\"", "#error broken" },
  };
  plant(root, faults, LCL_COUNT(faults));
  setenv("LATENTCL_KERNELS", root, 1);
  work w;
  lcl_context *ctx = open_context();
  ASSERT_OK(lcl_algorithm_find(ctx, LCL_FIND_FULL));
  ASSERT_OK(build_conv(ctx, LCL_CONV_FILTER_GRAD, &w));
  drop(&w);
  const lcl_record r = record_of(ctx, LCL_CONV_FILTER_GRAD);
  assert_int_equal(r.source, LCL_RECORD_FIND);
  assert_string_not_equal(r.choice.implementation->name, "direct-nhwc");
  assert_string_not_equal(r.choice.implementation->name, "im2col-clblast");
  if (lcl__context_caps(ctx)->clblast)
    assert_non_null(strstr(said, "im2col-clblast is not used: its result differs"));
  if (lcl__context_caps(ctx)->packed) assert_non_null(strstr(said, "direct-nhwc is not used"));
  lcl_context_destroy(ctx);
}

/* The heaviest problem of a program first, whatever the order of the program. */
static void let_wait(void *user, lcl_lower *lw, const lcl_problem *p) {
  lcl_finder *f = user;
  if (f->waiting.n < 2) assert_true(lcl__find_wait(f, lw, p, NULL));
}

static void heaviest_first(void **state) {
  (void)state;
  lcl_context *ctx = without_library();
  lcl_finder f = lcl__finder(LCL_FIND_QUICK);
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "two", &g));
  lcl_tensor *small = lcl_input(g, "a", LCL_F32, LCL_SHAPE(2, 16, 12, 12)),
             *large = lcl_input(g, "b", LCL_F32, LCL_SHAPE(6, 16, 12, 12)),
             *filters = lcl_input(g, "f", LCL_F32, LCL_SHAPE(32, 16, 3, 3));
  lcl_tensor *fetch[2] = { lcl_conv2d(small, filters, NULL, NULL),
                           lcl_conv2d(large, filters, NULL, NULL) };
  ASSERT_OK(lcl__choose_watch(ctx, let_wait, &f));
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 2 }, &program));
  ASSERT_OK(lcl__choose_watch(ctx, NULL, NULL));
  assert_int_equal(f.waiting.n, 2);
  const lcl_unmeasured waiting[2] = { f.waiting.data[0], f.waiting.data[1] };
  assert_true(waiting[0].flops < waiting[1].flops);
  f.left = 1e-9; /* enough for one */
  lcl__find_all(&f, ctx);
  assert_int_equal(f.waiting.n, 0);
  for (int i = 0; i < 2; i++) {
    lcl_record r;
    assert_true(lcl__tuning_find(ctx, waiting[i].p.key, &lcl__conv_kind, &r));
    assert_int_equal(r.source, i == 1 ? LCL_RECORD_FIND : LCL_RECORD_DEFAULT);
  }
  lcl__free(f.waiting.data);
  lcl_program_destroy(program);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_context_destroy(ctx);
}

/* When the time is over, what is taken is kept as well: a later process computes the same bits. A
 * measured record of another process is not replaced by the find step, but by the tuner. */
static void no_time(void *user, lcl_lower *lw, const lcl_problem *p) {
  lcl_finder f = lcl__finder(LCL_FIND_QUICK);
  f.left = 0;
  (void)user;
  assert_true(lcl__find_wait(&f, lw, p, NULL));
  lcl__find_all(&f, lcl__lower_context(lw));
  lcl__free(f.waiting.data);
}

static void kept(void **state) {
  (void)state;
  work w;
  lcl_context *ctx = open_context();
  ASSERT_OK(lcl__choose_watch(ctx, no_time, NULL));
  ASSERT_OK(build_conv(ctx, LCL_CONV_FORWARD, &w));
  drop(&w);
  ASSERT_OK(lcl__choose_watch(ctx, NULL, NULL));
  lcl_record r = record_of(ctx, LCL_CONV_FORWARD);
  assert_non_null(r.choice.implementation);
  assert_int_equal(r.source, LCL_RECORD_DEFAULT);
  const struct {
    lcl_record_source source;
    double seconds, then;
  } saves[] = { { LCL_RECORD_FIND, 1, 1 }, { LCL_RECORD_FIND, 2, 1 }, { LCL_RECORD_DEFAULT, 3, 1 },
                { LCL_RECORD_TUNE, 4, 4 }, { LCL_RECORD_FIND, 5, 4 }, { LCL_RECORD_TUNE, 6, 6 } };
  r.choice.params = (lcl_kernel_params) { 0 };
  for (size_t i = 0; i < LCL_COUNT(saves); i++) {
    lcl_record got, s = r;
    s.source = saves[i].source;
    s.seconds = saves[i].seconds;
    ASSERT_OK(lcl__tuning_save(ctx, "conv2d kept", &s));
    assert_true(lcl__tuning_find(ctx, "conv2d kept", &lcl__conv_kind, &got));
    assert_true(got.seconds == saves[i].then);
    assert_int_equal(lcl__tuning_tuned(ctx, "conv2d kept"), i >= 3);
  }
  lcl_context_destroy(ctx);
}

/* What the find step measured says which algorithm; its parameters are those of today's rule. Those
 * that tuning measured stay. */
static void parameters_of_records(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  const lcl_caps *caps = lcl__context_caps(ctx);
  const lcl_gemm g = { .m = 64,
                       .n = 256,
                       .k = 64,
                       .batch = 1,
                       .a_rs = 64,
                       .a_len = 64,
                       .a_tb = 1,
                       .a_s1 = 1,
                       .rsb = 256,
                       .csb = 1,
                       .ldc = 256 };
  const lcl_choice usual = lcl__kind_start(
      &lcl__gemm_kind, lcl__kind_find(&lcl__gemm_kind, caps->packed ? "packed" : "tiled"), caps,
      &g);
  lcl_record old = { .choice = usual, .seconds = 1 }, got;
  if (caps->packed)
    old.choice.params.panels_n++;
  else
    old.choice.params.split_k++;
  assert_false(lcl__choice_equal(&old.choice, &usual));
  static const lcl_record_source sources[] = { LCL_RECORD_DEFAULT, LCL_RECORD_FIND,
                                               LCL_RECORD_TUNE };
  for (size_t i = 0; i < LCL_COUNT(sources); i++) {
    old.source = sources[i];
    ASSERT_OK(lcl__tuning_save(ctx, "gemm old", &old));
    assert_true(lcl__choice_recorded(ctx, &lcl__gemm_kind, "gemm old", &g, &got));
    assert_int_equal(got.source, sources[i]);
    assert_true(lcl__choice_equal(&got.choice, i < 2 ? &usual : &old.choice));
  }
  lcl_context_destroy(ctx);
}

/* What an earlier start had no time for is measured by a full search, and by no quick one; what was
 * measured is not measured again, by neither. */
static void several_starts(void **state) {
  (void)state;
  static const lcl_find modes[] = { LCL_FIND_QUICK, LCL_FIND_FULL, LCL_FIND_FULL, LCL_FIND_QUICK };
  static const bool measures[] = { false, true, false, false };
  work w;
  lcl_context *ctx = without_library();
  ASSERT_OK(lcl__choose_watch(ctx, no_time, NULL));
  ASSERT_OK(build_conv(ctx, LCL_CONV_FORWARD, &w));
  drop(&w);
  lcl_context_destroy(ctx);
  for (size_t i = 0; i < LCL_COUNT(modes); i++) {
    said[0] = 0;
    ctx = without_library();
    ASSERT_OK(lcl_algorithm_find(ctx, modes[i]));
    ASSERT_OK(build_conv(ctx, LCL_CONV_FORWARD, &w));
    drop(&w);
    assert_true(!!strstr(said, "measuring their") == measures[i]);
    assert_int_equal(record_of(ctx, LCL_CONV_FORWARD).source,
                     i > 0 ? LCL_RECORD_FIND : LCL_RECORD_DEFAULT);
    lcl_context_destroy(ctx);
  }
}

/* Where nothing can be kept, nothing is measured at each start anew, and that is said. */
static void nowhere_to_keep(void **state) {
  (void)state;
  char file[300];
  work w;
  snprintf(file, sizeof file, "%s/file", root);
  fclose(fopen(file, "w"));
  setenv("LATENTCL_TUNING", file, 1);
  lcl_context *ctx = without_library();
  ASSERT_OK(lcl_algorithm_find(ctx, LCL_FIND_FULL));
  for (int i = 0; i < 2; i++) {
    ASSERT_OK(build_conv(ctx, LCL_CONV_FORWARD, &w));
    drop(&w);
    assert_true(!!strstr(said, "new sizes are not measured (LATENTCL_TUNING") == (i == 0));
    assert_null(strstr(said, "measuring their"));
    said[0] = 0;
  }
  lcl_context_destroy(ctx);
}

/* The problems of a model's step, each once: products before convolutions, which are compared with
 * tuned ones, and of each kind the most work first. */
static void collected(void **state) {
  (void)state;
  lcl_context *ctx;
  lcl_trial_problem *p;
  size_t n, convs = 0;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  ASSERT_OK(lcl__tune_collect(ctx, "augconv", &p, &n));
  for (size_t i = 0; i < n; i++) {
    const bool conv = p[i].kind == &lcl__conv_kind;
    assert_true(conv || convs == 0);
    convs += conv;
    if (i > 0 && p[i].kind == p[i - 1].kind) assert_true(p[i].flops <= p[i - 1].flops);
    for (size_t k = 0; k < i; k++) assert_string_not_equal(p[i].key, p[k].key);
  }
  assert_true(convs > 2 && n - convs > 2 && p[0].flops > p[n - convs - 1].flops);
  lcl__free(p);
  lcl_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(wrong_names, setup, teardown),
    cmocka_unit_test_setup_teardown(wrong_environment, setup, teardown),
    cmocka_unit_test_setup_teardown(refused, setup, teardown),
    cmocka_unit_test_setup_teardown(forced_convolutions, setup, teardown),
    cmocka_unit_test_setup_teardown(forced_products, setup, teardown),
    cmocka_unit_test_setup_teardown(models, setup, teardown),
    cmocka_unit_test(keys),
    cmocka_unit_test_setup_teardown(found_in_half_precision, setup, teardown),
    cmocka_unit_test_setup_teardown(found, setup, teardown),
    cmocka_unit_test_setup_teardown(broken_candidates, setup, teardown),
    cmocka_unit_test_setup_teardown(heaviest_first, setup, teardown),
    cmocka_unit_test_setup_teardown(kept, setup, teardown),
    cmocka_unit_test_setup_teardown(several_starts, setup, teardown),
    cmocka_unit_test_setup_teardown(parameters_of_records, setup, teardown),
    cmocka_unit_test_setup_teardown(nowhere_to_keep, setup, teardown),
    cmocka_unit_test_setup_teardown(collected, setup, teardown),
  };
  return cmocka_run_group_tests_name("algorithms", tests, NULL, NULL);
}
