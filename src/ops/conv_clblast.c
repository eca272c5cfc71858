/* Convolution as im2col and a GEMM of CLBlast: patches of all images are written out as a matrix,
 * one row for each channel and tap, one column for each output pixel. See cl/conv_im2col.cl. */
#include "device/divide.h"
#include "ops/conv.h"
#include "ops/gemm.h"

extern const lcl_gemm_implementation lcl__gemm_clblast;

/* Sizes of the matrices. Groups are the batch of the GEMM. */
typedef struct plan {
  int64_t groups, filters, rows; /* of a group: rows of the patches' matrix */
  int64_t columns, plane;        /* output pixels of all images; of one */
} plan;

static plan plan_of(const lcl_conv_problem *p) {
  const lcl_conv_sizes *s = &p->s;
  const int64_t g = p->a.groups;
  return (plan) { g, s->o / g, s->c / g * s->kh * s->kw, s->n * s->oh * s->ow, s->oh * s->ow };
}

/* y as a matrix has a row for each filter; images of a batch lie between its rows. */
static bool swaps(const lcl_conv_problem *p) {
  return p->s.n > 1;
}

/* One of three: y = W P, P's gradient = W^T y, W's gradient = y P^T, for each group. `y` and `col`
 * are (filters, columns) and (rows, columns), W (filters, rows). */
static lcl_gemm gemm_of(const lcl_conv_problem *p, lcl_arg y, lcl_arg col) {
  const plan m = plan_of(p);
  lcl_gemm g = { .label = p->label,
                 .batch = m.groups,
                 .source = LCL_GEMM_MATRIX,
                 .a_tb = 1,
                 .bias = p->bias,
                 .slope = p->slope,
                 .flops = p->flops };
  if (p->pass == LCL_CONV_FORWARD) {
    g.m = m.filters, g.n = m.columns, g.k = m.rows;
    g.a = p->in[1], g.a_batch = m.filters * m.rows, g.a_rs = m.rows, g.a_s1 = 1;
    g.b = col, g.b_batch = m.rows * m.columns, g.rsb = m.columns, g.csb = 1;
    g.c = y, g.c_batch = m.filters * m.columns;
  } else if (p->pass == LCL_CONV_INPUT_GRAD) {
    g.m = m.rows, g.n = m.columns, g.k = m.filters;
    g.a = p->in[1], g.a_batch = m.filters * m.rows, g.a_rs = 1, g.a_s1 = m.rows;
    g.b = y, g.b_batch = m.filters * m.columns, g.rsb = m.columns, g.csb = 1;
    g.c = col, g.c_batch = m.rows * m.columns;
  } else {
    g.m = m.filters, g.n = m.rows, g.k = m.columns;
    g.a = y, g.a_batch = m.filters * m.columns, g.a_rs = m.columns, g.a_s1 = 1;
    g.b = col, g.b_batch = m.rows * m.columns, g.rsb = 1, g.csb = m.columns;
    g.c = p->out, g.c_batch = m.filters * m.rows;
  }
  g.a_len = g.k;
  g.ldc = g.n;
  return g;
}

static bool supported(const lcl_caps *caps, const lcl_conv_problem *p) {
  const plan m = plan_of(p);
  const double col = (double)(m.groups * m.rows) * (double)m.columns;
  const lcl_gemm g = gemm_of(p, p->in[0], p->in[0]);
  return col < 0x1p31 && 4 * col <= (double)caps->max_alloc &&
         lcl__gemm_clblast.supported(caps, &g);
}

/* ---- launches of cl/conv_im2col.cl ---- */

/* Over `lines` lines of `n` floats; args: buffers and what comes before lines and chunk. */
static lcl_status emit(lcl_lower *lw, const lcl_conv_problem *p, const char *kernel,
                       lcl_arg_list *l, int64_t lines, int64_t n, bool epilogue) {
  char label[256];
  const int64_t chunk = lcl__share(lcl__lower_caps(lw), lines, lcl__ceil_div(256, n));
  LCL_ADD_INTS(l, lines, chunk);
  if (epilogue) {
    LCL_ADD_INTS(l, p->has_bias, p->act);
    lcl__args_add(l, lcl__f32(p->slope));
  }
  snprintf(label, sizeof label, "%s %s", p->label, kernel);
  return lcl__emit(lw, &(lcl_launch) { .label = label,
                                       .source = { .file = "conv_im2col.cl" },
                                       .kernel = kernel,
                                       .args = l->a,
                                       .n_args = l->n,
                                       .dims = 1,
                                       .global = { (size_t)lcl__ceil_div(lines, chunk) },
                                       .bytes = 8.0 * (double)(lines * n) });
}

static lcl_status im2col(lcl_lower *lw, const lcl_conv_problem *p, lcl_arg x, lcl_arg col) {
  const lcl_conv_sizes *s = &p->s;
  lcl_arg_list l = { .n = 0 };
  lcl__args_add(&l, x);
  lcl__args_add(&l, col);
  lcl__args_add(&l, lcl__conv_shape_arg(lw, p));
  return emit(lw, p, "im2col", &l, s->c * s->kh * s->kw * s->n * s->oh, s->ow, false);
}

static lcl_status col2im(lcl_lower *lw, const lcl_conv_problem *p, lcl_arg col) {
  const lcl_conv_sizes *s = &p->s;
  lcl_arg_list l = { .n = 0 };
  lcl__args_add(&l, col);
  lcl__args_add(&l, p->out);
  lcl__args_add(&l, p->bias);
  lcl__args_add(&l, lcl__conv_shape_arg(lw, p));
  return emit(lw, p, "col2im", &l, s->n * s->c * s->h, s->w, true);
}

/* to (rows, blocks, plane) from (blocks, rows, plane), with the epilogue where it is the result. */
static lcl_status swap_blocks(lcl_lower *lw, const lcl_conv_problem *p, lcl_arg from, lcl_arg to,
                              int64_t blocks, int64_t rows, bool result) {
  const int64_t plane = plan_of(p).plane;
  lcl_conv_problem plain = *p;
  lcl_arg_list l = { .n = 0 };
  plain.has_bias = false;
  plain.act = LCL_ACT_NONE;
  lcl__args_add(&l, from);
  lcl__args_add(&l, to);
  lcl__args_add(&l, p->bias);
  LCL_ADD_INTS(&l, blocks, rows, plane);
  return emit(lw, result ? p : &plain, "swap_blocks", &l, blocks * rows, plane, true);
}

/* ---- passes ---- */

static lcl_arg scratch(lcl_lower *lw, int64_t floats, int *slot) {
  *slot = lcl__scratch(lw, sizeof(float) * (size_t)floats);
  return lcl__scratch_arg(lw, *slot, LCL_WRITE);
}

static lcl_status forward(lcl_lower *lw, const lcl_conv_problem *p) {
  const plan m = plan_of(p);
  int col, y;
  LCL_TRY(im2col(lw, p, p->in[0], scratch(lw, m.groups * m.rows * m.columns, &col)));
  const bool swap = swaps(p);
  const lcl_arg to = swap ? scratch(lw, m.groups * m.filters * m.columns, &y) : p->out;
  lcl_gemm g = gemm_of(p, to, lcl__scratch_arg(lw, col, LCL_READ));
  if (!swap) {
    g.bias_kind = p->has_bias ? LCL_BIAS_ROW : LCL_BIAS_NONE;
    g.act = p->act;
  }
  LCL_TRY(lcl__gemm_clblast.lower(lw, &g, NULL));
  return swap ? swap_blocks(lw, p, lcl__scratch_arg(lw, y, LCL_READ), p->out, p->s.o, p->s.n, true)
              : LCL_OK;
}

/* The gradient of y, in memory or as scratch, with a row for each filter. */
static lcl_status rows_of_y(lcl_lower *lw, const lcl_conv_problem *p, lcl_arg gy, lcl_arg *rows) {
  const plan m = plan_of(p);
  int y;
  *rows = gy;
  if (!swaps(p)) return LCL_OK;
  LCL_TRY(swap_blocks(lw, p, gy, scratch(lw, m.groups * m.filters * m.columns, &y), p->s.n, p->s.o,
                      false));
  *rows = lcl__scratch_arg(lw, y, LCL_READ);
  return LCL_OK;
}

static lcl_status input_grad(lcl_lower *lw, const lcl_conv_problem *p) {
  const plan m = plan_of(p);
  lcl_arg y;
  int col;
  LCL_TRY(rows_of_y(lw, p, p->in[0], &y));
  const lcl_gemm g = gemm_of(p, y, scratch(lw, m.groups * m.rows * m.columns, &col));
  LCL_TRY(lcl__gemm_clblast.lower(lw, &g, NULL));
  return col2im(lw, p, lcl__scratch_arg(lw, col, LCL_READ));
}

static lcl_status filter_grad(lcl_lower *lw, const lcl_conv_problem *p) {
  const plan m = plan_of(p);
  lcl_arg y;
  int col;
  LCL_TRY(im2col(lw, p, p->in[0], scratch(lw, m.groups * m.rows * m.columns, &col)));
  LCL_TRY(rows_of_y(lw, p, p->in[1], &y));
  const lcl_gemm g = gemm_of(p, y, lcl__scratch_arg(lw, col, LCL_READ));
  return lcl__gemm_clblast.lower(lw, &g, NULL);
}

static lcl_status lower(lcl_lower *lw, const lcl_conv_problem *p, const lcl_kernel_params *none) {
  (void)none;
  return p->pass == LCL_CONV_FORWARD      ? forward(lw, p)
         : p->pass == LCL_CONV_INPUT_GRAD ? input_grad(lw, p)
                                          : filter_grad(lw, p);
}

/* Never profitable unless it was measured to be. */
const lcl_conv_implementation lcl__conv_im2col_clblast = { .base = { .name = "im2col-clblast" },
                                                           .passes = LCL_CONV_FORWARD |
                                                                     LCL_CONV_INPUT_GRAD |
                                                                     LCL_CONV_FILTER_GRAD,
                                                           .supported = supported,
                                                           .lower = lower };
