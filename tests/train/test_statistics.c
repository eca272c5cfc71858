/* The statistics that runs keep beside their weights: of batch norm in ladder, of clusters in DEC.
 */
#include "run_folder.h"
#include "train/trainer.h"

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

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(ladder_statistics),
                                      cmocka_unit_test(cluster_shares),
                                      cmocka_unit_test(refreshed_targets) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
