/** @file
 * Graphs, variables and programs: LatentCL's one idea.
 *
 * A model is a graph of tensors, built once. The gradient of a graph is more graph
 * (lcl_gradients() in ops.h). A graph is compiled into a program, and a program is run many times.
 * Variables (parameters, optimiser slots, running statistics, random state) live in a store that
 * several graphs and programs share: training, evaluation and sampling see the same ones.
 *
 * Building is sticky: after an error every call returns a poison tensor, and lcl_compile() reports
 * the first error, with the op's name and the shapes it got. No call aborts. Tensors belong to
 * their graph and live as long.
 *
 * Tensors are row-major. Images are N,C,H,W; filters O,I,KH,KW; features N,F.
 *
 * Threads: a store, its graphs and programs belong to the thread of their context. */
#ifndef LATENTCL_GRAPH_H
#define LATENTCL_GRAPH_H

#include "latentcl/context.h"
#include "latentcl/ranks.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Most dimensions that a tensor may have. */
#define LCL_MAX_RANK 6

/** Element types. Arithmetic is done in f32; the others store labels, images, indices and, in half
 * precision, operands of products. */
typedef enum lcl_dtype {
  LCL_F32, /**< IEEE single precision */
  LCL_I32, /**< signed 32 bits */
  LCL_U8,  /**< bytes */
  LCL_F16  /**< IEEE half precision: files, and tensors made by lcl_cast() */
} lcl_dtype;

/** Size of an element.
 *
 * @param dtype  its type
 * @return bytes; 0 for a value outside the enumeration */
LCL_API size_t lcl_dtype_size(lcl_dtype dtype);

/** Name of a type.
 *
 * @param dtype  the type
 * @return "f32", "i32", "u8" or "f16"; "?" for a value outside the enumeration */
LCL_API const char *lcl_dtype_name(lcl_dtype dtype);

/** Sizes of a tensor. */
typedef struct lcl_shape {
  int rank;                  /**< dimensions, 0 (a scalar) to #LCL_MAX_RANK */
  int64_t dim[LCL_MAX_RANK]; /**< rank sizes, at least 0 */
} lcl_shape;

/** A shape by its sizes: LCL_SHAPE(100, 1, 28, 28). */
#define LCL_SHAPE(...)                                                                             \
  ((lcl_shape) { (int)(sizeof((int64_t[]) { __VA_ARGS__ }) / sizeof(int64_t)), { __VA_ARGS__ } })
/** The shape of one number. */
#define LCL_SCALAR ((lcl_shape) { 0, { 0 } })

/** Elements of a tensor.
 *
 * @param s  its shape
 * @return the product of its sizes; 1 for a scalar */
LCL_API int64_t lcl_shape_count(lcl_shape s);

/** Whether two shapes are the same.
 *
 * @param a  one shape
 * @param b  the other
 * @return same rank and sizes */
LCL_API bool lcl_shape_equal(lcl_shape a, lcl_shape b);

/** A shape as text.
 *
 * @param s    the shape
 * @param buf  receives "100x1x28x28", or "scalar"
 * @return buf */
LCL_API const char *lcl_shape_string(lcl_shape s, char buf[96]);

/** Variables that outlive graphs and programs. */
typedef struct lcl_store lcl_store;
/** Tensors and how they are computed. */
typedef struct lcl_graph lcl_graph;
/** A value of a graph. */
typedef struct lcl_tensor lcl_tensor;
/** A compiled graph. */
typedef struct lcl_program lcl_program;

/** Shape of a tensor.
 *
 * @param t  the tensor
 * @return its shape */
LCL_API lcl_shape lcl_tensor_shape(const lcl_tensor *t);

/** Element type of a tensor.
 *
 * @param t  the tensor
 * @return its type */
LCL_API lcl_dtype lcl_tensor_dtype(const lcl_tensor *t);

/** Graph of a tensor.
 *
 * @param t  the tensor
 * @return the graph it belongs to */
LCL_API lcl_graph *lcl_tensor_graph(const lcl_tensor *t);

/* ---- store ---- */

/** Distributions of initial values. */
typedef enum lcl_init_kind {
  LCL_INIT_ZERO,           /**< 0 */
  LCL_INIT_CONSTANT,       /**< value */
  LCL_INIT_NORMAL,         /**< mean value, standard deviation scale */
  LCL_INIT_UNIFORM,        /**< [-scale, scale) */
  LCL_INIT_HE_NORMAL,      /**< standard deviation scale*sqrt(2/fan_in) (He et al. 2015) */
  LCL_INIT_GLOROT_UNIFORM, /**< limit scale*sqrt(6/(fan_in+fan_out)) (Glorot and Bengio 2010) */
  LCL_INIT_FAN_IN_NORMAL,  /**< standard deviation scale/sqrt(fan_in) */
  LCL_INIT_FAN_IN_UNIFORM  /**< uniform with standard deviation scale/sqrt(fan_in) */
} lcl_init_kind;

/** Initial values of a variable. Zero everywhere: zeros. */
typedef struct lcl_init {
  lcl_init_kind kind; /**< distribution */
  float value;        /**< see #lcl_init_kind */
  float scale;        /**< see #lcl_init_kind (0: 1) */
  int64_t fan_in;     /**< 0: from the shape, the product of all but the first size */
  int64_t fan_out;    /**< 0: from the shape */
} lcl_init;

/** Makes an empty store.
 *
 * @param ctx   the device, which has to outlive the store
 * @param seed  initial values and every random op derive from it (Philox4x32-10, Salmon et al.
 *   2011), the same on every device
 * @param out   receives the store, NULL on failure; lcl_store_destroy() ends it
 * @return #LCL_OK or #LCL_ERR_HOST_MEMORY */
LCL_API lcl_status lcl_store_create(lcl_context *ctx, uint64_t seed, lcl_store **out);

/** Frees a store and its variables. Its graphs and programs have to be destroyed before.
 *
 * @param store  the store; NULL is allowed */
LCL_API void lcl_store_destroy(lcl_store *store);

/** Device of a store.
 *
 * @param store  the store
 * @return its context */
LCL_API lcl_context *lcl_store_context(lcl_store *store);

/** A variable as seen from outside a graph. */
typedef struct lcl_var_info {
  const char *name; /**< owned by the store */
  lcl_dtype dtype;  /**< element type */
  lcl_shape shape;  /**< sizes */
  bool trainable;   /**< made by lcl_param() */
} lcl_var_info;

/** Variables of a store.
 *
 * @param store  the store
 * @return how many */
LCL_API size_t lcl_store_count(const lcl_store *store);

/** A variable by position, in order of creation.
 *
 * @param store  the store
 * @param index  0 to lcl_store_count() - 1
 * @return its description */
LCL_API lcl_var_info lcl_store_info(const lcl_store *store, size_t index);

/** Copies a variable to the host. Waits for the device.
 *
 * @param store  the store
 * @param name   of the variable
 * @param data   receives its elements
 * @param bytes  exactly the variable's size
 * @return #LCL_ERR_ARGUMENT for an unknown name; #LCL_ERR_SHAPE for another size */
LCL_API lcl_status lcl_store_read(lcl_store *store, const char *name, void *data, size_t bytes);

/** Sets a variable from the host. Waits for the device.
 *
 * @param store  the store
 * @param name   of the variable
 * @param data   its elements
 * @param bytes  exactly the variable's size
 * @return #LCL_ERR_ARGUMENT for an unknown name; #LCL_ERR_SHAPE for another size */
LCL_API lcl_status lcl_store_write(lcl_store *store, const char *name, const void *data,
                                   size_t bytes);

/** Numbers of all trainable variables.
 *
 * @param store  the store
 * @return how many */
LCL_API int64_t lcl_store_param_count(const lcl_store *store);

/* ---- graph ---- */

/** Makes an empty graph.
 *
 * @param store  its variables; has to outlive the graph
 * @param name   separates the random streams of graphs on one store ("train", "eval"): each has a
 *   variable NAME.rng, advanced by one at the end of every run of a program with random ops
 * @param out    receives the graph, NULL on failure; lcl_graph_destroy() ends it
 * @return #LCL_ERR_ARGUMENT without a store or name */
LCL_API lcl_status lcl_graph_create(lcl_store *store, const char *name, lcl_graph **out);

/** Frees a graph and its tensors. Programs compiled from it stay valid.
 *
 * @param g  the graph; NULL is allowed */
LCL_API void lcl_graph_destroy(lcl_graph *g);

/** The first error of building so far.
 *
 * @param g  the graph
 * @return #LCL_OK, or the status of the error, whose message lcl_error_message() then gives */
LCL_API lcl_status lcl_graph_status(const lcl_graph *g);

/** Sets the precision in which products get their operands: those of lcl_matmul(), lcl_conv2d() and
 * the like that are built from now on, and their gradients. With #LCL_F16 each operand is rounded
 * to half precision, stored and read as such, and multiplied and summed in single precision;
 * results, variables and all other ops stay f32 (Micikevicius et al. 2018). Gradients pass the
 * rounding unchanged; see lcl_optimiser_desc.loss_scale.
 *
 * @param g          the graph
 * @param precision  #LCL_F32, as in a new graph, or #LCL_F16
 * @return #LCL_ERR_ARGUMENT for another type */
LCL_API lcl_status lcl_graph_precision(lcl_graph *g, lcl_dtype precision);

/** Makes the graph that of one rank's share of each batch: of batches of `batch` examples it gets
 * those that lcl_ranks_share() says, in tensors of as many rows. The other ranks build the same
 * graph for theirs. Random ops whose first size is the share's, or a multiple of it, give each
 * example what it would get in a graph of the whole batch; lcl_minimise() takes the mean of the
 * ranks' gradients, each with the weight of its share, so that losses which are means over the rows
 * need no care, and what is not linear in the batch takes lcl_mean_over_ranks().
 *
 * @param g       the graph, still empty
 * @param ranks   who shares; they have to outlive the graph's programs. NULL, or one alone: nothing
 *   changes
 * @param batch   examples of the whole batch, at least one for each rank
 * @param second  of a second batch in the same graph (unlabelled examples); 0: none
 * @return #LCL_ERR_ARGUMENT: a batch with fewer examples than there are ranks */
LCL_API lcl_status lcl_graph_share(lcl_graph *g, lcl_ranks *ranks, int64_t batch, int64_t second);

/** The mean of a tensor over the ranks of lcl_graph_share(), each with the weight of its share of
 * the batch: of a mean over the rank's rows, that over the whole batch. Its gradient is itself. All
 * ranks get the same bits.
 *
 * @param x  f32, any shape, the same on every rank
 * @return the shape of x; x itself in a graph that is not shared */
LCL_API lcl_tensor *lcl_mean_over_ranks(lcl_tensor *x);

/** A tensor fed from outside before a run.
 *
 * @param g      the graph
 * @param name   for lcl_feed(), unique in the graph
 * @param dtype  element type
 * @param shape  sizes
 * @return the input */
LCL_API lcl_tensor *lcl_input(lcl_graph *g, const char *name, lcl_dtype dtype, lcl_shape shape);

/** A trainable f32 variable: found in the store by name, or created and initialised.
 *
 * @param g      the graph
 * @param name   in the store; a variable of this name must have this shape
 * @param shape  sizes
 * @param init   initial values, for a new one
 * @return the variable's value before the run */
LCL_API lcl_tensor *lcl_param(lcl_graph *g, const char *name, lcl_shape shape, lcl_init init);

/** A variable that is not trained (running statistics, counters).
 *
 * @param g      the graph
 * @param name   in the store; a variable of this name must have this type and shape
 * @param dtype  element type
 * @param shape  sizes
 * @param init   initial values, for a new one
 * @return the variable's value before the run */
LCL_API lcl_tensor *lcl_state(lcl_graph *g, const char *name, lcl_dtype dtype, lcl_shape shape,
                              lcl_init init);

/** A constant number.
 *
 * @param g      the graph
 * @param value  the number
 * @return f32, a scalar */
LCL_API lcl_tensor *lcl_const(lcl_graph *g, float value);

/** A constant tensor.
 *
 * @param g      the graph
 * @param dtype  element type
 * @param shape  sizes
 * @param data   its elements, copied
 * @return the tensor */
LCL_API lcl_tensor *lcl_const_data(lcl_graph *g, lcl_dtype dtype, lcl_shape shape,
                                   const void *data);

/** Names a tensor for lcl_fetch(). A tensor may have two names.
 *
 * @param t     the tensor
 * @param name  unique in the graph
 * @return the named tensor: t, or for a second name a tensor of the same value */
LCL_API lcl_tensor *lcl_output(lcl_tensor *t, const char *name);

/** A tensor of the same value through which no gradient flows.
 *
 * @param x  any shape and type
 * @return the shape and type of x */
LCL_API lcl_tensor *lcl_stop_gradient(lcl_tensor *x);

/* ---- program ---- */

/** What to compile. Zero everywhere is a good default. */
typedef struct lcl_compile_desc {
  lcl_tensor *const *fetch; /**< n_fetch tensors to keep for lcl_fetch(), beside the named ones */
  int n_fetch;              /**< how many */
  bool no_updates;          /**< leave assignments, optimiser steps and running statistics out */
  bool only_fetch;          /**< keep only fetch[], not every lcl_output() of the graph */
  bool no_fusion;           /**< one launch for each op, to find a wrong result */
  bool guard_bands;    /**< for tests: NaNs around every buffer and in what is not computed yet; a
                          run that writes outside fails */
  bool check_numerics; /**< run launch by launch and name the first tensor with NaN or Inf */
} lcl_compile_desc;

/** Compiles a graph: shapes checked, dead nodes dropped, element-wise chains fused, memory planned,
 * algorithms chosen, kernels built.
 *
 * @param g     the graph, which may be destroyed afterwards
 * @param desc  what to compile; NULL: defaults
 * @param out   receives the program, NULL on failure; lcl_program_destroy() ends it
 * @return the first error of building; #LCL_ERR_ARGUMENT when fetch has a tensor of another graph;
 *   #LCL_ERR_UNSUPPORTED for sizes that kernels cannot count (2^31 elements) */
LCL_API lcl_status lcl_compile(lcl_graph *g, const lcl_compile_desc *desc, lcl_program **out);

/** Waits for a program's runs and frees it.
 *
 * @param p  the program; NULL is allowed */
LCL_API void lcl_program_destroy(lcl_program *p);

/** Copies data into an input, for all runs until it is fed again.
 *
 * @param p      the program
 * @param input  name of lcl_input()
 * @param data   its elements; may be reused when the call returns
 * @param bytes  exactly the input's size
 * @return #LCL_ERR_ARGUMENT for an unknown name; #LCL_ERR_SHAPE for another size */
LCL_API lcl_status lcl_feed(lcl_program *p, const char *input, const void *data, size_t bytes);

/** Makes a device buffer the memory of an input, instead of the program's own. Waits for the
 * device.
 *
 * @param p      the program
 * @param input  name of lcl_input()
 * @param buf    at least the input's size; not copied, must outlive the program's runs
 * @return #LCL_ERR_ARGUMENT for an unknown name; #LCL_ERR_SHAPE for a smaller buffer */
LCL_API lcl_status lcl_feed_buffer(lcl_program *p, const char *input, lcl_buffer *buf);

/** Enqueues one run. Does not wait, except with guard_bands or check_numerics, and in the first
 * runs of a program whose number of queues is left open (lcl_context_desc.queues): those are timed.
 *
 * @param p  the program
 * @return #LCL_ERR_NUMERIC when check_numerics finds NaN or Inf, or guard_bands a write outside */
LCL_API lcl_status lcl_run(lcl_program *p);

/** Enqueues one run that begins after the events of a wait list, and gives an event for its end.
 * Does not wait; guard_bands and check_numerics do not apply. Everything that is enqueued on the
 * context's queues afterwards, by later calls too, comes after those events; calls that wait for
 * the device wait for them.
 *
 * @param p             the program
 * @param n_wait        events to wait for; 0: none
 * @param cl_wait       n_wait cl_event of the program's cl_context, user events too, which may be
 *   released when the call returns; NULL when there are none
 * @param cl_event_out  receives a cl_event, which the caller releases; NULL: not wanted
 * @return #LCL_ERR_ARGUMENT for n_wait without events; else #LCL_OK or the status of an OpenCL
 * call, e.g. for an event of another cl_context */
LCL_API lcl_status lcl_run_async(lcl_program *p, int n_wait, void *const *cl_wait,
                                 void **cl_event_out);

/** Waits for the runs so far and copies an output to the host.
 *
 * @param p       the program
 * @param output  name of lcl_output(), or "#0", "#1", ... for fetch[0], fetch[1], ...
 * @param data    receives its elements
 * @param bytes   exactly the output's size
 * @return #LCL_ERR_ARGUMENT for an unknown name; #LCL_ERR_SHAPE for another size */
LCL_API lcl_status lcl_fetch(lcl_program *p, const char *output, void *data, size_t bytes);

/** Copies an output into device memory, after the runs so far, and does not wait: work that is
 * enqueued on the context's queue 0 afterwards finds it there.
 *
 * @param p       the program
 * @param output  as lcl_fetch()
 * @param buf     of the program's context, e.g. of lcl_buffer_wrap()
 * @param offset  bytes from its start
 * @return #LCL_ERR_ARGUMENT for an unknown name, before the first run, or a buffer of another
 *   context; #LCL_ERR_SHAPE when the output does not fit behind offset */
LCL_API lcl_status lcl_fetch_buffer(lcl_program *p, const char *output, lcl_buffer *buf,
                                    size_t offset);

/** Numbers about a program. */
typedef struct lcl_program_stats {
  size_t nodes;           /**< of the graph that are computed */
  size_t launches;        /**< of one run */
  size_t fused_groups;    /**< launches that compute several nodes */
  double flops;           /**< useful arithmetic of one run: an FMA is 2, other functions 1 */
  double bytes;           /**< bytes that one run must move */
  size_t peak_memory;     /**< bytes of intermediates, planned */
  size_t sum_memory;      /**< bytes of intermediates if none shared memory */
  size_t variable_memory; /**< bytes of variables */
} lcl_program_stats;

/** Numbers about a program.
 *
 * @param p  the program
 * @return as compiled */
LCL_API lcl_program_stats lcl_program_get_stats(const lcl_program *p);

/** How a program is described. */
typedef enum lcl_explain_format {
  LCL_EXPLAIN_TEXT, /**< for people */
  LCL_EXPLAIN_DOT,  /**< its graph, for Graphviz */
  LCL_EXPLAIN_JSON  /**< an object for programs: docs/manual.md has its keys */
} lcl_explain_format;

/** A program as text: nodes, fused groups, algorithms, launches, FLOPs, bytes, memory.
 *
 * @param p       the program
 * @param format  for whom
 * @param text    receives the text, for free()
 * @return #LCL_ERR_ARGUMENT for an unknown format; #LCL_OK or #LCL_ERR_HOST_MEMORY */
LCL_API lcl_status lcl_program_explain(const lcl_program *p, lcl_explain_format format,
                                       char **text);

#ifdef __cplusplus
}
#endif
#endif
