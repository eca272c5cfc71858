/* Graphs, variables and programs: LatentCL's one idea.
 *
 * A model is a graph of tensors, built once. The gradient of a graph is more graph (lcl_gradients).
 * A graph is compiled into a program, and a program is run many times. Variables (parameters,
 * optimiser slots, running statistics, random state) live in a store that several graphs and
 * programs share: training, evaluation and sampling see the same ones.
 *
 * Building is sticky: after a mistake every call returns a harmless tensor and lcl_compile reports
 * the first mistake, with the operation's name and the shapes it got. No call aborts.
 *
 * Tensors are row-major. Images are N,C,H,W; filters O,I,KH,KW; features N,F. */
#ifndef LATENTCL_GRAPH_H
#define LATENTCL_GRAPH_H

#include "latentcl/context.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LCL_MAX_RANK 6

typedef enum lcl_dtype { LCL_F32, LCL_I32, LCL_U8, LCL_F16 } lcl_dtype;
LCL_API size_t lcl_dtype_size(lcl_dtype dtype);
LCL_API const char *lcl_dtype_name(lcl_dtype dtype);

typedef struct lcl_shape {
  int rank; /* 0: a scalar */
  int64_t dim[LCL_MAX_RANK];
} lcl_shape;

/* LCL_SHAPE(100, 1, 28, 28); LCL_SCALAR for rank 0. */
#define LCL_SHAPE(...)                                                                             \
  ((lcl_shape) { (int)(sizeof((int64_t[]) { __VA_ARGS__ }) / sizeof(int64_t)), { __VA_ARGS__ } })
#define LCL_SCALAR ((lcl_shape) { 0, { 0 } })

LCL_API int64_t lcl_shape_count(lcl_shape s); /* number of elements; 1 for a scalar */
LCL_API bool lcl_shape_equal(lcl_shape a, lcl_shape b);
LCL_API const char *lcl_shape_string(lcl_shape s, char buf[96]); /* "100x1x28x28"; returns buf */

typedef struct lcl_store lcl_store;
typedef struct lcl_graph lcl_graph;
typedef struct lcl_tensor lcl_tensor;
typedef struct lcl_program lcl_program;

LCL_API lcl_shape lcl_tensor_shape(const lcl_tensor *t);
LCL_API lcl_dtype lcl_tensor_dtype(const lcl_tensor *t);
LCL_API lcl_graph *lcl_tensor_graph(const lcl_tensor *t);

/* ---- store: variables that outlive programs ---- */

typedef enum lcl_init_kind {
  LCL_INIT_ZERO,
  LCL_INIT_CONSTANT,  /* value */
  LCL_INIT_NORMAL,    /* mean value, std scale */
  LCL_INIT_UNIFORM,   /* [-scale, scale) */
  LCL_INIT_HE_NORMAL, /* std = scale*sqrt(2/fan_in); fan_in = product of all but the first dimension
                       */
  LCL_INIT_GLOROT_UNIFORM, /* limit = scale*sqrt(6/(fan_in+fan_out)) */
  LCL_INIT_FAN_IN_NORMAL,  /* std = scale/sqrt(fan_in) */
  LCL_INIT_FAN_IN_UNIFORM  /* uniform with std scale/sqrt(fan_in) */
} lcl_init_kind;

typedef struct lcl_init {
  lcl_init_kind kind;
  float value;
  float scale;     /* 0 means 1 */
  int64_t fan_in;  /* 0: from the shape */
  int64_t fan_out; /* 0: from the shape */
} lcl_init;

/* seed: initial values and every random op derive from it (Philox4x32-10), the same on every
 * device. */
LCL_API lcl_status lcl_store_create(lcl_context *ctx, uint64_t seed, lcl_store **out);
LCL_API void lcl_store_destroy(lcl_store *store);
LCL_API lcl_context *lcl_store_context(lcl_store *store);

/* A variable as seen from outside a graph. */
typedef struct lcl_var_info {
  const char *name;
  lcl_dtype dtype;
  lcl_shape shape;
  bool trainable;
} lcl_var_info;
LCL_API size_t lcl_store_count(const lcl_store *store);
LCL_API lcl_var_info lcl_store_info(const lcl_store *store,
                                    size_t index); /* in order of creation */
/* Copies a variable out of / into the store; bytes must be its exact size. Waits for the device. */
LCL_API lcl_status lcl_store_read(lcl_store *store, const char *name, void *data, size_t bytes);
LCL_API lcl_status lcl_store_write(lcl_store *store, const char *name, const void *data,
                                   size_t bytes);
LCL_API int64_t lcl_store_param_count(const lcl_store *store); /* trainable numbers */

/* ---- graph ---- */

/* name separates the random streams of graphs on one store ("train", "eval"): each has its own
 * random state variable
 * "<name>.rng", advanced by one at the end of every run of a program that draws random numbers. */
LCL_API lcl_status lcl_graph_create(lcl_store *store, const char *name, lcl_graph **out);
LCL_API void lcl_graph_destroy(lcl_graph *g); /* programs compiled from it stay valid */
LCL_API lcl_status
lcl_graph_status(const lcl_graph *g); /* the first mistake so far (LCL_OK: none) */

/* A tensor fed from outside before a run. Names are unique in a graph. */
LCL_API lcl_tensor *lcl_input(lcl_graph *g, const char *name, lcl_dtype dtype, lcl_shape shape);
/* A trainable f32 variable: found in the store by name, or created and initialised. */
LCL_API lcl_tensor *lcl_param(lcl_graph *g, const char *name, lcl_shape shape, lcl_init init);
/* A variable that is not trained (running statistics, counters). */
LCL_API lcl_tensor *lcl_state(lcl_graph *g, const char *name, lcl_dtype dtype, lcl_shape shape,
                              lcl_init init);
/* A scalar constant, and a tensor with given values (f32; copied). */
LCL_API lcl_tensor *lcl_const(lcl_graph *g, float value);
LCL_API lcl_tensor *lcl_const_data(lcl_graph *g, lcl_dtype dtype, lcl_shape shape,
                                   const void *data);
/* A name for fetching: lcl_fetch(program, name, ...). Returns t. */
LCL_API lcl_tensor *lcl_output(lcl_tensor *t, const char *name);

/* A tensor of the same value through which no gradient flows. */
LCL_API lcl_tensor *lcl_stop_gradient(lcl_tensor *x);

/* ---- program ---- */

typedef struct lcl_compile_desc {
  lcl_tensor *const *fetch; /* tensors to keep for lcl_fetch, beside those named with lcl_output */
  int n_fetch;
  bool no_updates;     /* leave assignments, optimiser steps and running statistics out */
  bool only_fetch;     /* keep only fetch[], not every lcl_output of the graph */
  bool no_fusion;      /* for tests and people who look for a wrong result */
  bool guard_bands;    /* for tests: NaNs around every buffer and in what is not computed yet; a run
                          that writes    outside fails */
  bool check_numerics; /* run launch by launch and name the first tensor with NaN or Inf */
} lcl_compile_desc;

/* Shapes checked, dead nodes dropped, chains fused, memory planned, algorithms chosen, kernels
 * built. */
LCL_API lcl_status lcl_compile(lcl_graph *g, const lcl_compile_desc *desc, lcl_program **out);
LCL_API void lcl_program_destroy(lcl_program *p);

/* Copies data into an input; bytes must be the input's exact size. Returns when data may be reused.
 */
LCL_API lcl_status lcl_feed(lcl_program *p, const char *input, const void *data, size_t bytes);
/* Binds a device buffer instead of the program's own (not copied; must outlive the program's runs).
 */
LCL_API lcl_status lcl_feed_buffer(lcl_program *p, const char *input, lcl_buffer *buf);
/* Enqueues one run. Does not wait. */
LCL_API lcl_status lcl_run(lcl_program *p);
LCL_API lcl_status lcl_run_async(lcl_program *p,
                                 void **cl_event_out); /* the caller releases the event */
/* Waits and copies an output out, by the name given with lcl_output, or "#0", "#1"... for fetch[0],
 * fetch[1]... */
LCL_API lcl_status lcl_fetch(lcl_program *p, const char *output, void *data, size_t bytes);

typedef struct lcl_program_stats {
  size_t nodes, launches, fused_groups;
  double flops,
      bytes; /* one run: useful multiply-adds x 2 and the rest as 1; bytes that must move */
  size_t peak_memory; /* intermediates, planned */
  size_t sum_memory;  /* intermediates, if none shared memory */
  size_t variable_memory;
} lcl_program_stats;
LCL_API lcl_program_stats lcl_program_get_stats(const lcl_program *p);

/* A text for people: nodes, fused groups, algorithms, launches, FLOPs, bytes, memory. dot != 0:
 * Graphviz instead. The caller frees *text with free(). */
LCL_API lcl_status lcl_program_explain(const lcl_program *p, bool dot, char **text);

#ifdef __cplusplus
}
#endif
#endif
