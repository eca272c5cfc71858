/* Graphs end to end: element-wise chains and reductions against plain C, views, gradients,
 * optimisers, fusion. */
#include <math.h>

#include "device/device.h"
#include "latentcl/ops.h"
#include "context.h"

typedef struct world {
  lcl_store *store;
  lcl_graph *g;
} world;

static world begin(void) {
  world w;
  ASSERT_OK(lcl_store_create(ctx, 7, &w.store));
  ASSERT_OK(lcl_graph_create(w.store, "test", &w.g));
  return w;
}

static void end(world w) {
  lcl_graph_destroy(w.g);
  lcl_store_destroy(w.store);
}

static void fill(float *x, size_t n, unsigned seed) {
  for (size_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (float)(seed >> 8) / (float)(1 << 23) - 1.0f;
  }
}

static void near(float got, double want, double bound) {
  if (!(fabs((double)got - want) <= bound))
    fail_msg("got %.9g, expected %.9g within %.3g", (double)got, want, bound);
}

/* Compiles g for one output, feeds x, runs, and fetches n floats; returns the number of launches.
 */
static size_t run_fused(lcl_graph *g, lcl_tensor *y, bool fused, const float *x, size_t nx,
                        float *out, size_t n) {
  lcl_program *p;
  ASSERT_OK(
      lcl_compile(g, &(lcl_compile_desc) { .fetch = &y, .n_fetch = 1, .no_fusion = !fused }, &p));
  const size_t launches = lcl_program_get_stats(p).launches;
  if (x) ASSERT_OK(lcl_feed(p, "x", x, nx * sizeof *x));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", out, n * sizeof *out));
  lcl_program_destroy(p);
  return launches;
}

static void run_one(lcl_graph *g, lcl_tensor *y, const float *x, size_t nx, float *out, size_t n) {
  run_fused(g, y, true, x, nx, out, n);
}

static void chains(void **state) {
  (void)state;
  enum { R = 37, C = 53 };
  float x[R * C], y[R * C];
  fill(x, R * C, 1);
  world w = begin();
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(R, C));
  lcl_tensor *m = lcl_mean(t, LCL_AXIS(1), true), *s = lcl_sum(lcl_square(t), LCL_AXIS(0), true);
  lcl_tensor *z = lcl_add(lcl_mul(lcl_sub(t, m), lcl_tanh(t)), lcl_scale(s, 0.01f));
  run_one(w.g, z, x, R * C, y, R * C);
  for (int r = 0; r < R; r++) {
    double mean = 0;
    for (int c = 0; c < C; c++) mean += x[r * C + c];
    mean /= C;
    for (int c = 0; c < C; c++) {
      double sum = 0, v = x[r * C + c];
      for (int i = 0; i < R; i++) sum += (double)x[i * C + c] * x[i * C + c];
      near(y[r * C + c], (v - mean) * tanh(v) + 0.01 * sum, 2e-6);
    }
  }
  end(w);
}

/* Sums over every choice of axes of a rank-4 tensor of small integers are exact. */
static void sums(void **state) {
  (void)state;
  const int64_t shapes[][4] = { { 3, 5, 7, 11 },   { 1, 64, 33, 1 },   { 2, 1, 1, 9 },
                                { 17, 2, 16, 16 }, { 1, 1, 1, 70001 }, { 300, 3, 1, 50 } };
  for (size_t k = 0; k < LCL_COUNT(shapes); k++) {
    const int64_t *d = shapes[k];
    size_t n = (size_t)(d[0] * d[1] * d[2] * d[3]);
    float *x = malloc(n * sizeof *x), *y = malloc(n * sizeof *y);
    double *want = malloc(n * sizeof *want);
    for (size_t i = 0; i < n; i++) x[i] = (float)((int)(i * 2654435761u >> 20) % 9 - 4);
    for (unsigned axes = 1; axes < 16; axes++) {
      world w = begin();
      lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(d[0], d[1], d[2], d[3]));
      lcl_tensor *s = lcl_sum(lcl_scale(t, 2), axes, true);
      size_t out = (size_t)lcl_shape_count(lcl_tensor_shape(s));
      run_one(w.g, s, x, n, y, out);
      memset(want, 0, out * sizeof *want);
      lcl_shape o = lcl_tensor_shape(s);
      for (size_t i = 0; i < n; i++) {
        size_t q = i, at = 0, step = 1;
        for (int a = 3; a >= 0; a--) {
          size_t ia = q % (size_t)d[a];
          q /= (size_t)d[a];
          if (o.dim[a] != 1) at += ia * step;
          step *= (size_t)o.dim[a];
        }
        want[at] += 2.0 * (double)x[i];
      }
      for (size_t i = 0; i < out; i++) near(y[i], want[i], 0);
      end(w);
    }
    free(x);
    free(y);
    free(want);
  }
}

/* Transposes long enough for tiles (cl/shape.cl), whole ones and parts of them. */
static void transposes(void **state) {
  (void)state;
  enum { A = 3, B = 33, C = 2, D = 70 };
  static float x[A * B * C * D], y[A * B * C * D];
  for (int i = 0; i < A * B * C * D; i++) x[i] = (float)i;
  world w = begin();
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(A, B, C, D));
  run_one(w.g, lcl_transpose(t, (int[]) { 3, 0, 2, 1 }), x, A * B * C * D, y, A * B * C * D);
  for (int i = 0; i < A * B * C * D; i++) {
    const int b = i % B, c = i / B % C, a = i / (B * C) % A, d = i / (B * C * A);
    near(y[i], (double)x[((a * B + b) * C + c) * D + d], 0);
  }
  end(w);
}

/* transpose, slice, flip, reshape, pad, concat, skew, unskew against index arithmetic. */
static void views(void **state) {
  (void)state;
  enum { A = 4, B = 3, C = 5, D = 6 };
  float x[A * B * C * D], y[4096];
  for (int i = 0; i < A * B * C * D; i++) x[i] = (float)i;
  world w = begin();
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(A, B, C, D));
  lcl_tensor *v = lcl_flip(lcl_transpose(t, (int[]) { 2, 0, 3, 1 }),
                           LCL_AXIS(0) | LCL_AXIS(2));                      /* C A D B */
  v = lcl_slice(v, (int64_t[]) { 1, 0, 2, 0 }, (int64_t[]) { 4, 4, 6, 2 }); /* 3 4 4 2 */
  lcl_tensor *r = lcl_reshape(v, LCL_SHAPE(12, -1));
  lcl_tensor *both = lcl_concat((lcl_tensor *[]) { r, lcl_scale(r, -1) }, 2, 1);
  lcl_tensor *p = lcl_pad(both, (int64_t[]) { 1, 0 }, (int64_t[]) { 0, 2 });
  run_one(w.g, p, x, A * B * C * D, y, 13 * 18);
  for (int i = 0; i < 13; i++)
    for (int j = 0; j < 18; j++) {
      double want = 0;
      if (i > 0 && j < 16) {
        int row = i - 1, c = row / 4 + 1, a = row % 4, d = (j % 8) / 2 + 2, b = j % 2;
        want = x[((a * B + b) * C + (C - 1 - c)) * D + (D - 1 - d)] * (j < 8 ? 1 : -1);
      }
      near(y[i * 18 + j], want, 0);
    }
  lcl_tensor *sk = lcl_skew(t);
  run_one(w.g, sk, x, A * B * C * D, y, A * B * C * (D + C - 1));
  for (int n = 0; n < A * B; n++)
    for (int i = 0; i < C; i++)
      for (int j = 0; j < D + C - 1; j++)
        near(y[(n * C + i) * (D + C - 1) + j],
             j - i >= 0 && j - i < D ? x[(n * C + i) * D + j - i] : 0, 0);
  run_one(w.g, lcl_scale(lcl_unskew(sk), 1), x, A * B * C * D, y, A * B * C * D);
  for (int i = 0; i < A * B * C * D; i++) near(y[i], x[i], 0);
  end(w);
}

/* log-softmax cross-entropy: value and gradient softmax - one_hot. */
static void cross_entropy(void **state) {
  (void)state;
  enum { N = 9, K = 10 };
  float x[N * K], g[N * K];
  fill(x, N * K, 3);
  int32_t labels[N] = { 0, 3, 9, 1, 1, 7, 5, 2, 8 };
  world w = begin();
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(N, K)), *gt;
  lcl_tensor *hot = lcl_one_hot(lcl_const_data(w.g, LCL_I32, LCL_SHAPE(N), labels), K);
  lcl_tensor *loss = lcl_neg(lcl_mean(
      lcl_sum(lcl_mul(hot, lcl_log_softmax(t, 1)), LCL_AXIS(1), false), LCL_ALL_AXES, false));
  lcl_gradients(loss, &t, 1, &gt);
  run_one(w.g, gt, x, N * K, g, N * K);
  for (int n = 0; n < N; n++) {
    double sum = 0;
    for (int k = 0; k < K; k++) sum += exp(x[n * K + k]);
    for (int k = 0; k < K; k++)
      near(g[n * K + k], (exp(x[n * K + k]) / sum - (k == labels[n])) / N, 1e-7);
  }
  end(w);
}

/* Second derivative of sum(tanh(x)^3) through two lcl_gradients, against the formula. */
static void second_order(void **state) {
  (void)state;
  enum { N = 40 };
  float x[N], h[N];
  fill(x, N, 5);
  world w = begin();
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(N)), *g1, *g2;
  lcl_tensor *y = lcl_tanh(t);
  lcl_gradients(lcl_sum(lcl_mul(y, lcl_square(y)), LCL_ALL_AXES, false), &t, 1, &g1);
  lcl_gradients(lcl_sum(g1, LCL_ALL_AXES, false), &t, 1, &g2);
  run_one(w.g, g2, x, N, h, N);
  for (int i = 0; i < N; i++) {
    double a = tanh(x[i]), s = 1 - a * a;
    near(h[i], 6 * a * s * s - 6 * a * a * a * s, 2e-6);
  }
  end(w);
}

/* Assignments see the values before the run. */
static void assignments(void **state) {
  (void)state;
  world w = begin();
  lcl_init one = { .kind = LCL_INIT_CONSTANT, .value = 1 },
           two = { .kind = LCL_INIT_CONSTANT, .value = 2 };
  lcl_tensor *a = lcl_state(w.g, "a", LCL_F32, LCL_SHAPE(5), one),
             *b = lcl_state(w.g, "b", LCL_F32, LCL_SHAPE(5), two);
  lcl_tensor *c = lcl_state(w.g, "c", LCL_F32, LCL_SHAPE(5), two);
  lcl_assign(a, b);
  lcl_assign(b, a);
  lcl_ema(c, lcl_scale(a, 10), 0.75f);
  lcl_program *p;
  ASSERT_OK(lcl_compile(w.g, NULL, &p));
  ASSERT_OK(lcl_run(p));
  float va[5], vb[5], vc[5];
  ASSERT_OK(lcl_store_read(w.store, "a", va, sizeof va));
  ASSERT_OK(lcl_store_read(w.store, "b", vb, sizeof vb));
  ASSERT_OK(lcl_store_read(w.store, "c", vc, sizeof vc));
  for (int i = 0; i < 5; i++) {
    near(va[i], 2, 0);
    near(vb[i], 1, 0);
    near(vc[i], 0.75 * 2 + 0.25 * 10, 0);
  }
  lcl_program_destroy(p);
  end(w);
}

/* The first error is kept, with the operation and the shapes; later calls give poison tensors. */
static void errors(void **state) {
  (void)state;
  world w = begin();
  lcl_tensor *a = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(4, 5)),
             *b = lcl_input(w.g, "y", LCL_F32, LCL_SHAPE(3, 5));
  lcl_tensor *c = lcl_sum(lcl_relu(lcl_add(a, b)), LCL_ALL_AXES, false), *g;
  lcl_gradients(c, &a, 1, &g);
  lcl_program *p;
  assert_int_equal(lcl_compile(w.g, NULL, &p), LCL_ERR_SHAPE);
  assert_null(p);
  assert_non_null(strstr(lcl_error_message(), "add"));
  assert_non_null(strstr(lcl_error_message(), "4x5"));
  assert_non_null(strstr(lcl_error_message(), "3x5"));
  end(w);
}

/* NaN is found where it is made. */
static void numerics(void **state) {
  (void)state;
  world w = begin();
  float x[4] = { 1, 2, -1, 3 };
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(4));
  lcl_output(
      lcl_sum(lcl_log(lcl_stop_gradient(lcl_max(t, LCL_ALL_AXES, true))), LCL_ALL_AXES, false),
      "fine");
  lcl_output(lcl_square(lcl_log(t)), "bad");
  lcl_program *p;
  ASSERT_OK(lcl_compile(w.g, &(lcl_compile_desc) { .check_numerics = true }, &p));
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  assert_int_equal(lcl_run(p), LCL_ERR_NUMERIC);
  assert_non_null(strstr(lcl_error_message(), "NaN at element 2"));
  assert_non_null(
      strstr(lcl_error_message(), "result of square")); /* of a launch that makes both */
  assert_non_null(strstr(lcl_error_message(), "log+square"));
  lcl_program_destroy(p);
  end(w);
}

/* Bias and activation run inside the GEMM, though the bias was made after it; the result and the
 * useful arithmetic are those of separate launches. */
static void epilogues(void **state) {
  (void)state;
  enum { N = 33, I = 20, O = 17 };
  float x[N * I], fused[N * O], plain[N * O];
  fill(x, N * I, 11);
  world w = begin();
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(N, I));
  lcl_init spread = { .kind = LCL_INIT_NORMAL };
  lcl_tensor *product = lcl_matmul(t, lcl_param(w.g, "w", LCL_SHAPE(O, I), spread), false, true);
  lcl_tensor *y = lcl_relu(lcl_add(product, lcl_param(w.g, "b", LCL_SHAPE(O), spread)));
  for (int k = 0; k < 2; k++) {
    lcl_program *p;
    char *text;
    ASSERT_OK(
        lcl_compile(w.g, &(lcl_compile_desc) { .fetch = &y, .n_fetch = 1, .no_fusion = k }, &p));
    ASSERT_OK(lcl_program_explain(p, LCL_EXPLAIN_TEXT, &text));
    assert_int_equal(strstr(text, "matmul + add + relu") != NULL, k == 0);
    free(text);
    const lcl_program_stats s = lcl_program_get_stats(p);
    assert_true(s.flops == 2.0 * N * O * I + 2 * N * O);
    assert_int_equal(s.variable_memory, (O * I + O) * sizeof(float));
    assert_int_equal(s.fused_groups, k == 0);
    ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
    ASSERT_OK(lcl_run(p));
    ASSERT_OK(lcl_fetch(p, "#0", k ? plain : fused, sizeof fused));
    lcl_program_destroy(p);
  }
  for (int i = 0; i < N * O; i++) near(fused[i], plain[i], 2e-6);
  end(w);
}

/* What is fetched is there, also where one kernel could do without storing it: before a bias,
 * before an activation, before a sum. */
static void fetched_on_the_way(void **state) {
  (void)state;
  enum { N = 12, O = 5 };
  float x[N * N], got[3][N * N];
  fill(x, N * N, 17);
  world w = begin();
  lcl_init spread = { .kind = LCL_INIT_NORMAL };
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(N, N));
  lcl_tensor *product = lcl_matmul(t, lcl_param(w.g, "w", LCL_SHAPE(O, N), spread), false, true);
  lcl_tensor *added = lcl_add(product, lcl_param(w.g, "b", LCL_SHAPE(O), spread));
  lcl_tensor *twice = lcl_scale(added, 2);
  lcl_tensor *column = lcl_reshape(lcl_param(w.g, "column", LCL_SHAPE(N), spread), LCL_SHAPE(N, 1));
  lcl_tensor *half = lcl_scale(lcl_matmul(t, t, false, false), 0.5f);
  lcl_tensor *const chains[][4] = {
    { product, lcl_relu(added), added, NULL },
    { product, lcl_relu(added), NULL },
    { twice, lcl_sum(twice, LCL_AXIS(0), false), NULL },
    { lcl_add(lcl_matmul(t, t, false, false), column), NULL },
    { lcl_matmul(half, lcl_tanh(half), false, false), NULL }, /* one launch makes both */
  };
  for (size_t c = 0; c < LCL_COUNT(chains); c++) {
    int n = 0;
    while (chains[c][n]) n++;
    for (int plain = 0; plain < 2; plain++) {
      lcl_program *p;
      ASSERT_OK(lcl_compile(
          w.g, &(lcl_compile_desc) { .fetch = chains[c], .n_fetch = n, .no_fusion = plain }, &p));
      ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
      ASSERT_OK(lcl_run(p));
      for (int i = 0; i < n; i++) {
        const size_t count = (size_t)lcl_shape_count(lcl_tensor_shape(chains[c][i]));
        float again[N * N];
        char name[8];
        snprintf(name, sizeof name, "#%d", i);
        ASSERT_OK(lcl_fetch(p, name, plain ? again : got[i], count * sizeof(float)));
        for (size_t k = 0; plain && k < count; k++) near(got[i][k], (double)again[k], 1e-5);
      }
      lcl_program_destroy(p);
    }
  }
  end(w);
}

static lcl_tensor *normalised(lcl_tensor *x, unsigned axes) {
  lcl_tensor *mean, *var;
  lcl_moments(x, axes, &mean, &var);
  return lcl_mul(lcl_sub(x, mean), lcl_rsqrt(lcl_shift(var, 1e-3f)));
}

/* What follows from the results of reductions is computed in their launch, and is what separate
 * launches give: rows, columns, short lines; nothing that another row, another axis or another
 * launch has to give first. */
static void follows_from_results(void **state) {
  (void)state;
  enum { N = 36 };
  float x[N * N], got[N * N], again[N * N];
  fill(x, N * N, 23);
  world w = begin();
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(N, N));
  lcl_tensor *rows = lcl_sum(t, LCL_AXIS(1), true), *soft = lcl_softmax(t, 1);
  lcl_tensor *product = lcl_matmul(soft, soft, false, false);
  lcl_tensor *lines = lcl_reshape(t, LCL_SHAPE(2, 27, 6, 4));
  lcl_tensor *narrow = lcl_reshape(t, LCL_SHAPE(N * N / 9, 9));
  lcl_tensor *column = lcl_exp(lcl_slice_axis(t, 1, 0, 1));
  lcl_tensor *both = lcl_reshape(lcl_slice_axis(t, 0, 0, 1), LCL_SHAPE(N)); /* row and results */
  lcl_tensor *again_read = lcl_matmul(t, t, false, false), *power = lcl_exp(again_read);
  static const int one[] = { 1, 0 };
  const struct {
    lcl_tensor *y;
    size_t launches; /* 0: as many as there are */
  } cases[] = {
    { lcl_log_softmax(t, 1), 1 },
    { lcl_log_softmax(narrow, 1), 1 },
    { normalised(t, LCL_AXIS(0)), 1 },
    { normalised(narrow, LCL_AXIS(1)), 1 },
    { normalised(lines, LCL_AXIS(0) | LCL_AXIS(2) | LCL_AXIS(3)), 1 },
    { lcl_sum(lcl_add(t, lcl_transpose(rows, one)), LCL_AXIS(1), true), 2 },
    { lcl_add(rows, lcl_transpose(lcl_sum(t, LCL_AXIS(0), true), one)), 0 },
    { lcl_add(lcl_sum(lcl_mul(product, soft), LCL_AXIS(1), true), rows), 0 },
    { lcl_mul(lcl_max(t, LCL_AXIS(1), true), lcl_min(lcl_neg(t), LCL_AXIS(1), true)), 1 },
    { lcl_add(lcl_sum(column, LCL_AXIS(1), false), lcl_reshape(column, LCL_SHAPE(N))), 0 },
    { lcl_add(lcl_mul(lcl_sum(t, LCL_AXIS(1), false), both),
              lcl_sum(lcl_mul(t, both), LCL_AXIS(1), false)),
      1 },
    { lcl_matmul(power, lcl_mul(again_read, lcl_sum(power, LCL_AXIS(1), true)), false, false), 3 },
  };
  for (size_t c = 0; c < LCL_COUNT(cases); c++) {
    const size_t n = (size_t)lcl_shape_count(lcl_tensor_shape(cases[c].y));
    const size_t launches = run_fused(w.g, cases[c].y, true, x, LCL_COUNT(x), got, n);
    if (cases[c].launches) assert_int_equal(launches, cases[c].launches);
    run_fused(w.g, cases[c].y, false, x, LCL_COUNT(x), again, n);
    for (size_t k = 0; k < n; k++) near(got[k], (double)again[k], 2e-5);
  }
  end(w);
}

/* Reductions over views that are contiguous along a kept axis: channels that lie last in memory. */
static void reduces_views(void **state) {
  (void)state;
  enum { N = 3, H = 5, W = 7, C = 41, ALL = N * H * W * C };
  static const int channels_first[] = { 0, 3, 1, 2 };
  float x[ALL], y[ALL];
  double sum[N][C] = { { 0 } }, mean[C] = { 0 }, var[C] = { 0 };
  fill(x, ALL, 29);
  for (int i = 0; i < ALL; i++) {
    sum[i / (H * W * C)][i % C] += (double)x[i];
    mean[i % C] += (double)x[i] / (N * H * W);
  }
  for (int i = 0; i < ALL; i++) {
    const double off = (double)x[i] - mean[i % C];
    var[i % C] += off * off / (N * H * W);
  }
  world w = begin();
  lcl_tensor *t = lcl_transpose(lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(N, H, W, C)),
                                channels_first);
  const unsigned image = LCL_AXIS(2) | LCL_AXIS(3), batch = image | LCL_AXIS(0);
  run_one(w.g, lcl_sum(t, image, false), x, ALL, y, N * C);
  for (int i = 0; i < N * C; i++) near(y[i], sum[i / C][i % C], 2e-5);
  run_one(w.g, lcl_mean(t, batch, false), x, ALL, y, C);
  for (int c = 0; c < C; c++) near(y[c], mean[c], 1e-6);
  run_one(w.g, normalised(t, batch), x, ALL, y, ALL);
  for (int n = 0; n < N; n++)
    for (int i = 0; i < H * W; i++)
      for (int c = 0; c < C; c++) {
        const double off = (double)x[(n * H * W + i) * C + c] - mean[c];
        near(y[(n * C + c) * H * W + i], off / sqrt(var[c] + 1e-3), 2e-5);
      }
  end(w);
}

/* Arithmetic of scalar constants is done once, whatever shape they are given. */
static void constant_shapes(void **state) {
  (void)state;
  float got[6];
  world w = begin();
  lcl_tensor *two = lcl_reshape(lcl_const(w.g, 2), LCL_SHAPE(1, 1)),
             *three = lcl_broadcast(lcl_const(w.g, 3), LCL_SHAPE(2, 3));
  lcl_tensor *y = lcl_neg(lcl_mul(two, three));
  const lcl_shape s = lcl_tensor_shape(y);
  assert_true(s.rank == 2 && s.dim[0] == 2 && s.dim[1] == 3);
  run_one(w.g, y, NULL, 0, got, 6);
  for (int i = 0; i < 6; i++) near(got[i], -6, 0);
  end(w);
}

/* Where results are summed in parts, the second launch makes what follows from them too. */
static void follows_from_parts(void **state) {
  (void)state;
  enum { N = 240000 };
  static float x[N];
  float got[3], again[3];
  fill(x, N, 29);
  world w = begin();
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(4, 3, N / 12));
  lcl_tensor *v = lcl_param(w.g, "v", LCL_SHAPE(3, 1), (lcl_init) { .kind = LCL_INIT_UNIFORM });
  lcl_tensor *own = lcl_square(v), *columns = lcl_reshape(t, LCL_SHAPE(N / 3, 3));
  const unsigned outer = LCL_AXIS(0) | LCL_AXIS(2);
  lcl_tensor *mean = lcl_mean(lcl_square(t), outer, true), *most = lcl_max(t, outer, true);
  lcl_tensor *const ys[] = {
    lcl_rsqrt(lcl_add(lcl_sub(lcl_scale(mean, 2), own), most)),
    lcl_sqrt(lcl_shift(lcl_mean(lcl_square(t), LCL_ALL_AXES, false), 1)),
    lcl_exp(lcl_neg(lcl_mean(lcl_square(columns), LCL_AXIS(0), false))),
  };
  for (size_t c = 0; c < LCL_COUNT(ys); c++) {
    const size_t n = (size_t)lcl_shape_count(lcl_tensor_shape(ys[c]));
    assert_true(run_fused(w.g, ys[c], true, x, N, got, n) <= 2);
    run_fused(w.g, ys[c], false, x, N, again, n);
    for (size_t k = 0; k < n; k++) near(got[k], (double)again[k], 2e-6);
  }
  end(w);
}

/* Memory that is free on both sides of a tensor is not one piece: b lies between a and c, and is
 * read after the places of both were given back. */
static void kept_between_free_places(void **state) {
  (void)state;
  enum { N = 4096 };
  static float x[N], y[N];
  fill(x, N, 19);
  world w = begin();
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(N));
  lcl_tensor *a = lcl_scale(t, 2), *b = lcl_scale(t, 3), *c = lcl_scale(t, 4);
  lcl_tensor *of_c = lcl_sum(c, LCL_ALL_AXES, false), *of_a = lcl_sum(a, LCL_ALL_AXES, false);
  lcl_tensor *larger = lcl_concat((lcl_tensor *[]) { t, lcl_slice_axis(t, 0, 0, N / 2) }, 2, 0);
  lcl_tensor *of_larger = lcl_sum(larger, LCL_ALL_AXES, false);
  lcl_tensor *fetch[] = { lcl_add(b, t), of_c, of_a, of_larger };
  lcl_program *p;
  ASSERT_OK(lcl_compile(
      w.g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 4, .no_fusion = true }, &p));
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", y, sizeof y));
  for (int i = 0; i < N; i++) near(y[i], 4.0 * (double)x[i], 1e-6);
  lcl_program_destroy(p);
  end(w);
}

/* A cast to bytes cuts where it is read in its own launch, too. */
static void cast_on_the_way(void **state) {
  (void)state;
  static const float x[] = { -3, -0.5f, 0, 2.75f, 255.5f, 256, 1e9f };
  static const float want[] = { 1, 1, 1, 3, 256, 256, 256 };
  float y[LCL_COUNT(x)];
  world w = begin();
  lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(LCL_COUNT(x)));
  run_one(w.g, lcl_shift(lcl_cast(lcl_cast(t, LCL_U8), LCL_F32), 1), x, LCL_COUNT(x), y,
          LCL_COUNT(x));
  for (size_t i = 0; i < LCL_COUNT(x); i++) near(y[i], (double)want[i], 0);
  end(w);
}

/* A part of narrower numbers, which lie in as many bytes as the result has, is not where the result
 * is: its place is not the result's. */
static void part_of_narrower_numbers(void **state) {
  (void)state;
  enum { N = 6000, BYTES = 4 };
  static float x[N * BYTES], y[N];
  static const int first[] = { 0, 16, 3 * N };
  for (int i = 0; i < N * BYTES; i++) x[i] = (float)(i * 7 % 256);
  for (size_t k = 0; k < LCL_COUNT(first); k++) {
    world w = begin();
    lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(N * BYTES));
    lcl_tensor *part = lcl_slice_axis(lcl_cast(t, LCL_U8), 0, first[k], first[k] + N);
    run_one(w.g, lcl_scale(lcl_cast(part, LCL_F32), 2), x, N * BYTES, y, N);
    for (int i = 0; i < N; i++) near(y[i], 2 * (double)x[first[k] + i], 0);
    end(w);
  }
}

/* 2 x + 1, and of a part of x, which is a part of the input's memory, the matrix product with
 * itself and its largest value. */
static void check_run(lcl_program *p, const float *x, size_t n, size_t first) {
  float y[2048], z[64], largest, most = -INFINITY;
  ASSERT_OK(lcl_fetch(p, "#0", y, n * sizeof *y));
  ASSERT_OK(lcl_fetch(p, "#1", z, sizeof z));
  ASSERT_OK(lcl_fetch(p, "#2", &largest, sizeof largest));
  for (size_t i = 0; i < 64; i++) most = fmaxf(most, x[first + i]);
  assert_true(largest == most);
  for (size_t i = 0; i < n; i++) near(y[i], 2.0 * (double)x[i] + 1, 1e-6);
  for (size_t r = 0; r < 8; r++)
    for (size_t c = 0; c < 8; c++) {
      double sum = 0;
      for (size_t k = 0; k < 8; k++)
        sum += (double)x[first + r * 8 + k] * (double)x[first + c * 8 + k];
      near(z[r * 8 + c], sum, 1e-5);
    }
}

/* A caller's buffer is read in place of an input, also by what was bound before; an event tells the
 * end of a run. */
static void callers_memory(void **state) {
  (void)state;
  enum { N = 2048, FIRST = 1024 };
  float x[N], back[N];
  lcl_buffer *own, *small;
  lcl_program *p;
  void *done = NULL;
  cl_int result = 1;
  world w = begin();
  lcl_tensor *in = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(N));
  lcl_tensor *part = lcl_reshape(lcl_slice_axis(in, 0, FIRST, FIRST + 64), LCL_SHAPE(8, 8));
  lcl_tensor *fetch[] = { lcl_shift(lcl_scale(in, 2), 1), lcl_matmul(part, part, false, true),
                          lcl_max_pool2d(lcl_reshape(part, LCL_SHAPE(1, 1, 8, 8)),
                                         &(lcl_pool_desc) { .kernel = { 8, 8 } }, NULL) };
  ASSERT_OK(lcl_compile(w.g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 3 }, &p));
  fill(x, N, 1);
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  ASSERT_OK(lcl_run(p));
  check_run(p, x, N, FIRST);
  ASSERT_OK(lcl_buffer_create(ctx, sizeof x, &own));
  ASSERT_OK(lcl_buffer_create(ctx, sizeof x - 4, &small));
  ASSERT_STATUS(lcl_feed_buffer(p, "x", small), LCL_ERR_SHAPE);
  ASSERT_STATUS(lcl_feed_buffer(p, "y", own), LCL_ERR_ARGUMENT);
  ASSERT_OK(lcl_feed_buffer(p, "x", own));
  for (unsigned seed = 2; seed < 4; seed++) {
    fill(x, N, seed);
    ASSERT_OK(lcl_buffer_write(own, 0, x, sizeof x));
    ASSERT_OK(lcl_run_async(p, 0, NULL, &done));
    cl_event event = done;
    assert_int_equal(clWaitForEvents(1, &event), CL_SUCCESS);
    assert_int_equal(
        clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof result, &result, NULL),
        CL_SUCCESS);
    assert_int_equal(result, CL_COMPLETE);
    clReleaseEvent(event);
    check_run(p, x, N, FIRST);
  }
  lcl_program_destroy(p);
  ASSERT_OK(lcl_buffer_read(own, 0, back, sizeof back)); /* it stays the caller's */
  assert_memory_equal(back, x, sizeof x);
  lcl_buffer_destroy(own);
  lcl_buffer_destroy(small);
  end(w);
}

/* A run waits for the caller's events, and the caller's queue for the run's: what the caller writes
 * on a queue of its own before its event is what the run reads. */
static void callers_events(void **state) {
  (void)state;
  enum { N = 512 };
  float before[N], x[N], y[N] = { 0 };
  lcl_buffer *in, *out;
  lcl_program *p;
  void *event = NULL;
  cl_int err, result = CL_COMPLETE;
  world w = begin();
  lcl_output(lcl_scale(lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(N)), 2), "y");
  ASSERT_OK(lcl_compile(w.g, NULL, &p));
  const cl_context cl = lcl_context_cl_context(ctx);
  cl_command_queue queue = clCreateCommandQueue(cl, lcl_context_cl_device(ctx), 0, &err);
  assert_int_equal(err, CL_SUCCESS);
  ASSERT_OK(lcl_buffer_create(ctx, sizeof x, &in));
  ASSERT_OK(lcl_buffer_create(ctx, sizeof y, &out));
  ASSERT_OK(lcl_feed_buffer(p, "x", in));
  for (unsigned seed = 1; seed < 3; seed++) {
    fill(before, N, 10 + seed);
    fill(x, N, seed);
    ASSERT_OK(lcl_buffer_write(in, 0, before, sizeof before));
    ASSERT_OK(lcl_context_finish(ctx));
    cl_event gate[2] = { clCreateUserEvent(cl, &err), clCreateUserEvent(cl, &err) };
    ASSERT_OK(lcl_run_async(p, 2, (void **)gate, &event));
    cl_event done = event;
    assert_int_equal(
        clEnqueueWriteBuffer(queue, lcl_buffer_cl_mem(in), CL_TRUE, 0, sizeof x, x, 0, NULL, NULL),
        CL_SUCCESS);
    assert_int_equal(clSetUserEventStatus(gate[0], CL_COMPLETE), CL_SUCCESS);
    assert_int_equal(
        clGetEventInfo(done, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof result, &result, NULL),
        CL_SUCCESS);
    assert_int_not_equal(result, CL_COMPLETE);
    assert_int_equal(clSetUserEventStatus(gate[1], CL_COMPLETE), CL_SUCCESS);
    ASSERT_OK(lcl_fetch_buffer(p, "y", out, 0));
    /* The event of another run, which nobody wants, and of one that waits for the first. */
    ASSERT_OK(lcl_run_async(p, 1, &event, NULL));
    clReleaseEvent(done);
    ASSERT_OK(lcl_run_async(p, 0, NULL, &event));
    done = event;
    assert_int_equal(
        clEnqueueReadBuffer(queue, lcl_buffer_cl_mem(out), CL_TRUE, 0, sizeof y, y, 1, &done, NULL),
        CL_SUCCESS);
    for (int i = 0; i < N; i++) assert_true(y[i] == 2 * x[i]);
    clReleaseEvent(done);
    for (int k = 0; k < 2; k++) clReleaseEvent(gate[k]);
  }
  void *none[2] = { NULL, NULL };
  ASSERT_STATUS(lcl_run_async(p, 1, NULL, &event), LCL_ERR_ARGUMENT);
  ASSERT_STATUS(lcl_run_async(p, -1, none, &event), LCL_ERR_ARGUMENT);
  assert_int_not_equal(lcl_run_async(p, 2, none, &event), LCL_OK);
  clReleaseCommandQueue(queue);
  lcl_program_destroy(p);
  lcl_buffer_destroy(in);
  lcl_buffer_destroy(out);
  end(w);
}

/* An output goes to a place in a caller's buffer, and nothing else of it changes. */
static void into_callers_memory(void **state) {
  (void)state;
  enum { N = 300, AT = 100 };
  float x[N], got[AT + N + 50];
  lcl_buffer *buf, *foreign;
  lcl_program *p;
  lcl_context *another;
  world w = begin();
  lcl_tensor *in = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(N));
  lcl_tensor *fetch[] = { lcl_scale(in, 3), in };
  ASSERT_OK(lcl_compile(w.g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 2 }, &p));
  ASSERT_OK(lcl_buffer_create(ctx, sizeof got, &buf));
  ASSERT_STATUS(lcl_fetch_buffer(p, "#0", buf, 0), LCL_ERR_ARGUMENT); /* it has not run */
  for (unsigned seed = 1; seed < 3; seed++) {
    fill(got, AT + N + 50, 9);
    fill(x, N, seed);
    ASSERT_OK(lcl_buffer_write(buf, 0, got, sizeof got));
    ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
    ASSERT_OK(lcl_run(p));
    ASSERT_OK(lcl_fetch_buffer(p, "#0", buf, AT * sizeof *x));
    for (int i = 0; i < N; i++) got[AT + i] = 3 * x[i];
    float back[AT + N + 50];
    ASSERT_OK(lcl_buffer_read(buf, 0, back, sizeof back));
    assert_memory_equal(back, got, sizeof got);
  }
  ASSERT_STATUS(lcl_fetch_buffer(p, "#2", buf, 0), LCL_ERR_ARGUMENT);
  ASSERT_STATUS(lcl_fetch_buffer(p, "#0", buf, (AT + 50) * sizeof *x + 4), LCL_ERR_SHAPE);
  ASSERT_STATUS(lcl_fetch_buffer(p, "#0", buf, SIZE_MAX), LCL_ERR_SHAPE);
  ASSERT_OK(lcl_context_create(NULL, &another));
  ASSERT_OK(lcl_buffer_create(another, sizeof x, &foreign));
  ASSERT_STATUS(lcl_fetch_buffer(p, "#0", foreign, 0), LCL_ERR_ARGUMENT);
  /* An input that is an output too, over a part of itself. */
  float own[N + 16];
  ASSERT_OK(lcl_feed_buffer(p, "x", buf));
  ASSERT_OK(lcl_buffer_write(buf, 0, x, sizeof x));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch_buffer(p, "#1", buf, 16 * sizeof *x));
  ASSERT_OK(lcl_buffer_read(buf, 0, own, sizeof own));
  assert_memory_equal(own, x, 16 * sizeof *x);
  assert_memory_equal(own + 16, x, sizeof x);
  lcl_program_destroy(p);
  lcl_buffer_destroy(buf);
  lcl_buffer_destroy(foreign);
  lcl_context_destroy(another);
  end(w);
}

/* What the loss does not depend on has the gradient zero. */
static void unrelated(void **state) {
  (void)state;
  float x[5], got[5];
  fill(x, 5, 3);
  world w = begin();
  lcl_tensor *in = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(5));
  lcl_tensor *other = lcl_exp(in), *loss = lcl_sum(lcl_square(in), LCL_ALL_AXES, false), *grad[2];
  lcl_gradients(loss, (lcl_tensor *[]) { in, other }, 2, grad);
  run_one(w.g, lcl_add(lcl_scale(grad[0], 2), grad[1]), x, 5, got, 5);
  for (int i = 0; i < 5; i++) near(got[i], 4 * (double)x[i], 1e-6);
  run_one(w.g, lcl_add(grad[1], lcl_scale(in, 0.5f)), x, 5, got, 5);
  for (int i = 0; i < 5; i++) near(got[i], 0.5 * (double)x[i], 0);
  end(w);
}

/* Shapes of 2^40 elements at most. */
static void largest_shape(void **state) {
  (void)state;
  static const int64_t rows[] = { 1 << 20, (1 << 20) + 1 };
  for (int i = 0; i < 2; i++) {
    world w = begin();
    lcl_tensor *t = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(rows[i], 1 << 20));
    assert_int_equal(lcl_shape_count(lcl_tensor_shape(t)) == rows[i] << 20, i == 0);
    end(w);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(chains),
    cmocka_unit_test(sums),
    cmocka_unit_test(transposes),
    cmocka_unit_test(views),
    cmocka_unit_test(cross_entropy),
    cmocka_unit_test(second_order),
    cmocka_unit_test(assignments),
    cmocka_unit_test(errors),
    cmocka_unit_test(numerics),
    cmocka_unit_test(epilogues),
    cmocka_unit_test(callers_memory),
    cmocka_unit_test(callers_events),
    cmocka_unit_test(into_callers_memory),
    cmocka_unit_test(unrelated),
    cmocka_unit_test(largest_shape),
    cmocka_unit_test(fetched_on_the_way),
    cmocka_unit_test(follows_from_results),
    cmocka_unit_test(reduces_views),
    cmocka_unit_test(follows_from_parts),
    cmocka_unit_test(constant_shapes),
    cmocka_unit_test(kept_between_free_places),
    cmocka_unit_test(cast_on_the_way),
    cmocka_unit_test(part_of_narrower_numbers),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
