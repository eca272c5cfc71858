/* Images: PNG and JPEG from memory, resampling, and grids of images written as PNG. */
#ifndef LCL_IMAGE_H
#define LCL_IMAGE_H

#include "base/base.h"

/* 8-bit image, rows of interleaved channels (1 grey or 3 RGB). */
typedef struct lcl_image {
  int width, height, channels;
  uint8_t *data;
} lcl_image;
void lcl__image_free(lcl_image *image);
uint8_t lcl__pixel(float v); /* of 0..1, clipped; NaN is a mid grey */

/* PNG or JPEG, told by its first bytes; 16 bits become 8, palettes become RGB, EXIF's orientation
 * is applied. Refused: transparent pixels, 16-bit files that use only their low 12 bits, CMYK.
 * shrink_to > 0: a JPEG may be decoded at a fraction of its size as long as the shorter side stays
 * at least twice that (faster). */
lcl_status lcl__image_decode(const uint8_t *data, size_t n, int shrink_to, lcl_image *out);

/* Resampled to width x height with a triangle filter as wide as the reduction (bilinear when
 * enlarging). */
lcl_status lcl__image_resize(const lcl_image *in, int width, int height, lcl_image *out);

/* Shorter side to `side`, then the centre side x side square, as planes C,H,W into out: 3 channels,
 * or 1 with grey (luma .299R + .587G + .114B). */
lcl_status lcl__image_square(const lcl_image *in, int side, bool grey, uint8_t *out);

/* Zlib level 6; the bytes are lcl__free()d by the caller. */
lcl_status lcl__png_encode(const lcl_image *image, uint8_t **data, size_t *n);
lcl_status lcl__png_write(const char *path, const lcl_image *image); /* atomic */

/* "data:image/png;base64,..." for HTML; lcl__free it. */
lcl_status lcl__png_data_uri(const lcl_image *image, char **uri);

/* n images in C,H,W planes, values 0..1 (clipped; NaN is shown as a mid grey), laid out row by
 * row in `columns` columns with `pad` pixels between and around, each enlarged `zoom` times.
 * channels 1 or 3; other numbers show the first channel. background 0..255. */
typedef struct lcl_grid_desc {
  int n, columns;
  int channels, height, width;
  int pad, zoom;
  uint8_t background;
  const char *title; /* above the grid; NULL: none */
  const char *const
      *captions; /* one a row, left of it; NULL: none. Rows that share one have it once */
} lcl_grid_desc;
lcl_status lcl__image_grid(const lcl_grid_desc *desc, const float *images, lcl_image *out);
lcl_status lcl__image_grid_png(const lcl_grid_desc *desc, const float *images, const char *path);

/* Text of Latin-1 letters (others are shown as a question mark), its left upper corner at
 * (left,top), cut off at the image's edges and after LCL_TEXT_MOST letters. colour: of 3 channels,
 * or the first for grey. */
enum { LCL_FONT_GLYPHS = 190, LCL_FONT_HEIGHT = 13, LCL_TEXT_MOST = 60 };
extern const uint8_t lcl__font[LCL_FONT_GLYPHS][LCL_FONT_HEIGHT];
void lcl__image_text(lcl_image *image, int left, int top, int zoom, const uint8_t colour[3],
                     const char *text);
int lcl__text_width(const char *text, int zoom); /* in pixels */

/* Base64 with padding; lcl__free it. */
char *lcl__base64(const uint8_t *data, size_t n);

#endif
