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
  /* The simulator is slow: all in one. */
  for (size_t r = device_is("oclgrind") ? LCL_COUNT(runs) - 1 : 0; r < LCL_COUNT(runs); r++) {
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
  const int filters = device_is("oclgrind") ? 3 : FILTERS;
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

/* Of products that the launch of one of them may add: y[i] = x[i][0] + x[i][1], compared with the
 * operands, which a program of their own fetches. */
typedef struct adding {
  const char *what;
  lcl_tensor *x[2], *y;
  int joined; /* launches that the sum saves on packed devices: its own, and copies to fetch from */
} adding;

static lcl_tensor *normal(lcl_graph *g, const char *name, lcl_shape shape) {
  return lcl_state(g, name, LCL_F32, shape, (lcl_init) { .kind = LCL_INIT_NORMAL, .scale = 1 });
}

static void check_adding(lcl_graph *g, const adding *a) {
  const size_t n = (size_t)lcl_shape_count(lcl_tensor_shape(a->y));
  float *got = lcl__alloc(3 * n * sizeof *got);
  lcl_program *p[2];
  assert_non_null(got);
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = a->x, .n_fetch = 2, .no_updates = true },
                        &p[0]));
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = &a->y, .n_fetch = 1, .no_updates = true },
                        &p[1]));
  for (int i = 0; i < 2; i++) ASSERT_OK(lcl_run(p[i]));
  for (int i = 0; i < 3; i++)
    ASSERT_OK(lcl_fetch(p[i / 2], i == 1 ? "#1" : "#0", got + n * (size_t)i, n * sizeof *got));
  for (size_t i = 0; i < n; i++) {
    const double want = (double)got[i] + (double)got[n + i];
    if (!(fabs((double)got[2 * n + i] - want) <= 1e-5 * (fabs(want) + 10)))
      fail_msg("%s, %zu: got %.9g, expected %.9g", a->what, i, (double)got[2 * n + i], want);
  }
  const size_t apart = lcl_program_get_stats(p[0]).launches,
               together = lcl_program_get_stats(p[1]).launches;
  if (lcl__context_caps(ctx)->packed && together + (size_t)a->joined != apart + 1)
    fail_msg("%s: %zu launches, and %zu for the operands", a->what, together, apart);
  for (int i = 0; i < 2; i++) lcl_program_destroy(p[i]);
  lcl__free(got);
}

static void products_that_add(void **state) {
  (void)state;
  const bool small = device_is("oclgrind");
  const int k = small ? 70 : 2100, n = small ? 40 : 300; /* blocks of k that are not split */
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_algorithm_force(ctx, "matmul=packed/auto,conv2d=implicit-gemm/auto"));
  ASSERT_OK(lcl_store_create(ctx, 7, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  lcl_tensor *a = normal(g, "a", LCL_SHAPE(20, 30)), *b = normal(g, "b", LCL_SHAPE(30, 37)),
             *b2 = normal(g, "b2", LCL_SHAPE(30, 37)), *v = normal(g, "v", LCL_SHAPE(20, 37)),
             *vt = normal(g, "vt", LCL_SHAPE(37, 20)),
             *rows = lcl_broadcast(normal(g, "row", LCL_SHAPE(37)), LCL_SHAPE(20, 37));
  lcl_tensor *deep = normal(g, "deep", LCL_SHAPE(130, k)), *p = normal(g, "p", LCL_SHAPE(k, n));
  lcl_tensor *three = normal(g, "three", LCL_SHAPE(3, 28, 50)),
             *q = normal(g, "q", LCL_SHAPE(50, 64)), *w3 = normal(g, "w3", LCL_SHAPE(3, 28, 64));
  lcl_tensor *image = normal(g, "image", LCL_SHAPE(2, 5, 9, 7)),
             *filters = normal(g, "filters", LCL_SHAPE(20, 5, 3, 3)),
             *other = normal(g, "other", LCL_SHAPE(20, 5, 3, 3)),
             *gy = normal(g, "gy", LCL_SHAPE(2, 20, 9, 7)),
             *wide = normal(g, "wide", LCL_SHAPE(2, 20, 9, 7)),
             *full = normal(g, "full", LCL_SHAPE(2, 32, 9, 7)),
             *full2 = normal(g, "full2", LCL_SHAPE(2, 32, 9, 7));
  const lcl_conv_desc same = { .same = true }, strided = { .same = true, .stride = { 2, 2 } };
  lcl_tensor *ab = lcl_matmul(a, b, false, false), *ab2 = lcl_matmul(a, b2, false, false);
  lcl_tensor *flat = lcl_reshape(lcl_matmul(a, b, false, false), LCL_SHAPE(740));
  lcl_tensor *halves = lcl_matmul(deep, p, false, false);
  const adding cases[] = {
    { "two products", { ab, ab2 }, lcl_add(ab, ab2), 1 },
    { "the later one first", { ab2, ab }, lcl_add(ab2, ab), 1 },
    { "a variable", { ab, v }, lcl_add(ab, v), 2 },
    { "a variable first", { v, ab }, lcl_add(v, ab), 2 },
    { "a view that is not dense",
      { ab, lcl_transpose(vt, (int[]) { 1, 0 }) },
      lcl_add(ab, lcl_transpose(vt, (int[]) { 1, 0 })),
      1 },
    { "a row for all", { ab, rows }, lcl_add(ab, rows), 1 },
    { "itself", { ab, ab }, lcl_add(ab, ab), 0 },
    { "behind a view", { flat, normal(g, "line", LCL_SHAPE(740)) }, NULL, 2 },
    { "blocks of k", { halves, normal(g, "sum", LCL_SHAPE(130, n)) }, NULL, 2 },
    { "a batch", { lcl_matmul(three, q, false, false), w3 }, NULL, 2 },
    { "convolutions",
      { lcl_conv2d(image, filters, NULL, &same), lcl_conv2d(image, other, NULL, &same) },
      NULL,
      1 },
    { "filter gradients",
      { lcl_conv2d_filter_grad(image, gy, LCL_SHAPE(20, 5, 3, 3), &same),
        lcl_conv2d_filter_grad(image, wide, LCL_SHAPE(20, 5, 3, 3), &same) },
      NULL,
      1 },
    { "input gradients",
      { lcl_conv2d_input_grad(gy, filters, LCL_SHAPE(2, 5, 9, 7), &same),
        lcl_conv2d_input_grad(wide, filters, LCL_SHAPE(2, 5, 9, 7), &same) },
      NULL,
      1 },
    { "input gradients, phases of a stride",
      { lcl_conv2d_input_grad(gy, filters, LCL_SHAPE(2, 5, 17, 13), &strided),
        lcl_conv2d_input_grad(wide, filters, LCL_SHAPE(2, 5, 17, 13), &strided) },
      NULL,
      0 },
    { "filter gradients, channels last",
      { lcl_conv2d_filter_grad(full, full2, LCL_SHAPE(32, 32, 3, 3), &same),
        lcl_conv2d_filter_grad(full2, full, LCL_SHAPE(32, 32, 3, 3), &same) },
      NULL,
      1 },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    adding c = cases[i];
    if (!c.y) c.y = lcl_add(c.x[0], c.x[1]);
    ASSERT_OK(lcl_graph_status(g));
    check_adding(g, &c);
  }
  size_t launches[2];
  for (int i = 0; i < 2; i++) { /* without fusion a sum has a launch of its own */
    lcl_program *program;
    ASSERT_OK(lcl_compile(
        g, &(lcl_compile_desc) { .fetch = &cases[0].y, .n_fetch = 1, .no_fusion = i }, &program));
    launches[i] = lcl_program_get_stats(program).launches;
    lcl_program_destroy(program);
  }
  if (lcl__context_caps(ctx)->packed) assert_int_equal(launches[1], launches[0] + 1);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* An operand that two products read is packed once; other rows of it are another one. Its rows are
 * a page apart: others are read as they lie. */
static void packed_once(void **state) {
  (void)state;
  enum { M = 28, K = 1024, N = 40, Y = 4 };
  static float got[2][M * N];
  const size_t bytes = sizeof got[0];
  if (device_is("oclgrind")) skip(); /* slow, and packs nothing */
  lcl_store *store;
  lcl_graph *g;
  lcl_program *all;
  ASSERT_OK(lcl_algorithm_force(ctx, "matmul=packed/auto"));
  ASSERT_OK(lcl_store_create(ctx, 7, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  lcl_tensor *rows = normal(g, "rows", LCL_SHAPE(60, K)), *b = normal(g, "b", LCL_SHAPE(K, N)),
             *other = normal(g, "other", LCL_SHAPE(60, K)), *part[3];
  for (int i = 0; i < 3; i++)
    part[i] = lcl_slice_axis(i == 2 ? other : rows, 0, i == 1 ? 30 : 0, i == 1 ? 58 : 28);
  lcl_tensor *y[Y] = { lcl_matmul(part[0], b, false, false), lcl_matmul(part[1], b, false, false),
                       lcl_matmul(part[0], lcl_scale(b, 2), false, false),
                       lcl_matmul(part[2], b, false, false) };
  size_t apart = 0;
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = y, .n_fetch = Y }, &all));
  ASSERT_OK(lcl_run(all));
  for (int i = 0; i < Y; i++) {
    lcl_program *one;
    char name[8];
    snprintf(name, sizeof name, "#%d", i);
    ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = y + i, .n_fetch = 1 }, &one));
    ASSERT_OK(lcl_run(one));
    ASSERT_OK(lcl_fetch(all, name, got[0], bytes));
    ASSERT_OK(lcl_fetch(one, "#0", got[1], bytes));
    assert_memory_equal(got[0], got[1], bytes);
    apart += lcl_program_get_stats(one).launches;
    lcl_program_destroy(one);
  }
  const size_t launches = lcl_program_get_stats(all).launches;
  if (lcl__context_caps(ctx)->packed && launches + 1 != apart)
    fail_msg("%zu launches, and %zu for each alone", launches, apart);
  lcl_program_destroy(all);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* A variable that gets the sum of itself and a product, and a sum of three that reads it before. */
static void products_into_variables(void **state) {
  (void)state;
  enum { M = 20, N = 37 };
  static float got[3][M * N];
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  ASSERT_OK(lcl_algorithm_force(ctx, "matmul=packed/auto"));
  ASSERT_OK(lcl_store_create(ctx, 7, &store));
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  lcl_tensor *v = normal(g, "v", LCL_SHAPE(M, N)), *a = normal(g, "a", LCL_SHAPE(M, 30)),
             *b = normal(g, "b", LCL_SHAPE(30, N));
  lcl_tensor *fetch[] = { lcl_matmul(lcl_scale(a, 2), b, false, false), NULL };
  fetch[1] = lcl_add(lcl_add(lcl_matmul(a, b, false, false), v),
                     lcl_matmul(lcl_scale(a, 3), b, false, false));
  lcl_assign(v, lcl_add(v, lcl_matmul(a, b, false, false)));
  ASSERT_OK(lcl_graph_status(g));
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 2 }, &p));
  ASSERT_OK(lcl_store_read(store, "v", got[0], sizeof got[0]));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", got[1], sizeof got[1]));
  ASSERT_OK(lcl_fetch(p, "#1", got[2], sizeof got[2]));
  for (int i = 0; i < M * N; i++) {
    const double want = (double)got[0][i] + 2 * (double)got[1][i]; /* v + 4 a b */
    if (!(fabs((double)got[2][i] - want) <= 1e-4))
      fail_msg("sum of three, %d: got %.9g, expected %.9g", i, (double)got[2][i], want);
    got[0][i] += 0.5f * got[1][i];
  }
  ASSERT_OK(lcl_store_read(store, "v", got[2], sizeof got[2]));
  for (int i = 0; i < M * N; i++)
    if (!(fabs((double)got[2][i] - (double)got[0][i]) <= 1e-4))
      fail_msg("variable, %d: got %.9g, expected %.9g", i, (double)got[2][i], (double)got[0][i]);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(sums_of_parts),
                                      cmocka_unit_test(filter_gradients),
                                      cmocka_unit_test(products_that_add),
                                      cmocka_unit_test(packed_once),
                                      cmocka_unit_test(products_into_variables) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
