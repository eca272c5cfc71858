/* latentcl bench: measures named workloads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "bench/compare.h"
#include "cli.h"
#include "latentcl/bench.h"

static const char *const suites[] = { "device", "launch", "gemm", "conv", "deepbench", "recurrent", "perturb", "fft", "steps", "pixelrnn", "sample" };

typedef struct picked {
  size_t *index, n;
} picked;

static bool is_suite(const char *s) {
  for (size_t i = 0; i < LCL_COUNT(suites); i++)
    if (strcmp(s, suites[i]) == 0) return true;
  return false;
}

/* Arguments to workload indices, each once, in the order of the table within a suite. */
static int pick(int argc, char **argv, picked *p) {
  size_t count = lcl_bench_count();
  p->index = calloc(count * (size_t)(argc ? argc : 1), sizeof *p->index);
  if (!p->index) return cli_fail("out of memory");
  for (int a = 0; a < argc; a++) {
    bool all = strcmp(argv[a], "all") == 0, suite = is_suite(argv[a]);
    size_t one = count;
    if (!all && !suite && lcl_bench_find(argv[a], &one) != LCL_OK) {
      fprintf(stderr, "latentcl bench: %s\nSuites: all", lcl_error_message());
      for (size_t i = 0; i < LCL_COUNT(suites); i++) fprintf(stderr, ", %s", suites[i]);
      fprintf(stderr, "\n");
      return CLI_USAGE;
    }
    for (size_t i = 0; i < count; i++)
      if (all || i == one || (suite && strcmp(lcl_bench_at(i).suite, argv[a]) == 0)) p->index[p->n++] = i;
  }
  return CLI_OK;
}

static void print_head(void) {
  printf("%-30s %12s %9s %9s %9s %9s %8s  %s\n", "workload", "median", "+-", "GFLOP/s", "GB/s", "roofline", "verified", "most of the arithmetic");
}

static const char *seconds_text(double s, char buf[32]) {
  if (s < 0) return "";
  if (s < 1e-3) snprintf(buf, 32, "%.2f us", s * 1e6);
  else if (s < 1) snprintf(buf, 32, "%.3f ms", s * 1e3);
  else snprintf(buf, 32, "%.3f s", s);
  return buf;
}

static void print_row(const lcl_bench_row *r) {
  char median[32], spread[32], roof[16] = "", gflops[16] = "", gbs[16] = "";
  if (r->unit[0]) {
    if (r->value < 0) printf("%-30s %12s\n", r->name, "not there");
    else printf("%-30s %12.2f %s\n", r->name, r->value, r->unit);
    return;
  }
  if (r->roofline >= 0) snprintf(roof, sizeof roof, "%.0f %%", 100 * r->roofline);
  if (r->median > 0) {
    snprintf(gflops, sizeof gflops, "%.1f", r->flops / r->median * 1e-9);
    snprintf(gbs, sizeof gbs, "%.1f", r->bytes / r->median * 1e-9);
  }
  printf("%-30s %12s %9s %9s %9s %9s %8s  %s\n", r->name, seconds_text(r->median, median), seconds_text(r->spread, spread), gflops, gbs,
         roof, r->verified > 0 ? "yes" : r->verified < 0 ? "WRONG" : "", r->algorithm);
  if (r->cold_compile >= 0 || r->device >= 0)
    printf("%30s compile %s", "", seconds_text(r->compile, median));
  if (r->cold_compile >= 0) printf(", cold (first run included) %s", seconds_text(r->cold_compile, median));
  if (r->device >= 0) printf(", device time %s", seconds_text(r->device, median));
  if (r->cold_compile >= 0 || r->device >= 0) printf(", enqueue %s\n", seconds_text(r->enqueue, median));
  fflush(stdout);
}

static int list_all(bool describe) {
  for (size_t i = 0; i < lcl_bench_count(); i++) {
    lcl_bench_info b = lcl_bench_at(i);
    printf("%-10s %-36s %s\n", b.suite, b.name, b.description);
  }
  if (describe)
    printf("\nmedian     steady-state time of one run, after warm-up; short work is run back to back for a millisecond between two waits\n"
           "+-         median absolute deviation of those times\n"
           "GFLOP/s    useful arithmetic counted from shapes (a multiply-add is 2), not what an algorithm happens to do\n"
           "GB/s       bytes that must move between memory and the kernels, counted from shapes\n"
           "roofline   the best time this device could need for that arithmetic and those bytes (its own peaks, measured in the same\n"
           "           process) as a part of the median\n"
           "verified   the result equals the double-precision reference within its error bound (--verify)\n");
  return CLI_OK;
}

static int write_text(const char *path, const char *text) {
  if (strcmp(path, "-") == 0) return fputs(text, stdout) >= 0 && putchar('\n') != EOF ? CLI_OK : cli_fail("cannot write");
  return lcl_file_write_atomic(path, text, strlen(text)) == LCL_OK ? CLI_OK : cli_error();
}

static int write_csv(const char *path, const lcl_bench_row *rows, size_t n) {
  lcl_str s = { 0 };
  lcl_str_add(&s, "name,suite,median_s,mad_s,best_s,compile_s,first_s,enqueue_s,gflop,mbytes,roofline,launches,memory_bytes,verified,error,value,unit\n");
  for (size_t i = 0; i < n; i++) {
    const lcl_bench_row *r = &rows[i];
    lcl_str_add(&s, "%s,%s,%.9g,%.9g,%.9g,%.9g,%.9g,%.9g,%.6g,%.6g,%.4g,%zu,%zu,%d,%.4g,%.6g,%s\n", r->name, r->suite, r->median, r->spread,
                r->best, r->compile, r->first_run, r->enqueue, r->flops * 1e-9, r->bytes * 1e-6, r->roofline, r->launches, r->memory,
                r->verified, r->error, r->value, r->unit);
  }
  int code = lcl_str_ok(&s) ? write_text(path, s.data) : cli_fail("out of memory");
  lcl_str_free(&s);
  return code;
}

typedef struct options {
  const char *device, *json, *csv, *compare, *html, *threshold_text;
  double seconds, threshold;
  bool verify, list, describe, cold, device_time;
} options;

/* Prints (and draws) files next to each other; exit code 1 when the last one is slower than the threshold allows. */
static int compare_files(const lcl_result_file *files, size_t n, const options *o) {
  lcl_str table = { 0 }, page = { 0 };
  size_t regressions = 0;
  int code = CLI_OK;
  if (lcl_results_table(files, n, o->threshold, &table, &regressions) != LCL_OK) code = cli_error();
  else fputs(table.data, stdout);
  if (code == CLI_OK && o->html) {
    if (lcl_results_html(files, n, &page) != LCL_OK) code = cli_error();
    else code = write_text(o->html, page.data);
  }
  if (code == CLI_OK && regressions)
    code = cli_fail("%zu workload%s slower than the threshold allows, or wrong", regressions, regressions == 1 ? " is" : "s are");
  lcl_str_free(&table);
  lcl_str_free(&page);
  return code;
}

/* latentcl bench --compare a.json b.json ... */
static int compare_paths(int argc, char **argv, const options *o) {
  size_t n = (size_t)argc + 1, loaded = 0;
  lcl_result_file *files = calloc(n, sizeof *files);
  int code = files ? CLI_OK : cli_fail("out of memory");
  for (size_t i = 0; code == CLI_OK && i < n; i++) {
    if (lcl_results_load(i ? argv[i - 1] : o->compare, &files[i]) != LCL_OK) code = cli_error();
    else loaded++;
  }
  if (code == CLI_OK) code = compare_files(files, n, o);
  for (size_t i = 0; i < loaded; i++) lcl_results_free(&files[i]);
  free(files);
  return code;
}

/* What was just measured (as JSON text) against --compare FILE. */
static int compare_now(const char *text, const options *o) {
  lcl_result_file files[2];
  if (lcl_results_load(o->compare, &files[0]) != LCL_OK) return cli_error();
  int code = lcl_results_parse(text, "this run", &files[1]) == LCL_OK ? compare_files(files, 2, o) : cli_error();
  lcl_results_free(&files[0]);
  lcl_results_free(&files[1]);
  return code;
}

static int draw_now(const char *text, const options *o) {
  lcl_result_file file;
  lcl_str page = { 0 };
  if (lcl_results_parse(text, "this run", &file) != LCL_OK) return cli_error();
  int code = lcl_results_html(&file, 1, &page) == LCL_OK ? write_text(o->html, page.data) : cli_error();
  lcl_results_free(&file);
  lcl_str_free(&page);
  return code;
}

/* "5%", "5 %" or "0.05". */
static int parse_threshold(options *o) {
  char *end;
  if (!o->threshold_text) return CLI_OK;
  o->threshold = strtod(o->threshold_text, &end);
  bool percent = end != o->threshold_text && strchr(end, '%') != NULL;
  if (end == o->threshold_text || o->threshold <= 0 || (*end && !percent))
    return cli_usage("--threshold takes a part such as 5%% or 0.05, not '%s'", o->threshold_text);
  if (percent) o->threshold /= 100;
  return CLI_OK;
}

/* Compile time of a workload in a process of its own whose caches (ours, PoCL's, NVIDIA's) are empty; -1 if that failed. */
static double cold_compile(const char *name, const char *device) {
  char dir[] = "/tmp/latentcl-cold-XXXXXX", command[1024], self[512];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n <= 0 || !mkdtemp(dir)) return -1;
  self[n] = 0;
  snprintf(command, sizeof command,
           "LATENTCL_CACHE=%s/l POCL_CACHE_DIR=%s/p CUDA_CACHE_PATH=%s/c '%s' bench '%s' --seconds 0.000001 --json - 2>/dev/null",
           dir, dir, dir, self, name);
  if (device) setenv("LATENTCL_DEVICE", device, 1);
  FILE *f = popen(command, "r");
  lcl_str text = { 0 };
  char part[4096];
  size_t got;
  while (f && (got = fread(part, 1, sizeof part, f)) > 0) lcl_str_append(&text, part, got);
  if (f) pclose(f);
  double compile = -1, first = -1;
  if (text.data) lcl_results_compile_times(text.data, &compile, &first);
  lcl_str_free(&text);
  snprintf(command, sizeof command, "rm -rf %s", dir);
  if (system(command) != 0) fprintf(stderr, "latentcl bench: %s is left behind\n", dir);
  return compile >= 0 && first >= 0 ? compile + first : -1; /* CPU drivers finish compiling when a kernel first runs */
}

static int run_all(const picked *p, const options *o) {
  lcl_context *ctx;
  if (lcl_context_create(&(lcl_context_desc){ .device = o->device }, &ctx) != LCL_OK) return cli_error();
  lcl_bench_desc desc = { .seconds = o->seconds, .verify = o->verify, .device_time = o->device_time };
  lcl_bench_row *rows = calloc(p->n, sizeof *rows);
  size_t done = 0, wrong = 0, failed = 0;
  bool quiet = o->json && strcmp(o->json, "-") == 0;
  if (!quiet) {
    printf("device: %s\n", lcl_context_device_name(ctx));
    print_head();
  }
  for (size_t i = 0; rows && i < p->n; i++) {
    if (lcl_bench_run(ctx, p->index[i], &desc, &rows[done]) != LCL_OK) {
      fprintf(stderr, "latentcl bench: %s\n", lcl_error_message());
      failed++;
      continue;
    }
    if (o->cold && rows[done].compile >= 0) rows[done].cold_compile = cold_compile(rows[done].name, o->device);
    wrong += rows[done].verified < 0;
    if (!quiet) print_row(&rows[done]);
    done++;
  }
  int code = rows ? CLI_OK : cli_fail("out of memory");
  char *text = NULL;
  if (code == CLI_OK && (o->json || o->compare || o->html)) {
    if (lcl_bench_json(ctx, &desc, rows, done, &text) != LCL_OK) code = cli_error();
    if (code == CLI_OK && o->json) code = write_text(o->json, text);
    if (code == CLI_OK && o->compare) code = compare_now(text, o);
    else if (code == CLI_OK && o->html) code = draw_now(text, o);
    free(text);
  }
  if (code == CLI_OK && o->csv) code = write_csv(o->csv, rows, done);
  if (wrong) code = cli_fail("%zu result%s differ%s from the reference", wrong, wrong == 1 ? "" : "s", wrong == 1 ? "s" : "");
  if (failed && code == CLI_OK) code = CLI_FAILED;
  free(rows);
  lcl_context_destroy(ctx);
  return code;
}

static int run(int argc, char **argv) {
  options o = { .seconds = 1 };
  const cli_option table[] = {
    { "device", CLI_STRING, &o.device, "SEL", "which device: an index (1:0), a kind (gpu, cpu) or part of a name" },
    { "seconds", CLI_FLOAT, &o.seconds, "S", "time for the steady state of each workload" },
    { "cold", CLI_FLAG, &o.cold, NULL, "also measure the very first compilation: a child process with empty caches" },
    { "device-time", CLI_FLAG, &o.device_time, NULL, "also run with the profiler: device time of the launches beside the host's enqueue time" },
    { "verify", CLI_FLAG, &o.verify, NULL, "check each result against the double-precision reference" },
    { "json", CLI_STRING, &o.json, "FILE", "write results as JSON (- for standard output)" },
    { "csv", CLI_STRING, &o.csv, "FILE", "write results as CSV" },
    { "compare", CLI_STRING, &o.compare, "FILE", "compare with an earlier --json FILE; with further FILEs instead of workloads, compare those" },
    { "threshold", CLI_STRING, &o.threshold_text, "PART", "with --compare: exit 1 when a workload is slower by more than this (5%)" },
    { "html", CLI_STRING, &o.html, "FILE", "draw times and rooflines as a web page" },
    { "list", CLI_FLAG, &o.list, NULL, "list workloads and suites" },
    { "describe", CLI_FLAG, &o.describe, NULL, "explain workloads and what the columns mean" },
    { NULL, CLI_FLAG, NULL, NULL, NULL },
  };
  int at, code = cli_parse(argc, argv, table, "bench [SUITE|WORKLOAD]...",
                           "Measures named workloads on one device. Suites: all, device, launch, gemm, conv, deepbench, recurrent, perturb, fft, "
                           "steps, pixelrnn, sample. Without arguments: gemm, conv and steps.",
                           &at);
  if (code >= 0) return code;
  if (o.list || o.describe) return list_all(o.describe);
  if (parse_threshold(&o) != CLI_OK) return CLI_USAGE;
  if (o.compare && at < argc && strstr(argv[at], ".json")) return compare_paths(argc - at, argv + at, &o);
  char *standard[] = { "gemm", "conv", "steps" };
  picked p = { 0 };
  code = at < argc ? pick(argc - at, argv + at, &p) : pick(3, standard, &p);
  if (code == CLI_OK) code = run_all(&p, &o);
  free(p.index);
  return code;
}

const struct lcl_command cmd_bench = { "bench", "measure named workloads on a device", run };
