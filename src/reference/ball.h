/* Running error analysis (Higham 2002, "Accuracy and Stability of Numerical Algorithms",
 * section 3.3): a value computed in double, with a bound on how far a single-precision evaluation
 * of the same formula may be from it. The function errors are those that OpenCL 1.2 allows a
 * full-profile device (section 7.4 of its specification). */
#ifndef LCL_BALL_H
#define LCL_BALL_H

#include <float.h>
#include <math.h>

#include "reference/spec.h"

typedef struct lcl_ball {
  double v, e;
} lcl_ball;

static inline lcl_ball ball_exact(double v) {
  return (lcl_ball) { v, 0 };
}

/* v with error e so far, rounded with an error of `ulps` units in the last place; results too small
 * for f32's normal numbers may be flushed to zero. NaN and infinities have no error. */
static inline lcl_ball ball_round(double v, double e, double ulps) {
  if (!isfinite(v)) return ball_exact(v);
  return (lcl_ball) { v, e + 2 * ulps * LCL_UNIT_ROUNDOFF * (fabs(v) + e) + FLT_MIN };
}

static inline lcl_ball ball_add(lcl_ball a, lcl_ball b) {
  return ball_round(a.v + b.v, a.e + b.e, 0.5);
}
static inline lcl_ball ball_sub(lcl_ball a, lcl_ball b) {
  return ball_round(a.v - b.v, a.e + b.e, 0.5);
}
static inline lcl_ball ball_mul(lcl_ball a, lcl_ball b) {
  return ball_round(a.v * b.v, fabs(a.v) * b.e + fabs(b.v) * a.e + a.e * b.e, 0.5);
}
static inline lcl_ball ball_div(lcl_ball a, lcl_ball b) {
  const double v = a.v / b.v, least = fabs(b.v) - b.e;
  return ball_round(v, least > 0 ? (a.e + fabs(v) * b.e) / least : HUGE_VAL, 2.5);
}
static inline lcl_ball ball_exp(lcl_ball a) {
  return ball_round(exp(a.v), exp(a.v) * expm1(a.e), 3);
}
static inline lcl_ball ball_log(lcl_ball a) {
  const double least = a.v - a.e;
  return ball_round(log(a.v), least > 0 ? a.e / least : HUGE_VAL, 3);
}
static inline lcl_ball ball_rsqrt(lcl_ball a) {
  const double least = a.v - a.e, v = 1 / sqrt(a.v);
  return ball_round(v, least > 0 ? 0.5 * a.e / (least * sqrt(least)) : HUGE_VAL,
                    5.5); /* or 1/sqrt */
}
/* Activations: slopes are at most 1/4 and 1; either may be computed from an exponential, whose
 * error is absolute. */
static inline lcl_ball ball_sigmoid(lcl_ball a) {
  return ball_round(1 / (1 + exp(-a.v)), 0.25 * a.e, 6.5);
}
static inline lcl_ball ball_tanh(lcl_ball a) {
  return ball_round(tanh(a.v), a.e + 8 * LCL_UNIT_ROUNDOFF, 5);
}

/* A sum of any number of terms. */
typedef struct lcl_ball_sum {
  double v, e, magnitude;
  int64_t n;
} lcl_ball_sum;
static inline void ball_sum_add(lcl_ball_sum *s, lcl_ball term) {
  s->v += term.v;
  s->e += term.e;
  s->magnitude += fabs(term.v) + term.e;
  s->n++;
}
static inline lcl_ball ball_sum_rounded(const lcl_ball_sum *s, double roundings) {
  return (lcl_ball) { s->v, s->e + roundings * LCL_UNIT_ROUNDOFF * s->magnitude };
}
/* By a reduction. */
static inline lcl_ball ball_sum_get(const lcl_ball_sum *s) {
  return ball_sum_rounded(s, lcl__sum_roundings((double)s->n));
}
/* One term after the other, in any order, as a matrix product does. */
static inline lcl_ball ball_product_get(const lcl_ball_sum *s) {
  return ball_sum_rounded(s, (double)s->n);
}

/* What is allowed of a device: twice the bound, because the same formula may be arranged in more
 * than one way, plus what flushing to zero may take. */
static inline double ball_allowed(lcl_ball b) {
  return 2 * b.e + FLT_MIN;
}

#endif
