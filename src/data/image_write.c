/* PNG writing, data URIs and grids of images. */
#include <math.h>
#include <setjmp.h>
#include <png.h>

#include "data/image.h"

typedef struct png_sink {
  lcl_str bytes;
  png_bytep *rows;
} png_sink;

static void sink_write(png_structp png, png_bytep data, size_t n) {
  png_sink *s = png_get_io_ptr(png);
  lcl__str_append(&s->bytes, (const char *)data, n);
  if (!lcl__str_ok(&s->bytes)) png_error(png, "out of memory");
}

static void sink_flush(png_structp png) {
  (void)png;
}

static void sink_fatal(png_structp png, png_const_charp message) {
  (void)message;
  png_longjmp(png, 1);
}

static void sink_warning(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

static bool encode_inner(png_structp png, png_infop info, png_sink *s, const lcl_image *image) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_write_fn(png, s, sink_write, sink_flush);
  png_set_IHDR(png, info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
               image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_set_compression_level(png, 6);
  png_write_info(png, info);
  png_write_image(png, s->rows);
  png_write_end(png, NULL);
  return true;
}

lcl_status lcl__png_encode(const lcl_image *image, uint8_t **data, size_t *n) {
  *data = NULL;
  *n = 0;
  if (image->width < 1 || image->height < 1 || (image->channels != 1 && image->channels != 3))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "a PNG image needs sides of at least 1 and 1 or 3 channels, not %dx%dx%d",
                     image->channels, image->height, image->width);
  png_sink s = { .rows = lcl__alloc((size_t)image->height * sizeof(png_bytep)) };
  if (!s.rows) return LCL_ERR_HOST_MEMORY;
  size_t row = (size_t)image->width * (size_t)image->channels;
  for (int y = 0; y < image->height; y++) s.rows[y] = image->data + (size_t)y * row;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, sink_fatal, sink_warning);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  bool ok = info && encode_inner(png, info, &s, image);
  png_destroy_write_struct(&png, &info);
  lcl__free(s.rows);
  if (!ok) {
    lcl__str_free(&s.bytes);
    return lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory while writing a PNG image of %dx%d",
                     image->width, image->height);
  }
  *data = (uint8_t *)s.bytes.data;
  *n = s.bytes.n;
  return LCL_OK;
}

lcl_status lcl__png_write(const char *path, const lcl_image *image) {
  uint8_t *data;
  size_t n;
  LCL_TRY(lcl__png_encode(image, &data, &n));
  lcl_status status = lcl__file_write_atomic(path, data, n);
  lcl__free(data);
  return status;
}

char *lcl__base64(const uint8_t *data, size_t n) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char *out = lcl__alloc((n + 2) / 3 * 4 + 1), *to = out;
  if (!out) return NULL;
  for (size_t i = 0; i < n; i += 3) {
    size_t left = n - i;
    uint32_t v = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                 (left > 2 ? data[i + 2] : 0);
    *to++ = digits[v >> 18];
    *to++ = digits[v >> 12 & 63];
    *to++ = left > 1 ? digits[v >> 6 & 63] : '=';
    *to++ = left > 2 ? digits[v & 63] : '=';
  }
  return out;
}

lcl_status lcl__png_data_uri(const lcl_image *image, char **uri) {
  uint8_t *data;
  size_t n;
  *uri = NULL;
  LCL_TRY(lcl__png_encode(image, &data, &n));
  char *text = lcl__base64(data, n);
  lcl__free(data);
  lcl_str s = { 0 };
  if (text) lcl__str_add(&s, "data:image/png;base64,%s", text);
  lcl__free(text);
  if (!text || !lcl__str_ok(&s)) {
    lcl__str_free(&s);
    return LCL_ERR_HOST_MEMORY;
  }
  *uri = s.data;
  return LCL_OK;
}

uint8_t lcl__pixel(float v) {
  if (isnan(v)) return 128;
  return (uint8_t)lrintf(LCL_MIN(LCL_MAX(v, 0.0f), 1.0f) * 255);
}

/* One image into the grid with its upper left corner at (top,left). */
static void place(const lcl_grid_desc *d, const float *image, lcl_image *grid, int top, int left) {
  size_t plane = (size_t)d->height * (size_t)d->width;
  for (int y = 0; y < d->height * d->zoom; y++) {
    uint8_t *to = grid->data +
                  ((size_t)(top + y) * (size_t)grid->width + (size_t)left) * (size_t)grid->channels;
    for (int x = 0; x < d->width * d->zoom; x++) {
      const float *from = image + (size_t)(y / d->zoom) * (size_t)d->width + (size_t)(x / d->zoom);
      for (int c = 0; c < grid->channels; c++) *to++ = lcl__pixel(from[(size_t)c * plane]);
    }
  }
}

enum { GAP = 6 }; /* around captions */

/* The room for captions: left of the grid and above it, the rows' pitch, and the least width. */
typedef struct margins {
  int64_t left, top, pitch, width;
} margins;

static margins measure(const lcl_grid_desc *d, int64_t rows) {
  margins m = { .pitch = (int64_t)d->height * d->zoom + d->pad };
  for (int64_t r = 0; d->captions && r < rows; r++)
    if (*d->captions[r]) m.left = LCL_MAX(m.left, lcl__text_width(d->captions[r], 1) + 2 * GAP);
  if (m.left) m.pitch = LCL_MAX(m.pitch, LCL_FONT_HEIGHT);
  if (d->title && *d->title) {
    m.top = LCL_FONT_HEIGHT + GAP;
    m.width = lcl__text_width(d->title, 1) + 2 * GAP;
  }
  return m;
}

static void caption(const lcl_grid_desc *d, const margins *m, int64_t rows, lcl_image *out) {
  static const uint8_t light[3] = { 240, 240, 240 };
  if (m->top) lcl__image_text(out, GAP, GAP / 2 + 1, 1, light, d->title);
  for (int64_t r = 0; m->left && r < rows; r++) {
    const int64_t middle = m->top + d->pad + r * m->pitch + (int64_t)d->height * d->zoom / 2;
    if (r == 0 || strcmp(d->captions[r], d->captions[r - 1]) != 0)
      lcl__image_text(out, GAP, (int)(middle - LCL_FONT_HEIGHT / 2), 1, light, d->captions[r]);
  }
}

lcl_status lcl__image_grid(const lcl_grid_desc *desc, const float *images, lcl_image *out) {
  lcl_grid_desc d = *desc;
  memset(out, 0, sizeof *out);
  d.zoom = LCL_MAX(d.zoom, 1);
  if (d.n < 1 || d.columns < 1 || d.channels < 1 || d.height < 1 || d.width < 1 || d.pad < 0)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "a grid needs at least one image and column; got %d in %d columns of %dx%dx%d",
                     d.n, d.columns, d.channels, d.height, d.width);
  const int64_t rows = (d.n + d.columns - 1) / d.columns;
  const margins m = measure(&d, rows);
  const int64_t cell_w = (int64_t)d.width * d.zoom + d.pad,
                width = LCL_MAX(m.left + d.columns * cell_w + d.pad, m.width),
                height = m.top + rows * m.pitch + d.pad;
  if (width > 65535 || height > 65535)
    return lcl__fail(LCL_ERR_ARGUMENT, "a grid of %lldx%lld pixels is too large; show fewer images",
                     (long long)width, (long long)height);
  out->width = (int)width;
  out->height = (int)height;
  out->channels = d.channels == 3 ? 3 : 1;
  size_t bytes = (size_t)width * (size_t)height * (size_t)out->channels;
  out->data = lcl__alloc(bytes);
  if (!out->data) return LCL_ERR_HOST_MEMORY;
  memset(out->data, d.background, bytes);
  size_t each = (size_t)d.channels * (size_t)d.height * (size_t)d.width;
  for (int i = 0; i < d.n; i++)
    place(&d, images + (size_t)i * each, out, (int)(m.top + d.pad + i / d.columns * m.pitch),
          (int)(m.left + d.pad + i % d.columns * cell_w));
  caption(&d, &m, rows, out);
  return LCL_OK;
}

lcl_status lcl__image_grid_png(const lcl_grid_desc *desc, const float *images, const char *path) {
  lcl_image grid;
  LCL_TRY(lcl__image_grid(desc, images, &grid));
  lcl_status status = lcl__png_write(path, &grid);
  lcl__image_free(&grid);
  return status;
}
