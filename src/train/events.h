/* Layer 6, internal: event files of TensorBoard. */
#ifndef LCL_TRAIN_EVENTS_H
#define LCL_TRAIN_EVENTS_H

#include "base/text.h"
#include "data/image.h"
#include "latentcl/train.h"

/* What one event of a step holds, as it is added up, and the file that events go to. With no file
 * every function does nothing. */
typedef struct lcl_events {
  FILE *file;
  char name[320]; /* in the folder */
  int64_t bytes;  /* written */
  lcl_str values; /* of the next event */
} lcl_events;

/* Where an earlier session of the run stood at its checkpoint. */
typedef struct lcl_events_before {
  char name[320]; /* "": there was none */
  int64_t bytes, step;
} lcl_events_before;

/* A new file in the folder, which is made. What the earlier session wrote after its checkpoint is
 * cut off, and a reader that has it already is told to forget it. folder NULL: no file. */
lcl_status lcl__events_open(lcl_events *e, const char *folder, const lcl_events_before *before);
void lcl__events_close(lcl_events *e);

void lcl__events_scalar(lcl_events *e, const char *tag, double value);
/* group/NAME of each metric but n. */
void lcl__events_metrics(lcl_events *e, const char *group, const lcl_metrics *m);
lcl_status lcl__events_image(lcl_events *e, const char *tag, const lcl_image *image);
/* Of the finite ones of n values. */
lcl_status lcl__events_histogram(lcl_events *e, const char *tag, const float *values, size_t n);
/* Writes what was added, as one event; nothing when there is nothing. */
lcl_status lcl__events_write(lcl_events *e, int64_t step);
lcl_status lcl__events_sync(lcl_events *e);

#endif
