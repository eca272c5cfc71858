/* Parts of `latentcl doctor`. Each prints its section; lines that ask for something begin with "
 * !". */
#ifndef LCL_DOCTOR_H
#define LCL_DOCTOR_H

#include "device/device.h"

/* What the report says: a section's title, then lines, as text or into the JSON object. */
void doctor_section(const char *title);
void doctor_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The environment variable that says where drivers are looked for, in the place of
 * /etc/OpenCL/vendors; NULL: none. */
const char *doctor_vendors(void);
void doctor_icds(void);
/* folder: that of the PCI bus, /sys/bus/pci/devices. */
void doctor_cards(const char *folder, const lcl_device_info *rows, size_t n);
/* Builds, runs and checks small kernels on the device; prints one line. False when something is
 * wrong. */
bool doctor_compute(const lcl_device_info *row);

#endif
