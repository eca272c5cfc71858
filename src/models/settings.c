/* The options every model has, and the learning-rate schedules. */
#include <math.h>

#include "base/text.h"
#include "models/build.h"

static const lcl_option common[] = {
  { "epochs", LCL_OPTION_INT, "",
    "passes over the training images (the unlabelled ones where there are any); the model's own "
    "lr_every, lr_from and lr_until keep their share of them",
    "[1,1e7]" },
  { "batch", LCL_OPTION_INT, "", "examples in a step", "[1,1e6]" },
  { "unlabelled_batch", LCL_OPTION_INT, "", "unlabelled examples in a step (models that use them)",
    "[0,1e6]" },
  { "labels_per_class", LCL_OPTION_INT, "", "labelled training examples of each class; 0: all",
    "[0,1e9]" },
  { "subset", LCL_OPTION_INT, "0", "which random choice of those examples: 0, 1, 2, ...",
    "[0,1e9]" },
  { "data_seed", LCL_OPTION_INT, "0", "of random subsets, splits and the built-in digits", NULL },
  { "only_classes", LCL_OPTION_STRING, "",
    "only these classes of the data, by name or number, as cat,dog; they become 0, 1, ...", NULL },
  { "validation", LCL_OPTION_INT, "", "training examples split to pick the best epoch; -1: none",
    "[-1,1e9]" },
  { "validation_random", LCL_OPTION_BOOL, "",
    "split at random, by the seed, instead of the last ones", NULL },
  { "optimiser", LCL_OPTION_CHOICE, "",
    "update rule; one that is not the model's own begins with its usual numbers (momentum 0.9; "
    "rmsprop without momentum)",
    "sgd|momentum|nesterov|rmsprop|adam|adadelta" },
  { "lr", LCL_OPTION_FLOAT, "", "initial learning rate", "(0,inf)" },
  { "lr_schedule", LCL_OPTION_CHOICE, "",
    "step: divide by lr_factor every lr_every epochs until lr_until; exponential: times lr_factor "
    "an epoch; linear: to 0 between lr_from and lr_until (the end); plateau: divide when stalled "
    "for "
    "lr_every epochs; one that is not the model's own begins with its usual numbers (step and "
    "plateau by 5 and 40, exponential 0.99)",
    "constant|step|exponential|linear|plateau" },
  { "lr_factor", LCL_OPTION_FLOAT, "", "see lr_schedule", "(0,inf)" },
  { "lr_every", LCL_OPTION_INT, "", "see lr_schedule", "[1,1e6]" },
  { "lr_from", LCL_OPTION_INT, "", "see lr_schedule", "[0,1e6]" },
  { "lr_until", LCL_OPTION_INT, "", "see lr_schedule", "[0,1e6]" },
  { "lr_warmup", LCL_OPTION_INT, "", "steps at the beginning over which the rate rises to lr",
    "[0,1e9]" },
  { "weight_decay", LCL_OPTION_FLOAT, "", "times the parameter, added to its gradient", "[0,inf)" },
  { "l1", LCL_OPTION_FLOAT, "", "after each step every parameter p loses lr*l1*sign(p)",
    "[0,inf)" },
  { "l2", LCL_OPTION_FLOAT, "", "after each step every parameter p loses 2*lr*l2*p", "[0,inf)" },
  { "clip_norm", LCL_OPTION_FLOAT, "", "largest norm of the whole gradient; 0: no limit",
    "[0,inf)" },
  { "validate_every", LCL_OPTION_INT, "",
    "epochs between evaluations of the validation part; the first and the last are always "
    "evaluated",
    "[1,1e6]" },
  { "select_last", LCL_OPTION_INT, "", "only the last so many epochs may be the best one; 0: all",
    "[0,1e7]" },
  { "top_k", LCL_OPTION_INT, "0",
    "classifiers are scored by topK_error_percent too: the class is none of the K most likely; 0: "
    "not",
    "[0,1000]" },
  { "patience", LCL_OPTION_INT, "", "stop after so many epochs without a better one; 0: never",
    "[0,1e7]" },
  { "precision", LCL_OPTION_CHOICE, "f32",
    "of the operands of products; f16: half precision, with scaled losses", "f32|f16" },
  { "augment", LCL_OPTION_STRING, "true",
    "random changes of training images: true: the model's own (crops, mirroring, binary samples), "
    "false: none, or a list beside those: shift=PIXELS, rotate=DEGREES, scale=SHARE, crop=SHARE, "
    "mirror, cutout=PIXELS, as shift=2,rotate=10,mirror",
    NULL },
  { "class_weights", LCL_OPTION_STRING, "",
    "of the classes in a model's cross-entropy: balanced (all count alike, however few examples "
    "they have), or a number for each class, as 1,2.5,1",
    NULL },
};

const lcl_option *lcl_common_options(size_t *n) {
  if (!n) return NULL;
  *n = LCL_COUNT(common);
  return common;
}

static void read_int(const lcl_options *o, const char *name, int *out) {
  if (lcl_option_given(o, name)) *out = (int)lcl_option_int(o, name);
}

static void read_float(const lcl_options *o, const char *name, double *out) {
  if (lcl_option_given(o, name)) *out = lcl_option_float(o, name);
}

static const char *const schedules[] = { "constant", "step", "exponential", "linear", "plateau" };
static const char *const optimisers[] = { "sgd",     "momentum", "nesterov",
                                          "rmsprop", "adam",     "adadelta" };

const char *lcl__setting_text(const lcl_settings *s, const char *option, char buf[32]) {
  const struct {
    const char *name;
    double value;
  } numbers[] = {
    { "epochs", s->epochs },
    { "batch", s->batch },
    { "unlabelled_batch", s->unlabelled_batch },
    { "labels_per_class", (double)s->labels_per_class },
    { "subset", s->subset },
    { "lr", s->schedule.lr },
    { "lr_factor", s->schedule.factor },
    { "lr_every", s->schedule.every },
    { "lr_from", s->schedule.from },
    { "lr_until", s->schedule.until },
    { "lr_warmup", s->schedule.warmup },
    { "weight_decay", s->optimiser.weight_decay },
    { "l1", s->optimiser.l1 },
    { "l2", s->optimiser.l2 },
    { "clip_norm", s->optimiser.clip_norm },
    { "validate_every", LCL_MAX(s->validate_every, 1) },
    { "select_last", s->select_last },
    { "patience", s->patience },
  };
  *buf = 0;
  if (strcmp(option, "optimiser") == 0) snprintf(buf, 32, "%s", optimisers[s->optimiser.kind]);
  if (strcmp(option, "lr_schedule") == 0) snprintf(buf, 32, "%s", schedules[s->schedule.kind]);
  for (size_t i = 0; i < LCL_COUNT(numbers); i++)
    if (strcmp(option, numbers[i].name) == 0) lcl__snprintf(buf, 32, "%.6g", numbers[i].value);
  return buf;
}

/* A schedule made for a run of `own` epochs, for one of `epochs`. */
static void stretch(lcl_schedule *s, int own, int epochs) {
  const double by = (double)epochs / own;
  if (s->every) s->every = LCL_MAX((int)lround(s->every * by), 1);
  if (s->until) s->until = LCL_MAX((int)lround(s->until * by), 1);
  s->from = LCL_MIN((int)lround(s->from * by), epochs - 1);
}

static lcl_status apply_schedule(lcl_schedule *s, const lcl_options *o, int own, int epochs) {
  lcl_schedule_kind kind = s->kind;
  for (size_t i = 0; i < LCL_COUNT(schedules); i++)
    if (lcl_option_is(o, "lr_schedule", schedules[i])) kind = (lcl_schedule_kind)i;
  if (kind != s->kind) /* the model's numbers are of its own: an exponential's factor is below 1 */
    *s = (lcl_schedule) { .kind = kind, .lr = s->lr, .warmup = s->warmup };
  if (own > 0 && (kind == LCL_SCHEDULE_STEP || kind == LCL_SCHEDULE_LINEAR))
    stretch(s, own, epochs);
  read_float(o, "lr", &s->lr);
  read_float(o, "lr_factor", &s->factor);
  read_int(o, "lr_every", &s->every);
  read_int(o, "lr_from", &s->from);
  read_int(o, "lr_until", &s->until);
  read_int(o, "lr_warmup", &s->warmup);
  bool by_factor = s->kind == LCL_SCHEDULE_STEP || s->kind == LCL_SCHEDULE_EXPONENTIAL ||
                   s->kind == LCL_SCHEDULE_PLATEAU;
  if (by_factor && s->factor <= 0) s->factor = s->kind == LCL_SCHEDULE_EXPONENTIAL ? 0.99 : 5;
  if ((s->kind == LCL_SCHEDULE_STEP || s->kind == LCL_SCHEDULE_PLATEAU) && s->every <= 0)
    s->every = 40;
  if (s->kind != LCL_SCHEDULE_LINEAR) return LCL_OK;
  if (s->until <= 0) s->until = epochs;
  const bool asked = lcl_option_given(o, "lr_schedule") || lcl_option_given(o, "lr_from") ||
                     lcl_option_given(o, "lr_until");
  if (s->until > s->from || !asked) return LCL_OK;
  return lcl__fail(
      LCL_ERR_ARGUMENT,
      "lr_schedule=linear falls between lr_from and lr_until: more than lr_from=%d was "
      "expected, not lr_until=%d",
      s->from, s->until);
}

static void apply_optimiser(lcl_optimiser_desc *d, const lcl_options *o) {
  const lcl_optimiser_kind own = d->kind;
  for (size_t i = 0; i < LCL_COUNT(optimisers); i++)
    if (lcl_option_is(o, "optimiser", optimisers[i])) d->kind = (lcl_optimiser_kind)i;
  if (d->kind != own) { /* the model's numbers are of its own rule: Adam's beta1 is no momentum */
    d->beta1 = 0;
    d->beta2 = 0;
    d->eps = 0;
    d->damping = 0;
    d->eps_outside = false;
  }
  double v = d->weight_decay;
  read_float(o, "weight_decay", &v);
  d->weight_decay = (float)v;
  v = d->l1;
  read_float(o, "l1", &v);
  d->l1 = (float)v;
  v = d->l2;
  read_float(o, "l2", &v);
  d->l2 = (float)v;
  v = d->clip_norm;
  read_float(o, "clip_norm", &v);
  d->clip_norm = (float)v;
}

/* ---- augmentation ---- */

static lcl_status bad_augment(const char *item) {
  return lcl__fail(LCL_ERR_ARGUMENT,
                   "augment: expected true, false, or some of shift=PIXELS, rotate=DEGREES, "
                   "scale=SHARE, crop=SHARE, mirror and cutout=PIXELS with commas between, got "
                   "\"%s\"",
                   item);
}

/* "rotate=10" into d. */
static lcl_status take_augment(lcl_prep_desc *d, char *item, bool *mirrored) {
  double v, cutout = d->augment_cutout;
  char *number = strchr(item, '=');
  if (strcmp(item, "mirror") == 0 && !*mirrored) {
    *mirrored = true;
    if (d->mirror == LCL_MIRROR_NONE) d->mirror = LCL_MIRROR_EACH;
    return LCL_OK;
  }
  if (!number || !lcl__parse_number(number + 1, &v) || !(v > 0)) return bad_augment(item);
  const struct {
    const char *name;
    float *to;
  } all[] = { { "shift", &d->augment_shift },
              { "rotate", &d->augment_rotate },
              { "scale", &d->augment_scale },
              { "crop", &d->augment_crop } };
  *number = 0;
  for (size_t i = 0; i < LCL_COUNT(all); i++) {
    if (strcmp(item, all[i].name) != 0 || *all[i].to != 0) continue;
    *all[i].to = (float)v;
    return LCL_OK;
  }
  *number = '=';
  if (strncmp(item, "cutout=", 7) != 0 || cutout != 0 || v != floor(v) || v > INT32_MAX)
    return bad_augment(item);
  d->augment_cutout = (int)v;
  return LCL_OK;
}

static lcl_status apply_augment(lcl_settings *s, const char *text) {
  bool own, mirrored = false;
  if (lcl__parse_bool(text, &own)) {
    s->no_augment = s->no_augment || !own;
    return LCL_OK;
  }
  char *list = lcl__strdup(text), *item = list;
  lcl_status st = list ? LCL_OK : LCL_ERR_HOST_MEMORY;
  while (st == LCL_OK && item) {
    char *next = strchr(item, ',');
    if (next) *next++ = 0;
    st = take_augment(&s->prep, item, &mirrored);
    item = next;
  }
  lcl__free(list);
  return st;
}

lcl_optimiser_desc lcl__adam(void) {
  return (lcl_optimiser_desc) { .kind = LCL_ADAM, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f };
}

/* ---- texts of the common options ---- */

lcl_status lcl__check_common_text(const char *name, const char *text) {
  lcl_settings none = { 0 };
  if (strcmp(name, "augment") == 0) return apply_augment(&none, text);
  if (strcmp(name, "class_weights") == 0 && *text && strcmp(text, "balanced") != 0 &&
      !lcl__list_inside("(0,1e6]", ",", false, text))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "class_weights: expected \"balanced\", or numbers in (0,1e6] with commas "
                     "between, got \"%s\"",
                     text);
  return LCL_OK;
}

lcl_status lcl_settings_apply(lcl_settings *s, const lcl_options *o) {
  LCL_NEED(s, o);
  const int own = s->epochs;
  read_int(o, "epochs", &s->epochs);
  read_int(o, "batch", &s->batch);
  read_int(o, "unlabelled_batch", &s->unlabelled_batch);
  int labels = (int)s->labels_per_class;
  read_int(o, "labels_per_class", &labels);
  s->labels_per_class = labels;
  read_int(o, "subset", &s->subset);
  read_int(o, "patience", &s->patience);
  read_int(o, "validate_every", &s->validate_every);
  read_int(o, "select_last", &s->select_last);
  LCL_TRY(apply_schedule(&s->schedule, o, own, s->epochs));
  apply_optimiser(&s->optimiser, o);
  LCL_TRY(apply_augment(s, lcl_option_text(o, "augment")));
  if (lcl_option_given(o, "class_weights")) s->class_weights = lcl_option_text(o, "class_weights");
  s->precision = lcl_option_is(o, "precision", "f16") ? LCL_F16 : LCL_F32;
  if (s->precision == LCL_F16) s->optimiser.loss_scale = 65536;
  if (!s->select) s->select = "error_percent";
  return LCL_OK;
}

lcl_status lcl_model_data_desc(const lcl_model_class *cls, const lcl_options *o, lcl_data_desc *d) {
  LCL_NEED(cls, o, d);
  if (cls->data) cls->data(o, d);
  if (lcl_option_given(o, "only_classes")) d->only = lcl_option_text(o, "only_classes");
  if (lcl_option_given(o, "validation")) {
    int v = 0;
    read_int(o, "validation", &v);
    d->valid = v == 0 ? -1 : v;
  }
  if (lcl_option_given(o, "validation_random")) {
    d->split_random = lcl_option_bool(o, "validation_random");
    d->split_last = !d->split_random;
  }
  return LCL_OK;
}

static double rate_of_epoch(const lcl_schedule *s, int epoch, int plateaus) {
  switch (s->kind) {
  case LCL_SCHEDULE_CONSTANT: return s->lr;
  case LCL_SCHEDULE_STEP: {
    int until = s->until > 0 ? LCL_MIN(epoch, s->until) : epoch;
    return s->lr * pow(s->factor, -(double)(until / s->every));
  }
  case LCL_SCHEDULE_EXPONENTIAL: return s->lr * pow(s->factor, epoch);
  case LCL_SCHEDULE_LINEAR:
    if (epoch <= s->from || s->until <= s->from) return s->lr;
    return s->lr * LCL_MAX(0.0, (double)(s->until - epoch) / (s->until - s->from));
  case LCL_SCHEDULE_PLATEAU: return s->lr * pow(s->factor, -(double)plateaus);
  }
  return s->lr;
}

double lcl_schedule_rate(const lcl_schedule *s, int epoch, int64_t step, int plateaus) {
  if (!s) return 0;
  const double rate = rate_of_epoch(s, epoch, plateaus);
  return step < s->warmup ? rate * (double)(step + 1) / s->warmup : rate;
}

void lcl_metrics_set(lcl_metrics *m, const char *name, double value) {
  if (!m || !name) return;
  for (int i = 0; i < LCL_MIN(m->n, (int)LCL_COUNT(m->item)); i++) {
    if (strcmp(m->item[i].name, name) == 0) {
      m->item[i].value = value;
      return;
    }
  }
  if (m->n < 0 || m->n >= (int)LCL_COUNT(m->item)) return;
  lcl_metric *it = &m->item[m->n++];
  snprintf(it->name, sizeof it->name, "%s", name);
  it->value = value;
}

const double *lcl_metrics_get(const lcl_metrics *m, const char *name) {
  if (!m || !name) return NULL;
  for (int i = 0; i < LCL_MIN(m->n, (int)LCL_COUNT(m->item)); i++)
    if (strcmp(m->item[i].name, name) == 0) return &m->item[i].value;
  return NULL;
}
