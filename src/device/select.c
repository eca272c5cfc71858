/* Picks a device by what a person types: "1:0", "gpu", "cpu", "auto" or a part of a name. */
#include <unistd.h>

#include "device/internal.h"

#include "base/text.h"

/* Higher is better for "auto": a GPU with its own memory, any GPU, an accelerator, a CPU. */
static int rank_of(const lcl_caps *caps) {
  if (caps->type & CL_DEVICE_TYPE_GPU) return caps->unified_memory ? 3 : 4;
  if (caps->type & CL_DEVICE_TYPE_CPU) return 1;
  return 2;
}

static bool is_kind(const lcl_caps *caps, const char *selector, bool *kind) {
  *kind = true;
  if (lcl__casecmp(selector, "auto") == 0) return true;
  if (lcl__casecmp(selector, "gpu") == 0) return (caps->type & CL_DEVICE_TYPE_GPU) != 0;
  if (lcl__casecmp(selector, "cpu") == 0) return (caps->type & CL_DEVICE_TYPE_CPU) != 0;
  if (lcl__casecmp(selector, "accelerator") == 0)
    return (caps->type & CL_DEVICE_TYPE_ACCELERATOR) != 0;
  return *kind = false;
}

static bool matches(const lcl_caps *caps, const char *selector) {
  int64_t index[2];
  if (lcl__parse_list(selector, ":", 0, INT32_MAX, index, 2) == 2)
    return caps->platform_index == index[0] && caps->device_index == index[1];
  bool kind;
  bool fits = is_kind(caps, selector, &kind);
  if (kind) return fits;
  /* "pocl" is in the version of its devices but in no name: "OpenCL 3.0 PoCL HSTR: ...". */
  return lcl__contains(caps->name, selector) || lcl__contains(caps->vendor, selector) ||
         lcl__contains(caps->platform, selector) || lcl__contains(caps->version, selector);
}

/* Where PoCL keeps what it compiled; it shows no device where it cannot write there. */
static void pocl_folder(char *path, size_t size) {
  const char *own = getenv("POCL_CACHE_DIR"), *xdg = getenv("XDG_CACHE_HOME"),
             *home = getenv("HOME");
  if (own)
    snprintf(path, size, "%s", own);
  else if (xdg)
    snprintf(path, size, "%s/pocl/kcache", xdg);
  else
    snprintf(path, size, "%s%s/pocl/kcache", home ? home : "/tmp", home ? "/.cache" : "");
}

/* The folder is there, or could be made, and can be written to. */
static bool can_write_folder(const char *path) {
  char part[1024];
  snprintf(part, sizeof part, "%s", path);
  while (access(part, F_OK) != 0) {
    char *slash = strrchr(part, '/');
    if (!slash || slash == part) return access(slash ? "/" : ".", W_OK) == 0;
    *slash = 0;
  }
  return access(part, W_OK | X_OK) == 0;
}

bool lcl__pocl_is_locked_out(char *path, size_t size) {
  pocl_folder(path, size);
  return !can_write_folder(path);
}

/* Why PoCL is missing among the devices, where that is known; else nothing. */
static void missing_pocl(const lcl_device_info *rows, size_t n, char *text, size_t size) {
  char path[1024];
  *text = 0;
  for (size_t i = 0; i < n; i++)
    if (rows[i].device && strstr(rows[i].caps.platform, "Portable Computing Language")) return;
  if (access("/etc/OpenCL/vendors/pocl.icd", F_OK) == 0 && !getenv("OCL_ICD_VENDORS") &&
      lcl__pocl_is_locked_out(path, sizeof path))
    snprintf(text, size,
             "; PoCL shows none: its cache folder %s cannot be written, set POCL_CACHE_DIR", path);
}

static lcl_status not_found(const lcl_device_info *rows, size_t n, const char *selector) {
  lcl_str list = { 0 };
  size_t devices = 0;
  char pocl[1200];
  missing_pocl(rows, n, pocl, sizeof pocl);
  for (size_t i = 0; i < n; i++) {
    const lcl_caps *c = &rows[i].caps;
    if (!rows[i].device) continue;
    char place[24];
    lcl__str_add(&list, "%s%s %s (%s)", devices ? "; " : "", lcl__caps_selector(c, place), c->name,
                 c->platform);
    devices++;
  }
  lcl_status status = LCL_ERR_NO_DEVICE;
  if (!lcl__str_ok(&list))
    status = LCL_ERR_HOST_MEMORY;
  else if (devices)
    lcl__fail(status, "no OpenCL device matches '%s'; there are: %s%s", selector, list.data,
              *pocl ? pocl : "; `latentcl doctor` says why another is missing");
  else if (*pocl)
    lcl__fail(status, "no OpenCL device found%s", pocl);
  else
    lcl__fail(status,
              "no OpenCL device found (%zu platform%s, none with a device); install a driver, e.g. "
              "the Debian package pocl-opencl-icd, and see `latentcl doctor`",
              n, n == 1 ? "" : "s");
  lcl__str_free(&list);
  return status;
}

lcl_status lcl__device_select(const lcl_device_info *rows, size_t n, const char *selector,
                              size_t *index) {
  if (!selector || !*selector) selector = "auto";
  int best = 0;
  for (size_t i = 0; i < n; i++) {
    if (!rows[i].device || !matches(&rows[i].caps, selector)) continue;
    int rank = rank_of(&rows[i].caps);
    if (rank > best) best = rank, *index = i;
  }
  return best ? LCL_OK : not_found(rows, n, selector);
}

static const char *kind_of(const lcl_caps *c) {
  if (c->type & CL_DEVICE_TYPE_GPU) return "GPU";
  return c->type & CL_DEVICE_TYPE_CPU ? "CPU" : "accelerator";
}

static lcl_device describe(const lcl_caps *c) {
  lcl_device d = { .compute_units = c->compute_units, .memory = c->global_mem };
  char selector[24];
  snprintf(d.selector, sizeof d.selector, "%s", lcl__caps_selector(c, selector));
  snprintf(d.name, sizeof d.name, "%s", c->name);
  snprintf(d.vendor, sizeof d.vendor, "%s", c->vendor);
  snprintf(d.platform, sizeof d.platform, "%s", c->platform);
  snprintf(d.driver, sizeof d.driver, "%s", c->driver);
  snprintf(d.kind, sizeof d.kind, "%s", kind_of(c));
  return d;
}

lcl_status lcl_devices(lcl_device *devices, size_t room, size_t *n) {
  lcl_device_info *rows;
  size_t n_rows, chosen, found = 0;
  LCL_NEED(n);
  *n = 0;
  if (room) LCL_NEED(devices);
  LCL_TRY(lcl__devices(&rows, &n_rows));
  if (lcl__device_select(rows, n_rows, getenv("LATENTCL_DEVICE"), &chosen) != LCL_OK)
    chosen = n_rows;
  for (size_t i = 0; i < n_rows; i++) {
    if (!rows[i].device) continue;
    if (found < room) {
      devices[found] = describe(&rows[i].caps);
      devices[found].chosen = i == chosen;
    }
    found++;
  }
  *n = found;
  lcl__free(rows);
  return LCL_OK;
}
