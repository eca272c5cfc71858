/* Recurrent layers, pooling and random numbers against the double-precision reference on random
 * shapes, the paths that devices choose between against each other, and PixelRNN's causality:
 * exactly nothing flows back from later pixels. */
#include "test.h"

#include <math.h>

#include "base/philox.h"
#include "latentcl/ops.h"
#include "reference/recurrent_bound.h"

static lcl_context *open_context(const char *disable) {
  lcl_context *ctx;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .disable = disable }, &ctx));
  return ctx;
}

/* ---- one layer by hand ---- */

typedef struct layer {
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
} layer;

enum { N = 2, H = 11, W = 4, HID = 4, PIXELS = N * H * W, KERNEL = 8 * HID * HID, STATE = HID * H };
static const char *const names[] = { "k_left",   "k_right",  "h0_left", "c0_left",
                                     "h0_right", "c0_right", "pad" };
enum { VARS = LCL_COUNT(names) };

/* What cells beside the image do. */
typedef enum beside { EVOLVE, FREEZE, BIAS } beside;

static lcl_shape shape_of(int var) {
  return var < 2 ? LCL_SHAPE(2, 4 * HID, HID) : var < 6 ? LCL_SHAPE(HID, H) : LCL_SHAPE(8 * HID);
}

/* Fetches y, then the gradients of s and of the variables. */
static layer layer_create(const char *disable, beside cells) {
  layer l = { .ctx = open_context(disable) };
  ASSERT_OK(lcl_store_create(l.ctx, 3, &l.store));
  ASSERT_OK(lcl_graph_create(l.store, "layer", &l.g));
  const lcl_init init = { .kind = LCL_INIT_NORMAL, .scale = 0.5f };
  lcl_tensor *wrt[1 + VARS], *fetch[2 + VARS];
  wrt[0] = lcl_input(l.g, "s", LCL_F32, LCL_SHAPE(N, H, W, 8 * HID));
  for (int i = 0; i < VARS; i++) wrt[1 + i] = lcl_param(l.g, names[i], shape_of(i), init);
  const lcl_bilstm_state state = {
    wrt[3], wrt[4], wrt[5], wrt[6], cells == BIAS ? wrt[7] : NULL, cells == FREEZE
  };
  fetch[0] = lcl_diagonal_bilstm_nhwc(wrt[0], wrt[1], wrt[2], &state);
  lcl_tensor *gy = lcl_input(l.g, "gy", LCL_F32, LCL_SHAPE(N, H, W, HID));
  lcl_vjp(fetch[0], gy, wrt, 1 + VARS, fetch + 1);
  ASSERT_OK(lcl_compile(l.g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 2 + VARS }, &l.p));
  return l;
}

static void layer_destroy(layer *l) {
  lcl_program_destroy(l->p);
  lcl_graph_destroy(l->g);
  lcl_store_destroy(l->store);
  lcl_context_destroy(l->ctx);
}

static void layer_run(layer *l, const float *s, const float *gy, float *y, float *gs) {
  ASSERT_OK(lcl_feed(l->p, "s", s, sizeof(float) * PIXELS * 8 * HID));
  ASSERT_OK(lcl_feed(l->p, "gy", gy, sizeof(float) * PIXELS * HID));
  ASSERT_OK(lcl_run(l->p));
  ASSERT_OK(lcl_fetch(l->p, "#0", y, sizeof(float) * PIXELS * HID));
  ASSERT_OK(lcl_fetch(l->p, "#1", gs, sizeof(float) * PIXELS * 8 * HID));
}

/* Channels-last rows of `all` channels, `n` of them from `first` on, to the reference's (N,C,H,W)
 * doubles. */
static void to_planes(const float *rows, int all, int first, int n, double *planes) {
  for (int b = 0; b < N; b++)
    for (int c = 0; c < n; c++)
      for (int p = 0; p < H * W; p++)
        planes[(b * n + c) * H * W + p] = (double)rows[(b * H * W + p) * all + first + c];
}

static void assert_within(const char *what, const double *got, const double *expected,
                          const double *bound, int n) {
  for (int i = 0; i < n; i++)
    if (!(fabs(got[i] - expected[i]) <= bound[i]))
      fail_msg("%s[%d] is %.9g, not %.9g within %.3g", what, i, got[i], expected[i], bound[i]);
}

/* Everything the layer gives on one path, against the reference. */
static void check_path(const char *disable, beside cells) {
  enum { MAP = PIXELS * 4 * HID };
  static float s[PIXELS * 8 * HID], gy[PIXELS * HID], y[PIXELS * HID], gs[PIXELS * 8 * HID];
  static double rs[2][MAP], rgy[PIXELS * HID], ry[PIXELS * HID], by[PIXELS * HID], got[MAP],
      var[VARS][KERNEL];
  static double expected[2 + VARS][MAP], bound[2 + VARS][MAP];
  layer l = layer_create(disable, cells);
  lcl__philox_normal(1, 2, 3, s, LCL_COUNT(s));
  lcl__philox_normal(1, 2, 4, gy, LCL_COUNT(gy));
  layer_run(&l, s, gy, y, gs);
  float buffer[KERNEL];
  for (int i = 0; i < VARS; i++) {
    const int64_t n = lcl_shape_count(shape_of(i));
    ASSERT_OK(lcl_store_read(l.store, names[i], buffer, sizeof *buffer * (size_t)n));
    for (int e = 0; e < n; e++) var[i][e] = (double)buffer[e];
  }
  for (int d = 0; d < 2; d++) to_planes(s, 8 * HID, d * 4 * HID, 4 * HID, rs[d]);
  to_planes(gy, HID, 0, HID, rgy);
  const lcl_ref_bilstm ref = { N,
                               HID,
                               H,
                               W,
                               { rs[0], rs[1] },
                               { var[0], var[1] },
                               { var[2], var[4] },
                               { var[3], var[5] },
                               cells == BIAS ? var[6] : NULL,
                               cells == FREEZE };
  const lcl_ref_bilstm_grad to = { { expected[0], expected[1] },
                                   { expected[2], expected[3] },
                                   { expected[4], expected[6] },
                                   { expected[5], expected[7] },
                                   expected[8] };
  const lcl_ref_bilstm_grad within = { { bound[0], bound[1] },
                                       { bound[2], bound[3] },
                                       { bound[4], bound[6] },
                                       { bound[5], bound[7] },
                                       bound[8] };
  ASSERT_OK(lcl__ref_diagonal_bilstm(&ref, ry));
  ASSERT_OK(lcl__ref_diagonal_bilstm_grad(&ref, rgy, &to));
  ASSERT_OK(lcl__diagonal_bilstm_bound(&ref, rgy, by, &within));
  to_planes(y, HID, 0, HID, got);
  assert_within("y", got, ry, by, PIXELS * HID);
  for (int d = 0; d < 2; d++) {
    to_planes(gs, 8 * HID, d * 4 * HID, 4 * HID, got);
    assert_within(d ? "gs_right" : "gs_left", got, expected[d], bound[d], MAP);
  }
  for (int i = 0; i < (cells == BIAS ? VARS : VARS - 1); i++) {
    const int n = (int)lcl_shape_count(shape_of(i));
    char output[4] = { '#', (char)('2' + i), 0 };
    ASSERT_OK(lcl_fetch(l.p, output, buffer, sizeof *buffer * (size_t)n));
    for (int e = 0; e < n; e++) got[e] = (double)buffer[e];
    assert_within(names[i], got, expected[2 + i], bound[2 + i], n);
  }
  layer_destroy(&l);
}

/* What the device chooses; groups with K in local memory, with only the state there, with neither;
 * and one launch a diagonal. */
static void paths(void **state) {
  (void)state;
  for (beside cells = EVOLVE; cells <= BIAS; cells++) {
    check_path(NULL, cells);
    check_path("packed", cells);
    check_path("packed,local_mem=1500", cells);
    check_path("packed,local_mem=1k", cells);
    check_path("packed,local_mem=0", cells);
  }
}

/* A change at a pixel leaves everything before it in reading order bit for bit as it was, and a
 * gradient at a pixel reaches nothing after it: both are exactly so, not nearly. */
static void causality(void **state) {
  (void)state;
  layer l = layer_create(NULL, EVOLVE);
  static float s[PIXELS * 8 * HID], gy[PIXELS * HID], y0[PIXELS * HID], y1[PIXELS * HID],
      gs[PIXELS * 8 * HID];
  lcl__philox_normal(1, 2, 3, s, LCL_COUNT(s));
  layer_run(&l, s, gy, y0, gs);
  for (int at = 0; at < H * W; at += 11) {
    for (int q = 0; q < 8 * HID; q++) s[at * 8 * HID + q] += 3;
    memset(gy, 0, sizeof gy);
    for (int u = 0; u < HID; u++) gy[at * HID + u] = 1;
    layer_run(&l, s, gy, y1, gs);
    for (int i = 0; i < at * HID; i++) assert_true(y0[i] == y1[i]);
    /* The other image of the batch sees nothing either. */
    for (int i = H * W * HID; i < PIXELS * HID; i++) assert_true(y0[i] == y1[i]);
    for (int i = (at + 1) * 8 * HID; i < PIXELS * 8 * HID; i++) assert_true(gs[i] == 0);
    bool seen = false, felt = false;
    for (int u = 0; u < HID; u++) seen |= y0[at * HID + u] != y1[at * HID + u];
    for (int q = 0; q < 8 * HID; q++) felt |= gs[at * 8 * HID + q] != 0;
    assert_true(seen && felt);
    for (int q = 0; q < 8 * HID; q++) s[at * 8 * HID + q] -= 3;
    layer_run(&l, s, gy, y0, gs); /* adding and taking away rounds: a new base */
  }
  layer_destroy(&l);
}

/* The same bits in every run. */
static void determinism(void **state) {
  (void)state;
  layer l = layer_create(NULL, EVOLVE);
  static float s[PIXELS * 8 * HID], gy[PIXELS * HID], y[2][PIXELS * HID], gs[2][PIXELS * 8 * HID];
  lcl__philox_normal(1, 2, 3, s, LCL_COUNT(s));
  lcl__philox_normal(1, 2, 4, gy, LCL_COUNT(gy));
  for (int i = 0; i < 2; i++) layer_run(&l, s, gy, y[i], gs[i]);
  assert_memory_equal(y[0], y[1], sizeof y[0]);
  assert_memory_equal(gs[0], gs[1], sizeof gs[0]);
  layer_destroy(&l);
}

/* A NaN that a row starts from reaches the outputs, whatever its bits: those of NVIDIA's are all
 * set. Of both families. */
static void nan_of_a_state(void **state) {
  (void)state;
  static float s[PIXELS * 8 * HID], gy[PIXELS * HID], y[PIXELS * HID], gs[PIXELS * 8 * HID];
  static float c0[STATE];
  const uint32_t bits = 0x7fffffff;
  memcpy(c0, &bits, sizeof bits);
  for (int family = 0; family < 2; family++) {
    layer l = layer_create(family ? "packed" : NULL, EVOLVE);
    ASSERT_OK(lcl_store_write(l.store, "c0_left", c0, sizeof c0));
    layer_run(&l, s, gy, y, gs);
    if (!isnan(y[0])) fail_msg("family %d: %g", family, (double)y[0]);
    layer_destroy(&l);
  }
}

/* ---- random numbers ---- */

/* The device samples what the host's generator samples, a new set each run, and repeats itself from
 * the same seed. */
static void random_numbers(void **state) {
  (void)state;
  enum { COUNT = 1003 };
  static float u[2][2][COUNT], z[COUNT], keep[COUNT], host[COUNT];
  for (int again = 0; again < 2; again++) {
    lcl_context *ctx = open_context(NULL);
    lcl_store *store;
    lcl_graph *g;
    lcl_program *p;
    ASSERT_OK(lcl_store_create(ctx, 77, &store));
    ASSERT_OK(lcl_graph_create(store, "draws", &g));
    lcl_tensor *ones = lcl_broadcast(lcl_const(g, 1), LCL_SHAPE(COUNT));
    lcl_tensor *const fetch[] = { lcl_random_uniform(g, LCL_SHAPE(COUNT)),
                                  lcl_random_normal(g, LCL_SHAPE(COUNT)),
                                  lcl_dropout(ones, 0.25f) };
    ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 3 }, &p));
    uint32_t rng[4];
    ASSERT_OK(lcl_store_read(store, "draws.rng", rng, sizeof rng));
    const uint64_t seed = rng[0] | (uint64_t)rng[1] << 32;
    for (int step = 0; step < 2; step++) {
      ASSERT_OK(lcl_run(p));
      ASSERT_OK(lcl_fetch(p, "#0", u[again][step], sizeof u[0][0]));
      ASSERT_OK(lcl_fetch(p, "#1", z, sizeof z));
      ASSERT_OK(lcl_fetch(p, "#2", keep, sizeof keep));
      lcl__philox_uniform(seed, 0, (uint64_t)step, host, COUNT);
      assert_memory_equal(u[again][step], host, sizeof host);
      lcl__philox_normal(seed, 1, (uint64_t)step, host, COUNT);
      /* log within 3 ulp, sqrt 3, sin and cos 4 of OpenCL, on values up to 6. */
      for (int i = 0; i < COUNT; i++) assert_true(fabsf(z[i] - host[i]) <= 6 * 12 * 0x1p-23f);
      lcl__philox_uniform(seed, 2, (uint64_t)step, host, COUNT);
      for (int i = 0; i < COUNT; i++) assert_true(keep[i] == (host[i] < 0.75f ? 1 / 0.75f : 0));
    }
    lcl_program_destroy(p);
    lcl_graph_destroy(g);
    lcl_store_destroy(store);
    lcl_context_destroy(ctx);
  }
  assert_memory_equal(u[0], u[1], sizeof u[0]);
  assert_memory_not_equal(u[0][0], u[0][1], sizeof u[0][0]);
}

/* ---- errors ---- */

static void errors(void **state) {
  (void)state;
  lcl_context *ctx = open_context(NULL);
  for (int which = 0; which < 8; which++) {
    lcl_store *store;
    lcl_graph *g;
    ASSERT_OK(lcl_store_create(ctx, 1, &store));
    ASSERT_OK(lcl_graph_create(store, "wrong", &g));
    lcl_tensor *x = lcl_input(g, "x", LCL_F32, LCL_SHAPE(1, 2, 4, 4));
    lcl_tensor *s = lcl_input(g, "s", LCL_F32, LCL_SHAPE(1, 4, 4, 16));
    lcl_tensor *k = lcl_input(g, "k", LCL_F32, LCL_SHAPE(2, 8, 2)),
               *bad = lcl_input(g, "bad", LCL_F32, LCL_SHAPE(3));
    switch (which) {
    case 0: lcl_max_pool2d(x, &(lcl_pool_desc) { .kernel = { 5, 5 } }, NULL); break;
    case 1: lcl_avg_pool2d(x, &(lcl_pool_desc) { .kernel = { 2, 2 }, .pad = { 2 } }); break;
    case 2: lcl_max_unpool2d(x, x, LCL_SHAPE(1, 2, 8, 8)); break;
    case 3: lcl_diagonal_bilstm_nhwc(s, k, bad, NULL); break;
    case 4: lcl_dropout(x, 1); break;
    case 5: { /* no second derivative */
      lcl_tensor *y = lcl_sum(lcl_diagonal_bilstm_nhwc(s, k, k, NULL), LCL_ALL_AXES, false), *gs,
                 *ggs;
      lcl_gradients(y, &s, 1, &gs);
      lcl_gradients(lcl_sum(lcl_square(gs), LCL_ALL_AXES, false), &s, 1, &ggs);
      break;
    }
    case 6: /* a bias for cells that do not run */
      lcl_diagonal_bilstm_nhwc(
          s, k, k,
          &(lcl_bilstm_state) { .pad = lcl_input(g, "pad", LCL_F32, LCL_SHAPE(16)),
                                .freeze = true });
      break;
    case 7: lcl_diagonal_bilstm_nhwc(s, k, k, &(lcl_bilstm_state) { .pad = bad }); break;
    }
    if (lcl_graph_status(g) == LCL_OK) fail_msg("error %d was accepted", which);
    lcl_graph_destroy(g);
    lcl_store_destroy(store);
  }
  lcl_context_destroy(ctx);
}

/* ---- sizes ---- */

/* Values of a map that was pooled go to their places of a larger one too, and of no images there is
 * nothing to sum. Of both families. */
static void other_sizes(void **state) {
  (void)state;
  for (int family = 0; family < 2; family++) {
    lcl_context *ctx = open_context(family ? "packed" : NULL);
    lcl_store *store;
    lcl_graph *g;
    lcl_program *p;
    ASSERT_OK(lcl_store_create(ctx, 1, &store));
    ASSERT_OK(lcl_graph_create(store, "sizes", &g));
    float x[16], got[36], kernel[32];
    for (int i = 0; i < 16; i++) x[i] = (float)i;
    lcl_tensor *indices,
        *pooled = lcl_max_pool2d(lcl_const_data(g, LCL_F32, LCL_SHAPE(1, 1, 4, 4), x),
                                 &(lcl_pool_desc) { .kernel = { 2, 2 } }, &indices);
    lcl_tensor *s = lcl_param(g, "s", LCL_SHAPE(0, 3, 3, 16), (lcl_init) { 0 }),
               *k = lcl_param(g, "k", LCL_SHAPE(2, 8, 2), (lcl_init) { .kind = LCL_INIT_NORMAL });
    lcl_tensor *fetch[] = { lcl_max_unpool2d(pooled, indices, LCL_SHAPE(1, 1, 6, 6)), NULL };
    lcl_gradients(lcl_sum(lcl_diagonal_bilstm_nhwc(s, k, k, NULL), LCL_ALL_AXES, false), &k, 1,
                  &fetch[1]);
    ASSERT_OK(lcl_compile(
        g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 2, .guard_bands = true }, &p));
    ASSERT_OK(lcl_run(p));
    ASSERT_OK(lcl_fetch(p, "#0", got, sizeof got));
    ASSERT_OK(lcl_fetch(p, "#1", kernel, sizeof kernel));
    for (int i = 0; i < 36; i++)
      assert_true(got[i] == (i == 5 || i == 7 || i == 13 || i == 15 ? (float)i : 0));
    for (int i = 0; i < 32; i++) assert_true(kernel[i] == 0);
    lcl_program_destroy(p);
    lcl_graph_destroy(g);
    lcl_store_destroy(store);
    lcl_context_destroy(ctx);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(paths),          cmocka_unit_test(causality), cmocka_unit_test(determinism),
    cmocka_unit_test(random_numbers), cmocka_unit_test(errors),    cmocka_unit_test(other_sizes),
    cmocka_unit_test(nan_of_a_state),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
