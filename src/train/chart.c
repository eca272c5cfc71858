/* Line charts as inline SVG, coloured by the page's style sheet. */
#include <math.h>

#include "train/report.h"

enum {
  WIDTH = 560,
  HEIGHT = 260,
  LEFT = 56,
  RIGHT = 14,
  TOP = 14,
  BOTTOM = 38,
  MAX_POINTS = 500,
  MAX_TICKS = 12
};

typedef struct scale {
  double lo, hi;
  bool log;
  double from, to; /* pixels */
} scale;

static double place(const scale *s, double v) {
  double a = s->log ? log10(v) : v, lo = s->log ? log10(s->lo) : s->lo,
         hi = s->log ? log10(s->hi) : s->hi;
  return s->from + (hi > lo ? (a - lo) / (hi - lo) : 0.5) * (s->to - s->from);
}

/* Curves go where a screen can tell something of them. */
static const double smallest = 1e-30, largest = 1e30;
static bool shown(double v) {
  return fabs(v) <= largest;
}

static scale x_scale(const lcl_chart *c) {
  scale s = { .lo = INFINITY, .hi = -INFINITY, .from = LEFT, .to = WIDTH - RIGHT };
  for (int i = 0; i < c->n; i++)
    for (int k = 0; k < c->series[i].n; k++) {
      s.lo = LCL_MIN(s.lo, c->series[i].x[k]);
      s.hi = LCL_MAX(s.hi, c->series[i].x[k]);
    }
  if (!(s.hi > s.lo)) s.hi = s.lo + 1;
  s.log = c->log_x && s.lo > 0;
  return s;
}

/* A step of 1, 2 or 5 times a power of ten that gives about five ticks. */
static double nice_step(double span) {
  double raw = span / 5, power = pow(10, floor(log10(raw))), m = raw / power;
  return power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

static scale y_scale(const lcl_chart *c) {
  scale s = { .lo = INFINITY, .hi = -INFINITY, .from = HEIGHT - BOTTOM, .to = TOP };
  for (int i = 0; i < c->n; i++)
    for (int k = 0; k < c->series[i].n; k++) {
      if (!shown(c->series[i].y[k])) continue;
      s.lo = LCL_MIN(s.lo, c->series[i].y[k]);
      s.hi = LCL_MAX(s.hi, c->series[i].y[k]);
    }
  if (!(s.hi >= s.lo)) s.lo = 0, s.hi = 1;
  s.log = s.lo >= smallest && s.hi / s.lo > 12;
  if (s.log) {
    s.lo *= 0.9;
    s.hi *= 1.1;
    return s;
  }
  if (s.hi == s.lo) s.lo = LCL_MIN(s.lo, 0), s.hi = LCL_MAX(s.hi, 0); /* one value: beside 0 */
  double span = LCL_MAX(s.hi - s.lo, fabs(s.hi) * 1e-3 + 1e-9), step = nice_step(span);
  s.lo = s.lo >= 0 && s.lo < span * 2 ? 0 : floor(s.lo / step) * step;
  s.hi = ceil(s.hi / step) * step;
  if (!(s.hi > s.lo)) s.hi = s.lo + step;
  return s;
}

static void y_tick(lcl_str *o, const scale *y, double v, int digits) {
  double at = place(y, v);
  lcl__str_html(o,
                "<line class=grid x1=%d x2=%d y1=%.1f y2=%.1f /><text class=tick x=%d y=%.1f "
                "text-anchor=end>%.*g</text>",
                LEFT, WIDTH - RIGHT, at, at, LEFT - 7, at + 4, digits, v);
}

static void y_ticks(lcl_str *o, const scale *y) {
  if (!y->log) {
    const double step = nice_step(y->hi - y->lo);
    /* As many as tell neighbours apart. */
    const double apart = ceil(log10(LCL_MAX(fabs(y->lo), fabs(y->hi)) / step)) + 1;
    const int digits = (int)LCL_MIN(LCL_MAX(apart, 4), 15);
    for (int i = 0; i <= MAX_TICKS; i++) {
      const double v = (ceil(y->lo / step) + i) * step;
      if (v <= y->hi + step * 1e-6) y_tick(o, y, fabs(v) < step * 1e-6 ? 0 : v, digits);
    }
    return;
  }
  static const double all[] = { 1, 2, 5 };
  const int first = (int)floor(log10(y->lo)), last = (int)ceil(log10(y->hi)),
            every = 1 + (last - first) / 12;
  const bool many = y->hi / y->lo > 2000;
  for (int e = first; e <= last; e += every)
    for (int i = 0; i < (many ? 1 : 3); i++) {
      const double v = pow(10, e) * all[i];
      if (v >= y->lo && v <= y->hi) y_tick(o, y, v, 4);
    }
}

static void x_ticks(lcl_str *o, const scale *x, const char *label) {
  double step = LCL_MAX(nice_step(x->hi - x->lo), 1);
  for (int i = 0; i <= MAX_TICKS; i++) {
    const double v = x->log ? pow(10, ceil(log10(x->lo) - 1e-9) + i)
                            : (ceil(x->lo / step) + i) * step;
    if (v <= x->hi * (x->log ? 1 + 1e-9 : 1))
      lcl__str_html(o, "<text class=tick x=%.1f y=%d text-anchor=middle>%.6g</text>", place(x, v),
                    HEIGHT - BOTTOM + 17, v);
  }
  lcl__str_html(o, "<text class=tick x=%d y=%d text-anchor=end>", WIDTH - RIGHT, HEIGHT - 4);
  lcl__str_html(o, "%s", label);
  lcl__str_html(o, "</text><line class=axis x1=%d x2=%d y1=%d y2=%d />", LEFT, WIDTH - RIGHT,
                HEIGHT - BOTTOM, HEIGHT - BOTTOM);
}

static void line(lcl_str *o, const lcl_series *s, const scale *x, const scale *y) {
  int every = LCL_MAX(1, (s->n + MAX_POINTS - 1) / MAX_POINTS);
  lcl__str_html(o, "<path class=\"line %s\" d=\"", s->style);
  bool pen = false;
  for (int i = 0; i < s->n + every - 1; i += every) { /* the last one too */
    const int k = LCL_MIN(i, s->n - 1);
    bool ok = shown(s->y[k]) && (!y->log || s->y[k] > 0);
    if (ok) lcl__str_html(o, "%c%.1f %.1f", pen ? 'L' : 'M', place(x, s->x[k]), place(y, s->y[k]));
    pen = ok;
  }
  lcl__str_html(o, "\"/>");
  if (s->n > 60) return;
  for (int k = 0; k < s->n; k++) {
    if (!shown(s->y[k])) continue;
    lcl__str_html(o, "<circle class=\"dot %s\" cx=%.1f cy=%.1f r=2.4><title>", s->style,
                  place(x, s->x[k]), place(y, s->y[k]));
    lcl__str_html(o, "%s", s->name);
    lcl__str_html(o, " at %.6g: %.5g</title></circle>", s->x[k], s->y[k]);
  }
}

static void legend(lcl_str *o, const lcl_chart *c) {
  lcl__str_html(o, "<figcaption><strong>");
  lcl__str_html(o, "%s", c->title);
  lcl__str_html(o, "</strong>");
  for (int i = 0; i < c->n; i++) {
    lcl__str_html(o, "<span class=\"key %s\">", c->series[i].style);
    lcl__str_html(o, "%s", c->series[i].name);
    lcl__str_html(o, "</span>");
  }
  lcl__str_html(o, "</figcaption>");
}

void lcl__chart_svg(lcl_str *o, const lcl_chart *c) {
  scale x = x_scale(c), y = y_scale(c);
  lcl__str_html(o, "<figure class=chart>");
  legend(o, c);
  lcl__str_html(o, "<svg viewBox=\"0 0 %d %d\" role=img aria-label=\"", WIDTH, HEIGHT);
  lcl__str_html(o, "%s", c->title);
  lcl__str_html(o, "\">");
  y_ticks(o, &y);
  x_ticks(o, &x, c->x_label);
  if (c->mark > 0) {
    double at = place(&x, c->mark);
    bool right = at > WIDTH * 0.7;
    lcl__str_html(o,
                  "<line class=mark x1=%.1f x2=%.1f y1=%d y2=%d /><text class=tick x=%.1f y=%d "
                  "text-anchor=%s>",
                  at, at, TOP, HEIGHT - BOTTOM, right ? at - 5 : at + 5, TOP + 9,
                  right ? "end" : "start");
    lcl__str_html(o, "%s", c->mark_label);
    lcl__str_html(o, "</text>");
  }
  for (int i = 0; i < c->n; i++) line(o, &c->series[i], &x, &y);
  lcl__str_html(o, "</svg></figure>");
}
