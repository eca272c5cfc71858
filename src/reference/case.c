/* Cases: random ones, the reference's answer and its error bound, and the comparison with a
 * device's answer. */
#include <float.h>
#include <math.h>

#include "reference/spec.h"

/* ---- random numbers: splitmix64, the same everywhere ---- */

uint64_t lcl__rng_next(lcl_rng *r) {
  uint64_t z = r->state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

int64_t lcl__rng_below(lcl_rng *r, int64_t n) {
  if (!r->fixed_layout) return (int64_t)(lcl__rng_next(r) % (uint64_t)n);
  lcl_rng layout = { .state = r->layout };
  const int64_t chosen = lcl__rng_below(&layout, n);
  r->layout = layout.state;
  return chosen;
}

double lcl__rng_real(lcl_rng *r, double low, double high) {
  return low + (high - low) * ((double)(lcl__rng_next(r) >> 11) * 0x1p-53);
}

bool lcl__rng_chance(lcl_rng *r, int percent) {
  return lcl__rng_below(r, 100) < percent;
}

static bool is_prime(int n) {
  for (int k = 2; k * k <= n; k++)
    if (n % k == 0) return false;
  return n > 1;
}

/* Whether a random case of these sizes may have this one. */
static bool is_wanted(const lcl_rng *r, int size) {
  if (r->sizes == LCL_SIZES_PRIME) return is_prime(size);
  return !r->fixed_layout || size > 1;
}

int64_t lcl__rng_size(lcl_rng *r, int64_t most) {
  /* Edges of vectors and tiles of 4, 8, 16, 32, 64 and 128, and primes between them. */
  static const int16_t sizes[] = { 1,  1,  2,  3,   3,   4,   5,   5,   7,   8,  9,  11,
                                   13, 15, 16, 17,  19,  23,  29,  31,  32,  33, 47, 63,
                                   64, 65, 97, 127, 128, 129, 131, 251, 256, 257 };
  int16_t wanted[LCL_COUNT(sizes)];
  size_t n = 0;
  if (r->sizes == LCL_SIZES_ONE) return 1;
  for (size_t i = 0; i < LCL_COUNT(sizes) && sizes[i] <= most; i++)
    if (is_wanted(r, sizes[i])) wanted[n++] = sizes[i];
  return n ? wanted[lcl__rng_next(r) % n] : 1;
}

int lcl__rng_rank(lcl_rng *r, int most) {
  const int rank = (int)lcl__rng_below(r, most + 1);
  return r->empty ? LCL_MAX(rank, 1) : rank;
}

lcl_shape lcl__rng_shape(lcl_rng *r, int rank, int64_t most) {
  lcl_shape s = { .rank = rank };
  int order[LCL_MAX_RANK];
  for (int i = 0; i < rank; i++) order[i] = i;
  for (int i = rank - 1; i > 0; i--) { /* any axis may be the long one */
    const int j = (int)lcl__rng_below(r, i + 1), kept = order[i];
    order[i] = order[j], order[j] = kept;
  }
  for (int i = 0; i < rank; i++) most /= s.dim[order[i]] = lcl__rng_size(r, LCL_MAX(most, 1));
  if (r->empty && rank > 0) s.dim[order[0]] = 0;
  return s;
}

int64_t lcl__broadcast_index(lcl_shape to, lcl_shape from, int64_t at) {
  int64_t index = 0, step = 1;
  for (int i = to.rank - 1, j = from.rank - 1; j >= 0; i--, j--) {
    if (from.dim[j] != 1) index += at % to.dim[i] * step;
    at /= to.dim[i];
    step *= from.dim[j];
  }
  return index;
}

lcl_shape lcl__attr_shape(const lcl_attr *a) {
  lcl_shape s = { .rank = LCL_MAX(a->n, 0) };
  for (int i = 0; i < a->n; i++) s.dim[i] = a->i[i];
  return s;
}

/* ---- random cases ---- */

lcl_status lcl__array_new(lcl_case *c, lcl_dtype dtype, lcl_shape shape, lcl_array *out) {
  *out = (lcl_array) { .dtype = dtype, .shape = shape };
  /* One more: an array without elements is present all the same. */
  out->data = lcl__arena_alloc(c->arena, ((size_t)lcl_shape_count(shape) + 1) * sizeof *out->data);
  return out->data ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static double random_integer(lcl_domain domain, lcl_rng *r) {
  switch (domain) {
  case LCL_POSITIVE: return (double)(1 + lcl__rng_below(r, 8));
  case LCL_NONZERO: return (double)(1 + lcl__rng_below(r, 4)) * (lcl__rng_chance(r, 50) ? 1 : -1);
  case LCL_UNIT: return (double)lcl__rng_below(r, 2);
  default: return (double)(lcl__rng_below(r, 9) - 4);
  }
}

/* A number that f32 holds exactly. */
static double random_real(lcl_domain domain, double range, lcl_rng *r) {
  switch (domain) {
  case LCL_POSITIVE: return (float)lcl__rng_real(r, 0.1, 4 * range);
  case LCL_NONZERO:
    return (float)(lcl__rng_real(r, 0.25, range + 0.5) * (lcl__rng_chance(r, 50) ? 1 : -1));
  case LCL_UNIT: return (float)lcl__rng_real(r, 0, 1);
  default: return (float)lcl__rng_real(r, -range, range);
  }
}

/* Values that formulas treat apart: NaN, infinities, zeros of both signs, saturation; probabilities
 * of 0 and 1. A case has one or two of them, often or seldom. */
static void put_exceptions(const lcl_case *c, int i, lcl_rng *r) {
  static const double any[] = { NAN, INFINITY, -INFINITY, -0.0, 0, 100, -100 },
                      positive[] = { NAN, INFINITY, 0, 100, -100 }, unit[] = { 0, 1 };
  const lcl_domain domain = c->spec->in[i].domain;
  const double *from = domain == LCL_UNIT ? unit : domain == LCL_POSITIVE ? positive : any;
  const int64_t kinds = domain == LCL_UNIT       ? LCL_COUNT(unit)
                        : domain == LCL_POSITIVE ? LCL_COUNT(positive)
                                                 : LCL_COUNT(any);
  const double kind[] = { from[lcl__rng_below(r, kinds)], from[lcl__rng_below(r, kinds)] };
  const int percent = lcl__rng_chance(r, 50) ? 30 : 2;
  for (int64_t k = 0; k < lcl__array_count(&c->in[i]); k++)
    if (lcl__rng_chance(r, percent)) c->in[i].data[k] = kind[lcl__rng_below(r, 2)];
}

double lcl__to_half(double v) {
  int exponent;
  if (!isfinite(v) || v == 0) return v;
  frexp(v, &exponent); /* |v| in [1/2, 1) times a power of two; 11 digits, the smallest 2^-24 */
  const double digit = ldexp(1, LCL_MAX(exponent - 11, -24)), rounded = rint(v / digit) * digit;
  return fabs(rounded) < 65520 ? rounded : copysign(INFINITY, v);
}

static void halve(lcl_array *a) {
  for (int64_t k = 0; a->data && a->dtype == LCL_F32 && k < lcl__array_count(a); k++)
    a->data[k] = lcl__to_half(a->data[k]);
}

void lcl__case_halve(lcl_case *c) {
  for (int i = 0; i < LCL_SPEC_INS; i++) halve(&c->in[i]);
  for (int k = 0; k < LCL_SPEC_OUTS; k++) halve(&c->grad_out[k]);
  c->half = true;
}

static lcl_status fill_input(lcl_case *c, int i, lcl_rng *r) {
  const lcl_spec_input *s = &c->spec->in[i];
  lcl_array *a = &c->in[i];
  const double range = c->range[i] > 0 ? c->range[i] : s->range > 0 ? s->range : 2;
  LCL_TRY(lcl__array_new(c, a->dtype, a->shape, a));
  for (int64_t k = 0; k < lcl__array_count(a); k++) {
    if (s->domain == LCL_INDEX)
      a->data[k] = (double)lcl__rng_below(r, c->spec->limit(c));
    else if (a->dtype == LCL_U8)
      a->data[k] = (double)lcl__rng_below(r, 256);
    else if (a->dtype == LCL_I32)
      a->data[k] = (double)(lcl__rng_below(r, 2000001) - 1000000);
    else
      a->data[k] = c->integers ? random_integer(s->domain, r) : random_real(s->domain, range, r);
  }
  if (c->exceptions && s->domain != LCL_INDEX && a->dtype == LCL_F32) put_exceptions(c, i, r);
  return LCL_OK;
}

static bool has_gradient(const lcl_case *c) {
  return c->spec->backward && c->in[0].dtype == LCL_F32;
}

lcl_status lcl__case_random(const lcl_spec *spec, uint64_t seed, uint64_t number, bool small,
                            lcl_case **out) {
  lcl_case *c;
  LCL_TRY(lcl__case_create(spec, &c));
  lcl_rng r = { .state = seed * 0x2545f4914f6cdd1du };
  for (const char *p = spec->name; *p; p++) r.state = r.state * 31 + (unsigned char)*p;
  const uint64_t of_op = lcl__rng_next(&r);
  r.state = of_op + number * 0x9fb21c651e98df25u;
  c->integers = number % 2 == 0;
  c->exceptions = !(spec->flags & LCL_SPEC_FINITE) && (number == 3 || number % 8 == 5);
  c->small = small;
  for (int i = 0; i < LCL_SPEC_INS; i++)
    c->in[i].shape.rank = -1; /* absent unless spec->random gives a shape */
  if (spec->flags & LCL_SPEC_GENERATED && number >= LCL_FREE_LAYOUTS) {
    r.fixed_layout = true;
    r.layout = of_op + number / 8 % 4; /* four an op and seed */
  }
  r.empty = spec->flags & LCL_SPEC_EMPTY && (number == 0 || number % 16 == 11);
  if (number <= 2) r.sizes = number == 2 ? LCL_SIZES_PRIME : LCL_SIZES_ONE;
  spec->random(c, &r);
  if (spec->ranges) spec->ranges(c);
  r.fixed_layout = false;
  lcl_status status = LCL_OK;
  for (int pass = 0; pass < 2;
       pass++) /* an index's limit may depend on other inputs: they come first */
    for (int i = 0; i < lcl__spec_inputs(spec) && status == LCL_OK; i++)
      if (c->in[i].shape.rank >= 0 && (spec->in[i].domain == LCL_INDEX) == (pass == 1)) {
        if (spec->in[i].domain == LCL_INDEX && c->in[i].dtype == LCL_F32) c->in[i].dtype = LCL_I32;
        status = fill_input(c, i, &r);
      }
  if (status == LCL_OK && spec->adjust) spec->adjust(c, &r);
  if (status == LCL_OK) status = spec->forward(c);
  for (int i = 0; i < lcl__spec_outputs(spec) && status == LCL_OK && has_gradient(c); i++) {
    if (c->out[i].dtype != LCL_F32) continue;
    status = lcl__array_new(c, LCL_F32, c->out[i].shape, &c->grad_out[i]);
    for (int64_t k = 0; status == LCL_OK && k < lcl__array_count(&c->out[i]); k++)
      c->grad_out[i].data[k] = c->integers ? random_integer(LCL_ANY, &r)
                                           : random_real(LCL_ANY, 2, &r);
  }
  if (status == LCL_OK)
    *out = c;
  else
    lcl__case_destroy(c);
  return status;
}

/* ---- the reference's answer ---- */

/* Absolute values of an array, for the bound of a linear op. */
static lcl_status absolute(lcl_case *c, const lcl_array *from, lcl_array *to) {
  if (!from->data) return LCL_OK;
  LCL_TRY(lcl__array_new(c, from->dtype, from->shape, to));
  for (int64_t k = 0; k < lcl__array_count(from); k++) to->data[k] = fabs(from->data[k]);
  return LCL_OK;
}

static void scale_bound(lcl_array *a, double roundings) {
  for (int64_t k = 0; a->data && k < lcl__array_count(a); k++)
    a->data[k] = roundings > 0 && !isnan(a->data[k])
                     ? roundings * (LCL_UNIT_ROUNDOFF * 1.01 * a->data[k] + FLT_MIN)
                     : 0;
}

double lcl__sum_roundings(double n) {
  return n > 16 ? fmin(n, 16 + log2(n)) : n;
}

/* |fl(sum of n products) - sum| <= n u sum |products|, whatever the order (Higham 2002,
 * section 3.1). */
static lcl_status linear_bound(lcl_case *c) {
  lcl_case shadow = *c;
  for (int i = 0; i < LCL_SPEC_INS; i++)
    if (c->spec->in[i].name && c->in[i].dtype == LCL_F32 && c->spec->in[i].domain != LCL_INDEX)
      LCL_TRY(absolute(c, &c->in[i], &shadow.in[i]));
  for (int i = 0; i < LCL_SPEC_OUTS; i++)
    LCL_TRY(absolute(c, &c->grad_out[i], &shadow.grad_out[i]));
  memset(shadow.out, 0, sizeof shadow.out);
  memset(shadow.grad_in, 0, sizeof shadow.grad_in);
  LCL_TRY(c->spec->forward(&shadow));
  if (c->grad_out[0].data) LCL_TRY(c->spec->backward(&shadow));
  memcpy(c->out_bound, shadow.out, sizeof shadow.out);
  memcpy(c->grad_bound, shadow.grad_in, sizeof shadow.grad_in);
  for (int i = 0; i < LCL_SPEC_OUTS; i++) scale_bound(&c->out_bound[i], c->spec->terms(c, -1));
  for (int i = 0; i < LCL_SPEC_INS; i++)
    if (c->grad_bound[i].data) scale_bound(&c->grad_bound[i], c->spec->terms(c, i));
  return LCL_OK;
}

static lcl_status zero_bounds(lcl_case *c, bool out, bool grad) {
  for (int i = 0; i < LCL_SPEC_OUTS && out; i++)
    if (c->out[i].data) LCL_TRY(lcl__array_new(c, LCL_F32, c->out[i].shape, &c->out_bound[i]));
  for (int i = 0; i < LCL_SPEC_INS && grad; i++)
    if (c->grad_in[i].data)
      LCL_TRY(lcl__array_new(c, LCL_F32, c->grad_in[i].shape, &c->grad_bound[i]));
  return LCL_OK;
}

lcl_status lcl__case_reference(lcl_case *c) {
  const lcl_spec *s = c->spec;
  bool gradient = false;
  for (int i = 0; i < LCL_SPEC_OUTS; i++) gradient |= c->grad_out[i].data != NULL;
  LCL_TRY(s->forward(c));
  if (gradient) LCL_TRY(s->backward(c));
  if (c->integers && (s->flags & LCL_SPEC_EXACT)) return zero_bounds(c, true, true);
  if (s->flags & LCL_SPEC_LINEAR)
    LCL_TRY(linear_bound(c));
  else if (s->bound)
    LCL_TRY(s->bound(c));
  else
    return zero_bounds(c, true, true);
  return c->integers && (s->flags & LCL_SPEC_EXACT_FWD) ? zero_bounds(c, true, false) : LCL_OK;
}

/* ---- comparison ---- */

static void coordinates(lcl_shape s, int64_t at, lcl_str *text) {
  int64_t index[LCL_MAX_RANK] = { 0 };
  for (int i = s.rank - 1; i >= 0; i--) index[i] = at % s.dim[i], at /= s.dim[i];
  lcl__str_add(text, "(");
  for (int i = 0; i < s.rank; i++) lcl__str_add(text, "%s%lld", i ? "," : "", (long long)index[i]);
  lcl__str_add(text, ")");
}

/* error/allowed, where any error is too much when nothing is allowed. Beyond f32's range an
 * infinity is expected. */
static double badness(double got, double want, double allowed) {
  if (isnan(want)) return isnan(got) ? 0 : HUGE_VAL;
  if (isinf(want)) return got == want ? 0 : HUGE_VAL;
  if (fabs(want) + allowed > FLT_MAX && isinf(got) && (got > 0) == (want > 0)) return 0;
  const double error = fabs(got - want);
  if (error == 0) return 0;
  return error <= allowed ? error / allowed : error > 0 && allowed > 0 ? error / allowed : HUGE_VAL;
}

static lcl_status compare_array(const lcl_case *c, const char *what, const char *name,
                                const lcl_array *got, const lcl_array *want, const lcl_array *bound,
                                double *worst) {
  char a[96], b[96];
  if (!got->data || !want->data) return LCL_OK;
  if (!lcl_shape_equal(got->shape, want->shape))
    return lcl__fail(LCL_ERR_NUMERIC, "%s: %s%s has shape %s, expected %s", c->spec->name, what,
                     name, lcl_shape_string(got->shape, a), lcl_shape_string(want->shape, b));
  if (got->dtype != want->dtype)
    return lcl__fail(LCL_ERR_NUMERIC, "%s: %s%s is %s, expected %s", c->spec->name, what, name,
                     lcl_dtype_name(got->dtype), lcl_dtype_name(want->dtype));
  int64_t bad = 0, first = -1;
  for (int64_t k = 0; k < lcl__array_count(want); k++) {
    const double size = badness(got->data[k], want->data[k], bound->data ? bound->data[k] : 0);
    if (!(size <= *worst)) *worst = size;
    if (size <= 1) continue;
    if (first < 0) first = k;
    bad++;
  }
  if (!bad) return LCL_OK;
  lcl_str at = { 0 };
  coordinates(want->shape, first, &at);
  lcl__fail(LCL_ERR_NUMERIC,
            "%s: %s%s%s is %.9g, expected %.9g within %.3g (%lld of %lld elements differ)",
            c->spec->name, what, name, at.data ? at.data : "", got->data[first], want->data[first],
            bound->data ? bound->data[first] : 0.0, (long long)bad,
            (long long)lcl__array_count(want));
  lcl__str_free(&at);
  return LCL_ERR_NUMERIC;
}

lcl_status lcl__case_compare(const lcl_case *c, const lcl_case_result *result, double *worst) {
  double ignored = 0;
  if (!worst) worst = &ignored;
  *worst = 0;
  for (int i = 0; i < lcl__spec_outputs(c->spec); i++)
    LCL_TRY(compare_array(c, "", c->spec->out[i], &result->out[i], &c->out[i], &c->out_bound[i],
                          worst));
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++)
    LCL_TRY(compare_array(c, "gradient of ", c->spec->in[i].name, &result->grad_in[i],
                          &c->grad_in[i], &c->grad_bound[i], worst));
  return LCL_OK;
}

/* ---- description ---- */

static void describe_attr(const lcl_attr_spec *s, const lcl_attr *a, lcl_str *text) {
  if (a->n < 0) return;
  lcl__str_add(text, " %s=", s->name);
  if (s->kind == LCL_ATTR_FLOAT)
    lcl__str_add(text, "%g", a->f);
  else if (s->kind == LCL_ATTR_PAD && a->same)
    lcl__str_add(text, "same");
  else if (s->kind == LCL_ATTR_AXES && a->n == 0)
    lcl__str_add(text, "all");
  else if (s->kind == LCL_ATTR_CHOICE) {
    const char *w = s->words;
    for (int64_t k = 0; k < a->i[0]; k++) w += strcspn(w, "|") + 1;
    lcl__str_append(text, w, strcspn(w, "|"));
  } else
    for (int k = 0; k < a->n; k++) lcl__str_add(text, "%s%lld", k ? "," : "", (long long)a->i[k]);
}

void lcl__case_describe(const lcl_case *c, lcl_str *text) {
  char shape[96];
  lcl__str_add(text, "%s", c->spec->name);
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++)
    if (c->in[i].data)
      lcl__str_add(text, " %s:%s%s%s", c->spec->in[i].name, lcl_shape_string(c->in[i].shape, shape),
                   c->in[i].dtype == LCL_F32 ? "" : ":",
                   c->in[i].dtype == LCL_F32 ? "" : lcl_dtype_name(c->in[i].dtype));
  for (int i = 0; i < lcl__spec_attrs(c->spec); i++)
    describe_attr(&c->spec->attr[i], &c->attr[i], text);
}
