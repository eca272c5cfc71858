/* Means over the ranks of a shared graph, in two launches: one sends, the other puts the result in
 * its place. What is emitted between them runs meanwhile. */
#ifndef LCL_OPS_RANKS_H
#define LCL_OPS_RANKS_H

#include "graph/graph.h"

typedef struct lcl_exchange lcl_exchange;

/* Emits the launch that sends `floats` numbers. *out belongs to the program. */
lcl_status lcl__emit_mean_start(lcl_lower *lw, const lcl_graph *g, lcl_arg from, size_t floats,
                                lcl_exchange **out);
/* From and to buffers in host memory, another place each: nothing is copied. */
lcl_status lcl__emit_mean_start_in_host_memory(lcl_lower *lw, const lcl_graph *g, lcl_arg from,
                                               lcl_arg to, size_t floats, lcl_exchange **out);
/* Emits the launch that waits for the mean and writes it. */
lcl_status lcl__emit_mean_end(lcl_lower *lw, lcl_exchange *x, lcl_arg to);

/* Means and variances, (2,C), of the rows that are built now (lcl__graph_rows) become those of all
 * ranks' rows, in one exchange; itself where nothing is shared. */
lcl_tensor *lcl__moments_over_ranks(lcl_tensor *x);

#endif
