/* Which GPUs of the PCI bus `latentcl doctor` finds without a driver. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../tools/doctor.h"
#include "base/folder.h"
#include "base/text.h"
#include "test.h"

static char folder[64];
static char told[4096];

void doctor_section(const char *title) {
  (void)title;
}

void doctor_say(const char *fmt, ...) {
  const size_t n = strlen(told);
  va_list args;
  va_start(args, fmt);
  vsnprintf(told + n, sizeof told - n, fmt, args);
  va_end(args);
}

static void write_line(const char *name, const char *line) {
  char path[128];
  snprintf(path, sizeof path, "%s/0000:03:00.0/%s", folder, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fprintf(f, "%s\n", line);
  fclose(f);
}

static int make_card(void **state) {
  char path[96];
  (void)state;
  strcpy(folder, "/tmp/latentcl-test-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(path, sizeof path, "%s/0000:03:00.0", folder);
  return mkdir(path, 0700);
}

static int remove_card(void **state) {
  (void)state;
  lcl__folder_remove(folder);
  return 0;
}

/* Whether a card of this maker is said to have no driver beside a device that says this of itself.
 */
static bool is_missed(const char *maker, cl_device_type type, const char *vendor,
                      const char *name) {
  lcl_device_info row = { .device = (cl_device_id)(uintptr_t)1, .caps = { .type = type } };
  snprintf(row.caps.vendor, sizeof row.caps.vendor, "%s", vendor);
  snprintf(row.caps.name, sizeof row.caps.name, "%s", name);
  write_line("class", "0x030000");
  write_line("vendor", maker);
  *told = 0;
  doctor_cards(folder, &row, 1);
  return strstr(told, "(0000:03:00.0) has no OpenCL driver") != NULL;
}

static void cards(void **state) {
  (void)state;
  assert_false(is_missed("0x1002", CL_DEVICE_TYPE_GPU, "Advanced Micro Devices, Inc.", "gfx1100"));
  assert_false(is_missed("0x1002", CL_DEVICE_TYPE_GPU, "AMD", "AMD Radeon RX 7900 (radeonsi)"));
  assert_false(is_missed("0x10de", CL_DEVICE_TYPE_GPU, "NVIDIA Corporation", "NVIDIA H100"));
  assert_false(is_missed("0x8086", CL_DEVICE_TYPE_GPU, "Intel(R) Corporation", "Intel(R) Arc"));
  assert_true(is_missed("0x1002", CL_DEVICE_TYPE_CPU, "AuthenticAMD", "pthread-AMD EPYC"));
  assert_true(is_missed("0x1002", CL_DEVICE_TYPE_GPU, "NVIDIA Corporation", "NVIDIA H100"));
  assert_false(is_missed("0x1234", CL_DEVICE_TYPE_CPU, "AuthenticAMD", "pthread-AMD EPYC"));
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(cards) };
  return cmocka_run_group_tests(tests, make_card, remove_card);
}
