/* ONNX models of one or a few nodes, written as text.
 *
 * A value is "KIND SHAPE NUMBERS", as "f 2x2 1 2 3 4"; SHAPE "-" is a single number. KIND: f, i, u,
 * b an input of float32, int64, uint8, bool; F, I, B an initialiser. Attributes are "name=1
 * names=1,2 other=0.5 mode=edge": a list has a comma (also behind its only number), a float a
 * point. */
#ifndef TEST_ONNX_WIRE_H
#define TEST_ONNX_WIRE_H

#include "onnx/internal.h"
#include "test.h"

enum { WIRE_MOST = 512, WIRE_INPUTS = 8 };

/* A value of the text. */
typedef struct wire_value {
  char kind;
  lcl_shape shape;
  double x[WIRE_MOST];
  int64_t n;
} wire_value;

static inline wire_value wire_parse(const char *text) {
  wire_value v = { .kind = text[0] };
  const char *p = text + 2;
  if (*p == '-') p++;
  while (*p >= '0' && *p <= '9') {
    char *end;
    v.shape.dim[v.shape.rank++] = strtoll(p, &end, 10);
    p = *end == 'x' ? end + 1 : end;
  }
  while (*p == ' ') p++;
  while (*p) {
    char *end;
    v.x[v.n++] = strtod(p, &end);
    assert_true(end != p && v.n < WIRE_MOST);
    p = end + strspn(end, " ");
  }
  if (v.n != lcl_shape_count(v.shape)) fail_msg("%s: %d numbers", text, (int)v.n);
  return v;
}

static inline onnx_type wire_type(char kind) {
  return kind == 'f' || kind == 'F'   ? ONNX_FLOAT
         : kind == 'i' || kind == 'I' ? ONNX_INT64
         : kind == 'u'                ? ONNX_UINT8
                                      : ONNX_BOOL;
}

static inline bool wire_is_input(char kind) {
  return kind >= 'a';
}

/* A model in the making; everything lives in the arena. */
typedef struct wire {
  lcl_arena *arena;
  onnx_file file;
  onnx_graph graph;
} wire;

static inline void *wire_room(wire *w, size_t bytes) {
  void *p = lcl__arena_alloc(w->arena, bytes + 1);
  assert_non_null(p);
  return p;
}

static inline char *wire_text(wire *w, const char *text, size_t n) {
  char *copy = wire_room(w, n);
  memcpy(copy, text, n);
  return copy;
}

static inline void wire_begin(wire *w, int64_t opset) {
  w->arena = lcl__arena_create();
  lcl__onnx__model__init(&w->file);
  lcl__onnx__graph__init(&w->graph);
  w->file.graph = &w->graph;
  w->file.has_ir_version = true;
  w->file.ir_version = 8;
  w->file.n_opset = 1;
  w->file.opset = wire_room(w, sizeof *w->file.opset);
  w->file.opset[0] = wire_room(w, sizeof **w->file.opset);
  lcl__onnx__operator_set__init(w->file.opset[0]);
  w->file.opset[0]->has_version = true;
  w->file.opset[0]->version = opset;
  w->graph.node = wire_room(w, 64 * sizeof *w->graph.node);
  w->graph.input = wire_room(w, 64 * sizeof *w->graph.input);
  w->graph.output = wire_room(w, 64 * sizeof *w->graph.output);
  w->graph.initializer = wire_room(w, 64 * sizeof *w->graph.initializer);
}

static inline void wire_end(wire *w) {
  lcl__arena_destroy(w->arena);
}

static inline Lcl__Onnx__ValueInfo *wire_info(wire *w, const char *name, onnx_type type,
                                              lcl_shape s) {
  Lcl__Onnx__ValueInfo *i = wire_room(w, sizeof *i);
  lcl__onnx__value_info__init(i);
  i->name = wire_text(w, name, strlen(name));
  i->type = wire_room(w, sizeof *i->type);
  lcl__onnx__type__init(i->type);
  Lcl__Onnx__TensorType *t = i->type->tensor = wire_room(w, sizeof *t);
  lcl__onnx__tensor_type__init(t);
  t->has_element = true;
  t->element = type;
  t->shape = wire_room(w, sizeof *t->shape);
  lcl__onnx__shape__init(t->shape);
  t->shape->n_dim = (size_t)s.rank;
  t->shape->dim = wire_room(w, 8 * sizeof *t->shape->dim);
  for (int d = 0; d < s.rank; d++) {
    Lcl__Onnx__Dim *dim = t->shape->dim[d] = wire_room(w, sizeof *dim);
    lcl__onnx__dim__init(dim);
    dim->has_value = true;
    dim->value = s.dim[d];
  }
  return i;
}

static inline void wire_input(wire *w, const char *name, onnx_type type, lcl_shape s) {
  w->graph.input[w->graph.n_input++] = wire_info(w, name, type, s);
}

static inline void wire_output(wire *w, const char *name) {
  Lcl__Onnx__ValueInfo *info = wire_info(w, name, ONNX_FLOAT, LCL_SCALAR);
  info->type->tensor->shape = NULL; /* not said */
  w->graph.output[w->graph.n_output++] = info;
}

static inline onnx_tensor *wire_initialiser(wire *w, const char *name, const wire_value *v) {
  onnx_tensor *t = wire_room(w, sizeof *t);
  lcl__onnx__tensor__init(t);
  t->name = wire_text(w, name, strlen(name));
  t->has_type = true;
  t->type = wire_type(v->kind);
  t->n_dims = (size_t)v->shape.rank;
  t->dims = wire_room(w, sizeof v->shape.dim);
  memcpy(t->dims, v->shape.dim, sizeof v->shape.dim);
  t->floats = wire_room(w, (size_t)v->n * sizeof *t->floats);
  t->int64s = wire_room(w, (size_t)v->n * sizeof *t->int64s);
  t->int32s = wire_room(w, (size_t)v->n * sizeof *t->int32s);
  for (int64_t i = 0; i < v->n; i++) {
    t->floats[i] = (float)v->x[i];
    t->int64s[i] = (int64_t)v->x[i];
    t->int32s[i] = (int32_t)v->x[i];
  }
  *(t->type == ONNX_FLOAT   ? &t->n_floats
    : t->type == ONNX_INT64 ? &t->n_int64s
                            : &t->n_int32s) = (size_t)v->n;
  w->graph.initializer[w->graph.n_initializer++] = t;
  return t;
}

/* "name=value" of n characters. */
static inline onnx_attribute *wire_attribute(wire *w, const char *text, size_t n) {
  onnx_attribute *a = wire_room(w, sizeof *a);
  lcl__onnx__attribute__init(a);
  const char *copy = wire_text(w, text, n), *value = strchr(copy, '=') + 1;
  a->name = wire_text(w, copy, (size_t)(value - copy) - 1);
  a->has_type = true;
  if ((*value < '0' || *value > '9') && *value != '-') {
    a->type = 3;
    a->has_s = true;
    a->s.len = strlen(value);
    a->s.data = (uint8_t *)wire_text(w, value, a->s.len);
  } else if (strchr(value, ',')) {
    a->type = 7;
    a->ints = wire_room(w, 16 * sizeof *a->ints);
    for (char *end; *value; value = end + (*end == ','))
      a->ints[a->n_ints++] = strtoll(value, &end, 10);
  } else if (strchr(value, '.')) {
    a->type = 1;
    a->has_f = true;
    a->f = strtof(value, NULL);
  } else {
    a->type = 2;
    a->has_i = true;
    a->i = strtoll(value, NULL, 10);
  }
  return a;
}

/* "a b c" as names; "-" is one that is left out. */
static inline char **wire_names(wire *w, const char *text, size_t *n) {
  char **names = wire_room(w, 16 * sizeof *names);
  for (const char *p = text; *p;) {
    const size_t size = strcspn(p, " ");
    names[(*n)++] = wire_text(w, p, *p == '-' ? 0 : size);
    p += size + strspn(p + size, " ");
  }
  return names;
}

static inline onnx_proto_node *wire_node(wire *w, const char *op, const char *attributes,
                                         const char *in, const char *out) {
  onnx_proto_node *n = wire_room(w, sizeof *n);
  lcl__onnx__node__init(n);
  n->op = wire_text(w, op, strlen(op));
  n->input = wire_names(w, in, &n->n_input);
  n->output = wire_names(w, out, &n->n_output);
  n->attribute = wire_room(w, 16 * sizeof *n->attribute);
  for (const char *p = attributes ? attributes : ""; *p;) {
    const size_t size = strcspn(p, " ");
    n->attribute[n->n_attribute++] = wire_attribute(w, p, size);
    p += size + strspn(p + size, " ");
  }
  return w->graph.node[w->graph.n_node++] = n;
}

/* The file's bytes, in the arena. */
static inline uint8_t *wire_pack(wire *w, size_t *n) {
  *n = lcl__onnx__model__get_packed_size(&w->file);
  uint8_t *bytes = wire_room(w, *n);
  assert_int_equal(lcl__onnx__model__pack(&w->file, bytes), *n);
  return bytes;
}

#endif
