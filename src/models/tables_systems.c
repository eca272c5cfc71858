/* Published tables of the Ladder network and network inversion. */
#include "base/base.h"
#include "models/tables.h"

/* clang-format off */

#define VARIANT(key, label, ...) LCL_TABLE_ROW("variant=", key, label, __VA_ARGS__)
#define C LCL_TABLE_CELL

/* ---- Ladder: test error by number of labelled images, 784-1000-500-250-250-250-10 ---- */

static const lcl_table_column ladder_columns[] = {
  { "50", "50", { "labels_per_class=5" }, 0 },
  { "100", "100", { "labels_per_class=10" }, 0 },
  { "1000", "1000", { "labels_per_class=100" }, 0 },
  { "all", "all", { "labels_per_class=0" }, 0 },
};

static const lcl_table_row ladder_rows[] = {
  VARIANT("baseline", "supervised baseline", LCL_NO_CELL, C(21.74, 1.77), C(5.70, 0.20), C(0.80, 0.03)),
  VARIANT("gamma", "gamma model", LCL_NO_CELL, C(3.06, 1.44), C(1.53, 0.10), C(0.78, 0.03)),
  VARIANT("bottom", "only the image's cost", LCL_NO_CELL, C(1.09, 0.32), C(0.90, 0.05), C(0.59, 0.03)),
  VARIANT("full", "full", C(1.62, 0.65), C(1.06, 0.37), C(0.84, 0.08), C(0.57, 0.02)),
};

const lcl_table lcl__table_ladder = {
  .name = "ladder/mnist",
  .title = "Test error on permutation-invariant MNIST by labelled images",
  .source = "Semi-Supervised Learning with Ladder Networks, Table 1",
  .model = "ladder",
  LCL_TABLE_MNIST,
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
  { "gauss", "Gaussian", NULL, { "g=gauss" }, { C(1.06, 0.37), C(0.84, 0.08), C(0.57, 0.02) } },
  { "amlp-4", "perceptron, 4", NULL, { "g=amlp", "amlp_hidden=4" }, { C(1.072, 0.015), C(0.974, 0.021), C(0.598, 0.014) } },
  { "amlp-2-2", "perceptron, 2-2", NULL, { "g=amlp", "amlp_hidden=2-2" }, { C(1.072, 0.015), C(1.193, 0.039), C(0.569, 0.010) } },
  { "amlp-2-2-2", "perceptron, 2-2-2", NULL, { "g=amlp", "amlp_hidden=2-2-2" }, { C(1.002, 0.038), C(0.979, 0.025), C(0.578, 0.013) } },
};

const lcl_table lcl__table_ladder_g = {
  .name = "ladder/combinators",
  .title = "Test error on permutation-invariant MNIST by labelled images and denoising function",
  .source = "Deconstructing the Ladder Network Architecture",
  .model = "ladder",
  LCL_TABLE_MNIST,
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "epochs=150" },
  .quick = { "epochs=15" },
  .columns = ladder_columns + 1, /* without 50 */
  .n_columns = LCL_COUNT(ladder_columns) - 1,
  .rows = combinator_rows,
  .n_rows = LCL_COUNT(combinator_rows),
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
  { "resnet2-32-max", "Resnet2-32, max", NULL, { "arch=resnet2-32", "pooling=max" }, { C(0.86, 0), LCL_NO_CELL, LCL_NO_CELL } },
  { "resnet2-32-u", "UResnet2-32", NULL, { "arch=resnet2-32", "inhibitor=true" }, UNKNOWN },
  { "resnet3-16-mean", "Resnet3-16, mean", NULL, { "arch=resnet3-16" }, UNKNOWN },
  { "resnet3-16-max", "Resnet3-16, max", NULL, { "arch=resnet3-16", "pooling=max" }, UNKNOWN },
  { "resnet3-16-u", "UResnet3-16", NULL, { "arch=resnet3-16", "inhibitor=true" }, UNKNOWN },
};

const lcl_table lcl__table_inversion = {
  .name = "inversion/mnist",
  .title = "Test error on MNIST by labelled images",
  .source = "Semi-Supervised Learning via New Deep Network Inversion",
  .model = "inversion",
  LCL_TABLE_MNIST,
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

/* The published figure is the best of a search over (alpha, beta), whose grid is not printed; the values that the source names
 * for its reconstructions are in this one. */
static const lcl_table_column beta_columns[] = {
  { "0.2", "beta 0.2", { "beta=0.2" }, 0 },
  { "0.3", "beta 0.3", { "beta=0.3" }, 0 },
  { "0.5", "beta 0.5", { "beta=0.5" }, 0 },
};

#define ALPHA(value) { value, "alpha " value, NULL, { "alpha=" value }, UNKNOWN }
static const lcl_table_row alpha_rows[] = { ALPHA("0.3"), ALPHA("0.4"), ALPHA("0.5"), ALPHA("0.6"), ALPHA("0.7") };

const lcl_table lcl__table_inversion_grid = {
  .name = "inversion/grid",
  .title = "Test error on MNIST with 50 labels of Resnet2-32 with maximum pooling, by the two weights",
  .source = "Semi-Supervised Learning via New Deep Network Inversion: 99.14 % right in the best cell, of a grid that it does not print",
  .model = "inversion",
  LCL_TABLE_MNIST,
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "arch=resnet2-32", "pooling=max", "labels_per_class=5", "epochs=100" },
  .quick = { "epochs=5" },
  .search = true,
  .columns = beta_columns,
  .n_columns = LCL_COUNT(beta_columns),
  .rows = alpha_rows,
  .n_rows = LCL_COUNT(alpha_rows),
};

/* clang-format on */
