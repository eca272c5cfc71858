/* tsne.cl: repulsion of t-SNE's map points, all pairs (van der Maaten and Hinton 2008, equation 5).
 *
 * x, y (padded): coordinates of the n points; the places from n to padded, a multiple of 64, hold
 * FAR, whose share is exactly 0. out (3,padded), for each point i:
 *   out[0] = sum_j q_ij, the point itself included (which adds 1)
 *   out[1] = sum_j q_ij^2 (x_i - x_j),   out[2] the same in y,
 *   q_ij = 1/(1 + (x_i-x_j)^2 + (y_i-y_j)^2)
 * The order of each sum is fixed. A launch adds what the points from begin to end - 1, multiples
 * of 64, do to all; the first one does not add, it sets. No loop of a launch gets long: Mesa's
 * llvmpipe ends a work-item's loops after 65535 rounds.
 *
 * CPUs: a work-item takes TSNE_ROWS points at a time and walks all others in vectors of
 * TSNE_VEC. GPUs: a work-group of 64 takes 64 points and brings the others into local memory
 * 64 at a time. Either way a work-item (group) takes every get_num_groups(0)-th share, so that any
 * number of groups is right.
 *
 *   TSNE_VEC   floats in a vector (4, 8 or 16): CPUs only
 *   TSNE_ROWS  points that share a load: CPUs only */
#ifndef TSNE_VEC
#define TSNE_VEC 8
#endif
#ifndef TSNE_ROWS
#define TSNE_ROWS 4
#endif
#define GLUE_(a, b) a##b
#define GLUE(a, b)  GLUE_(a, b)
typedef GLUE(float, TSNE_VEC) floatv;

/* Adds to what the launch before found; begin: where this one begins. */
static void put(__global float *to, float sum, int begin) { *to = begin > 0 ? *to + sum : sum; }

#if LCL_PANEL
float add_up(floatv v) {
  float lane[TSNE_VEC] __attribute__((aligned(64))), sum = 0.0f;
  *(floatv *)lane = v;
  for (int i = 0; i < TSNE_VEC; i++) sum += lane[i];
  return sum;
}

__kernel void tsne_repulsion(__global const float *restrict x, __global const float *restrict y,
                             __global float *restrict out, const int padded,
                             const int begin, const int end) {
  for (int i = (int)get_group_id(0) * TSNE_ROWS; i < padded;
       i += (int)get_num_groups(0) * TSNE_ROWS) {
    floatv q_sum[TSNE_ROWS], x_sum[TSNE_ROWS], y_sum[TSNE_ROWS];
    for (int r = 0; r < TSNE_ROWS; r++) q_sum[r] = x_sum[r] = y_sum[r] = (floatv)(0.0f);
    for (int j = begin; j < end; j += TSNE_VEC) {
      const floatv xj = *(__global const floatv *)(x + j), yj = *(__global const floatv *)(y + j);
      for (int r = 0; r < TSNE_ROWS; r++) {
        const floatv dx = x[i + r] - xj, dy = y[i + r] - yj;
        const floatv q = 1.0f / (1.0f + dx * dx + dy * dy);
        q_sum[r] += q;
        x_sum[r] += q * q * dx;
        y_sum[r] += q * q * dy;
      }
    }
    for (int r = 0; r < TSNE_ROWS; r++) {
      put(out + i + r, add_up(q_sum[r]), begin);
      put(out + padded + i + r, add_up(x_sum[r]), begin);
      put(out + 2 * padded + i + r, add_up(y_sum[r]), begin);
    }
  }
}
#else
__kernel void tsne_repulsion(__global const float *restrict x, __global const float *restrict y,
                             __global float *restrict out, const int padded,
                             const int begin, const int end) {
  __local float tile_x[64], tile_y[64];
  const int l = (int)get_local_id(0);
  for (int first = (int)get_group_id(0) * 64; first < padded;
       first += (int)get_num_groups(0) * 64) {
    const int i = first + l;
    const float xi = x[i], yi = y[i];
    float q_sum = 0.0f, x_sum = 0.0f, y_sum = 0.0f;
    for (int j = begin; j < end; j += 64) {
      barrier(CLK_LOCAL_MEM_FENCE);
      tile_x[l] = x[j + l];
      tile_y[l] = y[j + l];
      barrier(CLK_LOCAL_MEM_FENCE);
      for (int k = 0; k < 64; k++) {
        const float dx = xi - tile_x[k], dy = yi - tile_y[k];
        const float q = 1.0f / (1.0f + dx * dx + dy * dy);
        q_sum += q;
        x_sum += q * q * dx;
        y_sum += q * q * dy;
      }
    }
    put(out + i, q_sum, begin);
    put(out + padded + i, x_sum, begin);
    put(out + 2 * padded + i, y_sum, begin);
  }
}
#endif
