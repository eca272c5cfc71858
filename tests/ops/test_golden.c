/* `latentcl op` against values made with PyTorch and NumPy (tests/golden/make_ops.py), and its
 * answers to bad input.
 *
 * The golden values are double precision. The reference must agree with them to double precision;
 * what the command wrote must agree within the reference's own bound for single precision. */
#include "test.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/npy.h"
#include "reference/spec.h"

enum { MAX_WORDS = 48 };
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

static void load(lcl_case *c, const char *where, const char *name, lcl_array *to) {
  lcl_str path = { 0 };
  lcl_npy a;
  lcl__str_add(&path, "%s/%s", where, name);
  ASSERT_OK(lcl__npy_read(path.data, &a));
  lcl__str_free(&path);
  lcl_shape shape = { .rank = a.rank };
  memcpy(shape.dim, a.dim, sizeof shape.dim);
  const bool real = a.type == LCL_NPY_F32 || a.type == LCL_NPY_F64;
  ASSERT_OK(lcl__array_new(c, real ? LCL_F32 : LCL_I32, shape, to));
  for (size_t i = 0; i < a.count; i++) to->data[i] = lcl__npy_get(&a, i);
  lcl__npy_free(&a);
}

/* The case, the golden results and the command's. */
typedef struct golden {
  lcl_case *c;
  lcl_case_result want, got;
} golden;

static void read_case(golden *g, char *const *words, int n) {
  const char *option = "";
  int at = 0;
  ASSERT_OK(lcl__case_create(lcl__spec_find(words[0]), &g->c));
  for (int i = 1; i < n; i++) {
    if (strncmp(words[i], "--", 2) == 0) {
      option = words[i], at = 0;
      continue;
    }
    const int k = at++;
    if (strcmp(option, "--attr") == 0)
      ASSERT_OK(lcl__case_set(g->c, words[i]));
    else if (strcmp(words[i], "-") == 0)
      continue;
    else if (strcmp(option, "--in") == 0)
      load(g->c, GOLDEN "/ops", words[i], &g->c->in[k]);
    else if (strcmp(option, "--grad-in") == 0)
      load(g->c, GOLDEN "/ops", words[i], &g->c->grad_out[k]);
    else if (strcmp(option, "--out") == 0) {
      load(g->c, GOLDEN "/ops", words[i], &g->want.out[k]);
      load(g->c, folder, words[i], &g->got.out[k]);
    } else {
      load(g->c, GOLDEN "/ops", words[i], &g->want.grad_in[k]);
      load(g->c, folder, words[i], &g->got.grad_in[k]);
    }
  }
}

/* Golden against reference: both double precision, in another order. */
static void same(const golden *g, const char *what, int k, const lcl_array *want,
                 const lcl_array *reference) {
  if (!want->data) return;
  double most = 1;
  if (!lcl_shape_equal(want->shape, reference->shape))
    fail_msg("%s: %s %d has another shape than the golden one", g->c->spec->name, what, k);
  for (int64_t i = 0; i < lcl__array_count(want); i++) most = fmax(most, fabs(want->data[i]));
  for (int64_t i = 0; i < lcl__array_count(want); i++)
    if (!(fabs(want->data[i] - reference->data[i]) <= 1e-12 * most))
      fail_msg("%s: element %lld of %s %d is %.17g, golden %.17g", g->c->spec->name, (long long)i,
               what, k, reference->data[i], want->data[i]);
}

static void check_line(char *line) {
  char *words[MAX_WORDS], *rest = NULL;
  int n = 0;
  for (char *w = strtok_r(line, " ", &rest); w && n < MAX_WORDS; w = strtok_r(NULL, " ", &rest))
    words[n++] = w;
  if (run_command(words, n) != 0) fail_msg("%s: %s", words[0], complaint());
  golden g = { 0 };
  read_case(&g, words, n);
  ASSERT_OK(lcl__case_reference(g.c));
  for (int k = 0; k < LCL_SPEC_OUTS; k++) same(&g, "result", k, &g.want.out[k], &g.c->out[k]);
  for (int k = 0; k < LCL_SPEC_INS; k++)
    same(&g, "gradient", k, &g.want.grad_in[k], &g.c->grad_in[k]);
  ASSERT_OK(lcl__case_compare(g.c, &g.got, NULL));
  lcl__case_destroy(g.c);
}

static void golden_values_come_out(void **state) {
  (void)state;
  void *text;
  size_t n;
  int cases = 0;
  char *rest = NULL;
  ASSERT_OK(lcl__file_read(GOLDEN "/ops/cases.txt", 1 << 20, &text, &n));
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), cases++)
    check_line(line);
  lcl__free(text);
  assert_true(cases > 50);
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
