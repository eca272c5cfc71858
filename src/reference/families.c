/* The table of ops, and look-up in it. */
#include "reference/families.h"

#include "base/text.h"

static const struct family {
  const lcl_spec *specs;
  const size_t *n;
} families[] = {
  { lcl__matmul_specs, &lcl__matmul_spec_count },
  { lcl__conv_specs, &lcl__conv_spec_count },
  { lcl__pool_specs, &lcl__pool_spec_count },
  { lcl__map_specs, &lcl__map_spec_count },
  { lcl__reduce_specs, &lcl__reduce_spec_count },
  { lcl__softmax_specs, &lcl__softmax_spec_count },
  { lcl__norm_specs, &lcl__norm_spec_count },
  { lcl__shape_specs, &lcl__shape_spec_count },
  { lcl__recurrent_specs, &lcl__recurrent_spec_count },
  { lcl__random_specs, &lcl__random_spec_count },
};

size_t lcl__spec_count(void) {
  size_t n = 0;
  for (size_t i = 0; i < LCL_COUNT(families); i++) n += *families[i].n;
  return n;
}

const lcl_spec *lcl__spec_at(size_t index) {
  for (size_t i = 0; i < LCL_COUNT(families); i++) {
    if (index < *families[i].n) return &families[i].specs[index];
    index -= *families[i].n;
  }
  return NULL;
}

const lcl_spec *lcl__spec_find(const char *name) {
  if (strcmp(name, "switch_gather2d") == 0) name = "argmax_gather2d"; /* its former name */
  lcl_nearest nearest = { .typed = name };
  for (size_t i = 0; i < lcl__spec_count(); i++) {
    const lcl_spec *s = lcl__spec_at(i);
    if (strcmp(s->name, name) == 0) return s;
    lcl__nearest_try(&nearest, s->name);
  }
  char hint[96];
  lcl__fail(LCL_ERR_ARGUMENT, "no op is called '%.40s'%s; `latentcl op --list` tells all", name,
            lcl__nearest_hint(&nearest, "", hint));
  return NULL;
}
