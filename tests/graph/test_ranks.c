/* Graphs that ranks share, under mpirun: means, their gradients, random numbers by example, on a
 * communicator of the caller's. Without a launcher it is one rank. */
#include <mpi.h>

#include "device/ranks.h"
#include "graph/graph.h"
#include "latentcl/latentcl.h"
#include "test.h"

enum { BATCH = 7, SECOND = 11, WIDTH = 5 };

static lcl_ranks *ranks;
static lcl_context *ctx;

/* The named outputs of a graph of the share, or of the whole batch. */
typedef struct built {
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  int64_t rows, second;
} built;

static built begin(lcl_ranks *r) {
  built b = { .rows = lcl_ranks_share(r, BATCH, NULL), .second = lcl_ranks_share(r, SECOND, NULL) };
  ASSERT_OK(lcl_store_create(ctx, 3, &b.store));
  ASSERT_OK(lcl_graph_create(b.store, "shared", &b.g));
  ASSERT_OK(lcl_graph_share(b.g, r, BATCH, SECOND));
  return b;
}

static void finish(built *b) {
  lcl_program_destroy(b->p);
  lcl_graph_destroy(b->g);
  lcl_store_destroy(b->store);
}

static void compile(built *b) {
  ASSERT_OK(lcl_compile(b->g, NULL, &b->p));
}

/* f(v) = (mean of v over the whole batch)^2, and its gradient by this rank's rows: 2 mean / rows,
 * which the optimiser would weigh with the rank's share. */
static void test_mean(void **state) {
  (void)state;
  built b = begin(ranks);
  float v[BATCH], got, slope[BATCH], all = 0;
  int64_t first;
  lcl_ranks_share(ranks, BATCH, &first);
  for (int i = 0; i < BATCH; i++) all += (float)(i * i) / BATCH;
  for (int64_t i = 0; i < b.rows; i++) v[i] = (float)((first + i) * (first + i));
  lcl_tensor *x = lcl_input(b.g, "v", LCL_F32, LCL_SHAPE(b.rows)), *gradient;
  lcl_tensor *f = lcl_square(lcl_batch_mean(x, LCL_AXIS(0), false));
  lcl_gradients(f, &x, 1, &gradient);
  lcl_output(f, "f");
  lcl_output(gradient, "slope");
  compile(&b);
  for (int run = 0; run < 3; run++) {
    ASSERT_OK(lcl_feed(b.p, "v", v, (size_t)b.rows * sizeof *v));
    ASSERT_OK(lcl_run(b.p));
  }
  ASSERT_OK(lcl_fetch(b.p, "f", &got, sizeof got));
  ASSERT_OK(lcl_fetch(b.p, "slope", slope, (size_t)b.rows * sizeof *slope));
  assert_float_equal(got, all * all, 1e-5 * all * all);
  for (int64_t i = 0; i < b.rows; i++)
    assert_float_equal(slope[i], 2 * all / (float)b.rows, 1e-5 * all);
  finish(&b);
}

/* What a gradient is used for after it was sent: it is still that of this rank's rows. Its reader
 * needs another exchange, which begins after the gradient's. */
static void test_gradients(void **state) {
  (void)state;
  built b = begin(ranks);
  float v[BATCH * WIDTH], got[WIDTH], w[WIDTH], own[WIDTH] = { 0 }, whole[WIDTH] = { 0 }, sum = 0;
  int64_t first;
  lcl_ranks_share(ranks, BATCH, &first);
  for (int i = 0; i < BATCH * WIDTH; i++) {
    v[i] = (float)(i * i % 37);
    whole[i % WIDTH] += v[i] / BATCH;
    sum += v[i] / BATCH;
    if (i / WIDTH >= first && i / WIDTH < first + b.rows) own[i % WIDTH] += v[i] / (float)b.rows;
  }
  lcl_tensor *x = lcl_input(b.g, "v", LCL_F32, LCL_SHAPE(b.rows, WIDTH)), *gradient;
  lcl_tensor *p = lcl_param(b.g, "w", LCL_SHAPE(WIDTH), (lcl_init) { 0 });
  lcl_tensor *loss = lcl_scale(lcl_mean(lcl_mul(x, p), LCL_ALL_AXES, false), WIDTH);
  lcl_minimise(loss, &(lcl_optimiser_desc) { .kind = LCL_SGD, .rate = 0.5f });
  lcl_gradients(loss, &p, 1, &gradient);
  lcl_tensor *f = lcl_mean_over_ranks(lcl_sum(gradient, LCL_ALL_AXES, false));
  lcl_output(lcl_mul(gradient, f), "scaled");
  compile(&b);
  ASSERT_OK(lcl_feed(b.p, "v", v + first * WIDTH, (size_t)b.rows * WIDTH * sizeof *v));
  ASSERT_OK(lcl_run(b.p));
  ASSERT_OK(lcl_fetch(b.p, "scaled", got, sizeof got));
  ASSERT_OK(lcl_store_read(b.store, "w", w, sizeof w));
  for (int i = 0; i < WIDTH; i++) {
    assert_float_equal(got[i], own[i] * sum, 1e-5 * own[i] * sum);
    assert_float_equal(w[i], -0.5f * whole[i], 1e-5 * whole[i]);
  }
  finish(&b);
}

/* Mean and variance of columns far from zero, of the batch or of the second one, and a gradient
 * through both: as of one process, but for rounding. */
static void test_moments(void **state) {
  (void)state;
  float value[SECOND * WIDTH], got[2][2 * WIDTH], slope[2][SECOND * WIDTH];
  for (int i = 0; i < SECOND * WIDTH; i++)
    value[i] = 300 * (float)(i % WIDTH) + (float)(i * i * 7 % 31) / 16;
  for (int second = 0; second < 2; second++) {
    const int64_t all = second ? SECOND : BATCH;
    int64_t first;
    lcl_ranks_share(ranks, all, &first);
    for (int alone = 0; alone < 2; alone++) {
      built b = begin(alone ? NULL : ranks);
      const int64_t n = alone ? all : second ? b.second : b.rows, at = alone ? 0 : first;
      lcl__graph_rows(b.g, second ? LCL_ROWS_SECOND : LCL_ROWS_FIRST);
      lcl_tensor *x = lcl_input(b.g, "v", LCL_F32, LCL_SHAPE(n, WIDTH)), *m[2], *gradient;
      lcl_batch_moments(x, LCL_AXIS(0), &m[0], &m[1]);
      lcl_tensor *f = lcl_add(lcl_mul(m[0], m[1]), lcl_square(m[1]));
      f = lcl_sum(f, LCL_ALL_AXES, false);
      lcl_gradients(f, &x, 1, &gradient);
      lcl_output(lcl_concat(m, 2, 0), "moments");
      lcl_output(gradient, "slope");
      compile(&b);
      ASSERT_OK(lcl_feed(b.p, "v", value + at * WIDTH, (size_t)(n * WIDTH) * sizeof *value));
      ASSERT_OK(lcl_run(b.p));
      ASSERT_OK(lcl_fetch(b.p, "moments", got[alone], sizeof got[alone]));
      ASSERT_OK(lcl_fetch(b.p, "slope", slope[alone], (size_t)(n * WIDTH) * sizeof(float)));
      finish(&b);
    }
    const float weight = (float)lcl_ranks_share(ranks, BATCH, NULL) / BATCH;
    for (int i = 0; i < WIDTH; i++) { /* a mean's last place moves the variance of a part */
      const float mean = got[1][i], var = got[1][WIDTH + i], place = FLT_EPSILON * fabsf(mean);
      assert_float_equal(got[0][i], mean, 2 * place);
      assert_float_equal(got[0][WIDTH + i], var, 4 * place * sqrtf(var) + 1e-6f * var);
    }
    for (int64_t i = 0; i < lcl_ranks_share(ranks, all, NULL) * WIDTH; i++) {
      const float mean = got[1][i % WIDTH], var = got[1][WIDTH + i % WIDTH];
      const float want = slope[1][first * WIDTH + i], place = FLT_EPSILON * (mean + 1);
      assert_float_equal(weight * slope[0][i], want, 8 * place * (mean + 2 * var) / (float)all);
    }
  }
}

/* What each example gets does not depend on the ranks, and the widths fit no group of four. */
static void test_random(void **state) {
  (void)state;
  static float part[4][BATCH * WIDTH * 3], whole[4][BATCH * WIDTH * 3];
  for (int alone = 0; alone < 2; alone++) {
    built b = begin(alone ? NULL : ranks);
    const int64_t n = alone ? BATCH : b.rows;
    lcl_output(lcl_random_normal(b.g, LCL_SHAPE(n, WIDTH)), "0");
    lcl_output(lcl_random_uniform(b.g, LCL_SHAPE(3 * n, WIDTH)), "1");
    lcl_tensor *one = lcl_broadcast(lcl_const(b.g, 1), LCL_SHAPE(n, WIDTH));
    lcl_output(lcl_dropout(one, 0.5f), "2");
    lcl_output(lcl_random_bernoulli(lcl_scale(one, 0.5f)), "3");
    compile(&b);
    ASSERT_OK(lcl_run(b.p));
    for (int k = 0; k < 4; k++) {
      const char name[] = { (char)('0' + k), 0 };
      ASSERT_OK(lcl_fetch(b.p, name, alone ? whole[k] : part[k],
                          (size_t)(n * WIDTH * (k == 1 ? 3 : 1)) * sizeof(float)));
    }
    finish(&b);
  }
  int64_t first;
  const int64_t rows = lcl_ranks_share(ranks, BATCH, &first);
  for (int k = 0; k < 4; k++) {
    const int64_t each = WIDTH * (k == 1 ? 3 : 1);
    assert_memory_equal(part[k], whole[k] + first * each, (size_t)(rows * each) * sizeof(float));
  }
}

static void test_agreeing(void **state) {
  (void)state;
  const int last = lcl_ranks_count(ranks) - 1, rank = lcl_ranks_rank(ranks);
  double sums[2] = { rank, 1 };
  ASSERT_OK(lcl__ranks_agree(ranks, LCL_OK));
  lcl__ranks_sum_doubles(ranks, sums, 2);
  assert_float_equal(sums[0], last * (last + 1) / 2.0, 0);
  assert_float_equal(sums[1], last + 1, 0);
  if (last > 0) {
    ASSERT_STATUS(lcl__ranks_agree(ranks, rank == last ? lcl__fail(LCL_ERR_IO, "why") : LCL_OK),
                  LCL_ERR_IO);
    assert_non_null(strstr(lcl_error_message(), "why"));
    ASSERT_STATUS(lcl__ranks_same(ranks, "word", rank == last ? "a" : "b"), LCL_ERR_ARGUMENT);
    ASSERT_STATUS(lcl__ranks_fail(ranks, lcl__fail(LCL_ERR_IO, "all")), LCL_ERR_IO);
    assert_string_equal(lcl_error_message(), "all");
  }
  /* Everybody hears two calls later, and once. */
  for (int i = 0; i < 6; i++) {
    const bool heard = lcl__ranks_vote(ranks, rank == last && i == 2);
    if (last > 0 || i < 4) assert_int_equal(heard, i == 4);
  }
  built b = begin(NULL);
  if (last > 0) ASSERT_STATUS(lcl_graph_share(b.g, ranks, last, 0), LCL_ERR_ARGUMENT);
  finish(&b);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_mean),   cmocka_unit_test(test_gradients), cmocka_unit_test(test_moments),
    cmocka_unit_test(test_random), cmocka_unit_test(test_agreeing),
  };
  int level;
  MPI_Comm own;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &level);
  MPI_Comm_dup(MPI_COMM_WORLD, &own);
  const bool ready = lcl_ranks_create(&own, &ranks) == LCL_OK &&
                     lcl_context_create(NULL, &ctx) == LCL_OK;
  if (!ready) fprintf(stderr, "%s\n", lcl_error_message());
  const int failed = ready ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
  lcl_context_destroy(ctx);
  lcl_ranks_destroy(ranks);
  MPI_Comm_free(&own);
  MPI_Finalize();
  return failed;
}
