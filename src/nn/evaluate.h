/* Evaluation of what a model has learnt: assignment of clusters to classes, confusion tables,
 * k-means, principal components and hash codes, retrieval, nearest neighbours and t-SNE. Matrices
 * are row-major, one example a row. ctx is the device for the large GEMMs; results do not depend
 * on it beyond rounding. */
#ifndef LCL_EVALUATE_H
#define LCL_EVALUATE_H

#include "base/base.h"
#include "latentcl/context.h"

/* ---- clusters and classes (assign.c) ---- */

/* column[row] of the one-to-one assignment with the smallest total of cost[row*n + column]. O(n^3),
 * shortest augmenting paths (the "Hungarian" problem). */
lcl_status lcl__assign_rows(const double *cost, int n, int *column);

/* table[t*predictions + p]: how many examples of class t were predicted p; examples with a negative
 * label or a prediction outside 0..predictions-1 are left out. */
void lcl__confusion(const int32_t *truth, const int32_t *predicted, int64_t n, int classes,
                    int predictions, int64_t *table);

/* Share of the examples whose class is the one their cluster stands for, under the best one-to-one
 * assignment of clusters to classes (clustering accuracy). class_of[clusters]: the class of each,
 * -1: none; may be NULL.
 */
lcl_status lcl__cluster_accuracy(const int32_t *truth, const int32_t *cluster, int64_t n,
                                 int classes, int clusters, double *accuracy, int *class_of);

/* ---- hash codes and retrieval (retrieval.c, hashing.c) ---- */

/* Bit b of codes[i] is features[i*bits + b] > threshold; bits at most 64. */
void lcl__pack_codes(const float *features, int64_t n, int bits, float threshold, uint64_t *codes);

/* Marks per_class random examples of every class that there is as queries; an error when one has no
 * more than that. */
lcl_status lcl__choose_queries(const int32_t *labels, int64_t n, int classes, int per_class,
                               uint64_t seed, uint8_t *is_query);

/* Means over the queries; relevant: of the same class; ranking by Hamming distance, equal distances
 * together. map_trapezoid, map_step: area under precision over recall, by trapezoids from (0,1) or
 * by steps; precision_at: share of relevant among the `at` nearest, the expected value where the
 * border cuts through a distance; precision_radius: share of relevant within distance 2, 0 for a
 * query with nothing there. */
typedef struct lcl_retrieval {
  double map_trapezoid, map_step, precision_at, precision_radius;
} lcl_retrieval;
lcl_status lcl__hamming_retrieval(const uint64_t *codes, const int32_t *labels,
                                  const uint8_t *is_query, int64_t n, int bits, int at,
                                  lcl_retrieval *out);

/* Principal components: mean (d) and the k axes of largest variance (k x d, orthonormal rows), with
 * their variances (k; may be NULL). Host time grows as min(n,d)^3. */
lcl_status lcl__principal_axes(const float *x, int64_t n, int d, int k, double *mean, double *axes,
                               double *variance);

/* Codes of the examples. PCA-ITQ (Gong et al. 2013): principal components turned so that their
 * signs lose least, 50 rounds. Spectral hash (Weiss et al. 2009): signs of the slowest sinusoids
 * along the principal axes. */
lcl_status lcl__pca_itq(const float *x, int64_t n, int d, int bits, uint64_t seed, uint64_t *codes);
lcl_status lcl__spectral_hash(const float *x, int64_t n, int d, int bits, uint64_t *codes);

/* ---- k-means (kmeans.c): Lloyd's rounds from k-means++ starts ---- */

typedef struct lcl_kmeans_desc {
  int k;
  int restarts;     /* default 10; the one with the smallest inertia is kept */
  int max_rounds;   /* default 300 */
  int64_t resident; /* bytes of examples that may stay on the device; default 2^28 */
  uint64_t seed;
  /* After each restart, or NULL. */
  void (*progress)(void *user, int restart, int restarts, int rounds, double inertia);
  void *user;
} lcl_kmeans_desc;
/* cluster (n), centres (k x d; may be NULL), inertia: sum of squared distances to the nearest
 * centre (may be NULL). */
lcl_status lcl__kmeans(lcl_context *ctx, const float *x, int64_t n, int d,
                       const lcl_kmeans_desc *desc, int32_t *cluster, float *centres,
                       double *inertia);

/* ---- neighbours (neighbours.c) ---- */

/* The k nearest other examples of each, nearest first: index and Euclidean distance (n x k each;
 * index may be NULL). Candidates come from |a|^2 + |b|^2 - 2ab on the device; the distances are
 * computed again from the differences. */
lcl_status lcl__nearest(lcl_context *ctx, const float *x, int64_t n, int d, int k, int32_t *index,
                        float *distance);
/* out[n]: the distance of each example to its k-th nearest other one, k from 1. Kept in the cache
 * folder under a hash of the examples: a whole data set takes long and does not change. */
lcl_status lcl__neighbour_distance(lcl_context *ctx, const float *x, int64_t n, int d, int k,
                                   float *out);

/* ---- t-SNE (tsne.c; van der Maaten and Hinton 2008), exact repulsion on the device ---- */

typedef struct lcl_tsne_desc {
  double perplexity;   /* default 30; neighbours: 3 times that */
  int rounds;          /* default 1000, the first quarter with exaggeration */
  double exaggeration; /* default 12 */
  double rate;         /* default max(200, n/12) */
  uint64_t seed;
  void (*progress)(void *user, int round, int rounds,
                   double divergence); /* may be NULL; every 50 rounds */
  void *user;
} lcl_tsne_desc;
/* y: n x 2. divergence: the final Kullback-Leibler divergence (may be NULL). */
lcl_status lcl__tsne(lcl_context *ctx, const float *x, int64_t n, int d, const lcl_tsne_desc *desc,
                     float *y, double *divergence);

/* Dot products of rows on the device, in blocks: what k-means and the neighbour search are made of.
 * Rows are taken from the mean of the examples: far from zero, rounding would leave nothing of what
 * tells them apart. */
typedef struct lcl_row_products lcl_row_products;
/* a blocks of up to rows_a rows with b blocks of up to rows_b rows, d columns; x: the n examples,
 * norm: receives the product of each with itself. */
lcl_status lcl__row_products_create(lcl_context *ctx, const float *x, int64_t n, float *norm,
                                    int64_t rows_a, int64_t rows_b, int64_t d,
                                    lcl_row_products **out);
void lcl__row_products_destroy(lcl_row_products *p);
/* A row's product with itself. */
double lcl__row_products_norm(const lcl_row_products *p, const float *row);
lcl_status lcl__row_products_set_a(lcl_row_products *p, const float *a, int64_t n);
lcl_status lcl__row_products_set_b(lcl_row_products *p, const float *b, int64_t n);
/* out[i*rows_b + j] = a_i . b_j, rows_a x rows_b numbers; those of rows that were not set are 0. */
lcl_status lcl__row_products_run(lcl_row_products *p, float *out);

#endif
