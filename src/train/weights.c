/* Weights of the classes in a loss. */
#include "train/trainer.h"

/* Each class counts alike, whatever its share of the examples; the mean weight of an example is 1.
 */
static lcl_status balanced(const lcl_dataset *ds, float *out) {
  int64_t *count = lcl__alloc((size_t)ds->classes * sizeof *count), all = 0;
  int present = 0;
  if (!count) return LCL_ERR_HOST_MEMORY;
  const lcl_status st = lcl_dataset_class_counts(ds, count);
  for (int c = 0; st == LCL_OK && c < ds->classes; c++) {
    all += count[c];
    present += count[c] > 0;
  }
  for (int c = 0; st == LCL_OK && c < ds->classes; c++)
    out[c] = count[c] ? (float)((double)all / ((double)present * (double)count[c])) : 1;
  lcl__free(count);
  return st;
}

static lcl_status listed(const char *text, int classes, float *out) {
  int n = 0;
  for (const char *p = text; p; n++) {
    char item[40];
    const char *next = strchr(p, ',');
    const size_t length = next ? (size_t)(next - p) : strlen(p);
    double v = 0;
    snprintf(item, sizeof item, "%.*s", (int)LCL_MIN(length, sizeof item - 1), p);
    if (length >= sizeof item || !lcl__parse_number(item, &v) || !(v > 0 && v <= 1e6))
      return lcl__fail(LCL_ERR_ARGUMENT,
                       "class_weights: expected \"balanced\", or numbers in (0,1e6] with commas "
                       "between, got \"%s\"",
                       text);
    if (n < classes) out[n] = (float)v;
    p = next ? next + 1 : NULL;
  }
  if (n == classes) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, "class_weights: %d numbers for %d classes", n, classes);
}

lcl_status lcl__class_weights(const char *text, const lcl_dataset *ds, float *out) {
  if (!ds->labels || ds->classes < 1)
    return lcl__fail(LCL_ERR_ARGUMENT, "class_weights needs labels; the data have none");
  return strcmp(text, "balanced") == 0 ? balanced(ds, out) : listed(text, ds->classes, out);
}
