/* One context for all tests of a file: the group's setup opens it, its teardown closes it. */
#ifndef LCL_TEST_CONTEXT_H
#define LCL_TEST_CONTEXT_H

#include "latentcl/context.h"
#include "test.h"

static lcl_context *ctx;

static int setup(void **state) {
  (void)state;
  if (lcl_context_create(NULL, &ctx) != LCL_OK) fail_msg("%s", lcl_error_message());
  return 0;
}

static int teardown(void **state) {
  (void)state;
  lcl_context_destroy(ctx);
  return 0;
}

#endif
