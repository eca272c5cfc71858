/* The entry of matmul. */
#include "latentcl/ops.h"
#include "reference/families.h"
#include "reference/reference.h"

static bool attr_flag(const lcl_case *c, const char *name) {
  return lcl__case_attr(c, name)->i[0] != 0;
}

/* Sizes of a product: the result has `batch` matrices of m*n; an operand without leading dimensions
 * serves them all. */
typedef struct sizes {
  int64_t batch, m, n, k;
  bool ta, tb, a_batched, b_batched;
} sizes;

static sizes sizes_of(const lcl_case *c) {
  const lcl_shape a = c->in[0].shape, b = c->in[1].shape;
  sizes p = { .batch = 1, .ta = attr_flag(c, "transpose_a"), .tb = attr_flag(c, "transpose_b") };
  p.m = a.dim[a.rank - (p.ta ? 1 : 2)];
  p.k = a.dim[a.rank - (p.ta ? 2 : 1)];
  p.n = b.dim[b.rank - (p.tb ? 2 : 1)];
  p.a_batched = a.rank > 2, p.b_batched = b.rank > 2;
  const lcl_shape *lead = p.a_batched ? &a : &b;
  for (int i = 0; i < lead->rank - 2; i++) p.batch *= lead->dim[i];
  return p;
}

static lcl_status matmul_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                               lcl_tensor **out) {
  (void)g;
  out[0] = lcl_matmul(in[0], in[1], attr_flag(c, "transpose_a"), attr_flag(c, "transpose_b"));
  return LCL_OK;
}

static lcl_status matmul_forward(lcl_case *c) {
  const sizes p = sizes_of(c);
  lcl_shape s = c->in[p.a_batched ? 0 : 1].shape;
  s.dim[s.rank - 2] = p.m, s.dim[s.rank - 1] = p.n;
  LCL_TRY(lcl__array_new(c, LCL_F32, s, &c->out[0]));
  for (int64_t i = 0; i < p.batch; i++)
    lcl__ref_matmul(p.m, p.n, p.k, c->in[0].data + (p.a_batched ? i * p.m * p.k : 0), p.ta,
                    c->in[1].data + (p.b_batched ? i * p.k * p.n : 0), p.tb,
                    c->out[0].data + i * p.m * p.n);
  return LCL_OK;
}

/* op(A)' = G op(B)^T and op(B)' = op(A)^T G; an unbatched operand sums over the batch. */
static lcl_status matmul_backward(lcl_case *c) {
  const sizes p = sizes_of(c);
  lcl_array part[2];
  for (int k = 0; k < 2; k++) {
    LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_in[k]));
    LCL_TRY(lcl__array_new(c, LCL_F32, LCL_SHAPE(k ? p.k * p.n : p.m * p.k), &part[k]));
  }
  for (int64_t i = 0; i < p.batch; i++) {
    const double *a = c->in[0].data + (p.a_batched ? i * p.m * p.k : 0),
                 *g = c->grad_out[0].data + i * p.m * p.n;
    const double *b = c->in[1].data + (p.b_batched ? i * p.k * p.n : 0);
    if (p.ta)
      lcl__ref_matmul(p.k, p.m, p.n, b, p.tb, g, true, part[0].data);
    else
      lcl__ref_matmul(p.m, p.k, p.n, g, false, b, !p.tb, part[0].data);
    if (p.tb)
      lcl__ref_matmul(p.n, p.k, p.m, g, true, a, p.ta, part[1].data);
    else
      lcl__ref_matmul(p.k, p.n, p.m, a, !p.ta, g, false, part[1].data);
    for (int64_t e = 0; e < p.m * p.k; e++)
      c->grad_in[0].data[(p.a_batched ? i * p.m * p.k : 0) + e] += part[0].data[e];
    for (int64_t e = 0; e < p.k * p.n; e++)
      c->grad_in[1].data[(p.b_batched ? i * p.k * p.n : 0) + e] += part[1].data[e];
  }
  return LCL_OK;
}

static double matmul_terms(const lcl_case *c, int of) {
  const sizes p = sizes_of(c);
  if (of < 0) return (double)p.k;
  const int64_t sum = of == 0 ? p.n * (p.a_batched ? 1 : p.batch)
                              : p.m * (p.b_batched ? 1 : p.batch);
  return (double)sum;
}

static void matmul_random(lcl_case *c, lcl_rng *r) {
  const int64_t most = c->small ? 2000 : 200000; /* FMAs */
  const lcl_shape s = lcl__rng_shape(r, 3, most);
  const int64_t m = s.dim[0], n = s.dim[1], k = s.dim[2];
  const bool ta = lcl__rng_chance(r, 40), tb = lcl__rng_chance(r, 40);
  c->attr[0].n = c->attr[1].n = 1;
  c->attr[0].i[0] = ta, c->attr[1].i[0] = tb;
  lcl_shape a = ta ? LCL_SHAPE(k, m) : LCL_SHAPE(m, k), b = tb ? LCL_SHAPE(n, k) : LCL_SHAPE(k, n);
  const int lead = lcl__rng_chance(r, 40) ? 1 + (int)lcl__rng_below(r, 2) : 0;
  r->empty = false;
  const lcl_shape batch = lcl__rng_shape(r, lead,
                                         LCL_MIN(17, LCL_MAX(1, most / LCL_MAX(m * n * k, 1))));
  const int64_t which = lcl__rng_below(r, 4); /* 0: a only, 1: b only, else both */
  for (int side = 0; side < 2; side++) {
    const lcl_shape matrix = side ? b : a;
    lcl_shape *to = &c->in[side].shape;
    *to = which == 1 - side ? LCL_SCALAR : batch;
    to->dim[to->rank] = matrix.dim[0], to->dim[to->rank + 1] = matrix.dim[1];
    to->rank += 2;
  }
}

const lcl_spec lcl__matmul_specs[] = {
  { .name = "matmul",
    .summary = "matrix product",
    .notes = "a (...,M,K), b (...,K,N) -> (...,M,N). The leading dimensions are equal, or one "
             "operand has none.\n"
             "With transpose_a, a is (...,K,M); with transpose_b, b is (...,N,K).",
    .in = { { .name = "a" }, { .name = "b" } },
    .out = { "y" },
    .attr = { { "transpose_a", LCL_ATTR_BOOL, "false", "a's matrices are stored transposed", NULL },
              { "transpose_b", LCL_ATTR_BOOL, "false", "b's matrices are stored transposed",
                NULL } },
    .flags = LCL_SPEC_LINEAR | LCL_SPEC_EXACT | LCL_SPEC_EMPTY,
    .build = matmul_build,
    .forward = matmul_forward,
    .backward = matmul_backward,
    .terms = matmul_terms,
    .random = matmul_random },
};
const size_t lcl__matmul_spec_count = LCL_COUNT(lcl__matmul_specs);
