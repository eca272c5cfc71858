/* Random launch lists on several queues give exactly what serial order gives.
 *
 * Launches read and write random ranges of a few buffers, through the buffer itself, through
 * overlapping parts of it and through a second handle of the same memory. The expected content is
 * computed on the host, one launch after the other. A second check reads the placement itself,
 * without running: every hazard is ordered, and no event is superfluous. */
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "device/cache.h"
#include "device/list.h"
#include "test.h"

enum {
  ROOTS = 3,
  VIEWS_PER_ROOT = 4,
  VIEWS = ROOTS * VIEWS_PER_ROOT,
  WORDS = 2048,
  MAX_LAUNCHES = 60
};

/* One work-item walks the range: the order inside a launch is fixed. Multiplication makes the order
 * of launches count. */
static const char text[] =
    "__kernel void fold(__global uint *d, int d0, __global uint *s, int s0, int n, uint k, int "
    "delay) {\n"
    "  for (int r = 0; r < delay; r++)\n"
    "    for (int i = 0; i < n; i++) d[d0 + i] += 1u;\n"
    "  for (int i = 0; i < n; i++) d[d0 + i] = d[d0 + i] * 1664525u + s[s0 + i] + k;\n"
    "}\n";

typedef struct view {
  lcl_buffer *buf;
  int root, first, n; /* words of the root that it shows */
} view;

typedef struct range {
  int view, first, n; /* in the view */
} range;

typedef struct work {
  int kind; /* lcl_launch_kind */
  range dst, src;
  uint32_t k;
  int delay;
} work;

typedef struct bench {
  lcl_context *ctx;
  view views[VIEWS];
  uint32_t expected[ROOTS][WORDS];
  cl_command_queue foreign[2];
  cl_context foreign_context;
} bench;

static uint32_t seed;
static int below(int n) {
  seed = seed * 1664525u + 1013904223u;
  return (int)((seed >> 8) % (uint32_t)n);
}

static void make_views(bench *b) {
  size_t align = lcl__context_caps(b->ctx)->base_align;
  for (int r = 0; r < ROOTS; r++) {
    view *v = &b->views[r * VIEWS_PER_ROOT];
    int step = (int)LCL_MAX(align / 4, (size_t)128);
    assert_true(3 * step < WORDS);
    v[0] = (view) { NULL, r, 0, WORDS };
    ASSERT_OK(lcl_buffer_create(b->ctx, WORDS * 4, &v[0].buf));
    v[1] = (view) { NULL, r, step, WORDS - step };
    ASSERT_OK(lcl__buffer_sub(v[0].buf, (size_t)step * 4, (size_t)v[1].n * 4, &v[1].buf));
    v[2] = (view) { NULL, r, 2 * step, step }; /* a part of a part */
    ASSERT_OK(lcl__buffer_sub(v[1].buf, (size_t)step * 4, (size_t)step * 4, &v[2].buf));
    v[3] = (view) { NULL, r, step,
                    WORDS - step }; /* the same memory as v[1] under another handle */
    ASSERT_OK(lcl_buffer_wrap(b->ctx, lcl_buffer_cl_mem(v[1].buf), &v[3].buf));
  }
}

static range random_range(const bench *b) {
  range r = { .view = below(VIEWS) };
  int size = b->views[r.view].n;
  r.n = 1 + below(LCL_MIN(size, 1 + below(size)));
  r.first = below(size - r.n + 1);
  return r;
}

static bool overlap(const bench *b, range x, range y) {
  int x0 = b->views[x.view].first + x.first, y0 = b->views[y.view].first + y.first;
  return b->views[x.view].root == b->views[y.view].root && x0 < y0 + y.n && y0 < x0 + x.n;
}

static work random_work(const bench *b) {
  static const int kinds[] = { LCL_LAUNCH_KERNEL, LCL_LAUNCH_KERNEL, LCL_LAUNCH_CALL,
                               LCL_LAUNCH_COPY, LCL_LAUNCH_FILL };
  work w = { .kind = kinds[below(5)],
             .k = (uint32_t)below(1000),
             .delay = below(4) ? 0 : below(20) };
  do {
    w.dst = random_range(b);
    w.src = random_range(b);
    w.src.n = w.dst.n = LCL_MIN(w.src.n, w.dst.n);
  } while (overlap(b, w.dst, w.src));
  return w;
}

static void do_on_host(bench *b, const work *w) {
  uint32_t *d =
      &b->expected[b->views[w->dst.view].root][b->views[w->dst.view].first + w->dst.first];
  const uint32_t *s =
      &b->expected[b->views[w->src.view].root][b->views[w->src.view].first + w->src.first];
  for (int i = 0; i < w->dst.n; i++) {
    if (w->kind == LCL_LAUNCH_FILL)
      d[i] = w->k;
    else if (w->kind == LCL_LAUNCH_COPY)
      d[i] = s[i];
    else
      d[i] = (d[i] + (uint32_t)w->delay) * 1664525u + s[i] + w->k;
  }
}

static lcl_status call_kernel(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                              const cl_event *wait, cl_event *done) {
  size_t one = 1;
  (void)mem;
  cl_int err = clEnqueueNDRangeKernel(queue, user, 1, NULL, &one, NULL, n_wait,
                                      n_wait ? wait : NULL, done);
  return err == CL_SUCCESS ? LCL_OK : lcl__fail(LCL_ERR_LIBRARY, "%s", lcl__cl_error_name(err));
}

static void free_kernel(void *user) {
  clReleaseKernel(user);
}

static lcl_arg memory_of(const bench *b, range r, int access) {
  return lcl__memory_part(b->views[r.view].buf, (size_t)r.first * 4, (size_t)r.n * 4, access);
}

static void add(bench *b, lcl_list *list, const work *w, int number) {
  char label[40];
  snprintf(label, sizeof label, "launch %d", number);
  lcl_arg dst = memory_of(b, w->dst, LCL_WRITE), src = memory_of(b, w->src, LCL_READ);
  const lcl_arg copy[] = { src, dst };
  const lcl_arg fold[] = { dst,
                           lcl__i32(w->dst.first),
                           src,
                           lcl__i32(w->src.first),
                           lcl__i32(w->dst.n),
                           lcl__bytes(&w->k, sizeof w->k),
                           lcl__i32(w->delay) };
  lcl_launch launch = { .kind = (lcl_launch_kind)w->kind,
                        .label = label,
                        .source = { .text = text },
                        .kernel = "fold",
                        .args = fold,
                        .n_args = LCL_COUNT(fold),
                        .dims = 1,
                        .global = { 1 },
                        .pattern = w->k };
  if (w->kind == LCL_LAUNCH_COPY) launch.args = copy, launch.n_args = 2;
  if (w->kind == LCL_LAUNCH_FILL) launch.n_args = 1;
  if (w->kind == LCL_LAUNCH_CALL) {
    cl_kernel kernel;
    ASSERT_OK(lcl__launch_kernel(b->ctx, &launch, &kernel));
    launch.call = call_kernel;
    launch.user = kernel;
    launch.user_free = free_kernel;
  }
  ASSERT_OK(lcl__list_add(list, &launch));
}

/* ---- the placement ---- */

typedef bool matrix[MAX_LAUNCHES][MAX_LAUNCHES];

/* before[i][j]: i is sure to be done when j starts; leaves out wait number `without` of the list.
 */
static void order_of(const lcl_list *list, const lcl_placement *p, size_t without, matrix before) {
  size_t n = list->items.n;
  memset(before, 0, sizeof(matrix));
  for (size_t j = 0; j < n; j++) {
    const lcl_place *place = &p->place[j];
    bool previous = !list->ctx->in_order[place->queue];
    for (size_t i = j; i-- && !previous;)
      if (p->place[i].queue == place->queue) before[i][j] = previous = true;
    for (size_t w = place->first_wait; w < place->first_wait + place->n_wait; w++)
      if (w != without) before[p->waits.data[w]][j] = true;
    for (size_t i = j; i--;) /* all arrows point forward */
      if (before[i][j])
        for (size_t h = 0; h < i; h++) before[h][j] |= before[h][i];
  }
}

static bool hazard(const lcl_item *a, const lcl_item *b) {
  for (size_t i = 0; i < a->n_spans; i++)
    for (size_t j = 0; j < b->n_spans; j++) {
      const lcl_span *x = &a->spans[i], *y = &b->spans[j];
      if (x->root == y->root && x->begin < y->end && y->begin < x->end && (x->write || y->write))
        return true;
    }
  return false;
}

static void check_placement(const lcl_list *list, const lcl_placement *p) {
  static matrix before;
  if (!p->joins) return;
  order_of(list, p, SIZE_MAX, before);
  for (size_t j = 0; j < list->items.n; j++)
    for (size_t i = 0; i < j; i++)
      if (hazard(&list->items.data[i], &list->items.data[j]) && !before[i][j])
        fail_msg("launch %zu may start before %zu is done, but they share bytes", j, i);
  for (size_t j = 0; j < list->items.n; j++) {
    const lcl_place *place = &p->place[j];
    if (!list->ctx->in_order[place->queue]) continue;
    for (size_t w = place->first_wait; w < place->first_wait + place->n_wait; w++) {
      size_t i = p->waits.data[w];
      order_of(list, p, w, before);
      if (list->ctx->in_order[p->place[i].queue] && before[i][j])
        fail_msg("the event from launch %zu to %zu is superfluous", i, j);
    }
  }
}

/* ---- the runs ---- */

static void check_content(bench *b) {
  static uint32_t got[WORDS];
  for (int r = 0; r < ROOTS; r++) {
    ASSERT_OK(lcl__download(b->ctx, b->views[r * VIEWS_PER_ROOT].buf, 0, got, sizeof got));
    for (int i = 0; i < WORDS; i++)
      if (got[i] != b->expected[r][i])
        fail_msg("buffer %d word %d is %u, not %u", r, i, got[i], b->expected[r][i]);
  }
}

static void one_list(bench *b, int n) {
  work works[MAX_LAUNCHES];
  for (int i = 0; i < n; i++) works[i] = random_work(b);
  lcl_list *list;
  ASSERT_OK(lcl__list_create(b->ctx, &list));
  for (int i = 0; i < n; i++) add(b, list, &works[i], i);
  ASSERT_OK(lcl__list_seal(list));
  for (int k = 0; k < list->n_placements; k++) check_placement(list, &list->placement[k]);
  for (int r = 0; r < ROOTS; r++) {
    for (int i = 0; i < WORDS; i++) b->expected[r][i] = (uint32_t)below(1 << 20);
    ASSERT_OK(lcl__upload(b->ctx, b->views[r * VIEWS_PER_ROOT].buf, 0, b->expected[r],
                          sizeof b->expected[r]));
  }
  const int runs = b->ctx->queues_open ? 40 : 3; /* of an open number the first ones are measured */
  cl_event done;
  for (int run = 1; run <= runs; run++) { /* runs without waiting between them keep their order */
    ASSERT_OK(lcl__list_run(list, run == runs ? &done : NULL));
    for (int i = 0; i < n; i++) do_on_host(b, &works[i]);
  }
  assert_int_equal(clWaitForEvents(1, &done), CL_SUCCESS);
  clReleaseEvent(done);
  check_content(b);
  for (int i = 0; i < n; i++) {
    ASSERT_OK(lcl__list_run_one(list, (size_t)i));
    do_on_host(b, &works[i]);
  }
  check_content(b);
  lcl__list_destroy(list);
}

static void many_lists(const lcl_context_desc *desc, uint32_t first_seed) {
  bench *b = calloc(1, sizeof *b);
  ASSERT_OK(lcl_context_create(desc, &b->ctx));
  make_views(b);
  for (uint32_t s = 0; s < 12; s++) {
    seed = first_seed + s;
    one_list(b, 5 + below(MAX_LAUNCHES - 5));
  }
  for (int i = VIEWS; i--;)
    lcl_buffer_destroy(b->views[VIEWS - 1 - i].buf); /* owners before their parts */
  assert_int_equal(lcl_context_memory(b->ctx).current, 0);
  lcl_context_destroy(b->ctx);
  free(b);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

static void one_queue(void **state) {
  (void)state;
  many_lists(&(lcl_context_desc) { .queues = 1 }, 100);
}
static void two_queues(void **state) {
  (void)state;
  many_lists(&(lcl_context_desc) { .queues = 2 }, 200);
}
static void five_queues(void **state) {
  (void)state;
  many_lists(&(lcl_context_desc) { .queues = 5 }, 300);
}
static void three_queues_profiled(void **state) {
  (void)state;
  many_lists(&(lcl_context_desc) { .queues = 3, .profile = true }, 400);
}

static void open_queues(void **state) {
  (void)state;
  assert_int_equal(unsetenv("LATENTCL_QUEUES"), 0);
  many_lists(NULL, 500);
}

/* Two chains of launches that may run at once. */
static lcl_list *two_chains(bench *b) {
  lcl_list *list;
  ASSERT_OK(lcl__list_create(b->ctx, &list));
  for (int i = 0; i < 16; i++) {
    const range r = { .view = i % 2 * VIEWS_PER_ROOT, .first = 0, .n = WORDS / 2 };
    add(b, list, &(work) { .dst = r, .src = r, .k = (uint32_t)i, .delay = 3 }, i);
  }
  ASSERT_OK(lcl__list_seal(list));
  return list;
}

/* The seconds of each placement, 0 where they are not measured, which describe() must say to the
 * microsecond; how many queues it says are used. */
static int read_times(const lcl_list *list, double seconds[LCL_PLACEMENTS]) {
  lcl_str s = { 0 };
  int used = 0;
  lcl__list_describe(list, &s);
  assert_int_equal(sscanf(s.data, "%d queue", &used), 1);
  for (int k = 0; k < LCL_PLACEMENTS; k++) {
    char want[32];
    snprintf(want, sizeof want, k ? ", %d: " : "on %d: ", 1 << k);
    const char *at = strstr(s.data, want);
    seconds[k] = lcl__list_seconds(list, k);
    assert_true((at != NULL) == (seconds[k] > 0));
    if (at) assert_true(fabs(atof(at + strlen(want)) - 1e3 * seconds[k]) < 0.00051);
  }
  lcl__str_free(&s);
  return used;
}

/* The first runs measure; what they found is used, and known to later lists and processes. */
static void queues_are_measured(void **state) {
  (void)state;
  char cache[] = "/tmp/latentcl-queues-XXXXXX";
  double found[LCL_PLACEMENTS], again[LCL_PLACEMENTS];
  assert_non_null(mkdtemp(cache));
  setenv("LATENTCL_CACHE", cache, 1);
  for (int start = 0; start < 3; start++) {
    bench *b = calloc(1, sizeof *b);
    ASSERT_OK(lcl_context_create(NULL, &b->ctx));
    make_views(b);
    for (int built = 0; built < 2; built++) { /* the second list is known from the first */
      lcl_list *list = two_chains(b);
      assert_int_equal(list->n_placements, 2); /* four queues are no more than two here */
      const bool known = start == 1 || built;
      assert_true((read_times(list, found) > 0 && found[0] > 0) == known);
      assert_int_equal(lcl__list_unsettled(list), known ? 0 : 16);
      for (int run = 0; run < 15; run++) ASSERT_OK(lcl__list_run(list, NULL));
      if (!known) assert_true(read_times(list, again) == 1 && again[0] == 0);
      ASSERT_OK(lcl__list_run(list, NULL));
      const int used = read_times(list, again);
      assert_int_equal(lcl__list_unsettled(list), 0);
      assert_true(again[0] > 0 && again[1] > 0 && again[2] == 0);
      assert_int_equal(used, again[1] < 0.98 * again[0] ? 2 : 1);
      assert_int_equal(lcl__list_queue(list, 1), used == 2);
      if (known) assert_true(found[0] == again[0] && found[1] == again[1]);
      lcl__list_destroy(list);
    }
    for (int i = VIEWS; i--;) lcl_buffer_destroy(b->views[VIEWS - 1 - i].buf);
    lcl_context_destroy(b->ctx);
    free(b);
    size_t removed;
    if (start) ASSERT_OK(lcl__cache_clear(&removed)); /* then it is measured again */
  }
  unsetenv("LATENTCL_CACHE");
  assert_int_equal(rmdir(cache), 0);
}

static void numbers_of_queues(void **state) {
  (void)state;
  lcl_context *ctx;
  static const char *const wrong[] = { "0", "9", "-1", "two", "2 ", "1.5", "Auto" };
  for (size_t i = 0; i < LCL_COUNT(wrong); i++) {
    setenv("LATENTCL_QUEUES", wrong[i], 1);
    ASSERT_STATUS(lcl_context_create(NULL, &ctx), LCL_ERR_ARGUMENT);
    assert_non_null(strstr(lcl_error_message(), "LATENTCL_QUEUES: expected auto or 1 to 8"));
  }
  setenv("LATENTCL_QUEUES", "3", 1);
  for (int asked = 0; asked < 3; asked += 2) { /* what the program says counts more */
    ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .queues = asked }, &ctx));
    const int n = asked ? asked : 3;
    assert_true(lcl_context_cl_queue(ctx, n - 1) && !lcl_context_cl_queue(ctx, n));
    lcl_context_destroy(ctx);
  }
  unsetenv("LATENTCL_QUEUES");
}

/* The caller's queues, the first in order and the second out of order, then both out of order. */
static void foreign_queues(void **state) {
  (void)state;
  lcl_context *own;
  ASSERT_OK(lcl_context_create(NULL, &own));
  bool possible = lcl__context_caps(own)->out_of_order;
  for (int first = 0; first < 2; first++) {
    void *queues[2];
    for (int q = 0; q < 2; q++) {
      cl_int err;
      bool out_of_order = possible && (q == 1 || first == 1);
      queues[q] = clCreateCommandQueue(lcl_context_cl_context(own), lcl_context_cl_device(own),
                                       out_of_order ? CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE : 0,
                                       &err);
      assert_int_equal(err, CL_SUCCESS);
    }
    bench *b = calloc(1, sizeof *b);
    lcl_context_desc desc = { .cl_context = lcl_context_cl_context(own),
                              .cl_device = lcl_context_cl_device(own),
                              .cl_queues = queues,
                              .n_cl_queues = 2 };
    ASSERT_OK(lcl_context_create(&desc, &b->ctx));
    make_views(b);
    for (uint32_t s = 0; s < 8; s++) {
      seed = 500 + s;
      one_list(b, 5 + below(MAX_LAUNCHES - 5));
    }
    for (int i = 0; i < VIEWS; i++) lcl_buffer_destroy(b->views[i].buf);
    lcl_context_destroy(b->ctx);
    free(b);
    for (int q = 0; q < 2; q++) assert_int_equal(clReleaseCommandQueue(queues[q]), CL_SUCCESS);
  }
  lcl_context_destroy(own);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(one_queue),           cmocka_unit_test(two_queues),
    cmocka_unit_test(five_queues),         cmocka_unit_test(three_queues_profiled),
    cmocka_unit_test(foreign_queues),      cmocka_unit_test(open_queues),
    cmocka_unit_test(queues_are_measured), cmocka_unit_test(numbers_of_queues),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
