/* matmul_reduce.cl: adds up the parts of a product whose inner dimension was split, in order, and finishes it.
 *
 *   c[z,i,j] = act( sum_s part[s][z][i][col(j)] + bias )            z < batch, i < m, j < n
 *
 * part is dense, rows of `pitch`. Columns j = (c,t) of taps*channels are at (t,c) in part, t*cl + c, when cl > 0 (the
 * filter gradient from channels-last pictures); else in place. bias_kind: 0 none, 1 one a column, 2 one a row (z*m+i).
 * A work-item does `chunk` consecutive elements.
 */
kernel void matmul_reduce(global const float *restrict part, global float *restrict c,
                          global const float *restrict bias, int splits, int batch, int m, int n, int pitch,
                          int taps, int cl, int chunk, int bias_kind, int act, float slope) {
  const int total = batch * m * n, begin = get_global_id(0) * chunk, end = min(total, begin + chunk);
  const size_t part_size = (size_t)batch * m * pitch;
  int row = begin / n, j = begin - row * n, t = j % taps, ch = j / taps;
  for (int e = begin; e < end; e++) {
    global const float *p = part + (size_t)row * pitch + (cl ? t * cl + ch : j);
    float s = p[0];
    for (int k = 1; k < splits; k++) s += p[k * part_size];
    if (bias_kind) s += bias_kind == 2 ? bias[row] : bias[j];
    if (act == 1) s = s <= 0.0f ? 0.0f : s;
    else if (act == 2) s = s <= 0.0f ? s * slope : s;
    else if (act == 3) s = 1.0f / (1.0f + exp(-s));
    else if (act == 4) s = tanh(s);
    c[e] = s;
    if (++t == taps) t = 0, ch++;
    if (++j == n) j = 0, t = 0, ch = 0, row++;
  }
}
