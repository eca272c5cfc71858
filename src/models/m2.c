/* M2, the generative semi-supervised model, with convolutions: Kingma et al., "Semi-supervised
 * Learning with Deep Generative Models" (2014), as built by J. Zumer, "Influencing the Properties
 * of Latent Representations" (2016), sections 4.5 and 6.1. The network is in style_net.h; here
 * q(z|x,y) sees the class. input=m1 is M1+M2.
 *
 *   labelled     KL(q(z|x,y) || N(0,I)) + BCE(x; p(x|y,z)) - log p(y) + w_c CE(y; q(y|x))
 * (Eqs. 4.33, 6.1-6.4) unlabelled   sum_y q(y|x) (KL + BCE - log p(y)) + sum_y q(y|x) log q(y|x)
 * (Eq. 4.35)
 */
#include "base/base.h"
#include "models/registry.h"
#include "models/style_net.h"

static const lcl_option options[] = { LCL_STYLE_OPTIONS };

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  lcl_style_net n;
  LCL_TRY(lcl__style_net_init(&n, o, d, true));
  return lcl__style_settings(o, d, s);
}

static void build(lcl_build *b) {
  lcl__style_build(b, true);
}

const lcl_model_class lcl__model_m2 = {
  .name = "m2",
  .summary = "generative semi-supervised classifier: class and style explain the image (M2 with "
             "convolutions)",
  .reference = "Kingma et al., Semi-supervised Learning with Deep Generative Models, 2014; Zumer "
               "2016, section 6.1",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = lcl__style_data,
  .defaults = defaults,
  .build = build,
  .can = LCL_CAN_CLASSIFY | LCL_CAN_SAMPLE | LCL_CAN_RECONSTRUCT | LCL_CAN_SEMI_SUPERVISED,
};
