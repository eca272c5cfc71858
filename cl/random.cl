/* random.cl: numbers that are a pure function of (seed, stream, step, index), and so the same on
 * every device.
 *
 * Philox4x32-10 (Salmon et al. 2011): ten rounds on the counter {index/4, stream, step_lo, step_hi}
 * under the key {seed_lo, seed_hi} give the 32-bit words of four consecutive indices.
 * src/base/philox.c is the same generator.
 *
 *   uniform    (bits >> 8) * 2^-24, in [0,1)
 *   normal     Box-Muller on the words (a, b) of the indices (2k, 2k+1):
 *              r = sqrt(-2 log(((a >> 8) + 1) * 2^-24)), z = r cos(2 pi u_b), r sin(2 pi u_b)
 *   bernoulli  1 where u < p[index], else 0
 *   keep       scale where u < p, else 0 (one p for all: dropout's mask)
 *
 * rng: {seed_lo, seed_hi, step_lo, step_hi}. Every output is dense f32: the n elements from out[at]
 * on get the numbers of the indices from .. from + n - 1.
 *
 * Tunables:
 *   RANDOM_VEC   1, 4, 8 or 16: counters a work-item handles side by side (vector lanes on CPU
 *                drivers)
 *   A work-item takes every get_global_size(0)-th group of RANDOM_VEC counters, so any global size
 *   is right. */
#ifndef RANDOM_VEC
#if LCL_PANEL
#define RANDOM_VEC LCL_VEC
#else
#define RANDOM_VEC 1
#endif
#endif

#define RANDOM_CAT_(a, b) a##b
#define RANDOM_CAT(a, b)  RANDOM_CAT_(a, b)
#if RANDOM_VEC == 1
typedef uint rand_u;
typedef float rand_f;
#define RAND_TO_F(x)     convert_float(x)
#define RAND_LANES       0u
#define RAND_AS_F(x)     as_float(x)
#define RAND_AS_U(x)     as_uint(x)
#define RAND_STORE(v, p) (*(p) = (v))
#else
typedef RANDOM_CAT(uint, RANDOM_VEC) rand_u;
typedef RANDOM_CAT(float, RANDOM_VEC) rand_f;
#define RAND_AS_F(x) RANDOM_CAT(as_float, RANDOM_VEC)(x)
#define RAND_AS_U(x) RANDOM_CAT(as_uint, RANDOM_VEC)(x)
#define RAND_TO_F(x) RANDOM_CAT(convert_float, RANDOM_VEC)(x)
#if RANDOM_VEC == 4
#define RAND_LANES ((uint4)(0, 1, 2, 3))
#elif RANDOM_VEC == 8
#define RAND_LANES ((uint8)(0, 1, 2, 3, 4, 5, 6, 7))
#else
#define RAND_LANES ((uint16)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#endif
#define RAND_STORE(v, p) RANDOM_CAT(vstore, RANDOM_VEC)(v, 0, p)
#endif

typedef struct rand_block {
  rand_u w0, w1, w2, w3;
} rand_block;

/* The words of RANDOM_VEC counters from `first` on. */
static rand_block random_words(uint first, uint stream, uint4 rng) {
  rand_u c0 = (rand_u)(first) + RAND_LANES, c1 = (rand_u)(stream), c2 = (rand_u)(rng.z),
         c3 = (rand_u)(rng.w);
  uint k0 = rng.x, k1 = rng.y;
  for (int round = 0; round < 10; round++) {
    const rand_u hi0 = mul_hi(c0, (rand_u)(0xD2511F53u)), lo0 = c0 * (rand_u)(0xD2511F53u);
    const rand_u hi1 = mul_hi(c2, (rand_u)(0xCD9E8D57u)), lo1 = c2 * (rand_u)(0xCD9E8D57u);
    c0 = hi1 ^ c1 ^ (rand_u)(k0);
    c2 = hi0 ^ c3 ^ (rand_u)(k1);
    c1 = lo1;
    c3 = lo0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  rand_block b;
  b.w0 = c0, b.w1 = c1, b.w2 = c2, b.w3 = c3;
  return b;
}

static rand_f random_unit(rand_u bits) {
  return RAND_TO_F(bits >> (rand_u)(8)) * (rand_f)(0x1p-24f);
}

/* The four numbers of each counter in index order. */
static void random_in_order(rand_f v0, rand_f v1, rand_f v2, rand_f v3, rand_f to[4]) {
#if RANDOM_VEC == 1
  to[0] = v0, to[1] = v1, to[2] = v2, to[3] = v3;
#else
  rand_f a, b, c, d; /* a: of v0 and v2 in turn, lower half */
  a.even = v0.lo, a.odd = v2.lo;
  b.even = v1.lo, b.odd = v3.lo;
  c.even = v0.hi, c.odd = v2.hi;
  d.even = v1.hi, d.odd = v3.hi;
  to[0].even = a.lo, to[0].odd = b.lo;
  to[1].even = a.hi, to[1].odd = b.hi;
  to[2].even = c.lo, to[2].odd = d.lo;
  to[3].even = c.hi, to[3].odd = d.hi;
#endif
}

/* Writes the numbers of the n indices from `from` on. */
static void random_put(rand_f v0, rand_f v1, rand_f v2, rand_f v3, uint first, int n, int from,
                       __global float *out) {
  rand_f to[4];
  random_in_order(v0, v1, v2, v3, to);
  const int base = (int)(first * 4) - from;
  if (base >= 0 && base <= n - 4 * RANDOM_VEC) {
    for (int i = 0; i < 4; i++) RAND_STORE(to[i], out + base + i * RANDOM_VEC);
  } else {
    float each[4 * RANDOM_VEC];
    for (int i = 0; i < 4; i++) RAND_STORE(to[i], each + i * RANDOM_VEC);
    for (int i = 0; i < 4 * RANDOM_VEC; i++)
      if (base + i >= 0 && base + i < n) out[base + i] = each[i];
  }
}

/* first: the work-item's counters, of those that have numbers of ours. */
#define RANDOM_LOOP(first)                                                                         \
  for (uint first = (uint)from / 4 + (uint)get_global_id(0) * RANDOM_VEC,                          \
            end_ = ((uint)from + (uint)n + 3) / 4;                                                 \
       first < end_; first += (uint)get_global_size(0) * RANDOM_VEC)

__kernel void random_uniform(__global const uint4 *rng, const int stream, const int n,
                             const int from, const int at, __global float *out) {
  RANDOM_LOOP(first) {
    const rand_block b = random_words(first, (uint)stream, rng[0]);
    random_put(random_unit(b.w0), random_unit(b.w1), random_unit(b.w2), random_unit(b.w3), first, n,
               from, out + at);
  }
}

/* The functions that follow are written out: their arguments need none of what makes a library's
 * slow (huge angles, denormal numbers, signs), and all devices then give nearly the same numbers.
 * Polynomials: Cephes, single precision (Moshier 1989), within 2 ulps. */
#define TERM(p, x, c) LCL_MAD(p, x, (rand_f)(c))

/* log(x) for x of (0,1]: x = m 2^e with m of [sqrt(1/2), sqrt(2)). */
static rand_f random_log(rand_f x) {
  const rand_u shifted = RAND_AS_U(x) + (rand_u)(0x3F800000u - 0x3F3504F3u); /* by sqrt(1/2) */
  const rand_f e = RAND_TO_F(shifted >> (rand_u)(23)) - (rand_f)(127.0f);
  const rand_f m = RAND_AS_F((shifted & (rand_u)(0x007FFFFFu)) + (rand_u)(0x3F3504F3u)) -
                   (rand_f)(1.0f);
  rand_f p = TERM((rand_f)(7.0376836292e-2f), m, -1.1514610310e-1f);
  p = TERM(p, m, 1.1676998740e-1f);
  p = TERM(p, m, -1.2420140846e-1f);
  p = TERM(p, m, 1.4249322787e-1f);
  p = TERM(p, m, -1.6668057665e-1f);
  p = TERM(p, m, 2.0000714765e-1f);
  p = TERM(p, m, -2.4999993993e-1f);
  p = TERM(p, m, 3.3333331174e-1f);
  const rand_f z = m * m;
  p = LCL_MAD(e, (rand_f)(-2.12194440e-4f), p * m * z) - (rand_f)(0.5f) * z;
  return LCL_MAD(e, (rand_f)(0.693359375f), m + p);
}

static rand_f random_radius(rand_u bits) {
  return sqrt((rand_f)(-2.0f) *
              random_log(RAND_TO_F((bits >> (rand_u)(8)) + (rand_u)(1)) * (rand_f)(0x1p-24f)));
}

/* cos and sin of the angle that is that share of a turn: of the rest to the nearest quarter, which
 * is exact. */
static void random_direction(rand_u bits, rand_f *cosine, rand_f *sine) {
  const rand_u share = bits >> (rand_u)(8),
               quarter = (share + (rand_u)(1u << 21)) >> (rand_u)(22);
  const rand_f x = (RAND_TO_F(share) - RAND_TO_F(quarter << (rand_u)(22))) *
                   (rand_f)(0x1p-24f * 6.283185307179586f);
  const rand_f z = x * x;
  rand_f s = TERM((rand_f)(-1.9515295891e-4f), z, 8.3321608736e-3f);
  s = TERM(s, z, -1.6666654611e-1f);
  s = LCL_MAD(s * z, x, x);
  rand_f c = TERM((rand_f)(2.443315711809948e-5f), z, -1.388731625493765e-3f);
  c = TERM(c, z, 4.166664568298827e-2f);
  c = LCL_MAD(c, z * z, LCL_MAD((rand_f)(-0.5f), z, (rand_f)(1.0f)));
  /* An odd quarter swaps them; quarters 1 and 2 turn the cosine's sign, 2 and 3 the sine's. */
  const rand_u odd = (rand_u)(0) - (quarter & (rand_u)(1));
  const rand_u cb = RAND_AS_U(c), sb = RAND_AS_U(s);
  *cosine = RAND_AS_F(((cb & ~odd) | (sb & odd)) ^
                      (((quarter + (rand_u)(1)) & (rand_u)(2)) << (rand_u)(30)));
  *sine = RAND_AS_F(((sb & ~odd) | (cb & odd)) ^ ((quarter & (rand_u)(2)) << (rand_u)(30)));
}

__kernel void random_normal(__global const uint4 *rng, const int stream, const int n,
                            const int from, const int at, __global float *out) {
  RANDOM_LOOP(first) {
    const rand_block b = random_words(first, (uint)stream, rng[0]);
    const rand_f r0 = random_radius(b.w0), r1 = random_radius(b.w2);
    rand_f c0, s0, c1, s1;
    random_direction(b.w1, &c0, &s0);
    random_direction(b.w3, &c1, &s1);
    random_put(r0 * c0, r0 * s0, r1 * c1, r1 * s1, first, n, from, out + at);
  }
}

__kernel void random_bernoulli(__global const uint4 *rng, const int stream, const int n,
                               const int from, const int at, __global const float *p,
                               __global float *out) {
  RANDOM_LOOP(first) {
    const rand_block b = random_words(first, (uint)stream, rng[0]);
    float lane[4][RANDOM_VEC];
    RAND_STORE(random_unit(b.w0), lane[0]);
    RAND_STORE(random_unit(b.w1), lane[1]);
    RAND_STORE(random_unit(b.w2), lane[2]);
    RAND_STORE(random_unit(b.w3), lane[3]);
    for (uint i = 0; i < 4 * RANDOM_VEC; i++) {
      const int k = (int)(first * 4 + i) - from;
      if (k >= 0 && k < n) out[at + k] = lane[i & 3][i >> 2] < p[at + k] ? 1.0f : 0.0f;
    }
  }
}

__kernel void random_keep(__global const uint4 *rng, const int stream, const int n,
                          const int from, const int at, const float p, const float scale,
                          __global float *out) {
  RANDOM_LOOP(first) {
    const rand_block b = random_words(first, (uint)stream, rng[0]);
    const rand_f on = (rand_f)(scale), off = (rand_f)(0.0f), limit = (rand_f)(p);
    const rand_f u0 = random_unit(b.w0), u1 = random_unit(b.w1), u2 = random_unit(b.w2),
                 u3 = random_unit(b.w3);
    random_put(u0 < limit ? on : off, u1 < limit ? on : off, u2 < limit ? on : off,
               u3 < limit ? on : off, first, n, from, out + at);
  }
}
