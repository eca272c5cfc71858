/* gemm_packed.cl: packed GEMM and implicit-GEMM convolution, for drivers that run one work-item at
 * a time and have wide vectors.
 *
 *   C[i,j] = act( sum_k A[i,k] B[k,j] + bias )    i < m, j < n, k < k_all, for every z of a batch
 *
 * Buffers (f32, with HALF a, b and the x of channels_last f16; args.h has the fields):
 *   a     A as the caller has it: gemm_a
 *   ap    A in panels of mr <= VEC rows (MR for gemm_packed), [z][panel][k][VEC], k < pitch: rows
 *         beyond m are zero, lanes beyond mr undefined. Made by gemm_pack.
 *   b     B; what it is depends on SOURCE:
 *           0  a matrix
 *           1  the taps under output pixel j = (n,q,r), k = (a,b,c): convolution, and its input
 *              gradient a phase of the stride at a time
 *           2  the same transposed: k = (n,q,r); j = (a,b,c) when x is channels-last, else
 *              (c,a,b): filter gradient
 *         Patches are of x (N,C,H,W), or, with cl > 0, of the channels-last copy (N,H,W,cl) that
 *         channels_last makes of it, cl being the channels rounded up to VEC.
 *   c     C: gemm_c
 *   bias  a number a column, a row or an element
 *
 * gemm_packed walks k in blocks of at most KC. For each block and each 2*VEC columns of B:
 *   pack      copies them into bp[k][2*VEC], or the first panel's multiplication does
 *   multiply  with each panel of A: a tile of MR x 2*VEC sums lives in registers
 *   store     blocks after the first add to C; the last one applies bias and activation
 * With split-K each part writes a C of its own, summed by gemm_reduce.cl. With AS_IS multiply
 * reads A where it lies, rs or s1 being 1; a tile that would go past the last row begins that much
 * earlier. Nobody reads what another work-item writes and sums have a fixed order: results repeat
 * bit for bit.
 *
 * Tunables:
 *   VEC     floats in a vector: 16 (AVX-512) or 8
 *   KC      most rows of bp (local memory: KC*2*VEC*4 bytes)
 *   AS_IS   see above, with SOURCE 0
 *   HALF    1: operands are stored in half precision (not with AS_IS, nor b with cl > 0)
 *   HALF_C  1: c is, and k one block
 *   SOURCE  see above; gemm_pack and channels_last are in the program of SOURCE 0
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

#include "args.h"
#include "packed.cl"

#if SOURCE == 0
/* k values k_begin.. of l1, for every l0. */
static void pack_by_inner(global const stored *restrict src, global float *restrict dst,
                          int rows, int begin, const gemm_a a, const pack_sizes s) {
  const int end = min(a.len, begin + s.chunk), outer = s.k / a.len;
  for (int l1 = begin; l1 < end; l1++) {
    for (int l0 = 0; l0 < outer; l0++) {
      global const stored *from = src + (l0 / a.tb) * a.sa + (l0 % a.tb) * a.sb + l1 * a.s1;
      global float *to = dst + (size_t)(l0 * a.len + l1) * VEC;
      for (int r = 0; r < s.mr; r++) to[r] = r < rows ? STORED(from, r * a.rs) : 0.0f;
    }
  }
}

/* `run` values of k from k on, which lie s1 apart from `from` on. */
static void pack_run(global const stored *restrict from, global float *restrict dst, int rows,
                     int k, int run, const gemm_a a, const pack_sizes s) {
  int t = k % s.perm_t, c = k / s.perm_t, x = 0;
  int t_ahead = (k + VEC) % s.perm_t, c_ahead = (k + VEC) / s.perm_t;
#define NEXT_ROW                                                                                   \
  PREFETCH_TO_WRITE(dst + (size_t)(t_ahead * s.perm_c + c_ahead) * VEC);                           \
  if (++t == s.perm_t) t = 0, c++;                                                                 \
  if (++t_ahead == s.perm_t) t_ahead = 0, c_ahead++;
  if (a.s1 == 1) {
    for (; x + VEC <= run; x += VEC) {
#define LOAD_ROW(r)                                                                                \
  floatv v##r = (floatv)(0.0f), w##r;                                                              \
  if (r < rows) v##r = STORED_VECTOR(from + r * a.rs + x);
      ROWS_ALL(LOAD_ROW)
      TRANSPOSE(v, w);
#define STORE_ROW(r)                                                                               \
  GSTORE(v##r, dst + (size_t)(t * s.perm_c + c) * VEC);                                            \
  NEXT_ROW
      ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
    }
  } else if (a.rs == 1 && rows == s.mr) {
    for (; x < run; x++) {
      global float *to = dst + (size_t)(t * s.perm_c + c) * VEC;
      global const stored *column = from + x * a.s1;
      for (int r = 0; r < s.mr; r += 2)
        vstore2((float2)(STORED(column, r), STORED(column, r + 1)), 0, to + r);
      NEXT_ROW
    }
  }
  for (; x < run; x++) {
    global float *to = dst + (size_t)(t * s.perm_c + c) * VEC;
    for (int r = 0; r < s.mr; r++) to[r] = r < rows ? STORED(from, r * a.rs + x * a.s1) : 0.0f;
    NEXT_ROW
  }
#undef NEXT_ROW
}

/* Groups: 0 panels of mr rows, 1 `chunk` values of k (with by_inner `chunk` values of l1 for every
 * l0; then perm_t is 1), 2 z. k goes to row (k%perm_t)*perm_c + k/perm_t of its panel: a filter's
 * k = (c,t) becomes (t,c). */
kernel ONE_ITEM void gemm_pack(global const stored *restrict a, global float *restrict ap,
                                const gemm_a la, const pack_sizes s) {
  const int panel = get_group_id(0), i0 = panel * s.mr, rows = min(s.mr, s.m - i0);
  const int begin = get_group_id(1) * s.chunk, z = get_group_id(2);
  global const stored *src = a + la.base + z * la.batch + i0 * la.rs;
  global float *dst = ap + ((size_t)z * get_num_groups(0) + panel) * s.pitch * VEC;
  if (s.by_inner) {
    pack_by_inner(src, dst, rows, begin, la, s);
    return;
  }

  const int end = min(s.k, begin + s.chunk);
  for (int k = begin, run; k < end; k += run) {
    const int l0 = k / la.len, l1 = k - l0 * la.len;
    run = min(la.len - l1, end - k);
    pack_run(src + (l0 / la.tb) * la.sa + (l0 % la.tb) * la.sb + l1 * la.s1, dst, rows, k, run, la,
             s);
  }
}

/* x: channels z*channels.. of (N,all,P) -> y[z] (N,P,cl), channels beyond are zero, and behind them
 * one pixel of zeros. Groups: 0 CHANNELS_LAST_PIXELS pixels, 1 image, 2 z. */
kernel ONE_ITEM void channels_last(global const stored *restrict x, global float *restrict y,
                                   int all, int channels, int cl, int pixels) {
  const int p0 = get_group_id(0) * CHANNELS_LAST_PIXELS;
  const int end = min(p0 + CHANNELS_LAST_PIXELS, pixels);
  const int image = get_group_id(1), z = get_group_id(2);
  if (p0 == 0 && image == 0 && z == 0) {
    global float *zeros = y + (size_t)get_num_groups(2) * get_num_groups(1) * pixels * cl;
    for (int c = 0; c < cl; c++) zeros[c] = 0.0f;
  }
  x += ((size_t)image * all + z * channels) * pixels;
  y += ((size_t)z * get_num_groups(1) + image) * pixels * cl;
  for (int c = 0; c < cl; c += VEC, x += VEC * pixels, y += VEC) {
    int p = p0;
    for (; p + VEC <= end; p += VEC) {
#define LOAD_ROW(r)                                                                                \
  floatv v##r = (floatv)(0.0f), w##r;                                                              \
  if (c + r < channels) v##r = STORED_VECTOR(x + r * pixels + p);
      ROWS_ALL(LOAD_ROW)
      TRANSPOSE(v, w);
#define STORE_ROW(r)                                                                               \
  PREFETCH_TO_WRITE(y + (p + VEC + r) * cl);                                                       \
  GSTORE(v##r, y + (p + r) * cl);
      ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
    }
    for (; p < end; p++)
      for (int l = 0; l < VEC; l++)
        y[p * cl + l] = c + l < channels ? STORED(x, l * pixels + p) : 0.0f;
  }
}

/* VEC columns from j0 of rows k0.. of the matrix. Columns beyond n may hold anything: a short row
 * is read past its end where that stays inside the matrix. */
static void pack_matrix(global const stored *restrict b, local float *restrict bp, int kc, int k0,
                        int k_all, int j0, int n, int rsb, int csb) {
  const int cols = min(VEC, n - j0);
  global const stored *s = b + (size_t)k0 * rsb + (size_t)j0 * csb;
  int k = 0;
  if (cols <= 0) {
    for (; k < kc; k++) LSTORE((floatv)(0.0f), bp + k * NR);
  } else if (csb == 1) {
    const int safe = cols == VEC ? kc : rsb >= VEC ? min(kc, k_all - 1 - k0) : 0;
    for (; k < safe; k++) LSTORE(STORED_VECTOR(s + (size_t)k * rsb), bp + k * NR);
  } else if (rsb == 1) {
    for (; k + VEC <= kc; k += VEC) {
#define LOAD_ROW(r)                                                                                \
  floatv v##r = (floatv)(0.0f), w##r;                                                              \
  if (r < cols) v##r = STORED_VECTOR(s + (size_t)r * csb + k);
      ROWS_ALL(LOAD_ROW)
      TRANSPOSE(v, w);
#define STORE_ROW(r) LSTORE(v##r, bp + (k + r) * NR);
      ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
    }
  }
  /* Zeros as a whole vector: of a loop over those behind the last column, a compiler made one that
   * also wrote the next row's first. */
  for (; k < kc; k++) {
    if (cols < VEC) LSTORE((floatv)(0.0f), bp + k * NR);
    for (int l = 0; l < cols; l++) bp[k * NR + l] = STORED(s, (size_t)k * rsb + (size_t)l * csb);
  }
}
#endif

#if SOURCE == 1
/* Of VEC columns (output pixels): offset of the image, row and column before the tap is added. */
typedef struct columns {
  int image[VEC], ih[VEC], iw[VEC];
  int run; /* neighbours in one row of x, row-major */
} columns;

static void find_columns(columns *restrict at, int j0, int n, const patches g) {
  const int cols = min(VEC, n - j0);
  int image = j0 / (g.gq * g.gr), p = j0 - image * g.gq * g.gr, q = p / g.gr, r = p - q * g.gr;
  at->run = g.cl == 0 && g.sw == 1 && cols == VEC && r + VEC <= g.gr;
  for (int l = 0; l < VEC; l++) {
    at->image[l] = image * g.image;
    at->ih[l] = l < cols ? q * g.sh + g.h0 : INT_MIN / 2;
    at->iw[l] = r * g.sw + g.w0;
    if (++r == g.gr) {
      r = 0;
      if (++q == g.gq) q = 0, image++;
    }
  }
}

/* Channels c..c+count-1 under tap (a,b) of VEC neighbours in one row of x. */
static void pack_tap_run(global const stored *restrict x, local float *restrict bp, int c,
                         int count, int ih, int iw, int image, const patches g) {
  const int plane = g.h * g.w, start = image + c * plane + ih * g.w + iw;
  global const stored *s = x + start;
  int k = 0;
  if (ih < 0 || ih >= g.h || iw >= g.w || iw + VEC <= 0) {
    for (; k < count; k++) LSTORE((floatv)(0.0f), bp + k * NR);
  } else if (iw >= 0 && iw + VEC <= g.w) {
    for (; k < count; k++) LSTORE(STORED_VECTOR(s + k * plane), bp + k * NR);
  } else {
    const intv col = LANES + iw, in = col >= 0 && col < g.w;
    if (start >= 0 && start + (count - 1) * plane + VEC <= g.total)
      for (; k < count; k++)
        LSTORE(select((floatv)(0.0f), STORED_VECTOR(s + k * plane), in), bp + k * NR);
    for (; k < count; k++)
      for (int l = 0; l < VEC; l++)
        bp[k * NR + l] = iw + l >= 0 && iw + l < g.w ? STORED(s, k * plane + l) : 0.0f;
  }
}

/* Channels c..c+count-1 under tap (a,b) of any VEC pixels. */
static void pack_tap(global const stored *restrict x, local float *restrict bp, int c, int count,
                     int a, int b, const columns *restrict at, const patches g) {
  const int plane = g.h * g.w;
  if (at->run) {
    pack_tap_run(x, bp, c, count, at->ih[0] + a * g.dh, at->iw[0] + b * g.dw, at->image[0], g);
    return;
  }

  int from[VEC], in[VEC];
  for (int l = 0; l < VEC; l++) {
    const int ih = at->ih[l] + a * g.dh, iw = at->iw[l] + b * g.dw, pixel = ih * g.w + iw;
    in[l] = ih >= 0 && ih < g.h && iw >= 0 && iw < g.w ? -1 : 0;
    from[l] = in[l] & (at->image[l] + (g.cl ? pixel * g.cl + c : c * plane + pixel));
  }
  if (!g.cl) {
    for (int k = 0; k < count; k++)
      for (int l = 0; l < VEC; l++)
        bp[k * NR + l] = as_float(as_int(STORED(x, from[l] + (in[l] & (k * plane)))) & in[l]);
    return;
  }

  for (int k = 0; k < count; k += VEC) {
    const int left = count - k;
#define LOAD_ROW(l)                                                                                \
  floatv v##l = (floatv)(0.0f), w##l;                                                              \
  if (in[l]) v##l = STORED_VECTOR(x + from[l] + k);
    ROWS_ALL(LOAD_ROW)
    TRANSPOSE(v, w);
#define STORE_ROW(l)                                                                               \
  if (l < left) LSTORE(v##l, bp + (k + l) * NR);
    ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
  }
}

static void pack_pixels(global const stored *restrict x, local float *restrict bp, int kc, int k0,
                        int j0, int n, const patches g) {
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
/* Pixels k0.. of VEC columns from j0, which are VEC channels of one tap. */
static void pack_taps_channels_last(global const stored *restrict x, local float *restrict bp,
                                    int kc, int k0, int j0, const patches g) {
  int image = k0 / (g.gq * g.gr), p = k0 - image * g.gq * g.gr, q = p / g.gr, r = p - q * g.gr;
  const int t = j0 / g.cl, c = j0 - t * g.cl;
  const int dh = g.h0 + t / g.tb * g.dh, dw = g.w0 + t % g.tb * g.dw;
  for (int k = 0; k < kc;) {
    const int run = min(g.gr - r, kc - k), ih = q * g.sh + dh;
    global const stored *s = x + image * g.image + ih * g.w * g.cl + c;
    for (int e = 0; e < run; e++) {
      const int iw = (r + e) * g.sw + dw;
      floatv v = (floatv)(0.0f);
      if (ih >= 0 && ih < g.h && iw >= 0 && iw < g.w) v = STORED_VECTOR(s + iw * g.cl);
      LSTORE(v, bp + (k + e) * NR);
    }
    k += run, r = 0;
    if (++q == g.gq) q = 0, image++;
  }
}

/* Pixels k0.. of VEC columns j = (c,a,b) from j0. */
static void pack_taps(global const stored *restrict x, local float *restrict bp, int kc, int k0,
                      int j0, int n, const patches g) {
  const int taps = g.ta * g.tb;
  int image = k0 / (g.gq * g.gr), p = k0 - image * g.gq * g.gr, q = p / g.gr, r = p - q * g.gr;
  int off[VEC], dh[VEC], dw[VEC];
  for (int l = 0; l < VEC; l++) {
    const int j = min(j0 + l, n - 1), c = j / taps, t = j - c * taps;
    const int a = t / g.tb, b = t - a * g.tb;
    dh[l] = j0 + l < n ? g.h0 + a * g.dh : INT_MIN / 2;
    dw[l] = g.w0 + b * g.dw;
    off[l] = c * g.h * g.w + (g.h0 + a * g.dh) * g.w + dw[l];
  }
  for (int k = 0; k < kc; k++) {
    const int ih = q * g.sh, iw = r * g.sw, at = image * g.image + ih * g.w + iw;
    for (int l = 0; l < VEC; l++) {
      const int y = ih + dh[l], z = iw + dw[l];
      const int in = y >= 0 && y < g.h && z >= 0 && z < g.w ? -1 : 0;
      bp[k * NR + l] = as_float(as_int(STORED(x, in & (at + off[l]))) & in);
    }
    if (++r == g.gr) {
      r = 0;
      if (++q == g.gq) q = 0, image++;
    }
  }
}
#endif

TILES
#if AS_IS
TILE(columns_large, MR, global, private, ZERO, ks)
TILE(columns_medium, ROWS_MEDIUM, global, private, ZERO, ks)
TILE(columns_small, ROWS_SMALL, global, private, ZERO, ks)
TILE_OF_ROWS(rows_large, MR, PACKED_B, TAKE_B)
TILE_OF_ROWS(rows_medium, ROWS_MEDIUM, PACKED_B, TAKE_B)
TILE_OF_ROWS(rows_small, ROWS_SMALL, PACKED_B, TAKE_B)
TILE_OF_ROWS(rows_packing, MR, RAW_B, PACK_B)
#endif

/* tile_large for the first panel of rows, which packs 2*VEC columns of B in passing; columns of the
 * panel are ks apart. */
static void tile_packing(global const float *restrict ap, size_t ks, RAW_B, int kc,
                         float *restrict t) {
  floatv c[MR], d[MR];
  _Pragma("unroll") for (int r = 0; r < MR; r++) c[r] = d[r] = (floatv)(0.0f);
  for (size_t k = 0; k < (size_t)kc; k++) {
    PREFETCH(ap + (k + 8) * ks);
    PACK_B(k)
    _Pragma("unroll") for (int r = 0; r < MR; r++) {
      const floatv v = (floatv)(ap[k * ks + r]);
      c[r] = fma(v, b0, c[r]);
      d[r] = fma(v, b1, d[r]);
    }
  }
  _Pragma("unroll") for (int r = 0; r < MR; r++)
      PSTORE(c[r], t + r * NR), PSTORE(d[r], t + r * NR + VEC);
}

/* ---- phases of gemm_packed ---- */

/* Pack: kc rows from k0 of VEC columns from j0 of B. */
static void pack_columns(global const stored *restrict b, local float *restrict bp, int kc, int k0,
                         int j0, const gemm_sizes s, const gemm_b lb, const patches g) {
#if SOURCE == 0
  pack_matrix(b, bp, kc, k0, s.k, j0, s.n, lb.rs, lb.cs);
#elif SOURCE == 1
  pack_pixels(b, bp, kc, k0, j0, s.n, g);
#else
  if (j0 >= s.n) {
    for (int k = 0; k < kc; k++) LSTORE((floatv)(0.0f), bp + k * NR);
  } else if (g.cl) {
    pack_taps_channels_last(b, bp, kc, k0, j0, g);
  } else {
    pack_taps(b, bp, kc, k0, j0, s.n, g);
  }
#endif
}

/* Multiply: panel p of A, kc values of k from k0, times bp. With AS_IS the tile may begin above the
 * panel; returns how many of its rows belong to the panel before. */
static int multiply(global const float *restrict ap, local const float *restrict bp, int p,
                    int rows, int k0, int kc, const packed_blocks blocks, const gemm_a la,
                    float *restrict tile) {
#if AS_IS
  const int height = rows > ROWS_MEDIUM ? MR : rows > ROWS_SMALL ? ROWS_MEDIUM : ROWS_SMALL;
  const int first = p * MR - (height - rows);
  global const float *a = ap + (size_t)first * la.rs + (size_t)k0 * la.s1;
  if (la.s1 == 1) {
    if (height == MR) rows_large(a, la.rs, bp, kc, tile);
    else if (height == ROWS_MEDIUM) rows_medium(a, la.rs, bp, kc, tile);
    else rows_small(a, la.rs, bp, kc, tile);
  } else {
    if (height == MR) columns_large(a, la.s1, bp, kc, tile);
    else if (height == ROWS_MEDIUM) columns_medium(a, la.s1, bp, kc, tile);
    else columns_small(a, la.s1, bp, kc, tile);
  }
  return height - rows;
#else
  global const float *a = ap + ((size_t)p * blocks.pitch + k0) * VEC;
  if (rows > ROWS_MEDIUM) tile_large(a, VEC, bp, kc, tile);
  else if (rows > ROWS_SMALL) tile_medium(a, VEC, bp, kc, tile);
  else tile_small(a, VEC, bp, kc, tile);
  return 0;
#endif
}

/* Pack and multiply: the same for a panel of more than ROWS_MEDIUM rows and 2*VEC columns that lie
 * side by side at b, rsb apart. */
static int pack_and_multiply(global const float *restrict ap, RAW_B, int p, int rows, int k0,
                             int kc, const packed_blocks blocks, const gemm_a la,
                             float *restrict tile) {
#if AS_IS
  const int above = MR - rows;
  global const float *a = ap + (size_t)(p * MR - above) * la.rs + (size_t)k0 * la.s1;
  if (la.s1 == 1) rows_packing(a, la.rs, b, rsb, bp, kc, tile);
  else tile_packing(a, la.s1, b, rsb, bp, kc, tile);
  return above;
#else
  tile_packing(ap + ((size_t)p * blocks.pitch + k0) * VEC, VEC, b, rsb, bp, kc, tile);
  return 0;
#endif
}

/* Offset of column j in a row of C. */
static int column_at(int j, const gemm_c lc, const patches g) {
#if SOURCE == 1
  const int pixels = g.gq * g.gr, image = j / pixels, p = j - image * pixels, q = p / g.gr;
  return image * lc.yn + q * lc.yrow + (p - q * g.gr) * lc.ycol;
#else
  return j;
#endif
}

/* Whether the 2*VEC columns of B from j0 on are there and lie side by side. */
static int side_by_side(int j0, const gemm_sizes s, const gemm_b lb) {
  return SOURCE == 0 && lb.cs == 1 && j0 + NR <= s.n;
}

/* Asks early for a share of the next 2*VEC columns of B, which pack will read from far away. */
static void prefetch_columns(global const stored *restrict b, int kc, int k0, int j0, int turn,
                             int turns, const gemm_sizes s, const gemm_b lb) {
  if (!side_by_side(j0, s, lb)) return;
  const int share = (kc + turns - 1) / turns, from = turn * share, end = min(kc, from + share);
  for (int k = from; k < end; k++) {
    global const stored *row = b + (size_t)(k0 + k) * lb.rs + j0;
    PREFETCH(row);
    PREFETCH(row + VEC);
  }
}

/* Where VEC columns from j on go in a row of C, and whether they lie side by side there. */
typedef struct place {
  int at, whole;
} place;

static place place_of(int j, int n, const gemm_c lc, const patches g) {
#if SOURCE == 1
  const int pixels = g.gq * g.gr, p = j % pixels, r = p % g.gr;
  const int run = lc.yrow == g.gr ? p + VEC <= pixels : r + VEC <= g.gr;
  return (place) { column_at(j, lc, g), j + VEC <= n && lc.ycol == 1 && run };
#else
  return (place) { j, j + VEC <= n };
#endif
}

/* C in half precision has one block of k. */
#if defined(HALF_C) && HALF_C
#define ADD_TO_C(statement)
#else
#define ADD_TO_C(statement) statement
#endif

/* What a block of k does to C: the first sets it, others add; the last applies the epilogue. */
typedef struct turn {
  int first, last;
} turn;

/* Store: VEC columns of the tile's `rows` rows at c. bias: of row 0, of column 0, or of both. */
static void store_vectors(const float *restrict tile, global result *restrict c,
                          global const float *restrict bias, int rows, const turn k,
                          const gemm_c lc) {
  const floatv bj = k.last && lc.bias_kind == 1 ? GLOAD(bias) : (floatv)(0.0f);
  const int every = k.first && lc.bias_kind == 3;
  for (int r = 0; r < rows; r++, c += lc.ldc) {
    floatv v = PLOAD(tile + r * NR);
    ADD_TO_C(if (!k.first) v += GLOAD(c));
    if (every) v += GLOAD(bias + r * lc.ldc);
    if (k.last) {
      v += lc.bias_kind == 2 ? (floatv)(bias[r]) : bj;
      if (lc.act) v = activate(v, lc.act, lc.slope);
    }
    STORE_VECTOR(v, c);
  }
}

/* Store: one column of the tile's `rows` rows at c. */
static void store_column(const float *restrict tile, global result *restrict c,
                         global const float *restrict bias, int rows, const turn k,
                         const gemm_c lc) {
  for (int r = 0; r < rows; r++, c += lc.ldc) {
    float v = tile[r * NR];
    ADD_TO_C(if (!k.first) v += *c);
    if (k.first && lc.bias_kind == 3) v += bias[r * lc.ldc];
    if (k.last) {
      if (lc.bias_kind == 1) v += *bias;
      if (lc.bias_kind == 2) v += bias[r];
      if (lc.act) v = activate((floatv)(v), lc.act, lc.slope).s0;
    }
    STORE(v, c, 0);
  }
}

/* Of the bias of column j, which goes to `at` in a row of C. */
static int bias_at(int j, int at, const gemm_c lc) {
  return lc.bias_kind == 1 ? j : lc.bias_kind == 3 ? at : 0;
}

/* Store: the tile's rows from row i on, columns from j0 on. */
static void store_tile(const float *restrict tile, global result *restrict c,
                       global const float *restrict bias, int i, int rows, int j0, int z,
                       const place *restrict to, const turn k, const gemm_sizes s, const gemm_c lc,
                       const patches g) {
  c += (size_t)i * lc.ldc;
  if (lc.bias_kind == 2) bias += z * s.m + i;
  if (lc.bias_kind == 3) bias += lc.base + (size_t)z * lc.batch + (size_t)i * lc.ldc;
  for (int side = 0; side < 2; side++) {
    const int j = j0 + side * VEC, cols = min(VEC, s.n - j);
    if (to[side].whole) {
      store_vectors(tile + side * VEC, c + to[side].at, bias + bias_at(j, to[side].at, lc), rows,
                    k, lc);
      continue;
    }
    for (int l = 0; l < cols; l++) {
      const int at = column_at(j + l, lc, g);
      store_column(tile + side * VEC + l, c + at, bias + bias_at(j + l, at, lc), rows, k, lc);
    }
  }
}

/* Groups: 0 panels_n panels of columns, 1 panels_m panels of rows, 2 z*splits + part of k. */
kernel ONE_ITEM void gemm_packed(global const float *restrict ap, global const stored *restrict b,
                                global result *restrict c, global const float *restrict bias,
                                const gemm_sizes s, const packed_blocks blocks, const gemm_a la,
                                const gemm_b lb, const gemm_c lc, const patches x) {
  local float bp[KC * NR] __attribute__((aligned(128)));
  float tile[MR * NR] __attribute__((aligned(128)));
  const int z = get_group_id(2) / s.splits, part = get_group_id(2) - z * s.splits;
  const int k_begin = part * s.k_split, k_end = min(s.k, k_begin + s.k_split);
  const int panels = (s.m + MR - 1) / MR;
  const int p_begin = get_group_id(1) * blocks.panels_m;
  const int p_end = min(panels, p_begin + blocks.panels_m);
  const int j_begin = get_group_id(0) * blocks.panels_n * NR;
  const int j_end = min(s.n, j_begin + blocks.panels_n * NR);
  patches g = x;
  g.total -= z * lb.batch;
  b += lb.base + (size_t)z * lb.batch;
  c += lc.base + (size_t)z * lc.batch + (size_t)part * lc.split;
#if AS_IS
  ap += la.base + (size_t)z * la.batch;
#else
  if (!blocks.a_shared) ap += (size_t)z * panels * blocks.pitch * VEC;
#endif

  int k0 = k_begin;
  do {
    const int kc = max(0, min(blocks.kc, k_end - k0));
    const turn k = { k0 == k_begin, k0 + kc >= k_end };
    for (int j0 = j_begin; j0 < j_end; j0 += NR) {
      place to[2];
      const int in_passing = side_by_side(j0, s, lb) && s.m - p_begin * MR > ROWS_MEDIUM;
      for (int side = 0; side < 2; side++) {
        const int j = j0 + side * VEC;
        if (!in_passing) pack_columns(b, bp + side * VEC, kc, k0, j, s, lb, g);
        to[side] = place_of(j, s.n, lc, g);
      }
      for (int p = p_begin; p < p_end; p++) {
        const int rows = min(MR, s.m - p * MR);
        prefetch_columns(b, kc, k0, j0 + NR, p - p_begin, p_end - p_begin, s, lb);
        const int done =
            in_passing && p == p_begin
                ? pack_and_multiply(ap, b + (size_t)k0 * lb.rs + j0, lb.rs, bp, p, rows, k0, kc,
                                    blocks, la, tile)
                : multiply(ap, bp, p, rows, k0, kc, blocks, la, tile);
        store_tile(tile + done * NR, c, bias, p * MR, rows, j0, z, to, k, s, lc, g);
      }
    }
    k0 += blocks.kc;
  } while (k0 < k_end);
}
