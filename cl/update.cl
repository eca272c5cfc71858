/* update.cl: one optimiser step over a run of parameters that lie one after the other.
 *
 * p, g, and the slots: n floats at the same places. lr: the rate (1). scale (1): the gradient is
 * multiplied by it (see norm_scale and loss_scale; else 1); below 0 nothing is done. step (1):
 * optimiser steps done so far. Each item walks `per` elements.
 * rule: (clip, decay, l1, l2, b1, b2, eps, damping)
 *   gradient: g <- clamp(g*scale, -clip, clip) + decay*p          (clip <= 0: none)
 *   after the step: p <- p - lr*l1*sign(p), then p <- p - 2*lr*l2*p
 * sgd        p -= lr*g
 * momentum   v <- b1*v + (1-damping)*g (the first time v <- g when damping is not 0); p -= lr*v,
 *            Nesterov: lr*(g + b1*v)
 * rmsprop    r <- b2*r + (1-b2)*g^2; s = g/sqrt(r+eps) or g/(sqrt(r)+eps); b1 = 0: p -= lr*s, else
 *            v <- b1*v + s; p -= lr*v
 * adam       m <- b1*m + (1-b1)*g; v <- b2*v + (1-b2)*g^2; p -= lr*sqrt(c0)/c1 * m/(sqrt(v)+eps)
 *            with bias corrections c = (1-b2^t, 1-b1^t) of adam_step
 * adadelta   e <- b2*e + (1-b2)*g^2; d = sqrt(x+eps)/sqrt(e+eps)*g; x <- b2*x + (1-b2)*d^2; p -=
 *            lr*d
 */

#define ARGUMENTS                                                                                  \
  global float *restrict p, global const float *restrict g, global const float *restrict lr,       \
      global const float *restrict scale, global const int *restrict step, float8 rule, int n,     \
      int per
#define CLIP    rule.s0
#define DECAY   rule.s1
#define L1      rule.s2
#define L2      rule.s3
#define B1      rule.s4
#define B2      rule.s5
#define EPS     rule.s6
#define DAMPING rule.s7
#define EACH(i)                                                                                    \
  int begin = (int)get_global_id(0) * per, end = min(begin + per, n);                              \
  for (int i = begin; i < end; i++)
/* rate and k, for a step that is done */
#define RATE_AND_SCALE                                                                             \
  float rate = lr[0], k = scale[0];                                                                \
  if (k < 0.0f) return

float gradient(float g, float p, float scale, float8 rule) {
  g *= scale;
  if (CLIP > 0.0f) g = g > CLIP ? CLIP : g < -CLIP ? -CLIP : g; /* NaN stays */
  return g + DECAY * p;
}

float penalised(float p, float lr, float8 rule) {
  p -= lr * L1 * (p > 0.0f ? 1.0f : p < 0.0f ? -1.0f : 0.0f);
  return p - 2.0f * lr * L2 * p;
}

kernel void sgd(ARGUMENTS) {
  RATE_AND_SCALE;
  EACH(i) p[i] = penalised(p[i] - rate * gradient(g[i], p[i], k, rule), rate, rule);
}

kernel void momentum(ARGUMENTS, global float *restrict v, int nesterov) {
  RATE_AND_SCALE;
  float keep = B1, add = DAMPING != 0.0f && step[0] == 0 ? 1.0f : 1.0f - DAMPING;
  EACH(i) {
    float d = gradient(g[i], p[i], k, rule), w = keep * v[i] + add * d;
    v[i] = w;
    p[i] = penalised(p[i] - rate * (nesterov ? d + keep * w : w), rate, rule);
  }
}

kernel void rmsprop(ARGUMENTS, global float *restrict r, global float *restrict v,
                    int eps_outside) {
  RATE_AND_SCALE;
  EACH(i) {
    float d = gradient(g[i], p[i], k, rule), q = B2 * r[i] + (1.0f - B2) * d * d;
    r[i] = q;
    float s = eps_outside ? d / (sqrt(q) + EPS) : d / sqrt(q + EPS);
    if (B1 != 0.0f) {
      s += B1 * v[i];
      v[i] = s;
    }
    p[i] = penalised(p[i] - rate * s, rate, rule);
  }
}

kernel void adam(ARGUMENTS, global float *restrict m, global float *restrict v,
                 global const float *restrict correction) {
  RATE_AND_SCALE;
  float corrected = rate * sqrt(correction[0]) / correction[1];
  EACH(i) {
    float d = gradient(g[i], p[i], k, rule);
    float a = B1 * m[i] + (1.0f - B1) * d, b = B2 * v[i] + (1.0f - B2) * d * d;
    m[i] = a;
    v[i] = b;
    p[i] = penalised(p[i] - corrected * a / (sqrt(b) + EPS), rate, rule);
  }
}

kernel void adadelta(ARGUMENTS, global float *restrict e, global float *restrict x) {
  RATE_AND_SCALE;
  EACH(i) {
    float d = gradient(g[i], p[i], k, rule), q = B2 * e[i] + (1.0f - B2) * d * d;
    float s = sqrt(x[i] + EPS) / sqrt(q + EPS) * d;
    e[i] = q;
    x[i] = B2 * x[i] + (1.0f - B2) * s * s;
    p[i] = penalised(p[i] - rate * s, rate, rule);
  }
}

static void count(global int *step, global const float *scale) {
  if (!(scale[0] < 0.0f)) step[0] += 1;
}

/* step <- step + 1, where it is done */
kernel void count_step(global int *step, global const float *scale) { count(step, scale); }

/* The same for Adam, before its step t, with the corrections of its means. */
kernel void adam_step(global int *step, global const float *scale, global float *correction,
                      float b1, float b2) {
  const float t = (float)(step[0] + 1);
  correction[0] = 1.0f - pow(b2, t);
  correction[1] = 1.0f - pow(b1, t);
  count(step, scale);
}

/* part[item] = sum of g^2 over the item's `per` elements; one without elements stays as it is. */
kernel void square_sums(global const float *restrict g, global float *restrict part, int n,
                        int per) {
  int i = (int)get_global_id(0) * per, end = min(i + per, n);
  float s = 0.0f, lost = 0.0f;
  if (i >= end) return;
  while (i < end) {
    float block = 0.0f;
    for (int stop = i + min(end - i, LCL_SUM_BLOCK); i < stop; i++) block += g[i] * g[i];
    LCL_SUM_JOIN(float, s, lost, block)
  }
  part[get_global_id(0)] = s;
}

static float norm_of(global const float *restrict part, int n) {
  float s = 0.0f, lost = 0.0f;
  for (int i = 0; i < n; i++) LCL_SUM_JOIN(float, s, lost, part[i])
  return sqrt(s);
}

/* scale = min(1, limit/norm), norm = sqrt(sum of part). */
kernel void norm_scale(global const float *restrict part, global float *restrict scale, int n,
                       float limit) {
  const float s = norm_of(part, n);
  scale[0] = s > limit ? limit / s : 1.0f;
}

/* The same of gradients that are `factor` times too large, which scale takes back. Where they are
 * not finite scale is -1 and the factor is halved, down to 1; `steady` counts the steps since it
 * changed, and after 2000 it is doubled. */
kernel void loss_scale(global const float *restrict part, global float *restrict scale, int n,
                       float limit, global float *restrict factor, global int *restrict steady) {
  const float f = factor[0], s = norm_of(part, n) / f;
  const int done = isfinite(s) || f <= 1.0f, grows = done && steady[0] + 1 == 2000;
  scale[0] = done ? (s > limit ? limit / s : 1.0f) / f : -1.0f;
  factor[0] = done ? (grows ? 2.0f * f : f) : max(0.5f * f, 1.0f);
  steady[0] = done && !grows ? steady[0] + 1 : 0;
}

/* var <- decay*var + (1-decay)*value */
/* The 64-bit run counter of a random state {seed_lo, seed_hi, step_lo, step_hi} moves on by one. */
kernel void rng_advance(global uint *state) {
  state[2] += 1;
  if (state[2] == 0) state[3] += 1;
}
