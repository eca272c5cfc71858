/* Reverse-mode differentiation from graph to graph: walks the nodes backwards and asks each op for
 * its gradient. */
#include "graph/graph.h"
#include "latentcl/ops.h"

/* Per-node marks and the gradient accumulated so far for every output, for nodes 0..last. */
typedef struct tape {
  bool *wanted;       /* depends on some wrt */
  bool *reached;      /* y depends on it */
  lcl_tensor ***grad; /* [node][output] */
  int n;
} tape;

static bool is_wrt(const lcl_node *node, lcl_tensor *const *wrt, int n) {
  for (int i = 0; i < n; i++)
    if (wrt[i]->node == node) return true;
  return false;
}

static void mark(tape *t, const lcl_graph *g, const lcl_tensor *y, lcl_tensor *const *wrt,
                 int n_wrt) {
  for (int i = 0; i < t->n; i++) {
    const lcl_node *node = lcl__graph_node(g, i);
    t->wanted[i] = is_wrt(node, wrt, n_wrt);
    if (node->op == &lcl__op_stop_gradient) continue;
    for (int j = 0; j < node->n_in; j++) t->wanted[i] |= t->wanted[node->in[j]->node->id];
  }
  t->reached[y->node->id] = true;
  for (int i = t->n - 1; i >= 0; i--)
    for (int j = 0; t->reached[i] && j < lcl__graph_node(g, i)->n_in; j++)
      t->reached[lcl__graph_node(g, i)->in[j]->node->id] = true;
}

static bool accumulate(lcl_graph *g, tape *t, const lcl_tensor *x, lcl_tensor *gx) {
  int id = x->node->id;
  if (!t->grad[id])
    t->grad[id] = lcl__arena_alloc(lcl__graph_arena(g),
                                   sizeof(lcl_tensor *) * (size_t)x->node->n_out);
  if (!t->grad[id]) return false;
  lcl_tensor **slot = &t->grad[id][x->index];
  *slot = *slot ? lcl_add(*slot, gx) : gx;
  return true;
}

static void node_backward(lcl_graph *g, tape *t, lcl_node *node) {
  if (!node->op->grad) {
    if (node->op->flags & LCL_OP_FIRST_ORDER)
      lcl__graph_error(g, LCL_ERR_UNSUPPORTED, node->op->name,
                       "has first derivatives only; a second one was asked for");
    return;
  }
  lcl_tensor **gin = lcl__arena_alloc(lcl__graph_arena(g),
                                      sizeof *gin * (size_t)LCL_MAX(node->n_in, 1));
  if (!gin) {
    lcl__graph_error(g, LCL_ERR_HOST_MEMORY, "gradients", "out of memory");
    return;
  }
  node->op->grad(node, t->grad[node->id], gin);
  for (int j = 0; j < node->n_in && !lcl__graph_broken(g); j++) {
    if (!gin[j] || !t->wanted[node->in[j]->node->id]) continue;
    char a[96], b[96];
    if (!lcl_shape_equal(gin[j]->shape, node->in[j]->shape))
      lcl__graph_error(g, LCL_ERR_SHAPE, node->op->name,
                       "gradient of input %d has shape %s, the input %s", j,
                       lcl_shape_string(gin[j]->shape, a), lcl_shape_string(node->in[j]->shape, b));
    else if (!accumulate(g, t, node->in[j], gin[j]))
      lcl__graph_error(g, LCL_ERR_HOST_MEMORY, "gradients", "out of memory");
  }
}

/* Whether wrt and out are there and wrt's tensors are of graph g. */
static bool check_wrt(lcl_graph *g, lcl_tensor *const *wrt, int n, lcl_tensor **out) {
  if (n < 0 || (n > 0 && (!wrt || !out)))
    lcl__graph_error(g, LCL_ERR_ARGUMENT, "gradients", "%d tensors, and NULL for wrt or out", n);
  for (int i = 0; i < n && !lcl__graph_broken(g); i++)
    if (lcl_tensor_graph(wrt[i]) != g)
      lcl__graph_error(g, LCL_ERR_ARGUMENT, "gradients", "tensor %d of wrt is %s", i,
                       wrt[i] ? "of another graph" : "NULL");
  return !lcl__graph_broken(g);
}

void lcl_vjp(lcl_tensor *y, lcl_tensor *gy, lcl_tensor *const *wrt, int n, lcl_tensor **out) {
  lcl_tensor *missing = lcl__tensors_missing("gradients", LCL_IN(y, gy));
  lcl_graph *g = missing ? missing->node->graph : y->node->graph;
  for (int i = 0; out && i < n; i++) out[i] = lcl__graph_poison(g);
  if (missing || lcl__graph_broken(g) || !check_wrt(g, wrt, n, out)) return;
  if (gy->node->graph != g) {
    lcl__graph_error(g, LCL_ERR_ARGUMENT, "gradients", "the incoming gradient is of another graph");
    return;
  }
  char a[96], b[96];
  if (!lcl_shape_equal(y->shape, gy->shape)) {
    lcl__graph_error(g, LCL_ERR_SHAPE, "gradients",
                     "the incoming gradient has shape %s, the tensor %s",
                     lcl_shape_string(gy->shape, a), lcl_shape_string(y->shape, b));
    return;
  }
  tape t = { .n = y->node->id + 1 };
  t.wanted = lcl__alloc((size_t)t.n * sizeof *t.wanted);
  t.reached = lcl__alloc((size_t)t.n * sizeof *t.reached);
  t.grad = lcl__alloc((size_t)t.n * sizeof *t.grad);
  if (t.wanted && t.reached && t.grad) {
    mark(&t, g, y, wrt, n);
    accumulate(g, &t, y, gy);
    for (int i = t.n - 1; i >= 0 && !lcl__graph_broken(g); i--)
      if (t.wanted[i] && t.reached[i] && t.grad[i]) node_backward(g, &t, lcl__graph_node(g, i));
    for (int i = 0; i < n && !lcl__graph_broken(g); i++) {
      int id = wrt[i]->node->id;
      lcl_tensor *found = id < t.n && t.grad[id] ? t.grad[id][wrt[i]->index] : NULL;
      out[i] = found ? found : lcl_broadcast(lcl_const(g, 0), wrt[i]->shape);
    }
  } else {
    lcl__graph_error(g, LCL_ERR_HOST_MEMORY, "gradients", "out of memory");
  }
  lcl__free(t.wanted);
  lcl__free(t.reached);
  lcl__free(t.grad);
}

void lcl_gradients(lcl_tensor *loss, lcl_tensor *const *wrt, int n, lcl_tensor **out) {
  lcl_graph *g = lcl_tensor_graph(loss);
  char s[96];
  if (loss && lcl_shape_count(loss->shape) != 1)
    lcl__graph_error(g, LCL_ERR_SHAPE, "gradients", "the loss must be one number, its shape is %s",
                     lcl_shape_string(loss->shape, s));
  lcl_vjp(loss, lcl_broadcast(lcl_const(g, 1), lcl_tensor_shape(loss)), wrt, n, out);
}
