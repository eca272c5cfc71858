/* See tune.h. */
#include "bench/tune.h"

#include "latentcl/model.h"
#include "latentcl/ops.h"

/* ---- which products there are ---- */

typedef struct collection {
  lcl_context *ctx;
  struct {
    lcl_tune_problem *data;
    size_t n, cap;
  } found;
  bool failed;
} collection;

static void to_values(const lcl_gemm_params *p, int v[LCL_TUNING_VALUES]) {
  const int all[LCL_TUNING_VALUES] = { p->algorithm, p->vec,          p->kc_max, p->kc,
                                       p->panels_n,  p->panels_m,     p->group,  p->nv,
                                       p->splits,    p->channels_last };
  memcpy(v, all, sizeof all);
}

static void seen(void *user, lcl_lower *lw, const lcl_gemm *g) {
  collection *c = user;
  lcl_tune_problem p = { .g = *g };
  lcl_gemm_key(g, p.key);
  for (size_t i = 0; i < c->found.n; i++)
    if (strcmp(c->found.data[i].key, p.key) == 0) return;
  p.work = 2.0 * (double)g->m * (double)g->n * (double)g->k * (double)g->batch;
  p.a_bytes = lcl_slot_bytes(lw, g->a);
  p.b_bytes = lcl_slot_bytes(lw, g->b);
  p.c_bytes = lcl_slot_bytes(lw, g->c);
  p.g.label = "candidate";
  p.g.bias_kind = LCL_BIAS_NONE;
  p.g.act = LCL_ACT_NONE;
  p.g.channels_last = NULL; /* shared with neighbours only inside that program */
  lcl_gemm_params standard = lcl_gemm_choose(lcl_lower_caps(lw), &p.g);
  to_values(&standard, p.standard);
  if (!LCL_PUSH(&c->found, p)) c->failed = true;
}

static void seen_conv(void *user, lcl_lower *lw, const lcl_node *node, unsigned possible,
                      lcl_conv_algorithm standard) {
  collection *c = user;
  lcl_tune_problem p;
  (void)lw;
  lcl_tune_conv_problem(node, possible, standard, &p);
  for (size_t i = 0; i < c->found.n; i++)
    if (strcmp(c->found.data[i].key, p.key) == 0) return;
  if (!LCL_PUSH(&c->found, p)) c->failed = true;
}

static int by_work(const void *a, const void *b) {
  const lcl_tune_problem *x = a, *y = b;
  if (!x->conv != !y->conv)
    return x->conv ? 1 : -1; /* algorithms are compared with tuned products */
  return (x->work < y->work) - (x->work > y->work);
}

lcl_status lcl_tune_collect(lcl_context *ctx, const char *name, lcl_tune_problem **problems,
                            size_t *n) {
  collection c = { .ctx = ctx };
  const lcl_model_class *cls;
  lcl_workload step = { .name = name,
                        .suite = "tune",
                        .kind = LCL_WORK_STEP,
                        .run = lcl_bench_step,
                        .model = name,
                        .options = "",
                        .channels = 1,
                        .height = 28,
                        .width = 28 };
  lcl_bench_desc once = { .seconds = -1, .no_roofline = true };
  lcl_bench_row row = { 0 };
  size_t index;
  lcl_status st;
  lcl_gemm_watch(ctx, seen, &c);
  lcl_conv_watch(ctx, seen_conv, &c);
  if (lcl_model_find(name, &cls) == LCL_OK)
    st = lcl_bench_step(ctx, &step, &once, &row);
  else if ((st = lcl_bench_find(name, &index)) == LCL_OK)
    st = lcl_bench_run(ctx, index, &once, &row);
  lcl_gemm_watch(ctx, NULL, NULL);
  lcl_conv_watch(ctx, NULL, NULL);
  if (st == LCL_OK && c.failed) st = LCL_ERR_HOST_MEMORY;
  if (st != LCL_OK) {
    lcl_free(c.found.data);
    return st;
  }
  if (c.found.n) qsort(c.found.data, c.found.n, sizeof *c.found.data, by_work);
  *problems = c.found.data;
  *n = c.found.n;
  return LCL_OK;
}

/* ---- candidates ---- */

lcl_status lcl_tune_shape(const char *key, const int standard[LCL_TUNING_VALUES],
                          lcl_tune_problem *out) {
  long long m, n, k;
  *out = (lcl_tune_problem) { 0 };
  memcpy(out->standard, standard, sizeof out->standard);
  snprintf(out->key, sizeof out->key, "%s", key);
  if (strncmp(key, "conv", 4) == 0) {
    out->conv = &lcl_op_conv2d;
    return LCL_OK;
  }
  if (sscanf(key, "gemm %lldx%lldx%lld", &m, &n, &k) != 3)
    return lcl_fail(LCL_ERR_FORMAT, "not the key of a GEMM: %s", key);
  out->g.m = m;
  out->g.n = n;
  out->g.k = k;
  out->g.source = strstr(key, " patches_t ") ? LCL_GEMM_PATCHES_T
                  : strstr(key, " patches ") ? LCL_GEMM_PATCHES
                                             : LCL_GEMM_MATRIX;
  return LCL_OK;
}

static size_t add(const int v[LCL_TUNING_VALUES], const int from[LCL_TUNING_VALUES],
                  int (*out)[LCL_TUNING_VALUES], size_t n, size_t most) {
  if (n == most || memcmp(v, from, sizeof(int) * LCL_TUNING_VALUES) == 0) return n;
  for (size_t i = 0; i < n; i++)
    if (memcmp(out[i], v, sizeof(int) * LCL_TUNING_VALUES) == 0) return n;
  memcpy(out[n], v, sizeof(int) * LCL_TUNING_VALUES);
  return n + 1;
}

enum { ALGORITHM, VEC, KC_MAX, KC, PANELS_N, PANELS_M, GROUP, NV, SPLITS, CHANNELS_LAST };

size_t lcl_tune_neighbours(const lcl_tune_problem *p, const int from[LCL_TUNING_VALUES],
                           int (*out)[LCL_TUNING_VALUES], size_t most) {
  static const int panels[] = { 1, 2, 3, 4, 6, 8, 12 }, splits[] = { 1, 2, 3, 4, 6, 8 },
                   kc_max[] = { 128, 256, 512 };
  if (p->conv) return 0; /* its algorithms are starts, and have no parameters here */
  size_t n = 0;
  int v[LCL_TUNING_VALUES];
#define TRY(field, value)                                                                          \
  do {                                                                                             \
    memcpy(v, from, sizeof v);                                                                     \
    v[field] = (value);                                                                            \
    if (v[ALGORITHM] == LCL_GEMM_PANEL && v[KC] > v[KC_MAX]) v[KC] = v[KC_MAX];                    \
    n = add(v, from, out, n, most);                                                                \
  } while (0)
  if (from[ALGORITHM] != LCL_GEMM_CLBLAST && p->g.source != LCL_GEMM_PATCHES)
    for (size_t i = 0; i < LCL_COUNT(splits); i++) TRY(SPLITS, splits[i]);
  if (from[ALGORITHM] == LCL_GEMM_PANEL) {
    for (size_t i = 0; i < LCL_COUNT(panels); i++) TRY(PANELS_N, panels[i]);
    for (int part = 1; part <= 8; part *= 2)
      TRY(PANELS_M, LCL_MAX(1, (p->standard[PANELS_M] + part - 1) / part));
    for (size_t i = 0; i < LCL_COUNT(kc_max); i++) TRY(KC_MAX, kc_max[i]);
    for (int k = 64; k <= from[KC_MAX]; k += 64) TRY(KC, k);
    if (p->g.source != LCL_GEMM_MATRIX) TRY(CHANNELS_LAST, !from[CHANNELS_LAST]);
    TRY(VEC, from[VEC] == 16 ? 8 : 16);
  } else if (from[ALGORITHM] == LCL_GEMM_ROWS) {
    for (int tiles = 1; tiles <= 64; tiles *= 2) TRY(PANELS_N, tiles);
    for (int pairs = 1; pairs <= 8; pairs *= 2) TRY(PANELS_M, pairs);
    TRY(VEC, from[VEC] == 16 ? 8 : 16);
  } else if (from[ALGORITHM] == LCL_GEMM_TILED) {
    TRY(GROUP, from[GROUP] == 16 ? 8 : 16);
    TRY(NV, from[NV] == 1 ? 2 : 1);
  }
#undef TRY
  return n;
}

size_t lcl_tune_starts(const lcl_caps *caps, const lcl_tune_problem *p,
                       int (*out)[LCL_TUNING_VALUES], size_t most) {
  if (p->conv) return lcl_tune_conv_starts(p->standard, out, most);
  const int tiled[] = {
    LCL_GEMM_TILED, 0, 0, 0, 0, 0, caps->max_work_group >= 256 ? 16 : 8, 1, 1, 0
  };
  const int clblast[] = { LCL_GEMM_CLBLAST, 0, 0, 0, 0, 0, 0, 0, 1, 0 };
  const int vec = lcl_panel_vec(caps);
  const int panel[] = { LCL_GEMM_PANEL, vec, 512, 256, 2, (int)(p->g.m / 12 + 1), 0, 0, 1, 1 };
  const int rows[] = { LCL_GEMM_ROWS, vec, 512, 0, 8, 1, 0, 0, 1, 0 };
  size_t n = add(tiled, p->standard, out, 0, most);
  if (caps->panel && p->standard[ALGORITHM] != LCL_GEMM_PANEL)
    n = add(panel, p->standard, out, n, most);
  if (caps->panel && p->standard[ALGORITHM] != LCL_GEMM_ROWS && p->g.source == LCL_GEMM_PATCHES)
    n = add(rows, p->standard, out, n, most);
  if (caps->clblast && p->g.source == LCL_GEMM_MATRIX) n = add(clblast, p->standard, out, n, most);
  return n;
}

/* ---- one candidate ---- */

/* A node that is just the product. */
typedef struct product_attr {
  const lcl_tune_problem *p;
} product_attr;

static lcl_status infer_product(lcl_node *node) {
  const lcl_tune_problem *p = ((const product_attr *)node->attr)->p;
  node->out[0].shape = LCL_SHAPE((int64_t)(p->c_bytes / 4));
  node->out[0].dtype = LCL_F32;
  return LCL_OK;
}

static lcl_status lower_product(lcl_lower *lw, lcl_node *node) {
  lcl_gemm g = ((const product_attr *)node->attr)->p->g;
  g.a = lcl_in(lw, node->in[0]);
  g.b = lcl_in(lw, node->in[1]);
  g.c = lcl_out(lw, &node->out[0]);
  LCL_TRY(lcl_emit_fill(
      lw, g.c, 0, lcl_slot_bytes(lw, g.c))); /* a product need not write all of a shared result */
  return lcl_gemm_lower(lw, &g);
}

static const lcl_op op_product = { .name = "product",
                                   .attr_size = sizeof(product_attr),
                                   .infer = infer_product,
                                   .lower = lower_product };

static float *integers(size_t bytes, uint32_t seed) {
  float *f = lcl_alloc(LCL_MAX(bytes, 4));
  for (size_t i = 0; f && i < bytes / 4; i++) {
    seed = seed * 1664525u + 1013904223u;
    f[i] = (float)((int)(seed >> 16) % 5 - 2);
  }
  return f;
}

/* ---- what the result must be: the definition in gemm.h, in plain C ---- */

static double a_element(const lcl_gemm *g, const float *a, int64_t z, int64_t i, int64_t k) {
  int64_t len = LCL_MAX(g->a_len, 1), tb = LCL_MAX(g->a_tb, 1), l0 = k / len, l1 = k % len;
  return a[g->a_base + z * g->a_batch + i * g->a_rs + l0 / tb * g->a_sa + l0 % tb * g->a_sb +
           l1 * g->a_s1];
}

static double b_element(const lcl_gemm *g, const float *b, int64_t z, int64_t k, int64_t j) {
  const lcl_patches *p = &g->patches;
  int64_t c, ta, tb, n, q, r;
  if (g->source == LCL_GEMM_MATRIX) return b[g->b_base + z * g->b_batch + k * g->rsb + j * g->csb];
  if (g->source == LCL_GEMM_PATCHES) {
    c = k % p->channels, tb = k / p->channels % p->tb, ta = k / p->channels / p->tb;
    r = j % p->gr, q = j / p->gr % p->gq, n = j / p->gr / p->gq;
  } else {
    r = k % p->gr, q = k / p->gr % p->gq, n = k / p->gr / p->gq;
    tb = j % p->tb, ta = j / p->tb % p->ta, c = j / p->tb / p->ta;
  }
  const int64_t fh = LCL_MAX(p->fh, 1), fw = LCL_MAX(p->fw, 1);
  int64_t y = q * p->sh + p->h0 + ta * p->dh, x = r * p->sw + p->w0 + tb * p->dw;
  if (y % fh || x % fw) return 0;
  y /= fh, x /= fw;
  if (y < 0 || y >= p->h || x < 0 || x >= p->w) return 0;
  return b[((n * p->all_channels + z * p->channels + c) * p->h + y) * p->w + x];
}

static size_t c_place(const lcl_gemm *g, int64_t z, int64_t i, int64_t j) {
  const lcl_patches *p = &g->patches;
  int64_t at = g->c_base + z * g->c_batch + i * g->ldc;
  if (g->source != LCL_GEMM_PATCHES) return (size_t)(at + j);
  return (size_t)(at + j / p->gr / p->gq * g->yn + j / p->gr % p->gq * g->yrow +
                  j % p->gr * g->ycol);
}

/* Some elements of the result against the definition: exact, because the numbers are small
 * integers. */
static lcl_status check_samples(const lcl_tune_problem *p, const float *a, const float *b,
                                const float *c) {
  const lcl_gemm *g = &p->g;
  uint32_t seed = 5;
  if (g->m * g->n * g->batch == 0) return LCL_OK;
  for (int s = 0; s < 200; s++) {
    int64_t at[3];
    const int64_t size[3] = { g->batch, g->m, g->n };
    for (int d = 0; d < 3; d++) {
      seed = seed * 1664525u + 1013904223u;
      at[d] = (int64_t)(seed >> 8) % size[d];
    }
    if (s == 0) at[0] = size[0] - 1, at[1] = size[1] - 1, at[2] = size[2] - 1; /* the far corner */
    double want = 0;
    for (int64_t k = 0; k < g->k; k++)
      want += a_element(g, a, at[0], at[1], k) * b_element(g, b, at[0], k, at[2]);
    double got = c[c_place(g, at[0], at[1], at[2])];
    if (got != want)
      return lcl_fail(LCL_ERR_NUMERIC, "element (%lld,%lld,%lld) is %g, not %g", (long long)at[0],
                      (long long)at[1], (long long)at[2], got, want);
  }
  return LCL_OK;
}

typedef struct trial {
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  const lcl_node *node;
  float *a, *b, *c;
} trial;

static void trial_free(trial *t) {
  lcl_program_destroy(t->program);
  lcl_graph_destroy(t->g);
  lcl_store_destroy(t->store);
  lcl_free(t->a);
  lcl_free(t->b);
  lcl_free(t->c);
}

/* Builds the product with these values, runs it once, and fetches the result. */
static lcl_status trial_run(lcl_context *ctx, const lcl_tune_problem *p,
                            const int values[LCL_TUNING_VALUES], trial *t) {
  t->a = integers(p->a_bytes, 1);
  t->b = integers(p->b_bytes, 2);
  t->c = lcl_alloc(LCL_MAX(p->c_bytes, 4));
  if (!t->a || !t->b || !t->c) return LCL_ERR_HOST_MEMORY;
  LCL_TRY(lcl_tuning_set(ctx, p->key, values));
  LCL_TRY(lcl_store_create(ctx, 1, &t->store));
  LCL_TRY(lcl_graph_create(t->store, "tune", &t->g));
  const lcl_shape sa = p->conv ? p->in[0] : LCL_SHAPE((int64_t)(p->a_bytes / 4)),
                  sb = p->conv ? p->in[1] : LCL_SHAPE((int64_t)(p->b_bytes / 4));
  lcl_tensor *a = lcl_input(t->g, "a", LCL_F32, sa), *b = lcl_input(t->g, "b", LCL_F32, sb);
  lcl_tensor *c = p->conv ? lcl_node_new(t->g, p->conv, LCL_IN(a, b), &p->conv_attr, 1)
                          : lcl_node_new(t->g, &op_product, LCL_IN(a, b), &(product_attr) { p }, 1);
  t->node = c->node;
  LCL_TRY(lcl_compile(t->g, &(lcl_compile_desc) { .fetch = &c, .n_fetch = 1 }, &t->program));
  LCL_TRY(lcl_feed(t->program, "a", t->a, p->a_bytes));
  LCL_TRY(lcl_feed(t->program, "b", t->b, p->b_bytes));
  LCL_TRY(lcl_run(t->program));
  return lcl_fetch(t->program, "#0", t->c, p->c_bytes);
}

static lcl_status fastest(lcl_context *ctx, lcl_program *program, double *seconds) {
  double end = lcl_now() + 0.05;
  *seconds = 1e30;
  for (int i = 0; i < 3 || (i < 200 && lcl_now() < end); i++) {
    double t = lcl_now();
    LCL_TRY(lcl_run(program));
    LCL_TRY(lcl_context_finish(ctx));
    *seconds = LCL_MIN(*seconds, lcl_now() - t);
  }
  return LCL_OK;
}

lcl_status lcl_tune_measure(lcl_context *ctx, const lcl_tune_problem *p,
                            const int values[LCL_TUNING_VALUES], double *seconds) {
  trial t = { 0 };
  lcl_gemm_params q = { values[0], values[1], values[2], values[3], values[4],
                        values[5], values[6], values[7], values[8], values[9] };
  if (!p->conv && !lcl_gemm_legal(lcl_context_caps(ctx), &p->g, &q))
    return lcl_fail(LCL_ERR_UNSUPPORTED, "not possible on this device");
  lcl_status st = trial_run(ctx, p, values, &t);
  if (st == LCL_OK)
    st = p->conv ? lcl_tune_conv_check(p, t.node, values[ALGORITHM], t.a, t.b, t.c)
                 : check_samples(p, t.a, t.b, t.c);
  if (st == LCL_OK) st = fastest(ctx, t.program, seconds);
  trial_free(&t);
  lcl_tuning_set(ctx, p->key, NULL);
  return st;
}

lcl_status lcl_tune_verify(lcl_context *ctx, const char *name, size_t *n) {
  lcl_tune_problem *problems;
  LCL_TRY(lcl_tune_collect(ctx, name, &problems, n));
  lcl_status st = LCL_OK;
  for (size_t i = 0; st == LCL_OK && i < *n; i++) {
    int values[LCL_TUNING_VALUES];
    double seconds;
    if (!lcl_tuning_find(ctx, problems[i].key, values))
      memcpy(values, problems[i].standard, sizeof values);
    st = lcl_tune_measure(ctx, &problems[i], values, &seconds);
    if (st == LCL_ERR_UNSUPPORTED)
      st = lcl_tune_measure(ctx, &problems[i], problems[i].standard, &seconds);
    if (st != LCL_OK) lcl_fail_prefix(st, "%s", problems[i].key);
  }
  lcl_free(problems);
  return st;
}
