/* pool.cl: max pooling with argmax indices, average pooling, and their adjoints.
 *
 * x (planes,H,W) -> y (planes,OH,OW), planes = N*C. Output (oy,ox) reads the rows oy*sy-top ..
 * +kh-1 and the columns ox*sx-left .. +kw-1, as far as they lie inside the image.
 *
 *   max      y = largest element, the first of equals in reading order; a NaN in the window wins.
 *            indices (i32) = its position iy*W+ix; -1 (and y = 0) when the window lies wholly
 *            outside.
 *   unpool   gx[p,c] = sum of v over the outputs whose index is c, in reading order, without
 *            atomics: a sum per input cell over the windows that cover it (pool_unpool), or one
 *            work-item a plane (pool_unpool_plane; pool_unpool_plane_long where more than
 *            LCL_SUM_BLOCK outputs may meet in a cell; lost: as gx, room). A launch takes the
 *            outputs first .. end-1 of each plane, after the first `clear` cells are zero.
 *   gather   y[p,o] = x[p, index[o]]: unpool's adjoint.
 *   average  y = sum / divisor; divisor = elements inside the image, or inside the padded image
 *            (include_pad).
 * Sums are long sums (common.cl) for windows of any size.
 *
 * Geometry arguments: shape = {H, W, OH, OW, kh, kw, sy, sx}, pads = {top, bottom, left, right,
 * 0...}.
 *
 * A work-item takes every get_global_size(0)-th row (of outputs, or of inputs for the adjoints):
 * any global size is right. On CPUs a row is a loop over its columns; on GPUs a work-item has one
 * column of a row. */
#if LCL_PANEL
#define POOL_ROWS(row, n_rows, x, width)                                                           \
  for (int row = (int)get_global_id(0); row < (n_rows); row += (int)get_global_size(0))            \
    for (int x = 0; x < (width); x++)
#else
#define POOL_ROWS(row, n_rows, x, width)                                                           \
  for (int at_ = (int)get_global_id(0), row = at_ / (width), x = at_ % (width); row < (n_rows);    \
       at_ += (int)get_global_size(0), row = at_ / (width), x = at_ % (width))
#endif

/* A sum of many terms, one at a time; its value is sum + block. */
#define SUM_OF_TERMS                                                                               \
  float sum = 0.0f, lost = 0.0f, block = 0.0f;                                                     \
  int room = LCL_SUM_BLOCK;
#define ADD(term)                                                                                  \
  {                                                                                                \
    block += (term);                                                                               \
    if (--room == 0) {                                                                             \
      LCL_SUM_JOIN(float, sum, lost, block)                                                        \
      block = 0.0f, room = LCL_SUM_BLOCK;                                                          \
    }                                                                                              \
  }

#if LCL_PANEL
/* Whether the windows are 2x2 blocks side by side: those are done eight at a time. */
static bool are_blocks(int4 size, int4 window, int4 pad) {
  return all(window == 2) && all(pad == 0) && all(2 * size.hi <= size.lo);
}

static void average_of_blocks(__global const float *restrict x, __global float *restrict y, int row,
                              int4 size) {
  __global const float *upper = x + ((size_t)(row / size.z) * size.x + row % size.z * 2) * size.y,
                       *lower = upper + size.y;
  int ox = 0;
  for (; ox + 8 <= size.w; ox += 8) {
    const float16 u = vload16(0, upper + 2 * ox), l = vload16(0, lower + 2 * ox);
    vstore8((((u.even + u.odd) + l.even) + l.odd) * 0.25f, 0, y + ox);
  }
  for (; ox < size.w; ox++)
    y[ox] = (((upper[2 * ox] + upper[2 * ox + 1]) + lower[2 * ox]) + lower[2 * ox + 1]) * 0.25f;
}

/* A row of gx, both adjoints: scale times the block's v, in every cell of it or in the one its
 * index names. */
static void spread_of_blocks(__global const float *restrict v,
                             __global const int *restrict indices, float scale,
                             __global float *restrict gx, int row, int4 size) {
  const int iy = row % size.x, oy = iy / 2, cell = iy * size.y;
  const size_t from = ((size_t)(row / size.x) * size.z + oy) * size.w;
  int ix = 0;
  if (oy < size.z) {
    int ox = 0;
    for (; ox + 8 <= size.w; ox += 8) {
      const float8 value = vload8(0, v + from + ox) * scale;
      float16 to;
      to.even = to.odd = value;
      if (indices) {
        const int8 at = vload8(0, indices + from + ox),
                   left = cell + 2 * (ox + (int8)(0, 1, 2, 3, 4, 5, 6, 7));
        to.even = select((float8)(0.0f), value, at == left);
        to.odd = select((float8)(0.0f), value, at == left + 1);
      }
      vstore16(to, 0, gx + 2 * ox);
    }
    for (; ox < size.w; ox++)
      for (int i = 2 * ox; i < 2 * ox + 2; i++)
        gx[i] = !indices || indices[from + ox] == cell + i ? v[from + ox] * scale : 0.0f;
    ix = 2 * size.w;
  }
  for (; ix < size.y; ix++) gx[ix] = 0.0f;
}

static void max_of_blocks(__global const float *restrict x, __global float *restrict y,
                          __global int *restrict indices, int row, int4 size) {
  const int top = row % size.z * 2 * size.y;
  __global const float *upper = x + (size_t)(row / size.z) * size.x * size.y + top,
                       *lower = upper + size.y;
  for (int ox = 0; ox < size.w; ox += 8) {
    const int first = min(ox, max(size.w - 8, 0)); /* the last eight overlap those before them */
    float16 u = (float16)(0.0f), l = u;
    if (size.w >= 8) {
      u = vload16(0, upper + 2 * first), l = vload16(0, lower + 2 * first);
    } else {
      float a[16], b[16];
      for (int i = 0; i < 16; i++)
        a[i] = i < 2 * size.w ? upper[i] : 0.0f, b[i] = i < 2 * size.w ? lower[i] : 0.0f;
      u = vload16(0, a), l = vload16(0, b);
    }
    const int8 left = top + 2 * (first + (int8)(0, 1, 2, 3, 4, 5, 6, 7));
    float8 best = u.even;
    int8 where = left;
#define CANDIDATE(v, at)                                                                           \
  {                                                                                                \
    const int8 take = (v > best) | (isnan(v) & ~isnan(best));                                      \
    best = select(best, v, take), where = select(where, at, take);                                 \
  }
    CANDIDATE(u.odd, left + 1)
    CANDIDATE(l.even, left + size.y)
    CANDIDATE(l.odd, left + size.y + 1)
#undef CANDIDATE
    if (size.w >= 8) {
      vstore8(best, 0, y + first), vstore8(where, 0, indices + first);
    } else {
      float b[8];
      int w[8];
      vstore8(best, 0, b), vstore8(where, 0, w);
      for (int i = 0; i < size.w; i++) y[i] = b[i], indices[i] = w[i];
    }
  }
}
#endif

__kernel void pool_max(__global const float *restrict x, __global float *restrict y,
                       __global int *restrict indices, const int planes, const int8 shape,
                       const int8 pads) {
  const int4 size = shape.lo, window = shape.hi, pad = pads.lo;
#if LCL_PANEL
  if (are_blocks(size, window, pad)) {
    for (int row = (int)get_global_id(0); row < planes * size.z; row += (int)get_global_size(0))
      max_of_blocks(x, y + (size_t)row * size.w, indices + (size_t)row * size.w, row, size);
    return;
  }
#endif
  POOL_ROWS(row, planes * size.z, ox, size.w) {
    const int oy = row % size.z;
    const int y0 = oy * window.z - pad.x, x0 = ox * window.w - pad.z;
    const int first_y = max(y0, 0), last_y = min(y0 + window.x, size.x);
    const int first_x = max(x0, 0), last_x = min(x0 + window.y, size.y);
    __global const float *image = x + (size_t)(row / size.z) * size.x * size.y;
    float best = 0.0f;
    int where = -1;
    for (int iy = first_y; iy < last_y; iy++)
      for (int ix = first_x; ix < last_x; ix++) {
        const float v = image[iy * size.y + ix];
        const bool take = where < 0 || v > best || (isnan(v) && !isnan(best));
        best = take ? v : best;
        where = take ? iy * size.y + ix : where;
      }
    const size_t out = (size_t)row * size.w + ox;
    y[out] = best;
    indices[out] = where;
  }
}

/* The outputs whose window covers input coordinate c: first .. last. */
static int2 covering(int c, int kernel_size, int stride, int before, int outputs) {
  const int low = c + before - kernel_size + 1;
  return (int2)(low <= 0 ? 0 : (low + stride - 1) / stride,
                min((c + before) / stride, outputs - 1));
}

__kernel void pool_unpool(__global const float *restrict v, __global const int *restrict indices,
                          __global float *restrict gx, const int planes, const int8 shape,
                          const int8 pads) {
  const int4 size = shape.lo, window = shape.hi, pad = pads.lo;
#if LCL_PANEL
  if (are_blocks(size, window, pad)) {
    for (int row = (int)get_global_id(0); row < planes * size.x; row += (int)get_global_size(0))
      spread_of_blocks(v, indices, 1.0f, gx + (size_t)row * size.y, row, size);
    return;
  }
#endif
  POOL_ROWS(row, planes * size.x, ix, size.y) {
    const int iy = row % size.x, cell = iy * size.y + ix;
    const int2 oy = covering(iy, window.x, window.z, pad.x, size.z);
    const int2 ox = covering(ix, window.y, window.w, pad.z, size.w);
    const size_t plane = (size_t)(row / size.x) * size.z * size.w;
    float sum = 0.0f, lost = 0.0f;
    for (int i = oy.x; i <= oy.y; i++)
      for (int j = ox.x; j <= ox.y; j++) {
        const size_t o = plane + i * size.w + j;
        if (indices[o] == cell) LCL_SUM_JOIN(float, sum, lost, v[o])
      }
    gx[(size_t)row * size.y + ix] = sum;
  }
}

__kernel void pool_unpool_plane(__global const float *restrict v,
                                __global const int *restrict indices, __global float *restrict gx,
                                const int planes, const int in_plane, const int out_plane,
                                const int first, const int end, const int clear) {
  for (int p = (int)get_global_id(0); p < planes; p += (int)get_global_size(0)) {
    __global float *image = gx + (size_t)p * in_plane;
    for (int i = 0; i < clear; i++) image[i] = 0.0f;
    for (int i = first; i < end; i++) {
      const int to = indices[(size_t)p * out_plane + i];
      if (to >= 0 && to < in_plane) image[to] += v[(size_t)p * out_plane + i];
    }
  }
}

__kernel void pool_unpool_plane_long(__global const float *restrict v,
                                     __global const int *restrict indices,
                                     __global float *restrict gx, __global float *restrict lost,
                                     const int planes, const int in_plane, const int out_plane,
                                     const int first, const int end, const int clear) {
  for (int p = (int)get_global_id(0); p < planes; p += (int)get_global_size(0)) {
    __global float *image = gx + (size_t)p * in_plane, *rest = lost + (size_t)p * in_plane;
    for (int i = 0; i < clear; i++) image[i] = rest[i] = 0.0f;
    for (int i = first; i < end; i++) {
      const int to = indices[(size_t)p * out_plane + i];
      if (to >= 0 && to < in_plane)
        LCL_SUM_JOIN(float, image[to], rest[to], v[(size_t)p * out_plane + i])
    }
  }
}

__kernel void pool_gather(__global const float *restrict x, __global const int *restrict indices,
                          __global float *restrict y, const int planes, const int in_plane,
                          const int out_plane) {
  POOL_ROWS(p, planes, i, out_plane) {
    const int from = indices[(size_t)p * out_plane + i];
    y[(size_t)p * out_plane + i] = from >= 0 && from < in_plane ? x[(size_t)p * in_plane + from]
                                                                : 0.0f;
  }
}

/* Columns or rows of window o that count: inside the image, or inside the padded image. */
static int counted(int o, int kernel_size, int stride, int before, int after, int extent,
                   int include_pad) {
  const int start = o * stride - before;
  const int low = include_pad ? start : max(start, 0);
  return min(start + kernel_size, extent + (include_pad ? after : 0)) - low;
}

static float average_scale(int oy, int ox, int4 size, int4 window, int4 pad, int include_pad) {
  const int rows = counted(oy, window.x, window.z, pad.x, pad.y, size.x, include_pad);
  const int columns = counted(ox, window.y, window.w, pad.z, pad.w, size.y, include_pad);
  return 1.0f / (float)max(rows * columns, 1);
}

__kernel void pool_average(__global const float *restrict x, __global float *restrict y,
                           const int planes, const int8 shape, const int8 pads,
                           const int include_pad) {
  const int4 size = shape.lo, window = shape.hi, pad = pads.lo;
#if LCL_PANEL
  if (are_blocks(size, window, pad)) {
    for (int row = (int)get_global_id(0); row < planes * size.z; row += (int)get_global_size(0))
      average_of_blocks(x, y + (size_t)row * size.w, row, size);
    return;
  }
#endif
  POOL_ROWS(row, planes * size.z, ox, size.w) {
    const int oy = row % size.z;
    const int y0 = oy * window.z - pad.x, x0 = ox * window.w - pad.z;
    const int first_x = max(x0, 0), last_x = min(x0 + window.y, size.y);
    __global const float *image = x + (size_t)(row / size.z) * size.x * size.y;
    SUM_OF_TERMS
    for (int iy = max(y0, 0); iy < min(y0 + window.x, size.x); iy++)
      for (int ix = first_x; ix < last_x; ix++) ADD(image[iy * size.y + ix])
    y[(size_t)row * size.w + ox] = (sum + block) *
                                   average_scale(oy, ox, size, window, pad, include_pad);
  }
}

__kernel void pool_average_adjoint(__global const float *restrict gy, __global float *restrict gx,
                                   const int planes, const int8 shape, const int8 pads,
                                   const int include_pad) {
  const int4 size = shape.lo, window = shape.hi, pad = pads.lo;
#if LCL_PANEL
  if (are_blocks(size, window, pad)) {
    for (int row = (int)get_global_id(0); row < planes * size.x; row += (int)get_global_size(0))
      spread_of_blocks(gy, 0, 0.25f, gx + (size_t)row * size.y, row, size);
    return;
  }
#endif
  POOL_ROWS(row, planes * size.x, ix, size.y) {
    const int iy = row % size.x;
    const int2 oy = covering(iy, window.x, window.z, pad.x, size.z);
    const int2 ox = covering(ix, window.y, window.w, pad.z, size.w);
    const size_t plane = (size_t)(row / size.x) * size.z * size.w;
    SUM_OF_TERMS
    for (int i = oy.x; i <= oy.y; i++)
      for (int j = ox.x; j <= ox.y; j++)
        ADD(gy[plane + i * size.w + j] * average_scale(i, j, size, window, pad, include_pad))
    gx[(size_t)row * size.y + ix] = sum + block;
  }
}
