/* Calls in the wrong order, with what does not belong, after the end: each a status and a message
 * that names what is wrong. NULL for every pointer of every public function is
 * tests/device/null_calls.py. */
#include <math.h>
#include <pthread.h>

#include "latentcl/ops.h"
#include "test.h"

typedef struct world {
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
} world;

static world begin(void) {
  world w;
  ASSERT_OK(lcl_context_create(NULL, &w.ctx));
  ASSERT_OK(lcl_store_create(w.ctx, 7, &w.store));
  ASSERT_OK(lcl_graph_create(w.store, "test", &w.g));
  return w;
}

static void end(world w) {
  lcl_graph_destroy(w.g);
  lcl_store_destroy(w.store);
  lcl_context_destroy(w.ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

static void says(lcl_status got, lcl_status want, const char *words) {
  ASSERT_STATUS(got, want);
  if (!strstr(lcl_error_message(), words)) fail_msg("\"%s\" in: %s", words, lcl_error_message());
}

/* y = x + w over two numbers. */
static lcl_program *make_program(world w) {
  lcl_program *p;
  lcl_tensor *x = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(2));
  lcl_tensor *y = lcl_input(w.g, "other", LCL_F32, LCL_SHAPE(2));
  lcl_init one = { .kind = LCL_INIT_CONSTANT, .value = 1 };
  lcl_output(lcl_add(lcl_add(x, y), lcl_param(w.g, "w", LCL_SHAPE(2), one)), "y");
  ASSERT_OK(lcl_compile(w.g, NULL, &p));
  return p;
}

static void order_of_calls(void **state) {
  (void)state;
  world w = begin();
  lcl_program *p = make_program(w);
  float x[2] = { 1, 2 }, y[2];
  void *event = NULL;
  says(lcl_run(p), LCL_ERR_ARGUMENT, "was never fed");
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  says(lcl_run(p), LCL_ERR_ARGUMENT, "\"other\" was never fed");
  says(lcl_run_async(p, 0, NULL, &event), LCL_ERR_ARGUMENT, "\"other\" was never fed");
  ASSERT_OK(lcl_feed(p, "other", x, sizeof x));
  says(lcl_fetch(p, "y", y, sizeof y), LCL_ERR_ARGUMENT, "has not run yet");
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "y", y, sizeof y));
  assert_true(y[0] == 3 && y[1] == 5);
  says(lcl_feed(p, "x", NULL, sizeof x), LCL_ERR_ARGUMENT, "data");
  says(lcl_fetch(p, "y", NULL, sizeof y), LCL_ERR_ARGUMENT, "data");
  lcl_program_destroy(p);
  end(w);
}

static void types_and_shapes(void **state) {
  (void)state;
  const lcl_shape huge = LCL_SHAPE(INT64_C(1) << 40, INT64_C(1) << 40), deep = { 99, { 1 } },
                  negative = LCL_SHAPE(-3), hollow = LCL_SHAPE(0, INT64_C(1) << 62, 4);
  for (int i = 0; i < 13; i++) {
    world w = begin();
    float x[4] = { 0 };
    lcl_init zero = { .kind = LCL_INIT_ZERO };
    switch (i) {
    case 0: lcl_input(w.g, "x", (lcl_dtype)99, LCL_SHAPE(2)); break;
    case 1: lcl_state(w.g, "x", (lcl_dtype)99, LCL_SHAPE(2), zero); break;
    case 2: lcl_const_data(w.g, (lcl_dtype)99, LCL_SHAPE(2), x); break;
    case 3: lcl_cast(lcl_const(w.g, 1), (lcl_dtype)-1); break;
    case 4: lcl_input(w.g, "x", LCL_F32, huge); break;
    case 5: lcl_param(w.g, "x", deep, zero); break;
    case 6: lcl_random_normal(w.g, deep); break;
    case 7: lcl_const_data(w.g, LCL_F32, negative, x); break;
    case 8: lcl_broadcast(lcl_const(w.g, 1), huge); break;
    case 9: lcl_reshape(lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(4)), deep); break;
    case 10: lcl_max(lcl_broadcast(lcl_const(w.g, 1), LCL_SHAPE(3, 0)), LCL_AXIS(1), false); break;
    case 11: lcl_min(lcl_broadcast(lcl_const(w.g, 1), LCL_SHAPE(3, 0)), LCL_AXIS(1), false); break;
    case 12: lcl_input(w.g, "x", LCL_F32, hollow); break;
    }
    lcl_status status = lcl_graph_status(w.g);
    if (i < 4)
      says(status, LCL_ERR_TYPE, "does not exist");
    else if (i == 12)
      says(status, LCL_ERR_SHAPE, "too large");
    else if (i >= 10)
      says(status, LCL_ERR_SHAPE, "of no elements");
    else
      assert_true(status == LCL_ERR_SHAPE || status == LCL_ERR_ARGUMENT);
    assert_int_equal(lcl_store_count(w.store), 0);
    end(w);
  }
}

/* More elements than kernels count, in what is read and in what is made. */
static void too_many_elements(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    world w = begin();
    lcl_program *p;
    lcl_tensor *x = lcl_input(w.g, "x", i ? LCL_F32 : LCL_U8, LCL_SHAPE(i ? 1 : 1 << 11, 1 << 20));
    if (i)
      lcl_output(lcl_gather(x, lcl_input(w.g, "rows", LCL_I32, LCL_SHAPE(1 << 11))), "y");
    else
      lcl_output(lcl_slice_axis(x, 1, 5, 6), "y");
    says(lcl_compile(w.g, NULL, &p), LCL_ERR_UNSUPPORTED, "x1048576: more than 2^31 elements");
    end(w);
  }
}

static lcl_status build(world *w, int which) {
  const int64_t most[] = { INT64_MAX, 0 }, none[] = { 0, 0 };
  const lcl_init half = { .kind = LCL_INIT_NORMAL, .value = 0.5f };
  lcl_tensor *x = lcl_input(w->g, "x", LCL_F32, LCL_SHAPE(2, 3));
  lcl_tensor *p = lcl_param(w->g, "p", LCL_SHAPE(2, 3), half), *const twice[] = { p, p },
             *n = lcl_state(w->g, "n", LCL_I32, LCL_SHAPE(1), (lcl_init) { 0 });
  lcl_optimiser_desc rule = { .rate = 1 };
  switch (which) {
  case 0: lcl_sum(x, LCL_AXIS(2), false); break;
  case 1: lcl_mean(x, LCL_AXIS(0) | LCL_AXIS(5), false); break;
  case 2: lcl_flip(x, 1u << 7); break;
  case 3: lcl_pad(x, most, most); break;
  case 4: lcl_pad(x, none, most); break;
  case 5: lcl_input(w->g, "", LCL_F32, LCL_SHAPE(1)); break;
  case 6: lcl_output(x, ""); break;
  case 7: lcl_output(x, "#0"); break;
  case 8: lcl_param(w->g, "", LCL_SHAPE(1), half); break;
  case 9: lcl_param(w->g, "q", LCL_SHAPE(1), (lcl_init) { .kind = 99 }); break;
  case 10: lcl_param(w->g, "q", LCL_SHAPE(1), (lcl_init) { .scale = NAN }); break;
  case 11: lcl_param(w->g, "q", LCL_SHAPE(1), (lcl_init) { .fan_in = -1 }); break;
  case 12: lcl_state(w->g, "q", LCL_U8, LCL_SHAPE(1), half); break;
  case 13: lcl_state(w->g, "q", LCL_I32, LCL_SHAPE(1), (lcl_init) { 1, 3e9f, 0, 0, 0 }); break;
  case 14: lcl_state(w->g, "q", LCL_U8, LCL_SHAPE(1), (lcl_init) { 1, -1, 0, 0, 0 }); break;
  case 15: lcl_state(w->g, "q", LCL_F16, LCL_SHAPE(1), (lcl_init) { 1, 1.5f, 0, 0, 0 }); break;
  case 16:
    lcl_state(w->g, "q", LCL_F32, LCL_SHAPE(1), half);
    lcl_param(w->g, "q", LCL_SHAPE(1), half);
    break;
  case 17: rule.kind = 77; break;
  case 18: rule.rate = NAN; break;
  case 19: rule.rate = -1; break;
  case 20: rule.beta1 = 1; break;
  case 21: rule.clip_norm = INFINITY; break;
  case 22: /* a slot of p, by its name */
    rule.kind = LCL_ADAM;
    lcl_param(w->g, "p.m", LCL_SHAPE(1), half);
    break;
  case 23: rule.lr = n; break;
  case 24: rule.params = twice, rule.n_params = 2; break;
  case 25: rule.params = &n, rule.n_params = 1; break;
  case 26: lcl_ema(n, lcl_cast(lcl_const(w->g, 1), LCL_I32), 0.5f); break;
  case 27: rule.loss_scale = NAN; break;
  default: return LCL_OK;
  }
  if (which > 16) lcl_minimise(lcl_sum(lcl_mul(x, p), LCL_ALL_AXES, false), &rule);
  return lcl_graph_status(w->g);
}

/* What would be taken for something else, or be no number at the first run. */
static void meaningless_values(void **state) {
  (void)state;
  static const char *const words[] = { "0x4 has one that does not exist in rank 2",
                                       "0x21",
                                       "0x80",
                                       "too large",
                                       "too large",
                                       "empty",
                                       "empty",
                                       "begins with #",
                                       "empty",
                                       "distribution 99",
                                       "not finite",
                                       "not finite",
                                       "random",
                                       "3e+09 does not fit i32",
                                       "-1 does not fit u8",
                                       "of f16 are zeros",
                                       "not trained",
                                       "rule 77",
                                       "rate is nan",
                                       "rate is -1",
                                       "beta1 is 1",
                                       "clip_norm is inf",
                                       "p.m is a variable of its own",
                                       "the learning rate must be f32, not i32",
                                       "parameter 1 was named before",
                                       "parameter 0 is not an f32 variable",
                                       "of f32, got i32 and i32",
                                       "loss_scale is nan" };
  for (int i = 0; i < (int)LCL_COUNT(words); i++) {
    world w = begin();
    if (build(&w, i) == LCL_OK) fail_msg("case %d is taken", i);
    if (!strstr(lcl_error_message(), words[i])) fail_msg("case %d: %s", i, lcl_error_message());
    end(w);
  }
}

/* Names of any length have slots of their own. */
static void long_names(void **state) {
  (void)state;
  world w = begin();
  char name[2][400];
  lcl_tensor *loss = NULL;
  for (int i = 0; i < 2; i++) {
    memset(name[i], 'n', 399);
    name[i][398] = (char)('0' + i);
    name[i][399] = 0;
    lcl_tensor *sum = lcl_sum(lcl_param(w.g, name[i], LCL_SHAPE(2 + i), (lcl_init) { 0 }),
                              LCL_ALL_AXES, false);
    loss = i ? lcl_add(loss, sum) : sum;
  }
  lcl_minimise(loss, &(lcl_optimiser_desc) { .kind = LCL_ADAM, .rate = 1 });
  ASSERT_OK(lcl_graph_status(w.g));
  size_t slots = 0;
  for (size_t i = 0; i < lcl_store_count(w.store); i++)
    slots += strlen(lcl_store_info(w.store, i).name) == 401;
  assert_int_equal(slots, 4);
  end(w);
}

static void other_graphs(void **state) {
  (void)state;
  world w = begin();
  lcl_graph *other;
  lcl_program *p;
  ASSERT_OK(lcl_graph_create(w.store, "other", &other));
  lcl_tensor *x = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(2));
  lcl_tensor *foreign = lcl_input(other, "x", LCL_F32, LCL_SHAPE(2)), *gx;
  lcl_compile_desc desc = { .fetch = &foreign, .n_fetch = 1 };
  says(lcl_compile(w.g, &desc, &p), LCL_ERR_ARGUMENT, "another graph");
  lcl_tensor *nothing = NULL;
  says(lcl_compile(w.g, &(lcl_compile_desc) { .fetch = &nothing, .n_fetch = 1 }, &p),
       LCL_ERR_ARGUMENT, "NULL");
  lcl_gradients(lcl_sum(x, LCL_ALL_AXES, false), &foreign, 1, &gx);
  says(lcl_graph_status(w.g), LCL_ERR_ARGUMENT, "another graph");
  ASSERT_OK(lcl_graph_status(other));
  lcl_add(foreign, NULL);
  says(lcl_graph_status(other), LCL_ERR_ARGUMENT, "lcl_add: tensor 1 is NULL");
  says(lcl_store_read(w.store, "none", &p, 4), LCL_ERR_ARGUMENT, "no variable");
  lcl_graph_destroy(other);
  end(w);
}

/* What comes of a call on nothing is an error in the graph that uses it. */
static void poison_of_no_graph(void **state) {
  (void)state;
  world w = begin();
  lcl_tensor *x = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(2));
  lcl_mul(lcl_relu(lcl_exp(NULL)), x);
  says(lcl_graph_status(w.g), LCL_ERR_ARGUMENT, "comes of a call that got NULL");
  end(w);
  for (int order = 0; order < 2;
       order++) { /* the graph there is is told, wherever its tensor stands */
    w = begin();
    x = lcl_input(w.g, "x", LCL_F32, LCL_SHAPE(2));
    lcl_tensor *poison = lcl_exp(NULL);
    lcl_select(NULL, order ? x : poison, order ? poison : x);
    says(lcl_graph_status(w.g), LCL_ERR_ARGUMENT, "lcl_select: tensor 0 is NULL");
    end(w);
  }
}

/* The context goes first: what stands on it keeps its memory, and says so. */
static void after_the_context(void **state) {
  (void)state;
  world w = begin();
  lcl_program *p = make_program(w), *q;
  lcl_buffer *buf, *another;
  float x[2] = { 1, 2 };
  ASSERT_OK(lcl_buffer_create(w.ctx, sizeof x, &buf));
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  ASSERT_OK(lcl_feed_buffer(p, "other", buf));
  lcl_context_destroy(w.ctx);
  static const char gone[] = "the context was destroyed";
  says(lcl_feed(p, "x", x, sizeof x), LCL_ERR_ARGUMENT, gone);
  says(lcl_run(p), LCL_ERR_ARGUMENT, gone);
  says(lcl_fetch(p, "y", x, sizeof x), LCL_ERR_ARGUMENT, gone);
  says(lcl_store_read(w.store, "w", x, sizeof x), LCL_ERR_ARGUMENT, gone);
  says(lcl_store_write(w.store, "w", x, sizeof x), LCL_ERR_ARGUMENT, gone);
  says(lcl_buffer_write(buf, 0, x, sizeof x), LCL_ERR_ARGUMENT, gone);
  says(lcl_buffer_create(w.ctx, 8, &another), LCL_ERR_ARGUMENT, gone);
  says(lcl_compile(w.g, NULL, &q), LCL_ERR_ARGUMENT, gone);
  lcl_buffer_destroy(buf);
  lcl_store_destroy(w.store);
  lcl_graph_destroy(w.g);
  lcl_program_destroy(p);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

/* A program and a graph keep the store's variables; a program keeps the buffer it was fed. */
static void owners(void **state) {
  (void)state;
  world w = begin();
  lcl_program *p = make_program(w);
  lcl_buffer *buf;
  float x[2] = { 1, 2 }, y[2];
  ASSERT_OK(lcl_buffer_create(w.ctx, sizeof x, &buf));
  ASSERT_OK(lcl_buffer_write(buf, 0, x, sizeof x));
  ASSERT_OK(lcl_feed_buffer(p, "other", buf));
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  lcl_buffer_destroy(buf);
  lcl_store_destroy(w.store);
  lcl_graph_destroy(w.g);
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "y", y, sizeof y));
  assert_true(y[0] == 3 && y[1] == 5);
  lcl_program_destroy(p);
  lcl_context_destroy(w.ctx);
  assert_int_equal(lcl__test_alloc_live(), 0);
}

typedef struct shared {
  lcl_program *p;
  int ok, refused, other;
} shared;

static void *use(void *arg) {
  shared *s = arg;
  float y[2];
  for (int i = 0; i < 2000; i++) {
    lcl_status status = lcl_run(s->p);
    if (status == LCL_OK) status = lcl_fetch(s->p, "y", y, sizeof y);
    if (status == LCL_OK)
      s->ok++;
    else if (status == LCL_ERR_ARGUMENT && strstr(lcl_error_message(), "another thread"))
      s->refused++;
    else
      s->other++;
  }
  return NULL;
}

static void two_threads(void **state) {
  (void)state;
  world w = begin();
  lcl_program *p = make_program(w);
  float x[2] = { 1, 2 };
  ASSERT_OK(lcl_feed(p, "x", x, sizeof x));
  ASSERT_OK(lcl_feed(p, "other", x, sizeof x));
  shared here = { .p = p }, there = { .p = p };
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, use, &there), 0);
  use(&here);
  pthread_join(thread, NULL);
  assert_int_equal(here.other + there.other, 0);
  assert_true(here.ok + there.ok > 0);
  assert_true(here.refused + there.refused > 0);
  ASSERT_OK(lcl_run(p)); /* one after the other is fine */
  lcl_program_destroy(p);
  end(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(order_of_calls),     cmocka_unit_test(types_and_shapes),
    cmocka_unit_test(meaningless_values), cmocka_unit_test(long_names),
    cmocka_unit_test(other_graphs),       cmocka_unit_test(poison_of_no_graph),
    cmocka_unit_test(after_the_context),  cmocka_unit_test(owners),
    cmocka_unit_test(two_threads),        cmocka_unit_test(too_many_elements),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
