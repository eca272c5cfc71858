/* Matrix products. */
#include "reference/reference.h"

void lcl__ref_matmul(int64_t m, int64_t n, int64_t k, const double *a, bool transpose_a,
                     const double *b, bool transpose_b, double *c) {
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      double sum = 0;
      for (int64_t p = 0; p < k; p++) {
        double left = transpose_a ? a[p * m + i] : a[i * k + p];
        double right = transpose_b ? b[j * k + p] : b[p * n + j];
        sum += left * right;
      }
      c[i * n + j] = sum;
    }
}
