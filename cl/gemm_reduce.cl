/* gemm_reduce.cl: the partial sums of a split-K GEMM added up, in order, and its epilogue.
 *
 *   c[z,i,j] = act( sum_s part[s][z][i][col(j)] + bias )            z < batch, i < m, j < n
 *
 * part is dense, rows of `pitch`; c is as gemm_c says, with pixels of a grid gq x gr for columns
 * where gq > 0; a bias for every element only with RUN 1. A work-item does `chunk` consecutive runs
 * of RUN elements.
 * With CHANNELS_LAST it is the filter gradient from channels-last images, without act and another
 * bias: columns j = (ch,t) of taps*channels are at (t,ch) in part, t*cl + ch, and a work-item
 * does `chunk` runs of 8 channels.
 *
 * Tunables:
 *   CHANNELS_LAST  see above; cl is a multiple of 8
 *   RUN            1, or 4, which then divides n and pitch
 *   SMOOTH         RUN 4: 1: the activation may be the sigmoid or tanh
 *   HALF_C         1: c is stored in half precision
 */
#include "gemm_store.cl"

#ifndef CHANNELS_LAST
#define CHANNELS_LAST 0
#endif
#ifndef RUN
#define RUN 1
#endif

/* A vector at p. */
#define LOAD4(p) (*(global const float4 *)(p))
#define LOAD8(p) vload8(0, p)

kernel void gemm_reduce(global const float *restrict part, global result *restrict c,
                          global const float *restrict bias, int splits, int batch, int m, int n,
                          int pitch, int taps, int cl, int chunk, int gq, int gr,
                          const gemm_c lc) {
  const int begin = get_global_id(0) * chunk;
  const size_t part_size = (size_t)batch * m * pitch;
#if CHANNELS_LAST
  const int channels = n / taps, runs = (channels + 7) / 8,
            end = min(batch * m * runs, begin + chunk);
  for (int e = begin; e < end; e++) {
    const int row = e / runs, ch = (e - row * runs) * 8, count = min(8, channels - ch);
    const size_t first = (size_t)row * n + ch * taps;
    global result *to = c + first;
    for (int t = 0; t < taps; t++) {
      global const float *p = part + (size_t)row * pitch + t * cl + ch;
      float s[8];
      LCL_SUM_OF_PARTS(float8, LOAD8, p, part_size, splits)
      vstore8(sum, 0, s);
      for (int l = 0; l < count; l++) {
        const int at = l * taps + t;
        STORE(s[l] + (lc.bias_kind ? bias[first + at] : 0.0f), to, at);
      }
    }
  }
#else
  const int across = n / RUN, end = min(batch * m * across, begin + chunk);
  int row = begin / across, j = (begin - row * across) * RUN;
  for (int e = begin; e < end; e++) {
    global const float *p = part + (size_t)row * pitch + j;
    const int z = row / m;
    global result *first = c + lc.base + (size_t)z * lc.batch,
                  *line = first + (size_t)(row - z * m) * lc.ldc;
#if RUN == 4
    columns x;
    LCL_SUM_OF_PARTS(float4, LOAD4, p, part_size, splits)
    if (lc.bias_kind) sum += lc.bias_kind == 2 ? (float4)(bias[row]) : vload4(0, bias + j);
    columns_at(&x, first, j, n, lc, gq, gr);
    store_columns(line, &x, activate(sum, lc.act, lc.slope));
#else
    LCL_SUM_OF_PARTS(float, *, p, part_size, splits)
    const int at = gq ? gemm_column(j, lc, gq, gr) : j;
    if (lc.bias_kind)
      sum += lc.bias_kind == 3 ? bias[line - c + at] : lc.bias_kind == 2 ? bias[row] : bias[j];
    STORE(lcl_activate(sum, lc.act, lc.slope), line, at);
#endif
    j += RUN;
    if (j == n) j = 0, row++;
  }
#endif
}
