/* Layer 6, internal: files of results, as results.c writes and results_table.c prints them. */
#ifndef LCL_TRAIN_RESULTS_FILE_H
#define LCL_TRAIN_RESULTS_FILE_H

#include "base/json.h"
#include "models/tables.h"

#define LCL_RESULTS_SCHEMA "latentcl-results-1"

/* A cell of a published table; table NULL: of none. */
typedef struct lcl_results_cell {
  const lcl_table *table;
  int row, column;
} lcl_results_cell;

/* "TABLE ROW COLUMN"; LCL_ERR_ARGUMENT says what there is. */
lcl_status lcl__results_find_cell(const char *text, lcl_results_cell *out);
/* Its published figure; mean < 0: there is none. */
lcl_table_cell lcl__results_published(const lcl_results_cell *cell);
/* Members cell and published. */
void lcl__results_cell_json(cJSON *file, const lcl_results_cell *cell);
/* Of a cell: "TABLE.ROW.COLUMN.json", "-" for "/"; else name and ".json". */
void lcl__results_file_name(const lcl_results_cell *cell, const char *name, char out[256]);
/* A published figure: it is kept as a float and was printed with a few digits. */
double lcl__results_printed(float v);
/* Options of a class as the cell has them. */
lcl_status lcl__results_cell_options(const lcl_results_cell *cell, const lcl_model_class *cls,
                                     lcl_options **out);
/* Whether there is more to do for the cell than to train: `reproduce` repeats its runs, not
 * `train`.
 */
bool lcl__results_by_reproduce(const lcl_results_cell *cell);
/* LCL_ERR_FORMAT where the command that is printed for a run (of the file's "model") would not
 * train the cell, or not for as many epochs as the run had. */
lcl_status lcl__results_check_run(const lcl_results_cell *cell, const char *name, const cJSON *file,
                                  const cJSON *run);
/* A checked file; *out NULL: it is not there. */
lcl_status lcl__results_read(const char *folder, const char *name, cJSON **out);

#endif
