/* Layer 2, internal: nodes, op classes, lowering. An op family is one file in src/ops that defines
 * lcl_op classes and the public functions that build their nodes.
 *
 * The life of a node: a public function (ops.h) calls lcl__node_new -> op->infer gives output
 * shapes; lcl_gradients calls op->grad, which builds more nodes; lcl_compile calls op->lower, which
 * emits launches. Memory is planned from the launches, so op->lower may ask for scratch and emit as
 * many launches as it likes. */
#ifndef LCL_GRAPH_INTERNAL_H
#define LCL_GRAPH_INTERNAL_H

#include "base/base.h"
#include "device/device.h"
#include "latentcl/graph.h"

typedef struct lcl_node lcl_node;
typedef struct lcl_lower lcl_lower;

struct lcl_tensor {
  lcl_node *node;
  int index; /* which output of node */
  lcl_dtype dtype;
  lcl_shape shape;
  const char *output_name; /* set by lcl_output */
};

/* How a tensor lies in memory: element (i0,i1,...) is at offset + sum i_k*stride_k, in elements. */
typedef struct lcl_view {
  int slot;
  int64_t offset;
  int64_t stride[LCL_MAX_RANK];
} lcl_view;
/* Strides of a row-major tensor of this shape; 0 beyond its rank. */
void lcl__dense_strides(lcl_shape s, int64_t stride[LCL_MAX_RANK]);

typedef struct lcl_epilogue lcl_epilogue;

/* What the compiler joins a node with, so that they run as one launch. */
typedef enum lcl_fusion {
  LCL_FUSE_NONE,
  LCL_FUSE_MAP,     /* element-wise: with element-wise nodes of the same shape */
  LCL_FUSE_REDUCE,  /* a reduction: with element-wise nodes and reductions of the same space */
  LCL_FUSE_EPILOGUE /* a GEMM or convolution: with the bias and activation after it */
} lcl_fusion;

/* What an epilogue can do in place of a node. */
typedef enum lcl_epilogue_part {
  LCL_EPILOGUE_NOTHING,
  LCL_EPILOGUE_BIAS, /* the sum of its two inputs */
  LCL_EPILOGUE_ACT,  /* an activation of its input 0 */
  LCL_EPILOGUE_HALF  /* its input 0 in half precision */
} lcl_epilogue_part;

/* Nodes in a generated kernel, at most. */
enum { LCL_MAX_GROUP = 64 };
/* What the nodes of a generated kernel run over: the elements of a shape, and the results of
 * reductions of it over some of its axes (0: there are none). */
typedef struct lcl_space {
  lcl_shape shape;
  unsigned axes;
} lcl_space;

typedef struct lcl_op {
  const char *name;                           /* as in messages, labels and `latentcl op` */
  const char *(*title)(const lcl_node *node); /* the same where a class has several operations (map:
                                                 "relu"); NULL: name */
  size_t attr_size; /* plain data: compared with memcmp for common-subexpression elimination (zero
                       the padding) */
  /* Sets node->n_out and each node->out[i]'s dtype and shape from node->in and node->attr; an
   * error is reported with lcl__fail(LCL_ERR_SHAPE, ...) whose message names what was expected
   * (the op's name is put in front by the caller). */
  lcl_status (*infer)(lcl_node *node);
  /* Builds the gradient: gout[i] is the incoming gradient of output i or NULL; set gin[j]
   * (initially NULL = zero) for every input that has one. NULL: no input has a gradient
   * (comparison, random). */
  void (*grad)(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin);
  /* Emits the launches that compute the outputs. */
  lcl_status (*lower)(lcl_lower *lw, lcl_node *node);
  /* Only re-indexes its input 0 (reshape, transpose, slice...): turns the input's view into the
   * output's; false when no strides can say it, then the input is copied to a dense buffer and
   * asked again. Needs no lower. */
  bool (*view)(const lcl_node *node, lcl_view *view);
  /* Updates only: called before anything is lowered, to say where tensors should be written
   * (lcl__place). */
  lcl_status (*prepare)(lcl_lower *lw, lcl_node *node);
  lcl_fusion fusion;
  /* LCL_FUSE_MAP, LCL_FUSE_REDUCE: instead of lower, for a whole group: nodes of one space in order
   * of creation, element-wise ones and, where it has axes, reductions over those. */
  lcl_status (*lower_group)(lcl_lower *lw, const lcl_space *space, lcl_node *const *nodes, int n);
  /* LCL_FUSE_REDUCE: the axes of its input that are reduced. */
  unsigned (*reduced_axes)(const lcl_node *node);
  /* LCL_FUSE_REDUCE: whether one launch makes whole results, so that elements can follow from them
   * in it. False where a device needs partial results of several work-groups to be busy. */
  bool (*whole_results)(const lcl_caps *caps, const lcl_space *space);
  /* LCL_FUSE_EPILOGUE: lower with bias and activation applied to the result, written to
   * epilogue->out. */
  lcl_status (*lower_fused)(lcl_lower *lw, lcl_node *node, const lcl_epilogue *epilogue);
  int bias_axis; /* ... the axis of the result along which the bias runs; below 0: from the end */
  /* What part of the epilogue of its producer can do this node's work; an activation is filled in.
   * NULL: none. */
  lcl_epilogue_part (*epilogue_part)(const lcl_node *node, lcl_epilogue *epilogue);
  /* LCL_FUSE_MAP: whether computing it costs less than its way through memory. NULL: no. */
  bool (*cheap)(const lcl_node *node);
  /* Useful arithmetic of the node, an FMA is 2. NULL: one per output element. */
  double (*flops)(const lcl_node *node);
  unsigned flags;
} lcl_op;

enum {
  LCL_OP_UPDATE = 1,  /* writes variables; runs after everything else, in order of creation; never
                         removed or merged */
  LCL_OP_RANDOM = 2,  /* samples from the graph's random state: never merged with another node */
  LCL_OP_NO_GRAD = 4, /* integer or constant result: gradients stop here silently (grad is NULL
                         otherwise means the same for first order, but see LCL_OP_FIRST_ORDER) */
  LCL_OP_FIRST_ORDER =
      8, /* a gradient op that cannot be differentiated again: lcl_gradients says so by name */
  LCL_OP_TARGET = 16, /* an update whose in[0] is the variable it writes (not read as a value) */
  LCL_OP_MASKED = 32, /* a filter with weights that must be exactly without influence */
  LCL_OP_EARLY = 64,  /* runs as soon as what it reads is there, before what was created earlier */
  LCL_OP_SHIFTED = 128, /* LCL_FUSE_MAP: its input's elements belong to others of its own, so that
                           they have to come from memory */
};

struct lcl_node {
  const lcl_op *op;
  lcl_graph *graph;
  int id; /* order of creation: a topological order */
  int n_in, n_out;
  lcl_tensor **in;
  lcl_tensor *out; /* n_out of them */
  void *attr;
  const char *name; /* inputs and variables: theirs; else NULL */
};

/* A new node. attr is copied (attr_size bytes). max_out: room for outputs (infer sets n_out).
 * Returns the node's output 0, the poison tensor if any input or infer failed: callers need no
 * checks. Inputs must be of one graph. */
lcl_tensor *lcl__node_new(lcl_graph *g, const lcl_op *op, lcl_tensor *const *in, int n_in,
                          const void *attr, int max_out);
lcl_tensor *lcl__node_out(lcl_tensor *any_output, int index);
/* The operation as users call it. */
const char *lcl__node_name(const lcl_node *node);
#define LCL_IN(...)                                                                                \
  ((lcl_tensor *[]) { __VA_ARGS__ }),                                                              \
      (int)(sizeof((lcl_tensor *[]) { __VA_ARGS__ }) / sizeof(lcl_tensor *))
/* Sets the sticky error of the graph: "op: message". Returns the graph's poison tensor. */
lcl_tensor *lcl__graph_error(lcl_graph *g, lcl_status status, const char *op, const char *fmt, ...)
    LCL_PRINTF(4, 5);
bool lcl__graph_broken(const lcl_graph *g);
lcl_dtype lcl__graph_precision(const lcl_graph *g);
/* NULL when all tensors are there. Else the error of the graph of the first that is, or, when none
 * is, of no graph: a poison tensor, whose use in a graph is that graph's error. */
lcl_tensor *lcl__tensors_missing(const char *function, lcl_tensor *const *tensors, int n);
#define LCL_NEED_TENSORS(...)                                                                      \
  do {                                                                                             \
    lcl_tensor *missing_ = lcl__tensors_missing(__func__, LCL_IN(__VA_ARGS__));                    \
    if (missing_) return missing_;                                                                 \
  } while (0)
/* What every call on a broken graph returns: an f32 scalar. */
lcl_tensor *lcl__graph_poison(lcl_graph *g);
const char *lcl__graph_name(const lcl_graph *g);
/* Nodes by id, 0 to count - 1. */
int lcl__graph_node_count(const lcl_graph *g);
lcl_node *lcl__graph_node(const lcl_graph *g, int id);
/* The next stream number of the graph's random nodes: one a node, in order of creation. */
int lcl__graph_random_stream(lcl_graph *g);
/* lcl_graph_share: NULL where the graph is not shared. */
typedef struct lcl_graph_rows {
  int64_t all, first, n; /* examples of the whole batch; this rank's */
} lcl_graph_rows;
/* Whose examples the tensors have that are built now. */
typedef enum lcl_rows_of { LCL_ROWS_FIRST, LCL_ROWS_SECOND, LCL_ROWS_BOTH } lcl_rows_of;
typedef struct lcl_graph_shares {
  lcl_ranks *ranks;
  lcl_graph_rows rows[2]; /* of the batch, and of the second one */
  lcl_rows_of now;        /* BOTH: one after the other */
  bool local_norm;        /* batch norm takes the statistics of the rank's own rows */
} lcl_graph_shares;
lcl_graph_shares *lcl__graph_shares(lcl_graph *g);
/* The weight of this rank in means over the ranks; 1 where the graph is not shared. */
double lcl__graph_weight(lcl_graph *g);
/* From now on tensors have the examples of this batch (at first: LCL_ROWS_FIRST). */
void lcl__graph_rows(lcl_graph *g, lcl_rows_of now);
/* By how much a mean over the rows of now has to be multiplied to have its weight among the ranks,
 * where all weights are those of the first batch. 1 on every rank where both are shared alike. */
double lcl__graph_share(lcl_graph *g);
lcl_arena *lcl__graph_arena(lcl_graph *g); /* lives as long as the graph */
lcl_store *lcl__graph_store(lcl_graph *g);

/* The variable (graph/store.h) that t is; NULL when it is none. */
typedef struct lcl_var lcl_var;
lcl_var *lcl__tensor_var(const lcl_tensor *t);
/* Whether variable number index is an optimiser's, beside a parameter. */
bool lcl__store_is_slot(const lcl_store *s, size_t index);
/* Whether t is a scalar constant, and its value. */
bool lcl__const_value(const lcl_tensor *t, float *value);
/* The elements of a constant, of t's type and shape; NULL when t is none. */
const void *lcl__const_data(const lcl_tensor *t);
/* The tensor whose elements t shows: itself, or what lies behind its views. */
lcl_tensor *lcl__view_source(lcl_tensor *t);
/* A node whose result is its input, and whose gradient is zero. */
extern const lcl_op lcl__op_stop_gradient;

/* ---- lowering ---- */

/* Arguments of launches (lcl_arg) over memory slots, which the compiler binds to buffers. */

arg_int lcl__int(lcl_lower *lw, int64_t value); /* a value beyond 31 bits makes lcl__emit fail */
/* The tensor as a dense row-major buffer (a strided view is copied first). */
lcl_arg lcl__in(lcl_lower *lw, lcl_tensor *t);
/* Where the tensor's value has to be written (dense). */
lcl_arg lcl__out(lcl_lower *lw, lcl_tensor *t);
/* Device memory that lives from its first to its last use in the emitted launches. */
int lcl__scratch(lcl_lower *lw, size_t bytes);
lcl_arg lcl__scratch_arg(lcl_lower *lw, int scratch, int access);
/* Emits a kernel that fills scratch of `bytes`, its argument `result`, from what it reads; or finds
 * that an earlier launch has done just that and nothing was written to since. Returns the scratch.
 */
lcl_status lcl__emit_once(lcl_lower *lw, const lcl_launch *launch, int result, size_t bytes,
                          int *scratch);
/* The storage of a variable, for updates. */
lcl_arg lcl__var_arg(lcl_lower *lw, lcl_tensor *var, int access);
/* The graph's random state variable: uint4 {seed_lo, seed_hi, step_lo, step_hi}. */
lcl_arg lcl__rng_arg(lcl_lower *lw);
/* Memory that belongs to the program and keeps its content between runs; zero at first. */
int lcl__persistent(lcl_lower *lw, size_t bytes, lcl_memory where);
/* A slot that is a part of another one; offset must be a multiple of caps.base_align. */
int lcl__slot_part(lcl_lower *lw, int parent, size_t offset, size_t bytes);
/* Asks that t's value be written to slot (from prepare); false when it cannot: the caller then
 * copies. */
bool lcl__place(lcl_lower *lw, lcl_tensor *t, int slot);
lcl_arg lcl__slot_arg(lcl_lower *lw, int slot, int access);
size_t lcl__slot_bytes(const lcl_lower *lw, lcl_arg slot);
/* Bytes that go through memory where a launch touches all of its arguments once. */
double lcl__args_bytes(const lcl_lower *lw, const lcl_arg *args, int n);
/* A buffer that outlives the program (the store's) as a slot. */
int lcl__buffer_slot(lcl_lower *lw, lcl_buffer *buffer, size_t bytes);
/* How t lies in memory, without copying: for kernels that take strides. */
lcl_status lcl__lower_view(lcl_lower *lw, lcl_tensor *t, lcl_view *view);
/* Emits: out[to.offset + sum i_k*to.stride_k] = x[i] for every index i of x. */
lcl_status lcl__lower_copy(lcl_lower *lw, const char *what, lcl_tensor *x, lcl_tensor *out,
                           const lcl_view *to);
/* The node's inputs side by side along the axis, by one launch where they are dense, few and small.
 */
lcl_status lcl__lower_join(lcl_lower *lw, lcl_node *node, int axis, bool *joined);
/* Whether something outside its group reads the node's value. */
bool lcl__lower_exports(const lcl_lower *lw, const lcl_node *node);

/* Adds a launch to the program; everything is copied. user of a call lives as long as the program:
 * give user_free. */
lcl_status lcl__emit(lcl_lower *lw, const lcl_launch *launch);
/* y[i] = factor * sum over s of parts[s][i], i < results, s < splits; parts is dense. The launch
 * comes when something needs y, or later. */
lcl_status lcl__sum_parts(lcl_lower *lw, lcl_arg parts, lcl_arg y, int64_t results, int64_t splits,
                          float factor);
/* A kernel with the arguments of sum_parts in cl/reduce.cl, a result of which has `part` floats of
 * each part and `result` floats of y; label: what several are called. */
typedef struct lcl_sum_kernel {
  const char *file, *name, *label;
  int64_t part, result;
} lcl_sum_kernel;
/* The same by another kernel. */
lcl_status lcl__sum_parts_by(lcl_lower *lw, const lcl_sum_kernel *kernel, lcl_arg parts, lcl_arg y,
                             int64_t results, int64_t splits, float factor);
/* The launch emitted last could add a number to each element of its result, argument c, which it
 * alone writes: argument `addend` would have them, laid out alike, and the arg_int at `field` of
 * argument `kind` be `value`. */
void lcl__may_add(lcl_lower *lw, int c, int addend, int kind, size_t field, int value);
/* Whether a sum of two tensors needs no launch of its own: both are sums that wait, or the launch
 * that made one could be had to add the other. */
bool lcl__lower_sum(lcl_lower *lw, lcl_node *add);
lcl_status lcl__emit_copy(lcl_lower *lw, lcl_arg from, lcl_arg to, size_t bytes);
lcl_status lcl__emit_fill(lcl_lower *lw, lcl_arg to, uint32_t pattern, size_t bytes);

/* Has the program lowered once more after `before`, which may settle what the ops choose; what this
 * lowering emits is dropped. False: it is the second time. */
bool lcl__lower_again(lcl_lower *lw, void (*before)(lcl_context *ctx));

/* A line for lcl_program_explain's list of choices, before those that were added since `at`, an
 * earlier lcl__lower_notes(): an op's line comes before those of what it consists of. */
size_t lcl__lower_notes(const lcl_lower *lw);
void lcl__lower_note(lcl_lower *lw, size_t at, const char *line);

/* Bytes of lcl__scratch() up to now. */
size_t lcl__lower_scratch(const lcl_lower *lw);

lcl_context *lcl__lower_context(lcl_lower *lw);
const lcl_caps *lcl__lower_caps(lcl_lower *lw);
lcl_arena *lcl__lower_arena(lcl_lower *lw); /* lives as long as the program */

/* ---- spaces; space.c ---- */

/* What a node's value has one of for. */
typedef enum lcl_per { LCL_PER_NEITHER, LCL_PER_ELEMENT, LCL_PER_RESULT } lcl_per;
/* Of an element-wise node, or of a reduction of this space. */
lcl_per lcl__space_per(const lcl_space *space, const lcl_node *node);
/* The axis of the space along which each dimension lies that reader walks over: those of the space,
 * or of the reader's results. -1: it has size 1. Returns their shape. */
lcl_shape lcl__space_axes(const lcl_space *space, const lcl_node *reader, int axis[LCL_MAX_RANK]);
/* Strides over the space of t, which reader reads and which lies in memory as view says; 0 along
 * axes of which it is independent. */
void lcl__space_strides(const lcl_space *space, const lcl_node *reader, const lcl_tensor *t,
                        const lcl_view *view, int64_t stride[LCL_MAX_RANK]);
/* Whether what reader reads as t, which shows a value of the space, is its value at the same
 * element, or of the result that the element belongs to. */
bool lcl__space_in_place(const lcl_space *space, const lcl_node *reader, lcl_tensor *t);

/* ---- reading a program ---- */

/* Runs that it takes until the program's number of queues is settled. */
int lcl__program_unsettled(const lcl_program *p);
/* Whether anything in it depends on the input of this name. */
bool lcl__program_reads(const lcl_program *p, const char *input);
/* Launch index of a compiled program: its label and arithmetic; NULL past the end. */
const char *lcl__program_launch(const lcl_program *p, size_t index, double *flops, double *bytes);

/* ---- shared helpers ---- */

/* Fused epilogue of matmul and conv2d, chosen by the compiler when bias and activation nodes
 * follow. */
typedef enum lcl_act {
  LCL_ACT_NONE,
  LCL_ACT_RELU,
  LCL_ACT_LEAKY_RELU,
  LCL_ACT_SIGMOID,
  LCL_ACT_TANH
} lcl_act;
struct lcl_epilogue {
  lcl_tensor
      *bias; /* dense f32 vector, or NULL: matmul: one per column; conv2d: one per output channel */
  lcl_act act;
  float slope;     /* leaky relu */
  lcl_tensor *out; /* where the result goes instead of node->out[0]; the same shape; f16 only where
                      the node's inputs are */
};

/* Work-items that share a run of n elements: a row of neighbours for GPUs, pieces of 4096 for CPUs.
 */
size_t lcl__row_lanes(lcl_lower *lw, int64_t n);

#endif
