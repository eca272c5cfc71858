/* The thread that speaks to the other ranks, under ThreadSanitizer and mpirun: the driver's threads
 * write what it sends, read what it brought and what was sent once more, in plain arrays (native
 * kernels), while the host asks for sums and votes. */
#include "device/ranks.h"
#include "test.h"

enum { NUMBERS = 600000, ROUNDS = 10, EXCHANGES = 2 };

typedef struct work {
  float *x;
  int n;
  float value; /* to write, or to find */
  bool *wrong; /* NULL: write */
} work;

static void CL_CALLBACK do_work(void *arg) {
  const work *w = arg;
  for (int i = 0; i < w->n; i++)
    if (!w->wrong)
      w->x[i] = w->value;
    else if (!(fabsf(w->x[i] - w->value) <= 1e-5f * fabsf(w->value)))
      *w->wrong = true;
}

static cl_event enqueue(cl_command_queue queue, work w, cl_event after) {
  cl_event done;
  assert_int_equal(clEnqueueNativeKernel(queue, do_work, &w, sizeof w, 0, NULL, NULL, after ? 1 : 0,
                                         after ? &after : NULL, &done),
                   CL_SUCCESS);
  clFlush(queue);
  return done;
}

/* What the ranks send in a round, and the mean of that with their weights. */
static float sent(int rank, int round) {
  return (float)(rank * 10 + round);
}

static float mean(int count, int round) {
  float all = 0;
  for (int r = 0; r < count; r++) all += sent(r, round) / (float)count;
  return all;
}

typedef struct exchange {
  float from[NUMBERS + 1], to[NUMBERS + 1];
} exchange;

/* A mean, and moments: means of which the first half and variances of 0. */
static void start(lcl_ranks *ranks, cl_context cl, cl_command_queue queue, exchange *x, int kind,
                  int round, bool *wrong, cl_event *checked) {
  const int count = lcl_ranks_count(ranks), n = kind == 1 ? NUMBERS / 2 : NUMBERS;
  const float own = sent(lcl_ranks_rank(ranks), round);
  cl_int err;
  cl_event done = clCreateUserEvent(cl, &err),
           ready = enqueue(queue, (work) { x->from, n, own, NULL }, NULL);
  ASSERT_OK(lcl__ranks_exchange(ranks, kind == 1 ? LCL_EXCHANGE_MOMENTS : LCL_EXCHANGE_MEAN,
                                x->from, x->to, NUMBERS, 1 / (float)count, ready, done));
  clReleaseEvent(enqueue(queue, (work) { x->from, n, own, wrong }, done));
  *checked = enqueue(queue, (work) { x->to, n, mean(count, round), wrong }, done);
  clReleaseEvent(ready);
  clReleaseEvent(done);
}

static lcl_ranks *ranks;
static lcl_context *ctx;

static void test_exchanges(void **state) {
  (void)state;
  static exchange x[EXCHANGES];
  bool wrong[EXCHANGES] = { false };
  const int count = lcl_ranks_count(ranks), rank = lcl_ranks_rank(ranks);
  cl_command_queue queue = lcl__context_queue(ctx);
  cl_context cl;
  clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof cl, &cl, NULL);
  for (int round = 0; round < ROUNDS; round++) {
    cl_event checked[EXCHANGES];
    double sums[2] = { rank, 1 };
    for (int k = 0; k < EXCHANGES; k++)
      start(ranks, cl, queue, &x[k], k, round, &wrong[k], &checked[k]);
    lcl__ranks_sum_doubles(ranks, sums, 2);
    assert_true(sums[0] == count * (count - 1) / 2.0 && sums[1] == count);
    assert_int_equal(lcl__ranks_vote(ranks, rank == 0 && round == 3), round == 5);
    lcl__ranks_stats(ranks);
    for (int k = 0; k < EXCHANGES; k++) {
      clWaitForEvents(1, &checked[k]);
      clReleaseEvent(checked[k]);
    }
  }
  for (int k = 0; k < EXCHANGES; k++)
    assert_false(wrong[k]); /* at the end: the others wait for us */
  const lcl_ranks_stats s = lcl__ranks_stats(ranks);
  assert_int_equal(s.sums, ROUNDS * EXCHANGES);
  assert_int_equal(s.bytes, ROUNDS * EXCHANGES * NUMBERS * sizeof(float));
  ASSERT_STATUS(lcl__ranks_agree(ranks, rank ? LCL_OK : lcl__fail(LCL_ERR_IO, "why")), LCL_ERR_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_exchanges) };
  const bool ready = lcl_ranks_create(NULL, &ranks) == LCL_OK &&
                     lcl_context_create(NULL, &ctx) == LCL_OK;
  if (!ready) fprintf(stderr, "%s\n", lcl_error_message());
  const int failed = ready ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
  lcl_context_destroy(ctx);
  lcl_ranks_destroy(ranks);
  return failed;
}
