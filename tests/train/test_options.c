/* Options, settings, schedules and published tables. */
#include "test.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "data/data_internal.h"
#include "models/build.h"
#include "latentcl/train.h"
#include "models/tables.h"

static const lcl_option defs[] = {
  { "n", LCL_OPTION_INT, "3", "a number", NULL },
  { "rate", LCL_OPTION_FLOAT, "", "another", NULL },
  { "on", LCL_OPTION_BOOL, "false", "a switch", NULL },
  { "kind", LCL_OPTION_CHOICE, "one", "a choice", "one|two|twelve" },
  { "text", LCL_OPTION_STRING, "", "a text", NULL },
  { "sizes", LCL_OPTION_INTS, "", "whole numbers", "[1,9]" },
  { "weights", LCL_OPTION_FLOATS, "", "numbers", "[0,1]" },
  { "side", LCL_OPTION_INT, "4", "a number with limits", "[-1,8]" },
  { "share", LCL_OPTION_FLOAT, "", "another", "[0,1)" },
  { "scale", LCL_OPTION_FLOAT, "1", "a third", "(0,inf)" },
};

static void parsing(void **state) {
  (void)state;
  lcl_options *o, *copy;
  ASSERT_OK(lcl_options_create(defs, LCL_COUNT(defs), &o));
  assert_int_equal(lcl_option_int(o, "n"), 3);
  assert_false(lcl_option_given(o, "n"));
  ASSERT_OK(lcl_options_set_pair(o, "n=-17"));
  ASSERT_OK(lcl_options_set_pair(o, "rate=2.5e-3"));
  ASSERT_OK(lcl_options_set_pair(o, "on=Yes"));
  ASSERT_OK(lcl_options_set_pair(o, "kind=two"));
  ASSERT_OK(lcl_options_set_pair(o, "text=a=b"));
  ASSERT_OK(lcl_options_set_pair(o, "side=-1"));
  ASSERT_OK(lcl_options_set_pair(o, "side=8"));
  ASSERT_OK(lcl_options_set_pair(o, "share=0"));
  ASSERT_OK(lcl_options_set_pair(o, "scale=1e30"));
  ASSERT_OK(lcl_options_set_pair(o, "sizes=3-4,9"));
  ASSERT_OK(lcl_options_set_pair(o, "weights=.5,1e-3"));
  ASSERT_OK(lcl_options_copy(o, &copy));
  lcl_options_destroy(o);
  assert_int_equal(lcl_option_int(copy, "n"), -17);
  assert_true(lcl_option_float(copy, "rate") == 2.5e-3);
  assert_true(lcl_option_bool(copy, "on"));
  assert_true(lcl_option_is(copy, "kind", "two"));
  assert_string_equal(lcl_option_text(copy, "text"), "a=b");
  lcl_options_destroy(copy);
}

static void errors(void **state) {
  (void)state;
  static const struct {
    const char *pair, *word;
  } bad[] = {
    { "n=3.5", "whole number" },
    { "n=", "whole number" },
    { "n=99999999999999999999", "whole number" },
    { "rate=fast", "number" },
    { "rate=nan", "number" },
    { "on=perhaps", "true or false" },
    { "kind=three", "one|two" },
    { "kind=tw", "one|two" },
    { "kind=one|two", "one|two" },
    { "size=3", "n, rate, on" },
    { "n", "name=value" },
    { "=3", "name=value" },
    { "side=9", "in [-1,8]" },
    { "side=-2", "[-1,8]" },
    { "share=1", "a number in [0,1)" },
    { "share=-0.1", "[0,1)" },
    { "scale=0", "(0,inf)" },
    { "rate=1e-50", "number" }, /* 0 as a float */
    { "rate=1e-400", "number" },
    { "sizes=", "whole numbers" },
    { "sizes=3,x", "whole numbers with commas between in [1,9]" },
    { "sizes=3,10", "[1,9]" },
    { "sizes=2.5", "whole numbers" },
    { "weights=0.5-1", "numbers with commas" },
    { "weights=0,2", "[0,1]" },
  };
  lcl_options *o;
  ASSERT_OK(lcl_options_create(defs, LCL_COUNT(defs), &o));
  for (size_t i = 0; i < LCL_COUNT(bad); i++) {
    if (lcl_options_set_pair(o, bad[i].pair) != LCL_ERR_ARGUMENT)
      fail_msg("accepted: %s", bad[i].pair);
    if (!strstr(lcl_error_message(), bad[i].word))
      fail_msg("\"%s\" lacks \"%s\"", lcl_error_message(), bad[i].word);
  }
  assert_int_equal(lcl_option_int(o, "n"), 3);
  lcl_options_destroy(o);
}

/* Texts of the common options are checked as far as they alone tell. */
static void common_texts(void **state) {
  (void)state;
  static const struct {
    const char *pair;
    bool fits;
  } cases[] = {
    { "augment=shift=2,mirror", true }, { "augment=false", true },
    { "augment=spin", false },          { "augment=shift=x", false },
    { "class_weights=balanced", true }, { "class_weights=1,2.5", true },
    { "class_weights=1,0", false },     { "class_weights=even", false },
    { "class_weights=1,,2", false },    { "class_weights=1000001", false },
  };
  const lcl_model_class *cls;
  lcl_options *o;
  ASSERT_OK(lcl_model_find("semantic-noise", &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  for (size_t i = 0; i < LCL_COUNT(cases); i++)
    if ((lcl_options_set_pair(o, cases[i].pair) == LCL_OK) != cases[i].fits)
      fail_msg("%s: %s", cases[i].pair, lcl_error_message());
  lcl_options_destroy(o);
}

static void near(double a, double b) {
  assert_true(fabs(a - b) <= 1e-12 * fabs(b));
}

static void schedules(void **state) {
  (void)state;
  lcl_schedule step = { LCL_SCHEDULE_STEP, 0.005, 5, 40, 0, 120 };
  near(lcl_schedule_rate(&step, 0, 9, 0), 0.005);
  near(lcl_schedule_rate(&step, 39, 9, 0), 0.005);
  near(lcl_schedule_rate(&step, 40, 9, 0), 0.001);
  near(lcl_schedule_rate(&step, 119, 9, 0), 0.0002);
  near(lcl_schedule_rate(&step, 120, 9, 0), 0.00004);
  near(lcl_schedule_rate(&step, 1000, 9, 0), 0.00004);
  lcl_schedule exponential = { LCL_SCHEDULE_EXPONENTIAL, 1, 0.99, 0, 0, 0 };
  near(lcl_schedule_rate(&exponential, 2, 9, 0), 0.9801);
  lcl_schedule linear = { LCL_SCHEDULE_LINEAR, 0.02, 0, 0, 15, 150 };
  near(lcl_schedule_rate(&linear, 15, 9, 0), 0.02);
  near(lcl_schedule_rate(&linear, 60, 9, 0), 0.02 * 90 / 135);
  assert_true(lcl_schedule_rate(&linear, 150, 9, 0) == 0 &&
              lcl_schedule_rate(&linear, 200, 9, 0) == 0);
  lcl_schedule plateau = { LCL_SCHEDULE_PLATEAU, 0.1, 10, 5, 0, 0 };
  near(lcl_schedule_rate(&plateau, 90, 9, 2), 0.001);
  exponential.warmup = 4;
  near(lcl_schedule_rate(&exponential, 0, 0, 0), 0.25);
  near(lcl_schedule_rate(&exponential, 2, 2, 0), 0.75 * 0.9801);
  near(lcl_schedule_rate(&exponential, 2, 4, 0), 0.9801);
}

/* Every model's defaults can be made for the data it is meant for, and the common options change
 * them. */
static void settings(void **state) {
  (void)state;
  const lcl_model_class *cls;
  lcl_options *o;
  lcl_model *m;
  lcl_model_data data = {
    .name = "idx", .channels = 1, .height = 28, .width = 28, .classes = 10, .train = 50000
  };
  ASSERT_OK(lcl_model_find("semantic-noise", &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  assert_int_equal(m->settings.epochs, 160);
  near(m->settings.schedule.lr, 0.005);
  lcl_model_destroy(m);
  ASSERT_OK(lcl_options_set(o, "epochs", "")); /* the default: as it was */
  static const char *const empty[] = { "epochs=", "lr=", "optimiser=" };
  for (size_t i = 0; i < LCL_COUNT(empty); i++)
    ASSERT_STATUS(lcl_options_set_pair(o, empty[i]), LCL_ERR_ARGUMENT);
  ASSERT_OK(lcl_options_set_pair(o, "epochs=7"));
  ASSERT_OK(lcl_options_set_pair(o, "lr=0.25"));
  ASSERT_OK(lcl_options_set_pair(o, "optimiser=momentum"));
  ASSERT_OK(lcl_options_set_pair(o, "batch=32"));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  assert_int_equal(m->settings.epochs, 7);
  assert_int_equal(m->settings.batch, 32);
  assert_int_equal(m->settings.optimiser.kind, LCL_MOMENTUM);
  near(m->settings.schedule.lr, 0.25);
  lcl_model_destroy(m);
  ASSERT_STATUS(lcl_options_set_pair(o, "epochs=0"), LCL_ERR_ARGUMENT);
  lcl_options_destroy(o);
  ASSERT_STATUS(lcl_model_find("no-such-model", &cls), LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "semantic-noise"));
}

/* Another rule than the model's own has its own usual numbers, not those of the model's. */
static void other_rules(void **state) {
  (void)state;
  static const lcl_model_data
      grey = { .name = "idx", .channels = 1, .height = 28, .width = 28, .classes = 10 },
      colour = { .name = "idx", .channels = 3, .height = 32, .width = 32, .classes = 10 };
  static const struct {
    const char *model, *rule;
    const lcl_model_data *data;
    float beta1, beta2, eps, damping;
  } cases[] = { { "vae", "rmsprop", &grey, 0, 0, 0, 0 },
                { "vae", "adam", &grey, 0.9f, 0.999f, 1e-8f, 0 },
                { "pixelrnn", "adam", &grey, 0, 0, 0, 0 },
                { "pixelrnn", "rmsprop", &grey, 0, 0.9f, 1e-8f, 0 },
                { "augconv", "nesterov", &colour, 0, 0, 0, 0 },
                { "augconv", "momentum", &colour, 0.9f, 0, 0, 0.9f } };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const lcl_model_class *cls;
    lcl_options *o;
    lcl_model *m;
    ASSERT_OK(lcl_model_find(cases[i].model, &cls));
    ASSERT_OK(lcl_model_options(cls, &o));
    ASSERT_OK(lcl_options_set(o, "optimiser", cases[i].rule));
    ASSERT_OK(lcl_model_create(cls, o, cases[i].data, &m));
    const lcl_optimiser_desc *d = &m->settings.optimiser;
    if (d->beta1 != cases[i].beta1 || d->beta2 != cases[i].beta2 || d->eps != cases[i].eps ||
        d->damping != cases[i].damping)
      fail_msg("%s by %s: beta1 %g, beta2 %g, eps %g, damping %g", cases[i].model, cases[i].rule,
               (double)d->beta1, (double)d->beta2, (double)d->eps, (double)d->damping);
    assert_float_equal(d->clip_value, strcmp(cases[i].model, "pixelrnn") == 0, 0);
    lcl_model_destroy(m);
    lcl_options_destroy(o);
  }
}

/* A linear schedule ends with the run where nothing else is said, and not before it begins. */
static void linear_ends(void **state) {
  (void)state;
  const lcl_model_data data = {
    .name = "idx", .channels = 1, .height = 28, .width = 28, .classes = 10, .train = 50000
  };
  const lcl_model_class *cls;
  lcl_options *o;
  lcl_model *m;
  ASSERT_OK(lcl_model_find("dec", &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  ASSERT_OK(lcl_options_set_pair(o, "epochs=7"));
  ASSERT_OK(lcl_options_set_pair(o, "lr_schedule=linear"));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  assert_int_equal(m->settings.schedule.until, 7);
  lcl_model_destroy(m);
  ASSERT_OK(lcl_options_set_pair(o, "lr_from=7"));
  ASSERT_STATUS(lcl_model_create(cls, o, &data, &m), LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "more than lr_from=7"));
  ASSERT_OK(lcl_options_set_pair(o, "lr_until=8"));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  assert_int_equal(m->settings.schedule.until, 8);
  lcl_model_destroy(m);
  lcl_options_destroy(o);
  /* One whose schedule is linear by itself: from epoch 100 to 150, in 7 from 5. */
  ASSERT_OK(lcl_model_find("vae-ladder", &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  ASSERT_OK(lcl_options_set_pair(o, "epochs=7"));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  lcl_model_destroy(m);
  ASSERT_OK(lcl_options_set_pair(o, "lr_until=4"));
  ASSERT_STATUS(lcl_model_create(cls, o, &data, &m), LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "more than lr_from=5"));
  ASSERT_OK(lcl_options_set_pair(o, "lr_from=2"));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  lcl_model_destroy(m);
  lcl_options_destroy(o);
}

/* A model's schedule keeps its shape in a run of another length; another kind of schedule has
 * nothing of the model's. */
static void schedule_of_another_run(void **state) {
  (void)state;
  static const struct {
    const char *model, *set[2];
    double factor;
    int every, from, until;
  } cases[] = {
    { "semantic-noise", { 0 }, 5, 40, 0, 120 },
    { "semantic-noise", { "epochs=20" }, 5, 5, 0, 15 },
    { "semantic-noise", { "epochs=320" }, 5, 80, 0, 240 },
    { "semantic-noise", { "epochs=1" }, 5, 1, 0, 1 },
    { "semantic-noise", { "epochs=80", "lr_every=7" }, 5, 7, 0, 60 },
    { "semantic-noise", { "epochs=80", "lr_schedule=step" }, 5, 20, 0, 60 },
    { "semantic-noise", { "lr_schedule=exponential" }, 0.99, 0, 0, 0 },
    { "semantic-noise", { "lr_schedule=linear" }, 0, 0, 0, 160 },
    { "semantic-noise", { "lr_schedule=plateau" }, 5, 40, 0, 0 },
    { "augconv", { "epochs=7" }, 0.99, 0, 0, 0 },
    { "augconv", { "lr_schedule=step" }, 5, 40, 0, 0 },
    { "ladder", { 0 }, 0, 0, 101, 150 },
    { "ladder", { "epochs=15" }, 0, 0, 10, 15 },
    { "vae-ladder", { "epochs=20" }, 0, 0, 13, 20 },
    { "vae-ladder", { "epochs=1" }, 0, 0, 0, 1 },
    { "vae-ladder-control", { "epochs=300", "lr_from=10" }, 0, 0, 10, 300 },
  };
  const lcl_model_data data = {
    .name = "idx", .channels = 1, .height = 28, .width = 28, .classes = 10, .train = 50000
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const lcl_model_class *cls;
    lcl_options *o;
    lcl_model *m;
    ASSERT_OK(lcl_model_find(cases[i].model, &cls));
    ASSERT_OK(lcl_model_options(cls, &o));
    for (int k = 0; k < 2 && cases[i].set[k]; k++)
      ASSERT_OK(lcl_options_set_pair(o, cases[i].set[k]));
    ASSERT_OK(lcl_model_create(cls, o, &data, &m));
    const lcl_schedule *s = &m->settings.schedule;
    if (s->factor != cases[i].factor || s->every != cases[i].every || s->from != cases[i].from ||
        s->until != cases[i].until)
      fail_msg("%s %s: factor %g, every %d, from %d, until %d", cases[i].model,
               cases[i].set[0] ? cases[i].set[0] : "", s->factor, s->every, s->from, s->until);
    assert_true(s->lr > 0);
    lcl_model_destroy(m);
    lcl_options_destroy(o);
  }
}

/* Settings in words, those that are zero left out. */
static void describe(const lcl_settings *s, lcl_str *t) {
  static const char *const kinds[] = {
    "sgd", "momentum", "nesterov", "rmsprop", "adam", "adadelta"
  };
  static const char *const schedules[] = { "constant", "step", "exponential", "linear", "plateau" };
  const lcl_optimiser_desc *d = &s->optimiser;
  const lcl_schedule *h = &s->schedule;
  const lcl_prep_desc *p = &s->prep;
  const struct {
    const char *name;
    double value;
  } parts[] = { { "b1", d->beta1 },
                { "b2", d->beta2 },
                { "eps", d->eps },
                { "damping", d->damping },
                { "outside", d->eps_outside },
                { "l1", d->l1 },
                { "l2", d->l2 },
                { "decay", d->weight_decay },
                { "clip", d->clip_value },
                { "norm", d->clip_norm },
                { schedules[h->kind], h->lr },
                { "factor", h->factor },
                { "every", h->every },
                { "from", h->from },
                { "until", h->until },
                { "warmup", h->warmup },
                { "epochs", s->epochs },
                { "batch", s->batch },
                { "fresh", s->fresh_batches },
                { "unlabelled", s->unlabelled_batch },
                { "of", s->unlabelled },
                { "labels", (double)s->labels_per_class },
                { "patience", s->patience },
                { "calibrate", s->calibrate },
                { "last", s->select_last },
                { "validated", s->validate_every },
                { "refresh", s->refresh_every },
                { "higher", s->higher_is_better },
                { "colour", p->colour },
                { "contrast", p->contrast },
                { "centre", p->centre },
                { "gain", p->gain },
                { "shift", p->shift },
                { "crop", p->crop },
                { "mirror", p->mirror },
                { "lo", s->range_lo },
                { "hi", s->range_hi } };
  lcl__str_add(t, "%s", kinds[d->kind]);
  for (size_t i = 0; i < LCL_COUNT(parts); i++)
    if (parts[i].value != 0) lcl__str_add(t, " %s %.5g", parts[i].name, parts[i].value);
  lcl__str_add(t, " by %s", s->select);
}

/* A common option's own text is what a model has where the option is not given: else a run would
 * record what it did not do. */
static void texts_are_true(const lcl_model *m) {
  size_t n;
  const lcl_option *common = lcl_common_options(&n);
  for (size_t i = 0; i < n; i++) {
    char text[32];
    const char *has = lcl__setting_text(&m->settings, common[i].name, text);
    if (*common[i].value && *has && strcmp(common[i].value, has) != 0)
      fail_msg("%s: %s reads %s and is %s", m->cls->name, common[i].name, common[i].value, has);
  }
}

/* How each model trains where nothing is asked for: the rates, epochs and batches of its paper. A
 * model that is missing here fails. */
static void published_settings(void **state) {
  (void)state;
  static const lcl_model_data grey = { .name = "idx",
                                       .channels = 1,
                                       .height = 28,
                                       .width = 28,
                                       .classes = 10,
                                       .train = 50000 },
                              colour = { .name = "cifar10",
                                         .channels = 3,
                                         .height = 32,
                                         .width = 32,
                                         .classes = 10,
                                         .train = 50000 },
                              sound = { .name = "wav",
                                        .channels = 1,
                                        .height = 1,
                                        .width = 8000,
                                        .classes = 10,
                                        .train = 50000 },
                              digits = { .name = "synthetic",
                                         .channels = 1,
                                         .height = 28,
                                         .width = 28,
                                         .classes = 10,
                                         .train = 50000 };
  static const struct {
    const char *model, *options;
    const lcl_model_data *data;
    const char *settings;
  } published[] = {
    { "semantic-noise", "", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 step 0.005 factor 5 every 40 until 120 epochs 160 batch 100 "
      "centre 1 by error_percent" },
    { "semantic-noise", "arch=mlp", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 step 0.001 factor 5 every 40 until 120 epochs 160 batch 100 "
      "centre 1 by error_percent" },
    { "semantic-noise", "", &colour,
      "adam b1 0.9 b2 0.999 eps 1e-08 step 0.002 factor 5 every 40 until 120 epochs 160 batch 100 "
      "centre 1 crop 24 mirror 1 by error_percent" },
    { "semantic-noise", "", &digits,
      "adam b1 0.9 b2 0.999 eps 1e-08 step 0.005 factor 5 every 10 until 30 epochs 40 batch 100 "
      "centre 1 by error_percent" },
    { "imsat", "", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.002 epochs 50 batch 250 fresh 1 gain 1.9922 shift "
      "-1 lo -1 hi 0.99219 by last" },
    { "imsat", "system=deep-rim", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 decay 0.005 constant 0.002 epochs 50 batch 250 fresh 1 gain "
      "1.9922 shift -1 lo -1 hi 0.99219 by last" },
    { "imsat", "reduce=2", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.002 epochs 50 batch 250 fresh 1 hi 1 by last" },
    { "imsat", "task=hash system=deep-hash", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.002 epochs 50 batch 250 fresh 1 centre 1 by "
      "last" },
    { "dec", "", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.001 epochs 50 batch 256 by last" },
    { "dec", "system=dec", &grey,
      "momentum b1 0.9 constant 0.01 epochs 20 batch 256 refresh 140 by last" },
    { "inversion", "", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.01 epochs 100 batch 50 unlabelled 50 of 2 labels "
      "5 by error_percent" },
    { "inversion", "arch=large-cnn", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.0033333 warmup 200 epochs 100 batch 50 unlabelled "
      "50 of 2 labels 5 by error_percent" },
    { "inversion", "arch=bird10", &sound,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.001 epochs 300 batch 50 of 2 last 100 contrast 4 "
      "by error_percent" },
    { "inversion", "alpha=0", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.01 epochs 100 batch 50 unlabelled 50 of 2 labels "
      "5 by last" },
    { "ladder", "", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 linear 0.002 from 101 until 150 epochs 150 batch 100 "
      "unlabelled 100 of 1 labels 10 calibrate 1 hi 1 by last" },
    { "ladder", "unlabelled_source=labelled_only bn_test=ema epochs=10", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 linear 0.002 from 7 until 10 epochs 10 batch 100 unlabelled "
      "100 of 3 labels 10 hi 1 by last" },
    { "pixelrnn", "", &grey,
      "rmsprop b2 0.9 eps 1e-08 clip 1 plateau 0.001 factor 10 every 5 epochs 100 batch 16 hi 1 by "
      "nll" },
    { "pixelrnn", "levels=256", &colour,
      "rmsprop b2 0.9 eps 1e-08 clip 1 plateau 0.001 factor 10 every 5 epochs 100 batch 16 hi 1 by "
      "nll" },
    { "augconv", "", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 exponential 0.001 factor 0.99 epochs 100 batch 128 patience "
      "10 by error_percent" },
    { "augconv", "", &colour,
      "momentum b1 0.9 damping 0.9 decay 0.0005 step 1 factor 2 every 25 epochs 250 batch 128 "
      "colour 2 contrast 1 mirror 2 by error_percent" },
    { "augconv", "wd_mode=after prep=cifar_torch", &colour,
      "momentum b1 0.9 damping 0.9 l2 0.00025 step 1 factor 2 every 25 epochs 250 batch 128 colour "
      "2 contrast 2 centre 3 mirror 2 by error_percent" },
    { "vae", "", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.001 epochs 100 batch 100 hi 1 by loss" },
    { "m1", "", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.001 epochs 100 batch 100 hi 1 by error_percent" },
    { "m2", "", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.0003 epochs 200 batch 100 of 2 hi 1 by "
      "error_percent" },
    { "m2", "labels_per_class=7", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.0003 epochs 200 batch 100 unlabelled 100 of 2 "
      "labels 7 hi 1 by error_percent" },
    { "two-head", "unlabelled_batch=30", &grey, /* those of the data without a label */
      "adam b1 0.9 b2 0.999 eps 1e-08 constant 0.0003 epochs 200 batch 100 unlabelled 30 of 2 hi 1 "
      "by error_percent" },
    { "vae-ladder", "", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 linear 0.002 from 100 until 150 epochs 150 batch 100 hi 1 by "
      "error_percent" },
    { "vae-ladder-control", "", &grey,
      "adam b1 0.9 b2 0.999 eps 1e-08 linear 0.002 from 100 until 150 epochs 150 batch 100 hi 1 by "
      "error_percent" },
  };
  size_t seen = 0;
  for (size_t i = 0; i < LCL_COUNT(published); i++) {
    const lcl_model_class *cls;
    lcl_options *o;
    lcl_model *m;
    lcl_str text = { 0 };
    char copy[100], *rest = copy;
    ASSERT_OK(lcl_model_find(published[i].model, &cls));
    ASSERT_OK(lcl_model_options(cls, &o));
    snprintf(copy, sizeof copy, "%s", published[i].options);
    for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest))
      ASSERT_OK(lcl_options_set_pair(o, one));
    ASSERT_OK(lcl_model_create(cls, o, published[i].data, &m));
    describe(&m->settings, &text);
    if (strcmp(text.data, published[i].settings) != 0)
      fail_msg("%s %s:\n%s\nnot\n%s", published[i].model, published[i].options, text.data,
               published[i].settings);
    texts_are_true(m);
    seen += i == 0 || strcmp(published[i].model, published[i - 1].model) != 0;
    lcl__str_free(&text);
    lcl_model_destroy(m);
    lcl_options_destroy(o);
  }
  assert_int_equal(seen, lcl_model_count());
}

/* The options of every table exist. */
static void tables(void **state) {
  (void)state;
  for (size_t k = 0; k < lcl__table_count; k++) {
    const lcl_table *t = lcl__tables[k];
    for (int r = 0; r < t->n_rows; r++) {
      const lcl_model_class *cls;
      lcl_options *o;
      ASSERT_OK(lcl_model_find(t->rows[r].model ? t->rows[r].model : t->model, &cls));
      ASSERT_OK(lcl_model_options(cls, &o));
      for (int i = 0; i < LCL_TABLE_SET && t->set[i]; i++)
        ASSERT_OK(lcl_options_set_pair(o, t->set[i]));
      for (int i = 0; i < LCL_TABLE_SET && t->quick[i]; i++)
        ASSERT_OK(lcl_options_set_pair(o, t->quick[i]));
      for (int i = 0; i < LCL_TABLE_SET && t->rows[r].set[i]; i++)
        ASSERT_OK(lcl_options_set_pair(o, t->rows[r].set[i]));
      for (int c = 0; c < t->n_columns; c++)
        for (int i = 0; i < LCL_TABLE_SET && t->columns[c].set[i]; i++)
          ASSERT_OK(lcl_options_set_pair(o, t->columns[c].set[i]));
      lcl_options_destroy(o);
    }
  }
}

/* Every cell is as published. The sums weigh each mean and each deviation by the cell's place, row
 * by row from 1, and were worked out from the papers' tables; a table that is missing here fails.
 */
static void cells(void **state) {
  (void)state;
  static const struct {
    const char *name;
    double means, deviations;
  } published[] = {
    { "semantic-noise/table1-mnist", 8001.80, 467.20 },
    { "semantic-noise/table1-cifar10", 62651.78, 564.31 },
    { "semantic-noise/permutation-invariant", 37.86, 0 },
    { "semantic-noise/table2-ladder", 933.95, 53.57 },
    { "ladder/mnist", 184.59, 33.10 },
    { "ladder/combinators", 67.09, 2.157 },
    { "imsat/clusters", 4900.2, 134.7 },
    { "imsat/omniglot", 862.4, 72.4 },
    { "imsat/stl", 5553.8, 111.5 },
    { "imsat/cifar10", 2767.3, 105.0 },
    { "imsat/cifar100", 1386.8, 36.5 },
    { "imsat/svhn", 1881.5, 157.2 },
    { "imsat/reuters", 4082.8, 240.3 },
    { "imsat/newsgroups", 2058.6, 169.6 },
    { "imsat/hash", 33898.0, 954.7 },
    { "imsat/hash-cifar10", 10003.5, 415.6 },
    { "semantic-noise/denoising-mnist", 1978.32, 147.91 },
    { "semantic-noise/denoising-cifar10", 16637.17, 178.66 },
    { "inversion/grid", 0, 0 }, /* not printed */
    { "pixelrnn/mnist", 802.6752, 0 },
    { "pixelrnn/cifar10", 3.00, 0 },
    { "two-head/cifar10-cat-dog", 0, 0 },         /* no cell of the source */
    { "inversion/mnist", 22 * (100 - 99.14), 0 }, /* the other cells are not known */
    { "augconv/mnist", 4.00, 0 },
    { "augconv/cifar10", 90.05, 0 },
    { "generative/mnist", 33.454, 0 },
    { "vae/latent", 0, 0 },                         /* the source gives no figures */
    { "generative/semi-supervised", 13 * 3.33, 0 }, /* the one that the cards have */
    { "two-head/dogs-vs-cats", 32, 0 },
  };
  assert_int_equal(LCL_COUNT(published), lcl__table_count);
  for (size_t k = 0; k < LCL_COUNT(published); k++) {
    const lcl_table *t;
    double means = 0, deviations = 0;
    ASSERT_OK(lcl__table_find(published[k].name, &t));
    for (int r = 0; r < t->n_rows; r++)
      for (int c = 0; c < t->n_columns; c++) {
        const lcl_table_cell cell = t->rows[r].cell[c];
        if (cell.mean == -1) continue;
        ASSERT_BETWEEN(cell.mean, 0.1, 100);
        means += (r * t->n_columns + c + 1) * (double)cell.mean;
        deviations += (r * t->n_columns + c + 1) * (double)cell.std;
      }
    if (!(fabs(means - published[k].means) < 4e-3 &&
          fabs(deviations - published[k].deviations) < 4e-3))
      fail_msg("%s: sums %.4f and %.4f, published %.4f and %.4f", t->name, means, deviations,
               published[k].means, published[k].deviations);
  }
  const lcl_table *none;
  ASSERT_STATUS(lcl__table_find("none", &none), LCL_ERR_ARGUMENT);
}

static void metrics(void **state) {
  (void)state;
  lcl_metrics m = { 0 };
  lcl_metrics_set(&m, "loss", 1);
  lcl_metrics_set(&m, "loss", 2);
  assert_int_equal(m.n, 1);
  assert_true(*lcl_metrics_get(&m, "loss") == 2);
  assert_null(lcl_metrics_get(&m, "nll"));
  for (int i = 0; i < 100; i++) {
    char name[16];
    snprintf(name, sizeof name, "m%d", i);
    lcl_metrics_set(&m, name, i);
  }
  assert_int_equal(m.n, (int)LCL_COUNT(m.item));
}

/* A locale with a decimal comma: an installed one, or one made into folder. */
static bool comma_locale(char *folder) {
  static const char *const names[] = { "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "latentcl" };
  char command[256];
  snprintf(command, sizeof command,
           "localedef -i de_DE -f UTF-8 %s/latentcl >/dev/null 2>&1 && test -d %s/latentcl", folder,
           folder);
  for (size_t i = 0; i < LCL_COUNT(names); i++) {
    const bool own = i + 1 == LCL_COUNT(names);
    if (own && (system(command) != 0 || setenv("LOCPATH", folder, 1) != 0)) return false;
    if (setlocale(LC_ALL, names[i]) && *localeconv()->decimal_point == ',') return true;
  }
  return false;
}

static void host_locale(void **state) {
  (void)state;
  char folder[] = "/tmp/latentcl-locale-XXXXXX", command[64], text[32];
  assert_non_null(mkdtemp(folder));
  const bool there = comma_locale(folder);
  snprintf(command, sizeof command, "rm -rf %s", folder);
  if (!there) {
    print_message("no locale with a decimal comma, and none could be made\n");
    assert_int_equal(system(command), 0);
    skip();
  }
  snprintf(text, sizeof text, "%g", 0.5);
  assert_string_equal(text, "0,5"); /* what the library must not do */
  lcl_options *o;
  ASSERT_OK(lcl_options_create(defs, LCL_COUNT(defs), &o));
  ASSERT_OK(lcl_options_set_pair(o, "rate=0.001"));
  assert_true(lcl_option_float(o, "rate") == 0.001);
  ASSERT_OK(lcl_options_set_pair(o, "share=0.5"));
  ASSERT_STATUS(lcl_options_set_pair(o, "share=1.5"), LCL_ERR_ARGUMENT);
  ASSERT_STATUS(lcl_options_set_pair(o, "rate=0,001"), LCL_ERR_ARGUMENT);
  lcl_options_destroy(o);
  lcl_str s = { 0 };
  lcl__str_add(&s, "%g %.17g", 0.5, 0.1);
  lcl__str_html(&s, " x=\"%.1f\"", 2.5);
  lcl__str_json_number(&s, 1.25);
  assert_string_equal(s.data, "0.5 0.10000000000000001 x=\"2.5\"1.25");
  lcl__str_free(&s);
  lcl__fail(LCL_ERR_NUMERIC, "%g", 0.5);
  assert_string_equal(lcl_error_message(), "0.5");
  cJSON *json = lcl__json_parse("{\"a\":1.5e-3}", 12);
  assert_true(lcl__json_number(json, "a") == 1.5e-3);
  char *printed = lcl__json_print(json, false);
  assert_string_equal(printed, "{\"a\":0.0015}");
  free(printed);
  cJSON_Delete(json);
  snprintf(text, sizeof text, "%g", 0.5);
  assert_string_equal(text, "0,5"); /* the host's locale is as it was */
  setlocale(LC_ALL, "C");
  assert_int_equal(system(command), 0);
}

/* In Turkish, I is not the capital of i. */
static void letters_of_the_host(void **state) {
  (void)state;
  char folder[] = "/tmp/latentcl-locale-XXXXXX", command[160];
  assert_non_null(mkdtemp(folder));
  snprintf(command, sizeof command,
           "localedef -i tr_TR -f ISO-8859-9 %s/turkish >/dev/null 2>&1 && test -d %s/turkish",
           folder, folder);
  const bool there = system(command) == 0 && setenv("LOCPATH", folder, 1) == 0 &&
                     setlocale(LC_ALL, "turkish") && tolower('I') != 'i';
  if (there) {
    assert_int_equal(lcl__part_named("TRAINING", 8), 0);
    assert_int_equal(lcl__part_named("VALID", 5), 1);
    assert_true(lcl__name_ends("A.TIFF", ".tiff"));
    assert_true(lcl__contains("device of INTEL", "intel"));
    assert_int_equal(lcl__casecmp("INFO", "info"), 0);
  }
  setlocale(LC_ALL, "C");
  snprintf(command, sizeof command, "rm -rf %s", folder);
  assert_int_equal(system(command), 0);
  if (!there) skip();
}

/* A number that is finite as a double but not as the float that models take. */
static void options_as_floats(void **state) {
  (void)state;
  lcl_options *o;
  ASSERT_OK(lcl_options_create(defs, LCL_COUNT(defs), &o));
  static const char *const bad[] = { "scale=1e300", "scale=1e-60", "scale=nan", "scale=inf",
                                     "share=0.99999999999" };
  for (size_t i = 0; i < LCL_COUNT(bad); i++)
    ASSERT_STATUS(lcl_options_set_pair(o, bad[i]), LCL_ERR_ARGUMENT);
  lcl_options_destroy(o);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(parsing),
                                      cmocka_unit_test(errors),
                                      cmocka_unit_test(common_texts),
                                      cmocka_unit_test(schedules),
                                      cmocka_unit_test(settings),
                                      cmocka_unit_test(other_rules),
                                      cmocka_unit_test(linear_ends),
                                      cmocka_unit_test(schedule_of_another_run),
                                      cmocka_unit_test(published_settings),
                                      cmocka_unit_test(tables),
                                      cmocka_unit_test(cells),
                                      cmocka_unit_test(metrics),
                                      cmocka_unit_test(host_locale),
                                      cmocka_unit_test(letters_of_the_host),
                                      cmocka_unit_test(options_as_floats) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
