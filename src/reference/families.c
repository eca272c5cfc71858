/* The table of ops, and look-up in it. */
#include "reference/families.h"

static const struct family {
  const lcl_spec *specs;
  const size_t *n;
} families[] = {
  { lcl_matmul_specs, &lcl_matmul_spec_count },
  { lcl_conv_specs, &lcl_conv_spec_count },
  { lcl_pool_specs, &lcl_pool_spec_count },
  { lcl_map_specs, &lcl_map_spec_count },
  { lcl_reduce_specs, &lcl_reduce_spec_count },
  { lcl_softmax_specs, &lcl_softmax_spec_count },
  { lcl_norm_specs, &lcl_norm_spec_count },
  { lcl_shape_specs, &lcl_shape_spec_count },
  { lcl_recurrent_specs, &lcl_recurrent_spec_count },
  { lcl_random_specs, &lcl_random_spec_count },
};

size_t lcl_spec_count(void) {
  size_t n = 0;
  for (size_t i = 0; i < LCL_COUNT(families); i++) n += *families[i].n;
  return n;
}

const lcl_spec *lcl_spec_at(size_t index) {
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

const lcl_spec *lcl_spec_find(const char *name) {
  const lcl_spec *nearest = NULL;
  size_t best = 4;
  for (size_t i = 0; i < lcl_spec_count(); i++) {
    const lcl_spec *s = lcl_spec_at(i);
    if (strcmp(s->name, name) == 0) return s;
    const size_t d = edit_distance(name, s->name);
    if (d < best) best = d, nearest = s;
  }
  if (nearest)
    lcl_fail(LCL_ERR_ARGUMENT,
             "no op is called '%.40s'; did you mean %s? `latentcl op --list` tells all", name,
             nearest->name);
  else
    lcl_fail(LCL_ERR_ARGUMENT, "no op is called '%.40s'; `latentcl op --list` tells all", name);
  return NULL;
}
