/* Images turned, scaled and moved about their middle, with bilinear interpolation. */
#ifndef LCL_WARP_H
#define LCL_WARP_H

#include "base/base.h"

/* Where the pixel at an offset (dy,dx) from the middle comes from: the middle plus (my,mx) plus the
 * offset, scaled by (sy,sx) and turned by angle (radians). */
typedef struct lcl_warp {
  float angle, sy, sx, my, mx;
} lcl_warp;

/* in and out: h x w, apart. edge: beyond the image its nearest pixel goes on; else there is 0. */
void lcl__warp(const float *in, int h, int w, const lcl_warp *how, bool edge, float *out);

#endif
