/* reduce.cl: arg max along one axis. (Sums and maxima are generated with the expression they
 * reduce: src/ops/fuse_reduce.c.)
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

/* fold_partials: y[i] = factor * fold over s of part[s][i]; kind 0 sum, 1 max, 2 min. part (splits,
 * n). */
kernel void fold_partials(global const float *part, global float *y, int n, int splits, int kind,
                          float factor) {
  int i = get_global_id(0);
  if (i >= n) return;
  float acc = part[i], lost = 0.0f;
  for (int s = 1; s < splits; s++) {
    float v = part[s * n + i];
    if (kind == 0) LCL_SUM_JOIN(float, acc, lost, v)
    else if (kind == 1) acc = (acc >= v || acc != acc) ? acc : v;
    else acc = (acc <= v || acc != acc) ? acc : v;
  }
  y[i] = acc * factor;
}
