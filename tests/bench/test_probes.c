/* The probes of the device itself run and give sensible readings: every one of the suite "device".
 */
#include "base/base.h"
#include "latentcl/bench.h"
#include "test.h"

/* What no device is outside of, nor a simulated one; a thousand times too much or too little is. */
static const struct {
  const char *name;
  double between[2];
} units[] = { { "GFLOP/s", { 0.5, 2e5 } }, { "GB/s", { 0.02, 2e4 } }, { "us", { 0.05, 2e4 } },
              { "ns", { 0.3, 3e3 } },      { "s", { 1e-4, 300 } },    { "times", { 0.02, 20 } } };

static void device_probes(void **state) {
  (void)state;
  lcl_context *ctx;
  if (device_is("llvmpipe"))
    skip(); /* the probes' work is sized for faster devices: minutes there */
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  size_t seen = 0;
  lcl_bench_peaks peaks;
  ASSERT_OK(lcl_bench_measure_peaks(ctx, &peaks));
  for (size_t i = 0; i < lcl_bench_count(); i++) {
    if (strcmp(lcl_bench_at(i).suite, "device") != 0) continue;
    lcl_bench_desc desc = { .seconds = 1e-3, .peaks = { 1e9, 1e9 } };
    lcl_bench_row row = { 0 };
    if (lcl_bench_run(ctx, i, &desc, &row) != LCL_OK)
      fail_msg("%s: %s", lcl_bench_at(i).name, lcl_error_message());
    if (row.value == -1) continue; /* half precision, where the device has none */
    const double *most = NULL;
    for (size_t k = 0; k < LCL_COUNT(units); k++)
      if (strcmp(units[k].name, row.unit) == 0) most = units[k].between;
    if (!most || !(row.value >= most[0] && row.value <= most[1]))
      fail_msg("%s: %g %s", lcl_bench_at(i).name, row.value, row.unit);
    /* Wide and narrow vectors and halves are not far from each other. */
    if (strcmp(row.unit, "GFLOP/s") == 0) ASSERT_BETWEEN(row.value * 1e9 / peaks.flops, 0.005, 10);
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
