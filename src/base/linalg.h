/* Dense linear algebra on the host, double precision, for whitening, principal components and
 * hashing baselines. */
#ifndef LCL_LINALG_H
#define LCL_LINALG_H

#include "base/base.h"

/* Symmetric n x n matrix a = sum_k value[k] v_k v_k^T. Row k of a becomes v_k (orthonormal), values
 * in descending order. Householder reduction to tridiagonal form, then implicit QL; O(n^3).
 * LCL_ERR_NUMERIC if it does not converge (NaN). */
lcl_status lcl__eigen_symmetric(double *a, double *value, int n);

/* Singular value decomposition of the n x n matrix a = u diag(s) vt by one-sided Jacobi, for small
 * n. */
lcl_status lcl__svd_small(const double *a, double *u, double *s, double *vt, int n);

/* Row i of q (n long) becomes orthogonal to the rows before it, which are orthonormal, and of
 * length 1; returns its length before. */
double lcl__gram_schmidt(double *q, int i, int n);
/* Row i becomes any that is orthogonal to the rows before it, fewer than n. */
void lcl__any_orthogonal(double *q, int i, int n);

/* Random orthogonal n x n matrix: Gram-Schmidt on normal numbers of (seed, stream). */
lcl_status lcl__random_orthogonal(double *q, int n, uint64_t seed, uint32_t stream);

#endif
