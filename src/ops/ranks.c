/* ranks: means over the processes that share a graph (device/ranks.h speaks to them). */
#include "ops/ranks.h"

#include "device/ranks.h"

struct lcl_exchange {
  lcl_ranks *ranks;
  float weight;
  size_t floats;
  float *host;
  cl_event done; /* a user event, from the start of an exchange to its end */
};

static void exchange_free(void *p) {
  lcl_exchange *x = p;
  if (x->done) clReleaseEvent(x->done);
  lcl__free(x->host);
  lcl__free(x);
}

static lcl_status failed(cl_int err, const char *what) {
  return lcl__fail(LCL_ERR_OPENCL, "%s for the other ranks: %s", what, lcl__cl_error_name(err));
}

static lcl_status new_event(cl_command_queue queue, cl_event *out) {
  cl_context cl;
  cl_int err = clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof cl, &cl, NULL);
  if (err == CL_SUCCESS) *out = clCreateUserEvent(cl, &err);
  return err == CL_SUCCESS ? LCL_OK : failed(err, "making an event");
}

static lcl_status send(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                       const cl_event *wait, cl_event *done) {
  lcl_exchange *x = user;
  cl_event here;
  if (x->done) clReleaseEvent(x->done); /* of a run that broke off */
  x->done = NULL;
  LCL_TRY(new_event(queue, &x->done));
  cl_int err = clEnqueueReadBuffer(queue, mem[0], CL_FALSE, 0, x->floats * sizeof(float), x->host,
                                   n_wait, wait, &here);
  if (err != CL_SUCCESS) return failed(err, "reading a buffer");
  clFlush(queue);
  const lcl_status s = lcl__ranks_sum(x->ranks, x->host, x->floats, x->weight, here, x->done);
  if (done)
    *done = here;
  else
    clReleaseEvent(here);
  return s;
}

static lcl_status receive(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                          const cl_event *wait, cl_event *done) {
  lcl_exchange *x = user;
  cl_event both[2] = { x->done };
  cl_int err = n_wait ? clEnqueueMarkerWithWaitList(queue, n_wait, wait, &both[1]) : CL_SUCCESS;
  if (err == CL_SUCCESS)
    err = clEnqueueWriteBuffer(queue, mem[0], CL_FALSE, 0, x->floats * sizeof(float), x->host,
                               both[1] ? 2 : 1, both, done);
  if (both[1]) clReleaseEvent(both[1]);
  clReleaseEvent(x->done);
  x->done = NULL;
  return err == CL_SUCCESS ? LCL_OK : failed(err, "writing a buffer");
}

lcl_status lcl__emit_mean_start(lcl_lower *lw, const lcl_graph *g, lcl_arg from, size_t floats,
                                lcl_exchange **out) {
  char label[64];
  *out = NULL;
  lcl_exchange *x = lcl__alloc(sizeof *x);
  if (x) x->host = lcl__alloc(LCL_MAX(floats, 1) * sizeof(float));
  if (!x || !x->host) {
    if (x) exchange_free(x);
    return LCL_ERR_HOST_MEMORY;
  }
  x->ranks = lcl__graph_shares((lcl_graph *)g)->ranks;
  x->weight = (float)lcl__graph_weight((lcl_graph *)g);
  x->floats = floats;
  snprintf(label, sizeof label, "mean over ranks %zu", floats);
  const lcl_launch l = { .kind = LCL_LAUNCH_CALL,
                         .label = label,
                         LCL_ARGS(from),
                         .call = send,
                         .user = x,
                         .user_free = exchange_free,
                         .bytes = 4.0 * (double)floats };
  const lcl_status s = lcl__emit(lw, &l);
  if (s == LCL_OK)
    *out = x;
  else
    exchange_free(x);
  return s;
}

lcl_status lcl__emit_mean_end(lcl_lower *lw, lcl_exchange *x, lcl_arg to) {
  char label[64];
  snprintf(label, sizeof label, "mean over ranks %zu, end", x->floats);
  return lcl__emit(lw, &(lcl_launch) { .kind = LCL_LAUNCH_CALL,
                                       .label = label,
                                       LCL_ARGS(to),
                                       .call = receive,
                                       .user = x,
                                       .bytes = 4.0 * (double)x->floats });
}

/* ---- the op ---- */

static lcl_status infer(lcl_node *node) {
  if (node->in[0]->dtype != LCL_F32)
    return lcl__fail(LCL_ERR_TYPE, "expects f32, got %s", lcl_dtype_name(node->in[0]->dtype));
  node->out[0].dtype = LCL_F32;
  node->out[0].shape = node->in[0]->shape;
  return LCL_OK;
}

/* y = sum_s w_s x_s on every rank. Gradients are those of the rank's own loss, which counts w_r in
 * the whole: dx_r = sum_s w_s dy_s. */
static void grad(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  (void)node;
  gin[0] = lcl_mean_over_ranks(gout[0]);
}

static lcl_status lower(lcl_lower *lw, lcl_node *node) {
  lcl_exchange *x;
  const size_t n = (size_t)lcl_shape_count(node->out[0].shape);
  LCL_TRY(lcl__emit_mean_start(lw, node->graph, lcl__in(lw, node->in[0]), n, &x));
  return lcl__emit_mean_end(lw, x, lcl__out(lw, &node->out[0]));
}

static const lcl_op op_mean_over_ranks = {
  .name = "mean_over_ranks", .infer = infer, .grad = grad, .lower = lower
};

lcl_tensor *lcl_mean_over_ranks(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  if (!lcl__graph_shares(x->node->graph) || lcl_shape_count(x->shape) == 0) return x;
  return lcl__node_new(x->node->graph, &op_mean_over_ranks, LCL_IN(x), NULL, 1);
}
