/* One program from source text or cache entry to cl_program; no context state, so that host threads
 * can share it out. */
#ifndef LCL_DEVICE_PROGRAM_H
#define LCL_DEVICE_PROGRAM_H

#include "device/internal.h"

typedef struct lcl_build_job {
  lcl_context *ctx; /* only its immutable handles and caps are used */
  char key[33];
  char *name;    /* for messages: "matmul.cl (-DTILE=4)" */
  char *text;    /* whole source */
  char *options; /* all of them */
  bool from_cache, wrote_cache;
  bool refused; /* for good: not for want of memory, disk or time */
  cl_program program;
  lcl_status status;
  char *message; /* when status is not LCL_OK */
} lcl_build_job;

/* Loads from the cache or compiles; sets program or status and message. */
void lcl__build_one(lcl_build_job *job);

#endif
