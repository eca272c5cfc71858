/* Random graphs with gradients: the fused program, which computes again what costs less than its
 * way through memory, gives what the program without fusion gives. The seed of a failing graph is
 * printed. */
#include <math.h>

#include "latentcl/nn.h"
#include "latentcl/ops.h"
#include "context.h"
#include "fuzz.h"

enum { GRAPHS = 5, MOST = 44, PARAMS = 5, FETCHES = 12, TRIALS = 3 };

/* A graph over (R,C) or (N,C,H,W); axis 1 is that of the channels. */
typedef struct world {
  lcl_store *store;
  lcl_graph *g;
  lcl_shape full;
  lcl_tensor *v[MOST], *param[PARAMS], *fetch[FETCHES];
  int n, n_fetch;
} world;

static const char *const param_names[PARAMS] = { "weight", "gamma", "beta", "rows", "elements" };

static bool is_full(const world *w, const lcl_tensor *t) {
  return lcl_shape_equal(lcl_tensor_shape(t), w->full);
}

/* Mostly one of the last, so that graphs are deep. */
static lcl_tensor *pick(const world *w, bool full) {
  for (int i = 0; i < 20; i++) {
    const int k = draw(2) && w->n > 6 ? w->n - 1 - (int)draw(6) : (int)draw((uint32_t)w->n);
    if (!full || is_full(w, w->v[k])) return w->v[k];
  }
  return w->v[0];
}

static unsigned some_axes(const world *w) {
  const unsigned all = (1u << w->full.rank) - 1, channels = all & ~LCL_AXIS(1),
                 layers = all & ~LCL_AXIS(0);
  switch (draw(5)) {
  case 0:
  case 1: return channels;
  case 2: return layers;
  case 3: return 1u + draw(all);
  default: return LCL_AXIS((int)draw((uint32_t)w->full.rank));
  }
}

/* A kink lies where hardly any value does: there, another rounding is another gradient. */
static float odd_number(void) {
  return ((float)draw(8) - 3.5f) * 0.1234567f;
}

static lcl_tensor *unary(lcl_tensor *a) {
  switch (draw(13)) {
  case 0: return lcl_scale(a, odd_number() * 2);
  case 1: return lcl_shift(a, odd_number());
  case 2: return lcl_neg(a);
  case 3: return lcl_abs(lcl_shift(a, odd_number()));
  case 4: return lcl_square(lcl_tanh(a));
  case 5: return lcl_relu(lcl_shift(a, odd_number()));
  case 6: return lcl_leaky_relu(lcl_shift(a, odd_number()), draw(2) ? 0.2f : -0.3f);
  case 7: return lcl_tanh(a);
  case 8: return lcl_sigmoid(a);
  case 9: return lcl_exp(lcl_tanh(a));
  case 10: return lcl_rsqrt(lcl_shift(lcl_square(a), 0.7f));
  case 11: return lcl_softplus(a);
  default: return lcl_unary(draw(2) ? LCL_MAP_SIN : LCL_MAP_COS, a, 0);
  }
}

static lcl_tensor *binary(lcl_tensor *a, lcl_tensor *b) {
  switch (draw(8)) {
  case 0:
  case 1: return lcl_add(a, b);
  case 2: return lcl_sub(a, b);
  case 3: return lcl_mul(lcl_tanh(a), b);
  case 4: return lcl_mul(a, lcl_sigmoid(b));
  case 5: return lcl_div(a, lcl_shift(lcl_square(b), 1));
  case 6:
    return draw(2) ? lcl_maximum(a, lcl_shift(b, 0.1234f)) : lcl_minimum(a, lcl_shift(b, 0.1234f));
  default: return lcl_select(lcl_greater(a, lcl_shift(b, 0.1234f)), lcl_scale(a, 0.5f), b);
  }
}

static lcl_tensor *reduced(const world *w, lcl_tensor *a) {
  const unsigned axes = some_axes(w);
  switch (draw(4)) {
  case 0: return lcl_scale(lcl_sum(a, axes, true), 0.03f);
  case 1: return lcl_max(a, axes, true);
  default: return lcl_mean(a, axes, true);
  }
}

/* A norm over the batch, the layer or something else, with what usually follows. */
static lcl_tensor *norm(const world *w, lcl_tensor *a) {
  const unsigned axes = some_axes(w);
  lcl_tensor *mean, *var;
  if (draw(2)) {
    lcl_moments(a, axes, &mean, &var);
  } else {
    mean = lcl_mean(a, axes, true);
    var = lcl_mean(lcl_square(lcl_sub(a, mean)), axes, true);
  }
  lcl_tensor *y = lcl_mul(lcl_sub(a, mean), lcl_rsqrt(lcl_shift(var, 0.1f)));
  if (draw(2)) y = lcl_mul(y, w->param[1]);
  if (draw(2)) y = lcl_add(y, w->param[2 + draw(3)]);
  return draw(2) ? lcl_relu(lcl_shift(y, odd_number())) : y;
}

/* A GEMM or a convolution, with bias and activation. */
static lcl_tensor *layer(const world *w, lcl_tensor *a) {
  lcl_tensor *y = w->full.rank == 2
                      ? lcl_matmul(a, w->param[0], false, draw(2))
                      : lcl_conv2d(a, w->param[0], NULL, &(lcl_conv_desc) { .same = true });
  y = lcl_scale(y, 0.3f);
  if (draw(2)) y = lcl_add(y, w->param[1 + draw(2)]);
  return draw(2) ? y : draw(2) ? lcl_relu(lcl_shift(y, odd_number())) : lcl_tanh(y);
}

/* The elements another way round, a function of them, and back; or at other places. */
static lcl_tensor *moved(const world *w, lcl_tensor *a) {
  const int rank = w->full.rank, axis = (int)draw((uint32_t)rank);
  const int64_t n = w->full.dim[axis], half = n / 2;
  int there[LCL_MAX_RANK], back[LCL_MAX_RANK];
  int64_t before[LCL_MAX_RANK] = { 0 }, after[LCL_MAX_RANK] = { 0 };
  switch (draw(5)) {
  case 0:
    for (int i = 0; i < rank; i++) back[there[i] = (i + 1) % rank] = i;
    return lcl_transpose(unary(lcl_transpose(a, there)), back);
  case 1: return lcl_reshape(unary(lcl_reshape(a, LCL_SHAPE(lcl_shape_count(w->full)))), w->full);
  case 2: return lcl_flip(a, LCL_AXIS(axis));
  case 3:
    before[axis] = half;
    after[axis] = n - half - (n - half);
    return lcl_pad(lcl_slice_axis(a, axis, 0, n - half), before, after);
  default:
    if (!half) return lcl_stop_gradient(a);
    return lcl_concat(
        (lcl_tensor *[]) { lcl_slice_axis(a, axis, half, n), lcl_slice_axis(a, axis, 0, half) }, 2,
        axis);
  }
}

static lcl_tensor *next(const world *w) {
  lcl_tensor *a = pick(w, draw(4) != 0), *b = pick(w, draw(3) == 0);
  const uint32_t kind = draw(20);
  if (kind < 6) return unary(a);
  if (kind < 11) return binary(a, b);
  if (kind < 13) return lcl_tensor_shape(a).rank == w->full.rank ? reduced(w, a) : NULL;
  if (!is_full(w, a)) return NULL;
  if (kind < 16) return norm(w, a);
  if (kind < 17) return lcl_softmax(a, draw(2) ? 1 : 0);
  return kind < 18 ? layer(w, a) : moved(w, a);
}

static lcl_shape full_shape(void) {
  static const int64_t rows[] = { 1, 2, 5, 16, 33, 70, 200 }, columns[] = { 1, 3, 16, 17, 40, 96 },
                       few[] = { 1, 2, 3, 8 }, size[] = { 1, 2, 4, 7, 12 };
  if (draw(3)) return LCL_SHAPE(rows[draw(7)], columns[draw(6)]);
  return LCL_SHAPE(few[draw(4)], draw(2) ? 16 : few[draw(4)], size[draw(5)], size[draw(5)]);
}

static lcl_shape param_shape(const world *w, int i) {
  const lcl_shape s = w->full;
  const int64_t c = s.dim[1];
  const bool flat = s.rank == 2;
  switch (i) {
  case 0: return flat ? LCL_SHAPE(c, c) : LCL_SHAPE(c, c, 3, 3);
  case 1: return flat ? LCL_SHAPE(c) : LCL_SHAPE(1, c, 1, 1);
  case 2: return flat ? LCL_SHAPE(1, c) : LCL_SHAPE(c, 1, 1);
  case 3: return flat ? LCL_SHAPE(s.dim[0], 1) : LCL_SHAPE(s.dim[0], 1, 1, 1);
  default: return s;
  }
}

/* The gradient of a gradient's length, where the graph has second derivatives. */
static lcl_tensor *steepness(const world *w, lcl_tensor *loss) {
  lcl_tensor *g;
  lcl_gradients(loss, &w->v[0], 1, &g);
  return lcl_scale(lcl_mean(lcl_square(lcl_tanh(g)), LCL_ALL_AXES, false), 3);
}

static void losses_and_gradients(world *w) {
  lcl_tensor *loss = NULL, *wrt[PARAMS + 1] = { w->v[0] }, *gradient[PARAMS + 1];
  for (int i = 0; i < 3; i++) {
    lcl_tensor *t = lcl_tanh(w->v[w->n - 1 - (int)draw(8)]);
    t = lcl_mean(draw(2) ? lcl_square(t) : t, LCL_ALL_AXES, false);
    loss = loss ? lcl_add(loss, t) : t;
  }
  if (!draw(6)) loss = lcl_add(loss, steepness(w, loss));
  for (int i = 0; i < PARAMS; i++) wrt[1 + i] = w->param[i];
  lcl_gradients(loss, wrt, PARAMS + 1, gradient);
  for (int i = 0; i < PARAMS; i++)
    if (draw(3)) lcl_assign(w->param[i], lcl_sub(w->param[i], lcl_scale(gradient[1 + i], 0.5f)));
  w->fetch[w->n_fetch++] = loss;
  for (int i = 0; i <= PARAMS; i++)
    if (draw(2)) w->fetch[w->n_fetch++] = gradient[i];
  for (int i = 0; i < 4; i++)
    if (draw(2)) w->fetch[w->n_fetch++] = pick(w, false);
}

static world build(uint32_t seed) {
  world w = { 0 };
  rng = seed * 2654435761u + 1;
  ASSERT_OK(lcl_store_create(ctx, 1, &w.store));
  ASSERT_OK(lcl_graph_create(w.store, "fuzz", &w.g));
  w.full = full_shape();
  w.v[w.n++] = lcl_input(w.g, "x", LCL_F32, w.full);
  for (int i = 0; i < PARAMS; i++) {
    const lcl_init init = { .kind = i ? LCL_INIT_CONSTANT : LCL_INIT_HE_NORMAL,
                            .value = 0.3f + 0.2f * (float)i };
    w.param[i] = lcl_param(w.g, param_names[i], param_shape(&w, i), init);
    if (i) w.v[w.n++] = w.param[i];
  }
  const int want = 12 + (int)draw(MOST - 12);
  while (w.n < want) {
    lcl_tensor *y = next(&w);
    if (y) w.v[w.n++] = y;
  }
  losses_and_gradients(&w);
  return w;
}

/* All that a program gives: what is fetched, then the parameters after two runs. */
typedef struct result {
  int n;
  int64_t count[FETCHES + PARAMS];
  float *value[FETCHES + PARAMS];
} result;

static float *add_result(result *r, lcl_shape s) {
  r->count[r->n] = lcl_shape_count(s);
  r->value[r->n] = malloc((size_t)r->count[r->n] * sizeof(float));
  return r->value[r->n++];
}

static void free_result(result *r) {
  for (int i = 0; i < r->n; i++) free(r->value[i]);
}

static void feed(const world *w, lcl_program *p, int trial) {
  const int64_t n = lcl_shape_count(w->full);
  float *x = malloc((size_t)n * sizeof *x);
  uint32_t seed = 7 + 1000 * (uint32_t)trial;
  for (int64_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    x[i] = (float)(seed >> 8) / (float)(1 << 23) - 1;
  }
  (void)lcl_feed(p, "x", x, (size_t)n * sizeof *x); /* refused where nothing depends on it */
  free(x);
}

static result run(uint32_t seed, const lcl_compile_desc *how, int trial) {
  world w = build(seed);
  result r = { 0 };
  lcl_program *p;
  lcl_compile_desc desc = *how;
  desc.fetch = w.fetch;
  desc.n_fetch = w.n_fetch;
  desc.no_updates = draw(4) == 0;
  if (lcl_compile(w.g, &desc, &p) != LCL_OK) fail_msg("graph %u: %s", seed, lcl_error_message());
  if (getenv("LATENTCL_SHOW") && !how->no_fusion) {
    char *text;
    ASSERT_OK(lcl_program_explain(p, LCL_EXPLAIN_TEXT, &text));
    puts(text);
    free(text);
  }
  feed(&w, p, trial);
  for (int i = 0; i < 2; i++) /* memory is used again by the second */
    if (lcl_run(p) != LCL_OK) fail_msg("graph %u: %s", seed, lcl_error_message());
  for (int i = 0; i < w.n_fetch; i++) {
    char name[16];
    snprintf(name, sizeof name, "#%d", i);
    float *to = add_result(&r, lcl_tensor_shape(w.fetch[i]));
    ASSERT_OK(lcl_fetch(p, name, to, (size_t)r.count[i] * sizeof *to));
  }
  for (int i = 0; i < PARAMS; i++) {
    float *to = add_result(&r, param_shape(&w, i));
    ASSERT_OK(lcl_store_read(w.store, param_names[i], to, (size_t)r.count[r.n - 1] * sizeof *to));
  }
  lcl_program_destroy(p);
  lcl_graph_destroy(w.g);
  lcl_store_destroy(w.store);
  return r;
}

/* How far b is from a; else: nothing. All gradients are of one loss, so that one that is all
 * rounding is measured by the others. */
static bool agree(const result *a, const result *b, char *where, size_t size) {
  for (int k = 0; k < a->n; k++) {
    double most = 5e-3;
    for (int64_t i = 0; i < a->count[k]; i++) most = fmax(most, fabs((double)a->value[k][i]));
    for (int64_t i = 0; i < a->count[k]; i++) {
      const double x = (double)a->value[k][i], y = (double)b->value[k][i];
      if (fabs(x - y) <= 2e-4 * most || (isnan(x) && isnan(y))) continue;
      snprintf(where, size,
               "result %d of %d, element %lld: %.9g, without fusion %.9g (within %.3g)", k, a->n,
               (long long)i, y, x, 2e-4 * most);
      return false;
    }
  }
  return true;
}

/* Where a value lies at a kink, another rounding is another gradient: not with three inputs. */
static void one_graph(uint32_t seed) {
  static const lcl_compile_desc plain = { .no_fusion = true }, fused = { 0 },
                                guarded = { .guard_bands = true };
  char where[200] = "";
  bool right = false;
  for (int trial = 0; !right && trial < TRIALS; trial++) {
    result a = run(seed, &plain, trial), b = run(seed, &fused, trial),
           c = run(seed, &guarded, trial);
    right = agree(&a, &b, where, sizeof where);
    for (int k = 0; k < a.n; k++)
      if (memcmp(b.value[k], c.value[k], (size_t)b.count[k] * sizeof(float)) != 0)
        fail_msg("graph %u, result %d: other bits with guard bands", seed, k);
    free_result(&a);
    free_result(&b);
    free_result(&c);
  }
  if (!right) fail_msg("graph %u: %s", seed, where);
}

static void random_gradients(void **state) {
  (void)state;
  uint32_t seed, last;
  for (seeds(GRAPHS, &seed, &last); seed <= last; seed++) one_graph(seed);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(random_gradients) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
