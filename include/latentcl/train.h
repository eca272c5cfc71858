/* Training and evaluation of the models in model.h, and the run folder they leave:
 * config.json, log.jsonl, last.safetensors, best.safetensors, report.html. */
#ifndef LATENTCL_TRAIN_H
#define LATENTCL_TRAIN_H

#include "latentcl/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- checkpoints: safetensors (src/train/safetensors.c) ---- */

typedef struct lcl_tensor_file lcl_tensor_file;
typedef struct lcl_tensor_entry {
  const char *name;
  lcl_dtype dtype;
  lcl_shape shape;
  const void *data;
  size_t bytes;
} lcl_tensor_entry;
/* An empty file in memory; add tensors (copied) and text metadata; write it in one atomic step
 * (temporary file, sync, rename). Duplicate names are refused. */
LCL_API lcl_status lcl_tensor_file_create(lcl_tensor_file **out);
LCL_API lcl_status lcl_tensor_file_add(lcl_tensor_file *f, const lcl_tensor_entry *entry);
LCL_API lcl_status lcl_tensor_file_set_meta(lcl_tensor_file *f, const char *key, const char *value);
LCL_API lcl_status lcl_tensor_file_write(const lcl_tensor_file *f, const char *path);
/* Reads and checks everything: header size, offsets (in range, no overlap, no hole), sizes against
 * shapes, dtypes (F32, I32, U8, F16), duplicate names. LCL_ERR_FORMAT says which tensor and why. */
LCL_API lcl_status lcl_tensor_file_read(const char *path, lcl_tensor_file **out);
LCL_API lcl_status lcl_tensor_file_parse(const void *bytes, size_t n, const char *what,
                                         lcl_tensor_file **out);
LCL_API void lcl_tensor_file_destroy(lcl_tensor_file *f);
LCL_API size_t lcl_tensor_file_count(const lcl_tensor_file *f);
LCL_API const lcl_tensor_entry *lcl_tensor_file_at(const lcl_tensor_file *f, size_t index);
LCL_API const lcl_tensor_entry *lcl_tensor_file_find(const lcl_tensor_file *f, const char *name);
LCL_API const char *lcl_tensor_file_meta(const lcl_tensor_file *f,
                                         const char *key); /* NULL: there is none */

/* Every variable of the store into a file, and back. Loading refuses a variable that is missing or
 * has another shape or type (by name, with both shapes), before anything changes, and names in the
 * file that the store does not have ("prep.*" excepted). partial: variables that are not trained
 * may be missing and the file may have more (evaluation graphs have no optimiser slots). */
LCL_API lcl_status lcl_store_save(lcl_store *store, lcl_tensor_file *into);
LCL_API lcl_status lcl_store_load(lcl_store *store, const lcl_tensor_file *from, bool partial);
/* Takes over the weights and running statistics of the same names; another shape, or none at all,
 * is an error. */
LCL_API lcl_status lcl_store_start(lcl_store *store, const lcl_tensor_file *from);

/* ---- training ---- */

typedef struct lcl_train_desc {
  const char *model;      /* class name */
  const char *const *set; /* "key=value" of model and common options */
  size_t n_set;
  const char *data;  /* folder or file; NULL: the built-in synthetic digits */
  const char *out;   /* run folder; NULL: runs/<model>-<date>-<n> */
  const char *start; /* run folder whose weights and running statistics to begin with, where names
                        agree; NULL */
  uint64_t seed;
  bool resume;       /* continue the run in `out`: same options, bit for bit */
  bool profile;      /* device times by op in the report */
  const char *trace; /* Chrome trace file (implies profile) */
  bool check_numerics;
  bool quiet;               /* no progress on standard error */
  bool test;                /* evaluate the test split at the end (from the best epoch) */
  int max_steps;            /* > 0: stop after that many steps in all (tests) */
  int (*interrupted)(void); /* non-zero: finish the step, save and return LCL_ERR_INTERRUPTED */
  void (*progress)(void *user, const char *line); /* NULL: standard error */
  void *user;
} lcl_train_desc;

typedef struct lcl_train_result {
  char out[1024];
  int epochs, best_epoch; /* best_epoch counts from 1; 0: none */
  int64_t steps;
  lcl_metrics validation; /* at the best epoch */
  lcl_metrics test;       /* n == 0 when not asked for */
  double seconds, examples_per_second;
} lcl_train_result;
LCL_API lcl_status lcl_train(lcl_context *ctx, const lcl_train_desc *desc,
                             lcl_train_result *result);

/* The compiled program of a mode as text (dot: Graphviz), for a desc as lcl_train takes it. The
 * caller frees *text with free(). */
LCL_API lcl_status lcl_explain(lcl_context *ctx, const lcl_train_desc *desc, lcl_model_mode mode,
                               bool dot, char **text);

/* ---- runs ---- */

typedef struct lcl_run_folder lcl_run_folder;
/* Opens a finished or interrupted run: config.json and a checkpoint ("best" if there is one, else
 * "last"). data: NULL uses the path recorded in the run. */
LCL_API lcl_status lcl_run_open(lcl_context *ctx, const char *folder, const char *data,
                                lcl_run_folder **out);
LCL_API void lcl_run_close(lcl_run_folder *run);
/* split: "train", "validation", "test". metrics gets n, loss, error_percent ... */
LCL_API lcl_status lcl_run_evaluate(lcl_run_folder *run, const char *split, lcl_metrics *metrics);
/* PNG grids. */
LCL_API lcl_status lcl_run_reconstruct(lcl_run_folder *run, const char *split, int columns,
                                       uint64_t seed, const char *png);
/* temperature and completion are for models that draw pixel by pixel (lcl_model_class.sample). */
typedef struct lcl_sample_request {
  const char *kind; /* one of the model's kinds of draws, e.g. "samples", "analogies",
                       "interpolation"; NULL: the first. An unknown one fails with the list. */
  int count;
  uint64_t seed;
  float temperature; /* 0: 1 */
  const char *given; /* pictures to complete: a split's name or a .npy file (N,C,H,W; u8, or f32 in
                        [0,1]); NULL: none */
  int rows;          /* how many rows of each are kept */
} lcl_sample_request;
LCL_API lcl_status lcl_run_sample(lcl_run_folder *run, const lcl_sample_request *request,
                                  const char *png);
/* Writes report.html of the folder again from log.jsonl, config.json and the checkpoint. */
LCL_API lcl_status lcl_run_report(lcl_run_folder *run);
/* Writes a page with the curves of 2 to 6 runs in the same axes, and their final figures and
 * differing options side by side. */
LCL_API lcl_status lcl_report_compare(const char *const *folders, int n, const char *html);

/* ---- clusters and codes of a run (src/train/assignments.c) ---- */

/* prefix.npy and prefix.csv are written (NULL: "clusters" or "codes" in the run folder); rows in
 * the order of the data. metrics (may be NULL) gets n and, where there are labels, accuracy_percent
 * or the retrieval metrics map_percent, precision_500_percent and precision_r2_percent. */
typedef struct lcl_assignment_desc {
  const char *split; /* NULL: "all" */
  const char *prefix;
  const char *method; /* clusters: "model" (default), "k-means" on the prepared examples,
                         "k-means-features"; codes: "model" (default), "pca-itq", "spectral" (Gong
                         et al. 2013, Weiss et al. 2009) */
  int k;              /* clusters of k-means (0: the classes), bits of the baselines (0: 16) */
  int queries;        /* a class, for the retrieval metrics (0: 100) */
  uint64_t seed;
  /* After each restart of k-means, or NULL; inertia: sum of squared distances to the nearest
   * centre. */
  void (*progress)(void *user, int restart, int restarts, int rounds, double inertia);
  void *user;
} lcl_assignment_desc;
/* .npy: int32 (n). CSV: index, cluster, label. */
LCL_API lcl_status lcl_run_cluster(lcl_run_folder *run, const lcl_assignment_desc *desc,
                                   lcl_metrics *metrics);
/* .npy: uint8 (n, bits) of 0 and 1. CSV: index, the bits as text, label. */
LCL_API lcl_status lcl_run_hash(lcl_run_folder *run, const lcl_assignment_desc *desc,
                                lcl_metrics *metrics);

/* ---- maps (src/train/tsne_map.c) ---- */

/* t-SNE of what a run's network makes of the examples (lcl_build_features), with perturbed forms of
 * some of them where the model has any (lcl_build_latent): figures 6 and 8 of "Semantic Noise
 * Modeling for Better Representation Learning". metrics (may be NULL): n, divergence, and
 * agreement_<caption>: percent of the 10 nearest unperturbed points of a perturbed one that have
 * its label. */
typedef struct lcl_tsne_map_desc {
  const char *split;  /* NULL: "test" */
  int64_t points;     /* examples, evenly chosen (0: 10000; -1: all) */
  const char *marked; /* classes whose examples are perturbed (NULL: "0,1,9") ... */
  int marks;          /* ... and how many of each (0: 100) */
  double perplexity;  /* 0: 30 */
  int rounds;         /* 0: 1000 */
  uint64_t seed;
  const char *png, *csv; /* NULL: not written. CSV: index, label, kind, x, y */
  void (*progress)(void *user, int round, int rounds, double divergence);
  void *user;
} lcl_tsne_map_desc;
LCL_API lcl_status lcl_run_tsne(lcl_run_folder *run, const lcl_tsne_map_desc *desc,
                                lcl_metrics *metrics);

/* ---- published tables ---- */

LCL_API size_t lcl_reproduce_count(void);
LCL_API const char *lcl_reproduce_name(size_t index); /* "semantic-noise/table1-mnist" */
LCL_API const char *lcl_reproduce_title(size_t index);

typedef struct lcl_reproduce_desc {
  const char *table;
  const char *columns, *rows; /* keys with commas between; NULL: all */
  int trials;                 /* default 3 */
  bool quick;                 /* the table's small version */
  const char *data;
  const char *out;        /* folder of the results; NULL: runs/<table> */
  const char *const *set; /* further "name=value" options for every cell */
  size_t n_set;
  int (*interrupted)(void);
  void (*progress)(void *user, const char *line); /* NULL: standard error */
  void *user;
} lcl_reproduce_desc;
/* Trains what the table needs, each cell in a run folder of its own below `out`. Finished cells are
 * kept: a table that was interrupted goes on where it stopped, inside a run too. Writes table.json
 * and table.md after every cell; *markdown (may be NULL) gets the latter's text, for free(). */
LCL_API lcl_status lcl_reproduce(lcl_context *ctx, const lcl_reproduce_desc *desc, char **markdown);

#ifdef __cplusplus
}
#endif
#endif
