/* conv_winograd_tiled.cl: 3x3 convolutions (stride and dilation 1) by Winograd's F(4x4, 3x3) (Lavin
 * and Gray 2016), for devices that run many work-items at once. winograd_operands transforms both
 * operands, a batched GEMM (gemm_tiled.cl) multiplies them at each of the 36 positions, and
 * winograd_outputs or winograd_filter_grads transforms back:
 *
 *   forward, input gradient   y = At ((G w Gt) * (Bt x B)) A     summed over channels
 *   filter gradient           w = Gt ((A e At) * (Bt x B)) G     summed over tiles, e: y's gradient
 *
 * A work-item transforms one filter of a channel, or one tile of a channel, neighbours in memory
 * beside each other.
 *
 * Buffers (f32; args.h has the fields):
 *   w   filters [pair][3][3], pairs (o,c); read backwards with FLIP
 *   e   (N,m,oh,ow)
 *   x   (N,channels,h,w); tile (n,ty,tx) begins at row 4*ty + h0, column 4*tx + w0
 *   u   transformed filters [position][pair]; or gradients, as v has inputs, with zeros for tiles
 *       beyond the last
 *   v   transformed inputs [part][position][channel][share]: each part has `share` tiles, those
 *       beyond the last repeat it
 *   products  [position][filter][share], or [part][position][pair] of a filter gradient
 *
 * Tunables:
 *   GRADIENT  1: the operands are those of a filter gradient
 *   FLIP      1: filters are read backwards
 *   SMOOTH    1: the activation may be the sigmoid or tanh
 */
#include "gemm_store.cl"

#define OUTS 4
typedef float floatv;
#include "winograd.cl"

#ifndef GRADIENT
#define GRADIENT 0
#endif
#ifndef FLIP
#define FLIP 0
#endif

/* One number of a plane h x w, zero outside. */
static float pixel(global const float *plane, int y, int x, int h, int w) {
  return (uint)y < (uint)h && (uint)x < (uint)w ? plane[y * w + x] : 0.0f;
}

/* Where a tile of a channel is among `channels`, and what a position is further on. */
static size_t place_of(int j, int c, int channels, int share) {
  const int part = j / share;
  return ((size_t)part * POSITIONS * channels + c) * share + (j - part * share);
}

/* Bt d B of tile j of channel c. */
static void transform_tile(global const float *x, global float *v, int j, int c,
                           const winograd_tiles s, const winograd_parts p) {
  const tile_at t = find_tile(min(j, s.tiles - 1), s);
  const int y0 = OUTS * t.y + s.h0, x0 = OUTS * t.x + s.w0;
  const size_t step = (size_t)s.channels * p.share;
  x += ((size_t)t.n * s.channels + c) * s.h * s.w;
  v += place_of(j, c, s.channels, p.share);
  TRANSFORM_BOTH(SPAN, SPAN, transform_input, pixel(x, y0 + r, x0 + b, s.h, s.w),
                 UNROLL for (int b = 0; b < SPAN; b++) v[(SPAN * r + b) * step] = to[b])
}

#if GRADIENT
/* A e At of tile j of filter o. */
static void transform_first(global const float *e, global float *u, int id, const winograd_tiles s,
                            const winograd_parts p) {
  const int all = p.share * p.parts, o = id / all, j = id - o * all;
  if (o >= s.m) return;
  const tile_at t = find_tile(min(j, s.tiles - 1), s);
  const int y0 = j < s.tiles ? OUTS * t.y : s.oh, x0 = OUTS * t.x;
  const size_t step = (size_t)s.m * p.share;
  e += ((size_t)t.n * s.m + o) * s.oh * s.ow;
  u += place_of(j, o, s.m, p.share);
  TRANSFORM_BOTH(OUTS, SPAN, transform_gradient, pixel(e, y0 + r, x0 + b, s.oh, s.ow),
                 UNROLL for (int b = 0; b < SPAN; b++) u[(SPAN * r + b) * step] = to[b])
}
#else
/* G g Gt of a pair. */
static void transform_first(global const float *w, global float *u, int id, const winograd_tiles s,
                            const winograd_parts p) {
  const int pairs = s.m * s.channels;
  if (id >= pairs) return;
  w += (size_t)id * 9;
  u += id;
  TRANSFORM_BOTH(3, SPAN, transform_filter, w[FLIP ? 8 - 3 * r - b : 3 * r + b],
                 UNROLL for (int b = 0; b < SPAN; b++) u[(size_t)(SPAN * r + b) * pairs] = to[b])
}
#endif

/* Groups: the first p.groups have filters or gradients, the others inputs. */
kernel void winograd_operands(global const float *restrict first, global float *restrict u,
                              global const float *restrict x, global float *restrict v,
                              const winograd_tiles s, const winograd_parts p) {
  const int group = get_group_id(0), size = get_local_size(0);
  if (group < p.groups) {
    transform_first(first, u, group * size + get_local_id(0), s, p);
  } else {
    const int id = (group - p.groups) * size + get_local_id(0), all = p.share * p.parts;
    const int c = id / all;
    if (c < s.channels) transform_tile(x, v, id - c * all, c, s, p);
  }
}

/* act(At m A + bias), to (N,m,oh,ow). Work-items: 0 tiles of filters. */
kernel void winograd_outputs(global const float *restrict products, global float *restrict y,
                             global const float *restrict bias, const winograd_tiles s, int share,
                             int has_bias, int act, float slope) {
  const int id = get_global_id(0), o = id / share, j = id - o * share;
  if (o >= s.m || j >= s.tiles) return;
  const tile_at t = find_tile(j, s);
  const int y0 = OUTS * t.y, x0 = OUTS * t.x;
  const size_t step = (size_t)s.m * share;
  const float more = has_bias ? bias[o] : 0.0f;
  const int whole = ((size_t)y & 15) == 0 && (s.ow & 3) == 0;
  const columns at = { x0, x0 + 1, x0 + 2, x0 + 3, s.ow - x0, whole };
  products += id;
  y += ((size_t)t.n * s.m + o) * s.oh * s.ow;
  TRANSFORM_BOTH(
      SPAN, OUTS, transform_output, products[(SPAN * r + b) * step],
      const float4 out = activate((float4)(to[0], to[1], to[2], to[3]) + more, act, slope);
      if (y0 + r < s.oh) store_columns(y + (y0 + r) * s.ow, &at, out))
}

/* Gt m G of filters' gradients: as sum_parts of reduce.cl, but each result is the nine numbers of a
 * pair, from its 36 sums of up to LCL_SUM_BLOCK parts. */
#define PICK(t)                                                                                    \
  if (g >= begin.s##t && results.s##t)                                                             \
    from = p##t, grad = y##t, first = begin.s##t, pairs = results.s##t, parts = splits.s##t;
kernel void winograd_filter_grads(global const float *p0, global const float *p1,
                                  global const float *p2, global const float *p3,
                                  global const float *p4, global const float *p5,
                                  global const float *p6, global const float *p7, global float *y0,
                                  global float *y1, global float *y2, global float *y3,
                                  global float *y4, global float *y5, global float *y6,
                                  global float *y7, int8 begin, int8 results, int8 splits,
                                  float8 factor) {
  const int g = get_group_id(0);
  global const float *from = p0;
  global float *grad = y0;
  int first = 0, pairs = 0, parts = 1;
  PICK(0)
  PICK(1)
  PICK(2)
  PICK(3)
  PICK(4)
  PICK(5)
  PICK(6)
  PICK(7)
  const int i = (g - first) * get_local_size(0) + get_local_id(0);
  if (i >= pairs) return;
  float m[SPAN][SPAN] = { { 0.0f } }; /* [column][row] */
  from += i;
  for (int k = 0; k < parts; k++)
    UNROLL for (int e = 0; e < POSITIONS; e++, from += pairs) m[e % SPAN][e / SPAN] += *from;
  grad += (size_t)i * 9;
  TRANSFORM_BOTH(SPAN, 3, transform_sums, m[b][r],
                 UNROLL for (int b = 0; b < 3; b++) grad[3 * r + b] = to[b])
}
