/* The host generator against its published known answers, and the moments of what it samples. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/philox.h"
#include "test.h"

/* Vectors that the authors of the generator ship with it. */
static void known_answers(void **state) {
  (void)state;
  static const struct {
    uint32_t ctr[4], key[2], out[4];
  } rows[] = {
    { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
    { { ~0u, ~0u, ~0u, ~0u }, { ~0u, ~0u }, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
    { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
      { 0xa4093822, 0x299f31d0 },
      { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint32_t out[4];
    lcl__philox4x32(rows[i].ctr, rows[i].key, out);
    for (int k = 0; k < 4; k++) assert_int_equal(out[k], rows[i].out[k]);
  }
}

static void moments(void **state) {
  (void)state;
  enum { N = 200000 };
  float *x = malloc(N * sizeof *x);
  assert_non_null(x);
  double sum = 0, square = 0;
  lcl__philox_uniform(7, 3, 11, x, N);
  for (int i = 0; i < N; i++) {
    assert_true(x[i] >= 0 && x[i] < 1);
    sum += x[i];
  }
  /* Five standard errors: 1/sqrt(12 N). */
  assert_true(fabs(sum / N - 0.5) < 5 / sqrt(12.0 * N));
  sum = 0;
  lcl__philox_normal(7, 4, 11, x, N);
  for (int i = 0; i < N; i++) {
    assert_true(isfinite(x[i]));
    sum += x[i];
    square += (double)x[i] * x[i];
  }
  assert_true(fabs(sum / N) < 5 / sqrt(N));
  assert_true(fabs(square / N - 1) < 5 * sqrt(2.0 / N));
  free(x);
}

static void permutation(void **state) {
  (void)state;
  for (uint32_t n = 0; n < 200; n += 1 + n / 3) {
    uint32_t out[200];
    unsigned char seen[200] = { 0 };
    lcl__philox_permutation(1, 2, 3, out, n);
    for (uint32_t i = 0; i < n; i++) {
      assert_true(out[i] < n && !seen[out[i]]);
      seen[out[i]] = 1;
    }
  }
  /* Every order of three comes up about equally often. */
  int count[27] = { 0 };
  for (uint64_t step = 0; step < 6000; step++) {
    uint32_t p[3];
    lcl__philox_permutation(5, 0, step, p, 3);
    count[p[0] * 9 + p[1] * 3 + p[2]]++;
  }
  int orders = 0;
  for (int i = 0; i < 27; i++)
    if (count[i]) {
      orders++;
      assert_in_range(count[i], 1000 - 150, 1000 + 150);
    }
  assert_int_equal(orders, 6);
}

/* Every form of the numbers is the same words, for steps and seeds of more than 32 bits too. */
static void forms(void **state) {
  (void)state;
  enum { COUNT = 1 << 16 };
  static float uniform[COUNT], normal[COUNT];
  const uint64_t seed = 0x123456789abcdefull;
  for (int large = 0; large < 2; large++) {
    const uint64_t step = 5 + ((uint64_t)large << 32);
    lcl__philox_uniform(seed, 3, step, uniform, COUNT);
    lcl__philox_normal(seed, 3, step, normal, COUNT);
    for (uint64_t i = 0; i < COUNT; i += 2) {
      const uint32_t a = lcl__philox_bits(seed, 3, step, i),
                     b = lcl__philox_bits(seed, 3, step, i + 1);
      const double length = sqrt(-2 * log(((a >> 8) + 1) * 0x1p-24)),
                   angle = 2 * 3.14159265358979323846 * (b >> 8) * 0x1p-24;
      assert_true(uniform[i] == lcl__bits_to_uniform(a) &&
                  uniform[i + 1] == lcl__bits_to_uniform(b));
      assert_true(fabs((double)normal[i] - length * cos(angle)) < 1e-6);
      assert_true(fabs((double)normal[i + 1] - length * sin(angle)) < 1e-6);
    }
    const uint32_t ctr[4] = { 7, 3, 5, (uint32_t)large }, key[2] = { 0x89abcdef, 0x1234567 };
    uint32_t words[4];
    lcl__philox4x32(ctr, key, words);
    for (uint32_t i = 0; i < 4; i++)
      assert_int_equal(lcl__philox_bits(seed, 3, step, 28 + i), words[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(forms),
    cmocka_unit_test(known_answers),
    cmocka_unit_test(moments),
    cmocka_unit_test(permutation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
