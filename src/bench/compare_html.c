/* The page of a comparison: times as bars, and each device's roofline with its workloads on it. Inline SVG only. */
#include <math.h>

#include "bench/compare.h"

static const char *const colours[] = { "#2b6cb0", "#c05621", "#2f855a", "#805ad5", "#b83280", "#718096" };
static const char *colour(size_t i) { return colours[i % LCL_COUNT(colours)]; }

static void escaped(lcl_str *s, const char *text) {
  for (; *text; text++) {
    if (*text == '<') lcl_str_add(s, "&lt;");
    else if (*text == '&') lcl_str_add(s, "&amp;");
    else if (*text == '"') lcl_str_add(s, "&quot;");
    else lcl_str_append(s, text, 1);
  }
}

static void legend(const lcl_result_file *files, size_t n, lcl_str *s) {
  lcl_str_add(s, "<p>");
  for (size_t f = 0; f < n; f++) {
    lcl_str_add(s, "<span style=\"color:%s\">&#9632;</span> ", colour(f));
    escaped(s, files[f].device);
    lcl_str_add(s, "&emsp;");
  }
  lcl_str_add(s, "</p>\n");
}

/* One group of bars a workload, on a logarithmic scale of seconds. */
static void bars(const lcl_result_file *files, size_t n, lcl_str *s) {
  double lo = INFINITY, hi = 0;
  size_t rows = 0;
  for (size_t f = 0; f < n; f++)
    for (size_t i = 0; i < files[f].n; i++)
      if (files[f].rows[i].seconds > 0 && !files[f].rows[i].unit[0]) {
        lo = fmin(lo, files[f].rows[i].seconds);
        hi = fmax(hi, files[f].rows[i].seconds);
      }
  if (!(hi > 0)) return;
  lo = pow(10, floor(log10(lo)));
  hi = pow(10, ceil(log10(hi) + 1e-9));
  double scale = 560 / (log10(hi) - log10(lo));
  for (size_t i = 0; i < files[0].n; i++) rows += !files[0].rows[i].unit[0] && files[0].rows[i].seconds > 0;
  double step = 8 + 11.0 * (double)n, height = 30 + step * (double)rows, y = 24;
  lcl_str_add(s, "<h2>Time of one run</h2>\n<svg viewBox=\"0 0 900 %.0f\" width=\"100%%\" role=\"img\">\n", height);
  for (double d = log10(lo); d <= log10(hi) + 1e-9; d++) {
    double x = 250 + (d - log10(lo)) * scale, v = pow(10, d);
    lcl_str_add(s, "<line x1=\"%.1f\" y1=\"18\" x2=\"%.1f\" y2=\"%.0f\" class=\"grid\"/><text x=\"%.1f\" y=\"12\" text-anchor=\"middle\">%g %s</text>\n",
                x, x, height, x, v < 1e-3 ? v * 1e6 : v < 1 ? v * 1e3 : v, v < 1e-3 ? "us" : v < 1 ? "ms" : "s");
  }
  for (size_t i = 0; i < files[0].n; i++) {
    if (files[0].rows[i].unit[0] || files[0].rows[i].seconds <= 0) continue;
    lcl_str_add(s, "<text x=\"242\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", y + 9, files[0].rows[i].name);
    for (size_t f = 0; f < n; f++)
      for (size_t k = 0; k < files[f].n; k++) {
        const lcl_result *r = &files[f].rows[k];
        if (strcmp(r->name, files[0].rows[i].name) != 0 || r->seconds <= 0) continue;
        lcl_str_add(s, "<rect x=\"250\" y=\"%.1f\" width=\"%.1f\" height=\"9\" fill=\"%s\"%s/>\n", y + 11.0 * (double)f,
                    fmax(1, (log10(r->seconds) - log10(lo)) * scale), colour(f), r->wrong ? " fill-opacity=\"0.25\"" : "");
      }
    y += step;
  }
  lcl_str_add(s, "</svg>\n");
}

static void roofline(const lcl_result_file *f, size_t index, lcl_str *s) {
  if (f->peak_gflops <= 0 || f->peak_gbps <= 0) return;
  const double x0 = 1e-2, x1 = 1e4, top = pow(10, ceil(log10(f->peak_gflops))), bottom = top * 1e-5;
  const double sx = 780 / (log10(x1) - log10(x0)), sy = 320 / (log10(top) - log10(bottom));
#define X(v) (90 + (log10(v) - log10(x0)) * sx)
#define Y(v) (340 - (log10(v) - log10(bottom)) * sy)
  double ridge = f->peak_gflops / f->peak_gbps;
  lcl_str_add(s, "<h2>Roofline: ");
  escaped(s, f->device);
  lcl_str_add(s, "</h2>\n<p>%.0f GFLOP/s and %.0f GB/s at best, measured in the same run.</p>\n<svg viewBox=\"0 0 900 385\" width=\"100%%\" role=\"img\">\n",
              f->peak_gflops, f->peak_gbps);
  for (double v = x0; v <= x1 * 1.001; v *= 10)
    lcl_str_add(s, "<line x1=\"%.1f\" y1=\"20\" x2=\"%.1f\" y2=\"340\" class=\"grid\"/><text x=\"%.1f\" y=\"356\" text-anchor=\"middle\">%g</text>\n", X(v), X(v), X(v), v);
  for (double v = bottom; v <= top * 1.001; v *= 10)
    lcl_str_add(s, "<line x1=\"90\" y1=\"%.1f\" x2=\"870\" y2=\"%.1f\" class=\"grid\"/><text x=\"84\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n", Y(v), Y(v), Y(v) + 4, v);
  double left = fmax(x0, bottom / f->peak_gbps);
  lcl_str_add(s, "<polyline class=\"roof\" points=\"%.1f,%.1f %.1f,%.1f %.1f,%.1f\"/>\n", X(left), Y(left * f->peak_gbps), X(ridge), Y(f->peak_gflops), X(x1), Y(f->peak_gflops));
  for (size_t i = 0; i < f->n; i++) {
    const lcl_result *r = &f->rows[i];
    if (r->gflops < bottom || r->intensity < x0 || r->intensity > x1) continue;
    lcl_str_add(s, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"><title>%s: %.1f GFLOP/s at %.2f FLOP a byte</title></circle>\n", X(r->intensity),
                Y(r->gflops), colour(index), r->name, r->gflops, r->intensity);
  }
  lcl_str_add(s, "<text x=\"480\" y=\"378\" text-anchor=\"middle\">FLOP a byte</text><text x=\"20\" y=\"180\" transform=\"rotate(-90 20 180)\" text-anchor=\"middle\">GFLOP/s</text>\n</svg>\n");
#undef X
#undef Y
}

lcl_status lcl_results_html(const lcl_result_file *files, size_t n, lcl_str *s) {
  lcl_str_add(s, "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\n"
                 "<title>LatentCL benchmark</title>\n<style>\n:root{color-scheme:light dark;--fg:#1a202c;--bg:#fff;--grid:#e2e8f0}\n"
                 "@media(prefers-color-scheme:dark){:root{--fg:#e2e8f0;--bg:#171923;--grid:#2d3748}}\n"
                 "body{font:15px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg);max-width:960px;margin:2rem auto;padding:0 1rem}\n"
                 "svg text{font-size:11px;fill:var(--fg)}.grid{stroke:var(--grid)}.roof{fill:none;stroke:var(--fg);stroke-width:1.5}\nh2{margin-top:2rem}\n"
                 "</style>\n<h1>LatentCL benchmark</h1>\n");
  legend(files, n, s);
  bars(files, n, s);
  for (size_t f = 0; f < n; f++) roofline(&files[f], f, s);
  lcl_str_add(s, "</html>\n");
  return lcl_str_ok(s) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}
