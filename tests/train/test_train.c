/* Training on the built-in digits: accuracy from several seeds, resuming, stopping, refusing. */
#include "test.h"

#include <math.h>
#include <unistd.h>

#include "latentcl/train.h"

static lcl_context *ctx;
static char root[64];

static void path_of(const char *name, char out[128]) {
  snprintf(out, 128, "%s/%s", root, name);
}

/* Small enough for a test: 2000 synthetic validation images are the slowest part. */
static const char *const small[] = { "labels_per_class=100", "validation=500", "epochs=8",
                                     "lr_every=3", "lr_until=6" };

static lcl_train_desc describe(const char *out, const char *const *set, size_t n) {
  return (lcl_train_desc) {
    .model = "semantic-noise", .set = set, .n_set = n, .out = out, .seed = 1, .quiet = true
  };
}

/* A linear classifier stays above 5 % here even with every label; 1000 labels and the whole method
 * must reach 10 %. */
static void accuracy(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 3; seed++) {
    char out[128], name[16];
    snprintf(name, sizeof name, "seed%d", (int)seed);
    path_of(name, out);
    lcl_train_desc d = describe(out, small, LCL_COUNT(small));
    d.seed = seed;
    d.test = true;
    lcl_train_result r;
    ASSERT_OK(lcl_train(ctx, &d, &r));
    const double *error = lcl_metrics_get(&r.test, "error_percent"),
                 *n = lcl_metrics_get(&r.test, "n");
    assert_non_null(error);
    assert_true(*n == 2000);
    ASSERT_BETWEEN(*error, 0.2, 10);
    /* The run opened again says the same. */
    lcl_run_folder *run;
    lcl_metrics m;
    ASSERT_OK(lcl_run_open(ctx, out, NULL, &run));
    ASSERT_OK(lcl_run_evaluate(run, "test", &m));
    assert_true(*lcl_metrics_get(&m, "error_percent") == *error);
    ASSERT_STATUS(lcl_run_evaluate(run, "nowhere", &m), LCL_ERR_ARGUMENT);
    char png[160];
    snprintf(png, sizeof png, "%s/grid.png", out);
    ASSERT_OK(lcl_run_reconstruct(run, "test", 7, 1, png));
    assert_true(lcl__file_exists(png));
    ASSERT_STATUS(lcl_run_sample(run, &(lcl_sample_request) { .count = 4, .seed = 1 }, png),
                  LCL_ERR_UNSUPPORTED);
    ASSERT_OK(lcl_run_report(run));
    lcl_run_close(run);
  }
}

/* The runs of accuracy() on one page, without a device. */
static void side_by_side(void **state) {
  (void)state;
  char folder[3][128], page[128];
  const char *const folders[] = { folder[0], folder[1], folder[2] };
  for (int i = 0; i < 3; i++) {
    char name[16];
    snprintf(name, sizeof name, "seed%d", i + 1);
    path_of(name, folder[i]);
  }
  path_of("three.html", page);
  ASSERT_STATUS(lcl_report_compare(folders, 1, page), LCL_ERR_ARGUMENT);
  ASSERT_OK(lcl_report_compare(folders, 3, page));
  void *text;
  size_t n;
  ASSERT_OK(lcl__file_read(page, 1 << 20, &text, &n));
  assert_non_null(strstr(text, "seed2, validation"));
  assert_non_null(strstr(text, "seed3, training"));
  assert_non_null(strstr(text, "Test error, %"));
  assert_non_null(strstr(text, ">seed</td><td>1</td><td>2</td><td>3</td>"));
  lcl__free(text);
}

static void same_tensors(const char *a, const char *b) {
  char path[192];
  lcl_tensor_file *x, *y;
  snprintf(path, sizeof path, "%s/last.safetensors", a);
  ASSERT_OK(lcl_tensor_file_read(path, &x));
  snprintf(path, sizeof path, "%s/last.safetensors", b);
  ASSERT_OK(lcl_tensor_file_read(path, &y));
  assert_int_equal(lcl_tensor_file_count(x), lcl_tensor_file_count(y));
  for (size_t i = 0; i < lcl_tensor_file_count(x); i++) {
    const lcl_tensor_entry *e = lcl_tensor_file_at(x, i), *f = lcl_tensor_file_find(y, e->name);
    assert_non_null(f);
    assert_int_equal(e->bytes, f->bytes);
    if (memcmp(e->data, f->data, e->bytes) != 0) fail_msg("%s differs after resuming", e->name);
  }
  assert_string_equal(lcl_tensor_file_meta(x, "best_epoch"), lcl_tensor_file_meta(y, "best_epoch"));
  assert_string_equal(lcl_tensor_file_meta(x, "best_value"), lcl_tensor_file_meta(y, "best_value"));
  lcl_tensor_file_destroy(x);
  lcl_tensor_file_destroy(y);
}

static int steps_until_stop;
static int stop_now(void) {
  return steps_until_stop > 0 && --steps_until_stop == 0;
}

/* Stopped in the middle of epochs, again and again: the same numbers as without. */
static void resuming(void **state) {
  (void)state;
  static const char *const set[] = { "labels_per_class=30", "validation=100", "epochs=4",
                                     "batch=40", "denoise_std=0.1" };
  char whole[128], parts[128];
  path_of("whole", whole);
  path_of("parts", parts);
  lcl_train_desc d = describe(whole, set, LCL_COUNT(set));
  ASSERT_OK(lcl_train(ctx, &d, NULL));
  d = describe(parts, set, LCL_COUNT(set));
  d.interrupted = stop_now;
  lcl_status s = LCL_ERR_INTERRUPTED;
  int sessions = 0;
  for (; s == LCL_ERR_INTERRUPTED && sessions < 30; sessions++) {
    steps_until_stop = 5 + sessions;
    s = lcl_train(ctx, &d, NULL);
    d.resume = true;
  }
  ASSERT_OK(s);
  assert_true(sessions > 2);
  same_tensors(whole, parts);
}

static void refusing(void **state) {
  (void)state;
  char out[128], path[192];
  void *bytes;
  size_t n;
  path_of("whole", out);
  static const char *const other[] = { "batch=41" };
  lcl_train_desc d = describe(out, NULL, 0);
  ASSERT_STATUS(lcl_train(ctx, &d, NULL), LCL_ERR_ARGUMENT); /* there is a run already */
  assert_non_null(strstr(lcl_error_message(), "--resume"));
  d.resume = true;
  d.set = other;
  d.n_set = 1;
  ASSERT_STATUS(lcl_train(ctx, &d, NULL), LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "batch"));
  snprintf(path, sizeof path, "%s/last.safetensors", out);
  ASSERT_OK(lcl__file_read(path, 1 << 26, &bytes, &n));
  ASSERT_OK(lcl__file_write_atomic(path, bytes, n - 1));
  lcl__free(bytes);
  d.n_set = 0;
  ASSERT_STATUS(lcl_train(ctx, &d, NULL), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "truncated"));
  lcl_run_folder *run;
  ASSERT_STATUS(lcl_run_open(ctx, root, NULL, &run), LCL_ERR_IO);
}

/* A rate far too high: the first tensor that is not finite is named, with its epoch and step. */
static void not_a_number(void **state) {
  (void)state;
  static const char *const set[] = { "labels_per_class=30", "validation=100", "epochs=30",
                                     "lr=1e18" };
  char out[128];
  path_of("nan", out);
  lcl_train_desc d = describe(out, set, LCL_COUNT(set));
  ASSERT_STATUS(lcl_train(ctx, &d, NULL), LCL_ERR_NUMERIC);
  int epoch, step, after = 0;
  char kind[4];
  sscanf(lcl_error_message(), "epoch %d, step %d: %3[NaInf] at element %*u of the result of %*s%n",
         &epoch, &step, kind, &after);
  if (!after) fail_msg("%s", lcl_error_message());
  ASSERT_BETWEEN(epoch, 1, 30);
  ASSERT_BETWEEN(step, 1, 30 * 3);
}

static int open_context(void **state) {
  (void)state;
  snprintf(root, sizeof root, "/tmp/latentcl-train-%ld", (long)getpid());
  return lcl__mkdirs(root) != LCL_OK ||
         lcl_context_create(&(lcl_context_desc) { .profile = true }, &ctx) != LCL_OK;
}

static int close_context(void **state) {
  (void)state;
  char command[128];
  lcl_context_destroy(ctx);
  snprintf(command, sizeof command, "rm -rf %s", root);
  return system(command);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(accuracy), cmocka_unit_test(side_by_side),
                                      cmocka_unit_test(resuming), cmocka_unit_test(refusing),
                                      cmocka_unit_test(not_a_number) };
  return cmocka_run_group_tests(tests, open_context, close_context);
}
