/* Measured choices: which implementation and kernel parameters a device wants for a problem.
 * `latentcl tune` fills them in, the ops that have a choice look them up when a program is
 * compiled.
 *
 * Order: what was set in this process, the user's file of this device and driver, the shipped file
 * of this kind of device (by what it can do, not by its name). A file is JSON:
 *   {"schema": "latentcl-tuning-2", "device": {...},
 *    "entries": {"gemm 100x128x784 ...": {"algorithm": "packed", "vector": 16, "seconds": s}}}
 * Folder: LATENTCL_TUNING (a folder, or "off"), else $XDG_DATA_HOME/latentcl/tuning, else
 * ~/.local/share/latentcl/tuning. */
#ifndef LCL_OPS_TUNING_H
#define LCL_OPS_TUNING_H

#include "base/json.h"
#include "device/device.h"

/* ---- implementations and their parameters ---- */

/* What a tuner may choose of a kernel. An implementation has some of these; the others are 0. */
typedef struct lcl_kernel_params {
  int vector;              /* floats in a vector: 16 or 8 */
  int kc_capacity;         /* rows of a packed block of B for which local memory has room */
  int kc;                  /* ... that are used of it */
  int panels_n, panels_m;  /* panels of B and of A that a work-item walks */
  int tiles, filter_pairs; /* direct NHWC: tiles of pixels, pairs of panels of filters */
  int group, vectors;      /* tiled: side of the work-group, vectors of 4 in each direction */
  int split_k;             /* partial sums of the inner dimension that are added up afterwards */
  int channels_last;       /* 1: copy the images to channels-last first */
} lcl_kernel_params;

/* A parameter by name, and the values a tuner tries. */
typedef struct lcl_kernel_param {
  const char *name;
  size_t offset; /* in lcl_kernel_params */
  int n_candidates, candidates[8];
} lcl_kernel_param;
#define LCL_KERNEL_PARAM(field, ...)                                                               \
  {                                                                                                \
#field, offsetof(lcl_kernel_params, field), LCL_COUNT(((int[]) { __VA_ARGS__ })), {            \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }

static inline int *lcl__kernel_param_in(lcl_kernel_params *all, const lcl_kernel_param *one) {
  return (int *)((char *)all + one->offset);
}

/* What the lists of implementations (of the GEMM, gemm.h; of the convolution, conv.h) have in
 * common. The name stands in tuning records and messages. */
typedef struct lcl_implementation {
  const char *name;
  const lcl_kernel_param *params;
  int n_params;
} lcl_implementation;
#define LCL_IMPLEMENTATION(name, params)                                                           \
  { name, params, (int)LCL_COUNT(params) }

/* An implementation with its parameters. */
typedef struct lcl_choice {
  const lcl_implementation *implementation; /* NULL: none */
  lcl_kernel_params params;
} lcl_choice;

/* A list's implementation of that name, or NULL. */
typedef const lcl_implementation *(*lcl_implementation_fn)(const char *name);

bool lcl__choice_equal(const lcl_choice *a, const lcl_choice *b);
/* {"algorithm": "packed", "vector": 16, ...}; NULL: out of memory. cJSON_Delete() it. */
cJSON *lcl__choice_to_json(const lcl_choice *c);
/* False when the record names no implementation of the list, or a parameter is no small number.
 * Members that the implementation does not have are removed, with a warning. */
bool lcl__choice_from_json(cJSON *record, lcl_implementation_fn find, lcl_choice *c);

/* ---- the database ---- */

/* True and the choice filled in when the problem was tuned for the context's device. A record that
 * cannot be read counts as none, with a warning. */
bool lcl__tuning_find(lcl_context *ctx, const char *key, lcl_implementation_fn find, lcl_choice *c);
/* True when the user's file has it: measured on this very device and driver. */
bool lcl__tuning_measured(lcl_context *ctx, const char *key);
/* For this process only; NULL: forget it. */
lcl_status lcl__tuning_set(lcl_context *ctx, const char *key, const lcl_choice *c);
/* Adds a record, or replaces it, in the user's file: read, merged, written atomically under a lock,
 * so that tuners running side by side lose nothing. seconds: of the problem with this choice. */
lcl_status lcl__tuning_save(lcl_context *ctx, const char *key, const lcl_choice *c, double seconds);
/* Path of the user's file; false when tuning is off or there is no home. */
bool lcl__tuning_path(lcl_context *ctx, lcl_str *path);

/* tuning_convert.c: records of schema latentcl-tuning-1, positions in an array, into named ones; a
 * record whose meaning is not certain is left out. */
lcl_status lcl__tuning_convert(cJSON *entries);

/* A function that is called with every problem of a kind that is lowered on the context (gemm.h and
 * conv.h have its type); NULL: none. */
typedef enum lcl_watched { LCL_WATCH_GEMM, LCL_WATCH_CONV, LCL_WATCHED } lcl_watched;
typedef struct lcl_watch {
  void (*fn)(void);
  void *user;
} lcl_watch;
/* NULL: out of memory. */
lcl_watch *lcl__tuning_watch(lcl_context *ctx, lcl_watched what);

#endif
