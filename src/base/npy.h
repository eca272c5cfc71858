/* NumPy's .npy files: one array each, versions 1.0 to 3.0 of the format. */
#ifndef LCL_NPY_H
#define LCL_NPY_H

#include "base/base.h"

enum { LCL_NPY_MAX_RANK = 8 };

typedef enum lcl_npy_type {
  LCL_NPY_F32,
  LCL_NPY_F64,
  LCL_NPY_I32,
  LCL_NPY_I64,
  LCL_NPY_U8,
  LCL_NPY_BOOL
} lcl_npy_type;
size_t lcl__npy_type_size(lcl_npy_type type);
const char *lcl__npy_type_name(lcl_npy_type type); /* "float32", as NumPy says it */

typedef struct lcl_npy {
  lcl_npy_type type;
  int rank; /* 0: a scalar */
  int64_t dim[LCL_NPY_MAX_RANK];
  size_t count; /* elements */
  void *data;   /* row-major, in the host's byte order, whatever the file's was */
} lcl_npy;

/* Reads an array; lcl__npy_free it. A file that is cut short, has bytes left over, or holds a type
 * or a rank that is not among the above is refused (LCL_ERR_FORMAT, LCL_ERR_TYPE). */
lcl_status lcl__npy_read(const char *path, lcl_npy *out);
/* The same from memory; name is for messages. */
lcl_status lcl__npy_parse(const void *bytes, size_t n, const char *name, lcl_npy *out);
void lcl__npy_free(lcl_npy *a);
/* Element i as a double (exact but for 64-bit integers above 2^53). */
double lcl__npy_get(const lcl_npy *a, size_t i);

/* Writes version 1.0, little-endian, C order; atomically. */
lcl_status lcl__npy_write(const char *path, lcl_npy_type type, int rank, const int64_t *dim,
                          const void *data);

#endif
