/** @file
 * Models: a class describes one system of the papers; the training loop (train.h) does the rest.
 *
 * A class names its options, states its defaults (schedule, streams, preprocessing) and builds
 * graphs with the public API (graph.h, ops.h, nn.h). Those of the library are in src/models; a
 * program adds its own by lcl_model_register(), the command by a plug-in (plugin.h). The loop makes
 * the optimiser, the batches, evaluation, checkpoints, logs and the report out of what build()
 * declares through the lcl_build_ functions.
 *
 * Threads: classes are constant and may be read by any thread. Options, models and builds belong to
 * one thread at a time. */
#ifndef LATENTCL_MODEL_H
#define LATENTCL_MODEL_H

#include "latentcl/data.h"
#include "latentcl/graph.h"
#include "latentcl/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- options ---- */

/** What values an option takes. */
typedef enum lcl_option_type {
  LCL_OPTION_INT,    /**< a whole number */
  LCL_OPTION_FLOAT,  /**< a number */
  LCL_OPTION_BOOL,   /**< true/false, yes/no, on/off, 1/0 */
  LCL_OPTION_CHOICE, /**< one of `allowed` */
  LCL_OPTION_STRING, /**< any text */
  LCL_OPTION_INTS,   /**< whole numbers with commas or hyphens between, each within `allowed` */
  LCL_OPTION_FLOATS  /**< numbers with commas between, each within `allowed` */
} lcl_option_type;

/** The definition of an option. */
typedef struct lcl_option {
  const char *name;     /**< as the user types it */
  lcl_option_type type; /**< of its value */
  const char *value;    /**< the default, as text; "" for a number: from the model's defaults */
  const char *help;     /**< one line */
  /** Of a choice: "none|random|semantic". Of a number: its interval, as "[1,4096]" or "(0,inf)".
   * NULL: any. */
  const char *allowed;
  /** Where it changes anything, by options that stand before it: "arch=vgg", "system=dec|dae",
   * "noise!=0", several with ", " between. NULL: everywhere. Training refuses it elsewhere. */
  const char *when;
} lcl_option;

/** A set of options with their values. Reading one that does not exist is an error of the program:
 * it reads as zero or "" and is logged. */
typedef struct lcl_options lcl_options;

/** A set of options at their defaults.
 *
 * @param options  n definitions; copied, but the texts they point to have to outlive the set
 * @param n        how many
 * @param out      receives the set, NULL on failure; lcl_options_destroy() ends it
 * @return #LCL_OK or #LCL_ERR_HOST_MEMORY */
LCL_API lcl_status lcl_options_create(const lcl_option *options, size_t n, lcl_options **out);

/** A copy of a set and its values.
 *
 * @param from  the set
 * @param out   receives the copy, NULL on failure; lcl_options_destroy() ends it
 * @return #LCL_OK or #LCL_ERR_HOST_MEMORY */
LCL_API lcl_status lcl_options_copy(const lcl_options *from, lcl_options **out);

/** Frees a set.
 *
 * @param o  the set; NULL is allowed */
LCL_API void lcl_options_destroy(lcl_options *o);

/** Sets an option.
 *
 * @param o      the set
 * @param name   of the option
 * @param value  as text
 * @return #LCL_ERR_ARGUMENT with a message that lists what is valid, for an unknown name or a bad
 *   value */
LCL_API lcl_status lcl_options_set(lcl_options *o, const char *name, const char *value);

/** Sets an option given as one text.
 *
 * @param o                  the set
 * @param name_equals_value  "name=value"
 * @return as lcl_options_set(); #LCL_ERR_ARGUMENT without a "=", or without a value where it is no
 *   text */
LCL_API lcl_status lcl_options_set_pair(lcl_options *o, const char *name_equals_value);

/** Value of a whole-number option.
 *
 * @param o     the set
 * @param name  of the option
 * @return the number; 0 where it is "" */
LCL_API int64_t lcl_option_int(const lcl_options *o, const char *name);

/** Value of a number option.
 *
 * @param o     the set
 * @param name  of the option
 * @return the number; 0 where it is "" */
LCL_API double lcl_option_float(const lcl_options *o, const char *name);

/** Value of a yes-or-no option.
 *
 * @param o     the set
 * @param name  of the option
 * @return the value; false where it is "" */
LCL_API bool lcl_option_bool(const lcl_options *o, const char *name);

/** Value of any option as text.
 *
 * @param o     the set
 * @param name  of the option
 * @return the text, valid until the option is set again; never NULL */
LCL_API const char *lcl_option_text(const lcl_options *o, const char *name);

/** Whether an option has a value.
 *
 * @param o       the set
 * @param name    of the option
 * @param choice  the value
 * @return whether its text is exactly choice */
LCL_API bool lcl_option_is(const lcl_options *o, const char *name, const char *choice);

/** Whether the user set an option to something but "".
 *
 * @param o     the set
 * @param name  of the option
 * @return true when set; false for an unknown name */
LCL_API bool lcl_option_given(const lcl_options *o, const char *name);

/** A number option, for defaults that depend on other options.
 *
 * @param o          the set
 * @param name       of the option
 * @param otherwise  the value where the option is not given
 * @return the number */
LCL_API float lcl_option_float_or(const lcl_options *o, const char *name, float otherwise);

/** Options of a set.
 *
 * @param o  the set
 * @return how many */
LCL_API size_t lcl_options_count(const lcl_options *o);

/** The definition of an option.
 *
 * @param o      the set
 * @param index  0 to lcl_options_count() - 1
 * @return the definition, owned by o; NULL: there is none */
LCL_API const lcl_option *lcl_options_at(const lcl_options *o, size_t index);

/* ---- what a model trains on, and how ---- */

/** What a class may know about the data. The shape is that of an example: as opened for defaults(),
 * as prepared for everything else. */
typedef struct lcl_model_data {
  char name[32];    /**< the format ("idx", "cifar10", "synthetic", ...) */
  int64_t channels; /**< C */
  int64_t height;   /**< H */
  int64_t width;    /**< W */
  int classes;      /**< 0: no labels */
  int64_t train;    /**< labelled training examples in use (0: not known) */
  bool features; /**< numbers in no particular range (lcl_dataset.any_range), not images in [0,1] */
} lcl_model_data;

/** How the learning rate changes. */
typedef enum lcl_schedule_kind {
  LCL_SCHEDULE_CONSTANT, /**< it does not */
  LCL_SCHEDULE_STEP,     /**< divided by factor at every multiple of `every` epochs, the last time
                            at epoch `until` */
  LCL_SCHEDULE_EXPONENTIAL, /**< multiplied by factor after every epoch */
  LCL_SCHEDULE_LINEAR,      /**< constant until epoch `from`, then linearly to 0 at epoch `until` */
  LCL_SCHEDULE_PLATEAU      /**< divided by factor when the selection metric did not improve for
                               `every` epochs */
} lcl_schedule_kind;

/** A schedule of the learning rate. */
typedef struct lcl_schedule {
  lcl_schedule_kind kind; /**< which rule */
  double lr;              /**< initial rate */
  double factor;          /**< see #lcl_schedule_kind */
  int every;              /**< epochs */
  int from;               /**< epoch */
  int until;              /**< epoch (0 with #LCL_SCHEDULE_STEP: without end) */
  int warmup;             /**< steps over which the rate rises linearly to what it is without */
} lcl_schedule;

/** What the input "unlabelled" holds. */
typedef enum lcl_unlabelled_source {
  LCL_UNLABELLED_NONE,    /**< there is no such input */
  LCL_UNLABELLED_ALL,     /**< every training image, the labelled ones included */
  LCL_UNLABELLED_REST,    /**< the training images whose label was not kept */
  LCL_UNLABELLED_LABELLED /**< the labelled subset only */
} lcl_unlabelled_source;

/** How a model is trained. Filled by the class's defaults(), then by the common options (see
 * lcl_common_options()). */
typedef struct lcl_settings {
  int epochs; /**< passes over the data */
  int batch;  /**< examples of "image" a step; fewer when the labelled subset is smaller */
  /** Examples of "unlabelled" a step (0: no such input). An epoch is a pass over these then, and
   * the labelled stream cycles, reshuffled at each turn. */
  int unlabelled_batch;
  lcl_unlabelled_source unlabelled; /**< where those come from */
  bool fresh_batches; /**< each batch is the head of a new permutation; floor(n/batch) steps an
                         epoch */
  int64_t labels_per_class;     /**< 0: all */
  int subset;                   /**< which of the random subsets (0, 1, 2, ...) */
  lcl_prep_desc prep;           /**< preprocessing and augmentation */
  bool no_augment;              /**< centre crop, no mirror, in training too */
  lcl_dtype precision;          /**< of products' operands: see lcl_graph_precision() */
  float range_lo;               /**< prepared values have to lie in [range_lo, range_hi] ... */
  float range_hi;               /**< ... else training stops with an error; equal: not checked */
  lcl_optimiser_desc optimiser; /**< lr and rate are set by the loop; params NULL: every parameter
                                   that the loss depends on */
  lcl_schedule schedule;        /**< learning rate */
  int patience;          /**< epochs without a better selection metric before stopping (0: never) */
  const char *select;    /**< metric that picks the best epoch (NULL: "error_percent") */
  bool higher_is_better; /**< of the selection metric */
  bool calibrate;        /**< before the final evaluation, one pass of #LCL_MODE_CALIBRATE over the
                            training images */
  int validate_every;    /**< epochs between evaluations of the validation part (0: 1) */
  int select_last;   /**< > 0: only the last so many epochs may be the best one; without a test part
                        the run is then scored by the validation part */
  int refresh_every; /**< steps between calls of the class's refresh() (0: none) */
  const char *class_weights; /**< "balanced", a number for each class with commas between, or NULL:
                                all 1; see lcl_build_weigh() */
} lcl_settings;

/** The options that every model has: epochs, batch, lr, ...
 *
 * @param n  receives how many there are
 * @return constant definitions */
LCL_API const lcl_option *lcl_common_options(size_t *n);

/** Puts the common options that are given into the settings. A step or linear schedule of the class
 * is one of a run of its own epochs: with others, every, from and until change in proportion. A
 * schedule of another kind begins with that kind's usual numbers.
 *
 * @param s  the settings, with the class's defaults; class_weights points into o afterwards
 * @param o  a set that has the common options
 * @return #LCL_ERR_ARGUMENT for a list of augmentations that is none, or a linear schedule that
 *   ends before it begins */
LCL_API lcl_status lcl_settings_apply(lcl_settings *s, const lcl_options *o);

/** Learning rate of a step.
 *
 * @param s         the schedule
 * @param epoch     from 0
 * @param step      of the whole run, from 0
 * @param plateaus  how often the metric has stalled (#LCL_SCHEDULE_PLATEAU only)
 * @return the rate */
LCL_API double lcl_schedule_rate(const lcl_schedule *s, int epoch, int64_t step, int plateaus);

/** A named number of an evaluation. */
typedef struct lcl_metric {
  char name[40]; /**< "error_percent", ... */
  double value;  /**< the number */
} lcl_metric;

/** The numbers of an evaluation, in the order in which they were set. */
typedef struct lcl_metrics {
  int n;               /**< how many */
  lcl_metric item[32]; /**< the first n are set */
} lcl_metrics;

/** Sets a metric, over one of the same name. More than 32 are dropped.
 *
 * @param m      the metrics; zero is empty
 * @param name   cut to 39 bytes
 * @param value  the number */
LCL_API void lcl_metrics_set(lcl_metrics *m, const char *name, double value);

/** A metric by name.
 *
 * @param m     the metrics
 * @param name  of the metric
 * @return its value, in m; NULL: there is none */
LCL_API const double *lcl_metrics_get(const lcl_metrics *m, const char *name);

/* ---- classes ---- */

/** What a graph is built for. */
typedef enum lcl_model_mode {
  LCL_MODE_TRAIN, /**< one step: inputs image, label, unlabelled, side; calls lcl_build_loss() */
  LCL_MODE_EVAL,  /**< clean network; per-example values: lcl_build_example(),
                     lcl_build_prediction(), lcl_build_features(). The batch may be padded: rows must
                     not influence each other. */
  LCL_MODE_RECONSTRUCT, /**< rows of the reconstruction grid: lcl_build_output() for each, all
                           (N,C,H,W) */
  LCL_MODE_SAMPLE,   /**< samples: lcl_build_output() once for each kind, captioned with its name;
                        may use the label input (classes in turn). Grids have rows of 10. */
  LCL_MODE_CALIBRATE /**< updates running statistics exactly, over the training images
                        (lcl_settings.calibrate) */
} lcl_model_mode;

/** A class of models. */
typedef struct lcl_model_class lcl_model_class;

/** A model: a class with options, data and settings. */
typedef struct lcl_model {
  const lcl_model_class *cls; /**< its class */
  const lcl_options *options; /**< its own copy */
  lcl_model_data data;        /**< as prepared */
  lcl_settings settings;      /**< resolved */
  float *side;                /**< the table, one row an example, fed as input "side"; allocated by
                                  prepare() with malloc, freed with the model */
  int64_t side_width;         /**< numbers of a row */
  void *user;                 /**< the class's own; freed by its destroy() */
} lcl_model;

/** Prepared training images on the host, for prepare() and start(). */
typedef struct lcl_model_examples {
  int64_t n;             /**< examples */
  int64_t size;          /**< C*H*W of one */
  const float *images;   /**< n x size */
  const int32_t *labels; /**< n, or NULL */
  uint64_t seed;         /**< of the run */
} lcl_model_examples;

/** What an evaluation saw, in data order, for score(). */
typedef struct lcl_model_table {
  const char *split;         /**< "validation", "test", "all", ... */
  int64_t n;                 /**< examples */
  const int32_t *labels;     /**< n, or NULL */
  const int32_t *prediction; /**< n; NULL: lcl_build_prediction() was not called */
  const float *features;     /**< n x width; NULL: lcl_build_features() was not called */
  int64_t width;             /**< numbers of a row of features */
  uint64_t seed;             /**< of the run */
} lcl_model_table;

/** What sample() makes. */
typedef struct lcl_sample_desc {
  int64_t n;          /**< images */
  uint64_t seed;      /**< of the samples */
  float temperature;  /**< logits are divided by it; 0: 1 */
  const float *given; /**< n x C*H*W, prepared: the first given_rows rows of each are kept; NULL:
                         none */
  int64_t given_rows; /**< see given */
} lcl_sample_desc;

/** A graph being built for a model and a mode. */
typedef struct lcl_build lcl_build;

/** A class of models. A callback that returns a status says why it fails by lcl_fail(); build()
 * does by lcl_build_fail(). */
struct lcl_model_class {
  const char *name;          /**< "semantic-noise" */
  const char *summary;       /**< one line for `latentcl models` */
  const char *reference;     /**< authors, title, year */
  const lcl_option *options; /**< n_options definitions */
  size_t n_options;          /**< how many */
  /** How the data have to be opened (split, binarisation, merging); d has the user's choices. May
   * be NULL. */
  void (*data)(const lcl_options *o, lcl_data_desc *d);
  /** Settings for these options of the class and this data (as opened); the common options come
   * after. May refuse data that the model cannot use. */
  lcl_status (*defaults)(const lcl_options *o, const lcl_model_data *data, lcl_settings *s);
  /** Builds the graph of lcl_build_mode(); builds nothing for a mode that it does not have. */
  void (*build)(lcl_build *b);
  /** Once before training: numbers of each example, such as neighbour distances. May be NULL. */
  lcl_status (*prepare)(lcl_model *m, lcl_context *ctx, const lcl_model_examples *train);
  /** Once when a run begins (not when it goes on), with every variable at its first value or, with
   * lcl_train_desc.start, another run's: may set some from the examples. May be NULL. */
  lcl_status (*start)(lcl_model *m, lcl_store *store, const lcl_model_examples *train);
  /** Before the first step and every lcl_settings.refresh_every steps after it: may set variables
   * from all examples and the weights of that moment, such as targets that are computed over the
   * whole set. A variable that only training needs is called "train.NAME". May be NULL. */
  lcl_status (*refresh)(lcl_model *m, lcl_store *store, const lcl_model_examples *train);
  /** Turns predictions and features into metrics (cluster assignment, retrieval, ...). May be NULL.
   */
  lcl_status (*score)(const lcl_model *m, const lcl_model_table *table, lcl_metrics *metrics);
  /** Samples d->n images (n x C*H*W, prepared) where one program of #LCL_MODE_SAMPLE cannot (pixel
   * by pixel). May be NULL. */
  lcl_status (*sample)(const lcl_model *m, lcl_store *store, const lcl_sample_desc *d,
                       float *images);
  void (*destroy)(lcl_model *m); /**< frees m->user; may be NULL */
  unsigned can;                  /**< LCL_CAN_ flags, for `latentcl models` */
  /** What the choice "auto" of this option means for these data. NULL: no lcl_option.when names an
   * option that has it. */
  const char *(*automatic)(const char *option, const lcl_model_data *data);
};

/** What a class can do beyond training. */
enum {
  LCL_CAN_CLASSIFY = 1,        /**< predicts a label */
  LCL_CAN_CLUSTER = 2,         /**< predicts a cluster */
  LCL_CAN_SAMPLE = 4,          /**< samples images */
  LCL_CAN_RECONSTRUCT = 8,     /**< reconstructs images */
  LCL_CAN_HASH = 16,           /**< gives binary codes */
  LCL_CAN_SEMI_SUPERVISED = 32 /**< learns from unlabelled images too */
};

/** Adds a class to those that there are. Do so before other threads use models.
 *
 * @param cls  the class, which has to stay as it is for the rest of the process. Its name is of
 *   lower-case letters, digits, "-" and "_", begins with a letter and has at most 47 bytes; name,
 *   summary, reference, defaults and build are there, and every option has a name of its own, a
 *   default that it would take itself, a help, and a lcl_option.when, if any, of options before it
 *   and values that they take.
 * @return #LCL_ERR_ARGUMENT for a name that exists, or a class that lacks something;
 *   #LCL_ERR_UNSUPPORTED for more than 64 classes */
LCL_API lcl_status lcl_model_register(const lcl_model_class *cls);

/** Classes that there are: the library's, then those that were registered.
 *
 * @return how many */
LCL_API size_t lcl_model_count(void);

/** A class by position.
 *
 * @param index  0 to lcl_model_count() - 1
 * @return a constant; NULL: there is none */
LCL_API const lcl_model_class *lcl_model_at(size_t index);

/** A class by name.
 *
 * @param name  of the class
 * @param out   receives it, NULL on failure
 * @return #LCL_ERR_ARGUMENT with the list of names */
LCL_API lcl_status lcl_model_find(const char *name, const lcl_model_class **out);

/** The options of a class and the common ones, at their defaults.
 *
 * @param cls  the class
 * @param out  receives the set; lcl_options_destroy() ends it
 * @return #LCL_OK or #LCL_ERR_HOST_MEMORY */
LCL_API lcl_status lcl_model_options(const lcl_model_class *cls, lcl_options **out);

/** How to open data for a class: what it wants, then the common options.
 *
 * @param cls  the class
 * @param o    its options
 * @param d    changed accordingly
 * @return #LCL_OK */
LCL_API lcl_status lcl_model_data_desc(const lcl_model_class *cls, const lcl_options *o,
                                       lcl_data_desc *d);

/** A model with its settings resolved: defaults(), then the common options.
 *
 * @param cls   the class
 * @param o     its options, copied
 * @param data  as opened
 * @param out   receives the model, NULL on failure; lcl_model_destroy() ends it
 * @return what defaults() returns, e.g. #LCL_ERR_ARGUMENT for data that the model cannot use */
LCL_API lcl_status lcl_model_create(const lcl_model_class *cls, const lcl_options *o,
                                    const lcl_model_data *data, lcl_model **out);

/** Frees a model.
 *
 * @param m  the model; NULL is allowed */
LCL_API void lcl_model_destroy(lcl_model *m);

/* ---- for build() ---- */

/** The model that is built.
 *
 * @param b  the build
 * @return owned by the loop */
LCL_API const lcl_model *lcl_build_model(const lcl_build *b);

/** The graph to build in.
 *
 * @param b  the build
 * @return owned by the loop */
LCL_API lcl_graph *lcl_build_graph(const lcl_build *b);

/** What to build.
 *
 * @param b  the build
 * @return the mode */
LCL_API lcl_model_mode lcl_build_mode(const lcl_build *b);

/** Rows of image, label and side.
 *
 * @param b  the build
 * @return N, at least 1 */
LCL_API int64_t lcl_build_batch(const lcl_build *b);

/** Rows of unlabelled.
 *
 * @param b  the build
 * @return Nu; 0: there is no such input */
LCL_API int64_t lcl_build_unlabelled_batch(const lcl_build *b);

/** The images of a batch. Inputs are made at the first call, and only those asked for are fed.
 *
 * @param b  the build
 * @return f32 (N,C,H,W), prepared and, in training, augmented */
LCL_API lcl_tensor *lcl_build_image(lcl_build *b);

/** The labels of a batch.
 *
 * @param b  the build
 * @return i32 (N) */
LCL_API lcl_tensor *lcl_build_label(lcl_build *b);

/** The unlabelled images of a step.
 *
 * @param b  the build
 * @return f32 (Nu,C,H,W) */
LCL_API lcl_tensor *lcl_build_unlabelled(lcl_build *b);

/** The rows of lcl_model.side that belong to the images.
 *
 * @param b  the build
 * @return f32 (N,side_width) */
LCL_API lcl_tensor *lcl_build_side(lcl_build *b);

/** Makes the build fail, as an error of the graph does. The first error counts.
 *
 * @param b       the build
 * @param status  not #LCL_OK
 * @param fmt     a sentence without a full stop, as printf() takes it, for lcl_error_message() */
LCL_API void lcl_build_fail(lcl_build *b, lcl_status status, const char *fmt, ...) LCL_PRINTF(3, 4);

/** The images of the batch without the random changes of lcl_build_image()'s: as evaluation
 * prepares them. In #LCL_MODE_TRAIN; a model compares a network's answers to an image and to what
 * augmentation makes of it.
 *
 * @param b  the build
 * @return f32 (batch,C,H,W), the input "clean" */
LCL_API lcl_tensor *lcl_build_clean(lcl_build *b);

/** Declares the loss of #LCL_MODE_TRAIN, which the loop minimises with settings.optimiser.
 *
 * @param b       the build
 * @param scalar  f32, one number */
LCL_API void lcl_build_loss(lcl_build *b, lcl_tensor *scalar);

/** Weighs the rows of a loss that compares with labels. A model that can be trained with class
 * weights gives its cross-entropy through this; one that never does refuses them.
 *
 * @param b     the build
 * @param rows  f32 (N), one an example of the batch
 * @return rows times the weight of each example's class, in #LCL_MODE_TRAIN with
 *   lcl_settings.class_weights; else rows */
LCL_API lcl_tensor *lcl_build_weigh(lcl_build *b, lcl_tensor *rows);

/** Declares a number to log beside the loss.
 *
 * @param b       the build
 * @param name    in the log
 * @param scalar  f32, one number */
LCL_API void lcl_build_term(lcl_build *b, const char *name, lcl_tensor *scalar);

/** Declares which predictions of a training batch were right, for the log.
 *
 * @param b     the build
 * @param rows  f32 (N): 1 or 0 */
LCL_API void lcl_build_correct(lcl_build *b, lcl_tensor *rows);

/** Declares a number of each example, in #LCL_MODE_EVAL. Its mean over the split is the metric of
 * this name, except that "correct" becomes "error_percent".
 *
 * @param b     the build
 * @param name  "loss", "nll", "correct", ...
 * @param rows  f32 (N) */
LCL_API void lcl_build_example(lcl_build *b, const char *name, lcl_tensor *rows);

/** Declares the predicted class or cluster, in #LCL_MODE_EVAL.
 *
 * @param b     the build
 * @param rows  i32 (N) */
LCL_API void lcl_build_prediction(lcl_build *b, lcl_tensor *rows);

/** Declares what the network makes of each example, in #LCL_MODE_EVAL: for clusters, codes and
 * maps.
 *
 * @param b     the build
 * @param rows  f32 (N,F) */
LCL_API void lcl_build_features(lcl_build *b, lcl_tensor *rows);

/** Declares a row of images to show. The mean image is added back and the result clipped.
 *
 * @param b        the build
 * @param caption  e.g. "semantic"
 * @param images   f32 (N,C,H,W), prepared */
LCL_API void lcl_build_output(lcl_build *b, const char *caption, lcl_tensor *images);

/** Declares a perturbed form of the features, in #LCL_MODE_RECONSTRUCT, for maps (`latentcl tsne`).
 *
 * @param b        the build
 * @param caption  e.g. "semantic"
 * @param rows     f32 (N,F) */
LCL_API void lcl_build_latent(lcl_build *b, const char *caption, lcl_tensor *rows);

#ifdef __cplusplus
}
#endif
#endif
