/* IDX files: two zero bytes, element type, rank, big-endian 32-bit sizes, elements in row-major
 * order. */
#include <sys/stat.h>

#include "data/data_internal.h"

enum {
  IDX_U8 = 0x08,
  IDX_I8 = 0x09,
  IDX_I16 = 0x0B,
  IDX_I32 = 0x0C,
  IDX_F32 = 0x0D,
  IDX_F64 = 0x0E
};

void lcl__idx_free(lcl_idx *idx) {
  lcl__free(idx->bytes);
  lcl__free(idx->values);
  memset(idx, 0, sizeof *idx);
}

static uint64_t big_endian(const uint8_t *p, int bytes) {
  uint64_t v = 0;
  for (int i = 0; i < bytes; i++) v = v << 8 | p[i];
  return v;
}

static int element_size(int type) {
  switch (type) {
  case IDX_U8:
  case IDX_I8: return 1;
  case IDX_I16: return 2;
  case IDX_I32:
  case IDX_F32: return 4;
  case IDX_F64: return 8;
  default: return 0;
  }
}

static float element_value(const uint8_t *p, int type) {
  switch (type) {
  case IDX_I8: return (float)(int8_t)p[0];
  case IDX_I16: return (float)(int16_t)big_endian(p, 2);
  case IDX_I32: return (float)(int32_t)big_endian(p, 4);
  case IDX_F32: {
    uint32_t bits = (uint32_t)big_endian(p, 4);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
  }
  default: {
    uint64_t bits = big_endian(p, 8);
    double v;
    memcpy(&v, &bits, sizeof v);
    return (float)v;
  }
  }
}

/* The bytes of the file by its header, and one more to see that they are all; a header that is
 * wrong wants no more. */
static size_t idx_wanted(const uint8_t *head, size_t n) {
  const int rank = head[3], size = element_size(head[2]);
  size_t bytes = (size_t)size;
  if (head[0] || head[1] || !size || rank < 1 || rank > 4) return n;
  for (int i = 0; i < rank; i++)
    if (!lcl__mul_size(bytes, (size_t)big_endian(head + 4 + 4 * i, 4), &bytes)) return n;
  return LCL_MAX(n, LCL_MIN(bytes, LCL_DATA_MAX_BYTES) + 4 + 4 * (size_t)rank + 1);
}

/* Whole numbers that floats cannot tell apart would be one value. */
static lcl_status check_whole(const uint8_t *p, lcl_idx *out) {
  for (size_t i = 0; i < out->count; i++) {
    const int32_t v = (int32_t)big_endian(p + 4 * i, 4);
    if (v >= -(1 << 24) && v <= 1 << 24) continue;
    lcl__idx_free(out);
    return lcl__fail(LCL_ERR_TYPE,
                     "IDX element %zu is %d; whole numbers beyond 2^24 have no float of their own "
                     "(save float32 if rounding them is right)",
                     i, (int)v);
  }
  return LCL_OK;
}

lcl_status lcl__idx_parse(const uint8_t *data, size_t n, lcl_idx *out) {
  memset(out, 0, sizeof *out);
  if (n < 4 || data[0] || data[1])
    return lcl__fail(LCL_ERR_FORMAT,
                     "not an IDX file: it must start with two zero bytes, a type and a rank");
  int type = data[2], rank = data[3], size = element_size(type);
  if (!size)
    return lcl__fail(LCL_ERR_FORMAT, "IDX element type 0x%02x is not known", (unsigned)type);
  if (rank < 1 || rank > 4)
    return lcl__fail(LCL_ERR_FORMAT, "IDX rank is %d; 1 to 4 can be read", rank);
  size_t head = 4 + 4 * (size_t)rank, count = 1, bytes;
  if (n < head) return lcl__fail(LCL_ERR_FORMAT, "IDX file ends in its header");
  for (int i = 0; i < rank; i++) {
    out->dim[i] = (int64_t)big_endian(data + 4 + 4 * i, 4);
    if (out->dim[i] < 1) return lcl__fail(LCL_ERR_FORMAT, "IDX dimension %d is zero", i);
    if (!lcl__mul_size(count, (size_t)out->dim[i], &count))
      return lcl__fail(LCL_ERR_FORMAT, "IDX sizes overflow");
  }
  const bool more = lcl__mul_size(count, (size_t)size, &bytes) && bytes < n - head;
  if (more || !lcl__mul_size(count, (size_t)size, &bytes) || bytes != n - head)
    return lcl__fail(LCL_ERR_FORMAT,
                     "IDX header announces %zu elements of %d bytes, but %s%zu bytes follow%s",
                     count, size, more ? "more than " : "", more ? bytes : n - head,
                     more ? "" : " (cut short?)");
  out->rank = rank;
  out->count = count;
  out->real = type == IDX_F32 || type == IDX_F64;
  if (type == IDX_U8) {
    if (!(out->bytes = lcl__alloc(count))) return LCL_ERR_HOST_MEMORY;
    memcpy(out->bytes, data + head, count);
    return LCL_OK;
  }
  if (!lcl__mul_size(count, sizeof(float), &bytes) || !(out->values = lcl__alloc(bytes)))
    return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < count; i++)
    out->values[i] = element_value(data + head + i * (size_t)size, type);
  return type == IDX_I32 ? check_whole(data + head, out) : LCL_OK;
}

static lcl_status read_idx(const char *folder, const char *name, lcl_idx *out) {
  lcl_str path = { 0 };
  uint8_t *data = NULL;
  size_t n = 0;
  lcl__str_add(&path, "%s/%s", folder, name);
  lcl_status status = lcl__str_ok(&path) ? lcl__gz_read_wanted(path.data, idx_wanted, &data, &n)
                                         : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    status = lcl__idx_parse(data, n, out);
    if (status != LCL_OK) lcl__fail_prefix(status, "%s", path.data);
  }
  lcl__free(data);
  lcl__str_free(&path);
  return status;
}

/* Images N,H,W or N,C,H,W or vectors N,F. */
static lcl_status take_images(lcl_idx *idx, const char *name, lcl_raw *raw) {
  if (idx->rank < 2)
    return lcl__fail(LCL_ERR_FORMAT, "%s: images need 2 to 4 dimensions, this file has 1", name);
  for (int i = 1; i < idx->rank; i++) {
    if (idx->dim[i] > 65536)
      return lcl__fail(LCL_ERR_FORMAT,
                       "%s: dimension %d is %lld; at most 65536 make sense for an example", name, i,
                       (long long)idx->dim[i]);
  }
  raw->count = idx->dim[0];
  raw->channels = idx->rank == 4 ? (int)idx->dim[1] : 1;
  raw->height = idx->rank >= 3 ? (int)idx->dim[idx->rank - 2] : 1;
  raw->width = (int)idx->dim[idx->rank - 1];
  raw->pixels = idx->bytes;
  raw->values = idx->values;
  idx->bytes = NULL;
  idx->values = NULL;
  return LCL_OK;
}

/* Labels N, or N,K where the first column is the class. */
static lcl_status take_labels(const lcl_idx *idx, const char *name, lcl_raw *raw) {
  if (idx->rank > 2 || idx->dim[0] != raw->count)
    return lcl__fail(LCL_ERR_SHAPE, "%s: %lld labels of rank %d do not go with %lld images", name,
                     (long long)idx->dim[0], idx->rank, (long long)raw->count);
  raw->labels = lcl__alloc((size_t)raw->count * sizeof *raw->labels);
  if (!raw->labels) return LCL_ERR_HOST_MEMORY;
  size_t step = idx->rank == 2 ? (size_t)idx->dim[1] : 1;
  for (int64_t i = 0; i < raw->count; i++) {
    float v = idx->bytes ? idx->bytes[(size_t)i * step] : idx->values[(size_t)i * step];
    if (!(v >= -1 && v < 65536) || v != (float)(int32_t)v)
      return lcl__fail(LCL_ERR_FORMAT,
                       "%s: label %lld is %g; labels are whole numbers, -1 (unknown) or 0..65535",
                       name, (long long)i, (double)v);
    raw->labels[i] = (int32_t)v;
    if (raw->labels[i] >= raw->classes) raw->classes = raw->labels[i] + 1;
  }
  return LCL_OK;
}

static bool starts_with(const char *name, const char *prefix) {
  return strncmp(name, prefix, strlen(prefix)) == 0;
}

static int64_t file_size(const char *folder, const char *name) {
  lcl_str path = { 0 };
  lcl__str_add(&path, "%s/%s", folder, name);
  struct stat st;
  const int64_t size = lcl__str_ok(&path) && stat(path.data, &st) == 0 ? st.st_size : INT64_MAX;
  lcl__str_free(&path);
  return size;
}

/* The file of a part: its name starts with one of the prefixes and has word and "idx" in it. Among
 * several, those whose name has prefer; of these or all the smallest on disk (bytes before shorts,
 * 28x28 before 105x105). */
static const char *find_file(const char *folder, const lcl_names *names,
                             const char *const *prefixes, const char *word, const char *prefer) {
  const char *best = NULL;
  int64_t best_size = INT64_MAX;
  bool best_preferred = false;
  for (size_t i = 0; i < names->n; i++) {
    const char *name = names->data[i];
    bool hit = false;
    for (int p = 0; prefixes[p]; p++) hit = hit || starts_with(name, prefixes[p]);
    if (!hit || !strstr(name, word) || !strstr(name, "idx")) continue;
    const int64_t size = file_size(folder, name);
    const bool preferred = prefer && strstr(name, prefer);
    if (!best || preferred > best_preferred || (preferred == best_preferred && size < best_size)) {
      best = name;
      best_size = size;
      best_preferred = preferred;
    }
  }
  return best;
}

/* The labels of these images: called as they are up to that word, if there are such. */
static lcl_status find_labels(const char *folder, const lcl_names *names,
                              const char *const *prefixes, const char *images,
                              const char **labels) {
  lcl_str prefer = { 0 };
  if (images) lcl__str_add(&prefer, "%.*slabels", (int)(strstr(images, "images") - images), images);
  *labels = find_file(folder, names, prefixes, "labels", prefer.data);
  const bool ok = lcl__str_ok(&prefer);
  lcl__str_free(&prefer);
  return ok ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static lcl_status open_part(const lcl_data_desc *desc, const lcl_names *names,
                            const char *const *prefixes, const char *part, lcl_names *used,
                            lcl_dataset **out) {
  const char *images = find_file(desc->path, names, prefixes, "images", desc->prefer), *labels;
  *out = NULL;
  LCL_TRY(find_labels(desc->path, names, prefixes, images, &labels));
  if (!images && labels)
    return lcl__fail(LCL_ERR_FORMAT, "%s holds %s, but no images that go with them (%s-images-...)",
                     desc->path, labels, prefixes[0]);
  if (!images) return LCL_OK;
  if (!lcl__names_add(used, "", images) || (labels && !lcl__names_add(used, "", labels)))
    return LCL_ERR_HOST_MEMORY;
  lcl_raw raw = { 0 };
  lcl_idx idx = { 0 }, label_idx = { 0 };
  lcl_status status = read_idx(desc->path, images, &idx);
  if (status == LCL_OK) status = take_images(&idx, images, &raw);
  if (status == LCL_OK && labels) {
    status = read_idx(desc->path, labels, &label_idx);
    if (status == LCL_OK) status = take_labels(&label_idx, labels, &raw);
  }
  const bool real = idx.real;
  lcl__idx_free(&idx);
  lcl__idx_free(&label_idx);
  if (status != LCL_OK) {
    lcl__raw_free(&raw);
    return status;
  }
  status = lcl__raw_to_dataset(&raw, part, out);
  if (status == LCL_OK) (*out)->any_range = real && (*out)->channels * (*out)->height == 1;
  return status == LCL_OK ? status : lcl__fail_prefix(status, "%s/%s", desc->path, images);
}

/* Its two halves have different characters, which both count from 0. */
static bool omniglot(const lcl_names *used) {
  bool background = false, evaluation = false;
  for (size_t i = 0; i < used->n; i++) {
    background = background || starts_with(used->data[i], "background");
    evaluation = evaluation || starts_with(used->data[i], "evaluation");
  }
  return background && evaluation;
}

static void warn_preference(const lcl_data_desc *desc, const lcl_names *used) {
  if (!desc->prefer) return;
  for (size_t i = 0; i < used->n; i++)
    if (strstr(used->data[i], desc->prefer)) return;
  lcl__logf(LCL_LOG_WARN, "%s: no image file has \"%s\" in its name; %s is read", desc->path,
            desc->prefer, used->data[0]);
}

static lcl_status open_parts(const lcl_data_desc *desc, const lcl_names *names, lcl_names *used,
                             lcl_splits *out) {
  static const char *const train[] = { "train", "background", NULL };
  static const char *const test[] = { "t10k", "test", "evaluation", NULL };
  static const char *const valid[] = { "val", NULL };
  LCL_TRY(open_part(desc, names, train, "train", used, &out->train));
  LCL_TRY(open_part(desc, names, valid, "valid", used, &out->valid));
  LCL_TRY(open_part(desc, names, test, "test", used, &out->test));
  if (out->train && out->test && omniglot(used))
    lcl__dataset_shift_classes(out->test, out->train->classes);
  lcl__first_part(desc, out);
  if (out->train) {
    LCL_TRY(lcl__warn_unused(desc->path, used));
    warn_preference(desc, used);
    return LCL_OK;
  }
  if (!used->n) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT,
                   "%s holds %s but no training part (train-images-idx3-ubyte[.gz])", desc->path,
                   used->data[0]);
}

lcl_status lcl__open_idx(const lcl_data_desc *desc, lcl_splits *out, bool *found) {
  lcl_names names, used = { 0 };
  LCL_TRY(lcl__list_folder(desc->path, LCL_ENTRY_FILE, &names));
  lcl_status status = open_parts(desc, &names, &used, out);
  *found = status == LCL_OK && out->train;
  if (*found) out->format = "idx";
  lcl__names_free(&names);
  lcl__names_free(&used);
  return status;
}
