/* What the tests of GEMMs and convolutions share: random numbers, one run of a small graph,
 * comparison with doubles. */
#ifndef LCL_TESTS_GEMM_H
#define LCL_TESTS_GEMM_H

#include <math.h>

#include "graph/graph.h"
#include "latentcl/ops.h"
#include "ops/choose.h"
#include "ops/conv.h"
#include "ops/gemm.h"
#include "ops/tuning.h"
#include "test.h"

typedef struct rng {
  uint64_t s;
} rng;
static inline uint32_t rng_next(rng *r) {
  r->s = r->s * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(r->s >> 33);
}
static inline int64_t below(rng *r, int64_t n) {
  return (int64_t)(rng_next(r) % (uint32_t)n);
}

/* 0 sometimes, 1, primes, powers of two, one beside a tile. */
static inline int64_t size_of(rng *r, int64_t most, bool zero) {
  static const int64_t sizes[] = { 1,  2,  3,  4,  5,  7,  8,  13, 14,  15,  16, 17,
                                   29, 31, 32, 33, 63, 64, 65, 97, 127, 128, 129 };
  if (zero && below(r, 24) == 0) return 0;
  for (;;) {
    const int64_t s = sizes[below(r, (int64_t)LCL_COUNT(sizes))];
    if (s <= most) return s;
  }
}

/* A tensor on the host in both precisions. integers: small ones, whose sums of products are exact
 * in f32. */
typedef struct values {
  size_t n;
  float *f;
  double *d, *magnitude;
} values;
static inline values values_new(size_t n) {
  values v = { n, lcl__alloc((n + 1) * sizeof(float)), lcl__alloc((n + 1) * sizeof(double)),
               lcl__alloc((n + 1) * sizeof(double)) };
  assert_true(v.f && v.d && v.magnitude);
  return v;
}
static inline values values_random(rng *r, size_t n, bool integers) {
  values v = values_new(n);
  for (size_t i = 0; i < n; i++) {
    v.f[i] = integers ? (float)((int)below(r, 9) - 4)
                      : (float)rng_next(r) / (float)(1u << 30) - 1.0f;
    v.d[i] = v.f[i];
    v.magnitude[i] = fabs(v.d[i]);
  }
  return v;
}
static inline void values_free(values *v) {
  lcl__free(v->f);
  lcl__free(v->d);
  lcl__free(v->magnitude);
}

/* got against want; magnitude holds sum |a||b|, terms its length: f32 sums are within (terms + 2)
 * roundings of it. */
static inline void compare(const char *what, const values *want, int64_t terms, bool integers) {
  for (size_t i = 0; i < want->n; i++) {
    const double bound = integers ? 0 : (double)(terms + 2) * 0x1p-24 * want->magnitude[i];
    if (!(fabs((double)want->f[i] - want->d[i]) <= bound))
      fail_msg("%s: element %zu is %.9g, expected %.9g within %.3g", what, i, (double)want->f[i],
               want->d[i], bound);
  }
}

/* A choice by the name of its implementation. */
static inline lcl_choice choice_of(const char *name, lcl_kernel_params params) {
  const lcl_implementation *gemm = lcl__kind_find(&lcl__gemm_kind, name);
  const lcl_choice c = { gemm ? gemm : lcl__kind_find(&lcl__conv_kind, name), params };
  if (!c.implementation) fail_msg("there is no implementation %s", name);
  return c;
}

/* An implementation that every problem of its kind takes on a context where it is legal. */
typedef struct forced {
  lcl_choice choice;
  int count; /* of those that took it */
} forced;

static inline void force(void *user, lcl_lower *lw, const lcl_problem *p) {
  forced *f = user;
  if (!lcl__kind_legal(p->kind, lcl__lower_caps(lw), p->p, &f->choice)) return;
  ASSERT_OK(lcl__tuning_set(lcl__lower_context(lw), p->key, &f->choice));
  f->count++;
}

/* Compiles y alone, feeds "a" and "b" (and "bias" if given), runs twice and fetches; both runs must
 * agree to the bit. */
static inline void run_graph(lcl_graph *g, lcl_tensor *y, const values *a, const values *b,
                             const values *bias, values *out) {
  lcl_program *p;
  ASSERT_OK(
      lcl_compile(g, &(lcl_compile_desc) { .fetch = &y, .n_fetch = 1, .only_fetch = true }, &p));
  ASSERT_OK(lcl_feed(p, "a", a->f, a->n * sizeof(float)));
  ASSERT_OK(lcl_feed(p, "b", b->f, b->n * sizeof(float)));
  if (bias) ASSERT_OK(lcl_feed(p, "bias", bias->f, bias->n * sizeof(float)));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", out->f, out->n * sizeof(float)));
  float *again = lcl__alloc((out->n + 1) * sizeof(float));
  assert_non_null(again);
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", again, out->n * sizeof(float)));
  assert_memory_equal(out->f, again, out->n * sizeof(float));
  lcl__free(again);
  lcl_program_destroy(p);
}

#endif
