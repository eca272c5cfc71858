/* The built-in digits: pen strokes, jittered, bent, mapped by a random affine map and drawn with a
 * random pen. Each example is a function of (seed, its number) alone. */
#include <math.h>

#include "data/data_internal.h"
#include "data/strokes.h"
#include "base/parallel.h"
#include "base/philox.h"

#define SIDE      28
#define WAVES     3 /* of the elastic distortion, per axis */
#define PER_SPAN  6 /* segments a span of a smooth curve */
#define MAX_CURVE (LCL_STROKE_MAX_POINTS * PER_SPAN + 1)
#define N_UNIFORM 32
#define N_NORMAL  (2 * LCL_STROKE_MAX_PATHS * LCL_STROKE_MAX_POINTS + 16)

typedef struct point {
  float x, y;
} point;

/* How one example is bent: everything sampled but the points' jitter. */
typedef struct style {
  float a, b, c, d, tx, ty; /* affine: x' = a x + b y + tx, y' = c x + d y + ty, centred on (0,0) */
  float amp[2 * WAVES], fx[2 * WAVES], fy[2 * WAVES], phase[2 * WAVES];
  float radius, soft, ink;
} style;

typedef struct job {
  uint64_t seed;
  int64_t first;
  uint8_t *pixels;
  int32_t *labels;
} job;

static float between(float u, float lo, float hi) {
  return lo + (hi - lo) * u;
}

/* No example is bent by more than two deviations: beyond that people could not read it either. */
static float clip(float g) {
  return LCL_MIN(LCL_MAX(g, -2.0f), 2.0f);
}

static void make_style(const float *u, const float *g, style *s) {
  const float pi = 3.14159265f;
  float angle = 0.13f * clip(g[0]), slant = 0.2f * clip(g[1]) - 0.1f;
  float height = between(u[0], 15.0f, 20.5f), width = height * between(u[1], 0.52f, 0.95f);
  float cosine = cosf(angle), sine = sinf(angle);
  /* scale, then shear along x, then rotate */
  s->a = cosine * width;
  s->b = cosine * slant * height - sine * height;
  s->c = sine * width;
  s->d = sine * slant * height + cosine * height;
  s->tx = SIDE / 2.0f + between(u[2], -2.2f, 2.2f);
  s->ty = SIDE / 2.0f + between(u[3], -2.2f, 2.2f);
  for (int k = 0; k < 2 * WAVES; k++) {
    s->amp[k] = 0.7f * clip(g[2 + k]) / (float)(1 + k % WAVES);
    s->fx[k] = between(u[4 + k], -1, 1) * 2 * pi / SIDE * (float)(1 + k % WAVES);
    s->fy[k] = between(u[10 + k], -1, 1) * 2 * pi / SIDE * (float)(1 + k % WAVES);
    s->phase[k] = 2 * pi * u[16 + k];
  }
  s->radius = between(u[22] * u[22], 0.5f, 1.9f);
  s->soft = between(u[23], 0.6f, 1.2f);
  s->ink = between(u[24], 0.85f, 1.0f);
}

static point bend(const style *s, point p) {
  float x = p.x - 0.5f, y = p.y - 0.5f;
  point q = { s->a * x + s->b * y + s->tx, s->c * x + s->d * y + s->ty };
  point r = q;
  for (int k = 0; k < WAVES; k++) {
    r.x += s->amp[k] * sinf(s->fx[k] * q.x + s->fy[k] * q.y + s->phase[k]);
    int m = k + WAVES;
    r.y += s->amp[m] * sinf(s->fx[m] * q.x + s->fy[m] * q.y + s->phase[m]);
  }
  return r;
}

/* Uniform Catmull-Rom through p0..p3 at t in [0,1] between p1 and p2. */
static float spline(float p0, float p1, float p2, float p3, float t) {
  return p1 +
         0.5f * t *
             ((p2 - p0) + t * ((2 * p0 - 5 * p1 + 4 * p2 - p3) + t * (3 * (p1 - p2) + p3 - p0)));
}

/* Points of the curve through a path's (jittered) points; returns how many. */
static int trace(const lcl_stroke_path *path, const float *jitter, point *out) {
  point p[LCL_STROKE_MAX_POINTS];
  int n = 0;
  for (int i = 0; i < path->n; i++) {
    p[i].x = path->xy[i][0] / 100.0f + 0.025f * clip(jitter[2 * i]);
    p[i].y = path->xy[i][1] / 100.0f + 0.025f * clip(jitter[2 * i + 1]);
  }
  for (int i = 0; i + 1 < path->n; i++) {
    const point *a = &p[LCL_MAX(i - 1, 0)], *b = &p[i], *c = &p[i + 1],
                *d = &p[LCL_MIN(i + 2, path->n - 1)];
    for (int k = 0; k < PER_SPAN; k++) {
      float t = (float)k / PER_SPAN;
      out[n].x = path->straight ? b->x + t * (c->x - b->x) : spline(a->x, b->x, c->x, d->x, t);
      out[n++].y = path->straight ? b->y + t * (c->y - b->y) : spline(a->y, b->y, c->y, d->y, t);
    }
  }
  out[n++] = p[path->n - 1];
  return n;
}

static float distance(float x, float y, point a, point b) {
  float dx = b.x - a.x, dy = b.y - a.y, len = dx * dx + dy * dy;
  float t = len > 0 ? ((x - a.x) * dx + (y - a.y) * dy) / len : 0;
  t = LCL_MIN(LCL_MAX(t, 0.0f), 1.0f);
  float ex = x - a.x - t * dx, ey = y - a.y - t * dy;
  return sqrtf(ex * ex + ey * ey);
}

/* Smallest distance of each pixel to the segment, in dist. */
static void draw_segment(point a, point b, float reach, float *dist) {
  int x0 = LCL_MAX((int)floorf(LCL_MIN(a.x, b.x) - reach), 0),
      x1 = LCL_MIN((int)ceilf(LCL_MAX(a.x, b.x) + reach), SIDE - 1);
  int y0 = LCL_MAX((int)floorf(LCL_MIN(a.y, b.y) - reach), 0),
      y1 = LCL_MIN((int)ceilf(LCL_MAX(a.y, b.y) + reach), SIDE - 1);
  for (int y = y0; y <= y1; y++) {
    for (int x = x0; x <= x1; x++) {
      float d = distance((float)x + 0.5f, (float)y + 0.5f, a, b);
      dist[y * SIDE + x] = LCL_MIN(dist[y * SIDE + x], d);
    }
  }
}

static void draw_glyph(const lcl_glyph *glyph, const style *s, const float *jitter, uint8_t *out) {
  float dist[SIDE * SIDE];
  point curve[MAX_CURVE];
  for (int i = 0; i < SIDE * SIDE; i++) dist[i] = 1e9f;
  for (int k = 0; k < glyph->n; k++) {
    int n = trace(&glyph->path[k], jitter + 2 * k * LCL_STROKE_MAX_POINTS, curve);
    for (int i = 0; i < n; i++) curve[i] = bend(s, curve[i]);
    for (int i = 0; i + 1 < n; i++)
      draw_segment(curve[i], curve[i + 1], s->radius + s->soft + 1, dist);
  }
  for (int i = 0; i < SIDE * SIDE; i++) {
    /* full ink inside the pen's radius, a linear edge of width 2*soft around it */
    float v = (s->radius + s->soft - dist[i]) / (2 * s->soft);
    out[i] = (uint8_t)lrintf(255 * s->ink * LCL_MIN(LCL_MAX(v, 0.0f), 1.0f));
  }
}

/* Each block of ten consecutive examples holds every digit once, in a random order. */
static int digit_of(uint64_t seed, int64_t i) {
  uint32_t order[10];
  lcl__philox_permutation(seed, lcl__philox_stream("synthetic.class"), (uint64_t)(i / 10), order,
                          10);
  return (int)order[i % 10];
}

static void make_example(uint64_t seed, int64_t i, uint8_t *pixels, int32_t *label) {
  float u[N_UNIFORM], g[N_NORMAL];
  lcl__philox_uniform(seed, lcl__philox_stream("synthetic.uniform"), (uint64_t)i, u, N_UNIFORM);
  lcl__philox_normal(seed, lcl__philox_stream("synthetic.normal"), (uint64_t)i, g, N_NORMAL);
  int digit = digit_of(seed, i), first = 0, n = 0;
  for (int k = 0; k < lcl__n_glyphs; k++) {
    if (lcl__glyphs[k].digit != digit) continue;
    if (n++ == 0) first = k;
  }
  style s;
  make_style(u, g, &s);
  draw_glyph(&lcl__glyphs[first + LCL_MIN((int)(u[25] * (float)n), n - 1)], &s, g + 16, pixels);
  *label = digit;
}

static void make_range(void *user, int64_t begin, int64_t end) {
  job *j = user;
  for (int64_t i = begin; i < end; i++)
    make_example(j->seed, j->first + i, j->pixels + (size_t)i * SIDE * SIDE, j->labels + i);
}

lcl_status lcl_dataset_synthetic(uint64_t seed, int64_t first, int64_t count, lcl_dataset **out) {
  LCL_NEED(out);
  *out = NULL;
  if (first < 0 || count < 1 || count > 10000000)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "synthetic digits: %lld examples asked for; 1 to 10000000 can be made",
                     (long long)count);
  lcl_raw raw = { count, 1, SIDE, SIDE, NULL, NULL, NULL, 10, NULL };
  raw.pixels = lcl__alloc((size_t)count * SIDE * SIDE);
  raw.labels = lcl__alloc((size_t)count * sizeof *raw.labels);
  if (!raw.pixels || !raw.labels) {
    lcl__raw_free(&raw);
    return LCL_ERR_HOST_MEMORY;
  }
  job j = { seed, first, raw.pixels, raw.labels };
  lcl__parallel_for(count, 250, make_range, &j);
  return lcl__raw_to_dataset(&raw, "synthetic digits", out);
}
