/* Safetensors files: 8 bytes little-endian header length, a JSON header, then the tensors' bytes
 * back to back. The reader trusts nothing: a bad file gives LCL_ERR_FORMAT with the tensor's name
 * and the reason. */
#include <math.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"
#include "latentcl/train.h"

enum { HEADER_LIMIT = 100 * 1000 * 1000, NAME_LIMIT = 1024, TENSOR_LIMIT = 65536 };

typedef struct entry {
  lcl_tensor_entry e;
  void *owned;  /* NULL when e.data points into the file's bytes */
  size_t begin; /* reading: offset in the data section */
} entry;

typedef struct meta {
  char *key, *value;
} meta;

struct lcl_tensor_file {
  struct {
    entry *data;
    size_t n, cap;
  } entries;
  struct {
    meta *data;
    size_t n, cap;
  } metas;
  void *bytes; /* the data section of the file that was read */
};

static const struct {
  lcl_dtype dtype;
  const char *name;
} dtypes[] = {
  { LCL_F32, "F32" },
  { LCL_I32, "I32" },
  { LCL_U8, "U8" },
  { LCL_F16, "F16" },
};

lcl_status lcl_tensor_file_create(lcl_tensor_file **out) {
  LCL_NEED(out);
  *out = lcl__alloc(sizeof **out);
  return *out ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

void lcl_tensor_file_destroy(lcl_tensor_file *f) {
  if (!f) return;
  for (size_t i = 0; i < f->entries.n; i++) {
    lcl__free((char *)f->entries.data[i].e.name);
    lcl__free(f->entries.data[i].owned);
  }
  for (size_t i = 0; i < f->metas.n; i++) {
    lcl__free(f->metas.data[i].key);
    lcl__free(f->metas.data[i].value);
  }
  lcl__free(f->entries.data);
  lcl__free(f->metas.data);
  lcl__free(f->bytes);
  lcl__free(f);
}

size_t lcl_tensor_file_count(const lcl_tensor_file *f) {
  if (!f) return 0;
  return f->entries.n;
}

const lcl_tensor_entry *lcl_tensor_file_at(const lcl_tensor_file *f, size_t index) {
  if (!f) return NULL;
  return index < f->entries.n ? &f->entries.data[index].e : NULL;
}

const lcl_tensor_entry *lcl_tensor_file_find(const lcl_tensor_file *f, const char *name) {
  if (!f) return NULL;
  for (size_t i = 0; i < f->entries.n; i++)
    if (strcmp(f->entries.data[i].e.name, name) == 0) return &f->entries.data[i].e;
  return NULL;
}

const char *lcl_tensor_file_meta(const lcl_tensor_file *f, const char *key) {
  if (!f) return NULL;
  for (size_t i = 0; i < f->metas.n; i++)
    if (strcmp(f->metas.data[i].key, key) == 0) return f->metas.data[i].value;
  return NULL;
}

/* ---- making ---- */

static lcl_status push_entry(lcl_tensor_file *f, const lcl_tensor_entry *e, void *owned,
                             size_t begin) {
  if (f->entries.n == TENSOR_LIMIT) {
    lcl__free(owned);
    return lcl__fail(LCL_ERR_FORMAT, "more than %d tensors", TENSOR_LIMIT);
  }
  entry n = { .e = *e, .owned = owned, .begin = begin };
  n.e.name = lcl__strdup(e->name);
  if (!n.e.name || !LCL_PUSH(&f->entries, n)) {
    lcl__free((char *)n.e.name);
    lcl__free(owned);
    return LCL_ERR_HOST_MEMORY;
  }
  return LCL_OK;
}

lcl_status lcl_tensor_file_add(lcl_tensor_file *f, const lcl_tensor_entry *e) {
  LCL_NEED(f, e);
  char buf[96];
  if (e->bytes != (size_t)lcl_shape_count(e->shape) * lcl_dtype_size(e->dtype))
    return lcl__fail(LCL_ERR_SHAPE, "tensor \"%s\" of shape %s and type %s cannot have %zu bytes",
                     e->name, lcl_shape_string(e->shape, buf), lcl_dtype_name(e->dtype), e->bytes);
  if (lcl_tensor_file_find(f, e->name))
    return lcl__fail(LCL_ERR_FORMAT, "tensor \"%s\" appears twice", e->name);
  void *copy = lcl__alloc(LCL_MAX(e->bytes, 1));
  if (!copy) return LCL_ERR_HOST_MEMORY;
  if (e->bytes) memcpy(copy, e->data, e->bytes);
  lcl_tensor_entry mine = *e;
  mine.data = copy;
  return push_entry(f, &mine, copy, 0);
}

static lcl_status push_meta(lcl_tensor_file *f, const char *key, const char *value) {
  meta m = { .key = lcl__strdup(key), .value = lcl__strdup(value) };
  if (!m.key || !m.value || !LCL_PUSH(&f->metas, m)) {
    lcl__free(m.key);
    lcl__free(m.value);
    return LCL_ERR_HOST_MEMORY;
  }
  return LCL_OK;
}

lcl_status lcl_tensor_file_set_meta(lcl_tensor_file *f, const char *key, const char *value) {
  LCL_NEED(f, key, value);
  for (size_t i = 0; i < f->metas.n; i++) {
    if (strcmp(f->metas.data[i].key, key) != 0) continue;
    char *v = lcl__strdup(value);
    if (!v) return LCL_ERR_HOST_MEMORY;
    lcl__free(f->metas.data[i].value);
    f->metas.data[i].value = v;
    return LCL_OK;
  }
  return push_meta(f, key, value);
}

static const char *dtype_text(lcl_dtype dtype) {
  for (size_t i = 0; i < LCL_COUNT(dtypes); i++)
    if (dtypes[i].dtype == dtype) return dtypes[i].name;
  return "?";
}

static cJSON *header_json(const lcl_tensor_file *f) {
  cJSON *root = cJSON_CreateObject(), *m = cJSON_AddObjectToObject(root, "__metadata__");
  for (size_t i = 0; i < f->metas.n; i++)
    cJSON_AddStringToObject(m, f->metas.data[i].key, f->metas.data[i].value);
  size_t at = 0;
  for (size_t i = 0; i < f->entries.n; i++) {
    const lcl_tensor_entry *e = &f->entries.data[i].e;
    cJSON *t = cJSON_AddObjectToObject(root, e->name);
    cJSON_AddStringToObject(t, "dtype", dtype_text(e->dtype));
    cJSON *shape = cJSON_AddArrayToObject(t, "shape"),
          *span = cJSON_AddArrayToObject(t, "data_offsets");
    for (int d = 0; d < e->shape.rank; d++)
      cJSON_AddItemToArray(shape, cJSON_CreateNumber((double)e->shape.dim[d]));
    cJSON_AddItemToArray(span, cJSON_CreateNumber((double)at));
    at += e->bytes;
    cJSON_AddItemToArray(span, cJSON_CreateNumber((double)at));
  }
  return root;
}

lcl_status lcl_tensor_file_write(const lcl_tensor_file *f, const char *path) {
  LCL_NEED(f, path);
  cJSON *json = header_json(f);
  char *text = json ? lcl__json_print(json, false) : NULL;
  cJSON_Delete(json);
  if (!text) return lcl__fail(LCL_ERR_HOST_MEMORY, "%s: out of memory for the header", path);
  lcl_str out = { 0 };
  size_t n = strlen(text), padded = (n + 7) / 8 * 8; /* the data section starts 8-aligned */
  unsigned char length[8];
  for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)padded >> (8 * i));
  lcl__str_append(&out, (char *)length, 8);
  lcl__str_append(&out, text, n);
  lcl__str_append(&out, "        ", padded - n);
  free(text);
  for (size_t i = 0; i < f->entries.n; i++)
    lcl__str_append(&out, f->entries.data[i].e.data, f->entries.data[i].e.bytes);
  lcl_status s = lcl__str_ok(&out) ? lcl__file_write_atomic(path, out.data, out.n)
                                   : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&out);
  return s;
}

/* ---- reading ---- */

/* A whole number in [0, 2^53]. */
static bool whole(const cJSON *j, size_t *out) {
  if (!cJSON_IsNumber(j) || j->valuedouble < 0 || j->valuedouble > 9007199254740992.0) return false;
  if (j->valuedouble != floor(j->valuedouble)) return false;
  *out = (size_t)j->valuedouble;
  return true;
}

static bool read_dtype(const cJSON *j, lcl_dtype *out) {
  for (size_t i = 0; cJSON_IsString(j) && i < LCL_COUNT(dtypes); i++) {
    if (strcmp(j->valuestring, dtypes[i].name) == 0) {
      *out = dtypes[i].dtype;
      return true;
    }
  }
  return false;
}

/* Shape and number of bytes; false: rank, a dimension or the product (of an empty tensor: without
 * the zeros) is impossible. */
static bool read_shape(const cJSON *j, lcl_dtype dtype, lcl_shape *shape, size_t *bytes) {
  if (!cJSON_IsArray(j) || cJSON_GetArraySize(j) > LCL_MAX_RANK) return false;
  *shape = LCL_SCALAR;
  *bytes = lcl_dtype_size(dtype);
  bool empty = false;
  const cJSON *d;
  cJSON_ArrayForEach(d, j) {
    size_t n;
    if (!whole(d, &n) || !lcl__mul_size(*bytes, LCL_MAX(n, 1), bytes)) return false;
    shape->dim[shape->rank++] = (int64_t)n;
    empty |= n == 0;
  }
  if (empty) *bytes = 0;
  return true;
}

static lcl_status read_tensor(lcl_tensor_file *f, const cJSON *j, const char *what, size_t n_data) {
  const char *name = j->string;
  const cJSON *span = cJSON_GetObjectItemCaseSensitive(j, "data_offsets");
  lcl_tensor_entry e = { .name = name };
  size_t begin, end;
  if (strlen(name) > NAME_LIMIT)
    return lcl__fail(LCL_ERR_FORMAT, "%s: a tensor's name is longer than %d bytes", what,
                     NAME_LIMIT);
  if (!cJSON_IsObject(j))
    return lcl__fail(LCL_ERR_FORMAT, "%s: header entry \"%s\" is not an object", what, name);
  const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(j, "dtype");
  if (!read_dtype(dtype, &e.dtype))
    return lcl__fail(LCL_ERR_FORMAT,
                     "%s: tensor \"%s\" has the type %s; F32, I32, U8 and F16 can be read", what,
                     name, cJSON_IsString(dtype) ? dtype->valuestring : "(none)");
  if (!read_shape(cJSON_GetObjectItemCaseSensitive(j, "shape"), e.dtype, &e.shape, &e.bytes))
    return lcl__fail(LCL_ERR_FORMAT, "%s: tensor \"%s\" has no valid shape (at most %d dimensions)",
                     what, name, LCL_MAX_RANK);
  if (!cJSON_IsArray(span) || cJSON_GetArraySize(span) != 2 ||
      !whole(cJSON_GetArrayItem(span, 0), &begin) || !whole(cJSON_GetArrayItem(span, 1), &end))
    return lcl__fail(LCL_ERR_FORMAT, "%s: tensor \"%s\" has no valid data_offsets", what, name);
  if (begin > end || end > n_data)
    return lcl__fail(LCL_ERR_FORMAT,
                     "%s: tensor \"%s\" lies at %zu..%zu, the file's data end at %zu (truncated?)",
                     what, name, begin, end, n_data);
  if (end - begin != e.bytes)
    return lcl__fail(LCL_ERR_FORMAT, "%s: tensor \"%s\" has %zu bytes, its shape and type need %zu",
                     what, name, end - begin, e.bytes);
  lcl_status s = push_entry(f, &e, NULL, begin);
  return s == LCL_OK ? s : lcl__fail_prefix(s, "%s", what);
}

static lcl_status read_meta(lcl_tensor_file *f, const cJSON *j, const char *what) {
  const cJSON *item;
  if (!cJSON_IsObject(j))
    return lcl__fail(LCL_ERR_FORMAT, "%s: __metadata__ is not an object", what);
  cJSON_ArrayForEach(item, j) {
    if (!cJSON_IsString(item))
      return lcl__fail(LCL_ERR_FORMAT, "%s: metadata \"%s\" is not a text", what, item->string);
    LCL_TRY(push_meta(f, item->string, item->valuestring));
  }
  return LCL_OK;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, not each held against all: a header has room for millions of names. */
static lcl_status check_twice(const char **names, size_t n, const char *what, const char *kind) {
  qsort(names, n, sizeof *names, by_text);
  for (size_t i = 1; i < n; i++)
    if (strcmp(names[i - 1], names[i]) == 0)
      return lcl__fail(LCL_ERR_FORMAT, "%s: %s \"%s\" appears twice", what, kind, names[i]);
  return LCL_OK;
}

static lcl_status check_names(const lcl_tensor_file *f, const char *what) {
  const char **names = lcl__alloc((LCL_MAX(f->entries.n, f->metas.n) + 1) * sizeof *names);
  if (!names) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < f->entries.n; i++) names[i] = f->entries.data[i].e.name;
  lcl_status s = check_twice(names, f->entries.n, what, "tensor");
  for (size_t i = 0; i < f->metas.n; i++) names[i] = f->metas.data[i].key;
  if (s == LCL_OK) s = check_twice(names, f->metas.n, what, "metadata");
  lcl__free(names);
  return s;
}

static int by_begin(const void *a, const void *b) {
  const entry *x = *(entry *const *)a, *y = *(entry *const *)b;
  if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
  return (x->e.bytes > y->e.bytes) - (x->e.bytes < y->e.bytes); /* empty tensors first */
}

/* The tensors must cover the data section: no overlap, no hole. */
static lcl_status check_cover(const lcl_tensor_file *f, const char *what, size_t n_data) {
  size_t n = f->entries.n, at = 0;
  entry **order = lcl__alloc(LCL_MAX(n, 1) * sizeof *order);
  if (!order) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < n; i++) order[i] = &f->entries.data[i];
  qsort(order, n, sizeof *order, by_begin);
  lcl_status s = LCL_OK;
  for (size_t i = 0; i < n && s == LCL_OK; i++) {
    if (order[i]->begin < at)
      s = lcl__fail(LCL_ERR_FORMAT, "%s: tensor \"%s\" overlaps the one before it", what,
                    order[i]->e.name);
    else if (order[i]->begin > at)
      s = lcl__fail(LCL_ERR_FORMAT, "%s: %zu bytes before tensor \"%s\" belong to no tensor", what,
                    order[i]->begin - at, order[i]->e.name);
    at = order[i]->begin + order[i]->e.bytes;
  }
  lcl__free(order);
  if (s == LCL_OK && at != n_data)
    s = lcl__fail(LCL_ERR_FORMAT, "%s: %zu bytes at the end belong to no tensor", what,
                  n_data - at);
  return s;
}

static bool only_blank(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r')) p++;
  return p >= end;
}

/* The header's length from the first 8 bytes of a file of `size` bytes. */
static lcl_status header_length(const char *bytes, uint64_t size, const char *what, size_t *out) {
  uint64_t length = 0;
  if (size < 8)
    return lcl__fail(LCL_ERR_FORMAT, "%s: %d bytes are too few for a safetensors file (truncated?)",
                     what, (int)size);
  for (int i = 0; i < 8; i++) length |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
  if (length > HEADER_LIMIT)
    return lcl__fail(
        LCL_ERR_FORMAT,
        "%s: the header claims %llu bytes, at most %d are allowed; not a safetensors file?", what,
        (unsigned long long)length, HEADER_LIMIT);
  if (length > size - 8)
    return lcl__fail(LCL_ERR_FORMAT,
                     "%s: the header claims %llu bytes, the file has %llu left (truncated?)", what,
                     (unsigned long long)length, (unsigned long long)(size - 8));
  *out = (size_t)length;
  return LCL_OK;
}

/* Names, types, shapes and places of the tensors in a data section of n_data bytes. */
static lcl_status parse_header(lcl_tensor_file *f, const char *header, size_t length, size_t n_data,
                               const char *what) {
  const char *end = NULL;
  const locale_t before = lcl__c_locale();
  cJSON *json = cJSON_ParseWithLengthOpts(header, length, &end, 0);
  uselocale(before);
  if (!json || !cJSON_IsObject(json) || !only_blank(end, header + length)) {
    cJSON_Delete(json);
    return lcl__fail(LCL_ERR_FORMAT, "%s: the header is not a JSON object", what);
  }
  lcl_status s = LCL_OK;
  bool meta_seen = false;
  const cJSON *item;
  cJSON_ArrayForEach(item, json) {
    if (s != LCL_OK) break;
    if (strcmp(item->string, "__metadata__") != 0) {
      s = read_tensor(f, item, what, n_data);
    } else {
      s = meta_seen ? lcl__fail(LCL_ERR_FORMAT, "%s: __metadata__ appears twice", what)
                    : read_meta(f, item, what);
      meta_seen = true;
    }
  }
  cJSON_Delete(json);
  if (s == LCL_OK) s = check_names(f, what);
  return s == LCL_OK ? check_cover(f, what, n_data) : s;
}

/* f takes data (lcl__alloc'ed), the whole data section. */
static void place(lcl_tensor_file *f, void *data) {
  f->bytes = data;
  for (size_t i = 0; i < f->entries.n; i++)
    f->entries.data[i].e.data = (const char *)data + f->entries.data[i].begin;
}

lcl_status lcl_tensor_file_parse(const void *bytes, size_t n, const char *what,
                                 lcl_tensor_file **out) {
  LCL_NEED(out);
  size_t length;
  *out = NULL;
  LCL_TRY(header_length(bytes, n, what, &length));
  const char *header = (const char *)bytes + 8;
  const size_t n_data = n - 8 - length;
  lcl_tensor_file *f;
  LCL_TRY(lcl_tensor_file_create(&f));
  lcl_status s = parse_header(f, header, length, n_data, what);
  void *copy = s == LCL_OK ? lcl__alloc(n_data + 1) : NULL;
  if (!copy) {
    lcl_tensor_file_destroy(f);
    return s == LCL_OK ? LCL_ERR_HOST_MEMORY : s;
  }
  memcpy(copy, header + length, n_data);
  place(f, copy);
  *out = f;
  return LCL_OK;
}

/* The header is read and held against the file's size before the data are. */
static lcl_status read_into(lcl_tensor_file *f, int fd, const char *path, uint64_t size) {
  char head[8] = { 0 };
  void *header, *data;
  size_t got, length = 0;
  LCL_TRY(lcl__file_read_part(fd, path, 0, head, sizeof head, &got));
  LCL_TRY(header_length(head, got < sizeof head ? got : size, path, &length));
  const size_t n_data = (size_t)(size - 8 - length);
  lcl_status s = lcl__file_read_exactly(fd, path, 8, length, &header);
  if (s == LCL_OK) s = parse_header(f, header, length, n_data, path);
  lcl__free(header);
  if (s == LCL_OK) s = lcl__file_read_exactly(fd, path, 8 + length, n_data, &data);
  if (s == LCL_OK) place(f, data);
  return s;
}

lcl_status lcl_tensor_file_read(const char *path, lcl_tensor_file **out) {
  LCL_NEED(path, out);
  lcl_tensor_file *f = NULL;
  int fd;
  uint64_t size;
  *out = NULL;
  LCL_TRY(lcl__file_open(path, &fd, &size));
  lcl_status s = lcl_tensor_file_create(&f);
  if (s == LCL_OK) s = read_into(f, fd, path, size);
  close(fd);
  if (s != LCL_OK) {
    lcl_tensor_file_destroy(f);
    return s;
  }
  *out = f;
  return LCL_OK;
}
