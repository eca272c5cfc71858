/* Every op of a list on its golden cases and on many random shapes, forward and gradient, against
 * the double-precision reference. */
#ifndef LCL_OPS_TEST_H
#define LCL_OPS_TEST_H

#include "golden.h"
#include "ops_lists.h"
#include "reference/check.h"

enum { OPS_CASES = 200, OPS_CASES_SIMULATOR = 4 };

static inline void check_op(lcl_check_desc *how, const char *name, uint64_t cases) {
  how->spec = lcl__spec_find(name);
  if (!how->spec) fail_msg("%s", lcl_error_message());
  for (uint64_t number = 0; number < cases; number++) ASSERT_OK(lcl__check_case(how, number, NULL));
}

/* The ops of a test, and the device. */
typedef struct ops_rig {
  lcl_context *ctx;
  const char *const *names;
  size_t n;
} ops_rig;

static inline void check_golden(void *user, char *const *words, int n) {
  const ops_rig *r = user;
  golden g = { 0 };
  size_t i = 0;
  while (i < r->n && strcmp(words[0], r->names[i]) != 0) i++;
  if (i == r->n) return;
  golden_read(&g, words, n, NULL);
  const lcl_case_run_desc run = { .ctx = r->ctx, .want_grad = g.want_grad };
  ASSERT_OK(lcl__case_run(g.c, &run, &g.got));
  golden_check(&g);
}

/* Runs the ops whose names are given, in one context without the features `disable` (may be NULL);
 * half: with operands in half precision, beside which golden values would be off.
 * The simulator is some thousand times slower than a driver: few and small shapes there.
 * LATENTCL_TEST_CASES sets another number of cases an op. */
static inline void check_ops_in(const char *const *names, size_t n, const char *disable,
                                uint64_t cases, bool half) {
  const char *wish = getenv("LATENTCL_TEST_CASES");
  const bool simulator = device_is("oclgrind");
  if (simulator) cases = OPS_CASES_SIMULATOR;
  if (wish) cases = strtoull(wish, NULL, 10);
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .disable = disable }, &ctx));
  if (!simulator && !half) golden_lines(check_golden, &(ops_rig) { ctx, names, n });
  lcl_check_desc how = { .ctx = ctx, .seed = 1, .small = simulator, .half = half };
  for (size_t i = 0; i < n; i++) check_op(&how, names[i], cases);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

static inline void check_ops(const char *const *names, size_t n, const char *disable,
                             uint64_t cases) {
  check_ops_in(names, n, disable, cases, false);
}

#endif
