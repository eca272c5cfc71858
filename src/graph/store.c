/* The store of variables; see store.h for the layout. */
#include <math.h>

#include "base/philox.h"
#include "graph/store.h"

struct lcl_store {
  lcl_context *ctx;
  int owners; /* the caller, graphs and programs */
  uint64_t seed;
  struct {
    lcl_var **data;
    size_t n, cap;
  } vars;
  struct {
    lcl_segment *data;
    size_t n, cap;
  } segments;
};

lcl_status lcl_store_create(lcl_context *ctx, uint64_t seed, lcl_store **out) {
  LCL_NEED(ctx, out);
  *out = NULL;
  lcl_store *s = lcl__alloc(sizeof *s);
  if (!s) return LCL_ERR_HOST_MEMORY;
  s->ctx = lcl__context_retain(ctx);
  s->owners = 1;
  s->seed = seed;
  *out = s;
  return LCL_OK;
}

lcl_store *lcl__store_retain(lcl_store *s) {
  s->owners++;
  return s;
}

static void var_free(lcl_var *v) {
  if (!v) return;
  lcl_buffer_destroy(v->buffer);
  lcl__free(v->name);
  lcl__free(v->slot);
  lcl__free(v);
}

void lcl_store_destroy(lcl_store *s) {
  if (!s || --s->owners > 0) return;
  for (size_t i = 0; i < s->vars.n; i++) var_free(s->vars.data[i]);
  for (size_t i = 0; i < s->segments.n; i++) {
    lcl_buffer_destroy(s->segments.data[i].buffer);
    lcl__free(s->segments.data[i].slot);
  }
  lcl__free(s->vars.data);
  lcl__free(s->segments.data);
  lcl__context_release(s->ctx);
  lcl__free(s);
}

lcl_context *lcl_store_context(lcl_store *s) {
  if (!s) return NULL;
  return s->ctx;
}
uint64_t lcl__store_seed(const lcl_store *s) {
  return s->seed;
}
size_t lcl_store_count(const lcl_store *s) {
  if (!s) return 0;
  return s->vars.n;
}

lcl_var_info lcl_store_info(const lcl_store *s, size_t index) {
  if (!s || index >= s->vars.n) return (lcl_var_info) { 0 };
  const lcl_var *v = s->vars.data[index];
  return (lcl_var_info) { v->name, v->dtype, v->shape, v->trainable };
}

int64_t lcl_store_param_count(const lcl_store *s) {
  if (!s) return 0;
  int64_t n = 0;
  for (size_t i = 0; i < s->vars.n; i++)
    if (s->vars.data[i]->trainable) n += lcl_shape_count(s->vars.data[i]->shape);
  return n;
}

lcl_var *lcl__store_find(lcl_store *s, const char *name) {
  for (size_t i = 0; i < s->vars.n; i++)
    if (strcmp(s->vars.data[i]->name, name) == 0) return s->vars.data[i];
  return NULL;
}

static lcl_status var_create(lcl_store *s, lcl_var proto, const char *name, const char *slot,
                             lcl_var **out) {
  lcl_var *v = lcl__alloc(sizeof *v);
  if (!v) return LCL_ERR_HOST_MEMORY;
  *v = proto;
  v->segment = -1;
  v->bytes = (size_t)lcl_shape_count(v->shape) * lcl_dtype_size(v->dtype);
  v->name = lcl__strdup(name);
  v->slot = slot ? lcl__strdup(slot) : NULL;
  if (!v->name || (slot && !v->slot) || !LCL_PUSH(&s->vars, v)) {
    var_free(v);
    return LCL_ERR_HOST_MEMORY;
  }
  *out = v;
  return LCL_OK;
}

/* Initial values that the type can hold. */
static lcl_status check_init(lcl_dtype dtype, const lcl_init *init) {
  const bool fixed = init->kind == LCL_INIT_ZERO || init->kind == LCL_INIT_CONSTANT;
  const float most = dtype == LCL_U8 ? 255 : 2147483520, least = dtype == LCL_U8 ? 0 : -most;
  if ((int)init->kind < LCL_INIT_ZERO || init->kind > LCL_INIT_FAN_IN_UNIFORM)
    return lcl__fail(LCL_ERR_ARGUMENT, "there is no distribution %d of initial values",
                     (int)init->kind);
  if (dtype != LCL_F32 && !fixed)
    return lcl__fail(LCL_ERR_TYPE, "random initial values are for f32, not %s",
                     lcl_dtype_name(dtype));
  if (dtype == LCL_F16 && init->kind == LCL_INIT_CONSTANT && init->value != 0)
    return lcl__fail(LCL_ERR_TYPE, "initial values of f16 are zeros");
  if (!isfinite(init->value) || !isfinite(init->scale) || init->fan_in < 0 || init->fan_out < 0)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "its initial values are not finite (%g, scale %g, fans %lld "
                     "and %lld)",
                     (double)init->value, (double)init->scale, (long long)init->fan_in,
                     (long long)init->fan_out);
  if (dtype != LCL_F32 && (init->value < least || init->value > most))
    return lcl__fail(LCL_ERR_ARGUMENT, "its initial value %g does not fit %s", (double)init->value,
                     lcl_dtype_name(dtype));
  return LCL_OK;
}

lcl_status lcl__store_var(lcl_store *s, const char *name, lcl_dtype dtype, lcl_shape shape,
                          bool trainable, lcl_init init, lcl_var **out) {
  lcl_var *v = lcl__store_find(s, name);
  if (!v) LCL_TRY(check_init(dtype, &init));
  if (!v)
    return var_create(
        s, (lcl_var) { .dtype = dtype, .shape = shape, .trainable = trainable, .init = init }, name,
        NULL, out);
  char have[96], want[96];
  if (v->dtype != dtype || !lcl_shape_equal(v->shape, shape))
    return lcl__fail(LCL_ERR_SHAPE, "exists as %s %s, asked for as %s %s", lcl_dtype_name(v->dtype),
                     lcl_shape_string(v->shape, have), lcl_dtype_name(dtype),
                     lcl_shape_string(shape, want));
  if (trainable && !v->trainable)
    return lcl__fail(LCL_ERR_ARGUMENT, "exists as a state, which is not trained");
  *out = v;
  return LCL_OK;
}

lcl_status lcl__store_slot(lcl_store *s, const lcl_var *param, const char *slot, float value,
                           lcl_var **out) {
  lcl_str name = { 0 };
  lcl__str_add(&name, "%s.%s", param->name, slot);
  if (!lcl__str_ok(&name)) return LCL_ERR_HOST_MEMORY;
  lcl_status st = LCL_OK;
  *out = lcl__store_find(s, name.data);
  if (*out && (*out)->mirror != param)
    st = lcl__fail(LCL_ERR_ARGUMENT, "%s is a variable of its own; the optimiser needs this name",
                   name.data);
  lcl_var proto = { .dtype = LCL_F32,
                    .shape = param->shape,
                    .init = { LCL_INIT_CONSTANT, value, 0, 0, 0 },
                    .mirror = param };
  if (st == LCL_OK && !*out) st = var_create(s, proto, name.data, slot, out);
  lcl__str_free(&name);
  return st;
}

/* ---- initial values ---- */

static void init_values(const lcl_store *s, const lcl_var *v, void *data) {
  int64_t n = lcl_shape_count(v->shape);
  float scale = v->init.scale == 0 ? 1.0f : v->init.scale;
  int64_t rest = v->shape.rank && v->shape.dim[0] ? n / v->shape.dim[0] : 1;
  int64_t fan_in = v->init.fan_in ? v->init.fan_in : rest;
  int64_t area = v->shape.rank > 2 && v->shape.dim[1] ? rest / v->shape.dim[1] : 1;
  int64_t fan_out = v->init.fan_out ? v->init.fan_out
                                    : (v->shape.rank ? v->shape.dim[0] * area : 1);
  if (fan_in < 1) fan_in = 1;
  float *f = data;
  uint32_t stream = lcl__philox_stream(
      v->name); /* values depend on a variable's name, not on the order */
  float a = 0;
  switch (v->init.kind) {
  case LCL_INIT_ZERO: return;
  case LCL_INIT_CONSTANT:
    for (int64_t i = 0; i < n; i++) {
      if (v->dtype == LCL_F32)
        f[i] = v->init.value;
      else if (v->dtype == LCL_I32)
        ((int32_t *)data)[i] = (int32_t)v->init.value;
      else if (v->dtype == LCL_U8)
        ((uint8_t *)data)[i] = (uint8_t)v->init.value;
    }
    return;
  case LCL_INIT_NORMAL: a = scale; break;
  case LCL_INIT_HE_NORMAL: a = scale * sqrtf(2.0f / (float)fan_in); break;
  case LCL_INIT_FAN_IN_NORMAL: a = scale / sqrtf((float)fan_in); break;
  case LCL_INIT_UNIFORM: a = scale; break;
  case LCL_INIT_GLOROT_UNIFORM: a = scale * sqrtf(6.0f / (float)(fan_in + fan_out)); break;
  case LCL_INIT_FAN_IN_UNIFORM: a = scale * sqrtf(3.0f / (float)fan_in); break;
  }
  bool is_uniform = v->init.kind == LCL_INIT_UNIFORM || v->init.kind == LCL_INIT_GLOROT_UNIFORM ||
                    v->init.kind == LCL_INIT_FAN_IN_UNIFORM;
  if (v->dtype != LCL_F32) return;
  if (is_uniform)
    lcl__philox_uniform(s->seed, stream, 0, f, (size_t)n);
  else
    lcl__philox_normal(s->seed, stream, 0, f, (size_t)n);
  for (int64_t i = 0; i < n; i++) f[i] = v->init.value + a * (is_uniform ? 2 * f[i] - 1 : f[i]);
}

/* ---- placement ---- */

static lcl_status segment_new(lcl_store *s, size_t bytes, int mirror, const char *slot,
                              int *index) {
  lcl_segment seg = { .bytes = LCL_MAX(bytes, 4),
                      .mirror = mirror,
                      .slot = slot ? lcl__strdup(slot) : NULL };
  if (slot && !seg.slot) return LCL_ERR_HOST_MEMORY;
  lcl_status st = lcl_buffer_create(s->ctx, seg.bytes, &seg.buffer);
  if (st != LCL_OK || !LCL_PUSH(&s->segments, seg)) {
    lcl_buffer_destroy(seg.buffer);
    lcl__free(seg.slot);
    return st != LCL_OK ? st : LCL_ERR_HOST_MEMORY;
  }
  *index = (int)s->segments.n - 1;
  return LCL_OK;
}

/* Fills a new segment with the initial values of the variables in it, padding zero. */
static lcl_status segment_fill(lcl_store *s, int index) {
  lcl_segment *seg = &s->segments.data[index];
  char *host = lcl__alloc(seg->bytes);
  if (!host) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < s->vars.n; i++)
    if (s->vars.data[i]->segment == index)
      init_values(s, s->vars.data[i], host + s->vars.data[i]->offset);
  lcl_status st = lcl_buffer_write(seg->buffer, 0, host, seg->bytes);
  lcl__free(host);
  for (size_t i = 0; st == LCL_OK && i < s->vars.n; i++) {
    lcl_var *v = s->vars.data[i];
    if (v->segment == index)
      st = lcl__buffer_sub(seg->buffer, v->offset, LCL_MAX(v->bytes, 4), &v->buffer);
  }
  return st;
}

/* Places all unplaced variables of one kind (trainable, or plain state) one after the other. */
static lcl_status place_kind(lcl_store *s, bool trainable) {
  size_t align = lcl__context_caps(s->ctx)->base_align, bytes = 0;
  int index = (int)s->segments.n;
  for (size_t i = 0; i < s->vars.n; i++) {
    lcl_var *v = s->vars.data[i];
    if (v->segment >= 0 || v->mirror || v->trainable != trainable) continue;
    v->segment = index;
    v->offset = bytes;
    bytes += lcl__round_up(LCL_MAX(v->bytes, 1), align);
  }
  if (!bytes) return LCL_OK;
  lcl_status st = segment_new(s, bytes, -1, NULL, &index);
  if (st == LCL_OK) return segment_fill(s, index);
  for (size_t i = 0; i < s->vars.n; i++)
    if (s->vars.data[i]->segment == index) s->vars.data[i]->segment = -1;
  return st;
}

static lcl_status place_slot(lcl_store *s, const lcl_var *v) {
  int of = v->mirror->segment, index;
  for (size_t i = 0; i < s->segments.n; i++)
    if (s->segments.data[i].mirror == of && strcmp(s->segments.data[i].slot, v->slot) == 0)
      return LCL_OK;
  LCL_TRY(segment_new(s, s->segments.data[of].bytes, of, v->slot, &index));
  for (size_t i = 0; i < s->vars.n; i++) {
    lcl_var *o = s->vars.data[i];
    if (o->segment >= 0 || !o->mirror || o->mirror->segment != of || strcmp(o->slot, v->slot) != 0)
      continue;
    o->segment = index;
    o->offset = o->mirror->offset;
  }
  return segment_fill(s, index);
}

/* A slot made after its segment was filled (another graph trains more of the parameters) joins it;
 * its part of the segment still holds zeros, so only a non-zero initial value has to be written. */
static lcl_status join_slot(lcl_store *s, lcl_var *v) {
  for (size_t i = 0; i < s->segments.n; i++) {
    lcl_segment *seg = &s->segments.data[i];
    if (seg->mirror != v->mirror->segment || strcmp(seg->slot, v->slot) != 0) continue;
    v->segment = (int)i;
    v->offset = v->mirror->offset;
    LCL_TRY(lcl__buffer_sub(seg->buffer, v->offset, LCL_MAX(v->bytes, 4), &v->buffer));
    if (!v->bytes) return LCL_OK;
    float *host = lcl__alloc(v->bytes);
    if (!host) return LCL_ERR_HOST_MEMORY;
    init_values(s, v, host);
    lcl_status st = lcl_buffer_write(v->buffer, 0, host, v->bytes);
    lcl__free(host);
    return st;
  }
  return LCL_OK;
}

lcl_status lcl__store_place(lcl_store *s) {
  LCL_TRY(place_kind(s, true));
  LCL_TRY(place_kind(s, false));
  for (size_t i = 0; i < s->vars.n; i++) {
    lcl_var *v = s->vars.data[i];
    if (v->segment >= 0 || !v->mirror) continue;
    LCL_TRY(place_slot(s, v));
    if (v->segment < 0) LCL_TRY(join_slot(s, v));
  }
  return LCL_OK;
}

const lcl_segment *lcl__store_segment(const lcl_store *s, int index) {
  return &s->segments.data[index];
}

bool lcl__store_is_slot(const lcl_store *s, size_t index) {
  return index < s->vars.n && s->vars.data[index]->slot;
}

const lcl_segment *lcl__store_slot_segment(const lcl_store *s, int index, const char *slot) {
  for (size_t i = 0; i < s->segments.n; i++)
    if (s->segments.data[i].mirror == index && strcmp(s->segments.data[i].slot, slot) == 0)
      return &s->segments.data[i];
  return NULL;
}

/* ---- access by name ---- */

static lcl_status access_check(lcl_store *s, const char *name, size_t bytes, lcl_var **v) {
  *v = lcl__store_find(s, name);
  if (!*v) return lcl__fail(LCL_ERR_ARGUMENT, "the store has no variable \"%s\"", name);
  if ((*v)->bytes != bytes)
    return lcl__fail(LCL_ERR_SHAPE, "variable \"%s\" has %zu bytes, not %zu", name, (*v)->bytes,
                     bytes);
  return lcl__store_place(s);
}

static lcl_status read_var(lcl_store *s, const char *name, void *data, size_t bytes) {
  lcl_var *v;
  LCL_TRY(access_check(s, name, bytes, &v));
  if (!bytes) return LCL_OK;
  LCL_NEED(data);
  return lcl__download(s->ctx, v->buffer, 0, data, bytes);
}

lcl_status lcl_store_read(lcl_store *s, const char *name, void *data, size_t bytes) {
  LCL_NEED(s, name);
  LCL_TRY(lcl__context_enter(s->ctx));
  return lcl__context_leave(s->ctx, read_var(s, name, data, bytes));
}

static lcl_status write_var(lcl_store *s, const char *name, const void *data, size_t bytes) {
  lcl_var *v;
  LCL_TRY(access_check(s, name, bytes, &v));
  LCL_TRY(lcl_context_finish(s->ctx));
  return bytes ? lcl_buffer_write(v->buffer, 0, data, bytes) : LCL_OK;
}

lcl_status lcl_store_write(lcl_store *s, const char *name, const void *data, size_t bytes) {
  LCL_NEED(s, name);
  LCL_TRY(lcl__context_enter(s->ctx));
  return lcl__context_leave(s->ctx, write_var(s, name, data, bytes));
}
