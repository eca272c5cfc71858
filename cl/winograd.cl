/* winograd.cl: 3x3 convolutions (stride and dilation 1) by minimal filtering, in panel shape. Layouts and vectors as in
 * matmul_panel.cl.
 *
 * Tunables:
 *   VEC  floats in a vector: 16 or 8
 */
#include "panel.cl"

TILES

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
        if (rows > ROWS_MEDIUM) tile_large(a, b, channels, to);
        else if (rows > ROWS_SMALL) tile_medium(a, b, channels, to);
        else tile_small(a, b, channels, to);
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
