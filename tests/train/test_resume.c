/* Every model, update rule and schedule, stopped and resumed: bit for bit a run without stops. */
#include "run_folder.h"

static int steps_until_stop;
static int stop_now(void) {
  return steps_until_stop > 0 && --steps_until_stop == 0;
}

typedef struct resumed {
  const char *model, *set;
} resumed;

/* Every model, every update rule and every schedule, with and without unlabelled data. */
static const resumed resumes[] = {
  { "semantic-noise", "arch=mlp denoise_std=0.1 optimiser=momentum lr_schedule=step lr_every=1" },
  { "imsat", "hidden=9-8 nn_index=3 lr_schedule=exponential lr_factor=0.5" },
  { "imsat", "hidden=9-8 system=imsat-sat augment=shift=2,mirror" },
  { "imsat", "task=hash bits=4 hidden=9-8 system=imsat-rpt nn_index=3 queries=2" },
  { "dec", "hidden=9,8 latent=4 lr_warmup=5" },
  { "dec", "system=dec hidden=9,8 latent=4 update_interval=3" },
  { "dec", "system=dec target=batch hidden=9,8 latent=4" },
  { "inversion", "labels_per_class=5 unlabelled_batch=13 lr_schedule=plateau lr_every=1" },
  { "ladder", "widths=9-8 labels_per_class=3 unlabelled_batch=11 lr_schedule=linear lr_until=3 "
              "bn_test=ema" },
  { "pixelrnn", "hidden=2 binarise=dynamic batch=7" },
  { "augconv", "maps=3,4,5 optimiser=sgd lr=0.01" },
  { "augconv", "maps=3,4,5 precision=f16" },
  { "vae", "maps=2 optimiser=adadelta lr=1" },
  { "vae", "maps=2 latent=hamiltonian leapfrog=2" },
  { "vae", "arch=mlp hidden=9,8 latent_size=5" },
  { "m1", "hidden=9,8 latent_size=5" },
  { "m2", "input=m1 m1_hidden=9,8 m1_latent_size=5 units=7 latent=4 labels_per_class=5 "
          "unlabelled_batch=15" },
  { "m2", "maps=3,4 mid_affine=false latent=5 labels_per_class=5 unlabelled_batch=15 "
          "optimiser=rmsprop" },
  { "two-head", "maps=3,4 mid_affine=false latent=5 labels_per_class=5 unlabelled_batch=15 "
                "optimiser=nesterov lr=1e-4" },
  { "vae-ladder", "layers=9,8" },
  { "vae-ladder-control", "layers=9,8 latent=3" },
};

/* What a run says of itself; its time and rate are those of all images, labelled or not. */
static void check_result(const run_desc *r, lcl_train_result result) {
  const char *unlabelled = strstr(r->more, "unlabelled_batch="),
             *batch = strstr(r->more, " batch=");
  const double images = (batch ? atoi(batch + 7) : 12) + (unlabelled ? atoi(unlabelled + 17) : 0);
  double epoch, step;
  lcl_tensor_file *f = checkpoint_of(r->name);
  ASSERT_OK(lcl__tensor_file_number(f, "epoch", "[0,inf)", true, &epoch));
  ASSERT_OK(lcl__tensor_file_number(f, "step", "[0,inf)", true, &step));
  assert_true(result.epochs == 2 && epoch == 2 && result.steps == step && step >= 2);
  assert_in_range(result.best_epoch, 1, 2);
  assert_true(result.validation.n > 0);
  ASSERT_BETWEEN(result.examples_per_second * result.seconds / (step * images), 0.98, 1.02);
  lcl_tensor_file_destroy(f);
}

static void every_model_resumes(void **state) {
  (void)state;
  for (size_t m = 0; m < lcl_model_count(); m++) {
    size_t i = 0;
    while (i < LCL_COUNT(resumes) && strcmp(resumes[i].model, lcl_model_at(m)->name)) i++;
    if (i == LCL_COUNT(resumes)) fail_msg("%s: say how it resumes", lcl_model_at(m)->name);
  }
  for (size_t i = 0; i < LCL_COUNT(resumes); i++) {
    run_desc r = { .model = resumes[i].model,
                   .set = "batch=12 epochs=2 validation=10",
                   .more = resumes[i].set,
                   .name = "whole" };
    check_result(&r, run(&r));
    r.name = "parts";
    r.interrupted = stop_now;
    int runs = 0;
    for (lcl_status s = LCL_ERR_INTERRUPTED; s != LCL_OK; runs++) {
      steps_until_stop = runs == 0 ? 2 : 3;
      s = start_run(&r, NULL);
      if (s != LCL_OK && s != LCL_ERR_INTERRUPTED) fail_msg("%s", lcl_error_message());
      r.resume = true;
    }
    if (runs < 3) fail_msg("%s: only %d parts", r.model, runs);
    const char *what = difference("whole", "parts");
    if (what) fail_msg("%s %s: %s differs after resuming", r.model, r.more, what);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(every_model_resumes) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
