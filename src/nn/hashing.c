/* Hashing baselines on the host: principal components, PCA-ITQ, spectral hash. */
#include <math.h>

#include "base/linalg.h"
#include "base/parallel.h"
#include "base/philox.h"
#include "nn/evaluate.h"

typedef struct covariance_job {
  const float *x;
  int64_t n;
  int d;
  const double *mean;
  double *cov;
} covariance_job;

/* Rows begin..end of the covariance, each number summed over the examples in their order. */
static void covariance_rows(void *user, int64_t begin, int64_t end) {
  const covariance_job *j = user;
  size_t d = (size_t)j->d;
  for (int64_t i = 0; i < j->n; i++) {
    const float *row = j->x + (size_t)i * d;
    for (size_t a = (size_t)begin; a < (size_t)end; a++) {
      double xa = row[a] - j->mean[a], *to = j->cov + a * d;
      for (size_t b = a; b < d; b++) to[b] += xa * (row[b] - j->mean[b]);
    }
  }
}

/* The axes of all d numbers' covariance, in `axes` (d x d). */
static lcl_status axes_of_covariance(const float *x, int64_t n, int d, const double *mean,
                                     double *axes, double *value) {
  const size_t m = (size_t)d;
  covariance_job j = { x, n, d, mean, axes };
  lcl__parallel_for(d, 32, covariance_rows, &j);
  for (size_t a = 0; a < m; a++)
    for (size_t b = a; b < m; b++) axes[b * m + a] = axes[a * m + b] /= (double)n;
  return lcl__eigen_symmetric(axes, value, d);
}

/* Rows begin..end of the products of centred examples, in the place of the covariance. */
static void product_rows(void *user, int64_t begin, int64_t end) {
  const covariance_job *j = user;
  const size_t d = (size_t)j->d;
  for (int64_t a = begin; a < end; a++)
    for (int64_t b = a; b < j->n; b++) {
      const float *xa = j->x + (size_t)a * d, *xb = j->x + (size_t)b * d;
      double sum = 0;
      for (size_t i = 0; i < d; i++) sum += (xa[i] - j->mean[i]) * (xb[i] - j->mean[i]);
      j->cov[a * j->n + b] = j->cov[b * j->n + a] = sum / (double)j->n;
    }
}

/* The first k axes of fewer examples than numbers, by the eigenvectors of the examples' products:
 * n^3, not d^3. Behind the axes along which there is any variance come any that are orthogonal. */
static lcl_status axes_of_examples(const float *x, int64_t n, int d, int k, const double *mean,
                                   double *axes, double *value) {
  const size_t m = (size_t)d, N = (size_t)n;
  double *product = lcl__alloc(N * N * sizeof *product), *all = lcl__alloc(N * sizeof *all);
  lcl_status s = product && all ? LCL_OK : LCL_ERR_HOST_MEMORY;
  covariance_job j = { x, n, d, mean, product };
  if (s == LCL_OK) lcl__parallel_for(n, 8, product_rows, &j);
  if (s == LCL_OK) s = lcl__eigen_symmetric(product, all, (int)n);
  for (int a = 0; a < k && s == LCL_OK; a++) {
    double *axis = axes + (size_t)a * m;
    value[a] = (size_t)a < N && all[a] > 1e-12 * all[0] ? all[a] : 0;
    for (size_t i = 0; value[a] > 0 && i < N; i++)
      for (size_t b = 0; b < m; b++)
        axis[b] += product[(size_t)a * N + i] * (x[i * m + b] - mean[b]);
    if (value[a] > 0)
      lcl__gram_schmidt(axes, a, d);
    else
      lcl__any_orthogonal(axes, a, d);
  }
  lcl__free(product);
  lcl__free(all);
  return s;
}

lcl_status lcl__principal_axes(const float *x, int64_t n, int d, int k, double *mean, double *axes,
                               double *variance) {
  if (n < 1 || d < 1 || k < 1 || k > d)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "%d principal axes cannot be had from %lld examples of %d numbers", k,
                     (long long)n, d);
  const bool few = n < d;
  const size_t m = (size_t)d, rows = few ? (size_t)k : m;
  double *all = lcl__alloc(rows * m * sizeof *all), *value = lcl__alloc(m * sizeof *value);
  lcl_status status = all && value ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    memset(mean, 0, m * sizeof *mean);
    for (int64_t i = 0; i < n; i++)
      for (size_t a = 0; a < m; a++) mean[a] += x[(size_t)i * m + a];
    for (size_t a = 0; a < m; a++) mean[a] /= (double)n;
    status = few ? axes_of_examples(x, n, d, k, mean, all, value)
                 : axes_of_covariance(x, n, d, mean, all, value);
  }
  if (status == LCL_OK) {
    memcpy(axes, all, (size_t)k * m * sizeof *axes);
    if (variance) memcpy(variance, value, (size_t)k * sizeof *variance);
  }
  lcl__free(all);
  lcl__free(value);
  return status;
}

/* Coordinates (n x k) of the examples along their k principal axes. */
static lcl_status project(const float *x, int64_t n, int d, int k, double **out) {
  double *mean = lcl__alloc((size_t)d * sizeof *mean),
         *axes = lcl__alloc((size_t)k * (size_t)d * sizeof *axes);
  double *v = lcl__alloc((size_t)n * (size_t)k * sizeof *v);
  lcl_status status = mean && axes && v ? lcl__principal_axes(x, n, d, k, mean, axes, NULL)
                                        : LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < n && status == LCL_OK; i++) {
    for (int a = 0; a < k; a++) {
      double sum = 0;
      for (int b = 0; b < d; b++)
        sum += axes[(size_t)a * (size_t)d + (size_t)b] *
               (x[(size_t)i * (size_t)d + (size_t)b] - mean[b]);
      v[(size_t)i * (size_t)k + (size_t)a] = sum;
    }
  }
  lcl__free(mean);
  lcl__free(axes);
  if (status != LCL_OK) {
    lcl__free(v);
    v = NULL;
  }
  *out = v;
  return status;
}

/* Row i of v turned by r: out = v_i r. */
static void turn(const double *v, const double *r, int k, double *out) {
  for (int b = 0; b < k; b++) {
    out[b] = 0;
    for (int a = 0; a < k; a++) out[b] += v[a] * r[a * k + b];
  }
}

/* One round of iterative quantisation: B = sign(V R), B^T V = S Omega T^T, R = T S^T. */
static lcl_status itq_round(const double *v, int64_t n, int k, double *r) {
  double *work = lcl__alloc((3 * (size_t)k * (size_t)k + 2 * (size_t)k) * sizeof *work);
  if (!work) return LCL_ERR_HOST_MEMORY;
  double *product = work, *s = product + k * k, *tt = s + k * k, *value = tt + k * k,
         *turned = value + k;
  for (int64_t i = 0; i < n; i++) {
    const double *row = v + (size_t)i * (size_t)k;
    turn(row, r, k, turned);
    for (int a = 0; a < k; a++)
      for (int b = 0; b < k; b++) product[a * k + b] += turned[a] > 0 ? row[b] : -row[b];
  }
  lcl_status status = lcl__svd_small(product, s, value, tt, k);
  for (int a = 0; a < k && status == LCL_OK; a++) {
    for (int b = 0; b < k; b++) {
      r[a * k + b] = 0;
      for (int c = 0; c < k; c++) r[a * k + b] += tt[c * k + a] * s[b * k + c];
    }
  }
  lcl__free(work);
  return status;
}

static lcl_status check_bits(int bits, int d) {
  if (bits >= 1 && bits <= 64 && bits <= d) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT,
                   "codes of %d bits cannot be made from %d numbers: choose 1 to %d", bits, d,
                   LCL_MIN(d, 64));
}

lcl_status lcl__pca_itq(const float *x, int64_t n, int d, int bits, uint64_t seed,
                        uint64_t *codes) {
  double *v, *r, turned[64];
  LCL_TRY(check_bits(bits, d));
  LCL_TRY(project(x, n, d, bits, &v));
  r = lcl__alloc((size_t)bits * (size_t)bits * sizeof *r);
  lcl_status status = r ? lcl__random_orthogonal(r, bits, seed, lcl__philox_stream("itq.start"))
                        : LCL_ERR_HOST_MEMORY;
  for (int round = 0; round < 50 && status == LCL_OK; round++) status = itq_round(v, n, bits, r);
  for (int64_t i = 0; i < n && status == LCL_OK; i++) {
    turn(v + (size_t)i * (size_t)bits, r, bits, turned);
    codes[i] = 0;
    for (int b = 0; b < bits; b++) codes[i] |= (uint64_t)(turned[b] > 0) << b;
  }
  lcl__free(v);
  lcl__free(r);
  return status;
}

/* The sinusoids of a spectral hash: axis and number of half waves, slowest first. */
typedef struct mode {
  int axis, k;
  double omega; /* k pi / (b - a) */
} mode;

static void choose_modes(const double *low, const double *high, int bits, mode *modes) {
  int next[64];
  for (int a = 0; a < bits; a++) next[a] = 1;
  for (int m = 0; m < bits; m++) {
    int best = -1;
    double best_omega = INFINITY;
    for (int a = 0; a < bits; a++) {
      double omega = next[a] * 3.14159265358979323846 /
                     (high[a] - low[a]); /* infinite on a flat axis */
      if (best < 0 || omega < best_omega) {
        best = a;
        best_omega = omega;
      }
    }
    modes[m] = (mode) { best, next[best]++, best_omega };
  }
}

lcl_status lcl__spectral_hash(const float *x, int64_t n, int d, int bits, uint64_t *codes) {
  double *v, low[64], high[64];
  mode modes[64];
  LCL_TRY(check_bits(bits, d));
  LCL_TRY(project(x, n, d, bits, &v));
  for (int a = 0; a < bits; a++) {
    low[a] = INFINITY;
    high[a] = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
      double c = v[(size_t)i * (size_t)bits + (size_t)a];
      low[a] = fmin(low[a], c);
      high[a] = fmax(high[a], c);
    }
  }
  choose_modes(low, high, bits, modes);
  for (int64_t i = 0; i < n; i++) {
    codes[i] = 0;
    for (int m = 0; m < bits; m++) {
      int a = modes[m].axis;
      double phase = modes[m].omega * (v[(size_t)i * (size_t)bits + (size_t)a] - low[a]);
      codes[i] |= (uint64_t)(sin(3.14159265358979323846 / 2 + phase) > 0) << m;
    }
  }
  lcl__free(v);
  return LCL_OK;
}
