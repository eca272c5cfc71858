/* Products and convolutions. */
#include "ops_test.h"

static const char *const names[] = {
  "matmul",
  "conv2d",
  "conv_transpose2d",
  "masked_conv2d",
};

static void agree_with_the_reference(void **state) {
  check_ops(state, names, LCL_COUNT(names));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(agree_with_the_reference) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
