/* matmul_panel.cl: products and implicit-GEMM convolutions in panel shape, for drivers that run one work-item at a time
 * and have wide vectors.
 *
 *   C[i,j] = act( sum_k A[i,k] B[k,j] + bias )            i < m, j < n, k < k_all, for every z of a batch
 *
 * panel_pack copies A into panels of mr <= VEC rows (MR for panel_gemm), ap[z][panel][k][VEC] (k < pitch): rows beyond m
 * are zero, lanes beyond mr undefined. With AS_IS panel_gemm reads A where it lies instead, element (i,k) at
 * i*a_rs + k*a_ks, one of the two being 1; a tile that would go past the last row begins that much earlier.
 * panel_gemm walks the inner dimension in blocks of at most KC. In each block it copies 2*VEC columns of B into
 * bp[k][2*VEC], which stays in the nearest cache, and multiplies them with its panels of A: a tile of MR x 2*VEC sums
 * lives in registers. Blocks after the first add to C. The last one applies bias and activation. Of `splits` parts of
 * the inner dimension each writes a C of its own, summed by matmul_reduce.cl.
 * What B is depends on SOURCE:
 *   0  a matrix: element (k,j) at k*rsb + j*csb
 *   1  the taps under output pixel j = (n,q,r), k = (a,b,c): x[n, c, q*sh+h0+a*dh, r*sw+w0+b*dw], zero outside
 *      (convolution, and its input gradient a phase of the stride at a time)
 *   2  the same transposed: k = (n,q,r); j = (a,b,c) when x is channels-last, else (c,a,b) (filter gradient)
 * x is (N,C,H,W), or, with cl > 0, the channels-last copy (N,H,W,cl) that channels_last makes of it, cl being the
 * channels rounded up to VEC.
 * Nobody reads what another work-item writes and sums have a fixed order: results repeat bit for bit.
 *
 * Tunables:
 *   VEC     floats in a vector: 16 (AVX-512) or 8
 *   KC      most rows of bp (local memory: KC*2*VEC*4 bytes)
 *   AS_IS   see above, with SOURCE 0
 *   SOURCE  see above; panel_pack and channels_last are in the program of SOURCE 0
 */
#ifndef KC
#define KC 256
#endif
#ifndef SOURCE
#define SOURCE 0
#endif
#ifndef AS_IS
#define AS_IS 0
#endif

#include "panel.cl"

#if SOURCE == 0
/* Element (i,k) of A, k = (l0,l1) with l1 < len, is at base + i*rs + (l0/tb)*sa + (l0%tb)*sb + l1*s1. It goes to row
 * (k%perm_t)*perm_c + k/perm_t of its panel (a filter's k = (c,t) becomes (t,c)). Group 1 takes k_chunk values of k,
 * or with by_inner k_chunk values of l1 for every l0 (then perm_t is 1). */
kernel ONE_ITEM void panel_pack(global const float *restrict a, global float *restrict ap, int mr, int m, int k_all,
                                int pitch, int k_chunk, int by_inner, int base, int batch_stride, int rs, int len,
                                int tb, int sa, int sb, int s1, int perm_t, int perm_c) {
  const int panel = get_group_id(0), i0 = panel * mr, rows = min(mr, m - i0);
  global const float *src = a + base + (int)get_group_id(2) * batch_stride + i0 * rs;
  global float *dst = ap + ((size_t)get_group_id(2) * get_num_groups(0) + panel) * pitch * VEC;
  if (by_inner) {
    const int begin = get_group_id(1) * k_chunk, end = min(len, begin + k_chunk), outer = k_all / len;
    for (int l1 = begin; l1 < end; l1++) {
      for (int l0 = 0; l0 < outer; l0++) {
        global const float *s = src + (l0 / tb) * sa + (l0 % tb) * sb + l1 * s1;
        global float *d = dst + (size_t)(l0 * len + l1) * VEC;
        for (int r = 0; r < mr; r++) d[r] = r < rows ? s[r * rs] : 0.0f;
      }
    }
    return;
  }
  int k = get_group_id(1) * k_chunk;
  const int k_end = min(k_all, k + k_chunk);
  while (k < k_end) {
    const int l0 = k / len, l1 = k - l0 * len, run = min(len - l1, k_end - k);
    global const float *s = src + (l0 / tb) * sa + (l0 % tb) * sb + l1 * s1;
    int t = k % perm_t, c = k / perm_t, x = 0;
    if (s1 == 1) {
      for (; x + VEC <= run; x += VEC) {
#define LOAD_ROW(r)                                                                                          \
  floatv v##r = (floatv)(0.0f), w##r;                                                                        \
  if (r < rows) v##r = GLOAD(s + r * rs + x);
        ROWS_ALL(LOAD_ROW)
        TRANSPOSE(v, w);
#define STORE_ROW(r)                                                                                         \
  GSTORE(v##r, dst + (size_t)(t * perm_c + c) * VEC);                                                        \
  if (++t == perm_t) t = 0, c++;
        ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
      }
    } else if (rs == 1 && rows == mr) {
      for (; x < run; x++) {
        global float *d = dst + (size_t)(t * perm_c + c) * VEC;
        for (int r = 0; r < mr; r += 2) vstore2(vload2(0, s + x * s1 + r), 0, d + r);
        if (++t == perm_t) t = 0, c++;
      }
    }
    for (; x < run; x++) {
      global float *d = dst + (size_t)(t * perm_c + c) * VEC;
      for (int r = 0; r < mr; r++) d[r] = r < rows ? s[r * rs + x * s1] : 0.0f;
      if (++t == perm_t) t = 0, c++;
    }
    k += run;
  }
}

/* x: channels z*channels.. of (N,all,P) -> y[z] (N,P,cl), channels beyond are zero, and behind them one pixel of zeros.
 * Group 0: VEC pixels, group 1: picture, group 2: z. */
kernel ONE_ITEM void channels_last(global const float *restrict x, global float *restrict y, int all, int channels,
                                   int cl, int pixels) {
  const int p0 = get_group_id(0) * VEC, count = min(VEC, pixels - p0);
  const int pic = get_group_id(1), z = get_group_id(2);
  if (p0 == 0 && pic == 0 && z == 0) {
    global float *zeros = y + (size_t)get_num_groups(2) * get_num_groups(1) * pixels * cl;
    for (int c = 0; c < cl; c++) zeros[c] = 0.0f;
  }
  x += ((size_t)pic * all + z * channels) * pixels + p0;
  y += (((size_t)z * get_num_groups(1) + pic) * pixels + p0) * cl;
  for (int c = 0; c < cl; c += VEC, x += VEC * pixels) {
    if (count == VEC) {
#define LOAD_ROW(r)                                                                                          \
  floatv v##r = (floatv)(0.0f), w##r;                                                                        \
  if (c + r < channels) v##r = GLOAD(x + r * pixels);
      ROWS_ALL(LOAD_ROW)
      TRANSPOSE(v, w);
#define STORE_ROW(r) GSTORE(v##r, y + r * cl + c);
      ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
    } else {
      for (int p = 0; p < count; p++)
        for (int l = 0; l < VEC; l++) y[p * cl + c + l] = c + l < channels ? x[l * pixels + p] : 0.0f;
    }
  }
}

/* VEC columns from j0 of rows k0.. of the matrix. Columns beyond n may hold anything: a short row is read past its end
 * where that stays inside the matrix. */
static void pack_matrix(global const float *restrict b, local float *restrict bp, int kc, int k0, int k_all, int j0,
                        int n, int rsb, int csb) {
  const int cols = min(VEC, n - j0);
  global const float *s = b + (size_t)k0 * rsb + (size_t)j0 * csb;
  int k = 0;
  if (cols <= 0) {
    for (; k < kc; k++) LSTORE((floatv)(0.0f), bp + k * NR);
  } else if (csb == 1) {
    const int safe = cols == VEC ? kc : rsb >= VEC ? min(kc, k_all - 1 - k0) : 0;
    for (; k < safe; k++) LSTORE(GLOAD(s + (size_t)k * rsb), bp + k * NR);
  } else if (rsb == 1) {
    for (; k + VEC <= kc; k += VEC) {
#define LOAD_ROW(r)                                                                                          \
  floatv v##r = (floatv)(0.0f), w##r;                                                                        \
  if (r < cols) v##r = GLOAD(s + (size_t)r * csb + k);
      ROWS_ALL(LOAD_ROW)
      TRANSPOSE(v, w);
#define STORE_ROW(r) LSTORE(v##r, bp + (k + r) * NR);
      ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
    }
  }
  for (; k < kc; k++)
    for (int l = 0; l < VEC; l++) bp[k * NR + l] = l < cols ? s[(size_t)k * rsb + (size_t)l * csb] : 0.0f;
}
#else
typedef struct geometry {
  int total;              /* floats in x */
  int channels, xn, h, w; /* of x: channels used, floats a picture, height, width */
  int cl;                 /* 0: (N,C,H,W); else the channels of a pixel of the channels-last copy */
  int gq, gr;             /* grid of pixels */
  int sh, sw, h0, w0;     /* pixel (q,r) is over row q*sh+h0, column r*sw+w0 ... */
  int ta, tb, dh, dw;     /* ... plus a*dh, b*dw for tap (a,b) */
} geometry;
#endif

#if SOURCE == 1
/* Where VEC columns (output pixels) look: picture's offset, row and column before the tap is added. */
typedef struct columns {
  int pic[VEC], ih[VEC], iw[VEC];
  int run; /* neighbours in one row of x, row-major */
} columns;

static void find_columns(columns *restrict at, int j0, int n, const geometry g) {
  const int cols = min(VEC, n - j0);
  int pic = j0 / (g.gq * g.gr), p = j0 - pic * g.gq * g.gr, q = p / g.gr, r = p - q * g.gr;
  at->run = g.cl == 0 && g.sw == 1 && cols == VEC && r + VEC <= g.gr;
  for (int l = 0; l < VEC; l++) {
    at->pic[l] = pic * g.xn;
    at->ih[l] = l < cols ? q * g.sh + g.h0 : INT_MIN / 2;
    at->iw[l] = r * g.sw + g.w0;
    if (++r == g.gr) {
      r = 0;
      if (++q == g.gq) q = 0, pic++;
    }
  }
}

/* Channels c..c+count-1 under tap (a,b). */
static void pack_tap(global const float *restrict x, local float *restrict bp, int c, int count, int a, int b,
                     const columns *restrict at, const geometry g) {
  const int plane = g.h * g.w;
  int k = 0;
  if (at->run) {
    const int ih = at->ih[0] + a * g.dh, iw = at->iw[0] + b * g.dw;
    global const float *s = x + at->pic[0] + c * plane + ih * g.w + iw;
    if (ih < 0 || ih >= g.h || iw >= g.w || iw + VEC <= 0) {
      for (; k < count; k++) LSTORE((floatv)(0.0f), bp + k * NR);
    } else if (iw >= 0 && iw + VEC <= g.w) {
      for (; k < count; k++) LSTORE(GLOAD(s + k * plane), bp + k * NR);
    } else {
      const intv col = LANES + iw, in = col >= 0 && col < g.w;
      const int start = at->pic[0] + c * plane + ih * g.w + iw;
      if (start >= 0 && start + (count - 1) * plane + VEC <= g.total)
        for (; k < count; k++) LSTORE(select((floatv)(0.0f), GLOAD(s + k * plane), in), bp + k * NR);
      for (; k < count; k++)
        for (int l = 0; l < VEC; l++) bp[k * NR + l] = iw + l >= 0 && iw + l < g.w ? s[k * plane + l] : 0.0f;
    }
    return;
  }
  int from[VEC], in[VEC];
  for (int l = 0; l < VEC; l++) {
    const int ih = at->ih[l] + a * g.dh, iw = at->iw[l] + b * g.dw;
    in[l] = ih >= 0 && ih < g.h && iw >= 0 && iw < g.w ? -1 : 0;
    from[l] = in[l] & (g.cl ? at->pic[l] + (ih * g.w + iw) * g.cl + c : at->pic[l] + c * plane + ih * g.w + iw);
  }
  if (g.cl) {
    for (; k < count; k += VEC) {
      const int left = count - k;
#define LOAD_ROW(l)                                                                                          \
  floatv v##l = (floatv)(0.0f), w##l;                                                                        \
  if (in[l]) v##l = GLOAD(x + from[l] + k);
      ROWS_ALL(LOAD_ROW)
      TRANSPOSE(v, w);
#define STORE_ROW(l)                                                                                         \
  if (l < left) LSTORE(v##l, bp + (k + l) * NR);
      ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
    }
  } else {
    for (; k < count; k++)
      for (int l = 0; l < VEC; l++)
        bp[k * NR + l] = as_float(as_int(x[from[l] + (in[l] & (k * plane))]) & in[l]);
  }
}

static void pack_pixels(global const float *restrict x, local float *restrict bp, int kc, int k0, int j0, int n,
                        const geometry g) {
  int k = 0, t = k0 / g.channels, c = k0 - t * g.channels;
  columns at;
  find_columns(&at, j0, n, g);
  while (k < kc) {
    const int count = min(g.channels - c, kc - k);
    pack_tap(x, bp + k * NR, c, count, t / g.tb, t % g.tb, &at, g);
    k += count, c = 0, t++;
  }
}
#endif

#if SOURCE == 2
/* Pixels k0.. of VEC columns from j0; channels-last columns are VEC channels of one tap. */
static void pack_taps(global const float *restrict x, local float *restrict bp, int kc, int k0, int j0, int n,
                      const geometry g) {
  const int taps = g.ta * g.tb;
  int pic = k0 / (g.gq * g.gr), p = k0 - pic * g.gq * g.gr, q = p / g.gr, r = p - q * g.gr;
  if (j0 >= n) {
    for (int k = 0; k < kc; k++) LSTORE((floatv)(0.0f), bp + k * NR);
  } else if (g.cl) {
    const int t = j0 / g.cl, c = j0 - t * g.cl;
    const int dh = g.h0 + t / g.tb * g.dh, dw = g.w0 + t % g.tb * g.dw;
    for (int k = 0; k < kc;) {
      const int run = min(g.gr - r, kc - k), ih = q * g.sh + dh;
      global const float *s = x + pic * g.xn + ih * g.w * g.cl + c;
      for (int e = 0; e < run; e++) {
        const int iw = (r + e) * g.sw + dw;
        floatv v = (floatv)(0.0f);
        if (ih >= 0 && ih < g.h && iw >= 0 && iw < g.w) v = GLOAD(s + iw * g.cl);
        LSTORE(v, bp + (k + e) * NR);
      }
      k += run, r = 0;
      if (++q == g.gq) q = 0, pic++;
    }
  } else {
    int off[VEC], dh[VEC], dw[VEC];
    for (int l = 0; l < VEC; l++) {
      const int j = min(j0 + l, n - 1), c = j / taps, t = j - c * taps, a = t / g.tb, b = t - a * g.tb;
      dh[l] = j0 + l < n ? g.h0 + a * g.dh : INT_MIN / 2;
      dw[l] = g.w0 + b * g.dw;
      off[l] = c * g.h * g.w + (g.h0 + a * g.dh) * g.w + dw[l];
    }
    for (int k = 0; k < kc; k++) {
      const int ih = q * g.sh, iw = r * g.sw, at = pic * g.xn + ih * g.w + iw;
      for (int l = 0; l < VEC; l++) {
        const int in = ih + dh[l] >= 0 && ih + dh[l] < g.h && iw + dw[l] >= 0 && iw + dw[l] < g.w ? -1 : 0;
        bp[k * NR + l] = as_float(as_int(x[in & (at + off[l])]) & in);
      }
      if (++r == g.gr) {
        r = 0;
        if (++q == g.gq) q = 0, pic++;
      }
    }
  }
}
#endif

TILES
#if AS_IS
TILE(columns_large, MR, global, private, ZERO, ks)
TILE(columns_medium, ROWS_MEDIUM, global, private, ZERO, ks)
TILE(columns_small, ROWS_SMALL, global, private, ZERO, ks)
TILE_OF_ROWS(rows_large, MR)
TILE_OF_ROWS(rows_medium, ROWS_MEDIUM)
TILE_OF_ROWS(rows_small, ROWS_SMALL)
#endif

/* bias_kind: 1 a number a column, 2 a number a row (z*m + i). Groups: 0 panels_n panels of columns, 1 panels_m panels
 * of rows, 2 z*splits + split. C: row i, column j at c_base + z*c_batch + split*c_split + i*ldc + j; for SOURCE 1 pixel
 * (n,q,r) is at n*yn + q*yrow + r*ycol instead of j. */
kernel ONE_ITEM void panel_gemm(global const float *restrict ap, global const float *restrict b,
                                global float *restrict c, global const float *restrict bias, int m, int n,
                                int k_all, int pitch, int kc_max, int panels_n, int panels_m, int splits, int k_split,
                                int a_shared, int b_base, int b_batch, int c_base, int c_batch, int c_split, int ldc,
                                int bias_kind, int act, float slope,
#if SOURCE == 0
                                int rsb, int csb
#else
                                int x_total, int channels, int xn, int h, int w, int cl, int gq, int gr, int sh, int sw,
                                int h0, int w0, int ta, int tb, int dh, int dw
#endif
#if SOURCE == 1
                                ,
                                int yn, int yrow, int ycol
#endif
#if AS_IS
                                ,
                                int a_base, int a_batch, int a_rs, int a_ks
#endif
) {
  local float bp[KC * NR] __attribute__((aligned(128)));
  float tile[MR * NR] __attribute__((aligned(128)));
  const int z = get_group_id(2) / splits, split = get_group_id(2) - z * splits;
#if SOURCE != 0
  const geometry g = { x_total - z * b_batch, channels, xn, h, w, cl, gq, gr, sh, sw, h0, w0, ta, tb, dh, dw };
#endif
  const int k_begin = split * k_split, k_end = min(k_all, k_begin + k_split);
  const int all_m = (m + MR - 1) / MR, p0 = get_group_id(1) * panels_m, p1 = min(all_m, p0 + panels_m);
  const int j_begin = get_group_id(0) * panels_n * NR, j_end = min(n, j_begin + panels_n * NR);
#if AS_IS
  ap += a_base + (size_t)z * a_batch;
#else
  if (!a_shared) ap += (size_t)z * all_m * pitch * VEC;
#endif
  b += b_base + (size_t)z * b_batch;
  c += c_base + (size_t)z * c_batch + (size_t)split * c_split;
  int k0 = k_begin;
  do {
    const int kc = max(0, min(kc_max, k_end - k0)), first = k0 == k_begin, last = k0 + kc >= k_end;
    for (int j0 = j_begin; j0 < j_end; j0 += NR) {
      int at[2], whole[2];
      for (int side = 0; side < 2; side++) {
        const int j = j0 + side * VEC;
#if SOURCE == 0
        pack_matrix(b, bp + side * VEC, kc, k0, k_all, j, n, rsb, csb);
#elif SOURCE == 1
        pack_pixels(b, bp + side * VEC, kc, k0, j, n, g);
#else
        pack_taps(b, bp + side * VEC, kc, k0, j, n, g);
#endif
#if SOURCE == 1
        const int pixels = gq * gr, pic = j / pixels, p = j - pic * pixels, q = p / gr, r = p - q * gr;
        at[side] = pic * yn + q * yrow + r * ycol;
        whole[side] = j + VEC <= n && ycol == 1 && (yrow == gr ? p + VEC <= pixels : r + VEC <= gr);
#else
        at[side] = j;
        whole[side] = j + VEC <= n;
#endif
      }
      for (int p = p0; p < p1; p++) {
        const int i0 = p * MR, rows = min(MR, m - i0);
#if AS_IS
        const int height = rows > ROWS_MEDIUM ? MR : rows > ROWS_SMALL ? ROWS_MEDIUM : ROWS_SMALL, done = height - rows;
        global const float *a = ap + (size_t)(i0 - done) * a_rs + (size_t)k0 * a_ks;
        if (a_ks == 1) {
          if (height == MR) rows_large(a, a_rs, bp, kc, tile);
          else if (height == ROWS_MEDIUM) rows_medium(a, a_rs, bp, kc, tile);
          else rows_small(a, a_rs, bp, kc, tile);
        } else {
          if (height == MR) columns_large(a, a_ks, bp, kc, tile);
          else if (height == ROWS_MEDIUM) columns_medium(a, a_ks, bp, kc, tile);
          else columns_small(a, a_ks, bp, kc, tile);
        }
#else
        const int done = 0; /* rows of the tile that the one before has */
        global const float *a = ap + ((size_t)p * pitch + k0) * VEC;
        if (rows > ROWS_MEDIUM) tile_large(a, VEC, bp, kc, tile);
        else if (rows > ROWS_SMALL) tile_medium(a, VEC, bp, kc, tile);
        else tile_small(a, VEC, bp, kc, tile);
#endif
        for (int side = 0; side < 2; side++) {
          const int j = j0 + side * VEC, cols = min(VEC, n - j);
          if (whole[side]) {
            global float *to = c + (size_t)i0 * ldc + at[side];
            const floatv bj = last && bias_kind == 1 ? GLOAD(bias + j) : (floatv)(0.0f);
            for (int r = 0; r < rows; r++, to += ldc) {
              floatv v = PLOAD(tile + (done + r) * NR + side * VEC);
              if (!first) v += GLOAD(to);
              if (last) {
                v += bias_kind == 2 ? (floatv)(bias[z * m + i0 + r]) : bj;
                if (act) v = activate(v, act, slope);
              }
              GSTORE(v, to);
            }
            continue;
          }
          for (int l = 0; l < cols; l++) {
#if SOURCE == 1
            const int pixels = gq * gr, pic = (j + l) / pixels, pp = (j + l) - pic * pixels, q = pp / gr;
            global float *to = c + (size_t)i0 * ldc + pic * yn + q * yrow + (pp - q * gr) * ycol;
#else
            global float *to = c + (size_t)i0 * ldc + j + l;
#endif
            for (int r = 0; r < rows; r++, to += ldc) {
              float v = tile[(done + r) * NR + side * VEC + l];
              if (!first) v += *to;
              if (last) {
                if (bias_kind) v += bias_kind == 2 ? bias[z * m + i0 + r] : bias[j + l];
                if (act) v = activate((floatv)(v), act, slope).s0;
              }
              *to = v;
            }
          }
        }
      }
    }
    k0 += kc_max;
  } while (k0 < k_end);
}
