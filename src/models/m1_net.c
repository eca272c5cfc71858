/* The network of M1. */
#include "models/m1_net.h"

#include "base/base.h"
#include "latentcl/nn.h"
#include "models/vae_parts.h"

static const lcl_linear_desc glorot = { .weight = { .kind = LCL_INIT_GLOROT_UNIFORM } };

lcl_status lcl__m1_read(lcl_m1_net *n, const lcl_options *o, const char *hidden, const char *latent,
                        const lcl_model_data *d) {
  *n = (lcl_m1_net) { .latent = lcl_option_int(o, latent),
                      .image = LCL_SHAPE(1, d->channels, d->height, d->width) };
  n->n = lcl__parse_ints(lcl_option_text(o, hidden), n->hidden, LCL_M1_LAYERS);
  if (n->n >= 1) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, "option %s: expected 1 to %d widths like 600,600, got \"%s\"",
                   hidden, LCL_M1_LAYERS, lcl_option_text(o, hidden));
}

static lcl_tensor *layer(lcl_tensor *x, const char *part, int i, int64_t out) {
  char name[24];
  snprintf(name, sizeof name, "m1.%s%d", part, i + 1);
  return lcl_softplus(lcl_linear(x, name, out, &glorot));
}

lcl_tensor *lcl__m1_encode(const lcl_m1_net *n, lcl_tensor *x, lcl_tensor **mu,
                           lcl_tensor **logvar) {
  lcl_tensor *h = lcl_flatten(x);
  for (int i = 0; i < n->n; i++) h = layer(h, "enc", i, n->hidden[i]);
  *mu = lcl_linear(h, "m1.mu", n->latent, &glorot);
  *logvar = lcl_linear(h, "m1.logvar", n->latent, &glorot);
  return h;
}

lcl_tensor *lcl__m1_decode(const lcl_m1_net *n, lcl_tensor *z) {
  const int64_t rows = lcl_tensor_shape(z).dim[0];
  for (int i = n->n - 1; i >= 0; i--) z = layer(z, "dec", i, n->hidden[i]);
  lcl_shape s = n->image;
  s.dim[0] = rows;
  return lcl_reshape(lcl_linear(z, "m1.out", lcl_shape_count(n->image), &glorot), s);
}
