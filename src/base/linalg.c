/* Dense linear algebra on the host: see linalg.h. */
#include "base/linalg.h"

#include <float.h>
#include <math.h>

#include "base/philox.h"

/* y -= f*x */
static void subtract_scaled(double *y, const double *x, double f, int n) {
  for (int i = 0; i < n; i++) y[i] -= f * x[i];
}

static double dot(const double *a, const double *b, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* Turns column k below the diagonal into (alpha, 0, ...) by the reflection H = I - beta v v^T on
 * both sides of the trailing block. v (n-k-1) is left in v[]; returns beta (0: nothing to do).
 * work: n. */
static double reflect(double *a, int n, int k, double *v, double *work, double *alpha) {
  int m = n - k - 1;
  double *block = a + (size_t)(k + 1) * (size_t)n + (size_t)(k + 1), norm = 0;
  for (int i = 0; i < m; i++) {
    v[i] = a[(size_t)(k + 1 + i) * (size_t)n + (size_t)k];
    norm = hypot(norm, v[i]);
  }
  *alpha = v[0] > 0 ? -norm : norm;
  if (norm == 0) return 0;
  v[0] -= *alpha;
  double beta = 2 / dot(v, v, m);
  for (int i = 0; i < m; i++) work[i] = beta * dot(block + (size_t)i * (size_t)n, v, m);
  subtract_scaled(work, v, beta / 2 * dot(v, work, m), m);
  for (int i = 0; i < m; i++) {
    subtract_scaled(block + (size_t)i * (size_t)n, work, v[i], m);
    subtract_scaled(block + (size_t)i * (size_t)n, v, work[i], m);
  }
  return beta;
}

/* a = z^T T z with T tridiagonal: diagonal d, next to it e[0..n-2]. z must be the identity. */
static lcl_status tridiagonalise(double *a, double *z, double *d, double *e, int n) {
  double *v = lcl__alloc(2 * (size_t)n * sizeof *v), *work = v + n;
  if (!v) return LCL_ERR_HOST_MEMORY;
  for (int k = 0; k + 1 < n; k++) {
    double beta = k + 2 < n ? reflect(a, n, k, v, work, &e[k])
                            : (e[k] = a[(size_t)(k + 1) * (size_t)n + (size_t)k], 0);
    if (beta == 0) continue;
    int m = n - k - 1;
    double *rows = z + (size_t)(k + 1) * (size_t)n; /* z = H z */
    memset(work, 0, (size_t)n * sizeof *work);
    for (int i = 0; i < m; i++)
      subtract_scaled(work, rows + (size_t)i * (size_t)n, -beta * v[i], n);
    for (int i = 0; i < m; i++) subtract_scaled(rows + (size_t)i * (size_t)n, work, v[i], n);
  }
  for (int k = 0; k < n; k++) d[k] = a[(size_t)k * (size_t)n + (size_t)k];
  lcl__free(v);
  return LCL_OK;
}

static void rotate_rows(double *upper, double *lower, double c, double s, int n) {
  for (int k = 0; k < n; k++) {
    double f = lower[k];
    lower[k] = s * upper[k] + c * f;
    upper[k] = c * upper[k] - s * f;
  }
}

/* One implicit QL sweep on the unreduced block l..m. */
static void ql_sweep(double *d, double *e, double *z, int n, int l, int m) {
  double g = (d[l + 1] - d[l]) / (2 * e[l]), r = hypot(g, 1), s = 1, c = 1, p = 0;
  g = d[m] - d[l] + e[l] / (g + copysign(r, g));
  for (int i = m - 1; i >= l; i--) {
    double f = s * e[i], b = c * e[i];
    r = hypot(f, g);
    e[i + 1] = r;
    if (r == 0) { /* the block splits here */
      d[i + 1] -= p;
      e[m] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = d[i + 1] - p;
    r = (d[i] - g) * s + 2 * c * b;
    p = s * r;
    d[i + 1] = g + p;
    g = c * r - b;
    rotate_rows(z + (size_t)i * (size_t)n, z + (size_t)(i + 1) * (size_t)n, c, s, n);
  }
  d[l] -= p;
  e[l] = g;
  e[m] = 0;
}

static lcl_status diagonalise(double *d, double *e, double *z, int n) {
  double largest = 0; /* what is below its rounding error is zero; singular matrices would never
                         converge otherwise */
  e[n - 1] = 0;
  for (int i = 0; i < n; i++) {
    if (!isfinite(d[i]) || !isfinite(e[i]))
      return lcl__fail(LCL_ERR_NUMERIC, "eigenvalues of a matrix with NaN or Inf");
    largest = fmax(largest, fabs(d[i]) + fabs(e[i]));
  }
  for (int l = 0; l < n; l++) {
    for (int sweep = 0;; sweep++) {
      int m = l;
      while (m + 1 < n && !(fabs(e[m]) <= DBL_EPSILON * largest)) m++;
      if (m == l) break;
      if (sweep == 60) return lcl__fail(LCL_ERR_NUMERIC, "eigenvalues did not converge");
      ql_sweep(d, e, z, n, l, m);
    }
  }
  return LCL_OK;
}

/* Values descending, rows of z with them, by selection. */
static void sort_pairs(double *value, double *z, int n) {
  for (int i = 0; i < n; i++) {
    int best = i;
    for (int k = i + 1; k < n; k++)
      if (value[k] > value[best]) best = k;
    if (best == i) continue;
    double t = value[i];
    value[i] = value[best];
    value[best] = t;
    for (int k = 0; k < n; k++) {
      double u = z[(size_t)i * (size_t)n + (size_t)k];
      z[(size_t)i * (size_t)n + (size_t)k] = z[(size_t)best * (size_t)n + (size_t)k];
      z[(size_t)best * (size_t)n + (size_t)k] = u;
    }
  }
}

lcl_status lcl__eigen_symmetric(double *a, double *value, int n) {
  size_t size = (size_t)n * (size_t)n;
  double *z = lcl__alloc(size * sizeof *z), *e = lcl__alloc((size_t)n * sizeof *e);
  lcl_status status = z && e ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (int i = 0; i < n && z; i++) z[(size_t)i * (size_t)n + (size_t)i] = 1;
  if (status == LCL_OK) status = tridiagonalise(a, z, value, e, n);
  if (status == LCL_OK) status = diagonalise(value, e, z, n);
  if (status == LCL_OK) {
    sort_pairs(value, z, n);
    memcpy(a, z, size * sizeof *a);
  }
  lcl__free(z);
  lcl__free(e);
  return status;
}

/* Makes columns p and q of u orthogonal; the same rotation on v. False when they already are. Both
 * are kept transposed: row p is column p. Columns whose square is at most `dust` are what rounding
 * leaves of a zero singular value, and have no direction. */
static bool orthogonalise(double *up, double *uq, double *vp, double *vq, int n, double dust) {
  double a = dot(up, up, n), b = dot(uq, uq, n), c = dot(up, uq, n);
  if (fabs(c) <= n * DBL_EPSILON * sqrt(a * b) || fmin(a, b) <= dust) return false;
  double zeta = (b - a) / (2 * c), t = copysign(1, zeta) / (fabs(zeta) + hypot(1, zeta));
  double cosine = 1 / hypot(1, t), sine = cosine * t;
  rotate_rows(up, uq, cosine, sine, n);
  rotate_rows(vp, vq, cosine, sine, n);
  return true;
}

static void transpose(const double *in, double *out, int n) {
  for (int i = 0; i < n; i++)
    for (int k = 0; k < n; k++)
      out[(size_t)k * (size_t)n + (size_t)i] = in[(size_t)i * (size_t)n + (size_t)k];
}

double lcl__gram_schmidt(double *q, int i, int n) {
  double *row = q + (size_t)i * (size_t)n;
  for (int pass = 0; pass < 2; pass++)
    for (int k = 0; k < i; k++)
      subtract_scaled(row, q + (size_t)k * (size_t)n, dot(row, q + (size_t)k * (size_t)n, n), n);
  double norm = sqrt(dot(row, row, n));
  for (int k = 0; k < n && norm > 0; k++) row[k] /= norm;
  return norm;
}

void lcl__any_orthogonal(double *q, int i, int n) {
  for (int unit = 0; unit < n; unit++) {
    double *row = q + (size_t)i * (size_t)n;
    memset(row, 0, (size_t)n * sizeof *row);
    row[unit] = 1;
    if (lcl__gram_schmidt(q, i, n) > 0.5 / n) break;
  }
}

/* Columns of u (kept as rows) that belong to zero singular values: any orthonormal completion. */
static void complete(double *ut, const double *s, int n) {
  for (int i = 0; i < n; i++) {
    if (s[i] > fmax(1e-14, n * DBL_EPSILON) * s[0] && s[i] > 0) continue;
    lcl__any_orthogonal(ut, i, n);
  }
}

lcl_status lcl__svd_small(const double *a, double *u, double *s, double *vt, int n) {
  size_t size = (size_t)n * (size_t)n;
  double *ut = lcl__alloc(size * sizeof *ut);
  if (!ut) return LCL_ERR_HOST_MEMORY;
  transpose(a, ut, n);
  memset(vt, 0, size * sizeof *vt);
  for (int i = 0; i < n; i++) vt[(size_t)i * (size_t)n + (size_t)i] = 1;
  bool busy = true;
  double dust = dot(a, a, (int)size) * n * DBL_EPSILON * DBL_EPSILON;
  for (int sweep = 0; busy && sweep < 100; sweep++) {
    busy = false;
    for (int p = 0; p < n; p++)
      for (int q = p + 1; q < n; q++)
        busy |= orthogonalise(ut + (size_t)p * (size_t)n, ut + (size_t)q * (size_t)n,
                              vt + (size_t)p * (size_t)n, vt + (size_t)q * (size_t)n, n, dust);
  }
  if (busy) {
    lcl__free(ut);
    return lcl__fail(LCL_ERR_NUMERIC,
                     "singular values did not converge; the matrix may hold NaN or Inf");
  }
  for (int i = 0; i < n; i++)
    s[i] = sqrt(dot(ut + (size_t)i * (size_t)n, ut + (size_t)i * (size_t)n, n));
  /* Descending; equal moves for both, since both are sorted by the same values. */
  double *again = lcl__alloc((size_t)n * sizeof *again);
  if (!again) {
    lcl__free(ut);
    return LCL_ERR_HOST_MEMORY;
  }
  memcpy(again, s, (size_t)n * sizeof *again);
  sort_pairs(again, ut, n);
  sort_pairs(s, vt, n);
  lcl__free(again);
  for (int i = 0; i < n; i++)
    for (int k = 0; k < n && s[i] > 0; k++) ut[(size_t)i * (size_t)n + (size_t)k] /= s[i];
  complete(ut, s, n);
  transpose(ut, u, n);
  lcl__free(ut);
  return LCL_OK;
}

lcl_status lcl__random_orthogonal(double *q, int n, uint64_t seed, uint32_t stream) {
  float *g = lcl__alloc((size_t)n * sizeof *g);
  if (!g) return LCL_ERR_HOST_MEMORY;
  uint64_t step = 0;
  for (int i = 0; i < n; i++) {
    do { /* a row in the span of the others has probability zero, but a short one is sampled again
          */
      lcl__philox_normal(seed, stream, step++, g, (size_t)n);
      for (int k = 0; k < n; k++) q[(size_t)i * (size_t)n + (size_t)k] = g[k];
    } while (lcl__gram_schmidt(q, i, n) < 1e-3);
  }
  lcl__free(g);
  return LCL_OK;
}
