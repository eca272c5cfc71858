/* shape: reshape, transpose, slice, flip, broadcast and unskew are views (no launch of their own);
 * pad, concat and skew copy; gather and scatter_add move rows. Each has its adjoint in the family
 * (with sum for broadcast). */
#include "graph/graph.h"
#include "latentcl/ops.h"
#include "ops/fuse.h"
#include "ops/map.h"
#include "ops/attributes.h"

/* ---- views ---- */

static void set_out(lcl_node *node, lcl_shape shape) {
  node->out[0].shape = shape;
  node->out[0].dtype = node->in[0]->dtype;
}

static lcl_status infer_reshape(lcl_node *node) {
  lcl_shape s = ((const lcl_shape_attr *)node->attr)->shape;
  const int64_t have = lcl_shape_count(node->in[0]->shape);
  int open = 0;
  char a[96], b[96];
  while (open < s.rank && s.dim[open] != -1) open++;
  if (open < s.rank) {
    s.dim[open] = 1;
    const int64_t known = lcl_shape_count(s);
    s.dim[open] = known > 0 ? have / known : 0;
  }
  if (lcl_shape_count(s) != have)
    return lcl__fail(LCL_ERR_SHAPE, "%s has %lld elements, %s does not",
                     lcl_shape_string(node->in[0]->shape, a), (long long)have,
                     lcl_shape_string(((const lcl_shape_attr *)node->attr)->shape, b));
  set_out(node, s);
  return LCL_OK;
}

/* Splits or merges dimensions where the strides allow it: walks both shapes in blocks of equal
 * products. */
static bool view_reshape(const lcl_node *node, lcl_view *v) {
  lcl_shape from = node->in[0]->shape, to = node->out[0].shape;
  int64_t stride[LCL_MAX_RANK] = { 0 };
  if (lcl_shape_count(from) == 0) return false;
  int i = from.rank - 1, j = to.rank - 1;
  while (j >= 0) {
    while (i >= 0 && from.dim[i] == 1) i--;
    if (to.dim[j] == 1) {
      stride[j--] = 0;
      continue;
    }
    /* A block: from.dim[i0..i] against to.dim[j0..j] with the same product. */
    int64_t pf = from.dim[i], pt = to.dim[j];
    int i0 = i, j0 = j;
    while (pf != pt) {
      if (pf < pt) {
        i0--;
        if (from.dim[i0] == 1) continue;
        int inner = i0 + 1;
        while (from.dim[inner] == 1) inner++;
        if (v->stride[i0] != v->stride[inner] * from.dim[inner]) return false;
        pf *= from.dim[i0];
      } else {
        pt *= to.dim[--j0];
      }
    }
    int64_t s = v->stride[i];
    for (int k = j; k >= j0; k--) {
      stride[k] = s;
      s *= to.dim[k];
    }
    i = i0 - 1;
    j = j0 - 1;
  }
  memcpy(v->stride, stride, sizeof stride);
  return true;
}

static void grad_reshape(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  gin[0] = lcl_reshape(gout[0], node->in[0]->shape);
}

static const lcl_op op_reshape = { .name = "reshape",
                                   .attr_size = sizeof(lcl_shape_attr),
                                   .infer = infer_reshape,
                                   .grad = grad_reshape,
                                   .view = view_reshape };

lcl_tensor *lcl_reshape(lcl_tensor *x, lcl_shape shape) {
  LCL_NEED_TENSORS(x);
  lcl_shape_attr attr;
  if (lcl_shape_equal(x->shape, shape)) return x;
  memset(&attr, 0, sizeof attr);
  attr.shape.rank = shape.rank;
  if (shape.rank < 0 || shape.rank > LCL_MAX_RANK)
    return lcl__graph_error(lcl_tensor_graph(x), LCL_ERR_SHAPE, "reshape",
                            "rank %d is outside 0 to %d", shape.rank, LCL_MAX_RANK);
  for (int i = 0; i < shape.rank; i++) attr.shape.dim[i] = shape.dim[i];
  return lcl__node_new(lcl_tensor_graph(x), &op_reshape, LCL_IN(x), &attr, 1);
}

static lcl_status infer_transpose(lcl_node *node) {
  const lcl_perm_attr *a = node->attr;
  lcl_shape in = node->in[0]->shape, s = { .rank = in.rank };
  unsigned seen = 0;
  for (int i = 0; i < in.rank; i++) {
    if (a->perm[i] < 0 || a->perm[i] >= in.rank || (seen & LCL_AXIS(a->perm[i])))
      return lcl__fail(LCL_ERR_ARGUMENT, "perm must name each of the %d axes once", in.rank);
    seen |= LCL_AXIS(a->perm[i]);
    s.dim[i] = in.dim[a->perm[i]];
  }
  set_out(node, s);
  return LCL_OK;
}

static bool view_transpose(const lcl_node *node, lcl_view *v) {
  const lcl_perm_attr *a = node->attr;
  lcl_view old = *v;
  for (int i = 0; i < node->out[0].shape.rank; i++) v->stride[i] = old.stride[a->perm[i]];
  return true;
}

static void grad_transpose(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  const lcl_perm_attr *a = node->attr;
  int inverse[LCL_MAX_RANK] = { 0 };
  for (int i = 0; i < node->out[0].shape.rank; i++) inverse[a->perm[i]] = i;
  gin[0] = lcl_transpose(gout[0], inverse);
}

static const lcl_op op_transpose = { .name = "transpose",
                                     .attr_size = sizeof(lcl_perm_attr),
                                     .infer = infer_transpose,
                                     .grad = grad_transpose,
                                     .view = view_transpose };

lcl_tensor *lcl_transpose(lcl_tensor *x, const int *perm) {
  LCL_NEED_TENSORS(x);
  if (x->shape.rank && (!perm))
    return lcl__graph_error(x->node->graph, LCL_ERR_ARGUMENT, "transpose",
                            "the permutation is NULL");
  lcl_perm_attr attr;
  memset(&attr, 0, sizeof attr);
  for (int i = 0; i < x->shape.rank; i++) attr.perm[i] = perm[i];
  return lcl__node_new(lcl_tensor_graph(x), &op_transpose, LCL_IN(x), &attr, 1);
}

static lcl_status infer_slice(lcl_node *node) {
  const lcl_slice_attr *a = node->attr;
  lcl_shape s = node->in[0]->shape;
  for (int i = 0; i < s.rank; i++) {
    if (a->start[i] < 0 || a->stop[i] < a->start[i] || a->stop[i] > s.dim[i])
      return lcl__fail(LCL_ERR_SHAPE, "%lld:%lld is outside axis %d of size %lld",
                       (long long)a->start[i], (long long)a->stop[i], i, (long long)s.dim[i]);
    s.dim[i] = a->stop[i] - a->start[i];
  }
  set_out(node, s);
  return LCL_OK;
}

static bool view_slice(const lcl_node *node, lcl_view *v) {
  const lcl_slice_attr *a = node->attr;
  for (int i = 0; i < node->out[0].shape.rank; i++) v->offset += a->start[i] * v->stride[i];
  return true;
}

static void grad_slice(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  const lcl_slice_attr *a = node->attr;
  int64_t after[LCL_MAX_RANK] = { 0 };
  for (int i = 0; i < node->in[0]->shape.rank; i++)
    after[i] = node->in[0]->shape.dim[i] - a->stop[i];
  gin[0] = lcl_pad(gout[0], a->start, after);
}

static const lcl_op op_slice = { .name = "slice",
                                 .attr_size = sizeof(lcl_slice_attr),
                                 .infer = infer_slice,
                                 .grad = grad_slice,
                                 .view = view_slice };

lcl_tensor *lcl_slice(lcl_tensor *x, const int64_t *start, const int64_t *stop) {
  LCL_NEED_TENSORS(x);
  if (x->shape.rank && (!start || !stop))
    return lcl__graph_error(x->node->graph, LCL_ERR_ARGUMENT, "slice", "start or stop is NULL");
  lcl_slice_attr attr;
  bool whole = true;
  memset(&attr, 0, sizeof attr);
  for (int i = 0; i < x->shape.rank; i++) {
    attr.start[i] = start[i];
    attr.stop[i] = stop[i];
    whole &= start[i] == 0 && stop[i] == x->shape.dim[i];
  }
  return whole ? x : lcl__node_new(lcl_tensor_graph(x), &op_slice, LCL_IN(x), &attr, 1);
}

lcl_tensor *lcl_slice_axis(lcl_tensor *x, int axis, int64_t start, int64_t stop) {
  LCL_NEED_TENSORS(x);
  int64_t from[LCL_MAX_RANK] = { 0 }, to[LCL_MAX_RANK];
  if (axis < 0) axis += x->shape.rank;
  if (axis < 0 || axis >= x->shape.rank)
    return lcl__graph_error(lcl_tensor_graph(x), LCL_ERR_ARGUMENT, "slice",
                            "axis %d does not exist in rank %d", axis, x->shape.rank);
  memcpy(to, x->shape.dim, sizeof to);
  from[axis] = start;
  to[axis] = stop;
  return lcl_slice(x, from, to);
}

static lcl_status infer_same(lcl_node *node) {
  set_out(node, node->in[0]->shape);
  return LCL_OK;
}

static bool view_flip(const lcl_node *node, lcl_view *v) {
  const lcl_axes_attr *a = node->attr;
  lcl_shape s = node->out[0].shape;
  for (int i = 0; i < s.rank; i++) {
    if (!(a->axes & LCL_AXIS(i)) || s.dim[i] == 0) continue;
    v->offset += (s.dim[i] - 1) * v->stride[i];
    v->stride[i] = -v->stride[i];
  }
  return true;
}

static void grad_flip(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  gin[0] = lcl_flip(gout[0], ((const lcl_axes_attr *)node->attr)->axes);
}

static const lcl_op op_flip = { .name = "flip",
                                .attr_size = sizeof(lcl_axes_attr),
                                .infer = infer_same,
                                .grad = grad_flip,
                                .view = view_flip };

lcl_tensor *lcl_flip(lcl_tensor *x, unsigned axes) {
  LCL_NEED_TENSORS(x);
  lcl_axes_attr attr = { lcl__axes_of(x, axes, "flip") };
  return attr.axes ? lcl__node_new(lcl_tensor_graph(x), &op_flip, LCL_IN(x), &attr, 1) : x;
}

static lcl_status infer_broadcast(lcl_node *node) {
  lcl_shape to = ((const lcl_shape_attr *)node->attr)->shape, s;
  char a[96], b[96];
  if (!lcl__broadcast_shape(node->in[0]->shape, to, &s) || !lcl_shape_equal(s, to))
    return lcl__fail(LCL_ERR_SHAPE, "%s does not broadcast to %s",
                     lcl_shape_string(node->in[0]->shape, a), lcl_shape_string(to, b));
  set_out(node, to);
  return LCL_OK;
}

static bool view_broadcast(const lcl_node *node, lcl_view *v) {
  lcl_shape from = node->in[0]->shape, to = node->out[0].shape;
  int lead = to.rank - from.rank;
  lcl_view old = *v;
  for (int i = 0; i < to.rank; i++)
    v->stride[i] = i < lead || (from.dim[i - lead] == 1 && to.dim[i] != 1) ? 0
                                                                           : old.stride[i - lead];
  return true;
}

static void grad_broadcast(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  gin[0] = lcl__sum_to_shape(gout[0], node->in[0]->shape);
}

static const lcl_op op_broadcast = { .name = "broadcast",
                                     .attr_size = sizeof(lcl_shape_attr),
                                     .infer = infer_broadcast,
                                     .grad = grad_broadcast,
                                     .view = view_broadcast };

lcl_tensor *lcl_broadcast(lcl_tensor *x, lcl_shape shape) {
  LCL_NEED_TENSORS(x);
  lcl_shape_attr attr;
  if (lcl_shape_equal(x->shape, shape)) return x;
  memset(&attr, 0, sizeof attr);
  attr.shape.rank = LCL_MIN(LCL_MAX(shape.rank, 0), LCL_MAX_RANK);
  for (int i = 0; i < attr.shape.rank; i++) attr.shape.dim[i] = shape.dim[i];
  return lcl__node_new(lcl_tensor_graph(x), &op_broadcast, LCL_IN(x), &attr, 1);
}

/* Row i of the skewed map begins at column i: a row stride longer by one reads it straight. */
static lcl_status infer_unskew(lcl_node *node) {
  lcl_shape s = node->in[0]->shape;
  char a[96];
  if (s.rank != 4 || s.dim[3] < s.dim[2])
    return lcl__fail(LCL_ERR_SHAPE, "expects (N,C,H,W+H-1), got %s", lcl_shape_string(s, a));
  if (s.dim[2] > 0) s.dim[3] -= s.dim[2] - 1; /* as skew: no rows are not moved */
  set_out(node, s);
  return LCL_OK;
}

static bool view_unskew(const lcl_node *node, lcl_view *v) {
  (void)node;
  v->stride[2] += v->stride[3];
  return true;
}

static void grad_unskew(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  (void)node;
  gin[0] = lcl_skew(gout[0]);
}

static const lcl_op op_unskew = {
  .name = "unskew", .infer = infer_unskew, .grad = grad_unskew, .view = view_unskew
};

lcl_tensor *lcl_unskew(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl__node_new(lcl_tensor_graph(x), &op_unskew, LCL_IN(x), NULL, 1);
}

/* ---- copies into a part of the result ---- */

static lcl_status infer_pad(lcl_node *node) {
  const lcl_slice_attr *a = node->attr; /* start: before, stop: after */
  lcl_shape s = node->in[0]->shape;
  for (int i = 0; i < s.rank; i++) {
    if (a->start[i] < 0 || a->stop[i] < 0)
      return lcl__fail(LCL_ERR_ARGUMENT, "the padding of axis %d is below zero", i);
    if (__builtin_add_overflow(s.dim[i], a->start[i], &s.dim[i]) ||
        __builtin_add_overflow(s.dim[i], a->stop[i], &s.dim[i]))
      return lcl__fail(LCL_ERR_SHAPE, "the padding of axis %d is too large", i);
  }
  set_out(node, s);
  return LCL_OK;
}

static lcl_status fill_zero(lcl_lower *lw, lcl_tensor *t) {
  size_t bytes = (size_t)lcl_shape_count(t->shape) * lcl_dtype_size(t->dtype);
  return lcl__emit_fill(lw, lcl__out(lw, t), 0, bytes);
}

static lcl_status copy_pad(lcl_lower *lw, lcl_node *node) {
  const lcl_slice_attr *a = node->attr;
  lcl_view to = { 0 };
  LCL_TRY(fill_zero(lw, &node->out[0]));
  lcl__dense_strides(node->out[0].shape, to.stride);
  for (int i = 0; i < node->in[0]->shape.rank; i++) to.offset += a->start[i] * to.stride[i];
  return lcl__lower_copy(lw, "pad", node->in[0], &node->out[0], &to);
}

static void grad_pad(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  const lcl_slice_attr *a = node->attr;
  int64_t stop[LCL_MAX_RANK] = { 0 };
  for (int i = 0; i < node->in[0]->shape.rank; i++)
    stop[i] = a->start[i] + node->in[0]->shape.dim[i];
  gin[0] = lcl_slice(gout[0], a->start, stop);
}

static const lcl_op op_pad = { .name = "pad",
                               .attr_size = sizeof(lcl_slice_attr),
                               .infer = infer_pad,
                               .grad = grad_pad,
                               .fusion = LCL_FUSE_MAP,
                               .lower_group = lcl__lower_map_group,
                               .flags = LCL_OP_SHIFTED };

/* What generated kernels can't do: they have integers as floats, and read an element that exists.
 */
static const lcl_op op_pad_copy = { .name = "pad",
                                    .attr_size = sizeof(lcl_slice_attr),
                                    .infer = infer_pad,
                                    .grad = grad_pad,
                                    .lower = copy_pad };

lcl_tensor *lcl_pad(lcl_tensor *x, const int64_t *before, const int64_t *after) {
  LCL_NEED_TENSORS(x);
  if (x->shape.rank && (!before || !after))
    return lcl__graph_error(x->node->graph, LCL_ERR_ARGUMENT, "pad", "before or after is NULL");
  lcl_slice_attr attr;
  bool any = false;
  memset(&attr, 0, sizeof attr);
  for (int i = 0; i < x->shape.rank; i++) {
    attr.start[i] = before[i];
    attr.stop[i] = after[i];
    any |= before[i] || after[i];
  }
  const bool copied = x->dtype == LCL_I32 || lcl_shape_count(x->shape) == 0;
  return any ? lcl__node_new(lcl_tensor_graph(x), copied ? &op_pad_copy : &op_pad, LCL_IN(x), &attr,
                             1)
             : x;
}

static lcl_status infer_concat(lcl_node *node) {
  int axis = (int)((const lcl_axes_attr *)node->attr)->axes;
  lcl_shape s = node->in[0]->shape;
  char a[96], b[96];
  if (axis >= s.rank)
    return lcl__fail(LCL_ERR_ARGUMENT, "axis %d does not exist in rank %d", axis, s.rank);
  for (int i = 1; i < node->n_in; i++) {
    lcl_shape t = node->in[i]->shape, want = s;
    if (t.rank == s.rank) want.dim[axis] = t.dim[axis];
    if (node->in[i]->dtype != node->in[0]->dtype)
      return lcl__fail(LCL_ERR_TYPE, "inputs of one type are expected, got %s and %s",
                       lcl_dtype_name(node->in[0]->dtype), lcl_dtype_name(node->in[i]->dtype));
    if (!lcl_shape_equal(t, want))
      return lcl__fail(LCL_ERR_SHAPE, "%s and %s differ beside axis %d",
                       lcl_shape_string(node->in[0]->shape, a), lcl_shape_string(t, b), axis);
    s.dim[axis] += t.dim[axis];
  }
  set_out(node, s);
  return LCL_OK;
}

static lcl_status lower_concat(lcl_lower *lw, lcl_node *node) {
  int axis = (int)((const lcl_axes_attr *)node->attr)->axes;
  bool joined;
  LCL_TRY(lcl__lower_join(lw, node, axis, &joined));
  if (joined) return LCL_OK;
  lcl_view to = { 0 };
  lcl__dense_strides(node->out[0].shape, to.stride);
  for (int i = 0; i < node->n_in; i++) {
    LCL_TRY(lcl__lower_copy(lw, "concat", node->in[i], &node->out[0], &to));
    to.offset += node->in[i]->shape.dim[axis] * to.stride[axis];
  }
  return LCL_OK;
}

static void grad_concat(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  int axis = (int)((const lcl_axes_attr *)node->attr)->axes;
  int64_t at = 0;
  for (int i = 0; i < node->n_in; i++) {
    int64_t n = node->in[i]->shape.dim[axis];
    gin[i] = lcl_slice_axis(gout[0], axis, at, at + n);
    at += n;
  }
}

static const lcl_op op_concat = { .name = "concat",
                                  .attr_size = sizeof(lcl_axes_attr),
                                  .infer = infer_concat,
                                  .grad = grad_concat,
                                  .lower = lower_concat };

lcl_tensor *lcl_concat(lcl_tensor *const *xs, int n, int axis) {
  lcl_tensor *first = xs && n > 0 ? xs[0] : NULL;
  lcl_shape s = lcl_tensor_shape(first);
  if (axis < 0) axis += s.rank;
  if (!first || axis < 0 || axis >= s.rank)
    return lcl__graph_error(lcl_tensor_graph(first), LCL_ERR_ARGUMENT, "concat",
                            "needs tensors and an axis they have");
  return n == 1 ? first
                : lcl__node_new(lcl_tensor_graph(first), &op_concat, xs, n,
                                &(lcl_axes_attr) { (uint32_t)axis }, 1);
}

static lcl_status infer_skew(lcl_node *node) {
  lcl_shape s = node->in[0]->shape;
  char a[96];
  if (s.rank != 4)
    return lcl__fail(LCL_ERR_SHAPE, "expects (N,C,H,W), got %s", lcl_shape_string(s, a));
  if (s.dim[2] > 0) s.dim[3] += s.dim[2] - 1;
  set_out(node, s);
  return LCL_OK;
}

static lcl_status lower_skew(lcl_lower *lw, lcl_node *node) {
  lcl_view to = { 0 };
  LCL_TRY(fill_zero(lw, &node->out[0]));
  lcl__dense_strides(node->out[0].shape, to.stride);
  to.stride[2] += 1;
  return lcl__lower_copy(lw, "skew", node->in[0], &node->out[0], &to);
}

static void grad_skew(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  (void)node;
  gin[0] = lcl_unskew(gout[0]);
}

static const lcl_op op_skew = {
  .name = "skew", .infer = infer_skew, .grad = grad_skew, .lower = lower_skew
};

lcl_tensor *lcl_skew(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl__node_new(lcl_tensor_graph(x), &op_skew, LCL_IN(x), NULL, 1);
}

/* ---- rows by index ---- */

typedef struct rows_attr {
  int64_t rows;
} rows_attr;

static lcl_status infer_gather(lcl_node *node) {
  lcl_shape s = node->in[0]->shape, r = node->in[1]->shape;
  if (s.rank < 1 || r.rank != 1 || node->in[1]->dtype != LCL_I32)
    return lcl__fail(LCL_ERR_SHAPE, "expects x (R,...) and i32 or u8 rows (n)");
  s.dim[0] = r.dim[0];
  set_out(node, s);
  return LCL_OK;
}

static lcl_status lower_gather(lcl_lower *lw, lcl_node *node) {
  const lcl_shape to = node->out[0].shape;
  const int64_t width = to.dim[0] ? lcl_shape_count(to) / to.dim[0] : 0;
  char label[128], s[96];
  snprintf(label, sizeof label, "gather %s", lcl_shape_string(to, s));
  if (node->in[0]->dtype != LCL_F32) return lcl__fail(LCL_ERR_TYPE, "gather works on f32");
  return lcl__emit(
      lw, &(lcl_launch) { .label = label,
                          .source = { .file = "shape.cl" },
                          .kernel = "gather",
                          LCL_ARGS(lcl__in(lw, node->in[0]), lcl__in(lw, node->in[1]),
                                   lcl__out(lw, &node->out[0]), lcl__i32(node->in[0]->shape.dim[0]),
                                   lcl__i32(to.dim[0]), lcl__i32(width)),
                          .dims = 2,
                          .global = { lcl__row_lanes(lw, width), (size_t)to.dim[0] },
                          .bytes = 8.0 * (double)lcl_shape_count(to) });
}

static void grad_gather(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  gin[0] = lcl_scatter_add(gout[0], node->in[1], node->in[0]->shape.dim[0]);
}

static const lcl_op op_gather = {
  .name = "gather", .infer = infer_gather, .grad = grad_gather, .lower = lower_gather
};

lcl_tensor *lcl_gather(lcl_tensor *x, lcl_tensor *rows) {
  LCL_NEED_TENSORS(x, rows);
  return lcl__node_new(lcl_tensor_graph(x), &op_gather, LCL_IN(x, lcl__wide_index(rows)), NULL, 1);
}

static lcl_status infer_scatter(lcl_node *node) {
  LCL_TRY(infer_gather(node));
  if (node->in[0]->shape.dim[0] != node->in[1]->shape.dim[0])
    return lcl__fail(LCL_ERR_SHAPE, "expects one row index for each row of v");
  node->out[0].shape.dim[0] = ((const rows_attr *)node->attr)->rows;
  return LCL_OK;
}

/* Sums of at most 16384 rows each, then the sum of these: a work-item's loop stays short. */
static lcl_status lower_scatter(lcl_lower *lw, lcl_node *node) {
  const lcl_shape from = node->in[0]->shape, to = node->out[0].shape;
  const int64_t n = from.dim[0], count = lcl_shape_count(to), part = 16384;
  const int64_t splits = LCL_MAX((n + part - 1) / part, 1), width = count ? count / to.dim[0] : 0;
  const size_t room = (size_t)(splits * count) * sizeof(float);
  char label[128], s[96];
  snprintf(label, sizeof label, "scatter_add %s", lcl_shape_string(to, s));
  if (node->in[0]->dtype != LCL_F32) return lcl__fail(LCL_ERR_TYPE, "scatter_add works on f32");
  const lcl_arg y = lcl__out(lw, &node->out[0]);
  if (count == 0) return LCL_OK;
  const int lost = lcl__scratch(lw, room), sums = splits > 1 ? lcl__scratch(lw, room) : -1;
  LCL_TRY(lcl__emit(
      lw,
      &(lcl_launch) { .label = label,
                      .source = { .file = "shape.cl" },
                      .kernel = "scatter_add",
                      LCL_ARGS(lcl__in(lw, node->in[0]), lcl__in(lw, node->in[1]),
                               splits > 1 ? lcl__scratch_arg(lw, sums, LCL_WRITE) : y,
                               lcl__scratch_arg(lw, lost, LCL_WRITE), lcl__i32(n),
                               lcl__i32(to.dim[0]), lcl__i32(width), lcl__i32(part)),
                      .dims = 3,
                      .global = { lcl__row_lanes(lw, width), (size_t)to.dim[0], (size_t)splits },
                      .bytes = 4.0 * (double)(lcl_shape_count(from) + count) }));
  if (splits == 1) return LCL_OK;
  return lcl__sum_parts(lw, lcl__scratch_arg(lw, sums, LCL_READ), y, count, splits, 1);
}

static void grad_scatter(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  gin[0] = lcl_gather(gout[0], node->in[1]);
}

static const lcl_op op_scatter = { .name = "scatter_add",
                                   .attr_size = sizeof(rows_attr),
                                   .infer = infer_scatter,
                                   .grad = grad_scatter,
                                   .lower = lower_scatter };

lcl_tensor *lcl_scatter_add(lcl_tensor *v, lcl_tensor *rows, int64_t n_rows) {
  LCL_NEED_TENSORS(v, rows);
  return lcl__node_new(lcl_tensor_graph(v), &op_scatter, LCL_IN(v, lcl__wide_index(rows)),
                       &(rows_attr) { n_rows }, 1);
}

lcl_tensor *lcl_one_hot(lcl_tensor *index, int64_t depth) {
  LCL_NEED_TENSORS(index);
  lcl_graph *g = lcl_tensor_graph(index);
  char s[96];
  if (index->shape.rank != 1 || depth < 1 || depth > 1 << 24)
    return lcl__graph_error(g, LCL_ERR_SHAPE, "one_hot",
                            "expects indices (n) and a depth of 1 to 2^24, got %s and %lld",
                            lcl_shape_string(index->shape, s), (long long)depth);
  float *iota = lcl__alloc((size_t)depth * sizeof *iota);
  if (!iota) return lcl__graph_error(g, LCL_ERR_HOST_MEMORY, "one_hot", "out of memory");
  for (int64_t i = 0; i < depth; i++) iota[i] = (float)i;
  lcl_tensor *columns = lcl_const_data(g, LCL_F32, LCL_SHAPE(1, depth), iota);
  lcl__free(iota);
  return lcl_equal(columns, lcl_reshape(index, LCL_SHAPE(index->shape.dim[0], 1)));
}
