/* Text of generated kernels: what fuse_map.c and fuse_reduce.c share. */
#ifndef LCL_OPS_FUSE_TEXT_H
#define LCL_OPS_FUSE_TEXT_H

#include "device/divide.h"
#include "ops/fuse.h"
#include "ops/fuse_plan.h"
#include "ops/map_code.h"

/* A tensor from outside the group; x<e> in the text. */
typedef struct lcl_external {
  lcl_tensor *tensor;
  lcl_arg arg;
  int64_t offset, stride[LCL_MAX_RANK];
  int64_t from[LCL_MAX_RANK], to[LCL_MAX_RANK]; /* where it has elements; it is 0 elsewhere */
  bool per_result; /* the same for all elements of a result: read once */
} lcl_external;

/* What a node reads. */
typedef struct lcl_operand {
  enum { LCL_FROM_MEMBER, LCL_FROM_MEMORY, LCL_FROM_NUMBER } from;
  int at; /* index of the member, of the external, of the number c<i> */
} lcl_operand;

/* A node of the group: t<i> in the text where it has a value an element, u<i> where it has one a
 * result. */
typedef struct lcl_member {
  lcl_node *node;
  lcl_operand in[3];
  int number; /* the parameter of its operation, or of a reduction its factor; -1: none */
  bool reduces, shows, per_result; /* shows: what it reads, as it is */
  int pass;   /* over the space: of an element the first that knows it, of a result the one after
                 which   it is known, -1 before the first */
  int output; /* y<output>; -1: nothing outside reads it */
} lcl_member;

/* A group while its kernel is written. */
typedef struct lcl_fused {
  lcl_lower *lw;
  const lcl_caps *caps;
  lcl_space space;
  int rank;                                       /* after merging */
  int64_t dim[LCL_MAX_RANK], place[LCL_MAX_RANK]; /* place: strides of results that have the space's
                                                     shape */
  bool reduced[LCL_MAX_RANK];
  lcl_external *ext;
  int n_ext;
  float *param;
  int n_param;
  lcl_member *member; /* in order of creation */
  int n_member;
  int n_pass;
  int *output; /* members */
  int n_output;
  /* Whether reductions make partial results, or read those that they made in the first launch. */
  enum { LCL_ONLY_LAUNCH, LCL_FIRST_LAUNCH, LCL_SECOND_LAUNCH } launch;
  const int *part; /* ... scratch slots of those, by reductions */
  lcl_str src;
} lcl_fused;

/* Finds operands, members and results. In a second launch, nodes are reductions and what follows
 * from them, and the space has one reduced axis that is longer than 1: splits. */
lcl_status lcl__fused_collect(lcl_fused *f, lcl_node *const *nodes, int n);
/* Merges neighbouring dimensions that every operand walks as one. */
void lcl__fused_merge(lcl_fused *f);

/* Names the kernel after its text, so that kernels of one program can stand in one source. */
lcl_status lcl__fused_name(lcl_fused *f, const char *what, char name[40]);
/* The kernel's parameters: of operands and results; of scalars. */
void lcl__fused_arguments(lcl_fused *f);
void lcl__fused_parameters(lcl_fused *f);
/* b<e>: where operand e is for the outer index in `index`, over the dimensions below `upto`: all
 * (want_reduced < 0); or the kept ones (0: a<e>); or the reduced ones (1) on top of those. bq: the
 * same for results of the space's shape. in_b<e>: whether an operand that is 0 elsewhere has
 * elements there. */
void lcl__fused_bases(lcl_fused *f, const char *index, int upto, int want_reduced);
/* What a pass computes for an element: loads at the current position as T, v: vector width, 1 for
 * the scalar form; then the members' expressions. */
void lcl__fused_elements(lcl_fused *f, int pass, int v);
/* Stores what is known first in this pass; where: of the elements' place, "q" or "bq". */
void lcl__fused_store_elements(lcl_fused *f, int pass, int v, const char *where);
/* Loads what has a value a result, v at once. */
void lcl__fused_load_results(lcl_fused *f, int v);
/* Members with a value a result that are known after this pass, reductions apart, and the stores of
 * all, v at once at `where`; condition: "" or of the stores. */
void lcl__fused_results(lcl_fused *f, int pass, int v, const char *where, const char *condition);
/* Name of what a member reads. */
void lcl__fused_operand(const lcl_fused *f, const lcl_operand *in, char name[32]);

void lcl__fused_push_operands(lcl_fused *f, lcl_arg *args, int *n);
void lcl__fused_describe(const lcl_fused *f, const char *what, char label[160]);
double lcl__fused_operand_bytes(const lcl_fused *f);

#endif
