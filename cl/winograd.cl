/* winograd.cl: 3x3 convolutions (stride and dilation 1) by minimal filtering, in panel shape. Layouts and vectors as in
 * matmul_panel.cl.
 *
 * Tunables:
 *   VEC  floats in a vector: 16 or 8
 *   KT   tiles that winograd_filter_grad transforms at a time
 */
#include "panel.cl"

TILES
TILE(more_large, MR, local, local, LLOAD, VEC)
TILE(more_medium, ROWS_MEDIUM, local, local, LLOAD, VEC)
TILE(more_small, ROWS_SMALL, local, local, LLOAD, VEC)

/* Winograd's F(2x2, 3x3) (Lavin and Gray 2016): a tile of 2x2 outputs from 4x4 inputs d and a 3x3 filter g is
 *   At ((G g Gt) * (Bt d B)) A      elementwise product, summed over the channels: 16 products of matrices.
 * Filters: element (i,k) of A is the 3x3 at i*rs + k*ks, read backwards when flip is 1. u[position][panel][k][VEC]. */
kernel ONE_ITEM void winograd_filter(global const float *restrict w, global float *restrict u, int m, int k_all,
                                     int k_chunk, int rs, int ks, int flip) {
  const int panel = get_group_id(0), panels = get_num_groups(0), i0 = panel * MR, rows = min(MR, m - i0);
  const int begin = get_group_id(1) * k_chunk, end = min(k_all, begin + k_chunk);
  float g[9 * VEC] __attribute__((aligned(64)));
  for (int e = 0; e < 9 * VEC; e++) g[e] = 0.0f;
  for (int k = begin; k < end; k++) {
    for (int r = 0; r < rows; r++) {
      global const float *s = w + (size_t)(i0 + r) * rs + (size_t)k * ks;
      for (int t = 0; t < 9; t++) g[t * VEC + r] = s[flip ? 8 - t : t];
    }
    floatv a[12]; /* G g, 4 x 3 */
    for (int x = 0; x < 3; x++) {
      const floatv g0 = PLOAD(g + x * VEC), g1 = PLOAD(g + (3 + x) * VEC), g2 = PLOAD(g + (6 + x) * VEC);
      a[x] = g0;
      a[3 + x] = 0.5f * (g0 + g1 + g2);
      a[6 + x] = 0.5f * (g0 - g1 + g2);
      a[9 + x] = g2;
    }
    for (int y = 0; y < 4; y++) {
      const floatv g0 = a[3 * y], g1 = a[3 * y + 1], g2 = a[3 * y + 2];
      global float *to = u + (((size_t)(4 * y) * panels + panel) * k_all + k) * VEC;
      const size_t step = (size_t)panels * k_all * VEC;
      GSTORE(g0, to);
      GSTORE(0.5f * (g0 + g1 + g2), to + step);
      GSTORE(0.5f * (g0 - g1 + g2), to + 2 * step);
      GSTORE(g2, to + 3 * step);
    }
  }
}

/* Transformed inputs of VEC tiles from j0, all channels, into v[position][channel][NR] (positions `step` floats apart).
 * x is channels-last (N,h,w,cl); tile (n,ty,tx) starts at row 2*ty + h0, column 2*tx + w0. */
static void winograd_input(global const float *restrict x, local float *restrict v, int step, int channels, int cl,
                           int h, int w, int h0, int w0, int th, int tw, int tiles, int j0) {
  float room[16 * VEC * VEC] __attribute__((aligned(64)));
  for (int c = 0; c < channels; c += VEC) {
    int n = j0 / (th * tw), ty = (j0 - n * th * tw) / tw, tx = j0 - n * th * tw - ty * tw;
    for (int l = 0; l < VEC; l++) {
      const int ih = 2 * ty + h0, iw = 2 * tx + w0, inside = j0 + l < tiles;
      floatv d[16];
      for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) {
          const int y = ih + a, z = iw + b;
          d[4 * a + b] = (floatv)(0.0f);
          if (inside && y >= 0 && y < h && z >= 0 && z < w)
            d[4 * a + b] = GLOAD(x + ((size_t)(n * h + y) * w + z) * cl + c);
        }
      for (int b = 0; b < 4; b++) {
        const floatv d0 = d[b], d1 = d[4 + b], d2 = d[8 + b], d3 = d[12 + b];
        d[b] = d0 - d2, d[4 + b] = d1 + d2, d[8 + b] = d2 - d1, d[12 + b] = d1 - d3;
      }
      for (int a = 0; a < 4; a++) {
        const floatv d0 = d[4 * a], d1 = d[4 * a + 1], d2 = d[4 * a + 2], d3 = d[4 * a + 3];
        float *to = room + (4 * a * VEC + l) * VEC;
        PSTORE(d0 - d2, to);
        PSTORE(d1 + d2, to + VEC * VEC);
        PSTORE(d2 - d1, to + 2 * VEC * VEC);
        PSTORE(d1 - d3, to + 3 * VEC * VEC);
      }
      if (++tx == tw) {
        tx = 0;
        if (++ty == th) ty = 0, n++;
      }
    }
    const int left = channels - c;
    for (int p = 0; p < 16; p++) {
      const float *from = room + p * VEC * VEC;
      local float *to = v + p * step + c * NR;
#define LOAD_ROW(l) floatv v##l = PLOAD(from + l * VEC), w##l;
      ROWS_ALL(LOAD_ROW)
      TRANSPOSE(v, w);
#define STORE_ROW(l)                                                                                         \
  if (l < left) LSTORE(v##l, to + l * NR);
      ROWS_ALL(STORE_ROW)
#undef STORE_ROW
#undef LOAD_ROW
    }
  }
}

/* y (N,m,oh,ow) = convolution of x with the transformed filters u, plus a bias a row (bias_kind 2), activated. Group 0:
 * panels_n runs of NR tiles. v: local memory of 16*panels_n*channels*NR floats. */
kernel ONE_ITEM void winograd(global const float *restrict u, global const float *restrict x, global float *restrict y,
                              global const float *restrict bias, local float *v, int m, int channels, int cl, int h,
                              int w, int h0, int w0, int oh, int ow, int th, int tw, int tiles, int panels_n,
                              int bias_kind, int act, float slope) {
  float t[16 * MR * NR] __attribute__((aligned(128)));
  const int panels = (m + MR - 1) / MR, begin = get_group_id(0) * panels_n * NR;
  const int runs = min(panels_n, (tiles - begin + NR - 1) / NR), step = panels_n * channels * NR;
  for (int jp = 0; jp < runs; jp++)
    for (int side = 0; side < 2; side++)
      winograd_input(x, v + jp * channels * NR + side * VEC, step, channels, cl, h, w, h0, w0, th, tw, tiles,
                     begin + jp * NR + side * VEC);
  for (int p = 0; p < panels; p++) {
    const int i0 = p * MR, rows = min(MR, m - i0);
    for (int jp = 0; jp < runs; jp++) {
      const int j0 = begin + jp * NR, count = min(NR, tiles - j0);
      for (int e = 0; e < 16; e++) {
        global const float *a = u + ((size_t)e * panels + p) * channels * VEC;
        local const float *b = v + e * step + jp * channels * NR;
        float *to = t + e * MR * NR;
        if (rows > ROWS_MEDIUM) tile_large(a, VEC, b, channels, to);
        else if (rows > ROWS_SMALL) tile_medium(a, VEC, b, channels, to);
        else tile_small(a, VEC, b, channels, to);
      }
      int at[NR], edge[NR]; /* of each tile's outputs; 1: no second column, 2: no second row */
      int n = j0 / (th * tw), ty = (j0 - n * th * tw) / tw, tx = j0 - n * th * tw - ty * tw;
      for (int l = 0; l < count; l++) {
        at[l] = (n * m * oh + 2 * ty) * ow + 2 * tx;
        edge[l] = (2 * tx + 1 >= ow) | (2 * ty + 1 >= oh) << 1;
        if (++tx == tw) {
          tx = 0;
          if (++ty == th) ty = 0, n++;
        }
      }
      for (int r = 0; r < rows; r++) {
        global float *to = y + (size_t)(i0 + r) * oh * ow;
        const float offset = bias_kind ? bias[i0 + r] : 0.0f;
        for (int side = 0; side < 2; side++) {
          float out[4 * VEC] __attribute__((aligned(64)));
          floatv s[8]; /* At m, 2 x 4 */
          for (int b = 0; b < 4; b++) {
            const float *from = t + (b * MR + r) * NR + side * VEC;
            const floatv m1 = PLOAD(from + 4 * MR * NR), m2 = PLOAD(from + 8 * MR * NR);
            s[b] = PLOAD(from) + m1 + m2;
            s[4 + b] = m1 - m2 - PLOAD(from + 12 * MR * NR);
          }
          for (int a = 0; a < 2; a++) {
            floatv o0 = s[4 * a] + s[4 * a + 1] + s[4 * a + 2] + offset;
            floatv o1 = s[4 * a + 1] - s[4 * a + 2] - s[4 * a + 3] + offset;
            if (act) o0 = activate(o0, act, slope), o1 = activate(o1, act, slope);
            PSTORE(ZIP_LO(o0, o1), out + 2 * a * VEC);
            PSTORE(ZIP_HI(o0, o1), out + (2 * a + 1) * VEC);
          }
          const int most = min(VEC, count - side * VEC);
          for (int l = 0; l < most; l++) {
            global float *o = to + at[side * VEC + l];
            const int e = edge[side * VEC + l];
            if (e == 0) {
              vstore2(vload2(l, out), 0, o);
              vstore2(vload2(l, out + 2 * VEC), 0, o + ow);
            } else {
              o[0] = out[2 * l];
              if (!(e & 1)) o[1] = out[2 * l + 1];
              if (!(e & 2)) o[ow] = out[2 * VEC + 2 * l];
            }
          }
        }
      }
    }
  }
}

/* The filter gradient, the adjoint of the above in g: with a tile's 2x2 output gradients e,
 *   Gt ( sum over the tiles of (A e At) * (Bt d B) ) G
 * Group 0 adds up `share` tiles, group 1 has `block_o` panels of MR filters, group 2 `block_c` panels of NR channels. It
 * transforms KT tiles at a time, and 16 products add them to the sums; sums and transforms are in `room`: local memory
 * of 16*(block_c*NR*KT + block_o*VEC*KT + block_o*MR*block_c*NR) floats.
 * x (N,h,w,xl) and gy (N,oh,ow,yl) are channels-last; part[group 0][filter][3*3][xl]. */
kernel ONE_ITEM void winograd_filter_grad(global const float *restrict x, global const float *restrict gy,
                                          global float *restrict part, local float *restrict room, int filters, int xl,
                                          int yl, int h, int w, int h0, int w0, int oh, int ow, int th, int tw,
                                          int tiles, int share, int block_o, int block_c) {
  const int begin = get_group_id(0) * share, end = min(tiles, begin + share);
  const int o_begin = get_group_id(1) * block_o * MR, c_begin = get_group_id(2) * block_c * NR;
  const int panels_o = min(block_o, (filters - o_begin + MR - 1) / MR);
  const int vectors_c = min(2 * block_c, (xl - c_begin) / VEC), panels_c = (vectors_c + 1) / 2;
  const int step_v = block_c * KT * NR, step_u = block_o * KT * VEC, step_s = block_o * block_c * MR * NR;
  local float *v = room, *u = v + 16 * step_v, *sums = u + 16 * step_u;
  clear(sums, 16 * step_s);
  if (vectors_c & 1) /* half a panel */
    for (int e = 0; e < 16; e++)
      for (int k = 0; k < KT; k++) LSTORE((floatv)(0.0f), v + e * step_v + ((panels_c - 1) * KT + k) * NR + VEC);
  for (int t0 = begin; t0 < end; t0 += KT) {
    const int kt = min(KT, end - t0);
    int n = t0 / (th * tw), ty = (t0 - n * th * tw) / tw, tx = t0 - n * th * tw - ty * tw;
    for (int k = 0; k < kt; k++) {
      const int ih = 2 * ty + h0, iw = 2 * tx + w0;
      for (int i = 0; i < vectors_c; i++) {
        global const float *from = x + ((size_t)n * h * w) * xl + c_begin + i * VEC;
        local float *to = v + ((i / 2) * KT + k) * NR + (i & 1) * VEC;
        floatv d[16];
        for (int a = 0; a < 4; a++)
          for (int b = 0; b < 4; b++) {
            const int y = ih + a, z = iw + b;
            d[4 * a + b] = (floatv)(0.0f);
            if (y >= 0 && y < h && z >= 0 && z < w) d[4 * a + b] = GLOAD(from + (y * w + z) * xl);
          }
        for (int b = 0; b < 4; b++) {
          const floatv d0 = d[b], d1 = d[4 + b], d2 = d[8 + b], d3 = d[12 + b];
          d[b] = d0 - d2, d[4 + b] = d1 + d2, d[8 + b] = d2 - d1, d[12 + b] = d1 - d3;
        }
        for (int a = 0; a < 4; a++) {
          const floatv d0 = d[4 * a], d1 = d[4 * a + 1], d2 = d[4 * a + 2], d3 = d[4 * a + 3];
          LSTORE(d0 - d2, to + (4 * a) * step_v);
          LSTORE(d1 + d2, to + (4 * a + 1) * step_v);
          LSTORE(d2 - d1, to + (4 * a + 2) * step_v);
          LSTORE(d1 - d3, to + (4 * a + 3) * step_v);
        }
      }
      const int right = 2 * tx + 1 < ow, below = 2 * ty + 1 < oh;
      for (int p = 0; p < panels_o; p++) {
        global const float *from = gy + ((size_t)(n * oh + 2 * ty) * ow + 2 * tx) * yl + o_begin + p * MR;
        local float *to = u + (p * KT + k) * VEC;
        const floatv e0 = GLOAD(from), e1 = right ? GLOAD(from + yl) : (floatv)(0.0f),
                     f0 = below ? GLOAD(from + ow * yl) : (floatv)(0.0f),
                     f1 = right && below ? GLOAD(from + (ow + 1) * yl) : (floatv)(0.0f);
        const floatv a[8] = { e0, e1, e0 + f0, e1 + f1, e0 - f0, e1 - f1, -f0, -f1 }; /* A e, 4 x 2 */
        for (int r = 0; r < 4; r++) {
          LSTORE(a[2 * r], to + (4 * r) * step_u);
          LSTORE(a[2 * r] + a[2 * r + 1], to + (4 * r + 1) * step_u);
          LSTORE(a[2 * r] - a[2 * r + 1], to + (4 * r + 2) * step_u);
          LSTORE(-a[2 * r + 1], to + (4 * r + 3) * step_u);
        }
      }
      if (++tx == tw) {
        tx = 0;
        if (++ty == th) ty = 0, n++;
      }
    }
    for (int e = 0; e < 16; e++)
      for (int q = 0; q < panels_c; q++)
        for (int p = 0; p < panels_o; p++) {
          local const float *a = u + e * step_u + p * KT * VEC, *b = v + e * step_v + q * KT * NR;
          local float *to = sums + e * step_s + (p * block_c + q) * MR * NR;
          const int rows = min(MR, filters - o_begin - p * MR);
          if (rows > ROWS_MEDIUM) more_large(a, VEC, b, kt, to);
          else if (rows > ROWS_SMALL) more_medium(a, VEC, b, kt, to);
          else more_small(a, VEC, b, kt, to);
        }
  }
  part += (size_t)get_group_id(0) * filters * 9 * xl;
  const int rows = min(panels_o * MR, filters - o_begin);
  for (int r = 0; r < rows; r++)
    for (int i = 0; i < vectors_c; i++) {
      local const float *from = sums + ((r / MR * block_c + i / 2) * MR + r % MR) * NR + (i & 1) * VEC;
      global float *to = part + (size_t)(o_begin + r) * 9 * xl + c_begin + i * VEC;
      floatv s[12]; /* Gt m, 3 x 4 */
      for (int b = 0; b < 4; b++) {
        const floatv m1 = LLOAD(from + (4 + b) * step_s), m2 = LLOAD(from + (8 + b) * step_s);
        s[b] = LLOAD(from + b * step_s) + 0.5f * (m1 + m2);
        s[4 + b] = 0.5f * (m1 - m2);
        s[8 + b] = 0.5f * (m1 + m2) + LLOAD(from + (12 + b) * step_s);
      }
      for (int a = 0; a < 3; a++) {
        const floatv m1 = s[4 * a + 1], m2 = s[4 * a + 2];
        GSTORE(s[4 * a] + 0.5f * (m1 + m2), to + (3 * a) * xl);
        GSTORE(0.5f * (m1 - m2), to + (3 * a + 1) * xl);
        GSTORE(0.5f * (m1 + m2) + s[4 * a + 3], to + (3 * a + 2) * xl);
      }
    }
}
