#include "device/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define SUFFIX ".lclbin"
enum {
  MAX_ENTRY = 256 << 20,
  REFUSED_DAYS =
      7, /* a driver's refusal is believed this long: an update may have changed its mind */
  STALE_SECONDS = 3600 /* a temporary file this old was left by a process that died */
};

typedef struct header {
  char magic[8];
  uint32_t format, kind;
  char key[32];
  uint64_t bytes;
  char checksum[32]; /* of the fields above and the content */
} header;

static const char magic[8] = "LCLPROG";

bool lcl__cache_dir(lcl_str *dir) {
  const char *own = getenv("LATENTCL_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
             *home = getenv("HOME");
  if (own && (lcl__casecmp(own, "off") == 0 || strcmp(own, "0") == 0)) return false;
  if (own && *own)
    lcl__str_add(dir, "%s", own);
  else if (xdg && *xdg == '/')
    lcl__str_add(dir, "%s/latentcl", xdg);
  else if (home && *home)
    lcl__str_add(dir, "%s/.cache/latentcl", home);
  else
    return false;
  return lcl__str_ok(dir);
}

enum { NAME_SIZE = 32 + sizeof SUFFIX };

static const char *entry_name(const char *key, char name[NAME_SIZE]) {
  snprintf(name, NAME_SIZE, "%.32s" SUFFIX, key);
  return name;
}

/* Says once why programs are not cached: the last failure. */
static void warn_not_cached(void) {
  static atomic_flag told = ATOMIC_FLAG_INIT;
  if (!atomic_flag_test_and_set(&told))
    lcl__logf(LCL_LOG_WARN,
              "programs are not cached: %s; set LATENTCL_CACHE to a folder of your own that can be "
              "written, or to off",
              lcl_error_message());
}

static void checksum(const header *h, const void *content, char out[33]) {
  char parts[33];
  lcl__hash_hex(content, (size_t)h->bytes, parts);
  char all[offsetof(header, checksum) + 32];
  memcpy(all, h, offsetof(header, checksum));
  memcpy(all + offsetof(header, checksum), parts, 32);
  lcl__hash_hex(all, sizeof all, out);
}

/* Whether the file is a whole entry of this format, with the name it should have. */
static bool verify(const char *file, size_t n, const char *key, header *h) {
  if (n < sizeof *h) return false;
  memcpy(h, file, sizeof *h);
  if (memcmp(h->magic, magic, sizeof magic) != 0 || h->format != LCL_CACHE_FORMAT ||
      memcmp(h->key, key, 32) != 0)
    return false;
  if (h->kind < LCL_CACHE_BINARY || h->kind > LCL_CACHE_NOTE || h->bytes != n - sizeof *h)
    return false;
  char sum[33];
  checksum(h, file + sizeof *h, sum);
  return memcmp(sum, h->checksum, 32) == 0;
}

bool lcl__cache_on(void) {
  lcl_str dir = { 0 };
  bool on = lcl__cache_dir(&dir);
  lcl__str_free(&dir);
  return on;
}

/* Reads a whole entry; false when it is absent, damaged, or could be another user's. */
static bool read_entry(const char *dir, const char *key, header *h, char **file, size_t *bytes) {
  char name[NAME_SIZE];
  *file = NULL;
  entry_name(key, name);
  if (lcl__file_read_private(dir, name, MAX_ENTRY, (void **)file, bytes) != LCL_OK) return false;
  if (verify(*file, *bytes, key, h)) return true;
  lcl__logf(LCL_LOG_INFO, "cache entry %s/%s is damaged or foreign and is built again", dir, name);
  lcl__free(*file);
  *file = NULL;
  return false;
}

static bool expired(const header *h, const char *path) {
  struct stat st;
  return h->kind == LCL_CACHE_REFUSED && stat(path, &st) == 0 &&
         time(NULL) - st.st_mtime > (time_t)REFUSED_DAYS * 24 * 3600;
}

bool lcl__cache_get(const char *key, lcl_cache_kind *kind, void **data, size_t *n) {
  lcl_str dir = { 0 }, path = { 0 };
  char *file = NULL, name[NAME_SIZE];
  size_t bytes = 0;
  header h;
  bool ok = lcl__cache_dir(&dir) && read_entry(dir.data, key, &h, &file, &bytes);
  if (ok) lcl__str_add(&path, "%s/%s", dir.data, entry_name(key, name));
  ok = ok && lcl__str_ok(&path) && !expired(&h, path.data);
  if (ok) {
    /* The time of last use orders deletion; a refusal keeps the time it was made, so that it
     * expires. */
    if (h.kind != LCL_CACHE_REFUSED) utimensat(AT_FDCWD, path.data, NULL, 0);
    *kind = (lcl_cache_kind)h.kind;
    *n = bytes - sizeof h;
    memmove(file, file + sizeof h, *n + 1); /* with the zero that ends it */
    *data = file;
  } else {
    lcl__free(file);
  }
  lcl__str_free(&path);
  lcl__str_free(&dir);
  return ok;
}

/* The file of an entry; NULL when there is no memory for it. */
static char *make_entry(const char *key, lcl_cache_kind kind, const void *data, size_t n) {
  char *file = lcl__alloc(sizeof(header) + n), sum[33];
  if (!file) return NULL;
  header h = { .format = LCL_CACHE_FORMAT, .kind = kind, .bytes = n };
  memcpy(h.magic, magic, sizeof magic);
  memcpy(h.key, key, 32);
  checksum(&h, data, sum);
  memcpy(h.checksum, sum, 32);
  memcpy(file, &h, sizeof h);
  memcpy(file + sizeof h, data, n);
  return file;
}

void *lcl__cache_note(const char *key, size_t *n) {
  lcl_cache_kind kind;
  void *data;
  if (!lcl__cache_get(key, &kind, &data, n)) return NULL;
  if (kind == LCL_CACHE_NOTE) return data;
  lcl__free(data);
  return NULL;
}

void lcl__cache_put(const char *key, lcl_cache_kind kind, const void *data, size_t n) {
  lcl_str dir = { 0 }, path = { 0 };
  char *file = NULL, name[NAME_SIZE];
  if (n <= MAX_ENTRY - sizeof(header) && lcl__cache_dir(&dir)) {
    lcl__str_add(&path, "%s/%s", dir.data, entry_name(key, name));
    file = make_entry(key, kind, data, n);
  }
  if (file && lcl__str_ok(&path)) {
    lcl_status status = lcl__folder_make_private(dir.data);
    if (status == LCL_OK) status = lcl__file_replace(path.data, file, sizeof(header) + n);
    if (status == LCL_OK)
      lcl__keep_others_out(path.data);
    else
      warn_not_cached();
  }
  lcl__free(file);
  lcl__str_free(&path);
  lcl__str_free(&dir);
}

/* ---- the folder as a whole ---- */

typedef struct file_row {
  char name[80];
  uint64_t bytes;
  time_t used;
} file_row;

typedef struct file_rows {
  file_row *data;
  size_t n, cap;
} file_rows;

static uint64_t size_limit(void) {
  static atomic_flag told = ATOMIC_FLAG_INIT;
  const char *text = getenv("LATENTCL_CACHE_SIZE");
  uint64_t bytes = (uint64_t)256 << 20;
  if (text && *text && !lcl__parse_bytes(text, &bytes) && !atomic_flag_test_and_set(&told))
    lcl__logf(LCL_LOG_WARN,
              "LATENTCL_CACHE_SIZE wants bytes such as 512m or 2g, not '%s'; 256m is used", text);
  return bytes;
}

static bool is_entry_name(const char *name) {
  return strlen(name) == 32 + strlen(SUFFIX) && strspn(name, "0123456789abcdef") == 32 &&
         strcmp(name + 32, SUFFIX) == 0;
}

/* "KEY.lclbin.PID.N.tmp", made by lcl__file_replace. */
static bool is_temporary_name(const char *name) {
  size_t n = strlen(name);
  return n < 80 && n > 36 && strspn(name, "0123456789abcdef") == 32 &&
         strncmp(name + 32, SUFFIX, strlen(SUFFIX)) == 0 && strcmp(name + n - 4, ".tmp") == 0;
}

/* Rows of all entries; removes temporary files that nobody will finish. A folder that is not there
 * has none. */
static lcl_status scan(const char *dir, file_rows *rows, size_t *others) {
  DIR *d = opendir(dir);
  if (!d && errno == ENOENT) return LCL_OK;
  if (!d) return lcl__fail(LCL_ERR_IO, "cannot read the cache folder %s: %s", dir, strerror(errno));
  bool ok = true;
  for (struct dirent *e; ok && (e = readdir(d));) {
    struct stat st;
    if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
      continue;
    if (is_entry_name(e->d_name)) {
      file_row row = { .bytes = (uint64_t)st.st_size, .used = st.st_mtime };
      memcpy(row.name, e->d_name, strlen(e->d_name) + 1);
      ok = LCL_PUSH(rows, row);
    } else if (is_temporary_name(e->d_name)) {
      if (time(NULL) - st.st_mtime > STALE_SECONDS) unlinkat(dirfd(d), e->d_name, 0);
    } else {
      ++*others;
    }
  }
  closedir(d);
  return ok ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static int older_first(const void *a, const void *b) {
  const file_row *x = a, *y = b;
  return x->used != y->used ? (x->used < y->used ? -1 : 1) : strcmp(x->name, y->name);
}

static bool remove_entry(const char *dir, const char *name) {
  lcl_str path = { 0 };
  lcl__str_add(&path, "%s/%s", dir, name);
  bool ok = lcl__str_ok(&path) && unlink(path.data) == 0;
  lcl__str_free(&path);
  return ok;
}

void lcl__cache_prune(void) {
  lcl_str dir = { 0 };
  file_rows rows = { 0 };
  size_t others = 0;
  const bool on = lcl__cache_dir(&dir);
  if (on) lcl__remove_leftovers(dir.data, NULL);
  if (on && scan(dir.data, &rows, &others) == LCL_OK && rows.n) {
    uint64_t total = 0, limit = size_limit();
    for (size_t i = 0; i < rows.n; i++) total += rows.data[i].bytes;
    if (total > limit) qsort(rows.data, rows.n, sizeof *rows.data, older_first);
    for (size_t i = 0; i < rows.n && total > limit; i++)
      if (remove_entry(dir.data, rows.data[i].name)) total -= rows.data[i].bytes;
  }
  lcl__free(rows.data);
  lcl__str_free(&dir);
}

lcl_status lcl__cache_stat(lcl_cache_use *use) {
  *use = (lcl_cache_use) { .limit = size_limit() };
  lcl_str dir = { 0 };
  file_rows rows = { 0 };
  lcl_status status = lcl__cache_dir(&dir) ? scan(dir.data, &rows, &use->foreign) : LCL_OK;
  for (size_t i = 0; status == LCL_OK && i < rows.n; i++) {
    char key[33] = { 0 };
    memcpy(key, rows.data[i].name, 32);
    char *file = NULL;
    size_t n = 0;
    header h;
    use->bytes += rows.data[i].bytes;
    if (read_entry(dir.data, key, &h, &file, &n)) {
      use->entries++;
      use->programs += h.kind == LCL_CACHE_BINARY;
      use->refused += h.kind == LCL_CACHE_REFUSED;
    } else {
      use->foreign++;
    }
    lcl__free(file);
  }
  lcl__free(rows.data);
  lcl__str_free(&dir);
  return status;
}

lcl_status lcl__cache_clear(size_t *removed) {
  *removed = 0;
  lcl_str dir = { 0 };
  file_rows rows = { 0 };
  size_t others = 0;
  lcl_status status = lcl__cache_dir(&dir) ? scan(dir.data, &rows, &others) : LCL_OK;
  for (size_t i = 0; status == LCL_OK && i < rows.n; i++)
    *removed += remove_entry(dir.data, rows.data[i].name);
  lcl__free(rows.data);
  lcl__str_free(&dir);
  return status;
}
