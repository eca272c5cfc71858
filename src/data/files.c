/* Files of data sets: whole files, plain or gzip, and the names in a folder. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <zlib.h>

#include "data/data_internal.h"

lcl_status lcl_gz_read(const char *path, size_t max_bytes, uint8_t **data, size_t *n) {
  *data = NULL;
  *n = 0;
  errno = 0;
  gzFile f = gzopen(path, "rb"); /* reads plain files as they are */
  if (!f)
    return lcl_fail(LCL_ERR_IO, "cannot open %s: %s", path,
                    errno ? strerror(errno) : "out of memory");
  gzbuffer(f, 1 << 18);
  uint8_t *buf = NULL;
  size_t cap = 0, used = 0;
  lcl_status status = LCL_OK;
  for (;;) {
    if (used + 1 >= cap &&
        !lcl_grow((void **)&buf, &cap, LCL_MAX((size_t)1 << 16, used + used / 2 + 2), 1)) {
      status = LCL_ERR_HOST_MEMORY;
      break;
    }
    unsigned room = (unsigned)LCL_MIN(cap - used - 1, (size_t)1 << 24);
    int got = gzread(f, buf + used, room);
    if (got < 0) {
      int code;
      const char *why = gzerror(f, &code);
      status = lcl_fail(LCL_ERR_FORMAT, "%s is damaged: %s", path,
                        code == Z_ERRNO ? strerror(errno) : why);
      break;
    }
    used += (size_t)got;
    if (used > max_bytes) {
      status = lcl_fail(LCL_ERR_FORMAT,
                        "%s holds more than the %zu bytes that are read of one file", path,
                        max_bytes);
      break;
    }
    if (got == 0) break;
  }
  /* A gzip file that ends in the middle is only noticed here. */
  if (gzclose(f) != Z_OK && status == LCL_OK)
    status = lcl_fail(LCL_ERR_FORMAT, "%s is cut short: its compressed data end in the middle",
                      path);
  if (status != LCL_OK) {
    lcl_free(buf);
    return status;
  }
  buf[used] = 0;
  *data = buf;
  *n = used;
  return LCL_OK;
}

void lcl_names_free(lcl_names *names) {
  for (size_t i = 0; i < names->n; i++) lcl_free(names->data[i]);
  lcl_free(names->data);
  memset(names, 0, sizeof *names);
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_kind(const char *folder, const char *name, lcl_entry_kind kind) {
  lcl_str path = { 0 };
  struct stat st;
  lcl_str_add(&path, "%s/%s", folder, name);
  bool yes = lcl_str_ok(&path) && stat(path.data, &st) == 0 &&
             (kind == LCL_ENTRY_FOLDER ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode));
  lcl_str_free(&path);
  return yes;
}

lcl_status lcl_list_folder(const char *path, lcl_entry_kind kind, lcl_names *out) {
  memset(out, 0, sizeof *out);
  DIR *dir = opendir(path);
  if (!dir) return lcl_fail(LCL_ERR_IO, "cannot read folder %s: %s", path, strerror(errno));
  lcl_status status = LCL_OK;
  for (struct dirent *e; status == LCL_OK && (e = readdir(dir));) {
    if (e->d_name[0] == '.' || !is_kind(path, e->d_name, kind)) continue;
    char *name = lcl_strdup(e->d_name);
    if (!name || !LCL_PUSH(out, name)) {
      lcl_free(name);
      status = LCL_ERR_HOST_MEMORY;
    }
  }
  closedir(dir);
  if (status != LCL_OK)
    lcl_names_free(out);
  else if (out->n)
    qsort(out->data, out->n, sizeof *out->data, compare_names);
  return status;
}

bool lcl_name_ends(const char *name, const char *suffix) {
  size_t a = strlen(name), b = strlen(suffix);
  if (a < b) return false;
  for (size_t i = 0; i < b; i++)
    if (tolower((unsigned char)name[a - b + i]) != tolower((unsigned char)suffix[i])) return false;
  return true;
}
