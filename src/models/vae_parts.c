/* Parts that the variational models share. */
#include "models/vae_parts.h"
#include "base/text.h"
#include "models/build.h"

lcl_tensor *lcl__vae_kl_rows(lcl_tensor *mu, lcl_tensor *logvar, const lcl_options *o) {
  lcl_tensor *kl = lcl_kl_gauss_rows(mu, logvar);
  if (!lcl_option_is(o, "kl_form", "as_printed")) return kl;
  return lcl_add(kl, lcl_scale(lcl_sum(lcl_square(mu), LCL_AXIS(1), false), 0.5f));
}

void lcl__vae_binarise(const lcl_options *o, lcl_data_desc *d) {
  static const struct {
    const char *name;
    lcl_binarise mode;
  } modes[] = { { "none", LCL_BINARISE_NONE },
                { "dynamic", LCL_BINARISE_DYNAMIC },
                { "fixed", LCL_BINARISE_FIXED },
                { "threshold", LCL_BINARISE_THRESHOLD } };
  for (size_t i = 0; i < LCL_COUNT(modes); i++)
    if (lcl_option_is(o, "binarise", modes[i].name)) d->binarise = modes[i].mode;
}

void lcl__vae_settings(const lcl_model_data *d, lcl_settings *s) {
  s->epochs = strcmp(d->name, "synthetic") == 0 ? 20 : 100;
  s->batch = 100;
  s->optimiser = lcl__adam();
  s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_CONSTANT, .lr = 0.001 };
  s->range_lo = 0;
  s->range_hi = 1;
}

int lcl__parse_ints(const char *text, int *out, int max) {
  int64_t v[16];
  const int n = lcl__parse_list(text, ",-", 1, 4096, v, LCL_MIN(max, (int)LCL_COUNT(v)));
  for (int i = 0; i < n; i++) out[i] = (int)v[i];
  return n;
}

/* ---- class codes ---- */

/* One-hot rows of n class numbers, picked out of the identity. */
static lcl_tensor *codes(lcl_graph *g, const int32_t *index, int64_t n, int64_t classes) {
  return lcl_one_hot(lcl_const_data(g, LCL_I32, LCL_SHAPE(n), index), classes);
}

static lcl_tensor *coded(lcl_graph *g, int64_t n, int64_t classes,
                         int64_t (*class_of)(int64_t i, int64_t arg), int64_t arg) {
  int32_t *index = lcl__alloc((size_t)LCL_MAX(n, 1) * sizeof *index);
  if (!index) return lcl_const(g, 0); /* the mismatch of shapes stops the graph */
  for (int64_t i = 0; i < n; i++) index[i] = (int32_t)class_of(i, arg);
  lcl_tensor *t = codes(g, index, n, classes);
  lcl__free(index);
  return t;
}

static int64_t itself(int64_t i, int64_t arg) {
  (void)arg;
  return i;
}
static int64_t constant(int64_t i, int64_t arg) {
  (void)i;
  return arg;
}
static int64_t of_row(int64_t i, int64_t classes) {
  return i / LCL_VAE_COLUMNS % classes;
}

lcl_tensor *lcl__vae_every_class(lcl_graph *g, int64_t classes) {
  return coded(g, classes, classes, itself, 0);
}
lcl_tensor *lcl__vae_one_class(lcl_graph *g, int64_t n, int64_t classes, int k) {
  return coded(g, n, classes, constant, k);
}
lcl_tensor *lcl__vae_row_classes(lcl_graph *g, int64_t n, int64_t classes) {
  return coded(g, n, classes, of_row, classes);
}

/* ---- latents ---- */

/* v (rows,width) repeated along each row of the grid, cut to n. */
static lcl_tensor *along_rows(lcl_tensor *v, int64_t n) {
  lcl_shape s = lcl_tensor_shape(v);
  int64_t rows = s.dim[0], width = s.dim[1];
  v = lcl_broadcast(lcl_reshape(v, LCL_SHAPE(rows, 1, width)),
                    LCL_SHAPE(rows, LCL_VAE_COLUMNS, width));
  v = lcl_reshape(v, LCL_SHAPE(rows * LCL_VAE_COLUMNS, width));
  return rows * LCL_VAE_COLUMNS == n ? v : lcl_slice_axis(v, 0, 0, n);
}

static lcl_tensor *row_samples(lcl_graph *g, int64_t n, int64_t width) {
  int64_t rows = (n + LCL_VAE_COLUMNS - 1) / LCL_VAE_COLUMNS;
  return lcl_random_normal(g, LCL_SHAPE(rows, width));
}

lcl_tensor *lcl__vae_row_styles(lcl_graph *g, int64_t n, int64_t width) {
  return along_rows(row_samples(g, n, width), n);
}

lcl_tensor *lcl__vae_row_walks(lcl_graph *g, int64_t n, int64_t width) {
  lcl_tensor *from = along_rows(row_samples(g, n, width), n),
             *to = along_rows(row_samples(g, n, width), n);
  float *share = lcl__alloc((size_t)LCL_MAX(n, 1) * sizeof *share);
  if (!share) return lcl_const(g, 0);
  for (int64_t i = 0; i < n; i++)
    share[i] = (float)(i % LCL_VAE_COLUMNS) / (float)(LCL_VAE_COLUMNS - 1);
  lcl_tensor *t = lcl_const_data(g, LCL_F32, LCL_SHAPE(n, 1), share);
  lcl__free(share);
  return lcl_add(from, lcl_mul(t, lcl_sub(to, from)));
}

lcl_tensor *lcl__vae_towards_next(lcl_tensor *z, float share) {
  int64_t n = lcl_tensor_shape(z).dim[0];
  if (n < 2) return z;
  lcl_tensor *turned = lcl_concat(
      (lcl_tensor *[]) { lcl_slice_axis(z, 0, 1, n), lcl_slice_axis(z, 0, 0, 1) }, 2, 0);
  return lcl_add(lcl_scale(z, 1 - share), lcl_scale(turned, share));
}
