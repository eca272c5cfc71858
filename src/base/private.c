/* Files whose content is believed: compiled code, tuning records, plug-ins. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

/* Whether only this user (or the administrator) can have written what fd is. */
static bool ours(int fd, mode_t type) {
  struct stat st;
  return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type &&
         (st.st_uid == geteuid() || st.st_uid == 0) && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

static lcl_status not_ours(const char *path) {
  return lcl__fail(LCL_ERR_IO,
                   "%s is not used: another user owns it or can write it (chmod go-w), or it is a "
                   "link or no file",
                   path);
}

/* Opens the folder itself, so that what was checked is what is read from. */
static lcl_status open_folder(const char *path, int *fd) {
  *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*fd < 0) return lcl__fail(LCL_ERR_IO, "cannot open %s: %s", path, strerror(errno));
  if (ours(*fd, S_IFDIR)) return LCL_OK;
  close(*fd);
  return not_ours(path);
}

lcl_status lcl__folder_check_private(const char *folder) {
  int fd;
  LCL_TRY(open_folder(folder, &fd));
  close(fd);
  return LCL_OK;
}

void lcl__keep_others_out(const char *path) {
  struct stat st;
  if (stat(path, &st) == 0) chmod(path, st.st_mode & 07777 & ~(mode_t)(S_IWGRP | S_IWOTH));
}

lcl_status lcl__folder_make_private(const char *folder) {
  bool there = lcl__file_exists(folder);
  LCL_TRY(lcl__mkdirs(folder));
  if (!there) lcl__keep_others_out(folder);
  return lcl__folder_check_private(folder);
}

static lcl_status read_fd(int fd, const char *path, size_t max_bytes, void **data, size_t *n) {
  struct stat st;
  if (fstat(fd, &st) != 0 || (uint64_t)st.st_size > max_bytes)
    return lcl__fail(LCL_ERR_FORMAT, "%s is larger than the %zu bytes that are expected at most",
                     path, max_bytes);
  char *bytes = lcl__alloc((size_t)st.st_size + 1);
  if (!bytes) return LCL_ERR_HOST_MEMORY;
  for (ssize_t got = 1; *n < (size_t)st.st_size && got; *n += (size_t)got) {
    while ((got = read(fd, bytes + *n, (size_t)st.st_size - *n)) < 0 && errno == EINTR) {
    }
    if (got >= 0) continue;
    lcl__free(bytes);
    return lcl__fail(LCL_ERR_IO, "cannot read %s: %s", path, strerror(errno));
  }
  *data = bytes;
  return LCL_OK;
}

/* Opens the file in the folder, both checked; *path: its whole name. */
static lcl_status open_file(const char *folder, const char *name, lcl_str *path, int *fd) {
  int dir;
  *fd = -1;
  LCL_TRY(open_folder(folder, &dir));
  lcl__str_add(path, "%s/%s", folder, name);
  lcl_status status = lcl__str_ok(path) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    *fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0)
      status = errno == ELOOP
                   ? not_ours(path->data)
                   : lcl__fail(LCL_ERR_IO, "cannot open %s: %s", path->data, strerror(errno));
    else if (!ours(*fd, S_IFREG))
      status = not_ours(path->data);
  }
  close(dir);
  return status;
}

lcl_status lcl__file_read_private(const char *folder, const char *name, size_t max_bytes,
                                  void **data, size_t *n) {
  lcl_str path = { 0 };
  int fd;
  *data = NULL;
  *n = 0;
  lcl_status status = open_file(folder, name, &path, &fd);
  if (status == LCL_OK) status = read_fd(fd, path.data, max_bytes, data, n);
  if (fd >= 0) close(fd);
  lcl__str_free(&path);
  if (status != LCL_OK) *n = 0;
  return status;
}

lcl_status lcl__file_check_private(const char *folder, const char *name) {
  lcl_str path = { 0 };
  int fd;
  lcl_status status = open_file(folder, name, &path, &fd);
  if (fd >= 0) close(fd);
  lcl__str_free(&path);
  return status;
}
