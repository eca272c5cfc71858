/* What runs do from epoch to epoch: rates, patience, streams of examples and lines of the log. */
#include "run_folder.h"
#include "train/trainer.h"

static void schedules(void **state) {
  (void)state;
  static const struct {
    const char *set;
    int epochs;
    double rate[8]; /* over lr, of each epoch's last step */
  } cases[] = {
    { "", 3, { 1, 1, 1 } },
    { "lr_schedule=step lr_factor=10 lr_every=2", 5, { 1, 1, 0.1, 0.1, 0.01 } },
    { "lr_schedule=step lr_factor=10 lr_every=1 lr_until=2", 5, { 1, 0.1, 0.01, 0.01, 0.01 } },
    { "lr_schedule=exponential lr_factor=0.5", 4, { 1, 0.5, 0.25, 0.125 } },
    { "lr_schedule=linear lr_from=1 lr_until=5", 6, { 1, 1, 0.75, 0.5, 0.25, 0 } },
    /* Nothing is learnt at this rate: the first epoch stays the best. */
    { "lr_schedule=plateau lr_factor=10 lr_every=2", 7, { 1, 1, 1, 0.1, 0.1, 0.01, 0.01 } },
    { "lr_schedule=plateau lr_factor=10 lr_every=1", 4, { 1, 1, 0.1, 0.01 } },
    /* Epochs that cannot be the best are none that stall. */
    { "lr_schedule=plateau lr_factor=10 lr_every=1 select_last=2", 5, { 1, 1, 1, 1, 1 } },
    { "lr_warmup=15", 4, { 8.0 / 15, 1, 1, 1 } }, /* 8 steps an epoch */
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    char set[160];
    double rate[32];
    snprintf(set, sizeof set,
             "arch=mlp batch=10 validation=20 lr=1e-12 lr_schedule=constant epochs=%d",
             cases[i].epochs);
    run(&(run_desc) {
        .model = "semantic-noise", .set = set, .more = cases[i].set, .name = "schedule" });
    assert_int_equal(lines_of("schedule", "epoch", "lr", rate), cases[i].epochs);
    for (int e = 0; e < cases[i].epochs; e++)
      if (!(fabs(rate[e] - 1e-12 * cases[i].rate[e]) <= 1e-18))
        fail_msg("%s: rate %g in epoch %d, expected %g", cases[i].set, rate[e], e + 1,
                 1e-12 * cases[i].rate[e]);
  }
}

static void patience(void **state) {
  (void)state;
  for (int p = 1; p <= 3; p++) {
    char set[40];
    snprintf(set, sizeof set, "patience=%d", p);
    lcl_train_result r = run(
        &(run_desc) { .model = "semantic-noise",
                      .set = "arch=mlp batch=10 validation=20 lr=1e-12 epochs=9",
                      .more = set,
                      .name = "patience" });
    assert_int_equal(r.best_epoch, 1);
    assert_int_equal(r.epochs, 1 + p);
  }
}

/* A run that goes on for longer has other last epochs. */
static void last_epochs(void **state) {
  (void)state;
  run_desc r = { .model = "semantic-noise",
                 .set = "arch=mlp batch=10 validation=20 lr=1e-12 select_last=1",
                 .more = "epochs=4",
                 .name = "whole" };
  assert_int_equal(run(&r).best_epoch, 4);
  r.more = "epochs=2";
  r.name = "parts";
  assert_int_equal(run(&r).best_epoch, 2);
  r.more = "epochs=4";
  r.resume = true;
  assert_int_equal(run(&r).best_epoch, 4);
  const char *what = difference("whole", "parts");
  if (what) fail_msg("%s differs", what);
}

/* The epochs of the run's log that have an evaluation of the validation part, one character each.
 */
static void evaluated(const char *name, char said[32]) {
  char *text = log_of(name), *rest = text;
  int n = 0;
  for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
    if (strstr(line, "\"event\":\"epoch\"")) said[n++] = strstr(line, "validation") ? 'v' : '-';
  said[n] = 0;
  free(text);
}

/* The first and the last epoch are evaluated, whatever lies between; waiting is counted in epochs;
 * a model that takes its last epoch takes it. */
static void seldom_validated(void **state) {
  (void)state;
  static const struct {
    const char *model, *set, *more, *evaluated;
    int best_epoch;
  } cases[] = {
#define NOISE "semantic-noise", "arch=mlp batch=10 validation=20 lr=1e-12"
    { NOISE, "validate_every=3 epochs=7", "v-v--vv", 1 },
    { NOISE, "validate_every=3 epochs=6", "v-v--v", 1 },
    { NOISE, "validate_every=9 epochs=3", "v-v", 1 },
    { NOISE, "validate_every=1 epochs=3", "vvv", 1 },
    { NOISE, "validate_every=3 epochs=9 patience=2", "v-v", 1 },
    { NOISE, "validate_every=3 epochs=9 patience=3", "v-v--v", 1 },
    { NOISE, "validate_every=3 epochs=7 select_last=2", "v-v--vv", 6 },
    { "ladder", "widths=9-8 labels_per_class=3 validation=10", "validate_every=3 epochs=5", "v-v-v",
      5 },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    char said[32];
    const lcl_train_result r = run(&(run_desc) {
        .model = cases[i].model, .set = cases[i].set, .more = cases[i].more, .name = "seldom" });
    evaluated("seldom", said);
    assert_string_equal(said, cases[i].evaluated);
    assert_int_equal(r.best_epoch, cases[i].best_epoch);
  }
  double rate[32];
  run(&(run_desc) { .model = "semantic-noise",
                    .set = "arch=mlp batch=10 validation=20 lr=1e-12",
                    .more = "validate_every=3 lr_schedule=plateau lr_factor=10 lr_every=3 epochs=7",
                    .name = "seldom" });
  assert_int_equal(lines_of("seldom", "epoch", "lr", rate), 7);
  near("rate before the evaluation of epoch 6", rate[5], 1e-12, 1e-18);
  near("rate after it", rate[6], 1e-13, 1e-19);
}

/* Options that would change nothing are refused: what waits for a better epoch where no epoch is
 * better than another, rates of another schedule, examples that are not taken. */
static void options_without_effect(void **state) {
  (void)state;
  static const struct {
    const char *model, *set, *said;
  } cases[] = {
    { "semantic-noise", "arch=mlp validation=-1 patience=2", "patience waits for a better epoch" },
    { "semantic-noise", "arch=mlp validation=-1 lr_schedule=plateau", "no validation part" },
    { "ladder", "widths=9-8 labels_per_class=3 validation=10 patience=2", "takes its last one" },
    { "dec", "hidden=9,8 latent=4 lr_schedule=plateau", "lr_schedule=plateau waits" },
    { "semantic-noise", "arch=mlp lr_from=2", "option lr_from would change nothing" },
    { "semantic-noise", "arch=mlp lr_schedule=exponential lr_every=2",
      "lr_every would change nothing here: it is for lr_schedule=step or plateau" },
    { "semantic-noise", "arch=mlp lr_schedule=constant lr_factor=2", "option lr_factor" },
    { "ladder", "widths=9-8 lr_factor=2", "option lr_factor" },
    { "dec", "hidden=9,8 latent=4 lr_until=2", "option lr_until" },
    { "dec", "hidden=9,8 latent=4 unlabelled_batch=10", "that take unlabelled examples" },
    { "ladder", "widths=9-8 labels_per_class=3 select_last=2", "option select_last" },
    { "augconv", "width=8",
      "option width would change nothing here: it is for arch=vgg, and arch is stack" },
    { "dec", "hidden=9,8 latent=4 update_interval=9", "it is for system=dec, and system is dae" },
    { "semantic-noise", "arch=mlp variant=feed-forward lambda1=1",
      "it is for variant!=feed-forward, and" },
    { "semantic-noise", "arch=mlp denoise_where=every_layer denoise_std=0",
      "it is for denoise_std!=0, and denoise_std is 0" },
  };
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    const run_desc r = { .model = cases[i].model, .set = cases[i].set, .name = "refused" };
    ASSERT_STATUS(start_run(&r, NULL), LCL_ERR_ARGUMENT);
    assert_non_null(strstr(lcl_error_message(), cases[i].said));
  }
}

/* What the context cannot give is said before anything is made. */
static void profiles_need_a_context_that_profiles(void **state) {
  (void)state;
  char out[300], trace[300];
  snprintf(out, sizeof out, "%s/profiled", root);
  snprintf(trace, sizeof trace, "%s/trace.json", root);
  for (int i = 0; i < 2; i++) {
    const lcl_train_desc d = { .model = "semantic-noise",
                               .data = grey,
                               .out = out,
                               .quiet = true,
                               .profile = i == 0,
                               .trace = i ? trace : NULL };
    ASSERT_STATUS(lcl_train(ctx, &d, NULL), LCL_ERR_ARGUMENT);
    assert_non_null(strstr(lcl_error_message(), "lcl_context_desc.profile"));
    assert_int_not_equal(access(out, F_OK), 0);
  }
}

/* What the log says every 50 steps is the mean over those steps, and an epoch's mean is over that
 * epoch alone: the same where an epoch has 50 steps. */
static void step_lines(void **state) {
  (void)state;
  run(&(run_desc) { .model = "semantic-noise",
                    .set = "arch=mlp perturb_std=0 lr=1e-12 batch=3 validation=10 epochs=4",
                    .name = "lines" });
  char *text = log_of("lines");
  const char *step = strstr(text, "\"event\":\"step\""),
             *epoch = strstr(text, "\"event\":\"epoch\"");
  assert_non_null(step);
  assert_non_null(epoch);
  assert_non_null(strstr(step, "\"step\":50,"));
  const double loss = strtod(strstr(step, "\"loss\":") + 7, NULL),
               whole = strtod(strstr(epoch, "\"loss\":") + 7, NULL);
  near("loss", loss, whole, 0.05 * whole);
  free(text);
  char folder[300];
  double steps[32], epochs[32];
  snprintf(folder, sizeof folder, "%s/hundred", root);
  write_images(folder, 110, 6);
  run(&(run_desc) { .model = "semantic-noise",
                    .set = "arch=mlp lr=0.01 batch=2 validation=10 epochs=3",
                    .data = folder,
                    .name = "fifty" });
  assert_int_equal(lines_of("fifty", "step", "loss", steps), 3);
  assert_int_equal(lines_of("fifty", "epoch", "loss", epochs), 3);
  double rates[32];
  assert_int_equal(lines_of("fifty", "step", "lr", rates), 3);
  for (int e = 0; e < 3; e++) /* divided by 5 three times in 40 epochs, twice in 3 */
    near("rate of a step", rates[e], 0.01 / pow(5, e), 1e-12);
  for (int e = 0; e < 3; e++) near("loss of an epoch", epochs[e], steps[e], 1e-6 * steps[e]);
  assert_true(steps[2] < 0.9 * steps[0]);
}

/* Labelled and unlabelled examples come in orders that have nothing to do with each other. */
static void two_streams(void **state) {
  (void)state;
  static const char *const set[] = { "widths=9-8", "labels_per_class=25", "batch=30",
                                     "unlabelled_batch=30" };
  char out[400];
  snprintf(out, sizeof out, "%s/streams", root);
  const lcl_train_desc d = {
    .model = "ladder", .set = set, .n_set = LCL_COUNT(set), .data = grey, .out = out, .quiet = true
  };
  lcl_trainer t;
  lcl_batch labelled, unlabelled;
  ASSERT_OK(lcl__trainer_open(&t, ctx, &d));
  assert_int_equal(t.s->labelled->count, t.s->unlabelled->count);
  ASSERT_OK(lcl_batcher_next(t.labelled, &labelled));
  ASSERT_OK(lcl_batcher_next(t.unlabelled, &unlabelled));
  int same = 0;
  for (int i = 0; i < 30; i++) same += labelled.index[i] == unlabelled.index[i];
  ASSERT_BETWEEN(same, 0, 5);
  lcl__trainer_close(&t);
}

/* Unlabelled examples are all, or those that are not among the labelled ones. */
static void unlabelled_part(void **state) {
  (void)state;
  static const struct {
    const char *model, *set[4];
    int64_t others; /* besides the 20 labelled ones; 90 are trained on */
  } cases[] = {
    { "inversion", { "labels_per_class=5", "unlabelled_batch=13", "validation=10" }, 70 },
    { "m2", { "labels_per_class=5", "unlabelled_batch=15", "validation=10", "maps=3,4" }, 70 },
    { "ladder",
      { "labels_per_class=5", "unlabelled_batch=15", "validation=10", "widths=9-8" },
      90 },
  };
  char out[400];
  snprintf(out, sizeof out, "%s/others", root);
  for (size_t i = 0; i < LCL_COUNT(cases); i++) {
    size_t n = 0;
    while (n < LCL_COUNT(cases[i].set) && cases[i].set[n]) n++;
    const lcl_train_desc d = { .model = cases[i].model,
                               .set = cases[i].set,
                               .n_set = n,
                               .data = grey,
                               .out = out,
                               .quiet = true };
    lcl_trainer t;
    temp_remove(out);
    ASSERT_OK(lcl__trainer_open(&t, ctx, &d));
    const lcl_dataset *known = t.s->labelled, *others = t.s->unlabelled;
    assert_int_equal(known->count, 20);
    assert_int_equal(others->count, cases[i].others);
    int64_t shared = 0;
    for (int64_t k = 0; k < known->count; k++)
      for (int64_t j = 0; j < others->count; j++) shared += known->offset[k] == others->offset[j];
    assert_int_equal(shared, cases[i].others == 90 ? 20 : 0);
    lcl__trainer_close(&t);
  }
}

static void write_wav(const char *path, int rate, int n, uint32_t seed) {
  uint8_t head[44] = "RIFF....WAVEfmt \20\0\0\0\1\0\1\0........\2\0\20\0data";
  const uint32_t numbers[][2] = { { 4, 36 + 2 * (uint32_t)n },
                                  { 24, (uint32_t)rate },
                                  { 28, 2 * (uint32_t)rate },
                                  { 40, 2 * (uint32_t)n } };
  for (size_t i = 0; i < LCL_COUNT(numbers); i++)
    for (int k = 0; k < 4; k++) head[numbers[i][0] + k] = (uint8_t)(numbers[i][1] >> (8 * k));
  FILE *f = fopen(path, "wb");
  fwrite(head, sizeof head, 1, f);
  for (int i = 0; i < 2 * n; i++) fputc((int)((seed = seed * 1664525u + 1013904223u) >> 24), f);
  fclose(f);
}

/* Recordings have no test part where the best of the last epochs is chosen: the end says what the
 * chosen one makes of the validation part. Half a second is 4608 samples, the fewest that fit. */
static void held_out_recordings(void **state) {
  (void)state;
  char folder[300], path[400];
  snprintf(folder, sizeof folder, "%s/birds", root);
  mkdir(folder, 0700);
  for (int c = 0; c < 2; c++) {
    snprintf(path, sizeof path, "%s/bird%d", folder, c);
    mkdir(path, 0700);
    for (int i = 0; i < 5; i++) {
      snprintf(path, sizeof path, "%s/bird%d/%d.wav", folder, c, i);
      write_wav(path, 9216, 5100, (uint32_t)(5 * c + i));
    }
  }
  const lcl_train_result r = run(&(run_desc) { .model = "inversion",
                                               .set = "arch=bird10 epochs=2 select_last=1 batch=8",
                                               .data = folder,
                                               .name = "sung",
                                               .test = true });
  assert_int_equal(r.best_epoch, 2);
  assert_true(r.test.n > 0 && r.test.n == r.validation.n);
  for (int i = 0; i < r.test.n; i++)
    assert_true(r.test.item[i].value == r.validation.item[i].value);
  char *text = log_of("sung"), *test = strstr(text, "\"event\":\"test\"");
  assert_non_null(test);
  assert_non_null(strstr(test, "\"split\":\"validation\",\"best_epoch\":2,"));
  free(text);
}

/* Beside each image of a step stand the numbers of that example. */
static void table_rows(void **state) {
  (void)state;
  static const char *const set[] = { "hidden=9-8", "nn_index=3", "batch=30" };
  char out[400];
  snprintf(out, sizeof out, "%s/table", root);
  const lcl_train_desc d = {
    .model = "imsat", .set = set, .n_set = LCL_COUNT(set), .data = grey, .out = out, .quiet = true
  };
  lcl_trainer t;
  lcl_batcher *same;
  ASSERT_OK(lcl__trainer_open(&t, ctx, &d));
  ASSERT_OK(lcl_batcher_create(&(lcl_batcher_desc) { .data = t.s->labelled,
                                                     .prep = t.s->prep,
                                                     .batch = 30,
                                                     .mode = LCL_BATCH_FRESH,
                                                     .seed = t.s->seed,
                                                     .stream = 1 },
                               &same));
  for (int step = 0; step < 3; step++) {
    lcl_batch b;
    ASSERT_OK(lcl__trainer_step(&t));
    ASSERT_OK(lcl_batcher_next(same, &b));
    for (int i = 0; i < 30; i++) assert_true(t.side[i] == t.s->model->side[b.index[i]]);
  }
  assert_true(t.side[0] != t.side[1] && t.s->model->side[0] != t.s->model->side[1]);
  lcl_batcher_destroy(same);
  lcl__trainer_close(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(schedules),
                                      cmocka_unit_test(patience),
                                      cmocka_unit_test(last_epochs),
                                      cmocka_unit_test(seldom_validated),
                                      cmocka_unit_test(options_without_effect),
                                      cmocka_unit_test(profiles_need_a_context_that_profiles),
                                      cmocka_unit_test(step_lines),
                                      cmocka_unit_test(two_streams),
                                      cmocka_unit_test(unlabelled_part),
                                      cmocka_unit_test(held_out_recordings),
                                      cmocka_unit_test(table_rows) };
  return cmocka_run_group_tests(tests, setup, teardown);
}
