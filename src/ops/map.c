/* map: element-wise operations with broadcasting. One node class holds one operation; the compiler
 * fuses neighbours. */
#include <math.h>

#include "ops/fuse.h"
#include "ops/map.h"
#include "ops/map_code.h"

bool lcl__broadcast_shape(lcl_shape a, lcl_shape b, lcl_shape *out) {
  lcl_shape r = { .rank = LCL_MAX(a.rank, b.rank) };
  for (int i = 1; i <= r.rank; i++) {
    int64_t da = i <= a.rank ? a.dim[a.rank - i] : 1, db = i <= b.rank ? b.dim[b.rank - i] : 1;
    if (da != db && da != 1 && db != 1) return false;
    r.dim[r.rank - i] = da == 1 ? db : da;
  }
  *out = r;
  return true;
}

static lcl_status infer_map(lcl_node *node) {
  const lcl_map_attr *attr = node->attr;
  lcl_shape shape = node->in[0]->shape;
  char sa[96], sb[96];
  for (int i = 1; i < node->n_in; i++)
    if (!lcl__broadcast_shape(shape, node->in[i]->shape, &shape))
      return lcl__fail(LCL_ERR_SHAPE, "shapes %s and %s do not broadcast",
                       lcl_shape_string(node->in[0]->shape, sa),
                       lcl_shape_string(node->in[i]->shape, sb));
  node->out[0].shape = shape;
  node->out[0].dtype = (lcl_dtype)attr->dtype;
  return LCL_OK;
}

lcl_tensor *lcl__sum_to_shape(lcl_tensor *t, lcl_shape shape) {
  if (lcl_shape_equal(t->shape, shape)) return t;
  unsigned axes = 0;
  int lead = t->shape.rank - shape.rank;
  for (int i = 0; i < t->shape.rank; i++)
    if (i < lead || (shape.dim[i - lead] == 1 && t->shape.dim[i] != 1)) axes |= LCL_AXIS(i);
  if (axes) t = lcl_sum(t, axes, true);
  return lcl_reshape(t, shape);
}

static bool is_real(lcl_dtype d) {
  return d == LCL_F32 || d == LCL_F16;
}

/* Derivatives of unary codes as a function of the operand x, the result y and the incoming g. */
static lcl_tensor *unary_grad(const lcl_map_attr *a, lcl_tensor *x, lcl_tensor *y, lcl_tensor *g) {
  lcl_graph *graph = lcl_tensor_graph(x);
  lcl_tensor *zero = lcl_const(graph, 0);
  switch ((lcl_map_code)a->code) {
  case LCL_MAP_COPY: return g;
  case LCL_MAP_CAST: return is_real((lcl_dtype)a->dtype) && is_real(x->dtype) ? g : NULL;
  case LCL_MAP_NEG: return lcl_neg(g);
  case LCL_MAP_ABS: return lcl_mul(g, lcl_sign(x));
  case LCL_MAP_EXP: return lcl_mul(g, y);
  case LCL_MAP_LOG: return lcl_div(g, x);
  case LCL_MAP_SQRT: return lcl_div(lcl_scale(g, 0.5f), y);
  case LCL_MAP_RSQRT: return lcl_mul(lcl_scale(g, -0.5f), lcl_mul(y, lcl_square(y)));
  case LCL_MAP_SQUARE: return lcl_mul(g, lcl_scale(x, 2));
  case LCL_MAP_RECIP: return lcl_neg(lcl_mul(g, lcl_square(y)));
  /* By the result, not the operand: the operand need not be kept, and its producer can apply the
   * activation itself. */
  case LCL_MAP_RELU: return lcl_select(lcl_greater(lcl__operand(y), zero), g, zero);
  case LCL_MAP_LEAKY_RELU:
    return lcl_select(lcl_greater(lcl__operand(a->p < 0 ? x : y), zero), g, lcl_scale(g, a->p));
  case LCL_MAP_SIGMOID: return lcl_mul(g, lcl_mul(y, lcl_sub(lcl_const(graph, 1), y)));
  case LCL_MAP_TANH: return lcl_mul(g, lcl_sub(lcl_const(graph, 1), lcl_square(y)));
  case LCL_MAP_SOFTPLUS: return lcl_mul(g, lcl_sigmoid(x));
  case LCL_MAP_SIN: return lcl_mul(g, lcl_unary(LCL_MAP_COS, x, 0));
  case LCL_MAP_COS: return lcl_neg(lcl_mul(g, lcl_unary(LCL_MAP_SIN, x, 0)));
  case LCL_MAP_SCALE: return lcl_scale(g, a->p);
  case LCL_MAP_SHIFT: return g;
  default: return NULL; /* sign, floor: zero */
  }
}

static void grad_map(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  const lcl_map_attr *attr = node->attr;
  lcl_tensor *g = gout[0], *y = &node->out[0], *a = node->in[0],
             *b = node->n_in > 1 ? node->in[1] : NULL;
  lcl_tensor *zero = lcl_const(node->graph, 0);
  switch ((lcl_map_code)attr->code) {
  case LCL_MAP_ADD: gin[0] = gin[1] = g; break;
  case LCL_MAP_SUB:
    gin[0] = g;
    gin[1] = lcl_neg(g);
    break;
  case LCL_MAP_MUL:
    gin[0] = lcl_mul(g, b);
    gin[1] = lcl_mul(g, a);
    break;
  case LCL_MAP_DIV:
    gin[0] = lcl_div(g, b);
    gin[1] = lcl_neg(lcl_div(lcl_mul(g, y), b));
    break;
  case LCL_MAP_MAX:
    gin[0] = lcl_select(lcl_less(a, b), zero, g);
    gin[1] = lcl_select(lcl_less(a, b), g, zero);
    break;
  case LCL_MAP_MIN:
    gin[0] = lcl_select(lcl_greater(a, b), zero, g);
    gin[1] = lcl_select(lcl_greater(a, b), g, zero);
    break;
  case LCL_MAP_SELECT:
    gin[1] = lcl_select(a, g, zero);
    gin[2] = lcl_select(a, zero, g);
    break;
  case LCL_MAP_GREATER:
  case LCL_MAP_LESS:
  case LCL_MAP_EQUAL: break;
  default: gin[0] = unary_grad(attr, a, y, g);
  }
  for (int i = 0; i < node->n_in; i++)
    if (gin[i])
      gin[i] = node->in[i]->dtype == LCL_F32 ? lcl__sum_to_shape(gin[i], node->in[i]->shape) : NULL;
}

static const char *title_map(const lcl_node *node) {
  return lcl__map_name((lcl_map_code)((const lcl_map_attr *)node->attr)->code);
}

static lcl_epilogue_part epilogue_part_map(const lcl_node *node, lcl_epilogue *e) {
  const lcl_map_attr *a = node->attr;
  switch ((lcl_map_code)a->code) {
  case LCL_MAP_ADD: return LCL_EPILOGUE_BIAS;
  case LCL_MAP_RELU: e->act = LCL_ACT_RELU; return LCL_EPILOGUE_ACT;
  case LCL_MAP_LEAKY_RELU:
    e->act = LCL_ACT_LEAKY_RELU;
    e->slope = a->p;
    return LCL_EPILOGUE_ACT;
  case LCL_MAP_SIGMOID: e->act = LCL_ACT_SIGMOID; return LCL_EPILOGUE_ACT;
  case LCL_MAP_TANH: e->act = LCL_ACT_TANH; return LCL_EPILOGUE_ACT;
  case LCL_MAP_CAST: return a->dtype == LCL_F16 ? LCL_EPILOGUE_HALF : LCL_EPILOGUE_NOTHING;
  default: return LCL_EPILOGUE_NOTHING;
  }
}

static bool cheap_map(const lcl_node *node) {
  return node->out[0].dtype == LCL_F32 &&
         lcl__map_is_cheap(((const lcl_map_attr *)node->attr)->code);
}

static const lcl_op op_map = { .name = "map",
                               .title = title_map,
                               .attr_size = sizeof(lcl_map_attr),
                               .infer = infer_map,
                               .grad = grad_map,
                               .fusion = LCL_FUSE_MAP,
                               .lower_group = lcl__lower_map_group,
                               .cheap = cheap_map,
                               .epilogue_part = epilogue_part_map };

/* ---- building ---- */

/* Constant folding of what gradients produce: scale and neg and the four rules of arithmetic on
 * scalars and views of them. */
static bool fold(lcl_map_code code, float p, float a, float b, float *out) {
  switch (code) {
  case LCL_MAP_COPY: *out = a; return true;
  case LCL_MAP_NEG: *out = -a; return true;
  case LCL_MAP_SCALE: *out = a * p; return true;
  case LCL_MAP_SHIFT: *out = a + p; return true;
  case LCL_MAP_SQUARE: *out = a * a; return true;
  case LCL_MAP_RECIP: *out = 1.0f / a; return true;
  case LCL_MAP_SQRT: *out = sqrtf(a); return true;
  case LCL_MAP_ADD: *out = a + b; return true;
  case LCL_MAP_SUB: *out = a - b; return true;
  case LCL_MAP_MUL: *out = a * b; return true;
  case LCL_MAP_DIV: *out = a / b; return true;
  default: return false;
  }
}

static lcl_tensor *map_node(lcl_map_code code, lcl_tensor *const *in, float p, lcl_dtype dtype) {
  lcl_graph *g = lcl_tensor_graph(in[0]);
  float a, b = 0, v;
  int n = lcl__map_arity(code);
  lcl_shape shape = in[0]->shape;
  bool known = n < 3 && dtype == LCL_F32 && lcl__const_value(lcl__view_source(in[0]), &a);
  if (n == 2)
    known = known && lcl__const_value(lcl__view_source(in[1]), &b) &&
            lcl__broadcast_shape(shape, in[1]->shape, &shape);
  if (known && fold(code, p, a, b, &v)) return lcl_broadcast(lcl_const(g, v), shape);
  lcl_map_attr attr = { code, p, dtype };
  return lcl__node_new(g, &op_map, in, n, &attr, 1);
}

lcl_tensor *lcl_unary(lcl_map_code code, lcl_tensor *x, float p) {
  LCL_NEED_TENSORS(x);
  lcl_graph *g = lcl_tensor_graph(x);
  if (code < 0 || code >= LCL_MAP_CODES || lcl__map_arity(code) != 1)
    return lcl__graph_error(g, LCL_ERR_ARGUMENT, "map", "code %d is not a unary operation",
                            (int)code);
  if ((code == LCL_MAP_SCALE && p == 1) || (code == LCL_MAP_SHIFT && p == 0) ||
      code == LCL_MAP_COPY)
    if (x->dtype == LCL_F32) return x;
  return map_node(code, &x, p, LCL_F32);
}

lcl_tensor *lcl_binary(lcl_map_code code, lcl_tensor *a, lcl_tensor *b) {
  LCL_NEED_TENSORS(a, b);
  lcl_graph *g = lcl_tensor_graph(a);
  float v;
  if (code < 0 || code >= LCL_MAP_CODES || lcl__map_arity(code) != 2)
    return lcl__graph_error(g, LCL_ERR_ARGUMENT, "map", "code %d is not a binary operation",
                            (int)code);
  /* A scalar constant operand becomes the node's parameter; multiplying by one and adding zero
   * vanish. */
  if (lcl__const_value(b, &v) && a->dtype == LCL_F32 && !lcl__const_value(a, &(float) { 0 })) {
    if (code == LCL_MAP_MUL) return lcl_scale(a, v);
    if (code == LCL_MAP_ADD) return lcl_shift(a, v);
    if (code == LCL_MAP_SUB) return lcl_shift(a, -v);
  } else if (lcl__const_value(a, &v) && b->dtype == LCL_F32 &&
             !lcl__const_value(b, &(float) { 0 })) {
    if (code == LCL_MAP_MUL) return lcl_scale(b, v);
    if (code == LCL_MAP_ADD) return lcl_shift(b, v);
  }
  return map_node(code, (lcl_tensor *[]) { a, b }, 0, LCL_F32);
}

lcl_tensor *lcl_neg(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_NEG, x, 0);
}
lcl_tensor *lcl_abs(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_ABS, x, 0);
}
lcl_tensor *lcl_sign(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_SIGN, x, 0);
}
lcl_tensor *lcl_exp(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_EXP, x, 0);
}
lcl_tensor *lcl_log(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_LOG, x, 0);
}
lcl_tensor *lcl_sqrt(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_SQRT, x, 0);
}
lcl_tensor *lcl_rsqrt(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_RSQRT, x, 0);
}
lcl_tensor *lcl_square(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_SQUARE, x, 0);
}
lcl_tensor *lcl_recip(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_RECIP, x, 0);
}
lcl_tensor *lcl_relu(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_RELU, x, 0);
}
lcl_tensor *lcl_sigmoid(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_SIGMOID, x, 0);
}
lcl_tensor *lcl_tanh(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_TANH, x, 0);
}
lcl_tensor *lcl_softplus(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_SOFTPLUS, x, 0);
}
lcl_tensor *lcl_scale(lcl_tensor *x, float factor) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_SCALE, x, factor);
}
lcl_tensor *lcl_shift(lcl_tensor *x, float addend) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_SHIFT, x, addend);
}

lcl_tensor *lcl_leaky_relu(lcl_tensor *x, float slope) {
  LCL_NEED_TENSORS(x);
  return lcl_unary(LCL_MAP_LEAKY_RELU, x, slope);
}

lcl_tensor *lcl_cast(lcl_tensor *x, lcl_dtype dtype) {
  LCL_NEED_TENSORS(x);
  return x->dtype == dtype ? x : map_node(LCL_MAP_CAST, &x, 0, dtype);
}

lcl_tensor *lcl__operand(lcl_tensor *t) {
  const lcl_graph *g = lcl_tensor_graph(t);
  return !lcl__graph_broken(g) && t->dtype == LCL_F32 ? lcl_cast(t, lcl__graph_precision(g)) : t;
}

lcl_status lcl__check_operands(const lcl_node *node) {
  const lcl_dtype a = node->in[0]->dtype, b = node->in[1]->dtype;
  if (a == b && (a == LCL_F32 || a == LCL_F16)) return LCL_OK;
  return lcl__fail(LCL_ERR_TYPE, "expects two operands of f32 or two of f16, got %s and %s",
                   lcl_dtype_name(a), lcl_dtype_name(b));
}

lcl_tensor *lcl__wide_index(lcl_tensor *index) {
  return index->dtype == LCL_U8 ? lcl_cast(index, LCL_I32) : index;
}

lcl_tensor *lcl_add(lcl_tensor *a, lcl_tensor *b) {
  LCL_NEED_TENSORS(a, b);
  return lcl_binary(LCL_MAP_ADD, a, b);
}
lcl_tensor *lcl_sub(lcl_tensor *a, lcl_tensor *b) {
  LCL_NEED_TENSORS(a, b);
  return lcl_binary(LCL_MAP_SUB, a, b);
}
lcl_tensor *lcl_mul(lcl_tensor *a, lcl_tensor *b) {
  LCL_NEED_TENSORS(a, b);
  return lcl_binary(LCL_MAP_MUL, a, b);
}
lcl_tensor *lcl_div(lcl_tensor *a, lcl_tensor *b) {
  LCL_NEED_TENSORS(a, b);
  return lcl_binary(LCL_MAP_DIV, a, b);
}
lcl_tensor *lcl_maximum(lcl_tensor *a, lcl_tensor *b) {
  LCL_NEED_TENSORS(a, b);
  return lcl_binary(LCL_MAP_MAX, a, b);
}
lcl_tensor *lcl_minimum(lcl_tensor *a, lcl_tensor *b) {
  LCL_NEED_TENSORS(a, b);
  return lcl_binary(LCL_MAP_MIN, a, b);
}
lcl_tensor *lcl_greater(lcl_tensor *a, lcl_tensor *b) {
  LCL_NEED_TENSORS(a, b);
  return lcl_binary(LCL_MAP_GREATER, a, b);
}
lcl_tensor *lcl_less(lcl_tensor *a, lcl_tensor *b) {
  LCL_NEED_TENSORS(a, b);
  return lcl_binary(LCL_MAP_LESS, a, b);
}
lcl_tensor *lcl_equal(lcl_tensor *a, lcl_tensor *b) {
  LCL_NEED_TENSORS(a, b);
  return lcl_binary(LCL_MAP_EQUAL, a, b);
}

lcl_tensor *lcl_select(lcl_tensor *cond, lcl_tensor *a, lcl_tensor *b) {
  LCL_NEED_TENSORS(cond, a, b);
  return map_node(LCL_MAP_SELECT, (lcl_tensor *[]) { cond, a, b }, 0, LCL_F32);
}
