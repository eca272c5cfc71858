/* Published tables of IMSAT: Hu et al., "Learning Discrete Representations via Information
 * Maximizing Self-Augmented Training" (2017). */
#include "base/base.h"
#include "models/tables.h"

/* clang-format off */

#define SOURCE "Learning Discrete Representations via Information Maximizing Self-Augmented Training"
#define SYSTEM(key, label, ...) LCL_TABLE_ROW("system=", key, label, __VA_ARGS__)
#define C LCL_TABLE_CELL

/* ---- clusters: accuracy in percent, mean and standard deviation ---- */

/* The baselines: k-means on the examples and on the codes of an autoencoder, which is trained layer by layer first, and
 * DEC, which begins with its weights. */
#define KMEANS(...) { .key = "k-means", .label = "k-means", .cell = { __VA_ARGS__ }, .method = "k-means" }
#define STAGE(number, before)                                                                                         \
  { .key = "stage-" number, .label = "layer " number, .model = "dec", .set = { "system=dae", "stage=" number },       \
    .cell = { LCL_NO_CELL }, .start = before, .step = true }
#define DAE(...)                                                                                                      \
  STAGE("1", NULL), STAGE("2", "stage-1"), STAGE("3", "stage-2"), STAGE("4", "stage-3"),                              \
  { .key = "dae-k-means", .label = "autoencoder, k-means", .model = "dec", .set = { "system=dae" },                   \
    .cell = { __VA_ARGS__ }, .method = "k-means-features", .start = "stage-4" }
#define DEC(...)                                                                                                      \
  { .key = "dec", .label = "DEC", .model = "dec", .set = { "system=dec" }, .cell = { __VA_ARGS__ },                   \
    .start = "dae-k-means" }

/* A table of one data set: its options beside the defaults come last. */
#define CLUSTERS(of, title_, data_, n_columns_, rows_, ...)                                                            \
  .name = "imsat/" of, .title = title_, .source = SOURCE " (clusters)", .model = "imsat", .data = data_,               \
  .metric = "accuracy_percent", .unit = "%", .set = { __VA_ARGS__ }, .quick = { "epochs=10" }, .columns = n_columns_,  \
  .n_columns = LCL_COUNT(n_columns_), .rows = rows_, .n_rows = LCL_COUNT(rows_)

static const lcl_table_column mnist_column[] = { { "mnist", "MNIST", { NULL }, 0 } };
static const lcl_table_row mnist_rows[] = {
  KMEANS(C(53.2, 0)),
  DAE(C(79.8, 0)),
  DEC(C(84.3, 0)),
  SYSTEM("linear-rim", "Linear RIM", C(59.6, 2.3)),
  SYSTEM("linear-vat", "Linear IMSAT (VAT)", C(61.1, 1.9)),
  SYSTEM("deep-rim", "Deep RIM", C(58.5, 3.5)),
  SYSTEM("imsat-rpt", "IMSAT (RPT)", C(89.6, 5.4)),
  SYSTEM("imsat-vat", "IMSAT (VAT)", C(98.4, 0.4)),
};
const lcl_table lcl__table_clusters = {
  CLUSTERS("clusters", "Clustering accuracy on MNIST (all 70,000)",
           "the MNIST files", mnist_column, mnist_rows, NULL),
  .shape = { 1, 28, 28 },
  .classes = 10,
};

static const lcl_table_column omniglot_column[] = { { "omniglot", "Omniglot", { NULL }, 0 } };
/* The paper does not say which characters and which changes of the copies. */
static const lcl_table_row omniglot_rows[] = {
  KMEANS(C(12.0, 0)),
  DAE(C(14.1, 0)),
  DEC(C(5.7, 0.3)),
  SYSTEM("linear-rim", "Linear RIM", C(11.1, 0.2)),
  SYSTEM("linear-vat", "Linear IMSAT (VAT)", C(12.3, 0.2)),
  SYSTEM("deep-rim", "Deep RIM", C(5.8, 2.2)),
  SYSTEM("imsat-rpt", "IMSAT (RPT)", C(16.4, 3.1)),
  SYSTEM("imsat-vat", "IMSAT (VAT)", C(24.0, 0.9)),
};
const lcl_table lcl__table_omniglot = {
  CLUSTERS("omniglot", "Clustering accuracy on 100 characters of Omniglot, 20 copies of each drawing",
           "the Omniglot IDX files with the 105x105 drawings", omniglot_column, omniglot_rows,
           "types=100", "copies=20", "reduce=5"),
  .shape = { 1, 21, 21 },
  .classes = 100,
};

static const lcl_table_column stl_column[] = { { "stl", "STL", { NULL }, 0 } };
static const lcl_table_row stl_rows[] = {
  KMEANS(C(85.6, 0)),
  DAE(C(72.2, 0)),
  DEC(C(78.1, 0.1)),
  SYSTEM("linear-rim", "Linear RIM", C(73.5, 6.5)),
  SYSTEM("linear-vat", "Linear IMSAT (VAT)", C(91.7, 0.5)),
  SYSTEM("deep-rim", "Deep RIM", C(92.5, 2.2)),
  SYSTEM("imsat-rpt", "IMSAT (RPT)", C(92.8, 2.5)),
  SYSTEM("imsat-vat", "IMSAT (VAT)", C(94.1, 0.4)),
};
const lcl_table lcl__table_stl = {
  CLUSTERS("stl", "Clustering accuracy on ResNet features of STL-10",
           "features.npy (13000,2048) and labels.npy", stl_column, stl_rows, NULL),
  .shape = { 1, 1, 2048 },
  .classes = 10,
  .examples = 13000,
};

static const lcl_table_column cifar10_column[] = { { "cifar10", "CIFAR-10", { NULL }, 0 } };
static const lcl_table_row cifar10_rows[] = {
  KMEANS(C(34.4, 0)),
  DAE(C(44.2, 0)),
  DEC(C(46.9, 0.9)),
  SYSTEM("linear-rim", "Linear RIM", C(40.3, 2.1)),
  SYSTEM("linear-vat", "Linear IMSAT (VAT)", C(40.7, 0.6)),
  SYSTEM("deep-rim", "Deep RIM", C(40.3, 3.5)),
  SYSTEM("imsat-rpt", "IMSAT (RPT)", C(45.5, 2.9)),
  SYSTEM("imsat-vat", "IMSAT (VAT)", C(45.6, 0.8)),
};
const lcl_table lcl__table_imsat_cifar10 = {
  CLUSTERS("cifar10", "Clustering accuracy on ResNet features of CIFAR-10 (other data: on what --data has, pixels say)",
           "features.npy (60000,2048) and labels.npy", cifar10_column, cifar10_rows, NULL),
  .shape = { 1, 1, 2048 },
  .classes = 10,
  .examples = 60000,
};

static const lcl_table_column cifar100_column[] = { { "cifar100", "CIFAR-100", { NULL }, 0 } };
static const lcl_table_row cifar100_rows[] = {
  KMEANS(C(21.5, 0)),
  DAE(C(20.8, 0)),
  DEC(C(14.3, 0.6)),
  SYSTEM("linear-rim", "Linear RIM", C(23.7, 0.8)),
  SYSTEM("linear-vat", "Linear IMSAT (VAT)", C(23.9, 0.4)),
  SYSTEM("deep-rim", "Deep RIM", C(13.4, 1.2)),
  SYSTEM("imsat-rpt", "IMSAT (RPT)", C(24.7, 0.5)),
  SYSTEM("imsat-vat", "IMSAT (VAT)", C(27.5, 0.4)),
};
const lcl_table lcl__table_cifar100 = {
  CLUSTERS("cifar100", "Clustering accuracy on ResNet features of CIFAR-100",
           "features.npy (60000,2048) and labels.npy", cifar100_column, cifar100_rows, NULL),
  .shape = { 1, 1, 2048 },
  .classes = 100,
  .examples = 60000,
};

static const lcl_table_column svhn_column[] = { { "svhn", "SVHN", { NULL }, 0 } };
static const lcl_table_row svhn_rows[] = {
  KMEANS(C(17.9, 0)),
  DAE(C(17.4, 0)),
  DEC(C(11.9, 0.4)),
  SYSTEM("linear-rim", "Linear RIM", C(20.2, 1.4)),
  SYSTEM("linear-vat", "Linear IMSAT (VAT)", C(18.2, 1.9)),
  SYSTEM("deep-rim", "Deep RIM", C(26.8, 3.2)),
  SYSTEM("imsat-rpt", "IMSAT (RPT)", C(35.9, 4.3)),
  SYSTEM("imsat-vat", "IMSAT (VAT)", C(57.3, 3.9)),
};
const lcl_table lcl__table_svhn = {
  CLUSTERS("svhn", "Clustering accuracy on GIST features of SVHN",
           "features.npy (99289,960) and labels.npy", svhn_column, svhn_rows, NULL),
  .shape = { 1, 1, 960 },
  .classes = 10,
  .examples = 99289,
};

static const lcl_table_column reuters_column[] = { { "reuters", "Reuters", { NULL }, 0 } };
static const lcl_table_row reuters_rows[] = {
  KMEANS(C(54.1, 0)),
  DAE(C(67.2, 0)),
  DEC(C(67.3, 0.2)),
  SYSTEM("linear-rim", "Linear RIM", C(62.8, 7.8)),
  SYSTEM("linear-vat", "Linear IMSAT (VAT)", C(42.9, 0.8)),
  SYSTEM("deep-rim", "Deep RIM", C(62.3, 3.9)),
  SYSTEM("imsat-rpt", "IMSAT (RPT)", C(71.9, 6.5)),
  SYSTEM("imsat-vat", "IMSAT (VAT)", C(71.0, 4.9)),
};
const lcl_table lcl__table_reuters = {
  CLUSTERS("reuters", "Clustering accuracy on 10,000 articles of Reuters, tf-idf of 2,000 words",
           "features.npy (10000,2000) and labels.npy", reuters_column, reuters_rows, NULL),
  .shape = { 1, 1, 2000 },
  .classes = 4,
  .examples = 10000,
};

static const lcl_table_column newsgroups_column[] = { { "newsgroups", "20 newsgroups", { NULL }, 0 } };
static const lcl_table_row newsgroups_rows[] = {
  KMEANS(C(15.5, 0)),
  DAE(C(22.1, 0)),
  DEC(C(30.8, 1.8)),
  SYSTEM("linear-rim", "Linear RIM", C(50.9, 3.1)),
  SYSTEM("linear-vat", "Linear IMSAT (VAT)", C(43.9, 3.3)),
  SYSTEM("deep-rim", "Deep RIM", C(25.1, 2.8)),
  SYSTEM("imsat-rpt", "IMSAT (RPT)", C(24.4, 4.7)),
  SYSTEM("imsat-vat", "IMSAT (VAT)", C(31.1, 1.9)),
};
const lcl_table lcl__table_newsgroups = {
  CLUSTERS("newsgroups", "Clustering accuracy on 20 newsgroups, tf-idf of 2,000 words",
           "the IDX files of tf-idf weights (float)", newsgroups_column, newsgroups_rows, NULL),
  .shape = { 1, 1, 2000 },
  .classes = 20,
};

/* ---- 16-bit codes, 1,000 queries ---- */

static const lcl_table_column hash_columns[] = {
  { .key = "map", .label = "mean average precision" },
  { .key = "p500", .label = "precision at 500", .metric = "precision_500_percent", .run = "map" },
  { .key = "r2", .label = "precision within radius 2", .metric = "precision_r2_percent", .run = "map" },
};

#define CODES(key_, label_, system, hidden, ...)                                                                       \
  { .key = key_, .label = label_, .set = { "system=" system, "hidden=" hidden }, .cell = { __VA_ARGS__ } }
#define BASELINE(key_, label_, ...) { .key = key_, .label = label_, .cell = { __VA_ARGS__ }, .method = key_ }

static const lcl_table_row hash_rows[] = {
  BASELINE("spectral", "spectral hash", C(26.6, 0), C(56.3, 0), C(57.5, 0)),
  BASELINE("pca-itq", "PCA-ITQ", C(41.2, 0), C(66.4, 0), C(65.7, 0)),
  CODES("deep-hash-60-30", "Deep Hash (60-30)", "deep-hash", "60-30", C(43.1, 0), C(67.9, 0), C(66.1, 0)),
  SYSTEM("linear-rim", "Linear RIM", C(35.9, 0.6), C(68.9, 1.1), C(71.3, 0.9)),
  CODES("deep-rim-60-30", "Deep RIM (60-30)", "deep-rim", "60-30", C(42.7, 2.8), C(67.9, 2.7), C(65.9, 2.7)),
  CODES("deep-rim-200-200", "Deep RIM (200-200)", "deep-rim", "200-200", C(43.7, 3.7), C(68.7, 4.9), C(67.0, 4.9)),
  CODES("deep-rim-400-400", "Deep RIM (400-400)", "deep-rim", "400-400", C(43.9, 2.7), C(69.0, 3.2), C(66.7, 3.2)),
  CODES("imsat-60-30", "IMSAT (VAT) (60-30)", "imsat-vat", "60-30", C(61.2, 2.5), C(78.6, 2.1), C(76.5, 2.3)),
  CODES("imsat-200-200", "IMSAT (VAT) (200-200)", "imsat-vat", "200-200", C(80.7, 2.2), C(95.8, 1.0), C(94.6, 1.4)),
  CODES("imsat-400-400", "IMSAT (VAT) (400-400)", "imsat-vat", "400-400", C(83.9, 2.3), C(97.0, 0.8), C(96.2, 1.1)),
};

const lcl_table lcl__table_hash = {
  .name = "imsat/hash",
  .title = "Retrieval by 16-bit codes on MNIST, 1,000 queries",
  .source = SOURCE " (codes)",
  .model = "imsat",
  LCL_TABLE_MNIST,
  .metric = "map_percent",
  .unit = "%",
  .set = { "task=hash" },
  .quick = { "epochs=10" },
  .columns = hash_columns,
  .n_columns = LCL_COUNT(hash_columns),
  .rows = hash_rows,
  .n_rows = LCL_COUNT(hash_rows),
};

static const lcl_table_row hash_cifar10_rows[] = {
  BASELINE("spectral", "spectral hash", C(12.6, 0), C(18.8, 0), C(18.5, 0)),
  BASELINE("pca-itq", "PCA-ITQ", C(15.7, 0), C(22.5, 0), C(22.6, 0)),
  CODES("deep-hash-60-30", "Deep Hash (60-30)", "deep-hash", "60-30", C(16.2, 0), C(23.8, 0), C(23.3, 0)),
  SYSTEM("linear-rim", "Linear RIM", C(24.0, 3.5), C(15.9, 0.5), C(14.2, 0.3)),
  CODES("deep-rim-60-30", "Deep RIM (60-30)", "deep-rim", "60-30", C(15.2, 0.5), C(21.8, 0.9), C(21.2, 0.9)),
  CODES("deep-rim-200-200", "Deep RIM (200-200)", "deep-rim", "200-200", C(15.6, 0.6), C(21.6, 1.2), C(21.1, 1.1)),
  CODES("deep-rim-400-400", "Deep RIM (400-400)", "deep-rim", "400-400", C(15.4, 0.2), C(21.5, 0.4), C(20.9, 0.3)),
  CODES("imsat-60-30", "IMSAT (VAT) (60-30)", "imsat-vat", "60-30", C(19.8, 1.2), C(21.0, 1.8), C(19.3, 1.6)),
  CODES("imsat-200-200", "IMSAT (VAT) (200-200)", "imsat-vat", "200-200", C(21.2, 0.8), C(27.3, 1.3), C(26.1, 1.3)),
  CODES("imsat-400-400", "IMSAT (VAT) (400-400)", "imsat-vat", "400-400", C(21.4, 0.5), C(27.3, 1.1), C(26.4, 1.0)),
};

const lcl_table lcl__table_hash_cifar10 = {
  .name = "imsat/hash-cifar10",
  .title = "Retrieval by 16-bit codes on CIFAR-10, 1,000 queries",
  .source = SOURCE " (codes)",
  .model = "imsat",
  .data = "features.npy (60000,512), GIST, and labels.npy",
  .shape = { 1, 1, 512 },
  .classes = 10,
  .examples = 60000,
  .metric = "map_percent",
  .unit = "%",
  .set = { "task=hash" },
  .quick = { "epochs=10" },
  .columns = hash_columns,
  .n_columns = LCL_COUNT(hash_columns),
  .rows = hash_cifar10_rows,
  .n_rows = LCL_COUNT(hash_cifar10_rows),
};

/* clang-format on */
