/* ranks: means over the processes that share a graph (device/ranks.h speaks to them). */
#include "ops/ranks.h"

#include "device/ranks.h"
#include "latentcl/ops.h"

struct lcl_exchange {
  lcl_ranks *ranks;
  lcl_exchange_kind kind;
  float weight;
  size_t floats;
  float *own, *whole; /* on the host: what this rank has, what all have after the exchange */
  float *host;        /* memory of its own for them; NULL: they are buffers in host memory */
  cl_event done;      /* a user event, from the start of an exchange to its end */
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

/* Brings what is to be sent to the host; *here: when it is there. */
static cl_int fetch(lcl_exchange *x, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                    const cl_event *wait, cl_event *here) {
  if (x->host)
    return clEnqueueReadBuffer(queue, mem[0], CL_FALSE, 0, x->floats * sizeof(float), x->own,
                               n_wait, wait, here);
  x->own = lcl__host_pointer(mem[0]);
  x->whole = lcl__host_pointer(mem[1]);
  return clEnqueueMarkerWithWaitList(queue, n_wait, wait, here);
}

static lcl_status send(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                       const cl_event *wait, cl_event *done) {
  lcl_exchange *x = user;
  cl_event here;
  if (x->done) clReleaseEvent(x->done); /* of a run that broke off */
  x->done = NULL;
  LCL_TRY(new_event(queue, &x->done));
  const cl_int err = fetch(x, queue, mem, n_wait, wait, &here);
  if (err != CL_SUCCESS) return failed(err, "reading a buffer");
  clFlush(queue);
  const lcl_status s = lcl__ranks_exchange(x->ranks, x->kind, x->own, x->whole, x->floats,
                                           x->weight, here, x->done);
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
  if (err == CL_SUCCESS && !x->host)
    err = clEnqueueBarrierWithWaitList(queue, both[1] ? 2 : 1, both, done);
  else if (err == CL_SUCCESS)
    err = clEnqueueWriteBuffer(queue, mem[0], CL_FALSE, 0, x->floats * sizeof(float), x->whole,
                               both[1] ? 2 : 1, both, done);
  if (both[1]) clReleaseEvent(both[1]);
  clReleaseEvent(x->done);
  x->done = NULL;
  return err == CL_SUCCESS ? LCL_OK : failed(err, "writing a buffer");
}

static lcl_exchange *exchange_new(const lcl_graph *g, lcl_exchange_kind kind, size_t floats,
                                  double share, lcl_memory where) {
  const size_t room = floats + 1;
  const bool copies = where == LCL_IN_DEVICE_MEMORY;
  lcl_exchange *x = lcl__alloc(sizeof *x);
  float *host = copies ? lcl__alloc(2 * room * sizeof *host) : NULL;
  if (!x || (copies && !host)) {
    lcl__free(x);
    lcl__free(host);
    return NULL;
  }
  *x = (lcl_exchange) { .ranks = lcl__graph_shares((lcl_graph *)g)->ranks,
                        .kind = kind,
                        .weight = (float)(lcl__graph_weight((lcl_graph *)g) * share),
                        .floats = floats,
                        .own = host,
                        .whole = copies ? host + room : NULL,
                        .host = host };
  return x;
}

/* Emits the launch that sends; args: from, and to where both are in host memory. *out belongs to
 * the program. */
static lcl_status emit_start(lcl_lower *lw, lcl_arg *args, lcl_exchange *x, lcl_exchange **out) {
  char label[64];
  *out = NULL;
  if (!x) return LCL_ERR_HOST_MEMORY;
  snprintf(label, sizeof label, "mean over ranks %zu", x->floats);
  const lcl_launch l = { .kind = LCL_LAUNCH_CALL,
                         .label = label,
                         .args = args,
                         .n_args = x->host ? 1 : 2,
                         .call = send,
                         .user = x,
                         .user_free = exchange_free,
                         .bytes = 4.0 * (double)x->floats };
  const lcl_status s = lcl__emit(lw, &l);
  if (s == LCL_OK)
    *out = x;
  else
    exchange_free(x);
  return s;
}

lcl_status lcl__emit_mean_start(lcl_lower *lw, const lcl_graph *g, lcl_arg from, size_t floats,
                                lcl_exchange **out) {
  return emit_start(lw, &from, exchange_new(g, LCL_EXCHANGE_MEAN, floats, 1, LCL_IN_DEVICE_MEMORY),
                    out);
}

lcl_status lcl__emit_mean_start_in_host_memory(lcl_lower *lw, const lcl_graph *g, lcl_arg from,
                                               lcl_arg to, size_t floats, lcl_exchange **out) {
  return emit_start(lw, (lcl_arg[]) { from, to },
                    exchange_new(g, LCL_EXCHANGE_MEAN, floats, 1, LCL_IN_HOST_MEMORY), out);
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

/* ---- moments ---- */

typedef struct moments_attr {
  double share; /* the weight of these rows, relative to that of the first batch's */
} moments_attr;

/* With m and v of the rank's rows, M and V of all, W the weight of the rows:
 *   M = sum_s W_s m_s, V = sum_s W_s (v_s + (m_s - M)^2),
 * and gradients as above: dm_r = share (dM + 2 (m_r - M) dV), dv_r = share dV, of sum_s w_s dM_s
 * and of dV alike. */
static void grad_moments(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  const float share = (float)((const moments_attr *)node->attr)->share;
  const int64_t n = node->out[0].shape.dim[1];
  lcl_tensor *g = lcl_scale(lcl_mean_over_ranks(gout[0]), share);
  lcl_tensor *from_var = lcl_slice_axis(g, 0, 1, 2);
  lcl_tensor *off = lcl_sub(lcl_slice_axis(node->in[0], 0, 0, 1),
                            lcl_slice_axis(&node->out[0], 0, 0, 1));
  lcl_tensor *none = lcl_broadcast(lcl_const(node->graph, 0), LCL_SHAPE(1, n));
  lcl_tensor *through[] = { lcl_scale(lcl_mul(off, from_var), 2), none };
  gin[0] = lcl_add(g, lcl_concat(through, 2, 0));
}

static lcl_status lower_moments(lcl_lower *lw, lcl_node *node) {
  lcl_exchange *x = exchange_new(node->graph, LCL_EXCHANGE_MOMENTS,
                                 (size_t)lcl_shape_count(node->out[0].shape),
                                 ((const moments_attr *)node->attr)->share, LCL_IN_DEVICE_MEMORY);
  lcl_arg from = lcl__in(lw, node->in[0]);
  LCL_TRY(emit_start(lw, &from, x, &x));
  return lcl__emit_mean_end(lw, x, lcl__out(lw, &node->out[0]));
}

static const lcl_op op_moments_over_ranks = { .name = "moments_over_ranks",
                                              .attr_size = sizeof(moments_attr),
                                              .infer = infer,
                                              .grad = grad_moments,
                                              .lower = lower_moments };

lcl_tensor *lcl__moments_over_ranks(lcl_tensor *x) {
  LCL_NEED_TENSORS(x);
  lcl_graph *g = x->node->graph;
  if (!lcl__graph_shares(g) || lcl_shape_count(x->shape) == 0) return x;
  return lcl__node_new(g, &op_moments_over_ranks, LCL_IN(x),
                       &(moments_attr) { lcl__graph_share(g) }, 1);
}
