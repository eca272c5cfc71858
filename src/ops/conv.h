/* The three convolution ops: forward, input gradient and filter gradient. */
#ifndef LCL_OPS_CONV_H
#define LCL_OPS_CONV_H

#include "graph/graph.h"

/* Attributes of all three, in 64 bits so that there is no padding to compare. */
typedef struct lcl_conv_attr {
  int64_t stride[2], pad[4], dilation[2], groups;
  int64_t fft;      /* 1: by the Fourier transform, whatever the cost model says */
  int64_t shape[4]; /* of the result, where the inputs do not tell it: the picture or the filter */
} lcl_conv_attr;

/* Sizes of the forward convolution behind a node: x (n,c,h,w), w (o,c/groups,kh,kw), y (n,o,oh,ow). */
typedef struct lcl_conv_sizes {
  int64_t n, c, h, w, o, kh, kw, oh, ow;
} lcl_conv_sizes;
lcl_conv_sizes lcl_conv_sizes_of(const lcl_node *node);

extern const lcl_op lcl_op_conv2d, lcl_op_conv2d_input_grad, lcl_op_conv2d_filter_grad;

/* conv_lower.c */
double lcl_conv_flops(const lcl_node *node);
lcl_status lcl_conv_lower_fused(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e);
lcl_status lcl_conv_input_grad_lower_fused(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e);
lcl_status lcl_conv_filter_grad_lower(lcl_lower *lw, lcl_node *node);

/* conv_fft.c: the forward convolution by the Fourier transform, and whether that is expected to be faster. */
bool lcl_conv_fft_pays(const lcl_caps *caps, const lcl_node *node);
lcl_status lcl_conv_fft_lower_fused(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e);

#endif
