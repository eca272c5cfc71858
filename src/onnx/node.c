/* What the functions of operators share: attributes, inputs in the form they need, outputs. */
#include <math.h>

#include "graph/graph.h"
#include "onnx/internal.h"

static void describe(const onnx_node *n, char *buf, size_t size) {
  const onnx_proto_node *p = n->proto;
  const char *op = p->op ? p->op : "";
  if (p->name && *p->name)
    snprintf(buf, size, "node \"%.80s\" (%.60s)", p->name, op);
  else if (p->n_output && *p->output[0])
    snprintf(buf, size, "node %zu (%.60s, which gives \"%.80s\")", n->index, op, p->output[0]);
  else
    snprintf(buf, size, "node %zu (%.60s)", n->index, op);
}

lcl_status lcl__onnx_fail(const onnx_node *n, lcl_status status, const char *fmt, ...) {
  char text[512], name[256];
  va_list args;
  va_start(args, fmt);
  vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  describe(n, name, sizeof name);
  return lcl__fail(status, "%s: %s", name, text);
}

/* ---- attributes ---- */

enum { AS_FLOAT = 1, AS_INT = 2, AS_TEXT = 3, AS_TENSOR = 4, AS_FLOATS = 6, AS_INTS = 7 };

static const onnx_attribute *find(const onnx_node *n, const char *name, size_t *at) {
  for (size_t i = 0; i < n->proto->n_attribute; i++)
    if (n->proto->attribute[i]->name && strcmp(n->proto->attribute[i]->name, name) == 0)
      return *at = i, n->proto->attribute[i];
  return NULL;
}

bool lcl__onnx_has(const onnx_node *n, const char *name) {
  size_t at;
  return find(n, name, &at) != NULL;
}

/* The attribute, noted as read; NULL: it is not there. LCL_ERR_TYPE: it is of another kind. Files
 * before version 4 of the format do not say the kind. */
static lcl_status attribute(onnx_node *n, const char *name, int kind, const onnx_attribute **out) {
  size_t at;
  *out = find(n, name, &at);
  if (!*out) return LCL_OK;
  n->read[at] = true;
  const onnx_attribute *a = *out;
  if (a->reference && *a->reference)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "attribute \"%s\" is a function's parameter",
                          name);
  const bool there = kind == AS_FLOAT    ? a->has_f
                     : kind == AS_INT    ? a->has_i
                     : kind == AS_TEXT   ? a->has_s
                     : kind == AS_TENSOR ? a->t != NULL
                     : kind == AS_FLOATS ? !a->n_ints && !a->has_f
                                         : !a->n_floats && !a->has_i;
  if ((a->has_type && a->type && a->type != kind) || !there || a->base.n_unknown_fields)
    return lcl__onnx_fail(n, LCL_ERR_TYPE, "attribute \"%s\" is of another kind than expected",
                          name);
  return LCL_OK;
}

lcl_status lcl__onnx_int(onnx_node *n, const char *name, int64_t otherwise, int64_t *out) {
  const onnx_attribute *a;
  LCL_TRY(attribute(n, name, AS_INT, &a));
  *out = a ? a->i : otherwise;
  return LCL_OK;
}

lcl_status lcl__onnx_float(onnx_node *n, const char *name, float otherwise, float *out) {
  const onnx_attribute *a;
  LCL_TRY(attribute(n, name, AS_FLOAT, &a));
  *out = a ? a->f : otherwise;
  return LCL_OK;
}

lcl_status lcl__onnx_text(onnx_node *n, const char *name, const char *otherwise, const char **out) {
  const onnx_attribute *a;
  LCL_TRY(attribute(n, name, AS_TEXT, &a));
  *out = otherwise;
  if (!a) return LCL_OK;
  char *copy = lcl__arena_alloc(n->arena, a->s.len + 1);
  if (!copy) return LCL_ERR_HOST_MEMORY;
  if (a->s.len) memcpy(copy, a->s.data, a->s.len);
  *out = copy;
  return LCL_OK;
}

lcl_status lcl__onnx_ints(onnx_node *n, const char *name, int64_t *out, int most, int *count) {
  const onnx_attribute *a;
  LCL_TRY(attribute(n, name, AS_INTS, &a));
  *count = -1;
  if (!a) return LCL_OK;
  if (a->n_ints > (size_t)most)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "attribute \"%s\" has %zu numbers, at most %d "
                          "are possible",
                          name, a->n_ints, most);
  *count = (int)a->n_ints;
  for (size_t i = 0; i < a->n_ints; i++) out[i] = a->ints[i];
  return LCL_OK;
}

lcl_status lcl__onnx_value_attribute(onnx_node *n, const char *name, onnx_value *out, bool *there) {
  const onnx_attribute *a;
  LCL_TRY(attribute(n, name, AS_TENSOR, &a));
  *there = a != NULL;
  if (!a) return LCL_OK;
  const lcl_status st = lcl__onnx_decode(n->arena, a->t, lcl__onnx_folder(n->l), out);
  return st == LCL_OK ? LCL_OK
                      : lcl__onnx_fail(n, st, "attribute \"%s\": %s", name, lcl_error_message());
}

/* ---- inputs ---- */

bool lcl__onnx_given(const onnx_node *n, int i) {
  return i < n->n_in && n->in[i];
}

bool lcl__onnx_known(const onnx_value *v) {
  return v->ints || v->floats;
}

bool lcl__onnx_is_variable(const onnx_value *v) {
  return v->type == ONNX_FLOAT && lcl_shape_count(v->shape) > 1 &&
         (v->t ? lcl__tensor_var(v->t) != NULL : v->weight);
}

double lcl__onnx_number(const onnx_value *v, int64_t i) {
  return v->ints ? (double)v->ints[i] : (double)v->floats[i];
}

void *lcl__onnx_room(onnx_node *n, int64_t count, size_t size) {
  size_t bytes;
  if (count < 0 || !lcl__mul_size((size_t)LCL_MAX(count, 1), size, &bytes)) {
    lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
    return NULL;
  }
  return lcl__arena_alloc(n->arena, bytes);
}

/* A known value's elements as the graph takes them. */
static lcl_status constant(onnx_node *n, const onnx_value *v, lcl_dtype dtype, lcl_tensor **out) {
  const int64_t count = lcl_shape_count(v->shape);
  if (v->type == ONNX_FLOAT && v->shape.rank == 0) {
    *out = lcl_const(n->g, v->floats[0]);
    return LCL_OK;
  }
  if (v->type == ONNX_FLOAT) {
    *out = lcl_const_data(n->g, LCL_F32, v->shape, v->floats);
    return LCL_OK;
  }
  if (dtype == LCL_F16)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "constants of float16 are not supported");
  char *data = lcl__onnx_room(n, count, 4);
  if (!data) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < count; i++) {
    const int64_t x = v->ints[i];
    if (dtype == LCL_I32 && (x < INT32_MIN || x > INT32_MAX))
      return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                            "\"%s\" has the number %lld, which 32 bits do not hold", v->name,
                            (long long)x);
    if (dtype == LCL_F32) ((float *)data)[i] = (float)x;
    if (dtype == LCL_I32) ((int32_t *)data)[i] = (int32_t)x;
    if (dtype == LCL_U8) ((uint8_t *)data)[i] = (uint8_t)x;
  }
  *out = lcl_const_data(n->g, dtype, v->shape, data);
  return LCL_OK;
}

lcl_status lcl__onnx_tensor_of(onnx_node *n, onnx_value *v, lcl_tensor **out) {
  lcl_dtype dtype;
  *out = v->t;
  if (v->t) return LCL_OK;
  if (!lcl__onnx_dtype(v->type, &dtype))
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "\"%s\" is of %s, which a graph does not hold",
                          v->name, lcl__onnx_type_name(v->type));
  if (lcl__onnx_is_variable(v))
    v->t = lcl__onnx_variable(n->l, v);
  else
    LCL_TRY(constant(n, v, dtype, &v->t));
  *out = v->t;
  const lcl_status st = lcl_graph_status(n->g);
  return st == LCL_OK ? LCL_OK : lcl__onnx_fail(n, st, "%s", lcl_error_message());
}

static lcl_status input(onnx_node *n, int i, onnx_value **out) {
  if (!lcl__onnx_given(n, i))
    return lcl__onnx_fail(n, LCL_ERR_FORMAT, "its input %d is missing", i);
  *out = n->in[i];
  return LCL_OK;
}

lcl_status lcl__onnx_in_any(onnx_node *n, int i, lcl_tensor **out) {
  onnx_value *v = NULL;
  LCL_TRY(input(n, i, &v));
  return lcl__onnx_tensor_of(n, v, out);
}

lcl_status lcl__onnx_in(onnx_node *n, int i, lcl_tensor **out) {
  onnx_value *v = NULL;
  LCL_TRY(input(n, i, &v));
  if (v->type != ONNX_FLOAT)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "input \"%s\" is of %s, LatentCL computes with "
                          "float32",
                          v->name, lcl__onnx_type_name(v->type));
  return lcl__onnx_tensor_of(n, v, out);
}

lcl_status lcl__onnx_known_ints(onnx_node *n, int i, const char *what, const int64_t **out,
                                int *count) {
  onnx_value *v = NULL;
  LCL_TRY(input(n, i, &v));
  if (!v->ints)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "its %s, \"%s\", must be whole numbers that the file tells, not what "
                          "only a run would",
                          what, v->name);
  const int64_t elements = lcl_shape_count(v->shape);
  if (v->shape.rank > 1 || elements > INT32_MAX)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "its %s must be a list", what);
  *out = v->ints;
  *count = (int)elements;
  return LCL_OK;
}

lcl_status lcl__onnx_known_number(onnx_node *n, int i, const char *what, double *out) {
  onnx_value *v = NULL;
  LCL_TRY(input(n, i, &v));
  if (!lcl__onnx_known(v))
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED,
                          "its %s, \"%s\", must be a number that the file tells, not what only a "
                          "run would",
                          what, v->name);
  if (lcl_shape_count(v->shape) != 1)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "its %s must be one number", what);
  *out = lcl__onnx_number(v, 0);
  return LCL_OK;
}

lcl_status lcl__onnx_axis(onnx_node *n, int64_t axis, int rank, int *out) {
  const int64_t a = axis < 0 ? axis + rank : axis;
  if (a < 0 || a >= rank)
    return lcl__onnx_fail(n, LCL_ERR_SHAPE, "axis %lld does not exist in rank %d", (long long)axis,
                          rank);
  *out = (int)a;
  return LCL_OK;
}

lcl_status lcl__onnx_axes(onnx_node *n, const int64_t *axes, int count, int rank, unsigned *out) {
  *out = 0;
  for (int i = 0; i < count; i++) {
    int axis = 0;
    LCL_TRY(lcl__onnx_axis(n, axes[i], rank, &axis));
    if (*out & LCL_AXIS(axis))
      return lcl__onnx_fail(n, LCL_ERR_FORMAT, "axis %d is named twice", axis);
    *out |= LCL_AXIS(axis);
  }
  return LCL_OK;
}

/* ---- outputs ---- */

lcl_status lcl__onnx_give(onnx_node *n, int i, lcl_tensor *t, onnx_type type) {
  const lcl_status st = lcl_graph_status(n->g);
  if (st != LCL_OK) return lcl__onnx_fail(n, st, "%s", lcl_error_message());
  if (i >= n->n_out || !n->out[i]) return LCL_OK;
  n->out[i]->type = type;
  n->out[i]->t = t;
  n->out[i]->shape = lcl_tensor_shape(t);
  return LCL_OK;
}

lcl_status lcl__onnx_give_ints(onnx_node *n, int i, onnx_type type, lcl_shape shape,
                               const int64_t *ints) {
  if (i >= n->n_out || !n->out[i]) return LCL_OK;
  n->out[i]->type = type;
  n->out[i]->ints = ints;
  n->out[i]->shape = shape;
  return LCL_OK;
}

lcl_status lcl__onnx_give_floats(onnx_node *n, int i, lcl_shape shape, const float *floats) {
  if (i >= n->n_out || !n->out[i]) return LCL_OK;
  n->out[i]->type = ONNX_FLOAT;
  n->out[i]->floats = floats;
  n->out[i]->shape = shape;
  return LCL_OK;
}

lcl_status lcl__onnx_pass(onnx_node *n, int i, int j) {
  onnx_value *v = NULL;
  LCL_TRY(input(n, j, &v));
  if (i >= n->n_out || !n->out[i]) return LCL_OK;
  if (v->weight) { /* it keeps its name in the store */
    lcl_tensor *t = NULL;
    if (v->type == ONNX_FLOAT && lcl_shape_count(v->shape) > 1)
      LCL_TRY(lcl__onnx_tensor_of(n, v, &t));
  }
  const char *name = n->out[i]->name;
  *n->out[i] = *v;
  n->out[i]->name = name;
  n->out[i]->weight = false;
  return LCL_OK;
}

void lcl__onnx_strides(lcl_shape s, int64_t stride[LCL_MAX_RANK]) {
  int64_t step = 1;
  memset(stride, 0, LCL_MAX_RANK * sizeof *stride);
  for (int i = s.rank - 1; i >= 0; i--) {
    stride[i] = step;
    step *= s.dim[i];
  }
}

lcl_status lcl__onnx_give_view(onnx_node *n, int i, const onnx_value *v, lcl_shape shape,
                               const int64_t *stride, int64_t offset) {
  const int64_t count = lcl_shape_count(shape);
  int64_t index[LCL_MAX_RANK] = { 0 }, at = offset;
  if (count > INT64_C(1) << 28)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "a constant of %lld elements is too large",
                          (long long)count);
  int64_t *ints = v->ints ? lcl__onnx_room(n, count, sizeof *ints) : NULL;
  float *floats = v->ints ? NULL : lcl__onnx_room(n, count, sizeof *floats);
  if (!ints && !floats) return LCL_ERR_HOST_MEMORY;
  for (int64_t k = 0; k < count; k++) {
    if (ints)
      ints[k] = v->ints[at];
    else
      floats[k] = v->floats[at];
    for (int d = shape.rank - 1; d >= 0; d--) {
      at += stride[d];
      if (++index[d] < shape.dim[d]) break;
      at -= stride[d] * shape.dim[d];
      index[d] = 0;
    }
  }
  if (floats && v->type == ONNX_FLOAT) return lcl__onnx_give_floats(n, i, shape, floats);
  if (floats)
    return lcl__onnx_fail(n, LCL_ERR_UNSUPPORTED, "constants of float16 are not supported");
  return lcl__onnx_give_ints(n, i, v->type, shape, ints);
}
