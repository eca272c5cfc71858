/* Floor 6, internal: report.html of a run folder. */
#ifndef LCL_TRAIN_REPORT_H
#define LCL_TRAIN_REPORT_H

#include "train/pictures.h"

/* Device times by kernel into profile.json; the context must have been created with profiling. */
lcl_status lcl_write_profile(lcl_context *ctx, const char *folder);
/* Writes report.html from the folder's files; pictures are made with the session (weights: its checkpoint;
 * may be NULL). */
lcl_status lcl_report_write(lcl_session *s, const lcl_tensor_file *weights, const char *folder);

/* ---- charts (chart.c)
 * ------------------------------------------------------------------------------------------------ */

typedef struct lcl_series {
  const char *name;
  const char *style; /* CSS class: "s1" ... "s6" */
  const double *x, *y;
  int n;
} lcl_series;
typedef struct lcl_chart {
  const char *title, *x_label, *unit;
  const lcl_series *series;
  int n;
  double mark; /* vertical line at this x (0: none) */
  const char *mark_label;
} lcl_chart;
/* An inline SVG, logarithmic where the values span much. */
void lcl_chart_svg(lcl_str *out, const lcl_chart *chart);
/* Text with <, >, & and quotes escaped. */
void lcl_html_text(lcl_str *out, const char *text);
extern const char lcl_report_style[];

#endif
