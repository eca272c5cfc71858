/* Convolution with CLBlast's im2col and GEMM. */
#include "lcl_config.h"
#include "ops/conv.h"

#if LCL_HAVE_CLBLAST
#include <clblast_c.h>

typedef struct call {
  lcl_conv_sizes s;
  lcl_conv_attr a;
} call;

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p) {
  const lcl_conv_attr *a = &p->a;
  return caps->clblast && !p->has_bias && p->act == LCL_ACT_NONE && a->groups == 1 &&
         a->pad[0] == a->pad[1] && a->pad[2] == a->pad[3] && p->s.c * p->s.h * p->s.w > 0;
}

static lcl_status run_conv(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                           const cl_event *wait, cl_event *done) {
  const lcl_conv_sizes *s = &((const call *)user)->s;
  const lcl_conv_attr *a = &((const call *)user)->a;
  if (n_wait) { /* CLBlast takes no wait list */
    const cl_int err = clEnqueueBarrierWithWaitList(queue, n_wait, wait, NULL);
    if (err != CL_SUCCESS)
      return lcl__fail(LCL_ERR_OPENCL, "barrier before CLBlast: %s", lcl__cl_error_name(err));
  }
  const CLBlastStatusCode status = CLBlastSconvgemm(
      CLBlastKernelModeCrossCorrelation, (size_t)s->c, (size_t)s->h, (size_t)s->w, (size_t)s->kh,
      (size_t)s->kw, (size_t)a->pad[0], (size_t)a->pad[2], (size_t)a->stride[0],
      (size_t)a->stride[1], (size_t)a->dilation[0], (size_t)a->dilation[1], (size_t)s->o,
      (size_t)s->n, mem[0], 0, mem[1], 0, mem[2], 0, &queue, done);
  return status == CLBlastSuccess
             ? LCL_OK
             : lcl__fail(LCL_ERR_LIBRARY, "CLBlast's Sconvgemm failed with code %d", (int)status);
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *none) {
  char label[240];
  (void)none;
  call *user = lcl__alloc(sizeof *user);
  if (!user) return LCL_ERR_HOST_MEMORY;
  *user = (call) { p->s, p->a };
  const lcl_arg args[] = { p->in[0], p->in[1], p->out };
  snprintf(label, sizeof label, "%s CLBlast", p->label);
  const lcl_status st = lcl__emit(lw, &(lcl_launch) { .kind = LCL_LAUNCH_CALL,
                                                      .label = label,
                                                      .call = run_conv,
                                                      .user = user,
                                                      .user_free = lcl__free,
                                                      .args = args,
                                                      .n_args = (int)LCL_COUNT(args),
                                                      .flops = p->flops });
  if (st != LCL_OK) lcl__free(user);
  return st;
}

#else

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p) {
  (void)caps;
  (void)p;
  return false;
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *none) {
  (void)lw;
  (void)none;
  return lcl__fail(LCL_ERR_UNSUPPORTED, "%s: built without CLBlast", p->label);
}

#endif

/* Never profitable unless it was measured to be. */
const lcl_conv_implementation lcl__conv_im2col_clblast = { .base = { .name = "im2col-clblast" },
                                                           .passes = LCL_CONV_FORWARD,
                                                           .mixes_taps = true,
                                                           .supported = supported,
                                                           .lower = lower };
