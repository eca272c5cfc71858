/* The semantic-noise objectives and their gradients against PyTorch:
 * tests/golden/semantic_noise/make.py says how the values were made. */
#include "test.h"

#include <cjson/cJSON.h>
#include <math.h>

#include "latentcl/train.h"
#include "models/build.h"

#ifndef GOLDEN
#error "GOLDEN names the folder of values"
#endif

enum { BATCH = 4 };

/* The generator of make.py: numbers in [0,1) from the hash of a name. */
static void lcg(const char *name, float *out, size_t n, double scale, double shift) {
  uint32_t x = 2166136261u;
  for (const char *p = name; *p; p++) x = (x ^ (unsigned char)*p) * 16777619u;
  for (size_t i = 0; i < n; i++) {
    x = 1664525u * x + 1013904223u;
    out[i] = (float)(scale * ((double)(x >> 8) / (1 << 24)) + shift);
  }
}

static void set_weights(lcl_store *store) {
  for (size_t i = 0; i < lcl_store_count(store); i++) {
    lcl_var_info v = lcl_store_info(store, i);
    if (!v.trainable) continue;
    size_t n = (size_t)lcl_shape_count(v.shape);
    double a = 0.1;
    if (v.shape.rank > 1) a = sqrt(1.5 / (double)((int64_t)n / v.shape.dim[0]));
    float *w = malloc(n * sizeof *w);
    lcg(v.name, w, n, 2 * a, -a);
    ASSERT_OK(lcl_store_write(store, v.name, w, n * sizeof *w));
    free(w);
  }
}

static lcl_model *make_model(const cJSON *c) {
  const lcl_model_class *cls;
  lcl_options *o;
  lcl_model *m;
  char pair[64];
  const char *arch = cJSON_GetObjectItem(c, "arch")->valuestring;
  bool cifar = strcmp(arch, "cifar") == 0;
  lcl_model_data data = { .name = "test",
                          .channels = cifar ? 3 : 1,
                          .height = cifar ? 24 : 28,
                          .width = cifar ? 24 : 28,
                          .classes = 10,
                          .train = BATCH };
  ASSERT_OK(lcl_model_find("semantic-noise", &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  ASSERT_OK(lcl_options_set(o, "arch", arch));
  ASSERT_OK(lcl_options_set(o, "variant", cJSON_GetObjectItem(c, "variant")->valuestring));
  snprintf(pair, sizeof pair, "denoise_std=%g", cJSON_GetObjectItem(c, "denoise")->valuedouble);
  ASSERT_OK(lcl_options_set_pair(o, pair));
  ASSERT_OK(lcl_options_set(o, "dec_act_z", cJSON_GetObjectItem(c, "dec_act_z")->valuestring));
  ASSERT_OK(lcl_options_set(o, "perturb_range_grad",
                            cJSON_IsTrue(cJSON_GetObjectItem(c, "range_grad")) ? "true" : "false"));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  lcl_options_destroy(o);
  return m;
}

/* The first noise of a graph named "train": what PyTorch was given as data. */
static void check_noise(lcl_context *ctx, const char *name, const lcl_model *m, const cJSON *c) {
  bool denoise = cJSON_GetObjectItem(c, "denoise")->valuedouble > 0;
  const char *variant = cJSON_GetObjectItem(c, "variant")->valuestring;
  int64_t width = strcmp(variant, "perturb-semantic") == 0 ? 10 : 128;
  if (denoise)
    width = m->data.channels * m->data.height * m->data.width;
  else if (strncmp(variant, "perturb", 7) != 0)
    return;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  size_t bytes = (size_t)(BATCH * width) * sizeof(float), n;
  float *now = malloc(bytes);
  ASSERT_OK(lcl_store_create(ctx, 7, &store));
  ASSERT_OK(lcl_graph_create(store, "train", &g));
  lcl_tensor *eps = lcl_random_normal(g, LCL_SHAPE(BATCH, width));
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = &eps, .n_fetch = 1 }, &p));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", now, bytes));
  char path[512];
  const char *write = getenv("LATENTCL_GOLDEN_WRITE");
  snprintf(path, sizeof path, "%s/eps_%s.f32", write ? write : GOLDEN "/semantic_noise", name);
  if (write) ASSERT_OK(lcl__file_write_atomic(path, now, bytes));
  void *stored;
  ASSERT_OK(lcl__file_read(path, 1 << 20, &stored, &n));
  assert_int_equal(n, bytes);
  /* Drivers differ in the last bits of sin, cos and log. */
  for (size_t i = 0; i < bytes / sizeof(float); i++)
    if (!(fabsf(((float *)stored)[i] - now[i]) <= 1e-5f))
      fail_msg("%s: noise %zu is %g, was %g", name, i, now[i], ((float *)stored)[i]);
  lcl__free(stored);
  free(now);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

static void check_value(const char *name, const char *what, double got, double want, double scale) {
  /* Sums of up to 2e5 products in single precision: relative error about sqrt(n)*eps of the terms'
   * scale. */
  if (!(fabs(got - want) <= 1e-4 * scale))
    fail_msg("%s: %s is %.9g, PyTorch says %.9g", name, what, got, want);
}

static void check_gradient(const char *name, lcl_program *p, int index, const char *var, int64_t n,
                           const cJSON *want) {
  float *g = malloc((size_t)n * sizeof *g), *d = malloc((size_t)n * sizeof *d);
  char label[16];
  double norm = 0, along = 0;
  snprintf(label, sizeof label, "#%d", index);
  ASSERT_OK(lcl_fetch(p, label, g, (size_t)n * sizeof *g));
  lcg("direction", d, (size_t)n, 1, -0.5);
  for (int64_t i = 0; i < n; i++) {
    norm += (double)g[i] * g[i];
    along += (double)g[i] * d[i];
  }
  norm = sqrt(norm);
  double want_norm = cJSON_GetArrayItem(want, 0)->valuedouble;
  check_value(name, var, norm, want_norm, want_norm + 1e-6);
  check_value(name, var, along, cJSON_GetArrayItem(want, 1)->valuedouble, want_norm + 1e-6);
  free(g);
  free(d);
}

/* Fetches: the terms, the loss, then the gradient of every trainable variable that make.py lists.
 */
static void run_case(lcl_context *ctx, const cJSON *c) {
  const char *name = c->string;
  lcl_model *m = make_model(c);
  lcl_store *store;
  lcl_graph *g;
  lcl_build b;
  lcl_program *p;
  check_noise(ctx, name, m, c);
  if (getenv("LATENTCL_GOLDEN_WRITE")) {
    lcl_model_destroy(m);
    return;
  }
  ASSERT_OK(lcl_store_create(ctx, 7, &store));
  ASSERT_OK(lcl_graph_create(store, "train", &g));
  ASSERT_OK(lcl__build_init(&b, m, g, LCL_MODE_TRAIN, BATCH, 0));
  lcl_tensor *fetch[64], *params[40], *grads[40];
  const cJSON *want_grads = cJSON_GetObjectItem(c, "gradients"), *w;
  int n = 0, n_params = 0;
  for (int i = 0; i < b.n_terms; i++) fetch[n++] = b.terms[i].t;
  fetch[n++] = b.loss;
  cJSON_ArrayForEach(w, want_grads) {
    for (size_t i = 0; i < lcl_store_count(store); i++) {
      lcl_var_info v = lcl_store_info(store, i);
      if (strcmp(v.name, w->string) == 0)
        params[n_params++] = lcl_param(g, v.name, v.shape, (lcl_init) { 0 });
    }
  }
  assert_int_equal(n_params, cJSON_GetArraySize(want_grads));
  lcl_gradients(b.loss, params, n_params, grads);
  for (int i = 0; i < n_params; i++) fetch[n + i] = grads[i];
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = n + n_params }, &p));
  set_weights(store);
  size_t pixels = (size_t)(BATCH * m->data.channels * m->data.height * m->data.width);
  float *x = malloc(pixels * sizeof *x);
  int32_t labels[BATCH];
  lcg("image", x, pixels, 1, -0.3);
  for (int i = 0; i < BATCH; i++) labels[i] = (3 * i + 1) % 10;
  ASSERT_OK(lcl_feed(p, "image", x, pixels * sizeof *x));
  ASSERT_OK(lcl_feed(p, "label", labels, sizeof labels));
  ASSERT_OK(lcl_run(p));
  const cJSON *terms = cJSON_GetObjectItem(c, "terms");
  assert_int_equal(n, cJSON_GetArraySize(terms));
  for (int i = 0; i < n; i++) {
    char label[16];
    float got;
    snprintf(label, sizeof label, "#%d", i);
    ASSERT_OK(lcl_fetch(p, label, &got, sizeof got));
    const char *term = i < b.n_terms ? b.terms[i].name : "loss";
    double want = cJSON_GetObjectItem(terms, term)->valuedouble;
    check_value(name, term, got, want, fabs(want));
  }
  int k = 0;
  cJSON_ArrayForEach(w, want_grads) {
    check_gradient(name, p, n + k, w->string, lcl_shape_count(lcl_tensor_shape(params[k])), w);
    k++;
  }
  free(x);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_model_destroy(m);
}

static void objectives(void **state) {
  (void)state;
  lcl_context *ctx;
  void *text;
  size_t n;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  ASSERT_OK(lcl__file_read(GOLDEN "/semantic_noise/values.json", 1 << 20, &text, &n));
  cJSON *cases = cJSON_ParseWithLength(text, n);
  lcl__free(text);
  assert_non_null(cases);
  assert_true(cJSON_GetArraySize(cases) >= 16);
  const cJSON *c;
  cJSON_ArrayForEach(c, cases) run_case(ctx, c);
  cJSON_Delete(cases);
  lcl_context_destroy(ctx);
}

typedef struct initial {
  const char *name;
  size_t n;
  int64_t fan_in, fan_out;
  double within; /* some four standard deviations of the estimate of the variance */
} initial;

/* Variances of the kinds of initial weights. */
static double glorot(const initial *w) {
  return 2 / (double)(w->fan_in + w->fan_out);
}

static double unit(const initial *w) {
  return 1 / (double)w->fan_in;
}

static double he(const initial *w) {
  return 2 / (double)w->fan_in;
}

/* A new model's weights have that variance; init: the option, NULL: its default. */
static void check_weights(lcl_context *ctx, const char *init, double (*variance)(const initial *)) {
  static const initial weights[] = {
    { "enc.conv3.weight", 96 * 576, 576, 96 * 9, 0.03 },
    { "enc.fc4.weight", 128 * 1536, 1536, 128, 0.02 },
    { "enc.logits.weight", 10 * 128, 128, 10, 0.2 },
  };
  const lcl_model_class *cls;
  lcl_options *o;
  lcl_model *m;
  lcl_store *store;
  lcl_graph *g;
  lcl_build b;
  lcl_model_data data = {
    .name = "test", .channels = 1, .height = 28, .width = 28, .classes = 10, .train = BATCH
  };
  ASSERT_OK(lcl_model_find("semantic-noise", &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  if (init) ASSERT_OK(lcl_options_set(o, "init", init));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  ASSERT_OK(lcl_store_create(ctx, 3, &store));
  ASSERT_OK(lcl_graph_create(store, "train", &g));
  ASSERT_OK(lcl__build_init(&b, m, g, LCL_MODE_TRAIN, BATCH, 0));
  for (size_t i = 0; i < LCL_COUNT(weights); i++) {
    double sum = 0;
    float *w = malloc(weights[i].n * sizeof *w);
    ASSERT_OK(lcl_store_read(store, weights[i].name, w, weights[i].n * sizeof *w));
    for (size_t k = 0; k < weights[i].n; k++) sum += (double)w[k] * w[k];
    free(w);
    assert_float_equal(sum / (double)weights[i].n / variance(&weights[i]), 1, weights[i].within);
  }
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_model_destroy(m);
  lcl_options_destroy(o);
}

static void initial_weights(void **state) {
  (void)state;
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  check_weights(ctx, NULL, glorot);
  check_weights(ctx, "unit", unit);
  check_weights(ctx, "he", he);
  lcl_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(objectives),
                                      cmocka_unit_test(initial_weights) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
