/* Perturbations: Gaussian, min-max scaled, semantic, random and virtual adversarial directions. */
#include "graph/graph.h"
#include "nn/nn.h"

lcl_tensor *lcl_gaussian_noise(lcl_tensor *x, float std) {
  if (std == 0) return x;
  return lcl_add(x, lcl_scale(lcl_random_normal(lcl_tensor_graph(x), lcl_tensor_shape(x)), std));
}

lcl_tensor *lcl_minmax_noise(lcl_tensor *b, float std, bool range_grad) {
  unsigned axes = lcl__nn_row_axes(b);
  lcl_tensor *range = lcl_sub(lcl_max(b, axes, true), lcl_min(b, axes, true));
  if (!range_grad) range = lcl_stop_gradient(range);
  lcl_tensor *noise = lcl_scale(lcl_random_normal(lcl_tensor_graph(b), lcl_tensor_shape(b)), std);
  return lcl_add(b, lcl_mul(range, noise));
}

lcl_tensor *lcl_semantic_noise(lcl_tensor *z, lcl_tensor *y, lcl_tensor *zr, lcl_block_fn decode,
                               void *user, float std, bool range_grad) {
  if (!decode)
    return lcl__graph_error(lcl_tensor_graph(z), LCL_ERR_ARGUMENT, "semantic_noise",
                            "the decoder is NULL");
  lcl_tensor *moved = decode(user, lcl_minmax_noise(y, std, range_grad));
  return lcl_add(z, lcl_sub(moved, zr ? zr : decode(user, y)));
}

lcl_tensor *lcl_unit_rows(lcl_tensor *x) {
  x = lcl_stop_gradient(x);
  unsigned axes = lcl__nn_row_axes(x);
  /* Scaling by the largest magnitude first: gradients of nearly flat divergences are so small that
   * their squares vanish. */
  lcl_tensor *top = lcl_max(lcl_abs(x), axes, true);
  lcl_tensor *v = lcl_div(x, lcl_maximum(top, lcl_const(lcl_tensor_graph(x), 1e-30f)));
  lcl_tensor *norm = lcl_sqrt(lcl_sum(lcl_square(v), axes, true));
  return lcl_stop_gradient(lcl_div(v, lcl_maximum(norm, lcl_const(lcl_tensor_graph(x), 1e-12f))));
}

/* radius (N,1) or a scalar, shaped to multiply x (N,...). */
static lcl_tensor *radius_like(lcl_tensor *x, lcl_tensor *radius) {
  lcl_shape s = lcl_tensor_shape(x), r = lcl_tensor_shape(radius);
  if (lcl_shape_count(r) == 1) return lcl_reshape(radius, LCL_SCALAR);
  for (int i = 1; i < s.rank; i++) s.dim[i] = 1;
  return lcl_reshape(radius, s);
}

lcl_tensor *lcl_random_direction(lcl_tensor *x, lcl_tensor *radius) {
  lcl_tensor *d = lcl_unit_rows(lcl_random_normal(lcl_tensor_graph(x), lcl_tensor_shape(x)));
  return lcl_stop_gradient(lcl_mul(d, radius_like(x, radius)));
}

enum { MAX_ITERATIONS = 100 };

lcl_tensor *lcl_vat_direction(lcl_tensor *x, lcl_tensor *radius, float xi, int iterations,
                              lcl_block_fn net, lcl_divergence_fn divergence, void *user) {
  if (!net || !divergence)
    return lcl__graph_error(lcl_tensor_graph(x), LCL_ERR_ARGUMENT, "vat_direction",
                            "the network or the divergence is NULL");
  if (iterations < 0 || iterations > MAX_ITERATIONS)
    return lcl__graph_error(lcl_tensor_graph(x), LCL_ERR_ARGUMENT, "vat_direction",
                            "%d iterations: 0 to %d were expected", iterations, MAX_ITERATIONS);
  /* Half precision would round the small step away. */
  lcl_graph *g = lcl_tensor_graph(x);
  const lcl_dtype precision = lcl__graph_precision(g);
  lcl_graph_precision(g, LCL_F32);
  lcl_tensor *clean = lcl_stop_gradient(net(user, x));
  lcl_tensor *d = lcl_unit_rows(lcl_random_normal(g, lcl_tensor_shape(x)));
  for (int i = 0; i < iterations; i++) {
    lcl_tensor *moved = lcl_add(lcl_stop_gradient(x), lcl_scale(d, xi));
    lcl_tensor *gradient;
    lcl_gradients(divergence(user, clean, net(user, moved)), &d, 1, &gradient);
    d = lcl_unit_rows(gradient);
  }
  lcl_graph_precision(g, precision);
  return lcl_stop_gradient(lcl_mul(d, radius_like(x, radius)));
}
