/* Pooling. */
#include <math.h>

#include "onnx/internal.h"

static lcl_pool_desc pool_desc(const onnx_window *w) {
  lcl_pool_desc d = { 0 };
  for (int i = 0; i < 2; i++) {
    d.kernel[i] = (int)w->kernel[i];
    d.stride[i] = (int)w->stride[i];
  }
  for (int i = 0; i < 4; i++) d.pad[i] = (int)w->pad[i];
  return d;
}

/* Windows of max and average pooling that the graph's pooling computes as ONNX defines them. */
static lcl_status read_pool(onnx_node *n, int axes, lcl_shape s, onnx_window *w,
                            lcl_pool_desc *out) {
  int64_t up = 0, order = 0, include = 0;
  LCL_TRY(lcl__onnx_read_window(n, axes, NULL, w));
  if (n->opset >= 10) LCL_TRY(lcl__onnx_int(n, "ceil_mode", 0, &up));
  if (n->code == OP_MAX_POOL) LCL_TRY(lcl__onnx_int(n, "storage_order", 0, &order));
  if (n->code == OP_AVERAGE_POOL) LCL_TRY(lcl__onnx_int(n, "count_include_pad", 0, &include));
  if (w->dilation[0] != 1 || w->dilation[1] != 1)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "dilated windows are not supported");
  if (n->n_out > 1 && n->out[1])
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "its output of indices is not supported");
  lcl__onnx_same_padding(w, &s.dim[2]);
  *out = pool_desc(w);
  out->ceil = up != 0;
  out->count_include_pad = include != 0;
  if (up && include)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "ceil_mode together with count_include_pad is not supported");
  return LCL_OK;
}

lcl_status lcl__onnx_pool(onnx_node *n) {
  lcl_tensor *x, *t;
  onnx_window w;
  lcl_pool_desc d;
  int axes;
  LCL_TRY(lcl__onnx_in(n, 0, &t));
  LCL_TRY(lcl__onnx_as_images(n, t, &x, &axes));
  LCL_TRY(read_pool(n, axes, lcl_tensor_shape(x), &w, &d));
  lcl_tensor *y = n->code == OP_MAX_POOL ? lcl_max_pool2d(x, &d, NULL) : lcl_avg_pool2d(x, &d);
  return lcl__onnx_give(n, 0, lcl__onnx_from_images(y, axes), ONNX_FLOAT);
}

lcl_status lcl__onnx_global_pool(onnx_node *n) {
  lcl_tensor *x;
  LCL_TRY(lcl__onnx_in(n, 0, &x));
  const lcl_shape s = lcl_tensor_shape(x);
  if (s.rank < 3)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "it takes (N,C,...) with at least one more axis");
  const unsigned axes = ((1u << s.rank) - 1) & ~(LCL_AXIS(0) | LCL_AXIS(1));
  return lcl__onnx_give(
      n, 0, n->code == OP_MAX_POOL ? lcl_max(x, axes, true) : lcl_mean(x, axes, true), ONNX_FLOAT);
}
