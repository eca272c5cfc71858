/* Reductions over axes, arg max and broadcasting. */
#include <math.h>

#include "latentcl/ops.h"
#include "reference/families.h"

typedef enum reduction { SUM, MEAN, MAX, MIN } reduction;

static bool keepdims(const lcl_case *c) {
  return lcl__case_attr(c, "keepdims")->i[0] != 0;
}

static lcl_shape reduced_shape(lcl_shape s, unsigned mask, bool keep) {
  lcl_shape out = { 0 };
  for (int i = 0; i < s.rank; i++)
    if (!(mask >> i & 1))
      out.dim[out.rank++] = s.dim[i];
    else if (keep)
      out.dim[out.rank++] = 1;
  return out;
}

/* Splits element `at` of shape s: its place among the axes that stay, and among those that go. */
static void split_index(lcl_shape s, unsigned mask, int64_t at, int64_t *kept, int64_t *gone) {
  int64_t keep_step = 1, gone_step = 1;
  *kept = *gone = 0;
  for (int i = s.rank - 1; i >= 0; i--) {
    const int64_t k = at % s.dim[i];
    at /= s.dim[i];
    if (mask >> i & 1)
      *gone += k * gone_step, gone_step *= s.dim[i];
    else
      *kept += k * keep_step, keep_step *= s.dim[i];
  }
}

static unsigned mask_of(const lcl_case *c) {
  unsigned mask = 0;
  lcl__attr_axes(lcl__case_attr(c, "axis"), c->in[0].shape.rank, &mask);
  return mask;
}

/* Elements that one result comes from. */
static int64_t group_size(const lcl_case *c) {
  int64_t n = 1;
  for (int i = 0; i < c->in[0].shape.rank; i++)
    if (mask_of(c) >> i & 1) n *= c->in[0].shape.dim[i];
  return n;
}

static lcl_status reduce_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                               lcl_tensor **out) {
  unsigned mask;
  (void)g;
  LCL_TRY(lcl__attr_axes(lcl__case_attr(c, "axis"), c->in[0].shape.rank, &mask));
  switch ((reduction)c->spec->variant) {
  case SUM: out[0] = lcl_sum(in[0], mask, keepdims(c)); break;
  case MEAN: out[0] = lcl_mean(in[0], mask, keepdims(c)); break;
  case MAX: out[0] = lcl_max(in[0], mask, keepdims(c)); break;
  case MIN: out[0] = lcl_min(in[0], mask, keepdims(c)); break;
  }
  return LCL_OK;
}

/* Whether x comes before the best so far: a NaN wins. */
static bool beats(double x, double best, bool largest) {
  return (largest ? x > best : x < best) || (isnan(x) && !isnan(best));
}

/* For each result, where its first largest (or smallest) element is. */
static lcl_status extremes(lcl_case *c, bool largest, lcl_array *where) {
  const lcl_shape s = c->in[0].shape;
  LCL_TRY(lcl__array_new(c, LCL_F32, c->out[0].shape, where));
  for (int64_t k = 0; k < lcl__array_count(where); k++) where->data[k] = -1;
  for (int64_t i = 0; i < lcl_shape_count(s); i++) {
    int64_t kept, gone;
    split_index(s, mask_of(c), i, &kept, &gone);
    double *at = &where->data[kept];
    const double *x = c->in[0].data;
    if (*at < 0 || beats(x[i], x[(int64_t)*at], largest)) *at = (double)i;
  }
  return LCL_OK;
}

static lcl_status reduce_forward(lcl_case *c) {
  const lcl_shape s = c->in[0].shape;
  const reduction kind = (reduction)c->spec->variant;
  LCL_TRY(lcl__array_new(c, LCL_F32, reduced_shape(s, mask_of(c), keepdims(c)), &c->out[0]));
  if (kind == MAX || kind == MIN) {
    lcl_array where;
    LCL_TRY(extremes(c, kind == MAX, &where));
    for (int64_t k = 0; k < lcl__array_count(&where); k++)
      c->out[0].data[k] = c->in[0].data[(int64_t)where.data[k]];
    return LCL_OK;
  }
  for (int64_t i = 0; i < lcl_shape_count(s); i++) {
    int64_t kept, gone;
    split_index(s, mask_of(c), i, &kept, &gone);
    c->out[0].data[kept] += c->in[0].data[i];
  }
  for (int64_t k = 0; kind == MEAN && k < lcl__array_count(&c->out[0]); k++)
    c->out[0].data[k] /= (double)group_size(c);
  return LCL_OK;
}

static lcl_status reduce_backward(lcl_case *c) {
  const lcl_shape s = c->in[0].shape;
  const reduction kind = (reduction)c->spec->variant;
  LCL_TRY(lcl__array_new(c, LCL_F32, s, &c->grad_in[0]));
  if (kind == MAX || kind == MIN) {
    lcl_array where;
    LCL_TRY(extremes(c, kind == MAX, &where));
    for (int64_t k = 0; k < lcl__array_count(&where); k++)
      c->grad_in[0].data[(int64_t)where.data[k]] = c->grad_out[0].data[k];
    return LCL_OK;
  }
  for (int64_t i = 0; i < lcl_shape_count(s); i++) {
    int64_t kept, gone;
    split_index(s, mask_of(c), i, &kept, &gone);
    c->grad_in[0].data[i] = c->grad_out[0].data[kept] / (kind == MEAN ? (double)group_size(c) : 1);
  }
  return LCL_OK;
}

static double reduce_terms(const lcl_case *c, int of) {
  const bool mean = c->spec->variant == MEAN;
  if (of < 0) return lcl__sum_roundings((double)group_size(c)) + (mean ? 2 : 0);
  return mean ? 2 : 0;
}

static void random_axes(lcl_case *c, lcl_rng *r, int rank) {
  lcl_attr *axes = (lcl_attr *)lcl__case_attr(c, "axis"),
           *keep = (lcl_attr *)lcl__case_attr(c, "keepdims");
  keep->n = 1;
  keep->i[0] = lcl__rng_below(r, 2);
  axes->n = 0;
  for (int i = 0; i < rank; i++)
    if (lcl__rng_chance(r, 50)) axes->i[axes->n++] = lcl__rng_chance(r, 30) ? i - rank : i;
}

static void reduce_random(lcl_case *c, lcl_rng *r) {
  c->in[0].shape = lcl__rng_shape(r, lcl__rng_rank(r, 4), c->small ? 500 : 20000);
  random_axes(c, r, c->in[0].shape.rank);
}

/* ---- arg max ---- */

/* Over several axes: they are moved to the end and made one. */
static lcl_status argmax_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                               lcl_tensor **out) {
  const lcl_shape s = c->in[0].shape;
  unsigned mask;
  (void)g;
  LCL_TRY(lcl__attr_axes(lcl__case_attr(c, "axis"), s.rank, &mask));
  lcl_shape flat = reduced_shape(s, mask, false);
  int perm[LCL_MAX_RANK], n = 0;
  int64_t count = 1;
  for (int i = 0; i < s.rank; i++)
    if (!(mask >> i & 1)) perm[n++] = i;
  for (int i = 0; i < s.rank; i++)
    if (mask >> i & 1) perm[n++] = i, count *= s.dim[i];
  if (mask == 0) return lcl__fail(LCL_ERR_SHAPE, "a tensor with at least one axis was expected");
  if ((mask & (mask - 1)) == 0) {
    int axis = 0;
    while (!(mask >> axis & 1)) axis++;
    out[0] = lcl_argmax(in[0], axis, keepdims(c));
    return LCL_OK;
  }
  flat.dim[flat.rank++] = count;
  lcl_tensor *t = lcl_argmax(lcl_reshape(lcl_transpose(in[0], perm), flat), flat.rank - 1, false);
  out[0] = lcl_reshape(t, reduced_shape(s, mask, keepdims(c)));
  return LCL_OK;
}

static lcl_status argmax_forward(lcl_case *c) {
  const lcl_shape s = c->in[0].shape;
  lcl_array where;
  LCL_TRY(lcl__array_new(c, LCL_I32, reduced_shape(s, mask_of(c), keepdims(c)), &c->out[0]));
  LCL_TRY(extremes(c, true, &where));
  for (int64_t k = 0; k < lcl__array_count(&where); k++) {
    int64_t kept, gone;
    split_index(s, mask_of(c), (int64_t)where.data[k], &kept, &gone);
    c->out[0].data[k] = (double)gone;
  }
  return LCL_OK;
}

static void argmax_random(lcl_case *c, lcl_rng *r) {
  const int rank = 1 + (int)lcl__rng_below(r, 4);
  c->in[0].shape = lcl__rng_shape(r, rank, c->small ? 500 : 20000);
  random_axes(c, r, rank);
}

/* ---- broadcast ---- */

static lcl_status broadcast_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                                  lcl_tensor **out) {
  (void)g;
  out[0] = lcl_broadcast(in[0], lcl__attr_shape(lcl__case_attr(c, "shape")));
  return LCL_OK;
}

static lcl_status broadcast_forward(lcl_case *c) {
  const lcl_shape to = lcl__attr_shape(lcl__case_attr(c, "shape"));
  LCL_TRY(lcl__array_new(c, LCL_F32, to, &c->out[0]));
  for (int64_t i = 0; i < lcl_shape_count(to); i++)
    c->out[0].data[i] = c->in[0].data[lcl__broadcast_index(to, c->in[0].shape, i)];
  return LCL_OK;
}

static lcl_status broadcast_backward(lcl_case *c) {
  const lcl_shape to = c->out[0].shape;
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->grad_in[0]));
  for (int64_t i = 0; i < lcl_shape_count(to); i++)
    c->grad_in[0].data[lcl__broadcast_index(to, c->in[0].shape, i)] += c->grad_out[0].data[i];
  return LCL_OK;
}

static double broadcast_terms(const lcl_case *c, int of) {
  const double from = (double)LCL_MAX(lcl__array_count(&c->in[0]), 1);
  return of < 0 ? 0 : lcl__sum_roundings((double)lcl__array_count(&c->out[0]) / from);
}

static void broadcast_random(lcl_case *c, lcl_rng *r) {
  const lcl_shape to = lcl__rng_shape(r, 1 + (int)lcl__rng_below(r, 4), c->small ? 500 : 10000);
  const int drop = (int)lcl__rng_below(r, to.rank + 1);
  c->in[0].shape = (lcl_shape) { .rank = to.rank - drop };
  for (int i = drop; i < to.rank; i++)
    c->in[0].shape.dim[i - drop] = lcl__rng_chance(r, 50) ? 1 : to.dim[i];
  c->attr[0].n = to.rank;
  memcpy(c->attr[0].i, to.dim, sizeof to.dim);
}

/* ---- table ---- */

#define AXES                                                                                       \
  {                                                                                                \
    { "axis", LCL_ATTR_AXES, "", "axes to reduce", NULL }, {                                       \
      "keepdims", LCL_ATTR_BOOL, "false", "keep the reduced axes with size 1", NULL                \
    }                                                                                              \
  }
#define REDUCE(op_name, kind, text, more)                                                          \
  {                                                                                                \
    .name = op_name, .summary = text, .in = { { .name = "x" } }, .out = { "y" }, .attr = AXES,     \
    .variant = kind, .flags = LCL_SPEC_GENERATED | (more), .build = reduce_build,                  \
    .forward = reduce_forward, .backward = reduce_backward, .terms = reduce_terms,                 \
    .random = reduce_random                                                                        \
  }

const lcl_spec lcl__reduce_specs[] = {
  REDUCE("sum", SUM, "sum over axes", LCL_SPEC_LINEAR | LCL_SPEC_EXACT | LCL_SPEC_EMPTY),
  REDUCE("mean", MEAN, "mean over axes; of no elements: NaN", LCL_SPEC_LINEAR | LCL_SPEC_EMPTY),
  REDUCE("max", MAX, "largest element over axes; the gradient goes to the first of equals",
         LCL_SPEC_EXACT),
  REDUCE("min", MIN, "smallest element over axes; the gradient goes to the first of equals",
         LCL_SPEC_EXACT),
  { .name = "argmax",
    .summary = "index (i32) of the first largest element over axes",
    .notes = "Over several axes the index counts the reduced axes in row-major order.",
    .in = { { .name = "x" } },
    .out = { "y" },
    .attr = AXES,
    .flags = LCL_SPEC_GENERATED,
    .build = argmax_build,
    .forward = argmax_forward,
    .random = argmax_random },
  { .name = "broadcast",
    .summary = "x repeated to a shape, as NumPy broadcasts",
    .in = { { .name = "x" } },
    .out = { "y" },
    .attr = { { "shape", LCL_ATTR_LIST, NULL, "the result's shape", NULL } },
    .flags = LCL_SPEC_LINEAR | LCL_SPEC_EXACT | LCL_SPEC_GENERATED,
    .build = broadcast_build,
    .forward = broadcast_forward,
    .backward = broadcast_backward,
    .terms = broadcast_terms,
    .random = broadcast_random },
};
const size_t lcl__reduce_spec_count = LCL_COUNT(lcl__reduce_specs);
