/* Preparing a run: folder, options, data, graphs, batches. */
#include <errno.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/folder.h"
#include "base/text.h"
#include "device/ranks.h"
#include "train/trainer.h"

/* ---- folder and options ---- */

static lcl_status new_folder(lcl_trainer *t, const char *what) {
  char date[32];
  time_t now = time(NULL);
  struct tm tm;
  strftime(date, sizeof date, "%Y%m%d", localtime_r(&now, &tm));
  LCL_TRY(lcl__mkdirs("runs"));
  for (int i = 1; i < 100000; i++) { /* each of two runs that start at once gets its own */
    snprintf(t->folder, sizeof t->folder, "runs/%s%.200s-%s-%d", what, t->d->model, date, i);
    t->made = mkdir(t->folder, 0777) == 0;
    if (t->made) return LCL_OK;
    if (errno != EEXIST)
      return lcl__fail(LCL_ERR_IO, "cannot make the folder %s: %s", t->folder, strerror(errno));
  }
  return lcl__fail(LCL_ERR_IO, "runs/ is full; give --out");
}

/* what: before the name of a folder that is not a run's. */
static lcl_status choose_folder(lcl_trainer *t, const char *what) {
  const char *out = t->d->out;
  if (!out && t->d->resume)
    return lcl__fail(LCL_ERR_ARGUMENT, "to resume, say which run (--out RUN)");
  if (!out) return new_folder(t, what);
  if (strlen(out) >= sizeof t->folder - 32)
    return lcl__fail(LCL_ERR_ARGUMENT, "the name of the run folder is too long");
  snprintf(t->folder, sizeof t->folder, "%s", out);
  return LCL_OK;
}

/* The folder belongs to one process from here to the end of the run. */
static lcl_status take_folder(lcl_trainer *t) {
  if (t->d->resume || lcl__file_exists(t->folder)) return lcl__folder_lock(t->folder, &t->lock);
  t->made = true;
  LCL_TRY(lcl__mkdirs(t->folder));
  return lcl__folder_lock(t->folder, &t->lock);
}

static lcl_status paths(lcl_trainer *t) {
  t->last_path = lcl__path_join(t->folder, "last.safetensors");
  t->best_path = lcl__path_join(t->folder, "best.safetensors");
  return t->last_path && t->best_path ? LCL_OK : LCL_ERR_HOST_MEMORY;
}

lcl_status lcl__train_options(const lcl_train_desc *d, lcl_options **out) {
  const lcl_model_class *cls;
  LCL_TRY(lcl_model_find(d->model, &cls));
  LCL_TRY(lcl_model_options(cls, out));
  for (size_t i = 0; i < d->n_set; i++) {
    lcl_status s = lcl_options_set_pair(*out, d->set[i]);
    if (s == LCL_OK) continue;
    lcl_options_destroy(*out);
    *out = NULL;
    return s;
  }
  return LCL_OK;
}

/* What was given now must be what the run was started with; only its length may change. */
static lcl_status check_same(const lcl_train_desc *d, const lcl_options *recorded,
                             lcl_options *now) {
  for (size_t i = 0; i < lcl_options_count(now); i++) {
    const char *name = lcl_options_at(now, i)->name;
    if (!lcl_option_given(now, name)) continue;
    const char *was = lcl_option_text(recorded, name), *is = lcl_option_text(now, name);
    if (lcl__is_length(name) || strcmp(was, is) == 0) continue;
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "the run in %s was started with %s=%s; it cannot go on with %s=%s", d->out,
                     name, was, name, is);
  }
  return LCL_OK;
}

static lcl_status resume_options(lcl_trainer *t, const lcl_run_config *c, lcl_options **out) {
  const lcl_model_class *cls;
  lcl_options *now = NULL;
  if (t->d->model && strcmp(t->d->model, c->model) != 0)
    return lcl__fail(LCL_ERR_ARGUMENT, "the run in %s is of the model %s, not %s", t->folder,
                     c->model, t->d->model);
  if (t->d->seed && t->d->seed != c->seed)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "the run in %s was started with seed %llu; it cannot go on with seed %llu",
                     t->folder, (unsigned long long)c->seed, (unsigned long long)t->d->seed);
  LCL_TRY(lcl__run_config_class(c, &cls));
  LCL_TRY(lcl__run_config_options(c, cls, out));
  lcl_train_desc d = *t->d;
  d.model = c->model;
  lcl_status s = lcl__train_options(&d, &now);
  if (s == LCL_OK) s = check_same(t->d, *out, now);
  for (size_t i = 0; i < lcl_options_count(now) && s == LCL_OK; i++) {
    const char *name = lcl_options_at(now, i)->name;
    if (lcl__is_length(name) && lcl_option_given(now, name))
      s = lcl_options_set(*out, name, lcl_option_text(now, name));
  }
  lcl_options_destroy(now);
  if (s == LCL_OK) return LCL_OK;
  lcl_options_destroy(*out);
  *out = NULL;
  return s;
}

static lcl_status open_session(lcl_trainer *t, lcl_context *ctx,
                               const lcl_tensor_file *checkpoint) {
  lcl_run_config config = { 0 };
  lcl_session_desc sd = {
    .model = t->d->model, .data = t->d->data, .seed = t->d->seed, .checkpoint = checkpoint
  };
  lcl_status s;
  if (t->d->resume) {
    s = lcl__read_config(t->folder, &config);
    if (s == LCL_OK) s = resume_options(t, &config, &sd.options);
    sd.model = config.model;
    sd.seed = config.seed;
    if (!sd.data) sd.data = config.data;
  } else {
    s = lcl__train_options(t->d, &sd.options);
  }
  if (s == LCL_OK) s = lcl__session_open(ctx, &sd, &t->s);
  if (s == LCL_OK && t->d->resume) s = lcl__run_config_same_data(&config, t->s, t->folder);
  lcl__run_config_free(&config);
  return s;
}

/* ---- graphs ---- */

static lcl_tensor *one_row(lcl_tensor *scalar) {
  return lcl_reshape(scalar, LCL_SHAPE(1));
}

/* The optimiser's step, and sums of loss, accuracy and terms in a variable, so that reading them
 * back can wait. */
static lcl_status add_updates(void *user, lcl_compiled *compiled) {
  lcl_trainer *t = user;
  lcl_build *b = &compiled->build;
  lcl_graph *g = compiled->graph;
  b->optimiser.lr = lcl_input(g, "lr", LCL_F32, LCL_SCALAR);
  lcl_minimise(b->loss, &b->optimiser);
  lcl_tensor *parts[LCL_TRAIN_VALUES];
  int n = 0;
  snprintf(t->value_name[n], sizeof t->value_name[n], "loss");
  parts[n++] = one_row(b->loss);
  if (b->correct) {
    snprintf(t->value_name[n], sizeof t->value_name[n], "correct");
    parts[n++] = one_row(lcl_mean(b->correct, LCL_ALL_AXES, false));
  }
  for (int i = 0; i < b->n_terms; i++) {
    snprintf(t->value_name[n], sizeof t->value_name[n], "%s", b->terms[i].name);
    parts[n++] = one_row(b->terms[i].t);
  }
  parts[n++] = one_row(lcl_const(g, 1));
  lcl_tensor *values = lcl_mean_over_ranks(lcl_concat(parts, n, 0));
  t->n_values = n;
  lcl_tensor *sums = lcl_state(g, "train.sums", LCL_F32, LCL_SHAPE(n),
                               (lcl_init) { .kind = LCL_INIT_ZERO });
  lcl_assign(sums, lcl_add(sums, values));
  return lcl_graph_status(g);
}

/* A labelled stream beside an unlabelled one goes round: it fills its batches however few examples
 * it has. */
static int64_t batch_size(const lcl_session *s) {
  int64_t batch = s->model->settings.batch;
  return s->unlabelled ? batch : LCL_MIN(batch, s->labelled->count);
}

static int64_t unlabelled_batch(const lcl_session *s) {
  return s->unlabelled ? LCL_MIN((int64_t)s->model->settings.unlabelled_batch, s->unlabelled->count)
                       : 0;
}

lcl_status lcl__trainer_compile(lcl_trainer *t, bool check_numerics, lcl_compiled *out) {
  lcl_compiled_desc d = { .mode = LCL_MODE_TRAIN,
                          .name = "train",
                          .batch = batch_size(t->s),
                          .unlabelled_batch = unlabelled_batch(t->s),
                          .ranks = t->ranks,
                          .local_norm = t->d->local_norm,
                          .check_numerics = check_numerics,
                          .extend = add_updates,
                          .user = t };
  return lcl__compiled_create(t->s, &d, out);
}

/* ---- batches and tables ---- */

/* The batcher of a whole batch of this size makes this rank's share. */
static lcl_status open_share(const lcl_trainer *t, lcl_batcher_desc *d, int64_t batch,
                             lcl_batcher **out) {
  int64_t first;
  d->batch = (int)batch;
  d->rows = t->ranks ? (int)lcl_ranks_share(t->ranks, batch, &first) : 0;
  d->first = t->ranks ? (int)first : 0;
  return lcl_batcher_create(d, out);
}

static lcl_status open_batches(lcl_trainer *t) {
  lcl_session *s = t->s;
  const lcl_settings *set = &s->model->settings;
  if (s->labelled->count == 0) return lcl__fail(LCL_ERR_ARGUMENT, "there are no training examples");
  lcl_batcher_desc d = {
    .data = s->labelled, .prep = s->prep, .augment = !set->no_augment, .seed = s->seed, .stream = 1
  };
  d.mode = s->unlabelled ? LCL_BATCH_CYCLE : set->fresh_batches ? LCL_BATCH_FRESH : LCL_BATCH_EPOCH;
  t->batch = batch_size(s);
  t->unlabelled_batch = unlabelled_batch(s);
  LCL_TRY(open_share(t, &d, t->batch, &t->labelled));
  t->steps_per_epoch = lcl_batcher_steps(t->labelled);
  if (!s->unlabelled) return LCL_OK;
  d.data = s->unlabelled;
  d.mode = set->fresh_batches ? LCL_BATCH_FRESH : LCL_BATCH_EPOCH;
  d.stream = 2;
  LCL_TRY(open_share(t, &d, t->unlabelled_batch, &t->unlabelled));
  t->steps_per_epoch = lcl_batcher_steps(t->unlabelled);
  return LCL_OK;
}

/* All prepared training images in memory, for models that read them as a whole;
 * lcl__free(*images). */
static lcl_status all_examples(lcl_session *s, lcl_model_examples *ex, float **images) {
  const lcl_model_data *m = &s->model->data;
  *ex = (lcl_model_examples) { .n = s->labelled->count,
                               .labels = s->labelled->labels,
                               .seed = s->seed };
  ex->size = m->channels * m->height * m->width;
  ex->images = *images = lcl__alloc((size_t)(ex->n * ex->size) * sizeof(float));
  return *images ? lcl__session_examples(s, s->labelled, 0, ex->n, *images) : LCL_ERR_HOST_MEMORY;
}

static lcl_status run_prepare(lcl_trainer *t, lcl_context *ctx) {
  lcl_session *s = t->s;
  lcl_model_examples ex;
  float *images;
  if (!s->cls->prepare) return LCL_OK;
  lcl_status st = all_examples(s, &ex, &images);
  if (st == LCL_OK) st = s->cls->prepare(s->model, ctx, &ex);
  lcl__free(images);
  if (st == LCL_OK && s->model->side) {
    t->side = lcl__alloc((size_t)(batch_size(s) * s->model->side_width) * sizeof(float));
    if (!t->side) st = LCL_ERR_HOST_MEMORY;
  }
  return st;
}

static lcl_status refresh(lcl_trainer *t) {
  lcl_session *s = t->s;
  lcl_model_examples ex;
  float *images;
  lcl_status st = all_examples(s, &ex, &images);
  if (st == LCL_OK) st = s->cls->refresh(s->model, s->store, &ex);
  lcl__free(images);
  return st;
}

lcl_status lcl__trainer_refresh(lcl_trainer *t) {
  if (!t->s->cls->refresh) return LCL_OK;
  return lcl__trainer_send_variables(t, t->leads ? refresh(t) : LCL_OK);
}

static lcl_status weigh_classes(lcl_trainer *t) {
  const lcl_session *s = t->s;
  const char *text = s->model->settings.class_weights;
  if (!text) return LCL_OK;
  t->class_weight = lcl__alloc((size_t)LCL_MAX(s->labelled->classes, 1) * sizeof *t->class_weight);
  t->weight = lcl__alloc((size_t)batch_size(s) * sizeof *t->weight);
  if (!t->class_weight || !t->weight) return LCL_ERR_HOST_MEMORY;
  return lcl__class_weights(text, s->labelled, t->class_weight);
}

/* ---- first values ---- */

static lcl_status load_start(lcl_trainer *t) {
  static const char *const names[] = { "best.safetensors", "last.safetensors" };
  lcl_tensor_file *f = NULL;
  for (size_t i = 0; i < LCL_COUNT(names) && !f; i++) {
    char *path = lcl__path_join(t->d->start, names[i]);
    if (!path) return LCL_ERR_HOST_MEMORY;
    lcl_status st = lcl__file_exists(path) ? lcl_tensor_file_read(path, &f) : LCL_OK;
    lcl__free(path);
    LCL_TRY(st);
  }
  if (!f)
    return lcl__fail(LCL_ERR_IO, "%s is no run folder: it has no checkpoint to start from",
                     t->d->start);
  lcl_status st = lcl_store_start(t->s->store, f);
  lcl_tensor_file_destroy(f);
  return st;
}

static lcl_status first_values(lcl_trainer *t) {
  lcl_session *s = t->s;
  lcl_model_examples ex;
  float *images;
  const char *begins_with = t->compiled.build.begins_with;
  if (t->d->start)
    LCL_TRY(load_start(t));
  else if (begins_with)
    lcl__logf(LCL_LOG_WARN,
              "%s begins with the weights of a run of %s (--start); without one they are random",
              s->cls->name, begins_with);
  if (!s->cls->start) return LCL_OK;
  lcl_status st = all_examples(s, &ex, &images);
  if (st == LCL_OK) st = s->cls->start(s->model, s->store, &ex);
  lcl__free(images);
  return st;
}

/* ---- opening ---- */

static lcl_status go_on_with_events(lcl_trainer *t, const lcl_tensor_file *checkpoint) {
  lcl_events_before before;
  LCL_TRY(lcl__trainer_events(checkpoint, &before));
  return lcl__events_open(&t->events, t->d->tensorboard, &before);
}

static lcl_status start_files(lcl_trainer *t, const lcl_tensor_file *checkpoint) {
  char *log = lcl__path_join(t->folder, "log.jsonl");
  int64_t keep = -1;
  if (!log) return LCL_ERR_HOST_MEMORY;
  if (!t->leads) {
    lcl__free(log);
    return checkpoint ? lcl__trainer_restore(t, checkpoint) : LCL_OK;
  }
  lcl_status s = checkpoint ? lcl__trainer_log_bytes(checkpoint, &keep) : LCL_OK;
  if (s == LCL_OK && checkpoint) s = lcl__trainer_restore(t, checkpoint);
  if (s == LCL_OK && !keep && t->at.step > 0)
    s = lcl__fail(LCL_ERR_FORMAT, "the checkpoint of step %lld says that the log was empty",
                  (long long)t->at.step);
  if (s == LCL_OK) s = lcl__run_log_open(&t->log, log, keep); /* drops lines: all is well so far */
  lcl__free(log);
  LCL_TRY(s);
  if (checkpoint)
    LCL_TRY(go_on_with_events(t, checkpoint));
  else
    LCL_TRY(lcl__events_open(&t->events, t->d->tensorboard, NULL));
  /* Before config.json: a folder with a config always has a checkpoint. After a resume: whoever
   * resumes next cuts the new event file. */
  if (!checkpoint || t->events.file) LCL_TRY(lcl__trainer_save(t));
  return lcl__write_config(t->s, t->d->commit, t->d->start, t->folder);
}

/* Whoever reads the run finds the data where config.json says, which is JSON. */
static lcl_status check_recordable(const char *what, const char *path) {
  if (!path || lcl__is_utf8(path)) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT,
                   "the name of the %s, %s, is not UTF-8, as config.json must be: give it another "
                   "name (a link will do)",
                   what, path);
}

/* Parts that a classifier will be measured on can be: known now, not after the last epoch. */
static lcl_status check_labels(const lcl_trainer *t) {
  const lcl_splits *s = &t->s->splits;
  const lcl_dataset *part[] = { s->valid, t->d->test ? s->test : NULL };
  for (size_t i = 0; i < LCL_COUNT(part) && (t->s->cls->can & LCL_CAN_CLASSIFY); i++) {
    lcl_dataset *labelled = NULL;
    if (part[i]) LCL_TRY(lcl__session_labelled(part[i], &labelled));
    lcl_dataset_close(labelled);
  }
  return LCL_OK;
}

/* Patience and plateaus wait for a better epoch. */
static lcl_status check_waits(const lcl_trainer *t, const lcl_options *now) {
  const bool patience = lcl_option_given(now, "patience") && lcl_option_int(now, "patience") > 0;
  if (!patience && !lcl_option_is(now, "lr_schedule", "plateau")) return LCL_OK;
  if (lcl__trainer_selects(t)) return LCL_OK;
  return lcl__fail(LCL_ERR_ARGUMENT, "%s waits for a better epoch, and none is better: %s",
                   patience ? "patience" : "lr_schedule=plateau",
                   t->s->splits.valid ? "this model takes its last one"
                                      : "there is no validation part");
}

/* What this run would not look at is not what was meant. */
static lcl_status check_used(const lcl_trainer *t, const lcl_options *now) {
  const lcl_settings *set = &t->s->model->settings;
  const lcl_schedule_kind kind = set->schedule.kind;
  const bool step = kind == LCL_SCHEDULE_STEP, plateau = kind == LCL_SCHEDULE_PLATEAU,
             linear = kind == LCL_SCHEDULE_LINEAR;
  const struct {
    const char *option, *belongs;
    bool used;
  } all[] = {
    { "lr_factor", "lr_schedule=step, exponential or plateau",
      step || plateau || kind == LCL_SCHEDULE_EXPONENTIAL },
    { "lr_every", "lr_schedule=step or plateau", step || plateau },
    { "lr_from", "lr_schedule=linear", linear },
    { "lr_until", "lr_schedule=step or linear", step || linear },
    { "unlabelled_batch", "models that take unlabelled examples",
      set->unlabelled != LCL_UNLABELLED_NONE },
    { "select_last", "runs that choose among their epochs by a validation part",
      lcl__trainer_selects(t) },
  };
  for (size_t i = 0; i < LCL_COUNT(all); i++)
    if (lcl_option_given(now, all[i].option) && !all[i].used)
      return lcl__fail(LCL_ERR_ARGUMENT, "option %s would change nothing here: it is for %s",
                       all[i].option, all[i].belongs);
  const lcl_model *m = t->s->model;
  return lcl__check_options_used(m->cls, m->options, now, &m->data);
}

/* Of what is asked for now: a run that goes on may have been begun with more. */
static lcl_status check_asked(const lcl_trainer *t) {
  lcl_train_desc d = *t->d;
  lcl_options *now;
  d.model = t->s->cls->name;
  LCL_TRY(lcl__train_options(&d, &now));
  lcl_status s = check_waits(t, now);
  if (s == LCL_OK) s = check_used(t, now);
  lcl_options_destroy(now);
  return s;
}

/* What steps need, without evaluation. */
static lcl_status open_steps(lcl_trainer *t, lcl_context *ctx) {
  LCL_TRY(weigh_classes(t));
  LCL_TRY(run_prepare(t, ctx));
  LCL_TRY(lcl__trainer_compile(t, t->d->check_numerics, &t->compiled));
  t->n_shared = lcl_store_count(t->s->store);
  lcl_tensor *clean = t->compiled.build.clean;
  if (clean &&
      !(t->clean = lcl__alloc((size_t)lcl_shape_count(lcl_tensor_shape(clean)) * sizeof(float))))
    return LCL_ERR_HOST_MEMORY;
  return open_batches(t);
}

static lcl_status open_with(lcl_trainer *t, lcl_context *ctx, const lcl_tensor_file *checkpoint) {
  const char *runs[] = { t->folder, t->d->start };
  LCL_TRY(open_session(t, ctx, checkpoint));
  if (t->leads) LCL_TRY(lcl__check_run_outputs(&t->d->trace, 1, runs, LCL_COUNT(runs), t->s));
  LCL_TRY(check_labels(t));
  LCL_TRY(check_asked(t));
  LCL_TRY(check_recordable("data", t->s->data_path));
  LCL_TRY(check_recordable("run to start from", t->d->start));
  LCL_TRY(open_steps(t, ctx));
  LCL_TRY(lcl__trainer_open_evaluation(t));
  return checkpoint || !t->leads ? LCL_OK : first_values(t);
}

static void begin(lcl_trainer *t, const lcl_train_desc *d) {
  memset(t, 0, sizeof *t);
  t->d = d;
  t->lock = -1;
  t->ranks = lcl_ranks_count(d->ranks) > 1 ? d->ranks : NULL;
  t->leads = lcl_ranks_rank(t->ranks) == 0;
  lcl__progress_init(&t->progress, d->quiet || !t->leads, d->progress, d->user);
}

/* A folder that was given holds nothing yet, so that nobody takes it for a run's. */
lcl_status lcl__trainer_open_bare(lcl_trainer *t, lcl_context *ctx, const lcl_train_desc *d) {
  begin(t, d);
  if (t->ranks)
    return lcl__fail(LCL_ERR_UNSUPPORTED, "a rate is looked for by one process, not by %d ranks",
                     lcl_ranks_count(t->ranks));
  LCL_TRY(choose_folder(t, "find-lr-"));
  LCL_TRY(take_folder(t));
  char *config = lcl__path_join(t->folder, "config.json");
  const bool run = config && lcl__file_exists(config);
  lcl__free(config);
  if (run) return lcl__fail(LCL_ERR_ARGUMENT, "%s holds a run: give another --out", t->folder);
  LCL_TRY(open_session(t, ctx, NULL));
  LCL_TRY(check_asked(t));
  LCL_TRY(open_steps(t, ctx));
  return first_values(t);
}

/* Chooses and takes the run's folder, which the other ranks only read. */
static lcl_status open_folder(lcl_trainer *t) {
  const lcl_train_desc *d = t->d;
  LCL_TRY(choose_folder(t, ""));
  LCL_TRY(take_folder(t));
  LCL_TRY(lcl__check_ending(d->trace, ".json"));
  char *config = lcl__path_join(t->folder, "config.json");
  bool exists = config && lcl__file_exists(config);
  lcl__free(config);
  if (exists && !d->resume)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "%s already holds a run: continue it with --resume, or give another --out",
                     t->folder);
  if (d->resume && d->start)
    return lcl__fail(LCL_ERR_ARGUMENT,
                     "a run that goes on has its own weights: give no start with resume");
  return LCL_OK;
}

lcl_status lcl__trainer_open(lcl_trainer *t, lcl_context *ctx, const lcl_train_desc *d) {
  lcl_tensor_file *checkpoint = NULL;
  begin(t, d);
  LCL_TRY(lcl__trainer_same_folder(t, t->leads ? open_folder(t) : LCL_OK));
  lcl_status s = paths(t);
  if (s == LCL_OK && d->resume) s = lcl_tensor_file_read(t->last_path, &checkpoint);
  if (s == LCL_OK) s = open_with(t, ctx, checkpoint);
  s = lcl__ranks_agree(t->ranks, s);
  if (s == LCL_OK) s = lcl__trainer_compare(t);
  if (s == LCL_OK) s = lcl__trainer_send_variables(t, start_files(t, checkpoint));
  lcl_tensor_file_destroy(checkpoint);
  t->session_start = t->last_saved = lcl__now();
  t->session_step = t->at.step;
  return s;
}

void lcl__trainer_close(lcl_trainer *t) {
  lcl_batcher_destroy(t->labelled);
  lcl_batcher_destroy(t->unlabelled);
  lcl__evaluator_destroy(t->eval);
  lcl__compiled_destroy(&t->compiled);
  lcl__run_log_close(&t->log);
  lcl__events_close(&t->events);
  lcl_tensor_file_destroy(t->best_file);
  lcl__session_close(t->s);
  lcl__free(t->side);
  lcl__free(t->clean);
  lcl__free(t->class_weight);
  lcl__free(t->weight);
  lcl__free(t->last_path);
  lcl__free(t->best_path);
  if (t->made && t->leads)
    rmdir(t->folder); /* it stays unless the run failed before anything was in it */
  lcl__folder_unlock(t->lock);
}
