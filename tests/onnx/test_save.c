/* Graphs into files and back: every op that is written, with the batch left open, gives the numbers
 * of the graph. */
#include <unistd.h>

#include "latentcl/onnx.h"
#include "latentcl/ops.h"
#include "onnx/internal.h"
#include "test.h"

enum { BATCH = 1009, RUN = 2, C = 2, H = 6, W = 5 };

static lcl_context *ctx;
static char path[] = "/tmp/lcl-save-XXXXXX";

static int setup(void **state) {
  (void)state;
  const int fd = mkstemp(path);
  if (fd < 0 || lcl_context_create(NULL, &ctx) != LCL_OK) fail_msg("%s", lcl_error_message());
  return close(fd);
}

static int teardown(void **state) {
  (void)state;
  lcl_context_destroy(ctx);
  return unlink(path);
}

/* Tensors whose sizes differ along every axis, so that no mistaken order fits. */
static size_t build(lcl_graph *g, int64_t n, lcl_onnx_name *out) {
  size_t k = 0;
  float w[3 * C * 2 * 3], rows[5 * 4];
  for (size_t i = 0; i < LCL_COUNT(w); i++) w[i] = (float)(i % 7) / 7 - 0.4f;
  for (size_t i = 0; i < LCL_COUNT(rows); i++) rows[i] = (float)(i % 5) / 5 - 0.3f;
  lcl_tensor *x = lcl_input(g, "x", LCL_F32, LCL_SHAPE(n, C, H, W)), *zero = lcl_const(g, 0);
  lcl_tensor *filter = lcl_const_data(g, LCL_F32, LCL_SHAPE(3, C, 2, 3), w);
  lcl_tensor *conv = lcl_conv2d(
      x, filter,
      lcl_param(g, "bias", LCL_SHAPE(3), (lcl_init) { LCL_INIT_CONSTANT, .value = 0.25f }),
      &(lcl_conv_desc) { .stride = { 2, 1 }, .pad = { 1, 0, 2, 1 }, .dilation = { 1, 2 } });
  out[k++] = (lcl_onnx_name) { conv, "conv" };
  out[k++] = (lcl_onnx_name) { lcl_conv_transpose2d(
                                   lcl_relu(conv), filter, NULL,
                                   &(lcl_conv_desc) { .stride = { 2, 3 }, .pad = { 1, 0, 0, 2 } },
                                   (int[]) { 1, 2 }),
                               "transposed" };
  out[k++] = (lcl_onnx_name) {
    lcl_max_pool2d(
        x, &(lcl_pool_desc) { .kernel = { 2, 3 }, .stride = { 2, 1 }, .pad = { 1, 0, 0, 2 } },
        NULL),
    "max"
  };
  out[k++] = (lcl_onnx_name) { lcl_avg_pool2d(x, &(lcl_pool_desc) { .kernel = { 3, 2 },
                                                                    .stride = { 1, 2 },
                                                                    .pad = { 0, 1, 1, 0 } }),
                               "average" };
  out[k++] = (lcl_onnx_name) {
    lcl_max_pool2d(x, &(lcl_pool_desc) { .kernel = { 2, 2 }, .stride = { 4, 2 }, .ceil = true },
                   NULL),
    "max_up"
  };
  out[k++] = (lcl_onnx_name) { lcl_avg_pool2d(x, &(lcl_pool_desc) { .kernel = { 3, 2 },
                                                                    .pad = { 0, 1, 1, 0 },
                                                                    .count_include_pad = true }),
                               "average_all" };
  out[k++] = (lcl_onnx_name) { lcl_conv2d(x, lcl_const_data(g, LCL_F32, LCL_SHAPE(4, 1, 2, 3), w),
                                          NULL, &(lcl_conv_desc) { .groups = C }),
                               "grouped" };
  out[k++] = (lcl_onnx_name) { lcl_conv_transpose2d(
                                   x, lcl_const_data(g, LCL_F32, LCL_SHAPE(C, 2, 3, 2), w), NULL,
                                   &(lcl_conv_desc) { .groups = C }, NULL),
                               "grouped_transposed" };
  lcl_tensor *flat = lcl_reshape(x, LCL_SHAPE(n, C * H * W)), *part = lcl_slice_axis(flat, 1, 3, 8);
  lcl_tensor *table = lcl_const_data(g, LCL_F32, LCL_SHAPE(5, 4), rows);
  out[k++] = (lcl_onnx_name) { lcl_matmul(part, table, false, false), "product" };
  out[k++] = (lcl_onnx_name) { lcl_slice_axis(flat, 1, 0, 4), "first" };
  out[k++] = (lcl_onnx_name) {
    lcl_matmul(part, lcl_transpose(table, (int[]) { 1, 0 }), false, true), "product_transposed"
  };
  out[k++] = (lcl_onnx_name) {
    lcl_concat((lcl_tensor *[]) { part, lcl_flip(part, LCL_AXIS(1)) }, 2, 1), "concat"
  };
  out[k++] = (lcl_onnx_name) { lcl_pad(part, (int64_t[]) { 0, 1 }, (int64_t[]) { 0, 2 }), "pad" };
  out[k++] = (lcl_onnx_name) { lcl_gather(table, lcl_argmax(part, 1, false)), "gather" };
  out[k++] = (lcl_onnx_name) {
    lcl_broadcast(lcl_reshape(part, LCL_SHAPE(n, 1, 5)), LCL_SHAPE(n, 3, 5)), "broadcast"
  };
  out[k++] = (lcl_onnx_name) {
    lcl_reshape(lcl_transpose(x, (int[]) { 0, 2, 3, 1 }), LCL_SHAPE(n * H * W, C)), "pixels"
  };
  out[k++] = (lcl_onnx_name) { lcl_softmax(part, 1), "softmax" };
  out[k++] = (lcl_onnx_name) { lcl_mean(x, LCL_AXIS(1) | LCL_AXIS(3), false), "mean" };
  out[k++] = (lcl_onnx_name) {
    lcl_add(lcl_max(x, LCL_AXIS(2), true), lcl_min(x, LCL_AXIS(3), true)), "extremes"
  };
  out[k++] = (lcl_onnx_name) {
    lcl_select(lcl_greater(part, zero), lcl_square(part), lcl_leaky_relu(part, 0.2f)), "select"
  };
  lcl_tensor *sum = lcl_shift(lcl_scale(lcl_abs(part), 2), 0.5f);
  for (int c = LCL_MAP_NEG; c <= LCL_MAP_COS; c++)
    sum = lcl_add(lcl_scale(sum, 0.5f),
                  lcl_unary((lcl_map_code)c, lcl_shift(lcl_abs(part), 0.1f), 0.3f));
  out[k++] = (lcl_onnx_name) { sum, "functions" };
  out[k++] =
      (lcl_onnx_name) { lcl_div(lcl_sub(part, lcl_less(part, zero)),
                                lcl_maximum(lcl_abs(part), lcl_minimum(sum, lcl_const(g, 1)))),
                        "arithmetic" };
  return k;
}

static void run(lcl_graph *g, const lcl_onnx_name *out, size_t n_out, float **result) {
  lcl_program *p;
  lcl_tensor *fetch[32];
  float x[RUN * C * H * W];
  for (size_t i = 0; i < LCL_COUNT(x); i++) x[i] = (float)((i * 37) % 101) / 50 - 1;
  for (size_t i = 0; i < n_out; i++) fetch[i] = out[i].tensor;
  ASSERT_OK(lcl_compile(
      g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = (int)n_out, .only_fetch = true }, &p));
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  ASSERT_OK(lcl_run(p));
  for (size_t i = 0; i < n_out; i++) {
    char name[16];
    const size_t n = (size_t)lcl_shape_count(lcl_tensor_shape(fetch[i]));
    snprintf(name, sizeof name, "#%zu", i);
    result[i] = lcl__alloc(n * sizeof **result);
    ASSERT_OK(lcl_fetch(p, name, result[i], n * sizeof **result));
  }
  lcl_program_destroy(p);
}

static void there_and_back(void **state) {
  (void)state;
  lcl_store *store, *other;
  lcl_graph *open, *direct, *read;
  lcl_onnx_model *m;
  lcl_onnx_name out[32], wanted[32], loaded[32] = { { 0 } };
  float *want[32], *got[32];
  const char *dims[] = { "batch=2" };
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "open", &open));
  ASSERT_OK(lcl_graph_create(store, "direct", &direct));
  const size_t n = build(open, BATCH, out);
  ASSERT_OK(lcl_onnx_save(
      path, &(lcl_onnx_save_desc) { .outputs = out, .n_outputs = n, .batch = BATCH }));
  assert_int_equal(build(direct, RUN, wanted), n);
  run(direct, wanted, n, want);
  ASSERT_OK(lcl_store_create(ctx, 1, &other));
  ASSERT_OK(lcl_graph_create(other, "read", &read));
  ASSERT_OK(lcl_onnx_load(read, path, &(lcl_onnx_desc) { .dims = dims, .n_dims = 1 }, &m));
  assert_int_equal(lcl_onnx_output_count(m), n);
  for (size_t i = 0; i < n; i++) loaded[i].tensor = lcl_onnx_output(m, i).tensor;
  run(read, loaded, n, got);
  for (size_t i = 0; i < n; i++) {
    const lcl_shape s = lcl_tensor_shape(wanted[i].tensor);
    char a[96], b[96];
    if (!lcl_shape_equal(s, lcl_tensor_shape(loaded[i].tensor)))
      fail_msg("%s: %s, not %s", out[i].name,
               lcl_shape_string(lcl_tensor_shape(loaded[i].tensor), a), lcl_shape_string(s, b));
    for (int64_t e = 0; e < lcl_shape_count(s); e++)
      if (!(fabs((double)got[i][e] - (double)want[i][e]) <=
            1e-5 * fmax(1, fabs((double)want[i][e]))))
        fail_msg("%s: element %d is %.9g, not %.9g", out[i].name, (int)e, (double)got[i][e],
                 (double)want[i][e]);
    lcl__free(want[i]);
    lcl__free(got[i]);
  }
  lcl_onnx_close(m);
  lcl_graph_destroy(read);
  lcl_graph_destroy(direct);
  lcl_graph_destroy(open);
  lcl_store_destroy(other);
  lcl_store_destroy(store);
}

/* Variables of a graph that was loaded from such a file have the names that its nodes get too. */
static void names_like_ours(void **state) {
  (void)state;
  lcl_store *store;
  lcl_graph *g, *read;
  lcl_onnx_model *m;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "g", &g));
  lcl_tensor *x = lcl_input(g, "_1", LCL_F32, LCL_SHAPE(2)),
             *w = lcl_param(g, "_0", LCL_SHAPE(2), (lcl_init) { LCL_INIT_CONSTANT, .value = 1 });
  const lcl_onnx_name out = { lcl_relu(lcl_mul(x, w)), "y" };
  ASSERT_OK(lcl_onnx_save(path, &(lcl_onnx_save_desc) { .outputs = &out, .n_outputs = 1 }));
  ASSERT_OK(lcl_graph_create(store, "read", &read));
  ASSERT_OK(lcl_onnx_load(read, path, NULL, &m));
  lcl_onnx_close(m);
  lcl_graph_destroy(read);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* What the file says of itself. */
static void metadata(void **state) {
  (void)state;
  lcl_store *store;
  lcl_graph *g;
  void *bytes;
  size_t n;
  const char *good[] = { "who=a=b", "empty=" }, *bad[] = { "who" };
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "g", &g));
  const lcl_onnx_name out = { lcl_relu(lcl_input(g, "x", LCL_F32, LCL_SHAPE(2))), "y" };
  lcl_onnx_save_desc d = { .outputs = &out, .n_outputs = 1, .metadata = good, .n_metadata = 2 };
  ASSERT_OK(lcl_onnx_save(path, &d));
  ASSERT_OK(lcl__file_read(path, 1 << 16, &bytes, &n));
  onnx_file *f = lcl__onnx__model__unpack(NULL, n, bytes);
  assert_non_null(f);
  assert_int_equal(f->n_metadata, 2);
  assert_string_equal(f->metadata[0]->key, "who");
  assert_string_equal(f->metadata[0]->value, "a=b");
  assert_string_equal(f->metadata[1]->key, "empty");
  assert_string_equal(f->metadata[1]->value, "");
  lcl__onnx__model__free_unpacked(f, NULL);
  lcl__free(bytes);
  d.metadata = bad;
  d.n_metadata = 1;
  assert_int_equal(lcl_onnx_save(path, &d), LCL_ERR_ARGUMENT);
  assert_non_null(strstr(lcl_error_message(), "key=value"));
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* A reshape whose only open size follows from the others is one node (and one names the output). */
static void open_reshape(void **state) {
  (void)state;
  lcl_store *store;
  lcl_graph *g;
  void *bytes;
  size_t n;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "g", &g));
  lcl_tensor *x = lcl_input(g, "x", LCL_F32, LCL_SHAPE(BATCH, C, H));
  const lcl_onnx_name out = { lcl_reshape(x, LCL_SHAPE(BATCH, C * H)), "y" };
  ASSERT_OK(lcl_onnx_save(
      path, &(lcl_onnx_save_desc) { .outputs = &out, .n_outputs = 1, .batch = BATCH }));
  ASSERT_OK(lcl__file_read(path, 1 << 16, &bytes, &n));
  onnx_file *f = lcl__onnx__model__unpack(NULL, n, bytes);
  assert_non_null(f);
  assert_int_equal(f->graph->n_node, 2);
  assert_string_equal(f->graph->node[0]->op, "Reshape");
  assert_string_equal(f->graph->node[1]->op, "Identity");
  lcl__onnx__model__free_unpacked(f, NULL);
  lcl__free(bytes);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

/* What is not written is named, and the file stays as it was. */
static void refusals(void **state) {
  (void)state;
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "g", &g));
  lcl_tensor *x = lcl_input(g, "x", LCL_F32, LCL_SHAPE(BATCH, C, H, W)), *at,
             *bias = lcl_param(g, "bias", LCL_SHAPE(3), (lcl_init) { LCL_INIT_CONSTANT }),
             *pooled = lcl_max_pool2d(
                 x, &(lcl_pool_desc) { .kernel = { 2, 2 }, .stride = { 2, 2 } }, &at);
  assert_non_null(pooled);
  const struct {
    lcl_tensor *t;
    const char *name, *message;
  } cases[] = {
    { lcl_random_normal(g, LCL_SHAPE(3)), "y", "random numbers are not written" },
    { lcl_skew(x), "y", "skew: ONNX has no operator for it" },
    { lcl_mean(x, LCL_AXIS(0), false), "y", "a mean over the batch depends on its size" },
    { lcl_slice_axis(x, 0, 0, 2), "y", "a part of the batch depends on its size" },
    { lcl_relu(x), "x", "\"x\" would name two values" },
    { lcl_relu(bias), "bias", "\"bias\" would name two values" },
    { at, "y", "\"y\" is a second output of a node" },
    { lcl_cast(at, LCL_F32), "y", "it reads a second output of max_pool2d" },
    { x, "_y", "does not begin with" },
    { NULL, "y", "lacks a tensor" },
  };
  ASSERT_OK(lcl__file_write_atomic(path, "before", 6));
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    void *data;
    size_t n;
    const lcl_onnx_name out = { cases[i].t, cases[i].name };
    const lcl_status st = lcl_onnx_save(
        path, &(lcl_onnx_save_desc) { .outputs = &out, .n_outputs = 1, .batch = BATCH });
    if (st == LCL_OK || !strstr(lcl_error_message(), cases[i].message))
      fail_msg("\"%s\" instead of \"%s\"", st == LCL_OK ? "written" : lcl_error_message(),
               cases[i].message);
    ASSERT_OK(lcl__file_read(path, 64, &data, &n));
    assert_int_equal(n, 6);
    lcl__free(data);
  }
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(there_and_back),
                                      cmocka_unit_test(names_like_ours), cmocka_unit_test(metadata),
                                      cmocka_unit_test(open_reshape), cmocka_unit_test(refusals) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
