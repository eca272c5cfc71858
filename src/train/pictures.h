/* Layer 6, internal: rows of images that a model makes. */
#ifndef LCL_TRAIN_PICTURES_H
#define LCL_TRAIN_PICTURES_H

#include "data/image.h"
#include "train/session.h"

typedef struct lcl_pictures {
  int rows, columns;
  int channels, height, width;
  char caption[LCL_BUILD_MAX][48];
  float *data;                  /* rows x columns images, values in [0,1] */
  char kind[LCL_BUILD_MAX][48]; /* lcl__session_sample: the kinds of draws that there are */
  int n_kinds;
} lcl_pictures;
void lcl__pictures_free(lcl_pictures *p);

/* Rows of the reconstruction grid for `columns` examples of ds, classes in turn. weights: the
 * checkpoint to load (new graphs bring new variables). LCL_ERR_UNSUPPORTED when the model
 * reconstructs nothing. */
lcl_status lcl__session_reconstruct(lcl_session *s, const lcl_tensor_file *weights,
                                    const lcl_dataset *ds, int columns, uint64_t seed,
                                    lcl_pictures *out);
/* The draws, in rows of 10 (of 8 where that comes out even). */
lcl_status lcl__session_sample(lcl_session *s, const lcl_tensor_file *weights,
                               const lcl_sample_request *request, lcl_pictures *out);
lcl_status lcl__pictures_image(const lcl_pictures *p, int zoom, lcl_image *out);

#endif
