/* The benchmark and the tuner: arithmetic counts, JSON, comparison, the database under concurrent
 * writers, and a kernel that is wrong on purpose. */
#include <cjson/cJSON.h>
#include <dirent.h>
#include <math.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/compare.h"
#include "bench/tune.h"
#include "latentcl/ops.h"
#include "plant.h"
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

static double number_of(const cJSON *o, const char *name) {
  return cJSON_GetNumberValue(cJSON_GetObjectItem(o, name));
}

static void medians(void **state) {
  (void)state;
  double odd[] = { 5, 1, 3 }, even[] = { 8, 1, 2, 4 }, one[] = { 7 };
  assert_true(lcl__bench_median(odd, 3) == 3);
  assert_true(lcl__bench_median(even, 4) == 3);
  assert_true(lcl__bench_median(one, 1) == 7);
}

/* Takes 5 ms once, among the measured calls, and otherwise 20 ms. */
static lcl_status sleepy(void *calls) {
  const int call = ++*(int *)calls;
  nanosleep(&(struct timespec) { .tv_nsec = call == 7 ? 5000000 : 20000000 }, NULL);
  return LCL_OK;
}

/* The spread is about the median: one lucky call neither moves that nor counts. */
static void spread(void **state) {
  (void)state;
  int calls = 0;
  lcl_context *ctx = open_context();
  lcl_bench_row row = { 0 };
  ASSERT_OK(lcl__bench_time_fn(ctx, sleepy, &calls, &(lcl_bench_desc) { .seconds = 0.2 }, &row));
  assert_in_range(row.runs, 5, 100);
  ASSERT_BETWEEN(row.best, 5e-3, 0.9 * row.median);
  ASSERT_BETWEEN(row.median, 20e-3, 1);
  ASSERT_BETWEEN(row.spread, 0, 0.5 * (row.median - row.best));
  lcl_context_destroy(ctx);
}

/* The best time is that of the slower of arithmetic and memory. */
static void best_times(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  size_t index;
  lcl_bench_row row;
  lcl_bench_desc desc = { .seconds = 1e-3, .peaks = { 1e15, 1e13 } };
  ASSERT_OK(lcl_bench_find("relu-1M", &index));
  ASSERT_OK(lcl_bench_run(ctx, index, &desc, &row));
  ASSERT_BETWEEN(row.roofline * row.median / (8e6 / 1e13), 0.999, 1.001);
  desc = (lcl_bench_desc) { .seconds = 1e-3, .peaks = { 1e12, 1e15 } };
  ASSERT_OK(lcl_bench_find("gemm-64", &index));
  ASSERT_OK(lcl_bench_run(ctx, index, &desc, &row));
  ASSERT_BETWEEN(row.roofline * row.median / (2.0 * 64 * 64 * 64 / 1e12), 0.999, 1.001);
  lcl_context_destroy(ctx);
}

/* The device's own clock gives the time of one run, of hundreds: not more than the host saw. */
static void device_time(void **state) {
  (void)state;
  if (device_is("llvmpipe")) skip(); /* its clock does not see what runs */
  lcl_context *ctx = open_context();
  lcl_bench_desc desc = { .seconds = 1e-3, .no_roofline = true, .device_time = true };
  enum { ATTEMPTS = 5 }; /* another process may disturb some of them */
  double share[ATTEMPTS];
  size_t index;
  ASSERT_OK(lcl_bench_find("gemm-64", &index));
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    lcl_bench_row row;
    ASSERT_OK(lcl_bench_run(ctx, index, &desc, &row));
    share[attempt] = row.device / row.median;
  }
  ASSERT_BETWEEN(lcl__bench_median(share, ATTEMPTS), 1e-4, 1.5);
  lcl_context_destroy(ctx);
}

/* A row counts variables as well as intermediates: here a sum over 4 MB of parameters. */
static void memory(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  lcl_bench_row row = { 0 };
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "sum", &g));
  lcl_tensor *sum = lcl_sum(lcl_param(g, "w", LCL_SHAPE(1000, 1000), (lcl_init) { 0 }),
                            LCL_ALL_AXES, false);
  ASSERT_OK(
      lcl__bench_compile(g, &(lcl_compile_desc) { .fetch = &sum, .n_fetch = 1 }, &program, &row));
  assert_in_range(row.memory, 4000000, 4400000);
  lcl_program_destroy(program);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_context_destroy(ctx);
}

/* Useful arithmetic and bytes as worked out by hand. */
static void arithmetic(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  lcl_bench_row gemm = measure(ctx, "gemm-64", true);
  assert_true(gemm.flops == 2.0 * 64 * 64 * 64);
  ASSERT_BETWEEN(gemm.best, 1e-9, gemm.median);
  ASSERT_BETWEEN(gemm.spread, 0, gemm.median - 0.5 * gemm.best);
  ASSERT_BETWEEN(gemm.first_run, 1e-9, 100);
  ASSERT_BETWEEN(gemm.compile, 1e-9, 100);
  assert_int_equal(gemm.verified, 1);
  lcl_bench_row conv = measure(ctx, "semantic-conv1", true);
  assert_true(conv.flops == 2.0 * 100 * 32 * 14 * 14 * 1 * 9);
  assert_int_equal(conv.verified, 1);
  lcl_bench_row relu = measure(ctx, "relu-1M", true);
  assert_true(relu.bytes == 8e6);
  assert_int_equal(relu.verified, 1);
  lcl_bench_desc desc = { .peaks = { 2e9, 1e9, .n_levels = 2,
                                     .level = { { 3e6, 5e9 }, { 8e6, 1e9 } } } };
  char *text;
  gemm.cold_compile = 0.75;
  gemm.cached_compile = 0.25;
  gemm.device = 0.125;
  lcl_bench_row rows[] = { gemm, relu };
  ASSERT_OK(lcl_bench_json(ctx, &desc, rows, 2, &text));
  cJSON *root = cJSON_Parse(text);
  const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "results"), 0);
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(root, "schema")),
                      "latentcl-bench-1");
  assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(first, "name")), "gemm-64");
  const cJSON *seconds = cJSON_GetObjectItem(first, "seconds");
  assert_float_equal(number_of(seconds, "median"), gemm.median, 0);
  assert_float_equal(number_of(seconds, "mad"), gemm.spread, 0);
  assert_float_equal(number_of(seconds, "best"), gemm.best, 0);
  assert_float_equal(number_of(seconds, "first"), gemm.first_run, 0);
  static const char *const readings[] = { "cold_compile", "cached_compile", "compile", "enqueue",
                                          "device" };
  const double want[] = { 0.75, 0.25, gemm.compile, gemm.enqueue, 0.125 };
  for (size_t i = 0; i < LCL_COUNT(want); i++)
    assert_float_equal(number_of(seconds, readings[i]), want[i], 0);
  ASSERT_BETWEEN(gemm.enqueue, 1e-9, gemm.median * 1.001);
  assert_float_equal(number_of(first, "runs"), gemm.runs, 0);
  assert_float_equal(number_of(first, "gflop"), 2.0 * 64 * 64 * 64 / 1e9, 1e-12);
  assert_float_equal(number_of(first, "mbytes"), gemm.bytes / 1e6, 1e-12);
  assert_float_equal(number_of(first, "roofline_percent"), 100 * gemm.roofline, 1e-9);
  assert_float_equal(number_of(first, "memory_bytes"), gemm.memory, 0);
  assert_float_equal(number_of(first, "host_bytes"), gemm.host_memory, 0);
  assert_true(gemm.host_memory > gemm.memory);
  assert_float_equal(number_of(first, "launches"), gemm.launches, 0);
  assert_float_equal(number_of(first, "error"), gemm.error, 0);
  const cJSON *peaks = cJSON_GetObjectItem(root, "peaks"),
              *level = cJSON_GetArrayItem(cJSON_GetObjectItem(peaks, "levels"), 0);
  assert_float_equal(number_of(peaks, "gflops"), 2, 1e-12);
  assert_float_equal(number_of(peaks, "gbps"), 1, 1e-12);
  assert_float_equal(number_of(level, "mbytes"), 3, 1e-12);
  assert_float_equal(number_of(level, "gbps"), 5, 1e-12);
  ASSERT_BETWEEN(number_of(first, "gflops") * gemm.median * 1e9 / gemm.flops, 1 - 1e-9, 1 + 1e-9);
  ASSERT_BETWEEN(number_of(first, "gbps") * gemm.median * 1e9 / gemm.bytes, 1 - 1e-9, 1 + 1e-9);
  assert_true(cJSON_IsTrue(cJSON_GetObjectItem(first, "verified")));
  char command[128];
  const lcl_caps *caps = lcl__context_caps(ctx);
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

/* Regressions of one result beside another, each given by the members that matter. */
static size_t regressions_of(const char *a, const char *b) {
  static const char one[] = "{\"schema\": \"latentcl-bench-1\", \"device\": {\"name\": \"d\"}, "
                            "\"results\": [{\"name\": \"%s\", %s}]}";
  lcl_result_files files = { 0 };
  lcl_str table = { 0 };
  size_t regressions;
  const char *const members[] = { a, b };
  for (int i = 0; i < 2; i++) {
    char text[512];
    snprintf(text, sizeof text, one, members[i] ? "w" : "another",
             members[i] ? members[i] : "\"seconds\": {\"median\": 1}");
    ASSERT_OK(lcl__results_parse(text, "file", &files));
  }
  ASSERT_OK(lcl__results_table(&files, 0.05, &table, &regressions));
  lcl__str_free(&table);
  lcl__results_free(&files);
  return regressions;
}

/* Of a latency less is better, of a rate more; a wrong result is a regression however fast it is,
 * and so is one that is gone. */
static void regression_kinds(void **state) {
  (void)state;
  static const char us100[] = "\"unit\": \"us\", \"value\": 100",
                    us50[] = "\"unit\": \"us\", \"value\": 50",
                    rate100[] = "\"unit\": \"GB/s\", \"value\": 100",
                    rate50[] = "\"unit\": \"GB/s\", \"value\": 50",
                    no_reading[] = "\"unit\": \"GB/s\"",
                    fast[] = "\"seconds\": {\"median\": 1}, \"verified\": true",
                    slow[] = "\"seconds\": {\"median\": 2}",
                    wrong[] = "\"seconds\": {\"median\": 0.5}, \"verified\": false";
  static const struct {
    const char *a, *b;
    size_t regressions;
  } cases[] = {
    { us100, us50, 0 },
    { us50, us100, 1 },
    { rate100, rate50, 1 },
    { rate50, rate100, 0 },
    { fast, slow, 1 },
    { slow, fast, 0 },
    { fast, wrong, 1 },
    { wrong, slow, 1 },
    { wrong, wrong, 1 },
    { fast, NULL, 1 },
    { no_reading, rate100, 0 },
    { rate100, no_reading, 1 },
    { no_reading, no_reading, 0 },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++)
    if (regressions_of(cases[i].a, cases[i].b) != cases[i].regressions)
      fail_msg("%s beside %s: not %zu regressions", cases[i].a, cases[i].b, cases[i].regressions);
}

/* A workload that got slower than the threshold is a regression. */
static void comparison(void **state) {
  (void)state;
  lcl_result_files files = { 0 }, again = { 0 };
  char old[1024], new[1024], *const texts[] = { old, new }, *set;
  lcl_str table = { 0 }, page = { 0 };
  size_t regressions;
  snprintf(old, sizeof old, results, "old", 0.010, 10.0);
  ASSERT_OK(lcl__results_parse(old, "old", &files));
  snprintf(new, sizeof new, results, "new", 0.0104, 9.0);
  ASSERT_OK(lcl__results_parse(new, "new", &files));
  ASSERT_OK(lcl__results_table(&files, 0.05, &table, &regressions));
  assert_int_equal(regressions, 1); /* the probe: 10 % less bandwidth; the workload is within 5 % */
  ASSERT_OK(lcl__results_table(&files, 0.03, &table, &regressions));
  assert_int_equal(regressions, 2);
  ASSERT_OK(lcl__results_table(&files, 0, &table, &regressions));
  assert_int_equal(regressions, 0);
  files.data[0].rows[0].seconds = -1; /* a file without the time */
  ASSERT_OK(lcl__results_table(&files, 0, &table, &regressions));
  assert_non_null(strstr(table.data, "not there"));
  files.data[0].rows[0].seconds = 0.010;
  ASSERT_OK(lcl__results_html(&files, &page));
  assert_non_null(strstr(page.data, "<svg"));
  ASSERT_OK(lcl__results_join(texts, 2, &set)); /* a set of devices reads back as its parts */
  ASSERT_OK(lcl__results_parse(set, "set", &again));
  assert_int_equal(again.n, 2);
  assert_string_equal(again.data[1].device, "new");
  assert_true(again.data[1].rows[0].seconds == 0.0104);
  ASSERT_STATUS(lcl__results_parse("{\"schema\": \"other\"}", "x.json", &again), LCL_ERR_FORMAT);
  free(set);
  lcl__str_free(&table);
  lcl__str_free(&page);
  lcl__results_free(&files);
  lcl__results_free(&again);
}

/* Bandwidth between the measured sizes, worked out by hand. */
static void levels(void **state) {
  (void)state;
  const lcl_bench_peaks p = {
    .flops = 1, .bandwidth = 10, .n_levels = 2, .level = { { 100, 1000 }, { 10000, 10 } }
  };
  assert_float_equal(lcl__bench_bandwidth(&p, 1), 1000, 1e-9);
  assert_float_equal(lcl__bench_bandwidth(&p, 1000), 100, 1e-9);
  assert_float_equal(lcl__bench_bandwidth(&p, 1e6), 10, 1e-9);
  assert_float_equal(lcl__bench_bandwidth(&(lcl_bench_peaks) { .bandwidth = 7 }, 1), 7, 0);
}

static lcl_choice packed(int kc, int panels_n) {
  return (lcl_choice) { lcl__kind_find(&lcl__gemm_kind, "packed"),
                        { .vector = 16,
                          .kc_capacity = 512,
                          .kc = kc,
                          .panels_n = panels_n,
                          .panels_m = 1,
                          .split_k = 1 } };
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
      const lcl_record r = { .choice = packed(w + 1, i + 1),
                             .source = LCL_RECORD_TUNE,
                             .seconds = 1 };
      char key[32];
      snprintf(key, sizeof key, "test %d %d", w, i);
      bad = lcl__tuning_save(ctx, key, &r) != LCL_OK;
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
      const lcl_choice want = packed(w + 1, i + 1);
      lcl_record got;
      snprintf(key, sizeof key, "test %d %d", w, i);
      assert_true(lcl__tuning_find(ctx, key, &lcl__gemm_kind, &got));
      assert_true(lcl__choice_equal(&got.choice, &want));
      assert_int_equal(got.source, LCL_RECORD_TUNE);
    }
  lcl_str path = { 0 };
  assert_true(lcl__tuning_path(ctx, &path));
  ASSERT_OK(lcl__file_write_atomic(path.data, "{\"schema\": ", 11));
  lcl_context_destroy(ctx);
  ctx = open_context();
  lcl_record got;
  const lcl_record again = { .choice = packed(4, 1), .source = LCL_RECORD_TUNE, .seconds = 1 };
  assert_false(lcl__tuning_find(ctx, "test 0 0", &lcl__gemm_kind, &got));
  ASSERT_OK(lcl__tuning_save(ctx, "again", &again));
  lcl_context_destroy(ctx);
  ctx = open_context();
  assert_true(lcl__tuning_find(ctx, "again", &lcl__gemm_kind, &got));
  assert_true(lcl__choice_equal(&got.choice, &again.choice));
  assert_true(got.seconds == 1);
  ASSERT_OK(lcl__file_write_atomic(path.data, "{}", 2)); /* the other tests start from nothing */
  lcl__str_free(&path);
  lcl_context_destroy(ctx);
}

/* The user's file with these entries of a schema, opened by a context of its own. */
static lcl_context *with_file(lcl_str *path, const char *schema, const char *entries) {
  lcl_context *ctx = open_context();
  lcl_str text = { 0 };
  *path = (lcl_str) { 0 };
  assert_true(lcl__tuning_path(ctx, path));
  lcl__str_add(&text, "{\"schema\": \"latentcl-tuning-%s\", \"entries\": {%s}}", schema, entries);
  ASSERT_OK(lcl__file_write_atomic(path->data, text.data, text.n));
  lcl__keep_others_out(path->data);
  lcl__str_free(&text);
  lcl_context_destroy(ctx);
  return open_context();
}

/* Records whose parameters had no names are read once and rewritten: a GEMM, a convolution with an
 * algorithm of its own, one whose GEMM had what today is the convolution's, and two whose meaning
 * is not certain, which are dropped. */
static void old_records(void **state) {
  (void)state;
  static const char entries[] =
      "\"gemm 5x6x7 b1 an bn\": {\"values\": [0,16,256,64,2,3,0,0,4,0], \"seconds\": 0.5},"
      "\"gemm 8x6x7 b1 an bn\": {\"values\": [2,0,0,0,0,0,16,2,3,0], \"seconds\": 0.5},"
      "\"conv2d_filter_grad 2x3x8x8 4x3x3 step 1,1 pad 1,1,1,1 dilation 1,1 groups 1\": "
      "{\"values\": [1,3,0,0,0,0,0,0,0,0]},"
      "\"conv2d 100x32x14x14 64x3x3 step 2,2 pad 0,1,0,1 dilation 1,1 groups 1\": "
      "{\"values\": [0,17,0,0,0,0,0,0,0,0]},"
      "\"gemm 64x4900x288 b1 an patches 100x32x14x14 taps 3x3 step 2,2 dilation 1,1\": "
      "{\"values\": [4,16,512,0,41,2,0,0,0,0]},"
      "\"conv2d_input_grad 100x32x14x14 64x3x3 step 2,2 pad 0,1,0,1 dilation 1,1 groups 1\": "
      "{\"values\": [0,17,0,0,0,0,0,0,0,0]},"
      "\"conv2d 1x32x14x14 64x3x3 step 2,2 pad 0,1,0,1 dilation 1,1 groups 1\": "
      "{\"values\": [0,17,0,0,0,0,0,0,0,0]}";
  lcl_str path;
  lcl_context *ctx = with_file(&path, "1", entries);
  lcl_record r;
  assert_true(lcl__tuning_find(ctx, "gemm 5x6x7 b1 an bn", &lcl__gemm_kind, &r));
  assert_string_equal(r.choice.implementation->name, "packed");
  assert_int_equal(r.choice.params.vector * 1000000 + r.choice.params.kc_capacity * 1000 +
                       r.choice.params.kc,
                   16256064);
  assert_int_equal(r.choice.params.panels_n * 100 + r.choice.params.panels_m * 10 +
                       r.choice.params.split_k,
                   234);
  assert_true(lcl__tuning_find(ctx, "gemm 8x6x7 b1 an bn", &lcl__gemm_kind, &r));
  assert_string_equal(r.choice.implementation->name, "tiled");
  assert_int_equal(r.choice.params.tile_m * 1000 + r.choice.params.tile_n, 128128);
  assert_int_equal(r.choice.params.vectors * 10 + r.choice.params.split_k, 23);
  static const char winograd[] = "conv2d_filter_grad 2x3x8x8 4x3x3 step 1,1 pad 1,1,1,1 dilation "
                                 "1,1 groups 1",
                    nhwc[] =
                        "conv2d 100x32x14x14 64x3x3 step 2,2 pad 0,1,0,1 dilation 1,1 groups 1";
  assert_true(lcl__tuning_find(ctx, winograd, &lcl__conv_kind, &r));
  assert_string_equal(r.choice.implementation->name, "winograd");
  assert_true(lcl__tuning_find(ctx, nhwc, &lcl__conv_kind, &r));
  assert_string_equal(r.choice.implementation->name, "direct-nhwc");
  assert_int_equal(r.choice.params.vector * 1000 + r.choice.params.tiles * 10 +
                       r.choice.params.filter_pairs,
                   16412);
  void *text;
  size_t n;
  ASSERT_OK(lcl__file_read(path.data, 1 << 20, &text, &n));
  assert_non_null(strstr(text, "latentcl-tuning-2"));
  assert_null(strstr(text, "values"));
  assert_null(strstr(text, "patches"));     /* today the convolution's own */
  assert_null(strstr(text, "conv2d 1x32")); /* how its GEMM was computed is not known */
  assert_null(strstr(text, "input_grad"));
  lcl__free(text);
  ASSERT_OK(lcl__file_write_atomic(path.data, "{}", 2));
  lcl__str_free(&path);
  lcl_context_destroy(ctx);
}

/* A record costs speed where it is wrong, never the result: names that are not known, parameters
 * that no kernel has, numbers that are none or too large. */
static void wrong_records(void **state) {
  (void)state;
  static const char entries[] =
      "\"unknown\": {\"algorithm\": \"quantum\", \"vector\": 16},"
      "\"more\": {\"algorithm\": \"tiled\", \"group\": 8, \"vectors\": 1, \"split_k\": 1, "
      "\"colour\": 3},"
      "\"huge\": {\"algorithm\": \"tiled\", \"tile_m\": 1e9, \"vectors\": 1, \"split_k\": 1},"
      "\"part\": {\"algorithm\": \"tiled\", \"tile_m\": 8.5, \"vectors\": 1, \"split_k\": 1},"
      "\"text\": {\"algorithm\": \"tiled\", \"group\": \"8\", \"vectors\": 1, \"split_k\": 1},"
      "\"list\": [1, 2], \"number\": 4";
  static const char *const bad[] = { "unknown", "huge", "part", "text", "list", "number" };
  lcl_str path;
  lcl_context *ctx = with_file(&path, "2", entries);
  lcl_record r;
  for (size_t i = 0; i < LCL_COUNT(bad); i++)
    assert_false(lcl__tuning_find(ctx, bad[i], &lcl__gemm_kind, &r));
  assert_true(lcl__tuning_find(ctx, "more", &lcl__gemm_kind, &r));
  assert_int_equal(r.choice.params.tile_m * 1000 + r.choice.params.tile_n, 32032);
  ASSERT_OK(lcl__file_write_atomic(path.data, "{}", 2));
  lcl__str_free(&path);
  lcl_context_destroy(ctx);
}

/* Neighbours of the cost model's choice and the other implementations are either impossible here or
 * give the right result. */
static void candidates(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  lcl_trial_problem *problems;
  size_t n, ran = 0;
  lcl_choice list[6];
  ASSERT_OK(lcl__tune_collect(ctx, "semantic-conv3", &problems, &n));
  assert_true(n >= 1);
  lcl_record before, after;
  const bool known = lcl__tuning_find(ctx, problems[0].key, problems[0].kind, &before);
  size_t k = lcl__tune_neighbours(&problems[0].usual, list, 6);
  for (size_t i = 0; i < k; i++) {
    double seconds = 0;
    for (size_t j = 0; j <= i; j++)
      assert_false(lcl__choice_equal(&list[i], j < i ? &list[j] : &problems[0].usual));
    lcl_status st = lcl__tune_measure(ctx, &problems[0], &list[i], &seconds);
    /* A trial leaves what the device uses as it was. */
    assert_int_equal(lcl__tuning_find(ctx, problems[0].key, problems[0].kind, &after), known);
    if (known) assert_true(lcl__choice_equal(&after.choice, &before.choice));
    if (st == LCL_ERR_UNSUPPORTED) continue;
    if (st != LCL_OK) fail_msg("candidate %zu: %s", i, lcl_error_message());
    assert_true(seconds > 0);
    ran++;
  }
  assert_true(ran > 0);
  lcl__free(problems);
  lcl_context_destroy(ctx);
}

/* Every implementation of a convolution is right, and the one in the database is used. */
static void algorithms(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  lcl_trial_problem *problems, *conv = NULL;
  size_t n;
  lcl_choice list[16];
  ASSERT_OK(lcl__tune_collect(ctx, "augconv-conv2", &problems, &n));
  for (size_t i = 0; i < n; i++)
    if (problems[i].kind == &lcl__conv_kind) conv = &problems[i];
  assert_non_null(conv);
  assert_true(conv->flops == 2.0 * 128 * 40 * 8 * 8 * 20 * 25);
  size_t k = lcl__tune_starts(lcl__context_caps(ctx), conv, list, LCL_COUNT(list));
  for (size_t i = 0; i < k; i++) {
    double seconds = 0;
    if (strstr(list[i].implementation->name, "clblast")) continue; /* compiles for too long */
    if (lcl__tune_measure(ctx, conv, &list[i], &seconds) != LCL_OK)
      fail_msg("%s: %s", list[i].implementation->name, lcl_error_message());
    assert_true(seconds > 0);
  }
  const lcl_choice fft = { .implementation = lcl__kind_find(&lcl__conv_kind, "fft") };
  assert_null(strstr(measure(ctx, "augconv-conv2", false).algorithm, "fft"));
  ASSERT_OK(lcl__tuning_set(ctx, conv->key, &fft));
  assert_non_null(strstr(measure(ctx, "augconv-conv2", false).algorithm, "fft"));
  lcl__free(problems);
  lcl_context_destroy(ctx);
}

/* A wrong kernel is printed as wrong, and its candidates are refused by the tuner. */
static void check_wrong_kernel(const char *name, const fault *faults, size_t n_faults) {
  char kernels[96];
  snprintf(kernels, sizeof kernels, "%s/%s", folder, name);
  plant(kernels, faults, n_faults);
  setenv("LATENTCL_KERNELS", kernels, 1);
  lcl_context *ctx = open_context();
  lcl_bench_row row = measure(ctx, "gemm-64", true);
  assert_int_equal(row.verified, -1);
  ASSERT_BETWEEN(row.error, 2, INFINITY);
  lcl_trial_problem *problems;
  size_t n;
  double seconds;
  ASSERT_OK(lcl__tune_collect(ctx, "gemm-64", &problems, &n));
  assert_int_equal(n, 1);
  ASSERT_STATUS(lcl__tune_measure(ctx, &problems[0], &problems[0].usual, &seconds),
                LCL_ERR_NUMERIC);
  lcl__free(problems);
  ASSERT_OK(lcl__tune_collect(ctx, "augconv-conv2", &problems, &n));
  assert_true(problems[n - 1].kind == &lcl__conv_kind);
  ASSERT_STATUS(lcl__tune_measure(ctx, &problems[n - 1], &problems[n - 1].usual, &seconds),
                LCL_ERR_NUMERIC);
  lcl__free(problems);
  lcl_context_destroy(ctx);
  unsetenv("LATENTCL_KERNELS");
}

static void wrong_kernel(void **state) {
  (void)state;
  static const fault one_too_large[] = {
    { "gemm_packed.cl", "if (lc.act) v = activate(", "v += 1.0f; if (lc.act) v = activate(" },
    { "gemm_tiled.cl", "activate(v4, lc.act", "activate(v4 + 1.0f, lc.act" },
    { "conv_nhwc.cl", "? bias[i0 + i] : 0.0f", "? bias[i0 + i] : 1.0f" },
  };
  static const fault no_number[] = {
    { "gemm_packed.cl", "if (lc.act) v = activate(", "v += NAN; if (lc.act) v = activate(" },
    { "gemm_tiled.cl", "activate(v4, lc.act", "activate(v4 + NAN, lc.act" },
    { "conv_nhwc.cl", "? bias[i0 + i] : 0.0f", "? bias[i0 + i] : NAN" },
  };
  check_wrong_kernel("one-too-large", one_too_large, LCL_COUNT(one_too_large));
  check_wrong_kernel("no-number", no_number, LCL_COUNT(no_number));
}

/* A training step whose GEMMs are right by themselves, but not with the activation fused into
 * them: its value; or only what the gradient makes of it, as where a ReLU's zero becomes a number
 * that is too small to matter in the loss. Or the parameters take half a step. */
static void wrong_step(void **state) {
  (void)state;
  static const fault faults[3][3] = {
    { { "packed.cl", "activate(floatv v, int act, float slope) {",
        "activate(floatv v, int act, float slope) { if (act) v += 0.1f;" },
      { "common.cl", "lcl_activate(float v, int act, float slope) {",
        "lcl_activate(float v, int act, float slope) { if (act) v += 0.1f;" },
      { "gemm_store.cl", "activate(float4 v, int act, float slope) {",
        "activate(float4 v, int act, float slope) { if (act) v += 0.1f;" } },
    { { "packed.cl", "activate(floatv v, int act, float slope) {",
        "activate(floatv v, int act, float slope) { if (act == 1) v = fmax(v, 1e-30f);" },
      { "common.cl", "lcl_activate(float v, int act, float slope) {",
        "lcl_activate(float v, int act, float slope) { if (act == 1) v = fmax(v, 1e-30f);" },
      { "gemm_store.cl", "activate(float4 v, int act, float slope) {",
        "activate(float4 v, int act, float slope) { if (act == 1) v = fmax(v, 1e-30f);" } },
    { { "update.cl", "p[i] - corrected * a", "p[i] - 0.5f * corrected * a" },
      { "", "", "" },
      { "", "", "" } },
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
  if (device_is("llvmpipe")) skip(); /* compiles and runs for minutes; the host is asked */
  lcl_context *ctx = open_context();
  ASSERT_OK(lcl__bench_step_verify(ctx, &step, &error));
  ASSERT_BETWEEN(error, 0, 1);
  lcl_context_destroy(ctx);
  for (size_t i = 0; i < LCL_COUNT(faults); i++) {
    char kernels[96];
    snprintf(kernels, sizeof kernels, "%s/step%zu", folder, i);
    plant(kernels, faults[i], LCL_COUNT(faults[i]));
    setenv("LATENTCL_KERNELS", kernels, 1);
    ctx = open_context();
    ASSERT_OK(lcl__bench_step_verify(ctx, &step, &error));
    if (!(error > 2)) fail_msg("fault %zu: error is %g, not above 2", i, error);
    lcl_context_destroy(ctx);
    unsetenv("LATENTCL_KERNELS");
  }
}

/* Ops that sample are compared with what the generator has to give in the run that is fetched;
 * recurrent ones with inputs for which there is a bound on their rounding. */
static void whole_suites(void **state) {
  (void)state;
  if (device_is("llvmpipe")) skip(); /* as above */
  lcl_context *ctx = open_context();
  for (size_t i = 0; i < lcl_bench_count(); i++) {
    const char *suite = lcl_bench_at(i).suite;
    if (strcmp(suite, "perturb") != 0 && strcmp(suite, "recurrent") != 0) continue;
    const lcl_bench_row row = measure(ctx, lcl_bench_at(i).name, true);
    if (row.verified != 1) fail_msg("%s: error %g", row.name, row.error);
  }
  lcl_context_destroy(ctx);
}

static bool left_behind(void) {
  char prefix[48];
  bool found = false;
  snprintf(prefix, sizeof prefix, LCL_BENCH_FOLDER "%ld-", (long)getpid());
  DIR *tmp = opendir("/tmp");
  for (struct dirent *e = tmp ? readdir(tmp) : NULL; e; e = readdir(tmp))
    found |= strncmp(e->d_name, prefix, strlen(prefix)) == 0;
  if (tmp) closedir(tmp);
  return found;
}

static void epoch(void **state) {
  (void)state;
  if (device_is("llvmpipe")) skip(); /* as above */
  lcl_context *ctx = open_context();
  lcl_bench_desc desc = { .seconds = -1 };
  lcl_bench_row row;
  size_t index;
  ASSERT_OK(lcl_bench_find("epoch-png-b100", &index));
  ASSERT_OK(lcl_bench_run(ctx, index, &desc, &row));
  assert_true(row.first_run > 0 && row.median < 0 && row.host_memory > 6000 * 3 * 48 * 48);
  assert_false(left_behind());
  lcl_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(database), /* forks before this process has a driver with threads */
    cmocka_unit_test(old_records), cmocka_unit_test(wrong_records),
    cmocka_unit_test(comparison),  cmocka_unit_test(regression_kinds),
    cmocka_unit_test(levels),      cmocka_unit_test(medians),
    cmocka_unit_test(spread),      cmocka_unit_test(arithmetic),
    cmocka_unit_test(best_times),  cmocka_unit_test(device_time),
    cmocka_unit_test(candidates),  cmocka_unit_test(algorithms),
    cmocka_unit_test(memory),      cmocka_unit_test(wrong_kernel),
    cmocka_unit_test(wrong_step),  cmocka_unit_test(whole_suites),
    cmocka_unit_test(epoch),
  };
  const char *only = getenv("LCL_TEST_ONLY");
  if (only) cmocka_set_test_filter(only);
  return cmocka_run_group_tests(tests, setup, teardown);
}
