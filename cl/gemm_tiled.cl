/* gemm_tiled.cl: tiled GEMM and implicit-GEMM convolution, for devices that run many work-items
 * at once.
 *
 *   C[i,j] = act( sum_k A[i,k] B[k,j] + bias )    i < m, j < n, k < k_all, for every z of a batch
 *
 * A work-group owns a tile of C of TILE_M x TILE_N, each work-item a block of 4*VECTORS squared of
 * it: VECTORS runs of 4 neighbours in each direction, half a tile apart when there are two. In a
 * round, TK values of k go through local memory:
 *   fetch     this work-item's share of A and B of the next round to registers
 *   multiply  what is in local memory, sums in registers
 *   put       what was fetched to the other buffer of local memory
 * and at the end
 *   store     bias, activation, C. With split-K each part writes a C of its own, summed by
 *             gemm_reduce.cl.
 *
 * Rounds: k = (w,t) with t < inner, in an order of its own, the same for A and B:
 *   SOURCE    t                                 w
 *   0         0                                 k
 *   1         a tap of the filter               a channel
 *   2         a pixel of the grid               an image
 * A slice is a run of consecutive t: TK of them, or the largest power of 2 that is left. A round
 * has TK / run values of w of a slice, and from round to round all elements move by the same number
 * of floats. So where they are, and which taps are outside the image, is worked out once a slice.
 *
 * Buffers (f32, with HALF a and b f16; args.h has the fields; s.k_split counts rounds):
 *   a     gemm_a
 *   b     by SOURCE: 0 a matrix, 1 taps under output pixels, 2 the same transposed, j = (c,a,b);
 *         patches are of x (N,C,H,W)
 *   c     gemm_c
 *   bias  a number a column or a row
 *
 * Tunables:
 *   TILE_M, TILE_N  rows and columns of a tile: 32, 64 or 128
 *   VECTORS  vectors of 4 a work-item has in each direction: 1 or 2
 *   TK       depth of a round, a power of 2; local memory is 8*TK*(TILE_M + TILE_N + 8) bytes
 *   A_BY_K, B_BY_K  SOURCE 0: neighbours in memory are neighbours in k, else in i or j
 *   A_WIDE, B_WIDE  1: runs of 4 neighbours begin at multiples of 4 floats and are all in or all
 *            out of the operand, so that each is fetched at once
 *   SOURCE   see above
 *   SMOOTH   1: the activation may be the sigmoid or tanh
 *   PHASES   1: one launch has the GEMMs of all phases of a strided input gradient (SOURCE 1, no
 *            split-K); what differs from phase to phase is worked out here
 *   NEAR     1: operands are at most 4 GiB, so that 32 bits tell where an element is: for devices
 *            that add them to a common address while they load
 *   UNROLL   values of k that are multiplied without a jump
 *   HALF     1: a and b are stored in half precision
 *   HALF_C   1: c is
 */
#include "gemm_store.cl"

#ifndef TILE_M
#define TILE_M 64
#endif
#ifndef TILE_N
#define TILE_N 64
#endif
#ifndef VECTORS
#define VECTORS 1
#endif
#ifndef TK
#define TK (16 / VECTORS)
#endif
#ifndef SOURCE
#define SOURCE 0
#endif
#if SOURCE != 0
#define A_BY_K 1
#define B_BY_K (SOURCE == 2)
#endif
#ifndef A_BY_K
#define A_BY_K 1
#endif
#ifndef B_BY_K
#define B_BY_K 0
#endif
#ifndef A_WIDE
#define A_WIDE 0
#endif
#ifndef B_WIDE
#define B_WIDE 0
#endif
#ifndef PHASES
#define PHASES 0
#endif
#ifndef UNROLL
#define UNROLL TK
#endif

#ifndef NEAR
#define NEAR 0
#endif

#if defined(HALF) && HALF
#define STORED4(p) vload_half4(0, p)
#else
#define STORED4(p) (*(global const float4 *)(p))
#endif

/* Where an element is: at a place that is its own, and a distance that all of a round share. */
#if NEAR
typedef uint place; /* bytes */
#define PLACE(elements)    ((uint)(elements) * (uint)sizeof(stored))
#define MOVE(from, on, by) ((on) += (by))
#define AT(from, at, on)   ((global const stored *)((global const char *)(from) + ((at) + (on))))
#else
typedef int place; /* elements; the common address itself moves */
#define PLACE(elements)    (elements)
#define MOVE(from, on, by) ((from) += (by))
#define AT(from, at, on)   ((from) + (at))
#endif

#define SIDE    (4 * VECTORS) /* of a work-item's block */
#define ITEMS_M (TILE_M / SIDE)
#define ITEMS_N (TILE_N / SIDE)
#define ITEMS   (TILE_M * TILE_N / 16 / VECTORS / VECTORS)
#define PITCH_M (TILE_M + 4) /* keeps columns in different banks, rows aligned to 16 bytes */
#define PITCH_N (TILE_N + 4)
#define BUFFER  (TK * (PITCH_M + PITCH_N))
#define EACH_A  (TILE_M * TK / ITEMS) /* elements that a work-item fetches in a round */
#define EACH_B  (TILE_N * TK / ITEMS)
#define RUN_A   (A_WIDE && EACH_A % 4 == 0 ? 4 : 1) /* neighbours of them that it fetches at once */
#define RUN_B   (B_WIDE && EACH_B % 4 == 0 ? 4 : 1)
#define RUNS_A  (EACH_A / RUN_A)
#define RUNS_B  (EACH_B / RUN_B)

/* First row (column) and k within the round of the e-th run of `run` elements that a work-item
 * fetches of an operand of `side` rows (columns). */
#define FOLD(side) ((side) > ITEMS ? (side) / ITEMS : 1)
#define ROW_OF(id, e, side, by_k, run)                                                             \
  ((by_k) ? (id) / (TK / (run)) + (e) * (ITEMS / (TK / (run)))                                     \
          : (id) % ((side) / (run)) * (run) + (e) % FOLD((side) / (run)) * ITEMS * (run))
#define K_OF(id, e, side, by_k, run)                                                               \
  ((by_k) ? (id) % (TK / (run)) * (run)                                                            \
          : (id) / ((side) / (run)) +                                                              \
                (e) / FOLD((side) / (run)) * (FOLD((side) / (run)) * ITEMS * (run) / (side)))

/* From t0, 1 << log values of t. */
typedef struct slice {
  int t0, log;
} slice;

static slice slice_at(int t0, int inner) {
  const int left = inner - t0;
  slice x;
  x.t0 = t0;
  x.log = left >= TK ? 31 - clz(TK) : 31 - clz(left);
  return x;
}

/* Where the runs of elements are that a work-item fetches: offsets in the operand in the first
 * round of a slice, and their w there, or NOWHERE for a tap outside the image. */
typedef struct places_a {
  place at[RUNS_A];
  int w[RUNS_A];
} places_a;
typedef struct places_b {
  place at[RUNS_B];
  int w[RUNS_B];
} places_b;
#define NOWHERE 0x7fffffff

#if SOURCE != 0
/* Offset in x, row and column that an output pixel or a tap contributes: an element is at the sum
 * of both. */
static int4 pixel(int p, const patches g) {
  const int pixels = g.gq * g.gr, image = p / pixels, rest = p - image * pixels, q = rest / g.gr;
  const int ih = q * g.sh + g.h0, iw = (rest - q * g.gr) * g.sw + g.w0;
  return (int4)(image * g.image + ih * g.w + iw, ih, iw, 0);
}
static int4 tap(int t, const patches g) {
  const int row = t / g.tb, a = row * g.dh, b = (t - row * g.tb) * g.dw;
  return (int4)(a * g.w + b, a, b, 0);
}
static int inside(int4 p, int4 t, const patches g) {
  return (uint)(p.y + t.y) < (uint)g.h && (uint)(p.z + t.z) < (uint)g.w;
}
#endif

/* ---- phases of gemm_tiled: without restrict, whose scopes Oclgrind does not know ---- */

/* A from row i0, of which it has m. */
static void find_a(places_a *p, int id, int i0, int m, slice x, const gemm_a g) {
#pragma unroll
  for (int e = 0; e < RUNS_A; e++) {
    const int k = K_OF(id, e, TILE_M, A_BY_K, RUN_A), w = k >> x.log;
    const int last = m - i0 - (A_BY_K ? 1 : RUN_A);
    const int row = min(ROW_OF(id, e, TILE_M, A_BY_K, RUN_A), last), t = x.t0 + k - (w << x.log);
    p->w[e] = w;
#if SOURCE == 0
    p->at[e] = PLACE(row * g.rs + w * g.s1);
#elif SOURCE == 1
    const int l = t / g.tb;
    p->at[e] = PLACE(row * g.rs + w * g.s1 + l * g.sa + (t - l * g.tb) * g.sb);
#else
    p->at[e] = PLACE(row * g.rs + w * g.sa + t * g.s1);
#endif
  }
}

/* B from column j0, of which it has n. taps: SOURCE 2: what the tile's columns contribute. */
static void find_b(places_b *p, int id, int j0, int n, slice x, const gemm_b b, const patches g,
                   local const int4 *taps) {
#pragma unroll
  for (int e = 0; e < RUNS_B; e++) {
    const int k = K_OF(id, e, TILE_N, B_BY_K, RUN_B), w = k >> x.log;
    const int col = ROW_OF(id, e, TILE_N, B_BY_K, RUN_B), t = x.t0 + k - (w << x.log);
#if SOURCE == 0
    p->w[e] = w;
    p->at[e] = PLACE(min(col, n - j0 - (B_BY_K ? 1 : RUN_B)) * b.cs + w * b.rs);
#elif SOURCE == 1
    const int4 under = pixel(min(j0 + col, n - 1), g), over = tap(t, g);
    p->w[e] = inside(under, over, g) ? w : NOWHERE;
    p->at[e] = PLACE(under.x + over.x + w * g.h * g.w);
#else
    const int4 under = pixel(t, g), over = taps[col];
    p->w[e] = inside(under, over, g) ? w : NOWHERE;
    p->at[e] = PLACE(under.x + over.x + w * g.image);
#endif
  }
}

/* Fetch: runs of the round before whose first w there are `left`. */
static void fetch_run(float *r, global const stored *p, int run, int there) {
  if (run == 4) {
    const float4 v = there ? STORED4(p) : (float4)(0.0f);
    r[0] = v.x, r[1] = v.y, r[2] = v.z, r[3] = v.w;
  } else {
    r[0] = there ? STORED(p, 0) : 0.0f;
  }
}
static void fetch_a(float r[EACH_A], global const stored *a, const places_a *p, place on,
                    int left) {
#pragma unroll
  for (int e = 0; e < RUNS_A; e++)
    fetch_run(r + e * RUN_A, AT(a, p->at[e], on), RUN_A, p->w[e] < left);
}
static void fetch_b(float r[EACH_B], global const stored *b, const places_b *p, place on,
                    int left) {
#pragma unroll
  for (int e = 0; e < RUNS_B; e++)
    fetch_run(r + e * RUN_B, AT(b, p->at[e], on), RUN_B, p->w[e] < left);
}

/* Put: to a buffer of local memory, A to [k][row], behind it B to [k][column]. */
static void put_run(local float *to, const float *r, int run, int by_k, int pitch) {
  if (run == 4 && !by_k) {
    *(local float4 *)to = (float4)(r[0], r[1], r[2], r[3]);
  } else {
#pragma unroll
    for (int l = 0; l < run; l++) to[l * pitch] = r[l];
  }
}
static void put(local float *as, const float ra[EACH_A], const float rb[EACH_B], int id) {
  local float *bs = as + TK * PITCH_M;
#pragma unroll
  for (int e = 0; e < RUNS_A; e++)
    put_run(as + K_OF(id, e, TILE_M, A_BY_K, RUN_A) * PITCH_M +
                ROW_OF(id, e, TILE_M, A_BY_K, RUN_A),
            ra + e * RUN_A, RUN_A, A_BY_K, PITCH_M);
#pragma unroll
  for (int e = 0; e < RUNS_B; e++)
    put_run(bs + K_OF(id, e, TILE_N, B_BY_K, RUN_B) * PITCH_N +
                ROW_OF(id, e, TILE_N, B_BY_K, RUN_B),
            rb + e * RUN_B, RUN_B, B_BY_K, PITCH_N);
}

/* Multiply: what is in local memory, from this work-item's first row and column, onto the sums. */
static void multiply(local const float *as, local const float *bs, float4 sum[SIDE][VECTORS]) {
#pragma unroll UNROLL
  for (int k = 0; k < TK; k++) {
    float4 bv[VECTORS];
#pragma unroll
    for (int v = 0; v < VECTORS; v++)
      bv[v] = *(local const float4 *)(bs + k * PITCH_N + v * 4 * ITEMS_N);
#pragma unroll
    for (int u = 0; u < VECTORS; u++) {
      const float4 av = *(local const float4 *)(as + k * PITCH_M + u * 4 * ITEMS_M);
#pragma unroll
      for (int v = 0; v < VECTORS; v++) {
        sum[4 * u][v] = mad((float4)(av.x), bv[v], sum[4 * u][v]);
        sum[4 * u + 1][v] = mad((float4)(av.y), bv[v], sum[4 * u + 1][v]);
        sum[4 * u + 2][v] = mad((float4)(av.z), bv[v], sum[4 * u + 2][v]);
        sum[4 * u + 3][v] = mad((float4)(av.w), bv[v], sum[4 * u + 3][v]);
      }
    }
  }
}

/* Store: columns j to j + 3 of the rows of run v, with bias and activation. */
static void store_run(global result *c, global const float *bias, int i0, int j, int v, int z,
                      float4 sum[SIDE][VECTORS], const gemm_sizes s, const gemm_c lc,
                      const patches g) {
  columns x;
  columns_at(&x, c, j, s.n, lc, SOURCE == 1 ? g.gq : 0, g.gr);
  float4 column = (float4)(0.0f);
  if (lc.bias_kind == 1)
    column = (float4)(bias[min(j, s.n - 1)], bias[min(j + 1, s.n - 1)], bias[min(j + 2, s.n - 1)],
                      bias[min(j + 3, s.n - 1)]);
#pragma unroll
  for (int r = 0; r < SIDE; r++) {
    const int i = i0 + (r / 4) * 4 * ITEMS_M + r % 4;
    if (i < s.m) {
      const float4 v4 = sum[r][v] + (lc.bias_kind == 2 ? (float4)(bias[z * s.m + i]) : column);
      store_columns(c + (size_t)i * lc.ldc, &x, activate(v4, lc.act, lc.slope));
    }
  }
}

/* What differs from phase to phase begins as it is for all. */
#if PHASES
#define ALL(name) name##_all
#else
#define ALL(name) name
#endif

#if PHASES
/* One dimension of a phase: its positions see taps first, first + step, ...; position q with tap
 * number t reads row q + start + t*move of the gradient (move is the same for all phases). */
typedef struct span {
  int count, taps, first, start;
} span;

static span span_of(int number, int size, int kernel_size, int stride, int before, int dilation,
                    int step) {
  const int most = min(step, kernel_size);
  span x = { (size - number + stride - 1) / stride, 0, 0, 0 };
  while (x.first < most && (number + before - x.first * dilation) % stride != 0) x.first++;
  if (x.first == most) {
    x.first = 0;
    return x;
  }
  x.taps = (kernel_size - 1 - x.first) / step + 1;
  x.start = (number + before - x.first * dilation) / stride;
  return x;
}

static void enter_phase(int number, gemm_sizes *s, gemm_a *a, gemm_c *c, patches *g,
                        const gemm_phases f) {
  const int ph = number / f.across, pw = number - ph * f.across;
  const span y = span_of(ph, f.h, f.kh, f.sh, f.top, f.dh, f.step_h),
             x = span_of(pw, f.w, f.kw, f.sw, f.left, f.dw, f.step_w);
  s->n = f.images * y.count * x.count;
  s->k = y.taps * x.taps * a->len;
  s->k_split = 0x7fffffff;
  a->base += y.first * f.kw + x.first;
  a->tb = max(x.taps, 1);
  c->base += ph * f.w + pw;
  g->gq = y.count;
  g->gr = x.count;
  g->h0 = y.start;
  g->w0 = x.start;
  g->ta = max(y.taps, 1);
  g->tb = max(x.taps, 1);
}
#endif

/* Groups: 0 tiles of columns, 1 tiles of rows, 2 z*splits + part of the rounds; with PHASES
 * phase*batch + z. */
kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1))) void
gemm_tiled(global const stored *restrict a, global const stored *restrict b,
             global result *restrict c, global const float *restrict bias,
             const gemm_sizes ALL(s), const gemm_a ALL(la), const gemm_b lb, const gemm_c ALL(lc),
             const patches ALL(g)
#if PHASES
             ,
             const gemm_phases phases
#endif
) {
  local float both[2 * BUFFER] __attribute__((aligned(16))); /* each: A, then B */
#if SOURCE == 2
  local int4 taps[TILE_N];
#else
  local int4 taps[1];
#endif
  /* 32 work-items that run together have a block of 4 x 8, which reads least of local memory. */
  const int id = get_local_id(0) & (ITEMS - 1), block = id / 32, wide = min(8, ITEMS_N),
             across = ITEMS_N / wide;
  const int tx = id % wide + block % across * wide,
            ty = id / wide % (32 / wide) + block / across * (32 / wide);
  const int i0 = get_group_id(1) * TILE_M, j0 = get_group_id(0) * TILE_N;
#if PHASES
  const int phase = get_group_id(2) / phases.batch, z = get_group_id(2) - phase * phases.batch,
            part = 0;
  gemm_sizes s = s_all; /* each work-item its own: on PoCL a group shares its arguments */
  gemm_a la = la_all;
  gemm_c lc = lc_all;
  patches g = g_all;
  enter_phase(phase, &s, &la, &lc, &g, phases);
  if (j0 >= s.n) return; /* of the whole group */
#else
  const int z = get_group_id(2) / s.splits, part = get_group_id(2) - z * s.splits;
#endif
#if SOURCE == 0
  const int inner = 1, step_a = la.s1, step_b = lb.rs;
  b += (size_t)j0 * lb.cs;
#elif SOURCE == 1
  const int inner = g.ta * g.tb, step_a = la.s1, step_b = g.h * g.w;
#else
  const int inner = g.gq * g.gr, step_a = la.sa, step_b = g.image;
#endif
  const int all_w = s.k / inner;
  a += la.base + (size_t)z * la.batch + (size_t)i0 * la.rs;
  b += lb.base + (size_t)z * lb.batch;

  float4 sum[SIDE][VECTORS];
#pragma unroll
  for (int r = 0; r < SIDE; r++)
#pragma unroll
    for (int v = 0; v < VECTORS; v++) sum[r][v] = (float4)(0.0f);

#if SOURCE == 2
  for (int col = id; col < TILE_N; col += ITEMS) {
    const int j = min(j0 + col, s.n - 1), n = g.ta * g.tb, ch = j / n;
    int4 over = tap(j - ch * n, g);
    over.x += ch * g.h * g.w;
    taps[col] = over;
  }
  barrier(CLK_LOCAL_MEM_FENCE);
#endif

  /* Rounds begin to end - 1 of all slices; this part's first slice is found without a search. */
  const int begin = part * s.k_split, end = begin + s.k_split,
            skipped = all_w ? min(begin / all_w, inner / TK) : 0;
  int first = skipped * all_w, t0 = skipped * TK;
  local float *now = both, *other = both + BUFFER;
  while (t0 < inner && first < end) {
    const slice x = slice_at(t0, inner);
    const int per = TK >> x.log, rounds = (all_w + per - 1) / per;
    const int from = max(begin - first, 0), to = min(end - first, rounds);
    if (from < to) {
      places_a pa;
      places_b pb;
      float ra[EACH_A], rb[EACH_B];
      place on_a = 0, on_b = 0;
      global const stored *a_at = a, *b_at = b;
      MOVE(a_at, on_a, (size_t)from * per * PLACE(step_a));
      MOVE(b_at, on_b, (size_t)from * per * PLACE(step_b));
      int left = all_w - from * per;
      find_a(&pa, id, i0, s.m, x, la);
      find_b(&pb, id, j0, s.n, x, lb, g, taps);
      fetch_a(ra, a_at, &pa, on_a, left);
      fetch_b(rb, b_at, &pb, on_b, left);
      put(now, ra, rb, id);
      barrier(CLK_LOCAL_MEM_FENCE);
      for (int rounds_left = to - from; rounds_left > 0; rounds_left--) {
        MOVE(a_at, on_a, per * PLACE(step_a));
        MOVE(b_at, on_b, per * PLACE(step_b));
        left -= per;
        fetch_a(ra, a_at, &pa, on_a, left);
        fetch_b(rb, b_at, &pb, on_b, left);
        multiply(now + ty * 4, now + TK * PITCH_M + tx * 4, sum);
        put(other, ra, rb, id);
        local float *const was = now;
        now = other;
        other = was;
        barrier(CLK_LOCAL_MEM_FENCE);
      }
    }
    first += rounds;
    t0 += 1 << x.log;
  }

  c += lc.base + (size_t)z * lc.batch + (size_t)part * lc.split;
#pragma unroll
  for (int v = 0; v < VECTORS; v++) {
    const int j = j0 + v * 4 * ITEMS_N + tx * 4;
    if (j < s.n) store_run(c, bias, i0 + ty * 4, j, v, z, sum, s, lc, g);
  }
}
