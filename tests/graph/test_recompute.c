/* What groups compute again instead of reading it from memory (src/graph/recompute.c). */
#include <math.h>

#include "latentcl/ops.h"
#include "context.h"

enum { R = 200, C = 96, N = R * C, MOST = 4 };

typedef struct world {
  lcl_store *store;
  lcl_graph *g;
  lcl_tensor *x, *fetch[MOST];
  int n;
} world;

static world begin(void) {
  world w = { .n = 0 };
  ASSERT_OK(lcl_store_create(ctx, 3, &w.store));
  ASSERT_OK(lcl_graph_create(w.store, "test", &w.g));
  w.x = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(R, C));
  return w;
}

/* Runs what is fetched; returns how many intermediates of N numbers there are. */
static size_t run(const world *w, bool fused, float *got[MOST]) {
  static float x[N];
  lcl_program *p;
  for (unsigned i = 0, seed = 5; i < N; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (float)(seed >> 8) / (float)(1 << 23) - 1;
  }
  ASSERT_OK(lcl_compile(
      w->g, &(lcl_compile_desc) { .fetch = w->fetch, .n_fetch = w->n, .no_fusion = !fused }, &p));
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  ASSERT_OK(lcl_run(p));
  for (int f = 0; f < w->n; f++) {
    char name[16];
    snprintf(name, sizeof name, "#%d", f);
    ASSERT_OK(lcl_fetch(p, name, got[f],
                        (size_t)lcl_shape_count(lcl_tensor_shape(w->fetch[f])) * sizeof(float)));
  }
  const size_t large = lcl_program_get_stats(p).sum_memory / (N * sizeof(float));
  lcl_program_destroy(p);
  return large;
}

/* The results are those of the program without fusion. */
static void expect(const world *w, size_t large) {
  static float got[2][MOST][N];
  for (int k = 0; k < 2; k++) {
    float *at[MOST];
    for (int f = 0; f < MOST; f++) at[f] = got[k][f];
    const size_t found = run(w, k, at);
    if (k) assert_int_equal(found, large);
  }
  for (int f = 0; f < w->n; f++) {
    const int n = (int)lcl_shape_count(lcl_tensor_shape(w->fetch[f]));
    double most = 0;
    for (int i = 0; i < n; i++) most = fmax(most, fabs((double)got[0][f][i]));
    for (int i = 0; i < n; i++)
      if (!(fabs((double)got[1][f][i] - (double)got[0][f][i]) <= 1e-5 * most))
        fail_msg("result %d at %d: %.9g, without fusion %.9g", f, i, (double)got[1][f][i],
                 (double)got[0][f][i]);
  }
  lcl_graph_destroy(w->g);
  lcl_store_destroy(w->store);
}

/* Of batch norm and relu only the result is kept for the gradients: what else they need follows
 * from x and the statistics. */
static void batch_norm(void **state) {
  (void)state;
  world w = begin();
  lcl_tensor *mean, *var,
      *gamma = lcl_param(w.g, "gamma", LCL_SHAPE(C),
                         (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = 1.5f }),
      *b = lcl_param(w.g, "b", LCL_SHAPE(C, C), (lcl_init) { .kind = LCL_INIT_HE_NORMAL });
  lcl_tensor *x = lcl_tanh(w.x);
  lcl_moments(x, LCL_AXIS(0), &mean, &var);
  lcl_tensor *normal = lcl_mul(lcl_sub(x, mean), lcl_rsqrt(lcl_shift(var, 1e-3f)));
  lcl_tensor *y = lcl_relu(lcl_shift(lcl_mul(normal, gamma), 0.1f));
  lcl_tensor *loss = lcl_sum(lcl_square(lcl_tanh(lcl_matmul(y, b, false, false))), LCL_ALL_AXES,
                             false);
  lcl_tensor *wrt[] = { x, gamma, b };
  lcl_gradients(loss, wrt, 3, w.fetch);
  w.fetch[3] = loss;
  w.n = 4;
  expect(&w, 6);
}

/* Two groups that walk otherwise, one after the other, each compute for themselves what both read:
 * first what nobody else reads, then what the node's own group reads too. */
static void two_readers(void **state) {
  (void)state;
  for (int at_home = 0; at_home < 2; at_home++) {
    world w = begin();
    lcl_tensor *e = lcl_exp(w.x), *s = lcl_sub(e, lcl_mean(e, LCL_AXIS(0), true)),
               *u = lcl_scale(s, 3);
    w.fetch[0] = lcl_sum(lcl_square(u), LCL_AXIS(1), true);
    w.fetch[1] = lcl_sum(lcl_mul(lcl_exp(lcl_neg(u)), w.fetch[0]), LCL_ALL_AXES, false);
    w.fetch[2] = e;
    w.fetch[3] = lcl_tanh(s);
    w.n = at_home ? 4 : 3;
    expect(&w, at_home ? 2 : 1);
  }
}

/* A group that would have to read two tensors instead of one does not compute it. */
static void two_for_one(void **state) {
  (void)state;
  world w = begin();
  w.fetch[0] = lcl_exp(w.x);
  w.fetch[1] = lcl_tanh(w.x);
  lcl_tensor *s = lcl_mul(w.fetch[0], w.fetch[1]);
  w.fetch[2] = lcl_sum(lcl_square(s), LCL_AXIS(0), false);
  w.fetch[3] = lcl_sum(lcl_exp(s), LCL_AXIS(1), false);
  w.n = 4;
  expect(&w, 3);
}

/* What has a value a result is written for the group that computes with it again. */
static void follows_from_results(void **state) {
  (void)state;
  world w = begin();
  lcl_tensor *e = lcl_exp(w.x), *centred = lcl_sub(e, lcl_mean(e, LCL_AXIS(0), true));
  w.fetch[0] = lcl_sum(lcl_square(centred), LCL_AXIS(0), false);
  w.fetch[1] = lcl_sum(lcl_tanh(centred), LCL_AXIS(1), false);
  w.fetch[2] = e;
  w.n = 3;
  expect(&w, 1);
}

/* What has fewer dimensions than what follows from it is no element of a kernel of the latter. */
static void fewer_dimensions(void **state) {
  (void)state;
  world w = begin();
  lcl_tensor *p = lcl_param(w.g, "p", LCL_SHAPE(1, 1),
                            (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = 0.01f });
  w.fetch[0] = lcl_sum(w.x, LCL_AXIS(0), false);
  lcl_tensor *s = lcl_mul(p, lcl_scale(w.fetch[0], 2));
  w.fetch[1] = lcl_tanh(s);
  w.fetch[2] = lcl_sum(lcl_exp(s), LCL_AXIS(1), false);
  w.n = 3;
  expect(&w, 0);
}

/* The relu of no rows is the GEMM's, whose own values are nowhere. */
static void nothing(void **state) {
  (void)state;
  world w = begin();
  lcl_tensor *b = lcl_param(w.g, "b", LCL_SHAPE(C, C), (lcl_init) { .kind = LCL_INIT_HE_NORMAL });
  lcl_tensor *y = lcl_relu(lcl_matmul(lcl_slice_axis(w.x, 0, 0, 0), b, false, false));
  w.fetch[0] = lcl_sum(y, LCL_AXIS(0), false);
  w.n = 1;
  expect(&w, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(batch_norm),       cmocka_unit_test(two_readers),
    cmocka_unit_test(two_for_one),      cmocka_unit_test(follows_from_results),
    cmocka_unit_test(fewer_dimensions), cmocka_unit_test(nothing)
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
