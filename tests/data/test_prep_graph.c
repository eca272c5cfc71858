/* Preprocessing as nodes of a graph against the one on the host, every kind of it. */
#include <math.h>

#include "data/prep.h"
#include "latentcl/ops.h"
#include "context.h"

enum { N = 3, C = 3, H = 9, W = 8, ALL = C * H * W };

/* Statistics that no data would give: every number counts. */
static void make_statistics(lcl_prep *p) {
  const size_t n = lcl__prep_elements(p);
  p->mean = lcl__alloc(n * sizeof *p->mean);
  p->deviation = lcl__alloc(n * sizeof *p->deviation);
  p->zca = lcl__alloc(n * n * sizeof *p->zca);
  for (size_t i = 0; i < n; i++) {
    p->mean[i] = 0.1f * (float)(i % 7);
    p->deviation[i] = 0.5f + 0.25f * (float)(i % 3);
    for (size_t k = 0; k < n; k++) p->zca[i * n + k] = (float)((i * k + i + k) % 11) / 50;
  }
}

static void check(lcl_prep_desc desc) {
  lcl_prep *p;
  lcl_store *store;
  lcl_graph *g;
  lcl_program *program;
  lcl_tensor *y;
  float in[N * ALL], want[N * ALL], got[N * ALL];
  uint32_t seed = 5;
  for (size_t i = 0; i < LCL_COUNT(in); i++) {
    seed = seed * 1664525u + 1013904223u;
    in[i] = i < ALL ? 0.3f : (float)(seed >> 8) / (float)(1 << 24); /* the first image is flat */
  }
  ASSERT_OK(lcl__prep_new(&desc, C, H, W, &p));
  make_statistics(p);
  const size_t n = (size_t)(p->c * p->out_h * p->out_w);
  for (int i = 0; i < N; i++) ASSERT_OK(lcl_prep_apply(p, in + i * ALL, want + (size_t)i * n));
  ASSERT_OK(lcl_store_create(ctx, 1, &store));
  ASSERT_OK(lcl_graph_create(store, "prep", &g));
  ASSERT_OK(lcl__prep_graph(p, lcl_input(g, "image", LCL_F32, LCL_SHAPE(N, C, H, W)), &y));
  assert_true(lcl_shape_equal(lcl_tensor_shape(y), LCL_SHAPE(N, p->c, p->out_h, p->out_w)));
  ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { .fetch = &y, .n_fetch = 1 }, &program));
  ASSERT_OK(lcl_feed(program, "image", in, sizeof in));
  ASSERT_OK(lcl_run(program));
  ASSERT_OK(lcl_fetch(program, "#0", got, N * n * sizeof *got));
  /* The threshold of local contrast, 1e-4, divides the rounding errors of a flat image, up to 1e-7.
   */
  const bool flat = desc.contrast == LCL_CONTRAST_LOCAL_Y;
  for (size_t i = 0; i < N * n; i++)
    if (!(fabs((double)got[i] - (double)want[i]) <=
          (flat && i < n ? 5e-3 : 2e-5) * fmax(1, fabs((double)want[i]))))
      fail_msg("colour %d contrast %d centre %d: element %zu is %.9g, not %.9g", desc.colour,
               desc.contrast, desc.centre, i, (double)got[i], (double)want[i]);
  lcl_program_destroy(program);
  lcl_graph_destroy(g);
  lcl_store_destroy(store);
  lcl_prep_destroy(p);
}

static void every_kind(void **state) {
  (void)state;
  for (int colour = LCL_COLOUR_KEEP; colour <= LCL_COLOUR_YUV; colour++)
    check((lcl_prep_desc) { .colour = colour });
  for (int contrast = LCL_CONTRAST_NONE; contrast <= LCL_CONTRAST_UNIT_NORM; contrast++)
    check((lcl_prep_desc) { .contrast = contrast, .gcn_scale = 3 });
  for (int centre = LCL_CENTRE_NONE; centre <= LCL_CENTRE_ZCA; centre++)
    check((lcl_prep_desc) { .centre = centre, .gain = 255.0f / 128, .shift = -1, .crop = 5 });
  check((lcl_prep_desc) {
      .colour = LCL_COLOUR_YUV, .contrast = LCL_CONTRAST_LOCAL_Y, .centre = LCL_CENTRE_CHROMA });
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(every_kind) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
