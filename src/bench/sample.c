/* Sampling images from PixelRNN with kept state, and the full forward pass that sampling without
 * state would run for every pixel. */
#include "bench/bench.h"
#include "nn/pixelrnn.h"

/* The network of the workload pixelrnn-1x16-b16 (variant 0: sampling; 1: one forward pass). */
lcl_status lcl__bench_sample(lcl_context *ctx, const lcl_workload *w, lcl_bench_desc *desc,
                             lcl_bench_row *row) {
  const lcl_pixelrnn_desc d = { .height = w->height,
                                .width = w->width,
                                .channels = w->channels,
                                .levels = 2,
                                .layers = 1,
                                .hidden = 16,
                                .head_layers = 1,
                                .head_width = 32,
                                .learned_state = true,
                                .residual = true };
  const lcl_shape last = LCL_SHAPE(w->batch, w->height, w->width, w->channels);
  lcl_store *store = NULL;
  lcl_graph *g = NULL;
  lcl_program *p = NULL;
  lcl_status st = lcl_store_create(ctx, 1, &store);
  if (st == LCL_OK) st = lcl_graph_create(store, "sample", &g);
  if (st == LCL_OK) {
    lcl_tensor *uniform = lcl_random_uniform(g, last), *out;
    if (w->variant == 0)
      out = lcl__pixelrnn_sampler(
          g, &d, &(lcl_pixelrnn_sample_desc) { .uniform = uniform, .given = uniform });
    else
      out = lcl__pixelrnn_logits(
          lcl_reshape(uniform, LCL_SHAPE(w->batch, w->channels, w->height, w->width)), &d,
          LCL_BN_EVAL);
    st = lcl__bench_compile(
        g, &(lcl_compile_desc) { .fetch = &out, .n_fetch = 1, .only_fetch = true }, &p, row);
  }
  if (st == LCL_OK) st = lcl__bench_time(ctx, p, desc, row);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  return st;
}
