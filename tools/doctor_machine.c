/* The parts of `latentcl doctor` that examine the machine: ICD files, GPUs, permissions.
 */
#include "cli.h"
#include "doctor.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* First line of a file without its end; "" when it cannot be read. */
static void first_line(const char *path, char *out, int size) {
  *out = 0;
  FILE *f = fopen(path, "r");
  if (!f) return;
  if (!fgets(out, size, f)) *out = 0;
  fclose(f);
  out[strcspn(out, "\r\n")] = 0;
}

/* The loader has opened it already (or failed to); it is never closed, for some drivers cannot be
 * loaded twice. */
static void show_library(const char *named_by, const char *library) {
  if (dlopen(library, RTLD_LAZY | RTLD_LOCAL))
    doctor_say("  %s -> %s: loads\n", named_by, library);
  else
    doctor_say("  ! %s -> %s does not load: %s\n", named_by, library, dlerror());
}

static bool is_icd(const char *name) {
  const size_t length = strlen(name);
  return length > 4 && strcmp(name + length - 4, ".icd") == 0;
}

static void show_icd(const char *path) {
  char library[256];
  first_line(path, library, sizeof library);
  if (*library)
    show_library(path, library);
  else
    doctor_say("  ! %s: empty or unreadable; reinstall the package that owns it (dpkg -S %s)\n",
               path, path);
}

static void show_icds(const char *folder) {
  struct dirent **names;
  const int n = scandir(folder, &names, NULL, alphasort);
  int shown = 0;
  if (n < 0) {
    doctor_say("  %s: %s; no driver is installed\n", folder, strerror(errno));
    return;
  }
  for (int i = 0; i < n; i++) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
    if (is_icd(path)) show_icd(path), shown++;
    free(names[i]);
  }
  free(names);
  if (!shown) doctor_say("  %s: none; no driver is installed\n", folder);
}

const char *doctor_vendors(void) {
  static const char *const names[] = { "OCL_ICD_VENDORS", "OPENCL_VENDOR_PATH" };
  for (size_t i = 0; i < LCL_COUNT(names); i++)
    if (getenv(names[i]) && *getenv(names[i])) return names[i];
  return NULL;
}

/* Where the loader looks: in a folder of ICD files; or what is named is one of those, or a driver's
 * library. */
void doctor_icds(void) {
  const char *variable = doctor_vendors();
  const char *place = variable ? getenv(variable) : "/etc/OpenCL/vendors";
  char title[80];
  struct stat st;
  snprintf(title, sizeof title, "Installed drivers (ICD files)%s%s%s", variable ? ", " : "",
           variable ? variable : "", variable ? " is set" : "");
  doctor_section(title);
  const bool there = stat(place, &st) == 0;
  if (there && !S_ISDIR(st.st_mode) && is_icd(place))
    show_icd(place);
  else if ((there && !S_ISDIR(st.st_mode)) || (!there && strstr(place, ".so")))
    show_library(variable, place);
  else
    show_icds(place);
}

/* How drivers call the maker of a GPU: AMD's own says the name in full, and "gfx1100" of the
 * device. */
static const struct {
  const char *id, *maker, *words[2], *advice;
} makers[] = {
  { "0x10de", "NVIDIA", { "NVIDIA" }, "nvidia-opencl-icd (with the nvidia-driver package)" },
  { "0x1002",
    "AMD",
    { "AMD", "Advanced Micro Devices" },
    "mesa-opencl-icd (Mesa 23.1 or later) and set RUSTICL_ENABLE=radeonsi, or AMD's ROCm OpenCL" },
  { "0x8086", "Intel", { "Intel" }, "intel-opencl-icd" },
};

/* Whether a GPU of makers[m] is among the OpenCL devices. */
static bool is_served(size_t m, const lcl_device_info *rows, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (size_t w = 0; w < LCL_COUNT(makers[m].words); w++) {
      const char *word = makers[m].words[w];
      if (word && rows[i].device && (rows[i].caps.type & CL_DEVICE_TYPE_GPU) &&
          (strstr(rows[i].caps.vendor, word) || strstr(rows[i].caps.name, word)))
        return true;
    }
  return false;
}

/* Display controllers on the PCI bus whose maker has no GPU among the OpenCL devices. */
static void show_card(const char *folder, const char *pci, const lcl_device_info *rows, size_t n) {
  char path[600], kind[32], vendor[32];
  snprintf(path, sizeof path, "%s/%s/class", folder, pci);
  first_line(path, kind, sizeof kind);
  if (strncmp(kind, "0x03", 4) != 0) return; /* not a display controller */
  snprintf(path, sizeof path, "%s/%s/vendor", folder, pci);
  first_line(path, vendor, sizeof vendor);
  for (size_t m = 0; m < LCL_COUNT(makers); m++)
    if (strcmp(vendor, makers[m].id) == 0 && !is_served(m, rows, n))
      doctor_say("  ! a GPU of %s (%s) has no OpenCL driver: install %s\n", makers[m].maker, pci,
                 makers[m].advice);
}

/* A device file of a GPU's driver that is there and cannot be used. */
static void show_permission(const char *path) {
  if (access(path, F_OK) != 0 || access(path, R_OK | W_OK) == 0) return;
  doctor_say("  ! %s cannot be opened: %s; add yourself to its group (sudo usermod -aG render "
             "$USER) and log in again\n",
             path, strerror(errno));
}

static void show_permissions(void) {
  show_permission("/dev/kfd"); /* AMD's own driver computes through it */
  DIR *d = opendir("/dev/dri");
  if (!d) return;
  for (struct dirent *e; (e = readdir(d));) {
    char path[300];
    snprintf(path, sizeof path, "/dev/dri/%s", e->d_name);
    if (strncmp(e->d_name, "renderD", 7) == 0) show_permission(path);
  }
  closedir(d);
}

void doctor_cards(const char *folder, const lcl_device_info *rows, size_t n) {
  DIR *d = opendir(folder);
  for (struct dirent *e; d && (e = readdir(d));)
    if (e->d_name[0] != '.') show_card(folder, e->d_name, rows, n);
  if (d) closedir(d);
  show_permissions();
}
