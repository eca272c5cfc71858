/* The ops in plain double precision, written to be read: what every kernel is compared with.
 *
 * Arrays are dense and row-major, exactly as the device holds them, but of doubles. Outputs are
 * overwritten unless a comment says "added". Nothing here allocates except where a status is
 * returned. Sizes are the caller's to get right. */
#ifndef LCL_REFERENCE_H
#define LCL_REFERENCE_H

#include "base/base.h"

/* ---- products (reference/matmul.c) ---- */

/* c (M,N) = op(a) op(b) with op(a) (M,K), op(b) (K,N); a transposed operand is stored (K,M) or
 * (N,K). */
void lcl__ref_matmul(int64_t m, int64_t n, int64_t k, const double *a, bool transpose_a,
                     const double *b, bool transpose_b, double *c);

/* ---- convolution (reference/conv.c) ---- */

/* x (n,c,h,w), filter (o,c/groups,kh,kw), y (n,o,oh,ow). The bottom and right padding follow from
 * oh and ow. */
typedef struct lcl_ref_conv {
  int64_t n, c, h, w, o, kh, kw, oh, ow;
  int64_t stride_y, stride_x, top, left, dilation_y, dilation_x, groups;
} lcl_ref_conv;

/* y[n,o,i,j] = b[o] + sum_{c,p,q} f[o,c,p,q] x[n, c, i*stride + p*dilation - top, j*stride +
 * q*dilation - left]. b may be NULL. */
void lcl__ref_conv2d(const lcl_ref_conv *d, const double *x, const double *f, const double *b,
                     double *y);
/* The adjoint in x: gx from gy. Also the forward pass of the transposed convolution. */
void lcl__ref_conv2d_input_grad(const lcl_ref_conv *d, const double *gy, const double *f,
                                double *gx);
/* The adjoint in the filter. */
void lcl__ref_conv2d_filter_grad(const lcl_ref_conv *d, const double *x, const double *gy,
                                 double *gf);
/* gb[o] = sum of gy over everything but o. */
void lcl__ref_bias_grad(int64_t n, int64_t o, int64_t plane, const double *gy, double *gb);

/* mask (o,c,kh,kw) of zeros and ones: van den Oord et al. 2016, section 3.4. G image channels;
 * channel k of a side with K channels belongs to max(0, floor((k - K mod G)/floor(K/G))),
 * interleaved k mod G; with gates > 1 the output's are counted within each of `gates` equal parts.
 */
void lcl__ref_conv_mask(int64_t o, int64_t c, int64_t kh, int64_t kw, bool type_b,
                        int image_channels, int gates, bool interleaved, double *mask);

/* ---- pooling (reference/pool.c) ---- */

/* planes = N*C images of h*w, each pooled to oh*ow. bottom and right count only for an average that
 * includes padding. */
typedef struct lcl_ref_pool {
  int64_t planes, h, w, oh, ow;
  int64_t kernel_y, kernel_x, stride_y, stride_x, top, left, bottom, right;
  bool count_include_pad;
} lcl_ref_pool;

/* y: the largest element of the window that lies inside the image; indices: its position iy*w +
 * ix, the first of equals in reading order. A window wholly outside gives 0 and index -1. */
void lcl__ref_max_pool2d(const lcl_ref_pool *d, const double *x, double *y, int32_t *indices);
/* gx = scatter-add of v to the indices (-1 is skipped). */
void lcl__ref_max_unpool2d(int64_t planes, int64_t in_plane, int64_t out_plane, const double *v,
                           const int32_t *indices, double *gx);
/* Its adjoint: y[i] = x[indices[i]]. */
void lcl__ref_argmax_gather2d(int64_t planes, int64_t in_plane, int64_t out_plane, const double *x,
                              const int32_t *indices, double *y);
void lcl__ref_avg_pool2d(const lcl_ref_pool *d, const double *x, double *y);
void lcl__ref_avg_unpool2d(const lcl_ref_pool *d, const double *gy, double *gx);

/* ---- recurrent (reference/recurrent.c) ---- */

/* One LSTM step on `cells` positions: p (n,4h,cells), gates o,f,i,g; c_prev, c_out, h_out
 * (n,h,cells). */
void lcl__ref_lstm_cell(int64_t n, int64_t h, int64_t cells, const double *p, const double *c_prev,
                        double *h_out, double *c_out);
/* gp and gc_prev from gh and gc (either may be NULL: zero). */
void lcl__ref_lstm_cell_grad(int64_t n, int64_t h, int64_t cells, const double *p,
                             const double *c_prev, const double *gh, const double *gc, double *gp,
                             double *gc_prev);

/* Diagonal BiLSTM, see lcl_diagonal_bilstm: [0] is the left direction, [1] the right one (which
 * walks the mirrored image and whose result is moved down by one row). h0, c0 (hidden,height) or
 * NULL. */
typedef struct lcl_ref_bilstm {
  int64_t n, hidden, height, width;
  const double *s[2];  /* (n,4*hidden,height,width) */
  const double *k[2];  /* (2,4*hidden,hidden) */
  const double *h0[2]; /* (hidden,height) or NULL */
  const double *c0[2];
  const double *pad; /* (8*hidden) or NULL */
  bool freeze;
} lcl_ref_bilstm;
/* y (n,hidden,height,width). */
lcl_status lcl__ref_diagonal_bilstm(const lcl_ref_bilstm *d, double *y);
/* Gradients of everything; any pointer may be NULL. */
typedef struct lcl_ref_bilstm_grad {
  double *s[2], *k[2], *h0[2], *c0[2], *pad;
} lcl_ref_bilstm_grad;
lcl_status lcl__ref_diagonal_bilstm_grad(const lcl_ref_bilstm *d, const double *gy,
                                         const lcl_ref_bilstm_grad *out);

#endif
