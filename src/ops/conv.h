/* The three convolution ops, the problem that each poses, and the list of implementations. */
#ifndef LCL_OPS_CONV_H
#define LCL_OPS_CONV_H

#include "graph/graph.h"
#include "ops/kind.h"

/* Attributes of all three, in 64 bits so that there is no padding to compare. */
typedef struct lcl_conv_attr {
  int64_t stride[2], pad[4], dilation[2], groups;
  int64_t fft;      /* 1: by the Fourier transform, whatever the cost model says */
  int64_t shape[4]; /* of the result, where the inputs do not tell it: the image or the filter */
} lcl_conv_attr;

/* Sizes of the forward convolution behind a node: x (n,c,h,w), w (o,c/groups,kh,kw), y (n,o,oh,ow).
 */
typedef struct lcl_conv_sizes {
  int64_t n, c, h, w, o, kh, kw, oh, ow;
} lcl_conv_sizes;

extern const lcl_op lcl__op_conv2d, lcl__op_conv2d_input_grad, lcl__op_conv2d_filter_grad;

typedef enum lcl_conv_pass {
  LCL_CONV_FORWARD = 1,    /* y from x, w */
  LCL_CONV_INPUT_GRAD = 2, /* x's gradient from y's, w */
  LCL_CONV_FILTER_GRAD = 4 /* w's gradient from x, y's */
} lcl_conv_pass;

/* One convolution to compute: all that an implementation needs to know. */
typedef struct lcl_conv_problem {
  lcl_conv_pass pass;
  lcl_conv_sizes s;
  lcl_conv_attr a;
  bool half, half_out; /* both operands, and out are stored in half precision */
  bool masked; /* pixels under masked weights must not influence a result even by rounding */
  lcl_arg in[2], out;
  /* Epilogue: out = act(result + bias of its channel). */
  bool has_bias;
  lcl_arg bias; /* in[1] without one */
  lcl_act act;
  float slope;
  double flops;
  char label[224]; /* "conv2d 32x3x32x32 64x3x3x3" */
} lcl_conv_problem;

/* A way to compute convolutions. */
typedef struct lcl_conv_implementation {
  lcl_implementation base;
  unsigned passes; /* lcl_conv_pass */
  bool halves;     /* it can read operands in half precision */
  bool mixes_taps; /* sums of taps and pixels that a masked filter must keep apart */
  /* Whether it can compute p on this device. The result is not empty. */
  bool (*supported)(const lcl_caps *caps, const lcl_conv_problem *p);
  /* Whether it is taken where nothing was measured: the first such of the list is. NULL: no. */
  bool (*profitable)(const lcl_caps *caps, const lcl_conv_problem *p);
  /* The parameters that are expected to be fastest, and whether p can be computed with parameters,
   * whoever wrote them down. NULL: it has none. */
  void (*choose)(const lcl_caps *caps, const lcl_conv_problem *p, lcl_kernel_params *params);
  bool (*legal)(const lcl_caps *caps, const lcl_conv_problem *p, const lcl_kernel_params *params);
  /* Seconds by a cost model, see lcl_kind. NULL: there is none. */
  double (*expected)(const lcl_caps *caps, const lcl_conv_problem *p,
                     const lcl_kernel_params *params);
  lcl_status (*lower)(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *params);
  /* Bound of the absolute error where all terms are small integers, relative to the Euclidean norms
   * of the operands' items (one image; one filter). NULL: exact. */
  double (*tolerance)(const lcl_conv_problem *p);
} lcl_conv_implementation;

/* ---- conv_list.c ---- */

extern const lcl_kind lcl__conv_kind;
const lcl_conv_implementation *lcl__conv_implementation_of(const lcl_implementation *im);
/* p as a problem, which must not outlive it. */
lcl_problem lcl__conv_as_problem(const lcl_conv_problem *p);

/* Emits the launches of the chosen implementation. */
lcl_status lcl__conv_lower(lcl_lower *lw, const lcl_conv_problem *p);

/* ---- conv_problem.c ---- */

lcl_conv_problem lcl__conv_problem_of(lcl_lower *lw, const lcl_node *node, const lcl_epilogue *e);
lcl_conv_sizes lcl__conv_sizes_of(const lcl_node *node);
double lcl__conv_flops(const lcl_node *node);
const lcl_op *lcl__conv_op(lcl_conv_pass pass);
/* Of in[0], in[1] and the result. */
void lcl__conv_shapes(const lcl_conv_problem *p, lcl_shape shapes[3]);
/* conv_shape of cl/args.h */
lcl_arg lcl__conv_shape_arg(lcl_lower *lw, const lcl_conv_problem *p);

#endif
