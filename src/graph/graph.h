/* Floor 2, internal: nodes, op classes, lowering. An op family is one file in src/ops that defines lcl_op classes and
 * the public functions that build their nodes.
 *
 * The life of a node: a public function (ops.h) calls lcl_node_new -> op->infer gives output shapes; lcl_gradients calls
 * op->grad, which builds more nodes; lcl_compile calls op->lower, which emits launches. Memory is planned from the
 * launches, so op->lower may ask for scratch and emit as many launches as it likes. */
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

typedef struct lcl_op {
  const char *name; /* as in messages, labels and `latentcl op` */
  size_t attr_size; /* plain data: compared with memcmp for common-subexpression elimination (zero the padding) */
  /* Sets node->n_out and each node->out[i]'s dtype and shape from node->in and node->attr; a mistake is reported with
   * lcl_fail(LCL_ERR_SHAPE, ...) whose message names what was expected (the op's name is put in front by the caller). */
  lcl_status (*infer)(lcl_node *node);
  /* Builds the gradient: gout[i] is the incoming gradient of output i or NULL; set gin[j] (initially NULL = zero) for
   * every input that has one. NULL: no input has a gradient (comparison, random). */
  void (*grad)(lcl_node *node, lcl_tensor *const *gout, lcl_tensor **gin);
  /* Emits the launches that compute the outputs. */
  lcl_status (*lower)(lcl_lower *lw, lcl_node *node);
  /* Useful arithmetic of the node: multiply-adds x 2. NULL: one per output element. */
  double (*flops)(const lcl_node *node);
  unsigned flags;
} lcl_op;

enum {
  LCL_OP_UPDATE = 1,   /* writes variables; runs after everything else, in order of creation; never removed or merged */
  LCL_OP_RANDOM = 2,   /* draws from the graph's random state: never merged with another node */
  LCL_OP_NO_GRAD = 4,  /* integer or constant result: gradients stop here silently (grad is NULL otherwise means the
                          same for first order, but see LCL_OP_FIRST_ORDER) */
  LCL_OP_FIRST_ORDER = 8 /* a gradient op that cannot be differentiated again: lcl_gradients says so by name */
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

/* A new node. attr is copied (attr_size bytes). max_out: room for outputs (infer sets n_out). Returns the node's
 * output 0 -- harmless if any input or infer failed, so callers need no checks. Inputs must be of one graph. */
lcl_tensor *lcl_node_new(lcl_graph *g, const lcl_op *op, lcl_tensor *const *in, int n_in, const void *attr, int max_out);
lcl_tensor *lcl_node_out(lcl_tensor *any_output, int index);
#define LCL_IN(...) ((lcl_tensor *[]){ __VA_ARGS__ }), (int)(sizeof((lcl_tensor *[]){ __VA_ARGS__ }) / sizeof(lcl_tensor *))
/* Set the sticky error of the graph: "op: message". Returns a harmless f32 scalar tensor. */
lcl_tensor *lcl_graph_mistake(lcl_graph *g, lcl_status status, const char *op, const char *fmt, ...) LCL_PRINTF(4, 5);
bool lcl_graph_broken(const lcl_graph *g);
lcl_arena *lcl_graph_arena(lcl_graph *g);
lcl_store *lcl_graph_store(lcl_graph *g);

/* ---- lowering --------------------------------------------------------------------------------------------------- */

/* Kernel arguments. A tensor or scratch argument is also the launch's read or write range. */
typedef enum lcl_arg_kind { LCL_ARG_I32, LCL_ARG_F32, LCL_ARG_LOCAL, LCL_ARG_SLOT, LCL_ARG_BYTES } lcl_arg_kind;
enum { LCL_READ = 1, LCL_WRITE = 2, LCL_READ_WRITE = 3 };
typedef struct lcl_arg {
  lcl_arg_kind kind;
  int access;   /* LCL_READ, LCL_WRITE: for slots */
  int slot;     /* memory slot: see lcl_in, lcl_out, lcl_scratch */
  union {
    int32_t i32;
    float f32;
    size_t local_bytes;
    struct { const void *data; size_t n; } bytes; /* e.g. an int8 by value; copied */
  } u;
} lcl_arg;

lcl_arg lcl_i32(int64_t value); /* sets the error when value does not fit */
lcl_arg lcl_f32(float value);
lcl_arg lcl_local(size_t bytes);
/* The tensor as a dense row-major buffer (a strided view is copied first). */
lcl_arg lcl_in(lcl_lower *lw, lcl_tensor *t);
/* Where the tensor's value has to be written (dense). */
lcl_arg lcl_out(lcl_lower *lw, lcl_tensor *t);
/* Device memory that lives from its first to its last use in the emitted launches. */
int lcl_scratch(lcl_lower *lw, size_t bytes);
lcl_arg lcl_scratch_arg(lcl_lower *lw, int scratch, int access);
/* The storage of a variable, for updates. */
lcl_arg lcl_var_arg(lcl_lower *lw, lcl_tensor *var, int access);
/* The graph's random state variable: uint4 {seed_lo, seed_hi, step_lo, step_hi}. */
lcl_arg lcl_rng_arg(lcl_lower *lw);
/* Gradients in one flat buffer for the optimiser (used by src/ops/update.c): see src/graph/store.h. */

typedef struct lcl_emit_desc {
  const char *label;      /* "matmul 100x1536x128 panel"; copied */
  lcl_source source;      /* strings are copied */
  const char *kernel;
  const lcl_arg *args;
  int n_args;
  int dims;
  size_t global[3], local[3]; /* local[0] == 0: the driver chooses */
  double flops, bytes;
} lcl_emit_desc;
lcl_status lcl_emit(lcl_lower *lw, const lcl_emit_desc *desc);
#define LCL_ARGS(...) .args = (lcl_arg[]){ __VA_ARGS__ }, .n_args = (int)(sizeof((lcl_arg[]){ __VA_ARGS__ }) / sizeof(lcl_arg))

/* A launch that a library or host code performs. At run time fn gets the queue and the bound slots as cl_mem (each
 * exactly the slot's memory, offset 0) in the order of args (slots only). user must live as long as the program:
 * give user_free. */
typedef lcl_status (*lcl_lib_fn)(void *user, cl_command_queue queue, const cl_mem *mem, cl_uint n_wait,
                                 const cl_event *wait, cl_event *done);
typedef struct lcl_emit_lib_desc {
  const char *label;
  lcl_lib_fn fn;
  void *user;
  void (*user_free)(void *user);
  const lcl_arg *args; /* slots only */
  int n_args;
  double flops, bytes;
} lcl_emit_lib_desc;
lcl_status lcl_emit_lib(lcl_lower *lw, const lcl_emit_lib_desc *desc);
lcl_status lcl_emit_copy(lcl_lower *lw, lcl_arg from, lcl_arg to, size_t bytes);
lcl_status lcl_emit_fill(lcl_lower *lw, lcl_arg to, uint32_t pattern, size_t bytes);

lcl_context *lcl_lower_context(lcl_lower *lw);
const lcl_caps *lcl_lower_caps(lcl_lower *lw);
lcl_graph *lcl_lower_graph(lcl_lower *lw);

/* ---- shared helpers --------------------------------------------------------------------------------------------- */

/* Fused epilogue of matmul and conv2d, chosen by the compiler when bias and activation nodes follow. */
typedef enum lcl_act { LCL_ACT_NONE, LCL_ACT_RELU, LCL_ACT_LEAKY_RELU, LCL_ACT_SIGMOID, LCL_ACT_TANH } lcl_act;

/* Work of a 1-D elementwise kernel: global size for n elements, kernels guard the tail. */
size_t lcl_round_up(size_t n, size_t multiple);

#endif
