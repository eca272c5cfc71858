/* Layer 6, internal: files of results, as results.c writes and results_table.c reads them. */
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
/* Members cell and published. */
void lcl__results_cell_json(cJSON *file, const lcl_results_cell *cell);
/* Of a cell: "TABLE.ROW.COLUMN.json", "-" for "/"; else name and ".json". */
void lcl__results_file_name(const lcl_results_cell *cell, const char *name, char out[256]);
/* A checked file; *out NULL: it is not there. */
lcl_status lcl__results_read(const char *folder, const char *name, cJSON **out);

#endif
