/* Element-wise ops. */
#include "ops_test.h"

static const char *const names[] = {
  "relu", "leaky_relu", "sigmoid", "tanh",    "softplus", "exp",     "log",  "sqrt",  "rsqrt",  "abs",
  "sign", "square",     "neg",     "recip",   "floor",    "sin",     "cos",  "scale", "shift",  "add",
  "sub",  "mul",        "div",     "maximum", "minimum",  "greater", "less", "equal", "select",
};

static void agree_with_the_reference(void **state) {
  check_ops(state, names, LCL_COUNT(names));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(agree_with_the_reference) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
