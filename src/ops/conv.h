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

/* Sizes of the forward convolution behind a node: x (n,c,h,w), w (o,c/groups,kh,kw), y (n,o,oh,ow).
 */
typedef struct lcl_conv_sizes {
  int64_t n, c, h, w, o, kh, kw, oh, ow;
} lcl_conv_sizes;
lcl_conv_sizes lcl_conv_sizes_of(const lcl_node *node);
lcl_arg lcl_conv_shape_arg(lcl_lower *lw, const lcl_node *node); /* conv_shape of cl/args.h */

extern const lcl_op lcl_op_conv2d, lcl_op_conv2d_input_grad, lcl_op_conv2d_filter_grad;

/* How a convolution is computed. Which are possible for a node is a set of bits. */
typedef enum lcl_conv_algorithm {
  LCL_CONV_PRODUCT,  /* implicit product, whose own parameters gemm.h chooses (among them the direct
                        kernel) */
  LCL_CONV_WINOGRAD, /* F(2x2,3x3) */
  LCL_CONV_FFT,
  LCL_CONV_CLBLAST, /* CLBlast's im2col and product */
  LCL_CONV_THIN,    /* few channels, see cl/conv_thin.cl */
  LCL_CONV_ROWS,    /* filter gradients, see cl/conv_rows.cl */
  LCL_CONV_ALGORITHMS
} lcl_conv_algorithm;
#define LCL_CONV_BIT(algorithm) (1u << (algorithm))

/* conv_choose.c: what was tuned for this shape if it is possible, else standard; and the shape's
 * key. */
lcl_conv_algorithm lcl_conv_choose(lcl_lower *lw, const lcl_node *node, unsigned possible,
                                   lcl_conv_algorithm standard);
void lcl_conv_key(const lcl_node *node, char key[160]);

/* conv_clblast.c: forward, without epilogue; LCL_ERR_UNSUPPORTED where it cannot. */
bool lcl_conv_clblast_can(const lcl_caps *caps, const lcl_node *node, const lcl_epilogue *e);
lcl_status lcl_conv_lower_clblast(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e);

/* conv_thin.c: all three on panel devices, with few channels: whether it can, whether that is
 * expected to be faster; forward and input gradient; the filter gradient, which is also the product
 * g. */
struct lcl_gemm;
bool lcl_conv_thin_can(const lcl_caps *caps, const lcl_node *node);
bool lcl_conv_thin_pays(const lcl_caps *caps, const lcl_node *node);
lcl_status lcl_conv_thin_lower(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e,
                               const char *label);
lcl_status lcl_conv_thin_lower_filter_grad(lcl_lower *lw, lcl_node *node, const struct lcl_gemm *g);

/* conv_rows.c: the filter gradient, which is also the product g, on panel devices. */
bool lcl_conv_rows_filter_grad_can(const lcl_caps *caps, const lcl_node *node);
bool lcl_conv_rows_filter_grad_pays(const lcl_caps *caps, const lcl_node *node);
lcl_status lcl_conv_rows_lower_filter_grad(lcl_lower *lw, lcl_node *node, const struct lcl_gemm *g);

/* conv_lower.c */
double lcl_conv_flops(const lcl_node *node);
lcl_status lcl_conv_lower_fused(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e);
lcl_status lcl_conv_input_grad_lower_fused(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e);
lcl_status lcl_conv_filter_grad_lower(lcl_lower *lw, lcl_node *node);

/* conv_fft.c: the forward convolution by the Fourier transform, and whether that is expected to be
 * faster, or may be for some device. */
bool lcl_conv_fft_can(const lcl_node *node);
bool lcl_conv_fft_pays(const lcl_caps *caps, const lcl_node *node);
lcl_status lcl_conv_fft_lower_fused(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e);

/* Called with every convolution that has a choice while it is set (NULL: stop); standard is the
 * cost model's. */
typedef void (*lcl_conv_watch_fn)(void *user, lcl_lower *lw, const lcl_node *node,
                                  unsigned possible, lcl_conv_algorithm standard);
void lcl_conv_watch(lcl_context *ctx, lcl_conv_watch_fn fn, void *user);

#endif
