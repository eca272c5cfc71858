/* Clusters and hash codes learnt without labels. Hu et al., "Learning Discrete Representations via
 * Information Maximizing Self-Augmented Training" (2017); Krause et al., "Discriminative Clustering
 * by Regularized Information Maximization" (2010). With p = softmax(f(x)) the systems minimise
 *
 *   imsat-sat                          KL(p(x) || p(T(x))) + lam (H(Y|X) - mu H(Y)), T: --augment
 *   imsat-vat, imsat-rpt, linear-vat   KL(p(x) || p(x + r)) + lam (H(Y|X) - mu H(Y))
 *   deep-rim, linear-rim               lam (H(Y|X) - mu H(Y)), with the optimiser's weight decay
 *
 * with p(x) held constant in the divergence, and r of length alpha * (distance to the tenth
 * neighbour), its direction random (rpt) or virtual adversarial (vat). Codes (task=hash) take the
 * sum over D Bernoulli outputs instead:
 *
 *   lam (sum_d H(Y_d|X) - sum_d H(Y_d) + 2 sum_{d<e} I(Y_d;Y_e))
 *
 * deep-hash is that task's baseline (Erin Liong et al., "Deep Hashing for Compact Binary Codes
 * Learning", 2015): a network of tanh whose outputs h in (-1,1) are to be near their signs,
 * balanced and orthogonal, and the rows of its matrices W orthonormal. H (B,D): outputs of a batch.
 * That paper's spread of H, in the place of the two penalties on the outputs, left few codes.
 *
 *   1/2 ||sgn(h) - h||^2 + lam/2 ||mean h||^2 + mu/2 ||H^T H / B - I||^2
 *     + orthonormal/2 sum ||W W^T - I||^2
 *
 * Every path normalises with batch statistics; only the information term's pass moves the running
 * ones. */
#include <math.h>

#include "base/text.h"
#include "latentcl/nn.h"
#include "models/build.h"
#include "models/clusters.h"
#include "models/registry.h"
#include "nn/evaluate.h"

enum { MAX_HIDDEN = 4 };

static const lcl_option options[] = {
  { "task", LCL_OPTION_CHOICE, "cluster", "what to learn: one of K clusters, or D bits",
    "cluster|hash" },
  { "system", LCL_OPTION_CHOICE, "imsat-vat",
    "objective and network, as in the paper's tables (deep-hash: for codes), or with "
    "--augment's changes as the perturbation (imsat-sat)",
    "linear-rim|deep-rim|linear-vat|imsat-rpt|imsat-vat|imsat-sat|deep-hash" },
  { "clusters", LCL_OPTION_INT, "0", "number of clusters; 0: the classes of the data", "[0,1000]",
    "task=cluster" },
  { "bits", LCL_OPTION_INT, "16", "bits of a code", "[1,64]", "task=hash" },
  { "hidden", LCL_OPTION_INTS, "", "hidden units (default 1200-1200; for codes 400-400)",
    "[1,65536]", "system!=linear-rim|linear-vat" },
  { "lam", LCL_OPTION_FLOAT, "",
    "weight of the information term (default 0.1; 1 for rim, 1.6 for linear-vat), of the balance "
    "of deep-hash (1)",
    "[0,inf)" },
  { "mu", LCL_OPTION_FLOAT, "",
    "weight of the marginal entropy inside it (clusters; default 4; 1 for rim), of the "
    "orthogonality of "
    "deep-hash (1)",
    "[0,inf)" },
  { "orthonormal", LCL_OPTION_FLOAT, "10", "weight of orthonormal rows of the matrices", "[0,inf)",
    "system=deep-hash" },
  { "alpha", LCL_OPTION_FLOAT, "",
    "length of the perturbation over the distance to the neighbour (default 0.25; 2 "
    "for imsat-rpt, whose random directions are felt less)",
    "(0,inf)", "system=linear-vat|imsat-rpt|imsat-vat" },
  { "nn_index", LCL_OPTION_INT, "10",
    "which neighbour, the nearest other point being 0: 10 as in the authors' code, 9 is the tenth",
    "[0,1000]", "system=linear-vat|imsat-rpt|imsat-vat" },
  { "xi", LCL_OPTION_FLOAT, "10", "step of the finite difference behind the adversarial direction",
    "(0,inf)", "system=linear-vat|imsat-vat" },
  { "power_iterations", LCL_OPTION_INT, "1", "how often that direction is refined", "[1,100]",
    "system=linear-vat|imsat-vat" },
  { "init_mode", LCL_OPTION_CHOICE, "code",
    "initial weights as the authors' code or as the paper says them", "code|paper" },
  LCL_CLUSTER_OPTIONS,
  { "queries", LCL_OPTION_INT, "100",
    "queries a class in the evaluation of codes; the rest is searched", "[1,1000000]",
    "task=hash" },
  { "ap_mode", LCL_OPTION_CHOICE, "trapezoid", "how average precision integrates", "trapezoid|step",
    "task=hash" },
};

/* ---- network ---- */

typedef struct imsat {
  const lcl_options *o;
  bool hash, linear, rim, vat, sat, deep_hash;
  int64_t hidden[MAX_HIDDEN], outputs;
  int n_hidden;
  lcl_bn_mode mode;
} imsat;

static lcl_status read_hidden(imsat *n) {
  const char *text = lcl_option_text(n->o, "hidden");
  if (!*text) text = n->hash ? "400-400" : "1200-1200";
  n->n_hidden = lcl__parse_list(text, ",-", 1, 65536, n->hidden, MAX_HIDDEN);
  if (n->n_hidden < 0)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "option hidden: expected up to %d widths as in 1200-1200, got \"%s\"",
                     MAX_HIDDEN, text);
  if (n->linear) n->n_hidden = 0;
  return LCL_OK;
}

static lcl_status read_imsat(imsat *n, const lcl_options *o, const lcl_model_data *d) {
  n->o = o;
  n->hash = lcl_option_is(o, "task", "hash");
  n->linear = strncmp(lcl_option_text(o, "system"), "linear", 6) == 0;
  n->rim = strstr(lcl_option_text(o, "system"), "rim") != NULL;
  n->vat = strstr(lcl_option_text(o, "system"), "vat") != NULL;
  n->sat = lcl_option_is(o, "system", "imsat-sat");
  n->deep_hash = lcl_option_is(o, "system", "deep-hash");
  if (n->deep_hash && !n->hash)
    return lcl__fail(LCL_ERR_ARGUMENT, "system=deep-hash makes codes: it needs task=hash");
  n->outputs = n->hash ? lcl_option_int(o, "bits") : lcl__cluster_count(o, d);
  if (!n->hash && (n->outputs < 2 || n->outputs > 1000))
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "option clusters: 2 to 1000 clusters are possible, not %lld (0 takes the data's "
        "classes)",
        (long long)n->outputs);
  return read_hidden(n);
}

/* The authors ask their framework for scales 0.1 (hidden) and 0.0001 (top), which made deviations
 * of sqrt(scale/fan_in); the paper's words are scale*sqrt(2/fan_in). */
static lcl_init weight_init(const imsat *n, bool top) {
  float scale = top ? 0.0001f : 0.1f;
  if (lcl_option_is(n->o, "init_mode", "paper"))
    return (lcl_init) { .kind = LCL_INIT_HE_NORMAL, .scale = scale };
  return (lcl_init) { .kind = LCL_INIT_FAN_IN_NORMAL, .scale = sqrtf(scale) };
}

/* x (N,F) -> logits (N,outputs): an lcl_block_fn. */
static lcl_tensor *network(void *user, lcl_tensor *x) {
  const imsat *n = user;
  lcl_tensor *h = x;
  char name[24];
  for (int i = 0; i < n->n_hidden; i++) {
    snprintf(name, sizeof name, "fc%d", i + 1);
    h = lcl_linear(h, name, n->hidden[i], &(lcl_linear_desc) { .weight = weight_init(n, false) });
    snprintf(name, sizeof name, "bn%d", i + 1);
    h = lcl_relu(lcl_batch_norm(
        h, name, &(lcl_bn_desc) { .mode = n->mode, .eps = 2e-5f, .unbiased = true }));
  }
  return lcl_linear(h, "top", n->outputs, &(lcl_linear_desc) { .weight = weight_init(n, true) });
}

/* Of deep-hash: x (N,F) -> h (N,bits), every layer by tanh. */
static const lcl_linear_desc tanh_layer = { .weight = { .kind = LCL_INIT_GLOROT_UNIFORM } };

static int64_t tanh_width(const imsat *n, int layer) {
  return layer < n->n_hidden ? n->hidden[layer] : n->outputs;
}

static lcl_tensor *tanh_network(const imsat *n, lcl_tensor *x) {
  char name[24];
  for (int i = 0; i <= n->n_hidden; i++) {
    snprintf(name, sizeof name, "fc%d", i + 1);
    x = lcl_tanh(lcl_linear(x, name, tanh_width(n, i), &tanh_layer));
  }
  return x;
}

static lcl_tensor *divergence(void *user, lcl_tensor *logits_p, lcl_tensor *logits_q) {
  const imsat *n = user;
  return n->hash ? lcl_kl_bernoulli(logits_p, logits_q) : lcl_kl_categorical(logits_p, logits_q);
}

static imsat make_imsat(lcl_build *b, lcl_bn_mode mode) {
  const lcl_model *m = lcl_build_model(b);
  imsat n = { .mode = mode };
  if (read_imsat(&n, m->options, &m->data) != LCL_OK)
    n.outputs = 0; /* defaults() has refused such options */
  return n;
}

/* ---- objective ---- */

static lcl_tensor *mean_of(lcl_tensor *rows) {
  return lcl_mean(rows, LCL_ALL_AXES, false);
}

/* What depends on the system where it is not given. */
static float information_weight(const imsat *n) {
  const float usual = n->rim || n->deep_hash ? 1 : n->linear ? 1.6f : 0.1f;
  return lcl_option_float_or(n->o, "lam", usual);
}
static float marginal_weight(const imsat *n) {
  return lcl_option_float_or(n->o, "mu", n->rim || n->deep_hash ? 1 : 4);
}
static float radius_factor(const imsat *n) {
  return lcl_option_float_or(n->o, "alpha", n->vat ? 0.25f : 2);
}

/* H(Y|X) - mu H(Y), or its second-order form for bits. Logs the parts. */
static lcl_tensor *information_cost(const imsat *n, lcl_build *b, lcl_tensor *logits) {
  lcl_tensor *conditional, *marginal, *cost;
  if (n->hash) {
    lcl_tensor *p = lcl_sigmoid(logits), *pairs = lcl_pairwise_information(p);
    conditional = mean_of(lcl_bernoulli_entropy_rows(p));
    marginal = lcl_bernoulli_marginal_entropy(p);
    cost = lcl_add(lcl_sub(conditional, marginal), lcl_scale(pairs, 2));
    lcl_build_term(b, "pair_information", pairs);
  } else {
    conditional = mean_of(lcl_entropy_rows(logits));
    marginal = lcl_marginal_entropy(lcl_softmax(logits, 1), 1e-8f);
    cost = lcl_sub(conditional, lcl_scale(marginal, marginal_weight(n)));
  }
  lcl_build_term(b, "conditional_entropy", conditional);
  lcl_build_term(b, "marginal_entropy", marginal);
  return cost;
}

/* How much the prediction changes when x is changed by the augmentation, T(x) in the paper. */
static lcl_tensor *augmented_cost(imsat *n, lcl_build *b, lcl_tensor *x) {
  n->mode = LCL_BN_NO_UPDATE;
  lcl_tensor *changed = lcl_flatten(lcl_build_image(b));
  lcl_tensor *cost = divergence(n, lcl_stop_gradient(network(n, x)), network(n, changed));
  lcl_build_term(b, "smoothness", cost);
  return cost;
}

/* How much the prediction changes when x is moved by r. */
static lcl_tensor *smoothness_cost(imsat *n, lcl_build *b, lcl_tensor *x) {
  lcl_tensor *radius = lcl_build_side(b), *r;
  n->mode = LCL_BN_NO_UPDATE;
  if (n->vat)
    r = lcl_vat_direction(x, radius, (float)lcl_option_float(n->o, "xi"),
                          (int)lcl_option_int(n->o, "power_iterations"), network, divergence, n);
  else
    r = lcl_random_direction(x, radius);
  lcl_tensor *cost = divergence(n, lcl_stop_gradient(network(n, x)), network(n, lcl_add(x, r)));
  lcl_build_term(b, "smoothness", cost);
  return cost;
}

/* ||S - I||^2 = ||S||^2 - 2 tr S + D of a symmetric S (D,D), whose trace is at hand. */
static lcl_tensor *apart(lcl_tensor *square, lcl_tensor *trace) {
  lcl_tensor *size = lcl_sum(lcl_square(square), LCL_ALL_AXES, false);
  return lcl_shift(lcl_sub(size, lcl_scale(trace, 2)), (float)lcl_tensor_shape(square).dim[0]);
}

/* Of H^T H / B. */
static lcl_tensor *outputs_apart(lcl_tensor *h) {
  const float share = 1 / (float)lcl_tensor_shape(h).dim[0];
  lcl_tensor *product = lcl_mean_over_ranks(lcl_scale(lcl_matmul(h, h, true, false), share));
  return apart(product, lcl_sum(lcl_mean(lcl_square(h), LCL_AXIS(0), false), LCL_ALL_AXES, false));
}

/* Sum over the layers of what W W^T is apart from I. */
static lcl_tensor *rows_apart(const imsat *n, lcl_tensor *x) {
  lcl_tensor *total = NULL;
  int64_t in = lcl_tensor_shape(x).dim[1];
  for (int i = 0; i <= n->n_hidden; in = tanh_width(n, i++)) {
    char name[24];
    snprintf(name, sizeof name, "fc%d", i + 1);
    lcl_tensor *w = lcl_linear_weight(lcl_tensor_graph(x), name, tanh_width(n, i), in, &tanh_layer);
    lcl_tensor *one = apart(lcl_matmul(w, w, false, true),
                            lcl_sum(lcl_square(w), LCL_ALL_AXES, false));
    total = total ? lcl_add(total, one) : one;
  }
  return total;
}

static void build_deep_hash(const imsat *n, lcl_build *b, lcl_tensor *x) {
  lcl_tensor *h = tanh_network(n, x), *orthogonality = outputs_apart(h), *rows = rows_apart(n, x);
  lcl_tensor *quantisation = lcl_l2(h, lcl_stop_gradient(lcl_sign(h)), LCL_L2_HALF_SUM);
  lcl_tensor *balance = lcl_sum(lcl_square(lcl_batch_mean(h, LCL_AXIS(0), false)), LCL_ALL_AXES,
                                false);
  lcl_build_term(b, "quantisation", quantisation);
  lcl_build_term(b, "balance", balance);
  lcl_build_term(b, "orthogonality", orthogonality);
  lcl_build_term(b, "orthonormal_rows", rows);
  lcl_tensor *penalty = lcl_add(lcl_scale(balance, 0.5f * information_weight(n)),
                                lcl_scale(orthogonality, 0.5f * marginal_weight(n)));
  penalty = lcl_add(penalty, lcl_scale(rows, 0.5f * (float)lcl_option_float(n->o, "orthonormal")));
  lcl_build_loss(b, lcl_add(quantisation, penalty));
}

static void build_train(lcl_build *b) {
  imsat n = make_imsat(b, LCL_BN_TRAIN);
  lcl_tensor *x = lcl_flatten(n.sat ? lcl_build_clean(b) : lcl_build_image(b));
  if (n.deep_hash) {
    build_deep_hash(&n, b, x);
    return;
  }
  lcl_tensor *logits = network(&n, x);
  lcl_tensor *cost = lcl_scale(information_cost(&n, b, logits), information_weight(&n));
  lcl_build_loss(
      b,
      n.rim ? cost : lcl_add(n.sat ? augmented_cost(&n, b, x) : smoothness_cost(&n, b, x), cost));
}

static void build_eval(lcl_build *b) {
  imsat n = make_imsat(b, LCL_BN_EVAL);
  lcl_tensor *x = lcl_flatten(lcl_build_image(b));
  if (n.deep_hash) {
    lcl_tensor *h = tanh_network(&n, x);
    lcl_build_example(b, "loss", lcl_l2_rows(h, lcl_sign(h), LCL_L2_HALF_SUM));
    lcl_build_features(b, lcl_shift(lcl_scale(h, 0.5f),
                                    0.5f)); /* a bit's share of 1, as the other systems give it */
    return;
  }
  lcl_tensor *logits = network(&n, x);
  if (n.hash) {
    lcl_tensor *p = lcl_sigmoid(logits);
    lcl_build_example(b, "loss", lcl_bernoulli_entropy_rows(p));
    lcl_build_features(b, p);
  } else {
    lcl_build_example(b, "loss", lcl_entropy_rows(logits));
    lcl_build_prediction(b, lcl_argmax(logits, 1, false));
    lcl_build_features(b, lcl_softmax(logits, 1));
  }
}

static void build(lcl_build *b) {
  if (lcl_build_mode(b) == LCL_MODE_TRAIN) build_train(b);
  if (lcl_build_mode(b) == LCL_MODE_EVAL) build_eval(b);
}

/* ---- data and evaluation ---- */

/* The length of each example's perturbation: alpha times the distance to its neighbour of that
 * index. */
static lcl_status prepare(lcl_model *m, lcl_context *ctx, const lcl_model_examples *train) {
  imsat n = { 0 };
  LCL_TRY(read_imsat(&n, m->options, &m->data));
  if (n.rim || n.sat || n.deep_hash) return LCL_OK;
  int k = (int)lcl_option_int(m->options, "nn_index") + 1;
  const float alpha = radius_factor(&n);
  float *radius = malloc((size_t)LCL_MAX(train->n, 1) * sizeof *radius);
  if (!radius) return lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
  lcl_status s = lcl__neighbour_distance(ctx, train->images, train->n, (int)train->size, k, radius);
  for (int64_t i = 0; s == LCL_OK && i < train->n; i++) radius[i] *= alpha;
  if (s != LCL_OK) {
    free(radius);
    return s;
  }
  m->side = radius;
  m->side_width = 1;
  return LCL_OK;
}

static lcl_status score_codes(const imsat *n, const lcl_model *m, const lcl_model_table *t,
                              lcl_metrics *metrics) {
  uint64_t *codes = lcl__alloc((size_t)LCL_MAX(t->n, 1) * sizeof *codes);
  if (!codes) return LCL_ERR_HOST_MEMORY;
  lcl__pack_codes(t->features, t->n, (int)n->outputs, 0.5f, codes);
  const lcl_status s = lcl__code_score(m, t, codes, (int)n->outputs, 0, metrics);
  lcl__free(codes);
  return s;
}

static lcl_status score(const lcl_model *m, const lcl_model_table *t, lcl_metrics *metrics) {
  imsat n = { 0 };
  if (!t->labels) return LCL_OK;
  LCL_TRY(read_imsat(&n, m->options, &m->data));
  if (!n.hash) return lcl__cluster_score(m, t, metrics);
  /* Codes are compared within the whole set. */
  return t->features && strcmp(t->split, "all") == 0 ? score_codes(&n, m, t, metrics) : LCL_OK;
}

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  imsat n = { 0 };
  bool own;
  LCL_TRY(read_imsat(&n, o, d));
  if (n.sat && lcl__parse_bool(lcl_option_text(o, "augment"), &own))
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "system=imsat-sat needs changes to be unmoved by: --augment, as shift=2,rotate=10");
  s->epochs = strcmp(d->name, "synthetic") ? 50 : 15;
  s->batch = 250;
  s->fresh_batches = true;
  s->optimiser = lcl__adam();
  /* On every parameter, as the authors' framework does it: on the matrices alone batch norm undoes
   * it. */
  if (n.rim) s->optimiser.weight_decay = 0.005f;
  s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_CONSTANT, .lr = 0.002 };
  if (n.deep_hash) { /* tanh is steep around 0 */
    s->prep.centre = LCL_CENTRE_MEAN_IMAGE;
  } else if (lcl_option_int(o, "reduce") > 1) { /* Omniglot: value/255 */
    s->range_lo = 0;
    s->range_hi = 1;
  } else if (!d->features) { /* pixels: value/128 - 1 for values to 255 */
    s->prep.gain = 255.0f / 128;
    s->prep.shift = -1;
    s->range_lo = -1;
    s->range_hi = 127.0f / 128;
  }
  s->select = "last";
  return LCL_OK;
}

const lcl_model_class lcl__model_imsat = {
  .name = "imsat",
  .summary = "clusters or hash codes without labels, by information maximisation (IMSAT with VAT "
             "or RPT, RIM)",
  .reference = "Hu et al., Learning Discrete Representations via Information Maximizing "
               "Self-Augmented Training, 2017",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = lcl__cluster_data,
  .defaults = defaults,
  .build = build,
  .prepare = prepare,
  .score = score,
  .can = LCL_CAN_CLUSTER | LCL_CAN_HASH,
};
