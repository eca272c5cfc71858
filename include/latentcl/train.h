/** @file
 * Training and evaluation of the models in model.h, and the run folder they leave: config.json,
 * log.jsonl, last.safetensors, best.safetensors, report.html.
 *
 * Threads: a call works on its context, and so belongs to the context's thread. The functions of
 * #lcl_tensor_file and lcl_report_compare() need no device; different objects may be used by
 * different threads. */
#ifndef LATENTCL_TRAIN_H
#define LATENTCL_TRAIN_H

#include "latentcl/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- checkpoints: safetensors (src/train/safetensors.c) ---- */

/** Tensors by name, and text metadata, in memory: a safetensors file, or arrays that were made of a
 * run. */
typedef struct lcl_tensor_file lcl_tensor_file;

/** One tensor of a file. */
typedef struct lcl_tensor_entry {
  const char *name; /**< unique in the file */
  lcl_dtype dtype;  /**< element type */
  lcl_shape shape;  /**< row-major */
  const void *data; /**< the elements */
  size_t bytes;     /**< elements times element size */
} lcl_tensor_entry;

/** An empty file in memory.
 *
 * @param out  receives it; lcl_tensor_file_destroy() ends it
 * @return #LCL_OK or #LCL_ERR_HOST_MEMORY */
LCL_API lcl_status lcl_tensor_file_create(lcl_tensor_file **out);

/** Adds a tensor.
 *
 * @param f      the file
 * @param entry  the tensor; name and data are copied
 * @return #LCL_ERR_SHAPE when bytes does not fit shape and dtype; #LCL_ERR_FORMAT for a name that
 * is there already */
LCL_API lcl_status lcl_tensor_file_add(lcl_tensor_file *f, const lcl_tensor_entry *entry);

/** Sets a metadata text, over one of the same key.
 *
 * @param f      the file
 * @param key    its name
 * @param value  the text
 * @return #LCL_OK or #LCL_ERR_HOST_MEMORY */
LCL_API lcl_status lcl_tensor_file_set_meta(lcl_tensor_file *f, const char *key, const char *value);

/** Writes the file in one atomic step: a temporary file, synced, then renamed.
 *
 * @param f     the file
 * @param path  where to
 * @return #LCL_ERR_IO when it cannot be written; path is as before then */
LCL_API lcl_status lcl_tensor_file_write(const lcl_tensor_file *f, const char *path);

/** Reads a file and checks everything: header size, offsets (in range, no overlap, no hole), sizes
 * against shapes, element types (F32, I32, U8, F16), names used twice.
 *
 * @param path  the file
 * @param out   receives it, NULL on failure; lcl_tensor_file_destroy() ends it
 * @return #LCL_ERR_IO when it cannot be read; #LCL_ERR_FORMAT with the tensor and the reason */
LCL_API lcl_status lcl_tensor_file_read(const char *path, lcl_tensor_file **out);

/** The same for a file's bytes in memory, which are copied.
 *
 * @param bytes  n bytes
 * @param n      how many
 * @param what   name of the data in messages
 * @param out    receives the file, NULL on failure; lcl_tensor_file_destroy() ends it
 * @return #LCL_ERR_FORMAT with the tensor and the reason */
LCL_API lcl_status lcl_tensor_file_parse(const void *bytes, size_t n, const char *what,
                                         lcl_tensor_file **out);

/** Frees a file in memory.
 *
 * @param f  the file; NULL is allowed */
LCL_API void lcl_tensor_file_destroy(lcl_tensor_file *f);

/** Tensors of a file.
 *
 * @param f  the file
 * @return how many */
LCL_API size_t lcl_tensor_file_count(const lcl_tensor_file *f);

/** A tensor by position.
 *
 * @param f      the file
 * @param index  0 to lcl_tensor_file_count() - 1
 * @return the tensor, owned by f; NULL: there is none */
LCL_API const lcl_tensor_entry *lcl_tensor_file_at(const lcl_tensor_file *f, size_t index);

/** A tensor by name.
 *
 * @param f     the file
 * @param name  its name
 * @return the tensor, owned by f; NULL: there is none */
LCL_API const lcl_tensor_entry *lcl_tensor_file_find(const lcl_tensor_file *f, const char *name);

/** A metadata text.
 *
 * @param f    the file
 * @param key  its name
 * @return the text, owned by f; NULL: there is none */
LCL_API const char *lcl_tensor_file_meta(const lcl_tensor_file *f, const char *key);

/** Adds every variable of a store to a file. Waits for the device.
 *
 * @param store  the store
 * @param into   the file
 * @return as lcl_store_read() and lcl_tensor_file_add() */
LCL_API lcl_status lcl_store_save(lcl_store *store, lcl_tensor_file *into);

/** Sets every variable of a store from a file. Everything is checked before anything changes.
 *
 * @param store    the store, with its variables made
 * @param from     the file; names "prep.*" are ignored
 * @param partial  variables that are not trained may be missing, and the file may have more
 *   (evaluation graphs have no optimiser slots)
 * @return #LCL_ERR_FORMAT when a variable is missing or has another shape or type
 *   (by name, with both shapes), or the file has tensors that the store does not have */
LCL_API lcl_status lcl_store_load(lcl_store *store, const lcl_tensor_file *from, bool partial);

/** Takes over weights and running statistics of the same names, for a run that starts from another.
 *
 * @param store  the store, with its variables made
 * @param from   the other run's checkpoint
 * @return #LCL_ERR_ARGUMENT when no name agrees; as lcl_store_load() for another shape */
LCL_API lcl_status lcl_store_start(lcl_store *store, const lcl_tensor_file *from);

/* ---- training ---- */

/** A training run. Zero everywhere but model is a good default. */
typedef struct lcl_train_desc {
  const char *model;      /**< class name, see lcl_model_find() */
  const char *const *set; /**< n_set texts "name=value" of model and common options */
  size_t n_set;           /**< how many */
  const char *data;       /**< as lcl_data_desc.path; NULL: the built-in digits */
  const char *out;        /**< run folder; NULL: runs/MODEL-DATE-N */
  const char *start; /**< run folder whose weights to begin with (lcl_store_start()), or NULL */
  uint64_t seed;     /**< of weights, noise and batches; with `resume`, 0 or the run's */
  bool resume;       /**< continue the run in `out`: same options, the same numbers bit for bit */
  bool profile;      /**< device times by op in the report; needs lcl_context_desc.profile */
  const char *trace; /**< Chrome trace file to write, or NULL; needs profile as well */
  /** Folder for event files of TensorBoard: losses, metrics, learning rate, histograms of
   * parameters, images; NULL: none. A resumed run goes on there if it is given again. */
  const char *tensorboard;
  bool check_numerics; /**< as lcl_compile_desc.check_numerics */
  bool quiet;          /**< no progress lines */
  bool test;           /**< evaluate the test part at the end, with the best epoch's weights */
  int max_steps;       /**< > 0: stop after so many steps in all */
  const char *commit;  /**< what config.json says the program was built from; may be NULL */
  /** Asked after each step; non-zero: save and return #LCL_ERR_INTERRUPTED. NULL: never. */
  int (*interrupted)(void);
  void (*progress)(void *user, const char *line); /**< NULL: lines go to standard error */
  void *user;                                     /**< passed to progress and stepped */
  /** Called after each step with how many are done of how many in all epochs, for progress bars.
   * NULL: not called. */
  void (*stepped)(void *user, int64_t step, int64_t steps);
  /** Several processes train together, each of them in this call with the same arguments, on a
   * context of its own, and the folders and data in a place that all see: every batch is shared,
   * and the steps are those of one process but for rounding. Rank 0 evaluates, writes the files and
   * the progress lines; all get the result. A failure of one rank alone ends the whole job
   * (MPI_Abort). NULL: one process. */
  lcl_ranks *ranks;
  bool local_norm; /**< batch norm takes the statistics of each rank's own examples, instead of the
                      whole batch's */
} lcl_train_desc;

/** What a training run came to. */
typedef struct lcl_train_result {
  char out[1024];             /**< the run folder */
  int epochs;                 /**< epochs done */
  int best_epoch;             /**< counts from 1; 0: none */
  int64_t steps;              /**< steps done */
  lcl_metrics validation;     /**< at the best epoch */
  lcl_metrics test;           /**< n == 0 when not asked for */
  double seconds;             /**< of training, over all sessions of the run */
  double examples_per_second; /**< training examples */
  bool stopped_early;         /**< patience ended it before its last epoch */
  bool reported;              /**< report.html was written: max_steps did not end it before */
} lcl_train_result;

/** Trains a model and leaves a run folder.
 *
 * @param ctx     the device
 * @param desc    what to train
 * @param result  receives the outcome, as far as it came; NULL: not wanted
 * @return #LCL_ERR_ARGUMENT for options, a folder or data that do not fit; #LCL_ERR_INTERRUPTED
 *   after a stop that can be resumed; #LCL_ERR_NUMERIC with tensor, epoch and step when a number is
 *   not finite; #LCL_ERR_IO and #LCL_ERR_FORMAT of its files */
LCL_API lcl_status lcl_train(lcl_context *ctx, const lcl_train_desc *desc,
                             lcl_train_result *result);

/** What a search for a learning rate came to. */
typedef struct lcl_rate_result {
  char out[1024]; /**< folder of find-lr.html and find-lr.json */
  double rate;    /**< the suggestion; 0: the loss fell at no rate */
  int steps;      /**< steps done, at rates from 1e-7 on */
} lcl_rate_result;

/** Suggests a learning rate by a range test (Smith 2017): at most 120 steps of a training, each at
 * a higher rate, from 1e-7 to 10. The suggestion is where the smoothed loss falls fastest. No run
 * is made.
 *
 * @param ctx     the device
 * @param desc    the training as lcl_train() takes it, without resume, trace, max_steps and
 *   check_numerics; out: folder of the results, which is no run's; NULL: runs/find-lr-MODEL-DATE-N
 * @param result  receives the outcome
 * @return as lcl_train(); #LCL_ERR_NUMERIC when the loss is not finite after a few steps;
 *   #LCL_ERR_INTERRUPTED when nothing was written */
LCL_API lcl_status lcl_find_rate(lcl_context *ctx, const lcl_train_desc *desc,
                                 lcl_rate_result *result);

/** The compiled graph of a mode as text.
 *
 * @param ctx   the device
 * @param desc  as lcl_train() takes it
 * @param mode  which graph
 * @param format  for whom
 * @param text  receives the text, for free(); NULL on failure
 * @return as lcl_train() for options and data; #LCL_ERR_UNSUPPORTED when the
 *   model has no such mode */
LCL_API lcl_status lcl_explain(lcl_context *ctx, const lcl_train_desc *desc, lcl_model_mode mode,
                               lcl_explain_format format, char **text);

/* ---- runs ---- */

/** A run folder that was opened. */
typedef struct lcl_run_folder lcl_run_folder;

/** Opens a finished or interrupted run: config.json and a checkpoint, the best if there is one,
 * else the last.
 *
 * @param ctx     the device, which has to outlive the run
 * @param folder  the run folder
 * @param data    as lcl_data_desc.path; NULL: the path recorded in the run
 * @param out     receives the run, NULL on failure; lcl_run_close() ends it
 * @return #LCL_ERR_IO and #LCL_ERR_FORMAT for the folder's files and the data */
LCL_API lcl_status lcl_run_open(lcl_context *ctx, const char *folder, const char *data,
                                lcl_run_folder **out);

/** Opens a run on data other than those it was trained on, which need not be there: a folder of
 * images, with a folder for each class or without classes, or anything else that lcl_data_open()
 * opens, as one part ("all"). Images are scaled to the size of the run's examples. Classes go by
 * their names. Without labels there is nothing to compare with: lcl_run_evaluate() gives what needs
 * none, lcl_run_predictions() what the model says.
 *
 * @param ctx     the device, which has to outlive the run
 * @param folder  the run folder
 * @param data    as lcl_data_desc.path
 * @param out     receives the run, NULL on failure; lcl_run_close() ends it
 * @return as lcl_run_open(); #LCL_ERR_ARGUMENT for a class that the run does not know;
 *   #LCL_ERR_SHAPE for examples of another shape */
LCL_API lcl_status lcl_run_open_on(lcl_context *ctx, const char *folder, const char *data,
                                   lcl_run_folder **out);

/** Closes a run.
 *
 * @param run  the run; NULL is allowed */
LCL_API void lcl_run_close(lcl_run_folder *run);

/** Evaluates a part of the data.
 *
 * @param run      the run
 * @param split    "train" (the labelled examples in use), "all" (the whole training part),
 * "validation" or "test"
 * @param metrics  receives n, loss, error_percent, ...
 * @return #LCL_ERR_ARGUMENT when there is no such part */
LCL_API lcl_status lcl_run_evaluate(lcl_run_folder *run, const char *split, lcl_metrics *metrics);

/** What lcl_run_export() writes. */
typedef struct lcl_export_desc {
  const char *path; /**< of the file, which ends in .onnx and is replaced as a whole */
  /** "classifier": image to scores and prediction; "encoder": image to features; "decoder":
   * features to image, as prepared. NULL: classifier, or encoder where no class is predicted. */
  const char *part;
  int64_t batch;               /**< examples at a time; 0: the file leaves it open */
  const char *const *metadata; /**< n_metadata more texts "key=value" */
  size_t n_metadata;           /**< how many */
} lcl_export_desc;

/** Writes the network of a run's evaluation as an ONNX file, the preprocessing in front of it. Its
 * metadata are model, part, run, classes, version and input.
 *
 * @param run   the run
 * @param desc  what to write
 * @return #LCL_ERR_ARGUMENT for a part that there is not; #LCL_ERR_UNSUPPORTED where the model does
 *   not have the part, or ONNX no operator for it; #LCL_ERR_IO */
LCL_API lcl_status lcl_run_export(lcl_run_folder *run, const lcl_export_desc *desc);

/** Writes a grid of originals, reconstructions and what else the model reconstructs.
 *
 * @param run      the run
 * @param split    as lcl_run_evaluate()
 * @param columns  examples in the grid
 * @param seed     of the noise
 * @param png      file to write
 * @return #LCL_ERR_ARGUMENT when there is no such part; #LCL_ERR_UNSUPPORTED when the model does
 * not reconstruct; #LCL_ERR_IO */
LCL_API lcl_status lcl_run_reconstruct(lcl_run_folder *run, const char *split, int columns,
                                       uint64_t seed, const char *png);

/** Samples to take. */
typedef struct lcl_sample_request {
  /** A kind of the model, e.g. "samples", "analogies", "interpolation"; NULL: the first. */
  const char *kind;
  int count;         /**< images */
  uint64_t seed;     /**< of the samples */
  float temperature; /**< logits are divided by it (0: 1); models that sample pixel by pixel */
  /** Images to complete: a part's name or a .npy file (N,C,H,W; u8, or f32 in [0,1]); NULL: none.
   * For models that sample pixel by pixel. */
  const char *given;
  int rows; /**< how many rows of each given image are kept */
} lcl_sample_request;

/** Writes a grid of samples.
 *
 * @param run      the run
 * @param request  what to sample
 * @param png      file to write
 * @return #LCL_ERR_ARGUMENT for an unknown kind (with the list) or a request that the model cannot
 *   serve; #LCL_ERR_UNSUPPORTED when the model does not sample; #LCL_ERR_IO */
LCL_API lcl_status lcl_run_sample(lcl_run_folder *run, const lcl_sample_request *request,
                                  const char *png);

/** Writes report.html of the folder again, from log.jsonl, config.json and the checkpoint.
 *
 * @param run  the run
 * @return #LCL_ERR_IO and #LCL_ERR_FORMAT for the folder's files */
LCL_API lcl_status lcl_run_report(lcl_run_folder *run);

/** Writes a page with the curves of several runs in the same axes, their final figures and the
 * options that differ.
 *
 * @param folders  n run folders
 * @param n        2 to 6
 * @param html     file to write
 * @return #LCL_ERR_ARGUMENT for another n; #LCL_ERR_IO and #LCL_ERR_FORMAT for the folders' files
 */
LCL_API lcl_status lcl_report_compare(const char *const *folders, int n, const char *html);

/* ---- clusters and codes of a run (src/train/assignments.c) ---- */

/** Clusters or codes to make. Zero everywhere is a good default. */
typedef struct lcl_assignment_desc {
  const char *split; /**< as lcl_run_evaluate(); NULL: "all" */
  /** prefix.npy and prefix.csv are written; NULL: "clusters", "codes" or "features" in the run
   * folder, with "-METHOD" for a baseline. */
  const char *prefix;
  /** Clusters: "model" (NULL), "k-means" on the prepared examples, "k-means-features". Codes:
   * "model" (NULL), "pca-itq" (Gong et al. 2013), "spectral" (Weiss et al. 2009). */
  const char *method;
  int k;       /**< clusters of k-means (0: the classes), bits of the baselines (0: 16) */
  int queries; /**< queries of each class, for the retrieval metrics (0: the run's, else 100) */
  const char *layer; /**< features: those of this layer (lcl_run_layers()); NULL: the model's */
  uint64_t seed;     /**< of k-means and the baselines; the run's own chooses the queries */
  /** Called after each restart of k-means, or NULL; inertia: sum of squared distances to the
   * nearest centre. */
  void (*progress)(void *user, int restart, int restarts, int rounds, double inertia);
  void *user; /**< passed to progress */
} lcl_assignment_desc;

/** The cluster of every example, in the order of the data. The .npy is int32 (n); the CSV has
 * index, cluster and label.
 *
 * @param run      the run
 * @param desc     what to make
 * @param metrics  receives n and, with labels, accuracy_percent; NULL: not wanted
 * @return #LCL_ERR_ARGUMENT for an unknown part or method; #LCL_ERR_UNSUPPORTED when the model has
 *   no clusters; #LCL_ERR_IO */
LCL_API lcl_status lcl_run_cluster(lcl_run_folder *run, const lcl_assignment_desc *desc,
                                   lcl_metrics *metrics);

/** The code of every example, in the order of the data. The .npy is uint8 (n,bits) of 0 and 1; the
 * CSV has index, the code as "b" and its bits in their order ("b00101"), and label.
 *
 * @param run      the run
 * @param desc     what to make
 * @param metrics  receives n and, with labels, map_percent, precision_500_percent and
 *   precision_r2_percent (within Hamming distance 2); NULL: not wanted
 * @return #LCL_ERR_ARGUMENT for an unknown part or method; #LCL_ERR_UNSUPPORTED when the model has
 *   no codes; #LCL_ERR_IO */
LCL_API lcl_status lcl_run_hash(lcl_run_folder *run, const lcl_assignment_desc *desc,
                                lcl_metrics *metrics);

/** The features of every example, in the order of the data: what the model's encoder, or the layer
 * of this name, gives without noise. The .npy is float32 (n,width), of a layer n and the shape of
 * the layer; the CSV has index, prediction (of a model that has one) and label. Of desc only split,
 * prefix and layer count.
 *
 * @param run      the run
 * @param desc     what to make
 * @param metrics  receives n and width; NULL: not wanted
 * @return #LCL_ERR_ARGUMENT for an unknown part or layer; #LCL_ERR_UNSUPPORTED when the model has
 * no features; #LCL_ERR_IO */
LCL_API lcl_status lcl_run_encode(lcl_run_folder *run, const lcl_assignment_desc *desc,
                                  lcl_metrics *metrics);

/* ---- maps (src/train/tsne_map.c) ---- */

/** A t-SNE map to make. Zero everywhere is a good default. */
typedef struct lcl_tsne_map_desc {
  const char *split;  /**< as lcl_run_evaluate(); NULL: "test" */
  int64_t points;     /**< examples, evenly chosen (0: at most 10000; -1: all) */
  const char *marked; /**< classes whose examples are perturbed (NULL: "0,1,9"); "each": an image
                         for each class, with the perturbed examples of this one, named as png with
                         "-CLASS" before its ending */
  int marks;          /**< perturbed examples of each (0: at most 100; -1: none) */
  double perplexity;  /**< 0: 30 */
  int rounds;         /**< gradient steps (0: 1000) */
  uint64_t seed;      /**< of the first places and the perturbations */
  const char *png;    /**< file to write; NULL: none */
  const char *csv;    /**< file to write: index, label, kind, x, y; NULL: none */
  void (*progress)(void *user, int round, int rounds, double divergence); /**< or NULL */
  void *user;                                                             /**< passed to progress */
} lcl_tsne_map_desc;

/** t-SNE (van der Maaten and Hinton 2008) of the features that a run's network makes of the
 * examples, with perturbed forms of some of them where the model has any: figures 6 and 8 of
 * "Semantic Noise Modeling for Better Representation Learning" (2016).
 *
 * @param run      the run
 * @param desc     what to make
 * @param metrics  receives n, divergence, and agreement_CAPTION: the percentage of the 10 nearest
 *   unperturbed points of a perturbed one that have its label; NULL: not wanted
 * @return #LCL_ERR_ARGUMENT for numbers outside their range; #LCL_ERR_UNSUPPORTED when the model
 * has no features; #LCL_ERR_IO */
LCL_API lcl_status lcl_run_tsne(lcl_run_folder *run, const lcl_tsne_map_desc *desc,
                                lcl_metrics *metrics);

/* ---- arrays of a run (src/train/arrays.c) ---- */

/** A layer of a run's network. */
typedef struct lcl_layer {
  char name[96]; /**< of its parameters: "enc.fc1" of enc.fc1.weight; what is computed of it on the
                    way to another layer has the op behind that, as in "enc.fc1.relu" */
  lcl_shape shape; /**< of one example, f32 */
  bool features;   /**< what lcl_run_features() gives without a name */
} lcl_layer;

/** The layers of a run's network as it is evaluated, in the order of computation: those that have
 * one row an example.
 *
 * @param run     the run
 * @param layers  receives the first `room` of them; NULL with room 0
 * @param room    0: only count
 * @param n       receives how many there are
 * @return #LCL_OK or #LCL_ERR_HOST_MEMORY */
LCL_API lcl_status lcl_run_layers(lcl_run_folder *run, lcl_layer *layers, size_t room, size_t *n);

/** What a layer gives for every example, in the order of the data, as arrays:
 *
 * - "features": f32 (n, shape of the layer);
 * - "prediction": i32 (n), class or cluster, of a model that predicts;
 * - "label": i32 (n), -1: none, of data that have labels.
 *
 * @param run    the run
 * @param split  as lcl_run_evaluate()
 * @param layer  a name of lcl_run_layers(); NULL: the model's features, (n,width)
 * @param out    receives the arrays, NULL on failure; lcl_tensor_file_destroy() ends them
 * @return #LCL_ERR_ARGUMENT for an unknown part or layer; #LCL_ERR_UNSUPPORTED when the model has
 * no features */
LCL_API lcl_status lcl_run_features(lcl_run_folder *run, const char *split, const char *layer,
                                    lcl_tensor_file **out);

/** What the model says of every example, in the order of the data, as arrays: "prediction" and
 * "label" as lcl_run_features(), and each number whose mean is a metric ("loss", "correct", "nll",
 * ...), f32 (n). Of an example without a label, what is compared with labels means nothing.
 *
 * @param run    the run
 * @param split  as lcl_run_evaluate()
 * @param out    receives the arrays, NULL on failure; lcl_tensor_file_destroy() ends them
 * @return #LCL_ERR_ARGUMENT for an unknown part */
LCL_API lcl_status lcl_run_predictions(lcl_run_folder *run, const char *split,
                                       lcl_tensor_file **out);

/** Samples as arrays: "samples", f32 (count,C,H,W) in [0,1], and "label", i32 (count), of a model
 * that samples images of classes.
 *
 * @param run      the run
 * @param request  what to sample
 * @param png      a grid of them to write as lcl_run_sample() does; NULL: none
 * @param out      receives the arrays, NULL on failure; lcl_tensor_file_destroy() ends them
 * @return as lcl_run_sample() */
LCL_API lcl_status lcl_run_samples(lcl_run_folder *run, const lcl_sample_request *request,
                                   const char *png, lcl_tensor_file **out);

/** Reconstructions as arrays:
 *
 * - "images": f32 (rows,n,C,H,W) in [0,1], the rows of the grid; what row 0 shows is the metadata
 *   text "caption.0" (lcl_tensor_file_meta()), and so on;
 * - "index": i32 (n), which examples of the part these are;
 * - "label": i32 (n), -1: none, of data that have labels.
 *
 * @param run      the run
 * @param split    as lcl_run_evaluate()
 * @param columns  n, 1 to 1000: examples, classes in turn
 * @param seed     of the noise
 * @param png      the grid to write as lcl_run_reconstruct() does; NULL: none
 * @param out      receives the arrays, NULL on failure; lcl_tensor_file_destroy() ends them
 * @return as lcl_run_reconstruct() */
LCL_API lcl_status lcl_run_reconstructions(lcl_run_folder *run, const char *split, int columns,
                                           uint64_t seed, const char *png, lcl_tensor_file **out);

/** A t-SNE map as arrays:
 *
 * - "places": f32 (n,2), x and y of each point;
 * - "index": i32 (n), which example of the part it is, or is a perturbed form of;
 * - "label": i32 (n), -1: none, of data that have labels;
 * - "kind": i32 (n), 0: the example itself; K > 0: perturbed as the metadata text "kind.K" says.
 *
 * @param run      the run
 * @param desc     what to make; its files are written too
 * @param metrics  as lcl_run_tsne()
 * @param out      receives the arrays, NULL on failure; lcl_tensor_file_destroy() ends them
 * @return as lcl_run_tsne() */
LCL_API lcl_status lcl_run_map(lcl_run_folder *run, const lcl_tsne_map_desc *desc,
                               lcl_metrics *metrics, lcl_tensor_file **out);

/* ---- published tables ---- */

/** Published tables that can be run.
 *
 * @return how many */
LCL_API size_t lcl_reproduce_count(void);

/** Name of a table, e.g. "semantic-noise/table1-mnist".
 *
 * @param index  0 to lcl_reproduce_count() - 1
 * @return a constant; NULL: there is none */
LCL_API const char *lcl_reproduce_name(size_t index);

/** What a table shows, in one line.
 *
 * @param index  0 to lcl_reproduce_count() - 1
 * @return a constant; NULL: there is none */
LCL_API const char *lcl_reproduce_title(size_t index);

/** A published table to run. Zero everywhere but table is a good default. */
typedef struct lcl_reproduce_desc {
  const char *table;        /**< its name */
  const char *columns;      /**< keys with commas between; NULL: all */
  const char *rows;         /**< keys with commas between; NULL: all */
  int trials;               /**< runs of each cell (0: 3) */
  bool quick;               /**< the table's small version */
  const char *data;         /**< as lcl_data_desc.path */
  const char *out;          /**< folder of the results; NULL: runs/TABLE */
  const char *const *set;   /**< n_set further "name=value" options for every cell */
  size_t n_set;             /**< how many */
  const char *commit;       /**< as in #lcl_train_desc */
  int (*interrupted)(void); /**< as in #lcl_train_desc */
  void (*progress)(void *user, const char *line); /**< NULL: lines go to standard error */
  void *user;                                     /**< passed to progress */
  int job; /**< > 0: only this one of lcl_reproduce_jobs(), counted from 1, and no table: for
              processes that know nothing of each other */
  /** Several processes, each in this call with the same arguments and a context of its own, share
   * the jobs, those first that took or will take longest; rank 0 makes the table. NULL: one. */
  lcl_ranks *ranks;
} lcl_reproduce_desc;

/** What has to be computed by one process: a run, those that begin with its weights, and those that
 * it begins with. */
typedef struct lcl_reproduce_job {
  const char *row;    /**< key of its first row */
  const char *column; /**< key of its first column */
  int trial;          /**< from 1 */
  int runs;           /**< rows and columns that it has figures for */
  bool done;          /**< every one of them is there */
} lcl_reproduce_job;

/** The jobs of a table, always in the same order for the same rows, columns and trials.
 *
 * @param desc  as for lcl_reproduce()
 * @param jobs  receives at most `room` of them; NULL with room 0
 * @param room  length of jobs
 * @param n     receives how many there are
 * @return #LCL_ERR_ARGUMENT: unknown table, row or column, an option that a model of these rows
 * refuses, a job beyond the last */
LCL_API lcl_status lcl_reproduce_jobs(const lcl_reproduce_desc *desc, lcl_reproduce_job *jobs,
                                      size_t room, size_t *n);

/** Trains what a published table needs, each cell in a run folder of its own, and writes table.json
 * and table.md after every cell. Finished cells are kept: a table that was interrupted goes on
 * where it stopped, inside a run too.
 *
 * @param ctx       the device
 * @param desc      which table
 * @param markdown  receives the text of table.md, for free(); NULL: not wanted
 * @return #LCL_ERR_ARGUMENT for an unknown table, row or column (with the list); as lcl_train()
 *   otherwise */
LCL_API lcl_status lcl_reproduce(lcl_context *ctx, const lcl_reproduce_desc *desc, char **markdown);

#ifdef __cplusplus
}
#endif
#endif
