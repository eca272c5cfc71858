/* The layers of a network by name, found in its evaluation graph.
 *
 * A layer is named by its variables: what the last op that reads enc.fc1.weight, enc.fc1.bias, ...
 * gives is "enc.fc1". What is computed of it on the way to another layer or to the features is
 * named after it and the op: "enc.fc1.relu". A name that comes again is "enc.fc1.2". */
#include "train/layers.h"

#include "base/text.h"
#include "graph/graph.h"

/* What is known of a node. */
typedef struct trace {
  bool data;       /* depends on the image */
  const char *var; /* else: the variable that it is computed of, or NULL */
  int layer;       /* the layer that it is part of, or follows; -1: none */
  bool after;      /* it follows */
  bool reached;    /* another layer, or the features, are computed of it */
} trace;

typedef struct search {
  lcl_graph *g;
  const lcl_build *b;
  trace *node; /* by id */
  struct {
    char prefix[LCL_LAYER_NAME], name[LCL_LAYER_NAME];
    int node; /* the last op that reads its variables */
  } * layer;
  int n_layers, n_nodes;
  lcl_layers *out;
} search;

static bool is_view(const lcl_node *node) {
  return node->op->view || node->op == &lcl__op_stop_gradient;
}

/* "enc.fc1" of enc.fc1.weight. */
static void prefix_of(const char *variable, char prefix[LCL_LAYER_NAME]) {
  const char *dot = strrchr(variable, '.');
  lcl__snprintf(prefix, LCL_LAYER_NAME, "%.*s", dot ? (int)(dot - variable) : (int)strlen(variable),
                variable);
}

/* The newest of the inputs that depend on the image; NULL: none belongs to a layer. */
static const trace *parent_of(const search *s, const lcl_node *node) {
  const lcl_node *newest = NULL;
  for (int k = 0; k < node->n_in; k++) {
    const lcl_node *in = node->in[k]->node;
    if (s->node[in->id].data && s->node[in->id].layer >= 0 && (!newest || in->id > newest->id))
      newest = in;
  }
  return newest ? &s->node[newest->id] : NULL;
}

static void unique_layer(search *s, int layer) {
  int same = 1;
  for (int i = 0; i < layer; i++) same += strcmp(s->layer[i].prefix, s->layer[layer].prefix) == 0;
  if (same == 1)
    lcl__snprintf(s->layer[layer].name, LCL_LAYER_NAME, "%s", s->layer[layer].prefix);
  else
    lcl__snprintf(s->layer[layer].name, LCL_LAYER_NAME, "%.80s.%d", s->layer[layer].prefix, same);
}

/* A node that reads a variable: one more op of the layer that it continues, or a new layer. */
static void join_layer(search *s, const lcl_node *node, const char *variable, const trace *parent) {
  char prefix[LCL_LAYER_NAME];
  trace *t = &s->node[node->id];
  prefix_of(variable, prefix);
  const bool goes_on = parent && !parent->after &&
                       strcmp(s->layer[parent->layer].prefix, prefix) == 0;
  t->layer = goes_on ? parent->layer : s->n_layers++;
  if (!goes_on) {
    lcl__snprintf(s->layer[t->layer].prefix, LCL_LAYER_NAME, "%s", prefix);
    unique_layer(s, t->layer);
  }
  s->layer[t->layer].node = node->id;
}

static void trace_node(search *s, const lcl_node *node) {
  trace *t = &s->node[node->id];
  const char *variable = lcl__tensor_var(&node->out[0]) ? node->name : NULL;
  t->layer = -1;
  t->data = s->b->image && node == s->b->image->node;
  for (int k = 0; k < node->n_in; k++) {
    const trace *in = &s->node[node->in[k]->node->id];
    t->data |= in->data;
    if (!in->data && !variable) variable = in->var;
  }
  if (!t->data) {
    t->var = variable;
    return;
  }
  const trace *parent = parent_of(s, node);
  if (variable) {
    join_layer(s, node, variable, parent);
  } else if (parent) {
    t->layer = parent->layer;
    t->after = parent->after || !is_view(node);
  }
}

/* Marks what layers and features are computed of. */
static void reach(search *s) {
  for (int i = 0; i < s->n_layers; i++) s->node[s->layer[i].node].reached = true;
  if (s->b->features) s->node[s->b->features->node->id].reached = true;
  for (int id = s->n_nodes - 1; id >= 0; id--) {
    const lcl_node *node = lcl__graph_node(s->g, id);
    for (int k = 0; s->node[id].reached && k < node->n_in; k++)
      s->node[node->in[k]->node->id].reached = true;
  }
}

/* The shape of one example where the first axis, but for those of one element, is the batch. */
static bool row_shape(const lcl_tensor *t, int64_t batch, lcl_shape *row) {
  int first = 0;
  while (first < t->shape.rank && t->shape.dim[first] == 1) first++;
  if (t->dtype != LCL_F32 || first == t->shape.rank || t->shape.dim[first] != batch) return false;
  *row = (lcl_shape) { .rank = t->shape.rank - first - 1 };
  for (int d = 0; d < row->rank; d++) row->dim[d] = t->shape.dim[first + 1 + d];
  return true;
}

/* The node's value, or the first view of it, that has one row an example; NULL: there is none. */
static lcl_tensor *with_rows(const search *s, lcl_node *node, lcl_shape *row) {
  if (row_shape(&node->out[0], s->b->batch, row)) return &node->out[0];
  for (int id = node->id + 1; id < s->n_nodes; id++) {
    lcl_tensor *view = &lcl__graph_node(s->g, id)->out[0];
    if (is_view(view->node) && lcl__view_source(view) == &node->out[0] &&
        lcl_shape_count(view->shape) == lcl_shape_count(node->out[0].shape) &&
        row_shape(view, s->b->batch, row))
      return view;
  }
  return NULL;
}

static lcl_status add(search *s, const char *name, lcl_node *node) {
  lcl_layers *all = s->out;
  lcl_shape row;
  lcl_layer *l = &all->at[all->n];
  lcl_tensor *t = with_rows(s, node, &row);
  int same = 1;
  for (size_t i = 0; i < all->n_named; i++) same += strcmp(all->named[i], name) == 0;
  lcl__snprintf(all->named[all->n_named++], LCL_LAYER_NAME, "%s", name);
  if (!t) return LCL_OK;
  *l = (lcl_layer) { .shape = row };
  lcl__snprintf(l->name, sizeof l->name, same > 1 ? "%.80s.%d" : "%s", name, same);
  l->features = s->b->features && lcl__view_source(s->b->features) == lcl__view_source(t);
  all->tensor[all->n++] = t;
  return LCL_OK;
}

/* In the order of computation. */
static lcl_status list(search *s) {
  lcl_layers *all = s->out;
  const size_t room = (size_t)s->n_nodes + 1;
  all->at = lcl__alloc(room * sizeof *all->at);
  all->tensor = lcl__alloc(room * sizeof *all->tensor);
  all->named = lcl__alloc(room * sizeof *all->named);
  if (!all->at || !all->tensor || !all->named) return LCL_ERR_HOST_MEMORY;
  for (int id = 0; id < s->n_nodes; id++) {
    lcl_node *node = lcl__graph_node(s->g, id);
    const trace *t = &s->node[id];
    char name[LCL_LAYER_NAME];
    if (!t->data || t->layer < 0) continue;
    if (s->layer[t->layer].node == id)
      LCL_TRY(add(s, s->layer[t->layer].name, node));
    else if (t->after && t->reached && !is_view(node)) {
      lcl__snprintf(name, sizeof name, "%.70s.%s", s->layer[t->layer].name, lcl__node_name(node));
      LCL_TRY(add(s, name, node));
    }
  }
  return LCL_OK;
}

lcl_status lcl__layers_find(const lcl_build *b, lcl_layers *out) {
  search s = { .g = b->graph, .b = b, .out = out, .n_nodes = lcl__graph_node_count(b->graph) };
  memset(out, 0, sizeof *out);
  const size_t room = (size_t)s.n_nodes + 1;
  s.node = lcl__alloc(room * sizeof *s.node);
  s.layer = lcl__alloc(room * sizeof *s.layer);
  lcl_status st = s.node && s.layer ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (int id = 0; st == LCL_OK && id < s.n_nodes; id++) trace_node(&s, lcl__graph_node(s.g, id));
  if (st == LCL_OK) {
    reach(&s);
    st = list(&s);
  }
  lcl__free(s.node);
  lcl__free(s.layer);
  if (st != LCL_OK) lcl__layers_free(out);
  return st;
}

void lcl__layers_free(lcl_layers *l) {
  lcl__free(l->at);
  lcl__free(l->tensor);
  lcl__free(l->named);
  memset(l, 0, sizeof *l);
}

static lcl_status unknown(const lcl_session *s, const lcl_layers *l, const char *name) {
  lcl_nearest nearest = { .typed = name };
  char hint[96];
  for (size_t i = 0; i < l->n; i++) lcl__nearest_try(&nearest, l->at[i].name);
  return lcl__fail(LCL_ERR_ARGUMENT,
                   "%s has no layer \"%s\"%s; `latentcl encode RUN --layers` lists them",
                   s->cls->name, name, lcl__nearest_hint(&nearest, "", hint));
}

/* The layers of a graph with this many examples, which is not compiled. */
static lcl_status build_and_find(lcl_session *s, int64_t batch, lcl_layers *out) {
  lcl_graph *g;
  lcl_build b;
  LCL_TRY(lcl_graph_create(s->store, "eval", &g));
  lcl_status st = lcl__build_init(&b, s->model, g, LCL_MODE_EVAL, batch, 0);
  if (st == LCL_OK) st = lcl__layers_find(&b, out);
  lcl_graph_destroy(g); /* its tensors too */
  if (st == LCL_OK) {
    lcl__free(out->tensor);
    out->tensor = NULL;
  }
  return st;
}

/* An axis that is as long as the batch by chance is not with a batch of another size. */
lcl_status lcl__session_layers(lcl_session *s, lcl_layers *out) {
  lcl_layers other;
  LCL_TRY(build_and_find(s, 251, out));
  lcl_status st = build_and_find(s, 257, &other);
  if (st != LCL_OK) {
    lcl__layers_free(out);
    return st;
  }
  size_t kept = 0;
  for (size_t i = 0, k = 0; i < out->n; i++) {
    while (k < other.n && strcmp(other.at[k].name, out->at[i].name) != 0) k++;
    if (k == other.n)
      k = 0;
    else if (lcl_shape_equal(other.at[k].shape, out->at[i].shape))
      out->at[kept++] = out->at[i];
  }
  out->n = kept;
  lcl__layers_free(&other);
  return LCL_OK;
}

lcl_status lcl__session_layer(lcl_session *s, const lcl_build *b, const char *name,
                              lcl_tensor **out, lcl_shape *row) {
  lcl_layers all, here;
  bool known = false;
  *out = NULL;
  LCL_TRY(lcl__session_layers(s, &all));
  for (size_t i = 0; i < all.n; i++) known |= strcmp(all.at[i].name, name) == 0;
  lcl_status st = known ? lcl__layers_find(b, &here) : unknown(s, &all, name);
  if (st == LCL_OK) {
    for (size_t i = 0; i < here.n; i++)
      if (strcmp(here.at[i].name, name) == 0) *out = here.tensor[i], *row = here.at[i].shape;
    lcl__layers_free(&here);
  }
  lcl__layers_free(&all);
  return st == LCL_OK && !*out ? lcl__fail(LCL_ERR_UNSUPPORTED, "layer \"%s\" has no rows", name)
                               : st;
}
