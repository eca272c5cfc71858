/* matmul: batched matrix products with transposed operands. */
#include "latentcl/ops.h"
#include "ops/attributes.h"
#include "ops/gemm.h"
#include "ops/map.h"

static int64_t leading(lcl_shape s) {
  int64_t n = 1;
  for (int i = 0; i < s.rank - 2; i++) n *= s.dim[i];
  return n;
}

static bool leading_equal(lcl_shape a, lcl_shape b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank - 2; i++)
    if (a.dim[i] != b.dim[i]) return false;
  return true;
}

static lcl_status infer_matmul(lcl_node *node) {
  const lcl_matmul_attr *t = node->attr;
  const lcl_shape a = node->in[0]->shape, b = node->in[1]->shape;
  char ta[96], tb[96];
  LCL_TRY(lcl__check_operands(node));
  if (a.rank < 2 || b.rank < 2)
    return lcl__fail(LCL_ERR_SHAPE, "expects matrices, got %s and %s", lcl_shape_string(a, ta),
                     lcl_shape_string(b, tb));
  if (a.rank > 2 && b.rank > 2 && !leading_equal(a, b))
    return lcl__fail(LCL_ERR_SHAPE, "leading dimensions of %s and %s differ",
                     lcl_shape_string(a, ta), lcl_shape_string(b, tb));
  const int64_t m = a.dim[a.rank - (t->transpose_a ? 1 : 2)],
                ka = a.dim[a.rank - (t->transpose_a ? 2 : 1)];
  const int64_t n = b.dim[b.rank - (t->transpose_b ? 2 : 1)],
                kb = b.dim[b.rank - (t->transpose_b ? 1 : 2)];
  if (ka != kb)
    return lcl__fail(LCL_ERR_SHAPE, "inner dimensions differ: %s%s times %s%s",
                     lcl_shape_string(a, ta), t->transpose_a ? " transposed" : "",
                     lcl_shape_string(b, tb), t->transpose_b ? " transposed" : "");
  lcl_shape c = a.rank >= b.rank ? a : b;
  c.dim[c.rank - 2] = m;
  c.dim[c.rank - 1] = n;
  node->out[0].shape = c;
  node->out[0].dtype = LCL_F32;
  return LCL_OK;
}

/* The gradient of an operand that the whole batch shares is the sum over the batch. */
static lcl_tensor *shared_sum(lcl_tensor *g, lcl_shape to) {
  if (g->shape.rank == to.rank) return g;
  return lcl_sum(g, (1u << (g->shape.rank - 2)) - 1, false);
}

static void grad_matmul(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  const lcl_matmul_attr *t = node->attr;
  lcl_tensor *a = node->in[0], *b = node->in[1], *g = gout[0];
  lcl_tensor *ga = t->transpose_a ? lcl_matmul(b, g, t->transpose_b, true)
                                  : lcl_matmul(g, b, false, !t->transpose_b);
  lcl_tensor *gb = t->transpose_b ? lcl_matmul(g, a, true, t->transpose_a)
                                  : lcl_matmul(a, g, !t->transpose_a, false);
  gin[0] = shared_sum(ga, a->shape);
  gin[1] = shared_sum(gb, b->shape);
}

static double flops_matmul(const lcl_node *node) {
  const lcl_matmul_attr *t = node->attr;
  const lcl_shape a = node->in[0]->shape;
  return 2.0 * (double)lcl_shape_count(node->out[0].shape) *
         (double)a.dim[a.rank - (t->transpose_a ? 2 : 1)];
}

/* An operand in memory: strides of rows, columns and the batch. Any view with one stride for all
 * leading dimensions is used in place; others are copied. */
typedef struct operand {
  lcl_arg arg;
  int64_t base, row, col, batch;
} operand;

static lcl_status operand_of(lcl_lower *lw, lcl_tensor *x, bool transposed, operand *o) {
  const lcl_shape s = x->shape;
  lcl_view v;
  LCL_TRY(lcl__lower_view(lw, x, &v));
  bool regular = s.dim[s.rank - 1] == 1 || s.dim[s.rank - 2] == 1 || v.stride[s.rank - 1] == 1 ||
                 v.stride[s.rank - 2] == 1;
  for (int i = 0; i < s.rank; i++) regular &= v.stride[i] > 0 || s.dim[i] <= 1;
  for (int i = 0; i + 3 < s.rank; i++) regular &= v.stride[i] == v.stride[i + 1] * s.dim[i + 1];
  if (regular) {
    *o = (operand) { lcl__slot_arg(lw, v.slot, LCL_READ), v.offset, v.stride[s.rank - 2],
                     v.stride[s.rank - 1], s.rank > 2 ? v.stride[s.rank - 3] : 0 };
  } else {
    *o = (operand) { lcl__in(lw, x), 0, s.dim[s.rank - 1], 1,
                     s.rank > 2 ? s.dim[s.rank - 1] * s.dim[s.rank - 2] : 0 };
  }
  if (transposed) {
    const int64_t row = o->row;
    o->row = o->col;
    o->col = row;
  }
  return LCL_OK;
}

static lcl_status lower_matmul_fused(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e) {
  const lcl_matmul_attr *t = node->attr;
  const lcl_shape c = node->out[0].shape, as = node->in[0]->shape;
  const int64_t m = c.dim[c.rank - 2], n = c.dim[c.rank - 1],
                k = as.dim[as.rank - (t->transpose_a ? 2 : 1)];
  const lcl_arg out = lcl__out(lw, e->out);
  if (lcl_shape_count(c) == 0) return LCL_OK;
  operand a, b;
  LCL_TRY(operand_of(lw, node->in[0], t->transpose_a, &a));
  LCL_TRY(operand_of(lw, node->in[1], t->transpose_b, &b));
  char label[96];
  const int64_t batch = leading(c);
  if (batch == 1)
    snprintf(label, sizeof label, "matmul %lldx%lldx%lld", (long long)m, (long long)k,
             (long long)n);
  else
    snprintf(label, sizeof label, "matmul %lld*%lldx%lldx%lld", (long long)batch, (long long)m,
             (long long)k, (long long)n);
  lcl_gemm g = { .label = label,
                 .op = "matmul",
                 .m = m,
                 .n = n,
                 .k = k,
                 .batch = batch,
                 .half = node->in[0]->dtype == LCL_F16,
                 .half_c = e->out->dtype == LCL_F16,
                 .source = LCL_GEMM_MATRIX,
                 .a = a.arg,
                 .a_base = a.base,
                 .a_batch = a.batch,
                 .a_rs = a.row,
                 .a_len = k,
                 .a_tb = 1,
                 .a_s1 = a.col,
                 .b = b.arg,
                 .b_base = b.base,
                 .b_batch = b.batch,
                 .rsb = b.row,
                 .csb = b.col,
                 .c = out,
                 .c_batch = m * n,
                 .ldc = n,
                 .act = e->act,
                 .slope = e->slope,
                 .flops = flops_matmul(node) };
  if (e->bias) {
    g.bias = lcl__in(lw, e->bias);
    g.bias_kind = LCL_BIAS_COLUMN;
  }
  return lcl__gemm_lower(lw, &g);
}

static lcl_status lower_matmul(lcl_lower *lw, lcl_node *node) {
  return lower_matmul_fused(lw, node, &(lcl_epilogue) { .out = &node->out[0] });
}

static const lcl_op op_matmul = { .name = "matmul",
                                  .attr_size = sizeof(lcl_matmul_attr),
                                  .infer = infer_matmul,
                                  .grad = grad_matmul,
                                  .lower = lower_matmul,
                                  .fusion = LCL_FUSE_EPILOGUE,
                                  .lower_fused = lower_matmul_fused,
                                  .bias_axis = -1,
                                  .flops = flops_matmul };

lcl_tensor *lcl_matmul(lcl_tensor *a, lcl_tensor *b, bool transpose_a, bool transpose_b) {
  LCL_NEED_TENSORS(a, b);
  lcl_graph *g = lcl_tensor_graph(a);
  const lcl_shape sa = a->shape, sb = b->shape;
  /* Leading dimensions of a alone are just more rows. */
  if (!lcl__graph_broken(g) && sa.rank > 2 && sb.rank == 2 && !transpose_a &&
      sa.dim[sa.rank - 1] == sb.dim[transpose_b ? 1 : 0]) {
    lcl_shape sc = sa;
    sc.dim[sc.rank - 1] = sb.dim[transpose_b ? 0 : 1];
    lcl_tensor *flat = lcl_reshape(
        a, LCL_SHAPE(leading(sa) * sa.dim[sa.rank - 2], sa.dim[sa.rank - 1]));
    return lcl_reshape(lcl_matmul(flat, b, false, transpose_b), sc);
  }
  return lcl__node_new(g, &op_matmul, LCL_IN(lcl__operand(a), lcl__operand(b)),
                       &(lcl_matmul_attr) { transpose_a, transpose_b }, 1);
}
