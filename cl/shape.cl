/* shape.cl: moving data.
 *
 * copy_strided: dst[to + sum i_k*ds_k] = src[from + sum i_k*ss_k] for i_k < dims_k, six dimensions,
 * innermost last.
 *   Elements are TYPE (float, int, uchar). Dimension 1 of the launch: work-items of `rows` runs of
 *   the innermost dimension; dimension 0 shares out a run (see LANE_BEGIN).
 * copy_transposed: the same where ss_4 = 1 and ds_5 = 1: through a tile in local memory, so that
 *   neighbouring work-items read and write neighbouring elements. Local size (TILE, TILE_ROWS, 1);
 *   dimensions 0 and 1 of the launch: tiles of i_5 and of i_4, dimension 2: the others.
 * join: y (rows, ends.s7) = rows of up to eight inputs side by side, of columns up to ends.s0, from
 *   there to ends.s1, and so on; each begins at its number of `from`. A work-item an element of n.
 * gather: y[r] = x[rows[r]]. Dimension 1: rows of y; dimension 0 shares out a row. x (n_x, width),
 *   rows (n_rows), rows outside 0..n_x-1 read as zero.
 * scatter_add: y[r] = sum of v[i] over i with rows[i] == r, in order of i (no atomics). The same
 *   dimensions; dimension 2 shares out the rows of v, `part` to each, with sums of its own in
 *   y (splits, rows, width). lost: as y, room.
 *
 * Tunables: TYPE  element type (float)
 */
#ifndef TYPE
#define TYPE float
#endif

#include "copy.cl"

/* The part of 0..n-1 that is this work-item's: neighbours side by side for GPUs, a contiguous piece
 * for CPUs. No loop gets long: Mesa's llvmpipe ends a work-item's loops after 65535 rounds. */
#if LCL_PANEL
#define LANE_BEGIN(n)                                                                              \
  ((int)get_global_id(0) * (((n) + (int)get_global_size(0) - 1) / (int)get_global_size(0)))
#define LANE_END(n)                                                                                \
  min((n), LANE_BEGIN(n) + ((n) + (int)get_global_size(0) - 1) / (int)get_global_size(0))
#define LANE_STEP 1
#else
#define LANE_BEGIN(n) ((int)get_global_id(0))
#define LANE_END(n)   (n)
#define LANE_STEP     ((int)get_global_size(0))
#endif

kernel void copy_strided(global const TYPE *src, global TYPE *dst, int from, int to, int8 dims,
                         int8 ss, int8 ds, int rows) {
  int n_rows = dims.s0 * dims.s1 * dims.s2 * dims.s3 * dims.s4;
  int begin = (int)get_global_id(1) * rows, first = LANE_BEGIN(dims.s5), last = LANE_END(dims.s5);
  int end = min(begin + rows, n_rows);
  for (int r = begin; r < end; r++) {
    int q = r / dims.s4, i4 = r % dims.s4;
    global const TYPE *s = src + from + row_offset(q, dims, ss) + i4 * ss.s4;
    global TYPE *d = dst + to + row_offset(q, dims, ds) + i4 * ds.s4;
    if (ss.s5 == 1 && ds.s5 == 1)
      for (int j = first; j < last; j += LANE_STEP) d[j] = s[j];
    else
      for (int j = first; j < last; j += LANE_STEP) d[j * ds.s5] = s[j * ss.s5];
  }
}

#define JOIN(x, k, begin)                                                                          \
  if (j < ends.s##k) {                                                                             \
    y[i] = x[from.s##k + row * (ends.s##k - (begin)) + j - (begin)];                               \
    return;                                                                                        \
  }
kernel void join(global const TYPE *a, global const TYPE *b, global const TYPE *c,
                 global const TYPE *d, global const TYPE *e, global const TYPE *f,
                 global const TYPE *g, global const TYPE *h, global TYPE *y, int8 ends, int8 from,
                 int n) {
  const int i = get_global_id(0), row = i / ends.s7, j = i - row * ends.s7;
  if (i >= n) return;
  JOIN(a, 0, 0)
  JOIN(b, 1, ends.s0)
  JOIN(c, 2, ends.s1)
  JOIN(d, 3, ends.s2)
  JOIN(e, 4, ends.s3)
  JOIN(f, 5, ends.s4)
  JOIN(g, 6, ends.s5)
  JOIN(h, 7, ends.s6)
}

#define TILE      32
#define TILE_ROWS 8

kernel __attribute__((reqd_work_group_size(TILE, TILE_ROWS, 1))) void
copy_transposed(global const TYPE *src, global TYPE *dst, int from, int to, int8 dims, int8 ss,
                int8 ds) {
  local TYPE tile[TILE][TILE + 1]; /* a column more, so that its columns are in different banks */
  int q = (int)get_group_id(2), x = (int)get_local_id(0), y = (int)get_local_id(1);
  int first5 = (int)get_group_id(0) * TILE, first4 = (int)get_group_id(1) * TILE;
  src += from + row_offset(q, dims, ss) + first4 + first5 * ss.s5;
  dst += to + row_offset(q, dims, ds) + first4 * ds.s4 + first5;
  int n4 = min(TILE, dims.s4 - first4), n5 = min(TILE, dims.s5 - first5);
#pragma unroll
  for (int r = 0; r < TILE; r += TILE_ROWS)
    if (x < n4 && y + r < n5) tile[y + r][x] = src[(y + r) * ss.s5 + x];
  barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll
  for (int r = 0; r < TILE; r += TILE_ROWS)
    if (x < n5 && y + r < n4) dst[(y + r) * ds.s4 + x] = tile[x][y + r];
}

kernel void gather(global const float *x, global const int *rows, global float *y, int n_x,
                   int n_rows, int width) {
  int r = get_global_id(1), last = LANE_END(width);
  if (r >= n_rows) return;
  int from = rows[r];
  bool inside = from >= 0 && from < n_x;
  for (int j = LANE_BEGIN(width); j < last; j += LANE_STEP)
    y[r * width + j] = inside ? x[from * width + j] : 0.0f;
}

kernel void scatter_add(global const float *v, global const int *rows, global float *y,
                        global float *lost, int n_v, int n_rows, int width,
                        int part) {
  int r = get_global_id(1), first = LANE_BEGIN(width), last = LANE_END(width);
  int begin = (int)get_global_id(2) * part, end = begin + min(n_v - begin, part);
  size_t to = ((size_t)get_global_id(2) * n_rows + r) * width;
  if (r >= n_rows || (begin > 0 && begin >= n_v)) return;
  for (int j = first; j < last; j += LANE_STEP) y[to + j] = lost[to + j] = 0.0f;
  for (int i = begin; i < end; i++)
    if (rows[i] == r)
      for (int j = first; j < last; j += LANE_STEP)
        LCL_SUM_JOIN(float, y[to + j], lost[to + j], v[(size_t)i * width + j])
}
