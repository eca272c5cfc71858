/* Matrix products and convolutions. ONNX lays images and filters out as the graph does: N,C,H,W and
 * O,I,KH,KW; sounds (N,C,W) are images of one row. */
#include "onnx/internal.h"

/* ---- products ---- */

/* Leading axes of both, broadcast to one another; the last two stay. */
static lcl_status batch_of(onnx_node *n, lcl_shape a, lcl_shape b, lcl_shape *out) {
  char sa[96], sb[96];
  *out = (lcl_shape) { .rank = LCL_MAX(a.rank, b.rank) - 2 };
  for (int i = 1; i <= out->rank; i++) {
    const int64_t da = i <= a.rank - 2 ? a.dim[a.rank - 2 - i] : 1,
                  db = i <= b.rank - 2 ? b.dim[b.rank - 2 - i] : 1;
    if (da != db && da != 1 && db != 1)
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%s and %s do not broadcast", lcl_shape_string(a, sa),
                            lcl_shape_string(b, sb));
    out->dim[out->rank - i] = da == 1 ? db : da;
  }
  return LCL_OK;
}

static lcl_tensor *with_batch(lcl_tensor *x, lcl_shape batch) {
  const lcl_shape s = lcl_tensor_shape(x);
  lcl_shape to = batch;
  to.dim[to.rank++] = s.dim[s.rank - 2];
  to.dim[to.rank++] = s.dim[s.rank - 1];
  return lcl_broadcast(x, to);
}

lcl_status lcl__onnx_matmul(onnx_node *n) {
  lcl_tensor *a, *b;
  lcl_shape batch;
  char sa[96], sb[96];
  LCL_TRY(lcl__onnx_in(n, 0, &a));
  LCL_TRY(lcl__onnx_in(n, 1, &b));
  lcl_shape s = lcl_tensor_shape(a), t = lcl_tensor_shape(b);
  if (s.rank == 0 || t.rank == 0)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "it takes vectors and matrices, not single numbers");
  const bool row = s.rank == 1, column = t.rank == 1; /* their axis goes again */
  if (row) a = lcl_reshape(a, LCL_SHAPE(1, s.dim[0]));
  if (column) b = lcl_reshape(b, LCL_SHAPE(t.dim[0], 1));
  s = lcl_tensor_shape(a);
  t = lcl_tensor_shape(b);
  if (s.dim[s.rank - 1] != t.dim[t.rank - 2])
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "%s and %s do not multiply", lcl_shape_string(s, sa),
                          lcl_shape_string(t, sb));
  LCL_TRY(batch_of(n, s, t, &batch));
  if (batch.rank + 2 > LCL_MAX_RANK)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "at most %d dimensions are possible",
                          LCL_MAX_RANK);
  if (t.rank > 2) { /* b without leading axes is one product */
    a = with_batch(a, batch);
    b = with_batch(b, batch);
  }
  lcl_tensor *y = lcl_matmul(a, b, false, false);
  lcl_shape out = lcl_tensor_shape(y), to = { 0 };
  for (int i = 0; i < out.rank; i++)
    if (!(row && i == out.rank - 2) && !(column && i == out.rank - 1))
      to.dim[to.rank++] = out.dim[i];
  return lcl__onnx_give(n, 0, row || column ? lcl_reshape(y, to) : y, ONNX_FLOAT);
}

lcl_status lcl__onnx_gemm(onnx_node *n) {
  lcl_tensor *a, *b, *c;
  int64_t ta, tb;
  float alpha, beta;
  LCL_TRY(lcl__onnx_int(n, "transA", 0, &ta));
  LCL_TRY(lcl__onnx_int(n, "transB", 0, &tb));
  LCL_TRY(lcl__onnx_float(n, "alpha", 1, &alpha));
  LCL_TRY(lcl__onnx_float(n, "beta", 1, &beta));
  LCL_TRY(lcl__onnx_in(n, 0, &a));
  LCL_TRY(lcl__onnx_in(n, 1, &b));
  if (lcl_tensor_shape(a).rank != 2 || lcl_tensor_shape(b).rank != 2)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "it takes matrices");
  lcl_tensor *y = lcl_scale(lcl_matmul(a, b, ta != 0, tb != 0), alpha);
  if (lcl__onnx_given(n, 2) && beta != 0) {
    LCL_TRY(lcl__onnx_in(n, 2, &c));
    lcl_tensor *sum = lcl_add(y, lcl_scale(c, beta));
    if (lcl_graph_status(n->g) == LCL_OK &&
        !lcl_shape_equal(lcl_tensor_shape(sum), lcl_tensor_shape(y)))
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "its third input has more elements than the product");
    y = sum;
  }
  return lcl__onnx_give(n, 0, y, ONNX_FLOAT);
}

/* ---- windows ---- */

lcl_status lcl__onnx_as_images(onnx_node *n, lcl_tensor *x, lcl_tensor **out, int *axes) {
  const lcl_shape s = lcl_tensor_shape(x);
  if (s.rank != 3 && s.rank != 4)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "(N,C,W) and (N,C,H,W) are supported, not %d dimensions", s.rank);
  *axes = s.rank - 2;
  *out = s.rank == 4 ? x : lcl_reshape(x, LCL_SHAPE(s.dim[0], s.dim[1], 1, s.dim[2]));
  return LCL_OK;
}

lcl_tensor *lcl__onnx_from_images(lcl_tensor *y, int axes) {
  const lcl_shape s = lcl_tensor_shape(y);
  return axes == 2 || s.rank != 4 ? y : lcl_reshape(y, LCL_SHAPE(s.dim[0], s.dim[1], s.dim[3]));
}

/* A pair of positive numbers from an attribute of `axes` ones; one is the second. */
static lcl_status read_pair(onnx_node *n, const char *name, int axes, int64_t out[2], bool *there) {
  int64_t list[2];
  int count;
  out[0] = out[1] = 1;
  LCL_TRY(lcl__onnx_ints(n, name, list, 2, &count));
  *there = count >= 0;
  if (count < 0) return LCL_OK;
  if (count != axes)
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "attribute \"%s\" has %d numbers, %d are expected",
                          name, count, axes);
  for (int i = 0; i < axes; i++) {
    if (list[i] < 1 || list[i] > 1 << 24)
      return lcl__onnx_fail(n, LCL_ERR_FORMAT, "attribute \"%s\" cannot be %lld", name,
                            (long long)list[i]);
    out[2 - axes + i] = list[i];
  }
  return LCL_OK;
}

static lcl_status read_padding(onnx_node *n, int axes, onnx_window *w) {
  int64_t list[4];
  int count;
  const char *automatic;
  LCL_TRY(lcl__onnx_text(n, "auto_pad", "NOTSET", &automatic));
  LCL_TRY(lcl__onnx_ints(n, "pads", list, 4, &count));
  w->lower = strcmp(automatic, "SAME_LOWER") == 0;
  w->automatic = w->lower || strcmp(automatic, "SAME_UPPER") == 0;
  w->valid = strcmp(automatic, "VALID") == 0;
  if (!w->automatic && !w->valid && strcmp(automatic, "NOTSET") != 0)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "auto_pad \"%s\" is not supported", automatic);
  if (count < 0 || w->automatic || w->valid) return LCL_OK;
  if (count != 2 * axes)
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "%d pads are expected, got %d", 2 * axes, count);
  for (int i = 0; i < axes; i++) {
    const int k = 2 - axes + i;
    w->pad[2 * k] = list[i];
    w->pad[2 * k + 1] = list[axes + i];
    if (list[i] < 0 || list[axes + i] < 0 || list[i] > 1 << 24 || list[axes + i] > 1 << 24)
      return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "pads below 0 or so large are not supported");
  }
  return LCL_OK;
}

lcl_status lcl__onnx_read_window(onnx_node *n, int axes, const int64_t *kernel, onnx_window *w) {
  bool there;
  *w = (onnx_window) { .axes = axes };
  LCL_TRY(read_pair(n, "kernel_shape", axes, w->kernel, &there));
  if (!there && !kernel) return lcl__onnx_fail(n, LCL_ERR_FORMAT, "its kernel_shape is missing");
  for (int i = 0; kernel && i < 2; i++) {
    if (there && w->kernel[i] != kernel[i])
      return lcl__onnx_fail(n, LCL_ERR_SHAPE, "kernel_shape is not that of the filter");
    w->kernel[i] = kernel[i];
  }
  LCL_TRY(read_pair(n, "strides", axes, w->stride, &there));
  LCL_TRY(read_pair(n, "dilations", axes, w->dilation, &there));
  return read_padding(n, axes, w);
}

void lcl__onnx_same_padding(onnx_window *w, const int64_t size[2]) {
  for (int i = 2 - w->axes; w->automatic && i < 2; i++) {
    const int64_t out = (size[i] + w->stride[i] - 1) / w->stride[i],
                  reach = w->dilation[i] * (w->kernel[i] - 1) + 1,
                  total = LCL_MAX((out - 1) * w->stride[i] + reach - size[i], 0);
    w->pad[2 * i] = w->lower ? total - total / 2 : total / 2;
    w->pad[2 * i + 1] = total - w->pad[2 * i];
  }
}

/* ---- convolutions ---- */

static lcl_status conv_inputs(onnx_node *n, lcl_tensor **x, lcl_tensor **w, lcl_tensor **b,
                              onnx_window *window, int64_t *groups) {
  lcl_tensor *t = NULL;
  int axes = 0, filter_axes = 0;
  LCL_TRY(lcl__onnx_in(n, 0, &t));
  LCL_TRY(lcl__onnx_as_images(n, t, x, &axes));
  LCL_TRY(lcl__onnx_in(n, 1, &t));
  LCL_TRY(lcl__onnx_as_images(n, t, w, &filter_axes));
  if (axes != filter_axes)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE,
                          "its input and its filters have not as many dimensions");
  *b = NULL;
  if (lcl__onnx_given(n, 2)) LCL_TRY(lcl__onnx_in(n, 2, b));
  LCL_TRY(lcl__onnx_int(n, "group", 1, groups));
  if (*groups < 1 || *groups > INT32_MAX)
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "group cannot be %lld", (long long)*groups);
  const lcl_shape f = lcl_tensor_shape(*w);
  return lcl__onnx_read_window(n, axes, (int64_t[]) { f.dim[2], f.dim[3] }, window);
}

static lcl_conv_desc conv_desc(const onnx_window *w, int64_t groups) {
  lcl_conv_desc d = { .groups = (int)groups };
  for (int i = 0; i < 2; i++) {
    d.stride[i] = (int)w->stride[i];
    d.dilation[i] = (int)w->dilation[i];
  }
  for (int i = 0; i < 4; i++) d.pad[i] = (int)w->pad[i];
  return d;
}

/* One value of the bias needs the shape of a list again where it became a number. */
static lcl_tensor *as_list(lcl_tensor *b) {
  return b ? lcl_reshape(b, LCL_SHAPE(lcl_shape_count(lcl_tensor_shape(b)))) : NULL;
}

lcl_status lcl__onnx_conv(onnx_node *n) {
  lcl_tensor *x, *w, *b;
  onnx_window window;
  int64_t groups;
  LCL_TRY(conv_inputs(n, &x, &w, &b, &window, &groups));
  const lcl_shape s = lcl_tensor_shape(x);
  lcl__onnx_same_padding(&window, &s.dim[2]);
  const lcl_conv_desc d = conv_desc(&window, groups);
  lcl_tensor *y = lcl_conv2d(x, w, as_list(b), &d);
  return lcl__onnx_give(n, 0, lcl__onnx_from_images(y, window.axes), ONNX_FLOAT);
}

/* Padding of a transposed convolution whose output sizes are given, or are input*stride. */
static void transposed_padding(lcl_shape x, onnx_window *w, int64_t output_pad[2], int n_shape,
                               const int64_t *shape) {
  for (int i = 2 - w->axes; i < 2; i++) {
    const int at = i - (2 - w->axes);
    if (n_shape < 0 && !w->automatic) return;
    const int64_t want = n_shape >= 0 ? shape[n_shape - w->axes + at] : x.dim[2 + i] * w->stride[i],
                  whole = w->stride[i] * (x.dim[2 + i] - 1) + output_pad[i] +
                          (w->kernel[i] - 1) * w->dilation[i] + 1,
                  total = whole - want;
    if (total < 0) { /* what no filter reaches is zeros behind */
      output_pad[i] -= total;
      continue;
    }
    /* The standard: SAME_UPPER halves with the odd one behind, everything else before. */
    const bool upper = w->automatic && !w->lower;
    w->pad[2 * i] = upper ? total / 2 : total - total / 2;
    w->pad[2 * i + 1] = total - w->pad[2 * i];
  }
}

lcl_status lcl__onnx_conv_transpose(onnx_node *n) {
  lcl_tensor *x, *w, *b;
  onnx_window window;
  int64_t groups, list[2], shape[4], output_pad[2] = { 0 };
  int count, n_shape;
  LCL_TRY(conv_inputs(n, &x, &w, &b, &window, &groups));
  LCL_TRY(lcl__onnx_ints(n, "output_padding", list, 2, &count));
  if (count >= 0 && count != window.axes)
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "output_padding has %d numbers, %d are expected",
                          count, window.axes);
  for (int i = 0; i < count; i++) output_pad[2 - window.axes + i] = list[i];
  LCL_TRY(lcl__onnx_ints(n, "output_shape", shape, 4, &n_shape));
  if (n_shape >= 0 && n_shape < window.axes)
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "output_shape has %d numbers, %d are expected",
                          n_shape, window.axes);
  transposed_padding(lcl_tensor_shape(x), &window, output_pad, n_shape, shape);
  if (output_pad[0] < 0 || output_pad[1] < 0 || output_pad[0] > 1 << 24 || output_pad[1] > 1 << 24)
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "output_padding is outside 0 to the stride");
  const lcl_conv_desc d = conv_desc(&window, groups);
  lcl_tensor *y = lcl_conv_transpose2d(x, w, as_list(b), &d,
                                       (int[]) { (int)output_pad[0], (int)output_pad[1] });
  return lcl__onnx_give(n, 0, lcl__onnx_from_images(y, window.axes), ONNX_FLOAT);
}
