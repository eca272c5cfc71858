/* matmul against the double-precision reference: every transposition, batches, epilogues, views. */
#include "ops/gemm_test.h"
#include "reference/reference.h"

static lcl_context *ctx;
static bool small; /* simulators are slow */

static int setup(void **state) {
  (void)state;
  if (lcl_context_create(NULL, &ctx) != LCL_OK) fail_msg("%s", lcl_error_message());
  small = device_is("oclgrind");
  return 0;
}
static int teardown(void **state) {
  (void)state;
  lcl_context_destroy(ctx);
  return 0;
}

typedef struct problem {
  int64_t batch, m, n, k;
  bool ta, tb, integers, bias;
  lcl_act act;
} problem;

static lcl_tensor *activation(lcl_tensor *y, lcl_act act) {
  switch (act) {
  case LCL_ACT_NONE: return y;
  case LCL_ACT_RELU: return lcl_relu(y);
  case LCL_ACT_LEAKY_RELU: return lcl_leaky_relu(y, 0.125f);
  case LCL_ACT_SIGMOID: return lcl_sigmoid(y);
  case LCL_ACT_TANH: return lcl_tanh(y);
  }
  return y;
}
static double activation_of(double v, lcl_act act) {
  switch (act) {
  case LCL_ACT_NONE: return v;
  case LCL_ACT_RELU: return v > 0 ? v : 0;
  case LCL_ACT_LEAKY_RELU: return v > 0 ? v : 0.125 * v;
  case LCL_ACT_SIGMOID: return 1 / (1 + exp(-v));
  case LCL_ACT_TANH: return tanh(v);
  }
  return v;
}

static void check(rng *r, const problem *p) {
  char what[160];
  snprintf(what, sizeof what, "matmul batch %d m %d n %d k %d%s%s bias %d act %d", (int)p->batch,
           (int)p->m, (int)p->n, (int)p->k, p->ta ? " ta" : "", p->tb ? " tb" : "", p->bias,
           (int)p->act);
  const int64_t batch = LCL_MAX(p->batch, 1);
  values a = values_random(r, (size_t)(batch * p->m * p->k), p->integers),
         b = values_random(r, (size_t)(batch * p->k * p->n), p->integers);
  values bias = values_random(r, (size_t)p->n, p->integers),
         c = values_new((size_t)(batch * p->m * p->n));
  for (int64_t z = 0; z < batch; z++) {
    const int64_t ao = z * p->m * p->k, bo = z * p->k * p->n, co = z * p->m * p->n;
    lcl__ref_matmul(p->m, p->n, p->k, a.d + ao, p->ta, b.d + bo, p->tb, c.d + co);
    lcl__ref_matmul(p->m, p->n, p->k, a.magnitude + ao, p->ta, b.magnitude + bo, p->tb,
                    c.magnitude + co);
  }
  for (size_t i = 0; i < c.n; i++) {
    if (p->bias) {
      c.d[i] += bias.d[i % (size_t)p->n];
      c.magnitude[i] += bias.magnitude[i % (size_t)p->n];
    }
    c.d[i] = activation_of(c.d[i], p->act);
    if (p->act >= LCL_ACT_SIGMOID)
      c.magnitude[i] += 4; /* a few roundings of exp and tanh themselves */
  }
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "t", &g));
  const int64_t ad[3] = { p->batch, p->ta ? p->k : p->m, p->ta ? p->m : p->k },
                bd[3] = { p->batch, p->tb ? p->n : p->k, p->tb ? p->k : p->n };
  const bool batched = p->batch > 0;
  lcl_tensor *ta = lcl_input(g, "a", LCL_F32,
                             batched ? LCL_SHAPE(ad[0], ad[1], ad[2]) : LCL_SHAPE(ad[1], ad[2]));
  lcl_tensor *tb = lcl_input(g, "b", LCL_F32,
                             batched ? LCL_SHAPE(bd[0], bd[1], bd[2]) : LCL_SHAPE(bd[1], bd[2]));
  lcl_tensor *y = lcl_matmul(ta, tb, p->ta, p->tb);
  if (p->bias) {
    lcl_tensor *tbias = lcl_input(g, "bias", LCL_F32, LCL_SHAPE(p->n));
    /* Built before the GEMM, as layers do; the fusion of bias and activation is what is tested
     * here. */
    y = lcl_add(lcl_matmul(ta, tb, p->ta, p->tb), tbias);
  }
  y = activation(y, p->act);
  run_graph(g, y, &a, &b, p->bias ? &bias : NULL, &c);
  compare(what, &c, p->k + 1, p->integers && p->act < LCL_ACT_SIGMOID);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  values_free(&a), values_free(&b), values_free(&bias), values_free(&c);
}

static void random_shapes(void **state) {
  (void)state;
  rng r = { 3 };
  const int count = small ? 8 : 220;
  for (int i = 0; i < count; i++) {
    const int64_t most = small ? 17 : 129;
    const problem p = { .batch = below(&r, 3) ? 0 : below(&r, 3) + 1,
                        .m = size_of(&r, most, true),
                        .n = size_of(&r, most, true),
                        .k = size_of(&r, most, true),
                        .ta = below(&r, 2),
                        .tb = below(&r, 2),
                        .integers = i % 2 == 0,
                        .bias = below(&r, 3) == 0,
                        .act = below(&r, 2) ? (lcl_act)below(&r, 5) : LCL_ACT_NONE };
    check(&r, &p);
  }
}

/* Inner dimensions of several blocks, and GEMMs whose inner dimension is split. */
static void long_sums(void **state) {
  (void)state;
  rng r = { 5 };
  if (small) skip();
  check(&r, &(problem) { .m = 3, .n = 5, .k = 4099, .integers = true });
  check(&r, &(problem) { .m = 33,
                         .n = 17,
                         .k = 2050,
                         .tb = true,
                         .integers = true,
                         .bias = true,
                         .act = LCL_ACT_RELU });
  check(&r,
        &(problem) { .m = 70, .n = 100, .k = 1500, .ta = true, .bias = true, .act = LCL_ACT_TANH });
  check(&r, &(problem) { .batch = 2, .m = 20, .n = 40, .k = 1031, .integers = true });
}

/* Runs of four neighbours are read at once where they are whole and aligned: sizes of whole runs,
 * and each of them with a part of one. */
static void runs_of_four(void **state) {
  (void)state;
  rng r = { 11 };
  for (int odd = 0; odd < 4; odd++)
    for (int t = small && odd ? odd : 0; t < (small && odd ? odd + 1 : 4); t++)
      check(&r, &(problem) { .m = (small ? 8 : 36) + 2 * (odd == 1),
                             .n = (small ? 12 : 44) + 2 * (odd == 2),
                             .k = 20 + 2 * (odd == 3),
                             .ta = t & 1,
                             .tb = t > 1,
                             .integers = true });
}

/* Operands that are views are read in place or copied, as needed; shared operands of a batch.
 * A slice begins at the second of `wide` columns. */
static void check_views(int M, int K, int P, int wide) {
  enum { N = 3 };
  rng r = { 9 };
  values a = values_random(&r, (size_t)(N * K * wide), true),
         b = values_random(&r, (size_t)(K * P), true), c = values_new((size_t)(N * M * P));
  double part[12 * 12];
  for (int z = 0; z < N; z++) {
    for (int i = 0; i < M; i++)
      for (int k = 0; k < K; k++) part[i * K + k] = a.d[(z * K + k) * wide + i + 1];
    lcl__ref_matmul(M, P, K, part, false, b.d, false, c.d + z * M * P);
  }
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "t", &g));
  lcl_tensor *ta = lcl_input(g, "a", LCL_F32, LCL_SHAPE(N, K, wide)),
             *tb = lcl_input(g, "b", LCL_F32, LCL_SHAPE(K, P));
  lcl_tensor *sliced = lcl_transpose(lcl_slice_axis(ta, 2, 1, M + 1), (int[]) { 0, 2, 1 });
  run_graph(g, lcl_matmul(sliced, tb, false, false), &a, &b, NULL, &c);
  compare("matmul of a view", &c, K, true);
  run_graph(g, lcl_matmul(lcl_slice_axis(ta, 2, 1, M + 1), tb, true, false), &a, &b, NULL, &c);
  compare("matmul with one shared operand", &c, K, true);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  values_free(&a), values_free(&b), values_free(&c);
}

/* Operands that are columns of wider arrays: they need not begin at a multiple of 4, nor be a
 * multiple of 4 many, where a row of the array is. */
static void check_columns(int first, int k, int n) {
  enum { M = 9, WIDE = 24 };
  rng r = { 13 };
  values a = values_random(&r, M * WIDE, true), b = values_random(&r, (size_t)(k * WIDE), true),
         c = values_new((size_t)(M * n));
  double part_a[M * WIDE], part_b[WIDE * WIDE];
  for (int i = 0; i < M; i++)
    memcpy(part_a + i * k, a.d + i * WIDE + first, (size_t)k * sizeof *part_a);
  for (int i = 0; i < k; i++)
    memcpy(part_b + i * n, b.d + i * WIDE + first, (size_t)n * sizeof *part_b);
  lcl__ref_matmul(M, n, k, part_a, false, part_b, false, c.d);
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "t", &g));
  lcl_tensor *ta = lcl_input(g, "a", LCL_F32, LCL_SHAPE(M, WIDE)),
             *tb = lcl_input(g, "b", LCL_F32, LCL_SHAPE(k, WIDE));
  run_graph(g,
            lcl_matmul(lcl_slice_axis(ta, 1, first, first + k),
                       lcl_slice_axis(tb, 1, first, first + n), false, false),
            &a, &b, NULL, &c);
  compare("matmul of columns", &c, k, true);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  values_free(&a), values_free(&b), values_free(&c);
}

static void views(void **state) {
  (void)state;
  check_views(7, 11, 13, 9);
  check_views(8, 12, 12, 12);
  check_columns(0, 12, 13);
  check_columns(0, 13, 12);
  check_columns(1, 12, 12);
  check_columns(4, 12, 12);
}

/* Every algorithm and kernel variant a tuner may choose, whether or not the cost model would. */
static void every_algorithm(void **state) {
  (void)state;
  const struct {
    const char *name;
    lcl_kernel_params params;
  } choices[] = {
    { "packed",
      { .vector = 16, .kc_capacity = 512, .kc = 64, .panels_n = 2, .panels_m = 3, .split_k = 1 } },
    { "packed",
      { .vector = 8, .kc_capacity = 128, .kc = 16, .panels_n = 1, .panels_m = 99, .split_k = 3 } },
    { "tiled", { .tile_m = 32, .tile_n = 32, .vectors = 1, .split_k = 2 } },
    { "tiled", { .tile_m = 64, .tile_n = 64, .vectors = 1, .split_k = 1 } },
    { "tiled", { .tile_m = 32, .tile_n = 128, .vectors = 1, .split_k = 5 } },
    { "tiled", { .tile_m = 128, .tile_n = 32, .vectors = 1, .split_k = 1 } },
    { "tiled", { .tile_m = 64, .tile_n = 64, .vectors = 2, .split_k = 99 } },
    { "tiled", { .tile_m = 64, .tile_n = 128, .vectors = 2, .split_k = 1 } },
    { "tiled", { .tile_m = 128, .tile_n = 128, .vectors = 2, .split_k = 3 } },
    { "clblast", { 0 } },
  };
  lcl_context *whole = ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  lcl_caps *caps = (lcl_caps *)lcl__context_caps(ctx);
  const unsigned lanes[] = { caps->unit_lanes, 128 }; /* two ways to tell where an element is */
  for (size_t i = 0; i < (small ? 0 : LCL_COUNT(choices)); i++) {
    caps->unit_lanes = lanes[i % 2];
    forced f = { .choice = choice_of(choices[i].name, choices[i].params) };
    lcl__choose_watch(ctx, force, &f);
    const bool tiled = strcmp(choices[i].name, "tiled") == 0;
    /* PoCL takes minutes to optimise these, which it never chooses; llvmpipe runs them as they are
     * used. */
    if (tiled) setenv("POCL_EXTRA_BUILD_FLAGS", "-cl-opt-disable", 1);
    rng r = { 21 };
    for (int t = 0; t < 4; t++)
      check(&r, &(problem) { .m = (t + i) % 3 ? 65 : 68,
                             .n = (t + i) % 3 ? 70 : 72,
                             .k = (t + i) % 3 ? 131 : 132,
                             .ta = t & 1,
                             .tb = t > 1,
                             .integers = true });
    check(&r, &(problem) { .batch = 3,
                           .m = 17,
                           .n = 33,
                           .k = 40,
                           .integers = true,
                           .bias = true,
                           .act = LCL_ACT_RELU });
    /* Whole tiles and vectors, and more than one of each. */
    if (tiled)
      check(&r, &(problem) { .m = 256, .n = 128, .k = 32, .bias = true, .act = LCL_ACT_SIGMOID });
    if (caps->packed || strcmp(choices[i].name, "packed") != 0)
      assert_true(f.count > 0 || (!caps->clblast && strcmp(choices[i].name, "clblast") == 0));
    lcl__choose_watch(ctx, NULL, NULL);
    unsetenv("POCL_EXTRA_BUILD_FLAGS");
  }
  lcl_context_destroy(ctx);
  ctx = whole;
}

static void errors(void **state) {
  (void)state;
  static const struct {
    lcl_shape a, b;
    const char *says;
  } bad[] = { { { 2, { 3, 4 } }, { 2, { 5, 6 } }, "inner" },
              { { 1, { 3 } }, { 2, { 3, 4 } }, "matrices" },
              { { 3, { 2, 3, 4 } }, { 3, { 3, 4, 5 } }, "leading" } };
  for (size_t i = 0; i < LCL_COUNT(bad); i++) {
    lcl_store *store;
    lcl_graph *g;
    ASSERT_OK(lcl_store_create(ctx, 1, &store));
    ASSERT_OK(lcl_graph_create(store, "t", &g));
    lcl_matmul(lcl_input(g, "a", LCL_F32, bad[i].a), lcl_input(g, "b", LCL_F32, bad[i].b), false,
               false);
    ASSERT_STATUS(lcl_graph_status(g), LCL_ERR_SHAPE);
    assert_non_null(strstr(lcl_error_message(), bad[i].says));
    lcl_graph_destroy(g);
    lcl_store_destroy(store);
  }
}

static const lcl_caps gpu = { .type = CL_DEVICE_TYPE_GPU,
                              .compute_units = 132,
                              .clock = 1000,
                              .unit_lanes = 128,
                              .max_work_group = 1024,
                              .local_mem = 48 << 10 };

/* What the cost model takes on devices that are not here: tiles and split-K that leave no half of
 * the device idle, and many sums and loads a work-item only where there are registers for them. */
static void tiles_fill_devices(void **state) {
  (void)state;
  lcl_caps narrow = gpu, fast = gpu, cpu = gpu;
  fast.clock = 2000;
  cpu.type = CL_DEVICE_TYPE_CPU;
  narrow.compute_units = 512;
  narrow.unit_lanes = 8;
  const lcl_patches images = { .images = 32,
                               .all_channels = 512,
                               .channels = 512,
                               .h = 2,
                               .w = 2,
                               .gq = 2,
                               .gr = 2,
                               .sh = 1,
                               .sw = 1,
                               .ta = 3,
                               .tb = 3,
                               .dh = 1,
                               .dw = 1 };
  const lcl_gemm problems[] = {
    { .m = 4096, .n = 4096, .k = 4096, .batch = 1 },
    { .m = 250, .n = 1200, .k = 1200, .batch = 1 },
    { .m = 10, .n = 10, .k = 20000, .batch = 1 },
    { .m = 512, .n = 128, .k = 4608, .batch = 1, .source = LCL_GEMM_PATCHES, .patches = images },
    { .m = 512, .n = 4608, .k = 128, .batch = 1, .source = LCL_GEMM_PATCHES_T, .patches = images },
  };
  const lcl_implementation *tiled = lcl__kind_find(&lcl__gemm_kind, "tiled");
  for (size_t i = 0; i < LCL_COUNT(problems); i++) {
    const lcl_gemm *g = &problems[i];
    const lcl_choice wide = lcl__kind_start(&lcl__gemm_kind, tiled, &gpu, g),
                     thin = lcl__kind_start(&lcl__gemm_kind, tiled, &narrow, g);
    const lcl_kernel_params *p = &wide.params;
    const int64_t groups = lcl__ceil_div(g->m, p->tile_m) * lcl__ceil_div(g->n, p->tile_n) *
                           p->split_k;
    assert_true(lcl__kind_legal(&lcl__gemm_kind, &gpu, g, &wide));
    assert_true(lcl__kind_legal(&lcl__gemm_kind, &narrow, g, &thin));
    assert_int_equal(thin.params.vectors, 1);
    assert_true(thin.params.tile_m * thin.params.tile_n == 64 * 64);
    /* The model says less of no other tile; a rule says nothing of a time. */
    const double expected = lcl__gemm_kind.expected(&gpu, g, &wide);
    for (int side = 32; side <= 128; side *= 2) {
      lcl_choice other = wide;
      other.params.tile_m = other.params.tile_n = side;
      other.params.vectors = side > 32 ? 2 : 1;
      const double its = lcl__gemm_kind.expected(&gpu, g, &other);
      assert_true(its >= expected && expected > 0);
      assert_true(lcl__choice_equal(&other, &wide) || its > expected);
    }
    assert_true(fabs(lcl__gemm_kind.expected(&fast, g, &wide) - expected / 2) < 1e-6 * expected);
    assert_true(lcl__gemm_kind.expected(&cpu, g, &wide) == 0);
    if (i == 0) assert_int_equal(p->vectors, 2);
    if (i != 2) assert_true(groups >= 66);
    if (i == 2) assert_true(groups >= 32);
  }
}

/* Runs of four are whole only where the first element, each batch and each row begin at a multiple
 * of four: the model's time tells whether a kernel would read them at once. */
static void only_whole_runs_are_cheap(void **state) {
  (void)state;
  const lcl_choice tiled = choice_of(
      "tiled", (lcl_kernel_params) { .tile_m = 128, .tile_n = 128, .vectors = 2, .split_k = 1 });
  enum { N = 4096 };
  const lcl_gemm rows = { .m = N,
                          .n = N,
                          .k = N,
                          .batch = 2,
                          .a_batch = N * N,
                          .a_rs = N,
                          .a_len = N,
                          .a_s1 = 1,
                          .b_batch = N * N,
                          .rsb = N,
                          .csb = 1 };
  lcl_gemm columns = rows, images = rows;
  columns.a_rs = columns.rsb = 1;
  columns.a_s1 = columns.csb = N;
  images.source = LCL_GEMM_PATCHES_T;
  images.patches = (lcl_patches) { .images = N / 64, .gq = 8, .gr = 8, .ta = 1, .tb = 1 };
  images.a_sa = 64;
  const lcl_gemm *all[] = { &rows, &columns, &images };
  for (size_t i = 0; i < LCL_COUNT(all); i++) {
    lcl_gemm g = *all[i];
    int64_t *const starts[] = { &g.a_base, &g.a_batch, i == 1 ? &g.a_s1 : &g.a_rs,
                                &g.b_base, &g.b_batch, i == 1 ? &g.csb : &g.rsb };
    const double whole = lcl__gemm_kind.expected(&gpu, &g, &tiled);
    for (size_t k = 0; k < (i == 2 ? 3 : LCL_COUNT(starts)); k++) {
      *starts[k] += 2;
      const double parts = lcl__gemm_kind.expected(&gpu, &g, &tiled);
      if (!(whole > 0 && parts > whole))
        fail_msg("operands %d, start %d: %g s beside %g s", (int)i, (int)k, parts, whole);
      *starts[k] -= 2;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(random_shapes),
                                      cmocka_unit_test(long_sums),
                                      cmocka_unit_test(runs_of_four),
                                      cmocka_unit_test(views),
                                      cmocka_unit_test(every_algorithm),
                                      cmocka_unit_test(tiles_fill_devices),
                                      cmocka_unit_test(only_whole_runs_are_cheap),
                                      cmocka_unit_test(errors) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
