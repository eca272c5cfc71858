/* Every option of every model does something: with another value, settings, the way the data are
 * opened, a graph, first values, the table of examples or the score differ. Walks the option tables
 * of the classes, so that an option without a case fails. */
#include "context.h"

#include <math.h>
#include <xxhash.h>

#include "graph/internal.h"
#include "latentcl/nn.h"
#include "models/build.h"

static const lcl_model_data grey = {
  .name = "idx", .channels = 1, .height = 28, .width = 28, .classes = 10, .train = 600
};
static const lcl_model_data colour = {
  .name = "cifar10", .channels = 3, .height = 32, .width = 32, .classes = 10, .train = 600
};
static const lcl_model_data sound = {
  .name = "test", .channels = 1, .height = 1, .width = 22050, .classes = 10, .train = 600
};

/* ---- what a model is, as one number ---- */

static void add(XXH64_state_t *h, const void *data, size_t n) {
  XXH64_update(h, data, n);
}

static void add_variables(XXH64_state_t *h, lcl_store *store) {
  for (size_t i = 0; i < lcl_store_count(store); i++) {
    const lcl_var_info v = lcl_store_info(store, i);
    const size_t bytes = (size_t)lcl_shape_count(v.shape) * lcl_dtype_size(v.dtype);
    void *data = lcl__alloc(bytes);
    ASSERT_OK(lcl_store_read(store, v.name, data, bytes));
    add(h, v.name, strlen(v.name));
    add(h, &v.trainable, sizeof v.trainable);
    add(h, data, bytes);
    lcl__free(data);
  }
}

/* Members one by one: what lies between them in memory is anything. */
#define ADD(h, member) add(h, &(member), sizeof(member))

static void add_shape(XXH64_state_t *h, lcl_shape s) {
  add(h, s.dim, sizeof s.dim[0] * (size_t)s.rank);
}

static void add_node(XXH64_state_t *h, const lcl_node *node) {
  add(h, node->op->name, strlen(node->op->name));
  if (node->name) add(h, node->name, strlen(node->name));
  for (int i = 0; i < node->n_in; i++) {
    add(h, &node->in[i]->node->id, sizeof(int));
    add(h, &node->in[i]->index, sizeof(int));
  }
  for (int i = 0; i < node->n_out; i++) add_shape(h, node->out[i].shape);
  if (node->op == &lcl__op_const_data) {
    const lcl_const_data_attr *a = node->attr;
    add(h, a->data, a->bytes);
  } else if (!node->name && node->attr) { /* those of inputs and variables hold addresses */
    add(h, node->attr, node->op->attr_size);
  }
}

/* The optimiser without its tensors. */
static void add_optimiser(XXH64_state_t *h, const lcl_optimiser_desc *d) {
  ADD(h, d->kind), ADD(h, d->rate), ADD(h, d->beta1), ADD(h, d->beta2), ADD(h, d->eps);
  ADD(h, d->damping), ADD(h, d->eps_outside), ADD(h, d->l1), ADD(h, d->l2);
  ADD(h, d->weight_decay), ADD(h, d->clip_value), ADD(h, d->clip_norm), ADD(h, d->n_params),
      ADD(h, d->l1), ADD(h, d->l2);
  ADD(h, d->loss_scale);
}

static void add_schedule(XXH64_state_t *h, const lcl_schedule *s) {
  ADD(h, s->kind), ADD(h, s->lr), ADD(h, s->factor), ADD(h, s->every), ADD(h, s->from);
  ADD(h, s->until), ADD(h, s->warmup);
}

static void add_settings(XXH64_state_t *h, const lcl_settings *s) {
  const lcl_prep_desc *p = &s->prep;
  ADD(h, s->epochs), ADD(h, s->batch), ADD(h, s->unlabelled_batch), ADD(h, s->unlabelled);
  ADD(h, s->fresh_batches), ADD(h, s->labels_per_class), ADD(h, s->subset);
  ADD(h, p->colour), ADD(h, p->contrast), ADD(h, p->centre), ADD(h, p->gcn_scale);
  ADD(h, p->zca_eps), ADD(h, p->gain), ADD(h, p->shift), ADD(h, p->crop), ADD(h, p->mirror);
  ADD(h, p->augment_shift), ADD(h, p->augment_rotate), ADD(h, p->augment_scale);
  ADD(h, p->augment_crop), ADD(h, p->augment_cutout);
  if (s->class_weights) add(h, s->class_weights, strlen(s->class_weights));
  ADD(h, s->precision), ADD(h, s->no_augment), ADD(h, s->range_lo), ADD(h, s->range_hi),
      ADD(h, s->patience), ADD(h, s->refresh_every), ADD(h, s->select_last),
      ADD(h, s->validate_every);
  ADD(h, s->higher_is_better), ADD(h, s->calibrate);
  if (s->select) add(h, s->select, strlen(s->select));
  add_optimiser(h, &s->optimiser);
  add_schedule(h, &s->schedule);
}

static void add_data_desc(XXH64_state_t *h, const lcl_data_desc *d) {
  ADD(h, d->valid), ADD(h, d->split_random), ADD(h, d->merge), ADD(h, d->seed);
  ADD(h, d->binarise), ADD(h, d->synthetic_train), ADD(h, d->synthetic_test);
  ADD(h, d->image_size), ADD(h, d->grey), ADD(h, d->segment_ms), ADD(h, d->overlap);
  ADD(h, d->test_share), ADD(h, d->types), ADD(h, d->copies), ADD(h, d->reduce);
  if (d->prefer) add(h, d->prefer, strlen(d->prefer));
  if (d->parts) add(h, d->parts, strlen(d->parts));
  if (d->only) add(h, d->only, strlen(d->only));
}

static bool first_values = true; /* whether they count: they take longest */

static void add_graph(XXH64_state_t *h, const lcl_model *m, lcl_model_mode mode) {
  lcl_store *store;
  lcl_graph *g;
  lcl_build b;
  ASSERT_OK(lcl_store_create(ctx, 5, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  if (lcl__build_init(&b, m, g, mode, 10, 10) == LCL_OK) {
    for (size_t i = 0; i < g->nodes.n; i++) add_node(h, g->nodes.data[i]);
    add_optimiser(h, &b.optimiser);
    if (mode == LCL_MODE_TRAIN && first_values) add_variables(h, store);
  } else {
    assert_true(mode != LCL_MODE_TRAIN && mode != LCL_MODE_EVAL);
  }
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

enum { EXAMPLES = 120, WIDTH = 16 };

static void add_table(XXH64_state_t *h, lcl_model *m) {
  if (!m->cls->prepare) return;
  const int64_t size = m->data.channels * m->data.height * m->data.width;
  float *images = lcl__alloc((size_t)(EXAMPLES * size) * sizeof *images);
  for (int64_t i = 0; i < EXAMPLES * size; i++) images[i] = (float)(i * 7919 % 1009) / 1009;
  ASSERT_OK(m->cls->prepare(m, ctx, &(lcl_model_examples) { EXAMPLES, size, images, NULL, 0 }));
  if (m->side) add(h, m->side, EXAMPLES * (size_t)m->side_width * sizeof(float));
  lcl__free(images);
}

static void add_score(XXH64_state_t *h, const lcl_model *m) {
  int32_t label[EXAMPLES], prediction[EXAMPLES];
  float code[EXAMPLES * WIDTH];
  lcl_metrics metrics = { 0 };
  if (!m->cls->score) return;
  for (int i = 0; i < EXAMPLES; i++) {
    label[i] = i % 10;
    prediction[i] = (i * i / 7) % 10;
  }
  for (int i = 0; i < EXAMPLES * WIDTH; i++) code[i] = (float)((i * 7919 % 1009) % 2);
  const lcl_model_table t = { "all", EXAMPLES, label, prediction, code, WIDTH, 1 };
  ASSERT_OK(m->cls->score(m, &t, &metrics));
  for (int i = 0; i < metrics.n; i++) add(h, &metrics.item[i].value, sizeof(double));
}

/* One option at a time is set: "a=1 b=2". false: the class refuses the value for these data. */
static bool fingerprint(const lcl_model_class *cls, const lcl_model_data *data,
                        const char *const texts[3], uint64_t *out) {
  lcl_options *o;
  lcl_model *m;
  ASSERT_OK(lcl_model_options(cls, &o));
  for (int i = 0; i < 3; i++) {
    char copy[256], *rest = copy;
    snprintf(copy, sizeof copy, "%s", texts[i]);
    for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
      ASSERT_OK(lcl_options_set_pair(o, one));
  }
  lcl_data_desc d = { 0 };
  ASSERT_OK(lcl_model_data_desc(cls, o, &d));
  const bool accepted = lcl_model_create(cls, o, data, &m) == LCL_OK;
  XXH64_state_t *h = XXH64_createState();
  XXH64_reset(h, 0);
  add_data_desc(h, &d); /* d has texts of o */
  lcl_options_destroy(o);
  if (!accepted) {
    XXH64_freeState(h);
    return false;
  }
  add_settings(h, &m->settings);
  add_table(h, m);
  for (int mode = LCL_MODE_TRAIN; mode <= LCL_MODE_CALIBRATE; mode++)
    add_graph(h, m, (lcl_model_mode)mode);
  add_score(h, m);
  *out = XXH64_digest(h);
  XXH64_freeState(h);
  lcl_model_destroy(m);
  return true;
}

/* ---- cases ---- */

/* Another value of an option, and what else it needs to matter. Of a choice every value is tried,
 * of a switch both. */
typedef struct effect {
  const char *option, *value, *with;
} effect;

typedef struct model_case {
  const char *model, *base; /* base: small sizes */
  const lcl_model_data *data;
  effect effects[16];
} model_case;

static const model_case cases[] = {
  { "semantic-noise",
    "arch=mlp",
    &grey,
    { { "arch", NULL, "" },
      { "lambda1", "0.7", "" },
      { "lambda2", "0.7", "" },
      { "perturb_std", "0.7", "" },
      { "denoise_std", "0.7", "" },
      { "denoise_where", NULL, "denoise_std=0.1" },
      { "denoise_target", NULL, "denoise_std=0.1 denoise_where=every_layer variant=recon-all" } } },
  { "imsat",
    "hidden=9-8 queries=4",
    &grey,
    { { "clusters", "7", "" },
      { "bits", "5", "task=hash" },
      { "hidden", "9-7", "" },
      { "lam", "0.7", "" },
      { "mu", "0.7", "" },
      { "orthonormal", "0.7", "task=hash system=deep-hash" },
      { "alpha", "0.7", "" },
      { "nn_index", "3", "" },
      { "xi", "0.7", "" },
      { "power_iterations", "2", "" },
      { "types", "3", "" },
      { "copies", "3", "" },
      { "parts", NULL, "" },
      { "reduce", "3", "" },
      { "queries", "3", "task=hash" },
      { "ap_mode", NULL, "task=hash" } } },
  { "dec",
    "hidden=9,8 latent=4",
    &grey,
    { { "clusters", "7", "system=dec" },
      { "hidden", "9,7", "" },
      { "latent", "3", "" },
      { "mask", "0.7", "" },
      { "stage", "2", "" },
      { "target", NULL, "system=dec" },
      { "update_interval", "7", "system=dec" },
      { "types", "3", "" },
      { "copies", "3", "" },
      { "parts", NULL, "" },
      { "reduce", "3", "" } } },
  { "inversion",
    "",
    &grey,
    { { "layer_weights", "1,0.5", "" },
      { "alpha_to", "0.7", "weights=linear" },
      { "beta_to", "0.7", "weights=linear" },
      { "weights_over", "7", "weights=linear alpha_to=0.9" },
      { "weights_rate", "0.7", "weights=learned" },
      { "template_norm", "0.7", "" },
      { "w_template", "0.7", "template_norm=0.1" },
      { "alpha", "0.7", "" },
      { "beta", "0.7", "" },
      { "global_mean", NULL, "arch=large-cnn" } } },
  { "ladder",
    "widths=9-8",
    &grey,
    { { "widths", "9-7", "" },
      { "lambda", "7,1", "" },
      { "noise", "0.7", "" },
      { "amlp_hidden", "3", "g=amlp" } } },
  { "pixelrnn",
    "hidden=3",
    &grey,
    { { "layers", "2", "" },
      { "hidden", "4", "" },
      { "head_layers", "1", "" },
      { "head_width", "7", "" } } },
  { "augconv",
    "maps=3,4,5",
    &grey,
    { { "fc_layers", "1", "arch=vgg width=2" },
      { "maps", "3,4,6", "" },
      { "kernels", "5,4,3", "" },
      { "wide_kernels", "9,3", "variant=conv" },
      { "width", "3", "arch=vgg variant=baseline" },
      { "dropout", "0.5", "arch=vgg width=2 variant=baseline" },
      { "batch_norm", NULL, "arch=vgg width=2 variant=baseline" },
      { "wd_mode", NULL, "arch=vgg width=2 variant=baseline" } } },
  { "vae",
    "maps=3",
    &grey,
    { { "n_interspersed_fc", "1", "" },
      { "maps", "4", "" },
      { "hidden", "9,7", "arch=mlp" },
      { "latent_size", "7", "arch=mlp" },
      { "leapfrog", "3", "latent=hamiltonian" } } },
  { "m1",
    "hidden=9,8 latent_size=5",
    &grey,
    { { "hidden", "9,7", "" }, { "latent_size", "6", "" }, { "classifier_hidden", "7", "" } } },
  { "m2",
    "latent=5",
    &grey,
    { { "latent", "6", "" },
      { "maps", "3,5", "" },
      { "w_l", "0.7", "" },
      { "w_c", "0.7", "" },
      { "m1_hidden", "9,7", "input=m1" },
      { "m1_latent_size", "7", "input=m1" },
      { "units", "7", "input=m1" },
      { "sample_trials", "7", "" } } },
  { "two-head",
    "latent=5",
    &grey,
    { { "latent", "6", "" },
      { "maps", "3,5", "" },
      { "w_l", "0.7", "" },
      { "w_c", "0.7", "" },
      { "m1_hidden", "9,7", "input=m1" },
      { "m1_latent_size", "7", "input=m1" },
      { "units", "7", "input=m1" },
      { "sample_trials", "7", "" } } },
  { "vae-ladder",
    "layers=9,8",
    &grey,
    { { "layers", "9,7", "" },
      { "w_r", "0.7", "" },
      { "w_kl", "0.7", "" },
      { "w_c", "0.7", "" },
      { "most_logvar", "-3", "" },
      { "noise", "0.7", "" },
      { "lateral", NULL, "variant=mlp" } } },
  { "vae-ladder-control",
    "layers=9,8",
    &grey,
    { { "layers", "9,7", "" },
      { "latent", "7", "" },
      { "noise", "0.7", "" },
      { "lambda1", "0.7", "" },
      { "lambda_rest", "0.7", "" },
      { "w_vae", "0.7", "" } } },
};

/* The common options; what training makes of them is tested where it runs. */
static const effect common[] = {
  { "epochs", "7", "" },
  { "batch", "7", "" },
  { "unlabelled_batch", "7", "" },
  { "labels_per_class", "7", "" },
  { "subset", "7", "" },
  { "validation", "7", "" },
  { "only_classes", "1,2", "" },
  { "lr", "0.7", "" },
  { "lr_factor", "0.7", "" },
  { "lr_every", "7", "" },
  { "lr_from", "7", "" },
  { "lr_until", "7", "" },
  { "lr_warmup", "7", "" },
  { "weight_decay", "0.7", "" },
  { "l1", "0.7", "" },
  { "l2", "0.7", "" },
  { "top_k", "2", "" },
  { "select_last", "7", "" },
  { "validate_every", "7", "" },
  { "clip_norm", "0.7", "" },
  { "patience", "7", "" },
  { "augment", "rotate=7", "" },
  { "class_weights", "balanced", "" },
};

static const effect *find(const effect *list, size_t n, const char *option) {
  for (size_t i = 0; i < n && list[i].option; i++)
    if (strcmp(list[i].option, option) == 0) return &list[i];
  return NULL;
}

/* Values to tell apart, the default first; NULL ends them. */
static void values_of(const lcl_option *o, const effect *e, char values[8][40]) {
  static const char *const switches = "false|true";
  const char *text = o->type == LCL_OPTION_BOOL ? switches : o->allowed;
  memset(values, 0, 8 * sizeof values[0]);
  if (o->type != LCL_OPTION_CHOICE && o->type != LCL_OPTION_BOOL) {
    if (!e || !e->value) fail_msg("option %s has no case: give it another value", o->name);
    snprintf(values[1], sizeof values[1], "%s", e->value);
    return;
  }
  for (int i = 0; *text && i < 8; i++) {
    const size_t n = strcspn(text, "|");
    snprintf(values[i], sizeof values[i], "%.*s", (int)n, text);
    text += n + (text[n] == '|');
  }
}

/* Any two values of the option tell apart ("auto" is one of the others). */
static void check_option(const lcl_model_class *cls, const model_case *c, const lcl_option *o,
                         const effect *e) {
  char values[8][40];
  uint64_t seen[8];
  int n = 0;
  const lcl_model_data *data = c->data;
  const char *with = e ? e->with : "";
  if (strcmp(o->name, "colours") == 0 || strcmp(o->name, "mask_groups") == 0) {
    data = &colour;
    with = "levels=256 colours=rgb";
  }
  values_of(o, e, values);
  for (int i = 0; i < 8; i++) {
    char pair[400] = "";
    if (i > 1 && !values[i][0]) break;
    if (strcmp(values[i], "auto") == 0) continue;
    if (values[i][0]) snprintf(pair, sizeof pair, "%s=%s", o->name, values[i]);
    if (!fingerprint(cls, data, (const char *const[]) { c->base, with, pair }, &seen[n])) continue;
    for (int k = 0; k < n; k++)
      if (seen[k] == seen[n])
        fail_msg("%s: option %s=%s changes nothing (beside \"%s %s\")", cls->name, o->name,
                 values[i], c->base, with);
    n++;
  }
  if (n < 2) fail_msg("%s: only %d value of option %s was taken", cls->name, n, o->name);
}

static void every_option_of_every_model(void **state) {
  (void)state;
  assert_int_equal(lcl_model_count(), LCL_COUNT(cases));
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const lcl_model_class *cls;
    uint64_t once, again;
    ASSERT_OK(lcl_model_find(cases[i].model, &cls));
    lcl_options *o;
    ASSERT_OK(lcl_model_options(cls, &o));
    for (size_t k = 0; k < cls->n_options; k++) ASSERT_OK(lcl__check_when(o, k));
    lcl_options_destroy(o);
    const char *const base[] = { cases[i].base, "", "" };
    assert_true(fingerprint(cls, cases[i].data, base, &once));
    assert_true(fingerprint(cls, cases[i].data, base, &again));
    assert_true(once == again);
    for (size_t k = 0; k < cls->n_options; k++) {
      const effect *e = find(cases[i].effects, LCL_COUNT(cases[i].effects), cls->options[k].name);
      check_option(cls, &cases[i], &cls->options[k], e);
    }
  }
}

static void every_common_option(void **state) {
  (void)state;
  const lcl_model_class *cls;
  size_t n;
  const lcl_option *o = lcl_common_options(&n);
  for (size_t k = 0; k < n; k++) {
    if (strcmp(o[k].name, "data_seed") == 0) continue; /* read where the data are opened */
    size_t i = 0;
    const char *model = strcmp(o[k].name, "class_weights") == 0 || strcmp(o[k].name, "top_k") == 0
                            ? "augconv"
                            : "dec";
    while (strcmp(cases[i].model, model) != 0) i++;
    ASSERT_OK(lcl_model_find(model, &cls));
    check_option(cls, &cases[i], &o[k], find(common, LCL_COUNT(common), o[k].name));
  }
}

/* What the network inversion weighs labels by when nothing is given depends on the architecture. */
static void inversion_defaults(void **state) {
  (void)state;
  static const char *const weights[][2] = { { "arch=small-cnn", "alpha=0.6" },
                                            { "arch=resnet3-16", "alpha=0.6" },
                                            { "arch=large-cnn", "alpha=0.3" } };
  const lcl_model_class *cls;
  ASSERT_OK(lcl_model_find("inversion", &cls));
  for (size_t i = 0; i < LCL_COUNT(weights); i++) {
    uint64_t given, none;
    assert_true(fingerprint(cls, &grey, (const char *const[]) { weights[i][0], "", "" }, &none));
    assert_true(fingerprint(cls, &grey, (const char *const[]) { weights[i][0], weights[i][1], "" },
                            &given));
    assert_true(given == none);
  }
}

/* ---- where options matter, and where training refuses them ---- */

static bool used(const lcl_model_class *cls, const lcl_model_data *data, const char *base,
                 const char *pair, const char *option) {
  lcl_options *o;
  char copy[256], *rest = copy;
  ASSERT_OK(lcl_model_options(cls, &o));
  snprintf(copy, sizeof copy, "%s %s", base, pair);
  for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
    ASSERT_OK(lcl_options_set_pair(o, one));
  const bool is = lcl__check_option_used(cls, o, data, option) == LCL_OK;
  lcl_options_destroy(o);
  return is;
}

/* How many values of the option the model takes beside the others, and whether they differ. */
static int count_values(const lcl_model_class *cls, const lcl_model_data *data, const char *base,
                        const char *beside, const lcl_option *o, const effect *e, bool *differ) {
  char values[8][40], pair[96];
  uint64_t first = 0, next;
  int n = 0;
  *differ = false;
  values_of(o, e, values);
  for (int i = 0; i < 8 && (i < 2 || values[i][0]); i++) {
    if (strcmp(values[i], "auto") == 0) continue;
    *pair = '\0';
    if (values[i][0]) snprintf(pair, sizeof pair, "%.40s=%.40s", o->name, values[i]);
    if (!fingerprint(cls, data, (const char *const[]) { base, beside, pair }, &next)) continue;
    if (n++ == 0) first = next;
    *differ |= next != first;
  }
  return n;
}

/* What lcl_option.when cannot say. */
static const struct {
  const char *model, *option, *beside; /* beside NULL: anything */
} known[] = {
  /* matters to system=deep-hash */
  { "imsat", "mu", "task=hash" },
  /* matter beside a lambda that is given */
  { "ladder", "zbn_stats", "variant=bottom" },
  { "ladder", "zbn_div", "variant=bottom" },
  { "ladder", "zbn_stats", "variant=baseline" },
  { "ladder", "zbn_div", "variant=baseline" },
  { "ladder", "g", "variant=baseline" },
  /* matter to the first values, which are left out here */
  { "inversion", "alpha", "weights=learned" },
  { "inversion", "beta", "weights=learned" },
  /* in the graph, but nothing reads it there */
  { "pixelrnn", "mask_groups", NULL },
  { "semantic-noise", "recon_target_sg", "variant=recon-one" },
};

static bool is_known(const char *model, const char *option, const char *beside) {
  bool is = false;
  for (size_t i = 0; i < LCL_COUNT(known); i++)
    is |= strcmp(model, known[i].model) == 0 && strcmp(option, known[i].option) == 0 &&
          (!known[i].beside || strcmp(beside, known[i].beside) == 0);
  return is;
}

static void check_where(const lcl_model_class *cls, const lcl_model_data *data, const model_case *c,
                        const char *beside) {
  for (size_t k = 0; k < cls->n_options; k++) {
    const lcl_option *o = &cls->options[k];
    bool differ;
    if (strncmp(o->name, "init", 4) == 0 || is_known(cls->name, o->name, beside)) continue;
    const int n = count_values(cls, data, c->base, beside, o,
                               find(c->effects, LCL_COUNT(c->effects), o->name), &differ);
    if (n > 1 && used(cls, data, c->base, beside, o->name) != differ)
      fail_msg("%s (%d channels), \"%s %s\": option %s %s, but training %s it", cls->name,
               (int)data->channels, c->base, beside, o->name,
               differ ? "matters" : "changes nothing", differ ? "refuses" : "takes");
  }
}

/* Beside every value of every choice. */
static void where_options_matter(void **state) {
  (void)state;
  const lcl_model_data *const data[] = { &grey, &colour, &sound };
  first_values = false;
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const lcl_model_class *cls;
    ASSERT_OK(lcl_model_find(cases[i].model, &cls));
    for (size_t d = 0; d < LCL_COUNT(data); d++) {
      check_where(cls, data[d], &cases[i], "");
      for (size_t k = 0; k < cls->n_options; k++) {
        char values[8][40], pair[96];
        if (cls->options[k].type != LCL_OPTION_CHOICE && cls->options[k].type != LCL_OPTION_BOOL)
          continue;
        values_of(&cls->options[k], NULL, values);
        for (int v = 0; v < 8 && values[v][0]; v++) {
          snprintf(pair, sizeof pair, "%.40s=%.40s", cls->options[k].name, values[v]);
          check_where(cls, data[d], &cases[i], pair);
        }
      }
    }
  }
  first_values = true;
}

/* ---- what evaluation must not do ---- */

/* No noise, no dropout and no update in the graphs of evaluation; the variational models' bound is
 * the one value that is sampled. */
static void check_evaluation(const lcl_model_class *cls, const lcl_model_data *data,
                             const char *base, const char *pair) {
  static const char *const sampled[] = { "vae", "m2", "two-head", "vae-ladder",
                                         "vae-ladder-control" };
  bool random = false;
  lcl_options *o;
  lcl_model *m;
  for (size_t i = 0; i < LCL_COUNT(sampled); i++) random |= strcmp(cls->name, sampled[i]) == 0;
  ASSERT_OK(lcl_model_options(cls, &o));
  char copy[256], *rest = copy;
  snprintf(copy, sizeof copy, "%s %s", base, pair);
  for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
    ASSERT_OK(lcl_options_set_pair(o, one));
  const bool accepted = lcl_model_create(cls, o, data, &m) == LCL_OK;
  lcl_options_destroy(o);
  if (!accepted) return;
  lcl_store *store;
  lcl_graph *g;
  lcl_build b;
  ASSERT_OK(lcl_store_create(ctx, 5, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  const bool built = lcl__build_init(&b, m, g, LCL_MODE_EVAL, 10, 10) == LCL_OK;
  assert_true(built || data != &grey);
  for (size_t i = 0; i < g->nodes.n && built; i++) {
    const unsigned flags = g->nodes.data[i]->op->flags;
    if (flags & LCL_OP_UPDATE) fail_msg("%s %s: evaluation changes a variable", cls->name, pair);
    if ((flags & LCL_OP_RANDOM) && !random) fail_msg("%s %s: noise in evaluation", cls->name, pair);
  }
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_model_destroy(m);
}

static void evaluation_without_noise(void **state) {
  (void)state;
  const lcl_model_data *const data[] = { &grey, &colour, &sound };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const lcl_model_class *cls;
    ASSERT_OK(lcl_model_find(cases[i].model, &cls));
    for (size_t k = 0; k < cls->n_options; k++) {
      char values[8][40], pair[96];
      if (cls->options[k].type != LCL_OPTION_CHOICE && cls->options[k].type != LCL_OPTION_BOOL)
        continue;
      values_of(&cls->options[k], NULL, values);
      for (int v = 0; v < 8 && values[v][0]; v++)
        for (size_t d = 0; d < LCL_COUNT(data); d++) {
          snprintf(pair, sizeof pair, "%.40s=%.40s", cls->options[k].name, values[v]);
          check_evaluation(cls, data[d], cases[i].base, pair);
        }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(every_option_of_every_model),
                                      cmocka_unit_test(every_common_option),
                                      cmocka_unit_test(inversion_defaults),
                                      cmocka_unit_test(where_options_matter),
                                      cmocka_unit_test(evaluation_without_noise) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
