/* Nodes that compute nothing: inputs, variables, constants, stop_gradient; and names for outputs.
 */
#include "graph/internal.h"

typedef struct input_attr {
  const char *name; /* its own: no two inputs are equal */
  lcl_shape shape;
  lcl_dtype dtype;
} input_attr;

static lcl_status infer_input(lcl_node *node) {
  const input_attr *a = node->attr;
  node->out[0].shape = a->shape;
  node->out[0].dtype = a->dtype;
  return LCL_OK;
}

static lcl_status infer_var(lcl_node *node) {
  const lcl_var_attr *a = node->attr;
  node->out[0].shape = a->var->shape;
  node->out[0].dtype = a->var->dtype;
  return LCL_OK;
}

static lcl_status infer_const(lcl_node *node) {
  node->out[0].shape = LCL_SCALAR;
  node->out[0].dtype = LCL_F32;
  return LCL_OK;
}

static lcl_status infer_const_data(lcl_node *node) {
  const lcl_const_data_attr *a = node->attr;
  node->out[0].shape = a->shape;
  node->out[0].dtype = a->dtype;
  return LCL_OK;
}

static lcl_status infer_same(lcl_node *node) {
  node->out[0].shape = node->in[0]->shape;
  node->out[0].dtype = node->in[0]->dtype;
  return LCL_OK;
}

const lcl_op lcl__op_input = {
  .name = "input", .attr_size = sizeof(input_attr), .infer = infer_input, .flags = LCL_OP_NO_GRAD
};
const lcl_op lcl__op_var = {
  .name = "variable", .attr_size = sizeof(lcl_var_attr), .infer = infer_var, .flags = LCL_OP_NO_GRAD
};
const lcl_op lcl__op_const = { .name = "constant",
                               .attr_size = sizeof(lcl_const_attr),
                               .infer = infer_const,
                               .flags = LCL_OP_NO_GRAD };
const lcl_op lcl__op_const_data = { .name = "constant",
                                    .attr_size = sizeof(lcl_const_data_attr),
                                    .infer = infer_const_data,
                                    .flags = LCL_OP_NO_GRAD };
const lcl_op lcl__op_stop_gradient = { .name = "stop_gradient",
                                       .infer = infer_same,
                                       .flags = LCL_OP_NO_GRAD };

lcl_var *lcl__tensor_var(const lcl_tensor *t) {
  return t->node->op == &lcl__op_var ? ((const lcl_var_attr *)t->node->attr)->var : NULL;
}

bool lcl__const_value(const lcl_tensor *t, float *value) {
  if (t->node->op != &lcl__op_const) return false;
  *value = ((const lcl_const_attr *)t->node->attr)->value;
  return true;
}

const void *lcl__const_data(const lcl_tensor *t) {
  if (t->node->op == &lcl__op_const) return &((const lcl_const_attr *)t->node->attr)->value;
  if (t->node->op != &lcl__op_const_data) return NULL;
  return ((const lcl_const_data_attr *)t->node->attr)->data;
}

lcl_tensor *lcl__view_source(lcl_tensor *t) {
  while (t->node->op->view || t->node->op == &lcl__op_stop_gradient) t = t->node->in[0];
  return t;
}

/* The first thing wrong with a leaf; NULL: nothing. */
static lcl_tensor *check_leaf(lcl_graph *g, const char *op, const void *name, lcl_dtype dtype,
                              lcl_shape shape) {
  if (!g) return lcl__graph_error(NULL, LCL_ERR_ARGUMENT, op, "the graph is NULL");
  if (lcl__graph_broken(g)) return &g->poison;
  if (!name) return lcl__graph_error(g, LCL_ERR_ARGUMENT, op, "NULL for its name or data");
  if (!*(const char *)name && strcmp(op, "constant") != 0)
    return lcl__graph_error(g, LCL_ERR_ARGUMENT, op, "its name is empty");
  lcl_status st = lcl__shape_check(shape);
  if (st == LCL_OK) st = lcl__dtype_check(dtype);
  return st == LCL_OK ? NULL : lcl__graph_error(g, st, op, "%s", lcl_error_message());
}

lcl_tensor *lcl_input(lcl_graph *g, const char *name, lcl_dtype dtype, lcl_shape shape) {
  lcl_tensor *wrong = check_leaf(g, "input", name, dtype, shape);
  if (wrong) return wrong;
  for (size_t i = 0; i < g->nodes.n; i++)
    if (g->nodes.data[i]->op == &lcl__op_input && strcmp(g->nodes.data[i]->name, name) == 0)
      return lcl__graph_error(g, LCL_ERR_ARGUMENT, "input", "the name \"%s\" is used twice", name);
  input_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.name = lcl__arena_strdup(g->arena, name);
  attr.shape = shape;
  attr.dtype = dtype;
  if (!attr.name) return lcl__graph_error(g, LCL_ERR_HOST_MEMORY, "input", "out of memory");
  lcl_tensor *t = lcl__node_new(g, &lcl__op_input, NULL, 0, &attr, 1);
  if (t->node->id >= 0) t->node->name = attr.name;
  return t;
}

static lcl_tensor *variable(lcl_graph *g, const char *name, lcl_dtype dtype, lcl_shape shape,
                            bool trainable, lcl_init init) {
  lcl_tensor *wrong = check_leaf(g, "variable", name, dtype, shape);
  if (wrong) return wrong;
  lcl_var_attr attr = { 0 };
  lcl_status st = lcl__store_var(g->store, name, dtype, shape, trainable, init, &attr.var);
  if (st != LCL_OK) return lcl__graph_error(g, st, "variable", "%s: %s", name, lcl_error_message());
  lcl_tensor *t = lcl__node_new(g, &lcl__op_var, NULL, 0, &attr, 1);
  if (t->node->id >= 0) t->node->name = attr.var->name;
  return t;
}

lcl_tensor *lcl_param(lcl_graph *g, const char *name, lcl_shape shape, lcl_init init) {
  return variable(g, name, LCL_F32, shape, true, init);
}

lcl_tensor *lcl_state(lcl_graph *g, const char *name, lcl_dtype dtype, lcl_shape shape,
                      lcl_init init) {
  return variable(g, name, dtype, shape, false, init);
}

lcl_tensor *lcl_const(lcl_graph *g, float value) {
  return lcl__node_new(g, &lcl__op_const, NULL, 0, &(lcl_const_attr) { value }, 1);
}

lcl_tensor *lcl_const_data(lcl_graph *g, lcl_dtype dtype, lcl_shape shape, const void *data) {
  lcl_tensor *wrong = check_leaf(g, "constant", data, dtype, shape);
  if (wrong) return wrong;
  lcl_const_data_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.bytes = (size_t)lcl_shape_count(shape) * lcl_dtype_size(dtype);
  attr.shape = shape;
  attr.dtype = dtype;
  /* The same data given twice is one node. */
  for (size_t i = 0; i < g->nodes.n; i++) {
    const lcl_node *node = g->nodes.data[i];
    const lcl_const_data_attr *a = node->attr;
    if (node->op == &lcl__op_const_data && a->dtype == dtype && lcl_shape_equal(a->shape, shape) &&
        memcmp(a->data, data, attr.bytes) == 0)
      return &node->out[0];
  }
  void *copy = lcl__arena_alloc(g->arena, LCL_MAX(attr.bytes, 1));
  if (!copy) return lcl__graph_error(g, LCL_ERR_HOST_MEMORY, "constant", "out of memory");
  memcpy(copy, data, attr.bytes);
  attr.data = copy;
  return lcl__node_new(g, &lcl__op_const_data, NULL, 0, &attr, 1);
}

lcl_tensor *lcl_stop_gradient(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  return lcl__node_new(lcl_tensor_graph(x), &lcl__op_stop_gradient, LCL_IN(x), NULL, 1);
}

lcl_tensor *lcl_output(lcl_tensor *t, const char *name) {
  LCL_NEED_TENSORS(t);
  lcl_graph *g = t->node->graph;
  if (lcl__graph_broken(g)) return t;
  if (!name) return lcl__graph_error(g, LCL_ERR_ARGUMENT, "output", "the name is NULL");
  if (!*name || *name == '#') /* "#0" is the first of lcl_compile_desc.fetch */
    return lcl__graph_error(g, LCL_ERR_ARGUMENT, "output",
                            "the name is empty or begins with # (\"%s\")", name);
  for (size_t i = 0; i < g->outputs.n; i++)
    if (strcmp(g->outputs.data[i]->output_name, name) == 0)
      return lcl__graph_error(g, LCL_ERR_ARGUMENT, "output", "the name \"%s\" is used twice", name);
  if (t->output_name) /* a second name for one tensor: a view of it carries the name */
    t = lcl__node_new(g, &lcl__op_stop_gradient, LCL_IN(t), NULL, 1);
  if (t->output_name)
    return lcl__graph_error(g, LCL_ERR_ARGUMENT, "output",
                            "more than two names for one tensor (\"%s\")", name);
  t->output_name = lcl__arena_strdup(g->arena, name);
  if (!t->output_name || !LCL_PUSH(&g->outputs, t))
    return lcl__graph_error(g, LCL_ERR_HOST_MEMORY, "output", "out of memory");
  return t;
}
