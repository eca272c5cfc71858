/* PNG and JPEG from memory. Both libraries leave a damaged file by longjmp; what is allocated
 * before lives in a struct outside the jump. */
#include <setjmp.h>
#include <png.h>
#include <jpeglib.h>
#include <jerror.h>

#include "data/image.h"

/* Larger images are refused before any memory is taken for them. */
#define IMAGE_MAX_SIDE   16384
#define IMAGE_MAX_PIXELS ((size_t)1 << 26)

void lcl__image_free(lcl_image *image) {
  lcl__free(image->data);
  memset(image, 0, sizeof *image);
}

static lcl_status check_size(size_t width, size_t height) {
  if (width < 1 || height < 1 || width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE ||
      width * height > IMAGE_MAX_PIXELS)
    return lcl__fail(LCL_ERR_FORMAT,
                     "an image of %zux%zu cannot be read; sides go to %d, pixels to %zu", width,
                     height, IMAGE_MAX_SIDE, IMAGE_MAX_PIXELS);
  return LCL_OK;
}

static lcl_status image_alloc(lcl_image *image, size_t width, size_t height, int channels) {
  LCL_TRY(check_size(width, height));
  image->width = (int)width;
  image->height = (int)height;
  image->channels = channels;
  image->data = lcl__alloc(width * height * (size_t)channels);
  return image->data ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* ---- EXIF orientation ---- */

static unsigned exif_number(const uint8_t *p, int bytes, bool little) {
  unsigned v = 0;
  for (int i = 0; i < bytes; i++) v = v << 8 | p[little ? bytes - 1 - i : i];
  return v;
}

/* Tag 0x0112 of the first directory of a TIFF header; 1 (as stored) where there is none. */
static int exif_orientation(const uint8_t *p, size_t n) {
  if (n < 14 || (memcmp(p, "II*", 4) != 0 && memcmp(p, "MM\0*", 4) != 0)) return 1;
  const bool little = p[0] == 'I';
  const size_t at = exif_number(p + 4, 4, little);
  if (at > n - 2) return 1;
  const unsigned entries = exif_number(p + at, 2, little);
  for (size_t i = 0, e = at + 2; i < entries && e + 12 <= n; i++, e += 12)
    if (exif_number(p + e, 2, little) == 0x0112) {
      const unsigned v = exif_number(p + e + 8, 2, little);
      return v >= 1 && v <= 8 ? (int)v : 1;
    }
  return 1;
}

/* Turns and mirrors an image as its orientation (1 to 8, EXIF 2.3) says it is to be seen. */
static lcl_status image_turn(lcl_image *image, int orientation) {
  if (orientation <= 1) return LCL_OK;
  const bool swap = orientation >= 5;
  const int w = image->width, h = image->height, c = image->channels;
  const int ow = swap ? h : w, oh = swap ? w : h;
  lcl_image out = { 0 };
  LCL_TRY(image_alloc(&out, (size_t)ow, (size_t)oh, c));
  const bool mirror_x = orientation == 2 || orientation == 3 || orientation == 7 ||
                        orientation == 8,
             mirror_y = orientation == 3 || orientation == 4 || orientation == 6 ||
                        orientation == 7;
  for (int y = 0; y < oh; y++)
    for (int x = 0; x < ow; x++) {
      const int a = swap ? y : x, b = swap ? x : y; /* column and row before mirroring */
      const int from_x = mirror_x ? w - 1 - a : a, from_y = mirror_y ? h - 1 - b : b;
      memcpy(out.data + ((size_t)y * (size_t)ow + (size_t)x) * (size_t)c,
             image->data + ((size_t)from_y * (size_t)w + (size_t)from_x) * (size_t)c, (size_t)c);
    }
  lcl__image_free(image);
  *image = out;
  return LCL_OK;
}

/* ---- PNG ---- */

typedef struct png_source {
  const uint8_t *data;
  size_t n, at;
  char message[128];
  png_bytep *rows;
  int orientation;
  bool lost; /* a chunk that says how the image looks */
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

/* libpng leaves out a damaged chunk beside the pixels: of transparency and orientation that would
 * be another image. */
static void png_warned(png_structp png, png_const_charp message) {
  if (strcmp(message, "tRNS: CRC error") != 0 && strcmp(message, "eXIf: CRC error") != 0) return;
  ((png_source *)png_get_error_ptr(png))->lost = true;
  png_fatal(png, message);
}

/* What is asked of libpng: grey or RGB, palettes expanded, alpha kept where there is one, 8 or 16
 * bits. */
typedef struct png_layout {
  int colours; /* 1 or 3 */
  bool alpha;
  int bytes; /* a sample: 1 or 2, high byte first */
} png_layout;

static png_layout png_expand(png_structp png, png_infop info) {
  const int type = png_get_color_type(png, info);
  png_set_expand(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  const int channels = png_get_channels(png, info);
  return (png_layout) { .colours = type == PNG_COLOR_TYPE_GRAY || type == PNG_COLOR_TYPE_GRAY_ALPHA
                                       ? 1
                                       : 3,
                        .alpha = channels == 2 || channels == 4,
                        .bytes = png_get_bit_depth(png, info) == 16 ? 2 : 1 };
}

/* From the samples as read to 8-bit colours in place. Nothing is lost without a word: transparent
 * pixels have no colour of their own, and 16-bit samples that use only their low bits would all
 * become black. */
static lcl_status png_to_colours(const png_layout *l, lcl_image *out) {
  const size_t pixels = (size_t)out->width * (size_t)out->height;
  const int each = l->colours + l->alpha;
  unsigned most = 0;
  for (size_t i = 0; i < pixels; i++) {
    for (int c = 0; c < each; c++) {
      const uint8_t *p = out->data + (i * (size_t)each + (size_t)c) * (size_t)l->bytes;
      const unsigned v = l->bytes == 2 ? 256u * p[0] + p[1] : 257u * p[0];
      if (c == l->colours && v != 65535)
        return lcl__fail(
            LCL_ERR_UNSUPPORTED,
            "a PNG file with transparent pixels has no one meaning; put it on the background "
            "that you want first (an opaque image was expected)");
      if (c == l->colours) continue;
      most = LCL_MAX(most, v);
      out->data[i * (size_t)l->colours + (size_t)c] = (uint8_t)((v + 128) / 257);
    }
  }
  if (l->bytes == 2 && most > 0 && most < 16384)
    return lcl__fail(LCL_ERR_UNSUPPORTED,
                     "a 16-bit PNG file whose largest value is %u of 65535 would be dark; scale "
                     "it to the full range first",
                     most);
  out->channels = l->colours;
  return LCL_OK;
}

/* Everything that may jump; false with s->message or *status set. */
static bool png_decode_inner(png_structp png, png_infop info, png_source *s, lcl_image *out,
                             lcl_status *status) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_user_limits(png, IMAGE_MAX_SIDE, IMAGE_MAX_SIDE);
  png_set_chunk_malloc_max(png, 1 << 24);
  png_set_read_fn(png, s, png_feed);
  png_read_info(png, info);
  const png_layout layout = png_expand(png, info);
  const int each = (layout.colours + layout.alpha) * layout.bytes;
  *status = image_alloc(out, png_get_image_width(png, info), png_get_image_height(png, info), each);
  if (*status != LCL_OK) return false;
  size_t row = (size_t)out->width * (size_t)each;
  if (png_get_rowbytes(png, info) != row) png_error(png, "unexpected row size");
  s->rows = lcl__alloc((size_t)out->height * sizeof *s->rows);
  if (!s->rows) {
    *status = LCL_ERR_HOST_MEMORY;
    return false;
  }
  for (int y = 0; y < out->height; y++) s->rows[y] = out->data + (size_t)y * row;
  png_read_image(png, s->rows);
  /* Orientation may come after the pixels; what else is wrong there costs none of them. */
  if (!setjmp(png_jmpbuf(png))) png_read_end(png, info);
  if (s->lost) return false;
  png_uint_32 n = 0;
  png_bytep exif = NULL;
  if (png_get_eXIf_1(png, info, &n, &exif)) s->orientation = exif_orientation(exif, n);
  *status = png_to_colours(&layout, out);
  return *status == LCL_OK;
}

static lcl_status png_decode(const uint8_t *data, size_t n, lcl_image *out) {
  png_source s = { data, n, 0, "", NULL, 1, false };
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &s, png_fatal, png_warned);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  lcl_status status = LCL_OK;
  bool ok = false;
  if (info)
    ok = png_decode_inner(png, info, &s, out, &status);
  else
    status = lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory while reading a PNG file");
  png_destroy_read_struct(&png, &info, NULL);
  lcl__free(s.rows);
  if (ok) return image_turn(out, s.orientation);
  lcl__image_free(out);
  return status != LCL_OK ? status : lcl__fail(LCL_ERR_FORMAT, "damaged PNG file: %s", s.message);
}

/* ---- JPEG ---- */

typedef struct jpeg_failure {
  struct jpeg_error_mgr base;
  jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
  int orientation;
  bool ended; /* before the end marker */
} jpeg_failure;

static void jpeg_fatal(j_common_ptr info) {
  jpeg_failure *f = (jpeg_failure *)info->err;
  info->err->format_message(info, f->message);
  longjmp(f->jump, 1);
}

/* Pixels that are missing or wrong are only a warning to libjpeg (the rest is grey); here they are
 * an error. Other warnings (bytes between segments, odd headers) lose nothing and pass. */
static void jpeg_warning(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  const bool damage = code == JWRN_HIT_MARKER || code == JWRN_MUST_RESYNC ||
                      code == JWRN_HUFF_BAD_CODE || code == JWRN_ARITH_BAD_CODE;
  if (level < 0 && damage) info->err->num_warnings++;
  if (level < 0 && code == JWRN_JPEG_EOF) ((jpeg_failure *)info->err)->ended = true;
}

/* Whether every scan is there: bits of each coefficient in a progressive file, each component in
 * another. */
static bool has_all_scans(struct jpeg_decompress_struct *info) {
  for (int c = 0; c < info->num_components; c++) {
    if (!info->comp_info[c].quant_table) return false; /* taken with a component's first scan */
    for (int k = 0; info->coef_bits && k < DCTSIZE2; k++)
      if (info->coef_bits[c][k] != 0) return false;
  }
  return true;
}

/* Whether every pixel is there: a file that ends before its end marker may lack nothing else. Of a
 * Huffman-coded scan a missing bit is a warning of its own, unless the next scan is missing too. */
static bool jpeg_whole(struct jpeg_decompress_struct *info, bool ended) {
  if (ended && (info->arith_code || (!info->coef_bits && jpeg_has_multiple_scans(info))))
    return false;
  return has_all_scans(info);
}

static bool jpeg_decode_inner(struct jpeg_decompress_struct *info, jpeg_failure *f,
                              const uint8_t *data, size_t n, int shrink_to, lcl_image *out,
                              lcl_status *status) {
  if (setjmp(f->jump)) return false;
  jpeg_create_decompress(info);
  jpeg_mem_src(info, data, n);
  jpeg_save_markers(info, JPEG_APP0 + 1, 0xFFFF);
  jpeg_read_header(info, TRUE);
  for (const struct jpeg_marker_struct *m = info->marker_list; m; m = m->next)
    if (m->data_length > 6 && memcmp(m->data, "Exif\0", 6) == 0)
      f->orientation = exif_orientation(m->data + 6, m->data_length - 6);
  if (info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK) {
    *status = lcl__fail(LCL_ERR_UNSUPPORTED, "CMYK JPEG files are not read; convert them to RGB");
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
  if (!jpeg_whole(info, f->ended)) f->base.num_warnings++;
  return true;
}

static lcl_status jpeg_decode(const uint8_t *data, size_t n, int shrink_to, lcl_image *out) {
  struct jpeg_decompress_struct info;
  jpeg_failure f;
  lcl_status status = LCL_OK;
  memset(&info, 0, sizeof info);
  f.message[0] = 0;
  f.orientation = 1;
  f.ended = false;
  info.err = jpeg_std_error(&f.base);
  f.base.error_exit = jpeg_fatal;
  f.base.emit_message = jpeg_warning;
  bool ok = jpeg_decode_inner(&info, &f, data, n, shrink_to, out, &status);
  bool damaged = ok && f.base.num_warnings > 0;
  jpeg_destroy_decompress(&info);
  if (ok && !damaged) return image_turn(out, f.orientation);
  lcl__image_free(out);
  if (status != LCL_OK) return status;
  return lcl__fail(LCL_ERR_FORMAT, "damaged JPEG file: %s",
                   damaged ? "its data are corrupt or cut short" : f.message);
}

lcl_status lcl__image_decode(const uint8_t *data, size_t n, int shrink_to, lcl_image *out) {
  memset(out, 0, sizeof *out);
  if (n >= 8 && png_sig_cmp(data, 0, 8) == 0) return png_decode(data, n, out);
  if (n >= 3 && data[0] == 0xFF && data[1] == 0xD8 && data[2] == 0xFF)
    return jpeg_decode(data, n, shrink_to, out);
  return lcl__fail(LCL_ERR_FORMAT, "neither a PNG nor a JPEG file");
}
