/* Products whose operands are stored in half precision: exactly what the same values give in single
 * precision, on every driver and by both families of kernels. */
#include "device/device.h"
#include "latentcl/ops.h"
#include "ops_test.h"

static const char *const products[] = {
  "matmul", "conv2d", "conv_transpose2d", "masked_conv2d", "conv2d_input_grad", "conv2d_filter_grad"
};

static void agree_with_the_reference(void **state) {
  (void)state;
  check_ops_in(products, LCL_COUNT(products), NULL, 60, true);
}

static bool has_packed(void) {
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  const bool has = lcl__context_caps(ctx)->packed;
  lcl_context_destroy(ctx);
  return has;
}

static void tiled_kernels_too(void **state) {
  (void)state;
  if (!has_packed()) skip(); /* they were the ones just now */
  check_ops_in(products, LCL_COUNT(products), "packed", 10, true);
}

/* ---- results in half precision ---- */

/* y = half(relu(a b + c)), and the same in single precision. */
static void layer(lcl_context *ctx, int64_t m, int64_t k, int64_t n, bool half, float *y) {
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  const int64_t count[] = { m * k, k * n, n };
  lcl_tensor *in[3];
  static const char *const names[] = { "a", "b", "c" };
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "layer", &g));
  ASSERT_OK(lcl_graph_precision(g, half ? LCL_F16 : LCL_F32));
  const lcl_shape shape[] = { LCL_SHAPE(m, k), LCL_SHAPE(k, n), LCL_SHAPE(n) };
  for (int i = 0; i < 3; i++) in[i] = lcl_input(g, names[i], LCL_F32, shape[i]);
  lcl_tensor *out = lcl_relu(lcl_add(lcl_matmul(in[0], in[1], false, false), in[2]));
  /* Read once more, so that it is stored. */
  if (half)
    out = lcl_cast(lcl_transpose(lcl_cast(out, LCL_F16), (int[]) { 1, 0 }), LCL_F32);
  else
    out = lcl_transpose(out, (int[]) { 1, 0 });
  lcl_output(out, "y");
  ASSERT_OK(lcl_compile(g, NULL, &program));
  for (int i = 0; i < 3; i++) {
    float *x = lcl__alloc((size_t)count[i] * sizeof *x);
    for (int64_t e = 0; e < count[i]; e++) x[e] = (float)((e * 7919 + i) % 257 - 128) / 64;
    ASSERT_OK(lcl_feed(program, names[i], x, (size_t)count[i] * sizeof *x));
    lcl__free(x);
  }
  ASSERT_OK(lcl_run(program));
  ASSERT_OK(lcl_fetch(program, "y", y, (size_t)(m * n) * sizeof *y));
  lcl_program_destroy(program);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* Rounded once, at the end: also where k is walked in blocks or split. All operands are multiples
 * of 1/64 below 2 and sums stay below 2^24/64^2, so that single precision is exact. */
static void results_are_rounded_once(void **state) {
  (void)state;
  static const int64_t sizes[][3] = { { 1, 1, 1 },      { 5, 7, 3 },     { 33, 64, 17 },
                                      { 20, 1000, 40 }, { 3, 700, 130 }, { 100, 129, 65 } };
  const bool simulator = device_is("oclgrind");
  for (int family = 0; family < (has_packed() ? 2 : 1); family++) {
    lcl_context *ctx;
    ASSERT_OK(
        lcl_context_create(&(lcl_context_desc) { .disable = family ? "packed" : NULL }, &ctx));
    for (size_t i = 0; i < (simulator ? 3 : LCL_COUNT(sizes)); i++) {
      const int64_t m = sizes[i][0], k = sizes[i][1], n = sizes[i][2];
      static float want[20000], got[20000];
      layer(ctx, m, k, n, false, want);
      layer(ctx, m, k, n, true, got);
      for (int64_t e = 0; e < m * n; e++)
        if (got[e] != (float)lcl__to_half(want[e]))
          fail_msg("%lldx%lldx%lld, element %lld: %.9g gives %.9g", (long long)m, (long long)k,
                   (long long)n, (long long)e, want[e], got[e]);
    }
    lcl_context_destroy(ctx);
  }
}

/* 1 + 2^-11 and 1 + 3*2^-11 lie in the middle, and go to 1 and 1 + 2^-9; a product of one f32 and
 * one f16 operand is refused, and so is another precision. */
static void operands_are_rounded(void **state) {
  (void)state;
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "rounded", &g));
  ASSERT_OK(lcl_graph_precision(g, LCL_F16));
  lcl_tensor *x = lcl_input(g, "x", LCL_F32, LCL_SHAPE(3, 1)),
             *one = lcl_const_data(g, LCL_F32, LCL_SHAPE(1, 1), (float[]) { 1 }), *gradient;
  lcl_tensor *y = lcl_matmul(x, one, false, false);
  lcl_vjp(y, x, &x, 1, &gradient); /* which is an operand too */
  lcl_output(y, "y");
  lcl_output(gradient, "gradient");
  ASSERT_OK(lcl_compile(g, NULL, &program));
  const float in[] = { 1 + 0x1p-11f, 1 + 0x3p-11f, 1e-9f }, want[] = { 1, 1 + 0x1p-9f, 0 };
  float got[3];
  ASSERT_OK(lcl_feed(program, "x", in, sizeof in));
  ASSERT_OK(lcl_run(program));
  ASSERT_OK(lcl_fetch(program, "y", got, sizeof got));
  assert_memory_equal(got, want, sizeof got);
  ASSERT_OK(lcl_fetch(program, "gradient", got, sizeof got));
  assert_memory_equal(got, want, sizeof got);
  lcl_program_destroy(program);
  ASSERT_STATUS(lcl_graph_precision(g, LCL_U8), LCL_ERR_ARGUMENT);
  ASSERT_OK(lcl_graph_precision(g, LCL_F32));
  lcl_matmul(x, lcl_cast(one, LCL_F16), false, false);
  ASSERT_STATUS(lcl_graph_status(g), LCL_ERR_TYPE);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(agree_with_the_reference),
                                      cmocka_unit_test(tiled_kernels_too),
                                      cmocka_unit_test(results_are_rounded_once),
                                      cmocka_unit_test(operands_are_rounded) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
