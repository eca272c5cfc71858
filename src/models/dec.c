/* Clusters in the code of an autoencoder: the baselines of IMSAT's table.
 *
 *   dae   denoising autoencoder (Vincent et al. 2010): code z = f(masked x), loss ||g(z) - x||^2;
 *         k-means on its codes clusters the data (`latentcl cluster RUN --method
 * k-means-features`). stage=l trains layer l and its mirror alone, on what the layers before it
 * give, for layer-wise pretraining dec   Xie et al., "Unsupervised Deep Embedding for Clustering
 * Analysis" (2016), started from a run of dae: q_ij ~ 1/(1 + ||z_i - u_j||^2) says how much z_i
 * belongs to centre u_j; minimises KL(p || q) with the sharper p_ij ~ q_ij^2/f_j, f_j = sum_i q_ij,
 * held constant
 *
 * The targets p and the shares f are computed over all the data every `update_interval` steps, as
 * in the paper. target=batch takes p from the step's own q and f from a running mean over steps, so
 * that a step needs nothing but its batch. */
#include <math.h>

#include "base/base.h"
#include "latentcl/nn.h"
#include "models/build.h"
#include "models/clusters.h"
#include "models/registry.h"
#include "models/vae_parts.h"
#include "nn/evaluate.h"

enum { MAX_HIDDEN = 6, ENCODE_BATCH = 256 };

static const lcl_option options[] = {
  { "system", LCL_OPTION_CHOICE, "dae",
    "dae: the autoencoder; dec: clusters, from a run of dae (--start)", "dae|dec" },
  { "clusters", LCL_OPTION_INT, "0", "number of clusters; 0: the classes of the data", "[0,1000]" },
  LCL_CLUSTER_OPTIONS,
  { "hidden", LCL_OPTION_INTS, "500,500,2000", "widths of the encoder; the decoder mirrors them",
    "[1,4096]" },
  { "latent", LCL_OPTION_INT, "10", "dimensions of the code", "[1,4096]" },
  { "stage", LCL_OPTION_INT, "0",
    "train this layer and its mirror alone, 1 to the code's (from the stage before it: "
    "--start), whose run alone has a code and reconstructs; 0: all",
    "[0,7]", "system=dae" },
  { "target", LCL_OPTION_CHOICE, "set",
    "targets computed over all the data every update_interval steps, or from each batch",
    "set|batch", "system=dec" },
  { "update_interval", LCL_OPTION_INT, "140", "steps between two computations of the targets",
    "[1,1e9]", "target=set" },
  { "mask", LCL_OPTION_FLOAT, "0.2", "share of the input set to 0", "[0,1)", "system=dae" },
};

typedef struct net {
  lcl_graph *g;
  int n, hidden[MAX_HIDDEN];
  int64_t pixels, latent, clusters, examples;
} net;

static bool is_dec(const lcl_options *o) {
  return lcl_option_is(o, "system", "dec");
}

static bool whole_set(const lcl_options *o) {
  return is_dec(o) && lcl_option_is(o, "target", "set");
}

static net make_net(const lcl_model *m, lcl_graph *g) {
  const lcl_options *o = m->options;
  net n = { .g = g,
            .latent = lcl_option_int(o, "latent"),
            .examples = LCL_MAX(m->data.train, 1),
            .clusters = lcl__cluster_count(o, &m->data) };
  n.n = lcl__parse_ints(lcl_option_text(o, "hidden"), n.hidden, MAX_HIDDEN);
  n.pixels = m->data.channels * m->data.height * m->data.width;
  return n;
}

/* ---- network ---- */

static lcl_tensor *layer(lcl_tensor *x, const char *part, int i, int64_t out) {
  char name[24];
  snprintf(name, sizeof name, "%s%d", part, i);
  return lcl_relu(lcl_linear(x, name, out, NULL));
}

static lcl_tensor *linear(lcl_tensor *x, const char *name, int64_t out) {
  return lcl_linear(x, name, out,
                    &(lcl_linear_desc) { .weight = { .kind = LCL_INIT_GLOROT_UNIFORM } });
}

/* x (N,pixels) -> code (N,latent). */
static lcl_tensor *encode(const net *n, lcl_tensor *x) {
  for (int i = 0; i < n->n; i++) x = layer(x, "enc", i + 1, n->hidden[i]);
  return linear(x, "code", n->latent);
}

/* Of stage l: what goes into its layer, and what comes out of its mirror. */
static lcl_tensor *before_stage(const net *n, lcl_tensor *x, int l) {
  for (int i = 0; i + 1 < l; i++) x = layer(x, "enc", i + 1, n->hidden[i]);
  return lcl_stop_gradient(x);
}

static lcl_tensor *through_stage(const net *n, lcl_tensor *h, int l) {
  lcl_tensor *z = l <= n->n ? layer(h, "enc", l, n->hidden[l - 1]) : linear(h, "code", n->latent);
  return l == 1 ? linear(z, "out", n->pixels) : layer(z, "dec", l - 1, n->hidden[l - 2]);
}

static lcl_tensor *decode(const net *n, lcl_tensor *z) {
  for (int i = n->n - 1; i >= 0; i--) z = layer(z, "dec", i + 1, n->hidden[i]);
  return linear(z, "out", n->pixels);
}

static lcl_tensor *masked(const lcl_options *o, lcl_tensor *x) {
  float rate = (float)lcl_option_float(o, "mask");
  return rate > 0 ? lcl_scale(lcl_dropout(x, rate), 1 - rate)
                  : x; /* dropout makes up for what is lost */
}

/* log q (N,K): how much each code belongs to each centre. */
static lcl_tensor *log_membership(const net *n, lcl_tensor *z) {
  lcl_shape s = lcl_tensor_shape(z);
  lcl_tensor *centres = lcl_param(n->g, "centres", LCL_SHAPE(n->clusters, n->latent),
                                  (lcl_init) { .kind = LCL_INIT_NORMAL, .scale = 1 });
  lcl_tensor *apart = lcl_sub(lcl_reshape(z, LCL_SHAPE(s.dim[0], 1, n->latent)),
                              lcl_reshape(centres, LCL_SHAPE(1, n->clusters, n->latent)));
  lcl_tensor *distance = lcl_sum(lcl_square(apart), LCL_AXIS(2), false);
  return lcl_log_softmax(lcl_neg(lcl_log(lcl_shift(distance, 1))), 1);
}

/* The share of each cluster so far, (K). */
static lcl_tensor *shares(const net *n) {
  return lcl_state(n->g, "shares", LCL_F32, LCL_SHAPE(n->clusters),
                   (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = 1 / (float)n->clusters });
}

static lcl_tensor *divergence_rows(lcl_tensor *p, lcl_tensor *log_p, lcl_tensor *log_q) {
  return lcl_sum(lcl_mul(p, lcl_sub(log_p, log_q)), LCL_AXIS(1), false);
}

/* KL(p || q) of each example: p is the softmax of 2 log q - log f. */
static lcl_tensor *sharpening_rows(const net *n, lcl_tensor *log_q) {
  lcl_tensor *log_f = lcl_reshape(lcl_log(lcl_shift(shares(n), 1e-8f)), LCL_SHAPE(1, n->clusters));
  lcl_tensor *log_p = lcl_stop_gradient(lcl_log_softmax(lcl_sub(lcl_scale(log_q, 2), log_f), 1));
  return divergence_rows(lcl_exp(log_p), log_p, log_q);
}

static const char targets[] = "train.targets";

/* The same with the p of the last computation: the table's row of each example says which it is. */
static lcl_tensor *target_rows(const net *n, lcl_build *b, lcl_tensor *log_q) {
  lcl_tensor *all = lcl_state(
      n->g, targets, LCL_F32, LCL_SHAPE(n->examples, n->clusters),
      (lcl_init) { .kind = LCL_INIT_CONSTANT, .value = 1 / (float)n->clusters });
  lcl_tensor *index = lcl_cast(lcl_reshape(lcl_build_side(b), LCL_SHAPE(lcl_build_batch(b))),
                               LCL_I32);
  lcl_tensor *p = lcl_stop_gradient(lcl_gather(all, index));
  return divergence_rows(p, lcl_log(lcl_shift(p, 1e-30f)), log_q);
}

/* ---- graphs ---- */

/* After the stages before the code's the deeper layers are as they were made. */
static bool trains_code(const net *n, const lcl_options *o) {
  const int64_t stage = lcl_option_int(o, "stage");
  return stage == 0 || stage > n->n;
}

static lcl_tensor *mean_of(lcl_tensor *rows) {
  return lcl_mean(rows, LCL_ALL_AXES, false);
}

static void build_train(lcl_build *b, const net *n, const lcl_options *o) {
  lcl_tensor *x = lcl_flatten(lcl_build_image(b));
  const int stage = (int)lcl_option_int(o, "stage");
  if (is_dec(o)) b->begins_with = "dec with system=dae";
  if (stage > 1) b->begins_with = "dec with the stage before";
  if (!is_dec(o)) {
    lcl_tensor *all = decode(
        n, encode(n, masked(o, x))); /* in a stage too: its parameters are kept for the next */
    lcl_tensor *h = stage ? before_stage(n, x, stage) : x;
    lcl_build_loss(b, lcl_l2(stage ? through_stage(n, masked(o, h), stage) : all, h, LCL_L2_SUM));
    return;
  }
  lcl_tensor *log_q = log_membership(n, encode(n, x)), *q = lcl_exp(log_q);
  lcl_build_term(b, "entropy", lcl_neg(mean_of(lcl_sum(lcl_mul(q, log_q), LCL_AXIS(1), false))));
  if (whole_set(o)) {
    lcl_build_loss(b, mean_of(target_rows(n, b, log_q)));
    return;
  }
  lcl_build_loss(b, mean_of(sharpening_rows(n, log_q)));
  lcl_ema(shares(n), lcl_stop_gradient(lcl_batch_mean(q, LCL_AXIS(0), false)), 0.99f);
}

static void build_eval(lcl_build *b, const net *n, const lcl_options *o) {
  lcl_tensor *x = lcl_flatten(lcl_build_image(b)), *z = encode(n, x);
  if (trains_code(n, o)) lcl_build_features(b, z);
  if (!is_dec(o)) {
    const int stage = (int)lcl_option_int(o, "stage");
    lcl_tensor *all = decode(n, z), *h = stage ? before_stage(n, x, stage) : x;
    lcl_build_example(b, "loss",
                      lcl_l2_rows(stage ? through_stage(n, h, stage) : all, h, LCL_L2_SUM));
    return;
  }
  lcl_tensor *log_q = log_membership(n, z);
  lcl_build_example(b, "loss", sharpening_rows(n, log_q));
  lcl_build_prediction(b, lcl_argmax(log_q, 1, false));
}

static void build_reconstruct(lcl_build *b, const net *n, const lcl_options *o) {
  lcl_tensor *image = lcl_build_image(b), *seen = masked(o, image);
  lcl_build_output(b, "original", image);
  lcl_build_output(b, "masked", seen);
  lcl_build_output(b, "denoised",
                   lcl_reshape(decode(n, encode(n, lcl_flatten(seen))), lcl_tensor_shape(image)));
}

static void build(lcl_build *b) {
  const lcl_options *o = lcl_build_model(b)->options;
  net n = make_net(lcl_build_model(b), lcl_build_graph(b));
  if (lcl_build_mode(b) == LCL_MODE_TRAIN) build_train(b, &n, o);
  if (lcl_build_mode(b) == LCL_MODE_EVAL) build_eval(b, &n, o);
  if (lcl_build_mode(b) == LCL_MODE_RECONSTRUCT && !is_dec(o) && trains_code(&n, o))
    build_reconstruct(b, &n, o);
}

/* ---- the first centres ---- */

static lcl_status encode_all(const net *n, lcl_program *p, const lcl_model_examples *ex,
                             float *code) {
  size_t row = (size_t)ex->size * sizeof(float), out = (size_t)n->latent * sizeof(float);
  float *x = lcl__alloc(ENCODE_BATCH * row), *z = lcl__alloc(ENCODE_BATCH * out);
  lcl_status s = x && z ? LCL_OK : LCL_ERR_HOST_MEMORY;
  for (int64_t i = 0; s == LCL_OK && i < ex->n; i += ENCODE_BATCH) {
    size_t rows = (size_t)LCL_MIN((int64_t)ENCODE_BATCH, ex->n - i);
    memcpy(x, ex->images + i * ex->size, rows * row);
    s = lcl_feed(p, "x", x, ENCODE_BATCH * row);
    if (s == LCL_OK) s = lcl_run(p);
    if (s == LCL_OK) s = lcl_fetch(p, "code", z, ENCODE_BATCH * out);
    if (s == LCL_OK) memcpy(code + i * n->latent, z, rows * out);
  }
  lcl__free(x);
  lcl__free(z);
  return s;
}

/* k-means on the codes of all examples. */
static lcl_status choose_centres(const net *n, lcl_store *store, lcl_program *p,
                                 const lcl_model_examples *ex) {
  size_t bytes = (size_t)(n->clusters * n->latent) * sizeof(float);
  float *code = lcl__alloc((size_t)(ex->n * n->latent) * sizeof *code),
        *centres = lcl__alloc(bytes);
  int32_t *cluster = lcl__alloc((size_t)ex->n * sizeof *cluster);
  lcl_status s = code && centres && cluster ? encode_all(n, p, ex, code) : LCL_ERR_HOST_MEMORY;
  if (s == LCL_OK)
    s = lcl__kmeans(lcl_store_context(store), code, ex->n, (int)n->latent,
                    &(lcl_kmeans_desc) { .k = (int)n->clusters, .seed = ex->seed }, cluster,
                    centres, NULL);
  if (s == LCL_OK) s = lcl_store_write(store, "centres", centres, bytes);
  lcl__free(code);
  lcl__free(centres);
  lcl__free(cluster);
  return s;
}

/* A program that gives the codes of ENCODE_BATCH examples. */
static lcl_status with_encoder(lcl_model *m, lcl_store *store, const lcl_model_examples *ex,
                               lcl_status (*use)(const net *n, lcl_store *store, lcl_program *p,
                                                 const lcl_model_examples *ex)) {
  lcl_graph *g;
  lcl_program *p = NULL;
  LCL_TRY(lcl_graph_create(store, "centres", &g));
  net n = make_net(m, g);
  lcl_output(encode(&n, lcl_input(g, "x", LCL_F32, LCL_SHAPE(ENCODE_BATCH, n.pixels))), "code");
  lcl_status s = lcl_compile(g, &(lcl_compile_desc) { 0 }, &p);
  if (s == LCL_OK) s = use(&n, store, p, ex);
  lcl_program_destroy(p);
  lcl_graph_destroy(g);
  return s;
}

static lcl_status start(lcl_model *m, lcl_store *store, const lcl_model_examples *ex) {
  return is_dec(m->options) ? with_encoder(m, store, ex, choose_centres) : LCL_OK;
}

/* ---- the targets ---- */

/* q of every code, then p in its place; f: sums of q. */
static void sharpen(const net *n, int64_t examples, const float *code, const float *centres,
                    float *q, double *f) {
  const int64_t k = n->clusters;
  for (int64_t i = 0; i < examples; i++) {
    double sum = 0;
    for (int64_t c = 0; c < k; c++) {
      double distance = 0;
      for (int64_t d = 0; d < n->latent; d++) {
        const double apart = (double)code[i * n->latent + d] - (double)centres[c * n->latent + d];
        distance += apart * apart;
      }
      q[i * k + c] = (float)(1 / (1 + distance));
      sum += (double)q[i * k + c];
    }
    for (int64_t c = 0; c < k; c++)
      f[c] += (double)(q[i * k + c] = (float)((double)q[i * k + c] / sum));
  }
  for (int64_t i = 0; i < examples; i++) {
    double sum = 0;
    for (int64_t c = 0; c < k; c++)
      sum += (double)q[i * k + c] * (double)q[i * k + c] / fmax(f[c], 1e-30);
    for (int64_t c = 0; c < k; c++)
      q[i * k + c] = (float)((double)q[i * k + c] * (double)q[i * k + c] / fmax(f[c], 1e-30) / sum);
  }
}

static lcl_status compute_targets(const net *n, lcl_store *store, lcl_program *p,
                                  const lcl_model_examples *ex) {
  const size_t k = (size_t)n->clusters, centre_bytes = k * (size_t)n->latent * sizeof(float),
               bytes = (size_t)ex->n * k * sizeof(float);
  float *code = lcl__alloc((size_t)(ex->n * n->latent) * sizeof *code),
        *centres = lcl__alloc(centre_bytes), *q = lcl__alloc(bytes),
        *share = lcl__alloc(k * sizeof *share);
  double *f = lcl__alloc(k * sizeof *f);
  lcl_status s = code && centres && q && share && f ? encode_all(n, p, ex, code)
                                                    : LCL_ERR_HOST_MEMORY;
  if (s == LCL_OK) s = lcl_store_read(store, "centres", centres, centre_bytes);
  if (s == LCL_OK) {
    sharpen(n, ex->n, code, centres, q, f);
    for (size_t c = 0; c < k; c++) share[c] = (float)(f[c] / (double)ex->n);
    s = lcl_store_write(store, targets, q, bytes);
  }
  if (s == LCL_OK) s = lcl_store_write(store, "shares", share, k * sizeof *share);
  lcl__free(code);
  lcl__free(centres);
  lcl__free(q);
  lcl__free(share);
  lcl__free(f);
  return s;
}

static lcl_status refresh(lcl_model *m, lcl_store *store, const lcl_model_examples *ex) {
  return with_encoder(m, store, ex, compute_targets);
}

/* The table says of each example which it is. */
static lcl_status prepare(lcl_model *m, lcl_context *ctx, const lcl_model_examples *train) {
  (void)ctx;
  if (!whole_set(m->options)) return LCL_OK;
  if (train->n > 1 << 24)
    return lcl__fail(LCL_ERR_UNSUPPORTED,
                     "target=set: at most %d examples, not %lld (target=batch has no limit)",
                     1 << 24, (long long)train->n);
  m->side = malloc((size_t)LCL_MAX(train->n, 1) * sizeof *m->side);
  if (!m->side) return lcl__fail(LCL_ERR_HOST_MEMORY, "out of memory");
  for (int64_t i = 0; i < train->n; i++) m->side[i] = (float)i;
  m->side_width = 1;
  return LCL_OK;
}

static lcl_status check_options(const lcl_options *o, const lcl_model_data *d) {
  int hidden[MAX_HIDDEN];
  const int64_t clusters = lcl__cluster_count(o, d);
  if (lcl__parse_ints(lcl_option_text(o, "hidden"), hidden, MAX_HIDDEN) < 1)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "option hidden: expected 1 to %d widths like 500,500,2000, got \"%s\"",
                     MAX_HIDDEN, lcl_option_text(o, "hidden"));
  const int64_t stage = lcl_option_int(o, "stage"),
                stages = lcl__parse_ints(lcl_option_text(o, "hidden"), hidden, MAX_HIDDEN) + 1;
  if (stage > stages || (stage && is_dec(o)))
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "option stage: system=dae has the stages 1 to %lld with these layers, system=dec has none",
        (long long)stages);
  if (is_dec(o) && (clusters < 2 || clusters > 1000))
    return lcl__fail(
        LCL_ERR_ARGUMENT,
        "option clusters: 2 to 1000 clusters are possible, not %lld (0 takes the data's "
        "classes)",
        (long long)clusters);
  return LCL_OK;
}

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  bool synthetic = strcmp(d->name, "synthetic") == 0;
  LCL_TRY(check_options(o, d));
  s->batch = 256;
  s->select = "last";
  if (is_dec(o)) {
    s->epochs = synthetic ? 10 : 20;
    if (whole_set(o)) s->refresh_every = (int)lcl_option_int(o, "update_interval");
    s->optimiser = (lcl_optimiser_desc) { .kind = LCL_MOMENTUM, .beta1 = 0.9f };
    s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_CONSTANT, .lr = 0.01 };
  } else {
    s->epochs = synthetic ? 15 : 50;
    s->optimiser = lcl__adam();
    s->schedule = (lcl_schedule) { .kind = LCL_SCHEDULE_CONSTANT, .lr = 0.001 };
  }
  return LCL_OK;
}

const lcl_model_class lcl__model_dec = {
  .name = "dec",
  .summary = "clusters in the code of a denoising autoencoder: by k-means, or deep embedded "
             "clustering (DEC)",
  .reference = "Xie et al., Unsupervised Deep Embedding for Clustering Analysis, 2016",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = lcl__cluster_data,
  .defaults = defaults,
  .build = build,
  .prepare = prepare,
  .start = start,
  .refresh = refresh,
  .score = lcl__cluster_score,
  .can = LCL_CAN_CLUSTER | LCL_CAN_RECONSTRUCT,
};
