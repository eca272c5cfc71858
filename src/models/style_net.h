/* The network of the generative classifiers m2 and two-head: J. Zumer, "Influencing the Properties
 * of Latent Representations" (2016), sections 4.5 and 6.1. An image x is explained by its class y
 * and a style z:
 *
 *   root      affine - conv 7x7 + ReLU - affine - conv 7x7 + ReLU; affine layers are linear
 *   q(z|x,y)  normal: mean from [root, onehot(y)] (or the root alone), log-variance from the root
 *   q(y|x)    root - n/5 ReLU - n/10 ReLU - one sigmoid unit a class, normalised by their sum (or
 * softmax) p(x|y,z)  the root mirrored: [z, onehot(y)] - affine - full conv + ReLU - affine - full
 * conv: Bernoulli logits
 *
 * input=m1 explains the latent z1 of a variational autoencoder in the image's place (M1+M2 of
 * Kingma et al., "Semi-supervised Learning with Deep Generative Models", 2014), a sample of q(z1|x)
 * in training and its mean otherwise; the weights of the run that it is started from stay:
 *
 *   root        z1 - units of softplus
 *   q(y|x)      z1 - units of softplus - one unit a class
 *   p(z1|y,z)   [z, onehot(y)] - units of softplus - mean and log-variance of a normal */
#ifndef LCL_MODELS_STYLE_NET_H
#define LCL_MODELS_STYLE_NET_H

#include "latentcl/nn.h"
#include "models/m1_net.h"
#include "models/objective.h"

/* Options of both classes. */
#define LCL_STYLE_OPTIONS                                                                             \
  { "input", LCL_OPTION_CHOICE, "image",                                                              \
    "what is explained: the image, or the latent of a run of vae with arch=mlp (--start)",            \
    "image|m1" },                                                                                     \
      { "m1_hidden", LCL_OPTION_INTS, "600,600", "widths of the autoencoder, as its run has them",    \
        "[1,4096]",  "input=m1" },                                                                    \
      { "m1_latent_size", LCL_OPTION_INT, "50", "dimensions of its latent", "[1,4096]", "input=m1" }, \
      { "units",     LCL_OPTION_INT, "500", "units of the hidden layers on the latent",               \
        "[1,65536]", "input=m1" },                                                                    \
      { "latent", LCL_OPTION_INT, "50", "dimensions of the style z", "[1,4096]" },                    \
      { "maps", LCL_OPTION_INTS, "4,8", "maps of the two convolutions", "[1,4096]", "input=image" },  \
      { "mid_affine",                                                                                 \
        LCL_OPTION_CHOICE,                                                                            \
        "auto",                                                                                       \
        "affine layer between the convolutions (auto: on images up to 32x32)",                        \
        "auto|true|false",                                                                            \
        "input=image" },                                                                              \
      { "cls_out", LCL_OPTION_CHOICE, "sigmoid",                                                      \
        "class output: sigmoid units with cross-entropy each, or softmax", "sigmoid|softmax" },       \
      { "w_l", LCL_OPTION_FLOAT, "1",                                                                 \
        "weight of the labelled images' bound beside the unlabelled ones' (Kingma et al. 2014: "      \
        "labelled / all examples)",                                                                   \
        "[0,inf)" },                                                                                  \
      { "w_c", LCL_OPTION_FLOAT, "1",                                                                 \
        "weight of the classification loss (Kingma et al. 2014: 0.1 beside that w_l)",                \
        "[0,inf)" },                                                                                  \
      { "kl_form", LCL_OPTION_CHOICE, "exact",                                                        \
        "KL of a normal to N(0,I): exact, or as the thesis prints it (mu^2 without its half)",        \
        "exact|as_printed" },                                                                         \
      { "binarise", LCL_OPTION_CHOICE, "dynamic",                                                     \
        "images: a fresh Bernoulli sample at each showing, one fixed sample, threshold at 1/2, "      \
        "or "                                                                                         \
        "grey values",                                                                                \
        "dynamic|fixed|threshold|none" },                                                             \
  {                                                                                                   \
    "sample_trials", LCL_OPTION_INT, "100", "samples behind each mean image of `sample`",             \
        "[1,10000]"                                                                                   \
  }

typedef struct lcl_style_net {
  lcl_graph *g;
  const lcl_options *o;
  int classes;
  int64_t latent, maps[2];
  lcl_shape image; /* 1,C,H,W */
  bool mid_affine;
  bool y_in_encoder; /* the mean of q(z|x,y) sees y */
  bool softmax;
  bool on_m1;    /* the latent of m1 is explained, not the image */
  lcl_m1_net m1; /* with on_m1 */
  int64_t units; /* with on_m1 */
} lcl_style_net;

/* Checks the options against the data; for defaults() and build(). */
lcl_status lcl__style_net_init(lcl_style_net *n, const lcl_options *o, const lcl_model_data *d,
                               bool y_in_encoder);
/* How the data has to be opened: grey images, binarised. */
void lcl__style_data(const lcl_options *o, lcl_data_desc *d);
lcl_status lcl__style_settings(const lcl_options *o, const lcl_model_data *d, lcl_settings *s);
/* All graphs of the class. */
void lcl__style_build(lcl_build *b, bool y_in_encoder);

#endif
