/* conv_rows.cl: convolutions and their input gradients with many channels and not too large filters, in panel shape.
 *
 *   C[i, (n,y,x)] = act( sum_k A[i,k] X[n, c, (y*sh+h0+a*dh)/fh, (x*sw+w0+b*dw)/fw] + bias )      i < m, k = (a,b,c)
 *
 * where X is zero outside its h x w pixels and between them (where fh, fw do not divide).
 * As in matmul_panel.cl with SOURCE 1, but the roles are swapped: a tile of sums is PIXELS output pixels by 2*VEC output
 * channels, so that the filters are the vectors and numbers of the pictures their factors.
 * A work-item takes whole pictures, or rows of one. It copies what they look at into local memory, channels last,
 * with the zeros around it: the addresses of a tile's pixels then serve all taps. Tiles hold pixels of the same phase
 * (y%fh, x%fw), which see the same taps; their sums go to local memory too, pixel by pixel, until the work-item's
 * rows are complete and leave as a whole.
 *
 * ap: the filters as panel_pack leaves them in panels of VEC rows, ap[panel][k][VEC]. Local memory: the window
 * [pics][wh][ww][cl], then the sums [pics][rows*fh][gr][2*VEC], then as much for one pixel more that nobody looks at.
 * The window begins at row (first row)*sh/fh + h_low and column w_low of X. step_h: taps of a phase lie so far apart.
 * Group 0: `pics` pictures times `rows` rows of phases, group 1: `pairs` pairs of panels.
 *
 * Tunables:
 *   VEC  floats in a vector: 16 or 8
 */
#include "panel.cl"

#if VEC == 16
#define PIXELS 12 /* of a tile: their addresses are in registers too */
#else
#define PIXELS 6
#endif

/* `count` neighbouring pixels of x (C,plane), the first in column 0 of rows of w, to channels-last rows of ww. */
static void copy_in(global const float *restrict x, local float *restrict to, int count, int plane, int channels, int cl,
                    int w, int ww) {
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
          for (int e = 0; e < VEC; e++) to[at[l] + c + e] = c + e < channels ? x[(c + e) * plane + l] : 0.0f;
        continue;
      }
#define LOAD_ROW(r)                                                                                          \
  floatv v##r = (floatv)(0.0f), w##r;                                                                        \
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
static void copy_out(local float *restrict from, global float *restrict y, int count, int rows, int ldc, int act, float slope) {
  if (act)
    for (int i = 0; i < count * NR; i += VEC) LSTORE(activate(LLOAD(from + i), act, slope), from + i);
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
#define STORE_ROW(l)                                                                                         \
  if (i + l < rows) GSTORE(v##l, y + (size_t)(i + l) * ldc + p);
      ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
    }
  }
}

/* One dimension of a phase: pixels phase, phase + f, ... of `size` see taps first, first + step, ... of `all`. */
typedef struct phase {
  int count, first, taps, start; /* start: where the first tap looks from pixel 0, in the window */
} phase;

static phase phase_of(int number, int size, int f, int s, int x0, int d, int step, int all, int low) {
  phase p = { (size - number + f - 1) / f, 0, 0, 0 };
  const int most = min(step, all);
  while (p.first < most && (number * s + x0 + p.first * d) % f) p.first++;
  if (p.first == most) return p;
  p.taps = (all - 1 - p.first) / step + 1;
  p.start = (number * s + x0 + p.first * d) / f - low;
  return p;
}

kernel ONE_ITEM void conv_rows(global const float *restrict ap, global const float *restrict x, global float *restrict y,
                               global const float *restrict bias, local float *restrict window, int m, int pictures,
                               int channels, int cl, int pics, int rows, int pairs, int h, int w, int h_low, int w_low,
                               int wh, int ww, int gq, int gr, int sh, int sw, int h0, int w0, int ta, int tb, int dh,
                               int dw, int fh, int fw, int step_h, int step_w, int ldc, int yn, int bias_kind, int act,
                               float slope) {
  const int blocks = ((gq + fh - 1) / fh + rows - 1) / rows, block = get_group_id(0) / blocks, pic0 = block * pics;
  const int q0 = ((int)get_group_id(0) - block * blocks) * rows, lines = min(rows * fh, gq - q0 * fh);
  const int pic_n = min(pics, pictures - pic0), k_all = ta * tb * channels, picture = wh * ww * cl;
  const int top = min(wh, max(0, -(q0 * sh + h_low))), bottom = max(top, min(wh, h - (q0 * sh + h_low)));
  local float *sums = window + pics * picture;
  for (int p = 0; p < pic_n; p++) {
    local float *to = window + p * picture;
    clear(to, top * ww * cl);
    for (int row = top; row < bottom; row++) {
      clear(to + row * ww * cl, -w_low * cl);
      clear(to + (row * ww + w - w_low) * cl, (ww - w + w_low) * cl);
    }
    clear(to + bottom * ww * cl, (wh - bottom) * ww * cl);
    copy_in(x + ((size_t)(pic0 + p) * channels * h + q0 * sh + h_low + top) * w, to + (top * ww - w_low) * cl,
            (bottom - top) * w, h * w, channels, cl, w, ww);
  }
  const int i_begin = get_group_id(1) * pairs * NR, i_end = min(m, i_begin + pairs * NR);
  for (int i0 = i_begin; i0 < i_end; i0 += NR) {
    global const float *a0 = ap + (size_t)i0 * k_all, *a1 = a0 + k_all * VEC;
    const int two = i0 + VEC < m; /* panels */
    float b[NR] __attribute__((aligned(128)));
    for (int i = 0; i < NR; i++) b[i] = bias_kind && i0 + i < m ? bias[i0 + i] : 0.0f;
    for (int number = 0; number < fh * fw; number++) {
      const int nh = number / fw, nw = number - nh * fw;
      const phase u = phase_of(nh, lines, fh, sh, h0, dh, step_h, ta, h_low);
      const phase v = phase_of(nw, gr, fw, sw, w0, dw, step_w, tb, w_low);
      const int n = pic_n * u.count * v.count;
      if (n <= 0) continue;
      const int move_h = step_h * dh / fh, move_w = step_w * dw / fw;
      /* Where PIXELS pixels look and their sums go; a row or picture that they pass the end of adds its jump. */
      const int in_q = (sh * ww - v.count * sw) * cl, in_p = picture - u.count * sh * ww * cl;
      const int out_q = fh * gr - v.count * fw, out_p = (lines - u.count * fh) * gr;
      const int turns_q = (PIXELS + v.count - 1) / v.count, turns_p = (turns_q + u.count - 1) / u.count;
      intv r = LANES, q = (intv)(0), in = LANES * (sw * cl), out = LANES * fw + nh * gr + nw;
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
        *(intv *)to = select((intv)(pics * rows * fh * gr), out, inside) * NR;
        r += PIXELS, in += PIXELS * sw * cl, out += PIXELS * fw;

        local const float *from[PIXELS];
        floatv c[PIXELS], d[PIXELS];
        _Pragma("unroll") for (int l = 0; l < PIXELS; l++) {
          from[l] = window + look[l];
          c[l] = PLOAD(b), d[l] = PLOAD(b + VEC);
        }
        for (int t = 0; t < u.taps * v.taps; t++) {
          const int e = t / v.taps, f = t - e * v.taps;
          const int tap = (u.first + e * step_h) * tb + v.first + f * step_w;
          const int at = ((u.start + e * move_h) * ww + v.start + f * move_w) * cl;
          global const float *f0 = a0 + tap * channels * VEC, *f1 = a1 + tap * channels * VEC;
          if (!two) {
            for (int k = 0; k < channels; k++) {
              const floatv b0 = GLOAD(f0 + k * VEC);
              _Pragma("unroll") for (int l = 0; l < PIXELS; l++) c[l] = fma((floatv)(from[l][at + k]), b0, c[l]);
            }
            continue;
          }
          for (int k = 0; k < channels; k++) {
            const floatv b0 = GLOAD(f0 + k * VEC), b1 = GLOAD(f1 + k * VEC);
            _Pragma("unroll") for (int l = 0; l < PIXELS; l++) {
              const floatv s = (floatv)(from[l][at + k]);
              c[l] = fma(s, b0, c[l]);
              d[l] = fma(s, b1, d[l]);
            }
          }
        }
        _Pragma("unroll") for (int l = 0; l < PIXELS; l++) LSTORE(c[l], sums + to[l]), LSTORE(d[l], sums + to[l] + VEC);
      }
    }
    for (int p = 0; p < pic_n; p++)
      copy_out(sums + p * lines * gr * NR, y + (size_t)(pic0 + p) * yn + (size_t)i0 * ldc + q0 * fh * gr, lines * gr,
               min(NR, m - i0), ldc, act, slope);
  }
}

/* ---- filter gradient ---- */

/* sums (rows `pitch` apart) += of n pixels, numbers a[pixel][al] as factors times the vectors at b + look[pixel]. */
#define GRAD_TILE(NAME, N)                                                                                   \
  static void NAME(local const float *restrict a, local const float *restrict b, local const int *restrict look, \
                   int n, int al, local float *restrict sums, int pitch) {                                   \
    floatv c[N], d[N];                                                                                       \
    for (int r = 0; r < N; r++) c[r] = LLOAD(sums + r * pitch), d[r] = LLOAD(sums + r * pitch + VEC);        \
    for (int k = 0; k < n; k++) {                                                                            \
      const floatv b0 = LLOAD(b + look[k]), b1 = LLOAD(b + look[k] + VEC);                                   \
      _Pragma("unroll") for (int r = 0; r < N; r++) {                                                        \
        const floatv v = (floatv)(a[k * al + r]);                                                            \
        c[r] = fma(v, b0, c[r]);                                                                             \
        d[r] = fma(v, b1, d[r]);                                                                             \
      }                                                                                                      \
    }                                                                                                        \
    for (int r = 0; r < N; r++) LSTORE(c[r], sums + r * pitch), LSTORE(d[r], sums + r * pitch + VEC);        \
  }
GRAD_TILE(grad_large, MR)
GRAD_TILE(grad_medium, ROWS_MEDIUM)
GRAD_TILE(grad_small, ROWS_SMALL)

/* part[item][filter][tap][cl] = sum over the pictures of a work-item and their output pixels of
 * gy[n, filter, pixel] X[n, c, pixel under tap]. A work-item has `share` pictures and takes `pics` at a time into local
 * memory: windows of x as above, [pics][wh][ww][cl] from row -top and column -left, the gradients [pics][plane][yl], where
 * each pixel looks, and the sums, [filters rounded up to MR][taps][cl]. cl is rounded up to NR, yl to hold whole tiles. */
kernel ONE_ITEM void conv_rows_filter_grad(global const float *restrict x, global const float *restrict gy,
                                           global float *restrict part, local float *restrict window, int pictures,
                                           int share, int pics, int channels, int cl, int filters, int yl, int h, int w,
                                           int kh, int kw, int gq, int gr, int sh, int sw, int top, int left, int dh,
                                           int dw, int wh, int ww) {
  const int begin = get_group_id(0) * share, end = min(pictures, begin + share), plane = gq * gr;
  const int picture = wh * ww * cl, pitch = kh * kw * cl, panels = (filters + MR - 1) / MR;
  local float *g = window + pics * picture, *sums = g + pics * plane * yl;
  local int *look = (local int *)(sums + panels * MR * pitch);
  clear(window, pics * picture); /* the zeros around pictures stay */
  clear(sums, panels * MR * pitch);
  for (int p = 0, k = 0; p < pics; p++)
    for (int q = 0; q < gq; q++)
      for (int r = 0; r < gr; r++, k++) look[k] = p * picture + (q * sh * ww + r * sw) * cl;
  for (int pic0 = begin; pic0 < end; pic0 += pics) {
    const int pic_n = min(pics, end - pic0);
    for (int p = 0; p < pic_n; p++) {
      copy_in(x + (size_t)(pic0 + p) * channels * h * w, window + p * picture + (top * ww + left) * cl, h * w, h * w,
              channels, cl, w, ww);
      copy_in(gy + (size_t)(pic0 + p) * filters * plane, g + p * plane * yl, plane, plane, filters, yl, plane, plane);
    }
    for (int tap = 0; tap < kh * kw; tap++) {
      const int a = tap / kw, at = (a * dh * ww + (tap - a * kw) * dw) * cl;
      for (int c = 0; c < cl; c += NR)
        for (int o = 0; o < filters; o += MR) {
          local float *to = sums + o * pitch + tap * cl + c;
          const int rows = filters - o;
          if (rows > ROWS_MEDIUM) grad_large(g + o, window + at + c, look, pic_n * plane, yl, to, pitch);
          else if (rows > ROWS_SMALL) grad_medium(g + o, window + at + c, look, pic_n * plane, yl, to, pitch);
          else grad_small(g + o, window + at + c, look, pic_n * plane, yl, to, pitch);
        }
    }
  }
  part += (size_t)get_group_id(0) * filters * pitch;
  for (int i = 0; i < filters * pitch; i += VEC) GSTORE(LLOAD(sums + i), part + i);
}
