/* Losses of deep-hash and DEC, and DEC's targets over a whole set, against plain C in double
 * precision. */
#include "context.h"

#include <math.h>

#include "models/build.h"

/* ---- deep-hash: its loss, of the codes that evaluation gives ---- */

enum { B = 6, PIXELS = 12, BITS = 3 };

static double expected_loss(const float *share, double lam, double mu) {
  double quantisation = 0, balance = 0, orthogonality = 0, h[B][BITS];
  for (int i = 0; i < B; i++)
    for (int d = 0; d < BITS; d++) {
      h[i][d] = 2 * (double)share[i * BITS + d] - 1;
      const double off = (h[i][d] > 0 ? 1 : -1) - h[i][d];
      quantisation += off * off / 2 / B;
    }
  for (int d = 0; d < BITS; d++) {
    double mean = 0;
    for (int i = 0; i < B; i++) mean += h[i][d] / B;
    balance += mean * mean;
    for (int e = 0; e < BITS; e++) {
      double together = 0;
      for (int i = 0; i < B; i++) together += h[i][d] * h[i][e] / B;
      orthogonality += (together - (d == e)) * (together - (d == e));
    }
  }
  return quantisation + lam / 2 * balance + mu / 2 * orthogonality;
}

/* ||W W^T - I||^2 of a matrix of the store. */
static double rows_apart(lcl_store *store, const char *name, int rows, int width) {
  float w[64];
  double sum = 0;
  ASSERT_OK(lcl_store_read(store, name, w, (size_t)(rows * width) * sizeof *w));
  for (int a = 0; a < rows; a++)
    for (int c = 0; c < rows; c++) {
      double product = -(a == c);
      for (int k = 0; k < width; k++)
        product += (double)w[a * width + k] * (double)w[c * width + k];
      sum += product * product;
    }
  return sum;
}

static void compute(const lcl_model *m, lcl_store *store, lcl_model_mode mode, const float *x,
                    float *out, size_t bytes) {
  lcl_graph *g;
  lcl_build b;
  lcl_program *p;
  ASSERT_OK(lcl_graph_create(store, "test", &g));
  ASSERT_OK(lcl__build_init(&b, m, g, mode, B, 0));
  lcl_tensor *wanted = mode == LCL_MODE_TRAIN ? b.loss : b.features;
  static const float index[B] = { 4, 0, 5, 2, 1, 3 };
  ASSERT_OK(lcl_compile(
      g, &(lcl_compile_desc) { .fetch = &wanted, .n_fetch = 1, .only_fetch = true }, &p));
  ASSERT_OK(lcl_feed(p, "image", x, B * PIXELS * sizeof *x));
  if (b.side) ASSERT_OK(lcl_feed(p, "side", index, sizeof index));
  ASSERT_OK(lcl_run(p));
  ASSERT_OK(lcl_fetch(p, "#0", out, bytes));
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
}

static void deep_hash(void **state) {
  (void)state;
  const lcl_model_data data = {
    .name = "test", .channels = 1, .height = 3, .width = 4, .classes = 2
  };
  static const char *const set[] = { "task=hash", "system=deep-hash", "bits=3",         "hidden=5",
                                     "lam=0.7",   "mu=0.3",           "orthonormal=0.9" };
  const lcl_model_class *cls;
  lcl_options *o;
  lcl_model *m;
  lcl_store *store;
  float x[B * PIXELS], share[B * BITS], loss;
  for (int i = 0; i < B * PIXELS; i++) x[i] = (float)((i * 37) % 23) / 11 - 1;
  ASSERT_OK(lcl_model_find("imsat", &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  for (size_t i = 0; i < LCL_COUNT(set); i++) ASSERT_OK(lcl_options_set_pair(o, set[i]));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  ASSERT_OK(lcl_store_create(ctx, 3, &store));
  compute(m, store, LCL_MODE_EVAL, x, share, sizeof share);
  compute(m, store, LCL_MODE_TRAIN, x, &loss, sizeof loss);
  const double rows = rows_apart(store, "fc1.weight", 5, PIXELS) +
                      rows_apart(store, "fc2.weight", BITS, 5);
  assert_float_equal(loss, expected_loss(share, 0.7, 0.3) + 0.9 / 2 * rows, 2e-5);
  lcl_store_destroy(store);
  lcl_model_destroy(m);
  ASSERT_OK(lcl_options_set_pair(o, "task=cluster"));
  ASSERT_STATUS(lcl_model_create(cls, o, &data, &m), LCL_ERR_ARGUMENT);
  lcl_options_destroy(o);
}

/* ---- DEC ---- */

enum { LATENT = 2, K = 3 };

/* p_ij = q_ij^2/f_j, normalised, of memberships q: over all examples. */
static void expected_targets(double q[B][K], double p[B][K]) {
  double f[K] = { 0 };
  for (int i = 0; i < B; i++)
    for (int c = 0; c < K; c++) f[c] += q[i][c];
  for (int i = 0; i < B; i++) {
    double sum = 0;
    for (int c = 0; c < K; c++) sum += p[i][c] = q[i][c] * q[i][c] / f[c];
    for (int c = 0; c < K; c++) p[i][c] /= sum;
  }
}

static void memberships(const float *code, const float *centres, double q[B][K]) {
  for (int i = 0; i < B; i++) {
    double sum = 0;
    for (int c = 0; c < K; c++) {
      double distance = 0;
      for (int d = 0; d < LATENT; d++)
        distance += pow((double)code[i * LATENT + d] - (double)centres[c * LATENT + d], 2);
      sum += q[i][c] = 1 / (1 + distance);
    }
    for (int c = 0; c < K; c++) q[i][c] /= sum;
  }
}

static void dec_targets(void **state) {
  (void)state;
  const lcl_model_data data = {
    .name = "test", .channels = 1, .height = 3, .width = 4, .classes = K, .train = B
  };
  static const char *const set[] = { "system=dec", "hidden=5", "latent=2", "update_interval=7" };
  static const float centres[K * LATENT] = { 0.5f, -1, 0, 0.25f, -0.75f, 1 };
  /* Rows of the batch are the examples in another order, as the side table of compute() says. */
  static const int order[B] = { 4, 0, 5, 2, 1, 3 };
  const lcl_model_class *cls;
  lcl_options *o;
  lcl_model *m;
  lcl_store *store;
  float x[B * PIXELS], rows[B * PIXELS], code[B * LATENT], targets[B * K], loss;
  double q[B][K], p[B][K], want = 0;
  for (int i = 0; i < B * PIXELS; i++) x[i] = (float)((i * 37) % 23) / 11 - 1;
  for (int i = 0; i < B; i++)
    memcpy(rows + (ptrdiff_t)i * PIXELS, x + (ptrdiff_t)order[i] * PIXELS, PIXELS * sizeof *x);
  ASSERT_OK(lcl_model_find("dec", &cls));
  ASSERT_OK(lcl_model_options(cls, &o));
  for (size_t i = 0; i < LCL_COUNT(set); i++) ASSERT_OK(lcl_options_set_pair(o, set[i]));
  ASSERT_OK(lcl_model_create(cls, o, &data, &m));
  lcl_options_destroy(o);
  assert_int_equal(m->settings.refresh_every, 7);
  const lcl_model_examples examples = { B, PIXELS, x, NULL, 0 };
  ASSERT_OK(cls->prepare(m, ctx, &examples));
  for (int i = 0; i < B; i++) assert_true(m->side[i] == (float)i);
  ASSERT_OK(lcl_store_create(ctx, 3, &store));
  compute(m, store, LCL_MODE_EVAL, x, code, sizeof code);
  compute(m, store, LCL_MODE_TRAIN, rows, &loss, sizeof loss); /* makes the variables */
  ASSERT_OK(lcl_store_write(store, "centres", centres, sizeof centres));
  ASSERT_OK(cls->refresh(m, store, &examples));
  memberships(code, centres, q);
  expected_targets(q, p);
  ASSERT_OK(lcl_store_read(store, "train.targets", targets, sizeof targets));
  for (int i = 0; i < B; i++)
    for (int c = 0; c < K; c++) {
      assert_float_equal(targets[i * K + c], p[i][c], 1e-5);
      want += p[i][c] * log(p[i][c] / q[i][c]) / B;
    }
  compute(m, store, LCL_MODE_TRAIN, rows, &loss, sizeof loss);
  assert_float_equal(loss, want, 1e-5);
  /* The first centres are by the run's seed. */
  float first[K * LATENT], by_seed[K * LATENT];
  bool differ = false;
  for (uint64_t seed = 0; seed < 8; seed++) {
    ASSERT_OK(cls->start(m, store, &(lcl_model_examples) { B, PIXELS, x, NULL, seed }));
    ASSERT_OK(lcl_store_read(store, "centres", by_seed, sizeof by_seed));
    if (seed == 0) memcpy(first, by_seed, sizeof first);
    differ |= memcmp(first, by_seed, sizeof first) != 0;
  }
  assert_true(differ);
  lcl_store_destroy(store);
  lcl_model_destroy(m);
}

/* A stage trains its layer and its mirror and no other. */
static void dae_stages(void **state) {
  (void)state;
  static const char *const moves[3][2] = { { "enc1.weight", "out.weight" },
                                           { "enc2.weight", "dec1.weight" },
                                           { "code.weight", "dec2.weight" } };
  static const char *const all[] = { "enc1.weight", "enc2.weight", "code.weight",
                                     "dec2.weight", "dec1.weight", "out.weight" };
  const lcl_model_data data = {
    .name = "test", .channels = 1, .height = 3, .width = 4, .classes = K, .train = B
  };
  float x[B * PIXELS], before[64], after[64];
  for (int i = 0; i < B * PIXELS; i++) x[i] = (float)((i * 37) % 23) / 23;
  for (int stage = 1; stage <= 3; stage++) {
    const lcl_model_class *cls;
    lcl_options *o;
    lcl_model *m;
    lcl_store *store;
    lcl_graph *g;
    lcl_build b;
    lcl_program *p;
    char text[16];
    snprintf(text, sizeof text, "stage=%d", stage);
    ASSERT_OK(lcl_model_find("dec", &cls));
    ASSERT_OK(lcl_model_options(cls, &o));
    ASSERT_OK(lcl_options_set_pair(o, text));
    ASSERT_OK(lcl_options_set_pair(o, "hidden=5,4"));
    ASSERT_OK(lcl_options_set_pair(o, "latent=3"));
    ASSERT_OK(lcl_options_set_pair(o, "mask=0"));
    ASSERT_OK(lcl_model_create(cls, o, &data, &m));
    lcl_options_destroy(o);
    ASSERT_OK(lcl_store_create(ctx, 3, &store));
    ASSERT_OK(lcl_graph_create(store, "train", &g));
    ASSERT_OK(lcl__build_init(&b, m, g, LCL_MODE_TRAIN, B, 0));
    lcl_optimiser_desc d = { .kind = LCL_SGD, .rate = 0.1f };
    lcl_minimise(b.loss, &d);
    ASSERT_OK(lcl_compile(g, &(lcl_compile_desc) { 0 }, &p));
    ASSERT_OK(lcl_feed(p, "image", x, sizeof x));
    for (size_t i = 0; i < LCL_COUNT(all); i++) {
      const bool moving = strcmp(all[i], moves[stage - 1][0]) == 0 ||
                          strcmp(all[i], moves[stage - 1][1]) == 0;
      size_t bytes = 0;
      for (size_t k = 0; k < lcl_store_count(store); k++) {
        const lcl_var_info v = lcl_store_info(store, k);
        if (strcmp(v.name, all[i]) == 0) bytes = (size_t)lcl_shape_count(v.shape) * sizeof(float);
      }
      assert_in_range(bytes, 4, sizeof before);
      ASSERT_OK(lcl_store_read(store, all[i], before, bytes));
      ASSERT_OK(lcl_run(p));
      ASSERT_OK(lcl_store_read(store, all[i], after, bytes));
      if ((memcmp(before, after, bytes) != 0) != moving)
        fail_msg("stage %d: %s %s", stage, all[i], moving ? "stays" : "moves");
    }
    lcl_program_destroy(p);
    lcl_graph_destroy(g);
    lcl_store_destroy(store);
    lcl_model_destroy(m);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(deep_hash),
    cmocka_unit_test(dec_targets),
    cmocka_unit_test(dae_stages),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
