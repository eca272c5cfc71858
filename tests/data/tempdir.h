/* A folder of its own for a test's files. */
#ifndef TEST_TEMPDIR_H
#define TEST_TEMPDIR_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline void temp_make(char path[256]) {
  const char *base = getenv("TMPDIR");
  snprintf(path, 256, "%s/latentcl-test-XXXXXX", base && *base ? base : "/tmp");
  if (!mkdtemp(path)) abort();
}

/* Writes n bytes to dir/name, making the folders on the way. */
static inline void temp_write(const char *dir, const char *name, const void *data, size_t n) {
  char path[768];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  for (char *p = path + strlen(dir) + 1; *p; p++) {
    if (*p != '/') continue;
    *p = 0;
    mkdir(path, 0777);
    *p = '/';
  }
  FILE *f = fopen(path, "wb");
  if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) abort();
}

static inline void temp_remove(const char *path) {
  DIR *dir = opendir(path);
  if (dir) {
    for (struct dirent *e; (e = readdir(dir));) {
      char sub[768];
      if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
      if (snprintf(sub, sizeof sub, "%s/%s", path, e->d_name) < (int)sizeof sub) temp_remove(sub);
    }
    closedir(dir);
    rmdir(path);
  } else {
    unlink(path);
  }
}

#endif
