/* Layer 4, internal: a graph on its way into an ONNX file. A node's op class is a row of the table
 * in save_nodes.c, whose function adds the nodes of ONNX that compute the same. */
#ifndef LCL_ONNX_SAVE_H
#define LCL_ONNX_SAVE_H

#include "graph/graph.h"
#include "onnx/internal.h"

/* The operator set of the files that are written. */
enum { ONNX_WRITTEN = 17 };

typedef struct onnx_saver {
  lcl_arena *arena;
  lcl_graph *g;
  const lcl_onnx_save_desc *desc;
  const char *
      *name;    /* of each node's outputs 0 and 1, by 2*id + index; NULL: not in the file yet */
  bool *needed; /* by node id */
  struct {
    onnx_proto_node **data;
    size_t n, cap;
  } nodes;
  struct {
    onnx_tensor **data;
    size_t n, cap;
  } weights;
  const char *batch; /* the list of one number that holds the batch's size; NULL: not needed yet */
  lcl_tensor *batch_input; /* an input whose axis 0 is the batch; NULL: there is none */
  int fresh;
  bool failed; /* out of memory */
} onnx_saver;

/* ---- save.c ---- */

/* A new name. */
const char *lcl__onnx_fresh(onnx_saver *s);
/* The name of a tensor that is in the file already. */
const char *lcl__onnx_named(const onnx_saver *s, const lcl_tensor *t);
/* A node with n_in inputs and one output, which gets the name or, for NULL, a new one. The last
 * node added takes the attributes that follow. */
const char *lcl__onnx_add(onnx_saver *s, const char *op, const char *const *in, int n_in,
                          const char *out);
void lcl__onnx_add_int(onnx_saver *s, const char *name, int64_t value);
void lcl__onnx_add_float(onnx_saver *s, const char *name, float value);
void lcl__onnx_add_ints(onnx_saver *s, const char *name, const int64_t *values, int n);
/* Constants. */
const char *lcl__onnx_weight(onnx_saver *s, const char *name, lcl_dtype dtype, lcl_shape shape,
                             const void *data);
const char *lcl__onnx_number_constant(onnx_saver *s, float value);
const char *lcl__onnx_list(onnx_saver *s, const int64_t *values, int n);
/* Whether a size is the batch's or a multiple of it. */
bool lcl__onnx_is_batch(const onnx_saver *s, int64_t size);
/* A shape as a list; for_reshape: one size may be -1. */
lcl_status lcl__onnx_shape_list(onnx_saver *s, lcl_shape shape, bool for_reshape, const char **out);

/* ---- save_nodes.c ---- */

/* Adds what computes the node's outputs, under names[]. LCL_ERR_UNSUPPORTED names the op. */
lcl_status lcl__onnx_save_node(onnx_saver *s, const lcl_node *node);

#endif
