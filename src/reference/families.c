/* The table of ops, and look-up in it. */
#include "reference/families.h"

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

/* Letters to insert, delete or replace to get from a to b (b at most 63 letters). */
static size_t edit_distance(const char *a, const char *b) {
  size_t row[64], n = strlen(b);
  if (n > 63) return n;
  for (size_t j = 0; j <= n; j++) row[j] = j;
  for (size_t i = 1; a[i - 1]; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = LCL_MIN(replaced, LCL_MIN(row[j], row[j - 1]) + 1);
    }
  }
  return row[n];
}

const lcl_spec *lcl__spec_find(const char *name) {
  const lcl_spec *nearest = NULL;
  size_t best = 4;
  if (strcmp(name, "switch_gather2d") == 0) name = "argmax_gather2d"; /* its former name */
  for (size_t i = 0; i < lcl__spec_count(); i++) {
    const lcl_spec *s = lcl__spec_at(i);
    if (strcmp(s->name, name) == 0) return s;
    const size_t d = edit_distance(name, s->name);
    if (d < best) best = d, nearest = s;
  }
  if (nearest)
    lcl__fail(LCL_ERR_ARGUMENT,
              "no op is called '%.40s'; did you mean %s? `latentcl op --list` tells all", name,
              nearest->name);
  else
    lcl__fail(LCL_ERR_ARGUMENT, "no op is called '%.40s'; `latentcl op --list` tells all", name);
  return NULL;
}
