/* latentcl doctor: a report of everything that decides whether LatentCL works here, to read or to
 * paste into a bug. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/utsname.h>

#include "base/json.h"
#include "base/text.h"
#include "cli.h"
#include "device/cache.h"
#include "doctor.h"
#include "latentcl/version.h"
#include "lcl_config.h"

/* ---- what is said ---- */

static struct {
  cJSON *all;   /* NULL: text */
  cJSON *lines; /* of the section */
  cJSON *asks;  /* lines with an exclamation mark */
  bool begun;
} report;

void doctor_section(const char *title) {
  if (!report.all) {
    if (report.begun) cli_print("\n"); /* in an argument it would be escaped */
    cli_print("%s\n", title);
    report.begun = true;
    return;
  }
  cJSON *section = cJSON_CreateObject();
  cJSON_AddItemToArray(cJSON_GetObjectItem(report.all, "sections"), section);
  cJSON_AddStringToObject(section, "title", title);
  report.lines = cJSON_AddArrayToObject(section, "lines");
}

void doctor_say(const char *fmt, ...) {
  lcl_str s = { 0 };
  va_list args;
  va_start(args, fmt);
  lcl__str_vvisible(&s, fmt, args);
  va_end(args);
  char *rest = s.data;
  if (!report.all && lcl__str_ok(&s) && s.data) fputs(s.data, stdout);
  for (char *line; report.all && lcl__str_ok(&s) && rest && (line = strtok_r(NULL, "\n", &rest));) {
    line += strspn(line, " ");
    cJSON_AddItemToArray(report.lines, cJSON_CreateString(line));
    if (*line == '!') cJSON_AddItemToArray(report.asks, cJSON_CreateString(line + 2));
  }
  lcl__str_free(&s);
}

static int print_json(size_t good, size_t bad) {
  cJSON_AddNumberToObject(report.all, "working", (double)good);
  cJSON_AddNumberToObject(report.all, "failing", (double)bad);
  return cli_print_json(report.all);
}

/* ---- the report ---- */

static void show_versions(void) {
  struct utsname u;
  char os[128] = "";
  FILE *f = fopen("/etc/os-release", "r");
  while (f && fgets(os, sizeof os, f) && strncmp(os, "PRETTY_NAME=", 12) != 0) *os = 0;
  if (f) fclose(f);
  os[strcspn(os, "\r\n")] = 0;
  size_t length = strlen(os);
  if (length > 13 && os[length - 1] == '"') os[length - 1] = 0;
  doctor_section("Software");
  doctor_say("  latentcl        %s\n", LCL_VERSION_STRING);
  doctor_say("  system          %s, Linux %s\n",
             length > 13 ? os + 12 + (os[12] == '"') : "unknown", uname(&u) == 0 ? u.release : "?");
  doctor_say("  CLBlast         %s\n",
             LCL_HAVE_CLBLAST ? LCL_CLBLAST_VERSION
                              : "not built in (package libclblast-dev, then build again)");
  doctor_say("  clFFT           %s\n",
             LCL_HAVE_CLFFT ? LCL_CLFFT_VERSION
                            : "not built in (package libclfft-dev, then build again)");
  doctor_say("  protobuf-c      %s\n",
             strcmp(LCL_PROTOBUF_C_VERSION, "none") != 0
                 ? LCL_PROTOBUF_C_VERSION
                 : "not built in (packages libprotobuf-c-dev and protobuf-c-compiler, for ONNX)");
  doctor_say("  MPI             %s\n",
             LCL_HAVE_MPI
                 ? LCL_MPI_VERSION
                 : "not built in (package libopenmpi-dev, for training on several devices)");
  static const char *const names[] = {
    "LATENTCL_ALGORITHM", "LATENTCL_FIND", "LATENTCL_TUNING", "LATENTCL_DEVICE", "LATENTCL_QUEUES",
    "LATENTCL_DISABLE", "LATENTCL_ENABLE", "LATENTCL_CACHE", "LATENTCL_CACHE_BINARIES",
    "LATENTCL_CACHE_SIZE", "LATENTCL_BUILD_THREADS", "LATENTCL_KERNELS", "LATENTCL_PLUGINS",
    "LATENTCL_LOG", "RUSTICL_ENABLE", "OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH", "POCL_CACHE_DIR",
    "POCL_DEVICES", "POCL_MAX_PTHREAD_COUNT",
    /* these hide GPUs */
    "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
    "ZE_AFFINITY_MASK"
  };
  for (size_t i = 0; i < LCL_COUNT(names); i++)
    if (getenv(names[i])) doctor_say("  %-15s %s\n", names[i], getenv(names[i]));
}

static bool has_platform(const lcl_device_info *rows, size_t n, const char *word,
                         bool with_device) {
  for (size_t i = 0; i < n; i++)
    if (strstr(rows[i].caps.platform, word) && (rows[i].device || !with_device)) return true;
  return false;
}

static void show_no_pocl(bool installed) {
  char path[1024];
  if (!installed)
    doctor_say("  ! no PoCL, the driver for CPUs: install pocl-opencl-icd\n");
  else if (lcl__pocl_is_locked_out(path, sizeof path))
    doctor_say("  ! PoCL shows no device: its cache folder %s cannot be written; set "
               "POCL_CACHE_DIR\n",
               path);
  else
    doctor_say("  ! PoCL is installed and shows no device: `POCL_DEBUG=all latentcl devices` tells "
               "why\n");
}

static void show_no_rusticl(const char *enabled) {
  doctor_say("  ! rusticl shows no device%s%s: it wants RUSTICL_ENABLE=radeonsi (AMD, Mesa 23.1 or "
             "later), iris (Intel) or llvmpipe (CPU)\n",
             enabled ? " with RUSTICL_ENABLE=" : "", enabled ? enabled : "");
}

static void show_missing(const lcl_device_info *rows, size_t n) {
  const char *vendors = doctor_vendors();
  doctor_section("Missing or worth a look (nothing below: all is well)");
  if (vendors)
    doctor_say("  ! %s is set: other drivers than those that it names are not seen\n", vendors);
  if (!vendors && !has_platform(rows, n, "Portable Computing Language", true))
    show_no_pocl(has_platform(rows, n, "Portable Computing Language", false) ||
                 access("/etc/OpenCL/vendors/pocl.icd", F_OK) == 0);
  if (!vendors && !has_platform(rows, n, "rusticl", false))
    doctor_say("  ! no rusticl, Mesa's driver: install mesa-opencl-icd\n");
  else if (has_platform(rows, n, "rusticl", false) && !has_platform(rows, n, "rusticl", true))
    show_no_rusticl(getenv("RUSTICL_ENABLE"));
  doctor_cards("/sys/bus/pci/devices", rows, n);
}

/* CLBlast before 1.6.3 computes wrong GEMMs with some tuning parameters; its notes name these
 * devices. */
static bool clblast_is_wrong_on(const lcl_caps *c) {
  int major = 0, minor = 0, patch = 0;
  if (!LCL_HAVE_CLBLAST || sscanf(LCL_CLBLAST_VERSION, "%d.%d.%d", &major, &minor, &patch) < 2)
    return false;
  bool old = major * 10000 + minor * 100 + patch < 10603;
  return old && (c->type & CL_DEVICE_TYPE_GPU) &&
         (strstr(c->vendor, "Intel") || strstr(c->name, "Intel")) &&
         (strstr(c->name, "Arc") || strstr(c->name, "Iris") || strstr(c->name, "Graphics"));
}

static void show_traps(const lcl_caps *c) {
  if (clblast_is_wrong_on(c))
    doctor_say("  ! CLBlast " LCL_CLBLAST_VERSION
               " gives wrong GEMMs on Intel Arc and related GPUs (fixed in 1.6.3):\n"
               "    set LATENTCL_DISABLE=clblast, or install a newer CLBlast\n");
  if (strstr(c->platform, "Portable Computing Language"))
    doctor_say(
        "  note: PoCL's own cache has a race between processes: give parallel runs their own "
        "POCL_CACHE_DIR\n");
  if (strstr(c->platform, "rusticl") && strncmp(c->driver, "22.", 3) == 0)
    doctor_say(
        "  note: this rusticl ends the process on a binary of another version; LatentCL's cache "
        "keeps versions apart\n");
  if (strstr(c->name, "llvmpipe"))
    doctor_say("  note: llvmpipe is for checking results; PoCL is many times faster on the same "
               "CPU\n");
  int major = 0, minor = 0;
  if (sscanf(c->version, "OpenCL %d.%d", &major, &minor) == 2 && major * 10 + minor < 12)
    doctor_say("  ! %s: LatentCL needs OpenCL 1.2\n", c->version);
}

static void show_cache(void) {
  lcl_str dir = { 0 };
  lcl_cache_use use;
  char size[32], limit[32];
  doctor_section("Cache of compiled programs");
  if (!lcl__cache_dir(&dir))
    doctor_say("  off\n");
  else if (lcl__cache_stat(&use) != LCL_OK)
    doctor_say("  ! %s\n", lcl_error_message());
  else {
    doctor_say("  %s: %zu program%s (%zu refused), %s of %s\n", dir.data, use.programs,
               use.programs == 1 ? "" : "s", use.refused, cli_bytes((double)use.bytes, size),
               cli_bytes((double)use.limit, limit));
    if (use.foreign)
      doctor_say("  ! damaged or foreign: %zu (ignored; `latentcl cache clear` removes them)\n",
                 use.foreign);
  }
  lcl__str_free(&dir);
}

static int run(int argc, char **argv) {
  bool json = false;
  const cli_option options[] = {
    { "json", CLI_FLAG, &json, NULL, "one JSON object instead of text" },
    { 0 },
  };
  int code = cli_parse(
      argc, argv, options, "doctor [--json]",
      "Checks drivers, libraries, devices and the cache, and computes something small on each "
      "device.\n"
      "Lines with an exclamation mark ask for something. The exit code is 1 when no device works "
      "or one does not.",
      NULL);
  if (code >= 0) return code;
  lcl_device_info *rows;
  size_t n, good = 0, bad = 0;
  if (json) {
    report.all = cJSON_CreateObject();
    cJSON_AddStringToObject(report.all, "version", LCL_VERSION_STRING);
    cJSON_AddArrayToObject(report.all, "sections");
    report.asks = cJSON_AddArrayToObject(report.all, "asks");
  }
  show_versions();
  if (lcl__devices(&rows, &n) != LCL_OK) return cli_error();
  doctor_icds();
  doctor_section("Devices");
  for (size_t i = 0; i < n; i++) {
    const lcl_caps *c = &rows[i].caps;
    if (!rows[i].device) {
      doctor_say("%d:-  platform %s: no device\n", c->platform_index, c->platform);
      continue;
    }
    char selector[24];
    doctor_say("%s  %s (%s, driver %s)\n", lcl__caps_selector(c, selector), c->name, c->platform,
               c->driver);
    show_traps(c);
    fflush(stdout);
    if (doctor_compute(&rows[i]))
      good++;
    else
      bad++;
  }
  if (!n) doctor_say("  ! no OpenCL platform at all\n");
  show_missing(rows, n);
  show_cache();
  lcl__free(rows);
  if (json && print_json(good, bad) != CLI_OK) return CLI_FAILED;
  if (!json)
    cli_print("\n%zu device%s work%s%s\n", good, good == 1 ? "" : "s", good == 1 ? "s" : "",
              bad ? ", some do not" : "");
  return good && !bad ? CLI_OK : CLI_FAILED;
}

const struct lcl_command cmd_doctor = {
  "doctor", "check drivers, libraries and devices; a report for bug reports", run
};
