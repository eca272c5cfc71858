/* copy_packed.cl: copies that transpose, for packed kernels; see copy_transposed in shape.cl.
 *
 * copy_transposed: dst[to + sum i_k*ds_k] = src[from + sum i_k*ss_k] for i_k < dims_k, where
 * ss_4 = 1 and ds_5 = 1, of elements of four bytes, in blocks of VEC x VEC that stay in registers.
 * Groups: 0 `chunk` values of i_5 (a multiple of VEC) with every i_4, 1 i_0 to i_3. */
#include "copy.cl"
#include "packed.cl"

/* One block; n4, n5: how many of it there are. */
static void copy_block(global const float *src, global float *dst, int n4, int n5, int ss5,
                       int ds4) {
  if (n4 < VEC || n5 < VEC) {
    for (int i = 0; i < n4; i++)
      for (int j = 0; j < n5; j++) dst[i * ds4 + j] = src[j * ss5 + i];
    return;
  }
#define LOAD_ROW(r) floatv v##r = GLOAD(src + r * ss5), w##r;
  ROWS_ALL(LOAD_ROW)
  TRANSPOSE(v, w);
#define STORE_ROW(r) GSTORE(v##r, dst + r * ds4);
  ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
}

kernel ONE_ITEM void copy_transposed(global const float *src, global float *dst, int from, int to,
                                     int8 dims, int8 ss, int8 ds, int chunk) {
  const int q = (int)get_group_id(1);
  src += from + row_offset(q, dims, ss);
  dst += to + row_offset(q, dims, ds);
  const int first = (int)get_group_id(0) * chunk, last = min(dims.s5, first + chunk);
  for (int i = 0; i < dims.s4; i += VEC)
    for (int j = first; j < last; j += VEC)
      copy_block(src + i + j * ss.s5, dst + i * ds.s4 + j, min(VEC, dims.s4 - i),
                 min(VEC, last - j), ss.s5, ds.s4);
}
