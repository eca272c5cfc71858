/* Random graphs of element-wise, reducing and re-indexing operations: the fused program, the
 * unfused one and a plain C interpreter agree, and the fused one gives the same bits again. The
 * seed of a failing graph is printed. */
#include <math.h>

#include "latentcl/ops.h"
#include "context.h"
#include "fuzz.h"

enum { MOST = 24, GRAPHS = 12 };

/* A tensor with its value, element by element, in double. */
typedef struct value {
  lcl_tensor *t;
  double *v;
  int64_t n;
} value;

static value make(lcl_tensor *t) {
  value r = { t, NULL, lcl_shape_count(lcl_tensor_shape(t)) };
  r.v = calloc((size_t)r.n + 1, sizeof *r.v);
  return r;
}

/* Coordinates of element i, and the element of shape s at (broadcast) coordinates. */
static void coordinates(lcl_shape s, int64_t i, int64_t at[LCL_MAX_RANK]) {
  for (int k = s.rank - 1; k >= 0; k--) {
    at[k] = i % s.dim[k];
    i /= s.dim[k];
  }
}

static int64_t element(lcl_shape s, const int64_t *at) {
  int64_t e = 0;
  for (int k = 0; k < s.rank; k++) e = e * s.dim[k] + (s.dim[k] == 1 ? 0 : at[k]);
  return e;
}

static value unary(value x) {
  static const lcl_map_code codes[] = { LCL_MAP_NEG,  LCL_MAP_ABS,   LCL_MAP_SIGMOID, LCL_MAP_TANH,
                                        LCL_MAP_RELU, LCL_MAP_SCALE, LCL_MAP_SHIFT };
  lcl_map_code c = codes[draw((uint32_t)LCL_COUNT(codes))];
  float p = (float)draw(7) - 3.5f;
  value y = make(lcl_unary(c, x.t, p));
  for (int64_t i = 0; i < y.n; i++) {
    double v = x.v[i];
    y.v[i] = c == LCL_MAP_NEG       ? -v
             : c == LCL_MAP_ABS     ? fabs(v)
             : c == LCL_MAP_SIGMOID ? 1 / (1 + exp(-v))
             : c == LCL_MAP_TANH    ? tanh(v)
             : c == LCL_MAP_RELU    ? fmax(v, 0)
             : c == LCL_MAP_SCALE   ? v * p
                                    : v + p;
  }
  return y;
}

/* Operands of equal shape, or one reduced so that it broadcasts. */
static value binary(value a, value b) {
  uint32_t c = draw(3);
  value y = make(c == 0 ? lcl_add(a.t, b.t) : c == 1 ? lcl_sub(a.t, b.t) : lcl_maximum(a.t, b.t));
  lcl_shape s = lcl_tensor_shape(y.t), sa = lcl_tensor_shape(a.t), sb = lcl_tensor_shape(b.t);
  for (int64_t i = 0; i < y.n; i++) {
    int64_t at[LCL_MAX_RANK];
    coordinates(s, i, at);
    double va = a.v[element(sa, at)], vb = b.v[element(sb, at)];
    y.v[i] = c == 0 ? va + vb : c == 1 ? va - vb : fmax(va, vb);
  }
  return y;
}

static value reduced(value x) {
  lcl_shape s = lcl_tensor_shape(x.t);
  unsigned axes = 1u + draw((1u << s.rank) - 1);
  bool mean = draw(2);
  value y = make(mean ? lcl_mean(x.t, axes, true) : lcl_max(x.t, axes, true));
  lcl_shape o = lcl_tensor_shape(y.t);
  for (int64_t i = 0; i < y.n; i++) y.v[i] = mean ? 0 : -INFINITY;
  for (int64_t i = 0; i < x.n; i++) {
    int64_t at[LCL_MAX_RANK];
    coordinates(s, i, at);
    double *to = &y.v[element(o, at)];
    *to = mean ? *to + x.v[i] * (double)y.n / (double)x.n : fmax(*to, x.v[i]);
  }
  return y;
}

/* A transpose that swaps two axes, or a flip, of a square-enough tensor; the shape may change. */
static value moved(value x) {
  lcl_shape s = lcl_tensor_shape(x.t);
  int perm[LCL_MAX_RANK] = { 0 }, a = (int)draw((uint32_t)s.rank), b = (int)draw((uint32_t)s.rank);
  bool flip = draw(2);
  for (int k = 0; k < s.rank; k++) perm[k] = k == a ? b : k == b ? a : k;
  value y = make(flip ? lcl_flip(x.t, LCL_AXIS(a)) : lcl_transpose(x.t, perm));
  lcl_shape o = lcl_tensor_shape(y.t);
  for (int64_t i = 0; i < y.n; i++) {
    int64_t at[LCL_MAX_RANK], from[LCL_MAX_RANK];
    coordinates(o, i, at);
    for (int k = 0; k < s.rank; k++) {
      if (flip)
        from[k] = k == a ? s.dim[k] - 1 - at[k] : at[k];
      else
        from[perm[k]] = at[k];
    }
    y.v[i] = x.v[element(s, from)];
  }
  return y;
}

/* A part of x along one axis at another place, zeros around it: the shape of x. */
static value padded(value x) {
  lcl_shape s = lcl_tensor_shape(x.t);
  int a = (int)draw((uint32_t)s.rank);
  int64_t start = draw((uint32_t)s.dim[a]), n = 1 + draw((uint32_t)(s.dim[a] - start)),
          to = draw((uint32_t)(s.dim[a] - n + 1));
  int64_t before[LCL_MAX_RANK] = { 0 }, after[LCL_MAX_RANK] = { 0 };
  before[a] = to;
  after[a] = s.dim[a] - n - to;
  value y = make(lcl_pad(lcl_slice_axis(x.t, a, start, start + n), before, after));
  for (int64_t i = 0; i < y.n; i++) {
    int64_t at[LCL_MAX_RANK];
    coordinates(s, i, at);
    const bool inside = at[a] >= to && at[a] < to + n;
    at[a] += start - to;
    y.v[i] = inside ? x.v[element(s, at)] : 0;
  }
  return y;
}

static bool fits(lcl_shape a, lcl_shape b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++)
    if (a.dim[i] != b.dim[i] && a.dim[i] != 1 && b.dim[i] != 1) return false;
  return true;
}

static void run(lcl_graph *g, const value *values, int n, bool no_fusion, const float *x, size_t nx,
                float **out) {
  lcl_program *p;
  lcl_tensor *fetch[MOST];
  for (int i = 0; i < n; i++) fetch[i] = values[i].t;
  ASSERT_OK(lcl_compile(
      g, &(lcl_compile_desc) { .fetch = fetch, .n_fetch = n, .no_fusion = no_fusion }, &p));
  ASSERT_OK(lcl_feed(p, "x", x, nx * sizeof *x));
  for (int twice = 0; twice < 2; twice++)
    ASSERT_OK(lcl_run(p)); /* memory is reused by the second run */
  for (int i = 0; i < n; i++) {
    char name[16];
    snprintf(name, sizeof name, "#%d", i);
    out[i] = malloc((size_t)values[i].n * sizeof **out);
    ASSERT_OK(lcl_fetch(p, name, out[i], (size_t)values[i].n * sizeof **out));
  }
  lcl_program_destroy(p);
}

static void one_graph(uint32_t seed) {
  rng = seed * 2654435761u + 1;
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "fuzz", &g));
  static const int64_t sizes[] = { 1, 2, 3, 5, 16, 17, 40 };
  lcl_shape s = LCL_SHAPE(sizes[draw(7)], sizes[draw(7)], sizes[draw(7)]);
  value v[MOST] = { make(lcl_input(g, "x", LCL_F32, s)) };
  float *x = malloc((size_t)v[0].n * sizeof *x);
  for (int64_t i = 0; i < v[0].n; i++) v[0].v[i] = x[i] = (float)draw(2000) / 1000.0f - 1.0f;
  int n = 1;
  while (n < MOST) {
    value a = v[draw((uint32_t)n)], b = v[draw((uint32_t)n)];
    uint32_t kind = draw(11);
    if (kind < 3)
      v[n++] = unary(a);
    else if (kind < 7 && fits(lcl_tensor_shape(a.t), lcl_tensor_shape(b.t)))
      v[n++] = binary(a, b);
    else if (kind == 8)
      v[n++] = reduced(a);
    else if (kind == 9)
      v[n++] = moved(a);
    else if (kind == 10)
      v[n++] = padded(a);
  }
  /* Fetch some of the last ones only, so that the others are free to vanish into their consumers.
   */
  value *last = v + MOST - 4;
  float *fused[4], *plain[4], *again[4];
  run(g, last, 4, false, x, (size_t)v[0].n, fused);
  run(g, last, 4, true, x, (size_t)v[0].n, plain);
  run(g, last, 4, false, x, (size_t)v[0].n, again);
  for (int k = 0; k < 4; k++) {
    double scale = 1;
    for (int64_t i = 0; i < last[k].n; i++) scale = fmax(scale, fabs(last[k].v[i]));
    for (int64_t i = 0; i < last[k].n; i++) {
      /* At most MOST roundings, each possibly amplified by the factors up to 3.5 that scale
       * applies. */
      double bound = 64 * MOST * 0x1p-24 * scale * 16;
      if (!(fabs((double)fused[k][i] - last[k].v[i]) <= bound) ||
          !(fabs((double)plain[k][i] - last[k].v[i]) <= bound))
        fail_msg(
            "graph %u, value %d, element %lld: fused %.9g, unfused %.9g, expected %.9g within %.3g",
            seed, k, (long long)i, (double)fused[k][i], (double)plain[k][i], last[k].v[i], bound);
    }
    if (memcmp(fused[k], again[k], (size_t)last[k].n * sizeof(float)) != 0)
      fail_msg("graph %u: a second compilation gave other bits", seed);
    free(fused[k]);
    free(plain[k]);
    free(again[k]);
  }
  for (int i = 0; i < MOST; i++) free(v[i].v);
  free(x);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
}

static void random_graphs(void **state) {
  (void)state;
  uint32_t seed, last;
  for (seeds(GRAPHS, &seed, &last); seed <= last; seed++) one_graph(seed);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(random_graphs) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
