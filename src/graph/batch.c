/* Generated kernels are built a batch at a time: a compiler spends more on starting (OpenCL's
 * built-in functions are a large header) than on one short kernel. A context remembers which source
 * holds which kernel, so that a kernel that several programs use is built once. */
#include "graph/compile.h"

enum { BATCH = 24 }; /* kernels in a source: several batches can be built side by side */

typedef struct known {
  char name[40];
  const char *text; /* the batch that holds it */
} known;

typedef struct generated {
  struct {
    known *data;
    size_t n, cap;
  } kernels;
  struct {
    char **data;
    size_t n, cap;
  } texts;
} generated;

static void generated_free(void *p) {
  generated *g = p;
  for (size_t i = 0; i < g->texts.n; i++) lcl__free(g->texts.data[i]);
  lcl__free(g->texts.data);
  lcl__free(g->kernels.data);
  lcl__free(g);
}

static const known *find(const generated *g, const char *name) {
  for (size_t i = 0; i < g->kernels.n; i++)
    if (strcmp(g->kernels.data[i].name, name) == 0) return &g->kernels.data[i];
  return NULL;
}

static int by_name(const void *a, const void *b) {
  return strcmp((*(const lcl_launch *const *)a)->kernel, (*(const lcl_launch *const *)b)->kernel);
}

static lcl_status add_batch(generated *g, const lcl_launch **fresh, size_t n) {
  lcl_str text = { 0 };
  for (size_t i = 0; i < n; i++) lcl__str_add(&text, "%s", fresh[i]->source.text);
  char *copy = lcl__str_ok(&text) ? lcl__strdup(text.data) : NULL;
  lcl__str_free(&text);
  if (!copy || !LCL_PUSH(&g->texts, copy)) {
    lcl__free(copy);
    return LCL_ERR_HOST_MEMORY;
  }
  for (size_t i = 0; i < n; i++) {
    known k = { .text = copy };
    snprintf(k.name, sizeof k.name, "%s", fresh[i]->kernel);
    if (!LCL_PUSH(&g->kernels, k)) return LCL_ERR_HOST_MEMORY;
  }
  return LCL_OK;
}

static bool is_generated(const lcl_launch *l) {
  return l->kind == LCL_LAUNCH_KERNEL && !l->source.file;
}

lcl_status lcl__batch_generated(lcl_context *ctx, lcl_launch *launches, size_t n) {
  void **slot = lcl__context_attachment(ctx, LCL_ATTACH_GENERATED, generated_free);
  if (!*slot) *slot = lcl__alloc(sizeof(generated));
  generated *g = *slot;
  const lcl_launch **fresh = lcl__alloc(LCL_MAX(n, 1) * sizeof *fresh);
  size_t count = 0, unique = 0;
  lcl_status st = g && fresh ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; st == LCL_OK && i < n; i++)
    if (is_generated(&launches[i]) && !find(g, launches[i].kernel)) fresh[count++] = &launches[i];
  if (count) qsort(fresh, count, sizeof *fresh, by_name);
  for (size_t i = 0; i < count; i++)
    if (i == 0 || strcmp(fresh[i]->kernel, fresh[unique - 1]->kernel) != 0)
      fresh[unique++] = fresh[i];
  for (size_t i = 0; st == LCL_OK && i < unique; i += BATCH)
    st = add_batch(g, fresh + i, LCL_MIN((size_t)BATCH, unique - i));
  for (size_t i = 0; st == LCL_OK && i < n; i++)
    if (is_generated(&launches[i])) launches[i].source.text = find(g, launches[i].kernel)->text;
  lcl__free(fresh);
  return st;
}
