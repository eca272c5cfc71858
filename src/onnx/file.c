/* Elements of an ONNX file's tensors: the ways in which a file may hold them, and files beside it.
 */
#include <limits.h>
#include <math.h>
#include <unistd.h>

#include "onnx/internal.h"

static const struct {
  int type;
  const char *name;
  size_t size;
} types[] = {
  { ONNX_FLOAT, "float32", 4 },
  { ONNX_UINT8, "uint8", 1 },
  { ONNX_INT8, "int8", 1 },
  { ONNX_UINT16, "uint16", 2 },
  { ONNX_INT16, "int16", 2 },
  { ONNX_INT32, "int32", 4 },
  { ONNX_INT64, "int64", 8 },
  { ONNX_STRING, "string", 0 },
  { ONNX_BOOL, "bool", 1 },
  { ONNX_FLOAT16, "float16", 2 },
  { ONNX_DOUBLE, "float64", 8 },
  { ONNX_UINT32, "uint32", 4 },
  { ONNX_UINT64, "uint64", 8 },
  { 14, "complex64", 0 },
  { 15, "complex128", 0 },
  { 16, "bfloat16", 0 },
  { 17, "float8e4m3fn", 0 },
  { 18, "float8e4m3fnuz", 0 },
  { 19, "float8e5m2", 0 },
  { 20, "float8e5m2fnuz", 0 },
  { 21, "uint4", 0 },
  { 22, "int4", 0 },
  { 23, "float4e2m1", 0 },
  { 24, "float8e8m0", 0 },
  { 25, "uint2", 0 },
  { 26, "int2", 0 },
};

const char *lcl__onnx_type_name(int type) {
  for (size_t i = 0; i < LCL_COUNT(types); i++)
    if (types[i].type == type) return types[i].name;
  return "an unknown type";
}

static size_t type_size(int type) {
  for (size_t i = 0; i < LCL_COUNT(types); i++)
    if (types[i].type == type) return types[i].size;
  return 0;
}

bool lcl__onnx_is_int(onnx_type type) {
  return type != ONNX_FLOAT && type != ONNX_FLOAT16 && type != ONNX_DOUBLE && type_size(type) > 0;
}

bool lcl__onnx_dtype(onnx_type type, lcl_dtype *out) {
  switch (type) {
  case ONNX_FLOAT:
  case ONNX_BOOL: *out = LCL_F32; return true;
  case ONNX_INT32:
  case ONNX_INT64: *out = LCL_I32; return true;
  case ONNX_UINT8: *out = LCL_U8; return true;
  case ONNX_FLOAT16: *out = LCL_F16; return true;
  default: return false;
  }
}

float lcl__onnx_half(uint16_t h) {
  const int exponent = (h >> 10) & 31, fraction = h & 1023;
  const float magnitude = exponent == 31 ? (fraction ? NAN : INFINITY)
                          : exponent     ? ldexpf((float)(1024 + fraction), exponent - 25)
                                         : ldexpf((float)fraction, -24);
  return h & 0x8000 ? -magnitude : magnitude;
}

/* ---- files beside the model ---- */

static const char *entry(const onnx_tensor *t, const char *key) {
  for (size_t i = 0; i < t->n_external; i++)
    if (t->external[i]->key && strcmp(t->external[i]->key, key) == 0)
      return t->external[i]->value ? t->external[i]->value : "";
  return NULL;
}

static bool parse_bytes(const char *text, uint64_t otherwise, uint64_t *out) {
  char *end;
  if (!text) return *out = otherwise, true;
  if (*text < '0' || *text > '9' || strlen(text) > 18) return false;
  *out = strtoull(text, &end, 10);
  return *end == 0;
}

/* location, inside folder, wherever links lead; lcl__free it. */
static lcl_status inside(const char *folder, const char *location, char **path) {
  char root[PATH_MAX], real[PATH_MAX];
  lcl_str joined = { 0 };
  if (!location || !*location || *location == '/' || strstr(location, ".."))
    return lcl__fail(LCL_ERR_FORMAT, "its data lie outside the folder of the file: \"%s\"",
                     location ? location : "");
  lcl__str_add(&joined, "%s/%s", folder, location);
  if (!lcl__str_ok(&joined)) return LCL_ERR_HOST_MEMORY;
  const bool there = realpath(joined.data, real) != NULL;
  lcl__str_free(&joined);
  if (!there)
    return lcl__fail(LCL_ERR_IO, "its data file %s is not in the folder of the file", location);
  if (!realpath(folder, root)) return lcl__fail(LCL_ERR_IO, "the folder %s cannot be read", folder);
  const size_t n = strcmp(root, "/") == 0 ? 0 : strlen(root);
  if (strncmp(real, root, n) != 0 || real[n] != '/')
    return lcl__fail(LCL_ERR_FORMAT, "its data lie outside the folder of the file: \"%s\"",
                     location);
  *path = lcl__strdup(real);
  return *path ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static lcl_status read_external(const onnx_tensor *t, const char *folder, size_t want,
                                void **data) {
  uint64_t offset, length, size;
  char *path = NULL;
  int fd;
  if (!folder)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "its data lie in another file, which a model "
                                          "in memory cannot have");
  for (size_t i = 0; i < t->n_external; i++) {
    static const char *const keys[] = { "location", "offset", "length", "checksum" };
    bool known = false;
    for (size_t k = 0; k < LCL_COUNT(keys) && t->external[i]->key; k++)
      known |= strcmp(t->external[i]->key, keys[k]) == 0;
    if (!known)
      return lcl__fail(LCL_ERR_UNSUPPORTED, "its external data have an unknown entry \"%s\"",
                       t->external[i]->key ? t->external[i]->key : "");
  }
  if (!parse_bytes(entry(t, "offset"), 0, &offset) ||
      !parse_bytes(entry(t, "length"), want, &length) || length != want)
    return lcl__fail(LCL_ERR_FORMAT,
                     "%zu bytes are expected of its external data, the file says "
                     "offset \"%s\", length \"%s\"",
                     want, entry(t, "offset") ? entry(t, "offset") : "",
                     entry(t, "length") ? entry(t, "length") : "");
  LCL_TRY(inside(folder, entry(t, "location"), &path));
  lcl_status st = lcl__file_open(path, &fd, &size);
  if (st == LCL_OK) {
    if (offset > size || size - offset < want)
      st = lcl__fail(LCL_ERR_FORMAT, "its data file %s is cut short", entry(t, "location"));
    else
      st = lcl__file_read_exactly(fd, path, offset, want, data);
    close(fd);
  }
  lcl__free(path);
  return st;
}

/* ---- elements ---- */

static int64_t int_at(const uint8_t *p, int type) {
  int8_t i8;
  uint16_t u16;
  int16_t i16;
  int32_t i32;
  uint32_t u32;
  int64_t i64;
  switch (type) {
  case ONNX_INT8: memcpy(&i8, p, 1); return i8;
  case ONNX_UINT16: memcpy(&u16, p, 2); return u16;
  case ONNX_INT16: memcpy(&i16, p, 2); return i16;
  case ONNX_INT32: memcpy(&i32, p, 4); return i32;
  case ONNX_UINT32: memcpy(&u32, p, 4); return u32;
  case ONNX_INT64: memcpy(&i64, p, 8); return i64;
  case ONNX_BOOL: return *p != 0;
  default: return *p;
  }
}

static float float_at(const uint8_t *p, int type) {
  float f;
  uint16_t h;
  if (type == ONNX_FLOAT16) {
    memcpy(&h, p, 2);
    return lcl__onnx_half(h);
  }
  memcpy(&f, p, 4);
  return f;
}

static void from_raw(const uint8_t *raw, int64_t count, onnx_value *v, int64_t *ints,
                     float *floats) {
  const size_t size = type_size(v->type);
  for (int64_t i = 0; i < count; i++, raw += size)
    if (ints)
      ints[i] = int_at(raw, v->type);
    else
      floats[i] = float_at(raw, v->type);
}

/* The field of the tensor that a type's elements are in; false: none has as many. */
static bool from_field(const onnx_tensor *t, int64_t count, const onnx_value *v, int64_t *ints,
                       float *floats) {
  const size_t n = (size_t)count;
  if (v->type == ONNX_FLOAT) {
    if (t->n_floats != n || t->n_int32s || t->n_int64s) return false;
    if (n) memcpy(floats, t->floats, n * sizeof *floats);
    return true;
  }
  if (v->type == ONNX_INT64) {
    if (t->n_int64s != n || t->n_int32s || t->n_floats) return false;
    if (n) memcpy(ints, t->int64s, n * sizeof *ints);
    return true;
  }
  if (v->type == ONNX_UINT32) {
    if (t->n_uint64s != n) return false;
    for (size_t i = 0; i < n; i++) ints[i] = (int64_t)(uint32_t)t->uint64s[i];
    return true;
  }
  if (t->n_int32s != n || t->n_int64s || t->n_floats) return false;
  for (size_t i = 0; i < n; i++)
    if (ints)
      ints[i] = v->type == ONNX_BOOL ? t->int32s[i] != 0 : t->int32s[i];
    else
      floats[i] = lcl__onnx_half((uint16_t)t->int32s[i]);
  return true;
}

static lcl_status shape_of(const onnx_tensor *t, lcl_shape *out) {
  int64_t count = 1;
  *out = (lcl_shape) { 0 };
  if (t->n_dims > LCL_MAX_RANK)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "it has %zu dimensions, at most %d are possible",
                     t->n_dims, LCL_MAX_RANK);
  for (size_t i = 0; i < t->n_dims; i++) {
    if (t->dims[i] < 0 || __builtin_mul_overflow(count, LCL_MAX(t->dims[i], 1), &count) ||
        count > INT64_C(1) << 31)
      return lcl__fail(LCL_ERR_FORMAT, "its dimension %zu of %lld cannot be", i,
                       (long long)t->dims[i]);
    out->dim[out->rank++] = t->dims[i];
  }
  return LCL_OK;
}

static lcl_status check_type(const onnx_tensor *t) {
  const int type = t->has_type ? t->type : 0;
  if (type_size(type) == 0 || type == ONNX_DOUBLE || type == ONNX_UINT64)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "it is of %s, which LatentCL does not compute with",
                     lcl__onnx_type_name(type));
  if (t->has_segment) return lcl__fail(LCL_ERR_UNSUPPORTED, "it is one segment of a larger tensor");
  if (t->base.n_unknown_fields)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "it has a field %u, which is not known",
                     t->base.unknown_fields[0].tag);
  return LCL_OK;
}

lcl_status lcl__onnx_decode(lcl_arena *arena, const onnx_tensor *t, const char *folder,
                            onnx_value *out) {
  lcl_shape shape;
  LCL_TRY(check_type(t));
  LCL_TRY(shape_of(t, &shape));
  *out = (onnx_value) { .name = t->name, .type = (onnx_type)t->type, .shape = shape };
  const int64_t count = lcl_shape_count(shape);
  const size_t bytes = (size_t)count * type_size(t->type);
  const bool external = t->has_location && t->location == 1;
  if (t->has_raw && t->raw.len != bytes)
    return lcl__fail(LCL_ERR_FORMAT, "its shape takes %zu bytes, the file has %zu", bytes,
                     t->raw.len);
  if (!t->has_raw && !external) { /* before room is made for a shape that was made up */
    const size_t have = t->n_floats + t->n_int32s + t->n_int64s + t->n_uint64s;
    if (have != (size_t)count)
      return lcl__fail(LCL_ERR_FORMAT, "its shape takes %lld elements, the file has %zu",
                       (long long)count, have);
  }
  void *read = NULL;
  if (external) LCL_TRY(read_external(t, folder, bytes, &read));
  const bool whole = lcl__onnx_is_int(out->type);
  void *room = lcl__arena_alloc(arena, LCL_MAX((size_t)count, 1) * (whole ? 8 : 4));
  int64_t *ints = whole ? room : NULL;
  float *floats = whole ? NULL : room;
  lcl_status st = room ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (st == LCL_OK && (read || t->has_raw))
    from_raw(read ? read : t->raw.data, count, out, ints, floats);
  else if (st == LCL_OK && !from_field(t, count, out, ints, floats))
    st = lcl__fail(LCL_ERR_FORMAT, "its elements are not in the field of its type");
  out->ints = ints;
  out->floats = floats;
  lcl__free(read);
  return st;
}
