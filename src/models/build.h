/* Layer 5, internal: what a build() declares, as the training loop reads it. */
#ifndef LCL_MODELS_BUILD_H
#define LCL_MODELS_BUILD_H

#include "base/base.h"
#include "latentcl/model.h"

enum { LCL_BUILD_MAX = 24 };

typedef struct lcl_build_item {
  char name[48];
  lcl_tensor *t;
} lcl_build_item;

struct lcl_build {
  const lcl_model *model;
  lcl_graph *graph;
  lcl_model_mode mode;
  int64_t batch, unlabelled_batch;
  lcl_optimiser_desc optimiser;
  lcl_tensor *image, *label, *unlabelled, *side, *weight, *clean; /* NULL: not asked for */
  lcl_tensor *loss, *correct, *prediction, *features;
  lcl_build_item terms[LCL_BUILD_MAX], examples[LCL_BUILD_MAX], outputs[LCL_BUILD_MAX],
      latents[LCL_BUILD_MAX];
  int n_terms, n_examples, n_outputs, n_latents;
  bool too_many;
  /* Training takes weights of another run as they are, or begins with them: which runs have them.
   * NULL: none. */
  const char *begins_with;
};

/* Runs the class's build on the graph; the graph's first error, or what the mode needs and build
 * did not declare. */
lcl_status lcl__build_init(lcl_build *b, const lcl_model *m, lcl_graph *g, lcl_model_mode mode,
                           int64_t batch, int64_t unlabelled_batch);
/* The same on a tensor of the graph that stands for the images (N,C,H,W), as prepared. */
lcl_status lcl__build_on(lcl_build *b, const lcl_model *m, lcl_tensor *image, lcl_model_mode mode);

/* Whether both batches have as many examples, as a whole where ranks share them. */
bool lcl__build_same_batches(const lcl_build *b);

/* The class's defaults for these options, and the common options over them; with texts of o. */
lcl_status lcl__model_settings(const lcl_model_class *cls, const lcl_options *o,
                               const lcl_model_data *data, lcl_settings *s);
/* What a setting came to, as the common option of that name would ask for it, into buf; "" where
 * the option is none of the settings. Returns buf. */
const char *lcl__setting_text(const lcl_settings *s, const char *option, char buf[32]);

/* Adam with the numbers of its paper (Kingma and Ba 2015), for a model's defaults. */
lcl_optimiser_desc lcl__adam(void);

/* What values of the common options that are texts must be, as far as no data are needed to say so;
 * LCL_OK for other names. */
lcl_status lcl__check_common_text(const char *name, const char *text);

/* Whether the terms of lcl_option.when, if any, name options before option `index` and values that
 * those take. */
lcl_status lcl__check_when(const lcl_options *o, size_t index);
/* Whether the option changes anything beside the others: an error that says where it would, if not.
 */
lcl_status lcl__check_option_used(const lcl_model_class *cls, const lcl_options *o,
                                  const lcl_model_data *data, const char *name);

/* The same of each option of the class that `given` has. */
lcl_status lcl__check_options_used(const lcl_model_class *cls, const lcl_options *o,
                                   const lcl_options *given, const lcl_model_data *data);

/* "true", "no", "1", ...; false where text is none of them. */
bool lcl__parse_bool(const char *text, bool *out);

/* Whether a classifier has something to tell apart. */
lcl_status lcl__need_classes(const lcl_model_data *d);

/* Declares what a classifier is scored by: example "correct" and, with the option top_k,
 * "topK_correct": whether fewer than K classes are more likely than the label's. */
void lcl__build_scores(lcl_build *b, lcl_tensor *logits, lcl_tensor *label);

/* Mean cross-entropy of a batch, each example with the weight of its class where there are any. */
lcl_tensor *lcl__build_cross_entropy(lcl_build *b, lcl_tensor *logits, lcl_tensor *label);

#endif
