/* augconv, vae, m1, m2, two-head, vae-ladder, vae-ladder-control, pixelrnn: terms and gradients
 * against another framework, parameter counts, options, falling losses, images, refusals. */
#include "test.h"

#include "golden/zumer_models.h"
#include "latentcl/context.h"
#include "latentcl/data.h"
#include "models/build.h"

static lcl_context *ctx;

static int open_context(void **state) {
  (void)state;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  return 0;
}

static int close_context(void **state) {
  (void)state;
  lcl_context_destroy(ctx);
  return 0;
}

/* A model with one graph on a store of its own. */
typedef struct rig {
  lcl_model *model;
  lcl_store *store;
  lcl_graph *graph;
  lcl_build build;
  lcl_program *program;
} rig;

static lcl_status make_model(const char *name, const char *opts, const lcl_model_data *d,
                             lcl_model **out) {
  const lcl_model_class *cls;
  lcl_options *o;
  lcl_status s = LCL_OK;
  char text[256], *save = NULL;
  ASSERT_OK(lcl_model_find(name, &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  snprintf(text, sizeof text, "%s", opts);
  for (char *pair = strtok_r(text, " ", &save); pair; pair = strtok_r(NULL, " ", &save))
    if (s == LCL_OK) s = lcl_options_set_pair(o, pair);
  if (s == LCL_OK) s = lcl_model_create(cls, o, d, out);
  lcl_options_destroy(o);
  return s;
}

static rig open_rig(const char *name, const char *opts, const int shape[3], int classes,
                    lcl_model_mode mode, int batch, int unlabelled) {
  rig r = { 0 };
  lcl_model_data d = { .name = "idx",
                       .channels = shape[0],
                       .height = shape[1],
                       .width = shape[2],
                       .classes = classes,
                       .train = 1000 };
  ASSERT_OK(make_model(name, opts, &d, &r.model));
  ASSERT_OK(lcl_store_create(ctx, 1, &r.store));
  ASSERT_OK(lcl_graph_create(r.store, "test", &r.graph));
  ASSERT_OK(lcl__build_init(&r.build, r.model, r.graph, mode, batch, unlabelled));
  return r;
}

static void close_rig(rig *r) {
  lcl_program_destroy(r->program);
  lcl_graph_destroy(r->graph);
  lcl_store_destroy(r->store);
  lcl_model_destroy(r->model);
}

static const int digit[3] = { 1, 28, 28 };

/* ---- values of another framework ---- */

static bool contains(const char *text, const char *part) {
  return strstr(text, part) != NULL;
}

/* Every variable from its name's sequence: a matrix uniform with deviation 1/sqrt(fan_in), a vector
 * near its initial value. Log-variances are near -30, so that samples equal means to within
 * float32.
 */
static void fill_variables(lcl_store *store) {
  for (size_t i = 0; i < lcl_store_count(store); i++) {
    lcl_var_info v = lcl_store_info(store, i);
    if (!v.trainable) continue;
    size_t n = (size_t)lcl_shape_count(v.shape);
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    ASSERT_OK(lcl_store_read(store, v.name, x, n * sizeof *x));
    bool spread = contains(v.name, "logvar") || contains(v.name, "z.var");
    bool low = spread && contains(v.name, ".bias");
    float amp = (float)sqrt(3.0 / ((double)n / (double)v.shape.dim[0]));
    if (spread) amp *= 0.01f;
    for (size_t k = 0; k < n; k++) {
      float u = golden_hashed(v.name, k);
      x[k] = v.shape.rank >= 2 ? amp * u : (low ? -30.0f : x[k]) + 0.1f * u;
    }
    ASSERT_OK(lcl_store_write(store, v.name, x, n * sizeof *x));
    free(x);
  }
}

static void feed_images(rig *r, const char *input, lcl_tensor *t) {
  if (!t) return;
  size_t n = (size_t)lcl_shape_count(lcl_tensor_shape(t));
  float *x = malloc(n * sizeof *x);
  assert_non_null(x);
  for (size_t i = 0; i < n; i++) x[i] = 0.5f + 0.5f * golden_hashed(input, i);
  ASSERT_OK(lcl_feed(r->program, input, x, n * sizeof *x));
  free(x);
}

static void feed_labels(rig *r, int batch, int classes) {
  int32_t label[64];
  if (!r->build.label) return;
  for (int i = 0; i < batch; i++) label[i] = i * 7 % LCL_MAX(classes, 1);
  ASSERT_OK(lcl_feed(r->program, "label", label, (size_t)batch * sizeof *label));
}

static lcl_tensor *term_named(const rig *r, const char *name) {
  if (strcmp(name, "loss") == 0) return r->build.loss;
  for (int i = 0; i < r->build.n_terms; i++)
    if (strcmp(r->build.terms[i].name, name) == 0) return r->build.terms[i].t;
  fail_msg("the model has no term %s", name);
  return NULL;
}

static lcl_tensor *variable_named(const rig *r, const char *name) {
  for (size_t i = 0; i < lcl_store_count(r->store); i++) {
    lcl_var_info v = lcl_store_info(r->store, i);
    if (strcmp(v.name, name) == 0) return lcl_param(r->graph, v.name, v.shape, (lcl_init) { 0 });
  }
  fail_msg("the model has no variable %s", name);
  return NULL;
}

enum { MAX_VALUES = 96 };

static void check_terms(rig *r, const golden_case *c) {
  char name[24];
  for (size_t i = 0; i < c->n_terms; i++) {
    float got;
    snprintf(name, sizeof name, "#%zu", i);
    ASSERT_OK(lcl_fetch(r->program, name, &got, sizeof got));
    /* Chains of up to 8 products of length up to 2880: sqrt(2880)*8*2^-24 of the value is 2.6e-5.
     */
    if (!(fabs(got - c->terms[i].value) <= 3e-5 * fabs(c->terms[i].value) + 1e-6))
      fail_msg("%s %s: term %s is %.8g, the reference %.8g", c->model, c->options, c->terms[i].name,
               (double)got, c->terms[i].value);
  }
}

static void check_gradients(rig *r, const golden_case *c) {
  char name[200];
  for (size_t i = 0; i < c->n_grads; i++) {
    const golden_value *v = &c->grads[i];
    size_t n = (size_t)lcl_shape_count(lcl_tensor_shape(variable_named(r, v->name)));
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    snprintf(name, sizeof name, "#%zu", c->n_terms + i);
    ASSERT_OK(lcl_fetch(r->program, name, x, n * sizeof *x));
    snprintf(name, sizeof name, "along %s", v->name);
    double along = 0, square = 0;
    for (size_t k = 0; k < n; k++) {
      along += (double)x[k] * (double)golden_hashed(name, k);
      square += (double)x[k] * (double)x[k];
    }
    free(x);
    if (!(fabs(sqrt(square) - v->norm) <= 1e-4 * v->norm + 1e-6) ||
        !(fabs(along - v->value) <= 3e-4 * v->norm + 1e-6))
      fail_msg("%s %s: gradient of %s is %.8g (norm %.8g), the reference %.8g (norm %.8g)",
               c->model, c->options, v->name, along, sqrt(square), v->value, v->norm);
  }
}

static void check_golden(const golden_case *c) {
  rig r = open_rig(c->model, c->options, c->shape, c->classes, LCL_MODE_TRAIN, c->batch,
                   c->unlabelled);
  lcl_tensor *fetch[MAX_VALUES], *wrt[MAX_VALUES];
  assert_true(c->n_terms + c->n_grads <= MAX_VALUES);
  for (size_t i = 0; i < c->n_terms; i++) fetch[i] = term_named(&r, c->terms[i].name);
  for (size_t i = 0; i < c->n_grads; i++) wrt[i] = variable_named(&r, c->grads[i].name);
  lcl_gradients(r.build.loss, wrt, (int)c->n_grads, fetch + c->n_terms);
  ASSERT_OK(lcl_compile(r.graph,
                        &(lcl_compile_desc) { .fetch = fetch,
                                              .n_fetch = (int)(c->n_terms + c->n_grads),
                                              .no_updates = true },
                        &r.program));
  fill_variables(r.store);
  feed_images(&r, "image", r.build.image);
  feed_images(&r, "unlabelled", r.build.unlabelled);
  feed_labels(&r, c->batch, c->classes);
  ASSERT_OK(lcl_run(r.program));
  check_terms(&r, c);
  check_gradients(&r, c);
  close_rig(&r);
}

static void golden(const char *model) {
  for (size_t i = 0; i < LCL_COUNT(golden_cases); i++)
    if (strcmp(golden_cases[i].model, model) == 0) check_golden(&golden_cases[i]);
}

static void test_golden_augconv(void **state) {
  (void)state;
  golden("augconv");
}
static void test_golden_vae(void **state) {
  (void)state;
  golden("vae");
}

/* With variances next to nothing the reconstruction of the variational one is the plain
 * autoencoder's loss. */
static void test_golden_autoencoder(void **state) {
  (void)state;
  int n = 0;
  for (size_t i = 0; i < LCL_COUNT(golden_cases); i++) {
    const golden_case *c = &golden_cases[i];
    char options[256];
    float loss;
    if (strcmp(c->model, "vae") != 0 || contains(c->options, "hamiltonian") ||
        contains(c->options, "as_printed"))
      continue;
    snprintf(options, sizeof options, "%s latent=point", c->options);
    rig r = open_rig("vae", options, c->shape, c->classes, LCL_MODE_TRAIN, c->batch, c->unlabelled);
    assert_int_equal(r.build.n_terms, 0);
    ASSERT_OK(lcl_compile(r.graph, &(lcl_compile_desc) { .fetch = &r.build.loss, .n_fetch = 1 },
                          &r.program));
    fill_variables(r.store);
    feed_images(&r, "image", r.build.image);
    ASSERT_OK(lcl_run(r.program));
    ASSERT_OK(lcl_fetch(r.program, "#0", &loss, sizeof loss));
    for (size_t k = 0; k < c->n_terms; k++) {
      if (strcmp(c->terms[k].name, "recon") != 0) continue;
      assert_float_equal(loss, c->terms[k].value, 3e-5 * fabs(c->terms[k].value));
      n++;
    }
    close_rig(&r);
  }
  assert_true(n > 0);
}
static void write_constant(lcl_store *store, const char *name, float value) {
  for (size_t i = 0; i < lcl_store_count(store); i++) {
    const lcl_var_info v = lcl_store_info(store, i);
    if (strncmp(v.name, name, strlen(name)) != 0) continue;
    const size_t n = (size_t)lcl_shape_count(v.shape);
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t k = 0; k < n; k++) x[k] = value;
    ASSERT_OK(lcl_store_write(store, v.name, x, n * sizeof *x));
    free(x);
  }
}

/* Steps of no length leave z and v as they were sampled. With q(v) and r(v|x,z) both N(0,I) the
 * momentum's term is the mean of (|v|^2 - d)/2, of deviation sqrt(d/2/N), and the bound that of the
 * variational autoencoder. A wider momentum, which r does not expect, costs (e - 1 - 1)/2 each. */
static void test_hamiltonian_at_rest(void **state) {
  enum { N = 60, D = 36 };
  static const int small[3] = { 1, 14, 14 };
  static const char *const latent[] = { "maps=2 latent=normal",
                                        "maps=2 latent=hamiltonian leapfrog=2" };
  double recon[2], kl[2];
  (void)state;
  for (int i = 0; i < 2; i++) {
    rig r = open_rig("vae", latent[i], small, 0, LCL_MODE_TRAIN, N, 0);
    lcl_tensor *fetch[] = { term_named(&r, "recon"), term_named(&r, "kl"),
                            i ? term_named(&r, "momentum") : r.build.loss };
    float got[3];
    ASSERT_OK(
        lcl_compile(r.graph, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 3 }, &r.program));
    fill_variables(r.store);
    write_constant(r.store, "hmc.", 0);
    write_constant(r.store, "hmc.log_step", -30);
    feed_images(&r, "image", r.build.image);
    for (int wide = 0; wide < (i ? 2 : 1); wide++) {
      write_constant(r.store, "hmc.logvar.bias", (float)wide);
      ASSERT_OK(lcl_run(r.program));
      for (int k = 0; k < 3; k++) {
        char name[8];
        snprintf(name, sizeof name, "#%d", k);
        ASSERT_OK(lcl_fetch(r.program, name, &got[k], sizeof got[k]));
      }
      const double spread = wide ? exp(1) : 1, mean = D * (spread - 1 - wide) / 2,
                   deviation = spread * sqrt(D / 2.0 / N);
      if (i) ASSERT_BETWEEN(got[2], mean - 5 * deviation, mean + 5 * deviation);
    }
    recon[i] = (double)got[0], kl[i] = (double)got[1];
    close_rig(&r);
  }
  ASSERT_BETWEEN(recon[1], recon[0] * (1 - 1e-5), recon[0] * (1 + 1e-5));
  ASSERT_BETWEEN(kl[1], kl[0] * (1 - 1e-5), kl[0] * (1 + 1e-5));
}
static void test_golden_m2(void **state) {
  (void)state;
  golden("m2");
}
static void test_golden_m1(void **state) {
  (void)state;
  golden("m1");
}
static void test_golden_two_head(void **state) {
  (void)state;
  golden("two-head");
}
static void test_golden_vae_ladder(void **state) {
  (void)state;
  golden("vae-ladder");
}
static void test_golden_control(void **state) {
  (void)state;
  golden("vae-ladder-control");
}

/* ---- options change the parameters that they should, and no others ---- */

static void test_parameter_counts(void **state) {
  static const struct {
    const char *model, *options;
    int64_t params;
  } cases[] = {
    { "augconv", "variant=baseline", 50110 },
    { "augconv", "variant=fc", 8757630 },
    { "augconv", "variant=conv", 112910 },
    { "augconv", "variant=conv ce_mode=categorical", 112910 },
    { "vae", "decoder_fc=true", 416 + 6416 + 17 + 17 + 160400 + 416 + 401 },
    { "vae", "decoder_fc=false", 416 + 6416 + 17 + 17 + 416 + 401 },
    { "vae", "arch=mlp",
      784 * 600 + 600 + 600 * 600 + 600 + 2 * (600 * 50 + 50) + (50 * 600 + 600) +
          (600 * 600 + 600) + 600 * 784 + 784 },
    { "m2", "",
      615440 + 200 + 3750032 + 1576 + 102950 + 102450 + 332680 + 124928 + 1572 + 3750032 + 197 },
    { "two-head", "",
      615440 + 200 + 3750032 + 1576 + 2 * 102450 + 332680 + 124928 + 1572 + 3750032 + 197 },
    { "two-head", "mid_affine=false",
      615440 + 200 + 1576 + 2 * 102450 + 332680 + 124928 + 1572 + 197 },
  };
  (void)state;
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    rig r = open_rig(cases[i].model, cases[i].options, digit, 10, LCL_MODE_TRAIN, 2, 0);
    if (lcl_store_param_count(r.store) != cases[i].params)
      fail_msg("%s %s: %lld parameters, not %lld", cases[i].model, cases[i].options,
               (long long)lcl_store_param_count(r.store), (long long)cases[i].params);
    close_rig(&r);
  }
}

/* The vgg network at the published width: 14,987,722 without square layers, then 4096, 2048 and 512
 * wide ones with BN. */
static void test_vgg_counts(void **state) {
  static const int colour[3] = { 3, 32, 32 };
  (void)state;
  int64_t want = 14987722;
  for (int layers = 0; layers <= 3; layers++) {
    static const int64_t side[] = { 0, 4096, 2048, 512 };
    char opts[48];
    want += side[layers] * side[layers] + 3 * side[layers];
    snprintf(opts, sizeof opts, "arch=vgg variant=fc fc_layers=%d", layers);
    rig r = open_rig("augconv", opts, colour, 10, LCL_MODE_TRAIN, 2, 0);
    assert_int_equal(lcl_store_param_count(r.store), want);
    close_rig(&r);
  }
}

/* ---- a few steps on digits ---- */

static float digits_x[20 * 784];
static int32_t digits_label[20];

static void load_digits(void) {
  lcl_dataset *ds;
  ASSERT_OK(lcl_dataset_synthetic(3, 0, 20, &ds));
  for (int i = 0; i < 20; i++) {
    ASSERT_OK(lcl_dataset_example(ds, i, digits_x + i * 784));
    digits_label[i] = ds->labels[i];
  }
  lcl_dataset_close(ds);
}

static void feed_digits(rig *r) {
  if (r->build.image) ASSERT_OK(lcl_feed(r->program, "image", digits_x, sizeof digits_x));
  if (r->build.unlabelled)
    ASSERT_OK(lcl_feed(r->program, "unlabelled", digits_x, 4 * 784 * sizeof(float)));
  if (r->build.label) ASSERT_OK(lcl_feed(r->program, "label", digits_label, sizeof digits_label));
}

/* Mean of the loss over the first and the last 2 of 12 steps on one batch: samples of noise move a
 * single one. */
static void check_falling(const char *model, const char *opts, int unlabelled, float rate) {
  rig r = open_rig(model, opts, digit, 10, LCL_MODE_TRAIN, 20, unlabelled);
  lcl_optimiser_desc d = r.build.optimiser;
  d.rate = rate;
  lcl_minimise(r.build.loss, &d);
  if (lcl_compile(r.graph, &(lcl_compile_desc) { .fetch = &r.build.loss, .n_fetch = 1 },
                  &r.program) != LCL_OK)
    fail_msg("%s %s: %s", model, opts, lcl_error_message());
  feed_digits(&r);
  double first = 0, last = 0;
  for (int i = 0; i < 12; i++) {
    float loss;
    ASSERT_OK(lcl_run(r.program));
    ASSERT_OK(lcl_fetch(r.program, "#0", &loss, sizeof loss));
    assert_true(isfinite(loss));
    if (i < 2) first += (double)loss / 2;
    if (i >= 10) last += (double)loss / 2;
  }
  if (!(last < 0.95 * first))
    fail_msg("%s %s: the loss went from %g to %g", model, opts, first, last);
  close_rig(&r);
}

static void test_loss_falls(void **state) {
  (void)state;
  load_digits();
  check_falling("augconv", "maps=6,8,10 variant=fc", 0, 3e-3f);
  check_falling("vae", "maps=4", 0, 3e-3f);
  check_falling("vae", "maps=4 latent=hamiltonian decoder_fc=false", 0, 3e-3f);
  check_falling("vae", "arch=mlp hidden=60,40 latent_size=9 latent=hamiltonian", 0, 3e-3f);
  check_falling("m1", "hidden=60,40 latent_size=9", 0, 3e-2f);
  check_falling("m2", "input=m1 m1_hidden=60,40 m1_latent_size=9 units=50", 4, 1e-2f);
  check_falling("m2", "mid_affine=false maps=8,12", 4, 1e-3f);
  check_falling("two-head", "mid_affine=false maps=8,12", 0, 1e-3f);
  check_falling("vae-ladder", "layers=60,40,30", 0, 3e-3f);
  check_falling("vae-ladder-control", "layers=60,40,30", 0, 3e-3f);
  check_falling("augconv", "arch=vgg width=4 dropout=0.3", 0, 0.1f);
  check_falling("vae-ladder", "layers=60,40,30 variant=adhoc", 0, 3e-3f);
  check_falling("vae-ladder", "layers=60,40,30 lateral=amlp", 0, 3e-3f);
}

/* ---- images ---- */

static lcl_tensor *image_named(const rig *r, const char *caption) {
  for (int i = 0; i < r->build.n_outputs; i++)
    if (strcmp(r->build.outputs[i].name, caption) == 0) return r->build.outputs[i].t;
  fail_msg("there is no image %s", caption);
  return NULL;
}

static float grid[20 * 784];

static bool same_image(int a, int b) {
  return memcmp(grid + a * 784, grid + b * 784, 784 * sizeof(float)) == 0;
}

/* Values are probabilities; columns of a row differ. */
static void run_image(const char *model, const char *opts, lcl_model_mode mode,
                      const char *caption) {
  rig r = open_rig(model, opts, digit, 10, mode, 20, 0);
  lcl_tensor *all[LCL_BUILD_MAX];
  char name[24];
  for (int i = 0; i < r.build.n_outputs; i++) {
    all[i] = r.build.outputs[i].t;
    if (strcmp(r.build.outputs[i].name, caption) == 0) snprintf(name, sizeof name, "#%d", i);
  }
  assert_non_null(image_named(&r, caption));
  ASSERT_OK(lcl_compile(r.graph, &(lcl_compile_desc) { .fetch = all, .n_fetch = r.build.n_outputs },
                        &r.program));
  fill_variables(r.store);
  feed_digits(&r);
  if (r.build.label) {
    int32_t label[20];
    for (int i = 0; i < 20; i++) label[i] = i % 10;
    ASSERT_OK(lcl_feed(r.program, "label", label, sizeof label));
  }
  ASSERT_OK(lcl_run(r.program));
  ASSERT_OK(lcl_fetch(r.program, name, grid, sizeof grid));
  for (size_t i = 0; i < LCL_COUNT(grid); i++)
    if (!(grid[i] >= 0 && grid[i] <= 1))
      fail_msg("%s %s: a pixel is %g", model, caption, (double)grid[i]);
  for (int i = 1; i < 20; i++)
    if (same_image(0, i) && strcmp(caption, "means") != 0)
      fail_msg("%s %s: images 0 and %d are equal", model, caption, i);
  close_rig(&r);
}

static void test_images(void **state) {
  static const char *const generative[] = { "m2", "two-head" };
  (void)state;
  load_digits();
  for (size_t i = 0; i < LCL_COUNT(generative); i++) {
    const char *opts = "mid_affine=false maps=8,12 sample_trials=3";
    run_image(generative[i], opts, LCL_MODE_SAMPLE, "samples");
    run_image(generative[i], opts, LCL_MODE_SAMPLE, "analogies");
    run_image(generative[i], opts, LCL_MODE_SAMPLE, "interpolation");
    run_image(generative[i], opts, LCL_MODE_SAMPLE, "means");
    assert_true(same_image(3, 13)); /* one mean a class */
    assert_false(same_image(3, 4));
    run_image(generative[i], opts, LCL_MODE_RECONSTRUCT, "reconstruction");
    run_image(generative[i], opts, LCL_MODE_RECONSTRUCT, "style, class 4");
  }
  run_image("m2", "input=m1 m1_hidden=30,20 m1_latent_size=9 units=20", LCL_MODE_SAMPLE, "samples");
  run_image("m2", "input=m1 m1_hidden=30,20 m1_latent_size=9 units=20", LCL_MODE_RECONSTRUCT,
            "style, class 4");
  run_image("vae", "arch=mlp hidden=30,20", LCL_MODE_SAMPLE, "samples");
  run_image("vae", "maps=4", LCL_MODE_SAMPLE, "samples");
  run_image("vae", "maps=4 latent=hamiltonian", LCL_MODE_RECONSTRUCT, "of a sampled latent");
  run_image("vae", "maps=4", LCL_MODE_RECONSTRUCT, "1/4 to the next latent");
  run_image("vae-ladder", "layers=30,20", LCL_MODE_SAMPLE, "samples");
  run_image("vae-ladder", "layers=30,20", LCL_MODE_RECONSTRUCT, "as class 7");
  run_image("vae-ladder-control", "layers=30,20", LCL_MODE_RECONSTRUCT, "denoised");
}

/* ---- evaluation ignores the neighbours in a batch ---- */

static void test_eval_rows_alone(void **state) {
  static const char *const models[] = { "augconv", "vae-ladder", "vae-ladder-control" };
  static const char *const opts[] = { "arch=vgg width=4", "layers=30,20", "layers=30,20" };
  (void)state;
  load_digits();
  for (size_t m = 0; m < LCL_COUNT(models); m++) {
    rig r = open_rig(models[m], opts[m], digit, 10, LCL_MODE_EVAL, 20, 0);
    float a[20], b[20];
    lcl_tensor *loss = r.build.examples[0].t;
    ASSERT_OK(
        lcl_compile(r.graph, &(lcl_compile_desc) { .fetch = &loss, .n_fetch = 1 }, &r.program));
    fill_variables(r.store);
    feed_digits(&r);
    ASSERT_OK(lcl_run(r.program));
    ASSERT_OK(lcl_fetch(r.program, "#0", a, sizeof a));
    for (int i = 0; i < 784; i++) digits_x[784 + i] = 1 - digits_x[784 + i];
    feed_digits(&r);
    ASSERT_OK(lcl_run(r.program));
    ASSERT_OK(lcl_fetch(r.program, "#0", b, sizeof b));
    for (int i = 0; i < 20; i++)
      if ((a[i] == b[i]) != (i != 1))
        fail_msg("%s: row %d: %.9g and %.9g", models[m], i, (double)a[i], (double)b[i]);
    close_rig(&r);
  }
}

/* A PixelRNN of zeros gives every level the same probability: eight bits for each of 256, one for
 * each of two, whatever the image. */
static void test_pixelrnn_of_zeros(void **state) {
  static const struct {
    const char *opts;
    int shape[3];
    double bits; /* of a value */
  } cases[] = { { "levels=256 hidden=3", { 3, 6, 5 }, 8 },
                { "levels=256 hidden=2 batch_norm=true residual=false", { 1, 4, 7 }, 8 },
                { "levels=2 hidden=2", { 1, 5, 4 }, 1 } };
  (void)state;
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const int *s = cases[i].shape, values = s[0] * s[1] * s[2];
    rig r = open_rig("pixelrnn", cases[i].opts, s, 0, LCL_MODE_EVAL, 4, 0);
    const int n = r.build.n_examples;
    lcl_tensor *fetch[2];
    for (int k = 0; k < n && k < 2; k++) fetch[k] = r.build.examples[k].t;
    assert_int_equal(n, cases[i].bits > 1 ? 2 : 1);
    ASSERT_OK(
        lcl_compile(r.graph, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = n }, &r.program));
    for (size_t v = 0; v < lcl_store_count(r.store); v++) {
      const lcl_var_info info = lcl_store_info(r.store, v);
      const size_t bytes = (size_t)lcl_shape_count(info.shape) * lcl_dtype_size(info.dtype);
      void *zeros = calloc(1, bytes);
      if (info.trainable) ASSERT_OK(lcl_store_write(r.store, info.name, zeros, bytes));
      free(zeros);
    }
    float x[4 * 90], got[4];
    for (int k = 0; k < 4 * values; k++)
      x[k] = cases[i].bits > 1 ? (float)(k * 37 % 256) / 255 : (float)(k % 3 == 0);
    ASSERT_OK(lcl_feed(r.program, "image", x, sizeof *x * 4 * (size_t)values));
    ASSERT_OK(lcl_run(r.program));
    for (int k = 0; k < n; k++) {
      const double want = k ? cases[i].bits : values * cases[i].bits * log(2);
      assert_string_equal(r.build.examples[k].name, k ? "bits_per_dim" : "nll");
      ASSERT_OK(lcl_fetch(r.program, k ? "#1" : "#0", got, sizeof got));
      for (int e = 0; e < 4; e++) ASSERT_BETWEEN(got[e], want * (1 - 1e-5), want * (1 + 1e-5));
    }
    close_rig(&r);
  }
}

/* ---- refusals ---- */

static void refuse(const char *model, const char *opts, const int shape[3], int classes,
                   const char *part) {
  lcl_model *m = NULL;
  lcl_model_data d = {
    .name = "idx", .channels = shape[0], .height = shape[1], .width = shape[2], .classes = classes
  };
  ASSERT_STATUS(make_model(model, opts, &d, &m), LCL_ERR_ARGUMENT);
  if (!contains(lcl_error_message(), part))
    fail_msg("%s: \"%s\" lacks \"%s\"", opts, lcl_error_message(), part);
}

static void test_refusals(void **state) {
  static const int tiny[3] = { 1, 8, 8 }, colour[3] = { 3, 32, 32 };
  (void)state;
  refuse("augconv", "maps=20,40", digit, 10, "2 stages but 3");
  refuse("augconv", "maps=20,,40", digit, 10, "option maps");
  refuse("augconv", "variant=conv wide_kernels=10,3", digit, 10, "odd");
  refuse("augconv", "", tiny, 10, "too small");
  refuse("augconv", "", digit, 0, "needs labels");
  refuse("augconv", "", digit, 1, "the data have one");
  refuse("augconv", "fc_layers=4", colour, 10, "[0,3]");
  refuse("augconv", "variant=conv", colour, 10, "no conv variant");
  refuse("augconv", "dropout=3", colour, 10, "dropout");
  refuse("vae", "n_interspersed_fc=3", digit, 0, "[0,2]");
  refuse("vae", "latent=hamiltonian kl_form=as_printed", digit, 0, "kl_form");
  refuse("vae", "latent=point kl_form=as_printed", digit, 0, "kl_form");
  refuse("vae", "", tiny, 0, "too small");
  refuse("vae", "arch=mlp hidden=9,", digit, 0, "option hidden");
  refuse("m1", "hidden=1,2,3,4,5", digit, 10, "option hidden");
  refuse("m1", "", digit, 0, "needs labels");
  refuse("m2", "input=m1 m1_hidden=no", digit, 10, "option m1_hidden");
  refuse("m2", "maps=4", digit, 10, "two whole numbers");
  refuse("m2", "w_c=-1", digit, 10, "w_c");
  refuse("two-head", "latent=0", digit, 10, "latent");
  refuse("two-head", "", digit, 0, "needs labels");
  refuse("vae-ladder", "layers=abc", digit, 10, "layers");
  refuse("vae-ladder", "w_kl=-2", digit, 10, "w_kl");
  refuse("vae-ladder-control", "noise=-1", digit, 10, "noise");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_golden_augconv),
    cmocka_unit_test(test_golden_vae),
    cmocka_unit_test(test_golden_autoencoder),
    cmocka_unit_test(test_hamiltonian_at_rest),
    cmocka_unit_test(test_golden_m1),
    cmocka_unit_test(test_golden_m2),
    cmocka_unit_test(test_golden_two_head),
    cmocka_unit_test(test_golden_vae_ladder),
    cmocka_unit_test(test_golden_control),
    cmocka_unit_test(test_parameter_counts),
    cmocka_unit_test(test_vgg_counts),
    cmocka_unit_test(test_loss_falls),
    cmocka_unit_test(test_images),
    cmocka_unit_test(test_eval_rows_alone),
    cmocka_unit_test(test_pixelrnn_of_zeros),
    cmocka_unit_test(test_refusals),
  };
  const char *only = getenv("LCL_TEST_ONLY"); /* e.g. test_images or *golden* */
  if (only) cmocka_set_test_filter(only);
  return cmocka_run_group_tests(tests, open_context, close_context);
}
