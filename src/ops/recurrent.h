/* Diagonal BiLSTM: what its shape rules (recurrent.c) and its launches (recurrent_lower.c) share.
 */
#ifndef LCL_OPS_RECURRENT_H
#define LCL_OPS_RECURRENT_H

#include "graph/graph.h"

/* Attributes of the gradient: the forward pass's sizes. */
typedef struct lcl_bilstm_attr {
  int32_t n, height, width, hidden;
  int32_t init; /* there are initial states */
  int32_t pad;  /* cells beside the image have a bias; implies init */
  int32_t freeze;
} lcl_bilstm_attr;

/* Node inputs and outputs; the states are there only with init, the bias only with pad.
 *   forward   in  s, k_left, k_right, h0_left, c0_left, h0_right, c0_right, pad     out  y,
 * records, margin backward  in  gy, k_left, k_right, records, margin    out  gs, gk_left, gk_right,
 * and the gradients of the four states and of pad Layouts: cl/bilstm.cl. */
lcl_status lcl__bilstm_lower_forward(lcl_lower *lw, lcl_node *node);
lcl_status lcl__bilstm_lower_backward(lcl_lower *lw, lcl_node *node);
/* The margin alone: in k_left, k_right, the states and the bias. */
lcl_status lcl__bilstm_lower_margin(lcl_lower *lw, lcl_node *node);

/* The forward node's attributes, with its sizes. */
lcl_bilstm_attr lcl__bilstm_attr_of(const lcl_node *node);
/* Numbers in the margin: zeros, and with initial states the records left of the image. */
int64_t lcl__bilstm_margin_count(const lcl_bilstm_attr *a);

#endif
