/* Layer 4, internal: an ONNX file on its way into a graph. A node's operator is a row of the table
 * in operators.c; its function reads the node's inputs and attributes and gives its outputs. An
 * attribute that no function asked for is refused, so that nothing of a file is left out in
 * silence. */
#ifndef LCL_ONNX_INTERNAL_H
#define LCL_ONNX_INTERNAL_H

#include "base/base.h"
#include "latentcl/onnx.h"
#include "latentcl/ops.h"
#include "onnx/onnx.pb-c.h"

typedef Lcl__Onnx__Model onnx_file;
typedef Lcl__Onnx__Graph onnx_graph;
typedef Lcl__Onnx__Node onnx_proto_node;
typedef Lcl__Onnx__Tensor onnx_tensor;
typedef Lcl__Onnx__Attribute onnx_attribute;

/* Element types, by their numbers in files. */
typedef enum onnx_type {
  ONNX_FLOAT = 1,
  ONNX_UINT8 = 2,
  ONNX_INT8 = 3,
  ONNX_UINT16 = 4,
  ONNX_INT16 = 5,
  ONNX_INT32 = 6,
  ONNX_INT64 = 7,
  ONNX_STRING = 8,
  ONNX_BOOL = 9,
  ONNX_FLOAT16 = 10,
  ONNX_DOUBLE = 11,
  ONNX_UINT32 = 12,
  ONNX_UINT64 = 13
} onnx_type;

/* A value of the file's graph. Its elements are known when the file is loaded (weights, constants,
 * shapes and what is computed of them), or only when the graph runs. */
typedef struct onnx_value {
  const char *name;
  onnx_type type;
  lcl_shape shape;
  lcl_tensor *t;       /* in the graph; NULL: not yet, it is known */
  const int64_t *ints; /* known whole numbers and truth values */
  const float *floats; /* known numbers */
  bool weight;         /* an initialiser: becomes a variable of the store */
} onnx_value;

typedef struct onnx_loader onnx_loader;
typedef struct onnx_node onnx_node;

struct onnx_node {
  onnx_loader *l;
  const onnx_proto_node *proto;
  size_t index; /* in the file */
  int64_t opset;
  lcl_graph *g;
  lcl_arena *arena;
  int code; /* of its row in the table */
  int n_in, n_out;
  onnx_value **in;  /* NULL: left out */
  onnx_value **out; /* NULL: nobody wants it */
  bool *read;       /* which attributes were asked for */
};

/* What a function that serves several operators is to do: their codes in the table, beside those of
 * the graph's element-wise functions. */
enum {
  OP_MEAN = LCL_MAP_CODES,
  OP_CEIL,
  OP_ROUND,
  OP_ERF,
  OP_TAN,
  OP_COSH,
  OP_GREATER_EQUAL,
  OP_LESS_EQUAL,
  OP_NOT,
  OP_AND,
  OP_OR,
  OP_XOR,
  OP_IS_NAN,
  OP_IS_INF,
  OP_ELU,
  OP_SELU,
  OP_CELU,
  OP_LEAKY,
  OP_HARD_SIGMOID,
  OP_HARD_SWISH,
  OP_THRESHOLDED,
  OP_SOFTSIGN,
  OP_MISH,
  OP_SWISH,
  OP_GELU,
  OP_SHRINK,
  OP_SOFTMAX,
  OP_LOG_SOFTMAX,
  OP_HARDMAX,
  OP_R_SUM,
  OP_R_MEAN,
  OP_R_MAX,
  OP_R_MIN,
  OP_R_L1,
  OP_R_L2,
  OP_R_SUM_SQUARE,
  OP_R_LOG_SUM,
  OP_R_LOG_SUM_EXP,
  OP_R_PROD,
  OP_CAST,
  OP_CAST_LIKE,
  OP_ARGMAX,
  OP_ARGMIN,
  OP_SHAPE,
  OP_SIZE,
  OP_MAX_POOL,
  OP_AVERAGE_POOL,
  OP_LAYER_NORM,
  OP_RMS_NORM,
  OP_RESIZE,
  OP_UPSAMPLE
};

typedef struct onnx_operator {
  const char *name;
  int since; /* the first operator set whose definition this function follows */
  int min_in, max_in;
  lcl_status (*load)(onnx_node *n);
  int code;
} onnx_operator;

/* operators.c: NULL: there is none. */
const onnx_operator *lcl__onnx_operator(const char *name);

/* The newest operator set whose definitions were read. */
enum { ONNX_OLDEST = 7, ONNX_NEWEST = 28 };

/* ---- file.c ---- */

const char *lcl__onnx_type_name(int type); /* "float32" */
bool lcl__onnx_is_int(onnx_type type);     /* whole numbers and truth values */
/* How the graph holds it; false: it does not. */
bool lcl__onnx_dtype(onnx_type type, lcl_dtype *out);
/* The elements of a tensor of the file, in the arena. folder: of external data; NULL: none are
 * allowed. */
lcl_status lcl__onnx_decode(lcl_arena *arena, const onnx_tensor *t, const char *folder,
                            onnx_value *out);
float lcl__onnx_half(uint16_t h);

/* ---- node.c: what functions of operators call ---- */

/* The message with the node's name and operator in front. */
lcl_status lcl__onnx_fail(const onnx_node *n, lcl_status status, const char *fmt, ...)
    LCL_PRINTF(3, 4);
/* Attributes; `otherwise` where it is not there. */
lcl_status lcl__onnx_int(onnx_node *n, const char *name, int64_t otherwise, int64_t *out);
lcl_status lcl__onnx_float(onnx_node *n, const char *name, float otherwise, float *out);
lcl_status lcl__onnx_text(onnx_node *n, const char *name, const char *otherwise, const char **out);
/* At most `most` of them; *count is -1 where it is not there. */
lcl_status lcl__onnx_ints(onnx_node *n, const char *name, int64_t *out, int most, int *count);
lcl_status lcl__onnx_value_attribute(onnx_node *n, const char *name, onnx_value *out, bool *there);
bool lcl__onnx_has(const onnx_node *n, const char *name);

/* Input i as f32 in the graph; LCL_ERR_TYPE for another type. */
lcl_status lcl__onnx_in(onnx_node *n, int i, lcl_tensor **out);
/* Of any type that a graph holds. */
lcl_status lcl__onnx_in_any(onnx_node *n, int i, lcl_tensor **out);
bool lcl__onnx_given(const onnx_node *n, int i);
bool lcl__onnx_known(const onnx_value *v);
/* Whether the graph has it, or will have it, as a variable of the store: it may be trained. */
bool lcl__onnx_is_variable(const onnx_value *v);
/* Whole numbers that the operator needs when the file is loaded; *count: how many. */
lcl_status lcl__onnx_known_ints(onnx_node *n, int i, const char *what, const int64_t **out,
                                int *count);
/* One number likewise. */
lcl_status lcl__onnx_known_number(onnx_node *n, int i, const char *what, double *out);
/* An axis of rank axes. */
lcl_status lcl__onnx_axis(onnx_node *n, int64_t axis, int rank, int *out);
/* Several, as a set; twice the same is refused. */
lcl_status lcl__onnx_axes(onnx_node *n, const int64_t *axes, int count, int rank, unsigned *out);

/* Output i is t, in the file's type; what is wrong with the graph by now is the node's error. */
lcl_status lcl__onnx_give(onnx_node *n, int i, lcl_tensor *t, onnx_type type);
lcl_status lcl__onnx_give_ints(onnx_node *n, int i, onnx_type type, lcl_shape shape,
                               const int64_t *ints);
lcl_status lcl__onnx_give_floats(onnx_node *n, int i, lcl_shape shape, const float *floats);
/* Output i is input j. */
lcl_status lcl__onnx_pass(onnx_node *n, int i, int j);
/* The elements of a known value by strides: transposes, slices and broadcasts of it. */
lcl_status lcl__onnx_give_view(onnx_node *n, int i, const onnx_value *v, lcl_shape shape,
                               const int64_t *stride, int64_t offset);
void lcl__onnx_strides(lcl_shape s, int64_t stride[LCL_MAX_RANK]);
/* Room for as many elements of the arena; NULL: LCL_ERR_HOST_MEMORY is set. */
void *lcl__onnx_room(onnx_node *n, int64_t count, size_t size);
/* A known value's element as a number. */
double lcl__onnx_number(const onnx_value *v, int64_t i);
/* The tensor of a value in the graph, made at the first call. */
lcl_status lcl__onnx_tensor_of(onnx_node *n, onnx_value *v, lcl_tensor **out);

/* load.c */
const char *lcl__onnx_folder(const onnx_loader *l);
lcl_tensor *lcl__onnx_variable(onnx_loader *l, const onnx_value *v);

/* ---- the operators' functions ---- */

/* map.c */
lcl_status lcl__onnx_unary(onnx_node *n);
lcl_status lcl__onnx_binary(onnx_node *n);
lcl_status lcl__onnx_variadic(onnx_node *n);
lcl_status lcl__onnx_compare(onnx_node *n);
lcl_status lcl__onnx_logic(onnx_node *n);
lcl_status lcl__onnx_where(onnx_node *n);
lcl_status lcl__onnx_clip(onnx_node *n);
lcl_status lcl__onnx_pow(onnx_node *n);
lcl_status lcl__onnx_mod(onnx_node *n);
lcl_status lcl__onnx_cast(onnx_node *n);
lcl_status lcl__onnx_is(onnx_node *n);
lcl_tensor *lcl__onnx_erf(lcl_tensor *x);
/* activation.c */
lcl_status lcl__onnx_activation(onnx_node *n);
lcl_status lcl__onnx_prelu(onnx_node *n);
lcl_status lcl__onnx_softmax(onnx_node *n);
lcl_status lcl__onnx_dropout(onnx_node *n);
/* reduce.c */
lcl_status lcl__onnx_reduce(onnx_node *n);
lcl_status lcl__onnx_arg(onnx_node *n);
/* shape.c */
lcl_status lcl__onnx_identity(onnx_node *n);
lcl_status lcl__onnx_constant(onnx_node *n);
lcl_status lcl__onnx_constant_of_shape(onnx_node *n);
lcl_status lcl__onnx_shape_of(onnx_node *n);
lcl_status lcl__onnx_range(onnx_node *n);
lcl_status lcl__onnx_reshape(onnx_node *n);
lcl_status lcl__onnx_flatten(onnx_node *n);
lcl_status lcl__onnx_squeeze(onnx_node *n);
lcl_status lcl__onnx_unsqueeze(onnx_node *n);
lcl_status lcl__onnx_transpose(onnx_node *n);
lcl_status lcl__onnx_expand(onnx_node *n);
lcl_status lcl__onnx_slice(onnx_node *n);
/* move.c */
lcl_status lcl__onnx_concat(onnx_node *n);
lcl_status lcl__onnx_split(onnx_node *n);
lcl_status lcl__onnx_gather(onnx_node *n);
lcl_status lcl__onnx_pad(onnx_node *n);
lcl_status lcl__onnx_tile(onnx_node *n);
lcl_status lcl__onnx_depth_to_space(onnx_node *n);
lcl_status lcl__onnx_space_to_depth(onnx_node *n);
lcl_status lcl__onnx_one_hot(onnx_node *n);
lcl_status lcl__onnx_trilu(onnx_node *n);
lcl_status lcl__onnx_resize(onnx_node *n);
/* product.c */
lcl_status lcl__onnx_matmul(onnx_node *n);
lcl_status lcl__onnx_gemm(onnx_node *n);
lcl_status lcl__onnx_conv(onnx_node *n);
lcl_status lcl__onnx_conv_transpose(onnx_node *n);
/* pool.c */
lcl_status lcl__onnx_pool(onnx_node *n);
lcl_status lcl__onnx_global_pool(onnx_node *n);
/* norm.c */
lcl_status lcl__onnx_batch_norm(onnx_node *n);
lcl_status lcl__onnx_instance_norm(onnx_node *n);
lcl_status lcl__onnx_group_norm(onnx_node *n);
lcl_status lcl__onnx_layer_norm(onnx_node *n);
lcl_status lcl__onnx_lp_norm(onnx_node *n);
lcl_status lcl__onnx_lrn(onnx_node *n);
lcl_status lcl__onnx_mean_variance(onnx_node *n);

/* window.c: kernel, strides, dilations and padding of convolution and pooling, over 1 or 2 axes;
 * one axis is the second of two. */
typedef struct onnx_window {
  int axes;                                          /* 1 or 2 */
  int64_t kernel[2], stride[2], dilation[2], pad[4]; /* pad: top, bottom, left, right */
  bool automatic; /* auto_pad says the padding: *_UPPER or *_LOWER */
  bool lower, valid;
} onnx_window;
/* kernel: of the filter, that kernel_shape must equal; NULL: kernel_shape says it. */
lcl_status lcl__onnx_read_window(onnx_node *n, int axes, const int64_t *kernel, onnx_window *w);
/* Padding by auto_pad for an input of these sizes (height, width). */
void lcl__onnx_same_padding(onnx_window *w, const int64_t size[2]);
/* (N,C,W) as (N,C,1,W); other ranks than 3 and 4 are refused. And back. */
lcl_status lcl__onnx_as_images(onnx_node *n, lcl_tensor *x, lcl_tensor **out, int *axes);
lcl_tensor *lcl__onnx_from_images(lcl_tensor *y, int axes);

#endif
