/* The network of the latent-feature model M1 of Kingma et al., "Semi-supervised Learning with Deep
 * Generative Models" (2014): a variational autoencoder of fully-connected softplus layers (vae with
 * arch=mlp). A classifier (m1) or M2 (m2 and two-head with input=m1) is put on its latent.
 *
 *   q(z|x)   x - hidden - mean and log-variance
 *   p(x|z)   z - hidden, mirrored - Bernoulli logits */
#ifndef LCL_MODELS_M1_NET_H
#define LCL_MODELS_M1_NET_H

#include "latentcl/model.h"

enum { LCL_M1_LAYERS = 4 };
#define LCL_M1_RUN "vae with arch=mlp" /* the runs that train it */

typedef struct lcl_m1_net {
  int n, hidden[LCL_M1_LAYERS];
  int64_t latent;
  lcl_shape image; /* 1,C,H,W */
} lcl_m1_net;

/* From the options that have the widths (as 600,600) and the size of the latent. */
lcl_status lcl__m1_read(lcl_m1_net *n, const lcl_options *o, const char *hidden, const char *latent,
                        const lcl_model_data *d);
/* x (N,C,H,W) -> mean and log-variance of q(z|x), (N,latent); returns the layer before them. */
lcl_tensor *lcl__m1_encode(const lcl_m1_net *n, lcl_tensor *x, lcl_tensor **mu,
                           lcl_tensor **logvar);
/* z (N,latent) -> Bernoulli logits (N,C,H,W). */
lcl_tensor *lcl__m1_decode(const lcl_m1_net *n, lcl_tensor *z);

#endif
