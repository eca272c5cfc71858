/* The entries of the convolutions. */
#include <math.h>

#include "latentcl/ops.h"
#include "reference/families.h"
#include "reference/reference.h"

typedef enum conv_kind { CONV, TRANSPOSED, MASKED, INPUT_GRAD, FILTER_GRAD, FOURIER } conv_kind;

/* Attribute values with the defaults of ops that lack them. */
static int64_t pair(const lcl_case *c, const char *name, int k, int64_t absent) {
  const lcl_attr *a = lcl__case_attr(c, name);
  return a->n ? a->i[k] : absent;
}

static lcl_conv_desc desc_of(const lcl_case *c) {
  const lcl_attr *pad = lcl__case_attr(c, "pad");
  lcl_conv_desc d = { .same = pad->same, .groups = (int)pair(c, "groups", 0, 1) };
  for (int k = 0; k < 2; k++) {
    d.stride[k] = (int)pair(c, "stride", k, 1);
    d.dilation[k] = (int)pair(c, "dilation", k, 1);
  }
  for (int k = 0; k < 4 && !pad->same; k++) d.pad[k] = (int)pad->i[k];
  return d;
}

static lcl_mask_desc mask_desc_of(const lcl_case *c) {
  return (lcl_mask_desc) { .type = lcl__case_attr(c, "type")->i[0] ? LCL_MASK_B : LCL_MASK_A,
                           .image_channels = (int)lcl__case_attr(c, "colours")->i[0],
                           .gates = (int)lcl__case_attr(c, "gates")->i[0],
                           .interleaved = lcl__case_attr(c, "interleaved")->i[0] };
}

/* The library takes 0 as "the default"; on the command line it is an error. */
static lcl_status check_positive(const lcl_case *c) {
  static const char *const names[] = { "stride", "dilation", "groups", "colours", "gates" };
  for (size_t i = 0; i < LCL_COUNT(names); i++) {
    const lcl_attr *a = lcl__case_attr(c, names[i]);
    for (int k = 0; k < a->n; k++)
      if (a->i[k] < 1 || a->i[k] > INT32_MAX)
        return lcl__fail(LCL_ERR_ARGUMENT, "%s=%lld: at least 1 was expected", names[i],
                         (long long)a->i[k]);
  }
  return LCL_OK;
}

static lcl_status conv_build(const lcl_case *c, lcl_graph *g, lcl_tensor *const *in,
                             lcl_tensor **out) {
  const lcl_conv_desc d = desc_of(c);
  (void)g;
  LCL_TRY(check_positive(c));
  switch ((conv_kind)c->spec->variant) {
  case CONV: out[0] = lcl_conv2d(in[0], in[1], in[2], &d); break;
  case FOURIER: out[0] = lcl_fft_conv2d(in[0], in[1], in[2], &d); break;
  case TRANSPOSED: {
    const int output_pad[2] = { (int)pair(c, "output_pad", 0, 0),
                                (int)pair(c, "output_pad", 1, 0) };
    out[0] = lcl_conv_transpose2d(in[0], in[1], in[2], &d, output_pad);
    break;
  }
  case MASKED: {
    const lcl_mask_desc mask = mask_desc_of(c);
    out[0] = lcl_masked_conv2d(in[0], in[1], in[2], &mask, &d);
    break;
  }
  case INPUT_GRAD:
    out[0] = lcl_conv2d_input_grad(in[0], in[1], lcl__attr_shape(lcl__case_attr(c, "shape")), &d);
    break;
  case FILTER_GRAD:
    out[0] = lcl_conv2d_filter_grad(in[0], in[1], lcl__attr_shape(lcl__case_attr(c, "shape")), &d);
    break;
  }
  return LCL_OK;
}

/* ---- geometry ---- */

/* Output size and padding before one dimension. */
static int64_t out_size(int64_t in, int64_t k, int64_t stride, int64_t dilation,
                        const lcl_attr *pad, int side, int64_t *before) {
  const int64_t reach = dilation * (k - 1) + 1;
  if (pad->same) { /* out = ceil(in/stride); the odd one goes behind */
    const int64_t out = (in + stride - 1) / stride;
    *before = LCL_MAX((out - 1) * stride + reach - in, 0) / 2;
    return out;
  }
  *before = pad->i[2 * side];
  return (in + pad->i[2 * side] + pad->i[2 * side + 1] - reach) / stride + 1;
}

/* The forward convolution behind any of the kinds: x and f have these shapes. */
static lcl_ref_conv forward_geometry(const lcl_case *c, lcl_shape x, lcl_shape f) {
  const lcl_attr *pad = lcl__case_attr(c, "pad");
  lcl_ref_conv d = { .n = x.dim[0],
                     .c = x.dim[1],
                     .h = x.dim[2],
                     .w = x.dim[3],
                     .o = f.dim[0],
                     .kh = f.dim[2],
                     .kw = f.dim[3] };
  d.stride_y = pair(c, "stride", 0, 1), d.stride_x = pair(c, "stride", 1, 1);
  d.dilation_y = pair(c, "dilation", 0, 1), d.dilation_x = pair(c, "dilation", 1, 1);
  d.groups = pair(c, "groups", 0, 1);
  d.oh = out_size(d.h, d.kh, d.stride_y, d.dilation_y, pad, 0, &d.top);
  d.ow = out_size(d.w, d.kw, d.stride_x, d.dilation_x, pad, 1, &d.left);
  return d;
}

/* (in-1)*stride - pads + dilation*(k-1) + 1 + output_pad: the larger image that a forward
 * convolution would shrink. */
static lcl_shape transposed_shape(const lcl_case *c) {
  const lcl_shape x = c->in[0].shape, f = c->in[1].shape;
  const lcl_attr *pad = lcl__case_attr(c, "pad");
  lcl_shape s = LCL_SHAPE(x.dim[0], f.dim[1] * pair(c, "groups", 0, 1), 0, 0);
  for (int k = 0; k < 2; k++)
    s.dim[2 + k] = (x.dim[2 + k] - 1) * pair(c, "stride", k, 1) - pad->i[2 * k] -
                   pad->i[2 * k + 1] + pair(c, "dilation", k, 1) * (f.dim[2 + k] - 1) + 1 +
                   pair(c, "output_pad", k, 0);
  return s;
}

static lcl_ref_conv geometry(const lcl_case *c) {
  const lcl_shape attr_shape = lcl__attr_shape(lcl__case_attr(c, "shape"));
  switch ((conv_kind)c->spec->variant) {
  case TRANSPOSED: {
    lcl_ref_conv d = forward_geometry(c, transposed_shape(c), c->in[1].shape);
    d.oh = c->in[0].shape.dim[2], d.ow = c->in[0].shape.dim[3];
    return d;
  }
  case INPUT_GRAD: return forward_geometry(c, attr_shape, c->in[1].shape);
  case FILTER_GRAD: return forward_geometry(c, c->in[0].shape, attr_shape);
  default: return forward_geometry(c, c->in[0].shape, c->in[1].shape);
  }
}

static lcl_shape image_shape(const lcl_ref_conv *d) {
  return LCL_SHAPE(d->n, d->c, d->h, d->w);
}
static lcl_shape output_shape(const lcl_ref_conv *d) {
  return LCL_SHAPE(d->n, d->o, d->oh, d->ow);
}
static lcl_shape filter_shape(const lcl_ref_conv *d) {
  return LCL_SHAPE(d->o, d->c / d->groups, d->kh, d->kw);
}

/* ---- values ---- */

/* The filter with zeros where the mask has them: what is masked may be anything, even NaN. */
static lcl_status masked_filter(lcl_case *c, const lcl_array *f, lcl_array *out) {
  *out = *f;
  if (c->spec->variant != MASKED) return LCL_OK;
  const lcl_mask_desc m = mask_desc_of(c);
  const lcl_shape s = f->shape;
  lcl_array mask;
  LCL_TRY(lcl__array_new(c, LCL_F32, s, &mask));
  LCL_TRY(lcl__array_new(c, LCL_F32, s, out));
  lcl__ref_conv_mask(s.dim[0], s.dim[1], s.dim[2], s.dim[3], m.type == LCL_MASK_B, m.image_channels,
                     m.gates, m.interleaved, mask.data);
  for (int64_t i = 0; i < lcl_shape_count(s); i++)
    out->data[i] = mask.data[i] != 0 ? f->data[i] : 0;
  return LCL_OK;
}

static void add_bias(const lcl_array *b, lcl_array *y) {
  const int64_t plane = y->shape.dim[2] * y->shape.dim[3];
  for (int64_t i = 0; b->data && i < lcl__array_count(y); i++)
    y->data[i] += b->data[i / plane % y->shape.dim[1]];
}

static lcl_status conv_forward(lcl_case *c) {
  const lcl_ref_conv d = geometry(c);
  const double *a = c->in[0].data;
  lcl_array *y = &c->out[0], f;
  switch ((conv_kind)c->spec->variant) {
  case CONV:
  case FOURIER:
  case MASKED:
    LCL_TRY(masked_filter(c, &c->in[1], &f));
    LCL_TRY(lcl__array_new(c, LCL_F32, output_shape(&d), y));
    lcl__ref_conv2d(&d, a, f.data, c->in[2].data, y->data);
    break;
  case TRANSPOSED:
  case INPUT_GRAD:
    LCL_TRY(lcl__array_new(c, LCL_F32, image_shape(&d), y));
    lcl__ref_conv2d_input_grad(&d, a, c->in[1].data, y->data);
    add_bias(&c->in[2], y);
    break;
  case FILTER_GRAD:
    LCL_TRY(lcl__array_new(c, LCL_F32, filter_shape(&d), y));
    lcl__ref_conv2d_filter_grad(&d, a, c->in[1].data, y->data);
    break;
  }
  return LCL_OK;
}

static lcl_status conv_backward(lcl_case *c) {
  const lcl_ref_conv d = geometry(c);
  const double *g = c->grad_out[0].data, *a = c->in[0].data, *b = c->in[1].data;
  const lcl_shape gs = c->grad_out[0].shape;
  lcl_array f, gf;
  for (int k = 0; k < 3; k++)
    if (c->in[k].data) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_in[k]));
  double *ga = c->grad_in[0].data, *gb = c->grad_in[1].data;
  switch ((conv_kind)c->spec->variant) {
  case CONV:
  case FOURIER:
  case MASKED:
    LCL_TRY(masked_filter(c, &c->in[1], &f));
    lcl__ref_conv2d_input_grad(&d, g, f.data, ga);
    lcl__ref_conv2d_filter_grad(&d, a, g, gb);
    LCL_TRY(masked_filter(c, &c->grad_in[1], &gf));
    c->grad_in[1] = gf;
    break;
  case TRANSPOSED:
  case INPUT_GRAD:
    lcl__ref_conv2d(&d, g, b, NULL, ga);
    lcl__ref_conv2d_filter_grad(&d, g, a, gb);
    break;
  case FILTER_GRAD:
    lcl__ref_conv2d_input_grad(&d, b, g, ga);
    lcl__ref_conv2d(&d, a, g, NULL, gb);
    break;
  }
  if (c->in[2].data)
    lcl__ref_bias_grad(gs.dim[0], gs.dim[1], gs.dim[2] * gs.dim[3], g, c->grad_in[2].data);
  return LCL_OK;
}

/* Length of the sums: one for each of the three arrays of a convolution. An image element meets at
 * most every tap. */
static double conv_terms(const lcl_case *c, int of) {
  const lcl_ref_conv d = geometry(c);
  const double taps = (double)(d.kh * d.kw), outputs = (double)(d.n * d.oh * d.ow);
  const double for_output = (double)(d.c / d.groups) * taps + 1,
               for_image = (double)(d.o / d.groups) * taps + 1;
  const bool swapped = c->spec->variant == TRANSPOSED || c->spec->variant == INPUT_GRAD;
  if (of == 2)
    return lcl__sum_roundings(
        (double)(c->out[0].shape.dim[0] * c->out[0].shape.dim[2] * c->out[0].shape.dim[3]));
  if (c->spec->variant == FILTER_GRAD) return of < 0 ? outputs : of == 0 ? for_image : for_output;
  if (of == 1) return outputs;
  return (of < 0) != swapped ? for_output : for_image;
}

/* sqrt of the sum of squares of n numbers. */
static double norm(const double *x, int64_t n) {
  double s = 0;
  for (int64_t i = 0; i < n; i++) s += x[i] * x[i];
  return sqrt(s);
}

/* out = how far a sum of products of a and b may be off, which made has computed from their
 * magnitudes. */
static void scale(lcl_array *made, double terms) {
  for (int64_t i = 0; i < lcl__array_count(made); i++)
    made->data[i] *= (terms + 2) * LCL_UNIT_ROUNDOFF;
}

static lcl_status magnitudes(lcl_case *c, const lcl_array *of, lcl_array *out) {
  LCL_TRY(lcl__array_new(c, LCL_F32, of->shape, out));
  for (int64_t i = 0; i < lcl__array_count(of); i++) out->data[i] = fabs(of->data[i]);
  return LCL_OK;
}

/* By the Fourier transform every output of an image is off by as much: a few roundings a pass of
 * the energies of the image (and of its neighbour, as two are transformed at once) and of the
 * filter. Gradients are ordinary sums. */
static lcl_status fourier_bound(lcl_case *c) {
  const lcl_ref_conv d = geometry(c);
  const int64_t plane = d.h * d.w, taps = d.kh * d.kw, per = d.c / d.groups,
                filters = d.o / d.groups;
  const double points = 4.0 * (double)(d.h + d.kh * d.dilation_y) *
                        (double)(d.w + d.kw * d.dilation_x);
  const double roundings = 8 * log2(points + 2) * LCL_UNIT_ROUNDOFF;
  LCL_TRY(lcl__array_new(c, LCL_F32, output_shape(&d), &c->out_bound[0]));
  for (int64_t n = 0; n < d.n; n++) {
    const int64_t other = (n ^ 1) < d.n ? n ^ 1 : n;
    for (int64_t o = 0; o < d.o; o++) {
      double energy = c->in[2].data ? fabs(c->in[2].data[o]) : 0;
      for (int64_t k = 0; k < per; k++) {
        const int64_t ch = o / filters * per + k;
        const double here = norm(c->in[0].data + (n * d.c + ch) * plane, plane);
        const double there = norm(c->in[0].data + (other * d.c + ch) * plane, plane);
        energy += hypot(here, there) * norm(c->in[1].data + (o * per + k) * taps, taps);
      }
      for (int64_t i = 0; i < d.oh * d.ow; i++)
        c->out_bound[0].data[(n * d.o + o) * d.oh * d.ow + i] = roundings * energy;
    }
  }
  if (!c->grad_out[0].data) return LCL_OK;
  lcl_array x, w, g;
  LCL_TRY(magnitudes(c, &c->in[0], &x));
  LCL_TRY(magnitudes(c, &c->in[1], &w));
  LCL_TRY(magnitudes(c, &c->grad_out[0], &g));
  for (int k = 0; k < 3; k++)
    if (c->in[k].data) LCL_TRY(lcl__array_new(c, LCL_F32, c->in[k].shape, &c->grad_bound[k]));
  lcl__ref_conv2d_input_grad(&d, g.data, w.data, c->grad_bound[0].data);
  lcl__ref_conv2d_filter_grad(&d, x.data, g.data, c->grad_bound[1].data);
  if (c->in[2].data) lcl__ref_bias_grad(d.n, d.o, d.oh * d.ow, g.data, c->grad_bound[2].data);
  for (int k = 0; k < 3; k++)
    if (c->in[k].data) scale(&c->grad_bound[k], conv_terms(c, k));
  return LCL_OK;
}

/* ---- random cases ---- */

static void set_ints(lcl_case *c, const char *name, int n, const int64_t *values) {
  lcl_attr *a = (lcl_attr *)lcl__case_attr(c, name);
  for (int i = 0; i < lcl__spec_attrs(c->spec); i++)
    if (a == &c->attr[i]) a->n = n, memcpy(a->i, values, sizeof *values * (size_t)n);
}

static int64_t random_kernel(const lcl_case *c, lcl_rng *r) {
  static const int8_t sizes[] = { 1, 1, 2, 3, 3, 3, 3, 4, 5, 5, 7, 11 };
  const int64_t k = sizes[lcl__rng_below(r, (int64_t)LCL_COUNT(sizes))];
  return c->spec->variant == MASKED ? k | 1 : k; /* a mask has a centre */
}

/* Channels of both sides: multiples of the groups. */
static void random_channels(lcl_case *c, lcl_rng *r, lcl_ref_conv *d) {
  const int64_t most = c->small ? 5 : 33;
  d->groups = c->spec->variant != MASKED && lcl__rng_chance(r, 25) ? 1 + lcl__rng_below(r, 4) : 1;
  d->c = lcl__rng_size(r, most) * d->groups;
  d->o = lcl__rng_size(r, most) * d->groups;
  if (lcl__rng_chance(r, 30)) d->c = d->groups; /* grey images, depth-wise filters */
  set_ints(c, "groups", 1, &d->groups);
}

/* Geometry of the forward convolution; each output exists. */
static void random_geometry(lcl_case *c, lcl_rng *r, lcl_ref_conv *d) {
  const bool line = lcl__rng_chance(r, 15); /* 1-D */
  d->kh = line ? 1 : random_kernel(c, r),
  d->kw = lcl__rng_chance(r, 70) && !line ? d->kh : random_kernel(c, r);
  d->stride_y = lcl__rng_chance(r, 60) ? 1 : 1 + lcl__rng_below(r, 3);
  d->stride_x = lcl__rng_chance(r, 70) ? d->stride_y : 1 + lcl__rng_below(r, 3);
  const bool dilated = c->spec->variant != MASKED && lcl__rng_chance(r, 20);
  d->dilation_y = dilated ? 1 + lcl__rng_below(r, 3) : 1,
  d->dilation_x = dilated ? 1 + lcl__rng_below(r, 3) : 1;
  const int64_t reach_y = d->dilation_y * (d->kh - 1) + 1,
                reach_x = d->dilation_x * (d->kw - 1) + 1;
  lcl_attr *pad = (lcl_attr *)lcl__case_attr(c, "pad");
  pad->n = 4;
  pad->same = c->spec->variant != TRANSPOSED && lcl__rng_chance(r, 25);
  const bool symmetric = lcl__rng_chance(r, 60);
  for (int k = 0; k < 4; k++)
    pad->i[k] = pad->same ? 0 : lcl__rng_below(r, LCL_MIN(k < 2 ? reach_y : reach_x, 6));
  if (symmetric) pad->i[1] = pad->i[0], pad->i[3] = pad->i[2];
  const int64_t least_h = LCL_MAX(reach_y - (pad->same ? 0 : pad->i[0] + pad->i[1]), 1);
  const int64_t least_w = LCL_MAX(reach_x - (pad->same ? 0 : pad->i[2] + pad->i[3]), 1);
  const int64_t most = c->small ? 7 : 33;
  const int64_t h = lcl__rng_size(r, most), w = lcl__rng_size(r, line ? 3 * most : most);
  d->h = line ? 1 : LCL_MAX(h, least_h);
  if (line) pad->i[0] = pad->i[1] = 0;
  d->w = LCL_MAX(w, least_w);
  set_ints(c, "stride", 2, (int64_t[]) { d->stride_y, d->stride_x });
  set_ints(c, "dilation", 2, (int64_t[]) { d->dilation_y, d->dilation_x });
}

static void random_mask(lcl_case *c, lcl_rng *r, lcl_ref_conv *d) {
  if (c->spec->variant != MASKED) return;
  const int64_t channels = lcl__rng_chance(r, 40) ? 3 : 1, gates = lcl__rng_chance(r, 30) ? 4 : 1;
  d->c = LCL_MAX(d->c, channels);
  d->o = LCL_MAX(d->o, channels) * gates;
  set_ints(c, "type", 1, (int64_t[]) { lcl__rng_below(r, 2) });
  set_ints(c, "colours", 1, &channels);
  set_ints(c, "gates", 1, &gates);
  set_ints(c, "interleaved", 1, (int64_t[]) { lcl__rng_chance(r, 40) });
}

/* No images, no channels or no filters. A mask needs channels and filters. */
static void random_nothing(const lcl_case *c, lcl_rng *r, lcl_ref_conv *d) {
  int64_t *const sizes[] = { &d->n, &d->c, &d->o };
  if (r->empty) *sizes[lcl__rng_below(r, c->spec->variant == MASKED ? 1 : 3)] = 0;
}

static void set_shapes(lcl_case *c, lcl_rng *r, const lcl_ref_conv *d) {
  const lcl_shape x = image_shape(d), f = filter_shape(d);
  const bool bias = lcl__rng_chance(r, 60);
  switch ((conv_kind)c->spec->variant) {
  case CONV:
  case FOURIER:
  case MASKED:
    c->in[0].shape = x, c->in[1].shape = f;
    if (bias) c->in[2].shape = LCL_SHAPE(d->o);
    break;
  case TRANSPOSED: /* x is the small image: what the forward convolution would give */
    c->in[0].shape = output_shape(d), c->in[1].shape = f;
    if (bias) c->in[2].shape = LCL_SHAPE(d->c);
    break;
  case INPUT_GRAD:
    c->in[0].shape = output_shape(d), c->in[1].shape = f;
    set_ints(c, "shape", 4, x.dim);
    break;
  case FILTER_GRAD:
    c->in[0].shape = x, c->in[1].shape = output_shape(d);
    set_ints(c, "shape", 4, f.dim);
    break;
  }
}

static void conv_random(lcl_case *c, lcl_rng *r) {
  const double most = c->small ? 2e4 : 1e6; /* FMAs */
  lcl_ref_conv d;
  do {
    d = (lcl_ref_conv) { .n = lcl__rng_size(r, c->small ? 2 : 9) };
    random_channels(c, r, &d);
    random_geometry(c, r, &d);
    random_mask(c, r, &d);
    random_nothing(c, r, &d);
    const lcl_ref_conv full = forward_geometry(c, image_shape(&d), filter_shape(&d));
    d.oh = full.oh, d.ow = full.ow;
  } while ((double)(d.n * d.oh * d.ow * d.o) * (double)(d.c / d.groups * d.kh * d.kw) > most);
  if (c->spec->variant == TRANSPOSED) { /* the rows and columns that the stride skipped */
    const lcl_attr *pad = lcl__case_attr(c, "pad");
    const int64_t rest_y = (d.h + pad->i[0] + pad->i[1] - d.dilation_y * (d.kh - 1) - 1) %
                           d.stride_y;
    const int64_t rest_x = (d.w + pad->i[2] + pad->i[3] - d.dilation_x * (d.kw - 1) - 1) %
                           d.stride_x;
    set_ints(c, "output_pad", 2, (int64_t[]) { rest_y, rest_x });
  }
  set_shapes(c, r, &d);
}

/* What is masked may hold anything. */
static void poison_masked(lcl_case *c, lcl_rng *r) {
  const lcl_mask_desc m = mask_desc_of(c);
  const lcl_shape s = c->in[1].shape;
  lcl_array mask;
  if (!lcl__rng_chance(r, 40) || lcl__array_new(c, LCL_F32, s, &mask) != LCL_OK) return;
  lcl__ref_conv_mask(s.dim[0], s.dim[1], s.dim[2], s.dim[3], m.type == LCL_MASK_B, m.image_channels,
                     m.gates, m.interleaved, mask.data);
  for (int64_t i = 0; i < lcl_shape_count(s); i++)
    if (mask.data[i] == 0) c->in[1].data[i] = NAN;
}

/* ---- table ---- */

#define STRIDE                                                                                     \
  { "stride", LCL_ATTR_PAIR, "1", "step of the window", NULL }
#define DILATION                                                                                   \
  { "dilation", LCL_ATTR_PAIR, "1", "distance of filter taps", NULL }
#define GROUPS                                                                                     \
  { "groups", LCL_ATTR_INT, "1", "channel groups that do not mix", NULL }
#define PAD                                                                                        \
  {                                                                                                \
    "pad", LCL_ATTR_PAD, "0",                                                                      \
        "zeros around the image; same: out = ceil(in/stride), odd one at bottom/right", NULL       \
  }
#define PAD4                                                                                       \
  { "pad", LCL_ATTR_PAD4, "0", "zeros around the larger image that are cut away", NULL }
#define CONV_COMMON(kind)                                                                          \
  .out = { "y" }, .variant = kind,                                                                 \
  .flags = LCL_SPEC_LINEAR | LCL_SPEC_EXACT | LCL_SPEC_EMPTY | LCL_SPEC_FINITE,                    \
  .build = conv_build, .forward = conv_forward, .backward = conv_backward, .terms = conv_terms,    \
  .random = conv_random

const lcl_spec lcl__conv_specs[] = {
  { .name = "conv2d",
    .summary = "convolution (cross-correlation) of images",
    .notes = "x (N,C,H,W), w (O,C/groups,KH,KW), b (O) -> (N,O,OH,OW) with\n"
             "OH = floor((H + pads - dilation*(KH-1) - 1)/stride) + 1. A sequence is an image with "
             "H = 1.",
    .in = { { .name = "x" }, { .name = "w" }, { .name = "b", .optional = true } },
    .attr = { STRIDE, PAD, DILATION, GROUPS },
    CONV_COMMON(CONV) },
  { .name = "fft_conv2d",
    .summary = "convolution by the Fourier transform, for large filters",
    .notes = "As conv2d. Rounding errors are relative to the energy of the whole image, not of the "
             "window.",
    .in = { { .name = "x" }, { .name = "w" }, { .name = "b", .optional = true } },
    .attr = { STRIDE, PAD, DILATION, GROUPS },
    .out = { "y" },
    .variant = FOURIER,
    .flags = LCL_SPEC_EMPTY | LCL_SPEC_FINITE,
    .build = conv_build,
    .forward = conv_forward,
    .backward = conv_backward,
    .bound = fourier_bound,
    .terms = conv_terms,
    .random = conv_random },
  { .name = "conv_transpose2d",
    .summary = "transposed convolution",
    .notes = "x (N,C,H,W), w (C,O/groups,KH,KW), b (O) -> (N,O,OH,OW) with\n"
             "OH = (H-1)*stride - pads + dilation*(KH-1) + 1 + output_pad.",
    .in = { { .name = "x" }, { .name = "w" }, { .name = "b", .optional = true } },
    .attr = { STRIDE,
              PAD4,
              { "output_pad", LCL_ATTR_PAIR, "0", "rows and columns added at bottom/right", NULL },
              DILATION,
              GROUPS },
    CONV_COMMON(TRANSPOSED) },
  { .name = "masked_conv2d",
    .summary = "PixelRNN's masked convolution",
    .notes =
        "As conv2d, but weights of pixels after the centre (in reading order) count as zero,\n"
        "whatever they hold; at the centre, type A keeps weights from earlier image channels\n"
        "only, B from the own one too. With colours=3 the channels of both sides are thirds,\n"
        "the remainder in the first; with gates=4 the thirds are counted within each quarter\n"
        "of the output. interleaved: channel k belongs to image channel k mod colours instead.",
    .in = { { .name = "x" }, { .name = "w" }, { .name = "b", .optional = true } },
    .attr = { { "type", LCL_ATTR_CHOICE, NULL, "mask", "A|B" },
              { "colours", LCL_ATTR_INT, "1", "image channels that divide the maps, 1 or 3", NULL },
              PAD,
              STRIDE,
              { "gates", LCL_ATTR_INT, "1", "equal parts of the output, each divided so", NULL },
              { "interleaved", LCL_ATTR_BOOL, "false", "channels in turn, not in thirds", NULL } },
    .adjust = poison_masked,
    CONV_COMMON(MASKED) },
  { .name = "conv2d_input_grad",
    .summary = "gradient of conv2d with respect to its image: the tied transposed convolution",
    .notes = "gy (N,O,OH,OW), w (O,C/groups,KH,KW) -> the image's shape (N,C,H,W).",
    .in = { { .name = "gy" }, { .name = "w" } },
    .attr = { { "shape", LCL_ATTR_LIST, NULL, "shape of the image", NULL },
              STRIDE,
              PAD,
              DILATION,
              GROUPS },
    CONV_COMMON(INPUT_GRAD) },
  { .name = "conv2d_filter_grad",
    .summary = "gradient of conv2d with respect to its filter",
    .notes = "x (N,C,H,W), gy (N,O,OH,OW) -> the filter's shape (O,C/groups,KH,KW).",
    .in = { { .name = "x" }, { .name = "gy" } },
    .attr = { { "shape", LCL_ATTR_LIST, NULL, "shape of the filter", NULL },
              STRIDE,
              PAD,
              DILATION,
              GROUPS },
    CONV_COMMON(FILTER_GRAD) },
};
const size_t lcl__conv_spec_count = LCL_COUNT(lcl__conv_specs);
