/* Text of generated kernels: what fuse_map.c and fuse_reduce.c share. */
#ifndef LCL_OPS_FUSE_TEXT_H
#define LCL_OPS_FUSE_TEXT_H

#include "device/divide.h"
#include "ops/fuse.h"
#include "ops/map_code.h"

/* An operand from outside the group. */
typedef struct lcl_external {
  lcl_tensor *tensor;
  lcl_arg arg;
  int64_t offset, stride[LCL_MAX_RANK];
} lcl_external;

/* A group while its kernel is written. */
typedef struct lcl_fused {
  lcl_lower *lw;
  const lcl_caps *caps;
  lcl_node *const *nodes;
  int n_nodes;
  const lcl_node *root; /* the reduction, or NULL */
  lcl_shape space;
  int rank; /* after merging */
  int64_t dim[LCL_MAX_RANK];
  bool reduced[LCL_MAX_RANK];
  lcl_external *ext;
  int n_ext;
  float *param;
  int n_param;
  lcl_node **order; /* element-wise members in order of id */
  int n_order;
  lcl_tensor **outputs;
  int n_outputs;
  lcl_str src;
} lcl_fused;

/* Whether t is computed inside the group. */
bool lcl__fused_inside(const lcl_fused *f, const lcl_tensor *t);
/* Whether t is a scalar constant behind views, and its value. */
bool lcl__fused_scalar(lcl_tensor *t, float *value);
/* Finds operands, members in order and results. */
lcl_status lcl__fused_collect(lcl_fused *f);
/* Merges neighbouring dimensions that every operand walks as one. */
void lcl__fused_merge(lcl_fused *f);

/* Names the kernel after its text, so that kernels of one program can stand in one source. */
lcl_status lcl__fused_name(lcl_fused *f, const char *what, char name[40]);
/* The kernel's parameters: of operands and results; of scalars. */
void lcl__fused_arguments(lcl_fused *f);
void lcl__fused_parameters(lcl_fused *f);
/* Scalars must be counted before the parameter list is written. */
void lcl__fused_count_parameters(lcl_fused *f);
/* b<e>: where operand e is for the outer index in `index`, over the dimensions below `upto`: all
 * (want_reduced < 0), kept ones (0) or reduced ones (1). add: on top of a<e>. */
void lcl__fused_bases(lcl_fused *f, const char *index, const char *suffix, bool add, int upto,
                      int want_reduced);
/* Loads of every operand at the current position, as T; v: vector width, 1 for the scalar form. */
void lcl__fused_loads(lcl_fused *f, int v);
/* The members' expressions in order. */
void lcl__fused_expressions(lcl_fused *f);
void lcl__fused_stores(lcl_fused *f, int v);
/* Name of a tensor's value in the text. */
void lcl__fused_value(const lcl_fused *f, lcl_tensor *t, int *next_param, char out[32]);

void lcl__fused_push_operands(lcl_fused *f, lcl_arg *args, int *n);
void lcl__fused_describe(const lcl_fused *f, const char *what, char label[160]);
double lcl__fused_operand_bytes(const lcl_fused *f);

#endif
