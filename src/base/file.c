/* Files, hashing and the clock. */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

void lcl_hash_hex(const void *data, size_t n, char out[33]) {
  XXH128_hash_t h = XXH3_128bits(data, n);
  snprintf(out, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

double lcl_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static lcl_status read_all(int fd, const char *path, size_t max_bytes, char **data, size_t *n) {
  size_t cap = 0;
  *data = NULL;
  *n = 0;
  for (;;) {
    /* One byte more than the file, for the terminator and to see the end without growing again. */
    if (!lcl_grow((void **)data, &cap, LCL_MAX(*n + 2, (size_t)4096), 1))
      return LCL_ERR_HOST_MEMORY;
    ssize_t got = read(fd, *data + *n, cap - *n - 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return lcl_fail(LCL_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (got == 0) break;
    *n += (size_t)got;
    if (*n > max_bytes)
      return lcl_fail(LCL_ERR_FORMAT, "%s is larger than the %zu bytes that are expected at most",
                      path, max_bytes);
  }
  (*data)[*n] = 0;
  return LCL_OK;
}

lcl_status lcl_file_read(const char *path, size_t max_bytes, void **data, size_t *n) {
  *data = NULL;
  *n = 0;
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait for its writer */
  if (fd < 0) return lcl_fail(LCL_ERR_IO, "cannot open %s: %s", path, strerror(errno));
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    close(fd);
    return lcl_fail(LCL_ERR_IO, "cannot read %s: it is not a regular file", path);
  }
  if ((uint64_t)st.st_size > max_bytes) {
    close(fd);
    return lcl_fail(LCL_ERR_FORMAT, "%s is larger than the %zu bytes that are expected at most",
                    path, max_bytes);
  }
  char *bytes = NULL;
  lcl_status status = read_all(fd, path, max_bytes, &bytes, n);
  close(fd);
  if (status != LCL_OK) {
    lcl_free(bytes);
    *n = 0;
    return status;
  }
  *data = bytes;
  return LCL_OK;
}

static bool write_all(int fd, const char *data, size_t n) {
  while (n) {
    ssize_t put = write(fd, data, n);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    data += put;
    n -= (size_t)put;
  }
  return true;
}

/* The descriptor of this process that path names; -1: none. */
static int own_descriptor(const char *path) {
  int fd, end = 0;
  if (strcmp(path, "/dev/stdout") == 0) return STDOUT_FILENO;
  if (strcmp(path, "/dev/stderr") == 0) return STDERR_FILENO;
  if (sscanf(path, "/dev/fd/%d%n", &fd, &end) != 1) sscanf(path, "/proc/self/fd/%d%n", &fd, &end);
  return end > 0 && !path[end] ? fd : -1;
}

static bool is_stream(const char *path, const struct stat *st) {
  return !S_ISREG(st->st_mode) || own_descriptor(path) >= 0;
}

/* Streams, devices and open descriptors cannot be replaced: they are written as they are, a
 * descriptor from where it stands. */
static lcl_status write_through(const char *path, const void *data, size_t n) {
  const int own = own_descriptor(path);
  int fd = own >= 0 ? dup(own) : open(path, O_WRONLY | O_CLOEXEC);
  bool ok = fd >= 0 && write_all(fd, data, n);
  int err = errno;
  if (fd >= 0 && close(fd) != 0 && ok) ok = false, err = errno;
  return ok ? LCL_OK : lcl_fail(LCL_ERR_IO, "cannot write %s: %s", path, strerror(err));
}

/* Removes what killed processes of this user left of writing to path: BASE.PID.NUMBER.tmp. */
static void remove_leftovers(const char *path) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  const size_t n = strlen(base);
  lcl_str folder = { 0 };
  lcl_str_add(&folder, "%.*s", slash ? (int)(base - path) : 1, slash ? path : ".");
  DIR *dir = lcl_str_ok(&folder) ? opendir(folder.data) : NULL;
  lcl_str_free(&folder);
  for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
    long pid;
    int end = 0;
    struct stat st;
    if (strncmp(e->d_name, base, n) != 0) continue;
    if (sscanf(e->d_name + n, ".%ld.%*[0-9a-f].tmp%n", &pid, &end) != 1 || !end ||
        e->d_name[n + (size_t)end])
      continue;
    if (pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH) continue;
    if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
        st.st_uid == geteuid())
      unlinkat(dirfd(dir), e->d_name, 0);
  }
  if (dir) closedir(dir);
}

/* A new file beside path that nobody else can have prepared: *temp is its name. */
static int open_temporary(const char *path, lcl_str *temp) {
  uint64_t number;
  if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) return -1;
  lcl_str_add(temp, "%s.%ld.%016llx.tmp", path, (long)getpid(), (unsigned long long)number);
  if (!lcl_str_ok(temp)) return -1;
  return open(temp->data, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
}

static lcl_status write_and_rename(const char *path, const void *data, size_t n, bool durable,
                                   const struct stat *old) {
  lcl_str temp = { 0 };
  int fd = open_temporary(path, &temp);
  if (fd < 0) {
    lcl_fail(LCL_ERR_IO, "cannot create a file beside %s: %s", path, strerror(errno));
    lcl_str_free(&temp);
    return LCL_ERR_IO;
  }
  bool ok = (!old || fchmod(fd, old->st_mode & 07777) == 0) && write_all(fd, data, n) &&
            (!durable || fsync(fd) == 0);
  int err = errno;
  if (close(fd) != 0 && ok) ok = false, err = errno;
  if (ok && rename(temp.data, path) != 0) ok = false, err = errno;
  if (!ok) {
    unlink(temp.data);
    lcl_fail(LCL_ERR_IO, "cannot write %s: %s", path, strerror(err));
  }
  lcl_str_free(&temp);
  return ok ? LCL_OK : LCL_ERR_IO;
}

/* A link is followed and stays a link; an existing file keeps its mode. */
lcl_status lcl_file_write_atomic(const char *path, const void *data, size_t n) {
  struct stat st;
  const bool there = stat(path, &st) == 0;
  if (there && is_stream(path, &st)) return write_through(path, data, n);
  char *target = there ? realpath(path, NULL) : NULL;
  if (there && !target) return lcl_fail(LCL_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  remove_leftovers(target ? target : path);
  lcl_status status = write_and_rename(target ? target : path, data, n, true, there ? &st : NULL);
  free(target);
  return status;
}

lcl_status lcl_file_replace(const char *path, const void *data, size_t n) {
  return write_and_rename(path, data, n, false, NULL);
}

lcl_status lcl_mkdirs(const char *path) {
  char *part = lcl_strdup(path);
  if (!part) return LCL_ERR_HOST_MEMORY;
  lcl_status status = LCL_OK;
  for (char *end = part + 1; status == LCL_OK && *part; end++) {
    if (*end != '/' && *end != 0) continue;
    char keep = *end;
    *end = 0;
    if (mkdir(part, 0777) != 0 && errno != EEXIST)
      status = lcl_fail(LCL_ERR_IO, "cannot make the folder %s: %s", part, strerror(errno));
    *end = keep;
    if (!keep) break;
  }
  lcl_free(part);
  struct stat st;
  if (status == LCL_OK && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)))
    status = lcl_fail(LCL_ERR_IO, "%s is not a folder", path);
  return status;
}

bool lcl_file_exists(const char *path) {
  struct stat st;
  return stat(path, &st) == 0;
}
