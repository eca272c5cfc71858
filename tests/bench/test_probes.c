/* The probes of the device itself run and give sensible readings: every one of the suite "device".
 */
#include "latentcl/bench.h"
#include "test.h"

static void device_probes(void **state) {
  (void)state;
  lcl_context *ctx;
  const char *device = getenv("LATENTCL_DEVICE");
  if (device && strcmp(device, "llvmpipe") == 0)
    skip(); /* the probes' work is sized for faster devices: minutes there */
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  size_t seen = 0;
  for (size_t i = 0; i < lcl_bench_count(); i++) {
    if (strcmp(lcl_bench_at(i).suite, "device") != 0) continue;
    lcl_bench_desc desc = { .seconds = 1e-3, .peaks = { 1e9, 1e9 } };
    lcl_bench_row row = { 0 };
    if (lcl_bench_run(ctx, i, &desc, &row) != LCL_OK)
      fail_msg("%s: %s", lcl_bench_at(i).name, lcl_error_message());
    if (row.value == -1) continue; /* half precision, where the device has none */
    if (!(row.value > 0 && row.value < 1e7))
      fail_msg("%s: %g %s", lcl_bench_at(i).name, row.value, row.unit);
    seen++;
  }
  assert_in_range(seen, 6, 100);
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(device_probes) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
