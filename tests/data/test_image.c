/* Images: PNG and JPEG there and back, damaged files, resampling, grids, data URIs. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <png.h>
#include <jpeglib.h>
#include <zlib.h>

#include "data/image.h"
#include "data/tempdir.h"
#include "test.h"

/* A smooth image: waves of different lengths in each channel. */
static lcl_image waves(int width, int height, int channels) {
  lcl_image im = { width, height, channels, malloc((size_t)(width * height * channels)) };
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < channels; c++)
        im.data[(y * width + x) * channels + c] = (uint8_t)lrint(127 +
                                                                 100 * sin(0.1 * x + 0.13 * y + c));
  return im;
}

enum { ONE_SCAN, PROGRESSIVE, SCAN_A_COLOUR };

static size_t encode_jpeg_as(const lcl_image *im, int scans, uint8_t **out) {
  static const jpeg_scan_info each[] = { { 1, { 0 }, 0, 63, 0, 0 },
                                         { 1, { 1 }, 0, 63, 0, 0 },
                                         { 1, { 2 }, 0, 63, 0, 0 } };
  struct jpeg_compress_struct info;
  struct jpeg_error_mgr err;
  unsigned long n = 0;
  unsigned char *data = NULL;
  info.err = jpeg_std_error(&err);
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &data, &n);
  info.image_width = (JDIMENSION)im->width;
  info.image_height = (JDIMENSION)im->height;
  info.input_components = im->channels;
  info.in_color_space = im->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 95, TRUE);
  if (scans == PROGRESSIVE) jpeg_simple_progression(&info);
  if (scans == SCAN_A_COLOUR) info.scan_info = each, info.num_scans = 3;
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = im->data + info.next_scanline * (size_t)im->width * (size_t)im->channels;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  *out = data;
  return n;
}

static size_t encode_jpeg(const lcl_image *im, uint8_t **out) {
  return encode_jpeg_as(im, ONE_SCAN, out);
}

static void png_round_trip(void **state) {
  (void)state;
  for (int channels = 1; channels <= 3; channels += 2) {
    lcl_image im = waves(37, 21, channels), back;
    uint8_t *data;
    size_t n;
    assert_int_equal(lcl__png_encode(&im, &data, &n), LCL_OK);
    assert_int_equal(lcl__image_decode(data, n, 0, &back), LCL_OK);
    assert_int_equal(back.width, 37);
    assert_int_equal(back.height, 21);
    assert_int_equal(back.channels, channels);
    assert_memory_equal(back.data, im.data, (size_t)(37 * 21 * channels));
    lcl__image_free(&back);
    for (size_t cut = 0; cut + 12 < n;
         cut += 7) /* the last 12 bytes are the end mark, which carries nothing */
      assert_int_equal(lcl__image_decode(data, cut, 0, &back), LCL_ERR_FORMAT);
    data[n / 2] ^= 0x10;
    assert_int_equal(lcl__image_decode(data, n, 0, &back), LCL_ERR_FORMAT);
    lcl__free(data);
    free(im.data);
  }
}

static void jpeg_reading(void **state) {
  (void)state;
  for (int channels = 1; channels <= 3; channels += 2) {
    lcl_image im = waves(160, 96, channels), back;
    uint8_t *data;
    size_t n = encode_jpeg(&im, &data);
    assert_int_equal(lcl__image_decode(data, n, 0, &back), LCL_OK);
    assert_int_equal(back.channels, channels);
    double worst = 0;
    for (int i = 0; i < 160 * 96 * channels; i++)
      worst = fmax(worst, abs(back.data[i] - im.data[i]));
    assert_true(worst <= 24); /* quality 95 with halved colour on a smooth image */
    lcl__image_free(&back);
    assert_int_equal(lcl__image_decode(data, n, 20, &back),
                     LCL_OK); /* half size still has a side of 48 > 40 */
    assert_int_equal(back.width, 80);
    lcl__image_free(&back);
    for (size_t cut = 0; cut + 2 < n; cut += 97)
      assert_int_equal(lcl__image_decode(data, cut, 0, &back), LCL_ERR_FORMAT);
    free(data);
    free(im.data);
  }
  lcl_image none;
  assert_int_equal(lcl__image_decode((const uint8_t *)"GIF89a..", 8, 0, &none), LCL_ERR_FORMAT);
}

/* Bytes between segments lose no pixel; EXIF's orientation is applied. */
static void jpeg_extras(void **state) {
  (void)state;
  lcl_image im = waves(32, 16, 3), back, plain;
  uint8_t *data, *more = malloc(1 << 16);
  size_t n = encode_jpeg(&im, &data);
  assert_int_equal(lcl__image_decode(data, n, 0, &plain), LCL_OK);
  memcpy(more, data, n - 2); /* zeros before the end marker */
  memset(more + n - 2, 0, 5);
  memcpy(more + n + 3, data + n - 2, 2);
  assert_int_equal(lcl__image_decode(more, n + 5, 0, &back), LCL_OK);
  assert_memory_equal(back.data, plain.data, 32 * 16 * 3);
  lcl__image_free(&back);
  for (int turn = 1; turn <= 8; turn++) {
    /* Where the first pixel of the file is to be seen: right, down. */
    static const int at[9][2] = { { 0 },    { 0, 0 }, { 1, 0 }, { 1, 1 }, { 0, 1 },
                                  { 0, 0 }, { 1, 0 }, { 1, 1 }, { 0, 1 } };
    const uint8_t app1[36] = { 0xff, 0xe1, 0,   34,  'E',          'x', 'i', 'f',
                               0,    0,    'I', 'I', '*',          0,   8,   0,
                               0,    0,    1,   0,   0x12,         1,   3,   0,
                               1,    0,    0,   0,   (uint8_t)turn };
    memcpy(more, data, 2);
    memcpy(more + 2, app1, 36);
    memcpy(more + 38, data + 2, n - 2);
    assert_int_equal(lcl__image_decode(more, n + 36, 0, &back), LCL_OK);
    assert_int_equal(back.width, turn >= 5 ? 16 : 32);
    const int x = at[turn][0] * (back.width - 1), y = at[turn][1] * (back.height - 1);
    assert_memory_equal(back.data + 3 * (y * back.width + x), plain.data, 3);
    /* The last pixel of its first row is at the other end of that row or column. */
    const int x2 = turn >= 5 ? x : back.width - 1 - x, y2 = turn >= 5 ? back.height - 1 - y : y;
    assert_memory_equal(back.data + 3 * (y2 * back.width + x2), plain.data + 3 * 31, 3);
    lcl__image_free(&back);
  }
  lcl__image_free(&plain);
  free(more);
  free(data);
  free(im.data);
}

/* A file that lacks only its end marker holds every pixel; one that lacks more, or whose last scan
 * is missing, does not. */
static void jpeg_without_end(void **state) {
  (void)state;
  for (int progressive = 0; progressive < 2; progressive++) {
    lcl_image im = waves(32, 16, 3), whole, back;
    uint8_t *data;
    size_t n = encode_jpeg_as(&im, progressive, &data);
    assert_int_equal(lcl__image_decode(data, n, 0, &whole), LCL_OK);
    for (size_t cut = 1; cut <= 2; cut++) {
      assert_int_equal(lcl__image_decode(data, n - cut, 0, &back), LCL_OK);
      assert_memory_equal(back.data, whole.data, 32 * 16 * 3);
      lcl__image_free(&back);
    }
    for (size_t cut = 5; cut < n; cut += 3)
      assert_int_equal(lcl__image_decode(data, n - cut, 0, &back), LCL_ERR_FORMAT);
    lcl__image_free(&whole);
    free(data);
    free(im.data);
  }
}

/* A file that ends between two scans lacks them, whatever marker its end has. */
static void jpeg_without_scans(void **state) {
  (void)state;
  for (int scans = PROGRESSIVE; scans <= SCAN_A_COLOUR; scans++) {
    lcl_image im = waves(32, 16, 3), back;
    uint8_t *data;
    const size_t n = encode_jpeg_as(&im, scans, &data);
    int cuts = 0;
    assert_int_equal(lcl__image_decode(data, n, 0, &back), LCL_OK);
    lcl__image_free(&back);
    for (size_t at = n - 2; at > 2; at--) {
      if (data[at] != 0xFF || data[at + 1] != 0xDA) continue; /* the start of a scan */
      data[at + 1] = 0xD9;                                    /* the end of the file */
      assert_int_equal(lcl__image_decode(data, at + 2, 0, &back), LCL_ERR_FORMAT);
      cuts++;
    }
    assert_true(cuts >= 3);
    free(data);
    free(im.data);
  }
}

static size_t add_chunk(uint8_t *to, const char *name, const uint8_t *data, uint8_t n) {
  memcpy(to, ((uint8_t[]) { 0, 0, 0, n }), 4);
  memcpy(to + 4, name, 4);
  memcpy(to + 8, data, n);
  const uint32_t sum = (uint32_t)crc32(0, to + 4, 4u + n);
  for (int i = 0; i < 4; i++) to[8 + n + i] = (uint8_t)(sum >> (24 - 8 * i));
  return 12u + n;
}

/* Orientation before or after the pixels; a damaged chunk that says how the image looks is not left
 * out in silence, a comment is. */
static void png_chunks(void **state) {
  (void)state;
  static const uint8_t turn[] = { 'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12,
                                  1,   3,   0,   1, 0, 0, 0, 3, 0, 0, 0 },
                       clear[] = { 0, 9 }, text[] = { 'a', 0, 'b' };
  const struct {
    const char *name;
    const uint8_t *data;
    uint8_t n;
    bool late, damaged;
    lcl_status status;
    uint8_t first;
  } cases[] = { { "eXIf", turn, sizeof turn, false, false, LCL_OK, 40 },
                { "eXIf", turn, sizeof turn, true, false, LCL_OK, 40 },
                { "eXIf", turn, sizeof turn, false, true, LCL_ERR_FORMAT, 0 },
                { "eXIf", turn, sizeof turn, true, true, LCL_ERR_FORMAT, 0 },
                { "tEXt", text, sizeof text, true, true, LCL_OK, 10 },
                { "tRNS", clear, sizeof clear, false, false, LCL_OK, 10 },
                { "tRNS", clear, sizeof clear, false, true, LCL_ERR_FORMAT, 0 },
                { "tEXt", text, sizeof text, false, true, LCL_OK, 10 } };
  const lcl_image im = { 2, 2, 1, (uint8_t[]) { 10, 20, 30, 40 } };
  uint8_t *file, more[512];
  size_t n;
  assert_int_equal(lcl__png_encode(&im, &file, &n), LCL_OK);
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const size_t at = cases[i].late ? n - 12 : 33; /* behind the header or before the end */
    lcl_image back;
    memcpy(more, file, at);
    const size_t added = add_chunk(more + at, cases[i].name, cases[i].data, cases[i].n);
    more[at + added - 1] ^= cases[i].damaged;
    memcpy(more + at + added, file + at, n - at);
    assert_int_equal(lcl__image_decode(more, n + added, 0, &back), cases[i].status);
    if (cases[i].status != LCL_OK) continue;
    assert_int_equal(back.data[0], cases[i].first);
    lcl__image_free(&back);
  }
  lcl__free(file);
}

static size_t encode_png(int type, int bits, const uint8_t *pixels, int side, uint8_t **out) {
  char path[300];
  snprintf(path, sizeof path, "%s/latentcl-png-%ld", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
           (long)getpid());
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, f);
  png_set_IHDR(png, info, (png_uint_32)side, (png_uint_32)side, bits, type, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  for (int y = 0; y < side; y++)
    png_write_row(png, (png_bytep)(uintptr_t)(pixels + (size_t)y * png_get_rowbytes(png, info)));
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  fclose(f);
  void *data;
  size_t n;
  assert_int_equal(lcl__file_read(path, 1 << 20, &data, &n), LCL_OK);
  unlink(path);
  *out = data;
  return n;
}

/* Nothing that a PNG file says is lost without a word. */
static void png_alpha_and_depth(void **state) {
  (void)state;
  uint8_t *file;
  lcl_image back;
  const uint8_t opaque[8] = { 10, 255, 20, 255, 30, 255, 40, 255 },
                clear[8] = { 255, 0, 255, 255, 255, 0, 255, 0 },
                deep[8] = { 0xff, 0xff, 0x80, 0x80, 0, 0, 0x12, 0x34 },
                low[8] = { 0x3f, 0xff, 0, 7, 0, 0, 1, 0 };
  size_t n = encode_png(PNG_COLOR_TYPE_GRAY_ALPHA, 8, opaque, 2, &file);
  assert_int_equal(lcl__image_decode(file, n, 0, &back), LCL_OK);
  assert_int_equal(back.channels, 1);
  assert_memory_equal(back.data, ((uint8_t[]) { 10, 20, 30, 40 }), 4);
  lcl__image_free(&back);
  lcl__free(file);
  n = encode_png(PNG_COLOR_TYPE_GRAY_ALPHA, 8, clear, 2, &file);
  assert_int_equal(lcl__image_decode(file, n, 0, &back), LCL_ERR_UNSUPPORTED);
  assert_non_null(strstr(lcl_error_message(), "transparent"));
  lcl__free(file);
  n = encode_png(PNG_COLOR_TYPE_GRAY, 16, deep, 2, &file);
  assert_int_equal(lcl__image_decode(file, n, 0, &back), LCL_OK);
  assert_memory_equal(back.data, ((uint8_t[]) { 255, 128, 0, 18 }), 4);
  lcl__image_free(&back);
  lcl__free(file);
  n = encode_png(PNG_COLOR_TYPE_GRAY, 16, low, 2, &file);
  assert_int_equal(lcl__image_decode(file, n, 0, &back), LCL_ERR_UNSUPPORTED);
  assert_non_null(strstr(lcl_error_message(), "16383 of 65535"));
  lcl__free(file);
}

/* A progressive file of a few bytes that announces 60937 x 32886 pixels: no memory may be taken for
 * them. */
static void huge_jpeg_is_refused(void **state) {
  (void)state;
  static const uint8_t file[] = { 0xff, 0xd8, 0xff, 0xc2, 0x00, 0x0b, 0x08, 0x80, 0x76,
                                  0xee, 0x09, 0x01, 0x01, 0x11, 0x00, 0xff, 0xda, 0x00,
                                  0x08, 0x01, 0x01, 0x00, 0x00, 0x00, 0x01, 0xff, 0xd9 };
  lcl_image back;
  assert_int_equal(lcl__image_decode(file, sizeof file, 0, &back), LCL_ERR_FORMAT);
  assert_non_null(strstr(lcl_error_message(), "60937x32886 cannot be read"));
}

static void huge_png_is_refused(void **state) {
  (void)state;
  lcl_image im = waves(4, 4, 1), back;
  uint8_t *data;
  size_t n;
  assert_int_equal(lcl__png_encode(&im, &data, &n), LCL_OK);
  data[16] = 0x7f; /* width of 2 thousand million; the checksum is wrong as well */
  assert_int_equal(lcl__image_decode(data, n, 0, &back), LCL_ERR_FORMAT);
  lcl__free(data);
  free(im.data);
}

static void resampling(void **state) {
  (void)state;
  lcl_image im = waves(60, 40, 3), same, half, large;
  assert_int_equal(lcl__image_resize(&im, 60, 40, &same), LCL_OK);
  assert_memory_equal(same.data, im.data, 60 * 40 * 3);
  assert_int_equal(lcl__image_resize(&im, 20, 20, &half), LCL_OK);
  assert_int_equal(lcl__image_resize(&im, 120, 80, &large), LCL_OK);
  double mean[3] = { 0 };
  for (int i = 0; i < 60 * 40 * 3; i++) mean[0] += im.data[i] / 7200.0;
  for (int i = 0; i < 20 * 20 * 3; i++) mean[1] += half.data[i] / 1200.0;
  for (int i = 0; i < 120 * 80 * 3; i++) mean[2] += large.data[i] / 28800.0;
  assert_true(fabs(mean[1] - mean[0]) < 2 && fabs(mean[2] - mean[0]) < 2);
  /* Between two pixels, a quarter and three quarters of the way. */
  double want = 0.75 * im.data[(10 * 60 + 10) * 3] + 0.25 * im.data[(10 * 60 + 11) * 3];
  double below = 0.75 * im.data[(11 * 60 + 10) * 3] + 0.25 * im.data[(11 * 60 + 11) * 3];
  assert_true(fabs(large.data[(21 * 120 + 21) * 3] - (0.75 * want + 0.25 * below)) <= 0.51);
  lcl__image_free(&same);
  lcl__image_free(&half);
  lcl__image_free(&large);
  /* The centre square of a wide image: columns 10..49 of 60, then half size. */
  uint8_t square[3 * 20 * 20];
  assert_int_equal(lcl__image_square(&im, 20, false, square), LCL_OK);
  double left = square[10 * 20], right = square[10 * 20 + 19];
  assert_true(fabs(left - im.data[(20 * 60 + 10) * 3]) < 15 &&
              fabs(right - im.data[(20 * 60 + 49) * 3]) < 15);
  free(im.data);
}

/* Reducing weighs everything under the filter; a square is cut from the middle. */
static void reducing(void **state) {
  (void)state;
  uint8_t line[8] = { 255 }, tall[4 * 8], square[16];
  lcl_image small;
  assert_int_equal(LCL_OK, lcl__image_resize(&(lcl_image) { 8, 1, 1, line }, 2, 1, &small));
  assert_int_equal(small.data[0], 46); /* 255 * 0.625 / 3.5 */
  assert_int_equal(small.data[1], 0);
  lcl__image_free(&small);
  for (int i = 0; i < 32; i++) tall[i] = (uint8_t)(i / 4 * 10);
  assert_int_equal(LCL_OK, lcl__image_square(&(lcl_image) { 4, 8, 1, tall }, 4, true, square));
  for (int i = 0; i < 16; i++) assert_int_equal(square[i], 20 + i / 4 * 10);
  for (int i = 0; i < 32; i++) tall[i] = (uint8_t)(i % 8 * 10);
  assert_int_equal(LCL_OK, lcl__image_square(&(lcl_image) { 8, 4, 1, tall }, 4, true, square));
  for (int i = 0; i < 16; i++) assert_int_equal(square[i], 20 + i % 4 * 10);
}

/* Captions make room for themselves and leave the images as they are. */
static void captions(void **state) {
  (void)state;
  static const float images[] = { 0, 0.25f, 0.5f, 0.75f };
  const char *const names[] = { "ab", "\xc3\xa9\xe2\x82\xac" };
  lcl_image plain, with;
  lcl_grid_desc d = { 4, 2, 1, 1, 1, 1, 20, 77 };
  assert_int_equal(lcl__text_width("", 1), 0);
  assert_int_equal(lcl__text_width(names[0], 2), 28);
  assert_int_equal(lcl__text_width(names[1], 1), 14); /* letters, not bytes */
  assert_int_equal(lcl__image_grid(&d, images, &plain), LCL_OK);
  d.title = "t", d.captions = names;
  assert_int_equal(lcl__image_grid(&d, images, &with), LCL_OK);
  const int left = with.width - plain.width, top = with.height - plain.height;
  assert_int_equal(left, 14 + 12);
  assert_int_equal(top, 13 + 6);
  int ink[3] = { 0 };
  for (int y = 0; y < with.height; y++)
    for (int x = 0; x < with.width; x++) {
      const int v = with.data[y * with.width + x];
      if (y >= top && x >= left)
        assert_int_equal(v, plain.data[(y - top) * plain.width + x - left]);
      else
        ink[y < top ? 0 : y < top + 21 ? 1 : 2] += v == 240;
    }
  for (int i = 0; i < 3; i++) ASSERT_BETWEEN(ink[i], 8, 60);
  /* What the font does not have is a question mark; text is cut off at the edges. */
  lcl_image a = with, b = plain;
  const uint8_t white[3] = { 255, 255, 255 };
  memset(a.data, 0, (size_t)(a.width * a.height));
  lcl__image_text(&a, 0, 0, 1, white, "\xe2\x82\xac");
  b = a, b.data = lcl__alloc((size_t)(a.width * a.height));
  lcl__image_text(&b, 0, 0, 1, white, "?");
  assert_memory_equal(a.data, b.data, (size_t)(a.width * a.height));
  lcl__image_text(&b, -3, -3, 9, white, "long text beyond every edge \xff\xc3");
  lcl__image_text(&b, a.width - 2, a.height - 2, 2, white, "x");
  lcl__image_free(&b);
  lcl__image_free(&plain);
  lcl__image_free(&with);
}

static void grids(void **state) {
  (void)state;
  const float images[3 * 4] = { 0, 1, 0.5f, 2, -1, NAN, 0.2f, 0.4f, 1, 1, 1, 1 };
  lcl_image grid;
  lcl_grid_desc d = { 3, 2, 1, 2, 2, 1, 2, 77 };
  assert_int_equal(lcl__image_grid(&d, images, &grid), LCL_OK);
  assert_int_equal(grid.width, 11);
  assert_int_equal(grid.height, 11);
  assert_int_equal(grid.data[0], 77);
  assert_int_equal(grid.data[1 * 11 + 1], 0);
  assert_int_equal(grid.data[1 * 11 + 3], 255);
  assert_int_equal(grid.data[4 * 11 + 2], 128); /* 0.5, enlarged */
  assert_int_equal(grid.data[3 * 11 + 4], 255); /* 2, clipped */
  assert_int_equal(grid.data[1 * 11 + 8], 128); /* not a number */
  assert_int_equal(grid.data[7 * 11 + 2], 255); /* second row */
  assert_int_equal(grid.data[7 * 11 + 8], 77);  /* empty cell */
  char *uri;
  assert_int_equal(lcl__png_data_uri(&grid, &uri), LCL_OK);
  assert_int_equal(strncmp(uri, "data:image/png;base64,iVBORw0KGgo", 33), 0);
  lcl__free(uri);
  lcl__image_free(&grid);
  d.n = 0;
  assert_int_equal(lcl__image_grid(&d, images, &grid), LCL_ERR_ARGUMENT);
  char dir[256], path[300];
  temp_make(dir);
  snprintf(path, sizeof path, "%s/grid.png", dir);
  d.n = 3;
  assert_int_equal(lcl__image_grid_png(&d, images, path), LCL_OK);
  assert_true(lcl__file_exists(path));
  temp_remove(dir);
  assert_int_equal(lcl__image_grid_png(&d, images, "/nonexistent/grid.png"), LCL_ERR_IO);
}

static void base64(void **state) {
  (void)state;
  static const struct {
    const char *in, *out;
  } cases[] = { { "", "" },        { "f", "Zg==" },          { "fo", "Zm8=" },
                { "foo", "Zm9v" }, { "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfd", "//79" } };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    char *text = lcl__base64((const uint8_t *)cases[i].in, strlen(cases[i].in));
    assert_string_equal(text, cases[i].out);
    lcl__free(text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(png_round_trip),
    cmocka_unit_test(jpeg_reading),
    cmocka_unit_test(jpeg_extras),
    cmocka_unit_test(jpeg_without_end),
    cmocka_unit_test(jpeg_without_scans),
    cmocka_unit_test(png_chunks),
    cmocka_unit_test(png_alpha_and_depth),
    cmocka_unit_test(huge_png_is_refused),
    cmocka_unit_test(huge_jpeg_is_refused),
    cmocka_unit_test(resampling),
    cmocka_unit_test(reducing),
    cmocka_unit_test(captions),
    cmocka_unit_test(grids),
    cmocka_unit_test(base64),
  };
  return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
