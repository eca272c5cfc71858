/* Published tables of J. Zumer, "Influencing the Properties of Latent Representations" (2016). */
#include "base/base.h"
#include "models/tables.h"

/* clang-format off */

/* ---- chapter 5: augmented convolution ---- */

static const lcl_table_column five_seeds[] = {
  { "all", "all", { NULL }, 5 },
};

static const lcl_table_row mnist_rows[] = {
  { "baseline", "baseline", NULL, { "variant=baseline" }, { { 0.71f, 0 } } },
  { "conv", "wide convolutions", NULL, { "variant=conv" }, { { 0.73f, 0 } } },
  { "fc", "square fully-connected layers", NULL, { "variant=fc" }, { { 0.61f, 0 } } },
};

const lcl_table lcl__table_augconv = {
  .name = "augconv/mnist",
  .title = "Test error on MNIST by what stands between the convolution stages (mean of 5 seeds)",
  .source = "Influencing the Properties of Latent Representations, Table 5.I",
  .model = "augconv",
  LCL_TABLE_MNIST,
  .metric = "error_percent",
  .unit = "%",
  .set = { "arch=stack" },
  .quick = { "epochs=10" },
  .columns = five_seeds,
  .n_columns = LCL_COUNT(five_seeds),
  .rows = mnist_rows,
  .n_rows = LCL_COUNT(mnist_rows),
};

static const lcl_table_column one_run[] = {
  { "all", "all", { NULL }, 1 },
};

/* The source prints accuracies: 92.45, 90.7, 92.3, 89.8. */
static const lcl_table_row cifar_rows[] = {
  { "baseline", "VGG-like, mirrored", NULL, { "variant=baseline" }, { { 7.55f, 0 } } },
  { "fc-1", "1 square layer", NULL, { "variant=fc", "fc_layers=1" }, { { 9.3f, 0 } } },
  { "fc-2", "2 square layers", NULL, { "variant=fc", "fc_layers=2" }, { { 7.7f, 0 } } },
  { "fc-3", "3 square layers", NULL, { "variant=fc", "fc_layers=3" }, { { 10.2f, 0 } } },
};

const lcl_table lcl__table_augconv_cifar = {
  .name = "augconv/cifar10",
  .title = "Test error on CIFAR-10 by square fully-connected layers in a VGG-like network",
  .source = "Influencing the Properties of Latent Representations, Table 5.II (100 minus its accuracy)",
  .model = "augconv",
  .data = "the CIFAR-10 binary files",
  .shape = { 3, 32, 32 },
  .classes = 10,
  .metric = "error_percent",
  .unit = "%",
  .set = { "arch=vgg", "validation=10000" },
  .quick = { "epochs=10" },
  .columns = one_run,
  .n_columns = LCL_COUNT(one_run),
  .rows = cifar_rows,
  .n_rows = LCL_COUNT(cifar_rows),
};

/* Section 5.1 gives no figures: a layer between sample and decoder "unlocks" the variational autoencoder, a plain one and
 * Hamiltonian inference do not need it. */
static const lcl_table_column bound_columns[] = {
  { .key = "loss", .label = "loss (of all but the plain ones: the bound)", .trials = 1 },
  { .key = "recon", .label = "reconstruction", .trials = 1, .metric = "recon", .run = "loss" },
};

#define LATENT(key_, label_, latent, fc)                                                                               \
  { .key = key_, .label = label_, .set = { "latent=" latent, "decoder_fc=" fc }, .cell = { LCL_NO_CELL, LCL_NO_CELL } }

static const lcl_table_row latent_rows[] = {
  LATENT("normal", "variational", "normal", "false"),
  LATENT("normal-fc", "variational, square layer", "normal", "true"),
  LATENT("hamiltonian", "Hamiltonian", "hamiltonian", "false"),
  LATENT("hamiltonian-fc", "Hamiltonian, square layer", "hamiltonian", "true"),
  LATENT("point", "plain", "point", "false"),
  LATENT("point-fc", "plain, square layer", "point", "true"),
};

const lcl_table lcl__table_latent = {
  .name = "vae/latent",
  .title = "Autoencoders of convolutions with and without a square layer before the decoder, on binarized MNIST",
  .source = "Influencing the Properties of Latent Representations, section 5.1 (without figures)",
  .model = "vae",
  .data = "the files of fixed binarized MNIST",
  .shape = { 1, 28, 28 },
  .metric = "loss",
  .unit = "nats",
  .quick = { "epochs=8", "lr_schedule=linear", "lr_from=4", "lr_until=8" },
  .columns = bound_columns,
  .n_columns = LCL_COUNT(bound_columns),
  .rows = latent_rows,
  .n_rows = LCL_COUNT(latent_rows),
};

/* ---- chapter 6: generative classifiers and hybrids ---- */

static const lcl_table_row generative_rows[] = {
  { "m2", "M2 with convolutions", "m2", { NULL }, { { 2.644f, 0 } } },
  { "two-head", "two heads", "two-head", { NULL }, { { 1.2f, 0 } } },
  { "adhoc", "VAE + Ladder, ad-hoc", "vae-ladder", { "variant=adhoc" }, { { 3.86f, 0 } } },
  { "mlp", "VAE + Ladder, MLP", "vae-ladder", { "variant=mlp" }, { { 1.92f, 0 } } },
  { "mlp-ztop", "VAE + Ladder, MLP, top z", "vae-ladder", { "variant=mlp-ztop", "noise=0.3" }, { { 0.99f, 0 } } },
  { "control", "VAE of Ladder networks (control)", "vae-ladder-control", { NULL }, { { 0.7f, 0 } } },
};

const lcl_table lcl__table_generative = {
  .name = "generative/mnist",
  .title = "Test error on MNIST of generative classifiers, all examples labelled",
  .source = "Influencing the Properties of Latent Representations, Tables 6.I and 6.II and section 6.4",
  .model = "two-head",
  LCL_TABLE_MNIST,
  .metric = "error_percent",
  .unit = "%",
  .quick = { "epochs=15" },
  .columns = one_run,
  .n_columns = LCL_COUNT(one_run),
  .rows = generative_rows,
  .n_rows = LCL_COUNT(generative_rows),
};

/* Section 4.5 names M1 and M1+M2 and gives no figures; that of M1+M2 is of the paper that they are from. Each choice of
 * labels begins with an autoencoder of its own, trained on all images. */
#define LABELLED(key, per_class) { key, key " labelled", { "labels_per_class=" per_class }, 0 }

static const lcl_table_column labelled_columns[] = {
  LABELLED("100", "10"), LABELLED("600", "60"), LABELLED("1000", "100"), LABELLED("3000", "300"),
};

static const lcl_table_row semi_supervised_rows[] = {
  { .key = "vae", .label = "the autoencoder below", .model = "vae", .set = { "arch=mlp", "labels_per_class=0" },
    .cell = { LCL_NO_CELL, LCL_NO_CELL, LCL_NO_CELL, LCL_NO_CELL }, .step = true },
  { .key = "m1", .label = "M1: its latent, linear classifier", .model = "m1", .set = { "epochs=1000", "lr=0.01" },
    .cell = { LCL_NO_CELL, LCL_NO_CELL, LCL_NO_CELL, LCL_NO_CELL }, .start = "vae" },
  { .key = "m2", .label = "M2 with convolutions", .model = "m2",
    .cell = { LCL_NO_CELL, LCL_NO_CELL, LCL_NO_CELL, LCL_NO_CELL } },
  { .key = "m1-m2", .label = "M1+M2", .model = "m2", .set = { "input=m1", "cls_out=softmax", "w_l=0.002", "w_c=0.1", "lr=0.001" },
    .cell = { { 3.33f, 0 }, LCL_NO_CELL, LCL_NO_CELL, LCL_NO_CELL }, .start = "vae" },
};

const lcl_table lcl__table_semi_supervised = {
  .name = "generative/semi-supervised",
  .title = "Test error on MNIST of the generative models M1, M2 and M1+M2 by labelled images",
  .source = "Semi-supervised Learning with Deep Generative Models, Table 1",
  .model = "m2",
  LCL_TABLE_MNIST,
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .quick = { "epochs=15" },
  .columns = labelled_columns,
  .n_columns = LCL_COUNT(labelled_columns),
  .rows = semi_supervised_rows,
  .n_rows = LCL_COUNT(semi_supervised_rows),
};

static const lcl_table_row pets_rows[] = {
  { "two-head", "two heads", NULL, { NULL }, { { 32, 0 } } },
};

const lcl_table lcl__table_pets = {
  .name = "two-head/dogs-vs-cats",
  .title = "Error on 5,000 images that were not trained on, of Dogs vs Cats, 48x48 luma",
  .source = "Influencing the Properties of Latent Representations, Table 6.I (probably the training error)",
  .model = "two-head",
  .data = "a folder of the competition's images (cat.0.jpg, dog.0.jpg, ...)",
  .shape = { 1, 48, 48 },
  .classes = 2,
  .metric = "error_percent",
  .unit = "%",
  .set = { "binarise=none", "validation=5000" },
  .quick = { "epochs=10" },
  .columns = one_run,
  .n_columns = LCL_COUNT(one_run),
  .rows = pets_rows,
  .n_rows = LCL_COUNT(pets_rows),
};

/* Not the data of the source, whose archive nobody may pass on: photographs of the same two kinds, 32x32 in colour. */
static const lcl_table_row cat_dog_rows[] = {
  { "two-head", "two heads", NULL, { NULL }, { LCL_NO_CELL } },
};

const lcl_table lcl__table_cat_dog = {
  .name = "two-head/cifar10-cat-dog",
  .title = "Test error on CIFAR-10's classes cat and dog, in the place of Dogs vs Cats",
  .source = "none: the source has Dogs vs Cats (32 %)",
  .model = "two-head",
  .data = "the CIFAR-10 binary files",
  .shape = { 3, 32, 32 },
  .classes = 2,
  .metric = "error_percent",
  .unit = "%",
  .set = { "only_classes=cat,dog", "binarise=none", "validation=1000" },
  .quick = { "epochs=10" },
  .columns = one_run,
  .n_columns = LCL_COUNT(one_run),
  .rows = cat_dog_rows,
  .n_rows = LCL_COUNT(cat_dog_rows),
};

/* ---- chapter 7: PixelRNN ---- */

static const lcl_table_column likelihood[] = {
  { "binarized", "binarized MNIST", { NULL }, 1 },
};

static const lcl_table_row pixelrnn_rows[] = {
  { "1-layer", "1 layer (its reproduction)", NULL, { "layers=1" }, { { 81.2198f, 0 } } },
  { "1-layer-bn", "1 layer with batch norm", NULL, { "layers=1", "batch_norm=true" }, { { 81.2027f, 0 } } },
  { "1-layer-32", "1 layer, h = 32 (van den Oord et al.)", NULL, { "layers=1", "hidden=32" }, { { 80.75f, 0 } } },
  { "7-layers", "7 layers (van den Oord et al.)", NULL, { "layers=7" }, { { 79.20f, 0 } } },
};

const lcl_table lcl__table_pixelrnn = {
  .name = "pixelrnn/mnist",
  .title = "Negative log-likelihood of the test part of binarized MNIST",
  .source = "Influencing the Properties of Latent Representations, Table 7.I",
  .model = "pixelrnn",
  .data = "the files of fixed binarized MNIST",
  .shape = { 1, 28, 28 },
  .metric = "nll",
  .unit = "nats",
  .quick = { "epochs=10", "lr_schedule=linear", "lr_from=5", "lr_until=10" },
  .columns = likelihood,
  .n_columns = LCL_COUNT(likelihood),
  .rows = pixelrnn_rows,
  .n_rows = LCL_COUNT(pixelrnn_rows),
};

/* In bits of a value. Twelve layers of 128 units are what van den Oord et al. say of their network. */
static const lcl_table_column cifar_likelihood[] = {
  { "cifar10", "CIFAR-10", { NULL }, 1 },
};

static const lcl_table_row pixelrnn_cifar_rows[] = {
  { "12-layers", "12 layers, h = 128", NULL, { "layers=12", "hidden=128", "levels=256", "colours=rgb" }, { { 3.00f, 0 } } },
};

const lcl_table lcl__table_pixelrnn_cifar = {
  .name = "pixelrnn/cifar10",
  .title = "Negative log-likelihood of CIFAR-10's test part, bits of a value",
  .source = "Pixel Recurrent Neural Networks, Diagonal BiLSTM",
  .model = "pixelrnn",
  .data = "the CIFAR-10 binary files",
  .shape = { 3, 32, 32 },
  .classes = 10,
  .metric = "bits_per_dim",
  .unit = "bits",
  .quick = { "layers=1", "hidden=8", "head_width=32", "epochs=1" },
  .columns = cifar_likelihood,
  .n_columns = LCL_COUNT(cifar_likelihood),
  .rows = pixelrnn_cifar_rows,
  .n_rows = LCL_COUNT(pixelrnn_cifar_rows),
};

/* clang-format on */
