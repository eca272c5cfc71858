/* Layer 2, private to src/graph: the graph's own structure. Op families see only graph/graph.h. */
#ifndef LCL_GRAPH_PRIVATE_H
#define LCL_GRAPH_PRIVATE_H

#include "graph/graph.h"
#include "graph/store.h"

struct lcl_graph {
  lcl_store *store;
  lcl_arena *arena;
  char *name;
  struct {
    lcl_node **data;
    size_t n, cap;
  } nodes; /* by id */
  struct {
    lcl_tensor **data;
    size_t n, cap;
  } outputs;        /* named with lcl_output */
  lcl_node **table; /* hash-consing: open addressing over nodes */
  size_t table_cap;
  int n_random;            /* streams handed out */
  lcl_graph_shares shares; /* .ranks NULL: not shared */
  lcl_dtype precision;     /* of operands of products */
  lcl_status status;       /* first error */
  char *message;
  lcl_tensor poison; /* what a broken call returns */
  lcl_node poison_node;
};

/* shape.c: a shape that can be allocated: rank and sizes in range, at most 2^40 elements. */
lcl_status lcl__shape_check(lcl_shape s);
lcl_status lcl__dtype_check(lcl_dtype dtype);

/* Leaves of a graph; leaf.c. */
extern const lcl_op lcl__op_input, lcl__op_var, lcl__op_const, lcl__op_const_data;
typedef struct lcl_var_attr {
  lcl_var *var;
} lcl_var_attr;
typedef struct lcl_const_attr {
  float value;
} lcl_const_attr;
typedef struct lcl_const_data_attr {
  const void *data;
  size_t bytes;
  lcl_shape shape;
  lcl_dtype dtype;
} lcl_const_data_attr;

#endif
