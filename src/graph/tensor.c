/* Tensors, nodes and graphs: building. See include/latentcl/graph.h. */
#include "graph/internal.h"
#include "latentcl/ops.h"

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

/* ---- types and shapes ---- */

size_t lcl_dtype_size(lcl_dtype dtype) {
  switch (dtype) {
  case LCL_F32:
  case LCL_I32: return 4;
  case LCL_F16: return 2;
  case LCL_U8: return 1;
  }
  return 0;
}

const char *lcl_dtype_name(lcl_dtype dtype) {
  switch (dtype) {
  case LCL_F32: return "f32";
  case LCL_I32: return "i32";
  case LCL_F16: return "f16";
  case LCL_U8: return "u8";
  }
  return "?";
}

int64_t lcl_shape_count(lcl_shape s) {
  int64_t n = 1;
  for (int i = 0; i < s.rank; i++) n *= s.dim[i];
  return n;
}

bool lcl_shape_equal(lcl_shape a, lcl_shape b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++)
    if (a.dim[i] != b.dim[i]) return false;
  return true;
}

const char *lcl_shape_string(lcl_shape s, char buf[96]) {
  size_t n = 0;
  buf[0] = 0;
  if (s.rank == 0) snprintf(buf, 96, "scalar");
  for (int i = 0; i < s.rank && n < 90; i++)
    n += (size_t)snprintf(buf + n, 96 - n, i ? "x%lld" : "%lld", (long long)s.dim[i]);
  return buf;
}

/* A shape that can be allocated: rank and sizes in range, the product fits 2^40 elements. */
static lcl_status check_shape(lcl_shape s) {
  int64_t n = 1;
  if (s.rank < 0 || s.rank > LCL_MAX_RANK)
    return lcl_fail(LCL_ERR_SHAPE, "rank %d is outside 0 to %d", s.rank, LCL_MAX_RANK);
  for (int i = 0; i < s.rank; i++) {
    if (s.dim[i] < 0)
      return lcl_fail(LCL_ERR_SHAPE, "dimension %d is %lld, below zero", i, (long long)s.dim[i]);
    if (s.dim[i] && n > (INT64_C(1) << 40) / s.dim[i])
      return lcl_fail(LCL_ERR_SHAPE, "the product of the dimensions is too large");
    n *= s.dim[i];
  }
  return LCL_OK;
}

lcl_shape lcl_tensor_shape(const lcl_tensor *t) {
  return t->shape;
}
lcl_dtype lcl_tensor_dtype(const lcl_tensor *t) {
  return t->dtype;
}
lcl_graph *lcl_tensor_graph(const lcl_tensor *t) {
  return t->node->graph;
}

/* ---- graph ---- */

lcl_status lcl_graph_create(lcl_store *store, const char *name, lcl_graph **out) {
  *out = NULL;
  if (!store || !name)
    return lcl_fail(LCL_ERR_ARGUMENT, "lcl_graph_create needs a store and a name");
  lcl_graph *g = lcl_alloc(sizeof *g);
  if (!g) return LCL_ERR_HOST_MEMORY;
  g->store = store;
  g->arena = lcl_arena_create();
  g->name = g->arena ? lcl_arena_strdup(g->arena, name) : NULL;
  g->harmless_node.graph = g;
  g->harmless_node.op = &lcl_op_input;
  g->harmless_node.id = -1;
  g->harmless_node.n_out = 1;
  g->harmless_node.out = &g->harmless;
  g->harmless.node = &g->harmless_node;
  if (!g->name) {
    lcl_graph_destroy(g);
    return LCL_ERR_HOST_MEMORY;
  }
  *out = g;
  return LCL_OK;
}

void lcl_graph_destroy(lcl_graph *g) {
  if (!g) return;
  lcl_free(g->nodes.data);
  lcl_free(g->outputs.data);
  lcl_free(g->table);
  if (g->arena) lcl_arena_destroy(g->arena);
  lcl_free(g->message);
  lcl_free(g);
}

lcl_status lcl_graph_status(const lcl_graph *g) {
  return g->status == LCL_OK ? LCL_OK
                             : lcl_fail(g->status, "%s", g->message ? g->message : "out of memory");
}

bool lcl_graph_broken(const lcl_graph *g) {
  return g->status != LCL_OK;
}
lcl_arena *lcl_graph_arena(lcl_graph *g) {
  return g->arena;
}
int lcl_graph_random_stream(lcl_graph *g) {
  return g->n_random++;
}
lcl_store *lcl_graph_store(lcl_graph *g) {
  return g->store;
}

lcl_tensor *lcl_graph_mistake(lcl_graph *g, lcl_status status, const char *op, const char *fmt,
                              ...) {
  if (g->status == LCL_OK) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    lcl_fail(status, "%s: %s", op, text);
    g->status = status;
    g->message = lcl_strdup(lcl_error_message());
  }
  return &g->harmless;
}

/* ---- nodes ---- */

static uint64_t node_hash(const lcl_op *op, lcl_tensor *const *in, int n_in, const void *attr) {
  XXH64_state_t s;
  XXH64_reset(&s, (uint64_t)(uintptr_t)op);
  XXH64_update(&s, in, sizeof *in * (size_t)n_in);
  if (op->attr_size) XXH64_update(&s, attr, op->attr_size);
  return XXH64_digest(&s);
}

static bool node_same(const lcl_node *node, const lcl_op *op, lcl_tensor *const *in, int n_in,
                      const void *attr) {
  return node->op == op && node->n_in == n_in &&
         (n_in == 0 || memcmp(node->in, in, sizeof *in * (size_t)n_in) == 0) &&
         (op->attr_size == 0 || memcmp(node->attr, attr, op->attr_size) == 0);
}

static bool table_reserve(lcl_graph *g) {
  if (g->nodes.n * 2 + 2 <= g->table_cap) return true;
  size_t cap = g->table_cap ? g->table_cap * 2 : 256;
  lcl_node **table = lcl_alloc(cap * sizeof *table);
  if (!table) return false;
  for (size_t i = 0; i < g->table_cap; i++) {
    lcl_node *node = g->table[i];
    if (!node) continue;
    size_t h = node_hash(node->op, node->in, node->n_in, node->attr) & (cap - 1);
    while (table[h]) h = (h + 1) & (cap - 1);
    table[h] = node;
  }
  lcl_free(g->table);
  g->table = table;
  g->table_cap = cap;
  return true;
}

/* Where an equal node is, or where a new one goes. */
static lcl_node **table_find(lcl_graph *g, const lcl_op *op, lcl_tensor *const *in, int n_in,
                             const void *attr) {
  size_t h = node_hash(op, in, n_in, attr) & (g->table_cap - 1);
  while (g->table[h] && !node_same(g->table[h], op, in, n_in, attr))
    h = (h + 1) & (g->table_cap - 1);
  return &g->table[h];
}

const char *lcl_node_name(const lcl_node *node) {
  return node->op->title ? node->op->title(node) : node->op->name;
}

lcl_tensor *lcl_node_new(lcl_graph *g, const lcl_op *op, lcl_tensor *const *in, int n_in,
                         const void *attr, int max_out) {
  if (g->status != LCL_OK) return &g->harmless;
  for (int i = 0; i < n_in; i++) {
    if (!in[i]) return lcl_graph_mistake(g, LCL_ERR_ARGUMENT, op->name, "input %d is missing", i);
    if (in[i]->node->graph != g)
      return lcl_graph_mistake(g, LCL_ERR_ARGUMENT, op->name, "input %d belongs to another graph",
                               i);
  }
  /* Equal pure nodes are one node: this is the common-subexpression elimination. */
  bool pure = !(op->flags & (LCL_OP_UPDATE | LCL_OP_RANDOM)) && op != &lcl_op_input;
  if (!table_reserve(g))
    return lcl_graph_mistake(g, LCL_ERR_HOST_MEMORY, op->name, "out of memory");
  lcl_node **place = pure ? table_find(g, op, in, n_in, attr) : NULL;
  if (place && *place) return &(*place)->out[0];

  lcl_node *node = lcl_arena_alloc(g->arena, sizeof *node);
  lcl_tensor **inputs = lcl_arena_alloc(g->arena, sizeof *inputs * (size_t)LCL_MAX(n_in, 1));
  lcl_tensor *outputs = lcl_arena_alloc(g->arena, sizeof *outputs * (size_t)LCL_MAX(max_out, 1));
  void *copy = lcl_arena_alloc(g->arena, LCL_MAX(op->attr_size, 1));
  if (!node || !inputs || !outputs || !copy)
    return lcl_graph_mistake(g, LCL_ERR_HOST_MEMORY, op->name, "out of memory");
  if (n_in) memcpy(inputs, in, sizeof *inputs * (size_t)n_in);
  if (op->attr_size) memcpy(copy, attr, op->attr_size);
  *node = (lcl_node) { .op = op,
                       .graph = g,
                       .id = (int)g->nodes.n,
                       .n_in = n_in,
                       .n_out = LCL_MAX(max_out, 1),
                       .in = inputs,
                       .out = outputs,
                       .attr = copy };
  for (int i = 0; i < max_out; i++) {
    outputs[i].node = node;
    outputs[i].index = i;
  }
  lcl_status st = op->infer ? op->infer(node) : LCL_OK;
  for (int i = 0; st == LCL_OK && i < node->n_out; i++) st = check_shape(outputs[i].shape);
  if (st != LCL_OK) return lcl_graph_mistake(g, st, lcl_node_name(node), "%s", lcl_error_message());
  if (!LCL_PUSH(&g->nodes, node))
    return lcl_graph_mistake(g, LCL_ERR_HOST_MEMORY, op->name, "out of memory");
  if (place) *place = node;
  return &outputs[0];
}

lcl_tensor *lcl_node_out(lcl_tensor *any_output, int index) {
  lcl_node *node = any_output->node;
  return node->id < 0 ? any_output : &node->out[index];
}

/* ---- leaves ---- */

typedef struct input_attr {
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

const lcl_op lcl_op_input = {
  .name = "input", .attr_size = sizeof(input_attr), .infer = infer_input, .flags = LCL_OP_NO_GRAD
};
const lcl_op lcl_op_var = {
  .name = "variable", .attr_size = sizeof(lcl_var_attr), .infer = infer_var, .flags = LCL_OP_NO_GRAD
};
const lcl_op lcl_op_const = { .name = "constant",
                              .attr_size = sizeof(lcl_const_attr),
                              .infer = infer_const,
                              .flags = LCL_OP_NO_GRAD };
const lcl_op lcl_op_const_data = { .name = "constant",
                                   .attr_size = sizeof(lcl_const_data_attr),
                                   .infer = infer_const_data,
                                   .flags = LCL_OP_NO_GRAD };
const lcl_op lcl_op_stop_gradient = { .name = "stop_gradient",
                                      .infer = infer_same,
                                      .flags = LCL_OP_NO_GRAD };

lcl_tensor *lcl_input(lcl_graph *g, const char *name, lcl_dtype dtype, lcl_shape shape) {
  for (size_t i = 0; i < g->nodes.n; i++)
    if (g->nodes.data[i]->op == &lcl_op_input && strcmp(g->nodes.data[i]->name, name) == 0)
      return lcl_graph_mistake(g, LCL_ERR_ARGUMENT, "input", "the name \"%s\" is used twice", name);
  input_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.shape = shape;
  attr.dtype = dtype;
  lcl_tensor *t = lcl_node_new(g, &lcl_op_input, NULL, 0, &attr, 1);
  if (t->node->id >= 0) t->node->name = lcl_arena_strdup(g->arena, name);
  return t;
}

static lcl_tensor *variable(lcl_graph *g, const char *name, lcl_dtype dtype, lcl_shape shape,
                            bool trainable, lcl_init init) {
  if (lcl_graph_broken(g)) return &g->harmless;
  lcl_var_attr attr = { 0 };
  lcl_status st = check_shape(shape);
  if (st == LCL_OK) st = lcl_store_var(g->store, name, dtype, shape, trainable, init, &attr.var);
  if (st != LCL_OK)
    return lcl_graph_mistake(g, st, "variable", "%s: %s", name, lcl_error_message());
  lcl_tensor *t = lcl_node_new(g, &lcl_op_var, NULL, 0, &attr, 1);
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
  return lcl_node_new(g, &lcl_op_const, NULL, 0, &(lcl_const_attr) { value }, 1);
}

lcl_tensor *lcl_const_data(lcl_graph *g, lcl_dtype dtype, lcl_shape shape, const void *data) {
  if (lcl_graph_broken(g)) return &g->harmless;
  if (check_shape(shape) != LCL_OK)
    return lcl_graph_mistake(g, LCL_ERR_SHAPE, "constant", "%s", lcl_error_message());
  lcl_const_data_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.bytes = (size_t)lcl_shape_count(shape) * lcl_dtype_size(dtype);
  attr.shape = shape;
  attr.dtype = dtype;
  /* The same data given twice is one node. */
  for (size_t i = 0; i < g->nodes.n; i++) {
    const lcl_node *node = g->nodes.data[i];
    const lcl_const_data_attr *a = node->attr;
    if (node->op == &lcl_op_const_data && a->dtype == dtype && lcl_shape_equal(a->shape, shape) &&
        memcmp(a->data, data, attr.bytes) == 0)
      return &node->out[0];
  }
  void *copy = lcl_arena_alloc(g->arena, LCL_MAX(attr.bytes, 1));
  if (!copy) return lcl_graph_mistake(g, LCL_ERR_HOST_MEMORY, "constant", "out of memory");
  memcpy(copy, data, attr.bytes);
  attr.data = copy;
  return lcl_node_new(g, &lcl_op_const_data, NULL, 0, &attr, 1);
}

lcl_tensor *lcl_stop_gradient(lcl_tensor *x) {
  return lcl_node_new(lcl_tensor_graph(x), &lcl_op_stop_gradient, LCL_IN(x), NULL, 1);
}

lcl_tensor *lcl_output(lcl_tensor *t, const char *name) {
  lcl_graph *g = t->node->graph;
  if (lcl_graph_broken(g)) return t;
  for (size_t i = 0; i < g->outputs.n; i++)
    if (strcmp(g->outputs.data[i]->output_name, name) == 0)
      return lcl_graph_mistake(g, LCL_ERR_ARGUMENT, "output", "the name \"%s\" is used twice",
                               name);
  if (t->output_name) /* a second name for one tensor: a view of it carries the name */
    t = lcl_node_new(g, &lcl_op_stop_gradient, LCL_IN(t), NULL, 1);
  if (t->output_name)
    return lcl_graph_mistake(g, LCL_ERR_ARGUMENT, "output",
                             "more than two names for one tensor (\"%s\")", name);
  t->output_name = lcl_arena_strdup(g->arena, name);
  if (!t->output_name || !LCL_PUSH(&g->outputs, t))
    return lcl_graph_mistake(g, LCL_ERR_HOST_MEMORY, "output", "out of memory");
  return t;
}
