/* Long rows, columns and sums: whatever one work-item does must not depend on how long they are.
 * (Mesa's llvmpipe ends a work-item's loops after 65535 rounds without a word; a GPU would only be
 * slow.) */
#include "test.h"

#include "reference/spec.h"

/* One case of an op with these inputs, forward and gradient, on integers where sums are exact. */
static void check(const char *op, const char *attr, int n_in, const lcl_shape *shapes) {
  lcl_context *ctx;
  lcl_case *c;
  lcl_case_result result;
  lcl_rng r = { .state = 5 };
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  ASSERT_OK(lcl_case_create(lcl_spec_find(op), &c));
  if (attr) ASSERT_OK(lcl_case_set(c, attr));
  for (int i = 0; i < n_in; i++) {
    const bool index = c->spec->in[i].domain == LCL_INDEX;
    ASSERT_OK(lcl_array_new(c, index ? LCL_I32 : LCL_F32, shapes[i], &c->in[i]));
    for (int64_t k = 0; k < lcl_array_count(&c->in[i]); k++)
      c->in[i].data[k] = index ? 0 : (double)(lcl_rng_below(&r, 5) - 2);
  }
  ASSERT_OK(c->spec->forward(c));
  if (c->spec->backward) {
    ASSERT_OK(lcl_array_new(c, LCL_F32, c->out[0].shape, &c->grad_out[0]));
    for (int64_t k = 0; k < lcl_array_count(&c->out[0]); k++)
      c->grad_out[0].data[k] = (double)(lcl_rng_below(&r, 5) - 2);
  }
  c->integers = true;
  ASSERT_OK(lcl_case_reference(c));
  ASSERT_OK(lcl_case_run(c, &(lcl_case_run_desc) { .ctx = ctx }, &result));
  ASSERT_OK(lcl_case_compare(c, &result, NULL));
  lcl_case_destroy(c);
  lcl_context_destroy(ctx);
}

static void sums(void **state) {
  (void)state;
  check("sum", NULL, 1, &LCL_SHAPE(700001));
  check("sum", "axis=0", 1, &LCL_SHAPE(200003, 3));
  check("max", "axis=0", 1, &LCL_SHAPE(100003, 2));
}

static void arg_max(void **state) {
  (void)state;
  check("argmax", "axis=0", 1, &LCL_SHAPE(200003, 3));
  check("argmax", "axis=1", 1, &LCL_SHAPE(2, 100003));
}

static void rows(void **state) {
  (void)state;
  check("gather", NULL, 2, (lcl_shape[]) { LCL_SHAPE(2, 90001), LCL_SHAPE(3) });
  check("concat", "axis=0", 2, (lcl_shape[]) { LCL_SHAPE(150001), LCL_SHAPE(80001) });
  check("transpose", NULL, 1, &LCL_SHAPE(2, 90001));
}

static void products(void **state) {
  (void)state;
  check("matmul", NULL, 2, (lcl_shape[]) { LCL_SHAPE(2, 150001), LCL_SHAPE(150001, 3) });
  check("conv2d", "pad=1", 2, (lcl_shape[]) { LCL_SHAPE(40, 1, 41, 43), LCL_SHAPE(2, 1, 3, 3) });
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(sums),
    cmocka_unit_test(arg_max),
    cmocka_unit_test(rows),
    cmocka_unit_test(products),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
