/* Operations on graph tensors. Shapes in comments; every function is sticky-safe (see graph.h).
 * Gradients stay inside this set, so any order of derivative exists unless a function says
 * otherwise. */
#ifndef LATENTCL_OPS_H
#define LATENTCL_OPS_H

#include "latentcl/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- map: element-wise with NumPy broadcasting (src/ops/map.c) ---- */
typedef enum lcl_map_code {
  LCL_MAP_COPY,
  LCL_MAP_NEG,
  LCL_MAP_ABS,
  LCL_MAP_SIGN,
  LCL_MAP_EXP,
  LCL_MAP_LOG,
  LCL_MAP_SQRT,
  LCL_MAP_RSQRT,
  LCL_MAP_SQUARE,
  LCL_MAP_RECIP,
  LCL_MAP_RELU,
  LCL_MAP_LEAKY_RELU /* p: slope */,
  LCL_MAP_SIGMOID,
  LCL_MAP_TANH,
  LCL_MAP_SOFTPLUS,
  LCL_MAP_FLOOR,
  LCL_MAP_SIN,
  LCL_MAP_COS,
  LCL_MAP_SCALE /* p: factor */,
  LCL_MAP_SHIFT /* p: addend */,
  LCL_MAP_CAST /* to dtype */,
  LCL_MAP_ADD,
  LCL_MAP_SUB,
  LCL_MAP_MUL,
  LCL_MAP_DIV,
  LCL_MAP_MAX,
  LCL_MAP_MIN,
  LCL_MAP_GREATER,
  LCL_MAP_LESS,
  LCL_MAP_EQUAL,
  LCL_MAP_SELECT /* a != 0 ? b : c */,
  LCL_MAP_CODES
} lcl_map_code;

LCL_API lcl_tensor *lcl_unary(lcl_map_code code, lcl_tensor *x, float p);
LCL_API lcl_tensor *lcl_binary(lcl_map_code code, lcl_tensor *a, lcl_tensor *b);

LCL_API lcl_tensor *lcl_neg(lcl_tensor *x);
LCL_API lcl_tensor *lcl_abs(lcl_tensor *x);  /* derivative at 0 is 0 */
LCL_API lcl_tensor *lcl_sign(lcl_tensor *x); /* derivative 0 */
LCL_API lcl_tensor *lcl_exp(lcl_tensor *x);
LCL_API lcl_tensor *lcl_log(lcl_tensor *x);
LCL_API lcl_tensor *lcl_sqrt(lcl_tensor *x);
LCL_API lcl_tensor *lcl_rsqrt(lcl_tensor *x);
LCL_API lcl_tensor *lcl_square(lcl_tensor *x);
LCL_API lcl_tensor *lcl_recip(lcl_tensor *x);
LCL_API lcl_tensor *lcl_relu(lcl_tensor *x); /* derivative at 0 is 0 */
LCL_API lcl_tensor *lcl_leaky_relu(lcl_tensor *x, float slope);
LCL_API lcl_tensor *lcl_sigmoid(lcl_tensor *x);
LCL_API lcl_tensor *lcl_tanh(lcl_tensor *x);
LCL_API lcl_tensor *lcl_softplus(lcl_tensor *x); /* log(1+exp(x)), stable */
LCL_API lcl_tensor *lcl_scale(lcl_tensor *x, float factor);
LCL_API lcl_tensor *lcl_shift(lcl_tensor *x, float addend);
LCL_API lcl_tensor *lcl_cast(lcl_tensor *x, lcl_dtype dtype);
LCL_API lcl_tensor *lcl_add(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_sub(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_mul(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_div(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_maximum(lcl_tensor *a, lcl_tensor *b); /* ties: gradient to a */
LCL_API lcl_tensor *lcl_minimum(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_greater(lcl_tensor *a, lcl_tensor *b); /* f32 1 or 0, derivative 0 */
LCL_API lcl_tensor *lcl_less(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_equal(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_select(lcl_tensor *cond, lcl_tensor *a,
                               lcl_tensor *b); /* cond != 0 ? a : b */

/* ---- reduce (src/ops/reduce.c): axes is a bit mask, LCL_AXIS(0)|LCL_AXIS(2); LCL_ALL_AXES ---- */
#define LCL_AXIS(i)  (1u << (i))
#define LCL_ALL_AXES 0x3fu
LCL_API lcl_tensor *lcl_sum(lcl_tensor *x, unsigned axes, bool keepdims);
LCL_API lcl_tensor *lcl_mean(lcl_tensor *x, unsigned axes, bool keepdims); /* NaN of no elements */
LCL_API lcl_tensor *lcl_max(lcl_tensor *x, unsigned axes,
                            bool keepdims); /* gradient to every maximal element's first */
LCL_API lcl_tensor *lcl_min(lcl_tensor *x, unsigned axes, bool keepdims);
LCL_API lcl_tensor *lcl_argmax(lcl_tensor *x, int axis,
                               bool keepdims); /* i32, first of equals; no gradient */
LCL_API lcl_tensor *lcl_broadcast(lcl_tensor *x, lcl_shape shape);
/* Mean and biased variance over axes (kept as size 1), as batch norm needs them. */
LCL_API void lcl_moments(lcl_tensor *x, unsigned axes, lcl_tensor **mean, lcl_tensor **var);

/* ---- shape (src/ops/shape.c) ---- */
LCL_API lcl_tensor *lcl_reshape(lcl_tensor *x, lcl_shape shape); /* one dimension may be -1 */
LCL_API lcl_tensor *lcl_transpose(lcl_tensor *x, const int *perm);
LCL_API lcl_tensor *lcl_slice(lcl_tensor *x, const int64_t *start, const int64_t *stop);
LCL_API lcl_tensor *lcl_slice_axis(lcl_tensor *x, int axis, int64_t start, int64_t stop);
LCL_API lcl_tensor *lcl_pad(lcl_tensor *x, const int64_t *before, const int64_t *after); /* zeros */
LCL_API lcl_tensor *lcl_concat(lcl_tensor *const *xs, int n, int axis);
LCL_API lcl_tensor *lcl_flip(lcl_tensor *x, unsigned axes);
LCL_API lcl_tensor *lcl_gather(lcl_tensor *x,
                               lcl_tensor *rows); /* x (R,...), rows i32 (n) -> (n,...) */
LCL_API lcl_tensor *lcl_scatter_add(lcl_tensor *v, lcl_tensor *rows,
                                    int64_t n_rows); /* adjoint of gather */
LCL_API lcl_tensor *lcl_one_hot(lcl_tensor *index,
                                int64_t depth); /* i32 or u8 (n) -> f32 (n,depth) */
LCL_API lcl_tensor *
lcl_skew(lcl_tensor *x); /* (N,C,H,W) -> (N,C,H,W+H-1): row i moved right by i */
LCL_API lcl_tensor *lcl_unskew(lcl_tensor *x); /* (N,C,H,W+H-1) -> (N,C,H,W); the adjoint of skew */

/* ---- products (src/ops/matmul.c) ---- */
/* (...,M,K) x (...,K,N) -> (...,M,N); transpose_a: a is (...,K,M). Leading dimensions equal or
 * absent. */
LCL_API lcl_tensor *lcl_matmul(lcl_tensor *a, lcl_tensor *b, bool transpose_a, bool transpose_b);

/* ---- convolution (src/ops/conv.c): cross-correlation ---- */
typedef struct lcl_conv_desc {
  int stride[2]; /* 0 means 1 */
  int pad[4];    /* top, bottom, left, right */
  bool same; /* pads so that out = ceil(in/stride), the odd one at the bottom/right ("tf-same"); pad
                is ignored */
  int dilation[2]; /* 0 means 1 */
  int groups;      /* 0 means 1 */
} lcl_conv_desc;
/* x (N,C,H,W), w (O,C/groups,KH,KW), b (O) or NULL. out = floor((in + pads - dilation*(k-1) -
 * 1)/stride) + 1. */
LCL_API lcl_tensor *lcl_conv2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b,
                               const lcl_conv_desc *desc);
/* The same by the Fourier transform (clFFT or the library's own), which pays for filters of about
 * the picture's size; lcl_conv2d chooses it by itself there. Rounding errors are relative to the
 * whole padded picture, not to the window. */
LCL_API lcl_tensor *lcl_fft_conv2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b,
                                   const lcl_conv_desc *desc);
/* d conv2d / d x applied to gy: the tied transposed convolution. in_shape is the forward input's
 * shape. */
LCL_API lcl_tensor *lcl_conv2d_input_grad(lcl_tensor *gy, lcl_tensor *w, lcl_shape in_shape,
                                          const lcl_conv_desc *desc);
/* d conv2d / d w: w_shape (O,C/groups,KH,KW). */
LCL_API lcl_tensor *lcl_conv2d_filter_grad(lcl_tensor *x, lcl_tensor *gy, lcl_shape w_shape,
                                           const lcl_conv_desc *desc);
/* Transposed convolution: w (C_in, C_out/groups, KH, KW); out = (in-1)*stride - pads +
 * dilation*(k-1) + 1 + output_pad. */
LCL_API lcl_tensor *lcl_conv_transpose2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b,
                                         const lcl_conv_desc *desc, const int output_pad[2]);
typedef enum lcl_mask_type { LCL_MASK_A, LCL_MASK_B } lcl_mask_type;
/* PixelRNN's masked convolution (van den Oord et al. 2016, section 3.4). colours: 1, or 3 for
 * channel groups (contiguous thirds, remainder to the first group; interleaved: channel k is in
 * group k mod colours; gates > 1: groups counted within each of `gates` equal parts of the output).
 * A masked weight never influences a value or receives a gradient, even if it is NaN. */
typedef struct lcl_mask_desc {
  lcl_mask_type type;
  int colours, gates;
  bool interleaved;
} lcl_mask_desc;
LCL_API lcl_tensor *lcl_masked_conv2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b,
                                      const lcl_mask_desc *mask, const lcl_conv_desc *desc);

/* ---- pooling (src/ops/pool.c) ---- */
typedef struct lcl_pool_desc {
  int kernel[2];
  int stride[2];          /* 0: the kernel */
  int pad[4];             /* top, bottom, left, right */
  bool ceil;              /* output size rounded up */
  bool count_include_pad; /* average pool divides by the whole window */
} lcl_pool_desc;
/* switches (may be NULL) receives i32 positions y*W+x in the input plane; ties go to the first. */
LCL_API lcl_tensor *lcl_max_pool2d(lcl_tensor *x, const lcl_pool_desc *desc, lcl_tensor **switches);
LCL_API lcl_tensor *lcl_max_unpool2d(lcl_tensor *v, lcl_tensor *switches,
                                     lcl_shape in_shape);                     /* scatter-add */
LCL_API lcl_tensor *lcl_switch_gather2d(lcl_tensor *x, lcl_tensor *switches); /* its adjoint */
LCL_API lcl_tensor *lcl_avg_pool2d(lcl_tensor *x, const lcl_pool_desc *desc);
LCL_API lcl_tensor *lcl_avg_unpool2d(lcl_tensor *v, lcl_shape in_shape,
                                     const lcl_pool_desc *desc); /* its adjoint */

/* ---- softmax and losses (src/ops/softmax.c; losses composite) ---- */
LCL_API lcl_tensor *lcl_softmax(lcl_tensor *x, int axis);
LCL_API lcl_tensor *lcl_log_softmax(lcl_tensor *x, int axis);

/* ---- recurrent (src/ops/recurrent.c); first derivatives only ---- */
/* LSTM cell, gates o,f,i,g along axis 1: p (N,4h,...) pre-activations, c_prev (N,h,...).
 * c = sigmoid(f)*c_prev + sigmoid(i)*tanh(g); h = sigmoid(o)*tanh(c). */
LCL_API void lcl_lstm_cell(lcl_tensor *p, lcl_tensor *c_prev, lcl_tensor **h, lcl_tensor **c);
/* Diagonal BiLSTM layer (van den Oord et al. 2016, section 3.3).
 * s_left, s_right (N,4h,H,W): input-to-state maps of both directions, in image coordinates (not
 * mirrored, not skewed); gates o,f,i,g along channels. k_left, k_right (2,4h,h): state-to-state,
 * [0] for the row above, [1] for the row itself. h0_left.. c0_right (h,H) initial states or NULL
 * (zero). Cells beside the image run with s = pad (8h: left o,f,i,g then right; NULL: zero), or
 * with freeze (and no pad) keep the initial state. Result (N,h,H,W): left + right moved down by one
 * row. */
typedef struct lcl_bilstm_state {
  lcl_tensor *h0_left, *c0_left, *h0_right, *c0_right, *pad;
  bool freeze;
} lcl_bilstm_state;
LCL_API lcl_tensor *lcl_diagonal_bilstm(lcl_tensor *s_left, lcl_tensor *s_right, lcl_tensor *k_left,
                                        lcl_tensor *k_right, const lcl_bilstm_state *init);
/* The same with channels last, as its kernels want it: s (N,H,W,8h), left o,f,i,g then right
 * o,f,i,g (one product of the pixels' rows gives both), result (N,H,W,h). */
LCL_API lcl_tensor *lcl_diagonal_bilstm_nhwc(lcl_tensor *s, lcl_tensor *k_left, lcl_tensor *k_right,
                                             const lcl_bilstm_state *init);

/* ---- random (src/ops/random.c): Philox4x32-10, counter = (stream, step, index); no gradient ----
 */
LCL_API lcl_tensor *lcl_random_uniform(lcl_graph *g, lcl_shape shape); /* [0,1) */
LCL_API lcl_tensor *lcl_random_normal(lcl_graph *g, lcl_shape shape);
LCL_API lcl_tensor *lcl_random_bernoulli(lcl_tensor *p);    /* f32 0 or 1 with probability p */
LCL_API lcl_tensor *lcl_dropout(lcl_tensor *x, float rate); /* inverted dropout */

/* ---- gradients (src/ops/gradients.c) ---- */
/* Adds the gradient of the scalar loss with respect to wrt[0..n) to the graph: out[i] has the shape
 * of wrt[i] (zeros where loss does not depend on it). The results are ordinary tensors: they can be
 * differentiated again. */
LCL_API void lcl_gradients(lcl_tensor *loss, lcl_tensor *const *wrt, int n, lcl_tensor **out);
/* The vector-Jacobian product: like lcl_gradients for a y of any shape with incoming gradient gy.
 */
LCL_API void lcl_vjp(lcl_tensor *y, lcl_tensor *gy, lcl_tensor *const *wrt, int n,
                     lcl_tensor **out);

/* ---- updates (src/ops/update.c): happen at the end of a run ---- */
/* Sets variable var (a tensor of lcl_param or lcl_state) to value at the end of each run. All reads
 * of a variable in a run see the value it had before the run; assignments and optimiser steps
 * happen last, in the order of creation. */
LCL_API void lcl_assign(lcl_tensor *var, lcl_tensor *value);
typedef enum lcl_optimiser_kind {
  LCL_SGD,
  LCL_MOMENTUM,
  LCL_NESTEROV,
  LCL_RMSPROP,
  LCL_ADAM,
  LCL_ADADELTA
} lcl_optimiser_kind;
typedef struct lcl_optimiser_desc {
  lcl_optimiser_kind kind;
  lcl_tensor *lr; /* scalar tensor, e.g. an input; NULL: use rate */
  float rate;
  float beta1;        /* momentum (default 0.9), Adam beta1 (0.9), RMSProp momentum (default 0) */
  float beta2;        /* Adam beta2 (0.999), RMSProp and AdaDelta decay (0.9, 0.95) */
  float eps;          /* 1e-8; AdaDelta 1e-6 */
  float damping;      /* momentum: g is scaled by 1-damping after the first step (torch's damped
                         momentum: 0.9) */
  bool eps_outside;   /* RMSProp: sqrt(r)+eps instead of sqrt(r+eps) */
  float l1, l2;       /* penalties applied after the step: p -= rate*l1*sign(p), p -= 2*rate*l2*p */
  float weight_decay; /* added to the gradient: g += weight_decay*p */
  float clip_value;   /* > 0: elementwise clip of the gradient to [-c,c] */
  float clip_norm;    /* > 0: global norm clip */
  lcl_tensor *const *params; /* NULL: every trainable variable that loss depends on */
  int n_params;
} lcl_optimiser_desc;
/* One optimiser step on loss at the end of every run. Slots are variables "<param>.<slot>" of the
 * store. Adam: m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2, p -= rate*sqrt(1-b2^t)/(1-b1^t) *
 * m/(sqrt(v)+eps). */
LCL_API void lcl_minimise(lcl_tensor *loss, const lcl_optimiser_desc *desc);
/* var <- decay*var + (1-decay)*value at the end of each run (running statistics, averages of
 * parameters). */
LCL_API void lcl_ema(lcl_tensor *var, lcl_tensor *value, float decay);

#ifdef __cplusplus
}
#endif
#endif
