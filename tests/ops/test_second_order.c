/* Network inversion's pattern: the gradient of |d sum(v*y)/dx|^2, where y is a net of convolutions,
 * relu and pooling, with respect to the filters -- two passes of lcl_gradients on the device
 * against central differences of the references in double precision. */
#include "test.h"

#include <math.h>

#include "latentcl/ops.h"
#include "reference/reference.h"
#include "reference/spec.h"

/* x (N,C,S,S) -> conv 3x3 same, relu -> pool 2x2 -> conv 3x3 valid, relu -> y. */
enum { N = 2, C = 2, S = 8, O1 = 3, P = S / 2, O2 = 4, Q = P - 2 };
enum {
  NX = N * C * S * S,
  NW1 = O1 * C * 9,
  NW2 = O2 * O1 * 9,
  NH1 = N * O1 * S * S,
  NP = N * O1 * P * P
};
enum { NY = N * O2 * Q * Q };

static const lcl_ref_conv first = { N, C, S, S, O1, 3, 3, S, S, 1, 1, 1, 1, 1, 1, 1 };
static const lcl_ref_conv second = { N, O1, P, P, O2, 3, 3, Q, Q, 1, 1, 0, 0, 1, 1, 1 };
static const lcl_ref_pool pool = { N * O1, S, S, P, P, 2, 2, 2, 2, 0, 0, 0, 0, false };

typedef struct values {
  double x[NX], w1[NW1], w2[NW2], v[NY];
} values;

/* |d sum(v*y)/dx|^2. */
static double objective(const values *a, bool max_pool) {
  static double h1[NH1], p[NP], h2[NY], gp[NP], gh1[NH1], gx[NX];
  static int32_t indices[NP];
  lcl__ref_conv2d(&first, a->x, a->w1, NULL, h1);
  for (int i = 0; i < NH1; i++) gh1[i] = h1[i] > 0 ? h1[i] : 0; /* after relu */
  if (max_pool)
    lcl__ref_max_pool2d(&pool, gh1, p, indices);
  else
    lcl__ref_avg_pool2d(&pool, gh1, p);
  lcl__ref_conv2d(&second, p, a->w2, NULL, h2);
  for (int i = 0; i < NY; i++) h2[i] = h2[i] > 0 ? a->v[i] : 0; /* back through relu */
  lcl__ref_conv2d_input_grad(&second, h2, a->w2, gp);
  if (max_pool)
    lcl__ref_max_unpool2d(N * O1, S * S, P * P, gp, indices, gh1);
  else
    lcl__ref_avg_unpool2d(&pool, gp, gh1);
  for (int i = 0; i < NH1; i++) gh1[i] = h1[i] > 0 ? gh1[i] : 0;
  lcl__ref_conv2d_input_grad(&first, gh1, a->w1, gx);
  double sum = 0;
  for (int i = 0; i < NX; i++) sum += gx[i] * gx[i];
  return sum;
}

static void feed(lcl_program *p, const char *name, const double *from, int n) {
  float data[NX];
  for (int i = 0; i < n; i++) data[i] = (float)from[i];
  ASSERT_OK(lcl_feed(p, name, data, (size_t)n * sizeof *data));
}

static void device_gradients(const values *a, bool max_pool, float *objective_out, float *g1,
                             float *g2) {
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "second", &g));
  lcl_tensor *x = lcl_input(g, "x", LCL_F32, LCL_SHAPE(N, C, S, S)),
             *v = lcl_input(g, "v", LCL_F32, LCL_SHAPE(N, O2, Q, Q));
  lcl_tensor *w[] = { lcl_input(g, "w1", LCL_F32, LCL_SHAPE(O1, C, 3, 3)),
                      lcl_input(g, "w2", LCL_F32, LCL_SHAPE(O2, O1, 3, 3)) };
  const lcl_pool_desc window = { .kernel = { 2, 2 } };
  lcl_tensor *h = lcl_relu(lcl_conv2d(x, w[0], NULL, &(lcl_conv_desc) { .pad = { 1, 1, 1, 1 } }));
  h = max_pool ? lcl_max_pool2d(h, &window, NULL) : lcl_avg_pool2d(h, &window);
  lcl_tensor *y = lcl_relu(lcl_conv2d(h, w[1], NULL, &(lcl_conv_desc) { 0 })), *gx, *fetch[3];
  lcl_vjp(y, v, &x, 1, &gx);
  fetch[0] = lcl_sum(lcl_square(gx), LCL_ALL_AXES, false);
  lcl_gradients(fetch[0], w, 2, fetch + 1);
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 3 }, &program));
  feed(program, "x", a->x, NX);
  feed(program, "v", a->v, NY);
  feed(program, "w1", a->w1, NW1);
  feed(program, "w2", a->w2, NW2);
  ASSERT_OK(lcl_run(program));
  ASSERT_OK(lcl_fetch(program, "#0", objective_out, sizeof(float)));
  ASSERT_OK(lcl_fetch(program, "#1", g1, NW1 * sizeof(float)));
  ASSERT_OK(lcl_fetch(program, "#2", g2, NW2 * sizeof(float)));
  lcl_program_destroy(program);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_context_destroy(ctx);
}

/* The objective is a polynomial of the filters while no relu or maximum switches; a probe that
 * crosses such a point (both one-sided quotients differ) is left out, and most are not. Allowed: 64
 * roundings per unit of the objective's slope, a generous count of the longest chain of sums (27 +
 * 36 + 36 + 27 terms would be the bound; each is partly cancelled). */
static int compare(values *a, bool max_pool, double *w, int n, const float *got, double scale) {
  const double h = 1e-6, middle = objective(a, max_pool);
  int probed = 0;
  for (int i = 0; i < n; i++) {
    const double kept = w[i];
    w[i] = kept + h;
    const double up = objective(a, max_pool);
    w[i] = kept - h;
    const double down = objective(a, max_pool);
    w[i] = kept;
    if (fabs(up - 2 * middle + down) > 1e-9 * (1 + middle)) continue;
    probed++;
    const double want = (up - down) / (2 * h),
                 allowed = 126 * LCL_UNIT_ROUNDOFF * scale + 1e-8 * (1 + middle);
    if (!(fabs(got[i] - want) <= allowed))
      fail_msg("%s pooling: element %d is %.9g, central difference %.9g, allowed %.2g",
               max_pool ? "max" : "average", i, got[i], want, allowed);
  }
  return probed;
}

static void second_derivatives(bool max_pool) {
  static values a;
  float value, g1[NW1], g2[NW2];
  lcl_rng r = { .state = 3 };
  for (double *p = a.x; p < a.v + NY; p++) *p = (float)lcl__rng_real(&r, -1, 1);
  device_gradients(&a, max_pool, &value, g1, g2);
  const double want = objective(&a, max_pool);
  assert_true(fabs(value - want) <= 126 * LCL_UNIT_ROUNDOFF * want);
  /* The objective is quadratic in each filter: the slope along it is at most a few times
   * objective/|w|. */
  double most1 = 0, most2 = 0;
  for (int i = 0; i < NW1; i++) most1 = fmax(most1, fabs(g1[i]));
  for (int i = 0; i < NW2; i++) most2 = fmax(most2, fabs(g2[i]));
  assert_true(most1 > 0 && most2 > 0);
  const int probed = compare(&a, max_pool, a.w1, NW1, g1, 2 * want + most1) +
                     compare(&a, max_pool, a.w2, NW2, g2, 2 * want + most2);
  assert_true(probed > (NW1 + NW2) * 3 / 4);
}

static void through_max_pooling(void **state) {
  (void)state;
  second_derivatives(true);
}
static void through_average_pooling(void **state) {
  (void)state;
  second_derivatives(false);
}

/* Second derivatives of a recurrent layer do not exist here: a clear error, not a wrong number.
 */
static void recurrent_layers_refuse(void **state) {
  (void)state;
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "refuse", &g));
  lcl_tensor *s = lcl_input(g, "s", LCL_F32, LCL_SHAPE(1, 4, 2, 2)),
             *k = lcl_input(g, "k", LCL_F32, LCL_SHAPE(2, 4, 1));
  lcl_tensor *y = lcl_diagonal_bilstm(s, s, k, k, NULL), *g1, *g2;
  lcl_gradients(lcl_sum(y, LCL_ALL_AXES, false), &s, 1, &g1);
  ASSERT_OK(lcl_graph_status(g));
  lcl_gradients(lcl_sum(lcl_square(g1), LCL_ALL_AXES, false), &k, 1, &g2);
  ASSERT_STATUS(lcl_graph_status(g), LCL_ERR_UNSUPPORTED);
  assert_non_null(strstr(lcl_error_message(), "bilstm"));
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_context_destroy(ctx);
}

/* ---- masked convolution: causality ---- */

/* Changing a pixel (or a later channel of it) changes no earlier output by a single bit. */
static void masked_convolution_is_causal(void **state) {
  enum { H = 5, W = 6, IN = 3, OUT = 6, COUNT_X = IN * H * W, COUNT_Y = OUT * H * W };
  (void)state;
  for (int type = 0; type < 2; type++) {
    lcl_context *ctx;
    lcl_store *store;
    lcl_graph *g;
    lcl_program *p;
    float x[COUNT_X], w[OUT * IN * 9], before[COUNT_Y], after[COUNT_Y];
    lcl_rng r = { .state = 11 };
    for (size_t i = 0; i < LCL_COUNT(x); i++) x[i] = (float)lcl__rng_real(&r, -1, 1);
    for (size_t i = 0; i < LCL_COUNT(w); i++) w[i] = (float)lcl__rng_real(&r, -1, 1);
    ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
    ASSERT_OK(lcl_store_create(ctx, 1, &store));
    ASSERT_OK(lcl_graph_create(store, "causal", &g));
    lcl_tensor *tx = lcl_input(g, "x", LCL_F32, LCL_SHAPE(1, IN, H, W)),
               *tw = lcl_input(g, "w", LCL_F32, LCL_SHAPE(OUT, IN, 3, 3));
    lcl_output(lcl_masked_conv2d(
                   tx, tw, NULL,
                   &(lcl_mask_desc) { .type = type ? LCL_MASK_B : LCL_MASK_A, .image_channels = 3 },
                   &(lcl_conv_desc) { .pad = { 1, 1, 1, 1 } }),
               "y");
    ASSERT_OK(lcl_compile(g, NULL, &p));
    ASSERT_OK(lcl_feed(p, "w", w, sizeof w));
    ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
    ASSERT_OK(lcl_run(p));
    ASSERT_OK(lcl_fetch(p, "y", before, sizeof before));
    for (int channel = 0; channel < IN; channel++)
      for (int pixel = 0; pixel < H * W; pixel += 4) {
        const float kept = x[channel * H * W + pixel];
        int changed = 0;
        x[channel * H * W + pixel] = kept + 1;
        ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
        ASSERT_OK(lcl_run(p));
        ASSERT_OK(lcl_fetch(p, "y", after, sizeof after));
        x[channel * H * W + pixel] = kept;
        for (int i = 0; i < COUNT_Y; i++) {
          const int at = i % (H * W),
                    of = i / (H * W) / (OUT / 3); /* pixel and channel of the output */
          const bool later = at > pixel || (at == pixel && (type ? of >= channel : of > channel));
          if (memcmp(&before[i], &after[i], sizeof(float)) == 0) continue;
          changed++;
          if (!later)
            fail_msg("type %c: output %d (channel %d) sees pixel %d (channel %d)", "AB"[type], at,
                     of, pixel, channel);
        }
        if (pixel + 1 < H * W) assert_true(changed > 0);
      }
    lcl_program_destroy(p);
    lcl_graph_destroy(g);
    lcl_store_destroy(store);
    lcl_context_destroy(ctx);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(through_max_pooling),
    cmocka_unit_test(through_average_pooling),
    cmocka_unit_test(recurrent_layers_refuse),
    cmocka_unit_test(masked_convolution_is_causal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
