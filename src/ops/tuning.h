/* Records of what was measured: which implementation and kernel parameters a device wants for a
 * problem. `latentcl tune` and the find step (find.h) fill them in, choose.c looks them up.
 *
 * Order: what was set in this process, the user's file of this device and driver, the shipped file
 * of this kind of device (by what it can do, not by its name). A file is JSON:
 *   {"schema": "latentcl-tuning-2", "device": {...},
 *    "entries": {"gemm 100x128x784 ...": {"algorithm": "packed", "vector": 16, "seconds": s,
 *                "by": "tune", "usual_seconds": s, "runner_up": "tiled",
 *                "runner_up_seconds": s}}}
 * Folder: LATENTCL_TUNING (a folder, or "off"), else $XDG_DATA_HOME/latentcl/tuning, else
 * ~/.local/share/latentcl/tuning. */
#ifndef LCL_OPS_TUNING_H
#define LCL_OPS_TUNING_H

#include "base/json.h"
#include "ops/kind.h"

/* {"algorithm": "packed", "vector": 16, ...}; NULL: out of memory. cJSON_Delete() it. */
cJSON *lcl__choice_to_json(const lcl_choice *c);
/* False when the record names no implementation of the kind, or a parameter is no small number.
 * Members that the implementation does not have are removed, with a warning. */
bool lcl__choice_from_json(cJSON *record, const lcl_kind *kind, lcl_choice *c);

/* Where a record stands, and who measured it. */
typedef enum lcl_record_source {
  LCL_RECORD_SET,     /* in this process */
  LCL_RECORD_TUNE,    /* in the user's file, by `latentcl tune` */
  LCL_RECORD_FIND,    /* ... by the find step */
  LCL_RECORD_DEFAULT, /* ... kept by the find step when its time was over: not measured */
  LCL_RECORD_SHIPPED
} lcl_record_source;

typedef struct lcl_record {
  lcl_choice choice;
  lcl_record_source source;
  double seconds;       /* of the problem with the choice; 0: unknown */
  double usual_seconds; /* ... with what was taken before it was measured */
  char runner_up[32];   /* the fastest other implementation; "": unknown */
  double other_seconds; /* ... of the problem with it */
} lcl_record;

/* True and the record filled in when there is one for the context's device. One that cannot be read
 * counts as none, with a warning. */
bool lcl__tuning_find(lcl_context *ctx, const char *key, const lcl_kind *kind, lcl_record *r);
/* For this process only; NULL: forget it. */
lcl_status lcl__tuning_set(lcl_context *ctx, const char *key, const lcl_choice *c);
/* Whether `latentcl tune` measured it on this very device and driver. */
bool lcl__tuning_tuned(lcl_context *ctx, const char *key);
/* Adds a record, or replaces it, in the user's file: read, merged, written atomically under a lock,
 * so that processes running side by side lose nothing. The find step replaces nothing measured: who
 * is first wins, so that all take the same. */
lcl_status lcl__tuning_save(lcl_context *ctx, const char *key, const lcl_record *r);
/* Whether records can be saved, for searches that take long; makes their folder. */
lcl_status lcl__tuning_check(lcl_context *ctx);
/* Path of the user's file; false when tuning is off or there is no home. */
bool lcl__tuning_path(lcl_context *ctx, lcl_str *path);

/* tuning_convert.c: records of schema latentcl-tuning-1, positions in an array, into named ones; a
 * record whose meaning is not certain is left out. */
lcl_status lcl__tuning_convert(cJSON *entries);
/* ... and records of tiled GEMMs from when tiles were square, with a parameter "group". */
void lcl__tuning_convert_tiles(cJSON *entries);

#endif
