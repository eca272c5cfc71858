/* Layers: linear, convolution and their tied transposes, batch norm. */
#include "graph/graph.h"
#include "nn/nn.h"
#include "ops/ranks.h"

static lcl_init or_he(lcl_init init) {
  return init.kind == LCL_INIT_ZERO ? (lcl_init) { .kind = LCL_INIT_HE_NORMAL } : init;
}

static lcl_tensor *bias_param(lcl_graph *g, const char *name, int64_t n, lcl_init init) {
  char full[LCL_NN_NAME];
  return lcl_param(g, lcl__nn_name(full, name, "bias"), LCL_SHAPE(n), init);
}

/* ---- linear ---- */

lcl_tensor *lcl_linear_weight(lcl_graph *g, const char *name, int64_t out, int64_t in,
                              const lcl_linear_desc *desc) {
  char full[LCL_NN_NAME];
  lcl_linear_desc d = desc ? *desc : (lcl_linear_desc) { 0 };
  return lcl_param(g, lcl__nn_name(full, name, "weight"), LCL_SHAPE(out, in), or_he(d.weight));
}

lcl_tensor *lcl_linear(lcl_tensor *x, const char *name, int64_t out, const lcl_linear_desc *desc) {
  lcl_graph *g = lcl_tensor_graph(x);
  lcl_linear_desc d = desc ? *desc : (lcl_linear_desc) { 0 };
  lcl_shape s = lcl_tensor_shape(x);
  lcl_tensor *w = lcl_linear_weight(g, name, out, s.rank == 2 ? s.dim[1] : 0, &d);
  lcl_tensor *y = lcl_matmul(x, w, false, true);
  return d.no_bias ? y : lcl_add(y, bias_param(g, name, out, d.bias));
}

lcl_tensor *lcl_linear_tied(lcl_tensor *v, lcl_tensor *w, const char *bias_name) {
  lcl_tensor *u = lcl_matmul(v, w, false, false);
  return bias_name ? lcl_add_bias(u, bias_name) : u;
}

lcl_tensor *lcl_add_bias(lcl_tensor *x, const char *name) {
  lcl_shape s = lcl_tensor_shape(x);
  int64_t n = s.rank >= 2 ? s.dim[1] : 1;
  lcl_tensor *b = bias_param(lcl_tensor_graph(x), name, n, (lcl_init) { .kind = LCL_INIT_ZERO });
  return lcl_add(x, s.rank == 4 ? lcl_reshape(b, LCL_SHAPE(1, n, 1, 1)) : b);
}

lcl_tensor *lcl_flatten(lcl_tensor *x) {
  lcl_shape s = lcl_tensor_shape(x);
  int64_t n = s.rank ? s.dim[0] : 1;
  return lcl_reshape(x, LCL_SHAPE(n, n ? lcl_shape_count(s) / n : 0));
}

/* ---- convolution ---- */

lcl_tensor *lcl_conv_weight(lcl_graph *g, const char *name, int64_t in_channels,
                            const lcl_conv_block_desc *d) {
  if (!d) return lcl__graph_error(g, LCL_ERR_ARGUMENT, "conv", "the description is NULL");
  char full[LCL_NN_NAME];
  int groups = d->conv.groups > 0 ? d->conv.groups : 1;
  lcl_shape s = LCL_SHAPE(d->out, in_channels / groups, d->kernel[0], d->kernel[1]);
  return lcl_param(g, lcl__nn_name(full, name, "weight"), s, or_he(d->weight));
}

lcl_tensor *lcl_conv(lcl_tensor *x, const char *name, const lcl_conv_block_desc *d) {
  lcl_graph *g = lcl_tensor_graph(x);
  lcl_shape s = lcl_tensor_shape(x);
  lcl_tensor *w = lcl_conv_weight(g, name, s.rank == 4 ? s.dim[1] : 0, d);
  if (!d) return w;
  lcl_tensor *b = d->no_bias ? NULL
                             : bias_param(g, name, d->out, (lcl_init) { .kind = LCL_INIT_ZERO });
  return lcl_conv2d(x, w, b, &d->conv);
}

lcl_tensor *lcl_conv_tied(lcl_tensor *v, lcl_tensor *w, lcl_shape in_shape,
                          const lcl_conv_desc *conv, const char *bias_name) {
  lcl_tensor *u = lcl_conv2d_input_grad(v, w, in_shape, conv);
  return bias_name ? lcl_add_bias(u, bias_name) : u;
}

/* ---- batch norm ---- */

/* Every axis but the channels'. */
static unsigned statistic_axes(lcl_tensor *x) {
  unsigned axes = 0;
  for (int i = 0; i < lcl_tensor_shape(x).rank; i++)
    if (i != 1) axes |= LCL_AXIS(i);
  return axes;
}

static lcl_tensor *scale_by_statistics(lcl_tensor *x, lcl_tensor *mean, lcl_tensor *var,
                                       float eps) {
  return lcl_mul(lcl_sub(x, mean), lcl_rsqrt(lcl_shift(var, eps)));
}

lcl_tensor *lcl__nn_share(lcl_tensor *mean) {
  const double share = lcl__graph_share(lcl_tensor_graph(mean));
  return share == 1 ? mean : lcl_scale(mean, (float)share);
}

lcl_tensor *lcl_batch_mean(lcl_tensor *x, unsigned axes, bool keepdims) {
  return lcl_mean_over_ranks(lcl__nn_share(lcl_mean(x, axes, keepdims)));
}

void lcl_batch_moments(lcl_tensor *x, unsigned axes, lcl_tensor **mean, lcl_tensor **var) {
  const lcl_graph_shares *shares = lcl__graph_shares(lcl_tensor_graph(x));
  if (!shares || shares->local_norm) {
    lcl_moments(x, axes, mean, var);
    return;
  }
  lcl_tensor *own[2];
  lcl_moments(x, axes, &own[0], &own[1]);
  const lcl_shape shape = lcl_tensor_shape(own[0]), row = LCL_SHAPE(1, lcl_shape_count(shape));
  for (int i = 0; i < 2; i++) own[i] = lcl_reshape(own[i], row);
  lcl_tensor *all = lcl__moments_over_ranks(lcl_concat(own, 2, 0));
  if (mean) *mean = lcl_reshape(lcl_slice_axis(all, 0, 0, 1), shape);
  if (var) *var = lcl_reshape(lcl_slice_axis(all, 0, 1, 2), shape);
}

lcl_tensor *lcl_normalise(lcl_tensor *x, float eps, lcl_tensor **mean, lcl_tensor **var) {
  lcl_tensor *m, *v;
  lcl_batch_moments(x, statistic_axes(x), &m, &v);
  if (mean) *mean = m;
  if (var) *var = v;
  return scale_by_statistics(x, m, v, eps);
}

/* A variable of one number a channel, shaped for broadcasting against x. */
static lcl_shape channel_shape(lcl_tensor *x) {
  lcl_shape s = lcl_tensor_shape(x), c = s;
  for (int i = 0; i < s.rank; i++)
    if (i != 1) c.dim[i] = 1;
  return c;
}

static lcl_tensor *channel_param(lcl_tensor *x, const char *name, const char *part, float value) {
  char full[LCL_NN_NAME];
  lcl_shape c = channel_shape(x);
  lcl_tensor *p = lcl_param(lcl_tensor_graph(x), lcl__nn_name(full, name, part),
                            LCL_SHAPE(c.rank > 1 ? c.dim[1] : 1),
                            (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = value });
  return lcl_reshape(p, c);
}

static lcl_tensor *channel_state(lcl_tensor *x, const char *name, const char *part, float value) {
  char full[LCL_NN_NAME];
  lcl_shape c = channel_shape(x);
  return lcl_state(lcl_tensor_graph(x), lcl__nn_name(full, name, part), LCL_F32,
                   LCL_SHAPE(c.rank > 1 ? c.dim[1] : 1),
                   (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = value });
}

static lcl_tensor *flat(lcl_tensor *statistic) {
  return lcl_reshape(statistic, LCL_SHAPE(lcl_shape_count(lcl_tensor_shape(statistic))));
}

lcl_tensor *lcl_batch_norm(lcl_tensor *x, const char *name, const lcl_bn_desc *desc) {
  lcl_bn_desc d = desc ? *desc : (lcl_bn_desc) { 0 };
  float eps = d.eps > 0 ? d.eps : 1e-5f, momentum = d.momentum > 0 ? d.momentum : 0.1f;
  lcl_tensor *run_mean = channel_state(x, name, "mean", 0),
             *run_var = channel_state(x, name, "var", 1);
  lcl_tensor *y;
  if (d.mode == LCL_BN_EVAL) {
    lcl_shape c = channel_shape(x);
    y = scale_by_statistics(x, lcl_reshape(run_mean, c), lcl_reshape(run_var, c), eps);
  } else {
    lcl_tensor *mean, *var;
    y = lcl_normalise(x, eps, &mean, &var);
    if (d.mode == LCL_BN_TRAIN) {
      lcl_shape c = channel_shape(x);
      lcl_graph *g = lcl_tensor_graph(x);
      double m = (double)lcl_shape_count(lcl_tensor_shape(x)) /
                 (double)LCL_MAX(lcl_shape_count(c), 1) / lcl__graph_weight(g);
      float factor = d.unbiased && m > 1 ? (float)(m / (m - 1)) : 1;
      if (lcl__graph_shares(g) && lcl__graph_shares(g)->local_norm) { /* one model has one */
        mean = lcl_mean_over_ranks(lcl_stop_gradient(mean));
        var = lcl_mean_over_ranks(lcl_stop_gradient(var));
      }
      lcl_ema(run_mean, lcl_stop_gradient(flat(mean)), 1 - momentum);
      lcl_ema(run_var, lcl_stop_gradient(lcl_scale(flat(var), factor)), 1 - momentum);
    }
  }
  if (!d.no_gamma) y = lcl_mul(y, channel_param(x, name, "gamma", d.gamma != 0 ? d.gamma : 1));
  if (!d.no_beta) y = lcl_add(y, channel_param(x, name, "beta", 0));
  return y;
}
