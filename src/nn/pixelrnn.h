/* Layer 4, internal: PixelRNN with Diagonal BiLSTM layers (van den Oord et al. 2016), in training
 * and in sampling. */
#ifndef LCL_NN_PIXELRNN_H
#define LCL_NN_PIXELRNN_H

#include "nn/nn.h"

/* Cells left of the image: run from the initial state with an input of zero, keep the initial
 * state, or run with the input-to-state bias (batch norm: beta). */
typedef enum lcl_pixelrnn_pad {
  LCL_PAD_EVOLVE,
  LCL_PAD_FREEZE,
  LCL_PAD_EVOLVE_BIAS
} lcl_pixelrnn_pad;

typedef struct lcl_pixelrnn_desc {
  int64_t height, width;
  int channels; /* of an image: 1, or 3 (R before G before B) */
  int levels;   /* 2: Bernoulli; 256: softmax over the levels */
  int layers, hidden;
  int head_layers, head_width; /* (ReLU, 1x1) layers before the last (ReLU, 1x1) */
  bool batch_norm;             /* on input-to-state, per channel over batch and positions */
  bool learned_state;          /* initial states are parameters, not zero */
  bool residual;               /* X += U Y on maps of 2h; else X = Y on maps of h */
  bool interleaved;            /* map k belongs to channel k mod 3, not to a contiguous third */
  lcl_pixelrnn_pad pad;
} lcl_pixelrnn_desc;

/* x (N,channels,H,W) with values in [0,1] -> logits (N*H*W, channels*K), K = 1 or 256; row (n*H +
 * i)*W + j. With LCL_BN_TRAIN and batch norm the running statistics are updated; a likelihood needs
 * LCL_BN_EVAL. Parameters: "input", "layer<l>.is" (or ".bn"), ".ss_left", ".ss_right", ".h0_left",
 * ".up", ..., "head<l>".
 */
lcl_tensor *lcl__pixelrnn_logits(lcl_tensor *x, const lcl_pixelrnn_desc *d, lcl_bn_mode mode);
/* -log p(x) of each image, in nats: (N). */
lcl_tensor *lcl__pixelrnn_nll_rows(lcl_tensor *x, lcl_tensor *logits, const lcl_pixelrnn_desc *d);

typedef struct lcl_pixelrnn_sample_desc {
  lcl_tensor *uniform,
      *given; /* (N,H,W,channels): numbers in [0,1); values in [0,1] of the rows to keep */
  int given_rows;
  float temperature;  /* logits are divided by it (0: 1) */
  lcl_tensor **log_p; /* may be NULL: (N,H,W,channels), log-probability of each value */
} lcl_pixelrnn_sample_desc;
/* Images (N,H,W,channels) sampled pixel by pixel with kept state, from the parameters of
 * lcl__pixelrnn_logits in the graph's store (batch norm: from the running statistics). */
lcl_tensor *lcl__pixelrnn_sampler(lcl_graph *g, const lcl_pixelrnn_desc *d,
                                  const lcl_pixelrnn_sample_desc *from);

#endif
