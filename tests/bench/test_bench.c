/* The benchmark and the tuner: arithmetic counts, JSON, comparison, the database under concurrent
 * writers, and a kernel that is wrong on purpose. */
#include <cjson/cJSON.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/compare.h"
#include "bench/tune.h"
#include "test.h"

static char folder[64];

static int setup(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/latentcl-bench-XXXXXX");
  if (!mkdtemp(folder)) fail_msg("no temporary folder");
  setenv("LATENTCL_TUNING", folder, 1);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command);
}

static lcl_context *open_context(void) {
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  return ctx;
}

static lcl_bench_row measure(lcl_context *ctx, const char *name, bool verify) {
  lcl_bench_desc desc = { .seconds = 1e-3, .verify = verify, .peaks = { 1e9, 1e9 } };
  lcl_bench_row row;
  size_t index;
  ASSERT_OK(lcl_bench_find(name, &index));
  ASSERT_OK(lcl_bench_run(ctx, index, &desc, &row));
  return row;
}

/* Useful arithmetic and bytes as worked out by hand. */
static void arithmetic(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  lcl_bench_row gemm = measure(ctx, "gemm-64", true);
  assert_true(gemm.flops == 2.0 * 64 * 64 * 64);
  assert_true(gemm.median > 0 && gemm.best <= gemm.median && gemm.first_run > 0 &&
              gemm.compile > 0);
  assert_int_equal(gemm.verified, 1);
  lcl_bench_row conv = measure(ctx, "semantic-conv1", true);
  assert_true(conv.flops == 2.0 * 100 * 32 * 14 * 14 * 1 * 9);
  assert_int_equal(conv.verified, 1);
  lcl_bench_row relu = measure(ctx, "relu-1M", true);
  assert_true(relu.bytes == 8e6);
  assert_int_equal(relu.verified, 1);
  lcl_bench_desc desc = { .peaks = { 2e9, 1e9 } };
  char *text;
  lcl_bench_row rows[] = { gemm, relu };
  ASSERT_OK(lcl_bench_json(ctx, &desc, rows, 2, &text));
  cJSON *root = cJSON_Parse(text);
  const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "results"), 0);
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(root, "schema")),
                      "latentcl-bench-1");
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(first, "name")), "gemm-64");
  assert_true(cJSON_GetNumberValue(
                  cJSON_GetObjectItem(cJSON_GetObjectItem(first, "seconds"), "median")) > 0);
  assert_true(cJSON_IsTrue(cJSON_GetObjectItem(first, "verified")));
  char command[128];
  const lcl_caps *caps = lcl_context_caps(ctx);
  snprintf(command, sizeof command, "latentcl bench gemm-64 --device %d:%d --verify",
           caps->platform_index, caps->device_index);
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(first, "command")), command);
  assert_true(cJSON_IsObject(cJSON_GetObjectItem(root, "device")));
  cJSON_Delete(root);
  free(text);
  lcl_context_destroy(ctx);
}

static const char results[] =
    "{\"schema\": \"latentcl-bench-1\", \"device\": {\"name\": \"%s\"}, \"peaks\": "
    "{\"gflops\": 100, \"gbps\": 10},"
    "\"results\": [{\"name\": \"w\", \"gflop\": 1, \"mbytes\": 10, \"gflops\": 50, "
    "\"seconds\": {\"median\": %g}},"
    "{\"name\": \"probe\", \"unit\": \"GB/s\", \"value\": %g}]}";

/* A workload that got slower than the threshold, or wrong, is a regression. */
static void comparison(void **state) {
  (void)state;
  lcl_result_files files = { 0 }, again = { 0 };
  char old[1024], new[1024], *const texts[] = { old, new }, *set;
  lcl_str table = { 0 }, page = { 0 };
  size_t regressions;
  snprintf(old, sizeof old, results, "old", 0.010, 10.0);
  ASSERT_OK(lcl_results_parse(old, "old", &files));
  snprintf(new, sizeof new, results, "new", 0.0104, 9.0);
  ASSERT_OK(lcl_results_parse(new, "new", &files));
  ASSERT_OK(lcl_results_table(&files, 0.05, &table, &regressions));
  assert_int_equal(regressions, 1); /* the probe: 10 % less bandwidth; the workload is within 5 % */
  ASSERT_OK(lcl_results_table(&files, 0.03, &table, &regressions));
  assert_int_equal(regressions, 2);
  ASSERT_OK(lcl_results_table(&files, 0, &table, &regressions));
  assert_int_equal(regressions, 0);
  ASSERT_OK(lcl_results_html(&files, &page));
  assert_non_null(strstr(page.data, "<svg"));
  ASSERT_OK(lcl_results_join(texts, 2, &set)); /* a set of devices reads back as its parts */
  ASSERT_OK(lcl_results_parse(set, "set", &again));
  assert_int_equal(again.n, 2);
  assert_string_equal(again.data[1].device, "new");
  assert_true(again.data[1].rows[0].seconds == 0.0104);
  ASSERT_STATUS(lcl_results_parse("{\"schema\": \"other\"}", "x.json", &again), LCL_ERR_FORMAT);
  free(set);
  lcl_str_free(&table);
  lcl_str_free(&page);
  lcl_results_free(&files);
  lcl_results_free(&again);
}

/* Bandwidth between the measured sizes, worked out by hand. */
static void levels(void **state) {
  (void)state;
  const lcl_bench_peaks p = {
    .flops = 1, .bandwidth = 10, .n_levels = 2, .level = { { 100, 1000 }, { 10000, 10 } }
  };
  assert_float_equal(lcl_bench_bandwidth(&p, 1), 1000, 1e-9);
  assert_float_equal(lcl_bench_bandwidth(&p, 1000), 100, 1e-9);
  assert_float_equal(lcl_bench_bandwidth(&p, 1e6), 10, 1e-9);
  assert_float_equal(lcl_bench_bandwidth(&(lcl_bench_peaks) { .bandwidth = 7 }, 1), 7, 0);
}

/* Eight processes write different entries at once: all are there. A damaged file is replaced. */
static void database(void **state) {
  (void)state;
  enum { WRITERS = 8, EACH = 10 };
  pid_t pids[WRITERS];
  for (int w = 0; w < WRITERS; w++) {
    pids[w] = fork();
    if (pids[w]) continue;
    lcl_context *ctx;
    int bad = lcl_context_create(NULL, &ctx) != LCL_OK;
    for (int i = 0; i < EACH && !bad; i++) {
      lcl_tuning_entry e = { .values = { w, i }, .seconds = 1 };
      snprintf(e.key, sizeof e.key, "test %d %d", w, i);
      bad = lcl_tuning_save(ctx, &e, 1) != LCL_OK;
    }
    _exit(bad);
  }
  for (int w = 0; w < WRITERS; w++) {
    int status;
    waitpid(pids[w], &status, 0);
    assert_int_equal(status, 0);
  }
  lcl_context *ctx = open_context();
  for (int w = 0; w < WRITERS; w++)
    for (int i = 0; i < EACH; i++) {
      char key[32];
      int v[LCL_TUNING_VALUES];
      snprintf(key, sizeof key, "test %d %d", w, i);
      assert_true(lcl_tuning_find(ctx, key, v));
      assert_int_equal(v[0], w);
      assert_int_equal(v[1], i);
    }
  lcl_str path = { 0 };
  assert_true(lcl_tuning_path(ctx, &path));
  ASSERT_OK(lcl_file_write_atomic(path.data, "{\"schema\": ", 11));
  lcl_context_destroy(ctx);
  ctx = open_context();
  int v[LCL_TUNING_VALUES];
  assert_false(lcl_tuning_find(ctx, "test 0 0", v));
  lcl_tuning_entry e = { .key = "again", .values = { 4 } };
  ASSERT_OK(lcl_tuning_save(ctx, &e, 1));
  lcl_context_destroy(ctx);
  ctx = open_context();
  assert_true(lcl_tuning_find(ctx, "again", v));
  assert_int_equal(v[0], 4);
  ASSERT_OK(lcl_file_write_atomic(path.data, "{}", 2)); /* the other tests start from nothing */
  lcl_str_free(&path);
  lcl_context_destroy(ctx);
}

/* Every neighbour of the cost model's choice is either impossible here or gives the right result.
 */
static void candidates(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  lcl_tune_problem *problems;
  size_t n, ran = 0;
  int list[6][LCL_TUNING_VALUES];
  ASSERT_OK(lcl_tune_collect(ctx, "semantic-conv3", &problems, &n));
  assert_true(n >= 1);
  size_t k = lcl_tune_neighbours(&problems[0], problems[0].standard, list, 6);
  assert_true(k > 0);
  for (size_t i = 0; i < k; i++) {
    double seconds = 0;
    lcl_status st = lcl_tune_measure(ctx, &problems[0], list[i], &seconds);
    if (st == LCL_ERR_UNSUPPORTED) continue;
    if (st != LCL_OK) fail_msg("candidate %zu: %s", i, lcl_error_message());
    assert_true(seconds > 0);
    ran++;
  }
  assert_true(ran > 0);
  lcl_free(problems);
  lcl_context_destroy(ctx);
}

/* Every algorithm for a convolution is right, and the one in the database is used. */
static void algorithms(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  lcl_tune_problem *problems, *conv = NULL;
  size_t n;
  int list[LCL_CONV_ALGORITHMS][LCL_TUNING_VALUES];
  ASSERT_OK(lcl_tune_collect(ctx, "augconv-conv2", &problems, &n));
  for (size_t i = 0; i < n; i++)
    if (problems[i].conv) conv = &problems[i];
  assert_non_null(conv);
  assert_true(conv->work == 2.0 * 128 * 40 * 8 * 8 * 20 * 25);
  size_t k = lcl_tune_starts(lcl_context_caps(ctx), conv, list, LCL_CONV_ALGORITHMS);
  for (size_t i = 0; i < k; i++) {
    double seconds = 0;
    if (list[i][0] == LCL_CONV_CLBLAST) continue; /* compiles for too long */
    if (lcl_tune_measure(ctx, conv, list[i], &seconds) != LCL_OK)
      fail_msg("algorithm %d: %s", list[i][0], lcl_error_message());
    assert_true(seconds > 0);
  }
  const int fft[LCL_TUNING_VALUES] = { LCL_CONV_FFT };
  assert_null(strstr(measure(ctx, "augconv-conv2", false).algorithm, "fft"));
  ASSERT_OK(lcl_tuning_set(ctx, conv->key, fft));
  assert_non_null(strstr(measure(ctx, "augconv-conv2", false).algorithm, "fft"));
  lcl_free(problems);
  lcl_context_destroy(ctx);
}

typedef struct fault {
  const char *file, *from, *by;
} fault;

/* Writes the kernels to a folder, some text in them replaced. */
static void plant(const char *to, const fault *faults, size_t n) {
  mkdir(to, 0755);
  for (size_t i = 0; lcl_embedded_names[i]; i++) {
    const char *text = lcl_embedded_source(lcl_embedded_names[i]);
    char path[256];
    lcl_str s = { 0 };
    size_t planted = 0;
    for (size_t f = 0; f < n; f++) {
      const char *at;
      if (strcmp(faults[f].file, lcl_embedded_names[i]) != 0) continue;
      for (; (at = strstr(text, faults[f].from)) != NULL;
           text = at + strlen(faults[f].from), planted++) {
        lcl_str_append(&s, text, (size_t)(at - text));
        lcl_str_add(&s, "%s", faults[f].by);
      }
      assert_true(planted > 0); /* the kernel still has the place where the fault goes */
    }
    lcl_str_add(&s, "%s", text);
    snprintf(path, sizeof path, "%s/%s", to, lcl_embedded_names[i]);
    ASSERT_OK(lcl_file_write_atomic(path, s.data, s.n));
    lcl_str_free(&s);
  }
}

/* A wrong kernel is printed as wrong, and its candidates are refused by the tuner. */
static void wrong_kernel(void **state) {
  (void)state;
  static const fault one_too_large[] = {
    { "matmul_panel.cl", "if (lc.act) v = activate(", "v += 1.0f; if (lc.act) v = activate(" },
    { "matmul_tiled.cl", "if (lc.act) x = activate(", "x += 1.0f; if (lc.act) x = activate(" },
    { "conv_rows.cl", "? bias[i0 + i] : 0.0f", "? bias[i0 + i] : 1.0f" },
  };
  char kernels[96];
  snprintf(kernels, sizeof kernels, "%s/kernels", folder);
  plant(kernels, one_too_large, LCL_COUNT(one_too_large));
  setenv("LATENTCL_KERNELS", kernels, 1);
  lcl_context *ctx = open_context();
  lcl_bench_row row = measure(ctx, "gemm-64", true);
  assert_int_equal(row.verified, -1);
  assert_true(row.error > 1);
  lcl_tune_problem *problems;
  size_t n;
  double seconds;
  ASSERT_OK(lcl_tune_collect(ctx, "gemm-64", &problems, &n));
  assert_int_equal(n, 1);
  ASSERT_STATUS(lcl_tune_measure(ctx, &problems[0], problems[0].standard, &seconds),
                LCL_ERR_NUMERIC);
  lcl_free(problems);
  ASSERT_OK(lcl_tune_collect(ctx, "augconv-conv2", &problems, &n));
  assert_non_null(problems[n - 1].conv);
  ASSERT_STATUS(lcl_tune_measure(ctx, &problems[n - 1], problems[n - 1].standard, &seconds),
                LCL_ERR_NUMERIC);
  lcl_free(problems);
  lcl_context_destroy(ctx);
  unsetenv("LATENTCL_KERNELS");
}

/* A training step whose products are right by themselves, but not with the activation fused into
 * them. */
static void wrong_fusion(void **state) {
  (void)state;
  static const fault activation[] = {
    { "panel.cl", "activate(floatv v, int act, float slope) {",
      "activate(floatv v, int act, float slope) { v += 0.1f;" },
    { "matmul_tiled.cl", "activate(float v, int act, float slope) {",
      "activate(float v, int act, float slope) { v += 0.1f;" },
  };
  const lcl_workload step = { .name = "step",
                              .kind = LCL_WORK_STEP,
                              .model = "semantic-noise",
                              .options = "arch=mlp",
                              .batch = 8,
                              .channels = 1,
                              .height = 6,
                              .width = 6 };
  double error;
  lcl_context *ctx = open_context();
  ASSERT_OK(lcl_bench_step_verify(ctx, &step, &error));
  assert_true(error < 1);
  lcl_context_destroy(ctx);
  char kernels[96];
  snprintf(kernels, sizeof kernels, "%s/activation", folder);
  plant(kernels, activation, LCL_COUNT(activation));
  setenv("LATENTCL_KERNELS", kernels, 1);
  ctx = open_context();
  ASSERT_OK(lcl_bench_step_verify(ctx, &step, &error));
  assert_true(error > 1);
  lcl_context_destroy(ctx);
  unsetenv("LATENTCL_KERNELS");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(database), /* forks before this process has a driver with threads */
    cmocka_unit_test(comparison),   cmocka_unit_test(levels),     cmocka_unit_test(arithmetic),
    cmocka_unit_test(candidates),   cmocka_unit_test(algorithms), cmocka_unit_test(wrong_kernel),
    cmocka_unit_test(wrong_fusion),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
