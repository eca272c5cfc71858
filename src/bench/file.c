/* Networks from ONNX files: workloads that a program adds to the table. */
#include <math.h>

#include "bench/bench.h"
#include "latentcl/onnx.h"

/* Sums in another order move an output by less than this part of its size. */
static const double TOLERANCE = 1e-4;

/* ---- what was added ---- */

static struct {
  lcl_workload **data;
  size_t n, cap;
} added;

size_t lcl_bench_count(void) {
  return lcl__n_workloads + added.n;
}

const lcl_workload *lcl__bench_workload(size_t index) {
  if (index < lcl__n_workloads) return &lcl__workloads[index];
  return index - lcl__n_workloads < added.n ? added.data[index - lcl__n_workloads] : NULL;
}

/* The end of a path that a row's name does not hold. */
static const char *name_of(const char *path) {
  const size_t n = strlen(path), most = sizeof((lcl_bench_row *)NULL)->name - 1;
  return n > most ? path + (n - most) : path;
}

static void workload_free(lcl_workload *w) {
  for (size_t i = 0; w && w->dims && i < w->n_dims; i++) lcl__free((char *)(uintptr_t)w->dims[i]);
  if (w) lcl__free((void *)(uintptr_t)w->dims);
  if (w) lcl__free((char *)(uintptr_t)w->path);
  lcl__free(w);
}

static lcl_workload *workload_of(const char *path, const char *const *dims, size_t n_dims) {
  lcl_workload *w = lcl__alloc(sizeof *w);
  char **copies = lcl__alloc((n_dims + 1) * sizeof *copies), *own = lcl__strdup(path);
  bool ok = w && copies && own;
  for (size_t i = 0; ok && i < n_dims; i++) ok = (copies[i] = lcl__strdup(dims[i])) != NULL;
  if (!w) {
    lcl__free(copies);
    lcl__free(own);
    return NULL;
  }
  *w = (lcl_workload) { .suite = "onnx",
                        .description = "a network from an ONNX file",
                        .kind = LCL_WORK_FILE,
                        .run = lcl__bench_file,
                        .path = own,
                        .dims = (const char *const *)copies,
                        .n_dims = n_dims };
  if (ok) return w->name = name_of(own), w;
  workload_free(w);
  return NULL;
}

enum { MOST_DIMS = 64 };

lcl_status lcl_bench_add_onnx(const char *path, const char *const *dims, size_t n_dims,
                              size_t *index) {
  LCL_NEED(path, index);
  if (n_dims > MOST_DIMS)
    return lcl__fail(LCL_ERR_ARGUMENT, "%zu dimensions; at most %d can be given", n_dims,
                     MOST_DIMS);
  for (size_t i = 0; i < n_dims; i++)
    if (!dims || !dims[i]) return lcl__fail(LCL_ERR_ARGUMENT, "the dimensions are NULL");
  lcl_workload *w = workload_of(path, dims, n_dims);
  if (!w) return LCL_ERR_HOST_MEMORY;
  for (size_t i = 0; i < added.n; i++)
    if (strcmp(added.data[i]->path, path) == 0) { /* the same file, perhaps with other sizes */
      workload_free(added.data[i]);
      added.data[i] = w;
      *index = lcl_bench_count() - added.n + i;
      return LCL_OK;
    }
  for (size_t i = 0; i < lcl_bench_count(); i++)
    if (strcmp(lcl__bench_workload(i)->name, w->name) == 0) {
      const lcl_status st = lcl__fail(LCL_ERR_ARGUMENT, "there is a workload \"%s\" already",
                                      w->name);
      workload_free(w);
      return st;
    }
  if (!LCL_PUSH(&added, w)) {
    workload_free(w);
    return LCL_ERR_HOST_MEMORY;
  }
  *index = lcl_bench_count() - 1;
  return LCL_OK;
}

/* ---- running ---- */

typedef struct network {
  lcl_store *store;
  lcl_graph *g;
  lcl_onnx_model *onnx;
  lcl_program *p;
} network;

static void network_free(network *n) {
  lcl_program_destroy(n->p);
  lcl_onnx_close(n->onnx);
  lcl_graph_destroy(n->g);
  lcl_store_destroy(n->store);
}

/* Uniform in [-1,1); whole numbers are 0 and 1, which any index or truth value may be. */
static lcl_status feed(lcl_program *p, const lcl_onnx_value *v) {
  const size_t n = (size_t)lcl_shape_count(lcl_tensor_shape(v->tensor));
  const lcl_dtype dtype = lcl_tensor_dtype(v->tensor);
  void *data = lcl__alloc((n + 1) * 4);
  if (!data) return LCL_ERR_HOST_MEMORY;
  uint64_t seed = 17;
  for (size_t i = 0; i < n; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    if (dtype == LCL_F32) ((float *)data)[i] = (float)(seed >> 40) / (float)(1 << 23) - 1;
    if (dtype == LCL_I32) ((int32_t *)data)[i] = (int32_t)(seed >> 63);
    if (dtype == LCL_U8) ((uint8_t *)data)[i] = (uint8_t)(seed >> 63);
  } /* halves: zeros */
  const lcl_status st = lcl_feed(p, v->name, data, n * lcl_dtype_size(dtype));
  lcl__free(data);
  return st;
}

static lcl_status network_build(lcl_context *ctx, const lcl_workload *w, bool plain, network *n,
                                lcl_bench_row *row) {
  const lcl_onnx_desc how = { .dims = w->dims, .n_dims = w->n_dims };
  LCL_TRY(lcl_store_create(ctx, 1, &n->store));
  LCL_TRY(lcl_graph_create(n->store, "onnx", &n->g));
  LCL_TRY(lcl_onnx_load(n->g, w->path, &how, &n->onnx));
  const lcl_compile_desc desc = { .no_updates = true, .no_fusion = plain, .guard_bands = plain };
  LCL_TRY(lcl__bench_compile(n->g, &desc, &n->p, row));
  for (size_t i = 0; i < lcl_onnx_input_count(n->onnx); i++) {
    const lcl_onnx_value v = lcl_onnx_input(n->onnx, i);
    const lcl_status st = feed(n->p, &v);
    if (st != LCL_OK && st != LCL_ERR_ARGUMENT) return st; /* nothing may depend on it */
  }
  return LCL_OK;
}

lcl_status lcl__bench_file(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                           lcl_bench_row *row) {
  network n = { 0 };
  lcl_status st = network_build(ctx, w, false, &n, row);
  if (st == LCL_OK) st = lcl__bench_time(ctx, n.p, desc, row);
  network_free(&n);
  return st;
}

/* Root mean square of the difference beside that of the values. */
static lcl_status apart(const network *a, const network *b, const lcl_onnx_value *v,
                        double *error) {
  const size_t n = (size_t)lcl_shape_count(lcl_tensor_shape(v->tensor));
  double difference = 0, size = 0;
  if (lcl_tensor_dtype(v->tensor) != LCL_F32 || !n) return LCL_OK;
  float *x = lcl__alloc(2 * n * sizeof *x);
  if (!x) return LCL_ERR_HOST_MEMORY;
  lcl_status st = lcl_fetch(a->p, v->name, x, n * sizeof *x);
  if (st == LCL_OK) st = lcl_fetch(b->p, v->name, x + n, n * sizeof *x);
  for (size_t i = 0; i < n; i++) {
    difference += ((double)x[i] - x[n + i]) * ((double)x[i] - x[n + i]);
    size += (double)x[n + i] * x[n + i];
  }
  lcl__free(x);
  const double e = difference == 0 ? 0 : sqrt(difference / size) / TOLERANCE;
  *error = isfinite(e) ? LCL_MAX(*error, e) : INFINITY;
  return st;
}

lcl_status lcl__bench_file_verify(lcl_context *ctx, const lcl_workload *w, double *error) {
  network n[2] = { 0 };
  lcl_bench_row ignored;
  lcl_status st = LCL_OK;
  *error = 0;
  for (int i = 0; i < 2 && st == LCL_OK; i++) {
    st = network_build(ctx, w, i == 1, &n[i], &ignored);
    if (st == LCL_OK) st = lcl_run(n[i].p);
  }
  for (size_t i = 0; st == LCL_OK && i < lcl_onnx_output_count(n[0].onnx); i++) {
    const lcl_onnx_value v = lcl_onnx_output(n[0].onnx, i);
    st = apart(&n[0], &n[1], &v, error);
  }
  network_free(&n[0]);
  network_free(&n[1]);
  return st;
}
