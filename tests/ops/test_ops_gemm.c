#include "ops_test.h"

static void agree_with_the_reference(void **state) {
  (void)state;
  check_ops(ops_gemm, LCL_COUNT(ops_gemm), NULL, OPS_CASES);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(agree_with_the_reference) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
