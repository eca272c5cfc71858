/* shape.cl: moving data.
 *
 * copy_strided: dst[to + sum i_k*ds_k] = src[from + sum i_k*ss_k] for i_k < dims_k, six dimensions, innermost last.
 *   Elements are TYPE (float, int, uchar). One work-item copies `rows` runs of the innermost dimension.
 * gather: y[r] = x[rows[r]]; scatter_add: y[r] = sum of v[i] over i with rows[i] == r, in order of i (no atomics).
 *   x (n_x, width), rows (n_rows), rows outside 0..n_x-1 read as zero.
 *
 * Tunables: TYPE  element type (float)
 */
#ifndef TYPE
#define TYPE float
#endif

kernel void copy_strided(global const TYPE *src, global TYPE *dst, int from, int to, int8 dims, int8 ss, int8 ds, int rows) {
  int n_rows = dims.s0 * dims.s1 * dims.s2 * dims.s3 * dims.s4;
  int begin = (int)get_global_id(0) * rows;
  int end = min(begin + rows, n_rows);
  for (int r = begin; r < end; r++) {
    int q = r;
    int i4 = q % dims.s4; q /= dims.s4;
    int i3 = q % dims.s3; q /= dims.s3;
    int i2 = q % dims.s2; q /= dims.s2;
    int i1 = q % dims.s1; q /= dims.s1;
    global const TYPE *s = src + from + q * ss.s0 + i1 * ss.s1 + i2 * ss.s2 + i3 * ss.s3 + i4 * ss.s4;
    global TYPE *d = dst + to + q * ds.s0 + i1 * ds.s1 + i2 * ds.s2 + i3 * ds.s3 + i4 * ds.s4;
    if (ss.s5 == 1 && ds.s5 == 1)
      for (int j = 0; j < dims.s5; j++) d[j] = s[j];
    else
      for (int j = 0; j < dims.s5; j++) d[j * ds.s5] = s[j * ss.s5];
  }
}

kernel void gather(global const float *x, global const int *rows, global float *y, int n_x, int n_rows, int width) {
  int r = get_global_id(0);
  if (r >= n_rows) return;
  int from = rows[r];
  bool inside = from >= 0 && from < n_x;
  for (int j = 0; j < width; j++) y[r * width + j] = inside ? x[from * width + j] : 0.0f;
}

kernel void scatter_add(global const float *v, global const int *rows, global float *y, int n_v, int n_rows, int width) {
  int r = get_global_id(0);
  for (int j = 0; j < width; j++) y[r * width + j] = 0.0f;
  for (int i = 0; i < n_v; i++)
    if (rows[i] == r)
      for (int j = 0; j < width; j++) y[r * width + j] += v[i * width + j];
}
