/* Random changes of training images: which, by the place of the image in the run alone. */
#include "data/augment.h"

#include <math.h>

#include "base/philox.h"
#include "data/warp.h"

/* Counters of the random numbers of one image; 0 and 1 are the window's place (batcher.c). */
enum { ANGLE = 2, SCALE, MOVE_Y, MOVE_X, SIDE, WINDOW_Y, WINDOW_X, HOLE_Y, HOLE_X };

static const float radians = 3.14159265f / 180;

static uint64_t bits(const lcl_augment_place *at, int what) {
  return lcl__philox_bits(at->seed, at->stream, at->place, (uint64_t)what);
}

/* In [-1,1). */
static float either_way(const lcl_augment_place *at, int what) {
  return (float)((double)bits(at, what) * 0x1p-31 - 1);
}

bool lcl__augment_moves(const lcl_prep_desc *d) {
  return d->augment_shift > 0 || d->augment_rotate > 0 || d->augment_scale > 0 ||
         d->augment_crop > 0;
}

/* The image's content is scaled by `size` and moved by (shift); of that a window is shown whole. */
static lcl_warp warp_of(const lcl_prep_desc *d, int h, int w, const lcl_augment_place *at) {
  const float size = 1 + d->augment_scale * either_way(at, SCALE);
  const float side = 1 - d->augment_crop * (either_way(at, SIDE) + 1) / 2;
  const float free_y = (1 - side) * (float)(h - 1) / 2, free_x = (1 - side) * (float)(w - 1) / 2;
  return (lcl_warp) {
    .angle = d->augment_rotate * radians * either_way(at, ANGLE),
    .sy = side / size,
    .sx = side / size,
    .my = free_y * either_way(at, WINDOW_Y) - d->augment_shift * either_way(at, MOVE_Y),
    .mx = free_x * either_way(at, WINDOW_X) - d->augment_shift * either_way(at, MOVE_X),
  };
}

void lcl__augment_move(const lcl_prep_desc *d, const lcl_dataset *ds, const lcl_augment_place *at,
                       const float *in, float *out) {
  const int h = ds->height, w = ds->width;
  const size_t plane = (size_t)h * (size_t)w, n = plane * (size_t)ds->channels;
  const lcl_warp how = warp_of(d, h, w, at);
  for (int c = 0; c < ds->channels; c++)
    lcl__warp(in + (size_t)c * plane, h, w, &how, true, out + (size_t)c * plane);
  /* Images of zeros and ones stay that. */
  if (ds->pixels && ds->raw_max <= 1 && ds->scale == 1)
    for (size_t i = 0; i < n; i++) out[i] = out[i] > 0.5f;
}

void lcl__augment_cut(const lcl_prep_desc *d, const lcl_augment_place *at, int channels, int h,
                      int w, float *x) {
  if (d->augment_cutout < 1) return;
  const int y = (int)(bits(at, HOLE_Y) * (uint64_t)h >> 32) - d->augment_cutout / 2;
  const int left = (int)(bits(at, HOLE_X) * (uint64_t)w >> 32) - d->augment_cutout / 2;
  for (int c = 0; c < channels; c++)
    for (int i = LCL_MAX(y, 0); i < LCL_MIN(y + d->augment_cutout, h); i++)
      for (int k = LCL_MAX(left, 0); k < LCL_MIN(left + d->augment_cutout, w); k++)
        x[(c * h + i) * w + k] = 0;
}

lcl_status lcl__augment_check(const lcl_prep_desc *d, int height, int width) {
  const int side = LCL_MIN(height, width);
  const struct {
    const char *name, *range;
    double value, below;
  } all[] = {
    { "shift", "pixels, less than the side of an image", d->augment_shift, side },
    { "rotate", "degrees, at most 180", d->augment_rotate, nextafter(180, 181) },
    { "scale", "a share below 1", d->augment_scale, 1 },
    { "crop", "a share below 1", d->augment_crop, 1 },
    { "cutout", "pixels, at most the side of an image", d->augment_cutout, side + 1.0 },
  };
  for (size_t i = 0; i < LCL_COUNT(all); i++) {
    if (all[i].value == 0) continue;
    if (height < 2 || width < 2)
      return lcl__fail(LCL_ERR_ARGUMENT, "augment: %s is for images; these examples are %dx%d",
                       all[i].name, height, width);
    if (!(all[i].value > 0 && all[i].value < all[i].below))
      return lcl__fail(LCL_ERR_ARGUMENT, "augment: %s wants %s (%d here), not %g", all[i].name,
                       all[i].range, side, all[i].value);
  }
  return LCL_OK;
}
