/* Graphs and their nodes: building. See include/latentcl/graph.h. */
#include "graph/internal.h"

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

/* The graph of what is in no graph: every call on it is an error. */
static lcl_graph nowhere = { .status = LCL_ERR_ARGUMENT,
                             .poison = { .node = &nowhere.poison_node },
                             .poison_node = { .op = &lcl__op_input,
                                              .graph = &nowhere,
                                              .id = -1,
                                              .n_out = 1,
                                              .out = &nowhere.poison } };

lcl_shape lcl_tensor_shape(const lcl_tensor *t) {
  return t ? t->shape : LCL_SCALAR;
}
lcl_dtype lcl_tensor_dtype(const lcl_tensor *t) {
  return t ? t->dtype : LCL_F32;
}
lcl_graph *lcl_tensor_graph(const lcl_tensor *t) {
  return t ? t->node->graph : &nowhere;
}

/* ---- graph ---- */

static const lcl_op op_poison = { .name = "poison", .flags = LCL_OP_NO_GRAD };

lcl_status lcl_graph_create(lcl_store *store, const char *name, lcl_graph **out) {
  LCL_NEED(store, name, out);
  *out = NULL;
  lcl_graph *g = lcl__alloc(sizeof *g);
  if (!g) return LCL_ERR_HOST_MEMORY;
  g->store = lcl__store_retain(store);
  g->arena = lcl__arena_create();
  g->name = g->arena ? lcl__arena_strdup(g->arena, name) : NULL;
  g->poison_node.graph = g;
  g->poison_node.op = &op_poison;
  g->poison_node.id = -1;
  g->poison_node.n_out = 1;
  g->poison_node.out = &g->poison;
  g->poison.node = &g->poison_node;
  if (!g->name) {
    lcl_graph_destroy(g);
    return LCL_ERR_HOST_MEMORY;
  }
  *out = g;
  return LCL_OK;
}

void lcl_graph_destroy(lcl_graph *g) {
  if (!g) return;
  lcl__free(g->nodes.data);
  lcl__free(g->outputs.data);
  lcl__free(g->table);
  if (g->arena) lcl__arena_destroy(g->arena);
  lcl__free(g->message);
  lcl_store_destroy(g->store);
  lcl__free(g);
}

lcl_status lcl_graph_status(const lcl_graph *g) {
  LCL_NEED(g);
  return g->status == LCL_OK
             ? LCL_OK
             : lcl__fail(g->status, "%s", g->message ? g->message : "out of memory");
}

lcl_status lcl_graph_precision(lcl_graph *g, lcl_dtype precision) {
  LCL_NEED(g);
  if (precision != LCL_F32 && precision != LCL_F16)
    return lcl__fail(LCL_ERR_ARGUMENT, "graph_precision: expects LCL_F32 or LCL_F16, not %d",
                     (int)precision);
  g->precision = precision;
  return LCL_OK;
}

lcl_dtype lcl__graph_precision(const lcl_graph *g) {
  return g->precision;
}

bool lcl__graph_broken(const lcl_graph *g) {
  return g->status != LCL_OK;
}
lcl_arena *lcl__graph_arena(lcl_graph *g) {
  return g->arena;
}
int lcl__graph_random_stream(lcl_graph *g) {
  return g->status == LCL_OK ? g->n_random++ : 0;
}
lcl_store *lcl__graph_store(lcl_graph *g) {
  return g->store;
}
lcl_tensor *lcl__graph_poison(lcl_graph *g) {
  return &g->poison;
}
const char *lcl__graph_name(const lcl_graph *g) {
  return g->name;
}
int lcl__graph_node_count(const lcl_graph *g) {
  return (int)g->nodes.n;
}
lcl_node *lcl__graph_node(const lcl_graph *g, int id) {
  return g->nodes.data[id];
}

lcl_tensor *lcl__graph_error(lcl_graph *g, lcl_status status, const char *op, const char *fmt,
                             ...) {
  if (!g) g = &nowhere;
  if (g->status == LCL_OK || g == &nowhere) {
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    lcl__fail(status, "%s: %s", op, text);
  }
  if (g->status == LCL_OK) {
    g->status = status;
    g->message = lcl__strdup(lcl_error_message());
  }
  return &g->poison;
}

lcl_tensor *lcl__tensors_missing(const char *function, lcl_tensor *const *tensors, int n) {
  lcl_graph *g = NULL;
  int missing = -1;
  for (int i = 0; i < n; i++) {
    if (!tensors[i])
      missing = i;
    else if (!g || g == &nowhere)
      g = tensors[i]->node->graph;
  }
  if (missing < 0) return NULL;
  return lcl__graph_error(g, LCL_ERR_ARGUMENT, function, "tensor %d is NULL", missing);
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
  lcl_node **table = lcl__alloc(cap * sizeof *table);
  if (!table) return false;
  for (size_t i = 0; i < g->table_cap; i++) {
    lcl_node *node = g->table[i];
    if (!node) continue;
    size_t h = node_hash(node->op, node->in, node->n_in, node->attr) & (cap - 1);
    while (table[h]) h = (h + 1) & (cap - 1);
    table[h] = node;
  }
  lcl__free(g->table);
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

const char *lcl__node_name(const lcl_node *node) {
  return node->op->title ? node->op->title(node) : node->op->name;
}

lcl_tensor *lcl__node_new(lcl_graph *g, const lcl_op *op, lcl_tensor *const *in, int n_in,
                          const void *attr, int max_out) {
  if (!g) return lcl__graph_error(NULL, LCL_ERR_ARGUMENT, op->name, "the graph is NULL");
  /* Of no graph: the error is that of the graph of another input. */
  for (int i = 0; g == &nowhere && i < n_in; i++)
    if (in[i]) g = in[i]->node->graph;
  if (g->status != LCL_OK) return &g->poison;
  for (int i = 0; i < n_in; i++) {
    if (!in[i]) return lcl__graph_error(g, LCL_ERR_ARGUMENT, op->name, "input %d is missing", i);
    if (in[i]->node->graph != g)
      return lcl__graph_error(g, LCL_ERR_ARGUMENT, op->name,
                              in[i]->node->graph == &nowhere
                                  ? "input %d comes of a call that got NULL"
                                  : "input %d belongs to another graph",
                              i);
  }
  /* Equal pure nodes are one node: this is the common-subexpression elimination. */
  bool pure = !(op->flags & (LCL_OP_UPDATE | LCL_OP_RANDOM));
  if (!table_reserve(g)) return lcl__graph_error(g, LCL_ERR_HOST_MEMORY, op->name, "out of memory");
  lcl_node **place = pure ? table_find(g, op, in, n_in, attr) : NULL;
  if (place && *place) return &(*place)->out[0];

  lcl_node *node = lcl__arena_alloc(g->arena, sizeof *node);
  lcl_tensor **inputs = lcl__arena_alloc(g->arena, sizeof *inputs * (size_t)LCL_MAX(n_in, 1));
  lcl_tensor *outputs = lcl__arena_alloc(g->arena, sizeof *outputs * (size_t)LCL_MAX(max_out, 1));
  void *copy = lcl__arena_alloc(g->arena, LCL_MAX(op->attr_size, 1));
  if (!node || !inputs || !outputs || !copy)
    return lcl__graph_error(g, LCL_ERR_HOST_MEMORY, op->name, "out of memory");
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
  for (int i = 0; st == LCL_OK && i < node->n_out; i++) {
    st = lcl__shape_check(outputs[i].shape);
    if (st == LCL_OK) st = lcl__dtype_check(outputs[i].dtype);
  }
  if (st != LCL_OK) return lcl__graph_error(g, st, lcl__node_name(node), "%s", lcl_error_message());
  if (!LCL_PUSH(&g->nodes, node))
    return lcl__graph_error(g, LCL_ERR_HOST_MEMORY, op->name, "out of memory");
  if (place) *place = node;
  return &outputs[0];
}

lcl_tensor *lcl__node_out(lcl_tensor *any_output, int index) {
  lcl_node *node = any_output->node; /* of a poison tensor every output is that */
  return node->id < 0 ? any_output : &node->out[index];
}
