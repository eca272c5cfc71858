/* Published tables of "Semantic Noise Modeling for Better Representation Learning" (2016): test error in
 * percent, mean and population standard deviation over three random subsets of so many examples a class. */
#include "base/base.h"
#include "models/tables.h"

/* clang-format off */

static const lcl_table_column mnist_columns[] = {
  { "10", "10", { "labels_per_class=10" }, 0 },
  { "20", "20", { "labels_per_class=20" }, 0 },
  { "50", "50", { "labels_per_class=50" }, 0 },
  { "100", "100", { "labels_per_class=100" }, 0 },
  { "200", "200", { "labels_per_class=200" }, 0 },
  { "500", "500", { "labels_per_class=500" }, 0 },
  { "1k", "1k", { "labels_per_class=1000" }, 0 },
  { "2k", "2k", { "labels_per_class=2000" }, 0 },
  { "all", "all (50k)", { "labels_per_class=0" }, 1 },
};

static const lcl_table_row mnist_rows[] = {
  { "feed-forward", "feed-forward", NULL, { "variant=feed-forward" },
    { { 24.55f, 3.04f }, { 16.00f, 1.33f }, { 10.35f, 0.66f }, { 6.58f, 0.42f }, { 4.71f, 0.28f }, { 2.94f, 0.23f }, { 1.90f, 0.27f }, { 1.45f, 0.08f }, { 1.04f, 0 } } },
  { "recon-one", "joint, recon-one", NULL, { "variant=recon-one" },
    { { 21.67f, 3.19f }, { 13.60f, 0.99f }, { 7.85f, 0.10f }, { 5.44f, 0.37f }, { 4.14f, 0.08f }, { 2.50f, 0.15f }, { 1.84f, 0.07f }, { 1.45f, 0.07f }, { 1.12f, 0 } } },
  { "recon-all", "joint, recon-all", NULL, { "variant=recon-all" },
    { { 20.11f, 2.81f }, { 13.69f, 0.62f }, { 9.15f, 0.15f }, { 6.77f, 0.25f }, { 5.39f, 0.11f }, { 3.89f, 0.27f }, { 2.91f, 0.17f }, { 2.28f, 0.10f }, { 1.87f, 0 } } },
  { "base", "proposed, base", NULL, { "variant=base" },
    { { 21.35f, 1.16f }, { 11.65f, 1.15f }, { 6.33f, 0.10f }, { 4.32f, 0.31f }, { 3.07f, 0.11f }, { 1.98f, 0.11f }, { 1.29f, 0.09f }, { 0.94f, 0.02f }, { 0.80f, 0 } } },
  { "perturb-random", "proposed, perturb (random)", NULL, { "variant=perturb-random" },
    { { 20.17f, 1.52f }, { 11.68f, 0.81f }, { 6.24f, 0.29f }, { 4.12f, 0.24f }, { 3.04f, 0.13f }, { 1.88f, 0.05f }, { 1.24f, 0.03f }, { 0.96f, 0.08f }, { 0.65f, 0 } } },
  { "perturb-semantic", "proposed, perturb (semantic)", NULL, { "variant=perturb-semantic" },
    { { 20.11f, 0.81f }, { 10.59f, 0.74f }, { 5.92f, 0.12f }, { 3.79f, 0.23f }, { 2.72f, 0.09f }, { 1.78f, 0.05f }, { 1.15f, 0.01f }, { 0.88f, 0.03f }, { 0.62f, 0 } } },
};

static const lcl_table mnist = {
  .name = "semantic-noise/table1-mnist",
  .title = "Test error on MNIST by labelled examples a class",
  .source = "Semantic Noise Modeling for Better Representation Learning, Table 1",
  .model = "semantic-noise",
  .data = "the MNIST files",
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "arch=conv", "epochs=160", "lr_every=40", "lr_until=120" },
  .quick = { "epochs=40", "lr_every=10", "lr_until=30" },
  .columns = mnist_columns,
  .n_columns = LCL_COUNT(mnist_columns),
  .rows = mnist_rows,
  .n_rows = LCL_COUNT(mnist_rows),
};

static const lcl_table_column cifar_columns[] = {
  { "10", "10", { "labels_per_class=10" }, 0 },
  { "20", "20", { "labels_per_class=20" }, 0 },
  { "50", "50", { "labels_per_class=50" }, 0 },
  { "100", "100", { "labels_per_class=100" }, 0 },
  { "200", "200", { "labels_per_class=200" }, 0 },
  { "500", "500", { "labels_per_class=500" }, 0 },
  { "1k", "1k", { "labels_per_class=1000" }, 0 },
  { "2k", "2k", { "labels_per_class=2000" }, 0 },
  { "all", "all (40k)", { "labels_per_class=0" }, 1 },
};

static const lcl_table_row cifar_rows[] = {
  { "feed-forward", "feed-forward", NULL, { "variant=feed-forward" },
    { { 73.82f, 1.43f }, { 68.99f, 0.54f }, { 61.30f, 0.83f }, { 54.93f, 0.56f }, { 46.97f, 0.59f }, { 33.69f, 0.43f }, { 26.63f, 0.39f }, { 20.97f, 0.09f }, { 17.80f, 0 } } },
  { "recon-one", "joint, recon-one", NULL, { "variant=recon-one" },
    { { 75.68f, 1.56f }, { 69.05f, 1.13f }, { 61.44f, 0.63f }, { 55.02f, 0.34f }, { 46.18f, 0.51f }, { 33.62f, 0.38f }, { 26.78f, 0.48f }, { 21.25f, 0.40f }, { 17.68f, 0 } } },
  { "recon-all", "joint, recon-all", NULL, { "variant=recon-all" },
    { { 73.33f, 1.06f }, { 67.63f, 0.56f }, { 62.59f, 0.76f }, { 56.37f, 0.20f }, { 50.51f, 0.61f }, { 41.26f, 0.73f }, { 32.55f, 1.20f }, { 26.38f, 0.08f }, { 22.71f, 0 } } },
  { "base", "proposed, base", NULL, { "variant=base" },
    { { 71.63f, 0.69f }, { 66.17f, 0.40f }, { 58.91f, 0.86f }, { 52.65f, 0.28f }, { 43.46f, 0.30f }, { 31.86f, 0.54f }, { 25.76f, 0.31f }, { 21.06f, 0.18f }, { 17.45f, 0 } } },
  { "perturb-random", "proposed, perturb (random)", NULL, { "variant=perturb-random" },
    { { 71.69f, 0.25f }, { 66.75f, 0.54f }, { 58.95f, 0.63f }, { 53.01f, 0.26f }, { 43.71f, 0.19f }, { 31.80f, 0.18f }, { 25.50f, 0.33f }, { 20.81f, 0.27f }, { 17.43f, 0 } } },
  { "perturb-semantic", "proposed, perturb (semantic)", NULL, { "variant=perturb-semantic" },
    { { 71.50f, 1.14f }, { 66.87f, 0.17f }, { 58.30f, 0.62f }, { 52.32f, 0.08f }, { 42.98f, 0.34f }, { 30.91f, 0.23f }, { 24.81f, 0.26f }, { 20.19f, 0.25f }, { 16.16f, 0 } } },
};

static const lcl_table cifar10 = {
  .name = "semantic-noise/table1-cifar10",
  .title = "Test error on CIFAR-10 by labelled examples a class",
  .source = "Semantic Noise Modeling for Better Representation Learning, Table 1",
  .model = "semantic-noise",
  .data = "the CIFAR-10 binary batches",
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "arch=cifar", "validation=10000", "epochs=160", "lr_every=40", "lr_until=120" },
  .quick = { "epochs=40", "lr_every=10", "lr_until=30" },
  .columns = cifar_columns,
  .n_columns = LCL_COUNT(cifar_columns),
  .rows = cifar_rows,
  .n_rows = LCL_COUNT(cifar_rows),
};

static const lcl_table_column flat_columns[] = {
  { "1k", "1k", { "labels_per_class=1000" }, 0 },
  { "2k", "2k", { "labels_per_class=2000" }, 0 },
  { "all", "all (5k)", { "labels_per_class=0" }, 1 },
};

static const lcl_table_row flat_rows[] = {
  { "recon-one", "joint, recon-one", NULL, { "variant=recon-one" },
    { { 2.72f, 0 }, { 1.97f, 0 }, { 1.38f, 0 } } },
  { "perturb-semantic", "proposed, perturb (semantic)", NULL, { "variant=perturb-semantic" },
    { { 2.57f, 0 }, { 1.82f, 0 }, { 1.28f, 0 } } },
};

static const lcl_table flat = {
  .name = "semantic-noise/permutation-invariant",
  .title = "Test error on permutation-invariant MNIST by labelled examples a class",
  .source = "Semantic Noise Modeling for Better Representation Learning, section 4.3",
  .model = "semantic-noise",
  .data = "the MNIST files",
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .set = { "arch=mlp", "epochs=160", "lr_every=40", "lr_until=120" },
  .quick = { "epochs=40", "lr_every=10", "lr_until=30" },
  .columns = flat_columns,
  .n_columns = LCL_COUNT(flat_columns),
  .rows = flat_rows,
  .n_rows = LCL_COUNT(flat_rows),
};

/* Table 2 compares with a Ladder that saw the labelled images only, in a public code that divides by the variance. */
static const lcl_table_row ladder_rows[] = {
  { "ladder", "Ladder network", "ladder",
    { "unlabelled_source=labelled_only", "zbn_div=var", "bn_test=ema", "lr=0.02", "lr_schedule=linear", "lr_from=15", "lr_until=150", "epochs=150" },
    { { 29.66f, 0 }, { 16.98f, 0 }, { 9.81f, 0 }, { 6.67f, 0 }, { 4.49f, 0 }, { 2.96f, 0 }, { 2.07f, 0 }, { 1.37f, 0 }, { 0.91f, 0 } } },
  { "perturb-semantic", "proposed, perturb (semantic)", NULL,
    { "variant=perturb-semantic", "arch=ladder", "epochs=160", "lr_every=40", "lr_until=120" },
    { { 22.11f, 0 }, { 13.89f, 0 }, { 9.01f, 0 }, { 6.11f, 0 }, { 4.45f, 0 }, { 2.95f, 0 }, { 1.99f, 0 }, { 1.40f, 0 }, { 0.93f, 0 } } },
};

static const lcl_table beside_ladder = {
  .name = "semantic-noise/table2-ladder",
  .title = "Test error on MNIST beside the Ladder network, by labelled examples a class",
  .source = "Semantic Noise Modeling for Better Representation Learning, Table 2",
  .model = "semantic-noise",
  .data = "the MNIST files",
  .metric = "error_percent",
  .unit = "%",
  .trial_option = "subset",
  .quick = { "epochs=40" },
  .columns = mnist_columns,
  .n_columns = LCL_COUNT(mnist_columns),
  .rows = ladder_rows,
  .n_rows = LCL_COUNT(ladder_rows),
};

/* clang-format on */

const lcl_table *const lcl_tables[] = { &mnist,
                                        &cifar10,
                                        &flat,
                                        &beside_ladder,
                                        &lcl_table_ladder,
                                        &lcl_table_ladder_g,
                                        &lcl_table_clusters,
                                        &lcl_table_hash,
                                        &lcl_table_inversion,
                                        &lcl_table_augconv,
                                        &lcl_table_augconv_cifar,
                                        &lcl_table_generative,
                                        &lcl_table_pets };
const size_t lcl_table_count = LCL_COUNT(lcl_tables);

lcl_status lcl_table_find(const char *name, const lcl_table **out) {
  lcl_str names = { 0 };
  for (size_t i = 0; i < lcl_table_count; i++) {
    if (strcmp(lcl_tables[i]->name, name) == 0) {
      lcl_str_free(&names);
      *out = lcl_tables[i];
      return LCL_OK;
    }
    lcl_str_add(&names, "%s%s", i ? ", " : "", lcl_tables[i]->name);
  }
  lcl_status s = lcl_fail(LCL_ERR_ARGUMENT, "there is no table \"%s\"; there are: %s", name,
                          names.data ? names.data : "");
  lcl_str_free(&names);
  return s;
}
