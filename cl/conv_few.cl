/* conv_few.cl: convolutions of images with few channels (first layers) and their two gradients,
 * one work-item at a time.
 *
 *   forward      y[n,o,p]  = act( bias[o] + sum_k w[o,k] col[n,k,p] )
 *   filter grad  gw[o,k]   = sum_{n,p} gy[n,o,p] col[n,k,p]
 *                with fewer filters than channels, x and gy may change places: with all taps,
 *                gy seen from x's pixels is what x is from gy's, in the other order
 *   input grad   gx[n,c,i] = act( bias[c] + sum of t[n,k,p] where col[n,k,p] is x[n,c,i] ),
 *                t[n,k,p]  = sum_o w[o,k] gy[n,o,p]
 *
 * with k = (c,a,b) a tap, p = (q,r) an output pixel and col[n,k,p] what it sees: conv_shape of
 * args.h. K = C*KH*KW is small, so all columns of a block of output rows stay in the L1 cache
 * (local memory): col[k][pitch], its pixels side by side, so that vectors are full whatever the
 * width. The last vector of a block overlaps the one before.
 *   load   a block of an image to pad[c][row][wide], which has the zeros around it
 *   pack   that to col
 *   multiply, store
 * A work-item does `share` units; unit (n, block) is rows gq*block/blocks .. gq*(block+1)/blocks of
 * image n. Fixed order everywhere: results repeat bit for bit.
 *
 * Buffers (f32): x (N,C,H,W), w (O,C,KH,KW), y (N,O,gq,gr), all as they lie;
 * part[item][o][k], the sums of each work-item of few_filter_grad for gemm_reduce.cl.
 *
 * Tunables:
 *   VEC                         floats in a vector: 16 or 8
 *   FORWARD_ROWS, FORWARD_WIDE  a tile of sums: filters by vectors of pixels
 *   GRAD_ROWS, GRAD_TAPS        a tile of the filter gradient: filters by taps; of the input
 *                               gradient: taps by 2 vectors of pixels
 */
#ifndef FORWARD_ROWS
#define FORWARD_ROWS 4
#define FORWARD_WIDE 3
#define GRAD_ROWS    3
#define GRAD_TAPS    3
#endif

#include "args.h"
#include "packed.cl"

typedef floatv local_floatu __attribute__((aligned(4)));
#define LLOADU(p)     (*(local const local_floatu *)(p))
#define LSTOREU(v, p) (*(local local_floatu *)(p) = (v))
#define EVENS(a, b)   ((floatv)((a).even, (b).even))

static void copy_row(global const float *restrict from, local float *restrict to, int n) {
  if (n < VEC) {
    for (int i = 0; i < n; i++) to[i] = from[i];
    return;
  }
  for (int i = 0; i < n; i += VEC) {
    const int at = min(i, n - VEC);
    LSTOREU(GLOAD(from + at), to + at);
  }
}

/* Load: what output rows q0 .. q0+count-1 of image x see. pad holds zeros left and right of its
 * rows. */
static void load_rows(global const float *restrict x, local float *restrict pad, int q0, int count,
                      const conv_shape s, const few_blocks p) {
  const int tall = (count - 1) * s.sh + (s.kh - 1) * s.dh + 1;
  for (int c = 0; c < s.channels; c++) {
    for (int row = 0; row < tall; row++) {
      local float *to = pad + (c * p.rows + row) * p.wide;
      const int ih = q0 * s.sh - s.top + row;
      if (ih >= 0 && ih < s.h) copy_row(x + (c * s.h + ih) * s.w, to + s.left, s.w);
      else clear(to, p.wide);
    }
  }
}

/* Pack: a row of columns. */
static void pack_row(local const float *restrict from, local float *restrict to, int n, int step) {
  if (step == 1) {
    for (int r = 0; r < n; r += VEC) LSTOREU(LLOADU(from + r), to + r);
  } else if (step == 2) {
    for (int r = 0; r < n; r += VEC)
      LSTOREU(EVENS(LLOADU(from + 2 * r), LLOADU(from + 2 * r + VEC)), to + r);
  } else {
    for (int r = 0; r < n; r++) to[r] = from[r * step];
  }
}

/* Pack: the columns of `count` output rows. */
static void pack_columns(local const float *restrict pad, local float *restrict col, int count,
                         const conv_shape s, const few_blocks p) {
  for (int c = 0; c < s.channels; c++) {
    for (int tap = 0, a = 0, b = 0; tap < s.kh * s.kw; tap++, col += p.pitch) {
      local const float *from = pad + (c * p.rows + a * s.dh) * p.wide + b * s.dw;
      local float *to = col;
      for (int q = 0; q < count; q++, from += s.sh * p.wide, to += s.gr)
        pack_row(from, to, s.gr, s.sw);
      if (++b == s.kw) b = 0, a++;
    }
  }
}

/* ---- forward ---- */

/* Multiply and store: wt[FORWARD_ROWS] biases, then wt[k][FORWARD_ROWS] weights; y is the first of
 * `rows` planes, `count` pixels of each. From pixel j on as many as fill P vectors at a time;
 * returns the first pixel left over. */
#define FORWARD(NAME, N, P)                                                                        \
  static int NAME(local const float *restrict wt, local const float *restrict col,                 \
                  global float *restrict y, int k_all, int pitch, int j, int count, int plane,     \
                  int rows, int act, float slope) {                                                \
    for (; P == 1 ? j < count : j + P * VEC <= count; j += P * VEC) {                              \
      const int at = min(j, count - VEC);                                                          \
      floatv s[N * P];                                                                             \
      _Pragma("unroll") for (int i = 0; i < N * P; i++) s[i] = (floatv)(wt[i / P]);                \
      for (int k = 0; k < k_all; k++) {                                                            \
        floatv v[P];                                                                               \
        _Pragma("unroll") for (int l = 0; l < P; l++) v[l] =                                       \
            LLOADU(col + k * pitch + at + l * VEC);                                                \
        local const float *f = wt + (k + 1) * FORWARD_ROWS;                                        \
        _Pragma("unroll") for (int i = 0; i < N * P; i++) s[i] =                                   \
            fma((floatv)(f[i / P]), v[i % P], s[i]);                                               \
      }                                                                                            \
      if (act == 1) {                                                                              \
        _Pragma("unroll") for (int i = 0; i < N * P; i++) s[i] =                                   \
            select(s[i], (floatv)(0.0f), s[i] <= 0.0f);                                            \
      } else if (act) {                                                                            \
        float tile[N * P * VEC] __attribute__((aligned(64)));                                      \
        _Pragma("unroll") for (int i = 0; i < N * P; i++) PSTORE(s[i], tile + i * VEC);            \
        for (int i = 0; i < rows * P; i++)                                                         \
          PSTORE(activate(PLOAD(tile + i * VEC), act, slope), tile + i * VEC);                     \
        _Pragma("unroll") for (int i = 0; i < N * P; i++) s[i] = PLOAD(tile + i * VEC);            \
      }                                                                                            \
      _Pragma("unroll") for (int i = 0; i < N * P; i++)                                            \
        if (i / P < rows) GSTORE(s[i], y + i / P * plane + at + i % P * VEC);                      \
    }                                                                                              \
    return j;                                                                                      \
  }
FORWARD(forward_wide, FORWARD_ROWS, FORWARD_WIDE)
FORWARD(forward_two, FORWARD_ROWS, 2)
FORWARD(forward_one, FORWARD_ROWS, 1)

/* Load: biases and weights as above, FORWARD_ROWS filters at a time; zeros beyond the last. */
static void load_weights(global const float *restrict w, global const float *restrict bias,
                         local float *restrict wt, int has_bias, int k_all, int filters) {
  for (int o0 = 0; o0 < filters; o0 += FORWARD_ROWS, wt += (k_all + 1) * FORWARD_ROWS) {
    for (int i = 0; i < FORWARD_ROWS; i++) {
      const int o = o0 + i;
      wt[i] = has_bias && o < filters ? bias[o] : 0.0f;
      for (int k = 0; k < k_all; k++)
        wt[(k + 1) * FORWARD_ROWS + i] = o < filters ? w[o * k_all + k] : 0.0f;
    }
  }
}

kernel ONE_ITEM void few_forward(global const float *restrict x, global const float *restrict w,
                                  global float *restrict y, global const float *restrict bias,
                                  local float *restrict wt, local float *restrict pad,
                                  local float *restrict col, const conv_shape s,
                                  const few_blocks p, int has_bias, int act, float slope) {
  const int k_all = s.channels * s.kh * s.kw, plane = s.gq * s.gr;
  const int begin = get_group_id(0) * p.share, end = min(s.images * p.blocks, begin + p.share);
  clear(pad, s.channels * p.rows * p.wide);
  load_weights(w, bias, wt, has_bias, k_all, s.filters);

  int n = begin / p.blocks, block = begin - n * p.blocks;
  for (int unit = begin; unit < end; unit++) {
    const int q0 = s.gq * block / p.blocks, count = s.gq * (block + 1) / p.blocks - q0;
    load_rows(x + (size_t)n * s.channels * s.h * s.w, pad, q0, count, s, p);
    pack_columns(pad, col, count, s, p);
    local const float *f = wt;
    for (int o = 0; o < s.filters; o += FORWARD_ROWS, f += (k_all + 1) * FORWARD_ROWS) {
      global float *to = y + ((size_t)n * s.filters + o) * plane + q0 * s.gr;
      const int left = s.filters - o, rows = min(left, FORWARD_ROWS), pixels = count * s.gr;
      int j = forward_wide(f, col, to, k_all, p.pitch, 0, pixels, plane, rows, act, slope);
      j = forward_two(f, col, to, k_all, p.pitch, j, pixels, plane, rows, act, slope);
      forward_one(f, col, to, k_all, p.pitch, j, pixels, plane, rows, act, slope);
    }
    if (++block == p.blocks) block = 0, n++;
  }
}

/* ---- filter gradient ---- */

/* Multiply: sums[GRAD_ROWS][GRAD_TAPS][VEC] += gradients g0, g1, g2 of `count` pixels times
 * GRAD_TAPS columns. */
static void grad_tile(global const float *restrict g0, global const float *restrict g1,
                      global const float *restrict g2, local const float *restrict col, int pitch,
                      int count, local float *restrict sums) {
  floatv s[GRAD_TAPS], t[GRAD_TAPS], u[GRAD_TAPS];
  _Pragma("unroll") for (int k = 0; k < GRAD_TAPS; k++) {
    s[k] = LLOAD(sums + k * VEC);
    t[k] = LLOAD(sums + (GRAD_TAPS + k) * VEC);
    u[k] = LLOAD(sums + (2 * GRAD_TAPS + k) * VEC);
  }
  int j = 0;
  for (; j + VEC <= count; j += VEC) {
    const floatv a = GLOAD(g0 + j), b = GLOAD(g1 + j), c = GLOAD(g2 + j);
    _Pragma("unroll") for (int k = 0; k < GRAD_TAPS; k++) {
      const floatv v = LLOADU(col + k * pitch + j);
      s[k] = fma(a, v, s[k]);
      t[k] = fma(b, v, t[k]);
      u[k] = fma(c, v, u[k]);
    }
  }
  if (j < count) { /* the last vector, without what it shares with the one before */
    const int at = count - VEC;
    const intv fresh = LANES >= j - at;
    const floatv none = (floatv)(0.0f);
    const floatv a = select(none, GLOAD(g0 + at), fresh), b = select(none, GLOAD(g1 + at), fresh),
                 c = select(none, GLOAD(g2 + at), fresh);
    _Pragma("unroll") for (int k = 0; k < GRAD_TAPS; k++) {
      const floatv v = select(none, LLOADU(col + k * pitch + at), fresh);
      s[k] = fma(a, v, s[k]);
      t[k] = fma(b, v, t[k]);
      u[k] = fma(c, v, u[k]);
    }
  }
  _Pragma("unroll") for (int k = 0; k < GRAD_TAPS; k++) {
    LSTORE(s[k], sums + k * VEC);
    LSTORE(t[k], sums + (GRAD_TAPS + k) * VEC);
    LSTORE(u[k], sums + (2 * GRAD_TAPS + k) * VEC);
  }
}

static float lane_sum(floatv v) {
#if VEC == 16
  const float8 e = v.lo + v.hi;
#else
  const float8 e = v;
#endif
  const float4 f = e.lo + e.hi;
  const float2 g = f.lo + f.hi;
  return g.x + g.y;
}

/* Where gw[filter][k] is; swapped, where x and gy have changed places: of the other order of taps,
 * filters within channels. */
static int part_at(int filter, int k, int k_all, int swapped, const conv_shape s) {
  const int taps = s.kh * s.kw, c = k / taps;
  return swapped ? (c * s.filters + filter + 1) * taps - 1 - (k - c * taps) : filter * k_all + k;
}

kernel ONE_ITEM void few_filter_grad(global const float *restrict x,
                                      global const float *restrict gy,
                                      global float *restrict part, local float *restrict sums,
                                      local float *restrict pad, local float *restrict col,
                                      const conv_shape s, const few_blocks p, int swapped) {
  const int k_all = s.channels * s.kh * s.kw, plane = s.gq * s.gr;
  const int begin = get_group_id(0) * p.share, end = min(s.images * p.blocks, begin + p.share);
  const int tile = GRAD_ROWS * GRAD_TAPS * VEC, tiles = (k_all + GRAD_TAPS - 1) / GRAD_TAPS;
  clear(pad, s.channels * p.rows * p.wide);
  clear(col, tiles * GRAD_TAPS * p.pitch); /* columns beyond the last are multiplied, too */
  clear(sums, (s.filters + GRAD_ROWS - 1) / GRAD_ROWS * tiles * tile);

  int n = begin / p.blocks, block = begin - n * p.blocks;
  for (int unit = begin; unit < end; unit++) {
    const int q0 = s.gq * block / p.blocks, count = s.gq * (block + 1) / p.blocks - q0;
    load_rows(x + (size_t)n * s.channels * s.h * s.w, pad, q0, count, s, p);
    pack_columns(pad, col, count, s, p);
    local float *to = sums;
    for (int o = 0; o < s.filters; o += GRAD_ROWS) {
      global const float *g0 = gy + ((size_t)n * s.filters + o) * plane + q0 * s.gr;
      global const float *g1 = o + 1 < s.filters ? g0 + plane : g0;
      global const float *g2 = o + 2 < s.filters ? g0 + 2 * plane : g0;
      for (int i = 0; i < tiles; i++, to += tile)
        grad_tile(g0, g1, g2, col + i * GRAD_TAPS * p.pitch, p.pitch, count * s.gr, to);
    }
    if (++block == p.blocks) block = 0, n++;
  }

  part += (size_t)get_group_id(0) * s.filters * k_all;
  for (int o = 0; o < s.filters; o += GRAD_ROWS)
    for (int k0 = 0; k0 < k_all; k0 += GRAD_TAPS, sums += tile)
      for (int i = 0; i < min(GRAD_ROWS, s.filters - o); i++)
        for (int k = 0; k < min(GRAD_TAPS, k_all - k0); k++)
          part[part_at(o + i, k0 + k, k_all, swapped, s)] =
              lane_sum(LLOAD(sums + (i * GRAD_TAPS + k) * VEC));
}

/* ---- input gradient ---- */

/* Multiply: t[GRAD_TAPS][pitch] = sum over filters of weights wt[filter][GRAD_TAPS] times
 * gy[filter][plane]. */
static void spread_tile(global const float *restrict gy, local const float *restrict wt,
                        local float *restrict t, int filters, int plane, int pitch) {
  for (int j = 0; j < plane; j += 2 * VEC) {
    const int at0 = min(j, plane - VEC), at1 = min(j + VEC, plane - VEC);
    floatv s[GRAD_TAPS], u[GRAD_TAPS];
    _Pragma("unroll") for (int k = 0; k < GRAD_TAPS; k++) s[k] = u[k] = (floatv)(0.0f);
    for (int o = 0; o < filters; o++) {
      const floatv a = GLOAD(gy + o * plane + at0), b = GLOAD(gy + o * plane + at1);
      _Pragma("unroll") for (int k = 0; k < GRAD_TAPS; k++) {
        const floatv f = (floatv)(wt[o * GRAD_TAPS + k]);
        s[k] = fma(f, a, s[k]);
        u[k] = fma(f, b, u[k]);
      }
    }
    _Pragma("unroll") for (int k = 0; k < GRAD_TAPS; k++) {
      LSTOREU(s[k], t + k * pitch + at0);
      LSTOREU(u[k], t + k * pitch + at1);
    }
  }
}

#define NOWHERE (-1 << 30)

/* out[0..n) = where tap number i % taps of a filter at position i / taps finds its output, or
 * NOWHERE; positions count from `before` pixels left of the first. */
static void find_outputs(local int *out, int positions, int taps, int stride, int dilation,
                         int before) {
  for (int i = 0; i < positions; i++)
    for (int tap = 0; tap < taps; tap++) {
      const int from = i + before - tap * dilation;
      const int q = from >= 0 ? from / stride : -((stride - 1 - from) / stride);
      out[i * taps + tap] = q * stride == from ? q : NOWHERE;
    }
}

/* Load: weights as spread_tile reads them, one tile after another; zeros beyond the last tap. */
static void load_taps(global const float *restrict w, local float *restrict wt, int k_all,
                      int filters) {
  for (int k0 = 0; k0 < k_all; k0 += GRAD_TAPS)
    for (int o = 0; o < filters; o++, wt += GRAD_TAPS)
      for (int k = 0; k < GRAD_TAPS; k++) wt[k] = k0 + k < k_all ? w[o * k_all + k0 + k] : 0.0f;
}

/* Gather: pixels of one phase of the stride in one row, VEC at a time. rows[a] and columns[b] are
 * the outputs that tap (a,b) leads to; col is of one channel. */
static void gather_phase(local const float *restrict col, local float *restrict line, int n,
                         local const int *restrict rows, local const int *restrict columns,
                         int pitch, float bias, int act, float slope, const conv_shape s) {
  for (int i = 0; i < n; i += VEC) {
    floatv sum = (floatv)(bias);
    for (int b = 0; b < s.kw; b++) {
      const int r = i + columns[b]; /* of lane 0 */
      if (r <= -VEC || r >= s.gr) continue;
      const intv inside = LANES >= -r && LANES < s.gr - r;
      for (int a = 0; a < s.kh; a++) {
        const int q = rows[a];
        if (q < 0 || q >= s.gq) continue;
        const floatv v = LLOADU(col + (a * s.kw + b) * pitch + q * s.gr + r);
        sum += select((floatv)(0.0f), v, inside);
      }
    }
    if (act) sum = activate(sum, act, slope);
    LSTORE(sum, line + i);
  }
}

/* The phases line[phase][wide] between one another; returns where the row of w pixels is. */
static local const float *join(local const float *restrict line, local float *restrict joined,
                               int w, int phases, int wide) {
  if (phases == 1) return line;
  if (phases == 2) {
    for (int i = 0; 2 * i < w; i += VEC) {
      const floatv u = LLOAD(line + i), v = LLOAD(line + wide + i);
      LSTORE(ZIP_LO(u, v), joined + 2 * i);
      LSTORE(ZIP_HI(u, v), joined + 2 * i + VEC);
    }
    return joined;
  }
  for (int phase = 0; phase < phases; phase++)
    for (int i = 0; i * phases + phase < w; i++)
      joined[i * phases + phase] = line[phase * wide + i];
  return joined;
}

/* Store: a row of w pixels. */
static void store_row(local const float *restrict from, global float *restrict to, int w) {
  if (w < VEC) {
    for (int i = 0; i < w; i++) to[i] = from[i];
    return;
  }
  for (int i = 0; i < w; i += VEC) {
    const int at = min(i, w - VEC);
    GSTORE(LLOADU(from + at), to + at);
  }
}

kernel ONE_ITEM void few_input_grad(global const float *restrict gy,
                                     global const float *restrict w, global float *restrict gx,
                                     global const float *restrict bias, local float *restrict wt,
                                     local float *restrict line, local float *restrict col,
                                     const conv_shape s, const few_blocks p, int has_bias, int act,
                                     float slope) {
  const int k_all = s.channels * s.kh * s.kw, taps = s.kh * s.kw, plane = s.gq * s.gr;
  const int begin = get_group_id(0) * p.share, end = min(s.images, begin + p.share);
  local float *joined = line + s.sw * p.wide;
  local int *rows = (local int *)(joined + s.sw * p.wide); /* [row][a] */
  local int *columns = rows + s.h * s.kh;                   /* [phase][b] */
  find_outputs(rows, s.h, s.kh, s.sh, s.dh, s.top);
  find_outputs(columns, s.sw, s.kw, s.sw, s.dw, s.left);
  load_taps(w, wt, k_all, s.filters);
  col += VEC; /* rows are read from up to VEC - 1 numbers before their begin */

  for (int n = begin; n < end; n++) {
    for (int k = 0; k < k_all; k += GRAD_TAPS)
      spread_tile(gy + (size_t)n * s.filters * plane, wt + k * s.filters, col + k * p.pitch,
                  s.filters, plane, p.pitch);
    global float *to = gx + (size_t)n * s.channels * s.h * s.w;
    for (int c = 0; c < s.channels; c++) {
      const float shift = has_bias ? bias[c] : 0.0f;
      for (int row = 0; row < s.h; row++, to += s.w) {
        for (int phase = 0; phase < s.sw; phase++)
          gather_phase(col + c * taps * p.pitch, line + phase * p.wide,
                       (s.w - phase + s.sw - 1) / s.sw, rows + row * s.kh, columns + phase * s.kw,
                       p.pitch, shift, act, slope, s);
        store_row(join(line, joined, s.w, s.sw, p.wide), to, s.w);
      }
    }
  }
}
