/* args.h: arguments of kernels that travel together, as structs by value. Read by the host, after
 * device/device.h, and by OpenCL C.
 *
 * Fields are 32 bits wide, so that both sides lay a struct out alike; a struct has at most 16 of
 * them: LCL_STRUCT, which makes an argument of it, does not compile with more. On the host an
 * arg_int is a struct of its own that only lcl__int() makes: no size loses its upper bits unseen.
 */
#ifndef LCL_ARGS_H
#define LCL_ARGS_H

#ifdef __OPENCL_C_VERSION__
typedef int arg_int;

/* Operands of a product as they are stored, with HALF in half precision, and its result, with
 * HALF_C. STORED(p, i) is element i, STORE(v, p, i) sets it; vectors: packed.cl. */
#if defined(HALF) && HALF
typedef half stored;
#define STORED(p, i) vload_half(i, p)
#else
typedef float stored;
#define STORED(p, i) ((p)[i])
#endif
#if defined(HALF_C) && HALF_C
typedef half result;
#define STORE(v, p, i) vstore_half(v, i, p)
#else
typedef float result;
#define STORE(v, p, i) ((p)[i] = (v))
#endif
#endif

/* ---- C = act(A B + bias): see cl/gemm_packed.cl ---- */

/* Pixels of a work-group of channels_last. */
enum { CHANNELS_LAST_PIXELS = 128 };

/* Of `splits` parts of k, each k_split long, one work-group computes one. */
typedef struct gemm_sizes {
  arg_int m, n, k;
  arg_int splits, k_split;
} gemm_sizes;

/* Element (i,k) of A, k = (l0,l1) with l1 < len, is at
 * base + z*batch + i*rs + (l0/tb)*sa + (l0%tb)*sb + l1*s1. */
typedef struct gemm_a {
  arg_int base, batch;
  arg_int rs, len, tb, sa, sb, s1;
} gemm_a;

/* Element (k,j) of B: base + z*batch + k*rs + j*cs. Only base and batch with patches. */
typedef struct gemm_b {
  arg_int base, batch;
  arg_int rs, cs;
} gemm_b;

/* B as patches of images: tap (a,b) of pixel (q,r) is x[n, c, q*sh+h0+a*dh, r*sw+w0+b*dw]. */
typedef struct patches {
  arg_int total;          /* floats in x */
  arg_int channels;       /* used of x */
  arg_int image, h, w;    /* floats an image, height, width */
  arg_int cl;             /* 0: (N,C,H,W); else channels a pixel of the channels-last copy */
  arg_int gq, gr;         /* grid of pixels */
  arg_int sh, sw, h0, w0; /* pixel (q,r) is over row q*sh+h0, column r*sw+w0 ... */
  arg_int ta, tb, dh, dw; /* ... plus a*dh, b*dw for tap (a,b) */
} patches;

/* Element (i,j) of C: base + z*batch + part*split + i*ldc + j; pixel j = (n,q,r) is at
 * n*yn + q*yrow + r*ycol instead of j. bias_kind: 1 a number a column, 2 a number a row (z*m + i),
 * 3 (gemm_packed, gemm_reduce) a number an element, laid out like C.
 * act: lcl_act. */
typedef struct gemm_c {
  arg_int base, batch, split, ldc;
  arg_int yn, yrow, ycol;
  arg_int bias_kind, act;
  float slope;
} gemm_c;

#ifdef __OPENCL_C_VERSION__
/* Where pixel j of a grid gq x gr is in a row of C. */
static inline int gemm_column(int j, const gemm_c lc, int gq, int gr) {
  const int pixels = gq * gr, n = j / pixels, p = j - n * pixels, q = p / gr;
  return n * lc.yn + q * lc.yrow + (p - q * gr) * lc.ycol;
}
#endif

/* gemm_tiled, PHASES: the input gradient (h,w) of a convolution with strides sh and sw, at
 * positions of phase (ph,pw): ph + sh*q, pw + sw*r. Phases are numbered along w, of which there are
 * `across`; the taps (kh,kw) of a phase lie step_h and step_w apart. */
typedef struct gemm_phases {
  arg_int images, batch, across;
  arg_int h, w, kh, kw;
  arg_int sh, sw, top, left, dh, dw;
  arg_int step_h, step_w;
} gemm_phases;

/* Packed GEMM: a work-item multiplies panels_m panels of rows (k of them `pitch` apart) with
 * panels_n panels of columns, kc values of k at a time. */
typedef struct packed_blocks {
  arg_int pitch, kc;
  arg_int panels_n, panels_m;
  arg_int a_shared; /* all of the batch have the same A */
} packed_blocks;

/* gemm_pack: k goes to row (k%perm_t)*perm_c + k/perm_t of its panel of mr rows. */
typedef struct pack_sizes {
  arg_int mr, m, k, pitch;
  arg_int chunk, by_inner;
  arg_int perm_t, perm_c;
} pack_sizes;

/* conv_nhwc: a work-item has `pics` images by `rows` rows of each phase and `pairs` pairs of panels
 * of the m filters. Its window of an image: wh x ww pixels of cl floats, from row h_low and column
 * w_low of what its outputs look at. fh, fw: the fractional stride; the taps of a phase lie step_h
 * and step_w apart. */
typedef struct nhwc_window {
  arg_int m, images, channels, cl;
  arg_int pics, rows, pairs;
  arg_int h_low, w_low, wh, ww;
  arg_int fh, fw, step_h, step_w;
} nhwc_window;

/* ---- convolutions that are no GEMM ---- */

/* Between x (images,channels,h,w) and y (images,filters,gq,gr): under tap (a,b) of the kh x kw taps
 * of a filter, output pixel (q,r) sees x[n, c, q*sh-top+a*dh, r*sw-left+b*dw], zero outside. */
typedef struct conv_shape {
  arg_int images, channels, filters;
  arg_int h, w, kh, kw, gq, gr;
  arg_int sh, sw, top, left, dh, dw;
} conv_shape;

/* conv_nhwc_filter_grad: a work-item has `share` images and takes `pics` of them at a time into
 * windows of wh x ww pixels. cl: channels rounded up to whole tiles; yl: filters rounded up. */
typedef struct nhwc_grad {
  arg_int share, pics;
  arg_int wh, ww, cl, yl;
} nhwc_grad;

/* conv_few.cl: a work-item has `share` units; an image is divided into `blocks` of output rows,
 * the largest of which sees `rows` rows of `wide` padded pixels. Columns are `pitch` apart. The
 * input gradient has whole images for units, and lines of `wide` pixels. */
typedef struct few_blocks {
  arg_int share, blocks;
  arg_int rows, wide, pitch;
} few_blocks;

/* conv_winograd*.cl: m filters, `channels` used of the cl floats a pixel of images h x w; outputs
 * oh x ow in th x tw tiles an image, `tiles` of all images. */
typedef struct winograd_tiles {
  arg_int m, channels, cl;
  arg_int h, w, h0, w0, oh, ow;
  arg_int th, tw, tiles;
} winograd_tiles;

/* conv_winograd_tiled.cl: `parts` of `share` tiles each; the first `groups` groups of a launch have
 * filters or gradients. */
typedef struct winograd_parts {
  arg_int groups, parts, share;
} winograd_parts;

/* winograd_panel: where filters lie, as conv_winograd.cl says. */
typedef struct winograd_filters {
  arg_int rs, ks, flip;
} winograd_filters;

/* winograd_filter_grad: a work-item has `share` tiles, panels_o panels of filters and panels_c of
 * channels. yl: floats a pixel of the gradient. */
typedef struct winograd_blocks {
  arg_int share, panels_o, panels_c, yl;
} winograd_blocks;

/* ---- recurrent layers ---- */

/* bilstm.cl: a batch of maps height x width with `hidden` units; what images add to a gradient is
 * summed in `parts` parts. init: there are learned initial states; evolve: cells beside the image
 * run from them; pad: with a bias. */
typedef struct bilstm_sizes {
  arg_int images, parts;
  arg_int height, width, hidden;
  arg_int init, evolve, pad;
} bilstm_sizes;

/* pixelrnn.cl: an image has `channels` values a pixel, each from `logits` logits; `head_layers`
 * layers of head_width maps stand before those. edges: the margin, margin_size floats a layer, has
 * states. The first given_rows rows are not sampled. */
typedef struct sampler_sizes {
  arg_int layers, hidden, channels, logits;
  arg_int height, width, head_layers, head_width;
  arg_int residual, edges, margin_size, given_rows;
  arg_int begin, end; /* steps of a launch */
} sampler_sizes;

/* ---- Fourier transforms: see cl/fft.cl ---- */

/* Images (channels, h, w) in padded planes (f0, f1): pixel (i,j) is at (top + i*s0, left + j*s1).
 */
typedef struct fft_place {
  arg_int channels, h, w;
  arg_int f0, f1;
  arg_int top, left, s0, s1;
} fft_place;

#endif
