/* GEMM with CLBlast. Its temporary buffer is scratch of the program, so nothing is allocated in the
 * loop. */
#include "lcl_config.h"
#include "ops/gemm_args.h"

#if LCL_HAVE_CLBLAST
#include <clblast_c.h>

typedef struct call {
  size_t m, n, k;
  CLBlastTranspose ta, tb;
  size_t a_offset, lda, b_offset, ldb, c_offset, ldc;
} call;

/* Row-major matrix, or the transpose of one, with unit stride along rows; ld 0: neither. */
static void layout(int64_t row, int64_t col, int64_t rows, int64_t cols, CLBlastTranspose *t,
                   size_t *ld) {
  *t = CLBlastTransposeNo;
  *ld = 0;
  if (col == 1 && row >= LCL_MAX(cols, 1)) {
    *ld = (size_t)row;
  } else if (row == 1 && col >= LCL_MAX(rows, 1)) {
    *t = CLBlastTransposeYes;
    *ld = (size_t)col;
  }
}

static call call_of(const lcl_gemm *g) {
  call c = { .m = (size_t)g->m,
             .n = (size_t)g->n,
             .k = (size_t)g->k,
             .a_offset = (size_t)g->a_base,
             .b_offset = (size_t)g->b_base,
             .c_offset = (size_t)g->c_base,
             .ldc = (size_t)g->ldc };
  layout(g->a_rs, g->a_s1, g->m, g->k, &c.ta, &c.lda);
  layout(g->rsb, g->csb, g->k, g->n, &c.tb, &c.ldb);
  return c;
}

static bool supported(const lcl_caps *caps, const lcl_gemm *g) {
  const call c = call_of(g);
  return caps->clblast && g->source == LCL_GEMM_MATRIX && g->batch == 1 && g->a_len >= g->k &&
         g->k <= LCL_GEMM_LONG && g->bias_kind == LCL_BIAS_NONE && g->act == LCL_ACT_NONE && g->m &&
         g->n && g->k && c.lda && c.ldb;
}

static lcl_status run_sgemm(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                            const cl_event *wait, cl_event *done) {
  const call *c = user;
  if (n_wait) { /* CLBlast takes no wait list */
    const cl_int err = clEnqueueBarrierWithWaitList(queue, n_wait, wait, NULL);
    if (err != CL_SUCCESS)
      return lcl__fail(LCL_ERR_OPENCL, "barrier before CLBlast: %s", lcl__cl_error_name(err));
  }
  const CLBlastStatusCode status = CLBlastSgemmWithTempBuffer(
      CLBlastLayoutRowMajor, c->ta, c->tb, c->m, c->n, c->k, 1.0f, mem[0], c->a_offset, c->lda,
      mem[1], c->b_offset, c->ldb, 0.0f, mem[2], c->c_offset, c->ldc, &queue, done, mem[3]);
  return status == CLBlastSuccess
             ? LCL_OK
             : lcl__fail(LCL_ERR_LIBRARY, "CLBlast's Sgemm failed with code %d", (int)status);
}

static lcl_status lower(lcl_lower *lw, const lcl_gemm *g, const lcl_kernel_params *none) {
  (void)none;
  const call c = call_of(g);
  cl_command_queue queue = lcl__context_queue(lcl__lower_context(lw));
  size_t temp = 0;
  char label[128];
  const CLBlastStatusCode status = CLBlastSGemmTempBufferSize(
      CLBlastLayoutRowMajor, c.ta, c.tb, c.m, c.n, c.k, c.a_offset, c.lda, c.b_offset, c.ldb,
      c.c_offset, c.ldc, &queue, &temp);
  if (status != CLBlastSuccess)
    return lcl__fail(LCL_ERR_LIBRARY, "CLBlast's temporary buffer size: code %d", (int)status);
  call *user = lcl__alloc(sizeof *user);
  if (!user) return LCL_ERR_HOST_MEMORY;
  *user = c;
  const int scratch = lcl__scratch(lw, LCL_MAX(temp, 4));
  const lcl_arg args[] = { g->a, g->b, g->c, lcl__scratch_arg(lw, scratch, LCL_WRITE) };
  snprintf(label, sizeof label, "%s CLBlast", g->label);
  const lcl_status st = lcl__emit(lw, &(lcl_launch) { .kind = LCL_LAUNCH_CALL,
                                                      .label = label,
                                                      .call = run_sgemm,
                                                      .user = user,
                                                      .user_free = lcl__free,
                                                      .args = args,
                                                      .n_args = (int)LCL_COUNT(args),
                                                      .flops = g->flops });
  if (st != LCL_OK) lcl__free(user);
  return st;
}

#else

static bool supported(const lcl_caps *caps, const lcl_gemm *g) {
  (void)caps;
  (void)g;
  return false;
}

static lcl_status lower(lcl_lower *lw, const lcl_gemm *g, const lcl_kernel_params *none) {
  (void)lw;
  (void)none;
  return lcl__fail(LCL_ERR_UNSUPPORTED, "%s: built without CLBlast", g->label);
}

#endif

/* Never profitable unless it was measured to be. */
const lcl_gemm_implementation lcl__gemm_clblast = { .base = { .name = "clblast" },
                                                    .supported = supported,
                                                    .lower = lower };
