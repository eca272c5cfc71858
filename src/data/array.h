/* One array as the parts of a data set are read; what guards their values and files. */
#ifndef LCL_DATA_ARRAY_H
#define LCL_DATA_ARRAY_H

#include "latentcl/data.h"

/* The examples of one .npy file, taken as the parts of a data set are: their range, and binarised
 * as the test part is. */
lcl_status lcl__open_array(const char *path, const lcl_data_desc *desc, lcl_dataset **out);

/* Whether what can be taken for images' intensities lies in [0,1]: what is made binary has to. NULL
 * does. */
lcl_status lcl__check_intensities(const lcl_dataset *ds);

/* Example i of ds as evaluation sees it: of probabilities (ds->bernoulli) the sample that belongs
 * to the example. */
lcl_status lcl__evaluation_example(const lcl_dataset *ds, uint64_t seed, int64_t i, float *x);

/* The name of class c, or its number as text in number. */
const char *lcl__class_name(const lcl_dataset *ds, int32_t c, char number[16]);

/* Every example as FOLDER/PART/CLASS/NUMBER.png, the parts named train, valid and test. The folder
 * is new; it appears when it is whole. interrupted (or NULL) is asked before each image: where it
 * says so, nothing is left. */
lcl_status lcl__data_write_images(const lcl_splits *splits, const char *folder,
                                  int (*interrupted)(void));

/* Whether path, which will be written, is no file that a reader of the format takes from the folder
 * (NULL: built-in data). */
lcl_status lcl__data_check_output(const char *folder, const char *format, const char *path);

#endif
