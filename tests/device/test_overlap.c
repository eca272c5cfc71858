/* How uploads go: what is forced, what is disabled, and what was measured, once for a device and
 * driver; and that the data are the same and in order either way. */
#include <pthread.h>
#include <unistd.h>

#include "device/cache.h"
#include "device/internal.h"
#include "test.h"

enum { N = 64 << 10 }; /* floats of an upload that is worth measuring */

static void upload(lcl_context *ctx, size_t n) {
  lcl_buffer *b;
  float *in = calloc(n, sizeof *in), *out = calloc(n, sizeof *out);
  ASSERT_OK(lcl_buffer_create(ctx, n * sizeof *in, &b));
  for (int round = 0; round < 2 * LCL_STAGING; round++) {
    for (size_t i = 0; i < n; i++) in[i] = (float)(i + (size_t)round);
    ASSERT_OK(lcl__upload(ctx, b, 0, in, n * sizeof *in));
    memset(in, 0, n * sizeof *in); /* the caller's own again */
  }
  ASSERT_OK(lcl__download(ctx, b, 0, out, n * sizeof *out));
  for (size_t i = 0; i < n; i++) assert_true(out[i] == (float)(i + 2 * LCL_STAGING - 1));
  lcl_buffer_destroy(b);
  free(in);
  free(out);
}

static lcl_context *open(const char *enable, const char *disable) {
  lcl_context *ctx;
  char words[64];
  snprintf(words, sizeof words, "tiled,%s", enable);
  setenv("LATENTCL_ENABLE", words, 1);
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .disable = disable }, &ctx));
  return ctx;
}

static void forced(void **state) {
  (void)state;
  lcl_context *ctx = open("overlap", NULL);
  upload(ctx, 100);
  assert_int_equal(ctx->uploads, LCL_UPLOADS_OVERLAP);
  assert_non_null(ctx->transfer);
  lcl_context_destroy(ctx);
  ctx = open("overlap", "overlap"); /* what is disabled stays off */
  upload(ctx, N);
  assert_int_equal(ctx->uploads, LCL_UPLOADS_IN_ORDER);
  assert_null(ctx->transfer);
  lcl_context_destroy(ctx);
}

static void *open_gate(void *gate) {
  usleep(50000);
  clSetUserEventStatus(gate, CL_COMPLETE);
  return NULL;
}

/* Behind a gate nothing of an upload has begun: its staging buffer is not filled again before, and
 * what is put in place is what was sent. */
static void staging_waits(void **state) {
  (void)state;
  enum { UPLOADS = 2 * LCL_STAGING, EACH = 256 };
  static float in[EACH], out[UPLOADS][EACH];
  for (int overlap = 0; overlap < 2; overlap++) {
    lcl_context *ctx = overlap ? open("overlap", NULL) : open("", "overlap");
    lcl_buffer *b;
    pthread_t thread;
    cl_int err;
    ASSERT_OK(lcl_buffer_create(ctx, sizeof out, &b));
    upload(ctx, EACH); /* the queue and the staging buffers are there */
    cl_command_queue queue = overlap ? ctx->transfer : ctx->queue[0];
    cl_event gate = clCreateUserEvent(ctx->cl, &err);
    assert_int_equal(err, CL_SUCCESS);
    assert_int_equal(clEnqueueBarrierWithWaitList(queue, 1, &gate, NULL), CL_SUCCESS);
    assert_int_equal(pthread_create(&thread, NULL, open_gate, gate), 0);
    for (int k = 0; k < UPLOADS; k++) {
      for (int i = 0; i < EACH; i++) in[i] = (float)(1 + k * EACH + i);
      ASSERT_OK(lcl__upload(ctx, b, (size_t)k * sizeof in, in, sizeof in));
    }
    pthread_join(thread, NULL);
    ASSERT_OK(lcl__download(ctx, b, 0, out, sizeof out));
    for (int i = 0; i < UPLOADS * EACH; i++)
      if (out[i / EACH][i % EACH] != (float)(1 + i))
        fail_msg("overlap %d: number %d of upload %d is %g, not %d", overlap, i % EACH, i / EACH,
                 (double)out[i / EACH][i % EACH], 1 + i);
    clReleaseEvent(gate);
    lcl_buffer_destroy(b);
    lcl_context_destroy(ctx);
  }
}

/* A transfer queue that is made while the profile is set aside tells times too. */
static void profiled(void **state) {
  (void)state;
  lcl_context *ctx;
  lcl_profile_row *rows;
  size_t n;
  setenv("LATENTCL_ENABLE", "tiled,overlap", 1);
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .profile = true }, &ctx));
  lcl_profile *aside = lcl__profile_set_aside(ctx, NULL);
  upload(ctx, N);
  assert_non_null(ctx->transfer);
  lcl__profile_set_aside(ctx, aside);
  upload(ctx, N);
  ASSERT_OK(lcl__profile_rows(ctx, &rows, &n));
  size_t i = 0;
  while (i < n && strcmp(rows[i].label, "upload") != 0) i++;
  assert_true(i < n && rows[i].seconds > 0);
  lcl__free(rows);
  lcl_context_destroy(ctx);
}

typedef struct measurement {
  int lines;
  double seconds[2]; /* of one queue, and with one for uploads */
} measurement;

static void note_measured(lcl_log_level level, const char *line, void *user) {
  measurement *m = user;
  const char *at = strstr(line, "steps with uploads take");
  (void)level;
  if (!at) return;
  m->lines++;
  assert_int_equal(sscanf(at,
                          "steps with uploads take %lf ms on one queue, %lf ms with a queue for "
                          "uploads",
                          &m->seconds[0], &m->seconds[1]),
                   2);
}

/* Small uploads measure nothing; the first large one does, beside work that was enqueued before. */
static void measured_once(void **state) {
  (void)state;
  size_t removed;
  measurement m = { 0 };
  lcl_log_set(note_measured, &m);
  lcl_log_set_level(LCL_LOG_INFO);
  ASSERT_OK(lcl__cache_clear(&removed));
  lcl_context *ctx = open("", NULL);
  upload(ctx, 100);
  assert_int_equal(ctx->uploads, LCL_UPLOADS_UNKNOWN);
  const lcl_memory_use before = lcl_context_memory(ctx);
  upload(ctx, N);
  const lcl_uploads found = ctx->uploads;
  assert_int_not_equal(found, LCL_UPLOADS_UNKNOWN);
  assert_int_equal(ctx->transfer != NULL, found == LCL_UPLOADS_OVERLAP);
  assert_int_equal(lcl__context_build_stats(ctx).compiled, 0); /* measured in contexts apart */
  assert_int_equal(lcl_context_memory(ctx).current, before.current);
  lcl_context_destroy(ctx);

  lcl_cache_use use;
  ASSERT_OK(lcl__cache_stat(&use));
  const size_t entries = use.entries;
  for (int i = 0; i < 2; i++) {
    ctx = open("", NULL);
    upload(ctx, N);
    assert_int_equal(ctx->uploads, found);
    lcl_context_destroy(ctx);
  }
  ASSERT_OK(lcl__cache_stat(&use));
  assert_int_equal(use.entries, entries);
  assert_int_equal(m.lines, 1);
  if (m.seconds[0] > 0) { /* the queue of its own has to be a tenth faster; a line is rounded */
    const double share = m.seconds[1] / m.seconds[0];
    ASSERT_BETWEEN(share, found == LCL_UPLOADS_OVERLAP ? 0 : 0.89,
                   found == LCL_UPLOADS_OVERLAP ? 0.91 : INFINITY);
  }
  lcl_log_set(NULL, NULL);
}

/* ---- what is remembered ---- */

static int asked;
static lcl_status yes(lcl_context *ctx, bool *answer) {
  (void)ctx;
  asked++;
  *answer = true;
  return LCL_OK;
}
static lcl_status fails(lcl_context *ctx, bool *answer) {
  (void)ctx;
  asked++;
  *answer = true;
  return lcl__fail(LCL_ERR_OPENCL, "planted");
}

static void answers_are_remembered(void **state) {
  (void)state;
  lcl_context *ctx = open("", NULL);
  lcl_question first = LCL_QUESTION("test", "yes", "no", yes),
               later = LCL_QUESTION("test", "yes", "no", fails), /* of a later process */
      another = LCL_QUESTION("another", "yes", "no", fails);
  bool answer = false;
  for (int i = 0; i < 2; i++) {
    ASSERT_OK(lcl__question_ask(ctx, &first, &answer));
    assert_true(answer);
    ASSERT_OK(lcl__question_ask(ctx, &later, &answer));
    assert_true(answer);
  }
  assert_int_equal(asked, 1);
  for (int i = 0; i < 2; i++) { /* a failure is no, and is tried again */
    ASSERT_OK(lcl__question_ask(ctx, &another, &answer));
    assert_false(answer);
    assert_int_equal(asked, 2 + i);
  }
  lcl_context_destroy(ctx);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(forced), cmocka_unit_test(staging_waits),
                                      cmocka_unit_test(profiled), cmocka_unit_test(measured_once),
                                      cmocka_unit_test(answers_are_remembered) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
