/* Images turned, scaled and moved. */
#include <math.h>

#include "data/warp.h"

/* edge: beyond it the nearest pixel goes on; else there is 0. */
static float at(const float *plane, int h, int w, int y, int x, bool edge) {
  if (edge) {
    y = LCL_MIN(LCL_MAX(y, 0), h - 1);
    x = LCL_MIN(LCL_MAX(x, 0), w - 1);
  }
  return y >= 0 && y < h && x >= 0 && x < w ? plane[y * w + x] : 0;
}

static float between(const float *plane, int h, int w, float y, float x, bool edge) {
  float fy = floorf(y), fx = floorf(x), dy = y - fy, dx = x - fx;
  int iy = (int)fy, ix = (int)fx;
  float top = at(plane, h, w, iy, ix, edge) * (1 - dx) + at(plane, h, w, iy, ix + 1, edge) * dx;
  float low = at(plane, h, w, iy + 1, ix, edge) * (1 - dx) +
              at(plane, h, w, iy + 1, ix + 1, edge) * dx;
  return top * (1 - dy) + low * dy;
}

void lcl__warp(const float *in, int h, int w, const lcl_warp *how, bool edge, float *out) {
  float c = cosf(how->angle), s = sinf(how->angle), cy = (float)(h - 1) / 2,
        cx = (float)(w - 1) / 2;
  for (int y = 0; y < h; y++)
    for (int x = 0; x < w; x++) {
      float dy = ((float)y - cy) * how->sy, dx = ((float)x - cx) * how->sx;
      out[y * w + x] = between(in, h, w, cy + how->my + c * dy - s * dx,
                               cx + how->mx + s * dy + c * dx, edge);
    }
}
