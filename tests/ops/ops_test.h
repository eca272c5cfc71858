/* Every op of a family on many random shapes, forward and gradient, against the double-precision reference.
 */
#ifndef LCL_OPS_TEST_H
#define LCL_OPS_TEST_H

#include "test.h"

#include "reference/check.h"

enum { OPS_CASES = 200 };

/* The simulator is some thousand times slower than a driver: few and small shapes there. LATENTCL_TEST_CASES
 * sets another number of cases an op. */
static inline uint64_t ops_cases(bool *simulator) {
  const char *device = getenv("LATENTCL_DEVICE"), *cases = getenv("LATENTCL_TEST_CASES");
  *simulator = device && strcmp(device, "oclgrind") == 0;
  if (cases) return strtoull(cases, NULL, 10);
  return *simulator ? 3 : OPS_CASES;
}

static inline void check_op(lcl_context *ctx, const char *name) {
  bool simulator;
  const uint64_t cases = ops_cases(&simulator);
  const lcl_spec *spec = lcl_spec_find(name);
  if (!spec) fail_msg("%s", lcl_error_message());
  for (uint64_t number = 0; number < cases; number++)
    ASSERT_OK(lcl_check_case(ctx, spec, 1, number, simulator, NULL));
}

/* Runs the ops whose names are given, in one context; each is counted, so that a name that is gone fails. */
static inline int check_ops(void **state, const char *const *names, size_t n) {
  lcl_context *ctx;
  (void)state;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  for (size_t i = 0; i < n; i++) check_op(ctx, names[i]);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl_test_alloc_live(), 0);
  return 0;
}

#endif
