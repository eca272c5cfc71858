/* bilstm_walk.cl: what bilstm.cl and bilstm_tiled.cl share: activations, and where cells are. See
 * bilstm.cl. Included, with BILSTM_V defined. */
#ifndef BILSTM_V
#define BILSTM_V 1
#endif
#define WIDTH BILSTM_V
/* Hidden units: a constant where kernels are built for their number. */
#ifdef BILSTM_H
#define HIDDEN(z) BILSTM_H
#else
#define HIDDEN(z) ((z).hidden)
#endif
#include "lstm.cl"

/* exp on [-20, 20], relative error 2e-7: x = n ln 2 + r, and a polynomial in r times 2^n. Adding
 * 1.5*2^23 rounds to an integer and leaves it in the low bits. NaN stays NaN: added to its bits, n
 * could make a number of it. */
static vec exp_small(vec x) {
  const vec shifted = LCL_MAD(x, SPLAT(1.44269504f), SPLAT(12582912.0f)),
            n = shifted - SPLAT(12582912.0f);
  const vec r = LCL_MAD(n, SPLAT(-1.42860677e-6f), LCL_MAD(n, SPLAT(-0.693145752f), x));
  vec p = LCL_MAD(r, SPLAT(8.3125252e-3f), SPLAT(4.1890115e-2f));
  p = LCL_MAD(p, r, SPLAT(0.16667114f));
  p = LCL_MAD(p, r, SPLAT(0.49999231f));
  p = LCL_MAD(p * r, r, r + SPLAT(1.0f));
  return p * AS_VEC((AS_INT(shifted) << 23) + 0x3f800000);
}

/* 1 + exp(-x) with x kept within +-20, where the sigmoid is 0 or 1 to 2e-9; comparisons let NaN
 * through. */
static vec one_plus_exp_neg(vec x) {
  x = x > SPLAT(20.0f) ? SPLAT(20.0f) : x;
  x = x < SPLAT(-20.0f) ? SPLAT(-20.0f) : x;
  return SPLAT(1.0f) + exp_small(-x);
}

static vec tanh_fast(vec x) { return SPLAT(2.0f) / one_plus_exp_neg(x + x) - SPLAT(1.0f); }

/* o,f,i = sigmoid, g = tanh of four pre-activations, with a single division: the four denominators
 * are at most 5e8, so that their product stays finite. */
static void gates(vec p[4]) {
  const vec a = one_plus_exp_neg(p[0]), b = one_plus_exp_neg(p[1]);
  const vec c = one_plus_exp_neg(p[2]), d = one_plus_exp_neg(p[3] + p[3]);
  const vec ab = a * b, cd = c * d, r = SPLAT(1.0f) / (ab * cd), r_ab = r * cd, r_cd = r * ab;
  p[0] = r_ab * b;
  p[1] = r_ab * a;
  p[2] = r_cd * d;
  p[3] = LCL_MAD(r_cd * SPLAT(2.0f), c, SPLAT(-1.0f));
}

/* ---- geometry ---- */

typedef struct walk {
  int H, W, h, d, init;
  int in_margin; /* walking the margin instead of a image */
  cptr zero;     /* record of "no neighbour" */
  gptr margin;   /* this direction's margin records */
  gptr rec;      /* this image and direction's records */
} walk;

static int first_row(const walk *w, int t) { return w->in_margin ? t + 1 : max(0, t - w->W + 1); }
static int last_row(const walk *w, int t) { return w->in_margin ? w->H - 1 : min(w->H - 1, t); }
static int columns(const walk *w) { return w->in_margin ? w->H - 1 : w->H + w->W - 1; }
/* Pixel number of row i at column t. */
static int pixel(const walk *w, int t, int i) {
  return i * w->W + (w->d ? w->W - 1 - (t - i) : t - i);
}

/* Left of the image, t < i, it is the margin's. */
static gptr record_at(const walk *w, int t, int i) {
  return t < i ? w->margin + ((t + 1) * w->H + i) * 6 * w->h : w->rec + pixel(w, t, i) * 6 * w->h;
}

/* The record of row i at column t where row i may not have entered the image yet, or not exist. */
static cptr neighbour(const walk *w, int t, int i) {
  return i < 0 || (t < i && !w->init) ? w->zero : record_at(w, t, i);
}

/* Not returned: Oclgrind does not know what some compilers say of a struct that is. */
static void walk_of(walk *w, gptr margin, gptr rec, int image, int d, bilstm_sizes z,
                    int in_margin) {
  w->H = z.height, w->W = z.width, w->h = HIDDEN(z), w->d = d, w->init = z.init;
  w->in_margin = in_margin;
  w->zero = margin;
  w->margin = margin + 8 * w->h + (size_t)d * w->H * w->H * 6 * w->h;
  w->rec = rec + ((size_t)image * 2 + d) * w->H * w->W * 6 * w->h;
}
/* Where an image begins in an array of `floats` a pixel. */
static size_t image_at(bilstm_sizes z, int image, int floats) {
  return (size_t)image * z.height * z.width * floats;
}
