/* Combinators: how a denoising decoder joins the lateral signal z and the vertical signal u of a
 * layer, unit by unit. Rasmus et al., "Semi-Supervised Learning with Ladder Networks" (2015),
 * equation 2 and its code; Pezeshki et al., "Deconstructing the Ladder Network Architecture" (2016)
 * for the per-unit perceptron. */
#include "graph/graph.h"
#include "nn/nn.h"

enum { MAX_HIDDEN = LCL_COUNT(((lcl_combine_desc *)0)->hidden) };

/* One number a unit, as a row that broadcasts over the batch. */
static lcl_tensor *unit(lcl_tensor *z, const char *name, const char *part, float value) {
  char full[LCL_NN_NAME];
  lcl_shape s = lcl_tensor_shape(z);
  return lcl_param(lcl_tensor_graph(z), lcl__nn_name(full, name, part),
                   LCL_SHAPE(s.rank == 2 ? s.dim[1] : 1),
                   (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = value });
}

/* scale*u + offset with a scale and an offset of each unit. */
static lcl_tensor *affine(lcl_tensor *u, const char *name, const char *scale, float scale_value,
                          const char *offset, float offset_value) {
  return lcl_add(lcl_mul(unit(u, name, scale, scale_value), u),
                 unit(u, name, offset, offset_value));
}

/* a1*sigmoid(a2*u + a3) + a4*u + a5; index says where the five start. */
static lcl_tensor *bent_line(lcl_tensor *u, const char *name, int index) {
  char part[5][8];
  for (int i = 0; i < 5; i++) snprintf(part[i], sizeof part[i], "a%d", index + i);
  lcl_tensor *bend = lcl_sigmoid(affine(u, name, part[1], 1, part[2], 0));
  return lcl_add(lcl_mul(unit(u, name, part[0], 0), bend), affine(u, name, part[3], 0, part[4], 0));
}

static lcl_tensor *gauss(lcl_tensor *z, lcl_tensor *u, const char *name) {
  lcl_tensor *mu = bent_line(u, name, 1), *v = bent_line(u, name, 6);
  return lcl_add(lcl_mul(lcl_sub(z, mu), v), mu);
}

static lcl_tensor *sig(lcl_tensor *z, lcl_tensor *u, const char *name) {
  lcl_tensor *zu = lcl_mul(z, u);
  lcl_tensor *in = lcl_add(
      affine(z, name, "c2", 1, "c1", 0),
      lcl_add(lcl_mul(unit(z, name, "c3", 0), u), lcl_mul(unit(z, name, "c4", 0), zu)));
  lcl_tensor *line = lcl_add(
      affine(z, name, "a2", 1, "a1", 0),
      lcl_add(lcl_mul(unit(z, name, "a3", 0), u), lcl_mul(unit(z, name, "a4", 0), zu)));
  return lcl_add(line, lcl_mul(unit(z, name, "b1", 1), lcl_sigmoid(in)));
}

/* a1*z + a2*sigmoid(a3*z + a4) + a5, each a_j = c_j*u + d_j. */
static lcl_tensor *adhoc(lcl_tensor *z, lcl_tensor *u, const char *name) {
  lcl_tensor *a[5];
  for (int i = 0; i < 5; i++) {
    char c[8], d[8];
    snprintf(c, sizeof c, "c%d", i + 1);
    snprintf(d, sizeof d, "d%d", i + 1);
    a[i] = affine(u, name, c, 0, d, i < 3 ? 1 : 0);
  }
  lcl_tensor *bend = lcl_sigmoid(lcl_add(lcl_mul(a[2], z), a[3]));
  return lcl_add(lcl_add(lcl_mul(a[0], z), lcl_mul(a[1], bend)), a[4]);
}

/* A perceptron for each unit on (z, u, z*u); weights (units,out,in) sampled with the given
 * deviation. */
static lcl_tensor *perceptron(lcl_tensor *z, lcl_tensor *u, const char *name,
                              const lcl_combine_desc *d) {
  lcl_graph *g = lcl_tensor_graph(z);
  lcl_shape s = lcl_tensor_shape(z);
  if (s.rank != 2) return z;
  int64_t n = s.dim[0], f = s.dim[1], in = 3;
  lcl_tensor *parts[] = { lcl_reshape(z, LCL_SHAPE(n, f, 1)), lcl_reshape(u, LCL_SHAPE(n, f, 1)),
                          lcl_reshape(lcl_mul(z, u), LCL_SHAPE(n, f, 1)) };
  lcl_tensor *h = lcl_concat(parts, 3, 2);
  lcl_init init = { .kind = LCL_INIT_NORMAL, .scale = d->std > 0 ? d->std : 0.125f };
  for (int i = 0; i <= MAX_HIDDEN; i++) {
    int64_t out = i < MAX_HIDDEN && d->hidden[i] > 0 ? d->hidden[i] : 1;
    bool last = i == MAX_HIDDEN || d->hidden[i] <= 0;
    char part[16], full[LCL_NN_NAME];
    snprintf(part, sizeof part, "weight%d", i);
    lcl_tensor *w = lcl_param(g, lcl__nn_name(full, name, part), LCL_SHAPE(f, out, in), init);
    snprintf(part, sizeof part, "bias%d", i);
    lcl_tensor *b = lcl_param(g, lcl__nn_name(full, name, part), LCL_SHAPE(f, out),
                              (lcl_init) { .kind = LCL_INIT_ZERO });
    lcl_tensor *products = lcl_mul(lcl_reshape(h, LCL_SHAPE(n, f, 1, in)), w);
    h = lcl_add(lcl_sum(products, LCL_AXIS(3), false), b);
    if (last) break;
    h = lcl_leaky_relu(h, 0.1f);
    in = out;
  }
  return lcl_reshape(h, s);
}

lcl_tensor *lcl_combine(lcl_tensor *z, lcl_tensor *u, const char *name,
                        const lcl_combine_desc *desc) {
  if (!desc)
    return lcl__graph_error(lcl_tensor_graph(z), LCL_ERR_ARGUMENT, "combine",
                            "the description is NULL");
  switch (desc->kind) {
  case LCL_COMBINE_GAUSS: return gauss(z, u, name);
  case LCL_COMBINE_SIG: return sig(z, u, name);
  case LCL_COMBINE_ADHOC: return adhoc(z, u, name);
  case LCL_COMBINE_LINEAR: return affine(z, name, "w", 1, "b", 0);
  case LCL_COMBINE_AMLP: return perceptron(z, u, name, desc);
  }
  return z;
}
