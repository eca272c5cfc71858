/* Reads and writes .npy: magic "\x93NUMPY", version, header length, a Python dictionary as text,
 * then the elements. */
#include <unistd.h>

#include "base/npy.h"

/* Refuse rather than allocate: larger than any array this project handles. */
static const size_t max_file = (size_t)1 << 36;
enum { MAX_HEADER = 1 << 16 };

static const struct type_row {
  lcl_npy_type type;
  const char *descr; /* without the byte order */
  size_t size;
  const char *name;
} types[] = {
  { LCL_NPY_F32, "f4", 4, "float32" }, { LCL_NPY_F64, "f8", 8, "float64" },
  { LCL_NPY_I32, "i4", 4, "int32" },   { LCL_NPY_I64, "i8", 8, "int64" },
  { LCL_NPY_U8, "u1", 1, "uint8" },    { LCL_NPY_BOOL, "b1", 1, "bool" },
};

size_t lcl__npy_type_size(lcl_npy_type type) {
  return types[type].size;
}

const char *lcl__npy_type_name(lcl_npy_type type) {
  return types[type].name;
}

/* ---- the header: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } ---- */

typedef struct header {
  const char *at, *end;
  size_t start; /* of the dictionary in the file */
  char descr[16];
  bool fortran, swapped, have_descr, have_order, have_shape;
  bool structured, deep; /* what is wrong, where it is known */
} header;

static void skip_space(header *h) {
  while (h->at < h->end && strchr(" \t\r\n", *h->at) && *h->at) h->at++;
}

/* The next character, if it is c. */
static bool take(header *h, char c) {
  skip_space(h);
  if (h->at >= h->end || *h->at != c) return false;
  h->at++;
  return true;
}

static bool take_string(header *h, char *out, size_t room) {
  skip_space(h);
  if (h->at >= h->end || (*h->at != '\'' && *h->at != '"')) return false;
  const char quote = *h->at++;
  size_t n = 0;
  while (h->at < h->end && *h->at != quote) {
    if (n + 1 >= room) return false;
    out[n++] = *h->at++;
  }
  out[n] = 0;
  return take(h, quote);
}

static bool take_word(header *h, const char *word) {
  const size_t n = strlen(word);
  skip_space(h);
  if ((size_t)(h->end - h->at) < n || strncmp(h->at, word, n) != 0) return false;
  h->at += n;
  return true;
}

static bool take_size(header *h, int64_t *out) {
  skip_space(h);
  *out = 0;
  const char *start = h->at;
  while (h->at < h->end && *h->at >= '0' && *h->at <= '9') {
    if (*out > (INT64_MAX - 9) / 10) return false;
    *out = *out * 10 + (*h->at++ - '0');
  }
  if (h->at < h->end && *h->at == 'L') h->at++; /* written by Python 2 */
  return h->at > start;
}

static bool take_shape(header *h, lcl_npy *a) {
  if (!take(h, '(')) return false;
  a->rank = 0;
  while (!take(h, ')')) {
    int64_t size;
    if (!take_size(h, &size)) return false;
    h->deep = a->rank == LCL_NPY_MAX_RANK;
    if (h->deep) return false;
    a->dim[a->rank++] = size;
    if (!take(h, ',') && !(h->at < h->end && *h->at == ')')) return false;
  }
  return true;
}

static bool take_entry(header *h, lcl_npy *a) {
  char key[32];
  if (!take_string(h, key, sizeof key) || !take(h, ':')) return false;
  if (strcmp(key, "descr") == 0) {
    h->structured = take(h, '[');
    return h->have_descr = !h->structured && take_string(h, h->descr, sizeof h->descr);
  }
  if (strcmp(key, "shape") == 0) return h->have_shape = take_shape(h, a);
  if (strcmp(key, "fortran_order") != 0) return false;
  h->fortran = take_word(h, "True");
  return h->have_order = h->fortran || take_word(h, "False");
}

static bool parse_dictionary(header *h, lcl_npy *a) {
  if (!take(h, '{')) return false;
  while (!take(h, '}')) {
    if (!take_entry(h, a)) return false;
    if (!take(h, ',') && !(h->at < h->end && *h->at == '}')) return false;
  }
  skip_space(h);
  return h->at == h->end && h->have_descr && h->have_order && h->have_shape;
}

static lcl_status check_dictionary(header *h, const char *name, lcl_npy *a) {
  if (parse_dictionary(h, a)) return LCL_OK;
  if (h->structured)
    return lcl__fail(LCL_ERR_TYPE,
                     "%s: a structured array of named fields; one of float32, float64, int32, "
                     "int64, uint8 or bool was expected (save each field on its own)",
                     name);
  if (h->deep)
    return lcl__fail(LCL_ERR_FORMAT, "%s: an array of more than %d dimensions, which is the most",
                     name, LCL_NPY_MAX_RANK);
  return lcl__fail(LCL_ERR_FORMAT,
                   "%s: the header is damaged: a dictionary of descr, fortran_order and shape was "
                   "expected",
                   name);
}

static lcl_status parse_type(header *h, const char *name, lcl_npy *a) {
  const char order = h->descr[0];
  const bool known_order = order && strchr("<>|=", order);
  for (size_t i = 0; i < LCL_COUNT(types) && known_order; i++)
    if (strcmp(h->descr + 1, types[i].descr) == 0) {
      a->type = types[i].type;
      h->swapped = order == '>' && types[i].size > 1;
      return LCL_OK;
    }
  return lcl__fail(
      LCL_ERR_TYPE,
      "%s: elements of type '%s'; float32, float64, int32, int64, uint8 or bool were expected",
      name, h->descr);
}

/* Where the header lies, from the ten or twelve bytes in front of it; size: of the whole file. */
static lcl_status find_header(const unsigned char *b, uint64_t size, const char *name, header *h,
                              size_t *length) {
  const size_t n = (size_t)LCL_MIN(size, (uint64_t)12);
  if (n < 10 || memcmp(b, "\x93NUMPY", 6) != 0)
    return lcl__fail(LCL_ERR_FORMAT, "%s: not a .npy file", name);
  if (b[6] < 1 || b[6] > 3)
    return lcl__fail(LCL_ERR_FORMAT,
                     "%s: version %d.%d of the .npy format; 1.0 to 3.0 were expected", name, b[6],
                     b[7]);
  const size_t start = b[6] == 1 ? 10 : 12;
  if (n < start) return lcl__fail(LCL_ERR_FORMAT, "%s: cut short", name);
  *length = (size_t)b[8] | (size_t)b[9] << 8;
  if (b[6] > 1) *length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
  if (*length > size - start)
    return lcl__fail(LCL_ERR_FORMAT, "%s: cut short within the header", name);
  if (*length > MAX_HEADER)
    return lcl__fail(LCL_ERR_FORMAT, "%s: a header of %zu bytes; at most %d were expected", name,
                     *length, MAX_HEADER);
  h->start = start;
  return LCL_OK;
}

/* ---- elements ---- */

static void reverse_bytes(unsigned char *data, size_t count, size_t size) {
  for (size_t i = 0; i < count; i++)
    for (size_t k = 0; k < size / 2; k++) {
      unsigned char *e = data + i * size, kept = e[k];
      e[k] = e[size - 1 - k], e[size - 1 - k] = kept;
    }
}

/* Column-major elements into row-major order. */
static void reorder(const lcl_npy *a, const unsigned char *from, unsigned char *to, size_t size) {
  int64_t index[LCL_NPY_MAX_RANK] = { 0 };
  for (size_t i = 0; i < a->count; i++) {
    size_t at = 0, step = 1;
    for (int k = 0; k < a->rank; k++) at += (size_t)index[k] * step, step *= (size_t)a->dim[k];
    memcpy(to + i * size, from + at * size, size);
    for (int k = a->rank - 1; k >= 0 && ++index[k] == a->dim[k]; k--) index[k] = 0;
  }
}

/* Elements and bytes by the shape; false when they overflow. A dimension of 0 does not make room
 * for the others, whose product strides take. */
static bool measure(lcl_npy *a, size_t *bytes) {
  a->count = 1;
  bool empty = false;
  for (int i = 0; i < a->rank; i++) {
    empty |= a->dim[i] == 0;
    if (!lcl__mul_size(a->count, (size_t)LCL_MAX(a->dim[i], 1), &a->count)) return false;
  }
  if (!lcl__mul_size(a->count, lcl__npy_type_size(a->type), bytes) || *bytes > max_file)
    return false;
  if (empty) a->count = *bytes = 0;
  return true;
}

/* Type, shape and the bytes that they need, held against the bytes that follow the header. */
static lcl_status parse_header(header *h, const char *dictionary, size_t length, uint64_t size,
                               const char *name, lcl_npy *a, size_t *need) {
  const uint64_t rest = size - h->start - length;
  h->at = dictionary;
  h->end = dictionary + length;
  LCL_TRY(check_dictionary(h, name, a));
  LCL_TRY(parse_type(h, name, a));
  if (!measure(a, need))
    return lcl__fail(LCL_ERR_FORMAT, "%s: the header's shape is too large", name);
  if (rest == *need) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT, "%s: %llu bytes of elements, the header's shape needs %zu%s",
                   name, (unsigned long long)rest, *need, rest < *need ? " (cut short)" : "");
}

/* Elements as they lie in the file into the host's order; takes from (of lcl__alloc). */
static lcl_status take_elements(const header *h, void *from, lcl_npy *a) {
  const size_t size = lcl__npy_type_size(a->type);
  a->data = from;
  if (h->fortran && a->rank > 1) {
    a->data = lcl__alloc(a->count * size + 1);
    if (a->data) reorder(a, from, a->data, size);
    lcl__free(from);
    if (!a->data) return LCL_ERR_HOST_MEMORY;
  }
  if (h->swapped) reverse_bytes(a->data, a->count, size);
  for (size_t i = 0; a->type == LCL_NPY_BOOL && i < a->count; i++)
    ((unsigned char *)a->data)[i] = ((unsigned char *)a->data)[i] != 0;
  return LCL_OK;
}

lcl_status lcl__npy_parse(const void *bytes, size_t n, const char *name, lcl_npy *out) {
  header h = { 0 };
  lcl_npy a = { 0 };
  size_t need, length = 0;
  LCL_TRY(find_header(bytes, n, name, &h, &length));
  const char *dictionary = (const char *)bytes + h.start;
  LCL_TRY(parse_header(&h, dictionary, length, n, name, &a, &need));
  void *elements = lcl__alloc(need + 1);
  if (!elements) return LCL_ERR_HOST_MEMORY;
  memcpy(elements, dictionary + length, need);
  LCL_TRY(take_elements(&h, elements, &a));
  *out = a;
  return LCL_OK;
}

/* Only what the header promises is read, once the file is found to have that size. */
static lcl_status read_parts(int fd, const char *path, uint64_t size, lcl_npy *out) {
  unsigned char head[12] = { 0 };
  header h = { 0 };
  lcl_npy a = { 0 };
  size_t got, length = 0, need;
  LCL_TRY(lcl__file_read_part(fd, path, 0, head, sizeof head, &got));
  LCL_TRY(find_header(head, got < sizeof head ? got : size, path, &h, &length));
  void *dictionary, *elements;
  LCL_TRY(lcl__file_read_exactly(fd, path, h.start, length, &dictionary));
  const lcl_status status = parse_header(&h, dictionary, length, size, path, &a, &need);
  lcl__free(dictionary);
  LCL_TRY(status);
  LCL_TRY(lcl__file_read_exactly(fd, path, h.start + length, need, &elements));
  LCL_TRY(take_elements(&h, elements, &a));
  *out = a;
  return LCL_OK;
}

lcl_status lcl__npy_read(const char *path, lcl_npy *out) {
  int fd;
  uint64_t size;
  LCL_TRY(lcl__file_open(path, &fd, &size));
  const lcl_status status = read_parts(fd, path, size, out);
  close(fd);
  return status;
}

void lcl__npy_free(lcl_npy *a) {
  lcl__free(a->data);
  a->data = NULL;
}

double lcl__npy_get(const lcl_npy *a, size_t i) {
  switch (a->type) {
  case LCL_NPY_F32: return (double)((const float *)a->data)[i];
  case LCL_NPY_F64: return ((const double *)a->data)[i];
  case LCL_NPY_I32: return (double)((const int32_t *)a->data)[i];
  case LCL_NPY_I64: return (double)((const int64_t *)a->data)[i];
  default: return (double)((const uint8_t *)a->data)[i];
  }
}

lcl_status lcl__npy_write(const char *path, lcl_npy_type type, int rank, const int64_t *dim,
                          const void *data) {
  lcl_str s = { 0 }, dictionary = { 0 };
  size_t bytes = lcl__npy_type_size(type);
  lcl__str_add(&dictionary, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
               bytes > 1 ? '<' : '|', types[type].descr);
  for (int i = 0; i < rank; i++) {
    lcl__str_add(&dictionary, "%s%lld%s", i ? " " : "", (long long)dim[i],
                 rank == 1 || i < rank - 1 ? "," : "");
    if (!lcl__mul_size(bytes, (size_t)dim[i], &bytes)) dictionary.failed = true;
  }
  lcl__str_add(&dictionary, "), }");
  while (lcl__str_ok(&dictionary) && (dictionary.n + 11) % 64 != 0)
    lcl__str_append(&dictionary, " ", 1);
  lcl__str_append(&dictionary, "\n", 1);
  const char head[10] = {
    '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, (char)(dictionary.n & 255), (char)(dictionary.n >> 8)
  };
  lcl__str_append(&s, head, sizeof head);
  if (lcl__str_ok(&dictionary)) lcl__str_append(&s, dictionary.data, dictionary.n);
  if (bytes) lcl__str_append(&s, data, bytes);
  lcl_status status = lcl__str_ok(&s) && lcl__str_ok(&dictionary) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) status = lcl__file_write_atomic(path, s.data, s.n);
  lcl__str_free(&s);
  lcl__str_free(&dictionary);
  return status;
}
