/* Layer 6, internal: report.html of a run folder. */
#ifndef LCL_TRAIN_REPORT_H
#define LCL_TRAIN_REPORT_H

#include "train/image_rows.h"

/* Device times by kernel, of so many steps, into profile.json; the context must have been created
 * with profiling. */
lcl_status lcl__write_profile(lcl_context *ctx, const char *folder, int64_t steps);
/* Writes report.html from the folder's files; images are made with the session (weights: its
 * checkpoint; may be NULL). */
lcl_status lcl__report_write(lcl_session *s, const lcl_tensor_file *weights, const char *folder);

/* ---- log.jsonl (history.c) ---- */

typedef struct lcl_history {
  struct {
    cJSON **data;
    size_t n, cap;
  } epochs;            /* the lines of epochs */
  cJSON *test, *start; /* the last of each, or NULL */
  cJSON *stop;         /* why no epoch followed the last one, or NULL */
} lcl_history;
/* A torn last line (the run was killed) is left out. Free it after a failure too. */
lcl_status lcl__history_read(const char *folder, lcl_history *h);
/* The value `name` of part `part` ("train", "validation"; NULL: the line itself) over the epochs
 * from `from` on that have that part: their numbers in x, the values in y, each of room for all
 * epochs. Returns how many; 0: the value is nowhere. */
int lcl__history_values(const lcl_history *h, const char *part, const char *name, int from,
                        double *x, double *y);
void lcl__history_free(lcl_history *h);

/* ---- charts (chart.c) ---- */

typedef struct lcl_series {
  const char *name;
  const char *style; /* CSS classes: "s1" ... "s6", and "dashed" */
  const double *x, *y;
  int n;
} lcl_series;
typedef struct lcl_chart {
  const char *title, *x_label, *unit;
  bool log_x; /* powers of ten along x */
  const lcl_series *series;
  int n;
  double mark; /* vertical line at this x (0: none) */
  const char *mark_label;
} lcl_chart;
/* An inline SVG, logarithmic where the values span much. */
void lcl__chart_svg(lcl_str *out, const lcl_chart *chart);

#endif
