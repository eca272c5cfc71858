/* family.cl: a small GEMM in the way of each family of kernels. A device runs both, and what takes
 * it less time tells which family suits it (src/device/family.c).
 *
 *   c[i][j] = sum over p of a[p][i] * b[p][j]
 *   a (k,m), b (k,n), c (m,n); m and n are multiples of 96, k of 8
 *
 * family_packed: a work-item is a work-group and keeps ROWS rows of two vectors in registers, as
 *                CPUs like it. Work-items (m/ROWS, n/(2*VEC)).
 * family_tiled:  8 by 8 work-items share blocks of a and b in local memory and keep 4 by 4 sums
 *                each, as GPUs like it. Work-items (n/4, m/4).
 *
 * VEC (16 or 8) is the width of a vector.
 */
#ifndef VEC
#define VEC 8
#endif
#if VEC == 16
#define ROWS 12
typedef float16 floatv;
#define LOAD vload16
#define STORE vstore16
#else
#define ROWS 6
typedef float8 floatv;
#define LOAD vload8
#define STORE vstore8
#endif
#define SIDE 32 /* of a work-group's tile */
#define DEPTH 8 /* of the blocks in local memory */

kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
family_packed(global const float *restrict a, global const float *restrict b,
              global float *restrict c, int m, int n, int k) {
  const int i0 = get_global_id(0) * ROWS, j0 = get_global_id(1) * 2 * VEC;
  floatv left[ROWS], right[ROWS];
  for (int r = 0; r < ROWS; r++) left[r] = right[r] = (floatv)(0.0f);

  for (int p = 0; p < k; p++) {
    const floatv b0 = LOAD(0, b + p * n + j0), b1 = LOAD(1, b + p * n + j0);
    for (int r = 0; r < ROWS; r++) {
      const floatv x = (floatv)(a[p * m + i0 + r]);
      left[r] = mad(x, b0, left[r]);
      right[r] = mad(x, b1, right[r]);
    }
  }

  for (int r = 0; r < ROWS; r++) {
    STORE(left[r], 0, c + (i0 + r) * n + j0);
    STORE(right[r], 1, c + (i0 + r) * n + j0);
  }
}

kernel __attribute__((reqd_work_group_size(8, 8, 1))) void
family_tiled(global const float *restrict a, global const float *restrict b,
             global float *restrict c, int m, int n, int k) {
  local float block_a[DEPTH][SIDE], block_b[DEPTH][SIDE];
  const int x = get_local_id(0), y = get_local_id(1);
  const int i0 = get_group_id(1) * SIDE, j0 = get_group_id(0) * SIDE;
  float4 sum[4];
  for (int r = 0; r < 4; r++) sum[r] = (float4)(0.0f);

  for (int p = 0; p < k; p += DEPTH) {
    vstore4(vload4(x, a + (p + y) * m + i0), x, block_a[y]);
    vstore4(vload4(x, b + (p + y) * n + j0), x, block_b[y]);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int q = 0; q < DEPTH; q++) {
      const float4 rows = vload4(y, block_a[q]), columns = vload4(x, block_b[q]);
      sum[0] = mad((float4)(rows.x), columns, sum[0]);
      sum[1] = mad((float4)(rows.y), columns, sum[1]);
      sum[2] = mad((float4)(rows.z), columns, sum[2]);
      sum[3] = mad((float4)(rows.w), columns, sum[3]);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }

  for (int r = 0; r < 4; r++) vstore4(sum[r], 0, c + (i0 + 4 * y + r) * n + j0 + 4 * x);
}
