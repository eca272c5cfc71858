/* What runs do from epoch to epoch: rates, patience, metrics as counts, running statistics,
 * lines of the log, and which checkpoints are refused. */
#include "nn/evaluate.h"
#include "run_folder.h"
#include "train/trainer.h"

/* ---- schedules ---- */

static void near(const char *what, double got, double want, double bound) {
  if (!(fabs(got - want) <= bound))
    fail_msg("%s: got %.9g, expected %.9g within %.3g", what, got, want, bound);
}

/* What the log says under this name at each event of a kind. */
static int lines_of(const char *run_name, const char *event, const char *key, double values[32]) {
  char *text = log_of(run_name), *rest = text, pattern[40], kind[40];
  int n = 0;
  snprintf(pattern, sizeof pattern, "\"%s\":", key);
  snprintf(kind, sizeof kind, "\"event\":\"%s\"", event);
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    if (!strstr(line, kind)) continue;
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
    /* Epochs that cannot be the best are none that stall. */
    { "lr_schedule=plateau lr_factor=10 lr_every=1 select_last=2", 5, { 1, 1, 1, 1, 1 } },
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
    assert_int_equal(lines_of("schedule", "epoch", "lr", rate), cases[i].epochs);
    for (int e = 0; e < cases[i].epochs; e++)
      if (!(fabs(rate[e] - 1e-12 * cases[i].rate[e]) <= 1e-18))
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

/* A run that goes on for longer has other last epochs. */
static void last_epochs(void **state) {
  (void)state;
  run_desc r = { .model = "semantic-noise",
                 .set = "arch=mlp batch=10 validation=20 lr=1e-12 select_last=1",
                 .more = "epochs=4",
                 .name = "whole" };
  assert_int_equal(run(&r).best_epoch, 4);
  r.more = "epochs=2";
  r.name = "parts";
  assert_int_equal(run(&r).best_epoch, 2);
  r.more = "epochs=4";
  r.resume = true;
  assert_int_equal(run(&r).best_epoch, 4);
  const char *what = difference("whole", "parts");
  if (what) fail_msg("%s differs", what);
}

/* What waits for a better epoch is refused where no epoch is better than another. */
static void nothing_to_wait_for(void **state) {
  (void)state;
  static const struct {
    const char *model, *set, *said;
  } cases[] = {
    { "semantic-noise", "arch=mlp validation=-1 patience=2", "patience waits for a better epoch" },
    { "semantic-noise", "arch=mlp validation=-1 lr_schedule=plateau", "no validation part" },
    { "ladder", "widths=9-8 labels_per_class=3 validation=10 patience=2", "takes its last one" },
    { "dec", "hidden=9,8 latent=4 lr_schedule=plateau", "lr_schedule=plateau waits" },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const run_desc r = { .model = cases[i].model, .set = cases[i].set, .name = "refused" };
    ASSERT_STATUS(start_run(&r, NULL), LCL_ERR_ARGUMENT);
    assert_non_null(strstr(lcl_error_message(), cases[i].said));
  }
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
                    .set = "arch=mlp epochs=1 lr=1e-6 batch=50 validation=131", /* many errors */
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
    ASSERT_OK(lcl__session_split(lcl__run_session(opened), splits[i], &ds));
    ASSERT_OK(lcl_run_evaluate(opened, splits[i], &m));
    ASSERT_OK(lcl__run_outputs(opened, ds, "", &out));
    lcl_evaluator *e;
    lcl_metrics again;
    ASSERT_OK(lcl__evaluator_create(lcl__run_session(opened), NULL, &e));
    ASSERT_OK(lcl__run_load(opened));
    ASSERT_OK(lcl__evaluate(e, ds, splits[i], &again, confusion));
    lcl__evaluator_destroy(e);
    assert_true(ds->count % 250 != 0);
    assert_int_equal(out.n, ds->count);
    int64_t wrong = 0;
    for (int64_t k = 0; k < out.n; k++) {
      wrong += out.prediction[k] != ds->labels[k];
      expected[ds->labels[k] * CLASSES + out.prediction[k]]++;
    }
    assert_memory_equal(confusion, expected, sizeof expected);
    int one_sided = 0;
    for (int k = 0; k < CLASSES * CLASSES; k++)
      one_sided += expected[k] != expected[k % CLASSES * CLASSES + k / CLASSES];
    assert_true(wrong > 0 && one_sided > 0);
    assert_true(*lcl_metrics_get(&m, "n") == (double)ds->count);
    assert_true(fabs(*lcl_metrics_get(&m, "error_percent") -
                     100.0 * (double)wrong / (double)ds->count) < 1e-9);
    assert_true(*lcl_metrics_get(&m, "loss") == *lcl_metrics_get(&again, "loss"));
    lcl__outputs_free(&out);
  }
  lcl_run_close(opened);
}

/* A label of -1 is none: such examples are neither errors nor trained on, and they are counted. */
static void examples_without_a_label(void **state) {
  (void)state;
  enum { M = 120, SIZE = 36 };
  char folder[300], path[400];
  snprintf(folder, sizeof folder, "%s/some", root);
  mkdir(folder, 0700);
  uint8_t *x = make_images(M, SIZE);
  int32_t label[M];
  for (int i = 0; i < M; i++) label[i] = i % 3 == 2 ? -1 : i % CLASSES;
  snprintf(path, sizeof path, "%s/features.npy", folder);
  ASSERT_OK(lcl__npy_write(path, LCL_NPY_U8, 4, (int64_t[]) { M, 1, 6, 6 }, x));
  snprintf(path, sizeof path, "%s/labels.npy", folder);
  ASSERT_OK(lcl__npy_write(path, LCL_NPY_I32, 1, (int64_t[]) { M }, label));
  free(x);
  run(&(run_desc) { .model = "semantic-noise",
                    .set = "arch=mlp epochs=1 batch=10 validation=20",
                    .data = folder,
                    .name = "partly" });
  snprintf(path, sizeof path, "%s/partly", root);
  lcl_run_folder *opened;
  lcl_dataset *ds;
  lcl_metrics m;
  lcl_outputs out;
  ASSERT_OK(lcl_run_open(ctx, path, NULL, &opened));
  ASSERT_OK(lcl__session_split(lcl__run_session(opened), "train", &ds));
  for (int64_t i = 0; i < ds->count; i++) assert_true(ds->labels[i] >= 0);
  ASSERT_OK(lcl__session_split(lcl__run_session(opened), "test", &ds));
  ASSERT_OK(lcl_run_evaluate(opened, "test", &m));
  ASSERT_OK(lcl__run_outputs(opened, ds, "", &out));
  int wrong = 0, labelled = 0;
  for (int64_t i = 0; i < out.n; i++) {
    labelled += ds->labels[i] >= 0;
    wrong += ds->labels[i] >= 0 && ds->labels[i] != out.prediction[i];
  }
  assert_in_range(labelled, 1, ds->count - 1);
  assert_true(*lcl_metrics_get(&m, "n") == labelled);
  assert_true(*lcl_metrics_get(&m, "unlabelled") == (double)(ds->count - labelled));
  assert_true(fabs(*lcl_metrics_get(&m, "error_percent") - 100.0 * wrong / labelled) < 1e-9);
  lcl__outputs_free(&out);
  lcl_run_close(opened);
}

/* What needs no label is averaged over all examples: as of the same data without any label. */
static void losses_without_a_label(void **state) {
  (void)state;
  enum { M = 120 };
  char folder[300], path[400], run_path[400];
  snprintf(folder, sizeof folder, "%s/unlabelled", root);
  mkdir(folder, 0700);
  uint8_t *x = make_images(M, 36);
  int32_t label[M];
  for (int i = 0; i < M; i++) label[i] = i % 3 == 2 ? -1 : i % CLASSES;
  snprintf(path, sizeof path, "%s/features.npy", folder);
  ASSERT_OK(lcl__npy_write(path, LCL_NPY_U8, 2, (int64_t[]) { M, 36 }, x));
  snprintf(path, sizeof path, "%s/labels.npy", folder);
  ASSERT_OK(lcl__npy_write(path, LCL_NPY_I32, 1, (int64_t[]) { M }, label));
  free(x);
  run(&(run_desc) { .model = "imsat",
                    .set = "system=linear-rim epochs=1 batch=50 clusters=4",
                    .data = folder,
                    .name = "clustered" });
  snprintf(run_path, sizeof run_path, "%s/clustered", root);
  double loss[2];
  for (int without = 0; without < 2; without++) {
    lcl_run_folder *opened;
    lcl_metrics m;
    if (without) assert_int_equal(unlink(path), 0);
    ASSERT_OK(lcl_run_open(ctx, run_path, NULL, &opened));
    ASSERT_OK(lcl_run_evaluate(opened, "all", &m));
    loss[without] = *lcl_metrics_get(&m, "loss");
    assert_true(*lcl_metrics_get(&m, "n") == (without ? M : M - M / 3));
    assert_true(!without == !!lcl_metrics_get(&m, "accuracy_percent"));
    lcl_run_close(opened);
  }
  assert_true(loss[0] > 0 && fabs(loss[0] - loss[1]) < 1e-12);
}

/* What the context cannot give is said before anything is made. */
static void profiles_need_a_context_that_profiles(void **state) {
  (void)state;
  char out[300], trace[300];
  snprintf(out, sizeof out, "%s/profiled", root);
  snprintf(trace, sizeof trace, "%s/trace.json", root);
  for (int i = 0; i < 2; i++) {
    const lcl_train_desc d = { .model = "semantic-noise",
                               .data = grey,
                               .out = out,
                               .quiet = true,
                               .profile = i == 0,
                               .trace = i ? trace : NULL };
    ASSERT_STATUS(lcl_train(ctx, &d, NULL), LCL_ERR_ARGUMENT);
    assert_non_null(strstr(lcl_error_message(), "lcl_context_desc.profile"));
    assert_int_not_equal(access(out, F_OK), 0);
  }
}

/* What a run's codes are said to retrieve is what the codes in the file do. */
static void check_retrieval(lcl_run_folder *opened, const lcl_dataset *ds, const char *folder) {
  enum { BITS = 6, QUERIES = 3, NEAREST = 500 };
  char path[440];
  lcl_metrics m;
  lcl_npy a;
  lcl_retrieval r;
  uint64_t *codes = calloc((size_t)ds->count, sizeof *codes);
  uint8_t *query = calloc((size_t)ds->count, 1);
  const lcl_assignment_desc d = {
    .split = "all", .method = "pca-itq", .k = BITS, .queries = QUERIES, .seed = 5
  };
  ASSERT_OK(lcl_run_hash(opened, &d, &m));
  snprintf(path, sizeof path, "%s/codes-pca-itq.npy", folder);
  ASSERT_OK(lcl__npy_read(path, &a));
  assert_int_equal(a.count, ds->count * BITS);
  for (int64_t i = 0; i < ds->count * BITS; i++)
    codes[i / BITS] |= (uint64_t)(lcl__npy_get(&a, (size_t)i) > 0) << i % BITS;
  const uint64_t seed = lcl__run_session(opened)->seed;
  ASSERT_OK(lcl__choose_queries(ds->labels, ds->count, CLASSES, QUERIES, seed, query));
  ASSERT_OK(lcl__hamming_retrieval(codes, ds->labels, query, ds->count, BITS, NEAREST, &r));
  near("map", *lcl_metrics_get(&m, "map_percent"), 100 * r.map_trapezoid, 1e-9);
  near("precision", *lcl_metrics_get(&m, "precision_500_percent"), 100 * r.precision_at, 1e-9);
  near("precision", *lcl_metrics_get(&m, "precision_r2_percent"), 100 * r.precision_radius, 1e-9);
  assert_true(fabs(r.map_trapezoid - r.map_step) > 1e-6);
  lcl__npy_free(&a);
  free(codes);
  free(query);
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
  lcl_session *s = lcl__run_session(opened);
  lcl_dataset *ds;
  lcl_outputs out;
  ASSERT_OK(lcl__session_split(s, "all", &ds));
  ASSERT_OK(lcl__run_outputs(opened, ds, "", &out));
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
  ASSERT_OK(lcl__session_examples(s, ds, 0, ALL, x));
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
  check_retrieval(opened, ds, folder);
  free(x);
  lcl__outputs_free(&out);
  lcl_run_close(opened);
  lcl_tensor_file_destroy(f);
}

/* ---- statistics of a run ---- */

/* x (n,size) of a split and the checkpoint of a run on it. */
typedef struct trained {
  lcl_run_folder *opened;
  lcl_tensor_file *f;
  int64_t n, size;
  float *x;
} trained;

static trained open_trained(const char *name, const char *split, int64_t size) {
  char folder[400];
  lcl_dataset *ds;
  trained t = { .f = checkpoint_of(name), .size = size };
  snprintf(folder, sizeof folder, "%s/%s", root, name);
  ASSERT_OK(lcl_run_open(ctx, folder, NULL, &t.opened));
  ASSERT_OK(lcl__session_split(lcl__run_session(t.opened), split, &ds));
  t.n = ds->count;
  t.x = calloc((size_t)(t.n * size), sizeof *t.x);
  ASSERT_OK(lcl__session_examples(lcl__run_session(t.opened), ds, 0, t.n, t.x));
  return t;
}

static void close_trained(trained *t) {
  lcl_run_close(t->opened);
  lcl_tensor_file_destroy(t->f);
  free(t->x);
}

static const float *values_of(const trained *t, const char *name) {
  const lcl_tensor_entry *e = lcl_tensor_file_find(t->f, name);
  if (!e) fail_msg("there is no %s", name);
  return e->data;
}

/* The statistics of the ladder's first layer: those of all examples, and of what they began with,
 * zero and one, a share that is left. */
static void check_first_layer(const trained *t, double left, bool unbiased, double within) {
  enum { WIDE = 5 };
  const float *w = values_of(t, "enc1.weight");
  assert_int_equal(t->n, 90);
  for (int c = 0; c < WIDE; c++) {
    double a[90], mean = 0, var = 0;
    for (int64_t i = 0; i < t->n; i++) {
      a[i] = 0;
      for (int64_t k = 0; k < t->size; k++)
        a[i] += (double)w[c * t->size + k] * (double)t->x[i * t->size + k];
      mean += a[i] / (double)t->n;
    }
    for (int64_t i = 0; i < t->n; i++)
      var += (a[i] - mean) * (a[i] - mean) / (double)(unbiased ? t->n - 1 : t->n);
    near("mean", (double)values_of(t, "enc1.mean")[c], mean * (1 - left), 2e-6 * (1 + fabs(mean)));
    near("variance", (double)values_of(t, "enc1.var")[c], var + (1 - var) * left,
         within * (1 + var));
  }
}

/* One batch of every example, and nothing is learnt: the statistics of the first layer after
 * `steps` steps of weight 0.01, or after any number of the running mean. */
static void check_ladder(const char *bn_test, int steps, double left, bool unbiased) {
  char more[100];
  snprintf(more, sizeof more, "bn_test=%s epochs=%d", bn_test, steps);
  run(&(run_desc) {
      .model = "ladder",
      .set =
          "widths=5 variant=baseline unlabelled_batch=0 labels_per_class=0 batch=90 validation=10 "
          "lr=1e-12 lr_schedule=constant",
      .more = more,
      .name = "statistics" });
  trained t = open_trained("statistics", "train", SIDE * SIDE);
  check_first_layer(&t, left, unbiased, 2e-6);
  close_trained(&t);
}

/* At the end the statistics of the best epoch are taken anew, over all the labelled examples: the
 * mean is that of all of them, and the variance the mean of those of the batches. */
static void check_calibration(const char *batch, double within) {
  char path[400];
  run(&(run_desc) { .model = "ladder",
                    .set = "widths=5 variant=baseline unlabelled_batch=0 labels_per_class=0 "
                           "validation=10 lr=1e-12 lr_schedule=constant epochs=1",
                    .more = batch,
                    .name = "calibrated",
                    .test = true });
  trained t = open_trained("calibrated", "train", SIDE * SIDE);
  lcl_tensor_file_destroy(t.f);
  snprintf(path, sizeof path, "%s/calibrated/best.safetensors", root);
  ASSERT_OK(lcl_tensor_file_read(path, &t.f));
  check_first_layer(&t, 0, true, within);
  close_trained(&t);
}

static void ladder_statistics(void **state) {
  (void)state;
  check_ladder("ema", 3, 0.99 * 0.99 * 0.99, false);
  check_ladder("running", 3, 0, true);
  check_calibration("batch=90", 2e-6);
  check_calibration("batch=30", 0.1);
}

/* DEC's shares of the clusters: the mean of the memberships over all data, or a running one of
 * weight 0.01 over those of the batches. */
static void check_shares(const char *target, double weight) {
  enum { CODE = 4, ALL = N + N / 5, EPOCHS = 3 };
  run(&(run_desc) { .model = "dec",
                    .set = "system=dec hidden=9,8 latent=4 batch=120 epochs=3 lr=1e-12",
                    .more = target,
                    .name = "shares" });
  trained t = open_trained("shares", "all", SIDE * SIDE);
  lcl_dataset *ds;
  lcl_outputs out;
  ASSERT_OK(lcl__session_split(lcl__run_session(t.opened), "all", &ds));
  ASSERT_OK(lcl__run_outputs(t.opened, ds, "", &out));
  assert_int_equal(out.n, ALL);
  const float *centre = values_of(&t, "centres");
  double mean[CLASSES] = { 0 };
  for (int64_t i = 0; i < out.n; i++) {
    double q[CLASSES], sum = 0;
    for (int c = 0; c < CLASSES; c++) {
      double apart = 1;
      for (int k = 0; k < CODE; k++)
        apart += pow((double)out.features[i * CODE + k] - (double)centre[c * CODE + k], 2);
      sum += q[c] = 1 / apart;
    }
    for (int c = 0; c < CLASSES; c++) mean[c] += q[c] / sum / ALL;
  }
  for (int c = 0; c < CLASSES; c++) {
    double want = 1.0 / CLASSES;
    for (int e = 0; e < EPOCHS; e++) want += weight * (mean[c] - want);
    near("share", (double)values_of(&t, "shares")[c], want, 1e-6);
  }
  assert_true(fabs(mean[0] - 1.0 / CLASSES) > 1e-3);
  lcl__outputs_free(&out);
  close_trained(&t);
}

static void cluster_shares(void **state) {
  (void)state;
  check_shares("target=batch", 0.01);
  check_shares("target=set", 1);
}

/* What the log says every 50 steps is the mean over those steps, and an epoch's mean is over that
 * epoch alone: the same where an epoch has 50 steps. */
static void step_lines(void **state) {
  (void)state;
  run(&(run_desc) { .model = "semantic-noise",
                    .set = "arch=mlp perturb_std=0 lr=1e-12 batch=3 validation=10 epochs=4",
                    .name = "lines" });
  char *text = log_of("lines");
  const char *step = strstr(text, "\"event\":\"step\""),
             *epoch = strstr(text, "\"event\":\"epoch\"");
  assert_non_null(step);
  assert_non_null(epoch);
  assert_non_null(strstr(step, "\"step\":50,"));
  const double loss = strtod(strstr(step, "\"loss\":") + 7, NULL),
               whole = strtod(strstr(epoch, "\"loss\":") + 7, NULL);
  near("loss", loss, whole, 0.05 * whole);
  free(text);
  char folder[300];
  double steps[32], epochs[32];
  snprintf(folder, sizeof folder, "%s/hundred", root);
  write_images(folder, 110, 6);
  run(&(run_desc) { .model = "semantic-noise",
                    .set = "arch=mlp lr=0.01 batch=2 validation=10 epochs=3",
                    .data = folder,
                    .name = "fifty" });
  assert_int_equal(lines_of("fifty", "step", "loss", steps), 3);
  assert_int_equal(lines_of("fifty", "epoch", "loss", epochs), 3);
  double rates[32];
  assert_int_equal(lines_of("fifty", "step", "lr", rates), 3);
  for (int e = 0; e < 3; e++) near("rate of a step", rates[e], 0.01, 1e-12);
  for (int e = 0; e < 3; e++) near("loss of an epoch", epochs[e], steps[e], 1e-6 * steps[e]);
  assert_true(steps[2] < 0.9 * steps[0]);
}

/* Labelled and unlabelled examples come in orders that have nothing to do with each other. */
static void two_streams(void **state) {
  (void)state;
  static const char *const set[] = { "widths=9-8", "labels_per_class=25", "batch=30",
                                     "unlabelled_batch=30" };
  char out[400];
  snprintf(out, sizeof out, "%s/streams", root);
  const lcl_train_desc d = {
    .model = "ladder", .set = set, .n_set = LCL_COUNT(set), .data = grey, .out = out, .quiet = true
  };
  lcl_trainer t;
  lcl_batch labelled, unlabelled;
  ASSERT_OK(lcl__trainer_open(&t, ctx, &d));
  assert_int_equal(t.s->labelled->count, t.s->unlabelled->count);
  ASSERT_OK(lcl_batcher_next(t.labelled, &labelled));
  ASSERT_OK(lcl_batcher_next(t.unlabelled, &unlabelled));
  int same = 0;
  for (int i = 0; i < 30; i++) same += labelled.index[i] == unlabelled.index[i];
  ASSERT_BETWEEN(same, 0, 5);
  lcl__trainer_close(&t);
}

/* Unlabelled examples are all, or those that are not among the labelled ones. */
static void unlabelled_part(void **state) {
  (void)state;
  static const struct {
    const char *model, *set[4];
    int64_t others; /* besides the 20 labelled ones; 90 are trained on */
  } cases[] = {
    { "inversion", { "labels_per_class=5", "unlabelled_batch=13", "validation=10" }, 70 },
    { "m2", { "labels_per_class=5", "unlabelled_batch=15", "validation=10", "maps=3,4" }, 70 },
    { "ladder",
      { "labels_per_class=5", "unlabelled_batch=15", "validation=10", "widths=9-8" },
      90 },
  };
  char out[400];
  snprintf(out, sizeof out, "%s/others", root);
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    size_t n = 0;
    while (n < LCL_COUNT(cases[i].set) && cases[i].set[n]) n++;
    const lcl_train_desc d = { .model = cases[i].model,
                               .set = cases[i].set,
                               .n_set = n,
                               .data = grey,
                               .out = out,
                               .quiet = true };
    lcl_trainer t;
    temp_remove(out);
    ASSERT_OK(lcl__trainer_open(&t, ctx, &d));
    const lcl_dataset *known = t.s->labelled, *others = t.s->unlabelled;
    assert_int_equal(known->count, 20);
    assert_int_equal(others->count, cases[i].others);
    int64_t shared = 0;
    for (int64_t k = 0; k < known->count; k++)
      for (int64_t j = 0; j < others->count; j++) shared += known->offset[k] == others->offset[j];
    assert_int_equal(shared, cases[i].others == 90 ? 20 : 0);
    lcl__trainer_close(&t);
  }
}

/* DEC's targets are computed anew before every third step and no other. */
static void refreshed_targets(void **state) {
  (void)state;
  enum { CODE = 4, ALL = N + N / 5 };
  static const char *const set[] = { "system=dec", "hidden=9,8",        "latent=4",
                                     "batch=30",   "update_interval=3", "lr=0.1" };
  static float targets[2][ALL * CLASSES];
  char out[400];
  snprintf(out, sizeof out, "%s/refreshed", root);
  const lcl_train_desc d = {
    .model = "dec", .set = set, .n_set = LCL_COUNT(set), .data = grey, .out = out, .quiet = true
  };
  lcl_trainer t;
  ASSERT_OK(lcl__trainer_open(&t, ctx, &d));
  assert_int_equal(t.s->labelled->count, ALL);
  for (int step = 0; step < 7; step++) {
    float *now = targets[step % 2], *before = targets[1 - step % 2];
    ASSERT_OK(lcl__trainer_step(&t));
    ASSERT_OK(lcl_store_read(t.s->store, "train.targets", now, sizeof targets[0]));
    if (step) assert_int_equal(memcmp(now, before, sizeof targets[0]) != 0, step % 3 == 0);
  }
  lcl__trainer_close(&t);
}

/* ---- sound ---- */

static void write_wav(const char *path, int rate, int n, uint32_t seed) {
  uint8_t head[44] = "RIFF....WAVEfmt \20\0\0\0\1\0\1\0........\2\0\20\0data";
  const uint32_t numbers[][2] = { { 4, 36 + 2 * (uint32_t)n },
                                  { 24, (uint32_t)rate },
                                  { 28, 2 * (uint32_t)rate },
                                  { 40, 2 * (uint32_t)n } };
  for (size_t i = 0; i < LCL_COUNT(numbers); i++)
    for (int k = 0; k < 4; k++) head[numbers[i][0] + k] = (uint8_t)(numbers[i][1] >> (8 * k));
  FILE *f = fopen(path, "wb");
  fwrite(head, sizeof head, 1, f);
  for (int i = 0; i < 2 * n; i++) fputc((int)((seed = seed * 1664525u + 1013904223u) >> 24), f);
  fclose(f);
}

/* Recordings have no test part where the best of the last epochs is chosen: the end says what the
 * chosen one makes of the validation part. Half a second is 4608 samples, the fewest that fit. */
static void held_out_recordings(void **state) {
  (void)state;
  char folder[300], path[400];
  snprintf(folder, sizeof folder, "%s/birds", root);
  mkdir(folder, 0700);
  for (int c = 0; c < 2; c++) {
    snprintf(path, sizeof path, "%s/bird%d", folder, c);
    mkdir(path, 0700);
    for (int i = 0; i < 5; i++) {
      snprintf(path, sizeof path, "%s/bird%d/%d.wav", folder, c, i);
      write_wav(path, 9216, 5100, (uint32_t)(5 * c + i));
    }
  }
  const lcl_train_result r = run(&(run_desc) { .model = "inversion",
                                               .set = "arch=bird10 epochs=2 select_last=1 batch=8",
                                               .data = folder,
                                               .name = "sung",
                                               .test = true });
  assert_int_equal(r.best_epoch, 2);
  assert_true(r.test.n > 0 && r.test.n == r.validation.n);
  for (int i = 0; i < r.test.n; i++)
    assert_true(r.test.item[i].value == r.validation.item[i].value);
  char *text = log_of("sung"), *test = strstr(text, "\"event\":\"test\"");
  assert_non_null(test);
  assert_non_null(strstr(test, "\"split\":\"validation\",\"best_epoch\":2,"));
  free(text);
}

/* ---- checkpoints ---- */

/* A run begins with the best weights of another one, or with its last ones where none are kept. */
static void beginnings(void **state) {
  (void)state;
  char from[300], best[340], last[340], other[340], command[800];
  run_desc r = { .model = "semantic-noise",
                 .set = "arch=mlp epochs=1 batch=30 validation=10",
                 .name = "one" };
  run(&r);
  r.name = "another";
  r.seed = 4;
  run(&r);
  snprintf(from, sizeof from, "%s/one", root);
  snprintf(best, sizeof best, "%s/best.safetensors", from);
  snprintf(last, sizeof last, "%s/last.safetensors", from);
  snprintf(other, sizeof other, "%s/another/last.safetensors", root);
  snprintf(command, sizeof command, "cp %s %s", other, last);
  assert_int_equal(system(command), 0);
  for (int gone = 0; gone < 2; gone++) {
    lcl_tensor_file *f, *begun;
    if (gone) assert_int_equal(unlink(best), 0);
    run(&(run_desc) { .model = "semantic-noise",
                      .set = "arch=mlp epochs=1 batch=30 validation=10 lr=1e-12",
                      .name = "begun",
                      .start = from,
                      .seed = 5 });
    ASSERT_OK(lcl_tensor_file_read(gone ? last : best, &f));
    begun = checkpoint_of("begun");
    const lcl_tensor_entry *a = lcl_tensor_file_find(f, "enc.fc1.weight"),
                           *b = lcl_tensor_file_find(begun, "enc.fc1.weight");
    assert_true(a && b && a->bytes == b->bytes);
    for (size_t i = 0; i < a->bytes / sizeof(float); i++)
      near("weight", (double)((const float *)b->data)[i], (double)((const float *)a->data)[i],
           1e-9);
    lcl_tensor_file_destroy(f);
    lcl_tensor_file_destroy(begun);
  }
}

/* A weight that is missing is refused, also where the optimiser's variables may be missing; a start
 * takes weights and running statistics and nothing else. */
static void checkpoints(void **state) {
  (void)state;
  static const char *const names[] = { "fc.weight", "bn.mean", "bn.var", "fc.weight.m" };
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  const lcl_init one = { .kind = LCL_INIT_CONSTANT, .value = 1 };
  lcl_param(g, names[0], LCL_SHAPE(2), one);
  for (int i = 1; i < 4; i++) lcl_state(g, names[i], LCL_F32, LCL_SHAPE(2), one);
  for (int without = 0; without < 4; without++) {
    lcl_tensor_file *f;
    ASSERT_OK(lcl_tensor_file_create(&f));
    for (int i = 0; i < 4; i++) {
      const float v[2] = { 5 + (float)i, 7 };
      const lcl_tensor_entry e = { names[i], LCL_F32, LCL_SHAPE(2), v, sizeof v };
      if (i != without) ASSERT_OK(lcl_tensor_file_add(f, &e));
    }
    ASSERT_STATUS(lcl_store_load(store, f, false), LCL_ERR_FORMAT);
    const float fresh[2] = { 1, 1 };
    for (int i = 0; i < 4; i++) ASSERT_OK(lcl_store_write(store, names[i], fresh, sizeof fresh));
    if (without == 0)
      ASSERT_STATUS(lcl_store_load(store, f, true), LCL_ERR_FORMAT);
    else
      ASSERT_OK(lcl_store_load(store, f, true));
    for (int start = 0; start < 2; start++) {
      for (int i = 0; i < 4; i++) {
        float v[2];
        ASSERT_OK(lcl_store_read(store, names[i], v, sizeof v));
        const bool loaded = i != without && (start ? i != 3 : without != 0);
        near(names[i], (double)v[0], loaded ? 5 + i : 1, 0);
        ASSERT_OK(lcl_store_write(store, names[i], fresh, sizeof fresh));
      }
      ASSERT_OK(lcl_store_start(store, f));
    }
    lcl_tensor_file_destroy(f);
  }
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* ---- tables ---- */

/* Beside each image of a step stand the numbers of that example. */
static void table_rows(void **state) {
  (void)state;
  static const char *const set[] = { "hidden=9-8", "nn_index=3", "batch=30" };
  char out[400];
  snprintf(out, sizeof out, "%s/table", root);
  const lcl_train_desc d = {
    .model = "imsat", .set = set, .n_set = LCL_COUNT(set), .data = grey, .out = out, .quiet = true
  };
  lcl_trainer t;
  lcl_batcher *same;
  ASSERT_OK(lcl__trainer_open(&t, ctx, &d));
  ASSERT_OK(lcl_batcher_create(&(lcl_batcher_desc) { .data = t.s->labelled,
                                                     .prep = t.s->prep,
                                                     .batch = 30,
                                                     .mode = LCL_BATCH_FRESH,
                                                     .seed = t.s->seed,
                                                     .stream = 1 },
                               &same));
  for (int step = 0; step < 3; step++) {
    lcl_batch b;
    ASSERT_OK(lcl__trainer_step(&t));
    ASSERT_OK(lcl_batcher_next(same, &b));
    for (int i = 0; i < 30; i++) assert_true(t.side[i] == t.s->model->side[b.index[i]]);
  }
  assert_true(t.side[0] != t.side[1] && t.s->model->side[0] != t.s->model->side[1]);
  lcl_batcher_destroy(same);
  lcl__trainer_close(&t);
}

/* A variational autoencoder's bound is the sum of its terms, each under its own name. */
static void terms_of_a_bound(void **state) {
  static const char *const latent[] = { "latent=normal", "latent=hamiltonian", "latent=point" };
  (void)state;
  for (size_t i = 0; i < LCL_COUNT(latent); i++) {
    const run_desc r = { .model = "vae",
                         .set = "batch=12 epochs=1 validation=10 maps=2",
                         .more = latent[i],
                         .name = latent[i] };
    char path[400];
    lcl_run_folder *opened;
    lcl_metrics m;
    run(&r);
    snprintf(path, sizeof path, "%s/%s", root, r.name);
    ASSERT_OK(lcl_run_open(ctx, path, NULL, &opened));
    ASSERT_OK(lcl_run_evaluate(opened, "validation", &m));
    const double loss = *lcl_metrics_get(&m, "loss"), recon = *lcl_metrics_get(&m, "recon");
    const double *kl = lcl_metrics_get(&m, "kl"), *momentum = lcl_metrics_get(&m, "momentum");
    assert_true((kl != NULL) == (i < 2) && (momentum != NULL) == (i == 1));
    const double sum = recon + (kl ? *kl : 0) + (momentum ? *momentum : 0);
    ASSERT_BETWEEN(sum, loss * (1 - 1e-5), loss * (1 + 1e-5));
    if (kl) ASSERT_BETWEEN(*kl, 0, 0.5 * recon); /* after one epoch */
    lcl_run_close(opened);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(schedules),
                                      cmocka_unit_test(patience),
                                      cmocka_unit_test(last_epochs),
                                      cmocka_unit_test(nothing_to_wait_for),
                                      cmocka_unit_test(counts),
                                      cmocka_unit_test(examples_without_a_label),
                                      cmocka_unit_test(losses_without_a_label),
                                      cmocka_unit_test(profiles_need_a_context_that_profiles),
                                      cmocka_unit_test(order),
                                      cmocka_unit_test(ladder_statistics),
                                      cmocka_unit_test(cluster_shares),
                                      cmocka_unit_test(step_lines),
                                      cmocka_unit_test(two_streams),
                                      cmocka_unit_test(unlabelled_part),
                                      cmocka_unit_test(refreshed_targets),
                                      cmocka_unit_test(held_out_recordings),
                                      cmocka_unit_test(beginnings),
                                      cmocka_unit_test(checkpoints),
                                      cmocka_unit_test(table_rows),
                                      cmocka_unit_test(terms_of_a_bound) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
