/* Files, hashing and the clock. */
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

void lcl__hash_hex(const void *data, size_t n, char out[33]) {
  XXH128_hash_t h = XXH3_128bits(data, n);
  snprintf(out, 33, "%016llx%016llx", (unsigned long long)h.high64, (unsigned long long)h.low64);
}

double lcl__now(void) {
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
    if (!lcl__grow((void **)data, &cap, LCL_MAX(*n + 2, (size_t)4096), 1))
      return LCL_ERR_HOST_MEMORY;
    ssize_t got = read(fd, *data + *n, cap - *n - 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return lcl__fail(LCL_ERR_IO, "cannot read %s: %s", path, strerror(errno));
    if (got == 0) break;
    *n += (size_t)got;
    if (*n > max_bytes)
      return lcl__fail(LCL_ERR_FORMAT, "%s is larger than the %zu bytes that are expected at most",
                       path, max_bytes);
  }
  (*data)[*n] = 0;
  return LCL_OK;
}

lcl_status lcl__file_open(const char *path, int *fd, uint64_t *size) {
  struct stat st;
  *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait for its writer */
  if (*fd < 0) return lcl__fail(LCL_ERR_IO, "cannot open %s: %s", path, strerror(errno));
  if (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    close(*fd);
    return lcl__fail(LCL_ERR_IO, "cannot read %s: it is not a regular file", path);
  }
  *size = (uint64_t)st.st_size;
  return LCL_OK;
}

lcl_status lcl__file_read_part(int fd, const char *path, uint64_t offset, void *data, size_t n,
                               size_t *got) {
  ssize_t part = 1;
  *got = 0;
  while (*got < n && part) {
    part = pread(fd, (char *)data + *got, n - *got, (off_t)(offset + *got));
    if (part < 0 && errno != EINTR) break;
    if (part > 0) *got += (size_t)part;
  }
  return part < 0 ? lcl__fail(LCL_ERR_IO, "cannot read %s: %s", path, strerror(errno)) : LCL_OK;
}

lcl_status lcl__file_read_exactly(int fd, const char *path, uint64_t offset, size_t n,
                                  void **data) {
  size_t got;
  char *bytes = lcl__alloc(n + 1);
  *data = NULL;
  if (!bytes) return LCL_ERR_HOST_MEMORY;
  lcl_status status = lcl__file_read_part(fd, path, offset, bytes, n, &got);
  if (status == LCL_OK && got != n)
    status = lcl__fail(LCL_ERR_IO, "%s changed while it was read", path);
  if (status != LCL_OK) {
    lcl__free(bytes);
    return status;
  }
  bytes[n] = 0;
  *data = bytes;
  return LCL_OK;
}

lcl_status lcl__file_read(const char *path, size_t max_bytes, void **data, size_t *n) {
  *data = NULL;
  *n = 0;
  int fd;
  uint64_t size;
  LCL_TRY(lcl__file_open(path, &fd, &size));
  if (size > max_bytes) {
    close(fd);
    return lcl__fail(LCL_ERR_FORMAT, "%s is larger than the %zu bytes that are expected at most",
                     path, max_bytes);
  }
  char *bytes = NULL;
  lcl_status status = read_all(fd, path, max_bytes, &bytes, n);
  close(fd);
  if (status != LCL_OK) {
    lcl__free(bytes);
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

/* A FIFO has to have a reader soon. */
static int open_stream(const char *path) {
  const double end = lcl__now() + 10;
  int fd;
  while ((fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK)) < 0 && errno == ENXIO &&
         lcl__now() < end)
    usleep(20000);
  if (fd >= 0) fcntl(fd, F_SETFL, O_WRONLY);
  return fd;
}

/* Streams, devices and open descriptors cannot be replaced: they are written as they are, a
 * descriptor from where it stands. */
static lcl_status write_through(const char *path, const struct stat *st, const void *data,
                                size_t n) {
  const int own = own_descriptor(path);
  int fd = own >= 0                ? dup(own)
           : S_ISFIFO(st->st_mode) ? open_stream(path)
                                   : open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENXIO && S_ISFIFO(st->st_mode))
    return lcl__fail(LCL_ERR_IO, "cannot write %s: it is a FIFO that no process reads", path);
  bool ok = fd >= 0 && write_all(fd, data, n);
  int err = errno;
  if (fd >= 0 && close(fd) != 0 && ok) ok = false, err = errno;
  return ok ? LCL_OK : lcl__fail(LCL_ERR_IO, "cannot write %s: %s", path, strerror(err));
}

/* How much of a file's name its temporary files begin with: names have at most NAME_MAX bytes. */
static size_t kept_length(const char *base) {
  return strnlen(base, NAME_MAX - sizeof ".2147483647.0123456789abcdef.tmp");
}

/* The process that wrote the temporary file BASE.PID.NUMBER.tmp; 0: the name is no such. */
static long writer_of(const char *name, const char *base) {
  const char *dot = name + strlen(name);
  for (int dots = 0; dots < 3; dots++) {
    while (dot > name && *--dot != '.') {
    }
  }
  int number = 0, end = 0;
  long pid;
  const size_t part = (size_t)(dot - name);
  if (!part || (base && (strncmp(name, base, part) != 0 || kept_length(base) != part))) return 0;
  if (sscanf(dot, ".%ld.%n%*16[0-9a-f].tmp%n", &pid, &number, &end) != 1) return 0;
  return end - number == 16 + 4 && !dot[end] ? pid : 0;
}

/* Removes the file unless another user's, or one that a process of another container or machine
 * still writes: writers hold a lock. */
static void remove_leftover(int dir, const char *name) {
  struct stat st;
  const int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
      (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK))
    unlinkat(dir, name, 0);
  close(fd);
}

void lcl__remove_leftovers(const char *folder, const char *base) {
  DIR *dir = opendir(folder);
  for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
    const long pid = writer_of(e->d_name, base);
    if (pid > 0 && kill((pid_t)pid, 0) != 0 && errno == ESRCH)
      remove_leftover(dirfd(dir), e->d_name);
  }
  if (dir) closedir(dir);
}

static const char *base_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* lcl__free it. */
static char *folder_of(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = lcl__strdup(slash ? path : ".");
  if (folder && slash) folder[LCL_MAX(slash - path, 1)] = 0;
  return folder;
}

static void remove_leftovers_of(const char *path) {
  char *folder = folder_of(path);
  if (folder) lcl__remove_leftovers(folder, base_of(path));
  lcl__free(folder);
}

/* Whether another user may have put the link into a folder that several can write. (The kernel's
 * fs.protected_symlinks does not see links that are followed by name.) */
static bool is_planted(const char *link) {
  struct stat st, in;
  char *folder = folder_of(link);
  const bool planted = !folder || lstat(link, &st) != 0 || stat(folder, &in) != 0 ||
                       (st.st_uid != geteuid() && st.st_uid != 0 && st.st_uid != in.st_uid &&
                        (in.st_mode & (S_IWGRP | S_IWOTH)));
  lcl__free(folder);
  return planted;
}

char *lcl__file_target(const char *path) {
  char *at = lcl__strdup(path), to[PATH_MAX];
  if (at && !*at) {
    lcl__fail(LCL_ERR_IO, "cannot write a file without a name");
    lcl__free(at);
    return NULL;
  }
  for (int links = 0; at; links++) {
    const ssize_t n = readlink(at, to, sizeof to - 1);
    if (n < 0) return at;
    if (is_planted(at)) {
      lcl__fail(LCL_ERR_IO,
                "cannot write %s: the link %s is another user's, in a folder that others can write",
                path, at);
      lcl__free(at);
      return NULL;
    }
    const char *slash = to[0] == '/' ? NULL : strrchr(at, '/');
    lcl_str next = { 0 };
    to[n] = 0;
    lcl__str_add(&next, "%.*s%s", slash ? (int)(slash + 1 - at) : 0, at, to);
    lcl__free(at);
    at = next.data;
    if (lcl__str_ok(&next) && links < 40) continue;
    if (lcl__str_ok(&next)) lcl__fail(LCL_ERR_IO, "cannot write %s: its links have no end", path);
    lcl__str_free(&next);
    return NULL;
  }
  return NULL;
}

/* A new file beside path that nobody else can have prepared, never more open than mode: *temp is
 * its name. */
static int open_temporary(const char *path, mode_t mode, lcl_str *temp) {
  uint64_t number;
  if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) return -1;
  const char *base = base_of(path);
  lcl__str_add(temp, "%.*s.%ld.%016llx.tmp", (int)(base - path) + (int)kept_length(base), path,
               (long)getpid(), (unsigned long long)number);
  if (!lcl__str_ok(temp)) return -1;
  return open(temp->data, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
}

/* Owner (where this process may), group and mode of the file before; a group that it cannot have
 * gives its members no rights. */
static bool keep_rights(int fd, const struct stat *old) {
  mode_t mode = old->st_mode & 07777;
  if (fchown(fd, old->st_uid, old->st_gid) != 0 && fchown(fd, (uid_t)-1, old->st_gid) != 0)
    mode &= ~(mode_t)(S_ISGID | S_IRWXG);
  return fchmod(fd, mode) == 0;
}

static lcl_status write_and_rename(const char *path, const void *data, size_t n, bool durable,
                                   const struct stat *old) {
  lcl_str temp = { 0 };
  int fd = open_temporary(path, old ? old->st_mode & 0777 : 0666, &temp);
  if (fd < 0) {
    lcl__fail(LCL_ERR_IO, "cannot create a file beside %s: %s", path, strerror(errno));
    lcl__str_free(&temp);
    return LCL_ERR_IO;
  }
  flock(fd, LOCK_EX | LOCK_NB); /* see remove_leftover */
  bool ok = (!old || keep_rights(fd, old)) && write_all(fd, data, n) &&
            (!durable || fsync(fd) == 0);
  int err = errno;
  if (close(fd) != 0 && ok) ok = false, err = errno;
  if (ok && rename(temp.data, path) != 0) ok = false, err = errno;
  if (!ok) {
    unlink(temp.data);
    lcl__fail(LCL_ERR_IO, "cannot write %s: %s", path, strerror(err));
  }
  lcl__str_free(&temp);
  return ok ? LCL_OK : LCL_ERR_IO;
}

lcl_status lcl__file_write_atomic(const char *path, const void *data, size_t n) {
  struct stat st;
  char *target = lcl__file_target(path);
  if (!target) return LCL_ERR_IO;
  const bool there = stat(path, &st) == 0;
  lcl_status status;
  if (there && is_stream(path, &st)) {
    status = write_through(path, &st, data, n);
  } else {
    remove_leftovers_of(target);
    status = write_and_rename(target, data, n, true, there ? &st : NULL);
  }
  lcl__free(target);
  return status;
}

bool lcl__is_standard_output(const char *path) {
  return own_descriptor(path) == STDOUT_FILENO;
}

/* Whether writing to one of two names, of files or of what will be one, changes the other's. Hard
 * links stay apart: each name gets a file of its own. */
static bool same_file(const char *a, const char *b) {
  const char *given[2] = { a, b };
  char *at[2], *in[2];
  struct stat x[2];
  const bool there = stat(a, &x[0]) == 0 && stat(b, &x[1]) == 0;
  if (there && !S_ISREG(x[0].st_mode)) /* streams are written through; devices take any number */
    return x[0].st_dev == x[1].st_dev && x[0].st_ino == x[1].st_ino && !S_ISCHR(x[0].st_mode);
  for (int i = 0; i < 2; i++) {
    char real[PATH_MAX];
    at[i] = realpath(given[i], real) ? lcl__strdup(real) : lcl__file_target(given[i]);
    in[i] = at[i] ? folder_of(at[i]) : NULL;
  }
  const bool same = in[0] && in[1] && stat(in[0], &x[0]) == 0 && stat(in[1], &x[1]) == 0 &&
                    x[0].st_dev == x[1].st_dev && x[0].st_ino == x[1].st_ino &&
                    strcmp(base_of(at[0]), base_of(at[1])) == 0;
  for (int i = 0; i < 2; i++) {
    lcl__free(at[i]);
    lcl__free(in[i]);
  }
  return same;
}

static lcl_status check_target(const char *path, const char *target) {
  struct stat st;
  const bool there = stat(path, &st) == 0;
  if (there && S_ISDIR(st.st_mode))
    return lcl__fail(LCL_ERR_IO, "cannot write %s: it is a folder", path);
  if (there && access(path, W_OK) != 0)
    return lcl__fail(LCL_ERR_IO, "cannot write %s: %s", path, strerror(errno));
  if (there && is_stream(path, &st)) return LCL_OK;
  char *folder = folder_of(target); /* files are replaced */
  if (!folder) return LCL_ERR_HOST_MEMORY;
  const bool ok = access(folder, W_OK | X_OK) == 0;
  if (!ok) lcl__fail(LCL_ERR_IO, "cannot write %s: %s: %s", path, folder, strerror(errno));
  lcl__free(folder);
  return ok ? LCL_OK : LCL_ERR_IO;
}

lcl_status lcl__check_output(const char *path) {
  if (!path) return LCL_OK;
  char *target = lcl__file_target(path); /* a link may lead to what is not there yet */
  if (!target) return LCL_ERR_IO;
  const lcl_status status = check_target(path, target);
  lcl__free(target);
  return status;
}

lcl_status lcl__check_ending(const char *path, const char *endings) {
  const char *name = path ? base_of(path) : "", *end = strrchr(name, '.');
  if (!end || end == name) return LCL_OK;
  for (const char *p = endings; *p; p += strspn(p, " ")) {
    const size_t n = strcspn(p, " ");
    if (strlen(end) == n && lcl__ncasecmp(p, end, n) == 0) return LCL_OK;
    p += n;
  }
  return lcl__fail(LCL_ERR_ARGUMENT, "%s: the type %s is not one that is written there; known: %s",
                   path, end, endings);
}

lcl_status lcl__check_outputs(const char *const *paths, size_t n, const char *const *inputs,
                              size_t n_inputs) {
  for (size_t i = 0; i < n; i++) {
    LCL_TRY(lcl__check_output(paths[i]));
    for (size_t k = 0; k < i; k++)
      if (paths[i] && paths[k] && same_file(paths[i], paths[k]))
        return lcl__fail(LCL_ERR_ARGUMENT, "two results would be written to one file, %s",
                         paths[i]);
    for (size_t k = 0; k < n_inputs; k++)
      if (paths[i] && inputs[k] && same_file(paths[i], inputs[k]))
        return lcl__fail(LCL_ERR_ARGUMENT,
                         "cannot write %s: that file has another use here, and would be lost",
                         paths[i]);
  }
  return LCL_OK;
}

lcl_status lcl__file_replace(const char *path, const void *data, size_t n) {
  return write_and_rename(path, data, n, false, NULL);
}

lcl_status lcl__mkdirs(const char *path) {
  char *part = lcl__strdup(path);
  if (!part) return LCL_ERR_HOST_MEMORY;
  lcl_status status = LCL_OK;
  for (char *end = part + 1; status == LCL_OK && *part; end++) {
    if (*end != '/' && *end != 0) continue;
    char keep = *end;
    *end = 0;
    if (mkdir(part, 0777) != 0 && errno != EEXIST)
      status = lcl__fail(LCL_ERR_IO, "cannot make the folder %s: %s", part, strerror(errno));
    *end = keep;
    if (!keep) break;
  }
  lcl__free(part);
  struct stat st;
  if (status == LCL_OK && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)))
    status = lcl__fail(LCL_ERR_IO, "%s is not a folder", path);
  return status;
}

bool lcl__file_exists(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0;
}
