/* Anti-aliased discs and rings on a white image. */
#include "train/scatter.h"

#include <math.h>

enum { GAP = 12 };

lcl_status lcl__scatter_create(int panels, int side, lcl_image *out) {
  *out = (lcl_image) { .width = panels * side + (panels - 1) * GAP, .height = side, .channels = 3 };
  size_t n = (size_t)out->width * (size_t)out->height * 3;
  out->data = lcl__alloc(n);
  if (!out->data) return LCL_ERR_HOST_MEMORY;
  memset(out->data, 255, n);
  for (int y = 0; y < side; y++)
    for (int p = 1; p < panels; p++)
      memset(out->data + ((size_t)y * (size_t)out->width + (size_t)(p * side + (p - 1) * GAP)) * 3,
             225, GAP * 3);
  return LCL_OK;
}

/* Ten colours that differ in hue and lightness; more classes repeat them. */
static const uint8_t *colour_of(int i) {
  static const uint8_t colours[][3] = { { 37, 99, 201 },  { 217, 99, 11 }, { 13, 138, 106 },
                                        { 163, 52, 155 }, { 138, 109, 0 }, { 192, 41, 66 },
                                        { 84, 166, 228 }, { 120, 80, 50 }, { 120, 180, 60 },
                                        { 70, 70, 140 } };
  static const uint8_t grey[3] = { 170, 172, 176 };
  return i < 0 ? grey : colours[(size_t)i % LCL_COUNT(colours)];
}

static float cover(const lcl_scatter_point *p, float distance) {
  float inside = p->radius + 0.5f - distance;
  if (p->ring) inside = fminf(inside, distance - p->radius + 2);
  return fminf(fmaxf(inside, 0), 1) * p->opacity;
}

/* At (cx,cy) of a part of the image that begins at `left` and is width x height. */
static void mark(lcl_image *image, int left, int width, int height, float cx, float cy,
                 const lcl_scatter_point *p) {
  int reach = (int)ceilf(p->radius + 1);
  const uint8_t *c = colour_of(p->colour);
  for (int y = LCL_MAX((int)cy - reach, 0); y <= LCL_MIN((int)cy + reach, height - 1); y++) {
    for (int x = LCL_MAX((int)cx - reach, 0); x <= LCL_MIN((int)cx + reach, width - 1); x++) {
      float a = cover(p, hypotf((float)x - cx, (float)y - cy));
      uint8_t *pixel = image->data + ((size_t)y * (size_t)image->width + (size_t)(left + x)) * 3;
      for (int k = 0; k < 3 && a > 0; k++)
        pixel[k] = (uint8_t)lrintf((1 - a) * pixel[k] + a * c[k]);
    }
  }
}

void lcl__scatter_draw(lcl_image *image, int side, int panel, const lcl_scatter_point *p) {
  float margin = 8, span = (float)side - 2 * margin;
  mark(image, panel * (side + GAP), side, side, margin + p->x * span, margin + (1 - p->y) * span,
       p);
}

/* ---- numbers ---- */

enum { GLYPH_W = 5, GLYPH_H = 7, ZOOM = 3 };

/* Digits on a 5x7 raster: a row a byte, the left pixel in bit 4. */
static const uint8_t digits[10][GLYPH_H] = {
  { 14, 17, 19, 21, 25, 17, 14 }, { 4, 12, 4, 4, 4, 4, 14 },  { 14, 17, 1, 2, 4, 8, 31 },
  { 31, 2, 4, 2, 1, 17, 14 },     { 2, 6, 10, 18, 31, 2, 2 }, { 31, 16, 30, 1, 1, 17, 14 },
  { 6, 8, 16, 30, 17, 17, 14 },   { 31, 1, 2, 4, 8, 8, 8 },   { 14, 17, 17, 14, 17, 17, 14 },
  { 14, 17, 17, 15, 1, 2, 12 },
};

static void fill(lcl_image *image, int left, int top, int size, uint8_t value) {
  for (int y = LCL_MAX(top, 0); y < LCL_MIN(top + size, image->height); y++)
    for (int x = LCL_MAX(left, 0); x < LCL_MIN(left + size, image->width); x++)
      memset(image->data + ((size_t)y * (size_t)image->width + (size_t)x) * 3, value, 3);
}

/* rim: how far the strokes are made wider on every side. */
static void draw_digit(lcl_image *image, int digit, int left, int top, int rim, uint8_t value) {
  for (int row = 0; row < GLYPH_H; row++)
    for (int col = 0; col < GLYPH_W; col++)
      if (digits[digit][row] >> (GLYPH_W - 1 - col) & 1)
        fill(image, left + col * ZOOM - rim, top + row * ZOOM - rim, ZOOM + 2 * rim, value);
}

void lcl__scatter_number(lcl_image *image, int side, int panel, float x, float y, int number) {
  char text[16];
  float margin = 8, span = (float)side - 2 * margin;
  int n = snprintf(text, sizeof text, "%u", (unsigned)LCL_MAX(number, 0)),
      step = (GLYPH_W + 1) * ZOOM;
  int left = panel * (side + GAP) + (int)lrintf(margin + x * span) - n * step / 2;
  int top = (int)lrintf(margin + (1 - y) * span) - GLYPH_H * ZOOM / 2;
  for (int rim = 2; rim >= 0; rim -= 2)
    for (int i = 0; i < n; i++)
      draw_digit(image, text[i] - '0', left + i * step, top, rim, rim ? 255 : 30);
}

/* ---- titles and legend ---- */

enum { TEXT = 2, LINE = LCL_FONT_HEIGHT * TEXT + 10, MARK = 24, BETWEEN = 26, EDGE = 8 };

/* Entries from left to right, as many a line as fit; out NULL: only counts the lines. */
static int legend(const lcl_scatter_words *w, int width, int top, lcl_image *out) {
  static const uint8_t ink[3] = { 30, 30, 30 };
  int x = EDGE, lines = 1;
  for (int i = 0; i <= w->entries; i++) {
    const bool ring = i == w->entries;
    const char *text = ring ? w->ring : w->legend[i];
    if (!text) continue;
    const int room = MARK + lcl__text_width(text, TEXT);
    if (x > EDGE && x + room > width - EDGE) x = EDGE, lines++;
    if (out) {
      const int y = top + (lines - 1) * LINE;
      const lcl_scatter_point p = {
        .colour = ring ? -1 : i, .radius = 7, .opacity = 1, .ring = ring
      };
      mark(out, 0, out->width, out->height, (float)x + 9, (float)y + LINE / 2.0f, &p);
      lcl__image_text(out, x + MARK, y + 5, TEXT, ink, text);
    }
    x += room + BETWEEN;
  }
  return x == EDGE ? 0 : lines;
}

lcl_status lcl__scatter_frame(const lcl_image *plot, int panels, int side,
                              const lcl_scatter_words *words, lcl_image *out) {
  static const uint8_t ink[3] = { 30, 30, 30 };
  const int lines = legend(words, plot->width, 0, NULL), foot = lines ? lines * LINE + EDGE : 0;
  *out = (lcl_image) { .width = plot->width,
                       .height = LCL_SCATTER_HEAD + plot->height + foot,
                       .channels = 3 };
  const size_t row = (size_t)plot->width * 3;
  out->data = lcl__alloc((size_t)out->height * row);
  if (!out->data) return LCL_ERR_HOST_MEMORY;
  memset(out->data, 255, (size_t)out->height * row);
  memcpy(out->data + LCL_SCATTER_HEAD * row, plot->data, (size_t)plot->height * row);
  for (int i = 0; i < panels; i++)
    lcl__image_text(out, i * (side + GAP) + EDGE, 8, TEXT, ink, words->titles[i]);
  legend(words, plot->width, LCL_SCATTER_HEAD + plot->height + EDGE / 2, out);
  return LCL_OK;
}
