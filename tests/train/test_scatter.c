/* Maps as pictures: where points, circles and numbers lie, how large and in which colour. */
#include "train/scatter.h"

#include <math.h>

#include "test.h"

enum { SIDE = 100, PANELS = 3, GAP = 12, MARGIN = 8, SPAN = SIDE - 2 * MARGIN };

static const uint8_t *pixel(const lcl_image *im, int x, int y) {
  return im->data + (y * im->width + x) * 3;
}

static double left_of(int panel) {
  return panel * (SIDE + GAP);
}

/* What is not white and no gap: its amount with full pixels of `full` (white less it) counted 1,
 * its middle, its box. */
typedef struct ink {
  double amount, x, y;
  int left, right, top, bottom;
} ink;

static ink ink_of(const lcl_image *im, double full) {
  ink k = { .left = im->width, .right = -1, .top = im->height, .bottom = -1 };
  for (int y = 0; y < im->height; y++)
    for (int x = 0; x < im->width; x++) {
      const double dark = 255 - pixel(im, x, y)[0];
      if (x % (SIDE + GAP) >= SIDE || dark == 0) continue;
      k.amount += dark / full, k.x += x * dark / full, k.y += y * dark / full;
      k.left = LCL_MIN(k.left, x), k.right = LCL_MAX(k.right, x);
      k.top = LCL_MIN(k.top, y), k.bottom = LCL_MAX(k.bottom, y);
    }
  k.x /= k.amount, k.y /= k.amount;
  return k;
}

static lcl_image new_image(void) {
  lcl_image im;
  ASSERT_OK(lcl__scatter_create(PANELS, SIDE, &im));
  return im;
}

static void panels_and_gaps(void **state) {
  (void)state;
  lcl_image im = new_image();
  assert_int_equal(im.width, PANELS * SIDE + (PANELS - 1) * GAP);
  assert_int_equal(im.height, SIDE);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < im.width; x++)
      for (int c = 0; c < 3; c++)
        assert_int_equal(pixel(&im, x, y)[c], x % (SIDE + GAP) < SIDE ? 255 : 225);
  lcl__image_free(&im);
}

/* A disc has its area and lies where it should, y upwards; a ring is a pixel and a half wide. */
static void places_and_sizes(void **state) {
  (void)state;
  static const float at[][2] = { { 0.25f, 0.75f }, { 0.5f, 0.1f }, { 0.913f, 0.377f } };
  for (int panel = 0; panel < PANELS; panel++)
    for (int i = 0; i < 6; i++) {
      lcl_image im = new_image();
      const lcl_scatter_point p = {
        .x = at[i % 3][0], .y = at[i % 3][1], .colour = 0, .radius = 4, .opacity = 1, .ring = i >= 3
      };
      lcl__scatter_draw(&im, SIDE, panel, &p);
      const ink k = ink_of(&im, 255 - 37);
      const double x = left_of(panel) + MARGIN + (double)p.x * SPAN,
                   y = MARGIN + (1 - (double)p.y) * SPAN;
      const double hole = p.ring ? 4 - 1.5 : 0;
      ASSERT_BETWEEN(k.amount, M_PI * (16 - hole * hole) * 0.95, M_PI * (16 - hole * hole) * 1.05);
      ASSERT_BETWEEN(k.x, x - 0.1, x + 0.1);
      ASSERT_BETWEEN(k.y, y - 0.1, y + 0.1);
      ASSERT_BETWEEN(k.right - k.left, 7, 9);
      ASSERT_BETWEEN(k.bottom - k.top, 7, 9);
      assert_int_equal(pixel(&im, (int)lrint(x), (int)lrint(y))[0], p.ring ? 255 : 37);
      lcl__image_free(&im);
    }
}

static void colours(void **state) {
  (void)state;
  uint8_t seen[11][3];
  for (int i = -1; i < 22; i++) {
    lcl_image im = new_image();
    lcl_scatter_point p = { .x = 0.5f, .y = 0.5f, .colour = i, .radius = 5, .opacity = 1 };
    lcl__scatter_draw(&im, SIDE, 1, &p);
    const uint8_t *got = pixel(&im, SIDE + GAP + SIDE / 2, SIDE / 2);
    if (i < 10) {
      memcpy(seen[i + 1], got, 3);
      for (int k = 0; k < i + 1; k++) assert_memory_not_equal(seen[k], got, 3);
    } else {
      assert_memory_equal(got, seen[i % 10 + 1], 3); /* classes past the tenth repeat them */
    }
    uint8_t half[3];
    for (int c = 0; c < 3; c++) half[c] = (uint8_t)lrint(255 - 0.25 * (255 - got[c]));
    lcl__image_free(&im);
    im = new_image();
    p.opacity = 0.25f;
    lcl__scatter_draw(&im, SIDE, 1, &p);
    for (int c = 0; c < 3; c++)
      ASSERT_BETWEEN(pixel(&im, SIDE + GAP + SIDE / 2, SIDE / 2)[c], half[c] - 1, half[c] + 1);
    lcl__image_free(&im);
  }
}

/* Points beyond the edge are cut off where their panel ends. */
static void edges(void **state) {
  (void)state;
  static const float at[][2] = { { -0.1f, 0.5f }, { 1.1f, 0.5f }, { 0.5f, -0.1f }, { 0.5f, 1.1f } };
  for (int i = 0; i < 4; i++) {
    lcl_image im = new_image();
    const lcl_scatter_point p = { .x = at[i][0], .y = at[i][1], .radius = 6, .opacity = 1 };
    lcl__scatter_draw(&im, SIDE, 1, &p);
    const ink k = ink_of(&im, 255 - 37);
    ASSERT_BETWEEN(k.amount, M_PI * 36 * 0.35, M_PI * 36 * 0.65); /* its middle is about there */
    ASSERT_BETWEEN(k.left, left_of(1), left_of(1) + SIDE - 1);
    ASSERT_BETWEEN(k.right, left_of(1), left_of(1) + SIDE - 1);
    for (int y = 0; y < SIDE; y++) {
      assert_int_equal(pixel(&im, SIDE + GAP - 1, y)[0], 225);
      assert_int_equal(pixel(&im, 2 * SIDE + GAP, y)[0], 225);
    }
    lcl__image_free(&im);
  }
}

/* Digits of 15x21 pixels, 18 apart, dark (30) on a white rim of 2 pixels. */
static void numbers(void **state) {
  (void)state;
  static const int number[] = { 8, 0, 88, 808, -5 }, digits[] = { 1, 1, 2, 3, 1 };
  for (int i = 0; i < 15; i++) {
    lcl_image im = new_image();
    const int panel = i % 3, n = digits[i / 3];
    const float x = 0.4f, y = 0.7f;
    const lcl_scatter_point under = { .x = x, .y = y, .colour = 0, .radius = 40, .opacity = 1 };
    lcl__scatter_number(&im, SIDE, panel, x, y, number[i / 3]);
    ink k = ink_of(&im, 255 - 30);
    assert_int_equal(k.right - k.left + 1, 18 * n - 3);
    assert_int_equal(k.bottom - k.top + 1, 21);
    const double cx = left_of(panel) + MARGIN + (double)x * SPAN,
                 cy = MARGIN + (1 - (double)y) * SPAN;
    ASSERT_BETWEEN(k.x, cx - 2, cx + 1); /* the room after the last digit counts, too */
    ASSERT_BETWEEN(k.y, cy - 1, cy + 1);
    lcl__scatter_draw(&im, SIDE, panel, &under);
    lcl__scatter_number(&im, SIDE, panel, x, y, number[i / 3]);
    const int row = (k.top + k.bottom) / 2; /* the middle bar of an 8, the sides of a 0 */
    assert_int_equal(pixel(&im, k.left - 3, row)[0], 37);
    for (int d = 1; d < 3; d++) assert_int_equal(pixel(&im, k.left - d, k.top + 5)[0], 255);
    assert_int_equal(pixel(&im, k.left, k.top + 5)[0], 30);
    lcl__image_free(&im);
  }
}

/* Every digit is another. */
static void digits_differ(void **state) {
  (void)state;
  lcl_image im[10];
  for (int i = 0; i < 10; i++) {
    im[i] = new_image();
    lcl__scatter_number(&im[i], SIDE, 0, 0.5f, 0.5f, i);
    ASSERT_BETWEEN(ink_of(&im[i], 225).amount, 9 * 9, 9 * 20);
    for (int k = 0; k < i; k++)
      assert_memory_not_equal(im[i].data, im[k].data, (size_t)im[i].width * SIDE * 3);
  }
  for (int i = 0; i < 10; i++) lcl__image_free(&im[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(panels_and_gaps), cmocka_unit_test(places_and_sizes),
    cmocka_unit_test(colours),         cmocka_unit_test(edges),
    cmocka_unit_test(numbers),         cmocka_unit_test(digits_differ),
  };
  return cmocka_run_group_tests_name("scatter", tests, NULL, NULL);
}
