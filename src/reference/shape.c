/* Ops that move elements. Most are "element at of the result is element source(at) of an input, or
 * zero"; their gradient adds to where the element came from. */
#include "latentcl/ops.h"
#include "reference/families.h"

typedef enum move { TRANSPOSE, RESHAPE, PAD, SLICE, CONCAT, FLIP, SKEW, UNSKEW, GATHER } move;

static const lcl_attr *attr(const lcl_case *c, const char *name) {
  return lcl__case_attr(c, name);
}

static int axis_of(const lcl_case *c) {
  int axis = 0;
  lcl__attr_axis(attr(c, "axis"), c->in[0].shape.rank, &axis);
  return axis;
}

/* perm=; none reverses the axes. */
static void perm_of(const lcl_case *c, int perm[LCL_MAX_RANK]) {
  const lcl_attr *a = attr(c, "perm");
  const int rank = c->in[0].shape.rank;
  for (int i = 0; i < rank; i++)
    perm[i] = a->n ? (int)(a->i[i] < 0 ? a->i[i] + rank : a->i[i]) : rank - 1 - i;
}

/* One number for every axis, or one an axis. */
static void per_axis(const lcl_attr *a, int rank, int64_t out[LCL_MAX_RANK]) {
  for (int i = 0; i < rank; i++) out[i] = a->n == 1 ? a->i[0] : a->i[i];
}

static lcl_status expect_per_axis(const lcl_case *c, const char *name, bool one_allowed) {
  const int n = attr(c, name)->n, rank = c->in[0].shape.rank;
  if (n == rank || (one_allowed && n == 1)) return LCL_OK;
  return lcl__fail(LCL_ERR_SHAPE, "%s has %d numbers, x has rank %d", name, n, rank);
}

/* start= and stop=, where negative numbers count from the end. */
static void slice_of(const lcl_case *c, int64_t start[LCL_MAX_RANK], int64_t stop[LCL_MAX_RANK]) {
  for (int i = 0; i < c->in[0].shape.rank; i++) {
    const int64_t size = c->in[0].shape.dim[i], a = attr(c, "start")->i[i],
                  b = attr(c, "stop")->i[i];
    start[i] = a < 0 ? a + size : a;
    stop[i] = b < 0 ? b + size : b;
  }
}

static int inputs_given(const lcl_case *c) {
  int n = 0;
  while (n < LCL_SPEC_INS && c->in[n].data) n++;
  return n;
}

static lcl_status concat_build(const lcl_case *c, lcl_tensor *const *in, lcl_tensor **out) {
  int axis;
  for (int k = inputs_given(c); k < lcl__spec_inputs(c->spec); k++)
    if (c->in[k].data)
      return lcl__fail(LCL_ERR_ARGUMENT, "%s is left out, %s is given: none between may be missing",
                       c->spec->in[inputs_given(c)].name, c->spec->in[k].name);
  LCL_TRY(lcl__attr_axis(attr(c, "axis"), c->in[0].shape.rank, &axis));
  out[0] = lcl_concat(in, inputs_given(c), axis);
  return LCL_OK;
}

static lcl_status shape_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                              lcl_tensor **out) {
  int perm[LCL_MAX_RANK];
  int64_t first[LCL_MAX_RANK], second[LCL_MAX_RANK];
  unsigned mask;
  (void)g;
  switch ((move)c->spec->variant) {
  case TRANSPOSE:
    if (attr(c, "perm")->n) LCL_TRY(expect_per_axis(c, "perm", false));
    LCL_TRY(lcl__attr_axes(attr(c, "perm"), c->in[0].shape.rank,
                           &mask)); /* a permutation names each axis once */
    perm_of(c, perm);
    out[0] = lcl_transpose(in[0], perm);
    break;
  case RESHAPE: out[0] = lcl_reshape(in[0], lcl__attr_shape(attr(c, "shape"))); break;
  case PAD:
    LCL_TRY(expect_per_axis(c, "before", true));
    LCL_TRY(expect_per_axis(c, "after", true));
    per_axis(attr(c, "before"), c->in[0].shape.rank, first);
    per_axis(attr(c, "after"), c->in[0].shape.rank, second);
    out[0] = lcl_pad(in[0], first, second);
    break;
  case SLICE:
    LCL_TRY(expect_per_axis(c, "start", false));
    LCL_TRY(expect_per_axis(c, "stop", false));
    slice_of(c, first, second);
    out[0] = lcl_slice(in[0], first, second);
    break;
  case CONCAT: return concat_build(c, in, out);
  case FLIP:
    LCL_TRY(lcl__attr_axes(attr(c, "axis"), c->in[0].shape.rank, &mask));
    out[0] = lcl_flip(in[0], mask);
    break;
  case SKEW: out[0] = lcl_skew(in[0]); break;
  case UNSKEW: out[0] = lcl_unskew(in[0]); break;
  case GATHER: out[0] = lcl_gather(in[0], in[1]); break;
  }
  return LCL_OK;
}

/* The shape of a reshape with one dimension of -1. */
static lcl_shape reshaped(const lcl_case *c) {
  lcl_shape s = lcl__attr_shape(attr(c, "shape"));
  int64_t known = 1;
  for (int i = 0; i < s.rank; i++) known *= s.dim[i] < 0 ? 1 : s.dim[i];
  for (int i = 0; i < s.rank; i++)
    if (s.dim[i] < 0) s.dim[i] = known ? lcl__array_count(&c->in[0]) / known : 0;
  return s;
}

static lcl_shape result_shape(const lcl_case *c) {
  lcl_shape s = c->in[0].shape;
  const lcl_shape x = s;
  int perm[LCL_MAX_RANK];
  int64_t first[LCL_MAX_RANK], second[LCL_MAX_RANK];
  switch ((move)c->spec->variant) {
  case TRANSPOSE:
    perm_of(c, perm);
    for (int i = 0; i < s.rank; i++) s.dim[i] = x.dim[perm[i]];
    break;
  case RESHAPE: return reshaped(c);
  case PAD:
    per_axis(attr(c, "before"), s.rank, first);
    per_axis(attr(c, "after"), s.rank, second);
    for (int i = 0; i < s.rank; i++) s.dim[i] += first[i] + second[i];
    break;
  case SLICE:
    slice_of(c, first, second);
    for (int i = 0; i < s.rank; i++) s.dim[i] = second[i] - first[i];
    break;
  case CONCAT:
    for (int k = 1; k < inputs_given(c); k++) s.dim[axis_of(c)] += c->in[k].shape.dim[axis_of(c)];
    break;
  case FLIP: break;
  case SKEW: s.dim[3] += s.dim[2] - 1; break;
  case UNSKEW: s.dim[3] -= s.dim[2] - 1; break;
  case GATHER: s.dim[0] = c->in[1].shape.dim[0]; break;
  }
  return s;
}

/* Where element `at` (coordinates in the result) comes from: coordinates in input *k; false: it is
 * zero. */
static bool source(const lcl_case *c, const int64_t *at, int64_t *from, int *k) {
  const int rank = c->in[0].shape.rank;
  int perm[LCL_MAX_RANK];
  int64_t other[LCL_MAX_RANK], unused[LCL_MAX_RANK];
  unsigned mask = 0;
  *k = 0;
  memcpy(from, at, sizeof *from * LCL_MAX_RANK);
  switch ((move)c->spec->variant) {
  case TRANSPOSE:
    perm_of(c, perm);
    for (int i = 0; i < rank; i++) from[perm[i]] = at[i];
    return true;
  case PAD:
    per_axis(attr(c, "before"), rank, other);
    for (int i = 0; i < rank; i++) {
      from[i] -= other[i];
      if (from[i] < 0 || from[i] >= c->in[0].shape.dim[i]) return false;
    }
    return true;
  case SLICE:
    slice_of(c, other, unused);
    for (int i = 0; i < rank; i++) from[i] += other[i];
    return true;
  case CONCAT:
    while (from[axis_of(c)] >= c->in[*k].shape.dim[axis_of(c)])
      from[axis_of(c)] -= c->in[(*k)++].shape.dim[axis_of(c)];
    return true;
  case FLIP:
    lcl__attr_axes(attr(c, "axis"), rank, &mask);
    for (int i = 0; i < rank; i++)
      if (mask >> i & 1) from[i] = c->in[0].shape.dim[i] - 1 - at[i];
    return true;
  case SKEW: from[3] -= at[2]; return from[3] >= 0 && from[3] < c->in[0].shape.dim[3];
  case UNSKEW: from[3] += at[2]; return true;
  case GATHER: from[0] = (int64_t)c->in[1].data[at[0]]; return true;
  case RESHAPE: return true;
  }
  return false;
}

static int64_t flat_index(lcl_shape s, const int64_t *at) {
  int64_t index = 0;
  for (int i = 0; i < s.rank; i++) index = index * s.dim[i] + at[i];
  return index;
}

/* The element of input *k that element i of the result is; -1: zero. */
static int64_t source_index(const lcl_case *c, lcl_shape to, int64_t i, int *k) {
  int64_t at[LCL_MAX_RANK] = { 0 }, from[LCL_MAX_RANK];
  *k = 0;
  if (c->spec->variant == RESHAPE) return i;
  for (int a = to.rank - 1; a >= 0; a--) at[a] = i % to.dim[a], i /= to.dim[a];
  return source(c, at, from, k) ? flat_index(c->in[*k].shape, from) : -1;
}

static lcl_status shape_forward(lcl_case *c) {
  const lcl_shape to = result_shape(c);
  LCL_TRY(lcl__array_new(c, c->in[0].dtype, to, &c->out[0]));
  for (int64_t i = 0; i < lcl_shape_count(to); i++) {
    int k;
    const int64_t from = source_index(c, to, i, &k);
    c->out[0].data[i] = from < 0 ? 0 : c->in[k].data[from];
  }
  return LCL_OK;
}

static lcl_status shape_backward(lcl_case *c) {
  for (int k = 0; k < inputs_given(c); k++)
    if (c->spec->in[k].domain != LCL_INDEX)
      LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_in[k]));
  for (int64_t i = 0; i < lcl__array_count(&c->out[0]); i++) {
    int k;
    const int64_t from = source_index(c, c->out[0].shape, i, &k);
    if (from >= 0) c->grad_in[k].data[from] += c->grad_out[0].data[i];
  }
  return LCL_OK;
}

static double gather_terms(const lcl_case *c, int of) {
  return of < 0 ? 0
                : lcl__sum_roundings(
                      (double)c->in[1].shape.dim[0]); /* a row may be asked for every time */
}

static int64_t gather_limit(const lcl_case *c) {
  return c->in[0].shape.dim[0];
}

/* ---- scatter_add and one_hot ---- */

static lcl_status scatter_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                                lcl_tensor **out) {
  (void)g;
  out[0] = lcl_scatter_add(in[0], in[1], attr(c, "rows")->i[0]);
  return LCL_OK;
}

static lcl_status scatter_forward(lcl_case *c) {
  lcl_shape to = c->in[0].shape;
  to.dim[0] = attr(c, "rows")->i[0];
  LCL_TRY(lcl__array_new(c, LCL_F32, to, &c->out[0]));
  const int64_t row = lcl__array_count(&c->in[0]) / c->in[0].shape.dim[0];
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++)
    c->out[0].data[(int64_t)c->in[1].data[i / row] * row + i % row] += c->in[0].data[i];
  return LCL_OK;
}

static lcl_status scatter_backward(lcl_case *c) {
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->grad_in[0]));
  const int64_t row = lcl__array_count(&c->in[0]) / c->in[0].shape.dim[0];
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++)
    c->grad_in[0].data[i] = c->grad_out[0].data[(int64_t)c->in[1].data[i / row] * row + i % row];
  return LCL_OK;
}

static double scatter_terms(const lcl_case *c, int of) {
  return of < 0 ? lcl__sum_roundings((double)c->in[1].shape.dim[0]) : 0;
}

static int64_t scatter_limit(const lcl_case *c) {
  return attr(c, "rows")->i[0];
}

static void scatter_random(lcl_case *c, lcl_rng *r) {
  c->in[0].shape = lcl__rng_shape(r, 1 + (int)lcl__rng_below(r, 3), c->small ? 300 : 5000);
  c->in[1].shape = LCL_SHAPE(c->in[0].shape.dim[0]);
  c->attr[0].n = 1;
  c->attr[0].i[0] = lcl__rng_size(r, 65);
}

static lcl_status one_hot_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                                lcl_tensor **out) {
  (void)g;
  out[0] = lcl_one_hot(in[0], attr(c, "depth")->i[0]);
  return LCL_OK;
}

static lcl_status one_hot_forward(lcl_case *c) {
  const int64_t depth = attr(c, "depth")->i[0], n = c->in[0].shape.dim[0];
  LCL_TRY(lcl__array_new(c, LCL_F32, LCL_SHAPE(n, depth), &c->out[0]));
  for (int64_t i = 0; i < n; i++) c->out[0].data[i * depth + (int64_t)c->in[0].data[i]] = 1;
  return LCL_OK;
}

static int64_t one_hot_limit(const lcl_case *c) {
  return attr(c, "depth")->i[0];
}

static void one_hot_random(lcl_case *c, lcl_rng *r) {
  c->in[0].shape = LCL_SHAPE(lcl__rng_size(r, 257));
  c->in[0].dtype = lcl__rng_chance(r, 50) ? LCL_U8 : LCL_I32;
  c->attr[0].n = 1;
  c->attr[0].i[0] = lcl__rng_size(r, 129);
}

/* ---- random cases ---- */

static void list(lcl_case *c, const char *name, int n, const int64_t *values) {
  lcl_attr *a = (lcl_attr *)attr(c, name);
  a->n = n;
  for (int i = 0; i < n; i++) a->i[i] = values[i];
}

/* A shape with as many elements: the dimensions shuffled, neighbours joined now and then, one
 * perhaps left open. */
static void random_reshape(lcl_case *c, lcl_rng *r, lcl_shape s) {
  int64_t dims[LCL_MAX_RANK];
  int n = 0;
  for (int i = s.rank - 1; i >= 0; i--)
    if (n && lcl__rng_chance(r, 40))
      dims[n - 1] *= s.dim[i];
    else
      dims[n++] = s.dim[i];
  if (n && lcl__rng_chance(r, 30)) dims[lcl__rng_below(r, n)] = -1;
  list(c, "shape", n, dims);
}

static void random_perm(lcl_case *c, lcl_rng *r, int rank) {
  int64_t perm[LCL_MAX_RANK];
  for (int i = 0; i < rank; i++) perm[i] = i;
  for (int i = rank - 1; i > 0; i--) {
    const int64_t j = lcl__rng_below(r, i + 1), kept = perm[i];
    perm[i] = perm[j], perm[j] = kept;
  }
  list(c, "perm", lcl__rng_chance(r, 10) ? 0 : rank, perm);
}

static void random_concat(lcl_case *c, lcl_rng *r) {
  const lcl_shape s = c->in[0].shape;
  const int n = 1 + (int)lcl__rng_below(r, 4);
  const int64_t axis = lcl__rng_below(r, s.rank);
  list(c, "axis", 1, &axis);
  for (int k = 1; k < n; k++) {
    c->in[k].shape = s;
    c->in[k].shape.dim[axis] = lcl__rng_size(r, 33);
    c->in[k].dtype = c->in[0].dtype;
  }
}

static void random_ranges(lcl_case *c, lcl_rng *r, lcl_shape s) {
  int64_t first[LCL_MAX_RANK], second[LCL_MAX_RANK];
  const bool pad = c->spec->variant == PAD;
  for (int i = 0; i < s.rank; i++) {
    first[i] = pad ? lcl__rng_below(r, 4) : lcl__rng_below(r, s.dim[i]);
    second[i] = pad ? lcl__rng_below(r, 4) : first[i] + 1 + lcl__rng_below(r, s.dim[i] - first[i]);
  }
  list(c, pad ? "before" : "start", s.rank, first);
  list(c, pad ? "after" : "stop", s.rank, second);
}

static void shape_random(lcl_case *c, lcl_rng *r) {
  const move kind = (move)c->spec->variant;
  const int64_t most = c->small ? 500 : 8000;
  const int rank = kind == SKEW || kind == UNSKEW ? 4 : 1 + (int)lcl__rng_below(r, 6);
  lcl_shape s = lcl__rng_shape(r, rank, most);
  if (kind == UNSKEW) s.dim[3] = LCL_MAX(s.dim[3], s.dim[2]);
  c->in[0].shape = s;
  if (c->spec->in[0].any_dtype && lcl__rng_chance(r, 20))
    c->in[0].dtype = lcl__rng_chance(r, 50) ? LCL_I32 : LCL_U8;
  switch (kind) {
  case TRANSPOSE: random_perm(c, r, rank); break;
  case RESHAPE: random_reshape(c, r, s); break;
  case PAD:
  case SLICE: random_ranges(c, r, s); break;
  case CONCAT: random_concat(c, r); break;
  case FLIP: {
    int64_t axes[LCL_MAX_RANK];
    int n = 0;
    for (int i = 0; i < rank; i++)
      if (lcl__rng_chance(r, 50)) axes[n++] = i;
    list(c, "axis", n, axes);
    break;
  }
  case GATHER: c->in[1].shape = LCL_SHAPE(lcl__rng_size(r, c->small ? 9 : 65)); break;
  case SKEW:
  case UNSKEW: break;
  }
}

/* ---- table ---- */

#define MOVE(kind, more)                                                                           \
  .out = { "y" }, .variant = kind, .flags = LCL_SPEC_EXACT | (more), .build = shape_build,         \
  .forward = shape_forward, .backward = shape_backward, .random = shape_random
#define X                                                                                          \
  { .name = "x", .any_dtype = true }
#define MORE(letter)                                                                               \
  { .name = letter, .optional = true, .any_dtype = true }

const lcl_spec lcl__shape_specs[] = {
  { .name = "transpose",
    .summary = "axes in another order",
    .in = { X },
    .attr = { { "perm", LCL_ATTR_LIST, "", "source axis of each axis; none: reversed", NULL } },
    MOVE(TRANSPOSE, LCL_SPEC_EMPTY) },
  { .name = "reshape",
    .summary = "the same elements in another shape",
    .in = { X },
    .attr = { { "shape", LCL_ATTR_LIST, NULL, "new shape, one dimension may be -1", NULL } },
    MOVE(RESHAPE, 0) },
  { .name = "pad",
    .summary = "zeros around a tensor",
    .in = { X },
    .attr = { { "before", LCL_ATTR_LIST, "0", "zeros in front, one number or one an axis", NULL },
              { "after", LCL_ATTR_LIST, "0", "zeros behind, one number or one an axis", NULL } },
    MOVE(PAD, LCL_SPEC_EMPTY) },
  { .name = "slice",
    .summary = "the elements from start up to (not with) stop of every axis",
    .in = { X },
    .attr = { { "start", LCL_ATTR_LIST, NULL, "first index of each axis; negative: from the end",
                NULL },
              { "stop", LCL_ATTR_LIST, NULL,
                "index behind the last of each axis; negative: from the end", NULL } },
    MOVE(SLICE, 0) },
  { .name = "concat",
    .summary = "tensors behind each other along an axis",
    .in = { { .name = "a", .any_dtype = true },
            MORE("b"),
            MORE("c"),
            MORE("d"),
            MORE("e"),
            MORE("f"),
            MORE("g"),
            MORE("h") },
    .attr = { { "axis", LCL_ATTR_INT, "0", "the axis", NULL } },
    MOVE(CONCAT, LCL_SPEC_EMPTY) },
  { .name = "flip",
    .summary = "axes reversed",
    .in = { X },
    .attr = { { "axis", LCL_ATTR_AXES, "", "axes to reverse", NULL } },
    MOVE(FLIP, LCL_SPEC_EMPTY) },
  { .name = "skew",
    .summary = "row i of each image moved right by i",
    .notes = "x (N,C,H,W) -> (N,C,H,W+H-1); new places are 0.",
    .in = { { .name = "x" } },
    MOVE(SKEW, 0) },
  { .name = "unskew",
    .summary = "the inverse (and adjoint) of skew",
    .notes = "x (N,C,H,W+H-1) -> (N,C,H,W).",
    .in = { { .name = "x" } },
    MOVE(UNSKEW, 0) },
  { .name = "gather",
    .summary = "rows of x in a given order",
    .notes = "x (R,...), rows (n) -> (n,...).",
    .in = { { .name = "x" }, { .name = "rows", .domain = LCL_INDEX } },
    .out = { "y" },
    .variant = GATHER,
    .flags = LCL_SPEC_EXACT | LCL_SPEC_LINEAR,
    .build = shape_build,
    .forward = shape_forward,
    .backward = shape_backward,
    .terms = gather_terms,
    .limit = gather_limit,
    .random = shape_random },
  { .name = "scatter_add",
    .summary = "row k of v added to row rows[k] of zeros: the adjoint of gather",
    .in = { { .name = "v" }, { .name = "rows", .domain = LCL_INDEX } },
    .out = { "y" },
    .attr = { { "rows", LCL_ATTR_INT, NULL, "rows of the result", NULL } },
    .flags = LCL_SPEC_EXACT | LCL_SPEC_LINEAR,
    .build = scatter_build,
    .forward = scatter_forward,
    .backward = scatter_backward,
    .terms = scatter_terms,
    .limit = scatter_limit,
    .random = scatter_random },
  { .name = "one_hot",
    .summary = "f32 rows with a 1 at the index",
    .in = { { .name = "index", .domain = LCL_INDEX } },
    .out = { "y" },
    .attr = { { "depth", LCL_ATTR_INT, NULL, "columns of the result", NULL } },
    .flags = LCL_SPEC_EXACT,
    .build = one_hot_build,
    .forward = one_hot_forward,
    .limit = one_hot_limit,
    .random = one_hot_random },
};
const size_t lcl__shape_spec_count = LCL_COUNT(lcl__shape_specs);
