/* M1, the latent-feature discriminative model: Kingma et al., "Semi-supervised Learning with Deep
 * Generative Models" (2014), section 2.1; J. Zumer, "Influencing the Properties of Latent
 * Representations" (2016), section 4.5. A classifier on the latent of a variational autoencoder
 * that was trained on all images, labelled or not: started from a run of vae with arch=mlp
 * (m1_net.h), whose weights stay as they are.
 *
 *   loss   CE(y; softmax(f(z))): z a sample of q(z|x) in training, its mean otherwise; f linear, or
 *          with a layer of ReLU
 *
 * M1+M2 is m2 with input=m1, started from such a run too. */
#include "base/base.h"
#include "latentcl/nn.h"
#include "models/build.h"
#include "models/m1_net.h"
#include "models/registry.h"
#include "models/vae_parts.h"

static const lcl_option options[] = {
  { "hidden", LCL_OPTION_INTS, "600,600", "widths of the autoencoder, as its run has them",
    "[1,4096]" },
  { "latent_size", LCL_OPTION_INT, "50", "dimensions of its latent", "[1,4096]" },
  { "classifier_hidden", LCL_OPTION_INT, "0",
    "units of the classifier's hidden layer; 0: it is linear", "[0,65536]" },
  { "binarise", LCL_OPTION_CHOICE, "dynamic",
    "images: a fresh Bernoulli sample at each showing, one fixed sample, threshold at 1/2, or grey "
    "values",
    "dynamic|fixed|threshold|none" },
};

static lcl_status read_net(lcl_m1_net *n, const lcl_options *o, const lcl_model_data *d) {
  return lcl__m1_read(n, o, "hidden", "latent_size", d);
}

static lcl_tensor *classify(const lcl_model *m, lcl_tensor *z) {
  const int64_t hidden = lcl_option_int(m->options, "classifier_hidden");
  if (hidden) z = lcl_relu(lcl_linear(z, "cls.hidden", hidden, NULL));
  return lcl_linear(z, "cls.out", m->data.classes,
                    &(lcl_linear_desc) { .weight = { .kind = LCL_INIT_GLOROT_UNIFORM } });
}

static void build(lcl_build *b) {
  const lcl_model *m = lcl_build_model(b);
  const bool train = lcl_build_mode(b) == LCL_MODE_TRAIN;
  lcl_m1_net n;
  lcl_tensor *mu, *logvar;
  if (!train && lcl_build_mode(b) != LCL_MODE_EVAL) return;
  if (read_net(&n, m->options, &m->data) != LCL_OK)
    return; /* defaults() has refused such options */
  lcl__m1_encode(&n, lcl_build_image(b), &mu, &logvar);
  lcl_tensor *z = lcl_stop_gradient(train ? lcl_reparameterise(mu, logvar) : mu);
  lcl_tensor *logits = classify(m, z), *label = lcl_build_label(b);
  if (train) {
    b->begins_with = LCL_M1_RUN;
    lcl_tensor *rows = lcl_build_weigh(b, lcl_cross_entropy_rows(logits, label));
    lcl_build_loss(b, lcl_mean(rows, LCL_ALL_AXES, false));
    lcl_build_correct(b, lcl_correct_rows(logits, label));
    return;
  }
  lcl__build_scores(b, logits, label);
  lcl_build_prediction(b, lcl_argmax(logits, 1, false));
  lcl_build_features(b, z);
}

/* ---- settings ---- */

static void data(const lcl_options *o, lcl_data_desc *d) {
  d->grey = true;
  d->split_random = true;
  lcl__vae_binarise(o, d);
}

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  lcl_m1_net n;
  LCL_TRY(read_net(&n, o, d));
  LCL_TRY(lcl__need_classes(d));
  lcl__vae_settings(d, s);
  s->select = "error_percent";
  return LCL_OK;
}

const lcl_model_class lcl__model_m1 = {
  .name = "m1",
  .summary = "classifier on the latent of a variational autoencoder (M1)",
  .reference = "Kingma et al., Semi-supervised Learning with Deep Generative Models, 2014, section "
               "2.1",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = data,
  .defaults = defaults,
  .build = build,
  .can = LCL_CAN_CLASSIFY,
};
