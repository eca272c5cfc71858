/* Ladder, IMSAT and network inversion: sizes as published, what each option changes, training that
 * gets somewhere, and the perturbation against its definition. */
#include "context.h"

#include <math.h>

#include "base/philox.h"
#include "graph/internal.h"
#include "latentcl/nn.h"
#include "latentcl/train.h"
#include "models/build.h"
#include "models/tables.h"
#include "nn/evaluate.h"
#include "ops/map_code.h"

typedef struct world {
  lcl_model *model;
  lcl_store *store;
  lcl_graph *graph;
  lcl_build build;
} world;

static const lcl_model_data mnist = {
  .name = "test", .channels = 1, .height = 28, .width = 28, .classes = 10
};

static lcl_status set_options(lcl_options *o, const char *text) {
  char copy[256], *rest = copy;
  snprintf(copy, sizeof copy, "%s", text);
  for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
    LCL_TRY(lcl_options_set_pair(o, one));
  return LCL_OK;
}

/* options: "a=1 b=2". */
static lcl_status create(const char *name, const lcl_model_data *data, const char *options,
                         lcl_model **m) {
  const lcl_model_class *cls;
  lcl_options *o;
  ASSERT_OK(lcl_model_find(name, &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  lcl_status s = set_options(o, options);
  if (s == LCL_OK) s = lcl_model_create(cls, o, data, m);
  lcl_options_destroy(o);
  return s;
}

static world begin(const char *name, const lcl_model_data *data, const char *options, int64_t batch,
                   int64_t unlabelled) {
  world w;
  ASSERT_OK(create(name, data, options, &w.model));
  w.model->side_width = 1;
  ASSERT_OK(lcl_store_create(ctx, 5, &w.store));
  ASSERT_OK(lcl_graph_create(w.store, "test", &w.graph));
  ASSERT_OK(lcl__build_init(&w.build, w.model, w.graph, LCL_MODE_TRAIN, batch, unlabelled));
  return w;
}

static void end(world *w) {
  lcl_graph_destroy(w->graph);
  lcl_store_destroy(w->store);
  lcl_model_destroy(w->model);
}

/* ---- sizes ---- */

static void sizes(void **state) {
  (void)state;
  const lcl_model_data sound = {
    .name = "test", .channels = 1, .height = 1, .width = 22050, .classes = 10
  };
  const struct {
    const char *model, *options;
    int64_t parameters;
    const lcl_model_data *data;
  } cases[] = {
    { "ladder", "", 3105710, &mnist },
    { "imsat", "", 2400010, &mnist },
    { "imsat", "task=hash hidden=60-30", 49606, &mnist },
    { "imsat", "task=hash hidden=200-200", 201216, &mnist },
    { "imsat", "task=hash hidden=400-400", 482416, &mnist },
    { "imsat", "system=linear-rim", 7850, &mnist },
    { "dec", "", 3330794, &mnist },
    { "dec", "system=dec", 1665110, &mnist },
    { "inversion", "arch=small-cnn", 32256, &mnist },
    { "inversion", "arch=large-cnn", 1373760, &mnist },
    { "inversion", "arch=large-cnn global_mean=true", 1366080 + 1920, &mnist },
    { "inversion", "arch=resnet2-32", 694272, &mnist },
    { "inversion", "arch=resnet3-16", 270960, &mnist },
    { "inversion", "arch=bird10", 60842, &sound },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    world w = begin(cases[i].model, cases[i].data, cases[i].options, 4, 4);
    int64_t n = lcl_store_param_count(w.store);
    if (n != cases[i].parameters)
      fail_msg("%s %s: %lld parameters, published %lld", cases[i].model, cases[i].options,
               (long long)n, (long long)cases[i].parameters);
    end(&w);
  }
}

/* ---- what options change ---- */

/* Names of terms, inputs and the kinds of variables, as one line. */
static void describe(const world *w, char *out, size_t size) {
  lcl_str s = { 0 };
  for (int i = 0; i < w->build.n_terms; i++)
    lcl__str_add(&s, "%s%s", i ? " " : "", w->build.terms[i].name);
  lcl__str_add(&s, " |%s%s%s%s |", w->build.image ? " image" : "", w->build.label ? " label" : "",
               w->build.unlabelled ? " unlabelled" : "", w->build.side ? " side" : "");
  int random = 0, dec = 0, g = 0, bias = 0;
  for (size_t i = 0; i < w->graph->nodes.n; i++)
    random += (w->graph->nodes.data[i]->op->flags & LCL_OP_RANDOM) != 0;
  for (size_t i = 0; i < lcl_store_count(w->store); i++) {
    const char *name = lcl_store_info(w->store, i).name;
    dec += strncmp(name, "dec", 3) == 0;
    g += name[0] == 'g' && name[1] >= '0' && name[1] <= '9';
    bias += strstr(name, ".bias") != NULL;
  }
  lcl__str_add(&s, " random %d dec %d g %d bias %d", random, dec, g, bias);
  snprintf(out, size, "%s", s.data);
  lcl__str_free(&s);
}

static void switches(void **state) {
  (void)state;
  const lcl_model_data small = {
    .name = "test", .channels = 1, .height = 22, .width = 22, .classes = 3
  };
  const struct {
    const char *model, *options, *expected;
  } cases[] = {
    { "ladder", "widths=6-5",
      "nll denoise0 denoise1 denoise2 denoise3 | image label unlabelled | random 4 dec 3 g 40 bias "
      "0" },
    { "ladder", "widths=6-5 noise=0",
      "nll denoise0 denoise1 denoise2 denoise3 | image label unlabelled | random 0 dec 3 g 40 bias "
      "0" },
    { "ladder", "widths=6-5 noise=0.3,0",
      "nll denoise0 denoise1 denoise2 denoise3 | image label unlabelled | random 1 dec 3 g 40 bias "
      "0" },
    { "ladder", "widths=6-5 variant=bottom",
      "nll denoise0 | image label unlabelled | random 4 dec 3 g 40 bias 0" },
    { "ladder", "widths=6-5 variant=gamma",
      "nll denoise3 | image label unlabelled | random 4 dec 0 g 10 bias 0" },
    { "ladder", "widths=6-5 variant=baseline", "nll | image label | random 4 dec 0 g 0 bias 0" },
    { "ladder", "widths=6-5 lambda=0,1,0",
      "nll denoise1 | image label unlabelled | random 4 dec 2 g 30 bias 0" },
    { "ladder", "widths=6-5 g=linear",
      "nll denoise0 denoise1 denoise2 denoise3 | image label unlabelled | random 4 dec 3 g 8 bias "
      "0" },
    { "ladder", "widths=6-5 g=sig",
      "nll denoise0 denoise1 denoise2 denoise3 | image label unlabelled | random 4 dec 3 g 36 bias "
      "0" },
    { "imsat", "hidden=7-6",
      "conditional_entropy marginal_entropy smoothness | image side | random 1 dec 0 g 0 bias 3" },
    { "imsat", "hidden=7-6 system=imsat-rpt",
      "conditional_entropy marginal_entropy smoothness | image side | random 1 dec 0 g 0 bias 3" },
    { "imsat", "hidden=7-6 system=linear-vat",
      "conditional_entropy marginal_entropy smoothness | image side | random 1 dec 0 g 0 bias 1" },
    { "imsat", "hidden=7-6 system=deep-rim",
      "conditional_entropy marginal_entropy | image | random 0 dec 0 g 0 bias 3" },
    { "imsat", "system=linear-rim",
      "conditional_entropy marginal_entropy | image | random 0 dec 0 g 0 bias 1" },
    { "imsat", "task=hash",
      "pair_information conditional_entropy marginal_entropy smoothness | image side | random 1 "
      "dec 0 g 0 "
      "bias 3" },
    { "dec", "hidden=7", " | image | random 1 dec 2 g 0 bias 4" },
    { "dec", "hidden=7 mask=0", " | image | random 0 dec 2 g 0 bias 4" },
    { "dec", "hidden=7 system=dec target=batch", "entropy | image | random 0 dec 0 g 0 bias 2" },
    { "dec", "hidden=7 system=dec", "entropy | image side | random 0 dec 0 g 0 bias 2" },
    { "inversion", "",
      "nll reconstruction entropy | image label unlabelled | random 0 dec 0 g 0 bias 3" },
    { "inversion", "pooling=max",
      "nll reconstruction entropy | image label unlabelled | random 0 dec 0 g 0 bias 3" },
    { "inversion", "inhibitor=true",
      "nll reconstruction entropy | image label unlabelled | random 0 dec 0 g 0 bias 0" },
    { "inversion", "alpha=1", "nll | image label | random 0 dec 0 g 0 bias 3" },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    world w = begin(cases[i].model, &small, cases[i].options, 4, 4);
    char got[256];
    describe(&w, got, sizeof got);
    if (strcmp(got, cases[i].expected) != 0)
      fail_msg("%s %s: got \"%s\", expected \"%s\"", cases[i].model, cases[i].options, got,
               cases[i].expected);
    end(&w);
  }
}

/* The factor of the one node that scales t; 1: nothing does. */
static float factor_of(const world *w, const lcl_tensor *t) {
  float factor = 1;
  for (size_t k = 0; k < w->graph->nodes.n; k++) {
    const lcl_node *node = w->graph->nodes.data[k];
    if (node->n_in != 1 || node->in[0] != t || strcmp(lcl__node_name(node), "scale") != 0) continue;
    assert_true(factor == 1);
    factor = ((const lcl_map_attr *)node->attr)->p;
  }
  return factor;
}

static const lcl_tensor *term_named(const world *w, const char *name) {
  for (int i = 0; i < w->build.n_terms; i++)
    if (strcmp(w->build.terms[i].name, name) == 0) return w->build.terms[i].t;
  return NULL;
}

enum { LAYERS = 7 };

typedef struct preset {
  const char *options;
  float weight[LAYERS], pixels, noise; /* noise on the pixels, and above them */
} preset;

static void check_preset(const preset *c) {
  world w = begin("ladder", &mnist, c->options, 4, 4);
  for (int l = 0; l < LAYERS; l++) {
    char name[24];
    snprintf(name, sizeof name, "denoise%d", l);
    const lcl_tensor *cost = term_named(&w, name);
    const float weight = cost ? factor_of(&w, cost) : 0;
    if (weight != c->weight[l])
      fail_msg("%s: layer %d weighs %g, published %g", c->options, l, weight, c->weight[l]);
  }
  int layers = 0;
  for (size_t k = 0; k < w.graph->nodes.n; k++) {
    const lcl_node *node = w.graph->nodes.data[k];
    if (!(node->op->flags & LCL_OP_RANDOM)) continue;
    const float noise = factor_of(&w, &node->out[0]);
    const float want = layers++ == 0 ? c->pixels : c->noise;
    if (noise != want)
      fail_msg("%s: noise %d is %g, published %g", c->options, layers, noise, want);
  }
  assert_int_equal(layers, LAYERS);
  end(&w);
}

/* The published weights and noise of each layer follow the number of labels and the variant. */
static void presets(void **state) {
  (void)state;
  static const preset cases[] = {
    { "labels_per_class=5", { 2000, 20, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f }, 0.3f, 0.3f },
    { "labels_per_class=10", { 1000, 10, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f }, 0.3f, 0.3f },
    { "labels_per_class=100", { 2000, 20, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f }, 0.3f, 0.2f },
    { "labels_per_class=0", { 1000, 1, 0.01f, 0.01f, 0.01f, 0.01f, 0.01f }, 0.3f, 0.3f },
    { "labels_per_class=10 variant=bottom", { 5000 }, 0.3f, 0.3f },
    { "labels_per_class=0 variant=bottom", { 2000 }, 0.3f, 0.3f },
    { "labels_per_class=10 variant=gamma", { [LAYERS - 1] = 0.5f }, 0.3f, 0.3f },
    { "labels_per_class=100 variant=gamma", { [LAYERS - 1] = 10 }, 0.3f, 0.3f },
    { "labels_per_class=0 variant=gamma", { [LAYERS - 1] = 2 }, 0.3f, 0.3f },
    { "labels_per_class=10 variant=baseline", { 0 }, 0.3f, 0.5f },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) check_preset(&cases[i]);
}

/* The Ladder beside semantic noise is a public code's, which has those of 100 labels throughout. */
static void public_code(void **state) {
  (void)state;
  const lcl_table *t;
  ASSERT_OK(lcl__table_find("semantic-noise/table2-ladder", &t));
  const int row = lcl__table_row_index(t, "ladder");
  for (int c = 0; c < t->n_columns; c++) {
    const char *pairs[3 * LCL_TABLE_SET];
    char text[256] = "";
    const size_t n = lcl__table_pairs(t, row, c, pairs);
    for (size_t i = 0; i < n; i++) {
      strcat(text, pairs[i]);
      strcat(text, " ");
    }
    check_preset(&(preset) { text, { 1000, 10, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f }, 0.3f, 0.3f });
  }
}

/* There are no images of a decoder that nothing trains, and no features of such a code. */
static void untrained(void **state) {
  (void)state;
  static const struct {
    const char *model, *options;
    bool images; /* with them there is something to show */
  } cases[] = { { "semantic-noise", "arch=mlp lambda1=0", false },
                { "semantic-noise", "arch=mlp variant=feed-forward", false },
                { "semantic-noise", "arch=mlp variant=recon-one", true },
                { "ladder", "widths=9-8 variant=gamma", false },
                { "m2", "maps=2,2 w_l=0", false },
                { "m2", "maps=2,2 w_l=0 labels_per_class=5", true },
                { "two-head", "maps=2,2 w_l=0", false },
                { "vae-ladder", "layers=9,8 w_r=0", false },
                { "vae-ladder", "layers=9,8 w_kl=0", true },
                { "vae-ladder-control", "layers=9,8 w_vae=0", false },
                { "vae-ladder-control", "layers=9,8", true },
                { "dec", "hidden=9,8 latent=4 stage=2", false },
                { "dec", "hidden=9,8 latent=4 stage=3", true } };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    world w = begin(cases[i].model, &mnist, cases[i].options, 20, 20);
    const bool samples = w.model->cls->can & LCL_CAN_SAMPLE;
    for (int mode = LCL_MODE_RECONSTRUCT;
         mode <= (samples ? LCL_MODE_SAMPLE : LCL_MODE_RECONSTRUCT); mode++) {
      lcl_graph *g;
      lcl_build b;
      ASSERT_OK(lcl_graph_create(w.store, "images", &g));
      const lcl_status s = lcl__build_init(&b, w.model, g, (lcl_model_mode)mode, 20, 0);
      if (s != (cases[i].images ? LCL_OK : LCL_ERR_UNSUPPORTED))
        fail_msg("%s %s: status %d in mode %d", cases[i].model, cases[i].options, (int)s, mode);
      lcl_graph_destroy(g);
    }
    if (strcmp(cases[i].model, "dec") == 0) {
      lcl_graph *g;
      lcl_build b;
      ASSERT_OK(lcl_graph_create(w.store, "eval", &g));
      ASSERT_OK(lcl__build_init(&b, w.model, g, LCL_MODE_EVAL, 20, 0));
      assert_true((b.features != NULL) == cases[i].images);
      lcl_graph_destroy(g);
    }
    end(&w);
  }
}

static void refused(void **state) {
  (void)state;
  const lcl_model_data tiny = {
    .name = "test", .channels = 1, .height = 8, .width = 8, .classes = 3
  };
  const lcl_model_data sound = {
    .name = "sound", .channels = 1, .height = 1, .width = 22050, .classes = 3
  };
  const lcl_model_data brief = {
    .name = "sound", .channels = 1, .height = 1, .width = 4607, .classes = 3
  };
  const lcl_model_data plain = { .name = "test", .channels = 1, .height = 28, .width = 28 };
  const lcl_model_data colour = {
    .name = "test", .channels = 3, .height = 32, .width = 32, .classes = 3
  };
  const struct {
    const char *model, *options;
    const lcl_model_data *data;
  } cases[] = {
    { "ladder", "widths=6-", &mnist },
    { "ladder", "lambda=1,x", &mnist },
    { "ladder", "noise=-1", &mnist },
    { "ladder", "widths=0", &mnist },
    { "ladder", "unlabelled_batch=0", &mnist },
    { "ladder", "", &plain },
    { "imsat", "", &plain },
    { "imsat", "clusters=1", &mnist },
    { "imsat", "bits=65 task=hash", &mnist },
    { "imsat", "hidden=12-a", &mnist },
    { "imsat", "alpha=0", &mnist },
    { "dec", "hidden=5,", &mnist },
    { "dec", "mask=1", &mnist },
    { "dec", "stage=5", &mnist },
    { "dec", "stage=1 system=dec", &mnist },
    { "dec", "system=dec", &plain },
    { "inversion", "alpha=1.5", &mnist },
    { "inversion", "layer_weights=1,,2", &mnist },
    { "inversion", "layer_weights=-1", &mnist },
    { "inversion", "", &tiny },
    { "inversion", "arch=bird10", &mnist },
    { "inversion", "arch=bird10", &brief },
    { "inversion", "arch=bird10 pooling=mean", &sound },
    { "inversion", "arch=bird10 unit_norm=true", &sound },
    { "pixelrnn", "levels=256 head_width=2", &colour },
    { "augconv", "wd_mode=after weight_decay=0.001", &colour },
    { "augconv", "arch=vgg", &sound },
    { "augconv", "arch=vgg", &tiny },
    { "augconv", "", &sound },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    lcl_model *m = NULL;
    lcl_status s = create(cases[i].model, cases[i].data, cases[i].options, &m);
    if (s != LCL_ERR_ARGUMENT)
      fail_msg("%s %s: status %d", cases[i].model, cases[i].options, (int)s);
    assert_null(m);
  }
}

/* ---- training ---- */

enum { BATCH = 20, STEPS = 25 };

static void feed_digits(world *w, lcl_program *p, const lcl_dataset *ds, int64_t first, float gain,
                        float shift) {
  float image[BATCH * 784];
  int32_t label[BATCH];
  for (int i = 0; i < BATCH; i++) {
    ASSERT_OK(lcl_dataset_example(ds, first + i, image + (ptrdiff_t)i * 784));
    label[i] = ds->labels[first + i];
  }
  for (int i = 0; i < BATCH * 784; i++) image[i] = image[i] * gain + shift;
  if (w->build.image) ASSERT_OK(lcl_feed(p, "image", image, sizeof image));
  if (w->build.unlabelled) ASSERT_OK(lcl_feed(p, "unlabelled", image, sizeof image));
  if (w->build.label) ASSERT_OK(lcl_feed(p, "label", label, sizeof label));
  if (w->build.side) {
    float radius[BATCH];
    for (int i = 0; i < BATCH; i++) radius[i] = 2;
    ASSERT_OK(lcl_feed(p, "side", radius, sizeof radius));
  }
}

/* Some steps on one batch of the built-in digits: the loss of the last few must be below that of
 * the first few. */
static void learns(void **state) {
  (void)state;
  static const struct {
    const char *model, *options;
    float rate;
    bool
        first_term; /* must fall instead: DEC's target sharpens along with what it is compared to */
  } cases[] = {
    { "ladder", "widths=40-20", 0.01f },
    { "ladder", "widths=40-20 g=amlp zbn_div=var", 0.01f },
    { "imsat", "hidden=40-40 init_mode=code", 0.01f },
    { "imsat", "hidden=40-40 system=imsat-rpt", 0.01f },
    { "imsat", "hidden=40-40 task=hash", 0.01f },
    { "imsat", "system=linear-rim", 0.0005f }, /* 784 pixels of one sign move a logit together */
    { "dec", "hidden=40,20 latent=5", 0.01f },
    { "dec", "hidden=40,20 latent=5 system=dec target=batch", 0.01f, true },
    { "inversion", "pooling=max", 0.003f },
  };
  lcl_dataset *ds;
  ASSERT_OK(lcl_dataset_synthetic(3, 0, BATCH, &ds));
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    world w = begin(cases[i].model, &mnist, cases[i].options, BATCH, BATCH);
    lcl_optimiser_desc adam = w.build.optimiser;
    adam.rate = cases[i].rate;
    lcl_minimise(w.build.loss, &adam);
    lcl_program *p;
    lcl_tensor *falls = cases[i].first_term ? w.build.terms[0].t : w.build.loss;
    ASSERT_OK(lcl_compile(w.graph, &(lcl_compile_desc) { .fetch = &falls, .n_fetch = 1 }, &p));
    bool imsat = strcmp(cases[i].model, "imsat") == 0;
    feed_digits(&w, p, ds, 0, imsat ? 255.0f / 128 : 1, imsat ? -1 : 0);
    double first = 0, last = 0;
    for (int step = 0; step < STEPS; step++) {
      float loss;
      ASSERT_OK(lcl_run(p));
      ASSERT_OK(lcl_fetch(p, "#0", &loss, sizeof loss));
      assert_true(isfinite(loss));
      if (step < 4) first += loss;
      if (step >= STEPS - 4) last += loss;
    }
    if (!(last < first))
      fail_msg("%s %s: loss %g at first, %g at last", cases[i].model, cases[i].options, first / 4,
               last / 4);
    lcl_program_destroy(p);
    end(&w);
  }
  lcl_dataset_close(ds);
}

/* Only the information term's pass moves the running statistics: after a step they are the same
 * with and without the passes on perturbed examples. */
static void statistics(void **state) {
  (void)state;
  static const char *const systems[] = { "hidden=12-12 system=deep-rim",
                                         "hidden=12-12 system=imsat-vat" };
  float mean[2][12], var[2][12];
  lcl_dataset *ds;
  ASSERT_OK(lcl_dataset_synthetic(3, 0, BATCH, &ds));
  for (int i = 0; i < 2; i++) {
    world w = begin("imsat", &mnist, systems[i], BATCH, 0);
    lcl_program *p;
    ASSERT_OK(
        lcl_compile(w.graph, &(lcl_compile_desc) { .fetch = &w.build.loss, .n_fetch = 1 }, &p));
    feed_digits(&w, p, ds, 0, 2, -1);
    ASSERT_OK(lcl_run(p));
    ASSERT_OK(lcl_store_read(w.store, "bn2.mean", mean[i], sizeof mean[i]));
    ASSERT_OK(lcl_store_read(w.store, "bn2.var", var[i], sizeof var[i]));
    lcl_program_destroy(p);
    end(&w);
  }
  for (int k = 0; k < 12; k++) {
    assert_true(mean[0][k] != 0 && var[0][k] != 1);
    assert_true(fabsf(mean[0][k] - mean[1][k]) <= 1e-5f * fabsf(mean[0][k]) + 1e-7f);
    assert_true(fabsf(var[0][k] - var[1][k]) <= 1e-5f * var[0][k]);
  }
  lcl_dataset_close(ds);
}

/* enc1.mean of a ladder after `first` steps on one batch and then `second` on another. */
static void ladder_mean(int first, int second, float mean[6]) {
  enum { N = 4, SIZE = 64 };
  static const lcl_model_data small = {
    .name = "test", .channels = 1, .height = 8, .width = 8, .classes = 3
  };
  static const int32_t label[N] = { 0, 1, 2, 0 };
  static float image[2][N * SIZE];
  world w = begin("ladder", &small, "widths=6-5 bn_test=running noise=0", N, N);
  lcl_program *p;
  lcl__philox_uniform(3, 3, 3, image[0], LCL_COUNT(image[0]));
  lcl__philox_normal(3, 4, 3, image[1], LCL_COUNT(image[1]));
  ASSERT_OK(lcl_compile(w.graph, &(lcl_compile_desc) { .fetch = &w.build.loss, .n_fetch = 1 }, &p));
  ASSERT_OK(lcl_feed(p, "label", label, sizeof label));
  for (int step = 0; step < first + second; step++) {
    ASSERT_OK(lcl_feed(p, "image", image[step >= first], sizeof image[0]));
    ASSERT_OK(lcl_feed(p, "unlabelled", image[step >= first], sizeof image[0]));
    ASSERT_OK(lcl_run(p));
  }
  ASSERT_OK(lcl_store_read(w.store, "enc1.mean", mean, 6 * sizeof *mean));
  lcl_program_destroy(p);
  end(&w);
}

/* A running mean weighs the newest batch by one over the number of steps, from the tenth on by a
 * tenth. */
static void ladder_running_mean(void **state) {
  (void)state;
  float a[6], b[6], fourth[6], thirteenth[6];
  ladder_mean(1, 0, a);
  ladder_mean(0, 1, b);
  ladder_mean(3, 1, fourth);
  ladder_mean(12, 1, thirteenth);
  for (int k = 0; k < 6; k++) {
    assert_true(fabsf(a[k] - b[k]) > 1e-2f);
    assert_float_equal(fourth[k], a[k] + (b[k] - a[k]) / 4, 1e-5);
    assert_float_equal(thirteenth[k], a[k] + (b[k] - a[k]) / 10, 1e-5);
  }
}

/* The loss of one training step that changes nothing; shares: DEC's shares of the clusters, or
 * NULL. */
static double loss_once(world *w, const float *shares, size_t n) {
  static float image[BATCH * 784];
  float loss;
  lcl_program *p;
  ASSERT_OK(lcl_compile(
      w->graph, &(lcl_compile_desc) { .fetch = &w->build.loss, .n_fetch = 1, .no_updates = true },
      &p));
  for (size_t i = 0; i < LCL_COUNT(image); i++) image[i] = (float)(i * 7919 % 1009) / 1009;
  if (shares) ASSERT_OK(lcl_store_write(w->store, "shares", shares, n * sizeof *shares));
  ASSERT_OK(lcl_feed(p, "image", image,
                     (size_t)lcl_shape_count(lcl_tensor_shape(w->build.image)) * sizeof *image));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", &loss, sizeof loss));
  lcl_program_destroy(p);
  return (double)loss;
}

/* DEC's target is q^2 over the cluster's share: a cluster that has none so far takes it whole. Then
 * the loss of an example is -log q of this cluster, and the q add up to 1. */
static void dec_target(void **state) {
  (void)state;
  enum { K = 4 };
  world w = begin("dec", &mnist, "system=dec target=batch hidden=7 latent=2 clusters=4", 1, 0);
  double sum = 0;
  for (int k = 0; k < K; k++) {
    float shares[K] = { 1, 1, 1, 1 };
    shares[k] = 0;
    sum += exp(-loss_once(&w, shares, K));
  }
  if (!(fabs(sum - 1) < 1e-3)) fail_msg("the memberships add up to %g", sum);
  end(&w);
}

/* Masking takes pixels away and leaves the others as they are. */
static void dec_mask(void **state) {
  (void)state;
  world all = begin("dec", &mnist, "hidden=7 latent=2 mask=0", BATCH, 0),
        few = begin("dec", &mnist, "hidden=7 latent=2 mask=0.99", BATCH, 0);
  const double whole = loss_once(&all, NULL, 0), masked = loss_once(&few, NULL, 0);
  if (!(masked != whole && fabs(masked / whole - 1) < 0.5))
    fail_msg("the loss is %g, with 1 of 100 pixels %g", whole, masked);
  end(&all);
  end(&few);
}

/* Pixels become v/128 - 1 for v to 255, features stay, whatever the format. */
static void imsat_scaling(void **state) {
  (void)state;
  lcl_model_data d = { .channels = 1, .height = 1, .width = 20, .classes = 3 };
  static const char *const formats[] = { "idx", "npy", "images" };
  for (size_t i = 0; i < LCL_COUNT(formats); i++)
    for (int features = 0; features < 2; features++) {
      lcl_model *m;
      snprintf(d.name, sizeof d.name, "%s", formats[i]);
      d.features = features;
      ASSERT_OK(create("imsat", &d, "", &m));
      assert_float_equal(m->settings.prep.gain, features ? 0 : 255.0f / 128, 0);
      assert_float_equal(m->settings.prep.shift, features ? 0 : -1, 0);
      lcl_model_destroy(m);
    }
}

/* What IMSAT's systems weigh the terms by, decay the parameters by and perturb by when nothing is
 * given. */
static void imsat_defaults(void **state) {
  (void)state;
  static const struct {
    const char *options;
    double lam, mu, weight_decay, alpha;
  } cases[] = {
    { "hidden=9-9", 0.1, 4, 0, 0.25 },
    { "hidden=9-9 system=imsat-rpt", 0.1, 4, 0, 2 },
    { "system=linear-vat", 1.6, 4, 0, 0.25 },
    { "hidden=9-9 system=deep-rim", 1, 1, 0.005, 0 },
    { "system=linear-rim", 1, 1, 0.005, 0 },
    { "hidden=9-9 lam=0.7 mu=3 alpha=0.5 weight_decay=0.01", 0.7, 3, 0.01, 0.5 },
  };
  enum { POINTS = 40 };
  static float image[POINTS * 784], distance[POINTS];
  lcl_dataset *ds;
  ASSERT_OK(lcl_dataset_synthetic(3, 0, POINTS, &ds));
  for (int i = 0; i < POINTS; i++)
    ASSERT_OK(lcl_dataset_example(ds, i, image + (ptrdiff_t)i * 784));
  ASSERT_OK(lcl__neighbour_distance(ctx, image, POINTS, 784, 11, distance));
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    world w = begin("imsat", &mnist, cases[i].options, BATCH, 0);
    assert_float_equal(w.model->settings.optimiser.weight_decay, cases[i].weight_decay, 1e-9);
    ASSERT_OK(
        w.model->cls->prepare(w.model, ctx, &(lcl_model_examples) { POINTS, 784, image, NULL, 0 }));
    assert_true((w.model->side != NULL) == (cases[i].alpha > 0));
    for (int k = 0; k < POINTS && w.model->side; k++)
      assert_float_equal(w.model->side[k], cases[i].alpha * (double)distance[k], 1e-4);
    lcl_tensor *fetch[4] = { w.build.loss };
    for (int k = 0; k < w.build.n_terms; k++) fetch[k + 1] = w.build.terms[k].t;
    float v[4] = { 0 }; /* loss, conditional and marginal entropy, smoothness */
    lcl_program *p;
    ASSERT_OK(lcl_compile(
        w.graph, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = w.build.n_terms + 1 }, &p));
    feed_digits(&w, p, ds, 0, 255.0f / 128, -1);
    ASSERT_OK(lcl_run(p));
    for (int k = 0; k <= w.build.n_terms; k++) {
      char name[16];
      snprintf(name, sizeof name, "#%d", k);
      ASSERT_OK(lcl_fetch(p, name, &v[k], sizeof v[k]));
    }
    const double want = (double)v[3] + cases[i].lam * ((double)v[1] - cases[i].mu * (double)v[2]);
    assert_true(v[2] > 2 && fabs((double)v[0] - want) < 1e-5);
    lcl_program_destroy(p);
    end(&w);
  }
  lcl_dataset_close(ds);
}

/* ---- the adversarial direction ---- */

enum { N = 6, F = 9, K = 4 };

static lcl_tensor *linear_net(void *user, lcl_tensor *x) {
  return lcl_matmul(x, user, false, true);
}

static lcl_tensor *categorical(void *user, lcl_tensor *p, lcl_tensor *q) {
  (void)user;
  return lcl_kl_categorical(p, q);
}

static void softmax_of(const double *w, const double *x, double *p) {
  double sum = 0;
  for (int k = 0; k < K; k++) {
    p[k] = 0;
    for (int f = 0; f < F; f++) p[k] += w[k * F + f] * x[f];
    sum += p[k] = exp(p[k]);
  }
  for (int k = 0; k < K; k++) p[k] /= sum;
}

/* f(x) = W x: the direction is that of W^T (softmax(W(x + xi d)) - softmax(W x)), d the unit normal
 * sample; in single precision whatever the graph's is, which it keeps. */
static void vat_in(lcl_dtype precision) {
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_store_create(ctx, 5, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  ASSERT_OK(lcl_graph_precision(g, precision));
  float w[K * F], x[N * F], radius[N], noise[N * F], got[N * F];
  for (int i = 0; i < K * F; i++) w[i] = (float)((i * 37) % 19 - 9) / 9;
  for (int i = 0; i < N * F; i++) x[i] = (float)((i * 23) % 17 - 8) / 8;
  for (int i = 0; i < N; i++) radius[i] = 0.5f + (float)i;
  const float xi = 0.5f;
  lcl_tensor *tx = lcl_input(g, "x", LCL_F32, LCL_SHAPE(N, F)),
             *tr = lcl_const_data(g, LCL_F32, LCL_SHAPE(N, 1), radius);
  lcl_tensor *tw = lcl_const_data(g, LCL_F32, LCL_SHAPE(K, F), w);
  lcl_tensor *r = lcl_vat_direction(tx, tr, xi, 1, linear_net, categorical, tw), *normal = NULL;
  for (size_t i = 0; i < g->nodes.n; i++)
    if (g->nodes.data[i]->op->flags & LCL_OP_RANDOM) normal = &g->nodes.data[i]->out[0];
  assert_non_null(normal);
  assert_int_equal(lcl__graph_precision(g), precision);
  lcl_program *p;
  ASSERT_OK(lcl_compile(
      g, &(lcl_compile_desc) { .fetch = (lcl_tensor *[]) { r, normal }, .n_fetch = 2 }, &p));
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", got, sizeof got));
  ASSERT_OK(lcl_fetch(p, "#1", noise, sizeof noise));
  double dw[K * F];
  for (int i = 0; i < K * F; i++) dw[i] = (double)w[i];
  for (int n = 0; n < N; n++) {
    double norm = 0, at[F], moved[F], q[K], s[K], gradient[F] = { 0 }, length = 0;
    for (int f = 0; f < F; f++) norm += (double)noise[n * F + f] * (double)noise[n * F + f];
    for (int f = 0; f < F; f++) {
      at[f] = (double)x[n * F + f];
      moved[f] = at[f] + (double)xi * (double)noise[n * F + f] / sqrt(norm);
    }
    softmax_of(dw, at, q);
    softmax_of(dw, moved, s);
    for (int f = 0; f < F; f++)
      for (int k = 0; k < K; k++) gradient[f] += dw[k * F + f] * (s[k] - q[k]);
    for (int f = 0; f < F; f++) length += gradient[f] * gradient[f];
    for (int f = 0; f < F; f++) {
      double want = (double)radius[n] * gradient[f] / sqrt(length);
      /* s - q loses digits: their rounding, 8 eps of 1, against the gradient's length. */
      double bound = (double)radius[n] * (32 * 6e-8 + 8 * 6e-8 * K / sqrt(length));
      if (!(fabs((double)got[n * F + f] - want) <= bound))
        fail_msg("row %d: got %.7g, expected %.7g within %.2g", n, (double)got[n * F + f], want,
                 bound);
    }
  }
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

static void vat(void **state) {
  (void)state;
  vat_in(LCL_F32);
  vat_in(LCL_F16);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(sizes),         cmocka_unit_test(switches),
    cmocka_unit_test(presets),       cmocka_unit_test(public_code),
    cmocka_unit_test(untrained),     cmocka_unit_test(refused),
    cmocka_unit_test(learns),        cmocka_unit_test(statistics),
    cmocka_unit_test(imsat_scaling), cmocka_unit_test(imsat_defaults),
    cmocka_unit_test(vat),           cmocka_unit_test(dec_target),
    cmocka_unit_test(dec_mask),      cmocka_unit_test(ladder_running_mean),
  };
  const char *only = getenv("LCL_TEST_ONLY");
  if (only) cmocka_set_test_filter(only);
  return cmocka_run_group_tests(tests, setup, teardown);
}
