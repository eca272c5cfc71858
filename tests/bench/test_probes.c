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

static bool is_plausible(const lcl_bench_row *row, double peak) {
  for (size_t k = 0; k < LCL_COUNT(units); k++) {
    if (strcmp(units[k].name, row->unit) != 0) continue;
    const double *between = units[k].between, share = row->value * 1e9 / peak;
    /* Wide and narrow vectors and halves are not far from each other. */
    const bool near = strcmp(row->unit, "GFLOP/s") != 0 || (share >= 0.005 && share <= 10);
    return row->value >= between[0] && row->value <= between[1] && near;
  }
  return false;
}

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
    bool right = false;
    for (int tries = 0; tries < 5 && !right; tries++) { /* other work may come between */
      if (lcl_bench_run(ctx, i, &desc, &row) != LCL_OK)
        fail_msg("%s: %s", lcl_bench_at(i).name, lcl_error_message());
      right = row.value == -1 || is_plausible(&row, peaks.flops);
    }
    if (!right) fail_msg("%s: %g %s", lcl_bench_at(i).name, row.value, row.unit);
    if (row.value == -1) continue; /* half precision, where the device has none */
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
