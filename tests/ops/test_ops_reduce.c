/* Reductions, softmax, losses, batch norm. */
#include "ops_test.h"

static const char *const names[] = {
  "sum",       "mean",       "max",         "min",           "argmax",
  "broadcast", "softmax",    "log_softmax", "cross_entropy", "bce_with_logits",
  "mse",       "batch_norm",
};

static void agree_with_the_reference(void **state) {
  check_ops(state, names, LCL_COUNT(names));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(agree_with_the_reference) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
