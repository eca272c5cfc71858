/* Generated kernels across contexts that share a cache: none is compiled twice, whatever programs
 * it is in. */
#include <math.h>
#include <unistd.h>

#include "device/cache.h"
#include "device/internal.h"
#include "latentcl/ops.h"
#include "test.h"

static char folder[64];

static lcl_context *open_context(void) {
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  return ctx;
}

static void close_context(lcl_context *ctx) {
  lcl_context_destroy(ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* Each of `which` is a kernel of its own, since its shape is. */
enum { EXP = 1, SQUARE = 2, TANH = 4, SUM = 8, KERNELS = 4 };

static void near(float got, double want) {
  if (fabs((double)got - want) > 1e-5) fail_msg("got %.9g, expected %.9g", (double)got, want);
}

static lcl_status compute(lcl_context *ctx, unsigned which) {
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p = NULL;
  lcl_tensor *fetch[KERNELS];
  static const float two[] = { 2, 2, 2, 2, 2 };
  int n = 0;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "g", &g));
  lcl_tensor *x[KERNELS];
  for (int i = 0; i < KERNELS; i++) x[i] = lcl_const_data(g, LCL_F32, LCL_SHAPE(2 + i), two);
  if (which & EXP) fetch[n++] = lcl_exp(x[0]);
  if (which & SQUARE) fetch[n++] = lcl_square(x[1]);
  if (which & TANH) fetch[n++] = lcl_tanh(x[2]);
  if (which & SUM) fetch[n++] = lcl_sum(x[3], 1, false);
  lcl_status s = lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = n }, &p);
  if (s == LCL_OK) s = lcl_run(p);
  const double want[] = { exp(2), 4, tanh(2), 10 };
  for (int i = 0, k = 0; s == LCL_OK && i < KERNELS; i++) {
    float got[KERNELS + 1];
    char name[16];
    if (!(which & 1u << i)) continue;
    snprintf(name, sizeof name, "#%d", k++);
    ASSERT_OK(lcl_fetch(p, name, got, (1u << i) == SUM ? 4 : 4 * (size_t)(2 + i)));
    near(got[0], want[i]);
  }
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  return s;
}

/* In a context of its own, which compiles and loads so many programs. */
static void builds(unsigned which, size_t compiled, size_t loaded) {
  lcl_context *ctx = open_context();
  ASSERT_OK(compute(ctx, which));
  const lcl_build_stats s = lcl__context_build_stats(ctx);
  if (s.compiled != compiled || s.loaded != loaded)
    fail_msg("kernels %u: %zu compiled and %zu loaded, expected %zu and %zu", which, s.compiled,
             s.loaded, compiled, loaded);
  close_context(ctx);
}

static void forget(void) {
  size_t removed;
  ASSERT_OK(lcl__cache_clear(&removed));
}

static void compiled_once(void **state) {
  (void)state;
  forget();
  builds(EXP | SQUARE, 1, 0);
  builds(EXP | SQUARE, 0, 1);
  builds(SQUARE, 0, 1);
  builds(SQUARE | TANH | SUM, 1, 1); /* one program of what is new */
  builds(EXP | TANH, 0, 2);
  builds(SUM, 0, 1);
}

/* Programs of a context whose kernels an earlier one has in part. */
static void within_a_context(void **state) {
  (void)state;
  forget();
  builds(EXP, 1, 0);
  lcl_context *ctx = open_context();
  ASSERT_OK(compute(ctx, TANH));
  ASSERT_OK(compute(ctx, EXP | TANH | SUM));
  const lcl_build_stats s = lcl__context_build_stats(ctx);
  assert_int_equal(s.compiled, 2);
  assert_int_equal(s.loaded, 1);
  close_context(ctx);
  builds(EXP | TANH | SUM, 0, 3);
}

/* Whatever one entry is lost, results are right, and everything is there again after. */
static void lost_entries(void **state) {
  (void)state;
  lcl_cache_use use;
  forget();
  builds(EXP | SUM, 1, 0);
  ASSERT_OK(lcl__cache_stat(&use));
  for (size_t i = 1; i <= use.entries; i++) {
    char command[160];
    snprintf(command, sizeof command, "f=$(ls %s/*.lclbin | sed -n %zup) && rm \"$f\"",
             getenv("LATENTCL_CACHE"), i);
    assert_int_equal(system(command), 0);
    lcl_context *ctx = open_context();
    ASSERT_OK(compute(ctx, EXP | SUM));
    close_context(ctx);
    ctx = open_context();
    ASSERT_OK(compute(ctx, EXP | SUM));
    assert_int_equal(lcl__context_build_stats(ctx).compiled, 0);
    close_context(ctx);
  }
}

/* A driver may refuse what another one, or the same before an update, takes. */
static void of_another_driver(void **state) {
  (void)state;
  lcl_cache_use before, after;
  forget();
  builds(EXP | SUM, 1, 0);
  ASSERT_OK(lcl__cache_stat(&before));
  lcl_context *ctx = open_context();
  ctx->caps.driver[0] ^= 1;
  ASSERT_OK(compute(ctx, EXP));
  assert_int_equal(lcl__context_build_stats(ctx).compiled, 1);
  close_context(ctx);
  ASSERT_OK(lcl__cache_stat(&after));
  assert_int_equal(after.entries, before.entries + 3); /* its own program, text, kernel */
}

/* Kernels whose program was refused are tried in other company. */
static void refused(void **state) {
  (void)state;
  char kernels[96], file[112];
  lcl_cache_use use;
  forget();
  snprintf(kernels, sizeof kernels, "%s/kernels", folder);
  snprintf(file, sizeof file, "%s/common.cl", kernels);
  ASSERT_OK(lcl__mkdirs(kernels));
  ASSERT_OK(lcl__file_write_atomic(file, "no kernel\n", 10));
  setenv("LATENTCL_KERNELS", kernels, 1);
  lcl_context *ctx = open_context();
  ASSERT_STATUS(compute(ctx, EXP | SUM), LCL_ERR_BUILD);
  unsetenv("LATENTCL_KERNELS");
  ASSERT_OK(compute(ctx, TANH));
  ASSERT_OK(lcl__cache_stat(&use));
  assert_int_equal(use.programs, 1);
  assert_int_equal(use.entries, use.refused + 3); /* the program, its text, its kernel */
  ASSERT_OK(compute(ctx, EXP | TANH));
  assert_int_equal(lcl__context_build_stats(ctx).compiled, 2);
  close_context(ctx);
}

static void without_a_cache(void **state) {
  (void)state;
  char *const cache = strdup(getenv("LATENTCL_CACHE"));
  setenv("LATENTCL_CACHE", "off", 1);
  builds(EXP | SUM, 1, 0);
  builds(EXP, 1, 0);
  setenv("LATENTCL_CACHE", cache, 1);
  free(cache);
}

int main(void) {
  setenv("LATENTCL_CACHE_BINARIES", "always", 1); /* drivers' own caches do not count */
  strcpy(folder, "/tmp/latentcl-batches-XXXXXX");
  if (!mkdtemp(folder)) return 1;
  char cache[96];
  snprintf(cache, sizeof cache, "%s/cache", folder);
  setenv("LATENTCL_CACHE", cache, 1);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(compiled_once), cmocka_unit_test(within_a_context),
    cmocka_unit_test(lost_entries),  cmocka_unit_test(of_another_driver),
    cmocka_unit_test(refused),       cmocka_unit_test(without_a_cache),
  };
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command) != 0 || failed;
}
