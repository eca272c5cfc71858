/* Whole runs from a small folder of images: every model resumes bit for bit, schedules and patience
 * act at the exact epoch, every common option and the seed change the run, and metrics are counts.
 */
#include "test.h"

#include <math.h>

#include "base/npy.h"
#include "data/tempdir.h"
#include "train/session.h"

enum { N = 100, SIDE = 28, CLASSES = 4 };

static lcl_context *ctx;
static char root[256], grey[300], colour[300];

/* Noise with a pattern of each class. */
static uint8_t *make_images(int n, size_t size) {
  uint8_t *x = malloc((size_t)n * size);
  uint32_t seed = 1;
  for (size_t i = 0; i < (size_t)n * size; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (uint8_t)((seed >> 25) + (i % size % CLASSES == i / size % CLASSES ? 100 : 0));
  }
  return x;
}

/* A part of a folder like MNIST's. */
static void write_idx(const char *folder, const char *part, int n, int side) {
  char path[440];
  const uint32_t head[] = {
    0x803, (uint32_t)n, (uint32_t)side, (uint32_t)side, 0x801, (uint32_t)n
  };
  uint8_t bytes[6][4], *x = make_images(n, (size_t)(side * side));
  for (int i = 0; i < 6; i++)
    for (int k = 0; k < 4; k++) bytes[i][k] = (uint8_t)(head[i] >> (24 - 8 * k));
  snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", folder, part);
  FILE *f = fopen(path, "wb");
  fwrite(bytes, 4, 4, f);
  fwrite(x, (size_t)(side * side), (size_t)n, f);
  fclose(f);
  snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", folder, part);
  f = fopen(path, "wb");
  fwrite(bytes[4], 4, 2, f);
  for (int i = 0; i < n; i++) fputc(i % CLASSES, f);
  fclose(f);
  free(x);
}

static void write_images(const char *folder, int n, int side) {
  mkdir(folder, 0700);
  write_idx(folder, "train", n, side);
  write_idx(folder, "t10k", n / 5, side);
}

static void write_colour(const char *folder, int n, int side) {
  char path[400];
  uint8_t *x = make_images(n, (size_t)(3 * side * side));
  mkdir(folder, 0700);
  snprintf(path, sizeof path, "%s/features.npy", folder);
  ASSERT_OK(lcl_npy_write(path, LCL_NPY_U8, 4, (int64_t[]) { n, 3, side, side }, x));
  int32_t *label = malloc((size_t)n * sizeof *label);
  for (int i = 0; i < n; i++) label[i] = i % CLASSES;
  snprintf(path, sizeof path, "%s/labels.npy", folder);
  ASSERT_OK(lcl_npy_write(path, LCL_NPY_I32, 1, (int64_t[]) { n }, label));
  free(label);
  free(x);
}

static int setup(void **state) {
  (void)state;
  if (lcl_context_create(NULL, &ctx) != LCL_OK) fail_msg("%s", lcl_error_message());
  temp_make(root);
  snprintf(grey, sizeof grey, "%s/grey", root);
  snprintf(colour, sizeof colour, "%s/colour", root);
  write_images(grey, N, SIDE);
  write_colour(colour, 40, 32);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  lcl_context_destroy(ctx);
  temp_remove(root);
  return 0;
}

/* ---- a run, and what it left ---- */

typedef struct run_desc {
  const char *model, *set, *more; /* "a=1 b=2" */
  const char *data;               /* NULL: grey */
  const char *name;               /* of the folder */
  uint64_t seed;
  bool resume, test;
  int (*interrupted)(void);
} run_desc;

static lcl_status start_run(const run_desc *r, lcl_train_result *result) {
  char copy[512], out[400], *rest = copy;
  const char *set[32];
  size_t n = 0;
  snprintf(copy, sizeof copy, "%s %s", r->set, r->more ? r->more : "");
  for (char *one = strtok_r(copy, " ", &rest); one; one = strtok_r(NULL, " ", &rest)) {
    assert_true(n < LCL_COUNT(set));
    set[n++] = one;
  }
  snprintf(out, sizeof out, "%s/%s", root, r->name);
  if (!r->resume) temp_remove(out);
  return lcl_train(ctx,
                   &(lcl_train_desc) { .model = r->model,
                                       .set = set,
                                       .n_set = n,
                                       .data = r->data ? r->data : grey,
                                       .out = out,
                                       .seed = r->seed ? r->seed : 3,
                                       .quiet = true,
                                       .test = r->test,
                                       .resume = r->resume,
                                       .interrupted = r->interrupted },
                   result);
}

static lcl_train_result run(const run_desc *r) {
  lcl_train_result result;
  if (start_run(r, &result) != LCL_OK)
    fail_msg("%s %s %s: %s", r->model, r->set, r->more ? r->more : "", lcl_error_message());
  return result;
}

static lcl_tensor_file *checkpoint_of(const char *name) {
  char path[400];
  lcl_tensor_file *f;
  snprintf(path, sizeof path, "%s/%s/last.safetensors", root, name);
  ASSERT_OK(lcl_tensor_file_read(path, &f));
  return f;
}

/* The log without what depends on the clock. */
static char *log_of(const char *name) {
  char path[400], *text;
  void *data;
  size_t n;
  snprintf(path, sizeof path, "%s/%s/log.jsonl", root, name);
  ASSERT_OK(lcl_file_read(path, 1 << 24, &data, &n));
  text = strdup(data);
  lcl_free(data);
  for (char *p = text; (p = strstr(p, "\"images_per_second\":")) != NULL;) {
    char *end = p + strcspn(p, ",}");
    memmove(p, end, strlen(end) + 1);
  }
  return text;
}

/* The name of the first difference of two runs, or NULL. */
static const char *difference(const char *a, const char *b) {
  static const char *const meta[] = { "epoch",           "step",       "labelled.step",
                                      "unlabelled.step", "plateaus",   "stalled",
                                      "waited",          "best_epoch", "best_value" };
  static char name[100];
  lcl_tensor_file *x = checkpoint_of(a), *y = checkpoint_of(b);
  char *log_a = log_of(a), *log_b = log_of(b);
  name[0] = 0;
  if (lcl_tensor_file_count(x) != lcl_tensor_file_count(y)) snprintf(name, sizeof name, "count");
  for (size_t i = 0; i < lcl_tensor_file_count(x) && !name[0]; i++) {
    const lcl_tensor_entry *e = lcl_tensor_file_at(x, i), *f = lcl_tensor_file_find(y, e->name);
    if (!f || e->bytes != f->bytes || memcmp(e->data, f->data, e->bytes) != 0)
      snprintf(name, sizeof name, "%s", e->name);
  }
  for (size_t i = 0; i < LCL_COUNT(meta) && !name[0]; i++)
    if (strcmp(lcl_tensor_file_meta(x, meta[i]), lcl_tensor_file_meta(y, meta[i])) != 0)
      snprintf(name, sizeof name, "%s", meta[i]);
  if (!name[0] && strcmp(log_a, log_b) != 0) snprintf(name, sizeof name, "log.jsonl");
  free(log_a);
  free(log_b);
  lcl_tensor_file_destroy(x);
  lcl_tensor_file_destroy(y);
  return name[0] ? name : NULL;
}

/* ---- resuming ---- */

static int steps_until_stop;
static int stop_now(void) {
  return steps_until_stop > 0 && --steps_until_stop == 0;
}

typedef struct resumed {
  const char *model, *set;
} resumed;

/* Every model, every update rule and every schedule, with and without unlabelled data. */
static const resumed resumes[] = {
  { "semantic-noise", "arch=mlp denoise_std=0.1 optimiser=momentum lr_schedule=step lr_every=1" },
  { "imsat", "hidden=9-8 nn_index=3 lr_schedule=exponential lr_factor=0.5" },
  { "imsat", "task=hash bits=4 hidden=9-8 system=imsat-rpt nn_index=3 queries=2" },
  { "dec", "hidden=9,8 latent=4 lr_warmup=5" },
  { "dec", "system=dec hidden=9,8 latent=4" },
  { "inversion", "labels_per_class=5 unlabelled_batch=13 lr_schedule=plateau lr_every=1" },
  { "inversion", "alpha=1 labels_per_class=0 unlabelled_batch=0 optimiser=rmsprop" },
  { "ladder", "widths=9-8 labels_per_class=3 unlabelled_batch=11 lr_schedule=linear lr_until=3" },
  { "ladder",
    "widths=9-8 variant=baseline unlabelled_batch=15 bn_test=ema optimiser=nesterov lr=0.01" },
  { "pixelrnn", "hidden=2 binarise=dynamic batch=7" },
  { "augconv", "maps=3,4,5 optimiser=sgd lr=0.01" },
  { "vae", "maps=2 optimiser=adadelta lr=1" },
  { "m2", "latent=5 labels_per_class=5 unlabelled_batch=15" },
  { "two-head", "latent=5 labels_per_class=5 unlabelled_batch=15" },
  { "vae-ladder", "layers=9,8" },
  { "vae-ladder-control", "layers=9,8 latent=3" },
};

static void every_model_resumes(void **state) {
  (void)state;
  for (size_t m = 0; m < lcl_model_count(); m++) {
    size_t i = 0;
    while (i < LCL_COUNT(resumes) && strcmp(resumes[i].model, lcl_model_at(m)->name)) i++;
    if (i == LCL_COUNT(resumes)) fail_msg("%s: say how it resumes", lcl_model_at(m)->name);
  }
  for (size_t i = 0; i < LCL_COUNT(resumes); i++) {
    run_desc r = { .model = resumes[i].model,
                   .set = "batch=12 epochs=2 validation=10",
                   .more = resumes[i].set,
                   .name = "whole" };
    run(&r);
    r.name = "parts";
    r.interrupted = stop_now;
    int runs = 0;
    for (lcl_status s = LCL_ERR_INTERRUPTED; s != LCL_OK; runs++) {
      steps_until_stop = runs == 0 ? 2 : 3;
      s = start_run(&r, NULL);
      if (s != LCL_OK && s != LCL_ERR_INTERRUPTED) fail_msg("%s", lcl_error_message());
      r.resume = true;
    }
    if (runs < 3) fail_msg("%s: only %d parts", r.model, runs);
    const char *what = difference("whole", "parts");
    if (what) fail_msg("%s %s: %s differs after resuming", r.model, r.more, what);
  }
}

/* ---- schedules ---- */

/* What the log says of each epoch under this name. */
static int epochs_of(const char *run_name, const char *key, double values[32]) {
  char *text = log_of(run_name), *rest = text, pattern[40];
  int n = 0;
  snprintf(pattern, sizeof pattern, "\"%s\":", key);
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    if (!strstr(line, "\"event\":\"epoch\"")) continue;
    const char *at = strstr(line, pattern);
    assert_non_null(at);
    assert_true(n < 32);
    values[n++] = strtod(at + strlen(pattern), NULL);
  }
  free(text);
  return n;
}

static void schedules(void **state) {
  (void)state;
  static const struct {
    const char *set;
    int epochs;
    double rate[8]; /* over lr, of each epoch's last step */
  } cases[] = {
    { "", 3, { 1, 1, 1 } },
    { "lr_schedule=step lr_factor=10 lr_every=2", 5, { 1, 1, 0.1, 0.1, 0.01 } },
    { "lr_schedule=step lr_factor=10 lr_every=1 lr_until=2", 5, { 1, 0.1, 0.01, 0.01, 0.01 } },
    { "lr_schedule=exponential lr_factor=0.5", 4, { 1, 0.5, 0.25, 0.125 } },
    { "lr_schedule=linear lr_from=1 lr_until=5", 6, { 1, 1, 0.75, 0.5, 0.25, 0 } },
    /* Nothing is learnt at this rate: the first epoch stays the best. */
    { "lr_schedule=plateau lr_factor=10 lr_every=2", 7, { 1, 1, 1, 0.1, 0.1, 0.01, 0.01 } },
    { "lr_schedule=plateau lr_factor=10 lr_every=1", 4, { 1, 1, 0.1, 0.01 } },
    { "lr_warmup=15", 4, { 8.0 / 15, 1, 1, 1 } }, /* 8 steps an epoch */
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    char set[160];
    double rate[32];
    snprintf(set, sizeof set,
             "arch=mlp batch=10 validation=20 lr=1e-12 lr_schedule=constant epochs=%d",
             cases[i].epochs);
    run(&(run_desc) {
        .model = "semantic-noise", .set = set, .more = cases[i].set, .name = "schedule" });
    assert_int_equal(epochs_of("schedule", "lr", rate), cases[i].epochs);
    for (int e = 0; e < cases[i].epochs; e++)
      if (fabs(rate[e] - 1e-12 * cases[i].rate[e]) > 1e-18)
        fail_msg("%s: rate %g in epoch %d, expected %g", cases[i].set, rate[e], e + 1,
                 1e-12 * cases[i].rate[e]);
  }
}

static void patience(void **state) {
  (void)state;
  for (int p = 1; p <= 3; p++) {
    char set[40];
    snprintf(set, sizeof set, "patience=%d", p);
    lcl_train_result r = run(
        &(run_desc) { .model = "semantic-noise",
                      .set = "arch=mlp batch=10 validation=20 lr=1e-12 epochs=9",
                      .more = set,
                      .name = "patience" });
    assert_int_equal(r.best_epoch, 1);
    assert_int_equal(r.epochs, 1 + p);
  }
}

/* ---- options ---- */

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
  { "clip_norm", "1e-3", "optimiser=sgd lr=0.01" },
  { "patience", "1", "lr=1e-12" },
  { "augment", "false", "" },
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
               stops = strcmp(e->option, "patience") == 0;
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

/* ---- metrics ---- */

/* N is no multiple of the evaluation's batch: the rows that fill the last one must not count, and
 * the rows keep the order of the data. */
static void counts(void **state) {
  (void)state;
  char folder[400];
  snprintf(folder, sizeof folder, "%s/many", root);
  write_images(folder, 640, 6);
  run(&(run_desc) { .model = "semantic-noise",
                    .set = "arch=mlp epochs=2 batch=50 validation=131",
                    .data = folder,
                    .name = "counted" });
  static const char *const splits[] = { "train", "validation", "test" };
  snprintf(folder, sizeof folder, "%s/counted", root);
  lcl_run_folder *opened;
  ASSERT_OK(lcl_run_open(ctx, folder, NULL, &opened));
  for (int i = 0; i < 3; i++) {
    lcl_dataset *ds;
    lcl_outputs out;
    lcl_metrics m;
    int64_t confusion[CLASSES * CLASSES] = { 0 }, expected[CLASSES * CLASSES] = { 0 };
    ASSERT_OK(lcl_session_split(lcl_run_session(opened), splits[i], &ds));
    ASSERT_OK(lcl_run_evaluate(opened, splits[i], &m));
    ASSERT_OK(lcl_run_outputs(opened, ds, &out));
    lcl_evaluator *e;
    lcl_metrics again;
    ASSERT_OK(lcl_evaluator_create(lcl_run_session(opened), false, &e));
    ASSERT_OK(lcl_run_load(opened));
    ASSERT_OK(lcl_evaluate(e, ds, splits[i], &again, confusion));
    lcl_evaluator_destroy(e);
    assert_true(ds->count % 250 != 0);
    assert_int_equal(out.n, ds->count);
    int64_t wrong = 0;
    for (int64_t k = 0; k < out.n; k++) {
      wrong += out.prediction[k] != ds->labels[k];
      expected[ds->labels[k] * CLASSES + out.prediction[k]]++;
    }
    assert_memory_equal(confusion, expected, sizeof expected);
    assert_true(*lcl_metrics_get(&m, "n") == (double)ds->count);
    assert_true(fabs(*lcl_metrics_get(&m, "error_percent") -
                     100.0 * (double)wrong / (double)ds->count) < 1e-9);
    assert_true(*lcl_metrics_get(&m, "loss") == *lcl_metrics_get(&again, "loss"));
    lcl_outputs_free(&out);
  }
  lcl_run_close(opened);
}

/* A linear classifier computed on the host: the same predictions in the same order. */
static void order(void **state) {
  (void)state;
  char folder[400], path[440];
  enum { SIZE = 36, ALL = 640 + 128 };
  snprintf(folder, sizeof folder, "%s/many", root);
  run(&(run_desc) { .model = "imsat",
                    .set = "system=linear-rim epochs=1 batch=50",
                    .data = folder,
                    .name = "linear" });
  snprintf(folder, sizeof folder, "%s/linear", root);
  snprintf(path, sizeof path, "%s/best.safetensors", folder);
  lcl_run_folder *opened;
  lcl_tensor_file *f;
  ASSERT_OK(lcl_tensor_file_read(path, &f));
  ASSERT_OK(lcl_run_open(ctx, folder, NULL, &opened));
  lcl_session *s = lcl_run_session(opened);
  lcl_dataset *ds;
  lcl_outputs out;
  ASSERT_OK(lcl_session_split(s, "all", &ds));
  ASSERT_OK(lcl_run_outputs(opened, ds, &out));
  const float *weight = NULL, *bias = NULL;
  for (size_t i = 0; i < lcl_tensor_file_count(f); i++) {
    const lcl_tensor_entry *e = lcl_tensor_file_at(f, i);
    const size_t n = strlen(e->name);
    if (n > 7 && strcmp(e->name + n - 7, ".weight") == 0) weight = e->data;
    if (n > 5 && strcmp(e->name + n - 5, ".bias") == 0) bias = e->data;
  }
  assert_non_null(weight);
  assert_non_null(bias);
  assert_int_equal(out.n, ALL);
  float *x = calloc(ALL * SIZE, sizeof *x);
  ASSERT_OK(lcl_session_examples(s, ds, 0, ALL, x));
  int64_t counts_of[CLASSES] = { 0 };
  for (int64_t i = 0; i < out.n; i++) {
    double logit[CLASSES], most = -INFINITY, second = -INFINITY;
    int best = 0;
    for (int c = 0; c < CLASSES; c++) {
      logit[c] = (double)bias[c];
      for (int k = 0; k < SIZE; k++)
        logit[c] += (double)weight[c * SIZE + k] * (double)x[i * SIZE + k];
      if (logit[c] > most) best = c;
      second = LCL_MAX(second, LCL_MIN(most, logit[c]));
      most = LCL_MAX(most, logit[c]);
    }
    if (most - second > 1e-4) assert_int_equal(out.prediction[i], best);
    counts_of[best]++;
  }
  assert_true(counts_of[0] < ALL && counts_of[1] < ALL && counts_of[2] < ALL);
  free(x);
  lcl_outputs_free(&out);
  lcl_run_close(opened);
  lcl_tensor_file_destroy(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_model_resumes),
    cmocka_unit_test(schedules),
    cmocka_unit_test(patience),
    cmocka_unit_test(every_common_option),
    cmocka_unit_test(seed),
    cmocka_unit_test(counts),
    cmocka_unit_test(order),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
