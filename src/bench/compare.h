/* Results files side by side. */
#ifndef LCL_BENCH_COMPARE_H
#define LCL_BENCH_COMPARE_H

#include "base/base.h"
#include "latentcl/bench.h"

typedef struct lcl_result {
  char name[64], unit[16];
  char algorithm[96];
  double seconds, spread; /* median and its deviation; < 0: not measured */
  double value; /* with a unit: larger is better for rates (a unit with a slash), smaller for the
                   others */
  double gflop, gflops, gbps, intensity; /* GFLOP, useful GFLOP/s, GB/s, FLOP a byte */
  double roofline;                       /* percent; < 0: not measured */
  int verified;                          /* 1: right, -1: wrong, 0: not verified */
} lcl_result;

/* The results of one device. */
typedef struct lcl_result_file {
  char path[128], device[128], driver[192], clock[96];
  char version[32], commit[48], date[32]; /* of LatentCL, and when; "": not told */
  double peak_gflops, peak_gbps,
      cache_gbps; /* of main memory and of the fastest cache; 0: not measured */
  lcl_result *rows;
  size_t n;
} lcl_result_file;

typedef struct lcl_result_files {
  lcl_result_file *data;
  size_t n, cap;
} lcl_result_files;

/* Appends what a file of `latentcl bench --json` holds: one device's results, or a set of them. */
lcl_status lcl__results_load(const char *path, lcl_result_files *out);
/* The same from its text; path is for messages and names. */
lcl_status lcl__results_parse(const char *text, const char *path, lcl_result_files *out);
void lcl__results_free(lcl_result_files *files);

/* One set (schema latentcl-bench-set-1) from the texts of lcl_bench_json; free with free(). */
lcl_status lcl__results_join(char *const *texts, size_t n, char **set);

/* Seconds as people read them, "1.5 ms"; a dash where they are negative. */
const char *lcl__result_time(double seconds, char out[32]);

/* The workload of this name, or NULL. */
const lcl_result *lcl__result_find(const lcl_result_file *f, const char *name);
/* Whether two results of one name stand for different arithmetic: of other versions, or edited. */
bool lcl__result_other_work(const lcl_result *a, const lcl_result *b);
/* How many times faster b is than a; < 0 where one is missing or they are not of the same work. */
double lcl__result_speedup(const lcl_result *a, const lcl_result *b);
/* A table: the first file's figures and every other one's as a ratio (first / other: above 1 is
 * faster). regressions counts rows where the last file is slower than the first by more than
 * threshold (0.05: 5 %), wrong, or has no time although the first has one. */
lcl_status lcl__results_table(const lcl_result_files *files, double threshold, lcl_str *text,
                              size_t *regressions);
/* A self-contained page: figures, bars of times and a roofline plot a device. */
lcl_status lcl__results_html(const lcl_result_files *files, lcl_str *html);

/* ---- many people's files (gallery.c) ---- */

typedef struct lcl_gallery {
  lcl_result_files files;
  struct {
    char **data;
    size_t n, cap;
  } left_out; /* a sentence for each file that is not shown */
} lcl_gallery;

/* Reads the results files NAME.json of a folder, in the order of their names. One that is no such
 * file, or one too many, is left out; LCL_ERR_FORMAT where none is left. Free it after a failure
 * too. */
lcl_status lcl__gallery_read(const char *folder, lcl_gallery *g);
void lcl__gallery_free(lcl_gallery *g);
/* A self-contained page: what each ran, and devices by workload in tables that can be sorted. */
lcl_status lcl__gallery_html(const lcl_gallery *g, lcl_str *html);

#endif
