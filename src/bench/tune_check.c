/* What the result of a tuner's candidate must be. Every element counts in a checksum: with weights
 * r over the rows of a result, r C = (r A) B, which takes a row's work instead of all rows'. See
 * tune.h. */
#include <math.h>

#include "bench/tune.h"
#include "reference/reference.h"

/* Small enough for exact sums in double precision, different for every row, and never 0, so that
 * wrong and exchanged elements change the checksum. */
static double weight(int64_t row) {
  return (double)(1 + row % 8191);
}

/* The sum over rows of `from` (groups, rows, n), weighted; groups rows of n. */
static double *collapse(const float *from, int64_t groups, int64_t rows, int64_t n) {
  double *sum = lcl__alloc(sizeof(double) * (size_t)(groups * n + 1));
  for (int64_t i = 0; sum && i < groups * n; i++) sum[i] = 0;
  for (int64_t g = 0; sum && g < groups; g++)
    for (int64_t r = 0; r < rows; r++)
      for (int64_t i = 0; i < n; i++) sum[g * n + i] += weight(r) * from[(g * rows + r) * n + i];
  return sum;
}

/* ---- GEMM: the definition in gemm.h, in plain C ---- */

static double a_element(const lcl_gemm *g, const float *a, int64_t z, int64_t i, int64_t k) {
  int64_t len = LCL_MAX(g->a_len, 1), tb = LCL_MAX(g->a_tb, 1), l0 = k / len, l1 = k % len;
  return a[g->a_base + z * g->a_batch + i * g->a_rs + l0 / tb * g->a_sa + l0 % tb * g->a_sb +
           l1 * g->a_s1];
}

static double b_element(const lcl_gemm *g, const float *b, int64_t z, int64_t k, int64_t j) {
  const lcl_patches *p = &g->patches;
  int64_t c, ta, tb, n, q, r;
  if (g->source == LCL_GEMM_MATRIX) return b[g->b_base + z * g->b_batch + k * g->rsb + j * g->csb];
  if (g->source == LCL_GEMM_PATCHES) {
    c = k % p->channels, tb = k / p->channels % p->tb, ta = k / p->channels / p->tb;
    r = j % p->gr, q = j / p->gr % p->gq, n = j / p->gr / p->gq;
  } else {
    r = k % p->gr, q = k / p->gr % p->gq, n = k / p->gr / p->gq;
    tb = j % p->tb, ta = j / p->tb % p->ta, c = j / p->tb / p->ta;
  }
  const int64_t y = q * p->sh + p->h0 + ta * p->dh, x = r * p->sw + p->w0 + tb * p->dw;
  if (y < 0 || y >= p->h || x < 0 || x >= p->w) return 0;
  return b[((n * p->all_channels + z * p->channels + c) * p->h + y) * p->w + x];
}

static size_t c_place(const lcl_gemm *g, int64_t z, int64_t i, int64_t j) {
  const lcl_patches *p = &g->patches;
  int64_t at = g->c_base + z * g->c_batch + i * g->ldc;
  if (g->source != LCL_GEMM_PATCHES) return (size_t)(at + j);
  return (size_t)(at + j / p->gr / p->gq * g->yn + j / p->gr % p->gq * g->yrow +
                  j % p->gr * g->ycol);
}

/* Columns of GEMM z of the batch; ra: room for k numbers. */
static lcl_status check_columns(const lcl_gemm *g, const float *a, const float *b, const float *c,
                                int64_t z, double *ra) {
  for (int64_t k = 0; k < g->k; k++) {
    ra[k] = 0;
    for (int64_t i = 0; i < g->m; i++) ra[k] += weight(i) * a_element(g, a, z, i, k);
  }
  for (int64_t j = 0; j < g->n; j++) {
    double want = 0, got = 0;
    for (int64_t k = 0; k < g->k; k++) want += ra[k] * b_element(g, b, z, k, j);
    for (int64_t i = 0; i < g->m; i++) got += weight(i) * c[c_place(g, z, i, j)];
    if (got != want)
      return lcl__fail(LCL_ERR_NUMERIC, "column %lld of GEMM %lld sums up to %g, not %g",
                       (long long)j, (long long)z, got, want);
  }
  return LCL_OK;
}

static lcl_status check_gemm(const lcl_trial *t) {
  const lcl_gemm *g = &t->p->as.gemm;
  lcl_status st = LCL_OK;
  double *ra = lcl__alloc(sizeof(double) * (size_t)(g->k + 1));
  if (!ra) return LCL_ERR_HOST_MEMORY;
  for (int64_t z = 0; st == LCL_OK && z < g->batch; z++)
    st = check_columns(g, t->a, t->b, t->c, z, ra);
  lcl__free(ra);
  return st;
}

/* ---- convolution ---- */

static double *as_double(const float *x, int64_t n) {
  double *d = lcl__alloc(sizeof(double) * (size_t)(n + 1));
  for (int64_t i = 0; d && i < n; i++) d[i] = x[i];
  return d;
}

/* The convolution that is left when a group's output channels (input channels, for the input
 * gradient) are collapsed to one. */
static lcl_ref_conv collapsed(const lcl_conv_problem *p) {
  const lcl_conv_sizes *s = &p->s;
  const lcl_conv_attr *a = &p->a;
  const bool input = p->pass == LCL_CONV_INPUT_GRAD;
  return (lcl_ref_conv) { .n = s->n,
                          .c = input ? a->groups : s->c,
                          .h = s->h,
                          .w = s->w,
                          .o = input ? s->o : a->groups,
                          .kh = s->kh,
                          .kw = s->kw,
                          .oh = s->oh,
                          .ow = s->ow,
                          .stride_y = a->stride[0],
                          .stride_x = a->stride[1],
                          .top = a->pad[0],
                          .left = a->pad[2],
                          .dilation_y = a->dilation[0],
                          .dilation_x = a->dilation[1],
                          .groups = a->groups };
}

/* The checksums that the result must have: images (or filters) of a channel a group. */
static double *wanted(const lcl_conv_problem *p, const float *a, const float *b, size_t *n) {
  const lcl_conv_sizes *s = &p->s;
  const lcl_ref_conv d = collapsed(p);
  const int64_t groups = p->a.groups, taps = s->kh * s->kw, pixels = s->oh * s->ow,
                channels = s->c / groups, filters = s->o / groups;
  const bool input = p->pass == LCL_CONV_INPUT_GRAD, forward = p->pass == LCL_CONV_FORWARD;
  *n = (size_t)(forward ? s->n * groups * pixels
                : input ? s->n * groups * s->h * s->w
                        : groups * channels * taps);
  double *x = as_double(a, input ? s->n * s->o * pixels : s->n * s->c * s->h * s->w),
         *y = forward ? collapse(b, groups, filters, channels * taps)
              : input ? collapse(b, s->o, channels, taps)
                      : collapse(b, s->n * groups, filters, pixels),
         *want = lcl__alloc(sizeof(double) * (*n + 1));
  if (x && y && want) {
    if (forward)
      lcl__ref_conv2d(&d, x, y, NULL, want);
    else if (input)
      lcl__ref_conv2d_input_grad(&d, x, y, want);
    else
      lcl__ref_conv2d_filter_grad(&d, x, y, want);
  }
  if (!x || !y) lcl__free(want), want = NULL;
  lcl__free(x);
  lcl__free(y);
  return want;
}

/* What rounding may make of a checksum over so many rows. */
static double allowed(const lcl_trial *t, const lcl_choice *choice, int64_t rows) {
  double weights = 0;
  for (int64_t r = 0; r < rows; r++) weights += weight(r);
  return weights * lcl__trial_bound(t, choice);
}

static lcl_status check_conv(const lcl_trial *t, const lcl_choice *choice) {
  const lcl_conv_problem *p = &t->p->as.conv;
  const float *c = t->c;
  const lcl_conv_sizes *s = &p->s;
  const int64_t groups = p->a.groups, channels = s->c / groups, filters = s->o / groups,
                rows = p->pass == LCL_CONV_INPUT_GRAD ? channels : filters;
  size_t n;
  lcl_status st = LCL_OK;
  double *want = wanted(p, t->a, t->b, &n),
         *got = p->pass == LCL_CONV_FORWARD ? collapse(c, s->n * groups, filters, s->oh * s->ow)
                : p->pass == LCL_CONV_INPUT_GRAD
                    ? collapse(c, s->n * groups, channels, s->h * s->w)
                    : collapse(c, groups, filters, channels * s->kh * s->kw);
  const double bound = allowed(t, choice, rows);
  if (!want || !got) st = lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
  for (size_t i = 0; st == LCL_OK && i < n; i++)
    if (!(fabs(got[i] - want[i]) <= bound))
      st = lcl__fail(LCL_ERR_NUMERIC, "position %zu sums up to %g over the channels, not %g", i,
                     got[i], want[i]);
  lcl__free(want);
  lcl__free(got);
  return st;
}

lcl_status lcl__tune_check(const lcl_trial *t, const lcl_choice *choice) {
  return t->p->kind == &lcl__conv_kind ? check_conv(t, choice) : check_gemm(t);
}
