/* See tune.h. */
#include "bench/tune.h"

#include "latentcl/model.h"
#include "latentcl/ops.h"

/* ---- which problems there are ---- */

typedef struct collection {
  lcl_context *ctx;
  struct {
    lcl_tune_problem *data;
    size_t n, cap;
  } found;
  bool failed;
} collection;

static bool known(const collection *c, const char *key) {
  for (size_t i = 0; i < c->found.n; i++)
    if (strcmp(c->found.data[i].key, key) == 0) return true;
  return false;
}

static void seen(void *user, lcl_lower *lw, const lcl_gemm *g) {
  collection *c = user;
  lcl_tune_problem p = { .g = *g };
  lcl__gemm_key(g, p.key);
  if (known(c, p.key)) return;
  p.work = 2.0 * (double)g->m * (double)g->n * (double)g->k * (double)g->batch;
  p.a_bytes = lcl__slot_bytes(lw, g->a);
  p.b_bytes = lcl__slot_bytes(lw, g->b);
  p.c_bytes = lcl__slot_bytes(lw, g->c);
  p.g.label = "candidate";
  p.g.bias_kind = LCL_BIAS_NONE;
  p.g.act = LCL_ACT_NONE;
  p.g.channels_last = NULL; /* shared with neighbours only inside that program */
  p.usual = lcl__gemm_default(lcl__lower_caps(lw), &p.g);
  if (!LCL_PUSH(&c->found, p)) c->failed = true;
}

static void seen_conv(void *user, lcl_lower *lw, const lcl_conv_problem *conv) {
  collection *c = user;
  lcl_tune_problem p = { .is_conv = true, .conv = *conv, .work = conv->flops };
  lcl_shape shapes[3];
  lcl_choice other;
  lcl__conv_key(conv, p.key);
  p.conv.has_bias = false;
  p.conv.act = LCL_ACT_NONE;
  lcl__conv_shapes(conv, shapes);
  p.a_bytes = (size_t)lcl_shape_count(shapes[0]) * sizeof(float);
  p.b_bytes = (size_t)lcl_shape_count(shapes[1]) * sizeof(float);
  p.c_bytes = (size_t)lcl_shape_count(shapes[2]) * sizeof(float);
  p.usual = lcl__conv_default(lcl__lower_caps(lw), &p.conv);
  if (known(c, p.key) || lcl__tune_starts(lcl__lower_caps(lw), &p, &other, 1) == 0) return;
  if (!LCL_PUSH(&c->found, p)) c->failed = true;
}

static int by_work(const void *a, const void *b) {
  const lcl_tune_problem *x = a, *y = b;
  if (x->is_conv != y->is_conv)
    return x->is_conv ? 1 : -1; /* convolutions are compared with tuned GEMMs */
  return (x->work < y->work) - (x->work > y->work);
}

lcl_status lcl__tune_collect(lcl_context *ctx, const char *name, lcl_tune_problem **problems,
                             size_t *n) {
  collection c = { .ctx = ctx };
  const lcl_model_class *cls;
  lcl_workload step = { .name = name,
                        .suite = "tune",
                        .kind = LCL_WORK_STEP,
                        .run = lcl__bench_step,
                        .model = name,
                        .options = "",
                        .channels = 1,
                        .height = 28,
                        .width = 28 };
  lcl_bench_desc once = { .seconds = -1, .no_roofline = true };
  lcl_bench_row row = { 0 };
  size_t index;
  lcl_status st;
  lcl__gemm_watch(ctx, seen, &c);
  lcl__conv_watch(ctx, seen_conv, &c);
  if (lcl_model_find(name, &cls) == LCL_OK)
    st = lcl__bench_step(ctx, &step, &once, &row);
  else if ((st = lcl_bench_find(name, &index)) == LCL_OK)
    st = lcl_bench_run(ctx, index, &once, &row);
  lcl__gemm_watch(ctx, NULL, NULL);
  lcl__conv_watch(ctx, NULL, NULL);
  if (st == LCL_OK && c.failed) st = LCL_ERR_HOST_MEMORY;
  if (st != LCL_OK) {
    lcl__free(c.found.data);
    return st;
  }
  if (c.found.n) qsort(c.found.data, c.found.n, sizeof *c.found.data, by_work);
  *problems = c.found.data;
  *n = c.found.n;
  return LCL_OK;
}

/* ---- candidates ---- */

const lcl_implementation *lcl__tune_find(const char *name) {
  const lcl_implementation *gemm = lcl__gemm_find(name);
  return gemm ? gemm : lcl__conv_find(name);
}

size_t lcl__tune_neighbours(const lcl_choice *from, lcl_choice *out, size_t most) {
  size_t n = 0;
  for (int i = 0; i < from->implementation->n_params; i++) {
    const lcl_kernel_param *param = &from->implementation->params[i];
    for (int k = 0; k < param->n_candidates && n < most; k++) {
      out[n] = *from;
      *lcl__kernel_param_in(&out[n].params, param) = param->candidates[k];
      if (!lcl__choice_equal(&out[n], from)) n++;
    }
  }
  return n;
}

size_t lcl__tune_starts(const lcl_caps *caps, const lcl_tune_problem *p, lcl_choice *out,
                        size_t most) {
  size_t n = 0;
  for (int i = 0; !p->is_conv && lcl__gemm_list[i] && n < most; i++) {
    const lcl_implementation *im = &lcl__gemm_list[i]->base;
    if (im != p->usual.implementation && lcl__gemm_list[i]->supported(caps, &p->g))
      out[n++] = lcl__gemm_start(im, caps, &p->g);
  }
  for (int i = 0; p->is_conv && lcl__conv_list[i] && n < most; i++) {
    const lcl_implementation *im = &lcl__conv_list[i]->base;
    if (im != p->usual.implementation && lcl__conv_supported(im, caps, &p->conv))
      out[n++] = lcl__conv_start(im, caps, &p->conv);
  }
  return n;
}

/* ---- one candidate ---- */

/* A node that is just the GEMM. */
typedef struct gemm_attr {
  const lcl_tune_problem *p;
} gemm_attr;

static lcl_status infer_gemm(lcl_node *node) {
  const lcl_tune_problem *p = ((const gemm_attr *)node->attr)->p;
  node->out[0].shape = LCL_SHAPE((int64_t)(p->c_bytes / 4));
  node->out[0].dtype = LCL_F32;
  return LCL_OK;
}

static lcl_status lower_gemm(lcl_lower *lw, lcl_node *node) {
  lcl_gemm g = ((const gemm_attr *)node->attr)->p->g;
  g.a = lcl__in(lw, node->in[0]);
  g.b = lcl__in(lw, node->in[1]);
  g.c = lcl__out(lw, &node->out[0]);
  /* A NaN where nothing is written: a GEMM need not write all of a result that several share. */
  LCL_TRY(lcl__emit_fill(lw, g.c, 0xffffffffu, lcl__slot_bytes(lw, g.c)));
  return lcl__gemm_lower(lw, &g);
}

static const lcl_op op_gemm = {
  .name = "gemm", .attr_size = sizeof(gemm_attr), .infer = infer_gemm, .lower = lower_gemm
};

static float *integers(size_t bytes, uint32_t seed) {
  float *f = lcl__alloc(LCL_MAX(bytes, 4));
  for (size_t i = 0; f && i < bytes / 4; i++) {
    seed = seed * 1664525u + 1013904223u;
    f[i] = (float)((int)(seed >> 16) % 5 - 2);
  }
  return f;
}

typedef struct trial {
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  float *a, *b, *c;
} trial;

static void trial_free(trial *t) {
  lcl_program_destroy(t->program);
  lcl_graph_destroy(t->g);
  lcl_store_destroy(t->store);
  lcl__free(t->a);
  lcl__free(t->b);
  lcl__free(t->c);
}

/* Builds the problem with this choice, runs it once, and fetches the result. */
static lcl_status trial_run(lcl_context *ctx, const lcl_tune_problem *p, const lcl_choice *choice,
                            trial *t) {
  t->a = integers(p->a_bytes, 1);
  t->b = integers(p->b_bytes, 2);
  t->c = lcl__alloc(LCL_MAX(p->c_bytes, 4));
  if (!t->a || !t->b || !t->c) return LCL_ERR_HOST_MEMORY;
  LCL_TRY(lcl__tuning_set(ctx, p->key, choice));
  LCL_TRY(lcl_store_create(ctx, 1, &t->store));
  LCL_TRY(lcl_graph_create(t->store, "tune", &t->g));
  lcl_shape shapes[3] = { LCL_SHAPE((int64_t)(p->a_bytes / 4)),
                          LCL_SHAPE((int64_t)(p->b_bytes / 4)) };
  if (p->is_conv) lcl__conv_shapes(&p->conv, shapes);
  lcl_tensor *a = lcl_input(t->g, "a", LCL_F32, shapes[0]),
             *b = lcl_input(t->g, "b", LCL_F32, shapes[1]);
  lcl_tensor *c = p->is_conv
                      ? lcl__node_new(t->g, lcl__conv_op(p->conv.pass), LCL_IN(a, b), &p->conv.a, 1)
                      : lcl__node_new(t->g, &op_gemm, LCL_IN(a, b), &(gemm_attr) { p }, 1);
  LCL_TRY(lcl_compile(t->g, &(lcl_compile_desc) { .fetch = &c, .n_fetch = 1 }, &t->program));
  LCL_TRY(lcl_feed(t->program, "a", t->a, p->a_bytes));
  LCL_TRY(lcl_feed(t->program, "b", t->b, p->b_bytes));
  LCL_TRY(lcl_run(t->program));
  return lcl_fetch(t->program, "#0", t->c, p->c_bytes);
}

static lcl_status fastest(lcl_context *ctx, lcl_program *program, double *seconds) {
  double end = lcl__now() + 0.05;
  *seconds = 1e30;
  for (int i = 0; i < 3 || (i < 200 && lcl__now() < end); i++) {
    double t = lcl__now();
    LCL_TRY(lcl_run(program));
    LCL_TRY(lcl_context_finish(ctx));
    *seconds = LCL_MIN(*seconds, lcl__now() - t);
  }
  return LCL_OK;
}

static bool legal(const lcl_caps *caps, const lcl_tune_problem *p, const lcl_choice *c) {
  return p->is_conv ? lcl__conv_find(c->implementation->name) && lcl__conv_legal(caps, &p->conv, c)
                    : lcl__gemm_find(c->implementation->name) && lcl__gemm_legal(caps, &p->g, c);
}

lcl_status lcl__tune_measure(lcl_context *ctx, const lcl_tune_problem *p, const lcl_choice *c,
                             double *seconds) {
  trial t = { 0 };
  if (!legal(lcl__context_caps(ctx), p, c))
    return lcl__fail(LCL_ERR_UNSUPPORTED, "not possible on this device");
  lcl_status st = trial_run(ctx, p, c, &t);
  if (st == LCL_OK)
    st = p->is_conv ? lcl__tune_check_conv(&p->conv, c, t.a, t.b, t.c)
                    : lcl__tune_check_gemm(&p->g, t.a, t.b, t.c);
  if (st == LCL_OK) st = fastest(ctx, t.program, seconds);
  trial_free(&t);
  lcl__tuning_set(ctx, p->key, NULL);
  return st;
}

lcl_status lcl__tune_verify(lcl_context *ctx, const char *name, size_t *n) {
  lcl_tune_problem *problems;
  LCL_TRY(lcl__tune_collect(ctx, name, &problems, n));
  lcl_status st = LCL_OK;
  for (size_t i = 0; st == LCL_OK && i < *n; i++) {
    lcl_choice c;
    double seconds;
    if (!lcl__tuning_find(ctx, problems[i].key, lcl__tune_find, &c) ||
        !legal(lcl__context_caps(ctx), &problems[i], &c))
      c = problems[i].usual;
    st = lcl__tune_measure(ctx, &problems[i], &c, &seconds);
    if (st != LCL_OK) lcl__fail_prefix(st, "%s", problems[i].key);
  }
  lcl__free(problems);
  return st;
}
