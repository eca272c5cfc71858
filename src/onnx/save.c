/* A part of a graph into an ONNX file: what its outputs need, in the order of the graph's nodes,
 * which is one in which they can be computed. */
#include "base/text.h"
#include "onnx/save.h"

/* ---- pieces of the file; the arena holds them all ---- */

static void *room(onnx_saver *s, size_t n, size_t size) {
  static char spare[256]; /* so that nobody has to check: the file is not written after a failure */
  size_t bytes;
  void *p = lcl__mul_size(LCL_MAX(n, 1), size, &bytes) ? lcl__arena_alloc(s->arena, bytes) : NULL;
  if (p) return p;
  s->failed = true;
  return bytes <= sizeof spare ? memset(spare, 0, sizeof spare) : NULL;
}

static char *text(onnx_saver *s, const char *from) {
  char *copy = lcl__arena_strdup(s->arena, from);
  if (!copy) s->failed = true;
  return copy ? copy : (char *)room(s, 1, 1);
}

/* Whether an input or a variable of the graph is called so. */
static bool taken(const onnx_saver *s, const char *name) {
  for (int id = 0; id < lcl__graph_node_count(s->g); id++) {
    const char *own = lcl__graph_node(s->g, id)->name;
    if (own && strcmp(own, name) == 0) return true;
  }
  return false;
}

const char *lcl__onnx_fresh(onnx_saver *s) {
  char name[32];
  do snprintf(name, sizeof name, "_%d", s->fresh++);
  while (taken(s, name));
  return text(s, name);
}

const char *lcl__onnx_named(const onnx_saver *s, const lcl_tensor *t) {
  const char *name = t->index < 2 ? s->name[2 * t->node->id + t->index] : NULL;
  return name ? name : "?";
}

const char *lcl__onnx_add(onnx_saver *s, const char *op, const char *const *in, int n_in,
                          const char *out) {
  onnx_proto_node *n = room(s, 1, sizeof *n);
  lcl__onnx__node__init(n);
  n->op = text(s, op);
  n->n_input = (size_t)n_in;
  n->input = room(s, (size_t)n_in, sizeof *n->input);
  n->n_output = 1;
  n->output = room(s, 1, sizeof *n->output);
  n->attribute = room(s, 8, sizeof *n->attribute);
  if (s->failed) return "?";
  for (int i = 0; i < n_in; i++) n->input[i] = text(s, in[i]);
  n->output[0] = text(s, out ? out : lcl__onnx_fresh(s));
  n->name = n->output[0];
  if (!LCL_PUSH(&s->nodes, n)) s->failed = true;
  return n->output[0];
}

static onnx_attribute *attribute(onnx_saver *s, const char *name, int kind) {
  onnx_attribute *a = room(s, 1, sizeof *a);
  lcl__onnx__attribute__init(a);
  a->name = text(s, name);
  a->has_type = true;
  a->type = kind;
  if (s->failed) return a;
  onnx_proto_node *n = s->nodes.data[s->nodes.n - 1];
  n->attribute[n->n_attribute++] = a;
  return a;
}

void lcl__onnx_add_int(onnx_saver *s, const char *name, int64_t value) {
  onnx_attribute *a = attribute(s, name, 2);
  a->has_i = true;
  a->i = value;
}

void lcl__onnx_add_float(onnx_saver *s, const char *name, float value) {
  onnx_attribute *a = attribute(s, name, 1);
  a->has_f = true;
  a->f = value;
}

void lcl__onnx_add_ints(onnx_saver *s, const char *name, const int64_t *values, int n) {
  onnx_attribute *a = attribute(s, name, 7);
  a->n_ints = (size_t)n;
  a->ints = room(s, (size_t)n, sizeof *values);
  if (n && !s->failed) memcpy(a->ints, values, (size_t)n * sizeof *values);
}

/* ---- constants ---- */

static onnx_type file_type(lcl_dtype dtype) {
  return dtype == LCL_F32   ? ONNX_FLOAT
         : dtype == LCL_I32 ? ONNX_INT32
         : dtype == LCL_U8  ? ONNX_UINT8
                            : ONNX_FLOAT16;
}

/* data: bytes of the arena, not copied. */
static const char *constant(onnx_saver *s, const char *name, onnx_type type, lcl_shape shape,
                            void *data, size_t bytes) {
  onnx_tensor *t = room(s, 1, sizeof *t);
  lcl__onnx__tensor__init(t);
  t->name = text(s, name ? name : lcl__onnx_fresh(s));
  t->has_type = true;
  t->type = type;
  t->n_dims = (size_t)shape.rank;
  t->dims = room(s, LCL_MAX_RANK, sizeof *t->dims);
  if (s->failed) return "?";
  memcpy(t->dims, shape.dim, sizeof shape.dim);
  t->has_raw = true;
  t->raw.len = bytes;
  t->raw.data = data;
  if (!LCL_PUSH(&s->weights, t)) s->failed = true;
  return t->name;
}

const char *lcl__onnx_weight(onnx_saver *s, const char *name, lcl_dtype dtype, lcl_shape shape,
                             const void *data) {
  const size_t bytes = (size_t)lcl_shape_count(shape) * lcl_dtype_size(dtype);
  void *copy = room(s, bytes, 1);
  if (s->failed) return "?";
  if (bytes) memcpy(copy, data, bytes);
  return constant(s, name, file_type(dtype), shape, copy, bytes);
}

const char *lcl__onnx_number_constant(onnx_saver *s, float value) {
  return lcl__onnx_weight(s, NULL, LCL_F32, LCL_SCALAR, &value);
}

const char *lcl__onnx_list(onnx_saver *s, const int64_t *values, int n) {
  int64_t *copy = room(s, (size_t)n, sizeof *copy);
  if (s->failed) return "?";
  if (n) memcpy(copy, values, (size_t)n * sizeof *copy);
  return constant(s, NULL, ONNX_INT64, LCL_SHAPE(n), copy, (size_t)n * sizeof *copy);
}

/* ---- the batch ---- */

bool lcl__onnx_is_batch(const onnx_saver *s, int64_t size) {
  return s->desc->batch > 1 && size > 0 && size % s->desc->batch == 0;
}

/* The list of one number that is the batch's size when the file runs. */
static lcl_status batch_size(onnx_saver *s, const char **out) {
  if (!s->batch && !s->batch_input)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "no input has the batch as its first axis");
  if (!s->batch) {
    const char *x = lcl__onnx_named(s, s->batch_input);
    s->batch = lcl__onnx_add(s, "Shape", &x, 1, NULL);
    lcl__onnx_add_int(s, "start", 0);
    lcl__onnx_add_int(s, "end", 1);
  }
  *out = s->batch;
  return LCL_OK;
}

lcl_status lcl__onnx_shape_list(onnx_saver *s, lcl_shape shape, bool for_reshape,
                                const char **out) {
  const char *parts[LCL_MAX_RANK], *n = NULL;
  int open = 0;
  for (int i = 0; i < shape.rank; i++) open += lcl__onnx_is_batch(s, shape.dim[i]);
  for (int i = 0; i < shape.rank; i++)
    if (open == 1 && for_reshape && lcl__onnx_is_batch(s, shape.dim[i]) && lcl_shape_count(shape))
      shape.dim[i] = -1, open = 0;
  if (!open) return *out = lcl__onnx_list(s, shape.dim, shape.rank), LCL_OK;
  LCL_TRY(batch_size(s, &n));
  for (int i = 0; i < shape.rank; i++) {
    const int64_t times = shape.dim[i] / s->desc->batch;
    if (!lcl__onnx_is_batch(s, shape.dim[i])) {
      parts[i] = lcl__onnx_list(s, &shape.dim[i], 1);
    } else if (times == 1) {
      parts[i] = n;
    } else {
      const char *both[] = { n, lcl__onnx_list(s, &times, 1) };
      parts[i] = lcl__onnx_add(s, "Mul", both, 2, NULL);
    }
  }
  *out = lcl__onnx_add(s, "Concat", parts, shape.rank, NULL);
  lcl__onnx_add_int(s, "axis", 0);
  return LCL_OK;
}

/* ---- the graph ---- */

static const char *input_name(const onnx_saver *s, const lcl_tensor *t) {
  for (size_t i = 0; i < s->desc->n_inputs; i++)
    if (s->desc->inputs[i].tensor == t) return s->desc->inputs[i].name;
  return NULL;
}

/* Nodes that the outputs need; those behind an input are not looked at. */
static void mark(onnx_saver *s) {
  for (size_t i = 0; i < s->desc->n_outputs; i++)
    s->needed[s->desc->outputs[i].tensor->node->id] = true;
  for (int id = lcl__graph_node_count(s->g) - 1; id >= 0; id--) {
    const lcl_node *node = lcl__graph_node(s->g, id);
    if (!s->needed[id] || input_name(s, &node->out[0])) continue;
    for (int i = 0; i < node->n_in; i++) s->needed[node->in[i]->node->id] = true;
  }
}

static lcl_status save_variable(onnx_saver *s, const lcl_node *node) {
  const lcl_tensor *t = &node->out[0];
  const size_t bytes = (size_t)lcl_shape_count(t->shape) * lcl_dtype_size(t->dtype);
  void *data = room(s, bytes, 1);
  if (s->failed) return LCL_ERR_HOST_MEMORY;
  LCL_TRY(lcl_store_read(lcl__graph_store(s->g), node->name, data, bytes));
  s->name[2 * node->id] = constant(s, node->name, file_type(t->dtype), t->shape, data, bytes);
  return LCL_OK;
}

static lcl_status save_constant(onnx_saver *s, const lcl_node *node) {
  const lcl_tensor *t = &node->out[0];
  for (int i = 0; i < t->shape.rank; i++)
    if (lcl__onnx_is_batch(s, t->shape.dim[i]))
      return lcl__fail(LCL_ERR_UNSUPPORTED,
                       "a constant has the batch as an axis, which the file leaves open");
  s->name[2 * node->id] = lcl__onnx_weight(s, NULL, t->dtype, t->shape, lcl__const_data(t));
  return LCL_OK;
}

static lcl_status save_one(onnx_saver *s, const lcl_node *node) {
  const char *given = input_name(s, &node->out[0]);
  const bool own = strcmp(node->op->name, "input") == 0;
  if (given || own) {
    s->name[2 * node->id] = text(s, given ? given : node->name);
    const lcl_shape shape = node->out[0].shape;
    if (s->desc->batch > 1 && shape.rank && shape.dim[0] == s->desc->batch && !s->batch_input)
      s->batch_input = &node->out[0];
    return LCL_OK;
  }
  if (lcl__tensor_var(&node->out[0])) return save_variable(s, node);
  if (lcl__const_data(&node->out[0])) return save_constant(s, node);
  if (node->op->flags & LCL_OP_RANDOM)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "%s: random numbers are not written",
                     lcl__node_name(node));
  for (int i = 0; i < node->n_in; i++)
    if (node->in[i]->index > 0)
      return lcl__fail(LCL_ERR_UNSUPPORTED,
                       "%s: it reads a second output of %s, which is not written",
                       lcl__node_name(node), lcl__node_name(node->in[i]->node));
  return lcl__onnx_save_node(s, node);
}

/* ---- what the file says about itself ---- */

static Lcl__Onnx__ValueInfo *info(onnx_saver *s, const char *name, const lcl_tensor *t) {
  Lcl__Onnx__ValueInfo *i = room(s, 1, sizeof *i);
  Lcl__Onnx__TensorType *type = room(s, 1, sizeof *type);
  lcl__onnx__value_info__init(i);
  i->name = text(s, name);
  i->type = room(s, 1, sizeof *i->type);
  Lcl__Onnx__Shape *shape = room(s, 1, sizeof *shape);
  Lcl__Onnx__Dim *dims = room(s, LCL_MAX_RANK, sizeof *dims),
                 **list = room(s, LCL_MAX_RANK, sizeof *list);
  if (s->failed) return i;
  lcl__onnx__type__init(i->type);
  lcl__onnx__tensor_type__init(type);
  lcl__onnx__shape__init(shape);
  i->type->tensor = type;
  type->has_element = true;
  type->element = file_type(t->dtype);
  type->shape = shape;
  shape->n_dim = (size_t)t->shape.rank;
  shape->dim = list;
  for (int d = 0; d < t->shape.rank; d++) {
    lcl__onnx__dim__init(list[d] = &dims[d]);
    if (t->shape.dim[d] == s->desc->batch && s->desc->batch > 1) {
      dims[d].name = text(s, "batch");
    } else if (!lcl__onnx_is_batch(s, t->shape.dim[d])) {
      dims[d].has_value = true;
      dims[d].value = t->shape.dim[d];
    }
  }
  return i;
}

static lcl_status add_metadata(onnx_saver *s, onnx_file *f) {
  const size_t n = s->desc->n_metadata;
  Lcl__Onnx__Pair *pairs = room(s, n, sizeof *pairs);
  f->metadata = room(s, n, sizeof *f->metadata);
  if (s->failed) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < n; i++) {
    const char *equals = strchr(s->desc->metadata[i], '=');
    if (!equals || !lcl__is_utf8(s->desc->metadata[i]))
      return lcl__fail(LCL_ERR_ARGUMENT, "metadata are \"key=value\" in UTF-8, not \"%s\"",
                       s->desc->metadata[i]);
    lcl__onnx__pair__init(f->metadata[i] = &pairs[i]);
    pairs[i].key = text(s, s->desc->metadata[i]);
    pairs[i].key[equals - s->desc->metadata[i]] = 0;
    pairs[i].value = text(s, equals + 1);
  }
  f->n_metadata = n;
  return LCL_OK;
}

static lcl_status write_file(onnx_saver *s, onnx_file *f, const char *path) {
  if (s->failed) return lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
  const size_t n = lcl__onnx__model__get_packed_size(f);
  if (n > INT32_MAX) return lcl__fail(LCL_ERR_UNSUPPORTED, "the file would have more than 2 GiB");
  uint8_t *bytes = lcl__alloc(n);
  if (!bytes) return LCL_ERR_HOST_MEMORY;
  lcl__onnx__model__pack(f, bytes);
  const lcl_status st = lcl__file_write_atomic(path, bytes, n);
  lcl__free(bytes);
  return st;
}

static const char *given_name(const onnx_graph *g, size_t i) {
  if (i < g->n_input) return g->input[i]->name;
  i -= g->n_input;
  return i < g->n_output ? g->output[i]->name : g->initializer[i - g->n_output]->name;
}

/* Inputs, outputs and variables share one space of names in a file. */
static lcl_status check_names(const onnx_graph *g) {
  const size_t own = g->n_input + g->n_output, all = own + g->n_initializer;
  for (size_t i = 0; i < own; i++)
    for (size_t k = i + 1; k < all; k++)
      if (strcmp(given_name(g, i), given_name(g, k)) == 0)
        return lcl__fail(LCL_ERR_ARGUMENT,
                         "\"%s\" would name two values of the file; inputs, outputs and variables "
                         "need names of their own",
                         given_name(g, i));
  return LCL_OK;
}

static lcl_status save_graph(onnx_saver *s, const char *path) {
  const lcl_onnx_save_desc *d = s->desc;
  const int count = lcl__graph_node_count(s->g);
  onnx_file f = LCL__ONNX__MODEL__INIT;
  onnx_graph g = LCL__ONNX__GRAPH__INIT;
  Lcl__Onnx__OperatorSet set = LCL__ONNX__OPERATOR_SET__INIT, *sets = &set;
  char name[] = "latentcl", producer[] = "LatentCL";
  s->name = room(s, 2 * (size_t)count, sizeof *s->name);
  s->needed = room(s, (size_t)count, sizeof *s->needed);
  g.input = room(s, (size_t)count, sizeof *g.input);
  g.output = room(s, d->n_outputs, sizeof *g.output);
  if (s->failed) return LCL_ERR_HOST_MEMORY;
  mark(s);
  for (int id = 0; id < count; id++) {
    const lcl_node *node = lcl__graph_node(s->g, id);
    if (!s->needed[id]) continue;
    LCL_TRY(save_one(s, node));
    if (s->failed) return LCL_ERR_HOST_MEMORY;
    const bool own = strcmp(node->op->name, "input") == 0;
    if (own || input_name(s, &node->out[0]))
      g.input[g.n_input++] = info(s, s->name[2 * id], &node->out[0]);
  }
  for (size_t i = 0; i < d->n_outputs; i++) {
    const char *from = lcl__onnx_named(s, d->outputs[i].tensor);
    lcl__onnx_add(s, "Identity", &from, 1, d->outputs[i].name);
    g.output[g.n_output++] = info(s, d->outputs[i].name, d->outputs[i].tensor);
  }
  g.name = name;
  g.node = s->nodes.data;
  g.n_node = s->nodes.n;
  g.initializer = s->weights.data;
  g.n_initializer = s->weights.n;
  set.has_version = true;
  set.version = ONNX_WRITTEN;
  f.has_ir_version = true;
  f.ir_version = 8;
  f.producer_name = producer;
  f.graph = &g;
  f.opset = &sets;
  f.n_opset = 1;
  if (s->failed) return LCL_ERR_HOST_MEMORY;
  LCL_TRY(check_names(&g));
  LCL_TRY(add_metadata(s, &f));
  return write_file(s, &f, path);
}

static lcl_status check(const lcl_onnx_save_desc *d) {
  if (!d->n_outputs || !d->outputs) return lcl__fail(LCL_ERR_ARGUMENT, "a file needs an output");
  for (size_t i = 0; i < d->n_outputs + d->n_inputs; i++) {
    const lcl_onnx_name *n = i < d->n_outputs ? &d->outputs[i] : &d->inputs[i - d->n_outputs];
    if (!n->tensor || !n->name || !*n->name || *n->name == '_')
      return lcl__fail(
          LCL_ERR_ARGUMENT,
          "an output or input lacks a tensor or a name that does not begin with \"_\"");
    if (lcl_tensor_graph(n->tensor) != lcl_tensor_graph(d->outputs[0].tensor))
      return lcl__fail(LCL_ERR_ARGUMENT, "\"%s\" is of another graph", n->name);
    if (n->tensor->index > 0)
      return lcl__fail(LCL_ERR_UNSUPPORTED, "\"%s\" is a second output of a node", n->name);
  }
  return lcl_graph_status(lcl_tensor_graph(d->outputs[0].tensor));
}

lcl_status lcl_onnx_save(const char *path, const lcl_onnx_save_desc *desc) {
  LCL_NEED(path, desc);
  LCL_TRY(check(desc));
  LCL_TRY(lcl__check_output(path));
  onnx_saver s = { .g = lcl_tensor_graph(desc->outputs[0].tensor),
                   .desc = desc,
                   .arena = lcl__arena_create() };
  const lcl_status st = s.arena ? save_graph(&s, path) : LCL_ERR_HOST_MEMORY;
  lcl__free(s.nodes.data);
  lcl__free(s.weights.data);
  lcl__arena_destroy(s.arena);
  return st;
}
