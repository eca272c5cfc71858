/* Published tables of "Semantic Noise Modeling for Better Representation Learning" (2016): test
 * error in percent, mean and population standard deviation over three random subsets of so many
 * examples a class. */
#include "base/base.h"
#include "models/tables.h"

/* clang-format off */

#define LABELS(key, n) { key, key, { "labels_per_class=" #n }, 0 }
/* Of few steps an epoch, an evaluation of the whole validation part after each would take most of the time. */
#define FEW_LABELS(key, n) { key, key, { "labels_per_class=" #n, "validate_every=8" }, 0 }
#define UP_TO_2K                                                                                              \
  FEW_LABELS("10", 10), FEW_LABELS("20", 20), FEW_LABELS("50", 50), FEW_LABELS("100", 100),                   \
      LABELS("200", 200), LABELS("500", 500), LABELS("1k", 1000), LABELS("2k", 2000)
#define VARIANT(key, label, ...) LCL_TABLE_ROW("variant=", key, label, __VA_ARGS__)
#define C LCL_TABLE_CELL
#define DENOISE(key, label, ...) { key "-denoise", label ", denoising", NULL, { "variant=" key, "denoise_std=0.1" }, { __VA_ARGS__ } }

static const lcl_table_column mnist_columns[] = {
  UP_TO_2K,
  { "all", "all (50k)", { "labels_per_class=0" }, 1 },
};

static const lcl_table_row mnist_rows[] = {
  VARIANT("feed-forward", "feed-forward", C(24.55, 3.04), C(16.00, 1.33), C(10.35, 0.66), C(6.58, 0.42), C(4.71, 0.28), C(2.94, 0.23), C(1.90, 0.27), C(1.45, 0.08), C(1.04, 0)),
  VARIANT("recon-one", "joint, recon-one", C(21.67, 3.19), C(13.60, 0.99), C(7.85, 0.10), C(5.44, 0.37), C(4.14, 0.08), C(2.50, 0.15), C(1.84, 0.07), C(1.45, 0.07), C(1.12, 0)),
  VARIANT("recon-all", "joint, recon-all", C(20.11, 2.81), C(13.69, 0.62), C(9.15, 0.15), C(6.77, 0.25), C(5.39, 0.11), C(3.89, 0.27), C(2.91, 0.17), C(2.28, 0.10), C(1.87, 0)),
  VARIANT("base", "proposed, base", C(21.35, 1.16), C(11.65, 1.15), C(6.33, 0.10), C(4.32, 0.31), C(3.07, 0.11), C(1.98, 0.11), C(1.29, 0.09), C(0.94, 0.02), C(0.80, 0)),
  VARIANT("perturb-random", "proposed, perturb (random)", C(20.17, 1.52), C(11.68, 0.81), C(6.24, 0.29), C(4.12, 0.24), C(3.04, 0.13), C(1.88, 0.05), C(1.24, 0.03), C(0.96, 0.08), C(0.65, 0)),
  VARIANT("perturb-semantic", "proposed, perturb (semantic)", C(20.11, 0.81), C(10.59, 0.74), C(5.92, 0.12), C(3.79, 0.23), C(2.72, 0.09), C(1.78, 0.05), C(1.15, 0.01), C(0.88, 0.03), C(0.62, 0)),
};

static const lcl_table mnist = {
  .name = "semantic-noise/table1-mnist",
  .title = "Test error on MNIST by labelled examples a class",
  .source = "Semantic Noise Modeling for Better Representation Learning, Table 1",
  .model = "semantic-noise",
  LCL_TABLE_MNIST,
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "arch=conv", "epochs=160" },
  .quick = { "epochs=40" },
  .columns = mnist_columns,
  .n_columns = LCL_COUNT(mnist_columns),
  .rows = mnist_rows,
  .n_rows = LCL_COUNT(mnist_rows),
};

static const lcl_table_column cifar_columns[] = {
  UP_TO_2K,
  { "all", "all (40k)", { "labels_per_class=0" }, 1 },
};

static const lcl_table_row cifar_rows[] = {
  VARIANT("feed-forward", "feed-forward", C(73.82, 1.43), C(68.99, 0.54), C(61.30, 0.83), C(54.93, 0.56), C(46.97, 0.59), C(33.69, 0.43), C(26.63, 0.39), C(20.97, 0.09), C(17.80, 0)),
  VARIANT("recon-one", "joint, recon-one", C(75.68, 1.56), C(69.05, 1.13), C(61.44, 0.63), C(55.02, 0.34), C(46.18, 0.51), C(33.62, 0.38), C(26.78, 0.48), C(21.25, 0.40), C(17.68, 0)),
  VARIANT("recon-all", "joint, recon-all", C(73.33, 1.06), C(67.63, 0.56), C(62.59, 0.76), C(56.37, 0.20), C(50.51, 0.61), C(41.26, 0.73), C(32.55, 1.20), C(26.38, 0.08), C(22.71, 0)),
  VARIANT("base", "proposed, base", C(71.63, 0.69), C(66.17, 0.40), C(58.91, 0.86), C(52.65, 0.28), C(43.46, 0.30), C(31.86, 0.54), C(25.76, 0.31), C(21.06, 0.18), C(17.45, 0)),
  VARIANT("perturb-random", "proposed, perturb (random)", C(71.69, 0.25), C(66.75, 0.54), C(58.95, 0.63), C(53.01, 0.26), C(43.71, 0.19), C(31.80, 0.18), C(25.50, 0.33), C(20.81, 0.27), C(17.43, 0)),
  VARIANT("perturb-semantic", "proposed, perturb (semantic)", C(71.50, 1.14), C(66.87, 0.17), C(58.30, 0.62), C(52.32, 0.08), C(42.98, 0.34), C(30.91, 0.23), C(24.81, 0.26), C(20.19, 0.25), C(16.16, 0)),
};

static const lcl_table cifar10 = {
  .name = "semantic-noise/table1-cifar10",
  .title = "Test error on CIFAR-10 by labelled examples a class",
  .source = "Semantic Noise Modeling for Better Representation Learning, Table 1",
  .model = "semantic-noise",
  .data = "the CIFAR-10 binary batches",
  .shape = { 3, 24, 24 },
  .classes = 10,
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "arch=cifar", "validation=10000", "epochs=160" },
  .quick = { "epochs=40" },
  .columns = cifar_columns,
  .n_columns = LCL_COUNT(cifar_columns),
  .rows = cifar_rows,
  .n_rows = LCL_COUNT(cifar_rows),
};

static const lcl_table_column flat_columns[] = {
  LABELS("1k", 1000),
  LABELS("2k", 2000),
  { "all", "all (5k)", { "labels_per_class=0" }, 1 },
};

static const lcl_table_row flat_rows[] = {
  VARIANT("recon-one", "joint, recon-one", C(2.72, 0), C(1.97, 0), C(1.38, 0)),
  VARIANT("perturb-semantic", "proposed, perturb (semantic)", C(2.57, 0), C(1.82, 0), C(1.28, 0)),
};

static const lcl_table flat = {
  .name = "semantic-noise/permutation-invariant",
  .title = "Test error on permutation-invariant MNIST by labelled examples a class",
  .source = "Semantic Noise Modeling for Better Representation Learning, section 4.3",
  .model = "semantic-noise",
  LCL_TABLE_MNIST,
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "arch=mlp", "epochs=160" },
  .quick = { "epochs=40" },
  .columns = flat_columns,
  .n_columns = LCL_COUNT(flat_columns),
  .rows = flat_rows,
  .n_rows = LCL_COUNT(flat_rows),
};

/* Table 2 compares with a Ladder that saw the labelled images only, in a public code that divides by the variance and has the
 * weights and the noise of 100 labels, however many there are. It prints the three subsets and their mean; the deviations are
 * of those. */
static const lcl_table_row ladder_rows[] = {
  { "ladder", "Ladder network", "ladder",
    { "unlabelled_source=labelled_only", "lambda=1000,10,.1", "noise=0.3", "zbn_div=var", "bn_test=ema", "lr=0.02", "lr_from=15", "epochs=150" },
    { C(29.66, 2.99), C(16.98, 0.40), C(9.81, 0.49), C(6.67, 0.55), C(4.49, 0.12), C(2.96, 0.11), C(2.07, 0.09), C(1.37, 0.09), C(0.91, 0) } },
  { "perturb-semantic", "proposed, perturb (semantic)", NULL,
    { "variant=perturb-semantic", "arch=ladder", "epochs=160" },
    { C(22.11, 1.66), C(13.89, 1.23), C(9.01, 0.30), C(6.11, 0.31), C(4.45, 0.11), C(2.95, 0.03), C(1.99, 0.16), C(1.40, 0.07), C(0.93, 0) } },
};

static const lcl_table beside_ladder = {
  .name = "semantic-noise/table2-ladder",
  .title = "Test error on MNIST beside the Ladder network, by labelled examples a class",
  .source = "Semantic Noise Modeling for Better Representation Learning, Table 2",
  .model = "semantic-noise",
  LCL_TABLE_MNIST,
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .quick = { "epochs=40" },
  .columns = mnist_columns,
  .n_columns = LCL_COUNT(mnist_columns),
  .rows = ladder_rows,
  .n_rows = LCL_COUNT(ladder_rows),
};

/* Tables 3 and 4 print each of the three subsets; here, as in table 1, their mean and population standard deviation. */
static const lcl_table_row denoising_mnist_rows[] = {
  DENOISE("recon-one", "joint, recon-one", C(22.47, 3.72), C(12.42, 0.50), C(7.27, 0.22), C(5.03, 0.31), C(3.59, 0.05), C(2.44, 0.09), C(1.76, 0.20), C(1.46, 0.13), C(0.97, 0)),
  DENOISE("recon-all", "joint, recon-all", C(19.35, 2.64), C(12.52, 0.62), C(7.66, 0.24), C(5.13, 0.29), C(3.96, 0.06), C(3.01, 0.03), C(2.27, 0.20), C(1.94, 0.07), C(1.36, 0)),
  DENOISE("base", "proposed, base", C(22.24, 3.34), C(11.47, 0.55), C(6.44, 0.15), C(4.48, 0.16), C(3.34, 0.16), C(2.53, 0.08), C(1.87, 0.20), C(1.50, 0.03), C(1.13, 0)),
};

static const lcl_table denoising_mnist = {
  .name = "semantic-noise/denoising-mnist",
  .title = "Test error on MNIST of the denoising variants, by labelled examples a class",
  .source = "Semantic Noise Modeling for Better Representation Learning, Table 3",
  .model = "semantic-noise",
  LCL_TABLE_MNIST,
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "arch=conv", "epochs=160" },
  .quick = { "epochs=40" },
  .columns = mnist_columns,
  .n_columns = LCL_COUNT(mnist_columns),
  .rows = denoising_mnist_rows,
  .n_rows = LCL_COUNT(denoising_mnist_rows),
};

static const lcl_table_row denoising_cifar_rows[] = {
  DENOISE("recon-one", "joint, recon-one", C(75.57, 1.31), C(68.93, 0.52), C(61.13, 0.70), C(55.24, 0.11), C(47.18, 0.38), C(36.59, 0.37), C(29.57, 0.20), C(25.00, 0.39), C(21.73, 0)),
  DENOISE("recon-all", "joint, recon-all", C(75.76, 1.32), C(69.14, 0.47), C(64.00, 1.55), C(58.05, 0.17), C(52.51, 0.17), C(44.26, 1.43), C(37.71, 0.93), C(31.13, 0.90), C(27.41, 0)),
  DENOISE("base", "proposed, base", C(72.14, 0.82), C(67.15, 0.30), C(59.58, 1.28), C(53.32, 0.50), C(44.41, 0.15), C(33.49, 0.07), C(28.14, 0.19), C(25.11, 0.10), C(21.34, 0)),
};

static const lcl_table denoising_cifar = {
  .name = "semantic-noise/denoising-cifar10",
  .title = "Test error on CIFAR-10 of the denoising variants, by labelled examples a class",
  .source = "Semantic Noise Modeling for Better Representation Learning, Table 4",
  .model = "semantic-noise",
  .data = "the CIFAR-10 binary batches",
  .shape = { 3, 24, 24 },
  .classes = 10,
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "arch=cifar", "validation=10000", "epochs=160" },
  .quick = { "epochs=40" },
  .columns = cifar_columns,
  .n_columns = LCL_COUNT(cifar_columns),
  .rows = denoising_cifar_rows,
  .n_rows = LCL_COUNT(denoising_cifar_rows),
};

/* clang-format on */

const lcl_table *const lcl__tables[] = { &mnist,
                                         &cifar10,
                                         &denoising_mnist,
                                         &denoising_cifar,
                                         &flat,
                                         &beside_ladder,
                                         &lcl__table_ladder,
                                         &lcl__table_ladder_g,
                                         &lcl__table_clusters,
                                         &lcl__table_omniglot,
                                         &lcl__table_stl,
                                         &lcl__table_imsat_cifar10,
                                         &lcl__table_cifar100,
                                         &lcl__table_svhn,
                                         &lcl__table_reuters,
                                         &lcl__table_newsgroups,
                                         &lcl__table_hash,
                                         &lcl__table_hash_cifar10,
                                         &lcl__table_inversion,
                                         &lcl__table_inversion_grid,
                                         &lcl__table_augconv,
                                         &lcl__table_augconv_cifar,
                                         &lcl__table_latent,
                                         &lcl__table_pixelrnn,
                                         &lcl__table_pixelrnn_cifar,
                                         &lcl__table_generative,
                                         &lcl__table_semi_supervised,
                                         &lcl__table_pets,
                                         &lcl__table_cat_dog };
const size_t lcl__table_count = LCL_COUNT(lcl__tables);

lcl_status lcl__table_find(const char *name, const lcl_table **out) {
  lcl_str names = { 0 };
  for (size_t i = 0; i < lcl__table_count; i++) {
    if (strcmp(lcl__tables[i]->name, name) == 0) {
      lcl__str_free(&names);
      *out = lcl__tables[i];
      return LCL_OK;
    }
    lcl__str_add(&names, "%s%s", i ? ", " : "", lcl__tables[i]->name);
  }
  lcl_status s = lcl__fail(LCL_ERR_ARGUMENT, "there is no table \"%s\"; there are: %s", name,
                           names.data ? names.data : "");
  lcl__str_free(&names);
  return s;
}

int lcl__table_row_index(const lcl_table *t, const char *key) {
  for (int i = 0; i < t->n_rows; i++)
    if (strcmp(t->rows[i].key, key) == 0) return i;
  return -1;
}

int lcl__table_column_index(const lcl_table *t, const char *key) {
  for (int i = 0; i < t->n_columns; i++)
    if (strcmp(t->columns[i].key, key) == 0) return i;
  return -1;
}

const char *lcl__table_metric(const lcl_table *t, int column) {
  return t->columns[column].metric ? t->columns[column].metric : t->metric;
}

size_t lcl__table_pairs(const lcl_table *t, int row, int column, const char **pairs) {
  const char *const *lists[] = { t->set, t->columns[column].set, t->rows[row].set };
  size_t n = 0;
  for (size_t i = 0; i < LCL_COUNT(lists); i++)
    for (size_t k = 0; k < LCL_TABLE_SET && lists[i][k]; k++) pairs[n++] = lists[i][k];
  return n;
}

bool lcl__table_untrained(const char *method) {
  return method && !strstr(method, "-features");
}
