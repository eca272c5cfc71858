/* Locks of folders, and their removal. */
#define _GNU_SOURCE /* nftw */
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The process that holds a flock on the file, from the kernel's list of locks; 0: unknown. */
static long holder_of(int fd) {
  struct stat st;
  char line[256], where[64];
  long holder = 0;
  if (fstat(fd, &st) != 0) return 0;
  snprintf(where, sizeof where, " %02x:%02x:%llu ", major(st.st_dev), minor(st.st_dev),
           (unsigned long long)st.st_ino);
  FILE *locks = fopen("/proc/locks", "re");
  while (locks && !holder && fgets(line, sizeof line, locks)) {
    const char *mode = strstr(line, " WRITE ");
    if (mode && strstr(line, " FLOCK ") && strstr(line, where)) holder = strtol(mode + 7, NULL, 10);
  }
  if (locks) fclose(locks);
  return holder;
}

lcl_status lcl__folder_lock(const char *path, int *lock) {
  *lock = -1;
  const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return lcl__fail(LCL_ERR_IO, "cannot open the folder %s: %s", path, strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) {
    *lock = fd; /* a file system without locks does not keep anybody from working */
    lcl__remove_leftovers(path, NULL);
    return LCL_OK;
  }
  const long holder = holder_of(fd);
  close(fd);
  if (holder > 0)
    return lcl__fail(LCL_ERR_IO, "%s is in use: process %ld writes to it", path, holder);
  return lcl__fail(LCL_ERR_IO, "%s is in use: another process writes to it", path);
}

void lcl__folder_unlock(int lock) {
  if (lock >= 0) close(lock);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at) {
  (void)st, (void)kind, (void)at;
  return remove(path);
}

void lcl__folder_remove(const char *path) {
  nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
