/* Runs a case on a device: the op between graph inputs and outputs, and its vector-Jacobian
 * product. */
#include "latentcl/ops.h"
#include "reference/spec.h"

/* The device's bytes of an array, and back. */
static void *to_bytes(const lcl_array *a, size_t *bytes) {
  const size_t n = (size_t)lcl__array_count(a);
  *bytes = n * lcl_dtype_size(a->dtype);
  void *data = lcl__alloc(*bytes + 1);
  for (size_t i = 0; data && i < n; i++) switch (a->dtype) {
    case LCL_F32: ((float *)data)[i] = (float)a->data[i]; break;
    case LCL_I32: ((int32_t *)data)[i] = (int32_t)a->data[i]; break;
    case LCL_U8: ((uint8_t *)data)[i] = (uint8_t)a->data[i]; break;
    case LCL_F16: break; /* no op of the table stores halves */
    }
  return data;
}

/* A program without use for an input (nothing it computes depends on it) does not know it: then
 * there is nothing to feed. */
static lcl_status feed(lcl_program *p, const char *name, const lcl_array *a) {
  size_t bytes;
  void *data = to_bytes(a, &bytes);
  if (!data) return LCL_ERR_HOST_MEMORY;
  const lcl_status status = lcl_feed(p, name, data, bytes);
  lcl__free(data);
  return status == LCL_ERR_ARGUMENT ? LCL_OK : status;
}

static lcl_status fetch(lcl_case *c, lcl_program *p, const char *name, const lcl_tensor *t,
                        lcl_array *to) {
  LCL_TRY(lcl__array_new(c, lcl_tensor_dtype(t), lcl_tensor_shape(t), to));
  const size_t n = (size_t)lcl__array_count(to), bytes = n * lcl_dtype_size(to->dtype);
  void *data = lcl__alloc(bytes + 1);
  if (!data) return LCL_ERR_HOST_MEMORY;
  const lcl_status status = lcl_fetch(p, name, data, bytes);
  for (size_t i = 0; status == LCL_OK && i < n; i++)
    to->data[i] = to->dtype == LCL_F32   ? (double)((float *)data)[i]
                  : to->dtype == LCL_I32 ? (double)((int32_t *)data)[i]
                                         : (double)((uint8_t *)data)[i];
  lcl__free(data);
  return status;
}

/* The graph of a case. */
typedef struct built {
  lcl_store *store;
  lcl_graph *graph;
  lcl_program *program;
  lcl_tensor *in[LCL_SPEC_INS], *grad_out[LCL_SPEC_OUTS], *out[LCL_SPEC_OUTS],
      *grad_in[LCL_SPEC_INS];
} built;

static bool has_gradient(const lcl_case *c, int i, const bool *want) {
  return c->in[i].data && c->in[i].dtype == LCL_F32 && c->spec->in[i].domain != LCL_INDEX &&
         (!want || want[i]);
}

/* Gradients from several outputs add up. */
static lcl_status build_gradients(lcl_case *c, const bool *want, built *b) {
  lcl_tensor *wrt[LCL_SPEC_INS], *part[LCL_SPEC_INS];
  int which[LCL_SPEC_INS], n = 0;
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++)
    if (has_gradient(c, i, want)) which[n] = i, wrt[n++] = b->in[i];
  for (int k = 0; k < lcl__spec_outputs(c->spec); k++) {
    if (!c->grad_out[k].data) continue;
    char name[16];
    snprintf(name, sizeof name, "grad%d", k);
    b->grad_out[k] = lcl_input(b->graph, name, LCL_F32, c->grad_out[k].shape);
    lcl_vjp(b->out[k], b->grad_out[k], wrt, n, part);
    for (int i = 0; i < n; i++)
      b->grad_in[which[i]] = b->grad_in[which[i]] ? lcl_add(b->grad_in[which[i]], part[i])
                                                  : part[i];
  }
  for (int i = 0; i < n; i++) {
    char name[16];
    snprintf(name, sizeof name, "gin%d", which[i]);
    if (b->grad_in[which[i]]) b->grad_in[which[i]] = lcl_output(b->grad_in[which[i]], name);
  }
  return LCL_OK;
}

/* Indices are checked here: a device would read outside its buffers. */
static lcl_status check_indices(const lcl_case *c) {
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++) {
    const lcl_array *a = &c->in[i];
    if (c->spec->in[i].domain != LCL_INDEX || !a->data) continue;
    const int64_t limit = c->spec->limit(c);
    for (int64_t k = 0; k < lcl__array_count(a); k++)
      if (a->data[k] < 0 || a->data[k] >= (double)limit)
        return lcl__fail(LCL_ERR_ARGUMENT,
                         "%s: element %lld of %s is %.0f; 0 to %lld were expected", c->spec->name,
                         (long long)k, c->spec->in[i].name, a->data[k], (long long)limit - 1);
  }
  return LCL_OK;
}

static lcl_status build(lcl_case *c, const lcl_case_run_desc *desc, built *b) {
  LCL_TRY(lcl_store_create(desc->ctx, desc->seed, &b->store));
  LCL_TRY(lcl_graph_create(b->store, "op", &b->graph));
  LCL_TRY(lcl_graph_precision(b->graph, c->half ? LCL_F16 : LCL_F32));
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++)
    if (c->in[i].data)
      b->in[i] = lcl_input(b->graph, c->spec->in[i].name, c->in[i].dtype, c->in[i].shape);
  LCL_TRY(lcl_graph_status(b->graph));
  const lcl_status status = c->spec->build(c, b->graph, b->in, b->out);
  if (status != LCL_OK) return lcl__fail_prefix(status, "%s", c->spec->name);
  LCL_TRY(lcl_graph_status(b->graph));
  for (int k = 0; k < lcl__spec_outputs(c->spec); k++) {
    char name[16];
    snprintf(name, sizeof name, "out%d", k);
    b->out[k] = lcl_output(b->out[k], name);
  }
  LCL_TRY(check_indices(c)); /* after the shapes: the limits come from them */
  bool gradient = false;
  for (int k = 0; k < LCL_SPEC_OUTS; k++) gradient |= c->grad_out[k].data != NULL;
  if (gradient) LCL_TRY(build_gradients(c, desc->want_grad, b));
  LCL_TRY(lcl_graph_status(b->graph));
  return lcl_compile(
      b->graph, &(lcl_compile_desc) { .no_fusion = desc->no_fusion, .guard_bands = desc->guard },
      &b->program);
}

lcl_status lcl__case_note_random(lcl_case *c, lcl_store *store, const char *variable) {
  uint32_t state[4];
  if (!(c->spec->flags & LCL_SPEC_RANDOM)) return LCL_OK;
  LCL_TRY(lcl_store_read(store, variable, state, sizeof state));
  c->rng_seed = (uint64_t)state[1] << 32 | state[0];
  c->rng_step = (uint64_t)state[3] << 32 | state[2];
  return LCL_OK;
}

static lcl_status fetch_all(lcl_case *c, built *b, lcl_case_result *result) {
  char name[16];
  for (int k = 0; k < lcl__spec_outputs(c->spec); k++) {
    snprintf(name, sizeof name, "out%d", k);
    LCL_TRY(fetch(c, b->program, name, b->out[k], &result->out[k]));
  }
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++) {
    snprintf(name, sizeof name, "gin%d", i);
    if (b->grad_in[i]) LCL_TRY(fetch(c, b->program, name, b->grad_in[i], &result->grad_in[i]));
  }
  return LCL_OK;
}

static lcl_status run(lcl_case *c, built *b, lcl_case_result *result) {
  char name[16];
  LCL_TRY(lcl__case_note_random(c, b->store, "op.rng"));
  for (int i = 0; i < lcl__spec_inputs(c->spec); i++)
    if (b->in[i]) LCL_TRY(feed(b->program, c->spec->in[i].name, &c->in[i]));
  for (int k = 0; k < lcl__spec_outputs(c->spec); k++) {
    snprintf(name, sizeof name, "grad%d", k);
    if (b->grad_out[k]) LCL_TRY(feed(b->program, name, &c->grad_out[k]));
  }
  LCL_TRY(lcl_run(b->program));
  return fetch_all(c, b, result);
}

/* A second run from the same state. */
static lcl_status run_again(lcl_case *c, built *b, const lcl_case_result *first) {
  lcl_case_result second = { 0 };
  if (c->spec->flags & LCL_SPEC_RANDOM) return LCL_OK; /* samples the next numbers */
  LCL_TRY(lcl_run(b->program));
  LCL_TRY(fetch_all(c, b, &second));
  for (int k = 0; k < LCL_SPEC_OUTS + LCL_SPEC_INS; k++) {
    const bool out = k < LCL_SPEC_OUTS;
    const lcl_array *x = out ? &first->out[k] : &first->grad_in[k - LCL_SPEC_OUTS];
    const lcl_array *y = out ? &second.out[k] : &second.grad_in[k - LCL_SPEC_OUTS];
    if (x->data && memcmp(x->data, y->data, sizeof *x->data * (size_t)lcl__array_count(x)) != 0)
      return lcl__fail(LCL_ERR_NUMERIC, "%s: a second run gives other bits for %s%s", c->spec->name,
                       out ? "" : "the gradient of ",
                       out ? c->spec->out[k] : c->spec->in[k - LCL_SPEC_OUTS].name);
  }
  return LCL_OK;
}

lcl_status lcl__case_run(lcl_case *c, const lcl_case_run_desc *desc, lcl_case_result *result) {
  built b = { 0 };
  memset(result, 0, sizeof *result);
  lcl_status status = build(c, desc, &b);
  if (status == LCL_OK) status = run(c, &b, result);
  if (status == LCL_OK && desc->repeat) status = run_again(c, &b, result);
  if (b.program) lcl_program_destroy(b.program);
  if (b.graph) lcl_graph_destroy(b.graph);
  if (b.store) lcl_store_destroy(b.store);
  return status;
}
