/* PNG and JPEG from memory. Both libraries leave a damaged file by longjmp; what is allocated
 * before lives in a struct outside the jump. */
#include <setjmp.h>
#include <png.h>
#include <jpeglib.h>

#include "data/image.h"

/* Larger images are refused before any memory is taken for them. */
#define IMAGE_MAX_SIDE   16384
#define IMAGE_MAX_PIXELS ((size_t)1 << 26)

void lcl_image_free(lcl_image *image) {
  lcl_free(image->data);
  memset(image, 0, sizeof *image);
}

static lcl_status check_size(size_t width, size_t height) {
  if (width < 1 || height < 1 || width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE ||
      width * height > IMAGE_MAX_PIXELS)
    return lcl_fail(LCL_ERR_FORMAT,
                    "an image of %zux%zu cannot be read; sides go to %d, pixels to %zu", width,
                    height, IMAGE_MAX_SIDE, IMAGE_MAX_PIXELS);
  return LCL_OK;
}

static lcl_status image_alloc(lcl_image *image, size_t width, size_t height, int channels) {
  LCL_TRY(check_size(width, height));
  image->width = (int)width;
  image->height = (int)height;
  image->channels = channels;
  image->data = lcl_alloc(width * height * (size_t)channels);
  return image->data ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* ---- PNG ---- */

typedef struct png_source {
  const uint8_t *data;
  size_t n, at;
  char message[128];
  png_bytep *rows;
} png_source;

static void png_feed(png_structp png, png_bytep to, size_t n) {
  png_source *s = png_get_io_ptr(png);
  if (n > s->n - s->at) png_error(png, "the file ends too early");
  memcpy(to, s->data + s->at, n);
  s->at += n;
}

static void png_fatal(png_structp png, png_const_charp message) {
  png_source *s = png_get_error_ptr(png);
  snprintf(s->message, sizeof s->message, "%s", message);
  png_longjmp(png, 1);
}

static void png_silent(png_structp png, png_const_charp message) {
  (void)png;
  (void)message;
}

/* Asks libpng for 8-bit grey or RGB. */
static int png_simplify(png_structp png, png_infop info) {
  int type = png_get_color_type(png, info);
  png_set_expand(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  return type == PNG_COLOR_TYPE_GRAY || type == PNG_COLOR_TYPE_GRAY_ALPHA ? 1 : 3;
}

/* Everything that may jump; false with s->message or *status set. */
static bool png_decode_inner(png_structp png, png_infop info, png_source *s, lcl_image *out,
                             lcl_status *status) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_user_limits(png, IMAGE_MAX_SIDE, IMAGE_MAX_SIDE);
  png_set_chunk_malloc_max(png, 1 << 24);
  png_set_read_fn(png, s, png_feed);
  png_read_info(png, info);
  int channels = png_simplify(png, info);
  *status = image_alloc(out, png_get_image_width(png, info), png_get_image_height(png, info),
                        channels);
  if (*status != LCL_OK) return false;
  size_t row = (size_t)out->width * (size_t)channels;
  if (png_get_rowbytes(png, info) != row) png_error(png, "unexpected row size");
  s->rows = lcl_alloc((size_t)out->height * sizeof *s->rows);
  if (!s->rows) {
    *status = LCL_ERR_HOST_MEMORY;
    return false;
  }
  for (int y = 0; y < out->height; y++) s->rows[y] = out->data + (size_t)y * row;
  png_read_image(png, s->rows);
  return true;
}

static lcl_status png_decode(const uint8_t *data, size_t n, lcl_image *out) {
  png_source s = { data, n, 0, "", NULL };
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, png_fatal, png_silent);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  lcl_status status = LCL_OK;
  bool ok = false;
  if (info)
    ok = png_decode_inner(png, info, &s, out, &status);
  else
    status = lcl_fail(LCL_ERR_HOST_MEMORY, "out of memory while reading a PNG file");
  png_destroy_read_struct(&png, &info, NULL);
  lcl_free(s.rows);
  if (ok) return LCL_OK;
  lcl_image_free(out);
  return status != LCL_OK ? status : lcl_fail(LCL_ERR_FORMAT, "damaged PNG file: %s", s.message);
}

/* ---- JPEG ---- */

typedef struct jpeg_failure {
  struct jpeg_error_mgr base;
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
} jpeg_failure;

static void jpeg_fatal(j_common_ptr info) {
  jpeg_failure *f = (jpeg_failure *)info->err;
  info->err->format_message(info, f->message);
  longjmp(f->jump, 1);
}

/* Data that end early are a warning to libjpeg (the rest is grey); here they are an error, and
 * other warnings pass. */
static void jpeg_warning(j_common_ptr info, int level) {
  if (level < 0) info->err->num_warnings++;
}

static bool jpeg_decode_inner(struct jpeg_decompress_struct *info, jpeg_failure *f,
                              const uint8_t *data, size_t n, int shrink_to, lcl_image *out,
                              lcl_status *status) {
  if (setjmp(f->jump)) return false;
  jpeg_create_decompress(info);
  jpeg_mem_src(info, data, n);
  jpeg_read_header(info, TRUE);
  if (info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK) {
    *status = lcl_fail(LCL_ERR_UNSUPPORTED, "CMYK JPEG files are not read; convert them to RGB");
    return false;
  }
  /* A progressive file makes libjpeg take memory for all of it at once: look at its size first. */
  *status = check_size(info->image_width, info->image_height);
  if (*status != LCL_OK) return false;
  info->out_color_space = info->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  unsigned side = LCL_MIN(info->image_width, info->image_height), denom = 1;
  while (shrink_to > 0 && denom < 8 && side / (denom * 2) >= 2 * (unsigned)shrink_to) denom *= 2;
  info->scale_num = 1;
  info->scale_denom = denom;
  jpeg_start_decompress(info);
  *status = image_alloc(out, info->output_width, info->output_height,
                        info->output_components == 1 ? 1 : 3);
  if (*status != LCL_OK) return false;
  while (info->output_scanline < info->output_height) {
    JSAMPROW row = out->data +
                   (size_t)info->output_scanline * (size_t)out->width * (size_t)out->channels;
    jpeg_read_scanlines(info, &row, 1);
  }
  jpeg_finish_decompress(info);
  return true;
}

static lcl_status jpeg_decode(const uint8_t *data, size_t n, int shrink_to, lcl_image *out) {
  struct jpeg_decompress_struct info;
  jpeg_failure f;
  lcl_status status = LCL_OK;
  memset(&info, 0, sizeof info);
  f.message[0] = 0;
  info.err = jpeg_std_error(&f.base);
  f.base.error_exit = jpeg_fatal;
  f.base.emit_message = jpeg_warning;
  bool ok = jpeg_decode_inner(&info, &f, data, n, shrink_to, out, &status);
  bool damaged = ok && f.base.num_warnings > 0;
  jpeg_destroy_decompress(&info);
  if (ok && !damaged) return LCL_OK;
  lcl_image_free(out);
  if (status != LCL_OK) return status;
  return lcl_fail(LCL_ERR_FORMAT, "damaged JPEG file: %s",
                  damaged ? "its data are corrupt or cut short" : f.message);
}

lcl_status lcl_image_decode(const uint8_t *data, size_t n, int shrink_to, lcl_image *out) {
  memset(out, 0, sizeof *out);
  if (n >= 8 && png_sig_cmp(data, 0, 8) == 0) return png_decode(data, n, out);
  if (n >= 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF)
    return jpeg_decode(data, n, shrink_to, out);
  return lcl_fail(LCL_ERR_FORMAT, "neither a PNG nor a JPEG file");
}
