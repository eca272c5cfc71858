/* Winograd's minimal filtering F(outs x outs, 3x3): what its packed and tiled kernels share. */
#ifndef LCL_OPS_CONV_WINOGRAD_H
#define LCL_OPS_CONV_WINOGRAD_H

#include "ops/conv_gemm.h"

/* A convolution of any pass: the GEMM says in gq, gr, h0, w0 where outputs read. The input gradient
 * is a forward convolution with other filters: those are 3x3 at i*row + k*inner of the GEMM's a,
 * backwards if flip. */
typedef struct lcl_winograd_view {
  lcl_gemm g;
  int64_t row, inner, channels;
  bool flip;
} lcl_winograd_view;
lcl_winograd_view lcl__winograd_view_of(const lcl_conv_problem *p);

/* Tiles of outs x outs outputs: th x tw an image, `tiles` of all images. */
typedef struct lcl_winograd_grid {
  int64_t th, tw, tiles;
} lcl_winograd_grid;
lcl_winograd_grid lcl__winograd_grid_of(const lcl_gemm *g, int outs);
winograd_tiles lcl__winograd_tiles_of(lcl_lower *lw, const lcl_gemm *g, int outs, int64_t channels,
                                      int64_t cl);

/* Whether it computes this convolution at all. */
bool lcl__winograd_serves(const lcl_conv_problem *p, int outs);
/* See lcl_conv_implementation; of outs = 4. */
double lcl__winograd_tolerance4(const lcl_conv_problem *p);

#endif
