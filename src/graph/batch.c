/* Generated kernels are built a batch at a time: a compiler spends more on starting (OpenCL's
 * built-in functions are a large header) than on one short kernel. A context remembers which source
 * holds which kernel, and so does the cache, so that a kernel is built once, whatever program, or
 * later process, it is in. */
#include "device/cache.h"
#include "graph/compile.h"

enum { BATCH = 24 }; /* kernels in a source: several batches can be built side by side */

typedef struct known {
  char name[40];
  size_t batch; /* that holds it */
} known;

typedef struct batch {
  char *text;
  char key[33]; /* the text's in the cache */
  bool built;   /* before, or by an earlier process */
} batch;

typedef struct generated {
  struct {
    known *data;
    size_t n, cap;
  } kernels;
  struct {
    batch *data;
    size_t n, cap;
  } batches;
} generated;

static void generated_free(void *p) {
  generated *g = p;
  for (size_t i = 0; i < g->batches.n; i++) lcl__free(g->batches.data[i].text);
  lcl__free(g->batches.data);
  lcl__free(g->kernels.data);
  lcl__free(g);
}

static const known *find(const generated *g, const char *name) {
  for (size_t i = 0; i < g->kernels.n; i++)
    if (strcmp(g->kernels.data[i].name, name) == 0) return &g->kernels.data[i];
  return NULL;
}

static lcl_status add_kernel(generated *g, const char *name, size_t in) {
  known k = { .batch = in };
  snprintf(k.name, sizeof k.name, "%s", name);
  return LCL_PUSH(&g->kernels, k) ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

/* Takes the text over. */
static lcl_status add_text(generated *g, char *text, bool built) {
  batch b = { .text = text, .built = built };
  lcl__hash_hex(text, strlen(text), b.key);
  if (LCL_PUSH(&g->batches, b)) return LCL_OK;
  lcl__free(text);
  return LCL_ERR_HOST_MEMORY;
}

/* ---- batches of earlier processes ---- */

/* Two kinds of entries: of a kernel, the key of its batch's text; of that, the text. A driver's own
 * entries: it may refuse what another one built. */
static bool kernel_key(const lcl_context *ctx, const char *name, char key[33]) {
  char what[64];
  snprintf(what, sizeof what, "batch of %s", name);
  return lcl__driver_key(ctx, what, key);
}

/* Position of a batch that the cache names; the number of batches: it is in no cache. */
static size_t batch_of(generated *g, const char *key) {
  size_t i = 0, n;
  while (i < g->batches.n && memcmp(g->batches.data[i].key, key, 32) != 0) i++;
  if (i < g->batches.n) return i;
  char *text = lcl__cache_note(key, &n);
  return text && add_text(g, text, true) == LCL_OK ? i : g->batches.n;
}

static bool recall(const lcl_context *ctx, generated *g, const char *name) {
  char key[33];
  size_t n, in = g->batches.n;
  char *text = kernel_key(ctx, name, key) ? lcl__cache_note(key, &n) : NULL;
  if (text && n == 32) in = batch_of(g, text);
  lcl__free(text);
  return in < g->batches.n && add_kernel(g, name, in) == LCL_OK;
}

static void keep(const lcl_context *ctx, const generated *g) {
  char key[33];
  for (size_t i = 0; i < g->kernels.n; i++) {
    const known *k = &g->kernels.data[i];
    const batch *b = &g->batches.data[k->batch];
    if (b->built || !kernel_key(ctx, k->name, key)) continue;
    lcl__cache_put(key, LCL_CACHE_NOTE, b->key, 32);
  }
  for (size_t i = 0; i < g->batches.n; i++) {
    const batch *b = &g->batches.data[i];
    if (!b->built) lcl__cache_put(b->key, LCL_CACHE_NOTE, b->text, strlen(b->text));
  }
  lcl__cache_prune();
}

/* ---- what comes of them ---- */

/* What is not built yet was added last. */
static bool unbuilt(const generated *g) {
  return g->batches.n && !g->batches.data[g->batches.n - 1].built;
}

void lcl__batches_built(lcl_context *ctx) {
  generated *g = *lcl__context_attachment(ctx, LCL_ATTACH_GENERATED, generated_free);
  if (unbuilt(g) && lcl__cache_on()) keep(ctx, g);
  for (size_t i = 0; i < g->batches.n; i++) g->batches.data[i].built = true;
}

void lcl__batches_drop(lcl_context *ctx) {
  generated *g = *lcl__context_attachment(ctx, LCL_ATTACH_GENERATED, generated_free);
  while (g && unbuilt(g)) {
    lcl__free(g->batches.data[--g->batches.n].text);
    while (g->kernels.n && g->kernels.data[g->kernels.n - 1].batch == g->batches.n) g->kernels.n--;
  }
}

/* ---- a program's kernels ---- */

static int by_name(const void *a, const void *b) {
  return strcmp((*(const lcl_launch *const *)a)->kernel, (*(const lcl_launch *const *)b)->kernel);
}

static lcl_status add_batch(generated *g, const lcl_launch **fresh, size_t n) {
  lcl_str text = { 0 };
  for (size_t i = 0; i < n; i++) lcl__str_add(&text, "%s", fresh[i]->source.text);
  if (!lcl__str_ok(&text)) {
    lcl__str_free(&text);
    return LCL_ERR_HOST_MEMORY;
  }
  LCL_TRY(add_text(g, text.data, false));
  for (size_t i = 0; i < n; i++) LCL_TRY(add_kernel(g, fresh[i]->kernel, g->batches.n - 1));
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
    if (is_generated(&launches[i])) fresh[count++] = &launches[i];
  if (count) qsort(fresh, count, sizeof *fresh, by_name);
  for (size_t i = 0; i < count; i++)
    if (!find(g, fresh[i]->kernel) && !recall(ctx, g, fresh[i]->kernel) &&
        (unique == 0 || strcmp(fresh[i]->kernel, fresh[unique - 1]->kernel) != 0))
      fresh[unique++] = fresh[i];
  for (size_t i = 0; st == LCL_OK && i < unique; i += BATCH)
    st = add_batch(g, fresh + i, LCL_MIN((size_t)BATCH, unique - i));
  for (size_t i = 0; st == LCL_OK && i < n; i++)
    if (is_generated(&launches[i]))
      launches[i].source.text = g->batches.data[find(g, launches[i].kernel)->batch].text;
  lcl__free(fresh);
  return st;
}
