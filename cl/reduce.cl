/* reduce.cl: arg max along one axis. (Sums and maxima are generated with the expression they reduce: src/graph/fuse.c.)
 *
 * x (outer, n, inner), y (outer, inner) int: index of the first largest element; a NaN wins.
 */
kernel void argmax(global const float *x, global int *y, int n, int inner) {
  int i = get_global_id(0);
  global const float *p = x + (i / inner) * n * inner + i % inner;
  int best = 0;
  float top = p[0];
  for (int k = 1; k < n; k++) {
    float v = p[k * inner];
    if (v > top || (v != v && top == top)) {
      top = v;
      best = k;
    }
  }
  y[i] = best;
}

/* fold_partials: y[i] = factor * fold over s of part[s][i]; kind 0 sum, 1 max, 2 min. part (splits, n). */
kernel void fold_partials(global const float *part, global float *y, int n, int splits, int kind, float factor) {
  int i = get_global_id(0);
  float acc = part[i];
  for (int s = 1; s < splits; s++) {
    float v = part[s * n + i];
    if (kind == 0) acc += v;
    else if (kind == 1) acc = (acc >= v || acc != acc) ? acc : v;
    else acc = (acc <= v || acc != acc) ? acc : v;
  }
  y[i] = acc * factor;
}
