/* Batches: what is in them, in which order, and that any position can be come back to. */
#include <math.h>
#include <stdint.h>

#include "base/base.h"
#include "data/array.h"
#include "test.h"

/* n examples of 1x4x5: example i is filled with i/n, but for its pixel (0,0), which is 1; label i
 * mod 7. */
static lcl_dataset *numbered(int n) {
  float *x = malloc((size_t)n * 20 * sizeof *x);
  int32_t *labels = malloc((size_t)n * sizeof *labels);
  for (int i = 0; i < n * 20; i++) x[i] = i % 20 ? (float)(i / 20) / (float)n : 1;
  for (int i = 0; i < n; i++) labels[i] = i % 7;
  lcl_dataset *ds;
  assert_int_equal(lcl_dataset_from_f32("numbered", x, labels, n, 1, 4, 5, 7, &ds), LCL_OK);
  free(x);
  free(labels);
  return ds;
}

static lcl_batcher *make(const lcl_batcher_desc *desc) {
  lcl_batcher *b;
  assert_int_equal(lcl_batcher_create(desc, &b), LCL_OK);
  return b;
}

static void check_content(const lcl_batch *batch, int n, int size) {
  for (int k = 0; k < size; k++) {
    assert_float_equal(batch->x[k * 20], 1, 0);
    assert_float_equal(batch->x[k * 20 + 19], (float)batch->index[k] / (float)n, 0);
    assert_int_equal(batch->label[k], batch->index[k] % 7);
  }
}

static void epochs_visit_each_once(void **state) {
  (void)state;
  lcl_dataset *ds = numbered(53);
  lcl_batcher *b = make(&(lcl_batcher_desc) { .data = ds, .batch = 10, .seed = 3 });
  assert_int_equal(lcl_batcher_steps(b), 5);
  int first[50], differ = 0;
  for (int epoch = 0; epoch < 3; epoch++) {
    int seen[53] = { 0 };
    for (int step = 0; step < 5; step++) {
      lcl_batch batch;
      assert_int_equal(lcl_batcher_next(b, &batch), LCL_OK);
      assert_int_equal(batch.epoch, epoch);
      assert_int_equal(batch.step, step);
      assert_int_equal(batch.valid, 10);
      assert_int_equal(batch.last, step == 4);
      check_content(&batch, 53, 10);
      for (int k = 0; k < 10; k++) {
        seen[batch.index[k]]++;
        if (epoch == 0) first[step * 10 + k] = batch.index[k];
        differ += first[step * 10 + k] != batch.index[k];
      }
    }
    for (int i = 0; i < 53; i++) assert_true(seen[i] <= 1);
  }
  assert_true(differ > 50);
  lcl_batcher_destroy(b);
  lcl_dataset_close(ds);
}

static void sequential_pads_the_last(void **state) {
  (void)state;
  lcl_dataset *ds = numbered(23);
  lcl_batcher *b = make(
      &(lcl_batcher_desc) { .data = ds, .batch = 10, .mode = LCL_BATCH_SEQUENTIAL });
  assert_int_equal(lcl_batcher_steps(b), 3);
  for (int pass = 0; pass < 2; pass++) {
    int at = 0;
    for (int step = 0; step < 3; step++) {
      lcl_batch batch;
      assert_int_equal(lcl_batcher_next(b, &batch), LCL_OK);
      assert_int_equal(batch.valid, step == 2 ? 3 : 10);
      for (int k = 0; k < batch.valid; k++) assert_int_equal(batch.index[k], at++);
      for (int k = batch.valid; k < 10; k++) assert_int_equal(batch.index[k], 20);
      check_content(&batch, 23, 10);
    }
    assert_int_equal(at, 23);
  }
  lcl_batcher_destroy(b);
  lcl_dataset_close(ds);
}

/* A labelled stream larger or smaller than its batch: every example comes up equally often. */
static void cycle_is_fair(void **state) {
  (void)state;
  for (int n = 7; n <= 30; n += 23) {
    lcl_dataset *ds = numbered(n);
    lcl_batcher *b = make(&(lcl_batcher_desc) { .data = ds, .batch = 10, .mode = LCL_BATCH_CYCLE });
    int seen[30] = { 0 };
    for (int step = 0; step < n; step++) {
      lcl_batch batch;
      assert_int_equal(lcl_batcher_next(b, &batch), LCL_OK);
      check_content(&batch, n, 10);
      for (int k = 0; k < 10; k++) seen[batch.index[k]]++;
    }
    for (int i = 0; i < n; i++) assert_int_equal(seen[i], 10);
    lcl_batcher_destroy(b);
    lcl_dataset_close(ds);
  }
}

/* Each round through the set has another order, and so has another stream; no round skips one. */
static void orders_differ(void **state) {
  (void)state;
  enum { ROUND = 20 };
  lcl_dataset *ds = numbered(ROUND);
  int32_t order[2][4 * ROUND];
  for (uint32_t stream = 0; stream < 2; stream++) {
    lcl_batcher *b = make(&(lcl_batcher_desc) {
        .data = ds, .batch = 8, .seed = 3, .stream = stream, .mode = LCL_BATCH_CYCLE });
    for (int step = 0; step < 10; step++) {
      lcl_batch batch;
      assert_int_equal(lcl_batcher_next(b, &batch), LCL_OK);
      memcpy(&order[stream][(ptrdiff_t)step * 8], batch.index, 8 * sizeof(int32_t));
    }
    for (int round = 0; round < 4; round++) {
      int seen[ROUND] = { 0 };
      for (int i = 0; i < ROUND; i++) seen[order[stream][round * ROUND + i]]++;
      for (int i = 0; i < ROUND; i++) assert_int_equal(seen[i], 1);
      for (int other = 0; other < round; other++)
        assert_memory_not_equal(&order[stream][round * ROUND], &order[stream][other * ROUND],
                                ROUND * sizeof(int32_t));
    }
    lcl_batcher_destroy(b);
  }
  assert_memory_not_equal(order[0], order[1], sizeof order[0]);
  lcl_dataset_close(ds);
}

static void fresh_is_without_replacement(void **state) {
  (void)state;
  lcl_dataset *ds = numbered(20);
  lcl_batcher *b = make(&(lcl_batcher_desc) { .data = ds, .batch = 15, .mode = LCL_BATCH_FRESH });
  int total[20] = { 0 };
  for (int step = 0; step < 2000; step++) {
    lcl_batch batch;
    int seen[20] = { 0 };
    assert_int_equal(lcl_batcher_next(b, &batch), LCL_OK);
    for (int k = 0; k < 15; k++) {
      assert_int_equal(seen[batch.index[k]]++, 0);
      total[batch.index[k]]++;
    }
  }
  /* 2000 samples with p = 3/4: deviation 19.4; five of them. */
  for (int i = 0; i < 20; i++) assert_in_range(total[i], 1500 - 97, 1500 + 97);
  lcl_batcher_destroy(b);
  lcl_dataset_close(ds);
}

/* Every mode and augmentation: seeking gives the same bits as walking, with and without the thread.
 */
static void positions_can_be_come_back_to(void **state) {
  (void)state;
  lcl_dataset *ds = numbered(37);
  lcl_prep *prep;
  lcl_prep_desc pd = { .centre = LCL_CENTRE_MEAN_IMAGE, .crop = 3, .mirror = LCL_MIRROR_EACH };
  assert_int_equal(lcl_prep_fit(&pd, ds, &prep), LCL_OK);
  ds->bernoulli = true;
  for (int mode = 0; mode < 4; mode++) {
    lcl_batcher_desc desc = { .data = ds,
                              .prep = prep,
                              .batch = 8,
                              .mode = (lcl_batch_mode)mode,
                              .augment = true,
                              .seed = 11,
                              .stream = 2 };
    float kept[30][8 * 9];
    int32_t index[30][8];
    lcl_batch_state at[30];
    lcl_batch batch;
    lcl_batcher *b = make(&desc);
    for (int i = 0; i < 30; i++) {
      at[i] = lcl_batcher_state(b);
      assert_int_equal(lcl_batcher_next(b, &batch), LCL_OK);
      memcpy(kept[i], batch.x, sizeof kept[i]);
      memcpy(index[i], batch.index, sizeof index[i]);
    }
    desc.no_prefetch = true;
    lcl_batcher *c = make(&desc);
    for (int i = 29; i >= 0; i -= 4) {
      lcl_batcher *both[] = { b, c };
      for (int k = 0; k < 2; k++) {
        assert_int_equal(lcl_batcher_seek(both[k], at[i]), LCL_OK);
        assert_int_equal(lcl_batcher_next(both[k], &batch), LCL_OK);
        assert_memory_equal(batch.x, kept[i], sizeof kept[i]);
        assert_memory_equal(batch.index, index[i], sizeof index[i]);
      }
    }
    assert_int_equal(lcl_batcher_seek(c, (lcl_batch_state) { 0, lcl_batcher_steps(c) }),
                     LCL_ERR_ARGUMENT);
    lcl_batcher_destroy(b);
    lcl_batcher_destroy(c);
  }
  lcl_prep_destroy(prep);
  lcl_dataset_close(ds);
}

/* One image with a bright pixel in each place: crops and mirrors move it as they should. */
static void crops_and_mirrors(void **state) {
  (void)state;
  float x[20];
  for (int i = 0; i < 20; i++) x[i] = (float)i / 19;
  lcl_dataset *one;
  lcl_prep *prep;
  assert_int_equal(lcl_dataset_from_f32("one", x, NULL, 1, 1, 4, 5, 0, &one), LCL_OK);
  lcl_prep_desc pd = { .crop = 3, .mirror = LCL_MIRROR_EACH };
  assert_int_equal(lcl_prep_fit(&pd, one, &prep), LCL_OK);
  lcl_batcher *b = make(
      &(lcl_batcher_desc) { .data = one, .prep = prep, .batch = 1, .augment = true });
  int seen[2][3][2] = { 0 };
  for (int step = 0; step < 1200; step++) {
    lcl_batch batch;
    assert_int_equal(lcl_batcher_next(b, &batch), LCL_OK);
    assert_int_equal(batch.label[0], -1);
    int flip = batch.x[0] > batch.x[1], corner = (int)lrintf(batch.x[flip ? 2 : 0] * 19),
        top = corner / 5, left = corner % 5;
    assert_true(top <= 1 && left <= 2);
    for (int y = 0; y < 3; y++)
      for (int k = 0; k < 3; k++)
        assert_float_equal(batch.x[y * 3 + k], x[(top + y) * 5 + left + (flip ? 2 - k : k)], 0);
    seen[top][left][flip]++;
  }
  for (int i = 0; i < 12; i++)
    assert_in_range(((int *)seen)[i], 100 - 50, 100 + 50); /* five deviations of 9.6 */
  lcl_batcher_destroy(b);
  lcl_batcher *e = make(
      &(lcl_batcher_desc) { .data = one, .prep = prep, .batch = 1, .mode = LCL_BATCH_SEQUENTIAL });
  lcl_batch batch;
  assert_int_equal(lcl_batcher_next(e, &batch), LCL_OK);
  assert_float_equal(batch.x[0], x[1], 0); /* centre: top (4-3)/2 = 0, left (5-3)/2 = 1 */
  lcl_batcher_destroy(e);
  lcl_prep_destroy(prep);
  lcl_dataset_close(one);
}

static void half_of_each_batch_is_mirrored(void **state) {
  (void)state;
  lcl_dataset *ds = numbered(40);
  lcl_prep *prep;
  lcl_prep_desc pd = { .mirror = LCL_MIRROR_HALF_BATCH };
  assert_int_equal(lcl_prep_fit(&pd, ds, &prep), LCL_OK);
  lcl_batcher *b = make(
      &(lcl_batcher_desc) { .data = ds, .prep = prep, .batch = 10, .augment = true });
  int each[10] = { 0 };
  for (int step = 0; step < 1000; step++) {
    lcl_batch batch;
    int flipped = 0;
    assert_int_equal(lcl_batcher_next(b, &batch), LCL_OK);
    for (int k = 0; k < 10; k++) {
      bool flip = batch.x[k * 20] != 1;
      flipped += flip;
      each[k] += flip;
    }
    assert_int_equal(flipped, 5);
  }
  for (int k = 0; k < 10; k++)
    assert_in_range(each[k], 500 - 80, 500 + 80); /* five deviations of 15.8 */
  lcl_batcher_destroy(b);
  lcl_prep_destroy(prep);
  lcl_dataset_close(ds);
}

static void dynamic_samples(void **state) {
  (void)state;
  float half[400];
  for (int i = 0; i < 400; i++) half[i] = 0.5f;
  lcl_dataset *ds;
  assert_int_equal(lcl_dataset_from_f32("half", half, NULL, 1, 1, 20, 20, 0, &ds), LCL_OK);
  ds->bernoulli = true;
  lcl_batch batch;
  for (int augment = 0; augment < 2; augment++) {
    lcl_batcher *b = make(&(lcl_batcher_desc) { .data = ds, .batch = 1, .augment = augment });
    float first[400];
    int ones = 0, changed = 0;
    for (int step = 0; step < 10; step++) {
      assert_int_equal(lcl_batcher_next(b, &batch), LCL_OK);
      for (int i = 0; i < 400; i++) {
        assert_true(batch.x[i] == 0 || batch.x[i] == 1);
        ones += batch.x[i] == 1;
        if (step) changed += batch.x[i] != first[i];
      }
      if (step == 0) memcpy(first, batch.x, sizeof first);
    }
    if (augment) {
      assert_in_range(ones, 2000 - 160, 2000 + 160); /* five deviations of 31.6 */
      assert_in_range(changed, 1800 - 150, 1800 + 150);
    } else {
      float again[400];
      assert_int_equal(changed, 0);
      assert_int_equal(lcl__evaluation_example(ds, 0, 0, again), LCL_OK);
      assert_memory_equal(again, first, sizeof first);
    }
    lcl_batcher_destroy(b);
  }
  lcl_dataset_close(ds);
}

/* Orders, crops, mirrors and samples depend on the seed and on the stream; a fixed sample, of
 * evaluation, on the seed alone. */
static void check_seeds(int height, int width) {
  enum { COUNT = 64, SIZE = 28, BATCH = 32 };
  static float x[COUNT * SIZE];
  for (int i = 0; i < COUNT * SIZE; i++) x[i] = (float)(i % SIZE) / (SIZE - 1);
  lcl_dataset *ds;
  lcl_prep *prep[2];
  assert_int_equal(lcl_dataset_from_f32("same", x, NULL, COUNT, 1, height, width, 0, &ds), LCL_OK);
  const lcl_prep_desc crop = { .crop = 4 }, mirror = { .mirror = LCL_MIRROR_EACH };
  assert_int_equal(lcl_prep_fit(&crop, ds, &prep[0]), LCL_OK);
  assert_int_equal(lcl_prep_fit(&mirror, ds, &prep[1]), LCL_OK);
  const struct {
    lcl_prep *prep;
    bool bernoulli, augment, fixed;
    lcl_batch_mode mode;
  } cases[] = {
    { .mode = LCL_BATCH_EPOCH },
    { .mode = LCL_BATCH_CYCLE },
    { .mode = LCL_BATCH_FRESH },
    { .prep = prep[0], .augment = true, .mode = LCL_BATCH_SEQUENTIAL },
    { .prep = prep[1], .augment = true, .mode = LCL_BATCH_SEQUENTIAL },
    { .bernoulli = true, .augment = true, .mode = LCL_BATCH_SEQUENTIAL },
    { .bernoulli = true, .fixed = true, .mode = LCL_BATCH_SEQUENTIAL },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    float kept[4][BATCH * SIZE];
    int32_t index[4][BATCH];
    ds->bernoulli = cases[i].bernoulli;
    for (unsigned k = 0; k < 4; k++) { /* one, again, another stream, another seed */
      lcl_batch batch;
      lcl_batcher *b = make(&(lcl_batcher_desc) { .data = ds,
                                                  .prep = cases[i].prep,
                                                  .batch = BATCH,
                                                  .mode = cases[i].mode,
                                                  .augment = cases[i].augment,
                                                  .stream = k == 2,
                                                  .seed = k == 3 });
      assert_int_equal(lcl_batcher_next(b, &batch), LCL_OK);
      const size_t n = BATCH * (size_t)(cases[i].prep == prep[0] ? 16 : SIZE);
      memset(kept[k], 0, sizeof kept[k]);
      memcpy(kept[k], batch.x, n * sizeof(float));
      memcpy(index[k], batch.index, sizeof index[k]);
      const bool differs = memcmp(kept[k], kept[0], sizeof kept[0]) != 0 ||
                           memcmp(index[k], index[0], sizeof index[0]) != 0;
      assert_int_equal(differs, cases[i].fixed ? k == 3 : k >= 2);
      lcl_batcher_destroy(b);
    }
  }
  lcl_prep_destroy(prep[0]);
  lcl_prep_destroy(prep[1]);
  lcl_dataset_close(ds);
}

/* What is as wide as the crop moves up and down alone, what is as high from side to side. */
static void seeds_and_streams(void **state) {
  (void)state;
  check_seeds(7, 4);
  check_seeds(4, 7);
}

static void errors(void **state) {
  (void)state;
  lcl_dataset *ds = numbered(5), *other = numbered(5);
  lcl_batcher *b;
  lcl_prep *prep;
  assert_int_equal(lcl_batcher_create(&(lcl_batcher_desc) { .data = ds, .batch = 6 }, &b),
                   LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "smaller batch"));
  assert_int_equal(lcl_batcher_create(&(lcl_batcher_desc) { .data = ds, .batch = 0 }, &b),
                   LCL_ERR_ARGUMENT);
  lcl_prep_desc pd = { 0 };
  assert_int_equal(lcl_prep_fit(&pd, other, &prep), LCL_OK);
  other->width = 4;
  assert_int_equal(
      lcl_batcher_create(&(lcl_batcher_desc) { .data = other, .prep = prep, .batch = 2 }, &b),
      LCL_ERR_SHAPE);
  lcl_prep_destroy(prep);
  lcl_batcher_destroy(NULL);
  lcl_dataset_close(ds);
  lcl_dataset_close(other);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(epochs_visit_each_once),
    cmocka_unit_test(sequential_pads_the_last),
    cmocka_unit_test(cycle_is_fair),
    cmocka_unit_test(orders_differ),
    cmocka_unit_test(fresh_is_without_replacement),
    cmocka_unit_test(positions_can_be_come_back_to),
    cmocka_unit_test(crops_and_mirrors),
    cmocka_unit_test(half_of_each_batch_is_mirrored),
    cmocka_unit_test(dynamic_samples),
    cmocka_unit_test(seeds_and_streams),
    cmocka_unit_test(errors),
  };
  return cmocka_run_group_tests_name("batcher", tests, NULL, NULL);
}
