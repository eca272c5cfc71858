/* See tune.h. */
#include "bench/tune.h"

#include "ops/choose.h"
#include "latentcl/model.h"
#include "latentcl/ops.h"

/* ---- which problems there are ---- */

typedef struct collection {
  struct {
    lcl_trial_problem *data;
    size_t n, cap;
  } found;
  bool failed;
} collection;

static bool known(const collection *c, const char *key) {
  for (size_t i = 0; i < c->found.n; i++)
    if (strcmp(c->found.data[i].key, key) == 0) return true;
  return false;
}

static void seen(void *user, lcl_lower *lw, const lcl_problem *problem) {
  collection *c = user;
  lcl_choice other;
  if (known(c, problem->key)) return;
  const lcl_trial_problem p = lcl__trial_problem_of(lw, problem);
  if (p.usual.implementation->n_params == 0 &&
      lcl__tune_starts(lcl__lower_caps(lw), &p, &other, 1) == 0)
    return; /* there is no choice */
  if (!LCL_PUSH(&c->found, p)) c->failed = true;
}

static int by_work(const void *a, const void *b) {
  const lcl_trial_problem *x = a, *y = b;
  if (x->kind != y->kind)
    return x->kind == &lcl__conv_kind ? 1 : -1; /* convolutions are compared with tuned GEMMs */
  return (x->flops < y->flops) - (x->flops > y->flops);
}

lcl_status lcl__tune_collect(lcl_context *ctx, const char *name, lcl_trial_problem **problems,
                             size_t *n) {
  collection c = { .failed = false };
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
  LCL_TRY(lcl__choose_watch(ctx, seen, &c));
  if (lcl_model_find(name, &cls) == LCL_OK)
    st = lcl__bench_step(ctx, &step, &once, &row);
  else if ((st = lcl_bench_find(name, &index)) == LCL_OK)
    st = lcl_bench_run(ctx, index, &once, &row);
  lcl__choose_watch(ctx, NULL, NULL);
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

const lcl_kind *lcl__tune_kind(const char *implementation) {
  return lcl__kind_find(&lcl__gemm_kind, implementation) ? &lcl__gemm_kind : &lcl__conv_kind;
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

size_t lcl__tune_starts(const lcl_caps *caps, const lcl_trial_problem *p, lcl_choice *out,
                        size_t most) {
  size_t n = 0;
  for (const lcl_implementation *const *im = p->kind->list; *im && n < most; im++)
    if (*im != p->usual.implementation && p->kind->supported(*im, caps, &p->as))
      out[n++] = lcl__kind_start(p->kind, *im, caps, &p->as);
  return n;
}

lcl_status lcl__tune_measure(lcl_context *ctx, const lcl_trial_problem *p, const lcl_choice *c,
                             double *seconds) {
  lcl_trial t;
  lcl_status st = lcl__trial_open(ctx, p, &t);
  if (st == LCL_OK) st = lcl__trial_compute(&t, c);
  if (st == LCL_OK) st = lcl__tune_check(&t, c);
  if (st == LCL_OK) st = lcl__trial_time(&t, 0.05, 1e30, seconds);
  lcl__trial_close(&t);
  return st;
}

lcl_status lcl__tune_verify(lcl_context *ctx, const char *name, size_t *n) {
  lcl_trial_problem *problems;
  LCL_TRY(lcl__tune_collect(ctx, name, &problems, n));
  lcl_status st = LCL_OK;
  for (size_t i = 0; st == LCL_OK && i < *n; i++) {
    const lcl_trial_problem *p = &problems[i];
    lcl_record r;
    double seconds;
    lcl__choice_recorded(ctx, p->kind, p->key, &p->as, &r);
    st = lcl__tune_measure(ctx, p, &r.choice, &seconds);
    if (st != LCL_OK) lcl__fail_prefix(st, "%s", problems[i].key);
  }
  lcl__free(problems);
  return st;
}
