/* The two-headed model: J. Zumer, "Influencing the Properties of Latent Representations" (2016),
 * section 6.1.1.2. As m2, but the heads for the class and for the style stand side by side on one
 * stem: q(z|x) does not see y. The decoder gets the true class in training. */
#include "base/base.h"
#include "models/registry.h"
#include "models/style_net.h"

static const lcl_option options[] = { LCL_STYLE_OPTIONS };

static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  lcl_style_net n;
  LCL_TRY(lcl__style_net_init(&n, o, d, false));
  return lcl__style_settings(o, d, s);
}

static void build(lcl_build *b) {
  lcl__style_build(b, false);
}

const lcl_model_class lcl__model_two_head = {
  .name = "two-head",
  .summary = "classifier and style encoder on one stem, class and style decoded together",
  .reference = "Zumer, Influencing the Properties of Latent Representations, 2016, section 6.1.1.2",
  .options = options,
  .n_options = LCL_COUNT(options),
  .data = lcl__style_data,
  .defaults = defaults,
  .build = build,
  .can = LCL_CAN_CLASSIFY | LCL_CAN_SAMPLE | LCL_CAN_RECONSTRUCT | LCL_CAN_SEMI_SUPERVISED,
};
