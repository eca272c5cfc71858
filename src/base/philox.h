/* Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
 * easy as 1, 2, 3").
 *
 * A number is a pure function of (seed, stream, step, index), so that a host loop, any device and
 * any order of work-items generate the same ones; cl/random.cl holds the same generator. Key: the
 * seed's two halves. Counter: {index / 4, stream, step_lo, step_hi}; one block gives the numbers of
 * four consecutive indices.
 *
 * Streams: a graph's random nodes use 0, 1, 2... in the order they were made, on the seed of its
 * "<name>.rng" state. */
#ifndef LCL_PHILOX_H
#define LCL_PHILOX_H

#include <stddef.h>
#include <stdint.h>

/* The raw generator: ten rounds on counter ctr under key. */
void lcl__philox4x32(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]);

/* The 32 bits at index of (seed, stream, step); index < 2^34. */
uint32_t lcl__philox_bits(uint64_t seed, uint32_t stream, uint64_t step, uint64_t index);

/* Uniform on [0,1): the upper 24 bits, so that every value is exact in float. */
static inline float lcl__bits_to_uniform(uint32_t bits) {
  return (float)(bits >> 8) * 0x1p-24f;
}

/* n numbers at indices 0..n-1. Uniform: equal to the device's bit for bit. Normal: mean 0,
 * deviation 1 by Box-Muller on the pairs of indices (2k, 2k+1); equal to the device's to the
 * rounding of its log, sqrt, sin and cos. */
void lcl__philox_uniform(uint64_t seed, uint32_t stream, uint64_t step, float *out, size_t n);
void lcl__philox_normal(uint64_t seed, uint32_t stream, uint64_t step, float *out, size_t n);

/* A uniform random order of 0..n-1 (Fisher-Yates, without modulo bias). */
void lcl__philox_permutation(uint64_t seed, uint32_t stream, uint64_t step, uint32_t *out,
                             uint32_t n);

/* A stream number for a name (a variable's, a data set's), well away from the small numbers of
 * graph nodes. */
uint32_t lcl__philox_stream(const char *name);

#endif
