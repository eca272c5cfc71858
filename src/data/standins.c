/* Generated stand-ins for data that few people have: "synthetic:objects" (coloured shapes, 3x32x32,
 * ten classes, in the place of CIFAR-10), "synthetic:animals" (3x48x48, cats and dogs),
 * "synthetic:birds" (sound, ten species, 44.1 kHz), "synthetic:features" (2048 numbers, ten
 * classes, in the place of a network's features). They show that everything runs; their error rates
 * say nothing about the real data. Each example is a function of (seed, its number) alone. */
#include <math.h>

#include "base/parallel.h"
#include "base/philox.h"
#include "data/recordings.h"

#define PI 3.14159265358979323846

typedef struct point {
  double x, y;
} point;

static double between(float u, double lo, double hi) {
  return lo + (hi - lo) * u;
}

/* ---- images: signed distances, negative inside, in a box of -1..1, y down ---- */

static double disc(point p, double x, double y, double r) {
  return hypot(p.x - x, p.y - y) - r;
}
static double box(point p, double w, double h) {
  return fmax(fabs(p.x) - w, fabs(p.y) - h);
}
static double ellipse(point p, double x, double y, double w, double h) {
  return (hypot((p.x - x) / w, (p.y - y) / h) - 1) * fmin(w, h);
}
/* Upright triangle of height 1.5 r around (x,y). */
static double triangle(point p, double x, double y, double r) {
  double dx = fabs(p.x - x), dy = p.y - y;
  return fmax(dy - r / 2, dx * 0.866 - dy * 0.5 - r / 2);
}

static const char *const shape_names[] = { "disc", "ring", "square",   "triangle", "cross",
                                           "star", "bar",  "crescent", "dots",     "frame" };

static double shape(int kind, point p) {
  double r = hypot(p.x, p.y);
  switch (kind) {
  case 0: return r - 0.7;
  case 1: return fabs(r - 0.6) - 0.15;
  case 2: return box(p, 0.62, 0.62);
  case 3: return triangle(p, 0, 0.1, 0.85);
  case 4: return fmin(box(p, 0.18, 0.8), box(p, 0.8, 0.18));
  case 5: return r - (0.5 + 0.28 * cos(5 * atan2(p.y, p.x)));
  case 6: return box(p, 0.9, 0.2);
  case 7: return fmax(r - 0.75, 0.6 - hypot(p.x - 0.4, p.y));
  case 8: return fmin(disc(p, -0.45, 0, 0.3), disc(p, 0.45, 0, 0.3));
  default: return fabs(box(p, 0.6, 0.6)) - 0.12;
  }
}

static const char *const animal_names[] = { "cat", "dog" };

/* Head, ears (standing or hanging) and, for dogs, a muzzle below. */
static double animal(int kind, point p) {
  double head = disc(p, 0, 0.1, 0.55);
  point q = { fabs(p.x), p.y };
  if (kind == 0) return fmin(head, triangle(q, 0.36, -0.45, 0.32));
  return fmin(fmin(head, ellipse(q, 0.6, 0.15, 0.17, 0.5)), ellipse(p, 0, 0.55, 0.3, 0.25));
}

static double eyes(point p) {
  return disc((point) { fabs(p.x), p.y }, 0.2, 0.02, 0.09);
}

typedef struct image_job {
  uint64_t seed;
  int64_t first;
  int side, classes;
  bool animals;
  uint8_t *pixels;
  int32_t *labels;
} image_job;

/* How much of a pixel lies inside; pixel: its size in the figure's own units. */
static double cover(double distance, double pixel) {
  return fmin(fmax(0.5 - distance / pixel, 0), 1);
}

static void draw(const image_job *j, int64_t i, uint8_t *out, int32_t *label) {
  float u[24];
  uint32_t order[10];
  int n = j->side, plane = n * n;
  lcl__philox_uniform(j->seed, lcl__philox_stream("standin.picture"), (uint64_t)i, u, 24);
  lcl__philox_permutation(j->seed, lcl__philox_stream("standin.class"), (uint64_t)(i / j->classes),
                          order, (uint32_t)j->classes);
  int kind = (int)order[i % j->classes];
  double angle = j->animals ? between(u[0], -0.5, 0.5) : between(u[0], 0, 2 * PI),
         size = between(u[1], 0.5, 0.95);
  double cx = between(u[2], -0.3, 0.3), cy = between(u[3], -0.3, 0.3), pixel = 2.0 / n / size;
  double cosine = cos(angle), sine = sin(angle), wave_x = between(u[4], -9, 9),
         wave_y = between(u[5], -9, 9), wave = between(u[6], 0, 0.15);
  for (int y = 0; y < n; y++) {
    for (int x = 0; x < n; x++) {
      double px = 2 * (x + 0.5) / n - 1, py = 2 * (y + 0.5) / n - 1, dx = (px - cx) / size,
             dy = (py - cy) / size;
      point p = { cosine * dx + sine * dy, cosine * dy - sine * dx };
      double in = cover(j->animals ? animal(kind, p) : shape(kind, p), pixel);
      double dark = j->animals ? cover(eyes(p), pixel) : 0;
      double ripple = wave * sin(wave_x * px + wave_y * py);
      for (int c = 0; c < 3; c++) {
        /* The figure keeps a distance from the background in every channel, up or down by the same
         * coin. */
        double ground = between(u[7 + c], 0.25, 0.75),
               step = between(u[10 + c], 0.2, 0.45) * (u[13] < 0.5f ? 1 : -1);
        double back = ground + ripple + 0.12 * (px * (u[14 + c] - 0.5) + py * (u[17 + c] - 0.5));
        double v = back + in * (ground + step - back);
        v = v * (1 - dark) + 0.05 * dark;
        out[c * plane + y * n + x] = (uint8_t)lrint(255 * fmin(fmax(v, 0), 1));
      }
    }
  }
  *label = kind;
}

static void draw_range(void *user, int64_t begin, int64_t end) {
  const image_job *j = user;
  size_t each = 3 * (size_t)j->side * (size_t)j->side;
  for (int64_t i = begin; i < end; i++)
    draw(j, j->first + i, j->pixels + (size_t)i * each, j->labels + i);
}

static lcl_status copy_names(const char *const *names, int n, char ***out) {
  *out = lcl__alloc((size_t)n * sizeof **out);
  bool ok = *out != NULL;
  for (int i = 0; i < n && ok; i++) ok = ((*out)[i] = lcl__strdup(names[i])) != NULL;
  return ok ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static lcl_status make_images(bool animals, uint64_t seed, int64_t first, int64_t count,
                              lcl_dataset **out) {
  int side = animals ? 48 : 32, classes = animals ? 2 : 10;
  lcl_raw raw = { count,
                  3,
                  side,
                  side,
                  lcl__alloc((size_t)count * 3 * (size_t)(side * side)),
                  NULL,
                  lcl__alloc((size_t)count * sizeof(int32_t)),
                  classes,
                  NULL };
  lcl_status status = raw.pixels && raw.labels ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK)
    status = copy_names(animals ? animal_names : shape_names, classes, &raw.class_names);
  if (status != LCL_OK) {
    lcl__raw_free(&raw);
    return status;
  }
  image_job j = { seed, first, side, classes, animals, raw.pixels, raw.labels };
  lcl__parallel_for(count, 64, draw_range, &j);
  return lcl__raw_to_dataset(&raw, "images", out);
}

/* ---- features: a mean for each class, unit noise, and nothing below zero ---- */

enum { FEATURES = 2048, FEATURE_CLASSES = 10 };

typedef struct feature_job {
  uint64_t seed;
  int64_t first;
  const float *mean; /* FEATURE_CLASSES x FEATURES */
  float *values;
  int32_t *labels;
} feature_job;

static void feature_range(void *user, int64_t begin, int64_t end) {
  const feature_job *j = user;
  for (int64_t i = begin; i < end; i++) {
    float *x = j->values + (size_t)i * FEATURES;
    int label = (int)((j->first + i) % FEATURE_CLASSES);
    lcl__philox_normal(j->seed, lcl__philox_stream("standin.features"), (uint64_t)(j->first + i), x,
                       FEATURES);
    for (int k = 0; k < FEATURES; k++)
      x[k] = fmaxf(x[k] + 0.25f * j->mean[label * FEATURES + k], 0);
    j->labels[i] = label;
  }
}

static lcl_status make_features(uint64_t seed, int64_t first, int64_t count, lcl_dataset **out) {
  lcl_raw raw = { count,
                  1,
                  1,
                  FEATURES,
                  NULL,
                  lcl__alloc((size_t)count * FEATURES * sizeof(float)),
                  lcl__alloc((size_t)count * sizeof(int32_t)),
                  FEATURE_CLASSES,
                  NULL };
  float *mean = lcl__alloc((size_t)FEATURE_CLASSES * FEATURES * sizeof *mean);
  if (!raw.values || !raw.labels || !mean) {
    lcl__raw_free(&raw);
    lcl__free(mean);
    return LCL_ERR_HOST_MEMORY;
  }
  lcl__philox_normal(seed, lcl__philox_stream("standin.means"), 0, mean,
                     (size_t)FEATURE_CLASSES * FEATURES);
  feature_job j = { seed, first, mean, raw.values, raw.labels };
  lcl__parallel_for(count, 64, feature_range, &j);
  lcl__free(mean);
  LCL_TRY(lcl__raw_to_dataset(&raw, "features", out));
  (*out)->any_range = true;
  return LCL_OK;
}

/* ---- sound: each species has its pitch, its syllable (rising, falling, warbling), its rhythm ----
 */

enum { RATE = 44100, SPECIES = 10, RECORDINGS = 10, SAMPLES = RATE * 6 / 5 };

static void sing(uint64_t seed, int species, int number, float *out) {
  float u[4];
  uint64_t step = (uint64_t)species * RECORDINGS + (uint64_t)number;
  lcl__philox_uniform(seed, lcl__philox_stream("standin.song"), step, u, 4);
  lcl__philox_normal(seed, lcl__philox_stream("standin.noise"), step, out, SAMPLES);
  double pitch = (1200 + 450 * species) * between(u[0], 0.94, 1.06), loud = between(u[1], 0.2, 0.8);
  double noise = between(u[2], 0.02, 0.1), phase = 0;
  double syllable = 0.06 + 0.015 * (species % 4), rhythm = syllable + 0.04 + 0.02 * (species % 5);
  for (int i = 0; i < SAMPLES; i++) {
    double t = fmod((double)i / RATE + u[3] * rhythm, rhythm), at = t / syllable, f = pitch;
    if (species % 3 == 0) f *= 0.85 + 0.3 * at;
    if (species % 3 == 1) f *= 1.15 - 0.3 * at;
    if (species % 3 == 2) f *= 1 + 0.1 * sin(2 * PI * 60 * t);
    phase += 2 * PI * f / RATE;
    double envelope = at < 1 ? sin(PI * at) : 0;
    out[i] = (float)fmin(fmax(loud * envelope * sin(phase) + noise * 0.3 * out[i], -1), 1);
  }
}

static lcl_status open_birds(const lcl_data_desc *desc, lcl_splits *out) {
  lcl_recordings r = { .rate = RATE };
  lcl_names names = { 0 };
  float *song = lcl__alloc(SAMPLES * sizeof *song);
  lcl_status status = song ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (int s = 0; s < SPECIES && status == LCL_OK; s++) {
    char text[16];
    snprintf(text, sizeof text, "bird%d", s);
    char *copy = lcl__strdup(text);
    if (!copy || !LCL_PUSH(&names, copy)) {
      lcl__free(copy);
      status = LCL_ERR_HOST_MEMORY;
    }
    for (int k = 0; k < RECORDINGS && status == LCL_OK; k++) {
      sing(desc->seed, s, k, song);
      status = lcl__recordings_add(&r, song, SAMPLES, s);
    }
  }
  if (status == LCL_OK) status = lcl__recordings_parts(desc, &r, &names, out);
  lcl__free(song);
  lcl__names_free(&names);
  lcl__recordings_free(&r);
  return status;
}

/* ---- choosing ---- */

static lcl_status make(const char *kind, uint64_t seed, int64_t first, int64_t count,
                       lcl_dataset **out) {
  if (strcmp(kind, "objects") == 0) return make_images(false, seed, first, count, out);
  if (strcmp(kind, "animals") == 0) return make_images(true, seed, first, count, out);
  if (strcmp(kind, "features") == 0) return make_features(seed, first, count, out);
  if (strcmp(kind, "digits") == 0) return lcl_dataset_synthetic(seed, first, count, out);
  return lcl__fail(
      LCL_ERR_ARGUMENT,
      "there are no built-in data \"%s\" (known: digits, objects, animals, features, birds)", kind);
}

lcl_status lcl__open_synthetic(const lcl_data_desc *desc, lcl_splits *out) {
  /* Parts lie this far from each other, so that sizes can change and they never meet; a multiple of
   * 10 keeps classes even. */
  const int64_t far = INT64_C(500000000000);
  const char *colon = desc->path ? strchr(desc->path, ':') : NULL,
             *kind = colon ? colon + 1 : "digits";
  int64_t usual = strcmp(kind, "digits") == 0 ? 10000 : 5000;
  int64_t train = desc->synthetic_train ? desc->synthetic_train : usual;
  int64_t valid = desc->valid ? desc->valid : usual / 5,
          test = desc->synthetic_test ? desc->synthetic_test : usual / 5;
  if (train < 1 || test < 1 || train > 10000000 || valid > 10000000 || test > 10000000)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "synthetic data: sizes must be 1 to 10000000, not %lld and %lld",
                     (long long)train, (long long)test);
  out->format = "synthetic";
  if (strcmp(kind, "birds") == 0) return open_birds(desc, out);
  LCL_TRY(make(kind, desc->seed, 0, train, &out->train));
  if (valid > 0) LCL_TRY(make(kind, desc->seed, far, valid, &out->valid));
  return make(kind, desc->seed, 2 * far, test, &out->test);
}
