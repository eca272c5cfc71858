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
#define RAND_STORE(v, p) (*(p) = (v))
#else
typedef RANDOM_CAT(uint, RANDOM_VEC) rand_u;
typedef RANDOM_CAT(float, RANDOM_VEC) rand_f;
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

/* Writes the four numbers of each counter in index order, those of the n indices from `from` on. */
static void random_put(rand_f v0, rand_f v1, rand_f v2, rand_f v3, uint first, int n, int from,
                       __global float *out) {
  float lane[4][RANDOM_VEC];
  RAND_STORE(v0, lane[0]);
  RAND_STORE(v1, lane[1]);
  RAND_STORE(v2, lane[2]);
  RAND_STORE(v3, lane[3]);
  const int base = (int)(first * 4) - from;
  if (base >= 0 && base <= n - 4 * RANDOM_VEC)
    for (int i = 0; i < 4 * RANDOM_VEC; i++) out[base + i] = lane[i & 3][i >> 2];
  else
    for (int i = 0; i < 4 * RANDOM_VEC; i++)
      if (base + i >= 0 && base + i < n) out[base + i] = lane[i & 3][i >> 2];
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

static rand_f random_radius(rand_u bits) {
  return sqrt((rand_f)(-2.0f) *
              log(RAND_TO_F((bits >> (rand_u)(8)) + (rand_u)(1)) * (rand_f)(0x1p-24f)));
}

__kernel void random_normal(__global const uint4 *rng, const int stream, const int n,
                            const int from, const int at, __global float *out) {
  const rand_f turn = (rand_f)(6.283185307179586f);
  RANDOM_LOOP(first) {
    const rand_block b = random_words(first, (uint)stream, rng[0]);
    const rand_f r0 = random_radius(b.w0), r1 = random_radius(b.w2);
    const rand_f a0 = turn * random_unit(b.w1), a1 = turn * random_unit(b.w3);
    random_put(r0 * cos(a0), r0 * sin(a0), r1 * cos(a1), r1 * sin(a1), first, n, from, out + at);
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
