/* winograd.cl: what conv_winograd.cl and conv_winograd_tiled.cl share: the transforms of one
 * dimension of F(OUTS x OUTS, 3x3), with 2 or 4 OUTS, and where tiles are. Included, where floatv
 * is a number or a vector of them.
 */
#include "args.h"

#ifndef OUTS /* compiled alone */
#define OUTS 4
typedef float floatv;
#endif

#define SPAN      (OUTS + 2)
#define POSITIONS (SPAN * SPAN)

/* Arrays of vectors stay in registers where the loops over them are unrolled. */
#define UNROLL _Pragma("unroll")

/* A transform of one dimension, of IN numbers to OUT of them, applied to both: columns first. load
 * is the number in row r and column b; the statement store has row r of the result in to[OUT]. */
#define TRANSFORM_BOTH(IN, OUT, transform, load, store)                                            \
  floatv both[IN][OUT]; /* [column][row] */                                                        \
  UNROLL for (int b = 0; b < IN; b++) {                                                            \
    floatv d[IN];                                                                                  \
    UNROLL for (int r = 0; r < IN; r++) d[r] = load;                                               \
    transform(d, both[b]);                                                                         \
  }                                                                                                \
  UNROLL for (int r = 0; r < OUT; r++) {                                                           \
    floatv d[IN], to[OUT];                                                                         \
    UNROLL for (int b = 0; b < IN; b++) d[b] = both[b][r];                                         \
    transform(d, to);                                                                              \
    store;                                                                                         \
  }

#if OUTS == 2

/* Bt d */
static void transform_input(const floatv d[SPAN], floatv v[SPAN]) {
  v[0] = d[0] - d[2], v[1] = d[1] + d[2], v[2] = d[2] - d[1], v[3] = d[1] - d[3];
}

/* G g */
static void transform_filter(const floatv g[3], floatv u[SPAN]) {
  u[0] = g[0];
  u[1] = 0.5f * (g[0] + g[1] + g[2]);
  u[2] = 0.5f * (g[0] - g[1] + g[2]);
  u[3] = g[2];
}

/* At m */
static void transform_output(const floatv m[SPAN], floatv y[OUTS]) {
  y[0] = m[0] + m[1] + m[2];
  y[1] = m[1] - m[2] - m[3];
}

/* A e */
static void transform_gradient(const floatv e[OUTS], floatv u[SPAN]) {
  u[0] = e[0], u[1] = e[0] + e[1], u[2] = e[0] - e[1], u[3] = -e[1];
}

/* Gt m */
static void transform_sums(const floatv m[SPAN], floatv g[3]) {
  g[0] = m[0] + 0.5f * (m[1] + m[2]);
  g[1] = 0.5f * (m[1] - m[2]);
  g[2] = 0.5f * (m[1] + m[2]) + m[3];
}

#else /* the points 0, 1, -1, 2, -2 and infinity */

static void transform_input(const floatv d[SPAN], floatv v[SPAN]) {
  const floatv p = d[4] - 4.0f * d[2], q = d[3] - 4.0f * d[1];
  const floatv r = d[4] - d[2], s = d[3] - d[1];
  v[0] = d[4] - 5.0f * d[2] + 4.0f * d[0];
  v[1] = p + q, v[2] = p - q;
  v[3] = r + 2.0f * s, v[4] = r - 2.0f * s;
  v[5] = d[5] - 5.0f * d[3] + 4.0f * d[1];
}

static void transform_filter(const floatv g[3], floatv u[SPAN]) {
  const floatv even = g[0] + g[2], twice = g[0] + 4.0f * g[2], odd = 2.0f * g[1];
  u[0] = 0.25f * g[0];
  u[1] = (-1.0f / 6) * (even + g[1]), u[2] = (-1.0f / 6) * (even - g[1]);
  u[3] = (1.0f / 24) * (twice + odd), u[4] = (1.0f / 24) * (twice - odd);
  u[5] = g[2];
}

static void transform_output(const floatv m[SPAN], floatv y[OUTS]) {
  const floatv p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
  y[0] = m[0] + p + r;
  y[1] = q + 2.0f * s;
  y[2] = p + 4.0f * r;
  y[3] = q + 8.0f * s + m[5];
}

static void transform_gradient(const floatv e[OUTS], floatv u[SPAN]) {
  const floatv p = e[0] + e[2], q = e[1] + e[3];
  const floatv r = e[0] + 4.0f * e[2], s = 2.0f * e[1] + 8.0f * e[3];
  u[0] = e[0];
  u[1] = p + q, u[2] = p - q;
  u[3] = r + s, u[4] = r - s;
  u[5] = e[3];
}

static void transform_sums(const floatv m[SPAN], floatv g[3]) {
  const floatv p = (-1.0f / 6) * (m[1] + m[2]), q = (-1.0f / 6) * (m[1] - m[2]);
  const floatv r = (1.0f / 24) * (m[3] + m[4]), s = (1.0f / 12) * (m[3] - m[4]);
  g[0] = 0.25f * m[0] + p + r;
  g[1] = q + s;
  g[2] = p + 4.0f * r + m[5];
}

#endif

/* A tile: image, row and column of tiles. */
typedef struct tile_at {
  int n, y, x;
} tile_at;

static tile_at find_tile(int j, const winograd_tiles s) {
  const int n = j / (s.th * s.tw), y = (j - n * s.th * s.tw) / s.tw;
  return (tile_at) { n, y, j - n * s.th * s.tw - y * s.tw };
}
