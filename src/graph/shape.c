/* Element types and shapes. */
#include "graph/internal.h"

size_t lcl_dtype_size(lcl_dtype dtype) {
  switch (dtype) {
  case LCL_F32:
  case LCL_I32: return 4;
  case LCL_F16: return 2;
  case LCL_U8: return 1;
  }
  return 0;
}

const char *lcl_dtype_name(lcl_dtype dtype) {
  switch (dtype) {
  case LCL_F32: return "f32";
  case LCL_I32: return "i32";
  case LCL_F16: return "f16";
  case LCL_U8: return "u8";
  }
  return "?";
}

int64_t lcl_shape_count(lcl_shape s) {
  int64_t n = 1;
  for (int i = 0; i < s.rank && i < LCL_MAX_RANK; i++)
    if (__builtin_mul_overflow(n, s.dim[i], &n)) return INT64_MAX;
  return n;
}

bool lcl_shape_equal(lcl_shape a, lcl_shape b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank && i < LCL_MAX_RANK; i++)
    if (a.dim[i] != b.dim[i]) return false;
  return true;
}

const char *lcl_shape_string(lcl_shape s, char buf[96]) {
  size_t n = 0;
  if (!buf) return NULL;
  buf[0] = 0;
  if (s.rank == 0) snprintf(buf, 96, "scalar");
  for (int i = 0; i < s.rank && i < LCL_MAX_RANK && n < 90; i++)
    n += (size_t)snprintf(buf + n, 96 - n, i ? "x%lld" : "%lld", (long long)s.dim[i]);
  return buf;
}

lcl_status lcl__dtype_check(lcl_dtype dtype) {
  if (lcl_dtype_size(dtype)) return LCL_OK;
  return lcl__fail(LCL_ERR_TYPE, "element type %d does not exist", (int)dtype);
}

/* A dimension of 0 leaves the others as large as they may be: strides multiply them too. */
lcl_status lcl__shape_check(lcl_shape s) {
  int64_t n = 1;
  if (s.rank < 0 || s.rank > LCL_MAX_RANK)
    return lcl__fail(LCL_ERR_SHAPE, "rank %d is outside 0 to %d", s.rank, LCL_MAX_RANK);
  for (int i = 0; i < s.rank; i++) {
    if (s.dim[i] < 0)
      return lcl__fail(LCL_ERR_SHAPE, "dimension %d is %lld, below zero", i, (long long)s.dim[i]);
    if (s.dim[i] && n > (INT64_C(1) << 40) / s.dim[i])
      return lcl__fail(LCL_ERR_SHAPE, "the product of the dimensions is too large");
    n *= LCL_MAX(s.dim[i], 1);
  }
  return LCL_OK;
}

void lcl__dense_strides(lcl_shape s, int64_t stride[LCL_MAX_RANK]) {
  int64_t n = 1;
  memset(stride, 0, sizeof(int64_t) * LCL_MAX_RANK);
  for (int i = s.rank - 1; i >= 0; i--) {
    stride[i] = n;
    n *= s.dim[i];
  }
}
