/* Parts that the variational models share: options, latent images, class codes. */
#ifndef LCL_MODELS_VAE_PARTS_H
#define LCL_MODELS_VAE_PARTS_H

#include "latentcl/nn.h"
#include "models/objective.h"

/* Images of a row of a sample grid; lcl__session_sample lays samples out in rows of this many. */
enum { LCL_VAE_COLUMNS = 10 };

/* KL to N(0,I) per example, in the form of option kl_form: exact 0.5*sum(exp(s) + mu^2 - 1 - s), or
 * as_printed, where mu^2 has no half (Zumer 2016, Eq. 6.11). */
lcl_tensor *lcl__vae_kl_rows(lcl_tensor *mu, lcl_tensor *logvar, const lcl_options *o);
/* Option binarise (dynamic|fixed|threshold|none) into the data description. */
void lcl__vae_binarise(const lcl_options *o, lcl_data_desc *d);
/* How an autoencoder without labels and the classifier on its latent are trained by default. */
void lcl__vae_settings(const lcl_model_data *d, lcl_settings *s);
/* "4,8" into out, at most max whole numbers in 1 .. 4096; how many there are, or -1 when something
 * else stands there. */
int lcl__parse_ints(const char *text, int *out, int max);

/* Class codes: the identity (K,K); (n,K) rows that all say class k; (n,K) where row i of a grid
 * says class i mod K. */
lcl_tensor *lcl__vae_every_class(lcl_graph *g, int64_t classes);
lcl_tensor *lcl__vae_one_class(lcl_graph *g, int64_t n, int64_t classes, int k);
lcl_tensor *lcl__vae_row_classes(lcl_graph *g, int64_t n, int64_t classes);

/* Latents (n,width) for images: the same sample along each row of the grid; straight lines from one
 * sample to another along each row; z moved by `share` of the way to the next example's (the last
 * one's is the first).
 */
lcl_tensor *lcl__vae_row_styles(lcl_graph *g, int64_t n, int64_t width);
lcl_tensor *lcl__vae_row_walks(lcl_graph *g, int64_t n, int64_t width);
lcl_tensor *lcl__vae_towards_next(lcl_tensor *z, float share);

#endif
