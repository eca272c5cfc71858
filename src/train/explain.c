/* `latentcl explain`: what a model's graph compiles to. */
#include "train/trainer.h"

/* Everything that the mode declares is fetched. */
static lcl_status fetch_all(void *user, lcl_compiled *compiled) {
  lcl_build *b = &compiled->build;
  (void)user;
  const int room = (int)LCL_COUNT(compiled->fetch);
  for (int i = 0; i < b->n_examples && compiled->n_fetch < room; i++)
    compiled->fetch[compiled->n_fetch++] = b->examples[i].t;
  for (int i = 0; i < b->n_outputs && compiled->n_fetch < room; i++)
    compiled->fetch[compiled->n_fetch++] = b->outputs[i].t;
  if (b->prediction && compiled->n_fetch < room)
    compiled->fetch[compiled->n_fetch++] = b->prediction;
  return LCL_OK;
}

static lcl_status compile_other(lcl_session *s, lcl_model_mode mode, lcl_compiled *out) {
  lcl_compiled_desc d = {
    .mode = mode, .name = "explain", .batch = s->model->settings.batch, .extend = fetch_all
  };
  return lcl__compiled_create(s, &d, out);
}

lcl_status lcl_explain(lcl_context *ctx, const lcl_train_desc *desc, lcl_model_mode mode,
                       lcl_explain_format format, char **text) {
  LCL_NEED(ctx, desc, text);
  lcl_session_desc sd = { .model = desc->model, .data = desc->data, .seed = desc->seed };
  lcl_trainer t = { .d = desc };
  lcl_compiled compiled = { 0 };
  *text = NULL;
  LCL_TRY(lcl__train_options(desc, &sd.options));
  LCL_TRY(lcl__session_open(ctx, &sd, &t.s));
  t.s->model->side_width = 1; /* prepare(), which takes long, would say */
  lcl_status s = mode == LCL_MODE_TRAIN ? lcl__trainer_compile(&t, false, &compiled)
                                        : compile_other(t.s, mode, &compiled);
  if (s == LCL_OK) s = lcl_program_explain(compiled.program, format, text);
  lcl__compiled_destroy(&compiled);
  lcl__session_close(t.s);
  return s;
}
