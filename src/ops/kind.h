/* Kinds of problem that several implementations can compute, and those implementations. */
#ifndef LCL_OPS_KIND_H
#define LCL_OPS_KIND_H

#include "graph/graph.h"

/* ---- implementations and their parameters ---- */

/* What a tuner may choose of a kernel. An implementation has some of these; the others are 0. */
typedef struct lcl_kernel_params {
  int vector;              /* floats in a vector: 16 or 8 */
  int kc_capacity;         /* rows of a packed block of B for which local memory has room */
  int kc;                  /* ... that are used of it */
  int panels_n, panels_m;  /* panels of B and of A that a work-item walks */
  int tiles, filter_pairs; /* direct NHWC: tiles of pixels, pairs of panels of filters */
  int stream; /* Winograd: 1: a work-item with its `tiles` transforms the filters it needs itself */
  int tile_m, tile_n; /* tiled: rows and columns of a work-group's tile */
  int vectors;        /* tiled: vectors of 4 that a work-item has in each direction */
  int split_k;        /* partial sums of the inner dimension that are added up afterwards */
  int channels_last;  /* 1: copy the images to channels-last first */
} lcl_kernel_params;

/* A parameter by name, and the values a tuner tries. */
typedef struct lcl_kernel_param {
  const char *name;
  size_t offset; /* in lcl_kernel_params */
  int n_candidates, candidates[8];
} lcl_kernel_param;
#define LCL_KERNEL_PARAM(field, ...)                                                               \
  {                                                                                                \
#field, offsetof(lcl_kernel_params, field), LCL_COUNT(((int[]) { __VA_ARGS__ })), {            \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }

static inline int *lcl__kernel_param_in(lcl_kernel_params *all, const lcl_kernel_param *one) {
  return (int *)((char *)all + one->offset);
}

/* What implementations of every kind have in common (gemm.h and conv.h add the rest). The name
 * stands in tuning records, options and messages. */
typedef struct lcl_implementation {
  const char *name;
  const lcl_kernel_param *params;
  int n_params;
} lcl_implementation;
#define LCL_IMPLEMENTATION(name, params)                                                           \
  { name, params, (int)LCL_COUNT(params) }

/* An implementation with its parameters. */
typedef struct lcl_choice {
  const lcl_implementation *implementation; /* NULL: none */
  lcl_kernel_params params;
} lcl_choice;

bool lcl__choice_equal(const lcl_choice *a, const lcl_choice *b);

/* ---- kinds of problem ---- */

/* A kind of problem (lcl__gemm_kind, lcl__conv_kind); `problem` is an lcl_gemm or an
 * lcl_conv_problem. */
typedef struct lcl_kind {
  const lcl_implementation *const *list; /* in order of preference; ended by NULL */
  /* Whether it can compute the problem on this device. */
  bool (*supported)(const lcl_implementation *im, const lcl_caps *caps, const void *problem);
  /* Whether it may be taken where nothing was measured. */
  bool (*profitable)(const lcl_implementation *im, const lcl_caps *caps, const void *problem);
  /* Its own best parameters. */
  void (*start)(const lcl_implementation *im, const lcl_caps *caps, const void *problem,
                lcl_kernel_params *params);
  /* Seconds by a cost model of the device's class: of what it says that it can do, never of its
   * name. 0: there is none, parameters come from a rule. */
  double (*expected)(const lcl_caps *caps, const void *problem, const lcl_choice *c);
  /* Whether a supported problem can be computed with the choice's parameters, whoever wrote them
   * down. */
  bool (*legal)(const lcl_caps *caps, const void *problem, const lcl_choice *c);
  /* Emits the launches of the choice. */
  lcl_status (*lower)(lcl_lower *lw, const void *problem, const lcl_choice *c);
} lcl_kind;

/* The list's implementation of that name, or NULL. */
const lcl_implementation *lcl__kind_find(const lcl_kind *kind, const char *name);
/* An implementation with its own best parameters. */
lcl_choice lcl__kind_start(const lcl_kind *kind, const lcl_implementation *im, const lcl_caps *caps,
                           const void *problem);
/* What is taken where nothing was measured: the first supported and profitable one. */
lcl_choice lcl__kind_default(const lcl_kind *kind, const lcl_caps *caps, const void *problem);
/* Whether the choice is of this kind, supported and legal. */
bool lcl__kind_legal(const lcl_kind *kind, const lcl_caps *caps, const void *problem,
                     const lcl_choice *c);

/* A problem that is being lowered. */
typedef struct lcl_problem {
  const lcl_kind *kind;
  const void *p;     /* lcl_gemm or lcl_conv_problem */
  const char *op;    /* by which a user can ask for an algorithm; NULL: it is part of another op */
  const char *label; /* "conv2d 32x3x32x32 64x3x3x3" */
  double flops;
  char key[160]; /* in the tuning database */
} lcl_problem;

#endif
