/* A run's checkpoints: variables, position, best epoch. */
#include <math.h>

#include "train/trainer.h"

static lcl_status set_metrics(lcl_tensor_file *f, const lcl_metrics *m) {
  cJSON *j = cJSON_CreateObject();
  for (int i = 0; i < m->n; i++) cJSON_AddNumberToObject(j, m->item[i].name, m->item[i].value);
  char *text = lcl_json_print(j, false);
  cJSON_Delete(j);
  if (!text) return LCL_ERR_HOST_MEMORY;
  lcl_status s = lcl_tensor_file_set_meta(f, "best", text);
  free(text);
  return s;
}

static void get_metrics(const lcl_tensor_file *f, lcl_metrics *m) {
  const char *text = lcl_tensor_file_meta(f, "best");
  cJSON *j = text ? lcl_json_parse(text, strlen(text)) : NULL;
  const cJSON *item;
  memset(m, 0, sizeof *m);
  cJSON_ArrayForEach(item, j) if (cJSON_IsNumber(item))
      lcl_metrics_set(m, item->string, item->valuedouble);
  cJSON_Delete(j);
}

/* One line a recorded number: the same table writes and reads. */
typedef struct field {
  const char *key;
  size_t offset;
  enum { FIELD_INT, FIELD_INT64, FIELD_DOUBLE } type;
} field;
#define FIELD(name, kind)                                                                          \
  { #name, offsetof(lcl_position, name), kind }
static const field fields[] = {
  FIELD(epoch, FIELD_INT),
  FIELD(step, FIELD_INT64),
  FIELD(epoch_step, FIELD_INT64),
  FIELD(labelled.epoch, FIELD_INT64),
  FIELD(labelled.step, FIELD_INT64),
  FIELD(unlabelled.epoch, FIELD_INT64),
  FIELD(unlabelled.step, FIELD_INT64),
  FIELD(best_epoch, FIELD_INT),
  FIELD(best_value, FIELD_DOUBLE),
  FIELD(stalled, FIELD_INT),
  FIELD(plateaus, FIELD_INT),
  FIELD(waited, FIELD_INT),
  FIELD(seconds, FIELD_DOUBLE),
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
    LCL_TRY(lcl_tensor_file_set_number(f, fields[i].key, get_field(p, &fields[i])));
  lcl_str totals = { 0 };
  for (int i = 0; i < t->n_values; i++) lcl_str_add(&totals, "%s%.17g", i ? " " : "", p->total[i]);
  lcl_status s = lcl_str_ok(&totals)
                     ? lcl_tensor_file_set_meta(f, "totals", totals.data ? totals.data : "")
                     : LCL_ERR_HOST_MEMORY;
  lcl_str_free(&totals);
  if (s == LCL_OK) s = lcl_tensor_file_set_number(f, "log_bytes", (double)t->log.bytes);
  if (s == LCL_OK) s = set_metrics(f, &t->best);
  return s;
}

/* The session's variables with this run's position. */
static lcl_status snapshot(lcl_trainer *t, lcl_tensor_file **out) {
  LCL_TRY(lcl_session_save(t->s, out));
  lcl_status s = set_position(t, *out);
  if (s == LCL_OK) return LCL_OK;
  lcl_tensor_file_destroy(*out);
  *out = NULL;
  return s;
}

lcl_status lcl_trainer_save(lcl_trainer *t) {
  lcl_tensor_file *f;
  LCL_TRY(lcl_run_log_sync(&t->log));
  if (t->best_file) {
    LCL_TRY(lcl_tensor_file_write(t->best_file, t->best_path));
    lcl_tensor_file_destroy(t->best_file);
    t->best_file = NULL;
  }
  double seconds = t->at.seconds; /* this sitting's time counts in the file, not twice in memory */
  if (t->sitting_start > 0) t->at.seconds += lcl_now() - t->sitting_start;
  lcl_status s = snapshot(t, &f);
  t->at.seconds = seconds;
  LCL_TRY(s);
  s = lcl_tensor_file_write(f, t->last_path);
  lcl_tensor_file_destroy(f);
  t->last_saved = lcl_now();
  return s;
}

lcl_status lcl_trainer_keep_best(lcl_trainer *t, const lcl_metrics *m) {
  t->best = *m;
  lcl_tensor_file_destroy(t->best_file);
  t->best_file = NULL;
  return snapshot(t, &t->best_file);
}

int64_t lcl_trainer_log_bytes(const lcl_tensor_file *f) {
  double n = lcl_tensor_file_number(f, "log_bytes", 0);
  return n > 0 && n < 9e15 ? (int64_t)n : 0;
}

lcl_status lcl_trainer_restore(lcl_trainer *t, const lcl_tensor_file *f) {
  lcl_position *p = &t->at;
  LCL_TRY(lcl_session_load(t->s, f, true));
  memset(p, 0, sizeof *p);
  for (size_t i = 0; i < LCL_COUNT(fields); i++) {
    double v = lcl_tensor_file_number(f, fields[i].key, NAN);
    if (isnan(v))
      return lcl_fail(LCL_ERR_FORMAT, "the checkpoint does not say \"%s\": it cannot be resumed",
                      fields[i].key);
    put_field(p, &fields[i], v);
  }
  const char *totals = lcl_tensor_file_meta(f, "totals");
  char *end = NULL;
  for (int i = 0; totals && i < t->n_values; i++, totals = end) p->total[i] = strtod(totals, &end);
  get_metrics(f, &t->best);
  t->last_lr = -1;
  LCL_TRY(lcl_batcher_seek(t->labelled, p->labelled));
  return t->unlabelled ? lcl_batcher_seek(t->unlabelled, p->unlabelled) : LCL_OK;
}
