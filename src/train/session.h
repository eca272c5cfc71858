/* Layer 6, internal: what training, evaluation and reports share. */
#ifndef LCL_TRAIN_SESSION_H
#define LCL_TRAIN_SESSION_H

#include "base/json.h"
#include "base/text.h"
#include "latentcl/train.h"
#include "models/build.h"

/* A model with its data, preprocessing and variables. */
typedef struct lcl_session {
  lcl_context *ctx;
  const lcl_model_class *cls;
  lcl_options *options;
  uint64_t seed;
  char *data_path; /* NULL: the built-in digits */
  lcl_data_desc data_desc;
  lcl_splits splits;
  lcl_dataset *labelled;   /* the training examples in use: splits.train or a subset of it */
  lcl_dataset *unlabelled; /* NULL: the model takes none */
  lcl_prep *prep;
  lcl_model *model;
  lcl_store *store;
} lcl_session;

/* The data that a run was trained on, where it is opened on others. */
typedef struct lcl_trained_on {
  const char *format;
  int classes;
  const char *const *class_names; /* NULL: numbers */
} lcl_trained_on;

typedef struct lcl_session_desc {
  const char *model;
  lcl_options *options; /* taken over, also on failure */
  const char *data;
  uint64_t seed;
  const lcl_tensor_file
      *checkpoint; /* preprocessing comes from here; NULL: learnt from the training part */
  const lcl_trained_on *trained_on; /* data is any other set, for evaluation; NULL: it is the
                                       model's own */
} lcl_session_desc;
lcl_status lcl__session_open(lcl_context *ctx, const lcl_session_desc *desc, lcl_session **out);
void lcl__session_close(lcl_session *s);

/* A compiled graph of the model. */
typedef struct lcl_compiled {
  lcl_graph *graph;
  lcl_program *program;
  lcl_build build;
  lcl_tensor *fetch[LCL_BUILD_MAX];
  int n_fetch;
} lcl_compiled;
typedef struct lcl_compiled_desc {
  lcl_model_mode mode;
  const char *name;                /* of the graph, so of its random stream */
  int64_t batch, unlabelled_batch; /* whole ones, also where ranks share them */
  lcl_ranks *ranks;                /* NULL: one process */
  bool local_norm;
  bool check_numerics;
  /* Adds to the graph after build and before compilation, and says what to fetch besides
   * (compiled->fetch). */
  lcl_status (*extend)(void *user, lcl_compiled *compiled);
  void *user;
} lcl_compiled_desc;
lcl_status lcl__compiled_create(lcl_session *s, const lcl_compiled_desc *desc, lcl_compiled *out);
void lcl__compiled_destroy(lcl_compiled *compiled);
/* The next run of a graph of this name has the noise of the first: what a seed makes does not
 * depend on what was made before. */
lcl_status lcl__session_restart(lcl_session *s, const char *graph);

/* ---- evaluation (eval.c) ---- */

typedef struct lcl_evaluator lcl_evaluator;
/* features: NULL: fetched only where the class's score reads them; "": always; a name: those of
 * this layer (layers.h) in their place. */
lcl_status lcl__evaluator_create(lcl_session *s, const char *features, lcl_evaluator **out);
void lcl__evaluator_destroy(lcl_evaluator *e);
/* From now on each of the ranks evaluates a part, with variables that are the same everywhere; all
 * get the sums, rank 0 what the class scores. NULL: this process alone, again. */
void lcl__evaluator_share(lcl_evaluator *e, lcl_ranks *ranks);
/* Whether it draws random numbers, which are those of a whole pass. */
bool lcl__evaluator_samples(const lcl_evaluator *e);
/* Evaluates every example of ds, the padding of the last batch left out exactly. confusion (may be
 * NULL): classes x classes counts, row = label, column = prediction. */
lcl_status lcl__evaluate(lcl_evaluator *e, const lcl_dataset *ds, const char *split,
                         lcl_metrics *out, int64_t *confusion);
/* What the network says about every example, in data order. */
typedef struct lcl_outputs {
  int64_t n, width;
  int32_t *prediction; /* n, or NULL */
  float *features;     /* n x width, or NULL */
  lcl_shape row;       /* what the width consists of */
  float *values;       /* n_values x n: what the metrics are means of, or NULL */
  int n_values;
  char value_name[LCL_BUILD_MAX][48];
} lcl_outputs;
lcl_status lcl__evaluate_outputs(lcl_evaluator *e, const lcl_dataset *ds, lcl_outputs *out);
void lcl__outputs_free(lcl_outputs *o);
/* The names of the training part's classes as one text, "" where they have none; lcl__free. */
lcl_status lcl__session_classes(const lcl_session *s, char **out);
/* Where the examples of ds begin in their storage, sorted: views share it, so an example is known
 * by its place there. lcl__free. */
lcl_status lcl__session_places(const lcl_dataset *ds, int64_t **out);
bool lcl__session_place_in(const int64_t *places, int64_t n, int64_t offset);
/* How many examples of ds have a label (>= 0). */
int64_t lcl__session_known(const lcl_dataset *ds);
/* View of the examples of ds that have a label (>= 0), NULL where that is all of them or ds has no
 * labels; an error where none has. */
lcl_status lcl__session_labelled(const lcl_dataset *ds, lcl_dataset **out);
/* Examples first .. first + n - 1 of ds, prepared as for evaluation: n x (values of an example). */
lcl_status lcl__session_examples(lcl_session *s, const lcl_dataset *ds, int64_t first, int64_t n,
                                 float *out);
/* The data set of a split: "train", "validation", "test" (or "all" when merged). LCL_ERR_ARGUMENT:
 * there is none. */
lcl_status lcl__session_split(lcl_session *s, const char *name, lcl_dataset **out);

/* ---- checkpoints (checkpoint.c) ---- */

/* Variables, preprocessing and identity of the session; the caller adds its own state as metadata.
 * training: with what only training needs, to go on; else the network's. LCL_ERR_NUMERIC: a
 * variable or the loss is not finite, nothing worth keeping. */
lcl_status lcl__session_save(lcl_session *s, bool training, lcl_tensor_file **out);
/* Variables only. strict: every one of the store must be there (resuming); else those that are not
 * trained may be missing. */
lcl_status lcl__session_load(lcl_session *s, const lcl_tensor_file *f, bool strict);
lcl_status lcl__tensor_file_set_number(lcl_tensor_file *f, const char *key, double value);
/* LCL_ERR_FORMAT: missing, or no number in the range ("[0,1e7]"; NULL: any). */
lcl_status lcl__tensor_file_number(const lcl_tensor_file *f, const char *key, const char *range,
                                   bool whole, double *value);
/* LCL_ERR_NUMERIC names the tensor that holds NaN or Inf. */
lcl_status lcl__tensor_file_finite(const lcl_tensor_file *f);

/* ---- runs (run.c) ---- */

lcl_session *lcl__run_session(lcl_run_folder *r);
const char *lcl__run_path(const lcl_run_folder *r);
const lcl_tensor_file *lcl__run_weights(const lcl_run_folder *r);
/* LCL_ERR_NUMERIC: nothing is made of weights that are not numbers; lcl_run_evaluate shows what
 * they score. */
lcl_status lcl__run_check_weights(const lcl_run_folder *r);
/* Puts the run's weights into every variable there is by now; again after graphs that brought more.
 */
lcl_status lcl__run_load(lcl_run_folder *r);
/* The outputs of every example of a split under the run's weights; features as above. */
lcl_status lcl__run_outputs(lcl_run_folder *r, const lcl_dataset *ds, const char *features,
                            lcl_outputs *out);

/* ---- run folder (folder.c) ---- */

char *lcl__path_join(const char *folder, const char *file); /* lcl__free; NULL: out of memory */
/* lcl__check_outputs, where the inputs are what the runs in the folders are made of and the files
 * of the session's data (NULL: of none). */
lcl_status lcl__check_run_outputs(const char *const *paths, size_t n, const char *const *folders,
                                  size_t n_folders, const lcl_session *s);
/* commit: what the program was built from, or NULL. start: the run whose weights it begins with, or
 * NULL. */
lcl_status lcl__write_config(lcl_session *s, const char *commit, const char *start,
                             const char *folder);
typedef struct lcl_run_config {
  cJSON *json;
  const char *model, *data; /* data NULL: built-in digits */
  uint64_t seed;
} lcl_run_config;
lcl_status lcl__read_config(const char *folder, lcl_run_config *out);
/* result.json, which `reproduce` leaves in its runs; *out NULL: it is not there. */
lcl_status lcl__read_result(const char *folder, cJSON **out);
void lcl__run_config_free(lcl_run_config *c);
/* Whether the session has as many examples as the run in this folder began with: others come in
 * other batches. */
lcl_status lcl__run_config_same_data(const lcl_run_config *c, const lcl_session *s,
                                     const char *folder);
/* Whether a run that goes on may be given this option anew. */
bool lcl__is_length(const char *option);
/* The run's model; LCL_ERR_ARGUMENT names the plug-in that it lacks. */
lcl_status lcl__run_config_class(const lcl_run_config *c, const lcl_model_class **out);
/* The recorded options as a parsed set. */
lcl_status lcl__run_config_options(const lcl_run_config *c, const lcl_model_class *cls,
                                   lcl_options **out);

/* ---- log and progress (log.c) ---- */

/* Appends JSON lines to a file. */
typedef struct lcl_run_log {
  FILE *file;
  int64_t bytes;
} lcl_run_log;
/* keep < 0: starts an empty log; else continues after the first `keep` bytes, which must be there,
 * and drops the rest. */
lcl_status lcl__run_log_open(lcl_run_log *log, const char *path, int64_t keep);
/* Adds the time to the line, and deletes it; nothing is written where no file is open. */
lcl_status lcl__run_log_write(lcl_run_log *log, cJSON *line);
lcl_status lcl__run_log_sync(lcl_run_log *log);
void lcl__run_log_close(lcl_run_log *log);
void lcl__json_metrics(cJSON *parent, const char *name, const lcl_metrics *m);
/* "loss 0.512" or, of error_percent, "error 1.25 %". */
void lcl__metric_text(const lcl_metric *m, lcl_str *s);

/* One line on a terminal, redrawn; plain lines elsewhere. */
typedef struct lcl_progress {
  void (*emit)(void *user, const char *line);
  void *user;
  bool quiet, bar;
  double last;
} lcl_progress;
void lcl__progress_init(lcl_progress *p, bool quiet, void (*emit)(void *, const char *),
                        void *user);
void lcl__progress_bar(lcl_progress *p, double done,
                       const char *text); /* at most ten times a second; terminals only */
void lcl__progress_line(lcl_progress *p, const char *text); /* a line that stays */
void lcl__format_duration(double seconds, char buf[32]);    /* "3:05", "1:02:03" */
void lcl__utc_now(char text[24]);                           /* "2026-11-28T19:20:00Z" */

#endif
