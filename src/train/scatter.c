/* Anti-aliased discs and rings on a white picture. */
#include "train/scatter.h"

#include <math.h>

enum { GAP = 12 };

lcl_status lcl_scatter_create(int panels, int side, lcl_image *out) {
  *out = (lcl_image) { .width = panels * side + (panels - 1) * GAP, .height = side, .channels = 3 };
  size_t n = (size_t)out->width * (size_t)out->height * 3;
  out->data = lcl_alloc(n);
  if (!out->data) return LCL_ERR_HOST_MEMORY;
  memset(out->data, 255, n);
  for (int y = 0; y < side; y++)
    for (int p = 1; p < panels; p++)
      memset(out->data + ((size_t)y * (size_t)out->width + (size_t)(p * side + (p - 1) * GAP)) * 3, 225,
             GAP * 3);
  return LCL_OK;
}

/* Ten colours that differ in hue and lightness; more classes repeat them. */
static const uint8_t *colour_of(int i) {
  static const uint8_t colours[][3] = { { 37, 99, 201 },  { 217, 99, 11 }, { 13, 138, 106 }, { 163, 52, 155 },
                                        { 138, 109, 0 },  { 192, 41, 66 }, { 84, 166, 228 }, { 120, 80, 50 },
                                        { 120, 180, 60 }, { 70, 70, 140 } };
  static const uint8_t grey[3] = { 170, 172, 176 };
  return i < 0 ? grey : colours[(size_t)i % LCL_COUNT(colours)];
}

static float cover(const lcl_scatter_point *p, float distance) {
  float inside = p->radius + 0.5f - distance;
  if (p->ring) inside = fminf(inside, distance - p->radius + 2);
  return fminf(fmaxf(inside, 0), 1) * p->opacity;
}

void lcl_scatter_draw(lcl_image *image, int side, int panel, const lcl_scatter_point *p) {
  float margin = 8, span = (float)side - 2 * margin;
  float cx = margin + p->x * span, cy = margin + (1 - p->y) * span;
  int left = panel * (side + GAP), reach = (int)ceilf(p->radius + 1);
  const uint8_t *c = colour_of(p->colour);
  for (int y = LCL_MAX((int)cy - reach, 0); y <= LCL_MIN((int)cy + reach, side - 1); y++) {
    for (int x = LCL_MAX((int)cx - reach, 0); x <= LCL_MIN((int)cx + reach, side - 1); x++) {
      float a = cover(p, hypotf((float)x - cx, (float)y - cy));
      uint8_t *pixel = image->data + ((size_t)y * (size_t)image->width + (size_t)(left + x)) * 3;
      for (int k = 0; k < 3 && a > 0; k++) pixel[k] = (uint8_t)lrintf((1 - a) * pixel[k] + a * c[k]);
    }
  }
}
