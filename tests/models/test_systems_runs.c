/* Runs of IMSAT and the Ladder from a folder of features: training, clusters, codes and maps as
 * files. */
#include "test.h"

#include <math.h>

#include "base/npy.h"
#include "data/tempdir.h"
#include "latentcl/train.h"

enum { N = 300, WIDTH = 16, CLASSES = 3 };

static lcl_context *ctx;
static char root[256], data[300]; /* a fifth of the examples becomes the test part */

static void write_array(const char *folder, const char *name, lcl_npy_type type, int rank,
                        const void *values) {
  char path[400];
  snprintf(path, sizeof path, "%s/%s.npy", folder, name);
  ASSERT_OK(lcl__npy_write(path, type, rank, (int64_t[]) { N, WIDTH }, values));
}

/* Three well separated groups in [0,1]^16. */
static void write_data(void) {
  float *x = malloc(sizeof(float) * N * WIDTH);
  int32_t label[N];
  uint32_t seed = 1;
  for (int i = 0; i < N; i++) {
    label[i] = i % CLASSES;
    for (int k = 0; k < WIDTH; k++) {
      seed = seed * 1664525u + 1013904223u;
      float noise = (float)(seed >> 8) / (float)(1 << 24);
      x[i * WIDTH + k] = (k % CLASSES == label[i] ? 0.7f : 0.05f) + 0.25f * noise;
    }
  }
  write_array(data, "features", LCL_NPY_F32, 2, x);
  write_array(data, "labels", LCL_NPY_I32, 1, label);
  free(x);
}

static int setup(void **state) {
  (void)state;
  if (lcl_context_create(NULL, &ctx) != LCL_OK) fail_msg("%s", lcl_error_message());
  temp_make(root);
  snprintf(data, sizeof data, "%s/data", root);
  mkdir(data, 0700);
  write_data();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  lcl_context_destroy(ctx);
  temp_remove(root);
  return 0;
}

static void path_of(const char *name, char out[400]) {
  snprintf(out, 400, "%s/%s", root, name);
}

static lcl_metrics train_from(const char *start, const char *model, const char *name,
                              const char *const *set, size_t n) {
  char out[400];
  path_of(name, out);
  lcl_train_result r;
  ASSERT_OK(lcl_train(ctx,
                      &(lcl_train_desc) { .model = model,
                                          .set = set,
                                          .n_set = n,
                                          .data = data,
                                          .out = out,
                                          .start = start,
                                          .seed = 3,
                                          .quiet = true,
                                          .test = true },
                      &r));
  return r.test;
}

static lcl_metrics train(const char *model, const char *name, const char *const *set, size_t n) {
  return train_from(NULL, model, name, set, n);
}

static lcl_run_folder *open_run(const char *name) {
  char folder[400];
  lcl_run_folder *run;
  path_of(name, folder);
  ASSERT_OK(lcl_run_open(ctx, folder, NULL, &run));
  return run;
}

static double metric(const lcl_metrics *m, const char *name) {
  const double *v = lcl_metrics_get(m, name);
  if (!v) fail_msg("there is no metric %s", name);
  return *v;
}

static size_t lines_of(const char *path) {
  void *text;
  size_t n, lines = 0;
  ASSERT_OK(lcl__file_read(path, 1 << 24, &text, &n));
  for (size_t i = 0; i < n; i++) lines += ((const char *)text)[i] == '\n';
  lcl__free(text);
  return lines;
}

static void check_array(const char *path, lcl_npy_type type, int rank, int64_t last) {
  lcl_npy a;
  ASSERT_OK(lcl__npy_read(path, &a));
  assert_int_equal(a.type, type);
  assert_int_equal(a.rank, rank);
  assert_int_equal(a.dim[0], N);
  if (rank > 1) assert_int_equal(a.dim[1], last);
  lcl__npy_free(&a);
}

/* Separable groups are found; the files hold every example; k-means agrees. */
static void clusters(void **state) {
  (void)state;
  static const char *const set[] = { "hidden=16-16", "batch=60", "epochs=40", "nn_index=5" };
  lcl_metrics m = train("imsat", "clusters", set, LCL_COUNT(set));
  if (metric(&m, "accuracy_percent") < 95)
    fail_msg("accuracy %.1f %%", metric(&m, "accuracy_percent"));
  lcl_run_folder *run = open_run("clusters");
  char prefix[400], path[420];
  path_of("assigned", prefix);
  lcl_metrics again;
  ASSERT_OK(lcl_run_cluster(run, &(lcl_assignment_desc) { .prefix = prefix }, &again));
  assert_true(metric(&again, "accuracy_percent") == metric(&m, "accuracy_percent"));
  snprintf(path, sizeof path, "%s.npy", prefix);
  check_array(path, LCL_NPY_I32, 1, 0);
  snprintf(path, sizeof path, "%s.csv", prefix);
  assert_int_equal(lines_of(path), N + 1);
  static const char *const methods[] = { "k-means", "k-means-features" };
  for (size_t i = 0; i < LCL_COUNT(methods); i++) {
    ASSERT_OK(lcl_run_cluster(
        run, &(lcl_assignment_desc) { .prefix = prefix, .method = methods[i] }, &again));
    ASSERT_BETWEEN(metric(&again, "accuracy_percent"), 95, 100);
  }
  ASSERT_STATUS(lcl_run_cluster(run, &(lcl_assignment_desc) { .method = "guess" }, NULL),
                LCL_ERR_ARGUMENT);
  ASSERT_STATUS(lcl_run_cluster(run, &(lcl_assignment_desc) { .split = "nowhere" }, NULL),
                LCL_ERR_ARGUMENT);
  ASSERT_STATUS(lcl_run_hash(run, &(lcl_assignment_desc) { .prefix = prefix }, NULL),
                LCL_ERR_UNSUPPORTED);
  lcl_run_close(run);
}

/* Maps of features, with perturbed latents where the model has them. */
static void map(void **state) {
  (void)state;
  char png[400], csv[400];
  lcl_metrics m;
  path_of("map.png", png);
  path_of("map.csv", csv);
  lcl_run_folder *run = open_run("clusters");
  lcl_tsne_map_desc d = { .split = "all", .rounds = 250, .perplexity = 10, .png = png, .csv = csv };
  ASSERT_OK(lcl_run_tsne(run, &d, &m));
  assert_true(metric(&m, "n") == N);
  assert_int_equal(lines_of(csv), N + 1);
  d.points = 5;
  ASSERT_STATUS(lcl_run_tsne(run, &d, &m), LCL_ERR_ARGUMENT);
  d = (lcl_tsne_map_desc) { .split = "all", .marked = "0,x" };
  ASSERT_STATUS(lcl_run_tsne(run, &d, &m), LCL_ERR_ARGUMENT);
  lcl_run_close(run);
  static const char *const set[] = { "arch=mlp", "epochs=2", "batch=30", "validation=-1" };
  train("semantic-noise", "noise", set, LCL_COUNT(set));
  run = open_run("noise");
  d = (lcl_tsne_map_desc) {
    .split = "train", .rounds = 250, .perplexity = 10, .marked = "0,2", .marks = 7, .csv = csv
  };
  ASSERT_OK(lcl_run_tsne(run, &d, &m));
  assert_int_equal(lines_of(csv), N * 4 / 5 + 6 * 14 + 1); /* three samples of two kinds */
  ASSERT_BETWEEN(metric(&m, "agreement_semantic_noise"), 90, 100);
  lcl_run_close(run);
}

static void codes(void **state) {
  (void)state;
  static const char *const set[] = { "task=hash", "bits=6",     "hidden=16-16", "batch=60",
                                     "epochs=40", "nn_index=5", "queries=10",   "ap_mode=step" };
  lcl_metrics m = train("imsat", "codes", set, LCL_COUNT(set)), again;
  if (metric(&m, "map_percent") < 80)
    fail_msg("mean average precision %.1f %%", metric(&m, "map_percent"));
  lcl_run_folder *run = open_run("codes");
  char folder[400], path[420];
  path_of("codes", folder);
  ASSERT_OK(lcl_run_hash(run, &(lcl_assignment_desc) { 0 }, &again)); /* scored as the run was */
  assert_true(metric(&again, "map_percent") == metric(&m, "map_percent"));
  ASSERT_OK(lcl_run_hash(run, &(lcl_assignment_desc) { .queries = 3 }, &again));
  assert_true(metric(&again, "map_percent") != metric(&m, "map_percent"));
  snprintf(path, sizeof path, "%s/codes.npy", folder);
  check_array(path, LCL_NPY_U8, 2, 6);
  snprintf(path, sizeof path, "%s/codes.csv", folder);
  assert_int_equal(lines_of(path), N + 1);
  static const char *const methods[] = { "pca-itq", "spectral" };
  for (size_t i = 0; i < LCL_COUNT(methods); i++) {
    lcl_assignment_desc d = { .queries = 10, .method = methods[i], .k = 4 };
    ASSERT_OK(lcl_run_hash(run, &d, &again));
    snprintf(path, sizeof path, "%s/codes-%s.npy", folder, methods[i]);
    check_array(path, LCL_NPY_U8, 2, 4);
  }
  ASSERT_STATUS(lcl_run_cluster(run, &(lcl_assignment_desc) { 0 }, NULL), LCL_ERR_UNSUPPORTED);
  ASSERT_STATUS(lcl_run_hash(run, &(lcl_assignment_desc) { .method = "pca-itq", .k = 65 }, NULL),
                LCL_ERR_ARGUMENT);
  lcl_run_close(run);
}

/* An autoencoder, k-means on its codes, and DEC begun with both; what cannot be a beginning is
 * refused. */
static void embedded(void **state) {
  (void)state;
  static const char *const dae[] = { "hidden=16,12", "latent=3", "batch=60", "epochs=30" };
  static const char *const dec[] = { "system=dec", "hidden=16,12", "latent=3", "batch=60",
                                     "epochs=5" };
  static const char *const other[] = { "system=dec", "hidden=16,11", "latent=3" };
  char start[400], out[400];
  lcl_metrics m;
  path_of("dae", start);
  train("dec", "dae", dae, LCL_COUNT(dae));
  lcl_run_folder *run = open_run("dae");
  ASSERT_OK(lcl_run_cluster(run, &(lcl_assignment_desc) { .method = "k-means-features" }, &m));
  ASSERT_BETWEEN(metric(&m, "accuracy_percent"), 95, 100);
  ASSERT_STATUS(lcl_run_cluster(run, &(lcl_assignment_desc) { 0 }, NULL), LCL_ERR_UNSUPPORTED);
  lcl_run_close(run);
  m = train_from(start, "dec", "dec", dec, LCL_COUNT(dec));
  if (metric(&m, "accuracy_percent") < 95)
    fail_msg("accuracy %.1f %%", metric(&m, "accuracy_percent"));
  path_of("refused", out);
  lcl_train_desc d = { .model = "dec",
                       .set = other,
                       .n_set = LCL_COUNT(other),
                       .data = data,
                       .out = out,
                       .start = start };
  ASSERT_STATUS(lcl_train(ctx, &d, NULL), LCL_ERR_FORMAT);
  d.start = data;
  ASSERT_STATUS(lcl_train(ctx, &d, NULL), LCL_ERR_IO);
  d = (lcl_train_desc) { .model = "imsat", .data = data, .out = out, .start = start };
  ASSERT_STATUS(lcl_train(ctx, &d, NULL), LCL_ERR_ARGUMENT);
  assert_false(lcl__file_exists(out));
}

/* How many weights "m1." of a run are bit for bit those of the run that it began with; -1: one is
 * not. */
static int kept(const char *name, const char *since) {
  const char *const names[] = { name, since };
  lcl_tensor_file *f[2];
  int n = 0;
  for (int i = 0; i < 2; i++) {
    char folder[400], path[440];
    path_of(names[i], folder);
    snprintf(path, sizeof path, "%s/best.safetensors", folder);
    ASSERT_OK(lcl_tensor_file_read(path, &f[i]));
  }
  for (size_t i = 0; i < lcl_tensor_file_count(f[0]) && n >= 0; i++) {
    const lcl_tensor_entry *e = lcl_tensor_file_at(f[0], i),
                           *was = lcl_tensor_file_find(f[1], e->name);
    if (strncmp(e->name, "m1.", 3) != 0) continue;
    n = was && was->bytes == e->bytes && memcmp(was->data, e->data, e->bytes) == 0 ? n + 1 : -1;
  }
  lcl_tensor_file_destroy(f[0]);
  lcl_tensor_file_destroy(f[1]);
  return n;
}

/* M1 and M1+M2 from an autoencoder of all examples: with three labels a class, the groups are told
 * apart, and its weights are as they were. The classifier needs no decoder. */
static void latent_features(void **state) {
  (void)state;
  static const char *const vae[] = { "arch=mlp",  "hidden=20,12",  "latent_size=4", "batch=60",
                                     "epochs=60", "binarise=none", "lr=0.005" };
  static const char *const m1[] = { "hidden=20,12", "latent_size=4",      "epochs=200",
                                    "lr=0.02",      "labels_per_class=3", "binarise=none" };
  static const char *const m2[] = {
    "input=m1",           "m1_hidden=20,12",     "m1_latent_size=4", "units=20",
    "latent=3",           "epochs=30",           "lr=0.01",          "w_c=10",
    "labels_per_class=3", "unlabelled_batch=60", "binarise=none"
  };
  char start[400];
  path_of("vae", start);
  train("vae", "vae", vae, LCL_COUNT(vae));
  lcl_metrics m = train_from(start, "m1", "m1", m1, LCL_COUNT(m1));
  ASSERT_BETWEEN(metric(&m, "error_percent"), 0, 5);
  assert_int_equal(kept("m1", "vae"), 8);
  m = train_from(start, "m2", "m1-m2", m2, LCL_COUNT(m2));
  ASSERT_BETWEEN(metric(&m, "error_percent"), 0, 5);
  assert_int_equal(kept("m1-m2", "vae"), 14);
}

static void hear(lcl_log_level level, const char *message, void *user) {
  if (level == LCL_LOG_WARN) snprintf(user, 200, "%s", message);
}

/* Models on another run's weights say so where there is none. */
static void random_beginnings(void **state) {
  (void)state;
  static const struct {
    const char *model, *first, *set[3]; /* first: which run it lacks */
  } cases[] = {
    { "m1", "vae with arch=mlp", { "hidden=9", "latent_size=4", "batch=60" } },
    { "m2", "vae with arch=mlp", { "input=m1", "m1_hidden=9", "m1_latent_size=4" } },
    { "dec", "dec with system=dae", { "system=dec", "hidden=9", "latent=3" } },
    { "dec", "dec with the stage before", { "stage=2", "hidden=9", "latent=3" } },
    { "dec", NULL, { "stage=1", "hidden=9", "latent=3" } },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    char name[24], out[400], heard[200] = "";
    snprintf(name, sizeof name, "random%zu", i);
    path_of(name, out);
    lcl_log_set(hear, heard);
    const lcl_status s = lcl_train(ctx,
                                   &(lcl_train_desc) { .model = cases[i].model,
                                                       .set = cases[i].set,
                                                       .n_set = 3,
                                                       .data = data,
                                                       .out = out,
                                                       .quiet = true,
                                                       .max_steps = 1 },
                                   NULL);
    lcl_log_set(NULL, NULL);
    ASSERT_OK(s);
    if (cases[i].first ? !strstr(heard, cases[i].first) : *heard != 0)
      fail_msg("%s %s: \"%s\"", cases[i].model, cases[i].set[0], heard);
  }
}

/* What is shown of training images that are sampled anew at each step is binary too. */
static void binary_images(void **state) {
  (void)state;
  enum { SHOWN = 6 };
  static const char *const set[] = { "arch=mlp", "hidden=9", "latent_size=3", "batch=60",
                                     "epochs=1" };
  lcl_tensor_file *f;
  int ones = 0;
  train("vae", "binary", set, LCL_COUNT(set));
  lcl_run_folder *run = open_run("binary");
  ASSERT_OK(lcl_run_reconstructions(run, "train", SHOWN, 1, NULL, &f));
  assert_string_equal(lcl_tensor_file_meta(f, "caption.0"), "original");
  const float *x = lcl_tensor_file_find(f, "images")->data;
  for (int i = 0; i < SHOWN * WIDTH; i++) {
    if (x[i] != 0 && x[i] != 1) fail_msg("value %d is %g", i, (double)x[i]);
    ones += x[i] == 1;
  }
  assert_in_range(ones, 1, SHOWN * WIDTH - 1);
  lcl_tensor_file_destroy(f);
  lcl_run_close(run);
}

/* Fewer labels than a batch, statistics exact at the end, and kept: the run opened again says the
 * same. */
static void ladder(void **state) {
  (void)state;
  static const char *const set[] = { "widths=24-12", "labels_per_class=3", "batch=30",
                                     "unlabelled_batch=30", "epochs=15" };
  lcl_metrics m = train("ladder", "ladder", set, LCL_COUNT(set)), again;
  ASSERT_BETWEEN(metric(&m, "error_percent"), 0, 5);
  lcl_run_folder *run = open_run("ladder");
  ASSERT_OK(lcl_run_evaluate(run, "test", &again));
  assert_true(metric(&again, "loss") == metric(&m, "loss"));
  ASSERT_STATUS(lcl_run_cluster(run, &(lcl_assignment_desc) { 0 }, NULL), LCL_ERR_UNSUPPORTED);
  lcl_run_close(run);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(clusters),
    cmocka_unit_test(latent_features),
    cmocka_unit_test(random_beginnings),
    cmocka_unit_test(binary_images),
    cmocka_unit_test(map),
    cmocka_unit_test(codes),
    cmocka_unit_test(embedded),
    cmocka_unit_test(ladder),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
