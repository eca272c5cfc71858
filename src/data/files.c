/* Files of data sets: whole files, plain or gzip, and the names in a folder. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/text.h"
#include "data/array.h"
#include "data/data_internal.h"

/* Reads what `wanted` says (NULL: all), at most max_bytes. */
static lcl_status read_stream(const char *path, size_t max_bytes, lcl_wanted wanted, uint8_t **data,
                              size_t *n) {
  size_t stop = wanted ? LCL_HEAD_BYTES : SIZE_MAX;
  *data = NULL;
  *n = 0;
  int fd;
  uint64_t size;
  LCL_TRY(lcl__file_open(path, &fd, &size));
  gzFile f = gzdopen(fd, "rb"); /* reads plain files as they are */
  if (!f) {
    close(fd);
    return lcl__fail(LCL_ERR_HOST_MEMORY, "cannot read %s: out of memory", path);
  }
  gzbuffer(f, 1 << 18);
  uint8_t *buf = NULL;
  size_t cap = 0, used = 0;
  lcl_status status = LCL_OK;
  while (used < stop) {
    if (used + 1 >= cap &&
        !lcl__grow((void **)&buf, &cap, LCL_MAX((size_t)1 << 16, used + used / 2 + 2), 1)) {
      status = LCL_ERR_HOST_MEMORY;
      break;
    }
    unsigned room = (unsigned)LCL_MIN(LCL_MIN(cap - used - 1, stop - used), (size_t)1 << 24);
    int got = gzread(f, buf + used, room);
    if (got < 0) {
      int code;
      const char *why = gzerror(f, &code);
      status = lcl__fail(LCL_ERR_FORMAT, "%s is damaged: %s", path,
                         code == Z_ERRNO ? strerror(errno) : why);
      break;
    }
    used += (size_t)got;
    if (used > max_bytes) {
      status = lcl__fail(LCL_ERR_FORMAT,
                         "%s holds more than the %zu bytes that are read of one file", path,
                         max_bytes);
      break;
    }
    if (got == 0) break;
    if (wanted && used == LCL_HEAD_BYTES) stop = wanted(buf, used);
  }
  /* A gzip file that ends in the middle is only noticed here. */
  if (gzclose(f) != Z_OK && status == LCL_OK)
    status = lcl__fail(LCL_ERR_FORMAT, "%s is cut short: its compressed data end in the middle",
                       path);
  if (status != LCL_OK) {
    lcl__free(buf);
    return status;
  }
  buf[used] = 0;
  *data = buf;
  *n = used;
  return LCL_OK;
}

lcl_status lcl__gz_read(const char *path, size_t max_bytes, uint8_t **data, size_t *n) {
  return read_stream(path, max_bytes, NULL, data, n);
}

lcl_status lcl__gz_read_wanted(const char *path, lcl_wanted wanted, uint8_t **data, size_t *n) {
  return read_stream(path, LCL_DATA_MAX_BYTES, wanted, data, n);
}

void lcl__names_free(lcl_names *names) {
  for (size_t i = 0; i < names->n; i++) lcl__free(names->data[i]);
  lcl__free(names->data);
  memset(names, 0, sizeof *names);
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whatever is no folder is a file: whoever opens a FIFO or a link to nothing says what it is. */
static bool is_kind(const char *folder, const char *name, lcl_entry_kind kind) {
  lcl_str path = { 0 };
  struct stat st;
  lcl__str_add(&path, "%s/%s", folder, name);
  const bool is_folder = lcl__str_ok(&path) && stat(path.data, &st) == 0 && S_ISDIR(st.st_mode);
  lcl__str_free(&path);
  return is_folder == (kind == LCL_ENTRY_FOLDER);
}

lcl_status lcl__list_folder(const char *path, lcl_entry_kind kind, lcl_names *out) {
  memset(out, 0, sizeof *out);
  DIR *dir = opendir(path);
  if (!dir) return lcl__fail(LCL_ERR_IO, "cannot read folder %s: %s", path, strerror(errno));
  lcl_status status = LCL_OK;
  for (struct dirent *e; status == LCL_OK && (e = readdir(dir));) {
    if (e->d_name[0] == '.' || !is_kind(path, e->d_name, kind)) continue;
    char *name = lcl__strdup(e->d_name);
    if (!name || !LCL_PUSH(out, name)) {
      lcl__free(name);
      status = LCL_ERR_HOST_MEMORY;
    }
  }
  closedir(dir);
  if (status != LCL_OK)
    lcl__names_free(out);
  else if (out->n)
    qsort(out->data, out->n, sizeof *out->data, compare_names);
  return status;
}

bool lcl__name_ends(const char *name, const char *suffix) {
  size_t a = strlen(name), b = strlen(suffix);
  return a >= b && lcl__casecmp(name + a - b, suffix) == 0;
}

bool lcl__names_add(lcl_names *names, const char *prefix, const char *name) {
  lcl_str s = { 0 };
  lcl__str_add(&s, "%s%s", prefix, name);
  if (lcl__str_ok(&s) && LCL_PUSH(names, s.data)) return true;
  lcl__str_free(&s);
  return false;
}

int lcl__part_named(const char *name, size_t n) {
  static const struct {
    const char *name;
    int part;
  } known[] = { { "train", 0 },      { "training", 0 }, { "valid", 1 },  { "val", 1 },
                { "validation", 1 }, { "test", 2 },     { "testing", 2 } };
  for (size_t i = 0; i < LCL_COUNT(known); i++)
    if (strlen(known[i].name) == n && lcl__ncasecmp(known[i].name, name, n) == 0)
      return known[i].part;
  return -1;
}

/* ---- what must not be written over ---- */

/* By name, as the readers do; those of IDX and CIFAR may be compressed, and images lie in folders
 * or are called CLASS.NUMBER.png. */
static bool is_data(const char *format, const char *name) {
  static const struct {
    const char *format, *end;
  } known[] = { { "images", ".png" },  { "images", ".jpg" },   { "images", ".jpeg" },
                { "npy", ".npy" },     { "sound", ".wav" },    { "cifar10", ".bin" },
                { "cifar10", ".gz" },  { "cifar10", ".txt" },  { "cifar100", ".bin" },
                { "cifar100", ".gz" }, { "cifar100", ".txt" }, { "idx", ".gz" } };
  if (strcmp(format, "images") == 0 && !strchr(name, '/') &&
      strchr(name, '.') == strrchr(name, '.'))
    return false;
  for (size_t i = 0; i < LCL_COUNT(known); i++)
    if (strcmp(format, known[i].format) == 0 && lcl__name_ends(name, known[i].end)) return true;
  return strcmp(format, "idx") == 0 && strstr(name, "idx");
}

lcl_status lcl__data_check_output(const char *folder, const char *format, const char *path) {
  char data[PATH_MAX], at[PATH_MAX];
  if (!folder || !realpath(folder, data) || !realpath(path, at)) return LCL_OK;
  const size_t n = strlen(data);
  if (strncmp(data, at, n) != 0 || at[n] != '/' || !is_data(format, at + n + 1)) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT,
                   "cannot write %s: this is a file of the data set; give another name", path);
}

/* ---- what no reader took ---- */

enum { TOLD = 5 };

typedef struct unused {
  lcl_str names; /* the first ones */
  size_t n;
} unused;

/* Text about the data. */
static bool is_note(const char *name) {
  static const char *const suffix[] = { ".txt", ".md", ".rst", ".html", ".htm", ".pdf" };
  static const char *const start[] = { "README", "LICENSE", "LICENCE", "COPYING" };
  for (size_t i = 0; i < LCL_COUNT(suffix); i++)
    if (lcl__name_ends(name, suffix[i])) return true;
  for (size_t i = 0; i < LCL_COUNT(start); i++)
    if (strncmp(name, start[i], strlen(start[i])) == 0) return true;
  return false;
}

static void add_unused(unused *u, const char *prefix, const char *name, const char *end) {
  if (u->n++ < TOLD) lcl__str_add(&u->names, "%s%s%s%s", u->n > 1 ? ", " : "", prefix, name, end);
}

/* The first of the sorted names that is not before text. */
static size_t lower_bound(const lcl_names *names, const char *text) {
  size_t lo = 0, hi = names->n;
  while (lo < hi) {
    const size_t middle = (lo + hi) / 2;
    if (strcmp(names->data[middle], text) < 0)
      lo = middle + 1;
    else
      hi = middle;
  }
  return lo;
}

static lcl_status find_unused(const char *root, const char *prefix, const lcl_names *used,
                              unused *u) {
  lcl_str folder = { 0 };
  lcl_names entries[2] = { { 0 } };
  lcl__str_add(&folder, "%s/%s", root, prefix);
  lcl_status status = lcl__str_ok(&folder) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (int kind = 0; kind < 2 && status == LCL_OK; kind++)
    status = lcl__list_folder(folder.data, kind ? LCL_ENTRY_FOLDER : LCL_ENTRY_FILE,
                              &entries[kind]);
  lcl__str_free(&folder);
  for (int kind = 0; kind < 2 && status == LCL_OK; kind++) {
    for (size_t i = 0; i < entries[kind].n && status == LCL_OK; i++) {
      const char *name = entries[kind].data[i];
      lcl_str path = { 0 };
      lcl__str_add(&path, "%s%s%s", prefix, name, kind ? "/" : "");
      if (!lcl__str_ok(&path)) status = LCL_ERR_HOST_MEMORY;
      const size_t at = status == LCL_OK ? lower_bound(used, path.data) : used->n;
      const bool in = at < used->n && strncmp(used->data[at], path.data, path.n + !kind) == 0;
      if (status == LCL_OK && kind && in) status = find_unused(root, path.data, used, u);
      if (status == LCL_OK && !in && !is_note(name)) add_unused(u, prefix, name, kind ? "/" : "");
      lcl__str_free(&path);
    }
  }
  lcl__names_free(&entries[0]);
  lcl__names_free(&entries[1]);
  return status;
}

void lcl__first_part(const lcl_data_desc *desc, lcl_splits *s) {
  lcl_dataset **first = s->valid ? &s->valid : &s->test;
  if (s->train || !desc->whole) return;
  s->train = *first;
  *first = NULL;
}

lcl_status lcl__warn_unused(const char *folder, lcl_names *used) {
  unused u = { { 0 }, 0 };
  if (used->n) qsort(used->data, used->n, sizeof *used->data, compare_names);
  lcl_status status = find_unused(folder, "", used, &u);
  if (status == LCL_OK && u.n && !lcl__str_ok(&u.names)) status = LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK && u.n > TOLD)
    lcl__logf(LCL_LOG_WARN, "%s: not used: %s and %zu more", folder, u.names.data, u.n - TOLD);
  else if (status == LCL_OK && u.n)
    lcl__logf(LCL_LOG_WARN, "%s: not used: %s", folder, u.names.data);
  lcl__str_free(&u.names);
  return status;
}
