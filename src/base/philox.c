/* Philox4x32-10 on the host: see philox.h. */
#include "base/philox.h"

#include <math.h>

void lcl__philox4x32(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

static void block(uint64_t seed, uint32_t stream, uint64_t step, uint64_t index4, uint32_t out[4]) {
  const uint32_t ctr[4] = { (uint32_t)index4, stream, (uint32_t)step, (uint32_t)(step >> 32) };
  const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
  lcl__philox4x32(ctr, key, out);
}

uint32_t lcl__philox_bits(uint64_t seed, uint32_t stream, uint64_t step, uint64_t index) {
  uint32_t out[4];
  block(seed, stream, step, index / 4, out);
  return out[index % 4];
}

void lcl__philox_uniform(uint64_t seed, uint32_t stream, uint64_t step, float *out, size_t n) {
  uint32_t bits[4];
  for (size_t i = 0; i < n; i++) {
    if (i % 4 == 0) block(seed, stream, step, i / 4, bits);
    out[i] = lcl__bits_to_uniform(bits[i % 4]);
  }
}

void lcl__philox_normal(uint64_t seed, uint32_t stream, uint64_t step, float *out, size_t n) {
  uint32_t bits[4];
  for (size_t i = 0; i < n; i++) {
    if (i % 4 == 0) block(seed, stream, step, i / 4, bits);
    size_t pair = i % 4 / 2 * 2;
    /* (0,1] so that the logarithm is finite. */
    double u1 = (double)((bits[pair] >> 8) + 1) * 0x1p-24,
           u2 = (double)(bits[pair + 1] >> 8) * 0x1p-24;
    double r = sqrt(-2.0 * log(u1)), angle = 2.0 * 3.14159265358979323846 * u2;
    out[i] = (float)(r * (i % 2 == 0 ? cos(angle) : sin(angle)));
  }
}

void lcl__philox_permutation(uint64_t seed, uint32_t stream, uint64_t step, uint32_t *out,
                             uint32_t n) {
  uint64_t index = 0;
  for (uint32_t i = 0; i < n; i++) out[i] = i;
  for (uint32_t left = n; left > 1; left--) {
    /* Lemire's bounded integer: the upper half of bits*left, rejecting the few bits that would
     * favour some values. */
    uint64_t product;
    do {
      product = (uint64_t)lcl__philox_bits(seed, stream, step, index++) * left;
    } while ((uint32_t)product < (uint32_t)(-left) % left);
    uint32_t j = (uint32_t)(product >> 32), t = out[left - 1];
    out[left - 1] = out[j];
    out[j] = t;
  }
}

uint32_t lcl__philox_stream(const char *name) {
  uint32_t h = 2166136261u; /* FNV-1a */
  for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
  return h | 0x80000000u;
}
