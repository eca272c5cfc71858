/* Random changes of training images, as #lcl_prep_desc asks for them. */
#ifndef LCL_AUGMENT_H
#define LCL_AUGMENT_H

#include "base/base.h"
#include "latentcl/data.h"

/* What an image's random numbers are a function of. */
typedef struct lcl_augment_place {
  uint64_t seed;
  uint32_t stream;
  uint64_t place; /* of the image in the run */
} lcl_augment_place;

/* LCL_ERR_ARGUMENT: a strength is outside what images of this size allow. */
lcl_status lcl__augment_check(const lcl_prep_desc *d, int height, int width);
/* Whether lcl__augment_move changes anything. */
bool lcl__augment_moves(const lcl_prep_desc *d);
/* Shift, rotation, scale and crop of an example of ds, before it is prepared. */
void lcl__augment_move(const lcl_prep_desc *d, const lcl_dataset *ds, const lcl_augment_place *at,
                       const float *in, float *out);
/* The hole in a prepared image (channels,h,w), in place. */
void lcl__augment_cut(const lcl_prep_desc *d, const lcl_augment_place *at, int channels, int h,
                      int w, float *x);

#endif
