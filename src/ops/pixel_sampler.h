/* PixelRNN's sampler as an operation: cl/pixelrnn.cl. Built by src/nn/pixelrnn.c. */
#ifndef LCL_OPS_PIXEL_SAMPLER_H
#define LCL_OPS_PIXEL_SAMPLER_H

#include "graph/graph.h"
#include "latentcl/ops.h"

/* State to the left and right of the image that a layer with these kernels and initial states
 * starts from, in the layout "margin" of cl/bilstm.cl; height: rows of the image. No gradient.
 * init: NULL or all NULL: zeros. */
lcl_tensor *lcl__bilstm_margin(lcl_tensor *k_left, lcl_tensor *k_right,
                               const lcl_bilstm_state *init, int64_t height);

typedef struct lcl_pixel_sampler_desc {
  int32_t layers, hidden, head_layers, head_width;
  int32_t logits;     /* a channel: 1 (Bernoulli) or 256 (softmax) */
  int32_t states;     /* the margins hold states, not only zeros */
  int32_t residual;   /* layers add to maps of 2h; else they replace maps of h */
  int32_t given_rows; /* rows kept from `given` */
  float shift;        /* added to the values before the first convolution */
  float temperature;
} lcl_pixel_sampler_desc;
/* uniform and given (N,H,W,channels): numbers in [0,1) and values in [0,1]; weights (1-D) and
 * margins (1-D, one layer after the other) as cl/pixelrnn.cl has them. Result: values
 * (N,H,W,channels); *log_p: the logarithm of each one's probability, the same shape. No gradient.
 */
lcl_tensor *lcl__pixel_sampler(lcl_tensor *uniform, lcl_tensor *given, lcl_tensor *weights,
                               lcl_tensor *margins, const lcl_pixel_sampler_desc *desc,
                               lcl_tensor **log_p);

#endif
