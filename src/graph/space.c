/* Spaces: how the values of the nodes of one generated kernel belong together. */
#include "graph/graph.h"

/* Whether s, but for axes of size 1, is what remains of the space when its axes are reduced. */
static bool is_remainder(const lcl_space *space, lcl_shape s) {
  int at = 0;
  for (int i = 0; i < space->shape.rank; i++) {
    if ((space->axes & (1u << i)) || space->shape.dim[i] == 1) continue;
    while (at < s.rank && s.dim[at] == 1) at++;
    if (at == s.rank || s.dim[at++] != space->shape.dim[i]) return false;
  }
  while (at < s.rank && s.dim[at] == 1) at++;
  return at == s.rank;
}

lcl_per lcl__space_per(const lcl_space *space, const lcl_node *node) {
  if (node->op->fusion == LCL_FUSE_REDUCE)
    return lcl_shape_equal(node->in[0]->shape, space->shape) &&
                   node->op->reduced_axes(node) == space->axes
               ? LCL_PER_RESULT
               : LCL_PER_NEITHER;
  if (node->op->fusion != LCL_FUSE_MAP) return LCL_PER_NEITHER;
  if (lcl_shape_equal(node->out[0].shape, space->shape)) return LCL_PER_ELEMENT;
  return space->axes && is_remainder(space, node->out[0].shape) ? LCL_PER_RESULT : LCL_PER_NEITHER;
}

/* Whether node walks over elements: a reduction reads those. */
static bool reads_elements(const lcl_space *space, const lcl_node *node) {
  return node->op->fusion == LCL_FUSE_REDUCE || lcl__space_per(space, node) == LCL_PER_ELEMENT;
}

lcl_shape lcl__space_axes(const lcl_space *space, const lcl_node *reader, int axis[LCL_MAX_RANK]) {
  const bool elements = reads_elements(space, reader);
  const lcl_shape walked = elements ? space->shape : reader->out[0].shape;
  int next = 0;
  for (int i = 0; i < walked.rank; i++) {
    axis[i] = -1;
    if (walked.dim[i] == 1) continue;
    while (!elements && ((space->axes & (1u << next)) || space->shape.dim[next] == 1)) next++;
    axis[i] = elements ? i : next++;
  }
  return walked;
}

void lcl__space_strides(const lcl_space *space, const lcl_node *reader, const lcl_tensor *t,
                        const lcl_view *view, int64_t stride[LCL_MAX_RANK]) {
  int axis[LCL_MAX_RANK];
  const lcl_shape walked = lcl__space_axes(space, reader, axis);
  const int lead = walked.rank - t->shape.rank;
  memset(stride, 0, LCL_MAX_RANK * sizeof *stride);
  for (int i = lead; i < walked.rank; i++)
    if (axis[i] >= 0 && t->shape.dim[i - lead] != 1) stride[axis[i]] = view->stride[i - lead];
}

/* How t lies in memory where the node behind its views lies dense; false: no strides say it. */
static bool view_of_dense(lcl_tensor *t, lcl_view *v) {
  if (lcl__view_source(t) == t) {
    lcl__dense_strides(t->shape, v->stride);
    return true;
  }
  if (!view_of_dense(t->node->in[0], v)) return false;
  return !t->node->op->view || t->node->op->view(t->node, v);
}

bool lcl__space_in_place(const lcl_space *space, const lcl_node *reader, lcl_tensor *t) {
  const lcl_node *from = lcl__view_source(t)->node;
  const bool results = lcl__space_per(space, from) == LCL_PER_RESULT;
  if (reader->op->flags & LCL_OP_SHIFTED) return false;
  lcl_view v = { 0 };
  int64_t stride[LCL_MAX_RANK], n = 1;
  if (!results && !reads_elements(space, reader)) return false;
  if (!view_of_dense(t, &v) || v.offset) return false;
  lcl__space_strides(space, reader, t, &v, stride);
  for (int i = space->shape.rank - 1; i >= 0; i--) {
    const bool along = !results || !(space->axes & (1u << i));
    if (space->shape.dim[i] != 1 && stride[i] != (along ? n : 0)) return false;
    if (along) n *= space->shape.dim[i];
  }
  return true;
}
