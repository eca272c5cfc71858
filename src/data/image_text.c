/* Text in images. */
#include "data/image.h"

enum { FONT_W = 7 };

/* The next character of UTF-8; what is none is a character by itself. */
static uint32_t next(const char **text) {
  const unsigned char *t = (const unsigned char *)*text;
  const int n = t[0] < 0xc0 ? 0 : t[0] < 0xe0 ? 1 : t[0] < 0xf0 ? 2 : 3;
  uint32_t c = n ? t[0] & (0x3fu >> n) : t[0];
  for (int i = 1; i <= n; i++) {
    if ((t[i] & 0xc0) != 0x80) {
      *text += 1;
      return 0xfffd;
    }
    c = c << 6 | (t[i] & 0x3f);
  }
  *text += n + 1;
  return n || t[0] < 0x80 ? c : 0xfffd;
}

static const uint8_t *glyph(uint32_t c) {
  if (c >= 32 && c < 127) return lcl__font[c - 32];
  if (c == 160) return lcl__font[0];
  if (c > 160 && c < 256) return lcl__font[c - 161 + 95];
  return lcl__font['?' - 32];
}

int lcl__text_width(const char *text, int zoom) {
  int n = 0;
  while (*text && n < LCL_TEXT_MOST) next(&text), n++;
  return n * FONT_W * zoom;
}

static void fill(lcl_image *image, int left, int top, int size, const uint8_t colour[3]) {
  for (int y = LCL_MAX(top, 0); y < LCL_MIN(top + size, image->height); y++)
    for (int x = LCL_MAX(left, 0); x < LCL_MIN(left + size, image->width); x++)
      memcpy(image->data + ((size_t)y * (size_t)image->width + (size_t)x) * (size_t)image->channels,
             colour, (size_t)image->channels);
}

void lcl__image_text(lcl_image *image, int left, int top, int zoom, const uint8_t colour[3],
                     const char *text) {
  for (int i = 0; *text && i < LCL_TEXT_MOST; i++) {
    const uint8_t *rows = glyph(next(&text));
    for (int y = 0; y < LCL_FONT_HEIGHT; y++)
      for (int x = 0; x < FONT_W; x++)
        if (rows[y] >> (7 - x) & 1)
          fill(image, left + (i * FONT_W + x) * zoom, top + y * zoom, zoom, colour);
  }
}
