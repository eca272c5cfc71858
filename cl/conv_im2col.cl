/* conv_im2col.cl: a convolution's patches written out as a matrix (im2col), such a matrix added up
 * into images (col2im), and images as rows of a matrix. Chellapilla, Puri & Simard, "High
 * performance convolutional neural networks for document processing", 2006.
 *
 * col has a row for each (channel, tap a, tap b) and a column for each output pixel (n,q,r):
 *   im2col:  col[(ch,a,b), (n,q,r)] = x[n, ch, q*sh-top+a*dh, r*sw-left+b*dw], zero outside
 *   col2im:  x[n, ch, i, j] = act( bias[ch] + sum of all col[(ch,a,b), (n,q,r)] that saw (i,j) )
 * A work-item does `chunk` lines of the result, from line get_global_id(0)*chunk on, of `lines`.
 */
#include "args.h"

/* A line: the gr pixels of one row of an image under one tap. */
kernel void im2col(global const float *restrict x, global float *restrict col, const conv_shape s,
                   int lines, int chunk) {
  const int begin = get_global_id(0) * chunk, end = min(lines, begin + chunk);
  for (int l = begin; l < end; l++) {
    const int q = l % s.gq, n = l / s.gq % s.images, row = l / s.gq / s.images;
    const int b = row % s.kw, a = row / s.kw % s.kh, ch = row / s.kw / s.kh;
    const int i = q * s.sh - s.top + a * s.dh, j = b * s.dw - s.left;
    global const float *from =
        x + ((size_t)(n * s.channels + ch) * s.h + clamp(i, 0, s.h - 1)) * s.w;
    global float *to = col + (size_t)l * s.gr;
    const int inside = i >= 0 && i < s.h;
    for (int r = 0; r < s.gr; r++) {
      const int at = r * s.sw + j;
      to[r] = inside && at >= 0 && at < s.w ? from[at] : 0.0f;
    }
  }
}

/* What pixel j of a row gets from the row `from` of col under the kw taps of one row of taps, which
 * lie `pitch` apart. */
static float gather(global const float *restrict from, size_t pitch, int j, const conv_shape s) {
  float sum = 0.0f;
  for (int b = 0; b < s.kw; b++) {
    const int at = j + s.left - b * s.dw;
    if (at >= 0 && at % s.sw == 0 && at / s.sw < s.gr) sum += from[b * pitch + at / s.sw];
  }
  return sum;
}

/* A line: a row of an image. */
kernel void col2im(global const float *restrict col, global float *restrict x,
                   global const float *restrict bias, const conv_shape s, int lines, int chunk,
                   int has_bias, int act, float slope) {
  const int begin = get_global_id(0) * chunk, end = min(lines, begin + chunk);
  const size_t pitch = (size_t)s.images * s.gq * s.gr; /* of the rows of col */
  for (int l = begin; l < end; l++) {
    const int i = l % s.h, ch = l / s.h % s.channels, n = l / s.h / s.channels;
    global float *to = x + (size_t)l * s.w;
    for (int j = 0; j < s.w; j++) {
      float sum = has_bias ? bias[ch] : 0.0f;
      for (int a = 0; a < s.kh; a++) {
        const int at = i + s.top - a * s.dh;
        if (at < 0 || at % s.sh || at / s.sh >= s.gq) continue;
        global const float *from = col + (size_t)(ch * s.kh + a) * s.kw * pitch +
                                   ((size_t)n * s.gq + at / s.sh) * s.gr;
        sum += gather(from, pitch, j, s);
      }
      to[j] = lcl_activate(sum, act, slope);
    }
  }
}

/* to (rows, blocks, n) = act( from (blocks, rows, n) + bias[block] ); a line is n elements. */
kernel void swap_blocks(global const float *restrict from, global float *restrict to,
                        global const float *restrict bias, int blocks, int rows, int n, int lines,
                        int chunk, int has_bias, int act, float slope) {
  const int begin = get_global_id(0) * chunk, end = min(lines, begin + chunk);
  for (int l = begin; l < end; l++) {
    const int block = l % blocks, row = l / blocks;
    global const float *f = from + ((size_t)block * rows + row) * n;
    const float b = has_bias ? bias[block] : 0.0f;
    for (int i = 0; i < n; i++) to[(size_t)l * n + i] = lcl_activate(f[i] + b, act, slope);
  }
}
