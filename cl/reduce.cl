/* reduce.cl: arg max along one axis, and sums of partial results. (Sums and maxima are generated
 * with the expression they reduce: src/ops/fuse_reduce.c.)
 *
 * x (outer, n, inner), y (outer, inner) int: index of the first largest element; a NaN wins. A long
 * axis is cut into `splits` parts of `part` elements (dimension 1 of the launch), each with its own
 * result in y (splits, outer, inner);
 * argmax_fold picks the best of them. (One work-item for a long axis would be slow, and wrong on
 * Mesa's llvmpipe, which ends a work-item's loops after 65535 rounds in all.)
 */
static int beats(float v, float top) { return v > top || (v != v && top == top); }

kernel void argmax(global const float *x, global int *y, int n, int inner, int part,
                   int outputs) {
  int i = get_global_id(0), split = get_global_id(1);
  int begin = split * part, end = min(begin + part, n);
  if (i >= outputs || begin >= n) return;
  global const float *p = x + (i / inner) * n * inner + i % inner;
  int best = begin;
  float top = p[begin * inner];
  for (int k = begin + 1; k < end; k++) {
    float v = p[k * inner];
    if (beats(v, top)) {
      top = v;
      best = k;
    }
  }
  y[split * outputs + i] = best;
}

kernel void argmax_fold(global const float *x, global const int *parts, global int *y, int n,
                        int inner, int splits, int outputs) {
  int i = get_global_id(0);
  if (i >= outputs) return;
  global const float *p = x + (i / inner) * n * inner + i % inner;
  int best = parts[i];
  for (int s = 1; s < splits; s++) {
    int k = parts[s * outputs + i];
    if (beats(p[k * inner], p[best * inner])) best = k;
  }
  y[i] = best;
}

/* sum_parts: up to 8 sums of partial results (src/graph/sums.c). Groups from begin.s<t> on,
 * as many as there are results, have sum t < 8:
 *   y<t>[i] = factor.s<t> * sum over k of p<t>[k][i]      k < splits.s<t>, i < results.s<t>
 * Sums of the same groups, which have the same y, are added. */
#define SUM(t)                                                                                     \
  if (g >= begin.s##t) {                                                                           \
    const int n = results.s##t, i = (g - begin.s##t) * get_local_size(0) + get_local_id(0);        \
    if (i < n) {                                                                                   \
      global const float *p = p##t + i;                                                            \
      LCL_SUM_OF_PARTS(float, *, p, (size_t)n, splits.s##t)                                        \
      all += sum * factor.s##t;                                                                    \
      y##t[i] = all;                                                                               \
    }                                                                                              \
  }
kernel void sum_parts(global const float *p0, global const float *p1, global const float *p2,
                      global const float *p3, global const float *p4, global const float *p5,
                      global const float *p6, global const float *p7, global float *y0,
                      global float *y1, global float *y2, global float *y3, global float *y4,
                      global float *y5, global float *y6, global float *y7, int8 begin,
                      int8 results, int8 splits, float8 factor) {
  const int g = get_group_id(0);
  float all = 0.0f;
  SUM(0)
  SUM(1)
  SUM(2)
  SUM(3)
  SUM(4)
  SUM(5)
  SUM(6)
  SUM(7)
}
