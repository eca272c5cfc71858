/* The version macros, the library's answer and the project's version say the same. */
#include "test.h"

#include "latentcl/latentcl.h"

static void one_version(void **state) {
  (void)state;
  char numbers[64];
  snprintf(numbers, sizeof numbers, "%d.%d.%d", LCL_VERSION_MAJOR, LCL_VERSION_MINOR,
           LCL_VERSION_PATCH);
  assert_string_equal(numbers, PROJECT_VERSION);
  assert_string_equal(LCL_VERSION_STRING, PROJECT_VERSION);
  assert_string_equal(lcl_version(), PROJECT_VERSION);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(one_version) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
