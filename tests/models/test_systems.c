/* Ladder, IMSAT and network inversion: losses and gradients against PyTorch
 * (tests/golden/systems/make_golden.py says how the values were made), and what every option
 * changes. */
#include "context.h"

#include <cjson/cJSON.h>
#include <math.h>

#include "graph/graph.h"
#include "latentcl/nn.h"
#include "models/build.h"

#ifndef GOLDEN
#error "GOLDEN names the folder of values"
#endif

/* ---- building a model without the training loop ---- */

typedef struct world {
  lcl_model *model;
  lcl_store *store;
  lcl_graph *graph;
  lcl_build build;
} world;

/* options: "name=value" strings, ended by NULL. */
static lcl_model *make_model(const char *name, const lcl_model_data *data,
                             const char *const *options) {
  const lcl_model_class *cls;
  lcl_options *o;
  lcl_model *m;
  ASSERT_OK(lcl_model_find(name, &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  for (; *options; options++) ASSERT_OK(lcl_options_set_pair(o, *options));
  ASSERT_OK(lcl_model_create(cls, o, data, &m));
  lcl_options_destroy(o);
  return m;
}

static void begin(world *w, const char *name, const lcl_model_data *data,
                  const char *const *options, lcl_model_mode mode, int64_t batch,
                  int64_t unlabelled) {
  w->model = make_model(name, data, options);
  w->model->side_width = 1;
  ASSERT_OK(lcl_store_create(ctx, 5, &w->store));
  ASSERT_OK(lcl_graph_create(w->store, "test", &w->graph));
  ASSERT_OK(lcl__build_init(&w->build, w->model, w->graph, mode, batch, unlabelled));
}

static void end(world *w) {
  lcl_graph_destroy(w->graph);
  lcl_store_destroy(w->store);
  lcl_model_destroy(w->model);
}

/* ---- values of another framework ---- */

/* make_golden.py's fill(): offset + scale*[-1,1) from Murmur's finaliser of the index. */
static void fill(float *out, size_t n, uint64_t seed, double scale, double offset) {
  for (size_t i = 0; i < n; i++) {
    uint32_t v = (uint32_t)((uint64_t)(i + 1) * 2654435761u + seed * 40503u);
    v ^= v >> 15;
    v *= 2246822519u;
    v ^= v >> 13;
    v *= 3266489917u;
    v ^= v >> 16;
    out[i] = (float)(offset + scale * ((double)(v >> 8) / (1 << 23) - 1));
  }
}

static cJSON *read_json(const char *name) {
  char path[512];
  void *text;
  size_t n;
  snprintf(path, sizeof path, "%s/systems/%s.json", GOLDEN, name);
  ASSERT_OK(lcl__file_read(path, 1 << 24, &text, &n));
  cJSON *j = cJSON_Parse(text);
  if (!j) fail_msg("%s is not JSON", path);
  lcl__free(text);
  return j;
}

static double number(const cJSON *array, int i) {
  return cJSON_GetArrayItem(array, i)->valuedouble;
}

static float *filled(const cJSON *fills, const char *name, size_t n) {
  const cJSON *f = cJSON_GetObjectItemCaseSensitive(fills, name);
  if (!f) fail_msg("the golden values have no \"%s\"", name);
  float *x = malloc(LCL_MAX(n, 1) * sizeof *x);
  fill(x, n, (uint64_t)number(f, 0), number(f, 1), number(f, 2));
  return x;
}

static void near(const char *what, double got, double want, double bound) {
  if (!(fabs(got - want) <= bound))
    fail_msg("%s: got %.9g, expected %.9g within %.3g", what, got, want, bound);
}

static void set_variables(lcl_store *store, const cJSON *fills) {
  for (size_t i = 0; i < lcl_store_count(store); i++) {
    lcl_var_info v = lcl_store_info(store, i);
    if (!v.trainable) continue;
    size_t n = (size_t)lcl_shape_count(v.shape);
    float *x = filled(fills, v.name, n);
    ASSERT_OK(lcl_store_write(store, v.name, x, n * sizeof *x));
    free(x);
  }
}

static void feed_filled(lcl_program *p, const cJSON *fills, const char *name, lcl_tensor *t) {
  if (!t) return;
  size_t n = (size_t)lcl_shape_count(lcl_tensor_shape(t));
  float *x = filled(fills, name, n);
  ASSERT_OK(lcl_feed(p, name, x, n * sizeof *x));
  free(x);
}

static void check_scalar(lcl_program *p, const char *fetch, const char *name, const cJSON *want) {
  float got;
  ASSERT_OK(lcl_fetch(p, fetch, &got, sizeof got));
  near(name, (double)got, number(want, 0), number(want, 1));
}

/* Every gradient that the file has; a variable that it does not have must not exist. */
static void check_gradients(lcl_program *p, const world *w, const cJSON *grads, int first) {
  int n = 0;
  for (size_t i = 0; i < lcl_store_count(w->store); i++) {
    lcl_var_info v = lcl_store_info(w->store, i);
    if (!v.trainable) continue;
    const cJSON *g = cJSON_GetObjectItemCaseSensitive(grads, v.name);
    if (!g) fail_msg("the golden values have no gradient of %s", v.name);
    size_t count = (size_t)lcl_shape_count(v.shape), k = 0;
    size_t stride = (size_t)cJSON_GetObjectItem(g, "stride")->valuedouble;
    double bound = cJSON_GetObjectItem(g, "bound")->valuedouble;
    float *got = malloc(count * sizeof *got);
    char fetch[16];
    snprintf(fetch, sizeof fetch, "#%d", first + n++);
    ASSERT_OK(lcl_fetch(p, fetch, got, count * sizeof *got));
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(g, "value"))
        near(v.name, (double)got[k++ * stride], item->valuedouble, bound);
    free(got);
  }
  if (n != cJSON_GetArraySize(grads))
    fail_msg("%d trainable variables, the golden values have %d", n, cJSON_GetArraySize(grads));
}

static void golden(const char *name) {
  cJSON *j = read_json(name);
  const cJSON *d = cJSON_GetObjectItem(j, "data"), *fills = cJSON_GetObjectItem(j, "fill"), *item;
  const char *options[16] = { 0 };
  int n_options = 0, n_fetch = 0, n_params = 0;
  cJSON_ArrayForEach(item, cJSON_GetObjectItem(j, "options"))
      options[n_options++] = item->valuestring;
  lcl_model_data data = { .name = "test",
                          .channels = (int64_t)number(d, 0),
                          .height = (int64_t)number(d, 1),
                          .width = (int64_t)number(d, 2),
                          .classes = (int)number(d, 3) };
  world w;
  begin(&w, cJSON_GetObjectItem(j, "model")->valuestring, &data, options, LCL_MODE_TRAIN,
        cJSON_GetObjectItem(j, "batch")->valueint,
        cJSON_GetObjectItem(j, "unlabelled_batch")->valueint);
  lcl_tensor *fetch[160], *params[160];
  fetch[n_fetch++] = w.build.loss;
  for (int i = 0; i < w.build.n_terms; i++) fetch[n_fetch++] = w.build.terms[i].t;
  for (size_t i = 0; i < lcl_store_count(w.store); i++) {
    lcl_var_info v = lcl_store_info(w.store, i);
    if (v.trainable)
      params[n_params++] = lcl_param(w.graph, v.name, v.shape,
                                     (lcl_init) { .kind = LCL_INIT_ZERO });
  }
  lcl_gradients(w.build.loss, params, n_params, fetch + n_fetch);
  lcl_program *p;
  ASSERT_OK(lcl_compile(w.graph,
                        &(lcl_compile_desc) { .fetch = fetch, .n_fetch = n_fetch + n_params }, &p));
  set_variables(w.store, fills);
  feed_filled(p, fills, "image", w.build.image);
  feed_filled(p, fills, "unlabelled", w.build.unlabelled);
  feed_filled(p, fills, "clean", w.build.clean);
  if (w.build.label) {
    int32_t label[64];
    int n = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(j, "label")) label[n++] = item->valueint;
    ASSERT_OK(lcl_feed(p, "label", label, (size_t)n * sizeof *label));
  }
  ASSERT_OK(lcl_run(p));
  const cJSON *want = cJSON_GetObjectItem(j, "want");
  for (int i = 0; i < w.build.n_terms; i++) {
    char at[16];
    snprintf(at, sizeof at, "#%d", i + 1);
    item = cJSON_GetObjectItemCaseSensitive(want, w.build.terms[i].name);
    if (!item) fail_msg("the golden values have no term %s", w.build.terms[i].name);
    check_scalar(p, at, w.build.terms[i].name, item);
  }
  check_scalar(p, "#0", "loss", cJSON_GetObjectItem(want, "loss"));
  check_gradients(p, &w, cJSON_GetObjectItem(j, "grad"), n_fetch);
  lcl_program_destroy(p);
  end(&w);
  cJSON_Delete(j);
}

static void ladder_golden(void **state) {
  (void)state;
  static const char *const cases[] = { "ladder_gauss", "ladder_sig",    "ladder_adhoc",
                                       "ladder_amlp",  "ladder_var",    "ladder_none",
                                       "ladder_gamma", "ladder_bottom", "ladder_baseline",
                                       "ladder_uneven" };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) golden(cases[i]);
}

static void imsat_golden(void **state) {
  (void)state;
  static const char *const cases[] = { "imsat_deep_rim", "imsat_linear_rim", "imsat_deep_rim_hash",
                                       "imsat_sat" };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) golden(cases[i]);
}

static void dec_golden(void **state) {
  (void)state;
  golden("dec_dae");
  golden("dec_dec");
}

static void inversion_golden(void **state) {
  (void)state;
  static const char *const cases[] = { "inversion_small",           "inversion_small_max",
                                       "inversion_small_inhibitor", "inversion_resnet",
                                       "inversion_layers",          "inversion_cosine",
                                       "inversion_template" };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) golden(cases[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(ladder_golden),
    cmocka_unit_test(imsat_golden),
    cmocka_unit_test(dec_golden),
    cmocka_unit_test(inversion_golden),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
