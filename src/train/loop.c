/* The training loop: epochs, selection of the best, early stopping, the final evaluation. */
#include <math.h>

#include "device/ranks.h"
#include "train/report.h"
#include "train/trainer.h"

enum { LOG_EVERY = 50 }; /* steps between lines of log.jsonl */
static const double save_every = 10,
                    save_within = 120; /* seconds: at ends of epochs, and inside long ones */

/* ---- words for people ---- */

static double value_of(const lcl_trainer *t, const double *means, const char *name) {
  for (int i = 0; i < t->n_values - 1; i++)
    if (strcmp(t->value_name[i], name) == 0) return means[i];
  return NAN;
}

/* What training took up to now, over all sessions and with its evaluations. */
static double seconds_spent(const lcl_trainer *t) {
  return t->at.seconds + lcl__now() - t->session_start;
}

static double images_per_second(const lcl_trainer *t) {
  double seconds = seconds_spent(t);
  int64_t per_step = t->batch + t->unlabelled_batch;
  return seconds > 0 ? (double)(t->at.step * per_step) / seconds : 0;
}

static double seconds_left(const lcl_trainer *t) {
  double done = (double)t->at.step;
  double all = (double)(t->s->model->settings.epochs * t->steps_per_epoch - t->at.step);
  return done > 0 ? all * seconds_spent(t) / done : 0;
}

static void show_bar(lcl_trainer *t) {
  char line[256], left[32], err[32] = "";
  double correct = value_of(t, t->shown, "correct");
  if (!isnan(correct)) lcl__snprintf(err, sizeof err, "  error %.2f %%", 100 * (1 - correct));
  lcl__format_duration(seconds_left(t), left);
  lcl__snprintf(line, sizeof line, "epoch %d/%d  %lld/%lld  loss %.4g%s  %.0f examples/s  %s left",
                t->at.epoch + 1, t->s->model->settings.epochs, (long long)t->at.epoch_step,
                (long long)t->steps_per_epoch, t->shown[0], err, images_per_second(t), left);
  lcl__progress_bar(&t->progress, (double)t->at.epoch_step / (double)LCL_MAX(t->steps_per_epoch, 1),
                    line);
}

/* "8,000 training examples", or "100 labelled, 50,000 unlabelled examples". */
static void say_examples(const lcl_session *s, char *buf, size_t size) {
  char n[32], rest[32];
  const int64_t all = s->labelled->count;
  lcl__grouped(all, n);
  if (s->unlabelled)
    snprintf(buf, size, "%s labelled, %s unlabelled examples", n,
             lcl__grouped(s->unlabelled->count, rest));
  else
    snprintf(buf, size, "%s training example%s", n, all == 1 ? "" : "s");
}

static void show_start(lcl_trainer *t) {
  lcl_program_stats st = lcl_program_get_stats(t->compiled.program);
  char line[512], parameters[32], examples[96], steps[32];
  say_examples(t->s, examples, sizeof examples);
  lcl__snprintf(line, sizeof line,
                "%s on %s: %s parameters, %s, %s step%s an epoch, %.1f MB on the device",
                t->s->cls->name, lcl_context_device_name(t->s->ctx),
                lcl__grouped(lcl_store_param_count(t->s->store), parameters), examples,
                lcl__grouped(t->steps_per_epoch, steps), t->steps_per_epoch == 1 ? "" : "s",
                (double)(st.peak_memory + st.variable_memory) / 1e6);
  lcl__progress_line(&t->progress, line);
  if (t->at.step == 0) return;
  lcl__snprintf(line, sizeof line, "going on in epoch %d after step %lld", t->at.epoch + 1,
                (long long)t->at.step);
  lcl__progress_line(&t->progress, line);
}

/* About twenty lines a run, whatever its length. */
static bool worth_a_line(const lcl_trainer *t) {
  int epochs = t->s->model->settings.epochs, every = LCL_MAX(1, epochs / 20);
  return t->at.epoch % every == 0 || t->at.epoch == epochs || t->at.epoch == 1;
}

static void show_epoch(lcl_trainer *t, const double *means, const lcl_metrics *m, const char *split,
                       bool best) {
  if (!worth_a_line(t)) return;
  lcl_str s = { 0 };
  double correct = value_of(t, means, "correct");
  char left[32];
  lcl__format_duration(seconds_left(t), left);
  lcl__str_add(&s, "epoch %*d/%d  loss %.4g", t->s->model->settings.epochs >= 100 ? 3 : 2,
               t->at.epoch, t->s->model->settings.epochs, means[0]);
  if (!isnan(correct)) lcl__str_add(&s, "  error %.2f %%", 100 * (1 - correct));
  for (int i = 0; m && i < m->n; i++) {
    if (strcmp(m->item[i].name, "n") == 0) continue;
    lcl__str_add(&s, "  %s ", split);
    lcl__metric_text(&m->item[i], &s);
  }
  lcl__str_add(&s, "  %.0f examples/s  %s left%s", images_per_second(t), left, best ? "  *" : "");
  if (lcl__str_ok(&s)) lcl__progress_line(&t->progress, s.data);
  lcl__str_free(&s);
}

/* ---- log lines ---- */

static void add_means(cJSON *j, const lcl_trainer *t, const double *means) {
  for (int i = 0; i < t->n_values - 1; i++) {
    bool correct = strcmp(t->value_name[i], "correct") == 0;
    cJSON_AddNumberToObject(j, correct ? "error_percent" : t->value_name[i],
                            correct ? 100 * (1 - means[i]) : means[i]);
  }
}

/* The same for TensorBoard, of a group of tags. */
static void tell_means(lcl_trainer *t, const char *group, const double *means) {
  char tag[96];
  for (int i = 0; i < t->n_values - 1; i++) {
    const bool correct = strcmp(t->value_name[i], "correct") == 0;
    lcl__snprintf(tag, sizeof tag, "%s/%s", group, correct ? "error_percent" : t->value_name[i]);
    lcl__events_scalar(&t->events, tag, correct ? 100 * (1 - means[i]) : means[i]);
  }
}

/* Parameters as they were kept for the best epoch, on the host already. */
static lcl_status tell_parameters(lcl_trainer *t) {
  const lcl_store *store = t->s->store;
  for (size_t i = 0; t->events.file && t->best_file && i < lcl_store_count(store); i++) {
    const lcl_var_info v = lcl_store_info(store, i);
    const lcl_tensor_entry *e = v.trainable ? lcl_tensor_file_find(t->best_file, v.name) : NULL;
    if (e && e->dtype == LCL_F32)
      LCL_TRY(lcl__events_histogram(&t->events, v.name, e->data, e->bytes / sizeof(float)));
  }
  return lcl__events_write(&t->events, t->at.step);
}

static lcl_status log_start(lcl_trainer *t) {
  cJSON *j = cJSON_CreateObject();
  cJSON_AddStringToObject(j, "event", "start");
  cJSON_AddStringToObject(j, "device", lcl_context_device_name(t->s->ctx));
  if (t->d->start) cJSON_AddStringToObject(j, "start", t->d->start);
  cJSON_AddNumberToObject(j, "steps_per_epoch", (double)t->steps_per_epoch);
  lcl_program_stats st = lcl_program_get_stats(t->compiled.program);
  cJSON_AddNumberToObject(j, "launches", (double)st.launches);
  cJSON_AddNumberToObject(j, "flops_per_step", st.flops);
  cJSON_AddNumberToObject(j, "peak_bytes", (double)(st.peak_memory + st.variable_memory));
  return lcl__run_log_write(&t->log, j);
}

/* What this session's steps exchanged with the other ranks so far. */
static void add_exchanged(cJSON *j, lcl_trainer *t) {
  if (!t->ranks) return;
  const lcl_ranks_stats s = lcl__ranks_stats(t->ranks);
  cJSON_AddNumberToObject(j, "ranks", lcl_ranks_count(t->ranks));
  cJSON_AddNumberToObject(j, "exchanges", (double)s.sums);
  cJSON_AddNumberToObject(j, "bytes", (double)s.bytes);
  cJSON_AddNumberToObject(j, "exchanging_seconds", s.seconds);
}

static lcl_status log_step(lcl_trainer *t, const double *means) {
  cJSON *j = cJSON_CreateObject();
  cJSON_AddStringToObject(j, "event", "step");
  cJSON_AddNumberToObject(j, "step", (double)t->at.step);
  cJSON_AddNumberToObject(j, "lr", t->lr);
  add_means(j, t, means);
  cJSON_AddNumberToObject(j, "seconds", seconds_spent(t));
  add_exchanged(j, t);
  LCL_TRY(lcl__run_log_write(&t->log, j));
  lcl__events_scalar(&t->events, "learning_rate", t->lr);
  tell_means(t, "train", means);
  return lcl__events_write(&t->events, t->at.step);
}

static lcl_status log_epoch(lcl_trainer *t, double lr, const double *means, const char *split,
                            const lcl_metrics *m, double evaluation) {
  const double rate = images_per_second(t);
  cJSON *j = cJSON_CreateObject();
  cJSON_AddStringToObject(j, "event", "epoch");
  cJSON_AddNumberToObject(j, "epoch", t->at.epoch);
  cJSON_AddNumberToObject(j, "step", (double)t->at.step);
  cJSON_AddNumberToObject(j, "lr", lr);
  add_means(cJSON_AddObjectToObject(j, "train"), t, means);
  if (m) lcl__json_metrics(j, split, m);
  cJSON_AddNumberToObject(j, "seconds", seconds_spent(t));
  if (m) cJSON_AddNumberToObject(j, "evaluation_seconds", evaluation);
  cJSON_AddNumberToObject(j, "images_per_second", rate);
  LCL_TRY(lcl__run_log_write(&t->log, j));
  lcl__events_scalar(&t->events, "epoch/learning_rate", lr);
  lcl__events_scalar(&t->events, "epoch/images_per_second", rate);
  tell_means(t, "epoch", means);
  if (m) lcl__events_metrics(&t->events, split, m);
  return lcl__events_write(&t->events, t->at.step);
}

/* Training ended before its last epoch: when and why. */
static lcl_status log_stop(lcl_trainer *t) {
  const lcl_settings *s = &t->s->model->settings;
  cJSON *j = cJSON_CreateObject();
  cJSON_AddStringToObject(j, "event", "stop");
  cJSON_AddNumberToObject(j, "epoch", t->at.epoch);
  cJSON_AddNumberToObject(j, "best_epoch", t->at.best_epoch);
  cJSON_AddStringToObject(j, "metric", s->select);
  cJSON_AddNumberToObject(j, "best", t->at.best_value);
  cJSON_AddNumberToObject(j, "patience", s->patience);
  return lcl__run_log_write(&t->log, j);
}

static lcl_status log_ranks(lcl_trainer *t) {
  if (!t->ranks) return LCL_OK;
  cJSON *j = cJSON_CreateObject();
  cJSON_AddStringToObject(j, "event", "ranks");
  cJSON_AddNumberToObject(j, "step", (double)t->at.step);
  add_exchanged(j, t);
  return lcl__run_log_write(&t->log, j);
}

static void show_stop(lcl_trainer *t) {
  const lcl_settings *s = &t->s->model->settings;
  char line[256];
  lcl__snprintf(line, sizeof line,
                "stopped early after epoch %d of %d: for %d epoch%s validation %s was not better "
                "than %.4g of epoch %d (patience %d)",
                t->at.epoch, s->epochs, t->at.waited, t->at.waited == 1 ? "" : "s", s->select,
                t->at.best_value, t->at.best_epoch, s->patience);
  lcl__progress_line(&t->progress, line);
}

/* ---- epochs ---- */

bool lcl__trainer_selects(const lcl_trainer *t) {
  const lcl_settings *s = &t->s->model->settings;
  return t->s->splits.valid && !t->s->data_desc.merge && s->select && *s->select &&
         strcmp(s->select, "last") != 0;
}

/* Epochs since the evaluation before, where that of this epoch is due; else 0. */
static int evaluation_due(const lcl_trainer *t) {
  const lcl_settings *s = &t->s->model->settings;
  const int every = LCL_MAX(s->validate_every, 1), epoch = t->at.epoch;
  if (epoch > 1 && epoch < s->epochs && epoch % every != 0) return 0;
  const int before = (epoch - 1) / every * every;
  return epoch - (epoch > 1 ? LCL_MAX(before, 1) : 0);
}

/* Is this epoch the best so far? Without selection every epoch is, unless its loss is NaN or Inf. A
 * metric that is missing is an error. epochs: since the evaluation before; 0: m is not of this one.
 */
static lcl_status judge(lcl_trainer *t, const lcl_metrics *m, int epochs, bool *best) {
  const lcl_settings *s = &t->s->model->settings;
  lcl_position *p = &t->at;
  const double *loss = lcl_metrics_get(m, "loss");
  const bool finite = !loss || isfinite(*loss);
  *best = finite;
  if (!lcl__trainer_selects(t)) {
    if (finite) p->best_epoch = p->epoch;
    return LCL_OK;
  }
  *best = false;
  if (epochs == 0) return LCL_OK;
  const double *v = lcl_metrics_get(m, s->select);
  if (!v)
    return lcl__fail(LCL_ERR_ARGUMENT, "the evaluation has no metric \"%s\" to select by",
                     s->select);
  const bool counts = s->select_last <= 0 || p->epoch > s->epochs - s->select_last;
  *best = counts && finite && isfinite(*v) &&
          (p->best_epoch == 0 || (s->higher_is_better ? *v > p->best_value : *v < p->best_value));
  p->waited += counts ? epochs : 0;
  p->stalled += counts ? epochs : 0;
  if (*best) {
    p->best_value = *v;
    p->best_epoch = p->epoch;
    p->waited = p->stalled = 0;
  } else if (s->schedule.kind == LCL_SCHEDULE_PLATEAU && p->stalled >= s->schedule.every) {
    p->plateaus++;
    p->stalled = 0;
  }
  return LCL_OK;
}

/* There is nothing to test or to report of a run that never was any good. */
static lcl_status check_best(const lcl_trainer *t) {
  if (t->at.best_epoch > 0 || t->at.epoch == 0) return LCL_OK;
  return lcl__fail(LCL_ERR_NUMERIC,
                   "the loss of the validation, or the metric that selects, was NaN or Inf after "
                   "every epoch: none is the best one");
}

static lcl_status finish_epoch(lcl_trainer *t) {
  double window[LCL_TRAIN_VALUES], means[LCL_TRAIN_VALUES];
  LCL_TRY(lcl__trainer_flush(t, window));
  double n = LCL_MAX(t->at.total[t->n_values - 1], 1);
  for (int i = 0; i < t->n_values; i++) means[i] = t->at.total[i] / n;
  memset(t->at.total, 0, sizeof t->at.total);
  /* Of the last step, which may be one of before a resume. */
  const double lr = lcl_schedule_rate(&t->s->model->settings.schedule, t->at.epoch, t->at.step - 1,
                                      t->at.plateaus);
  t->at.epoch++;
  t->at.epoch_step = 0;
  lcl_metrics m = { 0 };
  const int epochs = evaluation_due(t);
  bool merged = t->s->data_desc.merge, evaluate = epochs > 0 && (merged || t->s->splits.valid),
       best;
  const char *split = merged ? "all" : "validation";
  const double began = lcl__now();
  if (evaluate)
    LCL_TRY(lcl__trainer_evaluate(t, merged ? t->s->splits.train : t->s->splits.valid, split, &m));
  const double evaluation = lcl__now() - began;
  LCL_TRY(judge(t, &m, epochs, &best));
  LCL_TRY(log_epoch(t, lr, means, split, evaluate ? &m : NULL, evaluation));
  show_epoch(t, means, evaluate ? &m : NULL, split, best && lcl__trainer_selects(t));
  if (best) LCL_TRY(lcl__trainer_keep_best(t, &m));
  if (best) LCL_TRY(tell_parameters(t));
  return lcl__now() - t->last_saved >= save_every ? lcl__trainer_save(t) : LCL_OK;
}

/* Of several ranks: all see it after the same step, whichever was asked. */
static bool interrupted(lcl_trainer *t) {
  return lcl__ranks_vote(t->ranks, t->d->interrupted && t->d->interrupted());
}

/* Saves and says how to go on. */
static lcl_status stop_here(lcl_trainer *t) {
  LCL_TRY(lcl__trainer_save(t));
  return lcl__fail(
      LCL_ERR_INTERRUPTED,
      "stopped in epoch %d after step %lld; everything is saved: continue with --resume --out %s",
      t->at.epoch + 1, (long long)t->at.step, t->folder);
}

static bool out_of_steps(const lcl_trainer *t) {
  return t->d->max_steps > 0 && t->at.step >= t->d->max_steps;
}

static lcl_status run_epoch(lcl_trainer *t) {
  double shown = lcl__now(), means[LCL_TRAIN_VALUES];
  while (t->at.epoch_step < t->steps_per_epoch) {
    LCL_TRY(lcl__trainer_step(t));
    if (t->at.step % LOG_EVERY == 0) {
      LCL_TRY(lcl__trainer_flush(t, means));
      LCL_TRY(log_step(t, means));
    } else if (lcl__now() - shown > 0.5) {
      LCL_TRY(lcl__trainer_peek(t));
      shown = lcl__now();
    }
    show_bar(t);
    if (t->d->stepped)
      t->d->stepped(t->d->user, t->at.step, t->steps_per_epoch * t->s->model->settings.epochs);
    if (interrupted(t)) return stop_here(t);
    if (out_of_steps(t)) return lcl__trainer_save(t);
    if (lcl__now() - t->last_saved > save_within) LCL_TRY(lcl__trainer_save(t));
  }
  return finish_epoch(t);
}

static lcl_status run_epochs(lcl_trainer *t) {
  const lcl_settings *s = &t->s->model->settings;
  while (t->at.epoch < s->epochs && !out_of_steps(t)) {
    if (s->patience > 0 && t->at.waited >= s->patience) {
      t->stopped_early = true;
      LCL_TRY(log_stop(t));
      show_stop(t);
      break;
    }
    LCL_TRY(run_epoch(t));
    if (interrupted(t)) return stop_here(t);
  }
  return lcl__trainer_save(t);
}

/* What is not finite was seen at a log line or a save; the step and the op that made it are found
 * by going from the last checkpoint, which is good, once more. */
static lcl_status run_or_blame(lcl_trainer *t) {
  lcl_status s = run_epochs(t);
  if (s != LCL_ERR_INTERRUPTED) s = lcl__ranks_fail(t->ranks, s);
  return s == LCL_ERR_NUMERIC && !t->d->check_numerics ? lcl__trainer_diagnose(t) : s;
}

/* ---- the end ---- */

static lcl_status calibrate(lcl_trainer *t) {
  lcl_session *s = t->s;
  lcl_compiled compiled;
  lcl_batcher *batches = NULL;
  int64_t n = LCL_MIN(t->batch, s->labelled->count);
  LCL_TRY(lcl__compiled_create(
      s, &(lcl_compiled_desc) { .mode = LCL_MODE_CALIBRATE, .name = "calibrate", .batch = n },
      &compiled));
  lcl_batcher_desc d = { .data = s->labelled,
                         .prep = s->prep,
                         .batch = (int)n,
                         .mode = LCL_BATCH_EPOCH,
                         .seed = s->seed,
                         .stream = 3 };
  lcl_status st = lcl_batcher_create(&d, &batches);
  size_t bytes = compiled.build.image
                     ? (size_t)lcl_shape_count(lcl_tensor_shape(compiled.build.image)) *
                           sizeof(float)
                     : 0;
  for (int64_t i = 0; st == LCL_OK && i < lcl_batcher_steps(batches); i++) {
    lcl_batch b;
    st = lcl_batcher_next(batches, &b);
    if (st == LCL_OK && bytes) st = lcl_feed(compiled.program, "image", b.x, bytes);
    if (st == LCL_OK && compiled.build.label)
      st = lcl_feed(compiled.program, "label", b.label, (size_t)n * sizeof(int32_t));
    if (st == LCL_OK) st = lcl_run(compiled.program);
  }
  lcl_batcher_destroy(batches);
  lcl__compiled_destroy(&compiled);
  return st;
}

static lcl_status log_test(lcl_trainer *t, const char *split, const lcl_metrics *m,
                           const int64_t *confusion, int classes) {
  cJSON *j = cJSON_CreateObject();
  cJSON_AddStringToObject(j, "event", "test");
  cJSON_AddStringToObject(j, "split", split);
  cJSON_AddNumberToObject(j, "best_epoch", t->at.best_epoch);
  lcl__json_metrics(j, "metrics", m);
  cJSON *rows = classes ? cJSON_AddArrayToObject(j, "confusion") : NULL;
  for (int r = 0; r < classes; r++) {
    cJSON *row = cJSON_CreateArray();
    for (int c = 0; c < classes; c++)
      cJSON_AddItemToArray(row, cJSON_CreateNumber((double)confusion[r * classes + c]));
    cJSON_AddItemToArray(rows, row);
  }
  LCL_TRY(lcl__run_log_write(&t->log, j));
  char group[32];
  lcl__snprintf(group, sizeof group, strcmp(split, "test") ? "final/%s" : "%s", split);
  lcl__events_metrics(&t->events, group, m);
  return lcl__events_write(&t->events, t->at.step);
}

/* The best epoch's file gets the exact statistics too, so that evaluating the run says the same. */
static lcl_status keep_calibrated(lcl_trainer *t) {
  lcl_tensor_file *f;
  LCL_TRY(calibrate(t));
  LCL_TRY(lcl__session_save(t->s, false, &f));
  lcl_status st = lcl__tensor_file_set_number(f, "best_epoch", t->at.best_epoch);
  if (st == LCL_OK) st = lcl_tensor_file_write(f, t->best_path);
  lcl_tensor_file_destroy(f);
  return st;
}

/* Classes; tables of more of them are longer than all else of a log, and nobody reads them. */
enum { MOST_CONFUSED = 1000 };

/* Evaluates the best epoch on the test split (everything, for merged splits). */
static lcl_status final_test(lcl_trainer *t, lcl_metrics *out) {
  lcl_session *s = t->s;
  bool merged = s->data_desc.merge;
  const bool held = !merged && !s->splits.test && s->model->settings.select_last > 0;
  lcl_dataset *ds = merged ? s->splits.train : held ? s->splits.valid : s->splits.test;
  const char *split = merged ? "all" : held ? "validation" : "test";
  lcl_tensor_file *f;
  if (!ds || !lcl__file_exists(t->best_path)) return LCL_OK;
  LCL_TRY(lcl_tensor_file_read(t->best_path, &f));
  lcl_status st = lcl__session_load(s, f, false);
  lcl_tensor_file_destroy(f);
  LCL_TRY(st);
  if (s->model->settings.calibrate) LCL_TRY(keep_calibrated(t));
  const int classes = t->eval && ds->labels && ds->classes <= MOST_CONFUSED ? ds->classes : 0;
  int64_t *confusion = lcl__alloc((size_t)LCL_MAX(classes * classes, 1) * sizeof *confusion);
  if (!confusion) return LCL_ERR_HOST_MEMORY;
  st = lcl__evaluate(t->eval, ds, split, out, classes ? confusion : NULL);
  if (st == LCL_OK) st = log_test(t, split, out, confusion, classes);
  lcl__free(confusion);
  return st;
}

static void show_test(lcl_trainer *t, const lcl_metrics *m) {
  lcl_str s = { 0 };
  const char *part = t->s->data_desc.merge ? "all examples"
                     : t->s->splits.test   ? "test"
                                           : "validation";
  lcl__str_add(&s, "%s (epoch %d):", part, t->at.best_epoch);
  for (int i = 0; i < m->n; i++) {
    if (strcmp(m->item[i].name, "n") == 0) continue;
    lcl__str_add(&s, "  ");
    lcl__metric_text(&m->item[i], &s);
  }
  if (m->n && lcl__str_ok(&s)) lcl__progress_line(&t->progress, s.data);
  lcl__str_free(&s);
}

/* Device times of what ran in this session. */
static lcl_status write_times(lcl_trainer *t, lcl_context *ctx) {
  if (t->d->trace) LCL_TRY(lcl__profile_write_trace(ctx, t->d->trace));
  const int64_t steps = t->at.step - t->session_step;
  if ((!t->d->profile && !t->d->trace) || steps == 0) return LCL_OK;
  return lcl__write_profile(ctx, t->folder, steps);
}

/* The grids of the report, for TensorBoard. */
static lcl_status tell_images(lcl_trainer *t, const lcl_tensor_file *best) {
  const lcl_dataset *ds = t->s->splits.test ? t->s->splits.test : t->s->splits.train;
  const lcl_sample_request request = { .count = 50, .seed = 1 };
  static const char *const tags[] = { "reconstructions", "samples" };
  for (int i = 0; t->events.file && i < 2; i++) {
    lcl_image_rows p;
    lcl_image image = { 0 };
    if (!(t->s->cls->can & (i ? LCL_CAN_SAMPLE : LCL_CAN_RECONSTRUCT))) continue;
    lcl_status s = i ? lcl__session_sample(t->s, best, &request, &p)
                     : lcl__session_reconstruct(t->s, best, ds, 20, 1, &p);
    if (s == LCL_ERR_UNSUPPORTED) continue; /* not with these options */
    if (s == LCL_OK) s = lcl__image_rows_grid(&p, 1, &image);
    lcl__image_rows_free(&p);
    if (s == LCL_OK) s = lcl__events_image(&t->events, tags[i], &image);
    lcl__image_free(&image);
    LCL_TRY(s);
  }
  return lcl__events_write(&t->events, t->at.step);
}

/* Times and report; images come from the best epoch. */
static lcl_status finish_files(lcl_trainer *t, lcl_context *ctx) {
  lcl_tensor_file *best = NULL;
  LCL_TRY(write_times(t, ctx));
  if (lcl__file_exists(t->best_path)) LCL_TRY(lcl_tensor_file_read(t->best_path, &best));
  lcl_status s = lcl__report_write(t->s, best, t->folder);
  if (s == LCL_OK) s = tell_images(t, best);
  lcl_tensor_file_destroy(best);
  return s;
}

/* What the end will need is asked for before the first step. */
static lcl_status check_profile(lcl_context *ctx, const lcl_train_desc *d) {
  if ((d->profile || d->trace) && !lcl__context_profiles(ctx))
    return lcl__fail(LCL_ERR_ARGUMENT, "device times need a context with lcl_context_desc.profile");
  return d->trace ? lcl__profile_start_trace(ctx) : LCL_OK;
}

/* Test and report, by rank 0. */
static lcl_status finish_run(lcl_trainer *t, lcl_context *ctx, lcl_train_result *r) {
  const bool whole = !out_of_steps(t);
  if (!t->leads) return LCL_OK;
  if (whole) LCL_TRY(check_best(t));
  if (whole && t->d->test) LCL_TRY(final_test(t, &r->test));
  show_test(t, &r->test);
  r->reported = whole;
  return whole ? finish_files(t, ctx) : write_times(t, ctx);
}

lcl_status lcl_train(lcl_context *ctx, const lcl_train_desc *desc, lcl_train_result *result) {
  LCL_NEED(ctx, desc);
  lcl_trainer t;
  lcl_train_result none, *r = result ? result : &none;
  memset(r, 0, sizeof *r);
  if (!desc->model && !desc->resume) return lcl__fail(LCL_ERR_ARGUMENT, "no model was named");
  LCL_TRY(check_profile(ctx, desc));
  lcl_status s = lcl__trainer_open(&t, ctx, desc);
  if (s == LCL_OK) show_start(&t);
  if (s == LCL_OK && t.at.step == 0) s = log_start(&t);
  if (s == LCL_OK) s = run_or_blame(&t);
  lcl__snprintf(r->out, sizeof r->out, "%s", t.folder);
  r->epochs = t.at.epoch;
  r->best_epoch = t.at.best_epoch;
  r->steps = t.at.step;
  r->stopped_early = t.stopped_early;
  r->validation = t.best;
  if (s == LCL_OK) {
    r->seconds = seconds_spent(&t);
    r->examples_per_second = images_per_second(&t);
  }
  if (s == LCL_OK) {
    s = log_ranks(&t);
    s = lcl__ranks_agree(t.ranks, s == LCL_OK ? finish_run(&t, ctx, r) : s);
    lcl__ranks_broadcast(t.ranks, &r->test, sizeof r->test);
  } else if (s == LCL_ERR_INTERRUPTED && t.leads) {
    const lcl_status st = write_times(&t, ctx);
    if (st != LCL_OK) s = st;
  }
  lcl__trainer_close(&t);
  return s;
}
