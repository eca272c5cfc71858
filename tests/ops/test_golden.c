/* `latentcl op` against golden values, and its answers to bad input. */
#include <sys/wait.h>
#include <unistd.h>

#include "golden.h"

static char folder[] = "/tmp/latentcl-golden-XXXXXX";

/* ---- running the command ---- */

/* Runs `latentcl op WORDS...` with stderr into folder/stderr; returns its exit code. Bare .npy
 * names mean golden files where the command reads and files of the temporary folder where it
 * writes. */
static int run_command(char *const *words, int n) {
  lcl_str line = { 0 };
  const char *option = "";
  lcl__str_add(&line, "'%s' op", LATENTCL);
  for (int i = 0; i < n; i++) {
    const char *w = words[i];
    if (strncmp(w, "--", 2) == 0) option = w;
    const bool file = strstr(w, ".npy") && w[0] != '/';
    const bool read = strcmp(option, "--in") == 0 || strcmp(option, "--grad-in") == 0;
    if (file)
      lcl__str_add(&line, " '%s/%s'", read ? GOLDEN "/ops" : folder, w);
    else
      lcl__str_add(&line, " '%s'", w);
  }
  lcl__str_add(&line, " >'%s/stdout' 2>'%s/stderr'", folder, folder);
  assert_true(lcl__str_ok(&line));
  const int status = system(line.data);
  lcl__str_free(&line);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static char *complaint(void) {
  lcl_str path = { 0 };
  void *text = NULL;
  size_t n;
  lcl__str_add(&path, "%s/stderr", folder);
  ASSERT_OK(lcl__file_read(path.data, 1 << 20, &text, &n));
  lcl__str_free(&path);
  return text;
}

/* ---- golden cases ---- */

/* One each of what the command reads and writes besides: integers, several results, an input or a
 * gradient left out, lists. The tests ops_* run all cases. */
static void check_command(void *cases, char *const *words, int n) {
  static const char *const ops[] = { "max_pool2d", "cross_entropy", "lstm_cell", "pad" };
  bool chosen = false;
  for (size_t i = 0; i < LCL_COUNT(ops); i++) chosen |= strcmp(words[0], ops[i]) == 0;
  if (!chosen) return;
  golden g = { 0 };
  if (run_command(words, n) != 0) fail_msg("%s: %s", words[0], complaint());
  golden_read(&g, words, n, folder);
  golden_check(&g);
  (*(int *)cases)++;
}

static void golden_values_come_out(void **state) {
  (void)state;
  int cases = 0;
  assert_true(golden_lines(check_command, &cases) > 50);
  assert_int_equal(cases, 5);
}

/* ---- bad input ---- */

static char *path_of(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static void write_array(const char *name, lcl_npy_type type, int rank, const int64_t *dim) {
  static const double zeros[64];
  ASSERT_OK(lcl__npy_write(path_of(name), type, rank, dim, zeros));
}

static void bad_input_is_one_clear_line(void **state) {
  (void)state;
  const int64_t shape[] = { 2, 3 }, other[] = { 4, 2 };
  write_array("i64.npy", LCL_NPY_I64, 2, shape);
  write_array("f32.npy", LCL_NPY_F32, 2, shape);
  write_array("f32x.npy", LCL_NPY_F32, 2, other);
  write_array("labels.npy", LCL_NPY_I64, 1, other); /* four, for two rows */
  ASSERT_OK(lcl__file_write_atomic(path_of("cut.npy"), "\x93NUMPY\x01\x00", 8));
  char f32[128], f32x[128], i64[128], cut[128], labels[128];
  snprintf(f32, sizeof f32, "%s", path_of("f32.npy"));
  snprintf(f32x, sizeof f32x, "%s", path_of("f32x.npy"));
  snprintf(i64, sizeof i64, "%s", path_of("i64.npy"));
  snprintf(cut, sizeof cut, "%s", path_of("cut.npy"));
  snprintf(labels, sizeof labels, "%s", path_of("labels.npy"));
  char *const bad[][12] = {
    /* exit code 1: what the files hold */
    { "1", "matmul", "--in", f32, f32, "--out", "bad.npy" },
    { "1", "add", "--in", f32, f32x, "--out", "bad.npy" },
    { "1", "relu", "--in", i64, "--out", "bad.npy" },
    { "1", "relu", "--in", cut, "--out", "bad.npy" },
    { "1", "relu", "--in", "no-such-file.npy", "--out", "bad.npy" },
    { "1", "conv2d", "--in", f32, f32, "--out", "bad.npy" },
    { "1", "cross_entropy", "--in", f32, f32, "--out", "bad.npy" },
    { "1", "cross_entropy", "--in", f32, labels, "--out", "bad.npy" },
    { "1", "mse", "--in", f32, f32x, "--out", "bad.npy" },
    { "1", "gaussian_kl", "--in", f32, f32x, "--out", "bad.npy" },
    { "1", "categorical_kl", "--in", f32, f32x, "--out", "bad.npy" },
    { "1", "reshape", "--attr", "shape=5,-1", "--in", f32, "--out", "bad.npy" },
    { "1", "reshape", "--attr", "shape=4000000000,4000000000,4000000000", "--in", f32, "--out",
      "bad.npy" },
    { "1", "broadcast", "--attr", "shape=4000000000,2,3", "--in", f32, "--out", "bad.npy" },
    { "1", "random_uniform", "--attr", "shape=4611686018427387904,4", "--out", "bad.npy" },
    { "1", "random_uniform", "--attr", "shape=-3", "--out", "bad.npy" },
    { "1", "sum", "--attr", "axis=2", "--in", f32, "--out", "bad.npy" },
    { "1", "transpose", "--attr", "perm=0,0", "--in", f32, "--out", "bad.npy" },
    { "1", "transpose", "--attr", "perm=1,0,2", "--in", f32, "--out", "bad.npy" },
    { "1", "slice", "--attr", "start=0,0", "stop=3,3", "--in", f32, "--out", "bad.npy" },
    { "1", "pad", "--attr", "before=-1,0", "--in", f32, "--out", "bad.npy" },
    { "1", "pad", "--attr", "before=9000000000000000000", "--in", f32, "--out", "bad.npy" },
    { "1", "one_hot", "--attr", "depth=0", "--in", i64, "--out", "bad.npy" },
    { "1", "batch_norm", "--in", f32, f32, f32, "--out", "bad.npy" },
    { "1", "relu", "--in", f32, "--out", "bad.npy", "--grad-in", f32x, "--grad-out", "bad.npy" },
    { "1", "relu", "--in", f32, "--out", "/no/such/folder/bad.npy" },
    { "1", "relu", "--in", f32, "--out", "bad.npy", "--device", "no-such-device" },
    /* exit code 2: the command line itself */
    { "2", "rellu", "--in", f32, "--out", "bad.npy" },
    { "2", "relu", "--in", f32, f32, "--out", "bad.npy" },
    { "2", "relu", "--in", f32 },
    { "2", "relu", "--in", "--out", "bad.npy" },
    { "2", "relu", "--in", f32, "--out", "bad.npy", "--grad-in", f32 },
    { "2", "relu", "--attr", "slope=1", "--in", f32, "--out", "bad.npy" },
    { "2", "conv2d", "--attr", "stride=two", "--in", f32, f32, "--out", "bad.npy" },
    { "2", "max_pool2d", "--in", f32, "--out", "bad.npy" },
    { "2", "argmax", "--in", f32, "--out", "bad.npy", "--grad-in", f32, "--grad-out", "bad.npy" },
    { "2", "--frobnicate" },
    { "2", "add", "--in", f32, "--out", "bad.npy" },
  };
  for (size_t i = 0; i < LCL_COUNT(bad); i++) {
    int n = 0;
    while (n < 11 && bad[i][1 + n]) n++;
    const int code = run_command(bad[i] + 1, n);
    char *text = complaint();
    const bool one_line = strcspn(text, "\n") + 1 == strlen(text);
    if (code != atoi(bad[i][0]) || strncmp(text, "latentcl: ", 10) != 0 || !one_line)
      fail_msg("case %zu (%s): exit code %d, expected %s; it says: %s", i, bad[i][1], code,
               bad[i][0], text);
    lcl__free(text);
    if (lcl__file_exists(path_of("bad.npy"))) fail_msg("case %zu (%s) left a file", i, bad[i][1]);
  }
}

static void lists_and_help_are_there(void **state) {
  (void)state;
  char *const list[] = { "--list" };
  assert_int_equal(run_command(list, 1), 0);
  for (size_t s = 0; s < lcl__spec_count(); s++) {
    char *const help[] = { (char *)lcl__spec_at(s)->name, "--help" };
    assert_int_equal(run_command(help, 2), 0);
  }
}

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -r '%s'", folder);
  return system(command);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(golden_values_come_out),
    cmocka_unit_test(bad_input_is_one_clear_line),
    cmocka_unit_test(lists_and_help_are_there),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
