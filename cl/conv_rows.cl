/* conv_rows.cl: convolutions with many channels and not too large filters, in panel shape, without packing pictures.
 *
 *   C[i, (n,q,r)] = act( sum_k A[i,k] x[n, c, q*sh+h0+a*dh, r*sw+w0+b*dw] + bias )      i < m, k = (a,b,c)
 *
 * As in matmul_panel.cl with SOURCE 1, but the roles are swapped: a tile of sums is PIXELS output pixels by 2*VEC output
 * channels, so that the filters are the vectors and the pictures, channels last, are read number by number as they lie.
 * ap: the filters as panel_pack leaves them in panels of VEC rows, ap[panel][k][VEC]. x: (N,H,W,cl) from channels_last,
 * with a pixel of zeros at `zeros`, which taps outside a picture read. Group 0: `pixels` output pixels, group 1: `pairs`
 * pairs of panels.
 *
 * Tunables:
 *   VEC  floats in a vector: 16 or 8
 */
#include "panel.cl"

#if VEC == 16
#define PIXELS             12 /* of a tile: their addresses are in registers too */
#define STORE_PIXELS(v, p) vstore8(v.lo, 0, p), vstore4(v.hi.lo, 0, (p) + 8)
#else
#define PIXELS             6
#define STORE_PIXELS(v, p) vstore4(v.lo, 0, p), vstore2(v.hi.lo, 0, (p) + 4)
#endif

/* What PIXELS output pixels look at before the tap is added, and where they go. */
typedef struct pixels {
  int pic[PIXELS], row[PIXELS], col[PIXELS], to[PIXELS];
} pixels;

kernel ONE_ITEM void
conv_rows(global const float *restrict ap, global const float *restrict x, global float *restrict y,
          global const float *restrict bias, int m, int n, int zeros, int channels, int pixels_all, int pairs, int h, int w,
          int cl, int gq, int gr, int sh, int sw, int h0, int w0, int ta, int tb, int dh, int dw, int c_base, int ldc,
          int yn, int yrow, int ycol, int bias_kind, int act, float slope) {
  const int begin = get_group_id(0) * pixels_all, end = min(n, begin + pixels_all), k_all = ta * tb * channels;
  const int i_begin = get_group_id(1) * pairs * NR, i_end = min(m, i_begin + pairs * NR);
  y += c_base;
  for (int i0 = i_begin; i0 < i_end; i0 += NR) {
    global const float *a0 = ap + (size_t)i0 * k_all, *a1 = i0 + VEC < m ? a0 + k_all * VEC : a0;
    int pic = begin / (gq * gr), q = (begin - pic * gq * gr) / gr, r = begin - (pic * gq + q) * gr;
    for (int j0 = begin; j0 < end; j0 += PIXELS) {
      const int count = min(PIXELS, end - j0);
      pixels at;
      for (int l = 0; l < PIXELS; l++) {
        at.pic[l] = pic * h * w;
        at.row[l] = q * sh + h0;
        at.col[l] = r * sw + w0;
        at.to[l] = pic * yn + q * yrow + r * ycol;
        if (l + 1 >= count) continue; /* the last pixel again: computed, not stored */
        if (++r == gr) {
          r = 0;
          if (++q == gq) q = 0, pic++;
        }
      }
      if (++r == gr) {
        r = 0;
        if (++q == gq) q = 0, pic++;
      }
      floatv c[PIXELS], d[PIXELS];
      for (int l = 0; l < PIXELS; l++) c[l] = d[l] = (floatv)(0.0f);
      for (int t = 0; t < ta * tb; t++) {
        const int a = t / tb, b = t - a * tb;
        global const float *f0 = a0 + t * channels * VEC, *f1 = a1 + t * channels * VEC;
        global const float *from[PIXELS];
        for (int l = 0; l < PIXELS; l++) {
          const int ih = at.row[l] + a * dh, iw = at.col[l] + b * dw;
          from[l] = x + (ih >= 0 && ih < h && iw >= 0 && iw < w ? (at.pic[l] + ih * w + iw) * cl : zeros);
        }
        for (int k = 0; k < channels; k++) {
          const floatv b0 = GLOAD(f0 + k * VEC), b1 = GLOAD(f1 + k * VEC);
          _Pragma("unroll") for (int l = 0; l < PIXELS; l++) {
            const floatv v = (floatv)(from[l][k]);
            c[l] = fma(v, b0, c[l]);
            d[l] = fma(v, b1, d[l]);
          }
        }
      }
      float tile[NR * VEC] __attribute__((aligned(128))); /* sums as [output channel][pixel] */
      for (int side = 0; side < 2; side++) {
        const floatv *from = side ? d : c;
#define LOAD_ROW(l) floatv v##l = l < PIXELS ? from[l % PIXELS] : (floatv)(0.0f), w##l;
        ROWS_ALL(LOAD_ROW)
        TRANSPOSE(v, w);
#define STORE_ROW(l) PSTORE(v##l, tile + (side * VEC + l) * VEC);
        ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
      }
      const int rows = min(NR, m - i0), run = count == PIXELS && at.to[PIXELS - 1] - at.to[0] == PIXELS - 1;
      for (int i = 0; i < rows; i++) {
        floatv v = PLOAD(tile + i * VEC);
        if (bias_kind) v += bias[i0 + i];
        if (act) v = activate(v, act, slope);
        global float *to = y + (size_t)(i0 + i) * ldc;
        if (run) {
          STORE_PIXELS(v, to + at.to[0]);
        } else {
          float s[VEC] __attribute__((aligned(64)));
          PSTORE(v, s);
          for (int l = 0; l < count; l++) to[at.to[l]] = s[l];
        }
      }
    }
  }
}
