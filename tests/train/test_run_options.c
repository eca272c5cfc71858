/* Every common option and the seed change a run. */
#include "run_folder.h"

#define WEIGHTS "1,2,1,3" /* of CLASSES */

typedef struct effect {
  const char *option, *value, *with;
} effect;

/* Of a run with both streams, schedules included. */
static const effect effects[] = {
  { "epochs", "3", "" },
  { "batch", "7", "" },
  { "unlabelled_batch", "7", "" },
  { "labels_per_class", "4", "" },
  { "subset", "1", "" },
  { "data_seed", "1", "" },
  { "only_classes", "0,1,3", "" },
  { "validation", "11", "" },
  { "validation_random", "true", "" },
  { "optimiser", "sgd", "" },
  { "lr", "0.007", "" },
  { "lr_schedule", "exponential", "" },
  { "lr_factor", "7", "lr_schedule=step lr_every=1" },
  { "lr_every", "2", "lr_schedule=step lr_every=1" },
  { "lr_from", "1", "lr_schedule=linear lr_from=0 lr_until=5" },
  { "lr_until", "7", "lr_schedule=linear lr_from=0 lr_until=5" },
  { "lr_warmup", "7", "" },
  { "weight_decay", "0.1", "" },
  { "l1", "0.1", "" },
  { "l2", "0.1", "" },
  { "clip_norm", "1e-3", "optimiser=sgd lr=0.01" },
  { "validate_every", "3", "lr=1e-12" },
  { "select_last", "1", "lr=1e-12" },
  { "top_k", "2", "" },
  { "patience", "1", "lr=1e-12" },
  { "precision", "f16", "" },
  { "augment", "false", "" },
  { "class_weights", WEIGHTS, "" },
};

static void every_common_option(void **state) {
  (void)state;
  size_t n;
  const lcl_option *o = lcl_common_options(&n);
  char last[100] = "none";
  for (size_t i = 0; i < n; i++) {
    size_t k = 0;
    while (k < LCL_COUNT(effects) && strcmp(effects[k].option, o[i].name) != 0) k++;
    if (k == LCL_COUNT(effects)) fail_msg("common option %s has no case", o[i].name);
    const effect *e = &effects[k];
    char more[200];
    const bool augment = strcmp(e->option, "augment") == 0,
               stops = strcmp(e->option, "patience") == 0 ||
                       strcmp(e->option, "select_last") == 0 ||
                       strcmp(e->option, "validate_every") == 0;
    run_desc r = { .model = augment ? "augconv"
                            : stops ? "semantic-noise"
                                    : "ladder",
                   .set = augment ? "arch=vgg width=1 epochs=1 batch=10 validation=5 dropout=0"
                          : stops ? "arch=mlp epochs=4 batch=20 validation=12"
                                  : "widths=9-8 epochs=2 batch=10 unlabelled_batch=12 "
                                    "labels_per_class=3 validation=12",
                   .more = e->with,
                   .data = augment ? colour : grey,
                   .name = "base" };
    if (strcmp(last, augment ? "augment" : stops ? "stops" : e->with) != 0) run(&r);
    snprintf(last, sizeof last, "%s", augment ? "augment" : stops ? "stops" : e->with);
    snprintf(more, sizeof more, "%s %s=%s", e->with, e->option, e->value);
    r.more = more;
    r.name = "other";
    run(&r);
    if (!difference("base", "other")) fail_msg("%s changes nothing in a run", more);
  }
}

static void seed(void **state) {
  (void)state;
  run_desc r = { .model = "semantic-noise",
                 .set = "arch=mlp epochs=1 batch=20 validation=12",
                 .name = "base" };
  run(&r);
  r.name = "other";
  run(&r);
  const char *what = difference("base", "other");
  if (what) fail_msg("%s differs between two runs of one seed", what);
  r.seed = 4;
  run(&r);
  assert_non_null(difference("base", "other"));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(every_common_option),
                                      cmocka_unit_test(seed) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
