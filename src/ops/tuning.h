/* Measured choices: which algorithm and kernel parameters a device wants for a problem. `latentcl
 * tune` fills them in, the ops that have a choice look them up when a program is compiled.
 *
 * Order: what was set in this process, the user's file of this device and driver, the shipped file
 * of this kind of device (by what it can do, not by its name). A file is JSON:
 *   {"schema": "latentcl-tuning-1", "device": {...}, "entries": {"gemm 100x128x784 ...": {"values":
 * [..], "seconds": s}}} Folder: LATENTCL_TUNING (a folder, or "off"), else
 * $XDG_DATA_HOME/latentcl/tuning, else
 * ~/.local/share/latentcl/tuning. */
#ifndef LCL_OPS_TUNING_H
#define LCL_OPS_TUNING_H

#include "device/device.h"

enum { LCL_TUNING_VALUES = 10 };

typedef struct lcl_tuning_entry {
  char key[160];
  int values[LCL_TUNING_VALUES];
  double seconds; /* of the problem with these values, when it was measured */
} lcl_tuning_entry;

/* True and values filled in when the problem was tuned for the context's device. */
bool lcl_tuning_find(lcl_context *ctx, const char *key, int values[LCL_TUNING_VALUES]);
/* True when the user's file has it: measured on this very device and driver. */
bool lcl_tuning_measured(lcl_context *ctx, const char *key);
/* For this process only; NULL values: forget it. */
lcl_status lcl_tuning_set(lcl_context *ctx, const char *key, const int *values);
/* Adds entries to the user's file: read, merged (an entry replaces one of its key), written
 * atomically under a lock, so that tuners running side by side lose nothing. */
lcl_status lcl_tuning_save(lcl_context *ctx, const lcl_tuning_entry *entries, size_t n);
/* Path of the user's file; false when tuning is off or there is no home. */
bool lcl_tuning_path(lcl_context *ctx, lcl_str *path);

/* A function that is called with every problem of a kind that is lowered on the context (gemm.h and
 * conv.h have its type); NULL: none. */
typedef enum lcl_watched { LCL_WATCH_GEMM, LCL_WATCH_CONV, LCL_WATCHED } lcl_watched;
typedef struct lcl_watch {
  void (*fn)(void);
  void *user;
} lcl_watch;
/* NULL: out of memory. */
lcl_watch *lcl_tuning_watch(lcl_context *ctx, lcl_watched what);

#endif
