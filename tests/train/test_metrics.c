/* What an evaluation of a run says: errors as counts, losses as means, retrieval by codes, terms of
 * a bound. */
#include "nn/evaluate.h"
#include "run_folder.h"

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

/* Data of which every third example has no label; labels: the file they are in. */
enum { PARTLY = 120 };
static void write_partly(const char *folder, int rank, const int64_t *shape, char labels[400]) {
  char path[400];
  mkdir(folder, 0700);
  uint8_t *x = make_images(PARTLY, 36);
  int32_t label[PARTLY];
  for (int i = 0; i < PARTLY; i++) label[i] = i % 3 == 2 ? -1 : i % CLASSES;
  snprintf(path, sizeof path, "%s/features.npy", folder);
  ASSERT_OK(lcl__npy_write(path, LCL_NPY_U8, rank, shape, x));
  snprintf(labels, 400, "%s/labels.npy", folder);
  ASSERT_OK(lcl__npy_write(labels, LCL_NPY_I32, 1, shape, label));
  free(x);
}

/* A label of -1 is none: such examples are neither errors nor trained on, and they are counted. */
static void examples_without_a_label(void **state) {
  (void)state;
  char folder[300], path[400];
  snprintf(folder, sizeof folder, "%s/some", root);
  write_partly(folder, 4, (int64_t[]) { PARTLY, 1, 6, 6 }, path);
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
  char folder[300], labels[400], run_path[400];
  snprintf(folder, sizeof folder, "%s/unlabelled", root);
  write_partly(folder, 2, (int64_t[]) { PARTLY, 36 }, labels);
  run(&(run_desc) { .model = "imsat",
                    .set = "system=linear-rim epochs=1 batch=50 clusters=4",
                    .data = folder,
                    .name = "clustered" });
  snprintf(run_path, sizeof run_path, "%s/clustered", root);
  double loss[2];
  for (int without = 0; without < 2; without++) {
    lcl_run_folder *opened;
    lcl_metrics m;
    if (without) assert_int_equal(unlink(labels), 0);
    ASSERT_OK(lcl_run_open(ctx, run_path, NULL, &opened));
    ASSERT_OK(lcl_run_evaluate(opened, "all", &m));
    loss[without] = *lcl_metrics_get(&m, "loss");
    assert_true(*lcl_metrics_get(&m, "n") == (without ? PARTLY : PARTLY - PARTLY / 3));
    assert_true(!without == !!lcl_metrics_get(&m, "accuracy_percent"));
    lcl_run_close(opened);
  }
  assert_true(loss[0] > 0 && fabs(loss[0] - loss[1]) < 1e-12);
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
  const struct CMUnitTest tests[] = { cmocka_unit_test(counts),
                                      cmocka_unit_test(examples_without_a_label),
                                      cmocka_unit_test(losses_without_a_label),
                                      cmocka_unit_test(order), cmocka_unit_test(terms_of_a_bound) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
