/* Ops that move elements, recurrent and random ops. */
#include "ops_test.h"

static const char *const names[] = {
  "transpose",
  "reshape",
  "pad",
  "slice",
  "concat",
  "flip",
  "skew",
  "unskew",
  "gather",
  "scatter_add",
  "one_hot",
  "lstm_cell",
  "diagonal_bilstm",
  "random_normal",
  "random_uniform",
  "random_bernoulli",
  "dropout",
};

static void agree_with_the_reference(void **state) {
  check_ops(state, names, LCL_COUNT(names));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(agree_with_the_reference) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
