/* reduce: sum, mean, max, min over axes; arg max; moments and softmax, which are made of them. */
#include <math.h>

#include "latentcl/ops.h"
#include "ops/fuse.h"
#include "ops/attributes.h"

unsigned lcl__axes_of(const lcl_tensor *x, unsigned axes, const char *op) {
  const unsigned there = (1u << x->shape.rank) - 1;
  if ((axes & ~there) && (axes & LCL_ALL_AXES) != LCL_ALL_AXES)
    lcl__graph_error(x->node->graph, LCL_ERR_ARGUMENT, op,
                     "the set of axes 0x%x has one that does not exist in rank %d", axes,
                     x->shape.rank);
  return axes & there;
}

static lcl_shape keep_shape(lcl_shape s, unsigned axes) {
  for (int i = 0; i < s.rank; i++)
    if (axes & LCL_AXIS(i)) s.dim[i] = 1;
  return s;
}

static int64_t reduced_count(lcl_shape s, unsigned axes) {
  int64_t n = 1;
  for (int i = 0; i < s.rank; i++)
    if (axes & LCL_AXIS(i)) n *= s.dim[i];
  return n;
}

static lcl_status infer_reduce(lcl_node *node) {
  const lcl_reduce_attr *a = node->attr;
  if (a->kind != LCL_REDUCE_SUM && reduced_count(node->in[0]->shape, a->axes) == 0)
    return lcl__fail(LCL_ERR_SHAPE, "the maximum or minimum of no elements does not exist");
  node->out[0].shape = keep_shape(node->in[0]->shape, a->axes);
  node->out[0].dtype = LCL_F32;
  return LCL_OK;
}

/* x with the reduced axes moved last and merged: (kept..., R). */
static lcl_tensor *reduced_last(lcl_tensor *x, unsigned axes) {
  int perm[LCL_MAX_RANK] = { 0 }, n = 0;
  lcl_shape s = { 0 };
  for (int i = 0; i < x->shape.rank; i++)
    if (!(axes & LCL_AXIS(i))) {
      s.dim[s.rank++] = x->shape.dim[i];
      perm[n++] = i;
    }
  for (int i = 0; i < x->shape.rank; i++)
    if (axes & LCL_AXIS(i)) perm[n++] = i;
  lcl_tensor *t = lcl_transpose(x, perm);
  return lcl_reshape(t, LCL_SHAPE(lcl_shape_count(s), reduced_count(x->shape, axes)));
}

/* 1 at the first extreme element of each reduced block, in x's shape. */
static lcl_tensor *first_extreme(lcl_tensor *x, unsigned axes, bool max) {
  lcl_tensor *last = reduced_last(x, axes);
  lcl_tensor *hot = lcl_one_hot(lcl_argmax(max ? last : lcl_neg(last), 1, false),
                                last->shape.dim[1]);
  lcl_shape moved = { .rank = x->shape.rank };
  int back[LCL_MAX_RANK] = { 0 }, n = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < x->shape.rank; i++)
      if (((axes >> i) & 1u) == (unsigned)pass) {
        moved.dim[n] = x->shape.dim[i];
        back[i] = n++;
      }
  return lcl_transpose(lcl_reshape(hot, moved), back);
}

static void grad_reduce(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  const lcl_reduce_attr *a = node->attr;
  lcl_tensor *x = node->in[0], *g = lcl_broadcast(lcl_scale(gout[0], a->factor), x->shape);
  if (x->dtype != LCL_F32) return;
  gin[0] = a->kind == LCL_REDUCE_SUM
               ? g
               : lcl_select(first_extreme(x, a->axes, a->kind == LCL_REDUCE_MAX), g,
                            lcl_const(node->graph, 0));
}

static const char *title_reduce(const lcl_node *node) {
  static const char *const names[] = {
    [LCL_REDUCE_SUM] = "sum", [LCL_REDUCE_MAX] = "max", [LCL_REDUCE_MIN] = "min"
  };
  return names[((const lcl_reduce_attr *)node->attr)->kind];
}

static unsigned reduced_axes(const lcl_node *node) {
  return ((const lcl_reduce_attr *)node->attr)->axes;
}

static const lcl_op op_reduce = { .name = "reduce",
                                  .title = title_reduce,
                                  .attr_size = sizeof(lcl_reduce_attr),
                                  .infer = infer_reduce,
                                  .grad = grad_reduce,
                                  .fusion = LCL_FUSE_REDUCE,
                                  .lower_group = lcl__lower_reduce_group,
                                  .reduced_axes = reduced_axes,
                                  .whole_results = lcl__whole_results };

static lcl_tensor *reduce(lcl_tensor *x, lcl_reduce_kind kind, unsigned axes, bool keepdims,
                          float factor) {
  axes = lcl__axes_of(x, axes, "reduce");
  lcl_tensor *y = x;
  if (axes)
    y = lcl__node_new(lcl_tensor_graph(x), &op_reduce, LCL_IN(x),
                      &(lcl_reduce_attr) { kind, axes, factor }, 1);
  else if (x->dtype != LCL_F32)
    y = lcl_cast(x, LCL_F32);
  if (keepdims || lcl__graph_broken(lcl_tensor_graph(x))) return y;
  lcl_shape s = { 0 };
  for (int i = 0; i < y->shape.rank; i++)
    if (!(axes & LCL_AXIS(i))) s.dim[s.rank++] = y->shape.dim[i];
  return lcl_reshape(y, s);
}

lcl_tensor *lcl_sum(lcl_tensor *x, unsigned axes, bool keepdims) {
  LCL_NEED_TENSORS(x);
  return reduce(x, LCL_REDUCE_SUM, axes, keepdims, 1);
}
lcl_tensor *lcl_max(lcl_tensor *x, unsigned axes, bool keepdims) {
  LCL_NEED_TENSORS(x);
  return reduce(x, LCL_REDUCE_MAX, axes, keepdims, 1);
}
lcl_tensor *lcl_min(lcl_tensor *x, unsigned axes, bool keepdims) {
  LCL_NEED_TENSORS(x);
  return reduce(x, LCL_REDUCE_MIN, axes, keepdims, 1);
}

lcl_tensor *lcl_mean(lcl_tensor *x, unsigned axes, bool keepdims) {
  LCL_NEED_TENSORS(x);
  int64_t n = reduced_count(x->shape, lcl__axes_of(x, axes, "mean"));
  return reduce(x, LCL_REDUCE_SUM, axes, keepdims, n ? 1.0f / (float)n : NAN);
}

void lcl_moments(lcl_tensor *x, unsigned axes, lcl_tensor **mean, lcl_tensor **var) {
  lcl_tensor *m = lcl_mean(x, axes, true);
  if (mean) *mean = m;
  if (var) *var = lcl_mean(lcl_square(lcl_sub(x, m)), axes, true); /* two passes: no cancellation */
}

/* ---- arg max ---- */

static lcl_status infer_argmax(lcl_node *node) {
  int axis = ((const lcl_axis_attr *)node->attr)->axis;
  lcl_shape s = node->in[0]->shape;
  if (axis < 0 || axis >= s.rank)
    return lcl__fail(LCL_ERR_ARGUMENT, "axis %d does not exist in rank %d", axis, s.rank);
  if (s.dim[axis] == 0)
    return lcl__fail(LCL_ERR_SHAPE, "the arg max of no elements does not exist");
  if (node->in[0]->dtype != LCL_F32) return lcl__fail(LCL_ERR_TYPE, "expects f32");
  s.dim[axis] = 1;
  node->out[0].shape = s;
  node->out[0].dtype = LCL_I32;
  return LCL_OK;
}

static lcl_status lower_argmax(lcl_lower *lw, lcl_node *node) {
  int axis = ((const lcl_axis_attr *)node->attr)->axis;
  lcl_shape s = node->in[0]->shape;
  int64_t inner = 1, n = lcl_shape_count(node->out[0].shape);
  for (int i = axis + 1; i < s.rank; i++) inner *= s.dim[i];
  int64_t part = LCL_MAX(LCL_MIN(s.dim[axis], 4096), 1), splits = (s.dim[axis] + part - 1) / part;
  char label[128], text[96];
  snprintf(label, sizeof label, "argmax %s", lcl_shape_string(s, text));
  lcl_arg to = lcl__out(lw, &node->out[0]);
  int parts = splits > 1 ? lcl__scratch(lw, (size_t)(splits * n) * sizeof(int32_t)) : -1;
  LCL_TRY(lcl__emit(
      lw,
      &(lcl_launch) { .label = label,
                      .source = { .file = "reduce.cl" },
                      .kernel = "argmax",
                      LCL_ARGS(lcl__in(lw, node->in[0]),
                               splits > 1 ? lcl__scratch_arg(lw, parts, LCL_WRITE) : to,
                               lcl__i32(s.dim[axis]), lcl__i32(inner), lcl__i32(part), lcl__i32(n)),
                      .dims = 2,
                      .global = { (size_t)n, (size_t)splits },
                      .bytes = 4.0 * (double)lcl_shape_count(s) }));
  if (splits == 1) return LCL_OK;
  return lcl__emit(
      lw, &(lcl_launch) { .label = label,
                          .source = { .file = "reduce.cl" },
                          .kernel = "argmax_fold",
                          LCL_ARGS(lcl__in(lw, node->in[0]), lcl__scratch_arg(lw, parts, LCL_READ),
                                   to, lcl__i32(s.dim[axis]), lcl__i32(inner), lcl__i32(splits),
                                   lcl__i32(n)),
                          .dims = 1,
                          .global = { (size_t)n } });
}

static const lcl_op op_argmax = { .name = "argmax",
                                  .attr_size = sizeof(lcl_axis_attr),
                                  .infer = infer_argmax,
                                  .lower = lower_argmax,
                                  .flags = LCL_OP_NO_GRAD };

lcl_tensor *lcl_argmax(lcl_tensor *x, int axis, bool keepdims) {
  LCL_NEED_TENSORS(x);
  if (axis < 0) axis += x->shape.rank;
  lcl_tensor *y = lcl__node_new(lcl_tensor_graph(x), &op_argmax, LCL_IN(x),
                                &(lcl_axis_attr) { axis }, 1);
  if (keepdims || lcl__graph_broken(lcl_tensor_graph(x))) return y;
  lcl_shape s = { 0 };
  for (int i = 0; i < y->shape.rank; i++)
    if (i != axis) s.dim[s.rank++] = y->shape.dim[i];
  return lcl_reshape(y, s);
}

/* ---- softmax ---- */

/* x minus its largest element: the shift cancels, so it has no gradient. */
static lcl_tensor *shifted(lcl_tensor *x, unsigned axes) {
  return lcl_sub(x, lcl_stop_gradient(lcl_max(x, axes, true)));
}

static unsigned softmax_axis(lcl_tensor *x, int axis) {
  if (axis < 0) axis += x->shape.rank;
  if (axis < 0 || axis >= x->shape.rank) {
    lcl__graph_error(lcl_tensor_graph(x), LCL_ERR_ARGUMENT, "softmax",
                     "axis %d does not exist in rank %d", axis, x->shape.rank);
    return 0;
  }
  return LCL_AXIS(axis);
}

lcl_tensor *lcl_log_softmax(lcl_tensor *x, int axis) {
  LCL_NEED_TENSORS(x);
  unsigned axes = softmax_axis(x, axis);
  lcl_tensor *s = shifted(x, axes);
  return lcl_sub(s, lcl_log(lcl_sum(lcl_exp(s), axes, true)));
}

lcl_tensor *lcl_softmax(lcl_tensor *x, int axis) {
  LCL_NEED_TENSORS(x);
  unsigned axes = softmax_axis(x, axis);
  lcl_tensor *e = lcl_exp(shifted(x, axes));
  return lcl_div(e, lcl_sum(e, axes, true));
}
