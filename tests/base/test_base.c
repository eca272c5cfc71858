/* Layer 0: messages, heap, arena, strings, hash and files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/json.h"
#include "base/status_line.h"
#include "base/text.h"
#include "test.h"

static char folder[64];

static int make_folder(void **state) {
  (void)state;
  strcpy(folder, "/tmp/latentcl-test-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command);
}

static void messages(void **state) {
  (void)state;
  assert_int_equal(lcl__fail(LCL_ERR_IO, "cannot open %s", "x"), LCL_ERR_IO);
  assert_string_equal(lcl_error_message(), "cannot open x");
  /* The old message may be an argument of the new one. */
  lcl__fail(LCL_ERR_IO, "again: %s", lcl_error_message());
  assert_string_equal(lcl_error_message(), "again: cannot open x");
  assert_int_equal(lcl__fail_prefix(LCL_ERR_SHAPE, "conv%d", 1), LCL_ERR_SHAPE);
  assert_string_equal(lcl_error_message(), "conv1: again: cannot open x");
  for (int s = LCL_OK; s <= LCL_ERR_INTERRUPTED; s++)
    assert_string_not_equal(lcl_status_string((lcl_status)s), "unknown status");
}

static void long_messages_are_cut(void **state) {
  (void)state;
  char *text = malloc(100000);
  memset(text, 'a', 99999);
  text[99999] = 0;
  lcl__fail(LCL_ERR_IO, "%s", text);
  size_t n = strlen(lcl_error_message());
  assert_in_range(n, 1000, 99999);
  for (int i = 0; i < 100; i++) lcl__fail_prefix(LCL_ERR_IO, "%s", "prefix");
  assert_int_equal(strlen(lcl_error_message()), n);
  assert_memory_equal(lcl_error_message(), "prefix: prefix: ", 16);
  lcl__fail_prefix(LCL_ERR_IO, "%s", text);
  assert_int_equal(strlen(lcl_error_message()), n);
  free(text);
}

static void *other_thread(void *arg) {
  const char **seen = arg;
  *seen = *lcl_error_message() ? "a message" : "none";
  lcl__fail(LCL_ERR_IO, "other");
  return NULL;
}

static void messages_are_per_thread(void **state) {
  (void)state;
  lcl__fail(LCL_ERR_IO, "mine");
  pthread_t t;
  const char *seen = NULL;
  assert_int_equal(pthread_create(&t, NULL, other_thread, (void *)&seen), 0);
  pthread_join(t, NULL);
  assert_string_equal(seen, "none");
  assert_string_equal(lcl_error_message(), "mine");
}

static void collect_log(lcl_log_level level, const char *text, void *user) {
  snprintf(user, 100, "%d %s", (int)level, text);
}

static void log_goes_to_the_callback(void **state) {
  (void)state;
  char got[100] = "";
  lcl_log_set(collect_log, got);
  lcl_log_set_level(LCL_LOG_INFO);
  lcl__logf(LCL_LOG_DEBUG, "too fine");
  assert_string_equal(got, "");
  lcl__logf(LCL_LOG_INFO, "n = %d", 3);
  assert_string_equal(got, "3 n = 3");
  lcl_log_set_level(LCL_LOG_OFF);
  lcl__logf(LCL_LOG_ERROR, "off");
  assert_string_equal(got, "3 n = 3");
  lcl_log_set(NULL, NULL);
}

static void failing_allocations(void **state) {
  (void)state;
  int64_t before = lcl__test_alloc_live();
  lcl__test_fail_alloc(1);
  void *a = lcl__alloc(10), *b = lcl__alloc(10), *c = lcl__alloc(10);
  assert_non_null(a);
  assert_null(b);
  assert_non_null(c);
  assert_non_null(strstr(lcl_error_message(), "out of host memory"));
  lcl__test_fail_alloc(-1);
  assert_int_equal(lcl__test_alloc_live(), before + 2);
  lcl__free(a);
  lcl__free(c);
  lcl__free(NULL);
  assert_int_equal(lcl__test_alloc_live(), before);
}

static void arena(void **state) {
  (void)state;
  lcl_arena *a = lcl__arena_create();
  for (size_t n = 0; n < 3000; n++) {
    unsigned char *p = lcl__arena_alloc(a, n * 7 % 5000);
    assert_int_equal((uintptr_t)p % 16, 0);
    for (size_t i = 0; i < n * 7 % 5000; i++) assert_int_equal(p[i], 0);
    memset(p, 0xff, n * 7 % 5000);
  }
  assert_non_null(lcl__arena_alloc(a, 1 << 20));
  assert_null(lcl__arena_alloc(a, SIZE_MAX));
  assert_string_equal(lcl__arena_strdup(a, "x-5"), "x-5");
  lcl__arena_destroy(a);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

static void strings_and_arrays(void **state) {
  (void)state;
  lcl_str s = { 0 };
  for (int i = 0; i < 1000; i++) lcl__str_add(&s, "%d,", i);
  assert_true(lcl__str_ok(&s));
  assert_int_equal(s.n, 10 * 2 + 90 * 3 + 900 * 4);
  lcl__test_fail_alloc(0);
  lcl_str t = { 0 };
  lcl__str_add(&t, "x");
  lcl__str_add(&t, "y"); /* ignored after the failure */
  assert_false(lcl__str_ok(&t));
  assert_null(t.data);
  lcl__test_fail_alloc(-1);
  lcl__str_free(&s);
  lcl__str_free(&t);
  struct {
    int *data;
    size_t n, cap;
  } v = { 0 };
  for (int i = 0; i < 100; i++) assert_true(LCL_PUSH(&v, i));
  assert_int_equal(v.data[99], 99);
  size_t product;
  assert_false(lcl__grow((void **)&v.data, &v.cap, SIZE_MAX / 2, sizeof(int)));
  assert_false(lcl__mul_size(SIZE_MAX, 2, &product));
  assert_true(lcl__mul_size(6, 7, &product) && product == 42);
  lcl__free(v.data);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

static void hash(void **state) {
  (void)state;
  char h[33];
  lcl__hash_hex("", 0, h); /* XXH3 128 of nothing, from the xxHash specification */
  assert_string_equal(h, "99aa06d3014798d86001c324468d497f");
}

static void files(void **state) {
  (void)state;
  char path[128];
  snprintf(path, sizeof path, "%s/a/b/c", folder);
  ASSERT_OK(lcl__mkdirs(path));
  ASSERT_OK(lcl__mkdirs(path));
  strcat(path, "/file");
  assert_false(lcl__file_exists(path));
  void *data;
  size_t n;
  ASSERT_STATUS(lcl__file_read(path, 100, &data, &n), LCL_ERR_IO);
  assert_non_null(strstr(lcl_error_message(), path));
  char big[10000];
  for (size_t i = 0; i < sizeof big; i++) big[i] = (char)i;
  ASSERT_OK(lcl__file_write_atomic(path, big, sizeof big));
  ASSERT_OK(lcl__file_read(path, sizeof big, &data, &n));
  assert_int_equal(n, sizeof big);
  assert_memory_equal(data, big, n);
  assert_int_equal(((char *)data)[n], 0);
  lcl__free(data);
  ASSERT_STATUS(lcl__file_read(path, sizeof big - 1, &data, &n), LCL_ERR_FORMAT);
  strcat(path, "/below-a-file");
  ASSERT_STATUS(lcl__mkdirs(path), LCL_ERR_IO);
  ASSERT_STATUS(lcl__file_write_atomic(path, big, 1), LCL_ERR_IO);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

static char *content(const char *path) {
  void *data;
  size_t n;
  ASSERT_OK(lcl__file_read(path, 1000, &data, &n));
  return data;
}

/* Links are followed, modes kept, streams written through, and no name can be prepared by another.
 */
static void files_that_are_there(void **state) {
  (void)state;
  char target[128], link[128], fifo[128], stale[256], planted[256];
  struct stat st;
  snprintf(target, sizeof target, "%s/replaced", folder);
  snprintf(link, sizeof link, "%s/replaced-link", folder);
  snprintf(fifo, sizeof fifo, "%s/written-through", folder);
  ASSERT_OK(lcl__file_write_atomic(target, "one", 3));
  assert_int_equal(chmod(target, 0600), 0);
  assert_int_equal(symlink("replaced", link), 0);
  ASSERT_OK(lcl__file_write_atomic(link, "two", 3));
  assert_int_equal(lstat(link, &st), 0);
  assert_true(S_ISLNK(st.st_mode));
  assert_int_equal(stat(target, &st), 0);
  assert_int_equal(st.st_mode & 0777, 0600);
  char *text = content(target);
  assert_string_equal(text, "two");
  lcl__free(text);

  assert_int_equal(mkfifo(fifo, 0600), 0);
  int fd = open(fifo, O_RDONLY | O_NONBLOCK);
  char got[8] = { 0 };
  ASSERT_OK(lcl__file_write_atomic(fifo, "three", 5));
  assert_int_equal(read(fd, got, sizeof got), 5);
  assert_string_equal(got, "three");
  close(fd);
  assert_int_equal(lstat(fifo, &st), 0);
  assert_true(S_ISFIFO(st.st_mode));
  ASSERT_OK(lcl__file_write_atomic("/dev/null", "x", 1));
  ASSERT_STATUS(lcl__file_write_atomic("/dev/full", "x", 1), LCL_ERR_IO);
  fd = open(target, O_WRONLY);
  assert_int_equal(write(fd, "head ", 5), 5);
  snprintf(planted, sizeof planted, "/proc/self/fd/%d", fd);
  ASSERT_OK(lcl__file_write_atomic(planted, "four", 4));
  snprintf(planted, sizeof planted, "/dev/fd/%d", fd);
  ASSERT_OK(lcl__file_write_atomic(planted, " five", 5));
  close(fd);
  text = content(target);
  assert_string_equal(text, "head four five"); /* what was written before stays */
  lcl__free(text);

  /* A killed process's file goes at the next writing; that of a living one and a link stay. */
  snprintf(stale, sizeof stale, "%s.%d.0123456789abcdef.tmp", target, 0x3fffffff);
  ASSERT_OK(lcl__file_write_atomic(stale, "x", 1));
  snprintf(planted, sizeof planted, "%s.%d.7123456789abcdef.tmp", target, 0x3fffffff);
  assert_int_equal(symlink("/etc/passwd", planted), 0);
  char living[256];
  snprintf(living, sizeof living, "%s.%ld.0123456789abcdef.tmp", target, (long)getppid());
  ASSERT_OK(lcl__file_write_atomic(living, "x", 1));
  ASSERT_OK(lcl__file_write_atomic(target, "five", 4));
  assert_int_not_equal(lstat(stale, &st), 0);
  assert_int_equal(lstat(planted, &st), 0);
  assert_int_equal(lstat(living, &st), 0);

  /* That of a process that is not seen from here stays as long as it is locked. */
  ASSERT_OK(lcl__file_write_atomic(stale, "x", 1));
  fd = open(stale, O_RDONLY);
  assert_int_equal(flock(fd, LOCK_EX), 0);
  ASSERT_OK(lcl__file_write_atomic(target, "six", 3));
  assert_int_equal(lstat(stale, &st), 0);
  close(fd);

  /* Locking a folder removes what was left of any file of it, and nothing that is called alike. */
  char users[256];
  int lock;
  snprintf(users, sizeof users, "%s/notes.%d.7.tmp", folder, 0x3fffffff);
  ASSERT_OK(lcl__file_write_atomic(users, "x", 1));
  ASSERT_OK(lcl__file_write_atomic(stale, "x", 1));
  ASSERT_OK(lcl__folder_lock(folder, &lock));
  lcl__folder_unlock(lock);
  assert_int_not_equal(lstat(stale, &st), 0);
  assert_int_equal(lstat(planted, &st), 0);
  assert_int_equal(lstat(living, &st), 0);
  assert_int_equal(lstat(users, &st), 0);
}

/* Names as long as the file system takes are written, and what was left of them is found. */
static void longest_names(void **state) {
  (void)state;
  char name[256], path[512], stale[512];
  struct stat st;
  memset(name, 'n', 255);
  name[255] = 0;
  for (int length = 255; length > 200; length -= 5) {
    name[length] = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(stale, sizeof stale, "%s/%.*s.%d.0123456789abcdef.tmp", folder,
             length < 222 ? length : 222, name, 0x3fffffff);
    fclose(fopen(stale, "w"));
    ASSERT_OK(lcl__file_write_atomic(path, "x", 1));
    assert_int_equal(lstat(path, &st), 0);
    assert_int_not_equal(lstat(stale, &st), 0);
  }
  snprintf(path, sizeof path, "%s/%0256d", folder, 0);
  ASSERT_STATUS(lcl__file_write_atomic(path, "x", 1), LCL_ERR_IO);
}

/* Results of one command go to files of their own, by whatever name, and over nothing it reads. */
static void outputs_are_distinct(void **state) {
  (void)state;
  char a[128], same[160], link_to[128], there[128], hard[128];
  const char *never = NULL;
  snprintf(a, sizeof a, "%s/out", folder);
  snprintf(same, sizeof same, "%s/./out", folder);
  snprintf(there, sizeof there, "%s/there", folder);
  snprintf(link_to, sizeof link_to, "%s/soft", folder);
  snprintf(hard, sizeof hard, "%s/hard", folder);
  ASSERT_OK(lcl__file_write_atomic(there, "x", 1));
  assert_int_equal(symlink("there", link_to), 0);
  assert_int_equal(link(there, hard), 0);
  const struct {
    const char *out[2], *in;
    lcl_status status;
  } cases[] = {
    { { a, there }, NULL, LCL_OK },
    { { "/dev/null", "/dev/null" }, NULL, LCL_OK },
    { { a, same }, NULL, LCL_ERR_ARGUMENT },
    { { there, link_to }, NULL, LCL_ERR_ARGUMENT },
    { { there, "/nowhere/x" }, NULL, LCL_ERR_IO },
    { { there, hard }, NULL, LCL_OK }, /* each name gets a file of its own */
    { { a, never }, there, LCL_OK },
    { { never, there }, there, LCL_ERR_ARGUMENT },
    { { link_to, never }, there, LCL_ERR_ARGUMENT },
    { { there, never }, link_to, LCL_ERR_ARGUMENT },
    { { a, never }, same, LCL_ERR_ARGUMENT }, /* what will be read later */
    { { hard, never }, there, LCL_OK },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++)
    if (lcl__check_outputs(cases[i].out, 2, &cases[i].in, 1) != cases[i].status)
      fail_msg("case %zu: %s", i, lcl_error_message());
  ASSERT_OK(lcl__file_write_atomic(hard, "yy", 2));
  struct stat st;
  assert_int_equal(stat(there, &st), 0);
  assert_true(st.st_size == 1 && st.st_nlink == 1);
  assert_true(lcl__is_standard_output("/dev/stdout") && lcl__is_standard_output("/dev/fd/1"));
  assert_false(lcl__is_standard_output("/dev/stderr") || lcl__is_standard_output(there));
  unlink(link_to);
  unlink(hard);
}

/* A link to a file that is not there yet makes that file, with no more rights than a new one. */
static void links_to_nothing_are_followed(void **state) {
  (void)state;
  char link[128], second[128], path[128];
  struct stat st;
  snprintf(link, sizeof link, "%s/link", folder);
  snprintf(second, sizeof second, "%s/second", folder);
  snprintf(path, sizeof path, "%s/below/file", folder);
  assert_int_equal(symlink("second", link), 0);
  assert_int_equal(symlink(path, second), 0);
  ASSERT_STATUS(lcl__check_output(link), LCL_ERR_IO); /* no folder below */
  ASSERT_STATUS(lcl__file_write_atomic(link, "x", 1), LCL_ERR_IO);
  snprintf(path, sizeof path, "%s/below", folder);
  ASSERT_OK(lcl__mkdirs(path));
  strcat(path, "/file");
  ASSERT_OK(lcl__check_output(link));
  ASSERT_OK(lcl__file_write_atomic(link, "new", 3));
  assert_int_equal(lstat(link, &st), 0);
  assert_true(S_ISLNK(st.st_mode));
  assert_int_equal(lstat(path, &st), 0);
  assert_true(S_ISREG(st.st_mode) && !(st.st_mode & 022));
  char *text = content(link);
  assert_string_equal(text, "new");
  lcl__free(text);
  snprintf(path, sizeof path, "%s/circle", folder);
  assert_int_equal(symlink("circle", path), 0);
  ASSERT_STATUS(lcl__file_write_atomic(path, "x", 1), LCL_ERR_IO);
  ASSERT_STATUS(lcl__check_output(path), LCL_ERR_IO);
  assert_true(lcl__file_exists(path)); /* so that whoever reads it is told */
  ASSERT_STATUS(lcl__check_output(""), LCL_ERR_IO);
  ASSERT_STATUS(lcl__check_output(folder), LCL_ERR_IO);
  ASSERT_OK(lcl__check_output("/dev/full"));
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* Links that another user may have planted are not followed; files keep their owner. Only root can
 * make either. */
static void other_users(void **state) {
  (void)state;
  enum { OTHER = 12345 };
  char shared[96], link[128], file[128];
  struct stat st;
  if (geteuid() != 0) skip();
  snprintf(shared, sizeof shared, "%s/shared", folder);
  snprintf(link, sizeof link, "%s/out", shared);
  snprintf(file, sizeof file, "%s/mine", folder);
  ASSERT_OK(lcl__mkdirs(shared));
  ASSERT_OK(lcl__file_write_atomic(file, "old", 3));
  assert_int_equal(symlink("../mine", link), 0);
  assert_int_equal(lchown(link, OTHER, OTHER), 0);
  ASSERT_OK(lcl__file_write_atomic(link, "new", 3)); /* nobody else writes in this folder */
  static const mode_t open_to[] = { 01777, 0777, 0775 };
  for (size_t i = 0; i < LCL_COUNT(open_to); i++) {
    assert_int_equal(chmod(shared, open_to[i]), 0);
    ASSERT_STATUS(lcl__check_output(link), LCL_ERR_IO);
    ASSERT_STATUS(lcl__file_write_atomic(link, "bad", 3), LCL_ERR_IO);
    assert_non_null(strstr(lcl_error_message(), "another user's"));
  }
  char *text = content(file);
  assert_string_equal(text, "new");
  lcl__free(text);
  assert_int_equal(chown(file, OTHER, OTHER + 1), 0);
  assert_int_equal(chmod(file, 0640), 0);
  ASSERT_OK(lcl__file_write_atomic(file, "own", 3));
  assert_int_equal(stat(file, &st), 0);
  assert_true(st.st_uid == OTHER && st.st_gid == OTHER + 1 && (st.st_mode & 07777) == 0640);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* The temporary file is as closed as the file it replaces before a byte is in it: a thread looks
 * for it while large files are written. */
typedef struct watch {
  atomic_bool end;
  bool seen, open;
} watch;

static void *look_for_open_files(void *user) {
  watch *w = user;
  while (!atomic_load(&w->end)) {
    DIR *dir = opendir(folder);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
      struct stat st;
      if (strncmp(e->d_name, "secret.", 7) != 0 ||
          fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        continue;
      w->seen = true;
      w->open |= (st.st_mode & 077) != 0;
    }
    if (dir) closedir(dir);
  }
  return NULL;
}

static void secrets_are_never_open(void **state) {
  (void)state;
  const size_t n = 1 << 22;
  char path[128], *bytes = lcl__alloc(n);
  watch w = { 0 };
  pthread_t thread;
  snprintf(path, sizeof path, "%s/secret", folder);
  ASSERT_OK(lcl__file_write_atomic(path, "x", 1));
  assert_int_equal(chmod(path, 0600), 0);
  assert_int_equal(pthread_create(&thread, NULL, look_for_open_files, &w), 0);
  for (int i = 0; i < 20; i++) ASSERT_OK(lcl__file_write_atomic(path, bytes, n));
  atomic_store(&w.end, true);
  pthread_join(thread, NULL);
  lcl__free(bytes);
  assert_true(w.seen);
  assert_false(w.open);
}

static void names_cannot_command_a_terminal(void **state) {
  (void)state;
  lcl__fail(LCL_ERR_IO, "cannot open %s",
            "a\x1b[31mb\r\n\xc2\x9b"
            "c\xff/\xc3\xbc");
  assert_string_equal(lcl_error_message(),
                      "cannot open a\\x1b[31mb\\x0d\\x0a\\xc2\\x9bc\\xff/\xc3\xbc");
  lcl__fail_prefix(LCL_ERR_IO, "\x07 in %s", "a\tb");
  assert_true(strncmp(lcl_error_message(), "\\x07 in a\\x09b: cannot open ", 25) == 0);
  lcl__fail(LCL_ERR_BUILD, "line 1\n\x1bline 2"); /* a driver's build log keeps its lines */
  assert_string_equal(lcl_error_message(), "line 1\n\\x1bline 2");
  lcl_str s = { 0 };
  lcl__str_visible(&s, "\n%5s|%-6s|%.2s|%d|%lld|%zu|%.2f|%%|%c", "\x1b", "ab", "xyz", -3, 1LL << 40,
                   (size_t)7, 0.125, 'q');
  assert_string_equal(s.data, "\n \\x1b|ab    |xy|-3|1099511627776|7|0.12|%|q");
  lcl__str_free(&s);
  lcl__str_visible(&s, "%*d|%-*d|%.*s|%s", 4, 7, 4, 7, 1, "abc",
                   "\xe2\x80\xae"
                   "b"); /* RTL */
  assert_string_equal(s.data, "   7|7   |a|\\xe2\\x80\\xaeb");
  lcl__str_free(&s);
}

static void html_is_escaped_by_its_writer(void **state) {
  (void)state;
  lcl_str s = { 0 };
  lcl__str_html(&s, "<b title=\"%s\">%d%% %s</b>", "a\"'<script>&", 5, "\x01\xff\xc3\xbc");
  assert_string_equal(s.data, "<b title=\"a&quot;&#39;&lt;script&gt;&amp;\">5% "
                              "&#xFFFD;&#xFFFD;\xc3\xbc</b>");
  lcl__str_free(&s);
}

static void json_is_checked(void **state) {
  (void)state;
  static const lcl_json_field fields[] = { { "epoch", LCL_JSON_WHOLE, true, 1, 1e9 },
                                           { "train", LCL_JSON_NUMBERS },
                                           { "set", LCL_JSON_TEXTS },
                                           { "rows", LCL_JSON_ROWS },
                                           { "table", LCL_JSON_MATRIX, false, 0, 100 } };
  static const struct {
    const char *text, *message; /* NULL: right */
  } cases[] = {
    { "{\"epoch\":3,\"train\":{\"loss\":null,\"x\":1.5},\"set\":{\"a\":\"b\"},\"rows\":[{}],"
      "\"table\":[[1,2],[3,4]]}",
      NULL },
    { "{}", "\"epoch\" is missing" },
    { "[1]", "not a JSON object" },
    { "{\"epoch\":1e17}", "\"epoch\" must be a whole number in [1,1000000000], not 1e+17" },
    { "{\"epoch\":1e999}", "\"epoch\" must be a whole number" },
    { "{\"epoch\":1.5}", "not 1.5" },
    { "{\"epoch\":1,\"train\":[1]}", "\"train\" must be an object of numbers, not [1]" },
    { "{\"epoch\":1,\"train\":{\"a\":\"b\"}}", "\"train\"" },
    { "{\"epoch\":1,\"set\":{\"a\":1}}", "\"set\"" },
    { "{\"epoch\":1,\"rows\":[1]}", "\"rows\"" },
    { "{\"epoch\":1,\"table\":[[1,2],[3]]}", "\"table\"" },
    { "{\"epoch\":1,\"table\":[[101]]}", "\"table\"" },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    cJSON *json = lcl__json_parse(cases[i].text, strlen(cases[i].text));
    const lcl_status s = lcl__json_check(json, "f.json", fields, LCL_COUNT(fields));
    assert_int_equal(s, cases[i].message ? LCL_ERR_FORMAT : LCL_OK);
    if (cases[i].message) assert_non_null(strstr(lcl_error_message(), cases[i].message));
    cJSON_Delete(json);
  }
}

static void numbers_json_lacks_are_null(void **state) {
  (void)state;
  lcl_str s = { 0 };
  lcl__str_json_number(&s, NAN);
  lcl__str_json_number(&s, -INFINITY);
  lcl__str_json_number(&s, 0.5);
  lcl__str_json_text(&s, "a\"\n");
  assert_string_equal(s.data, "nullnull0.5\"a\\\"\\n\"");
  lcl__str_free(&s);
}

/* Texts that are not UTF-8 and control characters cannot make JSON that is none, nor colour a
 * terminal. */
static void json_is_utf8(void **state) {
  (void)state;
  cJSON *j = cJSON_CreateObject();
  cJSON_AddStringToObject(j, "\xff\"\n\x1b", "\xc2\x9b\x7f\xe2\x82\xac");
  char *text = lcl__json_print(j, false);
  assert_string_equal(text, "{\"\xEF\xBF\xBD\\\"\\n\\u001b\":\"\\u009b\\u007f\xe2\x82\xac\"}");
  free(text);
  cJSON_Delete(j);
  lcl_str s = { 0 };
  lcl__str_json_text(&s, "\xe2\x82");
  assert_string_equal(s.data, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  lcl__str_free(&s);
}

static void names_in_utf8(void **state) {
  (void)state;
  static const char *const good[] = { "", "a", "\xc3\xa9t\xc3\xa9", "\xe2\x82\xac/x",
                                      "\xf0\x9f\x90\xa6" };
  static const char *const bad[] = { "\xff",     "a\x80",        "\xc3",        "\xe2\x82",
                                     "\xc0\xaf", "\xed\xa0\x80", "\xe2\x82\x41" };
  for (size_t i = 0; i < LCL_COUNT(good); i++) assert_true(lcl__is_utf8(good[i]));
  for (size_t i = 0; i < LCL_COUNT(bad); i++) assert_false(lcl__is_utf8(bad[i]));
}

static void csv_is_quoted_where_it_must_be(void **state) {
  (void)state;
  static const char *const field[] = { "plain", "a,b", "a\"b", "a\nb", "" }, *const want[] = {
    "plain", "\"a,b\"", "\"a\"\"b\"", "\"a\nb\"", ""
  };
  for (size_t i = 0; i < LCL_COUNT(field); i++) {
    lcl_str s = { 0 };
    lcl__str_csv(&s, field[i]);
    assert_string_equal(s.data, want[i]);
    lcl__str_free(&s);
  }
}

static void numbers_are_whole_texts(void **state) {
  (void)state;
  double v;
  int64_t n;
  assert_true(lcl__parse_number("1e-3", &v) && v == 1e-3);
  assert_true(lcl__parse_number("-0.0e-9", &v) && v == 0);
  static const char *const bad[] = { "",         "x",   "1x",     "nan",       "inf", "-inf",
                                     "1e999",    "1,5", " 5",     "5 ",        "0x5", "0x1p3",
                                     "\xd9\xa3", "\t5", "1e-400", "-0.01e-999" };
  for (size_t i = 0; i < LCL_COUNT(bad); i++) assert_false(lcl__parse_number(bad[i], &v));
  assert_true(lcl__parse_whole("-12", &n) && n == -12);
  assert_false(lcl__parse_whole("9223372036854775808", &n));
  assert_false(lcl__parse_whole("1.0", &n));
  assert_false(lcl__parse_whole(" 1", &n) || lcl__parse_whole("0x1", &n));
  int64_t list[3];
  assert_int_equal(lcl__parse_list("4-5-6", "-", 1, 9, list, 3), 3);
  assert_true(list[0] == 4 && list[1] == 5 && list[2] == 6);
  assert_int_equal(lcl__parse_list("-7", ",", -9, 9, list, 1), 1);
  static const char *const wrong[] = { "",   "4,",      ",4",  "4,,5", "4, 5", " 4",
                                       "4 ", "4,5,6,7", "0,4", "4,10", "4;5",  "4,5x" };
  for (size_t i = 0; i < LCL_COUNT(wrong); i++)
    assert_int_equal(lcl__parse_list(wrong[i], ",", 1, 9, list, 3), -1);
  assert_int_equal(lcl__parse_list("4-5,6", ",-", 1, 9, list, 3), 3);
  for (size_t i = 0; i < LCL_COUNT(wrong); i++)
    assert_int_equal(lcl__list_inside("[1,9]", ",", true, wrong[i]),
                     strcmp(wrong[i], "4,5,6,7") == 0);
  assert_true(lcl__list_inside("[0,1]", ",", false, ".5,1e-3,0"));
  assert_false(lcl__list_inside("[0,1]", ",", true, "0.5") ||
               lcl__list_inside("[0,1]", ",", false, "0,2"));
  assert_true(lcl__inside("(0,1]", 1) && !lcl__inside("(0,1]", 0) && lcl__inside("[0,inf)", 1e300));
  assert_false(lcl__inside("[0,1e9]", NAN));
}

/* Wide characters take two columns of a terminal, combining ones none; none is cut in two. */
static void columns(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int columns;
    size_t bytes;
  } cases[] = {
    { "abc", 3, 3 },          { "abc", 2, 2 },
    { "abc", 0, 0 },          { "\u00e9x", 1, 2 },
    { "e\u0301x", 1, 3 },     { "\u6570\u636e", 4, 6 },
    { "\u6570\u636e", 3, 3 }, { "\u6570\u636e", 1, 0 },
    { "a\xffz", 2, 2 },       { "", 5, 0 },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++)
    assert_int_equal(lcl__fit_columns(cases[i].text, cases[i].columns), cases[i].bytes);
}

static void grouped_numbers(void **state) {
  (void)state;
  static const struct {
    int64_t n;
    const char *text;
  } cases[] = { { 0, "0" },
                { 999, "999" },
                { 1000, "1,000" },
                { 50000, "50,000" },
                { 1234567, "1,234,567" },
                { -123, "-123" },
                { -1234, "-1,234" },
                { INT64_MAX, "9,223,372,036,854,775,807" } };
  char buf[32];
  for (size_t i = 0; i < LCL_COUNT(cases); i++)
    assert_string_equal(lcl__grouped(cases[i].n, buf), cases[i].text);
}

static void endings_say_the_type(void **state) {
  (void)state;
  ASSERT_OK(lcl__check_ending(NULL, ".png"));
  for (int i = 0; i < 6; i++) {
    static const char *const good[] = { "a.png", "x.y/a",        "/dev/stdout",
                                        "a.PNG", "/tmp/.hidden", "a.b.png" };
    ASSERT_OK(lcl__check_ending(good[i], ".png"));
  }
  static const char *const bad[] = { "a.jpg", "a.pn", "a.pngx", "a.", "a.png.gz", "a.htm" };
  for (size_t i = 0; i < LCL_COUNT(bad); i++)
    assert_int_equal(lcl__check_ending(bad[i], ".png"), LCL_ERR_ARGUMENT);
  ASSERT_OK(lcl__check_ending("a.htm", ".html .htm"));
  assert_int_equal(lcl__check_ending("a.h", ".html .htm"), LCL_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(messages),
    cmocka_unit_test(long_messages_are_cut),
    cmocka_unit_test(messages_are_per_thread),
    cmocka_unit_test(log_goes_to_the_callback),
    cmocka_unit_test(failing_allocations),
    cmocka_unit_test(arena),
    cmocka_unit_test(strings_and_arrays),
    cmocka_unit_test(hash),
    cmocka_unit_test(names_cannot_command_a_terminal),
    cmocka_unit_test_setup_teardown(files_that_are_there, make_folder, remove_folder),
    cmocka_unit_test_setup_teardown(longest_names, make_folder, remove_folder),
    cmocka_unit_test_setup_teardown(outputs_are_distinct, make_folder, remove_folder),
    cmocka_unit_test_setup_teardown(links_to_nothing_are_followed, make_folder, remove_folder),
    cmocka_unit_test_setup_teardown(other_users, make_folder, remove_folder),
    cmocka_unit_test_setup_teardown(secrets_are_never_open, make_folder, remove_folder),
    cmocka_unit_test(html_is_escaped_by_its_writer),
    cmocka_unit_test(json_is_checked),
    cmocka_unit_test(numbers_json_lacks_are_null),
    cmocka_unit_test(json_is_utf8),
    cmocka_unit_test(names_in_utf8),
    cmocka_unit_test(csv_is_quoted_where_it_must_be),
    cmocka_unit_test(numbers_are_whole_texts),
    cmocka_unit_test(columns),
    cmocka_unit_test(grouped_numbers),
    cmocka_unit_test(endings_say_the_type),
    cmocka_unit_test_setup_teardown(files, make_folder, remove_folder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
