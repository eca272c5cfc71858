/* One function for each class of nodes that ONNX has a counterpart of. */
#include "onnx/save.h"
#include "ops/attributes.h"
#include "ops/conv.h"
#include "ops/fuse.h"
#include "ops/map_code.h"

static const char *add1(onnx_saver *s, const char *op, const char *x, const char *out) {
  return lcl__onnx_add(s, op, &x, 1, out);
}

static const char *add2(onnx_saver *s, const char *op, const char *a, const char *b,
                        const char *out) {
  return lcl__onnx_add(s, op, (const char *[]) { a, b }, 2, out);
}

static const char *cast(onnx_saver *s, const char *x, onnx_type to, const char *out) {
  const char *name = add1(s, "Cast", x, out);
  lcl__onnx_add_int(s, "to", to);
  return name;
}

static const char *input(const onnx_saver *s, const lcl_node *node, int i) {
  return lcl__onnx_named(s, node->in[i]);
}

/* Arithmetic reads every type as f32. */
static const char *as_float(onnx_saver *s, const lcl_node *node, int i) {
  const char *x = input(s, node, i);
  return node->in[i]->dtype == LCL_F32 ? x : cast(s, x, ONNX_FLOAT, NULL);
}

static lcl_status refuse(const lcl_node *node, const char *why) {
  return lcl__fail(LCL_ERR_UNSUPPORTED, "%s: %s", lcl__node_name(node), why);
}

/* ---- element by element ---- */

static const char *const map_names[LCL_MAP_CODES] = {
  [LCL_MAP_NEG] = "Neg",          [LCL_MAP_ABS] = "Abs",     [LCL_MAP_SIGN] = "Sign",
  [LCL_MAP_EXP] = "Exp",          [LCL_MAP_LOG] = "Log",     [LCL_MAP_SQRT] = "Sqrt",
  [LCL_MAP_RECIP] = "Reciprocal", [LCL_MAP_RELU] = "Relu",   [LCL_MAP_LEAKY_RELU] = "LeakyRelu",
  [LCL_MAP_SIGMOID] = "Sigmoid",  [LCL_MAP_TANH] = "Tanh",   [LCL_MAP_SOFTPLUS] = "Softplus",
  [LCL_MAP_FLOOR] = "Floor",      [LCL_MAP_SIN] = "Sin",     [LCL_MAP_COS] = "Cos",
  [LCL_MAP_SCALE] = "Mul",        [LCL_MAP_SHIFT] = "Add",   [LCL_MAP_ADD] = "Add",
  [LCL_MAP_SUB] = "Sub",          [LCL_MAP_MUL] = "Mul",     [LCL_MAP_DIV] = "Div",
  [LCL_MAP_MAX] = "Max",          [LCL_MAP_MIN] = "Min",     [LCL_MAP_GREATER] = "Greater",
  [LCL_MAP_LESS] = "Less",        [LCL_MAP_EQUAL] = "Equal",
};

static lcl_status save_cast(onnx_saver *s, const lcl_node *node, const char *out) {
  const lcl_dtype from = node->in[0]->dtype, to = node->out[0].dtype;
  if (from == to) {
    add1(s, "Identity", input(s, node, 0), out);
  } else if (to == LCL_F32 || to == LCL_I32) {
    cast(s, input(s, node, 0), to == LCL_F32 ? ONNX_FLOAT : ONNX_INT32, out);
  } else {
    return refuse(node, "a cast to this type is not written");
  }
  return LCL_OK;
}

static lcl_status save_map(onnx_saver *s, const lcl_node *node, const char *out) {
  const lcl_map_attr *a = node->attr;
  const lcl_map_code code = (lcl_map_code)a->code;
  if (code == LCL_MAP_COPY || code == LCL_MAP_CAST) return save_cast(s, node, out);
  if (code == LCL_MAP_SELECT) {
    const char *c = cast(s, input(s, node, 0), ONNX_BOOL, NULL);
    lcl__onnx_add(s, "Where", (const char *[]) { c, as_float(s, node, 1), as_float(s, node, 2) }, 3,
                  out);
    return LCL_OK;
  }
  const char *x = as_float(s, node, 0), *y = node->n_in > 1 ? as_float(s, node, 1) : NULL;
  switch (code) {
  case LCL_MAP_SQUARE: add2(s, "Mul", x, x, out); return LCL_OK;
  case LCL_MAP_RSQRT: add1(s, "Reciprocal", add1(s, "Sqrt", x, NULL), out); return LCL_OK;
  case LCL_MAP_GREATER:
  case LCL_MAP_LESS:
  case LCL_MAP_EQUAL: cast(s, add2(s, map_names[code], x, y, NULL), ONNX_FLOAT, out); return LCL_OK;
  case LCL_MAP_SCALE:
  case LCL_MAP_SHIFT:
    add2(s, map_names[code], x, lcl__onnx_number_constant(s, a->p), out);
    return LCL_OK;
  default: break;
  }
  if (!map_names[code]) return refuse(node, "ONNX has no such operator");
  if (y)
    add2(s, map_names[code], x, y, out);
  else
    add1(s, map_names[code], x, out);
  if (code == LCL_MAP_LEAKY_RELU) lcl__onnx_add_float(s, "alpha", a->p);
  return LCL_OK;
}

static lcl_status save_identity(onnx_saver *s, const lcl_node *node, const char *out) {
  add1(s, "Identity", input(s, node, 0), out);
  return LCL_OK;
}

/* ---- reductions ---- */

static lcl_status save_reduce(onnx_saver *s, const lcl_node *node, const char *out) {
  static const char *const names[] = {
    [LCL_REDUCE_SUM] = "ReduceSum", [LCL_REDUCE_MAX] = "ReduceMax", [LCL_REDUCE_MIN] = "ReduceMin"
  };
  const lcl_reduce_attr *a = node->attr;
  const lcl_shape in = node->in[0]->shape;
  int64_t axes[LCL_MAX_RANK];
  int n = 0;
  for (int i = 0; i < in.rank; i++)
    if (a->axes & LCL_AXIS(i)) {
      axes[n++] = i;
      if (a->factor != 1 && lcl__onnx_is_batch(s, in.dim[i]))
        return refuse(node,
                      "a mean over the batch depends on its size, which the file leaves open");
    }
  const bool scaled = a->kind == LCL_REDUCE_SUM && a->factor != 1;
  const char *x = as_float(s, node, 0), *to = scaled ? NULL : out;
  if (a->kind == LCL_REDUCE_SUM) {
    to = add2(s, names[a->kind], x, lcl__onnx_list(s, axes, n), to);
  } else {
    to = add1(s, names[a->kind], x, to);
    lcl__onnx_add_ints(s, "axes", axes, n);
  }
  lcl__onnx_add_int(s, "keepdims", 1);
  if (scaled) add2(s, "Mul", to, lcl__onnx_number_constant(s, a->factor), out);
  return LCL_OK;
}

static lcl_status save_argmax(onnx_saver *s, const lcl_node *node, const char *out) {
  const char *y = add1(s, "ArgMax", input(s, node, 0), NULL);
  lcl__onnx_add_int(s, "axis", ((const lcl_axis_attr *)node->attr)->axis);
  lcl__onnx_add_int(s, "keepdims", 1);
  cast(s, y, ONNX_INT32, out);
  return LCL_OK;
}

/* ---- shapes ---- */

static lcl_status save_reshape(onnx_saver *s, const lcl_node *node, const char *out) {
  const char *shape;
  LCL_TRY(lcl__onnx_shape_list(s, node->out[0].shape, true, &shape));
  add2(s, "Reshape", input(s, node, 0), shape, out);
  lcl__onnx_add_int(s, "allowzero", 1);
  return LCL_OK;
}

static lcl_status save_broadcast(onnx_saver *s, const lcl_node *node, const char *out) {
  const char *shape;
  LCL_TRY(lcl__onnx_shape_list(s, node->out[0].shape, false, &shape));
  add2(s, "Expand", input(s, node, 0), shape, out);
  return LCL_OK;
}

static lcl_status save_transpose(onnx_saver *s, const lcl_node *node, const char *out) {
  int64_t perm[LCL_MAX_RANK];
  const int rank = node->out[0].shape.rank;
  for (int i = 0; i < rank; i++) perm[i] = ((const lcl_perm_attr *)node->attr)->perm[i];
  add1(s, "Transpose", input(s, node, 0), out);
  lcl__onnx_add_ints(s, "perm", perm, rank);
  return LCL_OK;
}

static lcl_status save_slice(onnx_saver *s, const lcl_node *node, const char *out) {
  const lcl_slice_attr *a = node->attr;
  const lcl_shape in = node->in[0]->shape;
  int64_t start[LCL_MAX_RANK], stop[LCL_MAX_RANK], axes[LCL_MAX_RANK];
  int n = 0;
  for (int i = 0; i < in.rank; i++) {
    if (a->start[i] == 0 && a->stop[i] == in.dim[i]) continue;
    if (lcl__onnx_is_batch(s, in.dim[i]))
      return refuse(node, "a part of the batch depends on its size, which the file leaves open");
    start[n] = a->start[i];
    stop[n] = a->stop[i];
    axes[n++] = i;
  }
  const char *in_names[] = { input(s, node, 0), lcl__onnx_list(s, start, n),
                             lcl__onnx_list(s, stop, n), lcl__onnx_list(s, axes, n) };
  lcl__onnx_add(s, "Slice", in_names, 4, out);
  return LCL_OK;
}

static lcl_status save_flip(onnx_saver *s, const lcl_node *node, const char *out) {
  const unsigned set = ((const lcl_axes_attr *)node->attr)->axes;
  int64_t start[LCL_MAX_RANK], stop[LCL_MAX_RANK], axes[LCL_MAX_RANK], step[LCL_MAX_RANK];
  int n = 0;
  for (int i = 0; i < node->in[0]->shape.rank; i++)
    if (set & LCL_AXIS(i)) {
      start[n] = -1;
      stop[n] = INT64_MIN;
      step[n] = -1;
      axes[n++] = i;
    }
  const char *in_names[] = { input(s, node, 0), lcl__onnx_list(s, start, n),
                             lcl__onnx_list(s, stop, n), lcl__onnx_list(s, axes, n),
                             lcl__onnx_list(s, step, n) };
  lcl__onnx_add(s, "Slice", in_names, 5, out);
  return LCL_OK;
}

static lcl_status save_pad(onnx_saver *s, const lcl_node *node, const char *out) {
  const lcl_slice_attr *a = node->attr;
  const int rank = node->in[0]->shape.rank;
  int64_t pads[2 * LCL_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    pads[i] = a->start[i];
    pads[rank + i] = a->stop[i];
  }
  add2(s, "Pad", input(s, node, 0), lcl__onnx_list(s, pads, 2 * rank), out);
  return LCL_OK;
}

static lcl_status save_concat(onnx_saver *s, const lcl_node *node, const char *out) {
  const char **names = lcl__arena_alloc(s->arena, (size_t)node->n_in * sizeof *names);
  if (!names) return LCL_ERR_HOST_MEMORY;
  for (int i = 0; i < node->n_in; i++) names[i] = input(s, node, i);
  lcl__onnx_add(s, "Concat", names, node->n_in, out);
  lcl__onnx_add_int(s, "axis", ((const lcl_axes_attr *)node->attr)->axes);
  return LCL_OK;
}

static lcl_status save_gather(onnx_saver *s, const lcl_node *node, const char *out) {
  add2(s, "Gather", input(s, node, 0), input(s, node, 1), out);
  lcl__onnx_add_int(s, "axis", 0);
  return LCL_OK;
}

/* ---- products ---- */

static const char *last_two_swapped(onnx_saver *s, const lcl_node *node, int i) {
  const int rank = node->in[i]->shape.rank;
  int64_t perm[LCL_MAX_RANK];
  for (int k = 0; k < rank; k++) perm[k] = k;
  perm[rank - 2] = rank - 1;
  perm[rank - 1] = rank - 2;
  const char *y = add1(s, "Transpose", input(s, node, i), NULL);
  lcl__onnx_add_ints(s, "perm", perm, rank);
  return y;
}

static lcl_status save_matmul(onnx_saver *s, const lcl_node *node, const char *out) {
  const lcl_matmul_attr *a = node->attr;
  const char *x = a->transpose_a ? last_two_swapped(s, node, 0) : input(s, node, 0),
             *y = a->transpose_b ? last_two_swapped(s, node, 1) : input(s, node, 1);
  add2(s, "MatMul", x, y, out);
  return LCL_OK;
}

/* ONNX names the pads of all axes' beginnings first. */
static void add_window(onnx_saver *s, const int64_t stride[2], const int64_t pad[4]) {
  lcl__onnx_add_ints(s, "strides", stride, 2);
  lcl__onnx_add_ints(s, "pads", (int64_t[]) { pad[0], pad[2], pad[1], pad[3] }, 4);
}

static lcl_status save_conv(onnx_saver *s, const lcl_node *node, const char *out) {
  const lcl_conv_attr *a = node->attr;
  add2(s, "Conv", input(s, node, 0), input(s, node, 1), out);
  add_window(s, a->stride, a->pad);
  lcl__onnx_add_ints(s, "dilations", a->dilation, 2);
  lcl__onnx_add_int(s, "group", a->groups);
  return LCL_OK;
}

/* The input gradient is the transposed convolution; rows that the forward one ignored are
 * output_padding. */
static lcl_status save_conv_transpose(onnx_saver *s, const lcl_node *node, const char *out) {
  const lcl_conv_attr *a = node->attr;
  const int64_t *x = node->in[0]->shape.dim, *w = node->in[1]->shape.dim;
  int64_t extra[2];
  for (int i = 0; i < 2; i++)
    extra[i] = a->shape[2 + i] - ((x[2 + i] - 1) * a->stride[i] - a->pad[2 * i] -
                                  a->pad[2 * i + 1] + a->dilation[i] * (w[2 + i] - 1) + 1);
  add2(s, "ConvTranspose", input(s, node, 0), input(s, node, 1), out);
  add_window(s, a->stride, a->pad);
  lcl__onnx_add_ints(s, "dilations", a->dilation, 2);
  lcl__onnx_add_int(s, "group", a->groups);
  lcl__onnx_add_ints(s, "output_padding", extra, 2);
  return LCL_OK;
}

static lcl_status save_pool(onnx_saver *s, const lcl_node *node, const char *op, const char *out) {
  const lcl_pool_attr *a = node->attr;
  add1(s, op, input(s, node, 0), out);
  lcl__onnx_add_ints(s, "kernel_shape", (int64_t[]) { a->kernel[0], a->kernel[1] }, 2);
  add_window(s, (int64_t[]) { a->stride[0], a->stride[1] },
             (int64_t[]) { a->pad[0], a->pad[1], a->pad[2], a->pad[3] });
  if (a->ceil) lcl__onnx_add_int(s, "ceil_mode", 1);
  return LCL_OK;
}

static lcl_status save_max_pool(onnx_saver *s, const lcl_node *node, const char *out) {
  return save_pool(s, node, "MaxPool", out);
}

static lcl_status save_average_pool(onnx_saver *s, const lcl_node *node, const char *out) {
  const lcl_pool_attr *a = node->attr;
  if (a->ceil && a->include_pad)
    return refuse(node, "sizes rounded up together with counted padding are not written");
  LCL_TRY(save_pool(s, node, "AveragePool", out));
  if (a->include_pad) lcl__onnx_add_int(s, "count_include_pad", 1);
  return LCL_OK;
}

/* ---- the table ---- */

static const struct {
  const char *op; /* name of the class */
  lcl_status (*save)(onnx_saver *s, const lcl_node *node, const char *out);
} rows[] = {
  { "map", save_map },
  { "stop_gradient", save_identity },
  { "reduce", save_reduce },
  { "argmax", save_argmax },
  { "reshape", save_reshape },
  { "broadcast", save_broadcast },
  { "transpose", save_transpose },
  { "slice", save_slice },
  { "flip", save_flip },
  { "pad", save_pad },
  { "concat", save_concat },
  { "gather", save_gather },
  { "matmul", save_matmul },
  { "conv2d", save_conv },
  { "conv2d_input_grad", save_conv_transpose },
  { "max_pool2d", save_max_pool },
  { "avg_pool2d", save_average_pool },
};

lcl_status lcl__onnx_save_node(onnx_saver *s, const lcl_node *node) {
  for (size_t i = 0; i < LCL_COUNT(rows); i++)
    if (strcmp(rows[i].op, node->op->name) == 0) {
      const char *out = lcl__onnx_fresh(s);
      s->name[2 * node->id] = out;
      return rows[i].save(s, node, out);
    }
  return refuse(node, "ONNX has no operator for it");
}
