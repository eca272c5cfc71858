/* t-SNE's parts. */
#ifndef LCL_TSNE_H
#define LCL_TSNE_H

#include "nn/evaluate.h"

/* Symmetric input affinities as a sparse matrix: row i holds p[start[i]..start[i+1]) of the columns
 * `column`; all of p together sum to 1. */
typedef struct lcl_affinities {
  int64_t n;
  int64_t *start;
  int32_t *column;
  float *p;
} lcl_affinities;
/* From each example's k nearest neighbours: Gaussian widths by bisection so that every row has the
 * perplexity, then (p_j|i + p_i|j)/(2n). */
lcl_status lcl__affinities_create(const int32_t *index, const float *distance, int64_t n, int k,
                                  double perplexity, lcl_affinities *out);
void lcl__affinities_free(lcl_affinities *a);

/* The repulsive sums on the device: see cl/tsne.cl. */
typedef struct lcl_repulsion lcl_repulsion;
lcl_status lcl__repulsion_create(lcl_context *ctx, int64_t n, lcl_repulsion **out);
void lcl__repulsion_destroy(lcl_repulsion *r);
/* y: n x 2. force: n x 2, sum_j q_ij^2 (y_i - y_j); z: sum over i and j, i not j, of q_ij. */
lcl_status lcl__repulsion_run(lcl_repulsion *r, const float *y, float *force, double *z);

#endif
