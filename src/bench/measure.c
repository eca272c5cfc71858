/* Measuring: compile, first run, steady state; and op workloads from the reference table. */
#include <math.h>

#include "base/text.h"
#include "bench/bench.h"
#include "bench/tune.h"
#include "latentcl/ops.h"
#include "reference/spec.h"

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double lcl__bench_median(double *values, size_t n) {
  qsort(values, n, sizeof *values, by_value);
  return n % 2 ? values[n / 2] : 0.5 * (values[n / 2 - 1] + values[n / 2]);
}

lcl_status lcl__bench_compile(lcl_graph *g, const lcl_compile_desc *how, lcl_program **out,
                              lcl_bench_row *row) {
  double t = lcl__now(), most = -1, flops;
  LCL_TRY(lcl_compile(g, how, out));
  row->compile = lcl__now() - t;
  lcl_program_stats s = lcl_program_get_stats(*out);
  row->flops = s.flops;
  row->bytes = s.bytes;
  row->launches = s.launches;
  row->memory = s.peak_memory + s.variable_memory;
  const char *label;
  for (size_t i = 0; (label = lcl__program_launch(*out, i, &flops, NULL)) != NULL; i++)
    if (flops > most) {
      most = flops;
      snprintf(row->algorithm, sizeof row->algorithm, "%.95s", label);
    }
  return LCL_OK;
}

/* Runs `count` times, then waits; enqueue gets the time until the last one was enqueued. */
static lcl_status burst(lcl_context *ctx, lcl_bench_fn run, void *user, long count, double *seconds,
                        double *enqueue) {
  double t = lcl__now();
  for (long i = 0; i < count; i++) LCL_TRY(run(user));
  *enqueue = (lcl__now() - t) / (double)count;
  LCL_TRY(lcl_context_finish(ctx));
  *seconds = (lcl__now() - t) / (double)count;
  return LCL_OK;
}

/* settling: runs before the work is what it will be; they get ten times the budget at most. */
static lcl_status time_runs(lcl_context *ctx, lcl_bench_fn run, void *user, int settling,
                            const lcl_bench_desc *desc, lcl_bench_row *row) {
  enum { MOST = 4096 };
  double *times = lcl__alloc(2 * MOST * sizeof *times), *host = times ? times + MOST : NULL;
  if (!times) return LCL_ERR_HOST_MEMORY;
  double budget = desc->seconds > 0 ? desc->seconds : 1.0, warm = 0, ignored;
  lcl_status st = burst(ctx, run, user, 1, &row->first_run, &ignored);
  if (desc->seconds < 0) { /* no more than that */
    lcl__free(times);
    return st;
  }
  const double start = lcl__now();
  for (int i = 0; st == LCL_OK && i < settling && lcl__now() - start < 10 * budget; i++)
    st = burst(ctx, run, user, 1, &warm, &ignored);
  for (int i = 0; st == LCL_OK && i < 3 && (i == 0 || warm < budget); i++)
    st = burst(ctx, run, user, 1, &warm, &ignored);
  /* A wait costs tens of microseconds: short work is measured in bursts of a millisecond. */
  long count = warm < 5e-4 ? (long)(1e-3 / (warm > 1e-7 ? warm : 1e-7)) + 1 : 1;
  size_t n = 0;
  for (double end = lcl__now() + budget; st == LCL_OK && n < MOST && (n < 5 || lcl__now() < end);
       n++)
    st = burst(ctx, run, user, count, &times[n], &host[n]);
  if (st == LCL_OK) {
    row->runs = (long)n * count;
    row->median = lcl__bench_median(times, n);
    row->best = times[0];
    row->enqueue = lcl__bench_median(host, n);
    for (size_t i = 0; i < n; i++) times[i] = fabs(times[i] - row->median);
    row->spread = lcl__bench_median(times, n);
  }
  lcl__free(times);
  return st;
}

lcl_status lcl__bench_time_fn(lcl_context *ctx, lcl_bench_fn run, void *user,
                              const lcl_bench_desc *desc, lcl_bench_row *row) {
  return time_runs(ctx, run, user, 0, desc, row);
}

static lcl_status run_program(void *program) {
  return lcl_run(program);
}

lcl_status lcl__bench_time(lcl_context *ctx, lcl_program *p, lcl_bench_desc *desc,
                           lcl_bench_row *row) {
  LCL_TRY(time_runs(ctx, run_program, p, lcl__program_unsettled(p), desc, row));
  if (desc->no_roofline || row->median <= 0) return LCL_OK;
  if (desc->peaks.flops <= 0) LCL_TRY(lcl_bench_measure_peaks(ctx, &desc->peaks));
  row->roofline = lcl__bench_best_time(&desc->peaks, p) / row->median;
  if (row->roofline > 1) { /* the machine did something else too when the peaks were measured */
    LCL_TRY(lcl__bench_raise_peaks(ctx, &desc->peaks));
    row->roofline = lcl__bench_best_time(&desc->peaks, p) / row->median;
  }
  return LCL_OK;
}

/* ---- ops ---- */

/* Parses "32x64x3x3" at *text and moves past it and the space behind; false at "-". */
static bool next_shape(const char **text, lcl_shape *s) {
  *s = (lcl_shape) { 0 };
  const char *p = *text;
  bool present = *p != '-';
  while (present && *p >= '0' && *p <= '9') {
    char *end;
    s->dim[s->rank++] = strtoll(p, &end, 10);
    p = *end == 'x' ? end + 1 : end;
  }
  while (*p && *p != ' ') p++;
  while (*p == ' ') p++;
  *text = p;
  return present;
}

/* Uniform in [-range, range): rounding stays small and no product overflows. */
static void fill_array(lcl_array *a, double range, uint64_t seed) {
  int64_t n = lcl_shape_count(a->shape);
  for (int64_t i = 0; i < n; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    a->data[i] = (double)(float)(range * ((double)(seed >> 40) / (double)(1 << 23) - 1.0));
  }
}

static lcl_status make_case(const lcl_workload *w, lcl_case **out) {
  const lcl_spec *spec = lcl__spec_find(w->op);
  if (!spec) return LCL_ERR_ARGUMENT;
  LCL_TRY(lcl__case_create(spec, out));
  char attr[64];
  for (const char *p = w->attrs ? w->attrs : ""; *p;) {
    size_t n = strcspn(p, " ");
    snprintf(attr, sizeof attr, "%.*s", (int)n, p);
    LCL_TRY(lcl__case_set(*out, attr));
    p += n + strspn(p + n, " ");
  }
  const char *shapes = w->shapes;
  for (int i = 0; *shapes && i < LCL_SPEC_INS; i++) {
    lcl_shape s;
    if (!next_shape(&shapes, &s)) continue;
    LCL_TRY(lcl__array_new(*out, LCL_F32, s, &(*out)->in[i]));
  }
  if (spec->ranges) spec->ranges(*out);
  for (int i = 0; i < LCL_SPEC_INS; i++) {
    const double range = (*out)->range[i];
    if ((*out)->in[i].data)
      fill_array(&(*out)->in[i], range > 0 && range < 1 ? range : 1, (uint64_t)i + 1);
  }
  return lcl__case_complete(*out);
}

static lcl_status feed_array(lcl_program *p, const char *name, const lcl_array *a) {
  size_t n = (size_t)lcl_shape_count(a->shape);
  float *f = lcl__alloc(LCL_MAX(n, 1) * sizeof *f);
  if (!f) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < n; i++) f[i] = (float)a->data[i];
  lcl_status st = lcl_feed(p, name, f, n * sizeof *f);
  lcl__free(f);
  return st;
}

typedef struct op_graph {
  lcl_store *store;
  lcl_graph *g;
  lcl_program *p;
  lcl_tensor *fetch;
} op_graph;

static void op_graph_free(op_graph *o) {
  lcl_program_destroy(o->p);
  lcl_graph_destroy(o->g);
  lcl_store_destroy(o->store);
}

static lcl_status op_graph_build(lcl_context *ctx, const lcl_workload *w, lcl_case *c, op_graph *o,
                                 lcl_bench_row *row) {
  lcl_tensor *in[LCL_SPEC_INS] = { 0 }, *out[LCL_SPEC_OUTS] = { 0 };
  LCL_TRY(lcl_store_create(ctx, 1, &o->store));
  LCL_TRY(lcl_graph_create(o->store, "bench", &o->g));
  LCL_TRY(lcl_graph_precision(o->g, w->half ? LCL_F16 : LCL_F32));
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++)
    if (c->in[i].data) in[i] = lcl_input(o->g, c->spec->in[i].name, c->in[i].dtype, c->in[i].shape);
  LCL_TRY(c->spec->build(c, o->g, in, out));
  o->fetch = out[0];
  if (w->gradient) {
    lcl_shape s = lcl_tensor_shape(out[0]);
    LCL_TRY(lcl__array_new(c, LCL_F32, s, &c->grad_out[0]));
    fill_array(&c->grad_out[0], 1, 99);
    lcl_vjp(out[0], lcl_input(o->g, "grad", LCL_F32, s), &in[w->gradient - 1], 1, &o->fetch);
  }
  if (w->half) lcl__case_halve(c);
  lcl_compile_desc how = { .fetch = &o->fetch, .n_fetch = 1, .only_fetch = true };
  LCL_TRY(lcl__bench_compile(o->g, &how, &o->p, row));
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++) {
    lcl_status st = c->in[i].data ? feed_array(o->p, c->spec->in[i].name, &c->in[i]) : LCL_OK;
    if (st == LCL_ERR_ARGUMENT && w->gradient)
      st = LCL_OK; /* a gradient need not read every input */
    LCL_TRY(st);
  }
  return w->gradient ? feed_array(o->p, "grad", &c->grad_out[0]) : LCL_OK;
}

static lcl_status op_verify(const lcl_workload *w, lcl_case *c, op_graph *o, lcl_bench_row *row) {
  lcl_case_result r = { 0 };
  lcl_array *to = w->gradient ? &r.grad_in[w->gradient - 1] : &r.out[0];
  LCL_TRY(lcl__array_new(c, LCL_F32, lcl_tensor_shape(o->fetch), to));
  size_t n = (size_t)lcl__array_count(to);
  float *f = lcl__alloc(LCL_MAX(n, 1) * sizeof *f);
  if (!f) return LCL_ERR_HOST_MEMORY;
  lcl_status st = lcl__case_note_random(c, o->store, "bench.rng");
  if (st == LCL_OK) st = lcl_run(o->p);
  if (st == LCL_OK) st = lcl_fetch(o->p, "#0", f, n * sizeof *f);
  for (size_t i = 0; i < n; i++) to->data[i] = f[i];
  lcl__free(f);
  if (st == LCL_OK) st = lcl__case_reference(c);
  if (st != LCL_OK) return st;
  st = lcl__case_compare(c, &r, &row->error);
  row->verified = st == LCL_OK ? 1 : -1;
  return st == LCL_ERR_NUMERIC
             ? LCL_OK
             : st; /* a wrong result is a finding, not a failure of the benchmark */
}

lcl_status lcl__bench_op(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                         lcl_bench_row *row) {
  lcl_case *c = NULL;
  op_graph o = { 0 };
  lcl_status st = make_case(w, &c);
  if (st == LCL_OK) st = op_graph_build(ctx, w, c, &o, row);
  if (st == LCL_OK) st = lcl__bench_time(ctx, o.p, desc, row);
  if (st == LCL_OK && desc->verify) st = op_verify(w, c, &o, row);
  op_graph_free(&o);
  lcl__case_destroy(c);
  return st;
}

/* ---- any row ---- */

lcl_bench_info lcl_bench_at(size_t i) {
  const lcl_workload *w = lcl__bench_workload(i);
  if (!w) return (lcl_bench_info) { "", "", "" };
  return (lcl_bench_info) { w->name, w->suite, w->description };
}

lcl_status lcl_bench_find(const char *name, size_t *index) {
  LCL_NEED(name, index);
  lcl_nearest nearest = { .typed = name };
  char hint[96];
  for (size_t i = 0; i < lcl_bench_count(); i++) {
    const lcl_workload *w = lcl__bench_workload(i);
    lcl__nearest_try(&nearest, w->name);
    if (strcmp(w->name, name) == 0 || (w->path && strcmp(w->path, name) == 0))
      return *index = i, LCL_OK;
  }
  return lcl__fail(LCL_ERR_ARGUMENT, "no workload \"%s\"%s; `latentcl bench --list` names them",
                   name, lcl__nearest_hint(&nearest, "", hint));
}

/* The peak counts from here on. */
static void forget_host_peak(void) {
  FILE *f = fopen("/proc/self/clear_refs", "we");
  if (!f) return;
  fputs("5", f);
  fclose(f);
}

/* Most bytes that this process had resident; 0: the system does not tell. */
static size_t host_peak(void) {
  FILE *f = fopen("/proc/self/status", "re");
  char line[256];
  unsigned long long kib = 0;
  while (f && fgets(line, sizeof line, f) && sscanf(line, "VmHWM: %llu", &kib) != 1) continue;
  if (f) fclose(f);
  return (size_t)kib << 10;
}

static lcl_status run_workload(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                               lcl_bench_row *row) {
  return w->kind == LCL_WORK_OP ? lcl__bench_op(ctx, w, desc, row) : w->run(ctx, w, desc, row);
}

/* Once more on a context with the profiler, which costs an event a launch and so has no place in
 * the timing itself. */
static lcl_status measure_device(lcl_context *ctx, const lcl_workload *w, lcl_bench_row *row) {
  const lcl_caps *caps = lcl__context_caps(ctx);
  lcl_bench_desc once = { .seconds = 1e-6, .no_roofline = true };
  lcl_bench_row again = { 0 };
  lcl_profile_row *rows = NULL;
  lcl_context *profiled;
  size_t n = 0;
  char device[24];
  lcl__caps_selector(caps, device);
  LCL_TRY(lcl_context_create(&(lcl_context_desc) { .device = device, .profile = true }, &profiled));
  lcl_status st = run_workload(profiled, w, &once, &again);
  if (st == LCL_OK) st = lcl__profile_rows(profiled, &rows, &n);
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += rows[i].seconds;
  if (st == LCL_OK)
    row->device = sum / (double)(again.runs + 2); /* the first run and one to warm up */
  lcl__free(rows);
  lcl_context_destroy(profiled);
  return st;
}

/* No reference computes a whole training step or network. Its GEMMs and convolutions are compared
 * with theirs one by one, and the step as it is timed with itself without fusion. */
static lcl_status verify_parts(lcl_context *ctx, const lcl_workload *w, lcl_bench_row *row) {
  size_t n;
  lcl_status st = lcl__tune_verify(ctx, w->name, &n);
  if (st != LCL_OK && st != LCL_ERR_NUMERIC) return st;
  if (st == LCL_ERR_NUMERIC) lcl__logf(LCL_LOG_WARN, "%s: %s", w->name, lcl_error_message());
  row->verified_parts = n > 0;
  row->verified = st != LCL_OK ? -1 : n > 0;
  if (st != LCL_OK || (w->kind != LCL_WORK_STEP && w->kind != LCL_WORK_FILE)) return LCL_OK;
  if (w->kind == LCL_WORK_STEP)
    LCL_TRY(lcl__bench_step_verify(ctx, w, &row->error));
  else
    LCL_TRY(lcl__bench_file_verify(ctx, w, &row->error));
  row->verified_parts = true;
  row->verified = row->error > 1 ? -1 : 1;
  return LCL_OK;
}

lcl_status lcl_bench_run(lcl_context *ctx, size_t index, lcl_bench_desc *desc, lcl_bench_row *row) {
  LCL_NEED(ctx, desc, row);
  const lcl_workload *w = lcl__bench_workload(index);
  if (!w) return lcl__fail(LCL_ERR_ARGUMENT, "there is no workload %zu", index);
  *row = (lcl_bench_row) { .cold_compile = -1,
                           .cached_compile = -1,
                           .compile = -1,
                           .first_run = -1,
                           .median = -1,
                           .spread = -1,
                           .best = -1,
                           .enqueue = -1,
                           .device = -1,
                           .roofline = -1,
                           .value = -1 };
  snprintf(row->name, sizeof row->name, "%s", w->name);
  snprintf(row->suite, sizeof row->suite, "%s", w->suite);
  forget_host_peak();
  lcl_status st = run_workload(ctx, w, desc, row);
  if (st != LCL_OK) return lcl__fail_prefix(st, "%s", w->name);
  row->host_memory = host_peak();
  if (row->unit[0] || row->median <= 0) return LCL_OK;
  if (desc->verify && w->kind != LCL_WORK_OP) LCL_TRY(verify_parts(ctx, w, row));
  return desc->device_time ? measure_device(ctx, w, row) : LCL_OK;
}
