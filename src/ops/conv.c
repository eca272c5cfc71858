/* conv: 2-D convolution (cross-correlation), its input gradient (the transposed convolution) and
 * its filter gradient. The three are each other's derivatives, so any order exists. */
#include "latentcl/ops.h"
#include "ops/conv.h"
#include "ops/map.h"

/* ---- shapes ---- */

static int64_t reach(const lcl_conv_attr *a, int side, int64_t k) {
  return a->dilation[side] * (k - 1) + 1;
}

/* Checks the convolution of an image and a filter; out gets the result's height and width. */
static lcl_status check_conv(const lcl_conv_attr *a, const int64_t *x, const int64_t *w,
                             int64_t out[2]) {
  if (x[1] != w[1] * a->groups)
    return lcl__fail(LCL_ERR_SHAPE,
                     "the image has %lld channels, the filter expects %lld x %lld groups",
                     (long long)x[1], (long long)w[1], (long long)a->groups);
  if (w[0] % a->groups)
    return lcl__fail(LCL_ERR_SHAPE, "%lld filters cannot be shared by %lld groups", (long long)w[0],
                     (long long)a->groups);
  for (int i = 0; i < 2; i++) {
    const int64_t padded = x[2 + i] + a->pad[2 * i] + a->pad[2 * i + 1];
    if (w[2 + i] < 1) return lcl__fail(LCL_ERR_SHAPE, "the filter has no taps");
    if (reach(a, i, w[2 + i]) > padded)
      return lcl__fail(LCL_ERR_SHAPE,
                       "a filter that reaches over %lld does not fit a padded %s of %lld",
                       (long long)reach(a, i, w[2 + i]), i ? "width" : "height", (long long)padded);
    out[i] = (padded - reach(a, i, w[2 + i])) / a->stride[i] + 1;
  }
  return LCL_OK;
}

static lcl_status check_inputs(const lcl_node *node) {
  char s0[96], s1[96];
  const lcl_tensor *a = node->in[0], *b = node->in[1];
  LCL_TRY(lcl__check_operands(node));
  if (((const lcl_conv_attr *)node->attr)->fft && a->dtype == LCL_F16)
    return lcl__fail(LCL_ERR_TYPE, "a Fourier transform expects f32, got f16");
  if (a->shape.rank != 4 || b->shape.rank != 4)
    return lcl__fail(LCL_ERR_SHAPE, "expects two operands of rank 4, got %s and %s",
                     lcl_shape_string(a->shape, s0), lcl_shape_string(b->shape, s1));
  return LCL_OK;
}

static lcl_status finish(lcl_node *node, int64_t d0, int64_t d1, int64_t d2, int64_t d3) {
  node->out[0].shape = LCL_SHAPE(d0, d1, d2, d3);
  node->out[0].dtype = LCL_F32;
  return LCL_OK;
}

static lcl_status infer_conv(lcl_node *node) {
  int64_t out[2] = { 0 };
  LCL_TRY(check_inputs(node));
  const int64_t *x = node->in[0]->shape.dim, *w = node->in[1]->shape.dim;
  LCL_TRY(check_conv(node->attr, x, w, out));
  return finish(node, x[0], w[0], out[0], out[1]);
}

/* The gradient's shape has to be the one that the forward convolution gives. */
static lcl_status check_result(const int64_t *gy, int64_t n, int64_t o, const int64_t out[2]) {
  if (gy[0] != n || gy[1] != o || gy[2] != out[0] || gy[3] != out[1])
    return lcl__fail(
        LCL_ERR_SHAPE,
        "the convolution gives %lldx%lldx%lldx%lld, the gradient is %lldx%lldx%lldx%lld",
        (long long)n, (long long)o, (long long)out[0], (long long)out[1], (long long)gy[0],
        (long long)gy[1], (long long)gy[2], (long long)gy[3]);
  return LCL_OK;
}

static lcl_status infer_input_grad(lcl_node *node) {
  const lcl_conv_attr *a = node->attr;
  int64_t out[2];
  LCL_TRY(check_inputs(node));
  const int64_t *gy = node->in[0]->shape.dim, *w = node->in[1]->shape.dim;
  LCL_TRY(check_conv(a, a->shape, w, out));
  LCL_TRY(check_result(gy, a->shape[0], w[0], out));
  return finish(node, a->shape[0], a->shape[1], a->shape[2], a->shape[3]);
}

static lcl_status infer_filter_grad(lcl_node *node) {
  const lcl_conv_attr *a = node->attr;
  int64_t out[2];
  LCL_TRY(check_inputs(node));
  const int64_t *x = node->in[0]->shape.dim, *gy = node->in[1]->shape.dim;
  LCL_TRY(check_conv(a, x, a->shape, out));
  LCL_TRY(check_result(gy, x[0], a->shape[0], out));
  return finish(node, a->shape[0], a->shape[1], a->shape[2], a->shape[3]);
}

/* ---- nodes and gradients ---- */

static lcl_tensor *conv_node(const lcl_op *op, lcl_tensor *a, lcl_tensor *b,
                             const lcl_conv_attr *attr) {
  if (!attr->fft) a = lcl__operand(a), b = lcl__operand(b);
  return lcl__node_new(lcl_tensor_graph(a), op, LCL_IN(a, b), attr, 1);
}

static lcl_conv_attr with_shape(const lcl_conv_attr *a, lcl_shape s) {
  lcl_conv_attr r = *a;
  for (int i = 0; i < 4; i++) r.shape[i] = s.rank == 4 ? s.dim[i] : 0;
  return r;
}

static lcl_tensor *forward(lcl_tensor *x, lcl_tensor *w, const lcl_conv_attr *a) {
  const lcl_conv_attr attr = with_shape(a, LCL_SCALAR);
  return conv_node(&lcl__op_conv2d, x, w, &attr);
}
static lcl_tensor *input_grad(lcl_tensor *gy, lcl_tensor *w, lcl_shape x, const lcl_conv_attr *a) {
  const lcl_conv_attr attr = with_shape(a, x);
  return conv_node(&lcl__op_conv2d_input_grad, gy, w, &attr);
}
static lcl_tensor *filter_grad(lcl_tensor *x, lcl_tensor *gy, lcl_shape w, const lcl_conv_attr *a) {
  const lcl_conv_attr attr = with_shape(a, w);
  return conv_node(&lcl__op_conv2d_filter_grad, x, gy, &attr);
}

static void grad_conv(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  lcl_tensor *x = node->in[0], *w = node->in[1];
  gin[0] = input_grad(gout[0], w, x->shape, node->attr);
  gin[1] = filter_grad(x, gout[0], w->shape, node->attr);
}

static void grad_input_grad(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  lcl_tensor *gy = node->in[0], *w = node->in[1];
  gin[0] = forward(gout[0], w, node->attr);
  gin[1] = filter_grad(gout[0], gy, w->shape, node->attr);
}

static void grad_filter_grad(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  lcl_tensor *x = node->in[0], *gy = node->in[1];
  gin[0] = input_grad(gy, gout[0], x->shape, node->attr);
  gin[1] = forward(x, gout[0], node->attr);
}

static lcl_status lower_fused(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e) {
  const lcl_conv_problem p = lcl__conv_problem_of(lw, node, e);
  return lcl__conv_lower(lw, &p);
}
static lcl_status lower(lcl_lower *lw, lcl_node *node) {
  return lower_fused(lw, node, &(lcl_epilogue) { .out = &node->out[0] });
}

const lcl_op lcl__op_conv2d = { .name = "conv2d",
                                .attr_size = sizeof(lcl_conv_attr),
                                .infer = infer_conv,
                                .grad = grad_conv,
                                .lower = lower,
                                .fusion = LCL_FUSE_EPILOGUE,
                                .lower_fused = lower_fused,
                                .bias_axis = 1,
                                .flops = lcl__conv_flops };
const lcl_op lcl__op_conv2d_input_grad = { .name = "conv2d_input_grad",
                                           .attr_size = sizeof(lcl_conv_attr),
                                           .infer = infer_input_grad,
                                           .grad = grad_input_grad,
                                           .lower = lower,
                                           .fusion = LCL_FUSE_EPILOGUE,
                                           .lower_fused = lower_fused,
                                           .bias_axis = 1,
                                           .flops = lcl__conv_flops };
const lcl_op lcl__op_conv2d_filter_grad = { .name = "conv2d_filter_grad",
                                            .attr_size = sizeof(lcl_conv_attr),
                                            .infer = infer_filter_grad,
                                            .grad = grad_filter_grad,
                                            .lower = lower,
                                            .flops = lcl__conv_flops };

/* ---- public ---- */

/* The description with its defaults filled in and `same` turned into numbers. false: an error was
 * reported. */
static bool resolve(lcl_graph *g, const char *op, const lcl_conv_desc *d, lcl_shape x, lcl_shape w,
                    lcl_conv_attr *a) {
  static const lcl_conv_desc defaults;
  if (!d) d = &defaults;
  *a = (lcl_conv_attr) { .groups = d->groups ? d->groups : 1 };
  bool ok = a->groups > 0;
  for (int i = 0; i < 2; i++) {
    a->stride[i] = d->stride[i] ? d->stride[i] : 1;
    a->dilation[i] = d->dilation[i] ? d->dilation[i] : 1;
    ok &= a->stride[i] > 0 && a->dilation[i] > 0;
    if (d->same && x.rank == 4 && w.rank == 4 && ok) {
      const int64_t out = (x.dim[2 + i] + a->stride[i] - 1) / a->stride[i];
      const int64_t total = LCL_MAX(
          (out - 1) * a->stride[i] + reach(a, i, w.dim[2 + i]) - x.dim[2 + i], 0);
      a->pad[2 * i] = total / 2;
      a->pad[2 * i + 1] = total - total / 2;
    } else if (!d->same) {
      a->pad[2 * i] = d->pad[2 * i];
      a->pad[2 * i + 1] = d->pad[2 * i + 1];
      ok &= d->pad[2 * i] >= 0 && d->pad[2 * i + 1] >= 0;
    }
  }
  if (!ok)
    lcl__graph_error(g, LCL_ERR_ARGUMENT, op,
                     "stride, dilation and groups must be positive, padding not negative");
  return ok;
}

/* y + b along the channels; the compiler makes it part of the convolution. */
static lcl_tensor *add_bias(lcl_tensor *y, lcl_tensor *b, const char *op) {
  lcl_graph *g = lcl_tensor_graph(y);
  char s[96];
  if (!b || lcl__graph_broken(g)) return y;
  if (b->shape.rank != 1 || b->shape.dim[0] != y->shape.dim[1])
    return lcl__graph_error(g, LCL_ERR_SHAPE, op, "expects a bias of %lld, got %s",
                            (long long)y->shape.dim[1], lcl_shape_string(b->shape, s));
  return lcl_add(y, lcl_reshape(b, LCL_SHAPE(b->shape.dim[0], 1, 1)));
}

lcl_tensor *lcl_conv2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b, const lcl_conv_desc *desc) {
  LCL_NEED_TENSORS(x, w);
  lcl_conv_attr a;
  if (!resolve(lcl_tensor_graph(x), "conv2d", desc, x->shape, w->shape, &a)) return x;
  return add_bias(forward(x, w, &a), b, "conv2d");
}

lcl_tensor *lcl_fft_conv2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b, const lcl_conv_desc *desc) {
  LCL_NEED_TENSORS(x, w);
  lcl_conv_attr a;
  if (!resolve(lcl_tensor_graph(x), "fft_conv2d", desc, x->shape, w->shape, &a)) return x;
  a.fft = 1;
  return add_bias(forward(x, w, &a), b, "fft_conv2d");
}

lcl_tensor *lcl_conv2d_input_grad(lcl_tensor *gy, lcl_tensor *w, lcl_shape in_shape,
                                  const lcl_conv_desc *desc) {
  LCL_NEED_TENSORS(gy, w);
  lcl_conv_attr a;
  if (!resolve(lcl_tensor_graph(gy), "conv2d_input_grad", desc, in_shape, w->shape, &a)) return gy;
  return input_grad(gy, w, in_shape, &a);
}

lcl_tensor *lcl_conv2d_filter_grad(lcl_tensor *x, lcl_tensor *gy, lcl_shape w_shape,
                                   const lcl_conv_desc *desc) {
  LCL_NEED_TENSORS(x, gy);
  lcl_conv_attr a;
  if (!resolve(lcl_tensor_graph(x), "conv2d_filter_grad", desc, x->shape, w_shape, &a)) return x;
  return filter_grad(x, gy, w_shape, &a);
}

lcl_tensor *lcl_conv_transpose2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b,
                                 const lcl_conv_desc *desc, const int output_pad[2]) {
  LCL_NEED_TENSORS(x, w);
  static const char op[] = "conv_transpose2d";
  lcl_graph *g = lcl_tensor_graph(x);
  lcl_conv_attr a;
  char sx[96], sw[96];
  if (lcl__graph_broken(g)) return x;
  if (desc && desc->same)
    return lcl__graph_error(g, LCL_ERR_ARGUMENT, op, "padding 'same' is not defined: give numbers");
  if (x->shape.rank != 4 || w->shape.rank != 4)
    return lcl__graph_error(g, LCL_ERR_SHAPE, op, "expects two operands of rank 4, got %s and %s",
                            lcl_shape_string(x->shape, sx), lcl_shape_string(w->shape, sw));
  if (!resolve(g, op, desc, x->shape, w->shape, &a)) return x;
  lcl_shape out = LCL_SHAPE(x->shape.dim[0], w->shape.dim[1] * a.groups, 0, 0);
  for (int i = 0; i < 2; i++) {
    const int64_t extra = output_pad ? output_pad[i] : 0;
    if (extra < 0 || (extra >= a.stride[i] && extra >= a.dilation[i]))
      return lcl__graph_error(g, LCL_ERR_ARGUMENT, op,
                              "output_pad %lld must be less than stride %lld or dilation %lld",
                              (long long)extra, (long long)a.stride[i], (long long)a.dilation[i]);
    out.dim[2 + i] = (x->shape.dim[2 + i] - 1) * a.stride[i] - a.pad[2 * i] - a.pad[2 * i + 1] +
                     reach(&a, i, w->shape.dim[2 + i]) + extra;
    if (out.dim[2 + i] < 1)
      return lcl__graph_error(g, LCL_ERR_SHAPE, op, "the padding leaves nothing of %s",
                              lcl_shape_string(x->shape, sx));
    /* A forward convolution ignores up to stride - 1 rows at the end, output_pad may be more: it is
     * padding then. */
    const int64_t ignored = (out.dim[2 + i] + a.pad[2 * i] + a.pad[2 * i + 1] -
                             reach(&a, i, w->shape.dim[2 + i])) /
                                a.stride[i] +
                            1;
    if (ignored != x->shape.dim[2 + i])
      return lcl__graph_error(g, LCL_ERR_ARGUMENT, op,
                              "output_pad %lld must be less than stride %lld", (long long)extra,
                              (long long)a.stride[i]);
  }
  return add_bias(input_grad(x, w, out, &a), b, op);
}
