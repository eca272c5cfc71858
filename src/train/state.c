/* A run's checkpoints: variables, position, best epoch. */
#include <math.h>

#include "train/trainer.h"

static lcl_status set_metrics(lcl_tensor_file *f, const lcl_metrics *m) {
  cJSON *j = cJSON_CreateObject();
  for (int i = 0; i < m->n; i++) cJSON_AddNumberToObject(j, m->item[i].name, m->item[i].value);
  char *text = lcl__json_print(j, false);
  cJSON_Delete(j);
  if (!text) return LCL_ERR_HOST_MEMORY;
  lcl_status s = lcl_tensor_file_set_meta(f, "best", text);
  free(text);
  return s;
}

static lcl_status get_metrics(const lcl_tensor_file *f, lcl_metrics *m) {
  const char *text = lcl_tensor_file_meta(f, "best");
  cJSON *j = lcl__json_parse(text ? text : "", text ? strlen(text) : 0), *all = NULL;
  const cJSON *item;
  memset(m, 0, sizeof *m);
  if (j && (all = cJSON_CreateObject()) && cJSON_AddItemToObject(all, "best", j)) j = NULL;
  cJSON_Delete(j);
  const lcl_json_field field = { "best", LCL_JSON_NUMBERS, true };
  lcl_status s = lcl__json_check(all, "the checkpoint's metadata", &field, 1);
  cJSON_ArrayForEach(item, lcl__json_members(all, "best")) {
    if (s == LCL_OK && cJSON_IsNumber(item)) lcl_metrics_set(m, item->string, item->valuedouble);
  }
  cJSON_Delete(all);
  return s;
}

/* One line a recorded number: the same table writes, reads and checks. */
typedef struct field {
  const char *key;
  size_t offset;
  enum { FIELD_INT, FIELD_INT64, FIELD_DOUBLE } type;
  const char *range;
} field;
#define FIELD(name, kind, range)                                                                   \
  { #name, offsetof(lcl_position, name), kind, range }
static const field fields[] = {
  FIELD(epoch, FIELD_INT, "[0,1e7]"),
  FIELD(step, FIELD_INT64, "[0,1e15]"),
  FIELD(epoch_step, FIELD_INT64, "[0,1e12]"),
  FIELD(labelled.epoch, FIELD_INT64, "[0,1e15]"),
  FIELD(labelled.step, FIELD_INT64, "[0,1e12]"),
  FIELD(unlabelled.epoch, FIELD_INT64, "[0,1e15]"),
  FIELD(unlabelled.step, FIELD_INT64, "[0,1e12]"),
  FIELD(best_epoch, FIELD_INT, "[0,1e7]"),
  FIELD(best_value, FIELD_DOUBLE, NULL),
  FIELD(stalled, FIELD_INT, "[0,1e7]"),
  FIELD(plateaus, FIELD_INT, "[0,1e7]"),
  FIELD(waited, FIELD_INT, "[0,1e7]"),
  FIELD(seconds, FIELD_DOUBLE, "[0,1e12]"),
};

static double get_field(const lcl_position *p, const field *f) {
  const char *at = (const char *)p + f->offset;
  if (f->type == FIELD_INT) return *(const int *)at;
  if (f->type == FIELD_INT64) return (double)*(const int64_t *)at;
  return *(const double *)at;
}

static void put_field(lcl_position *p, const field *f, double v) {
  char *at = (char *)p + f->offset;
  if (f->type == FIELD_INT)
    *(int *)at = (int)v;
  else if (f->type == FIELD_INT64)
    *(int64_t *)at = (int64_t)v;
  else
    *(double *)at = v;
}

static lcl_status set_position(lcl_trainer *t, lcl_tensor_file *f) {
  lcl_position *p = &t->at;
  p->labelled = lcl_batcher_state(t->labelled);
  if (t->unlabelled) p->unlabelled = lcl_batcher_state(t->unlabelled);
  for (size_t i = 0; i < LCL_COUNT(fields); i++)
    LCL_TRY(lcl__tensor_file_set_number(f, fields[i].key, get_field(p, &fields[i])));
  lcl_str totals = { 0 };
  for (int i = 0; i < t->n_values; i++) lcl__str_add(&totals, "%s%.17g", i ? " " : "", p->total[i]);
  lcl_status s = lcl__str_ok(&totals)
                     ? lcl_tensor_file_set_meta(f, "totals", totals.data ? totals.data : "")
                     : LCL_ERR_HOST_MEMORY;
  lcl__str_free(&totals);
  if (s == LCL_OK) s = lcl__tensor_file_set_number(f, "log_bytes", (double)t->log.bytes);
  if (s == LCL_OK && t->events.file) s = lcl_tensor_file_set_meta(f, "events", t->events.name);
  if (s == LCL_OK && t->events.file)
    s = lcl__tensor_file_set_number(f, "events_bytes", (double)t->events.bytes);
  if (s == LCL_OK) s = set_metrics(f, &t->best);
  return s;
}

static lcl_status not_finite(const lcl_trainer *t, lcl_status s) {
  if (s == LCL_ERR_NUMERIC) lcl__fail_prefix(s, "by step %lld", (long long)t->at.step);
  return s;
}

/* The session's variables with this run's position. */
static lcl_status snapshot(lcl_trainer *t, lcl_tensor_file **out) {
  LCL_TRY(not_finite(t, lcl__session_save(t->s, true, out)));
  lcl_status s = set_position(t, *out);
  if (s == LCL_OK) return LCL_OK;
  lcl_tensor_file_destroy(*out);
  *out = NULL;
  return s;
}

lcl_status lcl__trainer_save(lcl_trainer *t) {
  lcl_tensor_file *f;
  if (!t->leads) return LCL_OK;
  LCL_TRY(lcl__run_log_sync(&t->log));
  LCL_TRY(lcl__events_sync(&t->events));
  if (t->best_file) {
    LCL_TRY(lcl_tensor_file_write(t->best_file, t->best_path));
    lcl_tensor_file_destroy(t->best_file);
    t->best_file = NULL;
  }
  double seconds = t->at.seconds; /* this session's time counts in the file, not twice in memory */
  if (t->session_start > 0) t->at.seconds += lcl__now() - t->session_start;
  lcl_status s = snapshot(t, &f);
  t->at.seconds = seconds;
  LCL_TRY(s);
  s = lcl_tensor_file_write(f, t->last_path);
  lcl_tensor_file_destroy(f);
  t->last_saved = lcl__now();
  return s;
}

/* The network, and which epoch it is of; what a resume needs is in the last checkpoint. */
lcl_status lcl__trainer_keep_best(lcl_trainer *t, const lcl_metrics *m) {
  t->best = *m;
  if (!t->leads) return LCL_OK;
  lcl_tensor_file_destroy(t->best_file);
  t->best_file = NULL;
  lcl_status s = not_finite(t, lcl__session_save(t->s, false, &t->best_file));
  if (s == LCL_OK) s = lcl__tensor_file_set_number(t->best_file, "best_epoch", t->at.best_epoch);
  if (s == LCL_OK) s = set_metrics(t->best_file, m);
  if (s == LCL_OK) return LCL_OK;
  lcl_tensor_file_destroy(t->best_file);
  t->best_file = NULL;
  return s;
}

lcl_status lcl__trainer_log_bytes(const lcl_tensor_file *f, int64_t *bytes) {
  double n;
  LCL_TRY(lcl__tensor_file_number(f, "log_bytes", "[0,1e15]", true, &n));
  *bytes = (int64_t)n;
  return LCL_OK;
}

lcl_status lcl__trainer_events(const lcl_tensor_file *f, lcl_events_before *before) {
  const char *name = lcl_tensor_file_meta(f, "events");
  double bytes = 0, step;
  LCL_TRY(lcl__tensor_file_number(f, "step", "[0,1e15]", true, &step));
  if (name) LCL_TRY(lcl__tensor_file_number(f, "events_bytes", "[0,1e15]", true, &bytes));
  lcl__snprintf(before->name, sizeof before->name, "%s", name ? name : "");
  before->bytes = (int64_t)bytes;
  before->step = (int64_t)step;
  return LCL_OK;
}

static lcl_status get_totals(lcl_trainer *t, const char *text) {
  const char *p = text ? text : "";
  char *end;
  int n = 0;
  for (; n < t->n_values; n++, p = end) {
    t->at.total[n] = lcl__strtod(p, &end);
    if (end == p || !isfinite(t->at.total[n])) break;
  }
  if (n == t->n_values && !*p) return LCL_OK;
  return lcl__fail(LCL_ERR_FORMAT, "the checkpoint's totals must be %d finite numbers, not \"%s\"",
                   t->n_values, text ? text : "");
}

/* Every step takes one batch. */
static bool stands_at(const lcl_batcher *b, lcl_batch_state at, int64_t step) {
  const int64_t steps = lcl_batcher_steps(b);
  return at.epoch == step / steps && at.step == step % steps;
}

static lcl_status get_position(lcl_trainer *t, const lcl_tensor_file *f) {
  lcl_position *p = &t->at;
  memset(p, 0, sizeof *p);
  for (size_t i = 0; i < LCL_COUNT(fields); i++) {
    double v;
    LCL_TRY(lcl__tensor_file_number(f, fields[i].key, fields[i].range,
                                    fields[i].type != FIELD_DOUBLE, &v));
    put_field(p, &fields[i], v);
  }
  const int most = LCL_MAX(LCL_MAX(p->best_epoch, p->stalled), LCL_MAX(p->plateaus, p->waited));
  if (p->epoch_step > t->steps_per_epoch || most > p->epoch ||
      p->step != p->epoch * t->steps_per_epoch + p->epoch_step ||
      !stands_at(t->labelled, p->labelled, p->step) ||
      (t->unlabelled && !stands_at(t->unlabelled, p->unlabelled, p->step)))
    return lcl__fail(LCL_ERR_FORMAT,
                     "the checkpoint stands at step %lld of epoch %d (%lld in all, best epoch %d, "
                     "batches of epoch %lld): no run of %lld steps an epoch comes there",
                     (long long)p->epoch_step, p->epoch + 1, (long long)p->step, p->best_epoch,
                     (long long)(t->unlabelled ? p->unlabelled : p->labelled).epoch + 1,
                     (long long)t->steps_per_epoch);
  LCL_TRY(get_totals(t, lcl_tensor_file_meta(f, "totals")));
  return get_metrics(f, &t->best);
}

/* Where a run goes on for longer than it was to, what was the best of its last epochs is none of
 * them now. */
static void forget_best(lcl_trainer *t) {
  const lcl_settings *s = &t->s->model->settings;
  lcl_position *p = &t->at;
  if (s->select_last <= 0 || p->best_epoch > s->epochs - s->select_last) return;
  p->best_epoch = p->stalled = p->waited = 0;
  memset(&t->best, 0, sizeof t->best);
}

lcl_status lcl__trainer_restore(lcl_trainer *t, const lcl_tensor_file *f) {
  lcl_position *p = &t->at;
  LCL_TRY(get_position(t, f));
  if (p->epoch > t->s->model->settings.epochs)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "the run in %s has done %d epochs: it cannot end at epochs=%d", t->folder,
                     p->epoch, t->s->model->settings.epochs);
  forget_best(t);
  if (lcl__tensor_file_finite(f) != LCL_OK)
    return lcl__fail_prefix(LCL_ERR_NUMERIC, "the checkpoint cannot be resumed");
  LCL_TRY(lcl__session_load(t->s, f, t->leads)); /* the others have no graph to evaluate with */
  /* The last step's: an epoch that ended at the checkpoint is logged without another step. */
  t->lr = lcl_schedule_rate(&t->s->model->settings.schedule, p->epoch, LCL_MAX(p->step - 1, 0),
                            p->plateaus);
  t->fed_lr = false;
  LCL_TRY(lcl_batcher_seek(t->labelled, p->labelled));
  return t->unlabelled ? lcl_batcher_seek(t->unlabelled, p->unlabelled) : LCL_OK;
}
