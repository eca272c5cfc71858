/* Augmentation of training images against the same computed here in double precision, its strengths
 * from both sides, and what does not change it. */
#include <math.h>

#include "base/philox.h"
#include "latentcl/data.h"
#include "test.h"

enum { N = 24, C = 2, H = 20, W = 26, PIXELS = C * H * W };

static lcl_dataset *images(bool zero_one) {
  static uint8_t pixels[N * PIXELS];
  lcl_dataset *ds;
  for (int i = 0; i < N * PIXELS; i++) {
    const uint32_t bits = lcl__philox_bits(7, 1, 0, (uint64_t)i);
    pixels[i] = zero_one ? bits >> 31 : (uint8_t)(bits >> 24);
  }
  ASSERT_OK(lcl_dataset_from_u8("noise", pixels, NULL, N, C, H, W, 0, &ds));
  if (zero_one) { /* as the readers of files do */
    ds->scale = 1;
    ds->raw_max = 1;
  }
  return ds;
}

/* All batches of `steps` steps from a position on, one after another. */
static float *batches(const lcl_dataset *ds, const lcl_prep_desc *d, bool augment, bool prefetch,
                      lcl_batch_state from, int steps, int32_t *index) {
  lcl_prep *prep;
  lcl_batcher *b;
  ASSERT_OK(lcl_prep_fit(d, ds, &prep));
  const lcl_batcher_desc desc = { .data = ds,
                                  .prep = prep,
                                  .batch = 8,
                                  .augment = augment,
                                  .seed = 5,
                                  .stream = 2,
                                  .no_prefetch = !prefetch };
  ASSERT_OK(lcl_batcher_create(&desc, &b));
  ASSERT_OK(lcl_batcher_seek(b, from));
  const size_t each = 8 * lcl_dataset_elements(ds);
  float *x = calloc((size_t)steps * each, sizeof *x);
  for (int k = 0; k < steps; k++) {
    lcl_batch batch;
    ASSERT_OK(lcl_batcher_next(b, &batch));
    memcpy(x + (size_t)k * each, batch.x, each * sizeof *x);
    if (index) memcpy(index + 8 * k, batch.index, 8 * sizeof *index);
  }
  lcl_batcher_destroy(b);
  lcl_prep_destroy(prep);
  return x;
}

/* ---- the same in double precision ---- */

static double number(uint64_t place, int what) {
  const uint32_t stream = lcl__philox_stream("data.batch") + 2 * 5 + 2;
  return lcl__philox_bits(5, stream, place, (uint64_t)what) / 4294967296.0;
}

static double pixel(const float *plane, int y, int x) {
  return plane[(y < 0 ? 0 : y >= H ? H - 1 : y) * W + (x < 0 ? 0 : x >= W ? W - 1 : x)];
}

static double sampled(const float *plane, double y, double x) {
  const int iy = (int)floor(y), ix = (int)floor(x);
  const double dy = y - iy, dx = x - ix;
  return (1 - dy) * ((1 - dx) * pixel(plane, iy, ix) + dx * pixel(plane, iy, ix + 1)) +
         dy * ((1 - dx) * pixel(plane, iy + 1, ix) + dx * pixel(plane, iy + 1, ix + 1));
}

static void moved(const lcl_prep_desc *d, uint64_t place, const float *in, double *out) {
  double u[11];
  for (int i = 0; i < 11; i++) u[i] = 2 * number(place, i) - 1;
  const double angle = d->augment_rotate * u[2] * acos(-1) / 180;
  const double side = 1 - d->augment_crop * number(place, 6), size = 1 + d->augment_scale * u[3];
  const double cy = (H - 1) / 2.0, cx = (W - 1) / 2.0;
  const double my = (1 - side) * cy * u[7] - d->augment_shift * u[4];
  const double mx = (1 - side) * cx * u[8] - d->augment_shift * u[5];
  for (int c = 0; c < C; c++)
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++) {
        const double a = (y - cy) * side / size, b = (x - cx) * side / size;
        out[(c * H + y) * W + x] = sampled(in + c * H * W,
                                           cy + my + cos(angle) * a - sin(angle) * b,
                                           cx + mx + sin(angle) * a + cos(angle) * b);
      }
  const int top = (int)floor(number(place, 9) * H) - d->augment_cutout / 2,
            left = (int)floor(number(place, 10) * W) - d->augment_cutout / 2;
  for (int c = 0; c < C; c++)
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++)
        if (y >= top && y < top + d->augment_cutout && x >= left && x < left + d->augment_cutout)
          out[(c * H + y) * W + x] = 0;
}

static void as_computed_here(void **state) {
  (void)state;
  static const lcl_prep_desc descs[] = { { .augment_shift = 3 },
                                         { .augment_rotate = 40 },
                                         { .augment_scale = 0.3f },
                                         { .augment_crop = 0.4f },
                                         { .augment_cutout = 7 },
                                         { .augment_shift = 2,
                                           .augment_rotate = 180,
                                           .augment_scale = 0.2f,
                                           .augment_crop = 0.1f,
                                           .augment_cutout = 4 } };
  lcl_dataset *ds = images(false);
  for (size_t k = 0; k < LCL_COUNT(descs); k++) {
    enum { STEPS = 7 };
    int32_t index[8 * STEPS];
    float *x = batches(ds, &descs[k], true, true, (lcl_batch_state) { 0 }, STEPS, index);
    for (int i = 0; i < 8 * STEPS; i++) {
      float in[PIXELS];
      double want[PIXELS];
      ASSERT_OK(lcl_dataset_example(ds, index[i], in));
      moved(&descs[k], (uint64_t)i, in, want);
      /* A coordinate below 32 is off by some 2^-19 in single precision, a value by that times the
       * difference of neighbours, at most 1 along each axis. */
      for (int p = 0; p < PIXELS; p++)
        if (!(fabs(x[i * PIXELS + p] - want[p]) <= 2e-5))
          fail_msg("case %zu, image %d, pixel %d: %.7g, not %.7g", k, i, p,
                   (double)x[i * PIXELS + p], want[p]);
    }
    free(x);
  }
  lcl_dataset_close(ds);
}

/* ---- strengths from both sides ---- */

typedef struct shape {
  double mass, y, x, angle;
} shape;

/* Mass, middle and direction of a bright thing on black. */
static shape measure(const float *x, int side) {
  shape s = { 0 };
  double yy = 0, xx = 0, xy = 0;
  for (int i = 0; i < side * side; i++)
    s.mass += x[i], s.y += x[i] * (i / side), s.x += x[i] * (i % side);
  s.y /= s.mass;
  s.x /= s.mass;
  for (int i = 0; i < side * side; i++) {
    const double dy = i / side - s.y, dx = i % side - s.x;
    yy += x[i] * dy * dy;
    xx += x[i] * dx * dx;
    xy += x[i] * dy * dx;
  }
  s.angle = atan2(2 * xy, xx - yy) / 2 * 180 / acos(-1);
  return s;
}

typedef double (*quantity)(const shape *s);
static double across(const shape *s) {
  return s->x - 20;
}
static double down(const shape *s) {
  return s->y - 20;
}
static double angle(const shape *s) {
  return s->angle;
}
static double length(const shape *s) {
  return sqrt(s->mass / 33); /* of a bar of 11 x 3 */
}

static void strengths(void **state) {
  (void)state;
  enum { SIDE = 41, MANY = 400 };
  static const struct {
    lcl_prep_desc d;
    quantity of;
    double lo, hi; /* what is reached to within a twentieth of the range, and never left */
  } cases[] = { { { .augment_shift = 5 }, across, -5, 5 },
                { { .augment_shift = 5 }, down, -5, 5 },
                { { .augment_rotate = 30 }, angle, -30, 30 },
                { { .augment_scale = 0.25f }, length, 0.75, 1.25 },
                { { .augment_crop = 0.4f }, length, 1, 1 / 0.6 },
                { { .augment_shift = 5 }, length, 1, 1 },
                { { .augment_rotate = 30 }, across, 0, 0 },
                { { .augment_scale = 0.25f }, angle, 0, 0 } };
  static uint8_t bar[SIDE * SIDE];
  for (int y = 19; y < 22; y++) memset(bar + y * SIDE + 15, 255, 11);
  lcl_dataset *ds;
  ASSERT_OK(lcl_dataset_from_u8("bar", bar, NULL, 1, 1, SIDE, SIDE, 0, &ds));
  for (size_t k = 0; k < LCL_COUNT(cases); k++) {
    lcl_prep *prep;
    lcl_batcher *b;
    lcl_batch batch;
    double lo = INFINITY, hi = -INFINITY;
    ASSERT_OK(lcl_prep_fit(&cases[k].d, ds, &prep));
    ASSERT_OK(lcl_batcher_create(
        &(lcl_batcher_desc) { .data = ds, .prep = prep, .batch = 1, .augment = true, .seed = k },
        &b));
    for (int i = 0; i < MANY; i++) {
      ASSERT_OK(lcl_batcher_next(b, &batch));
      const shape s = measure(batch.x, SIDE);
      const double v = cases[k].of(&s);
      assert_true(isfinite(v));
      lo = fmin(lo, v);
      hi = fmax(hi, v);
    }
    const double range = cases[k].hi - cases[k].lo, off = 0.05 * range + 0.02;
    if (fabs(lo - cases[k].lo) > off || fabs(hi - cases[k].hi) > off)
      fail_msg("case %zu: from %g to %g, not from %g to %g", k, lo, hi, cases[k].lo, cases[k].hi);
    lcl_batcher_destroy(b);
    lcl_prep_destroy(prep);
  }
  lcl_dataset_close(ds);
}

/* ---- what does not change it ---- */

static const lcl_prep_desc all_of_it = { .augment_shift = 2,
                                         .augment_rotate = 10,
                                         .augment_scale = 0.1f,
                                         .augment_crop = 0.2f,
                                         .augment_cutout = 5,
                                         .mirror = LCL_MIRROR_EACH };

static void place_alone(void **state) {
  (void)state;
  lcl_dataset *ds = images(false);
  const size_t each = 8 * PIXELS * sizeof(float);
  float *whole = batches(ds, &all_of_it, true, true, (lcl_batch_state) { 0 }, 9, NULL);
  float *alone = batches(ds, &all_of_it, true, false, (lcl_batch_state) { 0 }, 9, NULL);
  float *later = batches(ds, &all_of_it, true, true, (lcl_batch_state) { .epoch = 1, .step = 2 }, 4,
                         NULL);
  assert_memory_equal(whole, alone, 9 * each);
  assert_memory_equal((char *)whole + 5 * each, later, 4 * each);
  int32_t index[24];
  free(later);
  later = batches(ds, &all_of_it, false, true, (lcl_batch_state) { 0 }, 3, index);
  for (int i = 0; i < 24; i++) { /* nothing of it without augmentation */
    float in[PIXELS];
    ASSERT_OK(lcl_dataset_example(ds, index[i], in));
    assert_memory_equal(in, later + i * PIXELS, sizeof in);
  }
  free(whole);
  free(alone);
  free(later);
  lcl_dataset_close(ds);
}

static void zeros_and_ones_stay(void **state) {
  (void)state;
  lcl_dataset *ds = images(true);
  float *x = batches(ds, &all_of_it, true, true, (lcl_batch_state) { 0 }, 3, NULL);
  int ones = 0;
  for (int i = 0; i < 24 * PIXELS; i++) {
    assert_true(x[i] == 0 || x[i] == 1);
    ones += x[i] == 1;
  }
  assert_in_range(ones, 24 * PIXELS / 3, 24 * PIXELS * 3 / 5);
  free(x);
  lcl_dataset_close(ds);
}

static void bad_strengths(void **state) {
  (void)state;
  static const lcl_prep_desc bad[] = {
    { .augment_shift = 20 },   { .augment_shift = -1 },        { .augment_shift = NAN },
    { .augment_rotate = 181 }, { .augment_rotate = INFINITY }, { .augment_scale = 1 },
    { .augment_crop = 1 },     { .augment_cutout = 21 },       { .augment_cutout = -2 },
  };
  static const lcl_prep_desc good[] = { { .augment_shift = 19.5f },
                                        { .augment_rotate = 180 },
                                        { .augment_scale = 0.99f },
                                        { .augment_crop = 0.99f },
                                        { .augment_cutout = 20 } };
  lcl_dataset *ds = images(false), *row;
  lcl_prep *p, *again;
  for (size_t i = 0; i < LCL_COUNT(bad); i++)
    assert_int_equal(lcl_prep_fit(&bad[i], ds, &p), LCL_ERR_ARGUMENT);
  for (size_t i = 0; i < LCL_COUNT(good); i++) {
    char *json;
    ASSERT_OK(lcl_prep_fit(&good[i], ds, &p));
    ASSERT_OK(lcl_prep_to_json(p, &json));
    ASSERT_OK(lcl_prep_from_json(json, NULL, 0, &again));
    const lcl_prep_desc a = lcl_prep_describe(p), b = lcl_prep_describe(again);
    assert_memory_equal(&a.augment_shift, &b.augment_shift, 5 * sizeof a.augment_shift);
    assert_non_null(strstr(json, "augment_"));
    lcl_data_free(json);
    lcl_prep_destroy(p);
    lcl_prep_destroy(again);
  }
  float numbers[12] = { 0 };
  ASSERT_OK(lcl_dataset_from_f32("rows", numbers, NULL, 3, 1, 1, 4, 0, &row));
  assert_int_equal(lcl_prep_fit(&good[1], row, &p), LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "for images"));
  lcl_dataset_close(row);
  lcl_dataset_close(ds);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(as_computed_here), cmocka_unit_test(strengths),
    cmocka_unit_test(place_alone),      cmocka_unit_test(zeros_and_ones_stay),
    cmocka_unit_test(bad_strengths),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
