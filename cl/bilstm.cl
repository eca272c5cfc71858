/* bilstm.cl: the Diagonal BiLSTM layer (van den Oord et al. 2016, section 3.3), forward and
 * backward through time: a work-group walks all the diagonals of one image in one direction, in a
 * single launch.
 *
 * Row i of column t of the skewed map is pixel (i, x) with x = t-i counted from the side where the
 * direction starts (from the left edge for d = 0, from the right edge for d = 1). With h' the state
 * of the pixel before it in its row (x-1) and h" that of the pixel above it (row i-1, same x; zero
 * for row 0):
 *   p = s[i,x] + K0 h" + K1 h',   o,f,i = sigmoid(p0,p1,p2), g = tanh(p3),
 *   c = f c' + i g,   h = o tanh(c).
 * All cells of a diagonal are independent of each other.
 *
 * Cells left of the image (x < 0) run with s = 0, or a bias, from the learned initial state. They
 * do not depend on the image, so they are walked once per direction ("margin": i > t, t = 0..H-2)
 * and every image starts from what they leave; or they are frozen and keep the initial state.
 * Cells right of the image influence nothing and are not run.
 *
 * Layouts (f32, h hidden units, HW = H*W):
 *   s, gs     (N,H,W,8h)        per pixel: left o,f,i,g then right o,f,i,g
 *   k         (2,4h,h)          per direction: [0] K0 for the row above, [1] K1 for the row itself
 *   kt        (2,2h,4h)         per direction: the transposes, [K0^T ; K1^T] (bilstm_pack)
 *   records   (N,2,HW,6h)       per image, direction and pixel (in image coordinates):
 *                               o,f,i,g,c,h
 *   margin    8h zeros (a record for "no neighbour"), then, if there are initial states,
 *             (2,H,H,6h): record [d][t+1][i] of margin cell i > t; t = -1 holds the initial state.
 *             Pixel x = -1 of row i is margin record t = i-1.
 *   partial   (P,2,8hh + 2Hh)   per item: gradient of k, then of the state at x = -1: (H,2,h),
 *                               h then c
 *
 * Two kinds from one source; GPUs whose groups can hold a diagonal have bilstm_tiled.cl. CPUs: a
 * work-group is one work-item with vectors of BILSTM_V hidden units. Other GPUs: the jobs of a
 * diagonal (a block of rows and a hidden unit) are shared among the work-items, with a barrier
 * after each diagonal. The state of the diagonal before is read from the
 * records themselves, so that no local memory is needed and any size fits. The *_step kernels do
 * one diagonal a launch: for devices whose groups are too small, or whose many compute units a
 * small batch would leave idle.
 *
 * Tunables:
 *   BILSTM_H  hidden units, where they are a constant (CPUs)
 *   BILSTM_V  1, 4, 8, 16       vector width; has to divide h; 1 on GPUs
 *   BILSTM_R  rows of a diagonal that share each load of K
 *   BILSTM_G  gate rows that share a load of h in the gradient of K; divides 4h */
#ifndef BILSTM_V
#if LCL_PANEL
#define BILSTM_V 4
#else
#define BILSTM_V 1
#endif
#endif
#ifndef BILSTM_R
#define BILSTM_R (BILSTM_V >= 16 || !LCL_PANEL ? 4 : 2)
#endif
#ifndef BILSTM_G
#define BILSTM_G (BILSTM_V >= 16 ? 8 : 4)
#endif

#include "bilstm_walk.cl"

/* ---- forward ---- */

/* kt from k_left and k_right. Global size (any, 4h rows). */
__kernel void bilstm_pack(cptr k_left, cptr k_right, gptr kt, const int h) {
  const int row = (int)get_global_id(1), d = row / (2 * h), b = row / h % 2, unit = row % h;
  cptr k = (d ? k_right : k_left) + (size_t)b * 4 * h * h;
  for (int gate = (int)get_global_id(0); gate < 4 * h; gate += (int)get_global_size(0))
    kt[(size_t)row * 4 * h + gate] = k[(size_t)gate * h + unit];
}

/* Initial states (h,H) to the records t = -1 of the margin (frozen: to where images start, t =
 * i-1), and its zeros. Global size (H, 2). */
__kernel void bilstm_init(cptr h0_left, cptr c0_left, cptr h0_right, cptr c0_right, gptr margin,
                          const bilstm_sizes z, const int freeze) {
  const int i = (int)get_global_id(0), d = (int)get_global_id(1), t = freeze ? i - 1 : -1;
  const int H = z.height, h = HIDDEN(z);
  gptr rec = margin + 8 * h + ((size_t)d * H * H + (t + 1) * H + i) * 6 * h;
  if (i == 0 && d == 0)
    for (int u = 0; u < 8 * h; u++) margin[u] = 0.0f;
  cptr h0 = d ? h0_right : h0_left, c0 = d ? c0_right : c0_left;
  for (int u = 0; u < h; u++) {
    rec[4 * h + u] = c0[u * H + i];
    rec[5 * h + u] = h0[u * H + i];
  }
}

/* Load: where the rows of a block start from, s, and the records before them: before[r] is of row
 * i0+r-1 one column ago, which is above row r and left of row r-1. Rows past n repeat the last. The
 * s of two columns on is asked for. */
static void load_block(const walk *w, cptr s, int t, int i0, int n, int u, vec p[BILSTM_R][4],
                       cptr before[BILSTM_R + 1]) {
  before[0] = neighbour(w, t - 1, i0 - 1);
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++) {
    const int i = i0 + min(r, n - 1);
    before[r + 1] = neighbour(w, t - 1, i);
    cptr from = s + (w->in_margin ? 0 : (size_t)pixel(w, t, i) * 8 * w->h) + u;
    for (int q = 0; q < 4; q++) {
      PREFETCH(from + q * w->h + (w->d ? -16 : 16) * w->h);
      p[r][q] = LOAD(from + q * w->h);
    }
  }
}

/* Multiply: p += K0 h" + K1 h'. kt: from unit u on. */
static void multiply_block(cptr kt, int h, cptr const before[BILSTM_R + 1], vec p[BILSTM_R][4]) {
  const int h4 = 4 * h;
  cptr k0 = kt, k1 = k0 + (size_t)h * h4;
  for (int k = 0; k < h; k++, k0 += h4, k1 += h4) {
    const vec a0 = LOAD(k0), a1 = LOAD(k0 + h), a2 = LOAD(k0 + 2 * h), a3 = LOAD(k0 + 3 * h);
    const vec b0 = LOAD(k1), b1 = LOAD(k1 + h), b2 = LOAD(k1 + 2 * h), b3 = LOAD(k1 + 3 * h);
    vec above = SPLAT(before[0][5 * h + k]);
#pragma unroll
    for (int r = 0; r < BILSTM_R; r++) {
      const vec left = SPLAT(before[r + 1][5 * h + k]);
      p[r][0] = LCL_MAD(b0, left, LCL_MAD(a0, above, p[r][0]));
      p[r][1] = LCL_MAD(b1, left, LCL_MAD(a1, above, p[r][1]));
      p[r][2] = LCL_MAD(b2, left, LCL_MAD(a2, above, p[r][2]));
      p[r][3] = LCL_MAD(b3, left, LCL_MAD(a3, above, p[r][3]));
      above = left;
    }
  }
}

/* Store: a record of the gates p, c and the output. */
static void store_cell(const vec p[4], vec c, vec out, gptr rec, int h) {
  STORE(p[0], rec);
  STORE(p[1], rec + h);
  STORE(p[2], rec + 2 * h);
  STORE(p[3], rec + 3 * h);
  STORE(c, rec + 4 * h);
  STORE(out, rec + 5 * h);
}

/* Rows i0 .. i0+n-1 (n <= BILSTM_R) of column t, units u .. u+BILSTM_V-1. */
static void forward_block(const walk *w, cptr s, cptr kt, int t, int i0, int n, int u) {
  vec p[BILSTM_R][4];
  cptr before[BILSTM_R + 1];
  load_block(w, s, t, i0, n, u, p, before);
  multiply_block(kt + u, w->h, before, p);
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++) {
    gates(p[r]);
    const vec c = LCL_MAD(p[r][1], LOAD(before[r + 1] + 4 * w->h + u), p[r][2] * p[r][3]);
    const vec out = p[r][0] * tanh_fast(c);
    if (r < n) store_cell(p[r], c, out, record_at(w, t, i0 + r) + u, w->h);
  }
}

/* Blocks of BILSTM_R rows of column t, times the vectors of a state: the jobs of a diagonal. */
static int block_jobs(const walk *w, int t) {
  return (last_row(w, t) - first_row(w, t) + BILSTM_R) / BILSTM_R * (w->h / BILSTM_V);
}

static void forward_job(const walk *w, cptr map, cptr kt, int t, int job) {
  const int units = w->h / BILSTM_V, i = first_row(w, t) + job / units * BILSTM_R;
  forward_block(w, map, kt, t, i, min(last_row(w, t) - i + 1, BILSTM_R), job % units * BILSTM_V);
}

/* Group: image id/2, direction id%2. In the margin: two groups; margin is written, records are
 * not touched, s is the 8h numbers that all its cells see. */
__kernel void bilstm_forward(cptr restrict s, cptr restrict kt, gptr margin, gptr records,
                             const bilstm_sizes z, const int in_margin) {
  const int image = (int)get_group_id(0) / 2, d = (int)get_group_id(0) % 2, h = HIDDEN(z);
  walk w;
  walk_of(&w, margin, records, image, d, z, in_margin);
  cptr map = s + image_at(z, image, 8 * h) + d * 4 * h;
  for (int t = 0; t < columns(&w); t++) {
    FOR_JOBS(job, block_jobs(&w, t)) forward_job(&w, map, kt + (size_t)d * 8 * h * h, t, job);
    SYNC();
  }
}

/* Column t of every image; global size (jobs of the column or more, 2N). */
__kernel void bilstm_forward_step(cptr restrict s, cptr restrict kt, gptr margin, gptr records,
                                  const bilstm_sizes z, const int t) {
  const int image = (int)get_global_id(1) / 2, d = (int)get_global_id(1) % 2, h = HIDDEN(z),
            job = (int)get_global_id(0);
  walk w;
  walk_of(&w, margin, records, image, d, z, 0);
  if (job < block_jobs(&w, t))
    forward_job(&w, s + image_at(z, image, 8 * h) + d * 4 * h, kt + (size_t)d * 8 * h * h, t, job);
}

/* y[i,x] = left[i,x] + right[i-1,x] from the records. Global size (any, N*H image rows). */
__kernel void bilstm_combine(cptr restrict records, gptr restrict y, const bilstm_sizes z) {
  const int H = z.height, W = z.width, h = HIDDEN(z), units = h / BILSTM_V;
  const int row = (int)get_global_id(1), image = row / H, i = row % H;
  cptr left = records + ((size_t)image * 2 * H + i) * W * 6 * h + 5 * h;
  cptr right = left + ((size_t)H - 1) * W * 6 * h;
  for (int e = (int)get_global_id(0); e < W * units; e += (int)get_global_size(0)) {
    const int x = e / units, u = e % units * BILSTM_V;
    vec v = LOAD(left + x * 6 * h + u);
    if (i > 0) v += LOAD(right + x * 6 * h + u);
    STORE(v, y + ((size_t)row * W + x) * h + u);
  }
}

/* ---- backward ---- */

/* Gradients that wait for the next column (t-1): K1^T dp for the row itself, K0^T dp for the row
 * above; two columns of H+1 rows, row H zero. And dc of each row. */
typedef struct carry {
  gptr same, above, dc; /* (2,H+1,h) each, of even and of odd columns; dc (H,h) */
  size_t odd;           /* where those of odd columns begin */
} carry;

static carry carry_of(gptr scratch, int H, int h) {
  carry q;
  q.odd = (size_t)(H + 1) * h;
  q.same = scratch, q.above = scratch + 2 * q.odd, q.dc = scratch + 4 * q.odd;
  return q;
}
static gptr same_of(const carry *q, int t) { return q->same + (t & 1) * q->odd; }
static gptr above_of(const carry *q, int t) { return q->above + (t & 1) * q->odd; }

/* Diagonals lie across memory, which a CPU does not foresee. */
static void ask_for_record(const walk *w, int t, int i, int u) {
  cptr rec = record_at(w, t, i) + u;
  for (int q = 0; q < 6; q++) PREFETCH(rec + q * w->h);
}

/* dp of the rows of a block from the incoming gradients: gh = gy + what came from the right and
 * from below. */
static void backward_cells(const walk *w, const carry *q, cptr gy, gptr dp, int t, int i, int u) {
  const int h = w->h;
  vec gh = LOAD(same_of(q, t + 1) + i * h + u) + LOAD(above_of(q, t + 1) + (i + 1) * h + u);
  if (gy) gh += LOAD(gy + u);
  cptr rec = record_at(w, t, i) + u;
  ask_for_record(w, t - 2, i, u);
  if (gy) PREFETCH(gy + u + (w->d ? 2 : -2) * h);
  const vec o = LOAD(rec), f = LOAD(rec + h), in = LOAD(rec + 2 * h), g = LOAD(rec + 3 * h);
  const vec tc = tanh_fast(LOAD(rec + 4 * h)), c_prev = LOAD(neighbour(w, t - 1, i) + 4 * h + u);
  const vec one = SPLAT(1.0f);
  const vec gc = LCL_MAD(gh * o, LCL_MAD(-tc, tc, one), LOAD(q->dc + i * h + u));
  STORE(gh * tc * o * (one - o), dp + u);
  STORE(gc * c_prev * f * (one - f), dp + h + u);
  STORE(gc * g * in * (one - in), dp + 2 * h + u);
  STORE(gc * in * LCL_MAD(-g, g, one), dp + 3 * h + u);
  STORE(gc * f, q->dc + i * h + u);
}

/* same = K1^T dp, above = K0^T dp of rows i0 .. i0+n-1, units u .. u+V-1. */
static void backward_products(const walk *w, const carry *q, cptr k, cptr const *dp, int t, int i0,
                              int n, int u) {
  const int h = w->h;
  vec same[BILSTM_R], above[BILSTM_R];
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++) same[r] = above[r] = SPLAT(0.0f);
  cptr k0 = k + u, k1 = k0 + (size_t)4 * h * h;
  for (int gate = 0; gate < 4 * h; gate++, k0 += h, k1 += h) {
    const vec a = LOAD(k0), b = LOAD(k1);
#pragma unroll
    for (int r = 0; r < BILSTM_R; r++) {
      const vec v = SPLAT(dp[r][gate]);
      above[r] = LCL_MAD(a, v, above[r]);
      same[r] = LCL_MAD(b, v, same[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++)
    if (r < n) {
      STORE(same[r], same_of(q, t) + (i0 + r) * h + u);
      STORE(above[r], above_of(q, t) + (i0 + r) * h + u);
    }
}

static gptr dp_at(const walk *w, gptr gs, int t, int i) {
  const int cell = w->in_margin ? t * w->H + i : pixel(w, t, i);
  return gs + (size_t)cell * 8 * w->h + w->d * 4 * w->h;
}

/* gk += dp (x) [h", h'] over the cells of column t, for the tile of BILSTM_G gate rows by V units
 * with number job. */
static void backward_kernel(const walk *w, gptr gs, gptr gk, int t, int job) {
  const int h = w->h, units = h / BILSTM_V, first = first_row(w, t), last = last_row(w, t);
  const int gate = job / units * BILSTM_G, u = job % units * BILSTM_V;
  gptr to0 = gk + (size_t)gate * h + u, to1 = to0 + (size_t)4 * h * h;
  vec sum0[BILSTM_G], sum1[BILSTM_G];
#pragma unroll
  for (int q = 0; q < BILSTM_G; q++) sum0[q] = LOAD(to0 + q * h), sum1[q] = LOAD(to1 + q * h);
  vec above = LOAD(neighbour(w, t - 1, first - 1) + 5 * h + u);
  for (int i = first; i <= last; i++) {
    cptr dp = dp_at(w, gs, t, i) + gate;
    const vec left = LOAD(neighbour(w, t - 1, i) + 5 * h + u);
#pragma unroll
    for (int q = 0; q < BILSTM_G; q++) {
      const vec v = SPLAT(dp[q]);
      sum0[q] = LCL_MAD(above, v, sum0[q]);
      sum1[q] = LCL_MAD(left, v, sum1[q]);
    }
    above = left;
  }
#pragma unroll
  for (int q = 0; q < BILSTM_G; q++) STORE(sum0[q], to0 + q * h), STORE(sum1[q], to1 + q * h);
}

static int cell_jobs(const walk *w, int t) {
  return (last_row(w, t) - first_row(w, t) + 1) * (w->h / BILSTM_V);
}
static int kernel_jobs(const walk *w) { return 4 * w->h / BILSTM_G * (w->h / BILSTM_V); }

/* gy: this image's (H,W,h), or null in the margin. */
static void cell_job(const walk *w, const carry *q, cptr gy, gptr gs, int t, int job) {
  const int units = w->h / BILSTM_V, i = first_row(w, t) + job / units;
  /* The right direction's map was moved down by one row: its row i was seen at row i+1. */
  cptr seen = gy && i + w->d < w->H ? gy + (size_t)(pixel(w, t, i) + w->d * w->W) * w->h : 0;
  backward_cells(w, q, seen, dp_at(w, gs, t, i), t, i, job % units * BILSTM_V);
}

static void product_job(const walk *w, const carry *q, cptr k, gptr gs, int t, int job) {
  const int units = w->h / BILSTM_V, i0 = first_row(w, t) + job / units * BILSTM_R;
  const int n = min(last_row(w, t) - i0 + 1, BILSTM_R);
  cptr dp[BILSTM_R];
#pragma unroll
  for (int r = 0; r < BILSTM_R; r++) dp[r] = dp_at(w, gs, t, i0 + min(r, n - 1));
  backward_products(w, q, k, dp, t, i0, n, job % units * BILSTM_V);
}

static void backward_walk(const walk *w, const carry *q, cptr gy, cptr k, gptr gs, gptr gk) {
  for (int t = columns(w) - 1; t >= 0; t--) {
    FOR_JOBS(job, cell_jobs(w, t)) cell_job(w, q, gy, gs, t, job);
    SYNC();
    FOR_JOBS(job, block_jobs(w, t)) product_job(w, q, k, gs, t, job);
    FOR_JOBS(job, kernel_jobs(w)) backward_kernel(w, gs, gk, t, job);
    SYNC();
  }
}

/* Row i's first cell is at column i; what it sent to the left is the gradient of the state at x =
 * -1. */
static void add_edge(const carry *q, gptr edge, int h, int job) {
  const int i = job / h, u = job % h;
  edge[i * 2 * h + u] += same_of(q, i)[job];
  edge[i * 2 * h + h + u] += q->dc[job];
}

static size_t carry_size(int H, int h) { return (size_t)(5 * H + 4) * h; }
static size_t part_size(int H, int h) { return (size_t)8 * h * h + (size_t)2 * H * h; }
static int part_begin(int part, int N, int P) { return (int)((long)part * N / P); }

/* Group: part id/2 of the images (P parts), direction id%2. scratch: (2P, (5H+4)h) floats. */
__kernel void bilstm_backward(cptr restrict gy, cptr restrict k_left, cptr restrict k_right,
                              gptr margin, gptr records, gptr gs, gptr partial, gptr scratch,
                              const bilstm_sizes z) {
  const int H = z.height, h = HIDDEN(z), N = z.images, P = z.parts;
  const int item = (int)get_group_id(0), part = item / 2, d = item % 2;
  const carry q = carry_of(scratch + item * carry_size(H, h), H, h);
  gptr gk = partial + item * part_size(H, h);
  FOR_JOBS(e, (int)part_size(H, h)) gk[e] = 0.0f;
  for (int n = part_begin(part, N, P); n < part_begin(part + 1, N, P); n++) {
    walk w;
    walk_of(&w, margin, records, n, d, z, 0);
    FOR_JOBS(e, (int)carry_size(H, h)) q.same[e] = 0.0f;
    SYNC();
    backward_walk(&w, &q, gy + image_at(z, n, h), d ? k_right : k_left, gs + image_at(z, n, 8 * h),
                  gk);
    FOR_JOBS(e, H * h) add_edge(&q, gk + 8 * h * h, h, e);
    SYNC();
  }
}

/* The same a column at a time; scratch: (2N, (5H+4)h), zero before the first; partial zero too.
 * Global sizes (jobs or more, 2N) of cells and products, (jobs or more, 2P) of kernel. */
__kernel void bilstm_backward_step_cells(cptr restrict gy, gptr margin, gptr records, gptr gs,
                                         gptr scratch, const bilstm_sizes z, const int t) {
  const int item = (int)get_global_id(1), job = (int)get_global_id(0), H = z.height, h = HIDDEN(z);
  const carry q = carry_of(scratch + item * carry_size(H, h), H, h);
  walk w;
  walk_of(&w, margin, records, item / 2, item % 2, z, 0);
  const size_t at = image_at(z, item / 2, h);
  if (job < cell_jobs(&w, t)) cell_job(&w, &q, gy + at, gs + 8 * at, t, job);
}

__kernel void bilstm_backward_step_products(cptr restrict k_left, cptr restrict k_right,
                                            gptr margin, gptr records, gptr gs, gptr scratch,
                                            const bilstm_sizes z, const int t) {
  const int item = (int)get_global_id(1), job = (int)get_global_id(0), H = z.height, h = HIDDEN(z);
  const carry q = carry_of(scratch + item * carry_size(H, h), H, h);
  walk w;
  walk_of(&w, margin, records, item / 2, item % 2, z, 0);
  if (job < block_jobs(&w, t))
    product_job(&w, &q, item % 2 ? k_right : k_left, gs + image_at(z, item / 2, 8 * h), t, job);
}

__kernel void bilstm_backward_step_kernel(gptr margin, gptr records, gptr gs, gptr partial,
                                          const bilstm_sizes z, const int t) {
  const int item = (int)get_global_id(1), job = (int)get_global_id(0), part = item / 2;
  const int H = z.height, h = HIDDEN(z), N = z.images, P = z.parts;
  if (job >= 4 * h / BILSTM_G * (h / BILSTM_V)) return;
  for (int n = part_begin(part, N, P); n < part_begin(part + 1, N, P); n++) {
    walk w;
    walk_of(&w, margin, records, n, item % 2, z, 0);
    backward_kernel(&w, gs + image_at(z, n, 8 * h), partial + item * part_size(H, h), t, job);
  }
}

/* After the last column: the gradients of the states at x = -1. Global size (H*h, 2P). */
__kernel void bilstm_backward_step_edges(gptr partial, gptr scratch, const bilstm_sizes z) {
  const int item = (int)get_global_id(1), part = item / 2;
  const int H = z.height, h = HIDDEN(z), N = z.images, P = z.parts;
  for (int n = part_begin(part, N, P); n < part_begin(part + 1, N, P); n++) {
    const carry q = carry_of(scratch + (n * 2 + item % 2) * carry_size(H, h), H, h);
    add_edge(&q, partial + item * part_size(H, h) + 8 * h * h, h, (int)get_global_id(0));
  }
}

/* The margin's share, once per direction (two groups): takes the summed gradients of the states at
 * x = -1 from part P of partial, adds the gradient of K there and leaves the gradients of the
 * initial states in the place of the former.
 * dp: (H,H,8h) scratch. */
__kernel void bilstm_backward_margin(cptr restrict k_left, cptr restrict k_right, gptr margin,
                                     gptr dp, gptr partial, gptr scratch, const bilstm_sizes z) {
  const int d = (int)get_group_id(0), H = z.height, h = HIDDEN(z);
  const carry q = carry_of(scratch + d * carry_size(H, h), H, h);
  gptr gk = partial + (z.parts * 2 + d) * part_size(H, h), edge = gk + 8 * h * h;
  walk w;
  walk_of(&w, margin, margin, 0, d, z, 1);
  FOR_JOBS(e, 8 * h * h) gk[e] = 0.0f;
  FOR_JOBS(e, (5 * H + 4) * h) q.same[e] = 0.0f;
  SYNC();
  FOR_JOBS(e, H * h) {
    same_of(&q, 0)[e] = same_of(&q, 1)[e] = edge[e / h * 2 * h + e % h];
    q.dc[e] = edge[e / h * 2 * h + h + e % h];
  }
  SYNC();
  backward_walk(&w, &q, 0, d ? k_right : k_left, dp, gk);
  FOR_JOBS(e, H * h) {
    edge[e / h * 2 * h + e % h] = q.same[e] + q.above[e + h];
    edge[e / h * 2 * h + h + e % h] = q.dc[e];
  }
}

/* Gradient of what all cells of the margin see: the sum of dp over them. Global size 8h or more. */
__kernel void bilstm_pad_grad(cptr dp, gptr gpad, const bilstm_sizes z) {
  const int e = (int)get_global_id(0), H = z.height, h = HIDDEN(z);
  if (e >= 8 * h) return;
  float sum = 0.0f;
  for (int t = 0; t < H - 1; t++)
    for (int i = t + 1; i < H; i++) sum += dp[(size_t)(t * H + i) * 8 * h + e];
  gpad[e] = sum;
}

/* Part P of partial = sum over the parts before it, the states' share in each direction. Global
 * (any, 2). */
__kernel void bilstm_sum_edges(gptr partial, const bilstm_sizes z) {
  const int d = (int)get_global_id(1), P = z.parts, first = 8 * HIDDEN(z) * HIDDEN(z),
            size = (int)part_size(z.height, HIDDEN(z));
  for (int e = first + (int)get_global_id(0); e < size; e += (int)get_global_size(0)) {
    float sum = 0.0f;
    for (int p = 0; p < P; p++) sum += partial[((size_t)p * 2 + d) * size + e];
    partial[((size_t)P * 2 + d) * size + e] = sum;
  }
}

/* gk_left, gk_right = sum over `parts` parts. Global (any, 2). */
__kernel void bilstm_sum_k(cptr partial, gptr gk_left, gptr gk_right, const int parts,
                           const int count, const int size) {
  const int d = (int)get_global_id(1);
  gptr out = d ? gk_right : gk_left;
  for (int e = (int)get_global_id(0); e < count; e += (int)get_global_size(0)) {
    float sum = 0.0f;
    for (int p = 0; p < parts; p++) sum += partial[((size_t)p * 2 + d) * size + e];
    out[e] = sum;
  }
}

/* Part P's state gradients (H,2,h) to the four (h,H) gradients. Global size (H, 2). */
__kernel void bilstm_state_grad(cptr partial, gptr h0_left, gptr c0_left, gptr h0_right,
                                gptr c0_right, const bilstm_sizes z) {
  const int i = (int)get_global_id(0), d = (int)get_global_id(1), H = z.height, h = HIDDEN(z);
  cptr edge = partial + (z.parts * 2 + d) * part_size(H, h) + 8 * h * h;
  gptr gh = d ? h0_right : h0_left, gc = d ? c0_right : c0_left;
  for (int u = 0; u < h; u++) {
    gh[u * H + i] = edge[i * 2 * h + u];
    gc[u * H + i] = edge[i * 2 * h + h + u];
  }
}
