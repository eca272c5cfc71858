/* Layer 6, internal: arrays that are made of a run, for the caller and for files. */
#ifndef LCL_TRAIN_ARRAYS_H
#define LCL_TRAIN_ARRAYS_H

#include "train/session.h"

/* The prefix of the files that desc asks for; `name`: what they are called in the run folder. */
enum { LCL_PREFIX = 1200 };
lcl_status lcl__assignment_prefix(const lcl_run_folder *run, const lcl_assignment_desc *desc,
                                  const char *name, char prefix[LCL_PREFIX]);

lcl_status lcl__arrays_begin(lcl_tensor_file **out);
/* Gives st back; *out is NULL where that is a failure. */
lcl_status lcl__arrays_end(lcl_tensor_file **out, lcl_status st);
/* As many elements as the shape says are copied. */
lcl_status lcl__arrays_add(lcl_tensor_file *f, const char *name, lcl_dtype dtype, lcl_shape shape,
                           const void *data);

/* Whether files can be written beside the run, and end as they should; NULL is fine. */
lcl_status lcl__arrays_check_files(lcl_run_folder *run, const char *png, const char *npy,
                                   const char *csv);
/* One of them as .npy; NULL for path: nothing. */
lcl_status lcl__arrays_write_npy(const lcl_tensor_file *f, const char *name, const char *path);
/* Beginnings of CSV lines, and of the head: the index, and where examples have files theirs. */
void lcl__csv_example(lcl_str *csv, const lcl_dataset *ds, int64_t i);
void lcl__csv_example_head(lcl_str *csv, const lcl_dataset *ds);
/* A column of class numbers, and their names in a second one where they have names: c -1: none. */
void lcl__csv_class(lcl_str *csv, const lcl_dataset *ds, int32_t c);
void lcl__csv_class_head(lcl_str *csv, const lcl_dataset *ds, const char *column);
/* Predictions, for lcl__csv_class(): clusters have no names. */
const lcl_dataset *lcl__csv_predicted(const lcl_session *s, const lcl_dataset *ds);

/* All of them as CSV: a line for each index of the first `lead` axes of the tensor `values` (NULL:
 * of the arrays with one axis), with its caption ("caption.K", lead 2), index, a column for each
 * array of one axis, then the values: NAME.0, NAME.1, ... NULL for path: nothing. */
lcl_status lcl__arrays_write_csv(const lcl_tensor_file *f, const char *values, int lead,
                                 const char *path);
/* Those of lcl_run_predictions(), with files and the names of classes. */
lcl_status lcl__arrays_write_predictions(lcl_run_folder *run, const char *split,
                                         const lcl_tensor_file *f, const char *path);

#endif
