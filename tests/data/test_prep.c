/* Preprocessing against plain formulas, its saved form, and the range guard. */
#include <math.h>
#include <stdint.h>

#include "base/base.h"
#include "base/linalg.h"
#include "base/philox.h"
#include "data/prep.h"
#include "test.h"

#define N     40
#define H     9
#define W     8
#define PLANE (H * W)
#define EACH  (3 * PLANE)

static float values[N * EACH];

static lcl_dataset *noise(void) {
  lcl_dataset *ds;
  lcl__philox_uniform(1, 2, 3, values, N * EACH);
  assert_int_equal(lcl_dataset_from_f32("noise", values, NULL, N, 3, H, W, 0, &ds), LCL_OK);
  return ds;
}

static void apply(const lcl_prep_desc *desc, const lcl_dataset *ds, int64_t i, float *out) {
  float in[EACH];
  lcl_prep *p;
  assert_int_equal(lcl_prep_fit(desc, ds, &p), LCL_OK);
  assert_int_equal(lcl_dataset_example(ds, i, in), LCL_OK);
  assert_int_equal(lcl_prep_apply(p, in, out), LCL_OK);
  lcl_prep_destroy(p);
}

static void nothing(void **state) {
  (void)state;
  lcl_dataset *ds = noise();
  float out[EACH];
  apply(&(lcl_prep_desc) { 0 }, ds, 7, out);
  assert_memory_equal(out, values + 7 * EACH, sizeof out);
  lcl_dataset_close(ds);
}

static void mean_image_and_centre_crop(void **state) {
  (void)state;
  lcl_dataset *ds = noise();
  float out[3 * 16];
  apply(&(lcl_prep_desc) { .centre = LCL_CENTRE_MEAN_IMAGE, .crop = 4 }, ds, 5, out);
  for (int c = 0; c < 3; c++) {
    for (int y = 0; y < 4; y++) {
      for (int x = 0; x < 4; x++) {
        int at = c * PLANE + (y + 2) * W + x + 2; /* (9-4)/2 = 2, (8-4)/2 = 2 */
        double mean = 0;
        for (int i = 0; i < N; i++) mean += values[i * EACH + at] / (double)N;
        assert_float_equal(out[c * 16 + y * 4 + x], values[5 * EACH + at] - mean, 2e-7f);
      }
    }
  }
  lcl_dataset_close(ds);
}

static void moments(const float *x, size_t n, double *mean, double *deviation) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++) sum += x[i];
  *mean = sum / (double)n;
  for (size_t i = 0; i < n; i++) squares += (x[i] - *mean) * (x[i] - *mean);
  *deviation = sqrt(squares / (double)n);
}

static void standardise(void **state) {
  (void)state;
  lcl_dataset *ds = noise();
  float out[EACH];
  double mean, deviation;
  apply(&(lcl_prep_desc) { .contrast = LCL_CONTRAST_STANDARDISE }, ds, 3, out);
  for (int c = 0; c < 3; c++) {
    moments(out + c * PLANE, PLANE, &mean, &deviation);
    assert_float_equal(mean, 0, 1e-6f);
    assert_float_equal(deviation, 1, 1e-5f);
  }
  apply(&(lcl_prep_desc) { .contrast = LCL_CONTRAST_GCN, .gcn_scale = 55 }, ds, 3, out);
  moments(out, EACH, &mean, &deviation);
  assert_float_equal(mean, 0, 1e-5f);
  assert_float_equal(deviation * sqrt(EACH), 55, 1e-3f);
  apply(&(lcl_prep_desc) { .contrast = LCL_CONTRAST_UNIT_NORM }, ds, 3, out);
  double norm = 0;
  for (int i = 0; i < EACH; i++) norm += out[i] * out[i];
  assert_float_equal(norm, 1, 1e-5f);
  apply(&(lcl_prep_desc) { .contrast = LCL_CONTRAST_MAX_ABS }, ds, 3, out);
  float top = 0;
  for (int i = 0; i < EACH; i++) top = fmaxf(top, fabsf(out[i]));
  assert_float_equal(top, 1, 1e-6f);
  lcl_dataset_close(ds);
}

static void channel_statistics(void **state) {
  (void)state;
  lcl_dataset *ds = noise();
  float all[N * PLANE], out[EACH];
  double mean, deviation;
  for (int i = 0; i < N; i++)
    memcpy(all + i * PLANE, values + i * EACH + PLANE, PLANE * sizeof *all);
  moments(all, N * PLANE, &mean, &deviation);
  apply(&(lcl_prep_desc) { .centre = LCL_CENTRE_CHANNEL }, ds, 1, out);
  for (int k = 0; k < PLANE; k++)
    assert_float_equal(out[PLANE + k], (values[EACH + PLANE + k] - mean) / deviation, 1e-5f);
  apply(&(lcl_prep_desc) { .centre = LCL_CENTRE_CHROMA }, ds, 1, out);
  assert_memory_equal(out, values + EACH, PLANE * sizeof *out);
  assert_float_equal(out[PLANE], (values[EACH + PLANE] - mean) / deviation, 1e-5f);
  lcl_dataset_close(ds);
}

/* Beside the square of the mean that of the deviation is less than a sum of squares is rounded by.
 */
static void channels_far_from_zero(void **state) {
  (void)state;
  lcl_dataset *ds;
  float out[EACH];
  for (int i = 0; i < N * EACH; i++) values[i] = i % 2 ? 1e8f : 1e8f + 16;
  assert_int_equal(lcl_dataset_from_f32("far", values, NULL, N, 3, H, W, 0, &ds), LCL_OK);
  apply(&(lcl_prep_desc) { .centre = LCL_CENTRE_CHANNEL }, ds, 1, out);
  for (int k = 0; k < EACH; k++) assert_float_equal(out[k], k % 2 ? -1 : 1, 1e-5f);
  lcl_dataset_close(ds);
}

static void colours(void **state) {
  (void)state;
  lcl_dataset *ds = noise();
  const float *in = values + 2 * EACH;
  float out[EACH], grey[PLANE], image[EACH];
  apply(&(lcl_prep_desc) { .colour = LCL_COLOUR_YUV }, ds, 2, out);
  apply(&(lcl_prep_desc) { .colour = LCL_COLOUR_GREY }, ds, 2, grey);
  for (int k = 0; k < PLANE; k++) {
    double r = in[k], g = in[PLANE + k], b = in[2 * PLANE + k];
    assert_float_equal(out[k], .299 * r + .587 * g + .114 * b, 1e-6f);
    assert_float_equal(out[PLANE + k], -.14713 * r - .28886 * g + .436 * b, 1e-6f);
    assert_float_equal(out[2 * PLANE + k], .615 * r - .51499 * g - .10001 * b, 1e-6f);
    assert_float_equal(grey[k], out[k], 0);
  }
  lcl_prep *p;
  assert_int_equal(
      lcl_prep_fit(&(lcl_prep_desc) { .colour = LCL_COLOUR_YUV, .centre = LCL_CENTRE_CHANNEL }, ds,
                   &p),
      LCL_OK);
  assert_int_equal(lcl_prep_apply(p, in, out), LCL_OK);
  assert_int_equal(lcl_prep_to_image(p, out, image), LCL_OK);
  for (int k = 0; k < EACH; k++)
    assert_float_equal(image[k], in[k], 2e-4f); /* the printed matrix has five digits */
  lcl_prep_destroy(p);
  lcl_dataset_close(ds);
}

/* Local contrast normalisation written with explicit two-dimensional sums. */
static void local_contrast(void **state) {
  (void)state;
  lcl_dataset *ds = noise();
  float out[EACH];
  double k[7], x1[PLANE], kernel_sum = 0;
  const float *in = values + 4 * EACH;
  apply(&(lcl_prep_desc) { .contrast = LCL_CONTRAST_LOCAL_Y }, ds, 4, out);
  for (int i = 0; i < 7; i++) kernel_sum += k[i] = exp(-0.5 * (i - 3) * (i - 3) / (1.75 * 1.75));
  for (int i = 0; i < 7; i++) k[i] /= kernel_sum;
  for (int pass = 0; pass < 2; pass++) {
    double next[PLANE];
    for (int y = 0; y < H; y++) {
      for (int x = 0; x < W; x++) {
        double sum = 0, ones = 0;
        for (int a = -3; a <= 3; a++) {
          for (int b = -3; b <= 3; b++) {
            if (y + a < 0 || y + a >= H || x + b < 0 || x + b >= W) continue;
            double w = k[a + 3] * k[b + 3],
                   v = pass ? x1[(y + a) * W + x + b] : in[(y + a) * W + x + b];
            sum += w * (pass ? v * v : v);
            ones += w;
          }
        }
        next[y * W + x] = pass ? x1[y * W + x] / fmax(sqrt(sum) / ones, 1e-4)
                               : in[y * W + x] - sum / ones;
      }
    }
    memcpy(x1, next, sizeof x1);
  }
  for (int i = 0; i < PLANE; i++) assert_float_equal(out[i], x1[i], 2e-5f);
  assert_memory_equal(out + PLANE, in + PLANE,
                      2 * PLANE * sizeof *out); /* the other channels are left alone */
  lcl_dataset_close(ds);
}

/* After ZCA with a tiny eps the covariance is the identity on the span of the data. */
static void whitening(void **state) {
  (void)state;
  enum { D = 6, M = 300 };
  float x[M * D], u[M * D], out[D];
  lcl__philox_normal(9, 9, 9, u, M * D);
  for (int i = 0; i < M; i++)
    for (int k = 0; k < D; k++)
      x[i * D + k] = u[i * D + k] * (float)(k + 1) + u[i * D + (k + 1) % D];
  lcl_dataset *ds;
  lcl_prep *p;
  assert_int_equal(lcl_dataset_from_f32("x", x, NULL, M, 1, 1, D, 0, &ds), LCL_OK);
  assert_int_equal(
      lcl_prep_fit(&(lcl_prep_desc) { .centre = LCL_CENTRE_ZCA, .zca_eps = 1e-9f }, ds, &p),
      LCL_OK);
  double cov[D][D] = { 0 };
  for (int i = 0; i < M; i++) {
    assert_int_equal(lcl_prep_apply(p, x + i * D, out), LCL_OK);
    for (int a = 0; a < D; a++)
      for (int b = 0; b < D; b++) cov[a][b] += (double)out[a] * out[b] / M;
  }
  for (int a = 0; a < D; a++)
    for (int b = 0; b < D; b++) assert_float_equal(cov[a][b], a == b, 2e-5f);
  lcl_prep_destroy(p);
  lcl_dataset_close(ds);
}

static void saving(void **state) {
  (void)state;
  static const lcl_prep_desc descs[] = {
    { .centre = LCL_CENTRE_MEAN_IMAGE, .crop = 5, .mirror = LCL_MIRROR_EACH },
    { .colour = LCL_COLOUR_YUV, .contrast = LCL_CONTRAST_LOCAL_Y, .centre = LCL_CENTRE_CHROMA },
    { .colour = LCL_COLOUR_GREY, .centre = LCL_CENTRE_ZCA, .gain = 1.9921875f, .shift = -1 },
    { .contrast = LCL_CONTRAST_GCN, .gcn_scale = 55, .centre = LCL_CENTRE_ZCA, .zca_eps = 3 },
  };
  lcl_dataset *ds = noise();
  for (size_t i = 0; i < LCL_COUNT(descs); i++) {
    lcl_prep *a, *b;
    char *json;
    lcl_prep_array arrays[4];
    float x[EACH], y[EACH];
    assert_int_equal(lcl_prep_fit(&descs[i], ds, &a), LCL_OK);
    assert_int_equal(lcl_prep_to_json(a, &json), LCL_OK);
    int n = lcl_prep_arrays(a, arrays);
    assert_true(n > 0);
    assert_int_equal(lcl_prep_from_json(json, arrays, n, &b), LCL_OK);
    assert_int_equal(lcl_prep_apply(a, values, x), LCL_OK);
    assert_int_equal(lcl_prep_apply(b, values, y), LCL_OK);
    int c, h, w;
    lcl_prep_shape(b, &c, &h, &w);
    assert_memory_equal(x, y, (size_t)(c * h * w) * sizeof *x);
    assert_int_equal(lcl_prep_describe(b).mirror, descs[i].mirror);
    assert_float_equal(lcl_prep_describe(b).zca_eps, lcl_prep_describe(a).zca_eps, 0);
    assert_float_equal(lcl_prep_describe(b).gcn_scale, lcl_prep_describe(a).gcn_scale, 0);
    lcl_prep_destroy(b);
    assert_int_equal(lcl_prep_from_json(json, arrays, n - 1, &b), LCL_ERR_FORMAT);
    json[strlen(json) / 2] = 0;
    assert_int_equal(lcl_prep_from_json(json, arrays, n, &b), LCL_ERR_FORMAT);
    lcl_data_free(json);
    lcl_prep_destroy(a);
  }
  lcl_dataset_close(ds);
}

static void errors(void **state) {
  (void)state;
  lcl_dataset *ds = noise(), *grey;
  lcl_prep *p;
  assert_int_equal(lcl_prep_fit(&(lcl_prep_desc) { .crop = 10 }, ds, &p), LCL_ERR_ARGUMENT);
  assert_int_equal(lcl_dataset_from_f32("g", values, NULL, 4, 1, H, W, 0, &grey), LCL_OK);
  assert_int_equal(lcl_prep_fit(&(lcl_prep_desc) { .colour = LCL_COLOUR_YUV }, grey, &p),
                   LCL_ERR_ARGUMENT);
  lcl_dataset_close(grey);
  lcl_dataset_close(ds);
}

static void range_guard(void **state) {
  (void)state;
  lcl_dataset *ds = noise(), *bytes;
  static float big[N * EACH], tiny[N * EACH];
  assert_int_equal(lcl_range_check(ds, NULL, 0, 1, "training images"), LCL_OK);
  for (int i = 0; i < N * EACH; i++) {
    big[i] = values[i] * 255;
    tiny[i] = values[i] / 255;
  }
  assert_int_equal(lcl_range_check_values(big, N * EACH, 0, 1, "training images"),
                   LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "not divided by 255"));
  assert_int_equal(lcl_range_check_values(tiny, N * EACH, 0, 1, "training images"),
                   LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "twice"));
  assert_int_equal(lcl_range_check_values(big, N * EACH, 0, 255, "training images"), LCL_OK);
  big[3] = NAN;
  assert_int_equal(lcl_range_check_values(big, N * EACH, 0, 255, "training images"),
                   LCL_ERR_NUMERIC);
  assert_int_equal(lcl_dataset_from_f32("bytes", tiny, NULL, N, 3, H, W, 0, &bytes), LCL_OK);
  bytes->scale = 255 * 255;
  assert_int_equal(lcl_range_check(bytes, NULL, 0, 1, "x"), LCL_ERR_ARGUMENT);
  lcl_dataset_close(bytes);
  lcl_prep *p;
  float lo, hi;
  assert_int_equal(lcl_prep_fit(&(lcl_prep_desc) { .gain = 255.0f / 128, .shift = -1 }, ds, &p),
                   LCL_OK);
  assert_true(lcl_prep_range(p, &lo, &hi));
  assert_float_equal(lo, -1, 0);
  assert_float_equal(hi, 127 / 128.0f, 1e-6f);
  assert_int_equal(lcl_range_check(ds, p, lo, hi, "x"), LCL_OK);
  assert_int_equal(lcl_range_check(ds, p, 0, 1, "x"), LCL_ERR_ARGUMENT);
  lcl_prep_destroy(p);
  lcl_dataset_close(ds);
}

/* ---- the linear algebra below ---- */

/* What was prepared is an image again: the window of the middle, its colours; after a contrast,
 * which is lost, stretched to [0,1]. */
/* The bounds of what is prepared, where there are any. */
static void ranges(void **state) {
  (void)state;
  static const struct {
    lcl_prep_desc desc;
    bool bounded;
    float lo, hi;
  } cases[] = {
    { { 0 }, true, 0, 1 },
    { { .colour = LCL_COLOUR_GREY }, true, 0, 1 },
    { { .colour = LCL_COLOUR_YUV }, false, 0, 0 },
    { { .contrast = LCL_CONTRAST_MAX_ABS }, true, -1, 1 },
    { { .centre = LCL_CENTRE_MEAN_IMAGE }, true, -1, 1 },
    { { .contrast = LCL_CONTRAST_MAX_ABS, .centre = LCL_CENTRE_MEAN_IMAGE }, true, -2, 2 },
    { { .centre = LCL_CENTRE_CHANNEL }, false, 0, 0 },
    { { .gain = -2, .shift = 0.5f }, true, -1.5f, 0.5f },
  };
  lcl_dataset *ds = noise();
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    lcl_prep *p;
    float lo, hi;
    assert_int_equal(lcl_prep_fit(&cases[i].desc, ds, &p), LCL_OK);
    assert_int_equal(lcl_prep_range(p, &lo, &hi), cases[i].bounded);
    if (cases[i].bounded) assert_true(lo == cases[i].lo && hi == cases[i].hi);
    lcl_prep_destroy(p);
  }
  lcl_dataset_close(ds);
}

static void back_to_an_image(void **state) {
  (void)state;
  enum { CROP = 5, TOP = (H - CROP) / 2, LEFT = (W - CROP) / 2 };
  static const lcl_centre centres[] = { LCL_CENTRE_NONE, LCL_CENTRE_MEAN_IMAGE, LCL_CENTRE_CHANNEL,
                                        LCL_CENTRE_CHROMA };
  static const lcl_colour colour[] = { LCL_COLOUR_KEEP, LCL_COLOUR_GREY, LCL_COLOUR_YUV };
  lcl_dataset *ds = noise();
  const float *in = values + 6 * EACH;
  for (int k = 0; k < 24; k++) {
    const lcl_prep_desc d = { .centre = centres[k % 4],
                              .colour = colour[k / 4 % 3],
                              .crop = CROP,
                              .gain = k < 12 ? 0 : 3,
                              .shift = k < 12 ? 0 : 0.4f };
    const int channels = d.colour == LCL_COLOUR_GREY ? 1 : 3;
    float out[EACH], image[EACH];
    lcl_prep *p;
    ASSERT_OK(lcl_prep_fit(&d, ds, &p));
    ASSERT_OK(lcl_prep_apply(p, in, out));
    ASSERT_OK(lcl_prep_to_image(p, out, image));
    for (int i = 0; i < channels * CROP * CROP; i++) {
      const int at = (TOP + i / CROP % CROP) * W + LEFT + i % CROP;
      const double grey = .299 * in[at] + .587 * in[PLANE + at] + .114 * in[2 * PLANE + at];
      const double want = channels == 1 ? grey : in[i / (CROP * CROP) * PLANE + at];
      assert_float_equal(image[i], want, 2e-4); /* the printed matrices have five digits */
    }
    lcl_prep_destroy(p);
  }
  for (int k = 0; k < 2; k++) {
    const lcl_prep_desc d = { .contrast = k ? LCL_CONTRAST_NONE : LCL_CONTRAST_STANDARDISE,
                              .centre = k ? LCL_CENTRE_ZCA : LCL_CENTRE_NONE,
                              .crop = CROP };
    float out[EACH], image[EACH], low = INFINITY, high = -INFINITY;
    lcl_prep *p;
    ASSERT_OK(lcl_prep_fit(&d, ds, &p));
    ASSERT_OK(lcl_prep_apply(p, in, out));
    ASSERT_OK(lcl_prep_to_image(p, out, image));
    for (int i = 0; i < 3 * CROP * CROP; i++) low = fminf(low, out[i]), high = fmaxf(high, out[i]);
    for (int i = 0; i < 3 * CROP * CROP; i++)
      assert_float_equal(image[i], (out[i] - low) / (high - low), 1e-6);
    lcl_prep_destroy(p);
  }
  lcl_dataset_close(ds);
}

static void eigen(void **state) {
  (void)state;
  for (int n = 1; n <= 40; n += 13) {
    float g[1600];
    double a[1600], copy[1600], value[40];
    lcl__philox_normal(4, 4, (uint64_t)n, g, 1600);
    for (int i = 0; i < n; i++)
      for (int k = 0; k < n; k++)
        copy[i * n + k] = a[i * n + k] = g[LCL_MIN(i, k) * n + LCL_MAX(i, k)];
    assert_int_equal(lcl__eigen_symmetric(a, value, n), LCL_OK);
    for (int i = 0; i < n; i++) {
      if (i) assert_true(value[i] <= value[i - 1]);
      for (int k = 0; k < n; k++) {
        double left = 0, product = 0; /* A v = l v, v.v' = 1 or 0 */
        for (int j = 0; j < n; j++) {
          left += copy[k * n + j] * a[i * n + j];
          product += a[i * n + j] * a[k * n + j];
        }
        assert_true(fabs(left - value[i] * a[i * n + k]) < 1e-12 * n);
        assert_true(fabs(product - (i == k)) < 1e-13 * n);
      }
    }
  }
  /* Of low rank, with rows of zeros, as covariances of images are. */
  enum { M = 120 };
  static double low[M * M], kept[M * M], values_of[M];
  for (int r = 0; r < 5; r++) {
    float v[M];
    lcl__philox_normal(6, 6, (uint64_t)r, v, M);
    for (int i = 0; i < M; i++)
      for (int k = 0; k < M; k++)
        low[i * M + k] += i % 3 && k % 3 ? (double)v[i] * v[k] * pow(10, -3 * r) : 0;
  }
  memcpy(kept, low, sizeof low);
  assert_int_equal(lcl__eigen_symmetric(low, values_of, M), LCL_OK);
  for (int i = 0; i < M; i++) {
    for (int k = 0; k < M; k++) {
      double sum = 0;
      for (int j = 0; j < M; j++) sum += values_of[j] * low[j * M + i] * low[j * M + k];
      assert_true(fabs(sum - kept[i * M + k]) < 1e-14 * M * values_of[0]);
    }
  }
  double bad[4] = { NAN, 0, 0, 1 }, value[2];
  assert_int_equal(lcl__eigen_symmetric(bad, value, 2), LCL_ERR_NUMERIC);
  double zero[9] = { 0 }, three[3];
  assert_int_equal(lcl__eigen_symmetric(zero, three, 3), LCL_OK);
  assert_true(three[0] == 0 && fabs(zero[0]) + fabs(zero[1]) + fabs(zero[2]) == 1);
}

static void svd(void **state) {
  (void)state;
  for (int rank = 1; rank <= 8; rank++) {
    enum { D = 8 };
    float g[2 * D * D];
    double a[D * D] = { 0 }, u[D * D], s[D], vt[D * D];
    lcl__philox_normal(4, 5, (uint64_t)rank, g, 2 * D * D);
    for (int i = 0; i < D; i++)
      for (int k = 0; k < D; k++)
        for (int r = 0; r < rank; r++) a[i * D + k] += g[i * D + r] * g[D * D + r * D + k];
    for (int i = 0; i < D && rank == 3; i++)
      a[i * D + 1] = a[i * D + 5] = 3 * a[i * D]; /* parallel exactly */
    assert_int_equal(lcl__svd_small(a, u, s, vt, D), LCL_OK);
    for (int i = 0; i < D; i++) {
      for (int k = 0; k < D; k++) {
        double sum = 0, uu = 0, vv = 0;
        for (int j = 0; j < D; j++) {
          sum += u[i * D + j] * s[j] * vt[j * D + k];
          uu += u[j * D + i] * u[j * D + k];
          vv += vt[i * D + j] * vt[k * D + j];
        }
        assert_true(fabs(sum - a[i * D + k]) < 1e-12 * s[0]);
        assert_true(fabs(uu - (i == k)) < 1e-9 && fabs(vv - (i == k)) < 1e-12);
      }
    }
  }
  double q[25];
  assert_int_equal(lcl__random_orthogonal(q, 5, 1, 1), LCL_OK);
  for (int i = 0; i < 5; i++)
    for (int k = 0; k < 5; k++) {
      double sum = 0;
      for (int j = 0; j < 5; j++) sum += q[i * 5 + j] * q[k * 5 + j];
      assert_true(fabs(sum - (i == k)) < 1e-14);
    }
}

/* The small number is added to each eigenvalue: diag(4, 0) becomes diag(1/sqrt(5), 1). */
static void whitening_of_a_flat_axis(void **state) {
  (void)state;
  double cov[] = { 4, 0, 0, 0 };
  float w[4];
  assert_int_equal(lcl__zca_matrix(cov, 2, 1, w), LCL_OK);
  assert_float_equal(w[0], 1 / sqrtf(5), 1e-6);
  assert_float_equal(w[3], 1, 1e-6);
  assert_float_equal(w[1], 0, 1e-6);
  assert_float_equal(w[2], 0, 1e-6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(whitening_of_a_flat_axis),
    cmocka_unit_test(nothing),
    cmocka_unit_test(mean_image_and_centre_crop),
    cmocka_unit_test(standardise),
    cmocka_unit_test(channel_statistics),
    cmocka_unit_test(channels_far_from_zero),
    cmocka_unit_test(colours),
    cmocka_unit_test(local_contrast),
    cmocka_unit_test(whitening),
    cmocka_unit_test(saving),
    cmocka_unit_test(errors),
    cmocka_unit_test(range_guard),
    cmocka_unit_test(ranges),
    cmocka_unit_test(back_to_an_image),
    cmocka_unit_test(eigen),
    cmocka_unit_test(svd),
  };
  return cmocka_run_group_tests_name("prep", tests, NULL, NULL);
}
