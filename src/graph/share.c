/* Graphs of one rank's share of a batch. */
#include "graph/internal.h"

static lcl_status share(const lcl_ranks *ranks, int64_t batch, lcl_graph_rows *rows) {
  if (batch > 0 && batch < lcl_ranks_count(ranks))
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "a batch of %lld example%s cannot be shared by %d ranks: each takes at least "
                     "one",
                     (long long)batch, batch == 1 ? "" : "s", lcl_ranks_count(ranks));
  rows->all = batch;
  rows->n = lcl_ranks_share(ranks, batch, &rows->first);
  return LCL_OK;
}

lcl_status lcl_graph_share(lcl_graph *g, lcl_ranks *ranks, int64_t batch, int64_t second) {
  LCL_NEED(g);
  if (g->nodes.n || batch < 1 || second < 0)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "graph_share: expects an empty graph and a batch of at least 1, got %zu nodes "
                     "and batches of %lld and %lld",
                     g->nodes.n, (long long)batch, (long long)second);
  if (lcl_ranks_count(ranks) == 1) return LCL_OK;
  LCL_TRY(share(ranks, batch, &g->shares.rows[0]));
  LCL_TRY(share(ranks, second, &g->shares.rows[1]));
  g->shares.ranks = ranks;
  return LCL_OK;
}

lcl_graph_shares *lcl__graph_shares(lcl_graph *g) {
  return g->shares.ranks ? &g->shares : NULL;
}

double lcl__graph_weight(lcl_graph *g) {
  const lcl_graph_rows *r = &g->shares.rows[0];
  return g->shares.ranks ? (double)r->n / (double)r->all : 1;
}

void lcl__graph_rows(lcl_graph *g, lcl_rows_of now) {
  g->shares.now = now;
}

double lcl__graph_share(lcl_graph *g) {
  const lcl_graph_rows *a = &g->shares.rows[0], *b = &g->shares.rows[1];
  if (!g->shares.ranks || g->shares.now == LCL_ROWS_FIRST || b->all == 0) return 1;
  const double n = (double)(g->shares.now == LCL_ROWS_BOTH ? a->n + b->n : b->n),
               all = (double)(g->shares.now == LCL_ROWS_BOTH ? a->all + b->all : b->all);
  return n / all / lcl__graph_weight(g);
}
