/** @file
 * ONNX files: a network of another framework into a graph.
 *
 * What a file holds that LatentCL cannot compute exactly as the ONNX standard says - an operator,
 * an attribute, a type, a size that only a run would tell - is refused by a message that names the
 * node. docs/onnx.md lists the operators. A library built without protobuf-c has these functions
 * too; they return #LCL_ERR_UNSUPPORTED.
 *
 * Threads: a model belongs to the thread of its graph. */
#ifndef LATENTCL_ONNX_H
#define LATENTCL_ONNX_H

#include "latentcl/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Sizes of an input, over those of the file. */
typedef struct lcl_onnx_shape {
  const char *input; /**< its name; NULL: the only one */
  lcl_shape shape;   /**< must agree with the sizes that the file fixes */
} lcl_onnx_shape;

/** How to load a file. Zero everywhere is a good default. */
typedef struct lcl_onnx_desc {
  const char *prefix;      /**< put before the names of the store's variables (NULL: "") */
  const char *const *dims; /**< n_dims sizes of dimensions that the file leaves open, "batch=32" */
  size_t n_dims;           /**< how many */
  const lcl_onnx_shape *shapes; /**< n_shapes shapes of inputs */
  size_t n_shapes;              /**< how many */
} lcl_onnx_desc;

/** An input or output of a model. */
typedef struct lcl_onnx_value {
  const char *name; /**< for lcl_feed() or lcl_fetch() */
  const char *type; /**< as the file says: "float32", "int64", "bool", ... int64 is fed and fetched
                       as i32, bool fed as u8 and fetched as f32, 0 or 1 */
  lcl_tensor *tensor; /**< of the graph */
} lcl_onnx_value;

/** What a file was loaded into. */
typedef struct lcl_onnx_model lcl_onnx_model;

/** Loads an ONNX file into a graph. Weights become variables of the graph's store, called as in the
 * file, and are set to the file's values; inputs and outputs have the file's names.
 *
 * @param g     an empty graph
 * @param path  of the file; external data are read from its folder only
 * @param desc  how; NULL: defaults
 * @param out   receives the model, NULL on failure; lcl_onnx_close() ends it
 * @return #LCL_ERR_IO; #LCL_ERR_FORMAT for a damaged file; #LCL_ERR_UNSUPPORTED for what LatentCL
 *   does not have; #LCL_ERR_SHAPE and #LCL_ERR_TYPE for what does not fit together;
 *   #LCL_ERR_ARGUMENT for a dimension or input that the file does not have */
LCL_API lcl_status lcl_onnx_load(lcl_graph *g, const char *path, const lcl_onnx_desc *desc,
                                 lcl_onnx_model **out);

/** The same from memory, without external data.
 *
 * @param g      an empty graph
 * @param bytes  the file's content
 * @param n      how many
 * @param desc   how; NULL: defaults
 * @param out    receives the model, NULL on failure; lcl_onnx_close() ends it
 * @return as lcl_onnx_load() */
LCL_API lcl_status lcl_onnx_parse(lcl_graph *g, const void *bytes, size_t n,
                                  const lcl_onnx_desc *desc, lcl_onnx_model **out);

/** Frees a model. Its graph stays as it is.
 *
 * @param m  the model; NULL is allowed */
LCL_API void lcl_onnx_close(lcl_onnx_model *m);

/** Inputs of a model.
 *
 * @param m  the model
 * @return how many */
LCL_API size_t lcl_onnx_input_count(const lcl_onnx_model *m);

/** An input by position.
 *
 * @param m      the model
 * @param index  0 to lcl_onnx_input_count() - 1
 * @return owned by the model; NULL in it: there is none */
LCL_API lcl_onnx_value lcl_onnx_input(const lcl_onnx_model *m, size_t index);

/** Outputs of a model.
 *
 * @param m  the model
 * @return how many */
LCL_API size_t lcl_onnx_output_count(const lcl_onnx_model *m);

/** An output by position.
 *
 * @param m      the model
 * @param index  0 to lcl_onnx_output_count() - 1
 * @return owned by the model; NULL in it: there is none */
LCL_API lcl_onnx_value lcl_onnx_output(const lcl_onnx_model *m, size_t index);

/** The dimensions that the file leaves open and nothing was said about, which are 1 now.
 *
 * @param m  the model
 * @return "batch, sequence", owned by the model; "": none */
LCL_API const char *lcl_onnx_assumed(const lcl_onnx_model *m);

/** A tensor with its name in a file. */
typedef struct lcl_onnx_name {
  lcl_tensor *tensor; /**< of the graph */
  const char *name;   /**< must not begin with "_" */
} lcl_onnx_name;

/** What to write into a file. */
typedef struct lcl_onnx_save_desc {
  const lcl_onnx_name *outputs; /**< n_outputs tensors of one graph */
  size_t n_outputs;             /**< at least 1 */
  /** n_inputs tensors that become inputs, whatever computes them; the graph's own inputs keep their
   * names. */
  const lcl_onnx_name *inputs;
  size_t n_inputs; /**< how many */
  /** Sizes that are this one, or a multiple of it, are the batch, which the file leaves open: a
   * large prime that no other size has. 0 or 1: every size is fixed. */
  int64_t batch;
  const char *const *metadata; /**< n_metadata texts "key=value" */
  size_t n_metadata;           /**< how many */
} lcl_onnx_save_desc;

/** Writes what outputs are computed by as an ONNX file (operator set 17), with the variables'
 * values as they are.
 *
 * @param path  of the file, which is replaced as a whole
 * @param desc  what to write
 * @return #LCL_ERR_UNSUPPORTED names an op that ONNX has no counterpart of; #LCL_ERR_IO */
LCL_API lcl_status lcl_onnx_save(const char *path, const lcl_onnx_save_desc *desc);

/** Operators that can be loaded, by position.
 *
 * @param index  from 0
 * @return a constant; NULL: there are no more */
LCL_API const char *lcl_onnx_operator(size_t index);

#ifdef __cplusplus
}
#endif
#endif
