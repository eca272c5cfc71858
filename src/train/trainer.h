/* Layer 6, internal: one training run in progress. */
#ifndef LCL_TRAIN_TRAINER_H
#define LCL_TRAIN_TRAINER_H

#include "train/events.h"
#include "train/session.h"

enum { LCL_TRAIN_VALUES = LCL_BUILD_MAX + 3 }; /* loss, correct, terms, count */

/* Where a run stands: everything that a checkpoint records beside the variables. */
typedef struct lcl_position {
  int epoch;          /* complete epochs */
  int64_t step;       /* steps in all */
  int64_t epoch_step; /* steps of the current epoch */
  lcl_batch_state labelled, unlabelled;
  double total[LCL_TRAIN_VALUES]; /* sums over the current epoch's steps, up to the last log line */
  int best_epoch;                 /* from 1; 0: none yet */
  double best_value;
  int stalled;    /* epochs since the best, or since the last reduction of a plateau schedule */
  int plateaus;   /* reductions so far */
  int waited;     /* epochs since the best, for patience */
  double seconds; /* of training, over all sessions */
} lcl_position;

typedef struct lcl_trainer {
  const lcl_train_desc *d;
  lcl_ranks *ranks;                /* NULL: one process */
  bool leads;                      /* alone, or rank 0, which writes and evaluates */
  int64_t batch, unlabelled_batch; /* of all ranks */
  size_t n_shared;                 /* variables that all ranks have, the first of the store */
  lcl_session *s;
  lcl_compiled compiled;
  lcl_evaluator *eval;    /* NULL: nothing to evaluate on */
  bool evaluate_together; /* else rank 0 does for all */
  lcl_batcher *labelled, *unlabelled;
  float *clean;                 /* the batch without augmentation; NULL: not asked for */
  float *side;                  /* gathered rows of the model's table */
  float *class_weight, *weight; /* of each class; of the examples of a batch; NULL: all 1 */
  char value_name[LCL_TRAIN_VALUES][48];
  int n_values; /* the last one counts steps */
  int64_t steps_per_epoch;
  char folder[1024];
  int lock;  /* of the folder */
  bool made; /* the folder, by this call */
  char *last_path, *best_path;
  lcl_run_log log;
  lcl_events events;
  lcl_progress progress;
  lcl_position at;
  lcl_metrics best;           /* validation metrics of the best epoch */
  lcl_tensor_file *best_file; /* the best epoch, not yet on disk */
  double session_start, last_saved;
  int64_t session_step; /* where it began */
  bool stopped_early;
  double lr;                      /* of the last step */
  double given_lr;                /* > 0: instead of the schedule's */
  bool fed_lr;                    /* to the program */
  double shown[LCL_TRAIN_VALUES]; /* means for the progress line */
} lcl_trainer;

/* setup.c */
lcl_status lcl__trainer_open(lcl_trainer *t, lcl_context *ctx, const lcl_train_desc *d);
/* The same for steps that leave no run: a folder of its own, but nothing in it. */
lcl_status lcl__trainer_open_bare(lcl_trainer *t, lcl_context *ctx, const lcl_train_desc *d);
void lcl__trainer_close(lcl_trainer *t);
/* The graph with optimiser and metrics; check_numerics: names the first tensor with NaN or Inf. */
lcl_status lcl__trainer_compile(lcl_trainer *t, bool check_numerics, lcl_compiled *out);

/* What the model computes over all examples, anew. */
lcl_status lcl__trainer_refresh(lcl_trainer *t);

/* ranks.c: several processes that train together; with one alone nothing happens. */
/* The run's folder, which rank 0 chose. */
lcl_status lcl__trainer_same_folder(lcl_trainer *t, lcl_status status);
/* Whether all are about to do the same, with rank 0's table. */
lcl_status lcl__trainer_compare(lcl_trainer *t);
/* All go on with rank 0's variables; status: what it came to to make them. */
lcl_status lcl__trainer_send_variables(lcl_trainer *t, lcl_status status);
lcl_status lcl__trainer_open_evaluation(lcl_trainer *t);
/* lcl__evaluate by all, or where that would be something else by rank 0, whose metrics all get. */
lcl_status lcl__trainer_evaluate(lcl_trainer *t, const lcl_dataset *ds, const char *split,
                                 lcl_metrics *out);

/* weights.c: the weight of each class of ds, by lcl_settings.class_weights. */
lcl_status lcl__class_weights(const char *text, const lcl_dataset *ds, float *out);

/* The options of a desc, checked. */
lcl_status lcl__train_options(const lcl_train_desc *d, lcl_options **out);

/* state.c: the run's files. */
lcl_status lcl__trainer_save(lcl_trainer *t); /* best (if new), then last */
lcl_status lcl__trainer_keep_best(lcl_trainer *t, const lcl_metrics *m); /* snapshot of now */
lcl_status lcl__trainer_restore(lcl_trainer *t,
                                const lcl_tensor_file *f); /* variables and position */
lcl_status lcl__trainer_log_bytes(const lcl_tensor_file *f, int64_t *bytes);
/* Where the event files stood. */
lcl_status lcl__trainer_events(const lcl_tensor_file *f, lcl_events_before *before);

/* loop.c: whether a metric of the validation part says which epoch is the best; else the last is.
 */
bool lcl__trainer_selects(const lcl_trainer *t);

/* step.c: one step, and the sums it leaves on the device. */
lcl_status lcl__trainer_step(lcl_trainer *t);
/* Reads the sums since the last flush, adds them to the epoch's and clears them; mean: the window's
 * means. LCL_ERR_NUMERIC when the loss is not finite. */
lcl_status lcl__trainer_flush(lcl_trainer *t, double *mean);
lcl_status lcl__trainer_peek(lcl_trainer *t); /* means so far into shown; clears nothing */
/* After a loss that is not finite: repeats the steps since the checkpoint, launch by launch, to
 * name the first culprit. */
lcl_status lcl__trainer_diagnose(lcl_trainer *t);

#endif
