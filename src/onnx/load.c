/* A file into a graph: its inputs, weights and nodes in the file's order, its outputs. */
#include "base/text.h"
#include "graph/graph.h"
#include "onnx/internal.h"

/* Values by name: open addressing, at most half full. */
typedef struct values {
  onnx_value **slot;
  size_t size, n;
} values;

struct onnx_loader {
  lcl_graph *g;
  lcl_store *store;
  lcl_arena *arena;
  const lcl_onnx_desc *desc;
  const onnx_graph *graph;
  const char *folder; /* NULL: no external data */
  int64_t opset;
  values values;
  bool *dim_used, *shape_used;
  lcl_str assumed;
  lcl_onnx_model *model;
  struct { /* weights that are variables, set when all are there */
    const onnx_value **data;
    size_t n, cap;
  } variables;
};

struct lcl_onnx_model {
  lcl_arena *arena;
  lcl_onnx_value *in, *out;
  size_t n_in, n_out;
  char *assumed;
};

const char *lcl__onnx_folder(const onnx_loader *l) {
  return l->folder;
}

/* ---- values by name ---- */

static size_t hash(const char *name) {
  uint64_t h = 14695981039346656037u;
  for (; *name; name++) h = (h ^ (uint8_t)*name) * 1099511628211u;
  return (size_t)(h ^ h >> 32);
}

static onnx_value **place(const values *v, const char *name) {
  size_t i = hash(name) & (v->size - 1);
  while (v->slot[i] && strcmp(v->slot[i]->name, name) != 0) i = (i + 1) & (v->size - 1);
  return &v->slot[i];
}

static lcl_status open_values(onnx_loader *l) {
  const onnx_graph *g = l->graph;
  size_t most = g->n_input + g->n_initializer;
  for (size_t i = 0; i < g->n_node; i++) most += g->node[i]->n_output;
  for (l->values.size = 16; l->values.size < 2 * most + 2;) l->values.size *= 2;
  l->values.slot = lcl__arena_alloc(l->arena, l->values.size * sizeof *l->values.slot);
  return l->values.slot ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* A new value; LCL_ERR_FORMAT where the name is taken. */
static lcl_status add(onnx_loader *l, const char *name, onnx_value **out) {
  onnx_value **at = place(&l->values, name);
  if (*at) return lcl__fail(LCL_ERR_FORMAT, "the name \"%s\" is given to two values", name);
  *out = lcl__arena_alloc(l->arena, sizeof **out);
  if (!*out) return LCL_ERR_HOST_MEMORY;
  (*out)->name = name;
  *at = *out;
  return LCL_OK;
}

/* ---- weights ---- */

lcl_tensor *lcl__onnx_variable(onnx_loader *l, const onnx_value *v) {
  lcl_str name = { 0 };
  lcl__str_add(&name, "%s%s", l->desc->prefix ? l->desc->prefix : "", v->name);
  lcl_tensor *t = lcl__str_ok(&name) && LCL_PUSH(&l->variables, v)
                      ? lcl_param(l->g, name.data, v->shape, (lcl_init) { 0 })
                      : NULL;
  lcl__str_free(&name);
  return t ? t : lcl_const(l->g, 0);
}

/* The variables' values, once nothing can fail any more. */
static lcl_status set_variables(onnx_loader *l) {
  lcl_status st = LCL_OK;
  for (size_t i = 0; st == LCL_OK && i < l->variables.n; i++) {
    const onnx_value *v = l->variables.data[i];
    lcl_str name = { 0 };
    lcl__str_add(&name, "%s%s", l->desc->prefix ? l->desc->prefix : "", v->name);
    st = lcl__str_ok(&name) ? lcl_store_write(l->store, name.data, v->floats,
                                              (size_t)lcl_shape_count(v->shape) * sizeof(float))
                            : LCL_ERR_HOST_MEMORY;
    lcl__str_free(&name);
  }
  return st;
}

static lcl_status add_weights(onnx_loader *l) {
  const onnx_graph *g = l->graph;
  if (g->n_sparse_initializer)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "the graph has sparse initialisers, which LatentCL does "
                                          "not read");
  for (size_t i = 0; i < g->n_initializer; i++) {
    const onnx_tensor *t = g->initializer[i];
    onnx_value *v = NULL;
    if (!t->name || !*t->name) return lcl__fail(LCL_ERR_FORMAT, "initialiser %zu has no name", i);
    LCL_TRY(add(l, t->name, &v));
    lcl_status st = lcl__onnx_decode(l->arena, t, l->folder, v);
    if (st != LCL_OK) return lcl__fail_prefix(st, "initialiser \"%s\"", t->name);
    v->name = t->name;
    v->weight = true;
  }
  return LCL_OK;
}

/* ---- inputs ---- */

/* Inputs that have an initialiser are weights: files before version 4 list those too. */
static bool is_input(const onnx_loader *l, const char *name) {
  const onnx_value *v = name ? *place(&l->values, name) : NULL;
  return !v || !v->weight;
}

/* "name=value" among desc->dims. */
static lcl_status given_dim(onnx_loader *l, const char *name, int64_t *out) {
  const size_t n = strlen(name);
  *out = -1;
  for (size_t i = 0; i < l->desc->n_dims; i++) {
    const char *text = l->desc->dims[i];
    if (strncmp(text, name, n) != 0 || text[n] != '=') continue;
    if (!lcl__parse_whole(text + n + 1, out) || *out < 0 || *out > INT32_MAX)
      return lcl__fail(LCL_ERR_ARGUMENT, "dimension %s must be a whole number, not \"%s\"", name,
                       text + n + 1);
    l->dim_used[i] = true;
  }
  return LCL_OK;
}

static size_t count_inputs(const onnx_loader *l) {
  size_t n = 0;
  for (size_t i = 0; i < l->graph->n_input; i++) n += is_input(l, l->graph->input[i]->name);
  return n;
}

static const lcl_shape *given_shape(onnx_loader *l, const char *input) {
  for (size_t i = 0; i < l->desc->n_shapes; i++)
    if (l->desc->shapes[i].input ? strcmp(l->desc->shapes[i].input, input) == 0
                                 : count_inputs(l) == 1) {
      l->shape_used[i] = true;
      return &l->desc->shapes[i].shape;
    }
  return NULL;
}

/* A dimension that the file leaves open takes the same size wherever its name stands. */
typedef struct bound_dim {
  const char *name;
  int64_t size;
} bound_dim;
typedef struct bound_dims {
  bound_dim *data;
  size_t n, cap;
} bound_dims;

static lcl_status bind(bound_dims *b, const char *name, int64_t size, const char *input) {
  for (size_t i = 0; i < b->n; i++)
    if (strcmp(b->data[i].name, name) == 0) {
      if (b->data[i].size == size) return LCL_OK;
      return lcl__fail(LCL_ERR_SHAPE, "dimension %s is %lld elsewhere, input \"%s\" has %lld of it",
                       name, (long long)b->data[i].size, input, (long long)size);
    }
  return LCL_PUSH(b, ((bound_dim) { name, size })) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static int64_t bound(const bound_dims *b, const char *name) {
  for (size_t i = 0; i < b->n; i++)
    if (strcmp(b->data[i].name, name) == 0) return b->data[i].size;
  return -1;
}

static lcl_status open_dim(onnx_loader *l, bound_dims *b, const char *input, int axis,
                           const Lcl__Onnx__Dim *d, int64_t *size) {
  const bool named = d->name && *d->name;
  char own[160];
  snprintf(own, sizeof own, "%.120s.%d", input, axis); /* what --dim calls one without a name */
  const char *name = named ? d->name : own;
  int64_t given;
  LCL_TRY(given_dim(l, name, &given));
  if (given >= 0 && *size >= 0 && given != *size)
    return lcl__fail(LCL_ERR_SHAPE, "dimension %s is to be %lld, but input \"%s\" has %lld of it",
                     name, (long long)given, input, (long long)*size);
  if (*size < 0) *size = given >= 0 ? given : bound(b, name);
  if (*size < 0) {
    *size = 1;
    lcl__str_add(&l->assumed, "%s%s", l->assumed.n ? ", " : "", name);
  }
  if (!named) return LCL_OK;
  return bind(b, name, *size, input);
}

static lcl_status input_shape(onnx_loader *l, bound_dims *b, const Lcl__Onnx__ValueInfo *info,
                              lcl_shape *out) {
  const Lcl__Onnx__TensorType *t = info->type->tensor;
  const lcl_shape *given = given_shape(l, info->name);
  char text[96];
  if (!t->shape) { /* of any rank */
    if (!given)
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "the file does not say the shape of input \"%s\": it has "
                       "to be given",
                       info->name);
    *out = *given;
    return LCL_OK;
  }
  if (t->shape->n_dim > LCL_MAX_RANK)
    return lcl__fail(LCL_ERR_UNSUPPORTED,
                     "input \"%s\" has %zu dimensions, at most %d are "
                     "possible",
                     info->name, t->shape->n_dim, LCL_MAX_RANK);
  *out = (lcl_shape) { .rank = (int)t->shape->n_dim };
  if (given && given->rank != out->rank)
    return lcl__fail(LCL_ERR_SHAPE, "input \"%s\" has %d dimensions, %s is given", info->name,
                     out->rank, lcl_shape_string(*given, text));
  for (int i = 0; i < out->rank; i++) {
    const Lcl__Onnx__Dim *d = t->shape->dim[i];
    const int64_t want = given ? given->dim[i] : -1;
    out->dim[i] = want;
    if (!d->has_value) {
      LCL_TRY(open_dim(l, b, info->name, i, d, &out->dim[i]));
    } else {
      if (d->value < 0 || d->value > INT32_MAX)
        return lcl__fail(LCL_ERR_FORMAT, "dimension %d of input \"%s\" cannot be %lld", i,
                         info->name, (long long)d->value);
      if (given && want != d->value)
        return lcl__fail(LCL_ERR_SHAPE, "input \"%s\" has %lld in dimension %d, %s is given",
                         info->name, (long long)d->value, i, lcl_shape_string(*given, text));
      out->dim[i] = d->value;
    }
  }
  return LCL_OK;
}

/* A graph input; a truth value is fed as a byte. */
static lcl_status add_input(onnx_loader *l, bound_dims *b, const Lcl__Onnx__ValueInfo *info) {
  onnx_value *v = NULL;
  lcl_dtype dtype;
  lcl_shape shape;
  if (!info->type || !info->type->tensor)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "input \"%s\" is no tensor", info->name);
  const int type = info->type->tensor->has_element ? info->type->tensor->element : 0;
  if (!lcl__onnx_dtype((onnx_type)type, &dtype))
    return lcl__fail(LCL_ERR_UNSUPPORTED,
                     "input \"%s\" is of %s, which LatentCL does not compute "
                     "with",
                     info->name, lcl__onnx_type_name(type));
  LCL_TRY(input_shape(l, b, info, &shape));
  LCL_TRY(add(l, info->name, &v));
  lcl_tensor *t = lcl_input(l->g, info->name, type == ONNX_BOOL ? LCL_U8 : dtype, shape);
  l->model->in[l->model->n_in++] = (lcl_onnx_value) {
    lcl__arena_strdup(l->model->arena, info->name), lcl__onnx_type_name(type), t
  };
  v->type = (onnx_type)type;
  v->shape = shape;
  v->t = type == ONNX_BOOL
             ? lcl_sub(lcl_const(l->g, 1), lcl_equal(lcl_cast(t, LCL_F32), lcl_const(l->g, 0)))
             : t;
  return lcl_graph_status(l->g);
}

static lcl_status all_used(const onnx_loader *l) {
  for (size_t i = 0; i < l->desc->n_dims; i++)
    if (!l->dim_used[i])
      return lcl__fail(LCL_ERR_ARGUMENT, "the file has no open dimension that \"%s\" would set",
                       l->desc->dims[i]);
  for (size_t i = 0; i < l->desc->n_shapes; i++)
    if (!l->shape_used[i])
      return l->desc->shapes[i].input
                 ? lcl__fail(LCL_ERR_ARGUMENT, "the file has no input \"%s\"",
                             l->desc->shapes[i].input)
                 : lcl__fail(LCL_ERR_ARGUMENT, "the file has %zu inputs: say which is meant",
                             count_inputs(l));
  return LCL_OK;
}

static lcl_status add_inputs(onnx_loader *l) {
  const onnx_graph *g = l->graph;
  bound_dims b = { 0 };
  lcl_status st = LCL_OK;
  l->model->in = lcl__arena_alloc(l->model->arena, (g->n_input + 1) * sizeof *l->model->in);
  l->dim_used = lcl__arena_alloc(l->arena, l->desc->n_dims + 1);
  l->shape_used = lcl__arena_alloc(l->arena, l->desc->n_shapes + 1);
  if (!l->model->in || !l->dim_used || !l->shape_used) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; st == LCL_OK && i < g->n_input; i++) {
    const char *name = g->input[i]->name;
    if (!name || !*name)
      st = lcl__fail(LCL_ERR_FORMAT, "input %zu has no name", i);
    else if (is_input(l, name))
      st = add_input(l, &b, g->input[i]);
  }
  lcl__free(b.data);
  if (st == LCL_OK && l->assumed.failed) st = LCL_ERR_HOST_MEMORY;
  return st == LCL_OK ? all_used(l) : st;
}

/* ---- nodes ---- */

static bool given_later(const onnx_loader *l, const char *name) {
  for (size_t i = 0; i < l->graph->n_node; i++)
    for (size_t k = 0; k < l->graph->node[i]->n_output; k++)
      if (strcmp(l->graph->node[i]->output[k], name) == 0) return true;
  return false;
}

static lcl_status connect(onnx_loader *l, onnx_node *n) {
  const onnx_proto_node *p = n->proto;
  n->in = lcl__arena_alloc(l->arena, (p->n_input + 1) * sizeof *n->in);
  n->out = lcl__arena_alloc(l->arena, (p->n_output + 1) * sizeof *n->out);
  n->read = lcl__arena_alloc(l->arena, p->n_attribute + 1);
  if (!n->in || !n->out || !n->read) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < p->n_input; i++) {
    if (!*p->input[i]) continue;
    n->in[i] = *place(&l->values, p->input[i]);
    if (n->in[i]) continue;
    if (given_later(l, p->input[i]))
      return lcl__onnx_fail(n, LCL_ERR_FORMAT,
                            "it reads \"%s\", which only this or a later node gives: nodes must "
                            "come in an order in which they can be computed",
                            p->input[i]);
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "it reads \"%s\", which nothing gives", p->input[i]);
  }
  n->n_in = (int)p->n_input;
  n->n_out = (int)p->n_output;
  return LCL_OK;
}

static lcl_status check_read(const onnx_node *n) {
  for (size_t i = 0; i < n->proto->n_attribute; i++)
    if (!n->read[i])
      return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "attribute \"%s\" is not supported",
                            n->proto->attribute[i]->name ? n->proto->attribute[i]->name : "");
  return LCL_OK;
}

static bool is_default_domain(const char *domain) {
  return !domain || !*domain || strcmp(domain, "ai.onnx") == 0;
}

static lcl_status check_node(onnx_loader *l, const onnx_node *n, const onnx_operator *op) {
  const onnx_proto_node *p = n->proto;
  if (!is_default_domain(p->domain))
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "operators of the domain \"%s\" are not "
                          "supported",
                          p->domain);
  if (!op) return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "the operator is not supported");
  if (l->opset < op->since)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "the operator is supported from operator set %d on, the file is of %lld",
                          op->since, (long long)l->opset);
  if ((p->overload && *p->overload) || p->base.n_unknown_fields)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "it has fields that are not known");
  if (p->n_input < (size_t)op->min_in || p->n_input > (size_t)op->max_in)
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "%d to %d inputs are expected, it has %zu", op->min_in,
                          op->max_in, p->n_input);
  for (int i = 0; i < op->min_in; i++)
    if (!*p->input[i]) return lcl__onnx_fail(n, LCL_ERR_FORMAT, "its input %d is missing", i);
  return p->n_output ? LCL_OK : lcl__onnx_fail(n, LCL_ERR_FORMAT, "it has no output");
}

static lcl_status add_outputs_of(onnx_loader *l, onnx_node *n) {
  for (size_t i = 0; i < n->proto->n_output; i++)
    if (*n->proto->output[i]) LCL_TRY(add(l, n->proto->output[i], &n->out[i]));
  return LCL_OK;
}

static lcl_status check_outputs(const onnx_node *n) {
  for (int i = 0; i < n->n_out; i++)
    if (n->out[i] && !n->out[i]->t && !lcl__onnx_known(n->out[i]))
      return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "its output %d, \"%s\", is not supported", i,
                            n->out[i]->name);
  return LCL_OK;
}

static lcl_status add_node(onnx_loader *l, size_t index) {
  onnx_node n = { .l = l,
                  .proto = l->graph->node[index],
                  .index = index,
                  .opset = l->opset,
                  .g = l->g,
                  .arena = l->arena };
  const onnx_operator *op = lcl__onnx_operator(n.proto->op ? n.proto->op : "");
  LCL_TRY(check_node(l, &n, op));
  LCL_TRY(connect(l, &n));
  LCL_TRY(add_outputs_of(l, &n));
  n.code = op->code;
  LCL_TRY(op->load(&n));
  LCL_TRY(check_read(&n));
  return check_outputs(&n);
}

/* ---- outputs ---- */

/* Sizes that the file says of an output hold; open ones are what they are. */
static lcl_status check_declared(const Lcl__Onnx__ValueInfo *info, lcl_shape is) {
  const Lcl__Onnx__TensorType *t = info->type ? info->type->tensor : NULL;
  lcl_str said = { 0 };
  char text[96];
  if (!t || !t->shape) return LCL_OK;
  bool fits = t->shape->n_dim == (size_t)is.rank;
  for (int i = 0; fits && i < is.rank; i++)
    fits = !t->shape->dim[i]->has_value || t->shape->dim[i]->value == is.dim[i];
  if (fits) return LCL_OK;
  for (size_t i = 0; i < t->shape->n_dim && i < 16; i++) {
    const Lcl__Onnx__Dim *d = t->shape->dim[i];
    if (i) lcl__str_add(&said, "x");
    if (d->has_value)
      lcl__str_add(&said, "%lld", (long long)d->value);
    else
      lcl__str_add(&said, "%.40s", d->name && *d->name ? d->name : "?");
  }
  const lcl_status st = said.n && !lcl__str_ok(&said)
                            ? LCL_ERR_HOST_MEMORY
                            : lcl__fail(LCL_ERR_SHAPE,
                                        "output \"%s\" is of shape %s, the file says %s",
                                        info->name, lcl_shape_string(is, text),
                                        said.n ? said.data : "that it is a number");
  lcl__str_free(&said);
  return st;
}

static lcl_status add_output(onnx_loader *l, const Lcl__Onnx__ValueInfo *info) {
  const char *name = info->name;
  onnx_value *v = name ? *place(&l->values, name) : NULL;
  onnx_node reader = { .l = l, .g = l->g, .arena = l->arena };
  onnx_proto_node end = LCL__ONNX__NODE__INIT;
  char op[] = "output";
  lcl_tensor *t = NULL;
  if (!v) return lcl__fail(LCL_ERR_FORMAT, "nothing gives the output \"%s\"", name ? name : "");
  end.op = op;
  end.name = (char *)(uintptr_t)name;
  reader.proto = &end;
  LCL_TRY(lcl__onnx_tensor_of(&reader, v, &t));
  LCL_TRY(lcl_graph_status(l->g));
  LCL_TRY(check_declared(info, lcl_tensor_shape(t)));
  t = lcl_output(t, name);
  l->model->out[l->model->n_out++] = (lcl_onnx_value) { lcl__arena_strdup(l->model->arena, name),
                                                        lcl__onnx_type_name(v->type), t };
  const lcl_status st = lcl_graph_status(l->g);
  return st == LCL_OK ? LCL_OK : lcl__fail_prefix(st, "output \"%s\"", name);
}

static lcl_status add_outputs(onnx_loader *l) {
  const onnx_graph *g = l->graph;
  if (!g->n_output) return lcl__fail(LCL_ERR_FORMAT, "the graph has no output");
  l->model->out = lcl__arena_alloc(l->model->arena, (g->n_output + 1) * sizeof *l->model->out);
  if (!l->model->out) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < g->n_output; i++) LCL_TRY(add_output(l, g->output[i]));
  return LCL_OK;
}

/* ---- the whole ---- */

static lcl_status find_opset(const onnx_file *f, int64_t *out) {
  *out = -1;
  for (size_t i = 0; i < f->n_opset; i++)
    if (is_default_domain(f->opset[i]->domain)) *out = f->opset[i]->version;
  if (*out < 0) return lcl__fail(LCL_ERR_FORMAT, "it does not say its operator set");
  if (*out < ONNX_OLDEST || *out > ONNX_NEWEST)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "it is of operator set %lld, %d to %d are supported",
                     (long long)*out, ONNX_OLDEST, ONNX_NEWEST);
  return LCL_OK;
}

static lcl_status load_graph(onnx_loader *l, const onnx_file *f) {
  if (!f->graph) return lcl__fail(LCL_ERR_FORMAT, "it has no graph");
  l->graph = f->graph;
  LCL_TRY(find_opset(f, &l->opset));
  LCL_TRY(open_values(l));
  LCL_TRY(add_weights(l));
  LCL_TRY(add_inputs(l));
  for (size_t i = 0; i < l->graph->n_node; i++) LCL_TRY(add_node(l, i));
  LCL_TRY(add_outputs(l));
  l->model->assumed = lcl__arena_strdup(l->model->arena, l->assumed.n ? l->assumed.data : "");
  if (!l->model->assumed) return LCL_ERR_HOST_MEMORY;
  return set_variables(l);
}

/* The graph cannot be used after a failure: what is there is not the whole. */
static lcl_status load(onnx_loader *l, const void *bytes, size_t n, lcl_onnx_model **out) {
  onnx_file *f = n ? lcl__onnx__model__unpack(NULL, n, bytes) : NULL;
  if (!f) return lcl__fail(LCL_ERR_FORMAT, "it is no ONNX file, or cut short or damaged");
  lcl_status st = LCL_ERR_HOST_MEMORY;
  l->arena = lcl__arena_create();
  l->model = lcl__alloc(sizeof *l->model);
  if (l->model) l->model->arena = lcl__arena_create();
  if (l->arena && l->model && l->model->arena) st = load_graph(l, f);
  lcl__onnx__model__free_unpacked(f, NULL);
  lcl__arena_destroy(l->arena);
  lcl__str_free(&l->assumed);
  lcl__free(l->variables.data);
  if (st == LCL_OK)
    *out = l->model;
  else
    lcl_onnx_close(l->model);
  return st;
}

lcl_status lcl_onnx_parse(lcl_graph *g, const void *bytes, size_t n, const lcl_onnx_desc *desc,
                          lcl_onnx_model **out) {
  static const lcl_onnx_desc defaults;
  LCL_NEED(g, bytes, out);
  *out = NULL;
  LCL_TRY(lcl_graph_status(g));
  onnx_loader l = { .g = g, .store = lcl__graph_store(g), .desc = desc ? desc : &defaults };
  return load(&l, bytes, n, out);
}

lcl_status lcl_onnx_load(lcl_graph *g, const char *path, const lcl_onnx_desc *desc,
                         lcl_onnx_model **out) {
  static const lcl_onnx_desc defaults;
  LCL_NEED(g, path, out);
  *out = NULL;
  LCL_TRY(lcl_graph_status(g));
  onnx_loader l = { .g = g, .store = lcl__graph_store(g), .desc = desc ? desc : &defaults };
  void *bytes;
  size_t n;
  LCL_TRY(lcl__file_read(path, (size_t)INT32_MAX, &bytes, &n));
  const char *slash = strrchr(path, '/');
  lcl_str folder = { 0 };
  if (slash)
    lcl__str_append(&folder, path, (size_t)(slash - path) + 1);
  else
    lcl__str_add(&folder, ".");
  l.folder = folder.data;
  lcl_status st = lcl__str_ok(&folder) ? load(&l, bytes, n, out) : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&folder);
  lcl__free(bytes);
  return st == LCL_OK ? LCL_OK : lcl__fail_prefix(st, "%s", path);
}

void lcl_onnx_close(lcl_onnx_model *m) {
  if (!m) return;
  lcl__arena_destroy(m->arena);
  lcl__free(m);
}

size_t lcl_onnx_input_count(const lcl_onnx_model *m) {
  return m ? m->n_in : 0;
}
size_t lcl_onnx_output_count(const lcl_onnx_model *m) {
  return m ? m->n_out : 0;
}
lcl_onnx_value lcl_onnx_input(const lcl_onnx_model *m, size_t index) {
  return m && index < m->n_in ? m->in[index] : (lcl_onnx_value) { 0 };
}
lcl_onnx_value lcl_onnx_output(const lcl_onnx_model *m, size_t index) {
  return m && index < m->n_out ? m->out[index] : (lcl_onnx_value) { 0 };
}
const char *lcl_onnx_assumed(const lcl_onnx_model *m) {
  return m ? m->assumed : "";
}
