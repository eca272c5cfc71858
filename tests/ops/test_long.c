/* Long rows, columns and sums: whatever one work-item does must not depend on how long they are.
 * (Mesa's llvmpipe ends a work-item's loops after 65535 rounds without a word; a GPU would only be
 * slow.) And a sum is as exact as a short one: within 1e-6 of itself, however many its terms. */
#include <math.h>

#include "latentcl/nn.h"
#include "latentcl/ops.h"
#include "reference/spec.h"
#include "test.h"

/* One case of an op with these inputs, forward and gradient, on integers where sums are exact. */
static void check(const char *op, const char *attr, int n_in, const lcl_shape *shapes) {
  lcl_context *ctx;
  lcl_case *c;
  lcl_case_result result;
  lcl_rng r = { .state = 5 };
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  ASSERT_OK(lcl__case_create(lcl__spec_find(op), &c));
  if (attr) ASSERT_OK(lcl__case_set(c, attr));
  for (int i = 0; i < n_in; i++) {
    const bool index = c->spec->in[i].domain == LCL_INDEX;
    ASSERT_OK(lcl__array_new(c, index ? LCL_I32 : LCL_F32, shapes[i], &c->in[i]));
    for (int64_t k = 0; k < lcl__array_count(&c->in[i]); k++)
      c->in[i].data[k] = index ? 0 : (double)(lcl__rng_below(&r, 5) - 2);
  }
  ASSERT_OK(c->spec->forward(c));
  if (c->spec->backward) {
    ASSERT_OK(lcl__array_new(c, LCL_F32, c->out[0].shape, &c->grad_out[0]));
    for (int64_t k = 0; k < lcl__array_count(&c->out[0]); k++)
      c->grad_out[0].data[k] = (double)(lcl__rng_below(&r, 5) - 2);
  }
  c->integers = true;
  ASSERT_OK(lcl__case_reference(c));
  ASSERT_OK(lcl__case_run(c, &(lcl_case_run_desc) { .ctx = ctx }, &result));
  ASSERT_OK(lcl__case_compare(c, &result, NULL));
  lcl__case_destroy(c);
  lcl_context_destroy(ctx);
}

static void sums(void **state) {
  (void)state;
  check("sum", NULL, 1, &LCL_SHAPE(700001));
  check("sum", "axis=0", 1, &LCL_SHAPE(200003, 3));
  check("max", "axis=0", 1, &LCL_SHAPE(100003, 2));
}

static void arg_max(void **state) {
  (void)state;
  check("argmax", "axis=0", 1, &LCL_SHAPE(200003, 3));
  check("argmax", "axis=1", 1, &LCL_SHAPE(2, 100003));
}

static void rows(void **state) {
  (void)state;
  check("gather", NULL, 2, (lcl_shape[]) { LCL_SHAPE(2, 90001), LCL_SHAPE(3) });
  check("concat", "axis=0", 2, (lcl_shape[]) { LCL_SHAPE(150001), LCL_SHAPE(80001) });
  check("transpose", NULL, 1, &LCL_SHAPE(2, 90001));
}

static void planes(void **state) {
  (void)state;
  check("max_pool2d", "kernel=2", 1, &LCL_SHAPE(1, 1, 520, 520));
  check("max_unpool2d", "shape=1,2,130,260", 2,
        (lcl_shape[]) { LCL_SHAPE(1, 2, 100, 701), LCL_SHAPE(1, 2, 100, 701) });
}

static void gemms(void **state) {
  (void)state;
  check("matmul", NULL, 2, (lcl_shape[]) { LCL_SHAPE(2, 150001), LCL_SHAPE(150001, 3) });
  check("conv2d", "pad=1", 2, (lcl_shape[]) { LCL_SHAPE(40, 1, 41, 43), LCL_SHAPE(2, 1, 3, 3) });
}

/* ---- sums of reals ---- */

/* x (outer, m, inner); a result for each of the m sums over the other two. */
typedef struct sums_case {
  const char *name;
  int64_t outer, m, inner;
  lcl_tensor *(*build)(lcl_tensor *x); /* (m) or (m,1), one after the other */
  double (*term)(double x);
  double (*finish)(double sum, double terms);
  bool constant; /* 0.1 everywhere, whose roundings all go one way; else 0.5 to 1 at random */
} sums_case;

static double same(double x) {
  return x;
}
static double squared(double x) {
  return x * x;
}
static double total(double sum, double terms) {
  (void)terms;
  return sum;
}
static double average(double sum, double terms) {
  return sum / terms;
}
static double logarithm(double sum, double terms) {
  return log(sum / terms) + 10;
}

enum { OUTER_INNER = LCL_AXIS(0) | LCL_AXIS(2) };

static lcl_tensor *sum_of(lcl_tensor *x) {
  return lcl_sum(x, OUTER_INNER, false);
}
static lcl_tensor *mean_of(lcl_tensor *x) {
  return lcl_mean(x, OUTER_INNER, false);
}
static lcl_tensor *fused_squares(lcl_tensor *x) {
  return lcl_mean(lcl_square(lcl_abs(x)), OUTER_INNER, false);
}
static lcl_tensor *mse_of(lcl_tensor *x) {
  return lcl_l2(x, lcl_scale(x, 0), LCL_L2_MEAN);
}
static lcl_tensor *log_sum_exp(lcl_tensor *x) {
  const lcl_shape s = lcl_tensor_shape(x);
  const float terms = (float)(s.dim[0] * s.dim[2]);
  lcl_tensor *sum = lcl_sum(lcl_exp(x), OUTER_INNER, false);
  return lcl_shift(lcl_log(lcl_scale(sum, 1 / terms)), 10);
}
static lcl_tensor *batch_mean(lcl_tensor *x) {
  lcl_tensor *mean;
  lcl_moments(x, OUTER_INNER, &mean, NULL);
  return mean;
}
/* The mean of squares as a variance: of x and -x, whose mean is 0. */
static lcl_tensor *batch_variance(lcl_tensor *x) {
  lcl_tensor *both[] = { x, lcl_neg(x) }, *variance;
  lcl_moments(lcl_concat(both, 2, 0), OUTER_INNER, NULL, &variance);
  return variance;
}
/* The gradient of a bias that is added to every element of a channel, where x flows in. */
static lcl_tensor *bias_gradient(lcl_tensor *x) {
  lcl_tensor *zero = lcl_scale(x, 0),
             *bias = lcl_slice_axis(lcl_slice_axis(zero, 0, 0, 1), 2, 0, 1), *gradient;
  lcl_vjp(lcl_add(zero, bias), x, &bias, 1, &gradient);
  return gradient;
}
/* x (n, width, 1): the gradient of a row that was asked for n times. */
static lcl_tensor *gathered(lcl_tensor *x) {
  const lcl_shape s = lcl_tensor_shape(x);
  lcl_tensor *rows = lcl_state(lcl_tensor_graph(x), "rows", LCL_I32, LCL_SHAPE(s.dim[0]),
                               (lcl_init) { 0 });
  lcl_tensor *x2 = lcl_reshape(x, LCL_SHAPE(s.dim[0], s.dim[1])), *gradient,
             *row = lcl_scale(lcl_slice_axis(x2, 0, 0, 1), 0);
  lcl_vjp(lcl_gather(row, rows), x2, &row, 1, &gradient);
  return gradient;
}
/* x (1, channels, h*100): one window over all of it; with padding, by the kernel of windows. */
static lcl_tensor *pooled(lcl_tensor *x, int pad) {
  const lcl_shape s = lcl_tensor_shape(x);
  const int h = (int)s.dim[2] / 100;
  return lcl_avg_pool2d(lcl_reshape(x, LCL_SHAPE(1, s.dim[1], h, 100)),
                        &(lcl_pool_desc) { .kernel = { h + pad, 100 }, .pad = { pad } });
}
static lcl_tensor *whole_window(lcl_tensor *x) {
  return pooled(x, 0);
}
static lcl_tensor *padded_window(lcl_tensor *x) {
  return pooled(x, 1);
}

static void fill(const sums_case *k, float *x) {
  lcl_rng r = { .state = 7 };
  for (int64_t i = 0; i < k->outer * k->m * k->inner; i++)
    x[i] = k->constant ? 0.1f : (float)lcl__rng_real(&r, 0.5, 1);
}

static void expect_sums(const sums_case *k, const float *x, const float *y) {
  for (int64_t c = 0; c < k->m; c++) {
    double sum = 0;
    for (int64_t o = 0; o < k->outer; o++)
      for (int64_t i = 0; i < k->inner; i++)
        sum += k->term((double)x[(o * k->m + c) * k->inner + i]);
    const double want = k->finish(sum, (double)(k->outer * k->inner));
    if (!(fabs(y[c] - want) <= 1e-6 * fabs(want)))
      fail_msg("%s (%lld,%lld,%lld), result %lld: %.9g, not %.9g", k->name, (long long)k->outer,
               (long long)k->m, (long long)k->inner, (long long)c, (double)y[c], want);
  }
}

static void run_sums(lcl_context *ctx, const sums_case *k) {
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  const size_t bytes = (size_t)(k->outer * k->m * k->inner) * sizeof(float);
  float *x = lcl__alloc(bytes), *y = lcl__alloc((size_t)k->m * sizeof *y);
  assert_non_null(x);
  assert_non_null(y);
  fill(k, x);
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "sums", &g));
  lcl_output(k->build(lcl_input(g, "x", LCL_F32, LCL_SHAPE(k->outer, k->m, k->inner))), "y");
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { 0 }, &p));
  ASSERT_OK(lcl_feed(p, "x", x, bytes));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "y", y, (size_t)k->m * sizeof *y));
  expect_sums(k, x, y);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl__free(x);
  lcl__free(y);
}

/* x (outer,1,1) as a row times itself as a column; as 3 rows times themselves. */
static lcl_tensor *row_times_column(lcl_tensor *x) {
  const int64_t k = lcl_tensor_shape(x).dim[0];
  return lcl_matmul(lcl_reshape(x, LCL_SHAPE(1, k)), lcl_reshape(x, LCL_SHAPE(k, 1)), false, false);
}
static lcl_tensor *rows_times_columns(lcl_tensor *x) {
  const int64_t k = lcl_tensor_shape(x).dim[0] / 3;
  lcl_tensor *a = lcl_reshape(x, LCL_SHAPE(3, k));
  lcl_tensor *all = lcl_matmul(a, a, false, true); /* its 9 elements added up */
  return lcl_sum(all, LCL_ALL_AXES, false);
}
static double of_all_products(double sum, double terms) {
  (void)terms;
  return 3 * sum; /* of a constant: each of 9 elements is a third of the sum of squares */
}

/* x (1,1,inner) again and again: of so many long rows each is one work-group's alone. */
enum { LONG_ROWS = 140, ROUND_AGAIN = 1100 };
static lcl_tensor *one_of_many_rows(lcl_tensor *x) {
  const int64_t inner = lcl_tensor_shape(x).dim[2];
  lcl_tensor *all = lcl_broadcast(x, LCL_SHAPE(LONG_ROWS, ROUND_AGAIN, inner));
  return lcl_slice_axis(lcl_sum(all, LCL_AXIS(1) | LCL_AXIS(2), false), 0, LONG_ROWS - 1,
                        LONG_ROWS);
}
static double many_times(double sum, double terms) {
  (void)terms;
  return ROUND_AGAIN * sum;
}

static void exact_sums(void **state) {
  static const sums_case cases[] = {
    { "sum", 1, 1, 20000000, sum_of, same, total, true },
    { "sum", 20000000, 1, 1, sum_of, same, total, false },
    { "sum", 1, 3, 6666667, sum_of, same, total, true },
    { "sum", 6666667, 3, 1, sum_of, same, total, true },
    { "sum", 70001, 40, 1, sum_of, same, total, true },
    { "sum", 40001, 3, 49, sum_of, same, total, true },
    { "sum", 300001, 2, 7, sum_of, same, total, false },
    { "sum", 2, 1, 5000001, sum_of, same, total, true },
    { "matmul", 1000003, 1, 1, row_times_column, squared, total, true },
    { "matmul", 900003, 1, 1, rows_times_columns, squared, of_all_products, true },
    { "mean", 1, 1, 20000000, mean_of, same, average, true },
    { "mean of a fused square", 3000001, 2, 3, fused_squares, squared, average, false },
    { "mse", 1, 1, 5000000, mse_of, squared, average, true },
    { "log sum exp", 1, 2, 3000001, log_sum_exp, exp, logarithm, false },
    { "batch mean", 5003, 2, 784, batch_mean, same, average, true },
    { "batch variance", 5003, 2, 784, batch_variance, squared, average, true },
    { "bias gradient", 5003, 3, 784, bias_gradient, same, total, true },
    { "bias gradient", 2000003, 3, 1, bias_gradient, same, total, true },
    { "one of many rows", 1, 1, 4300, one_of_many_rows, same, many_times, false },
    { "gradient of gather", 300001, 5, 1, gathered, same, total, true },
    { "average pooling", 1, 2, 500000, whole_window, same, average, true },
    { "average pooling, padded", 1, 2, 60000, padded_window, same, average, true },
  };
  lcl_context *ctx;
  (void)state;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  for (size_t i = 0; i < LCL_COUNT(cases); i++) run_sums(ctx, &cases[i]);
  lcl_context_destroy(ctx);
}

/* An infinite term makes an infinite sum, not a NaN; a NaN stays. */
static void infinite_sums(void **state) {
  enum { N = 100003 };
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  float *x = lcl__alloc(N * sizeof *x), y;
  (void)state;
  assert_non_null(x);
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "sums", &g));
  lcl_output(lcl_sum(lcl_input(g, "x", LCL_F32, LCL_SHAPE(N)), LCL_AXIS(0), false), "y");
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { 0 }, &p));
  for (int k = 0; k < 4; k++) {
    for (int i = 0; i < N; i++) x[i] = 1;
    x[k % 2 ? 40000 : N - 1] = k == 3 ? NAN : k == 2 ? -INFINITY : INFINITY;
    if (k == 3) x[5] = INFINITY;
    ASSERT_OK(lcl_feed(p, "x", x, N * sizeof *x));
    ASSERT_OK(lcl_run(p));
    ASSERT_OK(lcl_fetch(p, "y", &y, sizeof y));
    if (k == 3 ? !isnan(y) : y != (k == 2 ? -INFINITY : INFINITY))
      fail_msg("sum %d is %g", k, (double)y);
  }
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl__free(x);
  lcl_context_destroy(ctx);
}

/* The norm of a gradient of 0.1 everywhere, from the step that clipping it to 1 leaves. */
static void norm_of_gradient(void **state) {
  enum { N = 5000001 };
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  float *moved = lcl__alloc(N * sizeof *moved);
  (void)state;
  assert_non_null(moved);
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "norm", &g));
  lcl_tensor *w = lcl_param(g, "w", LCL_SHAPE(N), (lcl_init) { 0 });
  lcl_tensor *loss = lcl_scale(lcl_sum(w, LCL_AXIS(0), false), 0.1f);
  lcl_minimise(loss,
               &(lcl_optimiser_desc) { .kind = LCL_SGD, .lr = lcl_const(g, 1), .clip_norm = 1 });
  lcl_output(loss, "loss");
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { 0 }, &p));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_store_read(store, "w", moved, N * sizeof *moved));
  const double want = -1 / sqrt(N);
  ASSERT_BETWEEN(moved[N / 2], want * (1 + 1e-6), want * (1 - 1e-6));
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl__free(moved);
  lcl_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(sums),          cmocka_unit_test(arg_max),
    cmocka_unit_test(rows),          cmocka_unit_test(planes),
    cmocka_unit_test(gemms),         cmocka_unit_test(exact_sums),
    cmocka_unit_test(infinite_sums), cmocka_unit_test(norm_of_gradient),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
