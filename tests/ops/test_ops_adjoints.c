/* Gradients of convolutions as ops of their own, and pooling. */
#include "ops_test.h"

static const char *const names[] = {
  "conv2d_input_grad", "conv2d_filter_grad", "max_pool2d",   "avg_pool2d",
  "max_unpool2d",      "switch_gather2d",    "avg_unpool2d",
};

static void agree_with_the_reference(void **state) {
  check_ops(state, names, LCL_COUNT(names));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(agree_with_the_reference) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
