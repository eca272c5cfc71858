/* Golden values of a model: its options, and what another framework found for weights and inputs
 * that both sides make. */
#ifndef LCL_TESTS_MODELS_GOLDEN_H
#define LCL_TESTS_MODELS_GOLDEN_H

#include <math.h>

#include "base/base.h"

typedef struct golden_value {
  const char *name;
  double value; /* of a term; of a gradient: its product with golden_hashed("along NAME") */
  double norm;  /* of a gradient */
} golden_value;

typedef struct golden_case {
  const char *model, *options; /* "name=value name=value" */
  int batch, unlabelled, shape[3], classes;
  const golden_value *terms;
  size_t n_terms;
  const golden_value *grads;
  size_t n_grads;
} golden_case;

/* Number i of the sequence of a name, in [-1,1): the same in the generating script. */
static inline float golden_hashed(const char *name, size_t i) {
  uint32_t h = 2166136261u;
  for (const char *c = name; *c; c++) h = (h ^ (uint8_t)*c) * 16777619u;
  h = (uint32_t)i * 2654435761u + h;
  h ^= h >> 16;
  h *= 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  h ^= h >> 16;
  return (float)(h >> 8) / 8388608.0f - 1;
}

#endif
