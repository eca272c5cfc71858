/* Weights of the classes in a loss. */
#include "base/text.h"
#include "models/build.h"
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
  LCL_TRY(lcl__check_common_text("class_weights", text));
  int n = 0;
  for (char *p = (char *)(uintptr_t)text, *end; p; p = *end ? end + 1 : NULL, n++) {
    const double v = lcl__strtod(p, &end);
    if (n < classes) out[n] = (float)v;
  }
  if (n == classes) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, "class_weights: %d numbers for %d classes", n, classes);
}

lcl_status lcl__class_weights(const char *text, const lcl_dataset *ds, float *out) {
  if (!ds->labels || ds->classes < 1)
    return lcl__fail(LCL_ERR_ARGUMENT, "class_weights needs labels; the data have none");
  return strcmp(text, "balanced") == 0 ? balanced(ds, out) : listed(text, ds->classes, out);
}
