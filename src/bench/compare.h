/* Results files side by side. */
#ifndef LCL_BENCH_COMPARE_H
#define LCL_BENCH_COMPARE_H

#include "base/base.h"
#include "latentcl/bench.h"

typedef struct lcl_result {
  char name[64], unit[16];
  double seconds; /* median; < 0: not measured */
  double value;   /* with a unit: larger is better for rates (a unit with a slash), smaller for the others */
  double gflops, intensity; /* useful GFLOP/s, FLOP a byte */
  bool wrong;
} lcl_result;

typedef struct lcl_result_file {
  char device[128];
  double peak_gflops, peak_gbps; /* 0: not measured */
  lcl_result *rows;
  size_t n;
} lcl_result_file;

lcl_status lcl_results_load(const char *path, lcl_result_file *out);
/* The same from the text of lcl_bench_json. */
lcl_status lcl_results_parse(const char *text, const char *path, lcl_result_file *out);
/* Compile and first-run seconds of the first result; -1 where absent. */
void lcl_results_compile_times(const char *text, double *compile, double *first);
void lcl_results_free(lcl_result_file *f);

/* A table: the first file's figures and every other one's as a ratio (first / other: above 1 is faster). regressions
 * counts rows where the last file is slower than the first by more than threshold (0.05: 5 %), or wrong. */
lcl_status lcl_results_table(const lcl_result_file *files, size_t n, double threshold, lcl_str *text, size_t *regressions);
/* A self-contained page: bars of times and a roofline plot a device. */
lcl_status lcl_results_html(const lcl_result_file *files, size_t n, lcl_str *html);

#endif
