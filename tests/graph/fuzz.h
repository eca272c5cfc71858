/* Random graphs: numbers that depend on nothing but the seed, and how many graphs are wanted. */
#ifndef LCL_TEST_FUZZ_H
#define LCL_TEST_FUZZ_H

#include <stdint.h>
#include <stdlib.h>

static uint32_t rng;

static uint32_t draw(uint32_t n) {
  rng = rng * 1664525u + 1013904223u;
  return (rng >> 8) % n;
}

/* The graphs from `seed` to `last`: LATENTCL_FUZZ=n: the first n, m-n: those; each brings new
 * kernels, which take time to compile. */
static void seeds(uint32_t few, uint32_t *first, uint32_t *last) {
  const char *wanted = getenv("LATENTCL_FUZZ"), *dash = wanted ? strchr(wanted, '-') : NULL;
  *first = dash ? (uint32_t)atoi(wanted) : 1;
  *last = dash ? (uint32_t)atoi(dash + 1) : wanted ? (uint32_t)atoi(wanted) : few;
}

#endif
