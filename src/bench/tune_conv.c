/* The tuner's half for convolutions: which algorithm. See tune.h. */
#include <math.h>

#include "bench/tune.h"

enum { ALGORITHM, POSSIBLE };

void lcl_tune_conv_problem(const lcl_node *node, unsigned possible, lcl_conv_algorithm standard,
                           lcl_tune_problem *out) {
  *out = (lcl_tune_problem) { .conv = node->op, .conv_attr = *(const lcl_conv_attr *)node->attr };
  lcl_conv_key(node, out->key);
  out->in[0] = node->in[0]->shape;
  out->in[1] = node->in[1]->shape;
  out->work = lcl_conv_flops(node);
  out->a_bytes = (size_t)lcl_shape_count(out->in[0]) * 4;
  out->b_bytes = (size_t)lcl_shape_count(out->in[1]) * 4;
  out->c_bytes = (size_t)lcl_shape_count(node->out[0].shape) * 4;
  out->standard[ALGORITHM] = (int)standard;
  out->standard[POSSIBLE] = (int)possible;
}

size_t lcl_tune_conv_starts(const int standard[LCL_TUNING_VALUES], int (*out)[LCL_TUNING_VALUES],
                            size_t most) {
  size_t n = 0;
  for (int a = 0; a < LCL_CONV_ALGORITHMS && n < most; a++) {
    if (a == standard[ALGORITHM] || !((unsigned)standard[POSSIBLE] & LCL_CONV_BIT(a))) continue;
    memcpy(out[n], standard, sizeof out[n]);
    out[n++][ALGORITHM] = a;
  }
  return n;
}

/* ---- the definition, in double precision ---- */

typedef struct sizes {
  lcl_conv_sizes s;
  const lcl_conv_attr *a;
} sizes;

/* y[n,o,p,q] from x and w. */
static double forward(const sizes *z, const float *x, const float *w, const int64_t at[4]) {
  const lcl_conv_sizes *s = &z->s;
  const lcl_conv_attr *a = z->a;
  const int64_t per = s->c / a->groups, first = at[1] / (s->o / a->groups) * per;
  double sum = 0;
  for (int64_t c = 0; c < per; c++)
    for (int64_t i = 0; i < s->kh; i++)
      for (int64_t j = 0; j < s->kw; j++) {
        const int64_t h = at[2] * a->stride[0] + i * a->dilation[0] - a->pad[0],
                      v = at[3] * a->stride[1] + j * a->dilation[1] - a->pad[2];
        if (h < 0 || h >= s->h || v < 0 || v >= s->w) continue;
        sum += (double)x[((at[0] * s->c + first + c) * s->h + h) * s->w + v] *
               w[((at[1] * per + c) * s->kh + i) * s->kw + j];
      }
  return sum;
}

/* x's gradient at [n,c,h,w] from y's and w. */
static double input_grad(const sizes *z, const float *gy, const float *w, const int64_t at[4]) {
  const lcl_conv_sizes *s = &z->s;
  const lcl_conv_attr *a = z->a;
  const int64_t per = s->c / a->groups, filters = s->o / a->groups, group = at[1] / per;
  double sum = 0;
  for (int64_t o = group * filters; o < (group + 1) * filters; o++)
    for (int64_t i = 0; i < s->kh; i++)
      for (int64_t j = 0; j < s->kw; j++) {
        const int64_t p = at[2] + a->pad[0] - i * a->dilation[0],
                      q = at[3] + a->pad[2] - j * a->dilation[1];
        if (p < 0 || q < 0 || p % a->stride[0] || q % a->stride[1] || p / a->stride[0] >= s->oh ||
            q / a->stride[1] >= s->ow)
          continue;
        sum +=
            (double)gy[((at[0] * s->o + o) * s->oh + p / a->stride[0]) * s->ow + q / a->stride[1]] *
            w[((o * per + at[1] % per) * s->kh + i) * s->kw + j];
      }
  return sum;
}

/* w's gradient at [o,c,i,j] from x and y's. */
static double filter_grad(const sizes *z, const float *x, const float *gy, const int64_t at[4]) {
  const lcl_conv_sizes *s = &z->s;
  const lcl_conv_attr *a = z->a;
  const int64_t per = s->c / a->groups, channel = at[0] / (s->o / a->groups) * per + at[1];
  double sum = 0;
  for (int64_t n = 0; n < s->n; n++)
    for (int64_t p = 0; p < s->oh; p++)
      for (int64_t q = 0; q < s->ow; q++) {
        const int64_t h = p * a->stride[0] + at[2] * a->dilation[0] - a->pad[0],
                      v = q * a->stride[1] + at[3] * a->dilation[1] - a->pad[2];
        if (h < 0 || h >= s->h || v < 0 || v >= s->w) continue;
        sum += (double)x[((n * s->c + channel) * s->h + h) * s->w + v] *
               gy[((n * s->o + at[0]) * s->oh + p) * s->ow + q];
      }
  return sum;
}

static double norm(const float *x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
  return sqrt(sum);
}

/* Small integers make every algorithm exact but the Fourier transform, whose rounding errors are
 * relative to the energy of image and filter: unit roundoff times some steps of the transforms.
 */
lcl_status lcl_tune_conv_check(const lcl_tune_problem *p, const lcl_node *node, int algorithm,
                               const float *a, const float *b, const float *c) {
  const sizes z = { lcl_conv_sizes_of(node), &p->conv_attr };
  const lcl_shape out = node->out[0].shape;
  double (*const definition)(const sizes *, const float *, const float *,
                             const int64_t[4]) = p->conv == &lcl_op_conv2d_input_grad ? input_grad
                                                 : p->conv == &lcl_op_conv2d_filter_grad
                                                     ? filter_grad
                                                     : forward;
  const size_t picture = (size_t)(lcl_shape_count(p->in[0]) / LCL_MAX(p->in[0].dim[0], 1)),
               filter = (size_t)(lcl_shape_count(p->in[1]) / LCL_MAX(p->in[1].dim[0], 1));
  uint32_t seed = 5;
  for (int sample = 0; sample < 200; sample++) {
    int64_t at[4], place = 0;
    for (int d = 0; d < 4; d++) {
      seed = seed * 1664525u + 1013904223u;
      at[d] = sample ? (int64_t)(seed >> 8) % out.dim[d]
                     : out.dim[d] - 1; /* the far corner first */
      place = place * out.dim[d] + at[d];
    }
    const double want = definition(&z, a, b, at), got = c[place];
    double allowed = 0;
    if (algorithm == LCL_CONV_FFT)
      allowed = 0x1p-24 * 8 * log2((double)(z.s.h * z.s.w) + 2) *
                norm(a + (size_t)at[0] * picture, picture) *
                norm(b + (size_t)at[1] * filter, filter);
    if (!(fabs(got - want) <= allowed))
      return lcl_fail(LCL_ERR_NUMERIC, "element (%lld,%lld,%lld,%lld) is %g, not %g",
                      (long long)at[0], (long long)at[1], (long long)at[2], (long long)at[3], got,
                      want);
  }
  return LCL_OK;
}
