/* One training step, and what it leaves behind. */
#include <math.h>

#include "train/trainer.h"

static lcl_status feed_batch(lcl_trainer *t) {
  lcl_build *b = &t->compiled.build;
  lcl_program *p = t->compiled.program;
  lcl_batch batch;
  LCL_TRY(lcl_batcher_next(t->labelled, &batch));
  size_t n = (size_t)b->batch;
  if (b->image)
    LCL_TRY(lcl_feed(p, "image", batch.x,
                     (size_t)lcl_shape_count(lcl_tensor_shape(b->image)) * sizeof(float)));
  if (b->label) LCL_TRY(lcl_feed(p, "label", batch.label, n * sizeof(int32_t)));
  if (b->side) {
    size_t w = (size_t)t->s->model->side_width;
    for (size_t i = 0; i < n; i++)
      memcpy(t->side + i * w, t->s->model->side + (size_t)batch.index[i] * w, w * sizeof(float));
    LCL_TRY(lcl_feed(p, "side", t->side, n * w * sizeof(float)));
  }
  if (b->clean) {
    const size_t each = (size_t)lcl_shape_count(lcl_tensor_shape(b->clean)) / n;
    for (size_t i = 0; i < n; i++)
      LCL_TRY(lcl__session_examples(t->s, t->s->labelled, batch.index[i], 1, t->clean + i * each));
    LCL_TRY(lcl_feed(p, "clean", t->clean, n * each * sizeof(float)));
  }
  if (b->weight) {
    for (size_t i = 0; i < n; i++)
      t->weight[i] = batch.label[i] >= 0 ? t->class_weight[batch.label[i]] : 0;
    LCL_TRY(lcl_feed(p, "weight", t->weight, n * sizeof(float)));
  }
  if (!t->unlabelled) return LCL_OK;
  LCL_TRY(lcl_batcher_next(t->unlabelled, &batch));
  if (!b->unlabelled) return LCL_OK;
  return lcl_feed(p, "unlabelled", batch.x,
                  (size_t)lcl_shape_count(lcl_tensor_shape(b->unlabelled)) * sizeof(float));
}

static lcl_status feed_rate(lcl_trainer *t) {
  const double lr = t->given_lr > 0 ? t->given_lr
                                    : lcl_schedule_rate(&t->s->model->settings.schedule,
                                                        t->at.epoch, t->at.step, t->at.plateaus);
  if (t->fed_lr && lr == t->lr) return LCL_OK;
  float rate = (float)lr;
  t->lr = lr;
  t->fed_lr = true;
  return lcl_feed(t->compiled.program, "lr", &rate, sizeof rate);
}

lcl_status lcl__trainer_step(lcl_trainer *t) {
  const int every = t->s->model->settings.refresh_every;
  if (every > 0 && t->at.step % every == 0) LCL_TRY(lcl__trainer_refresh(t));
  LCL_TRY(feed_rate(t));
  LCL_TRY(feed_batch(t));
  lcl_status s = lcl_run(t->compiled.program);
  if (s != LCL_OK)
    return lcl__fail_prefix(s, "epoch %d, step %lld", t->at.epoch + 1, (long long)t->at.step + 1);
  t->at.step++;
  t->at.epoch_step++;
  return LCL_OK;
}

static lcl_status read_sums(lcl_trainer *t, float *sums) {
  return lcl_store_read(t->s->store, "train.sums", sums, (size_t)t->n_values * sizeof(float));
}

lcl_status lcl__trainer_peek(lcl_trainer *t) {
  float sums[LCL_TRAIN_VALUES];
  LCL_TRY(read_sums(t, sums));
  int last = t->n_values - 1;
  double n = t->at.total[last] + sums[last];
  for (int i = 0; i < last; i++) t->shown[i] = n > 0 ? (t->at.total[i] + sums[i]) / n : 0;
  return LCL_OK;
}

lcl_status lcl__trainer_flush(lcl_trainer *t, double *mean) {
  float sums[LCL_TRAIN_VALUES];
  int last = t->n_values - 1;
  LCL_TRY(read_sums(t, sums));
  for (int i = 0; i < t->n_values; i++) {
    t->at.total[i] += sums[i];
    mean[i] = sums[last] > 0 ? (double)sums[i] / sums[last] : 0;
  }
  for (int i = 0; i < last; i++) t->shown[i] = t->at.total[i] / LCL_MAX(t->at.total[last], 1);
  if (!isfinite(sums[0]))
    return lcl__fail(LCL_ERR_NUMERIC, "by step %lld: the loss is not finite",
                     (long long)t->at.step);
  memset(sums, 0, sizeof sums);
  return lcl_store_write(t->s->store, "train.sums", sums, (size_t)t->n_values * sizeof(float));
}

/* Runs the checking graph from the last checkpoint on, until it fails or has caught up with
 * `until`. */
static lcl_status replay(lcl_trainer *t, int64_t until) {
  while (t->at.step < until) {
    LCL_TRY(lcl__trainer_step(t));
    if (t->at.epoch_step < t->steps_per_epoch) continue;
    t->at.epoch++;
    t->at.epoch_step = 0;
  }
  return LCL_OK;
}

lcl_status lcl__trainer_diagnose(lcl_trainer *t) {
  int64_t until = t->at.step;
  char seen[256];
  lcl__snprintf(seen, sizeof seen, "%s", lcl_error_message());
  lcl_tensor_file *f;
  lcl_compiled checking;
  LCL_TRY(lcl_tensor_file_read(t->last_path, &f));
  lcl_status s = lcl__trainer_compile(t, true, &checking);
  if (s == LCL_OK) {
    lcl_compiled normal = t->compiled;
    t->compiled = checking;
    s = lcl__trainer_restore(t, f);
    if (s == LCL_OK) s = replay(t, until);
    t->compiled = normal;
    lcl__compiled_destroy(&checking);
  }
  lcl_tensor_file_destroy(f);
  if (s == LCL_OK)
    s = lcl__fail(LCL_ERR_NUMERIC, "%s; repeating the steps found no tensor to blame", seen);
  return s;
}
