/* Convolution with CLBlast's im2col and product. */
#include "lcl_config.h"
#include "ops/conv.h"

#if LCL_HAVE_CLBLAST
#include <clblast_c.h>

typedef struct call {
  lcl_conv_sizes s;
  lcl_conv_attr a;
} call;

bool lcl_conv_clblast_can(const lcl_caps *caps, const lcl_node *node, const lcl_epilogue *e) {
  const lcl_conv_attr *a = node->attr;
  return caps->clblast && node->op == &lcl_op_conv2d && !e->bias && e->act == LCL_ACT_NONE &&
         a->groups == 1 && a->pad[0] == a->pad[1] && a->pad[2] == a->pad[3] &&
         lcl_shape_count(node->in[0]->shape) > 0 && lcl_shape_count(node->out[0].shape) > 0;
}

static lcl_status run_conv(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                           const cl_event *wait, cl_event *done) {
  const lcl_conv_sizes *s = &((const call *)user)->s;
  const lcl_conv_attr *a = &((const call *)user)->a;
  if (n_wait) { /* CLBlast takes no wait list */
    const cl_int err = clEnqueueBarrierWithWaitList(queue, n_wait, wait, NULL);
    if (err != CL_SUCCESS)
      return lcl_fail(LCL_ERR_OPENCL, "barrier before CLBlast: %s", lcl_cl_error_name(err));
  }
  const CLBlastStatusCode status = CLBlastSconvgemm(
      CLBlastKernelModeCrossCorrelation, (size_t)s->c, (size_t)s->h, (size_t)s->w, (size_t)s->kh,
      (size_t)s->kw, (size_t)a->pad[0], (size_t)a->pad[2], (size_t)a->stride[0],
      (size_t)a->stride[1], (size_t)a->dilation[0], (size_t)a->dilation[1], (size_t)s->o,
      (size_t)s->n, mem[0], 0, mem[1], 0, mem[2], 0, &queue, done);
  return status == CLBlastSuccess
             ? LCL_OK
             : lcl_fail(LCL_ERR_LIBRARY, "CLBlast's Sconvgemm failed with code %d", (int)status);
}

lcl_status lcl_conv_lower_clblast(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e) {
  char label[224], t0[96], t1[96];
  call *user = lcl_alloc(sizeof *user);
  if (!user) return LCL_ERR_HOST_MEMORY;
  *user = (call) { lcl_conv_sizes_of(node), *(const lcl_conv_attr *)node->attr };
  const lcl_arg args[] = { lcl_in(lw, node->in[0]), lcl_in(lw, node->in[1]), lcl_out(lw, e->out) };
  snprintf(label, sizeof label, "conv2d %s %s CLBlast", lcl_shape_string(node->in[0]->shape, t0),
           lcl_shape_string(node->in[1]->shape, t1));
  const lcl_status st = lcl_emit(lw, &(lcl_launch) { .kind = LCL_LAUNCH_CALL,
                                                     .label = label,
                                                     .call = run_conv,
                                                     .user = user,
                                                     .user_free = lcl_free,
                                                     .args = args,
                                                     .n_args = (int)LCL_COUNT(args),
                                                     .flops = lcl_conv_flops(node) });
  if (st != LCL_OK) lcl_free(user);
  return st;
}

#else

bool lcl_conv_clblast_can(const lcl_caps *caps, const lcl_node *node, const lcl_epilogue *e) {
  (void)caps;
  (void)node;
  (void)e;
  return false;
}

lcl_status lcl_conv_lower_clblast(lcl_lower *lw, lcl_node *node, const lcl_epilogue *e) {
  (void)lw;
  (void)e;
  return lcl_fail(LCL_ERR_UNSUPPORTED, "%s: built without CLBlast", node->op->name);
}

#endif
