/* `latentcl explain`: what a model's graph compiles to. */
#include "train/trainer.h"

/* Everything that the mode declares is fetched. */
static lcl_status fetch_all(void *user, lcl_stage *stage) {
  lcl_build *b = &stage->build;
  (void)user;
  const int room = (int)LCL_COUNT(stage->fetch);
  for (int i = 0; i < b->n_examples && stage->n_fetch < room; i++)
    stage->fetch[stage->n_fetch++] = b->examples[i].t;
  for (int i = 0; i < b->n_pictures && stage->n_fetch < room; i++)
    stage->fetch[stage->n_fetch++] = b->pictures[i].t;
  if (b->prediction && stage->n_fetch < room) stage->fetch[stage->n_fetch++] = b->prediction;
  return LCL_OK;
}

static lcl_status other_stage(lcl_session *s, lcl_model_mode mode, lcl_stage *out) {
  lcl_stage_desc d = {
    .mode = mode, .name = "explain", .batch = s->model->settings.batch, .extend = fetch_all
  };
  return lcl__stage_create(s, &d, out);
}

lcl_status lcl_explain(lcl_context *ctx, const lcl_train_desc *desc, lcl_model_mode mode, bool dot,
                       char **text) {
  LCL_NEED(ctx, desc, text);
  lcl_session_desc sd = { .model = desc->model, .data = desc->data, .seed = desc->seed };
  lcl_trainer t = { .d = desc };
  lcl_stage stage = { 0 };
  *text = NULL;
  LCL_TRY(lcl__train_options(desc, &sd.options));
  LCL_TRY(lcl__session_open(ctx, &sd, &t.s));
  t.s->model->extra_width = 1; /* prepare(), which takes long, would say */
  lcl_status s = mode == LCL_MODE_TRAIN ? lcl__trainer_stage(&t, false, &stage)
                                        : other_stage(t.s, mode, &stage);
  if (s == LCL_OK) s = lcl_program_explain(stage.program, dot, text);
  lcl__stage_destroy(&stage);
  lcl__session_close(t.s);
  return s;
}
