/* GEMMs by CLBlast. The temporary buffer of a single one is scratch of the program, so nothing is
 * allocated in the loop; that of a batch is CLBlast's own. */
#include "lcl_config.h"
#include "ops/gemm_args.h"

#if LCL_HAVE_CLBLAST
#include <clblast_c.h>

typedef struct call {
  size_t m, n, k, batch;
  CLBlastTranspose ta, tb;
  size_t a_offset, lda, a_batch, b_offset, ldb, b_batch, c_offset, ldc, c_batch;
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

/* Writing to where t says. */
static call call_of(const lcl_gemm *g, const lcl_gemm_target *t) {
  call c = { .m = (size_t)g->m,
             .n = (size_t)g->n,
             .k = (size_t)g->k,
             .batch = (size_t)g->batch,
             .a_offset = (size_t)g->a_base,
             .a_batch = (size_t)g->a_batch,
             .b_offset = (size_t)g->b_base,
             .b_batch = (size_t)g->b_batch,
             .c_offset = (size_t)t->base,
             .c_batch = (size_t)t->batch,
             .ldc = (size_t)t->ldc };
  layout(g->a_rs, g->a_s1, g->m, g->k, &c.ta, &c.lda);
  layout(g->rsb, g->csb, g->k, g->n, &c.tb, &c.ldb);
  return c;
}

/* A bias and an activation are added afterwards, where C lies without gaps. */
static bool is_plain(const lcl_gemm *g) {
  return g->bias_kind == LCL_BIAS_NONE && g->act == LCL_ACT_NONE;
}

static bool supported(const lcl_caps *caps, const lcl_gemm *g) {
  const call c = call_of(g, &(lcl_gemm_target) { .ldc = g->ldc });
  const bool dense = g->c_base == 0 && g->ldc == g->n &&
                     (g->batch == 1 || g->c_batch == g->m * g->n);
  const bool is_long = g->op && g->k > LCL_GEMM_LONG; /* a convolution adds plainly everywhere */
  return caps->clblast && g->source == LCL_GEMM_MATRIX && g->a_len >= g->k && !is_long &&
         (is_plain(g) || dense) && g->m && g->n && g->k && c.lda && c.ldb;
}

static CLBlastStatusCode enqueue(const call *c, const cl_mem *mem, cl_command_queue *queue,
                                 cl_event *done) {
  if (c->batch > 1)
    return CLBlastSgemmStridedBatched(CLBlastLayoutRowMajor, c->ta, c->tb, c->m, c->n, c->k, 1.0f,
                                      mem[0], c->a_offset, c->lda, c->a_batch, mem[1], c->b_offset,
                                      c->ldb, c->b_batch, 0.0f, mem[2], c->c_offset, c->ldc,
                                      c->c_batch, c->batch, queue, done);
  return CLBlastSgemmWithTempBuffer(CLBlastLayoutRowMajor, c->ta, c->tb, c->m, c->n, c->k, 1.0f,
                                    mem[0], c->a_offset, c->lda, mem[1], c->b_offset, c->ldb, 0.0f,
                                    mem[2], c->c_offset, c->ldc, queue, done, mem[3]);
}

static lcl_status run_gemm(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                           const cl_event *wait, cl_event *done) {
  if (n_wait) { /* CLBlast takes no wait list */
    const cl_int err = clEnqueueBarrierWithWaitList(queue, n_wait, wait, NULL);
    if (err != CL_SUCCESS)
      return lcl__fail(LCL_ERR_OPENCL, "barrier before CLBlast: %s", lcl__cl_error_name(err));
  }
  const CLBlastStatusCode status = enqueue(user, mem, &queue, done);
  return status == CLBlastSuccess
             ? LCL_OK
             : lcl__fail(LCL_ERR_LIBRARY, "CLBlast's GEMM failed with code %d", (int)status);
}

/* Bytes of the temporary buffer. */
static lcl_status temporary(lcl_lower *lw, const call *c, size_t *bytes) {
  cl_command_queue queue = lcl__context_queue(lcl__lower_context(lw));
  *bytes = 0;
  if (c->batch > 1) return LCL_OK;
  const CLBlastStatusCode status = CLBlastSGemmTempBufferSize(
      CLBlastLayoutRowMajor, c->ta, c->tb, c->m, c->n, c->k, c->a_offset, c->lda, c->b_offset,
      c->ldb, c->c_offset, c->ldc, &queue, bytes);
  return status == CLBlastSuccess
             ? LCL_OK
             : lcl__fail(LCL_ERR_LIBRARY, "CLBlast's temporary buffer size: code %d", (int)status);
}

static lcl_status lower(lcl_lower *lw, const lcl_gemm *g, const lcl_kernel_params *none) {
  (void)none;
  const lcl_gemm_target t = is_plain(g) ? lcl__gemm_choose_target(lw, g, 1, 0)
                                        : lcl__gemm_part_target(lw, g, 1, 0);
  const call c = call_of(g, &t);
  size_t temp;
  char label[256];
  LCL_TRY(temporary(lw, &c, &temp));
  call *user = lcl__alloc(sizeof *user);
  if (!user) return LCL_ERR_HOST_MEMORY;
  *user = c;
  const int scratch = lcl__scratch(lw, LCL_MAX(temp, 4));
  const lcl_arg args[] = { g->a, g->b, t.c, lcl__scratch_arg(lw, scratch, LCL_WRITE) };
  snprintf(label, sizeof label, "%s CLBlast", g->label);
  const lcl_status st = lcl__emit(lw, &(lcl_launch) { .kind = LCL_LAUNCH_CALL,
                                                      .label = label,
                                                      .call = run_gemm,
                                                      .user = user,
                                                      .user_free = lcl__free,
                                                      .args = args,
                                                      .n_args = (int)LCL_COUNT(args),
                                                      .flops = g->flops });
  if (st != LCL_OK) lcl__free(user);
  if (st != LCL_OK || t.part < 0) return st;
  return lcl__gemm_sum_parts(lw, g, 1, t.part, t.ldc, 0);
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
