/* The page of a comparison: what was measured where, each device's roofline with its workloads on
 * it, times as bars, and every figure. Inline SVG only, nothing from outside. */
#include <math.h>

#include "base/text.h"
#include "bench/compare.h"

static const char *const colours[] = { "#2b6cb0", "#c05621", "#2f855a",
                                       "#805ad5", "#b83280", "#718096" };
static const char *colour(size_t i) {
  return colours[i % LCL_COUNT(colours)];
}

static const char *time_text(double t, char out[32]) {
  if (t < 0)
    lcl__snprintf(out, 32, "–");
  else if (t < 1e-3)
    lcl__snprintf(out, 32, "%.3g µs", t * 1e6);
  else if (t < 1)
    lcl__snprintf(out, 32, "%.3g ms", t * 1e3);
  else
    lcl__snprintf(out, 32, "%.3g s", t);
  return out;
}

/* Wrong results are pale. */
static const char *opacity(const lcl_result *r) {
  return r->verified < 0 ? "0.2" : "1";
}

static bool timed(const lcl_result *r) {
  return r && !r->unit[0] && r->seconds > 0;
}

/* Workloads that took time are numbered in the order of the first file; plots refer to the numbers.
 * 0: not in it. */
static int number_of(const lcl_result_files *files, const char *name) {
  int number = 0;
  for (size_t i = 0; i < files->data[0].n; i++) {
    const lcl_result *r = &files->data[0].rows[i];
    number += timed(r);
    if (strcmp(r->name, name) == 0) return timed(r) ? number : 0;
  }
  return 0;
}

/* ---- devices ---- */

static void devices(const lcl_result_files *files, lcl_str *s) {
  lcl__str_html(s, "<div class=\"cards\">\n");
  for (size_t f = 0; f < files->n; f++) {
    const lcl_result_file *d = &files->data[f];
    lcl__str_html(s, "<div class=\"card\" style=\"border-color:%s\"><b>%s</b><br>%s", colour(f),
                  d->device, d->driver);
    if (d->peak_gflops > 0) {
      lcl__str_html(s, "<br>at best %.3g GFLOP/s, %.3g GB/s from memory", d->peak_gflops,
                    d->peak_gbps);
      if (d->cache_gbps > d->peak_gbps)
        lcl__str_html(s, ", %.3g GB/s from the L1 cache", d->cache_gbps);
      lcl__str_html(s, " (measured in the same run)");
    }
    lcl__str_html(s, "<br><small>%s", d->path);
    if (d->clock[0]) lcl__str_html(s, " &middot; %s", d->clock);
    lcl__str_html(s, "</small></div>\n");
  }
  lcl__str_html(s, "</div>\n");
}

/* ---- rooflines ---- */

typedef struct plot {
  double x0, x1, y0, y1; /* ranges, powers of ten */
} plot;
enum { LEFT = 70, RIGHT = 880, TOP = 16, BOTTOM = 340 };
static double px(const plot *p, double v) {
  return LEFT + (RIGHT - LEFT) * log10(v / p->x0) / log10(p->x1 / p->x0);
}
static double py(const plot *p, double v) {
  return BOTTOM - (BOTTOM - TOP) * log10(v / p->y0) / log10(p->y1 / p->y0);
}
static double below(double v) {
  return pow(10, floor(log10(v)));
}

static bool on_plot(const lcl_result *r) {
  return r->gflops >= 1e-6 && r->intensity >= 1e-6 && r->intensity <= 1e9;
}

static plot ranges(const lcl_result_file *f) {
  const double ridge = f->peak_gflops / f->peak_gbps;
  plot p = { below(ridge) / 10, below(ridge) * 100, 0, 10 * below(f->peak_gflops) };
  p.y0 = p.y1 * 1e-3;
  for (size_t i = 0; i < f->n; i++) {
    const lcl_result *r = &f->rows[i];
    if (!on_plot(r)) continue;
    p.x0 = fmin(p.x0, below(r->intensity));
    p.x1 = fmax(p.x1, 10 * below(r->intensity));
    p.y0 = fmin(p.y0, below(r->gflops));
    p.y1 = fmax(p.y1, 10 * below(r->gflops));
  }
  return p;
}

static void grid(const plot *p, lcl_str *s) {
  for (double v = p->x0; v <= p->x1 * 1.001; v *= 10)
    lcl__str_html(s,
                  "<path d=\"M%.1f %dV%d\" class=\"grid\"/><text x=\"%.1f\" y=\"%d\" "
                  "text-anchor=\"middle\">%g</text>\n",
                  px(p, v), TOP, BOTTOM, px(p, v), BOTTOM + 15, v);
  for (double v = p->y0; v <= p->y1 * 1.001; v *= 10)
    lcl__str_html(s,
                  "<path d=\"M%d %.1fH%d\" class=\"grid\"/><text x=\"%d\" y=\"%.1f\" "
                  "text-anchor=\"end\">%g</text>\n",
                  LEFT, py(p, v), RIGHT, LEFT - 6, py(p, v) + 4, v);
  lcl__str_html(s,
                "<text x=\"475\" y=\"%d\" text-anchor=\"middle\">useful FLOP a byte</text>"
                "<text x=\"18\" y=\"180\" transform=\"rotate(-90 18 180)\" "
                "text-anchor=\"middle\">GFLOP/s</text>\n",
                BOTTOM + 34);
}

/* A roof from where it enters the plot: slope of the bandwidth, then the flat of the arithmetic. */
static void roof(const plot *p, double gbps, double gflops, const char *class, const char *name,
                 lcl_str *s) {
  const double start = fmax(p->x0, p->y0 / gbps), ridge = gflops / gbps,
               label = fmax(start, fmin(start * 3, ridge));
  lcl__str_html(s, "<path class=\"%s\" d=\"M%.1f %.1f", class, px(p, start),
                py(p, fmin(start * gbps, gflops)));
  if (ridge > start) lcl__str_html(s, "L%.1f %.1f", px(p, ridge), py(p, gflops));
  lcl__str_html(s, "H%d\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"start\">%s %.3g GB/s</text>\n",
                RIGHT, px(p, label) + 8, py(p, fmin(label * gbps, gflops)) + 10, name, gbps);
}

static void roofline(const lcl_result_files *files, size_t index, lcl_str *s) {
  const lcl_result_file *f = &files->data[index];
  size_t points = 0;
  for (size_t i = 0; i < f->n; i++) points += on_plot(&f->rows[i]);
  if (f->peak_gflops < 1e-6 || f->peak_gbps < 1e-6 || points == 0) return;
  const plot p = ranges(f);
  lcl__str_html(s, "<h2>Roofline: %s</h2>\n", f->device);
  lcl__str_html(s, "<svg viewBox=\"0 0 900 385\" width=\"100%%\" role=\"img\">\n");
  grid(&p, s);
  if (f->cache_gbps > 1.2 * f->peak_gbps)
    roof(&p, f->cache_gbps, f->peak_gflops, "roof cache", "cache", s);
  roof(&p, f->peak_gbps, f->peak_gflops, "roof", "memory", s);
  lcl__str_html(s, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g GFLOP/s</text>\n", RIGHT,
                py(&p, f->peak_gflops) - 6, f->peak_gflops);
  for (size_t i = 0; i < f->n; i++) {
    const lcl_result *r = &f->rows[i];
    const int number = number_of(files, r->name);
    if (!on_plot(r)) continue;
    lcl__str_html(
        s,
        "<g><title>%s: %.3g GFLOP/s at %.3g FLOP a byte</title><circle cx=\"%.1f\" cy=\"%.1f\" "
        "r=\"5\" fill=\"%s\" fill-opacity=\"%s\"/>",
        r->name, r->gflops, r->intensity, px(&p, r->intensity), py(&p, r->gflops), colour(index),
        opacity(r));
    if (number)
      lcl__str_html(s, "<text x=\"%.1f\" y=\"%.1f\" class=\"dot\">%d</text>",
                    px(&p, r->intensity) + 6, py(&p, r->gflops) - 4, number);
    lcl__str_html(s, "</g>\n");
  }
  lcl__str_html(s, "</svg>\n");
}

/* ---- bars ---- */

/* One group of bars a workload, on a logarithmic scale of seconds. */
static void bars(const lcl_result_files *files, lcl_str *s) {
  const lcl_result_file *first = files->data;
  const size_t n = files->n;
  double lo = INFINITY, hi = 0;
  size_t groups = 0;
  for (size_t f = 0; f < n; f++)
    for (size_t i = 0; i < first[f].n; i++)
      if (timed(&first[f].rows[i])) {
        lo = fmin(lo, first[f].rows[i].seconds);
        hi = fmax(hi, first[f].rows[i].seconds);
      }
  if (!(hi > 0)) return;
  lo = below(lo), hi = 10 * below(hi);
  const double scale = 540 / log10(hi / lo), step = 8 + 12.0 * (double)n;
  double y = 24;
  for (size_t i = 0; i < first->n; i++) groups += timed(&first->rows[i]);
  const double height = 26 + step * (double)groups;
  lcl__str_html(s,
                "<h2>Time of one run <small>(shorter is better; each line is ten times the one "
                "before)</small></h2>\n"
                "<svg viewBox=\"0 0 900 %.0f\" width=\"100%%\" role=\"img\">\n",
                height);
  for (double v = lo; v <= hi * 1.001; v *= 10) {
    char text[32];
    const double x = 260 + log10(v / lo) * scale;
    lcl__str_html(s,
                  "<path d=\"M%.1f 18V%.0f\" class=\"grid\"/><text x=\"%.1f\" y=\"12\" "
                  "text-anchor=\"middle\">%s</text>\n",
                  x, height, x, time_text(v, text));
  }
  for (size_t i = 0; i < first->n; i++) {
    const char *name = first->rows[i].name;
    if (!timed(&first->rows[i])) continue;
    lcl__str_html(s, "<text x=\"252\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                  y + 6.0 * (double)n + 3, name);
    for (size_t f = 0; f < n; f++) {
      const lcl_result *r = lcl__result_find(&first[f], name);
      char text[32];
      if (!timed(r)) continue;
      const double width = fmax(1, log10(r->seconds / lo) * scale), top = y + 12.0 * (double)f;
      lcl__str_html(s,
                    "<rect x=\"260\" y=\"%.1f\" width=\"%.1f\" height=\"10\" rx=\"2\" fill=\"%s\" "
                    "fill-opacity=\"%s\"/><text "
                    "x=\"%.1f\" y=\"%.1f\">%s%s</text>\n",
                    top, width, colour(f), opacity(r), 265 + width, top + 9,
                    time_text(r->seconds, text), r->verified < 0 ? " WRONG" : "");
    }
    y += step;
  }
  lcl__str_html(s, "</svg>\n");
}

/* ---- figures ---- */

static void empty_cell(bool wanted, lcl_str *s) {
  if (wanted) lcl__str_html(s, "<td></td>");
}

static void figure_cells(const lcl_result *r, bool detail, lcl_str *s) {
  char median[32], spread[32];
  if (!r || (r->unit[0] ? r->value < 0 : r->seconds < 0)) {
    lcl__str_html(s, "<td>&ndash;</td><td></td><td></td><td></td>");
    empty_cell(detail, s);
    return;
  }
  if (r->unit[0]) {
    lcl__str_html(s, "<td>%.4g %s</td><td></td><td></td><td></td>", r->value, r->unit);
    empty_cell(detail, s);
    return;
  }
  lcl__str_html(s, "<td>%s <small>&plusmn; %s</small>", time_text(r->seconds, median),
                time_text(r->spread, spread));
  if (r->verified < 0) lcl__str_html(s, " <b>WRONG</b>");
  if (r->verified > 0) lcl__str_html(s, " &#10003;");
  lcl__str_html(s, "</td><td>%.3g</td><td>%.3g</td>", r->gflops, r->gbps);
  if (r->roofline >= 0)
    lcl__str_html(s, "<td class=\"bar\" style=\"--part:%.0f%%\">%.0f %%</td>",
                  fmin(r->roofline, 100), r->roofline);
  else
    lcl__str_html(s, "<td></td>");
  if (!detail) return;
  lcl__str_html(s, "<td class=\"left\"><small>%s</small></td>", r->algorithm);
}

static void figures(const lcl_result_files *files, lcl_str *s) {
  const lcl_result_file *first = files->data;
  const bool detail = files->n == 1;
  lcl__str_html(
      s,
      "<h2>Figures</h2>\n<div class=\"wide\"><table><tr><th></th><th class=\"left\">workload</th>");
  for (size_t f = 0; f < files->n; f++) {
    lcl__str_html(s,
                  "<th style=\"color:%s\">time</th><th>GFLOP/s</th><th>GB/s</th><th>roofline</th>",
                  colour(f));
    if (f) lcl__str_html(s, "<th>x faster</th>");
    if (detail) lcl__str_html(s, "<th class=\"left\">most of the arithmetic</th>");
  }
  lcl__str_html(s, "</tr>\n");
  for (size_t i = 0; i < first->n; i++) {
    const lcl_result *a = &first->rows[i];
    const int number = number_of(files, a->name);
    lcl__str_html(s, "<tr><td>");
    if (number) lcl__str_html(s, "%d", number);
    lcl__str_html(s, "</td><td class=\"left\">%s</td>", a->name);
    for (size_t f = 0; f < files->n; f++) {
      const lcl_result *r = lcl__result_find(&first[f], a->name);
      const double times = r ? lcl__result_speedup(a, r) : -1;
      figure_cells(r, detail, s);
      if (f && times > 0)
        lcl__str_html(s, "<td>%.2f</td>", times);
      else if (f)
        lcl__str_html(s, "<td></td>");
    }
    lcl__str_html(s, "</tr>\n");
  }
  lcl__str_html(
      s, "</table></div>\n<p><small>Median of the steady state &plusmn; median absolute deviation; "
         "&#10003;: equal to the double-precision "
         "reference within its error bound. GFLOP/s and GB/s count the useful arithmetic and the "
         "bytes that must move, from shapes. "
         "Roofline: the shortest time that the device's measured peaks allow, as a part of the "
         "median.</small></p>\n");
}

lcl_status lcl__results_html(const lcl_result_files *files, lcl_str *s) {
  lcl__str_html(
      s, "<!doctype html>\n"
         "<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width\">\n"
         "<title>LatentCL benchmark</title>\n"
         "<style>\n"
         ":root{color-scheme:light dark;--fg:#1a202c;--bg:#fff;--grid:#e2e8f0;--fill:#bee3f8}\n"
         "@media(prefers-color-scheme:dark){:root{--fg:#e2e8f0;--bg:#171923;--grid:#2d3748;--fill:#"
         "2c5282}}\n"
         "body{font:15px/1.5 "
         "system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:1020px;margin:2rem "
         "auto;padding:0 1rem}\n"
         "svg text{font-size:11px;fill:var(--fg)}svg .dot{font-size:9px}.grid{stroke:var(--grid)}\n"
         ".roof{fill:none;stroke:var(--fg);stroke-width:1.5}.cache{stroke-dasharray:5 "
         "4}h2{margin-top:2rem}h2 small{font-weight:normal;font-size:.8rem}\n"
         ".cards{display:flex;flex-wrap:wrap;gap:1rem}.card{border-left:4px solid;padding:.2rem "
         ".8rem;flex:1 1 20rem}\n"
         ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;width:100%%}td,th{"
         "padding:.15rem "
         ".5rem;text-align:right;white-space:nowrap;border-bottom:1px solid "
         "var(--grid)}.left{text-align:left}\n"
         ".bar{background:linear-gradient(to right,var(--fill) var(--part),transparent "
         "var(--part))}\n"
         "</style>\n"
         "<h1>LatentCL benchmark</h1>\n");
  devices(files, s);
  for (size_t f = 0; f < files->n; f++) roofline(files, f, s);
  bars(files, s);
  figures(files, s);
  lcl__str_html(s, "</html>\n");
  return lcl__str_ok(s) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}
