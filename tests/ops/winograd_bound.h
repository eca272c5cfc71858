/* How far the results of Winograd's algorithms may be from those of a sum of products in doubles.
 */
#ifndef LCL_TESTS_WINOGRAD_H
#define LCL_TESTS_WINOGRAD_H

#include "ops/gemm_test.h"
#include "reference/reference.h"

typedef enum kind { FORWARD, INPUT_GRAD, FILTER_GRAD } conv_kind;

/* Absolute values of the transforms of F(outs x outs, 3x3): Bt, G and At, rows of SPAN at most. */
enum { SPAN = 6 };
typedef struct matrix {
  double at[SPAN][SPAN];
} matrix;
typedef struct minimal {
  int outs;
  bool exact; /* on integers: all fractions are binary */
  matrix input, filter, output;
} minimal;

static const minimal minimal_2 = {
  .outs = 2,
  .exact = true,
  .input = { { { 1, 0, 1, 0 }, { 0, 1, 1, 0 }, { 0, 1, 1, 0 }, { 0, 1, 0, 1 } } },
  .filter = { { { 1, 0, 0 }, { 0.5, 0.5, 0.5 }, { 0.5, 0.5, 0.5 }, { 0, 0, 1 } } },
  .output = { { { 1, 1, 1, 0 }, { 0, 1, 1, 1 } } }
};
static const minimal minimal_4 = { .outs = 4,
                                   .input = { { { 4, 0, 5, 0, 1, 0 },
                                                { 0, 4, 4, 1, 1, 0 },
                                                { 0, 4, 4, 1, 1, 0 },
                                                { 0, 2, 1, 2, 1, 0 },
                                                { 0, 2, 1, 2, 1, 0 },
                                                { 0, 4, 0, 5, 0, 1 } } },
                                   .filter = { { { 1.0 / 4, 0, 0 },
                                                 { 1.0 / 6, 1.0 / 6, 1.0 / 6 },
                                                 { 1.0 / 6, 1.0 / 6, 1.0 / 6 },
                                                 { 1.0 / 24, 1.0 / 12, 1.0 / 6 },
                                                 { 1.0 / 24, 1.0 / 12, 1.0 / 6 },
                                                 { 0, 0, 1 } } },
                                   .output = { { { 1, 1, 1, 1, 1, 0 },
                                                 { 0, 1, 1, 2, 2, 0 },
                                                 { 0, 1, 1, 4, 4, 0 },
                                                 { 0, 1, 1, 8, 8, 1 } } } };

/* out (rows x rows) = m in mt, m being rows x n; transposed: out (n x n) = mt in m. */
static inline void two_sided(const matrix *m, int rows, int n, bool transposed, const matrix *in,
                             matrix *out) {
  const int to = transposed ? n : rows, from = transposed ? rows : n;
  matrix half = { { { 0 } } };
  for (int i = 0; i < to; i++)
    for (int k = 0; k < from; k++)
      for (int j = 0; j < from; j++)
        half.at[i][j] += (transposed ? m->at[k][i] : m->at[i][k]) * in->at[k][j];
  for (int i = 0; i < to; i++)
    for (int j = 0; j < to; j++) {
      out->at[i][j] = 0;
      for (int k = 0; k < from; k++)
        out->at[i][j] += half.at[i][k] * (transposed ? m->at[k][j] : m->at[j][k]);
    }
}

/* side x side pixels of a plane h x w from (y,x) on, zeros outside. */
static inline void cut(const double *plane, int64_t h, int64_t w, int64_t y, int64_t x, int side,
                       matrix *to) {
  for (int i = 0; i < side; i++)
    for (int j = 0; j < side; j++)
      to->at[i][j] = y + i >= 0 && y + i < h && x + j >= 0 && x + j < w ? plane[(y + i) * w + x + j]
                                                                        : 0;
}

/* c.magnitude = the sums of what F(outs x outs, 3x3) adds up, all of it taken positive: a result is
 * off by at most the roundings on the way times the unit roundoff times that (Higham 2002, section
 * 3.1; for these algorithms Barabasz et al. 2020, "Error analysis and improving the accuracy of
 * Winograd convolution for deep neural networks"). Returns the roundings. */
static inline int64_t winograd_bound(const lcl_ref_conv *d, conv_kind kind, const minimal *t,
                                     const values *a, const values *b, values *c) {
  const bool back = kind == INPUT_GRAD; /* a convolution with the filter read backwards */
  const int outs = t->outs, span = outs + 2;
  const int64_t in = back ? d->o : d->c, out = back ? d->c : d->o, h = back ? d->oh : d->h,
                w = back ? d->ow : d->w, oh = back ? d->h : d->oh, ow = back ? d->w : d->ow,
                top = back ? 2 - d->top : d->top, left = back ? 2 - d->left : d->left,
                th = (oh + outs - 1) / outs, tw = (ow + outs - 1) / outs;
  matrix *u = calloc((size_t)(in * out), sizeof *u), *v = calloc((size_t)in, sizeof *v);
  for (int64_t k = 0; kind != FILTER_GRAD && k < in * out; k++) {
    const int64_t o = k / in, i = k % in;
    matrix g;
    cut(b->magnitude + 9 * (back ? i * out + o : k), 3, 3, 0, 0, 3, &g);
    if (back)
      for (int e = 0; e < 9; e++) g.at[e / 3][e % 3] = b->magnitude[9 * (i * out + o) + 8 - e];
    two_sided(&t->filter, span, 3, false, &g, &u[k]);
  }
  for (int64_t tile = 0; tile < d->n * th * tw; tile++) {
    const int64_t n = tile / (th * tw), y = tile / tw % th * outs, x = tile % tw * outs;
    for (int64_t i = 0; i < in; i++) {
      matrix pixels;
      cut(a->magnitude + (n * in + i) * h * w, h, w, y - top, x - left, span, &pixels);
      two_sided(&t->input, span, span, false, &pixels, &v[i]);
    }
    for (int64_t o = 0; o < out; o++) {
      matrix m = { { { 0 } } }, pixels;
      if (kind == FILTER_GRAD) {
        cut(b->magnitude + (n * out + o) * oh * ow, oh, ow, y, x, outs, &pixels);
        two_sided(&t->output, outs, span, true, &pixels, &m);
      }
      for (int64_t i = 0; i < in; i++)
        for (int p = 0; p < span * span; p++) {
          const int r = p / span, q = p % span;
          if (kind == FILTER_GRAD)
            u[o * in + i].at[r][q] += m.at[r][q] * v[i].at[r][q];
          else
            m.at[r][q] += u[o * in + i].at[r][q] * v[i].at[r][q];
        }
      if (kind == FILTER_GRAD) continue;
      two_sided(&t->output, outs, span, false, &m, &pixels);
      for (int64_t i = 0; i < LCL_MIN(outs, oh - y); i++)
        for (int64_t j = 0; j < LCL_MIN(outs, ow - x); j++)
          c->magnitude[((n * out + o) * oh + y + i) * ow + x + j] = pixels.at[i][j];
    }
  }
  for (int64_t k = 0; kind == FILTER_GRAD && k < in * out; k++) {
    matrix g;
    two_sided(&t->filter, span, 3, true, &u[k], &g);
    for (int e = 0; e < 9; e++) c->magnitude[9 * k + e] = g.at[e / 3][e % 3];
  }
  free(u), free(v);
  /* Both sides of each transform: 3 for an input, 4 for a filter (its fractions too) or 2 for a
   * gradient, 3 for an output or 5 for a filter's; a product a term. */
  return (kind == FILTER_GRAD ? d->n * th * tw : in) + 21;
}

/* NULL: the bound of a sum of products holds. */
static inline const minimal *method_of(const lcl_conv_implementation *im) {
  return strcmp(im->base.name, "winograd") == 0          ? &minimal_2
         : strstr(im->base.name, "winograd-4x4") != NULL ? &minimal_4
                                                         : NULL;
}

#endif
