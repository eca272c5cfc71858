/* A model of one's own, as a plug-in: an autoencoder whose code also classifies.
 *
 *   cc -shared -fPIC own_model.c -o own_model.so $(pkg-config --cflags latentcl)
 *   latentcl train own-autoencoder --plugin ./own_model.so --set code=16 --out runs/own
 *   latentcl eval runs/own --plugin ./own_model.so */
#include <latentcl/latentcl.h>

static const lcl_option options[] = {
  { "code", LCL_OPTION_INT, "32", "width of the code", "[1,4096]", NULL },
  { "weight", LCL_OPTION_FLOAT, "0.03", "of the reconstruction beside the cross-entropy", "[0,1e6]",
    NULL },
};

/* How it is trained, on data that it can be trained on. */
static lcl_status defaults(const lcl_options *o, const lcl_model_data *d, lcl_settings *s) {
  (void)o;
  if (d->classes < 2) return lcl_fail(LCL_ERR_ARGUMENT, "the data must have labels");
  s->epochs = 10;
  s->batch = 100;
  s->schedule.lr = 1e-3;
  s->optimiser.kind = LCL_ADAM;
  return LCL_OK;
}

static lcl_tensor *encode(lcl_build *b, lcl_tensor *image) {
  const int64_t code = lcl_option_int(lcl_build_model(b)->options, "code");
  lcl_tensor *hidden = lcl_relu(lcl_linear(lcl_flatten(image), "encoder1", 256, NULL));
  return lcl_relu(lcl_linear(hidden, "encoder2", code, NULL));
}

/* Logits of the pixels, N x C*H*W. */
static lcl_tensor *decode(lcl_build *b, lcl_tensor *code) {
  const lcl_model_data *d = &lcl_build_model(b)->data;
  lcl_tensor *hidden = lcl_relu(lcl_linear(code, "decoder1", 256, NULL));
  return lcl_linear(hidden, "decoder2", d->channels * d->height * d->width, NULL);
}

static void build(lcl_build *b) {
  const lcl_model *m = lcl_build_model(b);
  const lcl_model_mode mode = lcl_build_mode(b);
  if (mode != LCL_MODE_TRAIN && mode != LCL_MODE_EVAL && mode != LCL_MODE_RECONSTRUCT) return;
  lcl_tensor *image = lcl_build_image(b); /* N x C x H x W, in [0,1] */
  lcl_tensor *code = encode(b, image), *pixels = decode(b, code);
  if (mode == LCL_MODE_RECONSTRUCT) {
    lcl_build_output(b, "original", image);
    lcl_build_output(b, "reconstruction",
                     lcl_reshape(lcl_sigmoid(pixels), lcl_tensor_shape(image)));
    return;
  }
  lcl_tensor *label = lcl_build_label(b);
  lcl_tensor *logits = lcl_linear(code, "classifier", m->data.classes, NULL);
  lcl_tensor *class_loss = lcl_cross_entropy_rows(logits, label);
  lcl_tensor *pixel_loss = lcl_bce_logits_rows(pixels, lcl_flatten(image));
  const float weight = (float)lcl_option_float(m->options, "weight");
  lcl_tensor *loss = lcl_add(class_loss, lcl_scale(pixel_loss, weight));
  if (mode == LCL_MODE_TRAIN) {
    lcl_build_loss(b, lcl_mean(loss, LCL_ALL_AXES, false));
    lcl_build_correct(b, lcl_correct_rows(logits, label));
    return;
  }
  lcl_build_example(b, "loss", loss);
  lcl_build_example(b, "correct", lcl_correct_rows(logits, label));
  lcl_build_prediction(b, lcl_argmax(logits, 1, false));
  lcl_build_features(b, code);
}

static const lcl_model_class own_autoencoder = {
  .name = "own-autoencoder",
  .summary = "autoencoder whose code also classifies",
  .reference = "an example of LatentCL",
  .options = options,
  .n_options = sizeof options / sizeof *options,
  .defaults = defaults,
  .build = build,
  .can = LCL_CAN_CLASSIFY | LCL_CAN_RECONSTRUCT,
};

const lcl_plugin latentcl_plugin = { LCL_PLUGIN_ABI, 1,
                                     (const lcl_model_class *const[]) { &own_autoencoder } };
