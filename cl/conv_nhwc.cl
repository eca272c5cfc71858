/* conv_nhwc.cl: direct convolutions and their input gradients with many channels and not too large
 * filters, one work-item at a time.
 *
 *   C[i,(n,y,x)] = act( sum_k A[i,k] X[n, c, (y*sh+h0+a*dh)/fh, (x*sw+w0+b*dw)/fw] + bias )
 *                                                                  i < m, k = (a,b,c)
 *
 * where X is zero outside its h x w pixels and between them (where fh, fw do not divide).
 * As in gemm_packed.cl with SOURCE 1, but the roles are swapped: a tile of sums is PIXELS output
 * pixels by 2*VEC output channels, so that the filters are the vectors and numbers of the images
 * their factors. A work-item takes whole images, or rows of one:
 *   load      what they read to local memory, channels last, with the zeros around it: the
 *             addresses of a tile's pixels then serve all taps
 *   multiply  tiles of pixels of the same phase (y%fh, x%fw), which see the same taps; their sums
 *             go to local memory too, pixel by pixel
 *   store     the work-item's rows as a whole, once they are complete, to lines of memory that were
 *             asked for before
 *
 * Buffers (f32; args.h has the fields):
 *   ap      the filters as gemm_pack leaves them in panels of VEC rows, [panel][k][VEC]
 *   x       (N,C,H,W)
 *   y       (N,m,gq,gr): gemm_c
 *   bias    (m)
 *   window  local memory: [pics][wh][ww][cl], from row (first row)*sh/fh + h_low and column w_low
 *           of X, then the sums [pics][rows*fh][gr][2*VEC], then as much for one pixel more that
 *           nobody reads
 * Groups: 0 `pics` images times `rows` rows of phases, 1 `pairs` pairs of panels.
 *
 * Tunables:
 *   VEC  floats in a vector: 16 or 8
 */
#include "args.h"
#include "packed.cl"

#if VEC == 16
#define PIXELS 12 /* of a tile: their addresses are in registers too */
#else
#define PIXELS 6
#endif

/* `count` neighbouring pixels of x (C,plane), the first in column 0 of rows of w, to channels-last
 * rows of ww. */
static void copy_in(global const float *restrict x, local float *restrict to, int count, int plane,
                    int channels, int cl, int w, int ww) {
  for (int p0 = 0; p0 < count; p0 += VEC) {
    const int p = max(0, min(p0, count - VEC)); /* the last pixels together with some once more */
    int at[VEC], col = p % w, pixel = p / w * ww + col;
    for (int l = 0; l < VEC; l++) {
      at[l] = pixel * cl;
      pixel++;
      if (++col == w) col = 0, pixel += ww - w;
    }
    for (int c = 0; c < cl; c += VEC) {
      if (count < VEC) {
        for (int l = 0; l < count; l++)
          for (int e = 0; e < VEC; e++)
            to[at[l] + c + e] = c + e < channels ? x[(c + e) * plane + l] : 0.0f;
        continue;
      }
#define LOAD_ROW(r)                                                                                \
  floatv v##r = (floatv)(0.0f), w##r;                                                              \
  if (c + r < channels) v##r = GLOAD(x + (c + r) * plane + p);
      ROWS_ALL(LOAD_ROW)
      TRANSPOSE(v, w);
#define STORE_ROW(r) LSTORE(v##r, to + at[r] + c);
      ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
    }
  }
}

/* The sums of `count` neighbouring pixels to y (rows,ldc). */
static void copy_out(local float *restrict from, global float *restrict y, int count, int rows,
                     int ldc, int act, float slope) {
  if (act)
    for (int i = 0; i < count * NR; i += VEC)
      LSTORE(activate(LLOAD(from + i), act, slope), from + i);
  for (int p0 = 0; p0 < count; p0 += VEC) {
    const int p = max(0, min(p0, count - VEC));
    for (int i = 0; i < rows; i += VEC) {
      if (count < VEC) {
        for (int e = 0; e < min(VEC, rows - i); e++)
          for (int l = 0; l < count; l++) y[(size_t)(i + e) * ldc + l] = from[l * NR + i + e];
        continue;
      }
#define LOAD_ROW(l) floatv v##l = LLOAD(from + (p + l) * NR + i), w##l;
      ROWS_ALL(LOAD_ROW)
      TRANSPOSE(v, w);
#define STORE_ROW(l)                                                                               \
  if (i + l < rows) GSTORE(v##l, y + (size_t)(i + l) * ldc + p);
      ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
    }
  }
}

/* One dimension of a phase: pixels phase, phase + f, ... of `size` see taps first, first + step,
 * ... of `all`. */
typedef struct phase {
  int count, first, taps, start; /* start: where the first tap looks from pixel 0, in the window */
} phase;

static phase phase_of(int number, int size, int f, int s, int x0, int d, int step, int all,
                      int low) {
  phase p = { (size - number + f - 1) / f, 0, 0, 0 };
  const int most = min(step, all);
  while (p.first < most && (number * s + x0 + p.first * d) % f) p.first++;
  if (p.first == most) return p;
  p.taps = (all - 1 - p.first) / step + 1;
  p.start = (number * s + x0 + p.first * d) / f - low;
  return p;
}

/* ---- phases of conv_nhwc ---- */

/* Load: the window of an image, `above` being the row of x at its top, zeros around x. */
static void load_window(global const float *restrict x, local float *restrict to, int above,
                        const nhwc_window s, const patches g) {
  const int top = min(s.wh, max(0, -above)), bottom = max(top, min(s.wh, g.h - above));
  clear(to, top * s.ww * s.cl);
  for (int row = top; row < bottom; row++) {
    clear(to + row * s.ww * s.cl, -s.w_low * s.cl);
    clear(to + (row * s.ww + g.w - s.w_low) * s.cl, (s.ww - g.w + s.w_low) * s.cl);
  }
  clear(to + bottom * s.ww * s.cl, (s.wh - bottom) * s.ww * s.cl);
  copy_in(x + (above + top) * g.w, to + (top * s.ww - s.w_low) * s.cl, (bottom - top) * g.w,
          g.h * g.w, s.channels, s.cl, g.w, s.ww);
}

/* Multiply: PIXELS pixels, which read from window + look[], with a pair of panels of filters (or
 * one), all taps of phase (u,v); sums to sums + to[]. b: where they start from. */
static void multiply(local const float *restrict window, local float *restrict sums,
                     global const float *restrict a0, int two, const float *restrict b,
                     const int *restrict look, const int *restrict to, const phase u, const phase v,
                     const nhwc_window s, const patches g) {
  global const float *a1 = a0 + g.ta * g.tb * s.channels * VEC;
  const int move_h = s.step_h * g.dh / s.fh, move_w = s.step_w * g.dw / s.fw;
  local const float *from[PIXELS];
  floatv c[PIXELS], d[PIXELS];
  _Pragma("unroll") for (int l = 0; l < PIXELS; l++) {
    from[l] = window + look[l];
    c[l] = PLOAD(b), d[l] = PLOAD(b + VEC);
  }
  for (int t = 0; t < u.taps * v.taps; t++) {
    const int e = t / v.taps, f = t - e * v.taps;
    const int tap = (u.first + e * s.step_h) * g.tb + v.first + f * s.step_w;
    const int at = ((u.start + e * move_h) * s.ww + v.start + f * move_w) * s.cl;
    global const float *f0 = a0 + tap * s.channels * VEC, *f1 = a1 + tap * s.channels * VEC;
    if (!two) {
      for (int k = 0; k < s.channels; k++) {
        const floatv b0 = GLOAD(f0 + k * VEC);
        _Pragma("unroll") for (int l = 0; l < PIXELS; l++) c[l] =
            fma((floatv)(from[l][at + k]), b0, c[l]);
      }
      continue;
    }
    for (int k = 0; k < s.channels; k++) {
      const floatv b0 = GLOAD(f0 + k * VEC), b1 = GLOAD(f1 + k * VEC);
      _Pragma("unroll") for (int l = 0; l < PIXELS; l++) {
        const floatv x = (floatv)(from[l][at + k]);
        c[l] = fma(x, b0, c[l]);
        d[l] = fma(x, b1, d[l]);
      }
    }
  }
  _Pragma("unroll") for (int l = 0; l < PIXELS; l++) {
    LSTORE(c[l], sums + to[l]);
    LSTORE(d[l], sums + to[l] + VEC);
  }
}

/* Multiply: the pixels of phase (nh,nw) of `images` images with `lines` output rows each. */
static void multiply_phase(local const float *restrict window, local float *restrict sums,
                           global const float *restrict a0, int two, const float *restrict b,
                           int nh, int nw, int images, int lines, const nhwc_window s,
                           const patches g) {
  const phase u = phase_of(nh, lines, s.fh, g.sh, g.h0, g.dh, s.step_h, g.ta, s.h_low);
  const phase v = phase_of(nw, g.gr, s.fw, g.sw, g.w0, g.dw, s.step_w, g.tb, s.w_low);
  const int n = images * u.count * v.count;
  if (n <= 0) return;

  /* Where PIXELS pixels look and their sums go; a row or image that they pass the end of adds its
   * jump. */
  const int in_q = (g.sh * s.ww - v.count * g.sw) * s.cl;
  const int in_p = s.wh * s.ww * s.cl - u.count * g.sh * s.ww * s.cl;
  const int out_q = s.fh * g.gr - v.count * s.fw, out_p = (lines - u.count * s.fh) * g.gr;
  const int turns_q = (PIXELS + v.count - 1) / v.count;
  const int turns_p = (turns_q + u.count - 1) / u.count;
  intv r = LANES, q = (intv)(0);
  intv in = LANES * (g.sw * s.cl), out = LANES * s.fw + nh * g.gr + nw;
  for (int j0 = 0; j0 < n; j0 += PIXELS) {
    for (int i = 0; i < turns_q; i++) {
      const intv past = r >= v.count;
      r -= past & v.count, q -= past, in += past & in_q, out += past & out_q;
    }
    for (int i = 0; i < turns_p; i++) {
      const intv past = q >= u.count;
      q -= past & u.count, in += past & in_p, out += past & out_p;
    }
    const intv inside = LANES < n - j0;
    int to[VEC] __attribute__((aligned(64))), look[VEC] __attribute__((aligned(64)));
    *(intv *)look = in & inside;
    *(intv *)to = select((intv)(s.pics * s.rows * s.fh * g.gr), out, inside) * NR;
    r += PIXELS, in += PIXELS * g.sw * s.cl, out += PIXELS * s.fw;
    multiply(window, sums, a0, two, b, look, to, u, v, s, g);
  }
}

kernel ONE_ITEM void conv_nhwc(global const float *restrict ap, global const float *restrict x,
                               global float *restrict y, global const float *restrict bias,
                               local float *restrict window, const nhwc_window s, const patches g,
                               const gemm_c lc) {
  const int blocks = ((g.gq + s.fh - 1) / s.fh + s.rows - 1) / s.rows;
  const int block = get_group_id(0) / blocks, first = block * s.pics;
  const int q0 = ((int)get_group_id(0) - block * blocks) * s.rows;
  const int lines = min(s.rows * s.fh, g.gq - q0 * s.fh), images = min(s.pics, s.images - first);
  const int size = s.wh * s.ww * s.cl;
  local float *sums = window + s.pics * size;
  for (int p = 0; p < images; p++)
    load_window(x + (size_t)(first + p) * s.channels * g.h * g.w, window + p * size,
                q0 * g.sh + s.h_low, s, g);

  const int i_begin = get_group_id(1) * s.pairs * NR, i_end = min(s.m, i_begin + s.pairs * NR);
  for (int i0 = i_begin; i0 < i_end; i0 += NR) {
    global const float *a0 = ap + (size_t)i0 * (g.ta * g.tb * s.channels);
    float b[NR] __attribute__((aligned(128)));
    for (int i = 0; i < NR; i++) b[i] = lc.bias_kind && i0 + i < s.m ? bias[i0 + i] : 0.0f;
    global float *to = y + (size_t)first * lc.yn + (size_t)i0 * lc.ldc + q0 * s.fh * g.gr;
    const int rows = min(NR, s.m - i0), count = lines * g.gr;
    for (int p = 0; p < images; p++)
      for (int i = 0; i < rows; i++)
        for (int l = 0; l < count; l += 16)
          PREFETCH_TO_WRITE(to + (size_t)p * lc.yn + (size_t)i * lc.ldc + l);
    for (int number = 0; number < s.fh * s.fw; number++)
      multiply_phase(window, sums, a0, i0 + VEC < s.m, b, number / s.fw, number % s.fw, images,
                     lines, s, g);
    for (int p = 0; p < images; p++)
      copy_out(sums + p * count * NR, to + (size_t)p * lc.yn, count, rows, lc.ldc, lc.act,
               lc.slope);
  }
}

/* ---- filter gradient ---- */

/* sums (rows `pitch` apart) += of n pixels, numbers a[pixel][al] as factors times the vectors at
 * b + look[pixel]. */
#define GRAD_TILE(NAME, N)                                                                         \
  static void NAME(local const float *restrict a, local const float *restrict b,                   \
                   local const int *restrict look, int n, int al, local float *restrict sums,      \
                   int pitch) {                                                                    \
    floatv c[N], d[N];                                                                             \
    _Pragma("unroll") for (int r = 0; r < N; r++)                                                  \
        c[r] = LLOAD(sums + r * pitch), d[r] = LLOAD(sums + r * pitch + VEC);                      \
    for (int k = 0; k < n; k++) {                                                                  \
      const floatv b0 = LLOAD(b + look[k]), b1 = LLOAD(b + look[k] + VEC);                         \
      _Pragma("unroll") for (int r = 0; r < N; r++) {                                              \
        const floatv v = (floatv)(a[k * al + r]);                                                  \
        c[r] = fma(v, b0, c[r]);                                                                   \
        d[r] = fma(v, b1, d[r]);                                                                   \
      }                                                                                            \
    }                                                                                              \
    _Pragma("unroll") for (int r = 0; r < N; r++)                                                  \
        LSTORE(c[r], sums + r * pitch), LSTORE(d[r], sums + r * pitch + VEC);                      \
  }
GRAD_TILE(grad_large, MR)
GRAD_TILE(grad_medium, ROWS_MEDIUM)
GRAD_TILE(grad_small, ROWS_SMALL)

/* Asks early for a share of `count` floats. */
static void prefetch_share(global const float *x, int count, int turn, int turns) {
  const int share = (count + turns - 1) / turns, end = min(count, (turn + 1) * share);
  for (int i = turn * share; i < end; i += 16) PREFETCH(x + i);
}

/* Load: `images` images of x into their windows, and what lies in gy over them. */
static void load_images(global const float *restrict x, global const float *restrict gy,
                        local float *restrict window, local float *restrict grads, int images,
                        const conv_shape s, const nhwc_grad p) {
  const int pixels = s.h * s.w, plane = s.gq * s.gr;
  for (int i = 0; i < images; i++) {
    copy_in(x + (size_t)i * s.channels * pixels,
            window + (i * p.wh * p.ww + s.top * p.ww + s.left) * p.cl, pixels, pixels, s.channels,
            p.cl, s.w, p.ww);
    copy_in(gy + (size_t)i * s.filters * plane, grads + i * plane * p.yl, plane, plane, s.filters,
            p.yl, plane, plane);
  }
}

/* Multiply: n pixels under one tap, which begins at `window`, onto that tap's sums. */
static void multiply_tap(local const float *restrict window, local const float *restrict grads,
                         local const int *restrict look, int n, local float *restrict sums,
                         int pitch, int filters, const nhwc_grad p) {
  for (int c = 0; c < p.cl; c += NR) {
    for (int o = 0; o < filters; o += MR) {
      const int rows = filters - o;
      local float *to = sums + o * pitch + c;
      if (rows > ROWS_MEDIUM) grad_large(grads + o, window + c, look, n, p.yl, to, pitch);
      else if (rows > ROWS_SMALL) grad_medium(grads + o, window + c, look, n, p.yl, to, pitch);
      else grad_small(grads + o, window + c, look, n, p.yl, to, pitch);
    }
  }
}

/* part[item][filter][tap][cl] = sum over the images of a work-item and their output pixels of
 * gy[n, filter, pixel] x[n, c, pixel under tap]. Local memory: windows of x as above,
 * [pics][wh][ww][cl] from row -top and column -left; the gradients, [pics][plane][yl]; the sums,
 * [filters rounded up to MR][taps][cl]; where each pixel looks in the windows. */
kernel ONE_ITEM void conv_nhwc_filter_grad(global const float *restrict x,
                                           global const float *restrict gy,
                                           global float *restrict part,
                                           local float *restrict window, const conv_shape s,
                                           const nhwc_grad p) {
  const int begin = get_group_id(0) * p.share, end = min(s.images, begin + p.share);
  const int size = p.wh * p.ww * p.cl, plane = s.gq * s.gr, taps = s.kh * s.kw;
  const int pitch = taps * p.cl, panels = (s.filters + MR - 1) / MR;
  local float *grads = window + p.pics * size, *sums = grads + p.pics * plane * p.yl;
  local int *look = (local int *)(sums + panels * MR * pitch);
  clear(window, p.pics * size); /* the zeros around images stay */
  clear(sums, panels * MR * pitch);
  for (int i = 0, k = 0; i < p.pics; i++)
    for (int q = 0; q < s.gq; q++)
      for (int r = 0; r < s.gr; r++, k++) look[k] = i * size + (q * s.sh * p.ww + r * s.sw) * p.cl;

  for (int first = begin; first < end; first += p.pics) {
    const int images = min(p.pics, end - first);
    load_images(x + (size_t)first * s.channels * s.h * s.w,
                gy + (size_t)first * s.filters * plane, window, grads, images, s, p);
    const int next = first + p.pics, more = max(0, min(p.pics, end - next));
    for (int tap = 0; tap < taps; tap++) {
      prefetch_share(x + (size_t)next * s.channels * s.h * s.w, more * s.channels * s.h * s.w, tap,
                     taps);
      prefetch_share(gy + (size_t)next * s.filters * plane, more * s.filters * plane, tap, taps);
      const int a = tap / s.kw, at = (a * s.dh * p.ww + (tap - a * s.kw) * s.dw) * p.cl;
      multiply_tap(window + at, grads, look, images * plane, sums + tap * p.cl, pitch, s.filters,
                   p);
    }
  }

  part += (size_t)get_group_id(0) * s.filters * pitch;
  for (int i = 0; i < s.filters * pitch; i += VEC) GSTORE(LLOAD(sums + i), part + i);
}
