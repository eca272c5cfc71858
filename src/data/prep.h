/* Preprocessing inside the library. */
#ifndef LCL_PREP_H
#define LCL_PREP_H

#include "latentcl/data.h"
#include "latentcl/graph.h"

struct lcl_prep {
  lcl_prep_desc desc;
  int in_c, in_h, in_w; /* of the set */
  int c, h, w;          /* after the colour step: what the statistics are about */
  int out_h, out_w;     /* after the crop */
  float *mean;          /* MEAN_IMAGE and ZCA: c*h*w; CHANNEL and CHROMA: c */
  float *deviation;     /* CHANNEL and CHROMA: c */
  float *zca;           /* (c*h*w)^2, symmetric */
};

/* Shapes and defaults without statistics. */
lcl_status lcl__prep_new(const lcl_prep_desc *desc, int channels, int height, int width,
                         lcl_prep **out);

/* Elements after colour: what lcl__prep_values needs for its result and its scratch. */
size_t lcl__prep_elements(const lcl_prep *p);

/* Everything but crop and mirror, from values in [0,1]: in (in_c,in_h,in_w) to out (c,h,w), which
 * must not overlap; scratch holds 2*c*h*w floats. */
void lcl__prep_values(const lcl_prep *p, const float *in, float *out, float *scratch);

/* The out_h x out_w window at (top,left) of full (c,h,w), mirrored left-right or not. */
void lcl__prep_window(const lcl_prep *p, const float *full, int top, int left, bool mirror,
                      float *out);

/* prep_graph.c: the same as nodes of a graph, image (N,in_c,in_h,in_w) to (N,c,out_h,out_w). */
lcl_status lcl__prep_graph(const lcl_prep *p, lcl_tensor *image, lcl_tensor **out);

/* prep_math.c */
void lcl__colour_convert(lcl_colour colour, const float *in, int channels, size_t plane,
                         float *out);
void lcl__contrast_apply(const lcl_prep_desc *desc, float *x, int channels, int height, int width,
                         float *scratch);
/* ZCA matrix from the covariance cov (n x n): V diag(1/sqrt(l + eps)) V^T. */
lcl_status lcl__zca_matrix(double *cov, int n, double eps, float *out);

#endif
