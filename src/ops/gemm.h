/* One product behind matmul and the convolutions: C = act(A B + bias), batched, where B is a matrix
 * or the patches of a picture that are never written out. */
#ifndef LCL_OPS_GEMM_H
#define LCL_OPS_GEMM_H

#include "ops/panel.h"

typedef enum lcl_gemm_source {
  LCL_GEMM_MATRIX,   /* B[k,j] at b_base + z*b_batch + k*rsb + j*csb */
  LCL_GEMM_PATCHES,  /* k = (tap a, tap b, channel), j = (picture, q, r): convolution */
  LCL_GEMM_PATCHES_T /* k = (picture, q, r), j = (channel, tap a, tap b): filter gradient */
} lcl_gemm_source;

/* Pictures x (pictures, all_channels, h, w); product z of the batch uses channels z*channels...
 * Pixel (q,r) of a gq x gr grid with tap (a,b), a < ta, b < tb, is x[q*sh + h0 + a*dh, r*sw + w0 +
 * b*dw], zero outside. With fh or fw above 1 those are numbers of parts of pixels: x[(q*sh + h0 +
 * a*dh)/fh, ...], zero where that does not divide (the input gradient of a strided convolution;
 * only LCL_GEMM_ROWS computes it).
 */
typedef struct lcl_patches {
  int64_t pictures, all_channels, channels, h, w;
  int64_t gq, gr, sh, sw, h0, w0;
  int64_t ta, tb, dh, dw;
  int64_t fh, fw; /* 0 stands for 1 */
} lcl_patches;

enum { LCL_BIAS_NONE, LCL_BIAS_COLUMN, LCL_BIAS_ROW };

typedef struct lcl_gemm {
  const char *label; /* "conv2d 32x3x32x32" */
  int64_t m, n, k, batch;
  /* A[i,k] with k = (l0, l1), l1 < a_len: a_base + z*a_batch + i*a_rs + (l0/a_tb)*a_sa +
   * (l0%a_tb)*a_sb + l1*a_s1 */
  lcl_arg a;
  int64_t a_base, a_batch, a_rs, a_len, a_tb, a_sa, a_sb, a_s1;
  lcl_arg b;
  lcl_gemm_source source;
  int64_t b_base, b_batch, rsb, csb; /* matrix */
  lcl_patches patches;
  /* C[i,j] at c_base + z*c_batch + i*ldc + j; for PATCHES j = (n,q,r) is at n*yn + q*yrow + r*ycol
   * instead.
   */
  lcl_arg c;
  int64_t c_base, c_batch, ldc, yn, yrow, ycol;
  lcl_arg bias; /* with bias_kind other than NONE: a number a column, or a row z*m + i */
  int bias_kind;
  lcl_act act;
  float slope;
  double flops;
  /* Scratch with b's channels-last copy, to share among products with the same b: -1 until one of
   * them made it. */
  int *channels_last;
} lcl_gemm;

typedef enum lcl_gemm_algorithm {
  LCL_GEMM_PANEL,
  LCL_GEMM_DIRECT, /* panel devices, patches with sw = 1 and at most LCL_GEMM_DIRECT_ROWS rows of A
                    */
  LCL_GEMM_TILED,
  LCL_GEMM_CLBLAST,
  LCL_GEMM_ROWS /* panel devices, patches, batch 1, whole pictures as the result: see
                   cl/conv_rows.cl */
} lcl_gemm_algorithm;
enum { LCL_GEMM_DIRECT_ROWS = 4 };
#define LCL_GEMM_ROWS_PIXELS(vec) ((vec) == 16 ? 12 : 6) /* of a tile of LCL_GEMM_ROWS */

/* What a tuner may choose for one product. */
typedef struct lcl_gemm_params {
  int algorithm; /* lcl_gemm_algorithm */
  int vec;       /* panel: floats in a vector, 16 or 8 */
  int kc_max;    /* panel: rows of the packed block of B in local memory: 512, 256 or 128 */
  int kc;        /* panel: rows used of it */
  int panels_n, panels_m; /* panel, rows: panels (tiles of pixels, pairs of panels of filters) a
                             work-item walks */
  int group, nv; /* tiled: side of the work-group, vectors of 4 a work-item has in each direction */
  int splits;    /* parts of the inner dimension that are computed apart and added up afterwards */
  int channels_last; /* panel, patches: copy the pictures to channels-last first */
} lcl_gemm_params;

/* The choice for a product on a device: every kernel parameter comes from here. */
lcl_gemm_params lcl_gemm_choose(const lcl_caps *caps, const lcl_gemm *g);

/* The key of a GEMM in the tuning database, and the parameters to use: tuned if known and legal
 * here, else lcl_gemm_choose. */
void lcl_gemm_key(const lcl_gemm *g, char key[160]);
lcl_gemm_params lcl_gemm_tuned(lcl_lower *lw, const lcl_gemm *g);
bool lcl_gemm_legal(const lcl_caps *caps, const lcl_gemm *g, const lcl_gemm_params *p);
/* Called with every GEMM that is lowered on the context while it is set (NULL: stop). */
typedef void (*lcl_gemm_watch_fn)(void *user, lcl_lower *lw, const lcl_gemm *g);
void lcl_gemm_watch(lcl_context *ctx, lcl_gemm_watch_fn fn, void *user);

/* How LCL_GEMM_ROWS shares out a product: a work-item takes `pics` pictures by `rows` rows of each
 * phase, for which it holds wh x ww pixels of x from row h_low and column w_low of it, cl floats
 * each. */
typedef struct lcl_gemm_rows {
  int64_t pics, rows, items, h_low, w_low, wh, ww, cl;
  int64_t local; /* bytes of local memory */
} lcl_gemm_rows;
lcl_gemm_rows lcl_gemm_rows_of(const lcl_gemm *g, const lcl_gemm_params *p);
bool lcl_gemm_rows_can(const lcl_caps *caps, const lcl_gemm *g, const lcl_gemm_params *p);

/* Emits the launches. Sizes beyond 31 bits are an error of lcl_emit. */
lcl_status lcl_gemm_lower(lcl_lower *lw, const lcl_gemm *g);

/* A 3x3 convolution (stride and dilation 1, one group) by Winograd's minimal filtering, on panel
 * devices: g describes it as patches, of which gq, gr, h0, w0 say where outputs look; filters 3x3
 * at i*row + k*inner of g->a, backwards if flip. */
typedef struct lcl_winograd {
  const lcl_gemm *g;
  int64_t row, inner, channels;
  bool flip;
} lcl_winograd;
bool lcl_winograd_can(const lcl_caps *caps, const lcl_winograd *w);
bool lcl_winograd_pays(const lcl_caps *caps, const lcl_winograd *w);
lcl_status lcl_winograd_lower(lcl_lower *lw, const lcl_winograd *w);
/* The filter gradient g (PATCHES_T, A is the gradient of the outputs) of such a convolution. */
bool lcl_winograd_filter_grad_can(const lcl_caps *caps, const lcl_gemm *g);
bool lcl_winograd_filter_grad_pays(const lcl_caps *caps, const lcl_gemm *g);
lcl_status lcl_winograd_filter_grad_lower(lcl_lower *lw, const lcl_gemm *g);

/* C = the sum of `splits` dense parts (batch, m, pitch) in scratch `part`, with the epilogue; with
 * cl > 0 a filter gradient whose columns are still in channels-last order, cl channels a tap. */
lcl_status lcl_gemm_sum_parts(lcl_lower *lw, const lcl_gemm *g, int splits, int part, int64_t pitch,
                              int64_t cl);
/* The channels-last copy of g's pictures as scratch (channels rounded up to p->vec), made unless
 * g->channels_last has it. */
lcl_status lcl_gemm_channels_last(lcl_lower *lw, const lcl_gemm *g, const lcl_gemm_params *p,
                                  int *copy);

/* The product g with CLBlast (matrices, batch 1, no epilogue); LCL_ERR_UNSUPPORTED where it cannot.
 */
lcl_status lcl_gemm_lower_clblast(lcl_lower *lw, const lcl_gemm *g);
bool lcl_gemm_clblast_can(const lcl_caps *caps, const lcl_gemm *g);

#endif
