/* The page of a comparison: what was measured where, each device's roofline with its workloads on
 * it, times as bars, and every figure. */
#include <math.h>

#include "base/page.h"
#include "base/text.h"
#include "bench/compare.h"

/* A device's colour in the page's style sheet. */
static const char *colour(size_t i) {
  static const char *const colours[] = { "s1", "s2", "s3", "s4", "s5", "s6" };
  return colours[i % LCL_COUNT(colours)];
}

const char *lcl__result_time(double t, char out[32]) {
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
static const char *paleness(const lcl_result *r) {
  return r->verified < 0 ? " wrong" : "";
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
  lcl__str_html(s, "<header><p>LatentCL benchmark</p><h1>%s</h1></header><div class=cards>\n",
                files->n == 1 ? files->data[0].device : "Devices side by side");
  for (size_t f = 0; f < files->n; f++) {
    const lcl_result_file *d = &files->data[f];
    lcl__str_html(s, "<div class=\"panel device %s\"><b>%s</b><br>%s", colour(f), d->device,
                  d->driver);
    if (d->peak_gflops > 0) {
      lcl__str_html(s, "<br>at best %.4g GFLOP/s, %.4g GB/s from memory", d->peak_gflops,
                    d->peak_gbps);
      if (d->cache_gbps > d->peak_gbps)
        lcl__str_html(s, ", %.4g GB/s from the L1 cache", d->cache_gbps);
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
enum { WIDTH = 640, HEIGHT = 400, LEFT = 56, RIGHT = 616, TOP = 16, BOTTOM = 356 };
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
                  "<path d=\"M%.1f %dV%d\" class=grid /><text class=tick x=%.1f y=%d "
                  "text-anchor=middle>%g</text>\n",
                  px(p, v), TOP, BOTTOM, px(p, v), BOTTOM + 16, v);
  for (double v = p->y0; v <= p->y1 * 1.001; v *= 10)
    lcl__str_html(s,
                  "<path d=\"M%d %.1fH%d\" class=grid /><text class=tick x=%d y=%.1f "
                  "text-anchor=end>%g</text>\n",
                  LEFT, py(p, v), RIGHT, LEFT - 6, py(p, v) + 4, v);
  lcl__str_html(s, "<text class=tick x=%d y=%d text-anchor=end>useful FLOP a byte</text>\n", RIGHT,
                BOTTOM + 34);
}

/* A roof from where it enters the plot: slope of the bandwidth, then the flat of the arithmetic. */
static void roof(const plot *p, double gbps, double gflops, const char *style, lcl_str *s) {
  const double start = fmax(p->x0, p->y0 / gbps), ridge = gflops / gbps;
  lcl__str_html(s, "<path class=\"%s\" d=\"M%.1f %.1f", style, px(p, start),
                py(p, fmin(start * gbps, gflops)));
  if (ridge > start) lcl__str_html(s, "L%.1f %.1f", px(p, ridge), py(p, gflops));
  lcl__str_html(s, "H%d\"/>\n", RIGHT);
}

/* Where the numbers of points may stand without covering each other or a point. Very many points
 * are not numbered: there is no room. */
enum { POINT = 4, DIGIT = 7, LINE = 11, MOST_LABELS = 200 };
typedef struct box {
  double left, right, top, bottom;
} box;
typedef struct labels {
  struct {
    box *data;
    size_t n, cap;
  } taken; /* the points, then the labels */
  size_t placed;
} labels;

static bool is_free(const labels *l, const box *b) {
  for (size_t i = 0; i < l->taken.n; i++) {
    const box *t = &l->taken.data[i];
    if (b->left < t->right && b->right > t->left && b->top < t->bottom && b->bottom > t->top)
      return false;
  }
  return b->left > LEFT && b->right < RIGHT && b->top > TOP && b->bottom < BOTTOM;
}

/* A place for a number of so many digits beside the point, or false. */
static bool place_label(labels *l, double x, double y, int digits, box *out) {
  static const double sides[][2] = { { 1, -1 },  { 1, 0 },  { 1, 1 },  { 0, -1 },
                                     { -1, -1 }, { -1, 0 }, { -1, 1 }, { 0, 1 } };
  const double half = DIGIT * digits / 2.0, far = POINT + 1;
  for (size_t i = 0; i < LCL_COUNT(sides) && l->placed < MOST_LABELS; i++) {
    const double cx = x + sides[i][0] * (far + half), cy = y + sides[i][1] * (far + LINE / 2.0 - 2);
    *out = (box) { cx - half, cx + half, cy - LINE / 2.0, cy + LINE / 2.0 };
    if (!is_free(l, out)) continue;
    l->placed++;
    return LCL_PUSH(&l->taken, *out);
  }
  return false;
}

static void point(const lcl_result *r, const plot *p, const char *style, lcl_str *s) {
  const double x = px(p, r->intensity), y = py(p, r->gflops);
  const bool right = x < (LEFT + RIGHT) / 2.0;
  lcl__str_html(s,
                "<g class=point tabindex=0><title>%s: %.3g GFLOP/s at %.3g FLOP a byte</title>"
                "<circle class=\"dot %s%s\" cx=%.1f cy=%.1f r=%d />",
                r->name, r->gflops, r->intensity, style, paleness(r), x, y, POINT);
  lcl__str_html(s, "<text class=name x=%.1f y=%.1f text-anchor=%s>%s: %.3g GFLOP/s</text></g>\n",
                right ? x + 8 : x - 8, y - 8, right ? "start" : "end", r->name, r->gflops);
}

/* The points that a number fits beside get one: the number of their row in the table. */
static void numbers(const lcl_result_files *files, const lcl_result_file *f, const plot *p,
                    lcl_str *s) {
  labels l = { 0 };
  for (size_t i = 0; i < f->n; i++) {
    const lcl_result *r = &f->rows[i];
    const double x = px(p, r->intensity), y = py(p, r->gflops);
    if (!on_plot(r)) continue;
    const box b = { x - POINT, x + POINT, y - POINT, y + POINT };
    if (!LCL_PUSH(&l.taken, b)) s->failed = true;
  }
  for (size_t i = 0; i < f->n && !s->failed; i++) {
    const lcl_result *r = &f->rows[i];
    const int number = on_plot(r) ? number_of(files, r->name) : 0;
    box b;
    if (!number || !place_label(&l, px(p, r->intensity), py(p, r->gflops),
                                number < 10    ? 1
                                : number < 100 ? 2
                                               : 4,
                                &b))
      continue;
    lcl__str_html(s, "<text class=number x=%.1f y=%.1f text-anchor=middle>%d</text>\n",
                  (b.left + b.right) / 2, b.bottom - 2, number);
  }
  lcl__free(l.taken.data);
}

static void roofline(const lcl_result_files *files, size_t index, lcl_str *s) {
  const lcl_result_file *f = &files->data[index];
  size_t points = 0;
  for (size_t i = 0; i < f->n; i++) points += on_plot(&f->rows[i]);
  if (f->peak_gflops < 1e-6 || f->peak_gbps < 1e-6 || points == 0) return;
  const plot p = ranges(f);
  const bool cache = f->cache_gbps > 1.2 * f->peak_gbps;
  lcl__str_html(s,
                "<figure class=chart><figcaption><strong>%s</strong><span>GFLOP/s; line: at most "
                "%.4g GFLOP/s, %.4g GB/s from memory",
                f->device, f->peak_gflops, f->peak_gbps);
  if (cache) lcl__str_html(s, "; dashes: %.4g GB/s from the L1 cache", f->cache_gbps);
  lcl__str_html(s,
                ". Numbers are rows of the table, points tell their names.</span></figcaption>"
                "<div class=scroll><svg viewBox=\"0 0 %d %d\" role=img aria-label=\"Roofline of "
                "%s\">\n",
                WIDTH, HEIGHT, f->device);
  grid(&p, s);
  if (cache) roof(&p, f->cache_gbps, f->peak_gflops, "roof cache", s);
  roof(&p, f->peak_gbps, f->peak_gflops, "roof", s);
  numbers(files, f, &p, s);
  for (size_t i = 0; i < f->n; i++)
    if (on_plot(&f->rows[i])) point(&f->rows[i], &p, colour(index), s);
  lcl__str_html(s, "</svg></div></figure>\n");
}

static void rooflines(const lcl_result_files *files, lcl_str *s) {
  lcl_str plots = { 0 };
  for (size_t f = 0; f < files->n; f++) roofline(files, f, &plots);
  if (plots.n) {
    lcl__str_html(s, "<h2>%s</h2><div class=\"charts rooflines\">\n",
                  files->n == 1 ? "Roofline" : "Rooflines");
    lcl__str_append(s, plots.data, plots.n);
    lcl__str_html(s, "</div>\n");
  }
  s->failed |= plots.failed;
  lcl__str_free(&plots);
}

/* ---- bars ---- */

typedef struct range {
  double lo, hi; /* powers of ten; hi 0: nothing was timed */
} range;

static range times_of(const lcl_result_files *files) {
  range t = { INFINITY, 0 };
  for (size_t f = 0; f < files->n; f++)
    for (size_t i = 0; i < files->data[f].n; i++) {
      const lcl_result *r = &files->data[f].rows[i];
      if (!timed(r)) continue;
      t.lo = fmin(t.lo, r->seconds);
      t.hi = fmax(t.hi, r->seconds);
    }
  if (t.hi > 0) t.lo = below(t.lo), t.hi = 10 * below(t.hi);
  return t;
}

static double share(const range *t, double seconds) {
  return 100 * log10(seconds / t->lo) / log10(t->hi / t->lo);
}

static void bar(const lcl_result *r, const range *t, const char *style, lcl_str *s) {
  char text[32];
  lcl__str_html(s, "<div><i class=\"%s%s\" style=\"width:%.2f%%\"></i><span>%s%s</span></div>",
                style, paleness(r), fmax(share(t, r->seconds), 0.2),
                lcl__result_time(r->seconds, text), r->verified < 0 ? " WRONG" : "");
}

/* One group of bars a workload, on a logarithmic scale of seconds. */
static void bars(const lcl_result_files *files, lcl_str *s) {
  const lcl_result_file *first = files->data;
  const range t = times_of(files);
  int tick = 0;
  if (!(t.hi > 0)) return;
  lcl__str_html(s,
                "<h2>Time of one run</h2><p>Shorter is better; each line is ten times the one "
                "before.</p>\n<div class=\"panel bars\" style=\"--decade:%.3f%%\">"
                "<span></span><div class=axis>",
                share(&t, 10 * t.lo));
  for (double v = t.lo; v <= t.hi * 1.001; v *= 10) {
    char text[32];
    lcl__str_html(s, "<span class=\"%s\" style=\"left:%.2f%%\">%s</span>",
                  tick++ % 2 ? "odd" : "even", share(&t, v), lcl__result_time(v, text));
  }
  lcl__str_html(s, "</div>\n");
  for (size_t i = 0; i < first->n; i++) {
    const char *name = first->rows[i].name;
    if (!timed(&first->rows[i])) continue;
    lcl__str_html(s, "<span>%s</span><div class=lines>", name);
    for (size_t f = 0; f < files->n; f++) {
      const lcl_result *r = lcl__result_find(&first[f], name);
      if (timed(r)) bar(r, &t, colour(f), s);
    }
    lcl__str_html(s, "</div>\n");
  }
  lcl__str_html(s, "</div>\n");
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
  lcl__str_html(s, "<td>%s <small>&plusmn; %s</small>", lcl__result_time(r->seconds, median),
                lcl__result_time(r->spread, spread));
  if (r->verified < 0) lcl__str_html(s, " <b>WRONG</b>");
  if (r->verified > 0) lcl__str_html(s, " &#10003;");
  lcl__str_html(s, "</td><td>%.3g</td><td>%.3g</td>", r->gflops, r->gbps);
  if (r->roofline >= 0)
    lcl__str_html(s, "<td class=part style=\"--part:%.0f%%\">%.0f %%</td>", fmin(r->roofline, 100),
                  r->roofline);
  else
    lcl__str_html(s, "<td></td>");
  if (!detail) return;
  lcl__str_html(s, "<td><small>%s</small></td>", r->algorithm);
}

static void figures(const lcl_result_files *files, lcl_str *s) {
  const lcl_result_file *first = files->data;
  const bool detail = files->n == 1;
  lcl__str_html(s, "<h2>Figures</h2>\n<div class=\"panel scroll\"><table class=\"wide figures\">"
                   "<tr><th>workload</th>");
  for (size_t f = 0; f < files->n; f++) {
    lcl__str_html(s,
                  "<th><span class=\"key %s\">time</span></th><th>GFLOP/s</th><th>GB/s</th>"
                  "<th>roofline</th>",
                  colour(f));
    if (f) lcl__str_html(s, "<th>x faster</th>");
    if (detail) lcl__str_html(s, "<th>most of the arithmetic</th>");
  }
  lcl__str_html(s, "</tr>\n");
  for (size_t i = 0; i < first->n; i++) {
    const lcl_result *a = &first->rows[i];
    const int number = number_of(files, a->name);
    lcl__str_html(s, "<tr><td class=head>");
    if (number) lcl__str_html(s, "<small>%d</small> ", number);
    lcl__str_html(s, "%s</td>", a->name);
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
  lcl__page_begin(s, "LatentCL benchmark");
  devices(files, s);
  rooflines(files, s);
  bars(files, s);
  figures(files, s);
  lcl__page_end(s);
  return lcl__str_ok(s) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}
