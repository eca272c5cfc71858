/* Programs: compile errors that name file and line, kernels from a folder, what the disk cache
 * saves, refusals. */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "device/cache.h"
#include "device/internal.h"
#include "test.h"

static char folder[64], kernels[80];

static lcl_context *open_context(void) {
  lcl_context *ctx = NULL;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  return ctx;
}

static void close_context(lcl_context *ctx) {
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

static lcl_source numbered(int i, char text[128]) {
  snprintf(text, 128, "__kernel void k%d(__global int *x) { x[get_global_id(0)] += %d; }\n", i, i);
  return (lcl_source) { .text = text };
}

static void errors_name_file_and_line(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  cl_kernel k;
  lcl_source bad = { .text =
                         "__kernel void f(__global float *x) {\n  x[0] = undeclared_name;\n}\n" };
  for (int twice = 0; twice < 2; twice++) {
    ASSERT_STATUS(lcl__kernel_create(ctx, &bad, "f", &k), LCL_ERR_BUILD);
    assert_null(k);
    assert_non_null(strstr(lcl_error_message(), "generated.cl"));
    assert_non_null(strstr(lcl_error_message(), ":2:"));
    assert_non_null(strstr(lcl_error_message(), "undeclared_name"));
  }
  close_context(ctx);
  /* Another context learns of the refusal from the disk, without compiling. */
  ctx = open_context();
  ASSERT_STATUS(lcl__kernel_create(ctx, &bad, "f", &k), LCL_ERR_BUILD);
  assert_non_null(strstr(lcl_error_message(), "remembered"));
  assert_non_null(strstr(lcl_error_message(), "undeclared_name"));
  assert_int_equal(lcl__context_build_stats(ctx).compiled, 0);
  close_context(ctx);
}

static void unknown_file_and_kernel(void **state) {
  (void)state;
  lcl_context *ctx = open_context();
  cl_kernel k;
  char text[128];
  ASSERT_STATUS(lcl__kernel_create(ctx, &(lcl_source) { .file = "no-such.cl" }, "f", &k),
                LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "no-such.cl"));
  lcl_source good = numbered(1, text);
  ASSERT_STATUS(lcl__kernel_create(ctx, &good, "no_such_kernel", &k), LCL_ERR_OPENCL);
  assert_non_null(strstr(lcl_error_message(), "no_such_kernel"));
  ASSERT_STATUS(lcl__kernel_create(ctx, &(lcl_source) { 0 }, "f", &k), LCL_ERR_ARGUMENT);
  close_context(ctx);
}

static void built_once_and_kept_on_disk(void **state) {
  (void)state;
  enum { N = 12 };
  char text[N][128];
  lcl_source sources[N + 1];
  for (int i = 0; i < N; i++) sources[i] = numbered(i, text[i]);
  sources[N] = sources[0];
  lcl_context *ctx = open_context();
  ASSERT_OK(lcl__programs_build(ctx, sources, N + 1));
  lcl_build_stats s = lcl__context_build_stats(ctx);
  assert_int_equal(s.compiled + s.loaded, N);
  assert_int_equal(s.reused, 1);
  ASSERT_OK(lcl__programs_build(ctx, sources, N));
  assert_int_equal(lcl__context_build_stats(ctx).reused, N + 1);
  close_context(ctx);
  ctx = open_context();
  ASSERT_OK(lcl__programs_build(ctx, sources, N));
  s = lcl__context_build_stats(ctx);
  assert_int_equal(s.compiled, 0);
  assert_int_equal(s.loaded, N);
  /* Other options are another program. */
  ASSERT_OK(lcl__programs_build(ctx, &(lcl_source) { .text = text[0], .options = "-DX=1" }, 1));
  assert_int_equal(lcl__context_build_stats(ctx).compiled, 1);
  close_context(ctx);
}

static void write_text(const char *path, const char *text) {
  ASSERT_OK(lcl__file_write_atomic(path, text, strlen(text)));
}

static void kernels_from_a_folder(void **state) {
  (void)state;
  char path[128];
  snprintf(path, sizeof path, "%s/common.cl", kernels);
  write_text(path, "#define VALUE 3\n");
  snprintf(path, sizeof path, "%s/mine.cl", kernels);
  write_text(path, "\n__kernel void f(__global int *x) { x[0] = VALUE; }\n");
  setenv("LATENTCL_KERNELS", kernels, 1);
  lcl_context *ctx = open_context();
  cl_kernel k;
  ASSERT_OK(lcl__kernel_create(ctx, &(lcl_source) { .file = "mine.cl" }, "f", &k));
  clReleaseKernel(k);
  write_text(path, "\n\n\nmistake\n");
  ASSERT_STATUS(lcl__kernel_create(ctx, &(lcl_source) { .file = "mine.cl" }, "f", &k),
                LCL_ERR_BUILD);
  assert_non_null(strstr(lcl_error_message(), "mine.cl:4:"));
  ASSERT_STATUS(lcl__kernel_create(ctx, &(lcl_source) { .file = "gone.cl" }, "f", &k), LCL_ERR_IO);
  assert_non_null(strstr(lcl_error_message(), "LATENTCL_KERNELS"));
  unsetenv("LATENTCL_KERNELS");
  close_context(ctx);
}

static void refused_kernel_file(lcl_context *ctx, const char *text, const char *reason) {
  char path[128];
  cl_kernel k;
  snprintf(path, sizeof path, "%s/mine.cl", kernels);
  write_text(path, text);
  ASSERT_STATUS(lcl__kernel_create(ctx, &(lcl_source) { .file = "mine.cl" }, "f", &k),
                LCL_ERR_FORMAT);
  if (!strstr(lcl_error_message(), reason)) fail_msg("%s", lcl_error_message());
}

static void kernel_files_that_never_end(void **state) {
  (void)state;
  char path[128], name[100];
  snprintf(path, sizeof path, "%s/common.cl", kernels);
  write_text(path, "\n");
  snprintf(path, sizeof path, "%s/other.cl", kernels);
  write_text(path, "#include \"./mine.cl\"\n");
  setenv("LATENTCL_KERNELS", kernels, 1);
  lcl_context *ctx = open_context();
  refused_kernel_file(ctx, "\n#include \"mine.cl\"\n", "mine.cl includes itself");
  refused_kernel_file(ctx, "#include \"mine.cl\"\n#include \"mine.cl\"\n", "includes itself");
  refused_kernel_file(ctx, "#include \"other.cl\"\n", "include each other");
  refused_kernel_file(ctx, "\n#include \"\"\n", "mine.cl:2: #include expects");
  snprintf(name, sizeof name, "#include \"%080d\"\n", 0);
  refused_kernel_file(ctx, name, "63 characters");
  refused_kernel_file(ctx, "#include \"other.cl\n", "#include expects");
  unsetenv("LATENTCL_KERNELS");
  close_context(ctx);
}

/* Calls fn on every entry of the cache. */
static size_t each_entry(void (*fn)(const char *path)) {
  char list[160], path[512];
  snprintf(list, sizeof list, "ls %s/*.lclbin", getenv("LATENTCL_CACHE"));
  FILE *f = popen(list, "r");
  assert_non_null(f);
  size_t n = 0;
  while (fgets(path, sizeof path, f)) {
    path[strcspn(path, "\n")] = 0;
    fn(path);
    n++;
  }
  pclose(f);
  return n;
}

static void truncate_half(const char *path) {
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(truncate(path, st.st_size / 2), 0);
}

static void empty(const char *path) {
  assert_int_equal(truncate(path, 0), 0);
}

static void lengthen(const char *path) {
  char command[600];
  snprintf(command, sizeof command, "echo more >> %s", path);
  assert_int_equal(system(command), 0);
}

static void flip(const char *path, off_t from_end) {
  int fd = open(path, O_RDWR);
  unsigned char c;
  struct stat st;
  assert_int_equal(fstat(fd, &st), 0);
  off_t at = from_end < 0 ? 20 : st.st_size - 1 - from_end;
  assert_int_equal(pread(fd, &c, 1, at), 1);
  c ^= 4;
  assert_int_equal(pwrite(fd, &c, 1, at), 1);
  close(fd);
}
static void flip_end(const char *path) {
  flip(path, 10);
}
static void flip_head(const char *path) {
  flip(path, -1);
}
static void foreign(const char *path) {
  write_text(path, "this is not a program");
}
static char first_path[512];
static void swap_with_first(const char *path) { /* whole, but another program's */
  char command[1100];
  if (!*first_path)
    snprintf(first_path, sizeof first_path, "%s", path);
  else {
    snprintf(command, sizeof command, "cp %s %s", first_path, path);
    assert_int_equal(system(command), 0);
  }
}

static int run_kernel(lcl_context *ctx, const lcl_source *source, const char *name) {
  cl_kernel k;
  lcl_buffer *b;
  int x = 0;
  ASSERT_OK(lcl__kernel_create(ctx, source, name, &k));
  ASSERT_OK(lcl_buffer_create(ctx, sizeof x, &b));
  ASSERT_OK(lcl_buffer_write(b, 0, &x, sizeof x));
  cl_mem mem = lcl__buffer_mem(b);
  size_t one = 1;
  assert_int_equal(clSetKernelArg(k, 0, sizeof mem, &mem), CL_SUCCESS);
  assert_int_equal(
      clEnqueueNDRangeKernel(lcl__context_queue(ctx), k, 1, NULL, &one, NULL, 0, NULL, NULL),
      CL_SUCCESS);
  ASSERT_OK(lcl_buffer_read(b, 0, &x, sizeof x));
  lcl_buffer_destroy(b);
  clReleaseKernel(k);
  return x;
}

static void damaged_entries_are_rebuilt(void **state) {
  (void)state;
  void (*const damages[])(const char *) = { truncate_half, empty,   lengthen,       flip_end,
                                            flip_head,     foreign, swap_with_first };
  char text[2][128];
  lcl_source sources[2] = { numbered(21, text[0]), numbered(22, text[1]) };
  for (size_t d = 0; d < LCL_COUNT(damages); d++) {
    size_t removed;
    ASSERT_OK(lcl__cache_clear(&removed));
    lcl_context *ctx = open_context();
    ASSERT_OK(lcl__programs_build(ctx, sources, 2));
    close_context(ctx);
    *first_path = 0;
    assert_int_equal(each_entry(damages[d]), 2);
    lcl_cache_use use;
    ASSERT_OK(lcl__cache_stat(&use));
    size_t whole = damages[d] == swap_with_first ? 1 : 0;
    assert_int_equal(use.entries, whole);
    assert_int_equal(use.foreign, 2 - whole);
    ctx = open_context();
    assert_int_equal(run_kernel(ctx, &sources[0], "k21"), 21);
    assert_int_equal(run_kernel(ctx, &sources[1], "k22"), 22);
    assert_int_equal(lcl__context_build_stats(ctx).compiled, 2 - whole);
    close_context(ctx);
    ctx = open_context(); /* and the new entries are good */
    ASSERT_OK(lcl__programs_build(ctx, sources, 2));
    assert_int_equal(lcl__context_build_stats(ctx).loaded, 2);
    close_context(ctx);
  }
}

static void writable_by_all(const char *path) {
  assert_int_equal(chmod(path, 0666), 0);
}

static void another_users(const char *path) {
  assert_int_equal(chown(path, 12345, 12345), 0);
}

static void link_to_itself(const char *path) {
  char other[600];
  snprintf(other, sizeof other, "%s/moved", folder);
  assert_int_equal(rename(path, other), 0);
  assert_int_equal(symlink(other, path), 0);
}

static void fifo(const char *path) {
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkfifo(path, 0600), 0);
}

/* Builds one program; returns how many were loaded from the cache. */
static size_t loaded_now(const lcl_source *source) {
  lcl_context *ctx = open_context();
  assert_int_equal(run_kernel(ctx, source, "k26"), 26);
  size_t loaded = lcl__context_build_stats(ctx).loaded;
  close_context(ctx);
  return loaded;
}

/* Code from entries and folders that another user could have written is not run. */
static void entries_of_others_are_not_believed(void **state) {
  (void)state;
  char text[128], folder_name[128];
  lcl_source source = numbered(26, text);
  void (*const plant[])(const char *) = { writable_by_all, link_to_itself, fifo, another_users };
  for (size_t i = 0; i < LCL_COUNT(plant); i++) {
    if (plant[i] == another_users && geteuid() != 0) continue;
    size_t removed;
    ASSERT_OK(lcl__cache_clear(&removed));
    loaded_now(&source);
    assert_int_equal(loaded_now(&source), 1);
    assert_int_equal(each_entry(plant[i]), 1);
    assert_int_equal(loaded_now(&source), 0);
    assert_int_equal(loaded_now(&source), 1); /* the entry was written anew */
  }
  snprintf(folder_name, sizeof folder_name, "%s", getenv("LATENTCL_CACHE"));
  lcl_log_set_level(LCL_LOG_OFF);
  for (int mode = 0; mode < 3; mode++) {
    struct stat st;
    assert_int_equal(stat(folder_name, &st), 0);
    if (mode < 2) assert_int_equal(chmod(folder_name, mode ? 0770 : 0777), 0);
    if (mode == 2 && geteuid() == 0) assert_int_equal(chown(folder_name, 12345, 12345), 0);
    assert_int_equal(loaded_now(&source), mode == 2 && geteuid() != 0 ? 1 : 0);
    assert_int_equal(chmod(folder_name, st.st_mode & 07777), 0);
    if (geteuid() == 0) assert_int_equal(chown(folder_name, 0, 0), 0);
  }
  lcl_log_set_level(LCL_LOG_WARN);
  assert_int_equal(loaded_now(&source), 1);
}

static void binary_that_the_driver_rejects(void **state) {
  (void)state;
  char text[128], key[33] = { 0 };
  lcl_source source = numbered(31, text);
  size_t removed;
  /* rusticl 22.3 ends the process when it is given a binary that it does not know: there the
   * checksum has to do. */
  if (device_is("llvmpipe")) skip();
  ASSERT_OK(lcl__cache_clear(&removed));
  lcl_context *ctx = open_context();
  ASSERT_OK(lcl__programs_build(ctx, &source, 1));
  close_context(ctx);
  *first_path = 0;
  assert_int_equal(each_entry(swap_with_first), 1); /* remembers the path */
  memcpy(key, strrchr(first_path, '/') + 1, 32);
  lcl__cache_put(key, LCL_CACHE_BINARY, "no driver takes this",
                 20); /* verifies, but is no binary */
  ctx = open_context();
  assert_int_equal(run_kernel(ctx, &source, "k31"), 31);
  assert_int_equal(lcl__context_build_stats(ctx).compiled, 1);
  close_context(ctx);
}

/* Everything that a binary depends on is part of its key: another driver, another version of it or
 * another device does not get it. */
static void binary_of_another_driver(void **state) {
  (void)state;
  char text[128];
  lcl_source source = numbered(32, text);
  size_t removed;
  ASSERT_OK(lcl__cache_clear(&removed));
  enum { CHANGES = 6 };
  for (int i = -1; i <= CHANGES; i++) {
    lcl_context *ctx = open_context();
    lcl_caps *c = &ctx->caps;
    char *const part[CHANGES] = { c->name, c->vendor, c->driver, c->version, c->platform, NULL };
    const bool changed = i >= 0 && i < CHANGES;
    if (changed && part[i]) part[i][0] ^= 1;
    if (changed && !part[i]) c->preferred_float = 2 * LCL_MAX(c->preferred_float, 4u);
    ASSERT_OK(lcl__programs_build(ctx, &source, 1));
    lcl_build_stats s = lcl__context_build_stats(ctx);
    if (s.loaded != (i == CHANGES) || s.compiled != (i != CHANGES))
      fail_msg("change %d: %zu loaded, %zu compiled", i, s.loaded, s.compiled);
    close_context(ctx);
  }
}

static void oldest_entries_go_first(void **state) {
  (void)state;
  size_t removed;
  ASSERT_OK(lcl__cache_clear(&removed));
  char key[33], data[1000] = { 0 };
  for (int i = 0; i < 10; i++) {
    lcl__hash_hex(&i, sizeof i, key);
    lcl__cache_put(key, LCL_CACHE_BINARY, data, sizeof data);
    char path[256];
    snprintf(path, sizeof path, "%s/%s.lclbin", getenv("LATENTCL_CACHE"), key);
    struct utimbuf t = { 1000000 + i, 1000000 + i };
    assert_int_equal(utime(path, &t), 0);
  }
  setenv("LATENTCL_CACHE_SIZE", "5k", 1);
  lcl__cache_prune();
  unsetenv("LATENTCL_CACHE_SIZE");
  for (int i = 0; i < 10; i++) {
    lcl_cache_kind kind;
    void *found = NULL;
    size_t n;
    lcl__hash_hex(&i, sizeof i, key);
    assert_int_equal(lcl__cache_get(key, &kind, &found, &n), i >= 6); /* an entry is about 1.1 kB */
    lcl__free(found);
  }
  ASSERT_OK(lcl__cache_clear(&removed));
  assert_int_equal(removed, 4);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* A binary that is read is used now; a refusal keeps its time, so that it expires however often it
 * is asked for. */
static void reading_keeps_binaries(void **state) {
  (void)state;
  size_t removed;
  const time_t now = time(NULL), then = now - 6 * 24 * 3600;
  ASSERT_OK(lcl__cache_clear(&removed));
  for (int refused = 0; refused < 2; refused++) {
    char key[33], path[256];
    struct stat st;
    size_t n;
    lcl_cache_kind kind;
    void *found = NULL;
    lcl__hash_hex(&refused, sizeof refused, key);
    lcl__cache_put(key, refused ? LCL_CACHE_REFUSED : LCL_CACHE_BINARY, "text", 5);
    snprintf(path, sizeof path, "%s/%s.lclbin", getenv("LATENTCL_CACHE"), key);
    assert_int_equal(utime(path, &(struct utimbuf) { then, then }), 0);
    assert_true(lcl__cache_get(key, &kind, &found, &n));
    lcl__free(found);
    assert_int_equal(stat(path, &st), 0);
    assert_true(refused ? st.st_mtime == then : st.st_mtime >= now - 60);
    const time_t before = now - 8 * 24 * 3600;
    assert_int_equal(utime(path, &(struct utimbuf) { before, before }), 0);
    assert_int_equal(lcl__cache_get(key, &kind, &found, &n), !refused);
    if (!refused) lcl__free(found);
  }
  ASSERT_OK(lcl__cache_clear(&removed));
  assert_int_equal(removed, 2);
}

static void cache_off(void **state) {
  (void)state;
  char *dir = strdup(getenv("LATENTCL_CACHE")), text[128];
  setenv("LATENTCL_CACHE", "off", 1);
  lcl_source source = numbered(41, text);
  for (int i = 0; i < 2; i++) {
    lcl_context *ctx = open_context();
    ASSERT_OK(lcl__programs_build(ctx, &source, 1));
    assert_int_equal(lcl__context_build_stats(ctx).compiled, 1);
    close_context(ctx);
  }
  setenv("LATENTCL_CACHE", "/proc/no-such-folder", 1); /* cannot be written: slower, not broken */
  lcl_log_set_level(LCL_LOG_OFF);
  lcl_context *ctx = open_context();
  ASSERT_OK(lcl__programs_build(ctx, &source, 1));
  close_context(ctx);
  lcl_log_set_level(LCL_LOG_WARN);
  setenv("LATENTCL_CACHE", dir, 1);
  free(dir);
}

/* In a child: builds the programs; a damaged binary shows as a wrong result. */
static int child(int self) {
  enum { N = 3 };
  char text[N][128], name[8];
  lcl_source sources[N];
  lcl_context *ctx;
  if (lcl_context_create(NULL, &ctx) != LCL_OK) return 1;
  for (int i = 0; i < N; i++) sources[i] = numbered(50 + (i + self) % N, text[i]);
  if (lcl__programs_build(ctx, sources, N) != LCL_OK) return 2;
  for (int i = 0; i < N; i++) {
    snprintf(name, sizeof name, "k%d", 50 + (i + self) % N);
    if (run_kernel(ctx, &sources[i], name) != 50 + (i + self) % N) return 3;
  }
  lcl_context_destroy(ctx);
  return 0;
}

static void eight_processes(const char *self) {
  size_t removed;
  ASSERT_OK(lcl__cache_clear(&removed));
  pid_t pids[8];
  for (int i = 0; i < 8; i++) {
    char number[8], pocl[128];
    snprintf(number, sizeof number, "%d", i);
    /* A fresh program, not a fork: drivers do not survive forks. PoCL's own cache must not be
     * shared. */
    snprintf(pocl, sizeof pocl, "%s/pocl-%d", folder, i);
    if ((pids[i] = fork()) == 0) {
      setenv("POCL_CACHE_DIR", pocl, 1);
      execl(self, self, "child", number, (char *)NULL);
      _exit(127);
    }
  }
  for (int i = 0; i < 8; i++) {
    int status;
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_int_equal(status, 0);
  }
  lcl_cache_use use;
  ASSERT_OK(lcl__cache_stat(&use));
  assert_int_equal(use.entries, 3);
  assert_int_equal(use.foreign, 0);
}

static const char *program_path;
static void cache_under_eight_processes(void **state) {
  (void)state;
  eight_processes(program_path);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "child") == 0) return child(atoi(argv[2]));
  program_path = argv[0];
  setenv("LATENTCL_CACHE_BINARIES", "always",
         1); /* the cache itself is tested, also where a build is quick */
  strcpy(folder, "/tmp/latentcl-programs-XXXXXX");
  if (!mkdtemp(folder)) return 1;
  snprintf(kernels, sizeof kernels, "%s/kernels", folder);
  char cache[96];
  snprintf(cache, sizeof cache, "%s/cache", folder);
  setenv("LATENTCL_CACHE", cache, 1);
  setenv("LATENTCL_ENABLE", "tiled", 0); /* a measurement would have entries of its own there */
  if (lcl__mkdirs(kernels) != LCL_OK) return 1;
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(cache_under_eight_processes), /* first: no driver thread is alive yet */
    cmocka_unit_test(errors_name_file_and_line),
    cmocka_unit_test(unknown_file_and_kernel),
    cmocka_unit_test(built_once_and_kept_on_disk),
    cmocka_unit_test(kernels_from_a_folder),
    cmocka_unit_test(kernel_files_that_never_end),
    cmocka_unit_test(entries_of_others_are_not_believed),
    cmocka_unit_test(damaged_entries_are_rebuilt),
    cmocka_unit_test(binary_that_the_driver_rejects),
    cmocka_unit_test(binary_of_another_driver),
    cmocka_unit_test(oldest_entries_go_first),
    cmocka_unit_test(reading_keeps_binaries),
    cmocka_unit_test(cache_off),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command) != 0 || failed;
}
