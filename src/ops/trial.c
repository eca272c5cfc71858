/* See trial.h. */
#include "ops/trial.h"

#include <math.h>

#include "latentcl/ops.h"
#include "ops/tuning.h"

/* ---- the problem on its own ---- */

static void strip_gemm(lcl_lower *lw, const lcl_gemm *g, lcl_trial_problem *t) {
  const size_t wider = g->half ? 2 : 1; /* a trial has floats */
  t->bytes[0] = lcl__slot_bytes(lw, g->a) * wider;
  t->bytes[1] = lcl__slot_bytes(lw, g->b) * wider;
  t->bytes[2] = lcl__slot_bytes(lw, g->c) * (g->half_c ? 2 : 1);
  t->as.gemm = *g;
  t->as.gemm.label = "candidate";
  t->as.gemm.bias_kind = LCL_BIAS_NONE;
  t->as.gemm.act = LCL_ACT_NONE;
  t->as.gemm.half_c = false;
  t->as.gemm.channels_last = NULL; /* shared with neighbours only inside that program */
}

static void strip_conv(const lcl_conv_problem *p, lcl_trial_problem *t) {
  lcl_shape shapes[3];
  lcl__conv_shapes(p, shapes);
  for (int i = 0; i < 3; i++) t->bytes[i] = (size_t)lcl_shape_count(shapes[i]) * sizeof(float);
  t->as.conv = *p;
  t->as.conv.has_bias = false;
  t->as.conv.act = LCL_ACT_NONE;
  t->as.conv.half_out = false;
}

lcl_trial_problem lcl__trial_problem_of(lcl_lower *lw, const lcl_problem *p) {
  lcl_trial_problem t = { .kind = p->kind, .flops = p->flops };
  snprintf(t.key, sizeof t.key, "%s", p->key);
  if (p->kind == &lcl__conv_kind)
    strip_conv(p->p, &t);
  else
    strip_gemm(lw, p->p, &t);
  t.usual = lcl__kind_default(t.kind, lcl__lower_caps(lw), &t.as);
  return t;
}

/* A node that is just the GEMM. */
typedef struct gemm_attr {
  const lcl_trial_problem *p;
} gemm_attr;

static lcl_status infer_gemm(lcl_node *node) {
  const lcl_trial_problem *p = ((const gemm_attr *)node->attr)->p;
  node->out[0].shape = LCL_SHAPE((int64_t)(p->bytes[2] / sizeof(float)));
  node->out[0].dtype = LCL_F32;
  return LCL_OK;
}

static lcl_status lower_gemm(lcl_lower *lw, lcl_node *node) {
  lcl_gemm g = ((const gemm_attr *)node->attr)->p->as.gemm;
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

/* ---- trials ---- */

static float *integers(size_t bytes, uint32_t seed) {
  float *f = lcl__alloc(LCL_MAX(bytes, 4));
  for (size_t i = 0; f && i < bytes / sizeof(float); i++) {
    seed = seed * 1664525u + 1013904223u;
    f[i] = (float)((int)(seed >> 16) % 5 - 2);
  }
  return f;
}

lcl_status lcl__trial_open(lcl_context *ctx, const lcl_trial_problem *p, lcl_trial *t) {
  *t = (lcl_trial) { .ctx = ctx,
                     .p = p,
                     .a = integers(p->bytes[0], 1),
                     .b = integers(p->bytes[1], 2),
                     .c = lcl__alloc(LCL_MAX(p->bytes[2], 4)) };
  return t->a && t->b && t->c ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

static void drop_program(lcl_trial *t) {
  lcl_program_destroy(t->program);
  lcl_graph_destroy(t->g);
  lcl_store_destroy(t->store);
  t->program = NULL;
  t->g = NULL;
  t->store = NULL;
}

void lcl__trial_close(lcl_trial *t) {
  drop_program(t);
  lcl__free(t->a);
  lcl__free(t->b);
  lcl__free(t->c);
}

static lcl_status compute(lcl_trial *t) {
  const lcl_trial_problem *p = t->p;
  const bool is_conv = p->kind == &lcl__conv_kind;
  lcl_shape shapes[3] = { LCL_SHAPE((int64_t)(p->bytes[0] / sizeof(float))),
                          LCL_SHAPE((int64_t)(p->bytes[1] / sizeof(float))) };
  if (is_conv) lcl__conv_shapes(&p->as.conv, shapes);
  LCL_TRY(lcl_store_create(t->ctx, 1, &t->store));
  LCL_TRY(lcl_graph_create(t->store, "trial", &t->g));
  lcl_tensor *a = lcl_input(t->g, "a", LCL_F32, shapes[0]),
             *b = lcl_input(t->g, "b", LCL_F32, shapes[1]);
  if (is_conv ? p->as.conv.half : p->as.gemm.half)
    a = lcl_cast(a, LCL_F16), b = lcl_cast(b, LCL_F16);
  lcl_tensor *c = is_conv ? lcl__node_new(t->g, lcl__conv_op(p->as.conv.pass), LCL_IN(a, b),
                                          &p->as.conv.a, 1)
                          : lcl__node_new(t->g, &op_gemm, LCL_IN(a, b), &(gemm_attr) { p }, 1);
  LCL_TRY(lcl_compile(t->g, &(lcl_compile_desc) { .fetch = &c, .n_fetch = 1 }, &t->program));
  LCL_TRY(lcl_feed(t->program, "a", t->a, p->bytes[0]));
  LCL_TRY(lcl_feed(t->program, "b", t->b, p->bytes[1]));
  LCL_TRY(lcl_run(t->program));
  return lcl_fetch(t->program, "#0", t->c, p->bytes[2]);
}

lcl_status lcl__trial_compute(lcl_trial *t, const lcl_choice *c) {
  drop_program(t);
  if (!lcl__kind_legal(t->p->kind, lcl__context_caps(t->ctx), &t->p->as, c))
    return lcl__fail(LCL_ERR_UNSUPPORTED, "not possible on this device");
  LCL_TRY(lcl__tuning_set(t->ctx, t->p->key, c));
  const lcl_status st = compute(t);
  lcl__tuning_set(t->ctx, t->p->key, NULL);
  return st;
}

lcl_status lcl__trial_time(lcl_trial *t, double most, double enough, double *seconds) {
  const double end = lcl__now() + most;
  *seconds = 1e30;
  for (int i = 0; i < 3 || (i < 200 && lcl__now() < end); i++) {
    const double start = lcl__now();
    LCL_TRY(lcl_run(t->program));
    LCL_TRY(lcl_context_finish(t->ctx));
    *seconds = LCL_MIN(*seconds, lcl__now() - start);
    if (*seconds > 2 * enough) break;
  }
  return LCL_OK;
}

/* ---- rounding ---- */

/* The largest Euclidean norm of `items` parts of x, n floats in all. */
static double largest_norm(const float *x, int64_t items, int64_t n) {
  double most = 0;
  for (int64_t i = 0; i < items; i++) {
    double sum = 0;
    for (int64_t k = i * (n / items); k < (i + 1) * (n / items); k++) sum += (double)x[k] * x[k];
    most = LCL_MAX(most, sqrt(sum));
  }
  return most;
}

double lcl__trial_bound(const lcl_trial *t, const lcl_choice *c) {
  if (t->p->kind != &lcl__conv_kind) return 0;
  const lcl_conv_implementation *im = lcl__conv_implementation_of(c->implementation);
  lcl_shape shapes[3];
  if (!im->tolerance) return 0;
  lcl__conv_shapes(&t->p->as.conv, shapes);
  return im->tolerance(&t->p->as.conv) *
         largest_norm(t->a, shapes[0].dim[0], lcl_shape_count(shapes[0])) *
         largest_norm(t->b, shapes[1].dim[0], lcl_shape_count(shapes[1]));
}
