/* The map of a run: which points it has, what is said about them, what is drawn and written. */
#include <math.h>
#include <stdint.h>

#include "data/image.h"
#include "data/tempdir.h"
#include "latentcl/train.h"
#include "test.h"

static lcl_context *ctx;
static char dir[256];

static int open_device(void **state) {
  (void)state;
  temp_make(dir);
  return lcl_context_create(&(lcl_context_desc) { 0 }, &ctx) == LCL_OK ? 0 : -1;
}

static int close_device(void **state) {
  (void)state;
  lcl_context_destroy(ctx);
  temp_remove(dir);
  return 0;
}

static int64_t lines(const char *path) {
  void *text;
  size_t n;
  int64_t count = 0;
  assert_int_equal(lcl__file_read(path, 1 << 24, &text, &n), LCL_OK);
  for (size_t i = 0; i < n; i++) count += ((char *)text)[i] == '\n';
  lcl__free(text);
  return count;
}

static void map_of_a_run(void **state) {
  (void)state;
  char out[300], png[300], csv[300], other[300];
  snprintf(out, sizeof out, "%s/run", dir);
  snprintf(png, sizeof png, "%s/map.png", dir);
  snprintf(csv, sizeof csv, "%s/map.csv", dir);
  snprintf(other, sizeof other, "%s/other.csv", dir);
  const char *const set[] = { "labels_per_class=20", "epochs=25" };
  lcl_train_result result;
  lcl_train_desc train = {
    .model = "semantic-noise", .set = set, .n_set = 2, .out = out, .seed = 1, .quiet = true
  };
  assert_int_equal(lcl_train(ctx, &train, &result), LCL_OK);
  lcl_run_folder *run;
  assert_int_equal(lcl_run_open(ctx, out, NULL, &run), LCL_OK);
  lcl_tsne_map_desc d = { .points = 300,
                          .marked = "3,5",
                          .marks = 10,
                          .perplexity = 10,
                          .rounds = 60,
                          .seed = 4,
                          .png = png,
                          .csv = csv };
  lcl_metrics m;
  assert_int_equal(lcl_run_tsne(run, &d, &m), LCL_OK);
  assert_float_equal(*lcl_metrics_get(&m, "n"), 300, 0);
  const double *random = lcl_metrics_get(&m, "agreement_random_noise");
  assert_non_null(random);
  ASSERT_BETWEEN(*random, 20, 100); /* chance is 10 */
  assert_non_null(lcl_metrics_get(&m, "agreement_semantic_noise"));
  int64_t points = lines(csv) - 1;
  assert_true(points > 300 &&
              (points - 300) % 20 ==
                  0); /* 20 examples, each with the same number of perturbed forms */
  void *bytes, *again;
  size_t n, n_again;
  lcl_image image;
  assert_int_equal(lcl__file_read(png, 1 << 24, &bytes, &n), LCL_OK);
  assert_int_equal(lcl__image_decode(bytes, n, 0, &image), LCL_OK);
  assert_true(image.width > 3 * image.height); /* three panels */
  lcl__image_free(&image);
  lcl__free(bytes);
  lcl_run_close(run);
  /* The same seed, the same map. */
  assert_int_equal(lcl_run_open(ctx, out, NULL, &run), LCL_OK);
  d.png = NULL;
  d.csv = other;
  assert_int_equal(lcl_run_tsne(run, &d, NULL), LCL_OK);
  assert_int_equal(lcl__file_read(csv, 1 << 24, &bytes, &n), LCL_OK);
  assert_int_equal(lcl__file_read(other, 1 << 24, &again, &n_again), LCL_OK);
  assert_int_equal(n, n_again);
  assert_memory_equal(bytes, again, n);
  lcl__free(bytes);
  lcl__free(again);
  d.split = "nothing";
  assert_int_equal(lcl_run_tsne(run, &d, NULL), LCL_ERR_ARGUMENT);
  d.split = NULL;
  d.marked = "a";
  assert_int_equal(lcl_run_tsne(run, &d, NULL), LCL_ERR_ARGUMENT);
  lcl_run_close(run);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(map_of_a_run) };
  return cmocka_run_group_tests_name("map", tests, open_device, close_device);
}
