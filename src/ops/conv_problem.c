/* The problem that a convolution's node poses: pass, sizes, operands, epilogue. See conv.h. */
#include "ops/conv.h"
#include "ops/packed.h"

const lcl_op *lcl__conv_op(lcl_conv_pass pass) {
  return pass == LCL_CONV_FORWARD      ? &lcl__op_conv2d
         : pass == LCL_CONV_INPUT_GRAD ? &lcl__op_conv2d_input_grad
                                       : &lcl__op_conv2d_filter_grad;
}

static lcl_conv_pass pass_of(const lcl_node *node) {
  return node->op == &lcl__op_conv2d              ? LCL_CONV_FORWARD
         : node->op == &lcl__op_conv2d_input_grad ? LCL_CONV_INPUT_GRAD
                                                  : LCL_CONV_FILTER_GRAD;
}

lcl_conv_sizes lcl__conv_sizes_of(const lcl_node *node) {
  const lcl_conv_attr *a = node->attr;
  const lcl_shape s0 = node->in[0]->shape, s1 = node->in[1]->shape;
  const int64_t *x = s0.dim, *w = s1.dim, *y = node->out[0].shape.dim;
  const lcl_conv_pass pass = pass_of(node);
  if (pass == LCL_CONV_INPUT_GRAD) {
    x = a->shape;
    y = s0.dim;
  } else if (pass == LCL_CONV_FILTER_GRAD) {
    w = a->shape;
    y = s1.dim;
  }
  return (lcl_conv_sizes) { x[0], x[1], x[2], x[3], w[0], w[2], w[3], y[2], y[3] };
}

double lcl__conv_flops(const lcl_node *node) {
  const lcl_conv_sizes s = lcl__conv_sizes_of(node);
  const lcl_conv_attr *a = node->attr;
  const int64_t channels = s.c / a->groups;
  return 2.0 * (double)(s.n * s.o) * (double)(s.oh * s.ow) * (double)channels *
         (double)(s.kh * s.kw);
}

void lcl__conv_shapes(const lcl_conv_problem *p, lcl_shape shapes[3]) {
  const lcl_conv_sizes *s = &p->s;
  const lcl_shape x = LCL_SHAPE(s->n, s->c, s->h, s->w),
                  w = LCL_SHAPE(s->o, s->c / p->a.groups, s->kh, s->kw),
                  y = LCL_SHAPE(s->n, s->o, s->oh, s->ow);
  shapes[0] = p->pass == LCL_CONV_INPUT_GRAD ? y : x;
  shapes[1] = p->pass == LCL_CONV_FILTER_GRAD ? y : w;
  shapes[2] = p->pass == LCL_CONV_FORWARD ? y : p->pass == LCL_CONV_INPUT_GRAD ? x : w;
}

lcl_conv_problem lcl__conv_problem_of(lcl_lower *lw, const lcl_node *node, const lcl_epilogue *e) {
  char s0[96], s1[96];
  lcl_conv_problem p = { .pass = pass_of(node),
                         .s = lcl__conv_sizes_of(node),
                         .a = *(const lcl_conv_attr *)node->attr,
                         .half = node->in[0]->dtype == LCL_F16,
                         .half_out = e->out->dtype == LCL_F16,
                         .masked = node->in[1]->node->op->flags & LCL_OP_MASKED,
                         .in = { lcl__in(lw, node->in[0]), lcl__in(lw, node->in[1]) },
                         .out = lcl__out(lw, e->out),
                         .has_bias = e->bias != NULL,
                         .act = e->act,
                         .slope = e->slope,
                         .flops = lcl__conv_flops(node) };
  p.bias = e->bias ? lcl__in(lw, e->bias) : p.in[1];
  snprintf(p.label, sizeof p.label, "%s %s %s", node->op->name,
           lcl_shape_string(node->in[0]->shape, s0), lcl_shape_string(node->in[1]->shape, s1));
  return p;
}

lcl_arg lcl__conv_shape_arg(lcl_lower *lw, const lcl_conv_problem *p) {
  const lcl_conv_attr *a = &p->a;
  const lcl_conv_sizes *s = &p->s;
  const conv_shape shape = { .images = lcl__int(lw, s->n),
                             .channels = lcl__int(lw, s->c),
                             .filters = lcl__int(lw, s->o),
                             .h = lcl__int(lw, s->h),
                             .w = lcl__int(lw, s->w),
                             .kh = lcl__int(lw, s->kh),
                             .kw = lcl__int(lw, s->kw),
                             .gq = lcl__int(lw, s->oh),
                             .gr = lcl__int(lw, s->ow),
                             .sh = lcl__int(lw, a->stride[0]),
                             .sw = lcl__int(lw, a->stride[1]),
                             .top = lcl__int(lw, a->pad[0]),
                             .left = lcl__int(lw, a->pad[2]),
                             .dh = lcl__int(lw, a->dilation[0]),
                             .dw = lcl__int(lw, a->dilation[1]) };
  return LCL_STRUCT(shape);
}
