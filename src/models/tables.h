/* Layer 5: published tables, as rows, columns and numbers; `latentcl reproduce` runs them. */
#ifndef LCL_MODELS_TABLES_H
#define LCL_MODELS_TABLES_H

#include "latentcl/model.h"

enum {
  LCL_TABLE_SET = 8,
  LCL_TABLE_COLUMNS = 12,
  LCL_TABLE_CHAIN = 8 /* rows that begin with each other */
};

typedef struct lcl_table_cell {
  float mean, std; /* std 0: not given */
} lcl_table_cell;
#define LCL_NO_CELL                                                                                \
  { -1, 0 } /* not published */

/* set: "name=value" options, NULL-terminated where shorter. */
typedef struct lcl_table_column {
  const char *key, *label;
  const char *set[LCL_TABLE_SET];
  int trials;         /* 0: as asked for */
  const char *metric; /* NULL: the table's */
  const char *run; /* key of the column whose runs are measured here too; NULL: runs of its own */
} lcl_table_column;
typedef struct lcl_table_row {
  const char *key, *label;
  const char *model; /* NULL: the table's */
  const char *set[LCL_TABLE_SET];
  lcl_table_cell cell[LCL_TABLE_COLUMNS];
  /* A baseline: what `cluster` or `hash` does by this method with a run ("k-means", "pca-itq"), in
   * the place of the test. Only one on a network's features ("-features") needs it trained. NULL:
   * none. */
  const char *method;
  const char *start; /* key of the row whose runs' weights to begin with; NULL: none */
  bool step;         /* trained for such a row alone: it has no figure */
} lcl_table_row;
/* A row whose key is the value of one option ("variant="), with its cells. */
#define LCL_TABLE_ROW(option, key, label, ...)                                                     \
  {                                                                                                \
    key, label, NULL, { option key }, {                                                            \
      __VA_ARGS__                                                                                  \
    }                                                                                              \
  }
/* The data of a table: members data, shape and classes. */
#define LCL_TABLE_MNIST .data = "the MNIST files", .shape = { 1, 28, 28 }, .classes = 10
#define LCL_TABLE_CELL(mean, std)                                                                  \
  { (float)(mean), (float)(std) }
typedef struct lcl_table {
  const char *name, *title, *source;
  const char *model;
  const char *data; /* what --data has to hold, for people */
  int64_t shape[3]; /* of such an example, as the models see it: channels, height, width */
  int classes;      /* of the data; 0: they have no labels, or any number */
  int64_t
      examples; /* of all parts, where shape and classes do not tell the data from others; 0: any */
  const char *metric, *unit;
  const char *trial_option; /* what changes between trials: "subset"; NULL: the seed */
  const char *set[LCL_TABLE_SET];
  const char *quick[LCL_TABLE_SET]; /* on top, with --quick */
  bool search;                      /* a grid: the published figure is that of the best cell */
  const lcl_table_column *columns;
  int n_columns;
  const lcl_table_row *rows;
  int n_rows;
} lcl_table;

/* tables_systems.c */
extern const lcl_table lcl__table_ladder, lcl__table_ladder_g, lcl__table_inversion,
    lcl__table_inversion_grid;

/* tables_imsat.c */
extern const lcl_table lcl__table_clusters, lcl__table_omniglot, lcl__table_stl,
    lcl__table_imsat_cifar10, lcl__table_cifar100, lcl__table_svhn, lcl__table_reuters,
    lcl__table_newsgroups, lcl__table_hash, lcl__table_hash_cifar10;

/* tables_thesis.c */
extern const lcl_table lcl__table_augconv, lcl__table_augconv_cifar, lcl__table_latent,
    lcl__table_generative, lcl__table_semi_supervised, lcl__table_pets, lcl__table_cat_dog,
    lcl__table_pixelrnn, lcl__table_pixelrnn_cifar;

extern const lcl_table *const lcl__tables[];
extern const size_t lcl__table_count;
/* Position of a row or column, -1: there is none. */
int lcl__table_row_index(const lcl_table *t, const char *key);
int lcl__table_column_index(const lcl_table *t, const char *key);
/* Metric of a column. */
const char *lcl__table_metric(const lcl_table *t, int column);
/* The options of a cell in the order in which they are set: the table's, the column's, the row's.
 * At most 3 * LCL_TABLE_SET; returns how many. */
size_t lcl__table_pairs(const lcl_table *t, int row, int column, const char **pairs);
/* Whether a method (NULL: none) needs nothing of its run but the data. */
bool lcl__table_untrained(const char *method);
/* Unknown: LCL_ERR_ARGUMENT with the list. */
lcl_status lcl__table_find(const char *name, const lcl_table **out);

#endif
