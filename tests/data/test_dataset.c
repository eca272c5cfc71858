/* Data sets: views, splits, class-balanced subsets, joining, reducing, binarising, the synthetic
 * digits. */
#include <math.h>
#include <stdint.h>

#include "data/data_internal.h"
#include "test.h"

/* 30 examples of 1x2x3; element k of example i is 6 i + k (mod 256), label i mod 3. */
static lcl_dataset *counting(void) {
  uint8_t pixels[180];
  int32_t labels[30];
  for (int i = 0; i < 180; i++) pixels[i] = (uint8_t)i;
  for (int i = 0; i < 30; i++) labels[i] = i % 3;
  lcl_dataset *ds;
  assert_int_equal(lcl_dataset_from_u8("counting", pixels, labels, 30, 1, 2, 3, 3, &ds), LCL_OK);
  return ds;
}

static int64_t first_of(const lcl_dataset *ds, int64_t i) {
  return ds->pixels[ds->offset[i]] / 6;
}

static void values_are_scaled(void **state) {
  (void)state;
  lcl_dataset *ds = counting();
  float x[6];
  assert_int_equal(lcl_dataset_example(ds, 5, x), LCL_OK);
  for (int k = 0; k < 6; k++) assert_float_equal(x[k], (30 + k) / 255.0f, 1e-7f);
  assert_float_equal(ds->raw_max, 179, 0);
  assert_int_equal(lcl_dataset_example(ds, 30, x), LCL_ERR_ARGUMENT);
  assert_int_equal(lcl_dataset_example(ds, -1, x), LCL_ERR_ARGUMENT);
  lcl_dataset_close(ds);
  /* Bytes that are only 0 and 1 are already in [0,1]. */
  const uint8_t bits[4] = { 0, 1, 1, 0 };
  assert_int_equal(lcl_dataset_from_u8("bits", bits, NULL, 1, 1, 2, 2, 0, &ds), LCL_OK);
  assert_int_equal(lcl_dataset_example(ds, 0, x), LCL_OK);
  assert_float_equal(x[1], 1, 0);
  lcl_dataset_close(ds);
}

static void views_outlive_their_parent(void **state) {
  (void)state;
  lcl_dataset *ds = counting(), *sub, *subsub;
  const int64_t a[] = { 7, 3, 3, 29 }, b[] = { 3, 0 }, bad[] = { 30 };
  assert_int_equal(lcl_dataset_subset(ds, a, 4, &sub), LCL_OK);
  assert_int_equal(lcl_dataset_subset(ds, bad, 1, &subsub), LCL_ERR_ARGUMENT);
  lcl_dataset_close(ds);
  assert_int_equal(lcl_dataset_subset(sub, b, 2, &subsub), LCL_OK);
  lcl_dataset_close(sub);
  assert_int_equal(subsub->count, 2);
  assert_int_equal(first_of(subsub, 0), 29);
  assert_int_equal(first_of(subsub, 1), 7);
  assert_int_equal(subsub->labels[0], 29 % 3);
  lcl_dataset_close(subsub);
}

static void splits_cover_everything_once(void **state) {
  (void)state;
  for (int random = 0; random < 2; random++) {
    lcl_dataset *ds = counting(), *part, *rest;
    int seen[30] = { 0 };
    assert_int_equal(lcl_dataset_split(ds, 10, random, 7, &part, &rest), LCL_OK);
    assert_int_equal(part->count, 20);
    assert_int_equal(rest->count, 10);
    for (int i = 0; i < 20; i++) seen[first_of(part, i)]++;
    for (int i = 0; i < 10; i++) seen[first_of(rest, i)]++;
    for (int i = 0; i < 30; i++) assert_int_equal(seen[i], 1);
    int64_t sum = 0;
    for (int i = 0; i < 10; i++) sum += first_of(rest, i);
    if (random)
      assert_int_not_equal(sum, 245);
    else
      assert_int_equal(sum, 245); /* 20 + ... + 29 */
    lcl_dataset_close(part);
    lcl_dataset_close(rest);
    assert_int_equal(lcl_dataset_split(ds, 30, random, 7, &part, &rest), LCL_ERR_ARGUMENT);
    lcl_dataset_close(ds);
  }
}

static void per_class_is_balanced_and_reproducible(void **state) {
  (void)state;
  lcl_dataset *ds = counting(), *a, *b, *c;
  assert_int_equal(lcl_dataset_per_class(ds, 4, 1, 0, &a), LCL_OK);
  assert_int_equal(lcl_dataset_per_class(ds, 4, 1, 0, &b), LCL_OK);
  assert_int_equal(lcl_dataset_per_class(ds, 4, 1, 1, &c), LCL_OK);
  int64_t counts[3];
  int seen[30] = { 0 }, same = 0;
  assert_int_equal(lcl_dataset_class_counts(a, counts), LCL_OK);
  for (int k = 0; k < 3; k++) assert_int_equal(counts[k], 4);
  for (int i = 0; i < 12; i++) {
    seen[first_of(a, i)]++;
    assert_int_equal(first_of(a, i), first_of(b, i));
    same += first_of(a, i) == first_of(c, i);
  }
  for (int i = 0; i < 30; i++) assert_true(seen[i] <= 1);
  assert_true(same < 12);
  lcl_dataset_close(a);
  lcl_dataset_close(b);
  lcl_dataset_close(c);
  assert_int_equal(lcl_dataset_per_class(ds, 11, 1, 0, &a), LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "only 10 examples of class 0"));
  lcl_dataset_close(ds);
}

static void joining(void **state) {
  (void)state;
  lcl_dataset *ds = counting(), *part, *rest, *all;
  assert_int_equal(lcl_dataset_split(ds, 12, false, 0, &part, &rest), LCL_OK);
  const lcl_dataset *both[] = { part, rest };
  assert_int_equal(lcl_dataset_concat(both, 2, "all", &all), LCL_OK);
  assert_int_equal(all->count, 30);
  assert_memory_equal(all->pixels, ds->pixels, 180);
  assert_memory_equal(all->labels, ds->labels, 30 * sizeof(int32_t));
  assert_float_equal(all->scale, 1.0f / 255, 0);
  lcl_dataset_close(all);
  lcl_dataset_close(part);
  lcl_dataset_close(rest);
  const float other[4] = { 0 };
  assert_int_equal(lcl_dataset_from_f32("other", other, NULL, 1, 1, 2, 2, 0, &part), LCL_OK);
  both[0] = ds;
  both[1] = part;
  assert_int_equal(lcl_dataset_concat(both, 2, "all", &all), LCL_ERR_SHAPE);
  lcl_dataset_close(part);
  lcl_dataset_close(ds);
}

/* Bytes of one part stand for other values than those of the other. */
static void joining_of_scales(void **state) {
  (void)state;
  lcl_dataset *ds = counting(), *bits, *all;
  float want[6], got[6];
  assert_int_equal(lcl__dataset_binarised(ds, true, 0, 0, &bits), LCL_OK);
  const lcl_dataset *both[] = { bits, ds };
  assert_int_equal(lcl_dataset_concat(both, 2, "all", &all), LCL_OK);
  for (int64_t i = 0; i < 60; i++) {
    assert_int_equal(lcl_dataset_example(all, i, got), LCL_OK);
    assert_int_equal(lcl_dataset_example(both[i / 30], i % 30, want), LCL_OK);
    for (int k = 0; k < 6; k++) assert_float_equal(got[k], want[k], 1e-7f);
  }
  lcl_dataset_close(all);
  lcl_dataset_close(bits);
  lcl_dataset_close(ds);
}

/* Examples that are the same are drawn anew each. */
static void draws_differ(void **state) {
  (void)state;
  enum { COUNT = 20, EACH = 64 };
  float grey[COUNT * EACH], x[2][EACH];
  lcl_dataset *ds, *bits;
  for (int i = 0; i < COUNT * EACH; i++) grey[i] = 0.5f;
  assert_int_equal(lcl_dataset_from_f32("grey", grey, NULL, COUNT, 1, 8, 8, 0, &ds), LCL_OK);
  assert_int_equal(lcl__dataset_binarised(ds, false, 1, 1, &bits), LCL_OK);
  for (int64_t i = 0; i < COUNT; i++) {
    assert_int_equal(lcl_dataset_example(bits, i, x[i % 2]), LCL_OK);
    if (i) assert_memory_not_equal(x[0], x[1], sizeof x[0]);
  }
  lcl_dataset_close(bits);
  lcl_dataset_close(ds);
}

static void shrinking_averages(void **state) {
  (void)state;
  const float x[16] = { 1, 3, 0, 0, 5, 7, 0, 0, 0, 0, 8, 8, 0, 4, 8, 8 };
  lcl_dataset *ds, *small;
  assert_int_equal(lcl_dataset_from_f32("x", x, NULL, 1, 1, 4, 4, 0, &ds), LCL_OK);
  assert_int_equal(lcl_dataset_shrink(ds, 2, &small), LCL_OK);
  const float want[4] = { 4, 0, 1, 8 };
  assert_int_equal(small->height, 2);
  assert_memory_equal(small->values, want, sizeof want);
  lcl_dataset_close(small);
  assert_int_equal(lcl_dataset_shrink(ds, 3, &small), LCL_ERR_ARGUMENT);
  lcl_dataset_close(ds);
}

/* A square in the middle: copies keep its label and its ink roughly, differ, and are the same again
 * by seed. */
static void copies(void **state) {
  (void)state;
  enum { SIDE = 20, N = 6, COPIES = 5 };
  static float x[N][SIDE * SIDE];
  const int32_t labels[N] = { 0, 3, 3, 1, 0, 3 }; /* nobody of class 2 */
  for (int i = 0; i < N; i++)
    for (int k = 0; k < 64; k++) x[i][(6 + k / 8) * SIDE + 6 + k % 8] = 1;
  lcl_dataset *ds, *some, *again;
  assert_int_equal(lcl_dataset_from_f32("x", x[0], labels, N, 1, SIDE, SIDE, 4, &ds), LCL_OK);
  lcl_data_desc desc = { .types = 2, .copies = COPIES, .reduce = 2, .seed = 4 };
  assert_int_equal(lcl__dataset_copies(ds, &desc, &some), LCL_OK);
  assert_int_equal(lcl__dataset_copies(ds, &desc, &again), LCL_OK);
  assert_int_equal(some->classes, 2);
  assert_int_equal(some->height, SIDE / 2);
  assert_true(some->count % COPIES == 0 && some->count >= 3 * COPIES && some->count <= 5 * COPIES);
  for (int64_t i = 0; i < some->count; i++) {
    float a[SIDE * SIDE / 4], b[SIDE * SIDE / 4], first[SIDE * SIDE / 4], sum = 0;
    assert_int_equal(lcl_dataset_example(some, i, a), LCL_OK);
    assert_int_equal(lcl_dataset_example(again, i, b), LCL_OK);
    assert_int_equal(lcl_dataset_example(some, i / COPIES * COPIES, first), LCL_OK);
    assert_memory_equal(a, b, sizeof a);
    for (int k = 0; k < SIDE * SIDE / 4; k++) sum += a[k];
    assert_true(sum > 16 / 1.3f && sum < 16 * 1.3f); /* scaled by at most 1.1 each way */
    assert_int_equal(memcmp(a, first, sizeof a) != 0, i % COPIES != 0);
    assert_int_equal(some->labels[i], some->labels[i / COPIES * COPIES]);
  }
  lcl_dataset_close(some);
  lcl_dataset_close(again);
  desc.types = 4;
  assert_int_equal(lcl__dataset_copies(ds, &desc, &some), LCL_ERR_ARGUMENT);
  lcl_dataset_close(ds);
}

/* Copies of an image whose values are its coordinates tell where each pixel came from: a turn about
 * the middle of what is stretched along the axes, then moved, each both ways and by at most what is
 * said. */
static void copies_move_pixels(void **state) {
  (void)state;
  enum { SIDE = 24, COPIES = 200 };
  static float x[2][SIDE][SIDE], out[2][SIDE][SIDE];
  const double most[5] = { 0.17, 0.1, 0.1, 0.05 * SIDE, 0.05 * SIDE }, middle = (SIDE - 1) / 2.0;
  double low[5] = { 0 }, high[5] = { 0 }, apart[5][5] = { 0 };
  for (int r = 0; r < SIDE; r++)
    for (int k = 0; k < SIDE; k++) x[0][r][k] = (float)r / SIDE, x[1][r][k] = (float)k / SIDE;
  lcl_dataset *ds, *some;
  assert_int_equal(lcl_dataset_from_f32("x", x[0][0], NULL, 1, 2, SIDE, SIDE, 0, &ds), LCL_OK);
  const lcl_data_desc desc = { .copies = COPIES, .seed = 4 };
  assert_int_equal(lcl__dataset_copies(ds, &desc, &some), LCL_OK);
  assert_int_equal(some->count, COPIES);
  for (int i = 1; i < COPIES; i++) {
    assert_int_equal(lcl_dataset_example(some, i, out[0][0]), LCL_OK);
    enum { A = 8, B = 15 };    /* far enough from the edges */
    double down[2], across[2]; /* what a step down and one to the right add to (row, column) */
    double from[5] = { 0 };    /* angle, stretches, moves */
    for (int k = 0; k < 2; k++) {
      down[k] = (double)(out[k][B][A] - out[k][A][A]) * SIDE / (B - A);
      across[k] = (double)(out[k][A][B] - out[k][A][A]) * SIDE / (B - A);
      from[3 + k] = (double)(out[k][A][A] + out[k][B][B]) / 2 * SIDE - middle;
      for (int r = A; r <= B; r++)
        for (int c = A; c <= B; c++)
          assert_float_equal(out[k][r][c] * SIDE,
                             out[k][A][A] * SIDE + (r - A) * down[k] + (c - A) * across[k], 1e-4);
    }
    from[0] = atan2(down[1], down[0]);
    from[1] = hypot(down[0], down[1]) - 1;
    from[2] = hypot(across[0], across[1]) - 1;
    assert_float_equal(atan2(-across[0], across[1]), from[0], 1e-4);
    for (int k = 0; k < 5; k++) {
      ASSERT_BETWEEN(from[k], -most[k] - 1e-4, most[k] + 1e-4);
      low[k] = fmin(low[k], from[k]);
      high[k] = fmax(high[k], from[k]);
      for (int other = 0; other < k; other++)
        apart[k][other] = fmax(apart[k][other],
                               fabs(from[k] / most[k] - from[other] / most[other]));
    }
  }
  for (int k = 0; k < 5; k++) {
    assert_true(low[k] < -0.9 * most[k] && high[k] > 0.9 * most[k]);
    for (int other = 0; other < k; other++) assert_true(apart[k][other] > 1); /* each for itself */
  }
  lcl_dataset_close(some);
  lcl_dataset_close(ds);
}

static void binarising(void **state) {
  (void)state;
  float x[4000];
  for (int i = 0; i < 4000; i++) x[i] = i < 2000 ? 0.25f : 0.75f;
  lcl_dataset *ds, *a, *b, *t;
  assert_int_equal(lcl_dataset_from_f32("x", x, NULL, 2, 1, 40, 50, 0, &ds), LCL_OK);
  assert_int_equal(lcl__dataset_binarised(ds, false, 3, 9, &a), LCL_OK);
  assert_int_equal(lcl__dataset_binarised(ds, false, 3, 9, &b), LCL_OK);
  assert_int_equal(lcl__dataset_binarised(ds, true, 0, 0, &t), LCL_OK);
  assert_memory_equal(a->pixels, b->pixels, 4000);
  int ones[2] = { 0 };
  for (int i = 0; i < 4000; i++) {
    assert_true(a->pixels[i] <= 1);
    assert_int_equal(t->pixels[i], i >= 2000);
    ones[i >= 2000] += a->pixels[i];
  }
  /* 2000 samples: the deviation is sqrt(2000 * 3/16) = 19.4; five of them. */
  assert_true(abs(ones[0] - 500) < 97 && abs(ones[1] - 1500) < 97);
  lcl_dataset_close(a);
  lcl_dataset_close(b);
  lcl_dataset_close(t);
  lcl_dataset_close(ds);
}

static void bad_memory_is_refused(void **state) {
  (void)state;
  const uint8_t p[4] = { 0 };
  const int32_t bad_label[1] = { 2 };
  const float nan_value[1] = { NAN };
  lcl_dataset *ds;
  assert_int_equal(lcl_dataset_from_u8("x", p, bad_label, 1, 1, 2, 2, 2, &ds), LCL_ERR_FORMAT);
  assert_int_equal(lcl_dataset_from_f32("x", nan_value, NULL, 1, 1, 1, 1, 0, &ds), LCL_ERR_FORMAT);
  assert_int_equal(lcl_dataset_from_u8("x", p, NULL, 0, 1, 2, 2, 0, &ds), LCL_ERR_ARGUMENT);
  assert_int_equal(lcl_dataset_from_u8("x", p, NULL, INT64_MAX, 1, 2, 2, 0, &ds),
                   LCL_ERR_HOST_MEMORY);
}

static void synthetic_is_deterministic_and_balanced(void **state) {
  (void)state;
  lcl_dataset *a, *b, *c;
  assert_int_equal(lcl_dataset_synthetic(5, 0, 600, &a), LCL_OK);
  assert_int_equal(lcl_dataset_synthetic(5, 300, 300, &b), LCL_OK);
  assert_int_equal(lcl_dataset_synthetic(6, 0, 600, &c), LCL_OK);
  assert_memory_equal(a->pixels + 300 * 784, b->pixels, 300 * 784);
  assert_memory_equal(a->labels + 300, b->labels, 300 * sizeof(int32_t));
  assert_memory_not_equal(a->pixels, c->pixels, 600 * 784);
  int64_t counts[10];
  assert_int_equal(lcl_dataset_class_counts(a, counts), LCL_OK);
  for (int k = 0; k < 10; k++) assert_int_equal(counts[k], 60);
  for (int i = 0; i < 600; i++) { /* every image has ink, and room around it */
    int ink = 0;
    for (int k = 0; k < 784; k++) ink += a->pixels[i * 784 + k] > 127;
    assert_in_range(ink, 8, 400);
  }
  lcl_dataset_close(a);
  lcl_dataset_close(b);
  lcl_dataset_close(c);
}

static void synthetic_parts(void **state) {
  (void)state;
  lcl_splits s;
  lcl_data_desc desc = { .synthetic_train = 200, .synthetic_test = 100, .valid = 50, .seed = 1 };
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_int_equal(s.train->count, 200);
  assert_int_equal(s.valid->count, 50);
  assert_int_equal(s.test->count, 100);
  assert_memory_not_equal(s.train->pixels, s.test->pixels, 784 * 50);
  assert_string_equal(s.train->name, "synthetic digits train");
  lcl_splits_close(&s);
  desc.merge = true;
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_int_equal(s.train->count, 350);
  lcl_splits_close(&s);
  desc.merge = false;
  desc.binarise = LCL_BINARISE_DYNAMIC;
  assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
  assert_true(s.train->bernoulli && !s.valid->bernoulli && !s.test->bernoulli);
  assert_float_equal(s.test->raw_max, 1, 0);
  lcl_splits_close(&s);
  desc.binarise = LCL_BINARISE_STATIC;
  assert_int_equal(lcl_data_open(&desc, &s), LCL_ERR_FORMAT);
}

static void other_built_in_data(void **state) {
  (void)state;
  static const struct {
    const char *path;
    int channels, height, width, classes;
  } kinds[] = { { "synthetic", 1, 28, 28, 10 },
                { "synthetic:objects", 3, 32, 32, 10 },
                { "synthetic:animals", 3, 48, 48, 2 },
                { "synthetic:features", 1, 1, 2048, 10 } };
  for (size_t k = 0; k < LCL_COUNT(kinds); k++) {
    lcl_splits a, b;
    lcl_data_desc desc = {
      .path = kinds[k].path, .synthetic_train = 60, .synthetic_test = 40, .valid = 20, .seed = 3
    };
    assert_int_equal(lcl_data_open(&desc, &a), LCL_OK);
    desc.synthetic_train = 30; /* a smaller part is the head of the larger one */
    assert_int_equal(lcl_data_open(&desc, &b), LCL_OK);
    assert_string_equal(a.format, "synthetic");
    const lcl_dataset *t = a.train;
    assert_int_equal(t->count, 60);
    assert_int_equal(a.valid->count, 20);
    assert_int_equal(a.test->count, 40);
    assert_true(t->channels == kinds[k].channels && t->height == kinds[k].height &&
                t->width == kinds[k].width);
    assert_int_equal(t->classes, kinds[k].classes);
    int64_t counts[10];
    assert_int_equal(lcl_dataset_class_counts(t, counts), LCL_OK);
    for (int c = 0; c < t->classes; c++) assert_int_equal(counts[c], 60 / t->classes);
    size_t n = lcl_dataset_elements(t);
    if (t->pixels)
      assert_memory_equal(t->pixels, b.train->pixels, 30 * n);
    else
      assert_memory_equal(t->values, b.train->values, 30 * n * sizeof(float));
    assert_int_equal(lcl_range_check(t, NULL, 0, 1, kinds[k].path),
                     LCL_OK); /* features may have any range */
    lcl_splits_close(&a);
    lcl_splits_close(&b);
  }
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = "synthetic:birds" }, &s), LCL_OK);
  assert_int_equal(s.train->width, 22050);
  assert_int_equal(s.train->classes, 10);
  assert_true(s.valid && s.test && s.train->count > s.test->count);
  assert_int_equal(lcl_range_check(s.train, NULL, 0, 1, "birds"), LCL_OK);
  lcl_splits_close(&s);
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { .path = "synthetic:cows" }, &s),
                   LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "objects"));
}

/* Of all values of a part: their mean, and a weighted mean of their squares. */
static void digest(const lcl_dataset *ds, double out[2]) {
  const size_t n = lcl_dataset_elements(ds);
  float *x = malloc(n * sizeof *x);
  out[0] = out[1] = 0;
  for (int64_t i = 0; i < ds->count; i++) {
    assert_int_equal(lcl_dataset_example(ds, i, x), LCL_OK);
    for (size_t k = 0; k < n; k++) {
      const double v = (double)x[k], weight = (double)((k * 37 + (size_t)i * 11) % 101) / 50;
      out[0] += v / (double)n;
      out[1] += weight * v * v / (double)n;
    }
  }
  out[0] /= (double)ds->count;
  out[1] /= (double)ds->count;
  free(x);
}

/* The built-in data stay what they are: results on them are compared from version to version. */
static void built_in_data_stay(void **state) {
  (void)state;
  static const struct {
    const char *path;
    double want[3][2]; /* of train, validation and test */
  } kinds[] = {
    { "synthetic:digits",
      { { 0.0836165, 0.0538901 }, { 0.0889601, 0.0593118 }, { 0.0795899, 0.0504887 } } },
    { "synthetic:objects",
      { { 0.5045730, 0.2922393 }, { 0.4937357, 0.2827847 }, { 0.5016623, 0.2913146 } } },
    { "synthetic:animals",
      { { 0.5042406, 0.2959749 }, { 0.4887167, 0.2812500 }, { 0.5019977, 0.2955945 } } },
    { "synthetic:features",
      { { 0.4084165, 0.5255185 }, { 0.4098753, 0.5253877 }, { 0.4065051, 0.5232076 } } },
    { "synthetic:birds",
      { { 0.4999997, 0.2592100 }, { 0.5000058, 0.2605703 }, { 0.5000285, 0.2601501 } } },
  };
  for (size_t i = 0; i < LCL_COUNT(kinds); i++) {
    lcl_splits s;
    const lcl_data_desc desc = {
      .path = kinds[i].path, .synthetic_train = 200, .synthetic_test = 100, .valid = 100, .seed = 7
    };
    assert_int_equal(lcl_data_open(&desc, &s), LCL_OK);
    const lcl_dataset *part[] = { s.train, s.valid, s.test };
    for (int k = 0; k < 3; k++) {
      double got[2];
      digest(part[k], got);
      for (int j = 0; j < 2; j++)
        if (!(fabs(got[j] - kinds[i].want[k][j]) <= 1e-5 * (1 + fabs(got[j]))))
          fail_msg("%s, part %d: %.7f and %.7f", kinds[i].path, k, got[0], got[1]);
    }
    lcl_splits_close(&s);
  }
  lcl_splits s;
  assert_int_equal(lcl_data_open(&(lcl_data_desc) { 0 }, &s), LCL_OK);
  assert_int_equal(s.train->count, 10000);
  assert_int_equal(s.valid->count, 2000);
  assert_int_equal(s.test->count, 2000);
  lcl_splits_close(&s);
}

/* The n-th allocation fails, for every n: a status, nothing leaked. */
static void allocation_failures(void **state) {
  (void)state;
  int64_t live = lcl__test_alloc_live();
  for (int64_t n = 0;; n++) {
    lcl_splits s;
    lcl_data_desc desc = { .synthetic_train = 20,
                           .synthetic_test = 10,
                           .valid = 10,
                           .merge = true,
                           .binarise = LCL_BINARISE_FIXED };
    lcl__test_fail_alloc(n);
    lcl_status status = lcl_data_open(&desc, &s);
    lcl__test_fail_alloc(-1);
    if (status == LCL_OK) lcl_splits_close(&s);
    assert_int_equal(lcl__test_alloc_live(), live);
    if (status == LCL_OK) {
      assert_true(n > 20);
      break;
    }
    assert_int_equal(status, LCL_ERR_HOST_MEMORY);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(values_are_scaled),
    cmocka_unit_test(views_outlive_their_parent),
    cmocka_unit_test(splits_cover_everything_once),
    cmocka_unit_test(per_class_is_balanced_and_reproducible),
    cmocka_unit_test(joining),
    cmocka_unit_test(joining_of_scales),
    cmocka_unit_test(draws_differ),
    cmocka_unit_test(shrinking_averages),
    cmocka_unit_test(copies),
    cmocka_unit_test(copies_move_pixels),
    cmocka_unit_test(binarising),
    cmocka_unit_test(bad_memory_is_refused),
    cmocka_unit_test(synthetic_is_deterministic_and_balanced),
    cmocka_unit_test(synthetic_parts),
    cmocka_unit_test(other_built_in_data),
    cmocka_unit_test(built_in_data_stay),
    cmocka_unit_test(allocation_failures),
  };
  return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
