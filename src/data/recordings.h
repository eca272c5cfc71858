/* Sound recordings on their way to a data set. */
#ifndef LCL_RECORDINGS_H
#define LCL_RECORDINGS_H

#include "data/data_internal.h"

typedef struct lcl_recording {
  int64_t start, n; /* in the joined signal */
  int32_t label;
} lcl_recording;

typedef struct lcl_recordings {
  struct {
    lcl_recording *data;
    size_t n, cap;
  } list;
  float *signal;
  size_t n, cap;
  int rate; /* samples a second */
} lcl_recordings;

void lcl__recordings_free(lcl_recordings *c);
lcl_status lcl__recordings_add(lcl_recordings *c, const float *samples, int64_t n, int32_t label);
/* Windows of desc->segment_ms as train, valid and test parts. Takes the signal and the class names.
 */
lcl_status lcl__recordings_parts(const lcl_data_desc *desc, lcl_recordings *c, lcl_names *classes,
                                 lcl_splits *out);

#endif
