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

static void show_icd(const char *folder, const char *name) {
  char path[512], library[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  first_line(path, library, sizeof library);
  if (!*library) {
    doctor_say("  %s: empty or unreadable; reinstall the package that owns it (dpkg -S %s)\n", path,
               path);
    return;
  }
  /* The loader has opened it already (or failed to); it is never closed, for some drivers cannot be
   * loaded twice. */
  void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
  doctor_say("  %s -> %s: %s\n", path, library, handle ? "loads" : dlerror());
}

void doctor_icds(void) {
  const char *folder = getenv("OCL_ICD_VENDORS");
  doctor_section(folder ? "Installed drivers (ICD files), OCL_ICD_VENDORS is set"
                        : "Installed drivers (ICD files)");
  if (!folder) folder = "/etc/OpenCL/vendors";
  struct dirent **names;
  int n = scandir(folder, &names, NULL, alphasort), shown = 0;
  if (n < 0) {
    doctor_say("  %s: %s; no driver is installed\n", folder, strerror(errno));
    return;
  }
  for (int i = 0; i < n; i++) {
    size_t length = strlen(names[i]->d_name);
    if (length > 4 && strcmp(names[i]->d_name + length - 4, ".icd") == 0)
      show_icd(folder, names[i]->d_name), shown++;
    free(names[i]);
  }
  free(names);
  if (!shown) doctor_say("  %s: none; no driver is installed\n", folder);
}

/* Display controllers on the PCI bus whose maker has no GPU among the OpenCL devices. */
static void show_card(const char *pci, const lcl_device_info *rows, size_t n) {
  static const struct {
    const char *id, *maker, *word, *advice;
  } makers[] = {
    { "0x10de", "NVIDIA", "NVIDIA", "nvidia-opencl-icd (with the nvidia-driver package)" },
    { "0x1002", "AMD", "AMD",
      "mesa-opencl-icd with RUSTICL_ENABLE=radeonsi, or AMD's ROCm OpenCL" },
    { "0x8086", "Intel", "Intel", "intel-opencl-icd" },
  };
  char path[320], kind[32], vendor[32];
  snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/class", pci);
  first_line(path, kind, sizeof kind);
  if (strncmp(kind, "0x03", 4) != 0) return; /* not a display controller */
  snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/vendor", pci);
  first_line(path, vendor, sizeof vendor);
  for (size_t m = 0; m < sizeof makers / sizeof *makers; m++) {
    if (strcmp(vendor, makers[m].id) != 0) continue;
    bool served = false;
    for (size_t i = 0; i < n; i++)
      served |= rows[i].device && (rows[i].caps.type & CL_DEVICE_TYPE_GPU) &&
                (strstr(rows[i].caps.vendor, makers[m].word) ||
                 strstr(rows[i].caps.name, makers[m].word));
    if (!served)
      doctor_say("  ! a GPU of %s (%s) has no OpenCL driver: install %s\n", makers[m].maker, pci,
                 makers[m].advice);
  }
}

static void show_permissions(void) {
  DIR *d = opendir("/dev/dri");
  if (!d) return;
  for (struct dirent *e; (e = readdir(d));) {
    char path[300];
    snprintf(path, sizeof path, "/dev/dri/%s", e->d_name);
    if (strncmp(e->d_name, "renderD", 7) == 0 && access(path, R_OK | W_OK) != 0)
      doctor_say("  ! %s cannot be opened: %s; add yourself to its group (sudo usermod -aG render "
                 "$USER)\n",
                 path, strerror(errno));
  }
  closedir(d);
}

void doctor_cards(const lcl_device_info *rows, size_t n) {
  DIR *d = opendir("/sys/bus/pci/devices");
  for (struct dirent *e; d && (e = readdir(d));)
    if (e->d_name[0] != '.') show_card(e->d_name, rows, n);
  if (d) closedir(d);
  show_permissions();
}
