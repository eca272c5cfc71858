/** @file
 * Operations on tensors of a graph. Tensors are f32 unless a comment says otherwise.
 *
 * Building is sticky (graph.h): operands that an op does not take (another type, rank or size, a
 * number outside its range) make a poison tensor, and lcl_compile() reports #LCL_ERR_SHAPE,
 * #LCL_ERR_TYPE or #LCL_ERR_ARGUMENT with the op's name and the shapes it got. The gradient of an
 * op is made of ops of this set, so that any order of derivative exists unless a comment says
 * otherwise. */
#ifndef LATENTCL_OPS_H
#define LATENTCL_OPS_H

#include "latentcl/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- map: element by element (src/ops/map.c) ---- */

/** Element-wise functions, of one to three tensors. The comment says what lcl_unary() with p,
 * lcl_binary() or lcl_select() gives. */
typedef enum lcl_map_code {
  LCL_MAP_COPY,       /**< x as f32 */
  LCL_MAP_NEG,        /**< -x */
  LCL_MAP_ABS,        /**< |x|; derivative 0 at 0 */
  LCL_MAP_SIGN,       /**< -1, 0 or 1; derivative 0 */
  LCL_MAP_EXP,        /**< e^x */
  LCL_MAP_LOG,        /**< natural logarithm */
  LCL_MAP_SQRT,       /**< square root */
  LCL_MAP_RSQRT,      /**< 1/sqrt(x) */
  LCL_MAP_SQUARE,     /**< x^2 */
  LCL_MAP_RECIP,      /**< 1/x */
  LCL_MAP_RELU,       /**< max(x,0); derivative 0 at 0 */
  LCL_MAP_LEAKY_RELU, /**< x, or p*x where x < 0 */
  LCL_MAP_SIGMOID,    /**< 1/(1+e^-x) */
  LCL_MAP_TANH,       /**< hyperbolic tangent */
  LCL_MAP_SOFTPLUS,   /**< log(1+e^x), without overflow */
  LCL_MAP_FLOOR,      /**< largest whole number not above x; derivative 0 */
  LCL_MAP_SIN,        /**< sine of radians */
  LCL_MAP_COS,        /**< cosine of radians */
  LCL_MAP_SCALE,      /**< p*x */
  LCL_MAP_SHIFT,      /**< x + p */
  LCL_MAP_CAST,       /**< to another type: lcl_cast() */
  LCL_MAP_ADD,        /**< a + b */
  LCL_MAP_SUB,        /**< a - b */
  LCL_MAP_MUL,        /**< a * b */
  LCL_MAP_DIV,        /**< a / b */
  LCL_MAP_MAX,        /**< the larger; of equals the gradient goes to a */
  LCL_MAP_MIN,        /**< the smaller; of equals the gradient goes to a */
  LCL_MAP_GREATER,    /**< 1 where a > b, else 0; derivative 0 */
  LCL_MAP_LESS,       /**< 1 where a < b, else 0; derivative 0 */
  LCL_MAP_EQUAL,      /**< 1 where a == b, else 0; derivative 0 */
  LCL_MAP_SELECT,     /**< b where a != 0, else c */
  LCL_MAP_CODES       /**< how many there are */
} lcl_map_code;

/** A function of one tensor by its code.
 *
 * @param code  #LCL_MAP_COPY to #LCL_MAP_SHIFT
 * @param x     any shape
 * @param p     parameter of the functions that have one
 * @return the shape of x */
LCL_API lcl_tensor *lcl_unary(lcl_map_code code, lcl_tensor *x, float p);

/** A function of two tensors by its code.
 *
 * @param code  #LCL_MAP_ADD to #LCL_MAP_EQUAL
 * @param a     any shape
 * @param b     a shape that broadcasts with it as in NumPy: sizes are compared from the last
 *   dimension on, and have to be equal, 1 or absent
 * @return the broadcast shape */
LCL_API lcl_tensor *lcl_binary(lcl_map_code code, lcl_tensor *a, lcl_tensor *b);

/** @name Functions of one tensor
 * @{ */
/** The function of this name, see #lcl_map_code.
 *
 * @param x  any shape
 * @return the shape of x */
LCL_API lcl_tensor *lcl_neg(lcl_tensor *x);
LCL_API lcl_tensor *lcl_abs(lcl_tensor *x);
LCL_API lcl_tensor *lcl_sign(lcl_tensor *x);
LCL_API lcl_tensor *lcl_exp(lcl_tensor *x);
LCL_API lcl_tensor *lcl_log(lcl_tensor *x);
LCL_API lcl_tensor *lcl_sqrt(lcl_tensor *x);
LCL_API lcl_tensor *lcl_rsqrt(lcl_tensor *x);
LCL_API lcl_tensor *lcl_square(lcl_tensor *x);
LCL_API lcl_tensor *lcl_recip(lcl_tensor *x);
LCL_API lcl_tensor *lcl_relu(lcl_tensor *x);
LCL_API lcl_tensor *lcl_sigmoid(lcl_tensor *x);
LCL_API lcl_tensor *lcl_tanh(lcl_tensor *x);
LCL_API lcl_tensor *lcl_softplus(lcl_tensor *x);
/** @} */

/** x, or slope*x where x < 0.
 *
 * @param x      any shape
 * @param slope  factor of the negative elements
 * @return the shape of x */
LCL_API lcl_tensor *lcl_leaky_relu(lcl_tensor *x, float slope);

/** factor*x.
 *
 * @param x       any shape
 * @param factor  a number
 * @return the shape of x */
LCL_API lcl_tensor *lcl_scale(lcl_tensor *x, float factor);

/** x + addend.
 *
 * @param x       any shape
 * @param addend  a number
 * @return the shape of x */
LCL_API lcl_tensor *lcl_shift(lcl_tensor *x, float addend);

/** The same values in another type. No gradient flows through a change of type.
 *
 * @param x      any shape and type
 * @param dtype  type of the result
 * @return the shape of x */
LCL_API lcl_tensor *lcl_cast(lcl_tensor *x, lcl_dtype dtype);

/** @name Functions of two tensors
 * @{ */
/** The function of this name, see #lcl_map_code.
 *
 * @param a  any shape
 * @param b  a shape that broadcasts with it, see lcl_binary()
 * @return the broadcast shape */
LCL_API lcl_tensor *lcl_add(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_sub(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_mul(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_div(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_maximum(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_minimum(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_greater(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_less(lcl_tensor *a, lcl_tensor *b);
LCL_API lcl_tensor *lcl_equal(lcl_tensor *a, lcl_tensor *b);
/** @} */

/** a where cond != 0, else b. No gradient flows to cond.
 *
 * @param cond  broadcasts with a and b
 * @param a     any shape
 * @param b     broadcasts with a
 * @return the broadcast shape */
LCL_API lcl_tensor *lcl_select(lcl_tensor *cond, lcl_tensor *a, lcl_tensor *b);

/* ---- reduce (src/ops/reduce.c) ---- */

/** The bit of an axis in a set of axes: LCL_AXIS(0) | LCL_AXIS(2). */
#define LCL_AXIS(i) (1u << (i))
/** Every axis of a tensor. */
#define LCL_ALL_AXES 0x3fu

/** Sum over axes.
 *
 * @param x         any shape
 * @param axes      set of #LCL_AXIS bits
 * @param keepdims  the axes stay, with size 1; false: they go
 * @return the shape of x without axes; 0 of no elements */
LCL_API lcl_tensor *lcl_sum(lcl_tensor *x, unsigned axes, bool keepdims);

/** Mean over axes.
 *
 * @param x         any shape
 * @param axes      set of #LCL_AXIS bits
 * @param keepdims  the axes stay, with size 1; false: they go
 * @return the shape of x without axes; NaN of no elements */
LCL_API lcl_tensor *lcl_mean(lcl_tensor *x, unsigned axes, bool keepdims);

/** Largest element over axes. The gradient goes to the first of equals.
 *
 * @param x         any shape
 * @param axes      set of #LCL_AXIS bits
 * @param keepdims  the axes stay, with size 1; false: they go
 * @return the shape of x without axes */
LCL_API lcl_tensor *lcl_max(lcl_tensor *x, unsigned axes, bool keepdims);

/** Smallest element over axes. The gradient goes to the first of equals.
 *
 * @param x         any shape
 * @param axes      set of #LCL_AXIS bits
 * @param keepdims  the axes stay, with size 1; false: they go
 * @return the shape of x without axes */
LCL_API lcl_tensor *lcl_min(lcl_tensor *x, unsigned axes, bool keepdims);

/** Position of the largest element along an axis, the first of equals. No gradient.
 *
 * @param x         any shape with at least one element along the axis
 * @param axis      0 to rank - 1; negative: from the end
 * @param keepdims  the axis stays, with size 1; false: it goes
 * @return i32, the shape of x without axis */
LCL_API lcl_tensor *lcl_argmax(lcl_tensor *x, int axis, bool keepdims);

/** Repeats elements.
 *
 * @param x      a shape that broadcasts to shape, see lcl_binary()
 * @param shape  of the result
 * @return shape */
LCL_API lcl_tensor *lcl_broadcast(lcl_tensor *x, lcl_shape shape);

/** Mean and biased variance over axes, in two passes.
 *
 * @param x     any shape
 * @param axes  set of #LCL_AXIS bits
 * @param mean  receives the mean; the axes stay, with size 1
 * @param var   receives the variance, likewise */
LCL_API void lcl_moments(lcl_tensor *x, unsigned axes, lcl_tensor **mean, lcl_tensor **var);

/* ---- shape (src/ops/shape.c) ---- */

/** The same elements in the same order, in another shape.
 *
 * @param x      any shape
 * @param shape  of as many elements; one size may be -1: what is left
 * @return shape */
LCL_API lcl_tensor *lcl_reshape(lcl_tensor *x, lcl_shape shape);

/** Axes in another order.
 *
 * @param x     any shape
 * @param perm  rank axes: axis i of the result is axis perm[i] of x
 * @return x's sizes in that order */
LCL_API lcl_tensor *lcl_transpose(lcl_tensor *x, const int *perm);

/** A box of elements.
 *
 * @param x      any shape
 * @param start  rank first positions
 * @param stop   rank positions after the last
 * @return stop - start */
LCL_API lcl_tensor *lcl_slice(lcl_tensor *x, const int64_t *start, const int64_t *stop);

/** A range along one axis.
 *
 * @param x      any shape
 * @param axis   0 to rank - 1; negative: from the end
 * @param start  first position
 * @param stop   position after the last
 * @return x's sizes, stop - start along axis */
LCL_API lcl_tensor *lcl_slice_axis(lcl_tensor *x, int axis, int64_t start, int64_t stop);

/** Zeros around a tensor.
 *
 * @param x       any shape
 * @param before  rank numbers of zeros, at least 0
 * @param after   likewise, behind
 * @return before + x's sizes + after */
LCL_API lcl_tensor *lcl_pad(lcl_tensor *x, const int64_t *before, const int64_t *after);

/** Tensors one after another along an axis.
 *
 * @param xs    n tensors with equal sizes but along axis
 * @param n     at least 1
 * @param axis  0 to rank - 1; negative: from the end
 * @return their sizes, summed along axis */
LCL_API lcl_tensor *lcl_concat(lcl_tensor *const *xs, int n, int axis);

/** Elements in reverse order along axes.
 *
 * @param x     any shape
 * @param axes  set of #LCL_AXIS bits
 * @return the shape of x */
LCL_API lcl_tensor *lcl_flip(lcl_tensor *x, unsigned axes);

/** Rows by index.
 *
 * @param x     (R,...)
 * @param rows  i32 or u8 (n), 0 to R - 1; a row outside reads as zeros
 * @return (n,...) */
LCL_API lcl_tensor *lcl_gather(lcl_tensor *x, lcl_tensor *rows);

/** The adjoint of lcl_gather(): row r of the result is the sum of the rows i of v with rows[i] ==
 * r, in order of i.
 *
 * @param v       (n,...)
 * @param rows    i32 or u8 (n); a row outside is left out
 * @param n_rows  R
 * @return (R,...) */
LCL_API lcl_tensor *lcl_scatter_add(lcl_tensor *v, lcl_tensor *rows, int64_t n_rows);

/** Rows of zeros with a 1 at an index.
 *
 * @param index  i32 or u8 (n); an index outside gives zeros
 * @param depth  1 to 2^24
 * @return (n,depth) */
LCL_API lcl_tensor *lcl_one_hot(lcl_tensor *index, int64_t depth);

/** Moves row i to the right by i places, with zeros elsewhere (van den Oord et al. 2016, figure 3).
 *
 * @param x  (N,C,H,W)
 * @return (N,C,H,W+H-1) */
LCL_API lcl_tensor *lcl_skew(lcl_tensor *x);

/** The adjoint of lcl_skew(): moves row i to the left by i places.
 *
 * @param x  (N,C,H,W+H-1)
 * @return (N,C,H,W) */
LCL_API lcl_tensor *lcl_unskew(lcl_tensor *x);

/* ---- GEMM (src/ops/matmul.c) ---- */

/** Matrix product of the last two axes.
 *
 * @param a            (...,M,K), or (...,K,M) transposed
 * @param b            (...,K,N), or (...,N,K) transposed; leading sizes equal to a's, or absent
 * @param transpose_a  a is transposed
 * @param transpose_b  b is transposed
 * @return (...,M,N) */
LCL_API lcl_tensor *lcl_matmul(lcl_tensor *a, lcl_tensor *b, bool transpose_a, bool transpose_b);

/* ---- convolution (src/ops/conv.c): cross-correlation ---- */

/** Options of a convolution. Zero everywhere is a good default. */
typedef struct lcl_conv_desc {
  int stride[2]; /**< vertical, horizontal (0: 1) */
  int pad[4];    /**< zeros at the top, bottom, left, right */
  bool same;     /**< pads so that OH = ceil(H/stride), the odd zero at the bottom or right; pad is
                    ignored */
  int dilation[2]; /**< vertical, horizontal (0: 1) */
  int groups;      /**< of channels (0: 1) */
} lcl_conv_desc;

/** Convolution: OH = floor((H + pads - dilation*(KH-1) - 1)/stride) + 1, OW likewise.
 *
 * @param x     (N,C,H,W)
 * @param w     (O,C/groups,KH,KW)
 * @param b     (O); NULL: none
 * @param desc  options; NULL: defaults
 * @return (N,O,OH,OW) */
LCL_API lcl_tensor *lcl_conv2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b,
                               const lcl_conv_desc *desc);

/** lcl_conv2d() by the Fourier transform, which is profitable for filters of about the image's
 * size; lcl_conv2d() chooses it by itself there. Rounding errors are relative to the whole padded
 * image, not to the window.
 *
 * @param x     (N,C,H,W)
 * @param w     (O,C/groups,KH,KW)
 * @param b     (O); NULL: none
 * @param desc  options; NULL: defaults
 * @return (N,O,OH,OW) */
LCL_API lcl_tensor *lcl_fft_conv2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b,
                                   const lcl_conv_desc *desc);

/** Input gradient of lcl_conv2d(): the tied transposed convolution.
 *
 * @param gy        (N,O,OH,OW)
 * @param w         (O,C/groups,KH,KW)
 * @param in_shape  (N,C,H,W) of the forward input
 * @param desc      of the forward convolution; NULL: defaults
 * @return in_shape */
LCL_API lcl_tensor *lcl_conv2d_input_grad(lcl_tensor *gy, lcl_tensor *w, lcl_shape in_shape,
                                          const lcl_conv_desc *desc);

/** Filter gradient of lcl_conv2d().
 *
 * @param x        (N,C,H,W)
 * @param gy       (N,O,OH,OW)
 * @param w_shape  (O,C/groups,KH,KW)
 * @param desc     of the forward convolution; NULL: defaults
 * @return w_shape */
LCL_API lcl_tensor *lcl_conv2d_filter_grad(lcl_tensor *x, lcl_tensor *gy, lcl_shape w_shape,
                                           const lcl_conv_desc *desc);

/** Transposed convolution: OH = (H-1)*stride - pads + dilation*(KH-1) + 1 + output_pad, OW
 * likewise.
 *
 * @param x           (N,C,H,W)
 * @param w           (C,O/groups,KH,KW)
 * @param b           (O); NULL: none
 * @param desc        options without same; NULL: defaults
 * @param output_pad  vertical, horizontal: 0 to stride - 1; NULL: 0
 * @return (N,O,OH,OW) */
LCL_API lcl_tensor *lcl_conv_transpose2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b,
                                         const lcl_conv_desc *desc, const int output_pad[2]);

/** Whether a masked filter sees the pixel itself. */
typedef enum lcl_mask_type {
  LCL_MASK_A, /**< pixels before it, and the channel groups before its own */
  LCL_MASK_B  /**< its own channel group too */
} lcl_mask_type;

/** The mask of a filter. */
typedef struct lcl_mask_desc {
  lcl_mask_type type; /**< A or B */
  /** Those that the maps are divided among: 1 (0), or 3: contiguous thirds, the remainder in the
   * first. */
  int image_channels;
  int gates; /**< > 1: they are counted within each of so many equal parts of the output (0: 1) */
  bool interleaved; /**< map k belongs to image channel k mod image_channels */
} lcl_mask_desc;

/** PixelRNN's masked convolution (van den Oord et al. 2016, section 3.4). A masked weight never
 * influences a value or receives a gradient, even if it is NaN.
 *
 * @param x     (N,C,H,W)
 * @param w     (O,C/groups,KH,KW), KH and KW odd
 * @param b     (O); NULL: none
 * @param mask  of the filter
 * @param desc  options; NULL: defaults
 * @return (N,O,OH,OW) */
LCL_API lcl_tensor *lcl_masked_conv2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b,
                                      const lcl_mask_desc *mask, const lcl_conv_desc *desc);

/* ---- pooling (src/ops/pool.c) ---- */

/** Options of pooling. */
typedef struct lcl_pool_desc {
  int kernel[2];          /**< height and width of a window, at least 1 */
  int stride[2];          /**< 0: the kernel */
  int pad[4];             /**< top, bottom, left, right: less than the kernel */
  bool ceil;              /**< output size rounded up */
  bool count_include_pad; /**< average pool divides by the whole window */
} lcl_pool_desc;

/** Maximum of each window; of equals the first. Padding never wins.
 *
 * @param x         (N,C,H,W)
 * @param desc      windows
 * @param indices  receives the argmax indices, i32 (N,C,OH,OW): y*W + x in the input plane; NULL:
 *   not wanted
 * @return (N,C,OH,OW) */
LCL_API lcl_tensor *lcl_max_pool2d(lcl_tensor *x, const lcl_pool_desc *desc, lcl_tensor **indices);

/** Adds values into planes of zeros at argmax indices: the adjoint of lcl_max_pool2d().
 *
 * @param v         (N,C,OH,OW)
 * @param indices  argmax indices, i32 or u8 (N,C,OH,OW)
 * @param in_shape  (N,C,H,W)
 * @return in_shape */
LCL_API lcl_tensor *lcl_max_unpool2d(lcl_tensor *v, lcl_tensor *indices, lcl_shape in_shape);

/** Values at argmax indices: the adjoint of lcl_max_unpool2d().
 *
 * @param x         (N,C,H,W)
 * @param indices  argmax indices, i32 or u8 (N,C,OH,OW)
 * @return (N,C,OH,OW) */
LCL_API lcl_tensor *lcl_argmax_gather2d(lcl_tensor *x, lcl_tensor *indices);

/** Mean of each window.
 *
 * @param x     (N,C,H,W)
 * @param desc  windows
 * @return (N,C,OH,OW) */
LCL_API lcl_tensor *lcl_avg_pool2d(lcl_tensor *x, const lcl_pool_desc *desc);

/** The adjoint of lcl_avg_pool2d().
 *
 * @param v         (N,C,OH,OW)
 * @param in_shape  (N,C,H,W)
 * @param desc      windows of the forward op
 * @return in_shape */
LCL_API lcl_tensor *lcl_avg_unpool2d(lcl_tensor *v, lcl_shape in_shape, const lcl_pool_desc *desc);

/* ---- softmax (src/ops/reduce.c) ---- */

/** exp(x)/sum exp(x) along an axis, without overflow. -inf has no share; +inf, which has no
 * definite one, or nothing but -inf makes the whole row NaN, as in NumPy and PyTorch. The same
 * holds for lcl_log_softmax() and the losses that are made of it.
 *
 * @param x     any shape
 * @param axis  0 to rank - 1; negative: from the end
 * @return the shape of x */
LCL_API lcl_tensor *lcl_softmax(lcl_tensor *x, int axis);

/** Logarithm of lcl_softmax(), exact where that is tiny.
 *
 * @param x     any shape
 * @param axis  0 to rank - 1; negative: from the end
 * @return the shape of x */
LCL_API lcl_tensor *lcl_log_softmax(lcl_tensor *x, int axis);

/* ---- recurrent (src/ops/recurrent.c) ---- */

/** An LSTM cell with gates o, f, i, g along axis 1: c = sigmoid(f)*c_prev + sigmoid(i)*tanh(g),
 * h = sigmoid(o)*tanh(c).
 *
 * @param p       (N,4h,...), sums before the gates' functions
 * @param c_prev  (N,h,...)
 * @param h       receives (N,h,...)
 * @param c       receives (N,h,...) */
LCL_API void lcl_lstm_cell(lcl_tensor *p, lcl_tensor *c_prev, lcl_tensor **h, lcl_tensor **c);

/** What cells of a Diagonal BiLSTM start from. */
typedef struct lcl_bilstm_state {
  lcl_tensor *h0_left;  /**< (h,H); NULL: 0 */
  lcl_tensor *c0_left;  /**< (h,H); NULL: 0 */
  lcl_tensor *h0_right; /**< (h,H); NULL: 0 */
  lcl_tensor *c0_right; /**< (h,H); NULL: 0 */
  lcl_tensor *pad; /**< (8h): what cells beside the image run with instead of s, left o,f,i,g then
                      right; NULL: 0 */
  bool freeze;     /**< cells beside the image keep the initial state; without pad */
} lcl_bilstm_state;

/** A Diagonal BiLSTM layer (van den Oord et al. 2016, section 3.3): the left direction plus the
 * right one moved down by a row. First derivatives only.
 *
 * @param s_left   (N,4h,H,W), input-to-state of the left direction, gates o, f, i, g along
 * channels; in image coordinates, not skewed
 * @param s_right  the same of the right direction, not mirrored
 * @param k_left   state-to-state (2,4h,h): [0] for the row above, [1] for the row itself
 * @param k_right  the same of the right direction
 * @param init     initial states; NULL: 0
 * @return (N,h,H,W) */
LCL_API lcl_tensor *lcl_diagonal_bilstm(lcl_tensor *s_left, lcl_tensor *s_right, lcl_tensor *k_left,
                                        lcl_tensor *k_right, const lcl_bilstm_state *init);

/** lcl_diagonal_bilstm() with channels last, as its kernels work.
 *
 * @param s        (N,H,W,8h), left o, f, i, g then right: one GEMM of the pixels' rows gives both
 * @param k_left   (2,4h,h)
 * @param k_right  (2,4h,h)
 * @param init     initial states; NULL: 0
 * @return (N,H,W,h) */
LCL_API lcl_tensor *lcl_diagonal_bilstm_nhwc(lcl_tensor *s, lcl_tensor *k_left, lcl_tensor *k_right,
                                             const lcl_bilstm_state *init);

/* ---- random (src/ops/random.c): Philox4x32-10 (Salmon et al. 2011), counter (stream, step, index)
 * ---- */

/** Uniform random numbers in [0,1), new ones in each run. No gradient.
 *
 * @param g      the graph
 * @param shape  of the result
 * @return shape */
LCL_API lcl_tensor *lcl_random_uniform(lcl_graph *g, lcl_shape shape);

/** Random numbers of N(0,1), new ones in each run. No gradient.
 *
 * @param g      the graph
 * @param shape  of the result
 * @return shape */
LCL_API lcl_tensor *lcl_random_normal(lcl_graph *g, lcl_shape shape);

/** 1 with probability p, else 0; new ones in each run. No gradient.
 *
 * @param p  probabilities, any shape
 * @return the shape of p */
LCL_API lcl_tensor *lcl_random_bernoulli(lcl_tensor *p);

/** Inverted dropout: 0 with probability rate, else x/(1-rate).
 *
 * @param x     any shape
 * @param rate  in [0,1); 0: x itself
 * @return the shape of x */
LCL_API lcl_tensor *lcl_dropout(lcl_tensor *x, float rate);

/* ---- gradients (src/ops/gradients.c) ---- */

/** Adds the gradient of a loss to the graph. The results are ordinary tensors: they can be
 * differentiated again. #LCL_ERR_UNSUPPORTED names an op whose derivative does not exist.
 *
 * @param loss  one number
 * @param wrt   n tensors of the same graph
 * @param n     how many
 * @param out   receives n tensors: out[i] has the shape of wrt[i], zeros where loss does not depend
 *   on it */
LCL_API void lcl_gradients(lcl_tensor *loss, lcl_tensor *const *wrt, int n, lcl_tensor **out);

/** The vector-Jacobian product: lcl_gradients() of a tensor of any shape.
 *
 * @param y    any shape
 * @param gy   incoming gradient, the shape of y
 * @param wrt  n tensors of the same graph
 * @param n    how many
 * @param out  receives n tensors, as lcl_gradients() */
LCL_API void lcl_vjp(lcl_tensor *y, lcl_tensor *gy, lcl_tensor *const *wrt, int n,
                     lcl_tensor **out);

/* ---- updates (src/ops/update.c) ---- */

/** Sets a variable at the end of each run. All reads of a variable in a run see the value it had
 * before the run; assignments and optimiser steps happen last, in the order of creation.
 *
 * @param var    a tensor of lcl_param() or lcl_state()
 * @param value  same shape and type */
LCL_API void lcl_assign(lcl_tensor *var, lcl_tensor *value);

/** Update rules. g: gradient, p: parameter, b1 and b2: beta1 and beta2. */
typedef enum lcl_optimiser_kind {
  LCL_SGD,      /**< p -= rate*g */
  LCL_MOMENTUM, /**< m = b1 m + g; p -= rate*m */
  LCL_NESTEROV, /**< m = b1 m + g; p -= rate*(g + b1 m) */
  LCL_RMSPROP,  /**< r = b2 r + (1-b2) g^2; p -= rate*g/sqrt(r + eps), with momentum b1 if any */
  LCL_ADAM,     /**< Kingma and Ba 2015: m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
                   p -= rate*sqrt(1-b2^t)/(1-b1^t)*m/(sqrt(v) + eps) */
  LCL_ADADELTA  /**< Zeiler 2012 */
} lcl_optimiser_kind;

/** An optimiser. Zero but kind and a rate is a good default. */
typedef struct lcl_optimiser_desc {
  lcl_optimiser_kind kind; /**< update rule */
  lcl_tensor *lr;          /**< learning rate, one number, e.g. an input; NULL: rate */
  float rate;              /**< learning rate without lr */
  float beta1;             /**< momentum (0: 0.9), Adam's beta1 (0: 0.9), RMSProp's momentum */
  float beta2;        /**< Adam's beta2 (0: 0.999), decay of RMSProp (0: 0.9), AdaDelta (0: 0.95) */
  float eps;          /**< 0: 1e-8; AdaDelta 1e-6 */
  float damping;      /**< momentum: g is scaled by 1-damping after the first step */
  bool eps_outside;   /**< RMSProp: sqrt(r)+eps instead of sqrt(r+eps) */
  float l1;           /**< after the step: p -= rate*l1*sign(p) */
  float l2;           /**< after the step: p -= 2*rate*l2*p */
  float weight_decay; /**< added to the gradient: g += weight_decay*p */
  float clip_value;   /**< > 0: each element of the gradient is clipped to [-c,c] */
  float clip_norm;    /**< > 0: the norm of the whole gradient is clipped to c */
  /** > 0: gradients are those of the loss times a factor that begins with this, and are divided by
   * it before anything else, so that half precision (lcl_graph_precision()) holds small ones. A
   * step whose gradients are not finite is left out and halves the factor; 2000 others in a row
   * double it (Micikevicius et al. 2018). At a factor of 1 no step is left out. */
  float loss_scale;
  lcl_tensor *const *params; /**< n_params of f32, each once; NULL: all trainable loss depends on */
  int n_params;              /**< how many */
} lcl_optimiser_desc;

/** One optimiser step at the end of every run. Slots are variables PARAMETER.SLOT of the store.
 *
 * @param loss  one number
 * @param desc  the optimiser */
LCL_API void lcl_minimise(lcl_tensor *loss, const lcl_optimiser_desc *desc);

/** Moving average: var becomes decay*var + (1-decay)*value at the end of each run.
 *
 * @param var    a tensor of lcl_param() or lcl_state(), f32
 * @param value  same shape, f32
 * @param decay  in [0,1] */
LCL_API void lcl_ema(lcl_tensor *var, lcl_tensor *value, float decay);

#ifdef __cplusplus
}
#endif
#endif
