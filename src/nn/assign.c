/* Clusters against classes: the assignment problem and tables of counts. */
#include <math.h>

#include "nn/evaluate.h"

typedef struct workspace {
  double *row_price, *column_price, *slack;
  int *row_of, *previous;
  bool *done;
} workspace;

static bool workspace_alloc(workspace *w, size_t n) {
  w->row_price = lcl__alloc(n * sizeof *w->row_price);
  w->column_price = lcl__alloc(n * sizeof *w->column_price);
  w->slack = lcl__alloc(n * sizeof *w->slack);
  w->row_of = lcl__alloc(n * sizeof *w->row_of);
  w->previous = lcl__alloc(n * sizeof *w->previous);
  w->done = lcl__alloc(n * sizeof *w->done);
  return w->row_price && w->column_price && w->slack && w->row_of && w->previous && w->done;
}

static void workspace_free(workspace *w) {
  lcl__free(w->row_price);
  lcl__free(w->column_price);
  lcl__free(w->slack);
  lcl__free(w->row_of);
  lcl__free(w->previous);
  lcl__free(w->done);
}

/* Dijkstra from `row` over reduced costs until a column without a row is reached; then the path is
 * turned over. */
static void augment(const double *cost, int n, int row, workspace *w) {
  int column = -1, at = row;
  for (int j = 0; j < n; j++) {
    w->slack[j] = INFINITY;
    w->previous[j] = -1;
    w->done[j] = false;
  }
  double reached = 0;
  for (;;) {
    int next = -1;
    for (int j = 0; j < n; j++) {
      if (w->done[j]) continue;
      double length = reached + cost[(size_t)at * (size_t)n + (size_t)j] - w->row_price[at] -
                      w->column_price[j];
      if (length < w->slack[j]) {
        w->slack[j] = length;
        w->previous[j] = column;
      }
      if (next < 0 || w->slack[j] < w->slack[next]) next = j;
    }
    reached = w->slack[next];
    w->done[next] = true;
    column = next;
    if (w->row_of[column] < 0) break;
    at = w->row_of[column];
  }
  /* Prices keep every reduced cost at or above zero, and at zero along the path. */
  w->row_price[row] += reached;
  for (int j = 0; j < n; j++) {
    if (!w->done[j] || j == column) continue;
    w->row_price[w->row_of[j]] += reached - w->slack[j];
    w->column_price[j] -= reached - w->slack[j];
  }
  while (column >= 0) {
    int before = w->previous[column];
    w->row_of[column] = before < 0 ? row : w->row_of[before];
    column = before;
  }
}

lcl_status lcl__assign_rows(const double *cost, int n, int *column) {
  workspace w = { 0 };
  if (n < 1) return lcl__fail(LCL_ERR_ARGUMENT, "an assignment needs at least one row");
  for (size_t i = 0; i < (size_t)n * (size_t)n; i++)
    if (!isfinite(cost[i]))
      return lcl__fail(LCL_ERR_NUMERIC, "assignment: cost %zu is not a finite number", i);
  lcl_status status = workspace_alloc(&w, (size_t)n) ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    for (int j = 0; j < n; j++) w.row_of[j] = -1;
    for (int i = 0; i < n; i++) augment(cost, n, i, &w);
    for (int j = 0; j < n; j++) column[w.row_of[j]] = j;
  }
  workspace_free(&w);
  return status;
}

void lcl__confusion(const int32_t *truth, const int32_t *predicted, int64_t n, int classes,
                    int predictions, int64_t *table) {
  memset(table, 0, (size_t)classes * (size_t)predictions * sizeof *table);
  for (int64_t i = 0; i < n; i++) {
    if (truth[i] < 0 || truth[i] >= classes || predicted[i] < 0 || predicted[i] >= predictions)
      continue;
    table[(size_t)truth[i] * (size_t)predictions + (size_t)predicted[i]]++;
  }
}

lcl_status lcl__cluster_accuracy(const int32_t *truth, const int32_t *cluster, int64_t n,
                                 int classes, int clusters, double *accuracy, int *class_of) {
  if (classes < 1 || clusters < 1)
    return lcl__fail(LCL_ERR_ARGUMENT, "cluster accuracy needs labels and clusters");
  int size = LCL_MAX(classes, clusters); /* a square problem; what is added costs nothing */
  size_t cells = (size_t)size * (size_t)size;
  int64_t *table = lcl__alloc((size_t)classes * (size_t)clusters * sizeof *table), total = 0,
          right = 0;
  double *cost = lcl__alloc(cells * sizeof *cost);
  int *cluster_of = lcl__alloc((size_t)size * sizeof *cluster_of);
  lcl_status status = table && cost && cluster_of ? LCL_OK : LCL_ERR_HOST_MEMORY;
  if (status == LCL_OK) {
    lcl__confusion(truth, cluster, n, classes, clusters, table);
    for (int t = 0; t < classes; t++) {
      for (int c = 0; c < clusters; c++) {
        int64_t count = table[(size_t)t * (size_t)clusters + (size_t)c];
        cost[(size_t)t * (size_t)size + (size_t)c] = -(double)count;
        total += count;
      }
    }
    status = lcl__assign_rows(cost, size, cluster_of);
  }
  if (status == LCL_OK) {
    for (int c = 0; class_of && c < clusters; c++) class_of[c] = -1;
    for (int t = 0; t < classes; t++) {
      if (cluster_of[t] >= clusters) continue;
      right += table[(size_t)t * (size_t)clusters + (size_t)cluster_of[t]];
      if (class_of) class_of[cluster_of[t]] = t;
    }
    *accuracy = total ? (double)right / (double)total : 0;
  }
  lcl__free(table);
  lcl__free(cost);
  lcl__free(cluster_of);
  return status;
}
