/* Published tables of the Ladder network, IMSAT and network inversion. */
#include "base/base.h"
#include "models/tables.h"

/* clang-format off */

/* ---- Ladder: test error by number of labelled images, 784-1000-500-250-250-250-10 ---- */

static const lcl_table_column ladder_columns[] = {
  { "100", "100", { "labels_per_class=10" }, 0 },
  { "1000", "1000", { "labels_per_class=100" }, 0 },
  { "all", "all", { "labels_per_class=0" }, 0 },
};

static const lcl_table_row ladder_rows[] = {
  { "baseline", "supervised baseline", NULL, { "variant=baseline" }, { { 21.74f, 1.77f }, { 5.70f, 0.20f }, { 0.80f, 0.03f } } },
  { "gamma", "gamma model", NULL, { "variant=gamma" }, { { 3.06f, 1.44f }, { 1.53f, 0.10f }, { 0.78f, 0.03f } } },
  { "bottom", "only the image's cost", NULL, { "variant=bottom" }, { { 1.09f, 0.32f }, { 0.90f, 0.05f }, { 0.59f, 0.03f } } },
  { "full", "full", NULL, { "variant=full" }, { { 1.06f, 0.37f }, { 0.84f, 0.08f }, { 0.57f, 0.02f } } },
};

const lcl_table lcl_table_ladder = {
  .name = "ladder/mnist",
  .title = "Test error on permutation-invariant MNIST by labelled images",
  .source = "Semi-Supervised Learning with Ladder Networks, Table 1",
  .model = "ladder",
  .data = "the MNIST files",
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "epochs=150" },
  .quick = { "epochs=15" },
  .columns = ladder_columns,
  .n_columns = LCL_COUNT(ladder_columns),
  .rows = ladder_rows,
  .n_rows = LCL_COUNT(ladder_rows),
};

/* ---- Denoising functions, full ladder ---- */

static const lcl_table_row combinator_rows[] = {
  { "gauss", "Gaussian", NULL, { "g=gauss" }, { { 1.06f, 0.37f }, { 0.84f, 0.08f }, { 0.57f, 0.02f } } },
  { "amlp-4", "perceptron, 4", NULL, { "g=amlp", "amlp_hidden=4" }, { { 1.072f, 0.015f }, { 0.974f, 0.021f }, { 0.598f, 0.014f } } },
  { "amlp-2-2", "perceptron, 2-2", NULL, { "g=amlp", "amlp_hidden=2-2" }, { { 1.072f, 0.015f }, { 1.193f, 0.039f }, { 0.569f, 0.010f } } },
  { "amlp-2-2-2", "perceptron, 2-2-2", NULL, { "g=amlp", "amlp_hidden=2-2-2" }, { { 1.002f, 0.038f }, { 0.979f, 0.025f }, { 0.578f, 0.013f } } },
};

const lcl_table lcl_table_ladder_g = {
  .name = "ladder/combinators",
  .title = "Test error on permutation-invariant MNIST by labelled images and denoising function",
  .source = "Deconstructing the Ladder Network Architecture",
  .model = "ladder",
  .data = "the MNIST files",
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "epochs=150" },
  .quick = { "epochs=15" },
  .columns = ladder_columns,
  .n_columns = LCL_COUNT(ladder_columns),
  .rows = combinator_rows,
  .n_rows = LCL_COUNT(combinator_rows),
};

/* ---- IMSAT: clusters ---- */

static const lcl_table_column one_column[] = {
  { "mnist", "MNIST", { NULL }, 0 },
};

static const lcl_table_row cluster_rows[] = {
  { "linear-rim", "Linear RIM", NULL, { "system=linear-rim" }, { { 59.6f, 2.3f } } },
  { "deep-rim", "Deep RIM", NULL, { "system=deep-rim" }, { { 58.5f, 3.5f } } },
  { "linear-vat", "Linear IMSAT (VAT)", NULL, { "system=linear-vat" }, { { 61.1f, 1.9f } } },
  { "imsat-rpt", "IMSAT (RPT)", NULL, { "system=imsat-rpt" }, { { 89.6f, 5.4f } } },
  { "imsat-vat", "IMSAT (VAT)", NULL, { "system=imsat-vat" }, { { 98.4f, 0.4f } } },
};

const lcl_table lcl_table_clusters = {
  .name = "imsat/clusters",
  .title = "Clustering accuracy on MNIST (all 70,000)",
  .source = "Learning Discrete Representations via Information Maximizing Self-Augmented Training (clusters)",
  .model = "imsat",
  .data = "the MNIST files",
  .metric = "accuracy_percent",
  .unit = "%",
  .set = { "task=cluster", "epochs=50" },
  .quick = { "epochs=10" },
  .columns = one_column,
  .n_columns = LCL_COUNT(one_column),
  .rows = cluster_rows,
  .n_rows = LCL_COUNT(cluster_rows),
};

/* ---- IMSAT: hash codes ---- */

static const lcl_table_row hash_rows[] = {
  { "linear-rim", "Linear RIM", NULL, { "system=linear-rim" }, { { 35.9f, 0.6f } } },
  { "deep-rim-60-30", "Deep RIM (60-30)", NULL, { "system=deep-rim", "hidden=60-30" }, { { 42.7f, 2.8f } } },
  { "deep-rim-200-200", "Deep RIM (200-200)", NULL, { "system=deep-rim", "hidden=200-200" }, { { 43.7f, 3.7f } } },
  { "deep-rim-400-400", "Deep RIM (400-400)", NULL, { "system=deep-rim", "hidden=400-400" }, { { 43.9f, 2.7f } } },
  { "imsat-60-30", "IMSAT (VAT) (60-30)", NULL, { "system=imsat-vat", "hidden=60-30" }, { { 61.2f, 2.5f } } },
  { "imsat-200-200", "IMSAT (VAT) (200-200)", NULL, { "system=imsat-vat", "hidden=200-200" }, { { 80.7f, 2.2f } } },
  { "imsat-400-400", "IMSAT (VAT) (400-400)", NULL, { "system=imsat-vat", "hidden=400-400" }, { { 83.9f, 2.3f } } },
};

const lcl_table lcl_table_hash = {
  .name = "imsat/hash",
  .title = "Mean average precision of 16-bit codes on MNIST, 1,000 queries",
  .source = "Learning Discrete Representations via Information Maximizing Self-Augmented Training (codes)",
  .model = "imsat",
  .data = "the MNIST files",
  .metric = "map_percent",
  .unit = "%",
  .set = { "task=hash", "epochs=50" },
  .quick = { "epochs=10" },
  .columns = one_column,
  .n_columns = LCL_COUNT(one_column),
  .rows = hash_rows,
  .n_rows = LCL_COUNT(hash_rows),
};

/* ---- Inversion: only the best cell of the table is known for certain (99.14 % right) ---- */

static const lcl_table_column inversion_columns[] = {
  { "50", "50 labels", { "labels_per_class=5" }, 0 },
  { "100", "100 labels", { "labels_per_class=10" }, 0 },
  { "sup1000", "1000 labels, supervised", { "labels_per_class=100", "alpha=1" }, 0 },
};

#define UNKNOWN { LCL_NO_CELL, LCL_NO_CELL, LCL_NO_CELL }
static const lcl_table_row inversion_rows[] = {
  { "small-mean", "SmallCNN, mean", NULL, { "arch=small-cnn" }, UNKNOWN },
  { "small-max", "SmallCNN, max", NULL, { "arch=small-cnn", "pooling=max" }, UNKNOWN },
  { "small-u", "SmallUCNN", NULL, { "arch=small-cnn", "inhibitor=true" }, UNKNOWN },
  { "large-mean", "LargeCNN, mean", NULL, { "arch=large-cnn" }, UNKNOWN },
  { "large-max", "LargeCNN, max", NULL, { "arch=large-cnn", "pooling=max" }, UNKNOWN },
  { "large-u", "LargeUCNN", NULL, { "arch=large-cnn", "inhibitor=true" }, UNKNOWN },
  { "resnet2-32-mean", "Resnet2-32, mean", NULL, { "arch=resnet2-32" }, UNKNOWN },
  { "resnet2-32-max", "Resnet2-32, max", NULL, { "arch=resnet2-32", "pooling=max" }, { { 0.86f, 0 }, LCL_NO_CELL, LCL_NO_CELL } },
  { "resnet2-32-u", "UResnet2-32", NULL, { "arch=resnet2-32", "inhibitor=true" }, UNKNOWN },
  { "resnet3-16-mean", "Resnet3-16, mean", NULL, { "arch=resnet3-16" }, UNKNOWN },
  { "resnet3-16-max", "Resnet3-16, max", NULL, { "arch=resnet3-16", "pooling=max" }, UNKNOWN },
  { "resnet3-16-u", "UResnet3-16", NULL, { "arch=resnet3-16", "inhibitor=true" }, UNKNOWN },
};

const lcl_table lcl_table_inversion = {
  .name = "inversion/mnist",
  .title = "Test error on MNIST by labelled images",
  .source = "Semi-Supervised Learning via New Deep Network Inversion",
  .model = "inversion",
  .data = "the MNIST files",
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "epochs=100" },
  .quick = { "epochs=5" },
  .columns = inversion_columns,
  .n_columns = LCL_COUNT(inversion_columns),
  .rows = inversion_rows,
  .n_rows = LCL_COUNT(inversion_rows),
};

/* clang-format on */
