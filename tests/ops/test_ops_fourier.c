#include "ops_test.h"

static void own_transforms(void **state) {
  (void)state;
  check_ops(ops_fourier, LCL_COUNT(ops_fourier), "clfft", OPS_CASES);
}

/* clFFT compiles for each size, so fewer cases. */
static void library(void **state) {
  (void)state;
  check_ops(ops_fourier, LCL_COUNT(ops_fourier), NULL, 24);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(own_transforms), cmocka_unit_test(library) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
