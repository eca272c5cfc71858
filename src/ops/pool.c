/* Pooling: max pooling with argmax indices, unpooling and gathering by them, average pooling and
 * its adjoint.
 *
 * All of them are linear given the argmax indices, so every derivative is a member of the family.
 * Kernels: cl/pool.cl. */
#include "device/divide.h"
#include "graph/graph.h"
#include "latentcl/ops.h"
#include "ops/map.h"
#include "ops/attributes.h"
#include "ops/packed.h"

static const lcl_op op_max, op_unpool, op_gather, op_average, op_average_adjoint;

/* ---- shapes ---- */

static lcl_status check_window(const lcl_pool_attr *a) {
  for (int i = 0; i < 2; i++) {
    if (a->kernel[i] < 1 || a->stride[i] < 1)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "kernel and stride must be at least 1, got kernel %dx%d, stride %dx%d",
                       a->kernel[0], a->kernel[1], a->stride[0], a->stride[1]);
    for (int j = 0; j < 2; j++)
      if (a->pad[2 * i + j] < 0 || a->pad[2 * i + j] >= a->kernel[i])
        return lcl__fail(LCL_ERR_ARGUMENT,
                         "padding must be at least 0 and below the kernel (%d), got %d",
                         a->kernel[i], a->pad[2 * i + j]);
  }
  return LCL_OK;
}

/* Windows along an axis of length n; rounding up leaves out a window that would begin past the
 * image and the padding before it. */
static int64_t windows(const lcl_pool_attr *a, int axis, int64_t n) {
  const int64_t room = n + a->pad[2 * axis] + a->pad[2 * axis + 1] - a->kernel[axis];
  if (room < 0) return 0;
  int64_t out = (a->ceil ? room + a->stride[axis] - 1 : room) / a->stride[axis] + 1;
  if (a->ceil && (out - 1) * a->stride[axis] >= n + a->pad[2 * axis]) out--;
  return out;
}

static lcl_status want_maps(const lcl_tensor *t, const char *what) {
  char text[96];
  if (t->dtype != LCL_F32)
    return lcl__fail(LCL_ERR_TYPE, "%s must be f32, got %s", what, lcl_dtype_name(t->dtype));
  if (t->shape.rank != 4)
    return lcl__fail(LCL_ERR_SHAPE, "%s must be (N,C,H,W), got %s", what,
                     lcl_shape_string(t->shape, text));
  return LCL_OK;
}

static lcl_status infer_pool(lcl_node *node) {
  const lcl_pool_attr *a = node->attr;
  LCL_TRY(want_maps(node->in[0], "the input"));
  LCL_TRY(check_window(a));
  lcl_shape s = node->in[0]->shape;
  const int64_t h = windows(a, 0, s.dim[2]), w = windows(a, 1, s.dim[3]);
  char text[96];
  if (h < 1 || w < 1)
    return lcl__fail(LCL_ERR_SHAPE, "the window %dx%d does not fit the padded input %s",
                     a->kernel[0], a->kernel[1], lcl_shape_string(s, text));
  s.dim[2] = h;
  s.dim[3] = w;
  node->n_out = node->op == &op_max ? 2 : 1;
  node->out[0].dtype = LCL_F32;
  node->out[0].shape = s;
  if (node->op == &op_max) {
    node->out[1].dtype = LCL_I32;
    node->out[1].shape = s;
  }
  return LCL_OK;
}

/* v (and indices) are what pooling gave; the result has the pooled input's shape. */
static lcl_status infer_adjoint(lcl_node *node) {
  const lcl_pool_attr *a = node->attr;
  LCL_TRY(want_maps(node->in[0], "the pooled tensor"));
  char text[96], other[96];
  const lcl_shape v = node->in[0]->shape;
  if (node->op == &op_unpool) {
    if (node->in[1]->dtype != LCL_I32)
      return lcl__fail(LCL_ERR_TYPE, "argmax indices must be i32 or u8, got %s",
                       lcl_dtype_name(node->in[1]->dtype));
    if (!lcl_shape_equal(v, node->in[1]->shape))
      return lcl__fail(LCL_ERR_SHAPE, "values %s and argmax indices %s must have the same shape",
                       lcl_shape_string(v, text), lcl_shape_string(node->in[1]->shape, other));
  } else {
    LCL_TRY(check_window(a));
    if (windows(a, 0, a->in_h) != v.dim[2] || windows(a, 1, a->in_w) != v.dim[3])
      return lcl__fail(LCL_ERR_SHAPE, "an input of %dx%d does not pool to %s", a->in_h, a->in_w,
                       lcl_shape_string(v, text));
  }
  node->n_out = 1;
  node->out[0].dtype = LCL_F32;
  node->out[0].shape = LCL_SHAPE(v.dim[0], v.dim[1], a->in_h, a->in_w);
  return LCL_OK;
}

static lcl_status infer_gather(lcl_node *node) {
  char text[96], other[96];
  LCL_TRY(want_maps(node->in[0], "the input"));
  const lcl_shape x = node->in[0]->shape, s = node->in[1]->shape;
  if (node->in[1]->dtype != LCL_I32)
    return lcl__fail(LCL_ERR_TYPE, "argmax indices must be i32 or u8, got %s",
                     lcl_dtype_name(node->in[1]->dtype));
  if (s.rank != 4 || s.dim[0] != x.dim[0] || s.dim[1] != x.dim[1])
    return lcl__fail(LCL_ERR_SHAPE, "argmax indices %s do not belong to an input %s",
                     lcl_shape_string(s, text), lcl_shape_string(x, other));
  node->n_out = 1;
  node->out[0].dtype = LCL_F32;
  node->out[0].shape = s;
  return LCL_OK;
}

/* ---- gradients ---- */

static lcl_tensor *adjoint(const lcl_op *op, lcl_tensor *v, lcl_tensor *indices, lcl_shape in,
                           lcl_pool_attr a) {
  a.in_h = (int32_t)in.dim[2];
  a.in_w = (int32_t)in.dim[3];
  if (indices) return lcl__node_new(v->node->graph, op, LCL_IN(v, indices), &a, 1);
  return lcl__node_new(v->node->graph, op, LCL_IN(v), &a, 1);
}

static void grad_max(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  if (gout[0])
    gin[0] = lcl_max_unpool2d(gout[0], lcl__node_out(&node->out[0], 1), node->in[0]->shape);
}

static void grad_unpool(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  gin[0] = lcl_argmax_gather2d(gout[0], node->in[1]);
}

static void grad_gather(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  gin[0] = lcl_max_unpool2d(gout[0], node->in[1], node->in[0]->shape);
}

static void grad_average(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  gin[0] = adjoint(&op_average_adjoint, gout[0], NULL, node->in[0]->shape,
                   *(const lcl_pool_attr *)node->attr);
}

static void grad_average_adjoint(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  lcl_pool_attr a = *(const lcl_pool_attr *)node->attr;
  a.in_h = a.in_w = 0;
  gin[0] = lcl__node_new(node->graph, &op_average, LCL_IN(gout[0]), &a, 1);
}

/* ---- launches ---- */

/* Emits a kernel of pool.cl over `jobs` rows with packed kernels, jobs*width elements with tiled
 * ones. */
static lcl_status emit(lcl_lower *lw, const char *kernel, const lcl_arg *args, int n_args,
                       const lcl_node *node, int64_t jobs, int64_t width, double bytes) {
  char text[96], label[160];
  snprintf(label, sizeof label, "%s %s", node->op->name,
           lcl_shape_string(node->out[0].shape, text));
  lcl_launch d = { .label = label,
                   .source = { .file = "pool.cl" },
                   .kernel = kernel,
                   .args = args,
                   .n_args = n_args,
                   .bytes = bytes };
  lcl__spread(&d, lcl__lower_caps(lw), jobs, jobs * width);
  return lcl__emit(lw, &d);
}

static double element_bytes(const lcl_node *node) {
  double n = 0;
  for (int i = 0; i < node->n_in; i++) n += (double)lcl_shape_count(node->in[i]->shape);
  for (int i = 0; i < node->n_out; i++) n += (double)lcl_shape_count(node->out[i].shape);
  return 4 * n;
}

/* {H, W, OH, OW, kernel, stride} and {pads} of a pooling between planes `in` and `out`. */
static void geometry(const lcl_pool_attr *a, lcl_shape in, lcl_shape out, int64_t shape[8],
                     int64_t pads[4]) {
  shape[0] = in.dim[2], shape[1] = in.dim[3], shape[2] = out.dim[2], shape[3] = out.dim[3];
  for (int i = 0; i < 2; i++) shape[4 + i] = a->kernel[i], shape[6 + i] = a->stride[i];
  for (int i = 0; i < 4; i++) pads[i] = a->pad[i];
}

static lcl_status lower_max(lcl_lower *lw, lcl_node *node) {
  const lcl_shape in = node->in[0]->shape, out = node->out[0].shape;
  const int64_t planes = in.dim[0] * in.dim[1];
  int64_t shape[8], pads[4];
  geometry(node->attr, in, out, shape, pads);
  const lcl_arg args[] = { lcl__in(lw, node->in[0]),    lcl__out(lw, &node->out[0]),
                           lcl__out(lw, &node->out[1]), lcl__i32(planes),
                           lcl__int8(shape, 8),         lcl__int8(pads, 4) };
  return emit(lw, "pool_max", args, LCL_COUNT(args), node, planes * out.dim[2], out.dim[3],
              element_bytes(node));
}

/* Windows that an element may lie in. */
static int64_t overlap(const lcl_pool_attr *a) {
  int64_t n = 1;
  for (int i = 0; i < 2; i++) n *= (a->kernel[i] + a->stride[i] - 1) / a->stride[i];
  return n;
}

/* A work-item a plane. Of long planes several launches take a part each: not every device goes
 * through so many rounds of a loop (lcl__loops_ask). */
static lcl_status scatter(lcl_lower *lw, lcl_node *node, int64_t planes, int64_t cells,
                          int64_t outputs) {
  const lcl_pool_attr *a = node->attr;
  const bool many = !a->known || overlap(a) > 8; /* LCL_SUM_BLOCK */
  const bool split = cells + outputs > LCL_SHORT_LOOP;
  const size_t bytes = (size_t)(planes * cells) * sizeof(float);
  lcl_arg sums[2] = { lcl__out(lw, &node->out[0]) };
  if (many) sums[1] = lcl__scratch_arg(lw, lcl__scratch(lw, bytes), LCL_WRITE);
  for (int i = 0; i < 1 + many && split; i++) {
    LCL_TRY(lcl__emit_fill(lw, sums[i], 0, bytes));
    sums[i].access = LCL_READ_WRITE;
  }
  for (int64_t first = 0; first < outputs; first += LCL_SHORT_LOOP) {
    lcl_arg_list l = { .n = 0 };
    for (int i = 0; i < 2; i++) lcl__args_add(&l, lcl__in(lw, node->in[i]));
    for (int i = 0; i < 1 + many; i++) lcl__args_add(&l, sums[i]);
    LCL_ADD_INTS(&l, planes, cells, outputs, first, LCL_MIN(outputs, first + LCL_SHORT_LOOP),
                 split ? 0 : cells);
    LCL_TRY(emit(lw, many ? "pool_unpool_plane_long" : "pool_unpool_plane", l.a, l.n, node, planes,
                 1, element_bytes(node)));
  }
  return LCL_OK;
}

static lcl_status lower_unpool(lcl_lower *lw, lcl_node *node) {
  const lcl_pool_attr *a = node->attr;
  const lcl_shape in = node->out[0].shape, out = node->in[0]->shape;
  const int64_t planes = in.dim[0] * in.dim[1];
  /* On CPU drivers a plane's scatter is one pass over it; a GPU needs a work-item per cell. */
  if (a->known && !lcl__lower_caps(lw)->packed) {
    int64_t shape[8], pads[4];
    geometry(a, in, out, shape, pads);
    const lcl_arg args[] = { lcl__in(lw, node->in[0]),    lcl__in(lw, node->in[1]),
                             lcl__out(lw, &node->out[0]), lcl__i32(planes),
                             lcl__int8(shape, 8),         lcl__int8(pads, 4) };
    return emit(lw, "pool_unpool", args, LCL_COUNT(args), node, planes * in.dim[2], in.dim[3],
                element_bytes(node));
  }
  return scatter(lw, node, planes, in.dim[2] * in.dim[3], out.dim[2] * out.dim[3]);
}

static lcl_status lower_gather(lcl_lower *lw, lcl_node *node) {
  const lcl_shape in = node->in[0]->shape, out = node->out[0].shape;
  const int64_t planes = in.dim[0] * in.dim[1], outputs = out.dim[2] * out.dim[3];
  const lcl_arg args[] = { lcl__in(lw, node->in[0]),        lcl__in(lw, node->in[1]),
                           lcl__out(lw, &node->out[0]),     lcl__i32(planes),
                           lcl__i32(in.dim[2] * in.dim[3]), lcl__i32(outputs) };
  return emit(lw, "pool_gather", args, LCL_COUNT(args), node, planes, outputs, element_bytes(node));
}

static lcl_status lower_average(lcl_lower *lw, lcl_node *node) {
  const lcl_pool_attr *a = node->attr;
  const bool forward = node->op == &op_average;
  const lcl_shape from = node->in[0]->shape, to = node->out[0].shape;
  const int64_t planes = to.dim[0] * to.dim[1];
  int64_t shape[8], pads[4];
  geometry(a, forward ? from : to, forward ? to : from, shape, pads);
  const lcl_arg args[] = { lcl__in(lw, node->in[0]), lcl__out(lw, &node->out[0]),
                           lcl__i32(planes),         lcl__int8(shape, 8),
                           lcl__int8(pads, 4),       lcl__i32(a->include_pad) };
  return emit(lw, forward ? "pool_average" : "pool_average_adjoint", args, LCL_COUNT(args), node,
              planes * to.dim[2], to.dim[3], element_bytes(node));
}

static double flops_window(const lcl_node *node) {
  const lcl_pool_attr *a = node->attr;
  return (double)lcl_shape_count(node->out[0].shape) * a->kernel[0] * a->kernel[1];
}

static const lcl_op op_max = { .name = "max_pool2d",
                               .attr_size = sizeof(lcl_pool_attr),
                               .infer = infer_pool,
                               .grad = grad_max,
                               .lower = lower_max,
                               .flops = flops_window };
static const lcl_op op_unpool = { .name = "max_unpool2d",
                                  .attr_size = sizeof(lcl_pool_attr),
                                  .infer = infer_adjoint,
                                  .grad = grad_unpool,
                                  .lower = lower_unpool };
static const lcl_op op_gather = {
  .name = "argmax_gather2d", .infer = infer_gather, .grad = grad_gather, .lower = lower_gather
};
static const lcl_op op_average = { .name = "avg_pool2d",
                                   .attr_size = sizeof(lcl_pool_attr),
                                   .infer = infer_pool,
                                   .grad = grad_average,
                                   .lower = lower_average,
                                   .flops = flops_window };
static const lcl_op op_average_adjoint = { .name = "avg_unpool2d",
                                           .attr_size = sizeof(lcl_pool_attr),
                                           .infer = infer_adjoint,
                                           .grad = grad_average_adjoint,
                                           .lower = lower_average };

/* ---- public ---- */

static lcl_pool_attr attr_of(const lcl_pool_desc *desc) {
  lcl_pool_attr a;
  memset(&a, 0, sizeof a);
  for (int i = 0; i < 2; i++) {
    a.kernel[i] = desc->kernel[i];
    a.stride[i] = desc->stride[i] ? desc->stride[i] : desc->kernel[i];
  }
  for (int i = 0; i < 4; i++) a.pad[i] = desc->pad[i];
  a.ceil = desc->ceil;
  a.include_pad = desc->count_include_pad;
  return a;
}

static lcl_tensor *without_window(lcl_tensor *x) {
  return lcl__graph_error(x->node->graph, LCL_ERR_ARGUMENT, "pool2d", "the window is NULL");
}

lcl_tensor *lcl_max_pool2d(lcl_tensor *x, const lcl_pool_desc *desc, lcl_tensor **indices) {
  LCL_NEED_TENSORS(x);
  if (indices) *indices = lcl__graph_poison(x->node->graph);
  if (!desc) return without_window(x);
  const lcl_pool_attr a = attr_of(desc);
  lcl_tensor *y = lcl__node_new(x->node->graph, &op_max, LCL_IN(x), &a, 2);
  if (indices) *indices = lcl__node_out(y, 1);
  return y;
}

/* Planes of an adjoint's result, which attributes hold as 32-bit. */
static bool plane_fits(lcl_shape s) {
  return s.rank == 4 && s.dim[2] >= 1 && s.dim[3] >= 1 && s.dim[2] <= INT32_MAX / s.dim[3];
}

lcl_tensor *lcl_max_unpool2d(lcl_tensor *v, lcl_tensor *indices, lcl_shape in_shape) {
  LCL_NEED_TENSORS(v, indices);
  lcl_graph *g = v->node->graph;
  char text[96];
  if (!plane_fits(in_shape))
    return lcl__graph_error(g, LCL_ERR_SHAPE, op_unpool.name,
                            "the shape to unpool to must be (N,C,H,W), got %s",
                            lcl_shape_string(in_shape, text));
  lcl_pool_attr a;
  memset(&a, 0, sizeof a);
  if (indices->node->op == &op_max) {
    const lcl_shape pooled = indices->node->in[0]->shape;
    a = *(const lcl_pool_attr *)indices->node->attr;
    a.known = pooled.dim[2] == in_shape.dim[2] && pooled.dim[3] == in_shape.dim[3];
  }
  return adjoint(&op_unpool, v, lcl__wide_index(indices), in_shape, a);
}

lcl_tensor *lcl_argmax_gather2d(lcl_tensor *x, lcl_tensor *indices) {
  LCL_NEED_TENSORS(x, indices);
  return lcl__node_new(x->node->graph, &op_gather, LCL_IN(x, lcl__wide_index(indices)), NULL, 1);
}

/* One window that is the image: a mean, which any number of work-items may share. */
static bool is_mean(const lcl_tensor *x, const lcl_pool_attr *a) {
  if (x->shape.rank != 4 || x->dtype != LCL_F32) return false;
  for (int i = 0; i < 2; i++)
    if (a->kernel[i] < 1 || a->kernel[i] != x->shape.dim[2 + i] || a->stride[i] < 1 ||
        a->pad[2 * i] || a->pad[2 * i + 1])
      return false;
  return true;
}

lcl_tensor *lcl_avg_pool2d(lcl_tensor *x, const lcl_pool_desc *desc) {
  LCL_NEED_TENSORS(x);
  if (!desc) return without_window(x);
  const lcl_pool_attr a = attr_of(desc);
  if (is_mean(x, &a)) return lcl_mean(x, LCL_AXIS(2) | LCL_AXIS(3), true);
  return lcl__node_new(x->node->graph, &op_average, LCL_IN(x), &a, 1);
}

lcl_tensor *lcl_avg_unpool2d(lcl_tensor *v, lcl_shape in_shape, const lcl_pool_desc *desc) {
  LCL_NEED_TENSORS(v);
  if (!desc) return without_window(v);
  char text[96];
  if (!plane_fits(in_shape))
    return lcl__graph_error(v->node->graph, LCL_ERR_SHAPE, op_average_adjoint.name,
                            "the shape to unpool to must be (N,C,H,W), got %s",
                            lcl_shape_string(in_shape, text));
  return adjoint(&op_average_adjoint, v, NULL, in_shape, attr_of(desc));
}
