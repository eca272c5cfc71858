/* LSTM cell and Diagonal BiLSTM layer: shapes and gradients. The launches are in recurrent_lower.c.
 */
#include "ops/recurrent.h"
#include "latentcl/ops.h"
#include "ops/pixel_sampler.h"

static const lcl_op op_bilstm, op_bilstm_grad;

int64_t lcl__bilstm_margin_count(const lcl_bilstm_attr *a) {
  const int64_t records = a->init ? 2 * (int64_t)a->height * a->height * 6 * a->hidden : 0;
  return 8 * (int64_t)a->hidden + records;
}

static lcl_status want(const lcl_tensor *t, lcl_shape shape, const char *what) {
  char text[96], other[96];
  if (t->dtype != LCL_F32)
    return lcl__fail(LCL_ERR_TYPE, "%s must be f32, got %s", what, lcl_dtype_name(t->dtype));
  if (!lcl_shape_equal(t->shape, shape))
    return lcl__fail(LCL_ERR_SHAPE, "%s must be %s, got %s", what, lcl_shape_string(shape, text),
                     lcl_shape_string(t->shape, other));
  return LCL_OK;
}

/* The inputs from `first` on: four initial states, then the bias of cells beside the image. */
static lcl_status want_beside(const lcl_node *node, int first, int64_t h, int64_t height) {
  for (int i = first; i < node->n_in && i < first + 4; i++)
    LCL_TRY(want(node->in[i], LCL_SHAPE(h, height), "an initial state"));
  return node->n_in > first + 4 ? want(node->in[first + 4], LCL_SHAPE(8 * h), "pad") : LCL_OK;
}

static lcl_status infer(lcl_node *node) {
  const lcl_shape s = node->in[0]->shape;
  char text[96];
  if (s.rank != 4 || s.dim[1] < 1 || s.dim[2] < 1 || s.dim[3] < 8 || s.dim[3] % 8)
    return lcl__fail(LCL_ERR_SHAPE,
                     "input-to-state must be (N,H,W,8h): two directions of four gates, got %s",
                     lcl_shape_string(s, text));
  if (lcl_shape_count(s) > INT32_MAX)
    return lcl__fail(LCL_ERR_SHAPE,
                     "input-to-state %s has more than 2^31 numbers; use a smaller batch",
                     lcl_shape_string(s, text));
  const int64_t n = s.dim[0], height = s.dim[1], width = s.dim[2], h = s.dim[3] / 8;
  LCL_TRY(want(node->in[0], s, "input-to-state"));
  LCL_TRY(want(node->in[1], LCL_SHAPE(2, 4 * h, h), "k_left"));
  LCL_TRY(want(node->in[2], LCL_SHAPE(2, 4 * h, h), "k_right"));
  LCL_TRY(want_beside(node, 3, h, height));
  const lcl_bilstm_attr a = lcl__bilstm_attr_of(node);
  node->n_out = 3;
  for (int i = 0; i < 3; i++) node->out[i].dtype = LCL_F32;
  node->out[0].shape = LCL_SHAPE(n, height, width, h);
  node->out[1].shape = LCL_SHAPE(n, 2, height * width, 6 * h);
  node->out[2].shape = LCL_SHAPE(lcl__bilstm_margin_count(&a));
  return LCL_OK;
}

lcl_bilstm_attr lcl__bilstm_attr_of(const lcl_node *node) {
  const lcl_shape s = node->in[0]->shape;
  lcl_bilstm_attr a = *(const lcl_bilstm_attr *)node->attr;
  a.n = (int32_t)s.dim[0], a.height = (int32_t)s.dim[1], a.width = (int32_t)s.dim[2];
  a.hidden = (int32_t)(s.dim[3] / 8);
  return a;
}

static lcl_status infer_grad(lcl_node *node) {
  const lcl_bilstm_attr *a = node->attr;
  node->n_out = 3 + 4 * a->init + a->pad;
  for (int i = 0; i < node->n_out; i++) node->out[i].dtype = LCL_F32;
  node->out[0].shape = LCL_SHAPE(a->n, a->height, a->width, 8 * (int64_t)a->hidden);
  for (int i = 1; i < 3; i++) node->out[i].shape = LCL_SHAPE(2, 4 * (int64_t)a->hidden, a->hidden);
  for (int i = 3; i < node->n_out; i++)
    node->out[i].shape = i < 7 ? LCL_SHAPE(a->hidden, a->height)
                               : LCL_SHAPE(8 * (int64_t)a->hidden);
  return LCL_OK;
}

static void grad(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  if (!gout[0]) return;
  const lcl_bilstm_attr a = lcl__bilstm_attr_of(node);
  lcl_tensor *g = lcl__node_new(
      node->graph, &op_bilstm_grad,
      LCL_IN(gout[0], node->in[1], node->in[2], &node->out[1], &node->out[2]), &a, 8);
  for (int i = 0; i < node->n_in; i++) gin[i] = lcl__node_out(g, i);
}

/* A cell is 2h products for each of 4h gates; backward does them once for the states and once for
 * the kernels. */
static double flops(const lcl_node *node) {
  const lcl_shape y = node->out[0].shape;
  return 2.0 * 2 * (double)lcl_shape_count(y) * 4 * 2 * (double)y.dim[3];
}

static double flops_grad(const lcl_node *node) {
  const lcl_shape gs = node->out[0].shape;
  return 2.0 * 2 * 2 * (double)lcl_shape_count(gs) * 2 * (double)gs.dim[3] / 16;
}

static const lcl_op op_bilstm = { .name = "diagonal_bilstm",
                                  .attr_size = sizeof(lcl_bilstm_attr),
                                  .infer = infer,
                                  .grad = grad,
                                  .lower = lcl__bilstm_lower_forward,
                                  .flops = flops };
static const lcl_op op_bilstm_grad = { .name = "diagonal_bilstm_grad",
                                       .attr_size = sizeof(lcl_bilstm_attr),
                                       .infer = infer_grad,
                                       .lower = lcl__bilstm_lower_backward,
                                       .flops = flops_grad,
                                       .flags = LCL_OP_FIRST_ORDER };

static lcl_status infer_margin(lcl_node *node) {
  const lcl_bilstm_attr *a = node->attr;
  for (int i = 0; i < 2; i++)
    LCL_TRY(want(node->in[i], LCL_SHAPE(2, 4 * (int64_t)a->hidden, a->hidden), "k"));
  LCL_TRY(want_beside(node, 2, a->hidden, a->height));
  node->n_out = 1;
  node->out[0].dtype = LCL_F32;
  node->out[0].shape = LCL_SHAPE(lcl__bilstm_margin_count(a));
  return LCL_OK;
}

static const lcl_op op_margin = { .name = "diagonal_bilstm_margin",
                                  .attr_size = sizeof(lcl_bilstm_attr),
                                  .infer = infer_margin,
                                  .lower = lcl__bilstm_lower_margin,
                                  .flags = LCL_OP_NO_GRAD };

/* Appends the four states to in, zeros for those that are not given, and pad; nothing if there are
 * none. Sets init, pad and freeze. */
static int add_beside(lcl_graph *g, const lcl_bilstm_state *init, lcl_shape shape, lcl_tensor **in,
                      int n, lcl_bilstm_attr *a) {
  memset(a, 0, sizeof *a);
  if (!init) return n;
  lcl_tensor *const given[] = { init->h0_left, init->c0_left, init->h0_right, init->c0_right };
  for (int i = 0; i < 4; i++) a->init |= given[i] != NULL;
  a->pad = init->pad != NULL;
  a->init |= a->pad;
  a->freeze = init->freeze;
  for (int i = 0; a->init && i < 4; i++)
    in[n++] = given[i] ? given[i] : lcl_broadcast(lcl_const(g, 0), shape);
  if (a->pad) in[n++] = init->pad;
  if (a->pad && a->freeze)
    in[n - 1] = lcl__graph_error(g, LCL_ERR_ARGUMENT, op_bilstm.name,
                                 "cells that keep their state have no pad");
  return n;
}

lcl_tensor *lcl__bilstm_margin(lcl_tensor *k_left, lcl_tensor *k_right,
                               const lcl_bilstm_state *init, int64_t height) {
  lcl_graph *g = k_left->node->graph;
  lcl_tensor *in[7] = { k_left, k_right };
  const int64_t hidden = k_left->shape.rank == 3 ? k_left->shape.dim[2] : 0;
  lcl_bilstm_attr a;
  const int n = add_beside(g, init, LCL_SHAPE(hidden, height), in, 2, &a);
  a.n = 1, a.height = (int32_t)height, a.width = 1, a.hidden = (int32_t)hidden;
  return lcl__node_new(g, &op_margin, in, n, &a, 1);
}

lcl_tensor *lcl_diagonal_bilstm_nhwc(lcl_tensor *s, lcl_tensor *k_left, lcl_tensor *k_right,
                                     const lcl_bilstm_state *init) {
  LCL_NEED_TENSORS(s, k_left, k_right);
  lcl_graph *g = s->node->graph;
  lcl_tensor *in[8] = { s, k_left, k_right };
  const lcl_shape state = s->shape.rank == 4 ? LCL_SHAPE(s->shape.dim[3] / 8, s->shape.dim[1])
                                             : LCL_SCALAR;
  lcl_bilstm_attr a;
  const int n = add_beside(g, init, state, in, 3, &a);
  return lcl__node_new(g, &op_bilstm, in, n, &a, 3);
}

lcl_tensor *lcl_diagonal_bilstm(lcl_tensor *s_left, lcl_tensor *s_right, lcl_tensor *k_left,
                                lcl_tensor *k_right, const lcl_bilstm_state *init) {
  LCL_NEED_TENSORS(s_left, s_right, k_left, k_right);
  lcl_graph *g = s_left->node->graph;
  char text[96], other[96];
  const lcl_shape a = s_left->shape, b = s_right->shape;
  if (a.rank != 4 || a.dim[1] % 4 || !lcl_shape_equal(a, b))
    return lcl__graph_error(g, LCL_ERR_SHAPE, op_bilstm.name,
                            "s_left and s_right must both be (N,4h,H,W), got %s and %s",
                            lcl_shape_string(a, text), lcl_shape_string(b, other));
  lcl_tensor *s = lcl_transpose(lcl_concat((lcl_tensor *[]) { s_left, s_right }, 2, 1),
                                (const int[]) { 0, 2, 3, 1 });
  return lcl_transpose(lcl_diagonal_bilstm_nhwc(s, k_left, k_right, init),
                       (const int[]) { 0, 3, 1, 2 });
}

void lcl_lstm_cell(lcl_tensor *p, lcl_tensor *c_prev, lcl_tensor **h, lcl_tensor **c) {
  lcl_tensor *missing = lcl__tensors_missing("lstm_cell", LCL_IN(p, c_prev));
  lcl_graph *graph = lcl_tensor_graph(missing ? missing : p);
  if (!h || !c) lcl__graph_error(graph, LCL_ERR_ARGUMENT, "lstm_cell", "NULL for a result");
  if (h) *h = lcl__graph_poison(graph);
  if (c) *c = lcl__graph_poison(graph);
  if (missing || !h || !c) return;
  char text[96], other[96];
  lcl_shape want_c = p->shape;
  if (want_c.rank >= 2) want_c.dim[1] /= 4;
  if (p->shape.rank < 2 || p->shape.dim[1] % 4 || !lcl_shape_equal(want_c, c_prev->shape)) {
    *h = *c = lcl__graph_error(
        graph, LCL_ERR_SHAPE, "lstm_cell",
        "expected pre-activations (N,4h,...) and a state (N,h,...), got %s and %s",
        lcl_shape_string(p->shape, text), lcl_shape_string(c_prev->shape, other));
    return;
  }
  lcl_tensor *gate[4];
  for (int q = 0; q < 4; q++)
    gate[q] = lcl_slice_axis(p, 1, q * want_c.dim[1], (q + 1) * want_c.dim[1]);
  *c = lcl_add(lcl_mul(lcl_sigmoid(gate[1]), c_prev),
               lcl_mul(lcl_sigmoid(gate[2]), lcl_tanh(gate[3])));
  *h = lcl_mul(lcl_sigmoid(gate[0]), lcl_tanh(*c));
}
