/* Convolution, its input gradient and its filter gradient against the double-precision reference.
 */
#include "latentcl/algorithm.h"
#include "ops/winograd_bound.h"
#include "reference/reference.h"

static lcl_context *ctx;
static bool small; /* simulators are slow */

static int setup(void **state) {
  (void)state;
  if (lcl_context_create(NULL, &ctx) != LCL_OK) fail_msg("%s", lcl_error_message());
  small = device_is("oclgrind");
  return 0;
}
static int teardown(void **state) {
  (void)state;
  lcl_context_destroy(ctx);
  return 0;
}

/* Of the operands and the result of a pass. */
typedef struct shapes {
  lcl_shape a, b, c;
} shapes;

static shapes shapes_of(const lcl_ref_conv *d, conv_kind kind) {
  const lcl_shape x = LCL_SHAPE(d->n, d->c, d->h, d->w),
                  w = LCL_SHAPE(d->o, d->c / d->groups, d->kh, d->kw),
                  y = LCL_SHAPE(d->n, d->o, d->oh, d->ow);
  return kind == FORWARD      ? (shapes) { x, w, y }
         : kind == INPUT_GRAD ? (shapes) { y, w, x }
                              : (shapes) { x, y, w };
}

/* method: whose bound holds; NULL: that of the terms of a sum. */
static void check(rng *r, const lcl_ref_conv *d, const lcl_conv_desc *desc, conv_kind kind,
                  bool integers, bool bias, const minimal *method) {
  char what[256];
  snprintf(what, sizeof what,
           "conv kind %d n %d c %d h %d w %d o %d k %dx%d out %dx%d stride %d,%d pad %d,%d "
           "dilation %d,%d "
           "groups %d",
           (int)kind, (int)d->n, (int)d->c, (int)d->h, (int)d->w, (int)d->o, (int)d->kh, (int)d->kw,
           (int)d->oh, (int)d->ow, (int)d->stride_y, (int)d->stride_x, (int)d->top, (int)d->left,
           (int)d->dilation_y, (int)d->dilation_x, (int)d->groups);
  const shapes s = shapes_of(d, kind);
  const int64_t channels = kind == FORWARD ? d->o : d->c,
                plane = kind == FORWARD ? d->oh * d->ow : d->h * d->w;
  values a = values_random(r, (size_t)lcl_shape_count(s.a), integers),
         b = values_random(r, (size_t)lcl_shape_count(s.b), integers);
  values e = values_random(r, (size_t)channels, integers),
         c = values_new((size_t)lcl_shape_count(s.c));
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "t", &g));
  lcl_tensor *te = bias ? lcl_input(g, "bias", LCL_F32, LCL_SHAPE(channels)) : NULL;
  lcl_tensor *ta = lcl_input(g, "a", LCL_F32, s.a), *tb = lcl_input(g, "b", LCL_F32, s.b),
             *y = NULL;
  int64_t terms = 0;
  switch (kind) {
  case FORWARD:
    lcl__ref_conv2d(d, a.d, b.d, NULL, c.d);
    lcl__ref_conv2d(d, a.magnitude, b.magnitude, NULL, c.magnitude);
    y = lcl_conv2d(ta, tb, te, desc);
    terms = d->c / d->groups * d->kh * d->kw;
    break;
  case INPUT_GRAD:
    lcl__ref_conv2d_input_grad(d, a.d, b.d, c.d);
    lcl__ref_conv2d_input_grad(d, a.magnitude, b.magnitude, c.magnitude);
    y = lcl_conv2d_input_grad(ta, tb, s.c, desc);
    if (bias) y = lcl_add(y, lcl_reshape(te, LCL_SHAPE(channels, 1, 1)));
    terms = d->o / d->groups * d->kh * d->kw;
    break;
  case FILTER_GRAD:
    lcl__ref_conv2d_filter_grad(d, a.d, b.d, c.d);
    lcl__ref_conv2d_filter_grad(d, a.magnitude, b.magnitude, c.magnitude);
    y = lcl_conv2d_filter_grad(ta, tb, s.c, desc);
    terms = d->n * d->oh * d->ow;
    break;
  }
  if (method) terms = winograd_bound(d, kind, method, &a, &b, &c);
  if (bias && kind != FILTER_GRAD) {
    for (size_t i = 0; i < c.n; i++) {
      const size_t channel = i / (size_t)plane % (size_t)channels;
      c.d[i] = LCL_MAX(c.d[i] + e.d[channel], 0);
      c.magnitude[i] += e.magnitude[channel];
    }
    y = lcl_relu(y);
  }
  run_graph(g, y, &a, &b, bias && kind != FILTER_GRAD ? &e : NULL, &c);
  compare(what, &c, terms + 1, integers && (!method || method->exact));
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  values_free(&a), values_free(&b), values_free(&c), values_free(&e);
}

static lcl_conv_problem problem_of(const lcl_ref_conv *d, const lcl_conv_desc *desc,
                                   lcl_conv_pass pass) {
  return (lcl_conv_problem) { .pass = pass,
                              .s = { d->n, d->c, d->h, d->w, d->o, d->kh, d->kw, d->oh, d->ow },
                              .a = { .stride = { d->stride_y, d->stride_x },
                                     .pad = { d->top, desc->pad[1], d->left, desc->pad[3] },
                                     .dilation = { d->dilation_y, d->dilation_x },
                                     .groups = d->groups } };
}

/* The bound of what is taken where nothing was measured. */
static const minimal *usual_method(const lcl_ref_conv *d, const lcl_conv_desc *desc,
                                   conv_kind kind) {
  const lcl_conv_problem p = problem_of(d, desc, (lcl_conv_pass)(1 << kind));
  if (d->n * d->c * d->o == 0) return NULL;
  const lcl_choice c = lcl__kind_default(&lcl__conv_kind, lcl__context_caps(ctx), &p);
  return method_of(lcl__conv_implementation_of(c.implementation));
}

static void all_kinds(rng *r, const lcl_ref_conv *d, const lcl_conv_desc *desc, bool integers,
                      bool bias) {
  for (int k = FORWARD; k <= FILTER_GRAD; k++)
    check(r, d, desc, (conv_kind)k, integers, bias, usual_method(d, desc, (conv_kind)k));
}

/* Output size of one dimension; false where nothing fits. */
static bool out_size(int64_t in, int64_t k, int64_t stride, int64_t before, int64_t after,
                     int64_t dilation, int64_t *out) {
  const int64_t room = in + before + after - (dilation * (k - 1) + 1);
  if (room < 0) return false;
  *out = room / stride + 1;
  return true;
}

static void random_shapes(void **state) {
  (void)state;
  rng r = { 11 };
  const int count = small ? 4 : 200;
  for (int i = 0; i < count;) {
    lcl_ref_conv d = { .groups = below(&r, 4) ? 1 : below(&r, 3) + 1 };
    d.n = below(&r, 20) ? below(&r, small ? 2 : 5) + 1 : 0;
    d.c = d.groups * size_of(&r, small ? 5 : 33, false);
    d.o = d.groups * size_of(&r, small ? 5 : 33, false);
    d.h = below(&r, 5) ? size_of(&r, small ? 7 : 33, false) : 1;
    d.w = size_of(&r, small ? 7 : 33, false);
    d.kh = below(&r, 5) + 1, d.kw = below(&r, 5) + 1;
    d.stride_y = below(&r, 3) + 1, d.stride_x = below(&r, 3) + 1;
    d.dilation_y = below(&r, 3) ? 1 : below(&r, 3) + 1,
    d.dilation_x = below(&r, 3) ? 1 : below(&r, 3) + 1;
    d.top = below(&r, 3), d.left = below(&r, 3);
    const int64_t bottom = below(&r, 3), right = below(&r, 3);
    if (!out_size(d.h, d.kh, d.stride_y, d.top, bottom, d.dilation_y, &d.oh) ||
        !out_size(d.w, d.kw, d.stride_x, d.left, right, d.dilation_x, &d.ow))
      continue;
    const lcl_conv_desc desc = { .stride = { (int)d.stride_y, (int)d.stride_x },
                                 .pad = { (int)d.top, (int)bottom, (int)d.left, (int)right },
                                 .dilation = { (int)d.dilation_y, (int)d.dilation_x },
                                 .groups = (int)d.groups };
    all_kinds(&r, &d, &desc, i % 2 == 0, below(&r, 2));
    i++;
  }
}

typedef struct layer {
  int64_t n, c, size, o, k, stride, pad;
} layer;

/* Layers of the papers' networks (smaller batches): whole rows, images narrower than a vector,
 * pointwise, strided. */
static void network_layers(void **state) {
  (void)state;
  static const layer layers[] = {
    { 2, 64, 32, 64, 3, 1, 1 }, { 3, 3, 32, 64, 3, 1, 1 },  { 3, 128, 4, 70, 3, 1, 1 },
    { 3, 1, 28, 32, 3, 2, 1 },  { 3, 32, 14, 64, 3, 2, 1 }, { 3, 64, 7, 96, 3, 2, 1 },
    { 2, 32, 28, 64, 1, 1, 0 }, { 2, 1, 28, 32, 7, 1, 3 },  { 2, 48, 8, 40, 5, 1, 2 },
    { 2, 20, 16, 24, 3, 1, 0 }, { 2, 17, 16, 15, 3, 1, 1 }, { 8, 33, 15, 45, 3, 1, 1 },
    { 7, 40, 12, 50, 3, 1, 0 }, { 6, 32, 13, 32, 3, 1, 2 }, { 8, 70, 10, 80, 3, 1, 0 }
  };
  rng r = { 13 };
  for (size_t i = 0; i < (small ? 0 : LCL_COUNT(layers)); i++) {
    const layer *l = &layers[i];
    lcl_ref_conv d = { .n = l->n,
                       .c = l->c,
                       .h = l->size,
                       .w = l->size,
                       .o = l->o,
                       .kh = l->k,
                       .kw = l->k,
                       .stride_y = l->stride,
                       .stride_x = l->stride,
                       .top = l->pad,
                       .left = l->pad,
                       .dilation_y = 1,
                       .dilation_x = 1,
                       .groups = 1 };
    d.oh = d.ow = (l->size + 2 * l->pad - l->k) / l->stride + 1;
    const int s = (int)l->stride, p = (int)l->pad;
    all_kinds(&r, &d, &(lcl_conv_desc) { .stride = { s, s }, .pad = { p, p, p, p } }, i % 2 == 0,
              true);
  }
}

/* Strided convolutions with enough channels for filters as vectors, whose input gradients are one
 * GEMM over all phases of the stride: phases without taps, of different counts, behind
 * asymmetric padding. With both lengths of vectors, where there are panels, and shares of one tile,
 * of rows and of several images.
 */
static void strided(void **state) {
  (void)state;
  forced choices[] = {
    { choice_of("direct-nhwc", (lcl_kernel_params) { .vector = 16, .tiles = 1, .filter_pairs = 1 }),
      0 },
    { choice_of("direct-nhwc", (lcl_kernel_params) { .vector = 8, .tiles = 3, .filter_pairs = 2 }),
      0 },
    { choice_of("direct-nhwc",
                (lcl_kernel_params) { .vector = 16, .tiles = 20, .filter_pairs = 2 }),
      0 },
  };
  lcl_context *whole = ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  rng r = { 29 };
  const int count = small ? 2 : 80;
  for (int i = 0; i < count;) {
    lcl_ref_conv d = { .groups = below(&r, 8) ? 1 : 2 };
    d.n = below(&r, small ? 2 : 6) + 1;
    d.c = d.groups * (24 + (small ? 0 : below(&r, 60)));
    d.o = d.groups * (8 + below(&r, small ? 3 : 60));
    d.h = below(&r, small ? 5 : 20) + 1, d.w = below(&r, small ? 5 : 20) + 1;
    d.kh = below(&r, 4) + 1, d.kw = below(&r, 4) + 1;
    d.stride_y = below(&r, 3) + 1,
    d.stride_x = d.stride_y == 1 ? below(&r, 2) + 2 : below(&r, 3) + 1;
    d.dilation_y = below(&r, 3) ? 1 : below(&r, 3) + 1,
    d.dilation_x = below(&r, 3) ? 1 : below(&r, 3) + 1;
    d.top = below(&r, 4), d.left = below(&r, 4);
    const int64_t bottom = below(&r, 4), right = below(&r, 4);
    if (!out_size(d.h, d.kh, d.stride_y, d.top, bottom, d.dilation_y, &d.oh) ||
        !out_size(d.w, d.kw, d.stride_x, d.left, right, d.dilation_x, &d.ow))
      continue;
    const size_t c = (size_t)i % (LCL_COUNT(choices) + 1);
    if (c < LCL_COUNT(choices))
      lcl__choose_watch(ctx, force, &choices[c]);
    else
      lcl__choose_watch(ctx, NULL, NULL);
    const lcl_conv_desc desc = { .stride = { (int)d.stride_y, (int)d.stride_x },
                                 .pad = { (int)d.top, (int)bottom, (int)d.left, (int)right },
                                 .dilation = { (int)d.dilation_y, (int)d.dilation_x },
                                 .groups = (int)d.groups };
    const bool integers = below(&r, 2), bias = below(&r, 2);
    check(&r, &d, &desc, INPUT_GRAD, integers, bias, NULL);
    check(&r, &d, &desc, FORWARD, integers, bias, NULL);
    i++;
  }
  for (size_t c = 0; c < LCL_COUNT(choices); c++)
    assert_true(!lcl__context_caps(ctx)->packed || small || choices[c].count >= 10);
  lcl_context_destroy(ctx);
  ctx = whole;
}

/* Problems that are parts of one another each have a choice of their own: GEMMs take vectors of 8
 * and 16 in turn. */
static void in_turn(void *user, lcl_lower *lw, const lcl_problem *p) {
  forced *f = user;
  if (p->kind != &lcl__gemm_kind) return;
  f->choice.params.vector = f->count % 2 ? 8 : 16;
  force(user, lw, p);
}

/* The phases of a strided input gradient share a copy of the images only where it has their gaps.
 */
static void phases_apart(void **state) {
  (void)state;
  forced f = { choice_of("packed", (lcl_kernel_params) { .split_k = 1,
                                                         .panels_n = 1,
                                                         .panels_m = 1,
                                                         .kc_capacity = 128,
                                                         .kc = 128,
                                                         .channels_last = 1 }),
               0 };
  const lcl_ref_conv d = { .n = 2,
                           .c = 5,
                           .h = 9,
                           .w = 9,
                           .o = 8,
                           .kh = 3,
                           .kw = 3,
                           .oh = 4,
                           .ow = 4,
                           .stride_y = 2,
                           .stride_x = 2,
                           .dilation_y = 1,
                           .dilation_x = 1,
                           .groups = 1 };
  lcl_context *whole = ctx;
  rng r = { 3 };
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  ASSERT_OK(lcl_algorithm_force(ctx, "conv2d=implicit-gemm"));
  lcl__choose_watch(ctx, in_turn, &f);
  check(&r, &d, &(lcl_conv_desc) { .stride = { 2, 2 } }, INPUT_GRAD, true, false, NULL);
  assert_true(f.count >= 4 || !lcl__context_caps(ctx)->packed);
  lcl_context_destroy(ctx);
  ctx = whole;
}

/* One pass by the Fourier transform against the reference. Errors are relative to the energy of
 * whole images, of two that are transformed together, and of all images that a filter's gradient
 * adds up. */
static void check_fourier(rng *r, const lcl_ref_conv *d, const lcl_conv_desc *desc,
                          conv_kind kind) {
  const shapes s = shapes_of(d, kind);
  const double points = (double)((d->h + 2 * d->top) * (d->w + 2 * d->left)),
               taps = (double)(d->kh * d->kw), channels = (double)(d->c / d->groups),
               filters = (double)(d->o / d->groups);
  values a = values_random(r, (size_t)lcl_shape_count(s.a), false),
         b = values_random(r, (size_t)lcl_shape_count(s.b), false),
         e = values_random(r, (size_t)d->o, false), c = values_new((size_t)lcl_shape_count(s.c));
  lcl_store *store;
  lcl_graph *g;
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "t", &g));
  lcl_tensor *ta = lcl_input(g, "a", LCL_F32, s.a), *tb = lcl_input(g, "b", LCL_F32, s.b),
             *y = NULL;
  double energy = 0;
  switch (kind) {
  case FORWARD:
    lcl__ref_conv2d(d, a.d, b.d, e.d, c.d);
    y = lcl_fft_conv2d(ta, tb, lcl_input(g, "bias", LCL_F32, LCL_SHAPE(d->o)), desc);
    energy = sqrt(2 * points * taps) * channels;
    break;
  case INPUT_GRAD:
    lcl__ref_conv2d_input_grad(d, a.d, b.d, c.d);
    y = lcl_conv2d_input_grad(ta, tb, s.c, desc);
    energy = sqrt(2 * points * taps) * filters;
    break;
  case FILTER_GRAD:
    lcl__ref_conv2d_filter_grad(d, a.d, b.d, c.d);
    y = lcl_conv2d_filter_grad(ta, tb, s.c, desc);
    energy = points * (double)(d->n + d->n % 2);
    break;
  }
  for (size_t k = 0; k < c.n; k++) c.magnitude[k] = energy;
  run_graph(g, y, &a, &b, kind == FORWARD ? &e : NULL, &c);
  compare("convolution by the Fourier transform", &c, 8 * (int64_t)(log2(points) + 1), false);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  values_free(&a), values_free(&b), values_free(&c), values_free(&e);
}

/* All passes, with clFFT and without: odd batches, strides, dilation, groups, prime images. */
static void fourier(const char *disable) {
  static const struct {
    int n, c, h, w, o, k, stride, pad, dilation, groups;
  } cases[] = { { 3, 2, 9, 13, 4, 5, 1, 2, 1, 1 },
                { 2, 4, 17, 16, 6, 7, 2, 3, 1, 2 },
                { 1, 3, 28, 28, 2, 11, 1, 5, 1, 1 },
                { 5, 1, 1, 31, 1, 1, 1, 0, 1, 1 },
                { 2, 2, 20, 19, 2, 5, 3, 1, 4, 1 },
                { 15, 12, 28, 25, 11, 11, 1, 5, 1, 1 } /* enough for clFFT */ };
  rng r = { 17 };
  forced fft = { choice_of("fft", (lcl_kernel_params) { 0 }), 0 };
  lcl_context *whole = ctx;
  ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .disable = disable }, &ctx));
  ASSERT_OK(lcl__choose_watch(ctx, force, &fft));
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    if ((small && i) || (lcl__context_caps(ctx)->clfft && i + 1 < LCL_COUNT(cases))) continue;
    lcl_ref_conv d = {
      .n = cases[i].n, .c = cases[i].c, .h = cases[i].h, .w = cases[i].w, .o = cases[i].o
    };
    d.kh = LCL_MIN(cases[i].k, cases[i].h), d.kw = cases[i].k, d.groups = cases[i].groups;
    d.stride_y = d.stride_x = cases[i].stride, d.dilation_y = d.dilation_x = cases[i].dilation;
    d.top = d.left = cases[i].pad;
    const int s = cases[i].stride, p = cases[i].pad, e = cases[i].dilation;
    assert_true(out_size(d.h, d.kh, s, p, p, e, &d.oh) && out_size(d.w, d.kw, s, p, p, e, &d.ow));
    const lcl_conv_desc desc = {
      .stride = { s, s }, .pad = { p, p, p, p }, .dilation = { e, e }, .groups = (int)d.groups
    };
    fft.count = 0;
    for (int k = FORWARD; k <= FILTER_GRAD; k++) check_fourier(&r, &d, &desc, (conv_kind)k);
    assert_int_equal(fft.count, d.kh * d.kw >= 25 ? 2 : 0); /* the gradients */
  }
  lcl_context_destroy(ctx);
  ctx = whole;
}

static void fourier_any(void **state) {
  (void)state;
  fourier(NULL);
}

static void fourier_own(void **state) {
  (void)state;
  fourier("clfft");
}

/* GEMM kernels a tuner may choose for implicit GEMM, whether or not the cost model would. */
static void every_gemm(void **state) {
  (void)state;
  const struct {
    const char *name;
    lcl_kernel_params params;
  } choices[] = {
    { "packed",
      { .vector = 16,
        .kc_capacity = 128,
        .kc = 48,
        .panels_n = 2,
        .panels_m = 1,
        .split_k = 2,
        .channels_last = 1 } },
    { "packed",
      { .vector = 16,
        .kc_capacity = 128,
        .kc = 48,
        .panels_n = 2,
        .panels_m = 1,
        .split_k = 1,
        .channels_last = 1 } },
    { "packed",
      { .vector = 8,
        .kc_capacity = 256,
        .kc = 64,
        .panels_n = 1,
        .panels_m = 9,
        .split_k = 1,
        .channels_last = 1 } },
    { "packed",
      { .vector = 8, .kc_capacity = 256, .kc = 64, .panels_n = 1, .panels_m = 9, .split_k = 1 } },
    { "tiled", { .tile_m = 32, .tile_n = 32, .vectors = 1, .split_k = 2 } },
    { "tiled", { .tile_m = 32, .tile_n = 64, .vectors = 1, .split_k = 1 } },
    { "tiled", { .tile_m = 128, .tile_n = 64, .vectors = 2, .split_k = 3 } },
    { "tiled", { .tile_m = 64, .tile_n = 64, .vectors = 2, .split_k = 1 } },
  };
  lcl_context *whole = ctx;
  ASSERT_OK(lcl_context_create(NULL, &ctx));
  lcl_caps *caps = (lcl_caps *)lcl__context_caps(ctx);
  const unsigned lanes[] = { caps->unit_lanes, 128 }; /* two ways to tell where an element is */
  const bool packed = caps->packed;
  forced implicit = { .choice = choice_of("implicit-gemm", (lcl_kernel_params) { 0 }) };
  lcl__choose_watch(ctx, force, &implicit);
  for (size_t i = 0; i < (small ? 0 : LCL_COUNT(choices)); i++) {
    forced f = { .choice = choice_of(choices[i].name, choices[i].params) };
    if (!packed && strcmp(choices[i].name, "packed") == 0) continue;
    caps->unit_lanes = lanes[i % 2];
    lcl__choose_watch(ctx, force, &f);
    rng r = { 23 };
    for (int s = 1; s <= 2; s++) {
      lcl_ref_conv d = { .n = 3,
                         .c = 18,
                         .h = 9,
                         .w = 17,
                         .o = 11,
                         .kh = 3,
                         .kw = 3,
                         .stride_y = s,
                         .stride_x = s,
                         .top = 1,
                         .left = 1,
                         .dilation_y = 1,
                         .dilation_x = 1,
                         .groups = 1 };
      assert_true(out_size(d.h, 3, s, 1, 1, 1, &d.oh) && out_size(d.w, 3, s, 1, 1, 1, &d.ow));
      all_kinds(&r, &d, &(lcl_conv_desc) { .stride = { s, s }, .pad = { 1, 1, 1, 1 } }, true, true);
    }
    assert_true(f.count >= 2);
  }
  lcl_context_destroy(ctx);
  ctx = whole;
}

/* Any rest of channels, filters, taps and pixels, one image and many, images that are divided into
 * blocks of rows; half of them the 3x3 of stride 1, half of few channels, that some want. */
static bool any_sizes(rng *r, lcl_ref_conv *d, lcl_conv_desc *desc) {
  static const int8_t sides[] = { 5, 7, 9, 13, 14, 15, 16, 17, 26, 28, 29, 30, 33 };
  const bool few = below(r, 2), simple = below(r, 2);
  *d = (lcl_ref_conv) { .n = below(r, small ? 2 : 7) + 1,
                        .c = below(r, few     ? 4
                                      : small ? 9
                                              : 71) +
                             1,
                        .o = below(r, small ? 6 : 61) + 1,
                        .groups = 1 };
  const int64_t most_sides = small ? 3 : few ? LCL_COUNT(sides) : 7;
  d->h = below(r, 8) ? sides[below(r, most_sides)] : 1;
  d->w = sides[below(r, most_sides)];
  d->kh = below(r, few ? 7 : 5) + 1, d->kw = below(r, 2) ? d->kh : below(r, 5) + 1;
  d->stride_y = below(r, 3) + 1, d->stride_x = below(r, 2) ? d->stride_y : below(r, 3) + 1;
  d->dilation_y = below(r, 4) ? 1 : 2, d->dilation_x = below(r, 4) ? 1 : below(r, 3) + 1;
  d->top = below(r, 5), d->left = below(r, 5);
  if (simple) d->kh = d->kw = 3, d->stride_y = d->stride_x = d->dilation_y = d->dilation_x = 1;
  const int64_t bottom = simple ? d->top : below(r, 5), right = simple ? d->left : below(r, 5);
  *desc = (lcl_conv_desc) { .stride = { (int)d->stride_y, (int)d->stride_x },
                            .pad = { (int)d->top, (int)bottom, (int)d->left, (int)right },
                            .dilation = { (int)d->dilation_y, (int)d->dilation_x } };
  return out_size(d->h, d->kh, d->stride_y, d->top, bottom, d->dilation_y, &d->oh) &&
         out_size(d->w, d->kw, d->stride_x, d->left, right, d->dilation_x, &d->ow) &&
         d->oh * d->ow >= 16;
}

/* Winograd's filters transformed before or in passing, in blocks of one tile to all; tiled: the
 * tiles of a filter gradient in parts. */
static void any_tiling(rng *r, conv_kind kind, lcl_kernel_params *p) {
  p->stream = below(r, 2);
  p->tiles = 1 + below(r, 40);
  if (kind == FILTER_GRAD) p->split_k = 1 + below(r, 8);
}

/* `count` convolutions of a pass by one implementation, with its own parameters for each. */
static void check_implementation(const lcl_conv_implementation *im, conv_kind kind, int count) {
  const lcl_caps *caps = lcl__context_caps(ctx);
  const minimal *method = method_of(im);
  rng r = { 29 };
  for (int i = 0, tries = 0; i < count && tries < 20000; tries++) {
    lcl_ref_conv d;
    lcl_conv_desc desc;
    if (!any_sizes(&r, &d, &desc)) continue;
    if (i == 0) d.n = 1; /* with a bias: some take another way there */
    lcl_conv_problem p = problem_of(&d, &desc, (lcl_conv_pass)(1 << kind));
    p.has_bias = kind != FILTER_GRAD && (i == 0 || below(&r, 2));
    p.act = p.has_bias ? LCL_ACT_RELU : LCL_ACT_NONE;
    if (!lcl__conv_kind.supported(&im->base, caps, &p)) continue;
    forced f = { .choice = lcl__kind_start(&lcl__conv_kind, &im->base, caps, &p) };
    if (method && i % 4) any_tiling(&r, kind, &f.choice.params);
    if (!lcl__kind_legal(&lcl__conv_kind, caps, &p, &f.choice)) continue;
    lcl__choose_watch(ctx, force, &f);
    check(&r, &d, &desc, kind, i % 2 == 0, p.has_bias, method);
    assert_int_equal(f.count, 1);
    i++;
  }
  lcl__choose_watch(ctx, NULL, NULL);
}

/* Filter gradients of fewer filters than channels, in which images and gradients change places:
 * oblong filters, asymmetric padding up to a filter's size (the last case: beyond it, where they
 * cannot), several blocks of rows. */
static void few_filters(void **state) {
  (void)state;
  static const struct {
    int64_t n, c, h, w, o, kh, kw;
    int top, bottom, left, right;
  } cases[] = { { 3, 9, 7, 13, 2, 3, 2, 0, 2, 1, 0 },   { 3, 16, 12, 11, 1, 5, 5, 4, 4, 4, 4 },
                { 2, 8, 16, 16, 4, 7, 7, 6, 6, 6, 6 },  { 2, 5, 20, 33, 1, 1, 1, 0, 0, 0, 0 },
                { 2, 17, 60, 50, 3, 3, 5, 1, 0, 4, 2 }, { 2, 6, 6, 9, 1, 2, 3, 2, 0, 1, 1 } };
  rng r = { 37 };
  for (size_t i = 0; lcl__context_caps(ctx)->packed && i < (small ? 1 : LCL_COUNT(cases)); i++) {
    lcl_ref_conv d = { .n = cases[i].n,
                       .c = cases[i].c,
                       .h = cases[i].h,
                       .w = cases[i].w,
                       .o = cases[i].o,
                       .kh = cases[i].kh,
                       .kw = cases[i].kw,
                       .stride_y = 1,
                       .stride_x = 1,
                       .top = cases[i].top,
                       .left = cases[i].left,
                       .dilation_y = 1,
                       .dilation_x = 1,
                       .groups = 1 };
    const lcl_conv_desc desc = { .pad = { cases[i].top, cases[i].bottom, cases[i].left,
                                          cases[i].right } };
    assert_true(out_size(d.h, d.kh, 1, d.top, desc.pad[1], 1, &d.oh) &&
                out_size(d.w, d.kw, 1, d.left, desc.pad[3], 1, &d.ow));
    forced few = { choice_of("few-channel", (lcl_kernel_params) { 0 }), 0 };
    lcl__choose_watch(ctx, force, &few);
    check(&r, &d, &desc, FILTER_GRAD, i % 2 == 0, false, NULL);
    assert_int_equal(few.count, 1);
  }
  lcl__choose_watch(ctx, NULL, NULL);
}

/* No images, no channels, no filters: every implementation takes 3x3 filters of stride 1. */
static void nothing_to_compute(void **state) {
  (void)state;
  for (int none = 0; none < 3; none++) {
    rng r = { 31 };
    const lcl_ref_conv d = { .n = none == 0 ? 0 : 3,
                             .c = none == 1 ? 0 : 40,
                             .o = none == 2 ? 0 : 40,
                             .h = 9,
                             .w = 9,
                             .oh = 9,
                             .ow = 9,
                             .kh = 3,
                             .kw = 3,
                             .stride_y = 1,
                             .stride_x = 1,
                             .top = 1,
                             .left = 1,
                             .dilation_y = 1,
                             .dilation_x = 1,
                             .groups = 1 };
    all_kinds(&r, &d, &(lcl_conv_desc) { .pad = { 1, 1, 1, 1 } }, true, true);
  }
}

/* Every row of the list where the cost model would not take it, with both lengths of vectors, whose
 * tiles are of different sizes. (The Fourier transform has a test of its own.)
 */
static void every_implementation(void **state) {
  (void)state;
  static const char *const without[] = { NULL, "vector=8" };
  lcl_context *whole = ctx;
  for (int v = 0; v < 2; v++) {
    ASSERT_OK(lcl_context_create(&(lcl_context_desc) { .disable = without[v] }, &ctx));
    for (int i = 0; lcl__conv_kind.list[i]; i++) {
      const lcl_conv_implementation *im = lcl__conv_implementation_of(lcl__conv_kind.list[i]);
      const bool library = strstr(im->base.name, "clblast"); /* compiles for each shape */
      if (im->tolerance && !method_of(im)) continue;
      for (int kind = FORWARD; kind <= FILTER_GRAD; kind++)
        if (im->passes & (1u << kind))
          check_implementation(im, (conv_kind)kind, small || library ? 2 : method_of(im) ? 16 : 30);
    }
    lcl_context_destroy(ctx);
  }
  ctx = whole;
}

/* What is taken on a GPU with an H100's figures where nothing was measured: Winograd where it saves
 * much, in every pass, and not where most of a tile is outside or the filters outweigh the tiles.
 */
static void gpu_choice(void **state) {
  (void)state;
  static const struct {
    int64_t n, c, o, size;
    bool winograd[3];
  } cases[] = { { 32, 128, 128, 16, { true, true, true } },
                { 32, 256, 256, 8, { true, true, true } },
                { 32, 512, 512, 2, { false } },
                { 32, 64, 64, 32, { false, false, true } },
                { 32, 39, 128, 16, { false } },
                { 1, 64, 64, 8, { false } } };
  lcl_caps caps = *lcl__context_caps(ctx);
  caps.type = CL_DEVICE_TYPE_GPU;
  caps.compute_units = 132, caps.unit_lanes = 128;
  caps.packed = caps.local_is_global = caps.clblast = caps.clfft = false;
  caps.max_work_group = 1024, caps.local_mem = 48 << 10;
  caps.global_mem = (size_t)80 << 30, caps.max_alloc = (size_t)20 << 30;
  for (size_t i = 0; i < LCL_COUNT(cases); i++)
    for (int k = FORWARD; k <= FILTER_GRAD; k++) {
      const int64_t n = cases[i].size;
      const lcl_conv_problem p = {
        .pass = (lcl_conv_pass)(1 << k),
        .s = { cases[i].n, cases[i].c, n, n, cases[i].o, 3, 3, n, n },
        .a = { .stride = { 1, 1 }, .pad = { 1, 1, 1, 1 }, .dilation = { 1, 1 }, .groups = 1 }
      };
      const lcl_choice c = lcl__kind_default(&lcl__conv_kind, &caps, &p);
      const bool winograd = strcmp(c.implementation->name, "winograd-4x4-tiled") == 0;
      if (winograd != cases[i].winograd[k])
        fail_msg("case %zu, pass %d: %s", i, k, c.implementation->name);
      if (winograd) assert_true(k == FILTER_GRAD || c.params.split_k == 1);
      if (winograd && n == 32) assert_int_equal(c.params.split_k, 8); /* else few groups */
      caps.global_mem = (size_t)64 << 20;                             /* no room */
      assert_string_equal(lcl__kind_default(&lcl__conv_kind, &caps, &p).implementation->name,
                          "implicit-gemm");
      caps.global_mem = (size_t)80 << 30;
    }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(random_shapes),
                                      cmocka_unit_test(network_layers),
                                      cmocka_unit_test(strided),
                                      cmocka_unit_test(nothing_to_compute),
                                      cmocka_unit_test(phases_apart),
                                      cmocka_unit_test(every_gemm),
                                      cmocka_unit_test(every_implementation),
                                      cmocka_unit_test(gpu_choice),
                                      cmocka_unit_test(few_filters),
                                      cmocka_unit_test(fourier_own),
                                      cmocka_unit_test(fourier_any) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
