/* Filter gradients of convolutions with the kernel of cl/conv_rows.cl, which packs nothing. */
#include "ops/conv.h"
#include "ops/gemm.h"

/* Most local memory to use, of which pictures and gradients may have a part: it is the second-level
 * cache. */
enum { MOST_LOCAL = 640 << 10, MOST_PICTURES = 128 << 10 };

typedef struct plan {
  lcl_conv_sizes s;
  int64_t vec, cl, yl, wh, ww; /* as in the kernel */
  int64_t pics, share, items, local;
} plan;

static plan plan_of(const lcl_caps *caps, const lcl_node *node) {
  const lcl_conv_attr *a = node->attr;
  const lcl_conv_sizes s = lcl_conv_sizes_of(node);
  const int64_t units = LCL_MAX(1, (int64_t)caps->compute_units);
  plan p = { .s = s, .vec = lcl_panel_vec(caps) };
  const int64_t mr = lcl_panel_rows(p.vec), rows = lcl_ceil_div(s.o, mr) * mr, plane = s.oh * s.ow;
  p.cl = (int64_t)lcl_round_up((size_t)s.c, (size_t)(2 * p.vec));
  p.yl = (int64_t)lcl_round_up((size_t)rows, (size_t)p.vec);
  p.wh = LCL_MAX((s.oh - 1) * a->stride[0] + (s.kh - 1) * a->dilation[0] + 1, a->pad[0] + s.h);
  p.ww = LCL_MAX((s.ow - 1) * a->stride[1] + (s.kw - 1) * a->dilation[1] + 1, a->pad[2] + s.w);
  const int64_t one = (p.wh * p.ww * p.cl + plane * (p.yl + 1)) * (int64_t)sizeof(float);
  p.share = LCL_MAX(1, lcl_ceil_div(s.n, 2 * units));
  p.items = lcl_ceil_div(s.n, p.share);
  p.pics = LCL_MAX(1, LCL_MIN(p.share, MOST_PICTURES / LCL_MAX(one, 1)));
  p.local = p.pics * one + rows * s.kh * s.kw * p.cl * (int64_t)sizeof(float);
  return p;
}

bool lcl_conv_rows_filter_grad_can(const lcl_caps *caps, const lcl_node *node) {
  const lcl_conv_attr *a = node->attr;
  const lcl_conv_sizes s = lcl_conv_sizes_of(node);
  if (!caps->panel || a->groups != 1 || s.n * s.o * s.c * s.oh * s.ow * s.kh * s.kw == 0)
    return false;
  return plan_of(caps, node).local <= (int64_t)LCL_MIN(caps->local_mem, (size_t)MOST_LOCAL);
}

/* Where vectors and tiles are mostly full. */
bool lcl_conv_rows_filter_grad_pays(const lcl_caps *caps, const lcl_node *node) {
  const lcl_conv_sizes s = lcl_conv_sizes_of(node);
  if (!lcl_conv_rows_filter_grad_can(caps, node)) return false;
  const plan p = plan_of(caps, node);
  return 4 * s.c >= 3 * p.cl && s.o >= 8 && s.kh * s.kw > 1;
}

lcl_status lcl_conv_rows_lower_filter_grad(lcl_lower *lw, lcl_node *node, const lcl_gemm *g) {
  const plan p = plan_of(lcl_lower_caps(lw), node);
  const lcl_conv_sizes *s = &p.s;
  const int64_t pitch = s->kh * s->kw * p.cl;
  const int part = lcl_scratch(lw, sizeof(float) * (size_t)(p.items * s->o * pitch));
  const rows_grad grad = { .share = lcl_int(lw, p.share),
                           .pics = lcl_int(lw, p.pics),
                           .wh = lcl_int(lw, p.wh),
                           .ww = lcl_int(lw, p.ww),
                           .cl = lcl_int(lw, p.cl),
                           .yl = lcl_int(lw, p.yl) };
  char options[32], label[256];
  snprintf(options, sizeof options, "-DVEC=%d", (int)p.vec);
  snprintf(label, sizeof label, "%s rows", g->label);
  LCL_TRY(lcl_emit(
      lw, &(lcl_launch) {
              .label = label,
              .source = { .file = "conv_rows.cl", .options = options },
              .kernel = "conv_rows_filter_grad",
              LCL_ARGS(g->b, g->a, lcl_scratch_arg(lw, part, LCL_WRITE), lcl_local((size_t)p.local),
                       lcl_conv_shape_arg(lw, node), LCL_STRUCT(grad)),
              .dims = 1,
              .global = { (size_t)p.items },
              .local = { 1 },
              .flops = g->flops,
              .bytes = 4.0 * (double)(s->n * (s->c * s->h * s->w + s->o * s->oh * s->ow) +
                                      s->o * pitch) }));
  return lcl_gemm_sum_parts(lw, g, (int)p.items, part, pitch, p.cl);
}
