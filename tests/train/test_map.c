/* The map of a run: which points it has, what is said about them, what is drawn and written. */
#include <math.h>
#include <stdint.h>

#include "data/image.h"
#include "data/tempdir.h"
#include "latentcl/train.h"
#include "train/scatter.h"
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

typedef struct point {
  int label;
  bool example;
  double x, y;
} point;

static size_t read_points(const char *path, point *points, size_t most) {
  void *text;
  size_t n, count = 0;
  char *rest;
  assert_int_equal(lcl__file_read(path, 1 << 24, &text, &n), LCL_OK);
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
    char kind[48];
    point p;
    if (sscanf(line, "%*d,%d,%47[^,],%lf,%lf", &p.label, kind, &p.x, &p.y) != 4) continue;
    p.example = strcmp(kind, "example") == 0;
    assert_true(count < most);
    points[count++] = p;
  }
  lcl__free(text);
  return count;
}

/* Whether something is drawn there, or was before a number's white rim, two pixels wide, came over
 * it. */
static bool drawn(const lcl_image *image, int x, int y) {
  for (int k = 0; k < 25; k++) {
    const int r = LCL_MIN(LCL_MAX(y + k / 5 - 2, 0), image->height - 1),
              c = LCL_MIN(LCL_MAX(x + k % 5 - 2, 0), image->width - 1);
    const uint8_t *at = image->data + (r * image->width + c) * 3;
    if (k == 12 && (at[0] < 255 || at[1] < 255 || at[2] < 255)) return true;
    if (at[0] == 30 && at[1] == 30 && at[2] == 30) return true;
  }
  return false;
}

/* The picture shows the table: the square around all points fills a panel but its margin; every
 * example is in each panel, each perturbed one as a ring in its kind's; every class has its number
 * somewhere. */
static void check_picture(const char *csv, const lcl_image *image) {
  enum { SIDE = 640, GAP = 12, MARGIN = 8, HEAD = LCL_SCATTER_HEAD };
  static point p[2000];
  const size_t n = read_points(csv, p, LCL_COUNT(p));
  double low[2] = { INFINITY, INFINITY }, high[2] = { -INFINITY, -INFINITY };
  for (size_t i = 0; i < n; i++) {
    low[0] = fmin(low[0], p[i].x), high[0] = fmax(high[0], p[i].x);
    low[1] = fmin(low[1], p[i].y), high[1] = fmax(high[1], p[i].y);
  }
  const double span = fmax(high[0] - low[0], high[1] - low[1]);
  const int panels = (image->width + GAP) / (SIDE + GAP);
  for (size_t i = 0; i < n; i++) {
    const double x = MARGIN +
                     ((p[i].x - (low[0] + high[0]) / 2) / span + 0.5) * (SIDE - 2 * MARGIN),
                 y = HEAD + MARGIN +
                     (0.5 - (p[i].y - (low[1] + high[1]) / 2) / span) * (SIDE - 2 * MARGIN);
    int seen = 0;
    for (int k = 0; k < panels; k++) {
      /* of a ring the left side: within three and a half pixels of the middle */
      const int at = k * (SIDE + GAP) + (int)lrint(x - (p[i].example ? 0 : 2.75));
      seen += drawn(image, at, (int)lrint(y)) ? 1 << k : 0;
    }
    if (p[i].example)
      assert_int_equal(seen, (1 << panels) - 1);
    else
      assert_true(seen > 1);
  }
  size_t dark = 0;
  for (size_t i = (size_t)(image->width * HEAD); i < (size_t)(image->width * (HEAD + SIDE)); i++)
    dark += image->data[3 * i] == 30 && image->data[3 * i + 1] == 30 &&
            image->data[3 * i + 2] == 30;
  ASSERT_BETWEEN((double)dark, panels * 10 * 60, panels * 10 * 200);
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
  assert_int_equal(image.width, 3 * 640 + 2 * 12); /* three panels, a title each, a legend */
  assert_true(image.height > LCL_SCATTER_HEAD + 640 + 26);
  size_t ink[4] = { 0 };
  for (int y = 0; y < image.height; y++)
    for (int x = 0; x < image.width; x++)
      if (image.data[(y * image.width + x) * 3] == 30)
        ink[y >= LCL_SCATTER_HEAD + 640 ? 3 : x / 652] += y < LCL_SCATTER_HEAD ||
                                                          y >= LCL_SCATTER_HEAD + 640;
  for (int i = 0; i < 4; i++) assert_true(ink[i] > 200);
  check_picture(csv, &image);
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
