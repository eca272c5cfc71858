/* Masked convolution: an ordinary convolution with a filter whose forbidden weights are replaced by
 * 0. */
#include "latentcl/ops.h"
#include "ops/conv.h"

typedef struct mask_attr {
  int32_t type, image_channels, gates, interleaved;
} mask_attr;

static lcl_status infer_mask(lcl_node *node) {
  const mask_attr *a = node->attr;
  const lcl_shape s = node->in[0]->shape;
  char text[96];
  if (node->in[0]->dtype != LCL_F32) return lcl__fail(LCL_ERR_TYPE, "expects an f32 filter");
  if (s.rank != 4)
    return lcl__fail(LCL_ERR_SHAPE, "expects a filter of rank 4, got %s",
                     lcl_shape_string(s, text));
  if (s.dim[2] % 2 == 0 || s.dim[3] % 2 == 0)
    return lcl__fail(LCL_ERR_SHAPE, "a masked filter has a centre: both sizes must be odd, got %s",
                     lcl_shape_string(s, text));
  if (a->image_channels < 1 || a->gates < 1)
    return lcl__fail(LCL_ERR_ARGUMENT, "image channels and gates must be positive");
  if (s.dim[0] % a->gates || s.dim[0] / a->gates < a->image_channels ||
      s.dim[1] < a->image_channels)
    return lcl__fail(LCL_ERR_SHAPE, "%d image channels and %d gates do not divide a filter of %s",
                     a->image_channels, a->gates, lcl_shape_string(s, text));
  node->out[0].shape = s;
  node->out[0].dtype = LCL_F32;
  return LCL_OK;
}

static lcl_tensor *mask(lcl_tensor *w, const mask_attr *a);

/* The mask is its own adjoint. */
static void grad_mask(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin) {
  gin[0] = mask(gout[0], node->attr);
}

static lcl_status lower_mask(lcl_lower *lw, lcl_node *node) {
  const mask_attr *a = node->attr;
  const lcl_shape s = node->in[0]->shape;
  const int64_t filters = s.dim[0] * s.dim[1];
  char label[128], text[96];
  snprintf(label, sizeof label, "conv_mask %s", lcl_shape_string(s, text));
  return lcl__emit(
      lw, &(lcl_launch) { .label = label,
                          .source = { .file = "conv_mask.cl" },
                          .kernel = "conv_mask",
                          LCL_ARGS(lcl__in(lw, node->in[0]), lcl__out(lw, &node->out[0]),
                                   lcl__i32(s.dim[0]), lcl__i32(s.dim[1]), lcl__i32(s.dim[2]),
                                   lcl__i32(s.dim[3]), lcl__i32(a->type == LCL_MASK_B),
                                   lcl__i32(a->image_channels), lcl__i32(a->gates),
                                   lcl__i32(a->interleaved)),
                          .dims = 1,
                          .global = { (size_t)filters },
                          .bytes = 8.0 * (double)lcl_shape_count(s) });
}

static const lcl_op op_mask = { .name = "conv_mask",
                                .attr_size = sizeof(mask_attr),
                                .infer = infer_mask,
                                .grad = grad_mask,
                                .lower = lower_mask,
                                .flags = LCL_OP_MASKED };

static lcl_tensor *mask(lcl_tensor *w, const mask_attr *a) {
  return lcl__node_new(lcl_tensor_graph(w), &op_mask, LCL_IN(w), a, 1);
}

lcl_tensor *lcl_masked_conv2d(lcl_tensor *x, lcl_tensor *w, lcl_tensor *b, const lcl_mask_desc *m,
                              const lcl_conv_desc *desc) {
  LCL_NEED_TENSORS(x, w);
  if (!m)
    return lcl__graph_error(x->node->graph, LCL_ERR_ARGUMENT, "masked_conv2d", "the mask is NULL");
  const mask_attr a = { (int32_t)m->type, m->image_channels ? m->image_channels : 1,
                        m->gates ? m->gates : 1, m->interleaved };
  return lcl_conv2d(x, mask(w, &a), b, desc);
}
