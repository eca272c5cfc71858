/* Sums of partial results (src/graph/sums.c). */
#include <math.h>

#include "device/device.h"
#include "latentcl/algorithm.h"
#include "latentcl/ops.h"
#include "context.h"

/* Sums of partial results wait for each other, and two that are only added become one: products of
 * long rows, the sums of two, of three, of one with itself and of one that is fetched too, and more
 * sums than one launch has. */
static void sums_of_parts(void **state) {
  (void)state;
  enum { M = 5, K = 3000, N = 12, FETCHES = 14 };
  static float x[K * M];
  float got[M * M], want[N][M * M];
  lcl_tensor *y[N], *fetch[FETCHES];
  for (unsigned i = 0, seed = 31; i < K * M; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (float)(seed >> 8) / (float)(1 << 23) - 1.0f;
  }
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_algorithm_force(ctx, "matmul=tiled/auto"));
  ASSERT_OK(lcl_store_create(ctx, 7, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  lcl_tensor *t = lcl_input(g, "x", LCL_F32, LCL_SHAPE(K, M));
  for (int c = 0; c < N; c++) {
    for (int i = 0; i < M * M; i++) {
      double sum = 0;
      for (int k = 0; k < K; k++)
        sum += (double)x[k * M + i / M] * (double)x[k * M + i % M] * (1 + 0.5 * c);
      want[c][i] = (float)sum;
    }
    y[c] = lcl_matmul(lcl_scale(t, 1 + 0.5f * (float)c), t, true, false);
  }
  fetch[0] = lcl_add(y[0], y[1]);
  fetch[1] = lcl_add(lcl_add(y[2], y[3]), y[4]);
  fetch[2] = lcl_add(y[5], y[5]);
  fetch[3] = lcl_add(y[6], y[7]);
  fetch[4] = y[7];
  fetch[5] = lcl_sum(t, LCL_AXIS(0), false);
  for (int c = 8; c < N; c++) fetch[c - 2] = y[c];
  fetch[10] = lcl_mean(t, LCL_ALL_AXES, false);
  fetch[11] = lcl_sum(lcl_scale(t, 2), LCL_AXIS(0), false);
  fetch[12] = lcl_mean(lcl_square(t), LCL_AXIS(0), false);
  fetch[13] = lcl_sum(lcl_scale(t, 3), LCL_AXIS(0), false);
  double column[M] = { 0 }, squares[M] = { 0 }, all = 0;
  for (int i = 0; i < K * M; i++) {
    column[i % M] += (double)x[i];
    squares[i % M] += (double)x[i] * (double)x[i] / K;
    all += (double)x[i] / (K * M);
  }
  static const int runs[][2] = { { 0, 1 }, { 1, 2 }, { 2, 3 }, { 3, 5 }, { 0, FETCHES } };
  for (size_t r = 0; r < LCL_COUNT(runs); r++) {
    lcl_program *p;
    ASSERT_OK(lcl_compile(
        g, &(lcl_compile_desc) { .fetch = fetch + runs[r][0], .n_fetch = runs[r][1] - runs[r][0] },
        &p));
    ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
    ASSERT_OK(lcl_run(p));
    for (int f = runs[r][0]; f < runs[r][1]; f++) {
      const int n = (int)lcl_shape_count(lcl_tensor_shape(fetch[f]));
      char name[16];
      snprintf(name, sizeof name, "#%d", f - runs[r][0]);
      ASSERT_OK(lcl_fetch(p, name, got, (size_t)n * sizeof(float)));
      for (int i = 0; i < n; i++) {
        const double right = f == 0   ? (double)want[0][i] + (double)want[1][i]
                             : f == 1 ? (double)want[2][i] + (double)want[3][i] + (double)want[4][i]
                             : f == 2 ? 2 * (double)want[5][i]
                             : f == 3 ? (double)want[6][i] + (double)want[7][i]
                             : f == 4 ? (double)want[7][i]
                             : f == 5 ? column[i]
                             : f == 10 ? all
                             : f == 11 ? 2 * column[i]
                             : f == 12 ? squares[i]
                             : f == 13 ? 3 * column[i]
                                       : (double)want[f + 2][i];
        const double bound = f == 10 || f == 12 ? 2e-6 : 6e-6 * K;
        if (!(fabs((double)got[i] - right) <= bound))
          fail_msg("result %d: got %.9g, expected %.9g within %.3g", f, (double)got[i], right,
                   bound);
      }
    }
    lcl_program_destroy(p);
  }
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* Winograd's filter gradients wait for each other too, but are not added, nor made with other sums;
 * there are more than one launch has. */
static void filter_gradients(void **state) {
  (void)state;
  enum { N = 1, C = 41, O = 40, H = 5, W = 6, PIXELS = H * W, FILTERS = 10, LONG = 2048 };
  static float x[N * C * PIXELS], e[N * O * PIXELS], ones[LONG], got[O * C * 9], want[O * C * 9];
  lcl_tensor *y[FILTERS], *fetch[FILTERS];
  const int filters = strstr(lcl_context_device_name(ctx), "Oclgrind") ? 3 : FILTERS;
  unsigned seed = 37;
  for (size_t i = 0; i < LCL_COUNT(x) + LCL_COUNT(e); i++) {
    seed = seed * 1664525u + 1013904223u;
    *(i < LCL_COUNT(x) ? &x[i] : &e[i - LCL_COUNT(x)]) = (float)(seed >> 8) / (float)(1 << 23) - 1;
  }
  for (int i = 0; i < O * C * 9; i++) {
    const int o = i / (C * 9), c = i / 9 % C, a = i / 3 % 3 - 1, b = i % 3 - 1;
    double sum = 0;
    for (int p = 0; p < N * PIXELS; p++) {
      const int n = p / PIXELS, q = p / W % H, r = p % W;
      if (q + a >= 0 && q + a < H && r + b >= 0 && r + b < W)
        sum += (double)x[(n * C + c) * PIXELS + (q + a) * W + r + b] *
               (double)e[(n * O + o) * PIXELS + q * W + r];
    }
    want[i] = (float)sum;
  }
  for (int i = 0; i < LONG; i++) ones[i] = 1;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  ASSERT_OK(lcl_algorithm_force(ctx, "conv2d=winograd-4x4-tiled/auto,matmul=tiled/auto"));
  ASSERT_OK(lcl_store_create(ctx, 7, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  lcl_tensor *tx = lcl_input(g, "x", LCL_F32, LCL_SHAPE(N, C, H, W)),
             *te = lcl_input(g, "e", LCL_F32, LCL_SHAPE(N, O, H, W));
  lcl_tensor *tt = lcl_input(g, "t", LCL_F32, LCL_SHAPE(LONG, 1));
  for (int f = 0; f < filters; f++) { /* in the order in which they are made: */
    y[f] = lcl_conv2d_filter_grad(lcl_scale(tx, 1 + 0.5f * (float)f), te, LCL_SHAPE(O, C, 3, 3),
                                  &(lcl_conv_desc) { .same = true });
    if (f == 1) fetch[0] = lcl_add(y[0], y[1]);
    if (f == 1) fetch[filters - 1] = lcl_matmul(tt, tt, true, false);
    if (f > 1) fetch[f - 1] = y[f];
  }
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = filters }, &p));
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  ASSERT_OK(lcl_feed(p, "e", e, sizeof e));
  ASSERT_OK(lcl_feed(p, "t", ones, sizeof ones));
  ASSERT_OK(lcl_run(p));
  for (int f = 0; f < filters - 1; f++) {
    const double times = f ? 1.5 + 0.5 * f : 2.5,
                 bound = 0x1p-24 * 400 * N * PIXELS * times; /* see lcl__winograd_tolerance4 */
    char name[16];
    snprintf(name, sizeof name, "#%d", f);
    ASSERT_OK(lcl_fetch(p, name, got, sizeof got));
    for (int i = 0; i < O * C * 9; i++)
      if (!(fabs((double)got[i] - times * (double)want[i]) <= bound))
        fail_msg("gradient %d at %d: got %.9g, expected %.9g within %.3g", f, i, (double)got[i],
                 times * (double)want[i], bound);
  }
  char name[16];
  snprintf(name, sizeof name, "#%d", filters - 1);
  ASSERT_OK(lcl_fetch(p, name, got, sizeof(float)));
  assert_true(got[0] == LONG);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(sums_of_parts),
                                      cmocka_unit_test(filter_gradients) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
