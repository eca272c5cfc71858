/* Which test runs which ops of the table on random shapes. The unit test `reference_gradients`
 * fails when an op of the table is in none of these lists, or in two. */
#ifndef LCL_OPS_LISTS_H
#define LCL_OPS_LISTS_H

static const char *const ops_map[] = {
  "relu",    "leaky_relu", "sigmoid", "tanh",   "softplus", "exp",   "log",   "sqrt",
  "rsqrt",   "abs",        "sign",    "square", "neg",      "recip", "floor", "sin",
  "cos",     "scale",      "shift",   "add",    "sub",      "mul",   "div",   "maximum",
  "minimum", "greater",    "less",    "equal",  "select",
};
static const char *const ops_gemm[] = { "matmul", "conv2d", "conv_transpose2d", "masked_conv2d" };
static const char *const ops_fourier[] = { "fft_conv2d" };
/* Gradients of convolutions as ops of their own, and pooling. */
static const char *const ops_adjoints[] = {
  "conv2d_input_grad", "conv2d_filter_grad", "max_pool2d",   "avg_pool2d",
  "max_unpool2d",      "argmax_gather2d",    "avg_unpool2d",
};
/* Reductions, softmax, losses, batch norm. */
static const char *const ops_reduce[] = {
  "sum",
  "mean",
  "max",
  "min",
  "argmax",
  "broadcast",
  "softmax",
  "log_softmax",
  "cross_entropy",
  "bce_with_logits",
  "mse",
  "gaussian_kl",
  "categorical_kl",
  "batch_norm",
};
/* Ops that move elements, recurrent and random ops. */
static const char *const ops_shape[] = {
  "transpose",
  "reshape",
  "pad",
  "slice",
  "concat",
  "flip",
  "skew",
  "unskew",
  "gather",
  "scatter_add",
  "one_hot",
  "lstm_cell",
  "diagonal_bilstm",
  "random_normal",
  "random_uniform",
  "random_bernoulli",
  "dropout",
};

#endif
