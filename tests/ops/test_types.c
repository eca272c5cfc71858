/* What `latentcl op NAME --help` says of element types holds: every input of every op takes each
 * type that is listed for it. */
#include "latentcl/ops.h"
#include "reference/spec.h"
#include "test.h"

static bool is_listed(const lcl_spec_input *in, lcl_dtype dtype) {
  if (in->any_dtype) return true;
  return (in->domain == LCL_INDEX) == (dtype != LCL_F32);
}

/* Whole numbers that every type holds; indices are small already. */
static void convert(lcl_array *a, lcl_dtype dtype, bool index) {
  a->dtype = dtype;
  for (int64_t k = 0; !index && dtype != LCL_F32 && k < lcl__array_count(a); k++)
    a->data[k] = (double)(k % 7);
}

/* Inputs that may have any type have one together. */
static void set_type(lcl_case *c, int i, lcl_dtype dtype) {
  for (int k = 0; k < lcl__spec_inputs(c->spec); k++) {
    const lcl_spec_input *in = &c->spec->in[k];
    if (c->in[k].data && (k == i || (in->any_dtype && c->spec->in[i].any_dtype)))
      convert(&c->in[k], dtype, in->domain == LCL_INDEX);
  }
  if (c->in[0].dtype != LCL_F32) memset(c->grad_out, 0, sizeof c->grad_out);
}

static void check(lcl_context *ctx, const lcl_spec *spec, int i, lcl_dtype dtype) {
  lcl_case *c;
  lcl_case_result result;
  ASSERT_OK(lcl__case_random(spec, 1, 2, true, &c)); /* primes */
  if (c->in[i].data) {
    set_type(c, i, dtype);
    lcl_status status = lcl__case_reference(c);
    if (status == LCL_OK) status = lcl__case_run(c, &(lcl_case_run_desc) { .ctx = ctx }, &result);
    if (status == LCL_OK) status = lcl__case_compare(c, &result, NULL);
    if (status != LCL_OK)
      fail_msg("%s, %s of %s: %s", spec->name, spec->in[i].name, lcl_dtype_name(dtype),
               lcl_error_message());
  }
  lcl__case_destroy(c);
}

static void listed_types_are_taken(void **state) {
  static const lcl_dtype dtypes[] = { LCL_I32, LCL_U8 };
  lcl_context *ctx;
  int taken = 0;
  (void)state;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  for (size_t s = 0; s < lcl__spec_count(); s++)
    for (int i = 0; i < lcl__spec_inputs(lcl__spec_at(s)); i++)
      for (size_t d = 0; d < LCL_COUNT(dtypes); d++)
        if (is_listed(&lcl__spec_at(s)->in[i], dtypes[d])) {
          check(ctx, lcl__spec_at(s), i, dtypes[d]);
          taken++;
        }
  assert_true(taken > 30);
  lcl_context_destroy(ctx);
}

/* A gap between the inputs would drop those behind it. */
static void no_gaps(void **state) {
  lcl_context *ctx;
  lcl_case *c;
  lcl_case_result result;
  (void)state;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &ctx));
  ASSERT_OK(lcl__case_create(lcl__spec_find("concat"), &c));
  ASSERT_OK(lcl__array_new(c, LCL_F32, LCL_SHAPE(2), &c->in[0]));
  c->in[0].data[1] = 3;
  ASSERT_OK(lcl__case_run(c, &(lcl_case_run_desc) { .ctx = ctx }, &result));
  assert_true(result.out[0].data[0] == 0 && result.out[0].data[1] == 3);
  ASSERT_OK(lcl__array_new(c, LCL_F32, LCL_SHAPE(2), &c->in[2]));
  ASSERT_STATUS(lcl__case_run(c, &(lcl_case_run_desc) { .ctx = ctx }, &result), LCL_ERR_ARGUMENT);
  lcl__case_destroy(c);
  lcl_context_destroy(ctx);
}

typedef struct world {
  lcl_context *ctx;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
} world;

static world begin(const char *name) {
  world w = { 0 };
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { 0 }, &w.ctx));
  ASSERT_OK(lcl_store_create(w.ctx, 1, &w.store));
  ASSERT_OK(lcl_graph_create(w.store, name, &w.g));
  return w;
}

static void end(world *w) {
  lcl_program_destroy(w->p);
  lcl_graph_destroy(w->g);
  lcl_store_destroy(w->store);
  lcl_context_destroy(w->ctx);
}

/* Rows outside: zeros where they are read, left out where they are added. Those just outside hit
 * the memory of neighbours if a bound is wrong. */
static void rows_outside(void **state) {
  enum { R = 3, WIDTH = 2, ROWS = 6 };
  static const int32_t rows[ROWS] = { -1, 0, R - 1, R, INT32_MAX, INT32_MIN };
  float x[ROWS * WIDTH], got[ROWS * WIDTH], added[R * WIDTH], hot[ROWS * R];
  (void)state;
  world w = begin("outside");
  lcl_graph *g = w.g;
  for (int i = 0; i < ROWS * WIDTH; i++) x[i] = (float)(i + 1);
  lcl_tensor *all = lcl_input(g, "x", LCL_F32, LCL_SHAPE(ROWS, WIDTH)),
             *at = lcl_input(g, "rows", LCL_I32, LCL_SHAPE(ROWS));
  lcl_tensor *few = lcl_slice(all, (int64_t[]) { 0, 0 }, (int64_t[]) { R, WIDTH });
  lcl_tensor *fetch[] = { lcl_gather(few, at), NULL, lcl_one_hot(at, R) };
  lcl_vjp(fetch[0], all, &few, 1, &fetch[1]);
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 3 }, &w.p));
  ASSERT_OK(lcl_feed(w.p, "x", x, sizeof x));
  ASSERT_OK(lcl_feed(w.p, "rows", rows, sizeof rows));
  ASSERT_OK(lcl_run(w.p));
  ASSERT_OK(lcl_fetch(w.p, "#0", got, sizeof got));
  ASSERT_OK(lcl_fetch(w.p, "#1", added, sizeof added));
  ASSERT_OK(lcl_fetch(w.p, "#2", hot, sizeof hot));
  for (int i = 0; i < ROWS; i++) {
    const bool inside = rows[i] >= 0 && rows[i] < R;
    for (int k = 0; k < WIDTH; k++)
      assert_true(got[i * WIDTH + k] == (inside ? x[rows[i] * WIDTH + k] : 0));
    for (int r = 0; r < R; r++) assert_true(hot[i * R + r] == (float)(r == rows[i]));
  }
  const float sums[R * WIDTH] = { x[2], x[3], 0, 0, x[4], x[5] };
  assert_memory_equal(added, sums, sizeof sums);
  end(&w);
}

/* The gradient of a gather of no rows is zero, rows of an empty variable are zeros, and beside it
 * others are whole.
 */
static void rows_of_nothing(void **state) {
  enum { R = 3, WIDTH = 2 };
  const lcl_init one = { .kind = LCL_INIT_CONSTANT, .value = 1 };
  (void)state;
  world w = begin("nothing");
  lcl_graph *g = w.g;
  lcl_tensor *none = lcl_param(g, "none", LCL_SHAPE(0, WIDTH), one),
             *narrow = lcl_param(g, "narrow", LCL_SHAPE(R, 0), one),
             *some = lcl_param(g, "some", LCL_SHAPE(R, WIDTH), one),
             *rows = lcl_const_data(g, LCL_I32, LCL_SHAPE(R), (int32_t[]) { 0, 1, 2 }),
             *no_rows = lcl_const_data(g, LCL_I32, LCL_SHAPE(0), rows);
  lcl_tensor *of[] = { some, narrow }, *grad[2];
  lcl_gradients(lcl_add(lcl_sum(lcl_gather(some, no_rows), LCL_ALL_AXES, false),
                        lcl_sum(lcl_gather(narrow, rows), LCL_ALL_AXES, false)),
                of, 2, grad);
  lcl_tensor *fetch[] = { grad[0], lcl_gather(none, rows),
                          lcl_concat((lcl_tensor *[]) { none, some }, 2, 0), grad[1] };
  ASSERT_OK(lcl_compile(
      g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = 4, .guard_bands = true }, &w.p));
  ASSERT_OK(lcl_run(w.p));
  for (int i = 0; i < 3; i++) {
    float got[R * WIDTH];
    ASSERT_OK(lcl_fetch(w.p, ((const char *const[]) { "#0", "#1", "#2" })[i], got, sizeof got));
    for (int k = 0; k < R * WIDTH; k++) assert_true(got[k] == (i == 2));
  }
  end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(listed_types_are_taken),
                                      cmocka_unit_test(no_gaps), cmocka_unit_test(rows_outside),
                                      cmocka_unit_test(rows_of_nothing) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
