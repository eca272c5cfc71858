/* Which family of kernels a context uses: what is forced, what is disabled, and what was measured,
 * once for a device and driver. */
#include <sys/wait.h>
#include <unistd.h>

#include "device/cache.h"
#include "device/device.h"
#include "plant.h"
#include "test.h"

static bool packed(const char *enable, const char *disable) {
  lcl_context *ctx;
  if (enable)
    setenv("LATENTCL_ENABLE", enable, 1);
  else
    unsetenv("LATENTCL_ENABLE");
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .disable = disable }, &ctx));
  const bool is = lcl__context_caps(ctx)->packed;
  lcl_context_destroy(ctx);
  return is;
}

static void forced(void **state) {
  (void)state;
  assert_true(packed("packed", NULL));
  assert_true(packed(" packed , packed,", NULL));
  assert_false(packed("tiled", NULL));
  assert_false(packed("packed", "packed")); /* what is disabled stays off */
  assert_false(packed(NULL, "packed"));
}

static void unknown_words_are_refused(void **state) {
  (void)state;
  static const char *const wrong[] = { "panel", "packed tiled", "tiled,fast" };
  lcl_context *ctx;
  for (size_t i = 0; i < LCL_COUNT(wrong); i++) {
    setenv("LATENTCL_ENABLE", wrong[i], 1);
    ASSERT_STATUS(lcl_context_create(NULL, &ctx), LCL_ERR_ARGUMENT);
    assert_non_null(strstr(lcl_error_message(), "LATENTCL_ENABLE: unknown feature"));
    assert_non_null(strstr(lcl_error_message(), "packed"));
    assert_non_null(strstr(lcl_error_message(), "tiled"));
  }
  setenv("LATENTCL_ENABLE", "packed,tiled", 1);
  ASSERT_STATUS(lcl_context_create(NULL, &ctx), LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "exclude each other"));
}

enum { PACKED = 1, MEASURED = 2, FAILED = 4 };

/* What a new process finds. */
static int another_process(void) {
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    lcl_context *ctx;
    if (lcl_context_create(NULL, &ctx) != LCL_OK) _exit(FAILED);
    const lcl_build_stats s = lcl__context_build_stats(ctx);
    const int found = (lcl__context_caps(ctx)->packed ? PACKED : 0) |
                      (s.compiled + s.loaded ? MEASURED : 0);
    lcl_context_destroy(ctx);
    exit(found);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

/* Where the kernels of one family compute everything 200 times, the other one is chosen. */
static void the_faster_one(void **state) {
  (void)state;
  static const fault slow[2] = {
    { "family.cl", "for (int p = 0; p < k; p++) {",
      "for (int q = 0, p = 0; q < 200 * k; q++, p = q % k) {" },
    { "family.cl", "for (int p = 0; p < k; p += DEPTH) {",
      "for (int q = 0, p = 0; q < 200 * k; q += DEPTH, p = q % k) {" },
  };
  char folder[] = "/tmp/latentcl-family-XXXXXX", command[64];
  size_t removed;
  unsetenv("LATENTCL_ENABLE");
  assert_non_null(mkdtemp(folder));
  setenv("LATENTCL_KERNELS", folder, 1);
  for (int tiled = 0; tiled < 2; tiled++) {
    plant(folder, &slow[tiled], 1);
    ASSERT_OK(lcl__cache_clear(&removed));
    assert_int_equal(another_process(), MEASURED | (tiled ? PACKED : 0));
  }
  unsetenv("LATENTCL_KERNELS");
  snprintf(command, sizeof command, "rm -rf %s", folder);
  assert_int_equal(system(command), 0);
}

/* Before the tests that use a driver here: drivers do not survive a fork. */
static void measured_once(void **state) {
  (void)state;
  size_t removed;
  unsetenv("LATENTCL_ENABLE");
  ASSERT_OK(lcl__cache_clear(&removed));
  const int first = another_process();
  assert_int_equal(first & ~PACKED, MEASURED);
  for (int i = 0; i < 3; i++) assert_int_equal(another_process(), first & PACKED);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(the_faster_one),
                                      cmocka_unit_test(measured_once), cmocka_unit_test(forced),
                                      cmocka_unit_test(unknown_words_are_refused) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
