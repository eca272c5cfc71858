/* packed.cl: what packed kernels (one work-item a work-group) share: vectors, their
 * transposition, activations, tiles of sums. Included.
 *
 * Tunables:
 *   VEC  floats in a vector: 16 (AVX-512) or 8
 */
#ifndef VEC
#define VEC 8
#endif
#define NR          (2 * VEC)
#define GLUE_(a, b) a##b
#define GLUE(a, b)  GLUE_(a, b)
typedef GLUE(float, VEC) floatv;
typedef GLUE(int, VEC) intv;
/* A vector at any float's address; a typed access, as some drivers split vloadn and vstoren. */
typedef floatv floatu __attribute__((aligned(4)));
#define GLOAD(p)     (*(global const floatu *)(p))
#if defined(HALF) && HALF
#define STORED_VECTOR(p) GLUE(vload_half, VEC)(0, p)
#else
#define STORED_VECTOR(p) GLOAD(p)
#endif
#define GSTORE(v, p) (*(global floatu *)(p) = (v))
#if defined(HALF_C) && HALF_C
#define STORE_VECTOR(v, p) GLUE(vstore_half, VEC)(v, 0, p)
#else
#define STORE_VECTOR(v, p) GSTORE(v, p)
#endif
#define LLOAD(p)     (*(local const floatv *)(p))
#define LSTORE(v, p) (*(local floatv *)(p) = (v))
#define PLOAD(p)     (*(const floatv *)(p))
#define PSTORE(v, p) (*(floatv *)(p) = (v))
#define ONE_ITEM     __attribute__((reqd_work_group_size(1, 1, 1)))

/* First half of TRANSPOSE: in every four numbers of rows a..d. */
#define FOUR_ROWS(v, w, a, b, c, d)                                                                \
  w##a = PAIR_LO(v##a, v##b), w##b = PAIR_HI(v##a, v##b), w##c = PAIR_LO(v##c, v##d),              \
  w##d = PAIR_HI(v##c, v##d), v##a = QUAD_LO(w##a, w##c), v##b = QUAD_HI(w##a, w##c),              \
  v##c = QUAD_LO(w##b, w##d), v##d = QUAD_HI(w##b, w##d)

#if VEC == 16
/* Rows of a tile: 2*MR sums, two vectors of B and one of A fill the registers. */
#define MR          14
#define ROWS_MEDIUM 8
#define ROWS_SMALL  4
#define LANES       ((int16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#define ZIP_LO(a, b)                                                                               \
  ((float16)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6,   \
             a.s7, b.s7))
#define ZIP_HI(a, b)                                                                               \
  ((float16)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se,   \
             a.sf, b.sf))
/* For TRANSPOSE, each one instruction. */
#define PAIR_LO(a, b)                                                                              \
  ((float16)(a.s0, b.s0, a.s1, b.s1, a.s4, b.s4, a.s5, b.s5, a.s8, b.s8, a.s9, b.s9, a.sc, b.sc,   \
             a.sd, b.sd))
#define PAIR_HI(a, b)                                                                              \
  ((float16)(a.s2, b.s2, a.s3, b.s3, a.s6, b.s6, a.s7, b.s7, a.sa, b.sa, a.sb, b.sb, a.se, b.se,   \
             a.sf, b.sf))
#define QUAD_LO(a, b) ((float16)(a.s01, b.s01, a.s45, b.s45, a.s89, b.s89, a.scd, b.scd))
#define QUAD_HI(a, b) ((float16)(a.s23, b.s23, a.s67, b.s67, a.sab, b.sab, a.sef, b.sef))
#define PART_LO(a, b) ((float16)(a.s0123, a.s89ab, b.s0123, b.s89ab))
#define PART_HI(a, b) ((float16)(a.s4567, a.scdef, b.s4567, b.scdef))
#define ROWS_ALL(X)                                                                                \
  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
/* Second half: the quarters of rows a..d. */
#define FOUR_PARTS(v, w, a, b, c, d)                                                               \
  w##a = PART_LO(v##a, v##b), w##b = PART_HI(v##a, v##b), w##c = PART_LO(v##c, v##d),              \
  w##d = PART_HI(v##c, v##d), v##a = PART_LO(w##a, w##c), v##b = PART_LO(w##b, w##d),              \
  v##c = PART_HI(w##a, w##c), v##d = PART_HI(w##b, w##d)
/* Transposes rows v0.. into v0..; w is room. Other networks of shuffles took PoCL three times as
 * many. */
#define TRANSPOSE(v, w)                                                                            \
  FOUR_ROWS(v, w, 0, 1, 2, 3), FOUR_ROWS(v, w, 4, 5, 6, 7), FOUR_ROWS(v, w, 8, 9, 10, 11),         \
      FOUR_ROWS(v, w, 12, 13, 14, 15), FOUR_PARTS(v, w, 0, 4, 8, 12),                              \
      FOUR_PARTS(v, w, 1, 5, 9, 13), FOUR_PARTS(v, w, 2, 6, 10, 14),                               \
      FOUR_PARTS(v, w, 3, 7, 11, 15)
#else
#define MR            6
#define ROWS_MEDIUM   4
#define ROWS_SMALL    2
#define LANES         ((int8)(0, 1, 2, 3, 4, 5, 6, 7))
#define ZIP_LO(a, b)  ((float8)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3))
#define ZIP_HI(a, b)  ((float8)(a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7))
#define PAIR_LO(a, b) ((float8)(a.s0, b.s0, a.s1, b.s1, a.s4, b.s4, a.s5, b.s5))
#define PAIR_HI(a, b) ((float8)(a.s2, b.s2, a.s3, b.s3, a.s6, b.s6, a.s7, b.s7))
#define QUAD_LO(a, b) ((float8)(a.s01, b.s01, a.s45, b.s45))
#define QUAD_HI(a, b) ((float8)(a.s23, b.s23, a.s67, b.s67))
#define ROWS_ALL(X)   X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define HALVES(v, w, a, b)                                                                         \
  w##a = (float8)(v##a.lo, v##b.lo), v##b = (float8)(v##a.hi, v##b.hi), v##a = w##a
#define TRANSPOSE(v, w)                                                                            \
  FOUR_ROWS(v, w, 0, 1, 2, 3), FOUR_ROWS(v, w, 4, 5, 6, 7), HALVES(v, w, 0, 4),                    \
      HALVES(v, w, 1, 5), HALVES(v, w, 2, 6), HALVES(v, w, 3, 7)
#endif

/* Zeros; n a multiple of VEC. */
static void clear(local float *to, int n) {
  for (int i = 0; i < n; i += VEC) LSTORE((floatv)(0.0f), to + i);
}

/* lcl_act: 1 relu, 2 leaky relu, 3 sigmoid, 4 tanh. */
static floatv activate(floatv v, int act, float slope) {
  if (act == 1) return select(v, (floatv)(0.0f), v <= 0.0f);
  if (act == 2) return select(v, v * slope, v <= 0.0f);
  if (act == 3) return 1.0f / (1.0f + exp(-v));
  return tanh(v);
}

/* Two vectors of row k of bp as b0 and b1, and where they come from. */
#define PACKED_B local const float *restrict bp
#define TAKE_B(k)                                                                                  \
  const floatv b0 = LLOAD(bp + (k) * NR), b1 = LLOAD(bp + (k) * NR + VEC);

/* A comes from the L2 cache or further, and so does a block of B that is larger than the L1: asking
 * early for their lines saves up to a tenth.
 *
 * TILE defines a function: t (rows of NR) becomes FROM(t) plus the first N rows of A's panel times
 * bp, with A and t in the address spaces named; columns of the panel are KS apart (a constant, or
 * the function's argument ks). The sums are to stay in registers: compilers see to that for an
 * indexed loop over arrays, while walking pointers and named sums cost PoCL's up to 48 moves a
 * round. TILES: those for packed A in global memory and t = A bp. */
#define TILE(NAME, N, A_SPACE, T_SPACE, FROM, KS)                                                  \
  static void NAME(A_SPACE const float *restrict ap, int ks, local const float *restrict bp,       \
                   int kc, T_SPACE float *restrict t) {                                            \
    floatv c[N], d[N];                                                                             \
    _Pragma("unroll") for (int r = 0; r < N; r++)                                                  \
        c[r] = FROM(t + r * NR), d[r] = FROM(t + r * NR + VEC);                                    \
    for (int k = 0; k < kc; k++) {                                                                 \
      TAKE_B(k)                                                                                    \
      PREFETCH(ap + (k + 8) * (KS));                                                               \
      PREFETCH(bp + (k + 8) * NR);                                                                 \
      PREFETCH(bp + (k + 8) * NR + VEC);                                                           \
      _Pragma("unroll") for (int r = 0; r < N; r++) {                                              \
        const floatv v = (floatv)(ap[k * (KS) + r]);                                               \
        c[r] = fma(v, b0, c[r]);                                                                   \
        d[r] = fma(v, b1, d[r]);                                                                   \
      }                                                                                            \
    }                                                                                              \
    _Pragma("unroll") for (int r = 0; r < N; r++) {                                                \
      *(T_SPACE floatv *)(t + r * NR) = c[r];                                                      \
      *(T_SPACE floatv *)(t + r * NR + VEC) = d[r];                                                \
    }                                                                                              \
  }
#define ZERO(p) ((floatv)(0.0f))
#define TILES                                                                                      \
  TILE(tile_large, MR, global, private, ZERO, VEC)                                                 \
  TILE(tile_medium, ROWS_MEDIUM, global, private, ZERO, VEC)                                       \
  TILE(tile_small, ROWS_SMALL, global, private, ZERO, VEC)

/* TAKE_B of a matrix b, its rows rsb apart, which bp holds afterwards: stores cost nothing beside
 * the sums. */
#define RAW_B global const stored *restrict b, size_t rsb, local float *restrict bp
#define PACK_B(k)                                                                                  \
  const floatv b0 = STORED_VECTOR(b + (k) * rsb), b1 = STORED_VECTOR(b + (k) * rsb + VEC);         \
  LSTORE(b0, bp + (k) * NR);                                                                       \
  LSTORE(b1, bp + (k) * NR + VEC);

/* TILE of packed B for rows of A as they lie, rs apart, the columns side by side. B_ARGS, TAKE:
 * PACKED_B and TAKE_B, or RAW_B and PACK_B. One factor at a time: with two PoCL's compiler keeps a
 * sum in memory. */
#define TILE_OF_ROWS(NAME, N, B_ARGS, TAKE)                                                        \
  static void NAME(global const float *restrict a, int rs, B_ARGS, int kc, float *restrict t) {    \
    global const float *row[N / 2];                                                                \
    const size_t half_way = (size_t)(N / 2) * rs;                                                  \
    floatv c[N], d[N];                                                                             \
    _Pragma("unroll") for (int r = 0; r < N; r++) c[r] = d[r] = (floatv)(0.0f);                    \
    for (int r = 0; r < N / 2; r++) row[r] = a + (size_t)r * rs;                                   \
    for (size_t k = 0; k < (size_t)kc; k++) {                                                      \
      TAKE(k)                                                                                      \
      _Pragma("unroll") for (int r = 0; r < N / 2; r++) {                                          \
        const floatv v = (floatv)(row[r][k]);                                                      \
        c[r] = fma(v, b0, c[r]);                                                                   \
        d[r] = fma(v, b1, d[r]);                                                                   \
      }                                                                                            \
      _Pragma("unroll") for (int r = 0; r < N / 2; r++) {                                          \
        const floatv v = (floatv)(row[r][k + half_way]);                                           \
        c[r + N / 2] = fma(v, b0, c[r + N / 2]);                                                   \
        d[r + N / 2] = fma(v, b1, d[r + N / 2]);                                                   \
      }                                                                                            \
    }                                                                                              \
    _Pragma("unroll") for (int r = 0; r < N; r++)                                                  \
        PSTORE(c[r], t + r * NR), PSTORE(d[r], t + r * NR + VEC);                                  \
  }
