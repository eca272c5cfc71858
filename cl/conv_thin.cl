/* conv_thin.cl: convolutions of pictures with few channels (first layers) and their two gradients, in panel shape.
 *
 *   forward       y[n,o,p]  = act( bias[o] + sum_k w[o,k] col[n,k,p] )
 *   filter grad   gw[o,k]   = sum_{n,p} gy[n,o,p] col[n,k,p]
 *   input grad    gx[n,c,i] = act( bias[c] + sum of t[n,k,p] where col[n,k,p] is x[n,c,i] ),  t[n,k,p] = sum_o w[o,k] gy[n,o,p]
 *
 * with k = (c,a,b) a tap, p = (q,r) an output pixel and col[n,k,p] = x[n, c, q*sh-top+a*dh, r*sw-left+b*dw], zero outside.
 * x (N,C,H,W), w (O,C,KH,KW), y (N,O,gq,gr), all as they lie. K = C*KH*KW is small, so all columns of a block of output
 * rows stay in the nearest cache (local memory): col[k][pitch], its pixels side by side, so that vectors are full whatever
 * the width. The last vector of a block overlaps the one before.
 * The picture comes to them through pad[c][row][wide], which has the zeros around it.
 * A work-item does `units` units; unit (n, block) is rows gq*block/blocks .. gq*(block+1)/blocks of picture n.
 * thin_filter_grad leaves a work-item's sums in part[item][o][k]; matmul_reduce.cl adds them up. Fixed order everywhere.
 *
 * Tunables:
 *   VEC           floats in a vector: 16 or 8
 *   tiles of sums in registers: FORWARD_ROWS filters by FORWARD_WIDE vectors of pixels, GRAD_ROWS filters by GRAD_TAPS
 *   taps, GRAD_TAPS taps by 2 vectors of pixels
 */
#include "panel.cl"

typedef floatv local_floatu __attribute__((aligned(4)));
#define LLOADU(p)     (*(local const local_floatu *)(p))
#define LSTOREU(v, p) (*(local local_floatu *)(p) = (v))
#define EVENS(a, b)   ((floatv)((a).even, (b).even))

/* The convolution, and the layout of pad and col: see src/ops/conv_thin.c. */
typedef struct thin {
  int channels, h, w, kh, kw, gq, gr, sh, sw, top, left, dh, dw;
  int rows, wide, pitch; /* padded: rows of the largest block, their width */
} thin;
#define THIN_ARGS                                                                                            \
  int channels, int h, int w, int kh, int kw, int gq, int gr, int sh, int sw, int top, int left, int dh,     \
      int dw, int rows, int wide, int pitch
#define THIN \
  { channels, h, w, kh, kw, gq, gr, sh, sw, top, left, dh, dw, rows, wide, pitch }

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

/* The columns of output rows q0 .. q0+count-1 of picture x. pad holds zeros left and right of its rows. */
static void columns(global const float *restrict x, const thin *t, int q0, int count, local float *restrict pad,
                    local float *restrict col) {
  const int tall = (count - 1) * t->sh + (t->kh - 1) * t->dh + 1;
  for (int c = 0; c < t->channels; c++) {
    for (int row = 0; row < tall; row++) {
      local float *to = pad + (c * t->rows + row) * t->wide;
      const int ih = q0 * t->sh - t->top + row;
      if (ih >= 0 && ih < t->h) copy_row(x + (c * t->h + ih) * t->w, to + t->left, t->w);
      else clear(to, t->wide);
    }
  }
  for (int c = 0; c < t->channels; c++) {
    for (int tap = 0, a = 0, b = 0; tap < t->kh * t->kw; tap++, col += t->pitch) {
      local const float *from = pad + (c * t->rows + a * t->dh) * t->wide + b * t->dw;
      local float *to = col;
      for (int q = 0; q < count; q++, from += t->sh * t->wide, to += t->gr) {
        if (t->sw == 1) {
          for (int r = 0; r < t->gr; r += VEC) LSTOREU(LLOADU(from + r), to + r);
        } else if (t->sw == 2) {
          for (int r = 0; r < t->gr; r += VEC)
            LSTOREU(EVENS(LLOADU(from + 2 * r), LLOADU(from + 2 * r + VEC)), to + r);
        } else {
          for (int r = 0; r < t->gr; r++) to[r] = from[r * t->sw];
        }
      }
      if (++b == t->kw) b = 0, a++;
    }
  }
}

/* ---- forward ------------------------------------------------------------------------------------------- */

/* wt[FORWARD_ROWS]: biases, then wt[k][FORWARD_ROWS] weights. y: the first of `rows` planes, `count` pixels of each, from
 * pixel j as many as fill P vectors at a time; the first pixel left over is returned. */
#define FORWARD(NAME, N, P)                                                                                  \
  static int NAME(local const float *restrict wt, local const float *restrict col, global float *restrict y, \
                  int k_all, int pitch, int j, int count, int plane, int rows, int act, float slope) {       \
    for (; P == 1 ? j < count : j + P * VEC <= count; j += P * VEC) {                                        \
      const int at = min(j, count - VEC);                                                                    \
      floatv s[N * P];                                                                                       \
      _Pragma("unroll") for (int i = 0; i < N * P; i++) s[i] = (floatv)(wt[i / P]);                          \
      for (int k = 0; k < k_all; k++) {                                                                      \
        floatv v[P];                                                                                         \
        _Pragma("unroll") for (int l = 0; l < P; l++) v[l] = LLOADU(col + k * pitch + at + l * VEC);         \
        local const float *f = wt + (k + 1) * FORWARD_ROWS;                                                  \
        _Pragma("unroll") for (int i = 0; i < N * P; i++) s[i] = fma((floatv)(f[i / P]), v[i % P], s[i]);    \
      }                                                                                                      \
      if (act == 1) {                                                                                        \
        _Pragma("unroll") for (int i = 0; i < N * P; i++) s[i] = select(s[i], (floatv)(0.0f), s[i] <= 0.0f); \
      } else if (act) {                                                                                      \
        float tile[N * P * VEC] __attribute__((aligned(64)));                                                \
        _Pragma("unroll") for (int i = 0; i < N * P; i++) PSTORE(s[i], tile + i * VEC);                      \
        for (int i = 0; i < rows * P; i++) PSTORE(activate(PLOAD(tile + i * VEC), act, slope), tile + i * VEC); \
        _Pragma("unroll") for (int i = 0; i < N * P; i++) s[i] = PLOAD(tile + i * VEC);                      \
      }                                                                                                      \
      _Pragma("unroll") for (int i = 0; i < N * P; i++)                                                      \
        if (i / P < rows) GSTORE(s[i], y + i / P * plane + at + i % P * VEC);                                \
    }                                                                                                        \
    return j;                                                                                                \
  }
FORWARD(forward_wide, FORWARD_ROWS, FORWARD_WIDE)
FORWARD(forward_two, FORWARD_ROWS, 2)
FORWARD(forward_one, FORWARD_ROWS, 1)

kernel ONE_ITEM void thin_forward(global const float *restrict x, global const float *restrict w_all,
                                  global float *restrict y, global const float *restrict bias,
                                  local float *restrict wt, local float *restrict pad, local float *restrict col,
                                  int all, int units, int blocks, int filters, THIN_ARGS, int has_bias, int act,
                                  float slope) {
  const thin t = THIN;
  const int k_all = channels * kh * kw, plane = gq * gr, begin = get_group_id(0) * units, end = min(all, begin + units);
  const int high = (k_all + 1) * FORWARD_ROWS; /* of wt, for FORWARD_ROWS filters */
  clear(pad, channels * rows * wide);
  for (int o0 = 0; o0 < filters; o0 += FORWARD_ROWS) {
    for (int i = 0; i < FORWARD_ROWS; i++) {
      local float *to = wt + o0 / FORWARD_ROWS * high + i;
      const int o = o0 + i;
      to[0] = has_bias && o < filters ? bias[o] : 0.0f;
      for (int k = 0; k < k_all; k++) to[(k + 1) * FORWARD_ROWS] = o < filters ? w_all[o * k_all + k] : 0.0f;
    }
  }
  int n = begin / blocks, block = begin - n * blocks;
  for (int unit = begin; unit < end; unit++) {
    const int q0 = gq * block / blocks, count = gq * (block + 1) / blocks - q0;
    columns(x + (size_t)n * channels * h * w, &t, q0, count, pad, col);
    for (int o0 = 0; o0 < filters; o0 += FORWARD_ROWS) {
      local const float *f = wt + o0 / FORWARD_ROWS * high;
      global float *to = y + ((size_t)n * filters + o0) * plane + q0 * gr;
      const int left_over = filters - o0;
      const int lanes = min(left_over, FORWARD_ROWS);
      int j = forward_wide(f, col, to, k_all, pitch, 0, count * gr, plane, lanes, act, slope);
      j = forward_two(f, col, to, k_all, pitch, j, count * gr, plane, lanes, act, slope);
      forward_one(f, col, to, k_all, pitch, j, count * gr, plane, lanes, act, slope);
    }
    if (++block == blocks) block = 0, n++;
  }
}

/* ---- filter gradient ----------------------------------------------------------------------------------- */

/* sums[GRAD_ROWS][GRAD_TAPS][VEC] += gradients g0, g1, g2 of `count` pixels times GRAD_TAPS columns. */
static void grad_tile(global const float *restrict g0, global const float *restrict g1,
                      global const float *restrict g2, local const float *restrict col, int pitch, int count,
                      local float *restrict sums) {
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

kernel ONE_ITEM void thin_filter_grad(global const float *restrict x, global const float *restrict gy,
                                      global float *restrict part, local float *restrict sums,
                                      local float *restrict pad, local float *restrict col, int all, int units,
                                      int blocks, int filters, THIN_ARGS) {
  const thin t = THIN;
  const int k_all = channels * kh * kw, plane = gq * gr, begin = get_group_id(0) * units, end = min(all, begin + units);
  const int tile = GRAD_ROWS * GRAD_TAPS * VEC, tiles = (k_all + GRAD_TAPS - 1) / GRAD_TAPS;
  clear(pad, channels * rows * wide);
  clear(col, tiles * GRAD_TAPS * pitch); /* columns beyond the last are multiplied, too */
  clear(sums, (filters + GRAD_ROWS - 1) / GRAD_ROWS * tiles * tile);
  int n = begin / blocks, block = begin - n * blocks;
  for (int unit = begin; unit < end; unit++) {
    const int q0 = gq * block / blocks, count = gq * (block + 1) / blocks - q0;
    columns(x + (size_t)n * channels * h * w, &t, q0, count, pad, col);
    local float *to = sums;
    for (int o = 0; o < filters; o += GRAD_ROWS) {
      global const float *g = gy + ((size_t)n * filters + o) * plane + q0 * gr;
      for (int i = 0; i < tiles; i++, to += tile)
        grad_tile(g, o + 1 < filters ? g + plane : g, o + 2 < filters ? g + 2 * plane : g, col + i * GRAD_TAPS * pitch,
                  pitch, count * gr, to);
    }
    if (++block == blocks) block = 0, n++;
  }
  global float *to = part + (size_t)get_group_id(0) * filters * k_all;
  for (int o = 0; o < filters; o += GRAD_ROWS)
    for (int k0 = 0; k0 < k_all; k0 += GRAD_TAPS, sums += tile)
      for (int i = 0; i < min(GRAD_ROWS, filters - o); i++)
        for (int k = 0; k < min(GRAD_TAPS, k_all - k0); k++)
          to[(o + i) * k_all + k0 + k] = lane_sum(LLOAD(sums + (i * GRAD_TAPS + k) * VEC));
}

/* ---- input gradient ------------------------------------------------------------------------------------ */

/* t[GRAD_TAPS][pitch] = sum over filters of weights wt[filter][GRAD_TAPS] times gy[filter][plane]. */
static void spread_tile(global const float *restrict gy, local const float *restrict wt, local float *restrict t,
                        int filters, int plane, int pitch) {
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

/* out[0..n) = where tap number i % taps of a filter at position i / taps finds its output, or NOWHERE; positions count
 * from `before` pixels left of the first, outputs `limit`. */
static void find_outputs(local int *out, int positions, int taps, int stride, int dilation, int before) {
  for (int i = 0; i < positions; i++)
    for (int tap = 0; tap < taps; tap++) {
      const int from = i + before - tap * dilation, q = from >= 0 ? from / stride : -((stride - 1 - from) / stride);
      out[i * taps + tap] = q * stride == from ? q : NOWHERE;
    }
}

kernel ONE_ITEM void thin_input_grad(global const float *restrict gy, global const float *restrict w_all,
                                     global float *restrict gx, global const float *restrict bias,
                                     local float *restrict wt, local float *restrict line, local float *restrict col,
                                     int all, int units, int filters, int channels, int h, int w, int kh, int kw,
                                     int gq, int gr, int sh, int sw, int top, int left, int dh, int dw, int wide,
                                     int pitch, int has_bias, int act, float slope) {
  const int k_all = channels * kh * kw, plane = gq * gr, begin = get_group_id(0) * units, end = min(all, begin + units);
  const int tiles = (k_all + GRAD_TAPS - 1) / GRAD_TAPS;
  local float *joined = line + sw * wide; /* line[phase][wide], and those one after another */
  local int *row_outputs = (local int *)(joined + sw * wide), *column_outputs = row_outputs + h * kh; /* [row][a], [phase][b] */
  find_outputs(row_outputs, h, kh, sh, dh, top);
  find_outputs(column_outputs, sw, kw, sw, dw, left);
  for (int i = 0; i < tiles; i++)
    for (int o = 0; o < filters; o++)
      for (int k = 0; k < GRAD_TAPS; k++) {
        const int tap = i * GRAD_TAPS + k;
        wt[(i * filters + o) * GRAD_TAPS + k] = tap < k_all ? w_all[o * k_all + tap] : 0.0f;
      }
  col += VEC; /* rows are read from up to VEC - 1 numbers before their begin */
  for (int n = begin; n < end; n++) {
    for (int i = 0; i < tiles; i++)
      spread_tile(gy + (size_t)n * filters * plane, wt + i * filters * GRAD_TAPS, col + i * GRAD_TAPS * pitch, filters,
                  plane, pitch);
    for (int c = 0; c < channels; c++) {
      const float shift = has_bias ? bias[c] : 0.0f;
      for (int row = 0; row < h; row++) {
        for (int phase = 0; phase < sw; phase++) {
          for (int i = 0; i * sw + phase < w; i += VEC) {
            floatv s = (floatv)(shift);
            for (int b = 0; b < kw; b++) {
              const int r = i + column_outputs[phase * kw + b]; /* of lane 0 */
              if (r <= -VEC || r >= gr) continue;
              const intv inside = LANES >= -r && LANES < gr - r;
              for (int a = 0; a < kh; a++) {
                const int q = row_outputs[row * kh + a];
                if (q < 0 || q >= gq) continue;
                const floatv v = LLOADU(col + ((c * kh + a) * kw + b) * pitch + q * gr + r);
                s += select((floatv)(0.0f), v, inside);
              }
            }
            if (act) s = activate(s, act, slope);
            LSTORE(s, line + phase * wide + i);
          }
        }
        /* the phases between one another */
        local const float *from = line;
        if (sw == 2) {
          for (int i = 0; 2 * i < w; i += VEC) {
            const floatv u = LLOAD(line + i), v = LLOAD(line + wide + i);
            LSTORE(ZIP_LO(u, v), joined + 2 * i);
            LSTORE(ZIP_HI(u, v), joined + 2 * i + VEC);
          }
          from = joined;
        } else if (sw > 2) {
          for (int phase = 0; phase < sw; phase++)
            for (int i = 0; i * sw + phase < w; i++) joined[i * sw + phase] = line[phase * wide + i];
          from = joined;
        }
        global float *to = gx + (((size_t)n * channels + c) * h + row) * w;
        if (w < VEC) {
          for (int i = 0; i < w; i++) to[i] = from[i];
        } else {
          for (int i = 0; i < w; i += VEC) {
            const int at = min(i, w - VEC);
            GSTORE(LLOADU(from + at), to + at);
          }
        }
      }
    }
  }
}
