/* Values made with PyTorch and NumPy in double precision (tests/golden/make_ops.py): the reference
 * must agree with them to double precision, the device within the reference's own bound for single
 * precision. */
#ifndef LCL_GOLDEN_H
#define LCL_GOLDEN_H

#include "test.h"

#include <math.h>

#include "base/npy.h"
#include "reference/spec.h"

enum { GOLDEN_WORDS = 48 };

/* The case, the golden results and the device's. */
typedef struct golden {
  lcl_case *c;
  bool want_grad[LCL_SPEC_INS];
  lcl_case_result want, got;
} golden;

static inline void golden_load(lcl_case *c, const char *where, const char *name, lcl_array *to) {
  lcl_str path = { 0 };
  lcl_npy a;
  lcl__str_add(&path, "%s/%s", where, name);
  ASSERT_OK(lcl__npy_read(path.data, &a));
  lcl__str_free(&path);
  lcl_shape shape = { .rank = a.rank };
  memcpy(shape.dim, a.dim, sizeof shape.dim);
  const bool real = a.type == LCL_NPY_F32 || a.type == LCL_NPY_F64;
  ASSERT_OK(lcl__array_new(c, real ? LCL_F32 : LCL_I32, shape, to));
  for (size_t i = 0; i < a.count; i++) to->data[i] = lcl__npy_get(&a, i);
  lcl__npy_free(&a);
}

/* Splits a line of cases.txt, the words of a command line of `latentcl op`. */
static inline int golden_words(char *line, char *words[GOLDEN_WORDS]) {
  char *rest = NULL;
  int n = 0;
  for (char *w = strtok_r(line, " ", &rest); w && n < GOLDEN_WORDS; w = strtok_r(NULL, " ", &rest))
    words[n++] = w;
  return n;
}

/* results: the folder of what the command wrote, or NULL. */
static inline void golden_read(golden *g, char *const *words, int n, const char *results) {
  const char *option = "";
  int at = 0;
  ASSERT_OK(lcl__case_create(lcl__spec_find(words[0]), &g->c));
  for (int i = 1; i < n; i++) {
    if (strncmp(words[i], "--", 2) == 0) {
      option = words[i], at = 0;
      continue;
    }
    const int k = at++;
    const bool out = strcmp(option, "--out") == 0, grad_out = strcmp(option, "--grad-out") == 0;
    if (strcmp(words[i], "-") == 0) continue;
    if (strcmp(option, "--attr") == 0) ASSERT_OK(lcl__case_set(g->c, words[i]));
    if (strcmp(option, "--in") == 0) golden_load(g->c, GOLDEN "/ops", words[i], &g->c->in[k]);
    if (strcmp(option, "--grad-in") == 0)
      golden_load(g->c, GOLDEN "/ops", words[i], &g->c->grad_out[k]);
    if (out) golden_load(g->c, GOLDEN "/ops", words[i], &g->want.out[k]);
    if (out && results) golden_load(g->c, results, words[i], &g->got.out[k]);
    if (grad_out) golden_load(g->c, GOLDEN "/ops", words[i], &g->want.grad_in[k]);
    if (grad_out && results) golden_load(g->c, results, words[i], &g->got.grad_in[k]);
    if (grad_out) g->want_grad[k] = true;
  }
}

/* Golden against reference: both double precision, in another order. */
static inline void golden_same(const golden *g, const char *what, int k, const lcl_array *want,
                               const lcl_array *reference) {
  if (!want->data) return;
  double most = 1;
  if (!lcl_shape_equal(want->shape, reference->shape))
    fail_msg("%s: %s %d has another shape than the golden one", g->c->spec->name, what, k);
  for (int64_t i = 0; i < lcl__array_count(want); i++) most = fmax(most, fabs(want->data[i]));
  for (int64_t i = 0; i < lcl__array_count(want); i++)
    if (!(fabs(want->data[i] - reference->data[i]) <= 1e-12 * most))
      fail_msg("%s: element %lld of %s %d is %.17g, golden %.17g", g->c->spec->name, (long long)i,
               what, k, reference->data[i], want->data[i]);
}

/* The reference and the device's results; ends the case. */
static inline void golden_check(golden *g) {
  ASSERT_OK(lcl__case_reference(g->c));
  for (int k = 0; k < LCL_SPEC_OUTS; k++)
    golden_same(g, "result", k, &g->want.out[k], &g->c->out[k]);
  for (int k = 0; k < LCL_SPEC_INS; k++)
    golden_same(g, "gradient", k, &g->want.grad_in[k], &g->c->grad_in[k]);
  ASSERT_OK(lcl__case_compare(g->c, &g->got, NULL));
  lcl__case_destroy(g->c);
}

/* Calls check for every line of cases.txt; how many there are. */
static inline int golden_lines(void (*check)(void *user, char *const *words, int n), void *user) {
  void *text;
  size_t size;
  int lines = 0;
  char *rest = NULL, *words[GOLDEN_WORDS];
  ASSERT_OK(lcl__file_read(GOLDEN "/ops/cases.txt", 1 << 20, &text, &size));
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), lines++)
    check(user, words, golden_words(line, words));
  lcl__free(text);
  return lines;
}

#endif
