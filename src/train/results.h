/* Layer 6, internal: results as data. What finished runs came to stands in files of one published
 * cell each (or of what else was measured), and tables are made of those files. */
#ifndef LCL_TRAIN_RESULTS_H
#define LCL_TRAIN_RESULTS_H

#include "base/json.h"

typedef struct lcl_results_add_desc {
  const char *const *runs; /* n_runs run folders */
  size_t n_runs;
  const char *out;  /* folder of the files; it must be there */
  const char *cell; /* "TABLE ROW COLUMN"; NULL: the cells of `reproduce` that the run's options are
                       those of */
  const char *name; /* of the file of a run that is of no cell */
  const char *title;  /* what such a run is, for people */
  const char *metric; /* of such a run; NULL: the first that its test gives after n and loss */
  const char *note;   /* what a reader has to know of these runs, or NULL */
  const char *commit, *driver; /* of runs that do not say it themselves; NULL: none */
} lcl_results_add_desc;
/* Adds the test figures of finished runs to NAME.json, in the place of what the same run gave
 * before. files: the names of the files that were written are added to this list. LCL_ERR_ARGUMENT
 * for a run that is not finished, or is of no cell and has no name. */
lcl_status lcl__results_add(const lcl_results_add_desc *desc, cJSON *files);

/* Markdown tables of a folder's results, one for each published table in the order of `reproduce`,
 * then the rest, and the same as a list of rows. only: names of files with commas between; NULL:
 * all. missing: the text also says which published cells have no figure. LCL_ERR_FORMAT names the
 * file that is not as it must be. */
lcl_status lcl__results_tables(const char *folder, const char *only, bool missing,
                               lcl_str *markdown, cJSON *rows);

#endif
