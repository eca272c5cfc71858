/* The references' gradients against central differences of the references, in double: every op,
 * many random cases. And the table itself: every op can be found, described and sampled at random.
 */
#include "test.h"

#include <math.h>

#include "ops/ops_lists.h"
#include "reference/spec.h"

/* sum of out*grad_out: its derivative with respect to an input is what backward gives. */
static double objective(lcl_case *c) {
  double sum = 0;
  ASSERT_OK(c->spec->forward(c));
  for (int k = 0; k < LCL_SPEC_OUTS; k++)
    for (int64_t i = 0; c->grad_out[k].data && i < lcl__array_count(&c->out[k]); i++)
      sum += c->out[k].data[i] * c->grad_out[k].data[i];
  return sum;
}

/* With step h, the difference quotient errs by h^2 f'''/6 and by rounding 2^-52 |f|/h; kinks (relu,
 * max, abs) are as good as never within h of a random real. */
static void compare_input(lcl_case *c, int input, const lcl_array *gradient, lcl_rng *r) {
  const double h = 1e-5;
  double scale = 1;
  for (int64_t i = 0; i < lcl__array_count(gradient); i++)
    scale = fmax(scale, fabs(gradient->data[i]));
  for (int probe = 0; probe < 6 && lcl__array_count(gradient) > 0; probe++) {
    const int64_t at = lcl__rng_below(r, lcl__array_count(gradient));
    double *x = &c->in[input].data[at];
    const double kept = *x;
    *x = kept + h;
    const double up = objective(c);
    *x = kept - h;
    const double down = objective(c);
    *x = kept;
    const double quotient = (up - down) / (2 * h), allowed = 1e-6 * (scale + fabs(up) * 1e-4);
    if (!(fabs(quotient - gradient->data[at]) <= allowed)) {
      lcl_str text = { 0 };
      lcl__case_describe(c, &text);
      fail_msg("%s: gradient of %s at %lld is %.12g, central difference %.12g", text.data,
               c->spec->in[input].name, (long long)at, gradient->data[at], quotient);
    }
  }
}

static void gradients_agree_with_differences(void **state) {
  (void)state;
  size_t differentiable = 0;
  for (size_t s = 0; s < lcl__spec_count(); s++) {
    const lcl_spec *spec = lcl__spec_at(s);
    if (!spec->backward) continue;
    differentiable++;
    for (uint64_t number = 1; number < 60; number += 2) { /* odd cases are of reals */
      lcl_case *c;
      lcl_rng r = { number };
      ASSERT_OK(lcl__case_random(spec, 5, number, true, &c));
      if (c->grad_out[0].data && !c->exceptions) { /* absent for integer inputs */
        ASSERT_OK(lcl__case_reference(c));
        lcl_array gradient[LCL_SPEC_INS];
        memcpy(gradient, c->grad_in, sizeof gradient);
        for (int i = 0; i < LCL_SPEC_INS; i++)
          if (gradient[i].data) compare_input(c, i, &gradient[i], &r);
      }
      lcl__case_destroy(c);
    }
  }
  assert_true(differentiable > 30);
}

/* Bounds are small beside the values: a bound that allows anything proves nothing. */
static void bounds_are_tight(void **state) {
  (void)state;
  for (size_t s = 0; s < lcl__spec_count(); s++)
    for (uint64_t number = 0; number < 40; number++) {
      lcl_case *c;
      ASSERT_OK(lcl__case_random(lcl__spec_at(s), 9, number, true, &c));
      ASSERT_OK(lcl__case_reference(c));
      for (int k = 0; k < LCL_SPEC_OUTS + LCL_SPEC_INS && !c->exceptions; k++) {
        const bool out = k < LCL_SPEC_OUTS;
        const lcl_array *value = out ? &c->out[k] : &c->grad_in[k - LCL_SPEC_OUTS];
        const lcl_array *bound = out ? &c->out_bound[k] : &c->grad_bound[k - LCL_SPEC_OUTS];
        if (!value->data) continue;
        assert_non_null(bound->data);
        double most = 1, widest = 0;
        for (int64_t i = 0; i < lcl__array_count(value); i++) {
          most = fmax(most, fabs(value->data[i]));
          assert_true(bound->data[i] >= 0);
          widest = fmax(widest, bound->data[i]);
        }
        if (!(widest <= 0.1 * most)) {
          lcl_str text = { 0 };
          lcl__case_describe(c, &text);
          fail_msg("%s: a bound of %g on %s %d whose values reach %g", text.data, widest,
                   out ? "result" : "gradient", k, most);
        }
      }
      lcl__case_destroy(c);
    }
}

static double largest(const lcl_array *a) {
  double most = 0;
  for (int64_t i = 0; a->data && i < lcl__array_count(a); i++) most = fmax(most, fabs(a->data[i]));
  return most;
}

static void ones(lcl_array *a) {
  for (int64_t i = 0; a->data && a->dtype == LCL_F32 && i < lcl__array_count(a); i++)
    a->data[i] = 1;
}

/* Products and convolutions add one term after the other, and with ones everywhere a sum is the
 * number of its terms: what the bound multiplies a rounding with is never less and is reached, by
 * every matrix product. */
static void terms_are_counted(void **state) {
  (void)state;
  static const char *const names[] = { "matmul",
                                       "conv2d",
                                       "fft_conv2d",
                                       "masked_conv2d",
                                       "conv_transpose2d",
                                       "conv2d_input_grad",
                                       "conv2d_filter_grad" };
  for (size_t s = 0; s < LCL_COUNT(names); s++) {
    const lcl_spec *spec = lcl__spec_find(names[s]);
    double nearest[3] = { INFINITY, INFINITY, INFINITY }; /* of the result and two gradients */
    for (uint64_t number = 0; number < 200; number++) {
      lcl_case *c;
      ASSERT_OK(lcl__case_random(spec, 5, number, true, &c));
      for (int k = 0; k < LCL_SPEC_INS; k++) ones(&c->in[k]);
      ones(&c->grad_out[0]);
      ASSERT_OK(lcl__case_reference(c));
      for (int k = 0; k < 3 && !c->exceptions; k++) {
        const double sum = largest(k ? &c->grad_in[k - 1] : &c->out[0]),
                     terms = spec->terms(c, k - 1);
        if (sum > terms || (s == 0 && sum > 0 && sum != terms))
          fail_msg("%s: a sum of %g, %g terms (%d)", spec->name, sum, terms, k);
        if (sum > 0) nearest[k] = fmin(nearest[k], terms / sum);
      }
      lcl__case_destroy(c);
    }
    for (int k = 0; k < 3; k++) ASSERT_BETWEEN(nearest[k], 1, 1.1);
  }
}

static void cases_repeat(void **state) {
  (void)state;
  for (size_t s = 0; s < lcl__spec_count(); s++) {
    lcl_case *a, *b;
    lcl_str first = { 0 }, second = { 0 };
    ASSERT_OK(lcl__case_random(lcl__spec_at(s), 3, 7, false, &a));
    ASSERT_OK(lcl__case_random(lcl__spec_at(s), 3, 7, false, &b));
    lcl__case_describe(a, &first);
    lcl__case_describe(b, &second);
    assert_string_equal(first.data, second.data);
    for (int i = 0; i < LCL_SPEC_INS; i++)
      if (a->in[i].data)
        assert_memory_equal(a->in[i].data, b->in[i].data,
                            sizeof(double) * (size_t)lcl__array_count(&a->in[i]));
    lcl__str_free(&first);
    lcl__str_free(&second);
    lcl__case_destroy(a);
    lcl__case_destroy(b);
  }
}

static bool any_size(const lcl_case *c, int64_t size) {
  for (int i = 0; i < LCL_SPEC_INS; i++)
    for (int k = 0; c->in[i].data && k < c->in[i].shape.rank; k++)
      if (c->in[i].shape.dim[k] == size) return true;
  const lcl_attr *shape = lcl__case_attr(c, "shape"); /* of random ops, which have no input */
  for (int k = 0; k < shape->n; k++)
    if (shape->i[k] == size) return true;
  return false;
}

static int64_t elements(const lcl_case *c) {
  int64_t n = 0;
  for (int i = 0; i < LCL_SPEC_INS; i++)
    if (c->in[i].data) n += lcl__array_count(&c->in[i]);
  return n;
}

/* Empty arrays, as little as can be, and primes come before anything else, for every op. */
static void corners_come_first(void **state) {
  (void)state;
  int64_t total[4] = { 0 };
  for (uint64_t seed = 1; seed < 8; seed++)
    for (size_t s = 0; s < lcl__spec_count(); s++)
      for (uint64_t number = 0; number < 4; number++) {
        const bool empty = lcl__spec_at(s)->flags & LCL_SPEC_EMPTY && number == 0;
        lcl_case *c;
        ASSERT_OK(lcl__case_random(lcl__spec_at(s), seed, number, false, &c));
        assert_int_equal(any_size(c, 0), empty);
        if (number == 2 && s == 0) assert_false(any_size(c, 4) || any_size(c, 64));
        total[number] += elements(c);
        lcl__case_destroy(c);
      }
  assert_true(total[0] < total[1] && 20 * total[1] < total[2]);
}

/* Which of the values that formulas treat apart a case holds, a bit each. */
static unsigned exceptions_in(const lcl_case *c) {
  unsigned found = 0;
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++)
    for (int64_t k = 0; c->in[i].data && k < lcl__array_count(&c->in[i]); k++) {
      const double x = c->in[i].data[k];
      const bool is[] = { isnan(x),
                          x == HUGE_VAL,
                          x == -HUGE_VAL,
                          x == 0,
                          x == 0 && signbit(x),
                          x == 100,
                          x == -100,
                          c->spec->in[i].domain == LCL_UNIT && x == 1 };
      for (size_t b = 0; b < LCL_COUNT(is); b++) found |= (unsigned)is[b] << b;
    }
  return found;
}

/* NaN, infinities, zeros of both signs, saturation, certain probabilities: every op whose result is
 * defined for them meets them, the fourth case already. */
static void exceptions_are_sampled(void **state) {
  (void)state;
  unsigned all = 0;
  for (size_t s = 0; s < lcl__spec_count(); s++) {
    const lcl_spec *spec = lcl__spec_at(s);
    const bool takes = !(spec->flags & LCL_SPEC_FINITE) && spec->in[0].domain != LCL_INDEX;
    unsigned met = 0;
    for (uint64_t seed = 1; seed < 30; seed++) {
      lcl_case *c;
      ASSERT_OK(lcl__case_random(spec, seed, 3, true, &c));
      met |= exceptions_in(c);
      if (spec->flags & LCL_SPEC_FINITE) assert_false(c->exceptions);
      lcl__case_destroy(c);
    }
    if (takes && !(met & 1 && met & 2)) fail_msg("%s: neither NaN nor infinity", spec->name);
    all |= met;
  }
  assert_int_equal(all, 255);
}

/* A NaN is expected where the reference has one, an infinity of the same sign, and nowhere else. */
static void exceptions_are_compared(void **state) {
  (void)state;
  const double value[] = { 1, NAN, INFINITY, -INFINITY };
  for (size_t want = 0; want < LCL_COUNT(value); want++)
    for (size_t got = 0; got < LCL_COUNT(value); got++) {
      double one = value[want], other = value[got], allowed = 0.5;
      lcl_case c = { .spec = lcl__spec_find("relu") };
      lcl_case_result r = { 0 };
      c.out[0] = (lcl_array) { .dtype = LCL_F32, .shape = LCL_SHAPE(1), .data = &one };
      c.out_bound[0] = (lcl_array) { .shape = LCL_SHAPE(1), .data = &allowed };
      r.out[0] = (lcl_array) { .dtype = LCL_F32, .shape = LCL_SHAPE(1), .data = &other };
      ASSERT_STATUS(lcl__case_compare(&c, &r, NULL), want == got ? LCL_OK : LCL_ERR_NUMERIC);
    }
}

/* ---- attributes ---- */

static lcl_case *case_of(const char *op) {
  lcl_case *c;
  ASSERT_OK(lcl__case_create(lcl__spec_find(op), &c));
  return c;
}

static void attributes_are_read(void **state) {
  (void)state;
  lcl_case *c = case_of("max_pool2d");
  ASSERT_OK(lcl__case_set(c, "kernel=3"));
  assert_int_equal(lcl__case_attr(c, "kernel")->i[1], 3);
  ASSERT_OK(lcl__case_set(c, "stride=2,1"));
  assert_int_equal(lcl__case_attr(c, "stride")->i[0], 2);
  assert_int_equal(lcl__case_attr(c, "stride")->i[1], 1);
  ASSERT_OK(lcl__case_set(c, "pad=1,2")); /* height, width: top, bottom, left, right */
  const int64_t pads[] = { 1, 1, 2, 2 };
  assert_memory_equal(lcl__case_attr(c, "pad")->i, pads, sizeof pads);
  ASSERT_OK(lcl__case_set(c, "ceil"));
  assert_int_equal(lcl__case_attr(c, "ceil")->i[0], 1);
  ASSERT_OK(lcl__case_set(c, "ceil=0"));
  assert_int_equal(lcl__case_attr(c, "ceil")->i[0], 0);
  lcl__case_destroy(c);
  c = case_of("sum");
  unsigned mask;
  ASSERT_OK(lcl__case_set(c, "axis=0,-1"));
  ASSERT_OK(lcl__attr_axes(lcl__case_attr(c, "axis"), 3, &mask));
  assert_int_equal(mask, 5);
  ASSERT_STATUS(lcl__attr_axes(lcl__case_attr(c, "axis"), 1, &mask),
                LCL_ERR_ARGUMENT); /* the same axis twice */
  ASSERT_OK(lcl__case_set(c, "axis=all"));
  ASSERT_OK(lcl__attr_axes(lcl__case_attr(c, "axis"), 3, &mask));
  assert_int_equal(mask, 7);
  lcl__case_destroy(c);
}

static void wrong_attributes_are_refused(void **state) {
  (void)state;
  static const char *const wrong[][2] = {
    { "max_pool2d", "kernl=2" },
    { "max_pool2d", "kernel" },
    { "max_pool2d", "kernel=" },
    { "max_pool2d", "kernel=2,2,2" },
    { "max_pool2d", "kernel=two" },
    { "max_pool2d", "kernel=2x2" },
    { "max_pool2d", "kernel=1e3" },
    { "max_pool2d", "pad=1,2,3" },
    { "max_pool2d", "kernel=99999999999" },
    { "max_pool2d", "kernel=2,2 " },
    { "max_pool2d", "pad=same" },
    { "sum", "keepdims=maybe" },
    { "sum", "axis=0,,1" },
    { "sum", "axis=0," },
    { "leaky_relu", "slope=nan" },
    { "leaky_relu", "slope=0.1x" },
    { "transpose", "perm=0,1,2,3,4,5,6" },
    { "reshape", "shape=99999999999999999999" },
    { "sum", "" },
    { "sum", "=1" },
  };
  for (size_t i = 0; i < LCL_COUNT(wrong); i++) {
    lcl_case *c = case_of(wrong[i][0]);
    ASSERT_STATUS(lcl__case_set(c, wrong[i][1]), LCL_ERR_ARGUMENT);
    assert_null(strchr(lcl_error_message(), '\n'));
    lcl__case_destroy(c);
  }
  lcl_case *c = case_of("max_pool2d");
  ASSERT_STATUS(lcl__case_attributes_given(c), LCL_ERR_ARGUMENT); /* kernel is required */
  lcl__case_destroy(c);
  assert_ptr_equal(lcl__spec_find("switch_gather2d"), lcl__spec_find("argmax_gather2d"));
  assert_null(lcl__spec_find("max_pool3d"));
  assert_non_null(strstr(lcl_error_message(), "max_pool2d"));
}

static void every_op_has_help(void **state) {
  (void)state;
  for (size_t s = 0; s < lcl__spec_count(); s++) {
    const lcl_spec *spec = lcl__spec_at(s);
    lcl_str text = { 0 };
    assert_ptr_equal(lcl__spec_find(spec->name), spec);
    lcl__spec_help(spec, &text);
    for (int i = 0; i < lcl__spec_inputs(spec); i++)
      assert_non_null(strstr(text.data, spec->in[i].name));
    for (int i = 0; i < lcl__spec_attrs(spec); i++) {
      assert_non_null(strstr(text.data, spec->attr[i].name));
      lcl_case *c = case_of(spec->name); /* the default is a legal value */
      if (spec->attr[i].by_default) assert_true(c->attr[i].n >= 0);
      lcl__case_destroy(c);
    }
    lcl__str_free(&text);
  }
}

/* Each op of the table is in the list of one device test, and each name in a list is an op. */
static void every_op_is_tested(void **state) {
  (void)state;
#define LIST(names)                                                                                \
  { names, LCL_COUNT(names) }
  static const struct {
    const char *const *names;
    size_t n;
  } lists[] = { LIST(ops_map),      LIST(ops_gemm),   LIST(ops_fourier),
                LIST(ops_adjoints), LIST(ops_reduce), LIST(ops_shape) };
#undef LIST
  size_t named = 0;
  for (size_t k = 0; k < LCL_COUNT(lists); k++) {
    named += lists[k].n;
    for (size_t i = 0; i < lists[k].n; i++)
      if (!lcl__spec_find(lists[k].names[i])) fail_msg("%s", lcl_error_message());
  }
  for (size_t s = 0; s < lcl__spec_count(); s++) {
    int times = 0;
    for (size_t k = 0; k < LCL_COUNT(lists); k++)
      for (size_t i = 0; i < lists[k].n; i++)
        times += strcmp(lists[k].names[i], lcl__spec_at(s)->name) == 0;
    if (times != 1)
      fail_msg("%s is in %d lists of tests/ops/ops_lists.h, expected one", lcl__spec_at(s)->name,
               times);
  }
  assert_int_equal(named, lcl__spec_count());
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(gradients_agree_with_differences),
    cmocka_unit_test(bounds_are_tight),
    cmocka_unit_test(terms_are_counted),
    cmocka_unit_test(cases_repeat),
    cmocka_unit_test(corners_come_first),
    cmocka_unit_test(exceptions_are_sampled),
    cmocka_unit_test(exceptions_are_compared),
    cmocka_unit_test(attributes_are_read),
    cmocka_unit_test(wrong_attributes_are_refused),
    cmocka_unit_test(every_op_has_help),
    cmocka_unit_test(every_op_is_tested),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
