/* Values that are known, and shapes: what only re-indexes one input. Of values that the file tells
 * the result is told too, so that shapes computed by nodes are numbers by the time they are needed.
 */
#include <math.h>

#include "onnx/internal.h"

/* ---- constants ---- */

lcl_status lcl__onnx_identity(onnx_node *n) {
  return lcl__onnx_pass(n, 0, 0);
}

static lcl_status give_decoded(onnx_node *n, const onnx_value *v, lcl_shape shape) {
  const int64_t none[LCL_MAX_RANK] = { 0 };
  if (lcl_shape_equal(v->shape, shape)) {
    int64_t stride[LCL_MAX_RANK];
    lcl__onnx_strides(shape, stride);
    return lcl__onnx_give_view(n, 0, v, shape, stride, 0);
  }
  return lcl__onnx_give_view(n, 0, v, shape, none, 0);
}

static lcl_status constant_numbers(onnx_node *n) {
  enum { MOST = 1 << 16 };
  const bool floats = lcl__onnx_has(n, "value_floats") || lcl__onnx_has(n, "value_float");
  int64_t *ints = lcl__onnx_room(n, MOST, sizeof *ints);
  int count;
  if (!ints) return LCL_ERR_HOST_MEMORY;
  if (floats) {
    float *one = lcl__onnx_room(n, 1, sizeof *one);
    if (!one) return LCL_ERR_HOST_MEMORY;
    if (lcl__onnx_has(n, "value_floats"))
      return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "attribute \"value_floats\" is not supported");
    LCL_TRY(lcl__onnx_float(n, "value_float", 0, one));
    return lcl__onnx_give_floats(n, 0, LCL_SCALAR, one);
  }
  if (lcl__onnx_has(n, "value_int")) {
    LCL_TRY(lcl__onnx_int(n, "value_int", 0, ints));
    return lcl__onnx_give_ints(n, 0, ONNX_INT64, LCL_SCALAR, ints);
  }
  LCL_TRY(lcl__onnx_ints(n, "value_ints", ints, MOST, &count));
  if (count < 0)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "it has no value of a supported kind");
  return lcl__onnx_give_ints(n, 0, ONNX_INT64, LCL_SHAPE(count), ints);
}

lcl_status lcl__onnx_constant(onnx_node *n) {
  onnx_value v;
  bool there;
  if (n->proto->n_attribute != 1)
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "exactly one attribute is expected, its value");
  LCL_TRY(lcl__onnx_value_attribute(n, "value", &v, &there));
  return there ? give_decoded(n, &v, v.shape) : constant_numbers(n);
}

static lcl_status known_shape(onnx_node *n, int i, lcl_shape *out) {
  const int64_t *dims;
  int count;
  int64_t total = 1;
  LCL_TRY(lcl__onnx_known_ints(n, i, "shape", &dims, &count));
  if (count > LCL_MAX_RANK)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "%d dimensions are wanted, at most %d are "
                          "possible",
                          count, LCL_MAX_RANK);
  *out = (lcl_shape) { .rank = count };
  for (int d = 0; d < count; d++) {
    out->dim[d] = dims[d];
    if (dims[d] < 0 || __builtin_mul_overflow(total, dims[d], &total) || total > INT64_C(1) << 31)
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "a dimension of %lld cannot be", (long long)dims[d]);
  }
  return LCL_OK;
}

lcl_status lcl__onnx_constant_of_shape(onnx_node *n) {
  static const float zero;
  onnx_value v = { .type = ONNX_FLOAT, .floats = &zero };
  lcl_shape shape;
  bool there;
  LCL_TRY(known_shape(n, 0, &shape));
  LCL_TRY(lcl__onnx_value_attribute(n, "value", &v, &there));
  if (lcl_shape_count(v.shape) != 1)
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "its value must be one number");
  if (v.floats && v.type == ONNX_FLOAT && lcl_shape_count(shape) > 1 << 16)
    return lcl__onnx_give(n, 0, lcl_broadcast(lcl_const(n->g, v.floats[0]), shape), ONNX_FLOAT);
  return give_decoded(n, &v, shape);
}

lcl_status lcl__onnx_shape_of(onnx_node *n) {
  const lcl_shape s = n->in[0]->shape;
  int64_t *y = lcl__onnx_room(n, s.rank + 1, sizeof *y), start = 0, end = s.rank;
  if (!y) return LCL_ERR_HOST_MEMORY;
  if (n->code == OP_SIZE) {
    y[0] = lcl_shape_count(s);
    return lcl__onnx_give_ints(n, 0, ONNX_INT64, LCL_SCALAR, y);
  }
  if (n->opset >= 15) {
    LCL_TRY(lcl__onnx_int(n, "start", 0, &start));
    LCL_TRY(lcl__onnx_int(n, "end", s.rank, &end));
  }
  start = LCL_MIN(LCL_MAX(start < 0 ? start + s.rank : start, 0), s.rank);
  end = LCL_MIN(LCL_MAX(end < 0 ? end + s.rank : end, start), s.rank);
  for (int64_t i = start; i < end; i++) y[i - start] = s.dim[i];
  return lcl__onnx_give_ints(n, 0, ONNX_INT64, LCL_SHAPE(end - start), y);
}

lcl_status lcl__onnx_range(onnx_node *n) {
  double start, limit, step;
  int64_t stash;
  LCL_TRY(lcl__onnx_int(n, "stash_type", 1, &stash));
  LCL_TRY(lcl__onnx_known_number(n, 0, "start", &start));
  LCL_TRY(lcl__onnx_known_number(n, 1, "limit", &limit));
  LCL_TRY(lcl__onnx_known_number(n, 2, "step", &step));
  const double count = ceil((limit - start) / step);
  if (step == 0 || !(count < 1 << 24))
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "%g to %g by %g is too long", start, limit, step);
  const int64_t m = count > 0 ? (int64_t)count : 0;
  if (n->in[0]->type == ONNX_FLOAT) {
    float *y = lcl__onnx_room(n, m, sizeof *y);
    if (!y) return LCL_ERR_HOST_MEMORY;
    for (int64_t i = 0; i < m; i++) y[i] = (float)(start + (double)i * step);
    return lcl__onnx_give_floats(n, 0, LCL_SHAPE(m), y);
  }
  if (!n->in[0]->ints || !n->in[1]->ints || !n->in[2]->ints || fabs(start) > 9e15 ||
      fabs(limit) > 9e15 || fabs(step) > 9e15)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "it is supported of float32 and whole numbers");
  int64_t *y = lcl__onnx_room(n, m, sizeof *y);
  if (!y) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < m; i++) y[i] = n->in[0]->ints[0] + i * n->in[2]->ints[0];
  return lcl__onnx_give_ints(n, 0, n->in[0]->type, LCL_SHAPE(m), y);
}

/* ---- the same elements in another shape ---- */

static lcl_status give_reshaped(onnx_node *n, lcl_shape shape) {
  const onnx_value *v = n->in[0];
  lcl_tensor *x;
  char a[96], b[96];
  if (lcl_shape_count(shape) != lcl_shape_count(v->shape))
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%s does not have as many elements as %s",
                          lcl_shape_string(v->shape, a), lcl_shape_string(shape, b));
  if (lcl__onnx_known(v) && !v->t && !(v->weight && v->type == ONNX_FLOAT)) {
    int64_t stride[LCL_MAX_RANK];
    lcl__onnx_strides(shape, stride);
    return lcl__onnx_give_view(n, 0, v, shape, stride, 0);
  }
  LCL_TRY(lcl__onnx_in_any(n, 0, &x));
  return lcl__onnx_give(n, 0, lcl_reshape(x, shape), v->type);
}

lcl_status lcl__onnx_reshape(onnx_node *n) {
  const lcl_shape from = n->in[0]->shape;
  const int64_t *dims;
  int64_t allow_zero = 0, known = 1;
  int count, open = -1;
  char text[96];
  if (n->opset >= 14) LCL_TRY(lcl__onnx_int(n, "allowzero", 0, &allow_zero));
  LCL_TRY(lcl__onnx_known_ints(n, 1, "shape", &dims, &count));
  if (count > LCL_MAX_RANK)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "%d dimensions are wanted, at most %d are "
                          "possible",
                          count, LCL_MAX_RANK);
  lcl_shape to = { .rank = count };
  for (int i = 0; i < count; i++) {
    int64_t d = dims[i];
    if (d == 0 && !allow_zero) {
      if (i >= from.rank)
        return lcl__onnx_fail(n, LCL_ERR_SHAPE, "dimension %d is to be kept, %s has none", i,
                              lcl_shape_string(from, text));
      d = from.dim[i];
    }
    if (d < -1 || (d == -1 && open >= 0) || d > INT32_MAX)
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "dimension %d cannot be %lld", i, (long long)d);
    if (d == -1)
      open = i;
    else if (__builtin_mul_overflow(known, d, &known))
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "the shape is too large");
    to.dim[i] = d;
  }
  if (open >= 0) {
    if (known == 0 || lcl_shape_count(from) % known)
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%s has no number of elements for dimension %d",
                            lcl_shape_string(from, text), open);
    to.dim[open] = lcl_shape_count(from) / known;
  }
  return give_reshaped(n, to);
}

lcl_status lcl__onnx_flatten(onnx_node *n) {
  const lcl_shape s = n->in[0]->shape;
  int64_t axis, rows = 1, columns = 1;
  LCL_TRY(lcl__onnx_int(n, "axis", 1, &axis));
  const int64_t a = axis < 0 ? axis + s.rank : axis;
  if (a < 0 || a > s.rank)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "axis %lld does not exist in rank %d", (long long)axis,
                          s.rank);
  for (int i = 0; i < s.rank; i++) *(i < a ? &rows : &columns) *= s.dim[i];
  return give_reshaped(n, LCL_SHAPE(rows, columns));
}

/* Axes: an attribute before operator set 13, then an input. count -1: not given. */
static lcl_status read_axes(onnx_node *n, int64_t *room, const int64_t **axes, int *count) {
  *axes = room;
  *count = -1;
  if (n->opset < 13) return lcl__onnx_ints(n, "axes", room, LCL_MAX_RANK, count);
  return lcl__onnx_given(n, 1) ? lcl__onnx_known_ints(n, 1, "axes", axes, count) : LCL_OK;
}

lcl_status lcl__onnx_squeeze(onnx_node *n) {
  const lcl_shape s = n->in[0]->shape;
  int64_t room[LCL_MAX_RANK];
  const int64_t *list;
  int count;
  unsigned axes = 0;
  LCL_TRY(read_axes(n, room, &list, &count));
  if (count >= 0) LCL_TRY(lcl__onnx_axes(n, list, count, s.rank, &axes));
  lcl_shape to = { 0 };
  for (int i = 0; i < s.rank; i++) {
    const bool goes = count >= 0 ? (axes & LCL_AXIS(i)) != 0 : s.dim[i] == 1;
    if (goes && s.dim[i] != 1)
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "axis %d has size %lld, not 1", i,
                            (long long)s.dim[i]);
    if (!goes) to.dim[to.rank++] = s.dim[i];
  }
  return give_reshaped(n, to);
}

lcl_status lcl__onnx_unsqueeze(onnx_node *n) {
  const lcl_shape s = n->in[0]->shape;
  int64_t room[LCL_MAX_RANK];
  const int64_t *list;
  int count;
  unsigned axes = 0;
  LCL_TRY(read_axes(n, room, &list, &count));
  if (count < 0) return lcl__onnx_fail(n, LCL_ERR_FORMAT, "its axes are missing");
  if (s.rank + count > LCL_MAX_RANK)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "%d dimensions are wanted, at most %d are "
                          "possible",
                          s.rank + count, LCL_MAX_RANK);
  LCL_TRY(lcl__onnx_axes(n, list, count, s.rank + count, &axes));
  lcl_shape to = { .rank = s.rank + count };
  for (int i = 0, k = 0; i < to.rank; i++) to.dim[i] = axes & LCL_AXIS(i) ? 1 : s.dim[k++];
  return give_reshaped(n, to);
}

/* ---- by strides ---- */

lcl_status lcl__onnx_transpose(onnx_node *n) {
  const onnx_value *v = n->in[0];
  const lcl_shape s = v->shape;
  int64_t list[LCL_MAX_RANK], old[LCL_MAX_RANK], stride[LCL_MAX_RANK];
  int perm[LCL_MAX_RANK] = { 0 }, count;
  unsigned seen;
  lcl_tensor *x;
  LCL_TRY(lcl__onnx_ints(n, "perm", list, LCL_MAX_RANK, &count));
  if (count >= 0 && count != s.rank)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "perm has %d axes, its input %d", count, s.rank);
  for (int i = 0; i < s.rank; i++)
    if (count < 0) list[i] = s.rank - 1 - i;
  LCL_TRY(lcl__onnx_axes(n, list, s.rank, s.rank, &seen));
  lcl_shape to = { .rank = s.rank };
  lcl__onnx_strides(s, old);
  for (int i = 0; i < s.rank; i++) {
    LCL_TRY(lcl__onnx_axis(n, list[i], s.rank, &perm[i]));
    to.dim[i] = s.dim[perm[i]];
    stride[i] = old[perm[i]];
  }
  if (v->ints) return lcl__onnx_give_view(n, 0, v, to, stride, 0);
  LCL_TRY(lcl__onnx_in_any(n, 0, &x));
  return lcl__onnx_give(n, 0, lcl_transpose(x, perm), v->type);
}

lcl_status lcl__onnx_expand(onnx_node *n) {
  const onnx_value *v = n->in[0];
  lcl_shape want, to;
  char a[96], b[96];
  lcl_tensor *x;
  LCL_TRY(known_shape(n, 1, &want));
  to = (lcl_shape) { .rank = LCL_MAX(want.rank, v->shape.rank) };
  int64_t stride[LCL_MAX_RANK] = { 0 }, old[LCL_MAX_RANK];
  lcl__onnx_strides(v->shape, old);
  for (int i = 1; i <= to.rank; i++) { /* from the last on; either may be 1 */
    const int64_t have = i <= v->shape.rank ? v->shape.dim[v->shape.rank - i] : 1,
                  size = i <= want.rank ? want.dim[want.rank - i] : 1;
    if (have != size && have != 1 && size != 1)
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%s does not broadcast to %s",
                            lcl_shape_string(v->shape, a), lcl_shape_string(want, b));
    to.dim[to.rank - i] = have == 1 ? size : have;
    if (have != 1) stride[to.rank - i] = old[v->shape.rank - i];
  }
  if (v->ints) return lcl__onnx_give_view(n, 0, v, to, stride, 0);
  LCL_TRY(lcl__onnx_in_any(n, 0, &x));
  return lcl__onnx_give(n, 0, lcl_broadcast(x, to), v->type);
}

/* Where a slice of an axis begins, how many elements it has and how far they are apart. */
typedef struct slice_axis {
  int64_t start, count, step;
} slice_axis;

static lcl_status slice_of(onnx_node *n, int64_t size, int64_t start, int64_t end, int64_t step,
                           slice_axis *out) {
  if (step == 0 || step < -INT32_MAX || step > INT32_MAX)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "a step of %lld cannot be", (long long)step);
  if (start < 0) start += size;
  if (end < 0) end = end < -size ? -1 : end + size;
  const int64_t most = step < 0 ? size - 1 : size;
  start = LCL_MIN(LCL_MAX(start, 0), most);
  end = LCL_MIN(LCL_MAX(end, step < 0 ? -1 : 0), most);
  const int64_t span = step < 0 ? start - end : end - start, by = step < 0 ? -step : step;
  *out = (slice_axis) { start, span > 0 && size > 0 ? (span + by - 1) / by : 0, step };
  return LCL_OK;
}

/* Every step-th element of an axis: rows of `step` elements, of which the first is kept. */
static lcl_tensor *every(lcl_tensor *x, int axis, int64_t step) {
  lcl_shape s = lcl_tensor_shape(x);
  const int64_t count = (s.dim[axis] + step - 1) / step;
  int64_t before[LCL_MAX_RANK] = { 0 }, after[LCL_MAX_RANK] = { 0 };
  int64_t outer = 1, inner = 1;
  after[axis] = count * step - s.dim[axis];
  for (int i = 0; i < axis; i++) outer *= s.dim[i];
  for (int i = axis + 1; i < s.rank; i++) inner *= s.dim[i];
  lcl_tensor *rows = lcl_reshape(lcl_pad(x, before, after), LCL_SHAPE(outer, count, step, inner));
  s.dim[axis] = count;
  return lcl_reshape(lcl_slice_axis(rows, 2, 0, 1), s);
}

static lcl_status slice_graph(onnx_node *n, const slice_axis *a) {
  lcl_tensor *x;
  LCL_TRY(lcl__onnx_in_any(n, 0, &x));
  for (int i = 0; i < n->in[0]->shape.rank; i++) {
    const int64_t by = a[i].step < 0 ? -a[i].step : a[i].step;
    const int64_t first = a[i].step < 0 ? a[i].start - (a[i].count - 1) * by : a[i].start;
    if (a[i].count == 0) {
      x = lcl_slice_axis(x, i, 0, 0);
      continue;
    }
    x = lcl_slice_axis(x, i, first, first + (a[i].count - 1) * by + 1);
    if (by > 1 && a[i].count > 1) x = every(x, i, by);
    if (a[i].step < 0) x = lcl_flip(x, LCL_AXIS(i));
  }
  return lcl__onnx_give(n, 0, x, n->in[0]->type);
}

static lcl_status slice_by(onnx_node *n, const int64_t *starts, const int64_t *ends,
                           const int64_t *axes, const int64_t *steps, int count) {
  const onnx_value *v = n->in[0];
  slice_axis a[LCL_MAX_RANK];
  unsigned seen;
  LCL_TRY(lcl__onnx_axes(n, axes, count, v->shape.rank, &seen));
  for (int i = 0; i < v->shape.rank; i++) a[i] = (slice_axis) { 0, v->shape.dim[i], 1 };
  for (int i = 0; i < count; i++) {
    int axis = 0;
    LCL_TRY(lcl__onnx_axis(n, axes[i], v->shape.rank, &axis));
    LCL_TRY(slice_of(n, v->shape.dim[axis], starts[i], ends[i], steps[i], &a[axis]));
  }
  if (!v->ints) return slice_graph(n, a);
  int64_t stride[LCL_MAX_RANK], offset = 0;
  lcl_shape to = v->shape;
  lcl__onnx_strides(v->shape, stride);
  for (int i = 0; i < to.rank; i++) {
    offset += a[i].start * stride[i];
    stride[i] *= a[i].step;
    to.dim[i] = a[i].count;
  }
  return lcl__onnx_give_view(n, 0, v, to, stride, offset);
}

/* Attributes before operator set 10, then inputs. */
lcl_status lcl__onnx_slice(onnx_node *n) {
  int64_t room[3][LCL_MAX_RANK], ones[LCL_MAX_RANK], order[LCL_MAX_RANK];
  const int64_t *list[4] = { room[0], room[1], order, ones };
  static const char *const names[] = { "starts", "ends", "axes", "steps" };
  int count[4] = { -1, -1, -1, -1 };
  for (int i = 0; i < LCL_MAX_RANK; i++) ones[i] = 1, order[i] = i;
  for (int i = 0; i < 4; i++) {
    if (n->opset >= 10) {
      if (lcl__onnx_given(n, i + 1))
        LCL_TRY(lcl__onnx_known_ints(n, i + 1, names[i], &list[i], &count[i]));
    } else if (i < 3) {
      LCL_TRY(lcl__onnx_ints(n, names[i], room[i], LCL_MAX_RANK, &count[i]));
      if (count[i] >= 0) list[i] = room[i];
    }
  }
  const int m = count[0];
  if (m < 0 || m > n->in[0]->shape.rank || count[1] != m || (count[2] >= 0 && count[2] != m) ||
      (count[3] >= 0 && count[3] != m))
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "starts, ends, axes and steps differ in length");
  return slice_by(n, list[0], list[1], list[2], list[3], m);
}
