/* Layer 6, internal: rows of images that a model makes. */
#ifndef LCL_TRAIN_IMAGE_ROWS_H
#define LCL_TRAIN_IMAGE_ROWS_H

#include "data/image.h"
#include "train/session.h"

typedef struct lcl_image_rows {
  int rows, columns;
  int count; /* images; the places after them in the last row stay empty */
  int channels, height, width;
  char title[96]; /* of the grid; "": none */
  char caption[LCL_BUILD_MAX][48];
  float *data;                  /* rows x columns images, values in [0,1] */
  int32_t *label;               /* of each column of a reconstruction, of each sample; NULL: none */
  int32_t *index;               /* of each column of a reconstruction: which example it is */
  char kind[LCL_BUILD_MAX][48]; /* lcl__session_sample: the kinds of samples that there are */
  int n_kinds;
} lcl_image_rows;
void lcl__image_rows_free(lcl_image_rows *p);

/* Rows of the reconstruction grid for `columns` examples of ds, classes in turn. weights: the
 * checkpoint to load (new graphs bring new variables). LCL_ERR_UNSUPPORTED when the model
 * reconstructs nothing. */
lcl_status lcl__session_reconstruct(lcl_session *s, const lcl_tensor_file *weights,
                                    const lcl_dataset *ds, int columns, uint64_t seed,
                                    lcl_image_rows *out);
/* The samples, in rows of 10 (of 8 where that comes out even). */
lcl_status lcl__session_sample(lcl_session *s, const lcl_tensor_file *weights,
                               const lcl_sample_request *request, lcl_image_rows *out);
/* All rows as one image; one of them alone. */
lcl_status lcl__image_rows_grid(const lcl_image_rows *p, int zoom, lcl_image *out);
lcl_status lcl__image_row(const lcl_image_rows *p, int row, lcl_image *out);

#endif
