/* The entries of pooling. */
#include "latentcl/ops.h"
#include "reference/families.h"
#include "reference/reference.h"

typedef enum pool_kind { MAX_POOL, AVG_POOL, MAX_UNPOOL, ARGMAX_GATHER, AVG_UNPOOL } pool_kind;

/* The larger side: what is pooled, or what an adjoint gives. */
static lcl_shape image_of(const lcl_case *c) {
  const bool adjoint = c->spec->variant == MAX_UNPOOL || c->spec->variant == AVG_UNPOOL;
  return adjoint ? lcl__attr_shape(lcl__case_attr(c, "shape")) : c->in[0].shape;
}

static lcl_status desc_of(const lcl_case *c, lcl_pool_desc *d) {
  const lcl_attr *kernel = lcl__case_attr(c, "kernel"), *stride = lcl__case_attr(c, "stride"),
                 *pad = lcl__case_attr(c, "pad");
  *d = (lcl_pool_desc) { .ceil = lcl__case_attr(c, "ceil")->i[0] != 0,
                         .count_include_pad = lcl__case_attr(c, "count_include_pad")->i[0] != 0 };
  for (int k = 0; k < 2; k++) {
    d->kernel[k] = (int)kernel->i[k];
    d->stride[k] = stride->n ? (int)stride->i[k] : d->kernel[k];
    if (d->kernel[k] < 1 || d->stride[k] < 1)
      return lcl__fail(LCL_ERR_ARGUMENT, "kernel and stride of at least 1 were expected");
  }
  for (int k = 0; k < 4; k++) d->pad[k] = (int)pad->i[k];
  return LCL_OK;
}

static lcl_status pool_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                             lcl_tensor **out) {
  const lcl_shape shape = image_of(c);
  lcl_pool_desc d;
  (void)g;
  if (c->spec->variant != MAX_UNPOOL && c->spec->variant != ARGMAX_GATHER) LCL_TRY(desc_of(c, &d));
  switch ((pool_kind)c->spec->variant) {
  case MAX_POOL: out[0] = lcl_max_pool2d(in[0], &d, &out[1]); break;
  case AVG_POOL: out[0] = lcl_avg_pool2d(in[0], &d); break;
  case MAX_UNPOOL: out[0] = lcl_max_unpool2d(in[0], in[1], shape); break;
  case ARGMAX_GATHER: out[0] = lcl_argmax_gather2d(in[0], in[1]); break;
  case AVG_UNPOOL: out[0] = lcl_avg_unpool2d(in[0], shape, &d); break;
  }
  return LCL_OK;
}

/* Windows along one dimension. Rounded up, the last one must still start inside the image or the
 * padding before it. */
static int64_t windows(int64_t in, int64_t kernel, int64_t stride, int64_t before, int64_t after,
                       bool up) {
  const int64_t room = in + before + after - kernel;
  int64_t n = (room + (up ? stride - 1 : 0)) / stride + 1;
  if (up && (n - 1) * stride >= in + before) n--;
  return n;
}

static lcl_ref_pool pool_of(const lcl_case *c, lcl_shape image) {
  lcl_pool_desc d;
  desc_of(c, &d);
  lcl_ref_pool p = { .planes = image.dim[0] * image.dim[1],
                     .h = image.dim[2],
                     .w = image.dim[3],
                     .kernel_y = d.kernel[0],
                     .kernel_x = d.kernel[1],
                     .stride_y = d.stride[0],
                     .stride_x = d.stride[1],
                     .top = d.pad[0],
                     .bottom = d.pad[1],
                     .left = d.pad[2],
                     .right = d.pad[3],
                     .count_include_pad = d.count_include_pad };
  p.oh = windows(p.h, p.kernel_y, p.stride_y, p.top, p.bottom, d.ceil);
  p.ow = windows(p.w, p.kernel_x, p.stride_x, p.left, p.right, d.ceil);
  return p;
}

/* ---- maximum ---- */

/* y and the argmax indices (y may be NULL). */
static lcl_status max_pool(const lcl_case *c, const lcl_ref_pool *p, double *y, int32_t **indices) {
  *indices = lcl__arena_alloc(c->arena,
                              ((size_t)(p->planes * p->oh * p->ow) + 1) * sizeof **indices);
  if (!*indices) return LCL_ERR_HOST_MEMORY;
  lcl__ref_max_pool2d(p, c->in[0].data, y, *indices);
  return LCL_OK;
}

static lcl_status max_forward(lcl_case *c) {
  const lcl_shape s = c->in[0].shape;
  const lcl_ref_pool p = pool_of(c, s);
  const lcl_shape pooled = LCL_SHAPE(s.dim[0], s.dim[1], p.oh, p.ow);
  int32_t *indices;
  LCL_TRY(lcl__array_new(c, LCL_F32, pooled, &c->out[0]));
  LCL_TRY(lcl__array_new(c, LCL_I32, pooled, &c->out[1]));
  LCL_TRY(max_pool(c, &p, c->out[0].data, &indices));
  for (int64_t i = 0; i < lcl_shape_count(pooled); i++) c->out[1].data[i] = indices[i];
  return LCL_OK;
}

static lcl_status max_backward(lcl_case *c) {
  const lcl_ref_pool p = pool_of(c, c->in[0].shape);
  int32_t *indices;
  LCL_TRY(lcl__array_new(c, LCL_F32, c->in[0].shape, &c->grad_in[0]));
  LCL_TRY(max_pool(c, &p, NULL, &indices));
  lcl__ref_max_unpool2d(p.planes, p.h * p.w, p.oh * p.ow, c->grad_out[0].data, indices,
                        c->grad_in[0].data);
  return LCL_OK;
}

/* ---- average and its adjoint ---- */

/* `spread` from the pooled side to the image, else the other way. */
static lcl_status average(lcl_case *c, bool spread, const double *from, lcl_array *to) {
  const lcl_shape image = image_of(c);
  const lcl_ref_pool p = pool_of(c, image);
  LCL_TRY(lcl__array_new(c, LCL_F32,
                         spread ? image : LCL_SHAPE(image.dim[0], image.dim[1], p.oh, p.ow), to));
  if (spread)
    lcl__ref_avg_unpool2d(&p, from, to->data);
  else
    lcl__ref_avg_pool2d(&p, from, to->data);
  return LCL_OK;
}

static lcl_status average_forward(lcl_case *c) {
  return average(c, c->spec->variant == AVG_UNPOOL, c->in[0].data, &c->out[0]);
}
static lcl_status average_backward(lcl_case *c) {
  return average(c, c->spec->variant != AVG_UNPOOL, c->grad_out[0].data, &c->grad_in[0]);
}

/* A window's sum and a division, which may be a product with a rounded reciprocal; windows over an
 * element. */
static double pool_terms(const lcl_case *c, int of) {
  lcl_pool_desc d;
  desc_of(c, &d);
  const double window = lcl__sum_roundings((double)d.kernel[0] * d.kernel[1]) + 5;
  double over = 1;
  for (int k = 0; k < 2; k++) over *= (double)((d.kernel[k] + d.stride[k] - 1) / d.stride[k]);
  return (of < 0) == (c->spec->variant == AVG_POOL) ? window : lcl__sum_roundings(over) + 5;
}

/* Max pooling's gradient adds where windows overlap. */
static lcl_status max_bound(lcl_case *c) {
  LCL_TRY(lcl__array_new(c, LCL_F32, c->out[0].shape, &c->out_bound[0]));
  LCL_TRY(lcl__array_new(c, LCL_I32, c->out[0].shape, &c->out_bound[1]));
  if (!c->grad_out[0].data) return LCL_OK;
  lcl_case shadow = *c;
  const lcl_array *g = &c->grad_out[0];
  LCL_TRY(lcl__array_new(c, LCL_F32, g->shape, &shadow.grad_out[0]));
  for (int64_t i = 0; i < lcl__array_count(g); i++)
    shadow.grad_out[0].data[i] = g->data[i] < 0 ? -g->data[i] : g->data[i];
  LCL_TRY(max_backward(&shadow));
  c->grad_bound[0] = shadow.grad_in[0];
  const double overlap = pool_terms(c, 0) - 5;
  for (int64_t i = 0; i < lcl__array_count(&c->in[0]); i++)
    c->grad_bound[0].data[i] *= overlap > 1 ? overlap * LCL_UNIT_ROUNDOFF : 0;
  return LCL_OK;
}

/* ---- scatter and gather by argmax indices ---- */

/* in[0] goes to or comes from the positions in[1]; `scatter` from the pooled side to the image. */
static lcl_status by_indices(lcl_case *c, bool scatter, const double *from, lcl_array *to) {
  const lcl_array *indices = &c->in[1];
  const lcl_shape pooled = indices->shape, image = image_of(c);
  const int64_t planes = pooled.dim[0] * pooled.dim[1], out_plane = pooled.dim[2] * pooled.dim[3];
  const int64_t in_plane = image.dim[2] * image.dim[3];
  int32_t *at = lcl__arena_alloc(c->arena, ((size_t)(planes * out_plane) + 1) * sizeof *at);
  if (!at) return LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; i < planes * out_plane; i++) at[i] = (int32_t)indices->data[i];
  LCL_TRY(lcl__array_new(c, LCL_F32, scatter ? image : pooled, to));
  if (scatter)
    lcl__ref_max_unpool2d(planes, in_plane, out_plane, from, at, to->data);
  else
    lcl__ref_argmax_gather2d(planes, in_plane, out_plane, from, at, to->data);
  return LCL_OK;
}

static lcl_status indexed_forward(lcl_case *c) {
  return by_indices(c, c->spec->variant == MAX_UNPOOL, c->in[0].data, &c->out[0]);
}
static lcl_status indexed_backward(lcl_case *c) {
  return by_indices(c, c->spec->variant != MAX_UNPOOL, c->grad_out[0].data, &c->grad_in[0]);
}

/* Any number of pooled elements may meet in one. */
static double indexed_terms(const lcl_case *c, int of) {
  const lcl_shape pooled = c->in[1].shape;
  const double all = (double)(pooled.dim[2] * pooled.dim[3]);
  return (of < 0) == (c->spec->variant == MAX_UNPOOL) ? lcl__sum_roundings(all) : 0;
}

static int64_t indexed_limit(const lcl_case *c) {
  const lcl_shape image = image_of(c);
  return image.dim[2] * image.dim[3];
}

static void indexed_random(lcl_case *c, lcl_rng *r) {
  const int64_t most = c->small ? 9 : 33, n = lcl__rng_size(r, 3),
                channels = lcl__rng_size(r, c->small ? 3 : 9);
  const lcl_shape image = LCL_SHAPE(n, channels, lcl__rng_size(r, most), lcl__rng_size(r, most));
  const lcl_shape pooled = LCL_SHAPE(n, channels, lcl__rng_size(r, most / 2),
                                     lcl__rng_size(r, most / 2));
  c->in[0].shape = c->spec->variant == MAX_UNPOOL ? pooled : image;
  c->in[1].shape = pooled;
  if (c->spec->variant != MAX_UNPOOL) return;
  c->attr[0].n = 4;
  memcpy(c->attr[0].i, image.dim, sizeof image.dim);
}

/* ---- random windows ---- */

static void pool_random(lcl_case *c, lcl_rng *r) {
  lcl_attr *kernel = (lcl_attr *)lcl__case_attr(c, "kernel"),
           *stride = (lcl_attr *)lcl__case_attr(c, "stride");
  lcl_attr *pad = (lcl_attr *)lcl__case_attr(c, "pad"), *up = (lcl_attr *)lcl__case_attr(c, "ceil");
  lcl_attr *count = (lcl_attr *)lcl__case_attr(c, "count_include_pad");
  const bool square = lcl__rng_chance(r, 70), overlap = lcl__rng_chance(r, 50);
  const bool pairs = lcl__rng_chance(r, 20); /* 2x2 windows side by side */
  const int64_t most = c->small ? 9 : 40;
  lcl_shape s = LCL_SHAPE(lcl__rng_size(r, c->small ? 2 : 5), lcl__rng_size(r, c->small ? 3 : 17),
                          0, 0);
  kernel->n = 2, pad->n = 4, stride->n = overlap ? 2 : 0;
  for (int k = 0; k < 2; k++) {
    kernel->i[k] = k && square ? kernel->i[0] : 1 + lcl__rng_below(r, 5);
    stride->i[k] = k && square ? stride->i[0] : 1 + lcl__rng_below(r, 4);
    for (int side = 0; side < 2; side++)
      pad->i[2 * k + side] = lcl__rng_chance(r, 60) ? 0 : lcl__rng_below(r, kernel->i[k] / 2 + 1);
    if (pairs) kernel->i[k] = 2, pad->i[2 * k] = pad->i[2 * k + 1] = 0, stride->n = 0;
    const int64_t size = lcl__rng_size(r, most);
    s.dim[2 + k] = LCL_MAX(size, kernel->i[k]);
  }
  up->n = 1, up->i[0] = lcl__rng_chance(r, 30);
  if (count->n) count->i[0] = lcl__rng_below(r, 2);
  if (c->spec->variant != AVG_UNPOOL) {
    c->in[0].shape = s;
    return;
  }
  const lcl_ref_pool p = pool_of(c, s);
  c->in[0].shape = LCL_SHAPE(s.dim[0], s.dim[1], p.oh, p.ow);
  lcl_attr *shape = (lcl_attr *)lcl__case_attr(c, "shape");
  shape->n = 4;
  memcpy(shape->i, s.dim, sizeof s.dim);
}

/* ---- table ---- */

#define KERNEL                                                                                     \
  { "kernel", LCL_ATTR_PAIR, NULL, "window", NULL }
#define STRIDE                                                                                     \
  { "stride", LCL_ATTR_PAIR, "", "step of the window; none: the kernel", NULL }
#define PAD                                                                                        \
  { "pad", LCL_ATTR_PAD4, "0", "around the image", NULL }
#define CEIL                                                                                       \
  { "ceil", LCL_ATTR_BOOL, "false", "round the output size up", NULL }
#define COUNT                                                                                      \
  { "count_include_pad", LCL_ATTR_BOOL, "true", "the average counts padding as zeros", NULL }
#define SHAPE                                                                                      \
  { "shape", LCL_ATTR_LIST, NULL, "shape of the image", NULL }

#define AVERAGE(kind)                                                                              \
  .out = { "y" }, .variant = kind, .flags = LCL_SPEC_LINEAR, .build = pool_build,                  \
  .forward = average_forward, .backward = average_backward, .terms = pool_terms,                   \
  .random = pool_random
#define BY_INDICES(kind)                                                                           \
  .out = { "y" }, .variant = kind, .flags = LCL_SPEC_LINEAR | LCL_SPEC_EXACT, .build = pool_build, \
  .forward = indexed_forward, .backward = indexed_backward, .terms = indexed_terms,                \
  .limit = indexed_limit, .random = indexed_random

const lcl_spec lcl__pool_specs[] = {
  { .name = "max_pool2d",
    .summary = "largest element of each window; the first of equals gets the gradient",
    .notes =
        "x (N,C,H,W) -> y and indices (N,C,OH,OW), OH = floor((H + pads - kernel)/stride) + 1. "
        "indices (i32) are\n"
        "the positions y*W + x of the largest elements.",
    .in = { { .name = "x" } },
    .out = { "y", "indices" },
    .attr = { KERNEL, STRIDE, PAD, CEIL },
    .variant = MAX_POOL,
    .flags = LCL_SPEC_EXACT,
    .build = pool_build,
    .forward = max_forward,
    .backward = max_backward,
    .bound = max_bound,
    .random = pool_random },
  { .name = "avg_pool2d",
    .summary = "mean of each window",
    .notes = "x (N,C,H,W) -> (N,C,OH,OW), OH = floor((H + pads - kernel)/stride) + 1.",
    .in = { { .name = "x" } },
    .attr = { KERNEL, STRIDE, PAD, CEIL, COUNT },
    AVERAGE(AVG_POOL) },
  { .name = "max_unpool2d",
    .summary = "adds each element at its argmax index in the larger image",
    .notes = "v and indices (N,C,OH,OW) -> the image's shape (N,C,H,W).",
    .in = { { .name = "v" }, { .name = "indices", .domain = LCL_INDEX } },
    .attr = { SHAPE },
    BY_INDICES(MAX_UNPOOL) },
  { .name = "argmax_gather2d",
    .summary = "takes the element at each argmax index: the adjoint of max_unpool2d",
    .notes = "x (N,C,H,W), indices (N,C,OH,OW) -> (N,C,OH,OW).",
    .in = { { .name = "x" }, { .name = "indices", .domain = LCL_INDEX } },
    BY_INDICES(ARGMAX_GATHER) },
  { .name = "avg_unpool2d",
    .summary = "spreads each element evenly over its window: the adjoint of avg_pool2d",
    .notes = "v (N,C,OH,OW) -> the image's shape (N,C,H,W).",
    .in = { { .name = "v" } },
    .attr = { SHAPE, KERNEL, STRIDE, PAD, CEIL, COUNT },
    AVERAGE(AVG_UNPOOL) },
};
const size_t lcl__pool_spec_count = LCL_COUNT(lcl__pool_specs);
