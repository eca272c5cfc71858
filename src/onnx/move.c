/* What moves elements: concatenation, parts, rows by index, padding, repeats, blocks. */
#include <math.h>

#include "onnx/internal.h"

lcl_status lcl__onnx_concat(onnx_node *n) {
  int64_t axis;
  int a;
  bool ints = true;
  lcl_shape s = n->in[0]->shape;
  LCL_TRY(lcl__onnx_int(n, "axis", 0, &axis));
  LCL_TRY(lcl__onnx_axis(n, axis, s.rank, &a));
  s.dim[a] = 0;
  for (int i = 0; i < n->n_in; i++) {
    if (!n->in[i]) return lcl__onnx_fail(n, LCL_ERR_FORMAT, "its input %d is missing", i);
    lcl_shape t = n->in[i]->shape, want = s;
    if (n->in[i]->type != n->in[0]->type)
      return lcl__onnx_fail(n, LCL_ERR_TYPE, "its inputs are of one type, got %s and %s",
                            lcl__onnx_type_name(n->in[0]->type),
                            lcl__onnx_type_name(n->in[i]->type));
    if (t.rank == s.rank) want.dim[a] = t.dim[a];
    if (!lcl_shape_equal(t, want))
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "its inputs differ beside axis %d", a);
    s.dim[a] += t.dim[a];
    ints &= n->in[i]->ints != NULL;
  }
  if (!ints) {
    lcl_tensor **xs = lcl__onnx_room(n, n->n_in, sizeof *xs);
    if (!xs) return LCL_ERR_HOST_MEMORY;
    for (int i = 0; i < n->n_in; i++) LCL_TRY(lcl__onnx_in_any(n, i, &xs[i]));
    return lcl__onnx_give(n, 0, lcl_concat(xs, n->n_in, a), n->in[0]->type);
  }
  int64_t *y = lcl__onnx_room(n, lcl_shape_count(s), sizeof *y), outer = 1, at = 0, inner = 1;
  if (!y) return LCL_ERR_HOST_MEMORY;
  for (int i = 0; i < a; i++) outer *= s.dim[i];
  for (int i = a + 1; i < s.rank; i++) inner *= s.dim[i];
  for (int64_t o = 0; o < outer; o++)
    for (int i = 0; i < n->n_in; i++) {
      const int64_t part = n->in[i]->shape.dim[a] * inner;
      if (part) memcpy(y + at, n->in[i]->ints + o * part, (size_t)part * sizeof *y);
      at += part;
    }
  return lcl__onnx_give_ints(n, 0, n->in[0]->type, s, y);
}

static lcl_status give_part(onnx_node *n, int i, int axis, int64_t start, int64_t count) {
  const onnx_value *v = n->in[0];
  lcl_tensor *x;
  if (v->ints) {
    int64_t stride[LCL_MAX_RANK];
    lcl_shape s = v->shape;
    lcl__onnx_strides(s, stride);
    s.dim[axis] = count;
    return lcl__onnx_give_view(n, i, v, s, stride, start * stride[axis]);
  }
  LCL_TRY(lcl__onnx_in_any(n, 0, &x));
  return lcl__onnx_give(n, i, lcl_slice_axis(x, axis, start, start + count), v->type);
}

/* Sizes: an attribute before operator set 13, then an input; else equal parts, of which from 18 on
 * the last may be smaller. */
lcl_status lcl__onnx_split(onnx_node *n) {
  enum { MOST = 4096 };
  int64_t axis, room[MOST], parts;
  const int64_t *sizes = room;
  int a, count = -1;
  LCL_TRY(lcl__onnx_int(n, "axis", 0, &axis));
  LCL_TRY(lcl__onnx_axis(n, axis, n->in[0]->shape.rank, &a));
  const int64_t size = n->in[0]->shape.dim[a];
  if (n->opset < 13)
    LCL_TRY(lcl__onnx_ints(n, "split", room, MOST, &count));
  else if (lcl__onnx_given(n, 1))
    LCL_TRY(lcl__onnx_known_ints(n, 1, "sizes", &sizes, &count));
  LCL_TRY(lcl__onnx_int(n, "num_outputs", n->n_out, &parts));
  if (parts != n->n_out || n->n_out > MOST || (count >= 0 && count != n->n_out))
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "%d parts have %d outputs",
                          count >= 0 ? count : (int)parts, n->n_out);
  if (count < 0) {
    const int64_t each = (size + parts - 1) / parts;
    if (n->opset < 18 && size % parts)
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%lld do not split into %lld equal parts",
                            (long long)size, (long long)parts);
    for (int64_t i = 0; i < parts; i++) room[i] = LCL_MAX(LCL_MIN(each, size - i * each), 0);
    sizes = room;
  }
  int64_t total = 0;
  for (int i = 0; i < n->n_out; i++) {
    if (sizes[i] < 0 || sizes[i] > size - total)
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "its parts are not those of %lld", (long long)size);
    total += sizes[i];
  }
  if (total != size)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "its parts have %lld of %lld", (long long)total,
                          (long long)size);
  for (int64_t i = 0, at = 0; i < n->n_out; at += sizes[i++])
    LCL_TRY(give_part(n, (int)i, a, at, sizes[i]));
  return LCL_OK;
}

/* ---- gather ---- */

static lcl_shape gathered_shape(lcl_shape x, lcl_shape index, int axis) {
  lcl_shape s = { .rank = x.rank - 1 + index.rank };
  int k = 0;
  for (int i = 0; i < axis; i++) s.dim[k++] = x.dim[i];
  for (int i = 0; i < index.rank; i++) s.dim[k++] = index.dim[i];
  for (int i = axis + 1; i < x.rank; i++) s.dim[k++] = x.dim[i];
  return s;
}

/* Indices that the file tells, counted from 0; NULL: they are not told. */
static lcl_status known_indices(onnx_node *n, int64_t size, int64_t **out) {
  const onnx_value *v = n->in[1];
  *out = NULL;
  if (!v->ints) return LCL_OK;
  const int64_t count = lcl_shape_count(v->shape);
  int64_t *y = lcl__onnx_room(n, count, sizeof *y);
  if (!y) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < count; i++) {
    y[i] = v->ints[i] < 0 ? v->ints[i] + size : v->ints[i];
    if (y[i] < 0 || y[i] >= size)
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "index %lld is outside axis of size %lld",
                            (long long)v->ints[i], (long long)size);
  }
  *out = y;
  return LCL_OK;
}

static lcl_status gather_host(onnx_node *n, int axis, const int64_t *index, lcl_shape to) {
  const onnx_value *v = n->in[0];
  const int64_t count = lcl_shape_count(n->in[1]->shape), size = v->shape.dim[axis];
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < axis; i++) outer *= v->shape.dim[i];
  for (int i = axis + 1; i < v->shape.rank; i++) inner *= v->shape.dim[i];
  int64_t *y = lcl__onnx_room(n, lcl_shape_count(to), sizeof *y);
  if (!y) return LCL_ERR_HOST_MEMORY;
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < count; i++)
      for (int64_t k = 0; k < inner; k++)
        y[(o * count + i) * inner + k] = v->ints[(o * size + index[i]) * inner + k];
  return lcl__onnx_give_ints(n, 0, v->type, to, y);
}

/* Indices below 0 count from the end. Those of a run that are outside give zeros, where ONNX has
 * no result. */
static lcl_status run_indices(onnx_node *n, int64_t size, lcl_tensor **out) {
  lcl_tensor *i;
  LCL_TRY(lcl__onnx_in_any(n, 1, &i));
  if (n->in[1]->type != ONNX_INT32 && n->in[1]->type != ONNX_INT64)
    return lcl__onnx_fail(n, LCL_ERR_TYPE, "its indices are of %s, not int32 or int64",
                          lcl__onnx_type_name(n->in[1]->type));
  if (size > 1 << 24)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "indices into %lld rows are not exact",
                          (long long)size);
  lcl_tensor *f = lcl_cast(i, LCL_F32),
             *wrapped = lcl_select(lcl_less(f, lcl_const(n->g, 0)), lcl_shift(f, (float)size), f);
  *out = lcl_cast(wrapped, LCL_I32);
  return LCL_OK;
}

lcl_status lcl__onnx_gather(onnx_node *n) {
  const onnx_value *v = n->in[0];
  const lcl_shape s = v->shape, is = n->in[1]->shape;
  int64_t axis, *index;
  int a, perm[LCL_MAX_RANK], back[LCL_MAX_RANK];
  lcl_tensor *x, *rows = NULL;
  LCL_TRY(lcl__onnx_int(n, "axis", 0, &axis));
  LCL_TRY(lcl__onnx_axis(n, axis, s.rank, &a));
  if (s.rank - 1 + is.rank > LCL_MAX_RANK)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "its result would have %d dimensions",
                          s.rank - 1 + is.rank);
  const lcl_shape to = gathered_shape(s, is, a);
  LCL_TRY(known_indices(n, s.dim[a], &index));
  if (v->ints && index) return gather_host(n, a, index, to);
  LCL_TRY(v->type == ONNX_BOOL ? lcl__onnx_in_any(n, 0, &x) : lcl__onnx_in(n, 0, &x));
  const int64_t count = lcl_shape_count(is);
  if (index && count == 1) { /* a view */
    x = lcl_slice_axis(x, a, index[0], index[0] + 1);
    return lcl__onnx_give(n, 0, lcl_reshape(x, to), v->type);
  }
  if (index) {
    int32_t *narrow = lcl__onnx_room(n, count, sizeof *narrow);
    if (!narrow) return LCL_ERR_HOST_MEMORY;
    for (int64_t i = 0; i < count; i++) narrow[i] = (int32_t)index[i];
    rows = lcl_const_data(n->g, LCL_I32, LCL_SHAPE(count), narrow);
  } else {
    LCL_TRY(run_indices(n, s.dim[a], &rows));
    rows = lcl_reshape(rows, LCL_SHAPE(count));
  }
  /* The axis comes first, and goes back to its place. */
  perm[0] = a;
  for (int i = 0, k = 1; i < s.rank; i++)
    if (i != a) perm[k++] = i;
  for (int i = 0; i < s.rank; i++) back[perm[i]] = i;
  lcl_tensor *y = lcl_gather(lcl_transpose(x, perm), rows);
  return lcl__onnx_give(n, 0, lcl_reshape(lcl_transpose(y, back), to), v->type);
}

/* ---- padding ---- */

/* One axis by a part of the tensor itself: mode edge, reflect or wrap. */
static lcl_status pad_axis(onnx_node *n, const char *mode, int axis, int64_t before, int64_t after,
                           lcl_tensor **x) {
  const int64_t size = lcl_tensor_shape(*x).dim[axis];
  const bool edge = strcmp(mode, "edge") == 0, reflect = strcmp(mode, "reflect") == 0;
  lcl_tensor *parts[3] = { NULL, *x, NULL };
  const int64_t width[2] = { before, after };
  if (before == 0 && after == 0) return LCL_OK;
  for (int k = 0; k < 2; k++) {
    if (width[k] == 0) continue;
    if ((edge && size < 1) || (reflect && width[k] > size - 1) || (!edge && width[k] > size))
      return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                            "%s padding of %lld around %lld is not supported", mode,
                            (long long)width[k], (long long)size);
    if (edge) {
      lcl_tensor *one = lcl_slice_axis(*x, axis, k ? size - 1 : 0, k ? size : 1);
      lcl_shape s = lcl_tensor_shape(one);
      s.dim[axis] = width[k];
      parts[2 * k] = lcl_broadcast(one, s);
    } else if (reflect) {
      const int64_t from = k ? size - 1 - width[k] : 1;
      parts[2 * k] = lcl_flip(lcl_slice_axis(*x, axis, from, from + width[k]), LCL_AXIS(axis));
    } else {
      const int64_t from = k ? 0 : size - width[k];
      parts[2 * k] = lcl_slice_axis(*x, axis, from, from + width[k]);
    }
  }
  lcl_tensor *list[3];
  int count = 0;
  for (int k = 0; k < 3; k++)
    if (parts[k]) list[count++] = parts[k];
  *x = lcl_concat(list, count, axis);
  return LCL_OK;
}

/* Pads of every axis, 2*rank numbers; below 0 they cut. */
static lcl_status read_pads(onnx_node *n, int rank, int64_t *before, int64_t *after) {
  int64_t room[2 * LCL_MAX_RANK], order[LCL_MAX_RANK];
  const int64_t *pads = room, *axes = order;
  int count = -1, n_axes = rank;
  unsigned seen;
  for (int i = 0; i < LCL_MAX_RANK; i++) order[i] = i, before[i] = after[i] = 0;
  if (n->opset < 11)
    LCL_TRY(lcl__onnx_ints(n, "pads", room, 2 * LCL_MAX_RANK, &count));
  else
    LCL_TRY(lcl__onnx_known_ints(n, 1, "pads", &pads, &count));
  if (lcl__onnx_given(n, 3)) LCL_TRY(lcl__onnx_known_ints(n, 3, "axes", &axes, &n_axes));
  if (n_axes > rank || count != 2 * n_axes)
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "%d pads are expected, got %d", 2 * n_axes, count);
  LCL_TRY(lcl__onnx_axes(n, axes, n_axes, rank, &seen));
  for (int i = 0; i < n_axes; i++) {
    int a;
    LCL_TRY(lcl__onnx_axis(n, axes[i], rank, &a));
    before[a] = pads[i];
    after[a] = pads[n_axes + i];
    if (pads[i] < -INT32_MAX || pads[i] > INT32_MAX || after[a] < -INT32_MAX ||
        after[a] > INT32_MAX)
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "a pad of %lld cannot be", (long long)pads[i]);
  }
  return LCL_OK;
}

lcl_status lcl__onnx_pad(onnx_node *n) {
  const lcl_shape s = n->in[0]->shape;
  int64_t before[LCL_MAX_RANK], after[LCL_MAX_RANK];
  const char *mode;
  float value = 0;
  double number = 0;
  lcl_tensor *x;
  LCL_TRY(lcl__onnx_text(n, "mode", "constant", &mode));
  if (n->opset < 11)
    LCL_TRY(lcl__onnx_float(n, "value", 0, &value));
  else if (lcl__onnx_given(n, 2))
    LCL_TRY(lcl__onnx_known_number(n, 2, "constant value", &number));
  if (n->opset >= 11) value = (float)number;
  LCL_TRY(read_pads(n, s.rank, before, after));
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  for (int i = 0; i < s.rank; i++) { /* what is cut goes first */
    const int64_t from = LCL_MAX(-before[i], 0), to = s.dim[i] - LCL_MAX(-after[i], 0);
    if (from > to) return lcl__onnx_fail(n, LCL_ERR_SHAPE, "the pads leave nothing of axis %d", i);
    x = lcl_slice_axis(x, i, from, to);
    before[i] = LCL_MAX(before[i], 0);
    after[i] = LCL_MAX(after[i], 0);
  }
  if (strcmp(mode, "constant") == 0) {
    lcl_tensor *inside = lcl_pad(x, before, after);
    if (value != 0) { /* a mask, since only zeros are put around */
      lcl_tensor *ones = lcl_broadcast(lcl_const(n->g, 1), lcl_tensor_shape(x)),
                 *mask = lcl_pad(
                     lcl_add(ones, lcl_broadcast(lcl_const(n->g, 0), lcl_tensor_shape(x))), before,
                     after);
      inside = lcl_select(mask, inside, lcl_const(n->g, value));
    }
    return lcl__onnx_give(n, 0, inside, ONNX_FLOAT);
  }
  if (strcmp(mode, "edge") != 0 && strcmp(mode, "reflect") != 0 && strcmp(mode, "wrap") != 0)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "mode \"%s\" is not supported", mode);
  for (int i = 0; i < s.rank; i++) LCL_TRY(pad_axis(n, mode, i, before[i], after[i], &x));
  return lcl__onnx_give(n, 0, x, ONNX_FLOAT);
}

/* ---- repeats and blocks ---- */

lcl_status lcl__onnx_tile(onnx_node *n) {
  const onnx_value *v = n->in[0];
  const int64_t *times;
  int count;
  lcl_tensor *x;
  LCL_TRY(lcl__onnx_known_ints(n, 1, "repeats", &times, &count));
  if (count != v->shape.rank)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%d repeats are expected, got %d", v->shape.rank,
                          count);
  LCL_TRY(lcl__onnx_in_any(n, 0, &x));
  for (int i = 0; i < count; i++) {
    if (times[i] < 0 || times[i] > 1 << 20)
      return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "%lld repeats are not supported",
                            (long long)times[i]);
    lcl_shape s = lcl_tensor_shape(x), wide = { .rank = 3 };
    int64_t outer = 1, inner = 1;
    for (int k = 0; k < i; k++) outer *= s.dim[k];
    for (int k = i; k < s.rank; k++) inner *= s.dim[k];
    wide = LCL_SHAPE(outer, times[i], inner);
    s.dim[i] *= times[i];
    x = lcl_reshape(lcl_broadcast(lcl_reshape(x, LCL_SHAPE(outer, 1, inner)), wide), s);
  }
  return lcl__onnx_give(n, 0, x, v->type);
}

static lcl_status block_of(onnx_node *n, int64_t *block, lcl_tensor **x, lcl_shape *s) {
  LCL_TRY(lcl__onnx_int(n, "blocksize", 0, block));
  LCL_TRY(lcl__onnx_in(n, 0, x));
  *s = lcl_tensor_shape(*x);
  if (s->rank != 4 || *block < 1 || *block > 1 << 15)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "it takes (N,C,H,W) and a positive blocksize");
  return LCL_OK;
}

lcl_status lcl__onnx_depth_to_space(onnx_node *n) {
  lcl_tensor *x;
  lcl_shape s;
  int64_t b;
  const char *mode;
  LCL_TRY(lcl__onnx_text(n, "mode", "DCR", &mode));
  LCL_TRY(block_of(n, &b, &x, &s));
  const int64_t c = s.dim[1] / (b * b);
  if (c * b * b != s.dim[1])
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%lld channels are no blocks of %lld",
                          (long long)s.dim[1], (long long)(b * b));
  const bool dcr = strcmp(mode, "DCR") == 0;
  if (!dcr && strcmp(mode, "CRD") != 0)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "mode \"%s\" is not supported", mode);
  x = dcr ? lcl_reshape(x, LCL_SHAPE(s.dim[0], b, b, c, s.dim[2], s.dim[3]))
          : lcl_reshape(x, LCL_SHAPE(s.dim[0], c, b, b, s.dim[2], s.dim[3]));
  x = dcr ? lcl_transpose(x, (int[]) { 0, 3, 4, 1, 5, 2 })
          : lcl_transpose(x, (int[]) { 0, 1, 4, 2, 5, 3 });
  return lcl__onnx_give(n, 0, lcl_reshape(x, LCL_SHAPE(s.dim[0], c, s.dim[2] * b, s.dim[3] * b)),
                        ONNX_FLOAT);
}

lcl_status lcl__onnx_space_to_depth(onnx_node *n) {
  lcl_tensor *x;
  lcl_shape s;
  int64_t b;
  LCL_TRY(block_of(n, &b, &x, &s));
  if (s.dim[2] % b || s.dim[3] % b)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%lldx%lld pixels are no blocks of %lld",
                          (long long)s.dim[2], (long long)s.dim[3], (long long)b);
  x = lcl_reshape(x, LCL_SHAPE(s.dim[0], s.dim[1], s.dim[2] / b, b, s.dim[3] / b, b));
  x = lcl_transpose(x, (int[]) { 0, 3, 5, 1, 2, 4 });
  return lcl__onnx_give(
      n, 0, lcl_reshape(x, LCL_SHAPE(s.dim[0], s.dim[1] * b * b, s.dim[2] / b, s.dim[3] / b)),
      ONNX_FLOAT);
}

/* Off and on values by index; -depth to -1 count from the end. */
lcl_status lcl__onnx_one_hot(onnx_node *n) {
  const lcl_shape s = n->in[0]->shape;
  int64_t axis;
  int a, perm[LCL_MAX_RANK];
  double depth;
  lcl_tensor *i, *values;
  LCL_TRY(lcl__onnx_int(n, "axis", -1, &axis));
  LCL_TRY(lcl__onnx_known_number(n, 1, "depth", &depth));
  if (s.rank + 1 > LCL_MAX_RANK || !(depth >= 1 && depth <= 1 << 24))
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "a depth of %g over rank %d is not supported",
                          depth, s.rank);
  LCL_TRY(lcl__onnx_axis(n, axis, s.rank + 1, &a));
  LCL_TRY(lcl__onnx_in_any(n, 0, &i));
  LCL_TRY(lcl__onnx_in(n, 2, &values));
  if (!lcl_shape_equal(lcl_tensor_shape(values), LCL_SHAPE(2)))
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "its values are two numbers, off and on");
  lcl_tensor *f = lcl_cast(i, LCL_F32), *zero = lcl_const(n->g, 0);
  f = lcl_select(lcl_less(f, zero), lcl_shift(f, (float)depth), f);
  lcl_tensor *hot = lcl_one_hot(lcl_cast(lcl_reshape(f, LCL_SHAPE(lcl_shape_count(s))), LCL_I32),
                                (int64_t)depth);
  hot = lcl_select(hot, lcl_slice_axis(values, 0, 1, 2), lcl_slice_axis(values, 0, 0, 1));
  lcl_shape last = s;
  last.dim[last.rank++] = (int64_t)depth;
  for (int k = 0, from = 0; k < last.rank; k++) perm[k] = k == a ? s.rank : from++;
  return lcl__onnx_give(n, 0, lcl_transpose(lcl_reshape(hot, last), perm), ONNX_FLOAT);
}

lcl_status lcl__onnx_trilu(onnx_node *n) {
  int64_t upper;
  double k = 0;
  lcl_tensor *x;
  LCL_TRY(lcl__onnx_int(n, "upper", 1, &upper));
  if (lcl__onnx_given(n, 1)) LCL_TRY(lcl__onnx_known_number(n, 1, "k", &k));
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  const lcl_shape s = lcl_tensor_shape(x);
  if (s.rank < 2) return lcl__onnx_fail(n, LCL_ERR_SHAPE, "it takes matrices");
  const int64_t h = s.dim[s.rank - 2], w = s.dim[s.rank - 1];
  if (h && w > (1 << 26) / h)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "a matrix of %lldx%lld is too large",
                          (long long)h, (long long)w);
  float *mask = lcl__onnx_room(n, h * w, sizeof *mask);
  if (!mask) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < h; i++)
    for (int64_t j = 0; j < w; j++)
      mask[i * w + j] = upper ? (double)(j - i) >= k : (double)(j - i) <= k;
  lcl_tensor *m = lcl_const_data(n->g, LCL_F32, LCL_SHAPE(h, w), mask);
  return lcl__onnx_give(n, 0, lcl_select(m, x, lcl_const(n->g, 0)), ONNX_FLOAT);
}

/* ---- nearest neighbours, whole factors ---- */

static lcl_status resize_factors(onnx_node *n, lcl_shape s, int64_t *factor) {
  const int at = n->code == OP_UPSAMPLE || n->opset < 11 ? 1 : 2;
  const onnx_value *scales = lcl__onnx_given(n, at) ? n->in[at] : NULL;
  if (scales && lcl_shape_count(scales->shape) == 0) scales = NULL;
  if (!scales && lcl__onnx_given(n, 3)) {
    const int64_t *sizes;
    int count;
    LCL_TRY(lcl__onnx_known_ints(n, 3, "sizes", &sizes, &count));
    if (count != s.rank)
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%d sizes are expected, got %d", s.rank, count);
    for (int i = 0; i < count; i++) {
      factor[i] = s.dim[i] ? sizes[i] / s.dim[i] : 0;
      if (factor[i] < 1 || factor[i] * s.dim[i] != sizes[i])
        return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "only whole factors are supported");
    }
    return LCL_OK;
  }
  if (!scales || !scales->floats)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "its factors must be numbers that the file tells");
  if (lcl_shape_count(scales->shape) != s.rank)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%d factors are expected", s.rank);
  for (int i = 0; i < s.rank; i++) {
    const float f = scales->floats[i];
    if (!(f >= 1 && f <= 1 << 20 && f == floorf(f)))
      return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "only whole factors are supported, not %g",
                            (double)f);
    factor[i] = (int64_t)f;
  }
  return LCL_OK;
}

/* What decides which pixel is nearest: for whole factors floor(i/f) is so in these modes. */
static lcl_status resize_mode(onnx_node *n) {
  const char *mode, *coordinates = "asymmetric", *nearest = "floor";
  LCL_TRY(lcl__onnx_text(n, "mode", "nearest", &mode));
  if (n->code == OP_RESIZE && n->opset >= 11) {
    float cubic; /* of another mode; PyTorch writes it whatever the mode */
    LCL_TRY(lcl__onnx_float(n, "cubic_coeff_a", -0.75f, &cubic));
    LCL_TRY(lcl__onnx_text(n, "coordinate_transformation_mode", "half_pixel", &coordinates));
    LCL_TRY(lcl__onnx_text(n, "nearest_mode", "round_prefer_floor", &nearest));
  }
  const bool half = strcmp(coordinates, "half_pixel") == 0 &&
                    strncmp(nearest, "round_prefer", 12) == 0,
             corner = strcmp(coordinates, "asymmetric") == 0 && strcmp(nearest, "floor") == 0;
  if (strcmp(mode, "nearest") == 0 && (half || corner)) return LCL_OK;
  return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                        "mode \"%s\" with \"%s\" and \"%s\" is not supported", mode, coordinates,
                        nearest);
}

lcl_status lcl__onnx_resize(onnx_node *n) {
  int64_t factor[LCL_MAX_RANK];
  lcl_tensor *x;
  LCL_TRY(resize_mode(n));
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  LCL_TRY(resize_factors(n, lcl_tensor_shape(x), factor));
  for (int i = 0; i < n->in[0]->shape.rank; i++) {
    lcl_shape s = lcl_tensor_shape(x);
    int64_t outer = 1, inner = 1;
    if (factor[i] == 1) continue;
    for (int k = 0; k <= i; k++) outer *= s.dim[k];
    for (int k = i + 1; k < s.rank; k++) inner *= s.dim[k];
    s.dim[i] *= factor[i];
    x = lcl_reshape(lcl_broadcast(lcl_reshape(x, LCL_SHAPE(outer, 1, inner)),
                                  LCL_SHAPE(outer, factor[i], inner)),
                    s);
  }
  return lcl__onnx_give(n, 0, x, ONNX_FLOAT);
}
