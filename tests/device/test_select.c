/* Selectors and the switches of features, on made-up devices; and a machine whose drivers report no
 * device. */
#include <unistd.h>

#include "device/device.h"
#include "test.h"

static lcl_device_info row(int platform, int device, cl_device_type type, bool unified,
                           const char *name, const char *platform_name) {
  lcl_device_info r = { .device = device < 0 ? NULL : (cl_device_id)(uintptr_t)(1 + device) };
  r.caps.platform_index = platform;
  r.caps.device_index = device;
  r.caps.type = type;
  r.caps.unified_memory = unified;
  snprintf(r.caps.name, sizeof r.caps.name, "%s", name);
  snprintf(r.caps.platform, sizeof r.caps.platform, "%s", platform_name);
  return r;
}

static void selectors(void **state) {
  (void)state;
  lcl_device_info rows[] = {
    row(0, -1, 0, false, "", "Clover"),
    row(1, 0, CL_DEVICE_TYPE_CPU, true, "pthread-cpu", "Portable Computing Language"),
    row(2, 0, CL_DEVICE_TYPE_GPU, true, "Integrated Graphics", "Vendor A"),
    row(2, 1, CL_DEVICE_TYPE_GPU, false, "Discrete 9000", "Vendor A"),
    row(3, 0, CL_DEVICE_TYPE_ACCELERATOR, false, "Board", "Vendor B"),
    row(4, 0, CL_DEVICE_TYPE_GPU, false, "Discrete 9000 again",
        "Vendor C"), /* the first one wins */
  };
  snprintf(rows[1].caps.version, sizeof rows[1].caps.version, "OpenCL 3.0 PoCL");
  const struct {
    const char *selector;
    size_t index;
  } cases[] = { { "auto", 3 },     { NULL, 3 },          { "", 3 },
                { "gpu", 3 },      { "CPU", 1 },         { "1:0", 1 },
                { "2:0", 2 },      { "2:1", 3 },         { "pocl", 1 },
                { "graphics", 2 }, { "accelerator", 4 }, { "vendor b", 4 },
                { "9000", 3 },     { "again", 5 } };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    size_t at = 99;
    ASSERT_OK(lcl__device_select(rows, LCL_COUNT(rows), cases[i].selector, &at));
    assert_int_equal(at, cases[i].index);
  }
  size_t at;
  const char *const unknown[] = {
    "0:0", "7:1", "2:1x", "2: 1", " 2:1", "2:1:0", "nothing like it", "Clover"
  };
  for (size_t i = 0; i < LCL_COUNT(unknown); i++) {
    ASSERT_STATUS(lcl__device_select(rows, LCL_COUNT(rows), unknown[i], &at), LCL_ERR_NO_DEVICE);
    assert_non_null(strstr(lcl_error_message(), unknown[i]));
    assert_non_null(strstr(lcl_error_message(), "2:1 Discrete 9000"));
  }
  ASSERT_STATUS(lcl__device_select(rows, 1, "auto", &at), LCL_ERR_NO_DEVICE);
  assert_non_null(strstr(lcl_error_message(), "pocl-opencl-icd"));
}

static void features(void **state) {
  (void)state;
  lcl_caps c = {
    .fp16 = true, .overlap = true, .clblast = true, .packed = true, .local_mem = 1 << 20
  };
  ASSERT_OK(lcl__caps_disable(&c, NULL, "test"));
  ASSERT_OK(lcl__caps_disable(&c, "", "test"));
  ASSERT_OK(lcl__caps_disable(&c, " fp16 , clblast,,local_mem=32k", "test"));
  assert_false(c.fp16 || c.clblast);
  assert_true(c.overlap && c.packed);
  assert_int_equal(c.local_mem, 32 << 10);
  ASSERT_OK(lcl__caps_disable(&c, "local_mem=1m", "test")); /* never raises */
  assert_int_equal(c.local_mem, 32 << 10);
  const char *const wrong[] = { "fp17",          "subgroups",    "local_mem",  "local_mem=",
                                "local_mem=12q", "local_mem=-1", "fp16 packed" };
  for (size_t i = 0; i < LCL_COUNT(wrong); i++) {
    ASSERT_STATUS(lcl__caps_disable(&c, wrong[i], "LATENTCL_DISABLE"), LCL_ERR_ARGUMENT);
    assert_non_null(strstr(lcl_error_message(), "LATENTCL_DISABLE"));
    assert_non_null(strstr(lcl_error_message(), wrong[i]));
  }
}

/* OCL_ICD_VENDORS names an empty folder (set in main, before the loader reads it): no platform at
 * all. */
static void no_driver(void **state) {
  (void)state;
  lcl_device_info *rows;
  size_t n;
  ASSERT_OK(lcl__devices(&rows, &n));
  assert_int_equal(n, 0);
  lcl_context *ctx = (lcl_context *)1;
  ASSERT_STATUS(lcl_context_create(NULL, &ctx), LCL_ERR_NO_DEVICE);
  assert_null(ctx);
  assert_non_null(strstr(lcl_error_message(), "pocl-opencl-icd"));
  lcl__free(rows);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

int main(void) {
  char empty[] = "/tmp/latentcl-no-icd-XXXXXX";
  if (!mkdtemp(empty)) return 1;
  setenv("OCL_ICD_VENDORS", empty, 1);
  unsetenv("LATENTCL_DEVICE");
  const struct CMUnitTest tests[] = { cmocka_unit_test(selectors), cmocka_unit_test(features),
                                      cmocka_unit_test(no_driver) };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  rmdir(empty);
  return failed;
}
