/* Models: a class describes one system of the papers; the training loop (train.h) does the rest.
 *
 * A class is one file in src/models plus one line in src/models/registry.c. It names its options,
 * states its defaults (schedule, streams, preprocessing) and builds graphs with the public API
 * (graph.h, ops.h, nn.h). The loop makes the optimiser, the batches, evaluation, checkpoints, logs
 * and the report out of what build() declares through lcl_build_*. */
#ifndef LATENTCL_MODEL_H
#define LATENTCL_MODEL_H

#include "latentcl/data.h"
#include "latentcl/graph.h"
#include "latentcl/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- options ---- */

typedef enum lcl_option_type {
  LCL_OPTION_INT,
  LCL_OPTION_FLOAT,
  LCL_OPTION_BOOL,   /* true/false, yes/no, on/off, 1/0 */
  LCL_OPTION_CHOICE, /* one of `allowed` */
  LCL_OPTION_STRING
} lcl_option_type;

typedef struct lcl_option {
  const char *name;
  lcl_option_type type;
  const char *value; /* the default, as text; "" for a number means "from the model's defaults" */
  const char *help;  /* one line */
  /* Of a choice: "none|random|semantic". Of a number: its interval, as "[1,4096]" or "(0,inf)";
   * NULL: any. */
  const char *allowed;
} lcl_option;

/* A parsed set: every option of the model with its value. Reading an option that does not exist is
 * a programming error of the model: it reads as zero / "" and is logged. */
typedef struct lcl_options lcl_options;
LCL_API lcl_status lcl_options_create(const lcl_option *options, size_t n, lcl_options **out);
LCL_API lcl_status lcl_options_copy(const lcl_options *from, lcl_options **out);
LCL_API void lcl_options_destroy(lcl_options *o);
/* Unknown names and bad values fail with a message that lists what is valid. */
LCL_API lcl_status lcl_options_set(lcl_options *o, const char *name, const char *value);
LCL_API lcl_status lcl_options_set_pair(lcl_options *o, const char *name_equals_value);
LCL_API int64_t lcl_option_int(const lcl_options *o, const char *name);
LCL_API double lcl_option_float(const lcl_options *o, const char *name);
LCL_API bool lcl_option_bool(const lcl_options *o, const char *name);
LCL_API const char *lcl_option_text(const lcl_options *o,
                                    const char *name); /* the value of any option, as text */
LCL_API bool lcl_option_is(const lcl_options *o, const char *name, const char *choice);
LCL_API bool lcl_option_given(const lcl_options *o,
                              const char *name); /* set by the user and not "" */
/* The option where it is given, else `otherwise`: for defaults that depend on other options. */
LCL_API float lcl_option_float_or(const lcl_options *o, const char *name, float otherwise);
LCL_API size_t lcl_options_count(const lcl_options *o);
LCL_API const lcl_option *lcl_options_at(const lcl_options *o, size_t index); /* the definition */

/* ---- what a model trains on, and how ---- */

/* What a class may know about the data. */
typedef struct lcl_model_data {
  char name[32]; /* the format ("idx", "cifar10", "synthetic", ...) */
  /* Of an example: as opened for defaults(), as prepared for everything else. */
  int64_t channels, height, width;
  int classes;   /* 0: no labels */
  int64_t train; /* labelled training examples in use (0: not known) */
} lcl_model_data;

typedef enum lcl_schedule_kind {
  LCL_SCHEDULE_CONSTANT,
  LCL_SCHEDULE_STEP, /* divided by factor at every multiple of every epochs, the last time at epoch
                        until */
  LCL_SCHEDULE_EXPONENTIAL, /* multiplied by factor after every epoch */
  LCL_SCHEDULE_LINEAR,      /* constant until epoch from, then linearly to 0 at epoch until */
  LCL_SCHEDULE_PLATEAU      /* divided by factor when the selection metric did not improve for every
                               epochs */
} lcl_schedule_kind;

typedef struct lcl_schedule {
  lcl_schedule_kind kind;
  double lr, factor;
  int every, from, until;
  int warmup; /* steps over which the rate rises to what it is without */
} lcl_schedule;

typedef enum lcl_unlabelled_source {
  LCL_UNLABELLED_NONE,
  LCL_UNLABELLED_ALL,     /* every training image, the labelled ones included */
  LCL_UNLABELLED_REST,    /* the training images whose label was not kept */
  LCL_UNLABELLED_LABELLED /* the labelled subset only */
} lcl_unlabelled_source;

/* Filled by the class's defaults(), then by the common options (epochs, batch, lr, ...: see
 * lcl_common_options). */
typedef struct lcl_settings {
  int epochs;
  int batch;            /* examples of "image" a step; fewer when the labelled subset is smaller */
  int unlabelled_batch; /* examples of "unlabelled" a step (0: no such input). An epoch is a pass
                           over these then, and the labelled stream cycles, reshuffled at each turn.
                         */
  lcl_unlabelled_source unlabelled;
  bool fresh_batches; /* every batch is the head of a new permutation; floor(n/batch) steps an epoch
                       */
  int64_t labels_per_class; /* 0: all */
  int subset;               /* which of the random subsets (0, 1, 2 ...) */
  lcl_prep_desc prep;       /* preprocessing and augmentation */
  bool no_augment;          /* centre crop, no mirror, in training too */
  /* The prepared values must lie in this range, else a clear error (lo == hi: not checked). */
  float range_lo, range_hi;
  lcl_optimiser_desc
      optimiser; /* lr and rate are set by the loop; params NULL: every one loss depends on */
  lcl_schedule schedule;
  int patience; /* epochs without a better selection metric before stopping (0: never stop early) */
  const char
      *select; /* metric that picks the best epoch: "error_percent" (default), "loss", "nll" ... */
  bool higher_is_better; /* of the selection metric */
  bool calibrate; /* before the final evaluation, one pass of LCL_MODE_CALIBRATE over the training
                     images */
} lcl_settings;

/* The options that every model has (epochs, batch, lr, ...), and what they do to the settings. */
LCL_API const lcl_option *lcl_common_options(size_t *n);
LCL_API lcl_status lcl_settings_apply(lcl_settings *s, const lcl_options *o);
/* Learning rate of a step (both counted from 0, step from the first epoch on). plateaus: how often
 * the metric has stalled (PLATEAU only). */
LCL_API double lcl_schedule_rate(const lcl_schedule *s, int epoch, int64_t step, int plateaus);

/* Named numbers of an evaluation, in order of insertion. */
typedef struct lcl_metric {
  char name[40];
  double value;
} lcl_metric;
typedef struct lcl_metrics {
  int n;
  lcl_metric item[32];
} lcl_metrics;
LCL_API void lcl_metrics_set(lcl_metrics *m, const char *name,
                             double value); /* replaces; more than 32 are dropped */
LCL_API const double *lcl_metrics_get(const lcl_metrics *m,
                                      const char *name); /* NULL: there is none */

/* ---- classes ---- */

typedef enum lcl_model_mode {
  LCL_MODE_TRAIN, /* one step: inputs image/label/unlabelled/extra, calls lcl_build_loss */
  LCL_MODE_EVAL,  /* clean network; per-example values: lcl_build_example, _prediction, _features.
                     The batch  may be  padded: rows must not influence each other. */
  LCL_MODE_RECONSTRUCT, /* rows of the reconstruction grid: lcl_build_picture for each, all
                           (N,C,H,W) */
  LCL_MODE_SAMPLE, /* draws: lcl_build_picture once for each kind of them, captioned with its name;
                      may use the label   input (classes in turn). Grids have rows of 10. */
  LCL_MODE_CALIBRATE /* updates running statistics exactly, over the training images
                      * (lcl_settings.calibrate)
                      */
} lcl_model_mode;

typedef struct lcl_model_class lcl_model_class;
typedef struct lcl_model {
  const lcl_model_class *cls;
  const lcl_options *options;
  lcl_model_data data;
  lcl_settings settings;
  /* A number table beside the training images (one row an example), fed as input extra_name: set by
   * prepare(). */
  const char *extra_name;
  float *extra; /* allocated by prepare with malloc, freed with the model */
  int64_t extra_width;
  void *user; /* of the class; freed by its destroy() */
} lcl_model;

/* Prepared training images on the host, for prepare() and start(). */
typedef struct lcl_model_examples {
  int64_t n, size;       /* size = channels*height*width */
  const float *images;   /* n x size */
  const int32_t *labels; /* n, or NULL */
} lcl_model_examples;

/* What an evaluation saw, in data order, for score(). */
typedef struct lcl_model_table {
  const char *split; /* "validation", "test", "all" */
  int64_t n;
  const int32_t *labels;     /* NULL: none */
  const int32_t *prediction; /* NULL: lcl_build_prediction was not called */
  const float *features;     /* n x width, NULL: lcl_build_features was not called */
  int64_t width;
  uint64_t seed;
} lcl_model_table;

/* What sample() draws. */
typedef struct lcl_sample_desc {
  int64_t n;
  uint64_t seed;
  float temperature; /* logits are divided by it; 0: 1 */
  /* n x C*H*W, in prepared space: the first given_rows rows of each are kept; NULL: nothing is. */
  const float *given;
  int64_t given_rows;
} lcl_sample_desc;

typedef struct lcl_build lcl_build;
struct lcl_model_class {
  const char *name;      /* "semantic-noise" */
  const char *summary;   /* one line for `latentcl models` */
  const char *reference; /* authors, title, year */
  const lcl_option *options;
  size_t n_options;
  /* Optional: how the data has to be opened (held-out part, binarisation, merging); d has the
   * user's choices. */
  void (*data)(const lcl_options *o, lcl_data_desc *d);
  /* Settings for these options and this data (as opened). May refuse data that the model cannot
   * use. */
  lcl_status (*defaults)(const lcl_options *o, const lcl_model_data *data, lcl_settings *s);
  void (*build)(lcl_build *b);
  /* Optional, once before training: per-example numbers such as neighbour distances. */
  lcl_status (*prepare)(lcl_model *m, lcl_context *ctx, const lcl_model_examples *train);
  /* Optional, once when a run begins (not when it goes on), with every variable at its first value
   * or, with lcl_train_desc.start, another run's: may set some from the examples. */
  lcl_status (*start)(lcl_model *m, lcl_store *store, const lcl_model_examples *train);
  /* Optional: turns predictions and features into metrics (cluster assignment, retrieval, ...). */
  lcl_status (*score)(const lcl_model *m, const lcl_model_table *table, lcl_metrics *metrics);
  /* Optional: draws d->n images (n x C*H*W, in prepared space) where one program of LCL_MODE_SAMPLE
   * cannot (pixel by pixel). */
  lcl_status (*sample)(const lcl_model *m, lcl_store *store, const lcl_sample_desc *d,
                       float *images);
  void (*destroy)(lcl_model *m);
  unsigned can; /* what `latentcl models` lists */
};
enum {
  LCL_CAN_CLASSIFY = 1,
  LCL_CAN_CLUSTER = 2,
  LCL_CAN_SAMPLE = 4,
  LCL_CAN_RECONSTRUCT = 8,
  LCL_CAN_HASH = 16,
  LCL_CAN_SEMI_SUPERVISED = 32
};

LCL_API size_t lcl_model_count(void);
LCL_API const lcl_model_class *lcl_model_at(size_t index);
/* Unknown: LCL_ERR_ARGUMENT with the list of names. */
LCL_API lcl_status lcl_model_find(const char *name, const lcl_model_class **out);
/* Options of the class and the common ones, with their defaults. */
LCL_API lcl_status lcl_model_options(const lcl_model_class *cls, lcl_options **out);
/* How to open data for it: cls->data on top of the common options. */
LCL_API lcl_status lcl_model_data_desc(const lcl_model_class *cls, const lcl_options *o,
                                       lcl_data_desc *d);
/* A model with its settings resolved: defaults(), then the common options. Keeps a copy of o. data:
 * as opened. */
LCL_API lcl_status lcl_model_create(const lcl_model_class *cls, const lcl_options *o,
                                    const lcl_model_data *data, lcl_model **out);
LCL_API void lcl_model_destroy(lcl_model *m);

/* ---- for build() ---- */

LCL_API const lcl_model *lcl_build_model(const lcl_build *b);
LCL_API lcl_graph *lcl_build_graph(const lcl_build *b);
LCL_API lcl_model_mode lcl_build_mode(const lcl_build *b);
LCL_API int64_t lcl_build_batch(const lcl_build *b);            /* rows of image, label and extra */
LCL_API int64_t lcl_build_unlabelled_batch(const lcl_build *b); /* rows of unlabelled */
/* Inputs; made at the first call, and only those asked for are fed. */
LCL_API lcl_tensor *lcl_build_image(lcl_build *b); /* f32 (N,C,H,W), prepared (and augmented) */
LCL_API lcl_tensor *lcl_build_label(lcl_build *b); /* i32 (N) */
LCL_API lcl_tensor *lcl_build_unlabelled(lcl_build *b); /* f32 (Nu,C,H,W) */
LCL_API lcl_tensor *lcl_build_extra(lcl_build *b);      /* f32 (N,extra_width) */
LCL_API lcl_tensor *lcl_build_input(lcl_build *b, const char *name, lcl_dtype dtype,
                                    lcl_shape shape); /* fed by sample() only */
/* Training. The loop minimises loss with settings.optimiser; terms are scalars to log beside it. */
LCL_API void lcl_build_loss(lcl_build *b, lcl_tensor *scalar);
LCL_API void lcl_build_term(lcl_build *b, const char *name, lcl_tensor *scalar);
LCL_API void lcl_build_correct(lcl_build *b,
                               lcl_tensor *rows); /* f32 (N): 1 where the prediction was right */
/* Changes the optimiser of this graph (e.g. params of one part only); start from
 * *lcl_build_optimiser(b). */
LCL_API lcl_optimiser_desc *lcl_build_optimiser(lcl_build *b);
/* Evaluation: one number an example; the mean over the split becomes metric name ("loss", "nll"
 * ...), except "correct", which becomes "error_percent". */
LCL_API void lcl_build_example(lcl_build *b, const char *name, lcl_tensor *rows);
LCL_API void lcl_build_prediction(lcl_build *b, lcl_tensor *rows); /* i32 (N) */
LCL_API void lcl_build_features(lcl_build *b, lcl_tensor *rows);   /* f32 (N,F) */
/* Pictures: a row of the grid; caption e.g. "semantic". Values in prepared space; the mean image is
 * added back and the result clipped for showing. */
LCL_API void lcl_build_picture(lcl_build *b, const char *caption, lcl_tensor *images);
/* LCL_MODE_RECONSTRUCT: a perturbed form of what build_features gives, f32 (N,F), for maps
 * (`latentcl tsne`). */
LCL_API void lcl_build_latent(lcl_build *b, const char *caption, lcl_tensor *rows);

#ifdef __cplusplus
}
#endif
#endif
